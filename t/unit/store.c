#include "t/unit/store_world.h"

/* ---- what comes in ---- */

static void
events(void)
{
	struct world *w = begin_world();
	struct store_put first, p;

	ROW("a message is forwarded", put(w, (struct said){ "shop", 1, 100, 10, false }, &first) == 0 && first.decision == CW_D_FORWARD);
	struct chatwoot_facts f = incoming(7, 1, 100);
	ROW("the same put again is answered as the first time", put_facts(w, "shop", w->ids, &f, SLICE("x"), false, &p) == 0
	    && p.decision == CW_D_FORWARD && p.repeated && p.stored);
	ROW("the same message under a new event id is a duplicate", put(w, (struct said){ "shop", 1, 100, 10, false }, &p) == 0
	    && p.decision == CW_D_DUPLICATE && !p.due);
	ROW("and its event is the first one's", p.stored && memcmp(&p.event, &first.event, sizeof(p.event)) == 0);
	ROW("the same number in another tenant is another message", put(w, (struct said){ "other", 1, 100, 10, false }, &p) == 0
	    && p.decision == CW_D_FORWARD);
	ROW("an unknown tenant has moved", put(w, (struct said){ "nobody", 1, 100, 10, false }, &p) == STORE_E_MOVED);
	ROW("a closed intake refuses what it would have to store",
	    put(w, (struct said){ "shop", 1, 101, 10, true }, &p) == STORE_E_REFUSED);
	ROW("a closed intake still knows a duplicate", put(w, (struct said){ "shop", 1, 100, 10, true }, &p) == 0
	    && p.decision == CW_D_DUPLICATE);
	ROW("what was refused left no key behind", put(w, (struct said){ "shop", 1, 101, 10, false }, &p) == 0
	    && p.decision == CW_D_FORWARD);
	f = incoming(7, 1, 102);
	f.type = CW_TY_ACTIVITY;
	ROW("what is ignored is not stored", put_facts(w, "shop", 9000, &f, SLICE("x"), false, &p) == 0
	    && p.decision == CW_D_IGNORE && !p.stored);
	f = incoming(8, 5, 7);
	ROW("an event id of another tenant is no way in", put_facts(w, "other", 1, &f, SLICE("x"), false, &p) == -EBADMSG);
	ROW("and the failure says why", strstr(store_error(w->s), "UNIQUE") != NULL);
	ROW("nothing else of the transaction was hurt", store_writing(w->s) && store_commit(w->s) == 0);
	ROW("three deliveries wait", store_pending(w->s) == 3);
	end_world(w);
}

static void
transactions(void)
{
	struct world *w = begin_world();
	struct store_put p;
	message(w, 1, 1);
	ROW("a commit is done", store_commit(w->s) == 0 && store_pending(w->s) == 1);
	message(w, 1, 2);
	store_rollback(w->s);
	ROW("what is rolled back is not there", store_pending(w->s) == 1 && claim(w) == 1 && w->got[0].members == 1);
	store_rollback(w->s);
	ROW("what is rolled back left no key", put(w, (struct said){ "shop", 1, 2, 10, false }, &p) == 0 && p.decision == CW_D_FORWARD);
	ROW("an empty commit is fine", store_commit(w->s) == 0 && store_commit(w->s) == 0);
	ROW("a probe writes", store_probe(w->s, 1) == 0 && store_writing(w->s) && store_commit(w->s) == 0);
	uint64_t generation = store_generation(w->s);
	ROW("a tenant moves the generation", add_tenant(w, "third", 9) == 0 && store_generation(w->s) == generation + 1);
	store_rollback(w->s);
	ROW("a rollback moves it back", store_generation(w->s) == generation);
	ROW("a checkpoint can be forced", store_checkpoint(w->s, true) == 0);
	reopen(w);
	ROW("after a restart all is there", store_pending(w->s) == 2 && claim(w) == 1 && w->got[0].members == 2);
	end_world(w);
}

