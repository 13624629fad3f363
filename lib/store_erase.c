/* A person's right to be forgotten: what we hold of one contact is made
 * unreadable, and the books still balance. */
#include <errno.h>
#include <string.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define LOOKED_MAX 2000                 /* events that one call reads */
#define FOUND_MAX  200                  /* and erases */

/* 0: not in the facts. */
static int64_t
contact_of(struct slice facts)
{
	struct chatwoot_facts f;
	struct chatwoot_policy p;
	return chatwoot_unpack(facts, &f, &p) == 0 ? f.contact : 0;
}

static int
find_events(struct store *s, int64_t tenant, const struct store_erase *ask, int64_t ret[static FOUND_MAX], size_t *ret_n,
    struct store_progress *progress)
{
	DB_QUERY(q);
	size_t n = 0, looked = 0;
	int r = db_open(s, &q, "SELECT id, tenant, installation, facts FROM event WHERE id > ? ORDER BY id", DB_I(ask->after));
	progress->last = ask->after;
	while (r == 0 && n < FOUND_MAX && looked < LOOKED_MAX && (r = db_next(s, q)) == 0) {
		progress->last = db_int(q, 0);
		looked++;
		if (db_int(q, 1) == tenant && (ask->installation.len == 0 || slice_eq(db_text(q, 2), ask->installation))
		    && contact_of(db_text(q, 3)) == ask->contact)
			ret[n++] = progress->last;
	}
	progress->more = r == 0;
	*ret_n = n;
	return r < 0 ? r : 0;
}

/* *ret_busy: deliveries of it that the courier has. */
static int
count_busy(struct store *s, int64_t event, size_t *ret_busy)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT count(*) FROM delivery WHERE event = ? AND state = 2", DB_I(event));
	if (r == 0)
		*ret_busy = (size_t)db_int(q, 0);
	return r < 0 ? r : 0;
}

static int
end_deliveries(struct store *s, int64_t event, int64_t now_us)
{
	for (;;) {
		struct delivery d;
		{
			DB_QUERY(q);
			int r = db_first(s, &q, "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE event = ? AND state NOT IN (2, 5, 11) LIMIT 1",
			    DB_I(event));
			if (r != 0)
				return r < 0 ? r : 0;
			delivery_read(q, &d);
		}
		int r = delivery_end(s, &d, DELIVERY_ERASED, 0, SLICE("erased"), now_us);
		if (r == 0 && d.state == DELIVERY_WAITING)
			r = lane_free(s, d.lane, now_us);
		else if (r == 0 && d.state < DELIVERY_DONE)
			r = lane_refresh(s, d.lane, now_us);
		if (r < 0)
			return r;
	}
}

/* The number by which Chatwoot knows the conversation goes too; one that is
 * written in again is a new one here. */
static int
forget_conversation(struct store *s, int64_t event)
{
	return db_run(s, "UPDATE conversation SET account = 0, display = -id, owner_id = 0, seen = 0"
	    " WHERE id = (SELECT conversation FROM event WHERE id = ?) AND display > 0", DB_I(event));
}

static int
erase_event(struct store *s, int64_t event, int64_t now_us)
{
	int r = end_deliveries(s, event, now_us);
	if (r == 0)
		r = forget_conversation(s, event);
	if (r == 0)
		r = db_run(s, "UPDATE attempt SET reason = NULL WHERE delivery IN (SELECT id FROM delivery WHERE event = ?)", DB_I(event));
	if (r == 0)
		r = db_run(s, "UPDATE answer SET parts = NULL WHERE event = ?", DB_I(event));
	if (r == 0)
		r = db_run(s, "UPDATE delivery SET payload = NULL, reason = 'erased' WHERE event = ?", DB_I(event));
	if (r == 0)
		r = db_run(s, "UPDATE event SET account = 0, display = 0, inbox = 0, message = 0, reason = 'erased', request = '',"
		    " facts = x'', body = x'' WHERE id = ?", DB_I(event));
	return r;
}

static int
erase_found(struct store *s, const int64_t *event, size_t n, int64_t now_us, size_t *ret_busy, int64_t *ret_count)
{
	/* Freed pages are overwritten, not only let go. */
	int r = db_run(s, "PRAGMA secure_delete = ON");
	for (size_t i = 0; r == 0 && i < n; i++) {
		size_t busy = 0;
		r = count_busy(s, event[i], &busy);
		if (r == 0 && busy == 0) {
			r = erase_event(s, event[i], now_us);
			++*ret_count;
		}
		*ret_busy += busy;
	}
	CRASH_POINT("keeper-erases");
	return r;
}

int
store_erase(struct store *s, const struct store_erase *ask, size_t *ret_busy, struct store_progress *ret)
{
	int64_t tenant, event[FOUND_MAX];
	size_t n = 0;
	*ret_busy = 0;
	*ret = (struct store_progress){ .count = 0 };
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT id FROM tenant WHERE name = ?", DB_T(ask->tenant));     /* a removed one too */
	if (r != 0)
		return r < 0 ? r : STORE_E_NONE;
	tenant = db_int(q, 0);
	r = find_events(s, tenant, ask, event, &n, ret);
	if (r < 0 || n == 0)
		return r;
	if (ask->dry_run) {
		ret->count = (int64_t)n;
		return 0;
	}
	db_close(&q);
	r = db_enter(s);
	return r < 0 ? r : db_leave(s, erase_found(s, event, n, ask->now_us, ret_busy, &ret->count));
}

int
store_persons(struct store *s, struct slice tenant, struct slice bytes, int64_t after,
    void (*each)(void *, struct slice, int64_t, struct slice), void *context, struct store_progress *ret)
{
	size_t looked = 0, given = 0;
	int64_t id;
	*ret = (struct store_progress){ .last = after };
	{
		DB_QUERY(t);
		int r = db_first(s, &t, "SELECT id FROM tenant WHERE name = ?", DB_T(tenant));
		if (r != 0)
			return r < 0 ? r : STORE_E_NONE;
		id = db_int(t, 0);
	}
	DB_QUERY(q);
	int r = db_open(s, &q, "SELECT id, tenant, installation, facts, body FROM event WHERE id > ? ORDER BY id", DB_I(after));
	while (r == 0 && given < bytes.len + FOUND_MAX && looked < LOOKED_MAX && (r = db_next(s, q)) == 0) {
		ret->last = db_int(q, 0);
		looked++;
		if (db_int(q, 1) != id)
			continue;
		struct slice body = db_text(q, 4);
		if (body.len == 0 || !memmem(body.ptr, body.len, bytes.ptr, bytes.len))
			continue;
		each(context, db_text(q, 2), contact_of(db_text(q, 3)), body);
		given += body.len / 4096 + 1;           /* an answer has its limit too */
		ret->count++;
	}
	ret->more = r == 0;
	return r < 0 ? r : 0;
}
