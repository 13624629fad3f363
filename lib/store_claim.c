/* Handing out work: which lane is next, and what travels together. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"

/* Deliveries that one call may end because they are too old, so that a long
 * backlog of them does not hold the others up. */
#define ENDED_MAX 1000
/* Members handed out by one call, but for the batch that it ends with: whoever
 * puts an event waits meanwhile. */
#define GIVEN_MAX 32

struct work {
	struct store *s;
	const struct store_claim *ask;
	const struct store_sink *sink;
	int64_t *busy;                  /* pairs of tenant id and destination */
	size_t   busies;
	bool     entered;
	size_t   batches, members, ended, bytes;
	int64_t  delay_us;              /* -1: nothing waits */
};

/* ---- handing out ---- */

static int
give_members(struct work *w, const struct delivery *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		DB_QUERY(q);
		int r = db_first(w->s, &q, "SELECT e.uuid, e.message, e.decision, e.received_us, d.late, d.replayed, e.facts, e.body"
		    " FROM delivery d JOIN event e ON e.id = d.event WHERE d.id = ?", DB_I(m[i].id));
		if (r != 0)
			return r < 0 ? r : db_fail(w->s, "delivery %" PRId64 " has no event", m[i].id);
		struct store_member one = {
			.delivery = m[i].id, .event = db_uuid(q, 0), .message = db_int(q, 1),
			.decision = db_int(q, 2), .received_us = db_int(q, 3), .late = db_int(q, 4) != 0,
			.replayed = db_int(q, 5) != 0, .facts = db_text(q, 6), .body = db_text(q, 7),
		};
		w->bytes += one.facts.len + one.body.len;
		w->sink->member(w->sink->context, &one);
	}
	return 0;
}

/* key: the member whose event names the batch.  The rows are claimed already. */
static int
give(struct work *w, const struct lane *l, const struct delivery *key, const struct delivery *m, size_t n, bool lookup)
{
	DB_QUERY(q);
	int r = db_first(w->s, &q, "SELECT t.name, e.installation, e.account, e.display, e.inbox, e.message, e.request, e.uuid,"
	    " d.payload FROM delivery d JOIN event e ON e.id = d.event JOIN tenant t ON t.id = e.tenant"
	    " WHERE d.id = ?", DB_I(key->id));
	if (r != 0)
		return r < 0 ? r : db_fail(w->s, "delivery %" PRId64 " has no event", key->id);
	struct store_batch b = {
		.key = key->id, .dest = (enum delivery_dest)l->dest, .kind = (enum delivery_kind)key->kind,
		.tenant = db_text(q, 0), .installation = db_text(q, 1), .account = db_int(q, 2),
		.conversation = db_int(q, 3), .inbox = db_int(q, 4), .message = db_int(q, 5), .request_id = db_text(q, 6),
		.event = db_uuid(q, 7), .payload = db_text(q, 8), .n = key->n, .attempt = key->attempt,
		.crashes = key->crashes, .created_us = key->made_us, .lookup = lookup,
	};
	if (key->kind == DELIVERY_K_NOTICE)
		b.notice = (enum chatwoot_notice)key->n;
	for (size_t i = 0; i < n; i++)
		if (m[i].made_us < b.created_us)
			b.created_us = m[i].made_us;
	w->bytes += b.payload.len;
	w->sink->batch(w->sink->context, &b);
	if (l->dest == DEST_HUB)
		r = give_members(w, m, n);
	if (r == 0)
		w->sink->done(w->sink->context);
	w->batches++;
	w->members += n;
	return r;
}

/* Marks the rows, then the lane: in flight, and due again when more waits. */
static int
mark(struct work *w, struct lane *l, struct delivery *m, size_t n, int64_t key)
{
	for (size_t i = 0; i < n; i++) {
		m[i].batch = key;
		m[i].claimed_us = w->ask->now_us;
		int r = delivery_move(w->s, &m[i], DELIVERY_CLAIMED);
		if (r < 0)
			return r;
	}
	l->claimed = true;
	l->batch = key;
	l->due_us = -1;
	int r = lane_store(w->s, l);
	return r < 0 ? r : lane_refresh(w->s, l->id, w->ask->now_us);
}

