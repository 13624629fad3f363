/* The files of the system before: what is taken of them, and what is said of the rest. */
#include <errno.h>
#include <string.h>

#include "lib/legacy.h"

#include "t/unit/unit.h"

#define KEY   "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#define HELLO "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="
#define TWICE "Z0FBQUFBQWR3SjZ3QUFFQ0F3UUZCZ2NJQ1FvTERBME9EeTAyMWNwR1ZXS1pfZUV3Q0dNNEJMTEZfNUNWOWRPUG1yaHVWVVBnSm9id096N0pjYm1yUjY0alZtcFU0SXdxREE9PQ=="

static char said[4000];

static void
note(void *context, const char *file, struct settings_place at, const char *text)
{
	(void)context;
	size_t n = strlen(said);
	snprintf(said + n, sizeof(said) - n, "%s:%u: %s\n", file, at.line, text);
}

struct world { struct arena *arena; struct legacy l; struct fernet_key key; };

static struct world
world(const char *key)
{
	struct world w = { .arena = NULL };
	REQUIRE(arena_new(8 * MIB, &w.arena) == 0);
	if (key)
		REQUIRE(fernet_key_read(slice_of(key), &w.key) == 0);
	w.l = (struct legacy){ .arena = w.arena, .remark = note };
	said[0] = '\0';
	return w;
}

static const struct settings_node *
tree(const struct world *w, const char *text)
{
	struct settings_errors errors = { 0 };
	const struct settings_node *root;
	REQUIRE(settings_load(slice_of(text), w->arena, &root, &errors) == 0);
	return root;
}

static bool
heard(const char *what)
{
	bool yes = what[0] == '\0' ? said[0] == '\0' : strstr(said, what) != NULL;
	if (!yes)
		fprintf(stderr, "  heard: %s\n", said);
	return yes;
}

#define CONFIG(more) "account_id: account_7\nintegrations:\n  mcp:\n    type: odoo-mcp\n    config:\n" more

