#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/ponte/ponte.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/tenant.h"

#define ASK_MS  10000
#define GONE_MS 1000

/* clang-format off */
static const struct command commands[] = {
	{ "up",      cmd_up,      "up --dir DIR [--with-nginx] [--https-port N|0] [--limits]",
	  "run all roles in the foreground, everything under DIR" },
	{ "check",   cmd_check,   "check [--store] [--json]",
	  "check settings and keys; with --store recount the books" },
	{ "routes",  cmd_routes,  "routes [--json]",
	  "list every URL that is answered" },
	{ "send",    cmd_send,    "send [--conversation ID] [--tenant NAME] [--sender LABEL] [--text TEXT]\n"
	  "           [--url URL] [--ca FILE] [--wait SECONDS] [--json]",
	  "send a signed sample message through the front door and follow it" },
	{ "queue",   cmd_queue,   "queue list | show ID… [--body] | counts | destinations | retry | hold | release | drop  (ID… | EVENT | --all)\n"
	  "           [--tenant NAME] [--state STATE] [--kind KIND] [--event ID] [--older AGE|TIME] [--newer AGE|TIME]\n"
	  "           [--after ID] [--limit N] [--dry-run] [--json]",
	  "see and steer what waits to be delivered" },
	{ "trace",   cmd_trace,   "trace EVENT [--json]",
	  "tell the whole life of one message" },
	{ "explain", cmd_explain, "explain FILE… [--tenant NAME | --fixture-tenant] [--sender account|inbox|bot|none]\n"
	  "           [--timestamp T --signature S --secret-file FILE [--now T]] [--json]",
	  "say what would be done with these webhook bodies; stores nothing" },
	{ "tenant",  cmd_tenant,  "tenant import FILE [--dry-run] | list | show NAME | remove NAME [--force] [--dry-run]\n"
	  "           | catchup NAME [--since TIME|AGE] [--installation ID] [--dry-run]  [--json]\n"
	  "           | sync NAME [--dry-run]  [--json]\n"
	  "           | ask NAME [MODEL METHOD [ARGS [KWARGS]] | --hub BODY] [--timeout TIME]  [--json]\n"
	  "           | import-legacy DIR [--fernet-key FILE] [--force] [--dry-run]  [--json]",
	  "the tenants, their installations, senders and hubs" },
	{ "token",   cmd_token,   "token new NAME --tenant TENANT --scope SCOPE[,SCOPE] [--expires 90d] [--token-file FILE] | list [--tenant TENANT]\n"
	  "           | revoke NAME --tenant TENANT [--json]",
	  "the Bearer tokens of those who call the API" },
	{ "erase",   cmd_erase,   "erase --tenant TENANT (--contact ID [--installation ID] | --phone NUMBER) [--dry-run] [--json]",
	  "make everything of one person unreadable" },
	{ "key",     cmd_key,     "key new [KEY] | rotate KEY [--dry-run]  (KEY: intake or outgoing)",
	  "make the keys that stored secrets are sealed with, and change them" },
};
/* clang-format on */

int
cli_fail(const char *fmt, ...)
{
	va_list ap;

	fputs("ponte: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_FAILED;
}

int
cli_usage(const char *command, const char *fmt, ...)
{
	va_list ap;

	fputs("ponte: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (command)
		fprintf(stderr, "; try: ponte help %s\n", command);
	else
		fputs("; try: ponte help\n", stderr);
	return EXIT_USAGE;
}

int
cli_config(struct cli *cli)
{
	struct settings_errors wrong = { 0 };

	if (cli->config_path.len)
		return EXIT_DONE;
	int r = config_load(cli->source, cli->arena, &cli->config, &cli->config_path, &wrong);
	if (r == 0)
		return EXIT_DONE;
	if (r < 0)
		return cli_fail("cannot read the settings" SLICE_FMT SLICE_FMT ": %s",
		    SLICE_ARG(cli->config_path.len ? SLICE(" ") : SLICE("")),
		    SLICE_ARG(cli->config_path), strerror(-r));
	for (size_t i = 0; i < wrong.count && i < SETTINGS_ERRORS_MAX; i++)
		fprintf(stderr, SLICE_FMT "%s: %s\n", SLICE_ARG(cli->config_path),
		    settings_at(&wrong.item[i]).text, wrong.item[i].text);
	cli->config_path = slice_from(NULL, 0);
	return cli_fail("the settings have %zu mistake%s", wrong.count, wrong.count == 1 ? "" : "s");
}

int
cli_keeper(struct cli *cli)
{
	if (cli_config(cli) != EXIT_DONE)
		return EXIT_FAILED;
	if (cli->keeper.path)
		return EXIT_DONE;
	const char *path = arena_text(cli->arena, cli->config.listen.keeper);
	if (!path)
		return cli_fail("out of memory");
	net_caller_init(&cli->keeper, path);
	return EXIT_DONE;
}

/* Where nobody listens, only a restart is worth waiting for. */
static int64_t
patience_ms(const struct net_caller *keeper, int64_t most)
{
	CLEANUP(close_fd) int fd = -1;

	return keeper->fd >= 0 || net_connect(keeper->path, false, &fd) == 0 ? most : GONE_MS;
}

int
cli_ask(struct cli *cli, struct buf *out, struct wire_frame *ret)
{
	return cli_ask_for(cli, out, ASK_MS, ret);
}

int
cli_ask_for(struct cli *cli, struct buf *out, int64_t most_ms, struct wire_frame *ret)
{
	int r = net_call(&cli->keeper, buf_view(out), clock_mono_ms() + patience_ms(&cli->keeper, most_ms), ret);
	if (r < 0)
		return cli_fail("no answer from the keeper at %s: %s; is it running?",
		    cli->keeper.path, strerror(-r));
	if (ret->kind == P_ERROR) {
		struct slice why = wire_text(ret->payload, T_REASON);
		return cli_fail(SLICE_FMT, SLICE_ARG(why));
	}
	return EXIT_DONE;
}

/* Beside this program first: a build tree keeps each role in app/<role>/. */
const char *
cli_sibling(struct cli *cli, const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		char *slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
		const char *dash = strchr(name, '-');
		const struct slice tries[] = {
			arena_printf(cli->arena, "%s/%s", self, name),
			arena_printf(cli->arena, "%s/../%s/%s", self, dash ? dash + 1 : name, name),
		};
		for (size_t i = 0; i < ARRAY_LEN(tries); i++)
			if (tries[i].len && access(tries[i].ptr, X_OK) == 0)
				return tries[i].ptr;
	}
	struct slice installed = arena_printf(cli->arena, "%s/%s", PONTE_LIBEXECDIR, name);
	return installed.len && access(installed.ptr, X_OK) == 0 ? installed.ptr : NULL;
}

/* The table is the worker's own, so it is asked for it. */
int
cmd_routes(struct cli *cli, int argc, char **argv)
{
	bool json = cli->json;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else
			return cli_usage("routes", "routes takes no '%s'", argv[i]);
	}
	const char *worker = cli_sibling(cli, "ponte-worker");
	if (!worker)
		return cli_fail("ponte-worker is not installed beside this program");
	execl(worker, worker, "--routes", json ? "--json" : (char *)NULL, (char *)NULL);
	return cli_fail("cannot run %s: %s", worker, strerror(errno));
}

