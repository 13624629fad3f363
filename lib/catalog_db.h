/* catalog_db: what the files catalog_*.c share.  Nothing else includes this. */
#ifndef PONTE_CATALOG_DB_H
#define PONTE_CATALOG_DB_H

#include "lib/catalog.h"
#include "lib/db.h"

#define CATALOG_FOREVER INT64_MAX       /* gen_last of what is to be seen on and on */

struct catalog {
	struct db db;
	unsigned  held;                 /* slices in the transaction that is open */
	unsigned  undone;               /* transactions: whose slices were in one cannot go on */
	int64_t   unfinished[CATALOG_K_COUNT]; /* shelves where a push that broke off has left what nobody sees */
	size_t    unfinisheds;
};

/* Takes that away; of all shelves, where `all` is set.  0 or an error of db.h's. */
MUST_CHECK int catalog_undo_unfinished(struct catalog *, bool all);

/* Commits when r is not below 0, else undoes the transaction; returns the result. */
MUST_CHECK int catalog_leave(struct catalog *, int r);

#endif
