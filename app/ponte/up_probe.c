#include <errno.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/ponte/up.h"
#include "lib/clock.h"

#define PATIENCE_MS 250

/* FastCGI, as much of it as one question needs (version 1, request 1). */
enum { FCGI_BEGIN = 1, FCGI_PARAMS = 4, FCGI_STDIN = 5, FCGI_STDOUT = 6, FCGI_RESPONDER = 1 };

static int
record(struct buf *out, int type, struct slice body)
{
	const uint8_t head[8] = { 1, (uint8_t)type, 0, 1, (uint8_t)(body.len >> 8), (uint8_t)body.len, 0, 0 };
	int r = buf_append(out, head, sizeof(head));

	return r == 0 ? buf_append_slice(out, body) : r;
}

static int
param(struct buf *out, const char *name, const char *value)
{
	const uint8_t lengths[2] = { (uint8_t)strlen(name), (uint8_t)strlen(value) };
	int r = buf_append(out, lengths, sizeof(lengths));

	if (r == 0)
		r = buf_append_slice(out, slice_of(name));
	return r == 0 ? buf_append_slice(out, slice_of(value)) : r;
}

static int
question(struct buf *out)
{
	static const char begin[8] = { 0, FCGI_RESPONDER };
	CLEANUP(buf_free) struct buf params = { 0 };
	int r = param(&params, "REQUEST_METHOD", "GET");

	if (r == 0)
		r = param(&params, "REQUEST_URI", "/livez");
	if (r == 0)
		r = param(&params, "REMOTE_ADDR", "127.0.0.1");
	if (r == 0)
		r = record(out, FCGI_BEGIN, slice_from(begin, sizeof(begin)));
	if (r == 0)
		r = record(out, FCGI_PARAMS, buf_view(&params));
	if (r == 0)
		r = record(out, FCGI_PARAMS, slice_from(NULL, 0));
	return r == 0 ? record(out, FCGI_STDIN, slice_from(NULL, 0)) : r;
}

/* Sends `text` and waits for at least `want` bytes of an answer.  Our own
 * sockets queue callers, so a connection proves nothing: bytes do. */
static bool
answers(int fd, struct slice text, size_t want, char *ret)
{
	int64_t until = clock_mono_ms() + PATIENCE_MS;
	size_t got = 0;

	if (send(fd, text.ptr, text.len, MSG_NOSIGNAL) != (ssize_t)text.len)
		return false;
	while (got < want) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };
		int64_t left = until - clock_mono_ms();
		if (left <= 0 || poll(&readable, 1, (int)left) <= 0)
			return false;
		ssize_t n = recv(fd, ret + got, want - got, 0);
		if (n <= 0)
			return false;
		got += (size_t)n;
	}
	return true;
}

static bool
workers_answer(const char *path)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	CLEANUP(close_fd) int fd = -1;
	char head[8];

	return question(&out) == 0 && net_connect(path, false, &fd) == 0 &&
	    answers(fd, buf_view(&out), sizeof(head), head) && head[1] == FCGI_STDOUT;
}

static bool
role_answers(const char *path)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct net_caller caller;
	struct wire_writer w;
	struct wire_frame frame;

	net_caller_init(&caller, path);
	wire_begin(&w, &out, P_PROBE, net_caller_next(&caller));
	bool ok = wire_end(&w) == 0 &&
	    net_call(&caller, buf_view(&out), clock_mono_ms() + PATIENCE_MS, &frame) == 0 &&
	    frame.kind == P_PROBE_OK;
	net_caller_close(&caller);
	return ok;
}

/* nginx answers plain http on its TLS port with a refusal: enough to know
 * that it has read its configuration and serves. */
static bool
nginx_answers(const struct up *up)
{
	struct sockaddr_storage at = { 0 };
	socklen_t len = sizeof(at);
	char byte;

	if (getsockname(up->child[UP_NGINX].fd[0], (struct sockaddr *)&at, &len) < 0)
		return false;
	CLEANUP(close_fd) int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (struct sockaddr *)&at, len) == 0 &&
	    answers(fd, SLICE("GET /livez HTTP/1.0\r\n\r\n"), 1, &byte);
}

bool
up_serves(const struct up *up)
{
	return role_answers(up->keeper) && role_answers(up->courier) &&
	    workers_answer(up->hooks) && workers_answer(up->api) &&
	    (!up->with_nginx || nginx_answers(up));
}
