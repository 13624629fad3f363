/* store_db: what the files store_*.c share: the store itself and its books.
 * Nothing else includes this. */
#ifndef PONTE_STORE_DB_H
#define PONTE_STORE_DB_H

#include "lib/base.h"
#include "lib/db.h"
#include "lib/store.h"

struct db_count { int64_t tenant; int book, state; int64_t delta; };
struct db_counts { struct db_count *at; size_t len, cap; };
struct db_stop { int64_t tenant, dest, until_us; };     /* until_us 0: for good */
struct db_heard { int64_t tenant, last_us, owed_us, written_us; bool first; char installation[65]; };

struct store {
	struct db db;
	struct store_rules rules;
	uint64_t generation;            /* as this transaction sees it */
	int64_t  pending;               /* committed */

	/* The books of the open transaction, added up at its commit; `mark` is
	 * where the call in hand began.  `aside` is counted and not stored: it
	 * waits for a transaction that is opened for something better. */
	struct db_counts books, aside;
	size_t   mark;

	struct db_stop *stop;           /* the table of stops, as it stands */
	size_t   stops, stop_cap;

	struct db_heard *heard;         /* who was heard of since the start */
	size_t   heards, heard_cap;

	int64_t  turn_tenant, turn_dest;        /* where store_claim() ended */
	int64_t  prune_event;                   /* where store_prune() ended */
	int64_t  age_us, age_id;                /* where store_age() ended */
	int64_t  replay_us;                     /* when the next retried delivery may be due */
};

/* A call that writes stands between these.  db_leave(s, r) with r < 0 undoes
 * the call (or the whole transaction, then it returns -ENOSPC), else keeps it;
 * it returns r. */
MUST_CHECK int db_enter(struct store *);
MUST_CHECK int db_leave(struct store *, int r);

/* ---- store_schema.c ----------------------------------------------------- */

extern const char *const store_schema[];        /* [n] takes version n to n + 1 */
extern const int store_schema_version;

/* ---- store_books.c ------------------------------------------------------ */

enum { BOOK_EVENT = 0 };                /* else enum delivery_kind */
enum { EVENT_STORED = 1, EVENT_FORWARDED, EVENT_NOTED, EVENT_DUPLICATE, EVENT_IGNORED, EVENT_REFUSED };
enum { BOOK_MADE = 0, BOOK_PRUNED = 100 };      /* pruned: BOOK_PRUNED + the state it was in */

MUST_CHECK int books_move(struct store *, int64_t tenant, int book, int state, int64_t delta);
void books_aside(struct store *, int64_t tenant, int state);
MUST_CHECK int books_flush(struct store *);     /* writes them, before COMMIT */
void books_kept(struct store *, bool committed);        /* after COMMIT or ROLLBACK */
MUST_CHECK int books_load(struct store *);      /* what memory holds of the tables, at open and after a rollback */

/* ---- store_lane.c ------------------------------------------------------- */

/* A lane's id follows from its conversation's, so it needs no index of its own. */
static inline int64_t
lane_id(int64_t conversation, enum delivery_dest dest)
{
	return conversation * 2 + (dest == DEST_CHATWOOT);
}

static inline int64_t
lane_conversation(int64_t lane)
{
	return lane / 2;
}

struct lane { int64_t id, tenant, dest, due_us, batch, high; bool claimed; };  /* due_us -1: none */
MUST_CHECK int lane_load(struct store *, int64_t id, struct lane *ret);         /* 0 or DB_END */
MUST_CHECK int lane_store(struct store *, const struct lane *);
/* Something new waits in it from due_us on.  A burst is waited for at most
 * STORE_BURST_US. */
MUST_CHECK int lane_add(struct store *, int64_t id, int64_t tenant, enum delivery_dest, int64_t conversation,
    int64_t now_us, int64_t due_us);
/* After rows of it were changed from outside: due only when something is pending. */
MUST_CHECK int lane_refresh(struct store *, int64_t id, int64_t now_us);
/* Its batch has ended: it takes the next. */
MUST_CHECK int lane_free(struct store *, int64_t id, int64_t now_us);
/* It waits until due_us; with the same batch when `batch` is not 0. */
MUST_CHECK int lane_wait(struct store *, int64_t id, int64_t batch, int64_t due_us);

/* Moves one delivery between states, row and books. */
struct delivery {
	int64_t id, tenant, lane, event, batch, attempt, crashes, order, since_us, made_us, claimed_us, lookups, n;
	int kind, state, begun;
	bool ladder, replayed;
};
#define DELIVERY_COLUMNS "id, tenant, lane, event, batch, attempt, crashes, order_id, since_us, made_us, kind, state, begun," \
	" claimed_us, lookups, n, ladder, replayed"
#define DELIVERY_COLUMNS_END 18         /* the number of the next column */
/* begun: a post had not begun; had begun; had begun when the connection broke;
 * had begun, and its echo was seen */
enum { BEGUN_NO, BEGUN_YES, BEGUN_LOST, BEGUN_SEEN };
void delivery_read(struct sqlite3_stmt *, struct delivery *ret);
MUST_CHECK int delivery_load(struct store *, int64_t id, struct delivery *ret);   /* 0 or DB_END */
MUST_CHECK int delivery_end(struct store *, const struct delivery *, enum delivery_state, int64_t status,
    struct slice reason, int64_t now_us);
MUST_CHECK int delivery_move(struct store *, const struct delivery *, enum delivery_state);     /* to one that is not final */
/* The members of a batch that are claimed, pending, waiting or held, in order; at most STORE_BATCH_MEMBERS. */
MUST_CHECK int delivery_members(struct store *, int64_t lane, enum delivery_state, int64_t batch,
    struct delivery ret[static STORE_BATCH_MEMBERS], size_t *ret_n);

