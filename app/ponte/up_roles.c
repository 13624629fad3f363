#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/ponte/up.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/secret.h"

#define FIRST_FD   3                /* systemd's SD_LISTEN_FDS_START */
#define HELD_FROM  20               /* held sockets stay clear of 3 and 4 */
#define YOUNG_MS   5000             /* died sooner: the next pause is longer */
#define PAUSE_MIN  200
#ifdef PONTE_CRASH_POINTS
#define PAUSE_MAX  PAUSE_MIN        /* to die is what such a build is for */
#else
#define PAUSE_MAX  5000
#endif
#define TICK_MS    100              /* while something is awaited */
#define QUIET_MS   60000            /* otherwise: signals wake us */

int
up_hold(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, HELD_FROM);
	int saved = errno;
	close(fd);
	errno = saved;
	return high;
}

static int
listen_at(struct up_child *child, const char *path)
{
	int fd;
	int r = net_listen(path, 0600, &fd);

	if (r == -ENAMETOOLONG)
		return cli_fail("%s: too long for a socket (107 bytes at most): choose a shorter --dir", path);
	if (r < 0)
		return cli_fail("cannot listen at %s: %s", path, strerror(-r));
	fd = up_hold(fd);
	if (fd < 0)
		return cli_fail("cannot hold %s: %s", path, strerror(errno));
	child->fd[child->fds++] = fd;
	return EXIT_DONE;
}

static int
role(struct up *up, int which, const char *name, const char *program, int64_t patience_ms)
{
	const char *path = cli_sibling(up->cli, program);

	if (!path)
		return cli_fail("%s is neither beside this program nor in %s", program, PONTE_LIBEXECDIR);
	up->child[which] = (struct up_child){
		.name = name, .argv = { path, "--dir", up->dir }, .fd_names = name,
		.stop_signal = SIGTERM, .patience_ms = patience_ms,
	};
	return EXIT_DONE;
}

int
up_roles(struct up *up)
{
	if (role(up, UP_KEEPER, "keeper", "ponte-keeper", 10000) != EXIT_DONE ||
	    role(up, UP_COURIER, "courier", "ponte-courier", 15000) != EXIT_DONE ||
	    role(up, UP_WORKER, "worker", "ponte-worker", 20000) != EXIT_DONE)
		return EXIT_FAILED;
	up->child[UP_WORKER].fd_names = "hooks:api";
	up->children = UP_NGINX;
	if (listen_at(&up->child[UP_KEEPER], up->keeper) != EXIT_DONE ||
	    listen_at(&up->child[UP_COURIER], up->courier) != EXIT_DONE ||
	    listen_at(&up->child[UP_WORKER], up->hooks) != EXIT_DONE ||
	    listen_at(&up->child[UP_WORKER], up->api) != EXIT_DONE)
		return EXIT_FAILED;
	return EXIT_DONE;
}

/* ---- starting ---- */

static void
environment(const struct up_child *child)
{
	static const char *const ours[] = {
		"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NGINX",
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY",
	};
	char text[24];

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		unsetenv(ours[i]);
	if (!child->fd_names) {
		setenv("NGINX", "3;", 1);
		return;
	}
	snprintf(text, sizeof(text), "%ld", (long)getpid());
	setenv("LISTEN_PID", text, 1);
	snprintf(text, sizeof(text), "%u", child->fds);
	setenv("LISTEN_FDS", text, 1);
	setenv("LISTEN_FDNAMES", child->fd_names, 1);
}

/* The child's side of fork().  A process group of its own: Ctrl-C reaches us
 * alone, and we stop the roles in their order. */
