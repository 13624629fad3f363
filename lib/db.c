#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/db.h"

/* ---- errors ---- */

static int
db_wrong(struct db *d, int rc)
{
	snprintf(d->error, sizeof(d->error), "%s (%s)", sqlite3_errmsg(d->handle), sqlite3_errstr(rc));
	/* A disk without room for the index of the log is full, not broken. */
	if ((rc & 0xff) == SQLITE_FULL || sqlite3_extended_errcode(d->handle) == SQLITE_IOERR_SHMSIZE)
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
db_prepare(struct db *d, const char *sql, struct sqlite3_stmt **ret)
{
	size_t at = ((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 40;
	for (size_t i = 0; i < DB_STATEMENTS; i++) {
		size_t slot = (at + i) % DB_STATEMENTS;
		if (d->cache[slot].sql == sql) {
			*ret = d->cache[slot].stmt;
			return 0;
		}
		if (d->cache[slot].sql)
			continue;
		int rc = sqlite3_prepare_v3(d->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
		    &d->cache[slot].stmt, NULL);
		if (rc != SQLITE_OK)
			return db_wrong(d, rc);
		d->cache[slot].sql = sql;
		*ret = d->cache[slot].stmt;
		return 0;
	}
	REQUIRE(!"more statements than the cache holds");
	return -ENOMEM;
}

static int
db_bind(struct db *d, struct sqlite3_stmt *q, const struct db_bind *b)
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
	return rc == SQLITE_OK ? 0 : db_wrong(d, rc);
}

int
db_open_binds(struct db *d, struct sqlite3_stmt **ret, const char *sql, const struct db_bind *binds)
{
	struct sqlite3_stmt *q = NULL;
	int r = db_prepare(d, sql, &q);
	if (r < 0)
		return r;
	/* The same statement inside itself would lose the outer one's place. */
	REQUIRE(!sqlite3_stmt_busy(q));
	r = db_bind(d, q, binds);
	if (r < 0) {
		db_close(&q);
		return r;
	}
	*ret = q;
	return 0;
}

int
db_step(struct db *d, struct sqlite3_stmt *q)
{
	int rc = sqlite3_step(q);
	if (rc == SQLITE_ROW)
		return 0;
	if (rc == SQLITE_DONE)
		return DB_END;
	return db_wrong(d, rc);
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
db_last_id_of(struct db *d)
{
	return sqlite3_last_insert_rowid(d->handle);
}

int64_t
db_changes_of(struct db *d)
{
	return sqlite3_changes64(d->handle);
}

int
db_first_binds(struct db *d, struct sqlite3_stmt **ret, const char *sql, const struct db_bind *binds)
{
	int r = db_open_binds(d, ret, sql, binds);
	return r < 0 ? r : db_step(d, *ret);
}

int
db_run_binds(struct db *d, const char *sql, const struct db_bind *binds)
{
	DB_QUERY(q);
	int r = db_first_binds(d, &q, sql, binds);
	return r < 0 ? r : 0;
}

int
db_fail_with(struct db *d, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(d->error, sizeof(d->error), fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

/* ---- transactions ---- */

int
db_begin(struct db *d)
{
	int r = d->writing ? 0 : db_run_binds(d, "BEGIN IMMEDIATE", DB_BINDS());
	d->writing = r >= 0;
	return r;
}

int
db_commit(struct db *d)
{
	int r = d->writing ? db_run_binds(d, "COMMIT", DB_BINDS()) : 0;
	if (r == 0)
		d->writing = false;
	return r;
}

bool
db_over(struct db *d)
{
	return sqlite3_get_autocommit(d->handle) != 0;
}

void
db_rollback(struct db *d)
{
	char why[DB_TEXT];
	memcpy(why, d->error, sizeof(why));
	if (!db_over(d) && db_run_binds(d, "ROLLBACK", DB_BINDS()) < 0)
		REQUIRE(db_over(d));
	d->writing = false;
	memcpy(d->error, why, sizeof(why));
}

/* ---- the write-ahead log ---- */

static int
on_wal(void *context, struct sqlite3 *handle, const char *name, int pages)
{
	(void)handle;
	(void)name;
	struct db *d = context;
	d->wal_bytes = (uint64_t)pages * 4096;
	return SQLITE_OK;
}

int
db_checkpoint(struct db *d, bool force)
{
	REQUIRE(!d->writing);
	if (!force && d->wal_bytes < d->wal_limit + d->wal_refused)
		return 0;
	int log = 0, moved = 0;
	/* Forced, the log is emptied too: what was erased is not to lie in it. */
	int rc = sqlite3_wal_checkpoint_v2(d->handle, NULL, force ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &log, &moved);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) {
		int r = db_wrong(d, rc);
		if (r == -EIO)
			return r;
	}
	/* A reader holds the log, or the disk is full: do not try again at every
	 * commit, but when the log has grown as much again. */
	bool whole = rc == SQLITE_OK && moved == log;
	d->wal_refused = whole ? 0 : d->wal_bytes;
	if (whole)
		d->wal_bytes = 0;
	return 0;
}

/* ---- open ---- */

static int
pragma_int(struct db *d, const char *sql, int64_t *ret)
{
	struct sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(d->handle, sql, -1, &q, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(q);
	int r = rc == SQLITE_ROW ? 0 : db_wrong(d, rc);
	if (r == 0)
		*ret = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	return r;
}

static int
run_text(struct db *d, const char *sql)
{
	int rc = sqlite3_exec(d->handle, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : db_wrong(d, rc);
}

static int
migrate(struct db *d, const struct db_kind *kind, int64_t from)
{
	char mark[96];
	int r = run_text(d, "BEGIN IMMEDIATE");
	for (int64_t v = from; r == 0 && v < kind->version; v++)
		r = run_text(d, kind->schema[v]);
	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d; PRAGMA user_version = %d;", kind->application_id, kind->version);
	if (r == 0)
		r = run_text(d, mark);
	CRASH_POINT("keeper-migrates");
	if (r == 0)
		r = run_text(d, "COMMIT");
	CRASH_POINT("keeper-migrated");
	if (r < 0 && !db_over(d)) {
		char why[DB_TEXT];
		memcpy(why, d->error, sizeof(why));
		(void)!run_text(d, "ROLLBACK");
		memcpy(d->error, why, sizeof(why));
	}
	return r;
}

/* What is in the file, before anything of it is changed. */
static int
look(struct db *d, const struct db_kind *kind, int64_t *ret_version)
{
	int64_t application = 0, tables = 0;
	int r = pragma_int(d, "PRAGMA user_version", ret_version);
	if (r == 0)
		r = pragma_int(d, "PRAGMA application_id", &application);
	if (r == 0)
		r = pragma_int(d, "SELECT count(*) FROM sqlite_schema", &tables);
	if (r < 0)
		return r;
	if (application != kind->application_id && (application != 0 || tables != 0))
		return db_fail_with(d, "it is a database, but not a %s of ponte", kind->name);
	if (*ret_version > kind->version) {
		db_fail_with(d, "it was written by a newer ponte (schema %" PRId64 ", this one knows %d);"
		    " install that version again", *ret_version, kind->version);
		return DB_E_NEWER;
	}
	return 0;
}

int
db_flushes(struct db *d, bool yes)
{
	return run_text(d, yes ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
}

static int
set_up(struct db *d, const struct db_kind *kind)
{
	/* The file may already be in WAL mode; the pragma answers with the mode. */
	int r = run_text(d,
	    "PRAGMA journal_mode = WAL;"
	    "PRAGMA synchronous = FULL;"
	    "PRAGMA mmap_size = 0;"
	    "PRAGMA temp_store = MEMORY;"
	    "PRAGMA cache_size = -8192;"
	    "PRAGMA foreign_keys = ON;");
	int keep = kind->readers;
	if (keep)
		(void)sqlite3_file_control(d->handle, NULL, SQLITE_FCNTL_PERSIST_WAL, &keep);
	sqlite3_wal_autocheckpoint(d->handle, 0);
	sqlite3_wal_hook(d->handle, on_wal, d);
	return r;
}

/* A writer before us may have ended over a flush that failed: what it wrote
 * stands in the log, can be read and may not be on the disk, and to flush it
 * again proves nothing.  So it is written into the file itself and flushed
 * there, before anybody hears that we have it. */
static int
empty_log(struct db *d, const struct db_kind *kind)
{
	int rc = sqlite3_wal_checkpoint_v2(d->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if ((rc & 0xff) == SQLITE_BUSY && !kind->readers) {
		db_fail_with(d, "somebody reads it and keeps its log from being emptied");
		return DB_E_LOCKED;
	}
	return rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY ? 0 : db_wrong(d, rc);
}

static int
open_engine(struct db *d, const char *path, const struct db_kind *kind, int flags, int64_t *ret_version)
{
	int rc = sqlite3_open_v2(path, &d->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (rc != SQLITE_OK)
		return d->handle ? db_wrong(d, rc) : -ENOMEM;
	sqlite3_busy_timeout(d->handle, 1000);      /* somebody's sqlite3 shell */
	return look(d, kind, ret_version);
}

int
db_start(struct db *d, const char *path, const struct db_kind *kind, uint64_t wal_limit)
{
	int64_t version = 0;
	*d = (struct db){ .lock_fd = -1, .wal_limit = wal_limit };
	int r = db_file_lock(path, &d->lock_fd);
	if (r == DB_E_LOCKED)
		db_fail_with(d, "another process has it open");
	if (r == 0)
		r = db_file_make(path, kind->readers ? 0640 : 0600);
	if (r != 0)
		return r;
	r = open_engine(d, path, kind, SQLITE_OPEN_READWRITE, &version);
	if (r == 0)
		r = set_up(d, kind);
	if (r == 0 && version < kind->version)
		r = migrate(d, kind, version);
	return r == 0 ? empty_log(d, kind) : r;
}

int
db_start_to_read(struct db *d, const char *path, const struct db_kind *kind)
{
	int64_t version = 0;
	*d = (struct db){ .lock_fd = -1 };
	int r = open_engine(d, path, kind, SQLITE_OPEN_READONLY, &version);
	if (r == 0 && version != kind->version)
		r = db_fail_with(d, "its schema is %" PRId64 ", this ponte writes %d", version, kind->version);
	return r;
}

void
db_shut(struct db *d, bool failed)
{
	/* Closing would flush once more what may have failed just now. */
	if (failed && d->handle)
		(void)sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	for (size_t i = 0; i < DB_STATEMENTS; i++) {
		sqlite3_finalize(d->cache[i].stmt);
		d->cache[i].sql = NULL;
		d->cache[i].stmt = NULL;
	}
	sqlite3_close(d->handle);
	d->handle = NULL;
	close_fd(&d->lock_fd);
}
