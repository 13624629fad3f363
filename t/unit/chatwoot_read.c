/* Long because its tables are: one row for each form that an event was seen in. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/chatwoot/chatwoot.h"
#include "lib/crypt.h"
#include "t/unit/chatwoot_event.h"
#include "t/unit/fixture.h"
#include "t/unit/unit.h"

static const struct chatwoot_policy policy = { .mode = CW_MODE_BOT, .account = 7, .bot_id = 4, .answer_open = true };

#define FLAGS(X) \
	X(noise) X(changes_null) X(private_note) X(blocked) X(auto_reply) X(external_error) X(has_text) \
	X(content_null) X(has_attachments) X(truncated) X(sanitised) X(ours) X(external_echo) \
	X(automation) X(form_answer) X(transcript)

/* Facts as words, each with a blank behind it: "event=1 conversation=501 has_text ". */
static void
describe(const struct chatwoot_facts *f, char *text, size_t size)
{
	static const char *const status[] = { "unknown", "open", "resolved", "pending", "snoozed", "other" };
	static const char *const owner[] = { "nobody", "our_bot", "other_bot", "human" };
	static const char *const type[] = { "other", "incoming", "outgoing", "template", "activity" };
	static const char *const sender[] = { "null", "contact", "user", "bot", "other" };
	size_t n = (size_t)snprintf(text, size,
	    " name=%.*s account=%" PRId64 " inbox=%" PRId64 " conversation=%" PRId64 " message=%" PRId64
	    " contact=%" PRId64 " status=%s owner=%s owner_id=%" PRId64 " updated=%" PRId64 " type=%s sender=%s ",
	    (int)f->event_name.len, f->event_name.len ? f->event_name.ptr : "", f->account, f->inbox,
	    f->conversation, f->message, f->contact, status[f->status], owner[f->owner], f->owner_id,
	    f->updated_us, type[f->type], sender[f->sender]);

#define X(field) \
	if (f->field) \
		n += (size_t)snprintf(text + n, size - n, #field " ");
	FLAGS(X)
#undef X
}

/* Every word of `want` must be there; a word with '-' before it must not. */
static bool
holds_all(const char *text, const char *want)
{
	char word[160], blanks[170];
	int used;

	for (; sscanf(want, " %150s%n", word, &used) == 1; want += used) {
		bool absent = word[0] == '-';

		snprintf(blanks, sizeof(blanks), " %s ", absent ? word + 1 : word);
		if ((strstr(text, blanks) != NULL) == absent)
			return false;
	}
	return true;
}

struct row {
	const char *name, *body;
	int         want;
	const char *facts;      /* want 0: words of describe(); else a part of the reason */
};

static void
run_rows(const struct row *rows, size_t n, const struct chatwoot_policy *p)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(arena_freep) struct arena *arena = NULL;
		CLEANUP(json_freep) struct json *doc = NULL;
		struct chatwoot_facts f;
		struct slice why = { 0 };
		char text[1024];

		ROW(rows[i].name, arena_new(64 * KIB, &arena) == 0);
		int r = chatwoot_read(slice_of(rows[i].body), p, arena, &f, &doc, &why);
		ROW(rows[i].name, r == rows[i].want);
		if (r == 0) {
			describe(&f, text, sizeof(text));
			ROW(rows[i].name, holds_all(text, rows[i].facts));
			ROW(rows[i].name, doc != NULL);
			if (!holds_all(text, rows[i].facts))
				fprintf(stderr, "   %s\n", text);
		} else if (rows[i].want != 0) {
			snprintf(text, sizeof(text), SLICE_FMT, SLICE_ARG(why));
			ROW(rows[i].name, strstr(text, rows[i].facts) != NULL);
			if (!strstr(text, rows[i].facts))
				fprintf(stderr, "   %s\n", text);
		} else {
			fprintf(stderr, "   " SLICE_FMT "\n", SLICE_ARG(why));
		}
	}
}

