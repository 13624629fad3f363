/* protocol: what the roles say to each other over lib/wire.  Requests are odd,
 * the answer is the request + 1.  Any request may be answered by P_ERROR.
 * Every answer of the keeper carries T_GENERATION, the tenants' generation
 * number: a changed one empties the caller's cache.  Every request may be sent
 * again after a broken connection. */
#ifndef PONTE_PROTOCOL_H
#define PONTE_PROTOCOL_H

#include "lib/base.h"
#include "lib/wire.h"

enum protocol_kind {
	/* anybody → keeper or courier: are you there? */
	P_PROBE = 1,        /* → P_PROBE_OK: T_AGE_MS since the last commit or probe write (keeper),
	                     *   T_REASON when intake is refused (low disk), T_PID, T_COUNT pending deliveries */
	P_PROBE_OK,

	/* worker → keeper */
	P_TENANT_FIND = 3,  /* T_NAME, or T_ACCOUNT: all tenants with an installation that has this account.
	                     * → P_TENANT_FOUND: T_TENANT (record of lib/tenant) once per tenant; none: no such */
	P_TENANT_FOUND,
	P_PUT = 5,          /* T_GENERATION the worker judged under, T_EVENT_ID, T_REQUEST_ID, T_NAME tenant,
	                     * T_INSTALLATION, T_SENDER label, T_FACTS (group: chatwoot_pack), T_BODY.
	                     * → P_PUT_DONE: T_RESULT enum put_result, and for PUT_DECIDED: T_DECISION,
	                     *   T_REASON, T_EVENT_ID (absent when nothing is stored; a duplicate's is the first's).
	                     * The answer leaves after the commit was flushed. */
	P_PUT_DONE,

	/* courier → keeper */
	P_HELLO = 11,       /* T_DELIVERY per batch key still held; T_CRASHED delivery that the courier was
	                     * building or judging when it died.  → P_HELLO_OK: T_DELIVERY per batch it may go on with */
	P_HELLO_OK,
	P_CLAIM = 13,       /* T_MAX batches, T_MESSAGE_AGE_MS, T_GIVE_UP_MS, T_DEBOUNCE_MS,
	                     * T_BUSY groups {T_NAME tenant, T_DEST}: destinations to leave out.
	                     * → P_CLAIM_OK: T_BATCH groups (below), T_DELAY_MS until something is due (absent: nothing waits) */
	P_CLAIM_OK,
	P_BEGIN = 15,       /* T_DELIVERY of a reply, before its POST.  → P_BEGIN_OK: T_RESULT enum begin_result, T_REASON */
	P_BEGIN_OK,
	P_SETTLE = 17,      /* T_DELIVERY batch key, T_VERDICT enum settle_verdict, T_DELAY_MS (retry), T_STATUS http,
	                     * T_REASON, T_NEXT groups {T_KIND, T_N, T_PAYLOAD}: deliveries to make with it.
	                     * → P_SETTLE_OK: T_RESULT enum settle_result */
	P_SETTLE_OK,
	P_WAKE = 19,        /* keeper → courier, request 0, no answer: something became due, or tenants changed */

	/* operator → keeper */
	P_TENANT_PUT = 31,  /* T_TENANT.  → P_OK, or P_ERROR E_CONFLICT naming account and owner */
	P_OK,
	P_TENANT_LIST = 33, /* → P_TENANT_FOUND with all (T_MORE when cut) ; T_AFTER name to go on behind */
	P_TENANT_REMOVE = 35, /* T_NAME → P_OK or P_ERROR E_NOT_FOUND / E_CONFLICT (work is queued, unless T_FORCE) */
	P_QUEUE_LIST = 41,  /* T_NAME?, T_STATE?, T_KIND?, T_EVENT_ID?, T_AFTER id, T_MAX (kind and state as numbers).
	                     * → P_QUEUE_ROWS: T_ROW groups; T_MORE with T_AFTER to go on behind, also after an empty page */
	P_QUEUE_ROWS,
	P_QUEUE_RETRY = 43, /* T_DELIVERY…, or filters as above with T_ALL.  → P_OK: T_COUNT; T_MORE and T_AFTER as above */
	P_QUEUE_DROP = 45,  /* likewise; T_DRY_RUN counts only */
	P_QUEUE_COUNTS = 47,/* → P_QUEUE_ROWS: T_ROW groups {T_NAME, T_BOOK, T_STATE, T_COUNT}: the books as they stand */
	P_CHECK = 49,       /* recount, integrity: → P_QUEUE_ROWS: T_ROW {T_NAME, T_BOOK, T_STATE, T_COUNT book, T_RECOUNT}, only
	                     * differences; T_REASON "ok" or what integrity_check said */

	P_ERROR = 255,      /* T_CODE enum protocol_error, T_REASON one sentence */
};

