/* What a pull does with what it has read, and when. */
#include <stdlib.h>
#include <string.h>

#include "app/courier/courier.h"
#include "app/courier/pull_run.h"
#include "lib/catalog_item.h"
#include "lib/clock.h"

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

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "what is read is put, or it is said why not", what_is_read },
		{ "a keeper that hangs up is not asked for ever", a_keeper_that_hangs_up },
	};
	return unit_run("pull", tests, ARRAY_LEN(tests), 0);
}
