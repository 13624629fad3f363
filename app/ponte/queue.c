#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ponte/ponte.h"
#include "app/ponte/rows.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/uuid.h"

#define LIST_DEFAULT 100
#define IDS_MAX      1000

struct options {
	const char *verb;
	struct slice tenant;
	int         state, kind;        /* 0: any */
	struct uuid event;
	bool        has_event, all, dry_run, body, json;
	int64_t     after, older_us, newer_us;
	uint64_t    limit;
	uint64_t    id[IDS_MAX];
	size_t      ids;
};

/* ---- asking ---- */

static void
put_filter(struct wire_writer *w, const struct options *o, int64_t after, uint64_t max)
{
	for (size_t i = 0; i < o->ids; i++)
		wire_put_u64(w, T_DELIVERY, o->id[i]);
	if (o->tenant.len)
		wire_put(w, T_NAME, o->tenant);
	if (o->state)
		wire_put_u64(w, T_STATE, (uint64_t)o->state);
	if (o->kind)
		wire_put_u64(w, T_KIND, (uint64_t)o->kind);
	if (o->has_event)
		wire_put(w, T_EVENT_ID, slice_from(o->event.byte, sizeof(o->event.byte)));
	if (o->all)
		wire_put_u64(w, T_ALL, 1);
	if (o->dry_run)
		wire_put_u64(w, T_DRY_RUN, 1);
	if (o->older_us)
		wire_put_i64(w, T_OLDER_US, o->older_us);
	if (o->newer_us)
		wire_put_i64(w, T_NEWER_US, o->newer_us);
	wire_put_i64(w, T_AFTER, after);
	wire_put_u64(w, T_MAX, max);
}

static int
ask(struct cli *cli, enum protocol_kind kind, const struct options *o, int64_t after, uint64_t max,
    struct wire_frame *ret)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	wire_begin(&w, &out, kind, net_caller_next(&cli->keeper));
	put_filter(&w, o, after, max);
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	return cli_ask(cli, &out, ret);
}

/* ---- one row ---- */

static void
print_line(struct cli *cli, struct slice row)
{
	char event[UUID_TEXT], created[CLOCK_TEXT];
	rows_event(row, event);
	printf("%-8" PRIu64 " %-8s %-10s %-16.*s %s  %s  tries %" PRId64, wire_u64(row, T_DELIVERY, 0), rows_kind(row),
	    rows_state(row), SLICE_ARG(wire_text(row, T_NAME)), event,
	    rows_time(wire_i64(row, T_CREATED_US, 0), created), wire_i64(row, T_ATTEMPT, 0));
	struct slice why = rows_plain(cli, wire_text(row, T_REASON));
	printf("%s" SLICE_FMT "\n", why.len ? "  " : "", SLICE_ARG(why));
}

/* clang-format off */
static const struct { const char *name; uint16_t tag; enum { NUMBER, TEXT, TIME } type; } columns[] = {
	{ "tenant",       T_NAME,         TEXT   },
	{ "installation", T_INSTALLATION, TEXT   },
	{ "account",      T_ACCOUNT,      NUMBER },
	{ "inbox",        T_INBOX,        NUMBER },
	{ "conversation", T_CONVERSATION, NUMBER },
	{ "message",      T_MESSAGE,      NUMBER },
	{ "sender",       T_SENDER,       TEXT   },
	{ "request_id",   T_REQUEST_ID,   TEXT   },
	{ "n",            T_N,            NUMBER },
	{ "batch",        T_BATCH,        NUMBER },
	{ "late",         T_LATE,         NUMBER },
	{ "replayed",     T_REPLAYED,     NUMBER },
	{ "give_up",      T_LADDER,       NUMBER },
	{ "attempts",     T_ATTEMPT,      NUMBER },
	{ "crashes",      T_CRASHES,      NUMBER },
	{ "status",       T_STATUS,       NUMBER },
	{ "reason",       T_REASON,       TEXT   },
	{ "received_at",  T_RECEIVED_US,  TIME   },
	{ "created_at",   T_CREATED_US,   TIME   },
	{ "due_at",       T_DUE_US,       TIME   },
	{ "settled_at",   T_SETTLED_US,   TIME   },
};
/* clang-format on */

