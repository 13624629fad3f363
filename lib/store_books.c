/* The two books: cumulative counters per tenant, moved in the transaction that
 * moves the rows, so that recounting the rows must give the same. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/store.h"
#include "lib/store_db.h"

static const char *const event_states[] = {
	[EVENT_STORED] = "stored", [EVENT_FORWARDED] = "forwarded", [EVENT_NOTED] = "noted",
	[EVENT_DUPLICATE] = "duplicate", [EVENT_IGNORED] = "ignored", [EVENT_REFUSED] = "refused",
};

/* ---- counting ---- */

int
books_move(struct store *s, int64_t tenant, int book, int state, int64_t delta)
{
	int r = array_grow((void **)&s->books.at, &s->books.cap, s->books.len, sizeof(s->books.at[0]));
	if (r < 0)
		return r;
	s->books.at[s->books.len++] = (struct db_count){ tenant, book, state, delta };
	return 0;
}

void
books_aside(struct store *s, int64_t tenant, int state)
{
	for (size_t i = 0; i < s->aside.len; i++)
		if (s->aside.at[i].tenant == tenant && s->aside.at[i].state == state) {
			s->aside.at[i].delta++;
			return;
		}
	/* Out of memory loses a count that no row stands behind. */
	if (array_grow((void **)&s->aside.at, &s->aside.cap, s->aside.len, sizeof(s->aside.at[0])) == 0)
		s->aside.at[s->aside.len++] = (struct db_count){ tenant, BOOK_EVENT, state, 1 };
}

void
store_count_refused(struct store *s, struct slice tenant)
{
	int64_t id;
	if (tenant_id(s, tenant, &id) == 0)
		books_aside(s, id, EVENT_REFUSED);
}

static int
by_counter(const void *va, const void *vb)
{
	const struct db_count *a = va, *b = vb;
	if (a->tenant != b->tenant)
		return a->tenant < b->tenant ? -1 : 1;
	if (a->book != b->book)
		return a->book - b->book;
	return a->state - b->state;
}

static int
write_counts(struct store *s, const struct db_counts *c)
{
	for (size_t i = 0; i < c->len;) {
		const struct db_count *first = &c->at[i];
		int64_t sum = 0;
		for (; i < c->len && by_counter(first, &c->at[i]) == 0; i++)
			sum += c->at[i].delta;
		if (sum == 0)
			continue;
		int r = db_run(s, "INSERT INTO book (tenant, book, state, count) VALUES (?, ?, ?, ?)"
		    " ON CONFLICT DO UPDATE SET count = count + excluded.count",
		    DB_I(first->tenant), DB_I(first->book), DB_I(first->state), DB_I(sum));
		if (r < 0)
			return r;
	}
	return 0;
}

int
books_flush(struct store *s)
{
	int r = heard_flush(s);
	if (r < 0)
		return r;
	if (s->books.len > 1)
		qsort(s->books.at, s->books.len, sizeof(s->books.at[0]), by_counter);
	if (s->aside.len > 1)
		qsort(s->aside.at, s->aside.len, sizeof(s->aside.at[0]), by_counter);
	r = write_counts(s, &s->books);
	return r < 0 ? r : write_counts(s, &s->aside);
}

void
books_kept(struct store *s, bool committed)
{
	for (size_t i = 0; committed && i < s->books.len; i++)
		if (s->books.at[i].book != BOOK_EVENT && s->books.at[i].state == DELIVERY_PENDING)
			s->pending += s->books.at[i].delta;
	s->books.len = 0;
	if (committed)
		s->aside.len = 0;
}

int64_t
store_pending(const struct store *s)
{
	return s->pending;
}

uint64_t
store_generation(const struct store *s)
{
	return s->generation;
}

int
books_load(struct store *s)
{
	int r;
	{
		DB_QUERY(q);
		r = db_first(s, &q, "SELECT value FROM meta WHERE name = 'generation'");
		if (r != 0)
			return r < 0 ? r : db_fail(s, "meta has no generation");
		s->generation = (uint64_t)db_int(q, 0);
	}
	DB_QUERY(q);
	r = db_first(s, &q, "SELECT coalesce(sum(count), 0) FROM book WHERE book <> 0 AND state = 1");
	if (r < 0)
		return r;
	/* Counters of the open transaction are not in the table yet. */
	s->pending = db_int(q, 0);
	return stop_load(s);
}

/* ---- showing ---- */

static void
name_state(int book, int state, char ret[static 40])
{
	const char *prefix = state >= BOOK_PRUNED ? "pruned_" : "";
	int bare = state >= BOOK_PRUNED ? state - BOOK_PRUNED : state;
	const char *text = book == BOOK_EVENT
	    ? bare > 0 && bare < (int)ARRAY_LEN(event_states) ? event_states[bare] : "?"
	    : bare == BOOK_MADE ? "made" : delivery_state_text((enum delivery_state)bare);
	snprintf(ret, 40, "%s%s", prefix, text);
}

static void
name_count(struct store_count *c, struct sqlite3_stmt *q, int64_t count, int64_t recount)
{
	int book = (int)db_int(q, 1);
	c->tenant = db_text(q, 0);
	c->book = book == BOOK_EVENT ? "event" : delivery_kind_text((enum delivery_kind)book);
	name_state(book, (int)db_int(q, 2), c->state);
	c->count = count;
	c->recount = recount;
}

