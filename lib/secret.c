#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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
	int r = file_read_private(path, 2 * KEY_LINE + 1, &text, &len);
	if (r == -EFBIG)
		return -EINVAL;
	if (r < 0)
		return r;
	struct slice first = slice_trim(slice_from(text, len)), second = { NULL, 0 };
	bool two = slice_cut(first, '\n', &first, &second);
	struct secret_key key = { .has_next = two };
	r = hex_decode(first, key.byte, sizeof key.byte);
	if (r == 0 && two)
		r = hex_decode(second, key.next, sizeof key.next);
	if (r == 0)
		*ret = key;
	crypt_wipe(&key, sizeof key);
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

int
secret_key_replace(const char *dir, const char *name, const struct secret_key *key)
{
	CLEANUP(free_charp) char *path = path_in(dir, name);
	char lines[2 * KEY_LINE + 1];
	struct stat st;

	if (!path)
		return -ENOMEM;
	if (stat(path, &st) != 0)
		return negative_errno();
	hex_encode(key->byte, sizeof key->byte, lines);
	lines[KEY_LINE - 1] = '\n';
	if (key->has_next)
		hex_encode(key->next, sizeof key->next, lines + KEY_LINE);
	lines[2 * KEY_LINE - 1] = '\n';
	int r = file_write(path, slice_from(lines, (key->has_next ? 2 : 1) * KEY_LINE), st.st_mode & 0640);
	crypt_wipe(lines, sizeof lines);
	if (r == 0 && (st.st_uid != geteuid() || st.st_gid != getegid()) && chown(path, st.st_uid, st.st_gid) != 0)
		r = negative_errno();
	return r;
}

struct secret_key
secret_key_newest(const struct secret_key *key)
{
	struct secret_key newest = *key;

	if (key->has_next) {
		memcpy(newest.byte, key->next, sizeof newest.byte);
		memcpy(newest.next, key->byte, sizeof newest.next);
	}
	return newest;
}

uint64_t
secret_key_mark(const struct secret_key *key)
{
	const uint8_t *byte = key->has_next ? key->next : key->byte;
	uint8_t hash[CRYPT_SHA256];
	uint64_t mark;

	crypt_sha256(slice_from(byte, CRYPT_KEY), hash);
	memcpy(&mark, hash, sizeof mark);
	return mark ? mark : 1;
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
	if (r == 0)
		r = crypt_open(key->byte, buf_view(&where), sealed, ret);
	return r == -EBADMSG && key->has_next ? crypt_open(key->next, buf_view(&where), sealed, ret) : r;
}

void
secret_process_harden(void)
{
	const struct rlimit none = { 0, 0 };

	/* Neither can fail: both only give something up. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