static _Noreturn void
become(const struct up_child *child, pid_t parent)
{
	sigset_t mask;

	setpgid(0, 0);
	if (prctl(PR_SET_PDEATHSIG, child->stop_signal) < 0 || getppid() != parent)
		_exit(127);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0)
		_exit(127);
	for (unsigned i = 0; i < child->fds; i++)
		if (dup2(child->fd[i], FIRST_FD + (int)i) < 0)
			_exit(127);
	environment(child);
	signal(SIGPIPE, SIG_DFL);
	/* A reload that meets a role before it listens to signals waits until it does. */
	sigemptyset(&mask);
	if (child->fd_names)
		sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	execv(child->argv[0], (char *const *)child->argv);
	log_event(LOG_ERROR, "cannot-start", LOG_STR("program", child->argv[0]), LOG_STR("why", strerror(errno)));
	_exit(127);
}

static void
start(struct up_child *child)
{
	pid_t self = getpid();
	pid_t pid = fork();

	child->born_ms = clock_mono_ms();
	if (pid == 0)
		become(child, self);
	if (pid < 0) {
		log_event(LOG_ERROR, "cannot-fork", LOG_STR("program", child->name), LOG_STR("why", strerror(errno)));
		child->due_ms = child->born_ms + PAUSE_MAX;
		return;
	}
	child->pid = pid;
	log_event(LOG_NOTICE, "started", LOG_STR("program", child->name), LOG_INT("child", pid));
}

/* One line per death. */
static void
bury(struct up_child *child, int status, bool stopping)
{
	int64_t now = clock_mono_ms(), lived = now - child->born_ms;
	bool killed = WIFSIGNALED(status);

	child->pause_ms = lived >= YOUNG_MS || child->pause_ms == 0 ? PAUSE_MIN : child->pause_ms * 2;
	if (child->pause_ms > PAUSE_MAX)
		child->pause_ms = PAUSE_MAX;
	child->due_ms = now + child->pause_ms;
	if (stopping)
		log_event(LOG_INFO, "stopped", LOG_STR("program", child->name), LOG_INT("child", child->pid),
		    LOG_INT(killed ? "signal" : "status", killed ? WTERMSIG(status) : WEXITSTATUS(status)));
	else
		log_event(LOG_ERROR, "died", LOG_STR("program", child->name), LOG_INT("child", child->pid),
		    LOG_INT(killed ? "signal" : "status", killed ? WTERMSIG(status) : WEXITSTATUS(status)),
		    LOG_INT("lived_ms", lived), LOG_INT("again_in_ms", child->pause_ms));
	child->pid = 0;
}

static void
reap(struct up *up, bool stopping)
{
	for (size_t i = 0; i < up->children; i++) {
		struct up_child *child = &up->child[i];
		siginfo_t dead = { 0 };
		int status;
		if (child->pid == 0 ||
		    waitid(P_PID, (id_t)child->pid, &dead, WEXITED | WNOHANG | WNOWAIT) < 0 || dead.si_pid == 0)
			continue;
		/* A master that was killed may have left its children: they
		 * hold the sockets and would answer beside the new ones.  While
		 * it is not waited for, its number is nobody else's. */
		kill(-child->pid, SIGKILL);
		if (waitpid(child->pid, &status, 0) == child->pid)
			bury(child, status, stopping);
	}
}

/* Starts what is due.  True when everything runs. */
static bool
fill(struct up *up)
{
	bool all = true;

	for (size_t i = 0; i < up->children; i++) {
		struct up_child *child = &up->child[i];
		if (child->pid == 0 && clock_mono_ms() >= child->due_ms)
			start(child);
		all = all && child->pid != 0;
	}
	return all;
}

/* ---- watching ---- */

static int
next_signal(int64_t ms)
{
	struct timespec wait = { ms / 1000, (ms % 1000) * 1000000 };
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGCHLD);
	return sigtimedwait(&ours, NULL, &wait);
}

static void
say_ready(const struct up *up)
{
	CLEANUP(buf_free) struct buf line = { 0 };
	int r = buf_append_slice(&line, SLICE("{\"ready\":true,\"https\":"));

	if (r == 0 && up->with_nginx)
		r = buf_printf(&line, "\"https://%s:%u\"", up->https_host, up->https_port);
	else if (r == 0)
		r = buf_append_slice(&line, SLICE("null"));
	if (r == 0)
		r = buf_append_slice(&line, SLICE(",\"dir\":"));
	if (r == 0)
		r = json_quote(slice_of(up->dir), &line);
	if (r == 0)
		r = buf_append_slice(&line, SLICE("}\n"));
	if (r < 0 || fwrite(buf_view(&line).ptr, 1, buf_view(&line).len, stdout) != buf_view(&line).len ||
	    fflush(stdout) != 0)
		log_event(LOG_WARN, "ready-unsaid");
}

