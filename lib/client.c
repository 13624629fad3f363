/* Long because libcurl is known to one file alone: whatever touches one of its
 * handles stands here.  What does not is in reach, patience and trust. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <curl/curl.h>

#include "lib/buf.h"
#include "lib/client.h"
#include "lib/clock.h"
#include "lib/patience.h"
#include "lib/reach.h"
#include "lib/trust.h"

#define HEADERS_MAX   (256 * KIB)       /* of an answer, all lines together */
#define WHOLE_MS      250               /* for libcurl to see that an answer is over */
/* Seconds: peers commonly close an idle connection after 20 (Puma) or 75
 * (nginx).  Reusing only younger ones keeps us from sending into a closing one. */
#define REUSE_AGE_MAX 15L
#define SOCKETS_AT_ONCE 64

struct transfer {
	TAILQ_ENTRY(transfer) place;            /* in .active, then in .finished */
	struct client     *client;
	CURL              *easy;
	struct curl_slist *headers;
	void              *cookie;
	bool               allowed;             /* the operator named this host:port */
	bool               refused, tried;      /* an address not public; a socket opened */
	bool               once, sent, repeated;
	bool               interim, too_large;
	size_t             header_bytes, answer_max;
	struct buf         body;
	struct patience    patience;
	int64_t            whole_ms;            /* since when the whole answer is here; 0: it is not */
	int64_t            ended_ms;
	enum client_error  error;
	char               why[CURL_ERROR_SIZE];
};

TAILQ_HEAD(transfers, transfer);

struct client {
	CURLM           *multi;
	int              sockets;               /* epoll: libcurl's, so that a look costs the same however many there are */
	struct reach_list allowed;
	char            *user_agent;
	int              ca_fd;
	char             ca_path[32];
	struct transfers active, finished;
	struct transfer *shown;                 /* what the last result's slices point into */
	size_t           count;
};

const char *
client_error_text(enum client_error e)
{
	switch (e) {
#define X(name, text) case CLIENT_##name: return text;
	CLIENT_ERRORS(X)
#undef X
	}
	return "other";
}

/* ---- life ---- */

/* libcurl says what it waits for.  One that cannot be watched ends by its limits. */
static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *client, void *unused)
{
	const struct client *c = client;
	struct epoll_event e = { .data.fd = fd };

	(void)easy;
	(void)unused;
	e.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (what == CURL_POLL_REMOVE)
		(void)epoll_ctl(c->sockets, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(c->sockets, EPOLL_CTL_MOD, fd, &e) < 0 && errno == ENOENT)
		(void)epoll_ctl(c->sockets, EPOLL_CTL_ADD, fd, &e);
	return 0;
}

int
client_new(const struct client_options *o, struct client **ret)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -EIO;
	CLEANUP(client_freep) struct client *c = calloc(1, sizeof *c);
	if (!c) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	c->ca_fd = c->sockets = -1;
	TAILQ_INIT(&c->active);
	TAILQ_INIT(&c->finished);

	int r = 0;
	for (size_t i = 0; i < o->allow_privates && r == 0; i++)
		r = reach_list_add(&c->allowed, o->allow_private[i]);
	if (r == 0)
		r = trust_gather(o->ca_file, &c->ca_fd);
	if (r < 0)
		return r;
	snprintf(c->ca_path, sizeof c->ca_path, "/proc/self/fd/%d", c->ca_fd);
	if (o->user_agent && !(c->user_agent = strdup(o->user_agent)))
		return -ENOMEM;
	c->sockets = epoll_create1(EPOLL_CLOEXEC);
	if (c->sockets < 0)
		return negative_errno();
	c->multi = curl_multi_init();
	if (!c->multi)
		return -ENOMEM;
	if (curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket) ||
	    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) ||
	    curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)o->max_per_host) ||
	    curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)o->max_total))
		return -EIO;
	*ret = c;
	c = NULL;
	return 0;
}

static void
wipe_headers(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(list);
}

