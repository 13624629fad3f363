/* Conversations: what is known of one, and what an event was judged under. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/base.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define HEARD_EVERY_US 1000000

#define TALK_COLUMNS "id, tenant, account, display, seen, latest, answers, answers_us, heard_us, gave_up," \
	" status, owner, owner_id, updated_us, human, stopped, handed, no_reply, fence, fence_why"

static void
talk_read(struct sqlite3_stmt *q, struct talk *ret)
{
	*ret = (struct talk){
		.id = db_int(q, 0), .tenant = db_int(q, 1), .account = db_int(q, 2), .display = db_int(q, 3),
		.seen = db_int(q, 4), .latest = db_int(q, 5), .answers = db_int(q, 6), .answers_us = db_int(q, 7),
		.heard_us = db_int(q, 8), .gave_up = db_int(q, 9) != 0,
		.state = {
			.known = true,
			.status = (enum chatwoot_status)db_int(q, 10), .owner = (enum chatwoot_owner)db_int(q, 11),
			.owner_id = db_int(q, 12), .updated_us = db_int(q, 13),
			.human = db_int(q, 14) != 0, .stopped = db_int(q, 15) != 0,
			.handed = db_int(q, 16) != 0, .no_reply = db_int(q, 17) != 0,
			.fence = (uint32_t)db_int(q, 18), .fence_why = (int)db_int(q, 19),
		},
	};
}

int
talk_find(struct store *s, int64_t tenant, struct slice installation, int64_t account, int64_t display, struct talk *ret)
{
	DB_QUERY(q);
	*ret = (struct talk){ .tenant = tenant, .account = account, .display = display };
	int r = db_first(s, &q, "SELECT " TALK_COLUMNS " FROM conversation"
	    " WHERE tenant = ? AND installation = ? AND account = ? AND display = ?",
	    DB_I(tenant), DB_T(installation), DB_I(account), DB_I(display));
	if (r == 0)
		talk_read(q, ret);
	return r < 0 ? r : 0;
}

int
talk_load(struct store *s, int64_t id, struct talk *ret)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT " TALK_COLUMNS " FROM conversation WHERE id = ?", DB_I(id));
	if (r == DB_END)
		return db_fail(s, "there is no conversation %" PRId64, id);
	if (r == 0)
		talk_read(q, ret);
	return r;
}

int
talk_store(struct store *s, struct slice installation, struct talk *t)
{
	const struct chatwoot_state *c = &t->state;
	if (t->id)
		return db_run(s, "UPDATE conversation SET seen = ?, latest = ?, answers = ?, answers_us = ?, heard_us = ?, gave_up = ?,"
		    " status = ?, owner = ?, owner_id = ?, updated_us = ?, human = ?, stopped = ?, handed = ?, no_reply = ?,"
		    " fence = ?, fence_why = ? WHERE id = ?",
		    DB_I(t->seen), DB_I(t->latest), DB_I(t->answers), DB_I(t->answers_us), DB_I(t->heard_us), DB_I(t->gave_up),
		    DB_I(c->status), DB_I(c->owner), DB_I(c->owner_id), DB_I(c->updated_us), DB_I(c->human), DB_I(c->stopped),
		    DB_I(c->handed), DB_I(c->no_reply), DB_I(c->fence), DB_I(c->fence_why), DB_I(t->id));
	int r = db_run(s, "INSERT INTO conversation (tenant, installation, account, display, seen, latest, heard_us, status,"
	    " owner, owner_id, updated_us, human, stopped, handed, no_reply, fence, fence_why)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    DB_I(t->tenant), DB_T(installation), DB_I(t->account), DB_I(t->display), DB_I(t->seen), DB_I(t->latest),
	    DB_I(t->heard_us), DB_I(c->status), DB_I(c->owner), DB_I(c->owner_id), DB_I(c->updated_us), DB_I(c->human),
	    DB_I(c->stopped), DB_I(c->handed), DB_I(c->no_reply), DB_I(c->fence), DB_I(c->fence_why));
	if (r == 0)
		t->id = db_last_id(s);
	return r;
}

static bool
in_budget_span(const struct talk *t, int64_t now_us)
{
	return t->answers_us > now_us - STORE_BUDGET_US && t->answers_us <= now_us;
}

bool
talk_exhausted(const struct store *s, const struct talk *t, int64_t now_us)
{
	return s->rules.reply_budget > 0 && in_budget_span(t, now_us) && t->answers >= (int64_t)s->rules.reply_budget;
}

void
talk_count_answer(struct talk *t, int64_t now_us)
{
	if (!in_budget_span(t, now_us)) {
		t->answers_us = now_us;
		t->answers = 0;
	}
	t->answers++;
}

int
talk_policy(struct store *s, int64_t event, struct chatwoot_policy *ret, uint32_t *ret_fence)
{
	DB_QUERY(q);
	struct chatwoot_facts facts;
	int r = db_first(s, &q, "SELECT fence, mode, facts FROM event WHERE id = ?", DB_I(event));
	if (r != 0)
		return r < 0 ? r : db_fail(s, "there is no event %" PRId64, event);
	*ret_fence = (uint32_t)db_int(q, 0);
	/* Facts that another version packed: the mode has a column of its own. */
	if (chatwoot_unpack(db_text(q, 2), &facts, ret) < 0)
		*ret = (struct chatwoot_policy){ .mode = (enum chatwoot_mode)db_int(q, 1), .answer_open = true };
	return 0;
}

