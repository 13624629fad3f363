#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/net.h"
#include "t/unit/unit.h"

#define PATIENCE_MS 10000

static char dir[] = "/tmp/ponte-unit-net-XXXXXX";

static void
path_of(char *path, size_t cap, const char *name)
{
	snprintf(path, cap, "%s/%s", dir, name);
}

/* ---- sockets ---- */

static void
a_listening_socket_is_as_asked(void)
{
	char path[200];
	CLEANUP(close_fd) int fd = -1;
	struct stat st;

	path_of(path, sizeof path, "listen");
	mode_t before = umask(077);
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0660, &fd), 0);
	umask(before);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_TRUE(S_ISSOCK(st.st_mode));
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
	CU_ASSERT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CU_ASSERT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);

	CLEANUP(close_fd) int caller = -1;
	CU_ASSERT_EQUAL_FATAL(net_connect(path, false, &caller), 0);
	CU_ASSERT_FALSE(fcntl(caller, F_GETFL) & O_NONBLOCK);
	CU_ASSERT_TRUE(fcntl(caller, F_GETFD) & FD_CLOEXEC);
	CLEANUP(close_fd) int other = -1;
	CU_ASSERT_EQUAL_FATAL(net_connect(path, true, &other), 0);
	CU_ASSERT_TRUE(fcntl(other, F_GETFL) & O_NONBLOCK);
	uid_t uid = (uid_t)-1;
	CU_ASSERT_EQUAL(net_peer_uid(caller, &uid), 0);
	CU_ASSERT_EQUAL(uid, getuid());
	CU_ASSERT_EQUAL(net_peer_uid(-1, &uid), -EBADF);
	unlink(path);
}

static void
what_stands_in_the_way_is_judged(void)
{
	char path[200], file[200], nowhere[200];
	int fd = -1, second = -1;

	path_of(path, sizeof path, "way");
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);
	CU_ASSERT_EQUAL(net_listen(path, 0600, &second), -EADDRINUSE);         /* alive */
	close_fd(&fd);
	CU_ASSERT_EQUAL(net_connect(path, true, &second), -ECONNREFUSED);
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);                 /* dead */
	CU_ASSERT_EQUAL_FATAL(net_connect(path, true, &second), 0);
	close_fd(&fd);
	close_fd(&second);
	unlink(path);

	path_of(file, sizeof file, "precious");
	CU_ASSERT_EQUAL_FATAL(file_write(file, SLICE("data"), 0600), 0);
	CU_ASSERT_EQUAL(net_listen(file, 0600, &fd), -ENOTSOCK);
	CU_ASSERT_EQUAL(access(file, F_OK), 0);
	unlink(file);
	path_of(nowhere, sizeof nowhere, "no/such/directory");
	CU_ASSERT_EQUAL(net_listen(nowhere, 0600, &fd), -ENOENT);
	CU_ASSERT_EQUAL(net_connect(path, true, &fd), -ENOENT);
}

