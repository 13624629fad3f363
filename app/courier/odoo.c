#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/courier.h"
#include "app/courier/odoo.h"
#include "app/courier/odoo_ask.h"
#include "app/courier/odoo_peer.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/log.h"
#include "lib/value_json.h"

#define REFUSED_MS  (15 * 60 * MS_PER_S)        /* a key may be made good in Odoo */
#define BACKOFF_MS  500                         /* before the second try; doubles */
#define BACKOFF_MAX (8 * MS_PER_S)
#define TRIES_MAX   5                           /* requests of one call, logins and types among them */
#define ANSWER_MAX  (64 * MIB)
#define CONNECT_MS  (10 * MS_PER_S)
#define KEY_PART    4                           /* of a key, that is not shown either */

/* ---- sending ------------------------------------------------------------- */

static int
types_args(struct arena *a, struct value **ret_args, struct value **ret_kwargs)
{
	struct value *list = value_list(a);

	*ret_args = value_list(a);
	*ret_kwargs = value_record(a);
	value_add(list, value_text(a, SLICE("type")));
	value_set(*ret_kwargs, SLICE("attributes"), list);
	return arena_overflowed(a) ? -ENOMEM : 0;
}

static int
write_step(struct call *call, const struct odoo_login *login)
{
	struct odoo_ask *q = call->odoo;
	struct value *args, *kwargs;
	int r;

	switch (q->step) {
	case STEP_VERSION:
		return odoo_xmlrpc.version(&call->body);
	case STEP_LOGIN:
		return odoo_xmlrpc.authenticate(login, call->memory, &call->body);
	case STEP_TYPES:
		r = types_args(call->memory, &args, &kwargs);
		return r < 0 ? r : odoo_xmlrpc.execute(login, q->model, SLICE("fields_get"), args, kwargs, call->memory, &call->body);
	case STEP_EXECUTE:
		break;
	}
	return odoo_xmlrpc.execute(login, q->model, q->method, q->args, q->kwargs, call->memory, &call->body);
}

static bool
writes(const struct call *call)
{
	return call->odoo->step == STEP_EXECUTE && !call->odoo->reads;
}

static void
send_step(struct courier *c, struct call *call, struct odoo_peer *p, const struct tenant *t, int64_t now_ms)
{
	struct slice key = { NULL, 0 }, url, type = SLICE("Content-Type: text/xml");
	const struct tenant_odoo *o = &t->odoo;
	int r = where_odoo_key(&c->key, t, p->key != 0, call->memory, &key);

	if (r == -EBADMSG || call->odoo->step == STEP_LOGIN)
		log_event(r == 0 ? LOG_NOTICE : LOG_WARN, "credentials-access", LOG_TEXT("tenant", t->name), LOG_STR("operation", "read"),
		    LOG_STR("what", p->key != 0 ? "odoo/next_key" : "odoo/key"), LOG_STR("success", r == 0 ? "true" : "false"));
	if (r == -EBADMSG) {
		call_over(call, CALL_NOT_CONFIGURED, "Odoo's key can not be opened with outgoing.key");
		return;
	}
	struct odoo_login login = { .db = o->db, .login = o->login, .key = key, .uid = p->uid };
	buf_clear(&call->body);
	/* At once: a buffer that grows leaves copies of the key behind. */
	if (r == 0)
		r = buf_reserve(&call->body, 8 * KIB + 16 * call->asked.len);
	if (r == 0)
		r = write_step(call, &login);
	url = arena_printf(call->memory, SLICE_FMT "%s", SLICE_ARG(o->url),
	    odoo_xmlrpc.path(call->odoo->step <= STEP_LOGIN ? ODOO_COMMON : ODOO_OBJECT));
	if (r == -EINVAL) {
		call_over(call, CALL_FAULT, "a text in it holds what XML cannot carry");
	} else if (r < 0 || url.len == 0) {
		call_over(call, CALL_BUSY, "out of memory");
	} else {
		int64_t left = call->deadline_ms - now_ms;
		const struct client_request request = {
			.method = HTTP_M_POST, .url = url, .header = &type, .headers = 1, .body = buf_view(&call->body),
			.connect_ms = CONNECT_MS, .total_ms = left < o->timeout_ms ? left : o->timeout_ms, .answer_max = ANSWER_MAX,
			.once = writes(call),
		};
		breaker_start(&p->breaker, now_ms);
		p->busy = true;
		call_send(c, call, &request);
		p->busy = call->state == CALL_S_SENT;
		if (!p->busy)
			breaker_end(&p->breaker, &c->dests.rules, BREAKER_NOTHING, now_ms, 0);
	}
	if (key.len > 0)
		crypt_wipe((char *)(uintptr_t)key.ptr, key.len);
}

