#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/claims.h"
#include "app/courier/courier.h"
#include "app/courier/deliver.h"
#include "app/courier/job.h"
#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/crashpoint.h"
#include "lib/crypt.h"
#include "lib/http.h"
#include "lib/log.h"

#define LATER_MS         1000
#define UNCONFIGURED_MS  10000
#define OUR_TROUBLE_MS   1000
#define CHATWOOT_ANSWER_MAX (1 * MIB)
/* An answer of a byte a second is none. */
#define LOW_SPEED_MS     10000
#define LOW_SPEED_BYTES  100

static const struct destination *
vtable(enum delivery_dest dest)
{
	REQUIRE(dest == DEST_HUB || dest == DEST_CHATWOOT);     /* delivery_read() takes no other */
	return dest == DEST_HUB ? &to_hub : &to_chatwoot;
}

/* What is being built or judged is noted where the next courier finds it:
 * should these very bytes kill us, they are charged and nothing else is. */
static void
working_on(struct courier *c, uint64_t delivery)
{
	atomic_store(&c->board->courier.delivery, delivery);
}

/* ---- the end of a job ---------------------------------------------------- */

static void
log_attempt(const struct job *j, enum log_level level, const char *verdict, struct slice reason,
    const struct client_result *res, int64_t next_ms)
{
	const struct delivery *d = &j->delivery;
	log_event(level, "delivery", LOG_JOB(j), LOG_STR("kind", delivery_kind_text(d->kind)),
	    LOG_STR("dest", vtable(d->dest)->name), LOG_INT("attempt", d->attempt),
	    LOG_STR("verdict", verdict), LOG_INT("status", res ? res->status : 0),
	    LOG_INT("ms", res ? res->elapsed_ms : 0), LOG_INT("next_ms", next_ms), LOG_TEXT("reason", reason),
	    LOG_STR("class", res && res->error ? client_error_text(res->error) : ""),
	    LOG_STR("why", res && res->error ? res->why : ""));
}