static void
a_path_has_107_bytes_at_most(void)
{
	char path[120];
	int fd = -1;

	memset(path, 'x', sizeof path);
	memcpy(path, dir, strlen(dir));
	path[strlen(dir)] = '/';
	path[108] = '\0';
	CU_ASSERT_EQUAL(net_listen(path, 0600, &fd), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(net_connect(path, true, &fd), -ENAMETOOLONG);
	path[107] = '\0';
	CU_ASSERT_EQUAL(net_listen(path, 0600, &fd), 0);
	close_fd(&fd);
	unlink(path);
	CU_ASSERT_EQUAL(net_listen("", 0600, &fd), -EINVAL);
}

static void
reading_stops_at_the_limit(void)
{
	int pair[2];
	CLEANUP(buf_free) struct buf in = { 0 };

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	CU_ASSERT_EQUAL(net_read(pair[0], &in, 100), -EAGAIN);
	CU_ASSERT_EQUAL(write(pair[1], "0123456789", 10), 10);
	CU_ASSERT_EQUAL(net_read(pair[0], &in, 7), 7);
	CU_ASSERT_EQUAL(net_read(pair[0], &in, 7), -ENOBUFS);
	CU_ASSERT_TRUE(slice_eq(buf_view(&in), SLICE("0123456")));
	buf_consume(&in, 6);
	CU_ASSERT_EQUAL(net_read(pair[0], &in, 7), 3);
	CU_ASSERT_TRUE(slice_eq(buf_view(&in), SLICE("6789")));
	close(pair[1]);
	CU_ASSERT_EQUAL(net_read(pair[0], &in, 7), 0);
	close(pair[0]);
	CU_ASSERT_EQUAL(net_read(pair[0], &in, 7), -EBADF);
}

static void
writing_says_what_is_left(void)
{
	int pair[2];
	CLEANUP(buf_free) struct buf out = { 0 };

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	CU_ASSERT_EQUAL(net_write(pair[0], &out), 0);
	CU_ASSERT_EQUAL_FATAL(buf_reserve(&out, 4 * MIB), 0);
	memset(out.ptr, 'x', 4 * MIB);
	out.len = 4 * MIB;
	CU_ASSERT_EQUAL(net_write(pair[0], &out), -EAGAIN);
	CU_ASSERT_TRUE(out.len > 0 && out.len < 4 * MIB);
	size_t got = 0;
	for (int r = -EAGAIN; r == -EAGAIN;) {
		char sink[64 * 1024];
		ssize_t n;
		while ((n = read(pair[1], sink, sizeof sink)) > 0)
			got += (size_t)n;
		r = net_write(pair[0], &out);
		if (r == 0)
			while ((n = read(pair[1], sink, sizeof sink)) > 0)
				got += (size_t)n;
	}
	CU_ASSERT_EQUAL(out.len, 0);
	CU_ASSERT_EQUAL(got, 4 * MIB);
	close(pair[1]);
	CU_ASSERT_EQUAL(buf_append(&out, "x", 1), 0);
	CU_ASSERT_EQUAL(net_write(pair[0], &out), -EPIPE);      /* and no SIGPIPE */
	close(pair[0]);
}

/* ---- calls: against a process that answers as the kind says ---- */

enum { ECHO = 1, UNSOLICITED, CUT_ONCE, LATE, NONSENSE, CLOSE_AFTER, LARGE, HALF };

static void
put(int fd, uint16_t kind, uint64_t request, struct slice text)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;

	wire_begin(&w, &out, kind, request);
	wire_put(&w, 1, text);
	if (wire_end(&w) < 0 || net_write(fd, &out) < 0)
		_exit(1);
}

/* One request of a connection; false: the connection is to be closed. */
static bool
serve_one(int fd, const struct wire_frame *f, int connection)
{
	struct slice text = wire_text(f->payload, 1);

	switch (f->kind) {
	case UNSOLICITED:
		put(fd, 19, 0, SLICE("wake"));
		put(fd, ECHO, f->request - 1, SLICE("an old answer"));
		put(fd, ECHO, f->request + 1, SLICE("an answer to come"));
		break;
	case CUT_ONCE:
		if (connection == 1)
			return false;
		break;
	case HALF:
		if (connection == 1) {
			if (write(fd, "\x20\0\0\0\1\0\1\0\1", 9) != 9)
				_exit(1);
			return false;
		}
		break;
	case LATE:
		poll(NULL, 0, 600);
		break;
	case NONSENSE:
		if (write(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28) != 28)
			_exit(1);
		return true;
	default:
		break;
	}
	put(fd, f->kind, f->request, text);
	return f->kind != CLOSE_AFTER;
}

static void
serve(int listening, int connections)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fcntl(listening, F_SETFL, 0);
	for (int c = 1; c <= connections; c++) {
		CLEANUP(close_fd) int fd = accept(listening, NULL, NULL);
		CLEANUP(buf_free) struct buf in = { 0 };
		bool on = true;
		while (on && net_read(fd, &in, 100 * MIB) > 0) {
			struct wire_frame f;
			while (on && wire_frame_read(buf_view(&in), &f) == 0) {
				on = serve_one(fd, &f, c);
				buf_consume(&in, WIRE_HEADER + f.payload.len);
			}
		}
	}
}

