#include <string.h>

#include "app/courier/destination.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/json.h"

#include "t/unit/unit.h"

#define EVENT(id, content, more) \
	"{\"event\":\"message_created\",\"id\":" id ",\"content\":" content ",\"message_type\":\"incoming\"," \
	"\"content_type\":\"text\",\"private\":false,\"created_at\":\"2026-01-02T10:00:05.000Z\"," \
	"\"account\":{\"id\":7,\"name\":\"Shop\"},\"inbox\":{\"id\":31,\"name\":\"Site\"}," \
	"\"sender\":{\"id\":311,\"name\":\"Rita\",\"email\":null,\"phone_number\":null,\"identifier\":null,\"type\":\"contact\"}," \
	"\"conversation\":{\"id\":501,\"inbox_id\":31,\"status\":\"pending\",\"channel\":\"Channel::WebWidget\"," \
	"\"contact_inbox\":{\"contact_id\":311,\"pubsub_token\":\"SECRET\"}}" more "}"

static struct tenant_account accounts[] = { { 7, { 0, 0 } }, { 8, { "loja", 4 } } };
static struct tenant_inbox inboxes[] = { { 31, 7, { 0, 0 }, { 0, 0 } }, { 32, 7, { "kiosk", 5 }, { 0, 0 } } };
static struct tenant_installation installation = { .id = { "main", 4 }, .account = accounts, .accounts = 2,
	.inbox = inboxes, .inboxes = 2 };
static const struct tenant shop = { .name = { "shop", 4 }, .domain = { "retail", 6 },
	.installation = &installation, .installations = 1 };

/* What the worker kept beside the event. */
static struct slice
facts_of(struct slice body, struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct chatwoot_policy policy = { .mode = CW_MODE_BOT };
	struct chatwoot_facts facts;
	struct wire_writer w;
	struct slice why;
	CU_ASSERT_FATAL(arena_new(1 * MIB, &a) == 0);
	CU_ASSERT_FATAL(chatwoot_read(body, &policy, a, &facts, NULL, &why) == 0);
	wire_bare(&w, out);
	chatwoot_pack(&facts, &policy, &w);
	CU_ASSERT_FATAL(wire_bare_end(&w) == 0);
	return buf_view(out);
}

static struct delivery
a_batch(struct delivery_member *member, size_t n)
{
	struct delivery d = {
		.key = 9, .dest = DEST_HUB, .kind = DELIVERY_K_HUB, .request_id = SLICE("req-1"), .tenant = SLICE("shop"),
		.installation = SLICE("main"), .account = 7, .inbox = 31, .conversation = 501, .attempt = 1,
		.member = member, .members = n,
	};
	memset(d.event.byte, 0xab, sizeof(d.event.byte));
	return d;
}

static struct errand
an_errand(const struct delivery *d)
{
	return (struct errand){ .delivery = d, .tenant = &shop, .url = SLICE("http://hub.example/in"),
		.span = { 1, 2, 3, 4, 5, 6, 7, 8 }, .now_us = INT64_C(1767348005000000) };
}

static bool
has_header(const struct request *q, const char *line)
{
	for (size_t i = 0; i < q->headers; i++)
		if (slice_eq(q->header[i], slice_of(line)))
			return true;
	return false;
}

static struct json *
parsed(const struct request *q)
{
	struct json_fault fault;
	struct json *doc = NULL;
	CU_ASSERT_FATAL(json_check(buf_view(&q->body), &json_default_limits, &fault) == 0);
	CU_ASSERT_FATAL(json_parse(buf_view(&q->body), &doc) == 0);
	return doc;
}

/* The value at a dotted path, printed; "absent" when there is none. */
static bool
reads(const struct json *doc, const char *path, const char *want)
{
	const struct json *value;
	CLEANUP(buf_free) struct buf text = { 0 };
	if (json_path(doc, path, &value) == JSON_ABSENT)
		return strcmp(want, "absent") == 0;
	return json_print(value, &text) == 0 && slice_eq(buf_view(&text), slice_of(want));
}

