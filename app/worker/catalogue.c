#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/worker.h"
#include "lib/log.h"

/* The oldest of them; what was never synced has no age. */
static bool
read_age(struct request *r, struct catalog *c, unsigned kinds)
{
	struct catalog_state state;

	r->answer.synced_us = 0;
	for (int k = 1; k < CATALOG_K_COUNT; k++) {
		if (!(kinds & CATALOG_BIT(k)))
			continue;
		if (catalog_state(c, r->tenant, (enum catalog_kind)k, &state) < 0)
			return catalogue_failed(r);
		if (state.synced_us > 0 && (r->answer.synced_us == 0 || state.synced_us < r->answer.synced_us))
			r->answer.synced_us = state.synced_us;
	}
	return true;
}

struct catalog *
catalogue_of(struct request *r, unsigned kinds)
{
	struct worker *w = r->worker;
	char why[CATALOG_TEXT];

	if (!w->catalog && catalog_open_to_read(w->config->store.catalog.ptr, &w->catalog, why) != 0) {
		log_event(LOG_WARN, "no-catalogue", LOG_STR("why", why));
		api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("the catalogue cannot be read now"));
		return NULL;
	}
	return read_age(r, w->catalog, kinds) ? w->catalog : NULL;
}

bool
catalogue_failed(struct request *r)
{
	struct worker *w = r->worker;

	if (w->catalog)
		log_event(LOG_WARN, "catalogue-failed", LOG_STR("why", catalog_error(w->catalog)));
	return api_refuse(r, REQUEST_R_DATABASE_ERROR, SLICE("the catalogue cannot be read now"));
}
