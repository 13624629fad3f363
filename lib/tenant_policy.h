/* tenant_policy: under which policy the events of a sender are judged. */
#ifndef PONTE_TENANT_POLICY_H
#define PONTE_TENANT_POLICY_H

#include "lib/chatwoot/chatwoot.h"
#include "lib/tenant.h"

/* A sender without an account of its own: account is 0, and the caller's to set. */
struct chatwoot_policy tenant_policy(const struct tenant *, const struct tenant_installation *,
    const struct tenant_sender *);

#endif