static void
request(void)
{
	static const char first[] = EVENT("9017", "\"Oi\"", ""), second[] = EVENT("9018", "\"Tudo bem?\"", "");
	static const char order[] = "event_id tenant domain crew account_id inbox_id conversation_id channel contact messages message raw ";
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_free) struct buf f1 = { 0 }, f2 = { 0 };
	CU_ASSERT_FATAL(arena_new(4 * MIB, &a) == 0);
	struct delivery_member m[] = {
		{ .message = 9017, .replayed = true, .facts = facts_of(slice_of(first), &f1), .body = slice_of(first) },
		{ .message = 9018, .late = true, .facts = facts_of(slice_of(second), &f2), .body = slice_of(second) },
	};
	struct delivery d = a_batch(m, 2);
	struct errand e = an_errand(&d);
	struct request q;
	const char *why = "";
	e.token = SLICE("tok");
	CU_ASSERT_FATAL(to_hub.build(&e, a, &q, &why) == 0);

	ROW("the hub's own URL", slice_eq(q.url, SLICE("http://hub.example/in")));
	ROW("the key is the event", has_header(&q, "Idempotency-Key: abababab-abab-abab-abab-abababababab"));
	ROW("the token", has_header(&q, "Authorization: Bearer tok"));
	ROW("the request's id", has_header(&q, "X-Request-ID: req-1"));
	ROW("the trace is the event", has_header(&q, "traceparent: 00-abababababababababababababababab-0102030405060708-01"));
	ROW("JSON both ways", has_header(&q, "Content-Type: application/json") && has_header(&q, "Accept: application/json"));

	CLEANUP(json_freep) struct json *doc = parsed(&q);
	CLEANUP(buf_free) struct buf keys = { 0 };
	for (struct json_iter it = { 0 }; json_next(doc, &it);)
		CU_ASSERT_FATAL(buf_printf(&keys, "%s ", it.key) == 0);
	ROW("the members in the documented order", slice_eq(buf_view(&keys), slice_of(order)));

	/* clang-format off */
	static const struct { const char *name, *path, *want; } row[] = {
		{ "event",                         "event_id", "\"abababab-abab-abab-abab-abababababab\"" },
		{ "tenant",                        "tenant", "\"shop\"" },
		{ "the tenant's domain",           "domain", "\"retail\"" },
		{ "no crew",                       "crew", "null" },
		{ "account",                       "account_id", "7" },
		{ "inbox",                         "inbox_id", "31" },
		{ "conversation",                  "conversation_id", "501" },
		{ "the channel's short name",      "channel", "\"web\"" },
		{ "contact",                       "contact.id", "311" },
		{ "contact's name",                "contact.name", "\"Rita\"" },
		{ "the last message for old hubs", "message.id", "9018" },
		{ "its text",                      "message.content", "\"Tudo bem?\"" },
		{ "the sender's id as text",       "message.sender_id", "\"311\"" },
		{ "the sender's type",             "message.sender_type", "\"customer\"" },
		{ "its time",                      "message.timestamp", "\"2026-01-02T10:00:05.000Z\"" },
		{ "the conversation as text",      "message.conversation_id", "\"501\"" },
		{ "its channel",                   "message.channel_type", "\"web\"" },
		{ "the account's name",            "message.internal_account_id", "\"shop\"" },
		{ "the event itself",              "raw.id", "9018" },
		{ "and again for old hubs",        "message.raw_data.id", "9018" },
		{ "without the visitor's token",   "raw.conversation.contact_inbox.pubsub_token", "absent" },
		{ "in neither place",              "message.raw_data.conversation.contact_inbox.pubsub_token", "absent" },
		{ "but with the rest",             "raw.conversation.contact_inbox.contact_id", "311" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, reads(doc, row[i].path, row[i].want));

	const struct json *messages, *one;
	(void)json_get(doc, "messages", &messages);
	ROW("all messages", json_length(messages) == 2);
	(void)json_at(messages, 0, &one);
	ROW("oldest first", reads(one, "text", "\"Oi\"") && reads(one, "late", "absent"));
	ROW("what the operator sent again is marked", reads(one, "replayed", "true"));
	(void)json_at(messages, 1, &one);
	ROW("late is marked", reads(one, "id", "9018") && reads(one, "late", "true"));
	ROW("no token anywhere", memmem(q.body.ptr, q.body.len, "SECRET", 6) == NULL);
	buf_free(&q.body);
}

