/* Answers that the hub gives by itself, behind a 202 (POST /api/v1/replies). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"

/* The hub delivery of an event, and whose it is. */
static int
question_of(struct store *s, struct slice tenant, const struct uuid *event, struct delivery *ret)
{
	int64_t id;
	int r = tenant_id(s, tenant, &id);
	if (r != 0)
		return r;
	DB_QUERY(q);
	r = db_first(s, &q, "SELECT " DELIVERY_COLUMNS " FROM delivery"
	    " WHERE event = (SELECT id FROM event WHERE uuid = ? AND tenant = ?) AND kind = 1",
	    DB_B(slice_from(event->byte, sizeof(event->byte))), DB_I(id));
	if (r == 0)
		delivery_read(q, ret);
	return r;
}

int
store_question(struct store *s, struct slice tenant, const struct uuid *event, struct store_question *ret)
{
	struct delivery d;
	struct chatwoot_facts facts;
	struct chatwoot_policy policy;
	int r = question_of(s, tenant, event, &d);
	if (r != 0 || d.attempt == 0)
		return r < 0 ? r : STORE_E_NONE;
	DB_QUERY(q);
	r = db_first(s, &q, "SELECT account, display, facts FROM event WHERE id = ?", DB_I(d.event));
	if (r != 0)
		return r < 0 ? r : STORE_E_NONE;
	*ret = (struct store_question){ .account = db_int(q, 0), .conversation = db_int(q, 1) };
	if (chatwoot_unpack(db_text(q, 2), &facts, &policy) == 0)
		ret->channel = facts.channel;
	return 0;
}

/* ---- parts in a column ---- */

struct pocket {
	char  *bytes;                           /* what the others point into */
	bool   dead;
	struct slice reason;
	struct store_next *next;
	size_t n;
};

static void
pocket_free(struct pocket *p)
{
	free(p->bytes);
	free(p->next);
}

static int
pocket_write(const struct store_answer *a, struct buf *out)
{
	struct wire_writer w;
	wire_bare(&w, out);
	wire_put_u64(&w, T_VERDICT, a->dead ? SETTLE_DEAD : SETTLE_DONE);
	wire_put(&w, T_REASON, a->reason);
	for (size_t i = 0; i < a->nexts; i++) {
		size_t mark = wire_open(&w, T_NEXT);
		wire_put_u64(&w, T_KIND, a->next[i].kind);
		wire_put_i64(&w, T_DELAY_MS, a->next[i].delay_us / 1000);
		wire_put(&w, T_PAYLOAD, a->next[i].payload);
		wire_close(&w, mark);
	}
	return wire_bare_end(&w);
}

/* 0, -ENOMEM. */
static int
pocket_read(struct slice bytes, struct pocket *ret)
{
	struct wire_field f;
	size_t n = 0;
	ret->bytes = slice_dup(bytes);
	if (!ret->bytes)
		return -ENOMEM;
	bytes = slice_from(ret->bytes, bytes.len);
	for (struct wire_reader r = { .rest = bytes }; wire_next(&r, &f);)
		n += f.tag == T_NEXT;
	ret->next = calloc(n + 1, sizeof(ret->next[0]));
	if (!ret->next)
		return -ENOMEM;
	for (struct wire_reader r = { .rest = bytes }; wire_next(&r, &f);)
		if (f.tag == T_NEXT)
			ret->next[ret->n++] = (struct store_next){
				.kind = (enum delivery_kind)wire_u64(f.value, T_KIND, 0),
				.delay_us = wire_i64(f.value, T_DELAY_MS, 0) * 1000,
				.payload = wire_text(f.value, T_PAYLOAD),
			};
	ret->dead = wire_u64(bytes, T_VERDICT, SETTLE_DONE) == SETTLE_DEAD;
	ret->reason = wire_text(bytes, T_REASON);
	return 0;
}

/* Takes it out: 0, or DB_END when there is none. */
static int
pocket_take(struct store *s, int64_t event, struct pocket *ret)
{
	{
		DB_QUERY(q);
		int r = db_first(s, &q, "SELECT parts FROM answer WHERE event = ? AND parts IS NOT NULL", DB_I(event));
		if (r == 0)
			r = pocket_read(db_text(q, 0), ret);
		if (r != 0)
			return r;
	}
	return db_run(s, "UPDATE answer SET parts = NULL WHERE event = ?", DB_I(event));
}

/* ---- what it settles ---- */

