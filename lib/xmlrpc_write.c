#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/xmlrpc.h"

#define DEPTH_MAX 20            /* of values: under 64 elements */

/* What XML 1.0 cannot carry: C0 but TAB, LF and CR, and U+FFFE and U+FFFF.
 * Surrogates are no UTF-8 to begin with. */
static bool
can_be_carried(struct slice one)
{
	unsigned char c = (unsigned char)one.ptr[0];
	if (one.len == 1)
		return c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
	return !(one.len == 3 && c == 0xef && (unsigned char)one.ptr[1] == 0xbf && (unsigned char)one.ptr[2] >= 0xbe);
}

static const char *
escape_of(char c)
{
	switch (c) {
	case '&':  return "&amp;";
	case '<':  return "&lt;";
	case '>':  return "&gt;";
	case '\r': return "&#13;";      /* a parser makes a LF of it otherwise */
	}
	return NULL;
}

/* Most of a text: it stands for itself. */
static bool
is_plain(char c)
{
	return (signed char)c >= 0x20 && c != '&' && c != '<' && c != '>';
}

static int
write_text(struct slice text, struct buf *out)
{
	size_t from = 0, at = 0;
	for (;;) {
		while (at < text.len && is_plain(text.ptr[at]))
			at++;
		if (at == text.len)
			break;
		size_t n = slice_utf8(slice_after(text, at));
		if (n == 0 || !can_be_carried(slice_from(text.ptr + at, n)))
			return -EINVAL;
		const char *escape = n == 1 ? escape_of(text.ptr[at]) : NULL;
		if (escape) {
			int r = buf_append(out, text.ptr + from, at - from);
			if (r == 0)
				r = buf_append_slice(out, slice_of(escape));
			if (r < 0)
				return r;
			from = at + 1;
		}
		at += n;
	}
	return at > from ? buf_append(out, text.ptr + from, at - from) : 0;
}

/* The shortest that reads back as the same number. */
static int
write_double(double real, struct buf *out)
{
	char text[40];
	if (!isfinite(real))
		return -EINVAL;
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, real);
		double back = strtod(text, NULL);
		if (back <= real && back >= real)
			break;
	}
	int r = buf_append_slice(out, SLICE("<double>"));
	if (r == 0)
		r = buf_append_slice(out, slice_of(text));
	return r == 0 ? buf_append_slice(out, SLICE("</double>")) : r;
}

static int
write_int(int64_t number, struct buf *out)
{
	char text[48];
	bool small = number >= INT32_MIN && number <= INT32_MAX;
	int n = snprintf(text, sizeof(text), small ? "<int>%lld</int>" : "<i8>%lld</i8>", (long long)number);
	return buf_append(out, text, (size_t)n);
}

static int write_value(const struct value *v, unsigned depth, struct buf *out);

static int
write_members(const struct value *v, unsigned depth, struct buf *out)
{
	bool record = v->type == VALUE_RECORD;
	int r = buf_append_slice(out, record ? SLICE("<struct>") : SLICE("<array><data>"));
	for (const struct value *m = v->in.first; m && r == 0; m = m->next) {
		if (record) {
			r = buf_append_slice(out, SLICE("<member><name>"));
			if (r == 0)
				r = write_text(m->name, out);
			if (r == 0)
				r = buf_append_slice(out, SLICE("</name>"));
		}
		if (r == 0)
			r = write_value(m, depth + 1, out);
		if (r == 0 && record)
			r = buf_append_slice(out, SLICE("</member>"));
	}
	if (r == 0)
		r = buf_append_slice(out, record ? SLICE("</struct>") : SLICE("</data></array>"));
	return r;
}

static int
write_inside(const struct value *v, unsigned depth, struct buf *out)
{
	int r;
	switch (v->type) {
	case VALUE_NONE:
		return buf_append_slice(out, SLICE("<nil/>"));
	case VALUE_BOOL:
		return buf_append_slice(out, v->truth ? SLICE("<boolean>1</boolean>") : SLICE("<boolean>0</boolean>"));
	case VALUE_INT:
		return write_int(v->number, out);
	case VALUE_DOUBLE:
		return write_double(v->real, out);
	case VALUE_TEXT:
		r = buf_append_slice(out, SLICE("<string>"));
		if (r == 0)
			r = write_text(v->text, out);
		return r == 0 ? buf_append_slice(out, SLICE("</string>")) : r;
	case VALUE_LIST:
	case VALUE_RECORD:
		return write_members(v, depth, out);
	}
	return -EINVAL;
}

static int
write_value(const struct value *v, unsigned depth, struct buf *out)
{
	if (depth > DEPTH_MAX)
		return -EINVAL;
	int r = buf_append_slice(out, SLICE("<value>"));
	if (r == 0)
		r = write_inside(v, depth, out);
	return r == 0 ? buf_append_slice(out, SLICE("</value>")) : r;
}

static int
write_call(struct slice method, const struct value *const *param, size_t params, struct buf *out)
{
	int r = buf_append_slice(out, SLICE("<?xml version=\"1.0\"?>\n<methodCall><methodName>"));
	if (r == 0)
		r = write_text(method, out);
	if (r == 0)
		r = buf_append_slice(out, SLICE("</methodName><params>"));
	for (size_t i = 0; i < params && r == 0; i++) {
		if (!param[i])
			return -ENOMEM;         /* what was built did not fit its arena */
		r = buf_append_slice(out, SLICE("<param>"));
		if (r == 0)
			r = write_value(param[i], 1, out);
		if (r == 0)
			r = buf_append_slice(out, SLICE("</param>"));
	}
	return r == 0 ? buf_append_slice(out, SLICE("</params></methodCall>\n")) : r;
}

int
xmlrpc_write_call(struct slice method, const struct value *const *param, size_t params, struct buf *out)
{
	size_t had = out->len;
	int r = write_call(method, param, params, out);
	if (r != 0)
		out->len = had;         /* half a call is none */
	return r;
}
