#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/ponte/up.h"

#define DESCRIPTORS   8192
#define STOP_MS       5000

/* ---- the port ---- */

/* Bound here and inherited (NGINX="3;"), so that port 0 can be any free one
 * and nobody can take it between us and nginx. */
static int
bind_port(struct up *up)
{
	const char *host = arena_text(up->cli->arena, up->cli->config.nginx.host);
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(up->https_port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(up->https_port) };
	bool is_v6 = host && inet_pton(AF_INET6, host, &v6.sin6_addr) == 1;
	int on = 1;

	if (!host || (!is_v6 && inet_pton(AF_INET, host, &v4.sin_addr) != 1))
		return cli_fail("nginx.host: '%s' is not an address", host ? host : "");
	struct sockaddr *at = is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	socklen_t len = is_v6 ? sizeof(v6) : sizeof(v4);

	/* nginx takes an inherited socket as it is.  Were it blocking, the slower of
	 * two workers that race for one connection would sleep in accept() and
	 * leave all its other connections alone. */
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0)
		fd = up_hold(fd);
	if (fd < 0)
		return cli_fail("cannot make a socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (is_v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, at, len) < 0 || listen(fd, SOMAXCONN) < 0 || getsockname(fd, at, &len) < 0) {
		int why = errno;
		close(fd);
		return cli_fail("cannot listen at %s port %u: %s; --https-port 0 takes a free one",
		    host, up->https_port, strerror(why));
	}
	up->https_port = ntohs(is_v6 ? v6.sin6_port : v4.sin_port);
	struct slice shown = arena_printf(up->cli->arena, is_v6 ? "[%s]" : "%s", host);
	up->https_host = arena_text(up->cli->arena, shown);
	up->child[UP_NGINX].fd[0] = fd;
	up->child[UP_NGINX].fds = 1;
	return up->https_host ? EXIT_DONE : cli_fail("out of memory");
}

/* ---- the certificate ---- */

static int
run_openssl(const char *const *argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return negative_errno();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(127);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return negative_errno();
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECANCELED;
}

/* Self-signed, for this machine alone.  The key is renamed first: with a
 * certificate in place both are there. */
static int
make_certificate(const struct up *up)
{
	const char *cert = up_path(up, "tls/cert.pem"), *key = up_path(up, "tls/key.pem");
	const char *cert_new = up_path(up, "tls/cert.new"), *key_new = up_path(up, "tls/key.new");
	struct slice host = up->cli->config.nginx.host;
	const char *names = arena_text(up->cli->arena, arena_printf(up->cli->arena,
	    "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1,IP:" SLICE_FMT, SLICE_ARG(host)));

	if (!cert || !key || !cert_new || !key_new || !names)
		return cli_fail("out of memory");
	if (access(cert, F_OK) == 0 && access(key, F_OK) == 0)
		return EXIT_DONE;
	const char *const argv[] = {
		"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
		"-nodes", "-days", "3650", "-subj", "/CN=localhost", "-addext", names,
		"-keyout", key_new, "-out", cert_new, NULL,
	};
	if (run_openssl(argv) < 0)
		return cli_fail("openssl made no certificate: apt-get install openssl, or put your own "
		    "at %s and %s", cert, key);
	if (rename(key_new, key) < 0 || rename(cert_new, cert) < 0)
		return cli_fail("cannot write %s: %s", cert, strerror(errno));
	return EXIT_DONE;
}

/* ---- the configuration ---- */

/* The snippets that belong to this program: named by the environment, else
 * those of its source tree when it runs out of the build tree, else the
 * installed ones. */
static const char *
snippets(const struct up *up)
{
	const char *named = getenv("PONTE_NGINX_DIR");
	const char *worker = cli_sibling(up->cli, "ponte-worker");
	bool installed = worker && slice_starts(slice_of(worker), SLICE(PONTE_LIBEXECDIR));

	if (named && *named)
		return named;
	if (!installed && access(PONTE_TOP_SRCDIR "/nginx/ponte-http.conf", R_OK) == 0)
		return PONTE_TOP_SRCDIR "/nginx";
	return PONTE_DATADIR "/nginx";
}

/* nginx's quoting has no escape that we would want to rely on. */
static bool
quotable(const char *path)
{
	for (; *path; path++)
		if (strchr("\"\\$", *path) || (unsigned char)*path < 0x20)
			return false;
	return true;
}

static unsigned
descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max > DESCRIPTORS)
		return DESCRIPTORS;
	return (unsigned)limit.rlim_max;
}

static int
write_trusted(const struct up *up, struct buf *out)
{
	const struct settings_list *named = &up->cli->config.nginx.trusted;
	const struct slice *item = named->items;
	int r = buf_append_slice(out, SLICE("\tgeo $ponte_trusted {\n\t\tdefault 0;\n"));

	if (r == 0 && !up->limits)
		r = buf_append_slice(out, SLICE("\t\t127.0.0.0/8 1;\n\t\t::1 1;\n"));
	for (size_t i = 0; r == 0 && i < named->count; i++)
		r = buf_printf(out, "\t\t" SLICE_FMT " 1;\n", SLICE_ARG(item[i]));
	return r == 0 ? buf_append_slice(out, SLICE("\t}\n")) : r;
}

