/* What is too old to be answered, and what was tried for too long. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/base.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define LOOKED_MAX 200          /* deliveries that one call looks at */

bool
too_old(const struct store *s, int64_t since_us, int64_t now_us)
{
	return s->rules.message_age_us > 0 && since_us < now_us - s->rules.message_age_us;
}

bool
gave_up(const struct store *s, const struct delivery *d, int64_t now_us)
{
	return s->rules.give_up_us > 0 && d->attempt > 0 && d->made_us < now_us - s->rules.give_up_us;
}

int
end_old(struct store *s, const struct delivery *d, size_t n, int64_t now_us)
{
	char why[STORE_TEXT] = "older than delivery.message_age when its turn came";
	const struct delivery *last = NULL;
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		bool old = too_old(s, d[i].since_us, now_us);
		int64_t minutes = (now_us - d[i].made_us) / 60000000;
		if (!old)
			snprintf(why, sizeof(why), "gave up after %" PRId64 " h %" PRId64 " min and %" PRId64 " attempts",
			    minutes / 60, minutes % 60, d[i].attempt);
		r = delivery_end(s, &d[i], old ? DELIVERY_EXPIRED : DELIVERY_DEAD, 0, slice_of(why), now_us);
		if (d[i].kind == DELIVERY_K_HUB || d[i].kind == DELIVERY_K_REPLY)
			last = &d[i];
	}
	return r == 0 && last ? ladder_make(s, last, slice_of(why), now_us) : r;
}

/* A batch that was sent ends as a whole, with its youngest. */
static int
end_batch(struct store *s, const struct delivery *d, int64_t now_us, size_t *ret_ended)
{
	struct delivery m[STORE_BATCH_MEMBERS];
	size_t n = 0;
	int r = delivery_members(s, d->lane, DELIVERY_PENDING, d->batch, m, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (!too_old(s, m[i].since_us, now_us) && !gave_up(s, &m[i], now_us))
			return 0;
	if (r == 0)
		r = end_old(s, m, n, now_us);
	*ret_ended += n;
	return r == 0 ? lane_refresh(s, d->lane, now_us) : r;
}

static int
look_at(struct store *s, int64_t id, int64_t now_us, size_t *ret_ended)
{
	struct delivery d;
	int r = delivery_load(s, id, &d);
	if (r != 0 || d.state != DELIVERY_PENDING)
		return r < 0 ? r : 0;
	if (d.batch != 0 && d.attempt > 0 && d.kind == DELIVERY_K_HUB)
		return end_batch(s, &d, now_us, ret_ended);
	if (!too_old(s, d.since_us, now_us) && !gave_up(s, &d, now_us))
		return 0;
	++*ret_ended;
	r = end_old(s, &d, 1, now_us);
	return r == 0 ? lane_refresh(s, d.lane, now_us) : r;
}

static int64_t
limit_us(const struct store *s)
{
	int64_t a = s->rules.message_age_us, b = s->rules.give_up_us;
	return a > 0 && (b <= 0 || a < b) ? a : b;
}

int
store_age(struct store *s, int64_t now_us, size_t *ret_ended, bool *ret_more)
{
	int64_t id[LOOKED_MAX], limit = limit_us(s);
	size_t n = 0;
	*ret_ended = 0;
	*ret_more = false;
	if (limit <= 0)
		return 0;
	{
		DB_QUERY(q);
		int r = db_open(s, &q, "SELECT id, since_us FROM delivery WHERE state = 1 AND since_us >= ? AND since_us < ?"
		    " ORDER BY since_us, id", DB_I(s->age_us), DB_I(now_us - limit));
		while (r == 0 && n < LOOKED_MAX && (r = db_next(s, q)) == 0) {
			if (db_int(q, 1) == s->age_us && db_int(q, 0) <= s->age_id)
				continue;
			id[n++] = db_int(q, 0);
			if (n == LOOKED_MAX) {
				s->age_us = db_int(q, 1);
				s->age_id = db_int(q, 0);
			}
		}
		if (r < 0)
			return r;
	}
	*ret_more = n == LOOKED_MAX;
	if (!*ret_more)
		s->age_us = s->age_id = 0;              /* from the beginning, the next time */
	if (n == 0)
		return 0;
	int r = db_enter(s);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = look_at(s, id[i], now_us, ret_ended);
	return db_leave(s, r);
}

int
store_oldest(struct store *s, int64_t *ret_since_us)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT since_us FROM delivery WHERE state = 1 ORDER BY since_us LIMIT 1");
	*ret_since_us = r == 0 ? db_int(q, 0) : 0;
	return r < 0 ? r : 0;
}
