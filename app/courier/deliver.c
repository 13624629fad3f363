#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/claims.h"
#include "app/courier/courier.h"
#include "app/courier/deliver.h"
#include "app/courier/job.h"
#include "app/courier/outcome.h"
#include "app/courier/steps.h"
#include "app/courier/typing.h"
#include "lib/clock.h"
#include "lib/crashpoint.h"
#include "lib/crypt.h"
#include "lib/http.h"
#include "lib/log.h"

#define LATER_MS         1000
#define STEPS_MAX        20     /* of one delivery: pages of a look-up */
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
working_on(struct courier *c, const struct delivery *d)
{
	atomic_store(&c->board->courier.crashes, d->crashes);
	atomic_store(&c->board->courier.delivery, d->key);
}

static void
working_on_none(struct courier *c)
{
	atomic_store(&c->board->courier.delivery, 0);
}

void
deliver_release(struct courier *c, struct job *j, int64_t delay_ms, int64_t now_ms)
{
	outcome_leave(c, j, BREAKER_NOTHING, now_ms);
	/* What may have been posted before is not pending: it is unknown still. */
	if (j->delivery.lookup)
		outcome_settle(c, j, &(struct settlement){ .verdict = SETTLE_UNKNOWN, .delay_ms = -1,
		    .reason = SLICE("it could not be looked up") });
	else
		outcome_settle(c, j, &(struct settlement){ .verdict = SETTLE_RELEASE, .delay_ms = delay_ms });
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
		.method = j->request.method,
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
		.once = j->request.once,
	};
	CRASH_POINT("courier-before-send");
	crash_before_step(j);
	int r = client_start(c->client, &q, j);
	job_wipe_headers(j);
	if (r != 0) {
		deliver_release(c, j, OUR_TROUBLE_MS, now_ms);
		return;
	}
	j->state = JOB_SENT;
	scoreboard_count(&c->board->courier, attempts);
	typing_before(c, j);
}

static int
build_request(struct courier *c, struct job *j, const struct tenant *t, const char **ret_why,
    enum settle_verdict *ret_verdict, int64_t *ret_delay)
{
	struct where_target target;
	struct errand e = { .delivery = &j->delivery, .tenant = t, .step = j->step, .now_us = clock_wall_us(),
		.after = j->find_after, .labels = j->labels.labels > 0 ? &j->labels : NULL };
	crypt_random(e.span, sizeof(e.span));
	int r = where_to(&c->where, &c->config, &c->key, t, &j->delivery, j->kept, &target, ret_why);
	if (r > 0) {
		/* Who has no hub misses no news. */
		*ret_verdict = r == WHERE_E_GONE ? SETTLE_DEAD : j->delivery.kind == DELIVERY_K_KNOWLEDGE ? SETTLE_SUPPRESSED : SETTLE_STOP;
		*ret_delay = r == WHERE_E_WAIT ? UNCONFIGURED_MS : JUDGE_FOREVER;
	} else if (r == 0) {
		note_host(j->dest, target.url);
		e.url = target.url;
		e.token = target.token;
		e.user_token = target.user_token;
		j->bot_id = target.bot_id;
		r = vtable(j->delivery.dest)->build(&e, j->kept, &j->request, ret_why);
		*ret_verdict = SETTLE_DEAD;
		c->jobs.bytes += j->request.body.len;
	}
	where_wipe(&target);
	return r;
}

/* The keeper has the last word before anything is posted that must not be
 * posted twice, or over a human. */
static bool
wants_begin(const struct job *j)
{
	return j->delivery.dest == DEST_CHATWOOT && j->step == STEP_POST && j->delivery.kind != DELIVERY_K_LABELS;
}

static void
note_part(struct job *j)
{
	struct chatwoot_part part;
	if (j->delivery.kind == DELIVERY_K_REPLY && chatwoot_part_unpack(j->delivery.payload, &part) == 0)
		j->more = part.more;
}

static enum delivery_step
first_step(const struct courier *c, const struct job *j, const struct tenant *t)
{
	const struct delivery *d = &j->delivery;
	bool may_look = t->manners.look_first &&
	    !barred_is(&c->barred, BARRED_LOOK, d->tenant, d->installation, where_mark(&c->where, d->tenant));
	return vtable(d->dest)->first(d, may_look);
}

static void
job_build(struct courier *c, struct job *j, const struct tenant *t, int64_t now_ms)
{
	const char *why = "";
	enum settle_verdict verdict = SETTLE_DEAD;
	int64_t delay = JUDGE_FOREVER;

	if (j->step == STEP_NONE) {
		j->step = first_step(c, j, t);
		j->find_after = j->delivery.message;
		note_part(j);
	}
	working_on(c, &j->delivery);
	CRASH_POINT("courier-build");
	int r = build_request(c, j, t, &why, &verdict, &delay);
	working_on_none(c);

	if (r > 0) {
		outcome_never_sent(c, j, verdict, delay, why, now_ms);
		return;
	}
	if (r < 0) {
		log_event(LOG_ERROR, "build-failed", LOG_JOB(j),
		    LOG_STR("why", strerror(-r)));
		deliver_release(c, j, OUR_TROUBLE_MS, now_ms);
		return;
	}
	if (j->step == STEP_POST)
		job_drop_record(c, j);
	if (wants_begin(j)) {
		j->state = JOB_BEGIN;
		j->question = keeper_ask_begin(c, j->delivery.key, j->shown ? &j->shown_facts : NULL);
	} else {
		job_send(c, j, now_ms);
	}
}

