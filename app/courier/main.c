/* ponte-courier: takes what the keeper has to deliver, carries it to the hub
 * and to Chatwoot, and brings back what became of it.  Reading order:
 * courier.h, job.h, deliver.c, destination.h, to_hub.c. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "app/courier/courier.h"
#include "app/courier/loop.h"
#include "app/courier/setup.h"
#include "lib/log.h"

static const char usage[] =
    "usage: ponte-courier [--dir DIR | --config FILE] [--check]\n"
    "\n"
    "Carries deliveries from the keeper to the hub and to Chatwoot.\n"
    "\n"
    "  --dir DIR       everything of this instance lies under DIR (ponte up)\n"
    "  --config FILE   settings; default $PONTE_DIR/ponte.yaml, else /etc/ponte/ponte.yaml\n"
    "  --check         read the settings, look at the files they name, say what is wrong, and end\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM and SIGINT stop it, SIGHUP makes it read its settings again.\n";

enum what { RUN, CHECK, HELP, VERSION, MISTAKE };

static enum what
arguments(int argc, char **argv, struct config_source *ret)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	enum what what = RUN;
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (o) {
		case 'd': ret->dir = optarg;  break;
		case 'c': ret->file = optarg; break;
		case 'k': what = CHECK;       break;
		case 'h': return HELP;
		case 'v': return VERSION;
		default:  return MISTAKE;
		}
	}
	return optind < argc ? MISTAKE : what;
}

/* Blocked here, before curl makes a thread: they are taken by the loop alone. */
static void
block_signals(void)
{
	sigset_t ours;
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigprocmask(SIG_BLOCK, &ours, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int
run(struct config_source source)
{
	struct courier c = { .source = source, .listen_fd = -1, .link = { .fd = -1 } };
	block_signals();
	secret_process_harden();
	log_setup("courier", LOG_INFO);

	int r = setup_all(&c);
	if (r == 0) {
		log_event(LOG_NOTICE, "started", LOG_STR("version", PACKAGE_VERSION));
		r = loop_run(&c);
		log_event(r ? LOG_ERROR : LOG_NOTICE, "stopped", LOG_INT("errno", -r), LOG_INT("deliveries", c.jobs.n));
	}
	setup_undo(&c);
	return r != 0;
}

int
main(int argc, char **argv)
{
	struct config_source source = { NULL, NULL };
	switch (arguments(argc, argv, &source)) {
	case RUN:     return run(source);
	case CHECK:   return setup_check(source);
	case HELP:    fputs(usage, stdout); return 0;
	case VERSION: puts("ponte-courier " PACKAGE_VERSION); return 0;
	case MISTAKE: break;
	}
	fputs(usage, stderr);
	return 2;
}
