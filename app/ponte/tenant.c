#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ponte/ponte.h"
#include "app/ponte/tenant.h"
#include "lib/crypt.h"
#include "lib/secret.h"
#include "lib/tenant.h"

struct options {
	const char *name;       /* the file, or the tenant */
	bool dry_run, force, json;
};

/* ---- import ---- */

static int
load_key(const struct cli *cli, const char *name, struct secret_key *ret)
{
	const char *dir = cli->config.keys.dir.ptr;
	int r = secret_key_load(dir, name, ret);
	if (r == 0)
		return EXIT_DONE;
	if (r == -ENOENT)
		return cli_fail("there is no %s in %s; make it with: ponte key new", name, dir);
	if (r == -EPERM)
		return cli_fail("%s/%s can be read by others; set its mode to 0400", dir, name);
	if (r == -EINVAL)
		return cli_fail("%s/%s is not a key file (64 hex digits)", dir, name);
	return cli_fail("cannot read %s/%s: %s", dir, name, strerror(-r));
}

/* A dry run seals with keys that nobody ever sees again. */
static int
load_keys(const struct cli *cli, bool dry_run, struct secret_key *ret_intake, struct secret_key *ret_outgoing)
{
	if (dry_run) {
		crypt_random(ret_intake->byte, sizeof ret_intake->byte);
		crypt_random(ret_outgoing->byte, sizeof ret_outgoing->byte);
		return EXIT_DONE;
	}
	if (load_key(cli, "intake.key", ret_intake) != EXIT_DONE)
		return EXIT_FAILED;
	return load_key(cli, "outgoing.key", ret_outgoing);
}

static int
print_mistakes(const char *file, const struct settings_errors *errors)
{
	size_t shown = errors->count < SETTINGS_ERRORS_MAX ? errors->count : SETTINGS_ERRORS_MAX;
	for (size_t i = 0; i < shown; i++) {
		const struct settings_error *e = &errors->item[i];
		fprintf(stderr, "%s%s: %s\n", file, settings_at(e).text, e->text);
	}
	if (shown < errors->count)
		fprintf(stderr, "%s: and %zu more\n", file, errors->count - shown);
	return cli_fail("%s has %zu mistake%s; nothing was imported", file, errors->count,
	    errors->count == 1 ? "" : "s");
}

static int
read_tenants(struct cli *cli, const struct options *o, struct tenant **ret, size_t *ret_count)
{
	struct secret_key intake = { .has_next = false }, outgoing = { .has_next = false };
	if (load_keys(cli, o->dry_run, &intake, &outgoing) != EXIT_DONE)
		return EXIT_FAILED;

	CLEANUP(free_charp) char *text = NULL;
	size_t len;
	int r = file_read(o->name, SETTINGS_TEXT_MAX, &text, &len);
	if (r != 0)
		return cli_fail("cannot read %s: %s", o->name, strerror(-r));
	const char *slash = strrchr(o->name, '/');
	struct slice dir = slash ? slice_from(o->name, (size_t)(slash - o->name) + 1) : SLICE(".");
	const char *base = arena_text(cli->arena, dir);
	if (!base)
		return cli_fail("out of memory");

	struct settings_errors errors = { 0 };
	r = tenant_import((struct slice){ text, len }, base, &intake, &outgoing, cli->arena, ret, ret_count,
	    &errors);
	crypt_wipe(&intake, sizeof intake);
	crypt_wipe(&outgoing, sizeof outgoing);
	if (r == SETTINGS_E_WRONG)
		return print_mistakes(o->name, &errors);
	return r == 0 ? EXIT_DONE : cli_fail("cannot import %s: %s", o->name, strerror(-r));
}

static int
put_tenant(struct cli *cli, const struct tenant *t)
{
	CLEANUP(buf_free) struct buf record = { 0 };
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_writer w;

	int r = tenant_encode(t, &record);
	if (r == 0) {
		wire_begin(&w, &out, P_TENANT_PUT, net_caller_next(&cli->keeper));
		wire_put(&w, T_TENANT, buf_view(&record));
		r = wire_end(&w);
	}
	if (r != 0)
		return cli_fail("cannot send tenant " SLICE_FMT ": %s", SLICE_ARG(t->name), strerror(-r));
	return cli_ask(cli, &out, &answer);
}

