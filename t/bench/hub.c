/* hub: an AI hub (and, under /api/v1/, a Chatwoot) that always takes the same
 * time to answer, and looks at what it is asked.
 *
 *   hub --port N [--delay-ms D] [--answer TEXT] [--log FILE]
 *
 * Every POST is answered 200 after D ms (5) with that text ("": nothing to say);
 * those under /api/v1/ at once, as Chatwoot stores a message.  GET /_stats gives
 * one JSON object:
 *   requests, messages    to the hub; messages that were in them
 *   posted                to Chatwoot
 *   most_in_flight        requests to the hub at a time
 *   disorder              messages whose id was not above the last of their conversation
 *   overlaps              requests for a conversation of which another was under way
 *   first_us, last_us     of CLOCK_MONOTONIC: the first request, the last
 * and GET /_reset forgets them.  With --log each message is a line "id us". */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/net.h"

#define CONVERSATIONS 4000000
#define BODY_MAX      (64 * MIB)

struct conn {
	TAILQ_ENTRY(conn) place;        /* in `thinking`: until due_us */
	int        fd;
	struct buf in, out;
	int64_t    due_us;              /* 0: no request under way */
	uint64_t   conversation;
};
TAILQ_HEAD(conns, conn);

struct seen { uint64_t requests, messages, posted, in_flight, most_in_flight, disorder, overlaps; int64_t first_us, last_us; };

static struct {
	uint64_t port, delay_ms;
	const char *answer;
	FILE    *log;
	int      epoll, listener;
	struct conns thinking;
	struct seen  seen;
	uint64_t *last;                 /* message, by conversation */
	uint8_t  *busy;
} hub;

static void
reply(struct conn *c, const char *text)
{
	if (buf_printf(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	    strlen(text), text) != 0)
		abort();
	(void)net_write(c->fd, &c->out);
}

static uint64_t
number_behind(const char *at, const char *end, const char *name)
{
	const char *found = memmem(at, (size_t)(end - at), name, strlen(name));
	return found ? strtoull(found + strlen(name), NULL, 10) : 0;
}

/* The messages of a question, in the order in which they stand there. */
static void
look_at_messages(struct conn *c, const char *body, const char *end, int64_t now_us)
{
	static const char entry[] = "{\"id\":";
	const char *at = memmem(body, (size_t)(end - body), "\"messages\":[", 12);
	const char *stop = at ? memmem(at, (size_t)(end - at), "],\"message\":", 12) : NULL;
	while (at && stop && (at = memmem(at, (size_t)(stop - at), entry, sizeof(entry) - 1)) != NULL) {
		uint64_t id = strtoull(at + sizeof(entry) - 1, NULL, 10), *last = &hub.last[c->conversation];
		hub.seen.messages++;
		hub.seen.disorder += id <= *last;
		*last = id;
		if (hub.log)
			fprintf(hub.log, "%llu %lld\n", (unsigned long long)id, (long long)now_us);
		at++;
	}
}

static void
asked(struct conn *c, const char *body, const char *end)
{
	int64_t now_us = clock_mono_us();
	struct seen *s = &hub.seen;
	c->conversation = number_behind(body, end, "\"conversation_id\":") % CONVERSATIONS;
	look_at_messages(c, body, end, now_us);
	s->requests++;
	s->overlaps += c->conversation && hub.busy[c->conversation] > 0;
	hub.busy[c->conversation]++;
	if (++s->in_flight > s->most_in_flight)
		s->most_in_flight = s->in_flight;
	if (!s->first_us)
		s->first_us = now_us;
	s->last_us = now_us;
	c->due_us = now_us + (int64_t)hub.delay_ms * 1000;
	TAILQ_INSERT_TAIL(&hub.thinking, c, place);
}

static void
think_no_more(struct conn *c)
{
	if (!c->due_us)
		return;
	c->due_us = 0;
	hub.seen.in_flight--;
	hub.busy[c->conversation]--;
	TAILQ_REMOVE(&hub.thinking, c, place);
}

