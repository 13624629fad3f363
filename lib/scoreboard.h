/* scoreboard: a file in shared memory, one slot per process, counters and the
 * state of the moment.  A reader never blocks a writer and never touches the
 * store.  Each slot has one writer; a reader may see a number one tick old.
 * Kept across restarts of the roles, so a courier finds what its predecessor
 * was doing when it died. */
#ifndef PONTE_SCOREBOARD_H
#define PONTE_SCOREBOARD_H

#include <stdatomic.h>

#include "lib/base.h"

#define SCOREBOARD_HOOKS_MAX 64
#define SCOREBOARD_API_MAX   64

enum scoreboard_state { SB_EMPTY = 0, SB_IDLE, SB_BUSY, SB_STOPPING };

#define SCOREBOARD_COUNTERS(X) \
	X(requests)      X(accepted)      X(duplicate)    X(noted)        X(ignored) \
	X(refused)       X(try_again)     X(bad_signature) X(bad_json)    X(bad_schema) \
	X(wrong_account) X(unknown_tenant) X(too_large)   X(attempts)     X(delivered) \
	X(retried)       X(dead)          X(unknown)      X(suppressed)   X(commits) \
	X(bad_token)

struct scoreboard_slot {
	_Atomic int32_t  pid;
	_Atomic int32_t  state;             /* enum scoreboard_state */
	_Atomic int64_t  since_us;          /* clock_mono_us(): request began / became idle */
	_Atomic int64_t  granted_us;        /* worker: what this request may take beside the workers' deadline */
	_Atomic uint64_t delivery;          /* courier: being built or judged, 0: none */
	_Atomic uint64_t crashes;           /* courier: how often that one had crashed a courier before */
	_Atomic uint32_t route;             /* worker: row of the route table, + 1 */
	_Atomic uint64_t body_digest;       /* worker: first 8 bytes of SHA-256 of the body */
	_Atomic uint64_t key;               /* worker, courier: secret_key_mark() of the key it has read */
	char             request_id[40];    /* worker: of the request in hand, NUL-terminated */
#define X(name) _Atomic uint64_t name;
	SCOREBOARD_COUNTERS(X)
#undef X
};

struct scoreboard {
	char     magic[8];                  /* "PONTESB1" */
	uint32_t slot_size;
	uint32_t slots;
	struct scoreboard_slot keeper, courier;
	struct scoreboard_slot hooks[SCOREBOARD_HOOKS_MAX];
	struct scoreboard_slot api[SCOREBOARD_API_MAX];
	/* The workers' master: 1 while the workers of that group die young, so
	 * that /readyz can say it. */
	_Atomic uint32_t hooks_troubled, api_troubled;
};

/* Maps the file, making it when it is missing and anew when it is of another
 * layout.  mode 0660.  0 or -errno. */
MUST_CHECK int scoreboard_open(const char *path, struct scoreboard **ret);
void scoreboard_close(struct scoreboard *);
/* Empties the momentary fields of a slot (not its counters, not `delivery` and its `crashes`) for this process. */
void scoreboard_take(struct scoreboard_slot *);
#define scoreboard_count(slot, name) \
	atomic_fetch_add_explicit(&(slot)->name, 1, memory_order_relaxed)

#endif
