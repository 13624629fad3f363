#include "lib/backoff.h"

#include "t/unit/unit.h"

static void
ceilings(void)
{
	static const struct { const char *name; unsigned attempt; int64_t ms; } row[] = {
		{ "after the first attempt one second", 1, 1000 },
		{ "after the second two", 2, 2000 },
		{ "after the third five", 3, 5000 },
		{ "after the fourth ten", 4, 10000 },
		{ "after the fifth thirty", 5, 30000 },
		{ "after the sixth a minute", 6, 60000 },
		{ "after the seventh two minutes", 7, 120000 },
		{ "after the eighth five minutes", 8, 300000 },
		{ "and five minutes ever after", 9, 300000 },
		{ "also after very many", 4294967295U, 300000 },
		{ "no attempt counts as the first", 0, 1000 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, backoff_ceiling_ms(row[i].attempt) == row[i].ms);
}

static void
delays(void)
{
	static const struct { const char *name; unsigned attempt; uint32_t dice; int64_t ms; } row[] = {
		{ "the lowest throw is not a spin", 1, 0, 100 },
		{ "a low throw neither", 8, 1000000, 100 },
		{ "the middle throw is half the ceiling", 4, 0x80000000, 5000 },
		{ "the highest throw is the ceiling", 1, 0xffffffff, 1000 },
		{ "the highest throw is the ceiling, late too", 30, 0xffffffff, 300000 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, backoff_delay_ms(row[i].attempt, row[i].dice) == row[i].ms);

	int64_t sum = 0;
	for (uint32_t i = 0; i < 1000; i++)
		sum += backoff_delay_ms(8, i * 4294967U);
	ROW("throws are spread evenly", sum / 1000 > 149000 && sum / 1000 < 151000);
}

static void
hints(void)
{
	static const struct { const char *name; int64_t own, hint, cap, ms; } row[] = {
		{ "no hint: our own delay", 500, -1, 60000, 500 },
		{ "a longer hint is obeyed", 500, 7000, 60000, 7000 },
		{ "a shorter hint does not hurry us", 5000, 1000, 60000, 5000 },
		{ "a hint of zero does not hurry us", 5000, 0, 60000, 5000 },
		{ "a hint beyond the cap is cut", 500, 86400000, 60000, 60000 },
		{ "our own delay is not cut", 300000, -1, 60000, 300000 },
		{ "nor when the hint is longer still", 300000, 86400000, 60000, 300000 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, backoff_with_hint_ms(row[i].own, row[i].hint, row[i].cap) == row[i].ms);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "ceilings", ceilings },
		{ "delays", delays },
		{ "hints", hints },
	};
	return unit_run("backoff", tests, ARRAY_LEN(tests), 0);
}
