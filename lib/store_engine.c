/* The store as a whole: opening it, and its transactions with their books. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define APPLICATION_ID 0x706f6e74       /* "pont" */

const char *
store_error(const struct store *s)
{
	return s->db.error;
}

bool
store_writing(const struct store *s)
{
	return s->db.writing;
}

int
store_probe(struct store *s, int64_t now_us)
{
	int r = db_enter(s);
	if (r < 0)
		return r;
	return db_leave(s, db_run(s, "UPDATE meta SET value = ? WHERE name = 'probe'", DB_I(now_us)));
}

void
store_set_rules(struct store *s, const struct store_rules *rules)
{
	s->rules = *rules;
}

/* ---- transactions ---- */

int
db_enter(struct store *s)
{
	int r;
	if (!s->db.writing) {
		CRASH_POINT("keeper-before-begin");
		r = db_begin(&s->db);
		if (r < 0)
			return r;
		CRASH_POINT("keeper-after-begin");
	}
	s->mark = s->books.len;
	r = db_run(s, "SAVEPOINT call");
	return r < 0 ? db_leave(s, r) : 0;
}

int
db_leave(struct store *s, int r)
{
	if (r >= 0) {
		int released = db_run(s, "RELEASE call");
		if (released >= 0)
			return r;
		r = released;
	}
	if (r == -EIO)
		return r;
	/* SQLite has rolled back by itself, or would do so at the next turn. */
	if (r == -ENOSPC || db_over(&s->db)) {
		store_rollback(s);
		return -ENOSPC;
	}
	char why[STORE_TEXT];
	memcpy(why, s->db.error, sizeof(why));
	s->books.len = s->mark;
	int undone = db_run(s, "ROLLBACK TO call");
	if (undone >= 0)
		undone = db_run(s, "RELEASE call");
	if (undone >= 0)
		undone = books_load(s);         /* the call may have moved what memory mirrors */
	memcpy(s->db.error, why, sizeof(why));
	if (undone < 0 && undone != -EIO) {
		store_rollback(s);
		return -ENOSPC;
	}
	return undone < 0 ? undone : r;
}

int
store_commit(struct store *s)
{
	if (!s->db.writing)
		return 0;
	int r = books_flush(s);
	CRASH_POINT("keeper-before-commit");
	if (r == 0)
		r = db_commit(&s->db);
	if (r == 0) {
		books_kept(s, true);
		CRASH_POINT("keeper-after-commit");
		return 0;
	}
	if (r != -ENOSPC)
		return -EIO;
	store_rollback(s);
	return -ENOSPC;
}

void
store_rollback(struct store *s)
{
	char why[STORE_TEXT];
	if (!s->db.writing)
		return;
	memcpy(why, s->db.error, sizeof(why));
	db_rollback(&s->db);
	books_kept(s, false);
	/* Nothing can be served from a memory that is not what the disk says. */
	REQUIRE(books_load(s) == 0);
	memcpy(s->db.error, why, sizeof(why));
}

int
store_checkpoint(struct store *s, bool force)
{
	return db_checkpoint(&s->db, force);
}

/* ---- open ---- */

static struct db_kind
kind(void)
{
	return (struct db_kind){ .name = "store", .application_id = APPLICATION_ID, .schema = store_schema, .version = store_schema_version };
}

/* Ownership of s: to *ret, or closed here. */
static int
opened(struct store *s, int r, const char *path, struct store **ret, char *reterr)
{
	if (r == 0) {
		*ret = s;
		return 0;
	}
	snprintf(reterr, STORE_TEXT, "the store %.90s cannot be opened: %.130s", path,
	    s->db.error[0] ? s->db.error : strerror(r < 0 ? -r : EIO));
	db_shut(&s->db, true);
	store_close(s);
	return r == DB_E_LOCKED ? STORE_E_LOCKED : r == DB_E_NEWER ? STORE_E_NEWER : r;
}

static struct store *
new_store(char *reterr)
{
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		snprintf(reterr, STORE_TEXT, "out of memory");
	return s;
}

int
store_open(const char *path, uint64_t wal_limit, struct store **ret, char reterr[static STORE_TEXT])
{
	struct db_kind k = kind();
	struct store *s = new_store(reterr);
	if (!s)
		return -ENOMEM;
	int r = db_start(&s->db, path, &k, wal_limit);
	if (r == 0)
		r = books_load(s);
	return opened(s, r, path, ret, reterr);
}

int
store_open_to_read(const char *path, struct store **ret, char reterr[static STORE_TEXT])
{
	struct db_kind k = kind();
	struct store *s = new_store(reterr);
	return s ? opened(s, db_start_to_read(&s->db, path, &k), path, ret, reterr) : -ENOMEM;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	if (s->db.writing)
		store_rollback(s);
	db_shut(&s->db, false);
	free(s->books.at);
	free(s->aside.at);
	free(s->stop);
	free(s->heard);
	free(s);
}
