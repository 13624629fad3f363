#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define SMALLEST ((size_t)256)
#define SMALL    (64 * KIB)

void
buf_free(struct buf *b)
{
	free(b->ptr);
	*b = (struct buf){ 0 };
}

void
buf_empty(struct buf *b, size_t most)
{
	if (b->cap > most)
		buf_free(b);
	b->len = b->at = 0;
}

void
buf_clear(struct buf *b)
{
	buf_empty(b, SMALL);
}

struct slice
buf_view(const struct buf *b)
{
	return b->len ? (struct slice){ b->ptr + b->at, b->len } : (struct slice){ NULL, 0 };
}

int
buf_reserve(struct buf *b, size_t more)
{
	size_t want;

	if (__builtin_add_overflow(b->len, more, &want) || want > SIZE_MAX / 4)
		return -ENOMEM;
	/* Nothing asked of an empty buffer: it may stay without memory. */
	if (want <= b->cap - b->at)
		return 0;
	if (want <= b->cap && b->at >= b->len) {
		/* Moving costs no more than what was consumed. */
		memmove(b->ptr, b->ptr + b->at, b->len);
		b->at = 0;
		return 0;
	}

	size_t cap = b->cap > SMALLEST ? b->cap : SMALLEST;
	while (cap < want)
		cap *= 2;
	char *p = malloc(cap);
	if (!p)
		return -ENOMEM;
	if (b->len)
		memcpy(p, b->ptr + b->at, b->len);
	free(b->ptr);
	*b = (struct buf){ .ptr = p, .len = b->len, .cap = cap };
	return 0;
}

int
buf_append(struct buf *b, const void *bytes, size_t n)
{
	int r = buf_reserve(b, n);
	if (r < 0 || n == 0)
		return r;
	memcpy(b->ptr + b->at + b->len, bytes, n);
	b->len += n;
	return 0;
}

int
buf_append_slice(struct buf *b, struct slice s)
{
	return buf_append(b, s.ptr, s.len);
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	REQUIRE(n >= 0);

	/* One more for vsnprintf()'s NUL, which is not counted. */
	int r = buf_reserve(b, (size_t)n + 1);
	if (r < 0)
		return r;
	va_start(ap, fmt);
	vsnprintf(b->ptr + b->at + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

void
buf_consume(struct buf *b, size_t n)
{
	REQUIRE(n <= b->len);
	b->len -= n;
	b->at = b->len ? b->at + n : 0;
}
