/* base: what every file of ponte may use.  Includes nothing of ours.
 *
 * Results, here and everywhere in lib/:
 *    0   done
 *   <0   -errno: nobody between here and main() can help; pass it up
 *   >0   one of the outcomes listed at the function: expected, and the
 *        caller must deal with it
 * Out-parameters are named ret_x (written on success only) or reterr_x
 * (written on failure only). */
#ifndef PONTE_BASE_H
#define PONTE_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
/* Calls fn(&variable) when the variable leaves its scope.  Not on exit(). */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* -errno as a result.  After a failed call errno is positive; said here, the
 * compiler and its analyzers can count on a result below 0. */
static inline int
negative_errno(void)
{
	int e = errno;
	if (e <= 0)
		__builtin_unreachable();
	return -e;
}

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

/* REQUIRE() states a promise between our own functions.  A broken promise is
 * a bug: the process stops and its supervisor starts another; the queue is on
 * disk.  Never on bytes that came from outside: those get an error code and
 * an answer.  It stays on in release builds. */
#define REQUIRE(cond) ((cond) ? (void)0 : base_broken_promise(#cond, __FILE__, __LINE__))
_Noreturn void base_broken_promise(const char *what, const char *file, int line);

/* A view of bytes somebody else owns: no NUL needed, no copy made.  An empty
 * slice may have ptr == NULL, so look at len before touching the bytes. */
struct slice {
	const char *ptr;
	size_t      len;
};

#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })
#define SLICE_FMT "%.*s"
#define SLICE_ARG(s) (int)((s).len > 4096 ? 4096 : (s).len), (s).len ? (s).ptr : ""

struct slice slice_of(const char *text);            /* NULL gives an empty slice */
struct slice slice_from(const void *ptr, size_t len);
bool slice_eq(struct slice a, struct slice b);      /* not for secrets: crypt_equal() */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
struct slice slice_after(struct slice s, size_t n); /* n <= s.len */
struct slice slice_trim(struct slice s);            /* ASCII blanks, both ends */
/* Cuts s at the first `at`.  True when found: head before it, tail behind it. */
bool slice_cut(struct slice s, char at, struct slice *ret_head, struct slice *ret_tail);
/* malloc()ed, NUL-terminated copy; NULL when out of memory. */
char *slice_dup(struct slice s);
/* Bytes of the well-formed UTF-8 character at the front (1 to 4); 0 when there
 * is none: empty, overlong, a surrogate, above U+10FFFF, cut. */
size_t slice_utf8(struct slice s);

/* The whole slice must be a decimal number, without sign (u64) or with an
 * optional '-' (i64); no blanks, no '+', no leading zero except "0" itself.
 * 0, -EINVAL (not such a number) or -ERANGE (outside min..max). */
MUST_CHECK int slice_to_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *ret);
MUST_CHECK int slice_to_i64(struct slice s, int64_t min, int64_t max, int64_t *ret);

/* Lower-case hex.  hex_encode writes 2*len characters and a NUL. */
void hex_encode(const void *bytes, size_t len, char *ret_text);
/* 0 or -EINVAL; exactly len bytes from exactly 2*len lower-case digits. */
MUST_CHECK int hex_decode(struct slice text, void *ret_bytes, size_t len);

/* For CLEANUP(). */
void free_charp(char **p);
void close_fd(int *fd);                             /* leaves -1 behind */

/* malloc() family that ends the process (REQUIRE) is not offered: callers
 * check.  array_grow makes room for one more element of `size` bytes in
 * *array (capacity *cap, doubled).  0 or -ENOMEM. */
MUST_CHECK int array_grow(void **array, size_t *cap, size_t used, size_t size);

/* Reads a whole file of at most `limit` bytes into malloc()ed, NUL-terminated
 * memory.  0, -EFBIG, or -errno.  The second form also wants the file to be
 * readable by its owner (and group) alone: -EPERM otherwise. */
MUST_CHECK int file_read(const char *path, size_t limit, char **ret, size_t *ret_len);
MUST_CHECK int file_read_private(const char *path, size_t limit, char **ret, size_t *ret_len);
/* Writes a new file in one go: temporary name beside it, flush, rename, flush
 * of the directory.  0 or -errno. */
MUST_CHECK int file_write(const char *path, struct slice bytes, unsigned mode);
/* The same, but -EEXIST when there is such a file. */
MUST_CHECK int file_write_new(const char *path, struct slice bytes, unsigned mode);

#endif
