#include <errno.h>
#include <string.h>

#include "lib/json_scan.h"

void
json_scan_start(struct json_scan *s, struct slice text, unsigned depth_limit)
{
	REQUIRE(depth_limit >= 1 && depth_limit <= JSON_DEPTH_MAX);
	s->start = s->at = (const uint8_t *)(text.len ? text.ptr : "");
	s->end = s->at + text.len;
	s->depth = 0;
	s->depth_limit = depth_limit;
	s->expect = JSON_EXPECT_VALUE;
	s->fault = (struct json_fault){ 0, NULL };
}

static int
fault(struct json_scan *s, int outcome, const uint8_t *at, const char *what)
{
	s->fault = (struct json_fault){ (size_t)(at - s->start), what };
	return outcome;
}

static int
cut(struct json_scan *s)
{
	return fault(s, JSON_E_SYNTAX, s->end, "the text ends too early");
}

/* ---- strings ---- */

/* The first byte from p on that is no plain ASCII character of a string: a
 * quote, a backslash, a control character or above 0x7f.  Eight at a time:
 * most of a text is this. */
static const uint8_t *
skip_plain(const uint8_t *p, const uint8_t *end)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;

	while (end - p >= 8) {
		uint64_t w;
		memcpy(&w, p, sizeof w);
		uint64_t quote = w ^ ones * '"', backslash = w ^ ones * '\\';
		/* (x - ones) & ~x has the top bit where a byte of x is 0.  A
		 * borrow may mark a byte too many above a true one: the loop
		 * below looks at each. */
		uint64_t odd = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
		    (w - ones * 0x20) | w;
		if (odd & tops)
			break;
		p += 8;
	}
	while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Four hex digits in either case; -1: not four hex digits. */
static int
hex4(const uint8_t *p)
{
	int code = 0;
	for (int i = 0; i < 4; i++) {
		int c = p[i], digit;
		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			digit = c - 'A' + 10;
		else
			return -1;
		code = code << 4 | digit;
	}
	return code;
}

static bool
is_high(int code)
{
	return code >= 0xd800 && code <= 0xdbff;
}

static bool
is_low(int code)
{
	return code >= 0xdc00 && code <= 0xdfff;
}

/* The escape at *p (a backslash); moves *p behind it, behind both halves of a
 * surrogate pair. */
static int
scan_escape(struct json_scan *s, bool key, const uint8_t **p)
{
	const uint8_t *at = *p;

	if (s->end - at < 2)
		return cut(s);
	if (at[1] != 'u') {
		if (!at[1] || !strchr("\"\\/bfnrt", at[1]))
			return fault(s, JSON_E_SYNTAX, at, "unknown escape in a string");
		*p = at + 2;
		return 0;
	}

	if (s->end - at < 6)
		return cut(s);
	int code = hex4(at + 2);
	if (code < 0)
		return fault(s, JSON_E_SYNTAX, at, "\\u without four hex digits");
	if (code == 0 && key)
		return fault(s, JSON_E_REFUSED, at, "NUL character in a key");
	*p = at + 6;
	if (is_high(code)) {
		if (s->end - at < 12 || at[6] != '\\' || at[7] != 'u' || !is_low(hex4(at + 8)))
			return fault(s, JSON_E_SYNTAX, at, "unpaired surrogate");
		*p = at + 12;
	} else if (is_low(code)) {
		return fault(s, JSON_E_SYNTAX, at, "unpaired surrogate");
	}
	return 0;
}

