#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "lib/config.h"

#define CONFIG_FILE "/etc/ponte/ponte.yaml"
#define MEMORY      (4 * MIB)   /* of one file's settings */

/* ---- checks of one text ---- */

static const char *
check_host_port(struct slice text)
{
	static const char wrong[] = "is not like host:port, 192.0.2.7:8080 or [2001:db8::7]:8080";
	const char *colon = memrchr(text.ptr, ':', text.len);
	if (!colon || colon == text.ptr)
		return wrong;
	struct slice host = { text.ptr, (size_t)(colon - text.ptr) };
	uint64_t port;
	if (slice_to_u64(slice_after(text, host.len + 1), 1, 65535, &port) != 0)
		return wrong;
	bool bracketed = host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
	if (!bracketed && memchr(host.ptr, ':', host.len))
		return wrong;
	return memchr(host.ptr, '/', host.len) || memchr(host.ptr, ' ', host.len) ? wrong : NULL;
}

static const char *
check_address(struct slice text)
{
	return address_ok(text) ? NULL : "is not an IPv4 or IPv6 address";
}

static const char *
check_prefix(struct slice text)
{
	return address_prefix_ok(text) ? NULL
	    : "is not an address like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32";
}

static const char *
check_role(struct slice text)
{
	struct slice role, user;
	if (slice_cut(text, '=', &role, &user) && user.len > 0 && settings_name_ok(user) &&
	    (slice_eq(role, SLICE("worker")) || slice_eq(role, SLICE("courier")) ||
	        slice_eq(role, SLICE("operator"))))
		return NULL;
	return "is not like worker=user, courier=user or operator=user";
}

/* ---- the table ---- */

/* clang-format off */
#define MINUTE (60 * (int64_t)1000)
#define DAY    (24 * 60 * MINUTE)
#define GIB    ((int64_t)1 << 30)

#define ROW(kind, map, member) .name = #member, .type = kind, .offset = offsetof(struct config, map.member) - offsetof(struct config, map)
#define UINT(map, member, low, high, std, text)     { ROW(SET_UINT, map, member), .min = low, .max = high, .fallback = std, .help = text }
#define DURATION(map, member, low, high, std, text) { ROW(SET_DURATION, map, member), .min = low, .max = high, .fallback = std, .help = text }
#define SIZE(map, member, low, high, std, text)     { ROW(SET_SIZE, map, member), .min = low, .max = high, .fallback = std, .help = text }
#define SOCKET(map, member, std, text)              { ROW(SET_PATH, map, member), .max = SETTINGS_SOCKET_PATH, .fallback = std, .help = text }
#define PATH(map, member, std, text)                { ROW(SET_PATH, map, member), .fallback = std, .help = text }
#define LIST(map, member, checked_by, text)         { ROW(SET_LIST_TEXT, map, member), .max = 1000, .check = checked_by, .help = text }
#define MAP(member, table, text)                    { .name = #member, .type = SET_MAP, .offset = offsetof(struct config, member), .child = table, .help = text }
#define END { .name = NULL }

#define LISTEN_ROWS(run, shared) { \
	SOCKET(listen, hooks,   run "hooks.sock",   "socket at which nginx reaches the workers that take webhooks"), \
	SOCKET(listen, api,     run "api.sock",     "socket at which nginx reaches the workers for everything else"), \
	SOCKET(listen, keeper,  run "keeper.sock",  "socket at which the keeper is asked"), \
	SOCKET(listen, courier, run "courier.sock", "socket at which the courier is asked"), \
	PATH(listen, scoreboard, shared "scoreboard", "file of the counters that all roles share"), \
	END }
static const struct settings_option listen_rows[] = LISTEN_ROWS("/run/ponte/", "/run/ponte/shared/");
static const struct settings_option listen_dir_rows[] = LISTEN_ROWS("run/", "run/");

static const struct settings_option workers_rows[] = {
	UINT(workers, hooks, 1, 64, "16", "processes that answer webhooks"),
	UINT(workers, api,   1, 64, "8",  "processes that answer everything else"),
	UINT(workers, max_requests, 0, 1000000000, "100000", "requests after which a worker is replaced, give or take a fifth; 0: never"),
	DURATION(workers, deadline, 1000, 10 * MINUTE, "15s", "a worker that is longer at one request, beside what it waits for an Odoo or a hub, is killed and replaced"),
	END
};

