/* fixture: bodies that are kept beside the project, not in it.  They are
 * looked for in $PONTE_FIXTURES, else in ../shared/fixtures beside the top
 * directory; where there are none, their tests are counted as skipped. */
#ifndef PONTE_FIXTURE_H
#define PONTE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base.h"

#ifndef PONTE_TOP_SRCDIR
#define PONTE_TOP_SRCDIR "."
#endif

static inline const char *
fixture_path(char *path, size_t size, const char *name)
{
	const char *dir = getenv("PONTE_FIXTURES");
	if (dir && *dir)
		snprintf(path, size, "%s/%s", dir, name);
	else
		snprintf(path, size, "%s/../shared/fixtures/%s", PONTE_TOP_SRCDIR, name);
	return path;
}

static inline bool
fixture_there(const char *name)
{
	char path[1024];
	return access(fixture_path(path, sizeof path, name), R_OK) == 0;
}

/* malloc()ed; NULL: cannot be read. */
static inline char *
fixture_read(const char *name, size_t *ret_len)
{
	char path[1024], *text;
	if (file_read(fixture_path(path, sizeof path, name), 16 * MIB, &text, ret_len) < 0)
		return NULL;
	return text;
}

#endif