/* What is said from the tables that the parsers walk. */
static const struct table {
	const char *topic;
	int (*print)(const struct settings_option *, struct buf *);
	const struct settings_option *options;
} tables[] = {
	{ "settings",      settings_help, config_table },
	{ "settings-roff", settings_roff, config_table },
	{ "tenants",       settings_help, tenant_table },
	{ "tenants-roff",  settings_roff, tenant_table },
};

static int
help_table(const struct table *t)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	if (t->print(t->options, &out) != 0)
		return cli_fail("out of memory");
	fwrite(buf_view(&out).ptr, 1, buf_view(&out).len, stdout);
	return EXIT_DONE;
}

static int
help(const char *topic)
{
	for (size_t i = 0; topic && i < ARRAY_LEN(tables); i++)
		if (strcmp(tables[i].topic, topic) == 0)
			return help_table(&tables[i]);
	for (size_t i = 0; topic && i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, topic) == 0) {
			printf("usage: ponte [--dir DIR | --config FILE] %s\n\n%s\n\nSee ponte(1).\n",
			    commands[i].synopsis, commands[i].help);
			return EXIT_DONE;
		}
	if (topic)
		return cli_usage(NULL, "there is no command '%s'", topic);
	puts("usage: ponte [--dir DIR | --config FILE] COMMAND …\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		printf("  %-8s  %s\n", commands[i].name, commands[i].help);
	puts("\n  help COMMAND    what a command takes\n"
	     "  help settings   every setting of ponte.yaml\n"
	     "  help tenants    everything that a file for 'tenant import' may say\n\n"
	     "--dir DIR (or PONTE_DIR) speaks to an instance of 'ponte up --dir DIR'.\n"
	     "Exit status: 0 done, 1 it could not be done, 2 the command line is wrong.");
	return EXIT_DONE;
}

/* --dir and --config may stand before or behind the command, because both
 * orders are typed; they are taken out of argv here, once for all commands. */
static int
take_source(struct cli *cli, int *argc, char **argv)
{
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		const char **where = NULL, *value = NULL;
		if (strcmp(argv[i], "--dir") == 0 || strcmp(argv[i], "--config") == 0) {
			where = argv[i][2] == 'd' ? &cli->source.dir : &cli->source.file;
			if (i + 1 == *argc)
				return cli_usage(NULL, "%s needs a value", argv[i]);
			value = argv[++i];
		} else if (strncmp(argv[i], "--dir=", 6) == 0) {
			where = &cli->source.dir;
			value = argv[i] + 6;
		} else if (strncmp(argv[i], "--config=", 9) == 0) {
			where = &cli->source.file;
			value = argv[i] + 9;
		} else {
			argv[kept++] = argv[i];
			continue;
		}
		if (!*value)
			return cli_usage(NULL, "--dir and --config need a value");
		*where = value;
	}
	argv[kept] = NULL;
	*argc = kept;
	if (cli->source.dir && cli->source.file)
		return cli_usage(NULL, "--dir and --config exclude each other");
	return EXIT_DONE;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
		return argc < 2 ? (help(NULL), EXIT_USAGE) : help(argc > 2 ? argv[2] : NULL);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		puts("ponte " PACKAGE_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, argv[1]) != 0)
			continue;
		if (argc > 2 && strcmp(argv[2], "--help") == 0)
			return help(argv[1]);
		return commands[i].run(cli, argc - 1, argv + 1);
	}
	return cli_usage(NULL, "there is no command '%s'", argv[1]);
}

int
main(int argc, char **argv)
{
	struct cli cli = { .program = argv[0], .keeper = { .fd = -1 } };

	if (arena_new(64 * MIB, &cli.arena) != 0 || crypt_init() != 0)
		return cli_fail("cannot start: no memory, or no random numbers");
	int r = take_source(&cli, &argc, argv);
	if (r == EXIT_DONE)
		r = run(&cli, argc, argv);
	if (r == EXIT_DONE && (fflush(stdout) != 0 || ferror(stdout)))
		r = cli_fail("cannot write the output: %s", strerror(errno));
	net_caller_close(&cli.keeper);
	arena_free(cli.arena);
	return r;
}
