#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/scoreboard.h"

#define MAGIC "PONTESB1"
#define SLOTS (2 + SCOREBOARD_HOOKS_MAX + SCOREBOARD_API_MAX)
#define HEAD  offsetof(struct scoreboard, keeper)
/* Two programs of different layouts that start together may each remove the
 * other's file; neither may go on with that for ever. */
#define TRIES 20

enum found { FOUND_OURS, FOUND_NEW, FOUND_OTHER, FOUND_MOVED };

static int
open_locked(const char *path, int *ret_fd)
{
	CLEANUP(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (fd < 0)
		return negative_errno();
	int r;
	do
		r = flock(fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return negative_errno();
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int
look(int fd, const char *path, enum found *ret)
{
	struct stat open_one, named;
	if (fstat(fd, &open_one) < 0)
		return negative_errno();
	if (stat(path, &named) < 0) {
		if (errno != ENOENT)
			return negative_errno();
		*ret = FOUND_MOVED;             /* removed while we waited for the lock */
		return 0;
	}
	if (named.st_ino != open_one.st_ino || named.st_dev != open_one.st_dev) {
		*ret = FOUND_MOVED;
		return 0;
	}
	if (open_one.st_size == 0) {
		*ret = FOUND_NEW;
		return 0;
	}

	struct { char magic[8]; uint32_t slot_size, slots; } head;
	_Static_assert(sizeof head <= HEAD, "the head stands before the slots");
	ssize_t n = pread(fd, &head, sizeof head, 0);
	if (n < 0)
		return negative_errno();
	bool ours = n == (ssize_t)sizeof head && memcmp(head.magic, MAGIC, sizeof head.magic) == 0 &&
	    head.slot_size == sizeof(struct scoreboard_slot) && head.slots == SLOTS &&
	    open_one.st_size == (off_t)sizeof(struct scoreboard);
	*ret = ours ? FOUND_OURS : FOUND_OTHER;
	return 0;
}

static int
map(int fd, struct scoreboard **ret)
{
	void *p = mmap(NULL, sizeof(struct scoreboard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return negative_errno();
	*ret = p;
	return 0;
}

/* An empty file becomes a scoreboard.  The magic comes last: whoever dies
 * before it leaves a file that the next one makes anew. */
static int
fill(int fd)
{
	struct scoreboard *sb = NULL;

	if (fchmod(fd, 0660) < 0)               /* whatever the umask said */
		return negative_errno();
	/* Allocated, not only sized: a full file system shall say so here, and
	 * not as SIGBUS at the first touch. */
	int r = posix_fallocate(fd, 0, (off_t)sizeof(struct scoreboard));
	if (r != 0)
		return -r;
	r = map(fd, &sb);
	if (r < 0)
		return r;
	REQUIRE(sb);
	sb->slot_size = sizeof(struct scoreboard_slot);
	sb->slots = SLOTS;
	atomic_thread_fence(memory_order_release);
	memcpy(sb->magic, MAGIC, sizeof sb->magic);
	scoreboard_close(sb);
	return 0;
}

int
scoreboard_open(const char *path, struct scoreboard **ret)
{
	for (int i = 0; i < TRIES; i++) {
		CLEANUP(close_fd) int fd = -1;
		enum found found = FOUND_OTHER;
		int r = open_locked(path, &fd);
		if (r == 0)
			r = look(fd, path, &found);
		if (r == 0 && found == FOUND_NEW) {
			r = fill(fd);
			found = FOUND_OURS;
		}
		if (r < 0)
			return r;
		if (found == FOUND_OURS) {
			r = map(fd, ret);
			/* By name: the mapping holds the open file, and with it
			 * a lock that closing alone would not give back. */
			flock(fd, LOCK_UN);
			return r;
		}
		/* Removed, never cut: a process of the other layout may still
		 * have it mapped. */
		if (found == FOUND_OTHER && unlink(path) < 0 && errno != ENOENT)
			return negative_errno();
	}
	return -EBUSY;
}

void
scoreboard_close(struct scoreboard *sb)
{
	if (sb)
		munmap(sb, sizeof *sb);
}

void
scoreboard_take(struct scoreboard_slot *slot)
{
	atomic_store(&slot->state, SB_EMPTY);
	atomic_store(&slot->route, 0);
	atomic_store(&slot->body_digest, 0);
	memset(slot->request_id, 0, sizeof slot->request_id);
	atomic_store(&slot->since_us, clock_mono_us());
	atomic_store(&slot->pid, (int32_t)getpid());
	atomic_store(&slot->state, SB_IDLE);
}
