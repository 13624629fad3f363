#include <stdlib.h>
#include <string.h>

#include "lib/xmlrpc_grammar.h"

static const struct { const char *name; enum element what; } elements[] = {
	{ "value", EL_VALUE }, { "member", EL_MEMBER }, { "name", EL_NAME }, { "string", EL_STRING }, { "int", EL_INT },
	{ "i4", EL_INT }, { "double", EL_DOUBLE }, { "boolean", EL_BOOLEAN }, { "struct", EL_STRUCT }, { "array", EL_ARRAY },
	{ "data", EL_DATA }, { "nil", EL_NIL }, { "i8", EL_INT }, { "param", EL_PARAM }, { "params", EL_PARAMS },
	{ "methodResponse", EL_RESPONSE }, { "methodCall", EL_CALL }, { "methodName", EL_METHOD }, { "fault", EL_FAULT },
	{ "dateTime.iso8601", EL_OTHER_TEXT }, { "base64", EL_OTHER_TEXT }, { "i1", EL_INT }, { "i2", EL_INT },
	{ "biginteger", EL_INT },
};

int
grammar_element(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(elements); i++)
		if (name[0] == elements[i].name[0] && strcmp(name, elements[i].name) == 0)
			return (int)elements[i].what;
	return -1;
}

bool
grammar_fits(struct grammar *g, enum element what)
{
	if (g->depth == 0)
		return !g->complete && (what == EL_RESPONSE || what == EL_CALL);
	struct grammar_open *in = &g->open[g->depth - 1];
	bool once = !in->filled;
	switch (in->what) {
	case EL_RESPONSE:
		in->filled = true;
		return once && (what == EL_PARAMS || what == EL_FAULT);
	case EL_CALL:
		if (what == EL_METHOD)
			return once && !g->method;
		in->filled = true;
		return once && what == EL_PARAMS && g->method;
	case EL_PARAMS:
		/* A response has one, a call any number. */
		in->filled = g->open[0].what == EL_RESPONSE;
		return once && what == EL_PARAM;
	case EL_PARAM:
	case EL_FAULT:
		in->filled = true;
		return once && what == EL_VALUE;
	case EL_VALUE:
		in->filled = true;
		return once && (what == EL_ARRAY || what == EL_STRUCT || what >= EL_INT);
	case EL_ARRAY:
		in->filled = true;
		return once && what == EL_DATA;
	case EL_DATA:
		return what == EL_VALUE;
	case EL_STRUCT:
		return what == EL_MEMBER;
	case EL_MEMBER:
		if (what == EL_NAME) {
			once = !in->named;
			in->named = true;
			return once;
		}
		in->filled = true;
		return once && in->named && what == EL_VALUE;
	case EL_METHOD: case EL_NAME: case EL_INT: case EL_DOUBLE: case EL_BOOLEAN: case EL_STRING: case EL_NIL:
	case EL_OTHER_TEXT:
		break;
	}
	return false;
}

/* ---- numbers ---- */

bool
grammar_int(struct slice text, int64_t *ret)
{
	text = slice_trim(text);
	bool minus = text.len > 0 && text.ptr[0] == '-';
	if (text.len > 0 && (minus || text.ptr[0] == '+'))
		text = slice_after(text, 1);
	uint64_t n = 0, most = minus ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned char)text.ptr[i] - (unsigned)'0';
		if (digit > 9 || n > (most - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*ret = minus ? (int64_t)(0 - n) : (int64_t)n;
	return text.len > 0;
}

bool
grammar_double(struct slice text, double *ret)
{
	char *end;
	text = slice_trim(text);
	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!strchr("0123456789+-.eEinfaINFAyYtTN", text.ptr[i]))
			return false;           /* no hexadecimal */
	*ret = strtod(text.ptr, &end);
	return end == text.ptr + text.len;
}