MUST_CHECK int stop_set(struct store *, int64_t tenant, int64_t dest, int64_t until_us, struct slice reason);
MUST_CHECK int stop_lift(struct store *, int64_t tenant, int64_t dest);        /* dest 0: all of the tenant */
const struct db_stop *stop_find(const struct store *, int64_t tenant, int64_t dest);
MUST_CHECK int stop_load(struct store *);

/* ---- store_talk.c ------------------------------------------------------- */

/* What is known of a conversation, and where it stands. */
struct talk {
	int64_t id;                     /* 0: nothing stored yet */
	int64_t tenant, account, display;
	int64_t seen;                   /* highest order of any delivery to the hub */
	int64_t answers, answers_us;    /* given since then: the reply budget */
	bool    gave_up;                /* the ladder was walked, and the hub has not answered since */
	struct chatwoot_state state;
};
/* 0 also when there is none: then ret->id is 0. */
MUST_CHECK int talk_find(struct store *, int64_t tenant, struct slice installation, int64_t account, int64_t display,
    struct talk *ret);
MUST_CHECK int talk_load(struct store *, int64_t id, struct talk *ret);
MUST_CHECK int talk_store(struct store *, struct slice installation, struct talk *);   /* a new one gets its id */
/* Is the budget of answers used up? */
bool talk_exhausted(const struct store *, const struct talk *, int64_t now_us);
void talk_count_answer(struct talk *, int64_t now_us);
/* Policy and fence number under which an event was taken in. */
MUST_CHECK int talk_policy(struct store *, int64_t event, struct chatwoot_policy *ret, uint32_t *ret_fence);

/* ---- store_next.c ------------------------------------------------------- */

/* The question of this batch is answered: its members are done, and what the
 * answer asks for is made; or, overtaken by newer messages of a tenant that
 * wants it so, they are asked again together. */
MUST_CHECK int question_answered(struct store *, struct delivery *member, size_t n, const struct delivery *key,
    const struct store_next *next, size_t nexts, int64_t status, int64_t now_us);
/* One delivery for each, behind what the lane has.  ladder: see ladder_make(). */
MUST_CHECK int next_make(struct store *, const struct delivery *of, const struct store_next *, size_t n,
    int64_t since_us, bool ladder, int64_t now_us);
/* What is made for a customer who gets no answer: once until the hub answers
 * again.  `failed` has ended; reason: why, for the agents. */
MUST_CHECK int ladder_make(struct store *, const struct delivery *failed, struct slice reason, int64_t now_us);
/* A note of ours in place of a reply that the channel does not carry any more. */
MUST_CHECK int note_in_place(struct store *, const struct delivery *reply, int64_t now_us);

/* ---- store_answer.c ----------------------------------------------------- */

/* Has an answer come by itself while this question was on its way?  Then the
 * question is settled by it. */
MUST_CHECK int pocket_settle(struct store *, struct delivery *member, size_t n, const struct delivery *key,
    int64_t now_us, bool *ret_settled);
/* The same for a question that is settled already: what it asks for is made too. */
MUST_CHECK int pocket_add(struct store *, const struct delivery *key, int64_t now_us);

/* ---- store_settle.c ----------------------------------------------------- */

extern const char STORE_WINDOW_CLOSED[];        /* why a reply is held back that becomes a note */
MUST_CHECK int attempt_note(struct store *, const struct delivery *key, enum settle_verdict, int64_t status,
    struct slice reason, int64_t now_us);
/* Posted or not?  The lane waits to find out; or it is over. */
MUST_CHECK int unknown_wait(struct store *, struct delivery *, int64_t status, struct slice reason, int64_t now_us);
/* That wait is over: it is over altogether, it may be handed out to be looked
 * up, or to be posted again. */
enum unknown_outcome { UNKNOWN_OVER, UNKNOWN_LOOK, UNKNOWN_AGAIN };
MUST_CHECK int unknown_end(struct store *, struct delivery *, int64_t now_us, enum unknown_outcome *ret);
/* It was posted: our echo came back, wherever the delivery stands. */
MUST_CHECK int echo_seen(struct store *, int64_t tenant, const struct store_event *, bool *ret_due);

/* ---- store_age.c -------------------------------------------------------- */

bool too_old(const struct store *, int64_t since_us, int64_t now_us);
bool gave_up(const struct store *, const struct delivery *, int64_t now_us);
/* Ends deliveries of one lane that are too old or were given up, and makes the
 * ladder for them; the lane is the caller's to refresh. */
MUST_CHECK int end_old(struct store *, const struct delivery *, size_t n, int64_t now_us);

/* ---- store_queue.c ------------------------------------------------------ */

/* store_drop() inside a call that has entered already. */
MUST_CHECK int drop_some(struct store *, const struct store_filter *, int64_t now_us, struct store_progress *ret);

/* ---- store_tenant.c ----------------------------------------------------- */

MUST_CHECK int tenant_id(struct store *, struct slice name, int64_t *ret);     /* 0 or DB_END */
/* The same, with its own debounce (-1: it has none). */
MUST_CHECK int tenant_look(struct store *, struct slice name, int64_t *ret, int64_t *ret_debounce_us);
/* Opens its record; views into it live as long as the query.  0 or DB_END. */
MUST_CHECK int tenant_record(struct store *, int64_t id, struct sqlite3_stmt **ret, struct slice *ret_record);
MUST_CHECK int heard_note(struct store *, int64_t tenant, struct slice installation, int64_t now_us);
MUST_CHECK int heard_flush(struct store *);     /* writes them, before COMMIT */

#endif
