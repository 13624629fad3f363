/* keeper: one event loop around one store.
 *
 *   loop.c         what happens next: sockets, signals, timers
 *   peer.c         a connection: who it is, reading, writing, closing
 *   commit.c       the batch: requests are handled as they come, the store is
 *                  flushed once, then all answers leave
 *   on_worker.c    put, tenant find, probe
 *   on_answer.c    answers that the hub gives by itself, and their tokens
 *   on_catalog.c   rules and what else Odoo pushes, written in slices
 *   on_courier.c   hello, claim, begin, settle
 *   on_operator.c  tenants, tokens
 *   on_queue.c     what is queued, and the operator's hand in it
 *   recount.c      ponte check --store, in a process of its own
 *   disk.c         how much room is left
 *   setup.c        settings, store, socket
 *
 * A handler writes its answer with wire_begin() into k->batch.out and returns
 * 0, or what the store said (<0): then the answer is made by commit.c. */
#ifndef PONTE_KEEPER_H
#define PONTE_KEEPER_H

#include <sys/types.h>

#include "app/keeper/failures.h"
#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/config.h"
#include "lib/protocol.h"
#include "lib/scoreboard.h"
#include "lib/store.h"
#include "lib/wire.h"

#define KEEPER_BATCH_MAX   512          /* requests in one commit: bounds the wait of the first */
#define KEEPER_OUT_KEPT  (1 * MIB)       /* memory for answers that is not given back between two claims */
#define KEEPER_CLAIMS_MS   5000         /* after a start: how long a courier may take to name its claims */

struct keeper;

/* What an event of epoll is about. */
enum watch_type { WATCH_SIGNAL, WATCH_LISTEN, WATCH_PEER, WATCH_RECOUNT };
struct watch { enum watch_type type; };

struct peer {
	struct watch watch;             /* first member: epoll hands back its address */
	int          fd;
	uid_t        uid;
	unsigned     roles;
	uint32_t     events;            /* what epoll watches */
	bool         dead;              /* freed at the end of the round */
	bool         eof;
	bool         whole;             /* a whole frame is waiting */
	bool         stalled;           /* not read: too much is unanswered */
	struct buf   in, out;
	struct peer *prev, *next;
};

struct answer {
	struct peer *peer;              /* NULL: it hung up meanwhile */
	size_t       at, len;           /* in batch.out */
	uint16_t     kind;              /* of the request */
	uint64_t     request;
};

struct keeper {
	struct config_source source;
	struct arena  *settings;
	struct config  config;
	struct { unsigned role; uid_t uid; } *role;
	size_t         roles;           /* 0: our own uid and root play all */
	struct store  *store;
	struct scoreboard *board;       /* NULL: there is none */

	int  epoll_fd, listen_fd, signal_fd;
	struct watch on_signal, on_listen;
	bool stopping;
	struct peer *peers;             /* all of them */
	struct peer *courier;           /* the one that said hello last */
	struct peer *privileged;        /* may finish its frame though too much is unanswered */
	size_t       buffered;          /* bytes read and not yet answered, all peers */
	struct arena *scratch;          /* of one request */

	/* Time stands still during a round.  now_us follows the monotonic clock
	 * from the wall clock of the start, so a step of the wall clock neither
	 * hurries nor stalls what waits. */
	int64_t start_wall_us, start_ms, now_us, now_ms;
	bool    claims_open;            /* claims of before the start still wait for their courier */
	bool    release_due;            /* the courier's connection broke, in this round */
	bool    wake, woken;            /* the courier is to be woken; it was, and has not claimed since */
	int64_t commit_ms, probe_ms;    /* of the last one */
	int64_t clock_us;               /* as the store has it */
	int64_t flush_us;               /* how long the last commit took */
	size_t  company;                /* requests that share a commit lately: the most, sinking by one */
	int64_t prune_ms, slice_ms, alive_ms, age_ms;   /* of the next one */
	bool    old;                    /* the alarm of the oldest was given */
	struct failures failures;
	bool    shred;                  /* something was erased: the log is to be emptied */
	bool     opened_known;          /* what some tenant lets in without a token, and when that was looked through */
	unsigned opened;
	uint64_t opened_generation;

	struct {
		struct buf out;
		struct answer answer[KEEPER_BATCH_MAX];
		size_t n;
	} batch;

	struct {
		bool    low;            /* an episode: one alarm at its begin, one notice at its end */
		int64_t looked_ms, full_until_ms;
		uint64_t free;
		char    text[STORE_TEXT];
	} disk;

	struct {
		struct catalog  *db;            /* NULL: it could not be opened */
		struct push_job *first;         /* pushes, the one in hand first */
		bool             news;          /* a hub may have to be told that something changed */
		bool             dirty;         /* something that nobody sees any more is to be deleted */
	} catalog;

