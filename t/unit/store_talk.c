/* What the store does for a conversation beyond passing messages on: bursts,
 * answers in parts, answers later, posts of unknown outcome, no answer at all,
 * and the operator's hand.  Long because each is a story of its own in one small
 * world (store_world.h). */
#include "t/unit/store_world.h"

/* ---- helpers ---- */

static void
debounce(struct world *w, int64_t us)
{
	w->rules.debounce_us = us;
	store_set_rules(w->s, &w->rules);
}

static int
settle_with(struct world *w, int64_t key, const struct store_next *next, size_t n)
{
	bool due;
	struct store_settle how = { .delivery = key, .now_us = w->now, .delay_us = -1, .verdict = SETTLE_DONE, .status = 200,
		.next = next, .nexts = n };
	return store_settle(w->s, &how, &due);
}

static const struct store_next one_reply = { DELIVERY_K_REPLY, 0, { "hello", 5 } };

/* The event id of the n-th put. */
static enum answer_result
answer(struct world *w, uint32_t event, const char *hash, const struct store_next *next, size_t n, bool dead)
{
	enum answer_result result = 0;
	bool due;
	struct store_answer a = { .tenant = SLICE("shop"), .event = event_id(event), .hash = slice_of(hash), .now_us = w->now,
		.next = next, .nexts = n, .dead = dead, .reason = dead ? SLICE("cannot") : SLICE("") };
	ROW("an answer is looked at", store_answer(w->s, &a, &result, &due) == 0);
	return result;
}

static void
echo(struct world *w, int64_t conversation, uint32_t event, int64_t n)
{
	struct store_put p;
	struct chatwoot_facts f = incoming(7, conversation, 90000 + n);
	f.type = CW_TY_OUTGOING;
	f.sender = CW_SE_BOT;
	f.ours = true;
	f.echo = event_id(event);
	f.echo_n = n;
	ROW("an echo is ignored", put_facts(w, "shop", 800000 + (uint32_t)n, &f, SLICE("x"), false, &p) == 0 && p.decision == CW_D_IGNORE);
}

static void
status(struct world *w, int64_t conversation, uint32_t id, enum chatwoot_status to)
{
	struct store_put p;
	struct chatwoot_facts f = incoming(7, conversation, 0);
	f.event = CW_EV_STATUS_CHANGED;
	f.status = to;
	f.updated_us = w->now + id;
	ROW("a status is taken in", put_facts(w, "shop", 700000 + id, &f, SLICE("x"), false, &p) == 0 && p.stored);
}

static size_t
claimed_kind(struct world *w, enum delivery_kind kind)
{
	return claim(w) == 1 && w->got[0].kind == kind;
}

/* ---- bursts ---- */

static void
bursts(void)
{
	struct world *w = begin_world();
	struct tenant_manners quick = plain;
	quick.debounce_ms = 0;
	debounce(w, 2 * SECOND);
	for (int i = 0; i < 6; i++) {
		message(w, 1, 1 + i);
		ROW("each message moves it on", claim(w) == 0 && w->claimed.delay_us == (i < 5 ? 2 * SECOND : SECOND + SECOND / 2));
		w->now += SECOND + SECOND / 2 + SECOND / 5;
	}
	ROW("but a burst is not waited for longer than ten seconds", claim(w) == 1 && w->got[0].members == 6);
	message(w, 1, 20);
	w->now += SECOND;
	message(w, 1, 21);
	ROW("what comes while the hub thinks waits", claim(w) == 0);
	ROW("it answers", settle(w, w->got[0].key ? w->got[0].key : 6, SETTLE_DONE, -1) == 0);
	ROW("and is debounced too", claim(w) == 0 && w->claimed.delay_us == 2 * SECOND);
	w->now += 2 * SECOND;
	ROW("then it travels together", claim(w) == 1 && w->got[0].members == 2);

	ROW("a tenant may have its own", add_tenant_with(w, "other", 8, &quick, false) == 0);
	struct store_put p;
	ROW("and wait not at all", put(w, (struct said){ "other", 1, 1, 10, false }, &p) == 0 && claim(w) == 1);
	message(w, 2, 1000);
	ROW("on disk", store_commit(w->s) == 0);
	reopen(w);
	ROW("a burst outlives the keeper", claim(w) == 0 && w->claimed.delay_us == 2 * SECOND);
	end_world(w);
}

/* ---- answers in parts ---- */

static void
parts(void)
{
	struct world *w = begin_world();
	static const struct store_next next[] = {
		{ DELIVERY_K_REPLY, 0, { "one", 3 } }, { DELIVERY_K_REPLY, 3 * SECOND, { "two", 3 } },
		{ DELIVERY_K_NOTE, 0, { "note", 4 } }, { DELIVERY_K_LABELS, 0, { "labels", 6 } }, { DELIVERY_K_HANDOFF, 0, { "handoff", 7 } },
	};
	message(w, 1, 1);
	ROW("the hub answers in five parts", claim(w) == 1 && settle_with(w, w->got[0].key, next, 5) == 0);
	const char *why;
	for (size_t i = 0; i < 5; i++) {
		if (i == 1) {
			ROW("the second waits for its pause, counted from the end of the first", claim(w) == 0 && w->claimed.delay_us == 3 * SECOND);
			w->now += 3 * SECOND;
		}
		ROW("one at a time, in order", claimed_kind(w, next[i].kind) && w->got[0].n == (int64_t)i + 1
		    && strncmp(w->got[0].payload, next[i].payload.ptr, next[i].payload.len) == 0);
		if (next[i].kind != DELIVERY_K_LABELS)
			ROW("it may go", begin(w, w->got[0].key, &why) == 0);
		ROW("done", settle(w, w->got[0].key, SETTLE_DONE, -1) == 0);
	}
	message(w, 2, 2);
	ROW("in another conversation", claim(w) == 1 && settle_with(w, w->got[0].key, next, 5) == 0 && claimed_kind(w, DELIVERY_K_REPLY)
	    && w->got[0].conversation == 2);
	int64_t first = w->got[0].key;
	human_writes(w, 2, 3);
	ROW("a human holds back what the customer would see", begin(w, first, &why) == STORE_E_SUPPRESSED);
	w->now += 3 * SECOND;
	ROW("all of it", claimed_kind(w, DELIVERY_K_REPLY) && begin(w, w->got[0].key, &why) == STORE_E_SUPPRESSED);
	ROW("but not the note", claimed_kind(w, DELIVERY_K_NOTE) && begin(w, w->got[0].key, &why) == 0 && settle(w, w->got[0].key, SETTLE_DONE, -1) == 0);
	ROW("nor the labels", claimed_kind(w, DELIVERY_K_LABELS) && settle(w, w->got[0].key, SETTLE_DONE, -1) == 0);
	ROW("a handoff there is no need of", claimed_kind(w, DELIVERY_K_HANDOFF) && begin(w, w->got[0].key, &why) == STORE_E_SUPPRESSED);
	end_world(w);
}

