/* outcome: what is made of a verdict: the log line, the counters, breaker and
 * alarm of the destination, and the settlement that the keeper is told. */
#ifndef PONTE_COURIER_OUTCOME_H
#define PONTE_COURIER_OUTCOME_H

#include "app/courier/dest.h"
#include "app/courier/destination.h"
#include "lib/base.h"
#include "lib/client.h"

struct courier;
struct job;
struct settlement;

/* The job is over with this; res NULL: nothing was sent. */
void outcome_judged(struct courier *, struct job *, const struct judgement *, const struct client_result *res, int64_t now_ms);
/* Over before anything was sent.  delay_ms: as a judgement's. */
void outcome_never_sent(struct courier *, struct job *, enum settle_verdict, int64_t delay_ms, const char *why, int64_t now_ms);
/* The keeper has ended it: it must not be posted any more. */
void outcome_suppressed(struct courier *, struct job *, struct slice why, int64_t now_ms);
/* Away from its destination; the room it leaves may be used at once. */
void outcome_leave(struct courier *, struct job *, enum breaker_signal, int64_t now_ms);
/* Tells the keeper. */
void outcome_settle(struct courier *, struct job *, const struct settlement *);

#endif
