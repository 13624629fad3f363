/* store_world: a store in a directory of its own, and what the tests of the
 * store say to it. */
#ifndef PONTE_STORE_WORLD_H
#define PONTE_STORE_WORLD_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/chatwoot/answer.h"
#include "lib/store.h"
#include "lib/tenant.h"

#include "t/unit/unit.h"

#define SECOND INT64_C(1000000)
#define T0     (INT64_C(1767348000) * SECOND)
#define MINUTE (60 * SECOND)
#define HOUR   (3600 * SECOND)

#pragma GCC diagnostic ignored "-Wunused-function"

/* ---- a store in a directory of its own ---- */

struct seen_batch {
	int64_t key, attempt, n, conversation, created_us, message_id;
	bool lookup;
	enum chatwoot_notice notice;
	enum delivery_dest dest;
	enum delivery_kind kind;
	char tenant[65], payload[64];
	int64_t message[STORE_BATCH_MEMBERS], delivery[STORE_BATCH_MEMBERS];
	bool late[STORE_BATCH_MEMBERS], replayed[STORE_BATCH_MEMBERS];
	size_t members, body_bytes;
};

struct world {
	char dir[64], path[80];
	struct store *s;
	int64_t now;
	uint32_t ids;                           /* of events */
	struct seen_batch got[64];
	size_t gots;
	struct store_claimed claimed;
	int differences, exhausted;
	char text[STORE_TEXT];
	struct store_rules rules;
};

static void
reopen(struct world *w)
{
	store_close(w->s);
	w->s = NULL;
	if (store_open(w->path, MIB, &w->s, w->text) != 0) {
		fprintf(stderr, "%s\n", w->text);
		exit(1);
	}
	store_set_rules(w->s, &w->rules);
}

/* Nothing is done for a customer without an answer, unless a test says so. */
static const struct tenant_manners plain = { .debounce_ms = -1, .typing = true };

static int
add_tenant_with(struct world *w, const char *name, int64_t account, const struct tenant_manners *manners, bool user_token)
{
	CLEANUP(buf_free) struct buf record = { 0 };
	struct tenant_account accounts[] = { { account, { 0, 0 } } };
	struct tenant_installation in = { .id = SLICE("main"), .url = SLICE("https://chat.example.com"), .account = accounts,
		.accounts = 1, .user_token = user_token ? SLICE("sealed") : SLICE("") };
	struct tenant t = { .name = slice_of(name), .manners = *manners, .installation = &in, .installations = 1 };
	struct store_account one = { SLICE("https://chat.example.com"), account };
	if (tenant_encode(&t, &record) != 0)
		return -ENOMEM;
	return store_tenant_put(w->s, slice_of(name), buf_view(&record), &one, 1, w->text);
}

static int
add_tenant(struct world *w, const char *name, int64_t account)
{
	return add_tenant_with(w, name, account, &plain, false);
}

static struct world *
begin_world(void)
{
	struct world *w = calloc(1, sizeof(*w));
	snprintf(w->dir, sizeof(w->dir), "/tmp/ponte-store-XXXXXX");
	if (!w || !mkdtemp(w->dir))
		exit(1);
	snprintf(w->path, sizeof(w->path), "%s/ponte.db", w->dir);
	w->now = T0;
	w->rules = (struct store_rules){ .echo_us = 60 * SECOND, .lookup_us = 10 * SECOND };
	reopen(w);
	ROW("a tenant is made", add_tenant(w, "shop", 7) == 0);
	ROW("another tenant is made", add_tenant(w, "other", 8) == 0);
	ROW("that is on disk", store_commit(w->s) == 0);
	return w;
}

static void
difference(void *context, const struct store_count *c)
{
	struct world *w = context;
	w->differences++;
	fprintf(stderr, "  difference: " SLICE_FMT " %s %s %lld, recounted %lld\n", SLICE_ARG(c->tenant), c->book, c->state,
	    (long long)c->count, (long long)c->recount);
}