/* A try: one more attempt, and nothing of a post before counts. */
static void
try(struct delivery *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		m[i].attempt++;
		m[i].begun = BEGUN_NO;
	}
}

/* Nothing of it could be handed out. */
static int
pass_over(struct work *w, struct lane *l)
{
	l->batch = 0;
	int r = lane_store(w->s, l);
	return r < 0 ? r : lane_refresh(w->s, l->id, w->ask->now_us);
}

/* ---- the hub's lanes ---- */

/* The batch that was sent before, as it was.  *ret_n 0: it has ended, look at
 * the lane again. */
static int
pick_again(struct work *w, const struct lane *l, struct delivery m[static STORE_BATCH_MEMBERS], size_t *ret_n)
{
	int64_t now = w->ask->now_us, newest = 0;
	size_t n;
	int r = delivery_members(w->s, l->id, DELIVERY_PENDING, l->batch, m, &n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (m[i].since_us > newest)
			newest = m[i].since_us;
	*ret_n = n;
	if (n == 0 || (!too_old(w->s, newest, now) && !gave_up(w->s, &m[0], now)))
		return 0;
	w->ended += n;
	*ret_n = 0;
	return end_old(w->s, m, n, now);
}

/* A hub that said it would answer, and did not. */
static int
end_waiting(struct work *w, const struct lane *l)
{
	struct delivery m[STORE_BATCH_MEMBERS];
	const struct delivery *key = m;
	const struct slice why = SLICE("the hub did not answer within hub.reply_deadline");
	size_t n;
	int r = delivery_members(w->s, l->id, DELIVERY_WAITING, l->batch, m, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = delivery_end(w->s, &m[i], DELIVERY_DEAD, 0, why, w->ask->now_us);
		if (m[i].id == l->batch)
			key = &m[i];
	}
	if (r < 0 || n == 0)
		return r;
	w->ended += n;
	r = attempt_note(w->s, key, SETTLE_DEAD, 0, why, w->ask->now_us);
	return r == 0 ? ladder_make(w->s, key, why, w->ask->now_us) : r;
}

/* All messages that are pending, in order, up to the limits and the first
 * that nobody is asked about; or that alone.  What is too old ends. */
static int
pick_fresh(struct work *w, const struct lane *l, struct delivery m[static STORE_BATCH_MEMBERS],
    bool late[static STORE_BATCH_MEMBERS], size_t *ret_n)
{
	struct delivery ended[STORE_BATCH_MEMBERS];
	size_t n = 0, endings = 0, bytes = 0;
	int r;
	{
		DB_QUERY(q);
		r = db_open(w->s, &q, "SELECT " DELIVERY_COLUMNS ","
		    " (SELECT length(body) FROM event WHERE event.id = delivery.event),"
		    " (SELECT kind FROM event WHERE event.id = delivery.event)"
		    " FROM delivery WHERE lane = ? AND state = 1 ORDER BY order_id, id", DB_I(l->id));
		while (r == 0 && n < STORE_BATCH_MEMBERS && endings < STORE_BATCH_MEMBERS && (r = db_next(w->s, q)) == 0) {
			struct delivery d;
			delivery_read(q, &d);
			if ((d.attempt == 0 && too_old(w->s, d.since_us, w->ask->now_us)) || gave_up(w->s, &d, w->ask->now_us)) {
				ended[endings++] = d;
				continue;
			}
			if (n && (d.kind != DELIVERY_K_HUB || m[0].kind != DELIVERY_K_HUB))
				break;
			bytes += (size_t)db_int(q, DELIVERY_COLUMNS_END);
			if (n && bytes > STORE_BATCH_BYTES)
				break;
			late[n] = db_int(q, DELIVERY_COLUMNS_END + 1) == CW_EV_MESSAGE_CREATED && d.attempt == 0 && d.order < l->high;
			m[n++] = d;
		}
	}
	*ret_n = n;
	w->ended += endings;
	return r < 0 || endings == 0 ? (r < 0 ? r : 0) : end_old(w->s, ended, endings, w->ask->now_us);
}

static int
note_late(struct work *w, const struct delivery *m, const bool *late, size_t n)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		if (late[i])
			r = db_run(w->s, "UPDATE delivery SET late = 1 WHERE id = ?", DB_I(m[i].id));
	return r;
}

