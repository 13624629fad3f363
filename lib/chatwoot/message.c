#include <errno.h>
#include <string.h>

#include "lib/chatwoot/chatwoot.h"
#include "lib/chatwoot/parts.h"

#define CHANNEL_PREFIX "Channel::"
#define CHANNEL_MAX    64

/* What is new in a mail, despite its name; `reply` has the quotes in it. */
#define MAIL_TEXT "content_attributes.email.text_content.quoted"

const struct json *
chatwoot_conversation(const struct json *event)
{
	const struct json *conversation;

	if (json_get(event, "conversation", &conversation) == JSON_OBJECT)
		return conversation;
	return event;
}

bool
chatwoot_is_number(const struct json *from, const char *key, int64_t want)
{
	const struct json *value;
	int64_t n;

	switch (json_get(from, key, &value)) {
	case JSON_ABSENT:
	case JSON_NULL:
		return true;
	case JSON_STRING:
		return slice_to_i64(json_text(value), INT64_MIN, INT64_MAX, &n) == 0 && n == want;
	case JSON_INT:
		return json_int(value, &n) == 0 && n == want;
	case JSON_BOOL:
	case JSON_DOUBLE:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

bool
chatwoot_is_contact(const struct json *person)
{
	const struct json *type;

	if (json_type_of(person) != JSON_OBJECT)
		return false;
	switch (json_get(person, "type", &type)) {
	case JSON_ABSENT:
	case JSON_NULL:
		return true;
	case JSON_STRING:
		return slice_eq(json_text(type), SLICE("contact"));
	case JSON_BOOL:
	case JSON_INT:
	case JSON_DOUBLE:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

struct slice
chatwoot_transcription(const struct json *attachment)
{
	const struct json *value;

	if (json_get(attachment, "file_type", &value) != JSON_STRING
	    || !slice_eq(json_text(value), SLICE("audio")))
		return (struct slice){ 0 };
	if (json_get(attachment, "transcribed_text", &value) != JSON_STRING)
		return (struct slice){ 0 };
	return json_text(value);
}

const struct json *
chatwoot_form_answer(const struct json *event)
{
	const struct json *value;

	if (json_path(event, "content_attributes.submitted_values", &value) == JSON_ARRAY
	    && json_length(value) > 0)
		return value;
	json_path(event, "content_attributes.submitted_email", &value);
	return json_text(value).len > 0 ? value : NULL;
}

/* Text goes out without U+0000: databases and C libraries behind the hub cut
 * there, and what is cut is what nobody sees. */
static int
append_clean(struct buf *out, struct slice text, struct chatwoot_marks *marks)
{
	while (text.len > 0) {
		const char *nul = memchr(text.ptr, 0, text.len);
		size_t n = nul ? (size_t)(nul - text.ptr) : text.len;
		int r = buf_append(out, text.ptr, n);

		if (r < 0)
			return r;
		if (!nul)
			break;
		marks->sanitised = true;
		text = slice_after(text, n + 1);
	}
	return 0;
}

/* A value of a form: as text when it is one, else as JSON. */
static int
append_value(struct buf *out, const struct json *value, struct chatwoot_marks *marks)
{
	switch (json_type_of(value)) {
	case JSON_STRING:
		return append_clean(out, json_text(value), marks);
	case JSON_NULL:
	case JSON_ABSENT:
		return 0;
	case JSON_BOOL:
	case JSON_INT:
	case JSON_DOUBLE:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return json_print(value, out);
}

/* "title: value" of a select, "name: value" of a form. */
static int
append_answer(struct buf *out, const struct json *answer, struct chatwoot_marks *marks)
{
	const struct json *label, *value;
	int r = 0;

	if (json_type_of(answer) != JSON_OBJECT)
		return append_value(out, answer, marks);
	if (json_get(answer, "title", &label) == JSON_STRING
	    || json_get(answer, "name", &label) == JSON_STRING) {
		r = append_clean(out, json_text(label), marks);
		if (r == 0)
			r = buf_append_slice(out, SLICE(": "));
	}
	json_get(answer, "value", &value);
	return r < 0 ? r : append_value(out, value, marks);
}

static int
append_form(struct buf *out, const struct json *event, struct chatwoot_marks *marks)
{
	const struct json *values = chatwoot_form_answer(event), *answer;

	if (json_type_of(values) != JSON_ARRAY)
		return append_value(out, values, marks);
	for (size_t i = 0; json_at(values, i, &answer) != JSON_ABSENT; i++) {
		int r = i > 0 ? buf_append_slice(out, SLICE("\n")) : 0;

		if (r == 0)
			r = append_answer(out, answer, marks);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
append_transcript(struct buf *out, const struct json *event, struct chatwoot_marks *marks)
{
	const struct json *attachments, *attachment;
	bool first = true;

	json_get(event, "attachments", &attachments);
	for (size_t i = 0; json_at(attachments, i, &attachment) != JSON_ABSENT; i++) {
		struct slice text = chatwoot_transcription(attachment);
		int r = 0;

		if (text.len == 0)
			continue;
		if (!first)
			r = buf_append_slice(out, SLICE("\n"));
		if (r == 0)
			r = append_clean(out, text, marks);
		if (r < 0)
			return r;
		first = false;
	}
	return 0;
}

/* The bytes of the first `max` code points.  Well-formed UTF-8: the strict
 * check has seen to it. */
static size_t
code_points(struct slice text, size_t max)
{
	size_t seen = 0;

	for (size_t i = 0; i < text.len; i++)
		if (((unsigned char)text.ptr[i] & 0xc0) != 0x80 && seen++ == max)
			return i;
	return text.len;
}

int
chatwoot_text(const struct json *event, const struct chatwoot_facts *f, struct buf *out,
    struct chatwoot_marks *ret)
{
	size_t before = out->len;
	const struct json *value;
	int r;

	*ret = (struct chatwoot_marks){ 0 };
	if (f->form_answer)
		r = append_form(out, event, ret);
	else if (f->transcript)
		r = append_transcript(out, event, ret);
	else if (json_path(event, MAIL_TEXT, &value) == JSON_STRING && json_text(value).len > 0)
		r = append_clean(out, json_text(value), ret);
	else if (json_get(event, "content", &value) == JSON_STRING)
		r = append_clean(out, json_text(value), ret);
	else
		r = 0;
	if (r < 0)
		return r;

	size_t keep = code_points(slice_after(buf_view(out), before), CHATWOOT_TEXT_MAX);
	if (before + keep < out->len) {
		out->len = before + keep;
		ret->truncated = true;
	}
	return 0;
}

/* Sets a key to the string found there, else to null. */
static int
copy_text(struct json *to, const char *key, const struct json *from)
{
	const struct json *value;

	if (json_get(from, key, &value) != JSON_STRING)
		return json_set_null(to, key);
	return json_set(to, key, json_ref(value));
}

static int
set_attachments(struct json *entry, const struct json *event)
{
	const struct json *all, *one;
	CLEANUP(json_freep) struct json *list = json_new_array();
	enum json_type type;

	if (!list)
		return -ENOMEM;
	json_get(event, "attachments", &all);
	for (size_t i = 0; (type = json_at(all, i, &one)) != JSON_ABSENT; i++) {
		int r = type == JSON_NULL ? 0 : json_add(list, json_ref(one));

		if (r < 0)
			return r;
	}
	struct json *given = list;
	list = NULL;
	return json_set(entry, "attachments", given);
}

/* The marks stand only when they are true: a hub that knows none of them sees
 * a plain message. */
static int
set_marks(struct json *entry, const struct json *event, const struct chatwoot_facts *f,
    struct chatwoot_entry_marks of, struct chatwoot_marks marks)
{
	const struct json *value;
	int64_t in_reply_to;
	const struct { const char *key; bool on; } mark[] = {
		{ "late", of.late },
		{ "replayed", of.replayed },
		{ "recovered", f->recovered },
		{ "truncated", marks.truncated },
		{ "sanitised", marks.sanitised },
		{ "unsupported", f->content_null && !f->has_attachments && !f->has_text },
		{ "form_answer", f->form_answer },
		{ "transcript", f->transcript },
	};

	for (size_t i = 0; i < ARRAY_LEN(mark); i++) {
		int r = mark[i].on ? json_set_bool(entry, mark[i].key, true) : 0;

		if (r < 0)
			return r;
	}
	if (json_path(event, "content_attributes.in_reply_to", &value) == JSON_INT
	    && json_int(value, &in_reply_to) == 0)
		return json_set_int(entry, "in_reply_to", in_reply_to);
	return 0;
}

int
chatwoot_entry(const struct json *event, const struct chatwoot_facts *f, struct chatwoot_entry_marks of,
    struct json **ret)
{
	CLEANUP(json_freep) struct json *entry = json_new_object();
	CLEANUP(buf_free) struct buf text = { 0 };
	struct chatwoot_marks marks;
	const struct json *value;
	int r;

	if (!entry)
		return -ENOMEM;
	r = chatwoot_text(event, f, &text, &marks);
	if (r == 0)
		r = json_set_int(entry, "id", f->message);
	if (r == 0)
		r = json_set_text(entry, "text", buf_view(&text));
	if (r == 0)
		r = json_get(event, "content_type", &value) == JSON_STRING
		    ? json_set(entry, "content_type", json_ref(value))
		    : json_set_text(entry, "content_type", SLICE("text"));
	if (r == 0)
		r = set_attachments(entry, event);
	if (r == 0) {
		json_get(event, "created_at", &value);
		r = json_set(entry, "created_at", json_ref(value));
	}
	if (r == 0)
		r = set_marks(entry, event, f, of, marks);
	if (r < 0)
		return r;
	*ret = entry;
	entry = NULL;
	return 0;
}

/* id: of the contact; NULL: it is not known. */
static int
contact_make(const struct json *person, const struct json *id, struct json **ret)
{
	static const char *const keys[] = { "name", "email", "phone_number", "identifier" };
	CLEANUP(json_freep) struct json *contact = json_new_object();
	int r;

	if (!contact)
		return -ENOMEM;
	r = json_set(contact, "id", json_ref(id));
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(keys); i++)
		r = copy_text(contact, keys[i], person);
	if (r < 0)
		return r;
	*ret = contact;
	contact = NULL;
	return 0;
}

int
chatwoot_contact(const struct json *event, struct json **ret)
{
	const struct json *conversation = chatwoot_conversation(event);
	const struct json *person, *id;

	json_get(event, "sender", &person);
	if (!chatwoot_is_contact(person))
		json_path(conversation, "meta.sender", &person);
	if (json_get(person, "id", &id) != JSON_INT
	    && json_path(conversation, "contact_inbox.contact_id", &id) != JSON_INT)
		id = NULL;
	return contact_make(person, id, ret);
}

int
chatwoot_changed_contact(const struct json *event, struct json **ret)
{
	const struct json *id;

	return contact_make(event, json_get(event, "id", &id) == JSON_INT ? id : NULL, ret);
}

struct slice
chatwoot_channel_name(const struct json *event, struct arena *arena)
{
	static const struct { const char *theirs, *ours; } names[] = {
		{ "webwidget", "web" },
		{ "twiliosms", "sms" },
	};
	const struct json *value;
	struct slice name;
	char *lower;

	if (json_get(chatwoot_conversation(event), "channel", &value) != JSON_STRING)
		return (struct slice){ 0 };
	name = json_text(value);
	if (!slice_starts(name, SLICE(CHANNEL_PREFIX)))
		return (struct slice){ 0 };
	name = slice_after(name, sizeof(CHANNEL_PREFIX) - 1);
	if (name.len == 0 || name.len > CHANNEL_MAX)
		return (struct slice){ 0 };
	lower = arena_take(arena, name.len + 1);
	if (!lower)
		return (struct slice){ 0 };
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	name = slice_from(lower, name.len);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (slice_eq(name, slice_of(names[i].theirs)))
			return slice_of(names[i].ours);
	return name;
}

/* Containers are made anew, values are shared with the original.  The strict
 * check has bounded the depth. */
static int
without_token(const struct json *value, struct json **ret)
{
	enum json_type type = json_type_of(value);
	CLEANUP(json_freep) struct json *made = NULL;
	int r = 0;

	if (type != JSON_OBJECT && type != JSON_ARRAY) {
		*ret = json_ref(value);
		return 0;
	}
	made = type == JSON_OBJECT ? json_new_object() : json_new_array();
	if (!made)
		return -ENOMEM;
	if (type == JSON_OBJECT) {
		for (struct json_iter it = { 0 }; r == 0 && json_next(value, &it);) {
			struct json *child;

			if (strcmp(it.key, "pubsub_token") == 0)
				continue;
			r = without_token(it.value, &child);
			if (r == 0)
				r = json_set(made, it.key, child);
		}
	} else {
		const struct json *element;

		for (size_t i = 0; r == 0 && json_at(value, i, &element) != JSON_ABSENT; i++) {
			struct json *child;

			r = without_token(element, &child);
			if (r == 0)
				r = json_add(made, child);
		}
	}
	if (r < 0)
		return r;
	*ret = made;
	made = NULL;
	return 0;
}

int
chatwoot_raw(const struct json *event, struct json **ret)
{
	return without_token(event, ret);
}
