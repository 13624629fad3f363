/* The hub: the AI's side.  What is asked and what is understood: docs/hub.md. */
#include <errno.h>
#include <string.h>

#include "app/courier/destination.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/json.h"
#include "lib/tenant_sync.h"

#define CREDENTIALS_WAIT_MS (5 * 60 * MS_PER_S)
/* A proxy's error page looks like this for a while; a broken hub does so for ever. */
#define NOT_JSON_TRIES 3

/* The event that the last message came in: contact, channel and raw are its. */
struct last_event {
	struct json          *doc;
	struct chatwoot_facts facts;
};

static void
last_event_free(struct last_event *l)
{
	json_free(l->doc);
}

static int
member_open(const struct delivery_member *m, struct arena *a, struct last_event *ret, const char **reterr_why)
{
	struct chatwoot_facts facts;
	struct chatwoot_policy policy;
	struct slice why;
	int r = chatwoot_unpack(m->facts, &facts, &policy);
	bool recovered = r == 0 && facts.recovered;     /* the body does not tell */
	if (r == 0)
		r = chatwoot_read(m->body, &policy, a, &facts, &ret->doc, &why);
	if (r == -ENOMEM)
		return r;
	if (r != 0) {
		*reterr_why = "a stored event can not be read any more";
		return BUILD_E_NEVER;
	}
	ret->facts = facts;
	ret->facts.recovered = recovered;
	return 0;
}

/* messages[] of all members; the last one's event stays open in *last. */
static int
messages_make(const struct delivery *d, struct arena *a, struct json *messages, struct last_event *last,
    const char **reterr_why)
{
	for (size_t i = 0; i < d->members; i++) {
		json_free(last->doc);
		last->doc = NULL;
		int r = member_open(&d->member[i], a, last, reterr_why);
		if (r)
			return r;
		struct json *entry;
		const struct chatwoot_entry_marks marks = { .late = d->member[i].late, .replayed = d->member[i].replayed };
		r = chatwoot_entry(last->doc, &last->facts, marks, &entry);
		if (r == 0)
			r = json_add(messages, entry);
		if (r)
			return r;
	}
	return 0;
}

static struct tenant_place
place_of(const struct errand *e, const struct tenant_installation *in, const struct json *contact)
{
	const struct json *phone;
	(void)json_get(contact, "phone_number", &phone);
	return tenant_place(e->tenant, in, e->delivery->account, e->delivery->inbox, json_text(phone));
}

static struct slice
channel_of(const struct errand *e, const struct tenant_installation *in, const struct json *event, struct arena *a)
{
	const struct delivery *d = e->delivery;
	const struct tenant_inbox *box = in ? tenant_inbox_find(in, d->account, d->inbox) : NULL;
	return box && box->channel.len > 0 ? box->channel : chatwoot_channel_name(event, a);
}

static int
set_text_or_null(struct json *obj, const char *key, struct slice text)
{
	return text.len > 0 ? json_set_text(obj, key, text) : json_set_null(obj, key);
}

static int
set_id(struct json *obj, const char *key, int64_t id)
{
	return id != 0 ? json_set_int(obj, key, id) : json_set_null(obj, key);
}

/* `message`: the last message as the original system handed it to its hub. */
static int
message_make(const struct errand *e, const struct last_event *last, const struct json *entry,
    struct slice channel, struct json *raw, struct arena *a, struct json *ret)
{
	const struct json *text, *created;
	(void)json_get(entry, "text", &text);
	enum json_type has_time = json_get(last->doc, "created_at", &created);
	char now[CLOCK_TEXT];
	clock_text(e->now_us, now);
	struct slice sender = arena_printf(a, "%lld", (long long)last->facts.contact);
	struct slice conversation = arena_printf(a, "%lld", (long long)e->delivery->conversation);

