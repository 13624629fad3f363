/* destination: a place that deliveries go to.  One file each (to_hub.c,
 * to_chatwoot.c), and both halves are pure: no socket, no clock, no log, no
 * dice.  deliver.c owns those and hands in what is needed of them.
 *
 *   build()   the batch, the tenant, where to  → one HTTP request, or why there can be none
 *   judge()   what came back                   → a verdict, and what is to be made of it
 *
 * A new destination is a new file with these two, and a row in deliver.c. */
#ifndef PONTE_COURIER_DESTINATION_H
#define PONTE_COURIER_DESTINATION_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/client.h"
#include "lib/protocol.h"
#include "lib/tenant.h"
#include "lib/uuid.h"

/* One message of a hub batch, as P_CLAIM_OK carries it. */
struct delivery_member {
	struct uuid  event;
	int64_t      message;
	bool         late;
	struct slice facts, body;
};

/* One batch.  Every slice points into the frame (or the job's copy of it). */
struct delivery {
	uint64_t            key;
	enum delivery_dest  dest;
	enum delivery_kind  kind;
	struct uuid         event;
	struct slice        request_id;
	uint64_t            n;              /* of the reply within its event */
	struct slice        tenant, installation;
	int64_t             account, conversation, inbox;
	unsigned            attempt;        /* this one, from 1 */
	struct slice        payload;        /* reply: what judge() of the hub made */
	struct delivery_member *member;     /* hub: oldest first */
	size_t              members;
};

/* The batch of a T_BATCH group; members are taken from the arena.  0,
 * -EPROTO (a field that must be there is not) or -ENOMEM. */
MUST_CHECK int delivery_read(struct slice group, struct arena *, struct delivery *ret);

/* Everything else that build() needs. */
struct errand {
	const struct delivery *delivery;
	const struct tenant   *tenant;
	struct slice           url, token;  /* of the destination; token plain, may be empty */
	uint8_t                span[8];     /* random: the parent id of traceparent */
	int64_t                now_us;      /* wall clock */
};

#define REQUEST_HEADERS 10
struct request {
	struct slice url;                   /* in the arena */
	struct slice header[REQUEST_HEADERS];   /* "Name: value", in the arena; the token is among them */
	size_t       headers;
	struct buf   body;                  /* the caller's to free */
};

enum build_outcome {
	BUILD_E_NEVER = 1,  /* this batch can not be sent, now or later: dead */
};

/* What came back. */
struct answer {
	enum client_error error;            /* CLIENT_OK: a whole answer */
	bool         sent;                  /* some of the request may have reached the peer */
	unsigned     status;                /* 0: none came */
	struct slice body;
	int64_t      retry_after_ms;        /* -1: none asked for */
	unsigned     strikes;               /* answers before this one that were held against the delivery */
};

#define JUDGE_FOREVER INT64_C(-1)

struct judgement {
	enum settle_verdict verdict;
	int64_t      delay_ms;      /* RETRY: at least so long (0: backoff alone); STOP: so long, or JUDGE_FOREVER */
	int64_t      hint_ms;       /* what the peer asked for, -1: nothing */
	int64_t      hold_ms;       /* nothing else goes to this destination meanwhile; before capping */
	bool         trouble;       /* the destination is in trouble: the breaker counts it */
	bool         alarm;         /* somebody must act: once per episode */
	bool         strike;        /* RETRY: this answer is held against the delivery */
	bool         cut;           /* the reply was longer than can be posted */
	const char  *reason;        /* our words, static: may be logged */
	struct slice detail;        /* the peer's words, cut: stored for the operator, never logged */
	struct slice reply;         /* T_PAYLOAD of the reply to make; empty: none */
};

struct destination {
	const char *name;
	/* 0, BUILD_E_NEVER (*reterr_why is static and may be logged) or -ENOMEM. */
	int (*build)(const struct errand *, struct arena *, struct request *ret, const char **reterr_why);
	/* 0 or -ENOMEM. */
	int (*judge)(const struct answer *, struct arena *, struct judgement *ret);
};

extern const struct destination to_hub, to_chatwoot;

/* For the two: what they have in common. */

/* "Name: value" into the request; an empty value leaves the header out.  A
 * value with a control character in it is refused.  0, -EINVAL or -ENOMEM. */
MUST_CHECK int request_header(struct request *, struct arena *, const char *name, struct slice value);
/* Content-Type, Accept, X-Request-ID, traceparent. */
MUST_CHECK int request_common(struct request *, struct arena *, const struct errand *);
/* The class of a failed transfer in one or two words.  (client_error_text()
 * says the same, but links libcurl, and the two destinations are pure.) */
const char *transfer_reason(enum client_error);
/* The first `characters` code points of UTF-8 text. */
struct slice text_cut(struct slice text, size_t characters);
/* A peer's own words about what went wrong: the string at `key` of a JSON
 * object, cut at 200 characters.  Empty when there is none. */
struct slice peer_words(struct slice body, struct arena *, const char *const keys[]);

#define REPLY_CHARACTERS 150000     /* Chatwoot refuses more */

#endif
