#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "app/courier/courier.h"
#include "app/courier/silence.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/protocol.h"
#include "lib/store.h"

#define LOOK_MS      (60 * MS_PER_S)
#define LOOK_LEAST_MS (1 * MS_PER_S)
#define FIRST_PAUSE_MS (60 * MS_PER_S)          /* behind a run that failed; doubles */
#define PAUSE_MAX_MS (3600 * MS_PER_S)
#define PATIENCE_MS  (20 * MS_PER_S)            /* an asker that does not ask any more is gone */
#define RUNS_MAX     64

static struct silence *
find(const struct silences *all, const char *tenant, const char *installation)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->item[i].tenant, tenant) == 0 && strcmp(all->item[i].installation, installation) == 0)
			return &all->item[i];
	return NULL;
}

void
silences_free(struct silences *all)
{
	while (all->run) {
		struct catchup *u = all->run;
		all->run = u->next;
		catchup_free(u);
	}
	free(all->item);
	*all = (struct silences){ .item = NULL };
}

int64_t
silence_since(const struct silences *all, const char *tenant, const char *installation)
{
	const struct silence *s = find(all, tenant, installation);
	return !s ? 0 : s->owed_us ? s->owed_us : s->last_us;
}

/* ---- the queue of runs --------------------------------------------------- */

static void
enqueue(struct silences *all, struct catchup *u)
{
	struct catchup **at = &all->run;
	while (*at)
		at = &(*at)->next;
	*at = u;
}

static size_t
runs(const struct silences *all)
{
	size_t n = 0;
	for (const struct catchup *u = all->run; u; u = u->next)
		n++;
	return n;
}

static bool
is_queued(const struct silences *all, const struct silence *s)
{
	for (const struct catchup *u = all->run; u; u = u->next)
		if (!u->asker && strcmp(u->tenant, s->tenant) == 0 && strcmp(u->installation, s->installation) == 0)
			return true;
	return false;
}

static void
log_end(struct courier *c, const struct catchup *u, const struct silence *s)
{
	bool first = !s || s->failures == 1;
	bool found = u->count[CATCHUP_ACCEPTED] + u->count[CATCHUP_NOTED] + u->count[CATCHUP_REFUSED] > 0;
	if (u->why[0] && !u->asker && !u->started) {
		/* It could not begin: no user token, mostly.  Said once per tenant record. */
		if (barred_add(&c->barred, BARRED_CATCHUP, slice_of(u->tenant), slice_of(u->installation), u->mark))
			log_event(LOG_NOTICE, "catchup-impossible", LOG_STR("tenant", u->tenant), LOG_STR("installation", u->installation),
			    LOG_STR("why", u->why));
		return;
	}
	/* A quiet night is no news, and neither is the second failure in a row. */
	if (u->why[0] ? !first : !u->expected && !found)
		return;
	log_event(u->why[0] ? LOG_WARN : LOG_NOTICE, u->why[0] ? "catchup-failed" : "catchup-done",
	    LOG_STR("tenant", u->tenant), LOG_STR("installation", u->installation), LOG_BOOL("dry_run", u->dry_run),
	    LOG_STR("why", u->why), LOG_INT("conversations", u->count[CATCHUP_CONVERSATIONS]),
	    LOG_INT("messages", u->count[CATCHUP_MESSAGES]), LOG_INT("accepted", u->count[CATCHUP_ACCEPTED]),
	    LOG_INT("noted", u->count[CATCHUP_NOTED]), LOG_INT("duplicate", u->count[CATCHUP_DUPLICATE]),
	    LOG_INT("ignored", u->count[CATCHUP_IGNORED]), LOG_INT("refused", u->count[CATCHUP_REFUSED]));
}