	int r;
	if ((r = set_id(ret, "id", last->facts.message)) ||
	    (r = json_set_text(ret, "content", json_text(text))) ||
	    (r = json_set_text(ret, "sender_id", last->facts.contact ? sender : SLICE(""))) ||
	    (r = json_set_text(ret, "sender_type", SLICE("customer"))))
		return r;
	if (has_time == JSON_ABSENT || has_time == JSON_NULL)
		r = json_set_text(ret, "timestamp", slice_of(now));
	else
		r = json_set(ret, "timestamp", json_ref(created));
	if (r || (r = json_set_text(ret, "conversation_id", conversation)) ||
	    (r = set_text_or_null(ret, "channel_type", channel)) ||
	    (r = json_set(ret, "raw_data", json_ref(raw))))
		return r;
	return json_set_text(ret, "internal_account_id", e->tenant->name);
}

/* Everything of the body behind messages[]; takes `messages` over. */
static int
body_make(const struct errand *e, struct json *messages, const struct last_event *last, struct arena *a, struct json *ret)
{
	CLEANUP(json_freep) struct json *mine = messages;
	CLEANUP(json_freep) struct json *raw = NULL;
	CLEANUP(json_freep) struct json *message = json_new_object();
	const struct delivery *d = e->delivery;
	const struct tenant_installation *in = tenant_installation_find(e->tenant, d->installation);
	struct slice channel = channel_of(e, in, last->doc, a);
	CLEANUP(json_freep) struct json *contact = NULL;
	const struct json *entry;
	struct tenant_place place;
	char id[UUID_TEXT];
	int r;

	uuid_text(&d->event, id);
	if (!message)
		return -ENOMEM;
	(void)json_at(messages, json_length(messages) - 1, &entry);
	if ((r = chatwoot_raw(last->doc, &raw)) ||
	    (r = message_make(e, last, entry, channel, raw, a, message)) ||
	    (r = chatwoot_contact(last->doc, &contact)))
		return r;
	place = place_of(e, in, contact);
	if ((r = json_set_text(ret, "event_id", slice_of(id))) ||
	    (r = json_set_text(ret, "tenant", e->tenant->name)) ||
	    (r = set_text_or_null(ret, "domain", place.domain)) ||
	    (r = set_text_or_null(ret, "crew", place.crew)) ||
	    (r = json_set_int(ret, "account_id", d->account)) ||
	    (r = set_id(ret, "inbox_id", d->inbox)) ||
	    (r = json_set_int(ret, "conversation_id", d->conversation)) ||
	    (r = set_text_or_null(ret, "channel", channel)))
		return r;
	/* json_set() owns what it is given, also when it fails: let go of it first. */
	struct json *give = contact;
	contact = NULL;
	if ((r = json_set(ret, "contact", give)))
		return r;
	mine = NULL;
	if ((r = json_set(ret, "messages", messages)))
		return r;
	give = message;
	message = NULL;
	if ((r = json_set(ret, "message", give)))
		return r;
	give = raw;
	raw = NULL;
	return json_set(ret, "raw", give);
}

static int
headers_make(const struct errand *e, struct arena *a, struct request *q, const char **reterr_why)
{
	char id[UUID_TEXT];
	uuid_text(&e->delivery->event, id);
	int r = request_common(q, a, e);
	if (r == 0)
		r = request_header(q, a, "Idempotency-Key", slice_of(id));
	if (r || e->token.len == 0)
		return r;
	struct slice bearer = arena_printf(a, "Bearer %.*s", (int)e->token.len, e->token.ptr);
	if (bearer.len == 0)
		return -ENOMEM;
	r = request_header(q, a, "Authorization", bearer);
	crypt_wipe((char *)bearer.ptr, bearer.len);
	if (r != -EINVAL)
		return r;
	*reterr_why = "the hub's token can not be a header";
	return BUILD_E_NEVER;
}

/* What the hub is told of, without being asked: the event's own account and
 * conversation, and the event. */
