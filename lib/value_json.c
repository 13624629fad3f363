#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "lib/value_json.h"

static int fill(const struct json *, struct arena *, struct value *to);

static int
number(const struct json *from, struct arena *a, struct value **ret)
{
	int64_t whole;
	double real;

	if (json_int(from, &whole) == 0)
		*ret = value_int(a, whole);
	else if (json_number(from, &real) == 0)
		*ret = value_double(a, real);
	else
		return -ERANGE;
	return 0;
}

int
value_of_json(const struct json *from, struct arena *a, struct value **ret)
{
	int r = 0;

	*ret = NULL;
	switch (json_type_of(from)) {
	case JSON_ABSENT:
	case JSON_NULL:   *ret = value_none(a);                                   break;
	case JSON_BOOL:   *ret = value_bool(a, json_true(from));                  break;
	case JSON_STRING: *ret = value_text(a, arena_copy(a, json_text(from)));   break;
	case JSON_INT:
	case JSON_DOUBLE: r = number(from, a, ret);                               break;
	case JSON_ARRAY:  *ret = value_list(a);                                   break;
	case JSON_OBJECT: *ret = value_record(a);                                 break;
	}
	if (r == 0 && *ret && ((*ret)->type == VALUE_LIST || (*ret)->type == VALUE_RECORD))
		r = fill(from, a, *ret);
	return r < 0 ? r : arena_overflowed(a) ? -ENOMEM : 0;
}

/* As deep as the checker of the text allowed. */
static int
fill(const struct json *from, struct arena *a, struct value *to)
{
	struct value *item;
	int r = 0;

	if (to->type == VALUE_LIST) {
		const struct json *one;
		for (size_t i = 0; r == 0 && i < json_length(from); i++) {
			json_at(from, i, &one);
			r = value_of_json(one, a, &item);
			if (r == 0)
				value_add(to, item);
		}
		return r;
	}
	for (struct json_iter at = { 0 }; r == 0 && json_next(from, &at);) {
		r = value_of_json(at.value, a, &item);
		if (r == 0)
			value_set(to, arena_copy(a, slice_of(at.key)), item);
	}
	return r;
}

static int print_inner(const struct value *, struct buf *out);

int
value_print_json(const struct value *v, struct buf *out)
{
	switch (v->type) {
	case VALUE_NONE:   return buf_append_slice(out, SLICE("null"));
	case VALUE_BOOL:   return buf_append_slice(out, v->truth ? SLICE("true") : SLICE("false"));
	case VALUE_INT:    return buf_printf(out, "%" PRId64, v->number);
	case VALUE_DOUBLE: return isfinite(v->real) ? buf_printf(out, "%.17g", v->real) : buf_append_slice(out, SLICE("null"));
	case VALUE_TEXT:   return json_quote(v->text, out);
	case VALUE_LIST:
	case VALUE_RECORD: return print_inner(v, out);
	}
	return buf_append_slice(out, SLICE("null"));
}

/* As deep as its reader allowed: 64. */
static int
print_inner(const struct value *v, struct buf *out)
{
	bool record = v->type == VALUE_RECORD;
	int r = buf_append_slice(out, record ? SLICE("{") : SLICE("["));

	for (const struct value *i = v->in.first; r == 0 && i; i = i->next) {
		if (i != v->in.first)
			r = buf_append_slice(out, SLICE(","));
		if (r == 0 && record)
			r = json_quote(i->name, out);
		if (r == 0 && record)
			r = buf_append_slice(out, SLICE(":"));
		if (r == 0)
			r = value_print_json(i, out);
	}
	return r < 0 ? r : buf_append_slice(out, record ? SLICE("}") : SLICE("]"));
}
