#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/courier.h"
#include "app/courier/odoo.h"
#include "app/courier/odoo_ask.h"
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

/* ---- peers --------------------------------------------------------------- */

static void
forget_models(struct odoo_peer *p)
{
	for (size_t i = 0; i < p->models; i++)
		odoo_fields_free(p->model[i].fields);
	p->models = 0;
	p->models_old = false;
}

void
odoos_free(struct odoos *all)
{
	for (size_t i = 0; i < all->n; i++) {
		forget_models(all->item[i]);
		free(all->item[i]);
	}
	free(all->item);
	*all = (struct odoos){ .item = NULL };
}

struct odoo_place
odoo_place(const struct tenant_odoo *o)
{
	struct odoo_place place;

	crypt_sha256(o->url, place.hash);
	crypt_sha256(o->db, place.hash + CRYPT_SHA256);
	return place;
}

bool
odoo_place_same(const struct odoo_place *a, const struct odoo_place *b)
{
	return memcmp(a->hash, b->hash, sizeof(a->hash)) == 0;
}

static struct odoo_peer *
known_peer(const struct odoos *all, struct slice tenant)
{
	for (size_t i = 0; i < all->n; i++)
		if (slice_eq(slice_of(all->item[i]->tenant), tenant))
			return all->item[i];
	return NULL;
}

/* NULL: out of memory. */
static struct odoo_peer *
peer_of(struct odoos *all, const struct call *call)
{
	struct odoo_peer *p = known_peer(all, slice_of(call->tenant));

	if (!p) {
		if (array_grow((void **)&all->item, &all->cap, all->n, sizeof(*all->item)) < 0 || !(p = calloc(1, sizeof(*p))))
			return NULL;
		memcpy(p->tenant, call->tenant, sizeof(p->tenant));
		all->item[all->n++] = p;
	}
	return p;
}

void
odoo_learn_anew(struct courier *c, struct slice tenant)
{
	struct odoo_peer *p = known_peer(&c->odoos, tenant);

	if (p)
		p->models_old = true;
}

/* Another record: another Odoo, perhaps, and other keys.  Never while it is busy:
 * what the answer says is true of the old ones. */
static void
renew(struct odoo_peer *p, uint64_t mark, const struct tenant *t)
{
	if (p->mark == mark)
		return;
	forget_models(p);
	p->mark = mark;
	p->known = false;
	p->uid = 0;
	p->key = p->refused = 0;
	p->refused_until_ms = 0;
	p->breaker = (struct breaker){ .failures = 0 };
	p->pace_ms = t->odoo.pace_ms;
	p->place = odoo_place(&t->odoo);
}

static const struct odoo_fields *
fields_of(const struct odoo_peer *p, struct slice model)
{
	for (size_t i = 0; i < p->models; i++)
		if (slice_eq(model, slice_of(p->model[i].name)))
			return p->model[i].fields;
	return NULL;
}

/* A call to that place is under way, whoever asks: DEST_NEVER.  Else when the
 * pause after the last one ends. */
