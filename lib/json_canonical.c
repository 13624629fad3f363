#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_scan.h"

/* An object's members are written one behind the other, without separators,
 * as they come.  When it closes they are sorted and written once more in
 * their place.  So nothing recurses, and each byte is copied once for each
 * object around it. */
struct member {
	struct slice key;               /* set when the object closes: `keys` moves before */
	size_t       key_at, key_len;   /* in keys */
	size_t       start, len;        /* in out */
};

struct nest {
	bool   object;
	bool   filled;                  /* an array that has an element */
	size_t start;                   /* in out */
	size_t member;                  /* first of its members */
	size_t keys;                    /* length of `keys` when it began */
};

struct canon {
	struct buf    *out;
	struct buf     keys;            /* decoded keys of the open objects */
	struct buf     scratch;
	struct member *members;
	size_t         members_cap, members_used;
	unsigned       depth;
	struct nest    nest[JSON_DEPTH_MAX];
};

/* ---- strings ---- */

static int
put_unit(struct buf *out, unsigned unit)
{
	const uint8_t bytes[2] = { (uint8_t)(unit >> 8), (uint8_t)unit };
	char text[7] = "\\u";

	hex_encode(bytes, sizeof bytes, text + 2);
	return buf_append(out, text, 6);
}

/* The n bytes of one character, as an escape of seven-bit text. */
static int
put_escape(struct buf *out, const uint8_t *p, size_t n)
{
	static const char plain[] = "\"\\\n\r\t\b\f", letter[] = "\"\\nrtbf";
	const char *found = n == 1 && p[0] ? strchr(plain, p[0]) : NULL;

	if (found)
		return buf_append(out, (const char[]){ '\\', letter[found - plain] }, 2);
	switch (n) {
	case 1:
		return put_unit(out, p[0]);
	case 2:
		return put_unit(out, (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU));
	case 3:
		return put_unit(out, (p[0] & 0x0fU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU));
	}
	unsigned code = (p[0] & 0x07U) << 18 | (p[1] & 0x3fU) << 12 | (p[2] & 0x3fU) << 6 | (p[3] & 0x3fU);
	int r = put_unit(out, 0xd800 + ((code - 0x10000) >> 10));
	return r < 0 ? r : put_unit(out, 0xdc00 + (code & 0x3ff));
}

