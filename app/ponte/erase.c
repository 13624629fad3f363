/* A person's right to be forgotten.  By telephone number the contact is found
 * first: the keeper gives the bodies that have the number in them, and whether
 * it is the customer's own is read here. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "app/ponte/ponte.h"
#include "app/ponte/rows.h"
#include "app/ponte/tenant.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/clock.h"
#include "lib/json.h"

#define CONTACTS_MAX 1000
#define PATIENCE_MS  60000          /* for what is on its way */
#define AGAIN_MS     500

struct contact { struct slice installation; int64_t id; };

struct options {
	const char *tenant, *phone, *installation;
	struct contact contact[CONTACTS_MAX];
	size_t contacts;
	bool dry_run, json;
};

/* ---- by telephone number ---- */

/* Is the number the one of the customer in this event? */
static bool
is_theirs(struct slice body, const char *phone)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	CLEANUP(json_freep) struct json *contact = NULL;
	struct json_fault fault;
	const struct json *value;
	if (json_check(body, &json_default_limits, &fault) != 0 || json_parse(body, &doc) != 0 || chatwoot_contact(doc, &contact) != 0)
		return false;
	json_get(contact, "phone_number", &value);
	return slice_eq(json_text(value), slice_of(phone));
}

static int
add_contact(struct cli *cli, struct options *o, struct slice installation, int64_t id)
{
	for (size_t i = 0; i < o->contacts; i++)
		if (o->contact[i].id == id && slice_eq(o->contact[i].installation, installation))
			return EXIT_DONE;
	if (o->contacts == CONTACTS_MAX)
		return cli_fail("more than %d contacts have this number; erase them by --contact", CONTACTS_MAX);
	o->contact[o->contacts++] = (struct contact){ arena_copy(cli->arena, installation), id };
	return EXIT_DONE;
}

static int
find_contacts(struct cli *cli, struct options *o)
{
	int64_t after = 0;
	for (bool more = true; more;) {
		CLEANUP(buf_free) struct buf out = { 0 };
		struct wire_frame answer;
		struct wire_writer w;
		struct wire_field f;
		wire_begin(&w, &out, P_PERSON, net_caller_next(&cli->keeper));
		wire_put(&w, T_NAME, slice_of(o->tenant));
		wire_put(&w, T_PAYLOAD, slice_of(o->phone));
		wire_put_i64(&w, T_AFTER, after);
		if (wire_end(&w) != 0)
			return cli_fail("out of memory");
		if (cli_ask(cli, &out, &answer) != EXIT_DONE)
			return EXIT_FAILED;
		for (struct wire_reader r = { .rest = answer.payload }; wire_next(&r, &f);)
			if (f.tag == T_ROW && wire_i64(f.value, T_MESSAGE, 0) > 0 && is_theirs(wire_text(f.value, T_BODY), o->phone)
			    && add_contact(cli, o, wire_text(f.value, T_INSTALLATION), wire_i64(f.value, T_MESSAGE, 0)) != EXIT_DONE)
				return EXIT_FAILED;
		more = wire_u64(answer.payload, T_MORE, 0) != 0;
		after = wire_i64(answer.payload, T_AFTER, after);
		rows_progress("looking: %zu contact%s", o->contacts, o->contacts == 1 ? "" : "s");
	}
	rows_progress("%s", "");
	return o->contacts ? EXIT_DONE : cli_fail("no event of %s was written by somebody with that number", o->tenant);
}

/* ---- erasing ---- */

static int
once(struct cli *cli, const struct options *o, const struct contact *c, int64_t *ret_count, uint64_t *ret_busy)
{
	int64_t after = 0;
	*ret_busy = 0;
	for (bool more = true; more;) {
		CLEANUP(buf_free) struct buf out = { 0 };
		struct wire_frame answer;
		struct wire_writer w;
		wire_begin(&w, &out, P_ERASE, net_caller_next(&cli->keeper));
		wire_put(&w, T_NAME, slice_of(o->tenant));
		if (c->installation.len)
			wire_put(&w, T_INSTALLATION, c->installation);
		wire_put_i64(&w, T_MESSAGE, c->id);
		wire_put_i64(&w, T_AFTER, after);
		if (o->dry_run)
			wire_put_u64(&w, T_DRY_RUN, 1);
		if (wire_end(&w) != 0)
			return cli_fail("out of memory");
		if (cli_ask(cli, &out, &answer) != EXIT_DONE)
			return EXIT_FAILED;
		*ret_count += wire_i64(answer.payload, T_COUNT, 0);
		*ret_busy += wire_u64(answer.payload, T_BUSY, 0);
		more = wire_u64(answer.payload, T_MORE, 0) != 0;
		after = wire_i64(answer.payload, T_AFTER, after);
		rows_progress("contact %" PRId64 ": %" PRId64 " events", c->id, *ret_count);
	}
	return EXIT_DONE;
}

