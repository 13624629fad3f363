/* tenant: one customer of the shop's machine, and everything that belongs to
 * it.  Secrets are sealed (lib/secret) before they get in here: the keeper
 * stores this record and cannot read them.
 *
 *   intake.key    sender/<label>/secret, sender/<label>/next_secret, sender/<label>/proof
 *   outgoing.key  hub/token, installation/<id>/bot_token, installation/<id>/user_token */
#ifndef PONTE_TENANT_H
#define PONTE_TENANT_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/secret.h"
#include "lib/settings.h"

enum tenant_kind  { TENANT_ACCOUNT, TENANT_INBOX, TENANT_BOT };         /* of a sender; = enum chatwoot_mode */
enum tenant_proof { TENANT_PROOF_NONE, TENANT_PROOF_PATH, TENANT_PROOF_BASIC, TENANT_PROOF_ADDRESSES };

struct tenant_account { int64_t id; struct slice domain; };
struct tenant_inbox   { int64_t id, account; struct slice channel, crew; };
struct tenant_installation {
	struct slice id, url;               /* url without trailing slash and without /api/v1 */
	int64_t      bot_id;
	struct slice bot_token, user_token; /* sealed; empty: none */
	struct tenant_account *account; size_t accounts;
	struct tenant_inbox   *inbox;   size_t inboxes;
};
struct tenant_sender {
	enum tenant_kind kind;
	struct slice     label, installation;
	int64_t          account, inbox;    /* inbox: TENANT_INBOX only; 0: not named */
	struct slice     secret, next_secret;       /* sealed; empty: none */
	enum tenant_proof unsigned_by;      /* what lets an unsigned request in */
	struct slice     proof;             /* sealed: path secret or "user:password" */
	struct slice    *address; size_t addresses; /* "192.0.2.7" or "192.0.2.0/24", also IPv6 */
};
struct tenant {
	struct slice name, domain;
	bool         answer_open, transcripts;
	struct slice hub_url, hub_token;    /* hub_token sealed; empty url: the default hub */
	struct tenant_installation *installation; size_t installations;
	struct tenant_sender       *sender;       size_t senders;
};

/* The record as bare wire fields, and back (into the arena).  0, -ENOMEM;
 * decode also -EPROTO. */
MUST_CHECK int tenant_encode(const struct tenant *, struct buf *out);
MUST_CHECK int tenant_decode(struct slice record, struct arena *, struct tenant *ret);

/* A YAML file of tenants (`ponte tenant import`).  Secrets are read from the
 * files named there ("-": standard input, once) and sealed at once.
 *   tenants:
 *     - name: shop
 *       domain: retail
 *       answer_open: true          # default
 *       transcripts: false         # default
 *       hub: {url: "http://127.0.0.1:9001/", token_file: hub.token}
 *       installations:
 *         - {id: main, url: "https://chat.example.com", bot_id: 4, bot_token_file: bot.token,
 *            user_token_file: …, accounts: [{id: 7, domain: …}], inboxes: [{id: 31, account: 7, channel: web, crew: …}]}
 *       senders:
 *         - {kind: bot, label: bot, installation: main, account: 7, secret_file: bot.secret,
 *            next_secret_file: …, unsigned: {path_secret_file: … | basic_file: … | addresses: […]}}
 * Checked besides the table: names unique, installations and accounts that
 * senders and inboxes name exist, a sender has a secret or an unsigned proof,
 * a secret is not empty, not longer than 4096 bytes, holds no line break, and
 * is not the one the replaced system published; a secret in a path has 8 to
 * 128 of [A-Za-z0-9._~-]; no account of one Chatwoot stands in the file twice.
 * 0, SETTINGS_E_WRONG, or -errno. */
MUST_CHECK int tenant_import(struct slice text, const char *dir, const struct secret_key *intake,
    const struct secret_key *outgoing, struct arena *, struct tenant **ret, size_t *ret_count,
    struct settings_errors *reterr);
extern const struct settings_option tenant_table[];

/* Finds by label, installation id, (installation, account).  NULL: none. */
const struct tenant_sender *tenant_sender_find(const struct tenant *, struct slice label);
const struct tenant_installation *tenant_installation_find(const struct tenant *, struct slice id);
const struct tenant_account *tenant_account_find(const struct tenant_installation *, int64_t account);
/* The inbox entry, or NULL.  account 0: any. */
const struct tenant_inbox *tenant_inbox_find(const struct tenant_installation *, int64_t account, int64_t inbox);
/* Is the address (text) in the sender's list? */
bool tenant_address_ok(const struct tenant_sender *, struct slice address);

#endif