static int
print_json(struct slice row)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	char event[UUID_TEXT], when[CLOCK_TEXT];
	rows_event(row, event);
	int r = buf_printf(&out, "{\"id\":%" PRIu64 ",\"event_id\":\"%s\",\"kind\":\"%s\",\"state\":\"%s\"",
	    wire_u64(row, T_DELIVERY, 0), event, rows_kind(row), rows_state(row));
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(columns); i++) {
		int64_t n = wire_i64(row, columns[i].tag, 0);
		r = buf_printf(&out, ",\"%s\":", columns[i].name);
		if (r == 0 && columns[i].type == NUMBER)
			r = buf_printf(&out, "%" PRId64, n);
		else if (r == 0 && columns[i].type == TEXT)
			r = json_quote(wire_text(row, columns[i].tag), &out);
		else if (r == 0)
			r = n > 0 ? buf_printf(&out, "\"%s\"", rows_time(n, when)) : buf_printf(&out, "null");
	}
	if (r != 0)
		return cli_fail("out of memory");
	fwrite(buf_view(&out).ptr, 1, out.len, stdout);
	puts("}");
	return EXIT_DONE;
}

static int
print_all(struct cli *cli, struct slice row)
{
	char event[UUID_TEXT], when[CLOCK_TEXT];
	rows_event(row, event);
	printf("delivery      %" PRIu64 "\nkind          %s\nstate         %s\nevent         %s\n",
	    wire_u64(row, T_DELIVERY, 0), rows_kind(row), rows_state(row), event);
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		int64_t n = wire_i64(row, columns[i].tag, 0);
		printf("%-13s ", columns[i].name);
		if (columns[i].type == NUMBER)
			printf("%" PRId64 "\n", n);
		else if (columns[i].type == TIME)
			puts(rows_time(n, when));
		else
			printf(SLICE_FMT "\n", SLICE_ARG(rows_plain(cli, wire_text(row, columns[i].tag))));
	}
	return EXIT_DONE;
}

/* ---- the verbs ---- */

static int
list(struct cli *cli, const struct options *o)
{
	int64_t after = o->after;
	uint64_t shown = 0;
	bool more = true;
	while (more && shown < o->limit) {
		struct wire_frame answer = { 0 };
		struct wire_field f;
		if (ask(cli, P_QUEUE_LIST, o, after, o->limit - shown, &answer) != EXIT_DONE)
			return EXIT_FAILED;
		for (struct wire_reader r = { .rest = answer.payload }; wire_next(&r, &f);) {
			if (f.tag != T_ROW)
				continue;
			shown++;
			if (!o->json)
				print_line(cli, f.value);
			else if (print_json(f.value) != EXIT_DONE)
				return EXIT_FAILED;
		}
		more = wire_u64(answer.payload, T_MORE, 0) != 0;
		after = wire_i64(answer.payload, T_AFTER, after);
	}
	if (!o->json && shown == 0)
		puts("no such deliveries");
	if (!o->json && more)
		printf("there may be more: --after %" PRId64 "\n", after);
	return EXIT_DONE;
}