static void
handoffs(void)
{
	struct world *w = begin_world();
	static const struct store_next handoff = { DELIVERY_K_HANDOFF, 0, { "x", 1 } };
	const char *why;
	struct store_put p;
	message(w, 1, 1);
	ROW("the hub hands off", claim(w) == 1 && settle_with(w, w->got[0].key, &handoff, 1) == 0 && claimed_kind(w, DELIVERY_K_HANDOFF));
	int64_t key = w->got[0].key;
	message(w, 1, 2);
	ROW("what came meanwhile is asked", claim(w) == 1 && settle_with(w, w->got[0].key, &one_reply, 1) == 0);
	ROW("it is begun", begin(w, key, &why) == 0 && settle(w, key, SETTLE_DONE, -1) == 0);
	ROW("and the answer behind it is a human's matter", claim(w) == 1 && begin(w, w->got[0].key, &why) == STORE_E_SUPPRESSED);
	ROW("so is the next message", put(w, (struct said){ "shop", 1, 3, 10, false }, &p) == 0 && p.decision == CW_D_IGNORE);
	status(w, 1, 1, CW_ST_PENDING);
	ROW("until it is handed back", put(w, (struct said){ "shop", 1, 4, 10, false }, &p) == 0 && p.decision == CW_D_FORWARD);
	end_world(w);
}

/* ---- answers later ---- */

static void
later(void)
{
	struct world *w = begin_world();
	message(w, 1, 1);
	message(w, 1, 2);
	ROW("not asked yet: unknown", answer(w, 2, "h1", &one_reply, 1, false) == ANSWER_UNKNOWN);
	ROW("asked", claim(w) == 1 && w->got[0].members == 2);
	int64_t key = w->got[0].key;
	ROW("the hub says later", settle(w, key, SETTLE_WAIT, 120 * SECOND) == 0 && state_of(w, key) == DELIVERY_WAITING);
	message(w, 1, 3);
	ROW("newer messages wait for it", claim(w) == 0 && w->claimed.delay_us == 120 * SECOND);
	struct store_question q;
	struct uuid second = event_id(2), first = event_id(1);
	ROW("the question is known", store_question(w->s, SLICE("shop"), &second, &q) == 0 && q.account == 7 && q.conversation == 1);
	ROW("to its tenant alone", store_question(w->s, SLICE("other"), &second, &q) == STORE_E_NONE);
	ROW("a member that was not the key is late", store_question(w->s, SLICE("shop"), &first, &q) == 0
	    && answer(w, 1, "h1", &one_reply, 1, false) == ANSWER_LATE);
	ROW("it is taken", answer(w, 2, "h1", &one_reply, 1, false) == ANSWER_TAKEN);
	ROW("both messages are answered", state_of(w, key) == DELIVERY_DONE && state_of(w, key - 1) == DELIVERY_DONE);
	ROW("the same again is a duplicate", answer(w, 2, "h1", &one_reply, 1, false) == ANSWER_DUPLICATE);
	ROW("another is a conflict", answer(w, 2, "h2", &one_reply, 1, false) == ANSWER_CONFLICT);
	ROW("the reply and the newer message go", claim(w) == 2);

	message(w, 2, 10);
	ROW("asked at once", claim(w) == 1 && settle_with(w, w->got[0].key, &one_reply, 1) == 0);
	ROW("what was answered at once wants no other", answer(w, 4, "h1", &one_reply, 1, false) == ANSWER_CONFLICT);

	message(w, 3, 20);
	ROW("asked, the reply of before beside it", claim(w) == 2);
	key = w->got[0].dest == DEST_HUB ? w->got[0].key : w->got[1].key;
	ROW("the hub says later", settle(w, key, SETTLE_WAIT, 120 * SECOND) == 0);
	w->now += 120 * SECOND;
	ROW("and says nothing", claim(w) == 0 && w->claimed.ended == 1 && state_of(w, key) == DELIVERY_DEAD);
	ROW("then it is too late", answer(w, 5, "h1", &one_reply, 1, false) == ANSWER_LATE);
	end_world(w);
}

static void
pockets(void)
{
	struct world *w = begin_world();
	size_t released;
	message(w, 1, 1);
	ROW("asked", claim(w) == 1);
	int64_t key = w->got[0].key;
	ROW("the answer comes before the hub's 202", answer(w, 1, "h", &one_reply, 1, false) == ANSWER_TAKEN
	    && state_of(w, key) == DELIVERY_CLAIMED && claim(w) == 0);
	ROW("which then settles it", settle(w, key, SETTLE_WAIT, SECOND) == 0 && state_of(w, key) == DELIVERY_DONE && claim(w) == 1);
	message(w, 2, 2);
	ROW("asked", claim(w) == 1);
	key = w->got[0].key;
	ROW("the same, and the connection breaks", answer(w, 2, "h", &one_reply, 1, false) == ANSWER_TAKEN
	    && settle(w, key, SETTLE_RETRY, SECOND) == 0 && state_of(w, key) == DELIVERY_DONE && claim(w) == 1);
	message(w, 3, 3);
	ROW("asked", claim(w) == 1);
	key = w->got[0].key;
	ROW("the same, and the courier dies", answer(w, 3, "h", &one_reply, 1, false) == ANSWER_TAKEN
	    && store_release(w->s, w->now, w->now, &released) == 0 && state_of(w, key) == DELIVERY_DONE);
	message(w, 4, 4);
	w->gots = 0;
	ROW("asked", claim(w) > 0);
	for (size_t i = 0; i < w->gots; i++)
		if (w->got[i].dest == DEST_HUB)
			key = w->got[i].key;
	ROW("the same, and it answers at once too: both are posted", answer(w, 4, "h", &one_reply, 1, false) == ANSWER_TAKEN
	    && settle_with(w, key, &one_reply, 1) == 0);
	struct uuid event = event_id(4);
	ROW("nothing accepted is lost", count_rows(w, (struct store_filter){ .event = &event }) == 3);
	message(w, 5, 5);
	ROW("asked", claim(w) > 0);
	for (size_t i = 0; i < w->gots; i++)
		if (w->got[i].dest == DEST_HUB)
			key = w->got[i].key;
	ROW("the hub gives up by itself", settle(w, key, SETTLE_WAIT, SECOND) == 0 && answer(w, 5, "h", NULL, 0, true) == ANSWER_TAKEN
	    && state_of(w, key) == DELIVERY_DEAD);
	/* Asked again, it may answer again: what it said before is no answer to this. */
	struct store_progress p;
	ROW("the operator asks again", store_change(w->s, STORE_RETRY, &(struct store_filter){ .id = &key, .ids = 1 }, false, w->now, &p) == 0
	    && p.count == 1 && answer(w, 5, "h2", &one_reply, 1, false) == ANSWER_UNKNOWN);
	ROW("asked", claim(w) > 0 && settle(w, key, SETTLE_WAIT, SECOND) == 0);
	ROW("and another answer is taken", answer(w, 5, "h2", &one_reply, 1, false) == ANSWER_TAKEN && state_of(w, key) == DELIVERY_DONE);
	end_world(w);
}

