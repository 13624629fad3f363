/* access: may this request come in?  For rows of ROUTE_TOKEN: a Bearer token
 * (RFC 6750) names tenant and scopes.  A tenant may let in some rows without
 * one, from addresses that it names (odoo.open); account_id then names it. */
#ifndef PONTE_WORKER_ACCESS_H
#define PONTE_WORKER_ACCESS_H

#include "lib/base.h"

struct request;

/* Before the body is read.  False: the request is answered (401, 403, 429 or
 * 503).  Else r->tenant is set, or access_admit_body() will. */
bool access_admit(struct request *);
/* After it: what needs the body to be known.  False: the request is answered. */
bool access_admit_body(struct request *);

/* Whose token is that?  *ret_tenant (in the request's arena) is empty when it is
 * nobody's.  False: the request is answered (429 or 503). */
bool access_token(struct request *, struct slice token, struct slice *ret_tenant, unsigned *ret_scopes);
/* The tenant of that name as it is now, or NULL; good until the next question to
 * the keeper.  False: the request is answered (503). */
struct tenant;
bool access_tenant(struct request *, struct slice name, const struct tenant **ret);
/* Is the body signed with the tenant's own secret?  0, an outcome of lib/sign.h, or -errno. */
MUST_CHECK int access_signature(const struct request *, const struct tenant *);

#endif
