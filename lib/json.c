/* All of json-c is known here alone. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Both have an `enum json_type`; in this file json-c's has another name. */
#define json_type json_c_type
#include <json-c/json.h>
#undef json_type

#include "lib/json_scan.h"

/* struct json is json-c's json_object under another name.  json-c's own
 * parser is not used: the document is built from the checker's tokens, so that
 * there is one reading of a text and not two.
 *
 * A whole number that does not fit 64 bits (and "-0") keeps its token as user
 * data, which is what is printed; json_int() knows it by that. */

static struct json_object *
inner(const struct json *j)
{
	return (struct json_object *)(uintptr_t)j;
}

static struct json *
outer(struct json_object *o)
{
	return (struct json *)o;
}

/* ---- parsing ---- */

struct builder {
	struct json_object *root;
	struct json_object *open[JSON_DEPTH_MAX];
	unsigned            depth;
	struct buf          key;        /* of the value that comes next, with a NUL */
	struct buf          text;
};

/* Appends what the token means and a NUL. */
static int
decode_text(const struct json_token *t, struct buf *out)
{
	buf_clear(out);
	int r = t->escaped ? json_scan_decode(t, out) : buf_append_slice(out, t->text);
	return r < 0 ? r : buf_append(out, "", 1);
}

static int
make_string(struct builder *b, const struct json_token *t, struct json_object **ret)
{
	struct slice text = t->text;

	if (t->escaped) {
		int r = decode_text(t, &b->text);
		if (r < 0)
			return r;
		text = buf_view(&b->text);
		text.len--;
	}
	REQUIRE(text.len <= INT_MAX);
	*ret = json_object_new_string_len(text.ptr, (int)text.len);
	return *ret ? 0 : -ENOMEM;
}

static int
make_number(struct builder *b, struct json_token *t, struct json_object **ret)
{
	int64_t value = 0;
	int fits = t->whole ? slice_to_i64(t->text, INT64_MIN, INT64_MAX, &value) : -EINVAL;
	if (fits == 0) {
		*ret = json_object_new_int64(value);
		return *ret ? 0 : -ENOMEM;
	}

	t->escaped = false;
	int r = decode_text(t, &b->text);
	if (r < 0)
		return r;
	const char *text = buf_view(&b->text).ptr;
	if (!t->whole) {
		*ret = json_object_new_double_s(strtod(text, NULL), text);
		return *ret ? 0 : -ENOMEM;
	}
	if (fits == -ERANGE)
		value = text[0] == '-' ? INT64_MIN : INT64_MAX;
	char *kept = strdup(text);
	*ret = kept ? json_object_new_int64(value) : NULL;
	if (!*ret) {
		free(kept);
		return -ENOMEM;
	}
	json_object_set_serializer(*ret, json_object_userdata_to_json_string, kept,
	    json_object_free_userdata);
	return 0;
}

static int
make_value(struct builder *b, struct json_token *t, struct json_object **ret)
{
	switch (t->kind) {
	case JSON_TOKEN_OBJECT: *ret = json_object_new_object(); break;
	case JSON_TOKEN_ARRAY:  *ret = json_object_new_array(); break;
	case JSON_TOKEN_TRUE:
	case JSON_TOKEN_FALSE:  *ret = json_object_new_boolean(t->kind == JSON_TOKEN_TRUE); break;
	case JSON_TOKEN_STRING: return make_string(b, t, ret);
	case JSON_TOKEN_NUMBER: return make_number(b, t, ret);
	default:                *ret = NULL; return 0;
	}
	return *ret ? 0 : -ENOMEM;
}