/* ---- posted, or not? ---- */

static void
echoes(void)
{
	struct world *w = begin_world();
	const char *why;
	int64_t reply = ask_and_answer(w, 1, 1);
	ROW("begun, and nobody knows", begin(w, reply, &why) == 0 && settle(w, reply, SETTLE_UNKNOWN, -1) == 0);
	message(w, 1, 2);
	ROW("the hub goes on", claim(w) == 1 && settle_with(w, w->got[0].key, &one_reply, 1) == 0);
	ROW("the next reply waits behind it", claim(w) == 0);
	echo(w, 1, 2, 1);
	ROW("another's echo says nothing", state_of(w, reply) == DELIVERY_WAITING);
	echo(w, 2, 1, 1);
	ROW("nor does one from another place", state_of(w, reply) == DELIVERY_WAITING);
	echo(w, 1, 1, 1);
	ROW("its own does", state_of(w, reply) == DELIVERY_DONE && claim(w) == 1 && w->got[0].n == 1);
	int64_t second = w->got[0].key;
	ROW("an echo that comes before the outcome", begin(w, second, &why) == 0);
	echo(w, 1, 2, 1);
	ROW("is remembered", state_of(w, second) == DELIVERY_CLAIMED && settle(w, second, SETTLE_UNKNOWN, -1) == 0
	    && state_of(w, second) == DELIVERY_DONE);

	int64_t held = ask_and_answer(w, 3, 30);
	ROW("no echo", begin(w, held, &why) == 0 && settle(w, held, SETTLE_UNKNOWN, -1) == 0);
	w->now += 60 * SECOND;
	ROW("it is held", claim(w) == 0 && w->claimed.ended == 1 && state_of(w, held) == DELIVERY_UNKNOWN);
	echo(w, 3, 3, 1);
	ROW("late, but there", state_of(w, held) == DELIVERY_DONE);
	end_world(w);
}

static void
repeats(void)
{
	struct world *w = begin_world();
	struct tenant_manners m = plain;
	const char *why;
	m.repeat_unknown = true;
	ROW("a tenant that would rather be told twice", add_tenant_with(w, "shop", 7, &m, false) == 0);
	int64_t reply = ask_and_answer(w, 1, 1);
	ROW("nobody knows", begin(w, reply, &why) == 0 && settle(w, reply, SETTLE_UNKNOWN, -1) == 0 && claim(w) == 0);
	w->now += 60 * SECOND;
	ROW("it is posted again", claim(w) == 1 && w->got[0].key == reply && w->got[0].attempt == 2 && !w->got[0].lookup);
	ROW("under the fence", begin(w, reply, &why) == 0);
	end_world(w);
}

static void
lookups(void)
{
	struct world *w = begin_world();
	const char *why;
	ROW("a tenant with a user token", add_tenant_with(w, "shop", 7, &plain, true) == 0);
	int64_t reply = ask_and_answer(w, 1, 1);
	ROW("nobody knows", begin(w, reply, &why) == 0 && settle(w, reply, SETTLE_UNKNOWN, -1) == 0 && claim(w) == 0
	    && w->claimed.delay_us == 10 * SECOND);
	w->now += 10 * SECOND;
	ROW("it is looked up, behind the customer's message", claim(w) == 1 && w->got[0].lookup && w->got[0].message_id == 1 && w->got[0].attempt == 1);
	ROW("it was not posted", settle(w, reply, SETTLE_ABSENT, -1) == 0 && state_of(w, reply) == DELIVERY_PENDING);
	ROW("so it is, now", claim(w) == 1 && !w->got[0].lookup && w->got[0].attempt == 2 && begin(w, reply, &why) == 0);
	ROW("again nobody knows", settle(w, reply, SETTLE_UNKNOWN, -1) == 0);
	w->now += 10 * SECOND;
	size_t released;
	ROW("looked up, and the courier dies", claim(w) == 1 && w->got[0].lookup && store_release(w->s, w->now, w->now, &released) == 0
	    && state_of(w, reply) == DELIVERY_WAITING);
	w->now += 10 * SECOND;
	ROW("again, and it cannot be found out", claim(w) == 1 && w->got[0].lookup && settle(w, reply, SETTLE_UNKNOWN, -1) == 0);
	ROW("three times are enough: now its echo is waited for", claim(w) == 0 && w->claimed.delay_us == 60 * SECOND);
	w->now += 60 * SECOND;
	ROW("and then it is held", claim(w) == 0 && state_of(w, reply) == DELIVERY_UNKNOWN);

	reply = ask_and_answer(w, 2, 2);
	ROW("nobody knows", begin(w, reply, &why) == 0 && settle(w, reply, SETTLE_UNKNOWN, -1) == 0);
	w->now += 10 * SECOND;
	ROW("looked up and found", claim(w) == 1 && settle(w, reply, SETTLE_DONE, -1) == 0 && state_of(w, reply) == DELIVERY_DONE);
	end_world(w);
}

/* ---- the fence ---- */

