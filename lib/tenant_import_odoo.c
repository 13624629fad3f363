/* tenants[].odoo and tenants[].mappings of a file of tenants. */
#include <errno.h>
#include <string.h>

#include "lib/address.h"
#include "lib/tenant_odoo.h"

#define MIN_MS      INT64_C(60000)
#define PACE_MAX    MIN_MS
#define TIMEOUT_MAX (10 * MIN_MS)
#define PULL_MAX    (30 * 24 * 60 * MIN_MS)
#define PULL_MIN    MIN_MS
#define ADDRESSES   1000

static const char *
check_prefix(struct slice text)
{
	return address_prefix_ok(text) ? NULL : "is not an address like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32";
}

static const char *
check_base(struct slice text)
{
	if (memchr(text.ptr, '?', text.len))
		return "must not have a '?'";
	/* As it is copied from a browser. */
	for (struct slice rest = text; rest.len >= 4; rest = slice_after(rest, 1))
		if (slice_starts(rest, SLICE("/web")) && (rest.len == 4 || strchr("/#", rest.ptr[4])) && rest.ptr[-1] != '/')
			return "is a page of Odoo: leave out /web and what follows";
	return NULL;
}

/* clang-format off */
#define NAMED             .given_offset = offsetof(struct tenant_odoo_file, named)
#define AT(member)        .offset = offsetof(struct tenant_odoo_file, member), NAMED
#define PLACE(member)     .place_offset = offsetof(struct tenant_odoo_file, member##_at)
#define FILE_NAME         .type = SET_TEXT, .min = 1, .max = 4095
#define OPEN(i)           .offset = sizeof(struct settings_list) * (i), .type = SET_LIST_TEXT, .max = ADDRESSES, .check = check_prefix

static const char *const signatures[] = { "enforce", "observe", "off", NULL };          /* = enum tenant_signature */
static const struct settings_option open_rows[] = {
	{ .name = "documents", OPEN(TENANT_OPEN_DOCUMENTS), .help = "who may sync support documents" },
	{ .name = "tools", OPEN(TENANT_OPEN_TOOLS), .help = "who may use the addons' tools" },
	{ .name = "views", OPEN(TENANT_OPEN_VIEWS), .help = "who may see the pages under /view" },
	{ .name = NULL },
};
const struct settings_option tenant_odoo_table[] = {
	{ .name = "url", AT(url), PLACE(url), .type = SET_URL, .check = check_base, .help = "its Odoo, as users open it; none: the one that is stored stays" },
	{ .name = "db", AT(db), PLACE(db), .type = SET_TEXT, .min = 1, .max = 128, .help = "the database" },
	{ .name = "login", AT(login), PLACE(login), .type = SET_TEXT, .min = 1, .max = 256, .help = "the user that ponte is there" },
	{ .name = "key_file", AT(key), PLACE(key), FILE_NAME, .help = "file with that user's API key" },
	{ .name = "next_key_file", AT(next_key), PLACE(next_key), FILE_NAME, .help = "file with the key that will be good, while it is being changed" },
	{ .name = "lang", AT(lang), .type = SET_NAME, .fallback = "pt_BR", .help = "the language that texts are read in" },
	{ .name = "pace", AT(pace), .type = SET_DURATION, .min = 0, .max = PACE_MAX, .fallback = "0", .help = "pause between two calls" },
	{ .name = "timeout", AT(timeout), .type = SET_DURATION, .min = 1000, .max = TIMEOUT_MAX, .fallback = "130s", .help = "of one call: Odoo's limit_time_real and some seconds" },
	{ .name = "pull", AT(pull), .type = SET_DURATION, .min = 0, .max = PULL_MAX, .fallback = "1d", .help = "how often all is compared with Odoo; 0: only when asked to" },
	{ .name = "secret_file", AT(secret), PLACE(secret), FILE_NAME, .help = "file with the secret its addons sign with (webhook_secret_key)" },
	{ .name = "signature", .offset = offsetof(struct tenant_odoo_file, signature), PLACE(signature), .given_offset = offsetof(struct tenant_odoo_file, signature_given), .type = SET_CHOICE, .choices = signatures, .fallback = "enforce", .help = "a wrong or missing signature, when there is a secret: refuse, log, or do not look" },
	{ .name = "open", AT(open), .type = SET_MAP, .child = open_rows, .help = "what may be used without a token, and from which addresses" },
	{ .name = NULL },
};

