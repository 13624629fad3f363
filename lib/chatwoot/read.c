#include <errno.h>
#include <math.h>

#include "lib/chatwoot/chatwoot.h"
#include "lib/chatwoot/reading.h"

#define EVENT_NAME_MAX 64
#define UPDATED_MAX_S  253402300799.0       /* the last second of the year 9999 */

int
reading_refuse(struct reading *r, const char *prefix, const char *field, const char *fault)
{
	r->why = arena_printf(r->arena, "%s%s %s", prefix, field, fault);
	return CW_E_SCHEMA;
}

int
reading_id(struct reading *r, const struct json *from, const char *path, const char *prefix,
    int64_t *ret)
{
	const struct json *value;
	enum json_type type = json_path(from, path, &value);
	int64_t id;

	if (type == JSON_ABSENT || type == JSON_NULL)
		return 0;
	if (type != JSON_INT || json_int(value, &id) != 0 || id <= 0)
		return reading_refuse(r, prefix, path, NOT_AN_ID);
	*ret = id;
	return 0;
}

int
reading_object(struct reading *r, const struct json *from, const char *path,
    const char *prefix, const struct json **ret)
{
	enum json_type type = json_path(from, path, ret);

	if (type == JSON_ABSENT || type == JSON_NULL || type == JSON_OBJECT)
		return 0;
	return reading_refuse(r, prefix, path, NOT_AN_OBJECT);
}

static int
read_event_name(struct reading *r)
{
	static const struct { enum chatwoot_event event; const char *name; } names[] = {
#define X(name, text) { CW_EV_##name, text },
		CHATWOOT_EVENTS(X)
#undef X
	};
	const struct json *value;
	enum json_type type = json_get(r->event, "event", &value);
	struct slice name;
	size_t cut = 0, n;

	if (type != JSON_STRING)
		return reading_refuse(r, "", "event",
		    type == JSON_ABSENT ? MISSING : NOT_A_TEXT);
	name = json_text(value);
	if (name.len == 0)
		return reading_refuse(r, "", "event", "is empty");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (slice_eq(name, slice_of(names[i].name)))
			r->f->event = names[i].event;
	while ((n = slice_utf8(slice_after(name, cut))) > 0 && cut + n <= EVENT_NAME_MAX)
		cut += n;
	r->f->event_name = arena_copy(r->arena, slice_from(name.ptr, cut));
	return 0;
}

/* messages[0] is another message than the event's; its account is the same. */
static int
read_last_account(struct reading *r, const struct json *from, const char *path,
    const char *prefix)
{
	const struct json *messages, *last;

	json_path(from, path, &messages);
	if (json_at(messages, 0, &last) != JSON_OBJECT)
		return 0;
	return reading_id(r, last, "account_id", prefix, &r->f->account);
}

/* The first place that names the account counts; when none does, the sender
 * that proved itself decides. */
static int
read_account(struct reading *r)
{
	const struct json *object;
	int e = reading_object(r, r->event, "account", "", &object);

	if (e == 0)
		e = reading_id(r, r->event, "account.id", "", &r->f->account);
	if (e == 0 && r->f->account == 0)
		e = reading_id(r, r->event, "conversation.account.id", "", &r->f->account);
	if (e == 0 && r->f->account == 0)
		e = read_last_account(r, r->event, "messages", "messages[0].");
	if (e == 0 && r->f->account == 0)
		e = read_last_account(r, r->event, "conversation.messages",
		    "conversation.messages[0].");
	return e;
}

static int
check_account(struct reading *r)
{
	if (r->f->account == 0)
		r->f->account = r->policy->account;
	if (r->policy->account != 0 && r->f->account != r->policy->account) {
		r->why = arena_printf(r->arena,
		    "the event is of account %lld, the sender is of account %lld",
		    (long long)r->f->account, (long long)r->policy->account);
		return CW_E_ACCOUNT;
	}
	if (r->policy->inbox != 0 && r->f->inbox != 0 && r->f->inbox != r->policy->inbox) {
		r->why = arena_printf(r->arena,
		    "the event is of inbox %lld, the sender is of inbox %lld",
		    (long long)r->f->inbox, (long long)r->policy->inbox);
		return CW_E_ACCOUNT;
	}
	return 0;
}

static enum chatwoot_status
status_of(struct slice word)
{
	static const struct { const char *word; enum chatwoot_status status; } words[] = {
		{ "open", CW_ST_OPEN }, { "resolved", CW_ST_RESOLVED },
		{ "pending", CW_ST_PENDING }, { "snoozed", CW_ST_SNOOZED },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_eq(word, slice_of(words[i].word)))
			return words[i].status;
	return CW_ST_OTHER;
}

