/* arena: the memory of one request.
 *
 * Everything made while answering a request is carved from it and nothing is
 * freed by itself: arena_reset() forgets all of it at once, before the next
 * request.  So a pointer into an arena must never be stored anywhere that
 * outlives the request.
 *
 * An arena grows in chunks up to its limit.  A full arena is an answer to the
 * client, not a crash: arena_take() returns NULL and remembers it, so a
 * function that builds a lot may check once, at its end, with
 * arena_overflowed(). */
#ifndef PONTE_ARENA_H
#define PONTE_ARENA_H

#include "lib/base.h"

struct arena;

MUST_CHECK int arena_new(size_t limit, struct arena **ret);
void arena_free(struct arena *);                    /* NULL is fine */
void arena_freep(struct arena **);                  /* for CLEANUP() */
void arena_reset(struct arena *);                   /* keeps one chunk, forgets the rest */
bool arena_overflowed(const struct arena *);

/* 16-byte aligned, zeroed; NULL when full or out of memory. */
void *arena_take(struct arena *, size_t size);
/* Copies with a NUL behind them; empty slice on overflow. */
struct slice arena_copy(struct arena *, struct slice);
struct slice arena_printf(struct arena *, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The NUL-terminated form for C libraries; NULL on overflow or when the slice
 * holds a NUL itself. */
const char *arena_text(struct arena *, struct slice);

#endif
