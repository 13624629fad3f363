/* fault: a disk that misbehaves on order (LD_PRELOAD).
 *
 * PONTE_FAULTS names a control file of `name=number` lines, read again at each
 * call, so a test turns a fault on and off while the keeper runs:
 *   fsync_ms=5      every flush takes that much longer, one at a time
 *   fsync_eio=1     every flush fails with EIO; 2: the next one alone, after
 *                   which the control file is gone
 *   write_eio=1     a write fails with EIO
 *   write_enospc=1  a write fails with ENOSPC
 *   short_write=1   a write takes half of what it is given
 *   eintr=1         every second write is interrupted first
 *   free_bytes=N    what statvfs() reports as available
 *   creat_errno=N   no new file can be made: 28 (no inode is left), 30 (the
 *                   directory became read-only); files that are there open
 * Only files whose path contains PONTE_FAULTS_MATCH (default "ponte.db") are hit.
 * Each flush of such a file is told in <control file>.log: "PID ok NAME" or
 * "PID failed NAME". */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum order { FSYNC_MS, FSYNC_EIO, WRITE_EIO, WRITE_ENOSPC, SHORT_WRITE, EINTR_FIRST, FREE_BYTES, CREAT_ERRNO, ORDERS };
static const char *const names[ORDERS] = {
	"fsync_ms=", "fsync_eio=", "write_eio=", "write_enospc=", "short_write=", "eintr=", "free_bytes=",
	"creat_errno=",
};

/* The control file is read again when what is known of it is older than 2 ms:
 * soon enough for a test, and cheap enough for a bench. */
static long
order(enum order which)
{
	static _Thread_local long known[ORDERS];
	static _Thread_local int64_t known_at;
	struct timespec now;
	char text[1024];

	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t us = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
	if (known_at && us - known_at < 2000)
		return known[which];
	const char *path = getenv("PONTE_FAULTS");
	int saved = errno;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < ORDERS; i++) {
		const char *at = strstr(text, names[i]);
		known[i] = at && (at == text || at[-1] == '\n') ? strtol(at + strlen(names[i]), NULL, 10) : 0;
	}
	known_at = us;
	errno = saved;
	return known[which];
}

static const char *
path_of(int fd, char path[static 4096])
{
	char link[64];
	int saved = errno;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, 4095);
	path[n > 0 ? n : 0] = '\0';
	errno = saved;
	return path;
}

/* Asked at every write, so a descriptor's answer is kept for as long as it is
 * the same file. */
static int
ours(int fd)
{
	static _Thread_local struct { dev_t dev; ino_t ino; int known, ours; } seen[256];
	const char *match = getenv("PONTE_FAULTS_MATCH");
	char path[4096];
	struct stat st;

	if (fd < 0 || fd > 255 || fstat(fd, &st) < 0)
		return 0;
	if (!seen[fd].known || seen[fd].dev != st.st_dev || seen[fd].ino != st.st_ino) {
		seen[fd].dev = st.st_dev;
		seen[fd].ino = st.st_ino;
		seen[fd].ours = strstr(path_of(fd, path), match ? match : "ponte.db") != NULL;
		seen[fd].known = 1;
	}
	return seen[fd].ours;
}

/* The function that ours stands before; looked up once. */
#define REAL(type, name) \
	static type real; \
	if (!real) \
		real = (type)dlsym(RTLD_NEXT, name)

/* One flush at a time, as one device would have it, over all processes that
 * share the lock file. */
static void
slow(long ms)
{
	const char *path = getenv("PONTE_FAULTS");
	struct timespec pause = { ms / 1000, (ms % 1000) * 1000000L };
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		fcntl(fd, F_OFD_SETLKW, &lock);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	if (fd >= 0)
		close(fd);
}

