/* typing: the customer sees that somebody writes, while the hub thinks and
 * between two parts of an answer.  Best effort: nothing waits for it, nothing
 * is tried again, and an installation whose token may not is left alone. */
#ifndef PONTE_COURIER_TYPING_H
#define PONTE_COURIER_TYPING_H

#include "app/courier/destination.h"
#include "lib/base.h"
#include "lib/client.h"

struct courier;
struct job;

#define TYPING_MAX 64           /* such requests on the way; beyond that none is made */

struct typings {
	struct typing_call *first;      /* on the way */
	size_t n;
};
void typings_free(struct typings *);            /* after the clients */

/* The hub is asked. */
void typing_before(struct courier *, const struct job *);
/* A job is over with this. */
void typing_after(struct courier *, const struct job *, const struct judgement *);
/* The network is done with one. */
void typing_finished(struct courier *, const struct client_result *);

#endif
