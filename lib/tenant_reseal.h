/* tenant_reseal: what a tenant's record holds sealed, sealed anew under another key. */
#ifndef PONTE_TENANT_RESEAL_H
#define PONTE_TENANT_RESEAL_H

#include "lib/arena.h"
#include "lib/secret.h"
#include "lib/tenant.h"

enum tenant_ring { TENANT_RING_INTAKE, TENANT_RING_OUTGOING };

struct tenant_resealed {
	size_t moved;                   /* sealed anew */
	size_t there;                   /* under that key already */
	size_t lost;                    /* neither key opens it: left as it is */
	struct slice lost_field;        /* the first of them: "sender/bot/secret" */
};

/* Seals everything of that ring under key->byte; what key->next opens is moved.
 * Into the arena.  Adds to *ret.  0 or -ENOMEM. */
MUST_CHECK int tenant_reseal(struct tenant *, enum tenant_ring, const struct secret_key *key, struct arena *,
    struct tenant_resealed *ret);

#endif