void
odoo_go(struct courier *c, struct call *call, const struct tenant *t, int64_t now_ms)
{
	struct odoo_peer *p;

	if (t->odoo.url.len == 0) {
		call_over(call, CALL_NOT_CONFIGURED, "the tenant has no Odoo (odoo: in its file)");
		return;
	}
	if (!call->odoo && !odoo_ask_read(call))
		return;
	if (!(p = odoo_peer_of(&c->odoos, call))) {
		call_over(call, CALL_BUSY, "out of memory");
		return;
	}
	odoo_peer_renew(p, where_mark(&c->where, slice_of(call->tenant)), t);
	int64_t free_ms = odoo_free_at_ms(&c->odoos, p), wait_ms = breaker_wait_ms(&p->breaker, now_ms);
	if (p->refused_until_ms > now_ms)
		call_over(call, CALL_DENIED, "Odoo refused login and key; it is asked again when the tenant is imported anew, or in %lld s",
		    (long long)(p->refused_until_ms - now_ms) / 1000);
	else if (free_ms > now_ms)
		call->at_ms = free_ms;
	else if (wait_ms > 0)
		call_over(call, CALL_UNREACHABLE, "Odoo did not answer lately; it is asked again in %lld s", (long long)(wait_ms + 999) / 1000);
	else {
		const struct odoo_fields *known = odoo_peer_fields(p, call->odoo->model);
		call->odoo->step = !p->known ? STEP_VERSION : p->uid == 0 ? STEP_LOGIN : odoo_ask_wants_types(call->odoo) && !known ? STEP_TYPES : STEP_EXECUTE;
		if (call->odoo->step == STEP_EXECUTE && known)
			odoo_ask_trim(call->odoo, known, call->memory);
		send_step(c, call, p, t, now_ms);
	}
}

/* ---- what came back ------------------------------------------------------- */

/* Another turn, when there is time for one. */
static void
again(struct call *call, int64_t pause_ms, int64_t now_ms)
{
	call->state = CALL_S_TURN;
	call->at_ms = now_ms + pause_ms;
}

static void
retry(struct call *call, enum call_result otherwise, const char *why, int64_t now_ms)
{
	int64_t pause = (int64_t)BACKOFF_MS << (call->tries < 5 ? call->tries - 1 : 4);

	if (pause > BACKOFF_MAX)
		pause = BACKOFF_MAX;
	if (call->tries < TRIES_MAX && now_ms + pause < call->deadline_ms)
		again(call, pause, now_ms);
	else
		call_over(call, otherwise, "%s", why);
}

/* No answer of Odoo's: was something done? */
static void
no_answer(struct call *call, const char *why, bool sent, bool late, int64_t now_ms)
{
	if (writes(call) && sent)
		call_over(call, CALL_UNKNOWN, "it was sent, and no good answer came (%s): perhaps it is done", why);
	else if (late)
		call_over(call, CALL_DEADLINE, "Odoo did not answer in time");
	else
		retry(call, CALL_UNREACHABLE, why, now_ms);
}

static void
refused(struct call *call, struct odoo_peer *p, const struct tenant *t, int64_t now_ms)
{
	unsigned other = 1 - p->key;

	if (!t) {
		retry(call, CALL_DENIED, "Odoo refuses login and key", now_ms);
		return;
	}
	p->uid = 0;
	/* The uid of before is none any more, perhaps: a database was restored. */
	if (call->odoo->step > STEP_LOGIN && !call->odoo->logged_in) {
		again(call, 0, now_ms);
		return;
	}
	p->refused |= 1u << p->key;
	if ((other == 0 || t->odoo.next_key.len > 0) && !(p->refused & 1u << other)) {
		p->key = other;
		again(call, 0, now_ms);
		return;
	}
	p->refused = 0;
	p->key = 0;
	p->refused_until_ms = now_ms + REFUSED_MS;
	log_event(LOG_ALARM, "odoo-key-refused", LOG_STR("tenant", p->tenant), LOG_TEXT("url", t->odoo.url), LOG_TEXT("login", t->odoo.login),
	    LOG_STR("next", "make a key in Odoo, and import the tenant with it"));
	call_over(call, CALL_DENIED, "Odoo refuses login and key");
}

