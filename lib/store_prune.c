/* Retention, in slices small enough for the moments between webhooks. */
#include <errno.h>
#include <string.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define SLICE_MAX 512

/* Keys and events were stored in the order of their ids, so the oldest stand first. */
static int
old_rows(struct store *s, struct sqlite3_stmt *q, int64_t before_us, size_t max, int64_t ret[static SLICE_MAX], size_t *ret_n)
{
	size_t n = 0;
	int r = 0;
	while (n < max && (r = db_next(s, q)) == 0 && db_int(q, 1) < before_us)
		ret[n++] = db_int(q, 0);
	*ret_n = n;
	return r < 0 ? r : 0;
}

static int
old_keys(struct store *s, int64_t before_us, size_t max, int64_t ret[static SLICE_MAX], size_t *ret_n)
{
	DB_QUERY(q);
	int r = db_open(s, &q, "SELECT id, made_us FROM dedup ORDER BY id");
	return r < 0 ? r : old_rows(s, q, before_us, max, ret, ret_n);
}

static int
old_events(struct store *s, int64_t before_us, size_t max, int64_t ret[static SLICE_MAX], size_t *ret_n)
{
	DB_QUERY(q);
	int r = db_open(s, &q, "SELECT id, received_us FROM event WHERE id > ? ORDER BY id", DB_I(s->prune_event));
	return r < 0 ? r : old_rows(s, q, before_us, max, ret, ret_n);
}

/* Its class, by what became of its deliveries.  *ret_open: something still waits. */
static int
class_of(struct store *s, int64_t event, bool *ret_open, bool *ret_failed)
{
	DB_QUERY(q);
	*ret_open = *ret_failed = false;
	int r = db_open(s, &q, "SELECT state FROM delivery WHERE event = ?", DB_I(event));
	while (r == 0 && (r = db_next(s, q)) == 0) {
		*ret_open |= db_int(q, 0) < DELIVERY_DONE;
		*ret_failed |= db_int(q, 0) > DELIVERY_DONE;
	}
	return r < 0 ? r : 0;
}

/* Counts what goes away with an event. */
static int
count_pruned(struct store *s, int64_t event, int64_t tenant, bool forwarded)
{
	DB_QUERY(q);
	int r = db_open(s, &q, "SELECT tenant, kind, state FROM delivery WHERE event = ?", DB_I(event));
	while (r == 0 && (r = db_next(s, q)) == 0)
		r = books_move(s, db_int(q, 0), (int)db_int(q, 1), BOOK_PRUNED + (int)db_int(q, 2), 1);
	return r < 0 ? r : books_move(s, tenant, BOOK_EVENT, BOOK_PRUNED + (forwarded ? EVENT_FORWARDED : EVENT_NOTED), 1);
}

static int
remove_event(struct store *s, int64_t event)
{
	int r = db_run(s, "DELETE FROM attempt WHERE delivery IN (SELECT id FROM delivery WHERE event = ?)", DB_I(event));
	if (r == 0)
		r = db_run(s, "DELETE FROM answer WHERE event = ?", DB_I(event));
	if (r == 0)
		r = db_run(s, "DELETE FROM delivery WHERE event = ?", DB_I(event));
	return r == 0 ? db_run(s, "DELETE FROM event WHERE id = ?", DB_I(event)) : r;
}

static int
prune_event(struct store *s, int64_t event, const struct store_retention *keep)
{
	int64_t tenant, received;
	bool forwarded, open, failed;
	{
		DB_QUERY(q);
		int r = db_first(s, &q, "SELECT tenant, forwarded, received_us FROM event WHERE id = ?", DB_I(event));
		if (r != 0)
			return r < 0 ? r : 0;
		tenant = db_int(q, 0);
		forwarded = db_int(q, 1) != 0;
		received = db_int(q, 2);
	}
	int r = class_of(s, event, &open, &failed);
	int64_t before = failed ? keep->failed_us : forwarded ? keep->answered_us : keep->noted_us;
	if (r < 0 || open || received >= before)
		return r;
	r = count_pruned(s, event, tenant, forwarded);
	return r == 0 ? remove_event(s, event) : r;
}

static int
prune(struct store *s, const struct store_retention *keep, const int64_t *key, size_t keys, const int64_t *event, size_t events)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < keys; i++)
		r = db_run(s, "DELETE FROM dedup WHERE id = ?", DB_I(key[i]));
	for (size_t i = 0; r == 0 && i < events; i++)
		r = prune_event(s, event[i], keep);
	CRASH_POINT("keeper-prunes");
	return r;
}

static int64_t
latest_of(const struct store_retention *keep)
{
	int64_t t = keep->answered_us > keep->noted_us ? keep->answered_us : keep->noted_us;
	return t > keep->failed_us ? t : keep->failed_us;
}

int
store_prune(struct store *s, const struct store_retention *keep, bool *ret_more)
{
	int64_t key[SLICE_MAX], event[SLICE_MAX];
	size_t keys, events = 0, max = keep->rows < SLICE_MAX ? keep->rows : SLICE_MAX;
	*ret_more = false;
	int r = old_keys(s, keep->keys_us, max, key, &keys);
	if (r == 0)
		r = old_events(s, latest_of(keep), max, event, &events);
	if (r < 0)
		return r;
	if (keys == 0 && events == 0) {
		s->prune_event = 0;             /* those that were kept are looked at again */
		return 0;
	}
	r = db_enter(s);
	if (r < 0)
		return r;
	r = db_leave(s, prune(s, keep, key, keys, event, events));
	if (r == 0 && events)
		s->prune_event = event[events - 1];
	*ret_more = r == 0 && (keys == max || events == max);
	return r;
}
