/* Long because its servers, good and bad, stand here too: one process plays both sides. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/client.h"
#include "lib/clock.h"
#include "t/unit/unit.h"

#define PATIENCE_MS 10000       /* of the tests; nothing waits that long when all is well */

/* ---- the server: a process of its own, one more per connection ---- */

struct seen { _Atomic int connections, requests; };

struct server {
	pid_t        pid;
	int          port;
	struct seen *seen;      /* shared with the process */
};

static void
say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
		if (n <= 0)
			_exit(0);       /* the client has gone */
		text += n, len -= (size_t)n;
	}
}

static void
wait_for_the_end(int fd)
{
	char c;

	while (recv(fd, &c, 1, 0) > 0)
		;
}

static void
pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

/* The head up to the empty line, and the body behind it. */
static bool
hear(int fd, char *head, size_t cap, char *body, size_t body_cap)
{
	size_t n = 0, len = 0;

	while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0) {
		if (n + 1 >= cap || recv(fd, head + n, 1, 0) != 1)
			return false;
		n++;
	}
	head[n] = '\0';
	const char *at = strcasestr(head, "\r\nContent-Length: ");
	size_t want = at && !strstr(head, " /early") ? strtoul(at + 18, NULL, 10) : 0;
	while (len < want) {
		char sink[4096];
		bool keep = len < body_cap - 1;
		ssize_t got = recv(fd, keep ? body + len : sink, keep ? 1 : sizeof sink, 0);
		if (got <= 0)
			return false;
		len += (size_t)got;
	}
	body[len < body_cap ? len : body_cap - 1] = '\0';
	return true;
}

static void
drip(int fd, int every_ms)
{
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
	for (;;) {
		pause_ms(every_ms);
		say(fd, "x");
	}
}

static void
endless(int fd, const char *start, const char *more)
{
	say(fd, start);
	for (;;)
		say(fd, more);
}

/* Back the head and body, so that the test sees what went out. */
static void
echo(int fd, const char *head, const char *body)
{
	char answer[20000];

	snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Type: text/x-echo; v=1\r\n"
	    "Content-Length: %zu\r\n\r\n%s%s", strlen(head) + strlen(body), head, body);
	say(fd, answer);
}

static bool
asked(const char *head, const char *path)
{
	const char *blank = strchr(head, ' ');

	return blank && strncmp(blank + 1, path, strlen(path)) == 0 && blank[1 + strlen(path)] == ' ';
}

/* false: the connection is to be closed. */
static bool
answer(int fd, const char *head, const char *body, int nth)
{
	if (asked(head, "/echo") || asked(head, "/a/../b%2F?q=1")) {
		echo(fd, head, body);
	} else if (asked(head, "/chunked")) {
		say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
		say(fd, "4\r\ndefg\r\n0\r\n\r\n");
	} else if (asked(head, "/empty")) {
		say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
	} else if (asked(head, "/moved")) {
		say(fd, "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 4\r\n\r\nmove");
	} else if (asked(head, "/later")) {
		say(fd, "HTTP/1.1 429 Too Many Requests\r\nretry-after: 17\r\nContent-Length: 0\r\n\r\n");
	} else if (asked(head, "/interim")) {
		say(fd, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	} else if (asked(head, "/interim-silence")) {
		say(fd, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
		wait_for_the_end(fd);
	} else if (asked(head, "/cut")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
		return false;
	} else if (asked(head, "/cut-chunked")) {
		say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
		return false;
	} else if (asked(head, "/early-open")) {
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
		pause_ms(2 * PATIENCE_MS);
		return false;
	} else if (asked(head, "/early") || asked(head, "/early-cut")) {
		say(fd, asked(head, "/early") ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" :
		    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok");
		pause_ms(100);
		return false;           /* with the request unread: a reset */
	} else if (asked(head, "/silence")) {
		return false;
	} else if (asked(head, "/second-silence")) {
		if (nth > 1)
			return false;
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	} else if (asked(head, "/never")) {
		wait_for_the_end(fd);
	} else if (asked(head, "/late")) {
		pause_ms(300);
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	} else if (asked(head, "/drip")) {
		drip(fd, 20);
	} else if (asked(head, "/large")) {
		endless(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "0123456789");
	} else if (asked(head, "/large-chunked")) {
		endless(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "a\r\n0123456789\r\n");
	} else if (asked(head, "/headers")) {
		endless(fd, "HTTP/1.1 200 OK\r\n", "X-More: 0123456789012345678901234567890123456789\r\n");
	} else if (asked(head, "/nonsense")) {
		say(fd, "220 mail.example.com ESMTP\r\n");
		return false;
	}
	return true;
}

static void
serve_connection(int fd, struct seen *seen)
{
	char head[8000], body[8000];

	for (int nth = 1; hear(fd, head, sizeof head, body, sizeof body); nth++) {
		seen->requests++;
		if (!answer(fd, head, body, nth))
			break;
	}
	close(fd);
	_exit(0);
}

static _Noreturn void
serve(int listening, struct seen *seen)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listening, NULL, NULL);
		if (fd < 0)
			continue;
		seen->connections++;
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(listening);
			serve_connection(fd, seen);
		}
		close(fd);
	}
}