static bool
stays(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static int
put_string(struct buf *out, struct slice text)
{
	int r = buf_append(out, "\"", 1);

	while (r == 0 && text.len > 0) {
		size_t n = 0;
		while (n < text.len && stays(text.ptr[n]))
			n++;
		if (n > 0) {
			r = buf_append(out, text.ptr, n);
		} else {
			n = slice_utf8(text);
			REQUIRE(n > 0);
			r = put_escape(out, (const uint8_t *)text.ptr, n);
		}
		text = slice_after(text, n);
	}
	return r < 0 ? r : buf_append(out, "\"", 1);
}

/* ---- objects and arrays ---- */

/* Byte order of UTF-8 is the order of code points. */
static int
by_key(const void *left, const void *right)
{
	struct slice a = ((const struct member *)left)->key, b = ((const struct member *)right)->key;
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.ptr, b.ptr, common) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

static int
write_members(struct canon *c, const struct nest *o, struct member *m, size_t n)
{
	struct slice written = slice_after(buf_view(c->out), o->start);
	int r;

	buf_clear(&c->scratch);
	if ((r = buf_append_slice(&c->scratch, written)) < 0)
		return r;
	c->out->len = o->start;
	if ((r = buf_append(c->out, "{", 1)) < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct slice all = slice_after(buf_view(&c->scratch), m[i].start - o->start);
		if (i > 0 && (r = buf_append(c->out, ", ", 2)) < 0)
			return r;
		if ((r = buf_append(c->out, all.ptr, m[i].len)) < 0)
			return r;
	}
	return buf_append(c->out, "}", 1);
}

static int
close_object(struct canon *c, const struct nest *o)
{
	struct member *m = c->members ? c->members + o->member : NULL;
	size_t n = c->members_used - o->member;

	REQUIRE(m || n == 0);
	for (size_t i = 0; i < n; i++) {
		size_t end = i + 1 < n ? m[i + 1].start : c->out->len;
		m[i].len = end - m[i].start;
		m[i].key = (struct slice){ slice_after(buf_view(&c->keys), m[i].key_at).ptr, m[i].key_len };
	}
	if (n > 1)
		qsort(m, n, sizeof *m, by_key);
	int r = write_members(c, o, m, n);
	c->members_used = o->member;
	c->keys.len = o->keys;
	return r;
}

static int
take_key(struct canon *c, const struct json_token *t)
{
	struct member m = { .key_at = c->keys.len, .start = c->out->len };
	int r;

	if ((r = json_scan_decode(t, &c->keys)) < 0)
		return r;
	m.key_len = c->keys.len - m.key_at;
	if ((r = array_grow((void **)&c->members, &c->members_cap, c->members_used, sizeof m)) < 0)
		return r;
	c->members[c->members_used++] = m;

	struct slice key = { slice_after(buf_view(&c->keys), m.key_at).ptr, m.key_len };
	r = put_string(c->out, key);
	return r < 0 ? r : buf_append(c->out, ": ", 2);
}

static int
take_string(struct canon *c, const struct json_token *t)
{
	if (!t->escaped)
		return put_string(c->out, t->text);
	buf_clear(&c->scratch);
	int r = json_scan_decode(t, &c->scratch);
	return r < 0 ? r : put_string(c->out, buf_view(&c->scratch));
}

static int
open_nest(struct canon *c, bool object)
{
	c->nest[c->depth++] = (struct nest){
		.object = object,
		.start = c->out->len,
		.member = c->members_used,
		.keys = c->keys.len,
	};
	return object ? 0 : buf_append(c->out, "[", 1);
}

static int
take_token(struct canon *c, const struct json_token *t)
{
	struct nest *around = c->depth ? &c->nest[c->depth - 1] : NULL;

	switch (t->kind) {
	case JSON_TOKEN_KEY:
		return take_key(c, t);
	case JSON_TOKEN_OBJECT_END:
		c->depth--;
		REQUIRE(around);
		return close_object(c, around);
	case JSON_TOKEN_ARRAY_END:
		c->depth--;
		return buf_append(c->out, "]", 1);
	case JSON_TOKEN_END:
		return 0;
	case JSON_TOKEN_OBJECT:
	case JSON_TOKEN_ARRAY:
	case JSON_TOKEN_STRING:
	case JSON_TOKEN_NUMBER:
	case JSON_TOKEN_TRUE:
	case JSON_TOKEN_FALSE:
	case JSON_TOKEN_NULL:
		break;
	}

	if (around && !around->object) {
		int r = around->filled ? buf_append(c->out, ", ", 2) : 0;
		if (r < 0)
			return r;
		around->filled = true;
	}
	if (t->kind == JSON_TOKEN_OBJECT || t->kind == JSON_TOKEN_ARRAY)
		return open_nest(c, t->kind == JSON_TOKEN_OBJECT);
	if (t->kind == JSON_TOKEN_STRING)
		return take_string(c, t);
	return buf_append_slice(c->out, t->text);
}

int
json_canonical(struct slice text, struct buf *out)
{
	struct json_scan scan;
	struct json_token t;
	struct canon c = { .out = out };
	int r;

	json_scan_start(&scan, text, JSON_DEPTH_MAX);
	do {
		/* The text passed json_check(). */
		REQUIRE(json_scan_next(&scan, &t) == 0);
		r = take_token(&c, &t);
	} while (r == 0 && t.kind != JSON_TOKEN_END);
	buf_free(&c.keys);
	buf_free(&c.scratch);
	free(c.members);
	return r;
}
