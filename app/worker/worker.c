#include <errno.h>

#include "app/worker/routes.h"
#include "app/worker/tenant_cache.h"
#include "app/worker/worker.h"
#include "lib/clock.h"

int
worker_init(struct worker *w, const struct setup *setup, struct scoreboard *board, struct scoreboard_slot *slot)
{
	*w = (struct worker){
		.config = &setup->config, .intake = &setup->intake, .enrolment = buf_view(&setup->enrolment), .table = routes, .rows = routes_count,
		.board = board, .slot = slot,
	};
	net_caller_init(&w->keeper, "");
	net_caller_init(&w->courier, "");
	w->keeper.path = arena_text(setup->arena, setup->config.listen.keeper);
	w->courier.path = arena_text(setup->arena, setup->config.listen.courier);
	if (!w->keeper.path || !w->courier.path)
		return -ENOMEM;
	return tenant_cache_new(&setup->intake, &w->tenants);
}

int
worker_ask(struct worker *w, int64_t ms, uint16_t kind, struct wire_frame *ret)
{
	int r = net_call(&w->keeper, buf_view(&w->frame), clock_mono_ms() + ms, ret);
	return r == 0 && ret->kind != kind ? -EPROTO : r;
}

void
worker_waits(struct worker *w, int64_t ms)
{
	atomic_store(&w->slot->granted_us, clock_mono_us() - atomic_load(&w->slot->since_us) + ms * 1000);
}

void
worker_free(struct worker *w)
{
	tenant_cache_free(w->tenants);
	catalog_close(w->catalog);
	net_caller_close(&w->keeper);
	net_caller_close(&w->courier);
	buf_free(&w->frame);
}
