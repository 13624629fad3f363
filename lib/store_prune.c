/* Retention, in slices small enough for the moments between webhooks. */
#include <errno.h>
#include <string.h>

#include "lib/base.h"
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

/* Counts what goes away with an event.  *ret_open: something of it still waits. */
static int
count_pruned(struct store *s, int64_t event, bool *ret_open)
{
	size_t mark = s->books.len;
	*ret_open = false;
	{
		DB_QUERY(q);
		int r = db_open(s, &q, "SELECT tenant, kind, state FROM delivery WHERE event = ?", DB_I(event));
		while (r == 0 && (r = db_next(s, q)) == 0) {
			int state = (int)db_int(q, 2);
			if (state < DELIVERY_DONE) {
				s->books.len = mark;
				*ret_open = true;
				return 0;
			}
			r = books_move(s, db_int(q, 0), (int)db_int(q, 1), BOOK_PRUNED + state, 1);
		}
		if (r < 0)
			return r;
	}
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT tenant, forwarded FROM event WHERE id = ?", DB_I(event));
	if (r != 0)
		return r;
	return books_move(s, db_int(q, 0), BOOK_EVENT, BOOK_PRUNED + (db_int(q, 1) ? EVENT_FORWARDED : EVENT_NOTED), 1);
}

static int
prune(struct store *s, const int64_t *key, size_t keys, const int64_t *event, size_t events)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < keys; i++)
		r = db_run(s, "DELETE FROM dedup WHERE id = ?", DB_I(key[i]));
	for (size_t i = 0; r == 0 && i < events; i++) {
		bool open;
		r = count_pruned(s, event[i], &open);
		if (r != 0 || open)
			continue;
		r = db_run(s, "DELETE FROM delivery WHERE event = ?", DB_I(event[i]));
		if (r == 0)
			r = db_run(s, "DELETE FROM event WHERE id = ?", DB_I(event[i]));
	}
	return r;
}

int
store_prune(struct store *s, int64_t keys_before_us, int64_t bodies_before_us, size_t rows, bool *ret_more)
{
	int64_t key[SLICE_MAX], event[SLICE_MAX];
	size_t keys, events = 0, max = rows < SLICE_MAX ? rows : SLICE_MAX;
	*ret_more = false;
	int r = old_keys(s, keys_before_us, max, key, &keys);
	if (r == 0)
		r = old_events(s, bodies_before_us, max, event, &events);
	if (r < 0)
		return r;
	if (keys == 0 && events == 0) {
		s->prune_event = 0;             /* those that still waited are looked at again */
		return 0;
	}
	r = db_enter(s);
	if (r < 0)
		return r;
	r = db_leave(s, prune(s, key, keys, event, events));
	if (r == 0 && events)
		s->prune_event = event[events - 1];
	*ret_more = r == 0 && (keys == max || events == max);
	return r;
}