static void
opening(void)
{
	struct world *w = begin_world();
	struct store *second = NULL;
	struct stat st;
	char why[STORE_TEXT] = "", name[100];
	ROW("the file is for its owner alone", stat(w->path, &st) == 0 && (st.st_mode & 0777) == 0600);
	ROW("a second keeper is refused", store_open(w->path, MIB, &second, why) == STORE_E_LOCKED);
	ROW("and told why", strstr(why, "another process") != NULL);
	store_close(w->s);
	w->s = NULL;
	int fd = open(w->path, O_RDWR);
	unsigned char version[4] = { 0, 0, 3, 231 };    /* the header's user_version, big-endian */
	ROW("the version is written over", fd >= 0 && pwrite(fd, version, 4, 60) == 4);
	ROW("a newer store is refused", store_open(w->path, MIB, &second, why) == STORE_E_NEWER);
	ROW("and it says what to do", strstr(why, "newer") != NULL && strstr(why, "999") != NULL);
	version[2] = 0, version[3] = 2;
	ROW("the version is written back", pwrite(fd, version, 4, 60) == 4);
	close(fd);
	reopen(w);
	snprintf(name, sizeof(name), "%s/noise", w->dir);
	fd = open(name, O_RDWR | O_CREAT, 0600);
	ROW("a file that is no store is made", fd >= 0 && write(fd, "this is not a database, and never was one.....................", 60) == 60);
	close(fd);
	ROW("a file that is no store is refused", store_open(name, MIB, &second, why) < 0 && second == NULL);
	unlink(name);
	snprintf(name, sizeof(name), "%s/noise.lock", w->dir);
	unlink(name);
	ROW("a directory that is not there is an errno", store_open("/nonexistent/ponte.db", MIB, &second, why) == -ENOENT);
	end_world(w);
}

/* ---- batches and lanes ---- */

static void
batches(void)
{
	struct world *w = begin_world();
	struct seen_batch *g = w->got;
	message(w, 1, 30);
	message(w, 1, 10);
	message(w, 2, 15);
	message(w, 1, 20);
	ROW("each conversation has its own batch", claim(w) == 2);
	const struct seen_batch one = g[0].conversation == 1 ? g[0] : g[1];
	ROW("all that is queued travels together, oldest first",
	    one.members == 3 && one.message[0] == 10 && one.message[1] == 20 && one.message[2] == 30);
	ROW("the key is the delivery of the highest message", one.key == one.delivery[2]);
	ROW("it is the first attempt", one.attempt == 1 && one.dest == DEST_HUB && one.kind == DELIVERY_K_HUB);
	ROW("none is late", !one.late[0] && !one.late[1] && !one.late[2]);
	ROW("what is in flight is not handed out again", claim(w) == 0 && w->claimed.delay_us == -1);
	message(w, 1, 25);
	message(w, 1, 40);
	ROW("nor is what came after it", claim(w) == 0);

	ROW("it is tried again in a second", settle(w, one.key, SETTLE_RETRY, SECOND) == 0);
	ROW("not before", claim(w) == 0 && w->claimed.delay_us == SECOND);
	w->now += SECOND;
	ROW("then it goes again", claim(w) == 1);
	ROW("with the same key and members", g[0].key == one.key && g[0].members == 3 && g[0].attempt == 2);
	ROW("newer ones wait for it", settle(w, one.key, SETTLE_DONE, -1) == 0 && claim(w) == 1 && g[0].members == 2);
	ROW("one behind a higher id is late", g[0].message[0] == 25 && g[0].late[0] && g[0].message[1] == 40 && !g[0].late[1]);
	ROW("being late is remembered for the next attempt", settle(w, g[0].key, SETTLE_RETRY, 0) == 0 && claim(w) == 1 && g[0].late[0]);

	ROW("a release counts no attempt", settle(w, g[0].key, SETTLE_RELEASE, 0) == 0 && claim(w) == 1 && g[0].attempt == 2);
	ROW("done is done", settle(w, g[0].key, SETTLE_DONE, -1) == 0 && state_of(w, g[0].key) == DELIVERY_DONE);
	ROW("and may be said again", settle(w, g[0].key, SETTLE_DONE, -1) == 0);
	ROW("what is not there is gone", settle(w, 99999, SETTLE_DONE, -1) == STORE_E_GONE);
	end_world(w);
}

