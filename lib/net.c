#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/net.h"

#define BACKLOG   4096
#define CHUNK     (64 * KIB)
#define PAUSE_MS  20

static int
unix_address(const char *path, struct sockaddr_un *ret)
{
	size_t len = strlen(path);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof ret->sun_path)
		return -ENAMETOOLONG;
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, len + 1);
	return 0;
}

static int
open_socket(bool nonblocking)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
	return fd < 0 ? negative_errno() : fd;
}

/* Nobody listens behind the file: it was left by a process that died.  0 when
 * it is gone now. */
static int
remove_dead(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;               /* not ours to remove */

	CLEANUP(close_fd) int fd = -1;
	int r = net_connect(path, true, &fd);
	if (r == 0 || r == -EAGAIN)             /* -EAGAIN: alive, its backlog is full */
		return -EADDRINUSE;
	if (r != -ECONNREFUSED)
		return r == -ENOENT ? 0 : r;
	return unlink(path) < 0 && errno != ENOENT ? negative_errno() : 0;
}

int
net_listen(const char *path, unsigned mode, int *ret_fd)
{
	struct sockaddr_un address;
	int r = unix_address(path, &address);
	if (r < 0)
		return r;

	CLEANUP(close_fd) int fd = open_socket(true);
	if (fd < 0)
		return fd;
	/* Before bind(), so the file never stands there with wider rights;
	 * again after it, since bind() took the umask away from them. */
	if (fchmod(fd, (mode_t)mode) < 0)
		return negative_errno();
	r = bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? negative_errno() : 0;
	if (r == -EADDRINUSE) {
		r = remove_dead(path);
		if (r == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
			r = negative_errno();
	}
	if (r < 0)
		return r;
	if (chmod(path, (mode_t)mode) < 0 || listen(fd, BACKLOG) < 0) {
		r = negative_errno();
		unlink(path);
		return r;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int
net_connect(const char *path, bool nonblocking, int *ret_fd)
{
	struct sockaddr_un address;
	int r = unix_address(path, &address);
	if (r < 0)
		return r;

	CLEANUP(close_fd) int fd = open_socket(nonblocking);
	if (fd < 0)
		return fd;
	do
		r = connect(fd, (struct sockaddr *)&address, sizeof address);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return negative_errno();
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int
net_peer_uid(int fd, uid_t *ret)
{
	struct ucred who;
	socklen_t len = sizeof who;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return negative_errno();
	*ret = who.uid;
	return 0;
}

ssize_t
net_read(int fd, struct buf *in, size_t limit)
{
	if (in->len >= limit)
		return -ENOBUFS;
	size_t room = limit - in->len < CHUNK ? limit - in->len : CHUNK;
	int r = buf_reserve(in, room);
	if (r < 0)
		return r;

	ssize_t n;
	do
		n = read(fd, in->ptr + in->at + in->len, room);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return negative_errno();
	in->len += (size_t)n;
	return n;
}

/* One send(), what it took is cut off the front.  Never SIGPIPE. */
static int
send_some(int fd, struct slice *rest)
{
	ssize_t n;
	do
		n = send(fd, rest->ptr, rest->len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return negative_errno();
	*rest = slice_after(*rest, (size_t)n);
	return 0;
}

int
net_write(int fd, struct buf *out)
{
	while (out->len > 0) {
		struct slice rest = buf_view(out);
		int r = send_some(fd, &rest);
		if (r < 0)
			return r;
		buf_consume(out, out->len - rest.len);
	}
	return 0;
}

/* ---- the caller's side ---- */

void
net_caller_init(struct net_caller *c, const char *path)
{
	*c = (struct net_caller){ .path = path, .fd = -1 };
}

static void
hang_up(struct net_caller *c)
{
	close_fd(&c->fd);
	buf_clear(&c->in);
}

void
net_caller_close(struct net_caller *c)
{
	close_fd(&c->fd);
	buf_free(&c->in);
}

uint64_t
net_caller_next(struct net_caller *c)
{
	return ++c->last_request;
}

/* 0: something happened (or a signal came), -ETIMEDOUT. */
static int
wait_for(int fd, short what, int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_mono_ms();
	if (left <= 0)
		return -ETIMEDOUT;

	struct pollfd p = { .fd = fd, .events = what };
	int n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	if (n < 0 && errno != EINTR)
		return negative_errno();
	return 0;
}

static void
pause_until(int64_t deadline_ms)
{
	int64_t left = deadline_ms - clock_mono_ms();
	int64_t ms = left < PAUSE_MS ? left : PAUSE_MS;

	if (ms > 0)
		poll(NULL, 0, (int)ms);
}

static int
send_all(struct net_caller *c, struct slice request, int64_t deadline_ms)
{
	while (request.len > 0) {
		int r = send_some(c->fd, &request);
		if (r == -EAGAIN)
			r = wait_for(c->fd, POLLOUT, deadline_ms);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The answer to `number`; others (late answers of calls that timed out, and
 * what nobody asked for) are passed over. */
static int
receive(struct net_caller *c, uint64_t number, int64_t deadline_ms, struct wire_frame *ret)
{
	for (;;) {
		struct wire_frame f;
		int r = wire_frame_read(buf_view(&c->in), &f);
		if (r < 0)
			return r;
		if (r == 0) {
			/* Consumed now, and still there until more is read. */
			buf_consume(&c->in, WIRE_HEADER + f.payload.len);
			if (f.request != number)
				continue;
			*ret = f;
			return 0;
		}
		ssize_t n = net_read(c->fd, &c->in, WIRE_HEADER + WIRE_FRAME_MAX);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && n != -EAGAIN)
			return (int)n;
		if (n == -EAGAIN) {
			r = wait_for(c->fd, POLLIN, deadline_ms);
			if (r < 0)
				return r;
		}
	}
}

/* One try on the connection that is there.  A frame sent by half would
 * garble the next one, so the connection is closed on any failure but that of
 * an answer that has not come yet. */
static int
converse(struct net_caller *c, struct slice request, uint64_t number, int64_t deadline_ms,
    struct wire_frame *ret)
{
	int r = send_all(c, request, deadline_ms);
	if (r < 0) {
		hang_up(c);
		return r;
	}
	r = receive(c, number, deadline_ms, ret);
	if (r < 0 && r != -ETIMEDOUT)
		hang_up(c);
	return r;
}

static bool
worth_another_try(int r)
{
	return r != -ETIMEDOUT && r != -ENOMEM && r != -EPROTO && r != -ENAMETOOLONG && r != -EINVAL;
}

int
net_call(struct net_caller *c, struct slice request, int64_t deadline_ms,
    struct wire_frame *ret_answer)
{
	struct wire_frame asked;

	REQUIRE(wire_frame_read(request, &asked) == 0);
	REQUIRE(asked.payload.len + WIRE_HEADER == request.len && asked.request != 0);

	for (;;) {
		bool kept = c->fd >= 0;
		int r = kept ? 0 : net_connect(c->path, true, &c->fd);
		if (r == 0)
			r = converse(c, request, asked.request, deadline_ms, ret_answer);
		if (r == 0 || !worth_another_try(r))
			return r;
		if (clock_mono_ms() >= deadline_ms)
			return r == -EAGAIN ? -ETIMEDOUT : r;
		/* A connection kept from an earlier call may have died long
		 * ago; only a fresh one that fails is a reason to wait. */
		if (!kept)
			pause_until(deadline_ms);
	}
}
