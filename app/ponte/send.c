/* ponte send: a signed sample message through the front door, and each hop
 * with its time: accepted, asked of the hub, posted. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ponte/ponte.h"
#include "lib/client.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/json.h"
#include "lib/secret.h"
#include "lib/sign.h"
#include "lib/tenant.h"
#include "lib/uuid.h"

#define LOOK_MS 50              /* between two looks at the queue */
/* Unless told otherwise: no Chatwoot has come so far, so its answer to our
 * reply is 404 and no customer reads the sample's. */
#define NOBODYS_CONVERSATION INT32_MAX

struct send {
	struct cli  *cli;
	const char  *tenant_name, *sender_label, *text, *url, *ca;
	int64_t      conversation, wait_s;

	struct tenant tenant;
	const struct tenant_sender *sender;
	struct buf   secret;
	struct slice body;
	int64_t      start_us;
	struct uuid  event;
	bool         failed;
};

static int
usage(const char *what)
{
	return cli_usage("send", "%s", what);
}

static int
read_options(struct send *s, int argc, char **argv)
{
	static const struct option options[] = {
		{ "tenant", required_argument, NULL, 't' }, { "sender", required_argument, NULL, 's' },
		{ "conversation", required_argument, NULL, 'c' }, { "text", required_argument, NULL, 'm' },
		{ "url", required_argument, NULL, 'u' }, { "ca", required_argument, NULL, 'a' },
		{ "wait", required_argument, NULL, 'w' }, { "json", no_argument, NULL, 'j' }, { 0 },
	};

	optind = 0;
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 't': s->tenant_name = optarg; break;
		case 's': s->sender_label = optarg; break;
		case 'm': s->text = optarg; break;
		case 'u': s->url = optarg; break;
		case 'a': s->ca = optarg; break;
		case 'j': s->cli->json = true; break;
		case 'c':
			if (slice_to_i64(slice_of(optarg), 1, INT64_MAX, &s->conversation) != 0)
				return usage("--conversation is the number that Chatwoot shows, from 1");
			break;
		case 'w':
			if (slice_to_i64(slice_of(optarg), 0, 3600, &s->wait_s) != 0)
				return usage("--wait is a number of seconds up to 3600");
			break;
		default:
			return EXIT_USAGE;
		}
	if (optind < argc)
		return cli_usage("send", "send takes no '%s'", argv[optind]);
	return EXIT_DONE;
}

/* The tenant of that name; the only one when no name is given. */
static int
find_tenant(struct send *s)
{
	struct cli *cli = s->cli;
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	struct wire_frame answer = { 0 };
	struct slice record = { 0 };

	wire_begin(&w, &out, s->tenant_name ? P_TENANT_FIND : P_TENANT_LIST, net_caller_next(&cli->keeper));
	if (s->tenant_name)
		wire_put(&w, T_NAME, slice_of(s->tenant_name));
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	size_t found = 0;
	struct wire_reader r = { .rest = answer.payload };
	for (struct wire_field f; wire_next(&r, &f);)
		if (f.tag == T_TENANT && found++ == 0)
			record = f.value;
	if (found == 0)
		return s->tenant_name ? cli_fail("there is no tenant '%s'", s->tenant_name) :
		    cli_fail("there is no tenant yet; see ponte tenant import");
	if (found > 1)
		return cli_fail("there are %zu tenants: say which with --tenant", found);
	record = arena_copy(cli->arena, record);
	if (tenant_decode(record, cli->arena, &s->tenant) != 0)
		return cli_fail("the tenant's record cannot be read");
	return EXIT_DONE;
}

static int
find_sender(struct send *s)
{
	struct secret_key key;
	char field[100];

	for (size_t i = 0; i < s->tenant.senders && !s->sender; i++)
		if (s->sender_label ? slice_eq(s->tenant.sender[i].label, slice_of(s->sender_label)) :
		    s->tenant.sender[i].secret.len > 0)
			s->sender = &s->tenant.sender[i];
	if (!s->sender || s->sender->secret.len == 0)
		return cli_fail("tenant " SLICE_FMT " has no such sender with a secret", SLICE_ARG(s->tenant.name));
	const char *dir = arena_text(s->cli->arena, s->cli->config.keys.dir);
	int r = dir ? secret_key_load(dir, "intake.key", &key) : -ENOMEM;
	if (r != 0)
		return cli_fail("cannot read intake.key in %s: %s", dir ? dir : "?", strerror(-r));
	snprintf(field, sizeof(field), "sender/" SLICE_FMT "/secret", SLICE_ARG(s->sender->label));
	r = secret_open(&key, s->tenant.name, field, s->sender->secret, &s->secret);
	crypt_wipe(&key, sizeof(key));
	return r == 0 ? EXIT_DONE : cli_fail("the sender's secret cannot be opened with intake.key");
}

