/* A shelf is given its content anew, in slices that nobody waits for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/catalog_db.h"

#define SLICE_ITEMS 25          /* written, or looked at, in one go: half a millisecond */
#define SLICE_BYTES (64 * KIB)  /* likewise; the item that goes over it is the last */
#define SLICES_HELD 40          /* in one transaction: each costs the index of texts a piece more */

enum step { STEP_LOOK, STEP_WRITE, STEP_SWEEP, STEP_FLIP, STEP_OVER };

struct shelf {
	struct catalog_shelf_push push;
	int64_t  id, gen;
	bool     same;                  /* the same as last time */
	bool     changed;
	int64_t *seen;                  /* keys that the push named, in order once they are all in */
	size_t   seen_n;
};

struct catalog_push {
	struct catalog *c;
	struct slice    tenant;
	int64_t         read_us;        /* 0: pushed */
	unsigned        undone;         /* of the catalogue, when it began */
	bool            done;           /* and on disk */
	struct shelf   *shelf;
	size_t          shelves, at;    /* at: the one in hand */
	size_t          next;           /* its item */
	int64_t         row;            /* STEP_SWEEP: rows above this one */
	enum step       step;
	struct catalog_counts counts;
};

int
catalog_push_new(struct catalog *c, struct slice tenant, const struct catalog_shelf_push *pushed, size_t shelves,
    int64_t read_us, struct catalog_push **ret)
{
	struct catalog_push *p = calloc(1, sizeof(*p));
	if (p)
		p->shelf = calloc(shelves ? shelves : 1, sizeof(*p->shelf));
	if (!p || !p->shelf) {
		catalog_push_free(p);
		return -ENOMEM;
	}
	p->c = c;
	p->tenant = tenant;
	p->read_us = read_us;
	for (; p->shelves < shelves; p->shelves++) {
		struct shelf *s = &p->shelf[p->shelves];
		s->push = pushed[p->shelves];
		s->seen = calloc(s->push.items ? s->push.items : 1, sizeof(s->seen[0]));
		if (!s->seen) {
			p->shelves++;
			catalog_push_free(p);
			return -ENOMEM;
		}
	}
	*ret = p;
	return 0;
}

static bool
begun(const struct catalog_push *p)
{
	return p->shelves > 0 && p->shelf[0].id != 0;
}

void
catalog_push_free(struct catalog_push *p)
{
	if (!p)
		return;
	/* One that waits has done nothing yet, and what is open is another's. */
	if (p->c && begun(p) && !p->done) {
		p->c->unfinisheds = 0;
		for (size_t i = 0; i < p->shelves && i < CATALOG_K_COUNT; i++)
			p->c->unfinished[p->c->unfinisheds++] = p->shelf[i].id;
		if (p->c->db.writing)
			db_rollback(&p->c->db);
	}
	for (size_t i = 0; i < p->shelves; i++)
		free(p->shelf[i].seen);
	free(p->shelf);
	free(p);
}

/* ---- a slice ------------------------------------------------------------- */

/* The shelf as it stands; made when there is none. */
static int
look(struct catalog_push *p, struct shelf *s)
{
	DB_QUERY(q);
	int r = db_run(p->c, "INSERT INTO shelf (tenant, kind) VALUES (?, ?) ON CONFLICT DO NOTHING", DB_T(p->tenant),
	    DB_I(s->push.kind));
	if (r == 0)
		r = db_first(p->c, &q, "SELECT id, gen, hash, synced_us FROM shelf WHERE tenant = ? AND kind = ?", DB_T(p->tenant),
		    DB_I(s->push.kind));
	if (r != 0)
		return r < 0 ? r : db_fail(p->c, "a shelf is missing");
	s->id = db_int(q, 0);
	s->gen = db_int(q, 1);
	if (p->read_us > 0 && db_int(q, 3) > p->read_us)
		return CATALOG_E_NEWER;
	s->same = s->push.hash.len > 0 && db_int(q, 3) != 0 && slice_eq(s->push.hash, db_text(q, 2));
	return 0;
}

static int
key_of(struct catalog_push *p, const struct shelf *s, struct slice key, int64_t now_us, int64_t *ret)
{
	DB_QUERY(q);
	int r = db_first(p->c, &q, "SELECT id FROM key WHERE shelf = ? AND key = ?", DB_I(s->id), DB_T(key));
	if (r == 0)
		*ret = db_int(q, 0);
	if (r != DB_END)
		return r;
	r = db_run(p->c, "INSERT INTO key (shelf, key, created_us) VALUES (?, ?, ?)", DB_I(s->id), DB_T(key), DB_I(now_us));
	*ret = db_last_id(p->c);
	return r;
}

