#include <stdio.h>

#include "app/keeper/failures.h"

#include "t/unit/unit.h"

static struct failures f;

static int64_t
wait_of(const char *address, int64_t now_ms)
{
	return failures_wait_ms(&f, slice_of(address), now_ms);
}

static void
an_address(void)
{
	f.n = 0;
	for (int i = 0; i < FAILURES_MOST; i++) {
		ROW("it may still try", wait_of("192.0.2.7", 1000 + i) == 0);
		failures_note(&f, SLICE("192.0.2.7"), 1000 + i);
	}
	ROW("ten are too many", wait_of("192.0.2.7", 2000) == 1000 + FAILURES_MS - 2000);
	ROW("another may", wait_of("192.0.2.70", 2000) == 0);
	ROW("after its minute it may again", wait_of("192.0.2.7", 1000 + FAILURES_MS) == 0);
	failures_note(&f, SLICE("192.0.2.7"), 1000 + FAILURES_MS);
	ROW("and begins anew", wait_of("192.0.2.7", 1001 + FAILURES_MS) == 0);
}

static void
a_network(void)
{
	char address[60];
	f.n = 0;
	for (int i = 0; i < FAILURES_MOST; i++) {
		snprintf(address, sizeof(address), "2001:db8:1:2:%x::1", i + 1);
		failures_note(&f, slice_of(address), 1);
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
		failures_note(&f, SLICE("192.0.2.7"), 50);
	for (int i = 0; i < 3 * FAILURES_KEPT; i++) {
		snprintf(address, sizeof(address), "10.%d.%d.1", i / 256, i % 256);
		failures_note(&f, slice_of(address), 10 + i % 20);
	}
	ROW("the table has an end", f.n == FAILURES_KEPT);
	ROW("who is refused the longest is kept", wait_of("192.0.2.7", 60) > 0);
}

int
main(void)
{
	static const struct unit_test tests[] = { { "an address", an_address }, { "a network", a_network }, { "many", many } };
	return unit_run("failures", tests, ARRAY_LEN(tests), 0);
}