/* clang-format off */
static const struct row messages[] = {
	{ "a customer's message", INCOMING(",\"content\":\"oi\""), 0,
	  "name=message_created account=7 inbox=31 conversation=501 message=90001 contact=2001 status=pending owner=our_bot "
	  "owner_id=4 updated=1767348000418207 type=incoming sender=contact has_text -content_null -private_note -form_answer" },
	{ "an id above 2^53 is read as it stands",
	  "{\"event\":\"message_created\",\"id\":9007199254740993,\"message_type\":\"incoming\",\"conversation\":" PENDING "}", 0,
	  "message=9007199254740993" },
	{ "the largest id", "{\"event\":\"message_created\",\"id\":9223372036854775807,\"message_type\":\"incoming\","
	  "\"conversation\":" PENDING "}", 0, "message=9223372036854775807" },
	{ "an id beyond 64 bits", "{\"event\":\"message_created\",\"id\":9223372036854775808,\"message_type\":\"incoming\","
	  "\"conversation\":" PENDING "}", CW_E_SCHEMA, "id is not a positive" },
	{ "an id of zero", "{\"event\":\"message_created\",\"id\":0,\"message_type\":\"incoming\",\"conversation\":" PENDING "}",
	  CW_E_SCHEMA, "id is not a positive" },
	{ "an id with a fraction", "{\"event\":\"message_created\",\"id\":5.0,\"message_type\":\"incoming\",\"conversation\":" PENDING "}",
	  CW_E_SCHEMA, "id is not a positive" },
	{ "an id with an exponent", "{\"event\":\"message_created\",\"id\":9e4,\"message_type\":\"incoming\",\"conversation\":" PENDING "}",
	  CW_E_SCHEMA, "id is not a positive" },
	{ "an id as text", "{\"event\":\"message_created\",\"id\":\"5\",\"message_type\":\"incoming\",\"conversation\":" PENDING "}",
	  CW_E_SCHEMA, "id is not a positive" },
	{ "no id", "{\"event\":\"message_created\",\"message_type\":\"incoming\",\"conversation\":" PENDING "}",
	  CW_E_SCHEMA, "id is missing" },
	{ "no type", "{\"event\":\"message_created\",\"id\":1,\"conversation\":" PENDING "}", CW_E_SCHEMA, "message_type is missing" },
	{ "a type of null", MESSAGE("message_created", "null", CONTACT, "", PENDING), CW_E_SCHEMA, "message_type" },
	{ "type 0 is incoming", MESSAGE("message_created", "0", CONTACT, "", PENDING), 0, "type=incoming" },
	{ "type 1 is outgoing", MESSAGE("message_created", "1", AGENT, "", PENDING), 0, "type=outgoing sender=user" },
	{ "type 2 is an activity", MESSAGE("message_created", "2", "null", "", PENDING), 0, "type=activity sender=null" },
	{ "type 3 is a template", MESSAGE("message_created", "3", "null", "", PENDING), 0, "type=template" },
	{ "type 4 is none", MESSAGE("message_created", "4", "null", "", PENDING), CW_E_SCHEMA, "message_type" },
	{ "a new type's name is taken in", MESSAGE("message_created", "\"voice\"", CONTACT, "", PENDING), 0, "type=other" },
	{ "no conversation", "{\"event\":\"message_created\",\"id\":1,\"message_type\":\"incoming\"}", CW_E_SCHEMA,
	  "conversation is not an object" },
	{ "a conversation without id", MESSAGE("message_created", "0", CONTACT, "", "{\"status\":\"open\"}"), CW_E_SCHEMA,
	  "conversation.id is missing" },
	{ "a conversation without status", MESSAGE("message_created", "0", CONTACT, "", "{\"id\":5}"), CW_E_SCHEMA,
	  "conversation.status is missing" },
	{ "every id is looked at", MESSAGE("message_created", "\"incoming\"", CONTACT, ",\"inbox\":{\"id\":31}",
	  "{\"id\":501,\"inbox_id\":\"31\",\"status\":\"pending\"}"), CW_E_SCHEMA, "conversation.inbox_id is not" },
	{ "no Chatwoot ever sent a message inside", INCOMING(",\"message\":{\"id\":1}"), CW_E_SCHEMA, "top level" },
	{ "nor inside a conversation's event", STATE("conversation_updated", "\"open\"", "null", ",\"message\":{\"id\":1}"), CW_E_SCHEMA, "top level" },
	{ "a message that is no object is another key", INCOMING(",\"message\":\"x\""), 0, "type=incoming" },
	{ "content is text or null", INCOMING(",\"content\":5"), CW_E_SCHEMA, "content is not a string" },
	{ "private is a truth value", "{\"event\":\"message_created\",\"id\":1,\"message_type\":0,\"private\":\"false\",\"conversation\":"
	  PENDING "}", CW_E_SCHEMA, "private is not true or false" },
	{ "attachments are a list", INCOMING(",\"attachments\":{}"), CW_E_SCHEMA, "attachments is not an array" },
	{ "a sender is an object", MESSAGE("message_created", "0", "5", "", PENDING), CW_E_SCHEMA, "sender is not an object" },
	{ "the contact's id is checked too", MESSAGE("message_created", "0", "{\"id\":-1}", "", PENDING), CW_E_SCHEMA, "sender.id" },
	{ "a typed contact", MESSAGE("message_created", "0", "{\"id\":2,\"type\":\"contact\",\"blocked\":true}", "", PENDING), 0,
	  "sender=contact contact=2 blocked" },
	{ "a sender whose type is no text", MESSAGE("message_created", "0", "{\"id\":2,\"type\":5}", "", PENDING), 0,
	  "sender=other contact=2001" },
	{ "a sender of an unknown type", MESSAGE("message_created", "0", "{\"id\":2,\"type\":\"captain\"}", "", PENDING), 0,
	  "sender=other contact=2001" },
	{ "without a sender the conversation knows the contact", MESSAGE("message_created", "0", "null", "", PENDING), 0,
	  "sender=null contact=2001" },
	{ "content null", INCOMING(",\"content\":null"), 0, "content_null -has_text -has_attachments" },
	{ "attachments of null alone are none", INCOMING(",\"attachments\":[null]"), 0, "-has_attachments" },
	{ "one attachment beside a null", INCOMING(",\"attachments\":[null,{\"id\":1}]"), 0, "has_attachments" },
	{ "U+0000 is taken out", INCOMING(",\"content\":\"a\\u0000b\""), 0, "sanitised has_text -truncated" },
	{ "nothing but U+0000", INCOMING(",\"content\":\"\\u0000\""), 0, "sanitised -has_text -content_null" },
	{ "mail: what is new in it", INCOMING(",\"content\":\"\",\"content_attributes\":{\"email\":{\"text_content\":"
	  "{\"quoted\":\"novo\"},\"auto_reply\":true}}"), 0, "has_text auto_reply" },
	{ "auto_reply as text is none", INCOMING(",\"content_attributes\":{\"email\":{\"auto_reply\":\"true\"}}"), 0, "-auto_reply" },
	{ "content_attributes of null", INCOMING(",\"content_attributes\":null"), 0, "-ours" },
	{ "content_attributes as text", INCOMING(",\"content_attributes\":\"{}\""), CW_E_SCHEMA, "content_attributes is not an object" },
	{ "our own key", OUTGOING(OUR_BOT, ",\"content_attributes\":{\"ponte\":\"x.1\"}"), 0, "ours sender=bot -automation" },
	{ "an automation rule", OUTGOING("null", ",\"content_attributes\":{\"automation_rule_id\":9}"), 0, "automation -ours" },
	{ "a campaign", OUTGOING(AGENT, ",\"additional_attributes\":{\"campaign_id\":3}"), 0, "automation" },
	{ "a template", OUTGOING(AGENT, ",\"additional_attributes\":{\"template_params\":{\"name\":\"x\"}}"), 0, "automation" },
	{ "no template", OUTGOING(AGENT, ",\"additional_attributes\":{\"template_params\":{},\"campaign_id\":null}"), 0, "-automation" },
	{ "typed on the phone", OUTGOING("null", ",\"content_attributes\":{\"external_echo\":true}"), 0, "external_echo" },
};

