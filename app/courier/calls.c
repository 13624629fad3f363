#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/calls.h"
#include "app/courier/courier.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/json.h"
#include "lib/log.h"

#define CALLS_MAX    64
#define CALL_MEMORY  (64 * MIB)
#define ANSWER_MAX   (16 * MIB)         /* of a hub */
#define DEADLINE_MAX (150 * MS_PER_S)

/* ---- life --------------------------------------------------------------- */

static void
wiped_free(struct buf *b)
{
	if (b->ptr)
		crypt_wipe(b->ptr, b->cap);
	buf_free(b);
}

static void
call_free(struct call *call)
{
	wiped_free(&call->body);
	buf_free(&call->answer);
	arena_free(call->memory);
	free(call);
}

void
calls_free(struct calls *all)
{
	while (all->first) {
		struct call *call = all->first;
		all->first = call->next;
		call_free(call);
	}
	all->n = 0;
}

void
call_over(struct call *call, enum call_result result, const char *why, ...)
{
	va_list ap;

	call->state = CALL_S_OVER;
	call->result = result;
	call->question = 0;
	if (!why)
		return;
	va_start(ap, why);
	vsnprintf(call->why, sizeof(call->why), why, ap);
	va_end(ap);
}

static void
log_end(const struct call *call, int64_t took_ms)
{
	static const char *const words[] = {
#define X(name, text) [CALL_##name] = text,
		CALL_RESULTS(X)
#undef X
	};
	log_event(call->result == CALL_DONE ? LOG_INFO : LOG_NOTICE, "call", LOG_STR("tenant", call->tenant),
	    LOG_STR("to", call->kind == CALL_HUB ? "hub" : "odoo"), LOG_STR("result", words[call->result]),
	    LOG_STR("why", call->why), LOG_INT("tries", call->tries), LOG_INT("left_ms", took_ms));
}

/* ---- who asks ------------------------------------------------------------ */

static int
call_new(struct courier *c, enum call_kind kind, struct slice tenant, struct slice asked, int64_t deadline_ms, struct call **ret)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call || arena_new(CALL_MEMORY, &call->memory) != 0) {
		free(call);
		return -ENOMEM;
	}
	call->cookie.type = COOKIE_CALL;
	call->kind = kind;
	call->deadline_ms = deadline_ms;
	snprintf(call->tenant, sizeof(call->tenant), SLICE_FMT, SLICE_ARG(tenant));
	call->asked = arena_copy(call->memory, asked);
	if (call->asked.len != asked.len) {
		call_free(call);
		return -ENOMEM;
	}
	struct call **at = &c->calls.first;
	while (*at)
		at = &(*at)->next;
	*at = call;
	c->calls.n++;
	*ret = call;
	return 0;
}

int
call_odoo(struct courier *c, struct slice tenant, struct slice asked, int64_t deadline_ms, void (*done)(struct call *),
    void *context, int64_t now_ms)
{
	struct call *call;

	if (c->stopping || c->calls.n >= CALLS_MAX)
		return -EBUSY;
	int r = call_new(c, CALL_ODOO, tenant, asked, deadline_ms, &call);
	if (r < 0)
		return r;
	call->done = done;
	call->context = context;
	call->at_ms = now_ms;
	return 0;
}

static int
refuse(const struct wire_frame *f, enum call_result result, const char *why, struct buf *out)
{
	struct wire_writer w;

	wire_begin(&w, out, P_CALL_OK, f->request);
	wire_put_u64(&w, T_RESULT, result);
	wire_put(&w, T_REASON, slice_of(why));
	return wire_end(&w);
}

/* One tenant's slow Odoo must not hold every worker of the API: a quarter of
 * them, and one at least, is always left for the others. */
static bool
has_its_share(const struct courier *c, struct slice tenant)
{
	uint64_t workers = c->config.workers.api, kept = workers / 4 > 1 ? workers / 4 : 1, waiting = 0;

	for (const struct call *call = c->calls.first; call; call = call->next)
		waiting += call->asker != 0 && slice_eq(slice_of(call->tenant), tenant);
	return workers > 1 && waiting >= workers - kept;
}

