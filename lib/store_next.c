/* What follows from the end of a question: the parts of its answer, or the
 * ladder when there is none. */
#include <errno.h>
#include <stdio.h>

#include "lib/base.h"
#include "lib/chatwoot/answer.h"
#include "lib/crashpoint.h"
#include "lib/store.h"
#include "lib/store_db.h"
#include "lib/tenant.h"

#define MERGES_MAX 3            /* a customer who goes on writing gets an answer all the same */

/* ---- making ---- */

/* The number that the event's next delivery to Chatwoot has. */
static int
next_number(struct store *s, int64_t event, int64_t *ret)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT coalesce(max(n), 0) + 1 FROM delivery WHERE event = ? AND kind IN (2, 3, 4, 6)", DB_I(event));
	if (r == 0)
		*ret = db_int(q, 0);
	return r < 0 ? r : 0;
}

int
next_make(struct store *s, const struct delivery *of, const struct store_next *next, size_t n, int64_t since_us,
    bool ladder, int64_t now_us)
{
	int64_t conversation = lane_conversation(of->lane), lane = lane_id(conversation, DEST_CHATWOOT), number = 0;
	if (n == 0)
		return 0;
	int r = lane_add(s, lane, of->tenant, DEST_CHATWOOT, conversation, now_us, now_us + next[0].delay_us);
	if (r == 0)
		r = next_number(s, of->event, &number);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = db_run(s, "INSERT INTO delivery (tenant, kind, state, event, lane, order_id, n, since_us, made_us, delay_us,"
		    " ladder, payload) VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)", DB_I(of->tenant), DB_I(next[i].kind),
		    DB_I(DELIVERY_PENDING), DB_I(of->event), DB_I(lane), DB_I(number + (int64_t)i), DB_I(since_us), DB_I(now_us),
		    DB_I(next[i].delay_us), DB_I(ladder), DB_B(next[i].payload));
		if (r == 0)
			r = books_move(s, of->tenant, (int)next[i].kind, BOOK_MADE, 1);
		if (r == 0)
			r = books_move(s, of->tenant, (int)next[i].kind, DELIVERY_PENDING, 1);
	}
	return r;
}

/* ---- an answer ---- */

static bool
customer_sees(const struct store_next *next, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (next[i].kind == DELIVERY_K_REPLY)
			return true;
	return false;
}

/* The key is the newest message, and new with every merge: how often it was
 * asked is known by the oldest. */
static int64_t
most_attempts(const struct delivery *m, size_t n)
{
	int64_t most = 0;
	for (size_t i = 0; i < n; i++)
		if (m[i].attempt > most)
			most = m[i].attempt;
	return most;
}

/* Has the customer written more since this was asked, and is it to be asked
 * again together? */
static int
overtaken(struct store *s, const struct delivery *m, size_t n, const struct delivery *key, bool *ret)
{
	struct slice record;
	struct tenant_manners manners;
	*ret = false;
	{
		DB_QUERY(q);
		int r = tenant_record(s, key->tenant, &q, &record);
		if (r != 0)
			return r < 0 ? r : 0;
		tenant_manners_read(record, &manners);
	}
	if (!manners.merge_overtaken || most_attempts(m, n) > MERGES_MAX)
		return 0;
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT 1 FROM delivery WHERE lane = ? AND state = 1 AND kind = 1 AND batch <> ? LIMIT 1",
	    DB_I(key->lane), DB_I(key->id));
	*ret = r == 0;
	return r < 0 ? r : 0;
}

static int
ask_again(struct store *s, struct delivery *m, size_t n)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		m[i].batch = 0;
		r = delivery_move(s, &m[i], DELIVERY_PENDING);
		if (r == 0)
			r = db_run(s, "UPDATE delivery SET reason = 'overtaken by newer messages: asked again together' WHERE id = ?",
			    DB_I(m[i].id));
	}
	return r;
}

/* The batch has left its lane, which may be busy with another by now. */
static int
leave_lane(struct store *s, const struct delivery *key, int64_t now_us)
{
	struct lane l;
	int r = lane_load(s, key->lane, &l);
	if (r != 0)
		return r < 0 ? r : db_fail(s, "a delivery has no lane");
	return l.batch == key->id ? lane_free(s, l.id, now_us) : lane_refresh(s, l.id, now_us);
}

static int
count_answer(struct store *s, const struct delivery *key, bool seen, int64_t now_us)
{
	struct talk t;
	int r = talk_load(s, lane_conversation(key->lane), &t);
	if (r < 0 || (!seen && !t.gave_up))
		return r;
	t.gave_up = false;
	if (seen)
		talk_count_answer(&t, now_us);
	return talk_store(s, (struct slice){ NULL, 0 }, &t);
}

