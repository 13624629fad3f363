/* rest: what Chatwoot's REST API answers (api/v1, seen from 2.x to 4.18), read
 * into the same facts as its events.  Pure.
 *
 * Everything here belongs to the conversation and account that it was asked
 * for, or is refused. */
#ifndef PONTE_CHATWOOT_REST_H
#define PONTE_CHATWOOT_REST_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/chatwoot/answer.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/json.h"

/* GET conversations/{id}: status, owner, window, channel.  policy: account and
 * bot_id.  0, a refusal of enum chatwoot_refusal (CW_E_ACCOUNT: another
 * conversation or account), or -ENOMEM. */
MUST_CHECK int chatwoot_read_shown(struct slice body, const struct chatwoot_policy *, int64_t conversation,
    struct arena *, struct chatwoot_facts *ret, struct slice *reterr_why);

/* GET conversations/{id}/labels, at most CHATWOOT_LABELS_MAX of them; and those
 * of another part beside them.  0, CW_E_JSON, CW_E_SCHEMA or -ENOMEM. */
MUST_CHECK int chatwoot_read_labels(struct slice body, struct arena *, struct chatwoot_part *ret);
/* *ret_all: they were there already.  0 or -ENOMEM. */
MUST_CHECK int chatwoot_add_labels(struct chatwoot_part *to, const struct chatwoot_part *more, struct arena *, bool *ret_all);

/* GET conversations/{id}/messages: is one with this content_attributes.ponte
 * among them?  0, a refusal (CW_E_ACCOUNT: of another conversation or account)
 * or -ENOMEM. */
struct chatwoot_listed { bool found; size_t count; int64_t last; };
MUST_CHECK int chatwoot_find_marked(struct slice body, int64_t account, int64_t conversation, struct slice mark,
    struct chatwoot_listed *ret);

#endif
