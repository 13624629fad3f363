#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/address.h"
#include "lib/http.h"
#include "lib/tenant.h"
#include "lib/tenant_odoo.h"
#include "lib/tenant_secret.h"

/* ---- the file as it is written ---- */

struct file_unsigned {
	struct slice path_secret, basic;        /* files */
	struct settings_list addresses;
	struct settings_place path_secret_at, basic_at, addresses_at;
};
struct file_sender {
	int          kind;
	struct slice label, installation, secret, next_secret;
	int64_t      account, inbox;
	struct file_unsigned other;
	bool         unsigned_given;
	struct settings_place label_at, installation_at, account_at, inbox_at, secret_at, next_secret_at,
	    unsigned_at;
};
struct file_account { int64_t id; struct slice domain; struct settings_place id_at; };
struct file_inbox {
	int64_t      id, account;
	struct slice channel, crew;
	struct settings_place id_at, account_at;
};
struct file_installation {
	struct slice id, url, bot_token, user_token;
	int64_t      bot_id;
	struct settings_list accounts, inboxes;
	struct settings_place id_at, url_at, bot_token_at, user_token_at, accounts_at;
};
struct file_hub { struct slice url, token; struct settings_place token_at; };
struct file_give_up { struct slice message, label; bool note, handoff; };
struct file_tenant {
	struct slice name, domain;
	bool         answer_open, transcripts, typing, look_first, debounce_given;
	int64_t      debounce;
	int          overtaken, on_unknown;
	struct settings_list tell;
	struct file_give_up give_up;
	struct file_hub hub;
	struct tenant_odoo_file odoo;
	bool         mapped;
	struct settings_list mappings, installations, senders;
	struct settings_place name_at;
};
struct file { struct settings_list tenants; };

static const char *
check_url_base(struct slice text)
{
	return memchr(text.ptr, '?', text.len) ? "must not have a '?'" : NULL;
}

static const char *
check_prefix(struct slice text)
{
	return address_prefix_ok(text) ? NULL
	    : "is not an address like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32";
}

static const char *
check_tell(struct slice text)
{
	return slice_eq(text, SLICE("closed")) || slice_eq(text, SLICE("takeover")) || slice_eq(text, SLICE("contact"))
	    ? NULL : "is none of closed, takeover and contact";
}

/* clang-format off */
#define ROW(s, key, member)     .name = key, .offset = offsetof(struct s, member)
#define PLACED(s, key, member)  ROW(s, key, member), .place_offset = offsetof(struct s, member##_at)
#define ID                      .type = SET_INT64, .min = 1, .max = INT64_MAX
#define NAME                    .type = SET_NAME
#define FILE_NAME               .type = SET_TEXT, .min = 1, .max = 4095      /* not SET_PATH: "-" is standard input */
#define LIST(s)                 .type = SET_LIST_MAP, .child = s##_rows, .child_size = sizeof(struct s)
#define END                     { .name = NULL }

