#include <string.h>

#include "app/courier/destination.h"
#include "lib/json.h"

#include "t/unit/unit.h"

static const struct tenant shop = { .name = { "shop", 4 } };

static struct delivery
a_reply(const char *payload)
{
	struct delivery d = {
		.key = 9, .dest = DEST_CHATWOOT, .kind = DELIVERY_K_REPLY, .n = 1, .request_id = SLICE("req-1"),
		.tenant = SLICE("shop"), .installation = SLICE("main"), .account = 7, .conversation = 501,
		.attempt = 1, .payload = slice_of(payload),
	};
	memset(d.event.byte, 0xab, sizeof(d.event.byte));
	return d;
}

static bool
has_header(const struct request *q, const char *line)
{
	for (size_t i = 0; i < q->headers; i++)
		if (slice_eq(q->header[i], slice_of(line)))
			return true;
	return false;
}

static void
request(void)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct delivery d = a_reply("{\"content\":\"Ol\\u00e1 \\\"Ana\\\"\"}");   /* as version 1 kept it */
	struct errand e = { .delivery = &d, .tenant = &shop, .step = STEP_POST, .url = SLICE("https://chat.example.com/base"),
		.token = SLICE("tok"), .span = { 1, 2, 3, 4, 5, 6, 7, 8 } };
	struct request q = { .headers = 0 };
	const char *why = "";
	CU_ASSERT_FATAL(arena_new(1 * MIB, &a) == 0);
	CU_ASSERT_FATAL(to_chatwoot.build(&e, a, &q, &why) == 0);
	ROW("the event's own account and conversation", slice_eq(q.url,
	    SLICE("https://chat.example.com/base/api/v1/accounts/7/conversations/501/messages")));
	ROW("the token, with underscores", has_header(&q, "api_access_token: tok"));
	ROW("and with hyphens", has_header(&q, "api-access-token: tok"));
	ROW("JSON", has_header(&q, "Content-Type: application/json"));
	ROW("the request's id", has_header(&q, "X-Request-ID: req-1"));
	ROW("the trace is the event", has_header(&q, "traceparent: 00-abababababababababababababababab-0102030405060708-01"));
	ROW("the body", slice_eq(buf_view(&q.body), SLICE("{\"content\":\"Olá \\\"Ana\\\"\",\"message_type\":\"outgoing\","
	    "\"private\":false,\"content_type\":\"text\",\"content_attributes\":"
	    "{\"ponte\":\"abababab-abab-abab-abab-abababababab.1\"}}")));
	buf_free(&q.body);

	d.request_id = SLICE("a\r\nX-Evil: 1");
	CU_ASSERT_FATAL(to_chatwoot.build(&e, a, &q, &why) == 0);
	ROW("an id that is no header value is left out", q.headers == 5);
	buf_free(&q.body);
	e.token = SLICE("tok\nX-Evil: 1");
	ROW("a token that is no header value is not sent", to_chatwoot.build(&e, a, &q, &why) == BUILD_E_NEVER);
	buf_free(&q.body);
	e.token = SLICE("tok");
	d.payload = SLICE("{\"content\":7}");
	ROW("a reply without text is not sent", to_chatwoot.build(&e, a, &q, &why) == BUILD_E_NEVER);
	d.payload = SLICE("{\"content\":");
	ROW("nor one that is cut", to_chatwoot.build(&e, a, &q, &why) == BUILD_E_NEVER);
}

#define OK CLIENT_OK
#define TOO_MANY "{\"error\":\"Too many messages\"}"

