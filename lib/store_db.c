/* What the files of the store share and no engine is needed for. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/base.h"
#include "lib/store.h"
#include "lib/store_db.h"

int
db_fail(struct store *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(s->error, sizeof(s->error), fmt, ap);
	va_end(ap);
	return -EBADMSG;
}

const char *
store_error(const struct store *s)
{
	return s->error;
}

int
db_first_binds(struct store *s, struct sqlite3_stmt **ret, const char *sql, const struct db_bind *binds)
{
	int r = db_open_binds(s, ret, sql, binds);
	return r < 0 ? r : db_next(s, *ret);
}

int
db_run_binds(struct store *s, const char *sql, const struct db_bind *binds)
{
	DB_QUERY(q);
	int r = db_first_binds(s, &q, sql, binds);
	return r < 0 ? r : 0;
}

bool
store_writing(const struct store *s)
{
	return s->writing;
}

int
store_probe(struct store *s, int64_t now_us)
{
	int r = db_enter(s);
	if (r < 0)
		return r;
	return db_leave(s, db_run(s, "UPDATE meta SET value = ? WHERE name = 'probe'", DB_I(now_us)));
}