static const struct settings_option file_account_rows[] = {
	{ PLACED(file_account, "id", id), ID, .required = true, .help = "the account's number in Chatwoot" },
	{ ROW(file_account, "domain", domain), .type = SET_TEXT, .min = 1, .max = 64, .help = "its line of business, when not the tenant's" },
	END
};
static const struct settings_option file_inbox_rows[] = {
	{ PLACED(file_inbox, "id", id), ID, .required = true, .help = "the inbox's number in Chatwoot" },
	{ PLACED(file_inbox, "account", account), ID, .required = true, .help = "the account it belongs to" },
	{ ROW(file_inbox, "channel", channel), NAME, .help = "what the hub is told as channel, when not Chatwoot's name for it" },
	{ ROW(file_inbox, "crew", crew), .type = SET_TEXT, .min = 1, .max = 128, .help = "the crew of the hub that answers here" },
	END
};
static const struct settings_option file_installation_rows[] = {
	{ PLACED(file_installation, "id", id), NAME, .required = true, .help = "a name for this Chatwoot" },
	{ PLACED(file_installation, "url", url), .type = SET_URL, .check = check_url_base, .required = true, .help = "its address, as agents open it" },
	{ ROW(file_installation, "bot_id", bot_id), ID, .help = "number of the agent bot that speaks for us; none: any bot counts as ours" },
	{ PLACED(file_installation, "bot_token_file", bot_token), FILE_NAME, .help = "file with the agent bot's access token" },
	{ PLACED(file_installation, "user_token_file", user_token), FILE_NAME, .help = "file with a user's access token, for what a bot may not do" },
	{ PLACED(file_installation, "accounts", accounts), LIST(file_account), .required = true, .help = "the tenant's accounts on it" },
	{ ROW(file_installation, "inboxes", inboxes), LIST(file_inbox), .help = "inboxes about which there is more to say" },
	END
};
static const struct settings_option file_hub_rows[] = {
	{ ROW(file_hub, "url", url), .type = SET_URL, .required = true, .help = "the AI hub of this tenant" },
	{ PLACED(file_hub, "token_file", token), FILE_NAME, .help = "file with the token that is sent to it" },
	END
};
static const struct settings_option file_unsigned_rows[] = {
	{ PLACED(file_unsigned, "path_secret_file", path_secret), FILE_NAME, .help = "file with the secret that stands at the end of the webhook's URL" },
	{ PLACED(file_unsigned, "basic_file", basic), FILE_NAME, .help = "file with user:password of HTTP Basic" },
	{ PLACED(file_unsigned, "addresses", addresses), .type = SET_LIST_TEXT, .max = 1000, .check = check_prefix, .help = "addresses or prefixes that requests come from" },
	END
};
static const char *const kinds[] = { "account", "inbox", "bot", NULL };      /* = enum tenant_kind */
static const struct settings_option file_sender_rows[] = {
	{ ROW(file_sender, "kind", kind), .type = SET_CHOICE, .choices = kinds, .required = true, .help = "what in Chatwoot sends" },
	{ PLACED(file_sender, "label", label), NAME, .required = true, .help = "a name for it" },
	{ PLACED(file_sender, "installation", installation), NAME, .required = true, .help = "the installation it belongs to" },
	{ PLACED(file_sender, "account", account), ID, .required = true, .help = "the account it sends for" },
	{ PLACED(file_sender, "inbox", inbox), ID, .help = "the inbox it sends for (kind inbox)" },
	{ PLACED(file_sender, "secret_file", secret), FILE_NAME, .help = "file with the secret it signs with" },
	{ PLACED(file_sender, "next_secret_file", next_secret), FILE_NAME, .help = "file with the secret it will sign with, while it is being changed" },
	{ .name = "unsigned", .type = SET_MAP, .offset = offsetof(struct file_sender, other), .child = file_unsigned_rows,
	  .given_offset = offsetof(struct file_sender, unsigned_given), .place_offset = offsetof(struct file_sender, unsigned_at),
	  .help = "what lets a request in that has no signature: one of the three" },
	END
};
static const char *const overtaken[] = { "post", "merge", NULL };
static const char *const unknown[] = { "hold", "repeat", NULL };
static const struct settings_option file_give_up_rows[] = {
	{ ROW(file_give_up, "message", message), .type = SET_TEXT, .min = 1, .max = 4000, .help = "what the customer is told; none: nothing" },
	{ ROW(file_give_up, "note", note), .type = SET_BOOL, .fallback = "true", .help = "a private note with the reason, for the agents" },
	{ ROW(file_give_up, "label", label), .type = SET_TEXT, .min = 1, .max = 100, .help = "a label that the conversation is given; none: none" },
	{ ROW(file_give_up, "handoff", handoff), .type = SET_BOOL, .fallback = "true", .help = "open the conversation, so that a human sees it" },
	END
};
static const struct settings_option file_tenant_rows[] = {
	{ PLACED(file_tenant, "name", name), NAME, .required = true, .help = "the tenant's name" },
	{ ROW(file_tenant, "domain", domain), .type = SET_TEXT, .min = 1, .max = 64, .help = "its line of business, told to the hub" },
	{ ROW(file_tenant, "answer_open", answer_open), .type = SET_BOOL, .fallback = "true", .help = "answer open conversations that nobody is assigned to" },
	{ ROW(file_tenant, "transcripts", transcripts), .type = SET_BOOL, .fallback = "false", .help = "forward the transcription of a voice message that comes after it" },
	{ ROW(file_tenant, "debounce", debounce), .type = SET_DURATION, .min = 0, .max = TENANT_DEBOUNCE_MAX_MS, .given_offset = offsetof(struct file_tenant, debounce_given),
	  .help = "quiet time after a message before a conversation goes to the hub; none: hub.debounce" },
	{ ROW(file_tenant, "typing", typing), .type = SET_BOOL, .fallback = "true", .help = "show that somebody writes while the hub thinks" },
	{ ROW(file_tenant, "look_first", look_first), .type = SET_BOOL, .fallback = "true", .help = "read the conversation from Chatwoot before something is posted into it" },
	{ ROW(file_tenant, "overtaken", overtaken), .type = SET_CHOICE, .choices = overtaken, .fallback = "post", .help = "an answer that newer messages have overtaken: post it, or merge: ask once more with all of them" },
	{ ROW(file_tenant, "on_unknown", on_unknown), .type = SET_CHOICE, .choices = unknown, .fallback = "hold", .help = "a post of which nobody knows whether it was made: hold it for the operator, or repeat it" },
	{ ROW(file_tenant, "tell", tell), .type = SET_LIST_TEXT, .max = 3, .check = check_tell, .help = "what the hub is told besides messages: closed, takeover, contact" },
	{ .name = "give_up", .type = SET_MAP, .offset = offsetof(struct file_tenant, give_up), .child = file_give_up_rows, .help = "what is done when the hub gives no answer, in this order" },
	{ .name = "hub", .type = SET_MAP, .offset = offsetof(struct file_tenant, hub), .child = file_hub_rows, .help = "its own AI hub; none: the settings' hub" },
	{ .name = "odoo", .type = SET_MAP, .offset = offsetof(struct file_tenant, odoo), .child = tenant_odoo_table,
	  .given_offset = offsetof(struct file_tenant, odoo.given), .help = "its Odoo, and what that one's addons may do" },
	{ ROW(file_tenant, "mappings", mappings), .type = SET_LIST_MAP, .max = TENANT_MAPPINGS, .child = tenant_mapping_table, .child_size = sizeof(struct tenant_mapping_file),
	  .given_offset = offsetof(struct file_tenant, mapped), .help = "which account or inbox is of which domain, instead of what the addons said; none: that stays" },
	{ ROW(file_tenant, "installations", installations), LIST(file_installation), .max = 100, .help = "the Chatwoots it uses" },
	{ ROW(file_tenant, "senders", senders), LIST(file_sender), .max = 1000, .help = "who may send webhooks for it" },
	END
};
const struct settings_option tenant_table[] = {
	{ ROW(file, "tenants", tenants), LIST(file_tenant), .required = true, .help = "the tenants" },
	END
};
/* clang-format on */

