/* calls: what a worker or an operator asks of a tenant's Odoo or hub, and waits
 * for (P_CALL).  Nothing of it is kept: who waits hears how it ended, and who
 * has gone away hears nothing.
 *
 *   TENANT   the keeper is asked for the tenant
 *   TURN     until it may go: odoo.c
 *   SENT     on the network
 *   OVER     the answer waits for whoever asked
 */
#ifndef PONTE_COURIER_CALLS_H
#define PONTE_COURIER_CALLS_H

#include "app/courier/job.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/client.h"
#include "lib/protocol.h"

struct courier;

#define CALL_WHY 320

enum call_state { CALL_S_TENANT, CALL_S_TURN, CALL_S_SENT, CALL_S_OVER };
struct call {
	struct cookie   cookie;         /* COOKIE_CALL */
	struct call    *next;
	enum call_state state;
	uint64_t        asker, request; /* its connection, and the frame; asker 0: it has gone */
	enum call_kind  kind;
	bool            operator;       /* asks, and for all that reads */
	char            tenant[65];
	int64_t         deadline_ms;
	int64_t         at_ms;          /* TURN: not before */
	uint64_t        question;
	unsigned        tries;
	struct arena   *memory;         /* what was asked, and what is made of it */
	struct slice    asked;
	struct buf      body;           /* on the network: kept until it is over */
	struct odoo_ask *odoo;          /* odoo.c's, in `memory` */
	/* Of one that we make ourselves, which may ask for anything: called once, when it is over.
	 * It may keep `memory`, and leaves NULL there. */
	void          (*done)(struct call *);
	void           *context;
	struct value   *value;          /* what Odoo said, in `memory` */
	uint64_t        mark;           /* of the tenant's record that it was last sent with */
	bool            absent;         /* this Odoo has no such model */
	bool            too_large;      /* its answer; of less there may be one */
	enum call_result result;        /* OVER */
	struct buf      answer;
	char            why[CALL_WHY];
};
struct calls { struct call *first; size_t n; };

void calls_free(struct calls *);
/* 0: an answer stands in out, or the call waits and calls_collect() gives it.
 * -ENOMEM. */
MUST_CHECK int calls_asked(struct courier *, uint64_t asker, bool operator, const struct wire_frame *, struct buf *out,
    int64_t now_ms);
/* The answers for that connection.  0 or -ENOMEM. */
MUST_CHECK int calls_collect(struct courier *, uint64_t asker, struct buf *out);
void calls_gone(struct courier *, uint64_t asker);

/* A call of our own; done is called later, never from here.  0, -ENOMEM, or
 * -EBUSY: too many wait. */
MUST_CHECK int call_odoo(struct courier *, struct slice tenant, struct slice asked, int64_t deadline_ms, void (*done)(struct call *),
    void *context, int64_t now_ms);

void calls_tick(struct courier *, int64_t now_ms);
int64_t calls_wait_ms(const struct courier *, int64_t now_ms);      /* -1: nothing waits for the clock */
void calls_finished(struct courier *, const struct client_result *, int64_t now_ms);
/* False: it was no question of a call. */
bool calls_answered(struct courier *, const struct wire_frame *, int64_t now_ms);
void calls_greeted(struct courier *);   /* a new connection to the keeper: its questions are lost */

/* Ends it.  why: printf of a sentence, or NULL. */
void call_over(struct call *, enum call_result, const char *why, ...) PRINTF_LIKE(3, 4);
/* On to the network; what cannot be sent ends it. */
void call_send(struct courier *, struct call *, const struct client_request *);

#endif
