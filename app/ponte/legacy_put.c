/* ponte tenant import-legacy: what was read goes into the store. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/ponte/legacy.h"
#include "app/ponte/tenant.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/json.h"
#include "lib/secret.h"
#include "lib/tenant.h"
#include "lib/tenant_sync.h"
#include "lib/token.h"
#include "lib/uuid.h"

#define TOKEN_NAME "odoo-addon"         /* as the addon's own sync names it */

/* ---- beside what is there ---- */

/* What of an account goes into the store, and what stays there instead. */
struct filling { bool found; struct legacy_tenant put, stays; };

static int
has_token(struct cli *cli, struct slice tenant, bool *ret)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_writer w;
	struct wire_field f;

	*ret = false;
	wire_begin(&w, &out, P_TOKEN_LIST, net_caller_next(&cli->keeper));
	wire_put(&w, T_NAME, tenant);
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	for (struct wire_reader r = { .rest = answer.payload }; wire_next(&r, &f);)
		*ret = *ret || (f.tag == T_ROW && slice_eq(wire_text(f.value, T_LABEL), SLICE(TOKEN_NAME)));
	return EXIT_DONE;
}

static void
leave(struct slice *put, struct slice *stays, struct slice theirs)
{
	if (put->len > 0)
		*stays = theirs;
	put->len = 0;
}

static int
leave_mappings(struct arena *a, const struct tenant *has, struct filling *g)
{
	const struct legacy_tenant all = g->put;

	g->put.mapping = arena_take(a, (all.mappings + 1) * sizeof(*all.mapping));
	g->put.mappings = 0;
	if (!g->put.mapping)
		return -ENOMEM;
	for (size_t i = 0; i < all.mappings; i++)
		if (!tenant_mapping_stands(has->mapping, has->mappings, &all.mapping[i]))
			g->put.mapping[g->put.mappings++] = all.mapping[i];
	g->stays.mappings = all.mappings - g->put.mappings;
	return 0;
}

/* The connection is one thing: a login and its password are of that server. */
static void
leave_odoo(const struct tenant_odoo *has, struct filling *g)
{
	struct legacy_tenant *put = &g->put, *stays = &g->stays;
	bool other = !slice_eq(has->url, put->url) || (has->db.len && !slice_eq(has->db, put->db)) || (has->login.len && !slice_eq(has->login, put->login));

	leave(&put->url, &stays->url, has->url);
	if (other || has->db.len)
		leave(&put->db, &stays->db, has->db);
	if (other || has->login.len)
		leave(&put->login, &stays->login, has->login);
	if (other || has->key.len)
		leave(&put->password, &stays->password, SLICE("stays"));
}

static int
keep_newer(struct legacy_import *li, struct filling *g)
{
	struct tenant has;
	bool token;

	if (tenant_find(li->cli, g->put.account, &has, &g->found) != EXIT_DONE)
		return EXIT_FAILED;
	if (!g->found || li->force)
		return EXIT_DONE;
	if (has_token(li->cli, g->put.account, &token) != EXIT_DONE)
		return EXIT_FAILED;
	if (has.domain.len)
		leave(&g->put.domain, &g->stays.domain, has.domain);
	if (has.odoo.url.len)
		leave_odoo(&has.odoo, g);
	if (token) {
		leave(&g->put.token, &g->stays.token, SLICE("stays"));
	} else if (g->put.token.len && (has.odoo.url.len || has.mappings)) {
		/* It was imported or synced before, and had a token then. */
		g->put.token.len = 0;
		legacy_remark(li, g->put.account.ptr, (struct settings_place){ 0, 0 }, "the addon's token is left out: it may have been revoked; "
		    "ponte token new " TOKEN_NAME " --token-file FILE registers it");
	}
	return leave_mappings(li->cli->arena, &has, g) == 0 ? EXIT_DONE : cli_fail("out of memory");
}

static bool
is_empty(const struct legacy_tenant *t)
{
	return !t->domain.len && !t->url.len && !t->db.len && !t->login.len && !t->password.len && !t->token.len && !t->mappings;
}

/* ---- into the store ---- */

