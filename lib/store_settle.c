/* What became of a batch, and what is done with the claims of a courier that
 * came back or went away. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base.h"
#include "lib/store.h"
#include "lib/store_db.h"

/* begun: a post had not begun, had begun, had begun when the connection broke */
enum { BEGUN_NO, BEGUN_YES, BEGUN_LOST };

static enum delivery_dest
dest_of(const struct delivery *d)
{
	return d->kind == DELIVERY_K_HUB || d->kind == DELIVERY_K_KNOWLEDGE ? DEST_HUB : DEST_CHATWOOT;
}

/* The lane takes its next batch. */
static int
lane_free(struct store *s, int64_t id, int64_t now_us)
{
	struct lane l;
	int r = lane_load(s, id, &l);
	if (r != 0)
		return r < 0 ? r : db_fail(s, "lane %" PRId64 " is gone", id);
	l.claimed = false;
	l.batch = 0;
	r = lane_store(s, &l);
	return r < 0 ? r : lane_refresh(s, id, now_us);
}

/* The lane waits until due_us; with the same batch when `batch` is not 0. */
static int
lane_wait(struct store *s, int64_t id, int64_t batch, int64_t due_us)
{
	struct lane l;
	int r = lane_load(s, id, &l);
	if (r != 0)
		return r < 0 ? r : db_fail(s, "lane %" PRId64 " is gone", id);
	l.claimed = false;
	l.batch = batch;
	l.due_us = due_us;
	return lane_store(s, &l);
}

/* ---- before a post ---- */

static int
ask_fence(struct store *s, const struct delivery *d, const char **ret_why)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT e.fence, e.mode, c.status, c.owner, c.owner_id, c.updated_us, c.human, c.stopped,"
	    " c.fence, c.fence_why, e.facts FROM event e JOIN conversation c ON c.id = e.conversation WHERE e.id = ?", DB_I(d->event));
	if (r != 0)
		return r < 0 ? r : db_fail(s, "delivery %" PRId64 " has no conversation", d->id);
	struct chatwoot_state state = {
		.known = true,
		.status = (enum chatwoot_status)db_int(q, 2), .owner = (enum chatwoot_owner)db_int(q, 3),
		.owner_id = db_int(q, 4), .updated_us = db_int(q, 5),
		.human = db_int(q, 6) != 0, .stopped = db_int(q, 7) != 0,
		.fence = (uint32_t)db_int(q, 8), .fence_why = (int)db_int(q, 9),
	};
	struct chatwoot_facts facts;
	struct chatwoot_policy policy;
	/* Facts that another version packed: the mode has a column of its own. */
	if (chatwoot_unpack(db_text(q, 10), &facts, &policy) < 0)
		policy = (struct chatwoot_policy){ .mode = (enum chatwoot_mode)db_int(q, 1), .answer_open = true };
	*ret_why = chatwoot_fence(&state, (uint32_t)db_int(q, 0), &policy);
	return 0;
}

static int
begin(struct store *s, const struct delivery *d, int64_t now_us, const char **reterr_why)
{
	const char *why = NULL;
	int r = ask_fence(s, d, &why);
	if (r < 0)
		return r;
	if (!why)
		return db_run(s, "UPDATE delivery SET begun = 1 WHERE id = ?", DB_I(d->id));
	r = delivery_end(s, d, DELIVERY_SUPPRESSED, 0, slice_of(why), now_us);
	if (r == 0)
		r = lane_free(s, d->lane, now_us);
	*reterr_why = why;
	return r < 0 ? r : STORE_E_SUPPRESSED;
}

int
store_begin(struct store *s, int64_t delivery, int64_t now_us, const char **reterr_why)
{
	struct delivery d;
	int r = delivery_load(s, delivery, &d);
	if (r < 0)
		return r;
	if (r == DB_END || d.state != DELIVERY_CLAIMED || dest_of(&d) != DEST_CHATWOOT)
		return STORE_E_GONE;
	r = db_enter(s);
	return r < 0 ? r : db_leave(s, begin(s, &d, now_us, reterr_why));
}

