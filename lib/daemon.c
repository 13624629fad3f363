#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "lib/clock.h"
#include "lib/daemon.h"

/* A supervisor that does not hear us is no reason to stop working, so the
 * results of sd_notify() are dropped here and nowhere else. */

void
daemon_ready(void)
{
	(void)sd_notify(0, "READY=1");
}

void
daemon_stopping(void)
{
	(void)sd_notify(0, "STOPPING=1");
}

void
daemon_reloading(void)
{
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
}

void
daemon_status(const char *text)
{
	(void)sd_notifyf(0, "STATUS=%s", text);
}

int64_t
daemon_watchdog_ms(void)
{
	uint64_t us;

	if (sd_watchdog_enabled(0, &us) <= 0)
		return 0;
	/* A third of the patience: one ping may be late, and one lost. */
	int64_t ms = (int64_t)(us / 3000);
	return ms > 0 ? ms : 1;
}

void
daemon_alive(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}

static bool
make_ours(int fd)
{
	int status = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD);

	return status >= 0 && flags >= 0 && fcntl(fd, F_SETFL, status | O_NONBLOCK) >= 0 &&
	    fcntl(fd, F_SETFD, flags | FD_CLOEXEC) >= 0;
}

int
daemon_inherited(const char *name)
{
	char **names = NULL;
	int found = -1;

	/* Counts only when LISTEN_PID is this very process: a child must not
	 * take what was meant for its parent. */
	int n = sd_listen_fds_with_names(0, &names);
	for (int i = 0; i < n; i++) {
		if (found < 0 && strcmp(names[i], name) == 0)
			found = SD_LISTEN_FDS_START + i;
		free(names[i]);
	}
	free(names);
	return found >= 0 && make_ours(found) ? found : -1;
}
