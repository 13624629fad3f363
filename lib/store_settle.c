/* What became of a batch: before a post, after it, and while nobody knows. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"
#include "lib/tenant.h"

const char STORE_WINDOW_CLOSED[] = "the channel's reply window is closed (can_reply is false): a note has it instead";

int
attempt_note(struct store *s, const struct delivery *key, enum settle_verdict verdict, int64_t status,
    struct slice reason, int64_t now_us)
{
	/* Two in one tick of the clock stand one behind the other. */
	return db_run(s, "INSERT INTO attempt (delivery, settled_us, claimed_us, verdict, status, reason)"
	    " SELECT ?1, max(?2, coalesce(max(settled_us) + 1, 0)), ?3, ?4, ?5, ?6 FROM attempt WHERE delivery = ?1",
	    DB_I(key->id), DB_I(now_us), DB_I(key->claimed_us), DB_I(verdict), DB_I(status),
	    reason.len ? DB_T(reason) : DB_NULL);
}

/* ---- before a post ---- */

/* What Chatwoot shows is taken in first: an event about it may have been lost. */
static int
take_in_shown(struct store *s, struct talk *t, const struct chatwoot_facts *shown, enum chatwoot_mode mode)
{
	struct chatwoot_state before = t->state;
	chatwoot_observe(shown, mode, &t->state);
	if (chatwoot_state_equal(&before, &t->state))
		return 0;
	return talk_store(s, (struct slice){ NULL, 0 }, t);
}

/* Notes are for the agents, and welcome whoever has the conversation. */
static const char *
held_back(const struct delivery *d, const struct talk *t, uint32_t fence, const struct chatwoot_policy *p)
{
	if (d->kind != DELIVERY_K_REPLY && d->kind != DELIVERY_K_HANDOFF)
		return NULL;
	const char *why = chatwoot_fence(&t->state, fence, p);
	if (!why && d->kind == DELIVERY_K_REPLY && t->state.no_reply)
		why = STORE_WINDOW_CLOSED;
	return why;
}

static int
begin(struct store *s, const struct delivery *d, const struct store_begin *ask, const char **reterr_why)
{
	struct talk t;
	struct chatwoot_policy policy = { 0 };
	uint32_t fence = 0;
	int r = talk_load(s, lane_conversation(d->lane), &t);
	if (r == 0)
		r = talk_policy(s, d->event, &policy, &fence);
	if (r == 0 && ask->shown)
		r = take_in_shown(s, &t, ask->shown, policy.mode);
	if (r < 0)
		return r;
	const char *why = held_back(d, &t, fence, &policy);
	CRASH_POINT("keeper-begins");
	if (!why) {
		/* Our own event of it is no takeover by somebody. */
		if (d->kind == DELIVERY_K_HANDOFF && !t.state.handed) {
			t.state.handed = true;
			r = talk_store(s, (struct slice){ NULL, 0 }, &t);
		}
		return r < 0 ? r : db_run(s, "UPDATE delivery SET begun = 1 WHERE id = ?", DB_I(d->id));
	}
	r = delivery_end(s, d, DELIVERY_SUPPRESSED, 0, slice_of(why), ask->now_us);
	if (r == 0)
		r = attempt_note(s, d, SETTLE_SUPPRESSED, 0, slice_of(why), ask->now_us);
	if (r == 0 && why == STORE_WINDOW_CLOSED)
		r = note_in_place(s, d, ask->now_us);
	if (r == 0)
		r = lane_free(s, d->lane, ask->now_us);
	*reterr_why = why;
	return r < 0 ? r : STORE_E_SUPPRESSED;
}

int
store_begin(struct store *s, const struct store_begin *ask, const char **reterr_why)
{
	struct delivery d;
	int r = delivery_load(s, ask->delivery, &d);
	if (r < 0)
		return r;
	if (r == DB_END || d.state != DELIVERY_CLAIMED || delivery_dest_of((enum delivery_kind)d.kind) != DEST_CHATWOOT)
		return STORE_E_GONE;
	r = db_enter(s);
	return r < 0 ? r : db_leave(s, begin(s, &d, ask, reterr_why));
}

/* ---- posted, or not? ---- */

static int
may_look(struct store *s, const struct delivery *d, bool *ret)
{
	DB_QUERY(q);
	DB_QUERY(e);
	struct slice record;
	*ret = false;
	int r = tenant_record(s, d->tenant, &q, &record);
	if (r == 0)
		r = db_first(s, &e, "SELECT installation FROM event WHERE id = ?", DB_I(d->event));
	if (r == 0)
		*ret = d->lookups < STORE_LOOKUPS && tenant_user_token_set(record, db_text(e, 0));
	return r < 0 ? r : 0;
}

