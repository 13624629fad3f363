/* claims: when work is claimed and how much of it, what of it waits for room,
 * and what goes back.
 *
 * A claim is made when there may be something (a WAKE, a delivery that ended, a
 * pause that is over, the time the keeper named), one at a time.  Nothing is
 * claimed while a result waits because the keeper's disk is full. */
#ifndef PONTE_COURIER_CLAIMS_H
#define PONTE_COURIER_CLAIMS_H

#include "lib/base.h"

struct courier;

/* The keeper's side. */
void claims_lost(struct courier *);                             /* no connection: questions are void */
void claims_greeted(struct courier *, struct slice hello_ok, int64_t now_ms);
void claims_arrived(struct courier *, struct slice batch);
void claims_done(struct courier *, size_t batches, int64_t delay_ms, int64_t now_ms);


/* There may be something now: a WAKE, room, a stop that was lifted. */
void claims_soon(struct courier *, int64_t now_ms);

/* The loop's side. */
void claims_tick(struct courier *, int64_t now_ms);
int64_t claims_wait_ms(const struct courier *, int64_t now_ms); /* until tick() is wanted; -1: not */
/* Stopping: what is not on the network goes back at once, and, when patience
 * is over, the rest. */
void claims_stop(struct courier *, int64_t now_ms);
void claims_abort(struct courier *, int64_t now_ms);

#endif