static int
listen_on_loopback(int *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 64) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		abort();
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static struct server
server_start(void)
{
	struct server s;
	int fd = listen_on_loopback(&s.port);

	s.seen = mmap(NULL, sizeof *s.seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s.seen == MAP_FAILED)
		abort();
	s.pid = fork();
	if (s.pid == 0)
		serve(fd, s.seen);
	close(fd);
	return s;
}

static void
server_stop(struct server *s)
{
	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	munmap(s->seen, sizeof *s->seen);
}

/* ---- names: ours instead of the system's ---- */

/* The name server that does not answer, until the test closes the other end. */
static int stuck[2] = { -1, -1 };

int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct { struct addrinfo a; struct sockaddr_in in; } *one;
	struct in_addr address = { htonl(INADDR_LOOPBACK) };

	(void)hints;
	if (strcmp(host, "slow.test") == 0)
		poll(&(struct pollfd){ .fd = stuck[0], .events = POLLIN }, 1, PATIENCE_MS);
	else if (strcmp(host, "private.test") != 0 && inet_aton(host, &address) == 0)
		return EAI_NONAME;
	one = calloc(1, sizeof *one);
	if (!one)
		return EAI_MEMORY;
	one->in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = address,
		.sin_port = htons((uint16_t)strtoul(port ? port : "0", NULL, 10)) };
	one->a = (struct addrinfo){ .ai_family = AF_INET, .ai_socktype = SOCK_STREAM,
		.ai_addr = (struct sockaddr *)&one->in, .ai_addrlen = sizeof one->in };
	*ret = &one->a;
	return 0;
}

void
freeaddrinfo(struct addrinfo *a)
{
	free(a);
}

/* ---- asking ---- */

static struct client *
client_allowing(const struct server *s, const char *host)
{
	char entry[64];
	snprintf(entry, sizeof entry, "%s:%d", host, s->port);
	struct slice allow = slice_of(entry);
	struct client_options o = { .allow_private = &allow, .allow_privates = 1, .user_agent = "ponte-test" };
	struct client *c = NULL;

	CU_ASSERT_EQUAL_FATAL(client_new(&o, &c), 0);
	return c;
}

static struct client_request
request_for(const struct server *s, char *url, size_t cap, const char *host, const char *path)
{
	snprintf(url, cap, "http://%s:%d%s", host, s->port, path);
	return (struct client_request){ .method = HTTP_M_POST, .url = slice_of(url), .body = SLICE("{}"),
		.total_ms = PATIENCE_MS, .answer_max = 64 * KIB };
}

static struct client_result
result_of(struct client *c)
{
	struct client_result r = { .error = CLIENT_E_OTHER, .why = "no result came" };
	int64_t end = clock_mono_ms() + PATIENCE_MS;

	while (!client_next(c, &r) && clock_mono_ms() < end)
		if (client_poll(c, NULL, 0, 1000) < 0)
			break;
	return r;
}

static struct client_result
ask(struct client *c, const struct client_request *q)
{
	static char cookie;

	CU_ASSERT_EQUAL(client_start(c, q, &cookie), 0);
	struct client_result r = result_of(c);
	CU_ASSERT_PTR_EQUAL(r.cookie, &cookie);
	return r;
}