static void
shown(void)
{
	struct world *w = begin_world();
	const char *why;
	struct chatwoot_facts f = incoming(7, 1, 0);
	f.event = CW_EV_OTHER;
	f.owner = CW_OWN_HUMAN;
	f.owner_id = 12;
	f.updated_us = T0 + 5;
	int64_t reply = ask_and_answer(w, 1, 1);
	ROW("Chatwoot shows a human that no event told of", store_begin(w->s, &(struct store_begin){ reply, w->now, &f }, &why) == STORE_E_SUPPRESSED
	    && strstr(why, "human"));
	struct store_put p;
	ROW("it is remembered", put(w, (struct said){ "shop", 1, 2, 10, false }, &p) == 0 && p.decision == CW_D_IGNORE);
	reply = ask_and_answer(w, 2, 10);
	f = incoming(7, 2, 0);
	f.updated_us = T0 - 5;
	f.status = CW_ST_RESOLVED;
	ROW("what is older than we know tells nothing", store_begin(w->s, &(struct store_begin){ reply, w->now, &f }, &why) == 0);
	end_world(w);
}

static void
windows(void)
{
	struct world *w = begin_world();
	const char *why;
	CLEANUP(buf_free) struct buf payload = { 0 };
	ROW("a payload", chatwoot_part_pack(&(struct chatwoot_part){ .text = SLICE("too late") }, &payload) == 0);
	struct store_next next = { DELIVERY_K_REPLY, 0, buf_view(&payload) };
	message(w, 1, 1);
	ROW("an answer", claim(w) == 1 && settle_with(w, w->got[0].key, &next, 1) == 0 && claim(w) == 1);
	struct chatwoot_facts f = incoming(7, 1, 0);
	f.cannot_reply = true;
	ROW("the channel takes no more", store_begin(w->s, &(struct store_begin){ w->got[0].key, w->now, &f }, &why) == STORE_E_SUPPRESSED
	    && strstr(why, "window"));
	ROW("a note has it", claimed_kind(w, DELIVERY_K_NOTE));
	ROW("with the text", memmem(w->got[0].payload, sizeof(w->got[0].payload), "Not sent", 8) != NULL);
	ROW("which may go", begin(w, w->got[0].key, &why) == 0);
	f = incoming(7, 1, 5);
	f.can_reply = true;
	f.updated_us = T0 + 1;
	struct store_put p;
	ROW("a new message opens it", put_facts(w, "shop", 4000, &f, SLICE("x"), false, &p) == 0 && p.decision == CW_D_FORWARD);
	end_world(w);
}

static void
overtakings(void)
{
	struct world *w = begin_world();
	struct tenant_manners m = plain;
	m.merge_overtaken = true;
	message(w, 1, 1);
	ROW("asked", claim(w) == 1);
	int64_t key = w->got[0].key;
	message(w, 1, 2);
	ROW("overtaken, and posted all the same", settle_with(w, key, &one_reply, 1) == 0 && state_of(w, key) == DELIVERY_DONE && claim(w) == 2);

	ROW("a tenant that would rather have one answer", add_tenant_with(w, "shop", 7, &m, false) == 0);
	message(w, 2, 10);
	ROW("asked", claim(w) == 1);
	key = w->got[0].key;
	message(w, 2, 11);
	ROW("overtaken: nothing is posted", settle_with(w, key, &one_reply, 1) == 0 && state_of(w, key) == DELIVERY_PENDING);
	ROW("asked again together, none of them late", claim(w) == 1 && w->got[0].dest == DEST_HUB && w->got[0].members == 2
	    && !w->got[0].late[0] && w->got[0].message[0] == 10 && w->got[0].message[1] == 11 && w->got[0].key != key);
	for (int i = 0; i < 2; i++) {
		key = w->got[0].key;
		message(w, 2, 12 + i);
		ROW("and again", settle_with(w, key, &one_reply, 1) == 0 && claim(w) == 1 && w->got[0].members == 3 + (size_t)i);
	}
	key = w->got[0].key;
	message(w, 2, 14);
	ROW("but who goes on writing gets an answer", settle_with(w, key, &one_reply, 1) == 0 && state_of(w, key) == DELIVERY_DONE);
	ROW("and is asked about what is new alone", claim(w) == 2 && w->got[0].dest != w->got[1].dest
	    && (w->got[0].dest == DEST_HUB ? w->got[0] : w->got[1]).members == 1);

	message(w, 3, 20);
	ROW("asked", claim(w) == 1);
	key = w->got[0].key;
	message(w, 3, 21);
	ROW("nothing to say is no answer that could be overtaken", settle(w, key, SETTLE_DONE, -1) == 0 && state_of(w, key) == DELIVERY_DONE);
	end_world(w);
}

static void
budgets(void)
{
	struct world *w = begin_world();
	w->rules.reply_budget = 2;
	store_set_rules(w->s, &w->rules);
	for (int i = 1; i <= 2; i++) {
		int64_t reply = ask_and_answer(w, 1, i);
		ROW("answered", settle(w, reply, SETTLE_DONE, -1) == 0);
	}
	message(w, 1, 3);
	ROW("that is all in ten minutes", claim(w) == 0 && w->claimed.ended == 1 && count_rows(w, (struct store_filter){ .state = DELIVERY_SUPPRESSED }) == 1);
	ROW("saying so", memmem(last_row.reason.ptr ? "budget" : "", 6, "budget", 6) != NULL);
	message(w, 1, 4);
	ROW("told once", claim(w) == 0 && w->claimed.ended == 1 && w->exhausted == 1);
	message(w, 2, 5);
	ROW("another conversation has its own", claim(w) == 1);
	w->now += 601 * SECOND;
	message(w, 1, 6);
	ROW("then it begins anew", claim(w) == 1 && w->got[0].conversation == 1 && w->exhausted == 1);
	end_world(w);
}

/* ---- no answer ---- */

