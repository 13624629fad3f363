#include <errno.h>
#include <math.h>
#include <string.h>

#include "lib/chatwoot/answer.h"
#include "lib/chatwoot/parts.h"

#define WORDS_MAX 200           /* bytes of the hub's own words that are kept */

struct reading {
	const struct chatwoot_question *asked;
	struct arena           *arena;
	struct chatwoot_answer *to;
	const char             *why;
};

static int
refuse(struct reading *r, const char *why)
{
	r->why = why;
	return CW_A_REFUSED;
}

/* ---- is it about what was asked ---- */

static bool
names_text(const struct json *doc, const char *key, struct slice want)
{
	const struct json *value;
	enum json_type type = json_get(doc, key, &value);

	return type == JSON_ABSENT || type == JSON_NULL
	    || (type == JSON_STRING && slice_eq(json_text(value), want));
}

static int
check_names(struct reading *r, const struct json *doc)
{
	char id[UUID_TEXT];

	uuid_text(&r->asked->event, id);
	if (!names_text(doc, "event_id", slice_of(id)))
		return refuse(r, "the answer names another event");
	if (!chatwoot_is_number(doc, "conversation_id", r->asked->conversation))
		return refuse(r, "the answer names another conversation");
	if (!chatwoot_is_number(doc, "account_id", r->asked->account))
		return refuse(r, "the answer names another account");
	if (!names_text(doc, "tenant", r->asked->tenant))
		return refuse(r, "the answer names another tenant");
	return 0;
}

/* ---- parts ---- */

/* NULL: no room is left beside what is kept for what must come behind it: the
 * note, the labels, the handoff. */
static struct chatwoot_part *
new_part(struct reading *r, enum delivery_kind kind, size_t kept)
{
	struct chatwoot_answer *to = r->to;

	if (to->parts >= CHATWOOT_PARTS_MAX - kept) {
		to->cut = true;
		return NULL;
	}
	struct chatwoot_part *p = &to->part[to->parts++];
	*p = (struct chatwoot_part){ .kind = kind };
	if (kind == DELIVERY_K_REPLY)
		to->seen = true;
	return p;
}

/* Without U+0000 (no database of a Chatwoot can hold it) and without blanks
 * around it; in the arena. */
static struct slice
clean(struct reading *r, struct slice text)
{
	text = slice_trim(text);
	if (text.len == 0 || !memchr(text.ptr, '\0', text.len))
		return arena_copy(r->arena, text);
	char *to = arena_take(r->arena, text.len);
	size_t n = 0;
	for (size_t i = 0; to && i < text.len; i++)
		if (text.ptr[i] != '\0')
			to[n++] = text.ptr[i];
	return slice_trim(slice_from(to, n));
}

struct wanted {
	enum delivery_kind kind;
	struct slice text, content_type, attributes;
	int64_t delay_ms;
	size_t  kept;                   /* places kept behind it */
};

static void
add_text(struct reading *r, const struct wanted *w)
{
	struct slice rest = w->text;
	bool plain = w->content_type.len == 0;
	size_t most = w->kind == DELIVERY_K_NOTE ? chatwoot_text_max(CW_CH_OTHER)
	    : chatwoot_text_max(r->asked->channel);
	int64_t delay = w->delay_ms;

	do {
		size_t next = rest.len;
		size_t n = plain ? chatwoot_text_split(rest, most, &next) : rest.len;
		struct chatwoot_part *p = new_part(r, w->kind, w->kept);
		if (!p)
			return;
		p->text = slice_from(rest.ptr, n);
		p->content_type = w->content_type;
		p->attributes = w->attributes;
		p->delay_ms = delay;
		delay = 0;
		rest = slice_after(rest, next);
	} while (rest.len > 0);
}

static int
read_delay(struct reading *r, const struct json *message, int64_t *ret_ms)
{
	const struct json *value;
	enum json_type type = json_get(message, "delay", &value);
	double seconds;

	*ret_ms = 0;
	if (type == JSON_ABSENT || type == JSON_NULL)
		return 0;
	if (json_number(value, &seconds) != 0 || !(seconds >= 0))
		return refuse(r, "a message's delay is no number of seconds");
	*ret_ms = seconds * 1000 > CHATWOOT_DELAY_MAX_MS ? CHATWOOT_DELAY_MAX_MS : llround(seconds * 1000);
	return 0;
}