/* The settings, and the files that a role would stumble over. */
static bool
settings_good(struct cli *cli)
{
	static const char *const keys[] = { "intake.key", "outgoing.key" };
	struct settings_errors wrong = { 0 };
	struct secret_key key;

	if (cli_config(cli) != EXIT_DONE) {
		log_event(LOG_ERROR, "reload-refused");
		return false;
	}
	int r = cli_files(&cli->config, &wrong);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		int e = secret_key_load(cli->config.keys.dir.ptr, keys[i], &key);
		if (e != 0)
			settings_mistake(&wrong, (struct settings_place){ 0, 0 }, "%s/%s: %s", cli->config.keys.dir.ptr, keys[i], strerror(-e));
	}
	crypt_wipe(&key, sizeof(key));
	for (size_t i = 0; i < wrong.count && i < SETTINGS_ERRORS_MAX; i++)
		log_event(LOG_ERROR, "reload-refused", LOG_STR("why", wrong.item[i].text));
	return r >= 0 && wrong.count == 0;
}

/* A bad file changes nothing: the roles are told only of a good one. */
static void
reload(struct up *up)
{
	CLEANUP(arena_freep) struct arena *arena = NULL;
	struct cli fresh = { .source = up->cli->source, .keeper = { .fd = -1 } };

	if (arena_new(4 * MIB, &arena) != 0)
		return;
	fresh.arena = arena;
	if (!settings_good(&fresh))
		return;
	arena_free(up->settings);
	up->settings = arena;
	arena = NULL;
	up->cli->config = fresh.config;
	/* Not without need: nginx closes connections that are kept for the next request. */
	if (up->with_nginx && up_nginx_changed(up) && up->child[UP_NGINX].pid > 0)
		kill(up->child[UP_NGINX].pid, SIGHUP);
	static const int order[] = { UP_WORKER, UP_COURIER, UP_KEEPER };
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		if (up->child[order[i]].pid > 0)
			kill(up->child[order[i]].pid, SIGHUP);
	log_event(LOG_NOTICE, "reloaded");
}

/* From the front to the back, so that nobody is sent to who has gone.  A
 * second signal, or its patience spent, ends it at once. */
static void
stop_one(struct up *up, struct up_child *child, bool *hurry)
{
	int64_t until = clock_mono_ms() + child->patience_ms;
	bool killed = false;

	if (child->pid)
		kill(child->pid, child->stop_signal);
	while (child->pid) {
		int sig = next_signal(TICK_MS);
		if (sig == SIGTERM || sig == SIGINT)
			*hurry = true;
		reap(up, true);
		if (child->pid && !killed && (*hurry || clock_mono_ms() > until)) {
			log_event(LOG_WARN, "killed", LOG_STR("program", child->name), LOG_INT("child", child->pid));
			kill(-child->pid, SIGKILL);
			killed = true;
		}
	}
}

int
up_watch(struct up *up)
{
	bool ready = false, hurry = false;

	for (;;) {
		reap(up, false);
		bool all = fill(up);
		if (all && !ready && up_serves(up)) {
			ready = true;
			say_ready(up);
			log_event(LOG_NOTICE, "ready");
		}
		int sig = next_signal(all && ready ? QUIET_MS : TICK_MS);
		if (sig == SIGTERM || sig == SIGINT)
			break;
		if (sig == SIGHUP)
			reload(up);
	}
	log_event(LOG_NOTICE, "stopping");
	for (size_t i = up->children; i-- > 0;)
		stop_one(up, &up->child[i], &hurry);
	return EXIT_DONE;
}
