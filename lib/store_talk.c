/* Conversations: what is known of one, and what an event was judged under. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/base.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define TALK_COLUMNS "id, tenant, account, display, seen, answers, answers_us, gave_up," \
	" status, owner, owner_id, updated_us, human, stopped, handed, no_reply, fence, fence_why"

static void
talk_read(struct sqlite3_stmt *q, struct talk *ret)
{
	*ret = (struct talk){
		.id = db_int(q, 0), .tenant = db_int(q, 1), .account = db_int(q, 2), .display = db_int(q, 3),
		.seen = db_int(q, 4), .answers = db_int(q, 5), .answers_us = db_int(q, 6), .gave_up = db_int(q, 7) != 0,
		.state = {
			.known = true,
			.status = (enum chatwoot_status)db_int(q, 8), .owner = (enum chatwoot_owner)db_int(q, 9),
			.owner_id = db_int(q, 10), .updated_us = db_int(q, 11),
			.human = db_int(q, 12) != 0, .stopped = db_int(q, 13) != 0,
			.handed = db_int(q, 14) != 0, .no_reply = db_int(q, 15) != 0,
			.fence = (uint32_t)db_int(q, 16), .fence_why = (int)db_int(q, 17),
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
		return db_run(s, "UPDATE conversation SET seen = ?, answers = ?, answers_us = ?, gave_up = ?,"
		    " status = ?, owner = ?, owner_id = ?, updated_us = ?, human = ?, stopped = ?, handed = ?, no_reply = ?,"
		    " fence = ?, fence_why = ? WHERE id = ?",
		    DB_I(t->seen), DB_I(t->answers), DB_I(t->answers_us), DB_I(t->gave_up),
		    DB_I(c->status), DB_I(c->owner), DB_I(c->owner_id), DB_I(c->updated_us), DB_I(c->human), DB_I(c->stopped),
		    DB_I(c->handed), DB_I(c->no_reply), DB_I(c->fence), DB_I(c->fence_why), DB_I(t->id));
	int r = db_run(s, "INSERT INTO conversation (tenant, installation, account, display, seen, status,"
	    " owner, owner_id, updated_us, human, stopped, handed, no_reply, fence, fence_why)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	    DB_I(t->tenant), DB_T(installation), DB_I(t->account), DB_I(t->display), DB_I(t->seen), DB_I(c->status), DB_I(c->owner), DB_I(c->owner_id), DB_I(c->updated_us), DB_I(c->human),
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