static void
tell(int flushed, const char *outcome)
{
	char path[4096], name[4096], line[128];
	const char *slash = strrchr(path_of(flushed, name), '/');
	int n = snprintf(path, sizeof(path), "%s.log", getenv("PONTE_FAULTS"));
	int fd = n > 0 && (size_t)n < sizeof(path) ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd < 0)
		return;
	n = snprintf(line, sizeof(line), "%ld %s %.64s\n", (long)getpid(), outcome, slash ? slash + 1 : name);
	ssize_t told = write(fd, line, (size_t)n);
	(void)told;
	close(fd);
}

static int
flush(int fd, int (*real)(int))
{
	if (getenv("PONTE_FAULTS") && ours(fd)) {
		long eio = order(FSYNC_EIO);
		if (eio == 2)
			unlink(getenv("PONTE_FAULTS"));
		tell(fd, eio ? "failed" : "ok");
		if (eio) {
			errno = EIO;
			return -1;
		}
		long ms = order(FSYNC_MS);
		if (ms > 0)
			slow(ms);
	}
	return real(fd);
}

/* Does making this file fail?  errno is set when it does. */
static int
unmakable(const char *path, int flags)
{
	const char *match = getenv("PONTE_FAULTS_MATCH");
	struct stat st;

	if (!getenv("PONTE_FAULTS") || !(flags & O_CREAT) || !strstr(path, match ? match : "ponte.db"))
		return 0;
	long why = order(CREAT_ERRNO);
	if (why == 0 || stat(path, &st) == 0)
		return 0;
	errno = (int)why;
	return 1;
}

typedef int open_call(const char *, int, ...);

int
open(const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	REAL(open_call *, "open64");
	return unmakable(path, flags) ? -1 : real(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	va_list ap;

	va_start(ap, flags);
	mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return open(path, flags, mode);
}

typedef int flush_call(int);

int
fsync(int fd)
{
	REAL(flush_call *, "fsync");
	return flush(fd, real);
}

int
fdatasync(int fd)
{
	REAL(flush_call *, "fdatasync");
	return flush(fd, real);
}

/* How many bytes of a write may go through: all, half, or none (errno set). */
static ssize_t
allowed(int fd, size_t n)
{
	static int turn;

	if (!getenv("PONTE_FAULTS") || !ours(fd))
		return (ssize_t)n;
	if (order(WRITE_EIO)) {
		errno = EIO;
		return -1;
	}
	if (order(WRITE_ENOSPC)) {
		errno = ENOSPC;
		return -1;
	}
	if (order(EINTR_FIRST) && turn++ % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	return order(SHORT_WRITE) && n > 1 ? (ssize_t)(n / 2) : (ssize_t)n;
}

ssize_t
write(int fd, const void *buf, size_t n)
{
	typedef ssize_t call(int, const void *, size_t);
	REAL(call *, "write");
	ssize_t may = allowed(fd, n);
	return may < 0 ? -1 : real(fd, buf, (size_t)may);
}

ssize_t
pwrite(int fd, const void *buf, size_t n, off_t at)
{
	typedef ssize_t call(int, const void *, size_t, off_t);
	REAL(call *, "pwrite64");
	ssize_t may = allowed(fd, n);
	return may < 0 ? -1 : real(fd, buf, (size_t)may, at);
}

ssize_t
pwrite64(int fd, const void *buf, size_t n, off_t at)
{
	return pwrite(fd, buf, n, at);
}

int
statvfs(const char *path, struct statvfs *st)
{
	int (*real)(const char *, struct statvfs *) =
	    (int (*)(const char *, struct statvfs *))dlsym(RTLD_NEXT, "statvfs");
	int r = real(path, st);
	long bytes = order(FREE_BYTES);
	if (r == 0 && bytes > 0)
		st->f_bavail = (fsblkcnt_t)bytes / st->f_frsize;
	return r;
}

int
fstatvfs(int fd, struct statvfs *st)
{
	int (*real)(int, struct statvfs *) = (int (*)(int, struct statvfs *))dlsym(RTLD_NEXT, "fstatvfs");
	int r = real(fd, st);
	long bytes = order(FREE_BYTES);
	if (r == 0 && bytes > 0)
		st->f_bavail = (fsblkcnt_t)bytes / st->f_frsize;
	return r;
}