static int
import_tenants(struct cli *cli, const struct options *o)
{
	struct tenant *t = NULL;
	size_t count = 0;

	if (cli_config(cli) != EXIT_DONE || read_tenants(cli, o, &t, &count) != EXIT_DONE)
		return EXIT_FAILED;
	if (!o->dry_run && cli_keeper(cli) != EXIT_DONE)
		return EXIT_FAILED;
	for (size_t i = 0; i < count; i++) {
		if (!o->dry_run && put_tenant(cli, &t[i]) != EXIT_DONE) {
			if (i == 0)
				return cli_fail("tenant " SLICE_FMT " was not imported, nor was any other",
				    SLICE_ARG(t[i].name));
			return cli_fail("tenant " SLICE_FMT " was not imported; the %zu before it %s",
			    SLICE_ARG(t[i].name), i, i == 1 ? "is" : "are");
		}
		if (o->json)
			printf("{\"tenant\":\"" SLICE_FMT "\",\"imported\":%s}\n", SLICE_ARG(t[i].name),
			    o->dry_run ? "false" : "true");
		else
			printf("%s " SLICE_FMT ": %zu installation%s, %zu sender%s\n",
			    o->dry_run ? "would import" : "imported", SLICE_ARG(t[i].name),
			    t[i].installations, t[i].installations == 1 ? "" : "s", t[i].senders,
			    t[i].senders == 1 ? "" : "s");
		/* What went in is said even if the next one ends it all. */
		fflush(stdout);
	}
	return EXIT_DONE;
}

/* ---- list, show, remove ---- */

/* Prints what stands in one answer.  *ret_last: name of the last tenant. */
static int
print_found(struct cli *cli, const struct wire_frame *answer, tenant_print *print, struct slice *ret_last,
    size_t *ret_count)
{
	struct wire_reader r = { .rest = answer->payload };
	struct wire_field f;
	*ret_count = 0;
	while (wire_next(&r, &f)) {
		struct tenant t;
		if (f.tag != T_TENANT)
			continue;
		int e = tenant_decode(f.value, cli->arena, &t);
		if (e != 0)
			return cli_fail("the keeper's record of a tenant cannot be read: %s", strerror(-e));
		e = print(&t);
		if (e != 0)
			return cli_fail("cannot print tenant " SLICE_FMT ": %s", SLICE_ARG(t.name), strerror(-e));
		*ret_last = t.name;
		(*ret_count)++;
	}
	return r.broken ? cli_fail("the keeper's answer is cut off") : EXIT_DONE;
}

static int
list_tenants(struct cli *cli, const struct options *o)
{
	struct slice last = { 0 };
	bool more = true;

	if (cli_keeper(cli) != EXIT_DONE)
		return EXIT_FAILED;
	while (more) {
		CLEANUP(buf_free) struct buf out = { 0 };
		struct wire_frame answer;
		struct wire_writer w;
		size_t count;

		wire_begin(&w, &out, P_TENANT_LIST, net_caller_next(&cli->keeper));
		if (last.len > 0)
			wire_put(&w, T_AFTER, last);
		if (wire_end(&w) != 0)
			return cli_fail("out of memory");
		if (cli_ask(cli, &out, &answer) != EXIT_DONE)
			return EXIT_FAILED;
		bool first = last.len == 0;
		if (print_found(cli, &answer, o->json ? tenant_print_json : tenant_print_line, &last, &count) != EXIT_DONE)
			return EXIT_FAILED;
		if (first && count == 0 && !o->json)
			puts("no tenants; add some with: ponte tenant import FILE.yaml");
		more = count > 0 && wire_u64(answer.payload, T_MORE, 0) != 0;
	}
	return EXIT_DONE;
}

