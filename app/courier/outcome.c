#include <errno.h>
#include <string.h>

#include "app/courier/claims.h"
#include "app/courier/courier.h"
#include "app/courier/deliver.h"
#include "app/courier/outcome.h"
#include "app/courier/typing.h"
#include "lib/backoff.h"
#include "lib/crashpoint.h"
#include "lib/crypt.h"
#include "lib/log.h"

#define OUR_TROUBLE_MS   1000

static const char *
dest_name(enum delivery_dest dest)
{
	return dest == DEST_HUB ? to_hub.name : to_chatwoot.name;
}

static void
log_attempt(const struct job *j, enum log_level level, const char *verdict, struct slice reason,
    const struct client_result *res, int64_t next_ms)
{
	const struct delivery *d = &j->delivery;
	log_event(level, "delivery", LOG_JOB(j), LOG_STR("kind", delivery_kind_text(d->kind)),
	    LOG_STR("dest", dest_name(d->dest)), LOG_INT("attempt", d->attempt),
	    LOG_STR("verdict", verdict), LOG_INT("status", res ? res->status : 0),
	    LOG_INT("ms", res ? res->elapsed_ms : 0), LOG_INT("next_ms", next_ms), LOG_TEXT("reason", reason),
	    LOG_STR("class", res && res->error ? client_error_text(res->error) : ""),
	    LOG_STR("why", res && res->error ? res->why : ""));
}

static void
log_breaker(const struct job *j, const struct dest *d, enum breaker_change change, int64_t now_ms)
{
	const char *to = dest_name(j->delivery.dest);
	switch (change) {
	case BREAKER_SAME:
		return;
	case BREAKER_OPENED:
		log_event(LOG_WARN, "breaker-open", LOG_TEXT("tenant", d->tenant), LOG_STR("dest", to),
		    LOG_INT("wait_ms", breaker_wait_ms(&d->breaker, now_ms)));
		return;
	case BREAKER_CLOSED_AGAIN:
		log_event(LOG_NOTICE, "breaker-closed", LOG_TEXT("tenant", d->tenant), LOG_STR("dest", to));
		return;
	}
}

static void
log_window(const struct job *j, struct dest *d, unsigned ceiling)
{
	const char *to = dest_name(j->delivery.dest);
	unsigned width = window_width(&d->window, ceiling);
	switch (window_news(&d->window, ceiling)) {
	case WINDOW_NO_NEWS:
		return;
	case WINDOW_NARROW:
		log_event(LOG_NOTICE, "concurrency-down", LOG_TEXT("tenant", d->tenant), LOG_STR("dest", to),
		    LOG_INT("window", width), LOG_INT("limit", ceiling));
		return;
	case WINDOW_WIDE_AGAIN:
		log_event(LOG_NOTICE, "concurrency-restored", LOG_TEXT("tenant", d->tenant), LOG_STR("dest", to),
		    LOG_INT("window", width), LOG_INT("limit", ceiling));
		return;
	}
}

void
outcome_leave(struct courier *c, struct job *j, enum breaker_signal signal, int64_t now_ms)
{
	struct dest *d = j->dest;
	if (!d)
		return;
	log_breaker(j, d, job_leave(c, j, signal, now_ms), now_ms);
	log_window(j, d, c->dests.per_dest);
	claims_soon(c, now_ms);
}

void
outcome_settle(struct courier *c, struct job *j, const struct settlement *s)
{
	CRASH_POINT("courier-before-settle");
	j->settlement = *s;
	j->settlement.delivery = j->delivery.key;
	j->state = JOB_SETTLE;
	job_drop_record(c, j);
	job_drop_request(c, j);
	job_wipe_headers(j);
	j->question = keeper_ask_settle(c, &j->settlement);
}

/* Others that wait for the same destination go back: it is stopped. */
static void
release_waiting(struct courier *c, const struct dest *d, int64_t now_ms)
{
	for (size_t i = 0; i < c->jobs.n; i++) {
		struct job *other = c->jobs.item[i];
		if (other->state == JOB_READY && other->dest == d)
			deliver_release(c, other, OUR_TROUBLE_MS, now_ms);
	}
}

static int64_t
delay_of(const struct courier *c, const struct job *j, const struct judgement *g)
{
	if (g->verdict == SETTLE_STOP)
		return g->delay_ms;
	if (g->verdict == SETTLE_WAIT)
		return c->config.hub.reply_deadline;
	if (g->verdict != SETTLE_RETRY)
		return -1;
	int64_t own = backoff_delay_ms(j->delivery.attempt, crypt_random32());
	own = own > g->delay_ms ? own : g->delay_ms;
	return backoff_with_hint_ms(own, g->hint_ms, c->config.delivery.retry_after_cap);
}