int
calls_asked(struct courier *c, uint64_t asker, bool operator, const struct wire_frame *f, struct buf *out, int64_t now_ms)
{
	struct slice tenant = wire_text(f->payload, T_NAME), body = wire_text(f->payload, T_BODY);
	uint64_t kind = wire_u64(f->payload, T_KIND, 0);
	struct json_fault fault;
	struct call *call;

	if (!wire_ok(f->payload) || tenant.len == 0 || tenant.len > 64 || (kind != CALL_ODOO && kind != CALL_HUB)
	    || json_check(body, &json_default_limits, &fault) != 0)
		return protocol_error(out, f->request, c->link.generation, E_BAD_REQUEST, "a call needs a tenant, a kind and JSON");
	if (c->stopping || c->calls.n >= CALLS_MAX)
		return refuse(f, CALL_BUSY, c->stopping ? "the courier stops" : "too many calls wait already", out);
	if (has_its_share(c, tenant))
		return refuse(f, CALL_BUSY, "as many of this tenant's calls wait already as may at once", out);
	int64_t wait_ms = wire_i64(f->payload, T_DELAY_MS, 0);
	int r = call_new(c, (enum call_kind)kind, tenant, body, now_ms + (wait_ms < DEADLINE_MAX ? wait_ms : DEADLINE_MAX), &call);
	if (r < 0)
		return r;
	call->request = f->request;
	call->asker = asker;
	call->operator = operator && wire_u64(f->payload, T_ALL, 0) != 0;
	return 0;
}

int
calls_collect(struct courier *c, uint64_t asker, struct buf *out)
{
	int r = 0;

	for (struct call **at = &c->calls.first, *call; r == 0 && (call = *at);) {
		struct wire_writer w;
		if (call->state != CALL_S_OVER || call->asker != asker) {
			at = &call->next;
			continue;
		}
		log_end(call, call->deadline_ms - clock_mono_ms());
		wire_begin(&w, out, P_CALL_OK, call->request);
		wire_put_u64(&w, T_RESULT, call->result);
		wire_put(&w, T_BODY, buf_view(&call->answer));
		wire_put(&w, T_REASON, slice_of(call->why));
		r = wire_end(&w);
		*at = call->next;
		c->calls.n--;
		call_free(call);
	}
	return r;
}

void
calls_gone(struct courier *c, uint64_t asker)
{
	for (struct call *call = c->calls.first; call; call = call->next)
		if (call->asker == asker)
			call->asker = 0;
}

/* ---- the hub ------------------------------------------------------------- */

static void
ask_hub(struct courier *c, struct call *call, const struct tenant *t, int64_t now_ms)
{
	struct where_target to = { .bot_id = 0 };
	struct request q = { .method = HTTP_M_POST };
	const char *why = "";
	int r = where_hub(&c->where, &c->config, &c->key, t, call->memory, &to, &why);

	if (r > 0) {
		call_over(call, CALL_NOT_CONFIGURED, "%s", why);
		return;
	}
	if (r == 0)
		r = request_header(&q, call->memory, "Content-Type", SLICE("application/json"));
	if (r == 0)
		r = request_header(&q, call->memory, "Accept", SLICE("application/json"));
	if (r == 0 && to.token.len > 0)
		r = request_header(&q, call->memory, "Authorization", arena_printf(call->memory, "Bearer " SLICE_FMT, SLICE_ARG(to.token)));
	if (r == 0)
		r = buf_append_slice(&call->body, call->asked);
	if (r == 0) {
		const struct client_request request = {
			.method = HTTP_M_POST, .url = to.url, .header = q.header, .headers = q.headers, .body = buf_view(&call->body),
			.connect_ms = c->config.hub.connect, .total_ms = call->deadline_ms - now_ms, .answer_max = ANSWER_MAX,
		};
		call_send(c, call, &request);
	} else {
		call_over(call, CALL_BUSY, "out of memory");
	}
	for (size_t i = 0; i < q.headers; i++)
		crypt_wipe((char *)(uintptr_t)q.header[i].ptr, q.header[i].len);
	where_wipe(&to);
}

