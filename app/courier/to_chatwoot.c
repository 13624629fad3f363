/* Chatwoot: a reply goes to the installation, account and conversation that
 * its event came from, in the agent bot's name.
 *
 * Chatwoot compares nothing: the same POST twice is two messages.  So whatever
 * may have been stored without our knowing is UNKNOWN, never tried again
 * blindly, and content_attributes.ponte names the reply for a later look. */
#include <errno.h>
#include <string.h>

#include "app/courier/destination.h"
#include "lib/clock.h"
#include "lib/json.h"

#define BUSY_WAIT_MS (60 * MS_PER_S)
/* Chatwoot answers 422 to any exception inside it, also to passing ones. */
#define UNPROCESSABLE_TRIES 3

static int
headers_make(const struct errand *e, struct arena *a, struct request *q, const char **reterr_why)
{
	int r = request_common(q, a, e);
	/* An nginx before Chatwoot drops names with underscores unless told
	 * otherwise; Rack reads both forms as the same variable. */
	if (r == 0)
		r = request_header(q, a, "api_access_token", e->token);
	if (r == 0)
		r = request_header(q, a, "api-access-token", e->token);
	if (r != -EINVAL)
		return r;
	*reterr_why = "the bot token can not be a header";
	return BUILD_E_NEVER;
}

static int
attributes_make(const struct delivery *d, struct arena *a, struct json **ret)
{
	CLEANUP(json_freep) struct json *attributes = json_new_object();
	char id[UUID_TEXT];
	uuid_text(&d->event, id);
	struct slice mark = arena_printf(a, "%s.%llu", id, (unsigned long long)d->n);
	if (!attributes || mark.len == 0)
		return -ENOMEM;
	int r = json_set_text(attributes, "ponte", mark);
	if (r)
		return r;
	*ret = attributes;
	attributes = NULL;
	return 0;
}

static int
body_make(const struct delivery *d, struct slice content, struct arena *a, struct buf *out)
{
	CLEANUP(json_freep) struct json *body = json_new_object();
	struct json *attributes;
	int r;
	if (!body)
		return -ENOMEM;
	if ((r = json_set_text(body, "content", content)) ||
	    (r = json_set_text(body, "message_type", SLICE("outgoing"))) ||
	    (r = json_set_bool(body, "private", false)) ||
	    (r = json_set_text(body, "content_type", SLICE("text"))) ||
	    (r = attributes_make(d, a, &attributes)) ||
	    (r = json_set(body, "content_attributes", attributes)))
		return r;
	return json_print(body, out);
}

static int
chatwoot_build(const struct errand *e, struct arena *a, struct request *ret, const char **reterr_why)
{
	const struct delivery *d = e->delivery;
	struct json_fault fault;
	CLEANUP(json_freep) struct json *payload = NULL;
	const struct json *content;

	*reterr_why = "a stored reply can not be read any more";
	int r = json_check(d->payload, &json_default_limits, &fault);
	if (r == 0)
		r = json_parse(d->payload, &payload);
	if (r < 0)
		return r;
	if (r > 0 || json_get(payload, "content", &content) != JSON_STRING)
		return BUILD_E_NEVER;

	struct slice url = arena_printf(a, "%.*s/api/v1/accounts/%lld/conversations/%lld/messages",
	    (int)e->url.len, e->url.ptr, (long long)d->account, (long long)d->conversation);
	if (url.len == 0)
		return -ENOMEM;
	*ret = (struct request){ .url = url };
	r = headers_make(e, a, ret, reterr_why);
	return r ? r : body_make(d, json_text(content), a, &ret->body);
}

static void
verdict(struct judgement *j, enum settle_verdict v, const char *reason)
{
	j->verdict = v;
	j->reason = reason;
}

static bool
says_too_many(struct slice body)
{
	static const char words[] = "Too many messages";
	return body.len > 0 && memmem(body.ptr, body.len, words, sizeof(words) - 1) != NULL;
}

static void
judge_unprocessable(const struct answer *w, struct judgement *j)
{
	if (says_too_many(w->body)) {
		verdict(j, SETTLE_RETRY, "too many messages in this conversation");
		j->delay_ms = BUSY_WAIT_MS;
	} else if (w->strikes + 1 < UNPROCESSABLE_TRIES) {
		verdict(j, SETTLE_RETRY, "Chatwoot could not process the reply");
		j->strike = true;
	} else {
		verdict(j, SETTLE_DEAD, "Chatwoot could not process the reply");
	}
}

static void
judge_client_error(const struct answer *w, struct judgement *j)
{
	switch (w->status) {
	case 401:
		verdict(j, SETTLE_STOP, "Chatwoot refuses the bot token");
		j->delay_ms = JUDGE_FOREVER;
		j->alarm = true;
		return;
	case 422:
		judge_unprocessable(w, j);
		return;
	case 429:
		verdict(j, SETTLE_RETRY, "Chatwoot limits our rate");
		j->delay_ms = BUSY_WAIT_MS;
		j->hold_ms = w->retry_after_ms > BUSY_WAIT_MS ? w->retry_after_ms : BUSY_WAIT_MS;
		j->trouble = true;
		return;
	}
	verdict(j, SETTLE_DEAD, w->status == 404 ? "no such conversation" : "Chatwoot refuses this reply");
}

static void
judge_error(const struct answer *w, struct judgement *j)
{
	const char *text = transfer_reason(w->error);
	j->trouble = true;
	if (w->sent) {
		verdict(j, SETTLE_UNKNOWN, text);
	} else if (w->error == CLIENT_E_REFUSED_ADDRESS || w->error == CLIENT_E_URL) {
		verdict(j, SETTLE_STOP, text);
		j->delay_ms = 5 * BUSY_WAIT_MS;
		j->alarm = true;
		j->trouble = false;
	} else {
		verdict(j, SETTLE_RETRY, text);
		j->alarm = w->error == CLIENT_E_TLS;
	}
}

static int
chatwoot_judge(const struct answer *w, struct arena *a, struct judgement *ret)
{
	static const char *const words[] = { "error", "message", NULL };
	*ret = (struct judgement){ .verdict = SETTLE_DONE, .hint_ms = w->retry_after_ms, .reason = "" };

	/* 200 means stored: an answer that is too long for us changes nothing. */
	bool whole = w->error == CLIENT_OK || (w->error == CLIENT_E_TOO_LARGE && w->status > 0);
	if (!whole && (w->status < 400 || w->status >= 500)) {
		judge_error(w, ret);
		return 0;
	}
	if (w->status >= 500) {
		verdict(ret, SETTLE_UNKNOWN, "Chatwoot failed, and may have stored the reply");
		ret->trouble = true;
		ret->hold_ms = w->status == 503 && w->retry_after_ms > 0 ? w->retry_after_ms : 0;
	} else if (w->status >= 400) {
		judge_client_error(w, ret);
	} else if (w->status >= 300) {
		verdict(ret, SETTLE_DEAD, "Chatwoot redirects, and redirects are not followed");
	}
	if (ret->verdict != SETTLE_DONE)
		ret->detail = peer_words(w->body, a, words);
	return 0;
}

const struct destination to_chatwoot = { .name = "chatwoot", .build = chatwoot_build, .judge = chatwoot_judge };