static void
configs(void)
{
	static const struct { const char *name, *text, *url, *db, *login, *token, *heard; } row[] = {
		{ "as PyYAML writes it",
		  CONFIG("      credential_ref: account_7-3f9c21ab\n      db: padaria\n      url: https://odoo.padaria.example:8069/\n      username: a@b.example\n"),
		  "https://odoo.padaria.example:8069", "padaria", "a@b.example", "account_7-3f9c21ab", "" },
		{ "empty values", CONFIG("      credential_ref: null\n      db: ''\n      url: http://odoo.example\n      username: ~\n"),
		  "http://odoo.example", "", "", "", "" },
		{ "false of Odoo", CONFIG("      credential_ref: false\n      db: false\n      url: false\n      username: false\n"), "", "", "", "", "" },
		{ "false as a text is one", CONFIG("      db: 'false'\n"), "", "false", "", "", "" },
		{ "no Odoo", "account_id: account_7\n", "", "", "", "", "there is no Odoo in it" },
		{ "another account", "account_id: account_8\nintegrations: {mcp: {config: {db: d}}}\n", "", "d", "", "",
		  "config.yaml:1: account_id says account_8; the directory's name" },
		{ "a URL of no server", CONFIG("      url: file:///etc/passwd\n      db: d\n"), "", "d", "", "", "config.yaml:6: url is not taken: it is no http" },
		{ "a list for a text", CONFIG("      db: [a, b]\n"), "", "", "", "", "config.yaml:6: db is not taken" },
		{ "two lines", CONFIG("      db: \"a\\nb\"\n"), "", "", "", "", "db is not taken" },
		{ "a token too short", CONFIG("      credential_ref: abc\n"), "", "", "", "", "a token has 8 to 256" },
		{ "what another speaks to", "integrations:\n  facebook: {app_id: 1}\n  mcp: {config: {db: d}}\n", "", "d", "", "", "config.yaml:2: facebook is not taken" },
		{ "metadata", "company_metadata: {a: b}\nintegrations: {mcp: {config: {db: d}}}\n", "", "d", "", "", "company_metadata is not taken" },
		{ "a list at the top", "- a\n", "", "", "", "", "there is no Odoo in it" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world w = world(NULL);
		struct legacy_tenant t = { .account = SLICE("account_7"), .domain = SLICE("retail") };
		ROW(row[i].name, legacy_config(&w.l, "config.yaml", tree(&w, row[i].text), &t) == 0);
		ROW(row[i].name, slice_eq(t.url, slice_of(row[i].url)) && slice_eq(t.db, slice_of(row[i].db)));
		ROW(row[i].name, slice_eq(t.login, slice_of(row[i].login)) && slice_eq(t.token, slice_of(row[i].token)));
		ROW(row[i].name, heard(row[i].heard));
		arena_freep(&w.arena);
	}
}

#define CREDENTIALS(value) "account_id: account_7\ncredentials:\n  fb_token_account_7: x\n  the-token-1: " value "\n"

static void
passwords(void)
{
	static const struct { const char *name, *text, *key, *password, *heard; } row[] = {
		{ "plain, of before", CREDENTIALS("s3nha-exemplo"), NULL, "s3nha-exemplo", "" },
		{ "sealed", CREDENTIALS("ENC:" HELLO), KEY, "hello", "" },
		{ "in base64 once more", CREDENTIALS("'ENC:" TWICE "'"), KEY, "hello", "" },
		{ "marked, and plain", CREDENTIALS("ENC:s3nha-exemplo"), NULL, "s3nha-exemplo", "credentials.yaml:4: it is marked as encrypted and is not" },
		{ "no key", CREDENTIALS("ENC:" TWICE), NULL, "", "credentials.yaml:4: the password is encrypted: give the key" },
		{ "another key", CREDENTIALS("ENC:" TWICE), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "", "another key" },
		{ "cut off", CREDENTIALS("ENC:gAAAAAAdwJ6wAAECAwQF"), KEY, "", "cut off or damaged" },
		{ "the token itself", CREDENTIALS("the-token-1"), NULL, "", "it is the token" },
		{ "another's", "credentials: {other-token: secret-of-other}\n", NULL, "", "there is no password of Odoo" },
		{ "nothing", "account_id: account_7\n", NULL, "", "there is no password of Odoo" },
		{ "null", CREDENTIALS("null"), NULL, "", "there is no password of Odoo" },
		{ "of two lines", CREDENTIALS("\"a\\nb\""), NULL, "", "the password is not taken" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world w = world(row[i].key);
		struct legacy_tenant t = { .account = SLICE("account_7"), .token = SLICE("the-token-1") };
		w.l.key = row[i].key ? &w.key : NULL;
		ROW(row[i].name, legacy_credentials(&w.l, "credentials.yaml", tree(&w, row[i].text), &t) == 0);
		ROW(row[i].name, slice_eq(t.password, slice_of(row[i].password)));
		ROW(row[i].name, heard(row[i].heard));
		ROW("no secret is said", !strstr(said, "s3nha") && !strstr(said, "hello") && !strstr(said, "secret-of") && !strstr(said, "the-token"));
		arena_freep(&w.arena);
	}
	struct world w = world(NULL);
	struct legacy_tenant t = { .account = SLICE("account_7") };
	ROW("no token names it", legacy_credentials(&w.l, "credentials.yaml", tree(&w, CREDENTIALS("secret-1")), &t) == 0 && t.password.len == 0);
	arena_freep(&w.arena);
}

/* One line per mapping, as tenants have them. */
static void
show(const struct legacy_tenant *t, size_t tenants, char *out, size_t max)
{
	out[0] = '\0';
	for (size_t i = 0; i < tenants; i++)
		for (size_t k = 0; k < t[i].mappings; k++) {
			const struct tenant_mapping *m = &t[i].mapping[k];
			size_t n = strlen(out);
			n += (size_t)snprintf(out + n, max - n, SLICE_FMT " %lld/%lld " SLICE_FMT, SLICE_ARG(t[i].account), (long long)m->account,
			    (long long)m->inbox, SLICE_ARG(m->domain));
			if (m->fallback)
				n += (size_t)snprintf(out + n, max - n, " fallback %lld", (long long)m->sequence);
			for (size_t s = 0; s < m->specials; s++)
				n += (size_t)snprintf(out + n, max - n, " " SLICE_FMT "=" SLICE_FMT, SLICE_ARG(m->special[s].number), SLICE_ARG(m->special[s].crew));
			snprintf(out + n, max - n, "; ");
		}
}

static void
mappings(void)
{
	static const struct { const char *name, *text, *want, *heard; } row[] = {
		{ "of generation A", "accounts:\n  '3': {account_id: a7, domain: retail}\n  \"4\": {account_id: a8, domain: bakery}\ninboxes:\n  '12': {account_id: a7, domain: shoes}\n",
		  "a7 3/0 retail; a7 3/12 shoes; a8 4/0 bakery; ", "" },
		{ "of generation C, in JSON",
		  "{\"accounts\": {\"3\": {\"account_id\": \"a7\", \"domain\": \"retail\"}}, \"inboxes\": {\"12\": {\"chatwoot_account_id\": 3, \"domain\": \"shoes\"}},"
		  " \"fallbacks\": [{\"internal_account_id\": \"a7\", \"domain\": \"late\", \"sequence\": 20}], \"special_numbers\": [{\"number\": \"+55 11 9\", \"crew\": \"admin\"}]}",
		  "a7 3/0 retail +55 11 9=admin; a7 3/12 shoes; a7 3/0 late fallback 20; ", "" },
		{ "specials by name", "accounts: {'3': {account_id: a7}}\nspecial_numbers: {'+5511': analytics, '+5522': {crew: admin}}\n",
		  "a7 3/0  +5511=analytics +5522=admin; ", "" },
		{ "the README's short form says not whose", "accounts: {'3': retail}\n", "", "m:1: 3 is not taken: it does not say whose it is" },
		{ "nobody here", "accounts: {'3': {account_id: a9, domain: retail}}\n", "", "there is no tenant a9 here" },
		{ "no number", "accounts: {x: {account_id: a7}}\n", "", "x is not taken: no number of an account" },
		{ "zero", "accounts: {'0': {account_id: a7}}\n", "", "0 is not taken" },
		{ "two for one account", "accounts: {'3': {account_id: a7}, 3: {account_id: a8}}\n", "a7 3/0 ; ", "3 stands here twice" },
		{ "an inbox of one that could be two's", "accounts: {'3': {account_id: a7}, '4': {account_id: a8}}\ninboxes: {'12': shoes}\n",
		  "a7 3/0 ; a8 4/0 ; ", "of which account of Chatwoot it is does not follow" },
		{ "an inbox where there is one account alone", "accounts: {'3': {account_id: a7}}\ninboxes: {'12': shoes}\n", "a7 3/0 ; a7 3/12 shoes; ", "" },
		{ "an inbox in another's account", "accounts: {'3': {account_id: a7}, '4': {account_id: a8}}\ninboxes: {'12': {account_id: a7, chatwoot_account_id: 4}}\n",
		  "a7 3/0 ; a8 4/0 ; ", "it is not taken" },
		{ "no inbox at all is not worth a word", "accounts: {'3': {account_id: a7}}\ninboxes: {None: x}\n", "a7 3/0 ; ", "" },
		{ "lists where maps are wanted", "accounts: [a]\ninboxes: [b]\nfallbacks: {a: b}\n", "", "" },
		{ "nothing", "{}\n", "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct world w = world(NULL);
		struct legacy_tenant t[2] = { { .account = SLICE("a7") }, { .account = SLICE("a8") } };
		char got[1000];
		ROW(row[i].name, legacy_mapping(&w.l, "m", tree(&w, row[i].text), t, 2) == 0);
		show(t, 2, got, sizeof(got));
		if (strcmp(got, row[i].want) != 0)
			fprintf(stderr, "  got: %s\n", got);
		ROW(row[i].name, strcmp(got, row[i].want) == 0);
		ROW(row[i].name, heard(row[i].heard));
		arena_freep(&w.arena);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = { { "configs", configs }, { "passwords", passwords }, { "mappings", mappings } };
	return unit_run("legacy", tests, ARRAY_LEN(tests), 0);
}
