/* changed_attributes: did anything change that means something? */
#include "lib/chatwoot/chatwoot.h"
#include "lib/chatwoot/reading.h"

/* null, "" and [] are one and the same: no labels. */
static bool
label_list_empty(const struct json *list)
{
	enum json_type type = json_type_of(list);

	return type == JSON_NULL || (type == JSON_STRING && json_text(list).len == 0)
	    || (type == JSON_ARRAY && json_length(list) == 0);
}

static int
labels_equal(const struct json *a, const struct json *b, bool *ret)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	size_t half;
	int r = json_print(a, &text);

	half = text.len;
	if (r == 0)
		r = json_print(b, &text);
	if (r < 0)
		return r;
	struct slice both = buf_view(&text);
	*ret = (label_list_empty(a) && label_list_empty(b))
	    || slice_eq(slice_from(both.ptr, half), slice_after(both, half));
	return 0;
}

/* Does this change say only that something was looked at or answered?
 * {"previous_value", "current_value"}, or [previous, current] around 2.0. */
static int
change_is_noise(const char *column, const struct json *change, bool *ret)
{
	static const char *const bookkeeping[] = {
		"updated_at", "waiting_since", "first_reply_created_at", "last_activity_at",
	};
	const struct json *before, *after;

	for (size_t i = 0; i < ARRAY_LEN(bookkeeping); i++) {
		if (slice_eq(slice_of(column), slice_of(bookkeeping[i]))) {
			*ret = true;
			return 0;
		}
	}
	*ret = false;
	if (!slice_eq(slice_of(column), SLICE("label_list"))
	    && !slice_eq(slice_of(column), SLICE("cached_label_list")))
		return 0;
	if (json_type_of(change) == JSON_ARRAY) {
		if (json_length(change) != 2)
			return 0;
		json_at(change, 0, &before);
		json_at(change, 1, &after);
	} else {
		if (json_get(change, "previous_value", &before) == JSON_ABSENT
		    || json_get(change, "current_value", &after) == JSON_ABSENT)
			return 0;
	}
	return labels_equal(before, after, ret);
}

static int
columns_are_noise(const struct json *columns, bool *ret)
{
	*ret = json_type_of(columns) == JSON_OBJECT;
	for (struct json_iter it = { 0 }; *ret && json_next(columns, &it);) {
		int r = change_is_noise(it.key, it.value, ret);

		if (r < 0)
			return r;
	}
	return 0;
}

/* An array of one-key objects; around 2.0 one object. */
int
reading_changes(struct reading *r)
{
	const struct json *changes, *change;
	enum json_type type = json_get(r->event, "changed_attributes", &changes);
	bool noise = true;
	int e = 0;

	if (type == JSON_ARRAY) {
		for (size_t i = 0; e == 0 && noise
		    && json_at(changes, i, &change) != JSON_ABSENT; i++)
			e = columns_are_noise(change, &noise);
	} else if (type == JSON_OBJECT) {
		e = columns_are_noise(changes, &noise);
	} else {
		noise = false;
		r->f->changes_null = true;
	}
	r->f->noise = noise;
	return e;
}