static void
variants(void)
{
	static const char plain[] = EVENT("9017", "\"Oi\"", "");
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_free) struct buf facts = { 0 };
	CU_ASSERT_FATAL(arena_new(4 * MIB, &a) == 0);
	struct delivery_member m[] = { { .message = 9017, .facts = facts_of(slice_of(plain), &facts), .body = slice_of(plain) } };
	struct delivery d = a_batch(m, 1);
	struct errand e = an_errand(&d);
	struct request q;
	const char *why = "";

	d.account = 8;
	d.inbox = 32;
	CU_ASSERT_FATAL(to_hub.build(&e, a, &q, &why) == 0);
	CLEANUP(json_freep) struct json *doc = parsed(&q);
	ROW("an account's own domain wins", reads(doc, "domain", "\"loja\""));
	ROW("an inbox of another account gives no channel", reads(doc, "channel", "\"web\""));
	ROW("without a token nothing is said", q.headers == 5);
	buf_free(&q.body);

	d.account = 7;
	d.installation = SLICE("gone");
	CU_ASSERT_FATAL(to_hub.build(&e, a, &q, &why) == 0);
	CLEANUP(json_freep) struct json *other = parsed(&q);
	ROW("an installation that went leaves the tenant's domain", reads(other, "domain", "\"retail\""));
	buf_free(&q.body);

	d.installation = SLICE("main");
	CU_ASSERT_FATAL(to_hub.build(&e, a, &q, &why) == 0);
	CLEANUP(json_freep) struct json *own = parsed(&q);
	ROW("an inbox's own channel wins, in both places",
	    reads(own, "channel", "\"kiosk\"") && reads(own, "message.channel_type", "\"kiosk\""));
	buf_free(&q.body);

	m[0].body = SLICE("{\"event\":");
	ROW("an event that can not be read any more", to_hub.build(&e, a, &q, &why) == BUILD_E_NEVER && why[0]);
	buf_free(&q.body);
	m[0].body = slice_of(plain);
	e.token = SLICE("a\r\nb: c");
	ROW("a token that is no header value is not sent", to_hub.build(&e, a, &q, &why) == BUILD_E_NEVER);
	buf_free(&q.body);
}

#define OK CLIENT_OK
#define HTML "<html>502</html>"