static const struct row updates[] = {
	{ "a choice", UPDATED("\"outgoing\"", OUR_BOT, ",\"content_attributes\":{\"submitted_values\":[{\"title\":\"A\",\"value\":\"a\"}]}"),
	  0, "form_answer has_text contact=2001" },
	{ "the CSAT object is no answer", UPDATED("\"template\"", "null", ",\"content_attributes\":{\"submitted_values\":{\"a\":1}}"),
	  0, "-form_answer" },
	{ "an empty list is no answer", UPDATED("\"outgoing\"", OUR_BOT, ",\"content_attributes\":{\"submitted_values\":[]}"),
	  0, "-form_answer" },
	{ "an empty list beside an e-mail address", UPDATED("3", "null",
	  ",\"content_attributes\":{\"submitted_values\":[],\"submitted_email\":\"a@b.example\"}"), 0, "form_answer has_text" },
	{ "an e-mail address", UPDATED("\"template\"", "null", ",\"content_attributes\":{\"submitted_email\":\"a@b.example\"}"),
	  0, "form_answer has_text" },
	{ "no e-mail address", UPDATED("\"template\"", "null", ",\"content_attributes\":{\"submitted_email\":\"\"}"),
	  0, "-form_answer" },
	{ "answers count in updates alone", INCOMING(",\"content_attributes\":{\"submitted_email\":\"a@b.example\"}"),
	  0, "-form_answer" },
	{ "a transcription", UPDATED("\"incoming\"", CONTACT, ",\"content\":null,\"attachments\":[{\"file_type\":\"audio\","
	  "\"transcribed_text\":\"bom dia\"}]"), 0, "transcript has_text content_null" },
	{ "an empty transcription", UPDATED("\"incoming\"", CONTACT, ",\"attachments\":[{\"file_type\":\"audio\","
	  "\"transcribed_text\":\"\"}]"), 0, "-transcript" },
	{ "a transcription of no audio", UPDATED("\"incoming\"", CONTACT, ",\"attachments\":[{\"file_type\":\"image\","
	  "\"transcribed_text\":\"x\"}]"), 0, "-transcript" },
	{ "an agent's transcription", UPDATED("\"outgoing\"", AGENT, ",\"attachments\":[{\"file_type\":\"audio\","
	  "\"transcribed_text\":\"x\"}]"), 0, "-transcript" },
	{ "the channel's error", UPDATED("\"outgoing\"", OUR_BOT, ",\"content_attributes\":{\"ponte\":\"x.1\",\"external_error\":\"no\"}"),
	  0, "external_error ours" },
	{ "no error", UPDATED("\"outgoing\"", OUR_BOT, ",\"content_attributes\":{\"external_error\":null}"), 0, "-external_error" },
};

