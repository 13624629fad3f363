/* One event comes in: duplicate, verdict, and what is kept of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/store.h"
#include "lib/store_db.h"

static struct slice
uuid_bytes(const struct uuid *id)
{
	return slice_from(id->byte, sizeof(id->byte));
}

/* ---- looking ---- */

/* The same put again, after a broken connection: answered as the first time. */
static int
find_same(struct store *s, int64_t tenant, const struct store_event *e, struct store_put *ret)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT decision, reason FROM event WHERE uuid = ? AND tenant = ?",
	    DB_B(uuid_bytes(&e->id)), DB_I(tenant));
	if (r != 0)
		return r;
	ret->decision = (enum chatwoot_decision)db_int(q, 0);
	snprintf(ret->reason, sizeof(ret->reason), SLICE_FMT, SLICE_ARG(db_text(q, 1)));
	ret->event = e->id;
	ret->stored = ret->repeated = true;
	return 0;
}

#define KEY_TEXT (CHATWOOT_KEY + 96)

/* Keys of one tenant's installation never meet another's.  Empty: no key. */
static struct slice
key_text(int64_t tenant, const struct store_event *e, char text[static KEY_TEXT])
{
	char key[CHATWOOT_KEY];
	chatwoot_key(e->facts, key);
	if (!key[0])
		return (struct slice){ NULL, 0 };
	snprintf(text, KEY_TEXT, "%" PRId64 "/" SLICE_FMT "/%s", tenant, SLICE_ARG(e->installation), key);
	return slice_of(text);
}

static int
find_duplicate(struct store *s, struct slice key, bool *ret_found, struct uuid *ret_first)
{
	DB_QUERY(q);
	*ret_found = false;
	if (!key.len)
		return 0;
	int r = db_first(s, &q, "SELECT uuid FROM dedup WHERE key = ?", DB_T(key));
	if (r == 0) {
		*ret_found = true;
		*ret_first = db_uuid(q, 0);
	}
	return r < 0 ? r : 0;
}

/* ---- storing ---- */

static int
keep_event(struct store *s, int64_t tenant, const struct store_event *e, const struct talk *t,
    const struct store_put *put, int64_t *ret_id)
{
	const struct chatwoot_facts *f = e->facts;
	bool forwarded = chatwoot_forwards(put->decision);
	int r = db_run(s, "INSERT INTO event (uuid, tenant, conversation, installation, account, display, inbox, message,"
	    " kind, decision, forwarded, reason, mode, fence, received_us, sender, request, facts, body)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    DB_B(uuid_bytes(&e->id)), DB_I(tenant), t->id ? DB_I(t->id) : DB_NULL, DB_T(e->installation),
	    DB_I(f->account), DB_I(f->conversation), DB_I(f->inbox), DB_I(f->message),
	    DB_I(f->event), DB_I(put->decision), DB_I(forwarded), DB_T(slice_of(put->reason)),
	    DB_I(e->policy->mode), DB_I(t->state.fence), DB_I(e->received_us),
	    DB_T(e->sender), DB_T(e->request_id), DB_B(e->facts_bytes), DB_B(e->body));
	if (r < 0)
		return r;
	*ret_id = db_last_id(s);
	r = books_move(s, tenant, BOOK_EVENT, EVENT_STORED, 1);
	return r < 0 ? r : books_move(s, tenant, BOOK_EVENT, forwarded ? EVENT_FORWARDED : EVENT_NOTED, 1);
}

static int
store_hub_delivery(struct store *s, enum delivery_kind kind, const struct store_event *e, const struct talk *t,
    int64_t event, int64_t order, int64_t n, int64_t debounce_us)
{
	int64_t lane = lane_id(t->id, DEST_HUB), since = e->since_us ? e->since_us : e->received_us;
	int r = lane_add(s, lane, t->tenant, DEST_HUB, t->id, e->received_us, e->received_us + debounce_us);
	if (r == 0)
		r = db_run(s, "INSERT INTO delivery (tenant, kind, state, event, lane, order_id, n, since_us, made_us)"
		    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", DB_I(t->tenant), DB_I(kind), DB_I(DELIVERY_PENDING),
		    DB_I(event), DB_I(lane), DB_I(order), DB_I(n), DB_I(since), DB_I(e->received_us));
	if (r == 0)
		r = books_move(s, t->tenant, kind, BOOK_MADE, 1);
	return r < 0 ? r : books_move(s, t->tenant, kind, DELIVERY_PENDING, 1);
}

/* A message stands where its id says.  What is said of an old message later (a
 * form's answer, a transcript) stands behind everything seen by then. */
static int64_t
place(const struct chatwoot_facts *f, struct talk *t)
{
	int64_t order = f->message;
	if (f->event != CW_EV_MESSAGE_CREATED && order < t->seen)
		order = t->seen;
	if (order > t->seen)
		t->seen = order;
	return order;
}

struct keeping {
	const struct store_event *e;
	struct chatwoot_verdict v;
	struct slice key;
	int64_t debounce_us;
	struct talk talk;
};

/* Hub delivery and notice; both want a conversation that has a row. */
static int
keep_deliveries(struct store *s, struct keeping *k, int64_t event, int64_t order)
{
	int r = 0;
	if (chatwoot_forwards(k->v.decision))
		r = store_hub_delivery(s, DELIVERY_K_HUB, k->e, &k->talk, event, order, 0, k->debounce_us);
	if (r == 0 && k->v.notice != CW_N_NONE)
		r = store_hub_delivery(s, DELIVERY_K_NOTICE, k->e, &k->talk, event, k->talk.seen, k->v.notice, 0);
	return r;
}