static int
notice_make(const struct errand *e, const struct last_event *last, struct json *ret)
{
	const struct delivery *d = e->delivery;
	const struct tenant_installation *in = tenant_installation_find(e->tenant, d->installation);
	CLEANUP(json_freep) struct json *contact = NULL;
	CLEANUP(json_freep) struct json *raw = NULL;
	char id[UUID_TEXT];
	int r;

	uuid_text(&d->event, id);
	if ((r = json_set_text(ret, "event", slice_of(chatwoot_notice_text(d->notice)))) ||
	    (r = json_set_text(ret, "event_id", slice_of(id))) ||
	    (r = json_set_text(ret, "tenant", e->tenant->name)) ||
	    (r = set_text_or_null(ret, "domain", place_of(e, in, NULL).domain)) ||
	    (r = json_set_int(ret, "account_id", d->account)) ||
	    (r = set_id(ret, "inbox_id", d->inbox)) ||
	    (r = set_id(ret, "conversation_id", d->conversation)) ||
	    (r = d->notice == CW_N_CONTACT ? chatwoot_changed_contact(last->doc, &contact) : chatwoot_contact(last->doc, &contact)) ||
	    (r = chatwoot_raw(last->doc, &raw)))
		return r;
	struct json *give = contact;
	contact = NULL;
	if ((r = json_set(ret, "contact", give)))
		return r;
	give = raw;
	raw = NULL;
	return json_set(ret, "raw", give);
}

static int
notice_build(const struct errand *e, struct arena *a, struct json *body, const char **reterr_why)
{
	CLEANUP(last_event_free) struct last_event last = { .doc = NULL };
	int r = member_open(&e->delivery->member[0], a, &last, reterr_why);
	return r ? r : notice_make(e, &last, body);
}

/* Odoo's side has changed: what, as the keeper wrote it. */
static int
knowledge_build(const struct errand *e, struct json *body, const char **reterr_why)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct json_fault fault;
	const struct json *changed;
	char id[UUID_TEXT];
	struct slice text = e->delivery->member[0].body;
	int r;

	if (json_check(text, &json_default_limits, &fault) != 0) {
		*reterr_why = "a stored event can not be read any more";
		return BUILD_E_NEVER;
	}
	uuid_text(&e->delivery->event, id);
	if ((r = json_parse(text, &doc)) ||
	    (r = json_set_text(body, "event", SLICE("knowledge.changed"))) ||
	    (r = json_set_text(body, "event_id", slice_of(id))) ||
	    (r = json_set_text(body, "tenant", e->tenant->name)) ||
	    (r = set_text_or_null(body, "domain", e->tenant->domain)))
		return r;
	json_get(doc, "changed", &changed);
	return json_set(body, "changed", json_ref(changed));
}

static int
question_build(const struct errand *e, struct arena *a, struct json *body, enum chatwoot_channel *ret_channel,
    const char **reterr_why)
{
	CLEANUP(last_event_free) struct last_event last = { .doc = NULL };
	CLEANUP(json_freep) struct json *messages = json_new_array();
	int r = messages ? messages_make(e->delivery, a, messages, &last, reterr_why) : -ENOMEM;
	if (r)
		return r;
	*ret_channel = last.facts.channel;
	struct json *given = messages;
	messages = NULL;
	return body_make(e, given, &last, a, body);
}

static int
hub_build(const struct errand *e, struct arena *a, struct request *ret, const char **reterr_why)
{
	CLEANUP(json_freep) struct json *body = json_new_object();
	if (!body)
		return -ENOMEM;

	*ret = (struct request){ .method = HTTP_M_POST, .url = arena_copy(a, e->url) };
	int r = headers_make(e, a, ret, reterr_why);
	if (r == 0)
		r = e->delivery->kind == DELIVERY_K_KNOWLEDGE ? knowledge_build(e, body, reterr_why)
		    : e->delivery->notice != CW_N_NONE ? notice_build(e, a, body, reterr_why)
		    : question_build(e, a, body, &ret->channel, reterr_why);
	if (r == 0)
		r = json_print(body, &ret->body);
	if (r == 0 && arena_overflowed(a))
		r = -ENOMEM;
	return r;
}

static enum delivery_step
hub_first(const struct delivery *d, bool may_look)
{
	(void)d;
	(void)may_look;
	return STEP_POST;
}

static void
dead(struct judgement *j, const char *reason)
{
	j->verdict = SETTLE_DEAD;
	j->reason = reason;
}

