/* shelf: what the addons push, made into items of the catalogue. */
#ifndef PONTE_WORKER_SHELF_H
#define PONTE_WORKER_SHELF_H

#include "app/worker/request.h"
#include "lib/catalog.h"
#include "lib/json.h"
#include "lib/words.h"

#define SHELF_ITEMS_MAX 20000   /* of one list */

/* All in the request's arena. */
struct shelf {
	struct request *r;
	struct words   *words;
	struct slice    why;            /* after SHELF_E_WRONG: which field, and what is wrong with it */
};
enum shelf_outcome { SHELF_E_WRONG = 1 };

/* A list of rules as the addons send it (contract of POST …/sync and
 * …/sync-scheduling-rules).  name: of the list, for messages.  0, SHELF_E_WRONG or -ENOMEM. */
MUST_CHECK int shelf_rules(struct shelf *, const struct json *list, const char *name, enum catalog_kind,
    struct catalog_shelf_push *ret);
/* One object as the only item of that key. */
MUST_CHECK int shelf_object(struct shelf *, enum catalog_kind, struct slice key, const struct json *object, struct slice text,
    struct catalog_shelf_push *ret);

/* Says what is wrong with item i of a list; SHELF_E_WRONG. */
int shelf_wrong(struct shelf *, const char *list, size_t i, const char *field, const char *fault);
/* What an item is found by, and the hash of all that it says.  0 or -ENOMEM. */
MUST_CHECK int shelf_seal(struct shelf *, struct catalog_item *);

/* Pushes and waits.  False: the request is answered. */
bool shelf_push(struct request *, const struct catalog_shelf_push *, size_t shelves, const char *what, struct slice result,
    bool *ret_same);

#endif