static void
released_never_sent(void)
{
	struct world *w = begin_world();
	message(w, 1, 10);
	ROW("it is claimed", claim(w) == 1);
	message(w, 1, 20);
	ROW("and given back untried", settle(w, w->got[0].key, SETTLE_RELEASE, 5 * SECOND) == 0);
	message(w, 1, 30);
	ROW("a newer message does not shorten the wait", claim(w) == 0 && w->claimed.delay_us == 5 * SECOND);
	w->now += 5 * SECOND;
	ROW("never sent, it takes the newer ones along", claim(w) == 1 && w->got[0].members == 3);
	end_world(w);
}

static void
batch_limits(void)
{
	struct world *w = begin_world();
	struct store_put p;
	for (int64_t i = 1; i <= STORE_BATCH_MEMBERS + 5; i++)
		message(w, 1, i);
	ROW("a batch has a hundred members at most", claim(w) == 1 && w->got[0].members == STORE_BATCH_MEMBERS);
	ROW("the rest follows", settle(w, w->got[0].key, SETTLE_DONE, -1) == 0 && claim(w) == 1 && w->got[0].members == 5
	    && w->got[0].message[0] == 101);
	for (int64_t i = 0; i < 3; i++)
		ROW("a long one is taken in", put(w, (struct said){ "shop", 2, 500 + i, 7 * MIB, false }, &p) == 0);
	ROW("no more bytes than one batch may have", claim(w) == 1 && w->got[0].members == 2 && w->got[0].body_bytes == 14 * MIB);
	for (int64_t i = 10; i < 50; i++)
		message(w, i, 1000 + i);
	ROW("a claim ends soon, so that whoever puts an event is not kept", claim(w) == 32 && w->claimed.delay_us == 0);
	ROW("and the next one goes on", claim(w) == 8);
	end_world(w);
}

static void
debounce(void)
{
	struct world *w = begin_world();
	struct chatwoot_facts f = incoming(7, 1, 1);
	struct chatwoot_policy policy = { .mode = CW_MODE_BOT, .account = 7, .answer_open = true };
	struct store_event e = { .id = event_id(1), .tenant = SLICE("shop"), .installation = SLICE("main"), .facts = &f,
		.policy = &policy, .received_us = w->now };
	struct store_put p;
	w->rules.debounce_us = 2 * SECOND;
	store_set_rules(w->s, &w->rules);
	ROW("a message waits for its debounce", store_put(w->s, &e, &p) == 0 && claim(w) == 0 && w->claimed.delay_us == 2 * SECOND);
	w->now += SECOND;
	e.id = event_id(2);
	e.received_us = w->now;
	f.message = 2;
	ROW("the next moves it on", store_put(w->s, &e, &p) == 0 && claim(w) == 0 && w->claimed.delay_us == 2 * SECOND);
	w->now += 2 * SECOND;
	e.id = event_id(3);
	e.received_us = w->now;
	f.message = 3;
	ROW("what is due already stays due", store_put(w->s, &e, &p) == 0 && claim(w) == 1 && w->got[0].members == 3);
	end_world(w);
}

/* ---- whose turn it is ---- */

static void
fairness(void)
{
	struct world *w = begin_world();
	struct store_put p;
	for (int64_t i = 1; i <= 20; i++)
		message(w, i, i);
	for (int64_t i = 1; i <= 2; i++)
		ROW("the other one's message", put(w, (struct said){ "other", i, i, 10, false }, &p) == 0);
	size_t others = 0;
	for (size_t i = 0; i < 2; i++) {
		ROW("one batch at a time", claim_with(w, (struct limits){ .max = 1 }) == 1 && w->claimed.delay_us == 0);
		others += strcmp(w->got[0].tenant, "other") == 0;
	}
	ROW("the turn goes on where the last claim ended", others == 1);
	ROW("two at once", claim_with(w, (struct limits){ .max = 2 }) == 2);
	ROW("are one of each", strcmp(w->got[0].tenant, w->got[1].tenant) != 0);

	struct store_busy busy = { SLICE("shop"), DEST_HUB };
	ROW("a busy destination is left out", claim_with(w, (struct limits){ .max = 4, .busy = &busy, .busies = 1 }) == 0
	    && w->claimed.delay_us == -1);
	ROW("and comes when it is not", claim_with(w, (struct limits){ .max = 4 }) == 4);
	int64_t key = w->got[0].key;
	ROW("a stop stops the tenant's destination", settle(w, key, SETTLE_STOP, -1) == 0 && claim(w) == 0 && w->claimed.delay_us == -1);
	ROW("the other one's messages go on", put(w, (struct said){ "other", 9, 9, 10, false }, &p) == 0 && claim(w) == 1);
	ROW("it is on disk", store_commit(w->s) == 0);
	reopen(w);
	ROW("and holds after a restart", claim(w) == 0);
	ROW("until its credentials change", add_tenant(w, "shop", 7) == 0 && claim_with(w, (struct limits){ .max = 1 }) == 1);

	ROW("a stop may have an end", settle(w, w->got[0].key, SETTLE_STOP, 60 * SECOND) == 0 && claim(w) == 0
	    && w->claimed.delay_us == 60 * SECOND);
	w->now += 60 * SECOND;
	ROW("then it goes on by itself", claim(w) == 15);
	ROW("a stop again", settle(w, w->got[0].key, SETTLE_STOP, -1) == 0 && claim(w) == 0);
	struct store_filter all = { .tenant = SLICE("shop") };
	struct store_progress progress;
	ROW("queue retry lifts it", store_change(w->s, STORE_RETRY, &all, false, w->now, &progress) == 0 && claim(w) == 1);
	end_world(w);
}