int
unknown_wait(struct store *s, struct delivery *d, int64_t status, struct slice reason, int64_t now_us)
{
	bool look;
	int r;
	if (d->begun == BEGUN_SEEN) {
		r = delivery_end(s, d, DELIVERY_DONE, status, SLICE("its echo came back"), now_us);
		return r < 0 ? r : lane_free(s, d->lane, now_us);
	}
	CRASH_POINT("keeper-unknown-waits");
	r = may_look(s, d, &look);
	if (r == 0)
		r = delivery_move(s, d, DELIVERY_WAITING);
	if (r == 0)
		r = db_run(s, "UPDATE delivery SET status = ?, reason = ? WHERE id = ?", DB_I(status), DB_T(reason), DB_I(d->id));
	return r < 0 ? r : lane_wait(s, d->lane, d->id, now_us + (look ? s->rules.lookup_us : s->rules.echo_us));
}

/* Was it a handoff that the conversation has gone through by now? */
static int
handed_by_now(struct store *s, const struct delivery *d, bool *ret)
{
	struct talk t;
	*ret = false;
	if (d->kind != DELIVERY_K_HANDOFF)
		return 0;
	int r = talk_load(s, lane_conversation(d->lane), &t);
	if (r == 0)
		*ret = t.state.status != CW_ST_PENDING && t.state.status != CW_ST_UNKNOWN;
	return r;
}

int
unknown_end(struct store *s, struct delivery *d, int64_t now_us, enum unknown_outcome *ret)
{
	bool look, handed;
	struct tenant_manners manners = { .repeat_unknown = false };
	int r = may_look(s, d, &look);
	if (r == 0)
		r = handed_by_now(s, d, &handed);
	if (r < 0)
		return r;
	if (handed) {
		*ret = UNKNOWN_OVER;
		return delivery_end(s, d, DELIVERY_DONE, 0, SLICE("the conversation is open by now"), now_us);
	}
	if (look) {
		*ret = UNKNOWN_LOOK;
		d->lookups++;
		return 0;
	}
	{
		DB_QUERY(q);
		struct slice record;
		r = tenant_record(s, d->tenant, &q, &record);
		if (r == 0)
			tenant_manners_read(record, &manners);
	}
	if (r < 0)
		return r;
	CRASH_POINT("keeper-unknown-ends");
	*ret = manners.repeat_unknown ? UNKNOWN_AGAIN : UNKNOWN_OVER;
	d->begun = BEGUN_NO;
	return manners.repeat_unknown ? 0 : delivery_end(s, d, DELIVERY_UNKNOWN, 0,
	    SLICE("nobody knows whether it was posted: no echo of it came back (on_unknown: hold)"), now_us);
}

/* The delivery that this message is the echo of, in the place it was meant for. */
static int
echo_of(struct store *s, int64_t tenant, const struct store_event *e, struct delivery *ret)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT id FROM event WHERE uuid = ? AND tenant = ? AND installation = ? AND account = ? AND display = ?",
	    DB_B(slice_from(e->facts->echo.byte, sizeof(e->facts->echo.byte))), DB_I(tenant), DB_T(e->installation),
	    DB_I(e->facts->account), DB_I(e->facts->conversation));
	if (r != 0)
		return r;
	DB_QUERY(d);
	r = db_first(s, &d, "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE event = ? AND n = ? AND kind IN (2, 3)",
	    DB_I(db_int(q, 0)), DB_I(e->facts->echo_n));
	if (r == 0)
		delivery_read(d, ret);
	return r;
}

static int
echo_settles(struct store *s, const struct delivery *d, int64_t now_us)
{
	int r;
	CRASH_POINT("keeper-echo");
	if (d->state == DELIVERY_CLAIMED)
		return db_run(s, "UPDATE delivery SET begun = 3 WHERE id = ?", DB_I(d->id));
	r = delivery_end(s, d, DELIVERY_DONE, 0, SLICE("its echo came back"), now_us);
	if (r == 0)
		r = attempt_note(s, d, SETTLE_DONE, 0, SLICE("its echo came back"), now_us);
	if (r == 0 && d->state == DELIVERY_WAITING)
		r = lane_free(s, d->lane, now_us);
	else if (r == 0 && d->state == DELIVERY_PENDING)
		r = lane_refresh(s, d->lane, now_us);
	return r;
}

int
echo_seen(struct store *s, int64_t tenant, const struct store_event *e, bool *ret_due)
{
	struct delivery d;
	int r = echo_of(s, tenant, e, &d);
	if (r != 0)
		return r < 0 ? r : 0;
	bool open = (d.state == DELIVERY_CLAIMED && (d.begun == BEGUN_YES || d.begun == BEGUN_LOST))
	    || d.state == DELIVERY_WAITING || d.state == DELIVERY_UNKNOWN || (d.state == DELIVERY_PENDING && d.attempt > 0);
	if (!open)
		return 0;
	r = db_enter(s);
	if (r < 0)
		return r;
	r = db_leave(s, echo_settles(s, &d, e->received_us));
	*ret_due |= r == 0 && d.state == DELIVERY_WAITING;
	return r;
}

/* ---- after it ---- */

static int
settle_final(struct store *s, const struct delivery *m, size_t n, enum delivery_state to, const struct store_settle *how)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = delivery_end(s, &m[i], to, how->status, how->reason, how->now_us);
	return r == 0 ? lane_free(s, m[0].lane, how->now_us) : r;
}