/* One more than the budget says that it was told. */
static int
tell_exhausted(struct work *w, struct talk *t)
{
	DB_QUERY(q);
	if (t->answers != (int64_t)w->s->rules.reply_budget)
		return 0;
	t->answers++;
	int r = talk_store(w->s, (struct slice){ NULL, 0 }, t);
	if (r == 0)
		r = db_first(w->s, &q, "SELECT name FROM tenant WHERE id = ?", DB_I(t->tenant));
	if (r == 0)
		w->sink->exhausted(w->sink->context, db_text(q, 0), t->account, t->display);
	return r < 0 ? r : 0;
}

/* A conversation that was answered so often in so short a time talks with
 * another machine.  *ret_n 0: nothing is asked for it. */
static int
check_budget(struct work *w, const struct lane *l, const struct delivery *m, size_t *ret_n)
{
	char why[STORE_TEXT];
	struct talk t;
	if (w->s->rules.reply_budget == 0 || *ret_n == 0 || m[0].kind != DELIVERY_K_HUB)
		return 0;
	int r = talk_load(w->s, lane_conversation(l->id), &t);
	if (r < 0 || !talk_exhausted(w->s, &t, w->ask->now_us))
		return r;
	snprintf(why, sizeof(why), "the conversation's reply budget is used up: %" PRIu64 " answers in 10 minutes"
	    " (delivery.reply_budget)", w->s->rules.reply_budget);
	for (size_t i = 0; r == 0 && i < *ret_n; i++)
		r = delivery_end(w->s, &m[i], DELIVERY_SUPPRESSED, 0, slice_of(why), w->ask->now_us);
	w->ended += *ret_n;
	*ret_n = 0;
	if (r == 0)
		r = tell_exhausted(w, &t);
	return r == 0 ? ladder_make(w->s, &m[0], slice_of(why), w->ask->now_us) : r;
}

static int
take_hub(struct work *w, struct lane *l)
{
	struct delivery m[STORE_BATCH_MEMBERS];
	bool late[STORE_BATCH_MEMBERS] = { false };
	size_t n = 0;
	int64_t key = l->batch;
	int r = l->batch ? pick_again(w, l, m, &n) : 0;
	if (r == 0 && l->batch && n == 0)
		r = end_waiting(w, l);
	if (r == 0 && n == 0) {
		r = pick_fresh(w, l, m, late, &n);
		if (r == 0)
			r = check_budget(w, l, m, &n);
		if (r == 0 && n)
			key = m[n - 1].id;
	}
	if (r == 0)
		r = note_late(w, m, late, n);
	if (r < 0)
		return r;
	if (n == 0)
		return pass_over(w, l);
	const struct delivery *last = &m[n - 1];
	for (size_t i = 0; i < n; i++)
		if (m[i].id == key)
			last = &m[i];
	if (last->order > l->high)
		l->high = last->order;
	try(m, n);
	CRASH_POINT("keeper-burst-ends");
	r = mark(w, l, m, n, key);
	return r < 0 ? r : give(w, l, last, m, n, false);
}

/* ---- Chatwoot's lanes ---- */