/* *ret empty: plain text. */
static int
read_content_type(struct reading *r, const struct json *message, struct slice *ret)
{
	static const char *const postable[] = {
		"input_text", "input_textarea", "input_email", "input_select", "cards", "form", "article",
	};
	const struct json *value;
	enum json_type type = json_get(message, "content_type", &value);

	*ret = (struct slice){ NULL, 0 };
	if (type == JSON_ABSENT || type == JSON_NULL || slice_eq(json_text(value), SLICE("text")))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(postable); i++)
		if (slice_eq(json_text(value), slice_of(postable[i]))) {
			*ret = slice_of(postable[i]);
			return 0;
		}
	return refuse(r, "a message's content_type is none that can be posted");
}

static int
read_attributes(struct reading *r, const struct json *message, struct slice *ret)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	const struct json *value;
	enum json_type type = json_get(message, "content_attributes", &value);

	*ret = (struct slice){ NULL, 0 };
	if (type == JSON_ABSENT || type == JSON_NULL)
		return 0;
	if (type != JSON_OBJECT)
		return refuse(r, "a message's content_attributes is no object");
	int e = json_print(value, &text);
	if (e < 0)
		return e;
	if (text.len > CHATWOOT_ATTRIBUTES_MAX)
		return refuse(r, "a message's content_attributes is too long");
	*ret = arena_copy(r->arena, buf_view(&text));
	return 0;
}

static int
read_message(struct reading *r, const struct json *message)
{
	const struct json *value;
	struct wanted w = { .kind = DELIVERY_K_REPLY, .kept = 3 };

	if (json_type_of(message) != JSON_OBJECT)
		return refuse(r, "a message is no object");
	enum json_type type = json_get(message, "private", &value);
	if (type != JSON_ABSENT && type != JSON_NULL && type != JSON_BOOL)
		return refuse(r, "a message's private is not true or false");
	if (json_true(value))
		w.kind = DELIVERY_K_NOTE;
	type = json_get(message, "text", &value);
	if (type != JSON_STRING)
		return refuse(r, type == JSON_ABSENT ? "a message has no text" : "a message's text is no text");
	w.text = clean(r, json_text(value));
	int e = read_content_type(r, message, &w.content_type);
	if (e == 0)
		e = read_attributes(r, message, &w.attributes);
	if (e == 0)
		e = read_delay(r, message, &w.delay_ms);
	if (e == 0 && (w.text.len > 0 || w.content_type.len > 0))
		add_text(r, &w);
	return e;
}

static int
read_messages(struct reading *r, const struct json *messages)
{
	const struct json *one;

	if (json_length(messages) > CHATWOOT_MESSAGES_MAX)
		return refuse(r, "the answer has more than 20 messages");
	for (size_t i = 0; json_at(messages, i, &one) != JSON_ABSENT; i++) {
		int e = read_message(r, one);
		if (e != 0)
			return e;
	}
	return 0;
}

/* The forms of one text: {"response":{"content"}} wins over {"content"}. */
static int
read_content(struct reading *r, const struct json *doc)
{
	const struct json *response, *content;
	enum json_type type = json_get(doc, "response", &response);

	if (type != JSON_OBJECT && type != JSON_NULL && type != JSON_ABSENT)
		return refuse(r, "the answer's response is no object");
	type = json_get(response, "content", &content);
	if (type == JSON_ABSENT)
		type = json_get(doc, "content", &content);
	if (type == JSON_ABSENT || type == JSON_NULL)
		return 0;
	if (type != JSON_STRING)
		return refuse(r, "the answer's content is no text");
	struct wanted w = { .kind = DELIVERY_K_REPLY, .kept = 3, .text = clean(r, json_text(content)) };
	if (w.text.len > 0)
		add_text(r, &w);
	return 0;
}

