#include <stdio.h>

#include "app/keeper/failures.h"

#include "t/unit/unit.h"

static struct failures f;

static int64_t
wait_of(const char *address, int64_t now_ms)
{
	return failures_wait_ms(&f, slice_of(address), now_ms);
}

/* That token was no good. */
static void
note(const char *address, int token, int64_t now_ms)
{
	uint64_t hash[4] = { (uint64_t)token };

	failures_note(&f, slice_of(address), slice_from(hash, sizeof(hash)), now_ms);
}

static void
an_address(void)
{
	f.n = 0;
	for (int i = 0; i < FAILURES_MOST; i++) {
		ROW("it may still try", wait_of("192.0.2.7", 1000 + i) == 0);
		note("192.0.2.7", i, 1000 + i);
	}
	ROW("ten are too many", wait_of("192.0.2.7", 2000) == 1000 + FAILURES_MS - 2000);
	ROW("another may", wait_of("192.0.2.70", 2000) == 0);
	ROW("after its minute it may again", wait_of("192.0.2.7", 1000 + FAILURES_MS) == 0);
	note("192.0.2.7", 0, 1000 + FAILURES_MS);
	ROW("and begins anew", wait_of("192.0.2.7", 1001 + FAILURES_MS) == 0);
}

static void
one_token(void)
{
	f.n = 0;
	for (int i = 0; i < 5 * FAILURES_MOST; i++)
		note("192.0.2.7", 1, 1000 + i);
	ROW("the same one again is no guess", wait_of("192.0.2.7", 2000) == 0);
	for (int i = 2; i < FAILURES_MOST; i++)
		note("192.0.2.7", i, 2000);
	ROW("nine", wait_of("192.0.2.7", 2000) == 0);
	note("192.0.2.7", FAILURES_MOST, 2000);
	ROW("ten", wait_of("192.0.2.7", 2000) > 0);
	note("192.0.2.7", FAILURES_MOST + 1, 2000);
	ROW("and no more are kept", f.item[0].n == FAILURES_MOST);
}

static void
a_network(void)
{
	char address[60];
	f.n = 0;
	for (int i = 0; i < FAILURES_MOST; i++) {
		snprintf(address, sizeof(address), "2001:db8:1:2:%x::1", i + 1);
		note(address, i, 1);
	}
	ROW("one /64 is one", wait_of("2001:db8:1:2:ffff::9", 2) > 0);
	ROW("the next is another", wait_of("2001:db8:1:3::1", 2) == 0);
	ROW("no address at all", wait_of("", 2) == 0);
}

static void
many(void)
{
	char address[60];
	f.n = 0;
	for (int i = 0; i < FAILURES_MOST; i++)
		note("192.0.2.7", i, 50);
	for (int i = 0; i < 3 * FAILURES_KEPT; i++) {
		snprintf(address, sizeof(address), "10.%d.%d.1", i / 256, i % 256);
		note(address, i, 10 + i % 20);
	}
	ROW("the table has an end", f.n == FAILURES_KEPT);
	ROW("who is refused the longest is kept", wait_of("192.0.2.7", 60) > 0);
}

int
main(void)
{
	static const struct unit_test tests[] = { { "an address", an_address }, { "one token", one_token }, { "a network", a_network }, { "many", many } };
	return unit_run("failures", tests, ARRAY_LEN(tests), 0);
}
