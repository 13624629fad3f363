/* tenant_sync: what the addons say of their own tenant: its Odoo (credential
 * sync) and which account or inbox is of which line of business (mapping sync). */
#ifndef PONTE_TENANT_SYNC_H
#define PONTE_TENANT_SYNC_H

#include "lib/arena.h"
#include "lib/tenant.h"
#include "lib/wire.h"

void tenant_mapping_put(struct wire_writer *, const struct tenant_mapping *);
MUST_CHECK int tenant_mapping_read(struct slice group, struct tenant_mapping *ret);     /* 0 or -EPROTO */

enum {
	TENANT_SYNC_E_KEY = 1,      /* another server is named, and no key for it */
	TENANT_SYNC_E_FULL,         /* more than TENANT_MAPPINGS */
};
/* Puts into a tenant what `said` has: domain and Odoo connection, where they are
 * not empty, and mappings, in the place of all that is stored of the same
 * account and inbox, fallback or not.  Nothing else of `said` is looked at.  A stored key is never kept for
 * another scheme, host or port, nor for the first that is named after it.  0, TENANT_SYNC_E_*, or -ENOMEM (nothing is
 * changed).  Texts stay where they are. */
MUST_CHECK int tenant_merge(struct tenant *, const struct tenant *said, struct arena *);

/* Is one of the n of the same account and inbox?  Of those a tenant has one mapping. */
bool tenant_mapping_stands(const struct tenant_mapping *all, size_t n, const struct tenant_mapping *);

/* Is that account, or that inbox of it (0: none), another tenant's?  `mine` has
 * it in an installation, as the operator said: no.  Else it is when `other` has it, at a Chatwoot that
 * `mine` has, too, or when one of the two has no Chatwoot to tell them apart. */
bool tenant_claimed(const struct tenant *mine, const struct tenant *other, int64_t account, int64_t inbox);

/* Where a message belongs: the mapping of its inbox, that of its account, the
 * installation's account, a fallback, the tenant.  crew: that of the customer's
 * number, else the inbox's; empty: none. */
struct tenant_place { struct slice domain, crew; };
struct tenant_place tenant_place(const struct tenant *, const struct tenant_installation *, int64_t account, int64_t inbox,
    struct slice phone);

#endif