static bool
has(struct slice s, const char *text)
{
	return s.len && memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

/* ---- the tests ---- */

static void
answers_of_every_kind(void)
{
	/* clang-format off */
	static const struct {
		const char *name, *path;
		struct client_request limits;
		enum client_error error;
		unsigned status;
		const char *body;       /* NULL: not looked at */
		bool sent;
	} rows[] = {
		{ "a chunked answer is put together",    "/chunked",        { 0 }, CLIENT_OK, 200, "abcdefg", true },
		{ "no content is an answer",             "/empty",          { 0 }, CLIENT_OK, 204, "", true },
		{ "a redirect is not followed",          "/moved",          { 0 }, CLIENT_OK, 302, "move", true },
		{ "an interim answer is passed over",    "/interim",        { 0 }, CLIENT_OK, 200, "ok", true },
		{ "a late answer is an answer",          "/late",           { .first_byte_ms = 5000, .low_speed_ms = 100, .low_speed_bytes = 1000 },
		                                                                   CLIENT_OK, 200, "ok", true },
		{ "cut by its length",                   "/cut",            { 0 }, CLIENT_E_CUT, 200, "0123456789", true },
		{ "cut between chunks",                  "/cut-chunked",    { 0 }, CLIENT_E_CUT, 200, "abc", true },
		{ "closed without a word",               "/silence",        { 0 }, CLIENT_E_CUT, 0, "", true },
		{ "no first byte in time",               "/never",          { .first_byte_ms = 100 }, CLIENT_E_TIMEOUT_FIRST, 0, "", true },
		{ "an interim answer is no first byte",  "/interim-silence", { .first_byte_ms = 100 }, CLIENT_E_TIMEOUT_FIRST, 0, "", true },
		{ "the total ends a silent peer",        "/never",          { .total_ms = 100 }, CLIENT_E_TIMEOUT_TOTAL, 0, "", true },
		{ "the total ends a dripping peer",      "/drip",           { .total_ms = 600 }, CLIENT_E_TIMEOUT_TOTAL, 200, NULL, true },
		{ "a dripping peer is too slow",         "/drip",           { .low_speed_ms = 200, .low_speed_bytes = 1000 }, CLIENT_E_SLOW, 200, NULL, true },
		{ "an announced length over the limit",  "/large",          { .answer_max = 999 }, CLIENT_E_TOO_LARGE, 200, NULL, true },
		{ "a length nobody announced",           "/large-chunked",  { .answer_max = 999 }, CLIENT_E_TOO_LARGE, 200, NULL, true },
		{ "headers without end",                 "/headers",        { 0 }, CLIENT_E_TOO_LARGE, 200, "", true },
		{ "no HTTP at all",                      "/nonsense",       { 0 }, CLIENT_E_OTHER, 0, "", true },
	};
	/* clang-format on */
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char url[200];
		struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", rows[i].path);
		const struct client_request *l = &rows[i].limits;
		q.first_byte_ms = l->first_byte_ms;
		q.low_speed_ms = l->low_speed_ms;
		q.low_speed_bytes = l->low_speed_bytes;
		q.total_ms = l->total_ms ? l->total_ms : q.total_ms;
		q.answer_max = l->answer_max ? l->answer_max : q.answer_max;

		struct client_result r = ask(c, &q);
		ROW(rows[i].name, r.error == rows[i].error);
		if (r.error != rows[i].error)
			fprintf(stderr, "  got %s: %s\n", client_error_text(r.error), r.why);
		ROW(rows[i].name, r.status == rows[i].status);
		ROW(rows[i].name, r.sent == rows[i].sent);
		ROW(rows[i].name, !rows[i].body || slice_eq(r.body, slice_of(rows[i].body)));
		ROW(rows[i].name, r.body.len <= q.answer_max);
		ROW(rows[i].name, (r.why[0] == '\0') == (r.error == CLIENT_OK));
		ROW(rows[i].name, r.elapsed_ms >= 0 && r.elapsed_ms < PATIENCE_MS);
	}
	CU_ASSERT_EQUAL(client_count(c), 0);
	server_stop(&s);
}

