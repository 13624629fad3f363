/* store: what the keeper remembers.  Which engine keeps it is known to
 * db.c alone; what an event, a delivery and a lane are, and how they
 * move, is here.  One process opens a store, from one thread.
 *
 * DELIVERIES.  Every forwarded event makes one hub delivery, and what the hub
 * wants to be told of a notice; what the hub answers makes replies, notes,
 * labels and handoffs, and so does a hub that gives no answer (the ladder of
 * the tenant's give_up).
 *
 *     store_put()            store_claim()            store_settle()
 *     store_settle(next)
 *   ----------------> PENDING ------------> CLAIMED ----------------> DONE
 *                      ^ |  ^                |  |  |  DEAD,           DEAD
 *                      | |  |  RETRY, STOP,  |  |  |  SUPPRESSED      SUPPRESSED
 *                      | |  |  RELEASE       |  |  +---------------->
 *                      | |  +----------------+  |
 *                      | |  ^                   |  WAIT (the hub answers later), UNKNOWN (a post),
 *                      | |  |                   |  or the courier's connection is lost behind
 *                      | |  |                   v  the beginning of a post (before it: PENDING)
 *                      | |  +---------------- WAITING
 *                      | |   surely not          |  +--> DONE  (store_answer(), our echo, a look-up)
 *                      | |   posted, or          |  +--> DEAD  (the hub did not answer in time)
 *                      | |   on_unknown: repeat  |  +--> UNKNOWN  (on_unknown: hold)
 *                      | |                       +--> CLAIMED  (to be looked up)
 *                      | +--> EXPIRED (too old), DEAD (gave up), SUPPRESSED (reply budget)
 *                      | +--> DROPPED, HELD, ERASED (operator)
 *     store_retry()    |
 *   DEAD, UNKNOWN, SUPPRESSED, DROPPED, EXPIRED, HELD -> PENDING   (operator)
 *
 * LANES.  A conversation has one lane to the hub and one back to Chatwoot; one
 * batch of a lane is in flight at a time, so a conversation's messages keep
 * their order and no conversation waits for another.
 *
 *   hub lane        a batch is all messages that are pending, by (order, id), up
 *                   to the first notice, at most STORE_BATCH_MEMBERS and
 *                   STORE_BATCH_BYTES; its key is the delivery of the member with
 *                   the highest order.  Once sent it keeps members and key until
 *                   it is settled.  A notice travels alone.
 *   Chatwoot lane   the oldest delivery, alone.
 *
 *   lane:  due NULL                      nothing is pending or waiting
 *          due, claimed 0                claimable from `due` on
 *          due or NULL, claimed 1        in flight; due is for the rest of it
 *          batch != 0, claimed 0         that batch was sent before and goes first;
 *                                        when it is WAITING, due is the end of that
 *
 * CLAIMS belong to the courier, not to a time: no lease runs out.  See
 * store_hello() and store_release().
 *
 * BATCHES OF REQUESTS.  The first call that writes opens a transaction;
 * store_commit() flushes everything since, with one flush of the disk.  Each
 * writing call is all or nothing by itself: one that fails leaves the others of
 * the transaction alone.
 *
 * Promise: when store_commit() has returned 0, everything before it is on disk
 * and survives the power failing on the next line.
 *
 * Results of every call, beside the outcomes listed at it:
 *   -ENOSPC   the disk (or the engine's memory) is full and the whole transaction
 *             is rolled back: refuse everything that was not committed
 *   -EIO      reading or flushing failed.  The process must end at once without
 *             an answer: what a second flush says is worth nothing
 *   -EBADMSG, -ENOMEM   this call failed and left nothing behind; store_error()
 *             says why
 *
 * Times are microseconds of the caller's wall clock; the store has no clock. */
#ifndef PONTE_STORE_H
#define PONTE_STORE_H

#include "lib/base.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/protocol.h"
#include "lib/token.h"
#include "lib/uuid.h"

#define STORE_BATCH_MEMBERS 100
#define STORE_BATCH_BYTES   (16 * MIB)
#define STORE_CRASHES_MAX   3
#define STORE_TEXT          256         /* longest error text with its NUL */
#define STORE_BURST_US      INT64_C(10000000)   /* longest that a burst is waited for */
#define STORE_BUDGET_US     INT64_C(600000000)  /* the span of the reply budget */
#define STORE_LOOKUPS       3           /* tries to find out whether a post was made */

struct store;

