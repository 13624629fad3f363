/* keeper_link: the courier's connection to the keeper, never waited for.
 *
 *   connect → HELLO (batches we hold, what crashed our predecessor)
 *           → HELLO_OK (batches we may go on with; the others are not ours any more)
 *   then, in any order and number: TENANT_FIND, CLAIM (one at a time), BEGIN, SETTLE,
 *     and of a catch-up: HEARD, PUT, CAUGHT_UP
 *   and, from the keeper by itself: WAKE
 *
 * A broken connection loses questions, not work: after the next HELLO_OK
 * deliver.c asks again whatever its jobs still want to know.  Between two
 * connections lies a pause that grows. */
#ifndef PONTE_COURIER_KEEPER_LINK_H
#define PONTE_COURIER_KEEPER_LINK_H

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/chatwoot/answer.h"
#include "lib/protocol.h"
#include "lib/wire.h"

struct courier;

struct keeper_link {
	char        path[108];          /* as long as a Unix socket's may be; outlives a reload */
	int         fd;                 /* -1: no connection */
	struct buf  in, out;
	uint64_t    last_request;
	uint64_t    hello, claim;       /* requests not answered yet; 0: none */
	bool        greeted;            /* HELLO_OK came: questions may be asked */
	bool        ever_greeted;
	bool        complained;         /* the log says that there is no keeper */
	unsigned    failures;
	int64_t     next_try_ms;
	uint64_t    generation;         /* of the tenants, as last heard */
};

void keeper_link_init(struct keeper_link *, const char *path);
void keeper_link_close(struct keeper_link *);

/* Opens the connection when its time has come, and says HELLO. */
void keeper_link_tick(struct courier *, int64_t now_ms);
/* Reads, acts on what is whole, writes what waits. */
void keeper_link_io(struct courier *, int64_t now_ms);
/* Milliseconds until tick() wants to be called; -1: not at all. */
int64_t keeper_link_wait_ms(const struct keeper_link *, int64_t now_ms);
bool keeper_link_wants_write(const struct keeper_link *);

/* The questions.  Each returns its request number, which the answer repeats,
 * or 0 when it could not be asked (no connection, no memory). */
uint64_t keeper_ask_tenant(struct courier *, struct slice name);
/* shown: the conversation as it was read; NULL: it was not. */
uint64_t keeper_ask_begin(struct courier *, uint64_t delivery, const struct chatwoot_facts *shown);
void keeper_ask_claim(struct courier *, size_t max, int64_t now_ms);

uint64_t keeper_ask_tenants(struct courier *, struct slice after);      /* a page of them: those behind that name */
/* packed: shelves, by catalog_pack(); age_ms: since it was begun to be read. */
uint64_t keeper_ask_catalog(struct courier *, struct slice tenant, struct slice packed, int64_t age_ms);
uint64_t keeper_ask_heard(struct courier *);
uint64_t keeper_ask_caught_up(struct courier *, struct slice tenant, struct slice installation, int64_t since_us,
    int64_t through_us);

/* An event that was fetched. */
struct keeper_put {
	struct uuid  event;
	struct slice tenant, installation, sender, body;
	const struct chatwoot_facts  *facts;
	const struct chatwoot_policy *policy;
	int64_t      created_us;        /* what its age counts from; 0: from now */
	bool         dry_run;
};
uint64_t keeper_ask_put(struct courier *, const struct keeper_put *);

struct settlement {
	uint64_t     delivery;
	enum settle_verdict verdict;
	int64_t      delay_ms;          /* -1: none */
	long         status;
	struct slice reason;
	const struct chatwoot_part *part;       /* deliveries to make, in order */
	size_t       parts;
};
uint64_t keeper_ask_settle(struct courier *, const struct settlement *);

#endif
