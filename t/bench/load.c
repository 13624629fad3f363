/* load: a sender of signed Chatwoot webhooks, as fast as the answers come.
 *
 *   load --port N --path P --body FILE --secret S --connections C --seconds T [--conversations K] [--first-id I]
 *        [--requests N] [--rate R] [--acked FILE] [--sent FILE]
 *
 * As many as the connections carry; with --requests not more than N; with --rate
 * R a second, each at its time, and latencies count from then, so that a stall
 * is felt by all who would have come meanwhile.
 * The body's "@MESSAGE@" and "@CONVERSATION@" become numbers of their own for
 * each request; the HMAC is made afresh.  Keep-alive, plain HTTP on loopback.
 * Prints one JSON object: requests, seconds, rate, latencies in ms, and how
 * many answers were not 2xx.  With --acked FILE the id of each message that
 * was answered 2xx is written there, so that losses can be counted; with --sent
 * FILE each message, answered or not, as a line "id us", CLOCK_MONOTONIC. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/net.h"
#include "lib/sign.h"

#define SAMPLES_MAX 4000000

struct conn {
	int        fd;
	struct buf out, in;
	int64_t    sent_us;
	uint64_t   id;
	bool       idle;                /* with --rate: its turn has not come */
};

struct run {
	uint64_t port, connections, seconds, conversations, next_id, requests, rate, asked;
	int64_t  turn_us;               /* --rate: of the next request */
	const char *path, *secret, *body_file, *acked_file, *sent_file;
	char    *body;
	size_t   body_len;
	FILE    *acked, *sent;
	int      epoll;
	uint32_t *sample;               /* microseconds */
	size_t   samples;
	uint64_t bad, lost_connections;
	char     first_bad[200];
};

static void
put_number(struct buf *out, const char **text, const char *end, const char *name, uint64_t value)
{
	size_t len = strlen(name);
	const char *at;

	while ((at = memmem(*text, (size_t)(end - *text), name, len)) != NULL) {
		if (buf_append(out, *text, (size_t)(at - *text)) != 0 || buf_printf(out, "%llu", (unsigned long long)value) != 0)
			abort();
		*text = at + len;
	}
}

static void
make_body(struct run *r, uint64_t id, struct buf *out)
{
	CLEANUP(buf_free) struct buf half = { 0 };
	const char *at = r->body, *end = r->body + r->body_len;

	put_number(&half, &at, end, "@MESSAGE@", id);
	if (buf_append(&half, at, (size_t)(end - at)) != 0)
		abort();
	at = buf_view(&half).ptr;
	end = at + buf_view(&half).len;
	put_number(out, &at, end, "@CONVERSATION@", 1 + id % r->conversations);
	if (buf_append(out, at, (size_t)(end - at)) != 0)
		abort();
}

/* Whether another request goes now; with --rate its connection waits otherwise. */
static bool
its_turn(struct run *r, struct conn *c, int64_t now_us)
{
	if (r->requests && r->asked >= r->requests)
		return false;
	c->idle = r->rate && now_us < r->turn_us;
	if (c->idle)
		return false;
	c->sent_us = r->rate ? r->turn_us : now_us;
	if (r->rate)
		r->turn_us += US_PER_S / (int64_t)r->rate;
	r->asked++;
	return true;
}

static void
ask(struct run *r, struct conn *c)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	char stamp[24], signature[SIGN_TEXT];

	if (!its_turn(r, c, clock_mono_us()))
		return;
	c->id = r->next_id++;
	make_body(r, c->id, &body);
	snprintf(stamp, sizeof(stamp), "%lld", (long long)(clock_wall_us() / US_PER_S));
	sign_make(slice_of(r->secret), slice_of(stamp), buf_view(&body), signature);
	if (buf_printf(&c->out, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
	    "X-Chatwoot-Timestamp: %s\r\nX-Chatwoot-Signature: %s\r\nContent-Length: %zu\r\n\r\n",
	    r->path, stamp, signature, buf_view(&body).len) != 0 ||
	    buf_append_slice(&c->out, buf_view(&body)) != 0)
		abort();
	if (r->sent)
		fprintf(r->sent, "%llu %lld\n", (unsigned long long)c->id, (long long)clock_mono_us());
	if (net_write(c->fd, &c->out) < 0 && errno == 0)
		return;
}

static void
open_conn(struct run *r, struct conn *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)r->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (c->fd >= 0)
		close(c->fd);
	buf_clear(&c->in);
	buf_clear(&c->out);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		perror("load: connect");
		exit(1);
	}
	int flags = 1;
	setsockopt(c->fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &flags, sizeof(flags));
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &e);
	ask(r, c);
}

/* A whole answer is in c->in: its status, and how long it is; 0: not yet. */
static int
whole(const struct buf *in, size_t *ret_len)
{
	struct slice s = buf_view(in);
	const char *head_end = s.len ? memmem(s.ptr, s.len, "\r\n\r\n", 4) : NULL;
	if (!head_end)
		return 0;
	size_t head = (size_t)(head_end - s.ptr) + 4, length = 0;
	for (const char *at = s.ptr; at && at < head_end; at = memchr(at, '\n', (size_t)(head_end - at)), at = at ? at + 1 : NULL)
		if (strncasecmp(at, "Content-Length:", 15) == 0)
			length = strtoul(at + 15, NULL, 10);
	const char *chunked = memmem(s.ptr, head, "chunked", 7);
	if (chunked) {
		const char *end = memmem(s.ptr + head, s.len - head, "0\r\n\r\n", 5);
		if (!end)
			return 0;
		length = (size_t)(end - s.ptr) + 5 - head;
	}
	if (s.len < head + length)
		return 0;
	*ret_len = head + length;
	return (int)strtol(s.ptr + 9, NULL, 10);
}

