#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/daemon.h"
#include "t/unit/unit.h"

/* A supervisor's ear: what was said, one datagram after the other. */
static int
supervise(char *path, size_t cap)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(path, cap, "/tmp/ponte-unit-daemon-%d", (int)getpid());
	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static const char *
heard(int fd, char *text, size_t cap)
{
	ssize_t n = recv(fd, text, cap - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
a_supervisor_is_told(void)
{
	char path[100], text[200];
	CLEANUP(close_fd) int fd = supervise(path, sizeof path);
	long long us = 0;

	setenv("NOTIFY_SOCKET", path, 1);
	daemon_ready();
	CU_ASSERT_STRING_EQUAL(heard(fd, text, sizeof text), "READY=1");
	daemon_stopping();
	CU_ASSERT_STRING_EQUAL(heard(fd, text, sizeof text), "STOPPING=1");
	daemon_alive();
	CU_ASSERT_STRING_EQUAL(heard(fd, text, sizeof text), "WATCHDOG=1");
	daemon_status("7 % of 9");
	CU_ASSERT_STRING_EQUAL(heard(fd, text, sizeof text), "STATUS=7 % of 9");
	int64_t before = clock_mono_us();
	daemon_reloading();
	heard(fd, text, sizeof text);
	CU_ASSERT_EQUAL(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld", &us), 1);
	CU_ASSERT_TRUE(us >= before && us <= clock_mono_us());
	unsetenv("NOTIFY_SOCKET");
	daemon_ready();         /* nobody listens: nothing happens */
	CU_ASSERT_STRING_EQUAL(heard(fd, text, sizeof text), "");
	unlink(path);
}

static void
the_watchdog_is_fed_three_times_as_often(void)
{
	char pid[20];

	CU_ASSERT_EQUAL(daemon_watchdog_ms(), 0);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	setenv("WATCHDOG_USEC", "30000000", 1);
	CU_ASSERT_EQUAL(daemon_watchdog_ms(), 10000);
	setenv("WATCHDOG_USEC", "10", 1);
	CU_ASSERT_EQUAL(daemon_watchdog_ms(), 1);
	setenv("WATCHDOG_PID", "1", 1);
	CU_ASSERT_EQUAL(daemon_watchdog_ms(), 0);
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
}

/* In a child, since the descriptors must be 3 and 4. */
static int
inherits(bool ours)
{
	char pid[20];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 1;
	/* To high places first, or one could stand in the other's. */
	int a = fcntl(pair[0], F_DUPFD, 50), b = fcntl(pair[1], F_DUPFD, 50);
	if (dup2(a, 3) < 0 || dup2(b, 4) < 0)
		return 2;
	snprintf(pid, sizeof pid, "%d", ours ? (int)getpid() : 1);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "2", 1);
	setenv("LISTEN_FDNAMES", "hooks:api", 1);
	if (!ours)
		return daemon_inherited("hooks") == -1 ? 0 : 3;
	if (daemon_inherited("api") != 4 || daemon_inherited("hooks") != 3 || daemon_inherited("keeper") != -1)
		return 4;
	if (daemon_inherited("hook") != -1 || daemon_inherited("") != -1)
		return 5;
	if (!(fcntl(3, F_GETFL) & O_NONBLOCK) || !(fcntl(3, F_GETFD) & FD_CLOEXEC))
		return 6;
	return getenv("LISTEN_FDS") ? 0 : 7;
}

static void
inherited_sockets_go_by_name(void)
{
	CU_ASSERT_EQUAL(daemon_inherited("hooks"), -1);
	for (int ours = 0; ours < 2; ours++) {
		int status = -1;
		pid_t pid = fork();
		if (pid == 0)
			_exit(inherits(ours));
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		CU_ASSERT_TRUE(WIFEXITED(status));
		ROW(ours ? "meant for this process" : "meant for another", WEXITSTATUS(status) == 0);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "a supervisor is told", a_supervisor_is_told },
		{ "the watchdog is fed three times as often", the_watchdog_is_fed_three_times_as_often },
		{ "inherited sockets go by name", inherited_sockets_go_by_name },
	};
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("LISTEN_PID");
	return unit_run("daemon", tests, ARRAY_LEN(tests), 0);
}