static void
the_request_goes_out_as_given(void)
{
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	const struct slice header[] = { SLICE("Content-Type: application/json"), SLICE("Authorization: Bearer s3cret") };
	char url[200];
	CLEANUP(buf_free) struct buf body = { 0 };

	CU_ASSERT_EQUAL_FATAL(buf_reserve(&body, 2 * MIB), 0);
	memset(body.ptr, 'b', 2 * MIB);
	body.len = 2 * MIB;
	struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", "/echo");
	q.header = header;
	q.headers = ARRAY_LEN(header);
	q.body = buf_view(&body);
	struct client_result r = ask(c, &q);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_TRUE(slice_starts(r.body, SLICE("POST /echo HTTP/1.1\r\n")));
	CU_ASSERT_TRUE(has(r.body, "\r\nContent-Type: application/json\r\n"));
	CU_ASSERT_TRUE(has(r.body, "\r\nAuthorization: Bearer s3cret\r\n"));
	CU_ASSERT_TRUE(has(r.body, "\r\nUser-Agent: ponte-test\r\n"));
	CU_ASSERT_TRUE(has(r.body, "\r\nContent-Length: 2097152\r\n"));
	CU_ASSERT_FALSE(has(r.body, "Expect"));
	CU_ASSERT_FALSE(has(r.body, "Accept-Encoding"));
	CU_ASSERT_TRUE(has(r.body, "\r\n\r\nbbbbbbbb"));
	CU_ASSERT_TRUE(slice_eq(r.content_type, SLICE("text/x-echo; v=1")));
	CU_ASSERT_EQUAL(r.retry_after.len, 0);

	q = request_for(&s, url, sizeof url, "127.0.0.1", "/a/../b%2F?q=1");
	q.method = HTTP_M_GET;
	r = ask(c, &q);
	CU_ASSERT_TRUE(slice_starts(r.body, SLICE("GET /a/../b%2F?q=1 HTTP/1.1\r\n")));
	CU_ASSERT_FALSE(has(r.body, "Content-Length"));

	q = request_for(&s, url, sizeof url, "127.0.0.1", "/later");
	r = ask(c, &q);
	CU_ASSERT_EQUAL(r.status, 429);
	CU_ASSERT_TRUE(slice_eq(r.retry_after, SLICE("17")));
	CU_ASSERT_EQUAL(s.seen->connections, 1);        /* kept from one to the next */
	server_stop(&s);
}

/* It breaks off while we are still sending. */
static void
an_answer_before_the_request_was_read(void)
{
	static const struct { const char *name, *path; enum client_error error; } rows[] = {
		{ "all of it stands", "/early", CLIENT_OK },
		{ "a part of it does not", "/early-cut", CLIENT_E_CUT },
		{ "also when the peer stays and reads nothing", "/early-open", CLIENT_OK },
	};
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	CLEANUP(buf_free) struct buf body = { 0 };
	char url[200];

	CU_ASSERT_EQUAL_FATAL(buf_reserve(&body, 16 * MIB), 0);
	memset(body.ptr, 'b', 16 * MIB);
	body.len = 16 * MIB;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", rows[i].path);
		q.body = buf_view(&body);
		struct client_result r = ask(c, &q);
		ROW(rows[i].name, r.error == rows[i].error && r.status == 200 && slice_eq(r.body, SLICE("ok")));
	}
	server_stop(&s);
}