static int
scan_string(struct json_scan *s, bool key, struct json_token *ret)
{
	const uint8_t *p = s->at + 1, *first = p;

	ret->kind = key ? JSON_TOKEN_KEY : JSON_TOKEN_STRING;
	ret->escaped = false;
	for (;;) {
		p = skip_plain(p, s->end);
		if (p == s->end)
			return cut(s);
		if (*p == '"')
			break;
		if (*p == '\\') {
			int r = scan_escape(s, key, &p);
			if (r != 0)
				return r;
			ret->escaped = true;
		} else if (*p < 0x20) {
			return fault(s, JSON_E_SYNTAX, p, "control character in a string");
		} else {
			do {
				size_t n = slice_utf8(slice_from(p, (size_t)(s->end - p)));
				if (n == 0)
					return fault(s, JSON_E_SYNTAX, p, "invalid UTF-8");
				p += n;
			} while (p < s->end && *p >= 0x80);
		}
	}
	ret->text = slice_from(first, (size_t)(p - first));
	s->at = p + 1;
	return 0;
}

static size_t
put_utf8(unsigned code, char out[static 4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	out[0] = (char)(lead[n] | code);
	return n;
}

/* The character meant by the escape at p; *ret_len is its length in the text. */
static unsigned
escape_code(const uint8_t *p, size_t *ret_len)
{
	*ret_len = 2;
	switch (p[1]) {
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case 'u': break;
	default:  return p[1];
	}
	int code = hex4(p + 2);
	*ret_len = 6;
	if (!is_high(code))
		return (unsigned)code;
	*ret_len = 12;
	return 0x10000U + (((unsigned)code & 0x3ff) << 10) + ((unsigned)hex4(p + 8) & 0x3ff);
}

int
json_scan_decode(const struct json_token *t, struct buf *out)
{
	struct slice rest = t->text, head, tail;

	/* What is meant is never longer than what is written. */
	int r = buf_reserve(out, t->text.len);
	while (r == 0 && slice_cut(rest, '\\', &head, &tail)) {
		size_t n;
		char utf8[4];
		unsigned code = escape_code((const uint8_t *)head.ptr + head.len, &n);
		r = buf_append_slice(out, head);
		if (r == 0)
			r = buf_append(out, utf8, put_utf8(code, utf8));
		rest = slice_after(rest, head.len + n);
	}
	return r < 0 ? r : buf_append_slice(out, rest);
}

/* ---- numbers and literals ---- */

static const uint8_t *
skip_digits(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

static int
scan_number(struct json_scan *s, struct json_token *ret)
{
	const uint8_t *p = s->at, *digits;

	ret->kind = JSON_TOKEN_NUMBER;
	ret->whole = true;
	if (*p == '-')
		p++;
	digits = p;
	p = skip_digits(p, s->end);
	if (p == digits)
		return p == s->end ? cut(s) : fault(s, JSON_E_SYNTAX, p, "'-' without digits");
	if (*digits == '0' && p - digits > 1)
		return fault(s, JSON_E_SYNTAX, digits, "number with a leading zero");
	if (p < s->end && *p == '.') {
		ret->whole = false;
		digits = ++p;
		p = skip_digits(p, s->end);
		if (p == digits)
			return p == s->end ? cut(s) : fault(s, JSON_E_SYNTAX, p, "'.' without digits");
	}
	if (p < s->end && (*p == 'e' || *p == 'E')) {
		ret->whole = false;
		p++;
		if (p < s->end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, s->end);
		if (p == digits)
			return p == s->end ? cut(s) : fault(s, JSON_E_SYNTAX, p, "exponent without digits");
	}
	ret->text = slice_from(s->at, (size_t)(p - s->at));
	s->at = p;
	return 0;
}

static int
scan_literal(struct json_scan *s, struct slice word, enum json_token_kind kind, struct json_token *ret)
{
	struct slice rest = slice_from(s->at, (size_t)(s->end - s->at));

	if (!slice_starts(rest, word))
		return slice_starts(word, rest) ? cut(s) :
		    fault(s, JSON_E_SYNTAX, s->at, "unknown word");
	ret->kind = kind;
	ret->text = slice_from(s->at, word.len);
	s->at += word.len;
	return 0;
}

/* ---- the grammar ---- */

static int
open_nest(struct json_scan *s, bool object, struct json_token *ret)
{
	if (s->depth == s->depth_limit)
		return fault(s, JSON_E_REFUSED, s->at, "nested too deeply");
	s->object[s->depth++] = object;
	s->expect = object ? JSON_EXPECT_KEY_OR_END : JSON_EXPECT_ELEMENT_OR_END;
	ret->kind = object ? JSON_TOKEN_OBJECT : JSON_TOKEN_ARRAY;
	ret->text = slice_from(s->at, 1);
	s->at++;
	return 0;
}

static int
close_nest(struct json_scan *s, struct json_token *ret)
{
	ret->kind = s->object[--s->depth] ? JSON_TOKEN_OBJECT_END : JSON_TOKEN_ARRAY_END;
	s->expect = JSON_EXPECT_MORE_OR_END;
	ret->text = slice_from(s->at, 1);
	s->at++;
	return 0;
}

static int
scan_value(struct json_scan *s, struct json_token *ret)
{
	s->expect = JSON_EXPECT_MORE_OR_END;
	switch (*s->at) {
	case '{': return open_nest(s, true, ret);
	case '[': return open_nest(s, false, ret);
	case '"': return scan_string(s, false, ret);
	case 't': return scan_literal(s, SLICE("true"), JSON_TOKEN_TRUE, ret);
	case 'f': return scan_literal(s, SLICE("false"), JSON_TOKEN_FALSE, ret);
	case 'n': return scan_literal(s, SLICE("null"), JSON_TOKEN_NULL, ret);
	case '-':
	case '0': case '1': case '2': case '3': case '4':
	case '5': case '6': case '7': case '8': case '9':
		return scan_number(s, ret);
	}
	if (s->at == s->start && *s->at == 0xef)
		return fault(s, JSON_E_SYNTAX, s->at, "byte order mark or other bytes before the text");
	return fault(s, JSON_E_SYNTAX, s->at, "a value should be here");
}

static int
scan_key(struct json_scan *s, struct json_token *ret)
{
	if (*s->at != '"')
		return fault(s, JSON_E_SYNTAX, s->at, "a key in quotes should be here");
	s->expect = JSON_EXPECT_COLON;
	return scan_string(s, true, ret);
}

static int
at_end(struct json_scan *s, struct json_token *ret)
{
	if (s->depth > 0 || s->expect != JSON_EXPECT_MORE_OR_END)
		return s->at == s->start ? fault(s, JSON_E_SYNTAX, s->at, "the text is empty") : cut(s);
	ret->kind = JSON_TOKEN_END;
	return 0;
}

int
json_scan_next(struct json_scan *s, struct json_token *ret)
{
	for (;;) {
		while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
			s->at++;
		if (s->at == s->end)
			return at_end(s, ret);

		bool object = s->depth > 0 && s->object[s->depth - 1];
		switch (s->expect) {
		case JSON_EXPECT_VALUE:
			return scan_value(s, ret);
		case JSON_EXPECT_ELEMENT_OR_END:
			return *s->at == ']' ? close_nest(s, ret) : scan_value(s, ret);
		case JSON_EXPECT_KEY:
			return scan_key(s, ret);
		case JSON_EXPECT_KEY_OR_END:
			return *s->at == '}' ? close_nest(s, ret) : scan_key(s, ret);
		case JSON_EXPECT_COLON:
			if (*s->at != ':')
				return fault(s, JSON_E_SYNTAX, s->at, "':' should be here");
			s->expect = JSON_EXPECT_VALUE;
			break;
		case JSON_EXPECT_MORE_OR_END:
			if (s->depth == 0)
				return fault(s, JSON_E_SYNTAX, s->at, "bytes behind the value");
			if (*s->at == (object ? '}' : ']'))
				return close_nest(s, ret);
			if (*s->at != ',')
				return fault(s, JSON_E_SYNTAX, s->at,
				    object ? "',' or '}' should be here" : "',' or ']' should be here");
			s->expect = object ? JSON_EXPECT_KEY : JSON_EXPECT_VALUE;
			break;
		}
		s->at++;                /* a ':' or ',' */
	}
}
