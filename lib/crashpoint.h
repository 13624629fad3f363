/* crashpoint: named places where a test build dies.  ./configure
 * --enable-crash-points defines PONTE_CRASH_POINTS; then
 * PONTE_CRASH_AT=keeper-before-commit:3 in the environment kills the process,
 * as kill -9 does, the third time it comes by that place.  In every other
 * build a crash point is nothing at all. */
#ifndef PONTE_CRASHPOINT_H
#define PONTE_CRASHPOINT_H

#ifdef PONTE_CRASH_POINTS

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static inline void
crash_point(const char *name)
{
	static unsigned long seen;      /* only one name can be armed in a process */
	const char *at = getenv("PONTE_CRASH_AT");
	if (!at)
		return;
	const char *colon = strchr(at, ':');
	size_t len = colon ? (size_t)(colon - at) : strlen(at);
	if (len != strlen(name) || memcmp(at, name, len) != 0)
		return;
	unsigned long wanted = colon ? strtoul(colon + 1, NULL, 10) : 1;
	if (++seen >= wanted)
		raise(SIGKILL);
}
#define CRASH_POINT(name) crash_point(name)

#else
#define CRASH_POINT(name) ((void)0)
#endif

#endif
