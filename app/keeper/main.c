/* ponte-keeper: takes what the workers let in, keeps it safe, and hands it to
 * the courier.  Reading order: keeper.h, commit.c, lib/store.h. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"

static const char usage[] =
    "usage: ponte-keeper [--dir DIR | --config FILE] [--check]\n"
    "\n"
    "Keeps events and deliveries: commits what the workers put, hands work to the courier.\n"
    "\n"
    "  --dir DIR       everything of this instance lies under DIR (ponte up)\n"
    "  --config FILE   settings; default $PONTE_DIR/ponte.yaml, else /etc/ponte/ponte.yaml\n"
    "  --check         read the settings, look at the files they name, say what is wrong, and end\n"
    "  --recount FILE  recount the books of that store and check its file (for the keeper itself)\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM and SIGINT stop it, SIGHUP makes it read its settings again.\n";

enum what { RUN, CHECK, RECOUNT, HELP, VERSION, MISTAKE };

static enum what
arguments(int argc, char **argv, struct config_source *ret, const char **ret_file)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "recount", required_argument, NULL, 'r' },
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
		case 'r':
			*ret_file = optarg;
			what = RECOUNT;
			break;
		case 'h': return HELP;
		case 'v': return VERSION;
		default:  return MISTAKE;
		}
	}
	return optind < argc ? MISTAKE : what;
}

/* Taken from a descriptor, in the loop. */
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

/* We hold no key; what customers write is not to lie about in a core either. */
static void
leave_no_core(void)
{
	const struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int
run(struct config_source source)
{
	static struct keeper k;         /* too large for some stacks; zero at start */
	k.source = source;
	k.epoll_fd = k.listen_fd = k.signal_fd = k.recount.fd = -1;
	block_signals();
	leave_no_core();
	umask(077);
	log_setup("keeper", LOG_INFO);

	int r = setup_all(&k);
	if (r == 0)
		r = loop_run(&k);
	if (r != 0)
		log_event(LOG_ERROR, "stopped", LOG_INT("errno", -r));
	else
		log_event(LOG_NOTICE, "stopped", LOG_INT("pending", store_pending(k.store)));
	setup_undo(&k);
	return r != 0;
}

int
main(int argc, char **argv)
{
	struct config_source source = { NULL, NULL };
	const char *file = NULL;
	switch (arguments(argc, argv, &source, &file)) {
	case RUN:     return run(source);
	case CHECK:   return setup_check(source);
	case RECOUNT: return recount_main(file);
	case HELP:    fputs(usage, stdout); return 0;
	case VERSION: puts("ponte-keeper " PACKAGE_VERSION); return 0;
	case MISTAKE: break;
	}
	fputs(usage, stderr);
	return 2;
}
