/* Long because its tables are: one row for each way a text can be wrong. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/crypt.h"
#include "lib/json.h"

#include "t/unit/fixture.h"
#include "t/unit/unit.h"

#define BODIES    "chatwoot/MANIFEST.json"
#define CANONICAL "odoo-addon/canonical.json"

#define S JSON_E_SYNTAX
#define R JSON_E_REFUSED

/* Any value at the top, so that rows stay short. */
static const struct json_limits any = { .depth = 64, .values = 200000, .keys = 2000, .object = false };

struct row {
	const char  *name;
	struct slice text;
	int          r;
	size_t       offset;
};
#define T(literal) { literal, sizeof(literal) - 1 }

static void
check_rows(const struct row *row, size_t n, const struct json_limits *limits)
{
	for (size_t i = 0; i < n; i++) {
		/* Of exactly that size: a byte read beyond it is seen by the sanitizer. */
		CLEANUP(free_charp) char *text = malloc(row[i].text.len ? row[i].text.len : 1);
		memcpy(text, row[i].text.ptr, row[i].text.len);
		struct json_fault fault = { 99999, NULL };
		int r = json_check(slice_from(text, row[i].text.len), limits, &fault);
		ROW(row[i].name, r == row[i].r);
		if (r != 0) {
			ROW(row[i].name, fault.what && *fault.what);
			ROW(row[i].name, fault.offset == row[i].offset);
		}
	}
}

