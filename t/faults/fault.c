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
 * Only files whose path contains PONTE_FAULTS_MATCH (default ".db") are hit.
 * Each flush of such a file is told in <control file>.log: "PID ok NAME" or
 * "PID failed NAME". */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

static long
order(const char *name)
{
	const char *path = getenv("PONTE_FAULTS");
	char text[1024], *at;
	int saved = errno;
	long value = 0;

	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0) {
		ssize_t n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = '\0';
		size_t len = strlen(name);
		for (at = text; (at = strstr(at, name)) != NULL; at += len)
			if ((at == text || at[-1] == '\n') && at[len] == '=') {
				value = strtol(at + len + 1, NULL, 10);
				break;
			}
	}
	errno = saved;
	return value;
}

static const char *
path_of(int fd, char path[static 4096])
{
	char link[64];
	int saved = errno;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, 4095);
	errno = saved;
	path[n > 0 ? n : 0] = '\0';
	return path;
}

static int
ours(int fd)
{
	const char *match = getenv("PONTE_FAULTS_MATCH");
	char path[4096];

	return strstr(path_of(fd, path), match ? match : ".db") != NULL;
}

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
flush(int fd, const char *name)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

	if (getenv("PONTE_FAULTS") && ours(fd)) {
		long eio = order("fsync_eio");
		if (eio == 2)
			unlink(getenv("PONTE_FAULTS"));
		tell(fd, eio ? "failed" : "ok");
		if (eio) {
			errno = EIO;
			return -1;
		}
		long ms = order("fsync_ms");
		if (ms > 0)
			slow(ms);
	}
	return real(fd);
}

int fsync(int fd) { return flush(fd, "fsync"); }
int fdatasync(int fd) { return flush(fd, "fdatasync"); }

/* How many bytes of a write may go through: all, half, or none (errno set). */
static ssize_t
allowed(int fd, size_t n)
{
	static int turn;

	if (!getenv("PONTE_FAULTS") || !ours(fd))
		return (ssize_t)n;
	if (order("write_eio")) {
		errno = EIO;
		return -1;
	}
	if (order("write_enospc")) {
		errno = ENOSPC;
		return -1;
	}
	if (order("eintr") && turn++ % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	return order("short_write") && n > 1 ? (ssize_t)(n / 2) : (ssize_t)n;
}

ssize_t
write(int fd, const void *buf, size_t n)
{
	ssize_t (*real)(int, const void *, size_t) =
	    (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
	ssize_t may = allowed(fd, n);
	return may < 0 ? -1 : real(fd, buf, (size_t)may);
}

ssize_t
pwrite(int fd, const void *buf, size_t n, off_t at)
{
	ssize_t (*real)(int, const void *, size_t, off_t) =
	    (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
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
	long bytes = order("free_bytes");
	if (r == 0 && bytes > 0)
		st->f_bavail = (fsblkcnt_t)bytes / st->f_frsize;
	return r;
}

int
fstatvfs(int fd, struct statvfs *st)
{
	int (*real)(int, struct statvfs *) = (int (*)(int, struct statvfs *))dlsym(RTLD_NEXT, "fstatvfs");
	int r = real(fd, st);
	long bytes = order("free_bytes");
	if (r == 0 && bytes > 0)
		st->f_bavail = (fsblkcnt_t)bytes / st->f_frsize;
	return r;
}
