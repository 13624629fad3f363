/* One event comes in: duplicate, verdict, and what is kept of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/store.h"
#include "lib/store_db.h"

/* What is known of the conversation, and where it stands. */
struct talk {
	int64_t id;                     /* 0: nothing stored yet */
	int64_t seen;
	struct chatwoot_state state;
};

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

static int
load_talk(struct store *s, int64_t tenant, const struct store_event *e, struct talk *ret)
{
	DB_QUERY(q);
	memset(ret, 0, sizeof(*ret));
	if (e->facts->conversation == 0)
		return 0;
	int r = db_first(s, &q, "SELECT id, seen, status, owner, owner_id, updated_us, human, stopped, fence, fence_why"
	    " FROM conversation WHERE tenant = ? AND installation = ? AND account = ? AND display = ?",
	    DB_I(tenant), DB_T(e->installation), DB_I(e->facts->account), DB_I(e->facts->conversation));
	if (r != 0)
		return r < 0 ? r : 0;
	ret->id = db_int(q, 0);
	ret->seen = db_int(q, 1);
	ret->state = (struct chatwoot_state){
		.known = true,
		.status = (enum chatwoot_status)db_int(q, 2), .owner = (enum chatwoot_owner)db_int(q, 3),
		.owner_id = db_int(q, 4), .updated_us = db_int(q, 5),
		.human = db_int(q, 6) != 0, .stopped = db_int(q, 7) != 0,
		.fence = (uint32_t)db_int(q, 8), .fence_why = (int)db_int(q, 9),
	};
	return 0;
}

/* ---- storing ---- */

static int
store_talk(struct store *s, int64_t tenant, const struct store_event *e, struct talk *t)
{
	const struct chatwoot_state *c = &t->state;
	if (t->id)
		return db_run(s, "UPDATE conversation SET seen = ?, status = ?, owner = ?, owner_id = ?, updated_us = ?,"
		    " human = ?, stopped = ?, fence = ?, fence_why = ? WHERE id = ?",
		    DB_I(t->seen), DB_I(c->status), DB_I(c->owner), DB_I(c->owner_id), DB_I(c->updated_us),
		    DB_I(c->human), DB_I(c->stopped), DB_I(c->fence), DB_I(c->fence_why), DB_I(t->id));
	int r = db_run(s, "INSERT INTO conversation (tenant, installation, account, display, seen, status, owner, owner_id,"
	    " updated_us, human, stopped, fence, fence_why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    DB_I(tenant), DB_T(e->installation), DB_I(e->facts->account), DB_I(e->facts->conversation),
	    DB_I(t->seen), DB_I(c->status), DB_I(c->owner), DB_I(c->owner_id), DB_I(c->updated_us),
	    DB_I(c->human), DB_I(c->stopped), DB_I(c->fence), DB_I(c->fence_why));
	if (r == 0)
		t->id = db_last_id(s);
	return r;
}

static int
store_body(struct store *s, int64_t tenant, const struct store_event *e, const struct talk *t,
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
store_hub_delivery(struct store *s, int64_t tenant, const struct store_event *e, const struct talk *t,
    int64_t event, int64_t order)
{
	int64_t lane = lane_id(t->id, DEST_HUB);
	int r = lane_add(s, lane, tenant, DEST_HUB, t->id, e->received_us, e->received_us + e->debounce_us);
	if (r == 0)
		r = db_run(s, "INSERT INTO delivery (tenant, kind, state, event, lane, order_id, n, since_us, made_us)"
		    " VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)", DB_I(tenant), DB_I(DELIVERY_K_HUB), DB_I(DELIVERY_PENDING),
		    DB_I(event), DB_I(lane), DB_I(order), DB_I(e->received_us), DB_I(e->received_us));
	if (r == 0)
		r = books_move(s, tenant, DELIVERY_K_HUB, BOOK_MADE, 1);
	return r < 0 ? r : books_move(s, tenant, DELIVERY_K_HUB, DELIVERY_PENDING, 1);
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

static int
keep(struct store *s, int64_t tenant, const struct store_event *e, struct slice key, struct talk *t,
    bool state_changed, struct store_put *put)
{
	bool forwards = chatwoot_forwards(put->decision);
	bool stores = forwards || chatwoot_notes(put->decision);
	int64_t id = 0, order = forwards ? place(e->facts, t) : 0;
	int r = 0;
	if (e->facts->conversation && (state_changed || forwards))
		r = store_talk(s, tenant, e, t);
	if (r < 0 || !stores)
		return r;
	if (forwards && !t->id)
		return db_fail(s, "an event without a conversation cannot be forwarded");
	r = store_body(s, tenant, e, t, put, &id);
	if (r == 0 && key.len)
		r = db_run(s, "INSERT INTO dedup (key, uuid, made_us) VALUES (?, ?, ?)",
		    DB_T(key), DB_B(uuid_bytes(&e->id)), DB_I(e->received_us));
	if (r == 0 && forwards)
		r = store_hub_delivery(s, tenant, e, t, id, order);
	if (r == 0) {
		put->event = e->id;
		put->stored = true;
		put->due = forwards;
	}
	return r;
}

int
store_put(struct store *s, const struct store_event *e, struct store_put *ret)
{
	char text[KEY_TEXT];
	int64_t tenant;
	struct talk talk;
	bool duplicate;
	memset(ret, 0, sizeof(*ret));
	int r = tenant_id(s, e->tenant, &tenant);
	if (r != 0)
		return r < 0 ? r : STORE_E_MOVED;
	r = find_same(s, tenant, e, ret);
	if (r <= 0)
		return r;
	struct slice key = key_text(tenant, e, text);
	r = find_duplicate(s, key, &duplicate, &ret->event);
	if (r == 0)
		r = load_talk(s, tenant, e, &talk);
	if (r < 0)
		return r;

	struct chatwoot_verdict v;
	chatwoot_decide(e->facts, &talk.state, e->policy, duplicate, &v);
	ret->decision = v.decision;
	ret->stored = duplicate;
	snprintf(ret->reason, sizeof(ret->reason), "%s", v.reason ? v.reason : "");
	if (v.state_changed)
		talk.state = v.state;
	bool stores = chatwoot_forwards(v.decision) || chatwoot_notes(v.decision);
	if (!stores && !v.state_changed) {
		books_aside(s, tenant, duplicate ? EVENT_DUPLICATE : EVENT_IGNORED);
		return 0;
	}
	if (e->closed) {
		books_aside(s, tenant, EVENT_REFUSED);
		return STORE_E_REFUSED;
	}
	if (!stores)
		books_aside(s, tenant, duplicate ? EVENT_DUPLICATE : EVENT_IGNORED);
	r = db_enter(s);
	return r < 0 ? r : db_leave(s, keep(s, tenant, e, key, &talk, v.state_changed, ret));
}
