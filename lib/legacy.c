#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/crypt.h"
#include "lib/http.h"
#include "lib/legacy.h"
#include "lib/tenant_secret.h"
#include "lib/token.h"

#define TEXT_MAX 200
#define ENC SLICE("ENC:")

struct reading { struct legacy *l; const char *file; int failed; };

static void remark(struct reading *, const struct settings_node *, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void
remark(struct reading *r, const struct settings_node *at, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->l->remark(r->l->context, r->file, at ? at->at : (struct settings_place){ 0, 0 }, text);
}

/* PyYAML writes null as `null`, or as nothing. */
static bool
is_empty(const struct settings_node *node)
{
	return !node || (node->shape == SETTINGS_ONE && (node->text.len == 0 || (node->plain &&
	    (slice_eq(node->text, SLICE("null")) || slice_eq(node->text, SLICE("~")) || slice_eq(node->text, SLICE("false"))))));
}

/* A text of one line; empty when it is not there or cannot be, which is remarked. */
static struct slice
text_of(struct reading *r, const struct settings_node *node, const char *name, size_t most)
{
	const struct slice none = { NULL, 0 };

	if (is_empty(node))
		return none;
	bool good = node->shape == SETTINGS_ONE && node->text.len <= most;
	for (size_t i = 0; good && i < node->text.len; i++)
		good = (unsigned char)node->text.ptr[i] >= 0x20;
	if (!good) {
		remark(r, node, "%s is not taken: no text, too long, or of more than one line", name);
		return none;
	}
	struct slice copy = arena_copy(r->l->arena, node->text);
	r->failed = copy.len ? r->failed : -ENOMEM;
	return copy;
}

/* ---- config.yaml ---- */

static void
read_odoo(struct reading *r, const struct settings_node *config, struct legacy_tenant *t)
{
	struct http_url url;

	t->url = text_of(r, settings_named(config, "url"), "url", 2000);
	while (t->url.len > 0 && t->url.ptr[t->url.len - 1] == '/')
		t->url.len--;
	if (t->url.len > 0 && http_url_split(t->url, &url) != 0) {
		remark(r, settings_named(config, "url"), "url is not taken: it is no http:// or https:// URL");
		t->url.len = 0;
	}
	t->db = text_of(r, settings_named(config, "db"), "db", TEXT_MAX);
	t->login = text_of(r, settings_named(config, "username"), "username", TEXT_MAX);
	t->token = text_of(r, settings_named(config, "credential_ref"), "credential_ref", TOKEN_REFERENCE_MAX);
	if (t->token.len > 0 && !token_is_reference(t->token)) {
		remark(r, settings_named(config, "credential_ref"), "credential_ref is not taken: a token has 8 to 256 characters, without blanks");
		t->token.len = 0;
	}
}

int
legacy_config(struct legacy *l, const char *file, const struct settings_node *root, struct legacy_tenant *t)
{
	static const struct { const char *name, *why; } others[] = {
		{ "facebook", "facebook is not taken: Chatwoot itself speaks to it" },
		{ "instagram", "instagram is not taken: Chatwoot itself speaks to it" },
		{ "mercado_livre", "mercado_livre is not taken: ponte does not speak to it" },
	};
	struct reading r = { .l = l, .file = file };
	const struct settings_node *all = settings_named(root, "integrations"), *mcp = settings_named(all, "mcp");
	struct slice account = text_of(&r, settings_named(root, "account_id"), "account_id", 64);

	if (account.len > 0 && !slice_eq(account, t->account))
		remark(&r, settings_named(root, "account_id"), "account_id says " SLICE_FMT "; the directory's name is what counts", SLICE_ARG(account));
	if (settings_named(mcp, "config"))
		read_odoo(&r, settings_named(mcp, "config"), t);
	else
		remark(&r, mcp, "there is no Odoo in it (integrations.mcp.config)");
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (settings_named(all, others[i].name))
			remark(&r, settings_named(all, others[i].name), "%s", others[i].why);
	if (settings_named(root, "company_metadata"))
		remark(&r, settings_named(root, "company_metadata"), "company_metadata is not taken: the addon's sync button sends it anew");
	return r.failed;
}

/* ---- credentials.yaml ---- */

static bool
open_sealed(struct reading *r, const struct settings_node *at, struct slice text, struct slice *ret)
{
	CLEANUP(buf_free) struct buf room = { 0 };
	struct buf plain = { 0 };
	struct slice token;

	/* The newest of those systems wrote the mark, and the password behind it. */
	if (!fernet_stored(text, &room, &token)) {
		*ret = text;
		remark(r, at, "it is marked as encrypted and is not");
		return true;
	}
	if (!r->l->key) {
		remark(r, at, "the password is encrypted: give the key (CREDENTIAL_ENCRYPTION_KEY) with --fernet-key FILE");
		return false;
	}
	int e = fernet_open(r->l->key, token, &plain);
	if (e == 0)
		*ret = arena_copy(r->l->arena, buf_view(&plain));
	else if (e == -ENOMEM)
		r->failed = e;
	else
		remark(r, at, e == FERNET_E_FORM ? "the password is cut off or damaged" : "the password was encrypted with another key, or was changed");
	if (plain.cap > 0)
		crypt_wipe(plain.ptr, plain.cap);
	buf_free(&plain);
	return e == 0;
}

int
legacy_credentials(struct legacy *l, const char *file, const struct settings_node *root, struct legacy_tenant *t)
{
	struct reading r = { .l = l, .file = file };
	const struct settings_node *at = NULL, *all = settings_named(root, "credentials");
	const char *reference = t->token.len ? arena_text(l->arena, t->token) : NULL;

	if (reference)
		at = settings_named(all, reference);
	struct slice text = text_of(&r, at, "the password", 8192);
	if (text.len == 0) {
		remark(&r, all, "there is no password of Odoo in it");
		return r.failed;
	}
	if (slice_starts(text, ENC) && !open_sealed(&r, at, slice_after(text, ENC.len), &text))
		return r.failed;
	if (crypt_equal(text, t->token)) {
		remark(&r, at, "the password is not taken: it is the token, which stood there where none was sent");
		return r.failed;
	}
	const char *why = tenant_secret_refuse(text);
	if (why)
		remark(&r, at, "the password is not taken: it %s", why);
	else
		t->password = text;
	return r.failed;
}

/* ---- chatwoot_mapping ---- */

struct mapping { struct reading r; struct legacy_tenant *tenant; size_t tenants; };

static struct legacy_tenant *
tenant_of(const struct mapping *m, struct slice account)
{
	for (size_t i = 0; i < m->tenants; i++)
		if (slice_eq(m->tenant[i].account, account))
			return &m->tenant[i];
	return NULL;
}

/* Who has that account of Chatwoot, by what was read before. */
static struct legacy_tenant *
owner_of(const struct mapping *m, int64_t account)
{
	for (size_t i = 0; i < m->tenants; i++)
		for (size_t k = 0; k < m->tenant[i].mappings; k++)
			if (m->tenant[i].mapping[k].account == account)
				return &m->tenant[i];
	return NULL;
}

static bool
number_of(const struct settings_node *node, int64_t *ret)
{
	return node && node->shape == SETTINGS_ONE && slice_to_i64(node->text, 1, INT64_MAX, ret) == 0;
}

/* The entry's own words: account_id, or as the sync names it. */
static struct legacy_tenant *
named_tenant(struct mapping *m, const struct settings_node *entry, const struct settings_node *at)
{
	const struct settings_node *name = settings_named(entry, "account_id");
	struct legacy_tenant *t;

	if (is_empty(name))
		name = settings_named(entry, "internal_account_id");
	if (is_empty(name)) {
		remark(&m->r, at, SLICE_FMT " is not taken: it does not say whose it is", SLICE_ARG(at->text));
		return NULL;
	}
	t = tenant_of(m, name->text);
	if (!t)
		remark(&m->r, at, SLICE_FMT " is not taken: there is no tenant " SLICE_FMT " here", SLICE_ARG(at->text), SLICE_ARG(name->text));
	return t;
}

static struct tenant_mapping *
add(struct mapping *m, struct legacy_tenant *t, const struct settings_node *at, const struct tenant_mapping *row)
{
	if (t->mappings == TENANT_MAPPINGS) {
		remark(&m->r, at, "a tenant has 1000 mappings at most; this one is not taken");
		return NULL;
	}
	if (!t->mapping)
		t->mapping = arena_take(m->r.l->arena, TENANT_MAPPINGS * sizeof(*t->mapping));
	if (!t->mapping) {
		m->r.failed = -ENOMEM;
		return NULL;
	}
	t->mapping[t->mappings] = *row;
	return &t->mapping[t->mappings++];
}

static struct slice
domain_of(struct mapping *m, const struct settings_node *entry)
{
	return text_of(&m->r, entry && entry->shape == SETTINGS_ONE ? entry : settings_named(entry, "domain"), "domain", 64);
}

static void
read_accounts(struct mapping *m, const struct settings_node *all)
{
	for (const struct settings_node *p = all ? all->first : NULL; p; p = p->next) {
		struct tenant_mapping row = { .inbox = 0 };
		struct legacy_tenant *t;
		if (!number_of(p, &row.account)) {
			remark(&m->r, p, SLICE_FMT " is not taken: no number of an account", SLICE_ARG(p->text));
			continue;
		}
		if (!(t = named_tenant(m, p->value, p)))
			continue;
		if (owner_of(m, row.account)) {
			remark(&m->r, p, "account " SLICE_FMT " stands here twice; the first one counts", SLICE_ARG(p->text));
			continue;
		}
		row.domain = domain_of(m, p->value);
		(void)add(m, t, p, &row);
	}
}

/* The only account of Chatwoot of that tenant; without a tenant, of all.  0: there is not one alone. */
static int64_t
only_account(const struct mapping *m, const struct legacy_tenant *of)
{
	int64_t found = 0;

	for (size_t i = 0; i < m->tenants; i++)
		for (size_t k = 0; k < m->tenant[i].mappings && (!of || of == &m->tenant[i]); k++) {
			const struct tenant_mapping *row = &m->tenant[i].mapping[k];
			if (found && found != row->account)
				return 0;
			found = row->account;
		}
	return found;
}

/* Account and tenant of an entry that may name either, or neither where there is one alone. */
static struct legacy_tenant *
place(struct mapping *m, const struct settings_node *entry, const struct settings_node *at, int64_t *ret_account)
{
	const struct settings_node *given = settings_named(entry, "chatwoot_account_id");
	struct legacy_tenant *t = NULL;

	*ret_account = 0;
	if (!is_empty(settings_named(entry, "account_id")) || !is_empty(settings_named(entry, "internal_account_id"))) {
		if (!(t = named_tenant(m, entry, at)))
			return NULL;
	}
	if (!number_of(given, ret_account))
		*ret_account = only_account(m, t);
	if (*ret_account && !t)
		t = owner_of(m, *ret_account);
	if (t && *ret_account && (!owner_of(m, *ret_account) || owner_of(m, *ret_account) == t))
		return t;
	remark(&m->r, at, "it is not taken: of which account of Chatwoot it is does not follow from this file");
	return NULL;
}

static void
read_inboxes(struct mapping *m, const struct settings_node *all)
{
	for (const struct settings_node *p = all ? all->first : NULL; p; p = p->next) {
		struct tenant_mapping row = { .inbox = 0 };
		struct legacy_tenant *t;
		if (!number_of(p, &row.inbox)) {
			if (!slice_eq(p->text, SLICE("None")))
				remark(&m->r, p, SLICE_FMT " is not taken: no number of an inbox", SLICE_ARG(p->text));
			continue;       /* "None" is what an absent inbox became */
		}
		if (!(t = place(m, p->value, p, &row.account)))
			continue;
		row.domain = domain_of(m, p->value);
		(void)add(m, t, p, &row);
	}
}

static void
read_fallbacks(struct mapping *m, const struct settings_node *all)
{
	int64_t at = 0;

	for (const struct settings_node *p = all ? all->first : NULL; p; p = p->next) {
		struct tenant_mapping row = { .fallback = true, .sequence = ++at };
		struct legacy_tenant *t = place(m, p, p, &row.account);
		if (!t)
			continue;
		(void)number_of(settings_named(p, "sequence"), &row.sequence);
		row.domain = domain_of(m, p);
		if (row.domain.len)
			(void)add(m, t, p, &row);
	}
}

/* A list of {number, crew}, or number: crew. */
static void
read_specials(struct mapping *m, const struct settings_node *all)
{
	for (const struct settings_node *p = all ? all->first : NULL; p; p = p->next) {
		bool pair = all->shape == SETTINGS_NAMED && p->value->shape == SETTINGS_ONE;
		const struct settings_node *entry = all->shape == SETTINGS_NAMED ? p->value : p;
		struct slice number = text_of(&m->r, all->shape == SETTINGS_NAMED ? p : settings_named(p, "number"), "number", 40);
		struct slice crew = text_of(&m->r, pair ? p->value : settings_named(entry, "crew"), "crew", 64);
		int64_t account;
		struct legacy_tenant *t = number.len && crew.len ? place(m, entry, p, &account) : NULL;
		struct tenant_mapping *row = NULL;
		for (size_t k = 0; t && k < t->mappings && !row; k++)
			if (t->mapping[k].account == account && !t->mapping[k].inbox && !t->mapping[k].fallback)
				row = &t->mapping[k];
		if (row && row->specials < TENANT_SPECIALS) {
			row->special[row->specials].number = number;
			row->special[row->specials++].crew = crew;
		} else if (t) {
			remark(&m->r, p, "a special number is not taken: its account is not here, or has 10 already");
		}
	}
}

int
legacy_mapping(struct legacy *l, const char *file, const struct settings_node *root, struct legacy_tenant *tenant, size_t tenants)
{
	struct mapping m = { .r = { .l = l, .file = file }, .tenant = tenant, .tenants = tenants };
	const struct settings_node *accounts = settings_named(root, "accounts"), *inboxes = settings_named(root, "inboxes");
	const struct settings_node *fallbacks = settings_named(root, "fallbacks"), *specials = settings_named(root, "special_numbers");

	if (accounts && accounts->shape == SETTINGS_NAMED)
		read_accounts(&m, accounts);
	if (inboxes && inboxes->shape == SETTINGS_NAMED)
		read_inboxes(&m, inboxes);
	if (fallbacks && fallbacks->shape == SETTINGS_LIST)
		read_fallbacks(&m, fallbacks);
	if (specials && specials->shape != SETTINGS_ONE)
		read_specials(&m, specials);
	return m.r.failed;
}
