#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/scoreboard.h"
#include "t/unit/unit.h"

static char dir[] = "/tmp/ponte-unit-scoreboard-XXXXXX";

static void
path_of(char *path, size_t cap, const char *name)
{
	snprintf(path, cap, "%s/%s", dir, name);
}

static void
unmap(struct scoreboard **sb)
{
	scoreboard_close(*sb);
}

static void
a_new_one_is_empty(void)
{
	char path[200];
	struct stat st;
	CLEANUP(unmap) struct scoreboard *sb = NULL;

	path_of(path, sizeof path, "new");
	mode_t before = umask(077);
	CU_ASSERT_EQUAL_FATAL(scoreboard_open(path, &sb), 0);
	umask(before);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0660);
	CU_ASSERT_EQUAL((size_t)st.st_size, sizeof *sb);
	CU_ASSERT_EQUAL(memcmp(sb->magic, "PONTESB1", 8), 0);
	CU_ASSERT_EQUAL(sb->slot_size, sizeof(struct scoreboard_slot));
	CU_ASSERT_EQUAL(sb->slots, 2 + SCOREBOARD_HOOKS_MAX + SCOREBOARD_API_MAX);
	CU_ASSERT_EQUAL(sb->keeper.pid, 0);
	CU_ASSERT_EQUAL(sb->api[SCOREBOARD_API_MAX - 1].state, SB_EMPTY);
	unlink(path);
}

static void
what_is_counted_stays_and_is_shared(void)
{
	char path[200];
	struct scoreboard *a = NULL, *b = NULL;

	path_of(path, sizeof path, "shared");
	CU_ASSERT_EQUAL_FATAL(scoreboard_open(path, &a), 0);
	CU_ASSERT_EQUAL_FATAL(scoreboard_open(path, &b), 0);
	scoreboard_count(&a->hooks[3], accepted);
	scoreboard_count(&a->hooks[3], accepted);
	scoreboard_count(&b->hooks[3], requests);
	atomic_store(&a->courier.delivery, 4711);
	CU_ASSERT_EQUAL(b->hooks[3].accepted, 2);
	CU_ASSERT_EQUAL(a->hooks[3].requests, 1);
	CU_ASSERT_EQUAL(a->hooks[2].accepted, 0);
	scoreboard_close(a);
	scoreboard_close(b);
	CU_ASSERT_EQUAL_FATAL(scoreboard_open(path, &a), 0);
	CU_ASSERT_EQUAL(a->hooks[3].accepted, 2);
	CU_ASSERT_EQUAL(a->courier.delivery, 4711);
	scoreboard_close(a);
	unlink(path);
}

static void
taking_a_slot_empties_the_moment_only(void)
{
	struct scoreboard_slot s = { .pid = 1, .state = SB_BUSY, .since_us = 5, .delivery = 4711, .route = 7,
		.body_digest = 9, .request_id = "old", .accepted = 12 };
	int64_t before = clock_mono_us();

	scoreboard_take(&s);
	CU_ASSERT_EQUAL(s.pid, getpid());
	CU_ASSERT_EQUAL(s.state, SB_IDLE);
	CU_ASSERT_TRUE(s.since_us >= before);
	CU_ASSERT_EQUAL(s.route, 0);
	CU_ASSERT_EQUAL(s.body_digest, 0);
	CU_ASSERT_STRING_EQUAL(s.request_id, "");
	CU_ASSERT_EQUAL(s.delivery, 4711);
	CU_ASSERT_EQUAL(s.accepted, 12);
}

