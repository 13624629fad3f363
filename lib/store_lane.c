/* Lanes, deliveries and stops: the moves that the other files of the store are
 * written in.  Every move of a delivery moves its counters too, here and
 * nowhere else. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base.h"
#include "lib/store.h"
#include "lib/store_db.h"

/* ---- lanes ---- */

int
lane_load(struct store *s, int64_t id, struct lane *ret)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT tenant, dest, due_us, claimed, batch, high FROM lane WHERE id = ?", DB_I(id));
	if (r == 0)
		*ret = (struct lane){
			.id = id, .tenant = db_int(q, 0), .dest = db_int(q, 1),
			.due_us = db_null(q, 2) ? -1 : db_int(q, 2), .claimed = db_int(q, 3) != 0,
			.batch = db_int(q, 4), .high = db_int(q, 5),
		};
	return r;
}

int
lane_store(struct store *s, const struct lane *l)
{
	return db_run(s, "UPDATE lane SET due_us = ?, claimed = ?, batch = ?, high = ? WHERE id = ?",
	    l->due_us < 0 ? DB_NULL : DB_I(l->due_us), DB_I(l->claimed), DB_I(l->batch), DB_I(l->high), DB_I(l->id));
}

int
lane_add(struct store *s, int64_t id, int64_t tenant, enum delivery_dest dest, int64_t conversation,
    int64_t now_us, int64_t due_us)
{
	/* A message moves a debounce on, up to the end of the longest burst, but
	 * never a lane that is due already (a busy conversation would never come
	 * to its turn), nor a wait that was asked for. */
	return db_run(s, "INSERT INTO lane (id, tenant, dest, conversation, due_us, first_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
	    " ON CONFLICT (id) DO UPDATE SET"
	    " first_us = CASE WHEN due_us IS NULL THEN excluded.first_us ELSE first_us END,"
	    " due_us = CASE WHEN due_us IS NULL THEN excluded.due_us"
	    " WHEN (batch <> 0 AND claimed = 0) OR due_us <= ?6 THEN due_us"
	    " ELSE max(due_us, min(excluded.due_us, first_us + ?7)) END",
	    DB_I(id), DB_I(tenant), DB_I(dest), DB_I(conversation), DB_I(due_us), DB_I(now_us), DB_I(STORE_BURST_US));
}

/* What waits in it: *ret_waiting, the batch itself; *ret_delay_us, the pause
 * before the first that is pending (-1: none is). */
static int
lane_holds(struct store *s, int64_t id, bool *ret_waiting, int64_t *ret_delay_us)
{
	*ret_delay_us = -1;
	{
		DB_QUERY(q);
		int r = db_first(s, &q, "SELECT delay_us FROM delivery WHERE lane = ? AND state = 1 ORDER BY order_id, id LIMIT 1", DB_I(id));
		if (r < 0)
			return r;
		if (r == 0)
			*ret_delay_us = db_int(q, 0);
	}
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT 1 FROM delivery WHERE lane = ? AND state = 3 LIMIT 1", DB_I(id));
	*ret_waiting = r == 0;
	return r < 0 ? r : 0;
}

static int
batch_pending(struct store *s, int64_t id, int64_t batch, bool *ret)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT 1 FROM delivery WHERE lane = ? AND state = 1 AND batch = ? LIMIT 1",
	    DB_I(id), DB_I(batch));
	*ret = r == 0;
	return r < 0 ? r : 0;
}

int
lane_refresh(struct store *s, int64_t id, int64_t now_us)
{
	struct lane l;
	bool waiting = false, again = true;
	int64_t delay_us = -1;
	int r = lane_load(s, id, &l);
	if (r == 0)
		r = lane_holds(s, id, &waiting, &delay_us);
	if (r == 0 && l.batch && !l.claimed && !waiting)
		r = batch_pending(s, id, l.batch, &again);
	if (r != 0)
		return r < 0 ? r : db_fail(s, "a delivery has no lane");
	if (!again)
		l.batch = 0;
	if (delay_us < 0 && !waiting)
		l.due_us = -1;
	else if (l.due_us < 0)
		l.due_us = now_us + (delay_us > 0 ? delay_us : 0);
	return lane_store(s, &l);
}

