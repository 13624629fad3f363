/* proof: does a request come from that sender?  Its signature over the raw
 * bytes; or, where the sender is set up so and no signature header is there,
 * one of the other proofs. */
#ifndef PONTE_WORKER_PROOF_H
#define PONTE_WORKER_PROOF_H

#include "app/worker/request.h"
#include "app/worker/tenant_cache.h"
#include "lib/sign.h"

struct proof {
	bool                is_signed;
	struct sign_headers sign;
	struct slice        body;
	struct slice        path_secret, basic, remote;     /* empty: not given */
};

/* What the request offers.  0, or an enum sign_outcome that no sender can
 * mend: a header of a wrong form, or a time outside the window. */
MUST_CHECK int proof_read(const struct request *, struct slice path_secret, int64_t now_s, struct proof *ret);
/* With a signature header there, nothing but the signature counts. */
bool proof_fits(const struct proof *, const struct tenant_candidate *, struct arena *);

#endif
