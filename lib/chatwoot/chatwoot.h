/* chatwoot: what an event says, and what is to be done with it.  Pure: no
 * clock, no store, no log.  Written to Chatwoot 4.18 and tolerant back to 2.x.
 *
 *   chatwoot_read()    bytes → facts, or a refusal        (worker, ponte explain)
 *   chatwoot_key()     facts → the key that makes a duplicate   (keeper)
 *   chatwoot_decide()  facts, state of the conversation, policy → verdict
 *                                            (keeper, inside the transaction)
 *   chatwoot_entry()   bytes → the hub's messages[] element     (courier)
 *
 * The table of states is in docs/QUEUE.md. */
#ifndef PONTE_CHATWOOT_H
#define PONTE_CHATWOOT_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/json.h"
#include "lib/uuid.h"
#include "lib/wire.h"

enum chatwoot_mode { CW_MODE_ACCOUNT, CW_MODE_INBOX, CW_MODE_BOT };

/* What the tenant wants, for the sender that delivered. */
struct chatwoot_policy {
	enum chatwoot_mode mode;
	int64_t account;            /* the sender's; an event of another is refused.  0: not known yet */
	int64_t bot_id;             /* our agent bot; 0: any agent bot counts as ours */
	bool    answer_open;        /* account and inbox mode: answer open, unassigned conversations */
	bool    transcripts;        /* forward a transcription that comes later */
	int64_t inbox;              /* the sender's; an event of another is refused.  0: any */
	/* What the hub is told of beside messages: see enum chatwoot_notice. */
	bool    tell_closed, tell_takeover, tell_contact;
};

#define CHATWOOT_EVENTS(X) \
	X(MESSAGE_CREATED, "message_created")           X(MESSAGE_UPDATED, "message_updated") \
	X(CONVERSATION_CREATED, "conversation_created") X(CONVERSATION_UPDATED, "conversation_updated") \
	X(STATUS_CHANGED, "conversation_status_changed") \
	X(OPENED, "conversation_opened")                X(RESOLVED, "conversation_resolved") \
	X(CONTACT_UPDATED, "contact_updated")
enum chatwoot_event {
	CW_EV_OTHER = 0,            /* typing, inboxes, widgets, macros, names of forks: ignored */
#define X(name, text) CW_EV_##name,
	CHATWOOT_EVENTS(X)
#undef X
};

enum chatwoot_status { CW_ST_UNKNOWN = 0, CW_ST_OPEN, CW_ST_RESOLVED, CW_ST_PENDING, CW_ST_SNOOZED, CW_ST_OTHER };
enum chatwoot_owner  { CW_OWN_NOBODY = 0, CW_OWN_OUR_BOT, CW_OWN_OTHER_BOT, CW_OWN_HUMAN };
enum chatwoot_type   { CW_TY_OTHER = 0, CW_TY_INCOMING, CW_TY_OUTGOING, CW_TY_TEMPLATE, CW_TY_ACTIVITY };
enum chatwoot_sender { CW_SE_NULL = 0, CW_SE_CONTACT, CW_SE_USER, CW_SE_BOT, CW_SE_OTHER };

/* Where the customer writes; how long a text may be there: chatwoot_text_max(). */
#define CHATWOOT_CHANNELS(X) \
	X(WEB, "webwidget", 150000)    X(API, "api", 150000)         X(EMAIL, "email", 150000) \
	X(WHATSAPP, "whatsapp", 4096)  X(TELEGRAM, "telegram", 4096) X(FACEBOOK, "facebookpage", 2000) \
	X(INSTAGRAM, "instagram", 1000) X(TWILIO, "twiliosms", 1600) X(SMS, "sms", 1600) \
	X(LINE, "line", 5000)          X(TWITTER, "twitterprofile", 10000)
enum chatwoot_channel {
	CW_CH_OTHER = 0,
#define X(name, text, most) CW_CH_##name,
	CHATWOOT_CHANNELS(X)
#undef X
	CW_CH_COUNT,
};

#define CHATWOOT_KEY 200        /* longest key text with its NUL */

struct chatwoot_facts {
	enum chatwoot_event event;
	int64_t account, inbox, conversation, message;      /* 0: not in this event */
	int64_t contact;

