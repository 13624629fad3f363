#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config.h"

#include "t/unit/unit.h"

/* A directory of its own; the files in it go with it. */
struct place { char dir[64], file[96]; };

static struct place
place_new(const char *text)
{
	struct place p = { "/tmp/ponte-config-XXXXXX", "" };
	REQUIRE(mkdtemp(p.dir));
	snprintf(p.file, sizeof p.file, "%s/ponte.yaml", p.dir);
	if (text)
		REQUIRE(file_write(p.file, slice_of(text), 0600) == 0);
	return p;
}

static void
place_free(struct place *p)
{
	unlink(p->file);
	rmdir(p->dir);
}

struct loading {
	struct arena *arena;
	struct config got;
	struct slice path;
	struct settings_errors errors;
	int result;
};

static struct loading
load(struct config_source source)
{
	struct loading l = { .result = -1 };
	REQUIRE(arena_new(4 * MIB, &l.arena) == 0);
	l.result = config_load(source, l.arena, &l.got, &l.path, &l.errors);
	return l;
}

static void
loading_free(struct loading *l)
{
	arena_free(l->arena);
}

static bool
is_under(struct slice path, const char *dir, const char *rest)
{
	char want[300];
	snprintf(want, sizeof want, "%s%s", dir, rest);
	return slice_eq(path, slice_of(want));
}

static void
defaults(void)
{
	CLEANUP(place_free) struct place p = place_new("# nothing\n");
	CLEANUP(loading_free) struct loading l = load((struct config_source){ NULL, p.file });
	const struct config *c = &l.got;

	ROW("an empty file is enough", l.result == 0);
	ROW("sockets lie under /run/ponte", slice_eq(c->listen.hooks, SLICE("/run/ponte/hooks.sock")) &&
	    slice_eq(c->listen.api, SLICE("/run/ponte/api.sock")) &&
	    slice_eq(c->listen.keeper, SLICE("/run/ponte/keeper.sock")) &&
	    slice_eq(c->listen.courier, SLICE("/run/ponte/courier.sock")));
	ROW("so do the counters", slice_eq(c->listen.scoreboard, SLICE("/run/ponte/shared/scoreboard")));
	ROW("the store lies under /var/lib/ponte", slice_eq(c->store.path, SLICE("/var/lib/ponte/ponte.db")));
	ROW("the keys lie under /etc/ponte", slice_eq(c->keys.dir, SLICE("/etc/ponte/keys")));
	ROW("workers", c->workers.hooks == 16 && c->workers.api == 8 && c->workers.max_requests == 100000 && c->workers.deadline == 15000);
	ROW("store", c->store.min_free == 256 * MIB && c->store.wal_limit == 8 * MIB);
	ROW("retention", c->store.retention.bodies == 30 * INT64_C(86400000) && c->store.retention.keys == 90 * INT64_C(86400000) &&
	    c->store.retention.noted == 30 * INT64_C(86400000) && c->store.retention.failed == 90 * INT64_C(86400000));
	ROW("hub", c->hub.url.len == 0 && c->hub.token_file.len == 0 && c->hub.connect == 5000 && c->hub.first_byte == 60000 &&
	    c->hub.total == 60000 && c->hub.debounce == 2000 && c->hub.reply_deadline == 120000 && c->hub.answer_max == 4 * MIB);
	ROW("chatwoot", c->chatwoot.connect == 5000 && c->chatwoot.first_byte == 15000 && c->chatwoot.total == 30000 &&
	    c->chatwoot.echo_wait == 60000 && c->chatwoot.lookup_wait == 10000);
	ROW("catch-up", c->catchup.after == 600000 && c->catchup.pace == 250);
	ROW("delivery", c->delivery.concurrency == 8 && c->delivery.total == 64 && c->delivery.give_up == 6 * 3600000 &&
	    c->delivery.message_age == 2 * 3600000 && c->delivery.retry_after_cap == 15 * 60000 &&
	    c->delivery.breaker_failures == 5 && c->delivery.breaker_wait == 5000 && c->delivery.reply_budget == 20 &&
	    c->delivery.replay_rate == 10 && c->delivery.oldest_alarm == 15 * 60000);
	ROW("nothing private is allowed", c->delivery.allow_private.count == 0 && c->delivery.ca_file.len == 0);
	ROW("limits", c->limits.body == 16 * MIB && c->limits.unanswered == 64 * MIB);
	ROW("log", config_log_level(c) == 6);
	ROW("peers and nginx", c->peers.roles.count == 0 && slice_eq(c->nginx.host, SLICE("127.0.0.1")) && c->nginx.trusted.count == 0);
	ROW("its name is told", slice_eq(l.path, slice_of(p.file)));
}

