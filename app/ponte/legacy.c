/* ponte tenant import-legacy: reading the tree. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/ponte/legacy.h"
#include "app/ponte/tenant.h"
#include "lib/crypt.h"

#define FILE_LIMIT  (4 * MIB)
#define NODES_LIMIT (64 * MIB)

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

void
legacy_remark(void *context, const char *file, struct settings_place at, const char *text)
{
	struct legacy_import *li = context;

	if (at.line)
		fprintf(stderr, "%s:%u:%u: %s\n", file, at.line, at.column, text);
	else
		fprintf(stderr, "%s: %s\n", file, text);
	li->remarks++;
}

/* ---- files ---- */

/* Not through a link: what it leads to is none of the tree's. */
static bool
is_file(struct legacy_import *li, const char *file)
{
	struct stat st;

	if (lstat(file, &st) < 0 || S_ISREG(st.st_mode))
		return true;            /* opening it says why it cannot be opened */
	legacy_remark(li, file, (struct settings_place){ 0, 0 }, S_ISLNK(st.st_mode) ? "it is left out: a symbolic link is not followed" : "it is left out: it is no file");
	return false;
}

/* *ret_root NULL: there is no such file, or it cannot be read, which is remarked. */
static int
load(struct legacy_import *li, const char *file, struct arena *nodes, const struct settings_node **ret_root)
{
	struct settings_errors errors = { 0 };
	char *text = NULL;
	size_t len;

	*ret_root = NULL;
	if (!is_file(li, file))
		return EXIT_DONE;
	int r = file_read(file, FILE_LIMIT, &text, &len);
	if (r == -ENOENT)
		return EXIT_DONE;
	if (r < 0) {
		legacy_remark(li, file, (struct settings_place){ 0, 0 }, r == -EFBIG ? "it is larger than 4 MiB, and is left out" : strerror(-r));
		return EXIT_DONE;
	}
	r = settings_load(slice_from(text, len), nodes, ret_root, &errors);
	crypt_wipe(text, len);
	free(text);
	for (size_t i = 0; i < errors.count && i < SETTINGS_ERRORS_MAX; i++)
		legacy_remark(li, file, (struct settings_place){ errors.item[i].line, errors.item[i].column }, errors.item[i].text);
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
		bool shown = whole.len && name.ptr[0] != '.' && lstat(whole.ptr, &st) == 0;
		bool dir = shown && S_ISDIR(st.st_mode);
		if (shown && S_ISLNK(st.st_mode))
			legacy_remark(li, whole.ptr, (struct settings_place){ 0, 0 }, "it is left out: a symbolic link is not followed");
		else if (dir && !settings_name_ok(name))
			legacy_remark(li, whole.ptr, (struct settings_place){ 0, 0 }, "it is left out: a name has A-Z a-z 0-9 _ . - and at most 64 of them");
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
		legacy_remark(li, config.ptr, (struct settings_place){ 0, 0 }, "it is not there, or cannot be read: this account is left out");
		return EXIT_DONE;
	}
	li->tenants++;
	if (style.len && access(style.ptr, F_OK) == 0)
		legacy_remark(li, style.ptr, (struct settings_place){ 0, 0 }, "the style is not taken: the addon's or the hub's PUT sends it anew");
	return read_with(li, credentials.ptr, legacy_credentials, t, &there);
}

/* Who of them sends it cannot be told. */
static int
leave_shared_tokens(struct legacy_import *li)
{
	bool *shared = arena_take(li->cli->arena, li->tenants + 1);

	if (!shared)
		return cli_fail("out of memory");
	for (size_t i = 0; i < li->tenants; i++)
		for (size_t k = 0; k < li->tenants && !shared[i]; k++) {
			const struct legacy_tenant *t = &li->tenant[i], *other = &li->tenant[k];
			shared[i] = i != k && t->token.len > 0 && slice_eq(t->token, other->token);
			if (!shared[i])
				continue;
			struct slice file = arena_printf(li->cli->arena, "%s/domains/" SLICE_FMT "/" SLICE_FMT "/config.yaml", li->dir, SLICE_ARG(t->domain), SLICE_ARG(t->account));
			struct slice why = arena_printf(li->cli->arena, "its token is left out: it is that of " SLICE_FMT ", too", SLICE_ARG(other->account));
			if (!file.len || !why.len)
				return cli_fail("out of memory");
			legacy_remark(li, file.ptr, (struct settings_place){ 0, 0 }, why.ptr);
		}
	for (size_t i = 0; i < li->tenants; i++)
		if (shared[i]) {
			crypt_wipe((char *)(uintptr_t)li->tenant[i].token.ptr, li->tenant[i].token.len);
			li->tenant[i].token.len = 0;
		}
	return EXIT_DONE;
}

static int
read_tree(struct legacy_import *li)
{
	static const char *const mappings[] = { "chatwoot_mapping.json", "chatwoot_mapping.yaml" };
	static const char *const unread[] = { "account_mapping.yaml", "credentials.yaml", "webhook_config.yaml" };
	struct arena *a = li->cli->arena;
	struct stat st;
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
			legacy_remark(li, file.ptr, (struct settings_place){ 0, 0 }, "it is not read: an account is known by domains/ and the mapping");
	}
	/* The newer one counts where both are there. */
	for (size_t i = 0; i < ARRAY_LEN(mappings) && !there; i++) {
		struct slice file = arena_printf(a, "%s/%s", li->dir, mappings[i]);
		if (read_with(li, file.ptr, all_mappings, li->tenant, &there) != EXIT_DONE)
			return EXIT_FAILED;
		if (!there && file.len && lstat(file.ptr, &st) == 0)
			return cli_fail(SLICE_FMT " is there and cannot be read: mend it or move it away; nothing was imported", SLICE_ARG(file));
	}
	return leave_shared_tokens(li);
}

/* ---- the command line ---- */

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
	li->l = (struct legacy){ .arena = cli->arena, .remark = legacy_remark, .context = li };
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--dry-run") == 0)
			li->dry_run = true;
		else if (strcmp(argv[i], "--force") == 0)
			li->force = true;
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
	return legacy_put_all(li);
}