static void
over(struct courier *c, struct catchup *u, int64_t now_ms)
{
	struct silence *s = u->asker ? NULL : find(&c->silences, u->tenant, u->installation);
	if (s && u->why[0]) {
		int64_t pause = FIRST_PAUSE_MS << (s->failures < 6 ? s->failures : 6);
		s->failures++;
		s->not_before_ms = now_ms + (pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
	} else if (s) {
		s->failures = 0;
		s->owed_us = 0;
		s->last_us = u->begun_us;
	}
	log_end(c, u, s);
}

/* Those that are over and that nobody will ask after are taken away. */
static void
clean(struct courier *c, int64_t now_ms)
{
	for (struct catchup **at = &c->silences.run, *u; (u = *at);) {
		bool gone = u->asker && now_ms - u->asked_ms > PATIENCE_MS;
		if (gone && u->phase != AT_END)
			catchup_fail(u, "who asked for it went away");
		if (catchup_over(u) && !u->ended) {
			over(c, u, now_ms);
			u->ended = true;
		}
		if (!u->ended || (u->asker && !gone)) {
			at = &u->next;
			continue;
		}
		*at = u->next;
		catchup_free(u);
	}
}

/* The first that is not over. */
static struct catchup *
current(const struct silences *all)
{
	struct catchup *u = all->run;
	while (u && catchup_over(u))
		u = u->next;
	return u;
}

/* ---- who was silent ------------------------------------------------------ */

static int64_t
look_every_ms(const struct courier *c)
{
	int64_t every = c->config.catchup.after / 2;
	return every > LOOK_MS ? LOOK_MS : every < LOOK_LEAST_MS ? LOOK_LEAST_MS : every;
}

static void
begin(struct courier *c, const struct silence *s)
{
	struct catchup *u;
	if (runs(&c->silences) >= RUNS_MAX || catchup_new(slice_of(s->tenant), slice_of(s->installation), &u) != 0)
		return;                 /* seen again at the next look */
	u->since_us = s->owed_us ? s->owed_us : s->last_us;
	u->expected = s->owed_us != 0;
	enqueue(&c->silences, u);
}

static void
judge(struct courier *c, bool greeted, int64_t now_ms)
{
	int64_t after_us = c->config.catchup.after * 1000, now_us = clock_wall_us();
	if (after_us == 0)
		return;
	if (greeted && after_us > STORE_DOWNTIME_US)
		after_us = STORE_DOWNTIME_US;
	for (size_t i = 0; i < c->silences.n; i++) {
		const struct silence *s = &c->silences.item[i];
		if ((s->owed_us || now_us - s->last_us >= after_us) && now_ms >= s->not_before_ms && !is_queued(&c->silences, s))
			begin(c, s);
	}
}

static void
learn(struct silences *all, struct slice row)
{
	char tenant[65], installation[65];
	snprintf(tenant, sizeof(tenant), SLICE_FMT, SLICE_ARG(wire_text(row, T_NAME)));
	snprintf(installation, sizeof(installation), SLICE_FMT, SLICE_ARG(wire_text(row, T_INSTALLATION)));
	struct silence *s = find(all, tenant, installation);
	if (!s) {
		if (array_grow((void **)&all->item, &all->cap, all->n, sizeof(*all->item)) < 0)
			return;
		s = &all->item[all->n++];
		*s = (struct silence){ .failures = 0 };
		memcpy(s->tenant, tenant, sizeof(tenant));
		memcpy(s->installation, installation, sizeof(installation));
	}
	s->last_us = wire_i64(row, T_RECEIVED_US, 0);
	s->owed_us = wire_i64(row, T_CREATED_US, 0);
	s->told = true;
}

static void
on_heard(struct courier *c, struct slice payload, int64_t now_ms)
{
	struct silences *all = &c->silences;
	struct wire_field f;
	for (struct wire_reader r = { .rest = payload }; wire_next(&r, &f);)
		if (f.tag == T_ROW)
			learn(all, f.value);
	size_t kept = 0;
	for (size_t i = 0; i < all->n; i++) {
		if (!all->item[i].told)
			continue;
		all->item[kept] = all->item[i];
		all->item[kept++].told = false;
	}
	all->n = kept;
	all->known = true;
	judge(c, all->greeted, now_ms);
	all->greeted = false;
}

/* ---- the loop's side ----------------------------------------------------- */

void
silence_greeted(struct courier *c, int64_t now_ms)
{
	c->silences.question = 0;
	c->silences.look_at_ms = now_ms;
	c->silences.greeted = true;
	for (struct catchup *u = c->silences.run; u; u = u->next)
		u->question = 0;
}

void
silence_tick(struct courier *c, int64_t now_ms)
{
	struct silences *all = &c->silences;
	if (c->stopping)
		return;
	if (!all->question && now_ms >= all->look_at_ms && c->link.greeted) {
		all->question = keeper_ask_heard(c);
		all->look_at_ms = now_ms + look_every_ms(c);
	}
	clean(c, now_ms);
	struct catchup *u = current(all);
	if (u && all->known)
		catchup_go(c, u, now_ms);
}

int64_t
silence_wait_ms(const struct courier *c, int64_t now_ms)
{
	const struct silences *all = &c->silences;
	const struct catchup *u = current(all);
	if (c->stopping || !c->link.greeted)
		return -1;
	int64_t at = all->question ? now_ms + LOOK_MS : all->look_at_ms;
	if (u && all->known && !c->client_stale && !u->in_flight && !u->question && u->at_ms < at)
		at = u->at_ms;
	if (all->run && at > now_ms + PATIENCE_MS)
		at = now_ms + PATIENCE_MS;
	return at > now_ms ? at - now_ms : 0;
}

void
silence_finished(struct courier *c, const struct client_result *res, int64_t now_ms)
{
	catchup_finished(c, res->cookie, res, now_ms);
}

bool
silence_answered(struct courier *c, const struct wire_frame *f, int64_t now_ms)
{
	if (c->silences.question && f->request == c->silences.question) {
		c->silences.question = 0;
		if (f->kind == P_HEARD_OK)
			on_heard(c, f->payload, now_ms);
		return true;
	}
	for (struct catchup *u = c->silences.run; u; u = u->next) {
		if (!u->question || f->request != u->question)
			continue;
		catchup_answered(c, u, f, now_ms);
		return true;
	}
	return false;
}

/* ---- the operator's side ------------------------------------------------- */

static int
answer_progress(struct courier *c, const struct wire_frame *f, const struct catchup *u, struct buf *out)
{
	static const char *const words[] = {
#define X(name, text) text,
		CATCHUP_COUNTS(X)
#undef X
	};
	struct wire_writer w;
	wire_begin(&w, out, P_CATCHUP_OK, f->request);
	wire_put_u64(&w, T_GENERATION, c->link.generation);
	if (!catchup_over(u))
		wire_put_u64(&w, T_MORE, 1);
	for (size_t i = 0; i < CATCHUP_COUNT_N; i++) {
		size_t mark = wire_open(&w, T_ROW);
		wire_put(&w, T_NAME, slice_of(words[i]));
		wire_put_u64(&w, T_COUNT, u->count[i]);
		wire_close(&w, mark);
	}
	if (u->why[0])
		wire_put(&w, T_REASON, slice_of(u->why));
	if (u->here[0])
		wire_put(&w, T_INSTALLATION, slice_of(u->here));
	return wire_end(&w);
}

int
silence_asked(struct courier *c, const struct wire_frame *f, struct buf *out, int64_t now_ms)
{
	struct slice tenant = wire_text(f->payload, T_NAME), installation = wire_text(f->payload, T_INSTALLATION);
	uint64_t asker = wire_u64(f->payload, T_AFTER, 0);
	struct catchup *u = c->silences.run;
	if (!wire_ok(f->payload) || asker == 0 || tenant.len == 0 || tenant.len > 64 || installation.len > 64)
		return protocol_error(out, f->request, c->link.generation, E_BAD_REQUEST, "a catch-up needs a tenant and a number");
	while (u && u->asker != asker)
		u = u->next;
	if (!u) {
		if (runs(&c->silences) >= RUNS_MAX)
			return protocol_error(out, f->request, c->link.generation, E_CONFLICT, "too many catch-ups wait already");
		if (catchup_new(tenant, installation, &u) != 0)
			return -ENOMEM;
		u->asker = asker;
		u->expected = true;
		u->since_us = wire_i64(f->payload, T_RECEIVED_US, 0);
		u->dry_run = wire_u64(f->payload, T_DRY_RUN, 0) != 0;
		enqueue(&c->silences, u);
		c->silences.known = false;
		c->silences.look_at_ms = now_ms;        /* what the keeper says now */
	}
	u->asked_ms = now_ms;
	return answer_progress(c, f, u, out);
}