static void
judge_hub(struct call *call, const struct client_result *res)
{
	struct json_fault fault;

	if (res->error == CLIENT_E_TIMEOUT_TOTAL || res->error == CLIENT_E_TIMEOUT_FIRST)
		call_over(call, CALL_DEADLINE, "the hub did not answer in time");
	else if (res->error != CLIENT_OK)
		call_over(call, CALL_UNREACHABLE, "the hub: %s", client_error_text(res->error));
	else if (res->status != HTTP_OK)
		call_over(call, res->status >= 500 ? CALL_UNREACHABLE : CALL_FAULT, "the hub answered %u", res->status);
	else if (json_check(res->body, &json_default_limits, &fault) != 0)
		call_over(call, CALL_FAULT, "the hub's answer is no JSON object: byte %zu: %s", fault.offset, fault.what);
	else if (buf_append_slice(&call->answer, res->body) < 0)
		call_over(call, CALL_BUSY, "out of memory");
	else
		call_over(call, CALL_DONE, NULL);
}

/* ---- going on ------------------------------------------------------------ */

void
call_send(struct courier *c, struct call *call, const struct client_request *q)
{
	call->tries++;
	int r = client_start(c->client, q, call);
	if (r == 0)
		call->state = CALL_S_SENT;
	else
		call_over(call, r == -ENOMEM ? CALL_BUSY : CALL_NOT_CONFIGURED, r == -ENOMEM ? "out of memory" : "a token that can be no header");
}

static void
go_on(struct courier *c, struct call *call, int64_t now_ms)
{
	const struct tenant *t = where_tenant(&c->where, slice_of(call->tenant));

	if (!t) {
		call->state = CALL_S_TENANT;
		call->question = keeper_ask_tenant(c, slice_of(call->tenant));
		return;
	}
	call->state = CALL_S_TURN;
	if (call->kind == CALL_HUB)
		ask_hub(c, call, t, now_ms);
	else
		odoo_go(c, call, t, now_ms);
}

static void
end_overdue(struct call *call, int64_t now_ms)
{
	/* What is on the network ends by its own limit, which is the same. */
	if (call->state < CALL_S_SENT && now_ms >= call->deadline_ms)
		call_over(call, CALL_DEADLINE, "not done in time");
}

void
calls_tick(struct courier *c, int64_t now_ms)
{
	for (struct call **at = &c->calls.first, *call; (call = *at);) {
		end_overdue(call, now_ms);
		if (call->state < CALL_S_SENT && !call->question && now_ms >= call->at_ms && c->link.greeted && !c->client_stale)
			go_on(c, call, now_ms);
		if (call->state == CALL_S_OVER && !call->asker) {
			*at = call->next;
			c->calls.n--;
			if (call->done)
				call->done(call);
			call_free(call);
			continue;
		}
		at = &call->next;
	}
}

int64_t
calls_wait_ms(const struct courier *c, int64_t now_ms)
{
	int64_t at = INT64_MAX;

	for (const struct call *call = c->calls.first; call; call = call->next) {
		if (call->state == CALL_S_OVER)
			return 0;               /* given to who asked at the end of this turn */
		if (call->state == CALL_S_SENT)
			continue;
		if (call->deadline_ms < at)
			at = call->deadline_ms;
		if (!call->question && c->link.greeted && !c->client_stale && call->at_ms < at)
			at = call->at_ms;
	}
	return at == INT64_MAX ? -1 : at > now_ms ? at - now_ms : 0;
}

void
calls_finished(struct courier *c, const struct client_result *res, int64_t now_ms)
{
	struct call *call = res->cookie;

	if (call->kind == CALL_HUB)
		judge_hub(call, res);
	else
		odoo_came(c, call, res, now_ms);
	wiped_free(&call->body);
}

bool
calls_answered(struct courier *c, const struct wire_frame *f, int64_t now_ms)
{
	struct wire_field field;
	int r = 0;

	for (struct call *call = c->calls.first; call; call = call->next) {
		if (!call->question || f->request != call->question)
			continue;
		call->question = 0;
		for (struct wire_reader w = { .rest = f->payload }; f->kind == P_TENANT_FOUND && r == 0 && wire_next(&w, &field);)
			if (field.tag == T_TENANT)
				r = where_learn(&c->where, field.value);
		if (r == 0 && f->kind == P_TENANT_FOUND && !where_tenant(&c->where, slice_of(call->tenant)))
			call_over(call, CALL_NOT_CONFIGURED, "there is no such tenant");
		else
			call->at_ms = f->kind == P_TENANT_FOUND ? now_ms : now_ms + MS_PER_S;
		return true;
	}
	return false;
}

void
calls_greeted(struct courier *c)
{
	for (struct call *call = c->calls.first; call; call = call->next)
		call->question = 0;
}
