#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/keeper/keeper.h"
#include "lib/catalog.h"
#include "lib/clock.h"
#include "lib/daemon.h"
#include "lib/log.h"
#include "lib/net.h"

#define SCRATCH_MEMORY  (64 * MIB)
#define SOCKET_MODE     0660

/* ---- settings ---- */

static void
print_mistake(struct slice path, const struct settings_error *e)
{
	fprintf(stderr, SLICE_FMT "%s: %s\n", SLICE_ARG(path), settings_at(e).text, e->text);
}

static void
log_mistake(struct slice path, const struct settings_error *e)
{
	log_event(LOG_ERROR, "settings-wrong", LOG_TEXT("path", path), LOG_INT("line", e->line), LOG_INT("column", e->column),
	    LOG_STR("mistake", e->text));
}

int
setup_check(struct config_source source)
{
	CLEANUP(arena_freep) struct arena *memory = NULL;
	struct config config;
	return config_open_all(source, print_mistake, &memory, &config) != 0;
}

void
setup_rules(struct keeper *k)
{
	const struct config *c = &k->config;
	store_set_rules(k->store, &(struct store_rules){
		.message_age_us = c->delivery.message_age * 1000, .give_up_us = c->delivery.give_up * 1000,
		.debounce_us = c->hub.debounce * 1000, .echo_us = c->chatwoot.echo_wait * 1000,
		.lookup_us = c->chatwoot.lookup_wait * 1000, .reply_budget = c->delivery.reply_budget,
		.replay_rate = c->delivery.replay_rate, .silence_us = c->catchup.after * 1000,
	});
}

void
setup_reload(struct keeper *k)
{
	CLEANUP(arena_freep) struct arena *memory = NULL;
	struct config fresh;
	daemon_reloading();
	if (config_open_all(k->source, log_mistake, &memory, &fresh) == 0) {
		/* What can change while the store is open; paths and peers wait
		 * for a restart. */
		k->config.store.min_free = fresh.store.min_free;
		k->config.store.retention = fresh.store.retention;
		k->config.hub.debounce = fresh.hub.debounce;
		k->config.hub.reply_deadline = fresh.hub.reply_deadline;
		k->config.chatwoot = fresh.chatwoot;
		k->config.delivery.message_age = fresh.delivery.message_age;
		k->config.delivery.give_up = fresh.delivery.give_up;
		k->config.delivery.reply_budget = fresh.delivery.reply_budget;
		k->config.delivery.replay_rate = fresh.delivery.replay_rate;
		k->config.delivery.oldest_alarm = fresh.delivery.oldest_alarm;
		setup_rules(k);
		k->config.limits = fresh.limits;
		k->config.log = fresh.log;
		k->disk.looked_ms = 0;
		log_setup("keeper", (enum log_level)config_log_level(&k->config));
		log_event(LOG_NOTICE, "reloaded");
	}
	daemon_ready();
}

/* ---- who is who ---- */

static unsigned
role_of(struct slice name)
{
	return slice_eq(name, SLICE("worker")) ? ROLE_WORKER
	    : slice_eq(name, SLICE("courier")) ? ROLE_COURIER
	    : slice_eq(name, SLICE("operator")) ? ROLE_OPERATOR : ROLE_NONE;
}

/* As the package sets it up: each role a user of its own (systemd/sysusers.d). */
static const struct slice packaged[] = {
	SLICE("worker=ponte-worker"), SLICE("courier=ponte-courier"), SLICE("operator=root"),
};

static int
resolve_roles(struct keeper *k)
{
	const struct passwd *keeper = getpwnam("ponte-keeper");
	struct settings_list all = k->config.peers.roles;
	if (all.count == 0 && keeper && keeper->pw_uid == geteuid() && geteuid() != 0)
		all = (struct settings_list){ (void *)(uintptr_t)packaged, ARRAY_LEN(packaged) };
	const struct settings_list *list = &all;
	const struct slice *item = list->items;
	k->role = calloc(list->count + 1, sizeof(k->role[0]));
	if (!k->role)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++) {
		struct slice role, user;
		char name[256];
		if (!slice_cut(item[i], '=', &role, &user) || role_of(role) == ROLE_NONE || user.len >= sizeof(name)) {
			log_event(LOG_ERROR, "peer-wrong", LOG_TEXT("peer", item[i]),
			    LOG_STR("why", "it must read worker=USER, courier=USER or operator=USER"));
			return -EINVAL;
		}
		snprintf(name, sizeof(name), SLICE_FMT, SLICE_ARG(user));
		const struct passwd *who = getpwnam(name);
		if (!who) {
			log_event(LOG_ERROR, "peer-wrong", LOG_TEXT("peer", item[i]), LOG_STR("why", "there is no such user"));
			return -ENOENT;
		}
		k->role[k->roles].role = role_of(role);
		k->role[k->roles++].uid = who->pw_uid;
	}
	return 0;
}

