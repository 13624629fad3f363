/* What becomes of the claims of a courier that went away, or came back. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"

/* Ends the claim of one lane.  A post that had begun may have been made; and an
 * answer may have come by itself meanwhile. */
static int
release_lane(struct store *s, int64_t id, int64_t now_us, int64_t due_us)
{
	struct delivery m[STORE_BATCH_MEMBERS];
	struct lane l;
	size_t n = 0;
	int r = lane_load(s, id, &l);
	if (r == 0)
		r = delivery_members(s, id, DELIVERY_CLAIMED, l.batch, m, &n);
	if (r != 0)
		return r < 0 ? r : db_fail(s, "lane %" PRId64 " is gone", id);
	if (n == 0)
		return lane_free(s, id, now_us);
	if (m[0].begun != BEGUN_NO) {
		if (m[0].begun == BEGUN_YES)
			m[0].begun = BEGUN_LOST;
		return unknown_wait(s, &m[0], 0, SLICE("the courier was lost after the post had begun"), now_us);
	}
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = delivery_move(s, &m[i], DELIVERY_PENDING);
		m[i].state = DELIVERY_PENDING;
	}
	if (r == 0)
		r = lane_wait(s, id, l.batch, due_us);
	bool settled;
	for (size_t i = 0; r == 0 && l.dest == DEST_HUB && i < n; i++)
		if (m[i].id == l.batch)
			return pocket_settle(s, m, n, &m[i], now_us, &settled);
	return r;
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
		CRASH_POINT("keeper-releases");
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

/* The courier died while it was building or judging this one.  Whoever says so
 * may die before it hears that we know, and then the next one says it again. */
static int
charge(struct store *s, int64_t id, int64_t crashes, int64_t now_us)
{
	const struct slice why = SLICE("crashed the courier 3 times");
	struct delivery d, m[STORE_BATCH_MEMBERS];
	size_t n;
	int r = delivery_load(s, id, &d);
	if (r != 0)
		return r < 0 ? r : 0;
	if (d.state > DELIVERY_CLAIMED || d.batch == 0 || d.begun != BEGUN_NO || d.crashes != crashes)
		return 0;
	r = delivery_members(s, d.lane, (enum delivery_state)d.state, d.batch, m, &n);
	bool dead = d.crashes + 1 >= STORE_CRASHES_MAX;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = db_run(s, "UPDATE delivery SET crashes = crashes + 1 WHERE id = ?", DB_I(m[i].id));
		if (r == 0 && dead)
			r = delivery_end(s, &m[i], DELIVERY_DEAD, 0, why, now_us);
	}
	if (r < 0 || !dead)
		return r;
	r = lane_free(s, d.lane, now_us);
	return r < 0 ? r : ladder_make(s, &d, why, now_us);
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
	bool lost = d.state == DELIVERY_WAITING && d.begun == BEGUN_LOST;
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
	int r = h->crashed ? charge(s, h->crashed, h->crashes, h->now_us) : 0;
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
