/* net: Unix sockets. */
#ifndef PONTE_NET_H
#define PONTE_NET_H

#include <sys/types.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/wire.h"

/* A listening stream socket at path, backlog 4096 (a full unix backlog is a
 * 502 at nginx), non-blocking, close-on-exec.  A dead socket file in the way
 * is removed, a live one is -EADDRINUSE.  0, -ENAMETOOLONG (107 bytes at most)
 * or -errno. */
MUST_CHECK int net_listen(const char *path, unsigned mode, int *ret_fd);
/* Connected, close-on-exec, blocking or not.  0 or -errno. */
MUST_CHECK int net_connect(const char *path, bool nonblocking, int *ret_fd);
/* Who is on the other end (SO_PEERCRED).  0 or -errno. */
MUST_CHECK int net_peer_uid(int fd, uid_t *ret);

/* A caller's side of a conversation with the keeper (or courier): one request
 * at a time, blocking with a deadline.  A broken connection is opened again
 * within the deadline and the request sent once more (every request of
 * ours may be repeated). */
struct net_caller {
	const char *path;           /* kept by the caller */
	int         fd;             /* -1: not connected */
	uint64_t    last_request;
	struct buf  in;
};
void net_caller_init(struct net_caller *, const char *path);
void net_caller_close(struct net_caller *);
/* request: a whole frame made with wire_begin(…, request = net_caller_next()).
 * *ret_answer points into the caller's buffer until the next call.
 * deadline_ms: on clock_mono_ms().  0, -ETIMEDOUT, or -errno of the last try. */
uint64_t net_caller_next(struct net_caller *);
MUST_CHECK int net_call(struct net_caller *, struct slice request, int64_t deadline_ms, struct wire_frame *ret_answer);

/* Reads what is there (at most `limit` bytes in the buffer).  >0 bytes read,
 * 0 end of stream, -EAGAIN, -ENOBUFS (the buffer holds limit bytes already), or -errno. */
ssize_t net_read(int fd, struct buf *in, size_t limit);
/* Writes what it takes and consumes it.  0 when all is gone, -EAGAIN when some
 * is left, or -errno. */
int net_write(int fd, struct buf *out);

#endif