/* value NULL: it does not want to say.  t NULL: it is asked again. */
static void
found(struct odoo_peer *p, const struct tenant *t, const struct value *value)
{
	struct odoo_version v = { .major = 0 };
	const char *remark;
	char text[24] = "unknown";

	if (!t)
		return;
	p->known = true;
	if (value && odoo_version_of(value, &v) == 0)
		snprintf(text, sizeof(text), "%d.%d", v.major, v.minor);
	remark = odoo_version_remark(&v);
	log_event(LOG_NOTICE, "odoo-found", LOG_STR("tenant", p->tenant), LOG_TEXT("url", t->odoo.url), LOG_STR("version", text),
	    LOG_STR("remark", remark ? remark : ""));
}

static void
give(struct call *call, const struct odoo_peer *p, struct value *value)
{
	const struct odoo_fields *known = odoo_peer_fields(p, call->odoo->model);

	for (struct value *row = known && value->type == VALUE_LIST ? value->in.first : NULL; row; row = row->next)
		odoo_give_types(row, known);
	call->value = value;
	if (!call->done && value_print_json(value, &call->answer) < 0)
		call_over(call, CALL_BUSY, "out of memory");
	else
		call_over(call, CALL_DONE, NULL);
}

static void
understood(struct call *call, struct odoo_peer *p, const struct tenant *t, struct odoo_answer *answer, int64_t now_ms)
{
	switch (call->odoo->step) {
	case STEP_VERSION:
		found(p, t, answer->value);
		again(call, 0, now_ms);
		return;
	case STEP_LOGIN:
		if (answer->value->type != VALUE_INT || answer->value->number <= 0) {
			refused(call, p, t, now_ms);
			return;
		}
		p->uid = answer->value->number;
		call->odoo->logged_in = true;
		again(call, 0, now_ms);
		return;
	case STEP_TYPES:
		p->refused = 0;
		odoo_peer_learn(p, call->odoo->model, answer->value);
		if (odoo_peer_fields(p, call->odoo->model))
			again(call, 0, now_ms);
		else
			call_over(call, CALL_FAULT, "Odoo's description of a model cannot be read");
		return;
	case STEP_EXECUTE:
		p->refused = 0;
		give(call, p, answer->value);
		return;
	}
}

/* t NULL: the tenants moved while it was under way, and the tenant's own record
 * perhaps.  Who asked is given the answer, it came from where it was asked of; but
 * what wants the record, or goes before, has another turn, which fetches it. */
static void
judge(struct call *call, struct odoo_peer *p, const struct tenant *t, struct odoo_answer *answer, unsigned status, int64_t now_ms)
{
	bool of_odoo = status == HTTP_OK && answer->outcome != ODOO_NOT_ODOO;
	if (!t && call->odoo->step != STEP_EXECUTE && answer->outcome != ODOO_OK) {
		retry(call, CALL_FAULT, answer->why, now_ms);
		return;
	}
	if (call->odoo->step == STEP_VERSION && of_odoo && answer->outcome != ODOO_OK && answer->outcome != ODOO_AGAIN) {
		found(p, t, NULL);
		again(call, 0, now_ms);
		return;
	}
	switch (answer->outcome) {
	case ODOO_OK:
		understood(call, p, t, answer, now_ms);
		return;
	case ODOO_DENIED:
		refused(call, p, t, now_ms);
		return;
	case ODOO_AGAIN:
		/* Its own fault is rolled back; a proxy's word is nobody's. */
		if (of_odoo)
			retry(call, CALL_FAULT, answer->why, now_ms);
		else
			no_answer(call, answer->why, true, false, now_ms);
		return;
	case ODOO_APPLIED:
		call_over(call, CALL_APPLIED, "%s", answer->why);
		return;
	case ODOO_NOT_ODOO:
		if (status == HTTP_OK && writes(call))
			no_answer(call, answer->why, true, false, now_ms);
		else
			call_over(call, CALL_UNREACHABLE, "%s%s" SLICE_FMT, answer->why, t ? " " : "", SLICE_ARG(t ? t->odoo.url : SLICE("")));
		return;
	case ODOO_UNREADABLE:
		if (writes(call))
			no_answer(call, answer->why, true, false, now_ms);
		else
			call_over(call, CALL_FAULT, "%s", answer->why);
		return;
	case ODOO_NO_DATABASE:
	case ODOO_NOT_ALLOWED:
		call_over(call, CALL_FAULT, "%s: %s", odoo_outcome_text(answer->outcome), answer->why);
		return;
	case ODOO_REFUSED:
	case ODOO_MISTAKE:
		/* A field that was there has gone, perhaps. */
		if (answer->outcome == ODOO_MISTAKE && call->odoo->step == STEP_EXECUTE && odoo_ask_wants_types(call->odoo) && !call->odoo->anew) {
			call->odoo->anew = p->models_old = true;
			again(call, 0, now_ms);
			return;
		}
		/* Of a model's description: there is no such model. */
		call->absent = call->odoo->step == STEP_TYPES && answer->outcome == ODOO_REFUSED;
		call_over(call, CALL_FAULT, "%s: %s", odoo_outcome_text(answer->outcome), answer->why);
		return;
	}
}