static void
sources(void)
{
	CLEANUP(place_free) struct place none = place_new(NULL);
	CLEANUP(place_free) struct place some = place_new("workers: {hooks: 3}\nkeys: {dir: my/keys}\nstore: {path: /var/lib/ponte/ponte.db}\n");

	CLEANUP(loading_free) struct loading dir = load((struct config_source){ none.dir, NULL });
	ROW("under a directory no file is an empty one", dir.result == 0 && dir.got.workers.hooks == 16);
	ROW("sockets lie under it", is_under(dir.got.listen.keeper, none.dir, "/run/keeper.sock"));
	ROW("the store too", is_under(dir.got.store.path, none.dir, "/state/ponte.db"));
	ROW("and the keys", is_under(dir.got.keys.dir, none.dir, "/keys"));

	CLEANUP(loading_free) struct loading given = load((struct config_source){ some.dir, NULL });
	ROW("its file is read", given.result == 0 && given.got.workers.hooks == 3);
	ROW("a relative path counts from it", is_under(given.got.keys.dir, some.dir, "/my/keys"));
	ROW("a path that is written stays, though it is a default elsewhere",
	    slice_eq(given.got.store.path, SLICE("/var/lib/ponte/ponte.db")));

	CLEANUP(loading_free) struct loading file = load((struct config_source){ NULL, some.file });
	ROW("a file's relative path counts from its directory", is_under(file.got.keys.dir, some.dir, "/my/keys"));
	ROW("its defaults do not", slice_eq(file.got.listen.api, SLICE("/run/ponte/api.sock")));

	CLEANUP(loading_free) struct loading missing = load((struct config_source){ NULL, none.file });
	ROW("a file that is named must be there", missing.result == -ENOENT);
	ROW("the message can name it", slice_eq(missing.path, slice_of(none.file)));

	REQUIRE(mkdir(none.file, 0700) == 0);
	CLEANUP(loading_free) struct loading odd = load((struct config_source){ none.dir, NULL });
	ROW("what is there and cannot be read is no empty file", odd.result == -EISDIR || odd.result == -EINVAL);
	rmdir(none.file);

	REQUIRE(setenv("PONTE_DIR", some.dir, 1) == 0);
	CLEANUP(loading_free) struct loading env = load((struct config_source){ NULL, NULL });
	ROW("PONTE_DIR is a directory", env.result == 0 && is_under(env.got.listen.api, some.dir, "/run/api.sock"));
	CLEANUP(loading_free) struct loading named = load((struct config_source){ NULL, some.file });
	ROW("what is named goes before it", named.result == 0 && slice_eq(named.got.listen.api, SLICE("/run/ponte/api.sock")));
	REQUIRE(setenv("PONTE_DIR", "", 1) == 0);
	CLEANUP(loading_free) struct loading system = load((struct config_source){ NULL, NULL });
	ROW("an empty one is none", slice_eq(system.path, SLICE("/etc/ponte/ponte.yaml")));
	unsetenv("PONTE_DIR");
}

