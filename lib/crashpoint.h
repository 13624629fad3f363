/* crashpoint: named places where a test build dies.  ./configure
 * --enable-crash-points defines PONTE_CRASH_POINTS; then
 * PONTE_CRASH_AT=keeper-before-commit:3 in the environment kills the process,
 * as kill -9 does, the third time it comes by that place.  With
 * PONTE_CRASH_LOG=FILE each kill leaves a byte in that file, and when there are
 * PONTE_CRASH_TIMES of them (1 unless told) there is no further one.
 * PONTE_CRASH_FILE=FILE is for one place after another in the same instance:
 * who comes by the place that is named in that file takes the file away and dies.
 * In every other build a crash point is nothing at all. */
#ifndef PONTE_CRASHPOINT_H
#define PONTE_CRASHPOINT_H

#ifdef PONTE_CRASH_POINTS

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of several processes at one place, one more than asked for may die. */
static inline bool
crash_again(void)
{
	const char *log = getenv("PONTE_CRASH_LOG"), *times = getenv("PONTE_CRASH_TIMES");
	struct stat st;
	if (!log)
		return true;
	int fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_size < (times ? strtol(times, NULL, 10) : 1) && write(fd, "x", 1) == 1;
}

/* Of several who find their place named there, one takes the file away. */
static inline void
crash_if_named(const char *name)
{
	const char *file = getenv("PONTE_CRASH_FILE");
	char named[64];
	if (!file)
		return;
	int before = errno, fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		ssize_t n = read(fd, named, sizeof(named));
		close(fd);
		if (n == (ssize_t)strlen(name) && memcmp(named, name, (size_t)n) == 0 && unlink(file) == 0)
			raise(SIGKILL);
	}
	errno = before;
}

static inline void
crash_point(const char *name)
{
	static unsigned long seen;      /* only one name can be armed in a process */
	crash_if_named(name);
	const char *at = getenv("PONTE_CRASH_AT");
	if (!at)
		return;
	const char *colon = strchr(at, ':');
	size_t len = colon ? (size_t)(colon - at) : strlen(at);
	if (len != strlen(name) || memcmp(at, name, len) != 0)
		return;
	unsigned long wanted = colon ? strtoul(colon + 1, NULL, 10) : 1;
	if (++seen >= wanted && crash_again())
		raise(SIGKILL);
}
#define CRASH_POINT(name) crash_point(name)

#else
#define CRASH_POINT(name) ((void)0)
#endif

#endif