/* A fault may repeat what it was asked with, cut at its end. */
static void
hide_key(struct courier *c, struct call *call, const struct odoo_peer *p, const struct tenant *t, char *why)
{
	struct slice key = { NULL, 0 };
	size_t n = strlen(why);

	if (!t || where_odoo_key(&c->key, t, p->key != 0, call->memory, &key) != 0) {
		why[0] = '\0';
		return;
	}
	for (char *from = why, *at; key.len > 0 && (at = memmem(from, n - (size_t)(from - why), key.ptr, key.len)); from = at + key.len)
		memset(at, '*', key.len);
	for (size_t k = key.len < n ? key.len : n; k >= KEY_PART; k--)
		if (memcmp(why + n - k, key.ptr, k) == 0)
			memset(why + n - k, '*', k);
	if (key.len > 0)
		crypt_wipe((char *)(uintptr_t)key.ptr, key.len);
}

static void
failed(struct courier *c, struct call *call, struct odoo_peer *p, const struct client_result *res, int64_t now_ms)
{
	bool ours = res->error == CLIENT_E_REFUSED_ADDRESS || res->error == CLIENT_E_URL, late;
	const char *why = res->error == CLIENT_E_CUT ? "it closed the connection without an answer" : client_error_text(res->error);

	/* What another try would not change says nothing of that Odoo. */
	call->too_large = res->error == CLIENT_E_TOO_LARGE;
	breaker_end(&p->breaker, &c->dests.rules, ours || call->too_large ? BREAKER_NOTHING : BREAKER_BAD, now_ms, crypt_random32());
	late = res->error == CLIENT_E_TIMEOUT_TOTAL && now_ms >= call->deadline_ms - 1;
	if ((ours || call->too_large) && !(writes(call) && res->sent))
		call_over(call, ours ? CALL_UNREACHABLE : CALL_FAULT, "%s", why);
	else
		no_answer(call, why, res->sent, late, now_ms);
}

void
odoo_came(struct courier *c, struct call *call, const struct client_result *res, int64_t now_ms)
{
	const struct tenant *t = where_tenant(&c->where, slice_of(call->tenant));
	struct odoo_peer *p = odoo_peer_known(&c->odoos, slice_of(call->tenant));
	struct odoo_answer answer = { .outcome = ODOO_OK };

	REQUIRE(p);     /* it was there when the call was sent */
	if (where_mark(&c->where, slice_of(call->tenant)) != p->mark)
		t = NULL;
	call->mark = p->mark;
	odoo_peer_free(c, p, now_ms);
	if (res->error != CLIENT_OK) {
		failed(c, call, p, res, now_ms);
		return;
	}
	if (odoo_xmlrpc.read(res->status, res->content_type, res->body, call->memory, &answer) < 0) {
		breaker_end(&p->breaker, &c->dests.rules, BREAKER_NOTHING, now_ms, 0);
		call_over(call, CALL_BUSY, "out of memory");
		return;
	}
	bool of_odoo = res->status == HTTP_OK && answer.outcome != ODOO_NOT_ODOO;
	breaker_end(&p->breaker, &c->dests.rules, of_odoo ? BREAKER_GOOD : BREAKER_BAD, now_ms, crypt_random32());
	if (answer.outcome != ODOO_OK)
		hide_key(c, call, p, t, answer.why);
	if (answer.dropped)
		log_event(LOG_NOTICE, "odoo-characters-dropped", LOG_STR("tenant", p->tenant), LOG_INT("count", answer.dropped));
	judge(call, p, t, &answer, res->status, now_ms);
}
