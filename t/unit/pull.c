/* What a pull does with what it has read, and when. */
#include <stdlib.h>
#include <string.h>

#include "app/courier/courier.h"
#include "app/courier/pull_run.h"
#include "lib/catalog_item.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/value.h"

#include "t/unit/unit.h"

#define NOW (1000 * MS_PER_S)

static struct courier *
courier_with(uint64_t body)
{
	struct courier *c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	c->config.limits.body = body;
	c->link = (struct keeper_link){ .fd = -1, .greeted = true, .generation = 1 };
	return c;
}

static void
courier_free(struct courier *c)
{
	pulls_free(&c->pulls);
	calls_free(&c->calls);
	keeper_link_close(&c->link);
	free(c);
}

/* One that has read n documents of that many bytes. */
static struct pull *
pull_with(size_t n, size_t bytes)
{
	struct pull *u;
	char *text = malloc(bytes);
	if (!text || pull_new(SLICE("shop"), &u) != 0 || !(u->shelf[2].item = calloc(n, sizeof(*u->shelf[2].item))))
		abort();
	memset(text, 'a', bytes);
	struct catalog_item item = { .kind = CATALOG_K_DOCUMENT, .key = SLICE("1"), .name = SLICE("D"),
		.description = arena_copy(u->memory, slice_from(text, bytes)) };
	free(text);
	for (size_t i = 0; i < n; i++)
		u->shelf[2].item[i] = item;
	u->shelf[2].n = u->shelf[2].cap = n;
	u->shelf[0].absent = u->shelf[1].absent = true;
	u->model = PULL_SHELVES;
	u->phase = PULL_READ;
	return u;
}

static void
go(struct courier *c, struct pull *u)
{
	for (int turns = 0; pull_ready(u) && turns < 100; turns++)
		pull_go(c, u, NOW);
}

/* ---- how much ---- */