enum store_outcome {
	STORE_E_LOCKED = 1,     /* store_open: another process has it */
	STORE_E_NEWER,          /* store_open: written by a newer version of ponte */
	STORE_E_NONE,           /* there is no such thing */
	STORE_E_CONFLICT,       /* the text says with what */
	STORE_E_GONE,           /* store_begin, store_settle: not claimed */
	STORE_E_SUPPRESSED,     /* store_begin: must not be posted any more */
	STORE_E_MOVED,          /* store_put: the tenant is unknown */
	STORE_E_REFUSED,        /* store_put: it would have to be stored, and intake is closed */
};

/* ---- open, commit ------------------------------------------------------- */

/* Opens the file, makes it when it is missing (mode 0600, its directory
 * flushed), migrates an older one forward in one transaction.  What a writer before
 * us left in the write-ahead log is moved into the file first, flushed, or nothing
 * is opened: after a flush that failed the pages in memory look committed and may
 * not be on disk.  So a disk with no room at all opens only when there is some.
 * wal_limit: bytes
 * of write-ahead log that make store_checkpoint() worth calling.
 * 0, STORE_E_LOCKED, STORE_E_NEWER, or -errno; reterr is one sentence. */
MUST_CHECK int store_open(const char *path, uint64_t wal_limit, struct store **ret, char reterr[static STORE_TEXT]);
/* A second, read-only connection in a process of its own, for store_check(). */
MUST_CHECK int store_open_to_read(const char *path, struct store **ret, char reterr[static STORE_TEXT]);
void store_close(struct store *);                   /* rolls back what is open; NULL is fine */
const char *store_error(const struct store *);      /* of the last call that failed */
uint64_t store_generation(const struct store *);    /* of the tenants; +1 with every change */
int64_t store_pending(const struct store *);        /* deliveries that wait, all tenants */

/* What the settings say; at start and after a reload. */
struct store_rules {
	int64_t  message_age_us, give_up_us;    /* 0: no limit */
	int64_t  debounce_us;                   /* of tenants that have none of their own */
	int64_t  echo_us, lookup_us;            /* how long our echo is waited for; before a look-up */
	int64_t  silence_us;                    /* after which something may have been missed; 0: never */
	uint64_t reply_budget;                  /* answers to one conversation in STORE_BUDGET_US; 0: no limit */
	uint64_t replay_rate;                   /* retried deliveries that become due in a second; 0: no limit */
};
void store_set_rules(struct store *, const struct store_rules *);

bool store_writing(const struct store *);           /* a transaction is open */
MUST_CHECK int store_commit(struct store *);        /* 0 when nothing was open */
void store_rollback(struct store *);
/* A write of no meaning, to see that the disk takes one. */
MUST_CHECK int store_probe(struct store *, int64_t now_us);
/* Between transactions: moves the log into the file when it is longer than
 * wal_limit; with `force` now, and empties it.  A full disk is no failure here.
 * 0 or -EIO. */
MUST_CHECK int store_checkpoint(struct store *, bool force);

/* ---- events (workers) --------------------------------------------------- */

struct store_event {
	struct uuid  id;
	struct slice tenant, installation, sender, request_id;
	const struct chatwoot_facts  *facts;
	const struct chatwoot_policy *policy;
	struct slice facts_bytes, body;     /* kept as they are */
	int64_t      received_us;
	int64_t      since_us;              /* what its age counts from; 0: received_us */
	bool         closed;                /* intake is refused: see STORE_E_REFUSED */
	bool         dry_run;               /* decided, and nothing is kept */
};
struct store_put {
	enum chatwoot_decision decision;
	char        reason[STORE_TEXT];
	bool        stored;                 /* `event` is: this one, or of a duplicate the first */
	struct uuid event;
	bool        repeated;               /* this very event id was there before: answered as then */
	bool        due;                    /* the courier has something to do */
};
/* Looks for the duplicate key, decides, stores event, key, state of the
 * conversation and hub delivery.  An echo of ours ends the waiting of what it
 * is the echo of.  0, STORE_E_MOVED or STORE_E_REFUSED. */
MUST_CHECK int store_put(struct store *, const struct store_event *, struct store_put *ret);
/* What the tenant's hub is to be told of its Odoo's side: body, a JSON object,
 * becomes a delivery of kind knowledge.  The same event again is nothing new.
 * 0 or STORE_E_NONE: no such tenant. */