static int
end_row(struct catalog_push *p, const struct shelf *s, int64_t row)
{
	return db_run(p->c, "UPDATE item SET gen_last = ? WHERE row = ?", DB_I(s->gen), DB_I(row));
}

static int
write_item(struct catalog_push *p, struct shelf *s, const struct catalog_item *item, int64_t now_us)
{
	int64_t key = 0, row = 0;
	bool there = false, same = false;
	int r = key_of(p, s, item->key, now_us, &key);
	if (r < 0)
		return r;
	{
		DB_QUERY(q);
		r = db_first(p->c, &q, "SELECT row, hash FROM item WHERE key = ? AND gen_last = ?", DB_I(key), DB_I(CATALOG_FOREVER));
		there = r == 0;
		if (there) {
			row = db_int(q, 0);
			same = item->hash.len > 0 && slice_eq(db_text(q, 1), item->hash);
		}
	}
	if (r < 0)
		return r;
	if (item->hash.len > 0)
		s->seen[s->seen_n++] = key;
	if (same) {
		p->counts.unchanged++;
		return 0;
	}
	r = there ? end_row(p, s, row) : 0;
	s->changed |= there || item->hash.len > 0;
	if (item->hash.len == 0) {
		p->counts.removed += there;
		return r;
	}
	if (r == 0)
		r = db_run(p->c, "INSERT INTO item (shelf, key, gen_first, gen_last, odoo_id, name, description, type, priority,"
		    " starts_us, ends_us, updated_us, data, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		    DB_I(s->id), DB_I(key), DB_I(s->gen + 1), DB_I(CATALOG_FOREVER), DB_I(item->odoo_id), DB_T(item->name),
		    DB_T(item->description), DB_T(item->type), DB_I(item->priority), DB_I(item->starts_us), DB_I(item->ends_us),
		    DB_I(now_us), DB_T(item->data), DB_B(item->hash));
	if (r == 0 && item->stems.len > 0)
		r = db_run(p->c, "INSERT INTO found (rowid, stems) VALUES (?, ?)", DB_I(db_last_id(p->c)), DB_T(item->stems));
	p->counts.written++;
	return r;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int
write_slice(struct catalog_push *p, struct shelf *s, int64_t now_us)
{
	size_t bytes = 0;
	int r = 0;
	for (size_t n = 0; n < SLICE_ITEMS && bytes < SLICE_BYTES && p->next < s->push.items && r == 0; n++) {
		const struct catalog_item *item = &s->push.item[p->next++];
		bytes += item->description.len + item->data.len + item->stems.len;
		r = write_item(p, s, item, now_us);
	}
	if (r == 0 && p->next == s->push.items) {
		qsort(s->seen, s->seen_n, sizeof(s->seen[0]), compare);
		p->step = s->push.whole ? STEP_SWEEP : STEP_LOOK;
		p->row = 0;
	}
	return r;
}

/* What the push did not name ends. */
static int
sweep_slice(struct catalog_push *p, struct shelf *s)
{
	int64_t row[SLICE_ITEMS], key[SLICE_ITEMS];
	size_t n = 0;
	int r;
	{
		DB_QUERY(q);
		r = db_open(p->c, &q, "SELECT row, key FROM item WHERE shelf = ? AND gen_last = ? AND row > ? AND gen_first <= ?"
		    " ORDER BY row LIMIT ?", DB_I(s->id), DB_I(CATALOG_FOREVER), DB_I(p->row), DB_I(s->gen), DB_I(SLICE_ITEMS));
		while (r == 0 && n < SLICE_ITEMS && (r = db_next(p->c, q)) == 0) {
			row[n] = db_int(q, 0);
			key[n++] = db_int(q, 1);
		}
	}
	for (size_t i = 0; i < n && r >= 0; i++) {
		p->row = row[i];
		if (bsearch(&key[i], s->seen, s->seen_n, sizeof(key[0]), compare))
			continue;
		r = end_row(p, s, row[i]);
		s->changed = true;
		p->counts.removed++;
	}
	if (r >= 0 && n < SLICE_ITEMS)
		p->step = STEP_LOOK;
	return r < 0 ? r : 0;
}

static int
flip(struct catalog_push *p, int64_t now_us)
{
	int r = 0;
	p->counts.same = true;
	for (size_t i = 0; i < p->shelves && r == 0; i++) {
		const struct shelf *s = &p->shelf[i];
		r = db_run(p->c, "UPDATE shelf SET gen = ?, hash = ?, synced_us = ? WHERE id = ?", DB_I(s->gen + s->changed),
		    DB_B(s->push.hash), DB_I(now_us), DB_I(s->id));
		p->counts.same = p->counts.same && !s->changed;
	}
	p->step = STEP_OVER;
	return r;
}

/* The next shelf, or the flip. */
static int
look_on(struct catalog_push *p)
{
	int r = 0;
	if (p->shelf[p->at].id != 0)
		p->at++;
	if (p->at == p->shelves) {
		p->step = STEP_FLIP;
		return 0;
	}
	r = look(p, &p->shelf[p->at]);
	p->next = 0;
	if (r == 0 && !p->shelf[p->at].same)
		p->step = STEP_WRITE;
	else if (r == 0)
		p->counts.unchanged += p->shelf[p->at].push.items;
	return r;
}

/* ---- transactions: over some slices, between which webhooks are answered ------ */

/* more: a slice like this one follows. */
static int
leave(struct catalog *c, int r, bool more)
{
	if (r == 0 && more && ++c->held < SLICES_HELD)
		return 0;
	c->held = 0;
	return catalog_leave(c, r);
}

int
catalog_push_step(struct catalog_push *p, int64_t now_us, bool *ret_done, struct catalog_counts *ret)
{
	/* Only the flip shows what the slices before it wrote, and only it is acknowledged. */
	bool last = p->step == STEP_FLIP;
	if (!begun(p))
		p->undone = p->c->undone;
	else if (p->undone != p->c->undone)
		return -ESTALE;
	int r = p->c->unfinisheds > 0 ? catalog_undo_unfinished(p->c, false) : 0;
	if (r == 0 && last)
		r = db_flushes(&p->c->db, true);
	if (r == 0)
		r = db_begin(&p->c->db);
	if (r == 0)
		switch (p->step) {
		case STEP_LOOK:  r = look_on(p);                                  break;
		case STEP_WRITE: r = write_slice(p, &p->shelf[p->at], now_us);    break;
		case STEP_SWEEP: r = sweep_slice(p, &p->shelf[p->at]);            break;
		case STEP_FLIP:  r = flip(p, now_us);                             break;
		case STEP_OVER:                                                   break;
		}
	r = leave(p->c, r, p->step == STEP_WRITE || p->step == STEP_SWEEP);
	int lazy = last ? db_flushes(&p->c->db, false) : 0;
	r = r == 0 ? lazy : r;
	*ret_done = p->done = r == 0 && p->step == STEP_OVER;
	*ret = p->counts;
	return r;
}

/* ---- afterwards ---------------------------------------------------------- */

/* A shelf of a tenant that is gone has a name that no tenant can have. */
#define NOBODYS "!"

int
catalog_forget(struct catalog *c, struct slice tenant)
{
	/* A push may be in hand: its slices so far are written, and seen by nobody. */
	int r = leave(c, 0, false);
	if (r == 0)
		r = db_flushes(&c->db, true);
	if (r == 0)
		r = db_begin(&c->db);
	if (r == 0)
		r = db_run(c, "UPDATE shelf SET tenant = '" NOBODYS "' || id, told = gen WHERE tenant = ?", DB_T(tenant));
	if (r == 0)
		r = db_run(c, "DELETE FROM history WHERE tenant = ?", DB_T(tenant));
	r = leave(c, r, false);
	int lazy = db_flushes(&c->db, false);
	return r == 0 ? lazy : r;
}

int
catalog_tenants(struct catalog *c, void (*each)(void *, struct slice tenant), void *context)
{
	DB_QUERY(q);
	int r = db_open(c, &q, "SELECT DISTINCT tenant FROM shelf WHERE substr(tenant, 1, 1) <> '" NOBODYS "'");
	while (r == 0 && (r = db_next(c, q)) == 0)
		each(context, db_text(q, 0));
	return r < 0 ? r : 0;
}

/* A slice of the items that nobody sees, or of the keys of nobody's shelves. */
static int
numbers(struct catalog *c, bool keys, int64_t ret[static SLICE_ITEMS], size_t *ret_n)
{
	DB_QUERY(q);
	int r = keys ? db_open(c, &q, "SELECT k.id FROM shelf s JOIN key k ON k.shelf = s.id WHERE substr(s.tenant, 1, 1) = '" NOBODYS "'"
	    " LIMIT ?", DB_I(SLICE_ITEMS)) :
	    db_open(c, &q, "SELECT i.row FROM shelf s JOIN item i ON i.shelf = s.id AND i.gen_last < s.gen UNION ALL"
	    " SELECT i.row FROM shelf s JOIN item i ON i.shelf = s.id WHERE substr(s.tenant, 1, 1) = '" NOBODYS "' LIMIT ?", DB_I(SLICE_ITEMS));
	*ret_n = 0;
	while (r == 0 && *ret_n < SLICE_ITEMS && (r = db_next(c, q)) == 0)
		ret[(*ret_n)++] = db_int(q, 0);
	return r < 0 ? r : 0;
}

static int
clean_items(struct catalog *c, size_t *ret_n)
{
	int64_t row[SLICE_ITEMS];
	int r = numbers(c, false, row, ret_n);
	for (size_t i = 0; i < *ret_n && r == 0; i++) {
		r = db_run(c, "DELETE FROM found WHERE rowid = ?", DB_I(row[i]));
		if (r == 0)
			r = db_run(c, "DELETE FROM item WHERE row = ?", DB_I(row[i]));
	}
	return r;
}

static int
clean_keys(struct catalog *c, size_t *ret_n)
{
	int64_t id[SLICE_ITEMS];
	int r = numbers(c, true, id, ret_n);
	for (size_t i = 0; i < *ret_n && r == 0; i++)
		r = db_run(c, "DELETE FROM key WHERE id = ?", DB_I(id[i]));
	return r;
}

int
catalog_clean(struct catalog *c, bool *ret_more)
{
	size_t n = 0;
	int r = db_begin(&c->db);
	if (r == 0)
		r = clean_items(c, &n);
	if (r == 0 && n < SLICE_ITEMS)
		r = clean_keys(c, &n);
	*ret_more = n == SLICE_ITEMS;
	if (r == 0 && !*ret_more)
		r = db_run(c, "DELETE FROM shelf WHERE substr(tenant, 1, 1) = '" NOBODYS "'");
	return leave(c, r, *ret_more);
}

int
catalog_news(struct catalog *c, struct catalog_news *ret)
{
	DB_QUERY(q);
	*ret = (struct catalog_news){ .kinds = 0 };
	int r = db_open(c, &q, "SELECT tenant, kind, gen, synced_us FROM shelf WHERE told < gen AND tenant ="
	    " (SELECT tenant FROM shelf WHERE told < gen LIMIT 1)");
	while (r == 0 && (r = db_next(c, q)) == 0) {
		int64_t k = db_int(q, 1);
		snprintf(ret->tenant, sizeof(ret->tenant), SLICE_FMT, SLICE_ARG(db_text(q, 0)));
		if (k <= 0 || k >= CATALOG_K_COUNT)
			continue;
		ret->kinds |= CATALOG_BIT(k);
		ret->gen[k] = db_int(q, 2);
		if (db_int(q, 3) > ret->synced_us)
			ret->synced_us = db_int(q, 3);
	}
	return r < 0 ? r : 0;
}

int
catalog_told(struct catalog *c, const struct catalog_news *news)
{
	int r = db_begin(&c->db);
	for (int k = 1; k < CATALOG_K_COUNT && r == 0; k++)
		if (news->kinds & CATALOG_BIT(k))
			r = db_run(c, "UPDATE shelf SET told = ? WHERE tenant = ? AND kind = ?", DB_I(news->gen[k]),
			    DB_T(slice_of(news->tenant)), DB_I(k));
	return catalog_leave(c, r);
}

int
catalog_note(struct catalog *c, struct slice tenant, struct slice what, struct slice result, int64_t now_us)
{
	int r = db_begin(&c->db);
	if (r == 0)
		r = db_run(c, "INSERT INTO history (tenant, at_us, what, result) VALUES (?, ?, ?, ?)", DB_T(tenant), DB_I(now_us),
		    DB_T(what), DB_T(result));
	return catalog_leave(c, r);
}

int
catalog_checkpoint(struct catalog *c)
{
	return db_checkpoint(&c->db, false);
}
