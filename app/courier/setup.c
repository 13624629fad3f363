#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/courier/claims.h"
#include "app/courier/courier.h"
#include "app/courier/setup.h"
#include "lib/daemon.h"
#include "lib/log.h"
#include "lib/net.h"

#define SOCKET_MODE     0660

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

static void
apply_limits(struct courier *c)
{
	const struct config *set = &c->config;
	uint64_t half = set->delivery.total / 2;
	log_setup("courier", (enum log_level)config_log_level(set));
	c->dests.rules = (struct breaker_rules){ .failures = (unsigned)set->delivery.breaker_failures,
		.first_wait_ms = set->delivery.breaker_wait };
	c->dests.total = (unsigned)set->delivery.total;
	c->dests.per_dest = (unsigned)set->delivery.concurrency;
	/* One host that hangs leaves half of the slots to all others. */
	c->dests.per_host = (unsigned)(half > set->delivery.concurrency ? half : set->delivery.concurrency);
}

static int
client_from(const struct config *set, struct client **ret)
{
	return client_new(&(struct client_options){
		.allow_private = set->delivery.allow_private.items,
		.allow_privates = set->delivery.allow_private.count,
		.ca_file = set->delivery.ca_file.ptr,
		.user_agent = "ponte/" PACKAGE_VERSION,
		.max_total = (unsigned)set->delivery.total * 2,
	}, ret);
}

/* Opens what setup_all() opens, and closes it. */
int
setup_check(struct config_source source)
{
	CLEANUP(arena_freep) struct arena *memory = NULL;
	struct secret_key key = { .has_next = false };
	struct where where = { .item = NULL };
	struct client *client = NULL;
	struct config config;
	if (crypt_init() != 0 || config_open_all(source, print_mistake, &memory, &config) != 0)
		return 1;
	int key_bad = secret_key_load(config.keys.dir.ptr, "outgoing.key", &key), token_bad = where_read_token(&where, &config);
	int client_bad = client_from(&config, &client);
	if (key_bad == -EACCES)         /* systemd hands it to the service, and to no check beside it */
		key_bad = 0;
	if (key_bad)
		fprintf(stderr, "cannot use %s/outgoing.key: %s\n", config.keys.dir.ptr, key_bad == -EPERM ? "others may read it; give it mode 0400" : strerror(-key_bad));
	if (token_bad)
		fprintf(stderr, "cannot use hub.token_file %s: %s\n", config.hub.token_file.ptr, strerror(-token_bad));
	if (client_bad)
		fprintf(stderr, "cannot use delivery.ca_file or delivery.allow_private: %s\n", strerror(-client_bad));
	crypt_wipe(&key, sizeof(key));
	where_free(&where);
	client_free(client);
	return key_bad || token_bad || client_bad;
}

void
setup_client(struct courier *c)
{
	struct client *fresh;
	size_t i = 0;
	while (i < OLD_CLIENTS && c->old[i])
		i++;
	c->client_stale = i == OLD_CLIENTS;
	if (c->client_stale)
		return;
	int r = client_from(&c->config, &fresh);
	if (r != 0) {
		log_event(LOG_ERROR, "client-kept", LOG_STR("reason", "delivery.ca_file or allow_private cannot be used"),
		    LOG_STR("why", strerror(-r)));
		return;
	}
	c->old[i] = c->client;
	c->client = fresh;
}

void
setup_reload(struct courier *c, int64_t now_ms)
{
	struct arena *memory;
	struct config fresh;
	daemon_reloading();
	int r = config_open_all(c->source, log_mistake, &memory, &fresh);
	if (r == 0 && (r = where_read_token(&c->where, &fresh)) != 0) {
		log_event(LOG_ERROR, "settings-wrong", LOG_TEXT("path", fresh.hub.token_file), LOG_STR("why", strerror(-r)));
		arena_free(memory);
	}
	if (r == 0) {
		arena_free(c->settings);
		c->settings = memory;
		c->config = fresh;
		apply_limits(c);
		setup_client(c);        /* always: the certificates may be others under the same name */
		claims_soon(c, now_ms);
		log_event(LOG_NOTICE, "reloaded");
	}
	daemon_ready();
}

static int
complain(const char *what, struct slice path, int r)
{
	if (r != 0)
		log_event(LOG_ERROR, "cannot-start", LOG_STR("what", what), LOG_TEXT("path", path),
		    LOG_STR("why", strerror(-r)));
	return r;
}

int
setup_all(struct courier *c)
{
	const struct config *set = &c->config;
	int r = crypt_init();
	if (r == 0)
		r = config_open(c->source, log_mistake, &c->settings, &c->config);
	if (r != 0)
		return r;
	apply_limits(c);
	if ((r = complain("hub.token_file cannot be used", set->hub.token_file, where_read_token(&c->where, set))) ||
	    (r = complain("outgoing.key cannot be used; ponte key new makes one", set->keys.dir,
	        secret_key_load(set->keys.dir.ptr, "outgoing.key", &c->key))) ||
	    (r = complain("the scoreboard cannot be opened", set->listen.scoreboard,
	        scoreboard_open(set->listen.scoreboard.ptr, &c->board))) ||
	    (r = complain("delivery.ca_file or delivery.allow_private cannot be used", set->delivery.ca_file, client_from(set, &c->client))))
		return r;
	c->listen_fd = daemon_inherited("courier");
	if (c->listen_fd < 0)
		r = complain("cannot listen; does another courier run?", set->listen.courier,
		    net_listen(set->listen.courier.ptr, SOCKET_MODE, &c->listen_fd));
	if (r != 0)
		return r;
	c->crashed = atomic_load(&c->board->courier.delivery);
	c->crashes = atomic_load(&c->board->courier.crashes);
	scoreboard_take(&c->board->courier);
	atomic_store(&c->board->courier.key, secret_key_mark(&c->key));
	keeper_link_init(&c->link, set->listen.keeper.ptr);
	return 0;
}

void
setup_undo(struct courier *c)
{
	keeper_link_close(&c->link);
	jobs_free(c);
	dests_free(&c->dests);
	strikes_free(&c->strikes);
	barred_free(&c->barred);
	client_free(c->client);
	for (size_t i = 0; i < OLD_CLIENTS; i++)
		client_free(c->old[i]);
	typings_free(&c->typings);
	silences_free(&c->silences);
	calls_free(&c->calls);
	odoos_free(&c->odoos);
	pulls_free(&c->pulls);
	where_free(&c->where);
	close_fd(&c->listen_fd);
	if (c->board)
		scoreboard_close(c->board);
	crypt_wipe(&c->key, sizeof(c->key));
	arena_free(c->settings);
}