int
lane_free(struct store *s, int64_t id, int64_t now_us)
{
	struct lane l;
	int r = lane_load(s, id, &l);
	if (r != 0)
		return r < 0 ? r : db_fail(s, "lane %" PRId64 " is gone", id);
	/* A pause before the next part counts from here, and what the batch itself
	 * waited for is over; a debounce of others goes on. */
	if (l.dest == DEST_CHATWOOT || !l.claimed)
		l.due_us = -1;
	l.claimed = false;
	l.batch = 0;
	r = lane_store(s, &l);
	return r < 0 ? r : lane_refresh(s, id, now_us);
}

int
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

/* ---- deliveries ---- */

void
delivery_read(struct sqlite3_stmt *q, struct delivery *ret)
{
	*ret = (struct delivery){
		.id = db_int(q, 0), .tenant = db_int(q, 1), .lane = db_int(q, 2), .event = db_int(q, 3),
		.batch = db_int(q, 4), .attempt = db_int(q, 5), .crashes = db_int(q, 6), .order = db_int(q, 7),
		.since_us = db_int(q, 8), .made_us = db_int(q, 9), .kind = (int)db_int(q, 10),
		.state = (int)db_int(q, 11), .begun = (int)db_int(q, 12), .claimed_us = db_int(q, 13),
		.lookups = db_int(q, 14), .n = db_int(q, 15), .ladder = db_int(q, 16) != 0, .replayed = db_int(q, 17) != 0,
	};
}

int
delivery_load(struct store *s, int64_t id, struct delivery *ret)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE id = ?", DB_I(id));
	if (r == 0)
		delivery_read(q, ret);
	return r;
}

static int
count_move(struct store *s, const struct delivery *d, enum delivery_state to)
{
	int r = books_move(s, d->tenant, d->kind, d->state, -1);
	return r < 0 ? r : books_move(s, d->tenant, d->kind, (int)to, 1);
}

int
delivery_end(struct store *s, const struct delivery *d, enum delivery_state to, int64_t status,
    struct slice reason, int64_t now_us)
{
	int r = db_run(s, "UPDATE delivery SET state = ?, status = ?, reason = ?, settled_us = ? WHERE id = ?",
	    DB_I(to), DB_I(status), reason.len ? DB_T(reason) : DB_NULL, DB_I(now_us), DB_I(d->id));
	return r < 0 ? r : count_move(s, d, to);
}

int
delivery_move(struct store *s, const struct delivery *d, enum delivery_state to)
{
	int r = db_run(s, "UPDATE delivery SET state = ?, batch = ?, attempt = ?, begun = ?, claimed_us = ?, lookups = ?,"
	    " settled_us = NULL WHERE id = ?", DB_I(to), DB_I(d->batch), DB_I(d->attempt), DB_I(d->begun),
	    DB_I(d->claimed_us), DB_I(d->lookups), DB_I(d->id));
	return r < 0 ? r : count_move(s, d, to);
}

int
delivery_members(struct store *s, int64_t lane, enum delivery_state state, int64_t batch,
    struct delivery ret[static STORE_BATCH_MEMBERS], size_t *ret_n)
{
	DB_QUERY(q);
	size_t n = 0;
	/* The state stands in the text, or the partial indexes would not be seen. */
	int r = state == DELIVERY_CLAIMED
	    ? db_open(s, &q, "SELECT " DELIVERY_COLUMNS " FROM delivery"
	        " WHERE lane = ? AND state = 2 AND batch = ? ORDER BY order_id, id", DB_I(lane), DB_I(batch))
	    : state == DELIVERY_WAITING
	    ? db_open(s, &q, "SELECT " DELIVERY_COLUMNS " FROM delivery"
	        " WHERE lane = ? AND state = 3 AND batch = ? ORDER BY order_id, id", DB_I(lane), DB_I(batch))
	    : state == DELIVERY_HELD
	    ? db_open(s, &q, "SELECT " DELIVERY_COLUMNS " FROM delivery"
	        " WHERE lane = ? AND state = 4 AND batch = ? ORDER BY order_id, id", DB_I(lane), DB_I(batch))
	    : db_open(s, &q, "SELECT " DELIVERY_COLUMNS " FROM delivery"
	        " WHERE lane = ? AND state = 1 AND batch = ? ORDER BY order_id, id", DB_I(lane), DB_I(batch));
	if (r < 0)
		return r;
	while (n < STORE_BATCH_MEMBERS && (r = db_next(s, q)) == 0)
		delivery_read(q, &ret[n++]);
	*ret_n = n;
	return r < 0 ? r : 0;
}

