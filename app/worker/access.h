/* access: may this request come in?  For rows of ROUTE_TOKEN: a Bearer token
 * (RFC 6750) names tenant and scopes. */
#ifndef PONTE_WORKER_ACCESS_H
#define PONTE_WORKER_ACCESS_H

#include "lib/base.h"

struct request;

/* False: the request is answered (401, 403 or 503).  Else r->tenant is set. */
bool access_admit(struct request *);

#endif
