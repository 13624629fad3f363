/* catalog_item: what every item of the catalogue gets before it is stored,
 * whether an addon pushed it or we pulled it: the words it is found by, the
 * hash of what it says, and for rules the key. */
#ifndef PONTE_CATALOG_ITEM_H
#define PONTE_CATALOG_ITEM_H

#include "lib/arena.h"
#include "lib/catalog.h"
#include "lib/words.h"

/* Stems of name and description (of `text` alone, when there is one), and the
 * hash; all in the arena.  words NULL: it is found by none.  Odoo's id is not part of the hash: an addon does not
 * send it, and what it pushes is no other rule than the one that was pulled.
 * 0 or -ENOMEM. */
MUST_CHECK int catalog_item_seal(struct words *, struct arena *, struct slice text, struct catalog_item *);
/* Odoo allows two rules of one name: the key is the name and which of them it
 * is.  0 or -ENOMEM. */
MUST_CHECK int catalog_items_key(struct arena *, struct catalog_item *, size_t n);
/* The hash of a shelf: of its items in their order.  0 or -ENOMEM. */
MUST_CHECK int catalog_shelf_seal(struct arena *, struct catalog_shelf_push *);

#endif