static void
ladders(void)
{
	struct world *w = begin_world();
	const struct tenant_manners m = { .debounce_ms = -1, .give_up = { .message = SLICE("Sorry."), .note = true, .label = SLICE("bot-failed"), .handoff = true } };
	const char *why;
	ROW("a tenant with all of it", add_tenant_with(w, "shop", 7, &m, false) == 0);
	message(w, 1, 1);
	ROW("the hub refuses", claim(w) == 1 && settle(w, w->got[0].key, SETTLE_DEAD, -1) == 0);
	static const enum delivery_kind order[] = { DELIVERY_K_REPLY, DELIVERY_K_NOTE, DELIVERY_K_LABELS, DELIVERY_K_HANDOFF };
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		ROW("a word, a note, a label, a human: in that order", claimed_kind(w, order[i]) && w->got[0].n == (int64_t)i + 1);
		if (i == 0)
			ROW("the tenant's words", memmem(w->got[0].payload, 64, "Sorry.", 6) != NULL);
		if (i == 1)
			ROW("the reason", memmem(w->got[0].payload, 64, "because", 7) != NULL);
		ROW("done", (order[i] == DELIVERY_K_LABELS || begin(w, w->got[0].key, &why) == 0) && settle(w, w->got[0].key, SETTLE_DONE, -1) == 0);
	}
	status(w, 1, 1, CW_ST_PENDING);
	message(w, 1, 2);
	ROW("handed back, and it fails again: once is enough", claim(w) == 1 && settle(w, w->got[0].key, SETTLE_DEAD, -1) == 0 && claim(w) == 0);
	message(w, 1, 3);
	ROW("it answers", claim(w) == 1 && settle_with(w, w->got[0].key, &one_reply, 1) == 0 && claimed_kind(w, DELIVERY_K_REPLY));
	ROW("the reply cannot be posted: that is no answer either", begin(w, w->got[0].key, &why) == 0 && settle(w, w->got[0].key, SETTLE_DEAD, -1) == 0
	    && claimed_kind(w, DELIVERY_K_REPLY) && w->got[0].n == 2);
	ROW("and if that cannot, there is an end of it", begin(w, w->got[0].key, &why) == 0 && settle(w, w->got[0].key, SETTLE_DEAD, -1) == 0
	    && claimed_kind(w, DELIVERY_K_NOTE));

	rules(w, HOUR, 6 * HOUR);
	message(w, 5, 50);
	message(w, 5, 51);
	w->now += 2 * HOUR;
	size_t ended;
	bool more;
	ROW("two grow old that nobody may claim", store_age(w->s, w->now, &ended, &more) == 0 && ended >= 2 && !more);
	ROW("they are named so", count_rows(w, (struct store_filter){ .state = DELIVERY_EXPIRED }) >= 2);
	struct store_busy hub = { SLICE("shop"), DEST_HUB };
	ROW("one ladder for both", claim_with(w, (struct limits){ .busy = &hub, .busies = 1 }) >= 1);
	ROW("which is young", count_rows(w, (struct store_filter){ .kind = DELIVERY_K_HANDOFF }) == 3);
	ROW("again there is nothing", store_age(w->s, w->now, &ended, &more) == 0 && ended == 0);
	end_world(w);
}

static void
poison(void)
{
	struct world *w = begin_world();
	const struct tenant_manners m = { .debounce_ms = -1, .give_up = { .message = SLICE("Sorry.") } };
	ROW("a tenant with a word for it", add_tenant_with(w, "shop", 7, &m, false) == 0);
	message(w, 1, 1);
	for (int i = 0; i < STORE_CRASHES_MAX; i++) {
		ROW("a message", claim(w) == 1 && w->got[0].dest == DEST_HUB);
		struct store_hello h = { .crashed = w->got[0].key, .crashes = i, .now_us = w->now, .not_before_us = w->now };
		ROW("kills the courier", store_hello(w->s, &h, NULL, NULL) == 0);
	}
	ROW("it is set aside, and the customer is not left alone", claimed_kind(w, DELIVERY_K_REPLY) && w->got[0].n == 1);
	end_world(w);
}

static void
ages(void)
{
	struct world *w = begin_world();
	int64_t since;
	size_t ended, all = 0;
	bool more = true;
	ROW("nothing waits", store_oldest(w->s, &since) == 0 && since == 0);
	for (int i = 0; i < 500; i++)
		message(w, 1 + i, 1 + i);
	w->now += HOUR;
	message(w, 1000, 1000);
	ROW("the oldest", store_oldest(w->s, &since) == 0 && since == T0);
	rules(w, HOUR / 2, 0);
	for (int i = 0; more && i < 10; i++) {
		ROW("a slice", store_age(w->s, w->now, &ended, &more) == 0 && ended <= 200);
		all += ended;
	}
	ROW("all that are too old, and no more", all == 500 && count_rows(w, (struct store_filter){ .state = DELIVERY_EXPIRED }) == 500);
	ROW("the oldest is young", store_oldest(w->s, &since) == 0 && since == T0 + HOUR);
	end_world(w);
}

/* ---- told, not asked ---- */

static void
notices(void)
{
	struct world *w = begin_world();
	struct chatwoot_policy policy = { .mode = CW_MODE_BOT, .account = 7, .answer_open = true, .tell_closed = true, .tell_contact = true };
	struct chatwoot_facts f = incoming(7, 1, 0);
	struct store_event e = { .tenant = SLICE("shop"), .installation = SLICE("main"), .sender = SLICE("bot"), .request_id = SLICE("r"),
		.facts = &f, .policy = &policy, .facts_bytes = SLICE("facts"), .body = SLICE("{}"), .received_us = w->now };
	struct store_put p;
	message(w, 1, 1);
	f.event = CW_EV_RESOLVED;
	f.status = CW_ST_RESOLVED;
	f.updated_us = T0 + 9;
	e.id = event_id(400);
	ROW("closed", store_put(w->s, &e, &p) == 0 && p.decision == CW_D_CLOSE_SESSION && p.due);
	ROW("the message goes first, alone", claim(w) == 1 && w->got[0].kind == DELIVERY_K_HUB && w->got[0].members == 1);
	ROW("then it is told", settle(w, w->got[0].key, SETTLE_DONE, -1) == 0 && claimed_kind(w, DELIVERY_K_NOTICE) && w->got[0].members == 1
	    && w->got[0].notice == CW_N_CLOSED);
	ROW("a notice that cannot be told climbs no ladder", settle(w, w->got[0].key, SETTLE_DEAD, -1) == 0 && claim(w) == 0);
	f = (struct chatwoot_facts){ .event = CW_EV_CONTACT_UPDATED, .account = 7, .contact = 3 };
	e.id = event_id(401);
	ROW("a contact is of no conversation", store_put(w->s, &e, &p) == 0 && p.decision == CW_D_NOTE && claimed_kind(w, DELIVERY_K_NOTICE)
	    && w->got[0].conversation == 0 && w->got[0].notice == CW_N_CONTACT);
	policy.tell_contact = false;
	e.id = event_id(402);
	ROW("who does not want it is not told", store_put(w->s, &e, &p) == 0 && p.decision == CW_D_IGNORE && !p.due);
	end_world(w);
}

