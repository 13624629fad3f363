/* ponte tenant import-legacy: the tree of files of the system before, each
 * account a tenant.  What is left out is said, with its place. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/ponte/ponte.h"
#include "app/ponte/tenant.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/json.h"
#include "lib/legacy.h"
#include "lib/secret.h"
#include "lib/tenant.h"
#include "lib/token.h"
#include "lib/uuid.h"

#define TENANTS_MAX 1000
#define FILE_LIMIT  (4 * MIB)
#define NODES_LIMIT (64 * MIB)

struct legacy_import {
	struct cli          *cli;
	const char          *dir;
	bool                 dry_run, json;
	struct legacy        l;
	struct fernet_key    key;
	struct legacy_tenant tenant[TENANTS_MAX];
	size_t               tenants, remarks;
};

static void
forget(struct legacy_import **li)
{
	if (!*li)
		return;
	for (size_t i = 0; i < (*li)->tenants; i++) {
		struct slice secrets[] = { (*li)->tenant[i].password, (*li)->tenant[i].token };
		for (size_t k = 0; k < ARRAY_LEN(secrets); k++)
			if (secrets[k].len)
				crypt_wipe((char *)(uintptr_t)secrets[k].ptr, secrets[k].len);
	}
	crypt_wipe(&(*li)->key, sizeof((*li)->key));
	free(*li);
}

static void
remark(void *context, const char *file, struct settings_place at, const char *text)
{
	struct legacy_import *li = context;

	if (at.line)
		fprintf(stderr, "%s:%u:%u: %s\n", file, at.line, at.column, text);
	else
		fprintf(stderr, "%s: %s\n", file, text);
	li->remarks++;
}

/* ---- files ---- */

/* *ret_root NULL: there is no such file, or it cannot be read, which is remarked. */
static int
load(struct legacy_import *li, const char *file, struct arena *nodes, const struct settings_node **ret_root)
{
	struct settings_errors errors = { 0 };
	char *text = NULL;
	size_t len;

	*ret_root = NULL;
	int r = file_read(file, FILE_LIMIT, &text, &len);
	if (r == -ENOENT)
		return EXIT_DONE;
	if (r < 0) {
		remark(li, file, (struct settings_place){ 0, 0 }, r == -EFBIG ? "it is larger than 4 MiB, and is left out" : strerror(-r));
		return EXIT_DONE;
	}
	r = settings_load(slice_from(text, len), nodes, ret_root, &errors);
	crypt_wipe(text, len);
	free(text);
	for (size_t i = 0; i < errors.count && i < SETTINGS_ERRORS_MAX; i++)
		remark(li, file, (struct settings_place){ errors.item[i].line, errors.item[i].column }, errors.item[i].text);
	return r == -ENOMEM ? cli_fail("out of memory") : EXIT_DONE;
}

typedef int reader(struct legacy *, const char *file, const struct settings_node *, struct legacy_tenant *);

/* *ret_there: the file was there and could be read. */
static int
read_with(struct legacy_import *li, const char *file, reader *read, struct legacy_tenant *t, bool *ret_there)
{
	CLEANUP(arena_freep) struct arena *nodes = NULL;
	const struct settings_node *root;

	if (arena_new(NODES_LIMIT, &nodes) < 0 || load(li, file, nodes, &root) != EXIT_DONE)
		return EXIT_FAILED;
	*ret_there = root != NULL;
	return !root || read(&li->l, file, root, t) == 0 ? EXIT_DONE : cli_fail("out of memory");
}

static int
all_mappings(struct legacy *l, const char *file, const struct settings_node *root, struct legacy_tenant *first)
{
	const struct legacy_import *li = l->context;

	return legacy_mapping(l, file, root, first, li->tenants);
}

/* ---- the tree ---- */

/* Names in there that are directories and can be names; sorted.  NULL-terminated, in the arena. */
static const char **
directories(struct legacy_import *li, const char *path)
{
	struct arena *a = li->cli->arena;
	struct dirent **found;
	int n = scandir(path, &found, NULL, alphasort);
	const char **names = arena_take(a, ((size_t)(n > 0 ? n : 0) + 1) * sizeof(*names));
	size_t at = 0;

	for (int i = 0; i < n; i++) {
		struct stat st;
		struct slice name = slice_of(found[i]->d_name), whole = arena_printf(a, "%s/%s", path, found[i]->d_name);
		bool dir = whole.len && name.ptr[0] != '.' && lstat(whole.ptr, &st) == 0 && S_ISDIR(st.st_mode);
		if (dir && !settings_name_ok(name))
			remark(li, whole.ptr, (struct settings_place){ 0, 0 }, "it is left out: a name has A-Z a-z 0-9 _ . - and at most 64 of them");
		else if (dir && names)
			names[at++] = arena_copy(a, name).ptr;
		free(found[i]);
	}
	if (n >= 0)
		free(found);
	return names;
}

