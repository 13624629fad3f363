#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"
#include "lib/net.h"

#define READ_AT_ONCE    (4 * MIB)       /* of one peer in one round */
#define READ_ANYWAY     (64 * KIB)      /* of each, however much is unanswered */
#define OUT_MAX         (64 * MIB)      /* waiting for a peer that does not read */

/* ---- coming ---- */

static void
peer_watch(struct keeper *k, struct peer *p)
{
	uint32_t events = (p->stalled || p->eof || p->out.len > OUT_MAX ? 0 : EPOLLIN)
	    | (p->out.len ? (uint32_t)EPOLLOUT : 0);
	if (events == p->events)
		return;
	struct epoll_event e = { .events = events, .data.ptr = &p->watch };
	if (epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, p->fd, &e) == 0)
		p->events = events;
}

static int
peer_new(struct keeper *k, int fd)
{
	struct peer *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->watch.type = WATCH_PEER;
	p->fd = fd;
	p->events = EPOLLIN;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &p->watch };
	int r = net_peer_uid(fd, &p->uid);
	if (r == 0 && epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
		r = negative_errno();
	if (r < 0) {
		free(p);
		return r;
	}
	p->roles = setup_roles(k, p->uid);
	p->next = k->peers;
	if (p->next)
		p->next->prev = p;
	k->peers = p;
	return 0;
}

void
peer_accept(struct keeper *k)
{
	for (int i = 0; i < 64; i++) {
		int fd = accept4(k->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				log_event(LOG_ERROR, "accept-failed", LOG_STR("why", strerror(errno)));
			return;
		}
		int r = peer_new(k, fd);
		if (r < 0) {
			log_event(LOG_ERROR, "peer-refused", LOG_STR("why", strerror(-r)));
			close(fd);
		}
	}
}

/* ---- going ---- */

void
peer_hang_up(struct keeper *k, struct peer *p, const char *why)
{
	if (p->dead)
		return;
	if (why)
		log_event(LOG_WARN, "peer-closed", LOG_INT("uid", p->uid), LOG_STR("why", why));
	p->dead = true;
	p->whole = false;
	k->buffered -= p->in.len;
	buf_free(&p->in);
	close_fd(&p->fd);
	for (size_t i = 0; i < k->batch.n; i++)
		if (k->batch.answer[i].peer == p)
			k->batch.answer[i].peer = NULL;
	if (k->privileged == p)
		k->privileged = NULL;
	if (k->recount.asker == p)
		k->recount.asker = NULL;
	catalog_forget_peer(k, p);
	if (k->courier == p) {
		k->courier = NULL;
		k->release_due = true;
	}
}

static void
peer_free(struct keeper *k, struct peer *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		k->peers = p->next;
	if (p->next)
		p->next->prev = p->prev;
	buf_free(&p->in);
	buf_free(&p->out);
	close_fd(&p->fd);
	free(p);
}

void
peer_bury(struct keeper *k)
{
	for (struct peer *p = k->peers, *next; p; p = next) {
		next = p->next;
		if (p->dead)
			peer_free(k, p);
	}
}

void
peer_free_all(struct keeper *k)
{
	while (k->peers)
		peer_free(k, k->peers);
}

/* ---- reading ---- */

/* Looks at what was read: a whole frame, or a frame that must not be. */
static int
look(struct keeper *k, struct peer *p)
{
	struct slice in = buf_view(&p->in);
	struct wire_frame f;
	p->whole = false;
	if (in.len >= 4) {
		const unsigned char *b = (const unsigned char *)in.ptr;
		size_t announced = b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
		if (announced > protocol_frame_max(k->config.limits.body))
			return -EMSGSIZE;
	}
	int r = wire_frame_read(in, &f);
	if (r == 0) {
		p->whole = true;
		if (k->privileged == p)
			k->privileged = NULL;
	}
	return r < 0 ? r : 0;
}

/* Too much is unanswered: of long frames none is read on but one, which may be
 * finished; if none might, and all were half read, nothing would ever be
 * answered.  Short requests go on: a settle must not wait for bodies. */
static bool
may_read(struct keeper *k, struct peer *p)
{
	if (k->buffered < k->config.limits.unanswered || k->privileged == p || p->in.len < READ_ANYWAY)
		return true;
	if (k->privileged)
		return false;
	k->privileged = p;
	return true;
}

static void
peer_read(struct keeper *k, struct peer *p)
{
	size_t limit = WIRE_HEADER + protocol_frame_max(k->config.limits.body);
	for (size_t got = 0; got < READ_AT_ONCE && !p->whole;) {
		if (!may_read(k, p)) {
			p->stalled = true;
			return;
		}
		ssize_t n = net_read(p->fd, &p->in, limit);
		if (n == -EAGAIN)
			return;
		if (n == 0) {
			p->eof = true;
			return;
		}
		if (n > 0) {
			k->buffered += (size_t)n;
			got += (size_t)n;
			n = look(k, p);
		}
		if (n < 0) {
			peer_hang_up(k, p, n == -ECONNRESET ? NULL : n == -EMSGSIZE ? "a frame longer than limits.body allows"
			    : n == -EPROTO ? "not a frame" : strerror((int)-n));
			return;
		}
	}
}

void
peer_ready(struct keeper *k, struct peer *p, uint32_t events)
{
	if (p->dead)
		return;
	if (p->stalled && events & (EPOLLHUP | EPOLLERR)) {
		/* Nobody waits for the answer, and epoll would say so for ever. */
		peer_hang_up(k, p, NULL);
		return;
	}
	if (events & EPOLLOUT)
		peer_flush(k, p);
	if (!p->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !p->whole)
		peer_read(k, p);
	if (!p->dead)
		batch_take(k, p);
	if (!p->dead && p->eof && !p->whole)
		peer_hang_up(k, p, p->in.len ? "hung up inside a frame" : NULL);
	if (!p->dead)
		peer_watch(k, p);
}

void
peer_unstall(struct keeper *k)
{
	if (k->buffered >= k->config.limits.unanswered && k->privileged)
		return;
	for (struct peer *p = k->peers; p; p = p->next)
		if (p->stalled && !p->dead) {
			p->stalled = false;
			peer_watch(k, p);
		}
}

/* ---- writing ---- */

void
peer_flush(struct keeper *k, struct peer *p)
{
	if (p->dead || p->out.len == 0)
		return;
	int r = net_write(p->fd, &p->out);
	if (r == 0)
		buf_empty(&p->out, p == k->courier ? KEEPER_OUT_KEPT : READ_ANYWAY);
	else if (r != -EAGAIN) {
		peer_hang_up(k, p, r == -EPIPE || r == -ECONNRESET ? NULL : strerror(-r));
		return;
	}
	peer_watch(k, p);
}
