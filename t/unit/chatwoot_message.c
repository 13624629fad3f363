#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/chatwoot/chatwoot.h"
#include "lib/crypt.h"
#include "t/unit/chatwoot_event.h"
#include "t/unit/unit.h"

static const struct chatwoot_policy policy = { .mode = CW_MODE_BOT, .account = 7, .bot_id = 4, .answer_open = true };

/* An event as the courier has it: read before, and parsed again. */
struct read_event {
	struct arena *arena;
	struct json  *doc;
	struct chatwoot_facts facts;
};

static bool
read_event(const char *body, struct read_event *ret)
{
	struct slice why = { 0 };

	*ret = (struct read_event){ 0 };
	if (arena_new(64 * KIB, &ret->arena) != 0)
		return false;
	if (chatwoot_read(slice_of(body), &policy, ret->arena, &ret->facts, &ret->doc, &why) == 0)
		return true;
	fprintf(stderr, "   " SLICE_FMT "\n", SLICE_ARG(why));
	return false;
}

static void
drop_event(struct read_event *e)
{
	json_free(e->doc);
	arena_free(e->arena);
}

/* Prints and compares; says what was there when it differs. */
static bool
prints(struct json *value, const char *want)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	if (json_print(value, &out) != 0)
		return false;
	bool same = slice_eq(buf_view(&out), slice_of(want));
	if (!same)
		fprintf(stderr, "   " SLICE_FMT "\n", SLICE_ARG(buf_view(&out)));
	return same;
}

#define AT ",\"attachments\":[],\"created_at\":\"2026-01-02T10:00:00.412Z\""
#define ENTRY(text, more) "{\"id\":90001,\"text\":\"" text "\",\"content_type\":\"text\"" AT more "}"