MUST_CHECK int store_knowledge(struct store *, struct slice tenant, const struct uuid *event, struct slice body, int64_t now_us);
/* Counted and not stored; written with the next commit. */
void store_count_refused(struct store *, struct slice tenant);

/* What was asked under an event: 0 or STORE_E_NONE. */
struct store_question { int64_t account, conversation; enum chatwoot_channel channel; };
MUST_CHECK int store_question(struct store *, struct slice tenant, const struct uuid *event, struct store_question *ret);

struct store_next { enum delivery_kind kind; int64_t delay_us; struct slice payload; };
struct store_answer {
	struct slice tenant;
	struct uuid  event;
	struct slice hash;                  /* of the answer's bytes */
	int64_t      now_us;
	bool         dead;                  /* the hub says that it cannot; reason */
	struct slice reason;
	const struct store_next *next; size_t nexts;
};
/* An answer that the hub gives by itself: settles the question that waits for
 * it.  One that is still on its way to the hub keeps the answer until it comes
 * back.  Never fails half. */
MUST_CHECK int store_answer(struct store *, const struct store_answer *, enum answer_result *ret, bool *ret_due);

/* ---- deliveries (courier) ----------------------------------------------- */

struct store_batch {                    /* all slices: until the callback returns */
	int64_t key;                        /* delivery id */
	enum delivery_dest dest;
	enum delivery_kind kind;
	struct uuid  event;
	struct slice tenant, installation, request_id, payload;
	int64_t n, account, conversation, inbox, message, attempt, crashes, created_us;
	enum chatwoot_notice notice;
	bool lookup;                        /* it may have been posted: find out */
};
struct store_member {
	int64_t delivery, message;
	struct uuid event;
	int64_t decision, received_us;
	bool    late, replayed;
	struct slice facts, body;
};
/* batch(), then member() for each of a hub batch, then done().  exhausted(): this
 * conversation has used up its reply budget; once until the budget begins anew. */
struct store_sink {
	void *context;
	void (*batch)(void *context, const struct store_batch *);
	void (*member)(void *context, const struct store_member *);
	void (*done)(void *context);
	void (*exhausted)(void *context, struct slice tenant, int64_t account, int64_t conversation);
};
struct store_busy { struct slice tenant; enum delivery_dest dest; };
struct store_claim {
	int64_t now_us;
	size_t  max;                        /* batches */
	const struct store_busy *busy; size_t busies;
};
struct store_claimed {
	size_t  batches;
	size_t  ended;                      /* deliveries that were too old, or waited in vain */
	int64_t delay_us;                   /* until something is due; -1: nothing waits */
};
/* Takes due batches, one lane per destination in turn, the turn going on where
 * the last call ended.  What is too old ends here: a delivery never sent whose
 * event is older than message_age is EXPIRED, one that was tried and is older
 * than give_up is DEAD.  Bounded work: delay_us 0 says that more may be due. */
MUST_CHECK int store_claim(struct store *, const struct store_claim *, const struct store_sink *, struct store_claimed *ret);
/* The same endings for deliveries that nobody may claim now (their destination
 * is stopped or busy): a slice of bounded size.  *ret_more: call again. */
MUST_CHECK int store_age(struct store *, int64_t now_us, size_t *ret_ended, bool *ret_more);
/* When the oldest of those that are pending came in; 0: none is. */
MUST_CHECK int store_oldest(struct store *, int64_t *ret_since_us);

struct store_begin {
	int64_t delivery, now_us;
	const struct chatwoot_facts *shown; /* the conversation as Chatwoot shows it now; NULL: not read */
};
/* The courier is about to post this.  0: its mark is written (commit before you
 * answer), STORE_E_SUPPRESSED (settled as such; *reterr_why is static),
 * STORE_E_GONE. */
MUST_CHECK int store_begin(struct store *, const struct store_begin *, const char **reterr_why);

struct store_settle {
	int64_t delivery, now_us, delay_us; /* delay_us -1: none given */
	enum settle_verdict verdict;
	int64_t status;                     /* of HTTP; 0: none */
	struct slice reason;
	const struct store_next *next; size_t nexts;
};
/* All members of the batch together.  0 (also when it is settled already),
 * STORE_E_GONE. */
MUST_CHECK int store_settle(struct store *, const struct store_settle *, bool *ret_due);

/* When each installation of a tenant was heard of last, and since when it may
 * have said what never came: since before a silence of store_rules.silence_us,
 * or of STORE_DOWNTIME_US across a start. */