static void
too_old(void)
{
	struct world *w = begin_world();
	rules(w, 2 * HOUR, 6 * HOUR);
	message(w, 1, 1);
	message(w, 2, 2);
	ROW("one of them is tried", claim_with(w, (struct limits){ .max = 1 }) == 1);
	int64_t tried = w->got[0].key, tried_in = w->got[0].conversation;
	ROW("and fails", settle(w, tried, SETTLE_RETRY, 0) == 0);
	w->now += HOUR + HOUR / 2;
	message(w, tried_in, 3);
	w->now += HOUR;
	ROW("what is too old is not handed out", claim(w) == 1 && w->claimed.ended == 2);
	ROW("never sent: it has expired, each for itself", w->got[0].members == 1 && w->got[0].message[0] == 3);
	ROW("and so has a batch whose newest is too old", state_of(w, tried) == DELIVERY_EXPIRED && last_row.settled_us == w->now);

	int64_t again = w->got[0].key;
	rules(w, 0, 6 * HOUR);
	ROW("it fails for hours", settle(w, again, SETTLE_RETRY, 0) == 0);
	w->now += 6 * HOUR;
	ROW("then it is given up", claim(w) == 0 && w->claimed.ended == 1 && state_of(w, again) == DELIVERY_DEAD);
	ROW("saying so", last_row.reason.len > 0);
	message(w, 5, 9);
	w->now += 12 * HOUR;
	ROW("what was never tried is not given up", claim(w) == 1);
	end_world(w);
}

/* ---- replies ---- */

static void
replies(void)
{
	struct world *w = begin_world();
	const char *why = NULL;
	int64_t reply = ask_and_answer(w, 1, 1);
	ROW("it carries what the hub said", strcmp(w->got[0].payload, "hello") == 0 && w->got[0].n == 1 && w->got[0].conversation == 1);
	ROW("settling the hub's batch again makes no second reply",
	    settle(w, w->got[0].key - 1, SETTLE_DONE, -1) == 0 && claim(w) == 0);
	message(w, 1, 2);
	ROW("the next message does not wait for the reply", claim(w) == 1 && w->got[0].dest == DEST_HUB);
	int64_t hub = w->got[0].key;
	ROW("it may be posted", begin(w, reply, &why) == 0);
	ROW("saying so twice is fine", begin(w, reply, &why) == 0);
	ROW("what is not connected is tried again", settle(w, reply, SETTLE_RETRY, SECOND) == 0);
	w->now += SECOND;
	ROW("and comes again", claim(w) == 1 && w->got[0].key == reply && w->got[0].attempt == 2);
	ROW("a hub's batch has nothing to begin", begin(w, hub, &why) == STORE_E_GONE);

	human_writes(w, 1, 3);
	ROW("now it must not be posted", begin(w, reply, &why) == STORE_E_SUPPRESSED && why && *why);
	ROW("it says why", state_of(w, reply) == DELIVERY_SUPPRESSED && last_row.reason.len == strlen(why));
	ROW("beginning it once more is too late", begin(w, reply, &why) == STORE_E_GONE);
	ROW("the hub's answer to the older message comes", settle_with_reply(w, hub) == 0 && claim(w) == 1);
	ROW("and is suppressed as well", begin(w, w->got[0].key, &why) == STORE_E_SUPPRESSED);
	int64_t other = ask_and_answer(w, 2, 50);
	ROW("another conversation is not touched", begin(w, other, &why) == 0);
	ROW("an unknown outcome waits for its echo", settle(w, other, SETTLE_UNKNOWN, -1) == 0 && state_of(w, other) == DELIVERY_WAITING
	    && claim(w) == 0 && w->claimed.delay_us == 60 * SECOND);
	w->now += 60 * SECOND;
	ROW("and then it stands", claim(w) == 0 && state_of(w, other) == DELIVERY_UNKNOWN);
	end_world(w);
}

