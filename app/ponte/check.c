#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "app/ponte/ponte.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/http.h"
#include "lib/reach.h"
#include "lib/secret.h"
#include "lib/tenant.h"
#include "lib/tenant_secret.h"

#define RECOUNT_MS  INT64_C(600000)     /* every row of a large store is read */
#define ASK_MS      2000

struct findings {
	unsigned wrong;                 /* it will not work */
	unsigned notes;
};

static void finding(struct findings *, bool wrong, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void
finding(struct findings *f, bool wrong, const char *fmt, ...)
{
	va_list ap;
	if (wrong)
		f->wrong++;
	else
		f->notes++;
	fputs(wrong ? "wrong: " : "note:  ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fputc('\n', stdout);
}

/* ---- settings, keys, files ---- */

static void
check_key(const struct cli *cli, struct findings *f, const char *name, struct secret_key *ret, bool *ret_have)
{
	const char *dir = cli->config.keys.dir.ptr;
	int r = secret_key_load(dir, name, ret);
	*ret_have = r == 0;
	switch (r) {
	case 0:
		return;
	case -ENOENT:
		finding(f, true, "there is no %s in %s; make it with: ponte key new", name, dir);
		return;
	case -EPERM:
		finding(f, true, "%s/%s can be read by others; set its mode to 0400", dir, name);
		return;
	case -EINVAL:
		finding(f, true, "%s/%s is not a key file (64 hex digits)", dir, name);
		return;
	case -EACCES:
		finding(f, false, "%s/%s belongs to another user; it was not looked at", dir, name);
		return;
	default:
		finding(f, true, "cannot read %s/%s: %s", dir, name, strerror(-r));
	}
}

static const char *
refuse_token(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.ptr[i] <= 0x20 || text.ptr[i] == 0x7f)
			return "is no token: there is a blank in it";
	return text.len ? NULL : "is empty";
}

static void
check_content(struct settings_errors *errors, const char *name, struct slice path, const char *(*refuse)(struct slice))
{
	char *text;
	size_t len;

	if (path.len == 0 || file_read_private(path.ptr, 64 * KIB, &text, &len) != 0)
		return;
	const char *why = refuse(slice_trim(slice_from(text, len)));
	if (why && len > 0)
		settings_mistake(errors, (struct settings_place){ 0, 0 }, "%s %s %s", name, path.ptr, why);
	crypt_wipe(text, len);
	free(text);
}

int
cli_files(const struct config *c, struct settings_errors *errors)
{
	int r = config_files(c, errors);

	check_content(errors, "enrolment.secret_file", c->enrolment.secret_file, tenant_secret_refuse);
	check_content(errors, "hub.token_file", c->hub.token_file, refuse_token);
	return r < 0 ? r : errors->count ? SETTINGS_E_WRONG : 0;
}

static void
check_named(const struct cli *cli, struct findings *f)
{
	struct settings_errors wrong = { 0 };
	int r = cli_files(&cli->config, &wrong);

	for (size_t i = 0; i < wrong.count && i < SETTINGS_ERRORS_MAX; i++)
		finding(f, true, "%s", wrong.item[i].text);
	if (r < 0)
		finding(f, true, "the files that the settings name: %s", strerror(-r));
	if (cli->config.enrolment.open)
		finding(f, false, "enrolment.open: whoever reaches the API may make a tenant");
}

static void
check_store_file(const struct cli *cli, struct findings *f)
{
	struct stat st;
	struct statvfs fs;
	const char *path = cli->config.store.path.ptr;
	if (stat(path, &st) < 0) {
		finding(f, errno != ENOENT, "the store %s: %s", path,
		    errno == ENOENT ? "not made yet; the keeper makes it" : strerror(errno));
		return;
	}
	if (!S_ISREG(st.st_mode))
		finding(f, true, "the store %s is not a file", path);
	if (st.st_mode & 077)
		finding(f, true, "the store %s can be opened by others; set its mode to 0600", path);
	if (statvfs(path, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < cli->config.store.min_free)
		finding(f, true, "low disk: %" PRIu64 " bytes free at %s, store.min_free is %" PRIu64 "; intake is refused",
		    (uint64_t)fs.f_bavail * fs.f_frsize, path, cli->config.store.min_free);
}

/* ---- tenants ---- */

/* A name is not judged: only the courier's own look at its address counts. */
static bool
is_private(struct slice host)
{
	char text[INET6_ADDRSTRLEN];
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };

	if (host.len == 0 || host.len >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), SLICE_FMT, SLICE_ARG(host));
	if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
		return !reach_public((const struct sockaddr *)&four);
	return inet_pton(AF_INET6, text, &six.sin6_addr) == 1 && !reach_public((const struct sockaddr *)&six);
}