static void
hear(struct run *r, struct conn *c, bool again)
{
	size_t len = 0;
	ssize_t n = net_read(c->fd, &c->in, MIB);

	if (n <= 0 && n != -EAGAIN) {
		r->lost_connections++;
		epoll_ctl(r->epoll, EPOLL_CTL_DEL, c->fd, NULL);
		if (again)
			open_conn(r, c);
		return;
	}
	int status = whole(&c->in, &len);
	if (status == 0)
		return;
	int64_t us = clock_mono_us() - c->sent_us;
	if (r->samples < SAMPLES_MAX)
		r->sample[r->samples++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
	if (status / 100 != 2) {
		if (r->bad++ == 0)
			snprintf(r->first_bad, sizeof(r->first_bad), "%.*s", (int)(len < 190 ? len : 190), buf_view(&c->in).ptr);
	} else if (r->acked) {
		fprintf(r->acked, "%llu\n", (unsigned long long)c->id);
	}
	buf_consume(&c->in, len);
	if (again)
		ask(r, c);
}

static int
smaller(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static double
percentile(const struct run *r, double p)
{
	return r->samples ? r->sample[(size_t)(p * (double)(r->samples - 1))] / 1000.0 : 0;
}

int
main(int argc, char **argv)
{
	struct run r = { .connections = 32, .seconds = 5, .conversations = 1000, .next_id = 1 };
	static const struct option options[] = {
		{ "port", 1, 0, 'p' }, { "path", 1, 0, 'u' }, { "body", 1, 0, 'b' }, { "secret", 1, 0, 's' },
		{ "connections", 1, 0, 'c' }, { "seconds", 1, 0, 't' }, { "conversations", 1, 0, 'k' },
		{ "first-id", 1, 0, 'i' }, { "acked", 1, 0, 'a' }, { "requests", 1, 0, 'n' }, { "rate", 1, 0, 'r' }, { "sent", 1, 0, 'S' }, { 0, 0, 0, 0 },
	};
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		uint64_t *number = o == 'p' ? &r.port : o == 'c' ? &r.connections : o == 't' ? &r.seconds :
		    o == 'k' ? &r.conversations : o == 'i' ? &r.next_id : o == 'n' ? &r.requests : o == 'r' ? &r.rate : NULL;
		if (number && slice_to_u64(slice_of(optarg), 1, UINT64_C(1) << 60, number) == 0)
			continue;
		switch (o) {
		case 'u': r.path = optarg; break;
		case 'b': r.body_file = optarg; break;
		case 's': r.secret = optarg; break;
		case 'a': r.acked_file = optarg; break;
		case 'S': r.sent_file = optarg; break;
		default: fprintf(stderr, "load: see the head of load.c\n"); return 2;
		}
	}
	if (!r.port || !r.path || !r.body_file || !r.secret || crypt_init() != 0 ||
	    file_read(r.body_file, 32 * MIB, &r.body, &r.body_len) != 0) {
		fprintf(stderr, "load: --port, --path, --body, --secret are needed\n");
		return 2;
	}
	r.acked = r.acked_file ? fopen(r.acked_file, "we") : NULL;
	r.sent = r.sent_file ? fopen(r.sent_file, "we") : NULL;
	r.sample = malloc(SAMPLES_MAX * sizeof(*r.sample));
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	struct conn *conn = calloc(r.connections, sizeof(*conn));
	if (!r.sample || !conn || r.epoll < 0)
		return 1;
	int64_t start = clock_mono_us(), end = start + (int64_t)r.seconds * US_PER_S;
	r.turn_us = start;
	for (uint64_t i = 0; i < r.connections; i++) {
		conn[i].fd = -1;
		open_conn(&r, &conn[i]);
	}
	/* After the end the answers still under way are heard, for 10 s at most. */
	for (bool over = false;;) {
		struct epoll_event e[64];
		int64_t now = clock_mono_us();
		over = over || now >= end || (r.requests && r.asked >= r.requests);
		if (over && (r.samples + r.lost_connections >= r.asked || now > end + 10 * US_PER_S))
			break;
		for (uint64_t i = 0; !over && r.rate && now >= r.turn_us && i < r.connections; i++)
			if (conn[i].idle)
				ask(&r, &conn[i]);
		int64_t wait_us = over || !r.rate || r.turn_us - now > 100000 ? 100000 : r.turn_us > now ? r.turn_us - now : 0;
		struct timespec wait = { .tv_nsec = (long)wait_us * 1000 };
		int n = epoll_pwait2(r.epoll, e, 64, &wait, NULL);
		for (int i = 0; i < n; i++)
			hear(&r, e[i].data.ptr, !over);
	}
	double took = (double)(clock_mono_us() - start) / 1e6;
	qsort(r.sample, r.samples, sizeof(*r.sample), smaller);
	printf("{\"requests\":%zu,\"seconds\":%.3f,\"rate\":%.1f,\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f,\"not_2xx\":%llu,"
	    "\"lost_connections\":%llu}\n", r.samples, took, (double)r.samples / took, percentile(&r, .5),
	    percentile(&r, .99), percentile(&r, 1), (unsigned long long)r.bad, (unsigned long long)r.lost_connections);
	if (r.bad)
		fprintf(stderr, "load: first answer that was not 2xx: %s\n", r.first_bad);
	if (r.acked)
		fclose(r.acked);
	if (r.sent)
		fclose(r.sent);
	return 0;
}
