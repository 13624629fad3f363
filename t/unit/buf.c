#include <errno.h>
#include <string.h>

#include "lib/buf.h"

#include "t/unit/unit.h"

static void
appending(void)
{
	CLEANUP(buf_free) struct buf b = { 0 };

	ROW("a zeroed struct is an empty buffer", buf_view(&b).len == 0);
	ROW("nothing can be appended to it", buf_append(&b, NULL, 0) == 0 && buf_view(&b).len == 0);
	ROW("bytes are appended", buf_append(&b, "ab\0c", 4) == 0);
	ROW("a slice is appended", buf_append_slice(&b, SLICE("def")) == 0);
	ROW("a text is appended", buf_printf(&b, "%d/%s", 7, "x") == 0);
	ROW("all of it is there in order", slice_eq(buf_view(&b), slice_from("ab\0cdef7/x", 10)));
	ROW("a number of bytes beyond memory is refused", buf_reserve(&b, SIZE_MAX) == -ENOMEM &&
	    buf_reserve(&b, SIZE_MAX - 5) == -ENOMEM);
	ROW("and nothing was lost by it", buf_view(&b).len == 10);
	buf_free(&b);
	ROW("a freed buffer is empty and can be used", buf_view(&b).len == 0 && buf_append(&b, "x", 1) == 0);
}

static void
consuming(void)
{
	CLEANUP(buf_free) struct buf b = { 0 };
	bool right = true;

	/* A queue of numbers, more written than read, then the rest. */
	unsigned in = 0, out = 0;
	for (int round = 0; round < 3000; round++) {
		for (int i = 0; i < 3; i++, in++)
			right = right && buf_append(&b, &in, sizeof in) == 0;
		for (int i = 0; i < (round < 1000 ? 2 : 4) && b.len > 0; i++, out++) {
			right = right && memcmp(buf_view(&b).ptr, &out, sizeof out) == 0;
			buf_consume(&b, sizeof out);
		}
	}
	for (; b.len > 0; out++) {
		right = right && memcmp(buf_view(&b).ptr, &out, sizeof out) == 0;
		buf_consume(&b, sizeof out);
	}
	ROW("what goes in comes out, in order", right && in == out && in == 9000);
	ROW("consumed bytes are given back: the memory stayed small", b.cap <= 16 * KIB);

	ROW("a buffer used up begins at its front again", buf_append(&b, "abc", 3) == 0 && b.at == 0);
	buf_consume(&b, 1);
	ROW("the view begins behind what was consumed", slice_eq(buf_view(&b), SLICE("bc")));
	ROW("reserving keeps what is held", buf_reserve(&b, b.cap) == 0 && slice_eq(buf_view(&b), SLICE("bc")));
}

static void
clearing(void)
{
	CLEANUP(buf_free) struct buf b = { 0 };

	ROW("a small buffer", buf_append(&b, "abc", 3) == 0);
	buf_consume(&b, 1);
	buf_clear(&b);
	ROW("clearing empties it", b.len == 0 && b.at == 0);
	ROW("and keeps small memory", b.cap > 0 && b.ptr);
	ROW("a large buffer", buf_reserve(&b, 2 * MIB) == 0);
	buf_clear(&b);
	ROW("large memory is given back", b.cap == 0 && !b.ptr);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "appending", appending },
		{ "consuming", consuming },
		{ "clearing", clearing },
	};
	return unit_run("buf", tests, ARRAY_LEN(tests), 0);
}
