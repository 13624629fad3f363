/* dest: how much may go where.  A destination is (tenant, hub or Chatwoot): it
 * has a breaker, a number of requests in flight, and a pause when it asked for
 * one; beside it stands a cap per host, so that one host that hangs cannot take
 * every slot.  Nothing is ever thrown away here: what may not go waits.
 *
 *             failures in a row
 *   CLOSED ------------------------> OPEN <--------------+
 *      ^                              | its wait is over |
 *      |                              v                  | it failed too: twice the wait,
 *      +---------------------- HALF OPEN ----------------+ up to BREAKER_WAIT_MAX_MS
 *         the one request went well
 *
 * The WINDOW is how many requests may be on the way at once.  It begins at the
 * ceiling (delivery.concurrency): destinations are few and known, the ceiling
 * is modest, and a customer should not wait because nobody wrote before.
 *
 *   trouble            one less, never below 1; the same delivery in trouble
 *                      again takes nothing more: it may be that message alone
 *   the breaker opens  1: what comes back is opened slowly
 *   an answer          1/window more: a whole window of them makes it one wider
 *
 * So where a share p of the requests ends in trouble the window settles near
 * (1 - p) / p.  docs/QUEUE.md tells it to operators.
 *
 * Pure: clock and dice are arguments, in milliseconds of the monotonic clock. */
#ifndef PONTE_COURIER_DEST_H
#define PONTE_COURIER_DEST_H

#include "lib/base.h"
#include "lib/protocol.h"

#define BREAKER_WAIT_MAX_MS (5 * 60 * INT64_C(1000))
#define DEST_NEVER          INT64_MAX   /* a wait that an event ends, not the clock */
#define WINDOW_KEPT_MS      BREAKER_WAIT_MAX_MS         /* a narrow one of a destination that is idle */

struct breaker_rules {
	unsigned failures;              /* in a row that open it */
	int64_t  first_wait_ms;
};
enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
struct breaker {
	enum breaker_state state;
	unsigned failures;              /* in a row, while closed */
	int64_t  wait_ms;               /* the current pause, before the dice */
	int64_t  until_ms;
};
enum breaker_signal {
	BREAKER_GOOD,                   /* it answered */
	BREAKER_BAD,                    /* trouble that tells about the destination */
	BREAKER_NOTHING,                /* the request was never made */
};
enum breaker_change { BREAKER_SAME, BREAKER_OPENED, BREAKER_CLOSED_AGAIN };

/* 0: a request may go; else how long none may. */
int64_t breaker_wait_ms(const struct breaker *, int64_t now_ms);
void breaker_start(struct breaker *, int64_t now_ms);       /* a request goes */
enum breaker_change breaker_end(struct breaker *, const struct breaker_rules *, enum breaker_signal,
    int64_t now_ms, uint32_t dice);

struct window {
	unsigned width;                 /* 0: the ceiling */
	unsigned good;                  /* answers since it changed */
	uint64_t by;                    /* the delivery that was in trouble last */
	int64_t  trouble_ms;            /* and when */
	bool     told;                  /* the log knows that it is narrow */
};
/* For the log: half of the ceiling or less; back at the ceiling after that. */
enum window_news { WINDOW_NO_NEWS, WINDOW_NARROW, WINDOW_WIDE_AGAIN };

unsigned window_width(const struct window *, unsigned ceiling);
void window_end(struct window *, unsigned ceiling, enum breaker_signal, uint64_t delivery, int64_t now_ms);
void window_least(struct window *, unsigned ceiling, int64_t now_ms);   /* the breaker has opened */
enum window_news window_news(struct window *, unsigned ceiling);        /* says each once */

#define DEST_HOST 264                   /* a host name of 255 bytes, ':' and a port */

struct dest {
	struct slice       tenant;      /* its own copy */
	enum delivery_dest kind;
	struct breaker     breaker;
	struct window      window;
	int64_t            hold_until_ms;
	unsigned           active;      /* requests on the way */
	unsigned           ready;       /* claimed, and waiting for room */
	char               host[DEST_HOST];     /* "host:port" of the last request; "" not known yet */
	const char        *alarmed;     /* what the alarm of this episode was about; NULL: none was given */
	uint64_t           alarmed_under;       /* and the tenant's record of then */
};

struct dests {
	struct dest **item;
	size_t        n, cap;
	struct breaker_rules rules;
	unsigned      per_dest, per_host, total;
};

void dests_free(struct dests *);
/* Found or made; NULL: out of memory.  Stays where it is as long as anything
 * is active or ready there. */
struct dest *dests_get(struct dests *, struct slice tenant, enum delivery_dest kind);
/* Forgets those of which nothing need be remembered. */
void dests_tidy(struct dests *, int64_t now_ms);

/* How many more requests may go there now. */
unsigned dest_room(const struct dests *, const struct dest *, int64_t now_ms);
/* 0: not paused; else for how long, DEST_NEVER while the half-open request is out. */
int64_t dest_paused_ms(const struct dest *, int64_t now_ms);
/* Nothing more is to be claimed for it now. */
bool dest_busy(const struct dests *, const struct dest *, int64_t now_ms);
/* How many requests may begin now, over all. */
unsigned dests_room(const struct dests *);
/* The earliest end of a pause; DEST_NEVER: there is none. */
int64_t dests_next_ms(const struct dests *, int64_t now_ms);

void dest_start(struct dest *, int64_t now_ms);
/* A request has ended: breaker and window hear of it. */
enum breaker_change dest_end(struct dests *, struct dest *, enum breaker_signal, uint64_t delivery, int64_t now_ms,
    uint32_t dice);
/* Holds it for that long from now on, unless it is held longer already. */
void dest_hold(struct dest *, int64_t for_ms, int64_t now_ms);
/* True once per episode: this alarm has not been given since things were well
 * or the tenant's record was another (`mark` 0: it is not known now). */
bool dest_alarm(struct dest *, const char *about, uint64_t mark);
void dest_well(struct dest *);          /* the episode is over */

#endif