static void
what_is_read(void)
{
	/* clang-format off */
	static const struct { const char *name; size_t n, bytes; uint64_t body; const char *why; } row[] = {
		{ "some documents are put",                                3,  1000, 64 * KIB, NULL },
		{ "more than the keeper's limits.body allows is not",    100, 20000, 64 * KIB, "more than 1228800 bytes" },
		{ "more than any frame holds is not",                     66,   MIB, 64 * MIB, "more than 67092480 bytes" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct courier *c = courier_with(row[i].body);
		struct pull *u = pull_with(row[i].n, row[i].bytes);
		go(c, u);
		ROW(row[i].name, !pull_ready(u));
		ROW(row[i].name, (u->phase == PULL_OVER) == (row[i].why != NULL));
		ROW(row[i].name, (u->question != 0) == (row[i].why == NULL) && (c->link.out.len > 0) == (row[i].why == NULL));
		ROW(row[i].name, row[i].why ? strstr(u->why, row[i].why) != NULL : u->why[0] == '\0');
		pull_free(u);
		courier_free(c);
	}
}

static void
a_keeper_that_hangs_up(void)
{
	struct courier *c = courier_with(64 * KIB);
	struct pull *u = pull_with(1, 10);
	c->pulls.first = u;
	for (int lost = 1; lost <= 3; lost++) {
		go(c, u);
		CU_ASSERT(u->phase == PULL_PUT && u->question != 0);
		pull_greeted(c);
	}
	CU_ASSERT(u->phase == PULL_OVER && strstr(u->why, "hung up") != NULL);
	courier_free(c);
}

/* Odoo's page of that many rules, with texts of so many bytes. */
static void
page_comes(struct courier *c, size_t n, size_t bytes)
{
	struct call *call = c->calls.first;
	CU_ASSERT_FATAL(call != NULL && call->done != NULL);
	struct arena *a = call->memory;
	char *text = arena_take(a, bytes);
	struct value *page = value_list(a);
	memset(text, 'a', bytes);
	for (size_t i = 0; i < n; i++) {
		struct value *row = value_record(a);
		value_set(row, SLICE("id"), value_int(a, (int64_t)i + 1));
		value_set(row, SLICE("name"), value_text(a, SLICE("R")));
		value_set(row, SLICE("description"), value_text(a, slice_from(text, bytes)));
		value_add(page, row);
	}
	call->result = CALL_DONE;
	call->value = page;
	call->done(call);
	calls_free(&c->calls);
}

static void
a_page_is_taken_in_parts(void)
{
	/* clang-format off */
	static const struct { const char *name; size_t n, bytes, most; } row[] = {
		{ "short records",   120,        10, 20 },
		{ "long ones",        30, 100 * KIB,  3 },
		{ "one that is long",  1,   4 * MIB,  1 },
		{ "none",              0,        10,  0 },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct courier *c = courier_with(64 * KIB);
		struct pull *u;
		if (pull_new(SLICE("shop"), &u) != 0)
			abort();
		c->pulls.first = u;
		pull_go(c, u, NOW);
		page_comes(c, row[i].n, row[i].bytes);
		ROW(row[i].name, u->count[PULL_N_READ] <= row[i].most);
		while (u->phase != PULL_READING && u->phase != PULL_OVER) {
			uint64_t before = u->count[PULL_N_READ];
			CU_ASSERT(pull_wait_ms(c, NOW) == 0);
			pull_tick(c, NOW);
			ROW(row[i].name, u->count[PULL_N_READ] - before <= row[i].most);
		}
		ROW(row[i].name, u->phase == PULL_READING && u->count[PULL_N_READ] == row[i].n && u->shelf[0].n == row[i].n);
		ROW(row[i].name, u->model == (row[i].n == 0));
		courier_free(c);
	}
}

static void
a_page_that_is_too_large(void)
{
	struct courier *c = courier_with(64 * KIB);
	struct pull *u;
	if (pull_new(SLICE("shop"), &u) != 0)
		abort();
	c->pulls.first = u;
	for (int max = u->page_max; max >= 1; max /= 2) {
		CU_ASSERT(u->page_max == max);
		pull_go(c, u, NOW);
		struct call *call = c->calls.first;
		CU_ASSERT_FATAL(call != NULL && call->done != NULL);
		call->result = CALL_FAULT;
		call->too_large = true;
		call->done(call);
		calls_free(&c->calls);
	}
	CU_ASSERT(u->phase == PULL_OVER && u->why[0] != '\0');
	courier_free(c);
}

/* ---- when ---- */

#define PAGE 200

/* A keeper that has t0000 to tNNNN, all with an Odoo that is read once a minute. */
struct keeper { int first, last; unsigned asked; bool fails; int places; };        /* places: of their Odoos; 0: one */

static void
tell_tenant(struct wire_writer *w, int n, int place)
{
	CLEANUP(buf_free) struct buf record = { 0 };
	char name[8], db[16];
	snprintf(name, sizeof(name), "t%04d", n);
	snprintf(db, sizeof(db), "shop%d", place);
	const struct tenant t = { .name = slice_of(name), .odoo = { .given = true, .url = SLICE("http://erp/"), .db = slice_of(db),
		.pull_ms = 60 * MS_PER_S } };
	if (tenant_encode(&t, &record) != 0)
		abort();
	wire_put(w, T_TENANT, buf_view(&record));
}

/* Answers what was asked for tenants. */
static void
keeper_answers(struct courier *c, struct keeper *k, int64_t now_ms)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame f;
	struct wire_writer w;
	while (wire_frame_read(buf_view(&c->link.out), &f) == 0) {
		CU_ASSERT(f.kind == P_TENANT_LIST);
		struct slice after = wire_text(f.payload, T_AFTER);
		int n = 0, from = 0;
		for (size_t i = 1; i < after.len; i++)
			from = 10 * from + (after.ptr[i] - '0');
		from = after.len > 0 ? from + 1 : k->first;
		buf_clear(&out);
		wire_begin(&w, &out, k->fails ? P_ERROR : P_TENANT_FOUND, f.request);
		for (; !k->fails && from <= k->last && n < PAGE; n++)
			tell_tenant(&w, from, k->places ? from % k->places : 0), from++;
		if (!k->fails && from <= k->last)
			wire_put_u64(&w, T_MORE, 1);
		buf_consume(&c->link.out, WIRE_HEADER + f.payload.len);
		if (wire_end(&w) != 0 || wire_frame_read(buf_view(&out), &f) != 0)
			abort();
		k->asked++;
		CU_ASSERT(pull_answered(c, &f, now_ms));
	}
}

/* One turn of the loop, in which every pull that runs comes to its end. */
static void
turn(struct courier *c, struct keeper *k, unsigned *seen, size_t n, int64_t now_ms)
{
	pull_tick(c, now_ms);
	for (struct pull *u = c->pulls.first; u; u = u->next)
		if (u->phase == PULL_READING) {
			long i = strtol(u->tenant + 1, NULL, 10);
			CU_ASSERT_FATAL(i >= 0 && (size_t)i < n);
			seen[i]++;
			u->phase = PULL_OVER;
		}
	calls_free(&c->calls);
	keeper_answers(c, k, now_ms);
}

static void
everybody_has_a_turn(void)
{
	enum { N = 430 };
	unsigned seen[N] = { 0 };
	struct keeper k = { .last = N - 1 };
	struct courier *c = courier_with(64 * KIB);
	int64_t now = NOW;
	pull_greeted(c);
	/* Each takes half a second, so that the first are due again before the last had a turn. */
	for (; now < NOW + 500 * MS_PER_S; now += MS_PER_S / 2)
		turn(c, &k, seen, N, now);
	CU_ASSERT(k.asked == 3);
	for (size_t i = 0; i < N; i++)
		CU_ASSERT(seen[i] > 0);

	memset(seen, 0, sizeof(seen));
	k.first = 1;
	c->link.generation++;
	for (int64_t end = now + 500 * MS_PER_S; now < end; now += MS_PER_S / 2)
		turn(c, &k, seen, N, now);
	CU_ASSERT(k.asked == 6);
	CU_ASSERT(seen[0] <= 1);        /* one may have waited already */
	for (size_t i = 1; i < N; i++)
		CU_ASSERT(seen[i] > 0);
	courier_free(c);
}