static void
what_never_leaves_is_told_apart(void)
{
	/* clang-format off */
	static const struct { const char *name, *url; enum client_error error; } rows[] = {
		{ "loopback, not named",           "http://127.0.0.1:%d/echo",        CLIENT_E_REFUSED_ADDRESS },
		{ "a name that leads there",       "http://private.test:%d/echo",     CLIENT_E_REFUSED_ADDRESS },
		{ "its decimal form",              "http://2130706433:%d/echo",       CLIENT_E_REFUSED_ADDRESS },
		{ "its octal form",                "http://0177.0.0.1:%d/echo",       CLIENT_E_REFUSED_ADDRESS },
		{ "its hex form",                  "http://0x7f000001:%d/echo",       CLIENT_E_REFUSED_ADDRESS },
		{ "its short form",                "http://127.1:%d/echo",            CLIENT_E_REFUSED_ADDRESS },
		{ "localhost by name",             "http://localhost:%d/echo",        CLIENT_E_REFUSED_ADDRESS },
		{ "any address",                   "http://0.0.0.0:%d/echo",          CLIENT_E_REFUSED_ADDRESS },
		{ "IPv6 loopback",                 "http://[::1]:%d/echo",            CLIENT_E_REFUSED_ADDRESS },
		{ "IPv4 in IPv6",                  "http://[::ffff:127.0.0.1]:%d/",   CLIENT_E_REFUSED_ADDRESS },
		{ "metadata of a cloud",           "http://169.254.169.254:%d/",      CLIENT_E_REFUSED_ADDRESS },
		{ "also with TLS",                 "https://127.0.0.1:%d/echo",       CLIENT_E_REFUSED_ADDRESS },
		{ "a name nobody knows",           "http://nobody.test:%d/",          CLIENT_E_RESOLVE },
		{ "a file",                        "file:///etc/passwd?%d",           CLIENT_E_URL },
		{ "ftp",                           "ftp://127.0.0.1:%d/",             CLIENT_E_URL },
		{ "gopher",                        "gopher://127.0.0.1:%d/_x",        CLIENT_E_URL },
		{ "user-info",                     "http://a@127.0.0.1:%d/",          CLIENT_E_URL },
		{ "user-info that looks allowed",  "http://allowed.test:80@127.0.0.1:%d/", CLIENT_E_URL },
		{ "a line break",                  "http://127.0.0.1:%d/\r\nX: y",    CLIENT_E_URL },
		{ "a blank",                       "http://127.0.0.1:%d/a b",         CLIENT_E_URL },
		{ "no scheme",                     "127.0.0.1:%d",                    CLIENT_E_URL },
	};
	/* clang-format on */
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "allowed.test");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char url[200], text[200];
		struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", "/echo");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof text, rows[i].url, s.port);
#pragma GCC diagnostic pop
		q.url = slice_of(text);
		struct client_result r = ask(c, &q);
		ROW(rows[i].name, r.error == rows[i].error);
		if (r.error != rows[i].error)
			fprintf(stderr, "  got %s: %s\n", client_error_text(r.error), r.why);
		ROW(rows[i].name, !r.sent && r.status == 0 && r.body.len == 0 && r.why[0]);
	}
	CU_ASSERT_EQUAL(s.seen->connections, 0);
	server_stop(&s);
}

static void
a_peer_that_is_not_there_or_not_tls(void)
{
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	char url[200];
	struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", "/echo");

	/* A listener that never accepts: TCP stands, TLS never comes. */
	int port, fd = listen_on_loopback(&port);
	char entry[64], other[200];
	snprintf(entry, sizeof entry, "127.0.0.1:%d", port);
	snprintf(other, sizeof other, "https://%s/", entry);
	struct slice allow = slice_of(entry);
	struct client_options o = { .allow_private = &allow, .allow_privates = 1 };
	CLEANUP(client_freep) struct client *d = NULL;
	CU_ASSERT_EQUAL_FATAL(client_new(&o, &d), 0);
	q.url = slice_of(other);
	q.connect_ms = 150;
	struct client_result r = ask(d, &q);
	CU_ASSERT_EQUAL(r.error, CLIENT_E_TIMEOUT_CONNECT);
	CU_ASSERT_FALSE(r.sent);

	close(fd);
	q.connect_ms = 0;
	r = ask(d, &q);
	CU_ASSERT_EQUAL(r.error, CLIENT_E_CONNECT);
	CU_ASSERT_FALSE(r.sent);

	/* A server without TLS; it reads the greeting as a request that never ends. */
	snprintf(url, sizeof url, "https://127.0.0.1:%d/", s.port);
	q.url = slice_of(url);
	q.connect_ms = 150;
	r = ask(c, &q);
	CU_ASSERT_TRUE(r.error == CLIENT_E_TLS || r.error == CLIENT_E_TIMEOUT_CONNECT);
	CU_ASSERT_FALSE(r.sent);
	CU_ASSERT_EQUAL(s.seen->requests, 0);
	server_stop(&s);
}

static int
threads(void)
{
	CLEANUP(free_charp) char *text = NULL;
	size_t len;
	const char *at;

	if (file_read("/proc/self/status", 64 * KIB, &text, &len) < 0 || !(at = strstr(text, "\nThreads:")))
		return -1;
	return (int)strtol(at + 9, NULL, 10);
}