int
question_answered(struct store *s, struct delivery *m, size_t n, const struct delivery *key,
    const struct store_next *next, size_t nexts, int64_t status, int64_t now_us)
{
	bool seen = customer_sees(next, nexts), again = false;
	int r = seen ? overtaken(s, m, n, key, &again) : 0;
	if (r == 0 && again)
		r = ask_again(s, m, n);
	for (size_t i = 0; r == 0 && !again && i < n; i++)
		r = delivery_end(s, &m[i], DELIVERY_DONE, status, (struct slice){ NULL, 0 }, now_us);
	if (r == 0)
		r = leave_lane(s, key, now_us);
	if (r == 0 && !again)
		r = count_answer(s, key, seen, now_us);
	return r < 0 || again ? r : next_make(s, key, next, nexts, key->since_us, false, now_us);
}

/* ---- no answer ---- */

struct ladder {
	struct buf bytes[4];
	struct store_next next[4];
	size_t n;
};

static void
ladder_free(struct ladder *l)
{
	for (size_t i = 0; i < ARRAY_LEN(l->bytes); i++)
		buf_free(&l->bytes[i]);
}

static int
rung(struct ladder *l, const struct chatwoot_part *p)
{
	struct buf *to = &l->bytes[l->n];
	int r = chatwoot_part_pack(p, to);
	if (r == 0)
		l->next[l->n++] = (struct store_next){ .kind = p->kind, .payload = buf_view(to) };
	return r;
}

static int
climb(struct ladder *l, const struct tenant_manners *m, struct slice reason)
{
	char note[STORE_TEXT + 64];
	int r = 0;
	if (m->give_up.message.len > 0)
		r = rung(l, &(struct chatwoot_part){ .kind = DELIVERY_K_REPLY, .text = m->give_up.message });
	if (r == 0 && m->give_up.note) {
		int most = reason.len > STORE_TEXT - 1 ? STORE_TEXT - 1 : (int)reason.len;
		snprintf(note, sizeof(note), "No automatic answer was given: %.*s", most, reason.len ? reason.ptr : "");
		r = rung(l, &(struct chatwoot_part){ .kind = DELIVERY_K_NOTE, .text = slice_of(note) });
	}
	if (r == 0 && m->give_up.label.len > 0)
		r = rung(l, &(struct chatwoot_part){ .kind = DELIVERY_K_LABELS, .label = { m->give_up.label }, .labels = 1 });
	if (r == 0 && m->give_up.handoff)
		r = rung(l, &(struct chatwoot_part){ .kind = DELIVERY_K_HANDOFF });
	return r;
}

static int
ladder_of(struct store *s, int64_t tenant, struct slice reason, struct ladder *ret)
{
	DB_QUERY(q);
	struct slice record;
	struct tenant_manners manners;
	int r = tenant_record(s, tenant, &q, &record);
	if (r != 0)
		return r < 0 ? r : 0;           /* a tenant that is gone */
	tenant_manners_read(record, &manners);
	return climb(ret, &manners, reason);
}

int
ladder_make(struct store *s, const struct delivery *failed, struct slice reason, int64_t now_us)
{
	CLEANUP(ladder_free) struct ladder l = { .n = 0 };
	struct talk t;
	if (failed->ladder || (failed->kind != DELIVERY_K_HUB && failed->kind != DELIVERY_K_REPLY))
		return 0;
	int r = talk_load(s, lane_conversation(failed->lane), &t);
	if (r == 0 && !t.gave_up)
		r = ladder_of(s, failed->tenant, reason, &l);
	if (r < 0 || l.n == 0)
		return r;
	t.gave_up = true;
	CRASH_POINT("keeper-ladder");
	r = talk_store(s, (struct slice){ NULL, 0 }, &t);
	return r < 0 ? r : next_make(s, failed, l.next, l.n, now_us, true, now_us);
}

int
note_in_place(struct store *s, const struct delivery *reply, int64_t now_us)
{
	static const char head[] = "Not sent, because the channel's reply window is closed:\n\n";
	CLEANUP(buf_free) struct buf text = { 0 }, payload = { 0 };
	struct chatwoot_part part;
	int r = buf_append_slice(&text, slice_of(head));
	{
		DB_QUERY(q);
		if (r == 0)
			r = db_first(s, &q, "SELECT payload FROM delivery WHERE id = ?", DB_I(reply->id));
		if (r != 0)
			return r < 0 ? r : 0;
		if (chatwoot_part_unpack(db_text(q, 0), &part) < 0)
			return 0;
		r = buf_append_slice(&text, part.text);
	}
	part = (struct chatwoot_part){ .text = buf_view(&text) };
	if (r == 0)
		r = chatwoot_part_pack(&part, &payload);
	struct store_next next = { .kind = DELIVERY_K_NOTE, .payload = buf_view(&payload) };
	return r < 0 ? r : next_make(s, reply, &next, 1, reply->since_us, reply->ladder, now_us);
}
