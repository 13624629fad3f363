/* obituary: one log line for each worker that has gone. */
#ifndef PONTE_WORKER_OBITUARY_H
#define PONTE_WORKER_OBITUARY_H

#include "app/worker/pool.h"

/* Before the slot and its place on the scoreboard are emptied. */
void obituary(const struct pool_group *, unsigned slot, int wait_status, int64_t lived_ms);

#endif
