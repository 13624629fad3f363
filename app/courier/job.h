/* job: one claimed batch and everything that belongs to it until it is
 * settled.
 *
 *   READY    claimed; waits for room at its destination          claims.c
 *   TENANT   the keeper was asked for the tenant                 deliver.c
 *   BEGIN    a reply is built, and the keeper was asked whether it may go
 *   SENT     on the network
 *   SETTLE   over; the keeper was told, and has not answered yet
 */
#ifndef PONTE_COURIER_JOB_H
#define PONTE_COURIER_JOB_H

#include "app/courier/dest.h"
#include "app/courier/destination.h"
#include "app/courier/keeper_link.h"
#include "lib/arena.h"

struct courier;

enum job_state { JOB_READY, JOB_TENANT, JOB_BEGIN, JOB_SENT, JOB_SETTLE };

/* What a request on the network belongs to; the first member of each. */
enum cookie_type { COOKIE_JOB, COOKIE_TYPING, COOKIE_CATCHUP, COOKIE_CALL };
struct cookie { enum cookie_type type; };

struct job {
	struct cookie   cookie;
	enum job_state  state;
	struct arena   *kept;           /* its memory, until it is over */
	struct buf      record;         /* the batch as it came; empty once the request is built */
	struct delivery delivery;       /* members and payload point into the record */
	char            event_id[UUID_TEXT];
	struct dest    *dest;           /* NULL: it has left its destination */
	bool            active;         /* counted there as a request, not as one that waits */
	uint64_t        question;       /* what the keeper was asked; 0: nothing */
	int64_t         ask_again_ms;   /* SETTLE: not before */
	bool            later;          /* the keeper's disk had no room for the result */
	struct request  request;
	enum delivery_step step;        /* of Chatwoot there may be several, one after the other */
	int64_t         find_after;     /* STEP_FIND: where the next page begins */
	int64_t         bot_id;         /* of the installation */
	unsigned        steps;          /* how many there were */
	bool            more;           /* another part that the customer sees follows this */
	bool            shown;          /* the conversation was read: shown_facts */
	struct chatwoot_facts shown_facts;
	struct chatwoot_part  labels;   /* all that the conversation is to have; none: not read */
	int64_t         started_ms;
	struct settlement settlement;
};

/* What each log line about one delivery begins with. */
#define LOG_JOB(j) LOG_STR("event_id", (j)->event_id), LOG_TEXT("request_id", (j)->delivery.request_id), \
	LOG_TEXT("tenant", (j)->delivery.tenant), LOG_INT("delivery", (j)->delivery.key)

/* All of them, oldest claim first. */
struct jobs {
	struct job **item;
	size_t       n, cap;
	size_t       bytes;             /* of batches and requests in memory */
	size_t       later;             /* results that the keeper's disk had no room for */
	int64_t      claim_at_ms;       /* when to claim again */
	bool         claim_again;       /* something happened since the claim that is out was made */
};
void jobs_free(struct courier *);                   /* without a word to the keeper */

/* Takes its place in c->jobs and, waiting, at its destination.  0, -EPROTO
 * (the batch cannot be read) or -ENOMEM. */
MUST_CHECK int job_new(struct courier *, struct slice batch, struct job **ret);
void job_free(struct courier *, struct job *);
struct job *job_asking(struct courier *, uint64_t question);    /* NULL: none */
size_t job_unsettled(const struct courier *);                   /* how many are before SETTLE */
size_t job_sent(const struct courier *);                        /* how many are on the network */
/* Takes it from the network; *ret_sent: some of it may have arrived. */
void job_cancel(struct courier *, struct job *, bool *ret_sent);

/* From waiting to being a request. */
void job_start(struct job *, int64_t now_ms);
/* Away from its destination; the breaker hears the signal of a request. */
enum breaker_change job_leave(struct courier *, struct job *, enum breaker_signal, int64_t now_ms);
/* The batch's bytes and the request's are needed no longer. */
void job_drop_record(struct courier *, struct job *);
void job_drop_request(struct courier *, struct job *);
/* The plain token is in the headers: wiped as soon as curl has them. */
void job_wipe_headers(struct job *);

#endif