/* The step in hand, as soon as the tenant is known. */
static void
job_go_on(struct courier *c, struct job *j, int64_t now_ms)
{
	const struct tenant *t = where_tenant(&c->where, j->delivery.tenant);
	if (t) {
		job_build(c, j, t, now_ms);
		return;
	}
	j->state = JOB_TENANT;
	j->question = keeper_ask_tenant(c, j->delivery.tenant);
}

void
deliver_go(struct courier *c, struct job *j, int64_t now_ms)
{
	job_start(j, now_ms);
	job_go_on(c, j, now_ms);
}

/* ---- what came back ------------------------------------------------------ */

static void
judge_result(const struct courier *c, struct job *j, const struct client_result *res, struct judgement *ret)
{
	struct answer w = {
		.delivery = &j->delivery,
		.step = j->step,
		.channel = j->request.channel,
		.bot_id = j->bot_id,
		.labels = j->delivery.payload,
		.error = res->error,
		.sent = res->sent,
		.status = res->status,
		.body = res->body,
		.retry_after_ms = http_retry_after_ms(res->retry_after, clock_wall_us() / US_PER_S),
		.strikes = strikes_of(&c->strikes, j->delivery.key),
	};
	if (vtable(j->delivery.dest)->judge(&w, j->kept, ret) == 0)
		return;
	bool posted = j->delivery.dest == DEST_CHATWOOT && j->step == STEP_POST && j->delivery.kind != DELIVERY_K_LABELS;
	*ret = (struct judgement){
		.verdict = posted || j->delivery.lookup ? SETTLE_UNKNOWN : SETTLE_RETRY,
		.hint_ms = -1,
		.reason = "out of memory while reading the answer",
	};
}

/* One step is done and the next comes: the request before is needed no longer. */
static void
take_step(struct courier *c, struct job *j, const struct judgement *g, int64_t now_ms)
{
	const struct delivery *d = &j->delivery;
	if (g->unreadable && barred_add(&c->barred, BARRED_LOOK, d->tenant, d->installation, where_mark(&c->where, d->tenant)))
		log_event(LOG_NOTICE, "look-off", LOG_TEXT("tenant", d->tenant), LOG_TEXT("installation", d->installation),
		    LOG_STR("why", "the token may not read conversations; what the events tell must do"));
	if (g->shown) {
		j->shown = true;
		j->shown_facts = g->facts;
	}
	if (g->labels.labels > 0)
		j->labels = g->labels;
	if (g->after > 0)
		j->find_after = g->after;
	j->step = g->step;
	job_drop_request(c, j);
	if (++j->steps > STEPS_MAX || c->stopping)
		deliver_release(c, j, 0, now_ms);
	else
		job_go_on(c, j, now_ms);
}

void
deliver_finished(struct courier *c, const struct client_result *res, int64_t now_ms)
{
	struct job *j = res->cookie;
	struct judgement g;
	CRASH_POINT("courier-after-send");
	crash_after_step(j);
	working_on(c, &j->delivery);
	CRASH_POINT("courier-judge");
	judge_result(c, j, res, &g);
	working_on_none(c);
	if (g.step != STEP_NONE)
		take_step(c, j, &g, now_ms);
	else
		outcome_judged(c, j, &g, res, now_ms);
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
		outcome_never_sent(c, j, SETTLE_DEAD, -1, "the tenant is not configured any more", now_ms);
	else
		job_build(c, j, t, now_ms);
}

static void
on_begin(struct courier *c, struct job *j, const struct wire_frame *f, int64_t now_ms)
{
	switch ((enum begin_result)wire_u64(f->payload, T_RESULT, 0)) {
	case BEGIN_GO:
		CRASH_POINT("courier-begun");
		if (c->stopping)
			deliver_release(c, j, 0, now_ms);
		else
			job_send(c, j, now_ms);
		return;
	case BEGIN_SUPPRESSED:
		outcome_suppressed(c, j, wire_text(f->payload, T_REASON), now_ms);
		return;
	case BEGIN_GONE:
		log_event(LOG_NOTICE, "delivery-gone", LOG_JOB(j));
		break;
	}
	outcome_leave(c, j, BREAKER_NOTHING, now_ms);
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
			j->question = keeper_ask_begin(c, j->delivery.key, j->shown ? &j->shown_facts : NULL);
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
	outcome_leave(c, j, BREAKER_NOTHING, now_ms);
	job_free(c, j);
}

void
deliver_abort(struct courier *c, struct job *j, int64_t now_ms)
{
	bool sent = true;
	job_cancel(c, j, &sent);
	/* The hub knows a repetition by its key; a reply may stand there already. */
	if (sent && wants_begin(j))
		outcome_never_sent(c, j, SETTLE_UNKNOWN, -1, "the courier stopped while it was posted", now_ms);
	else
		deliver_release(c, j, 0, now_ms);
}
