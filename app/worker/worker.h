/* worker: what one worker process has at hand while it answers.  Made in the
 * child after the fork; the settings and the key are the master's, read only. */
#ifndef PONTE_WORKER_WORKER_H
#define PONTE_WORKER_WORKER_H

#include "app/worker/request.h"
#include "lib/catalog.h"
#include "lib/config.h"
#include "lib/net.h"
#include "lib/route.h"
#include "lib/scoreboard.h"
#include "lib/secret.h"

/* What a reload replaces as a whole. */
struct setup {
	struct arena     *arena;            /* of the settings */
	struct config     config;
	struct secret_key intake;
	struct buf        enrolment;        /* the secret of that name; empty: none */
};

struct tenant_cache;

struct worker {
	const struct config     *config;
	const struct secret_key *intake;
	struct slice             enrolment;
	const struct route      *table;
	size_t                   rows;
	struct scoreboard       *board;
	struct scoreboard_slot  *slot;      /* ours */
	struct net_caller        keeper, courier;
	struct tenant_cache     *tenants;
	struct catalog          *catalog;   /* NULL: not opened yet */
	struct buf               frame;     /* of the call being made */
	bool                     keeper_silent;     /* the last call for a webhook got no answer */
	struct {
		int64_t      at_ms;         /* 0: never looked */
		struct slice problem[6];    /* static texts */
		size_t       problems;
		int64_t      keeper_age_ms, waiting;
	} ready;                            /* what /readyz found last, good for a second */
};

/* How a worker ends; the master reads it from the exit status. */
enum worker_exit {
	WORKER_STOPPED = 0,         /* it was told to */
	WORKER_FAILED = 1,          /* something it needs is not there */
	WORKER_RECYCLED = 3,        /* it has answered its share of requests */
};

/* 0 or -errno; worker_free() copes with a half-made one. */
MUST_CHECK int worker_init(struct worker *, const struct setup *, struct scoreboard *, struct scoreboard_slot *);
void worker_free(struct worker *);

/* So long somebody else is waited for, who has a deadline of his own: the
 * workers' deadline begins anew behind it. */
void worker_waits(struct worker *, int64_t ms);
#define WORKER_ASK_MS 3000
/* One request that stands in w->frame, to the keeper; the answer is of that
 * kind, or it is -EPROTO.  *ret until the next call.  0 or -errno. */
MUST_CHECK int worker_ask(struct worker *, int64_t ms, uint16_t kind, struct wire_frame *ret);

#endif
