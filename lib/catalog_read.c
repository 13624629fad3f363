/* What is seen of the catalogue: always one generation of a shelf as a whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/catalog_db.h"

#define ITEM_COLUMNS "i.key, i.odoo_id, s.kind, k.key, i.name, i.description, i.type, i.priority, i.starts_us, i.ends_us," \
	" k.created_us, i.updated_us, i.data"
#define ITEM_FROM " FROM shelf s JOIN item i ON i.shelf = s.id AND i.gen_first <= s.gen AND i.gen_last >= s.gen" \
	" JOIN key k ON k.id = i.key"
/* A filter's parameters, in this order; kinds as bits, 0 and '' for any. */
#define ITEM_WHERE " WHERE s.tenant = ?1 AND ((1 << s.kind) & ?2) != 0 AND (?3 = '' OR i.type = ?3) AND (?4 = 0 OR i.key = ?4)" \
	" AND (?5 = 0 OR ((i.starts_us = 0 OR i.starts_us <= ?5) AND (i.ends_us = 0 OR i.ends_us > ?5)))"
#define ITEM_BINDS(f) DB_T((f)->tenant), DB_I((f)->kinds), DB_T((f)->type), DB_I((f)->id), DB_I((f)->now_us)

static void
read_item(struct sqlite3_stmt *q, struct catalog_item *ret)
{
	*ret = (struct catalog_item){
		.id = db_int(q, 0), .odoo_id = db_int(q, 1), .kind = (enum catalog_kind)db_int(q, 2), .key = db_text(q, 3),
		.name = db_text(q, 4), .description = db_text(q, 5), .type = db_text(q, 6), .priority = db_int(q, 7),
		.starts_us = db_int(q, 8), .ends_us = db_int(q, 9), .created_us = db_int(q, 10), .updated_us = db_int(q, 11),
		.data = db_text(q, 12),
	};
}

int
catalog_list(struct catalog *c, const struct catalog_filter *f, void (*each)(void *, const struct catalog_item *), void *context)
{
	DB_QUERY(q);
	struct catalog_item item;
	int r = db_open(c, &q, "SELECT " ITEM_COLUMNS ITEM_FROM ITEM_WHERE " ORDER BY s.kind, i.name, i.key LIMIT ?6 OFFSET ?7",
	    ITEM_BINDS(f), DB_I(f->limit ? f->limit : -1), DB_I(f->offset));
	while (r == 0 && (r = db_next(c, q)) == 0) {
		read_item(q, &item);
		each(context, &item);
	}
	return r < 0 ? r : 0;
}

int
catalog_count(struct catalog *c, const struct catalog_filter *f, int64_t *ret)
{
	DB_QUERY(q);
	int r = db_first(c, &q, "SELECT count(*)" ITEM_FROM ITEM_WHERE, ITEM_BINDS(f));
	if (r == 0)
		*ret = db_int(q, 0);
	return r < 0 ? r : 0;
}

int
catalog_find(struct catalog *c, struct slice tenant, enum catalog_kind kind, struct slice key,
    void (*each)(void *, const struct catalog_item *), void *context)
{
	DB_QUERY(q);
	struct catalog_item item;
	int r = db_first(c, &q, "SELECT " ITEM_COLUMNS ITEM_FROM " WHERE s.tenant = ? AND s.kind = ? AND k.shelf = s.id AND k.key = ?",
	    DB_T(tenant), DB_I(kind), DB_T(key));
	if (r == 0) {
		read_item(q, &item);
		each(context, &item);
	}
	return r < 0 ? r : 0;
}

int
catalog_state(struct catalog *c, struct slice tenant, enum catalog_kind kind, struct catalog_state *ret)
{
	DB_QUERY(q);
	int r = db_first(c, &q, "SELECT gen, synced_us FROM shelf WHERE tenant = ? AND kind = ?", DB_T(tenant), DB_I(kind));
	*ret = (struct catalog_state){ .generation = 0 };
	if (r == 0)
		*ret = (struct catalog_state){ .generation = db_int(q, 0), .synced_us = db_int(q, 1) };
	return r < 0 ? r : 0;
}

/* ---- searching ----------------------------------------------------------- */

#define STEMS_MAX 64            /* of a question; found_in() looks for each among all the words of a hit */

