#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "lib/secret.h"

#define KEY_LINE (2 * CRYPT_KEY + 1)            /* the digits and the newline */

static char *
path_in(const char *dir, const char *name)
{
	size_t size = strlen(dir) + strlen(name) + 2;
	char *path = malloc(size);
	if (path)
		snprintf(path, size, "%s/%s", dir, name);
	return path;
}

static int
load_from(const char *dir, const char *name, struct secret_key *ret)
{
	CLEANUP(free_charp) char *path = path_in(dir, name);
	if (!path)
		return -ENOMEM;

	char *text;
	size_t len;
	int r = file_read_private(path, KEY_LINE + 1, &text, &len);
	if (r == -EFBIG)
		return -EINVAL;
	if (r < 0)
		return r;
	r = hex_decode(slice_trim(slice_from(text, len)), ret->byte, sizeof ret->byte);
	crypt_wipe(text, len);
	free(text);
	return r;
}

int
secret_key_load(const char *dir, const char *name, struct secret_key *ret)
{
	const char *given = getenv("CREDENTIALS_DIRECTORY");

	if (given && *given) {
		int r = load_from(given, name, ret);
		if (r != -ENOENT)
			return r;
	}
	return dir ? load_from(dir, name, ret) : -ENOENT;
}

int
secret_key_new(const char *dir, const char *name)
{
	CLEANUP(free_charp) char *path = path_in(dir, name);
	if (!path)
		return -ENOMEM;

	struct secret_key key;
	char line[KEY_LINE + 1];
	crypt_random(key.byte, sizeof key.byte);
	hex_encode(key.byte, sizeof key.byte, line);
	line[KEY_LINE - 1] = '\n';
	int r = file_write_new(path, slice_from(line, KEY_LINE), 0400);
	crypt_wipe(line, sizeof line);
	crypt_wipe(&key, sizeof key);
	return r;
}

/* A field's name holds no NUL, so no two pairs give the same place. */
static int
place(struct slice tenant, const char *field, struct buf *ret)
{
	int r = buf_append(ret, field, strlen(field) + 1);
	return r < 0 ? r : buf_append_slice(ret, tenant);
}

int
secret_seal(const struct secret_key *key, struct slice tenant, const char *field, struct slice plain, struct buf *ret)
{
	CLEANUP(buf_free) struct buf where = { 0 };
	int r = place(tenant, field, &where);
	return r < 0 ? r : crypt_seal(key->byte, buf_view(&where), plain, ret);
}

int
secret_open(const struct secret_key *key, struct slice tenant, const char *field, struct slice sealed, struct buf *ret)
{
	CLEANUP(buf_free) struct buf where = { 0 };
	int r = place(tenant, field, &where);
	return r < 0 ? r : crypt_open(key->byte, buf_view(&where), sealed, ret);
}

void
secret_process_harden(void)
{
	const struct rlimit none = { 0, 0 };

	/* Neither can fail: both only give something up. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