/* That nothing was found says nothing where there never was such an installation. */
static int
check_installation(struct cli *cli, const struct options *o, struct slice installation)
{
	struct tenant t;
	bool found;

	if (tenant_find(cli, slice_of(o->tenant), &t, &found) != EXIT_DONE)
		return EXIT_FAILED;
	return found && tenant_installation_find(&t, installation) ? EXIT_DONE :
	    cli_fail("%s has no installation " SLICE_FMT ", nor events of one; see: ponte tenant show %s", o->tenant, SLICE_ARG(installation), o->tenant);
}

/* What is on its way comes back in a moment, and is erased then. */
static int
erase_contact(struct cli *cli, const struct options *o, const struct contact *c)
{
	int64_t count = 0, until = clock_mono_ms() + PATIENCE_MS;
	uint64_t busy = 0;
	for (;;) {
		if (once(cli, o, c, &count, &busy) != EXIT_DONE)
			return EXIT_FAILED;
		if (busy == 0 || o->dry_run || clock_mono_ms() > until)
			break;
		rows_progress("contact %" PRId64 ": on their way: %" PRIu64, c->id, busy);
		poll(NULL, 0, AGAIN_MS);
	}
	rows_progress("%s", "");
	if (count == 0 && busy == 0 && c->installation.len && check_installation(cli, o, c->installation) != EXIT_DONE)
		return EXIT_FAILED;
	if (o->json)
		printf("{\"tenant\":\"%s\",\"contact\":%" PRId64 ",\"events\":%" PRId64 ",\"busy\":%" PRIu64 ",\"dry_run\":%s}\n", o->tenant,
		    c->id, count, busy, o->dry_run ? "true" : "false");
	else
		printf("contact %" PRId64 ": %s %" PRId64 " event%s\n", c->id, o->dry_run ? "would have erased" : "erased", count,
		    count == 1 ? "" : "s");
	return busy && !o->dry_run ? cli_fail("%" PRIu64 " deliver%s of contact %" PRId64 " still on the way; run it again", busy, busy == 1 ? "y" : "ies", c->id)
	    : EXIT_DONE;
}

static int
erase(struct cli *cli, struct options *o)
{
	if (o->phone && find_contacts(cli, o) != EXIT_DONE)
		return EXIT_FAILED;
	for (size_t i = 0; i < o->contacts; i++)
		if (erase_contact(cli, o, &o->contact[i]) != EXIT_DONE)
			return EXIT_FAILED;
	if (!o->dry_run && !o->json)
		puts("Chatwoot, the hub, backups of the store and the journal are not touched by this.");
	return EXIT_DONE;
}

/* ---- the command line ---- */

static int
arguments(struct options *o, int argc, char **argv)
{
	static const struct option table[] = {
		{ "tenant", required_argument, NULL, 't' }, { "contact", required_argument, NULL, 'c' },
		{ "phone", required_argument, NULL, 'p' },  { "installation", required_argument, NULL, 'i' },
		{ "dry-run", no_argument, NULL, 'd' },      { "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 },
	};
	uint64_t n;
	opterr = 0;
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		switch (c) {
		case 't': o->tenant = optarg;       break;
		case 'p': o->phone = optarg;        break;
		case 'i': o->installation = optarg; break;
		case 'd': o->dry_run = true;        break;
		case 'j': o->json = true;           break;
		case 'c':
			if (slice_to_u64(slice_of(optarg), 1, INT64_MAX, &n) != 0)
				return cli_usage("erase", "'%s' is not the number of a contact", optarg);
			o->contact[0] = (struct contact){ { NULL, 0 }, (int64_t)n };
			o->contacts = 1;
			break;
		default:
			return cli_usage("erase", "what is '%s'?", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return cli_usage("erase", "what is '%s'?", argv[optind]);
	if (!o->tenant || (o->contacts == 1) == (o->phone != NULL))
		return cli_usage("erase", "erase wants --tenant, and --contact or --phone");
	if (o->phone && strlen(o->phone) < 4)
		return cli_usage("erase", "'%s' is too short for a telephone number", o->phone);
	if (o->installation && o->phone)
		return cli_usage("erase", "--installation goes with --contact; a number is looked for in all of them");
	if (o->installation)
		o->contact[0].installation = slice_of(o->installation);
	return EXIT_DONE;
}

int
cmd_erase(struct cli *cli, int argc, char **argv)
{
	static struct options o;
	o.json = cli->json;
	int r = arguments(&o, argc, argv);
	if (r != EXIT_DONE)
		return r;
	return cli_keeper(cli) == EXIT_DONE ? erase(cli, &o) : EXIT_FAILED;
}