/* clang-format off */
static const struct {
	const char *name, *body;
	bool        late;
	const char *want;
} entries[] = {
	{ "a text", INCOMING(",\"content\":\"oi\",\"content_type\":\"text\""), false, ENTRY("oi", "") },
	{ "a late one", INCOMING(",\"content\":\"oi\""), true, ENTRY("oi", ",\"late\":true") },
	{ "a content type goes through", INCOMING(",\"content\":\"oi\",\"content_type\":\"sticker\""), false,
	  "{\"id\":90001,\"text\":\"oi\",\"content_type\":\"sticker\"" AT "}" },
	{ "U+0000 is gone, and the rest is there", INCOMING(",\"content\":\"a\\u0000b\\u0000\\u0000c\\u0000\""), false,
	  ENTRY("abc", ",\"sanitised\":true") },
	{ "content null", INCOMING(",\"content\":null"), false, ENTRY("", ",\"unsupported\":true") },
	{ "content null, and a null for an attachment", INCOMING(",\"content\":null,\"attachments\":[null]"), false,
	  ENTRY("", ",\"unsupported\":true") },
	{ "attachments without the nulls", INCOMING(",\"content\":null,\"attachments\":[null,{\"id\":1,\"file_type\":\"image\"},null]"), false,
	  "{\"id\":90001,\"text\":\"\",\"content_type\":\"text\",\"attachments\":[{\"id\":1,\"file_type\":\"image\"}],"
	  "\"created_at\":\"2026-01-02T10:00:00.412Z\"}" },
	{ "created_at as it was sent", "{\"event\":\"message_created\",\"id\":5,\"message_type\":0,\"created_at\":1767348000,\"content\":\"x\","
	  "\"conversation\":" PENDING "}", false,
	  "{\"id\":5,\"text\":\"x\",\"content_type\":\"text\",\"attachments\":[],\"created_at\":1767348000}" },
	{ "no created_at", "{\"event\":\"message_created\",\"id\":5,\"message_type\":0,\"content\":\"x\",\"conversation\":" PENDING "}", false,
	  "{\"id\":5,\"text\":\"x\",\"content_type\":\"text\",\"attachments\":[],\"created_at\":null}" },
	{ "an answer to a message", INCOMING(",\"content\":\"oi\",\"content_attributes\":{\"in_reply_to\":9007199254740993}"), false,
	  ENTRY("oi", ",\"in_reply_to\":9007199254740993") },
	{ "an answer to nothing", INCOMING(",\"content\":\"oi\",\"content_attributes\":{\"in_reply_to\":null}"), false, ENTRY("oi", "") },
	{ "a mail: what is new in it", INCOMING(",\"content\":\"novo\\n> velho\",\"content_attributes\":{\"email\":{\"text_content\":"
	  "{\"full\":\"f\",\"reply\":\"r\",\"quoted\":\"novo\"}}}"), false, ENTRY("novo", "") },
	{ "a mail without text of its own", INCOMING(",\"content\":\"todo\",\"content_attributes\":{\"email\":{\"text_content\":"
	  "{\"quoted\":\"\"}}}"), false, ENTRY("todo", "") },
	{ "a mail with null for text", INCOMING(",\"content\":\"todo\",\"content_attributes\":{\"email\":{\"text_content\":null}}"), false,
	  ENTRY("todo", "") },
	{ "a mail whose content is null has its text", INCOMING(",\"content\":null,\"content_attributes\":{\"email\":{\"text_content\":"
	  "{\"quoted\":\"novo\"}}}"), false, ENTRY("novo", "") },
	{ "a choice: its title", UPDATED("1", OUR_BOT, ",\"content\":\"Em que posso ajudar?\",\"content_attributes\":{\"submitted_values\":"
	  "[{\"title\":\"Falar\",\"value\":\"human\"}]}"), false, ENTRY("Falar: human", ",\"form_answer\":true") },
	{ "a form: a line each", UPDATED("1", OUR_BOT, ",\"content\":\"q\",\"content_attributes\":{\"submitted_values\":"
	  "[{\"name\":\"email\",\"value\":\"a@b.example\"},{\"name\":\"nif\",\"value\":null},{\"name\":\"n\",\"value\":1.50},{\"value\":true},"
	  "\"x\",{\"name\":\"z\",\"value\":[1,\"a\"]}]}"), false,
	  ENTRY("email: a@b.example\\nnif: \\nn: 1.50\\ntrue\\nx\\nz: [1,\\\"a\\\"]", ",\"form_answer\":true") },
	{ "a form answer with U+0000", UPDATED("1", OUR_BOT, ",\"content_attributes\":{\"submitted_values\":[{\"name\":\"a\\u0000\",\"value\":\"b\\u0000\"}]}"),
	  false, ENTRY("a: b", ",\"sanitised\":true,\"form_answer\":true") },
	{ "an e-mail address", UPDATED("3", "null", ",\"content\":\"q\",\"content_attributes\":{\"submitted_email\":\"a@b.example\"}"), false,
	  ENTRY("a@b.example", ",\"form_answer\":true") },
	{ "transcriptions, a line each", UPDATED("0", CONTACT, ",\"content\":null,\"attachments\":[{\"file_type\":\"audio\",\"transcribed_text\":"
	  "\"bom\"},{\"file_type\":\"audio\"},{\"file_type\":\"audio\",\"transcribed_text\":\"dia\"}]"), false,
	  "{\"id\":90001,\"text\":\"bom\\ndia\",\"content_type\":\"text\",\"attachments\":[{\"file_type\":\"audio\",\"transcribed_text\":\"bom\"},"
	  "{\"file_type\":\"audio\"},{\"file_type\":\"audio\",\"transcribed_text\":\"dia\"}],\"created_at\":\"2026-01-02T10:00:00.412Z\","
	  "\"transcript\":true}" },
};

static const struct {
	const char *name, *body, *want;
} contacts[] = {
	{ "the sender", MESSAGE("message_created", "0", "{\"id\":9,\"name\":\"Ana\",\"email\":\"a@b.example\",\"phone_number\":\"+1\","
	  "\"identifier\":\"crm-1\",\"custom_attributes\":{}}", "", PENDING),
	  "{\"id\":9,\"name\":\"Ana\",\"email\":\"a@b.example\",\"phone_number\":\"+1\",\"identifier\":\"crm-1\"}" },
	{ "a sender that is no contact: the conversation's", UPDATED("1", OUR_BOT, ""),
	  "{\"id\":2001,\"name\":\"Rita\",\"email\":null,\"phone_number\":null,\"identifier\":null}" },
	{ "no sender", UPDATED("1", "null", ""),
	  "{\"id\":2001,\"name\":\"Rita\",\"email\":null,\"phone_number\":null,\"identifier\":null}" },
	{ "a conversation's own", STATE("conversation_created", "\"open\"", "null", ""),
	  "{\"id\":2001,\"name\":\"Rita\",\"email\":null,\"phone_number\":null,\"identifier\":null}" },
	{ "the contact inbox", "{\"event\":\"conversation_created\",\"id\":5,\"status\":\"open\",\"contact_inbox\":{\"contact_id\":8}}",
	  "{\"id\":8,\"name\":null,\"email\":null,\"phone_number\":null,\"identifier\":null}" },
	{ "nobody", "{\"event\":\"conversation_created\",\"id\":5,\"status\":\"open\"}",
	  "{\"id\":null,\"name\":null,\"email\":null,\"phone_number\":null,\"identifier\":null}" },
	{ "what should be text and is not", MESSAGE("message_created", "0", "{\"id\":9,\"name\":{},\"email\":[],\"phone_number\":1}", "", PENDING),
	  "{\"id\":9,\"name\":null,\"email\":null,\"phone_number\":null,\"identifier\":null}" },
};