struct file_special { struct slice number, crew; };
#define SPECIAL(member)   .offset = offsetof(struct file_special, member), .type = SET_TEXT, .min = 1, .required = true
#define MAPPED(member)    .offset = offsetof(struct tenant_mapping_file, member)
static const struct settings_option special_rows[] = {
	{ .name = "number", SPECIAL(number), .max = 40, .help = "a customer's telephone number; its digits are compared" },
	{ .name = "crew", SPECIAL(crew), .max = 64, .help = "the crew of the hub that answers it" },
	{ .name = NULL },
};
const struct settings_option tenant_mapping_table[] = {
	{ .name = "account", MAPPED(account), .type = SET_INT64, .min = 1, .max = INT64_MAX, .required = true, .help = "the account's number in Chatwoot" },
	{ .name = "inbox", MAPPED(inbox), .type = SET_INT64, .min = 1, .max = INT64_MAX, .help = "one inbox of it; none: all" },
	{ .name = "domain", MAPPED(domain), .type = SET_TEXT, .min = 1, .max = 64, .help = "its line of business" },
	{ .name = "fallback", MAPPED(fallback), .type = SET_BOOL, .fallback = "false", .help = "only where nothing else names a domain" },
	{ .name = "sequence", MAPPED(sequence), .type = SET_INT64, .min = 0, .max = INT64_MAX, .fallback = "10", .help = "of several fallbacks the lowest counts" },
	{ .name = "specials", MAPPED(specials), .type = SET_LIST_MAP, .max = TENANT_SPECIALS, .child = special_rows, .child_size = sizeof(struct file_special), .help = "customers of a crew's own" },
	{ .name = NULL },
};
/* clang-format on */

struct tenant_mapping
tenant_mapping_make(const struct tenant_mapping_file *f)
{
	const struct file_special *special = f->specials.items;
	struct tenant_mapping m = { .account = f->account, .inbox = f->inbox, .domain = f->domain, .fallback = f->fallback, .sequence = f->sequence };

	for (size_t i = 0; i < f->specials.count; i++) {
		m.special[m.specials].number = special[i].number;
		m.special[m.specials++].crew = special[i].crew;
	}
	return m;
}

/* What would be stored, and never do anything. */
static void
check_together(struct settings_errors *errors, const struct tenant_odoo_file *f)
{
	const struct { struct slice value; struct settings_place at; const char *name; } of_url[] = {
		{ f->db, f->db_at, "db" }, { f->login, f->login_at, "login" }, { f->key, f->key_at, "key_file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(of_url) && f->url.len == 0; i++)
		if (of_url[i].value.len > 0) {
			settings_mistake(errors, of_url[i].at, "odoo: %s: there is no url that it belongs to", of_url[i].name);
			break;
		}
	if (f->url.len > 0 && (f->db.len == 0 || f->login.len == 0 || f->key.len == 0))
		settings_mistake(errors, f->url_at, "odoo: an url needs a db, a login and a key_file beside it");
	if (f->pull > 0 && f->pull < PULL_MIN)
		settings_mistake(errors, f->url_at, "odoo: pull: once a minute is the most, or 0");
	if (f->next_key.len > 0 && f->key.len == 0)
		settings_mistake(errors, f->next_key_at, "odoo: next_key_file: there is no key_file before it");
	if (f->signature_given && f->signature == TENANT_SIGNATURE_ENFORCE && f->secret.len == 0)
		settings_mistake(errors, f->signature_at, "odoo: signature: enforce needs a secret_file beside it");
}

static int
seal(struct tenant_secrets *ts, struct slice tenant, struct slice file, struct settings_place at, const char *field,
    const struct secret_key *key, struct slice *ret)
{
	return tenant_secret_seal(ts, &(struct tenant_secret){ .file = file, .at = at, .key = key, .tenant = tenant, .field = field }, ret);
}

int
tenant_odoo_make(struct tenant_secrets *ts, struct slice tenant, const struct tenant_odoo_file *f, const struct secret_key *intake,
    const struct secret_key *outgoing, struct tenant_odoo *ret)
{
	*ret = (struct tenant_odoo){
		.url = f->url, .db = f->db, .login = f->login, .lang = f->lang, .pace_ms = f->pace, .timeout_ms = f->timeout,
		.pull_ms = f->pull, .given = f->given, .emptied = f->given && !f->named && !f->signature_given, .signature = (enum tenant_signature)f->signature,
	};
	if (!f->given)
		return 0;
	while (ret->url.len > 0 && ret->url.ptr[ret->url.len - 1] == '/')
		ret->url.len--;
	check_together(ts->errors, f);
	for (size_t i = 0; i < TENANT_OPEN_COUNT; i++) {
		ret->open[i].address = f->open.list[i].items;
		ret->open[i].n = f->open.list[i].count;
	}
	int r = seal(ts, tenant, f->key, f->key_at, "odoo/key", outgoing, &ret->key);
	if (r == 0)
		r = seal(ts, tenant, f->next_key, f->next_key_at, "odoo/next_key", outgoing, &ret->next_key);
	return r == 0 ? seal(ts, tenant, f->secret, f->secret_at, "odoo/secret", intake, &ret->secret) : r;
}
