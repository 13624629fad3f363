#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/worker/obituary.h"
#include "app/worker/pool.h"
#include "app/worker/serve.h"
#include "app/worker/setup.h"
#include "lib/clock.h"
#include "lib/crashpoint.h"
#include "lib/crypt.h"
#include "lib/daemon.h"
#include "lib/log.h"

#define YOUNG_MS      1000      /* who lives shorter died young */
#define PAUSE_MAX_MS 30000
#define TICK_MAX_MS   1000
#define TICK_RENEW_MS   10      /* a reload waits for a worker to come up */
#define EACH_GROUP(g, p) \
	for (struct pool_group *g = (p)->group; g < (p)->group + ARRAY_LEN((p)->group); g++) \
		if (g->used)

static uint64_t
wanted(const struct pool *p, const struct pool_group *g)
{
	uint64_t n = g == &p->group[ROUTE_HOOKS] ? p->setup->config.workers.hooks : p->setup->config.workers.api;
	return n > POOL_SLOTS ? POOL_SLOTS : n;
}

/* ---- birth ---- */

/* A number of requests around the one asked for, so that workers which were
 * started together are not replaced together. */
static uint64_t
share_of_requests(uint64_t around)
{
	uint64_t fifth = around / 5;

	return around == 0 ? 0 : around - fifth + crypt_random32() % (2 * fifth + 1);
}

enum worker_exit
pool_child(const struct pool *p, const struct pool_group *g, unsigned i)
{
	struct worker w;
	struct serve *s = NULL;
	enum worker_exit end = WORKER_FAILED;

	CRASH_POINT("worker-start");
	int r = worker_init(&w, p->setup, p->board, &g->board[i]);
	if (r == 0)
		r = serve_new(&w, g->listen_fd, &s);
	if (r < 0) {
		log_event(LOG_ERROR, "cannot-start", LOG_STR("group", g->name), LOG_STR("error", strerror(-r)));
	} else {
		scoreboard_take(w.slot);
		atomic_store(&w.slot->key, secret_key_mark(w.intake));
		end = serve_run(s, share_of_requests(p->setup->config.workers.max_requests));
	}
	serve_free(s);
	worker_free(&w);
	return end;
}

static void
bear(struct pool *p, struct pool_group *g, unsigned i)
{
	pid_t pid = fork();

	if (pid < 0) {
		log_event(LOG_ERROR, "cannot-fork", LOG_STR("group", g->name), LOG_STR("error", strerror(errno)));
		g->not_before_ms = clock_mono_ms() + YOUNG_MS;
		return;
	}
	if (pid == 0) {
		/* The master may have died between fork() and prctl(). */
		if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != p->pid)
			_exit(WORKER_STOPPED);
		EACH_GROUP(other, p)
			if (other != g)
				close_fd(&other->listen_fd);
		exit(pool_child(p, g, i));
	}
	g->slot[i] = (struct pool_slot){ .pid = pid, .born_ms = clock_mono_ms(), .generation = p->generation };
}

/* ---- death ---- */

/* An episode: the first who dies young starts it with one alarm, one for both
 * groups; every further one after the pause doubles the pause; it ends when a
 * pause and twice a youth have passed without another. */
static void
died_young(const struct pool *p, struct pool_group *g, int64_t now)
{
	bool known = p->group[ROUTE_HOOKS].pause_ms || p->group[ROUTE_API].pause_ms;

	if (now < g->not_before_ms)
		return;                         /* its siblings, in the same breath */
	if (g->pause_ms == 0)
		log_event(known ? LOG_ERROR : LOG_ALARM, "workers-die-young", LOG_STR("group", g->name),
		    LOG_STR("help", "the obituaries before and after this line say how they end"));
	g->pause_ms = g->pause_ms ? 2 * g->pause_ms : YOUNG_MS;
	if (g->pause_ms > PAUSE_MAX_MS)
		g->pause_ms = PAUSE_MAX_MS;
	g->not_before_ms = now + g->pause_ms;
	atomic_store(g->troubled, 1);
}

static void
end_episode(struct pool_group *g, int64_t now)
{
	if (g->pause_ms == 0 || now < g->not_before_ms + 2 * YOUNG_MS)
		return;
	g->pause_ms = 0;
	atomic_store(g->troubled, 0);
	log_event(LOG_NOTICE, "workers-live-again", LOG_STR("group", g->name));
}