static void
a_slow_name_holds_nobody_up(void)
{
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	char slow[200], quick[200];
	struct client_request q = request_for(&s, slow, sizeof slow, "slow.test", "/echo");
	struct client_request other = request_for(&s, quick, sizeof quick, "127.0.0.1", "/echo");
	int a, b;

	CU_ASSERT_EQUAL_FATAL(pipe(stuck), 0);
	q.connect_ms = 1000;
	int64_t began = clock_mono_ms();
	CU_ASSERT_EQUAL(client_start(c, &q, &a), 0);
	CU_ASSERT_EQUAL(client_start(c, &other, &b), 0);
	struct client_result r = result_of(c);
	CU_ASSERT_PTR_EQUAL(r.cookie, &b);
	CU_ASSERT_EQUAL(r.status, 200);
	r = result_of(c);
	CU_ASSERT_PTR_EQUAL(r.cookie, &a);
	CU_ASSERT_EQUAL(r.error, CLIENT_E_TIMEOUT_CONNECT);
	CU_ASSERT_FALSE(r.sent);
	CU_ASSERT_TRUE(clock_mono_ms() - began < PATIENCE_MS / 2);

	/* The thread that asked for the name goes by itself, once it hears. */
	close(stuck[1]);
	while (threads() > 1 && clock_mono_ms() - began < PATIENCE_MS)
		pause_ms(5);
	CU_ASSERT_EQUAL(threads(), 1);
	close(stuck[0]);
	server_stop(&s);
}

static void
a_request_is_sent_twice_only_if_it_may(void)
{
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	char url[200];
	struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", "/second-silence");

	struct client_result r = ask(c, &q);
	CU_ASSERT_EQUAL(r.status, 200);
	/* The second on the kept connection finds it closed after the request
	 * was read; the third is the same again, on a new connection. */
	r = ask(c, &q);
	CU_ASSERT_EQUAL(r.error, CLIENT_OK);
	CU_ASSERT_EQUAL(s.seen->requests, 3);
	q.once = true;
	r = ask(c, &q);
	CU_ASSERT_EQUAL(r.error, CLIENT_E_CUT);
	CU_ASSERT_TRUE(r.sent);
	CU_ASSERT_EQUAL(s.seen->requests, 4);
	r = ask(c, &q);
	CU_ASSERT_EQUAL(r.status, 200);
	CU_ASSERT_EQUAL(s.seen->requests, 5);
	server_stop(&s);
}

static void
the_environment_has_no_say(void)
{
	static const char *const name[] = { "http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy" };
	struct server s = server_start();

	for (size_t i = 0; i < ARRAY_LEN(name); i++)
		setenv(name[i], "http://127.0.0.1:1/", 1);
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	char url[200];
	struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", "/echo");
	struct client_result r = ask(c, &q);
	CU_ASSERT_EQUAL(r.error, CLIENT_OK);
	CU_ASSERT_TRUE(slice_starts(r.body, SLICE("POST /echo ")));
	for (size_t i = 0; i < ARRAY_LEN(name); i++)
		unsetenv(name[i]);
	server_stop(&s);
}

static void
what_cannot_be_sent_is_refused_at_once(void)
{
	/* clang-format off */
	static const struct { const char *name; struct slice line; int want; } rows[] = {
		{ "a header",                      SLICE("X-A: b"),              0 },
		{ "another header in the value",   SLICE("X-A: b\r\nX-C: d"),    -EINVAL },
		{ "a line break",                  SLICE("X-A: b\n"),            -EINVAL },
		{ "a NUL",                         SLICE("X-A: b\0c"),           -EINVAL },
		{ "no colon",                      SLICE("X-A"),                 -EINVAL },
		{ "no name",                       SLICE(": b"),                 -EINVAL },
		{ "nothing",                       SLICE(""),                    -EINVAL },
	};
	/* clang-format on */
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	char url[200];
	int cookie;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", "/echo");
		q.header = &rows[i].line;
		q.headers = 1;
		ROW(rows[i].name, client_start(c, &q, &cookie) == rows[i].want);
	}
	struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", "/echo");
	q.method = HTTP_M_DELETE;
	CU_ASSERT_EQUAL(client_start(c, &q, &cookie), -EINVAL);
	CU_ASSERT_EQUAL(client_count(c), 1);
	server_stop(&s);
}