static void
verdicts(void)
{
	/* clang-format off */
	static const struct {
		const char *name;
		enum client_error error;
		bool sent;
		unsigned status;
		const char *body;
		int64_t retry_after_ms;
		unsigned nth;           /* answer that is held against it, this one with it */
		enum settle_verdict verdict;
		int64_t delay_ms, hold_ms;
		bool trouble, alarm;
	} row[] = {
		{ "200 is posted",                     OK, true, 200, "{}", -1, 1,   SETTLE_DONE,    0, 0, false, false },
		{ "201 is posted",                     OK, true, 201, "{}", -1, 1,   SETTLE_DONE,    0, 0, false, false },
		{ "posted, whatever the answer says",  OK, true, 200, "<p>", -1, 1,  SETTLE_DONE,    0, 0, false, false },
		{ "posted, however long the answer",   CLIENT_E_TOO_LARGE, true, 200, "", -1, 1, SETTLE_DONE, 0, 0, false, false },
		{ "nobody listens",                    CLIENT_E_CONNECT, false, 0, "", -1, 1,         SETTLE_RETRY, 0, 0, true, false },
		{ "no such name",                      CLIENT_E_RESOLVE, false, 0, "", -1, 1,         SETTLE_RETRY, 0, 0, true, false },
		{ "connecting took too long",          CLIENT_E_TIMEOUT_CONNECT, false, 0, "", -1, 1, SETTLE_RETRY, 0, 0, true, false },
		{ "a bad certificate alarms",          CLIENT_E_TLS, false, 0, "", -1, 1,             SETTLE_RETRY, 0, 0, true, true },
		{ "a private address stops",           CLIENT_E_REFUSED_ADDRESS, false, 0, "", -1, 1, SETTLE_STOP, 300000, 0, false, true },
		{ "no answer after sending",           CLIENT_E_TIMEOUT_FIRST, true, 0, "", -1, 1,    SETTLE_UNKNOWN, 0, 0, true, false },
		{ "cut after sending",                 CLIENT_E_CUT, true, 0, "", -1, 1,              SETTLE_UNKNOWN, 0, 0, true, false },
		{ "cut within a good answer",          CLIENT_E_CUT, true, 200, "{\"id", -1, 1,       SETTLE_UNKNOWN, 0, 0, true, false },
		{ "cut before sending",                CLIENT_E_CUT, false, 0, "", -1, 1,             SETTLE_RETRY, 0, 0, true, false },
		{ "too slow an answer",                CLIENT_E_SLOW, true, 200, "{", -1, 1,          SETTLE_UNKNOWN, 0, 0, true, false },
		{ "cut within a refusal",              CLIENT_E_CUT, true, 404, "{\"err", -1, 1,      SETTLE_DEAD, 0, 0, false, false },
		{ "500 may have stored it",            OK, true, 500, "", -1, 1,    SETTLE_UNKNOWN, 0, 0, true, false },
		{ "502 may have stored it",            OK, true, 502, "", -1, 1,    SETTLE_UNKNOWN, 0, 0, true, false },
		{ "503 too, and what it asks for is kept", OK, true, 503, "", 7000, 1, SETTLE_UNKNOWN, 0, 7000, true, false },
		{ "504 may have stored it",            OK, true, 504, "", -1, 1,    SETTLE_UNKNOWN, 0, 0, true, false },
		{ "408 was not read to its end",       OK, true, 408, "", -1, 1,    SETTLE_DEAD,    0, 0, false, false },
		{ "401 stops until something changes", OK, true, 401, "", -1, 1,    SETTLE_STOP, JUDGE_FOREVER, 0, false, true },
		{ "402 is final",                      OK, true, 402, "", -1, 1,    SETTLE_DEAD, 0, 0, false, false },
		{ "403 is final",                      OK, true, 403, "", -1, 1,    SETTLE_DEAD, 0, 0, false, false },
		{ "404 is final",                      OK, true, 404, "", -1, 1,    SETTLE_DEAD, 0, 0, false, false },
		{ "400 is final",                      OK, true, 400, "", -1, 1,    SETTLE_DEAD, 0, 0, false, false },
		{ "a redirect is final",               OK, true, 302, "", -1, 1,    SETTLE_DEAD, 0, 0, false, false },
		{ "422 is tried again",                OK, true, 422, "{\"error\":\"x\"}", -1, 2, SETTLE_RETRY, 0, 0, false, false },
		{ "the third 422 is final",            OK, true, 422, "{\"error\":\"x\"}", -1, 3, SETTLE_DEAD, 0, 0, false, false },
		{ "too many messages: a minute",       OK, true, 422, TOO_MANY, -1, 1, SETTLE_RETRY, 60000, 0, false, false },
		{ "however often",                     OK, true, 422, TOO_MANY, -1, 9, SETTLE_RETRY, 60000, 0, false, false },
		{ "429: a minute, for all of them",    OK, true, 429, "Retry later", -1, 1, SETTLE_RETRY, 60000, 60000, true, false },
		{ "429 that asks for longer",          OK, true, 429, "", 90000, 1, SETTLE_RETRY, 60000, 90000, true, false },
		{ "429 that asks for less",            OK, true, 429, "", 1000, 1,  SETTLE_RETRY, 60000, 60000, true, false },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(arena_freep) struct arena *a = NULL;
		struct judgement j;
		CU_ASSERT_FATAL(arena_new(1 * MIB, &a) == 0);
		struct delivery d = a_reply("");
		struct answer w = { .delivery = &d, .step = STEP_POST, .error = row[i].error, .sent = row[i].sent, .status = row[i].status,
			.body = slice_of(row[i].body), .retry_after_ms = row[i].retry_after_ms, .strikes = row[i].nth - 1 };
		CU_ASSERT_FATAL(to_chatwoot.judge(&w, a, &j) == 0);
		ROW(row[i].name, j.verdict == row[i].verdict);
		ROW(row[i].name, j.delay_ms == row[i].delay_ms);
		ROW(row[i].name, j.hold_ms == row[i].hold_ms);
		ROW(row[i].name, j.trouble == row[i].trouble && j.alarm == row[i].alarm);
		ROW(row[i].name, j.hint_ms == row[i].retry_after_ms);
		ROW(row[i].name, (j.verdict == SETTLE_DONE) == (j.reason[0] == 0));
		ROW(row[i].name, j.parts == 0 && j.step == STEP_NONE);
		ROW(row[i].name, j.strike == (row[i].verdict == SETTLE_RETRY && row[i].status == 422 && row[i].delay_ms == 0));
	}
}

