#include "lib/backoff.h"

int64_t
backoff_ceiling_ms(unsigned attempt)
{
	static const int64_t ceiling_s[] = { 1, 2, 5, 10, 30, 60, 120, 300 };
	size_t i = attempt > 0 ? attempt - 1 : 0;

	if (i >= ARRAY_LEN(ceiling_s))
		i = ARRAY_LEN(ceiling_s) - 1;
	return ceiling_s[i] * 1000;
}

int64_t
backoff_delay_ms(unsigned attempt, uint32_t dice)
{
	/* 0..ceiling, both ends included; the product fits: 19 + 32 bits. */
	int64_t delay = (int64_t)((uint64_t)(backoff_ceiling_ms(attempt) + 1) * dice >> 32);
	return delay < 100 ? 100 : delay;
}

int64_t
backoff_with_hint_ms(int64_t own_ms, int64_t hint_ms, int64_t cap_ms)
{
	int64_t hint = hint_ms < cap_ms ? hint_ms : cap_ms;
	return hint > own_ms ? hint : own_ms;
}
