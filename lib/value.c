#include "lib/value.h"

static struct value *
make(struct arena *a, enum value_type type)
{
	struct value *v = arena_take(a, sizeof(*v));
	if (v)
		v->type = type;
	return v;
}

struct value *
value_none(struct arena *a)
{
	return make(a, VALUE_NONE);
}

struct value *
value_bool(struct arena *a, bool truth)
{
	struct value *v = make(a, VALUE_BOOL);
	if (v)
		v->truth = truth;
	return v;
}

struct value *
value_int(struct arena *a, int64_t number)
{
	struct value *v = make(a, VALUE_INT);
	if (v)
		v->number = number;
	return v;
}

struct value *
value_double(struct arena *a, double real)
{
	struct value *v = make(a, VALUE_DOUBLE);
	if (v)
		v->real = real;
	return v;
}

struct value *
value_text(struct arena *a, struct slice text)
{
	struct value *v = make(a, VALUE_TEXT);
	if (v)
		v->text = text;
	return v;
}

struct value *
value_list(struct arena *a)
{
	return make(a, VALUE_LIST);
}

struct value *
value_record(struct arena *a)
{
	return make(a, VALUE_RECORD);
}

void
value_add(struct value *list, struct value *item)
{
	if (!list || !item)
		return;
	if (list->in.last)
		list->in.last->next = item;
	else
		list->in.first = item;
	list->in.last = item;
}

void
value_set(struct value *record, struct slice name, struct value *member)
{
	if (!record || !member)
		return;
	member->name = name;
	value_add(record, member);
}

const struct value *
value_get(const struct value *record, const char *name)
{
	if (!record || record->type != VALUE_RECORD)
		return NULL;
	struct slice wanted = slice_of(name);
	for (const struct value *m = record->in.first; m; m = m->next)
		if (slice_eq(m->name, wanted))
			return m;
	return NULL;
}

const struct value *
value_at(const struct value *list, size_t i)
{
	if (!list || list->type != VALUE_LIST)
		return NULL;
	const struct value *v = list->in.first;
	while (v && i-- > 0)
		v = v->next;
	return v;
}

size_t
value_count(const struct value *v)
{
	size_t n = 0;
	if (v && (v->type == VALUE_LIST || v->type == VALUE_RECORD))
		for (const struct value *m = v->in.first; m; m = m->next)
			n++;
	return n;
}

static bool
same_members(const struct value *a, const struct value *b)
{
	for (const struct value *m = a->in.first; m; m = m->next) {
		const struct value *other = b->in.first;
		while (other && !slice_eq(other->name, m->name))
			other = other->next;
		if (!other || !value_equal(m, other))
			return false;
	}
	return true;
}

static bool
same_items(const struct value *a, const struct value *b)
{
	const struct value *x = a->in.first, *y = b->in.first;
	for (; x && y; x = x->next, y = y->next)
		if (!value_equal(x, y))
			return false;
	return !x && !y;
}

bool
value_equal(const struct value *a, const struct value *b)
{
	if (!a || !b || a->type != b->type)
		return !a && !b;
	switch (a->type) {
	case VALUE_NONE:   return true;
	case VALUE_BOOL:   return a->truth == b->truth;
	case VALUE_INT:    return a->number == b->number;
	case VALUE_DOUBLE: return a->real <= b->real && a->real >= b->real;
	case VALUE_TEXT:   return slice_eq(a->text, b->text);
	case VALUE_LIST:   return same_items(a, b);
	case VALUE_RECORD: return value_count(a) == value_count(b) && same_members(a, b);
	}
	return false;
}