/* A web widget message in Chatwoot's flat form. */
static int
make_body(struct send *s)
{
	static const char form[] =
	    "{\"event\":\"message_created\",\"id\":%lld,\"content\":%.*s,\"content_type\":\"text\",\"content_attributes\":{},"
	    "\"message_type\":\"incoming\",\"private\":false,\"created_at\":\"%s\",\"source_id\":null,"
	    "\"account\":{\"id\":%lld,\"name\":\"\"},\"inbox\":{\"id\":%lld,\"name\":\"\"},"
	    "\"sender\":{\"id\":1,\"name\":\"ponte send\",\"email\":null,\"phone_number\":null,\"identifier\":null},"
	    "\"conversation\":{\"id\":%lld,\"inbox_id\":%lld,\"status\":\"pending\",\"channel\":\"Channel::WebWidget\","
	    "\"messages\":[],\"labels\":[],\"meta\":{\"assignee\":null},\"updated_at\":%lld.%06lld}}";
	CLEANUP(buf_free) struct buf text = { 0 };
	REQUIRE(s->sender);
	const struct tenant_installation *in = tenant_installation_find(&s->tenant, s->sender->installation);
	int64_t inbox = s->sender->inbox ? s->sender->inbox : in && in->inboxes ? in->inbox[0].id : 1;
	char at[CLOCK_TEXT];

	if (json_quote(slice_of(s->text), &text) != 0)
		return cli_fail("out of memory");
	s->start_us = clock_wall_us();
	clock_text(s->start_us, at);
	s->body = arena_printf(s->cli->arena, form, (long long)(s->start_us / 1000), (int)buf_view(&text).len,
	    buf_view(&text).ptr, at, (long long)s->sender->account, (long long)inbox, (long long)s->conversation,
	    (long long)inbox, (long long)(s->start_us / US_PER_S), (long long)(s->start_us % US_PER_S));
	return s->body.len ? EXIT_DONE : cli_fail("out of memory");
}

/* Under --dir: what `ponte up` wrote down. */
static int
find_door(struct send *s)
{
	CLEANUP(free_charp) char *text = NULL;
	size_t len = 0;
	const char *dir = s->cli->source.dir ? s->cli->source.dir : s->cli->source.file ? NULL : getenv("PONTE_DIR");

	if (dir && !s->ca)
		s->ca = arena_printf(s->cli->arena, "%s/tls/cert.pem", dir).ptr;
	if (s->url)
		return EXIT_DONE;
	if (!dir)
		return usage("--url https://HOST is needed");
	struct slice path = arena_printf(s->cli->arena, "%s/run/https", dir);
	if (!path.len || file_read(path.ptr, KIB, &text, &len) != 0)
		return cli_fail("cannot read " SLICE_FMT ": is 'ponte up --with-nginx' running there? else --url says where", SLICE_ARG(path));
	s->url = arena_text(s->cli->arena, slice_trim(slice_from(text, len)));
	return s->url ? EXIT_DONE : cli_fail("out of memory");
}

static void
hop(const struct send *s, const char *what, struct slice state, int64_t at_us, struct slice why)
{
	double ms = at_us > s->start_us ? (double)(at_us - s->start_us) / 1000 : 0;

	if (s->cli->json) {
		CLEANUP(buf_free) struct buf out = { 0 };
		if (json_quote(why, &out) == 0)
			printf("{\"hop\":\"%s\",\"state\":\"" SLICE_FMT "\",\"ms\":%.1f,\"reason\":%.*s}\n", what,
			    SLICE_ARG(state), ms, (int)buf_view(&out).len, buf_view(&out).ptr);
	} else {
		printf("%8.1f ms  %-8s " SLICE_FMT "%s" SLICE_FMT "\n", ms, what, SLICE_ARG(state), why.len ? ": " : "", SLICE_ARG(why));
	}
	fflush(stdout);
}

/* The door's answer: its status word, and the event id when it was kept. */
static int
read_answer(struct send *s, const struct client_result *result)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	const struct json *v;
	struct json_fault fault;

	if (result->error != CLIENT_OK)
		return cli_fail("the front door %s: %s", s->url, result->why);
	if (json_check(result->body, &json_default_limits, &fault) != 0 || json_parse(result->body, &doc) != 0)
		return cli_fail("the front door %s answered %u, and no JSON", s->url, result->status);
	json_get(doc, "reason", &v);
	struct slice why = json_text(v);
	json_get(doc, "status", &v);
	hop(s, "door", json_text(v), clock_wall_us(), why);
	json_get(doc, "event_id", &v);
	if (result->status != HTTP_OK)
		return cli_fail("the front door refused it with %u", result->status);
	return uuid_parse(json_text(v), &s->event) == 0 ? EXIT_DONE :
	    cli_fail("nothing was stored, so there is nothing to follow");
}

