/* The engine: open, migrate, statements, transactions, checkpoints.  The one
 * file that knows SQLite.
 *
 * One connection writes, so nothing ever waits for a lock.  WAL with
 * synchronous=FULL flushes the log once at each COMMIT; the automatic
 * checkpoint is off, because it would run inside the COMMIT that happens to
 * cross the limit and make its callers wait for a second flush. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define APPLICATION_ID 0x706f6e74       /* "pont" */

/* ---- errors ---- */

static int
db_wrong(struct store *s, int rc)
{
	snprintf(s->error, sizeof(s->error), "%s (%s)", sqlite3_errmsg(s->db), sqlite3_errstr(rc));
	/* A disk without room for the index of the log is full, not broken. */
	if ((rc & 0xff) == SQLITE_FULL || sqlite3_extended_errcode(s->db) == SQLITE_IOERR_SHMSIZE)
		return -ENOSPC;
	switch (rc & 0xff) {
	case SQLITE_IOERR:
		return -EIO;
	case SQLITE_NOMEM:
		return -ENOMEM;
	default:
		return -EBADMSG;
	}
}

/* ---- statements ---- */

static int
db_prepare(struct store *s, const char *sql, struct sqlite3_stmt **ret)
{
	size_t at = ((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 40;
	for (size_t i = 0; i < DB_STATEMENTS; i++) {
		size_t slot = (at + i) % DB_STATEMENTS;
		if (s->cache[slot].sql == sql) {
			*ret = s->cache[slot].stmt;
			return 0;
		}
		if (s->cache[slot].sql)
			continue;
		int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
		    &s->cache[slot].stmt, NULL);
		if (rc != SQLITE_OK)
			return db_wrong(s, rc);
		s->cache[slot].sql = sql;
		*ret = s->cache[slot].stmt;
		return 0;
	}
	REQUIRE(!"more statements than the cache holds");
	return -ENOMEM;
}

static int
db_bind(struct store *s, struct sqlite3_stmt *q, const struct db_bind *b)
{
	int rc = SQLITE_OK;
	for (int i = 1; b->type != DB_B_END && rc == SQLITE_OK; i++, b++) {
		const char *bytes = b->bytes.len ? b->bytes.ptr : "";
		switch (b->type) {
		case DB_B_INT:
			rc = sqlite3_bind_int64(q, i, b->number);
			break;
		case DB_B_TEXT:
			rc = sqlite3_bind_text64(q, i, bytes, b->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
			break;
		case DB_B_BLOB:
			rc = sqlite3_bind_blob64(q, i, bytes, b->bytes.len, SQLITE_STATIC);
			break;
		case DB_B_NULL:
			rc = sqlite3_bind_null(q, i);
			break;
		case DB_B_END:
			break;
		}
	}
	return rc == SQLITE_OK ? 0 : db_wrong(s, rc);
}

int
db_open_binds(struct store *s, struct sqlite3_stmt **ret, const char *sql, const struct db_bind *binds)
{
	struct sqlite3_stmt *q = NULL;
	int r = db_prepare(s, sql, &q);
	if (r < 0)
		return r;
	/* The same statement inside itself would lose the outer one's place. */
	REQUIRE(!sqlite3_stmt_busy(q));
	r = db_bind(s, q, binds);
	if (r < 0) {
		db_close(&q);
		return r;
	}
	*ret = q;
	return 0;
}

int
db_next(struct store *s, struct sqlite3_stmt *q)
{
	int rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		return 0;
	if (rc == SQLITE_DONE)
		return DB_END;
	return db_wrong(s, rc);
}

void
db_close(struct sqlite3_stmt **q)
{
	if (!*q)
		return;
	sqlite3_reset(*q);
	sqlite3_clear_bindings(*q);             /* the bytes are the caller's, and may go now */
	*q = NULL;
}

int64_t
db_int(struct sqlite3_stmt *q, int column)
{
	return sqlite3_column_int64(q, column);
}

struct slice
db_text(struct sqlite3_stmt *q, int column)
{
	const void *at = sqlite3_column_blob(q, column);
	return (struct slice){ at, (size_t)sqlite3_column_bytes(q, column) };
}

bool
db_null(struct sqlite3_stmt *q, int column)
{
	return sqlite3_column_type(q, column) == SQLITE_NULL;
}

struct uuid
db_uuid(struct sqlite3_stmt *q, int column)
{
	struct uuid id = { { 0 } };
	struct slice bytes = db_text(q, column);
	if (bytes.len == sizeof(id.byte))
		memcpy(id.byte, bytes.ptr, sizeof(id.byte));
	return id;
}

int64_t
db_last_id(struct store *s)
{
	return sqlite3_last_insert_rowid(s->db);
}

int64_t
db_changes(struct store *s)
{
	return sqlite3_changes64(s->db);
}

/* ---- transactions ---- */

int
db_enter(struct store *s)
{
	int r;
	if (!s->writing) {
		CRASH_POINT("keeper-before-begin");
		r = db_run(s, "BEGIN IMMEDIATE");
		if (r < 0)
			return r;
		s->writing = true;
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
	if (r == -ENOSPC || sqlite3_get_autocommit(s->db)) {
		store_rollback(s);
		return -ENOSPC;
	}
	char why[STORE_TEXT];
	memcpy(why, s->error, sizeof(why));
	s->books.len = s->mark;
	int undone = db_run(s, "ROLLBACK TO call");
	if (undone >= 0)
		undone = db_run(s, "RELEASE call");
	if (undone >= 0)
		undone = books_load(s);         /* the call may have moved what memory mirrors */
	memcpy(s->error, why, sizeof(why));
	if (undone < 0 && undone != -EIO) {
		store_rollback(s);
		return -ENOSPC;
	}
	return undone < 0 ? undone : r;
}

int
store_commit(struct store *s)
{
	if (!s->writing)
		return 0;
	int r = books_flush(s);
	CRASH_POINT("keeper-before-commit");
	if (r == 0)
		r = db_run(s, "COMMIT");
	if (r == 0) {
		s->writing = false;
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
	if (!s->writing)
		return;
	memcpy(why, s->error, sizeof(why));
	if (!sqlite3_get_autocommit(s->db) && db_run(s, "ROLLBACK") < 0)
		REQUIRE(sqlite3_get_autocommit(s->db));
	s->writing = false;
	books_kept(s, false);
	/* Nothing can be served from a memory that is not what the disk says. */
	REQUIRE(books_load(s) == 0);
	memcpy(s->error, why, sizeof(why));
}

/* ---- the write-ahead log ---- */

static int
on_wal(void *context, struct sqlite3 *db, const char *name, int pages)
{
	(void)db;
	(void)name;
	struct store *s = context;
	s->wal_bytes = (uint64_t)pages * 4096;
	return SQLITE_OK;
}

int
store_checkpoint(struct store *s, bool force)
{
	REQUIRE(!s->writing);
	if (!force && s->wal_bytes < s->wal_limit + s->wal_refused)
		return 0;
	int log = 0, moved = 0;
	/* Forced, the log is emptied too: what was erased is not to lie in it. */
	int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, force ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) {
		int r = db_wrong(s, rc);
		if (r == -EIO)
			return r;
	}
	/* A reader (store_check()) holds the log, or the disk is full: do not
	 * try again at every commit, but when the log has grown as much again. */
	bool whole = rc == SQLITE_OK && moved == log;
	s->wal_refused = whole ? 0 : s->wal_bytes;
	if (whole)
		s->wal_bytes = 0;
	return 0;
}

void
store_set_rules(struct store *s, const struct store_rules *rules)
{
	s->rules = *rules;
}

/* ---- open ---- */

static int
pragma_int(struct store *s, const char *sql, int64_t *ret)
{
	struct sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(q);
	int r = rc == SQLITE_ROW ? 0 : db_wrong(s, rc);
	if (r == 0)
		*ret = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return r;
}

static int
run_text(struct store *s, const char *sql)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : db_wrong(s, rc);
}

static int
migrate(struct store *s, int64_t from)
{
	char mark[96];
	int r = run_text(s, "BEGIN IMMEDIATE");
	for (int64_t v = from; r == 0 && v < store_schema_version; v++)
		r = run_text(s, store_schema[v]);
	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
	    APPLICATION_ID, store_schema_version);
	if (r == 0)
		r = run_text(s, mark);
	CRASH_POINT("keeper-migrates");
	if (r == 0)
		r = run_text(s, "COMMIT");
	CRASH_POINT("keeper-migrated");
	if (r < 0 && !sqlite3_get_autocommit(s->db)) {
		char why[STORE_TEXT];
		memcpy(why, s->error, sizeof(why));
		(void)!run_text(s, "ROLLBACK");
		memcpy(s->error, why, sizeof(why));
	}
	return r;
}

/* What is in the file, before anything of it is changed. */
static int
look(struct store *s, int64_t *ret_version)
{
	int64_t application = 0, tables = 0;
	int r = pragma_int(s, "PRAGMA user_version", ret_version);
	if (r == 0)
		r = pragma_int(s, "PRAGMA application_id", &application);
	if (r == 0)
		r = pragma_int(s, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0)
		return r;
	if (application != APPLICATION_ID && (application != 0 || tables != 0))
		return db_fail(s, "it is a database, but not a store of ponte");
	if (*ret_version > store_schema_version) {
		db_fail(s, "it was written by a newer ponte (schema %" PRId64 ", this one knows %d);"
		    " install that version again", *ret_version, store_schema_version);
		return STORE_E_NEWER;
	}
	return 0;
}

static int
set_up(struct store *s)
{
	/* The file may already be in WAL mode; the pragma answers with the mode. */
	int r = run_text(s,
	    "PRAGMA journal_mode = WAL;"
	    "PRAGMA synchronous = FULL;"
	    "PRAGMA mmap_size = 0;"
	    "PRAGMA temp_store = MEMORY;"
	    "PRAGMA cache_size = -8192;"
	    "PRAGMA foreign_keys = ON;");
	sqlite3_wal_autocheckpoint(s->db, 0);
	sqlite3_wal_hook(s->db, on_wal, s);
	return r;
}

/* A keeper before us may have ended over a flush that failed: what it wrote
 * stands in the log, can be read and may not be on the disk, and to flush it
 * again proves nothing.  So it is written into the file itself and flushed
 * there, before anybody hears that we have it. */
static int
empty_log(struct store *s)
{
	int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if ((rc & 0xff) == SQLITE_BUSY) {
		db_fail(s, "somebody reads it and keeps its log from being emptied");
		return STORE_E_LOCKED;
	}
	return rc == SQLITE_OK ? 0 : db_wrong(s, rc);
}

static int
open_engine(struct store *s, const char *path, int flags, int64_t *ret_version)
{
	int rc = sqlite3_open_v2(path, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc != SQLITE_OK)
		return s->db ? db_wrong(s, rc) : -ENOMEM;
	sqlite3_busy_timeout(s->db, 1000);      /* somebody's sqlite3 shell */
	return look(s, ret_version);
}

static int
open_steps(struct store *s, const char *path)
{
	int64_t version = 0;
	int r = store_file_lock(path, &s->lock_fd);
	if (r == STORE_E_LOCKED)
		db_fail(s, "another process has it open");
	if (r == 0)
		r = store_file_make(path);
	if (r != 0)
		return r;
	r = open_engine(s, path, SQLITE_OPEN_READWRITE, &version);
	if (r == 0)
		r = set_up(s);
	if (r == 0 && version < store_schema_version)
		r = migrate(s, version);
	if (r == 0)
		r = empty_log(s);
	return r == 0 ? books_load(s) : r;
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
	    s->error[0] ? s->error : strerror(r < 0 ? -r : EIO));
	/* Closing would flush once more what may have failed just now. */
	if (s->db)
		(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	store_close(s);
	return r;
}

static struct store *
new_store(uint64_t wal_limit, char *reterr)
{
	struct store *s = calloc(1, sizeof(*s));
	if (!s) {
		snprintf(reterr, STORE_TEXT, "out of memory");
		return NULL;
	}
	s->lock_fd = -1;
	s->wal_limit = wal_limit;
	return s;
}

int
store_open(const char *path, uint64_t wal_limit, struct store **ret, char reterr[static STORE_TEXT])
{
	struct store *s = new_store(wal_limit, reterr);
	return s ? opened(s, open_steps(s, path), path, ret, reterr) : -ENOMEM;
}

int
store_open_to_read(const char *path, struct store **ret, char reterr[static STORE_TEXT])
{
	int64_t version = 0;
	struct store *s = new_store(0, reterr);
	int r = s ? open_engine(s, path, SQLITE_OPEN_READONLY, &version) : -ENOMEM;
	if (r == 0 && version != store_schema_version)
		r = db_fail(s, "its schema is %" PRId64 ", this ponte writes %d", version, store_schema_version);
	return s ? opened(s, r, path, ret, reterr) : r;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	if (s->writing)
		store_rollback(s);
	for (size_t i = 0; i < DB_STATEMENTS; i++)
		sqlite3_finalize(s->cache[i].stmt);
	sqlite3_close(s->db);
	close_fd(&s->lock_fd);
	free(s->books.at);
	free(s->aside.at);
	free(s->stop);
	free(s->heard);
	free(s);
}