static void
log_breaker(const struct job *j, const struct dest *d, enum breaker_change change, int64_t now_ms)
{
	const char *to = vtable(j->delivery.dest)->name;
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

/* The room it leaves may be used at once. */
static void
leave(struct courier *c, struct job *j, enum breaker_signal signal, int64_t now_ms)
{
	const struct dest *d = j->dest;
	if (!d)
		return;
	log_breaker(j, d, job_leave(c, j, signal, now_ms), now_ms);
	claims_soon(c, now_ms);
}

static void
settle(struct courier *c, struct job *j, const struct settlement *s)
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

void
deliver_release(struct courier *c, struct job *j, int64_t delay_ms, int64_t now_ms)
{
	leave(c, j, BREAKER_NOTHING, now_ms);
	settle(c, j, &(struct settlement){ .verdict = SETTLE_RELEASE, .delay_ms = delay_ms });
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
static void
judged(struct courier *c, struct job *j, const struct judgement *g, const struct client_result *res, int64_t now_ms)
{
	struct dest *d = j->dest;
	enum breaker_signal signal = signal_of(g, res);
	int64_t cap = c->config.delivery.retry_after_cap;
	int64_t delay = delay_of(c, j, g);
	enum log_level level;
	const char *verdict = count_and_name(c, g->verdict, &level);

	log_attempt(j, level, verdict, slice_of(g->reason), res, delay);
	if (g->cut)
		log_event(LOG_WARN, "reply-cut", LOG_JOB(j), LOG_INT("characters", REPLY_CHARACTERS));
	if (g->alarm && dest_alarm(d, g->reason, where_mark(&c->where, d->tenant)))
		log_event(LOG_ALARM, "destination-alarm", LOG_TEXT("tenant", d->tenant),
		    LOG_STR("dest", vtable(d->kind)->name), LOG_STR("reason", g->reason));
	if (!g->alarm && signal == BREAKER_GOOD)
		dest_well(d);
	if (g->hold_ms > 0)
		dest_hold(d, backoff_with_hint_ms(g->delay_ms, g->hold_ms, cap), now_ms);

	if (g->strike)
		strikes_add(&c->strikes, j->delivery.key);
	else if (g->verdict != SETTLE_RETRY && g->verdict != SETTLE_STOP)
		strikes_forget(&c->strikes, j->delivery.key);

	leave(c, j, signal, now_ms);
	settle(c, j, &(struct settlement){
		.verdict = g->verdict,
		.delay_ms = delay,
		.status = res ? res->status : 0,
		.reason = reason_text(j, g, res),
		.reply = g->reply,
	});
	if (g->verdict == SETTLE_STOP)
		release_waiting(c, d, now_ms);
}

static void
never_sent(struct courier *c, struct job *j, enum settle_verdict v, int64_t delay_ms, const char *why, int64_t now_ms)
{
	judged(c, j, &(struct judgement){
		.verdict = v,
		.delay_ms = delay_ms,
		.hint_ms = -1,
		.alarm = v == SETTLE_STOP,
		.reason = why,
	}, NULL, now_ms);
}

/* ---- claim → build → send ------------------------------------------------ */

static void
note_host(struct dest *d, struct slice url)
{
	struct http_url u;
	d->host[0] = 0;
	if (http_url_split(url, &u) == 0)
		snprintf(d->host, sizeof(d->host), "%.*s:%u", (int)u.host.len, u.host.ptr, u.port);
}

static void
job_send(struct courier *c, struct job *j, int64_t now_ms)
{
	const struct config *set = &c->config;
	bool hub = j->delivery.dest == DEST_HUB;
	struct client_request q = {
		.method = HTTP_M_POST,
		.url = j->request.url,
		.header = j->request.header,
		.headers = j->request.headers,
		.body = buf_view(&j->request.body),
		.connect_ms = hub ? set->hub.connect : set->chatwoot.connect,
		.first_byte_ms = hub ? set->hub.first_byte : set->chatwoot.first_byte,
		.total_ms = hub ? set->hub.total : set->chatwoot.total,
		.low_speed_ms = LOW_SPEED_MS,
		.low_speed_bytes = LOW_SPEED_BYTES,
		.answer_max = hub ? set->hub.answer_max : CHATWOOT_ANSWER_MAX,
		.once = !hub,       /* the hub knows a repetition by its key, Chatwoot does not */
	};
	CRASH_POINT("courier-before-send");
	int r = client_start(c->client, &q, j);
	job_wipe_headers(j);
	if (r != 0) {
		deliver_release(c, j, OUR_TROUBLE_MS, now_ms);
		return;
	}
	j->state = JOB_SENT;
	scoreboard_count(&c->board->courier, attempts);
}

static int
build_request(struct courier *c, struct job *j, const struct tenant *t, const char **ret_why,
    enum settle_verdict *ret_verdict, int64_t *ret_delay)
{
	struct errand e = { .delivery = &j->delivery, .tenant = t, .now_us = clock_wall_us() };
	crypt_random(e.span, sizeof(e.span));
	int r = where_to(&c->where, &c->config, &c->key, t, &j->delivery, j->kept, &e.url, &e.token, ret_why);
	if (r > 0) {
		*ret_verdict = r == WHERE_E_GONE ? SETTLE_DEAD : SETTLE_STOP;
		*ret_delay = r == WHERE_E_WAIT ? UNCONFIGURED_MS : JUDGE_FOREVER;
	} else if (r == 0) {
		note_host(j->dest, e.url);
		r = vtable(j->delivery.dest)->build(&e, j->kept, &j->request, ret_why);
		*ret_verdict = SETTLE_DEAD;
		c->jobs.bytes += j->request.body.len;
	}
	if (e.token.len > 0)
		crypt_wipe((char *)e.token.ptr, e.token.len);
	return r;
}

static void
job_build(struct courier *c, struct job *j, const struct tenant *t, int64_t now_ms)
{
	const char *why = "";
	enum settle_verdict verdict = SETTLE_DEAD;
	int64_t delay = JUDGE_FOREVER;

	working_on(c, j->delivery.key);
	CRASH_POINT("courier-build");
	int r = build_request(c, j, t, &why, &verdict, &delay);
	working_on(c, 0);

	if (r > 0) {
		never_sent(c, j, verdict, delay, why, now_ms);
	} else if (r < 0) {
		log_event(LOG_ERROR, "build-failed", LOG_JOB(j),
		    LOG_STR("why", strerror(-r)));
		deliver_release(c, j, OUR_TROUBLE_MS, now_ms);
	} else if (j->delivery.dest == DEST_HUB) {
		job_drop_record(c, j);
		job_send(c, j, now_ms);
	} else {
		job_drop_record(c, j);
		j->state = JOB_BEGIN;
		j->question = keeper_ask_begin(c, j->delivery.key);
	}
}

void
deliver_go(struct courier *c, struct job *j, int64_t now_ms)
{
	job_start(j, now_ms);
	const struct tenant *t = where_tenant(&c->where, j->delivery.tenant);
	if (t) {
		job_build(c, j, t, now_ms);
		return;
	}
	j->state = JOB_TENANT;
	j->question = keeper_ask_tenant(c, j->delivery.tenant);
}

/* ---- what came back ------------------------------------------------------ */

static void
judge_result(const struct courier *c, struct job *j, const struct client_result *res, struct judgement *ret)
{
	struct answer w = {
		.error = res->error,
		.sent = res->sent,
		.status = res->status,
		.body = res->body,
		.retry_after_ms = http_retry_after_ms(res->retry_after, clock_wall_us() / US_PER_S),
		.strikes = strikes_of(&c->strikes, j->delivery.key),
	};
	if (vtable(j->delivery.dest)->judge(&w, j->kept, ret) == 0)
		return;
	*ret = (struct judgement){
		.verdict = j->delivery.dest == DEST_HUB ? SETTLE_RETRY : SETTLE_UNKNOWN,
		.hint_ms = -1,
		.reason = "out of memory while reading the answer",
	};
}

void
deliver_finished(struct courier *c, const struct client_result *res, int64_t now_ms)
{
	struct job *j = res->cookie;
	struct judgement g;
	CRASH_POINT("courier-after-send");
	working_on(c, j->delivery.key);
	CRASH_POINT("courier-judge");
	judge_result(c, j, res, &g);
	working_on(c, 0);
	judged(c, j, &g, res, now_ms);
}

static void
on_tenant(struct courier *c, struct job *j, const struct wire_frame *f, int64_t now_ms)
{
	struct wire_field field;
	int r = 0;
	for (struct wire_reader w = { .rest = f->payload }; r == 0 && wire_next(&w, &field);)
		if (field.tag == T_TENANT)
			r = where_learn(&c->where, field.value);
	const struct tenant *t = where_tenant(&c->where, j->delivery.tenant);
	if (r != 0)
		deliver_release(c, j, OUR_TROUBLE_MS, now_ms);
	else if (!t)
		never_sent(c, j, SETTLE_DEAD, -1, "the tenant is not configured any more", now_ms);
	else
		job_build(c, j, t, now_ms);
}

static void
on_begin(struct courier *c, struct job *j, const struct wire_frame *f, int64_t now_ms)
{
	enum log_level level;
	switch ((enum begin_result)wire_u64(f->payload, T_RESULT, 0)) {
	case BEGIN_GO:
		if (c->stopping)
			deliver_release(c, j, 0, now_ms);
		else
			job_send(c, j, now_ms);
		return;
	case BEGIN_SUPPRESSED:
		log_attempt(j, LOG_INFO, count_and_name(c, SETTLE_SUPPRESSED, &level),
		    wire_text(f->payload, T_REASON), NULL, -1);
		break;
	case BEGIN_GONE:
		log_event(LOG_NOTICE, "delivery-gone", LOG_JOB(j));
		break;
	}
	leave(c, j, BREAKER_NOTHING, now_ms);
	job_free(c, j);
}

static void
keep_for_later(struct courier *c, struct job *j, int64_t now_ms)
{
	if (!j->later) {
		if (c->jobs.later++ == 0)
			log_event(LOG_WARN, "settle-later",
			    LOG_STR("reason", "the keeper cannot write now; nothing is claimed meanwhile"));
		j->later = true;
	}
	j->ask_again_ms = now_ms + LATER_MS;
}

static void
on_settled(struct courier *c, struct job *j, const struct wire_frame *f, int64_t now_ms)
{
	switch ((enum settle_result)wire_u64(f->payload, T_RESULT, 0)) {
	case SETTLE_LATER:
		keep_for_later(c, j, now_ms);
		return;
	case SETTLE_GONE:
		log_event(LOG_NOTICE, "delivery-gone", LOG_JOB(j));
		break;
	case SETTLE_OK:
		CRASH_POINT("courier-after-settle");
		break;
	}
	job_free(c, j);
	claims_soon(c, now_ms);
}

static void
on_error(struct courier *c, struct job *j, const struct wire_frame *f, int64_t now_ms)
{
	uint64_t code = wire_u64(f->payload, T_CODE, 0);
	log_event(LOG_ERROR, "keeper-refused", LOG_JOB(j), LOG_INT("code", code),
	    LOG_TEXT("why", wire_text(f->payload, T_REASON)));
	if (j->state != JOB_SETTLE)
		deliver_release(c, j, OUR_TROUBLE_MS, now_ms);
	else if (code == E_STORE)
		keep_for_later(c, j, now_ms);
	else if (code == E_NOT_ALLOWED)
		j->ask_again_ms = now_ms + LATER_MS;    /* not before we have said hello again */
	else
		job_free(c, j); /* saying it again would not help; the claim ends with our connection */
}

bool
deliver_answered(struct courier *c, const struct wire_frame *f, int64_t now_ms)
{
	struct job *j = job_asking(c, f->request);
	if (!j)
		return false;
	j->question = 0;
	if (f->kind == P_ERROR)
		on_error(c, j, f, now_ms);
	else if (j->state == JOB_TENANT && f->kind == P_TENANT_FOUND)
		on_tenant(c, j, f, now_ms);
	else if (j->state == JOB_BEGIN && f->kind == P_BEGIN_OK)
		on_begin(c, j, f, now_ms);
	else if (j->state == JOB_SETTLE && f->kind == P_SETTLE_OK)
		on_settled(c, j, f, now_ms);
	else
		return false;
	return true;
}

void
deliver_ask_again(struct courier *c, int64_t now_ms)
{
	for (size_t i = 0; i < c->jobs.n; i++) {
		struct job *j = c->jobs.item[i];
		switch (j->state) {
		case JOB_READY:
		case JOB_SENT:
			break;
		case JOB_TENANT:
			j->question = keeper_ask_tenant(c, j->delivery.tenant);
			break;
		case JOB_BEGIN:
			j->question = keeper_ask_begin(c, j->delivery.key);
			break;
		case JOB_SETTLE:
			j->ask_again_ms = now_ms;
			j->question = keeper_ask_settle(c, &j->settlement);
			break;
		}
	}
}

void
deliver_forget(struct courier *c, struct job *j, int64_t now_ms)
{
	log_event(LOG_NOTICE, "delivery-gone", LOG_JOB(j),
	    LOG_BOOL("sent", j->state == JOB_SENT));
	if (j->state == JOB_SENT)
		job_cancel(c, j, NULL);
	leave(c, j, BREAKER_NOTHING, now_ms);
	job_free(c, j);
}

void
deliver_abort(struct courier *c, struct job *j, int64_t now_ms)
{
	bool sent = true;
	job_cancel(c, j, &sent);
	/* The hub knows a repetition by its key; a reply may stand there already. */
	if (sent && j->delivery.dest == DEST_CHATWOOT)
		never_sent(c, j, SETTLE_UNKNOWN, -1, "the courier stopped while it was posted", now_ms);
	else
		deliver_release(c, j, 0, now_ms);
}