static void
verdicts(void)
{
	/* clang-format off */
	static const struct {
		const char *name;
		enum client_error error;
		unsigned status;
		const char *body;
		int64_t retry_after_ms;
		unsigned nth;           /* answer that is held against it, this one with it */
		enum settle_verdict verdict;
		bool trouble, alarm;
		int64_t hold_ms;
		const char *reply;
	} row[] = {
		{ "the original's first form",        OK, 200, "{\"response\":{\"content\":\"Oi\"}}", -1, 1, SETTLE_DONE, 0, 0, 0, "Oi" },
		{ "the original's second form",       OK, 200, "{\"content\":\"Oi\",\"routing\":{}}", -1, 1, SETTLE_DONE, 0, 0, 0, "Oi" },
		{ "the first form wins",              OK, 200, "{\"content\":\"no\",\"response\":{\"content\":\"yes\"}}", -1, 1, SETTLE_DONE, 0, 0, 0, "yes" },
		{ "a response without content",       OK, 200, "{\"content\":\"top\",\"response\":{}}", -1, 1, SETTLE_DONE, 0, 0, 0, "top" },
		{ "a response that is null",          OK, 200, "{\"content\":\"top\",\"response\":null}", -1, 1, SETTLE_DONE, 0, 0, 0, "top" },
		{ "another 2xx is an answer",         OK, 201, "{\"content\":\"Oi\"}", -1, 1,  SETTLE_DONE, 0, 0, 0, "Oi" },
		{ "escapes are kept",                 OK, 200, "{\"content\":\"a\\\"b\\n\"}", -1, 1, SETTLE_DONE, 0, 0, 0, "a\"b" },
		{ "U+0000 is left out",               OK, 200, "{\"content\":\"a\\u0000b\\u0000\"}", -1, 1, SETTLE_DONE, 0, 0, 0, "ab" },
		{ "204: nothing to say",              OK, 204, "", -1, 1,                     SETTLE_DONE, 0, 0, 0, "" },
		{ "an empty 200: nothing to say",     OK, 200, "", -1, 1,                     SETTLE_DONE, 0, 0, 0, "" },
		{ "blanks: nothing to say",           OK, 200, " \n", -1, 1,                  SETTLE_DONE, 0, 0, 0, "" },
		{ "no known key: nothing to say",     OK, 200, "{\"ok\":true}", -1, 1,        SETTLE_DONE, 0, 0, 0, "" },
		{ "empty content: nothing to say",    OK, 200, "{\"content\":\"\"}", -1, 1,   SETTLE_DONE, 0, 0, 0, "" },
		{ "blank content: nothing to say",    OK, 200, "{\"content\":\" \\n\"}", -1, 1, SETTLE_DONE, 0, 0, 0, "" },
		{ "null content: nothing to say",     OK, 200, "{\"content\":null}", -1, 1,   SETTLE_DONE, 0, 0, 0, "" },
		{ "an unsupported key that is null",  OK, 200, "{\"content\":\"x\",\"note\":null}", -1, 1, SETTLE_DONE, 0, 0, 0, "x" },
		{ "content that is no text",          OK, 200, "{\"content\":7}", -1, 1,      SETTLE_DEAD, 0, 0, 0, "" },
		{ "response that is no object",       OK, 200, "{\"response\":\"Oi\"}", -1, 1, SETTLE_DEAD, 0, 0, 0, "" },
		{ "202: the answer comes later",      OK, 202, "", -1, 1,                     SETTLE_WAIT, 0, 0, 0, "" },
		{ "whatever it says",                 OK, 202, "{\"content\":\"x\"}", -1, 1,  SETTLE_WAIT, 0, 0, 0, "" },
		{ "messages win over content",        OK, 200, "{\"messages\":[{\"text\":\"y\"}],\"content\":\"x\"}", -1, 1, SETTLE_DONE, 0, 0, 0, "y" },
		{ "another conversation's answer",    OK, 200, "{\"content\":\"x\",\"conversation_id\":9}", -1, 1, SETTLE_DEAD, 0, 0, 0, "" },
		{ "status error is final",            OK, 200, "{\"status\":\"error\",\"content\":\"x\"}", -1, 1, SETTLE_DEAD, 0, 0, 0, "" },
		{ "another status is not",            OK, 200, "{\"status\":\"ok\",\"content\":\"x\"}", -1, 1, SETTLE_DONE, 0, 0, 0, "x" },
		{ "not JSON is tried again",          OK, 200, HTML, -1, 1,                   SETTLE_RETRY, 0, 0, 0, "" },
		{ "and again",                        OK, 200, HTML, -1, 2,                   SETTLE_RETRY, 0, 0, 0, "" },
		{ "the third time it is final",       OK, 200, HTML, -1, 3,                   SETTLE_DEAD, 0, 0, 0, "" },
		{ "a repeated key is not JSON to us", OK, 200, "{\"content\":\"a\",\"content\":\"b\"}", -1, 1, SETTLE_RETRY, 0, 0, 0, "" },
		{ "a list is no answer",              OK, 200, "[]", -1, 1,                   SETTLE_DEAD, 0, 0, 0, "" },
		{ "nor is null",                      OK, 200, "null", -1, 1,                 SETTLE_DEAD, 0, 0, 0, "" },
		{ "a redirect is final",              OK, 302, "", -1, 1,                     SETTLE_DEAD, 0, 0, 0, "" },
		{ "400 is final",                     OK, 400, "", -1, 1,                     SETTLE_DEAD, 0, 0, 0, "" },
		{ "404 is final",                     OK, 404, "", -1, 1,                     SETTLE_DEAD, 0, 0, 0, "" },
		{ "401 waits and alarms",             OK, 401, "", -1, 1,                     SETTLE_STOP, 0, 1, 0, "" },
		{ "403 waits and alarms",             OK, 403, "", -1, 1,                     SETTLE_STOP, 0, 1, 0, "" },
		{ "408 is tried again",               OK, 408, "", -1, 1,                     SETTLE_RETRY, 0, 0, 0, "" },
		{ "425 is tried again",               OK, 425, "", -1, 1,                     SETTLE_RETRY, 0, 0, 0, "" },
		{ "429 is trouble",                   OK, 429, "", -1, 1,                     SETTLE_RETRY, 1, 0, 0, "" },
		{ "429 with a time holds the rest",   OK, 429, "", 9000, 1,                   SETTLE_RETRY, 1, 0, 9000, "" },
		{ "503 likewise",                     OK, 503, "", 9000, 9,                   SETTLE_RETRY, 1, 0, 9000, "" },
		{ "500 is trouble and holds nothing", OK, 500, "", 9000, 1,                   SETTLE_RETRY, 1, 0, 0, "" },
		{ "502 in front of a dead hub",       OK, 502, HTML, -1, 9,                   SETTLE_RETRY, 1, 0, 0, "" },
		{ "nobody listens",                   CLIENT_E_CONNECT, 0, "", -1, 9,         SETTLE_RETRY, 1, 0, 0, "" },
		{ "no such name",                     CLIENT_E_RESOLVE, 0, "", -1, 9,         SETTLE_RETRY, 1, 0, 0, "" },
		{ "a bad certificate alarms",         CLIENT_E_TLS, 0, "", -1, 9,             SETTLE_RETRY, 1, 1, 0, "" },
		{ "no first byte in time",            CLIENT_E_TIMEOUT_FIRST, 0, "", -1, 9,   SETTLE_RETRY, 1, 0, 0, "" },
		{ "an answer that never ends",        CLIENT_E_TIMEOUT_TOTAL, 200, "{", -1, 9, SETTLE_RETRY, 1, 0, 0, "" },
		{ "a byte a second",                  CLIENT_E_SLOW, 200, "{", -1, 9,         SETTLE_RETRY, 1, 0, 0, "" },
		{ "half an answer",                   CLIENT_E_CUT, 200, "{\"content\":\"a", -1, 9, SETTLE_RETRY, 1, 0, 0, "" },
		{ "half a failure is a failure",      CLIENT_E_CUT, 500, "oops", -1, 9,       SETTLE_RETRY, 1, 0, 0, "" },
		{ "an endless answer",                CLIENT_E_TOO_LARGE, 200, "{", -1, 1,    SETTLE_DEAD, 0, 0, 0, "" },
		{ "a private address stops",          CLIENT_E_REFUSED_ADDRESS, 0, "", -1, 1, SETTLE_STOP, 0, 1, 0, "" },
		{ "a URL that is none stops",         CLIENT_E_URL, 0, "", -1, 1,             SETTLE_STOP, 0, 1, 0, "" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(arena_freep) struct arena *a = NULL;
		struct judgement j;
		CU_ASSERT_FATAL(arena_new(8 * MIB, &a) == 0);
		struct delivery d = a_batch(NULL, 0);
		struct answer w = { .delivery = &d, .step = STEP_POST, .error = row[i].error, .sent = true, .status = row[i].status,
			.body = slice_of(row[i].body), .retry_after_ms = row[i].retry_after_ms, .strikes = row[i].nth - 1 };
		CU_ASSERT_FATAL(to_hub.judge(&w, a, &j) == 0);
		ROW(row[i].name, j.verdict == row[i].verdict);
		ROW(row[i].name, j.trouble == row[i].trouble && j.alarm == row[i].alarm);
		ROW(row[i].name, j.hold_ms == row[i].hold_ms);
		ROW(row[i].name, j.parts == (row[i].reply[0] != 0));
		ROW(row[i].name, j.parts == 0 || (j.part[0].kind == DELIVERY_K_REPLY && slice_eq(j.part[0].text, slice_of(row[i].reply))));
		ROW(row[i].name, (j.verdict == SETTLE_STOP) == (j.delay_ms == 300000));
		ROW(row[i].name, (j.verdict == SETTLE_DONE || j.verdict == SETTLE_WAIT) == (j.reason[0] == 0));
		ROW(row[i].name, !j.cut);
		ROW(row[i].name, j.strike == (row[i].verdict == SETTLE_RETRY && row[i].status == 200 && row[i].error == OK));
	}
}

static void
error_words(void)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct judgement j;
	char long_text[600] = "{\"status\":\"error\",\"error\":\"";
	size_t len = strlen(long_text);
	CU_ASSERT_FATAL(arena_new(1 * MIB, &a) == 0);
	memset(long_text + len, 'x', 300);
	memcpy(long_text + len + 300, "\"}", 3);
	struct delivery d = a_batch(NULL, 0);
	struct answer w = { .delivery = &d, .step = STEP_POST, .sent = true, .status = 200, .body = slice_of(long_text), .retry_after_ms = -1 };
	CU_ASSERT_FATAL(to_hub.judge(&w, a, &j) == 0);
	ROW("the hub's words are kept, cut at 200", j.detail.len == 200);
	ROW("and stay out of what may be logged", strchr(j.reason, 'x') == NULL);
}

