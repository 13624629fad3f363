/* documents: how a document of the catalogue is shown, and found by its id.
 *
 * IDS.  A document that Odoo pushed has Odoo's id, which is positive.  One that
 * was uploaded has none there: its id is the number of its key in the
 * catalogue, below zero, so no id of Odoo's is ever like it. */
#ifndef PONTE_WORKER_DOCUMENTS_H
#define PONTE_WORKER_DOCUMENTS_H

#include "app/worker/request.h"
#include "lib/catalog.h"
#include "lib/json.h"

int64_t document_id(const struct catalog_item *);

enum document_form {
	DOCUMENT_LISTED,        /* as a list of documents has it, without the text */
	DOCUMENT_PROCESSED,     /* as a list with texts has it */
	DOCUMENT_WHOLE,         /* as it stands alone */
};
/* The caller's to free; NULL: out of memory. */
struct json *document_json(const struct catalog_item *, enum document_form);

/* Calls each() for the document of that id, if there is one.  False: the
 * request is answered, with 422 when the text is no id. */
bool document_find(struct request *, struct slice id, void (*each)(void *, const struct catalog_item *), void *context);

#endif
