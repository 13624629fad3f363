/* loop: the one place where the courier sleeps. */
#ifndef PONTE_COURIER_LOOP_H
#define PONTE_COURIER_LOOP_H

#include "lib/base.h"

struct courier;

/* Until SIGTERM or SIGINT, and then until the work in hand has gone back, ten
 * seconds at most.  SIGHUP reads the settings again.  The three must be
 * blocked.  0 or -errno. */
MUST_CHECK int loop_run(struct courier *);

#endif