static int
read_status(struct reading *r)
{
	static const enum chatwoot_status numbers[] = {
		CW_ST_OPEN, CW_ST_RESOLVED, CW_ST_PENDING, CW_ST_SNOOZED,
	};
	const struct json *value;
	enum json_type type = json_get(r->conversation, "status", &value);
	int64_t n;

	if (type == JSON_STRING) {
		r->f->status = status_of(json_text(value));
		return 0;
	}
	if (type != JSON_INT)
		return reading_refuse(r, r->prefix, "status",
		    type == JSON_ABSENT ? MISSING : NOT_A_TEXT);
	if (json_int(value, &n) != 0 || n < 0 || n >= (int64_t)ARRAY_LEN(numbers))
		return reading_refuse(r, r->prefix, "status", "is a number that no status has");
	r->f->status = numbers[n];
	return 0;
}

/* The type stands in the assignee since agent bots can be one; before, it was
 * a user always.  What we do not know is a bot of somebody else. */
static int
read_owner(struct reading *r)
{
	const struct json *meta = NULL, *assignee = NULL, *type = NULL;
	struct slice word = { 0 };
	int e = reading_object(r, r->conversation, "meta", r->prefix, &meta);

	if (e == 0)
		e = reading_object(r, r->conversation, "meta.assignee", r->prefix, &assignee);
	if (e == 0)
		e = reading_id(r, r->conversation, "meta.assignee.id", r->prefix,
		    &r->f->owner_id);
	if (e != 0 || !assignee)
		return e;
	if (json_get(assignee, "type", &type) == JSON_STRING
	    || json_get(meta, "assignee_type", &type) == JSON_STRING)
		word = json_text(type);
	if (word.len == 0 || slice_eq_nocase(word, SLICE("user")))
		r->f->owner = CW_OWN_HUMAN;
	else if ((slice_eq(word, SLICE("agent_bot")) || slice_eq(word, SLICE("AgentBot")))
	    && (r->policy->bot_id == 0 || r->f->owner_id == r->policy->bot_id))
		r->f->owner = CW_OWN_OUR_BOT;
	else
		r->f->owner = CW_OWN_OTHER_BOT;
	return 0;
}

/* The only usable version number of a conversation is a float of seconds with
 * microseconds in it; other forms (ISO text) are no number to order by. */
static int
read_updated(struct reading *r)
{
	const struct json *value;
	enum json_type type = json_get(r->conversation, "updated_at", &value);
	double seconds;

	if (type == JSON_ABSENT || type == JSON_NULL || type == JSON_STRING)
		return 0;
	if (type != JSON_INT && type != JSON_DOUBLE)
		return reading_refuse(r, r->prefix, "updated_at", "is not a number");
	if (json_number(value, &seconds) != 0 || !(seconds >= 0 && seconds <= UPDATED_MAX_S))
		return reading_refuse(r, r->prefix, "updated_at",
		    "is no time between 1970 and 9999");
	r->f->updated_us = llround(seconds * 1e6);
	return 0;
}

/* Chatwoot counts conversations per account and shows that number as `id`. */
static void
read_channel(struct reading *r)
{
	static const char *const names[] = {
#define X(name, text, most) [CW_CH_##name] = text,
		CHATWOOT_CHANNELS(X)
#undef X
	};
	const struct json *value;

	if (json_get(r->conversation, "channel", &value) != JSON_STRING
	    && json_path(r->conversation, "meta.channel", &value) != JSON_STRING)
		return;
	struct slice word = json_text(value);
	if (!slice_starts(word, SLICE("Channel::")))
		return;
	word = slice_after(word, sizeof("Channel::") - 1);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i] && slice_eq_nocase(word, slice_of(names[i])))
			r->f->channel = (enum chatwoot_channel)i;
}

/* Absent in old versions: then nothing is known of the window. */
static void
read_window(struct reading *r)
{
	const struct json *value;

	if (json_get(r->conversation, "can_reply", &value) != JSON_BOOL)
		return;
	r->f->can_reply = json_true(value);
	r->f->cannot_reply = !r->f->can_reply;
}

int
reading_conversation(struct reading *r)
{
	int64_t inbox = 0;
	int e = reading_id(r, r->conversation, "id", r->prefix, &r->f->conversation);

	if (e == 0 && r->f->conversation == 0)
		e = reading_refuse(r, r->prefix, "id", MISSING);
	if (e == 0)
		e = read_status(r);
	if (e == 0)
		e = read_owner(r);
	if (e == 0)
		e = read_updated(r);
	read_channel(r);
	read_window(r);
	if (e == 0)
		e = reading_id(r, r->event, "inbox.id", "", &r->f->inbox);
	if (e == 0)
		e = reading_id(r, r->conversation, "inbox_id", r->prefix, &inbox);
	if (r->f->inbox == 0)
		r->f->inbox = inbox;
	if (e == 0 && r->f->sender == CW_SE_CONTACT)
		e = reading_id(r, r->event, "sender.id", "", &r->f->contact);
	if (e == 0 && r->f->contact == 0)
		e = reading_id(r, r->conversation, "meta.sender.id", r->prefix, &r->f->contact);
	if (e == 0 && r->f->contact == 0)
		e = reading_id(r, r->conversation, "contact_inbox.contact_id", r->prefix,
		    &r->f->contact);
	return e;
}

