/* up: all roles in the foreground, everything under one directory, for a
 * laptop and for tests; production has systemd's units.
 *
 *   up.c         the command: makes what is missing, then supervises
 *   up_roles.c   starts, watches and stops the programs
 *   up_nginx.c   nginx: its port, certificate and configuration
 *   up_probe.c   does it serve already? */
#ifndef PONTE_APP_PONTE_UP_H
#define PONTE_APP_PONTE_UP_H

#include <sys/types.h>

#include "app/ponte/ponte.h"

#define UP_DOOR "run/https"         /* file under DIR: nginx's URL while it runs */

/* A program that must run as long as we do. */
struct up_child {
	const char *name;                   /* for log lines */
	const char *argv[12];
	int         fd[2];                  /* listening sockets it gets, as 3 and 4 */
	unsigned    fds;
	const char *fd_names;               /* LISTEN_FDNAMES; NULL: NGINX="3;" */
	int         stop_signal;
	int64_t     patience_ms;            /* how long it may take to stop */

	pid_t       pid;                    /* 0: not running */
	int64_t     born_ms, due_ms;        /* started at; not started again before */
	int64_t     pause_ms;               /* the last wait before a new start */
};

/* In the order they are started; stopped from the end: who calls first. */
enum { UP_KEEPER, UP_COURIER, UP_WORKER, UP_NGINX, UP_CHILDREN };

struct up {
	struct cli  *cli;
	struct arena *settings;             /* what cli->config points into since a reload; NULL: there was none */
	const char  *dir;                   /* absolute */
	const char  *hooks, *api, *keeper, *courier;    /* paths of the sockets */
	bool         with_nginx;
	bool         limits;                /* the flood guard holds for loopback too */
	uint16_t     https_port;            /* asked for; 0: any.  After up_nginx(): the real one */
	const char  *https_host;            /* as it stands in an URL */
	struct up_child child[UP_CHILDREN];
	size_t       children;              /* UP_NGINX or UP_CHILDREN */
};

/* All of these: EXIT_DONE, or EXIT_FAILED with one line said. */
MUST_CHECK int up_roles(struct up *);       /* holds the sockets, fills in the three roles */
MUST_CHECK int up_nginx(struct up *);       /* the same for nginx */
/* Its configuration from the settings as they are now; its port stays.  True:
 * that, or the certificate, is another than before. */
bool up_nginx_changed(const struct up *);

/* Watches until SIGTERM or SIGINT, then stops everything.  `blocked` signals
 * are the caller's: SIGTERM, SIGINT, SIGHUP, SIGCHLD. */
int up_watch(struct up *);

/* Does everything answer?  Takes at most about a second. */
bool up_serves(const struct up *);

/* arena_printf() for names: NULL when the memory is out. */
const char *up_path(const struct up *, const char *name);
/* A held socket above the range that children get theirs in; -1: errno. */
int up_hold(int fd);

#endif
