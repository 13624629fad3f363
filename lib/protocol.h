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
	                     * → P_TENANT_FOUND: T_TENANT (record of lib/tenant) once per tenant; none: no such.
	                     * Neither: T_RESULT, bits of TENANT_OPEN_* that some tenant opens */
	P_TENANT_FOUND,
	P_PUT = 5,          /* T_GENERATION the worker judged under, T_EVENT_ID, T_REQUEST_ID, T_NAME tenant,
	                     * T_INSTALLATION, T_SENDER label, T_FACTS (group: chatwoot_pack), T_BODY.
	                     * → P_PUT_DONE: T_RESULT enum put_result, and for PUT_DECIDED: T_DECISION,
	                     *   T_REASON, T_EVENT_ID (absent when nothing is stored; a duplicate's is the first's).
	                     * The answer leaves after the commit was flushed. */
	P_PUT_DONE,         /* a courier that catches up puts too; T_DRY_RUN: decides and keeps nothing */
	P_TOKEN_FIND = 7,   /* T_HASH (SHA-256 of a Bearer token), and of one that could be guessed T_SENDER, the address it came
	                     * from.  → P_TOKEN_FOUND: T_NAME tenant, T_LABEL, T_SCOPES; nothing in it: no such, or not valid any
	                     * more; T_DELAY_MS: the address was wrong too often, and nothing was looked up */
	P_TOKEN_FOUND,
	P_QUESTION = 9,     /* T_NAME tenant, T_EVENT_ID: what was asked under it.  → P_QUESTION_OK: T_ACCOUNT,
	                     * T_CONVERSATION, T_CHANNEL; nothing in it: nothing was */
	P_QUESTION_OK,
	P_ANSWER = 21,      /* T_NAME tenant, T_EVENT_ID, T_HASH of the body, T_NEXT groups as of P_SETTLE, or T_VERDICT
	                     * SETTLE_DEAD and T_REASON.  → P_ANSWER_OK: T_RESULT enum answer_result.  The answer leaves
	                     * after the commit was flushed. */
	P_ANSWER_OK,
	P_CATALOG_PUT = 27, /* T_NAME tenant, T_BODY (lib/catalog_wire.h), T_LABEL and T_REASON a line of history (absent: none),
	                     * T_AGE_MS of what was read and not pushed: since when; E_NEWER when somebody pushed since.
	                     * → P_CATALOG_PUT_OK when it is seen and on disk: T_COUNT items written, T_N taken away, T_ALL
	                     * unchanged, T_RESULT 1: nothing at all changed */
	P_CATALOG_PUT_OK,

	P_TENANT_SYNC = 29, /* T_NAME tenant, T_TENANT what its addon says of it (lib/tenant_sync.h), T_HASH of the addon's token (absent: it stays), T_LABEL
	                     * and T_SCOPES of it, T_KIND a word for the hub, told under T_EVENT_ID; T_FORCE: make the tenant when there is none,
	                     * and with an empty T_BEFORE only then.
	                     * → P_TENANT_SYNC_OK on disk: T_RESULT enum sync_result; or P_ERROR: E_NOT_FOUND, E_CONFLICT (something
	                     * is another tenant's), E_BAD_REQUEST (it cannot be so) */
	P_TENANT_SYNC_OK,

	/* courier → keeper */
	P_HELLO = 11,       /* T_DELIVERY per batch key still held; T_CRASHED delivery that the courier was
	                     * building or judging when it died, T_CRASHES of it before.
	                     * → P_HELLO_OK: T_DELIVERY per batch it may go on with */
	P_HELLO_OK,
	P_CLAIM = 13,       /* T_MAX batches, T_BUSY groups {T_NAME tenant, T_DEST}: destinations to leave out.
	                     * → P_CLAIM_OK: T_BATCH groups (below), T_DELAY_MS until something is due (absent: nothing waits) */
	P_CLAIM_OK,
	P_BEGIN = 15,       /* T_DELIVERY of a reply, note or handoff, before its POST; T_FACTS (group: chatwoot_pack) of the
	                     * conversation when it was read.  → P_BEGIN_OK: T_RESULT enum begin_result, T_REASON */
	P_BEGIN_OK,
	P_SETTLE = 17,      /* T_DELIVERY batch key, T_VERDICT enum settle_verdict, T_DELAY_MS (retry), T_STATUS http,
	                     * T_REASON, T_NEXT groups {T_KIND, T_DELAY_MS, T_PAYLOAD}: deliveries to make with it, in this order.
	                     * → P_SETTLE_OK: T_RESULT enum settle_result */
	P_SETTLE_OK,
	P_WAKE = 19,        /* keeper → courier, request 0, no answer: something became due, or tenants changed */
	P_HEARD = 23,       /* → P_HEARD_OK: T_ROW groups {T_NAME tenant, T_INSTALLATION, T_RECEIVED_US when last,
	                     * T_CREATED_US since when something may be missing (absent: nothing is known to be)} */
	P_HEARD_OK,
	P_CAUGHT_UP = 25,   /* T_NAME, T_INSTALLATION, T_CREATED_US since, T_RECEIVED_US through: all of it is fetched.  → P_OK,
	                     * or P_ERROR E_NOT_FOUND */

	/* operator → keeper */
	P_TENANT_PUT = 31,  /* T_TENANT.  → P_OK, or P_ERROR E_CONFLICT naming account and owner.  With T_BEFORE it is put as it stands,
	                     * and only where that is the record: T_RESULT SYNC_CHANGED, else SYNC_UNCHANGED.  T_KIND: who asks opened what is sealed in it, for this;
	                     * that is logged */
	P_OK,
	P_TENANT_LIST = 33, /* → P_TENANT_FOUND with all (T_MORE when cut) ; T_AFTER name to go on behind; T_KIND as above */
	P_TENANT_REMOVE = 35, /* T_NAME → P_OK or P_ERROR E_NOT_FOUND / E_CONFLICT (work is queued, unless
	                       * T_FORCE); T_DRY_RUN only asks */
	P_QUEUE_LIST = 41,  /* T_NAME?, T_STATE?, T_KIND?, T_EVENT_ID?, T_AFTER id, T_MAX (kind and state as numbers).
	                     * → P_QUEUE_ROWS: T_ROW groups; T_MORE with T_AFTER to go on behind, also after an empty page */
	P_QUEUE_ROWS,
	P_QUEUE_RETRY = 43, /* T_DELIVERY…, or filters as above with T_ALL.  → P_OK: T_COUNT; T_MORE and T_AFTER as above */
	P_QUEUE_DROP = 45,  /* likewise; T_DRY_RUN counts only */
	P_QUEUE_COUNTS = 47,/* → P_QUEUE_ROWS: T_ROW groups {T_NAME, T_BOOK, T_STATE, T_COUNT}: the books as they stand */
	P_QUEUE_HOLD = 57,  /* likewise, T_DRY_RUN too */
	P_QUEUE_RELEASE = 59,
	P_TRACE = 61,       /* T_EVENT_ID → P_TRACE_OK: T_ROW groups {T_RECEIVED_US when, T_KIND, T_N, T_DELIVERY, T_STATE,
	                     * T_VERDICT, T_STATUS, T_REASON, T_CREATED_US, …}: see app/ponte/trace.c */
	P_TRACE_OK,
	P_BODY = 63,        /* T_DELIVERY → P_BODY_OK: T_EVENT_ID, T_BODY of the event, T_PAYLOAD of the delivery */
	P_BODY_OK,
	P_PERSON = 65,      /* T_NAME tenant, T_PAYLOAD bytes, T_AFTER: events whose body has these bytes in it.  → P_QUEUE_ROWS:
	                     * T_ROW groups {T_INSTALLATION, T_MESSAGE contact id, T_BODY}; T_MORE and T_AFTER */
	P_ERASE = 67,       /* T_NAME tenant, T_INSTALLATION?, T_MESSAGE contact id, T_AFTER, T_DRY_RUN.  → P_OK: T_COUNT events,
	                     * T_BUSY deliveries that are on their way (ask again), T_MORE and T_AFTER */
	P_TOKEN_NEW = 51,   /* T_NAME tenant, T_LABEL, T_SCOPES, T_HASH, T_DUE_US expiry → P_OK, P_ERROR E_CONFLICT / E_NOT_FOUND */
	P_TOKEN_LIST = 53,  /* T_NAME? → P_QUEUE_ROWS: T_ROW groups {T_NAME, T_LABEL, T_SCOPES, T_CREATED_US, T_DUE_US, T_RECEIVED_US last use} */
	P_TOKEN_REVOKE = 55,/* T_NAME, T_LABEL → P_OK or P_ERROR E_NOT_FOUND */

	/* operator → courier */
	P_CATCHUP = 71,     /* T_NAME tenant, T_INSTALLATION?, T_RECEIVED_US since (absent: since it was heard last), T_DRY_RUN,
	                     * T_AFTER a number of the asker's: begins it, and asked again with it tells how it goes.  Not asked
	                     * for some seconds, it ends.  → P_CATCHUP_OK: T_ROW groups {T_NAME, T_COUNT}, T_MORE while it goes
	                     * on, T_INSTALLATION, T_REASON when it failed */
	P_CATCHUP_OK,
	P_DESTINATIONS = 73, /* those at work or in trouble.  → P_DESTINATIONS_OK: T_ROW groups {T_NAME tenant, T_DEST, T_COUNT requests
	                     * on the way, T_MAX how many there may be, T_N claimed and waiting for room, T_DELAY_MS pause (absent:
	                     * none; -1: until its one try has ended)}; T_MAX the ceiling */
	P_DESTINATIONS_OK,

	/* worker → courier; P_CALL and P_PULL of an operator, too */
	P_CALL = 75,        /* T_NAME tenant, T_KIND enum call_kind, T_DELAY_MS how long it is waited for, T_BODY what is asked:
	                     *   CALL_ODOO  {"model","method","args":[…],"kwargs":{…}}; what may be asked: app/courier/odoo_ask.c
	                     *   CALL_HUB   the body of a POST to the hub
	                     * T_ALL, of an operator: of Odoo all that reads may be asked.
	                     * → P_CALL_OK: T_RESULT enum call_result, T_BODY the answer (JSON), T_REASON a sentence */
	P_CALL_OK,
	P_PULL = 77,        /* T_NAME tenant: its Odoo is read, soon.  An operator may add T_DRY_RUN, and T_AFTER as for P_CATCHUP.
	                     * → P_PULL_OK: T_ROW groups {T_NAME, T_COUNT}, T_MORE, T_REASON likewise */
	P_PULL_OK,
	P_SEAL = 79,        /* T_NAME tenant, T_LABEL field of its record, T_PAYLOAD plain → P_SEAL_OK: T_PAYLOAD sealed for the courier */
	P_SEAL_OK,

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
	T_HASH = 80, T_LABEL, T_SCOPES, T_CHANNEL, T_LOOKUP, T_REPLAYED, T_NOTICE, T_LADDER, T_OLDER_US, T_NEWER_US, T_BEFORE,
};