#define OF_RETENTION(member) offsetof(struct config, store.retention.member) - offsetof(struct config, store.retention)
static const struct settings_option retention_rows[] = {
	{ .name = "bodies", .type = SET_DURATION, .offset = OF_RETENTION(bodies), .min = MINUTE, .max = 3650 * DAY, .fallback = "30d",
	  .help = "how long an event is kept whose deliveries are all done" },
	{ .name = "noted", .type = SET_DURATION, .offset = OF_RETENTION(noted), .min = MINUTE, .max = 3650 * DAY, .fallback = "30d",
	  .help = "how long an event is kept of which nothing was delivered" },
	{ .name = "failed", .type = SET_DURATION, .offset = OF_RETENTION(failed), .min = MINUTE, .max = 3650 * DAY, .fallback = "90d",
	  .help = "how long an event is kept of which something was not delivered" },
	{ .name = "keys", .type = SET_DURATION, .offset = OF_RETENTION(keys), .min = MINUTE, .max = 3650 * DAY, .fallback = "90d",
	  .help = "how long an event is remembered, so that it is known when it comes again" },
	END
};
#define STORE_ROWS(state) { \
	PATH(store, path, state "ponte.db", "the store: queue, conversation states and tenants"), \
	PATH(store, catalog, state "catalog.db", "the catalogue: rules, company data and documents that Odoo pushed"), \
	SIZE(store, min_free,  MIB, 1024 * GIB, "256MiB", "with less room on its disk nothing more is taken in"), \
	SIZE(store, wal_limit, MIB, 4 * GIB, "8MiB", "size of the store's write-ahead log that starts a checkpoint"), \
	{ .name = "retention", .type = SET_MAP, .offset = offsetof(struct config, store.retention) - offsetof(struct config, store), \
	  .child = retention_rows, .help = "how long things are kept" }, \
	END }
static const struct settings_option store_rows[] = STORE_ROWS("/var/lib/ponte/");
static const struct settings_option store_dir_rows[] = STORE_ROWS("state/");

#define KEYS_ROWS(etc) { \
	PATH(keys, dir, etc "keys", "directory of intake.key and outgoing.key"), \
	END }
static const struct settings_option keys_rows[] = KEYS_ROWS("/etc/ponte/");
static const struct settings_option keys_dir_rows[] = KEYS_ROWS("");

