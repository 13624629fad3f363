/* company: what the addons say of it.  It has a sync of its own, and the rules'
 * sync says a part of it again (`basic_info`): all there is of a company whose
 * addon has no other.  The two are items of their own, and the first is the one
 * that counts. */
#ifndef PONTE_WORKER_COMPANY_H
#define PONTE_WORKER_COMPANY_H

#include "app/worker/shelf.h"

/* The basic_info of a sync of rules as a shelf.  *ret_n is 0 where it names no
 * company, where what it says is wrong (which is logged), and where the company's
 * own sync is stored.  0 or -errno. */
MUST_CHECK int company_basic(struct shelf *, struct catalog *, const struct json *body, struct catalog_shelf_push *ret, size_t *ret_n);

/* The one item that counts, if there is one. */
MUST_CHECK int company_find(struct catalog *, struct slice tenant, void (*each)(void *, const struct catalog_item *), void *context);

#endif
