/* where: tenants as the keeper last told them, and where a delivery goes. */
#ifndef PONTE_COURIER_WHERE_H
#define PONTE_COURIER_WHERE_H

#include "app/courier/destination.h"
#include "lib/arena.h"
#include "lib/base.h"
#include "lib/config.h"
#include "lib/secret.h"
#include "lib/tenant.h"

struct where_tenant {
	struct arena *memory;
	struct tenant tenant;
	uint64_t      mark;                 /* of its record; another after an import of it, never 0 */
};
struct where {
	struct where_tenant *item;
	size_t               n, cap;
	struct buf           hub_token;     /* of the default hub; plain */
};

void where_free(struct where *);        /* wipes the token */
/* Reads hub.token_file anew.  0, -EINVAL (not one line of printable text) or -errno. */
MUST_CHECK int where_read_token(struct where *, const struct config *);

/* NULL: not known, ask the keeper.  Until the next where_learn() or where_forget(). */
const struct tenant *where_tenant(const struct where *, struct slice name);
uint64_t where_mark(const struct where *, struct slice name);       /* 0: not known */
MUST_CHECK int where_learn(struct where *, struct slice record);    /* 0, -ENOMEM, -EPROTO */
void where_forget(struct where *);      /* all of them: the generation moved */

enum where_outcome {
	WHERE_E_GONE = 1,   /* what it was for is not configured any more: dead */
	WHERE_E_WAIT,       /* not configured, or cannot be opened: wait a while */
	WHERE_E_STOP,       /* wait until the credentials change */
};
/* Where a delivery goes: URL and plain tokens, in the arena: wipe them. */
struct where_target { struct slice url, token, user_token; int64_t bot_id; };
void where_wipe(struct where_target *);
/* 0, an outcome with a static *reterr_why, or -ENOMEM. */
MUST_CHECK int where_to(const struct where *, const struct config *, const struct secret_key *,
    const struct tenant *, const struct delivery *, struct arena *, struct where_target *ret, const char **reterr_why);
/* The tenant's hub, or the default one.  As where_to(). */
MUST_CHECK int where_hub(const struct where *, const struct config *, const struct secret_key *, const struct tenant *,
    struct arena *, struct where_target *ret, const char **reterr_why);
/* URL and bot token of the delivery's installation.  0, WHERE_E_GONE or -ENOMEM. */
MUST_CHECK int where_installation(const struct secret_key *, const struct tenant *, const struct delivery *,
    struct arena *, struct slice *ret_url, struct slice *ret_token);
/* The user token of an installation.  0, -EBADMSG (it cannot be opened) or -ENOMEM. */
MUST_CHECK int where_user_token(const struct secret_key *, const struct tenant *, const struct tenant_installation *,
    struct arena *, struct slice *ret);

/* The key of the tenant's Odoo, or the one that is to follow it.  Likewise. */
MUST_CHECK int where_odoo_key(const struct secret_key *, const struct tenant *, bool next, struct arena *, struct slice *ret);

#endif
