/* fill: a queue of any length, made through the store itself, as the keeper
 * would make it of as many webhooks.
 *
 *   fill --store FILE --tenant NAME --account N --body FILE --events N [--conversations K] [--first-id I]
 *        [--age SECONDS] [--closed FILE]
 *
 * The tenant must be there and no keeper may run.  Event i is message I + i of
 * conversation 1 + i % K; the first came in AGE seconds ago, the last now.  The
 * body's "@MESSAGE@" and "@CONVERSATION@" become those numbers.  With --closed
 * every second event of a conversation is that body instead, told to the hub as
 * a notice, which travels alone.  Prints how many were put and how long it took. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/store.h"
#include "lib/wire.h"

#define COMMIT_EVERY 1000
#define WAL_LIMIT    (64 * MIB)

struct text { char *bytes; size_t len; };
struct kind { struct text text; struct chatwoot_facts facts; };

struct fill {
	uint64_t account, events, conversations, first_id, age_s;
	const char *store_file, *tenant, *body_file, *closed_file;
	struct store *store;
	struct arena *arena;
	struct chatwoot_policy policy;
	struct kind message, closed;
};

static _Noreturn void
fail(const char *what, const char *why)
{
	fprintf(stderr, "fill: %s: %s\n", what, why);
	exit(1);
}

/* The text with its two numbers. */
static void
number(const struct text *from, uint64_t message, uint64_t conversation, struct buf *out)
{
	const char *at = from->bytes, *end = from->bytes + from->len, *next;
	buf_clear(out);
	int r = buf_reserve(out, from->len + 256);
	while (r == 0 && (next = memchr(at, '@', (size_t)(end - at))) != NULL) {
		bool m = (size_t)(end - next) >= 9 && memcmp(next, "@MESSAGE@", 9) == 0;
		bool c = (size_t)(end - next) >= 14 && memcmp(next, "@CONVERSATION@", 14) == 0;
		r = buf_append(out, at, (size_t)(next - at));
		at = next + (m ? 9 : c ? 14 : 1);
		if (r == 0)
			r = m ? buf_printf(out, "%llu", (unsigned long long)message)
			    : c ? buf_printf(out, "%llu", (unsigned long long)conversation) : buf_append(out, "@", 1);
	}
	if (r != 0 || buf_append(out, at, (size_t)(end - at)) != 0)
		fail("a body", "out of memory");
}

static void
read_kind(struct fill *f, const char *file, struct kind *k)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	struct slice why = { NULL, 0 };
	if (file_read(file, 32 * MIB, &k->text.bytes, &k->text.len) != 0)
		fail(file, "cannot be read");
	number(&k->text, 1, 1, &body);
	if (chatwoot_read(arena_copy(f->arena, buf_view(&body)), &f->policy, f->arena, &k->facts, NULL, &why) != 0)
		fail(file, why.len ? why.ptr : "is no event");
}

static void
put(struct fill *f, uint64_t i, int64_t received_us, struct buf *body, struct buf *packed)
{
	struct wire_writer w;
	struct store_put ret;
	bool closes = f->closed_file && i / f->conversations % 2 == 1;
	struct kind *k = closes ? &f->closed : &f->message;

	number(&k->text, f->first_id + i, 1 + i % f->conversations, body);
	k->facts.conversation = (int64_t)(1 + i % f->conversations);
	k->facts.message = closes ? 0 : (int64_t)(f->first_id + i);
	k->facts.updated_us = received_us + (int64_t)i;
	buf_clear(packed);
	wire_bare(&w, packed);
	chatwoot_pack(&k->facts, &f->policy, &w);
	if (wire_bare_end(&w) != 0)
		fail("an event", "out of memory");
	const struct store_event e = {
		.id = uuid_make(received_us), .tenant = slice_of(f->tenant), .installation = SLICE("main"), .sender = SLICE("bot"),
		.request_id = SLICE("00000000000000000000000000000000"), .facts = &k->facts, .policy = &f->policy,
		.facts_bytes = buf_view(packed), .body = buf_view(body), .received_us = received_us,
	};
	if (store_put(f->store, &e, &ret) != 0)
		fail(f->tenant, store_error(f->store));
	if (!ret.due)
		fail("an event is not for the hub", ret.reason);
}

static void
run(struct fill *f)
{
	CLEANUP(buf_free) struct buf body = { 0 }, packed = { 0 };
	int64_t now_us = clock_wall_us(), age_us = (int64_t)f->age_s * US_PER_S;
	for (uint64_t i = 0; i < f->events; i++) {
		put(f, i, now_us - age_us + (int64_t)((double)age_us * (double)i / (double)f->events), &body, &packed);
		if ((i + 1) % COMMIT_EVERY != 0 && i + 1 < f->events)
			continue;
		if (store_commit(f->store) != 0 || store_checkpoint(f->store, false) != 0)
			fail(f->store_file, store_error(f->store));
	}
	if (store_checkpoint(f->store, true) != 0)
		fail(f->store_file, store_error(f->store));
}

int
main(int argc, char **argv)
{
	struct fill f = { .account = 7, .conversations = 1000, .first_id = 1 };
	char why[STORE_TEXT];
	static const struct option options[] = {
		{ "store", 1, 0, 's' }, { "tenant", 1, 0, 't' }, { "account", 1, 0, 'a' }, { "body", 1, 0, 'b' },
		{ "events", 1, 0, 'n' }, { "conversations", 1, 0, 'k' }, { "first-id", 1, 0, 'i' }, { "age", 1, 0, 'g' },
		{ "closed", 1, 0, 'c' }, { 0, 0, 0, 0 },
	};
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		uint64_t *to = o == 'a' ? &f.account : o == 'n' ? &f.events : o == 'k' ? &f.conversations :
		    o == 'i' ? &f.first_id : o == 'g' ? &f.age_s : NULL;
		const char **text = o == 's' ? &f.store_file : o == 't' ? &f.tenant : o == 'b' ? &f.body_file :
		    o == 'c' ? &f.closed_file : NULL;
		if (text)
			*text = optarg;
		else if (!to || slice_to_u64(slice_of(optarg), 0, UINT64_C(1) << 60, to) != 0)
			fail("the command line", "see the head of fill.c");
	}
	if (!f.store_file || !f.tenant || !f.body_file || !f.events || !f.conversations || crypt_init() != 0 ||
	    arena_new(16 * MIB, &f.arena) != 0)
		fail("the command line", "--store, --tenant, --body and --events are needed");
	f.policy = (struct chatwoot_policy){ .mode = CW_MODE_BOT, .account = (int64_t)f.account, .bot_id = 4, .answer_open = true,
		.tell_closed = f.closed_file != NULL };
	read_kind(&f, f.body_file, &f.message);
	if (f.closed_file)
		read_kind(&f, f.closed_file, &f.closed);
	int64_t start_us = clock_mono_us();
	if (store_open(f.store_file, WAL_LIMIT, &f.store, why) != 0)
		fail(f.store_file, why);
	run(&f);
	store_close(f.store);
	arena_free(f.arena);
	free(f.message.text.bytes);
	free(f.closed.text.bytes);
	printf("{\"events\":%llu,\"seconds\":%.3f}\n", (unsigned long long)f.events,
	    (double)(clock_mono_us() - start_us) / 1e6);
	return 0;
}