static pid_t
server(int listening, int connections)
{
	pid_t pid = fork();

	if (pid == 0) {
		serve(listening, connections);
		_exit(0);
	}
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int
call_ms(struct net_caller *c, uint16_t kind, struct slice text, int64_t ms, struct slice *ret)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	struct wire_frame f;

	wire_begin(&w, &out, kind, net_caller_next(c));
	wire_put(&w, 1, text);
	int r = wire_end(&w);
	if (r == 0)
		r = net_call(c, buf_view(&out), clock_mono_ms() + ms, &f);
	if (r == 0)
		*ret = wire_text(f.payload, 1);
	return r;
}

static int
call(struct net_caller *c, uint16_t kind, struct slice text, struct slice *ret)
{
	return call_ms(c, kind, text, PATIENCE_MS, ret);
}

static void
the_right_answer_is_found(void)
{
	/* clang-format off */
	static const struct { const char *name; uint16_t kind; } rows[] = {
		{ "a question is answered",                              ECHO },
		{ "what nobody asked for is passed over",                UNSOLICITED },
		{ "the next one too",                                    ECHO },
		{ "a connection that broke before the answer is renewed", CUT_ONCE },
		{ "and serves on",                                       ECHO },
		{ "one that is closed after the answer",                 CLOSE_AFTER },
		{ "is found broken by the next",                         ECHO },
	};
	/* clang-format on */
	char path[200];
	int fd = -1;
	path_of(path, sizeof path, "answers");
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);
	pid_t pid = server(fd, 99);
	CLEANUP(net_caller_close) struct net_caller c;

	net_caller_init(&c, path);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice text = { NULL, 0 };
		ROW(rows[i].name, call(&c, rows[i].kind, slice_of(rows[i].name), &text) == 0);
		ROW(rows[i].name, slice_eq(text, slice_of(rows[i].name)));
	}
	CU_ASSERT_EQUAL(c.last_request, ARRAY_LEN(rows));
	end(pid);
	close(fd);
	unlink(path);
}

static void
half_an_answer_is_forgotten_with_its_connection(void)
{
	char path[200];
	int fd = -1;
	struct slice text = { NULL, 0 };
	path_of(path, sizeof path, "half");
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);
	pid_t pid = server(fd, 99);
	CLEANUP(net_caller_close) struct net_caller c;

	net_caller_init(&c, path);
	CU_ASSERT_EQUAL(call(&c, HALF, SLICE("whole"), &text), 0);
	CU_ASSERT_TRUE(slice_eq(text, SLICE("whole")));
	end(pid);
	close(fd);
	unlink(path);
}

static void
a_late_answer_is_not_taken_for_the_next(void)
{
	char path[200];
	int fd = -1;
	struct slice text = { NULL, 0 };
	path_of(path, sizeof path, "late");
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);
	pid_t pid = server(fd, 1);              /* one connection: it must be kept */
	CLEANUP(net_caller_close) struct net_caller c;

	net_caller_init(&c, path);
	int64_t began = clock_mono_ms();
	CU_ASSERT_EQUAL(call_ms(&c, LATE, SLICE("first"), 50, &text), -ETIMEDOUT);
	int64_t took = clock_mono_ms() - began;
	CU_ASSERT_TRUE(took >= 50 && took < 550);
	CU_ASSERT_EQUAL(call(&c, ECHO, SLICE("second"), &text), 0);
	CU_ASSERT_TRUE(slice_eq(text, SLICE("second")));
	end(pid);
	close(fd);
	unlink(path);
}