static const struct row conversations[] = {
	{ "a status change", STATE("conversation_status_changed", "\"open\"", AGENT, ",\"updated_at\":1767348005"), 0,
	  "conversation=501 message=0 contact=2001 inbox=31 status=open owner=human owner_id=12 updated=1767348005000000 changes_null" },
	{ "status 0 is open", STATE("conversation_opened", "0", "null", ""), 0, "status=open owner=nobody updated=0" },
	{ "status 1 is resolved", STATE("conversation_resolved", "1", "null", ""), 0, "status=resolved" },
	{ "status 2 is pending", STATE("conversation_created", "2", "null", ""), 0, "status=pending" },
	{ "status 3 is snoozed", STATE("conversation_created", "3", "null", ""), 0, "status=snoozed" },
	{ "status 4 is none", STATE("conversation_created", "4", "null", ""), CW_E_SCHEMA, "status is a number" },
	{ "a status beyond 64 bits", STATE("conversation_created", "9223372036854775808", "null", ""), CW_E_SCHEMA, "status is a number" },
	{ "a negative status", STATE("conversation_created", "-1", "null", ""), CW_E_SCHEMA, "status is a number" },
	{ "a status of null", STATE("conversation_created", "null", "null", ""), CW_E_SCHEMA, "status is not a string" },
	{ "a new status's name is taken in", STATE("conversation_created", "\"waiting\"", "null", ""), 0, "status=other" },
	{ "another bot", STATE("conversation_created", "\"open\"", THEIR_BOT, ""), 0, "owner=other_bot owner_id=5" },
	{ "an assignee of old, without a type", STATE("conversation_created", "\"open\"", "{\"id\":3}", ""), 0, "owner=human" },
	{ "an assignee that is no object", STATE("conversation_created", "\"open\"", "3", ""), CW_E_SCHEMA, "meta.assignee is not" },
	{ "the type beside the assignee", "{\"event\":\"conversation_created\",\"id\":5,\"status\":\"open\",\"meta\":"
	  "{\"assignee\":{\"id\":4},\"assignee_type\":\"AgentBot\"}}", 0, "owner=our_bot conversation=5" },
	{ "an assistant of Chatwoot's own", "{\"event\":\"conversation_created\",\"id\":5,\"status\":\"open\",\"meta\":"
	  "{\"assignee\":{\"id\":4},\"assignee_type\":\"Captain::Assistant\"}}", 0, "owner=other_bot" },
	{ "no meta at all", "{\"event\":\"conversation_created\",\"id\":5,\"status\":\"open\"}", 0, "owner=nobody contact=0" },
	{ "the contact of the contact inbox", "{\"event\":\"conversation_created\",\"id\":5,\"status\":\"open\","
	  "\"contact_inbox\":{\"contact_id\":9}}", 0, "contact=9" },
	{ "no id", "{\"event\":\"conversation_created\",\"status\":\"open\"}", CW_E_SCHEMA, "id is missing" },
	{ "updated_at as ISO text is no version", STATE("conversation_created", "\"open\"", "null", ",\"updated_at\":\"2026-01-02T10:00:00Z\""),
	  0, "updated=0" },
	{ "updated_at keeps its microseconds", STATE("conversation_created", "\"open\"", "null", ",\"updated_at\":1767348005.000001"),
	  0, "updated=1767348005000001" },
	{ "updated_at in the year 9999", STATE("conversation_created", "\"open\"", "null", ",\"updated_at\":253402300799"),
	  0, "updated=253402300799000000" },
	{ "updated_at after the year 9999", STATE("conversation_created", "\"open\"", "null", ",\"updated_at\":253402300800"),
	  CW_E_SCHEMA, "updated_at is no time" },
	{ "updated_at that fits nothing", STATE("conversation_created", "\"open\"", "null", ",\"updated_at\":1e400"),
	  CW_E_SCHEMA, "updated_at is no time" },
	{ "a negative updated_at", STATE("conversation_created", "\"open\"", "null", ",\"updated_at\":-1"), CW_E_SCHEMA, "updated_at is no time" },
	{ "updated_at of true", STATE("conversation_created", "\"open\"", "null", ",\"updated_at\":true"), CW_E_SCHEMA, "updated_at is not" },
	{ "changes of null", STATE("conversation_updated", "\"open\"", "null", ",\"changed_attributes\":null"), 0, "changes_null -noise" },
	{ "bookkeeping is noise", STATE("conversation_updated", "\"open\"", "null", ",\"changed_attributes\":[{\"updated_at\":{}},"
	  "{\"waiting_since\":{}},{\"first_reply_created_at\":{}},{\"last_activity_at\":{}}]"), 0, "noise -changes_null" },
	{ "no changes are noise", STATE("conversation_updated", "\"open\"", "null", ",\"changed_attributes\":[]"), 0, "noise" },
	{ "a status is no noise", STATE("conversation_updated", "\"open\"", "null", ",\"changed_attributes\":[{\"updated_at\":{}},"
	  "{\"status\":{\"previous_value\":0,\"current_value\":0}}]"), 0, "-noise -changes_null" },
	{ "two keys in one change are both looked at", STATE("conversation_updated", "\"open\"", "null",
	  ",\"changed_attributes\":[{\"updated_at\":{},\"priority\":{}}]"), 0, "-noise" },
	{ "label lists null and empty text are equal", STATE("conversation_updated", "\"open\"", "null",
	  ",\"changed_attributes\":[{\"cached_label_list\":{\"previous_value\":null,\"current_value\":\"\"}},"
	  "{\"label_list\":{\"previous_value\":[],\"current_value\":null}}]"), 0, "noise" },
	{ "equal label lists are noise", STATE("conversation_updated", "\"open\"", "null",
	  ",\"changed_attributes\":[{\"label_list\":{\"previous_value\":[\"a\",\"b\"],\"current_value\":[\"a\",\"b\"]}}]"), 0, "noise" },
	{ "a new label is no noise", STATE("conversation_updated", "\"open\"", "null",
	  ",\"changed_attributes\":[{\"label_list\":{\"previous_value\":[],\"current_value\":[\"vip\"]}}]"), 0, "-noise" },
	{ "a change that is no object is no noise", STATE("conversation_updated", "\"open\"", "null", ",\"changed_attributes\":[5]"),
	  0, "-noise" },
	{ "the raw change hash of old versions", STATE("conversation_updated", "\"open\"", "null",
	  ",\"changed_attributes\":{\"updated_at\":[1,2],\"label_list\":[null,[]]}"), 0, "noise" },
	{ "a raw change hash with a status", STATE("conversation_updated", "\"open\"", "null",
	  ",\"changed_attributes\":{\"status\":[\"open\",\"pending\"]}"), 0, "-noise -changes_null" },
};

