/* setup: what the courier needs before it can begin, and what a reload changes. */
#ifndef PONTE_COURIER_SETUP_H
#define PONTE_COURIER_SETUP_H

#include "lib/base.h"
#include "lib/config.h"

struct courier;

/* --check: settings, and the files that they name; mistakes go to stderr.  The exit status. */
int setup_check(struct config_source);
/* Everything; mistakes are logged.  0 or -errno. */
MUST_CHECK int setup_all(struct courier *);
void setup_undo(struct courier *);

/* SIGHUP.  Settings that are wrong change nothing.  Paths (sockets, keys,
 * scoreboard) take a restart. */
void setup_reload(struct courier *, int64_t now_ms);
/* A new HTTP client from the settings as they are now; the one before it ends
 * what it has in flight.  Is it one too many, client_stale says so. */
void setup_client(struct courier *);

#endif