/* ---- after it ---- */

static int
make_next(struct store *s, const struct delivery *key, const struct store_settle *how)
{
	int r = 0;
	int64_t conversation = key->lane / 2, lane = lane_id(conversation, DEST_CHATWOOT), since;
	{
		DB_QUERY(q);
		r = db_first(s, &q, "SELECT received_us FROM event WHERE id = ?", DB_I(key->event));
		if (r != 0)
			return r < 0 ? r : db_fail(s, "delivery %" PRId64 " has no event", key->id);
		since = db_int(q, 0);
	}
	if (since < key->since_us)
		since = key->since_us;          /* the operator has called it young again */
	r = lane_add(s, lane, key->tenant, DEST_CHATWOOT, conversation, how->now_us, how->now_us);
	for (size_t i = 0; r == 0 && i < how->nexts; i++) {
		const struct store_next *n = &how->next[i];
		r = db_run(s, "INSERT INTO delivery (tenant, kind, state, event, lane, order_id, n, since_us, made_us, payload)"
		    " VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?)", DB_I(key->tenant), DB_I(n->kind), DB_I(DELIVERY_PENDING),
		    DB_I(key->event), DB_I(lane), DB_I(n->n), DB_I(since), DB_I(how->now_us), DB_B(n->payload));
		if (r == 0)
			r = books_move(s, key->tenant, (int)n->kind, BOOK_MADE, 1);
		if (r == 0)
			r = books_move(s, key->tenant, (int)n->kind, DELIVERY_PENDING, 1);
	}
	return r;
}

static int
settle_final(struct store *s, struct delivery *m, size_t n, enum delivery_state to, const struct store_settle *how)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = delivery_end(s, &m[i], to, how->status, how->reason, how->now_us);
	return r == 0 ? lane_free(s, m[0].lane, how->now_us) : r;
}

static int
settle_again(struct store *s, struct delivery *m, size_t n, int64_t batch, const struct store_settle *how)
{
	bool tried = how->verdict != SETTLE_RELEASE;
	int64_t delay = how->delay_us > 0 ? how->delay_us : 0;
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		m[i].begun = BEGUN_NO;
		if (!tried && m[i].attempt > 0)
			m[i].attempt--;
		if (m[i].attempt == 0)
			m[i].batch = batch = 0;         /* never sent: newer messages may still join */
		r = delivery_move(s, &m[i], DELIVERY_PENDING);
		if (r == 0 && tried)
			r = db_run(s, "UPDATE delivery SET status = ?, reason = ? WHERE id = ?", DB_I(how->status),
			    how->reason.len ? DB_T(how->reason) : DB_NULL, DB_I(m[i].id));
	}
	if (r < 0 || how->verdict != SETTLE_STOP)
		return r < 0 ? r : lane_wait(s, m[0].lane, batch, how->now_us + delay);
	r = stop_set(s, m[0].tenant, dest_of(&m[0]), how->delay_us < 0 ? 0 : how->now_us + delay, how->reason);
	return r < 0 ? r : lane_wait(s, m[0].lane, batch, how->now_us);
}