int
store_latest(struct store *s, const struct store_talk *which, int64_t *ret_message)
{
	int64_t tenant;
	struct talk t = { .latest = 0 };
	int r = tenant_id(s, which->tenant, &tenant);
	if (r == 0)
		r = talk_find(s, tenant, which->installation, which->account, which->conversation, &t);
	*ret_message = t.latest;
	return r < 0 ? r : 0;
}

/* ---- who was heard of --------------------------------------------------- */

/* Counted beside the transactions, like what is ignored: it is written when
 * something better is.  What a crash loses of it costs a longer look back. */
void
heard_note(struct store *s, int64_t tenant, struct slice installation, int64_t now_us)
{
	struct db_heard *h = NULL;
	for (size_t i = 0; i < s->heards && !h; i++)
		if (s->heard[i].tenant == tenant && slice_eq(slice_of(s->heard[i].installation), installation))
			h = &s->heard[i];
	if (!h) {
		if (array_grow((void **)&s->heard, &s->heard_cap, s->heards, sizeof(s->heard[0])) < 0)
			return;
		h = &s->heard[s->heards++];
		*h = (struct db_heard){ .tenant = tenant };
		snprintf(h->installation, sizeof(h->installation), SLICE_FMT, SLICE_ARG(installation));
	}
	h->last_us = now_us;
}

int
heard_flush(struct store *s)
{
	for (size_t i = 0; i < s->heards; i++) {
		struct db_heard *h = &s->heard[i];
		if (h->last_us - h->written_us < HEARD_EVERY_US)
			continue;
		int r = db_run(s, "INSERT INTO heard (tenant, installation, last_us) VALUES (?, ?, ?)"
		    " ON CONFLICT DO UPDATE SET last_us = excluded.last_us",
		    DB_I(h->tenant), DB_T(slice_of(h->installation)), DB_I(h->last_us));
		if (r < 0)
			return r;
		h->written_us = h->last_us;
	}
	return 0;
}

int
store_heard(struct store *s, void (*each)(void *, struct slice, struct slice, int64_t), void *context)
{
	DB_QUERY(q);
	int r = db_open(s, &q, "SELECT t.id, t.name, h.installation, h.last_us FROM heard h JOIN tenant t ON t.id = h.tenant"
	    " WHERE t.record IS NOT NULL");
	while (r == 0 && (r = db_next(s, q)) == 0) {
		int64_t last = db_int(q, 3);
		for (size_t i = 0; i < s->heards; i++)
			if (s->heard[i].tenant == db_int(q, 0) && slice_eq(slice_of(s->heard[i].installation), db_text(q, 2)))
				last = s->heard[i].last_us;
		each(context, db_text(q, 1), db_text(q, 2), last);
	}
	return r < 0 ? r : 0;
}