static int
give_up(struct store *s, struct delivery *m, size_t n, const struct delivery *key, struct slice reason, int64_t now_us)
{
	struct lane l;
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = delivery_end(s, &m[i], DELIVERY_DEAD, 0, reason, now_us);
	if (r == 0)
		r = lane_load(s, key->lane, &l);
	if (r == 0)
		r = l.batch == key->id ? lane_free(s, l.id, now_us) : lane_refresh(s, l.id, now_us);
	return r == 0 ? ladder_make(s, key, reason, now_us) : r;
}

static int
settle_by(struct store *s, struct delivery *m, size_t n, const struct delivery *key, const struct pocket *p, int64_t now_us)
{
	int r = attempt_note(s, key, p->dead ? SETTLE_DEAD : SETTLE_DONE, 0,
	    p->dead ? p->reason : SLICE("the hub answered by itself"), now_us);
	if (r < 0)
		return r;
	return p->dead ? give_up(s, m, n, key, p->reason, now_us)
	    : question_answered(s, m, n, key, p->next, p->n, 0, now_us);
}

int
pocket_settle(struct store *s, struct delivery *m, size_t n, const struct delivery *key, int64_t now_us, bool *ret_settled)
{
	CLEANUP(pocket_free) struct pocket p = { .n = 0 };
	int r = pocket_take(s, key->event, &p);
	*ret_settled = r == 0;
	return r != 0 ? (r < 0 ? r : 0) : settle_by(s, m, n, key, &p, now_us);
}

int
pocket_add(struct store *s, const struct delivery *key, int64_t now_us)
{
	CLEANUP(pocket_free) struct pocket p = { .n = 0 };
	int r = pocket_take(s, key->event, &p);
	if (r != 0)
		return r < 0 ? r : 0;
	return next_make(s, key, p.next, p.n, key->since_us, false, now_us);
}

/* ---- one comes in ---- */

/* Known already: the same, or another?  ANSWER_UNKNOWN: none was. */
static int
compare(struct store *s, int64_t event, struct slice hash, enum answer_result *ret)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT hash FROM answer WHERE event = ?", DB_I(event));
	*ret = r != 0 ? ANSWER_UNKNOWN : slice_eq(db_text(q, 0), hash) ? ANSWER_DUPLICATE : ANSWER_CONFLICT;
	return r < 0 ? r : 0;
}

static int
take(struct store *s, struct delivery *d, const struct store_answer *a)
{
	CLEANUP(buf_free) struct buf parts = { 0 };
	struct delivery m[STORE_BATCH_MEMBERS];
	size_t n;
	int r = pocket_write(a, &parts);
	if (r == 0)
		r = db_run(s, "INSERT INTO answer (event, hash, made_us, parts) VALUES (?, ?, ?, ?)", DB_I(d->event),
		    DB_B(a->hash), DB_I(a->now_us), DB_B(buf_view(&parts)));
	/* On its way: whatever the courier brings back, this is the answer. */
	if (r < 0 || d->state == DELIVERY_CLAIMED)
		return r;
	bool settled;
	CRASH_POINT("keeper-answer-kept");
	r = delivery_members(s, d->lane, (enum delivery_state)d->state, d->batch, m, &n);
	if (r == 0)
		r = pocket_settle(s, m, n, d, a->now_us, &settled);
	CRASH_POINT("keeper-answer-settles");
	return r;
}

int
store_answer(struct store *s, const struct store_answer *a, enum answer_result *ret, bool *ret_due)
{
	struct delivery d;
	*ret_due = false;
	*ret = ANSWER_UNKNOWN;
	int r = question_of(s, a->tenant, &a->event, &d);
	if (r != 0 || d.attempt == 0)
		return r < 0 ? r : 0;
	r = compare(s, d.event, a->hash, ret);
	if (r < 0 || *ret != ANSWER_UNKNOWN)
		return r;
	bool open = d.state == DELIVERY_CLAIMED || d.state == DELIVERY_WAITING || d.state == DELIVERY_PENDING
	    || d.state == DELIVERY_HELD;
	*ret = d.batch != d.id ? ANSWER_LATE : open ? ANSWER_TAKEN : d.state == DELIVERY_DONE ? ANSWER_CONFLICT : ANSWER_LATE;
	if (*ret != ANSWER_TAKEN)
		return 0;
	r = db_enter(s);
	if (r < 0)
		return r;
	r = db_leave(s, take(s, &d, a));
	*ret_due = r == 0;
	return r;
}