static const struct row accounts[] = {
	{ "another account", "{\"event\":\"x\",\"account\":{\"id\":8}}", CW_E_ACCOUNT, "account 8" },
	{ "schema comes before account", "{\"event\":\"message_created\",\"account\":{\"id\":8}}", CW_E_SCHEMA, "conversation" },
	{ "the sender decides where none is named", "{\"event\":\"x\"}", 0, "account=7 conversation=0 message=0" },
	{ "the account in the conversation", "{\"event\":\"x\",\"conversation\":{\"account\":{\"id\":8}}}", CW_E_ACCOUNT, "account 8" },
	{ "the account of the last message", "{\"event\":\"x\",\"messages\":[{\"account_id\":8}]}", CW_E_ACCOUNT, "account 8" },
	{ "the account of the conversation's last message", "{\"event\":\"x\",\"conversation\":{\"messages\":[{\"account_id\":8}]}}",
	  CW_E_ACCOUNT, "account 8" },
	{ "the first place counts", "{\"event\":\"x\",\"account\":{\"id\":7},\"messages\":[{\"account_id\":8}]}", 0, "account=7" },
	{ "an account of null names none", "{\"event\":\"x\",\"account\":null}", 0, "account=7" },
	{ "an account that is a number", "{\"event\":\"x\",\"account\":7}", CW_E_SCHEMA, "account is not an object" },
	{ "an account id as text", "{\"event\":\"x\",\"account\":{\"id\":\"7\"}}", CW_E_SCHEMA, "account.id" },
};