/* ---- the operator ---- */

static void
holding(void)
{
	struct world *w = begin_world();
	struct store_progress p;
	struct store_filter shop = { .tenant = SLICE("shop") };
	message(w, 1, 1);
	message(w, 1, 2);
	message(w, 2, 3);
	ROW("one was sent before", claim_with(w, (struct limits){ .max = 1 }) == 1 && settle(w, w->got[0].key, SETTLE_RETRY, 0) == 0);
	int64_t key = w->got[0].key;
	size_t members = w->got[0].members;
	ROW("a dry run holds nothing", store_change(w->s, STORE_HOLD, &shop, true, w->now, &p) == 0 && p.count == 3 && state_of(w, key) == DELIVERY_PENDING);
	ROW("all are held", store_change(w->s, STORE_HOLD, &shop, false, w->now, &p) == 0 && p.count == 3 && state_of(w, key) == DELIVERY_HELD);
	ROW("nothing goes", claim(w) == 0 && w->claimed.delay_us == -1);
	message(w, 3, 4);
	ROW("but what comes later", claim(w) == 1 && w->got[0].conversation == 3);
	ROW("let go", store_change(w->s, STORE_LET_GO, &shop, false, w->now, &p) == 0 && p.count == 3);
	ROW("they go", claim(w) == 2);
	const struct seen_batch *again = w->got[0].key == key ? &w->got[0] : &w->got[1];
	ROW("what was sent before as it was", again->key == key && again->members == members && again->attempt == 2);
	end_world(w);
}

static void
replays(void)
{
	struct world *w = begin_world();
	struct store_progress p;
	w->rules.replay_rate = 10;
	store_set_rules(w->s, &w->rules);
	for (int i = 1; i <= 25; i++)
		message(w, i, i);
	ROW("all are out", claim(w) == 25);
	int64_t old = w->got[0].key;
	for (size_t i = 0; i < 25; i++)
		ROW("and die", settle(w, w->got[i].key, SETTLE_DEAD, -1) == 0);
	w->now += HOUR;
	struct store_filter young = { .newer_us = T0 + 1 }, aged = { .older_us = T0 + 1, .state = DELIVERY_DEAD };
	ROW("none is younger", store_change(w->s, STORE_RETRY, &young, true, w->now, &p) == 0 && p.count == 0);
	ROW("a dry run counts", store_change(w->s, STORE_RETRY, &aged, true, w->now, &p) == 0 && p.count == 25 && state_of(w, old) == DELIVERY_DEAD);
	ROW("all again", store_change(w->s, STORE_RETRY, &aged, false, w->now, &p) == 0 && p.count == 25);
	ROW("one at once", claim(w) == 1 && w->got[0].replayed[0]);
	w->now += SECOND;
	ROW("ten a second", claim(w) == 10);
	w->now += 2 * SECOND;
	ROW("to the end", claim(w) == 14);
	end_world(w);
}

static size_t steps[4];

static void
on_step(void *context, const struct store_trace *step)
{
	(void)context;
	steps[step->step]++;
}

static void
traces(void)
{
	struct world *w = begin_world();
	const char *why;
	message(w, 1, 1);
	message(w, 1, 2);
	ROW("tried twice", claim(w) == 1 && settle(w, w->got[0].key, SETTLE_RETRY, 0) == 0 && claim(w) == 1 && settle_with(w, w->got[0].key, &one_reply, 1) == 0);
	w->now += SECOND;
	ROW("posted", claim(w) == 1 && begin(w, w->got[0].key, &why) == 0 && settle(w, w->got[0].key, SETTLE_DONE, -1) == 0);
	struct uuid first = event_id(1), nobody = event_id(99);
	memset(steps, 0, sizeof(steps));
	ROW("the first message's life", store_trace(w->s, &first, on_step, w) == 0);
	ROW("itself, its delivery, the batch's key and the reply, three attempts", steps[STORE_STEP_EVENT] == 1 && steps[STORE_STEP_DELIVERY] == 3
	    && steps[STORE_STEP_ATTEMPT] == 3);
	ROW("an event that there is not", store_trace(w->s, &nobody, on_step, w) == STORE_E_NONE);
	end_world(w);
}

static size_t persons;

static void
on_person(void *context, struct slice installation, int64_t contact, struct slice body)
{
	(void)context;
	persons += slice_eq(installation, SLICE("main")) && contact == 3 && body.len > 0;
}

/* Facts as a worker packs them: the erasure reads the contact in them. */
static void
put_person(struct world *w, uint32_t id, int64_t conversation, int64_t contact, const char *body)
{
	CLEANUP(buf_free) struct buf packed = { 0 };
	struct chatwoot_facts f = incoming(7, conversation, id);
	struct chatwoot_policy policy = { .mode = CW_MODE_BOT, .account = 7, .answer_open = true };
	struct wire_writer writer;
	struct store_put p;
	f.contact = contact;
	wire_bare(&writer, &packed);
	chatwoot_pack(&f, &policy, &writer);
	ROW("packed", wire_bare_end(&writer) == 0);
	struct store_event e = { .id = event_id(id), .tenant = SLICE("shop"), .installation = SLICE("main"), .sender = SLICE("bot"),
		.request_id = SLICE("r"), .facts = &f, .policy = &policy, .facts_bytes = buf_view(&packed), .body = slice_of(body), .received_us = w->now };
	ROW("a person writes", store_put(w->s, &e, &p) == 0 && p.stored);
}

static bool
file_holds(struct world *w, const char *suffix, const char *text)
{
	char name[100], *bytes = NULL;
	size_t len = 0;
	snprintf(name, sizeof(name), "%s%s", w->path, suffix);
	bool found = file_read(name, 64 * MIB, &bytes, &len) == 0 && len > 0 && memmem(bytes, len, text, strlen(text)) != NULL;
	free(bytes);
	return found;
}

