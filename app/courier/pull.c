#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/courier.h"
#include "app/courier/pull.h"
#include "app/courier/pull_run.h"
#include "lib/clock.h"
#include "lib/log.h"

#define PATIENCE_MS  (20 * MS_PER_S)    /* an asker that does not ask any more is gone */
#define PULLS_MAX    64
#define BY_CLOCK     8                  /* of them at once; more would keep out those that are asked for */
#define RUN_MAX      4                  /* side by side */
#define FIRST_MS     (60 * MS_PER_S)    /* after a start, the first of all tenants */
#define AFTER_FAIL_MS (10 * 60 * MS_PER_S)

void
pulls_free(struct pulls *all)
{
	while (all->first) {
		struct pull *u = all->first;
		all->first = u->next;
		pull_free(u);
	}
	free(all->due);
	*all = (struct pulls){ .first = NULL };
}

/* over: with those whose asker has not heard how they ended. */
static size_t
count(const struct pulls *all, bool over)
{
	size_t n = 0;
	for (const struct pull *u = all->first; u; u = u->next)
		n += over || u->phase != PULL_OVER;
	return n;
}

static struct pull_due *
due_of(const struct pulls *all, const char *tenant)
{
	for (size_t i = 0; i < all->dues; i++)
		if (strcmp(all->due[i].tenant, tenant) == 0)
			return &all->due[i];
	return NULL;
}

static void
enqueue(struct pulls *all, struct pull *u)
{
	const struct pull_due *d = due_of(all, u->tenant);
	struct pull **at = &all->first;
	if (d)
		u->place = d->place;
	while (*at)
		at = &(*at)->next;
	*at = u;
}

/* Is there one of nobody in particular that has not begun? */
static bool
waits(const struct pulls *all, const char *tenant)
{
	for (const struct pull *u = all->first; u; u = u->next)
		if (!u->asker && u->phase == PULL_NEW && strcmp(u->tenant, tenant) == 0)
			return true;
	return false;
}

/* ---- when ------------------------------------------------------------------ */

static void
learn_due(struct pulls *all, const struct tenant *t, int64_t now_ms)
{
	char name[65];
	snprintf(name, sizeof(name), SLICE_FMT, SLICE_ARG(t->name));
	struct pull_due *d = due_of(all, name);
	if (!d) {
		if (array_grow((void **)&all->due, &all->cap, all->dues, sizeof(*all->due)) < 0)
			return;
		d = &all->due[all->dues++];
		*d = (struct pull_due){ .at_ms = now_ms + FIRST_MS };
		memcpy(d->tenant, name, sizeof(name));
	}
	d->listing = all->listing;
	d->place = odoo_place(&t->odoo);
	d->every_ms = t->odoo.url.len > 0 ? t->odoo.pull_ms : 0;
	if (d->every_ms > 0 && d->at_ms > now_ms + d->every_ms)
		d->at_ms = now_ms + d->every_ms;
}

static void
drop_removed(struct pulls *all)
{
	size_t kept = 0;
	for (size_t i = 0; i < all->dues; i++)
		if (all->due[i].listing == all->listing)
			all->due[kept++] = all->due[i];
	all->dues = kept;
}

/* The next page is asked for by the next tick. */
static void
on_tenants(struct courier *c, struct slice payload, int64_t now_ms)
{
	struct pulls *all = &c->pulls;
	struct wire_field f;
	bool more = wire_u64(payload, T_MORE, 0) != 0, moved = false;
	for (struct wire_reader r = { .rest = payload }; wire_next(&r, &f);) {
		CLEANUP(arena_freep) struct arena *memory = NULL;
		struct tenant t;
		if (f.tag != T_TENANT || arena_new(16 * MIB, &memory) != 0 || tenant_decode(f.value, memory, &t) != 0)
			continue;
		learn_due(all, &t, now_ms);
		snprintf(all->after, sizeof(all->after), SLICE_FMT, SLICE_ARG(t.name));
		moved = true;
	}
	all->known = !more || !moved;
	if (!more)
		drop_removed(all);
}