/* ---- the courier goes and comes ---- */

static size_t granted_n;

static void
on_granted(void *context, int64_t key)
{
	(void)context;
	(void)key;
	granted_n++;
}

static int
hello(struct world *w, const int64_t *held, size_t n, int64_t crashed, int64_t crashes)
{
	struct store_hello h = { .held = held, .helds = n, .crashed = crashed, .crashes = crashes, .now_us = w->now, .not_before_us = w->now };
	granted_n = 0;
	return store_hello(w->s, &h, on_granted, w);
}

static void
couriers(void)
{
	struct world *w = begin_world();
	const char *why;
	size_t released;
	int64_t begun = ask_and_answer(w, 1, 1);
	ROW("one post has begun", begin(w, begun, &why) == 0);
	int64_t idle = ask_and_answer(w, 2, 2);
	message(w, 3, 3);
	ROW("and one hub batch is out", claim(w) == 1);
	int64_t hub = w->got[0].key;
	message(w, 3, 4);

	ROW("the courier is lost", store_release(w->s, w->now, w->now + 5 * SECOND, &released) == 0 && released == 3);
	ROW("the post that had begun waits for its echo, never pending", state_of(w, begun) == DELIVERY_WAITING);
	ROW("the other two wait again", state_of(w, idle) == DELIVERY_PENDING && state_of(w, hub) == DELIVERY_PENDING);
	ROW("but not before they may", claim(w) == 0 && w->claimed.delay_us == 5 * SECOND);
	ROW("settling what is not claimed is gone", settle(w, hub, SETTLE_DONE, -1) == STORE_E_GONE);
	const int64_t held[] = { begun, hub };
	ROW("it comes back and names two", hello(w, held, 2, 0, 0) == 0 && granted_n == 2);
	ROW("and has them", state_of(w, begun) == DELIVERY_CLAIMED && state_of(w, hub) == DELIVERY_CLAIMED);
	ROW("and can settle them", settle(w, begun, SETTLE_DONE, -1) == 0 && settle(w, hub, SETTLE_RETRY, 0) == 0);
	w->now += 5 * SECOND;
	ROW("the rest is claimed", claim(w) == 2);
	ROW("a batch keeps its members over all this", w->got[0].dest == DEST_HUB ? w->got[0].members == 1 : w->got[1].members == 1);

	ROW("it is on disk", store_commit(w->s) == 0);
	reopen(w);
	ROW("a new keeper still knows the claims", claim(w) == 0 && state_of(w, hub) == DELIVERY_CLAIMED);
	ROW("a courier that holds one of them", hello(w, &hub, 1, 0, 0) == 0 && granted_n == 1);
	ROW("keeps it, and the other is released", state_of(w, hub) == DELIVERY_CLAIMED && state_of(w, idle) == DELIVERY_PENDING);
	ROW("what another has is not granted", settle(w, hub, SETTLE_DONE, -1) == 0 && hello(w, &hub, 1, 0, 0) == 0 && granted_n == 0);
	end_world(w);
}