/* Puts a value into what is open.  Takes ownership, also when it fails. */
static int
attach(struct builder *b, struct json_object *value)
{
	if (b->depth == 0) {
		b->root = value;
		return 0;
	}
	struct json_object *around = b->open[b->depth - 1];
	/* json_check() has seen that a key comes once. */
	int r = json_object_is_type(around, json_type_object) ?
	    json_object_object_add_ex(around, buf_view(&b->key).ptr, value, JSON_C_OBJECT_ADD_KEY_IS_NEW) :
	    json_object_array_add(around, value);
	if (r == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static int
take_token(struct builder *b, struct json_token *t)
{
	struct json_object *value = NULL;

	switch (t->kind) {
	case JSON_TOKEN_END:
		return 0;
	case JSON_TOKEN_KEY:
		return decode_text(t, &b->key);
	case JSON_TOKEN_OBJECT_END:
	case JSON_TOKEN_ARRAY_END:
		b->depth--;
		return 0;
	default:
		break;
	}
	int r = make_value(b, t, &value);
	if (r == 0)
		r = attach(b, value);
	if (r == 0 && (t->kind == JSON_TOKEN_OBJECT || t->kind == JSON_TOKEN_ARRAY))
		b->open[b->depth++] = value;
	return r;
}

int
json_parse(struct slice text, struct json **ret)
{
	struct json_scan scan;
	struct json_token t;
	struct builder b = { .root = NULL };
	int r;

	json_scan_start(&scan, text, JSON_DEPTH_MAX);
	do {
		/* The text passed json_check(). */
		REQUIRE(json_scan_next(&scan, &t) == 0);
		r = take_token(&b, &t);
	} while (r == 0 && t.kind != JSON_TOKEN_END);
	buf_free(&b.key);
	buf_free(&b.text);
	if (r < 0) {
		json_object_put(b.root);
		return r;
	}
	*ret = outer(b.root);
	return 0;
}

void
json_free(struct json *j)
{
	json_object_put(inner(j));
}

void
json_freep(struct json **j)
{
	json_free(*j);
	*j = NULL;
}

/* ---- reading ---- */

enum json_type
json_type_of(const struct json *j)
{
	switch (json_object_get_type(inner(j))) {
	case json_type_null:    return JSON_NULL;
	case json_type_boolean: return JSON_BOOL;
	case json_type_int:     return JSON_INT;
	case json_type_double:  return JSON_DOUBLE;
	case json_type_string:  return JSON_STRING;
	case json_type_array:   return JSON_ARRAY;
	case json_type_object:  return JSON_OBJECT;
	}
	return JSON_ABSENT;
}

static enum json_type
found(struct json_object *value, const struct json **ret)
{
	*ret = outer(value);
	return json_type_of(*ret);
}

enum json_type
json_get(const struct json *obj, const char *key, const struct json **ret)
{
	struct json_object *value;

	*ret = NULL;
	if (!json_object_object_get_ex(inner(obj), key, &value))
		return JSON_ABSENT;
	return found(value, ret);
}

enum json_type
json_path(const struct json *obj, const char *dotted, const struct json **ret)
{
	struct slice rest = slice_of(dotted), head, tail;
	char key[128];

	*ret = NULL;
	for (;;) {
		bool more = slice_cut(rest, '.', &head, &tail);
		if (!more)
			head = rest;
		REQUIRE(head.len < sizeof key);         /* our own names */
		if (head.len)
			memcpy(key, head.ptr, head.len);
		key[head.len] = '\0';
		enum json_type type = json_get(obj, key, &obj);
		if (!more) {
			*ret = obj;
			return type;
		}
		if (type != JSON_OBJECT)
			return JSON_ABSENT;
		rest = tail;
	}
}

int
json_int(const struct json *j, int64_t *ret)
{
	if (json_type_of(j) != JSON_INT)
		return -EINVAL;
	int64_t value = json_object_get_int64(inner(j));
	if (value != 0 && json_object_get_userdata(inner(j)))
		return -ERANGE;
	*ret = value;
	return 0;
}

int
json_number(const struct json *j, double *ret)
{
	enum json_type type = json_type_of(j);
	if (type != JSON_INT && type != JSON_DOUBLE)
		return -EINVAL;
	const char *kept = type == JSON_INT ? json_object_get_userdata(inner(j)) : NULL;
	double value = kept ? strtod(kept, NULL) : json_object_get_double(inner(j));
	if (!isfinite(value))
		return -ERANGE;
	*ret = value;
	return 0;
}

bool
json_true(const struct json *j)
{
	return json_type_of(j) == JSON_BOOL && json_object_get_boolean(inner(j));
}

struct slice
json_text(const struct json *j)
{
	if (json_type_of(j) != JSON_STRING)
		return (struct slice){ NULL, 0 };
	return slice_from(json_object_get_string(inner(j)), (size_t)json_object_get_string_len(inner(j)));
}

size_t
json_length(const struct json *j)
{
	switch (json_type_of(j)) {
	case JSON_ARRAY:  return json_object_array_length(inner(j));
	case JSON_OBJECT: return (size_t)json_object_object_length(inner(j));
	default:          return 0;
	}
}

enum json_type
json_at(const struct json *array, size_t i, const struct json **ret)
{
	*ret = NULL;
	if (json_type_of(array) != JSON_ARRAY || i >= json_length(array))
		return JSON_ABSENT;
	return found(json_object_array_get_idx(inner(array), i), ret);
}

bool
json_next(const struct json *obj, struct json_iter *it)
{
	struct lh_entry *e = it->at;

	if (!it->started) {
		it->started = true;
		e = json_type_of(obj) == JSON_OBJECT ? lh_table_head(json_object_get_object(inner(obj))) : NULL;
	} else if (e) {
		e = lh_entry_next(e);
	}
	it->at = e;
	if (!e)
		return false;
	it->key = lh_entry_k(e);
	it->value = lh_entry_v(e);
	return true;
}

/* ---- building ---- */

struct json *
json_new_object(void)
{
	return outer(json_object_new_object());
}

struct json *
json_new_array(void)
{
	return outer(json_object_new_array());
}

static size_t
well_formed(struct slice text)
{
	size_t n = 0, len;

	while (n < text.len && (len = slice_utf8(slice_after(text, n))) > 0)
		n += len;
	return n;
}

static struct json_object *
new_text(struct slice text)
{
	CLEANUP(buf_free) struct buf repaired = { 0 };
	size_t n;

	/* json-c would print what is no UTF-8 as it is. */
	if (well_formed(text) < text.len) {
		for (; text.len > 0; text = slice_after(text, n)) {
			n = well_formed(text);
			struct slice good = n ? (struct slice){ text.ptr, n } : SLICE("\xef\xbf\xbd");
			if (buf_append_slice(&repaired, good) < 0)
				return NULL;
			n = n ? n : 1;
		}
		text = buf_view(&repaired);
	}
	return text.len <= INT_MAX ?
	    json_object_new_string_len(text.len ? text.ptr : "", (int)text.len) : NULL;
}

int
json_set(struct json *obj, const char *key, struct json *value)
{
	if (json_object_object_add(inner(obj), key, inner(value)) == 0)
		return 0;
	json_free(value);
	return -ENOMEM;
}

/* For what is never NULL unless memory ran out. */
static int
set_made(struct json *obj, const char *key, struct json_object *value)
{
	return value ? json_set(obj, key, outer(value)) : -ENOMEM;
}

int
json_set_text(struct json *obj, const char *key, struct slice text)
{
	return set_made(obj, key, new_text(text));
}

int
json_set_int(struct json *obj, const char *key, int64_t value)
{
	return set_made(obj, key, json_object_new_int64(value));
}

int
json_set_bool(struct json *obj, const char *key, bool value)
{
	return set_made(obj, key, json_object_new_boolean(value));
}

int
json_set_double(struct json *obj, const char *key, double value)
{
	return set_made(obj, key, json_object_new_double(value));
}

int
json_set_null(struct json *obj, const char *key)
{
	return json_set(obj, key, NULL);
}

int
json_add(struct json *array, struct json *value)
{
	if (json_object_array_add(inner(array), inner(value)) == 0)
		return 0;
	json_free(value);
	return -ENOMEM;
}

int
json_add_int(struct json *array, int64_t value)
{
	struct json_object *made = json_object_new_int64(value);
	return made ? json_add(array, outer(made)) : -ENOMEM;
}

int
json_add_text(struct json *array, struct slice text)
{
	struct json_object *value = new_text(text);
	return value ? json_add(array, outer(value)) : -ENOMEM;
}

struct json *
json_ref(const struct json *value)
{
	return outer(json_object_get(inner(value)));
}

void
json_remove(struct json *obj, const char *key)
{
	json_object_object_del(inner(obj), key);
}

struct json *
json_copy(const struct json *value)
{
	struct json_object *copy = NULL;

	if (value && json_object_deep_copy(inner(value), &copy, NULL) < 0)
		return NULL;
	return outer(copy);
}

/* ---- printing ---- */

int
json_put_number(const struct json *j, struct buf *out)
{
	const char *text = json_object_get_userdata(inner(j));
	size_t n;

	if (text)
		return buf_append(out, text, strlen(text));
	if (json_type_of(j) == JSON_INT)
		return buf_printf(out, "%" PRId64, json_object_get_int64(inner(j)));
	/* One that was made here: json-c has its own way to write the shortest of it. */
	text = json_object_to_json_string_length(inner(j), JSON_C_TO_STRING_PLAIN, &n);
	return text ? buf_append(out, text, n) : -ENOMEM;
}
