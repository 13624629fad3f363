#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <fcgiapp.h>

#include "app/worker/access.h"
#include "app/worker/guard.h"
#include "app/worker/routes.h"
#include "app/worker/serve.h"
#include "lib/clock.h"
#include "lib/crashpoint.h"
#include "lib/crypt.h"
#include "lib/log.h"

#define ARENA_MAX  (48 * MIB)           /* beside the body: 20,000 rules, or one document of 16 MiB, with their stems */
#define BODY_KEEP  (256 * KIB)          /* a larger buffer is given back */
#define BODY_FIRST (16 * KIB)
#define OUT_OF_MEMORY "Status: 500 Internal Server Error\r\n\r\n"

struct serve {
	struct worker *worker;
	FCGX_Request   fcgi;
	int            listen_fd, epoll_fd;
	uint64_t       served;
	struct request request;
	struct buf     head;            /* of the answer */
	char          *body;
	size_t         body_cap;
	char           front[GUARD_FRONT];
};

static volatile sig_atomic_t stopping;

static void
on_term(int sig)
{
	(void)sig;
	stopping = 1;
}

/* FCGX_Init() puts its own handlers where SIGPIPE is ignored, so ours come
 * after it. */
static int
set_signals(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN }, stop = { .sa_handler = on_term };

	if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigaction(SIGUSR1, &ignore, NULL) < 0 ||
	    sigaction(SIGTERM, &stop, NULL) < 0)
		return negative_errno();
	return 0;
}

/* Exclusive: a connection wakes one sleeping worker, not all of them (with 16
 * workers and 4 clients that doubles the requests per second). */
static int
watch(int listen_fd, int *ret_epoll_fd)
{
	struct epoll_event listening = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	CLEANUP(close_fd) int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, listen_fd, &listening) < 0)
		return negative_errno();
	*ret_epoll_fd = fd;
	fd = -1;
	return 0;
}