/* Stems are letters and digits, so quoted they mean themselves and nothing
 * else.  Each once: "a b a" asks for two. */
static int
make_query(struct slice stems, struct buf *out, size_t *ret_n)
{
	struct slice rest = stems, stem;
	int r = 0;
	*ret_n = 0;
	while (rest.len > 0 && r == 0 && *ret_n < STEMS_MAX) {
		struct slice behind = { NULL, 0 };
		stem = rest;
		(void)slice_cut(rest, ' ', &stem, &behind);
		rest = behind;
		char quoted[160];
		int len = snprintf(quoted, sizeof(quoted), "\"" SLICE_FMT "\"", SLICE_ARG(stem));
		if (stem.len == 0 || len >= (int)sizeof(quoted) || memchr(stem.ptr, '"', stem.len)
		    || memmem(out->ptr ? buf_view(out).ptr : "", out->len, quoted, (size_t)len))
			continue;
		if (*ret_n > 0)
			r = buf_append_slice(out, SLICE(" OR "));
		if (r == 0)
			r = buf_append(out, quoted, (size_t)len);
		++*ret_n;
	}
	return r;
}

/* How many of the quoted stems of the query are among these. */
static size_t
found_in(struct slice query, struct slice stems)
{
	size_t n = 0;
	struct slice rest = query, word;
	while (slice_cut(rest, '"', &word, &rest) && slice_cut(rest, '"', &word, &rest)) {
		struct slice in = stems, one = stems, behind;
		bool found = false;
		while (!found && in.len > 0) {
			behind = (struct slice){ NULL, 0 };
			one = in;
			(void)slice_cut(in, ' ', &one, &behind);
			found = slice_eq(one, word);
			in = behind;
		}
		n += found;
	}
	return n;
}

struct hit { int64_t row; size_t found; size_t rank; };

static int
better(const void *a, const void *b)
{
	const struct hit *x = a, *y = b;
	if (x->found != y->found)
		return x->found < y->found ? 1 : -1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static int
collect(struct catalog *c, const struct catalog_filter *f, struct slice query, struct hit **ret, size_t *ret_n)
{
	DB_QUERY(q);
	size_t cap = 0;
	int r = db_open(c, &q, "SELECT i.row, t.stems FROM found t JOIN item i ON i.row = t.rowid"
	    " JOIN shelf s ON s.id = i.shelf AND i.gen_first <= s.gen AND i.gen_last >= s.gen" ITEM_WHERE
	    " AND found MATCH ?6 ORDER BY bm25(found)", ITEM_BINDS(f), DB_T(query));
	while (r == 0 && (r = db_next(c, q)) == 0) {
		r = array_grow((void **)ret, &cap, *ret_n, sizeof(**ret));
		if (r == 0) {
			(*ret)[*ret_n] = (struct hit){ db_int(q, 0), found_in(query, db_text(q, 1)), *ret_n };
			++*ret_n;
		}
	}
	return r < 0 ? r : 0;
}

int
catalog_search(struct catalog *c, const struct catalog_filter *f, struct slice stems, double least,
    void (*each)(void *, const struct catalog_item *, double score), void *context)
{
	CLEANUP(buf_free) struct buf query = { 0 };
	struct hit *hit = NULL;
	size_t asked, n = 0;
	int r = make_query(stems, &query, &asked);
	if (r < 0 || asked == 0)
		return r;
	r = collect(c, f, buf_view(&query), &hit, &n);
	if (r == 0 && n > 0)
		qsort(hit, n, sizeof(hit[0]), better);
	for (size_t i = 0; i < n && r == 0 && (f->limit == 0 || (int64_t)i < f->limit); i++) {
		DB_QUERY(q);
		struct catalog_item item;
		double score = (double)hit[i].found / (double)asked;
		if (score < least)
			break;
		r = db_first(c, &q, "SELECT " ITEM_COLUMNS ITEM_FROM " WHERE i.row = ?", DB_I(hit[i].row));
		if (r == DB_END) {
			r = 0;          /* flipped away in between */
			continue;
		}
		if (r == 0) {
			read_item(q, &item);
			each(context, &item, score);
		}
	}
	free(hit);
	return r < 0 ? r : 0;
}