static void
check_reach(const struct cli *cli, struct findings *f, struct slice tenant, const char *what, struct slice url)
{
	const struct slice *item = cli->config.delivery.allow_private.items;
	struct reach_list allowed = { .count = 0 };
	struct http_url u;
	int r = 0;

	if (url.len == 0 || http_url_split(url, &u) != 0 || !is_private(u.host))
		return;
	for (size_t i = 0; i < cli->config.delivery.allow_private.count && r == 0; i++)
		r = reach_list_add(&allowed, item[i]);
	bool six = memchr(u.host.ptr, ':', u.host.len) != NULL;
	if (r == 0 && !reach_list_has(&allowed, u.host, u.port))
		finding(f, false, "tenant " SLICE_FMT ": its %s " SLICE_FMT " is at a private address; delivery.allow_private must name %s" SLICE_FMT "%s:%u",
		    SLICE_ARG(tenant), what, SLICE_ARG(url), six ? "[" : "", SLICE_ARG(u.host), six ? "]" : "", u.port);
	reach_list_free(&allowed);
}

static void
check_tenant(const struct cli *cli, struct findings *f, const struct tenant *t)
{
	if (t->hub_url.len == 0 && cli->config.hub.url.len == 0)
		finding(f, true, "tenant " SLICE_FMT " has no hub: set hub.url in ponte.yaml, or its own", SLICE_ARG(t->name));
	if (t->senders == 0)
		finding(f, false, "tenant " SLICE_FMT " has no sender: nothing can come in for it", SLICE_ARG(t->name));
	check_reach(cli, f, t->name, "hub", t->hub_url.len ? t->hub_url : cli->config.hub.url);
	check_reach(cli, f, t->name, "Odoo", t->odoo.url);
	for (size_t i = 0; i < t->installations; i++)
		check_reach(cli, f, t->name, "Chatwoot", t->installation[i].url);
	for (size_t i = 0; i < t->installations; i++)
		if (t->installation[i].bot_token.len == 0)
			finding(f, true, "tenant " SLICE_FMT ", installation " SLICE_FMT ": no bot token; no reply can be posted",
			    SLICE_ARG(t->name), SLICE_ARG(t->installation[i].id));
	for (size_t i = 0; i < t->senders; i++)
		if (t->sender[i].unsigned_by != TENANT_PROOF_NONE)
			finding(f, false, "tenant " SLICE_FMT ", sender " SLICE_FMT ": unsigned requests are let in",
			    SLICE_ARG(t->name), SLICE_ARG(t->sender[i].label));
}

static int
list_page(struct cli *cli, struct slice after, struct wire_frame *ret)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	wire_begin(&w, &out, P_TENANT_LIST, net_caller_next(&cli->keeper));
	if (after.len)
		wire_put(&w, T_AFTER, after);
	if (wire_end(&w) != 0)
		return -ENOMEM;
	return net_call(&cli->keeper, buf_view(&out), clock_mono_ms() + ASK_MS, ret);
}

/* What an addon will not find, the exception first that most of them need. */
static void
check_odoo(struct findings *f, const struct tenant *t)
{
	if (!t->odoo.given)
		return;
	if (t->odoo.open[TENANT_OPEN_DOCUMENTS].n == 0)
		finding(f, false, "tenant " SLICE_FMT ": support documents come without a token from Odoo's addon and are answered 401; "
		    "name Odoo's address: odoo: {open: {documents: [ADDRESS]}}", SLICE_ARG(t->name));
	if (t->odoo.url.len > 0 && t->odoo.key.len == 0)
		finding(f, false, "tenant " SLICE_FMT ": there is no key for its Odoo; it is not read", SLICE_ARG(t->name));
}