static void
list_anew(struct pulls *all)
{
	all->after[0] = '\0';
	all->listing++;
	all->known = false;
}

static void
list_tenants(struct courier *c, int64_t now_ms)
{
	struct pulls *all = &c->pulls;
	if (all->question)
		return;
	if (all->generation != c->link.generation) {
		all->generation = c->link.generation;
		list_anew(all);
	}
	if (all->known || all->list_ms > now_ms)
		return;
	all->question = keeper_ask_tenants(c, slice_of(all->after));
	if (!all->question)
		all->list_ms = now_ms + MS_PER_S;
}

/* The one that waits longest, or will be due first.  NULL: none ever. */
static struct pull_due *
first_due(const struct pulls *all)
{
	struct pull_due *first = NULL;
	for (size_t i = 0; i < all->dues; i++)
		if (all->due[i].every_ms > 0 && (!first || all->due[i].at_ms < first->at_ms))
			first = &all->due[i];
	return first;
}

static void
begin_due(struct courier *c, int64_t now_ms)
{
	struct pulls *all = &c->pulls;
	for (struct pull_due *d; count(all, false) < BY_CLOCK && (d = first_due(all)) && d->at_ms <= now_ms;) {
		struct pull *u;
		bool begins = !waits(all, d->tenant);
		d->at_ms = now_ms + d->every_ms;
		if (begins && pull_new(slice_of(d->tenant), &u) == 0)
			enqueue(all, u);
		else if (begins)
			d->at_ms = now_ms + MS_PER_S;
	}
}

/* ---- the loop's side --------------------------------------------------------- */

static void
log_end(struct courier *c, struct pull *u, int64_t now_ms)
{
	struct pull_due *d = due_of(&c->pulls, u->tenant);
	if (u->why[0] && d && d->every_ms > 0 && !u->asker && d->at_ms > now_ms + AFTER_FAIL_MS)
		d->at_ms = now_ms + AFTER_FAIL_MS;
	log_event(u->why[0] ? LOG_WARN : LOG_NOTICE, u->why[0] ? "pull-failed" : "pull-done", LOG_STR("tenant", u->tenant),
	    LOG_STR("why", u->why), LOG_BOOL("dry_run", u->dry_run), LOG_INT("requests", u->count[PULL_N_REQUESTS]),
	    LOG_INT("read", u->count[PULL_N_READ]), LOG_INT("written", u->count[PULL_N_WRITTEN]),
	    LOG_INT("removed", u->count[PULL_N_REMOVED]), LOG_INT("unchanged", u->count[PULL_N_UNCHANGED]));
}

static void
clean(struct courier *c, int64_t now_ms)
{
	for (struct pull **at = &c->pulls.first, *u; (u = *at);) {
		bool gone = u->asker && now_ms - u->asked_ms > PATIENCE_MS;
		if (u->phase == PULL_OVER && !u->ended) {
			log_end(c, u, now_ms);
			u->ended = true;
		}
		if (u->phase != PULL_OVER || (u->asker && !gone)) {
			at = &u->next;
			continue;
		}
		*at = u->next;
		pull_free(u);
	}
}

/* One of the same tenant, or of the same Odoo, goes before. */
static bool
held(const struct pulls *all, const struct pull *u)
{
	for (const struct pull *v = all->first; v != u; v = v->next)
		if (v->phase != PULL_OVER && (strcmp(v->tenant, u->tenant) == 0 || odoo_place_same(&v->place, &u->place)))
			return true;
	return false;
}

/* The one that has something to do: one a turn, for the loop has other work. */
static struct pull *
current(const struct pulls *all)
{
	size_t running = 0;
	for (struct pull *u = all->first; u && running < RUN_MAX; u = u->next) {
		if (u->phase == PULL_OVER || held(all, u))
			continue;
		if (pull_ready(u))
			return u;
		running++;
	}
	return NULL;
}

