/* ponte queue destinations: how much goes where now, as the courier has it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/ponte/ponte.h"
#include "lib/clock.h"
#include "lib/json.h"

#define ASK_MS 5000

static void
print_row(struct slice row, const char *dest)
{
	int64_t pause = wire_i64(row, T_DELAY_MS, 0);
	struct slice tenant = wire_text(row, T_NAME);
	printf("%-20.*s %-8s on the way %3" PRIu64 " of %-3" PRIu64 " waiting for room %3" PRIu64, SLICE_ARG(tenant), dest,
	    wire_u64(row, T_COUNT, 0), wire_u64(row, T_MAX, 0), wire_u64(row, T_N, 0));
	if (pause > 0)
		printf("  paused for %" PRId64 ".%" PRId64 " s", pause / 1000, pause % 1000 / 100);
	else if (pause < 0)
		printf("  one try is on its way");
	puts("");
}

static int
print_json(struct slice row, const char *dest, uint64_t limit)
{
	CLEANUP(buf_free) struct buf name = { 0 };
	int64_t pause = wire_i64(row, T_DELAY_MS, 0);
	if (json_quote(wire_text(row, T_NAME), &name) != 0)
		return cli_fail("out of memory");
	printf("{\"tenant\":" SLICE_FMT ",\"dest\":\"%s\",\"in_flight\":%" PRIu64 ",\"window\":%" PRIu64 ",\"limit\":%" PRIu64
	    ",\"waiting\":%" PRIu64 ",\"paused_ms\":", SLICE_ARG(buf_view(&name)), dest, wire_u64(row, T_COUNT, 0),
	    wire_u64(row, T_MAX, 0), limit, wire_u64(row, T_N, 0));
	if (pause < 0)
		puts("null}");
	else
		printf("%" PRId64 "}\n", pause);
	return EXIT_DONE;
}

static int
print_all(const struct wire_frame *answer, struct slice tenant, bool json)
{
	struct wire_field f;
	size_t shown = 0;
	uint64_t limit = wire_u64(answer->payload, T_MAX, 0);
	for (struct wire_reader r = { .rest = answer->payload }; wire_next(&r, &f);) {
		if (f.tag != T_ROW || (tenant.len && !slice_eq(wire_text(f.value, T_NAME), tenant)))
			continue;
		const char *dest = wire_u64(f.value, T_DEST, 0) == DEST_HUB ? "hub" : "chatwoot";
		shown++;
		if (!json)
			print_row(f.value, dest);
		else if (print_json(f.value, dest, limit) != EXIT_DONE)
			return EXIT_FAILED;
	}
	if (!json && shown == 0)
		printf("nothing is on its way and no destination is in trouble; each may have %" PRIu64 " requests\n", limit);
	return EXIT_DONE;
}

int
queue_destinations(struct cli *cli, struct slice tenant)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct net_caller courier;
	struct wire_writer w;
	struct wire_frame answer = { 0 };
	const char *path = arena_text(cli->arena, cli->config.listen.courier);
	if (!path)
		return cli_fail("out of memory");
	net_caller_init(&courier, path);
	wire_begin(&w, &out, P_DESTINATIONS, net_caller_next(&courier));
	int r = wire_end(&w);
	if (r == 0)
		r = net_call(&courier, buf_view(&out), clock_mono_ms() + ASK_MS, &answer);
	if (r < 0)
		r = cli_fail("no answer from the courier at %s: %s; is it running?", path, strerror(-r));
	else if (answer.kind == P_ERROR)
		r = cli_fail(SLICE_FMT, SLICE_ARG(wire_text(answer.payload, T_REASON)));
	else
		r = print_all(&answer, tenant, cli->json);
	net_caller_close(&courier);
	return r;
}