static int
read_account(struct legacy_import *li, const char *path, const char *domain, const char *account)
{
	struct slice config = arena_printf(li->cli->arena, "%s/config.yaml", path);
	struct slice credentials = arena_printf(li->cli->arena, "%s/credentials.yaml", path);
	struct slice style = arena_printf(li->cli->arena, "%s/crews/customer_service/config.yaml", path);
	struct legacy_tenant *t = &li->tenant[li->tenants];
	bool there;

	for (size_t i = 0; i < li->tenants; i++)
		if (slice_eq(li->tenant[i].account, slice_of(account)))
			return cli_fail("%s is of domain %s and of " SLICE_FMT ", too: move one of them away; nothing was imported", account,
			    domain, SLICE_ARG(li->tenant[i].domain));
	if (li->tenants == TENANTS_MAX)
		return cli_fail("more than %d accounts; nothing was imported", TENANTS_MAX);
	*t = (struct legacy_tenant){ .account = slice_of(account), .domain = slice_of(domain) };
	if (read_with(li, config.ptr, legacy_config, t, &there) != EXIT_DONE)
		return EXIT_FAILED;
	if (!there) {
		remark(li, config.ptr, (struct settings_place){ 0, 0 }, "it is not there, or cannot be read: this account is left out");
		return EXIT_DONE;
	}
	li->tenants++;
	if (style.len && access(style.ptr, F_OK) == 0)
		remark(li, style.ptr, (struct settings_place){ 0, 0 }, "the style is not taken: the addon's or the hub's PUT sends it anew");
	return read_with(li, credentials.ptr, legacy_credentials, t, &there);
}

