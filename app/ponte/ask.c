/* ponte tenant ask: one question to the tenant's Odoo, or to its hub.  The
 * courier puts it, who has the keys; of an Odoo it takes none that writes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/ponte/ponte.h"
#include "app/ponte/rows.h"
#include "app/ponte/tenant.h"
#include "lib/clock.h"
#include "lib/json.h"

#define PATIENCE_MS  (30 * MS_PER_S)
#define PATIENCE_MAX (150 * MS_PER_S)
#define GRACE_MS     (2 * MS_PER_S)     /* for the courier to say that the time is over */

struct options {
	const char *tenant, *argument[4];       /* MODEL METHOD ARGS KWARGS; of a hub: BODY */
	size_t  arguments;
	int64_t patience_ms;
	bool    hub, json;
};

/* How many products: each Odoo that we speak to has some. */
static const char *const usual[] = { "product.template", "search_count", "[[]]", "{}" };

/* EXIT_DONE or EXIT_USAGE. */
static int
check(const char *text, char opening, const char *example)
{
	struct json_limits limits = json_default_limits;
	struct json_fault fault = { .what = "another kind of value" };
	limits.object = false;
	int r = json_check(slice_of(text), &limits, &fault);
	if (r == 0 && text[strspn(text, " \t\r\n")] == opening)
		return EXIT_DONE;
	return cli_usage("tenant", "'%s' is no JSON %s (byte %zu: %s); write for instance %s", text, opening == '[' ? "array" : "object",
	    fault.offset, fault.what, example);
}

static int
question(const struct options *o, struct buf *out)
{
	const char *const *q = o->arguments == 0 ? usual : o->argument;
	const char *args = o->arguments == 2 ? "[]" : q[2], *kwargs = o->arguments == 2 || o->arguments == 3 ? "{}" : q[3];
	int r;

	if (o->hub) {
		r = check(q[0], '{', "'{\"messages\":[]}'");
		return r != EXIT_DONE ? r : buf_append_slice(out, slice_of(q[0])) < 0 ? cli_fail("out of memory") : EXIT_DONE;
	}
	if ((r = check(args, '[', "'[[[\"active\",\"=\",true]]]'")) != EXIT_DONE || (r = check(kwargs, '{', "'{\"limit\":5}'")) != EXIT_DONE)
		return r;
	r = buf_append_slice(out, SLICE("{\"model\":"));
	r = r < 0 ? r : json_quote(slice_of(q[0]), out);
	r = r < 0 ? r : buf_append_slice(out, SLICE(",\"method\":"));
	r = r < 0 ? r : json_quote(slice_of(q[1]), out);
	r = r < 0 ? r : buf_printf(out, ",\"args\":%s,\"kwargs\":%s}", args, kwargs);
	return r < 0 ? cli_fail("out of memory") : EXIT_DONE;
}

/* However long it is.  EXIT_DONE or EXIT_FAILED. */
static int
print(const struct options *o, struct slice answer, int64_t took_ms)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	if (buf_append_slice(&text, answer) < 0)
		return cli_fail("out of memory");
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '\n' || text.ptr[i] == '\r' || text.ptr[i] == '\t')
			text.ptr[i] = ' ';              /* of JSON between its tokens */
	rows_mask(text.ptr, text.len);
	if (o->json)
		printf("{\"tenant\":\"%s\",\"ms\":%" PRId64 ",\"answer\":", o->tenant, took_ms);
	else if (o->arguments == 0)
		printf("%s: Odoo answers, after %" PRId64 " ms; it has ", o->tenant, took_ms);
	size_t put = fwrite(text.ptr, 1, text.len, stdout);
	fputs(o->json ? "}\n" : o->arguments == 0 ? " products\n" : "\n", stdout);
	return put == text.len && fflush(stdout) == 0 ? EXIT_DONE : cli_fail("the answer could not be written: %s", strerror(errno));
}

static int
run(struct cli *cli, const struct options *o)
{
	CLEANUP(buf_free) struct buf body = { 0 }, out = { 0 };
	struct net_caller courier;
	struct wire_frame answer = { 0 };
	struct wire_writer w;
	int r = question(o, &body);
	if (r != EXIT_DONE || (r = cli_config(cli)) != EXIT_DONE)
		return r;
	const char *path = arena_text(cli->arena, cli->config.listen.courier);
	if (!path)
		return cli_fail("out of memory");
	net_caller_init(&courier, path);
	wire_begin(&w, &out, P_CALL, net_caller_next(&courier));
	wire_put(&w, T_NAME, slice_of(o->tenant));
	wire_put_u64(&w, T_KIND, o->hub ? CALL_HUB : CALL_ODOO);
	wire_put_i64(&w, T_DELAY_MS, o->patience_ms);
	wire_put(&w, T_BODY, buf_view(&body));
	wire_put_u64(&w, T_ALL, 1);
	int64_t began_ms = clock_mono_ms();
	r = wire_end(&w);
	if (r == 0)
		r = net_call(&courier, buf_view(&out), began_ms + o->patience_ms + GRACE_MS, &answer);
	if (r < 0)
		return cli_fail("no answer from the courier at %s: %s; is it running?", courier.path, strerror(-r));
	struct slice why = rows_plain(cli, wire_text(answer.payload, T_REASON));
	if (answer.kind != P_CALL_OK || wire_u64(answer.payload, T_RESULT, CALL_NONE) != CALL_DONE)
		r = cli_fail("%s: " SLICE_FMT "%s", o->tenant, SLICE_ARG(why), rows_advice(why));
	else
		r = print(o, wire_text(answer.payload, T_BODY), clock_mono_ms() - began_ms);
	net_caller_close(&courier);
	return r;
}

int
tenant_ask(struct cli *cli, int argc, char **argv)
{
	static const struct option table[] = {
		{ "hub", no_argument, NULL, 'h' }, { "json", no_argument, NULL, 'j' }, { "timeout", required_argument, NULL, 't' }, { NULL, 0, NULL, 0 },
	};
	struct options o = { .patience_ms = PATIENCE_MS, .json = cli->json };
	opterr = 0;
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		switch (c) {
		case 'h': o.hub = true;  break;
		case 'j': o.json = true; break;
		case 't':
			if (settings_duration(slice_of(optarg), &o.patience_ms) != 0 || o.patience_ms < 1 || o.patience_ms > PATIENCE_MAX)
				return cli_usage("tenant", "--timeout is 1ms to 150s, not '%s'", optarg);
			break;
		default:
			return cli_usage("tenant", "tenant ask does not take '%s'", argv[optind - 1]);
		}
	}
	if (optind < argc)
		o.tenant = argv[optind++];
	while (optind < argc && o.arguments < ARRAY_LEN(o.argument))
		o.argument[o.arguments++] = argv[optind++];
	if (!o.tenant || optind < argc || (o.hub ? o.arguments != 1 : o.arguments == 1))
		return cli_usage("tenant", "tenant ask wants a tenant's name, and MODEL METHOD [ARGS [KWARGS]] or --hub BODY");
	if (!settings_name_ok(slice_of(o.tenant)))
		return cli_usage("tenant", "'%s' is not a tenant's name", o.tenant);
	return run(cli, &o);
}