static const struct row texts[] = {
	{ "nothing", "", CW_E_JSON, "byte 0" },
	{ "half a text", "{\"event\":", CW_E_JSON, "byte" },
	{ "bytes behind the end", "{\"event\":\"x\"} x", CW_E_JSON, "byte" },
	{ "a list", "[]", CW_E_SCHEMA, "byte 0" },
	{ "a key twice", "{\"event\":\"x\",\"event\":\"x\"}", CW_E_SCHEMA, "byte" },
	{ "no event", "{}", CW_E_SCHEMA, "event is missing" },
	{ "an empty event", "{\"event\":\"\"}", CW_E_SCHEMA, "event is empty" },
	{ "an event of null", "{\"event\":null}", CW_E_SCHEMA, "event is not a string" },
	{ "a number for an event", "{\"event\":1}", CW_E_SCHEMA, "event is not a string" },
	{ "a name that is not known", "{\"event\":\"message_incoming\",\"id\":-5,\"message\":{}}", 0, "name=message_incoming message=0" },
	{ "a name is not a beginning of a name", "{\"event\":\"message_create\"}", 0, "name=message_create" },
	{ "a long name is cut between characters",
	  "{\"event\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}", 0,
	  "name=0123456789012345678901234567890123456789012345678901234567890123" },
	{ "a long name is not cut inside a character",
	  "{\"event\":\"012345678901234567890123456789012345678901234567890123456789012\303\251x\"}", 0,
	  "name=012345678901234567890123456789012345678901234567890123456789012" },
};
/* clang-format on */

static void
test_messages(void)
{
	run_rows(messages, ARRAY_LEN(messages), &policy);
}

static void
test_updates(void)
{
	run_rows(updates, ARRAY_LEN(updates), &policy);
}

static void
test_conversations(void)
{
	run_rows(conversations, ARRAY_LEN(conversations), &policy);
}

static void
test_accounts(void)
{
	run_rows(accounts, ARRAY_LEN(accounts), &policy);
}

static void
test_texts(void)
{
	run_rows(texts, ARRAY_LEN(texts), &policy);
}

static void
test_any_bot_and_any_account(void)
{
	static const struct chatwoot_policy open = { .mode = CW_MODE_ACCOUNT };
	static const struct row rows[] = {
		{ "without a bot id every agent bot is ours", STATE("conversation_created", "\"open\"", THEIR_BOT, ""), 0,
		  "owner=our_bot account=7" },
		{ "without an account any is taken", "{\"event\":\"x\",\"account\":{\"id\":8}}", 0, "account=8" },
		{ "without an account none is known", "{\"event\":\"x\"}", 0, "account=0" },
	};

	run_rows(rows, ARRAY_LEN(rows), &open);
}

static void
test_one_inbox_alone(void)
{
	static const struct chatwoot_policy one = { .mode = CW_MODE_INBOX, .account = 7, .inbox = 31 };
	static const struct chatwoot_policy other = { .mode = CW_MODE_INBOX, .account = 7, .inbox = 32 };
	static const struct row its_own[] = {
		{ "a message of its inbox", INCOMING(",\"inbox\":{\"id\":31}"), 0, "inbox=31" },
		{ "a message that names its inbox in the conversation alone", INCOMING(""), 0, "inbox=31" },
		{ "a conversation of its inbox", STATE("conversation_created", "\"open\"", "null", ""), 0, "inbox=31" },
		{ "an event that names no inbox", "{\"event\":\"x\",\"account\":{\"id\":7}}", 0, "inbox=0" },
	};
	static const struct row not_its_own[] = {
		{ "a message of another inbox", INCOMING(",\"inbox\":{\"id\":31}"), CW_E_ACCOUNT, "of inbox 31, the sender is of inbox 32" },
		{ "a conversation of another inbox", STATE("conversation_created", "\"open\"", "null", ""), CW_E_ACCOUNT, "of inbox 31" },
		{ "an event that names no inbox", "{\"event\":\"x\",\"account\":{\"id\":7}}", 0, "inbox=0" },
	};

	run_rows(its_own, ARRAY_LEN(its_own), &one);
	run_rows(not_its_own, ARRAY_LEN(not_its_own), &other);
}