static int
read_note(struct reading *r, const struct json *doc)
{
	const struct json *value;
	enum json_type type = json_get(doc, "note", &value);

	if (type == JSON_ABSENT || type == JSON_NULL)
		return 0;
	if (type != JSON_STRING)
		return refuse(r, "the answer's note is no text");
	struct wanted w = { .kind = DELIVERY_K_NOTE, .kept = 2, .text = clean(r, json_text(value)) };
	if (w.text.len > 0)
		add_text(r, &w);
	return 0;
}

static int
read_labels(struct reading *r, const struct json *doc)
{
	const struct json *list, *one;
	enum json_type type = json_get(doc, "labels", &list);

	if (type == JSON_ABSENT || type == JSON_NULL || (type == JSON_ARRAY && json_length(list) == 0))
		return 0;
	if (type != JSON_ARRAY || json_length(list) > CHATWOOT_ADDED_MAX)
		return refuse(r, type == JSON_ARRAY ? "the answer has more than 20 labels" : "the answer's labels are no array");
	struct chatwoot_part *p = new_part(r, DELIVERY_K_LABELS, 1);
	REQUIRE(p);
	for (size_t i = 0; json_at(list, i, &one) != JSON_ABSENT; i++) {
		struct slice label = clean(r, json_text(one));
		if (json_type_of(one) != JSON_STRING || label.len == 0 || label.len > CHATWOOT_LABEL_MAX)
			return refuse(r, "a label is no text of 1 to 100 bytes");
		p->label[p->labels++] = label;
	}
	return 0;
}

static int
read_handoff(struct reading *r, const struct json *doc)
{
	const struct json *value;
	enum json_type type = json_get(doc, "handoff", &value);

	if (type == JSON_ABSENT || type == JSON_NULL)
		return 0;
	if (type != JSON_BOOL)
		return refuse(r, "the answer's handoff is not true or false");
	if (json_true(value))
		(void)new_part(r, DELIVERY_K_HANDOFF, 0);
	return 0;
}

static void
read_failure(struct reading *r, const struct json *doc)
{
	static const char *const keys[] = { "error", "message" };
	const struct json *value;

	r->to->failed = true;
	for (size_t i = 0; i < ARRAY_LEN(keys) && r->to->words.len == 0; i++)
		if (json_get(doc, keys[i], &value) == JSON_STRING) {
			size_t next;
			struct slice words = slice_trim(json_text(value));
			r->to->words = arena_copy(r->arena,
			    slice_from(words.ptr, chatwoot_text_split(words, WORDS_MAX, &next)));
		}
}

static int
read_forms(struct reading *r, const struct json *doc)
{
	const struct json *value;
	enum json_type type = json_get(doc, "messages", &value);
	int e;

	if (type == JSON_ARRAY)
		e = read_messages(r, value);
	else if (type == JSON_ABSENT || type == JSON_NULL)
		e = read_content(r, doc);
	else
		e = refuse(r, "the answer's messages are no array");
	if (e == 0)
		e = read_note(r, doc);
	if (e == 0)
		e = read_labels(r, doc);
	return e == 0 ? read_handoff(r, doc) : e;
}

int
chatwoot_answer_read(const struct json *doc, const struct chatwoot_question *asked, struct arena *arena,
    struct chatwoot_answer *ret, const char **reterr_why)
{
	const struct json *status;
	struct chatwoot_answer to = { .part = arena_take(arena, CHATWOOT_PARTS_MAX * sizeof(*to.part)) };
	struct reading r = { .asked = asked, .arena = arena, .to = &to };
	bool later = false;

	if (!to.part)
		return -ENOMEM;
	int e = check_names(&r, doc);
	if (e == 0 && json_get(doc, "status", &status) == JSON_STRING && slice_eq(json_text(status), SLICE("error")))
		read_failure(&r, doc);
	else if (e == 0)
		e = read_forms(&r, doc);
	if (arena_overflowed(arena))
		return -ENOMEM;
	if (e > 0)
		*reterr_why = r.why;
	if (e != 0)
		return e;
	for (size_t i = to.parts; i-- > 0;) {
		to.part[i].more = later;
		later |= to.part[i].kind == DELIVERY_K_REPLY;
	}
	*ret = to;
	return 0;
}