static void
notices(void)
{
	static const char body[] = "{\"event\":\"contact_updated\",\"id\":311,\"name\":\"Rita\",\"email\":\"r@example.com\","
	    "\"account\":{\"id\":7,\"name\":\"Shop\"}}";
	static const char closed[] = "{\"event\":\"conversation_resolved\",\"id\":501,\"status\":\"resolved\",\"inbox_id\":31,"
	    "\"account\":{\"id\":7},\"meta\":{\"sender\":{\"id\":311,\"name\":\"Rita\"}}}";
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_free) struct buf f1 = { 0 }, f2 = { 0 };
	CU_ASSERT_FATAL(arena_new(4 * MIB, &a) == 0);
	struct delivery_member m = { .facts = facts_of(slice_of(body), &f1), .body = slice_of(body) };
	struct delivery d = a_batch(&m, 1);
	struct errand e = an_errand(&d);
	struct request q;
	const char *why = "";
	d.kind = DELIVERY_K_NOTICE;
	d.notice = CW_N_CONTACT;
	d.conversation = d.inbox = 0;
	CU_ASSERT_FATAL(to_hub.build(&e, a, &q, &why) == 0);
	CLEANUP(json_freep) struct json *doc = parsed(&q);
	ROW("it says what it is", reads(doc, "event", "\"contact.updated\""));
	ROW("of no conversation", reads(doc, "conversation_id", "null"));
	ROW("the contact as it is now", reads(doc, "contact.id", "311") && reads(doc, "contact.email", "\"r@example.com\""));
	ROW("no question in it", reads(doc, "messages", "absent") && reads(doc, "message", "absent"));
	buf_free(&q.body);

	m = (struct delivery_member){ .facts = facts_of(slice_of(closed), &f2), .body = slice_of(closed) };
	d.notice = CW_N_CLOSED;
	d.conversation = 501;
	CU_ASSERT_FATAL(to_hub.build(&e, a, &q, &why) == 0);
	CLEANUP(json_freep) struct json *end = parsed(&q);
	ROW("a conversation that was closed", reads(end, "event", "\"conversation.closed\"") && reads(end, "conversation_id", "501"));
	ROW("with whom", reads(end, "contact.id", "311"));
	buf_free(&q.body);

	struct judgement j;
	struct answer w = { .delivery = &d, .step = STEP_POST, .sent = true, .status = 200, .body = SLICE("{\"content\":\"hi\"}"), .retry_after_ms = -1 };
	CU_ASSERT_FATAL(to_hub.judge(&w, a, &j) == 0);
	ROW("what is said to a notice is posted nowhere", j.verdict == SETTLE_DONE && j.parts == 0);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "the request", request },
		{ "variants of it", variants },
		{ "verdicts", verdicts },
		{ "the hub's words", error_words },
		{ "notices", notices },
	};
	return unit_run("to_hub", tests, ARRAY_LEN(tests), 0);
}
