#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "app/worker/guard.h"
#include "lib/clock.h"

#define HEAD       8            /* version, type, request id, content length, padding length, reserved */
#define VERSION    1
#define BEGIN      1
#define PARAMS     4
#define FIRST_LOOK (8 * KIB)    /* nearly all requests end their parameters in it */
#define PATIENCE_MS 2000

static unsigned
byte(struct slice s, size_t at)
{
	return (unsigned char)s.ptr[at];
}

struct record { unsigned type, id; struct slice content; };

/* The record at the front of *s, which is moved behind it. */
static int
next_record(struct slice *s, struct record *ret)
{
	if (s->len < HEAD)
		return GUARD_E_MORE;
	size_t content = byte(*s, 4) << 8 | byte(*s, 5), padding = byte(*s, 6);
	*ret = (struct record){ .type = byte(*s, 1), .id = byte(*s, 2) << 8 | byte(*s, 3) };
	if (byte(*s, 0) != VERSION || ret->id == 0)
		return GUARD_E_BAD;
	if (s->len < HEAD + content + padding)
		return GUARD_E_MORE;
	ret->content = slice_from(s->ptr + HEAD, content);
	*s = slice_after(*s, HEAD + content + padding);
	return 0;
}

/* Names and values run over the records' ends, so what is left to be skipped
 * is carried from one to the next, as is a length that was cut. */
struct walk {
	size_t   total;         /* bytes of parameters so far */
	uint64_t skip;          /* of a name and its value */
	unsigned have;          /* bytes of the lengths before them, at most 8 */
	uint8_t  head[8];
};

static uint64_t
length(const uint8_t *p)
{
	return p[0] < 0x80 ? p[0] : ((uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3]) & 0x7fffffff;
}

/* Both lengths, when the bytes collected hold them. */
static bool
head_is_whole(const struct walk *w, uint64_t *ret_skip)
{
	unsigned name, value;

	if (w->have < 1)
		return false;
	name = w->head[0] < 0x80 ? 1 : 4;
	if (w->have < name + 1)
		return false;
	value = w->head[name] < 0x80 ? 1 : 4;
	if (w->have < name + value)
		return false;
	*ret_skip = length(w->head) + length(w->head + name);
	return true;
}

static int
walk_params(struct walk *w, struct slice s)
{
	w->total += s.len;
	if (w->total > GUARD_PARAMS)
		return GUARD_E_BAD;
	while (s.len > 0) {
		if (w->skip > 0) {
			size_t n = w->skip < s.len ? (size_t)w->skip : s.len;
			w->skip -= n;
			s = slice_after(s, n);
			continue;
		}
		w->head[w->have++] = (uint8_t)s.ptr[0];
		s = slice_after(s, 1);
		if (!head_is_whole(w, &w->skip))
			continue;
		w->have = 0;
		if (w->skip > GUARD_PARAMS)
			return GUARD_E_BAD;
	}
	return 0;
}

int
guard_check(struct slice front)
{
	struct record first, one;
	struct walk w = { 0 };
	int r = next_record(&front, &first);

	if (r != 0)
		return r;
	if (first.type != BEGIN || first.content.len != 8)
		return GUARD_E_BAD;
	for (;;) {
		r = next_record(&front, &one);
		if (r != 0)
			return r;
		if (one.type != PARAMS || one.id != first.id)
			return GUARD_E_BAD;
		if (one.content.len == 0)
			return w.skip > 0 || w.have > 0 ? GUARD_E_BAD : 0;
		r = walk_params(&w, one.content);
		if (r != 0)
			return r;
	}
}

int
guard_wait(int fd, char *front)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	struct pollfd arrives = { .fd = fd, .events = POLLIN }, leaves = { .fd = fd, .events = POLLRDHUP };
	size_t most = FIRST_LOOK, before = 0;

	if (poll(&arrives, 1, PATIENCE_MS) <= 0)
		return GUARD_E_BAD;
	for (;;) {
		ssize_t n = recv(fd, front, most, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return GUARD_E_BAD;
		int r = guard_check(slice_from(front, n > 0 ? (size_t)n : 0));
		if (r != GUARD_E_MORE)
			return r;
		if (n == GUARD_FRONT)
			return GUARD_E_BAD;
		bool all_seen = n >= 0 && (size_t)n < most;
		most = GUARD_FRONT;
		if (!all_seen)
			continue;
		/* What was peeked at stays readable, so there is nothing to
		 * wait for but time, or the peer's end: after that and one
		 * more look there will be no more. */
		bool gone = poll(&leaves, 1, 1) != 0;
		if ((gone && (size_t)n == before) || clock_mono_ms() > until)
			return GUARD_E_BAD;
		before = (size_t)n;
	}
}
