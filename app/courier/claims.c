#include <endian.h>
#include <string.h>

#include "app/courier/claims.h"
#include "app/courier/courier.h"
#include "app/courier/deliver.h"
#include "lib/clock.h"
#include "lib/crashpoint.h"
#include "lib/crypt.h"
#include "lib/log.h"

/* A batch and its request may be long: while so much is in memory, nothing
 * more is claimed, and what is claimed goes one at a time. */
#define BYTES_MAX         (64 * MIB)
/* Nobody relies on being woken: the clock finds what no WAKE announced. */
#define CLAIM_AT_LEAST_MS 10000
#define CLAIM_SPIN_MS     20
#define UNREAD_MS         60000

/* One that waits: it goes, goes back, or goes on waiting. */
static void
consider(struct courier *c, struct job *j, int64_t now_ms)
{
	int64_t paused = dest_paused_ms(j->dest, now_ms);
	if (paused > 0 && paused < DEST_NEVER) {
		/* Not all at the same instant when the pause is over. */
		int64_t jitter = (int64_t)((uint64_t)(paused / 8) * crypt_random32() >> 32);
		deliver_release(c, j, paused + jitter, now_ms);
		return;
	}
	bool memory = c->jobs.bytes <= BYTES_MAX || job_sent(c) == 0;
	if (memory && !c->client_stale && dests_room(&c->dests) > 0 && dest_room(&c->dests, j->dest, now_ms) > 0)
		deliver_go(c, j, now_ms);
}

static bool
may_claim(const struct courier *c)
{
	return c->link.greeted && !c->link.claim && !c->stopping && !c->client_stale &&
	    c->jobs.later == 0 && c->jobs.bytes <= BYTES_MAX &&
	    c->jobs.n < 3 * c->config.delivery.total &&
	    job_unsettled(c) < 2 * c->config.delivery.total;
}

void
claims_tick(struct courier *c, int64_t now_ms)
{
	for (size_t i = 0; i < c->jobs.n; i++) {
		struct job *j = c->jobs.item[i];
		if (j->state == JOB_READY && c->stopping)
			deliver_release(c, j, 0, now_ms);       /* asked for before, come after */
		else if (j->state == JOB_READY)
			consider(c, j, now_ms);
		else if (j->state == JOB_SETTLE && !j->question && now_ms >= j->ask_again_ms)
			j->question = keeper_ask_settle(c, &j->settlement);
	}
	if (!may_claim(c) || now_ms < c->jobs.claim_at_ms)
		return;
	/* A claim brings no more than one destination may have at a time, so
	 * that a tenant with much to say cannot take all the slots. */
	size_t room = 2 * c->config.delivery.total - job_unsettled(c);
	size_t most = c->config.delivery.concurrency;
	dests_tidy(&c->dests, now_ms);
	c->jobs.claim_again = false;
	keeper_ask_claim(c, room < most ? room : most, now_ms);
}

int64_t
claims_wait_ms(const struct courier *c, int64_t now_ms)
{
	int64_t next = DEST_NEVER;
	if (may_claim(c))
		next = c->jobs.claim_at_ms;
	for (size_t i = 0; i < c->jobs.n; i++) {
		const struct job *j = c->jobs.item[i];
		if (j->state == JOB_SETTLE && !j->question && c->link.greeted && j->ask_again_ms < next)
			next = j->ask_again_ms;
	}
	if (next == DEST_NEVER)
		return -1;
	return next > now_ms ? next - now_ms : 0;
}

/* ---- the keeper's side --------------------------------------------------- */

void
claims_lost(struct courier *c)
{
	for (size_t i = 0; i < c->jobs.n; i++)
		c->jobs.item[i]->question = 0;
}

static uint64_t
value_u64(struct slice value)
{
	uint64_t n = 0;
	if (value.len == sizeof(n))
		memcpy(&n, value.ptr, sizeof(n));
	return le64toh(n);
}

static bool
granted(struct slice hello_ok, uint64_t key)
{
	struct wire_field f;
	for (struct wire_reader r = { .rest = hello_ok }; wire_next(&r, &f);)
		if (f.tag == T_DELIVERY && value_u64(f.value) == key)
			return true;
	return false;
}

void
claims_greeted(struct courier *c, struct slice hello_ok, int64_t now_ms)
{
	for (size_t i = c->jobs.n; i-- > 0;) {
		struct job *j = c->jobs.item[i];
		if (!granted(hello_ok, j->delivery.key))
			deliver_forget(c, j, now_ms);
	}
	deliver_ask_again(c, now_ms);
	claims_soon(c, now_ms);
}

void
claims_soon(struct courier *c, int64_t now_ms)
{
	c->jobs.claim_at_ms = now_ms;
	c->jobs.claim_again = true;
}

/* From here on the log knows the batch's event alone: whoever follows another
 * of its events reads here where that went on. */
static void
log_members(const struct delivery *d)
{
	char id[UUID_TEXT], into[UUID_TEXT];
	uuid_text(&d->event, into);
	for (size_t i = 0; d->attempt == 1 && i < d->members; i++) {
		uuid_text(&d->member[i].event, id);
		if (strcmp(id, into) != 0)
			log_event(LOG_INFO, "batched", LOG_STR("event_id", id), LOG_STR("into", into),
			    LOG_TEXT("tenant", d->tenant), LOG_INT("delivery", d->key));
	}
}

void
claims_arrived(struct courier *c, struct slice batch)
{
	struct job *j;
	CRASH_POINT("courier-after-claim");
	int r = job_new(c, batch, &j);
	if (r == 0) {
		log_members(&j->delivery);
		return;
	}
	/* Not to be had in memory, or of a version we do not speak: it goes back. */
	uint64_t key = wire_u64(batch, T_DELIVERY, 0);
	log_event(LOG_ERROR, "batch-unread", LOG_INT("delivery", key), LOG_INT("errno", -r));
	if (key)
		(void)keeper_ask_settle(c, &(struct settlement){
			.delivery = key, .verdict = SETTLE_RELEASE, .delay_ms = UNREAD_MS });
}

void
claims_done(struct courier *c, size_t batches, int64_t delay_ms, int64_t now_ms)
{
	int64_t wait = CLAIM_AT_LEAST_MS;
	int64_t pause = dests_next_ms(&c->dests, now_ms);
	if (delay_ms >= 0 && delay_ms < wait)
		wait = delay_ms;
	if (pause < wait)
		wait = pause;
	/* Bounded work may bring nothing and still not be the end of it. */
	if (batches > 0 || c->jobs.claim_again)
		wait = 0;
	else if (wait < CLAIM_SPIN_MS)
		wait = CLAIM_SPIN_MS;
	c->jobs.claim_at_ms = now_ms + wait;
}

/* ---- the end ------------------------------------------------------------- */

void
claims_stop(struct courier *c, int64_t now_ms)
{
	for (size_t i = 0; i < c->jobs.n; i++) {
		struct job *j = c->jobs.item[i];
		if (j->state == JOB_READY || j->state == JOB_TENANT)
			deliver_release(c, j, 0, now_ms);
	}
}

void
claims_abort(struct courier *c, int64_t now_ms)
{
	for (size_t i = 0; i < c->jobs.n; i++)
		if (c->jobs.item[i]->state == JOB_SENT)
			deliver_abort(c, c->jobs.item[i], now_ms);
}
