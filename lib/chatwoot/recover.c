#include <errno.h>

#include "lib/chatwoot/chatwoot.h"
#include "lib/chatwoot/parts.h"
#include "lib/chatwoot/recover.h"
#include "lib/clock.h"

#define SECONDS_MAX INT64_C(253402300799)       /* the last second of the year 9999 */

void
chatwoot_list_free(struct chatwoot_list *list)
{
	json_free(list->doc);
	*list = (struct chatwoot_list){ .doc = NULL };
}

static int
read_list(struct slice body, const char *path, struct chatwoot_list *ret)
{
	struct json_fault fault;
	struct chatwoot_list list = { .doc = NULL };
	int e = json_check(body, &json_default_limits, &fault);

	if (e != 0)
		return e < 0 ? e : e == JSON_E_SYNTAX ? CW_E_JSON : CW_E_SCHEMA;
	e = json_parse(body, &list.doc);
	if (e == 0 && json_path(list.doc, path, &list.item) != JSON_ARRAY)
		e = CW_E_SCHEMA;
	if (e != 0) {
		json_free(list.doc);
		return e;
	}
	list.n = json_length(list.item);
	chatwoot_list_free(ret);
	*ret = list;
	return 0;
}

int
chatwoot_list_conversations(struct slice body, struct chatwoot_list *ret)
{
	return read_list(body, "data.payload", ret);
}

int
chatwoot_list_messages(struct slice body, struct chatwoot_list *ret)
{
	return read_list(body, "payload", ret);
}

/* A whole number of seconds, as the lists give their times. */
static bool
read_seconds(const struct json *from, const char *key, int64_t *ret_us)
{
	const struct json *value;
	int64_t s;

	json_get(from, key, &value);
	if (json_int(value, &s) != 0 || s < 0 || s > SECONDS_MAX)
		return false;
	*ret_us = s * US_PER_S;
	return true;
}

static bool
read_number(const struct json *from, const char *key, int64_t *ret)
{
	const struct json *value;

	json_get(from, key, &value);
	return json_int(value, ret) == 0 && *ret > 0;
}

/* ---- conversations ---- */

void
chatwoot_listed_talk_free(struct chatwoot_listed_talk *talk)
{
	json_free(talk->conversation);
	*talk = (struct chatwoot_listed_talk){ .id = 0 };
}

static int
set_numbered(struct json *in, const char *key, int64_t id)
{
	struct json *object = json_new_object();

	if (!object)
		return -ENOMEM;
	if (json_set_int(object, "id", id) != 0) {
		json_free(object);
		return -ENOMEM;
	}
	return json_set(in, key, object);
}

/* The list has the channel in meta, the account as a number, and other messages
 * than the event's beside it. */
static int
as_carried(const struct json *item, int64_t account, struct json **ret)
{
	CLEANUP(json_freep) struct json *c = json_copy(item);
	const struct json *value;
	int e = 0;

	if (!c)
		return -ENOMEM;
	json_remove(c, "messages");
	json_remove(c, "last_non_activity_message");
	if (json_get(c, "channel", &value) == JSON_ABSENT && json_path(c, "meta.channel", &value) == JSON_STRING)
		e = json_set(c, "channel", json_ref(value));
	if (e == 0)
		e = set_numbered(c, "account", account);
	if (e == 0) {
		*ret = c;
		c = NULL;
	}
	return e;
}

int
chatwoot_listed_talk(const struct chatwoot_list *list, size_t i, int64_t account, struct chatwoot_listed_talk *ret)
{
	struct chatwoot_listed_talk talk = { .id = 0 };
	const struct json *item;
	int e;

	if (json_at(list->item, i, &item) != JSON_OBJECT)
		return CW_E_SCHEMA;
	if (!chatwoot_is_number(item, "account_id", account))
		return CW_E_ACCOUNT;
	if (!read_number(item, "id", &talk.id) || !read_number(item, "inbox_id", &talk.inbox))
		return CW_E_SCHEMA;
	/* Old versions name it `timestamp`. */
	if (!read_seconds(item, "last_activity_at", &talk.active_us) && !read_seconds(item, "timestamp", &talk.active_us))
		return CW_E_SCHEMA;
	e = as_carried(item, account, &talk.conversation);
	if (e == 0) {
		chatwoot_listed_talk_free(ret);
		*ret = talk;
	}
	return e;
}