static const struct {
	const char *name, *body, *want;
} channels[] = {
	{ "the web widget", "{\"conversation\":{\"channel\":\"Channel::WebWidget\"}}", "web" },
	{ "Twilio", "{\"conversation\":{\"channel\":\"Channel::TwilioSms\"}}", "sms" },
	{ "SMS", "{\"conversation\":{\"channel\":\"Channel::Sms\"}}", "sms" },
	{ "WhatsApp", "{\"conversation\":{\"channel\":\"Channel::Whatsapp\"}}", "whatsapp" },
	{ "Facebook", "{\"channel\":\"Channel::FacebookPage\"}", "facebookpage" },
	{ "an API inbox", "{\"channel\":\"Channel::Api\"}", "api" },
	{ "none", "{}", "" },
	{ "an inbox's settings", "{\"channel\":{\"id\":1}}", "" },
	{ "no channel of Chatwoot's", "{\"channel\":\"Whatsapp\"}", "" },
	{ "a prefix alone", "{\"channel\":\"Channel::\"}", "" },
	{ "the longest name", "{\"channel\":\"Channel::A123456789012345678901234567890123456789012345678901234567890123\"}",
	  "a123456789012345678901234567890123456789012345678901234567890123" },
	{ "a name that is too long", "{\"channel\":\"Channel::01234567890123456789012345678901234567890123456789012345678901234\"}", "" },
};

static const struct {
	const char *name, *body, *want;
} raws[] = {
	{ "nothing to hide", "{\"a\":[1,2.50,null,true,\"x\"],\"b\":{}}", "{\"a\":[1,2.50,null,true,\"x\"],\"b\":{}}" },
	{ "in the contact inbox", "{\"conversation\":{\"contact_inbox\":{\"id\":1,\"pubsub_token\":\"T\"}}}",
	  "{\"conversation\":{\"contact_inbox\":{\"id\":1}}}" },
	{ "at the top", "{\"pubsub_token\":\"T\",\"id\":1}", "{\"id\":1}" },
	{ "in a list in a list", "{\"a\":[[{\"pubsub_token\":\"T\"}],{\"b\":{\"pubsub_token\":{\"x\":1}}}]}", "{\"a\":[[{}],{\"b\":{}}]}" },
	{ "a value of that name stays", "{\"a\":\"pubsub_token\"}", "{\"a\":\"pubsub_token\"}" },
	{ "another key stays", "{\"pubsub_tokens\":1,\"Pubsub_token\":2}", "{\"pubsub_tokens\":1,\"Pubsub_token\":2}" },
};
/* clang-format on */

static void
test_entries(void)
{
	for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
		CLEANUP(json_freep) struct json *entry = NULL;
		struct read_event e;

		ROW(entries[i].name, read_event(entries[i].body, &e));
		ROW(entries[i].name, chatwoot_entry(e.doc, &e.facts, (struct chatwoot_entry_marks){ .late = entries[i].late }, &entry) == 0);
		ROW(entries[i].name, prints(entry, entries[i].want));
		drop_event(&e);
	}
}

