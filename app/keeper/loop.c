#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "app/keeper/keeper.h"
#include "lib/clock.h"
#include "lib/daemon.h"
#include "lib/log.h"

#define EVENTS_AT_ONCE  256
#define PRUNE_EVERY_MS  60000           /* when there was nothing to prune */
#define PRUNE_LATE_MS   60000           /* it has waited so long for an idle moment */
#define PRUNE_SLICE_MS  5
#define PRUNE_ROWS      64              /* looked at between two looks at the clock */
#define LOW_DISK_MS     1000
#define AGE_EVERY_MS    5000            /* while something waits */
#define AGE_SLICE_MS    50              /* while there is more to end */
#define GOODBYE_MS      1000
#define GATHER_FLUSH_US 1000            /* below that waiting costs more than it saves */
#define GATHER_MAX_US   3000

void
keeper_tick_clock(struct keeper *k)
{
	k->now_ms = clock_mono_ms();
	k->now_us = k->start_wall_us + (k->now_ms - k->start_ms) * 1000;
}

/* ---- what comes ---- */

static void
take_signals(struct keeper *k)
{
	struct signalfd_siginfo s;
	while (read(k->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		if (s.ssi_signo == SIGHUP) {
			setup_reload(k);
			continue;
		}
		if (!k->stopping)
			daemon_stopping();
		k->stopping = true;
	}
}

static void
take_event(struct keeper *k, const struct epoll_event *e)
{
	struct watch *w = e->data.ptr;
	switch (w->type) {
	case WATCH_SIGNAL:
		take_signals(k);
		return;
	case WATCH_LISTEN:
		peer_accept(k);
		return;
	case WATCH_RECOUNT:
		recount_ready(k);
		return;
	case WATCH_PEER:
		peer_ready(k, (struct peer *)w, e->events);
		return;
	}
}

/* Frames that the last batch had no room for. */
static void
take_waiting(struct keeper *k)
{
	for (struct peer *p = k->peers; p && !batch_full(k); p = p->next)
		if (p->whole && !p->dead)
			peer_ready(k, p, 0);
}

/* ---- what the clock brings ---- */

/* The courier of before the start did not come back: its claims are free. */
static void
end_waiting_for_claims(struct keeper *k)
{
	if (!k->claims_open || k->now_ms - k->start_ms < KEEPER_CLAIMS_MS)
		return;
	k->claims_open = false;
	k->release_due = true;
}

/* Returns true when there is more to do. */
static bool
prune(struct keeper *k)
{
	bool more = false;
	int64_t until = clock_mono_ms() + PRUNE_SLICE_MS;
	const struct store_retention keep = {
		.keys_us = k->now_us - k->config.store.retention.keys * 1000,
		.answered_us = k->now_us - k->config.store.retention.bodies * 1000,
		.noted_us = k->now_us - k->config.store.retention.noted * 1000,
		.failed_us = k->now_us - k->config.store.retention.failed * 1000, .rows = PRUNE_ROWS,
	};
	k->slice_ms = k->now_ms + 1000;
	do {
		int r = store_prune(k->store, &keep, &more);
		if (r == -EIO)
			keeper_die(k, "pruning");
		if (r < 0) {
			log_event(LOG_ERROR, "prune-failed", LOG_STR("why", store_error(k->store)));
			more = false;
		}
	} while (more && clock_mono_ms() < until);
	batch_end(k);
	if (!more)
		k->prune_ms = k->now_ms + PRUNE_EVERY_MS;
	return more;
}

/* One alarm when the oldest that waits is too old, one notice when it is gone. */
static void
watch_oldest(struct keeper *k)
{
	int64_t since = 0;
	if (store_oldest(k->store, &since) < 0)
		return;
	int64_t age_s = since ? (k->now_us - since) / 1000000 : 0;
	bool old = age_s * 1000 > k->config.delivery.oldest_alarm;
	if (old && !k->old)
		log_event(LOG_ALARM, "queue-old", LOG_INT("oldest_s", age_s), LOG_INT("pending", store_pending(k->store)),
		    LOG_STR("next", "see ponte queue list and the log's breaker-open and destination-alarm lines"));
	else if (!old && k->old)
		log_event(LOG_NOTICE, "queue-young", LOG_INT("oldest_s", age_s));
	k->old = old;
}

/* What nobody may claim now grows old all the same. */
static void
age(struct keeper *k)
{
	size_t ended = 0;
	bool more = false;
	if (k->now_ms < k->age_ms || (store_pending(k->store) == 0 && !k->old))
		return;
	int r = store_age(k->store, k->now_us, &ended, &more);
	if (r == -EIO)
		keeper_die(k, "ending what is too old");
	if (r < 0)
		log_event(LOG_ERROR, "age-failed", LOG_STR("why", store_error(k->store)));
	if (ended) {
		log_event(LOG_WARN, "deliveries-ended", LOG_INT("count", ended),
		    LOG_STR("why", "older than delivery.message_age or delivery.give_up; see ponte queue list"));
		keeper_wake(k);
	}
	k->age_ms = k->now_ms + (more ? AGE_SLICE_MS : AGE_EVERY_MS);
	watch_oldest(k);
}

static void
say_alive(struct keeper *k)
{
	int64_t every = daemon_watchdog_ms();
	if (every == 0 || k->now_ms < k->alive_ms)
		return;
	daemon_alive();
	k->alive_ms = k->now_ms + every;
}

static int
nearest(int64_t now, int64_t then, int so_far)
{
	int64_t wait = then > now ? then - now : 0;
	return so_far < 0 || wait < so_far ? (int)(wait > 60000 ? 60000 : wait) : so_far;
}

static int
timeout_ms(const struct keeper *k)
{
	int wait = nearest(k->now_ms, k->prune_ms, -1);
	if (catalog_busy(k))
		return 0;
	if (daemon_watchdog_ms())
		wait = nearest(k->now_ms, k->alive_ms, wait);
	if (k->claims_open)
		wait = nearest(k->now_ms, k->start_ms + KEEPER_CLAIMS_MS, wait);
	if (k->disk.low)
		wait = nearest(k->now_ms, k->now_ms + LOW_DISK_MS, wait);
	if (store_pending(k->store) > 0 || k->old)
		wait = nearest(k->now_ms, k->age_ms, wait);
	return wait;
}

/* ---- the loop ---- */

/* Where a flush takes long, those who were answered together come back a moment
 * after the first of them: a flush that began with that one alone would keep all
 * others waiting for the next.  So a commit waits for as many as came lately, a
 * half of what a flush takes at most. */
static void
gather(struct keeper *k)
{
	struct epoll_event e[EVENTS_AT_ONCE];
	if (k->flush_us < GATHER_FLUSH_US)
		return;
	int64_t left = k->flush_us / 2 < GATHER_MAX_US ? k->flush_us / 2 : GATHER_MAX_US;
	int64_t until = clock_mono_us() + left;
	while (store_writing(k->store) && k->batch.n < k->company && !batch_full(k) && left > 0) {
		struct timespec t = { .tv_nsec = (long)left * 1000 };
		int n = epoll_pwait2(k->epoll_fd, e, EVENTS_AT_ONCE, &t, NULL);
		for (int i = 0; i < n; i++)
			take_event(k, &e[i]);
		left = n <= 0 ? 0 : until - clock_mono_us();
	}
}

/* One round: everything that is there, one commit, all answers.  Returns true
 * when something was left for the next. */
static bool
round_of(struct keeper *k, int wait_ms, int *ret_error)
{
	struct epoll_event e[EVENTS_AT_ONCE];
	int n = epoll_wait(k->epoll_fd, e, EVENTS_AT_ONCE, wait_ms);
	if (n < 0 && errno != EINTR)
		*ret_error = negative_errno();
	keeper_tick_clock(k);
	take_waiting(k);
	for (int i = 0; i < n; i++)
		take_event(k, &e[i]);
	end_waiting_for_claims(k);
	if (k->release_due)
		courier_release(k);
	age(k);
	gather(k);
	batch_end(k);
	catalog_slice(k);
	peer_bury(k);
	peer_unstall(k);
	if (k->disk.low)
		disk_low(k);
	say_alive(k);
	bool left = k->release_due;                  /* a courier that broke off while it was answered */
	for (const struct peer *p = k->peers; p && !left; p = p->next)
		left = p->whole;
	if (left || k->stopping || k->now_ms < k->prune_ms)
		return left;
	/* In idle moments; where there are none, a slice a second. */
	if (n == 0 || (k->now_ms > k->prune_ms + PRUNE_LATE_MS && k->now_ms >= k->slice_ms))
		return prune(k);
	return false;
}

/* Answers that are ready still leave, for a moment. */
static void
say_goodbye(struct keeper *k)
{
	int64_t until = clock_mono_ms() + GOODBYE_MS;
	int error = 0;
	for (;;) {
		bool waiting = false;
		for (const struct peer *p = k->peers; p; p = p->next)
			waiting |= p->whole || p->out.len > 0;
		if (!waiting || error < 0 || clock_mono_ms() >= until)
			return;
		(void)round_of(k, 50, &error);
	}
}

int
loop_run(struct keeper *k)
{
	bool left = false;
	int error = 0;
	daemon_ready();
	while (!k->stopping && error == 0)
		left = round_of(k, left ? 0 : timeout_ms(k), &error);
	epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, k->listen_fd, NULL);
	say_goodbye(k);
	k->courier = NULL;                      /* its claims stay; it will name them to the next keeper */
	if (store_checkpoint(k->store, true) < 0)
		keeper_die(k, "moving the log into the file");
	return error;
}
