/* silence: when a Chatwoot is asked for what it never sent: after a silence, or
 * a time in which we were not there (lib/store.h, STORE_DOWNTIME_US), or when
 * the operator says so.  One run at a time, so that the pace holds. */
#ifndef PONTE_COURIER_SILENCE_H
#define PONTE_COURIER_SILENCE_H

#include "app/courier/catchup.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/client.h"
#include "lib/wire.h"

struct courier;

/* One installation of a tenant, as the keeper told. */
struct silence {
	char     tenant[65], installation[65];
	int64_t  last_us, owed_us;      /* heard of last; something may be missing since (0: nothing) */
	int64_t  not_before_ms;
	unsigned failures;              /* runs in a row */
	bool     told;                  /* by the answer that is being read */
};

struct silences {
	struct silence *item;
	size_t   n, cap;
	uint64_t question;              /* 0: not asked just now */
	int64_t  look_at_ms;
	bool     greeted;               /* the next look is the first since the keeper was found */
	bool     known;                 /* the keeper has told once */
	struct catchup *run;            /* the first of those that are to be made, and the one that goes */
};

void silences_free(struct silences *);                  /* after the clients */
/* Since when something of it may be missing; 0: it was never heard of. */
int64_t silence_since(const struct silences *, const char *tenant, const char *installation);

void silence_greeted(struct courier *, int64_t now_ms); /* the keeper is there; questions of before are void */
void silence_tick(struct courier *, int64_t now_ms);
int64_t silence_wait_ms(const struct courier *, int64_t now_ms);        /* -1: not at all */
void silence_finished(struct courier *, const struct client_result *, int64_t now_ms);
/* True when the frame answers a question of ours. */
bool silence_answered(struct courier *, const struct wire_frame *, int64_t now_ms);
/* P_CATCHUP: appends the answer.  0 or -ENOMEM. */
MUST_CHECK int silence_asked(struct courier *, const struct wire_frame *, struct buf *out, int64_t now_ms);

#endif
