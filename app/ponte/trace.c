/* The whole life of one message, in the order of time. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ponte/ponte.h"
#include "app/ponte/rows.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/clock.h"
#include "lib/json.h"

/* enum store_step, as the wire has it. */
enum { STEP_EVENT = 1, STEP_DELIVERY, STEP_ATTEMPT };
#define LINES_MAX 4000

struct line { int64_t at_us; size_t order; struct slice text; };
struct lines { struct line line[LINES_MAX]; size_t n; };

static void PRINTF_LIKE(4, 5)
add(struct cli *cli, struct lines *all, int64_t at_us, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	if (all->n == LINES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	all->line[all->n] = (struct line){ at_us, all->n, arena_copy(cli->arena, slice_of(text)) };
	all->n++;
}

static int
by_time(const void *va, const void *vb)
{
	const struct line *a = va, *b = vb;
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* ---- what the rows say ---- */

static const char *
verdict_text(enum settle_verdict v)
{
	switch (v) {
	case SETTLE_DONE:       return "done";
	case SETTLE_RETRY:      return "to be tried again";
	case SETTLE_STOP:       return "the destination is stopped";
	case SETTLE_DEAD:       return "dead";
	case SETTLE_UNKNOWN:    return "nobody knows whether it arrived";
	case SETTLE_SUPPRESSED: return "suppressed";
	case SETTLE_RELEASE:    return "given back untried";
	case SETTLE_WAIT:       return "the hub will answer by itself";
	case SETTLE_ABSENT:     return "looked up: it did not arrive";
	}
	return "?";
}

static void
tell_event(struct cli *cli, struct lines *all, struct slice row)
{
	enum chatwoot_decision d = (enum chatwoot_decision)wire_u64(row, T_DECISION, 0);
	struct slice why = rows_plain(cli, wire_text(row, T_REASON)), sender = rows_plain(cli, wire_text(row, T_SENDER));
	add(cli, all, wire_i64(row, T_RECEIVED_US, 0), "received from sender " SLICE_FMT "%s: message %" PRId64 " of conversation %" PRId64
	    ", account %" PRId64 "; request " SLICE_FMT, SLICE_ARG(sender), wire_u64(row, T_MORE, 0) ? " (recovered by a catch-up)" : "",
	    wire_i64(row, T_MESSAGE, 0), wire_i64(row, T_CONVERSATION, 0), wire_i64(row, T_ACCOUNT, 0),
	    SLICE_ARG(rows_plain(cli, wire_text(row, T_REQUEST_ID))));
	add(cli, all, wire_i64(row, T_RECEIVED_US, 0), "decided: %s (" SLICE_FMT ")", chatwoot_decision_text(d), SLICE_ARG(why));
}

static void
tell_delivery(struct cli *cli, struct lines *all, struct slice row)
{
	int64_t id = wire_i64(row, T_DELIVERY, 0), batch = wire_i64(row, T_BATCH, 0);
	char event[UUID_TEXT];
	struct slice why = rows_plain(cli, wire_text(row, T_REASON));
	rows_event(row, event);
	add(cli, all, wire_i64(row, T_RECEIVED_US, 0), "%s %" PRId64 " made%s%s%s%s, for %s.%" PRId64, rows_kind(row), id,
	    batch && batch != id ? ", travels with another" : "", wire_u64(row, T_LATE, 0) ? ", late" : "",
	    wire_u64(row, T_REPLAYED, 0) ? ", replayed" : "", wire_u64(row, T_LADDER, 0) ? ", because there was no answer" : "",
	    event, wire_i64(row, T_N, 0));
	int64_t settled = wire_i64(row, T_SETTLED_US, 0);
	add(cli, all, settled ? settled : INT64_MAX, "%s %" PRId64 " is %s%s" SLICE_FMT, rows_kind(row), id, rows_state(row),
	    why.len ? ": " : "", SLICE_ARG(why));
}

static void
tell_attempt(struct cli *cli, struct lines *all, struct slice row)
{
	int64_t from = wire_i64(row, T_RECEIVED_US, 0), to = wire_i64(row, T_SETTLED_US, 0), status = wire_i64(row, T_STATUS, 0);
	struct slice why = rows_plain(cli, wire_text(row, T_REASON));
	char code[32] = "";
	if (status)
		snprintf(code, sizeof code, ", HTTP %" PRId64, status);
	add(cli, all, to, "attempt %" PRId64 " of %" PRId64 ": %s after %" PRId64 ".%03" PRId64 " s%s%s" SLICE_FMT, wire_i64(row, T_ATTEMPT, 0),
	    wire_i64(row, T_DELIVERY, 0), verdict_text((enum settle_verdict)wire_u64(row, T_VERDICT, 0)), (to - from) / US_PER_S,
	    (to - from) / 1000 % 1000, code, why.len ? ": " : "", SLICE_ARG(why));
}

/* ---- printing ---- */

static void
print_lines(struct lines *all)
{
	int64_t start = all->n ? all->line[0].at_us : 0;
	char when[CLOCK_TEXT];
	for (size_t i = 0; i < all->n; i++) {
		const struct line *l = &all->line[i];
		if (l->at_us == INT64_MAX)
			printf("%-24s %10s  " SLICE_FMT "\n", "now", "", SLICE_ARG(l->text));
		else
			printf("%s %+9.3fs  " SLICE_FMT "\n", rows_time(l->at_us, when), (double)(l->at_us - start) / 1e6, SLICE_ARG(l->text));
	}
}

static int
print_json(struct lines *all)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	char when[CLOCK_TEXT];
	int r = 0;
	for (size_t i = 0; r == 0 && i < all->n; i++) {
		const struct line *l = &all->line[i];
		r = l->at_us == INT64_MAX ? buf_printf(&out, "{\"at\":null,\"what\":")
		    : buf_printf(&out, "{\"at\":\"%s\",\"what\":", rows_time(l->at_us, when));
		if (r == 0)
			r = json_quote(l->text, &out);
		if (r == 0)
			r = buf_append_slice(&out, SLICE("}\n"));
	}
	if (r != 0)
		return cli_fail("out of memory");
	fwrite(buf_view(&out).ptr, 1, out.len, stdout);
	return EXIT_DONE;
}

static int
trace(struct cli *cli, const struct uuid *event, bool json)
{
	static struct lines all;
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_writer w;
	struct wire_field f;
	wire_begin(&w, &out, P_TRACE, net_caller_next(&cli->keeper));
	wire_put(&w, T_EVENT_ID, slice_from(event->byte, sizeof event->byte));
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	for (struct wire_reader r = { .rest = answer.payload }; wire_next(&r, &f);) {
		if (f.tag != T_ROW)
			continue;
		switch (wire_u64(f.value, T_RESULT, 0)) {
		case STEP_EVENT:    tell_event(cli, &all, f.value);    break;
		case STEP_DELIVERY: tell_delivery(cli, &all, f.value); break;
		case STEP_ATTEMPT:  tell_attempt(cli, &all, f.value);  break;
		}
	}
	qsort(all.line, all.n, sizeof all.line[0], by_time);
	if (json)
		return print_json(&all);
	print_lines(&all);
	return EXIT_DONE;
}

int
cmd_trace(struct cli *cli, int argc, char **argv)
{
	struct uuid event;
	const char *text = NULL;
	bool json = cli->json;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (argv[i][0] == '-' || text)
			return cli_usage("trace", "trace does not take '%s'", argv[i]);
		else
			text = argv[i];
	}
	if (!text || uuid_parse(slice_of(text), &event) != 0)
		return cli_usage("trace", "trace wants an event id, as logs, answers and queue list show it");
	return cli_keeper(cli) == EXIT_DONE ? trace(cli, &event, json) : EXIT_FAILED;
}