static void
control(struct conn *c, const char *line)
{
	char text[512];
	struct seen *s = &hub.seen;
	if (strncmp(line, "GET /_reset", 11) == 0) {
		*s = (struct seen){ .in_flight = s->in_flight, .most_in_flight = s->in_flight };
		memset(hub.last, 0, CONVERSATIONS * sizeof(*hub.last));
	}
	if (hub.log)
		fflush(hub.log);
	snprintf(text, sizeof(text), "{\"requests\":%llu,\"messages\":%llu,\"posted\":%llu,\"most_in_flight\":%llu,\"disorder\":%llu,"
	    "\"overlaps\":%llu,\"first_us\":%lld,\"last_us\":%lld}", (unsigned long long)s->requests,
	    (unsigned long long)s->messages, (unsigned long long)s->posted, (unsigned long long)s->most_in_flight,
	    (unsigned long long)s->disorder, (unsigned long long)s->overlaps, (long long)s->first_us, (long long)s->last_us);
	reply(c, text);
}

/* One request from c->in, when it is whole. */
static bool
take(struct conn *c)
{
	struct slice in = buf_view(&c->in);
	const char *head_end = in.len ? memmem(in.ptr, in.len, "\r\n\r\n", 4) : NULL;
	if (!head_end || c->due_us)
		return false;
	size_t head = (size_t)(head_end - in.ptr) + 4, length = 0;
	for (const char *at = in.ptr; at && at < head_end; at = memchr(at, '\n', (size_t)(head_end - at)), at = at ? at + 1 : NULL)
		if (strncasecmp(at, "Content-Length:", 15) == 0)
			length = strtoul(at + 15, NULL, 10);
	if (in.len < head + length)
		return false;
	if (strncmp(in.ptr, "GET /_", 6) == 0) {
		control(c, in.ptr);
	} else if (memmem(in.ptr, (size_t)((const char *)memchr(in.ptr, '\r', head) - in.ptr), "/api/v1/", 8)) {
		hub.seen.posted++;
		reply(c, "{\"id\":1}");
	} else {
		asked(c, in.ptr + head, in.ptr + head + length);
	}
	buf_consume(&c->in, head + length);
	return true;
}

static void
close_conn(struct conn *c)
{
	think_no_more(c);
	close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	free(c);
}

static void
hear(struct conn *c)
{
	ssize_t n = net_read(c->fd, &c->in, BODY_MAX);
	if (n <= 0 && n != -EAGAIN) {
		close_conn(c);
		return;
	}
	while (take(c))
		;
}

static void
greet(void)
{
	int fd, one = 1;
	while ((fd = accept4(hub.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct conn *c = calloc(1, sizeof(*c));
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
		if (!c)
			abort();
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
		epoll_ctl(hub.epoll, EPOLL_CTL_ADD, fd, &e);
	}
}

static void
listen_at(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)hub.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
	int one = 1;
	hub.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(hub.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(hub.listener, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(hub.listener, 1024) != 0) {
		perror("hub: listen");
		exit(1);
	}
	hub.epoll = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(hub.epoll, EPOLL_CTL_ADD, hub.listener, &e);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", 1, 0, 'p' }, { "delay-ms", 1, 0, 'd' }, { "answer", 1, 0, 'a' }, { "log", 1, 0, 'l' }, { 0, 0, 0, 0 },
	};
	hub.delay_ms = 5;
	hub.answer = "";
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		uint64_t *to = o == 'p' ? &hub.port : o == 'd' ? &hub.delay_ms : NULL;
		if (o == 'a')
			hub.answer = optarg;
		else if (o == 'l')
			hub.log = fopen(optarg, "we");
		else if (!to || slice_to_u64(slice_of(optarg), 0, 65535, to) != 0)
			hub.port = 0;
	}
	hub.last = calloc(CONVERSATIONS, sizeof(*hub.last));
	hub.busy = calloc(CONVERSATIONS, 1);
	if (!hub.port || !hub.last || !hub.busy) {
		fprintf(stderr, "hub: see the head of hub.c\n");
		return 2;
	}
	TAILQ_INIT(&hub.thinking);
	listen_at();
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct epoll_event e[64];
		struct conn *c = TAILQ_FIRST(&hub.thinking);
		int64_t left_us = c ? c->due_us - clock_mono_us() : 60 * US_PER_S;
		struct timespec t = { .tv_sec = left_us > 0 ? left_us / US_PER_S : 0, .tv_nsec = left_us > 0 ? left_us % US_PER_S * 1000 : 0 };
		int n = epoll_pwait2(hub.epoll, e, 64, &t, NULL);
		for (int i = 0; i < n; i++) {
			if (e[i].data.ptr)
				hear(e[i].data.ptr);
			else
				greet();
		}
		while ((c = TAILQ_FIRST(&hub.thinking)) != NULL && c->due_us <= clock_mono_us()) {
			think_no_more(c);
			reply(c, hub.answer);
			while (take(c))
				;
		}
	}
}
