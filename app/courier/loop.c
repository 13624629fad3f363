#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/courier/calls.h"
#include "app/courier/claims.h"
#include "app/courier/courier.h"
#include "app/courier/deliver.h"
#include "app/courier/loop.h"
#include "app/courier/probe.h"
#include "app/courier/pull.h"
#include "app/courier/setup.h"
#include "app/courier/silence.h"
#include "lib/clock.h"
#include "lib/daemon.h"
#include "lib/log.h"

#define PATIENCE_MS   5000      /* for what is on the network when we are to stop */
#define LAST_WORDS_MS 2000      /* and then for the keeper to take the results */
#define OLD_MS        50        /* how often clients of before a reload are looked after */

enum { FD_SIGNAL, FD_KEEPER, FD_PROBES };       /* probes: the last, and more than one */

struct loop {
	int     signal_fd;
	struct probes probes;
	int64_t stop_at_ms;     /* patience ends; 0: we are not stopping */
	bool    aborted;
	int64_t alive_at_ms;    /* the next ping of the watchdog */
};

static void
begin_to_stop(struct courier *c, struct loop *l, int64_t now_ms)
{
	if (c->stopping)
		return;
	daemon_stopping();
	log_event(LOG_NOTICE, "stopping", LOG_INT("deliveries", c->jobs.n));
	c->stopping = true;
	l->stop_at_ms = now_ms + PATIENCE_MS;
	claims_stop(c, now_ms);
}

static void
take_signals(struct courier *c, struct loop *l, int64_t now_ms)
{
	struct signalfd_siginfo s;
	while (read(l->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGHUP)
			setup_reload(c, now_ms);
		else
			begin_to_stop(c, l, now_ms);
	}
}

static void
sooner(int64_t *wait_ms, int64_t other_ms)
{
	if (other_ms >= 0 && (*wait_ms < 0 || other_ms < *wait_ms))
		*wait_ms = other_ms;
}

static int64_t
until(int64_t at_ms, int64_t now_ms)
{
	return at_ms > now_ms ? at_ms - now_ms : 0;
}

static int
how_long(struct courier *c, struct loop *l, int64_t now_ms)
{
	int64_t wait = -1;
	sooner(&wait, keeper_link_wait_ms(&c->link, now_ms));
	sooner(&wait, claims_wait_ms(c, now_ms));
	sooner(&wait, silence_wait_ms(c, now_ms));
	sooner(&wait, calls_wait_ms(c, now_ms));
	sooner(&wait, pull_wait_ms(c, now_ms));
	for (size_t i = 0; i < OLD_CLIENTS; i++)
		if (c->old[i])
			sooner(&wait, OLD_MS);
	if (l->alive_at_ms)
		sooner(&wait, until(l->alive_at_ms, now_ms));
	if (l->stop_at_ms)
		sooner(&wait, until(l->stop_at_ms, now_ms));
	return wait > INT32_MAX ? INT32_MAX : (int)wait;
}

static void
tick(struct courier *c, struct loop *l, int64_t now_ms)
{
	if (l->alive_at_ms && now_ms >= l->alive_at_ms) {
		daemon_alive();
		l->alive_at_ms = now_ms + daemon_watchdog_ms();
	}
	if (c->client_stale)
		setup_client(c);
	keeper_link_tick(c, now_ms);
	claims_tick(c, now_ms);
	silence_tick(c, now_ms);
	pull_tick(c, now_ms);
	calls_tick(c, now_ms);
	/* What was just said goes out now, not one turn later. */
	if (keeper_link_wants_write(&c->link))
		keeper_link_io(c, now_ms);
}

/* False: it is over. */
static bool
go_on(struct courier *c, struct loop *l, int64_t now_ms)
{
	if (!c->stopping)
		return true;
	if (c->jobs.n == 0)
		return false;
	if (now_ms < l->stop_at_ms)
		return true;
	if (l->aborted)
		return false;
	l->aborted = true;
	l->stop_at_ms = now_ms + LAST_WORDS_MS;
	claims_abort(c, now_ms);
	return true;
}

static void
take_results(struct courier *c, struct client *from, int64_t now_ms)
{
	struct client_result res;
	while (client_next(from, &res))
		switch (((const struct cookie *)res.cookie)->type) {
		case COOKIE_JOB:
			deliver_finished(c, &res, now_ms);
			break;
		case COOKIE_TYPING:
			typing_finished(c, &res);
			break;
		case COOKIE_CATCHUP:
			silence_finished(c, &res, now_ms);
			break;
		case COOKIE_CALL:
			calls_finished(c, &res, now_ms);
			break;
		}
}

static int
look_after_old(struct courier *c, int64_t now_ms)
{
	for (size_t i = 0; i < OLD_CLIENTS; i++) {
		if (!c->old[i])
			continue;
		int r = client_poll(c->old[i], NULL, 0, 0);
		if (r != 0)
			return r;
		take_results(c, c->old[i], now_ms);
		if (client_count(c->old[i]) > 0)
			continue;
		client_free(c->old[i]);
		c->old[i] = NULL;
	}
	return 0;
}

static int
turn(struct courier *c, struct loop *l)
{
	struct pollfd fds[CLIENT_EXTRA_MAX];
	int64_t now_ms = clock_mono_ms();
	tick(c, l, now_ms);

	fds[FD_SIGNAL] = (struct pollfd){ .fd = l->signal_fd, .events = POLLIN };
	fds[FD_KEEPER] = (struct pollfd){ .fd = c->link.fd,
		.events = (short)(POLLIN | (keeper_link_wants_write(&c->link) ? POLLOUT : 0)) };
	size_t n = FD_PROBES + probes_watch(&l->probes, &fds[FD_PROBES], CLIENT_EXTRA_MAX - FD_PROBES);
	int r = client_poll(c->client, fds, n, how_long(c, l, now_ms));
	if (r != 0)
		return r;

	now_ms = clock_mono_ms();
	if (fds[FD_SIGNAL].revents)
		take_signals(c, l, now_ms);
	if (fds[FD_KEEPER].revents)
		keeper_link_io(c, now_ms);
	take_results(c, c->client, now_ms);
	r = look_after_old(c, now_ms);
	calls_tick(c, now_ms);
	probes_io(c, &l->probes, &fds[FD_PROBES], n - FD_PROBES, now_ms);
	return r;
}

int
loop_run(struct courier *c)
{
	sigset_t ours;
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	struct loop l = { .signal_fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC) };
	if (l.signal_fd < 0)
		return negative_errno();
	probes_init(&l.probes, c->listen_fd);
	if (daemon_watchdog_ms() > 0)
		l.alive_at_ms = clock_mono_ms();

	int r = 0;
	daemon_ready();
	while (r == 0 && go_on(c, &l, clock_mono_ms()))
		r = turn(c, &l);
	probes_close(&l.probes);
	close_fd(&l.signal_fd);
	return r;
}