static int
settle_again(struct store *s, struct delivery *m, size_t n, int64_t batch, const struct store_settle *how)
{
	bool tried = how->verdict != SETTLE_RELEASE;
	int64_t delay = how->delay_us > 0 ? how->delay_us : 0;
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		m[i].begun = BEGUN_NO;
		if (!tried && m[i].attempt > 0)
			m[i].attempt--;
		if (m[i].attempt == 0)
			m[i].batch = batch = 0;         /* never sent: newer messages may still join */
		r = delivery_move(s, &m[i], DELIVERY_PENDING);
		if (r == 0 && tried)
			r = db_run(s, "UPDATE delivery SET status = ?, reason = ? WHERE id = ?", DB_I(how->status),
			    how->reason.len ? DB_T(how->reason) : DB_NULL, DB_I(m[i].id));
	}
	if (r < 0 || how->verdict != SETTLE_STOP)
		return r < 0 ? r : lane_wait(s, m[0].lane, batch, how->now_us + delay);
	r = stop_set(s, m[0].tenant, delivery_dest_of((enum delivery_kind)m[0].kind),
	    how->delay_us < 0 ? 0 : how->now_us + delay, how->reason);
	return r < 0 ? r : lane_wait(s, m[0].lane, batch, how->now_us);
}

/* The hub has it, and answers by itself until the delay is over. */
static int
settle_wait(struct store *s, struct delivery *m, size_t n, int64_t batch, const struct store_settle *how)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = delivery_move(s, &m[i], DELIVERY_WAITING);
	return r < 0 ? r : lane_wait(s, m[0].lane, batch, how->now_us + (how->delay_us > 0 ? how->delay_us : 0));
}

static int
settle_done(struct store *s, struct delivery *m, size_t n, const struct delivery *key, const struct store_settle *how)
{
	struct talk t;
	if (key->kind == DELIVERY_K_HUB)
		return question_answered(s, m, n, key, how->next, how->nexts, how->status, how->now_us);
	int r = settle_final(s, m, n, DELIVERY_DONE, how);
	if (r < 0 || key->kind != DELIVERY_K_HANDOFF)
		return r;
	r = talk_load(s, lane_conversation(key->lane), &t);
	if (r < 0)
		return r;
	chatwoot_hand_over(&t.state);
	return talk_store(s, (struct slice){ NULL, 0 }, &t);
}

static int
settle_by_verdict(struct store *s, struct delivery *m, size_t n, const struct delivery *key, const struct store_settle *how)
{
	int r;
	switch (how->verdict) {
	case SETTLE_DONE:
		return settle_done(s, m, n, key, how);
	case SETTLE_DEAD:
		r = settle_final(s, m, n, DELIVERY_DEAD, how);
		return r < 0 ? r : ladder_make(s, key, how->reason, how->now_us);
	case SETTLE_UNKNOWN:
		return unknown_wait(s, &m[0], how->status, how->reason, how->now_us);
	case SETTLE_SUPPRESSED:
		return settle_final(s, m, n, DELIVERY_SUPPRESSED, how);
	case SETTLE_RETRY:
	case SETTLE_STOP:
	case SETTLE_RELEASE:
	case SETTLE_ABSENT:
		return settle_again(s, m, n, key->batch, how);
	case SETTLE_WAIT:
		return settle_wait(s, m, n, key->batch, how);
	}
	return db_fail(s, "there is no verdict %d", (int)how->verdict);
}

static int
settle(struct store *s, const struct delivery *d, const struct store_settle *how)
{
	struct delivery m[STORE_BATCH_MEMBERS];
	const struct delivery *key = d;
	size_t n;
	int r = delivery_members(s, d->lane, DELIVERY_CLAIMED, d->batch, m, &n);
	if (r < 0)
		return r;
	REQUIRE(n > 0);                         /* d itself is one */
	for (size_t i = 0; i < n; i++)
		if (m[i].id == d->batch)
			key = &m[i];
	struct delivery named = *key;
	if (how->verdict != SETTLE_RELEASE)
		r = attempt_note(s, &named, how->verdict, how->status, how->reason, how->now_us);
	if (r < 0)
		return r;
	/* An answer that came by itself while the question was on its way. */
	if (named.kind == DELIVERY_K_HUB && how->verdict != SETTLE_DONE) {
		bool settled;
		r = pocket_settle(s, m, n, &named, how->now_us, &settled);
		if (r < 0 || settled)
			return r;
	}
	r = settle_by_verdict(s, m, n, &named, how);
	return r == 0 && named.kind == DELIVERY_K_HUB && how->verdict == SETTLE_DONE
	    ? pocket_add(s, &named, how->now_us) : r;
}

int
store_settle(struct store *s, const struct store_settle *how, bool *ret_due)
{
	struct delivery d;
	*ret_due = false;
	int r = delivery_load(s, how->delivery, &d);
	if (r < 0)
		return r;
	if (r == DB_END || d.state < DELIVERY_CLAIMED)
		return STORE_E_GONE;
	if (d.state != DELIVERY_CLAIMED)
		return 0;                       /* said before, on a connection that broke */
	r = db_enter(s);
	if (r < 0)
		return r;
	r = db_leave(s, settle(s, &d, how));
	*ret_due = r == 0;
	return r;
}
