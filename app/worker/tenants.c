#include "app/worker/request.h"
#include "app/worker/routes.h"

/* The addons' credential and mapping syncs arrive among the Chatwoot events.
 * Until they are served they are refused: a 2xx would tell the addon that its
 * credentials are in force. */
void
on_tenants_sync(struct request *r, const char *sync)
{
	answer_refuse(r, REQUEST_R_NOT_IMPLEMENTED, arena_printf(r->arena,
	    "a %s sync is not taken here yet; import the tenant with 'ponte tenant import'", sync));
}