/* T_BATCH holds
 *   T_DELIVERY key, T_DEST, T_KIND, T_EVENT_ID (of the key), T_REQUEST_ID, T_N, T_NAME tenant,
 *   T_INSTALLATION, T_ACCOUNT, T_CONVERSATION, T_INBOX, T_ATTEMPT (this one; from 1),
 *   T_CREATED_US (of the oldest member), and
 *   hub, notice:  T_MEMBER groups, oldest first by message id: {T_DELIVERY, T_EVENT_ID, T_MESSAGE, T_LATE,
 *          T_REPLAYED, T_DECISION, T_RECEIVED_US, T_FACTS, T_BODY}; a notice has one, and T_NOTICE enum chatwoot_notice
 *   Chatwoot:     T_PAYLOAD as what made it gave it (lib/chatwoot/answer.h); T_MESSAGE of its event; T_LOOKUP: find out
 *          whether it was posted before */

enum put_result {
	PUT_DECIDED = 1,    /* T_DECISION says what; on disk if it is to be kept */
	PUT_TENANTS_MOVED,  /* judged under another generation: find the tenant again, verify again, put again */
	PUT_REFUSED,        /* low disk or store trouble: answer 500; T_REASON */
};
enum sync_result { SYNC_UNCHANGED = 1, SYNC_CHANGED, SYNC_MADE };
enum call_kind { CALL_ODOO = 1, CALL_HUB };
#define CALL_RESULTS(X) \
	X(DONE, "done") \
	X(UNREACHABLE, "unreachable")       /* no answer, or none that can be understood */ \
	X(DENIED, "denied")                 /* login or key are not good */ \
	X(FAULT, "fault")                   /* understood, and refused: T_REASON says why */ \
	X(APPLIED, "applied")               /* done, and the answer to it is lost */ \
	X(UNKNOWN, "unknown")               /* perhaps done: it was sent, and no answer came */ \
	X(DEADLINE, "deadline")             /* not done in time */ \
	X(NOT_CONFIGURED, "not configured") /* the tenant has none */ \
	X(NOT_ALLOWED, "not allowed")       /* not by this caller */ \
	X(BUSY, "busy")                     /* too many wait already */