static int64_t
free_at_ms(const struct odoos *all, const struct odoo_peer *p)
{
	int64_t at = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct odoo_peer *q = all->item[i];
		if (!odoo_place_same(&q->place, &p->place))
			continue;
		if (q->busy)
			return DEST_NEVER;
		if (q->next_ms > at)
			at = q->next_ms;
	}
	return at;
}

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
			.once = call->odoo->step == STEP_EXECUTE && !call->odoo->reads,
		};
		breaker_start(&p->breaker, now_ms);
		p->busy = true;
		call_send(c, call, &request);
		p->busy = call->state == CALL_S_SENT;
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
	if (!(p = peer_of(&c->odoos, call))) {
		call_over(call, CALL_BUSY, "out of memory");
		return;
	}
	if (!p->busy)
		renew(p, where_mark(&c->where, slice_of(call->tenant)), t);
	if (!p->busy && p->models_old)
		forget_models(p);
	int64_t free_ms = free_at_ms(&c->odoos, p), wait_ms = breaker_wait_ms(&p->breaker, now_ms);
	if (p->refused_until_ms > now_ms)
		call_over(call, CALL_DENIED, "Odoo refused login and key; it is asked again when the tenant is imported anew, or in %lld s",
		    (long long)(p->refused_until_ms - now_ms) / 1000);
	else if (free_ms > now_ms)
		call->at_ms = free_ms;
	else if (wait_ms > 0)
		call_over(call, CALL_UNREACHABLE, "Odoo did not answer lately; it is asked again in %lld s", (long long)(wait_ms + 999) / 1000);
	else {
		const struct odoo_fields *known = fields_of(p, call->odoo->model);
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
	bool writes = call->odoo->step == STEP_EXECUTE && !call->odoo->reads;

	if (writes && sent)
		call_over(call, CALL_UNKNOWN, "it was sent, and no answer came (%s): perhaps it is done", why);
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

static void
learn_model(struct odoo_peer *p, struct slice model, const struct value *types)
{
	struct odoo_fields *fields;

	if (model.len >= sizeof(p->model[0].name) || odoo_fields_new(types, &fields) != 0)
		return;
	if (p->models == ODOO_MODELS)
		forget_models(p);
	struct odoo_model *m = &p->model[p->models++];
	snprintf(m->name, sizeof(m->name), SLICE_FMT, SLICE_ARG(model));
	m->fields = fields;
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
	const struct odoo_fields *known = fields_of(p, call->odoo->model);

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
		p->refused = 0;
		again(call, 0, now_ms);
		return;
	case STEP_TYPES:
		learn_model(p, call->odoo->model, answer->value);
		if (fields_of(p, call->odoo->model))
			again(call, 0, now_ms);
		else
			call_over(call, CALL_FAULT, "Odoo's description of a model cannot be read");
		return;
	case STEP_EXECUTE:
		give(call, p, answer->value);
		return;
	}
}

/* t NULL: the tenants moved while it was under way, and the tenant's own record
 * perhaps.  Who asked is given the answer, it came from where it was asked of; but
 * what wants the record, or goes before, has another turn, which fetches it. */
static void
judge(struct call *call, struct odoo_peer *p, const struct tenant *t, struct odoo_answer *answer, bool of_odoo, int64_t now_ms)
{
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
		call_over(call, CALL_UNREACHABLE, "%s", answer->why);
		return;
	case ODOO_UNREADABLE:
		call_over(call, call->odoo->reads ? CALL_FAULT : CALL_UNKNOWN, "%s", answer->why);
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
		call->absent = call->odoo->step == STEP_TYPES;
		call_over(call, CALL_FAULT, "%s: %s", odoo_outcome_text(answer->outcome), answer->why);
		return;
	}
}

static void
free_peer(struct courier *c, struct odoo_peer *p, int64_t now_ms)
{
	p->busy = false;
	p->next_ms = now_ms + p->pace_ms;
	/* All who wait look again: whoever shares the place, and its record may have changed. */
	for (struct call *other = c->calls.first; other; other = other->next)
		if (other->state == CALL_S_TURN && other->at_ms == DEST_NEVER)
			other->at_ms = now_ms;
}

void
odoo_came(struct courier *c, struct call *call, const struct client_result *res, int64_t now_ms)
{
	const struct tenant *t = where_tenant(&c->where, slice_of(call->tenant));
	struct odoo_peer *p = known_peer(&c->odoos, slice_of(call->tenant));
	struct odoo_answer answer = { .outcome = ODOO_OK };

	REQUIRE(p);     /* it was there when the call was sent */
	if (where_mark(&c->where, slice_of(call->tenant)) != p->mark)
		t = NULL;
	free_peer(c, p, now_ms);
	if (res->error != CLIENT_OK) {
		bool late = res->error == CLIENT_E_TIMEOUT_TOTAL && now_ms >= call->deadline_ms - 1;
		breaker_end(&p->breaker, &c->dests.rules, BREAKER_BAD, now_ms, crypt_random32());
		no_answer(call, res->error == CLIENT_E_CUT ? "it closed the connection without an answer" : client_error_text(res->error),
		    res->sent, late, now_ms);
		return;
	}
	if (odoo_xmlrpc.read(res->status, res->content_type, res->body, call->memory, &answer) < 0) {
		call_over(call, CALL_BUSY, "out of memory");
		return;
	}
	bool of_odoo = res->status == HTTP_OK && answer.outcome != ODOO_NOT_ODOO;
	breaker_end(&p->breaker, &c->dests.rules, of_odoo ? BREAKER_GOOD : BREAKER_BAD, now_ms, crypt_random32());
	if (answer.dropped)
		log_event(LOG_NOTICE, "odoo-characters-dropped", LOG_STR("tenant", p->tenant), LOG_INT("count", answer.dropped));
	judge(call, p, t, &answer, of_odoo, now_ms);
}