	/* the conversation as this event carries it */
	enum chatwoot_status status;
	enum chatwoot_owner  owner;
	int64_t owner_id;
	int64_t updated_us;         /* conversation.updated_at; 0: not there */
	bool    noise;              /* conversation_updated whose changes are bookkeeping only */
	bool    changes_null;       /* changed_attributes is null or missing */
	bool    can_reply, cannot_reply;    /* the channel's messaging window; neither: not said */
	enum chatwoot_channel channel;

	/* the message */
	enum chatwoot_type   type;
	enum chatwoot_sender sender;
	bool private_note, blocked, auto_reply, external_error;
	bool has_text, content_null, has_attachments;
	bool truncated, sanitised;  /* the text the hub gets was cut, or lost U+0000 */
	bool ours;                  /* content_attributes.ponte is there */
	struct uuid echo;           /* and names this event of ours … */
	int64_t echo_n;             /* … and its n-th delivery; 0: it names none */
	bool external_echo, automation;     /* automation: rule, campaign or template */
	bool form_answer, transcript;
	char form_hash[65];         /* hex SHA-256 of the canonical submitted_values, or "email:…" hashed likewise */
	char delivery_hash[65];     /* of sender and delivery id; set by the door, not by chatwoot_read().  Empty: none */
	/* Set by whoever fetched it from Chatwoot: it is fetched, and a human has
	 * answered behind it. */
	bool recovered, answered;

	struct slice event_name;    /* cut at 64 bytes, in the arena */
	const char *sync;           /* CW_EV_OTHER: as chatwoot_peek's; else NULL */
};

enum chatwoot_refusal {
	CW_E_JSON = 1,              /* 400 BAD_JSON */
	CW_E_SCHEMA,                /* 422 BAD_SCHEMA */
	CW_E_ACCOUNT,               /* 403 WRONG_ACCOUNT: account or inbox of somebody else */
};

/* Strict check, parse, read.  Order: JSON, schema, account.  On success
 * *ret_doc (may be NULL) is the parsed event, owned by the caller.  On a
 * refusal *reterr_why names field and fault, in the arena.  0, a refusal, or
 * -ENOMEM. */
MUST_CHECK int chatwoot_read(struct slice body, const struct chatwoot_policy *, struct arena *,
    struct chatwoot_facts *ret, struct json **ret_doc, struct slice *reterr_why);

/* What a shared webhook path needs before it knows the tenant: strict check,
 * then account, inbox, and whether it is one of the addons' syncs ("credentials"
 * or "mapping" in *ret_sync, else empty).  account is 0 when the event names
 * none.  Returns as chatwoot_read(). */
struct chatwoot_peek { int64_t account, inbox; const char *sync; };
MUST_CHECK int chatwoot_peek(struct slice body, struct arena *, struct chatwoot_peek *ret, struct slice *reterr_why);

/* The duplicate key within one installation, as text: "m:90001",
 * "f:90039:<hash>", "t:90006", "c:7:501:created", "c:7:501:1767348005.418207",
 * "s:7:501:open:1767348031.418207"; for an event that has none of these
 * "d:<delivery_hash>", or empty. */
void chatwoot_key(const struct chatwoot_facts *, char ret[static CHATWOOT_KEY]);

/* What we keep of a conversation (installation, account, display id). */
struct chatwoot_state {
	bool known;                 /* false: nothing stored yet, the rest is zero */
	enum chatwoot_status status;
	enum chatwoot_owner  owner;
	int64_t owner_id;
	int64_t updated_us;         /* newest seen; 0: never carried */
	bool    human;              /* a human took over: until pending or resolved */
	bool    stopped;            /* bot mode: the conversation left pending: until pending */
	bool    handed;             /* it was we who handed it to a human: until pending or resolved */
	bool    no_reply;           /* the channel's messaging window is closed (can_reply false) */
	uint32_t fence;             /* counts human_took_over, stop_bot, close_session: a reply asked for
	                             * under another number is suppressed */
	int     fence_why;          /* enum chatwoot_decision that moved it last */
};

