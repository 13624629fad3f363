#include <errno.h>
#include <string.h>

#include "lib/wire.h"
#include "t/unit/unit.h"

static struct buf
frame_of(uint16_t kind, uint64_t request, struct slice text)
{
	struct buf out = { 0 };
	struct wire_writer w;

	wire_begin(&w, &out, kind, request);
	wire_put(&w, 3, text);
	CU_ASSERT_EQUAL_FATAL(wire_end(&w), 0);
	return out;
}

static void
the_bytes_are_as_written_down(void)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	static const uint8_t want[] = {
		30, 0, 0, 0,  1, 0,  0x34, 0x12,  8, 7, 6, 5, 4, 3, 2, 1,
		3, 0,  2, 0, 0, 0,  'h', 'i',
		9, 0,  8, 0, 0, 0,  0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		7, 0,  2, 0, 0, 0,  'x', 'y',
	};

	wire_begin(&w, &out, 0x1234, 0x0102030405060708);
	wire_put(&w, 3, SLICE("hi"));
	wire_put_i64(&w, 9, -2);
	wire_put(&w, 7, SLICE("xy"));
	CU_ASSERT_EQUAL(wire_end(&w), 0);
	CU_ASSERT_TRUE(slice_eq(buf_view(&out), slice_from(want, sizeof want)));
}

static void
a_frame_comes_back_as_it_went(void)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	struct wire_frame f;

	/* Behind other bytes, some of them consumed: places must not be mixed up. */
	CU_ASSERT_EQUAL(buf_append(&out, "abcdefgh", 8), 0);
	buf_consume(&out, 3);
	wire_begin(&w, &out, 13, 77);
	wire_put_u64(&w, 1, UINT64_MAX);
	size_t outer = wire_open(&w, 2);
	wire_put(&w, 5, SLICE("inside"));
	size_t inner = wire_open(&w, 6);
	wire_put_i64(&w, 7, INT64_MIN);
	CLEANUP(buf_free) struct buf large = { 0 };
	for (int i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(buf_printf(&large, "%d,", i), 0);
	wire_put(&w, 8, buf_view(&large));      /* the memory moves */
	wire_close(&w, inner);
	wire_put(&w, 5, SLICE("second"));
	wire_close(&w, outer);
	size_t empty = wire_open(&w, 4);
	wire_close(&w, empty);
	wire_put(&w, 1, SLICE(""));
	CU_ASSERT_EQUAL_FATAL(wire_end(&w), 0);

	CU_ASSERT_TRUE(slice_starts(buf_view(&out), SLICE("defgh")));
	buf_consume(&out, 5);
	CU_ASSERT_EQUAL_FATAL(wire_frame_read(buf_view(&out), &f), 0);
	CU_ASSERT_EQUAL(f.kind, 13);
	CU_ASSERT_EQUAL(f.request, 77);
	CU_ASSERT_EQUAL(WIRE_HEADER + f.payload.len, out.len);
	CU_ASSERT_TRUE(wire_ok(f.payload));
	CU_ASSERT_EQUAL(wire_u64(f.payload, 1, 0), UINT64_MAX);         /* the first counts */
	struct slice group = wire_text(f.payload, 2);
	CU_ASSERT_TRUE(slice_eq(wire_text(group, 5), SLICE("inside")));
	struct slice deeper = wire_text(group, 6);
	CU_ASSERT_EQUAL(wire_i64(deeper, 7, 0), INT64_MIN);
	CU_ASSERT_TRUE(slice_eq(wire_text(deeper, 8), buf_view(&large)));
	struct slice nothing;
	CU_ASSERT_TRUE(wire_find(f.payload, 4, &nothing));
	CU_ASSERT_EQUAL(nothing.len, 0);
	CU_ASSERT_FALSE(wire_find(f.payload, 99, &nothing));
}

static void
repeated_fields_are_walked_in_order(void)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	struct wire_field f;
	uint64_t seen = 0;

	wire_bare(&w, &out);
	for (uint64_t i = 1; i <= 3; i++) {
		wire_put_u64(&w, 20, i);
		wire_put(&w, 999, SLICE("unknown, skipped"));
	}
	CU_ASSERT_EQUAL(wire_bare_end(&w), 0);
	struct wire_reader r = { .rest = buf_view(&out) };
	while (wire_next(&r, &f))
		if (f.tag == 20)
			seen = seen * 10 + (uint8_t)f.value.ptr[0];
	CU_ASSERT_EQUAL(seen, 123);
	CU_ASSERT_FALSE(r.broken);
}

static void
a_frame_is_whole_or_not_there(void)
{
	CLEANUP(buf_free) struct buf out = frame_of(5, 1, SLICE("some text"));
	struct slice all = buf_view(&out);
	struct wire_frame f;

	for (size_t n = 0; n < all.len; n++)
		ROW("a cut frame waits for the rest",
		    wire_frame_read((struct slice){ all.ptr, n }, &f) == WIRE_E_MORE);
	CU_ASSERT_EQUAL(wire_frame_read(all, &f), 0);
	CU_ASSERT_EQUAL(buf_append(&out, "next", 4), 0);
	CU_ASSERT_EQUAL(wire_frame_read(buf_view(&out), &f), 0);
	CU_ASSERT_EQUAL(f.payload.len, all.len - WIRE_HEADER);
}