int
chatwoot_recover_talk(const struct chatwoot_listed_talk *talk, struct buf *out)
{
	CLEANUP(json_freep) struct json *event = json_copy(talk->conversation);

	if (!event || json_set_text(event, "event", SLICE("conversation_updated")) != 0
	    || json_set_null(event, "changed_attributes") != 0)
		return -ENOMEM;
	return json_print(event, out);
}

/* ---- messages ---- */

enum { INCOMING, OUTGOING, ACTIVITY, TEMPLATE };        /* as the lists number them */
static const char *const type_words[] = { "incoming", "outgoing", "activity", "template" };

static int64_t
type_of(const struct json *item)
{
	const struct json *value;
	int64_t n = -1;

	if (json_get(item, "message_type", &value) == JSON_STRING)
		for (size_t i = 0; i < ARRAY_LEN(type_words); i++)
			if (slice_eq(json_text(value), slice_of(type_words[i])))
				return (int64_t)i;
	return json_int(value, &n) == 0 && n >= INCOMING && n <= TEMPLATE ? n : -1;
}

/* As chatwoot_decide() finds that a human took over. */
static bool
human_wrote(const struct json *item)
{
	const struct json *value;

	json_get(item, "private", &value);
	if (json_true(value))
		return false;
	if (json_path(item, "content_attributes.ponte", &value) != JSON_ABSENT
	    || json_path(item, "content_attributes.automation_rule_id", &value) != JSON_ABSENT)
		return false;
	json_path(item, "content_attributes.external_echo", &value);
	if (json_true(value))
		return true;
	return json_path(item, "sender.type", &value) == JSON_STRING && slice_eq(json_text(value), SLICE("user"));
}

int
chatwoot_listed_message(const struct chatwoot_list *list, size_t i, int64_t account, int64_t conversation,
    struct chatwoot_listed_message *ret)
{
	struct chatwoot_listed_message m = { .id = 0 };
	const struct json *item;
	int64_t type;

	if (json_at(list->item, i, &item) != JSON_OBJECT)
		return CW_E_SCHEMA;
	if (!chatwoot_is_number(item, "account_id", account) || !chatwoot_is_number(item, "conversation_id", conversation))
		return CW_E_ACCOUNT;
	type = type_of(item);
	if (!read_number(item, "id", &m.id) || !read_seconds(item, "created_at", &m.created_us) || type < 0)
		return CW_E_SCHEMA;
	m.customer = type == INCOMING;
	m.human = type == OUTGOING && human_wrote(item);
	*ret = m;
	return 0;
}

static int
set_created(struct json *event)
{
	char text[CLOCK_TEXT];
	int64_t us;

	if (!read_seconds(event, "created_at", &us))
		return 0;
	clock_text(us, text);
	return json_set_text(event, "created_at", slice_of(text));
}

int
chatwoot_recover_message(const struct chatwoot_list *list, size_t i, int64_t account,
    const struct chatwoot_listed_talk *talk, struct buf *out)
{
	const struct json *item, *value;

	json_at(list->item, i, &item);
	CLEANUP(json_freep) struct json *event = json_copy(item);
	if (!event)
		return -ENOMEM;
	int64_t type = type_of(item);
	REQUIRE(type >= 0);             /* chatwoot_listed_message() takes no other */
	int e = json_set_text(event, "event", SLICE("message_created"));
	if (e == 0)
		e = json_set_text(event, "message_type", slice_of(type_words[type]));
	if (e == 0)
		e = set_created(event);
	if (e == 0 && json_get(event, "private", &value) != JSON_BOOL)
		e = json_set_bool(event, "private", false);
	if (e == 0)
		e = set_numbered(event, "account", account);
	if (e == 0)
		e = set_numbered(event, "inbox", talk->inbox);
	if (e == 0)
		e = json_set(event, "conversation", json_ref(talk->conversation));
	return e == 0 ? json_print(event, out) : e;
}
