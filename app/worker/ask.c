#include <errno.h>

#include "app/worker/access.h"
#include "app/worker/ask.h"
#include "app/worker/worker.h"
#include "lib/clock.h"
#include "lib/tenant.h"

#define GRACE_MS 1000           /* for the courier to say that the deadline is over */

static int
call(struct request *r, enum call_kind kind, struct slice question, int64_t ms, struct wire_frame *ret)
{
	struct worker *w = r->worker;
	struct wire_writer out;

	buf_clear(&w->frame);
	wire_begin(&out, &w->frame, P_CALL, net_caller_next(&w->courier));
	wire_put(&out, T_NAME, r->tenant);
	wire_put_u64(&out, T_KIND, kind);
	wire_put_i64(&out, T_DELAY_MS, ms);
	wire_put(&out, T_BODY, question);
	int e = wire_end(&out);
	worker_waits(w, ms + GRACE_MS);
	if (e == 0)
		e = net_call(&w->courier, buf_view(&w->frame), clock_mono_ms() + ms + GRACE_MS, ret);
	buf_clear(&w->frame);
	return e == 0 && ret->kind != P_CALL_OK ? -EPROTO : e;
}

bool
ask(struct request *r, enum call_kind kind, struct slice question, int64_t ms, struct asked *ret)
{
	struct json_fault fault;
	struct wire_frame f = { 0 };

	*ret = (struct asked){ .kind = kind, .result = CALL_UNREACHABLE, .why = SLICE("the courier did not answer") };
	int e = call(r, kind, question, ms, &f);
	if (e == -ETIMEDOUT)
		ret->result = CALL_DEADLINE;
	if (e < 0)
		return false;
	ret->result = (enum call_result)wire_u64(f.payload, T_RESULT, CALL_UNREACHABLE);
	ret->why = arena_copy(r->arena, wire_text(f.payload, T_REASON));
	struct slice answer = wire_text(f.payload, T_BODY);
	struct json_limits limits = json_default_limits;
	limits.object = false;
	limits.values = 2000000;
	if (ret->result == CALL_DONE && (json_check(answer, &limits, &fault) != 0 || json_parse(answer, &ret->answer) != 0)) {
		ret->result = CALL_FAULT;
		ret->why = SLICE("the answer cannot be read");
	}
	return ret->result == CALL_DONE;
}

bool
ask_pull(struct request *r)
{
	struct worker *w = r->worker;
	const struct tenant *t;
	struct wire_writer out;
	struct wire_frame f = { 0 };

	if (!access_tenant(r, r->tenant, &t))
		return false;
	if (!t || t->odoo.url.len == 0) {
		answer_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("there is nothing to read: the tenant has no Odoo (odoo: in its file)"));
		return false;
	}
	buf_clear(&w->frame);
	wire_begin(&out, &w->frame, P_PULL, net_caller_next(&w->courier));
	wire_put(&out, T_NAME, r->tenant);
	int e = wire_end(&out);
	if (e == 0)
		e = net_call(&w->courier, buf_view(&w->frame), clock_mono_ms() + WORKER_ASK_MS, &f);
	buf_clear(&w->frame);
	if (e == 0 && f.kind == P_PULL_OK)
		return true;
	answer_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("Odoo cannot be read now: the courier does not take the order"));
	return false;
}

static enum request_refusal
refusal_of(const struct asked *a)
{
	switch (a->result) {
	case CALL_DEADLINE:
		return REQUEST_R_DEADLINE;
	case CALL_DENIED:
		return REQUEST_R_ODOO_AUTHENTICATION_ERROR;
	case CALL_FAULT:
	case CALL_APPLIED:
	case CALL_NOT_ALLOWED:
		return a->kind == CALL_ODOO ? REQUEST_R_ODOO_OPERATION_ERROR : REQUEST_R_SERVICE_UNAVAILABLE_ERROR;
	case CALL_UNREACHABLE:
	case CALL_UNKNOWN:
		return a->kind == CALL_ODOO ? REQUEST_R_ODOO_CONNECTION_ERROR : REQUEST_R_SERVICE_UNAVAILABLE_ERROR;
	case CALL_NOT_CONFIGURED:
	case CALL_BUSY:
	case CALL_DONE:
	case CALL_NONE:
		break;
	}
	return REQUEST_R_SERVICE_UNAVAILABLE_ERROR;
}

bool
ask_refuse(struct request *r, const struct asked *a)
{
	answer_refuse(r, refusal_of(a), a->why);
	return false;
}
