#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/ponte/up.h"
#include "lib/log.h"
#include "lib/secret.h"

#define HTTPS_PORT 8443

const char *
up_path(const struct up *up, const char *name)
{
	return arena_text(up->cli->arena, arena_printf(up->cli->arena, "%s/%s", up->dir, name));
}

static int
make_dir(const char *path)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return cli_fail("cannot make %s: %s", path, strerror(errno));
	return EXIT_DONE;
}

/* And what leads there. */
static int
make_path(const char *given)
{
	CLEANUP(free_charp) char *path = strdup(given);

	if (!path)
		return cli_fail("out of memory");
	for (char *slash = path + 1; path[0] && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		int r = make_dir(path);
		*slash = '/';
		if (r != EXIT_DONE)
			return r;
	}
	return make_dir(path);
}

static int
make_dirs(struct up *up, const char *given)
{
	static const char *const rooms[] = { "run", "state", "keys", "tls", "nginx", "log" };
	char real[PATH_MAX];

	if (make_path(given) != EXIT_DONE)
		return EXIT_FAILED;
	if (!realpath(given, real))
		return cli_fail("cannot find %s: %s", given, strerror(errno));
	up->dir = arena_text(up->cli->arena, arena_copy(up->cli->arena, slice_of(real)));
	if (!up->dir)
		return cli_fail("out of memory");
	for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
		const char *path = up_path(up, rooms[i]);
		if (!path)
			return cli_fail("out of memory");
		if (make_dir(path) != EXIT_DONE)
			return EXIT_FAILED;
	}
	return EXIT_DONE;
}

/* Two on one directory would take each other's sockets.  The lock goes with
 * the process, whatever way it ends. */
static int
lock(const struct up *up)
{
	const char *path = up_path(up, "run/up.lock");
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

	if (fd < 0)
		return cli_fail("cannot make %s: %s", path ? path : "the lock", strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return cli_fail("another 'ponte up' runs on %s", up->dir);
	return up_hold(fd) < 0 ? cli_fail("cannot hold the lock: %s", strerror(errno)) : EXIT_DONE;
}

/* Every setting stands in it as a comment with its default and its meaning. */
static int
write_settings(const struct up *up)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	const char *path = up_path(up, "ponte.yaml");

	if (!path)
		return cli_fail("out of memory");
	if (access(path, F_OK) == 0)
		return EXIT_DONE;
	int r = settings_sample(config_dir_table, &out);
	if (r == 0)
		r = file_write(path, buf_view(&out), 0600);
	return r == 0 ? EXIT_DONE : cli_fail("cannot write %s: %s", path, strerror(-r));
}

static int
make_keys(const struct up *up)
{
	static const char *const names[] = { "intake.key", "outgoing.key" };
	const char *dir = arena_text(up->cli->arena, up->cli->config.keys.dir);

	if (!dir)
		return cli_fail("out of memory");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		int r = secret_key_new(dir, names[i]);
		if (r < 0 && r != -EEXIST)
			return cli_fail("cannot make %s/%s: %s", dir, names[i], strerror(-r));
	}
	return EXIT_DONE;
}

static int
name_sockets(struct up *up)
{
	const struct config *config = &up->cli->config;

	up->hooks = arena_text(up->cli->arena, config->listen.hooks);
	up->api = arena_text(up->cli->arena, config->listen.api);
	up->keeper = arena_text(up->cli->arena, config->listen.keeper);
	up->courier = arena_text(up->cli->arena, config->listen.courier);
	return up->hooks && up->api && up->keeper && up->courier ? EXIT_DONE : cli_fail("out of memory");
}

static int
options(struct up *up, int argc, char **argv)
{
	static const struct option known[] = {
		{ "with-nginx", no_argument, NULL, 'n' },
		{ "https-port", required_argument, NULL, 'p' },
		{ "limits", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	const char *limits = getenv("PONTE_UP_LIMITS");
	uint64_t port = HTTPS_PORT;
	int c;

	up->limits = limits && strcmp(limits, "1") == 0;
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'n')
			up->with_nginx = true;
		else if (c == 'l')
			up->limits = true;
		else if (c != 'p')
			return cli_usage("up", "up takes no '%s'", argv[optind - 1]);
		else if (slice_to_u64(slice_of(optarg), 0, 65535, &port) != 0)
			return cli_usage("up", "'%s' is not a port: 0 (any free one) to 65535", optarg);
	}
	if (optind < argc)
		return cli_usage("up", "up takes no '%s'", argv[optind]);
	up->https_port = (uint16_t)port;
	return EXIT_DONE;
}

/* Before the first fork(): children get them back open. */
static void
block_signals(void)
{
	sigset_t ours;

	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGCHLD);
	sigprocmask(SIG_BLOCK, &ours, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int
cmd_up(struct cli *cli, int argc, char **argv)
{
	struct up up = { .cli = cli };
	const char *dir = cli->source.dir ? cli->source.dir : getenv("PONTE_DIR");

	int r = options(&up, argc, argv);
	if (r != EXIT_DONE)
		return r;
	if (cli->source.file || !dir || !*dir)
		return cli_usage("up", "up needs --dir DIR");

	umask(0077);
	block_signals();
	if (make_dirs(&up, dir) != EXIT_DONE || lock(&up) != EXIT_DONE || write_settings(&up) != EXIT_DONE)
		return EXIT_FAILED;
	cli->source.dir = up.dir;
	if (cli_config(cli) != EXIT_DONE || make_keys(&up) != EXIT_DONE || name_sockets(&up) != EXIT_DONE)
		return EXIT_FAILED;
	log_setup("up", (enum log_level)config_log_level(&cli->config));
	const char *door = up_path(&up, UP_DOOR);
	if (!door)
		return cli_fail("out of memory");
	unlink(door);                           /* of a run that was killed */
	if (up_roles(&up) != EXIT_DONE || (up.with_nginx && up_nginx(&up) != EXIT_DONE))
		return EXIT_FAILED;
	r = up_watch(&up);
	arena_free(up.settings);
	unlink(door);
	return r;
}