static const char *
count_and_name(struct courier *c, enum settle_verdict v, enum log_level *ret_level)
{
	struct scoreboard_slot *slot = &c->board->courier;
	*ret_level = LOG_WARN;
	switch (v) {
	case SETTLE_DONE:
		scoreboard_count(slot, delivered);
		*ret_level = LOG_INFO;
		return "done";
	case SETTLE_RETRY:
		scoreboard_count(slot, retried);
		*ret_level = LOG_NOTICE;
		return "retry";
	case SETTLE_STOP:
		return "stop";
	case SETTLE_DEAD:
		scoreboard_count(slot, dead);
		return "dead";
	case SETTLE_UNKNOWN:
		scoreboard_count(slot, unknown);
		return "unknown";
	case SETTLE_SUPPRESSED:
		scoreboard_count(slot, suppressed);
		return "suppressed";
	case SETTLE_RELEASE:
		*ret_level = LOG_INFO;
		return "release";
	case SETTLE_WAIT:
		*ret_level = LOG_INFO;
		return "wait";
	case SETTLE_ABSENT:
		*ret_level = LOG_NOTICE;
		return "absent";
	}
	return "?";
}

static enum breaker_signal
signal_of(const struct judgement *g, const struct client_result *res)
{
	if (g->trouble)
		return BREAKER_BAD;
	return res && res->status > 0 ? BREAKER_GOOD : BREAKER_NOTHING;
}

/* Our reason, and behind it what the peer or curl said: for the operator. */
static struct slice
reason_text(struct job *j, const struct judgement *g, const struct client_result *res)
{
	struct slice more = res && res->error ? slice_of(res->why) : g->detail;
	if (more.len == 0 || slice_eq(more, slice_of(g->reason)))
		return slice_of(g->reason);
	return arena_printf(j->kept, "%s: %.*s", g->reason, (int)more.len, more.ptr);
}

/* res NULL: nothing was sent. */
void
outcome_judged(struct courier *c, struct job *j, const struct judgement *g, const struct client_result *res, int64_t now_ms)
{
	struct dest *d = j->dest;
	enum breaker_signal signal = signal_of(g, res);
	int64_t cap = c->config.delivery.retry_after_cap;
	int64_t delay = delay_of(c, j, g);
	enum log_level level;
	const char *verdict = count_and_name(c, g->verdict, &level);

	log_attempt(j, level, verdict, slice_of(g->reason), res, delay);
	if (g->cut)
		log_event(LOG_WARN, "reply-cut", LOG_JOB(j), LOG_INT("parts", CHATWOOT_PARTS_MAX));
	if (g->alarm && dest_alarm(d, g->reason, where_mark(&c->where, d->tenant)))
		log_event(LOG_ALARM, "destination-alarm", LOG_TEXT("tenant", d->tenant),
		    LOG_STR("dest", dest_name(d->kind)), LOG_STR("reason", g->reason));
	if (!g->alarm && signal == BREAKER_GOOD)
		dest_well(d);
	if (g->hold_ms > 0)
		dest_hold(d, backoff_with_hint_ms(g->delay_ms, g->hold_ms, cap), now_ms);

	typing_after(c, j, g);
	if (g->strike)
		strikes_add(&c->strikes, j->delivery.key);
	else if (g->verdict != SETTLE_RETRY && g->verdict != SETTLE_STOP)
		strikes_forget(&c->strikes, j->delivery.key);

	outcome_leave(c, j, signal, now_ms);
	outcome_settle(c, j, &(struct settlement){
		.verdict = g->verdict,
		.delay_ms = delay,
		.status = res ? res->status : 0,
		.reason = reason_text(j, g, res),
		.part = g->part,
		.parts = g->parts,
	});
	if (g->verdict == SETTLE_STOP)
		release_waiting(c, d, now_ms);
}

void
outcome_never_sent(struct courier *c, struct job *j, enum settle_verdict v, int64_t delay_ms, const char *why, int64_t now_ms)
{
	/* What may have been posted before is not pending: it is unknown still. */
	if (j->delivery.lookup && v != SETTLE_DEAD)
		v = SETTLE_UNKNOWN;
	outcome_judged(c, j, &(struct judgement){
		.verdict = v,
		.delay_ms = delay_ms,
		.hint_ms = -1,
		.alarm = v == SETTLE_STOP,
		.reason = why,
	}, NULL, now_ms);
}


void
outcome_suppressed(struct courier *c, struct job *j, struct slice why, int64_t now_ms)
{
	enum log_level level;
	log_attempt(j, LOG_INFO, count_and_name(c, SETTLE_SUPPRESSED, &level), why, NULL, -1);
	typing_after(c, j, &(struct judgement){ .verdict = SETTLE_SUPPRESSED });
	outcome_leave(c, j, BREAKER_NOTHING, now_ms);
	job_free(c, j);
}