/* The addons' syncs are no events of Chatwoot; the door must be able to tell. */
static void
test_syncs_are_marked(void)
{
	static const struct { const char *name, *body, *want; } rows[] = {
		{ "a credentials sync", "{\"event\":\"credentials_sync\"}", "credentials" },
		{ "a mapping, by its source", "{\"event\":\"x\",\"source\":\"channel_mapping\"}", "mapping" },
		{ "an event that is none of ours", "{\"event\":\"contact_created\"}", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena *arena;
		struct chatwoot_facts f = { 0 };
		struct slice why;

		ROW("an arena", arena_new(MIB, &arena) == 0);
		ROW(rows[i].name, chatwoot_read(slice_of(rows[i].body), &policy, arena, &f, NULL, &why) == 0);
		ROW(rows[i].name, f.sync && strcmp(f.sync, rows[i].want) == 0);
		arena_free(arena);
	}
}

/* The hash must be the same for the same answer, however it was written. */
static void
test_form_hash(void)
{
	static const struct {
		const char *name, *body;
		const char *hash;
	} rows[] = {
		{ "the canonical form is hashed",
		  UPDATED("1", OUR_BOT, ",\"content_attributes\":{\"submitted_values\":[{\"title\":\"\303\251\",\"value\":\"a\"}]}"),
		  "[{\"title\": \"\\u00e9\", \"value\": \"a\"}]" },
		{ "key order, blanks and escapes make no other answer",
		  UPDATED("1", OUR_BOT, ",\"content_attributes\":{\"submitted_values\":[ {\"value\":\"\\u0061\", \"title\":\"\\u00e9\"} ]}"),
		  "[{\"title\": \"\\u00e9\", \"value\": \"a\"}]" },
		{ "an address is hashed as a JSON string",
		  UPDATED("1", OUR_BOT, ",\"content_attributes\":{\"submitted_email\":\"a@b.example\"}"), "\"a@b.example\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(arena_freep) struct arena *arena = NULL;
		struct chatwoot_facts f = { 0 };
		struct slice why = { 0 };
		uint8_t want[CRYPT_SHA256];
		char hex[2 * CRYPT_SHA256 + 1], key[CHATWOOT_KEY], want_key[CHATWOOT_KEY];

		ROW(rows[i].name, arena_new(4 * KIB, &arena) == 0);
		ROW(rows[i].name, chatwoot_read(slice_of(rows[i].body), &policy, arena, &f, NULL, &why) == 0);
		crypt_sha256(slice_of(rows[i].hash), want);
		hex_encode(want, sizeof(want), hex);
		ROW(rows[i].name, strcmp(f.form_hash, hex) == 0);
		chatwoot_key(&f, key);
		snprintf(want_key, sizeof(want_key), "f:90001:%s", hex);
		ROW(rows[i].name, strcmp(key, want_key) == 0);
	}
}

static void
test_long_text(void)
{
	static char body[600000];
	CLEANUP(arena_freep) struct arena *arena = NULL;
	struct chatwoot_facts f;
	struct slice why;
	size_t sizes[] = { 99999, 100000, 100001 };

	CU_ASSERT_EQUAL_FATAL(arena_new(4 * KIB, &arena), 0);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t n = (size_t)snprintf(body, sizeof(body), "{\"event\":\"message_created\",\"id\":1,\"message_type\":0,"
		    "\"conversation\":%s,\"content\":\"", PENDING);
		for (size_t c = 0; c < sizes[i]; c++) {
			memcpy(body + n, "\303\251", 2);
			n += 2;
		}
		snprintf(body + n, sizeof(body) - n, "\"}");
		ROW("a long text", chatwoot_read(slice_of(body), &policy, arena, &f, NULL, &why) == 0);
		ROW("100,000 characters pass, one more is cut", f.truncated == (sizes[i] > 100000));
	}
}

static void
test_peek(void)
{
	static const struct {
		const char *name, *body;
		int         want;
		int64_t     account, inbox;
		const char *sync;
	} rows[] = {
		{ "a message", INCOMING(""), 0, 7, 31, "" },
		{ "a message names its inbox", "{\"event\":\"x\",\"inbox\":{\"id\":9},\"account\":{\"id\":3}}", 0, 3, 9, "" },
		{ "a conversation", STATE("conversation_created", "\"open\"", "null", ""), 0, 7, 31, "" },
		{ "an old conversation", "{\"event\":\"x\",\"messages\":[{\"account_id\":3}],\"inbox_id\":4}", 0, 3, 4, "" },
		{ "nobody's event", "{\"event\":\"x\"}", 0, 0, 0, "" },
		{ "credentials by source", "{\"event\":\"update\",\"source\":\"credentials\",\"account\":\"a\"}", 0, 0, 0, "credentials" },
		{ "credentials by event", "{\"event\":\"credentials_sync\"}", 0, 0, 0, "credentials" },
		{ "mapping by source", "{\"event\":\"x\",\"source\":\"channel_mapping\"}", 0, 0, 0, "mapping" },
		{ "mapping by event", "{\"event\":\"mapping_sync\"}", 0, 0, 0, "mapping" },
		{ "the source of a sync is enough", "{\"source\":\"credentials\"}", 0, 0, 0, "credentials" },
		{ "an event is wanted of all else", "{\"source\":\"crm\"}", CW_E_SCHEMA, 0, 0, "" },
		{ "no JSON", "{", CW_E_JSON, 0, 0, "" },
		{ "an inbox that cannot be is none", "{\"event\":\"x\",\"inbox\":{\"id\":\"9\"},\"inbox_id\":0}", 0, 0, 0, "" },
		{ "an inbox beside a sync is none of ours", "{\"event\":\"mapping_sync\",\"inbox_id\":4}", 0, 0, 0, "mapping" },
		{ "an account that cannot be", "{\"event\":\"x\",\"account\":{\"id\":0}}", CW_E_SCHEMA, 0, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(arena_freep) struct arena *arena = NULL;
		struct chatwoot_peek peek;
		struct slice why = { 0 };

		ROW(rows[i].name, arena_new(4 * KIB, &arena) == 0);
		int r = chatwoot_peek(slice_of(rows[i].body), arena, &peek, &why);
		ROW(rows[i].name, r == rows[i].want);
		ROW(rows[i].name, r == 0 || why.len > 0);
		if (r == 0 && rows[i].want == 0)
			ROW(rows[i].name, peek.account == rows[i].account && peek.inbox == rows[i].inbox
			    && strcmp(peek.sync, rows[i].sync) == 0);
	}
}

static const struct chatwoot_policy account = { .mode = CW_MODE_ACCOUNT, .account = 7, .bot_id = 4, .answer_open = true };
static const struct chatwoot_policy closed_account = { .mode = CW_MODE_ACCOUNT, .account = 7, .bot_id = 4 };
static const struct chatwoot_policy spoken_bot = { .mode = CW_MODE_BOT, .account = 7, .bot_id = 4, .answer_open = true, .transcripts = true };

/* The fixtures whose decision hangs on a setting, with the other setting;
 * t/rules/fixtures.py has the defaults. */
static const struct {
	const char *file;
	const struct chatwoot_policy *policy;
	int refusal;
	enum chatwoot_decision want;
} other_settings[] = {
	{ "chatwoot/message_created.incoming.conversation_open_unassigned.json", &closed_account, 0, CW_D_IGNORE },
	{ "chatwoot/message_updated.audio_transcribed.json", &spoken_bot, 0, CW_D_FORWARD },
	{ "chatwoot/version.2_x.message_created.json", &account, 0, CW_D_FORWARD },
	{ "chatwoot/version.1_x.message_created.json", &account, CW_E_SCHEMA, 0 },
};

static void
test_other_settings(void)
{
	for (size_t i = 0; i < ARRAY_LEN(other_settings); i++) {
		const char *name = other_settings[i].file;
		CLEANUP(free_charp) char *text = NULL;
		CLEANUP(arena_freep) struct arena *arena = NULL;
		struct chatwoot_state unknown = { 0 };
		struct chatwoot_facts facts;
		struct chatwoot_verdict v;
		struct slice why;
		size_t len;

		if (!fixture_there(name))
			continue;
		text = fixture_read(name, &len);
		ROW(name, text != NULL && arena_new(64 * KIB, &arena) == 0);
		int r = chatwoot_read(slice_from(text, len), other_settings[i].policy, arena, &facts, NULL, &why);
		ROW(name, r == other_settings[i].refusal);
		if (r != 0)
			continue;
		chatwoot_decide(&facts, &unknown, other_settings[i].policy, false, &v);
		ROW(name, v.decision == other_settings[i].want);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "message events", test_messages },
		{ "updates of messages", test_updates },
		{ "conversation events", test_conversations },
		{ "the account", test_accounts },
		{ "texts that are no event", test_texts },
		{ "policies that leave things open", test_any_bot_and_any_account },
		{ "a sender of one inbox", test_one_inbox_alone },
		{ "the addons' syncs", test_syncs_are_marked },
		{ "the hash of an answer", test_form_hash },
		{ "the limit of a text", test_long_text },
		{ "a look at the shared path", test_peek },
		{ "fixtures with the other setting", test_other_settings },
	};
	unsigned skipped = 0;

	for (size_t i = 0; i < ARRAY_LEN(other_settings); i++)
		skipped += !fixture_there(other_settings[i].file);
	if (crypt_init() != 0)
		return 2;
	return unit_run("chatwoot_read", tests, ARRAY_LEN(tests), skipped);
}