static const struct settings_option enrolment_rows[] = {
	PATH(enrolment, secret_file, NULL, "file with the secret that an unknown tenant's addon signs its first credential sync with; read by the workers"),
	{ ROW(SET_BOOL, enrolment, open), .fallback = "false", .help = "make a tenant for whoever sends a credential sync (for a closed network alone)" },
	END
};
static const struct settings_option hub_rows[] = {
	{ ROW(SET_URL, hub, url), .help = "the AI hub of every tenant that has none of its own" },
	PATH(hub, token_file, NULL, "file with the token that is sent to this hub"),
	DURATION(hub, connect,    100, 5 * MINUTE,  "5s",  "time to reach a hub"),
	DURATION(hub, first_byte, 100, 15 * MINUTE, "60s", "time until a hub begins to answer"),
	DURATION(hub, total,      100, 30 * MINUTE, "60s", "time for the whole exchange with a hub"),
	DURATION(hub, debounce,   0,   10 * 1000,   "2s",  "quiet time after a message before a conversation goes to the hub; a burst is waited for 10 s at most"),
	DURATION(hub, reply_deadline, 1000, DAY,    "120s", "time for the answer of a hub that said 202"),
	SIZE(hub, answer_max, 1024, 64 * MIB, "4MiB", "longest answer that is read"),
	END
};
static const struct settings_option chatwoot_rows[] = {
	DURATION(chatwoot, connect,    100, 5 * MINUTE,  "5s",  "time to reach a Chatwoot"),
	DURATION(chatwoot, first_byte, 100, 15 * MINUTE, "15s", "time until a Chatwoot begins to answer"),
	DURATION(chatwoot, total,      100, 30 * MINUTE, "30s", "time for the whole exchange with a Chatwoot"),
	DURATION(chatwoot, echo_wait,  100, DAY,         "60s", "how long the echo of a post of unknown outcome is waited for"),
	DURATION(chatwoot, lookup_wait, 100, DAY,        "10s", "time before such a post is looked for, where a user token is set"),
	END
};
static const struct settings_option catchup_rows[] = {
	DURATION(catchup, after, 0, 30 * DAY, "10min", "silence of a Chatwoot after which it is asked for what never came (with a user token); 0: never by itself"),
	DURATION(catchup, pace,  0, MINUTE,   "250ms", "pause between two requests of a catch-up"),
	END
};
static const struct settings_option delivery_rows[] = {
	UINT(delivery, concurrency, 1, 1000, "8",  "requests in flight to one destination"),
	UINT(delivery, total,       1, 4000, "64", "requests in flight to all destinations together"),
	DURATION(delivery, give_up,     1000, 30 * DAY, "6h", "age at which a delivery that keeps failing is given up"),
	DURATION(delivery, message_age, 1000, 30 * DAY, "2h", "age at which a message is too old to be answered"),
	DURATION(delivery, retry_after_cap, 1000, DAY, "15min", "longest wait that a destination may ask for"),
	UINT(delivery, breaker_failures, 1, 1000, "5", "failures in a row after which a destination is left alone for a while"),
	DURATION(delivery, breaker_wait, 100, 5 * MINUTE, "5s", "the first such pause; it doubles up to 5 minutes"),
	UINT(delivery, reply_budget, 0, 100000, "20", "answers that one conversation is given in 10 minutes, against loops with another machine; 0: no limit"),
	UINT(delivery, replay_rate,  0, 100000, "10", "deliveries a second that queue retry lets go; 0: no limit"),
	DURATION(delivery, oldest_alarm, 1000, 30 * DAY, "15min", "age of the oldest waiting delivery that raises an alarm"),
	LIST(delivery, allow_private, check_host_port, "private addresses that may be called nevertheless, each as host:port"),
	PATH(delivery, ca_file, NULL, "certificates of authorities that are trusted besides the system's (PEM)"),
	END
};
static const struct settings_option limits_rows[] = {
	SIZE(limits, body,       1024, 64 * MIB, "16MiB", "largest webhook that is taken"),
	SIZE(limits, unanswered, MIB, 4 * GIB, "64MiB", "bytes of requests that the keeper reads ahead of its answers"),
	END
};
static const char *const log_levels[] = { "error", "warn", "notice", "info", "debug", NULL };
static const struct settings_option log_rows[] = {
	{ ROW(SET_CHOICE, log, level), .choices = log_levels, .fallback = "info", .help = "the least important lines that are written" },
	END
};
static const struct settings_option peers_rows[] = {
	LIST(peers, roles, check_role, "user names of the roles, each as role=user; empty: ponte-worker and ponte-courier when the keeper runs as ponte-keeper, else its own user plays all"),
	END
};
static const struct settings_option nginx_rows[] = {
	{ ROW(SET_TEXT, nginx, host), .min = 1, .max = 45, .fallback = "127.0.0.1", .check = check_address, .help = "address at which the nginx of ponte up listens" },
	LIST(nginx, trusted, check_prefix, "addresses that the flood guard does not slow down"),
	END
};

#define CONFIG_ROWS(listen_table, store_table, keys_table) { \
	MAP(listen,   listen_table,  "Where the roles meet"), \
	MAP(workers,  workers_rows,  "The processes that answer requests"), \
	MAP(store,    store_table,   "What is kept on disk"), \
	MAP(keys,     keys_table,    "The keys that secrets are sealed with"), \
	MAP(enrolment, enrolment_rows, "Tenants that the addons make"), \
	MAP(hub,      hub_rows,      "The AI hub, for tenants that have none of their own, and patience with all hubs"), \
	MAP(chatwoot, chatwoot_rows, "Patience with Chatwoot"), \
	MAP(delivery, delivery_rows, "How deliveries are made and tried again"), \
	MAP(catchup,  catchup_rows,  "Fetching what a Chatwoot never sent again"), \
	MAP(limits,   limits_rows,   "What one request may cost"), \
	MAP(log,      log_rows,      "What is written to the log"), \
	MAP(peers,    peers_rows,    "Who may speak to the keeper"), \
	MAP(nginx,    nginx_rows,    "The nginx that ponte up starts"), \
	END }
const struct settings_option config_table[] = CONFIG_ROWS(listen_rows, store_rows, keys_rows);
const struct settings_option config_dir_table[] = CONFIG_ROWS(listen_dir_rows, store_dir_rows, keys_dir_rows);
/* clang-format on */