static int
write_http(const struct up *up, const char *from, struct buf *out)
{
	static const char *const temps[] = { "client_body", "proxy", "fastcgi", "uwsgi", "scgi" };
	int r = buf_printf(out, "http {\n\taccess_log off;\n\tinclude \"%s/ponte-http.conf\";\n"
	    "\tupstream ponte_hooks { server \"unix:%s\"; }\n\tupstream ponte_api { server \"unix:%s\"; }\n",
	    from, up->hooks, up->api);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(temps); i++)
		r = buf_printf(out, "\t%s_temp_path \"%s/nginx/%s\";\n", temps[i], up->dir, temps[i]);
	if (r == 0)
		r = write_trusted(up, out);
	if (r == 0)
		r = buf_printf(out, "\tserver {\n\t\tlisten %s:%u ssl http2 default_server backlog=4096;\n"
		    "\t\tssl_certificate \"%s/tls/cert.pem\";\n\t\tssl_certificate_key \"%s/tls/key.pem\";\n"
		    "\t\tssl_protocols TLSv1.2 TLSv1.3;\n\t\tssl_session_tickets off;\n"
		    "\t\taccess_log \"%s/log/nginx-access.log\" ponte;\n",
		    up->https_host, up->https_port, up->dir, up->dir, up->dir);
	if (r == 0)
		r = buf_printf(out, "\t\tinclude \"%s/ponte-fastcgi.conf\";\n"
		    "\t\tinclude \"%s/ponte-locations.conf\";\n\t}\n}\n", from, from);
	return r;
}

static int
make_config(const struct up *up, struct buf *out)
{
	const char *from = snippets(up);

	if (!quotable(up->dir) || !quotable(up->hooks) || !quotable(up->api) || !quotable(from))
		return cli_fail("nginx cannot have a quote, a backslash, a dollar sign or a control "
		    "character in %s: choose another --dir", up->dir);
	int r = buf_printf(out, "# Written by `ponte up` at every start: changes here are lost.\n"
	    "%sdaemon off;\nworker_processes 2;\nworker_rlimit_nofile %u;\n"
	    "pid \"%s/nginx/nginx.pid\";\nerror_log \"%s/log/nginx-error.log\" warn;\n"
	    "events { worker_connections %u; }\n",
	    geteuid() == 0 ? "user root;\n" : "", descriptors(), up->dir, up->dir, descriptors() / 2);
	if (r == 0)
		r = write_http(up, from, out);
	return r == 0 ? EXIT_DONE : cli_fail("out of memory");
}

static int
write_config(const struct up *up, const char *path)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	if (make_config(up, &out) != EXIT_DONE)
		return EXIT_FAILED;
	int r = file_write(path, buf_view(&out), 0600);
	return r == 0 ? EXIT_DONE : cli_fail("cannot write %s: %s", path, strerror(-r));
}

static bool
same_config(const struct up *up, const char *path)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	CLEANUP(free_charp) char *text = NULL;
	size_t len = 0;

	return make_config(up, &out) == EXIT_DONE && file_read(path, MIB, &text, &len) == 0 &&
	    slice_eq(buf_view(&out), slice_from(text, len));
}

static bool
newer(const char *path, const char *than)
{
	struct stat a, b;

	return path && stat(path, &a) == 0 && stat(than, &b) == 0 &&
	    (a.st_mtim.tv_sec > b.st_mtim.tv_sec ||
	        (a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec > b.st_mtim.tv_nsec));
}

/* ---- together ---- */

/* /usr/sbin is not in everybody's PATH. */
static const char *
find_nginx(void)
{
	static const char *const places[] = { "/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* Where `ponte send --dir DIR` finds the front door. */
static int
write_door(const struct up *up)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	const char *path = up_path(up, UP_DOOR);
	int r = buf_printf(&out, "https://%s:%u\n", up->https_host, up->https_port);

	if (r == 0)
		r = path ? file_write(path, buf_view(&out), 0600) : -ENOMEM;
	return r == 0 ? EXIT_DONE : cli_fail("cannot write %s/" UP_DOOR ": %s", up->dir, strerror(-r));
}

bool
up_nginx_changed(const struct up *up)
{
	const char *config = up_path(up, "nginx/nginx.conf");

	/* Written anew in both cases: its age is that of what nginx has read. */
	return config && (!same_config(up, config) || newer(up_path(up, "tls/cert.pem"), config)) &&
	    write_config(up, config) == EXIT_DONE;
}

int
up_nginx(struct up *up)
{
	const char *nginx = find_nginx();
	const char *config = up_path(up, "nginx/nginx.conf"), *prefix = up_path(up, "nginx/");

	if (!nginx)
		return cli_fail("nginx is missing: apt-get install nginx-light, or leave out --with-nginx");
	if (!config || !prefix)
		return cli_fail("out of memory");
	up->child[UP_NGINX] = (struct up_child){
		.name = "nginx", .argv = { nginx, "-p", prefix, "-c", config, "-e", "stderr" },
		.stop_signal = SIGQUIT, .patience_ms = STOP_MS,
	};
	if (make_certificate(up) != EXIT_DONE || bind_port(up) != EXIT_DONE ||
	    write_config(up, config) != EXIT_DONE || write_door(up) != EXIT_DONE)
		return EXIT_FAILED;
	up->children = UP_CHILDREN;
	return EXIT_DONE;
}
