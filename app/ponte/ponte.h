/* ponte: the operator's program.  main.c has the table of commands; each
 * command is a file of its own with one cmd_x().
 *
 * Exit status: 0 done; 1 it could not be done (one line on standard error says
 * why); 2 the command line is wrong. */
#ifndef PONTE_APP_PONTE_H
#define PONTE_APP_PONTE_H

#include <getopt.h>

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/config.h"
#include "lib/net.h"
#include "lib/protocol.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct cli {
	struct config_source source;        /* --dir, --config, PONTE_DIR */
	struct arena *arena;                /* lives as long as the process */
	struct config config;               /* after cli_config() */
	struct slice  config_path;
	const char   *program;              /* argv[0], to find the sibling programs */
	bool          json;                 /* --json, where a command offers it */
	struct net_caller keeper;           /* after cli_keeper() */
};

struct command {
	const char *name;
	int       (*run)(struct cli *, int argc, char **argv);   /* argv[0] is the command's name */
	const char *synopsis;               /* "tenant import FILE | list | show NAME | remove NAME" */
	const char *help;                   /* one line */
};

int cmd_up(struct cli *, int argc, char **argv);
int cmd_check(struct cli *, int argc, char **argv);
int cmd_routes(struct cli *, int argc, char **argv);
int cmd_queue(struct cli *, int argc, char **argv);
int queue_destinations(struct cli *, struct slice tenant);      /* a verb of cmd_queue() */
int cmd_send(struct cli *, int argc, char **argv);
int cmd_explain(struct cli *, int argc, char **argv);
int cmd_tenant(struct cli *, int argc, char **argv);
int cmd_key(struct cli *, int argc, char **argv);
int cmd_token(struct cli *, int argc, char **argv);
int cmd_trace(struct cli *, int argc, char **argv);
int cmd_erase(struct cli *, int argc, char **argv);

/* "ponte: " and the text on standard error; returns EXIT_FAILED. */
int cli_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* "ponte: <text>; try: ponte help <command>"; returns EXIT_USAGE. */
int cli_usage(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Loads the settings once; prints every mistake with file, line and column.
 * EXIT_DONE or EXIT_FAILED. */
MUST_CHECK int cli_config(struct cli *);
/* config_files(), and what is in the secrets; *reterr starts empty.  0, SETTINGS_E_WRONG or -ENOMEM. */
MUST_CHECK int cli_files(const struct config *, struct settings_errors *reterr);
/* cli_config() and a caller for the keeper's socket. */
MUST_CHECK int cli_keeper(struct cli *);
/* One request to the keeper, 10 s.  Build it in `out` with request =
 * net_caller_next(&cli->keeper).  P_ERROR and a silent keeper are printed as
 * one line and EXIT_FAILED; *ret is valid until the next call. */
MUST_CHECK int cli_ask(struct cli *, struct buf *out, struct wire_frame *ret);
/* The same with more patience. */
MUST_CHECK int cli_ask_for(struct cli *, struct buf *out, int64_t most_ms, struct wire_frame *ret);
/* The path of a program of ours: beside this one (also app/<x>/ in a build
 * tree), else in libexec.  NULL when there is none. */
const char *cli_sibling(struct cli *, const char *name);

#endif
