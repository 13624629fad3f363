/* collections: `enabled_collections` of an addon's push: what of the shop the AI
 * may use.  What is not among them stays stored, and the addon's own pages and
 * lists show it; what the hub asks for leaves it out. */
#ifndef PONTE_WORKER_COLLECTIONS_H
#define PONTE_WORKER_COLLECTIONS_H

#include "app/worker/shelf.h"

/* The list of a body as a shelf.  products: the list knows of products, too (that
 * of the company's data does, that of the rules does not).  *ret_n is 0 where
 * the body has no list: what was said before stays, and all is enabled where
 * nothing ever was.  0, SHELF_E_WRONG or -ENOMEM. */
MUST_CHECK int collections_read(struct shelf *, const struct json *body, bool products, struct catalog_shelf_push *ret, size_t *ret_n);

/* Takes from `kinds` (bits) what is not enabled.  False: the request is answered. */
bool collections_mask(struct request *, struct catalog *, unsigned *kinds);

#endif
