#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ponte/ponte.h"
#include "app/ponte/rows.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/json.h"
#include "lib/token.h"

struct options {
	const char *tenant, *name, *file;
	uint64_t    scopes;
	int64_t     expires_us;         /* 0: never */
	bool        json;
};

/* ---- new ---- */

static void
wiped_free(char **text)
{
	if (*text)
		crypt_wipe(*text, strlen(*text));
	free(*text);
}

/* One that an addon of the field has already: never an argument, which others
 * could see. */
static int
read_reference(const struct options *o, char **ret)
{
	size_t len;
	int r = file_read_private(o->file, 4096, ret, &len);
	if (r < 0)
		return cli_fail("%s: %s", o->file, r == -EPERM ? "others can read it; chmod 600 it" : strerror(-r));
	while (len > 0 && ((*ret)[len - 1] == '\n' || (*ret)[len - 1] == '\r'))
		(*ret)[--len] = '\0';
	if (!token_is_reference(slice_of(*ret)))
		return cli_fail("%s: not one line of 8 to 256 printable characters", o->file);
	if (o->scopes & ~(uint64_t)TOKEN_OF_REFERENCE)
		return cli_fail("a token that ponte did not make may have the scopes sync and read only");
	return EXIT_DONE;
}

static int
token_new(struct cli *cli, const struct options *o)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_writer w;
	uint8_t dice[32], hash[CRYPT_SHA256];
	char text[TOKEN_TEXT];

	crypt_random(dice, sizeof dice);
	token_text(dice, text);
	CLEANUP(wiped_free) char *given = NULL;
	if (o->file && read_reference(o, &given) != EXIT_DONE)
		return EXIT_FAILED;
	crypt_sha256(slice_of(given ? given : text), hash);
	wire_begin(&w, &out, P_TOKEN_NEW, net_caller_next(&cli->keeper));
	wire_put(&w, T_NAME, slice_of(o->tenant));
	wire_put(&w, T_LABEL, slice_of(o->name));
	wire_put_u64(&w, T_SCOPES, o->scopes);
	wire_put(&w, T_HASH, slice_from(hash, sizeof hash));
	wire_put_i64(&w, T_DUE_US, o->expires_us);
	int r = wire_end(&w) == 0 ? cli_ask(cli, &out, &answer) : cli_fail("out of memory");
	if (r == EXIT_DONE && given)
		printf(o->json ? "{\"tenant\":\"%s\",\"name\":\"%s\"}\n" : "%s: token %s taken over\n", o->tenant, o->name);
	else if (r == EXIT_DONE && o->json)
		printf("{\"tenant\":\"%s\",\"name\":\"%s\",\"token\":\"%s\"}\n", o->tenant, o->name, text);
	else if (r == EXIT_DONE)
		printf("%s\n", text);
	if (r == EXIT_DONE && !o->json && !given)
		fprintf(stderr, "ponte: this is shown once; only its hash is kept\n");
	crypt_wipe(text, sizeof text);
	crypt_wipe(dice, sizeof dice);
	return r;
}

/* ---- list ---- */

static void
scopes_text(uint64_t scopes, char *text, size_t size)
{
	size_t n = 0;
	text[0] = '\0';
#define X(name, bit, word) \
	if (scopes & (bit) && n < size) \
		n += (size_t)snprintf(text + n, size - n, "%s%s", n ? "," : "", word);
	TOKEN_SCOPES(X)
#undef X
}

static void
print_token(const struct options *o, struct slice row)
{
	char scopes[64], made[CLOCK_TEXT], expires[CLOCK_TEXT], used[CLOCK_TEXT];
	scopes_text(wire_u64(row, T_SCOPES, 0), scopes, sizeof scopes);
	const char *when[] = {
		rows_time(wire_i64(row, T_CREATED_US, 0), made), rows_time(wire_i64(row, T_DUE_US, 0), expires),
		rows_time(wire_i64(row, T_RECEIVED_US, 0), used),
	};
	struct slice tenant = wire_text(row, T_NAME), name = wire_text(row, T_LABEL);
	if (!o->json) {
		printf("%-20.*s %-20.*s %-16s made %s  expires %s  last used %s\n", SLICE_ARG(tenant), SLICE_ARG(name), scopes,
		    when[0], strcmp(when[1], "-") == 0 ? "never" : when[1], strcmp(when[2], "-") == 0 ? "never" : when[2]);
		return;
	}
	printf("{\"tenant\":\"" SLICE_FMT "\",\"name\":\"" SLICE_FMT "\",\"scopes\":\"%s\"", SLICE_ARG(tenant), SLICE_ARG(name), scopes);
	static const char *const keys[] = { "made_at", "expires_at", "used_at" };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		printf(strcmp(when[i], "-") == 0 ? ",\"%s\":null" : ",\"%s\":\"%s\"", keys[i], when[i]);
	puts("}");
}

