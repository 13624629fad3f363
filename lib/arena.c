#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"

#define ALIGN 16
#define CHUNK (32 * KIB)

/* The bytes follow the header; its size is a multiple of ALIGN. */
struct chunk {
	struct chunk *next;
	size_t        used;
	size_t        cap;
	size_t        unused;
};

struct arena {
	struct chunk *first;            /* the one that is being carved; never NULL */
	size_t        limit;
	size_t        taken;            /* rounded up to ALIGN, over all chunks */
	bool          overflowed;
};

_Static_assert(sizeof(struct chunk) % ALIGN == 0, "what is carved would lose its alignment");

static struct chunk *
chunk_new(size_t cap)
{
	struct chunk *c = malloc(sizeof *c + cap);
	if (c)
		*c = (struct chunk){ .cap = cap };
	return c;
}

int
arena_new(size_t limit, struct arena **ret)
{
	struct arena *a = calloc(1, sizeof *a);
	if (!a)
		return -ENOMEM;
	a->limit = limit;
	a->first = chunk_new(CHUNK);
	if (!a->first) {
		free(a);
		return -ENOMEM;
	}
	*ret = a;
	return 0;
}

/* Frees all chunks behind the first. */
static void
free_rest(struct arena *a)
{
	struct chunk *c = a->first->next;
	a->first->next = NULL;
	while (c) {
		struct chunk *next = c->next;
		free(c);
		c = next;
	}
}

void
arena_free(struct arena *a)
{
	if (!a)
		return;
	free_rest(a);
	free(a->first);
	free(a);
}

void
arena_freep(struct arena **a)
{
	arena_free(*a);
	*a = NULL;
}

void
arena_reset(struct arena *a)
{
	free_rest(a);
	a->first->used = 0;
	a->taken = 0;
	a->overflowed = false;
}

bool
arena_overflowed(const struct arena *a)
{
	return a->overflowed;
}

/* A chunk with room for size more bytes.  Something large gets a chunk of its
 * own behind the first one, whose rest stays in use; so the first is always of
 * the common size, and the one that arena_reset() keeps. */
static struct chunk *
chunk_with_room(struct arena *a, size_t size)
{
	if (a->first->cap - a->first->used >= size)
		return a->first;

	bool large = size > CHUNK / 4;
	struct chunk *c = chunk_new(large ? size : CHUNK);
	if (!c)
		return NULL;
	if (large) {
		c->next = a->first->next;
		a->first->next = c;
	} else {
		c->next = a->first;
		a->first = c;
	}
	return c;
}

void *
arena_take(struct arena *a, size_t size)
{
	/* First, since rounding up must not wrap around. */
	if (size > a->limit)
		goto full;
	size_t room = size ? (size + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
	if (room > a->limit - a->taken)
		goto full;

	struct chunk *c = chunk_with_room(a, room);
	if (!c)
		goto full;
	char *p = (char *)(c + 1) + c->used;
	c->used += room;
	a->taken += room;
	return memset(p, 0, room);
full:
	a->overflowed = true;
	return NULL;
}

struct slice
arena_copy(struct arena *a, struct slice s)
{
	char *p = s.len < SIZE_MAX ? arena_take(a, s.len + 1) : NULL;
	if (!p)
		return (struct slice){ NULL, 0 };
	if (s.len)
		memcpy(p, s.ptr, s.len);
	return (struct slice){ p, s.len };
}

struct slice
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	REQUIRE(n >= 0);

	char *p = arena_take(a, (size_t)n + 1);
	if (!p)
		return (struct slice){ NULL, 0 };
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (struct slice){ p, (size_t)n };
}

const char *
arena_text(struct arena *a, struct slice s)
{
	if (s.len && memchr(s.ptr, '\0', s.len))
		return NULL;
	return arena_copy(a, s).ptr;
}