#define EACH(type, var, list) \
	for (struct type *var = (list).items, *var##_end = var ? var + (list).count : NULL; \
	     var != var##_end; var++)

/* ---- what belongs together ---- */

/* "https://Chat.Example.com:443/api/v1/" and "https://chat.example.com" are one
 * Chatwoot: the keeper compares them byte by byte. */
static int
normalise_url(struct slice *url, struct arena *a)
{
	static const struct slice api = { "/api/v1", 7 };
	struct http_url u;
	int r = http_url_split(*url, &u);
	if (r != 0)
		return r;
	char *host = arena_take(a, u.host.len + 1);
	if (!host)
		return -ENOMEM;
	for (size_t i = 0; i < u.host.len; i++)
		host[i] = u.host.ptr[i] >= 'A' && u.host.ptr[i] <= 'Z' ? (char)(u.host.ptr[i] | 0x20) : u.host.ptr[i];

	struct slice path = u.path;
	while (path.len > 0 && path.ptr[path.len - 1] == '/')
		path.len--;
	if (path.len >= api.len && slice_eq(slice_after(path, path.len - api.len), api))
		path.len -= api.len;
	while (path.len > 0 && path.ptr[path.len - 1] == '/')
		path.len--;

	bool v6 = memchr(host, ':', u.host.len) != NULL;
	char port[8] = "";
	if (u.port != (u.tls ? 443 : 80))
		snprintf(port, sizeof port, ":%u", u.port);
	*url = arena_printf(a, "http%s://%s%s%s%s" SLICE_FMT, u.tls ? "s" : "", v6 ? "[" : "", host,
	    v6 ? "]" : "", port, SLICE_ARG(path));
	return url->len > 0 ? 0 : -ENOMEM;
}

static const struct file_installation *
installation_of(const struct file_tenant *t, struct slice id)
{
	EACH(file_installation, in, t->installations)
		if (slice_eq(in->id, id))
			return in;
	return NULL;
}

static bool
has_account(const struct file_installation *in, int64_t id)
{
	EACH(file_account, account, in->accounts)
		if (account->id == id)
			return true;
	return false;
}

static void
check_installation(const struct file_tenant *t, const struct file_installation *in,
    struct settings_errors *errors)
{
	if (installation_of(t, in->id) != in)
		settings_mistake(errors, in->id_at, "installation %s: the tenant has another of this name",
		    in->id.ptr);
	if (in->accounts.count == 0)
		settings_mistake(errors, in->accounts_at, "installation %s: it needs one account at least",
		    in->id.ptr);
	EACH(file_account, account, in->accounts)
		for (const struct file_account *before = in->accounts.items; before < account; before++)
			if (before->id == account->id)
				settings_mistake(errors, account->id_at, "account %" PRId64 ": stands here twice",
				    account->id);
	EACH(file_inbox, inbox, in->inboxes) {
		if (!has_account(in, inbox->account))
			settings_mistake(errors, inbox->account_at,
			    "inbox %" PRId64 ": installation %s has no account %" PRId64, inbox->id,
			    in->id.ptr, inbox->account);
		for (const struct file_inbox *before = in->inboxes.items; before < inbox; before++)
			if (before->id == inbox->id)
				settings_mistake(errors, inbox->id_at, "inbox %" PRId64 ": stands here twice",
				    inbox->id);
	}
}

static void
check_proofs(const struct file_sender *s, struct settings_errors *errors)
{
	const struct file_unsigned *u = &s->other;
	int proofs = (u->path_secret.len > 0) + (u->basic.len > 0) + (u->addresses.count > 0);

	if (s->unsigned_given && proofs != 1)
		settings_mistake(errors, s->unsigned_at,
		    "sender %s: unsigned: name one of path_secret_file, basic_file and addresses", s->label.ptr);
	else if (proofs == 0 && s->secret.len == 0)
		settings_mistake(errors, s->label_at,
		    "sender %s: it needs a secret_file, or another proof under unsigned", s->label.ptr);
	if (s->next_secret.len > 0 && s->secret.len == 0)
		settings_mistake(errors, s->next_secret_at,
		    "sender %s: next_secret_file: there is no secret_file before it", s->label.ptr);
}

static void
check_sender(const struct file_tenant *t, const struct file_sender *s, struct settings_errors *errors)
{
	for (const struct file_sender *before = t->senders.items; before < s; before++)
		if (slice_eq(before->label, s->label))
			settings_mistake(errors, s->label_at, "sender %s: the tenant has another of this label",
			    s->label.ptr);

	const struct file_installation *in = installation_of(t, s->installation);
	if (!in)
		settings_mistake(errors, s->installation_at, "sender %s: the tenant has no installation %s",
		    s->label.ptr, s->installation.ptr);
	else if (!has_account(in, s->account))
		settings_mistake(errors, s->account_at, "sender %s: installation %s has no account %" PRId64,
		    s->label.ptr, in->id.ptr, s->account);
	if (s->inbox > 0 && s->kind != TENANT_INBOX)
		settings_mistake(errors, s->inbox_at, "sender %s: only a sender of kind inbox names an inbox",
		    s->label.ptr);
	if (s->inbox > 0 && in)
		EACH(file_inbox, inbox, in->inboxes)
			if (inbox->id == s->inbox && inbox->account != s->account)
				settings_mistake(errors, s->inbox_at,
				    "sender %s: inbox %" PRId64 " belongs to account %" PRId64, s->label.ptr,
				    inbox->id, inbox->account);
	check_proofs(s, errors);
}

/* Does somebody before `in` claim one of its accounts? */
static void
check_claims(const struct file *f, const struct file_tenant *owner, const struct file_installation *in,
    struct settings_errors *errors)
{
	EACH(file_tenant, t, f->tenants) {
		EACH(file_installation, other, t->installations) {
			if (other == in)
				return;
			if (!slice_eq(other->url, in->url))
				continue;
			EACH(file_account, account, in->accounts)
				if (has_account(other, account->id))
					settings_mistake(errors, account->id_at,
					    "tenant %s: account %" PRId64 " of " SLICE_FMT " belongs to tenant %s",
					    owner->name.ptr, account->id, SLICE_ARG(in->url), t->name.ptr);
		}
	}
}

static void
check_file(const struct file *f, struct settings_errors *errors)
{
	if (f->tenants.count == 0)
		settings_mistake(errors, (struct settings_place){ 0, 0 }, "tenants: there is none in the file");
	EACH(file_tenant, t, f->tenants) {
		for (const struct file_tenant *before = f->tenants.items; before < t; before++)
			if (slice_eq(before->name, t->name))
				settings_mistake(errors, t->name_at, "tenant %s: stands here twice", t->name.ptr);
		EACH(file_installation, in, t->installations) {
			check_installation(t, in, errors);
			check_claims(f, t, in, errors);
		}
		EACH(file_sender, s, t->senders)
			check_sender(t, s, errors);
	}
}

/* ---- the file as tenants ---- */

struct import {
	struct tenant_secrets    secrets;
	const struct secret_key *intake, *outgoing;
	struct arena            *arena;
};

/* field: "sender/<middle>/secret", or without a middle "hub/token". */
static int
seal(struct import *im, const struct secret_key *key, struct slice tenant, struct slice file,
    struct settings_place at, struct slice field, const char *(*refuse)(struct slice), struct slice *ret)
{
	if (field.len == 0)
		return -ENOMEM;
	return tenant_secret_seal(&im->secrets, &(struct tenant_secret){ .file = file, .at = at, .key = key,
	    .tenant = tenant, .field = field.ptr, .refuse = refuse }, ret);
}

static int
make_installation(struct import *im, struct slice tenant, const struct file_installation *f,
    struct tenant_installation *ret)
{
	*ret = (struct tenant_installation){ .id = f->id, .url = f->url, .bot_id = f->bot_id };
	ret->account = arena_take(im->arena, (f->accounts.count + 1) * sizeof *ret->account);
	ret->inbox = arena_take(im->arena, (f->inboxes.count + 1) * sizeof *ret->inbox);
	if (!ret->account || !ret->inbox)
		return -ENOMEM;
	EACH(file_account, account, f->accounts)
		ret->account[ret->accounts++] = (struct tenant_account){ account->id, account->domain };
	EACH(file_inbox, inbox, f->inboxes)
		ret->inbox[ret->inboxes++] =
		    (struct tenant_inbox){ inbox->id, inbox->account, inbox->channel, inbox->crew };

	int r = seal(im, im->outgoing, tenant, f->bot_token, f->bot_token_at,
	    arena_printf(im->arena, "installation/%s/bot_token", f->id.ptr), NULL, &ret->bot_token);
	if (r == 0)
		r = seal(im, im->outgoing, tenant, f->user_token, f->user_token_at,
		    arena_printf(im->arena, "installation/%s/user_token", f->id.ptr), NULL, &ret->user_token);
	return r;
}

static int
make_proof(struct import *im, struct slice tenant, const struct file_sender *f, struct tenant_sender *ret)
{
	const struct file_unsigned *u = &f->other;
	struct slice field = arena_printf(im->arena, "sender/%s/proof", f->label.ptr);

	if (u->path_secret.len > 0) {
		ret->unsigned_by = TENANT_PROOF_PATH;
		return seal(im, im->intake, tenant, u->path_secret, u->path_secret_at, field,
		    tenant_secret_refuse_path, &ret->proof);
	}
	if (u->basic.len > 0) {
		ret->unsigned_by = TENANT_PROOF_BASIC;
		return seal(im, im->intake, tenant, u->basic, u->basic_at, field,
		    tenant_secret_refuse_basic, &ret->proof);
	}
	if (u->addresses.count > 0) {
		ret->unsigned_by = TENANT_PROOF_ADDRESSES;
		ret->address = u->addresses.items;
		ret->addresses = u->addresses.count;
	}
	return 0;
}

static int
make_sender(struct import *im, struct slice tenant, const struct file_sender *f, struct tenant_sender *ret)
{
	*ret = (struct tenant_sender){ .kind = (enum tenant_kind)f->kind, .label = f->label,
		.installation = f->installation, .account = f->account, .inbox = f->inbox };
	int r = seal(im, im->intake, tenant, f->secret, f->secret_at,
	    arena_printf(im->arena, "sender/%s/secret", f->label.ptr), NULL, &ret->secret);
	if (r == 0)
		r = seal(im, im->intake, tenant, f->next_secret, f->next_secret_at,
		    arena_printf(im->arena, "sender/%s/next_secret", f->label.ptr), NULL, &ret->next_secret);
	return r == 0 ? make_proof(im, tenant, f, ret) : r;
}

static bool
tells(const struct file_tenant *f, struct slice what)
{
	EACH(slice, item, f->tell)
		if (slice_eq(*item, what))
			return true;
	return false;
}

static struct tenant_manners
manners_of(const struct file_tenant *f)
{
	return (struct tenant_manners){
		.debounce_ms = f->debounce_given ? f->debounce : -1, .typing = f->typing, .look_first = f->look_first,
		.merge_overtaken = f->overtaken == 1, .repeat_unknown = f->on_unknown == 1,
		.tell_closed = tells(f, SLICE("closed")), .tell_takeover = tells(f, SLICE("takeover")),
		.tell_contact = tells(f, SLICE("contact")),
		.give_up = { .message = f->give_up.message, .note = f->give_up.note, .label = f->give_up.label,
		    .handoff = f->give_up.handoff },
	};
}

static int
make_tenant(struct import *im, const struct file_tenant *f, struct tenant *ret)
{
	*ret = (struct tenant){ .name = f->name, .domain = f->domain, .answer_open = f->answer_open,
		.transcripts = f->transcripts, .manners = manners_of(f), .hub_url = f->hub.url, .mapped = f->mapped };
	ret->mapping = arena_take(im->arena, (f->mappings.count + 1) * sizeof *ret->mapping);
	ret->installation = arena_take(im->arena, (f->installations.count + 1) * sizeof *ret->installation);
	ret->sender = arena_take(im->arena, (f->senders.count + 1) * sizeof *ret->sender);
	if (!ret->mapping || !ret->installation || !ret->sender)
		return -ENOMEM;

	EACH(tenant_mapping_file, m, f->mappings)
		ret->mapping[ret->mappings++] = tenant_mapping_make(m);
	int r = seal(im, im->outgoing, f->name, f->hub.token, f->hub.token_at, SLICE("hub/token"), NULL,
	    &ret->hub_token);
	if (r == 0)
		r = tenant_odoo_make(&im->secrets, f->name, &f->odoo, im->intake, im->outgoing, &ret->odoo);
	EACH(file_installation, in, f->installations)
		if (r == 0)
			r = make_installation(im, f->name, in, &ret->installation[ret->installations++]);
	EACH(file_sender, s, f->senders)
		if (r == 0)
			r = make_sender(im, f->name, s, &ret->sender[ret->senders++]);
	return r;
}

int
tenant_import(struct slice text, const char *dir, const struct secret_key *intake,
    const struct secret_key *outgoing, struct arena *a, struct tenant **ret, size_t *ret_count,
    struct settings_errors *errors)
{
	struct file file = { 0 };
	struct import im = { .secrets = { .dir = dir, .arena = a, .errors = errors },
		.intake = intake, .outgoing = outgoing, .arena = a };

	int r = settings_read(text, dir, tenant_table, &file, a, errors);
	if (r != 0)
		return r;
	EACH(file_tenant, t, file.tenants) {
		EACH(file_installation, in, t->installations) {
			r = normalise_url(&in->url, a);
			if (r != 0)
				return r;
		}
	}
	check_file(&file, errors);

	struct tenant *tenants = arena_take(a, (file.tenants.count + 1) * sizeof *tenants);
	size_t count = 0;
	if (!tenants)
		return -ENOMEM;
	EACH(file_tenant, t, file.tenants) {
		r = make_tenant(&im, t, &tenants[count++]);
		if (r != 0)
			return r;
	}
	if (errors->count > 0)
		return SETTINGS_E_WRONG;
	*ret = tenants;
	*ret_count = count;
	return 0;
}
