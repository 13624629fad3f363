#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"
#include "lib/tenant.h"

#define PROBE_AFTER_MS 1000     /* without a commit; and one probe in as long at most */
#define FOUND_MAX      100      /* tenants in one answer */

int
on_probe(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	int64_t age = k->now_ms - k->commit_ms;
	if (age > PROBE_AFTER_MS && (k->probe_ms == 0 || k->now_ms - k->probe_ms >= PROBE_AFTER_MS)) {
		k->probe_ms = k->now_ms;
		int r = store_probe(k->store, k->now_us);
		if (r < 0)
			return r;
	}
	/* The answer leaves after the commit that is on its way. */
	if (store_writing(k->store))
		age = 0;
	bool low = disk_low(k);
	answer_begin(k, &w, P_PROBE_OK, f->request);
	wire_put_i64(&w, T_AGE_MS, age);
	if (low)
		wire_put(&w, T_REASON, slice_of(k->disk.text));
	wire_put_i64(&w, T_PID, getpid());
	wire_put_i64(&w, T_COUNT, store_pending(k->store));
	return wire_end(&w);
}

static void
put_tenant(void *context, struct slice name, struct slice record)
{
	(void)name;
	wire_put(context, T_TENANT, record);
}

struct opened { struct arena *memory; unsigned groups; };

static void
add_opened(void *context, struct slice name, struct slice record)
{
	struct opened *o = context;
	struct tenant t;

	(void)name;
	arena_reset(o->memory);
	if (tenant_decode(record, o->memory, &t) < 0)
		return;
	for (unsigned i = 0; i < TENANT_OPEN_COUNT; i++)
		o->groups |= t.odoo.open[i].n > 0 ? 1u << i : 0;
}

/* What may be used without a token with some tenant: looked through once after
 * tenants have changed. */
static int
answer_opened(struct keeper *k, const struct wire_frame *f)
{
	struct opened o = { .memory = k->scratch };
	struct store_tenants all = { .max = 0 };
	struct wire_writer w;
	bool more;

	if (!k->opened_known || k->opened_generation != store_generation(k->store)) {
		int r = store_tenants(k->store, &all, add_opened, &o, &more);
		if (r < 0)
			return r;
		k->opened = o.groups;
		k->opened_generation = store_generation(k->store);
		k->opened_known = true;
	}
	answer_begin(k, &w, P_TENANT_FOUND, f->request);
	wire_put_u64(&w, T_RESULT, k->opened);
	return wire_end(&w);
}

int
on_tenant_find(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	bool more;
	struct store_tenants ask = {
		.name = wire_text(f->payload, T_NAME), .account = wire_i64(f->payload, T_ACCOUNT, 0), .max = FOUND_MAX,
	};
	if (ask.name.len == 0 && ask.account == 0)
		return answer_opened(k, f);
	answer_begin(k, &w, P_TENANT_FOUND, f->request);
	int r = store_tenants(k->store, &ask, put_tenant, &w, &more);
	return r < 0 ? r : wire_end(&w);
}

/* ---- put ---- */

static int
answer_put(struct keeper *k, const struct wire_frame *f, const struct store_put *put)
{
	struct wire_writer w;
	answer_begin(k, &w, P_PUT_DONE, f->request);
	wire_put_u64(&w, T_RESULT, PUT_DECIDED);
	wire_put_u64(&w, T_DECISION, put->decision);
	wire_put(&w, T_REASON, slice_of(put->reason));
	if (put->stored)
		wire_put(&w, T_EVENT_ID, slice_from(put->event.byte, sizeof(put->event.byte)));
	return wire_end(&w);
}

static int
answer_moved(struct keeper *k, const struct wire_frame *f)
{
	struct wire_writer w;
	answer_begin(k, &w, P_PUT_DONE, f->request);
	wire_put_u64(&w, T_RESULT, PUT_TENANTS_MOVED);
	return wire_end(&w);
}

/* 0, or -EPROTO: something is missing. */
static int
read_put(const struct keeper *k, struct slice in, struct store_event *ret, struct chatwoot_facts *ret_facts,
    struct chatwoot_policy *ret_policy)
{
	struct slice id = wire_text(in, T_EVENT_ID);
	*ret = (struct store_event){
		.tenant = wire_text(in, T_NAME), .installation = wire_text(in, T_INSTALLATION),
		.sender = wire_text(in, T_SENDER), .request_id = wire_text(in, T_REQUEST_ID),
		.facts = ret_facts, .policy = ret_policy,
		.facts_bytes = wire_text(in, T_FACTS), .body = wire_text(in, T_BODY),
		.received_us = k->now_us, .since_us = wire_i64(in, T_CREATED_US, 0),
		.dry_run = wire_u64(in, T_DRY_RUN, 0) != 0,
	};
	if (id.len != sizeof(ret->id.byte) || ret->tenant.len == 0 || ret->installation.len > 64
	    || ret->sender.len > 256 || ret->request_id.len > 256)
		return -EPROTO;
	/* Written in the future is written now; a worker says no time at all. */
	if (ret->since_us < 0 || ret->since_us > k->now_us)
		ret->since_us = k->now_us;
	memcpy(ret->id.byte, id.ptr, sizeof(ret->id.byte));
	return chatwoot_unpack(ret->facts_bytes, ret_facts, ret_policy);
}

int
on_put(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct chatwoot_facts facts = { 0 };
	struct chatwoot_policy policy = { 0 };
	struct store_event e;
	struct store_put put;
	if (read_put(k, f->payload, &e, &facts, &policy) < 0)
		return answer_error(k, f, E_BAD_REQUEST, "a put lacks something, or its facts cannot be read");
	if (wire_u64(f->payload, T_GENERATION, 0) != store_generation(k->store))
		return answer_moved(k, f);
	e.closed = disk_low(k);
	int r = store_put(k->store, &e, &put);
	if (r < 0)
		store_count_refused(k->store, e.tenant);
	if (r == STORE_E_MOVED)
		return answer_moved(k, f);
	if (r == STORE_E_REFUSED)
		return answer_refused(k, P_PUT, f->request, k->disk.text);
	if (r < 0)
		return r;
	if (put.due)
		keeper_wake(k);
	return answer_put(k, f, &put);
}