#define STORE_DOWNTIME_US (INT64_C(60) * 1000 * 1000)
struct store_heard { struct slice tenant, installation; int64_t last_us, owed_us /* 0: nothing is owed */; };
MUST_CHECK int store_heard(struct store *, void (*each)(void *, const struct store_heard *), void *context);
/* All that it said between the two is fetched.  0 or STORE_E_NONE. */
struct store_caught_up { struct slice tenant, installation; int64_t since_us, through_us; };
MUST_CHECK int store_caught_up(struct store *, const struct store_caught_up *);

/* A courier says which batches it still holds and what crashed it (0:
 * nothing), which had done so `crashes` times before: what was heard already
 * is not counted again.  Those it may go on with are handed to granted(); all
 * other claims are released, and wait until `not_before_us`. */
struct store_hello { const int64_t *held; size_t helds; int64_t crashed, crashes, now_us, not_before_us; };
MUST_CHECK int store_hello(struct store *, const struct store_hello *, void (*granted)(void *, int64_t key), void *context);
/* Its connection is gone: releases every claim. */
MUST_CHECK int store_release(struct store *, int64_t now_us, int64_t not_before_us, size_t *ret_released);

/* The time, written with what is written anyway: a clock that is set back before
 * the next start would make what waits wait longer by as much.  At a start that
 * sees it all waits are moved back; *ret_back_us: by so much, 0 when it was not. */
MUST_CHECK int store_clock(struct store *, int64_t now_us);
MUST_CHECK int store_clock_set_back(struct store *, int64_t now_us, int64_t *ret_back_us);

/* ---- operator ----------------------------------------------------------- */

struct store_filter {                   /* zero: any */
	struct slice tenant;
	enum delivery_state state;
	enum delivery_kind kind;
	const struct uuid *event;
	const int64_t *id; size_t ids;      /* these alone */
	int64_t older_us, newer_us;         /* made before, since */
	int64_t after;                      /* ids above this one */
	size_t  max;
};
struct store_row {
	int64_t id;
	enum delivery_kind kind;
	enum delivery_state state;
	struct slice tenant, installation, request_id, sender, reason;
	struct uuid event;
	int64_t n, account, conversation, inbox, message, decision;
	int64_t attempt, crashes, status, batch, received_us, created_us, due_us, settled_us;
	bool late, replayed, ladder;
};
/* How far a call came.  It reads a bounded number of rows, so `more` may be
 * true though nothing was found: go on with after = last. */
struct store_progress { int64_t count, last; bool more; };
MUST_CHECK int store_list(struct store *, const struct store_filter *, void (*row)(void *, const struct store_row *),
    void *context, struct store_progress *ret);
enum store_change {
	/* Final ones become pending again, marked as replayed and due at replay_rate;
	 * pending ones due at once; the stops of their destinations are lifted.
	 * Without a state in the filter: dead, unknown and pending. */
	STORE_RETRY,
	/* Pending ones stay where they are until they are released.  Without a state
	 * and an id: pending. */
	STORE_HOLD,
	STORE_LET_GO,                       /* held ones are pending again, as they were */
	/* Not what is claimed or done.  Without a state: what waits, is held, dead and unknown. */
	STORE_DROP,
};
MUST_CHECK int store_change(struct store *, enum store_change, const struct store_filter *, bool dry_run, int64_t now_us,
    struct store_progress *ret);

/* The life of one event: the event itself, its deliveries and those of the
 * batch that it travelled in, each with its attempts.  0 or STORE_E_NONE. */
enum store_step { STORE_STEP_EVENT = 1, STORE_STEP_DELIVERY, STORE_STEP_ATTEMPT };
struct store_trace {
	enum store_step step;
	int64_t at_us, delivery, batch, n, status, attempt, until_us;
	enum delivery_kind kind;
	enum delivery_state state;
	int64_t decision, message, conversation, account;
	enum settle_verdict verdict;
	struct slice tenant, reason, request_id, sender;
	struct uuid event;
	bool late, replayed, ladder, recovered;
};
MUST_CHECK int store_trace(struct store *, const struct uuid *event, void (*each)(void *, const struct store_trace *), void *context);
/* 0 or STORE_E_NONE; the slices until the callback returns. */
MUST_CHECK int store_body(struct store *, int64_t delivery,
    void (*give)(void *, const struct uuid *event, struct slice body, struct slice payload), void *context);

