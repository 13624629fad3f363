#include <stdlib.h>
#include <string.h>

#include "lib/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything a role does with a frame from another: find its end, walk its
 * fields, go into groups.  All that is given back lies within the input. */
static size_t
walk(struct slice fields, unsigned depth, struct wire_writer *copy)
{
	struct wire_reader r = { .rest = fields };
	struct wire_field f;
	size_t sum = 0;
	bool first = true;

	while (wire_next(&r, &f)) {
		REQUIRE(f.value.ptr >= fields.ptr + 6);
		REQUIRE(f.value.len <= (size_t)(fields.ptr + fields.len - f.value.ptr));
		struct slice found;
		REQUIRE(wire_find(fields, f.tag, &found));
		REQUIRE(!first || found.ptr == f.value.ptr);
		first = false;
		sum += 6 + f.value.len;
		(void)wire_u64(fields, f.tag, 1);
		if (depth < 4 && f.value.len > 0 && wire_ok(f.value)) {
			size_t mark = wire_open(copy, f.tag);
			sum += walk(f.value, depth + 1, copy) - f.value.len;
			wire_close(copy, mark);
		} else {
			wire_put(copy, f.tag, f.value);
		}
	}
	REQUIRE(r.broken == !wire_ok(fields));
	REQUIRE(sum <= fields.len && (r.broken || sum == fields.len));
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct slice in = slice_from(data, size);
	struct wire_frame f, again;
	struct wire_writer w;

	/* The first bytes alone, then all: what a frame is does not depend on
	 * how it arrives. */
	for (size_t n = 0; n < size && n < 40; n++) {
		int early = wire_frame_read((struct slice){ in.ptr, n }, &f);
		if (early == 0)
			REQUIRE(wire_frame_read(in, &again) == 0 && again.payload.len == f.payload.len);
		if (early < 0)
			REQUIRE(wire_frame_read(in, &again) == early);
	}
	if (wire_frame_read(in, &f) != 0)
		f = (struct wire_frame){ .kind = 1, .request = 1, .payload = in };
	REQUIRE(f.payload.len <= size);

	/* What was read, written again, is the same bytes (but for a broken end). */
	wire_begin(&w, &out, f.kind, f.request);
	size_t whole = walk(f.payload, 0, &w);
	REQUIRE(wire_end(&w) == 0);
	REQUIRE(wire_frame_read(buf_view(&out), &again) == 0);
	REQUIRE(again.kind == f.kind && again.request == f.request);
	REQUIRE(slice_eq(again.payload, (struct slice){ f.payload.ptr, whole }));
	return 0;
}
