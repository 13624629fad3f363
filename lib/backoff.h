/* backoff: how long to wait before the next attempt.  Pure: the clock and the
 * dice are the caller's. */
#ifndef PONTE_BACKOFF_H
#define PONTE_BACKOFF_H

#include "lib/base.h"

/* The ceiling before attempt number `attempt` + 1, in milliseconds: 1, 2, 5,
 * 10, 30 s, 1, 2, 5 min, then 5 min again.  attempt counts from 1. */
int64_t backoff_ceiling_ms(unsigned attempt);

/* Full jitter: uniform in 0..ceiling, from 32 random bits.  At least 100 ms,
 * so that a retry is never a spin. */
int64_t backoff_delay_ms(unsigned attempt, uint32_t dice);

/* What a peer asked for by Retry-After (milliseconds, -1 for nothing) against
 * our own delay: the longer of the two.  Of the hint no more than cap_ms
 * counts; our own delay is not cut. */
int64_t backoff_with_hint_ms(int64_t own_ms, int64_t hint_ms, int64_t cap_ms);

#endif
