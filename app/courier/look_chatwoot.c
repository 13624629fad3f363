/* What is read from Chatwoot before something is posted, or instead of it.
 * Reading posts nothing, so whatever goes wrong here is worth another try, and
 * a token that may not read is no reason not to post. */
#include <errno.h>
#include <string.h>

#include "app/courier/destination.h"
#include "lib/chatwoot/rest.h"
#include "lib/clock.h"
#include "lib/json.h"

#define BUSY_WAIT_MS (60 * MS_PER_S)
#define PAGE         100            /* messages that Chatwoot lists at once */

/* ---- building ---- */

int
look_build(const struct errand *e, struct arena *a, struct request *ret, const char **reterr_why)
{
	struct slice tail = { NULL, 0 };
	switch (e->step) {
	case STEP_LABELS:
		tail = SLICE("/labels");
		break;
	case STEP_FIND:
		tail = arena_printf(a, "/messages?after=%lld", (long long)e->after);
		if (tail.len == 0)
			return -ENOMEM;
		break;
	case STEP_SHOW:
	case STEP_FIND_SHOWN:
	case STEP_POST:
	case STEP_NONE:
		break;
	}
	*ret = (struct request){ .method = HTTP_M_GET };
	int r = chatwoot_url(e, a, tail, &ret->url);
	if (r == 0)
		r = request_common(ret, a, e);
	if (r == 0)
		r = chatwoot_token(ret, a, e->user_token.len > 0 ? e->user_token : e->token);
	if (r != -EINVAL)
		return r;
	*reterr_why = "a token of Chatwoot's can not be a header";
	return BUILD_E_NEVER;
}

/* ---- judging ---- */

static void
verdict(struct judgement *j, enum settle_verdict v, const char *reason)
{
	j->verdict = v;
	j->reason = reason;
}

/* Not now: nothing was posted, so trying again is safe.  True: judged. */
static bool
not_now(const struct answer *w, struct judgement *j)
{
	if (w->error == CLIENT_E_REFUSED_ADDRESS || w->error == CLIENT_E_URL) {
		verdict(j, SETTLE_STOP, transfer_reason(w->error));
		j->delay_ms = 5 * BUSY_WAIT_MS;
		j->alarm = true;
		return true;
	}
	/* An answer that is too long for us will not be shorter the next time. */
	bool whole = w->error == CLIENT_OK || (w->error == CLIENT_E_TOO_LARGE && w->status > 0);
	if (!whole && (w->status < 400 || w->status >= 500)) {
		verdict(j, SETTLE_RETRY, transfer_reason(w->error));
		j->trouble = true;
		j->alarm = w->error == CLIENT_E_TLS;
		return true;
	}
	if (w->status == 429 || w->status == 503) {
		int64_t least = w->status == 429 ? BUSY_WAIT_MS : 0;
		verdict(j, SETTLE_RETRY, w->status == 429 ? "Chatwoot limits our rate" : "Chatwoot is busy");
		j->delay_ms = least;
		j->hold_ms = w->retry_after_ms > least ? w->retry_after_ms : least;
		j->trouble = true;
		return true;
	}
	if (w->status == 408 || w->status >= 500) {
		verdict(j, SETTLE_RETRY, "Chatwoot failed");
		j->trouble = true;
		return true;
	}
	return false;
}

static void
judge_show(const struct answer *w, struct arena *a, struct judgement *j)
{
	const struct chatwoot_policy policy = { .account = w->delivery->account, .bot_id = w->bot_id };
	struct slice why;
	j->step = STEP_POST;
	j->unreadable = w->status == 401 || w->status == 403;
	/* What cannot be read tells nothing: then what the events told must do. */
	j->shown = w->status == 200
	    && chatwoot_read_shown(w->body, &policy, w->delivery->conversation, a, &j->facts, &why) == 0;
}

static void
judge_found_shown(const struct answer *w, struct arena *a, struct judgement *j)
{
	const struct chatwoot_policy policy = { .account = w->delivery->account, .bot_id = w->bot_id };
	struct chatwoot_facts facts;
	struct slice why;
	if (w->status != 200 || chatwoot_read_shown(w->body, &policy, w->delivery->conversation, a, &facts, &why) != 0)
		verdict(j, SETTLE_UNKNOWN, "the conversation could not be read");
	else if (facts.status != CW_ST_PENDING)
		verdict(j, SETTLE_DONE, "");
	else
		verdict(j, SETTLE_ABSENT, "the conversation is pending still");
}

static int
judge_labels(const struct answer *w, struct arena *a, struct judgement *j)
{
	struct chatwoot_part wanted;
	bool all = false;
	if (w->status == 401 || w->status == 403) {
		verdict(j, SETTLE_DEAD, "the token may not read labels, and setting them blindly would remove others");
		return 0;
	}
	int r = w->status == 200 ? chatwoot_read_labels(w->body, a, &j->labels) : CW_E_SCHEMA;
	if (r < 0)
		return r;
	if (r > 0 || chatwoot_part_unpack(w->labels, &wanted) < 0) {
		verdict(j, SETTLE_DEAD, w->status == 404 ? "no such conversation" : "the labels could not be read");
		return 0;
	}
	r = chatwoot_add_labels(&j->labels, &wanted, a, &all);
	if (r < 0)
		return r;
	if (all)
		verdict(j, SETTLE_DONE, "");
	else
		j->step = STEP_POST;
	return 0;
}

static int
judge_found(const struct answer *w, struct judgement *j)
{
	char mark[CHATWOOT_MARK_TEXT];
	struct chatwoot_listed listed = { .found = false };
	chatwoot_mark_text(&w->delivery->event, (int64_t)w->delivery->n, mark);
	int r = w->status == 200
	    ? chatwoot_find_marked(w->body, w->delivery->account, w->delivery->conversation, slice_of(mark), &listed) : CW_E_SCHEMA;
	if (r < 0)
		return r;
	if (r == CW_E_ACCOUNT) {
		verdict(j, SETTLE_UNKNOWN, "Chatwoot lists messages of another conversation or account");
		j->alarm = true;
	} else if (r > 0) {
		verdict(j, SETTLE_UNKNOWN, "the messages could not be read");
	} else if (listed.found) {
		verdict(j, SETTLE_DONE, "");
	} else if (listed.count < PAGE) {
		verdict(j, SETTLE_ABSENT, "it is not among the messages");
	} else {
		j->step = STEP_FIND;
		j->after = listed.last;
	}
	return 0;
}

int
look_judge(const struct answer *w, struct arena *a, struct judgement *ret)
{
	*ret = (struct judgement){ .verdict = SETTLE_DONE, .hint_ms = w->retry_after_ms, .reason = "" };
	if (not_now(w, ret)) {
		/* Of a post that may stand there: look again later. */
		if (w->step == STEP_FIND || w->step == STEP_FIND_SHOWN)
			ret->verdict = SETTLE_UNKNOWN;
		return 0;
	}
	switch (w->step) {
	case STEP_SHOW:
		judge_show(w, a, ret);
		return 0;
	case STEP_FIND_SHOWN:
		judge_found_shown(w, a, ret);
		return 0;
	case STEP_LABELS:
		return judge_labels(w, a, ret);
	case STEP_FIND:
		return judge_found(w, ret);
	case STEP_POST:
	case STEP_NONE:
		break;
	}
	verdict(ret, SETTLE_DEAD, "a step that there is not");
	return 0;
}