static void
check_tenants(struct cli *cli, struct findings *f)
{
	struct slice last = { 0 };
	size_t count = 0;
	bool more = true;
	while (more) {
		struct wire_frame answer;
		struct wire_field field;
		struct tenant t;
		size_t before = count;
		int r = list_page(cli, last, &answer);
		if (r < 0 || answer.kind != P_TENANT_FOUND) {
			finding(f, false, "the keeper at %s does not answer (%s); its tenants were not looked at", cli->keeper.path,
			    r < 0 ? strerror(-r) : "it refused");
			return;
		}
		for (struct wire_reader w = { .rest = answer.payload }; wire_next(&w, &field);) {
			if (field.tag != T_TENANT)
				continue;
			struct slice record = arena_copy(cli->arena, field.value);
			count++;
			if (tenant_decode(record, cli->arena, &t) < 0) {
				finding(f, true, "the record of a tenant cannot be read; import it again");
				return;
			}
			check_tenant(cli, f, &t);
			check_odoo(f, &t);
			last = t.name;
		}
		more = count > before && wire_u64(answer.payload, T_MORE, 0) != 0;
	}
	if (count == 0)
		finding(f, false, "no tenants; add some with: ponte tenant import FILE.yaml");
}

static int
check_files(struct cli *cli)
{
	struct findings f = { 0 };
	struct secret_key intake, outgoing;
	bool have_intake, have_outgoing;
	if (cli_keeper(cli) != EXIT_DONE)
		return EXIT_FAILED;
	check_key(cli, &f, "intake.key", &intake, &have_intake);
	check_key(cli, &f, "outgoing.key", &outgoing, &have_outgoing);
	if (have_intake && have_outgoing &&
	    crypt_equal(slice_from(intake.byte, sizeof(intake.byte)), slice_from(outgoing.byte, sizeof(outgoing.byte))))
		finding(&f, true, "intake.key and outgoing.key are the same; make them anew with: ponte key new");
	crypt_wipe(&intake, sizeof(intake));
	crypt_wipe(&outgoing, sizeof(outgoing));
	check_named(cli, &f);
	check_store_file(cli, &f);
	check_tenants(cli, &f);
	if (f.wrong)
		return cli_fail("%u thing%s wrong", f.wrong, f.wrong == 1 ? " is" : "s are");
	printf("ok: " SLICE_FMT "\n", SLICE_ARG(cli->config_path));
	return EXIT_DONE;
}

/* ---- the store ---- */

static void
print_difference(struct slice row, bool json)
{
	struct slice tenant = wire_text(row, T_NAME), book = wire_text(row, T_BOOK), state = wire_text(row, T_STATE);
	int64_t said = wire_i64(row, T_COUNT, 0), counted = wire_i64(row, T_RECOUNT, 0);
	if (json)
		printf("{\"tenant\":\"" SLICE_FMT "\",\"book\":\"" SLICE_FMT "\",\"state\":\"" SLICE_FMT "\",\"count\":%" PRId64
		    ",\"recount\":%" PRId64 "}\n", SLICE_ARG(tenant), SLICE_ARG(book), SLICE_ARG(state), said, counted);
	else
		printf("tenant " SLICE_FMT ", book " SLICE_FMT ", " SLICE_FMT ": the book says %" PRId64 ", the rows say %" PRId64 "\n",
		    SLICE_ARG(tenant), SLICE_ARG(book), SLICE_ARG(state), said, counted);
}

static int
check_books(struct cli *cli, bool json)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_field field;
	struct wire_writer w;
	unsigned differences = 0;
	if (cli_keeper(cli) != EXIT_DONE)
		return EXIT_FAILED;
	/* A recount may take an hour; that nobody is there is known at once. */
	wire_begin(&w, &out, P_PROBE, net_caller_next(&cli->keeper));
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	buf_clear(&out);
	wire_begin(&w, &out, P_CHECK, net_caller_next(&cli->keeper));
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask_for(cli, &out, RECOUNT_MS, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	struct slice file = wire_text(answer.payload, T_REASON);
	for (struct wire_reader rest = { .rest = answer.payload }; wire_next(&rest, &field);)
		if (field.tag == T_ROW) {
			print_difference(field.value, json);
			differences++;
		}
	if (!slice_eq(file, SLICE("ok")))
		return cli_fail("the store's file: " SLICE_FMT, SLICE_ARG(file));
	if (differences)
		return cli_fail("%u difference%s between books and rows", differences, differences == 1 ? "" : "s");
	if (!json)
		puts("ok: books and rows agree, the file is whole");
	return EXIT_DONE;
}

int
cmd_check(struct cli *cli, int argc, char **argv)
{
	bool store = false, json = cli->json;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--store") == 0)
			store = true;
		else if (strcmp(argv[i], "--json") == 0)
			json = true;
		else
			return cli_usage("check", "check takes no '%s'", argv[i]);
	}
	return store ? check_books(cli, json) : check_files(cli);
}
