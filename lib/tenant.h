/* tenant: one customer of the shop's machine, and everything that belongs to
 * it.  Secrets are sealed (lib/secret) before they get in here: the keeper
 * stores this record and cannot read them.
 *
 *   intake.key    sender/<label>/secret, sender/<label>/next_secret, sender/<label>/proof, odoo/secret
 *   outgoing.key  hub/token, installation/<id>/bot_token, installation/<id>/user_token, odoo/key,
 *                 odoo/next_key */
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
/* How its conversations are handled. */
struct tenant_manners {
	int64_t debounce_ms;        /* quiet time before a question goes to the hub; -1: hub.debounce */
	bool typing;                /* show that somebody writes while the hub thinks */
	bool look_first;            /* read the conversation from Chatwoot before posting */
	bool merge_overtaken;       /* an answer overtaken by newer messages: ask again with all of them */
	bool repeat_unknown;        /* a post of unknown outcome: once more, instead of holding it */
	bool tell_closed, tell_takeover, tell_contact;      /* told to the hub as events of their own */
	/* What is done for a customer whom the hub gave no answer, in this order. */
	struct { struct slice message; bool note; struct slice label; bool handoff; } give_up;
};
#define TENANT_DEBOUNCE_MAX_MS 10000    /* also: longest wait of a burst */
/* The Odoo that it is synced with, and what that one's addons may do. */
enum tenant_signature { TENANT_SIGNATURE_ENFORCE, TENANT_SIGNATURE_OBSERVE, TENANT_SIGNATURE_OFF };
enum { TENANT_OPEN_DOCUMENTS, TENANT_OPEN_TOOLS, TENANT_OPEN_VIEWS, TENANT_OPEN_COUNT };
struct tenant_open { struct slice *address; size_t n; };        /* as of a sender; none: closed */
/* Where nothing is said of them. */
#define TENANT_ODOO_TIMEOUT_MS 130000
#define TENANT_ODOO_PULL_MS    86400000
struct tenant_odoo {
	bool         given;                 /* false: nothing was said of an Odoo */
	struct slice url, db, login;        /* url empty: none is called */
	struct slice key, next_key;         /* sealed */
	struct slice lang;
	int64_t      pace_ms, timeout_ms, pull_ms;      /* pull 0: only when asked to */
	struct slice secret;                /* sealed: what its addons sign with; empty: they do not */
	enum tenant_signature signature;
	struct tenant_open open[TENANT_OPEN_COUNT];     /* without a token */
	bool         emptied;               /* of a file: "odoo: {}", what is stored goes, too */
};

/* What the addons say of an account, or of one inbox of it (lib/tenant_sync). */
#define TENANT_SPECIALS 10
#define TENANT_MAPPINGS 1000
struct tenant_mapping {
	int64_t      account, inbox;        /* inbox 0: the account */
	struct slice domain;
	bool         fallback;              /* only where nothing else names a domain; the least sequence first */
	int64_t      sequence;
	struct { struct slice number, crew; } special[TENANT_SPECIALS];         /* customers of a crew's own */
	size_t       specials;
};

struct tenant {
	struct slice name, domain;
	bool         answer_open, transcripts;
	struct tenant_manners manners;
	struct slice hub_url, hub_token;    /* hub_token sealed; empty url: the default hub */
	struct tenant_odoo odoo;
	struct tenant_installation *installation; size_t installations;
	struct tenant_sender       *sender;       size_t senders;
	struct tenant_mapping      *mapping;      size_t mappings;
	bool         mapped;                /* of a file: these are all, what is stored goes */
};

/* The record as bare wire fields, and back (into the arena).  0, -ENOMEM;
 * decode also -EPROTO. */
MUST_CHECK int tenant_encode(const struct tenant *, struct buf *out);
MUST_CHECK int tenant_decode(struct slice record, struct arena *, struct tenant *ret);
/* The manners alone, as views into the record; what is not there, or cannot be
 * read, is as in a record without any. */
void tenant_manners_read(struct slice record, struct tenant_manners *ret);
/* Has the installation a user token (for reading what a bot may not)? */
bool tenant_user_token_set(struct slice record, struct slice installation);

/* A YAML file of tenants (`ponte tenant import`).  Secrets are read from the
 * files named there ("-": standard input, once) and sealed at once.
 *   tenants:
 *     - name: shop
 *       domain: retail
 *       answer_open: true          # default
 *       transcripts: false         # default
 *       debounce: 2s               # 0 to 10s; default hub.debounce
 *       typing: true               # default; look_first likewise
 *       overtaken: post            # default; or merge
 *       on_unknown: hold           # default; or repeat
 *       tell: [closed, takeover, contact]                  # default: nothing
 *       give_up: {message: "…", note: true, label: "…", handoff: true}     # note and handoff by default
 *       hub: {url: "http://127.0.0.1:9001/", token_file: hub.token}
 *       odoo: {url: "https://erp.example.com", db: shop, login: ponte, key_file: odoo.key, next_key_file: …,
 *         lang: pt_BR, pace: 0, timeout: 130s, pull: 1d, secret_file: …, signature: enforce,
 *         open: {documents: [addresses], tools: […], views: […]}}
 *       mappings: [{account: 7, inbox: 31, domain: bakery, fallback: false, sequence: 10,
 *         specials: [{number: "5511…", crew: admin}]}]     # default: what the addons said
 *       installations:
 *         - {id: main, url: "https://chat.example.com", bot_id: 4, bot_token_file: bot.token,
 *            user_token_file: …, accounts: [{id: 7, domain: …}], inboxes: [{id: 31, account: 7, channel: web, crew: …}]}
 *       senders:
 *         - {kind: bot, label: bot, installation: main, account: 7, secret_file: bot.secret,
 *            next_secret_file: …, unsigned: {path_secret_file: … | basic_file: … | addresses: […]}}
 * Checked besides the table: names unique, installations and accounts that
 * senders and inboxes name exist, a sender has a secret or an unsigned proof,
 * a secret is not empty, not longer than 4096 bytes, holds no line break, and
 * is not the one the replaced system published; odoo names an url with its db,
 * login and key_file, or none of the four; a secret in a path has 8 to
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
bool tenant_open_to(const struct tenant_open *, struct slice address);

#endif
