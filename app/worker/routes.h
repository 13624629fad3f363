/* routes: the table of every URL that the workers answer. */
#ifndef PONTE_WORKER_ROUTES_H
#define PONTE_WORKER_ROUTES_H

#include "lib/buf.h"
#include "lib/route.h"

extern const struct route routes[];
extern const size_t routes_count;

/* Old bases end in /webhook, so /webhook/api/… and /webhook/tools/… are the same
 * paths without it. */
struct slice routes_alias(struct slice path);

/* For `ponte-worker --routes`: a table to read, or JSON.  0 or -ENOMEM. */
MUST_CHECK int routes_print(bool as_json, struct buf *out);

/* The handlers, each in the file of its area.  They answer by answer_*(). */
void on_root(struct request *);                     /* health.c */
void on_health(struct request *);
void on_webhook_root(struct request *);
void on_webhook_health(struct request *);
void on_livez(struct request *);
void on_readyz(struct request *);
void on_chatwoot_shared(struct request *);          /* chatwoot.c */
void on_chatwoot_sender(struct request *);
void on_replies(struct request *);                  /* replies.c */
void on_rules_sync(struct request *);               /* rules.c */
void on_scheduling_sync(struct request *);
void on_rules_active(struct request *);
void on_rules_search(struct request *);
void on_rules_search_body(struct request *);
void on_rules_list(struct request *);
void on_rules_one(struct request *);
void on_scheduling_processed(struct request *);
void on_company_sync(struct request *);             /* company.c */
void on_company_processed(struct request *);
void on_service_processed(struct request *);
void on_documents_sync(struct request *);           /* documents.c */
void on_documents_clear(struct request *);
void on_documents_upload(struct request *);         /* upload.c */
void on_documents_list(struct request *);           /* documents.c */
void on_documents_processed(struct request *);
void on_document_processed(struct request *);
void on_style(struct request *);                    /* style.c */
void on_style_put(struct request *);
void on_greeting_put(struct request *);
void on_product_description(struct request *);      /* products.c */
void on_product_sync(struct request *);
void on_products_sync(struct request *);
void on_tool_description(struct request *);
void on_tool_product(struct request *);
void on_products_prices(struct request *);          /* product_price.c */
void on_products_search(struct request *);          /* product_shelf.c */
void on_products_status(struct request *);
void on_products_list(struct request *);            /* product_list.c */
void on_view_rules(struct request *);               /* views.c */
void on_view_temporary(struct request *);
void on_view_scheduling(struct request *);
void on_view_documents(struct request *);
void on_view_document(struct request *);
void on_view_company(struct request *);
void on_tenants_sync(struct request *, const char *sync);   /* tenants.c; called by the shared intake */

#endif
