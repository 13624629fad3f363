#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/worker.h"
#include "lib/log.h"

struct catalog *
catalogue_of(struct request *r)
{
	struct worker *w = r->worker;
	char why[CATALOG_TEXT];

	if (!w->catalog && catalog_open_to_read(w->config->store.catalog.ptr, &w->catalog, why) != 0) {
		log_event(LOG_WARN, "no-catalogue", LOG_STR("why", why));
		api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("the catalogue cannot be read now"));
		return NULL;
	}
	return w->catalog;
}

bool
catalogue_failed(struct request *r)
{
	struct worker *w = r->worker;

	if (w->catalog)
		log_event(LOG_WARN, "catalogue-failed", LOG_STR("why", catalog_error(w->catalog)));
	return api_refuse(r, REQUEST_R_DATABASE_ERROR, SLICE("the catalogue cannot be read now"));
}