int
serve_new(struct worker *w, int listen_fd, struct serve **ret)
{
	struct serve *s = calloc(1, sizeof *s);
	if (!s)
		return -ENOMEM;
	s->worker = w;
	s->listen_fd = listen_fd;
	s->epoll_fd = -1;
	s->request.worker = w;

	/* No socket for libfcgi to accept from: connections are handed to it
	 * when the guard has looked at them, and it shall not take another. */
	int r = FCGX_Init() == 0 && FCGX_InitRequest(&s->fcgi, -1, FCGI_FAIL_ACCEPT_ON_INTR) == 0 ? 0 : -EIO;
	if (r == 0)
		r = set_signals();
	if (r == 0)
		r = watch(listen_fd, &s->epoll_fd);
	if (r == 0)
		r = arena_new(ARENA_MAX, &s->request.arena);
	if (r < 0) {
		serve_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void
serve_free(struct serve *s)
{
	if (!s)
		return;
	FCGX_Free(&s->fcgi, 1);
	close_fd(&s->epoll_fd);
	arena_free(s->request.arena);
	buf_free(&s->request.answer.text);
	buf_free(&s->head);
	free(s->body);
	free(s);
}

/* ---- in ---- */

static void
take_params(struct request *r, char **envp)
{
	for (; envp && *envp; envp++) {
		struct slice name, value;
		if (slice_cut(slice_of(*envp), '=', &name, &value))
			request_take(r, name, value);
	}
}

static int
body_room(struct serve *s, size_t want)
{
	if (want <= s->body_cap)
		return 0;
	char *p = realloc(s->body, want);
	if (!p)
		return -ENOMEM;
	s->body = p;
	s->body_cap = want;
	return 0;
}

/* Reads at most `most` bytes (one more than may be there, so that too many are
 * seen), growing as they come: an announced length alone takes no memory.
 * Bytes read, or -ENOMEM. */
static ssize_t
body_read(struct serve *s, size_t most)
{
	size_t len = 0;

	while (len < most) {
		size_t room = s->body_cap > len ? s->body_cap : len + (len < BODY_FIRST ? BODY_FIRST : len);
		if (room > most)
			room = most;
		if (body_room(s, room) < 0)
			return -ENOMEM;
		int n = FCGX_GetStr(s->body + len, (int)(room - len), s->fcgi.in);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* False: the request is answered. */
static bool
take_body(struct serve *s, struct request *r)
{
	size_t limit = r->route->body_max, announced;

	if (limit == SIZE_MAX)
		limit = (size_t)s->worker->config->limits.body;
	if (!request_admit(r, limit, &announced))
		return false;

	ssize_t n = body_read(s, (announced == SIZE_MAX ? limit : announced) + 1);
	if (n < 0) {
		answer_refuse(r, REQUEST_R_TRY_AGAIN, SLICE("no memory for the body"));
		return false;
	}
	size_t len = (size_t)n;
	if (announced == SIZE_MAX && len > limit) {
		answer_refuse(r, REQUEST_R_TOO_LARGE, arena_printf(r->arena, "a body may have %zu bytes here", limit));
		return false;
	}
	if (announced != SIZE_MAX && len != announced) {
		answer_refuse(r, REQUEST_R_BAD_REQUEST, len < announced ? SLICE("the body is cut") :
		    SLICE("the body is longer than Content-Length"));
		return false;
	}
	r->body = slice_from(s->body, len);
	return true;
}

/* ---- the request in hand, for the master and for an obituary ---- */

static void
slot_idle(struct scoreboard_slot *slot)
{
	atomic_store(&slot->since_us, clock_mono_us());
	atomic_store(&slot->state, SB_IDLE);
}

static void
slot_busy(struct scoreboard_slot *slot)
{
	atomic_store(&slot->route, 0);
	atomic_store(&slot->body_digest, 0);
	slot->request_id[0] = '\0';
	atomic_store(&slot->granted_us, 0);
	/* The time first: the master must never see a busy worker with the
	 * time of an earlier request. */
	atomic_store(&slot->since_us, clock_mono_us());
	atomic_store(&slot->state, SB_BUSY);
}

static void
slot_request(struct scoreboard_slot *slot, const struct request *r, const struct route *table)
{
	memcpy(slot->request_id, r->id, sizeof r->id);
	if (r->route)
		atomic_store(&slot->route, (uint32_t)(r->route - table) + 1);
	if (r->body.len) {
		uint8_t digest[CRYPT_SHA256];
		uint64_t front = 0;
		crypt_sha256(r->body, digest);
		for (size_t i = 0; i < sizeof front; i++)
			front = front << 8 | digest[i];
		atomic_store(&slot->body_digest, front);
	}
}

/* The client did nothing wrong: it may come again. */
static bool
for_now(enum request_refusal refusal)
{
	return refusal == REQUEST_R_TRY_AGAIN || refusal == REQUEST_R_DATABASE_ERROR || refusal == REQUEST_R_SERVICE_UNAVAILABLE_ERROR
	    || refusal == REQUEST_R_DEADLINE || refusal == REQUEST_R_ODOO_CONNECTION_ERROR
	    || refusal == REQUEST_R_ODOO_AUTHENTICATION_ERROR || refusal == REQUEST_R_ODOO_OPERATION_ERROR;
}

static void
count(struct scoreboard_slot *slot, enum request_refusal refusal)
{
	scoreboard_count(slot, requests);
	if (refusal == REQUEST_R_NONE)
		return;
	if (!for_now(refusal))
		scoreboard_count(slot, refused);
	/* Those without a counter of their own name `refused`: counted above. */
	switch (refusal) {
	case REQUEST_R_BAD_JSON:       scoreboard_count(slot, bad_json);       break;
	case REQUEST_R_VALIDATION_ERROR:
	case REQUEST_R_MISSING_ACCOUNT_ID:
	case REQUEST_R_BAD_SCHEMA:     scoreboard_count(slot, bad_schema);     break;
	case REQUEST_R_BAD_SIGNATURE:  scoreboard_count(slot, bad_signature);  break;
	case REQUEST_R_WRONG_ACCOUNT:  scoreboard_count(slot, wrong_account);  break;
	case REQUEST_R_UNKNOWN_TENANT: scoreboard_count(slot, unknown_tenant); break;
	case REQUEST_R_TOO_LARGE:      scoreboard_count(slot, too_large);      break;
	case REQUEST_R_TRY_AGAIN:
	case REQUEST_R_DATABASE_ERROR:
	case REQUEST_R_ODOO_CONNECTION_ERROR:
	case REQUEST_R_ODOO_AUTHENTICATION_ERROR:
	case REQUEST_R_ODOO_OPERATION_ERROR:
	case REQUEST_R_DEADLINE:
	case REQUEST_R_SERVICE_UNAVAILABLE_ERROR:
		scoreboard_count(slot, try_again);
		break;
	case REQUEST_R_UNAUTHORIZED:
	case REQUEST_R_INVALID_TOKEN:
	case REQUEST_R_RATE_LIMIT_ERROR:
	case REQUEST_R_AUTHORIZATION_ERROR:
		scoreboard_count(slot, bad_token);
		break;
	case REQUEST_R_UNKNOWN_EVENT:
	case REQUEST_R_CONFLICT:
	case REQUEST_R_TOO_LATE:
	case REQUEST_R_NONE:
	case REQUEST_R_BAD_REQUEST:
	case REQUEST_R_NOT_FOUND_ERROR:
	case REQUEST_R_BAD_METHOD:
	case REQUEST_R_BAD_TYPE:
	case REQUEST_R_NOT_IMPLEMENTED:
		break;
	}
}

/* ---- out ---- */

static void
write_answer(struct serve *s, struct request *r)
{
	struct slice text = answer_body(r), head = SLICE(OUT_OF_MEMORY);

	buf_clear(&s->head);
	if (answer_head(r, clock_mono_us(), &s->head) == 0)
		head = buf_view(&s->head);
	else
		text.len = 0;
	/* A web server that has gone away is seen by its own log, not by ours. */
	FCGX_PutStr(head.ptr, (int)head.len, s->fcgi.out);
	if (r->method != HTTP_M_HEAD && text.len)
		FCGX_PutStr(text.ptr, (int)text.len, s->fcgi.out);
}

/* libfcgi takes the parameters back when the answer leaves; the log line comes
 * after that, so that nobody waits for it. */
static void
keep_for_log(struct request *r)
{
	static const enum request_param kept[] = { REQUEST_P_DELIVERY, REQUEST_P_CLIENT_ID, REQUEST_P_REMOTE };
	struct slice copy[ARRAY_LEN(kept)], path = arena_copy(r->arena, r->path);

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		copy[i] = arena_copy(r->arena, r->given[kept[i]]);
	memset(r->given, 0, sizeof r->given);
	memset(r->param, 0, sizeof r->param);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		r->given[kept[i]] = copy[i];
	r->path = path;
}

static void
write_log(const struct request *r)
{
	struct slice none = { NULL, 0 };
	bool trouble = r->refusal == REQUEST_R_TRY_AGAIN || r->refusal == REQUEST_R_SERVICE_UNAVAILABLE_ERROR;
	enum log_level level = trouble ? LOG_ERROR : LOG_INFO;

	log_event(level, "request",
	    LOG_STR("request_id", r->id),
	    LOG_STR("method", http_method_name(r->method)),
	    LOG_TEXT("route", request_shown_path(r)),
	    LOG_INT("status", r->answer.status),
	    LOG_INT("us", clock_mono_us() - r->began_us),
	    LOG_INT("bytes", r->body.len),
	    LOG_TEXT("tenant", r->tenant),
	    LOG_TEXT("sender", r->sender),
	    LOG_TEXT("event_id", r->event_id),
	    LOG_TEXT("decision", r->decision),
	    LOG_STR("code", answer_code(r->refusal)),
	    LOG_TEXT("reason", r->reason),
	    LOG_TEXT("chatwoot_event", r->chatwoot_event),
	    LOG_TEXT("delivery_id", r->route ? request_given(r, REQUEST_P_DELIVERY) : none),
	    LOG_TEXT("client_request_id", request_given(r, REQUEST_P_CLIENT_ID)),
	    LOG_TEXT("remote", request_given(r, REQUEST_P_REMOTE)));
}

/* ---- one after the other ---- */

static void
answer_request(struct serve *s, struct request *r)
{
	struct worker *w = s->worker;

	take_params(r, s->fcgi.envp);
	bool opened = request_open(r);
	r->path = routes_alias(r->path);
	if (!opened || !request_route(r, w->table, w->rows))
		return;
	slot_request(w->slot, r, w->table);     /* before the body: it may take its time */
	if (!access_admit(r))
		return;
	if (r->route->body_max && !take_body(s, r))
		return;
	slot_request(w->slot, r, w->table);
	if (!access_admit_body(r))
		return;
	r->route->handler(r);
	REQUIRE(r->answer.status != 0);
}

/* A connection with a request on it, its parameters read.  0, -EAGAIN (a
 * sibling was quicker), -EBADMSG (no request; the connection is closed) or
 * -errno of accept4(). */
static int
accept_request(struct serve *s)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return negative_errno();
	if (guard_wait(fd, s->front) != 0) {
		close_fd(&fd);
		return -EBADMSG;
	}
	/* FCGX_Accept_r() goes on with a connection that stays from the request
	 * before: that is how it is given this one. */
	s->fcgi.ipcFd = fd;
	s->fcgi.keepConnection = 1;
	return FCGX_Accept_r(&s->fcgi) < 0 ? -EBADMSG : 0;
}

/* Whatever the web server asked for, the connection ends: one that stays would
 * pin this worker to it, and hide its next request from epoll_pwait().
 *
 * The library closes with a wait of up to 2 s for the web server to have closed
 * first, so that an answer given before all of the request was read is not lost
 * to a reset.  Where all was read nothing can be lost, and the worker is free for
 * the next request at once. */
static void
finish(struct serve *s)
{
	bool whole = FCGX_HasSeenEOF(s->fcgi.in) != 0;

	s->fcgi.keepConnection = whole;
	FCGX_Finish_r(&s->fcgi);
	if (whole && s->fcgi.ipcFd >= 0) {
		close(s->fcgi.ipcFd);
		s->fcgi.ipcFd = -1;
		s->fcgi.keepConnection = 0;
	}
}

static void
serve_accepted(struct serve *s)
{
	struct request *r = &s->request;

	request_reset(r, clock_mono_us());
	CRASH_POINT("worker-accepted");
	answer_request(s, r);
	write_answer(s, r);
	keep_for_log(r);
	finish(s);
	CRASH_POINT("worker-answered");
	count(s->worker->slot, r->refusal);
	write_log(r);
	if (s->body_cap > BODY_KEEP) {
		free(s->body);
		s->body = NULL;
		s->body_cap = 0;
	}
}

int
serve_once(struct serve *s)
{
	/* Busy from here: a peer that connects and says nothing is a request
	 * that takes too long, too. */
	slot_busy(s->worker->slot);
	CRASH_POINT("worker-before-accept");
	int r = accept_request(s);
	if (r == 0) {
		serve_accepted(s);
		s->served++;
	}
	slot_idle(s->worker->slot);
	return r;
}

/* False: the worker is to end as *ret says. */
static bool
serve_next(struct serve *s, enum worker_exit *ret)
{
	int r = serve_once(s);

	switch (r) {
	case 0:
	case -EAGAIN:
	case -EINTR:
	case -ECONNABORTED:
		return true;
	case -EBADMSG:
		log_event(LOG_WARN, "no-request", LOG_STR("help", "a peer sent something else than a web server does"));
		return true;
	}
	/* Out of descriptors and the like: the master decides whether there is
	 * sense in another try. */
	log_event(LOG_ERROR, "cannot-accept", LOG_STR("error", strerror(-r)));
	*ret = WORKER_FAILED;
	return false;
}

enum worker_exit
serve_run(struct serve *s, uint64_t most)
{
	enum worker_exit end = WORKER_STOPPED;
	struct epoll_event event;
	sigset_t while_waiting;

	if (sigprocmask(SIG_BLOCK, NULL, &while_waiting) < 0)
		return WORKER_FAILED;
	sigdelset(&while_waiting, SIGTERM);
	while (!stopping) {
		/* Sleep here and not in accept(): SIGTERM is blocked except
		 * inside epoll_pwait(), so it cannot slip in between looking at
		 * `stopping` and falling asleep. */
		if (epoll_pwait(s->epoll_fd, &event, 1, -1, &while_waiting) < 0 && errno != EINTR)
			return WORKER_FAILED;
		/* Also when SIGTERM came: it may have come with a connection
		 * that woke nobody but us. */
		if (!serve_next(s, &end))
			return end;
		if (most && s->served >= most)
			return WORKER_RECYCLED;
	}
	return end;
}
