/* catalog_wire: a push, between a worker and the keeper, as bare fields. */
#ifndef PONTE_CATALOG_WIRE_H
#define PONTE_CATALOG_WIRE_H

#include "lib/arena.h"
#include "lib/catalog.h"
#include "lib/wire.h"

void catalog_pack(const struct catalog_shelf_push *, size_t shelves, struct wire_writer *);
/* Views into the fields; the arrays lie in the arena.  0, -EPROTO or -ENOMEM. */
MUST_CHECK int catalog_unpack(struct slice fields, struct arena *, struct catalog_shelf_push **ret, size_t *ret_shelves);

#endif