/* Not in any list any more. */
static void
transfer_free(struct transfer *t)
{
	if (!t)
		return;
	if (t->easy) {
		curl_multi_remove_handle(t->client->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	wipe_headers(t->headers);
	buf_free(&t->body);
	free(t);
}

void
client_free(struct client *c)
{
	if (!c)
		return;
	TAILQ_CONCAT(&c->active, &c->finished, place);
	for (struct transfer *t; (t = TAILQ_FIRST(&c->active));) {
		TAILQ_REMOVE(&c->active, t, place);
		transfer_free(t);
	}
	transfer_free(c->shown);
	curl_multi_cleanup(c->multi);
	close_fd(&c->sockets);
	reach_list_free(&c->allowed);
	free(c->user_agent);
	close_fd(&c->ca_fd);
	free(c);
	curl_global_cleanup();
}

void
client_freep(struct client **c)
{
	client_free(*c);
	*c = NULL;
}

/* ---- what libcurl calls ---- */

static curl_socket_t
on_open_socket(void *transfer, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *t = transfer;

	(void)purpose;
	if (!t->allowed && !reach_public(&a->addr)) {
		t->refused = true;
		return CURL_SOCKET_BAD;
	}
	t->tried = true;
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* The connection stands, TLS included; the next thing is the request's first
 * byte.  Called a second time when a kept connection turned out dead. */
static int
on_ready(void *transfer, char *remote, char *local, int remote_port, int local_port)
{
	struct transfer *t = transfer;

	(void)remote, (void)local, (void)remote_port, (void)local_port;
	if (t->sent && t->once) {
		t->repeated = true;
		return CURL_PREREQFUNC_ABORT;
	}
	t->sent = true;
	patience_send(&t->patience, clock_mono_ms());
	return CURL_PREREQFUNC_OK;
}

static bool
is_interim(const char *line, size_t n)
{
	const char *blank = memchr(line, ' ', n);

	return blank && blank + 1 < line + n && blank[1] == '1';
}

static size_t
on_header(char *line, size_t size, size_t n, void *transfer)
{
	struct transfer *t = transfer;

	n *= size;
	t->header_bytes += n;
	if (t->header_bytes > HEADERS_MAX) {
		t->too_large = true;
		return 0;
	}
	if (n > 5 && memcmp(line, "HTTP/", 5) == 0)
		t->interim = is_interim(line, n);
	/* "100 Continue" and its like are no beginning of an answer. */
	if (!t->interim)
		patience_came(&t->patience, n, clock_mono_ms());
	return n;
}

static size_t
on_body(char *bytes, size_t size, size_t n, void *transfer)
{
	struct transfer *t = transfer;

	n *= size;
	if (n > t->answer_max - t->body.len) {
		t->too_large = true;
		return 0;
	}
	if (buf_append(&t->body, bytes, n) < 0)
		return 0;
	patience_came(&t->patience, n, clock_mono_ms());
	return n;
}

/* ---- starting ---- */

static bool
bad_header(struct slice h)
{
	/* A line break would let a value write headers of its own. */
	for (size_t i = 0; i < h.len; i++)
		if (h.ptr[i] == '\r' || h.ptr[i] == '\n' || h.ptr[i] == '\0')
			return true;
	return h.len == 0 || h.ptr[0] == ':' || !memchr(h.ptr, ':', h.len);
}

static int
add_header(struct transfer *t, struct slice h)
{
	char *line = slice_dup(h);
	if (!line)
		return -ENOMEM;
	struct curl_slist *l = curl_slist_append(t->headers, line);
	explicit_bzero(line, h.len);
	free(line);
	if (!l)
		return -ENOMEM;
	t->headers = l;
	return 0;
}

static int
copy_headers(struct transfer *t, const struct client_request *q)
{
	for (size_t i = 0; i < q->headers; i++) {
		int r = bad_header(q->header[i]) ? -EINVAL : add_header(t, q->header[i]);
		if (r < 0)
			return r;
	}
	/* Or libcurl would wait a second for "100 Continue" before a large body. */
	return add_header(t, SLICE("Expect:"));
}

#define SET(option, value) bad |= curl_easy_setopt(e, option, value) != CURLE_OK

/* What holds for every request, and may never be weakened by one. */
static bool
set_policy(struct transfer *t)
{
	CURL *e = t->easy;
	bool bad = false;

	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_CAINFO, t->client->ca_path);
	SET(CURLOPT_CAPATH, NULL);              /* Debian's default would add to it */
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_MAXAGE_CONN, REUSE_AGE_MAX);
	/* A name server that does not answer must not hold the whole loop when
	 * its request is given up: the resolving thread is left behind. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, t);
	SET(CURLOPT_PREREQFUNCTION, on_ready);
	SET(CURLOPT_PREREQDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_ERRORBUFFER, t->why);
	SET(CURLOPT_PRIVATE, t);
	return !bad;
}

static bool
set_request(struct transfer *t, const struct client_request *q)
{
	CURL *e = t->easy;
	bool bad = false;

	SET(CURLOPT_HTTPHEADER, t->headers);
	if (t->client->user_agent)
		SET(CURLOPT_USERAGENT, t->client->user_agent);
	if (q->method == HTTP_M_POST) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
		SET(CURLOPT_POSTFIELDS, q->body.len ? q->body.ptr : "");
	}
	if (q->connect_ms > 0)
		SET(CURLOPT_CONNECTTIMEOUT_MS, (long)q->connect_ms);
	return !bad;
}

#undef SET

static void
finish(struct transfer *t, enum client_error error, const char *why)
{
	t->error = error;
	t->ended_ms = clock_mono_ms();
	if (error == CLIENT_OK)
		t->why[0] = '\0';
	else if (why)
		snprintf(t->why, sizeof t->why, "%s", why);
	TAILQ_INSERT_TAIL(&t->client->finished, t, place);
}

/* The URL is good: makes the libcurl side of the transfer. */
static int
prepare(struct transfer *t, const struct client_request *q, const struct http_url *u)
{
	CLEANUP(free_charp) char *url = slice_dup(q->url);

	t->easy = curl_easy_init();
	if (!url || !t->easy || !set_policy(t) || !set_request(t, q) ||
	    curl_easy_setopt(t->easy, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	t->allowed = reach_list_has(&t->client->allowed, u->host, u->port);
	/* After this the handle is libcurl's to move. */
	return curl_multi_add_handle(t->client->multi, t->easy) == CURLM_OK ? 0 : -ENOMEM;
}

static int
act(struct client *c, curl_socket_t fd, int what)
{
	int running;

	return curl_multi_socket_action(c->multi, fd, what, &running) == CURLM_OK ? 0 : -EIO;
}

int
client_start(struct client *c, const struct client_request *q, void *cookie)
{
	struct http_url u;

	if (q->method != HTTP_M_GET && q->method != HTTP_M_POST)
		return -EINVAL;
	struct transfer *t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	t->client = c;
	t->cookie = cookie;
	t->once = q->once;
	t->answer_max = q->answer_max;
	t->patience = (struct patience){
		.first_byte_ms = q->first_byte_ms,
		.total_ms = q->total_ms,
		.low_speed_ms = q->low_speed_ms,
		.low_speed_bytes = q->low_speed_bytes,
		.started = clock_mono_ms(),
	};

	int r = copy_headers(t, q);
	bool good = http_url_split(q->url, &u) == 0;
	if (r == 0 && good)
		r = prepare(t, q, &u);
	if (r < 0) {
		transfer_free(t);
		return r;
	}
	c->count++;
	if (!good) {
		finish(t, CLIENT_E_URL, "not an absolute http or https URL without user-info");
		return 0;
	}
	TAILQ_INSERT_TAIL(&c->active, t, place);
	/* On its way at once where a connection is kept: others may be made ready
	 * behind it before client_poll() is called.  What fails is seen there. */
	(void)act(c, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

/* ---- moving ---- */

/* A peer may answer before it has read all that we say, and then break off
 * (HTTP/2 does so by a reset that tells of no error): the answer stands, if its
 * announced length is here.  (RFC 9113, 8.1; libcurl calls that an error.) */
static bool
whole(const struct transfer *t)
{
	curl_off_t announced = -1;
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && announced >= 0 && (uint64_t)announced == t->body.len;
}

static enum client_error
classify(const struct transfer *t, CURLcode code)
{
	if (t->too_large)
		return CLIENT_E_TOO_LARGE;
	if (t->repeated)
		return CLIENT_E_CUT;
	switch (code) {
	case CURLE_OK:
		return CLIENT_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
		return CLIENT_E_RESOLVE;
	case CURLE_COULDNT_CONNECT:
		return t->refused && !t->tried ? CLIENT_E_REFUSED_ADDRESS : CLIENT_E_CONNECT;
	case CURLE_OPERATION_TIMEDOUT:
		return CLIENT_E_TIMEOUT_CONNECT;        /* the one limit libcurl watches for us */
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT:
		return CLIENT_E_TLS;
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		return CLIENT_E_CUT;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return whole(t) ? CLIENT_OK : CLIENT_E_CUT;
	case CURLE_URL_MALFORMAT:
		return CLIENT_E_URL;
	default:
		return CLIENT_E_OTHER;
	}
}

static void
take_finished(struct client *c)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->multi, &left))) {
		if (m->msg != CURLMSG_DONE)
			continue;
		/* The message dies with the handle's removal. */
		CURLcode code = m->data.result;
		struct transfer *t;
		REQUIRE(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK);
		curl_multi_remove_handle(c->multi, t->easy);
		TAILQ_REMOVE(&c->active, t, place);
		enum client_error e = classify(t, code);
		const char *why = t->why[0] ? NULL : curl_easy_strerror(code);
		if (e == CLIENT_E_REFUSED_ADDRESS)
			why = "the name leads to an address that is not public; "
			    "allow_private would have to name this host:port";
		else if (t->repeated)
			why = "a kept connection broke, and this request may not be sent twice";
		finish(t, e, why);
	}
}

/* What the limits say, in this file's words. */
static enum client_error
overdue(struct transfer *t, int64_t now, int64_t *next)
{
	curl_off_t up = 0;

	curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	patience_sent(&t->patience, (uint64_t)up, now);
	switch (patience_look(&t->patience, now, next)) {
	case PATIENCE_LEFT:  return CLIENT_OK;
	case PATIENCE_FIRST: return CLIENT_E_TIMEOUT_FIRST;
	case PATIENCE_TOTAL: return CLIENT_E_TIMEOUT_TOTAL;
	case PATIENCE_SLOW:  return CLIENT_E_SLOW;
	}
	return CLIENT_E_OTHER;
}

/* The answer is here, and the peer reads no more of what we still say: libcurl
 * would go on until the total time is over. */
static bool
answered(struct transfer *t, int64_t now, int64_t *next)
{
	if (!whole(t))
		return false;
	if (t->whole_ms == 0)
		t->whole_ms = now;
	if (now < t->whole_ms + WHOLE_MS && t->whole_ms + WHOLE_MS < *next)
		*next = t->whole_ms + WHOLE_MS;
	return now >= t->whole_ms + WHOLE_MS;
}

/* Ends what is overdue; the milliseconds until something else may be. */
static int64_t
watch_limits(struct client *c)
{
	int64_t now = clock_mono_ms(), next = INT64_MAX;

	for (struct transfer *t = TAILQ_FIRST(&c->active), *after; t; t = after) {
		after = TAILQ_NEXT(t, place);
		enum client_error e = overdue(t, now, &next);
		if (!answered(t, now, &next) && e == CLIENT_OK)
			continue;
		if (t->whole_ms)
			e = CLIENT_OK;
		TAILQ_REMOVE(&c->active, t, place);
		curl_multi_remove_handle(c->multi, t->easy);
		finish(t, e, client_error_text(e));
	}
	return next == INT64_MAX ? -1 : next - now;
}

/* What the clock brings.  *ret_next: milliseconds until it brings more, -1: nothing. */
static int
move(struct client *c, int64_t *ret_next)
{
	long ms;

	if (curl_multi_timeout(c->multi, &ms) != CURLM_OK)
		return -EIO;
	if (ms == 0 && (act(c, CURL_SOCKET_TIMEOUT, 0) < 0 || curl_multi_timeout(c->multi, &ms) != CURLM_OK))
		return -EIO;
	take_finished(c);
	*ret_next = watch_limits(c);
	if (ms >= 0 && (*ret_next < 0 || ms < *ret_next))
		*ret_next = ms;
	return 0;
}

/* What the sockets bring. */
static int
hear(struct client *c)
{
	struct epoll_event e[SOCKETS_AT_ONCE];
	int n = epoll_wait(c->sockets, e, SOCKETS_AT_ONCE, 0), r = 0;

	for (int i = 0; r == 0 && i < n; i++)
		r = act(c, e[i].data.fd, (e[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		    (e[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) | (e[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
	return r;
}

int
client_poll(struct client *c, struct pollfd *extra, size_t n, int timeout_ms)
{
	struct pollfd all[CLIENT_EXTRA_MAX + 1] = { { .fd = c->sockets, .events = POLLIN } };
	int64_t next, ms = timeout_ms < 0 ? INT32_MAX : timeout_ms;

	REQUIRE(n <= CLIENT_EXTRA_MAX);
	for (size_t i = 0; i < n; i++)
		all[i + 1] = (struct pollfd){ .fd = extra[i].fd, .events = extra[i].events };
	int r = move(c, &next);
	if (r < 0)
		return r;
	if (next >= 0 && next < ms)
		ms = next;
	if (!TAILQ_EMPTY(&c->finished))
		ms = 0;
	/* Without a limit of the caller's this ends at least every 25 days. */
	int ready = poll(all, (nfds_t)n + 1, (int)ms);
	if (ready < 0 && errno != EINTR)
		return negative_errno();
	for (size_t i = 0; i < n; i++)
		extra[i].revents = ready > 0 ? all[i + 1].revents : 0;
	r = hear(c);
	return r < 0 ? r : move(c, &next);
}

/* ---- results ---- */

static struct slice
header_of(const struct transfer *t, const char *name)
{
	struct curl_header *h;

	if (!t->easy || curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return (struct slice){ NULL, 0 };
	return slice_of(h->value);
}

bool
client_next(struct client *c, struct client_result *ret)
{
	struct transfer *t = TAILQ_FIRST(&c->finished);
	long status = 0;

	transfer_free(c->shown);
	c->shown = t;
	if (!t)
		return false;
	TAILQ_REMOVE(&c->finished, t, place);
	c->count--;
	if (t->easy)
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	*ret = (struct client_result){
		.cookie = t->cookie,
		.error = t->error,
		.why = t->why,
		.sent = t->sent,
		.status = status >= 200 ? (unsigned)status : 0,
		.body = buf_view(&t->body),
		.content_type = header_of(t, "Content-Type"),
		.retry_after = header_of(t, "Retry-After"),
		.elapsed_ms = t->ended_ms - t->patience.started,
	};
	return true;
}

static struct transfer *
take(struct transfers *from, const void *cookie)
{
	struct transfer *t;

	TAILQ_FOREACH(t, from, place) {
		/* cppcheck-suppress uninitvar ; the macro sets it */
		if (t->cookie == cookie) {
			TAILQ_REMOVE(from, t, place);
			return t;
		}
	}
	return NULL;
}

int
client_cancel(struct client *c, void *cookie, bool *ret_sent)
{
	struct transfer *t = take(&c->active, cookie);
	if (!t)
		t = take(&c->finished, cookie);
	if (!t)
		return -ENOENT;
	c->count--;
	if (ret_sent)
		*ret_sent = t->sent;
	transfer_free(t);
	return 0;
}

size_t
client_count(const struct client *c)
{
	return c->count;
}
