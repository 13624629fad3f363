/* guard: looks at the front of a FastCGI connection before libfcgi does.
 *
 * libfcgi believes the lengths that stand before a parameter's name and value:
 * it asks for as much memory as they say, and ends the process when they pass
 * 2 GiB.  So the parameters are looked at first, without taking them off the
 * socket: one BEGIN record, then PARAMS records of the same request up to the
 * empty one, 64 KiB in all, and every length within what was sent. */
#ifndef PONTE_WORKER_GUARD_H
#define PONTE_WORKER_GUARD_H

#include "lib/base.h"

#define GUARD_PARAMS  (64 * KIB)
/* The parameters cut into records of 4 KiB and more, their heads, BEGIN. */
#define GUARD_FRONT   (GUARD_PARAMS + 4 * KIB)

enum guard_outcome {
	GUARD_E_MORE = 1,       /* fine so far; the end of the parameters is not there yet */
	GUARD_E_BAD,            /* no web server of ours sends that */
};

/* 0 or an outcome. */
MUST_CHECK int guard_check(struct slice front);
/* The same for a connection whose bytes are still arriving; front is
 * GUARD_FRONT bytes to work in.  0 or GUARD_E_BAD (also for a peer that goes
 * away or does not get on within two seconds). */
MUST_CHECK int guard_wait(int fd, char *front);

#endif