static int
settle(struct store *s, const struct delivery *d, const struct store_settle *how)
{
	struct delivery m[STORE_BATCH_MEMBERS];
	const struct delivery *key = d;
	size_t n;
	int r = delivery_members(s, d->lane, DELIVERY_CLAIMED, d->batch, m, &n);
	if (r < 0)
		return r;
	REQUIRE(n > 0);                         /* d itself is one */
	for (size_t i = 0; i < n; i++)
		if (m[i].id == d->batch)
			key = &m[i];
	struct delivery named = *key;
	switch (how->verdict) {
	case SETTLE_DONE:
		r = settle_final(s, m, n, DELIVERY_DONE, how);
		return r < 0 || how->nexts == 0 ? r : make_next(s, &named, how);
	case SETTLE_DEAD:
		return settle_final(s, m, n, DELIVERY_DEAD, how);
	case SETTLE_UNKNOWN:
		return settle_final(s, m, n, DELIVERY_UNKNOWN, how);
	case SETTLE_SUPPRESSED:
		return settle_final(s, m, n, DELIVERY_SUPPRESSED, how);
	case SETTLE_RETRY:
	case SETTLE_STOP:
	case SETTLE_RELEASE:
		return settle_again(s, m, n, d->batch, how);
	}
	return db_fail(s, "there is no verdict %d", (int)how->verdict);
}

int
store_settle(struct store *s, const struct store_settle *how, bool *ret_due)
{
	struct delivery d;
	*ret_due = false;
	int r = delivery_load(s, how->delivery, &d);
	if (r < 0)
		return r;
	if (r == DB_END || d.state < DELIVERY_CLAIMED)
		return STORE_E_GONE;
	if (d.state != DELIVERY_CLAIMED)
		return 0;                       /* said before, on a connection that broke */
	r = db_enter(s);
	if (r < 0)
		return r;
	r = db_leave(s, settle(s, &d, how));
	*ret_due = r == 0;
	return r;
}

/* ---- a courier that went away, or came back ---- */

/* Ends the claim of one lane.  A post that had begun may have been made. */
static int
release_lane(struct store *s, int64_t id, int64_t now_us, int64_t due_us)
{
	struct delivery m[STORE_BATCH_MEMBERS];
	struct lane l;
	size_t n = 0;
	bool waits = false;
	int r = lane_load(s, id, &l);
	if (r == 0)
		r = delivery_members(s, id, DELIVERY_CLAIMED, l.batch, m, &n);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (m[i].begun == BEGUN_NO) {
			waits = true;
			r = delivery_move(s, &m[i], DELIVERY_PENDING);
			continue;
		}
		r = delivery_end(s, &m[i], DELIVERY_UNKNOWN, 0,
		    SLICE("the courier was lost after the post had begun"), now_us);
		if (r == 0)
			r = db_run(s, "UPDATE delivery SET begun = 2 WHERE id = ?", DB_I(m[i].id));
	}
	if (r != 0)
		return r < 0 ? r : db_fail(s, "lane %" PRId64 " is gone", id);
	return waits ? lane_wait(s, id, l.batch, due_us) : lane_free(s, id, now_us);
}

#define RELEASED_AT_ONCE 256

static int
claimed_lanes(struct store *s, int64_t after, int64_t ret[static RELEASED_AT_ONCE], size_t *ret_n)
{
	DB_QUERY(q);
	size_t n = 0;
	int r = db_open(s, &q, "SELECT id FROM lane WHERE claimed = 1 AND id > ? ORDER BY id", DB_I(after));
	while (r == 0 && n < RELEASED_AT_ONCE && (r = db_next(s, q)) == 0)
		ret[n++] = db_int(q, 0);
	*ret_n = n;
	return r < 0 ? r : 0;
}

/* Every claim but those of the batches named. */
static int
release_but(struct store *s, const int64_t *kept, size_t n, int64_t now_us, int64_t not_before_us, size_t *ret_released)
{
	int64_t lane[RELEASED_AT_ONCE], after = 0, due = now_us > not_before_us ? now_us : not_before_us;
	size_t found;
	int r;
	while ((r = claimed_lanes(s, after, lane, &found)) == 0 && found > 0) {
		for (size_t i = 0; r == 0 && i < found; i++) {
			struct lane l;
			bool keep = false;
			r = lane_load(s, lane[i], &l);
			for (size_t k = 0; r == 0 && k < n; k++)
				keep |= kept[k] == l.batch;
			if (r == 0 && !keep) {
				r = release_lane(s, lane[i], now_us, due);
				++*ret_released;
			}
		}
		if (r < 0)
			return r;
		after = lane[found - 1];
	}
	return r;
}

