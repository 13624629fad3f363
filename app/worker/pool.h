/* pool: the prefork master.  It parses nothing that came from outside; it
 * starts workers, buries them, replaces them.
 *
 *            fork            told SIGTERM           reaped
 *   (empty) -----> serving -----------------> told -------> (empty)
 *                     |  dies, or is killed at its deadline    ^
 *                     +----------------------------------------+
 *
 * Reload: a new generation comes in one worker at a time; an old one is told
 * to stop only when a new one serves, finishes the request in hand and goes.
 * No request fails, and if the new ones die young, the old ones stay. */
#ifndef PONTE_WORKER_POOL_H
#define PONTE_WORKER_POOL_H

#include <sys/types.h>

#include "app/worker/worker.h"

#define POOL_SLOTS 64
_Static_assert(POOL_SLOTS <= SCOREBOARD_HOOKS_MAX && POOL_SLOTS <= SCOREBOARD_API_MAX, "a slot each");

struct pool_slot {
	pid_t       pid;            /* 0: empty */
	int64_t     born_ms;        /* clock_mono_ms() */
	unsigned    generation;     /* of the settings it was started with */
	bool        told;           /* SIGTERM sent */
	int64_t     kill_ms;        /* told: SIGKILL then */
	const char *killed;         /* why we killed it; NULL: we did not */
};

struct pool_group {
	const char             *name;       /* "hooks", "api" */
	bool                    used;
	int                     listen_fd;
	struct scoreboard_slot *board;      /* POOL_SLOTS of them */
	_Atomic uint32_t       *troubled;
	struct pool_slot        slot[POOL_SLOTS];
	/* Those who die young: an episode lasts until they stop doing so. */
	int64_t                 not_before_ms, pause_ms;
};

struct pool {
	struct config_source source;        /* where a reload reads the settings */
	struct setup        *setup;         /* in force */
	struct scoreboard   *board;
	struct pool_group    group[2];      /* ROUTE_HOOKS, ROUTE_API */
	unsigned             generation;
	bool                 stopping, renewing;
	pid_t                pid;           /* the master's */
};

/* First of all: a SIGHUP or SIGTERM that comes during the start waits until
 * the master can take it. */
void pool_block_signals(void);
/* Runs until SIGTERM or SIGINT; the exit status.  Setup, board and sockets are
 * made by the caller, who frees what is there at the end. */
int pool_run(struct pool *);

/* What a child does; comes back with its exit status. */
enum worker_exit pool_child(const struct pool *, const struct pool_group *, unsigned slot);

#endif
