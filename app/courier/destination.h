/* destination: a place that deliveries go to.  One file each (to_hub.c,
 * to_chatwoot.c with look_chatwoot.c for what is read there), and both halves
 * are pure: no socket, no clock, no log, no dice.  deliver.c owns those and
 * hands in what is needed of them.
 *
 *   first()   the batch                        → the step it begins with
 *   build()   the batch, the tenant, where to  → one HTTP request, or why there can be none
 *   judge()   what came back                   → the next step; or a verdict, and what is made of it
 *
 * A new destination is a new file with these, and a row in deliver.c. */
#ifndef PONTE_COURIER_DESTINATION_H
#define PONTE_COURIER_DESTINATION_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/chatwoot/answer.h"
#include "lib/client.h"
#include "lib/protocol.h"
#include "lib/tenant.h"
#include "lib/uuid.h"

/* One message of a hub batch, as P_CLAIM_OK carries it. */
struct delivery_member {
	struct uuid  event;
	int64_t      message;
	bool         late, replayed;
	struct slice facts, body;
};

/* What of it is done by one request. */
enum delivery_step {
	STEP_NONE = 0,      /* nothing more: there is a verdict */
	STEP_POST,          /* the thing itself */
	STEP_SHOW,          /* before it: read the conversation */
	STEP_LABELS,        /* before it: read the labels, which a POST replaces */
	STEP_FIND,          /* instead of it: was it posted before? */
	STEP_FIND_SHOWN,    /* likewise, where the conversation's status tells */
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
	uint64_t            crashes;        /* of a courier, by this one, until now */
	struct slice        payload;        /* Chatwoot: lib/chatwoot/answer.h */
	int64_t             message;        /* Chatwoot: of its event */
	bool                lookup;         /* Chatwoot: it may have been posted */
	enum chatwoot_notice notice;        /* hub: told, not asked */
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
	enum delivery_step     step;
	struct slice           url, token;  /* of the destination; token plain, may be empty */
	struct slice           user_token;  /* Chatwoot: plain, may be empty; for reading */
	uint8_t                span[8];     /* random: the parent id of traceparent */
	int64_t                now_us;      /* wall clock */
	int64_t                after;       /* STEP_FIND: messages behind this one */
	const struct chatwoot_part *labels; /* STEP_POST of labels: all that it is to have; NULL: not read */
};

#define REQUEST_HEADERS 10
struct request {
	enum http_method method;
	bool         once;                  /* must not be repeated unseen */
	enum chatwoot_channel channel;      /* hub: where the customer writes */
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
	const struct delivery *delivery;
	enum delivery_step step;
	enum chatwoot_channel channel;      /* hub: as the request said */
	int64_t      bot_id;                /* Chatwoot: our agent bot; 0: any */
	struct slice labels;                /* STEP_LABELS: the payload with those to be added */
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
	bool         cut;           /* the answer was longer than can be posted */
	bool         unreadable;    /* STEP_SHOW: the token may not read conversations */
	enum delivery_step step;    /* not STEP_NONE: that comes next, and nothing else here counts */
	int64_t      after;         /* STEP_FIND */
	bool         shown;         /* STEP_SHOW: facts is the conversation */
	struct chatwoot_facts facts;
	struct chatwoot_part labels;        /* STEP_LABELS: all that it is to have */
	const char  *reason;        /* our words, static: may be logged */
	struct slice detail;        /* the peer's words, cut: stored for the operator, never logged */
	struct chatwoot_part *part; /* deliveries to make, in order */
	size_t       parts;
};

struct destination {
	const char *name;
	/* may_look: the conversation can be read, and the tenant wants it read. */
	enum delivery_step (*first)(const struct delivery *, bool may_look);
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

/* For to_chatwoot.c: what is read there (look_chatwoot.c). */
MUST_CHECK int look_build(const struct errand *, struct arena *, struct request *ret, const char **reterr_why);
MUST_CHECK int look_judge(const struct answer *, struct arena *, struct judgement *ret);
/* "…/api/v1/accounts/A/conversations/C" and what follows it, in the arena. */
MUST_CHECK int chatwoot_url(const struct errand *, struct arena *, struct slice tail, struct slice *ret);
/* api_access_token in both forms.  0, -EINVAL or -ENOMEM. */
MUST_CHECK int chatwoot_token(struct request *, struct arena *, struct slice token);

#endif
