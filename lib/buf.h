/* buf: bytes that grow, for what is read from or written to a descriptor.
 * A zeroed struct is an empty buffer.  Consumed bytes at the front are given
 * back when more room is wanted. */
#ifndef PONTE_BUF_H
#define PONTE_BUF_H

#include "lib/base.h"

struct buf {
	char  *ptr;
	size_t len;        /* bytes held, from ptr + at */
	size_t at;         /* consumed at the front */
	size_t cap;
};

void buf_free(struct buf *);                        /* for CLEANUP() too; leaves it empty */
void buf_clear(struct buf *);                       /* keeps the memory when it is small */
void buf_empty(struct buf *, size_t most);          /* keeps it when it is not more than that */
struct slice buf_view(const struct buf *);          /* until the next call that changes it */
MUST_CHECK int buf_reserve(struct buf *, size_t more);          /* 0 or -ENOMEM */
MUST_CHECK int buf_append(struct buf *, const void *, size_t);  /* 0 or -ENOMEM */
MUST_CHECK int buf_append_slice(struct buf *, struct slice);
MUST_CHECK int buf_printf(struct buf *, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_consume(struct buf *, size_t n);           /* n <= len */

#endif