static void
mistakes(void)
{
	static const struct { const char *name, *text; unsigned line; const char *says; } row[] = {
		{ "too many workers", "workers:\n  hooks: 900\n", 2, "workers.hooks: 900 is not a number between 1 and 64" },
		{ "a slip of the finger", "worker: {}\n", 1, "worker: there is no such setting; did you mean workers?" },
		{ "a private address without port", "delivery: {allow_private: [10.0.0.1]}\n", 1, "10.0.0.1 is not like host:port" },
		{ "a private address with a bad port", "delivery: {allow_private: ['a:70000']}\n", 1, "is not like host:port" },
		{ "a private address of IPv6 without brackets", "delivery: {allow_private: ['::1:80']}\n", 1, "is not like host:port" },
		{ "a private address with a path", "delivery: {allow_private: ['a/b:80']}\n", 1, "is not like host:port" },
		{ "a role without user", "peers: {roles: [worker]}\n", 1, "is not like worker=user" },
		{ "a role that is none", "peers: {roles: [keeper=x]}\n", 1, "is not like worker=user" },
		{ "a name for an address", "nginx: {host: localhost}\n", 1, "is not an IPv4 or IPv6 address" },
		{ "a prefix that is too long", "nginx: {trusted: [192.0.2.0/33]}\n", 1, "is not an address like" },
		{ "a log level that is none", "log: {level: loud}\n", 1, "loud is not one of error, warn, notice, info or debug" },
		{ "fewer requests in all than to one", "delivery: {total: 4}\n", 0, "delivery.total" },
		{ "a token without hub", "hub: {token_file: x}\n", 0, "hub.token_file" },
		{ "keys forgotten before bodies", "store: {retention: {bodies: 91d}}\n", 0, "store.retention.keys" },
		{ "reading ahead less than one body", "limits: {unanswered: 8MiB}\n", 0, "limits.unanswered" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(place_free) struct place p = place_new(row[i].text);
		CLEANUP(loading_free) struct loading l = load((struct config_source){ NULL, p.file });
		ROW(row[i].name, l.result == SETTINGS_E_WRONG && l.errors.count == 1);
		ROW(row[i].name, l.errors.item[0].line == row[i].line);
		ROW(row[i].name, strstr(l.errors.item[0].text, row[i].says));
	}
	static const char good[] =
	    "delivery: {allow_private: ['localhost:80', '10.0.0.1:8080', '[::1]:9000']}\n"
	    "peers: {roles: [worker=ponte-worker, courier=ponte-courier, operator=root]}\n"
	    "nginx: {host: '::1', trusted: [192.0.2.0/24, 2001:db8::/32, 127.0.0.1]}\n"
	    "log: {level: debug}\n"
	    "hub: {url: 'http://127.0.0.1:9001/', token_file: hub.token}\n";
	CLEANUP(place_free) struct place p = place_new(good);
	CLEANUP(loading_free) struct loading l = load((struct config_source){ NULL, p.file });
	ROW("what is right in these is accepted", l.result == 0 && l.got.delivery.allow_private.count == 3 &&
	    l.got.peers.roles.count == 3 && l.got.nginx.trusted.count == 3 && config_log_level(&l.got) == 7);
}

/* Every line that only has its '#' taken away: what is printed can be read. */
static void
sample(void)
{
	const struct settings_option *const tables[] = { config_table, config_dir_table };
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		CLEANUP(buf_free) struct buf text = { 0 };
		ROW("a sample is made", settings_sample(tables[t], &text) == 0);
		size_t lines = 0;
		for (size_t i = 0; i + 2 < text.len; i++) {
			char *p = text.ptr + text.at + i;
			/* "  #hooks: 16" but not "  # words", and not "#url:" which has no default */
			if (p[0] != '#' || p[1] == ' ')
				continue;
			char *end = memchr(p, '\n', text.len - i);
			if (end[-1] != ':')
				p[0] = ' ', lines++;
		}
		/* The '#' was a column of its own: fill the maps' names by one too. */
		CLEANUP(buf_free) struct buf moved = { 0 };
		struct slice line, rest = buf_view(&text);
		while (slice_cut(rest, '\n', &line, &rest)) {
			bool map = line.len > 0 && line.ptr[line.len - 1] == ':';
			bool deeper = map && line.ptr[0] == ' ';
			REQUIRE(buf_printf(&moved, "%s" SLICE_FMT "\n", deeper ? " " : "", SLICE_ARG(line)) == 0);
		}
		CLEANUP(place_free) struct place p = place_new(NULL);
		REQUIRE(file_write(p.file, buf_view(&moved), 0600) == 0);
		CLEANUP(loading_free) struct loading l = load((struct config_source){ p.dir, NULL });
		if (l.result != 0)
			fprintf(stderr, "  %u:%u: %s\n", l.errors.item[0].line, l.errors.item[0].column, l.errors.item[0].text);
		ROW("with its defaults written out it is read", l.result == 0 && lines > 30);
		ROW("as the same", l.got.workers.hooks == 16 && l.got.store.retention.keys == 90 * INT64_C(86400000));
		ROW("paths are those of its table", t == 1 ? is_under(l.got.listen.api, p.dir, "/run/api.sock")
		    : slice_eq(l.got.listen.api, SLICE("/run/ponte/api.sock")));
	}
}

/* The two tables must differ in nothing but the paths' defaults. */
static void
same_rows(const struct settings_option *a, const struct settings_option *b)
{
	for (; a->name && b->name; a++, b++) {
		bool same = strcmp(a->name, b->name) == 0 && a->type == b->type && a->offset == b->offset &&
		    a->min == b->min && a->max == b->max && a->check == b->check && strcmp(a->help, b->help) == 0;
		ROW(a->name, same);
		ROW(a->name, a->type == SET_PATH || a->fallback == b->fallback);
		ROW(a->name, !a->child == !b->child);
		ROW(a->name, a->help[0] != '\0' && a->help[strlen(a->help) - 1] != '.');
		if (a->child && b->child)
			same_rows(a->child, b->child);
	}
	ROW("they end together", !a->name && !b->name);
}

static void
tables(void)
{
	same_rows(config_table, config_dir_table);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "defaults", defaults }, { "sources", sources }, { "mistakes", mistakes },
		{ "sample", sample }, { "tables", tables },
	};
	unsetenv("PONTE_DIR");
	return unit_run("config", tests, ARRAY_LEN(tests), 0);
}