static int
read_tree(struct legacy_import *li)
{
	static const char *const mappings[] = { "chatwoot_mapping.json", "chatwoot_mapping.yaml" };
	static const char *const unread[] = { "account_mapping.yaml", "credentials.yaml", "webhook_config.yaml" };
	struct arena *a = li->cli->arena;
	struct slice root = arena_printf(a, "%s/domains", li->dir);
	const char **domain = directories(li, root.ptr);
	bool there = false;

	if (!domain || !domain[0])
		return cli_fail("there is no domain in %s; the directory is wanted that has domains/DOMAIN/ACCOUNT/config.yaml in it", root.ptr);
	for (; *domain; domain++) {
		struct slice at = arena_printf(a, SLICE_FMT "/%s", SLICE_ARG(root), *domain);
		const char **account = directories(li, at.ptr);
		for (; account && *account; account++) {
			struct slice path = arena_printf(a, SLICE_FMT "/%s", SLICE_ARG(at), *account);
			if (path.len == 0 || read_account(li, path.ptr, *domain, *account) != EXIT_DONE)
				return EXIT_FAILED;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(unread); i++) {
		struct slice file = arena_printf(a, "%s/%s", li->dir, unread[i]);
		if (file.len && access(file.ptr, F_OK) == 0)
			remark(li, file.ptr, (struct settings_place){ 0, 0 }, "it is not read: an account is known by domains/ and the mapping");
	}
	/* The newer one counts where both are there. */
	for (size_t i = 0; i < ARRAY_LEN(mappings) && !there; i++) {
		struct slice file = arena_printf(a, "%s/%s", li->dir, mappings[i]);
		if (read_with(li, file.ptr, all_mappings, li->tenant, &there) != EXIT_DONE)
			return EXIT_FAILED;
	}
	return EXIT_DONE;
}

/* ---- into the store ---- */

static int
make_record(const struct secret_key *outgoing, const struct legacy_tenant *t, struct buf *out)
{
	struct tenant said = {
		.name = t->account, .domain = t->domain, .mapping = t->mapping, .mappings = t->mappings,
		.odoo = { .given = t->url.len > 0, .url = t->url, .db = t->db, .login = t->login, .timeout_ms = TENANT_ODOO_TIMEOUT_MS, .pull_ms = TENANT_ODOO_PULL_MS },
	};
	CLEANUP(buf_free) struct buf sealed = { 0 };
	int r = 0;

	if (t->password.len && t->url.len)
		r = secret_seal(outgoing, t->account, "odoo/key", t->password, &sealed);
	said.odoo.key = buf_view(&sealed);
	return r < 0 ? r : tenant_encode(&said, out);
}

/* The same that an addon's sync does: it adds to what is there. */
static int
put(struct legacy_import *li, const struct secret_key *outgoing, const struct legacy_tenant *t)
{
	CLEANUP(buf_free) struct buf record = { 0 };
	CLEANUP(buf_free) struct buf out = { 0 };
	struct uuid event = uuid_make(clock_wall_us());
	uint8_t hash[CRYPT_SHA256];
	struct wire_frame answer;
	struct wire_writer w;

	int r = make_record(outgoing, t, &record);
	wire_begin(&w, &out, P_TENANT_SYNC, net_caller_next(&li->cli->keeper));
	wire_put(&w, T_NAME, t->account);
	wire_put(&w, T_TENANT, buf_view(&record));
	if (t->token.len) {
		crypt_sha256(t->token, hash);
		wire_put(&w, T_HASH, slice_from(hash, sizeof(hash)));
		wire_put(&w, T_LABEL, SLICE("odoo-addon"));
		wire_put_u64(&w, T_SCOPES, TOKEN_OF_REFERENCE);
	}
	wire_put(&w, T_EVENT_ID, slice_from(event.byte, sizeof(event.byte)));
	wire_put(&w, T_KIND, SLICE("credentials"));
	wire_put_u64(&w, T_FORCE, 1);
	int ended = wire_end(&w);
	if (r < 0 || ended < 0)
		return cli_fail("out of memory");
	return cli_ask(li->cli, &out, &answer);
}

static void
say(const struct legacy_import *li, const struct legacy_tenant *t)
{
	CLEANUP(json_freep) struct json *o = NULL;
	CLEANUP(buf_free) struct buf out = { 0 };

	if (!li->json) {
		printf("%s " SLICE_FMT ": domain " SLICE_FMT ", Odoo " SLICE_FMT "%s, %s, %zu mapping%s\n", li->dry_run ? "would import" : "imported",
		    SLICE_ARG(t->account), SLICE_ARG(t->domain), SLICE_ARG(t->url.len ? t->url : SLICE("none")),
		    !t->url.len ? "" : t->password.len ? " with its password" : " without a password", t->token.len ? "its token" : "no token",
		    t->mappings, t->mappings == 1 ? "" : "s");
		return;
	}
	o = json_new_object();
	if (o && json_set_text(o, "tenant", t->account) == 0 && json_set_text(o, "domain", t->domain) == 0 &&
	    json_set_text(o, "odoo", t->url) == 0 && json_set_bool(o, "password", t->password.len > 0) == 0 &&
	    json_set_bool(o, "token", t->token.len > 0) == 0 && json_set_int(o, "mappings", (int64_t)t->mappings) == 0 &&
	    json_set_bool(o, "imported", !li->dry_run) == 0 && json_print(o, &out) == 0)
		printf(SLICE_FMT "\n", SLICE_ARG(buf_view(&out)));
}

static int
put_all(struct legacy_import *li)
{
	struct secret_key outgoing = { .has_next = false };
	const char *dir = li->cli->config.keys.dir.ptr;
	int e = EXIT_DONE, r = li->dry_run ? 0 : secret_key_load(dir, "outgoing.key", &outgoing);

	if (r < 0)
		return cli_fail("cannot use %s/outgoing.key: %s", dir, r == -ENOENT ? "there is none; make it with: ponte key new" : strerror(-r));
	if (!li->dry_run && cli_keeper(li->cli) != EXIT_DONE)
		return EXIT_FAILED;
	for (size_t i = 0; i < li->tenants; i++) {
		if (!li->dry_run && put(li, &outgoing, &li->tenant[i]) != EXIT_DONE) {
			e = cli_fail(SLICE_FMT " was not imported", SLICE_ARG(li->tenant[i].account));
			continue;
		}
		say(li, &li->tenant[i]);
	}
	crypt_wipe(&outgoing, sizeof(outgoing));
	if (!li->json)
		printf("%zu tenant%s, %zu remark%s%s\n", li->tenants, li->tenants == 1 ? "" : "s", li->remarks, li->remarks == 1 ? "" : "s",
		    li->dry_run ? "; nothing was written" : "; their Chatwoot and hub come from a file of yours: ponte tenant import");
	return e;
}

static int
read_key(struct legacy_import *li, const char *file)
{
	char *text;
	size_t len;
	int r = file_read_private(file, 4 * KIB, &text, &len);

	if (r < 0)
		return cli_fail("cannot use %s: %s", file, r == -EPERM ? "it can be read by others; set its mode to 0400" : strerror(-r));
	r = fernet_key_read(slice_from(text, len), &li->key);
	crypt_wipe(text, len);
	free(text);
	if (r < 0)
		return cli_fail("%s is no Fernet key: 32 bytes in base64, as CREDENTIAL_ENCRYPTION_KEY has them", file);
	li->l.key = &li->key;
	return EXIT_DONE;
}

int
tenant_import_legacy(struct cli *cli, int argc, char **argv)
{
	CLEANUP(forget) struct legacy_import *li = calloc(1, sizeof(*li));
	const char *key = NULL;

	if (!li)
		return cli_fail("out of memory");
	li->cli = cli;
	li->json = cli->json;
	li->l = (struct legacy){ .arena = cli->arena, .remark = remark, .context = li };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--dry-run") == 0)
			li->dry_run = true;
		else if (strcmp(argv[i], "--json") == 0)
			li->json = true;
		else if (strcmp(argv[i], "--fernet-key") == 0 && i + 1 < argc)
			key = argv[++i];
		else if (argv[i][0] == '-' || li->dir)
			return cli_usage("tenant", "tenant import-legacy does not take '%s'", argv[i]);
		else
			li->dir = argv[i];
	}
	if (!li->dir)
		return cli_usage("tenant", "tenant import-legacy wants the directory of the system before (CONFIG_DIR)");
	if (cli_config(cli) != EXIT_DONE || (key && read_key(li, key) != EXIT_DONE) || read_tree(li) != EXIT_DONE)
		return EXIT_FAILED;
	return put_all(li);
}
