/* The files that the settings name. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/config.h"
#include "lib/trust.h"

static const struct settings_place whole = { 0, 0 };

/* Not opened: what is in it is for one role alone. */
static void
check_secret(struct settings_errors *errors, const char *name, struct slice path)
{
	struct stat st;

	if (path.len == 0)
		return;
	if (stat(path.ptr, &st) < 0) {
		if (errno != EACCES)
			settings_mistake(errors, whole, "%s %s: %s", name, path.ptr, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		settings_mistake(errors, whole, "%s %s is not a file", name, path.ptr);
	} else if (st.st_mode & (S_IRWXO | S_IWGRP)) {
		settings_mistake(errors, whole, "%s %s can be read by others; set its mode to 0640", name, path.ptr);
	} else if (st.st_size == 0) {
		settings_mistake(errors, whole, "%s %s is empty", name, path.ptr);
	}
}

static int
check_certificates(struct settings_errors *errors, struct slice path)
{
	CLEANUP(close_fd) int fd = -1;

	int r = path.len ? trust_gather(path.ptr, &fd) : 0;
	if (r == -EINVAL)
		settings_mistake(errors, whole, "delivery.ca_file %s has no certificate in it", path.ptr);
	else if (r < 0 && r != -EACCES && r != -ENOMEM)
		settings_mistake(errors, whole, "delivery.ca_file %s: %s", path.ptr, strerror(-r));
	return r == -ENOMEM ? r : 0;
}

static bool
ends_with(struct slice text, struct slice end)
{
	return text.len >= end.len && slice_eq(slice_after(text, text.len - end.len), end);
}

/* The file itself is made by the keeper; its directory is not, but for those of
 * the package and of `ponte up`. */
static int
check_directory(struct settings_errors *errors, const char *name, struct slice path)
{
	CLEANUP(free_charp) char *dir = strdup(path.ptr);
	char *slash = dir ? strrchr(dir, '/') : NULL;
	struct stat st;

	if (!dir)
		return -ENOMEM;
	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	bool there = stat(dir, &st) == 0;
	if (there && !S_ISDIR(st.st_mode))
		settings_mistake(errors, whole, "%s %s: %s is not a directory", name, path.ptr, dir);
	else if (!there && errno != EACCES && !ends_with(slice_of(dir), SLICE("/var/lib/ponte")) && !ends_with(slice_of(dir), SLICE("/state")))
		settings_mistake(errors, whole, "%s %s: there is no directory %s", name, path.ptr, dir);
	return 0;
}

int
config_files(const struct config *c, struct settings_errors *errors)
{
	check_secret(errors, "enrolment.secret_file", c->enrolment.secret_file);
	check_secret(errors, "hub.token_file", c->hub.token_file);
	int r = check_certificates(errors, c->delivery.ca_file);
	if (r == 0)
		r = check_directory(errors, "store.path", c->store.path);
	if (r == 0)
		r = check_directory(errors, "store.catalog", c->store.catalog);
	return r < 0 ? r : errors->count ? SETTINGS_E_WRONG : 0;
}