/* ---- loading ---- */

/* What no row can say alone. */
static void
check_together(const struct config *c, struct settings_errors *errors)
{
	static const struct settings_place whole = { 0, 0 };
	if (c->delivery.total < c->delivery.concurrency)
		settings_mistake(errors, whole,
		    "delivery.total: must not be smaller than delivery.concurrency");
	if (c->hub.token_file.len > 0 && c->hub.url.len == 0)
		settings_mistake(errors, whole, "hub.token_file: there is no hub.url to send it to");
	if (c->limits.unanswered < c->limits.body)
		settings_mistake(errors, whole, "limits.unanswered: must not be smaller than limits.body");
	if (c->store.retention.keys < c->store.retention.bodies || c->store.retention.keys < c->store.retention.noted ||
	    c->store.retention.keys < c->store.retention.failed)
		settings_mistake(errors, whole,
		    "store.retention.keys: must not be shorter than bodies, noted and failed");
}

static struct slice
directory_of(struct arena *a, struct slice file)
{
	size_t n = file.len;
	while (n > 0 && file.ptr[n - 1] != '/')
		n--;
	return n > 0 ? arena_copy(a, (struct slice){ file.ptr, n }) : arena_copy(a, SLICE("."));
}

int
config_load(struct config_source source, struct arena *a, struct config *ret, struct slice *ret_path,
    struct settings_errors *errors)
{
	const char *dir = source.dir;
	const struct settings_option *table = config_table;
	struct slice path;

	errors->count = 0;
	if (!dir && !source.file) {
		dir = getenv("PONTE_DIR");
		if (dir && dir[0] == '\0')
			dir = NULL;
	}
	if (dir) {
		path = arena_printf(a, "%s/ponte.yaml", dir);
		table = config_dir_table;
	} else {
		path = arena_copy(a, slice_of(source.file ? source.file : CONFIG_FILE));
		dir = directory_of(a, path).ptr;
	}
	if (arena_overflowed(a))
		return -ENOMEM;
	*ret_path = path;       /* also on failure: the message names it */

	CLEANUP(free_charp) char *text = NULL;
	size_t len = 0;
	int r = file_read(path.ptr, SETTINGS_TEXT_MAX, &text, &len);
	if (r != 0 && !(r == -ENOENT && table == config_dir_table))
		return r;

	struct config config = { 0 };
	r = settings_read((struct slice){ text, len }, dir, table, &config, a, errors);
	if (r != 0)
		return r;
	check_together(&config, errors);
	if (errors->count > 0)
		return SETTINGS_E_WRONG;
	*ret = config;
	return 0;
}

static int
open_it(struct config_source source, bool files, config_said *said, struct arena **ret_memory, struct config *ret)
{
	CLEANUP(arena_freep) struct arena *memory = NULL;
	struct settings_errors wrong = { 0 };
	struct slice path = SLICE("ponte.yaml");
	int r = arena_new(MEMORY, &memory);

	if (r == 0)
		r = config_load(source, memory, ret, &path, &wrong);
	if (r == 0 && files)
		r = config_files(ret, &wrong);
	for (size_t i = 0; r > 0 && i < wrong.count && i < SETTINGS_ERRORS_MAX; i++)
		said(path, &wrong.item[i]);
	if (r < 0) {
		struct settings_error unread = { 0 };
		snprintf(unread.text, sizeof unread.text, "it cannot be read: %s", strerror(-r));
		said(path, &unread);
	}
	if (r != 0)
		return r > 0 ? -EINVAL : r;
	*ret_memory = memory;
	memory = NULL;
	return 0;
}

int
config_open(struct config_source source, config_said *said, struct arena **ret_memory, struct config *ret)
{
	return open_it(source, false, said, ret_memory, ret);
}

int
config_open_all(struct config_source source, config_said *said, struct arena **ret_memory, struct config *ret)
{
	return open_it(source, true, said, ret_memory, ret);
}

int
config_log_level(const struct config *c)
{
	static const int level[] = { 3, 4, 5, 6, 7 };   /* as log_levels, in syslog's numbers */
	REQUIRE(c->log.level >= 0 && (size_t)c->log.level < ARRAY_LEN(level));
	return level[c->log.level];
}