/* The one that was tried before or waits, else the oldest. */
static int
oldest(struct store *s, const struct lane *l, struct delivery *ret)
{
	int r = l->batch ? delivery_load(s, l->batch, ret) : DB_END;
	if (r < 0 || (r == 0 && ret->lane == l->id && (ret->state == DELIVERY_PENDING || ret->state == DELIVERY_WAITING)))
		return r;
	DB_QUERY(q);
	r = db_first(s, &q, "SELECT " DELIVERY_COLUMNS " FROM delivery"
	    " WHERE lane = ? AND state = 1 ORDER BY order_id, id LIMIT 1", DB_I(l->id));
	if (r == 0)
		delivery_read(q, ret);
	return r;
}

/* The wait for a post of unknown outcome is over.  *ret_over: so is the delivery. */
static int
end_wait(struct work *w, struct lane *l, struct delivery *d, bool *ret_over)
{
	enum unknown_outcome what;
	int r = unknown_end(w->s, d, w->ask->now_us, &what);
	*ret_over = what == UNKNOWN_OVER;
	if (r < 0 || what != UNKNOWN_LOOK)
		return r;
	CRASH_POINT("keeper-gives-lookup");
	r = mark(w, l, d, 1, d->id);
	return r < 0 ? r : give(w, l, d, d, 1, true);
}

static int
take_chatwoot(struct work *w, struct lane *l)
{
	struct delivery d;
	int r;
	while ((r = oldest(w->s, l, &d)) == 0 && w->ended < ENDED_MAX) {
		bool over = true;
		if (d.state == DELIVERY_WAITING) {
			r = end_wait(w, l, &d, &over);
			if (r < 0 || l->claimed)
				return r;
		} else {
			over = too_old(w->s, d.since_us, w->ask->now_us) || gave_up(w->s, &d, w->ask->now_us);
			r = over ? end_old(w->s, &d, 1, w->ask->now_us) : 0;
		}
		if (r < 0)
			return r;
		if (!over) {
			try(&d, 1);
			r = mark(w, l, &d, 1, d.id);
			return r < 0 ? r : give(w, l, &d, &d, 1, false);
		}
		w->ended++;
		l->batch = 0;
	}
	return r < 0 ? r : pass_over(w, l);
}

/* ---- whose turn it is ---- */

static void
wait_for(struct work *w, int64_t us)
{
	if (w->delay_us < 0 || us < w->delay_us)
		w->delay_us = us < 0 ? 0 : us;
}

/* May something of this destination be handed out? */
static int
is_open(struct work *w, int64_t tenant, int64_t dest, bool *ret)
{
	*ret = false;
	for (size_t i = 0; i < w->busies; i++)
		if (w->busy[2 * i] == tenant && w->busy[2 * i + 1] == dest)
			return 0;
	const struct db_stop *stop = stop_find(w->s, tenant, dest);
	if (stop && (stop->until_us == 0 || stop->until_us > w->ask->now_us)) {
		if (stop->until_us)
			wait_for(w, stop->until_us - w->ask->now_us);
		return 0;
	}
	*ret = true;
	return 0;
}

static int
take(struct work *w, int64_t id, int64_t tenant, int64_t dest)
{
	struct lane l;
	int r = 0;
	if (!w->entered)
		r = db_enter(w->s);
	if (r < 0)
		return r;
	w->entered = true;
	r = stop_find(w->s, tenant, dest) ? stop_lift(w->s, tenant, dest) : 0;      /* its time has passed */
	if (r == 0)
		r = lane_load(w->s, id, &l);
	if (r != 0)
		return r < 0 ? r : db_fail(w->s, "lane %" PRId64 " is gone", id);
	return dest == DEST_HUB ? take_hub(w, &l) : take_chatwoot(w, &l);
}

static bool
full(const struct work *w)
{
	return w->batches >= w->ask->max || w->members >= GIVEN_MAX || w->ended >= ENDED_MAX || w->bytes >= STORE_BATCH_BYTES;
}

