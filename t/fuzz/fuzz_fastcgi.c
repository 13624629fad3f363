/* FastCGI records as a hostile web server would send them, through the very
 * code that reads requests in a worker: libfcgi, parameters, routes, body.
 *
 * The first byte chooses: even, the rest is the byte stream as it is; odd, the
 * rest is parameters and body, framed properly, so that the fuzzer gets past
 * the record headers. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/worker/serve.h"
#include "lib/crypt.h"
#include "lib/log.h"

#define BODY_MAX  (8 * KIB)
#define INPUT_MAX (48 * KIB)    /* fits a socket's buffer: nobody reads while we write */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* A few bytes that libfcgi holds where the leak checker does not see them; they
 * are as many after a million requests as after one. */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libfcgi\n";
}

static void
on_nothing(struct request *r)
{
	uint8_t id[16];

	REQUIRE(r->route && r->body.len <= BODY_MAX);
	REQUIRE(r->path.len >= 1 && r->path.len <= REQUEST_PATH_MAX && r->path.ptr[0] == '/');
	REQUIRE(hex_decode(slice_of(r->id), id, sizeof id) == 0);
	for (unsigned i = 0; i < r->params; i++)
		REQUIRE(r->param[i].len > 0);
	for (size_t i = 0; i < r->body.len; i++)
		REQUIRE(((const volatile char *)r->body.ptr)[i] == r->body.ptr[i]);
	answer_begin(r, HTTP_OK);
	answer_text(r, "path", r->path);
	answer_text(r, "query", request_given(r, REQUEST_P_QUERY));
	answer_end(r);
}

static const struct route rows[] = {
	{ HTTP_M_GET,  "/health", ROUTE_API, ROUTE_OPEN, 0, ROUTE_DETAIL, 0, 0, on_nothing, "" },
	{ HTTP_M_POST, "/webhook", ROUTE_HOOKS, ROUTE_SIGNED, 0, ROUTE_WEBHOOK, SIZE_MAX, 0, on_nothing, "" },
	{ HTTP_M_POST, "/webhook/chatwoot/{tenant}/{kind}/{secret}", ROUTE_HOOKS, ROUTE_SIGNED, 0, ROUTE_WEBHOOK, SIZE_MAX,
	  0, on_nothing, "" },
};

struct bench {
	struct config          config;
	struct scoreboard_slot slot;
	struct worker          worker;
	struct serve          *serve;
	int                    listen_fd;
	struct sockaddr_un     address;
	socklen_t              address_len;
};

static struct bench *
set_up(void)
{
	static struct bench b;                  /* one for the whole run */

	if (b.serve)
		return &b;
	REQUIRE(crypt_init() == 0);
	log_setup("fuzz", LOG_ALARM);
	b.config.limits.body = BODY_MAX;
	b.worker = (struct worker){ .config = &b.config, .table = rows, .rows = ARRAY_LEN(rows), .slot = &b.slot };
	b.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* An address without a name: the kernel chooses one that is no file. */
	b.address.sun_family = AF_UNIX;
	REQUIRE(bind(b.listen_fd, (struct sockaddr *)&b.address, sizeof b.address.sun_family) == 0);
	b.address_len = sizeof b.address;
	REQUIRE(getsockname(b.listen_fd, (struct sockaddr *)&b.address, &b.address_len) == 0);
	REQUIRE(listen(b.listen_fd, 8) == 0);
	REQUIRE(serve_new(&b.worker, b.listen_fd, &b.serve) == 0);
	return &b;
}

static void
record(struct buf *out, uint8_t type, const uint8_t *bytes, size_t len)
{
	const uint8_t head[8] = { 1, type, 0, 1, (uint8_t)(len >> 8), (uint8_t)len, 0, 0 };

	REQUIRE(len <= UINT16_MAX && buf_append(out, head, sizeof head) == 0 && buf_append(out, bytes, len) == 0);
}

/* BEGIN, parameters, body.  Two bytes in front say how many are parameters. */
static void
frame(struct buf *out, const uint8_t *data, size_t size)
{
	static const uint8_t begin[8] = { 0, 1 };
	size_t params = 0;

	if (size >= 2) {
		params = (size_t)data[0] << 8 | data[1];
		data += 2;
		size -= 2;
	}
	if (params > size)
		params = size;
	record(out, 1, begin, sizeof begin);
	if (params)
		record(out, 4, data, params);
	record(out, 4, NULL, 0);
	if (size > params)
		record(out, 5, data + params, size - params);
	record(out, 5, NULL, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bench *b = set_up();
	CLEANUP(buf_free) struct buf out = { 0 };

	if (size < 1 || size > INPUT_MAX)
		return 0;
	if (data[0] % 2)
		frame(&out, data + 1, size - 1);
	else
		REQUIRE(buf_append(&out, data + 1, size - 1) == 0);

	CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(connect(fd, (struct sockaddr *)&b->address, b->address_len) == 0);
	if (out.len)
		REQUIRE(write(fd, buf_view(&out).ptr, out.len) == (ssize_t)out.len);
	REQUIRE(shutdown(fd, SHUT_WR) == 0);
	int r = serve_once(b->serve);
	REQUIRE(r == 0 || r == -EBADMSG);
	REQUIRE(serve_once(b->serve) == -EAGAIN);   /* it took one connection, and no other */
	return 0;
}