enum call_result {
	CALL_NONE = 0,
#define X(name, text) CALL_##name,
	CALL_RESULTS(X)
#undef X
};
enum begin_result { BEGIN_GO = 1, BEGIN_SUPPRESSED, BEGIN_GONE };
enum answer_result {
	ANSWER_TAKEN = 1,
	ANSWER_DUPLICATE,   /* the same body again */
	ANSWER_CONFLICT,    /* another was taken before, or the hub answered at once */
	ANSWER_UNKNOWN,     /* nothing was asked under this event */
	ANSWER_LATE,        /* nobody waits for it any more */
	ANSWER_REFUSED,     /* low disk or store trouble; T_REASON */
};
enum settle_result { SETTLE_OK = 1, SETTLE_LATER /* disk full: keep it and say it again */, SETTLE_GONE /* not claimed by you */ };

enum settle_verdict {
	SETTLE_DONE = 1,
	SETTLE_RETRY,       /* pending again after T_DELAY_MS; counts an attempt */
	SETTLE_STOP,        /* pending again, and the destination of this tenant is stopped: until T_DELAY_MS has
	                     * passed (absent: until its credentials change or queue retry) */
	SETTLE_DEAD,
	SETTLE_UNKNOWN,     /* it may or may not have been posted: looked up, or our echo is waited for */
	SETTLE_SUPPRESSED,
	SETTLE_RELEASE,     /* nothing was tried (stopping, breaker open): pending again at T_DELAY_MS, no attempt counted */
	SETTLE_WAIT,        /* the hub will answer by itself, within T_DELAY_MS */
	SETTLE_ABSENT,      /* looked up, and surely not posted: pending again */
	SETTLE_LAST = SETTLE_ABSENT,
};