unsigned
setup_roles(const struct keeper *k, uid_t uid)
{
	if (k->roles == 0)
		return uid == 0 || uid == geteuid() ? ROLE_ALL : ROLE_NONE;
	unsigned roles = uid == 0 ? ROLE_OPERATOR : ROLE_NONE;
	for (size_t i = 0; i < k->roles; i++)
		if (k->role[i].uid == uid)
			roles |= k->role[i].role;
	return roles;
}

/* ---- store, sockets ---- */

static int
open_store(struct keeper *k)
{
	char why[STORE_TEXT];
	int r = store_open(k->config.store.path.ptr, k->config.store.wal_limit, &k->store, why);
	if (r != 0)
		log_event(LOG_ERROR, "store-refused", LOG_STR("why", why));
	return r > 0 ? -EBUSY : r;
}

/* On a full disk it is left for the next start. */
static int
follow_clock(struct keeper *k)
{
	int64_t back_us;
	int r = store_clock_set_back(k->store, k->now_us, &back_us);
	if (r == 0 && back_us > 0)
		r = store_commit(k->store);
	if (r == -ENOSPC)
		return 0;
	if (r < 0)
		log_event(LOG_ERROR, "store-refused", LOG_STR("why", store_error(k->store)));
	else if (back_us > 0)
		log_event(LOG_WARN, "clock-set-back", LOG_INT("by_ms", back_us / 1000));
	return r;
}

/* Rules are not worth a webhook: without a catalogue the rest goes on. */
static void
open_catalog(struct keeper *k)
{
	char why[CATALOG_TEXT];
	if (catalog_open(k->config.store.catalog.ptr, k->config.store.wal_limit, &k->catalog.db, why) != 0)
		log_event(LOG_ALARM, "no-catalogue", LOG_STR("why", why), LOG_STR("next", "syncs of rules are refused until it is there"));
	k->catalog.news = k->catalog.db != NULL;
	catalog_forget_unknown(k);
}

static int
watch(struct keeper *k, int fd, struct watch *what, enum watch_type type)
{
	what->type = type;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = what };
	return epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? negative_errno() : 0;
}

static int
open_signals(struct keeper *k)
{
	sigset_t ours;
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	k->signal_fd = signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
	return k->signal_fd < 0 ? negative_errno() : watch(k, k->signal_fd, &k->on_signal, WATCH_SIGNAL);
}

static int
open_socket(struct keeper *k)
{
	struct slice path = k->config.listen.keeper;
	k->listen_fd = daemon_inherited("keeper");
	int r = k->listen_fd >= 0 ? 0 : net_listen(path.ptr, SOCKET_MODE, &k->listen_fd);
	if (r < 0)
		log_event(LOG_ERROR, "cannot-listen", LOG_TEXT("path", path), LOG_STR("why", strerror(-r)));
	return r < 0 ? r : watch(k, k->listen_fd, &k->on_listen, WATCH_LISTEN);
}

static void
open_board(struct keeper *k)
{
	struct slice path = k->config.listen.scoreboard;
	int r = scoreboard_open(path.ptr, &k->board);
	if (r == 0) {
		scoreboard_take(&k->board->keeper);
		return;
	}
	/* Numbers for the operator: no reason to refuse anybody's webhook. */
	k->board = NULL;
	log_event(LOG_WARN, "no-scoreboard", LOG_TEXT("path", path), LOG_STR("why", strerror(-r)));
}

int
setup_all(struct keeper *k)
{
	int r = config_open(k->source, log_mistake, &k->settings, &k->config);
	if (r < 0)
		return r;
	log_setup("keeper", (enum log_level)config_log_level(&k->config));
	r = arena_new(SCRATCH_MEMORY, &k->scratch);
	if (r == 0)
		r = resolve_roles(k);
	if (r == 0)
		r = open_store(k);
	if (r < 0)
		return r;
	open_catalog(k);
	setup_rules(k);
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = k->epoll_fd < 0 ? negative_errno() : open_signals(k);
	if (r == 0)
		r = open_socket(k);
	if (r < 0)
		return r;
	open_board(k);
	k->start_wall_us = clock_wall_us();
	k->start_ms = clock_mono_ms();
	keeper_tick_clock(k);
	r = follow_clock(k);
	if (r < 0)
		return r;
	k->commit_ms = k->start_ms;
	k->claims_open = true;
	log_event(LOG_NOTICE, "started", LOG_STR("version", PACKAGE_VERSION),
	    LOG_INT("pending", store_pending(k->store)), LOG_INT("generation", store_generation(k->store)));
	return 0;
}

void
setup_undo(struct keeper *k)
{
	recount_stop(k);
	peer_free_all(k);
	catalog_stop(k);
	store_close(k->store);
	if (k->board)
		scoreboard_close(k->board);
	close_fd(&k->listen_fd);
	close_fd(&k->signal_fd);
	close_fd(&k->epoll_fd);
	buf_free(&k->batch.out);
	free(k->role);
	arena_free(k->scratch);
	arena_free(k->settings);
}