static void
another_layout_is_made_anew(void)
{
	static const struct { const char *name; size_t at; unsigned char byte; } rows[] = {
		{ "another magic", 7, '2' },
		{ "a writer that died before the magic", 0, 0 },
		{ "another slot size", offsetof(struct scoreboard, slot_size), 1 },
		{ "another number of slots", offsetof(struct scoreboard, slots), 1 },
	};
	char path[200];

	path_of(path, sizeof path, "layout");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scoreboard *old = NULL, *new = NULL;
		CU_ASSERT_EQUAL_FATAL(scoreboard_open(path, &old), 0);
		scoreboard_count(&old->keeper, commits);
		((unsigned char *)old)[rows[i].at] = rows[i].byte;
		ROW(rows[i].name, scoreboard_open(path, &new) == 0);
		ROW(rows[i].name, new && memcmp(new->magic, "PONTESB1", 8) == 0 && new->keeper.commits == 0);
		/* Whoever holds the old one may go on with it. */
		scoreboard_count(&old->api[SCOREBOARD_API_MAX - 1], requests);
		ROW(rows[i].name, new->api[SCOREBOARD_API_MAX - 1].requests == 0);
		scoreboard_close(old);
		scoreboard_close(new);
		unlink(path);
	}
	static const char *const contents[] = { "x", "PONTESB1 and not much behind it" };
	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		struct scoreboard *sb = NULL;
		CU_ASSERT_EQUAL_FATAL(file_write(path, slice_of(contents[i]), 0600), 0);
		ROW(contents[i], scoreboard_open(path, &sb) == 0 && sb->keeper.commits == 0);
		scoreboard_close(sb);
		unlink(path);
	}
}

static void
what_cannot_be_opened_says_so(void)
{
	char path[200], link[200];
	struct scoreboard *sb = NULL;

	path_of(path, sizeof path, "no/such/directory");
	CU_ASSERT_EQUAL(scoreboard_open(path, &sb), -ENOENT);
	CU_ASSERT_EQUAL(scoreboard_open(dir, &sb), -EISDIR);
	path_of(link, sizeof link, "link");
	CU_ASSERT_EQUAL_FATAL(symlink("/tmp/ponte-unit-elsewhere", link), 0);
	CU_ASSERT_EQUAL(scoreboard_open(link, &sb), -ELOOP);
	unlink(link);
	scoreboard_close(NULL);
}

/* Eight processes open at once, over a file of another layout, and count. */
static void
many_may_open_at_once(void)
{
	char path[200];
	path_of(path, sizeof path, "many");

	for (int round = 0; round < 20; round++) {
		int gate[2];
		CU_ASSERT_EQUAL_FATAL(pipe(gate), 0);
		if (round % 2)
			CU_ASSERT_EQUAL_FATAL(file_write(path, SLICE("another layout"), 0600), 0);
		for (int i = 0; i < 8; i++) {
			if (fork() != 0)
				continue;
			struct scoreboard *mine = NULL;
			char c;
			close(gate[1]);
			if (read(gate[0], &c, 1) != 0 || scoreboard_open(path, &mine) < 0)
				_exit(1);
			scoreboard_count(&mine->keeper, requests);
			scoreboard_count(&mine->hooks[i], requests);
			_exit(0);
		}
		close(gate[0]);
		close(gate[1]);
		int status, bad = 0;
		while (wait(&status) > 0)
			bad += status != 0;
		struct scoreboard *sb = NULL;
		CU_ASSERT_EQUAL(bad, 0);
		CU_ASSERT_EQUAL_FATAL(scoreboard_open(path, &sb), 0);
		CU_ASSERT_EQUAL(sb->keeper.requests, 8);
		for (int i = 0; i < 8; i++)
			CU_ASSERT_EQUAL(sb->hooks[i].requests, 1);
		scoreboard_close(sb);
		unlink(path);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "a new one is empty", a_new_one_is_empty },
		{ "what is counted stays and is shared", what_is_counted_stays_and_is_shared },
		{ "taking a slot empties the moment only", taking_a_slot_empties_the_moment_only },
		{ "another layout is made anew", another_layout_is_made_anew },
		{ "what cannot be opened says so", what_cannot_be_opened_says_so },
		{ "many may open at once", many_may_open_at_once },
	};
	if (!mkdtemp(dir))
		return 2;
	int status = unit_run("scoreboard", tests, ARRAY_LEN(tests), 0);
	rmdir(dir);
	return status;
}
