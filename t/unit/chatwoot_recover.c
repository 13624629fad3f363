#include <stdio.h>
#include <string.h>

#include "lib/chatwoot/chatwoot.h"
#include "lib/chatwoot/recover.h"

#include "t/unit/unit.h"

static struct arena *memory;

/* ---- conversations ---- */

#define TALK(more) "{\"id\":501,\"account_id\":7,\"inbox_id\":31,\"status\":\"pending\",\"last_activity_at\":1767348000," \
	"\"meta\":{\"sender\":{\"id\":3,\"name\":\"Ana\"},\"channel\":\"Channel::Whatsapp\",\"assignee\":null}" more "}"
#define PAGE(talk) "{\"data\":{\"meta\":{},\"payload\":[" talk "]}}"

static void
conversations(void)
{
	/* clang-format off */
	static const struct { const char *name, *body; int list, talk; } row[] = {
		{ "one",                         PAGE(TALK("")), 0, 0 },
		{ "none",                        PAGE(""), 0, CW_E_SCHEMA },
		{ "the time has an older name",  PAGE("{\"id\":1,\"inbox_id\":2,\"status\":\"open\",\"timestamp\":5}"), 0, 0 },
		{ "without an account",          PAGE("{\"id\":1,\"inbox_id\":2,\"last_activity_at\":5}"), 0, 0 },
		{ "of another account",          PAGE("{\"id\":1,\"account_id\":8,\"inbox_id\":2,\"last_activity_at\":5}"), 0, CW_E_ACCOUNT },
		{ "another account in a text",   PAGE("{\"id\":1,\"account_id\":\"8\",\"inbox_id\":2,\"last_activity_at\":5}"), 0, CW_E_ACCOUNT },
		{ "an account that is no number", PAGE("{\"id\":1,\"account_id\":[7],\"inbox_id\":2,\"last_activity_at\":5}"), 0, CW_E_ACCOUNT },
		{ "without an inbox",            PAGE("{\"id\":1,\"last_activity_at\":5}"), 0, CW_E_SCHEMA },
		{ "without a time",              PAGE("{\"id\":1,\"inbox_id\":2}"), 0, CW_E_SCHEMA },
		{ "at no time",                  PAGE("{\"id\":1,\"inbox_id\":2,\"last_activity_at\":-5}"), 0, CW_E_SCHEMA },
		{ "at a time nobody lives to",   PAGE("{\"id\":1,\"inbox_id\":2,\"last_activity_at\":999999999999999}"), 0, CW_E_SCHEMA },
		{ "number 0",                    PAGE("{\"id\":0,\"inbox_id\":2,\"last_activity_at\":5}"), 0, CW_E_SCHEMA },
		{ "no object",                   PAGE("7"), 0, CW_E_SCHEMA },
		{ "no list",                     "{\"data\":{\"payload\":{}}}", CW_E_SCHEMA, 0 },
		{ "no data",                     "{\"payload\":[]}", CW_E_SCHEMA, 0 },
		{ "no JSON",                     "<html>", CW_E_JSON, 0 },
		{ "nothing",                     "", CW_E_JSON, 0 },
	};
	/* clang-format on */
	struct chatwoot_list list = { .doc = NULL };
	struct chatwoot_listed_talk talk = { .id = 0 };
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		int r = chatwoot_list_conversations(slice_of(row[i].body), &list);
		ROW(row[i].name, r == row[i].list && (r != 0 || chatwoot_listed_talk(&list, 0, 7, &talk) == row[i].talk));
	}
	chatwoot_list_free(&list);
	chatwoot_listed_talk_free(&talk);
}

/* What was recovered, read as an event that came. */
static int
read_back(const struct buf *event, struct chatwoot_facts *ret)
{
	const struct chatwoot_policy policy = { .mode = CW_MODE_BOT, .account = 7 };
	struct slice why;
	arena_reset(memory);
	return chatwoot_read(buf_view(event), &policy, memory, ret, NULL, &why);
}

