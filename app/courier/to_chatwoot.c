/* Chatwoot: what an answer asks for goes to the installation, account and
 * conversation that its event came from, in the agent bot's name.
 *
 * Chatwoot compares nothing: the same POST twice is two messages.  So whatever
 * may have been stored without our knowing is UNKNOWN, never tried again
 * blindly, and content_attributes.ponte names the message for a later look.
 * Labels are read first and then set as a whole: setting them twice changes
 * nothing. */
#include <errno.h>
#include <string.h>

#include "app/courier/destination.h"
#include "lib/clock.h"
#include "lib/json.h"

#define BUSY_WAIT_MS (60 * MS_PER_S)
/* Chatwoot answers 422 to any exception inside it, also to passing ones. */
#define UNPROCESSABLE_TRIES 3

/* ---- building ---- */

int
chatwoot_url(const struct errand *e, struct arena *a, struct slice tail, struct slice *ret)
{
	*ret = arena_printf(a, "%.*s/api/v1/accounts/%lld/conversations/%lld%.*s", (int)e->url.len, e->url.ptr,
	    (long long)e->delivery->account, (long long)e->delivery->conversation, (int)tail.len, tail.len ? tail.ptr : "");
	return ret->len > 0 ? 0 : -ENOMEM;
}

int
chatwoot_token(struct request *q, struct arena *a, struct slice token)
{
	/* An nginx before Chatwoot drops names with underscores unless told
	 * otherwise; Rack reads both forms as the same variable. */
	int r = request_header(q, a, "api_access_token", token);
	return r == 0 ? request_header(q, a, "api-access-token", token) : r;
}

/* The attributes that the hub wanted, and our mark. */
static int
attributes_make(const struct delivery *d, const struct chatwoot_part *p, struct json **ret)
{
	CLEANUP(json_freep) struct json *attributes = NULL;
	struct json_fault fault;
	char mark[CHATWOOT_MARK_TEXT];
	int r = p->attributes.len > 0 && json_check(p->attributes, &json_default_limits, &fault) == 0
	    ? json_parse(p->attributes, &attributes) : 0;
	if (r == 0 && !attributes && !(attributes = json_new_object()))
		r = -ENOMEM;
	if (r)
		return r;
	chatwoot_mark_text(&d->event, (int64_t)d->n, mark);
	r = json_set_text(attributes, "ponte", slice_of(mark));
	if (r)
		return r;
	*ret = attributes;
	attributes = NULL;
	return 0;
}

static int
message_make(const struct delivery *d, const struct chatwoot_part *p, struct json *body)
{
	struct json *attributes;
	int r;
	if ((r = json_set_text(body, "content", p->text)) ||
	    (r = json_set_text(body, "message_type", SLICE("outgoing"))) ||
	    (r = json_set_bool(body, "private", d->kind == DELIVERY_K_NOTE)) ||
	    (r = json_set_text(body, "content_type", p->content_type.len > 0 ? p->content_type : SLICE("text"))) ||
	    (r = attributes_make(d, p, &attributes)))
		return r;
	return json_set(body, "content_attributes", attributes);
}

static int
labels_make(const struct chatwoot_part *p, struct json *body)
{
	CLEANUP(json_freep) struct json *list = json_new_array();
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < p->labels; i++) {
		int r = json_add_text(list, p->label[i]);
		if (r)
			return r;
	}
	struct json *given = list;
	list = NULL;
	return json_set(body, "labels", given);
}

/* What version 1 of the store kept of a reply. */
static int
text_alone(struct slice payload, struct arena *a, struct chatwoot_part *ret)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct json_fault fault;
	const struct json *content;
	int r = json_check(payload, &json_default_limits, &fault);
	if (r == 0)
		r = json_parse(payload, &doc);
	if (r < 0)
		return r;
	if (r > 0 || json_get(doc, "content", &content) != JSON_STRING)
		return BUILD_E_NEVER;
	*ret = (struct chatwoot_part){ .text = arena_copy(a, json_text(content)) };
	return 0;
}

static int
part_open(struct slice payload, struct arena *a, struct chatwoot_part *ret)
{
	if (payload.len > 0 && payload.ptr[0] == '{')
		return text_alone(payload, a, ret);
	return chatwoot_part_unpack(payload, ret) == 0 ? 0 : BUILD_E_NEVER;
}