/* The books balance and the file is whole, whatever the test did. */
static void
balance(struct world *w)
{
	struct store *reader = NULL;
	char file[STORE_TEXT] = "";
	ROW("what is open is committed", store_commit(w->s) == 0);
	w->differences = 0;
	int r = store_open_to_read(w->path, &reader, w->text);
	if (r == 0)
		r = store_check(reader, difference, w, file);
	ROW("the store can be recounted", r == 0);
	ROW("books and rows agree", w->differences == 0);
	ROW("the file is whole, the lanes say what their deliveries say", strcmp(file, "ok") == 0);
	if (strcmp(file, "ok") != 0)
		fprintf(stderr, "  %s %s\n", file, reader ? store_error(reader) : w->text);
	store_close(reader);
}

static void
end_world(struct world *w)
{
	char name[100];
	balance(w);
	store_close(w->s);
	static const char *const files[] = { "", "-wal", "-shm", ".lock" };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(name, sizeof(name), "%s%s", w->path, files[i]);
		unlink(name);
	}
	rmdir(w->dir);
	free(w);
}

/* ---- saying things to it ---- */

static struct uuid
event_id(uint32_t n)
{
	struct uuid id = { { 1 } };
	memcpy(id.byte + 8, &n, sizeof(n));
	return id;
}

struct said { const char *tenant; int64_t conversation, message; size_t bytes; bool closed; };

static struct chatwoot_facts
incoming(int64_t account, int64_t conversation, int64_t message)
{
	return (struct chatwoot_facts){
		.event = CW_EV_MESSAGE_CREATED, .account = account, .inbox = 31, .conversation = conversation,
		.message = message, .contact = 3, .status = CW_ST_PENDING, .updated_us = T0,
		.type = CW_TY_INCOMING, .sender = CW_SE_CONTACT, .has_text = true,
	};
}

static int
put_facts(struct world *w, const char *tenant, uint32_t id, const struct chatwoot_facts *f, struct slice body, bool closed,
    struct store_put *ret)
{
	struct chatwoot_policy policy = { .mode = CW_MODE_BOT, .account = f->account, .answer_open = true };
	struct store_event e = {
		.id = event_id(id), .tenant = slice_of(tenant), .installation = SLICE("main"), .sender = SLICE("bot"),
		.request_id = SLICE("req"), .facts = f, .policy = &policy, .facts_bytes = SLICE("facts"),
		.body = body, .received_us = w->now, .closed = closed,
	};
	return store_put(w->s, &e, ret);
}

static int
put(struct world *w, struct said said, struct store_put *ret)
{
	char *body = calloc(1, said.bytes + 1);
	struct chatwoot_facts f = incoming(strcmp(said.tenant, "shop") ? 8 : 7, said.conversation, said.message);
	int r = put_facts(w, said.tenant, ++w->ids, &f, slice_from(body, said.bytes), said.closed, ret);
	free(body);
	return r;
}

/* A message of "shop" that is forwarded. */
static void
message(struct world *w, int64_t conversation, int64_t id)
{
	struct store_put p;
	ROW("a message is taken in", put(w, (struct said){ "shop", conversation, id, 10, false }, &p) == 0
	    && p.decision == CW_D_FORWARD && p.stored && p.due);
}

static void
on_batch(void *context, const struct store_batch *b)
{
	struct world *w = context;
	struct seen_batch *g = &w->got[w->gots];
	*g = (struct seen_batch){ .key = b->key, .attempt = b->attempt, .n = b->n, .conversation = b->conversation,
		.created_us = b->created_us, .dest = b->dest, .kind = b->kind, .lookup = b->lookup, .notice = b->notice,
		.message_id = b->message };
	snprintf(g->tenant, sizeof(g->tenant), SLICE_FMT, SLICE_ARG(b->tenant));
	if (b->payload.len)
		memcpy(g->payload, b->payload.ptr, b->payload.len < sizeof(g->payload) ? b->payload.len : sizeof(g->payload));
}

static void
on_member(void *context, const struct store_member *m)
{
	struct world *w = context;
	struct seen_batch *g = &w->got[w->gots];
	g->message[g->members] = m->message;
	g->delivery[g->members] = m->delivery;
	g->replayed[g->members] = m->replayed;
	g->late[g->members++] = m->late;
	g->body_bytes += m->body.len;
}

