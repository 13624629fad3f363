/* scratch: what a store would hold after the bodies so far, for `ponte explain`:
 * conversations and duplicate keys, each within its installation. */
#ifndef PONTE_APP_PONTE_SCRATCH_H
#define PONTE_APP_PONTE_SCRATCH_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/chatwoot/chatwoot.h"

struct scratch {
	struct scratch_conversation *conversation;
	size_t conversations;
	struct scratch_key *key;
	size_t keys;
	size_t room;            /* of both arrays: each body adds one row of each at most */
};

/* Room for `bodies` calls of scratch_keep().  0 or -ENOMEM. */
MUST_CHECK int scratch_init(struct scratch *, size_t bodies, struct arena *);
/* The conversation's state; all zero when it is not known. */
void scratch_find(const struct scratch *, struct slice installation, const struct chatwoot_facts *,
    struct chatwoot_state *ret);
/* Was the key kept before?  The empty key never is. */
bool scratch_seen(const struct scratch *, struct slice installation, const char *key);
/* Keeps what the store would keep under that verdict. */
void scratch_keep(struct scratch *, struct slice installation, const struct chatwoot_facts *,
    const struct chatwoot_verdict *, const char *key);

#endif
