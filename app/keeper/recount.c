/* ponte check --store.  Counting every row takes seconds in a large store, and
 * the keeper has one thread that others wait for; so a process of its own reads
 * a snapshot and writes the fields of the answer to a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"
#include "lib/net.h"

#define ANSWER_MAX (16 * MIB)

extern char **environ;

/* ---- the process of its own ---- */

static void
put_difference(void *context, const struct store_count *c)
{
	put_count(context, c);
}

static int
write_all(int fd, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno != EINTR)
			return negative_errno();
		if (n > 0)
			bytes = slice_after(bytes, (size_t)n);
	}
	return 0;
}

int
recount_main(const char *path)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	struct store *s = NULL;
	char why[STORE_TEXT] = "", file[STORE_TEXT] = "";
	/* A keeper that starts anew wants the log for itself. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	wire_bare(&w, &out);
	int r = store_open_to_read(path, &s, why);
	if (r == 0) {
		r = store_check(s, put_difference, &w, file);
		if (r < 0)
			snprintf(why, sizeof(why), "%s", store_error(s));
	}
	store_close(s);
	wire_put(&w, T_REASON, slice_of(r == 0 ? file : why));
	if (wire_bare_end(&w) < 0 || write_all(STDOUT_FILENO, buf_view(&out)) < 0)
		return 1;
	return r != 0;
}

/* ---- the keeper's side ---- */

static int
spawn(struct keeper *k, int *ret_fd)
{
	int pipe_fd[2];
	posix_spawn_file_actions_t actions;
	char *argv[] = { (char *)"ponte-keeper", (char *)"--recount", (char *)(uintptr_t)k->config.store.path.ptr, NULL };
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return negative_errno();
	if (posix_spawn_file_actions_init(&actions) != 0) {
		close(pipe_fd[0]);
		close(pipe_fd[1]);
		return -ENOMEM;
	}
	posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], STDOUT_FILENO);
	int r = -posix_spawn(&k->recount.pid, "/proc/self/exe", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fd[1]);
	if (r == 0 && fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK) < 0)
		r = negative_errno();
	if (r < 0) {
		close(pipe_fd[0]);
		return r;
	}
	*ret_fd = pipe_fd[0];
	return 0;
}

/* The answer comes when the process has ended; until then this is none. */
int
on_check(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	if (k->recount.fd >= 0)
		return answer_error(k, f, E_CONFLICT, "a check is running already; ask again when it is done");
	int r = spawn(k, &k->recount.fd);
	if (r < 0)
		return answer_error(k, f, E_STORE, "the check cannot be started");
	k->recount.watch.type = WATCH_RECOUNT;
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &k->recount.watch };
	if (epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, k->recount.fd, &e) < 0) {
		recount_stop(k);
		return answer_error(k, f, E_STORE, "the check cannot be watched");
	}
	k->recount.asker = p;
	k->recount.request = f->request;
	return 0;
}

static int
answer_asker(struct keeper *k)
{
	struct wire_writer w;
	struct wire_field field;
	struct peer *p = k->recount.asker;
	if (k->recount.out.len == 0)
		return protocol_error(&p->out, k->recount.request, store_generation(k->store), E_STORE,
		    "the check broke off; look at the keeper's log");
	wire_begin(&w, &p->out, P_QUEUE_ROWS, k->recount.request);
	wire_put_u64(&w, T_GENERATION, store_generation(k->store));
	for (struct wire_reader r = { .rest = buf_view(&k->recount.out) }; wire_next(&r, &field);)
		wire_put(&w, field.tag, field.value);
	return wire_end(&w);
}

void
recount_ready(struct keeper *k)
{
	ssize_t n = net_read(k->recount.fd, &k->recount.out, ANSWER_MAX);
	if (n > 0 || n == -EAGAIN)
		return;
	if (n < 0)
		buf_clear(&k->recount.out);
	struct peer *p = k->recount.asker;
	if (p && answer_asker(k) < 0)
		peer_hang_up(k, p, "no memory for the answer");
	else if (p)
		peer_flush(k, p);
	recount_stop(k);
}

void
recount_stop(struct keeper *k)
{
	if (k->recount.fd < 0)
		return;
	close_fd(&k->recount.fd);
	int status = 0;
	/* It has said all; or nobody wants to hear the rest. */
	kill(k->recount.pid, SIGKILL);
	while (waitpid(k->recount.pid, &status, 0) < 0 && errno == EINTR)
		;
	k->recount.asker = NULL;
	buf_free(&k->recount.out);
}
