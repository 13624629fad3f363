/* The catalogue's file, and what both who writes and who reads know of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/catalog_db.h"

#define APPLICATION_ID 0x706f6e63       /* "ponc" */

static const char *const schema[] = {
	/* 0 -> 1 */
	/* gen: what is seen.  An item is seen from gen_first to gen_last. */
	"CREATE TABLE shelf ("
	" id INTEGER PRIMARY KEY, tenant TEXT NOT NULL, kind INTEGER NOT NULL, gen INTEGER NOT NULL DEFAULT 0,"
	" hash BLOB NOT NULL DEFAULT x'', synced_us INTEGER NOT NULL DEFAULT 0,"
	" told INTEGER NOT NULL DEFAULT 0,"            /* the gen that the hub knows of */
	" UNIQUE (tenant, kind));"
	"CREATE TABLE key ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, shelf INTEGER NOT NULL REFERENCES shelf, key TEXT NOT NULL,"
	" created_us INTEGER NOT NULL, UNIQUE (shelf, key));"
	"CREATE TABLE item ("
	" row INTEGER PRIMARY KEY AUTOINCREMENT, shelf INTEGER NOT NULL REFERENCES shelf, key INTEGER NOT NULL REFERENCES key,"
	" gen_first INTEGER NOT NULL, gen_last INTEGER NOT NULL, odoo_id INTEGER NOT NULL, name TEXT NOT NULL,"
	" description TEXT NOT NULL, type TEXT NOT NULL, priority INTEGER NOT NULL, starts_us INTEGER NOT NULL,"
	" ends_us INTEGER NOT NULL, updated_us INTEGER NOT NULL, data TEXT NOT NULL, hash BLOB NOT NULL);"
	"CREATE INDEX item_key ON item (key, gen_last);"
	"CREATE INDEX item_shelf ON item (shelf, gen_last, row);"
	"CREATE VIRTUAL TABLE found USING fts5 (stems, tokenize = 'unicode61 remove_diacritics 0');"
	"CREATE TABLE history ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, at_us INTEGER NOT NULL, what TEXT NOT NULL,"
	" result TEXT NOT NULL);"
	"CREATE INDEX history_tenant ON history (tenant, at_us);",
};

static const struct db_kind kind = {
	.name = "catalogue", .application_id = APPLICATION_ID, .schema = schema, .version = (int)ARRAY_LEN(schema), .readers = true,
};

const char *
catalog_kind_text(enum catalog_kind k)
{
	switch (k) {
	case CATALOG_K_NONE:
	case CATALOG_K_COUNT:
		break;
#define X(name, text) case CATALOG_K_##name: return text;
	CATALOG_KINDS(X)
#undef X
	}
	return "";
}

const char *
catalog_error(const struct catalog *c)
{
	return c->db.error;
}

int
catalog_leave(struct catalog *c, int r)
{
	int e = r >= 0 ? db_commit(&c->db) : r;
	if (e < 0) {
		db_rollback(&c->db);
		c->undone++;
	}
	return e < 0 ? e : r;
}

/* A push that broke off: what it wrote is nobody's, what it ended goes on. */
static int
undo(struct catalog *c, int64_t shelf)
{
	int r = db_run(c, "DELETE FROM found WHERE rowid IN (SELECT i.row FROM item i JOIN shelf s ON s.id = i.shelf"
	    " WHERE i.gen_first > s.gen AND (?1 = 0 OR s.id = ?1))", DB_I(shelf));
	if (r == 0)
		r = db_run(c, "DELETE FROM item WHERE row IN (SELECT i.row FROM item i JOIN shelf s ON s.id = i.shelf"
		    " WHERE i.gen_first > s.gen AND (?1 = 0 OR s.id = ?1))", DB_I(shelf));
	if (r == 0)
		r = db_run(c, "UPDATE item SET gen_last = ?2 WHERE row IN (SELECT i.row FROM item i JOIN shelf s ON s.id = i.shelf"
		    " WHERE i.gen_last = s.gen AND (?1 = 0 OR s.id = ?1))", DB_I(shelf), DB_I(CATALOG_FOREVER));
	return r;
}

int
catalog_undo_unfinished(struct catalog *c, bool all)
{
	int r = db_begin(&c->db);
	if (r == 0 && all)
		r = undo(c, 0);
	for (size_t i = 0; i < c->unfinisheds && r == 0; i++)
		r = undo(c, c->unfinished[i]);
	r = catalog_leave(c, r);
	if (r == 0)
		c->unfinisheds = 0;
	return r;
}

static int
opened(struct catalog *c, int r, const char *path, struct catalog **ret, char *reterr)
{
	if (r == 0) {
		*ret = c;
		return 0;
	}
	snprintf(reterr, CATALOG_TEXT, "the catalogue %.90s cannot be opened: %.130s", path,
	    c->db.error[0] ? c->db.error : strerror(r < 0 ? -r : EIO));
	db_shut(&c->db, true);
	free(c);
	return r < 0 ? r : -EBUSY;
}

int
catalog_open(const char *path, uint64_t wal_limit, struct catalog **ret, char reterr[static CATALOG_TEXT])
{
	struct catalog *c = calloc(1, sizeof(*c));
	if (!c) {
		snprintf(reterr, CATALOG_TEXT, "out of memory");
		return -ENOMEM;
	}
	int r = db_start(&c->db, path, &kind, wal_limit);
	if (r == 0)
		r = catalog_undo_unfinished(c, true);
	if (r == 0)
		r = db_flushes(&c->db, false);  /* the flip alone: catalog_push_step() */
	return opened(c, r, path, ret, reterr);
}

int
catalog_open_to_read(const char *path, struct catalog **ret, char reterr[static CATALOG_TEXT])
{
	if (access(path, F_OK) < 0) {
		snprintf(reterr, CATALOG_TEXT, "there is no catalogue at %.180s yet", path);
		return -ENOENT;
	}
	struct catalog *c = calloc(1, sizeof(*c));
	if (!c) {
		snprintf(reterr, CATALOG_TEXT, "out of memory");
		return -ENOMEM;
	}
	return opened(c, db_start_to_read(&c->db, path, &kind), path, ret, reterr);
}

void
catalog_close(struct catalog *c)
{
	if (!c)
		return;
	if (c->db.writing)
		db_rollback(&c->db);
	db_shut(&c->db, false);
	free(c);
}
