/* tenant_cache: the tenants this worker has asked the keeper for, with their
 * senders' secrets opened.
 *
 * Every answer of the keeper carries the tenants' generation number.  When it
 * is another one than before, the whole cache is emptied: what the operator
 * changed is effective at the next answer.  A refusal never rests on the cache
 * alone: the caller asks again with `anew` before it refuses.
 *
 * Opened secrets live here and nowhere else, and are wiped when they go. */
#ifndef PONTE_WORKER_TENANT_CACHE_H
#define PONTE_WORKER_TENANT_CACHE_H

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/net.h"
#include "lib/secret.h"
#include "lib/tenant.h"

/* A sender that may have sent what is in hand. */
struct tenant_candidate {
	const struct tenant              *tenant;
	const struct tenant_sender       *sender;
	const struct tenant_installation *installation;
	struct buf secret, next_secret, proof;      /* opened; empty: none, or not to be opened */
};

struct tenant_entry {
	uint64_t                 generation;        /* what a put must be judged under */
	size_t                   tenants;
	struct tenant_candidate *candidate;
	size_t                   candidates;
	/* the cache's own */
	char                     name[65];          /* asked by name, or … */
	int64_t                  account;           /* … by account */
	uint64_t                 used;              /* when, for choosing who goes; 0: empty */
	struct arena            *arena;
	struct tenant           *tenant;
};

struct tenant_cache;

MUST_CHECK int tenant_cache_new(const struct secret_key *, struct tenant_cache **ret);
void tenant_cache_free(struct tenant_cache *);

/* Who to ask, where to build the question, and until when. */
struct tenant_ask { struct net_caller *keeper; struct buf *frame; int64_t deadline_ms; };

enum tenant_cache_outcome { TENANT_CACHE_E_NONE = 1 };
/* By name (1 to 64 characters), or by account when the name is empty.  `anew`:
 * from the keeper in any case.  *ret lives until the next call with this
 * cache; *ret_cached says that the keeper was not asked.  0,
 * TENANT_CACHE_E_NONE (there is no such tenant: the keeper said so just now),
 * or -errno (the keeper does not answer, or answers nonsense). */
MUST_CHECK int tenant_cache_find(struct tenant_cache *, struct tenant_ask, struct slice name, int64_t account,
    bool anew, const struct tenant_entry **ret, bool *ret_cached);
/* What another answer of the keeper said: empties the cache when it differs.
 * Entries got before must not be used after it. */
void tenant_cache_generation(struct tenant_cache *, uint64_t generation);

#endif