static int
knock(struct send *s)
{
	struct client *client = NULL;
	char stamp[24], signature[SIGN_TEXT];
	struct http_url url;
	struct client_result result;
	struct slice kind[] = { SLICE("account"), SLICE("inbox"), SLICE("bot") };

	if (http_url_split(slice_of(s->url), &url) != 0)
		return usage("--url is http or https, host, port, nothing else");
	struct slice host = arena_printf(s->cli->arena, memchr(url.host.ptr, ':', url.host.len) ? "[" SLICE_FMT "]:%u" :
	    SLICE_FMT ":%u", SLICE_ARG(url.host), url.port);
	int r = client_new(&(struct client_options){ .allow_private = &host, .allow_privates = 1, .ca_file = s->ca }, &client);
	if (r != 0)
		return cli_fail("cannot prepare the request (certificates %s): %s", s->ca ? s->ca : "of the system", strerror(-r));
	snprintf(stamp, sizeof(stamp), "%lld", (long long)(clock_wall_us() / US_PER_S));
	sign_make(buf_view(&s->secret), slice_of(stamp), s->body, signature);
	const struct slice header[] = {
		SLICE("Content-Type: application/json"),
		arena_printf(s->cli->arena, "X-Chatwoot-Timestamp: %s", stamp),
		arena_printf(s->cli->arena, "X-Chatwoot-Signature: %s", signature),
	};
	struct slice to = arena_printf(s->cli->arena, "%s/webhook/chatwoot/" SLICE_FMT "/" SLICE_FMT, s->url,
	    SLICE_ARG(s->tenant.name), SLICE_ARG(kind[s->sender->kind]));
	r = client_start(client, &(struct client_request){ .method = HTTP_M_POST, .url = to, .header = header,
	    .headers = ARRAY_LEN(header), .body = s->body, .total_ms = 10000, .answer_max = 64 * KIB }, s);
	while (r == 0 && !client_next(client, &result))
		r = client_poll(client, NULL, 0, -1);
	int status = r == 0 ? read_answer(s, &result) : cli_fail("cannot send: %s", strerror(-r));
	client_free(client);
	return status;
}

/* One look at the deliveries of our event.  True when all of them are final. */
static int
look(struct send *s, size_t *shown, bool *ret_over)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	struct wire_frame answer = { 0 };
	size_t row = 0;

	wire_begin(&w, &out, P_QUEUE_LIST, net_caller_next(&s->cli->keeper));
	wire_put(&w, T_EVENT_ID, slice_from(s->event.byte, sizeof(s->event.byte)));
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(s->cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	bool over = true;
	struct wire_reader r = { .rest = answer.payload };
	for (struct wire_field f; wire_next(&r, &f);) {
		if (f.tag != T_ROW)
			continue;
		enum delivery_state state = (enum delivery_state)wire_u64(f.value, T_STATE, 0);
		if (state == DELIVERY_PENDING || state == DELIVERY_CLAIMED) {
			over = false;
		} else if (++row > *shown) {
			*shown = row;
			s->failed = s->failed || state != DELIVERY_DONE;
			hop(s, delivery_kind_text((enum delivery_kind)wire_u64(f.value, T_KIND, 0)),
			    slice_of(delivery_state_text(state)), wire_i64(f.value, T_SETTLED_US, 0), wire_text(f.value, T_REASON));
		}
	}
	*ret_over = over;
	return EXIT_DONE;
}

static int
follow(struct send *s)
{
	int64_t end = clock_mono_ms() + s->wait_s * MS_PER_S;
	size_t shown = 0;
	bool over = false;

	for (;;) {
		if (look(s, &shown, &over) != EXIT_DONE)
			return EXIT_FAILED;
		if (over)
			return s->failed ? EXIT_FAILED : EXIT_DONE;
		if (clock_mono_ms() >= end)
			return cli_fail("not finished after %lld s; see ponte queue list", (long long)s->wait_s);
		poll(NULL, 0, LOOK_MS);
	}
}

int
cmd_send(struct cli *cli, int argc, char **argv)
{
	struct send s = { .cli = cli, .text = "Hello from ponte send", .conversation = NOBODYS_CONVERSATION, .wait_s = 60 };
	int (*const steps[])(struct send *) = { find_tenant, find_sender, make_body, find_door, knock, follow };
	int r = read_options(&s, argc, argv);

	if (r != EXIT_DONE || (r = cli_keeper(cli)) != EXIT_DONE)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(steps) && r == EXIT_DONE; i++)
		r = steps[i](&s);
	crypt_wipe(s.secret.ptr, s.secret.cap);
	buf_free(&s.secret);
	return r;
}