static size_t
reading(const struct courier *c, const char *tenant)
{
	size_t n = 0;
	for (const struct pull *u = c->pulls.first; u; u = u->next)
		n += u->phase == PULL_READING && (!tenant || strcmp(u->tenant, tenant) == 0);
	return n;
}

static void
different_odoos_are_read_side_by_side(void)
{
	/* clang-format off */
	static const struct { const char *name; int tenants, places; size_t most; } row[] = {
		{ "each has its own",                 20, 20, 4 },
		{ "all share one",                    20,  0, 1 },
		{ "two are shared by all",            20,  2, 2 },
		{ "there is one tenant",               1,  1, 1 },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct keeper k = { .last = row[i].tenants - 1, .places = row[i].places };
		struct courier *c = courier_with(64 * KIB);
		int64_t now = NOW + 61 * MS_PER_S;
		pull_greeted(c);
		pull_tick(c, NOW);
		keeper_answers(c, &k, NOW);
		for (int n = 0; n < 20; n++)
			pull_tick(c, now);
		ROW(row[i].name, reading(c, NULL) == row[i].most);
		ROW(row[i].name, pull_wait_ms(c, now) > 0);
		/* One of an operator's beside it is of the same tenant: it waits. */
		struct pull *u, *running = c->pulls.first;
		if (pull_new(slice_of(running->tenant), &u) != 0)
			abort();
		u->place = running->place;
		u->asker = 7;
		u->asked_ms = now;
		u->next = running->next;
		running->next = u;
		for (int n = 0; n < 20; n++)
			pull_tick(c, now);
		ROW(row[i].name, reading(c, running->tenant) == 1 && u->phase == PULL_NEW);
		running->phase = PULL_OVER;
		for (int n = 0; n < 20; n++)
			pull_tick(c, now);
		ROW(row[i].name, u->phase == PULL_READING && reading(c, NULL) == row[i].most);
		courier_free(c);
	}
}

static void
the_clock_leaves_room(void)
{
	struct keeper k = { .last = 99 };
	struct courier *c = courier_with(64 * KIB);
	CLEANUP(buf_free) struct buf asked = { 0 }, out = { 0 };
	struct wire_writer w;
	struct wire_frame f;
	pull_greeted(c);
	pull_tick(c, NOW);
	keeper_answers(c, &k, NOW);
	for (int i = 0; i < 9; i++)
		pull_tick(c, NOW + 3600 * MS_PER_S);
	CU_ASSERT(c->pulls.first != NULL);
	CU_ASSERT(pull_wait_ms(c, NOW + 3600 * MS_PER_S) > 0);   /* all wait for an Odoo: the loop sleeps */
	wire_begin(&w, &asked, P_PULL, 1);
	wire_put(&w, T_NAME, SLICE("t0007"));
	wire_put_u64(&w, T_AFTER, 12345);
	CU_ASSERT_FATAL(wire_end(&w) == 0 && wire_frame_read(buf_view(&asked), &f) == 0);
	CU_ASSERT(pull_asked(c, true, &f, &out, NOW + 3600 * MS_PER_S) == 0);
	CU_ASSERT_FATAL(wire_frame_read(buf_view(&out), &f) == 0);
	CU_ASSERT(f.kind == P_PULL_OK);
	courier_free(c);
}

static void
a_keeper_that_cannot_list(void)
{
	struct keeper k = { .last = 2, .fails = true };
	struct courier *c = courier_with(64 * KIB);
	pull_greeted(c);
	for (int i = 0; i < 10; i++) {
		pull_tick(c, NOW);
		keeper_answers(c, &k, NOW);
	}
	CU_ASSERT(k.asked == 1);
	CU_ASSERT(pull_wait_ms(c, NOW) > 0 && pull_wait_ms(c, NOW) <= MS_PER_S);
	k.fails = false;
	pull_tick(c, NOW + MS_PER_S);
	keeper_answers(c, &k, NOW + MS_PER_S);
	CU_ASSERT(k.asked == 2 && c->pulls.dues == 3);
	courier_free(c);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "what is read is put, or it is said why not", what_is_read },
		{ "a keeper that hangs up is not asked for ever", a_keeper_that_hangs_up },
		{ "a page is taken in parts, between which the loop goes on", a_page_is_taken_in_parts },
		{ "a page that is too large is asked for in halves", a_page_that_is_too_large },
		{ "every tenant's turn comes, and that of one that is removed does not", everybody_has_a_turn },
		{ "different Odoos are read side by side, one by one at a time", different_odoos_are_read_side_by_side },
		{ "those by the clock leave room for those that are asked for", the_clock_leaves_room },
		{ "a keeper that cannot tell the tenants is asked again, later", a_keeper_that_cannot_list },
	};
	log_setup("unit", LOG_ERROR);
	return unit_run("pull", tests, ARRAY_LEN(tests), 0);
}