static int
make_record(const struct secret_key *outgoing, const struct legacy_tenant *t, struct buf *out)
{
	struct tenant said = {
		.name = t->account, .domain = t->domain, .mapping = t->mapping, .mappings = t->mappings,
		.odoo = { .given = t->url.len || t->db.len || t->login.len || t->password.len, .url = t->url, .db = t->db, .login = t->login,
		    .timeout_ms = TENANT_ODOO_TIMEOUT_MS, .pull_ms = TENANT_ODOO_PULL_MS },
	};
	CLEANUP(buf_free) struct buf sealed = { 0 };
	int r = 0;

	if (t->password.len)
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
		wire_put(&w, T_LABEL, SLICE(TOKEN_NAME));
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

/* ---- what is said of it ---- */

static void
say_parts(const struct legacy_tenant *t, const char *before)
{
	const struct { struct slice value; const char *name; bool shown; } parts[] = {
		{ t->domain, "domain ", true }, { t->url, "Odoo ", true },
		/* With their server they go without saying. */
		{ t->db, "database ", !t->url.len }, { t->login, "login ", !t->url.len },
	};
	const char *comma = before;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (parts[i].value.len && parts[i].shown) {
			printf("%s%s" SLICE_FMT, comma, parts[i].name, SLICE_ARG(parts[i].value));
			comma = ", ";
		}
	if (t->password.len) {
		printf("%sits password", comma);
		comma = ", ";
	}
	if (t->token.len) {
		printf("%sits token", comma);
		comma = ", ";
	}
	if (t->mappings)
		printf("%s%zu mapping%s", comma, t->mappings, t->mappings == 1 ? "" : "s");
}

static void
say_json(const struct legacy_import *li, const struct filling *g)
{
	CLEANUP(json_freep) struct json *o = json_new_object();
	CLEANUP(buf_free) struct buf out = { 0 };
	const struct legacy_tenant *t = &g->put, *s = &g->stays;
	const struct { size_t there; struct slice name; } left[] = {
		{ s->domain.len, SLICE("domain") }, { s->url.len, SLICE("odoo") }, { s->password.len, SLICE("password") },
		{ s->token.len, SLICE("token") }, { s->mappings, SLICE("mappings") },
	};

	bool good = o && json_set_text(o, "tenant", t->account) == 0 && json_set_text(o, "domain", t->domain) == 0 &&
	    json_set_text(o, "odoo", t->url) == 0 && json_set_bool(o, "password", t->password.len > 0) == 0 &&
	    json_set_bool(o, "token", t->token.len > 0) == 0 && json_set_int(o, "mappings", (int64_t)t->mappings) == 0 &&
	    json_set_bool(o, "found", g->found) == 0 && json_set_bool(o, "imported", !li->dry_run && !is_empty(t)) == 0;
	struct json *stays = good ? json_new_array() : NULL;
	good = stays && json_set(o, "stays", stays) == 0;
	for (size_t i = 0; good && i < ARRAY_LEN(left); i++)
		good = !left[i].there || json_add_text(stays, left[i].name) == 0;
	if (good && json_print(o, &out) == 0)
		printf(SLICE_FMT "\n", SLICE_ARG(buf_view(&out)));
}

static void
say(const struct legacy_import *li, const struct filling *g)
{
	const struct legacy_tenant *t = &g->put;

	if (li->json) {
		say_json(li, g);
		return;
	}
	if (!g->found || li->force) {
		printf("%s " SLICE_FMT ": domain " SLICE_FMT ", Odoo " SLICE_FMT "%s, %s, %zu mapping%s\n", li->dry_run ? "would import" : "imported",
		    SLICE_ARG(t->account), SLICE_ARG(t->domain), SLICE_ARG(t->url.len ? t->url : SLICE("none")),
		    !t->url.len ? "" : t->password.len ? " with its password" : " without a password", t->token.len ? "its token" : "no token",
		    t->mappings, t->mappings == 1 ? "" : "s");
		return;
	}
	printf("%s " SLICE_FMT, is_empty(t) ? "nothing to fill in" : li->dry_run ? "would fill in" : "filled in", SLICE_ARG(t->account));
	say_parts(t, ": ");
	say_parts(&g->stays, "; stays: ");
	putchar('\n');
}

static int
put_one(struct legacy_import *li, const struct secret_key *outgoing, const struct legacy_tenant *t)
{
	struct filling g = { .put = *t };

	if (!t->url.len)        /* without a server they are nobody's */
		g.put.db.len = g.put.login.len = g.put.password.len = 0;
	if (keep_newer(li, &g) != EXIT_DONE)
		return EXIT_FAILED;
	if (!li->dry_run && !(g.found && is_empty(&g.put)) && put(li, outgoing, &g.put) != EXIT_DONE)
		return cli_fail(SLICE_FMT " was not imported", SLICE_ARG(t->account));
	say(li, &g);
	return EXIT_DONE;
}

int
legacy_put_all(struct legacy_import *li)
{
	struct secret_key outgoing = { .has_next = false };
	const char *dir = li->cli->config.keys.dir.ptr;
	size_t failed = 0;
	int r = li->dry_run ? 0 : secret_key_load(dir, "outgoing.key", &outgoing);

	if (r < 0)
		return cli_fail("cannot use %s/outgoing.key: %s", dir, r == -ENOENT ? "there is none; make it with: ponte key new" : strerror(-r));
	if (cli_keeper(li->cli) != EXIT_DONE)
		return EXIT_FAILED;
	for (size_t i = 0; i < li->tenants; i++)
		if (put_one(li, &outgoing, &li->tenant[i]) != EXIT_DONE)
			failed++;
	crypt_wipe(&outgoing, sizeof(outgoing));
	if (!li->json) {
		printf("%zu tenant%s, ", li->tenants - failed, li->tenants - failed == 1 ? "" : "s");
		if (failed)
			printf("%zu not imported, ", failed);
		printf("%zu remark%s%s\n", li->remarks, li->remarks == 1 ? "" : "s",
		    li->dry_run ? "; nothing was written" : "; their Chatwoot and hub come from a file of yours: ponte tenant import");
	}
	return failed ? EXIT_FAILED : EXIT_DONE;
}
