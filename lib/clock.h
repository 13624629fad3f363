/* clock: the two clocks.  Waits are measured on the monotonic one, signatures
 * and everything shown or stored on the wall clock. */
#ifndef PONTE_CLOCK_H
#define PONTE_CLOCK_H

#include "lib/base.h"

#define US_PER_S  INT64_C(1000000)
#define MS_PER_S  INT64_C(1000)

int64_t clock_wall_us(void);
int64_t clock_mono_us(void);
int64_t clock_mono_ms(void);

/* "2026-01-02T10:00:05.123Z", 24 characters and a NUL. */
#define CLOCK_TEXT 25
void clock_text(int64_t wall_us, char ret[static CLOCK_TEXT]);

#endif
