/* client: HTTP to the outside, many requests at once in one loop.  The one
 * owner of libcurl; used by the courier and by `ponte send`.
 *
 *   client_start()  any number of requests; over a kept connection one leaves at once
 *   client_poll()   moves them, waits at most timeout_ms for them or for other
 *                   descriptors
 *   client_next()   one finished request at a time, until there is none
 *
 * What cannot be switched off: http and https alone, no redirects (a 3xx is an
 * answer), no proxy, netrc or cookies, nothing from the environment, TLS 1.2
 * or later with the certificate and its name verified, and no address outside
 * the public internet unless the operator named "host:port" in allow_private.
 * The address is judged when the socket is opened, so it is the one connected
 * to, whatever the name resolved to before.
 *
 * Keep-alive, HTTP/2 where a TLS peer offers it. */
#ifndef PONTE_CLIENT_H
#define PONTE_CLIENT_H

#include <poll.h>

#include "lib/base.h"
#include "lib/http.h"

/* Descriptors of others that client_poll() takes at most. */
#define CLIENT_EXTRA_MAX 64

struct client;

struct client_options {
	const struct slice *allow_private;      /* "host:port" each, IPv6 "[::1]:80"; copied */
	size_t              allow_privates;
	const char         *ca_file;            /* certificates beside the system's; NULL or "": none */
	const char         *user_agent;         /* NULL: none is sent */
	unsigned            max_per_host;       /* connections; 0: no limit */
	unsigned            max_total;          /* likewise */
};
/* 0, -ENOMEM, -errno of ca_file, -EINVAL (no certificate in it, or an
 * allow_private entry that is not host:port), -EIO (libcurl). */
MUST_CHECK int client_new(const struct client_options *, struct client **ret);
void client_free(struct client *);              /* NULL is fine; what is in flight is dropped */
void client_freep(struct client **);            /* for CLEANUP() */

struct client_request {
	enum http_method    method;             /* GET or POST */
	struct slice        url;                /* copied; judged by http_url_split() */
	const struct slice *header;             /* "Name: value" each; copied, and wiped afterwards */
	size_t              headers;
	struct slice        body;               /* POST; NOT copied: the caller keeps it until
	                                         * client_next() or client_cancel() gave the cookie back */
	/* Milliseconds; 0: no limit of that kind. */
	int64_t connect_ms;                     /* name, connection and TLS */
	int64_t first_byte_ms;                  /* from the last byte sent to the first of the answer */
	int64_t total_ms;                       /* from client_start() */
	int64_t low_speed_ms;                   /* after the first byte: fewer than low_speed_bytes in */
	size_t  low_speed_bytes;                /* that time, and it is given up */
	size_t  answer_max;                     /* bytes of body; SIZE_MAX: no limit */
	/* Over a kept connection that breaks before any answer, a request is
	 * sent again on a new one.  Not so with `once`: it ends with
	 * CLIENT_E_CUT, for requests that must not be repeated unseen. */
	bool    once;
};

/* X(name, text) */
#define CLIENT_ERRORS(X) \
	X(OK, "ok")                                     /* an answer is there, of any status */ \
	X(E_RESOLVE, "resolve")                         /* no address for the name */ \
	X(E_CONNECT, "connect")                         /* nobody listens, no way there */ \
	X(E_TLS, "tls")                                 /* certificate, host name, version */ \
	X(E_TIMEOUT_CONNECT, "connect timeout") \
	X(E_TIMEOUT_FIRST, "first byte timeout") \
	X(E_TIMEOUT_TOTAL, "total timeout") \
	X(E_SLOW, "too slow") \
	X(E_CUT, "cut")                                 /* broke before the answer's end */ \
	X(E_TOO_LARGE, "answer too large") \
	X(E_REFUSED_ADDRESS, "private address")         /* not public, not in allow_private */ \
	X(E_URL, "bad url") \
	X(E_OTHER, "other")
enum client_error {
#define X(name, text) CLIENT_##name,
	CLIENT_ERRORS(X)
#undef X
};
const char *client_error_text(enum client_error);

/* Slices and why: until the next client_next() or client_free(). */
struct client_result {
	void             *cookie;
	enum client_error error;
	const char       *why;                  /* one sentence, "" for CLIENT_OK; no secrets, but
	                                         * names and addresses: for logs, not for strangers */
	bool              sent;                 /* false: surely no byte of the request left.  true:
	                                         * the peer may have seen it, whatever the error */
	unsigned          status;               /* 0: none came */
	struct slice      body;                 /* with an error: what had come */
	struct slice      content_type, retry_after;
	int64_t           elapsed_ms;           /* since client_start() */
};

/* 0, -EINVAL (a method or a header line that cannot be sent) or -ENOMEM.  A bad
 * URL is no error here: it comes back as a result of CLIENT_E_URL. */
MUST_CHECK int client_start(struct client *, const struct client_request *, void *cookie);
/* Drops the request with that cookie, its result if it had finished.  0 or
 * -ENOENT.  ret_sent (NULL is fine) as in the result. */
int client_cancel(struct client *, void *cookie, bool *ret_sent);
size_t client_count(const struct client *);     /* in flight and not yet given back */

/* At most n = CLIENT_EXTRA_MAX; their revents are set as by poll().  Comes back
 * early when a request has finished or a signal came.  timeout_ms < 0: no
 * limit.  0 or -errno. */
MUST_CHECK int client_poll(struct client *, struct pollfd *extra, size_t n, int timeout_ms);
bool client_next(struct client *, struct client_result *ret);

#endif