static void
callers_wait_while_a_role_restarts(void)
{
	char path[200];
	int fd = -1;
	struct slice text = { NULL, 0 };
	path_of(path, sizeof path, "restart");
	CLEANUP(net_caller_close) struct net_caller c;
	net_caller_init(&c, path);

	/* Nobody has ever been there. */
	CU_ASSERT_EQUAL(call_ms(&c, ECHO, SLICE("x"), 60, &text), -ENOENT);
	/* A file that a dead process left. */
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);
	close_fd(&fd);
	CU_ASSERT_EQUAL(call_ms(&c, ECHO, SLICE("x"), 60, &text), -ECONNREFUSED);
	/* The socket is held, nobody accepts: they queue. */
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);
	CU_ASSERT_EQUAL(call_ms(&c, ECHO, SLICE("x"), 60, &text), -ETIMEDOUT);
	net_caller_close(&c);

	/* It comes up while the call waits. */
	close_fd(&fd);
	unlink(path);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		poll(NULL, 0, 100);
		if (net_listen(path, 0600, &fd) == 0)
			serve(fd, 99);
		_exit(0);
	}
	net_caller_init(&c, path);
	CU_ASSERT_EQUAL(call(&c, ECHO, SLICE("patience"), &text), 0);
	CU_ASSERT_TRUE(slice_eq(text, SLICE("patience")));
	/* And goes again, with the connection open. */
	end(pid);
	CU_ASSERT_EQUAL(call_ms(&c, ECHO, SLICE("x"), 500, &text), -ECONNREFUSED);
	CU_ASSERT_EQUAL(c.fd, -1);
	unlink(path);
}

static void
nonsense_ends_the_connection(void)
{
	char path[200];
	int fd = -1;
	struct slice text = { NULL, 0 };
	path_of(path, sizeof path, "nonsense");
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);
	pid_t pid = server(fd, 99);
	CLEANUP(net_caller_close) struct net_caller c;

	net_caller_init(&c, path);
	CU_ASSERT_EQUAL(call(&c, NONSENSE, SLICE("x"), &text), -EPROTO);
	CU_ASSERT_EQUAL(c.fd, -1);
	CU_ASSERT_EQUAL(call(&c, ECHO, SLICE("sense"), &text), 0);
	end(pid);
	close(fd);
	unlink(path);
}

static void
large_frames_pass_both_ways(void)
{
	char path[200];
	int fd = -1;
	struct slice text = { NULL, 0 };
	CLEANUP(buf_free) struct buf body = { 0 };
	path_of(path, sizeof path, "large");
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);
	pid_t pid = server(fd, 99);
	CLEANUP(net_caller_close) struct net_caller c;

	CU_ASSERT_EQUAL_FATAL(buf_reserve(&body, 17 * MIB), 0);
	for (size_t i = 0; i < 17 * MIB; i++)
		body.ptr[i] = (char)(i * 31 >> 4);
	body.len = 17 * MIB;
	net_caller_init(&c, path);
	CU_ASSERT_EQUAL(call(&c, LARGE, buf_view(&body), &text), 0);
	CU_ASSERT_TRUE(slice_eq(text, buf_view(&body)));

	/* Cut off half way: what was sent must not garble the next. */
	end(pid);
	close_fd(&fd);
	unlink(path);
	CU_ASSERT_EQUAL_FATAL(net_listen(path, 0600, &fd), 0);
	net_caller_close(&c);
	CU_ASSERT_EQUAL(call_ms(&c, LARGE, buf_view(&body), 60, &text), -ETIMEDOUT);
	pid = server(fd, 99);
	CU_ASSERT_EQUAL(call(&c, ECHO, SLICE("clean"), &text), 0);
	CU_ASSERT_TRUE(slice_eq(text, SLICE("clean")));
	end(pid);
	close(fd);
	unlink(path);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "a listening socket is as asked", a_listening_socket_is_as_asked },
		{ "what stands in the way is judged", what_stands_in_the_way_is_judged },
		{ "a path has 107 bytes at most", a_path_has_107_bytes_at_most },
		{ "reading stops at the limit", reading_stops_at_the_limit },
		{ "writing says what is left", writing_says_what_is_left },
		{ "the right answer is found", the_right_answer_is_found },
		{ "half an answer is forgotten with its connection", half_an_answer_is_forgotten_with_its_connection },
		{ "a late answer is not taken for the next", a_late_answer_is_not_taken_for_the_next },
		{ "callers wait while a role restarts", callers_wait_while_a_role_restarts },
		{ "nonsense ends the connection", nonsense_ends_the_connection },
		{ "large frames pass both ways", large_frames_pass_both_ways },
	};
	if (!mkdtemp(dir))
		return 2;
	int status = unit_run("net", tests, ARRAY_LEN(tests), 0);
	rmdir(dir);
	return status;
}