static void
poison(void)
{
	struct world *w = begin_world();
	message(w, 1, 1);
	message(w, 2, 2);
	int64_t bad = 0;
	for (int i = 0; i < STORE_CRASHES_MAX; i++) {
		ROW("both are handed out", claim(w) == 2);
		bad = w->got[0].conversation == 1 ? w->got[0].key : w->got[1].key;
		ROW("the courier died of one of them", hello(w, NULL, 0, bad, i) == 0);
		ROW("and the next one says it again", hello(w, NULL, 0, bad, i) == 0);
		ROW("which is one crash", state_of(w, bad) == (i + 1 < STORE_CRASHES_MAX ? DELIVERY_PENDING : DELIVERY_DEAD)
		    && last_row.crashes == i + 1);
	}
	ROW("the other one flows", claim(w) == 1 && w->got[0].conversation == 2);
	end_world(w);
}

/* ---- the operator ---- */

static void
operators(void)
{
	struct world *w = begin_world();
	struct store_put p;
	struct store_progress progress;
	for (int64_t i = 1; i <= 5; i++)
		message(w, i, i);
	ROW("the other one's", put(w, (struct said){ "other", 1, 1, 10, false }, &p) == 0);
	ROW("all are listed", count_rows(w, (struct store_filter){ .max = 100 }) == 6);
	ROW("or those of a tenant", count_rows(w, (struct store_filter){ .tenant = SLICE("other") }) == 1);
	ROW("or of nobody", count_rows(w, (struct store_filter){ .tenant = SLICE("nobody") }) == 0);
	ROW("or of an event", count_rows(w, (struct store_filter){ .event = &p.event }) == 1);
	ROW("or of a kind", count_rows(w, (struct store_filter){ .kind = DELIVERY_K_REPLY }) == 0);
	ROW("or a few, with more behind", store_list(w->s, &(struct store_filter){ .max = 2 }, on_row, w, &progress) == 0
	    && progress.count == 2 && progress.more);
	ROW("the next few", count_rows(w, (struct store_filter){ .after = progress.last }) == 4);

	ROW("two die", claim(w) == 6 && settle(w, w->got[0].key, SETTLE_DEAD, -1) == 0 && settle(w, w->got[1].key, SETTLE_DEAD, -1) == 0);
	int64_t dead = w->got[0].key, claimed = w->got[2].key;
	ROW("they are found by their state", count_rows(w, (struct store_filter){ .state = DELIVERY_DEAD }) == 2);
	ROW("a dry run drops nothing", store_change(w->s, STORE_DROP, &(struct store_filter){ .state = DELIVERY_DEAD }, true, w->now, &progress) == 0
	    && progress.count == 2 && state_of(w, dead) == DELIVERY_DEAD);
	ROW("one is retried", store_change(w->s, STORE_RETRY, &(struct store_filter){ .id = &dead, .ids = 1 }, false, w->now, &progress) == 0
	    && progress.count == 1 && claim(w) == 1 && w->got[0].key == dead && w->got[0].attempt == 1);
	ROW("what is claimed is neither retried", store_change(w->s, STORE_RETRY, &(struct store_filter){ .id = &claimed, .ids = 1 }, false, w->now, &progress) == 0
	    && progress.count == 0);
	ROW("nor dropped", store_change(w->s, STORE_DROP, &(struct store_filter){ .id = &claimed, .ids = 1 }, false, w->now, &progress) == 0
	    && progress.count == 0 && state_of(w, claimed) == DELIVERY_CLAIMED);
	ROW("drop takes what waits, dead and unknown", store_change(w->s, STORE_DROP, &(struct store_filter){ .max = 1000 }, false, w->now, &progress) == 0
	    && progress.count == 1);
	ROW("a retried old one is young again", settle(w, dead, SETTLE_DEAD, -1) == 0);
	w->now += 9 * HOUR;
	rules(w, HOUR, HOUR);
	ROW("so it is not too old", store_change(w->s, STORE_RETRY, &(struct store_filter){ .id = &dead, .ids = 1 }, false, w->now, &progress) == 0
	    && claim(w) == 1);
	end_world(w);
}

static size_t tenants_seen;

static void
on_tenant(void *context, struct slice name, struct slice record)
{
	(void)context;
	tenants_seen += record.len > name.len && memmem(record.ptr, record.len, name.ptr, name.len) != NULL;
}

static size_t
tenants_found(struct world *w, struct store_tenants ask)
{
	bool more;
	tenants_seen = 0;
	ROW("tenants are looked for", store_tenants(w->s, &ask, on_tenant, w, &more) == 0);
	return tenants_seen;
}