#define CHATWOOT_DECISIONS(X) \
	X(FORWARD, "forward")                 X(FORWARD_TRUNCATED, "forward_truncated") \
	X(FORWARD_SANITISED, "forward_sanitised") X(FORWARD_FORM_ANSWER, "forward_form_answer") \
	X(IGNORE, "ignore")                   X(NOTE, "note") \
	X(DUPLICATE, "duplicate")             X(STALE, "stale") \
	X(HUMAN_TOOK_OVER, "human_took_over") X(STOP_BOT, "stop_bot") \
	X(START_BOT, "start_bot")             X(CLOSE_SESSION, "close_session") \
	X(REJECT_JSON, "reject_json")         X(REJECT_SCHEMA, "reject_schema") \
	X(REJECT_UNSIGNED, "reject_unsigned") X(REJECT_ACCOUNT, "reject_account")
enum chatwoot_decision {
#define X(name, text) CW_D_##name,
	CHATWOOT_DECISIONS(X)
#undef X
};
const char *chatwoot_decision_text(enum chatwoot_decision);
bool chatwoot_forwards(enum chatwoot_decision);     /* stored, and the hub is asked */
bool chatwoot_notes(enum chatwoot_decision);        /* stored, nothing is asked */
/* The word of the webhook answer: "accepted", "duplicate", "noted" or "ignored". */
const char *chatwoot_status_word(enum chatwoot_decision);

/* What a hub that wants it is told as an event of its own. */
#define CHATWOOT_NOTICES(X) \
	X(CLOSED, "conversation.closed") X(TAKEN_OVER, "conversation.taken_over") X(CONTACT, "contact.updated")
enum chatwoot_notice {
	CW_N_NONE = 0,
#define X(name, text) CW_N_##name,
	CHATWOOT_NOTICES(X)
#undef X
};
const char *chatwoot_notice_text(enum chatwoot_notice);     /* "" for none */

struct chatwoot_verdict {
	enum chatwoot_decision decision;
	const char *reason;         /* static: "human owns the conversation" */
	enum chatwoot_notice notice;        /* to be told to the hub */
	bool        state_changed;  /* state below is to be stored */
	struct chatwoot_state state;
};
/* `duplicate`: the key was found.  Never fails. */
void chatwoot_decide(const struct chatwoot_facts *, const struct chatwoot_state *,
    const struct chatwoot_policy *, bool duplicate, struct chatwoot_verdict *ret);

/* May a reply to an event taken in under `fence` and that policy still be
 * posted?  NULL: yes; else the reason for suppressing it, static. */
const char *chatwoot_fence(const struct chatwoot_state *, uint32_t fence, const struct chatwoot_policy *);
/* The conversation as it was read from Chatwoot (chatwoot_read_shown()): newer
 * than what is stored, it is taken in as an event that carries it would be. */
void chatwoot_observe(const struct chatwoot_facts *, enum chatwoot_mode, struct chatwoot_state *);
bool chatwoot_state_equal(const struct chatwoot_state *, const struct chatwoot_state *);
/* We have handed the conversation to a human. */
void chatwoot_hand_over(struct chatwoot_state *);

/* The hub's messages[] element of an event that was forwarded (docs/hub.md).
 * 0 or -ENOMEM. */
struct chatwoot_entry_marks { bool late, replayed; };
MUST_CHECK int chatwoot_entry(const struct json *event, const struct chatwoot_facts *, struct chatwoot_entry_marks,
    struct json **ret);
/* {"id","name","email","phone_number","identifier"} from sender, else
 * conversation.meta.sender, else contact_inbox.contact_id. */
MUST_CHECK int chatwoot_contact(const struct json *event, struct json **ret);
/* The same from contact_updated, which is the contact itself. */
MUST_CHECK int chatwoot_changed_contact(const struct json *event, struct json **ret);
/* "web", "sms", "whatsapp", … from conversation.channel; in the arena; empty: unknown. */
struct slice chatwoot_channel_name(const struct json *event, struct arena *);
/* The longest text, in UTF-16 units, that this channel carries in one message. */
size_t chatwoot_text_max(enum chatwoot_channel);
/* A copy of the event without any pubsub_token. */
MUST_CHECK int chatwoot_raw(const struct json *event, struct json **ret);

/* Facts and policy between worker and keeper: bare fields (wire.h).  After
 * chatwoot_unpack() event_name is a view into the fields. */
void chatwoot_pack(const struct chatwoot_facts *, const struct chatwoot_policy *, struct wire_writer *);
MUST_CHECK int chatwoot_unpack(struct slice fields, struct chatwoot_facts *ret, struct chatwoot_policy *ret_policy); /* 0 or -EPROTO */

#endif
