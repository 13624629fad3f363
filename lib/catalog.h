/* catalog: what Odoo told of a tenant, at hand for the hub and for pages: rules,
 * company data, documents, styles.  A file of its own (catalog.db): the keeper
 * writes it, workers read it through a connection that cannot write.
 *
 * SHELVES.  Each kind of thing of a tenant is a shelf.  A push gives a shelf
 * its whole content anew, or changes some items of it.  Items are written in
 * slices under the next generation, which nobody sees; then one small
 * transaction flips the shelf to it.  A push that broke off leaves nothing
 * behind.  An item that did not change is not written again.
 *
 * IDS.  An item's public id is stable for its key (the name and its number among
 * those of one name, or Odoo's id), one sequence over all kinds and tenants.
 *
 * Results are db.h's; times are microseconds of the wall clock. */
#ifndef PONTE_CATALOG_H
#define PONTE_CATALOG_H

#include "lib/base.h"

#define CATALOG_TEXT 256                /* longest error text with its NUL */

#define CATALOG_KINDS(X) \
	X(PERMANENT, "permanent") X(TEMPORARY, "temporary") X(SCHEDULING, "scheduling") \
	X(DOCUMENT, "document") X(METADATA, "metadata") X(STYLE, "style") \
	X(PRODUCT, "product") X(UPLOAD, "upload") X(COLLECTIONS, "collections")
enum catalog_kind {
	CATALOG_K_NONE = 0,
#define X(name, text) CATALOG_K_##name,
	CATALOG_KINDS(X)
#undef X
	CATALOG_K_COUNT,
};
const char *catalog_kind_text(enum catalog_kind);
#define CATALOG_BIT(kind) (1u << (kind))
#define CATALOG_DOCUMENTS (CATALOG_BIT(CATALOG_K_DOCUMENT) | CATALOG_BIT(CATALOG_K_UPLOAD))
#define CATALOG_RULES (CATALOG_BIT(CATALOG_K_PERMANENT) | CATALOG_BIT(CATALOG_K_TEMPORARY) | CATALOG_BIT(CATALOG_K_SCHEDULING))

struct catalog_item {
	int64_t id, odoo_id;            /* odoo_id 0: not known */
	enum catalog_kind kind;
	struct slice key, name, description, type;
	int64_t priority;
	int64_t starts_us, ends_us;     /* 0: open */
	int64_t created_us, updated_us;
	struct slice data;              /* JSON of its own, or empty */
	struct slice stems;             /* what it is found by (lib/words.h); empty: not at all */
	struct slice hash;              /* of its content; the same: nothing changed */
};

struct catalog;

/* ---- the keeper ---- */

MUST_CHECK int catalog_open(const char *path, uint64_t wal_limit, struct catalog **ret, char reterr[static CATALOG_TEXT]);
void catalog_close(struct catalog *);           /* NULL is fine */
const char *catalog_error(const struct catalog *);

/* A push, in slices.  Everything it was given must live until it is over. */
struct catalog_push;
struct catalog_shelf_push {
	enum catalog_kind kind;
	bool whole;                     /* what is not named goes; else it stays */
	const struct catalog_item *item; size_t items;  /* one with an empty hash is taken away */
	struct slice hash;              /* of all of it; the same as last time: nothing is written.  Empty: none */
};
/* read_us: when it was begun to be read, of what was read and not pushed; else 0.
 * 0 or -ENOMEM. */
MUST_CHECK int catalog_push_new(struct catalog *, struct slice tenant, const struct catalog_shelf_push *, size_t shelves,
    int64_t read_us, struct catalog_push **ret);
void catalog_push_free(struct catalog_push *);  /* NULL is fine; unfinished: nothing of it is seen */
struct catalog_counts { size_t written, removed, unchanged; bool same; /* nothing at all changed */ };
/* One slice.  *ret_done: the shelves are flipped, and it is on disk.
 * CATALOG_E_NEWER: somebody pushed since read_us, and that is the truth. */
enum { CATALOG_E_NEWER = 200 };
MUST_CHECK int catalog_push_step(struct catalog_push *, int64_t now_us, bool *ret_done, struct catalog_counts *ret);
/* Takes away all of a tenant: nobody sees it from here on, and catalog_clean()
 * deletes it. */
MUST_CHECK int catalog_forget(struct catalog *, struct slice tenant);
/* Whoever has a shelf. */
MUST_CHECK int catalog_tenants(struct catalog *, void (*each)(void *, struct slice tenant), void *context);
/* Deletes a slice of what no shelf shows any more.  *ret_more: call again. */
MUST_CHECK int catalog_clean(struct catalog *, bool *ret_more);
/* What has changed of a tenant and was not said to be told yet; kinds 0: nothing. */
struct catalog_news { char tenant[65]; unsigned kinds; int64_t gen[CATALOG_K_COUNT], synced_us; };
MUST_CHECK int catalog_news(struct catalog *, struct catalog_news *ret);
MUST_CHECK int catalog_told(struct catalog *, const struct catalog_news *);
/* A line of the sync history of a tenant. */
MUST_CHECK int catalog_note(struct catalog *, struct slice tenant, struct slice what, struct slice result, int64_t now_us);
MUST_CHECK int catalog_checkpoint(struct catalog *);

/* ---- whoever reads ---- */

/* -ENOENT: the keeper has not made it yet. */
MUST_CHECK int catalog_open_to_read(const char *path, struct catalog **ret, char reterr[static CATALOG_TEXT]);

struct catalog_filter {
	struct slice tenant;
	unsigned kinds;                 /* bits */
	struct slice type;              /* empty: any */
	int64_t  id;                    /* 0: any */
	int64_t  now_us;                /* shown is what is valid then; 0: all */
	int64_t  offset, limit;         /* limit 0: all */
};
/* By kind and name; the slices are valid during the call. */
MUST_CHECK int catalog_list(struct catalog *, const struct catalog_filter *, void (*each)(void *, const struct catalog_item *),
    void *context);
MUST_CHECK int catalog_count(struct catalog *, const struct catalog_filter *, int64_t *ret);
/* The one item of that key, if there is one. */
MUST_CHECK int catalog_find(struct catalog *, struct slice tenant, enum catalog_kind, struct slice key,
    void (*each)(void *, const struct catalog_item *), void *context);
/* When a kind was last pushed, and its generation, which changes whenever its
 * content does; 0: never. */
struct catalog_state { int64_t generation, synced_us; };
MUST_CHECK int catalog_state(struct catalog *, struct slice tenant, enum catalog_kind, struct catalog_state *ret);
/* Items that have any of the first 64 different stems (words_stems() of what was
 * asked), the best first: the share of the stems that is found, then bm25.  score: that share. */
MUST_CHECK int catalog_search(struct catalog *, const struct catalog_filter *, struct slice stems, double least,
    void (*each)(void *, const struct catalog_item *, double score), void *context);

#endif