static void
empty_slot(struct scoreboard_slot *slot)
{
	atomic_store(&slot->state, SB_EMPTY);
	atomic_store(&slot->pid, 0);
}

static void
bury(const struct pool *p, struct pool_group *g, unsigned i, int status)
{
	struct pool_slot *slot = &g->slot[i];
	int64_t now = clock_mono_ms(), lived = now - slot->born_ms;
	bool recycled = WIFEXITED(status) && WEXITSTATUS(status) == WORKER_RECYCLED;

	obituary(g, i, status, lived);
	empty_slot(&g->board[i]);
	if (lived < YOUNG_MS && !slot->told && !slot->killed && !recycled)
		died_young(p, g, now);
	*slot = (struct pool_slot){ 0 };
}

static void
reap(struct pool *p)
{
	int status;
	pid_t pid;

	/* SIGCHLDs merge: as many as there are. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		EACH_GROUP(g, p)
			for (unsigned i = 0; i < POOL_SLOTS; i++)
				if (g->slot[i].pid == pid)
					bury(p, g, i, status);
}

static void
kill_slot(struct pool_slot *slot, const char *why)
{
	if (slot->killed)
		return;
	slot->killed = why;
	kill(slot->pid, SIGKILL);
}

static void
tell(const struct pool *p, struct pool_slot *slot)
{
	if (slot->told)
		return;
	slot->told = true;
	slot->kill_ms = clock_mono_ms() + p->setup->config.workers.deadline;
	kill(slot->pid, SIGTERM);
}

/* The hard deadline, from outside: whatever a worker hangs in, it ends.  Who
 * waits for an Odoo or a hub has that call's deadline before. */
static void
enforce(struct pool *p, struct pool_group *g)
{
	int64_t deadline_us = p->setup->config.workers.deadline * 1000;

	for (unsigned i = 0; i < POOL_SLOTS; i++) {
		struct pool_slot *slot = &g->slot[i];
		const struct scoreboard_slot *board = &g->board[i];
		if (slot->pid == 0)
			continue;
		if (slot->told && clock_mono_ms() >= slot->kill_ms)
			kill_slot(slot, "it did not stop in time");
		else if (atomic_load(&board->pid) == slot->pid && atomic_load(&board->state) == SB_BUSY &&
		    clock_mono_us() - atomic_load(&board->since_us) > deadline_us + atomic_load(&board->granted_us))
			kill_slot(slot, "deadline");
	}
}

/* ---- keeping the number, and renewing ---- */

struct census { unsigned living, fresh, old, told; bool fresh_serve; };

static struct census
take_census(const struct pool *p, const struct pool_group *g)
{
	struct census c = { .fresh_serve = true };

	for (unsigned i = 0; i < POOL_SLOTS; i++) {
		const struct pool_slot *slot = &g->slot[i];
		if (slot->pid == 0)
			continue;
		c.living++;
		c.told += slot->told;
		if (slot->generation != p->generation) {
			c.old++;
			continue;
		}
		c.fresh++;
		if (atomic_load(&g->board[i].pid) != slot->pid || atomic_load(&g->board[i].state) == SB_EMPTY)
			c.fresh_serve = false;
	}
	return c;
}

static void
fill(struct pool *p, struct pool_group *g)
{
	struct census c = take_census(p, g);
	uint64_t want = wanted(p, g), most = want + (c.old ? 1 : 0);

	if (c.old && c.fresh == 0 && most <= c.living)
		most = c.living + 1;            /* fewer are wanted now: still the new one comes first */

	for (unsigned i = 0; i < POOL_SLOTS && c.fresh < want && c.living < most; i++) {
		if (g->slot[i].pid != 0)
			continue;
		if (clock_mono_ms() < g->not_before_ms)
			return;
		bear(p, g, i);
		c.fresh++;
		c.living++;
	}
}

/* One step of a reload: when the new ones serve, one old one may go. */
static void
renew(struct pool *p, struct pool_group *g)
{
	struct census c = take_census(p, g);

	if (c.old == 0 || c.told > 0 || !c.fresh_serve)
		return;
	if (c.fresh == 0 && c.living < POOL_SLOTS)
		return;                         /* the first new one comes before the first old one goes */
	if (c.fresh < wanted(p, g) && c.living <= wanted(p, g) && c.living < POOL_SLOTS)
		return;
	for (unsigned i = 0; i < POOL_SLOTS; i++)
		if (g->slot[i].pid != 0 && g->slot[i].generation != p->generation) {
			tell(p, &g->slot[i]);
			return;
		}
}

static void
end_renewal(struct pool *p)
{
	EACH_GROUP(g, p) {
		struct census c = take_census(p, g);
		if (c.old > 0 || c.fresh < wanted(p, g))
			return;
	}
	p->renewing = false;
	log_event(LOG_NOTICE, "reloaded");
	daemon_ready();
}

static void
complain_log(const char *text)
{
	log_event(LOG_ERROR, "reload-refused", LOG_STR("mistake", text));
}

static void
reload(struct pool *p)
{
	struct setup *fresh;

	daemon_reloading();
	if (setup_load(p->source, SETUP_RELOAD, complain_log, &fresh) != 0) {
		log_event(LOG_ERROR, "reload-refused", LOG_STR("help", "the settings in force stay; nothing was changed"));
		daemon_ready();
		return;
	}
	if (!slice_eq(fresh->config.listen.hooks, p->setup->config.listen.hooks) ||
	    !slice_eq(fresh->config.listen.api, p->setup->config.listen.api) ||
	    !slice_eq(fresh->config.listen.scoreboard, p->setup->config.listen.scoreboard))
		log_event(LOG_WARN, "reload-partial", LOG_STR("help", "new socket paths act after a restart"));
	setup_free(p->setup);
	p->setup = fresh;
	log_setup("worker", (enum log_level)config_log_level(&fresh->config));
	p->generation++;
	p->renewing = true;
	log_event(LOG_NOTICE, "reloading");
}

static void
stop(struct pool *p)
{
	if (p->stopping)
		return;
	p->stopping = true;
	daemon_stopping();
	log_event(LOG_NOTICE, "stopping");
	EACH_GROUP(g, p)
		for (unsigned i = 0; i < POOL_SLOTS; i++)
			if (g->slot[i].pid != 0)
				tell(p, &g->slot[i]);
}

/* ---- the loop ---- */

static struct timespec
tick(const struct pool *p)
{
	int64_t ms = TICK_MAX_MS, quarter = p->setup->config.workers.deadline / 4, watchdog = daemon_watchdog_ms() / 2;

	if (quarter > 0 && quarter < ms)
		ms = quarter;
	if (watchdog > 0 && watchdog < ms)
		ms = watchdog;
	if (p->renewing && ms > TICK_RENEW_MS)
		ms = TICK_RENEW_MS;
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

/* One round after a signal or a tick; the number of the living. */
static unsigned
look_around(struct pool *p)
{
	unsigned living = 0;

	reap(p);
	EACH_GROUP(g, p) {
		enforce(p, g);
		if (!p->stopping) {
			end_episode(g, clock_mono_ms());
			fill(p, g);
			renew(p, g);
		}
		living += take_census(p, g).living;
	}
	if (p->renewing && !p->stopping)
		end_renewal(p);
	daemon_alive();
	return living;
}

/* No handlers: signals are blocked, and taken by pool_run() one at a time.
 * The workers inherit the mask and open it for SIGTERM themselves. */
static const int ours_to_take[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };

static sigset_t
our_signals(void)
{
	sigset_t ours;

	sigemptyset(&ours);
	for (size_t i = 0; i < ARRAY_LEN(ours_to_take); i++)
		sigaddset(&ours, ours_to_take[i]);
	return ours;
}

void
pool_block_signals(void)
{
	sigset_t ours = our_signals();

	sigprocmask(SIG_BLOCK, &ours, NULL);    /* with these arguments it cannot fail */
}

int
pool_run(struct pool *p)
{
	sigset_t ours = our_signals();
	unsigned living;

	p->pid = getpid();
	EACH_GROUP(g, p) {
		atomic_store(g->troubled, 0);
		for (unsigned i = 0; i < POOL_SLOTS; i++)
			empty_slot(&g->board[i]);
	}
	look_around(p);
	daemon_ready();
	do {
		struct timespec t = tick(p);
		switch (sigtimedwait(&ours, NULL, &t)) {
		case SIGTERM:
		case SIGINT:
			stop(p);
			break;
		case SIGHUP:
			if (!p->stopping)
				reload(p);
			break;
		}
		living = look_around(p);
	} while (!p->stopping || living > 0);
	log_event(LOG_NOTICE, "stopped");
	return EXIT_SUCCESS;
}