enum protocol_tag {
	T_GENERATION = 1, T_RESULT, T_REASON, T_NAME, T_ACCOUNT, T_TENANT, T_EVENT_ID /* 16 bytes */,
	T_REQUEST_ID, T_INSTALLATION, T_SENDER, T_FACTS, T_BODY, T_DECISION, T_AGE_MS, T_PID, T_COUNT,
	T_DELIVERY = 20, T_CRASHED, T_MAX, T_MESSAGE_AGE_MS, T_GIVE_UP_MS, T_DEBOUNCE_MS, T_BUSY, T_DEST,
	T_BATCH, T_DELAY_MS, T_VERDICT, T_STATUS, T_NEXT, T_KIND, T_N, T_PAYLOAD, T_MEMBER, T_LATE,
	T_ATTEMPT, T_RECEIVED_US, T_CREATED_US, T_CONVERSATION, T_INBOX, T_MESSAGE, T_CRASHES, T_MODE,
	T_STATE = 60, T_MORE, T_AFTER, T_ROW, T_ALL, T_DRY_RUN, T_FORCE, T_BOOK, T_RECOUNT, T_DUE_US, T_SETTLED_US, T_CODE,
	T_ACCOUNT_DOMAIN,
};

/* T_BATCH holds
 *   T_DELIVERY key, T_DEST, T_KIND, T_EVENT_ID (of the key), T_REQUEST_ID, T_N, T_NAME tenant,
 *   T_INSTALLATION, T_ACCOUNT, T_CONVERSATION, T_INBOX, T_ATTEMPT (this one; from 1),
 *   T_CREATED_US (of the oldest member), and
 *   hub:   T_MEMBER groups, oldest first by message id: {T_DELIVERY, T_EVENT_ID, T_MESSAGE, T_LATE,
 *          T_DECISION, T_RECEIVED_US, T_FACTS, T_BODY}
 *   reply: T_PAYLOAD as the settle that made it gave it. */

enum put_result {
	PUT_DECIDED = 1,    /* T_DECISION says what; on disk if it is to be kept */
	PUT_TENANTS_MOVED,  /* judged under another generation: find the tenant again, verify again, put again */
	PUT_REFUSED,        /* low disk or store trouble: answer 500; T_REASON */
};
enum begin_result { BEGIN_GO = 1, BEGIN_SUPPRESSED, BEGIN_GONE };
enum settle_result { SETTLE_OK = 1, SETTLE_LATER /* disk full: keep it and say it again */, SETTLE_GONE /* not claimed by you */ };

enum settle_verdict {
	SETTLE_DONE = 1,
	SETTLE_RETRY,       /* pending again after T_DELAY_MS; counts an attempt */
	SETTLE_STOP,        /* pending again, and the destination of this tenant is stopped: until T_DELAY_MS has
	                     * passed (absent: until its credentials change or queue retry) */
	SETTLE_DEAD,
	SETTLE_UNKNOWN,     /* a reply that may or may not have been posted: held, shown */
	SETTLE_SUPPRESSED,
	SETTLE_RELEASE,     /* nothing was tried (stopping, breaker open): pending again at T_DELAY_MS, no attempt counted */
};

enum delivery_dest { DEST_HUB = 1, DEST_CHATWOOT = 2 };
#define DELIVERY_KINDS(X) X(HUB, "hub") X(REPLY, "reply") X(NOTE, "note") X(HANDOFF, "handoff") X(KNOWLEDGE, "knowledge")
enum delivery_kind {
	DELIVERY_K_NONE = 0,
#define X(name, text) DELIVERY_K_##name,
	DELIVERY_KINDS(X)
#undef X
};
#define DELIVERY_STATES(X) \
	X(PENDING, "pending") X(CLAIMED, "claimed") X(WAITING, "waiting") X(HELD, "held") X(DONE, "done") \
	X(DEAD, "dead") X(UNKNOWN, "unknown") X(SUPPRESSED, "suppressed") X(DROPPED, "dropped") \
	X(EXPIRED, "expired") X(ERASED, "erased")
enum delivery_state {
	DELIVERY_NONE = 0,
#define X(name, text) DELIVERY_##name,
	DELIVERY_STATES(X)
#undef X
};
const char *delivery_kind_text(enum delivery_kind);             /* "?" for none */
const char *delivery_state_text(enum delivery_state);
int delivery_kind_of(struct slice text);                        /* 0: unknown */
int delivery_state_of(struct slice text);

enum protocol_error { E_BAD_REQUEST = 1, E_NOT_ALLOWED, E_NOT_FOUND, E_CONFLICT, E_STORE };

/* Who may say what: peer uid → role; under ponte up one uid plays all. */
enum protocol_role { ROLE_NONE = 0, ROLE_WORKER = 1, ROLE_COURIER = 2, ROLE_OPERATOR = 4, ROLE_ALL = 7 };
bool protocol_allowed(unsigned roles, uint16_t kind);

/* The frame of an error answer.  0 or -ENOMEM. */
MUST_CHECK int protocol_error(struct buf *out, uint64_t request, uint64_t generation, enum protocol_error, const char *text);

#endif