int
store_counts(struct store *s, void (*each)(void *, const struct store_count *), void *context)
{
	DB_QUERY(q);
	int r = db_open(s, &q, "SELECT t.name, b.book, b.state, b.count FROM book b JOIN tenant t ON t.id = b.tenant"
	    " ORDER BY t.name, b.book, b.state");
	if (r < 0)
		return r;
	while ((r = db_next(s, q)) == 0) {
		struct store_count c;
		name_count(&c, q, db_int(q, 3), -1);
		each(context, &c);
	}
	return r < 0 ? r : 0;
}

/* ---- recounting ---- */

/* What the rows say and what the book says, side by side; only what differs.
 * Rows that are gone count by what retention wrote down about them. */
#define RECOUNT \
	"WITH pruned (tenant, book, state, n) AS (" \
	"  SELECT tenant, book, state - 100, count FROM book WHERE state >= 100)," \
	" rows (tenant, book, state, n) AS (" \
	"  SELECT tenant, kind, state, count(*) FROM delivery GROUP BY 1, 2, 3" \
	"  UNION ALL SELECT tenant, 0, CASE WHEN forwarded THEN 2 ELSE 3 END, count(*) FROM event GROUP BY 1, 3" \
	"  UNION ALL SELECT * FROM pruned)," \
	" finer (tenant, book, state, n) AS (" \
	"  SELECT tenant, book, state, sum(n) FROM rows GROUP BY 1, 2, 3)," \
	" said (tenant, book, state, n) AS (" \
	"  SELECT * FROM finer" \
	"  UNION ALL SELECT tenant, book, CASE WHEN book = 0 THEN 1 ELSE 0 END, sum(n) FROM finer GROUP BY 1, 2)," \
	" written (tenant, book, state, n) AS (" \
	"  SELECT tenant, book, state, count FROM book WHERE state < 100 AND NOT (book = 0 AND state > 3))," \
	" keys (tenant, book, state) AS (" \
	"  SELECT tenant, book, state FROM said UNION SELECT tenant, book, state FROM written)"

static int
recount(struct store *s, void (*each)(void *, const struct store_count *), void *context)
{
	DB_QUERY(q);
	int r = db_open(s, &q, RECOUNT
	    " SELECT coalesce(t.name, '#' || k.tenant), k.book, k.state, coalesce(w.n, 0), coalesce(f.n, 0)"
	    " FROM keys k LEFT JOIN tenant t ON t.id = k.tenant"
	    " LEFT JOIN said f ON f.tenant = k.tenant AND f.book = k.book AND f.state = k.state"
	    " LEFT JOIN written w ON w.tenant = k.tenant AND w.book = k.book AND w.state = k.state"
	    " WHERE coalesce(w.n, 0) <> coalesce(f.n, 0) ORDER BY 1, 2, 3");
	if (r < 0)
		return r;
	while ((r = db_next(s, q)) == 0) {
		struct store_count c;
		name_count(&c, q, db_int(q, 3), db_int(q, 4));
		each(context, &c);
	}
	return r < 0 ? r : 0;
}

/* Things that must agree beside the counters: a lane says what its rows say. */
static int
check_lanes(struct store *s, char ret_file[static STORE_TEXT])
{
	DB_QUERY(q);
	int r = db_first(s, &q,
	    "SELECT l.id, l.due_us IS NOT NULL, l.claimed FROM lane l WHERE"
	    " (l.due_us IS NOT NULL) <> (EXISTS (SELECT 1 FROM delivery d WHERE d.lane = l.id AND d.state = 1)"
	    " OR EXISTS (SELECT 1 FROM delivery d WHERE d.lane = l.id AND d.state = 3))"
	    " OR l.claimed <> EXISTS (SELECT 1 FROM delivery d WHERE d.lane = l.id AND d.state = 2)"
	    " LIMIT 1");
	if (r == 0)
		snprintf(ret_file, STORE_TEXT, "lane %" PRId64 " says due %s, claimed %s; its deliveries say otherwise",
		    db_int(q, 0), db_int(q, 1) ? "yes" : "no", db_int(q, 2) ? "yes" : "no");
	return r < 0 ? r : 0;
}

int
store_check(struct store *s, void (*each)(void *, const struct store_count *), void *context,
    char ret_file[static STORE_TEXT])
{
	/* One snapshot for everything that is compared. */
	int r = db_run(s, "BEGIN");
	if (r < 0)
		return r;
	r = recount(s, each, context);
	if (r == 0) {
		DB_QUERY(q);
		r = db_first(s, &q, "PRAGMA quick_check(1)");
		if (r == 0)
			snprintf(ret_file, STORE_TEXT, SLICE_FMT, SLICE_ARG(db_text(q, 0)));
		if (r == DB_END)
			r = db_fail(s, "quick_check said nothing");
	}
	if (r == 0 && strcmp(ret_file, "ok") == 0)
		r = check_lanes(s, ret_file);
	int ended = db_run(s, "ROLLBACK");
	return r < 0 ? r : ended;
}