static int
body_make(const struct errand *e, const struct chatwoot_part *p, struct slice *ret_tail, struct buf *out)
{
	CLEANUP(json_freep) struct json *body = json_new_object();
	int r;
	if (!body)
		return -ENOMEM;
	switch (e->delivery->kind) {
	case DELIVERY_K_HANDOFF:
		*ret_tail = SLICE("/toggle_status");
		r = json_set_text(body, "status", SLICE("open"));
		break;
	case DELIVERY_K_LABELS:
		*ret_tail = SLICE("/labels");
		r = labels_make(e->labels ? e->labels : p, body);
		break;
	default:
		*ret_tail = SLICE("/messages");
		r = message_make(e->delivery, p, body);
	}
	return r ? r : json_print(body, out);
}

static int
post_build(const struct errand *e, struct arena *a, struct request *ret, const char **reterr_why)
{
	struct chatwoot_part part;
	struct slice tail;
	*reterr_why = "a stored reply can not be read any more";
	int r = part_open(e->delivery->payload, a, &part);
	if (r)
		return r;
	*ret = (struct request){ .method = HTTP_M_POST, .once = e->delivery->kind != DELIVERY_K_LABELS };
	r = body_make(e, &part, &tail, &ret->body);
	if (r == 0)
		r = chatwoot_url(e, a, tail, &ret->url);
	if (r == 0)
		r = request_common(ret, a, e);
	if (r == 0)
		r = chatwoot_token(ret, a, e->delivery->kind == DELIVERY_K_LABELS && e->user_token.len > 0 ? e->user_token : e->token);
	if (r != -EINVAL)
		return r;
	*reterr_why = "the bot token can not be a header";
	return BUILD_E_NEVER;
}

static int
chatwoot_build(const struct errand *e, struct arena *a, struct request *ret, const char **reterr_why)
{
	return e->step == STEP_POST ? post_build(e, a, ret, reterr_why) : look_build(e, a, ret, reterr_why);
}

static enum delivery_step
chatwoot_first(const struct delivery *d, bool may_look)
{
	if (d->kind == DELIVERY_K_LABELS)
		return STEP_LABELS;
	if (d->lookup)
		return d->kind == DELIVERY_K_HANDOFF ? STEP_FIND_SHOWN : STEP_FIND;
	/* A note is welcome whoever has the conversation. */
	return may_look && d->kind != DELIVERY_K_NOTE ? STEP_SHOW : STEP_POST;
}

/* ---- judging ---- */

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
		/* Not allowed for bots until 2026: no reason to stop posting. */
		if (w->delivery->kind == DELIVERY_K_LABELS) {
			verdict(j, SETTLE_DEAD, "the token may not set labels");
			return;
		}
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

/* Labels may be set twice; a message may not be posted twice. */
static enum settle_verdict
when_unsure(const struct answer *w)
{
	return w->delivery->kind == DELIVERY_K_LABELS ? SETTLE_RETRY : SETTLE_UNKNOWN;
}

static void
judge_error(const struct answer *w, struct judgement *j)
{
	const char *text = transfer_reason(w->error);
	j->trouble = true;
	if (w->sent) {
		verdict(j, when_unsure(w), text);
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

static void
post_judge(const struct answer *w, struct arena *a, struct judgement *ret)
{
	static const char *const words[] = { "error", "message", NULL };
	*ret = (struct judgement){ .verdict = SETTLE_DONE, .hint_ms = w->retry_after_ms, .reason = "" };

	/* 200 means stored: an answer that is too long for us changes nothing. */
	bool whole = w->error == CLIENT_OK || (w->error == CLIENT_E_TOO_LARGE && w->status > 0);
	if (!whole && (w->status < 400 || w->status >= 500)) {
		judge_error(w, ret);
		return;
	}
	if (w->status >= 500) {
		verdict(ret, when_unsure(w), "Chatwoot failed, and may have stored the reply");
		ret->trouble = true;
		ret->hold_ms = w->status == 503 && w->retry_after_ms > 0 ? w->retry_after_ms : 0;
	} else if (w->status >= 400) {
		judge_client_error(w, ret);
	} else if (w->status >= 300) {
		verdict(ret, SETTLE_DEAD, "Chatwoot redirects, and redirects are not followed");
	}
	if (ret->verdict != SETTLE_DONE)
		ret->detail = peer_words(w->body, a, words);
}

static int
chatwoot_judge(const struct answer *w, struct arena *a, struct judgement *ret)
{
	if (w->step != STEP_POST)
		return look_judge(w, a, ret);
	post_judge(w, a, ret);
	return 0;
}

const struct destination to_chatwoot = {
	.name = "chatwoot", .first = chatwoot_first, .build = chatwoot_build, .judge = chatwoot_judge,
};