int
tenant_find(struct cli *cli, struct slice name, struct tenant *ret, bool *ret_found)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_writer w;
	struct slice record;

	wire_begin(&w, &out, P_TENANT_FIND, net_caller_next(&cli->keeper));
	wire_put(&w, T_NAME, name);
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	*ret_found = wire_find(answer.payload, T_TENANT, &record);
	int e = *ret_found ? tenant_decode(arena_copy(cli->arena, record), cli->arena, ret) : 0;
	return e == 0 ? EXIT_DONE : cli_fail("the record of " SLICE_FMT " cannot be read: %s", SLICE_ARG(name), strerror(-e));
}

/* P_TENANT_FIND and P_TENANT_REMOVE. */
static int
ask_named(struct cli *cli, enum protocol_kind kind, const struct options *o, struct wire_frame *ret)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;

	if (cli_keeper(cli) != EXIT_DONE)
		return EXIT_FAILED;
	wire_begin(&w, &out, kind, net_caller_next(&cli->keeper));
	wire_put(&w, T_NAME, slice_of(o->name));
	if (o->force)
		wire_put_u64(&w, T_FORCE, 1);
	if (o->dry_run)
		wire_put_u64(&w, T_DRY_RUN, 1);
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	return cli_ask(cli, &out, ret);
}

static int
show_tenant(struct cli *cli, const struct options *o)
{
	struct wire_frame answer;
	struct slice last;
	size_t count;

	if (ask_named(cli, P_TENANT_FIND, o, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	if (print_found(cli, &answer, o->json ? tenant_print_json : tenant_print_all, &last, &count) != EXIT_DONE)
		return EXIT_FAILED;
	return count > 0 ? EXIT_DONE
	                 : cli_fail("there is no tenant '%s'; see: ponte tenant list", o->name);
}

static int
remove_tenant(struct cli *cli, const struct options *o)
{
	struct wire_frame answer;

	if (ask_named(cli, P_TENANT_REMOVE, o, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	if (o->json)
		printf("{\"tenant\":\"%s\",\"removed\":%s}\n", o->name, o->dry_run ? "false" : "true");
	else
		printf(o->dry_run ? "would remove %s, its tokens, and all that was synced of it\n" : "removed %s\n", o->name);
	return EXIT_DONE;
}

/* ---- the command line ---- */

static const struct verb {
	const char *name, *wants;       /* NULL: no argument */
	int (*run)(struct cli *, const struct options *);
	bool dry_run, force;            /* options it takes besides --json */
} verbs[] = {
	{ "import", "a YAML file",     import_tenants, true,  false },
	{ "list",   NULL,              list_tenants,   false, false },
	{ "show",   "a tenant's name", show_tenant,    false, false },
	{ "remove", "a tenant's name", remove_tenant,  true,  true  },
};

int
cmd_tenant(struct cli *cli, int argc, char **argv)
{
	const struct verb *v = NULL;
	struct options o = { .json = cli->json };

	if (argc > 1 && strcmp(argv[1], "catchup") == 0)
		return tenant_catchup(cli, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "ask") == 0)
		return tenant_ask(cli, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "import-legacy") == 0)
		return tenant_import_legacy(cli, argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "sync") == 0)
		return tenant_sync(cli, argc - 1, argv + 1);
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			v = &verbs[i];
	if (!v)
		return cli_usage("tenant", "tenant wants import, import-legacy, list, show, remove, catchup, sync or ask");

	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			o.json = true;
		else if (v->dry_run && strcmp(argv[i], "--dry-run") == 0)
			o.dry_run = true;
		else if (v->force && strcmp(argv[i], "--force") == 0)
			o.force = true;
		else if (argv[i][0] == '-' || !v->wants || o.name)
			return cli_usage("tenant", "tenant %s does not take '%s'", v->name, argv[i]);
		else
			o.name = argv[i];
	}
	if (v->wants && !o.name)
		return cli_usage("tenant", "tenant %s wants %s", v->name, v->wants);
	if (v->wants && v->run != import_tenants && !settings_name_ok(slice_of(o.name)))
		return cli_usage("tenant", "'%s' is not a tenant's name", o.name);
	return v->run(cli, &o);
}