static void
on_done(void *context)
{
	((struct world *)context)->gots++;
}

static void
on_exhausted(void *context, struct slice tenant, int64_t account, int64_t conversation)
{
	struct world *w = context;
	ROW("it is said whose", slice_eq(tenant, SLICE("shop")) && account == 7 && conversation > 0);
	w->exhausted++;
}

struct limits { size_t max; const struct store_busy *busy; size_t busies; };

static size_t
claim_with(struct world *w, struct limits l)
{
	const struct store_sink sink = { w, on_batch, on_member, on_done, on_exhausted };
	struct store_claim ask = { .now_us = w->now,
		.max = l.max ? l.max : 64, .busy = l.busy, .busies = l.busies };
	w->gots = 0;
	ROW("a claim is answered", store_claim(w->s, &ask, &sink, &w->claimed) == 0);
	ROW("as many batches as it says", w->claimed.batches == w->gots);
	return w->gots;
}

static size_t
claim(struct world *w)
{
	return claim_with(w, (struct limits){ .max = 64 });
}

static int
settle(struct world *w, int64_t key, enum settle_verdict verdict, int64_t delay_us)
{
	bool due;
	struct store_settle how = { .delivery = key, .now_us = w->now, .delay_us = delay_us, .verdict = verdict,
		.status = 200, .reason = SLICE("because") };
	return store_settle(w->s, &how, &due);
}

/* DONE, with one reply to be posted. */
static int
settle_with_reply(struct world *w, int64_t key)
{
	bool due;
	struct store_next next = { DELIVERY_K_REPLY, 0, SLICE("hello") };
	struct store_settle how = { .delivery = key, .now_us = w->now, .delay_us = -1, .verdict = SETTLE_DONE,
		.status = 200, .next = &next, .nexts = 1 };
	return store_settle(w->s, &how, &due);
}

/* The rules of age, from now on. */
static void
rules(struct world *w, int64_t age_us, int64_t give_up_us)
{
	w->rules.message_age_us = age_us;
	w->rules.give_up_us = give_up_us;
	store_set_rules(w->s, &w->rules);
}

static int
begin(struct world *w, int64_t delivery, const char **why)
{
	return store_begin(w->s, &(struct store_begin){ .delivery = delivery, .now_us = w->now }, why);
}

static struct store_row last_row;

static void
on_row(void *context, const struct store_row *row)
{
	(void)context;
	last_row = *row;
}

static enum delivery_state
state_of(struct world *w, int64_t id)
{
	struct store_filter f = { .id = &id, .ids = 1 };
	struct store_progress p;
	last_row = (struct store_row){ .id = 0 };
	ROW("a delivery is looked at", store_list(w->s, &f, on_row, w, &p) == 0);
	return last_row.state;
}

static int64_t
count_rows(struct world *w, struct store_filter f)
{
	struct store_progress p = { .count = -1 };
	ROW("a list is given", store_list(w->s, &f, on_row, w, &p) == 0);
	return p.count;
}

/* The hub is asked and answers; the reply that follows, claimed. */
static int64_t
ask_and_answer(struct world *w, int64_t conversation, int64_t id)
{
	message(w, conversation, id);
	ROW("the hub is asked", claim(w) == 1 && w->got[0].dest == DEST_HUB);
	ROW("it answers", settle_with_reply(w, w->got[0].key) == 0);
	ROW("the reply is claimed", claim(w) == 1 && w->got[0].dest == DEST_CHATWOOT && w->got[0].kind == DELIVERY_K_REPLY);
	return w->got[0].key;
}

static void
human_writes(struct world *w, int64_t conversation, int64_t id)
{
	struct store_put p;
	struct chatwoot_facts f = incoming(7, conversation, id);
	f.type = CW_TY_OUTGOING;
	f.sender = CW_SE_USER;
	ROW("a human takes over", put_facts(w, "shop", 5000 + (uint32_t)id, &f, SLICE("x"), false, &p) == 0
	    && p.decision == CW_D_HUMAN_TOOK_OVER && p.stored);
}

#endif