static void
test_cut(void)
{
	static char body[400000];
	static const struct { const char *name; size_t length, want; bool truncated; } rows[] = {
		{ "the longest text", 100000, 100000, false },
		{ "one character more", 100001, 100000, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(json_freep) struct json *entry = NULL;
		const struct json *text = NULL, *mark;
		struct read_event e;
		size_t n = (size_t)snprintf(body, sizeof(body),
		    "{\"event\":\"message_created\",\"id\":1,\"message_type\":0,\"conversation\":%s,\"content\":\"", PENDING);

		for (size_t c = 0; c < rows[i].length; c++, n += 3)
			memcpy(body + n, "\342\202\254", 3);
		snprintf(body + n, sizeof(body) - n, "\"}");
		ROW(rows[i].name, read_event(body, &e));
		ROW(rows[i].name, chatwoot_entry(e.doc, &e.facts, (struct chatwoot_entry_marks){ .late = false }, &entry) == 0);
		ROW(rows[i].name, json_get(entry, "text", &text) == JSON_STRING);
		ROW(rows[i].name, json_text(text).len == 3 * rows[i].want);
		ROW(rows[i].name, (json_get(entry, "truncated", &mark) == JSON_BOOL) == rows[i].truncated);
		drop_event(&e);
	}
}

static void
test_contacts(void)
{
	for (size_t i = 0; i < ARRAY_LEN(contacts); i++) {
		CLEANUP(json_freep) struct json *doc = NULL, *contact = NULL;

		ROW(contacts[i].name, json_parse(slice_of(contacts[i].body), &doc) == 0);
		ROW(contacts[i].name, chatwoot_contact(doc, &contact) == 0);
		ROW(contacts[i].name, prints(contact, contacts[i].want));
	}
}

static void
test_channels(void)
{
	for (size_t i = 0; i < ARRAY_LEN(channels); i++) {
		CLEANUP(json_freep) struct json *doc = NULL;
		CLEANUP(arena_freep) struct arena *arena = NULL;

		ROW(channels[i].name, arena_new(4 * KIB, &arena) == 0);
		ROW(channels[i].name, json_parse(slice_of(channels[i].body), &doc) == 0);
		ROW(channels[i].name, slice_eq(chatwoot_channel_name(doc, arena), slice_of(channels[i].want)));
	}
}

static void
test_raws(void)
{
	for (size_t i = 0; i < ARRAY_LEN(raws); i++) {
		CLEANUP(json_freep) struct json *doc = NULL, *raw = NULL;

		ROW(raws[i].name, json_parse(slice_of(raws[i].body), &doc) == 0);
		ROW(raws[i].name, chatwoot_raw(doc, &raw) == 0);
		ROW(raws[i].name, prints(raw, raws[i].want));
		ROW("the original is as it was", prints(doc, raws[i].body));
	}
}

/* Every field goes over, each flag by itself. */
static void
test_pack(void)
{
	static const struct chatwoot_policy policies[] = {
		{ .mode = CW_MODE_ACCOUNT, .tell_closed = true },
		{ .mode = CW_MODE_INBOX, .account = INT64_MAX, .bot_id = 4, .answer_open = true, .tell_takeover = true },
		{ .mode = CW_MODE_BOT, .account = 7, .bot_id = INT64_MAX, .transcripts = true, .tell_contact = true },
	};
	struct chatwoot_facts rows[] = {
		{ .event = CW_EV_OTHER, .event_name = SLICE("x") },
		{ .event = CW_EV_RESOLVED, .account = 1, .inbox = 2, .conversation = 3, .message = INT64_MAX, .contact = 5,
		  .status = CW_ST_OTHER, .owner = CW_OWN_HUMAN, .owner_id = 6, .updated_us = 7, .type = CW_TY_ACTIVITY,
		  .sender = CW_SE_OTHER, .event_name = SLICE("conversation_resolved"), .form_hash = "0123456789abcdef",
		  .delivery_hash = "fedcba9876543210" },
		{ .noise = true }, { .changes_null = true }, { .private_note = true }, { .blocked = true },
		{ .auto_reply = true }, { .external_error = true }, { .has_text = true }, { .content_null = true },
		{ .has_attachments = true }, { .truncated = true }, { .sanitised = true }, { .ours = true },
		{ .external_echo = true }, { .automation = true }, { .form_answer = true }, { .transcript = true },
		{ .recovered = true }, { .can_reply = true }, { .cannot_reply = true }, { .channel = CW_CH_TWITTER },
		{ .ours = true, .echo = { { 1, 2, 3 } }, .echo_n = 7 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct chatwoot_policy *p = &policies[i % ARRAY_LEN(policies)];
		CLEANUP(buf_free) struct buf out = { 0 };
		struct chatwoot_facts f, *want = &rows[i];
		struct chatwoot_policy q;
		struct wire_writer w;
		char name[32];

		snprintf(name, sizeof(name), "facts %zu", i);
		wire_bare(&w, &out);
		chatwoot_pack(want, p, &w);
		ROW(name, wire_bare_end(&w) == 0);
		ROW(name, chatwoot_unpack(buf_view(&out), &f, &q) == 0);
		ROW(name, f.event == want->event && f.account == want->account && f.inbox == want->inbox);
		ROW(name, f.conversation == want->conversation && f.message == want->message && f.contact == want->contact);
		ROW(name, f.status == want->status && f.owner == want->owner && f.owner_id == want->owner_id);
		ROW(name, f.updated_us == want->updated_us && f.type == want->type && f.sender == want->sender);
		ROW(name, f.noise == want->noise && f.changes_null == want->changes_null && f.blocked == want->blocked);
		ROW(name, f.private_note == want->private_note && f.auto_reply == want->auto_reply);
		ROW(name, f.external_error == want->external_error && f.has_text == want->has_text);
		ROW(name, f.content_null == want->content_null && f.has_attachments == want->has_attachments);
		ROW(name, f.truncated == want->truncated && f.sanitised == want->sanitised && f.ours == want->ours);
		ROW(name, f.external_echo == want->external_echo && f.automation == want->automation);
		ROW(name, f.form_answer == want->form_answer && f.transcript == want->transcript);
		ROW(name, slice_eq(f.event_name, want->event_name) && strcmp(f.form_hash, want->form_hash) == 0);
		ROW(name, strcmp(f.delivery_hash, want->delivery_hash) == 0);
		ROW(name, q.mode == p->mode && q.account == p->account && q.bot_id == p->bot_id);
		ROW(name, q.answer_open == p->answer_open && q.transcripts == p->transcripts);
		ROW(name, q.tell_closed == p->tell_closed && q.tell_takeover == p->tell_takeover && q.tell_contact == p->tell_contact);
		ROW(name, f.recovered == want->recovered && f.can_reply == want->can_reply && f.cannot_reply == want->cannot_reply);
		ROW(name, f.channel == want->channel && f.echo_n == want->echo_n && memcmp(&f.echo, &want->echo, sizeof(f.echo)) == 0);

		for (size_t cut = 1; cut < 6 && i == 1; cut++)
			ROW("a cut record is no record",
			    chatwoot_unpack(slice_from(out.ptr, buf_view(&out).len - cut), &f, &q) == -EPROTO);
	}
	struct chatwoot_facts f;
	struct chatwoot_policy q;
	ROW("nothing is no record", chatwoot_unpack(SLICE(""), &f, &q) == -EPROTO);
}

/* A number that no enum has must not get in: a later ponte may have written it. */
static void
test_unpack_range(void)
{
	struct chatwoot_facts f = { .event = CW_EV_RESOLVED };
	struct chatwoot_policy p = { .mode = CW_MODE_BOT }, q;
	static const struct { const char *name; size_t field; } rows[] = {
		{ "an event", offsetof(struct chatwoot_facts, event) },
		{ "a status", offsetof(struct chatwoot_facts, status) },
		{ "an owner", offsetof(struct chatwoot_facts, owner) },
		{ "a type", offsetof(struct chatwoot_facts, type) },
		{ "a sender", offsetof(struct chatwoot_facts, sender) },
		{ "a channel", offsetof(struct chatwoot_facts, channel) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_free) struct buf out = { 0 };
		struct chatwoot_facts wrong = f, got;
		struct wire_writer w;
		int value = 99;

		memcpy((char *)&wrong + rows[i].field, &value, sizeof(value));
		wire_bare(&w, &out);
		chatwoot_pack(&wrong, &p, &w);
		ROW(rows[i].name, wire_bare_end(&w) == 0);
		ROW(rows[i].name, chatwoot_unpack(buf_view(&out), &got, &q) == -EPROTO);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "the hub's element", test_entries },
		{ "a text that is cut", test_cut },
		{ "the contact", test_contacts },
		{ "the channel", test_channels },
		{ "the raw event", test_raws },
		{ "facts between the roles", test_pack },
		{ "numbers out of range", test_unpack_range },
	};

	if (crypt_init() != 0)
		return 2;
	return unit_run("chatwoot_message", tests, ARRAY_LEN(tests), 0);
}