static void
tenants(void)
{
	struct world *w = begin_world();
	uint64_t generation = store_generation(w->s);
	ROW("an account has one owner", add_tenant(w, "thief", 7) == STORE_E_CONFLICT);
	ROW("the text names account and owner", strstr(w->text, "7") && strstr(w->text, "shop"));
	ROW("nothing was changed", store_generation(w->s) == generation && tenants_found(w, (struct store_tenants){ .name = SLICE("thief") }) == 0);
	ROW("found by name", tenants_found(w, (struct store_tenants){ .name = SLICE("shop") }) == 1);
	ROW("found by account", tenants_found(w, (struct store_tenants){ .account = 8 }) == 1);
	ROW("an account of nobody", tenants_found(w, (struct store_tenants){ .account = 99 }) == 0);
	ROW("all of them, by name", tenants_found(w, (struct store_tenants){ .max = 10 }) == 2);
	ROW("those behind a name", tenants_found(w, (struct store_tenants){ .after = SLICE("other"), .max = 10 }) == 1);
	ROW("replacing one", add_tenant(w, "shop", 70) == 0 && store_generation(w->s) == generation + 1);
	ROW("frees its accounts", add_tenant(w, "heir", 7) == 0);
	ROW("and keeps the new ones", tenants_found(w, (struct store_tenants){ .account = 70 }) == 1);

	message(w, 1, 1);
	ROW("with work queued it stays", store_tenant_remove(w->s, SLICE("shop"), false, w->now, w->text) == STORE_E_CONFLICT);
	ROW("unless it must go", store_tenant_remove(w->s, SLICE("shop"), true, w->now, w->text) == 0);
	ROW("then its work is dropped", claim(w) == 0 && count_rows(w, (struct store_filter){ .state = DELIVERY_DROPPED }) == 1);
	ROW("there is no such tenant any more", store_tenant_remove(w->s, SLICE("shop"), false, w->now, w->text) == STORE_E_NONE);
	ROW("it may come back", add_tenant(w, "shop", 7) == STORE_E_CONFLICT && add_tenant(w, "shop", 71) == 0);
	end_world(w);
}

static int
prune(struct world *w, int64_t keys, int64_t bodies, bool *more)
{
	return store_prune(w->s, &(struct store_retention){ .keys_us = keys, .answered_us = bodies, .noted_us = bodies,
	    .failed_us = bodies, .rows = 64 }, more);
}

static void
pruning(void)
{
	struct world *w = begin_world();
	struct store_put p;
	bool more = true;
	message(w, 1, 1);
	message(w, 2, 2);
	human_writes(w, 3, 3);
	ROW("one ends, one waits", claim_with(w, (struct limits){ .max = 1 }) == 1 && settle(w, w->got[0].key, SETTLE_DEAD, -1) == 0);
	w->now += 100;
	message(w, 4, 4);
	ROW("nothing is old enough", prune(w, T0, T0, &more) == 0 && !more
	    && count_rows(w, (struct store_filter){ .max = 10 }) == 3);
	ROW("the old ones go", prune(w, T0, T0 + 50, &more) == 0);
	ROW("but what still waits stays", count_rows(w, (struct store_filter){ .max = 10 }) == 2);
	ROW("the key outlives the body", put(w, (struct said){ "shop", 1, 1, 10, false }, &p) == 0 && p.decision == CW_D_DUPLICATE);
	balance(w);
	ROW("keys go in their own time", prune(w, T0 + 50, T0, &more) == 0);
	ROW("then the message is new again", put(w, (struct said){ "shop", 9, 1, 10, false }, &p) == 0 && p.decision == CW_D_FORWARD);
	end_world(w);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "events", events },
		{ "transactions", transactions },
		{ "opening", opening },
		{ "batches", batches },
		{ "released, never sent", released_never_sent },
		{ "batch limits", batch_limits },
		{ "debounce", debounce },
		{ "fairness", fairness },
		{ "too old", too_old },
		{ "replies", replies },
		{ "couriers", couriers },
		{ "poison", poison },
		{ "operators", operators },
		{ "tenants", tenants },
		{ "pruning", pruning },
	};
	return unit_run("store", tests, ARRAY_LEN(tests), 0);
}
