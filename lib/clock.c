#include <stdio.h>
#include <time.h>

#include "lib/clock.h"

static int64_t
now_us(clockid_t which)
{
	struct timespec t;

	/* Fails only for a clock that does not exist. */
	REQUIRE(clock_gettime(which, &t) == 0);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t
clock_wall_us(void)
{
	return now_us(CLOCK_REALTIME);
}

int64_t
clock_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

void
clock_text(int64_t wall_us, char ret[static CLOCK_TEXT])
{
	/* Four digits for the year: 1970 to 9999. */
	const int64_t last_us = INT64_C(253402300799999999);
	if (wall_us < 0)
		wall_us = 0;
	if (wall_us > last_us)
		wall_us = last_us;

	time_t s = (time_t)(wall_us / US_PER_S);
	struct tm t;
	REQUIRE(gmtime_r(&s, &t) != NULL);
	REQUIRE(strftime(ret, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &t) == 19);
	snprintf(ret + 19, CLOCK_TEXT - 19, ".%03uZ", (unsigned)(wall_us % US_PER_S / 1000) % 1000);
}
