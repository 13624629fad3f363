/* serve: FastCGI in and out, one request per connection, one at a time. */
#ifndef PONTE_WORKER_SERVE_H
#define PONTE_WORKER_SERVE_H

#include "app/worker/worker.h"

struct serve;

/* Once per process, before anything else sets signal dispositions.  The
 * listening socket stays the caller's and must be non-blocking.  0 or -errno. */
MUST_CHECK int serve_new(struct worker *, int listen_fd, struct serve **ret);
void serve_free(struct serve *);

/* Accepts and answers one request.  0, -EAGAIN (nobody there: a sibling was
 * quicker), -EBADMSG (somebody, but no request), or -errno of accept4(). */
MUST_CHECK int serve_once(struct serve *);

/* Answers until SIGTERM (the request in hand is finished) or until `most`
 * requests are done (0: no end).  SIGTERM must be blocked by the caller. */
enum worker_exit serve_run(struct serve *, uint64_t most);

#endif
