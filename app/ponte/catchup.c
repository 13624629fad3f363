/* What a Chatwoot never sent is fetched, and an Odoo is read: the courier does
 * it, and is asked how it goes until it is over. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "app/ponte/ponte.h"
#include "app/ponte/rows.h"
#include "app/ponte/tenant.h"
#include "lib/clock.h"
#include "lib/crypt.h"

#define ASK_MS   10000
#define AGAIN_MS 100

struct options {
	uint16_t kind;                  /* P_CATCHUP or P_PULL */
	const char *tenant, *installation;
	int64_t since_us;
	bool dry_run, json;
};

static int
ask(struct net_caller *courier, const struct options *o, uint64_t number, struct wire_frame *ret)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	wire_begin(&w, &out, o->kind, net_caller_next(courier));
	wire_put(&w, T_NAME, slice_of(o->tenant));
	wire_put_u64(&w, T_AFTER, number);
	if (o->installation)
		wire_put(&w, T_INSTALLATION, slice_of(o->installation));
	if (o->since_us)
		wire_put_i64(&w, T_RECEIVED_US, o->since_us);
	if (o->dry_run)
		wire_put_u64(&w, T_DRY_RUN, 1);
	int r = wire_end(&w);
	if (r == 0)
		r = net_call(courier, buf_view(&out), clock_mono_ms() + ASK_MS, ret);
	if (r < 0)
		return cli_fail("no answer from the courier at %s: %s; is it running?", courier->path, strerror(-r));
	if (ret->kind == P_ERROR) {
		struct slice why = wire_text(ret->payload, T_REASON);
		return cli_fail(SLICE_FMT, SLICE_ARG(why));
	}
	return EXIT_DONE;
}

static void
print(struct cli *cli, const struct options *o, struct slice payload)
{
	struct wire_field f;
	struct slice why = rows_plain(cli, wire_text(payload, T_REASON));
	if (o->json)
		printf("{\"tenant\":\"%s\",\"dry_run\":%s", o->tenant, o->dry_run ? "true" : "false");
	for (struct wire_reader r = { .rest = payload }; wire_next(&r, &f);) {
		struct slice name = wire_text(f.value, T_NAME);
		if (f.tag == T_ROW)
			printf(o->json ? ",\"" SLICE_FMT "\":%" PRIu64 : SLICE_FMT "  %" PRIu64 "\n", SLICE_ARG(name),
			    wire_u64(f.value, T_COUNT, 0));
	}
	if (o->json)
		printf(",\"done\":%s}\n", why.len ? "false" : "true");
	else if (o->dry_run)
		puts("nothing was kept: --dry-run");
}

static void
show(struct slice payload)
{
	struct wire_field f;
	char line[200] = "";
	size_t n = 0;
	for (struct wire_reader r = { .rest = payload }; wire_next(&r, &f) && n < sizeof(line);) {
		struct slice name = wire_text(f.value, T_NAME);
		uint64_t count = wire_u64(f.value, T_COUNT, 0);
		if (f.tag == T_ROW && count)
			n += (size_t)snprintf(line + n, sizeof(line) - n, "%s" SLICE_FMT " %" PRIu64, n ? ", " : "", SLICE_ARG(name), count);
	}
	rows_progress("%s", line);
}

static int
run(struct cli *cli, const struct options *o)
{
	struct net_caller courier;
	struct wire_frame answer = { 0 };
	uint64_t number = 0;
	const char *path = arena_text(cli->arena, cli->config.listen.courier);
	if (!path)
		return cli_fail("out of memory");
	crypt_random(&number, sizeof(number));
	number |= 1;
	net_caller_init(&courier, path);
	for (;;) {
		if (ask(&courier, o, number, &answer) != EXIT_DONE)
			return EXIT_FAILED;
		if (!wire_u64(answer.payload, T_MORE, 0))
			break;
		show(answer.payload);
		poll(NULL, 0, AGAIN_MS);
	}
	rows_progress("%s", "");
	print(cli, o, answer.payload);
	struct slice why = rows_plain(cli, wire_text(answer.payload, T_REASON)), where = wire_text(answer.payload, T_INSTALLATION);
	int r = why.len == 0 ? EXIT_DONE : where.len == 0 ? cli_fail("%s: " SLICE_FMT "%s", o->tenant, SLICE_ARG(why), rows_advice(why))
	    : cli_fail("%s, installation " SLICE_FMT ": " SLICE_FMT "%s", o->tenant, SLICE_ARG(where), SLICE_ARG(why), rows_advice(why));
	net_caller_close(&courier);
	return r;
}

/* ---- the command line ---- */

static int
arguments(struct options *o, int argc, char **argv)
{
	const char *name = argv[0];
	static const struct option table[] = {
		{ "dry-run", no_argument, NULL, 'd' },     { "json", no_argument, NULL, 'j' },
		{ "since", required_argument, NULL, 's' }, { "installation", required_argument, NULL, 'i' }, { NULL, 0, NULL, 0 },
	}, fewer[] = {
		{ "dry-run", no_argument, NULL, 'd' },     { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 },
	};
	int64_t now_us = clock_wall_us();
	opterr = 0;
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "", o->kind == P_PULL ? fewer : table, NULL)) != -1;) {
		switch (c) {
		case 'i': o->installation = optarg; break;
		case 'd': o->dry_run = true;        break;
		case 'j': o->json = true;           break;
		case 's':
			if (rows_time_read(optarg, now_us, &o->since_us) != 0 || o->since_us > now_us)
				return cli_usage("tenant", "'%s' is no time in the past: write 2h, 3d or 2026-01-02T10:00:00Z", optarg);
			break;
		default:
			return cli_usage("tenant", "tenant %s does not take '%s'", name, argv[optind - 1]);
		}
	}
	if (optind + 1 != argc)
		return cli_usage("tenant", "tenant %s wants a tenant's name", name);
	o->tenant = argv[optind];
	if (!settings_name_ok(slice_of(o->tenant)))
		return cli_usage("tenant", "'%s' is not a tenant's name", o->tenant);
	return EXIT_DONE;
}

static int
go(struct cli *cli, uint16_t kind, int argc, char **argv)
{
	struct options o = { .kind = kind, .json = cli->json };
	int r = arguments(&o, argc, argv);
	if (r != EXIT_DONE)
		return r;
	return cli_config(cli) == EXIT_DONE ? run(cli, &o) : EXIT_FAILED;
}

int
tenant_catchup(struct cli *cli, int argc, char **argv)
{
	return go(cli, P_CATCHUP, argc, argv);
}

int
tenant_sync(struct cli *cli, int argc, char **argv)
{
	return go(cli, P_PULL, argc, argv);
}
