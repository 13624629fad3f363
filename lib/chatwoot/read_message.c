#include "lib/chatwoot/answer.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/chatwoot/parts.h"
#include "lib/chatwoot/reading.h"
#include "lib/crypt.h"

static int
read_type(struct reading *r)
{
	static const struct {
		const char *word;
		int64_t number;
		enum chatwoot_type type;
	} types[] = {
		{ "incoming", 0, CW_TY_INCOMING }, { "outgoing", 1, CW_TY_OUTGOING },
		{ "activity", 2, CW_TY_ACTIVITY }, { "template", 3, CW_TY_TEMPLATE },
	};
	const struct json *value;
	enum json_type type = json_get(r->event, "message_type", &value);
	int64_t n = -1;

	if (type == JSON_ABSENT)
		return reading_refuse(r, "", "message_type", MISSING);
	if (type == JSON_INT && json_int(value, &n) != 0)
		n = -1;
	if (type != JSON_STRING && (n < 0 || n > 3))
		return reading_refuse(r, "", "message_type", NOT_A_TEXT);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (type == JSON_STRING ? slice_eq(json_text(value), slice_of(types[i].word))
		    : types[i].number == n)
			r->f->type = types[i].type;
	return 0;
}

static int
read_sender(struct reading *r)
{
	const struct json *sender, *value;
	int e = reading_object(r, r->event, "sender", "", &sender);

	if (e != 0 || !sender)
		return e;
	if (chatwoot_is_contact(sender))
		r->f->sender = CW_SE_CONTACT;
	else if (json_get(sender, "type", &value) != JSON_STRING)
		r->f->sender = CW_SE_OTHER;
	else if (slice_eq(json_text(value), SLICE("user")))
		r->f->sender = CW_SE_USER;
	else if (slice_eq(json_text(value), SLICE("agent_bot")))
		r->f->sender = CW_SE_BOT;
	else
		r->f->sender = CW_SE_OTHER;
	json_get(sender, "blocked", &value);
	r->f->blocked = json_true(value);
	return 0;
}

static int
read_content(struct reading *r)
{
	const struct json *value;
	enum json_type type = json_get(r->event, "content", &value);

	r->f->content_null = type == JSON_ABSENT || type == JSON_NULL;
	if (!r->f->content_null && type != JSON_STRING)
		return reading_refuse(r, "", "content", NOT_A_TEXT);
	type = json_get(r->event, "private", &value);
	if (type != JSON_ABSENT && type != JSON_BOOL)
		return reading_refuse(r, "", "private", NOT_A_BOOL);
	r->f->private_note = json_true(value);
	return 0;
}

/* There, and neither null nor an empty object. */
static bool
holds(const struct json *event, const char *path)
{
	const struct json *value;
	enum json_type type = json_path(event, path, &value);

	return type != JSON_ABSENT && type != JSON_NULL
	    && (type != JSON_OBJECT || json_length(value) > 0);
}

static int
read_attributes(struct reading *r)
{
	const struct json *value;
	int e = reading_object(r, r->event, "content_attributes", "", &value);

	if (e != 0)
		return e;
	json_path(r->event, "content_attributes.email.auto_reply", &value);
	r->f->auto_reply = json_true(value);
	json_path(r->event, "content_attributes.external_echo", &value);
	r->f->external_echo = json_true(value);
	r->f->external_error = holds(r->event, "content_attributes.external_error");
	r->f->ours = holds(r->event, "content_attributes.ponte");
	json_path(r->event, "content_attributes.ponte", &value);
	chatwoot_mark_read(json_text(value), &r->f->echo, &r->f->echo_n);
	r->f->automation = holds(r->event, "content_attributes.automation_rule_id")
	    || holds(r->event, "additional_attributes.campaign_id")
	    || holds(r->event, "additional_attributes.template_params");
	return 0;
}

static int
read_attachments(struct reading *r)
{
	const struct json *list, *one;
	enum json_type type = json_get(r->event, "attachments", &list);

	if (type != JSON_ABSENT && type != JSON_NULL && type != JSON_ARRAY)
		return reading_refuse(r, "", "attachments", NOT_A_LIST);
	for (size_t i = 0; (type = json_at(list, i, &one)) != JSON_ABSENT; i++) {
		if (type != JSON_NULL)
			r->f->has_attachments = true;
		if (r->f->event == CW_EV_MESSAGE_UPDATED && r->f->type == CW_TY_INCOMING
		    && chatwoot_transcription(one).len > 0)
			r->f->transcript = true;
	}
	return 0;
}

/* An update of our question that carries what the customer chose. */
static int
read_answer(struct reading *r)
{
	CLEANUP(buf_free) struct buf text = { 0 }, canonical = { 0 };
	uint8_t hash[CRYPT_SHA256];
	const struct json *answer = chatwoot_form_answer(r->event);
	int e;

	if (r->f->event != CW_EV_MESSAGE_UPDATED || !answer)
		return 0;
	e = json_print(answer, &text);
	if (e == 0)
		e = json_canonical(buf_view(&text), &canonical);
	if (e < 0)
		return e;
	crypt_sha256(buf_view(&canonical), hash);
	hex_encode(hash, sizeof(hash), r->f->form_hash);
	r->f->form_answer = true;
	r->f->transcript = false;
	return 0;
}

int
reading_message(struct reading *r)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct chatwoot_marks marks;
	int e = reading_id(r, r->event, "id", "", &r->f->message);

	if (e == 0 && r->f->message == 0)
		e = reading_refuse(r, "", "id", MISSING);
	if (e == 0)
		e = read_type(r);
	if (e == 0)
		e = read_sender(r);
	if (e == 0)
		e = read_content(r);
	if (e == 0)
		e = read_attributes(r);
	if (e == 0)
		e = read_attachments(r);
	if (e == 0)
		e = read_answer(r);
	if (e == 0)
		e = chatwoot_text(r->event, r->f, &text, &marks);
	if (e != 0)
		return e;
	r->f->has_text = text.len > 0;
	r->f->truncated = marks.truncated;
	r->f->sanitised = marks.sanitised;
	return 0;
}
