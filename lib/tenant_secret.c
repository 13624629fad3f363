#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/crypt.h"
#include "lib/tenant_secret.h"

#define SECRET_MAX 4096
#define PATH_SECRET_MIN 8       /* shorter ones can be found by trying */
#define PATH_SECRET_MAX 128

/* SHA-256 of the webhook secret that the replaced system has in its public
 * source: whoever can read can sign with it. */
static const char published_secret[] =
    "679dcffdaa536fd009f0553aa66d8854d83272b0d3a52bf96b507a118136831c";

static void
wipe_buf(struct buf *b)
{
	if (b->ptr)
		crypt_wipe(b->ptr, b->cap);
	buf_free(b);
}

/* All of standard input, SECRET_MAX + 3 bytes at most.  0 or -errno. */
static int
read_stdin(struct buf *out)
{
	int r = buf_reserve(out, SECRET_MAX + 3);
	if (r != 0)
		return r;
	char byte[256];
	ssize_t n = 0;
	while (out->len < SECRET_MAX + 3) {
		size_t room = SECRET_MAX + 3 - out->len;
		n = read(STDIN_FILENO, byte, room < sizeof byte ? room : sizeof byte);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		r = buf_append(out, byte, (size_t)n);
		if (r != 0)
			break;
	}
	if (n < 0)
		r = negative_errno();
	crypt_wipe(byte, sizeof byte);
	return r;
}

static int
read_named(struct tenant_secrets *ts, struct slice file, struct buf *out)
{
	struct slice path = settings_path(ts->arena, ts->dir, file);
	if (path.len == 0)
		return -ENOMEM;
	char *text;
	size_t len;
	int r = file_read(path.ptr, SECRET_MAX + 2, &text, &len);
	if (r != 0)
		return r;
	r = buf_append(out, text, len);
	crypt_wipe(text, len);
	free_charp(&text);
	return r;
}

const char *
tenant_secret_refuse(struct slice s)
{
	uint8_t hash[CRYPT_SHA256];
	char hex[2 * CRYPT_SHA256 + 1];

	if (s.len == 0)
		return "is empty";
	if (s.len > SECRET_MAX)
		return "is longer than 4096 bytes";
	if (memchr(s.ptr, '\n', s.len) || memchr(s.ptr, '\r', s.len) || memchr(s.ptr, '\0', s.len))
		return "holds a line break or a NUL; a secret is one line";
	crypt_sha256(s, hash);
	hex_encode(hash, sizeof hash, hex);
	if (strcmp(hex, published_secret) == 0)
		return "holds the secret that the replaced system published; everybody knows it, make a new one";
	return NULL;
}

const char *
tenant_secret_refuse_basic(struct slice s)
{
	const char *colon = memchr(s.ptr, ':', s.len);
	return colon && colon > s.ptr && colon + 1 < s.ptr + s.len ? NULL : "is not like user:password";
}

const char *
tenant_secret_refuse_path(struct slice s)
{
	if (s.len < PATH_SECRET_MIN || s.len > PATH_SECRET_MAX)
		return "must have 8 to 128 characters";
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		        c == '-' || c == '_' || c == '.' || c == '~'))
			return "stands in a URL: only letters, digits, '-', '_', '.' and '~'";
	}
	return NULL;
}

int
tenant_secret_seal(struct tenant_secrets *ts, const struct tenant_secret *row, struct slice *ret)
{
	if (row->file.len == 0)
		return 0;
	CLEANUP(wipe_buf) struct buf plain = { 0 };
	bool input = slice_eq(row->file, SLICE("-"));
	if (input && ts->stdin_used) {
		settings_mistake(ts->errors, row->at, "standard input (-) can be read for one secret only");
		return 0;
	}
	ts->stdin_used |= input;
	int r = input ? read_stdin(&plain) : read_named(ts, row->file, &plain);
	if (r == -ENOMEM)
		return r;
	if (r != 0 && r != -EFBIG) {
		settings_mistake(ts->errors, row->at, SLICE_FMT ": cannot be read: %s",
		    SLICE_ARG(row->file), strerror(-r));
		return 0;
	}
	struct slice s = buf_view(&plain);
	if (s.len > 0 && s.ptr[s.len - 1] == '\n')
		s.len--;
	if (s.len > 0 && s.ptr[s.len - 1] == '\r')
		s.len--;
	const char *why = r == -EFBIG ? "is longer than 4096 bytes" : tenant_secret_refuse(s);
	if (!why && row->refuse)
		why = row->refuse(s);
	if (why) {
		settings_mistake(ts->errors, row->at, SLICE_FMT ": %s", SLICE_ARG(row->file), why);
		return 0;
	}
	CLEANUP(buf_free) struct buf sealed = { 0 };
	r = secret_seal(row->key, row->tenant, row->field, s, &sealed);
	if (r != 0)
		return r;
	*ret = arena_copy(ts->arena, buf_view(&sealed));
	return ret->len > 0 ? 0 : -ENOMEM;
}