static void
erasing(void)
{
	struct world *w = begin_world();
	struct store_progress p;
	size_t busy;
	const char *why;
	put_person(w, 1, 1, 3, "CANARY +12025550143 one");
	put_person(w, 2, 1, 3, "CANARY two");
	put_person(w, 3, 2, 4, "somebody else, who names +12025550143");
	ROW("asked and answered", claim(w) == 2 && settle_with(w, w->got[0].conversation == 1 ? w->got[0].key : w->got[1].key,
	    &(struct store_next){ DELIVERY_K_REPLY, 0, SLICE("CANARY reply") }, 1) == 0);
	ROW("on its way", claim(w) == 1);
	int64_t reply = w->got[0].key;
	persons = 0;
	ROW("who has this number", store_persons(w->s, SLICE("shop"), SLICE("+12025550143"), 0, on_person, w, &p) == 0 && p.count == 2 && persons == 1);
	ROW("nobody of another tenant", store_persons(w->s, SLICE("other"), SLICE("+12025550143"), 0, on_person, w, &p) == 0 && p.count == 0);
	ROW("on disk it can be read", store_commit(w->s) == 0 && (file_holds(w, "-wal", "CANARY") || file_holds(w, "", "CANARY")));
	struct store_erase ask = { .tenant = SLICE("shop"), .contact = 3, .now_us = w->now, .dry_run = true };
	ROW("a dry run counts", store_erase(w->s, &ask, &busy, &p) == 0 && p.count == 2);
	ask.dry_run = false;
	ROW("what is on its way is left", store_erase(w->s, &ask, &busy, &p) == 0 && p.count == 1 && busy == 1);
	ROW("it comes back", begin(w, reply, &why) == 0 && settle(w, reply, SETTLE_RETRY, 0) == 0);
	ROW("then it goes too", store_erase(w->s, &ask, &busy, &p) == 0 && p.count == 1 && busy == 0);
	ROW("what waited is erased", state_of(w, reply) == DELIVERY_ERASED && claim(w) == 0);
	ROW("nothing is left to erase", store_erase(w->s, &ask, &busy, &p) == 0 && p.count == 0);
	ROW("the log is moved", store_commit(w->s) == 0 && store_checkpoint(w->s, true) == 0);
	ROW("nothing can be read any more", !file_holds(w, "", "CANARY") && !file_holds(w, "-wal", "CANARY"));
	ROW("but what others wrote", file_holds(w, "", "somebody else"));
	struct store_put put_again;
	w->ids = 100;
	ROW("the message is known all the same", put(w, (struct said){ "shop", 1, 1, 10, false }, &put_again) == 0 && put_again.decision == CW_D_DUPLICATE);
	ROW("and who writes again is welcome", put(w, (struct said){ "shop", 1, 50, 10, false }, &put_again) == 0 && put_again.decision == CW_D_FORWARD);
	end_world(w);
}

static struct store_token token_found;
static char token_name[64];

static void
on_token(void *context, const struct store_token *k)
{
	(void)context;
	token_found = *k;
	snprintf(token_name, sizeof(token_name), SLICE_FMT, SLICE_ARG(k->name));
	persons++;
}

static void
tokens(void)
{
	struct world *w = begin_world();
	struct store_token k = { .tenant = SLICE("shop"), .name = SLICE("hub"), .hash = SLICE("0123456789abcdef0123456789abcdef"),
		.scopes = TOKEN_REPLY, .made_us = w->now, .expires_us = w->now + HOUR };
	ROW("made", store_token_new(w->s, &k) == 0);
	ROW("a name is taken once", store_token_new(w->s, &k) == STORE_E_CONFLICT);
	k.tenant = SLICE("nobody");
	ROW("a tenant that there is not", store_token_new(w->s, &k) == STORE_E_NONE);
	ROW("found by its hash", store_token_find(w->s, k.hash, w->now, on_token, w) == 0 && token_found.scopes == TOKEN_REPLY
	    && strcmp(token_name, "hub") == 0);
	ROW("its use is noted", store_token_list(w->s, SLICE(""), on_token, w) == 0 && token_found.used_us == w->now);
	ROW("another hash", store_token_find(w->s, SLICE("x"), w->now, on_token, w) == STORE_E_NONE);
	ROW("it expires", store_token_find(w->s, k.hash, w->now + HOUR, on_token, w) == STORE_E_NONE);
	persons = 0;
	ROW("listed by tenant", store_token_list(w->s, SLICE("other"), on_token, w) == 0 && persons == 0);
	ROW("revoked", store_token_revoke(w->s, SLICE("shop"), SLICE("hub")) == 0 && store_token_find(w->s, k.hash, w->now, on_token, w) == STORE_E_NONE);
	ROW("once", store_token_revoke(w->s, SLICE("shop"), SLICE("hub")) == STORE_E_NONE);
	end_world(w);
}

static bool
lets(struct world *w, struct slice hash, uint64_t scopes, const char *name)
{
	return store_token_find(w->s, hash, w->now, on_token, w) == 0 && token_found.scopes == scopes && strcmp(token_name, name) == 0;
}