int
store_release(struct store *s, int64_t now_us, int64_t not_before_us, size_t *ret_released)
{
	int64_t lane[RELEASED_AT_ONCE];
	size_t n;
	*ret_released = 0;
	int r = claimed_lanes(s, 0, lane, &n);
	if (r < 0 || n == 0)
		return r;
	r = db_enter(s);
	return r < 0 ? r : db_leave(s, release_but(s, NULL, 0, now_us, not_before_us, ret_released));
}

/* The courier died while it was building or judging this one. */
static int
charge(struct store *s, int64_t id, int64_t now_us)
{
	struct delivery d, m[STORE_BATCH_MEMBERS];
	size_t n;
	int r = delivery_load(s, id, &d);
	if (r != 0)
		return r < 0 ? r : 0;
	if (d.state > DELIVERY_CLAIMED || d.batch == 0 || d.begun != BEGUN_NO)
		return 0;
	r = delivery_members(s, d.lane, (enum delivery_state)d.state, d.batch, m, &n);
	bool dead = d.crashes + 1 >= STORE_CRASHES_MAX;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = db_run(s, "UPDATE delivery SET crashes = crashes + 1 WHERE id = ?", DB_I(m[i].id));
		if (r == 0 && dead)
			r = delivery_end(s, &m[i], DELIVERY_DEAD, 0, SLICE("crashed the courier 3 times"), now_us);
	}
	return r < 0 || !dead ? r : lane_free(s, d.lane, now_us);
}

/* Gives a batch back to the courier that still holds it.  0: it has it,
 * STORE_E_GONE. */
static int
grant(struct store *s, int64_t key)
{
	struct delivery d, m[STORE_BATCH_MEMBERS];
	struct lane l;
	size_t n;
	int r = delivery_load(s, key, &d);
	if (r == 0)
		r = lane_load(s, d.lane, &l);
	if (r != 0)
		return r < 0 ? r : STORE_E_GONE;
	if (d.state == DELIVERY_CLAIMED)
		return d.batch == key ? 0 : STORE_E_GONE;
	bool lost = d.state == DELIVERY_UNKNOWN && d.begun == BEGUN_LOST;
	if (l.claimed || d.batch != key || (d.state != DELIVERY_PENDING && !lost))
		return STORE_E_GONE;
	if (lost) {
		m[0] = d;
		m[0].begun = BEGUN_YES;
		n = 1;
	} else {
		r = delivery_members(s, l.id, DELIVERY_PENDING, key, m, &n);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = delivery_move(s, &m[i], DELIVERY_CLAIMED);
	if (r < 0)
		return r;
	l.claimed = true;
	l.batch = key;
	r = lane_store(s, &l);
	return r < 0 ? r : lane_refresh(s, l.id, 0);
}

static int
hello(struct store *s, const struct store_hello *h, void (*granted)(void *, int64_t), void *context)
{
	size_t released = 0;
	int r = h->crashed ? charge(s, h->crashed, h->now_us) : 0;
	for (size_t i = 0; r == 0 && i < h->helds; i++) {
		r = grant(s, h->held[i]);
		if (r == 0)
			granted(context, h->held[i]);
		if (r == STORE_E_GONE)
			r = 0;
	}
	return r < 0 ? r : release_but(s, h->held, h->helds, h->now_us, h->not_before_us, &released);
}

int
store_hello(struct store *s, const struct store_hello *h, void (*granted)(void *, int64_t key), void *context)
{
	int64_t lane[RELEASED_AT_ONCE];
	size_t n = 0;
	int r = claimed_lanes(s, 0, lane, &n);
	if (r < 0 || (n == 0 && h->helds == 0 && h->crashed == 0))
		return r;
	r = db_enter(s);
	return r < 0 ? r : db_leave(s, hello(s, h, granted, context));
}
