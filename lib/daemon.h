/* daemon: the one owner of libsystemd: readiness, watchdog, inherited sockets.
 * Does nothing where nobody supervises (ponte up, tests). */
#ifndef PONTE_DAEMON_H
#define PONTE_DAEMON_H

#include "lib/base.h"

void daemon_ready(void);                            /* READY=1 */
void daemon_stopping(void);                         /* STOPPING=1 */
void daemon_reloading(void);                        /* RELOADING=1 with the monotonic clock */
void daemon_status(const char *text);               /* STATUS=… */
/* Milliseconds between pings, 0 when no watchdog is asked for. */
int64_t daemon_watchdog_ms(void);
void daemon_alive(void);                            /* WATCHDOG=1, from the working loop itself */

/* The inherited listening socket of that name ("hooks", "api", "keeper",
 * "courier"; LISTEN_FDS and LISTEN_FDNAMES), non-blocking and close-on-exec;
 * -1 when there is none.  Does not unset the environment. */
int daemon_inherited(const char *name);

#endif