static void
retry(struct judgement *j, const char *reason, bool trouble)
{
	j->verdict = SETTLE_RETRY;
	j->reason = reason;
	j->trouble = trouble;
}

static void
stop(struct judgement *j, const char *reason)
{
	j->verdict = SETTLE_STOP;
	j->delay_ms = CREDENTIALS_WAIT_MS;
	j->alarm = true;
	j->reason = reason;
}

static int
judge_object(const struct answer *w, const struct json *doc, struct arena *a, struct judgement *j)
{
	const struct delivery *d = w->delivery;
	const struct chatwoot_question asked = {
		.event = d->event, .tenant = d->tenant, .account = d->account, .conversation = d->conversation, .channel = w->channel,
	};
	struct chatwoot_answer answer;
	const char *why;
	int r = chatwoot_answer_read(doc, &asked, a, &answer, &why);
	if (r < 0)
		return r;
	if (r > 0) {
		dead(j, why);
	} else if (answer.failed) {
		dead(j, "the hub answered status error");
		j->detail = answer.words;
	} else {
		j->verdict = SETTLE_DONE;
		j->part = answer.part;
		j->parts = answer.parts;
		j->cut = answer.cut;
	}
	return 0;
}

static int
judge_body(const struct answer *w, struct arena *a, struct judgement *j)
{
	struct json_limits limits = json_default_limits;
	struct json_fault fault;
	limits.object = false;
	int r = json_check(w->body, &limits, &fault);
	if (r < 0)
		return r;
	if (r > 0) {
		j->strike = w->strikes + 1 < NOT_JSON_TRIES;
		if (j->strike)
			retry(j, "the answer is not JSON", false);
		else
			dead(j, "the answer is not JSON");
		return 0;
	}
	CLEANUP(json_freep) struct json *doc = NULL;
	r = json_parse(w->body, &doc);
	if (r)
		return r;
	if (json_type_of(doc) != JSON_OBJECT) {
		dead(j, "the answer is no JSON object");
		return 0;
	}
	return judge_object(w, doc, a, j);
}

static void
judge_status(const struct answer *w, struct judgement *j)
{
	switch (w->status) {
	case 401:
	case 403:
		stop(j, "the hub refuses our token");
		return;
	case 408:
	case 425:
		retry(j, "the hub asks for another try", false);
		return;
	case 429:
	case 503:
		retry(j, "the hub is busy", true);
		j->hold_ms = w->retry_after_ms > 0 ? w->retry_after_ms : 0;
		return;
	}
	if (w->status >= 500)
		retry(j, "the hub failed", true);
	else if (w->status >= 400)
		dead(j, "the hub refuses this request");
	else
		dead(j, "the hub redirects, and redirects are not followed");
}

static void
judge_error(const struct answer *w, struct judgement *j)
{
	const char *text = transfer_reason(w->error);
	switch (w->error) {
	case CLIENT_E_REFUSED_ADDRESS:
	case CLIENT_E_URL:
		stop(j, text);
		return;
	case CLIENT_E_TOO_LARGE:
		dead(j, text);
		return;
	default:
		retry(j, text, true);
		j->alarm = w->error == CLIENT_E_TLS;
	}
}

static int
hub_judge(const struct answer *w, struct arena *a, struct judgement *ret)
{
	*ret = (struct judgement){ .verdict = SETTLE_DONE, .hint_ms = w->retry_after_ms, .reason = "" };
	if (w->status >= 300)
		judge_status(w, ret);
	else if (w->error != CLIENT_OK)
		judge_error(w, ret);
	else if (w->delivery->notice != CW_N_NONE || w->delivery->kind == DELIVERY_K_KNOWLEDGE)
		return 0;               /* told: nobody asked for an answer */
	else if (w->status == 202)
		ret->verdict = SETTLE_WAIT;
	else if (slice_trim(w->body).len > 0)
		return judge_body(w, a, ret);
	return 0;
}

const struct destination to_hub = { .name = "hub", .first = hub_first, .build = hub_build, .judge = hub_judge };
