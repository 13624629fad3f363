/* recover: what Chatwoot lists, as the events that it never sent (api/v1, seen
 * from 2.x to 4.18).  Pure.
 *
 * A listed message lacks what an event says of its campaign or template, so one
 * of those reads as written by the user whose name it carries. */
#ifndef PONTE_CHATWOOT_RECOVER_H
#define PONTE_CHATWOOT_RECOVER_H

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/json.h"

/* One page, in the order it came. */
struct chatwoot_list { struct json *doc; const struct json *item; size_t n; };
void chatwoot_list_free(struct chatwoot_list *);            /* and leaves it empty */

/* GET conversations, GET conversations/{id}/messages: 0, CW_E_JSON, CW_E_SCHEMA
 * or -ENOMEM; what it held before is freed. */
MUST_CHECK int chatwoot_list_conversations(struct slice body, struct chatwoot_list *ret);
MUST_CHECK int chatwoot_list_messages(struct slice body, struct chatwoot_list *ret);

/* A conversation as events carry it. */
struct chatwoot_listed_talk {
	int64_t id, inbox;
	int64_t active_us;              /* last activity */
	struct json *conversation;
};
void chatwoot_listed_talk_free(struct chatwoot_listed_talk *);
/* Item i; what *ret held before is freed.  0, CW_E_SCHEMA, CW_E_ACCOUNT (it is
 * of another account) or -ENOMEM. */
MUST_CHECK int chatwoot_listed_talk(const struct chatwoot_list *, size_t i, int64_t account,
    struct chatwoot_listed_talk *ret);

struct chatwoot_listed_message {
	int64_t id, created_us;
	bool    human;                  /* a human answered the customer with it */
	bool    customer;               /* it came in */
};
/* Item i: 0, CW_E_SCHEMA or CW_E_ACCOUNT (of another conversation or account). */
MUST_CHECK int chatwoot_listed_message(const struct chatwoot_list *, size_t i, int64_t account, int64_t conversation,
    struct chatwoot_listed_message *ret);

/* Appends the event: conversation_updated of the conversation, message_created
 * of message i, which chatwoot_listed_message() took.  0 or -ENOMEM. */
MUST_CHECK int chatwoot_recover_talk(const struct chatwoot_listed_talk *, struct buf *out);
MUST_CHECK int chatwoot_recover_message(const struct chatwoot_list *, size_t i, int64_t account,
    const struct chatwoot_listed_talk *, struct buf *out);

#endif