/* Events of a tenant whose body has these bytes in it (a phone number: whether
 * it is the sender's the caller finds out).  0 or STORE_E_NONE: there never was
 * such a tenant. */
MUST_CHECK int store_persons(struct store *, struct slice tenant, struct slice bytes, int64_t after,
    void (*each)(void *, struct slice installation, int64_t contact, struct slice body), void *context,
    struct store_progress *ret);
/* Makes everything of that contact unreadable: bodies, facts, payloads, reasons,
 * the conversation's number.  What was open ends as ERASED; what is on its way
 * is counted in *ret_busy and left: call again.  0 or STORE_E_NONE. */
struct store_erase { struct slice tenant, installation; int64_t contact, after, now_us; bool dry_run; };
MUST_CHECK int store_erase(struct store *, const struct store_erase *, size_t *ret_busy, struct store_progress *ret);

struct store_token {
	struct slice tenant, name, hash;    /* SHA-256 of the token */
	uint64_t scopes;                    /* bits of enum token_scope */
	int64_t  made_us, expires_us, used_us;      /* expires 0: never */
};
/* 0, STORE_E_NONE (no such tenant) or STORE_E_CONFLICT (it has one of that name). */
MUST_CHECK int store_token_new(struct store *, const struct store_token *);
/* The same, in the place of the tenant's of that name.  When the tenant has that token already, under
 * whatever name, nothing is changed; but one that has expired, or has not all of the scopes, is replaced. */
MUST_CHECK int store_token_set(struct store *, const struct store_token *);
/* Is it, by its hash, another tenant's?  0 or STORE_E_CONFLICT. */
MUST_CHECK int store_token_taken(struct store *, const struct store_token *);
MUST_CHECK int store_token_list(struct store *, struct slice tenant, void (*each)(void *, const struct store_token *), void *context);
MUST_CHECK int store_token_revoke(struct store *, struct slice tenant, struct slice name);      /* 0 or STORE_E_NONE */
/* The token of that hash, when it is valid now.  Its last use is noted, once a
 * minute.  0 or STORE_E_NONE; give() is called with it. */
MUST_CHECK int store_token_find(struct store *, struct slice hash, int64_t now_us,
    void (*give)(void *, const struct store_token *), void *context);

/* The books: "event" (stored, forwarded, noted, duplicate, ignored, refused) and
 * each kind of delivery (made, and its states); pruned_x beside what retention
 * removed.  recount -1: not asked for. */
struct store_count { struct slice tenant; const char *book; char state[40]; int64_t count, recount; };
MUST_CHECK int store_counts(struct store *, void (*each)(void *, const struct store_count *), void *context);
/* Recounts both books and checks the file; each() is called with differences
 * only.  Slow: in a process of its own.  *ret_file: "ok" or the first fault. */
MUST_CHECK int store_check(struct store *, void (*each)(void *, const struct store_count *), void *context,
    char ret_file[static STORE_TEXT]);

struct store_account { struct slice url; int64_t account; };
/* Makes or replaces a tenant.  0, or STORE_E_CONFLICT (an account belongs to
 * another tenant; the text names it, and nothing is changed). */
MUST_CHECK int store_tenant_put(struct store *, struct slice name, struct slice record,
    const struct store_account *, size_t accounts, char reterr[static STORE_TEXT]);
/* 0, STORE_E_NONE, STORE_E_CONFLICT (deliveries wait; `force` drops them). */
MUST_CHECK int store_tenant_remove(struct store *, struct slice name, bool force, int64_t now_us, char reterr[static STORE_TEXT]);
/* What that would answer. */
MUST_CHECK int store_tenant_may_go(struct store *, struct slice name, bool force, char reterr[static STORE_TEXT]);
/* By name, or (name empty) by account, or (account 0) all behind `after`, by name. */
struct store_tenants { struct slice name; int64_t account; struct slice after; size_t max; };
MUST_CHECK int store_tenants(struct store *, const struct store_tenants *, void (*each)(void *, struct slice name, struct slice record),
    void *context, bool *ret_more);

/* Deletes what is older: duplicate keys, and events all of whose deliveries are
 * final, by class.  Conversations stay: a few numbers each.  A slice of bounded
 * size.  *ret_more: call again. */
struct store_retention {
	int64_t keys_us, answered_us, noted_us, failed_us;      /* before these times */
	size_t  rows;
};
MUST_CHECK int store_prune(struct store *, const struct store_retention *, bool *ret_more);

#endif
