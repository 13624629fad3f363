#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"

void
base_broken_promise(const char *what, const char *file, int line)
{
	fprintf(stderr, "<2>ponte: broken promise: %s (%s:%d); this is a bug, please report it\n",
	    what, file, line);
	abort();
}

/* ---- slices ---- */

struct slice
slice_of(const char *text)
{
	return (struct slice){ text, text ? strlen(text) : 0 };
}

struct slice
slice_from(const void *ptr, size_t len)
{
	return (struct slice){ ptr, len };
}

bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* tolower() would ask the locale. */
static char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool
slice_eq_nocase(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
			return false;
	return true;
}

bool
slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	    (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

struct slice
slice_after(struct slice s, size_t n)
{
	REQUIRE(n <= s.len);
	return n == 0 ? s : (struct slice){ s.ptr + n, s.len - n };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && is_blank(s.ptr[0]))
		s = slice_after(s, 1);
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool
slice_cut(struct slice s, char at, struct slice *ret_head, struct slice *ret_tail)
{
	const char *found = s.len ? memchr(s.ptr, at, s.len) : NULL;
	if (!found)
		return false;
	size_t n = (size_t)(found - s.ptr);
	*ret_head = (struct slice){ s.ptr, n };
	*ret_tail = slice_after(s, n + 1);
	return true;
}

char *
slice_dup(struct slice s)
{
	char *copy = malloc(s.len + 1);
	if (!copy)
		return NULL;
	if (s.len)
		memcpy(copy, s.ptr, s.len);
	copy[s.len] = '\0';
	return copy;
}

size_t
slice_utf8(struct slice s)
{
	const uint8_t *p = (const uint8_t *)s.ptr;
	if (s.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;

	/* The second byte's range keeps out overlong forms (E0, F0),
	 * surrogates (ED) and what lies above U+10FFFF (F4). */
	size_t n;
	uint8_t low = 0x80, high = 0xbf;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		if (p[0] == 0xe0)
			low = 0xa0;
		else if (p[0] == 0xed)
			high = 0x9f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		if (p[0] == 0xf0)
			low = 0x90;
		else if (p[0] == 0xf4)
			high = 0x8f;
	} else {
		return 0;
	}
	if (s.len < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	return n;
}

/* ---- numbers and hex ---- */

/* The value of a run of digits; false: no digits, a leading zero, or another
 * byte.  Past 64 bits *ret_over is set and the digits are still looked at, so
 * that "not a number" is told from "too large". */
static bool
digits(struct slice s, uint64_t *ret, bool *ret_over)
{
	uint64_t n = 0;
	bool over = false;

	if (s.len == 0 || (s.len > 1 && s.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(s.ptr[i] - '0'), &n))
			over = true;
	}
	*ret = n;
	*ret_over = over;
	return true;
}

int
slice_to_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t n;
	bool over;

	if (!digits(s, &n, &over))
		return -EINVAL;
	if (over || n < min || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int
slice_to_i64(struct slice s, int64_t min, int64_t max, int64_t *ret)
{
	uint64_t n;
	bool over, minus = s.len > 0 && s.ptr[0] == '-';

	if (!digits(minus ? slice_after(s, 1) : s, &n, &over))
		return -EINVAL;
	if (minus && n == 0 && !over)
		return -EINVAL;                 /* "-0" has another form: "0" */
	if (over || n > (uint64_t)INT64_MAX + (minus ? 1 : 0))
		return -ERANGE;
	/* 0 - n in unsigned arithmetic: -n of INT64_MIN has no positive twin. */
	int64_t value = minus ? (int64_t)(0 - n) : (int64_t)n;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

void
hex_encode(const void *bytes, size_t len, char *ret_text)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++) {
		ret_text[2 * i] = digit[p[i] >> 4];
		ret_text[2 * i + 1] = digit[p[i] & 15];
	}
	ret_text[2 * len] = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int
hex_decode(struct slice text, void *ret_bytes, size_t len)
{
	uint8_t *out = ret_bytes;

	if (text.len % 2 != 0 || text.len / 2 != len)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++)
		if (hex_digit(text.ptr[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(16 * hex_digit(text.ptr[2 * i]) + hex_digit(text.ptr[2 * i + 1]));
	return 0;
}

/* ---- memory and descriptors ---- */

void
free_charp(char **p)
{
	free(*p);
	*p = NULL;
}

void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int
array_grow(void **array, size_t *cap, size_t used, size_t size)
{
	if (used < *cap)
		return 0;

	size_t more, bytes;
	if (__builtin_mul_overflow(*cap ? *cap : 4, *cap ? 2 : 1, &more) ||
	    __builtin_mul_overflow(more, size, &bytes))
		return -ENOMEM;
	/* memcpy, since the caller's pointer is not really a void *. */
	void *p;
	memcpy(&p, array, sizeof p);
	p = realloc(p, bytes);
	if (!p)
		return -ENOMEM;
	memcpy(array, &p, sizeof p);
	*cap = more;
	return 0;
}

/* ---- files ---- */

/* A file's size is only a hint (it may grow, or be no plain file), so this
 * reads until the end comes or the limit is passed. */
static int
read_all(int fd, size_t limit, char **ret, size_t *ret_len)
{
	size_t cap = 0, len = 0;
	CLEANUP(free_charp) char *p = NULL;

	for (;;) {
		if (len == cap || cap == 0) {
			size_t more = cap ? cap * 2 : 4 * KIB;
			if (more - 1 > limit)
				more = limit + 1;
			char *q = realloc(p, more + 1);
			if (!q)
				return -ENOMEM;
			p = q;
			cap = more;
		}
		ssize_t n = read(fd, p + len, cap - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return negative_errno();
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > limit)
			return -EFBIG;
	}
	p[len] = '\0';
	*ret = p;
	*ret_len = len;
	p = NULL;
	return 0;
}

static int
read_file(const char *path, size_t limit, bool private, char **ret, size_t *ret_len)
{
	CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return negative_errno();
	if (private) {
		/* Of the open file: the name may point elsewhere by now. */
		struct stat st;
		if (fstat(fd, &st) < 0)
			return negative_errno();
		if (st.st_mode & (S_IRWXO | S_IWGRP))
			return -EPERM;
	}
	return read_all(fd, limit, ret, ret_len);
}

int
file_read(const char *path, size_t limit, char **ret, size_t *ret_len)
{
	return read_file(path, limit, false, ret, ret_len);
}

int
file_read_private(const char *path, size_t limit, char **ret, size_t *ret_len)
{
	return read_file(path, limit, true, ret, ret_len);
}

static int
write_all(int fd, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return negative_errno();
		bytes = slice_after(bytes, (size_t)n);
	}
	return 0;
}

/* A name is in its directory for good only after the directory's own flush. */
static int
flush_directory_of(const char *path)
{
	CLEANUP(free_charp) char *dir = strdup(path);
	if (!dir)
		return -ENOMEM;
	char *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir ? 1 : 0] = '\0';
	CLEANUP(close_fd) int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return negative_errno();
	return fsync(fd) < 0 ? negative_errno() : 0;
}

static int
fill_file(int fd, struct slice bytes, unsigned mode)
{
	int r = write_all(fd, bytes);
	if (r < 0)
		return r;
	if (fchmod(fd, (mode_t)mode) < 0 || fsync(fd) < 0)
		return negative_errno();
	return 0;
}

/* Fills a file beside its place, then gives it its name. */
static int
write_file(const char *path, struct slice bytes, unsigned mode, bool replace)
{
	size_t len = strlen(path);
	CLEANUP(free_charp) char *temporary = malloc(len + sizeof ".XXXXXX");
	if (!temporary)
		return -ENOMEM;
	memcpy(temporary, path, len);
	memcpy(temporary + len, ".XXXXXX", sizeof ".XXXXXX");

	CLEANUP(close_fd) int fd = mkstemp(temporary);
	if (fd < 0)
		return negative_errno();
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	int r = fill_file(fd, bytes, mode);
	/* link() does not replace, as rename() does. */
	if (r == 0 && (replace ? rename(temporary, path) : link(temporary, path)) < 0)
		r = negative_errno();
	if (r < 0 || !replace)
		unlink(temporary);
	return r < 0 ? r : flush_directory_of(path);
}

int
file_write(const char *path, struct slice bytes, unsigned mode)
{
	return write_file(path, bytes, mode, true);
}

int
file_write_new(const char *path, struct slice bytes, unsigned mode)
{
	return write_file(path, bytes, mode, false);
}