static void
options_are_checked(void)
{
	char name[] = "/tmp/ponte-unit-client-XXXXXX";
	int fd = mkstemp(name);
	struct slice good = SLICE("odoo.lan:8069"), bad = SLICE("odoo.lan");
	struct client *c = NULL;

	CU_ASSERT_EQUAL(client_new(&(struct client_options){ .allow_private = &good, .allow_privates = 1 }, &c), 0);
	client_freep(&c);
	CU_ASSERT_EQUAL(client_new(&(struct client_options){ .allow_private = &bad, .allow_privates = 1 }, &c), -EINVAL);
	CU_ASSERT_EQUAL(client_new(&(struct client_options){ .ca_file = "/nowhere/ca.pem" }, &c), -ENOENT);
	CU_ASSERT_EQUAL(client_new(&(struct client_options){ .ca_file = name }, &c), -EINVAL);
	CU_ASSERT_EQUAL(client_new(&(struct client_options){ .ca_file = "" }, &c), 0);
	client_freep(&c);
	client_freep(&c);
	close(fd);
	unlink(name);
}

static void
cancelled_requests_are_gone(void)
{
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	char url[3][200];
	struct client_request never = request_for(&s, url[0], sizeof url[0], "127.0.0.1", "/never");
	struct client_request quick = request_for(&s, url[1], sizeof url[1], "127.0.0.1", "/echo");
	struct client_request wrong = request_for(&s, url[2], sizeof url[2], "127.0.0.1", "/echo");
	struct client_result r;
	bool sent = true;
	int a, b, d, e;

	wrong.url = SLICE("nothing");
	CU_ASSERT_EQUAL(client_start(c, &never, &a), 0);
	CU_ASSERT_EQUAL(client_start(c, &quick, &b), 0);
	CU_ASSERT_EQUAL(client_start(c, &wrong, &d), 0);
	CU_ASSERT_EQUAL(client_start(c, &wrong, &e), 0);
	CU_ASSERT_EQUAL(client_count(c), 4);
	CU_ASSERT_EQUAL(client_cancel(c, &e, &sent), 0);        /* the last of the finished */
	CU_ASSERT_FALSE(sent);
	CU_ASSERT_EQUAL(client_start(c, &wrong, &e), 0);
	CU_ASSERT_TRUE(client_next(c, &r) && r.cookie == &d && r.error == CLIENT_E_URL);
	CU_ASSERT_TRUE(client_next(c, &r) && r.cookie == &e && r.error == CLIENT_E_URL);
	r = result_of(c);
	CU_ASSERT_PTR_EQUAL(r.cookie, &b);
	while (s.seen->requests < 2 && client_poll(c, NULL, 0, 10) == 0)
		;
	CU_ASSERT_EQUAL(client_cancel(c, &a, &sent), 0);
	CU_ASSERT_TRUE(sent);
	CU_ASSERT_EQUAL(client_cancel(c, &a, NULL), -ENOENT);
	CU_ASSERT_FALSE(client_next(c, &r));
	CU_ASSERT_EQUAL(client_count(c), 0);
	server_stop(&s);
}

static void
over_a_kept_connection_it_leaves_at_once(void)
{
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	char url[200];
	struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", "/echo");
	int cookie;

	CU_ASSERT_EQUAL(ask(c, &q).status, 200);
	CU_ASSERT_EQUAL(client_start(c, &q, &cookie), 0);
	int64_t began = clock_mono_ms();
	while (s.seen->requests < 2 && clock_mono_ms() - began < PATIENCE_MS)
		pause_ms(1);
	CU_ASSERT_EQUAL(s.seen->requests, 2);           /* and nobody has called client_poll() */
	CU_ASSERT_EQUAL(result_of(c).status, 200);
	CU_ASSERT_EQUAL(s.seen->connections, 1);
	server_stop(&s);
}

