#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/odoo/odoo.h"

const char *
odoo_outcome_text(enum odoo_outcome o)
{
	switch (o) {
#define X(name, text) case ODOO_##name: return text;
	ODOO_OUTCOMES(X)
#undef X
	}
	return "?";
}

bool
odoo_only_reads(struct slice method)
{
	static const char *const known[] = { "read", "search", "search_read", "search_count", "fields_get", "name_search", "read_group",
		"check_access_rights" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (slice_eq(method, slice_of(known[i])))
			return true;
	return false;
}

/* ---- versions ---- */

/* {"server_version_info": [16, 0, 0, "final", 0, ""], …}; of the cloud the first
 * is a text, "saas~18". */
int
odoo_version_of(const struct value *v, struct odoo_version *ret)
{
	const struct value *info = value_get(v, "server_version_info"), *major = value_at(info, 0), *minor = value_at(info, 1);
	struct slice text;
	uint64_t n = 0;

	*ret = (struct odoo_version){ .major = 0 };
	if (!major)
		return -EPROTO;
	if (major->type == VALUE_INT) {
		ret->major = (int)major->number;
	} else if (major->type == VALUE_TEXT) {
		text = major->text;
		if (slice_starts(text, SLICE("saas~")))
			text = slice_after(text, 5);
		if (slice_to_u64(text, 1, 1000, &n) != 0)
			return -EPROTO;
		ret->major = (int)n;
	}
	if (ret->major < 1 || ret->major > 1000)
		return -EPROTO;
	if (minor && minor->type == VALUE_INT)
		ret->minor = (int)minor->number;
	return 0;
}

const char *
odoo_version_remark(const struct odoo_version *v)
{
	if (v->major == 0)
		return NULL;
	if (v->major < 14)
		return "older than Odoo 14: it has no API keys and was never tried";
	if (v->major >= 22)
		return "Odoo 22 has no XML-RPC any more, and ponte speaks nothing else yet";
	if (v->major >= 19)
		return "XML-RPC is announced to end with Odoo 22 (fall 2028; Online 21.1, winter 2027)";
	return NULL;
}

/* ---- types ---- */

struct field { struct slice name; enum odoo_type type; };
struct odoo_fields { struct arena *memory; struct field *item; size_t n; };

static enum odoo_type
type_of(struct slice word)
{
	static const struct { const char *word; enum odoo_type type; } types[] = {
		{ "char", ODOO_T_TEXT }, { "text", ODOO_T_TEXT }, { "html", ODOO_T_TEXT }, { "selection", ODOO_T_TEXT },
		{ "date", ODOO_T_TEXT }, { "datetime", ODOO_T_TEXT }, { "binary", ODOO_T_TEXT }, { "reference", ODOO_T_TEXT },
		{ "integer", ODOO_T_NUMBER }, { "float", ODOO_T_NUMBER }, { "monetary", ODOO_T_NUMBER }, { "many2one_reference", ODOO_T_NUMBER },
		{ "boolean", ODOO_T_BOOL }, { "many2one", ODOO_T_ONE }, { "one2many", ODOO_T_MANY }, { "many2many", ODOO_T_MANY },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (slice_eq(word, slice_of(types[i].word)))
			return types[i].type;
	return ODOO_T_OTHER;
}

static int
by_name(const void *a, const void *b)
{
	const struct field *x = a, *y = b;
	size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
	int c = n ? memcmp(x->name.ptr, y->name.ptr, n) : 0;

	return c ? c : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

int
odoo_fields_new(const struct value *v, struct odoo_fields **ret)
{
	struct arena *memory;
	size_t n = value_count(v), i = 0;

	if (!v || v->type != VALUE_RECORD)
		return -EPROTO;
	if (arena_new(4 * MIB, &memory) != 0)
		return -ENOMEM;
	struct odoo_fields *f = arena_take(memory, sizeof(*f));
	struct field *item = arena_take(memory, (n ? n : 1) * sizeof(*item));
	for (const struct value *m = v->in.first; m && item; m = m->next) {
		const struct value *type = value_get(m, "type");
		item[i++] = (struct field){ arena_copy(memory, m->name), type && type->type == VALUE_TEXT ? type_of(type->text) : ODOO_T_OTHER };
	}
	if (!f || !item || arena_overflowed(memory)) {
		arena_free(memory);
		return -ENOMEM;
	}
	qsort(item, n, sizeof(item[0]), by_name);
	*f = (struct odoo_fields){ .memory = memory, .item = item, .n = n };
	*ret = f;
	return 0;
}

void
odoo_fields_free(struct odoo_fields *f)
{
	if (f)
		arena_free(f->memory);
}

enum odoo_type
odoo_field_type(const struct odoo_fields *f, struct slice name)
{
	struct field key = { name, ODOO_T_NONE };
	const struct field *found = f->n ? bsearch(&key, f->item, f->n, sizeof(key), by_name) : NULL;

	return found ? found->type : ODOO_T_NONE;
}

void
odoo_give_types(struct value *record, const struct odoo_fields *f)
{
	if (record->type != VALUE_RECORD)
		return;
	for (struct value *m = record->in.first; m; m = m->next) {
		enum odoo_type type = odoo_field_type(f, m->name);
		if (m->type != VALUE_BOOL || m->truth)
			continue;
		if (type == ODOO_T_TEXT) {
			m->type = VALUE_TEXT;
			m->text = (struct slice){ "", 0 };
		} else if (type == ODOO_T_ONE) {
			m->type = VALUE_NONE;
		}
	}
}

/* ---- members ---- */

struct slice
odoo_text(const struct value *record, const char *field)
{
	const struct value *v = value_get(record, field);

	return v && v->type == VALUE_TEXT ? v->text : (struct slice){ "", 0 };
}

int64_t
odoo_id(const struct value *record, const char *field)
{
	const struct value *v = value_get(record, field);

	if (v && v->type == VALUE_LIST)
		v = value_at(v, 0);
	return v && v->type == VALUE_INT ? v->number : 0;
}

double
odoo_number(const struct value *record, const char *field)
{
	const struct value *v = value_get(record, field);

	return !v ? 0 : v->type == VALUE_DOUBLE ? v->real : v->type == VALUE_INT ? (double)v->number : 0;
}

bool
odoo_bool(const struct value *record, const char *field, bool absent)
{
	const struct value *v = value_get(record, field);

	return v && v->type == VALUE_BOOL ? v->truth : absent;
}

int
odoo_time(struct slice text, int64_t *ret_us)
{
	char copy[20];
	struct tm t = { .tm_isdst = 0 };

	if (text.len != 10 && text.len != 19)
		return -EINVAL;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	const char *end = strptime(copy, text.len == 10 ? "%Y-%m-%d" : "%Y-%m-%d %H:%M:%S", &t);
	if (!end || *end)
		return -EINVAL;
	int day = t.tm_mday;
	time_t s = timegm(&t);
	/* timegm() makes the 3rd of March of the 31st of February. */
	if (t.tm_mday != day || s < 0)
		return -EINVAL;
	*ret_us = (int64_t)s * 1000000;
	return 0;
}