/* ---- stops ---- */

const struct db_stop *
stop_find(const struct store *s, int64_t tenant, int64_t dest)
{
	for (size_t i = 0; i < s->stops; i++)
		if (s->stop[i].tenant == tenant && s->stop[i].dest == dest)
			return &s->stop[i];
	return NULL;
}

int
stop_load(struct store *s)
{
	DB_QUERY(q);
	s->stops = 0;
	int r = db_open(s, &q, "SELECT tenant, dest, until_us FROM stop");
	if (r < 0)
		return r;
	while ((r = db_next(s, q)) == 0) {
		r = array_grow((void **)&s->stop, &s->stop_cap, s->stops, sizeof(s->stop[0]));
		if (r < 0)
			return r;
		s->stop[s->stops++] = (struct db_stop){ db_int(q, 0), db_int(q, 1), db_int(q, 2) };
	}
	return r < 0 ? r : 0;
}

int
stop_set(struct store *s, int64_t tenant, int64_t dest, int64_t until_us, struct slice reason)
{
	int r = db_run(s, "INSERT INTO stop (tenant, dest, until_us, reason) VALUES (?, ?, ?, ?)"
	    " ON CONFLICT DO UPDATE SET until_us = excluded.until_us, reason = excluded.reason",
	    DB_I(tenant), DB_I(dest), DB_I(until_us), DB_T(reason));
	return r < 0 ? r : stop_load(s);
}

int
stop_lift(struct store *s, int64_t tenant, int64_t dest)
{
	bool any = false;
	for (size_t i = 0; i < s->stops; i++)
		any |= s->stop[i].tenant == tenant && (dest == 0 || s->stop[i].dest == dest);
	if (!any)
		return 0;
	int r = db_run(s, "DELETE FROM stop WHERE tenant = ?1 AND (?2 = 0 OR dest = ?2)", DB_I(tenant), DB_I(dest));
	return r < 0 ? r : stop_load(s);
}

/* ---- the clock ---- */

#define CLOCK_SLACK_US INT64_C(1000000)       /* a clock that is corrected a little now and then */

static int
keep_clock(struct store *s, int64_t now_us)
{
	return db_run(s, "INSERT INTO meta VALUES ('clock', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", DB_I(now_us));
}

int
store_clock(struct store *s, int64_t now_us)
{
	int r = db_enter(s);
	return r < 0 ? r : db_leave(s, keep_clock(s, now_us));
}

int
store_clock_set_back(struct store *s, int64_t now_us, int64_t *ret_back_us)
{
	int64_t back = 0;
	{
		DB_QUERY(q);
		int r = db_first(s, &q, "SELECT value FROM meta WHERE name = 'clock'");
		if (r < 0)
			return r;
		if (r == 0)
			back = db_int(q, 0) - now_us;
	}
	*ret_back_us = back > CLOCK_SLACK_US ? back : 0;
	if (*ret_back_us == 0)
		return 0;
	int r = db_enter(s);
	if (r < 0)
		return r;
	r = db_run(s, "UPDATE lane SET due_us = max(0, due_us - ?1), first_us = max(0, first_us - ?1) WHERE due_us IS NOT NULL",
	    DB_I(back));
	return db_leave(s, r < 0 ? r : keep_clock(s, now_us));
}