static void
other_descriptors_are_watched(void)
{
	struct server s = server_start();
	CLEANUP(client_freep) struct client *c = client_allowing(&s, "127.0.0.1");
	int a[2], b[2];
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
	struct pollfd extra[2] = { { .fd = a[0], .events = POLLIN }, { .fd = b[0], .events = POLLIN } };

	int64_t began = clock_mono_ms();
	CU_ASSERT_EQUAL(client_poll(c, extra, 2, 60), 0);
	CU_ASSERT_TRUE(clock_mono_ms() - began >= 50);
	CU_ASSERT_EQUAL(extra[0].revents | extra[1].revents, 0);

	CU_ASSERT_EQUAL(write(a[1], "x", 1), 1);
	began = clock_mono_ms();
	CU_ASSERT_EQUAL(client_poll(c, extra, 2, PATIENCE_MS), 0);
	CU_ASSERT_EQUAL(extra[0].revents, POLLIN);
	CU_ASSERT_EQUAL(extra[1].revents, 0);
	close(b[1]);
	CU_ASSERT_EQUAL(client_poll(c, extra + 1, 1, PATIENCE_MS), 0);
	CU_ASSERT_TRUE(extra[1].revents & POLLHUP);
	extra[1].events = POLLOUT;
	CU_ASSERT_EQUAL(client_poll(c, extra + 1, 1, PATIENCE_MS), 0);
	CU_ASSERT_TRUE(clock_mono_ms() - began < PATIENCE_MS / 2);
	/* A place without a descriptor is passed over, as by poll(). */
	extra[0].fd = extra[1].fd = -1;
	CU_ASSERT_EQUAL(client_poll(c, extra, 2, 20), 0);
	CU_ASSERT_EQUAL(extra[0].revents | extra[1].revents, 0);
	close(a[0]), close(a[1]), close(b[0]);
	server_stop(&s);
}

static void
many_at_once_within_the_limits(void)
{
	struct server s = server_start();
	char entry[64], url[200];
	snprintf(entry, sizeof entry, "127.0.0.1:%d", s.port);
	struct slice allow = slice_of(entry);
	struct client_options o = { .allow_private = &allow, .allow_privates = 1, .max_per_host = 3, .max_total = 5 };
	CLEANUP(client_freep) struct client *c = NULL;
	CU_ASSERT_EQUAL_FATAL(client_new(&o, &c), 0);
	struct client_request q = request_for(&s, url, sizeof url, "127.0.0.1", "/echo");
	char cookie[20] = { 0 };

	for (size_t i = 0; i < sizeof cookie; i++)
		CU_ASSERT_EQUAL(client_start(c, &q, &cookie[i]), 0);
	for (size_t i = 0; i < sizeof cookie; i++) {
		struct client_result r = result_of(c);
		CU_ASSERT_EQUAL(r.status, 200);
		if (r.cookie)
			++*(char *)r.cookie;
	}
	for (size_t i = 0; i < sizeof cookie; i++)
		ROW("each comes back once", cookie[i] == 1);
	CU_ASSERT_TRUE(s.seen->connections <= 3);
	CU_ASSERT_EQUAL(s.seen->requests, 20);

	/* In flight when the client goes. */
	q.url = slice_of(url);
	CU_ASSERT_EQUAL(client_start(c, &q, &cookie[0]), 0);
	CU_ASSERT_EQUAL(client_poll(c, NULL, 0, 0), 0);
	server_stop(&s);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "answers of every kind", answers_of_every_kind },
		{ "the request goes out as given", the_request_goes_out_as_given },
		{ "an answer before the request was read", an_answer_before_the_request_was_read },
		{ "what never leaves is told apart", what_never_leaves_is_told_apart },
		{ "a peer that is not there, or not TLS", a_peer_that_is_not_there_or_not_tls },
		{ "a slow name holds nobody up", a_slow_name_holds_nobody_up },
		{ "a request is sent twice only if it may", a_request_is_sent_twice_only_if_it_may },
		{ "the environment has no say", the_environment_has_no_say },
		{ "what cannot be sent is refused at once", what_cannot_be_sent_is_refused_at_once },
		{ "options are checked", options_are_checked },
		{ "cancelled requests are gone", cancelled_requests_are_gone },
		{ "over a kept connection it leaves at once", over_a_kept_connection_it_leaves_at_once },
		{ "other descriptors are watched", other_descriptors_are_watched },
		{ "many at once within the limits", many_at_once_within_the_limits },
	};
	return unit_run("client", tests, ARRAY_LEN(tests), 0);
}