/* What an addon says of its token. */
static void
tokens_set(void)
{
	struct world *w = begin_world();
	struct store_token had = { .tenant = SLICE("shop"), .name = SLICE("field"), .hash = SLICE("0123456789abcdef0123456789abcdef"), .made_us = w->now };
	struct store_token k = had;
	k.name = SLICE("addon");
	k.scopes = TOKEN_SYNC | TOKEN_READ;
	const struct { const char *name; uint64_t scopes; int64_t expires_us; const char *kept; } row[] = {
		{ "a good one stays as it is",      TOKEN_SYNC | TOKEN_READ, 0,             "field" },
		{ "one that will expire, too",      TOKEN_SYNC | TOKEN_READ, w->now + HOUR, "field" },
		{ "one that has expired is renewed", TOKEN_SYNC | TOKEN_READ, w->now - HOUR, "addon" },
		{ "one that may read alone, too",   TOKEN_READ,              0,             "addon" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		had.scopes = row[i].scopes;
		had.expires_us = row[i].expires_us;
		ROW(row[i].name, store_token_new(w->s, &had) == 0 && store_token_set(w->s, &k) == 0 && lets(w, k.hash, k.scopes, row[i].kept));
		persons = 0;
		ROW(row[i].name, store_token_list(w->s, SLICE("shop"), on_token, w) == 0 && persons == 1);
		ROW(row[i].name, store_token_revoke(w->s, SLICE("shop"), slice_of(row[i].kept)) == 0);
	}
	ROW("its own", store_token_set(w->s, &k) == 0 && lets(w, k.hash, k.scopes, "addon"));
	struct store_token next = k;
	next.hash = SLICE("fedcba9876543210fedcba9876543210");
	ROW("another in its place", store_token_set(w->s, &next) == 0 && lets(w, next.hash, k.scopes, "addon") &&
	    store_token_find(w->s, k.hash, w->now, on_token, w) == STORE_E_NONE);
	end_world(w);
}

static int64_t heard_us, owed_us;

static void
on_heard(void *context, const struct store_heard *h)
{
	(void)context;
	if (!slice_eq(h->tenant, SLICE("shop")) || !slice_eq(h->installation, SLICE("main")))
		return;
	heard_us = h->last_us;
	owed_us = h->owed_us;
}

static bool
heard(struct world *w, int64_t last_us, int64_t owed)
{
	heard_us = owed_us = -1;
	return store_commit(w->s) == 0 && store_heard(w->s, on_heard, w) == 0 && heard_us == last_us && owed_us == owed;
}

static bool
caught_up(struct world *w, int64_t since_us, int64_t through_us)
{
	const struct store_caught_up c = { SLICE("shop"), SLICE("main"), since_us, through_us };
	return store_caught_up(w->s, &c) == 0;
}

/* Ten minutes of silence are one; across a start a minute is. */
static void
silence(void)
{
	struct world *w = begin_world();
	w->rules.silence_us = 10 * MINUTE;
	store_set_rules(w->s, &w->rules);
	message(w, 1, 41);
	ROW("nothing is owed at first", heard(w, T0, 0));
	w->now += 9 * MINUTE;
	message(w, 1, 42);
	ROW("nor after a pause", heard(w, w->now, 0));
	int64_t last = w->now;
	w->now += 10 * MINUTE;
	message(w, 1, 43);
	ROW("after a silence it is", heard(w, w->now, last));
	w->now += 20 * MINUTE;
	message(w, 1, 44);
	ROW("since the first one that was not caught up with", heard(w, w->now, last));
	reopen(w);
	ROW("over a restart", heard(w, w->now, last));
	ROW("a part of it does not count", caught_up(w, last + 1, w->now) && heard(w, w->now, last));
	ROW("all of it does", caught_up(w, last, w->now + 5) && heard(w, w->now + 5, 0));
	ROW("and is kept", (reopen(w), heard(w, w->now + 5, 0)));
	last = w->now + 5;
	w->now += MINUTE + SECOND;
	message(w, 1, 45);
	ROW("a minute without us is owed", heard(w, w->now, last));
	ROW("caught up with again", caught_up(w, last, w->now) && heard(w, w->now, 0));
	w->now += MINUTE + SECOND;
	message(w, 1, 46);
	ROW("a minute with us is not", heard(w, w->now, 0));
	struct store_caught_up none = { SLICE("nobody"), SLICE("main"), 1, 2 };
	ROW("of no tenant", store_caught_up(w->s, &none) == STORE_E_NONE);
	end_world(w);
}

static void
hearing(void)
{
	struct world *w = begin_world();
	message(w, 1, 41);
	message(w, 1, 40);
	w->now += 5 * SECOND;
	message(w, 2, 7);
	ROW("heard of last", heard(w, T0 + 5 * SECOND, 0));
	reopen(w);
	ROW("after a restart too", heard(w, T0 + 5 * SECOND, 0));
	struct chatwoot_facts f = incoming(7, 1, 60);
	struct chatwoot_policy policy = { .mode = CW_MODE_BOT, .account = 7, .answer_open = true };
	struct store_event e = { .id = event_id(60), .tenant = SLICE("shop"), .installation = SLICE("main"), .facts = &f, .policy = &policy,
		.facts_bytes = SLICE("x"), .received_us = w->now, .since_us = w->now - 3 * HOUR, .dry_run = true };
	struct store_put p;
	f.recovered = true;
	ROW("a dry run decides and keeps nothing", store_put(w->s, &e, &p) == 0 && p.decision == CW_D_FORWARD && !p.stored && !p.due);
	e.dry_run = false;
	rules(w, 2 * HOUR, 0);
	ROW("what is fetched is as old as it was written", store_put(w->s, &e, &p) == 0 && p.stored);
	w->gots = claim(w);
	ROW("and may be too old", w->claimed.ended == 1);
	end_world(w);
}

/* ---- a clock that is set back between two keepers ---- */

static void
set_back(void)
{
	struct world *w = begin_world();
	struct store_put p;
	int64_t back = -1;
	ROW("a store without a time", store_clock_set_back(w->s, w->now, &back) == 0 && back == 0 && !store_writing(w->s));
	ROW("one waits ten seconds", put(w, (struct said){ "shop", 1, 1, 10, false }, &p) == 0 && claim(w) == 1 &&
	    settle(w, w->got[0].key, SETTLE_RETRY, 10 * SECOND) == 0 && store_clock(w->s, w->now) == 0 && store_commit(w->s) == 0);
	w->now -= 24 * HOUR;
	reopen(w);
	ROW("the clock was set back a day", store_clock_set_back(w->s, w->now, &back) == 0 && back == 24 * HOUR && store_commit(w->s) == 0);
	ROW("ten seconds are ten seconds", claim(w) == 0 && w->claimed.delay_us == 10 * SECOND);
	reopen(w);
	ROW("it is followed once", store_clock_set_back(w->s, w->now, &back) == 0 && back == 0 && claim(w) == 0 &&
	    w->claimed.delay_us == 10 * SECOND);
	w->now += 10 * SECOND;
	ROW("then it is due", claim(w) == 1 && w->got[0].message[0] == 1);
	ROW("a second is no step", store_clock(w->s, w->now + SECOND) == 0 && store_clock_set_back(w->s, w->now, &back) == 0 && back == 0);
	end_world(w);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "bursts", bursts },
		{ "parts", parts },
		{ "handoffs", handoffs },
		{ "answers later", later },
		{ "answers before the 202", pockets },
		{ "echoes", echoes },
		{ "repeats", repeats },
		{ "look-ups", lookups },
		{ "as Chatwoot shows it", shown },
		{ "messaging windows", windows },
		{ "overtaken answers", overtakings },
		{ "reply budgets", budgets },
		{ "ladders", ladders },
		{ "a ladder for what kills the courier", poison },
		{ "ages", ages },
		{ "notices", notices },
		{ "holding", holding },
		{ "replays", replays },
		{ "traces", traces },
		{ "erasing", erasing },
		{ "tokens", tokens }, { "an addon's token", tokens_set },
		{ "silence", silence },
		{ "hearing", hearing },
		{ "a clock set back", set_back },
	};
	return unit_run("store_talk", tests, ARRAY_LEN(tests), 0);
}