static int
keep(struct store *s, struct keeping *k, struct store_put *put)
{
	const struct chatwoot_facts *f = k->e->facts;
	bool forwards = chatwoot_forwards(put->decision);
	bool stores = forwards || chatwoot_notes(put->decision), due = forwards || k->v.notice != CW_N_NONE;
	int64_t id = 0, order = forwards ? place(f, &k->talk) : 0;
	int r = 0;
	/* A contact's notice stands in the lane of no conversation: number 0. */
	if ((f->conversation && (k->v.state_changed || forwards)) || (k->v.notice != CW_N_NONE && !k->talk.id))
		r = talk_store(s, k->e->installation, &k->talk);
	if (r < 0 || !stores)
		return r;
	if (forwards && !k->talk.id)
		return db_fail(s, "an event without a conversation cannot be forwarded");
	r = keep_event(s, k->talk.tenant, k->e, &k->talk, put, &id);
	if (r == 0 && k->key.len)
		r = db_run(s, "INSERT INTO dedup (key, uuid, made_us) VALUES (?, ?, ?)",
		    DB_T(k->key), DB_B(uuid_bytes(&k->e->id)), DB_I(k->e->received_us));
	if (r == 0)
		r = keep_deliveries(s, k, id, order);
	if (r == 0) {
		put->event = k->e->id;
		put->stored = true;
		put->due |= due;
	}
	return r;
}

/* Decided, and kept if it is to be. */
static int
judge(struct store *s, struct keeping *k, bool duplicate, struct store_put *ret)
{
	const struct chatwoot_verdict *v = &k->v;
	chatwoot_decide(k->e->facts, &k->talk.state, k->e->policy, duplicate, &k->v);
	ret->decision = v->decision;
	ret->stored = duplicate;
	snprintf(ret->reason, sizeof(ret->reason), "%s", v->reason ? v->reason : "");
	if (v->state_changed)
		k->talk.state = v->state;
	bool stores = chatwoot_forwards(v->decision) || chatwoot_notes(v->decision);
	if (k->e->dry_run)
		return 0;
	if (k->e->closed && (stores || v->state_changed)) {
		books_aside(s, k->talk.tenant, EVENT_REFUSED);
		return STORE_E_REFUSED;
	}
	if (!stores)
		books_aside(s, k->talk.tenant, duplicate ? EVENT_DUPLICATE : EVENT_IGNORED);
	if (!stores && !v->state_changed)
		return 0;
	int r = db_enter(s);
	return r < 0 ? r : db_leave(s, keep(s, k, ret));
}

int
store_put(struct store *s, const struct store_event *e, struct store_put *ret)
{
	char text[KEY_TEXT];
	int64_t tenant;
	struct keeping k = { .e = e };
	bool duplicate;
	memset(ret, 0, sizeof(*ret));
	int r = tenant_look(s, e->tenant, &tenant, &k.debounce_us);
	if (r != 0)
		return r < 0 ? r : STORE_E_MOVED;
	if (k.debounce_us < 0)
		k.debounce_us = s->rules.debounce_us;
	if (!e->dry_run && !e->facts->recovered && (r = heard_note(s, tenant, e->installation, e->received_us)) < 0)
		return r;
	r = find_same(s, tenant, e, ret);
	if (r <= 0)
		return r;
	if (e->facts->echo_n && !e->dry_run && (r = echo_seen(s, tenant, e, &ret->due)) < 0)
		return r;
	k.key = key_text(tenant, e, text);
	r = find_duplicate(s, k.key, &duplicate, &ret->event);
	if (r == 0)
		r = talk_find(s, tenant, e->installation, e->facts->account, e->facts->conversation, &k.talk);
	return r < 0 ? r : judge(s, &k, duplicate, ret);
}

/* ---- what no Chatwoot said ---- */

static int
keep_knowledge(struct store *s, const struct store_event *e, struct talk *t)
{
	const struct store_put put = { .decision = CW_D_NOTE, .reason = "knowledge" };
	int64_t id = 0;
	int r = t->id ? 0 : talk_store(s, e->installation, t);
	if (r == 0)
		r = keep_event(s, t->tenant, e, t, &put, &id);
	return r < 0 ? r : store_hub_delivery(s, DELIVERY_K_KNOWLEDGE, e, t, id, t->seen, 0, 0);
}

int
store_knowledge(struct store *s, struct slice tenant, const struct uuid *event, struct slice body, int64_t now_us)
{
	static const struct chatwoot_facts facts = { .account = 0 };
	static const struct chatwoot_policy policy = { .account = 0 };
	const struct store_event e = {
		.id = *event, .tenant = tenant, .sender = SLICE("odoo"), .facts = &facts, .policy = &policy, .body = body,
		.received_us = now_us,
	};
	struct store_put before = { .stored = false };
	struct talk talk;
	int64_t id, debounce_us;
	int r = tenant_look(s, tenant, &id, &debounce_us);
	if (r != 0)
		return r < 0 ? r : STORE_E_NONE;
	r = find_same(s, id, &e, &before);
	if (r <= 0)
		return r;
	/* In the lane of no conversation: number 0. */
	r = talk_find(s, id, e.installation, 0, 0, &talk);
	if (r == 0)
		r = db_enter(s);
	return r < 0 ? r : db_leave(s, keep_knowledge(s, &e, &talk));
}
