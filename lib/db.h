/* db: SQLite, for whoever keeps something: open, migrate, statements,
 * transactions, checkpoints.  db.c alone knows the engine's own header.
 *
 * One connection writes, so nothing ever waits for a lock.  WAL with
 * synchronous=FULL flushes the log once at each COMMIT; the automatic
 * checkpoint is off, because it would run inside the COMMIT that happens to
 * cross the limit and make its callers wait for a second flush.
 *
 * An owner is any struct with a member `struct db db`.  Results: 0; -ENOSPC (disk
 * or engine's memory full, the transaction is over), -EIO, -EBADMSG, -ENOMEM. */
#ifndef PONTE_DB_H
#define PONTE_DB_H

#include "lib/base.h"
#include "lib/uuid.h"

struct sqlite3;
struct sqlite3_stmt;

#define DB_STATEMENTS 256               /* slots of the statement cache, a power of two */
#define DB_TEXT       256               /* of an error, with its NUL */

struct db {
	struct sqlite3 *handle;
	int      lock_fd;               /* -1: read only, or closed */
	bool     writing;               /* a transaction is open */
	char     error[DB_TEXT];
	/* Statements by the address of their text: one place in the source, one statement. */
	struct { const char *sql; struct sqlite3_stmt *stmt; } cache[DB_STATEMENTS];
	uint64_t wal_limit, wal_bytes, wal_refused;
};

/* What is to be found in the file. */
struct db_kind {
	const char *name;               /* "store", for messages */
	int application_id;
	const char *const *schema;      /* [n] takes version n to n + 1 */
	int version;
	bool readers;                   /* others read it: the log stays when the last writer goes */
};

enum { DB_E_LOCKED = 2, DB_E_NEWER };  /* beside DB_END */
/* Locked for this process, made when it is missing, migrated.  0, DB_E_LOCKED,
 * DB_E_NEWER or -errno; db_error() says why, and db_shut() is due in any case. */
MUST_CHECK int db_start(struct db *, const char *path, const struct db_kind *, uint64_t wal_limit);
/* A read-only connection, of a process of its own. */
MUST_CHECK int db_start_to_read(struct db *, const char *path, const struct db_kind *);
/* failed: it did not open; nothing is flushed once more then. */
void db_shut(struct db *, bool failed);

/* ---- statements --------------------------------------------------------- */

enum { DB_END = 1 };                    /* no row, no more rows */

struct db_bind { enum { DB_B_END, DB_B_INT, DB_B_NULL, DB_B_TEXT, DB_B_BLOB } type; int64_t number; struct slice bytes; };
#define DB_I(value)  ((struct db_bind){ DB_B_INT, (int64_t)(value), { 0, 0 } })
#define DB_T(slice)  ((struct db_bind){ DB_B_TEXT, 0, (slice) })
#define DB_B(slice)  ((struct db_bind){ DB_B_BLOB, 0, (slice) })
#define DB_NULL      ((struct db_bind){ DB_B_NULL, 0, { 0, 0 } })
#ifdef __cppcheck__                     /* which does not know __VA_OPT__ */
#define DB_BINDS(...) (const struct db_bind[]){ { DB_B_END, 0, { 0, 0 } } }
#else
#define DB_BINDS(...) (const struct db_bind[]){ __VA_ARGS__ __VA_OPT__(,) { DB_B_END, 0, { 0, 0 } } }
#endif

/* Binds; db_next() reads the rows.  `sql` is a literal.  Bound bytes must live
 * until db_close(). */
#define db_open(owner, ret, sql, ...) db_open_binds(&(owner)->db, ret, "" sql, DB_BINDS(__VA_ARGS__))
/* The first row: 0 or DB_END. */
#define db_first(owner, ret, sql, ...) db_first_binds(&(owner)->db, ret, "" sql, DB_BINDS(__VA_ARGS__))
/* A statement without rows. */
#define db_run(owner, sql, ...) db_run_binds(&(owner)->db, "" sql, DB_BINDS(__VA_ARGS__))

MUST_CHECK int db_open_binds(struct db *, struct sqlite3_stmt **ret, const char *sql, const struct db_bind *);
MUST_CHECK int db_first_binds(struct db *, struct sqlite3_stmt **ret, const char *sql, const struct db_bind *);
MUST_CHECK int db_run_binds(struct db *, const char *sql, const struct db_bind *);
#define db_next(owner, stmt) db_step(&(owner)->db, stmt)                /* 0 or DB_END */
MUST_CHECK int db_step(struct db *, struct sqlite3_stmt *);
void db_close(struct sqlite3_stmt **);                                  /* for CLEANUP(); NULL is fine */
/* Columns, from 0; views until the next db_next() or db_close(). */
int64_t db_int(struct sqlite3_stmt *, int column);
struct slice db_text(struct sqlite3_stmt *, int column);
bool db_null(struct sqlite3_stmt *, int column);
struct uuid db_uuid(struct sqlite3_stmt *, int column);
#define db_last_id(owner) db_last_id_of(&(owner)->db)
int64_t db_last_id_of(struct db *);
#define db_changes(owner) db_changes_of(&(owner)->db)
int64_t db_changes_of(struct db *);

#define DB_QUERY(name) struct sqlite3_stmt *name CLEANUP(db_close) = NULL

#define db_fail(owner, ...) db_fail_with(&(owner)->db, __VA_ARGS__)     /* sets the text; -EBADMSG */
int db_fail_with(struct db *, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* BEGIN when none is open, COMMIT, ROLLBACK. */
MUST_CHECK int db_begin(struct db *);
MUST_CHECK int db_commit(struct db *);
void db_rollback(struct db *);          /* keeps the error's text */
bool db_over(struct db *);              /* no transaction is open, whatever we think */

/* Between transactions: are commits flushed from here on?  At first all are; one
 * that is flushes those before it, too.  0 or -EIO. */
MUST_CHECK int db_flushes(struct db *, bool);
/* Between transactions: moves the log into the file when it is longer than
 * wal_limit; with `force` now, and empties it.  A full disk is no failure here.
 * 0 or -EIO. */
MUST_CHECK int db_checkpoint(struct db *, bool force);

/* ---- db_file.c ---- */

/* Two writers on one file would each hand out the same work.  0, DB_E_LOCKED or
 * -errno; the lock goes with the descriptor. */
MUST_CHECK int db_file_lock(const char *path, int *ret_fd);
/* Makes it, empty, when it is missing.  0 or -errno. */
MUST_CHECK int db_file_make(const char *path, unsigned mode);

#endif
