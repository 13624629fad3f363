/* probe: courier.sock.  Who asks P_PROBE there learns that the loop turns and
 * whether there is a keeper; an operator learns with P_DESTINATIONS how much
 * goes where now, and begins a catch-up with P_CATCHUP.  P_CALL asks an Odoo or
 * a hub something (calls.h). */
#ifndef PONTE_COURIER_PROBE_H
#define PONTE_COURIER_PROBE_H

#include <poll.h>
#include <sys/types.h>

#include "lib/base.h"
#include "lib/buf.h"

struct courier;

#define PROBES_MAX 60       /* more wait in the backlog */

struct probe { int fd; uid_t uid; uint64_t id; struct buf in, out; };
struct probes {
	int          listen_fd; /* the caller's */
	struct probe item[PROBES_MAX];
	size_t       n;
	uint64_t     last_id;
};

void probes_init(struct probes *, int listen_fd);
void probes_close(struct probes *);
/* Fills what poll() is to watch; how many it is. */
size_t probes_watch(const struct probes *, struct pollfd *fds, size_t most);
/* After poll(): the same n. */
void probes_io(struct courier *, struct probes *, const struct pollfd *fds, size_t n, int64_t now_ms);

#endif
