/* How much room is left.  Below store.min_free nothing new is taken in, so
 * that what is in can still be settled. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"

#define LOOK_EVERY_MS 100
#define FULL_FOR_MS   1000

static void
begins(struct keeper *k)
{
	k->disk.low = true;
	log_event(LOG_ALARM, "intake-refused", LOG_STR("why", k->disk.text),
	    LOG_INT("min_free", k->config.store.min_free));
}

static void
ends(struct keeper *k)
{
	k->disk.low = false;
	log_event(LOG_NOTICE, "intake-resumed", LOG_TEXT("path", k->config.store.path), LOG_INT("free", k->disk.free));
}

bool
disk_low(struct keeper *k)
{
	struct statvfs fs;
	if (k->disk.looked_ms && k->now_ms - k->disk.looked_ms < LOOK_EVERY_MS)
		return k->disk.low;
	k->disk.looked_ms = k->now_ms;
	/* What cannot be asked is not what is full: the store will say. */
	if (statvfs(k->config.store.path.ptr, &fs) < 0)
		return k->disk.low;
	k->disk.free = (uint64_t)fs.f_bavail * fs.f_frsize;
	uint64_t least = k->config.store.min_free;
	/* A little more to begin again, or it would flicker at the edge. */
	if (k->disk.low)
		least += least / 16;
	bool low = k->disk.free < least || k->now_ms < k->disk.full_until_ms;
	if (low && k->now_ms >= k->disk.full_until_ms)
		snprintf(k->disk.text, sizeof(k->disk.text), "low disk: %" PRIu64 " bytes free at " SLICE_FMT,
		    k->disk.free, SLICE_ARG(k->config.store.path));
	if (low && !k->disk.low)
		begins(k);
	if (!low && k->disk.low)
		ends(k);
	return low;
}

void
disk_full(struct keeper *k)
{
	k->disk.full_until_ms = k->now_ms + FULL_FOR_MS;
	snprintf(k->disk.text, sizeof(k->disk.text), "the disk is full at " SLICE_FMT, SLICE_ARG(k->config.store.path));
	if (!k->disk.low)
		begins(k);
}
