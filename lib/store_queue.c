/* The operator's view of the deliveries, and his hand in them. */
#include <errno.h>
#include <string.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"

/* Rows that one call reads at most, found or not: the keeper has one thread,
 * and nobody's webhook waits for a list. */
#define LOOKED_MAX 20000
#define FOUND_MAX  1000

#define BIT(state) (1u << (state))
#define WAITING_STATES (BIT(DELIVERY_PENDING) | BIT(DELIVERY_WAITING) | BIT(DELIVERY_HELD))
#define RETRY_STATES (BIT(DELIVERY_PENDING) | BIT(DELIVERY_DEAD) | BIT(DELIVERY_UNKNOWN) | BIT(DELIVERY_SUPPRESSED) \
	| BIT(DELIVERY_DROPPED) | BIT(DELIVERY_EXPIRED) | BIT(DELIVERY_HELD))
#define DROP_STATES (WAITING_STATES | BIT(DELIVERY_DEAD) | BIT(DELIVERY_UNKNOWN) | BIT(DELIVERY_SUPPRESSED) \
	| BIT(DELIVERY_EXPIRED))

struct search {
	const struct store_filter *f;
	int64_t  tenant;                        /* 0: any */
	unsigned states;
	int64_t  found[FOUND_MAX];
	size_t   n, max, looked;
	int64_t  last;
	bool     more;
};

/* ---- finding ---- */

static int
open_search(struct store *s, const struct search *h, struct sqlite3_stmt **ret)
{
	const struct store_filter *f = h->f;
	if (f->event)
		return db_open(s, ret, "SELECT id, tenant, kind, state, made_us FROM delivery"
		    " WHERE event = (SELECT id FROM event WHERE uuid = ?) AND id > ? ORDER BY id",
		    DB_B(slice_from(f->event->byte, sizeof(f->event->byte))), DB_I(f->after));
	if (f->state > DELIVERY_DONE)
		return db_open(s, ret, "SELECT id, tenant, kind, state, made_us FROM delivery"
		    " WHERE state = ? AND state > 5 AND id > ? ORDER BY id", DB_I(f->state), DB_I(f->after));
	return db_open(s, ret, "SELECT id, tenant, kind, state, made_us FROM delivery WHERE id > ? ORDER BY id", DB_I(f->after));
}

static void
look_at(struct search *h, struct sqlite3_stmt *q)
{
	const struct store_filter *f = h->f;
	h->last = db_int(q, 0);
	h->looked++;
	if (h->tenant && db_int(q, 1) != h->tenant)
		return;
	if (f->kind && db_int(q, 2) != (int64_t)f->kind)
		return;
	if (!(h->states & BIT(db_int(q, 3))))
		return;
	if ((f->older_us && db_int(q, 4) >= f->older_us) || (f->newer_us && db_int(q, 4) < f->newer_us))
		return;
	h->found[h->n++] = h->last;
}

static int
search_ids(struct store *s, struct search *h)
{
	for (size_t i = 0; i < h->f->ids && h->n < h->max; i++) {
		DB_QUERY(q);
		int r = db_first(s, &q, "SELECT id, tenant, kind, state, made_us FROM delivery WHERE id = ?", DB_I(h->f->id[i]));
		if (r < 0)
			return r;
		if (r == 0)
			look_at(h, q);
	}
	return 0;
}

static int
search(struct store *s, struct search *h)
{
	int r;
	h->max = h->f->max && h->f->max < FOUND_MAX ? h->f->max : FOUND_MAX;
	h->last = h->f->after;
	if (h->f->tenant.len) {
		DB_QUERY(t);
		r = db_first(s, &t, "SELECT id FROM tenant WHERE name = ?", DB_T(h->f->tenant));
		if (r != 0)
			return r < 0 ? r : 0;           /* nobody's deliveries */
		h->tenant = db_int(t, 0);
	}
	if (h->f->ids)
		return search_ids(s, h);
	DB_QUERY(q);
	r = open_search(s, h, &q);
	while (r == 0 && h->n < h->max && h->looked < LOOKED_MAX && (r = db_next(s, q)) == 0)
		look_at(h, q);
	h->more = r == 0;
	return r < 0 ? r : 0;
}

static unsigned
states_of(const struct store_filter *f, unsigned allowed, unsigned without)
{
	return f->state ? allowed & BIT(f->state) : f->ids ? allowed : without;
}

/* ---- showing ---- */