void
pull_tick(struct courier *c, int64_t now_ms)
{
	if (c->stopping || !c->link.greeted)
		return;
	list_tenants(c, now_ms);
	begin_due(c, now_ms);
	clean(c, now_ms);
	struct pull *u = current(&c->pulls);
	if (u)
		pull_go(c, u, now_ms);
}

int64_t
pull_wait_ms(const struct courier *c, int64_t now_ms)
{
	const struct pulls *all = &c->pulls;
	const struct pull_due *due = count(all, false) < BY_CLOCK ? first_due(all) : NULL;
	int64_t at = due ? due->at_ms : INT64_MAX;
	if (c->stopping || !c->link.greeted)
		return -1;
	if (!all->known && !all->question && all->list_ms < at)
		at = all->list_ms;
	if (current(all))
		at = now_ms;
	else if (all->first && at > now_ms + PATIENCE_MS)
		at = now_ms + PATIENCE_MS;
	return at == INT64_MAX ? -1 : at > now_ms ? at - now_ms : 0;
}

bool
pull_answered(struct courier *c, const struct wire_frame *f, int64_t now_ms)
{
	if (c->pulls.question && f->request == c->pulls.question) {
		c->pulls.question = 0;
		if (f->kind == P_TENANT_FOUND)
			on_tenants(c, f->payload, now_ms);
		else
			c->pulls.list_ms = now_ms + MS_PER_S;
		return true;
	}
	for (struct pull *u = c->pulls.first; u; u = u->next)
		if (u->question && f->request == u->question) {
			pull_stored(u, f);
			return true;
		}
	return false;
}

void
pull_greeted(struct courier *c)
{
	c->pulls.question = 0;
	list_anew(&c->pulls);
	for (struct pull *u = c->pulls.first; u; u = u->next)
		pull_lost(u);
}

/* ---- who asks ------------------------------------------------------------------ */

static int
answer(struct courier *c, const struct wire_frame *f, const struct pull *u, struct buf *out)
{
	static const char *const words[] = {
#define X(name, text) text,
		PULL_COUNTS(X)
#undef X
	};
	struct wire_writer w;
	wire_begin(&w, out, P_PULL_OK, f->request);
	wire_put_u64(&w, T_GENERATION, c->link.generation);
	if (u->phase != PULL_OVER)
		wire_put_u64(&w, T_MORE, 1);
	for (size_t i = 0; i < PULL_N; i++) {
		size_t mark = wire_open(&w, T_ROW);
		wire_put(&w, T_NAME, slice_of(words[i]));
		wire_put_u64(&w, T_COUNT, u->count[i]);
		wire_close(&w, mark);
	}
	if (u->why[0])
		wire_put(&w, T_REASON, slice_of(u->why));
	return wire_end(&w);
}

int
pull_asked(struct courier *c, bool operator, const struct wire_frame *f, struct buf *out, int64_t now_ms)
{
	struct slice tenant = wire_text(f->payload, T_NAME);
	uint64_t asker = operator ? wire_u64(f->payload, T_AFTER, 0) : 0;
	struct pull *u = c->pulls.first;
	char name[65];
	if (!wire_ok(f->payload) || tenant.len == 0 || tenant.len > 64)
		return protocol_error(out, f->request, c->link.generation, E_BAD_REQUEST, "a pull needs a tenant");
	snprintf(name, sizeof(name), SLICE_FMT, SLICE_ARG(tenant));
	while (u && (asker ? u->asker != asker : u->asker || u->phase != PULL_NEW || strcmp(u->tenant, name) != 0))
		u = u->next;
	if (!u) {
		if (count(&c->pulls, true) >= PULLS_MAX)
			return protocol_error(out, f->request, c->link.generation, E_CONFLICT, "too many pulls wait already");
		if (pull_new(tenant, &u) != 0)
			return -ENOMEM;
		u->asker = asker;
		u->dry_run = operator && wire_u64(f->payload, T_DRY_RUN, 0) != 0;
		enqueue(&c->pulls, u);
	}
	u->asked_ms = now_ms;
	return answer(c, f, u, out);
}