static void
as_events(void)
{
	static const char messages[] = "{\"meta\":{},\"payload\":["
	    "{\"id\":90,\"content\":\"Oi\",\"inbox_id\":31,\"conversation_id\":501,\"message_type\":0,\"content_type\":\"text\","
	    "\"created_at\":1767348001,\"private\":false,\"sender\":{\"id\":3,\"name\":\"Ana\",\"type\":\"contact\"}},"
	    "{\"id\":91,\"content\":\"Aqui\",\"conversation_id\":501,\"message_type\":1,\"created_at\":1767348002,"
	    "\"sender\":{\"id\":12,\"type\":\"user\"}},"
	    "{\"id\":92,\"content\":\"bot\",\"message_type\":1,\"created_at\":1767348003,\"content_attributes\":{\"ponte\":\"x\"},"
	    "\"sender\":{\"id\":12,\"type\":\"user\"}},"
	    "{\"id\":93,\"content\":\"psst\",\"message_type\":1,\"created_at\":1767348004,\"private\":true,\"sender\":{\"id\":12,\"type\":\"user\"}},"
	    "{\"id\":94,\"content\":\"do app\",\"message_type\":1,\"created_at\":1767348005,\"content_attributes\":{\"external_echo\":true}},"
	    "{\"id\":95,\"content\":\"entrou\",\"message_type\":2,\"created_at\":1767348006}]}";
	static const struct { int64_t id; bool human, customer; enum chatwoot_type type; enum chatwoot_sender sender; } want[] = {
		{ 90, false, true,  CW_TY_INCOMING, CW_SE_CONTACT }, { 91, true,  false, CW_TY_OUTGOING, CW_SE_USER },
		{ 92, false, false, CW_TY_OUTGOING, CW_SE_USER },    { 93, false, false, CW_TY_OUTGOING, CW_SE_USER },
		{ 94, true,  false, CW_TY_OUTGOING, CW_SE_NULL },    { 95, false, false, CW_TY_ACTIVITY, CW_SE_NULL },
	};
	struct chatwoot_list list = { .doc = NULL };
	struct chatwoot_listed_talk talk = { .id = 0 };
	struct chatwoot_facts f;
	CLEANUP(buf_free) struct buf event = { 0 };

	ROW("a page", chatwoot_list_conversations(slice_of(PAGE(TALK(",\"messages\":[{\"account_id\":9,\"content\":\"CANARY\"}]"))), &list) == 0
	    && chatwoot_listed_talk(&list, 0, 7, &talk) == 0 && talk.id == 501 && talk.inbox == 31
	    && talk.active_us == INT64_C(1767348000) * 1000000);
	ROW("as an event", chatwoot_recover_talk(&talk, &event) == 0 && read_back(&event, &f) == 0);
	ROW("what it says", f.event == CW_EV_CONVERSATION_UPDATED && f.account == 7 && f.conversation == 501 && f.inbox == 31
	    && f.status == CW_ST_PENDING && f.channel == CW_CH_WHATSAPP && f.contact == 3 && f.changes_null);
	ROW("nothing of another message", !memmem(event.ptr, event.len, "CANARY", 6));
	ROW("messages", chatwoot_list_messages(slice_of(messages), &list) == 0 && list.n == ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct chatwoot_listed_message m;
		char name[20];
		snprintf(name, sizeof(name), "message %lld", (long long)want[i].id);
		buf_clear(&event);
		ROW(name, chatwoot_listed_message(&list, i, 7, 501, &m) == 0 && m.id == want[i].id && m.human == want[i].human
		    && m.customer == want[i].customer && m.created_us == (INT64_C(1767348001) + (int64_t)i) * 1000000);
		ROW(name, chatwoot_recover_message(&list, i, 7, &talk, &event) == 0 && read_back(&event, &f) == 0);
		ROW(name, f.event == CW_EV_MESSAGE_CREATED && f.message == want[i].id && f.type == want[i].type && f.sender == want[i].sender
		    && f.conversation == 501 && f.account == 7 && f.inbox == 31 && f.status == CW_ST_PENDING);
	}
	buf_clear(&event);
	ROW("the time as events have it", chatwoot_recover_message(&list, 0, 7, &talk, &event) == 0
	    && memmem(event.ptr, event.len, "\"created_at\":\"2026-01-02T10:00:01.000Z\"", 39));
	chatwoot_list_free(&list);
	chatwoot_listed_talk_free(&talk);
}

static void
refused(void)
{
	/* clang-format off */
	static const struct { const char *name, *item; int want; } row[] = {
		{ "of another conversation", "{\"id\":1,\"conversation_id\":502,\"message_type\":0,\"created_at\":5}", CW_E_ACCOUNT },
		{ "of another account",      "{\"id\":1,\"account_id\":8,\"message_type\":0,\"created_at\":5}", CW_E_ACCOUNT },
		{ "of no type",              "{\"id\":1,\"created_at\":5}", CW_E_SCHEMA },
		{ "of type 4",               "{\"id\":1,\"message_type\":4,\"created_at\":5}", CW_E_SCHEMA },
		{ "of a type in a word",     "{\"id\":1,\"message_type\":\"incoming\",\"created_at\":5}", 0 },
		{ "of a word unknown",       "{\"id\":1,\"message_type\":\"song\",\"created_at\":5}", CW_E_SCHEMA },
		{ "without a number",        "{\"message_type\":0,\"created_at\":5}", CW_E_SCHEMA },
		{ "without a time",          "{\"id\":1,\"message_type\":0}", CW_E_SCHEMA },
		{ "with a time as text",     "{\"id\":1,\"message_type\":0,\"created_at\":\"2026\"}", CW_E_SCHEMA },
		{ "no object",               "[]", CW_E_SCHEMA },
	};
	/* clang-format on */
	struct chatwoot_list list = { .doc = NULL };
	struct chatwoot_listed_message m;
	char body[200];
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		snprintf(body, sizeof(body), "{\"payload\":[%s]}", row[i].item);
		ROW(row[i].name, chatwoot_list_messages(slice_of(body), &list) == 0
		    && chatwoot_listed_message(&list, 0, 7, 501, &m) == row[i].want);
	}
	ROW("beyond its end", chatwoot_listed_message(&list, 1, 7, 501, &m) == CW_E_SCHEMA);
	ROW("no list", chatwoot_list_messages(SLICE("{\"payload\":7}"), &list) == CW_E_SCHEMA);
	chatwoot_list_free(&list);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "conversations", conversations },
		{ "as events", as_events },
		{ "refused", refused },
	};
	REQUIRE(arena_new(MIB, &memory) == 0);
	int r = unit_run("chatwoot_recover", tests, ARRAY_LEN(tests), 0);
	arena_free(memory);
	return r;
}