static int
token_list(struct cli *cli, const struct options *o)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_writer w;
	struct wire_field f;
	size_t n = 0;

	wire_begin(&w, &out, P_TOKEN_LIST, net_caller_next(&cli->keeper));
	if (o->tenant)
		wire_put(&w, T_NAME, slice_of(o->tenant));
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	for (struct wire_reader r = { .rest = answer.payload }; wire_next(&r, &f);)
		if (f.tag == T_ROW) {
			print_token(o, f.value);
			n++;
		}
	if (n == 0 && !o->json)
		puts("no tokens; make one with: ponte token new NAME --tenant TENANT --scope reply");
	return EXIT_DONE;
}

/* ---- revoke ---- */

static int
token_revoke(struct cli *cli, const struct options *o)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_writer w;

	wire_begin(&w, &out, P_TOKEN_REVOKE, net_caller_next(&cli->keeper));
	wire_put(&w, T_NAME, slice_of(o->tenant));
	wire_put(&w, T_LABEL, slice_of(o->name));
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	printf(o->json ? "{\"revoked\":\"%s\"}\n" : "revoked %s\n", o->name);
	return EXIT_DONE;
}

/* ---- the command line ---- */

/* "reply,read" */
static int
read_scopes(struct options *o, const char *text)
{
	struct slice rest = slice_of(text), one;
	for (bool more = true; more;) {
		more = slice_cut(rest, ',', &one, &rest);
		if (!more)
			one = rest;
		uint64_t scope = token_scope_of(slice_trim(one));
		if (scope == 0)
			return cli_usage("token", "there is no scope '" SLICE_FMT "'", SLICE_ARG(one));
		o->scopes |= scope;
	}
	return EXIT_DONE;
}

static int
read_expiry(struct options *o, const char *text)
{
	int64_t ms;
	if (settings_duration(slice_of(text), &ms) != 0 || ms == 0)
		return cli_usage("token", "'%s' is not a time like 30d or 12h", text);
	o->expires_us = clock_wall_us() + ms * 1000;
	return EXIT_DONE;
}

static int
arguments(struct options *o, int argc, char **argv)
{
	static const struct option table[] = {
		{ "tenant", required_argument, NULL, 't' }, { "scope", required_argument, NULL, 's' },
		{ "expires", required_argument, NULL, 'e' }, { "token-file", required_argument, NULL, 'f' }, { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 },
	};
	opterr = 0;
	optind = 1;
	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		int r = EXIT_DONE;
		switch (c) {
		case 't': o->tenant = optarg;           break;
		case 's': r = read_scopes(o, optarg);   break;
		case 'e': r = read_expiry(o, optarg);   break;
		case 'f': o->file = optarg;             break;
		case 'j': o->json = true;               break;
		default:  return cli_usage("token", "what is '%s'?", argv[optind - 1]);
		}
		if (r != EXIT_DONE)
			return r;
	}
	if (optind < argc)
		o->name = argv[optind++];
	return optind < argc ? cli_usage("token", "what is '%s'?", argv[optind]) : EXIT_DONE;
}

int
cmd_token(struct cli *cli, int argc, char **argv)
{
	static const struct { const char *name; int (*run)(struct cli *, const struct options *); bool named; } verbs[] = {
		{ "new", token_new, true }, { "list", token_list, false }, { "revoke", token_revoke, true },
	};
	struct options o = { .json = cli->json };
	if (argc < 2)
		return cli_usage("token", "token what? new, list or revoke");
	const char *verb = argv[1];
	int r = arguments(&o, argc - 1, argv + 1);
	if (r != EXIT_DONE)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, verb) != 0)
			continue;
		if (verbs[i].named != (o.name != NULL) || (verbs[i].named && !o.tenant))
			return cli_usage("token", verbs[i].named ? "token %s wants a name and --tenant" : "token %s takes no name", verb);
		if (o.name && (!settings_name_ok(slice_of(o.name)) || !settings_name_ok(slice_of(o.tenant))))
			return cli_usage("token", "a name is 1 to 64 of [A-Za-z0-9_.-]");
		if (verbs[i].run == token_new && o.scopes == 0)
			return cli_usage("token", "token new wants --scope: what may it do?");
		return cli_keeper(cli) == EXIT_DONE ? verbs[i].run(cli, &o) : EXIT_FAILED;
	}
	return cli_usage("token", "there is no 'token %s'", verb);
}
