#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/worker/pool.h"
#include "app/worker/routes.h"
#include "app/worker/setup.h"
#include "lib/crypt.h"
#include "lib/daemon.h"
#include "lib/log.h"
#include "lib/net.h"

#define SOCKET_MODE 0660

struct options {
	struct config_source source;
	bool hooks, api, check, routes, json;
};

static const char usage[] =
    "usage: ponte-worker [--dir DIR | --config FILE] [--group hooks|api|both]\n"
    "       ponte-worker --check [--dir DIR | --config FILE]\n"
    "       ponte-worker --routes [--json]\n\n"
    "Answers HTTP requests that nginx hands over by FastCGI: a master and its\n"
    "workers, in two groups on two sockets.\n\n"
    "  --dir DIR      the instance under DIR (settings in DIR/ponte.yaml)\n"
    "  --config FILE  settings; /etc/ponte/ponte.yaml when neither is given\n"
    "  --group GROUP  hooks (webhooks), api (everything else) or both (default)\n"
    "  --check        look at the settings and the files they name, say what is wrong, and end\n"
    "  --routes       list every URL that is answered; with --json for programs\n"
    "  --help, --version\n\n"
    "SIGTERM and SIGINT: finish the requests in hand, and end.\n"
    "SIGHUP: read the settings again; mistakes change nothing.\n";

static _Noreturn void
misused(const char *what)
{
	fprintf(stderr, "ponte-worker: %s\n%s", what, usage);
	exit(2);
}

static void
take_group(struct options *o, const char *name)
{
	bool both = strcmp(name, "both") == 0;

	o->hooks = both || strcmp(name, "hooks") == 0;
	o->api = both || strcmp(name, "api") == 0;
	if (!o->hooks && !o->api)
		misused("--group is hooks, api or both");
}

/* Ends the process on --help, --version and mistakes. */
static struct options
options_from_args(int argc, char **argv)
{
	enum { DIR_ = 'd', CONFIG = 'c', GROUP = 'g', CHECK = 't', ROUTES = 'r', JSON = 'j', HELP = 'h', VERSION = 'v' };
	static const struct option known[] = {
		{ "dir", required_argument, NULL, DIR_ },   { "config", required_argument, NULL, CONFIG },
		{ "group", required_argument, NULL, GROUP }, { "check", no_argument, NULL, CHECK },
		{ "routes", no_argument, NULL, ROUTES },    { "json", no_argument, NULL, JSON },
		{ "help", no_argument, NULL, HELP },        { "version", no_argument, NULL, VERSION },
		{ NULL, 0, NULL, 0 },
	};
	struct options o = { .hooks = true, .api = true };

	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
		switch (c) {
		case DIR_:    o.source.dir = optarg; break;
		case CONFIG:  o.source.file = optarg; break;
		case GROUP:   take_group(&o, optarg); break;
		case CHECK:   o.check = true; break;
		case ROUTES:  o.routes = true; break;
		case JSON:    o.json = true; break;
		case HELP:    fputs(usage, stdout); exit(0);
		case VERSION: puts("ponte-worker " PACKAGE_VERSION); exit(0);
		default:      exit(2);          /* getopt_long() has said why */
		}
	if (optind < argc)
		misused("it takes options only");
	if (o.source.dir && o.source.file)
		misused("--dir and --config exclude each other");
	return o;
}

static void
say(const char *text)
{
	fprintf(stderr, "%s\n", text);
}

static void
log_why(const char *text)
{
	log_event(LOG_ERROR, "cannot-start", LOG_STR("why", text));
}

static int
list_routes(bool as_json)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	if (routes_print(as_json, &out) < 0) {
		say("ponte-worker: out of memory");
		return EXIT_FAILURE;
	}
	struct slice text = buf_view(&out);
	return fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
check_settings(struct config_source source)
{
	struct setup *setup;

	if (crypt_init() != 0 || setup_load(source, SETUP_CHECK, say, &setup) != 0)
		return EXIT_FAILURE;
	setup_free(setup);
	return EXIT_SUCCESS;
}

static bool
open_board(struct pool *p)
{
	const char *path = arena_text(p->setup->arena, p->setup->config.listen.scoreboard);
	int r = path ? scoreboard_open(path, &p->board) : -ENOMEM;

	if (r < 0)
		log_event(LOG_ERROR, "cannot-open-scoreboard", LOG_STR("path", path), LOG_STR("error", strerror(-r)));
	return r == 0;
}

static bool
open_group(struct pool *p, enum route_group which, const char *name, struct slice path)
{
	struct pool_group *g = &p->group[which];
	bool hooks = which == ROUTE_HOOKS;

	*g = (struct pool_group){
		.name = name, .used = true, .listen_fd = daemon_inherited(name),
		.board = hooks ? p->board->hooks : p->board->api,
		.troubled = hooks ? &p->board->hooks_troubled : &p->board->api_troubled,
	};
	if (g->listen_fd >= 0)
		return true;
	const char *text = arena_text(p->setup->arena, path);
	int r = text ? net_listen(text, SOCKET_MODE, &g->listen_fd) : -ENOMEM;
	if (r < 0)
		log_event(LOG_ERROR, "cannot-listen", LOG_STR("group", name), LOG_TEXT("path", path),
		    LOG_STR("error", strerror(-r)));
	return r == 0;
}

static bool
open_groups(struct pool *p, const struct options *o)
{
	const struct config *c = &p->setup->config;

	return (!o->hooks || open_group(p, ROUTE_HOOKS, "hooks", c->listen.hooks)) &&
	    (!o->api || open_group(p, ROUTE_API, "api", c->listen.api));
}

int
main(int argc, char **argv)
{
	struct options o = options_from_args(argc, argv);
	struct pool pool = { .source = o.source };
	int status = EXIT_FAILURE;

	if (o.routes)
		return list_routes(o.json);
	if (o.check)
		return check_settings(o.source);

	pool_block_signals();
	log_setup("worker", LOG_INFO);
	secret_process_harden();                /* before a key is read, and before the fork */
	if (crypt_init() == 0 && setup_load(o.source, SETUP_START, log_why, &pool.setup) == 0) {
		log_setup("worker", (enum log_level)config_log_level(&pool.setup->config));
		if (open_board(&pool) && open_groups(&pool, &o))
			status = pool_run(&pool);
	}

	if (pool.group[ROUTE_HOOKS].used)
		close_fd(&pool.group[ROUTE_HOOKS].listen_fd);
	if (pool.group[ROUTE_API].used)
		close_fd(&pool.group[ROUTE_API].listen_fd);
	scoreboard_close(pool.board);
	setup_free(pool.setup);
	return status;
}
