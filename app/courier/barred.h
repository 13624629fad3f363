/* barred: what a token turned out not to be allowed to do at an installation.
 * It is not tried again until the tenant's record is another, and said once. */
#ifndef PONTE_COURIER_BARRED_H
#define PONTE_COURIER_BARRED_H

#include "lib/base.h"

enum barred_what { BARRED_TYPING, BARRED_LOOK, BARRED_CATCHUP };

#define BARRED_KEPT 1024        /* beyond that others are forgotten, and tried again */

struct barred {
	struct barred_entry *item;
	size_t n, cap, next;
};

void barred_free(struct barred *);
/* mark: of the tenant's record (where_mark()). */
bool barred_is(const struct barred *, enum barred_what, struct slice tenant, struct slice installation, uint64_t mark);
/* True when it was not known: to be said. */
bool barred_add(struct barred *, enum barred_what, struct slice tenant, struct slice installation, uint64_t mark);

#endif
