#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/courier/courier.h"
#include "app/courier/probe.h"
#include "lib/crypt.h"
#include "lib/net.h"
#include "lib/protocol.h"

#define ASKED_MAX (1 * MIB)     /* one frame: a call may be long */

void
probes_init(struct probes *ps, int listen_fd)
{
	*ps = (struct probes){ .listen_fd = listen_fd };
}

static void
probe_close(struct probe *p)
{
	close_fd(&p->fd);
	buf_free(&p->in);
	buf_free(&p->out);
}

void
probes_close(struct probes *ps)
{
	for (size_t i = 0; i < ps->n; i++)
		probe_close(&ps->item[i]);
	ps->n = 0;
}

size_t
probes_watch(const struct probes *ps, struct pollfd *fds, size_t most)
{
	REQUIRE(most > PROBES_MAX);
	size_t n = 0;
	fds[n++] = (struct pollfd){ .fd = ps->n < PROBES_MAX ? ps->listen_fd : -1, .events = POLLIN };
	for (size_t i = 0; i < ps->n; i++)
		fds[n++] = (struct pollfd){ .fd = ps->item[i].fd,
			.events = (short)(POLLIN | (ps->item[i].out.len ? POLLOUT : 0)) };
	return n;
}

/* Root's, and whoever runs us. */
static bool
is_operator(const struct probe *p)
{
	return p->uid == 0 || p->uid == geteuid();
}

static int
answer_destinations(const struct courier *c, const struct wire_frame *f, struct buf *out, int64_t now_ms)
{
	struct wire_writer w;
	wire_begin(&w, out, P_DESTINATIONS_OK, f->request);
	wire_put_u64(&w, T_MAX, c->dests.per_dest);
	for (size_t i = 0; i < c->dests.n; i++) {
		const struct dest *d = c->dests.item[i];
		int64_t paused = dest_paused_ms(d, now_ms);
		size_t mark = wire_open(&w, T_ROW);
		wire_put(&w, T_NAME, d->tenant);
		wire_put_u64(&w, T_DEST, d->kind);
		wire_put_u64(&w, T_COUNT, d->active);
		wire_put_u64(&w, T_MAX, window_width(&d->window, c->dests.per_dest));
		wire_put_u64(&w, T_N, d->ready);
		if (paused > 0)
			wire_put_i64(&w, T_DELAY_MS, paused < DEST_NEVER ? paused : -1);
		wire_close(&w, mark);
	}
	return wire_end(&w);
}

/* What a worker hands over for us to open later: it has not our key. */
static int
answer_seal(const struct courier *c, const struct wire_frame *f, struct buf *out)
{
	CLEANUP(buf_free) struct buf sealed = { 0 };
	struct wire_writer w;
	struct slice tenant = wire_text(f->payload, T_NAME), plain = wire_text(f->payload, T_PAYLOAD);

	if (!settings_name_ok(tenant) || !slice_eq(wire_text(f->payload, T_LABEL), SLICE("odoo/key")) || plain.len == 0)
		return protocol_error(out, f->request, c->link.generation, E_BAD_REQUEST, "sealed is the key of a tenant's Odoo");
	struct secret_key newest = secret_key_newest(&c->key);
	int r = secret_seal(&newest, tenant, "odoo/key", plain, &sealed);
	crypt_wipe(&newest, sizeof(newest));
	crypt_wipe((char *)(uintptr_t)plain.ptr, plain.len);
	if (r < 0)
		return r;
	wire_begin(&w, out, P_SEAL_OK, f->request);
	wire_put(&w, T_PAYLOAD, buf_view(&sealed));
	return wire_end(&w);
}

static int
answer(struct courier *c, const struct probe *p, const struct wire_frame *f, struct buf *out, int64_t now_ms)
{
	if (f->kind == P_CATCHUP && is_operator(p))
		return silence_asked(c, f, out, now_ms);
	if (f->kind == P_DESTINATIONS && is_operator(p))
		return answer_destinations(c, f, out, now_ms);
	if (f->kind == P_CALL)
		return calls_asked(c, p->id, is_operator(p), f, out, now_ms);
	if (f->kind == P_PULL)
		return pull_asked(c, is_operator(p), f, out, now_ms);
	if (f->kind == P_SEAL)
		return answer_seal(c, f, out);
	if (f->kind != P_PROBE)
		return protocol_error(out, f->request, c->link.generation, E_NOT_ALLOWED,
		    "the courier answers probes and calls, and its own user and root the rest");
	struct wire_writer w;
	wire_begin(&w, out, P_PROBE_OK, f->request);
	wire_put_u64(&w, T_PID, (uint64_t)getpid());
	wire_put_u64(&w, T_COUNT, c->jobs.n);
	if (!c->link.greeted)
		wire_put(&w, T_REASON, SLICE("no connection to the keeper"));
	return wire_end(&w);
}

/* 0, or -errno: the connection is over. */
static int
converse(struct courier *c, struct probe *p, int64_t now_ms)
{
	ssize_t got = net_read(p->fd, &p->in, ASKED_MAX);
	if (got == 0)
		return -ECONNRESET;
	if (got < 0 && got != -EAGAIN)
		return (int)got;
	struct wire_frame f;
	int r;
	while ((r = wire_frame_read(buf_view(&p->in), &f)) == 0) {
		if ((r = answer(c, p, &f, &p->out, now_ms)) != 0)
			return r;
		buf_consume(&p->in, WIRE_HEADER + f.payload.len);
	}
	return r < 0 ? r : 0;
}

/* What it is owed, as far as it takes it.  0, or -errno. */
static int
deliver(struct courier *c, struct probe *p)
{
	int r = calls_collect(c, p->id, &p->out);
	if (r == 0 && p->out.len > 0)
		r = net_write(p->fd, &p->out);
	return r == -EAGAIN ? 0 : r;
}

static void
take_new(struct probes *ps)
{
	while (ps->n < PROBES_MAX) {
		int fd = accept4(ps->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		struct probe p = { .fd = fd, .id = ++ps->last_id };
		if (net_peer_uid(fd, &p.uid) != 0)
			close(fd);
		else
			ps->item[ps->n++] = p;
	}
}

void
probes_io(struct courier *c, struct probes *ps, const struct pollfd *fds, size_t n, int64_t now_ms)
{
	/* From the end: closing one moves the last into its place. */
	for (size_t i = n - 1; i-- > 0;) {
		struct probe *p = &ps->item[i];
		if ((fds[i + 1].revents == 0 || converse(c, p, now_ms) == 0) && deliver(c, p) == 0)
			continue;
		calls_gone(c, p->id);
		probe_close(&ps->item[i]);
		ps->item[i] = ps->item[--ps->n];
	}
	if (fds[0].revents)
		take_new(ps);
}
