/* The file, before the engine opens it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/db.h"

static int
flush_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir CLEANUP(free_charp) = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	if (!dir)
		return -ENOMEM;
	int fd CLEANUP(close_fd) = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? negative_errno() : 0;
}

int
db_file_lock(const char *path, int *ret_fd)
{
	size_t len = strlen(path);
	char *name CLEANUP(free_charp) = malloc(len + sizeof(".lock"));
	if (!name)
		return -ENOMEM;
	memcpy(name, path, len);
	memcpy(name + len, ".lock", sizeof(".lock"));
	int fd CLEANUP(close_fd) = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return negative_errno();
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? DB_E_LOCKED : -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

int
db_file_make(const char *path, unsigned mode)
{
	int fd CLEANUP(close_fd) = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	/* Whatever the umask: the log and its index take the file's mode over. */
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return negative_errno();
	return flush_directory(path);
}