enum delivery_dest { DEST_HUB = 1, DEST_CHATWOOT = 2 };
#define DELIVERY_KINDS(X) \
	X(HUB, "hub") X(REPLY, "reply") X(NOTE, "note") X(HANDOFF, "handoff") X(KNOWLEDGE, "knowledge") \
	X(LABELS, "labels") X(NOTICE, "notice")
enum delivery_kind {
	DELIVERY_K_NONE = 0,
#define X(name, text) DELIVERY_K_##name,
	DELIVERY_KINDS(X)
#undef X
	DELIVERY_K_LAST = DELIVERY_K_NOTICE,
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
/* Where deliveries of that kind go. */
enum delivery_dest delivery_dest_of(enum delivery_kind);
const char *delivery_kind_text(enum delivery_kind);             /* "?" for none */
const char *delivery_state_text(enum delivery_state);
int delivery_kind_of(struct slice text);                        /* 0: unknown */
int delivery_state_of(struct slice text);

enum protocol_error { E_BAD_REQUEST = 1, E_NOT_ALLOWED, E_NOT_FOUND, E_CONFLICT, E_STORE, E_NEWER };

/* Who may say what: peer uid → role; under ponte up one uid plays all. */
enum protocol_role { ROLE_NONE = 0, ROLE_WORKER = 1, ROLE_COURIER = 2, ROLE_OPERATOR = 4, ROLE_ALL = 7 };
bool protocol_allowed(unsigned roles, uint16_t kind);
/* The longest payload that a keeper of that limits.body reads: a body with what
 * stands beside it, or the rules of one with their stems and as JSON. */
size_t protocol_frame_max(uint64_t body);

/* The frame of an error answer.  0 or -ENOMEM. */
MUST_CHECK int protocol_error(struct buf *out, uint64_t request, uint64_t generation, enum protocol_error, const char *text);

#endif
