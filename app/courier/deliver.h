/* deliver: one job from the room it got at its destination to the keeper's
 * word that the result is on disk: tenant → build → (a reply: BEGIN) → send →
 * judge → settle.
 *
 * A result is said until the keeper has it: again after a broken connection,
 * and again when its disk was full.  Only a batch that the keeper says is not
 * ours is forgotten. */
#ifndef PONTE_COURIER_DELIVER_H
#define PONTE_COURIER_DELIVER_H

#include "lib/base.h"
#include "lib/client.h"
#include "lib/wire.h"

struct courier;
struct job;

/* There is room for it now. */
void deliver_go(struct courier *, struct job *, int64_t now_ms);
/* Nothing was tried: it goes back, to be claimed again after the delay. */
void deliver_release(struct courier *, struct job *, int64_t delay_ms, int64_t now_ms);
/* Taken off the network unfinished, because we stop. */
void deliver_abort(struct courier *, struct job *, int64_t now_ms);
/* The network is done with it. */
void deliver_finished(struct courier *, const struct client_result *, int64_t now_ms);
/* True when the frame answers a question of a job. */
bool deliver_answered(struct courier *, const struct wire_frame *, int64_t now_ms);
/* The questions of all jobs, asked anew after HELLO_OK. */
void deliver_ask_again(struct courier *, int64_t now_ms);
/* It is not ours any more: forgotten, without a word. */
void deliver_forget(struct courier *, struct job *, int64_t now_ms);

#endif