static int
show(struct store *s, int64_t id, void (*row)(void *, const struct store_row *), void *context)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT d.kind, d.state, t.name, e.installation, e.request, e.sender, d.reason, e.uuid,"
	    " d.n, e.account, e.display, e.inbox, e.message, e.decision, d.attempt, d.crashes, d.status, d.batch,"
	    " e.received_us, d.made_us, CASE WHEN d.state IN (1, 3) THEN l.due_us ELSE 0 END, d.settled_us, d.late,"
	    " d.replayed, d.ladder"
	    " FROM delivery d JOIN event e ON e.id = d.event JOIN tenant t ON t.id = d.tenant"
	    " JOIN lane l ON l.id = d.lane WHERE d.id = ?", DB_I(id));
	if (r != 0)
		return r < 0 ? r : 0;
	struct store_row one = {
		.id = id, .kind = (enum delivery_kind)db_int(q, 0), .state = (enum delivery_state)db_int(q, 1),
		.tenant = db_text(q, 2), .installation = db_text(q, 3), .request_id = db_text(q, 4),
		.sender = db_text(q, 5), .reason = db_text(q, 6), .event = db_uuid(q, 7),
		.n = db_int(q, 8), .account = db_int(q, 9), .conversation = db_int(q, 10), .inbox = db_int(q, 11),
		.message = db_int(q, 12), .decision = db_int(q, 13), .attempt = db_int(q, 14),
		.crashes = db_int(q, 15), .status = db_int(q, 16), .batch = db_int(q, 17),
		.received_us = db_int(q, 18), .created_us = db_int(q, 19), .due_us = db_int(q, 20),
		.settled_us = db_int(q, 21), .late = db_int(q, 22) != 0,
		.replayed = db_int(q, 23) != 0, .ladder = db_int(q, 24) != 0,
	};
	row(context, &one);
	return 0;
}

int
store_list(struct store *s, const struct store_filter *f, void (*row)(void *, const struct store_row *),
    void *context, struct store_progress *ret)
{
	struct search h = { .f = f, .states = f->state ? BIT(f->state) : ~0u };
	int r = search(s, &h);
	for (size_t i = 0; r == 0 && i < h.n; i++)
		r = show(s, h.found[i], row, context);
	if (r == 0)
		*ret = (struct store_progress){ .count = (int64_t)h.n, .last = h.last, .more = h.more };
	return r;
}

/* ---- changing ---- */

/* A destination that was given thousands back is asked at a pace. */
static int64_t
replay_slot(struct store *s, int64_t now_us)
{
	if (s->rules.replay_rate == 0)
		return now_us;
	if (s->replay_us < now_us)
		s->replay_us = now_us;
	int64_t slot = s->replay_us;
	s->replay_us += 1000000 / (int64_t)s->rules.replay_rate;
	return slot;
}

static int
retry_one(struct store *s, const struct delivery *was, int64_t now_us)
{
	struct delivery d = *was;
	struct lane l;
	int64_t due = now_us;
	int r = lane_load(s, d.lane, &l);
	if (r != 0)
		return r < 0 ? r : db_fail(s, "a delivery has no lane");
	if (d.state != DELIVERY_PENDING) {
		/* A new life: its age, its attempts and its batch begin again. */
		d.batch = d.attempt = d.begun = 0;
		d.lookups = 0;
		r = db_run(s, "UPDATE delivery SET crashes = 0, late = 0, status = 0, reason = NULL, replayed = 1, delay_us = 0,"
		    " since_us = ?1, made_us = ?1 WHERE id = ?2", DB_I(now_us), DB_I(d.id));
		/* What the hub said by itself was said to the question of before. */
		if (r == 0 && d.kind == DELIVERY_K_HUB)
			r = db_run(s, "DELETE FROM answer WHERE event = ?", DB_I(d.event));
		if (r == 0)
			r = delivery_move(s, &d, DELIVERY_PENDING);
		due = replay_slot(s, now_us);
	}
	/* A lane that waits for something keeps its time; its batch goes first. */
	bool waits = l.batch != 0 && !l.claimed;
	if (l.due_us < 0 || (l.due_us > due && !waits) || (waits && was->state == DELIVERY_PENDING))
		l.due_us = due;
	if (r == 0)
		r = lane_store(s, &l);
	return r == 0 ? stop_lift(s, l.tenant, l.dest) : r;
}

static int
hold_one(struct store *s, const struct delivery *d, int64_t now_us)
{
	struct delivery m[STORE_BATCH_MEMBERS] = { *d };
	size_t n = 1;
	int r = d->batch ? delivery_members(s, d->lane, DELIVERY_PENDING, d->batch, m, &n) : 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = delivery_move(s, &m[i], DELIVERY_HELD);
	return r == 0 ? lane_refresh(s, d->lane, now_us) : r;
}