	struct {
		struct watch watch;
		pid_t   pid;
		int     fd;             /* -1: none runs */
		struct peer *asker;
		uint64_t request;
		struct buf out;
	} recount;
};

/* loop.c */
MUST_CHECK int loop_run(struct keeper *);           /* until SIGTERM; 0 or -errno */
void keeper_tick_clock(struct keeper *);

/* peer.c */
void peer_accept(struct keeper *);
void peer_ready(struct keeper *, struct peer *, uint32_t events);
void peer_flush(struct keeper *, struct peer *);
void peer_hang_up(struct keeper *, struct peer *, const char *why);    /* why NULL: nothing to say */
void peer_bury(struct keeper *);                    /* frees the dead */
void peer_free_all(struct keeper *);
/* Reads on where reading had stopped, when there is room again. */
void peer_unstall(struct keeper *);

/* commit.c */
/* Handles whole frames of the peer until the batch is full; commits in between never. */
void batch_take(struct keeper *, struct peer *);
bool batch_full(const struct keeper *);
/* Flushes the store and sends every answer.  Ends the process when the flush
 * fails. */
void batch_end(struct keeper *);
void keeper_wake(struct keeper *);                  /* something became due */
_Noreturn void keeper_die(struct keeper *, const char *doing);
/* Begins an answer: kind, request and the tenants' generation. */
void answer_begin(struct keeper *, struct wire_writer *, uint16_t kind, uint64_t request);
MUST_CHECK int answer_error(struct keeper *, const struct wire_frame *, enum protocol_error, const char *text);
/* What is said when the store could not take it. */
MUST_CHECK int answer_refused(struct keeper *, uint16_t kind, uint64_t request, const char *why);

/* on_courier.c */
void courier_release(struct keeper *);              /* its connection is gone: its claims end */

/* handlers */
typedef int handler(struct keeper *, struct peer *, const struct wire_frame *);
handler on_probe, on_tenant_find, on_put;
handler on_token_find, on_question, on_answer, on_catalog_put;
handler on_hello, on_claim, on_begin, on_settle, on_heard, on_caught_up;
handler on_tenant_put, on_tenant_list, on_tenant_remove, on_tenant_sync;
struct tenant;
/* Stores a tenant and tells everybody.  0, STORE_E_CONFLICT (the text says why), -E2BIG (too many accounts) or -errno. */
MUST_CHECK int tenant_keep(struct keeper *, const struct tenant *, const char *how, char reterr[static STORE_TEXT]);
/* The tenant as it is stored, in the scratch memory; *ret_record its record.  0, STORE_E_NONE or -errno. */
MUST_CHECK int tenant_stored(struct keeper *, struct slice name, struct tenant *ret, struct slice *ret_record);
handler on_token_new, on_token_list, on_token_revoke;
handler on_queue_list, on_queue_retry, on_queue_hold, on_queue_release, on_queue_drop, on_queue_counts;
handler on_trace, on_body, on_person, on_erase, on_check;

/* on_courier.c: T_NEXT groups of an answer.  0, -ENOMEM, or -EPROTO: a kind that
 * no answer makes, or too many. */
MUST_CHECK int read_next(struct keeper *, const struct wire_frame *, struct store_next **ret, size_t *ret_n);
int64_t ms_to_us(int64_t ms);

/* on_operator.c */
MUST_CHECK int answer_ok(struct keeper *, const struct wire_frame *);

/* on_catalog.c */
bool catalog_busy(const struct keeper *);           /* there is a slice to be written */
void catalog_slice(struct keeper *);
void catalog_forget_peer(struct keeper *, const struct peer *);
void catalog_forget_tenant(struct keeper *, struct slice tenant);
/* Of tenants that are not there. */
void catalog_forget_unknown(struct keeper *);
void catalog_stop(struct keeper *);

/* on_queue.c */
void put_count(struct wire_writer *, const struct store_count *);

/* recount.c */
MUST_CHECK int recount_main(const char *path);      /* the child's main(): the answer's fields on standard output */
void recount_ready(struct keeper *);
void recount_stop(struct keeper *);

/* disk.c */
bool disk_low(struct keeper *);                     /* looks at most every 100 ms */
void disk_full(struct keeper *);                    /* the store said so */

/* setup.c */
MUST_CHECK int setup_check(struct config_source);   /* exit status */
MUST_CHECK int setup_all(struct keeper *);
void setup_reload(struct keeper *);
void setup_rules(struct keeper *);                  /* the store hears what the settings say */
void setup_undo(struct keeper *);
unsigned setup_roles(const struct keeper *, uid_t);

#endif