static int
read_kind(struct reading *r)
{
	const struct json *value;
	int e = 0;

	r->conversation = r->event;
	r->prefix = "";
	if (r->f->event != CW_EV_OTHER && json_get(r->event, "message", &value) == JSON_OBJECT)
		return reading_refuse(r, "", "message",
		    "is no part of any Chatwoot event: the message stands at the top level");
	switch (r->f->event) {
	case CW_EV_OTHER:
		return 0;
	case CW_EV_MESSAGE_CREATED:
	case CW_EV_MESSAGE_UPDATED:
		if (json_get(r->event, "conversation", &value) != JSON_OBJECT)
			return reading_refuse(r, "", "conversation", NOT_AN_OBJECT);
		r->conversation = value;
		r->prefix = "conversation.";
		e = reading_message(r);
		break;
	case CW_EV_CONVERSATION_CREATED:
	case CW_EV_CONVERSATION_UPDATED:
	case CW_EV_STATUS_CHANGED:
	case CW_EV_OPENED:
	case CW_EV_RESOLVED:
		e = reading_changes(r);
		break;
	case CW_EV_CONTACT_UPDATED:
		return reading_id(r, r->event, "id", "", &r->f->contact);
	}
	return e == 0 ? reading_conversation(r) : e;
}

/* The syncs of the Odoo addons come in on the same path. */
static const char *
sync_of(const struct json *event)
{
	static const struct { const char *source, *event, *sync; } syncs[] = {
		{ "credentials", "credentials_sync", "credentials" },
		{ "channel_mapping", "mapping_sync", "mapping" },
	};
	const struct json *source, *name;

	json_get(event, "source", &source);
	json_get(event, "event", &name);
	for (size_t i = 0; i < ARRAY_LEN(syncs); i++)
		if (slice_eq(json_text(source), slice_of(syncs[i].source))
		    || slice_eq(json_text(name), slice_of(syncs[i].event)))
			return syncs[i].sync;
	return "";
}

/* Strict check and parse; what both readers begin with. */
static int
read_json(struct slice body, struct arena *arena, struct json **ret, struct slice *reterr_why)
{
	struct json_fault fault;
	int e = json_check(body, &json_default_limits, &fault);

	if (e > 0) {
		*reterr_why = arena_printf(arena, "byte %zu: %s", fault.offset, fault.what);
		return e == JSON_E_SYNTAX ? CW_E_JSON : CW_E_SCHEMA;
	}
	return e < 0 ? e : json_parse(body, ret);
}

int
chatwoot_read(struct slice body, const struct chatwoot_policy *policy, struct arena *arena,
    struct chatwoot_facts *ret, struct json **ret_doc, struct slice *reterr_why)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct chatwoot_facts facts = { 0 };
	struct reading r = { .arena = arena, .policy = policy, .f = &facts };
	int e = read_json(body, arena, &doc, reterr_why);

	if (e != 0)
		return e;
	r.event = doc;
	e = read_event_name(&r);
	if (e == 0)
		e = read_account(&r);
	if (e == 0)
		e = read_kind(&r);
	if (e == 0)
		e = check_account(&r);
	if (facts.event == CW_EV_OTHER)
		facts.sync = sync_of(doc);
	if (arena_overflowed(arena))
		return -ENOMEM;
	if (e > 0)
		*reterr_why = r.why;
	if (e != 0)
		return e;
	*ret = facts;
	if (ret_doc) {
		*ret_doc = doc;
		doc = NULL;
	}
	return 0;
}

/* A hint where to look for the sender, so nothing is refused for it:
 * chatwoot_read() judges the event. */
static int64_t
inbox_of(const struct json *event)
{
	static const char *const places[] = { "inbox.id", "conversation.inbox_id", "inbox_id" };
	const struct json *value;
	int64_t id;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		json_path(event, places[i], &value);
		if (json_int(value, &id) == 0 && id > 0)
			return id;
	}
	return 0;
}

int
chatwoot_peek(struct slice body, struct arena *arena, struct chatwoot_peek *ret,
    struct slice *reterr_why)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct chatwoot_facts facts = { 0 };
	struct reading r = { .arena = arena, .f = &facts };
	int e = read_json(body, arena, &doc, reterr_why);
	const char *sync = "";

	if (e != 0)
		return e;
	r.event = doc;
	sync = sync_of(doc);
	if (!sync[0])
		e = read_event_name(&r);
	if (e == 0 && !sync[0])
		e = read_account(&r);
	if (arena_overflowed(arena))
		return -ENOMEM;
	if (e > 0)
		*reterr_why = r.why;
	if (e != 0)
		return e;
	*ret = (struct chatwoot_peek){
		.account = facts.account, .inbox = sync[0] ? 0 : inbox_of(doc), .sync = sync,
	};
	return 0;
}
