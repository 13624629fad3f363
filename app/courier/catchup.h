/* catchup: one catch-up of one tenant: with the user token of an installation
 * its conversations that moved since then are listed, the messages of each are
 * fetched from `since` on, and every one goes through the keeper like an event
 * that came by itself, marked as recovered.  What is known already is a
 * duplicate there, so nothing is remembered here and a run may be made again
 * whenever one ended early.
 *
 *   AT_PLACE    which installation and account is next?
 *   AT_LIST     GET conversations, a page; those of late activity stand first
 *   AT_TALK     the next conversation of the page
 *   AT_BACK     GET its messages, newest first, until one is older than `since`
 *   AT_STATE    the conversation as it is shown: P_PUT
 *   AT_FORWARD  GET its messages behind the first wanted, a page
 *   AT_MESSAGE  the next message of that page: P_PUT
 *   AT_TOLD     the installation is done: P_CAUGHT_UP
 *
 * A conversation that moves meanwhile jumps to the list's front, and one that
 * jumped over a page not read yet would be missed: so passes are made, each
 * over what moved since the one before began, until one fits on a page.  No
 * conversation is looked into twice. */
#ifndef PONTE_COURIER_CATCHUP_H
#define PONTE_COURIER_CATCHUP_H

#include "app/courier/job.h"
#include "lib/arena.h"
#include "lib/base.h"
#include "lib/chatwoot/recover.h"
#include "lib/client.h"
#include "lib/tenant.h"
#include "lib/uuid.h"
#include "lib/wire.h"

struct courier;

/* What is counted, in the order and with the words of `ponte tenant catchup`. */
#define CATCHUP_COUNTS(X) \
	X(CONVERSATIONS, "conversations") X(MESSAGES, "messages") X(ACCEPTED, "accepted") X(NOTED, "noted") \
	X(DUPLICATE, "duplicate") X(IGNORED, "ignored") X(REFUSED, "refused")
enum catchup_count {
#define X(name, text) CATCHUP_##name,
	CATCHUP_COUNTS(X)
#undef X
	CATCHUP_COUNT_N,
};

enum catchup_phase { AT_PLACE, AT_LIST, AT_TALK, AT_BACK, AT_STATE, AT_FORWARD, AT_MESSAGE, AT_TOLD, AT_END };

struct catchup {
	struct cookie cookie;           /* first: see job.h */
	struct catchup *next;           /* behind it in the queue */

	/* what is wanted */
	char     tenant[65], installation[65];      /* installation "": all of the tenant */
	int64_t  since_us;              /* 0: of each installation since it was heard of last */
	bool     dry_run;
	uint64_t asker;                 /* who asks after it; 0: it began by itself */
	int64_t  asked_ms;              /* when that was last */

	/* how it goes */
	enum catchup_phase phase;
	bool     expected;              /* somebody asked, or something is known to be missing */
	bool     started, in_flight;
	bool     ended;                 /* and that was seen */
	uint64_t question;              /* what the keeper was asked; 0: nothing */
	int64_t  at_ms;                 /* not before */
	unsigned failures, throttled;
	uint64_t mark;                  /* of the tenant's record; another: from the beginning */
	uint64_t count[CATCHUP_COUNT_N];
	char     why[200];              /* it failed; "": not */
	struct arena *scratch;

	/* where it stands */
	size_t   place;                 /* of all accounts of all its installations */
	bool     last_account;
	char     here[65];              /* installation */
	int64_t  account, from_us, begun_us, told_us;       /* told_us: `since`, as the keeper is told */
	int64_t  pass_us, bound_us;     /* this pass began; it ends at what has not moved since */
	unsigned pass, page;
	int64_t *seen;                  /* conversations that are done, of this account, in order */
	size_t   seen_n, seen_cap;
	struct chatwoot_list talks, messages;
	size_t   talk_i, message_i;     /* the next */
	struct chatwoot_listed_talk talk;
	int64_t  before, first, human;  /* AT_BACK: goes on before; first wanted; last that a human wrote */
	int64_t  after;                 /* AT_FORWARD */
	struct uuid put;                /* event id of the put that is out; zero: none */
};

/* 0 or -ENOMEM. */
MUST_CHECK int catchup_new(struct slice tenant, struct slice installation, struct catchup **ret);
void catchup_free(struct catchup *);
void catchup_freep(struct catchup **);
/* Does what can be done now.  It is over when its phase is AT_END and nothing
 * of it is in flight. */
void catchup_go(struct courier *, struct catchup *, int64_t now_ms);
bool catchup_over(const struct catchup *);
/* It ends as failed, unless it failed before. */
void catchup_fail(struct catchup *, const char *why);
/* The network, and the keeper, are done with what was asked. */
void catchup_finished(struct courier *, struct catchup *, const struct client_result *, int64_t now_ms);
void catchup_answered(struct courier *, struct catchup *, const struct wire_frame *, int64_t now_ms);

/* ---- between catchup.c and catchup_fetch.c ---- */

#define CATCHUP_FAILURES_MAX 6          /* in a row */

/* Of one conversation, or of one entry of a list: counted and logged, and the
 * rest goes on. */
void catchup_refuse(struct catchup *, int64_t conversation, int outcome);
const struct tenant_installation *catchup_installation(const struct catchup *, const struct tenant *);
void catchup_end_pass(struct catchup *);
/* AT_LIST, AT_BACK, AT_FORWARD, and AT_TALK. */
void catchup_ask(struct courier *, struct catchup *, const struct tenant *, int64_t now_ms);
void catchup_next_talk(struct catchup *);

#endif