static void
details(void)
{
	static const struct { const char *name, *body, *want; } row[] = {
		{ "the error's words are kept", "{\"error\":\"Resource could not be found\"}", "Resource could not be found" },
		{ "or the message's", "{\"message\":\"Content is too long\",\"attributes\":[]}", "Content is too long" },
		{ "plain text is not", "Not Found", "" },
		{ "nor something that is no text", "{\"error\":[1]}", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(arena_freep) struct arena *a = NULL;
		struct judgement j;
		CU_ASSERT_FATAL(arena_new(1 * MIB, &a) == 0);
		struct delivery d = a_reply("");
		struct answer w = { .delivery = &d, .step = STEP_POST, .sent = true, .status = 404, .body = slice_of(row[i].body),
			.retry_after_ms = -1 };
		CU_ASSERT_FATAL(to_chatwoot.judge(&w, a, &j) == 0);
		ROW(row[i].name, slice_eq(j.detail, slice_of(row[i].want)));
	}
}

/* What each kind of delivery posts, and where. */
static void
kinds(void)
{
	static const char base[] = "https://chat.example.com/api/v1/accounts/7/conversations/501";
	static const char attributes[] = "{\"items\":[{\"title\":\"A\",\"value\":\"a\"}],\"ponte\":\"forged\"}";
	/* clang-format off */
	static const struct { const char *name; struct chatwoot_part part; const char *tail, *body; bool once; } row[] = {
		{ "a note is private", { .kind = DELIVERY_K_NOTE, .text = { "psst", 4 } }, "/messages",
		  "{\"content\":\"psst\",\"message_type\":\"outgoing\",\"private\":true,\"content_type\":\"text\","
		  "\"content_attributes\":{\"ponte\":\"abababab-abab-abab-abab-abababababab.1\"}}", true },
		{ "a question keeps its attributes, and our mark wins", { .kind = DELIVERY_K_REPLY, .text = { "Which?", 6 },
		  .content_type = { "input_select", 12 }, .attributes = { attributes, sizeof(attributes) - 1 } }, "/messages",
		  "{\"content\":\"Which?\",\"message_type\":\"outgoing\",\"private\":false,\"content_type\":\"input_select\","
		  "\"content_attributes\":{\"items\":[{\"title\":\"A\",\"value\":\"a\"}],\"ponte\":\"abababab-abab-abab-abab-abababababab.1\"}}", true },
		{ "a handoff opens", { .kind = DELIVERY_K_HANDOFF }, "/toggle_status", "{\"status\":\"open\"}", true },
		{ "labels, as they are to be", { .kind = DELIVERY_K_LABELS, .label = { { "vip", 3 } }, .labels = 1 }, "/labels",
		  "{\"labels\":[\"vip\"]}", false },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(arena_freep) struct arena *a = NULL;
		CLEANUP(buf_free) struct buf payload = { 0 };
		struct delivery d = a_reply("");
		struct errand e = { .delivery = &d, .tenant = &shop, .step = STEP_POST, .url = SLICE("https://chat.example.com"), .token = SLICE("tok") };
		struct request q = { .headers = 0 };
		const char *why = "";
		char url[200];
		CU_ASSERT_FATAL(arena_new(1 * MIB, &a) == 0 && chatwoot_part_pack(&row[i].part, &payload) == 0);
		d.kind = row[i].part.kind;
		d.payload = buf_view(&payload);
		ROW(row[i].name, to_chatwoot.build(&e, a, &q, &why) == 0);
		snprintf(url, sizeof(url), "%s%s", base, row[i].tail);
		ROW(row[i].name, slice_eq(q.url, slice_of(url)) && q.method == HTTP_M_POST && q.once == row[i].once);
		ROW(row[i].name, slice_eq(buf_view(&q.body), slice_of(row[i].body)));
		buf_free(&q.body);
	}
}

static void
steps(void)
{
	struct delivery d = a_reply("");
	ROW("a reply looks first", to_chatwoot.first(&d, true) == STEP_SHOW);
	ROW("unless it may not", to_chatwoot.first(&d, false) == STEP_POST);
	d.kind = DELIVERY_K_NOTE;
	ROW("a note need not", to_chatwoot.first(&d, true) == STEP_POST);
	d.kind = DELIVERY_K_LABELS;
	ROW("labels are read first, always", to_chatwoot.first(&d, false) == STEP_LABELS);
	d.kind = DELIVERY_K_REPLY;
	d.lookup = true;
	ROW("what may have been posted is looked for", to_chatwoot.first(&d, true) == STEP_FIND);
	d.kind = DELIVERY_K_HANDOFF;
	ROW("a handoff by the status", to_chatwoot.first(&d, true) == STEP_FIND_SHOWN);
}

#define SHOWN(more) "{\"id\":501,\"account_id\":7,\"inbox_id\":31,\"status\":\"pending\",\"can_reply\":true," \
	"\"meta\":{\"sender\":{\"id\":3},\"channel\":\"Channel::Whatsapp\"" more "}}"
#define LISTED(id, ponte) "{\"id\":" id ",\"conversation_id\":501,\"content_attributes\":{\"ponte\":\"" ponte "\"}}"
#define MARK "abababab-abab-abab-abab-abababababab.1"

/* What is read, and what comes of it. */
static void
looks(void)
{
	/* clang-format off */
	static const struct {
		const char *name;
		enum delivery_step step;
		enum client_error error;
		unsigned status;
		const char *body;
		enum settle_verdict verdict;
		enum delivery_step next;
		bool shown, unreadable, trouble;
	} row[] = {
		{ "a conversation",                     STEP_SHOW, OK, 200, SHOWN(""), SETTLE_DONE, STEP_POST, true, false, false },
		{ "another conversation tells nothing", STEP_SHOW, OK, 200, "{\"id\":502,\"account_id\":7,\"status\":\"resolved\"}", SETTLE_DONE, STEP_POST, false, false, false },
		{ "nor does one of another account",    STEP_SHOW, OK, 200, "{\"id\":501,\"account_id\":8,\"status\":\"resolved\"}", SETTLE_DONE, STEP_POST, false, false, false },
		{ "nonsense tells nothing",             STEP_SHOW, OK, 200, "<p>", SETTLE_DONE, STEP_POST, false, false, false },
		{ "a token that may not look",          STEP_SHOW, OK, 401, "", SETTLE_DONE, STEP_POST, false, true, false },
		{ "more than we read tells nothing",    STEP_SHOW, CLIENT_E_TOO_LARGE, 200, "{\"id\":501,\"acc", SETTLE_DONE, STEP_POST, false, false, false },
		{ "404: the post will tell",            STEP_SHOW, OK, 404, "", SETTLE_DONE, STEP_POST, false, false, false },
		{ "500: nothing was posted, so again",  STEP_SHOW, OK, 500, "", SETTLE_RETRY, STEP_NONE, false, false, true },
		{ "429: later",                         STEP_SHOW, OK, 429, "", SETTLE_RETRY, STEP_NONE, false, false, true },
		{ "a timeout: nothing was posted",      STEP_SHOW, CLIENT_E_TIMEOUT_FIRST, 0, "", SETTLE_RETRY, STEP_NONE, false, false, true },
		{ "found: it was posted",               STEP_FIND, OK, 200, "{\"payload\":[" LISTED("8", "x") "," LISTED("9", MARK) "]}", SETTLE_DONE, STEP_NONE, false, false, false },
		{ "not found: it was not",              STEP_FIND, OK, 200, "{\"payload\":[" LISTED("8", "x") "]}", SETTLE_ABSENT, STEP_NONE, false, false, false },
		{ "messages of another conversation",   STEP_FIND, OK, 200, "{\"payload\":[{\"id\":9,\"conversation_id\":7}]}", SETTLE_UNKNOWN, STEP_NONE, false, false, false },
		{ "messages of another account",        STEP_FIND, OK, 200, "{\"payload\":[{\"id\":9,\"conversation_id\":501,\"account_id\":8}]}", SETTLE_UNKNOWN, STEP_NONE, false, false, false },
		{ "a list that is none",                STEP_FIND, OK, 200, "{\"payload\":{}}", SETTLE_UNKNOWN, STEP_NONE, false, false, false },
		{ "more than we read: unknown still",   STEP_FIND, CLIENT_E_TOO_LARGE, 200, "{\"payload\":[", SETTLE_UNKNOWN, STEP_NONE, false, false, false },
		{ "may not list: unknown still",        STEP_FIND, OK, 401, "", SETTLE_UNKNOWN, STEP_NONE, false, false, false },
		{ "no answer: unknown still",           STEP_FIND, CLIENT_E_CONNECT, 0, "", SETTLE_UNKNOWN, STEP_NONE, false, false, true },
		{ "open by now: handed off",            STEP_FIND_SHOWN, OK, 200, "{\"id\":501,\"account_id\":7,\"status\":\"open\"}", SETTLE_DONE, STEP_NONE, false, false, false },
		{ "pending still: it was not",          STEP_FIND_SHOWN, OK, 200, SHOWN(""), SETTLE_ABSENT, STEP_NONE, false, false, false },
		{ "labels beside others",               STEP_LABELS, OK, 200, "{\"payload\":[\"old\"]}", SETTLE_DONE, STEP_POST, false, false, false },
		{ "labels that are there",              STEP_LABELS, OK, 200, "{\"payload\":[\"old\",\"vip\"]}", SETTLE_DONE, STEP_NONE, false, false, false },
		{ "more labels than we read",           STEP_LABELS, CLIENT_E_TOO_LARGE, 200, "{\"payload\":[", SETTLE_DEAD, STEP_NONE, false, false, false },
		{ "may not read labels",                STEP_LABELS, OK, 401, "", SETTLE_DEAD, STEP_NONE, false, false, false },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(arena_freep) struct arena *a = NULL;
		CLEANUP(buf_free) struct buf labels = { 0 };
		struct delivery d = a_reply("");
		struct judgement j;
		const struct chatwoot_part vip = { .label = { SLICE("vip") }, .labels = 1 };
		CU_ASSERT_FATAL(arena_new(1 * MIB, &a) == 0 && chatwoot_part_pack(&vip, &labels) == 0);
		struct answer w = { .delivery = &d, .step = row[i].step, .error = row[i].error, .sent = true, .status = row[i].status,
			.body = slice_of(row[i].body), .retry_after_ms = -1, .labels = buf_view(&labels), .bot_id = 4 };
		CU_ASSERT_FATAL(to_chatwoot.judge(&w, a, &j) == 0);
		ROW(row[i].name, j.verdict == row[i].verdict && j.step == row[i].next);
		ROW(row[i].name, j.shown == row[i].shown && j.unreadable == row[i].unreadable && j.trouble == row[i].trouble);
		ROW(row[i].name, row[i].step != STEP_LABELS || row[i].next != STEP_POST || (j.labels.labels == 2
		    && slice_eq(j.labels.label[0], SLICE("old")) && slice_eq(j.labels.label[1], SLICE("vip"))));
		ROW(row[i].name, !j.shown || (j.facts.status == CW_ST_PENDING && j.facts.can_reply && j.facts.channel == CW_CH_WHATSAPP));
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "the request", request },
		{ "verdicts", verdicts },
		{ "details", details },
		{ "kinds", kinds },
		{ "steps", steps },
		{ "looks", looks },
	};
	return unit_run("to_chatwoot", tests, ARRAY_LEN(tests), 0);
}