static int
show(struct cli *cli, const struct options *o)
{
	struct wire_frame answer = { 0 };
	struct wire_field f;
	size_t found = 0;
	if (ask(cli, P_QUEUE_LIST, o, 0, IDS_MAX, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	for (struct wire_reader r = { .rest = answer.payload }; wire_next(&r, &f);) {
		if (f.tag != T_ROW)
			continue;
		if (found++ && !o->json)
			puts("");
		if ((o->json ? print_json(f.value) : print_all(cli, f.value)) != EXIT_DONE)
			return EXIT_FAILED;
	}
	if (found == 0)
		return cli_fail("there is no such delivery; see: ponte queue list");
	return EXIT_DONE;
}

/* The event as Chatwoot sent it: what customers write, so it is asked for by
 * itself and the keeper's log says that it was. */
static int
show_body(struct cli *cli, uint64_t id)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_writer w;
	wire_begin(&w, &out, P_BODY, net_caller_next(&cli->keeper));
	wire_put_u64(&w, T_DELIVERY, id);
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	struct slice body = wire_text(answer.payload, T_BODY);
	if (body.len == 0)
		return cli_fail("its event was erased");
	fwrite(body.ptr, 1, body.len, stdout);
	putchar('\n');
	return EXIT_DONE;
}

static int
bodies(struct cli *cli, const struct options *o)
{
	for (size_t i = 0; i < o->ids; i++)
		if (show_body(cli, o->id[i]) != EXIT_DONE)
			return EXIT_FAILED;
	return o->ids ? EXIT_DONE : cli_usage("queue", "--body wants the numbers of deliveries");
}

static const struct change {
	const char *verb, *did;
	enum protocol_kind kind;
} changes[] = {
	{ "retry",   "retried",  P_QUEUE_RETRY },
	{ "hold",    "held",     P_QUEUE_HOLD },
	{ "release", "released", P_QUEUE_RELEASE },
	{ "drop",    "dropped",  P_QUEUE_DROP },
};

static const struct change *
change_of(const char *verb)
{
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		if (strcmp(changes[i].verb, verb) == 0)
			return &changes[i];
	return NULL;
}

/* Asked in pieces: the keeper answers others in between. */
static int
change(struct cli *cli, const struct options *o)
{
	const struct change *how = change_of(o->verb);
	int64_t count = 0, after = o->after;
	bool more = true;
	REQUIRE(how);
	while (more) {
		struct wire_frame answer = { 0 };
		if (ask(cli, how->kind, o, after, IDS_MAX, &answer) != EXIT_DONE)
			return EXIT_FAILED;
		count += wire_i64(answer.payload, T_COUNT, 0);
		more = wire_u64(answer.payload, T_MORE, 0) != 0;
		after = wire_i64(answer.payload, T_AFTER, after);
		if (more)
			rows_progress("%s %" PRId64, how->did, count);
	}
	rows_progress("%s", "");
	if (count == 0 && o->ids > 0)
		return cli_fail("no such delivery can be %s; see: ponte queue show %" PRIu64, how->did, o->id[0]);
	if (o->json)
		printf("{\"%s\":%" PRId64 ",\"dry_run\":%s}\n", how->did, count, o->dry_run ? "true" : "false");
	else
		printf("%s%s %" PRId64 " deliver%s\n", o->dry_run ? "would have " : "", how->did, count, count == 1 ? "y" : "ies");
	return EXIT_DONE;
}

static int
counts(struct cli *cli, const struct options *o)
{
	struct wire_frame answer = { 0 };
	struct wire_field f;
	if (ask(cli, P_QUEUE_COUNTS, o, 0, 1, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	for (struct wire_reader r = { .rest = answer.payload }; wire_next(&r, &f);) {
		if (f.tag != T_ROW)
			continue;
		struct slice tenant = wire_text(f.value, T_NAME), book = wire_text(f.value, T_BOOK), state = wire_text(f.value, T_STATE);
		if (o->tenant.len && !slice_eq(o->tenant, tenant))
			continue;
		if (o->json)
			printf("{\"tenant\":\"" SLICE_FMT "\",\"book\":\"" SLICE_FMT "\",\"state\":\"" SLICE_FMT "\",\"count\":%" PRId64 "}\n",
			    SLICE_ARG(tenant), SLICE_ARG(book), SLICE_ARG(state), wire_i64(f.value, T_COUNT, 0));
		else
			printf("%-20.*s %-10.*s %-20.*s %10" PRId64 "\n", SLICE_ARG(tenant), SLICE_ARG(book), SLICE_ARG(state),
			    wire_i64(f.value, T_COUNT, 0));
	}
	return EXIT_DONE;
}

/* ---- the command line ---- */

static int
destinations(struct cli *cli, const struct options *o)
{
	cli->json = o->json;
	return queue_destinations(cli, o->tenant);
}

static int
set_filter(struct options *o, int option, const char *value)
{
	uint64_t n;
	switch (option) {
	case 't':
		o->tenant = slice_of(value);
		return EXIT_DONE;
	case 's':
		o->state = delivery_state_of(slice_of(value));
		return o->state ? EXIT_DONE : cli_usage("queue", "there is no state '%s'", value);
	case 'k':
		o->kind = delivery_kind_of(slice_of(value));
		return o->kind ? EXIT_DONE : cli_usage("queue", "there is no kind '%s'", value);
	case 'e':
		o->has_event = true;
		return uuid_parse(slice_of(value), &o->event) == 0 ? EXIT_DONE : cli_usage("queue", "'%s' is no event id", value);
	case 'o':
	case 'n':
		if (rows_time_read(value, clock_wall_us(), option == 'o' ? &o->older_us : &o->newer_us) == 0)
			return EXIT_DONE;
		return cli_usage("queue", "'%s' is neither an age like 2h nor a time like 2026-01-02T10:00:00Z", value);
	case 'a':
	case 'l':
		if (slice_to_u64(slice_of(value), option == 'l', INT64_MAX, &n) != 0)
			return cli_usage("queue", "'%s' is not a number", value);
		if (option == 'l')
			o->limit = n;
		else
			o->after = (int64_t)n;
		return EXIT_DONE;
	}
	return EXIT_USAGE;
}

static int
arguments(struct options *o, int argc, char **argv)
{
	static const struct option table[] = {
		{ "tenant", required_argument, NULL, 't' }, { "state", required_argument, NULL, 's' },
		{ "kind", required_argument, NULL, 'k' },   { "event", required_argument, NULL, 'e' },
		{ "after", required_argument, NULL, 'a' },  { "limit", required_argument, NULL, 'l' },
		{ "older", required_argument, NULL, 'o' },  { "newer", required_argument, NULL, 'n' },
		{ "body", no_argument, NULL, 'b' },
		{ "all", no_argument, NULL, 'A' },          { "dry-run", no_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },         { NULL, 0, NULL, 0 },
	};
	opterr = 0;
	optind = 1;
	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		int r = EXIT_DONE;
		switch (c) {
		case 'A': o->all = true;     break;
		case 'b': o->body = true;    break;
		case 'd': o->dry_run = true; break;
		case 'j': o->json = true;    break;
		case '?': return cli_usage("queue", "what is '%s'?", argv[optind - 1]);
		default:  r = set_filter(o, c, optarg);
		}
		if (r != EXIT_DONE)
			return r;
	}
	for (; optind < argc; optind++) {
		if (o->ids == IDS_MAX)
			return cli_usage("queue", "more than %d deliveries at once", IDS_MAX);
		if (!o->has_event && uuid_parse(slice_of(argv[optind]), &o->event) == 0)
			o->has_event = true;
		else if (slice_to_u64(slice_of(argv[optind]), 1, INT64_MAX, &o->id[o->ids++]) != 0)
			return cli_usage("queue", "'%s' is not the number of a delivery", argv[optind]);
	}
	return o->ids && o->has_event ? cli_usage("queue", "deliveries by number, or those of one event: not both")
	    : EXIT_DONE;
}

int
cmd_queue(struct cli *cli, int argc, char **argv)
{
	static const struct { const char *name; int (*run)(struct cli *, const struct options *); } verbs[] = {
		{ "list", list }, { "show", show }, { "retry", change }, { "hold", change }, { "release", change },
		{ "drop", change }, { "counts", counts }, { "destinations", destinations },
	};
	struct options o = { .limit = LIST_DEFAULT, .json = cli->json };
	if (argc < 2)
		return cli_usage("queue", "queue what? list, show, retry, hold, release, drop, counts or destinations");
	o.verb = argv[1];
	int r = arguments(&o, argc - 1, argv + 1);
	if (r != EXIT_DONE)
		return r;
	bool alters = change_of(o.verb) != NULL;
	o.all = o.all || (alters && o.has_event);
	if (alters && o.ids == 0 && !o.all)
		return cli_usage("queue", "name the deliveries, or say --all (with --tenant, --state, --kind, --event, --older, --newer)");
	if (alters && o.ids > 0 && o.all)
		return cli_usage("queue", "deliveries by number, or --all: not both");
	if (strcmp(o.verb, "show") == 0 && o.ids == 0 && !o.has_event)
		return cli_usage("queue", "show which delivery? give its number, or an event's id");
	if ((strcmp(o.verb, "counts") == 0 || strcmp(o.verb, "destinations") == 0) &&
	    (o.state || o.kind || o.has_event || o.after || o.older_us || o.newer_us || o.ids || o.all || o.limit != LIST_DEFAULT))
		return cli_usage("queue", "queue %s takes --tenant and --json alone", o.verb);
	if (o.all && !alters)
		return cli_usage("queue", "--all is for retry, hold, release and drop");
	if (o.dry_run && !alters)
		return cli_usage("queue", "--dry-run is for retry, hold, release and drop");
	if (o.body && strcmp(o.verb, "show") != 0)
		return cli_usage("queue", "--body is for show");
	if (o.body)
		return cli_keeper(cli) == EXIT_DONE ? bodies(cli, &o) : EXIT_FAILED;
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, o.verb) == 0)
			return cli_keeper(cli) == EXIT_DONE ? verbs[i].run(cli, &o) : EXIT_FAILED;
	return cli_usage("queue", "there is no 'queue %s'", o.verb);
}