/* What was sent before goes as it was, with members and key; where another batch
 * of the lane is on its way it is asked anew. */
static int
let_go_one(struct store *s, const struct delivery *d, int64_t now_us)
{
	struct delivery m[STORE_BATCH_MEMBERS] = { *d };
	struct lane l;
	size_t n = 1;
	int r = d->batch ? delivery_members(s, d->lane, DELIVERY_HELD, d->batch, m, &n) : 0;
	if (r == 0)
		r = lane_load(s, d->lane, &l);
	bool as_it_was = r == 0 && d->batch != 0 && !l.claimed && l.batch == 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!as_it_was)
			m[i].batch = m[i].attempt = 0;
		r = delivery_move(s, &m[i], DELIVERY_PENDING);
	}
	if (r == 0 && as_it_was) {
		l.batch = d->batch;
		r = lane_store(s, &l);
	}
	return r == 0 ? lane_refresh(s, d->lane, now_us) : r;
}

static int
drop_one(struct store *s, const struct delivery *d, int64_t now_us)
{
	struct lane l;
	int r = delivery_end(s, d, DELIVERY_DROPPED, 0, SLICE("dropped by the operator"), now_us);
	if (r == 0)
		r = lane_load(s, d->lane, &l);
	if (r != 0)
		return r < 0 ? r : db_fail(s, "a delivery has no lane");
	/* The last that its lane waited for: the next need not. */
	if (d->state == DELIVERY_WAITING && !l.claimed && l.batch == d->batch) {
		struct delivery m[STORE_BATCH_MEMBERS];
		size_t left;
		r = delivery_members(s, l.id, DELIVERY_WAITING, l.batch, m, &left);
		return r < 0 ? r : left == 0 ? lane_free(s, l.id, now_us) : 0;
	}
	return d->state < DELIVERY_DONE ? lane_refresh(s, l.id, now_us) : 0;
}

static int
change_one(struct store *s, enum store_change how, int64_t id, int64_t now_us)
{
	struct delivery d;
	int r = delivery_load(s, id, &d);
	if (r != 0)
		return r < 0 ? r : db_fail(s, "delivery %lld is gone", (long long)id);
	switch (how) {
	case STORE_RETRY:
		return retry_one(s, &d, now_us);
	case STORE_HOLD:        /* with its batch, perhaps, a moment ago */
		return d.state == DELIVERY_PENDING ? hold_one(s, &d, now_us) : 0;
	case STORE_LET_GO:
		return d.state == DELIVERY_HELD ? let_go_one(s, &d, now_us) : 0;
	case STORE_DROP:
		return drop_one(s, &d, now_us);
	}
	return db_fail(s, "there is no such change");
}

static unsigned
change_states(enum store_change how, const struct store_filter *f)
{
	switch (how) {
	case STORE_RETRY:
		return states_of(f, RETRY_STATES, BIT(DELIVERY_PENDING) | BIT(DELIVERY_DEAD) | BIT(DELIVERY_UNKNOWN));
	case STORE_HOLD:
		return states_of(f, BIT(DELIVERY_PENDING), BIT(DELIVERY_PENDING));
	case STORE_LET_GO:
		return states_of(f, BIT(DELIVERY_HELD), BIT(DELIVERY_HELD));
	case STORE_DROP:
		return states_of(f, DROP_STATES, WAITING_STATES | BIT(DELIVERY_DEAD) | BIT(DELIVERY_UNKNOWN));
	}
	return 0;
}

static int
change_found(struct store *s, enum store_change how, const struct search *h, int64_t now_us)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < h->n; i++)
		r = change_one(s, how, h->found[i], now_us);
	CRASH_POINT("keeper-queue-changes");
	return r;
}

int
drop_some(struct store *s, const struct store_filter *f, int64_t now_us, struct store_progress *ret)
{
	struct search h = { .f = f, .states = WAITING_STATES };
	int r = search(s, &h);
	if (r == 0)
		r = change_found(s, STORE_DROP, &h, now_us);
	*ret = (struct store_progress){ .count = (int64_t)h.n, .last = h.last, .more = h.more };
	return r;
}

int
store_change(struct store *s, enum store_change how, const struct store_filter *f, bool dry_run, int64_t now_us,
    struct store_progress *ret)
{
	struct search h = { .f = f, .states = change_states(how, f) };
	int r = search(s, &h);
	if (r == 0 && h.n && !dry_run) {
		r = db_enter(s);
		if (r == 0)
			r = db_leave(s, change_found(s, how, &h, now_us));
	}
	if (r == 0)
		*ret = (struct store_progress){ .count = (int64_t)h.n, .last = h.last, .more = h.more };
	return r;
}