static void
headers_that_cannot_be_are_refused(void)
{
	/* clang-format off */
	static const struct { const char *name; uint8_t head[WIRE_HEADER]; int want; } rows[] = {
		{ "an empty payload is a frame",       { 0, 0, 0, 0,   1, 0, 1, 0 }, 0 },
		{ "version 0 never was",               { 0, 0, 0, 0,   0, 0, 1, 0 }, -EPROTO },
		{ "a version to come is not guessed",  { 0, 0, 0, 0,   2, 0, 1, 0 }, -EPROTO },
		{ "the version's high byte counts",    { 0, 0, 0, 0,   1, 1, 1, 0 }, -EPROTO },
		{ "64 MiB may come",                   { 0, 0, 0, 4,   1, 0, 1, 0 }, WIRE_E_MORE },
		{ "one byte more may not",             { 1, 0, 0, 4,   1, 0, 1, 0 }, -EPROTO },
		{ "nor 4 GiB",                         { 255, 255, 255, 255, 1, 0, 1, 0 }, -EPROTO },
	};
	/* clang-format on */
	struct wire_frame f;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ROW(rows[i].name, wire_frame_read(slice_from(rows[i].head, WIRE_HEADER), &f) == rows[i].want);
}

static void
cut_fields_are_seen(void)
{
	/* clang-format off */
	static const struct { const char *name; const char bytes[20]; size_t len; bool ok; unsigned fields; } rows[] = {
		{ "nothing is no field, and whole",    "",                           0, true,  0 },
		{ "a field may be empty",              "\1\0\0\0\0\0",               6, true,  1 },
		{ "half a head",                       "\1\0\0\0\0",                 5, false, 0 },
		{ "a value cut short",                 "\1\0\3\0\0\0ab",             8, false, 0 },
		{ "a second field cut",                "\1\0\1\0\0\0a\2\0",          9, false, 1 },
		{ "a length beyond all bytes",         "\1\0\xff\xff\xff\xff",       6, false, 0 },
		{ "two whole fields",                  "\1\0\1\0\0\0a\2\0\0\0\0\0", 13, true,  2 },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice s = { rows[i].bytes, rows[i].len };
		struct wire_reader r = { .rest = s };
		struct wire_field f;
		unsigned n = 0;
		while (wire_next(&r, &f))
			n++;
		ROW(rows[i].name, n == rows[i].fields && r.broken == !rows[i].ok);
		ROW(rows[i].name, wire_ok(s) == rows[i].ok);
		ROW(rows[i].name, !wire_next(&r, &f));
	}
}

static void
numbers_of_another_width_are_no_numbers(void)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;

	wire_bare(&w, &out);
	wire_put(&w, 1, SLICE("1234567"));
	wire_put(&w, 2, SLICE("123456789"));
	wire_put_i64(&w, 3, -5);
	CU_ASSERT_EQUAL(wire_bare_end(&w), 0);
	CU_ASSERT_EQUAL(wire_u64(buf_view(&out), 1, 42), 42);
	CU_ASSERT_EQUAL(wire_i64(buf_view(&out), 2, -42), -42);
	CU_ASSERT_EQUAL(wire_i64(buf_view(&out), 3, 0), -5);
	CU_ASSERT_EQUAL(wire_i64(buf_view(&out), 4, -7), -7);
}

static void
what_is_too_large_leaves_nothing_behind(void)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	CLEANUP(buf_free) struct buf body = { 0 };
	struct wire_writer w;

	CU_ASSERT_EQUAL_FATAL(buf_reserve(&body, WIRE_FRAME_MAX), 0);
	memset(body.ptr, 'x', WIRE_FRAME_MAX);
	body.len = WIRE_FRAME_MAX;
	CU_ASSERT_EQUAL(buf_append(&out, "before", 6), 0);

	wire_begin(&w, &out, 5, 1);
	wire_put(&w, 1, (struct slice){ body.ptr, WIRE_FRAME_MAX - 6 });        /* fits to the byte */
	CU_ASSERT_EQUAL(wire_end(&w), 0);
	CU_ASSERT_EQUAL(out.len, 6 + WIRE_HEADER + WIRE_FRAME_MAX);
	out.len = 6;

	wire_begin(&w, &out, 5, 1);
	wire_put(&w, 1, (struct slice){ body.ptr, WIRE_FRAME_MAX - 5 });
	CU_ASSERT_EQUAL(wire_end(&w), -EMSGSIZE);
	CU_ASSERT_TRUE(slice_eq(buf_view(&out), SLICE("before")));

	wire_begin(&w, &out, 5, 1);
	wire_put(&w, 1, (struct slice){ body.ptr, WIRE_FRAME_MAX / 2 });
	size_t mark = wire_open(&w, 2);
	wire_put(&w, 1, (struct slice){ body.ptr, WIRE_FRAME_MAX / 2 });
	wire_put_u64(&w, 3, 4);
	wire_close(&w, mark);
	CU_ASSERT_EQUAL(wire_end(&w), -EMSGSIZE);
	CU_ASSERT_TRUE(slice_eq(buf_view(&out), SLICE("before")));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "the bytes are as written down", the_bytes_are_as_written_down },
		{ "a frame comes back as it went", a_frame_comes_back_as_it_went },
		{ "repeated fields are walked in order", repeated_fields_are_walked_in_order },
		{ "a frame is whole or not there", a_frame_is_whole_or_not_there },
		{ "headers that cannot be are refused", headers_that_cannot_be_are_refused },
		{ "cut fields are seen", cut_fields_are_seen },
		{ "numbers of another width are no numbers", numbers_of_another_width_are_no_numbers },
		{ "what is too large leaves nothing behind", what_is_too_large_leaves_nothing_behind },
	};
	return unit_run("wire", tests, ARRAY_LEN(tests), 0);
}
