#include <errno.h>
#include <string.h>

#include "lib/wire.h"

#define FIELD_HEAD 6

static void
store16(char *at, uint16_t v)
{
	at[0] = (char)(v & 0xff);
	at[1] = (char)(v >> 8);
}

static void
store32(char *at, uint32_t v)
{
	store16(at, (uint16_t)(v & 0xffff));
	store16(at + 2, (uint16_t)(v >> 16));
}

static void
store64(char *at, uint64_t v)
{
	store32(at, (uint32_t)v);
	store32(at + 4, (uint32_t)(v >> 32));
}

static uint16_t
load16(const char *at)
{
	return (uint16_t)((uint8_t)at[0] | (uint8_t)at[1] << 8);
}

static uint32_t
load32(const char *at)
{
	return load16(at) | (uint32_t)load16(at + 2) << 16;
}

static uint64_t
load64(const char *at)
{
	return load32(at) | (uint64_t)load32(at + 4) << 32;
}

/* ---- writing ---- */

/* Places are offsets from the writer's start: the memory may move while it
 * grows, the distance does not. */
static char *
place(struct wire_writer *w, size_t offset)
{
	return w->out->ptr + w->out->at + w->start + offset;
}

static size_t
written(const struct wire_writer *w)
{
	return w->out->len - w->start;
}

static void
append(struct wire_writer *w, const void *bytes, size_t n)
{
	if (w->failed < 0)
		return;
	w->failed = buf_append(w->out, bytes, n);
}

static void
append_head(struct wire_writer *w, uint16_t tag, size_t len)
{
	char head[FIELD_HEAD];

	/* Early, so that nothing outgrows its 32 bits, nor the memory. */
	if (w->failed == 0 && (len > WIRE_FRAME_MAX || written(w) > WIRE_HEADER + WIRE_FRAME_MAX - len))
		w->failed = -EMSGSIZE;
	store16(head, tag);
	store32(head + 2, (uint32_t)len);
	append(w, head, sizeof head);
}

void
wire_bare(struct wire_writer *w, struct buf *out)
{
	*w = (struct wire_writer){ .out = out, .start = out->len };
}

void
wire_begin(struct wire_writer *w, struct buf *out, uint16_t kind, uint64_t request)
{
	char head[WIRE_HEADER];

	wire_bare(w, out);
	store32(head, 0);                       /* wire_end() knows the length */
	store16(head + 4, WIRE_VERSION);
	store16(head + 6, kind);
	store64(head + 8, request);
	append(w, head, sizeof head);
}

void
wire_put(struct wire_writer *w, uint16_t tag, struct slice value)
{
	append_head(w, tag, value.len);
	append(w, value.ptr, value.len);
}

void
wire_put_u64(struct wire_writer *w, uint16_t tag, uint64_t value)
{
	char bytes[8];

	store64(bytes, value);
	wire_put(w, tag, slice_from(bytes, sizeof bytes));
}

void
wire_put_i64(struct wire_writer *w, uint16_t tag, int64_t value)
{
	wire_put_u64(w, tag, (uint64_t)value);
}

/* While a group is open, the place of its length holds the mark of the group
 * around it: no list of open groups is needed. */
size_t
wire_open(struct wire_writer *w, uint16_t tag)
{
	append_head(w, tag, 0);
	if (w->failed < 0)
		return 0;
	size_t mark = written(w) - 4;
	store32(place(w, mark), (uint32_t)w->group);
	w->group = mark;
	return mark;
}

void
wire_close(struct wire_writer *w, size_t mark)
{
	if (w->failed < 0)
		return;
	REQUIRE(mark != 0 && mark == w->group);
	w->group = load32(place(w, mark));
	store32(place(w, mark), (uint32_t)(written(w) - (mark + 4)));
}

int
wire_bare_end(struct wire_writer *w)
{
	if (w->failed < 0) {
		w->out->len = w->start;
		return w->failed;
	}
	REQUIRE(w->group == 0);
	return 0;
}

int
wire_end(struct wire_writer *w)
{
	if (w->failed == 0 && written(w) > WIRE_HEADER + WIRE_FRAME_MAX)
		w->failed = -EMSGSIZE;
	int r = wire_bare_end(w);
	if (r < 0)
		return r;
	store32(place(w, 0), (uint32_t)(written(w) - WIRE_HEADER));
	return 0;
}

/* ---- reading ---- */

int
wire_frame_read(struct slice in, struct wire_frame *ret)
{
	if (in.len < WIRE_HEADER)
		return WIRE_E_MORE;

	uint32_t len = load32(in.ptr);
	uint16_t version = load16(in.ptr + 4);
	/* Version 0 never was, so 1 has none before it. */
	if (len > WIRE_FRAME_MAX || version == 0 || version > WIRE_VERSION ||
	    version + 1 < WIRE_VERSION)
		return -EPROTO;
	if (in.len - WIRE_HEADER < len)
		return WIRE_E_MORE;

	*ret = (struct wire_frame){
		.kind = load16(in.ptr + 6),
		.request = load64(in.ptr + 8),
		.payload = { in.ptr + WIRE_HEADER, len },
	};
	return 0;
}

bool
wire_next(struct wire_reader *r, struct wire_field *ret)
{
	if (r->broken || r->rest.len == 0)
		return false;
	if (r->rest.len < FIELD_HEAD || load32(r->rest.ptr + 2) > r->rest.len - FIELD_HEAD) {
		r->broken = true;
		return false;
	}

	uint32_t len = load32(r->rest.ptr + 2);
	*ret = (struct wire_field){
		.tag = load16(r->rest.ptr),
		.value = { r->rest.ptr + FIELD_HEAD, len },
	};
	r->rest = slice_after(r->rest, FIELD_HEAD + (size_t)len);
	return true;
}

bool
wire_find(struct slice fields, uint16_t tag, struct slice *ret)
{
	struct wire_reader r = { .rest = fields };
	struct wire_field f;

	while (wire_next(&r, &f)) {
		if (f.tag == tag) {
			*ret = f.value;
			return true;
		}
	}
	return false;
}

struct slice
wire_text(struct slice fields, uint16_t tag)
{
	struct slice value = { NULL, 0 };

	return wire_find(fields, tag, &value) ? value : (struct slice){ NULL, 0 };
}

uint64_t
wire_u64(struct slice fields, uint16_t tag, uint64_t fallback)
{
	struct slice value;

	if (!wire_find(fields, tag, &value) || value.len != 8)
		return fallback;
	return load64(value.ptr);
}

int64_t
wire_i64(struct slice fields, uint16_t tag, int64_t fallback)
{
	return (int64_t)wire_u64(fields, tag, (uint64_t)fallback);
}

bool
wire_ok(struct slice fields)
{
	struct wire_reader r = { .rest = fields };
	struct wire_field f;

	while (wire_next(&r, &f))
		;
	return !r.broken;
}