static int
first_lane(struct store *s, struct sqlite3_stmt *q, struct lane *ret)
{
	int r = db_next(s, q);
	if (r == 0)
		*ret = (struct lane){ .tenant = db_int(q, 0), .dest = db_int(q, 1), .due_us = db_int(q, 2), .id = db_int(q, 3) };
	return r;
}

#define WAITING_LANE "SELECT tenant, dest, due_us, id FROM lane WHERE due_us IS NOT NULL AND claimed = 0 AND "

/* The next destination behind (tenant, dest) that has something, and its lane
 * that is due first: a step or two in the index, however long the queue is.
 * (Comparing both columns at once would read all lanes of the tenant.) */
static int
next_lane(struct store *s, int64_t tenant, int64_t dest, struct lane *ret)
{
	DB_QUERY(same);
	int r = db_open(s, &same, WAITING_LANE "tenant = ? AND dest > ? ORDER BY dest, due_us LIMIT 1",
	    DB_I(tenant), DB_I(dest));
	if (r == 0)
		r = first_lane(s, same, ret);
	if (r != DB_END)
		return r;
	DB_QUERY(next);
	r = db_open(s, &next, WAITING_LANE "tenant > ? ORDER BY tenant, dest, due_us LIMIT 1", DB_I(tenant));
	return r == 0 ? first_lane(s, next, ret) : r;
}

/* Once around all destinations, one lane each, from where the last turn ended. */
static int
go_round(struct work *w, bool *ret_any)
{
	int64_t from_tenant = w->s->turn_tenant, from_dest = w->s->turn_dest;
	int64_t tenant = from_tenant, dest = from_dest;
	bool wrapped = false, open;
	*ret_any = false;
	while (!full(w)) {
		struct lane l = { .id = 0 };
		int r = next_lane(w->s, tenant, dest, &l);
		if (r < 0)
			return r;
		if (r == DB_END) {
			if (wrapped)
				return 0;
			wrapped = true;
			tenant = dest = 0;
			continue;
		}
		if (wrapped && (l.tenant > from_tenant || (l.tenant == from_tenant && l.dest > from_dest)))
			return 0;
		tenant = l.tenant;
		dest = l.dest;
		r = is_open(w, tenant, dest, &open);
		if (r == 0 && open && l.due_us > w->ask->now_us) {
			wait_for(w, l.due_us - w->ask->now_us);
		} else if (r == 0 && open) {
			r = take(w, l.id, tenant, dest);
			*ret_any = true;
			w->s->turn_tenant = tenant;
			w->s->turn_dest = dest;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int
read_busy(struct work *w)
{
	const struct store_claim *ask = w->ask;
	w->busy = calloc(ask->busies + 1, 2 * sizeof(w->busy[0]));
	if (!w->busy)
		return -ENOMEM;
	for (size_t i = 0; i < ask->busies; i++) {
		int64_t id;
		int r = tenant_id(w->s, ask->busy[i].tenant, &id);
		if (r < 0)
			return r;
		if (r == DB_END)
			continue;
		w->busy[2 * w->busies] = id;
		w->busy[2 * w->busies++ + 1] = ask->busy[i].dest;
	}
	return 0;
}

int
store_claim(struct store *s, const struct store_claim *ask, const struct store_sink *sink, struct store_claimed *ret)
{
	struct work w = { .s = s, .ask = ask, .sink = sink, .delay_us = -1 };
	bool any = true;
	int r = read_busy(&w);
	while (r == 0 && any && !full(&w)) {
		w.delay_us = -1;        /* what this round sees */
		r = go_round(&w, &any);
	}
	if (full(&w))
		w.delay_us = 0;
	free(w.busy);
	if (w.entered)
		r = db_leave(s, r);
	if (r == 0)
		*ret = (struct store_claimed){ .batches = w.batches, .ended = w.ended, .delay_us = w.delay_us };
	return r;
}