static void
values(void)
{
	static const struct row row[] = {
		{ "an empty object", T("{}"), 0, 0 },
		{ "an empty array", T("[]"), 0, 0 },
		{ "blanks everywhere", T(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n"), 0, 0 },
		{ "literals", T("[true,false,null]"), 0, 0 },
		{ "a literal at the top", T("null"), 0, 0 },
		{ "the empty key", T("{\"\":1}"), 0, 0 },
		{ "empty text", T(""), S, 0 },
		{ "blanks alone", T("  \n"), S, 3 },
		{ "a byte order mark", T("\xef\xbb\xbf{}"), S, 0 },
		{ "a form feed is no blank", T("\f{}"), S, 0 },
		{ "a no-break space is no blank", T("{}\xc2\xa0"), S, 2 },
		{ "NUL behind the value", T("{}\0"), S, 2 },
		{ "bytes behind the value", T("{} x"), S, 3 },
		{ "two values", T("{}{}"), S, 2 },
		{ "an object that is cut", T("{"), S, 1 },
		{ "cut behind a key", T("{\"a\""), S, 4 },
		{ "cut behind a colon", T("{\"a\":"), S, 5 },
		{ "cut behind a value", T("{\"a\":1"), S, 6 },
		{ "cut behind a comma", T("{\"a\":1,"), S, 7 },
		{ "a comma too many in an object", T("{\"a\":1,}"), S, 7 },
		{ "a comma too many in an array", T("[1,]"), S, 3 },
		{ "a comma before the first", T("[,1]"), S, 1 },
		{ "two commas", T("[1,,2]"), S, 3 },
		{ "no comma", T("[1 2]"), S, 3 },
		{ "no colon", T("{\"a\" 1}"), S, 5 },
		{ "a colon in an array", T("[1:2]"), S, 2 },
		{ "a key without quotes", T("{a:1}"), S, 1 },
		{ "a number as a key", T("{1:1}"), S, 1 },
		{ "single quotes", T("{'a':1}"), S, 1 },
		{ "a comment", T("{/**/}"), S, 1 },
		{ "an array closed as an object", T("[1}"), S, 2 },
		{ "an object closed as an array", T("{\"a\":1]"), S, 6 },
		{ "a bracket too many", T("[]]"), S, 2 },
		{ "a bracket alone", T("]"), S, 0 },
		{ "True", T("[True]"), S, 1 },
		{ "half a literal", T("[tru]"), S, 1 },
		{ "a literal that is cut", T("tru"), S, 3 },
		{ "a longer word", T("[nullx]"), S, 5 },
		{ "NaN", T("[NaN]"), S, 1 },
		{ "Infinity", T("[Infinity]"), S, 1 },
	};
	check_rows(row, ARRAY_LEN(row), &any);
}

static void
numbers(void)
{
	static const struct row row[] = {
		{ "zero", T("0"), 0, 0 },
		{ "minus zero", T("-0"), 0, 0 },
		{ "a fraction", T("1.5"), 0, 0 },
		{ "zeros behind the point", T("0.000"), 0, 0 },
		{ "an exponent", T("1e5"), 0, 0 },
		{ "an exponent with a sign", T("[1E+5,1e-5]"), 0, 0 },
		{ "an exponent with leading zeros", T("1e007"), 0, 0 },
		{ "a fraction and an exponent", T("-1.25e-07"), 0, 0 },
		{ "very many digits", T("123456789012345678901234567890"), 0, 0 },
		{ "beyond every double", T("1e999"), 0, 0 },
		{ "a leading zero", T("[01]"), S, 1 },
		{ "two zeros", T("[00]"), S, 1 },
		{ "a leading zero behind the sign", T("[-01]"), S, 2 },
		{ "a plus", T("[+1]"), S, 1 },
		{ "a minus alone", T("[-]"), S, 2 },
		{ "a minus that is cut", T("-"), S, 1 },
		{ "two signs", T("[--1]"), S, 2 },
		{ "a point without digits behind", T("[1.]"), S, 3 },
		{ "a point without digits before", T("[.5]"), S, 1 },
		{ "a point that is cut", T("1."), S, 2 },
		{ "an exponent without digits", T("[1e]"), S, 3 },
		{ "an exponent of a sign", T("[1e+]"), S, 4 },
		{ "an exponent that is cut", T("1e"), S, 2 },
		{ "a fraction in the exponent", T("[1e1.5]"), S, 4 },
		{ "hexadecimal", T("[0x10]"), S, 2 },
		{ "a unit", T("[5s]"), S, 2 },
		{ "a full-width digit", T("[\xef\xbc\x91]"), S, 1 },
	};
	check_rows(row, ARRAY_LEN(row), &any);
}

static void
strings(void)
{
	static const struct row row[] = {
		{ "an empty string", T("\"\""), 0, 0 },
		{ "every short escape", T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), 0, 0 },
		{ "hex digits in both cases", T("\"\\u00e9\\u00E9\""), 0, 0 },
		{ "NUL in a value", T("\"a\\u0000b\""), 0, 0 },
		{ "a surrogate pair", T("\"\\ud83d\\uDE00\""), 0, 0 },
		{ "the last character", T("\"\\udbff\\udfff\""), 0, 0 },
		{ "a non-character", T("\"\\uffff\""), 0, 0 },
		{ "DEL", T("\"\x7f\""), 0, 0 },
		{ "two, three and four bytes", T("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""), 0, 0 },
		{ "a long plain string", T("\"aaaaaaaabbbbbbbbccccccccddddddddeeeeeeee\""), 0, 0 },
		{ "a string that is cut", T("\"abc"), S, 4 },
		{ "a long string that is cut", T("\"aaaaaaaabbbbbbbb"), S, 17 },
		{ "a quote alone", T("\""), S, 1 },
		{ "an escape that is cut", T("\"\\"), S, 2 },
		{ "an unknown escape", T("\"\\x41\""), S, 1 },
		{ "an escaped NUL byte", T("\"\\\0\""), S, 1 },
		{ "an escaped newline", T("\"\\\n\""), S, 1 },
		{ "three hex digits", T("\"\\u00e\""), S, 1 },
		{ "a hex digit that is none", T("\"\\u00g9\""), S, 1 },
		{ "an upper-case U", T("\"\\U00e9\""), S, 1 },
		{ "hex digits that are cut", T("\"\\u00"), S, 5 },
		{ "a raw newline", T("\"a\nb\""), S, 2 },
		{ "a raw tab", T("\"a\tb\""), S, 2 },
		{ "a raw NUL", T("\"a\0b\""), S, 2 },
		{ "a control character behind plain ones", T("\"aaaaaaaabbbb\x1f\""), S, 13 },
		{ "a high surrogate alone", T("\"\\ud83d\""), S, 1 },
		{ "a high surrogate before plain text", T("\"\\ud83dabcdef\""), S, 1 },
		{ "a high surrogate before another escape", T("\"\\ud83d\\n12345\""), S, 1 },
		{ "a high surrogate before no low one", T("\"\\ud83d\\u0041\""), S, 1 },
		{ "two high surrogates", T("\"\\ud83d\\ud83d\""), S, 1 },
		{ "a low surrogate alone", T("\"ab\\ude00\""), S, 3 },
		{ "a pair the wrong way round", T("\"\\ude00\\ud83d\""), S, 1 },
		{ "a high surrogate before bad hex digits", T("\"\\ud83d\\uzzzz\""), S, 1 },
		{ "a byte that is no UTF-8", T("\"a\xff\""), S, 2 },
		{ "Latin-1", T("\"Ol\xe1\""), S, 3 },
		{ "overlong", T("\"\xc0\xaf\""), S, 1 },
		{ "an encoded surrogate", T("\"\xed\xa0\xbd\xed\xb8\x80\""), S, 1 },
		{ "above U+10FFFF", T("\"\xf4\x90\x80\x80\""), S, 1 },
		{ "a character that is cut by the quote", T("\"\xe2\x82\""), S, 1 },
		{ "a good character, then a bad one", T("\"\xc3\xa9\xc3\""), S, 3 },
		{ "bad UTF-8 between values", T("[1,\x80]"), S, 3 },
		{ "bad UTF-8 in a key", T("{\"\xff\":1}"), S, 2 },
	};
	check_rows(row, ARRAY_LEN(row), &any);
}

static void
keys(void)
{
	static const struct row row[] = {
		{ "the same key twice", T("{\"a\":1,\"a\":2}"), R, 7 },
		{ "twice with the same value", T("{\"a\":1,\"a\":1}"), R, 7 },
		{ "not beside each other", T("{\"a\":1,\"b\":{\"c\":[1,{}]},\"a\":1}"), R, 24 },
		{ "twice deep inside", T("{\"x\":[{\"y\":{\"a\":1,\"a\":2}}]}"), R, 18 },
		{ "twice when unescaped", T("{\"a\":1,\"\\u0061\":2}"), R, 7 },
		{ "twice in two spellings", T("{\"\\u00e9\":1,\"\\u00E9\":2}"), R, 12 },
		{ "twice as bytes and as a pair", T("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}"), R, 10 },
		{ "twice with an escaped slash", T("{\"a/b\":1,\"a\\/b\":2}"), R, 9 },
		{ "the empty key twice", T("{\"\":1,\"\":2}"), R, 6 },
		{ "keys of nine bytes that differ in the last", T("{\"aaaaaaaa1\":1,\"aaaaaaaa2\":2}"), 0, 0 },
		{ "keys that differ in case", T("{\"a\":1,\"A\":2}"), 0, 0 },
		{ "keys that look alike (NFC, NFD)", T("{\"\\u00e9\":1,\"e\\u0301\":2}"), 0, 0 },
		{ "a key again inside its own value", T("{\"a\":{\"a\":{\"a\":1}}}"), 0, 0 },
		{ "a key again in the object beside it", T("[{\"a\":1},{\"a\":1}]"), 0, 0 },
		{ "an outer key again behind an inner object", T("{\"a\":{\"b\":1},\"b\":2}"), 0, 0 },
		{ "an inner key again as an outer one, then twice", T("{\"a\":{\"b\":1},\"b\":2,\"b\":3}"), R, 19 },
		{ "a key is not its beginning", T("{\"ab\":1,\"a\":2,\"abc\":3}"), 0, 0 },
		{ "a key as a value", T("{\"a\":\"a\",\"b\":\"a\"}"), 0, 0 },
		{ "NUL in a key", T("{\"a\\u0000b\":1}"), R, 3 },
		{ "NUL in an inner key", T("{\"a\":{\"\\u0000\":1}}"), R, 7 },
		{ "a backslash and u0000 in a key is no NUL", T("{\"a\\\\u0000\":1}"), 0, 0 },
	};
	check_rows(row, ARRAY_LEN(row), &any);
}

static void
first_fault(void)
{
	static const struct row row[] = {
		{ "a key twice, then cut", T("{\"a\":1,\"a\":"), R, 7 },
		{ "cut before the key comes twice", T("{\"a\":1,\"a"), S, 9 },
		{ "bad UTF-8, then a key twice", T("{\"a\":\"\xff\",\"a\":1}"), S, 6 },
		{ "a key twice, then bad UTF-8", T("{\"a\":1,\"a\":\"\xff\"}"), R, 7 },
		{ "NUL in a key, then a lone surrogate in it", T("{\"\\u0000\\ud83d\":1}"), R, 2 },
		{ "a lone surrogate in a key, then NUL", T("{\"\\ud83d\\u0000\":1}"), S, 2 },
		{ "no object at the top, then not closed", T("[1"), R, 0 },
		{ "no object at the top, then bytes behind", T("1 x"), R, 0 },
		{ "an array at the top", T("[{}]"), R, 0 },
		{ "a string at the top", T(" \"a\""), R, 1 },
		{ "a string at the top that is no string", T("\"a"), S, 2 },
		{ "null at the top", T("null"), R, 0 },
		{ "a word at the top is no JSON at all", T("nope"), S, 0 },
		{ "a form at the top is no JSON at all", T("name=bob"), S, 0 },
		{ "nothing is no JSON at all", T(""), S, 0 },
	};
	check_rows(row, ARRAY_LEN(row), &json_default_limits);
}

static int
check_text(struct slice text, const struct json_limits *limits)
{
	struct json_fault fault;
	return json_check(text, limits, &fault);
}

static void
limits(void)
{
	static const struct json_limits tight = { .depth = 3, .values = 5, .keys = 2, .object = true };
	static const struct row row[] = {
		{ "as deep as allowed", T("{\"a\":[[]]}"), 0, 0 },
		{ "one deeper", T("{\"a\":[[[]]]}"), R, 7 },
		{ "as deep again beside it", T("{\"a\":[[],[]]}"), 0, 0 },
		{ "as many keys as allowed", T("{\"a\":{\"c\":1,\"d\":2},\"b\":3}"), 0, 0 },
		{ "a key more", T("{\"a\":1,\"b\":2,\"c\":3}"), R, 13 },
		{ "as many values as allowed", T("{\"a\":[1,2,3]}"), 0, 0 },
		{ "a value more", T("{\"a\":[1,2,3,4]}"), R, 12 },
		{ "too deep, then cut", T("{\"a\":[[["), R, 7 },
	};
	check_rows(row, ARRAY_LEN(row), &tight);

	CLEANUP(buf_free) struct buf b = { 0 };
	bool built = true;
	for (int i = 0; i < 64; i++)
		built = built && buf_append(&b, i ? "[" : "{\"a\":", i ? 1 : 5) == 0;
	for (int i = 63; i >= 0; i--)
		built = built && buf_append(&b, i ? "]" : "}", 1) == 0;
	ROW("64 levels are built", built);
	ROW("64 levels pass", check_text(buf_view(&b), &json_default_limits) == 0);
	buf_clear(&b);
	for (int i = 0; i < 100000; i++)
		built = built && buf_append(&b, "[", 1) == 0;
	ROW("100,000 levels are refused and need no stack", built && check_text(buf_view(&b), &any) == JSON_E_REFUSED);

	buf_clear(&b);
	for (int i = 0; i < 2001; i++)
		built = built && buf_printf(&b, "%s\"key%d\":%d", i ? "," : "{", i, i) == 0;
	built = built && buf_append(&b, "}", 1) == 0;
	ROW("2,001 keys are refused", built && check_text(buf_view(&b), &json_default_limits) == JSON_E_REFUSED);
	struct json_limits more = json_default_limits;
	more.keys = 2001;
	ROW("and pass where they are allowed", check_text(buf_view(&b), &more) == 0);
	/* The last key once more, spelled otherwise. */
	b.len--;
	more.keys = 2002;
	ROW("one of 2,001 twice is found", buf_append_slice(&b, SLICE(",\"ke\\u00791234\":0}")) == 0 &&
	    check_text(buf_view(&b), &more) == JSON_E_REFUSED);
}

/* Each byte at each place of a string, near and far from its end: the eight at
 * a time that are looked at together must see what one at a time would. */
static void
every_byte(void)
{
	unsigned wrong = 0;

	for (size_t len = 1; len < 20; len++) {
		for (size_t at = 0; at < len; at++) {
			for (int c = 0; c < 256; c++) {
				char text[24];
				memset(text, 'a', sizeof text);
				text[0] = text[len + 1] = '"';
				text[at + 1] = (char)c;
				/* A quote ends it early, a backslash escapes an 'a'
				 * or the quote: no JSON either. */
				bool good = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
				wrong += check_text(slice_from(text, len + 2), &any) != (good ? 0 : JSON_E_SYNTAX);
			}
		}
	}
	ROW("plain ASCII alone stands for itself at every place", wrong == 0);
}

/* Every cut of a good text is no JSON; every byte of it changed is read
 * without harm. */
static void
mangled(void)
{
	static const char good[] = "{\"a\\n\":[1,-2.5e+3,true,null,\"\\ud83d\\ude00\xc3\xa9\xf0\x9f\x98\x80 plain text\"],\"b\":{\"c\":\"\"}}";
	size_t len = sizeof good - 1;
	unsigned wrong = 0, crashed = 0;

	ROW("the text is good", check_text(slice_from(good, len), &json_default_limits) == 0);
	for (size_t n = 0; n < len; n++) {
		char *part = malloc(n ? n : 1);
		memcpy(part, good, n);
		wrong += check_text(slice_from(part, n), &json_default_limits) != JSON_E_SYNTAX;
		free(part);
	}
	ROW("cut anywhere it is no JSON", wrong == 0);
	for (size_t i = 0; i < len; i++) {
		char changed[sizeof good];
		memcpy(changed, good, sizeof good);
		for (int c = 0; c < 256; c++) {
			changed[i] = (char)c;
			struct slice text = slice_from(changed, len);
			int r = check_text(text, &json_default_limits);
			CLEANUP(json_freep) struct json *j = NULL;
			if (r == 0)
				crashed += json_parse(text, &j) != 0;
			else
				crashed += r < 0;
		}
	}
	ROW("what passes with a byte changed can be parsed", crashed == 0);
}

/* ---- the document ---- */

static struct json *
parsed(const char *text)
{
	struct json *j = NULL;
	struct slice s = slice_of(text);
	ROW(text, check_text(s, &any) == 0 && json_parse(s, &j) == 0);
	return j;
}

static bool
prints(const struct json *j, const char *want)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	bool same = json_print(j, &out) == 0 && slice_eq(buf_view(&out), slice_of(want));
	if (!same)
		fprintf(stderr, "  printed " SLICE_FMT "\n  wanted  %s\n", SLICE_ARG(buf_view(&out)), want);
	return same;
}

static void
reading(void)
{
	CLEANUP(json_freep) struct json *j = parsed("{\"n\":null,\"t\":true,\"f\":false,\"i\":-7,\"d\":1.5,"
	    "\"s\":\"a\\u0000\\u00e9/\",\"l\":[1,null],\"o\":{\"p\":{\"q\":\"deep\"}},\"\":\"empty\"}");
	const struct json *v;

	ROW("null is null and a NULL pointer", json_get(j, "n", &v) == JSON_NULL && !v);
	ROW("what is not there is absent", json_get(j, "no", &v) == JSON_ABSENT && !v);
	ROW("true is true", json_get(j, "t", &v) == JSON_BOOL && json_true(v));
	ROW("false is not", json_get(j, "f", &v) == JSON_BOOL && !json_true(v));
	ROW("null is not true", !json_true(NULL));
	ROW("a string keeps its NUL", json_get(j, "s", &v) == JSON_STRING && slice_eq(json_text(v), slice_from("a\0\xc3\xa9/", 5)));
	ROW("a number is no text", json_get(j, "i", &v) == JSON_INT && json_text(v).len == 0);
	ROW("the empty key is one", json_get(j, "", &v) == JSON_STRING && slice_eq(json_text(v), SLICE("empty")));
	ROW("a path is followed", json_path(j, "o.p.q", &v) == JSON_STRING && slice_eq(json_text(v), SLICE("deep")));
	ROW("a path of one is a key", json_path(j, "i", &v) == JSON_INT && v);
	ROW("a path through nothing is absent", json_path(j, "o.x.q", &v) == JSON_ABSENT && !v);
	ROW("a path through a string is absent", json_path(j, "s.x", &v) == JSON_ABSENT && !v);
	ROW("a path through null is absent", json_path(j, "n.x", &v) == JSON_ABSENT && !v);
	ROW("elements are counted", json_get(j, "l", &v) == JSON_ARRAY && json_length(v) == 2);
	const struct json *list = v;
	ROW("an element", json_at(list, 0, &v) == JSON_INT && v);
	ROW("a null element", json_at(list, 1, &v) == JSON_NULL && !v);
	ROW("beyond the end is absent", json_at(list, 2, &v) == JSON_ABSENT && json_at(list, SIZE_MAX, &v) == JSON_ABSENT);
	ROW("an object has no elements", json_at(j, 0, &v) == JSON_ABSENT);
	ROW("an array has no members", json_get(list, "a", &v) == JSON_ABSENT && json_get(NULL, "a", &v) == JSON_ABSENT);
	ROW("members are counted", json_length(j) == 9 && json_length(NULL) == 0);

	char order[64] = "";
	size_t n = 0;
	for (struct json_iter it = { 0 }; json_next(j, &it);)
		n += (size_t)snprintf(order + n, sizeof order - n, "%s,", it.key);
	ROW("members come in their own order", strcmp(order, "n,t,f,i,d,s,l,o,,") == 0);
	struct json_iter it = { 0 };
	ROW("what is no object has none", !json_next(list, &it) && !json_next(list, &it));
	ROW("it prints as it came", prints(j, "{\"n\":null,\"t\":true,\"f\":false,\"i\":-7,\"d\":1.5,"
	    "\"s\":\"a\\u0000\xc3\xa9/\",\"l\":[1,null],\"o\":{\"p\":{\"q\":\"deep\"}},\"\":\"empty\"}"));
}

static void
integers(void)
{
	static const struct { const char *text; int r; int64_t value; } row[] = {
		{ "0", 0, 0 },
		{ "-0", 0, 0 },
		{ "9007199254740993", 0, INT64_C(9007199254740993) },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "18446744073709551615", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "100000000000000000000000000", -ERANGE, 0 },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "-9223372036854775809", -ERANGE, 0 },
		{ "1.0", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "-0.0", -EINVAL, 0 },
		{ "1e999", -EINVAL, 0 },
		{ "\"1\"", -EINVAL, 0 },
		{ "true", -EINVAL, 0 },
		{ "null", -EINVAL, 0 },
		{ "[1]", -EINVAL, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(json_freep) struct json *j = parsed(row[i].text);
		int64_t value = 77;
		ROW(row[i].text, json_int(j, &value) == row[i].r);
		ROW(row[i].text, value == (row[i].r == 0 ? row[i].value : 77));
		ROW("a number prints as it came", prints(j, row[i].text));
		CLEANUP(json_freep) struct json *copy = json_copy(j);
		ROW("so does its copy", prints(copy, row[i].text));
		ROW("and is the same number", json_int(copy, &value) == row[i].r);
	}
}

static void
doubles(void)
{
	static const struct { const char *text; int r; double value; } row[] = {
		{ "1.5", 0, 1.5 }, { "-7", 0, -7 }, { "1e3", 0, 1000 }, { "8.0", 0, 8 }, { "1e-07", 0, 1e-7 },
		{ "18446744073709551616", 0, 18446744073709551616.0 }, { "0.1000", 0, 0.1 },
		{ "1e999", -ERANGE, 0 }, { "-1e999", -ERANGE, 0 }, { "\"1.5\"", -EINVAL, 0 }, { "null", -EINVAL, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(json_freep) struct json *j = parsed(row[i].text);
		double value = 77;
		ROW(row[i].text, json_number(j, &value) == row[i].r);
		ROW(row[i].text, fabs(value - (row[i].r == 0 ? row[i].value : 77)) < 1e-12);
		ROW("a number prints as it came", prints(j, row[i].text));
	}
}

static void
building(void)
{
	CLEANUP(json_freep) struct json *j = json_new_object();
	CLEANUP(json_freep) struct json *other = parsed("{\"part\":{\"x\":1,\"y\":[2.50]}}");
	struct json *list = json_new_array();
	const struct json *part;

	ROW("a text", json_set_text(j, "t", SLICE("a/\"b\"\n\x1f\xc3\xa9")) == 0);
	ROW("an empty text", json_set_text(j, "e", (struct slice){ NULL, 0 }) == 0);
	ROW("a text that is no UTF-8", json_set_text(j, "u", SLICE("\xc3\xa9\xff\xfez\xe2\x82")) == 0);
	ROW("a number", json_set_int(j, "i", INT64_MIN) == 0);
	ROW("a truth", json_set_bool(j, "b", true) == 0);
	ROW("nothing", json_set_null(j, "n") == 0);
	ROW("a list", json_add_text(list, SLICE("x")) == 0 && json_add(list, NULL) == 0 && json_set(j, "l", list) == 0);
	ROW("a part of another document", json_get(other, "part", &part) == JSON_OBJECT && json_set(j, "p", json_ref(part)) == 0);
	CLEANUP(json_freep) struct json *copy = json_copy(part);
	ROW("a copy is changed", json_set_int(copy, "x", 2) == 0 && json_set(j, "c", json_ref(copy)) == 0);
	ROW("a key set again is replaced", json_set_int(j, "b", 3) == 0);
	json_remove(j, "n");
	json_remove(j, "not there");
	json_freep(&other);
	ROW("all of it prints, also when the other document is gone",
	    prints(j, "{\"t\":\"a/\\\"b\\\"\\n\\u001f\xc3\xa9\",\"e\":\"\",\"u\":\"\xc3\xa9\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\",\"i\":-9223372036854775808,\"b\":3,"
	    "\"l\":[\"x\",null],\"p\":{\"x\":1,\"y\":[2.50]},\"c\":{\"x\":2,\"y\":[2.50]}}"));
	ROW("nothing prints as null", prints(NULL, "null"));
	ROW("a copy of null is null", json_copy(NULL) == NULL);
	json_free(NULL);
}

static void
quoting(void)
{
	static const struct row row[] = {
		{ "plain", T("a/b"), 0, 0 }, { "nothing", T(""), 0, 0 },
		{ "quotes", T("\"\\"), 0, 0 }, { "controls", T("\n\t\b\f\r\v\0\x1f"), 0, 0 },
		{ "letters", T("\xc3\xa9\xf0\x9f\x98\x80"), 0, 0 },
		{ "invalid", T("a\xff\xc3\xed\xa0\x80z"), 0, 0 },
	};
	static const char *want[] = {
		"\"a/b\"", "\"\"", "\"\\\"\\\\\"", "\"\\n\\t\\b\\f\\r\\u000b\\u0000\\u001f\"", "\"\xc3\xa9\xf0\x9f\x98\x80\"",
		"\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"",
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(buf_free) struct buf out = { 0 };
		ROW(row[i].name, json_quote(row[i].text, &out) == 0 && slice_eq(buf_view(&out), slice_of(want[i])));
		ROW("what is quoted passes the check", check_text(buf_view(&out), &any) == 0);
	}
	char all[256];
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (char)i;
	CLEANUP(buf_free) struct buf out = { 0 };
	ROW("every byte at once too", json_quote(slice_from(all, sizeof all), &out) == 0 &&
	    check_text(buf_view(&out), &any) == 0);
}

static void
canonical(void)
{
	static const struct { const char *name, *text, *want; } row[] = {
		{ "separators", "{\"a\":[1,2],\"b\":{}}", "{\"a\": [1, 2], \"b\": {}}" },
		{ "blanks of the sender go", " { \"a\" : [ 1 , 2 ] } ", "{\"a\": [1, 2]}" },
		{ "keys are sorted at every depth", "{\"b\":{\"d\":1,\"c\":[{\"z\":1,\"y\":2}]},\"a\":0}",
		  "{\"a\": 0, \"b\": {\"c\": [{\"y\": 2, \"z\": 1}], \"d\": 1}}" },
		{ "a key comes before a longer one", "{\"ab\":1,\"a\":2,\"\":3}", "{\"\": 3, \"a\": 2, \"ab\": 1}" },
		{ "code points, not UTF-16: U+FFFD before an emoji", "{\"\\ud83d\\ude00\":1,\"\\ufffd\":2}",
		  "{\"\\ufffd\": 2, \"\\ud83d\\ude00\": 1}" },
		{ "sorted by what is meant, not by its spelling", "{\"b\":1,\"\\u0061\":2}", "{\"a\": 2, \"b\": 1}" },
		{ "escapes are Python's", "[\"\\/\\u002f\\u0008\\u000c\\u000a\\u000d\\u0009\\u0000\\u001F\\u007f\\\"\\\\\"]",
		  "[\"//\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\\\"\\\\\"]" },
		{ "other letters are escaped", "[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]", "[\"\\u00e9\\u20ac\\ud83d\\ude00\"]" },
		{ "numbers stay as they came", "[1.0,1E5,-0,12345678901234567890123,0.10]",
		  "[1.0, 1E5, -0, 12345678901234567890123, 0.10]" },
		{ "a value that is none of these", "null", "null" },
		{ "empty ones", "{\"b\":[],\"a\":{},\"c\":\"\"}", "{\"a\": {}, \"b\": [], \"c\": \"\"}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(buf_free) struct buf out = { 0 };
		struct slice text = slice_of(row[i].text);
		ROW(row[i].name, buf_append(&out, "#", 1) == 0 && check_text(text, &any) == 0 && json_canonical(text, &out) == 0);
		ROW(row[i].name, slice_eq(slice_after(buf_view(&out), 1), slice_of(row[i].want)));
	}
}

/* ---- fixtures ---- */

static struct slice
text_of(const struct json *row, const char *key)
{
	const struct json *value;
	json_get(row, key, &value);
	return json_text(value);
}

static struct json *
fixture(const char *name)
{
	size_t len;
	CLEANUP(free_charp) char *text = fixture_read(name, &len);
	struct json *j = NULL;
	ROW(name, text && check_text(slice_from(text, len), &any) == 0 && json_parse(slice_from(text, len), &j) == 0);
	return j;
}

static int
expected(struct slice file, struct slice decision)
{
	static const char *refused[] = {
		"hostile.duplicate_keys.json", "hostile.deep_nesting.json", "hostile.top_level_array.json",
	};
	if (slice_eq(decision, SLICE("reject_json")))
		return JSON_E_SYNTAX;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (slice_eq(file, slice_of(refused[i])))
			return JSON_E_REFUSED;
	return 0;
}

static void
bodies(void)
{
	if (!fixture_there(BODIES))
		return;
	CLEANUP(json_freep) struct json *all = fixture(BODIES);
	const struct json *row;
	unsigned syntax = 0, refused = 0, good = 0;

	for (size_t i = 0; json_at(all, i, &row) == JSON_OBJECT; i++) {
		char path[300];
		size_t len = 0;
		struct slice file = text_of(row, "file");
		snprintf(path, sizeof path, "chatwoot/" SLICE_FMT, SLICE_ARG(file));
		CLEANUP(free_charp) char *text = fixture_read(path, &len);
		int r = check_text(slice_from(text, len), &json_default_limits);
		ROW(path, text && r == expected(file, text_of(row, "decision")));
		syntax += r == JSON_E_SYNTAX;
		refused += r == JSON_E_REFUSED;
		good += r == 0;

		CLEANUP(json_freep) struct json *j = NULL;
		ROW(path, r != 0 || json_parse(slice_from(text, len), &j) == 0);
	}
	ROW("every kind was among the bodies", syntax == 4 && refused == 3 && good > 50);
}

static void
signed_forms(void)
{
	if (!fixture_there(CANONICAL))
		return;
	CLEANUP(json_freep) struct json *all = fixture(CANONICAL);
	const struct json *list, *row, *value;
	struct slice key = text_of(all, "key");

	ROW("the vectors", json_get(all, "vectors", &list) == JSON_ARRAY && json_length(list) > 5);
	for (size_t i = 0; json_at(list, i, &row) == JSON_OBJECT; i++) {
		struct slice body = text_of(row, "body");
		char name[64], mac_text[2 * CRYPT_SHA256 + 1];
		uint8_t mac[CRYPT_SHA256];
		snprintf(name, sizeof name, "vector %zu", i);
		if (json_get(row, "refused", &value) == JSON_STRING) {
			ROW(name, check_text(body, &any) == JSON_E_REFUSED);
			continue;
		}
		CLEANUP(buf_free) struct buf out = { 0 };
		ROW(name, check_text(body, &any) == 0 && json_canonical(body, &out) == 0);
		ROW(name, slice_eq(buf_view(&out), text_of(row, "canonical")));
		crypt_hmac(key, buf_view(&out), (struct slice){ NULL, 0 }, mac);
		hex_encode(mac, sizeof mac, mac_text);
		ROW(name, slice_eq(slice_of(mac_text), text_of(row, "signature")));
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "values", values },
		{ "numbers", numbers },
		{ "strings", strings },
		{ "keys", keys },
		{ "the first fault", first_fault },
		{ "limits", limits },
		{ "every byte", every_byte },
		{ "mangled", mangled },
		{ "reading", reading },
		{ "integers", integers },
		{ "doubles", doubles },
		{ "building", building },
		{ "quoting", quoting },
		{ "the canonical form", canonical },
		{ "bodies of Chatwoot", bodies },
		{ "signed forms of the addons", signed_forms },
	};
	if (crypt_init() < 0)
		return 2;
	return unit_run("json", tests, ARRAY_LEN(tests),
	    (fixture_there(BODIES) ? 0 : 1) + (fixture_there(CANONICAL) ? 0 : 1));
}
