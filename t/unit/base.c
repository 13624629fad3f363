#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"

#include "t/unit/unit.h"

static void
u64_rows(void)
{
	static const struct { const char *name, *text; uint64_t min, max; int r; uint64_t value; } row[] = {
		{ "zero is a number", "0", 0, UINT64_MAX, 0, 0 },
		{ "the largest of 64 bits fits", "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "one more than 64 bits is out of range", "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
		{ "forty digits are out of range, not wrapped", "1000000000000000000000000000000000000000", 0, UINT64_MAX, -ERANGE, 0 },
		{ "digits that overflow and a letter are no number", "99999999999999999999999x", 0, UINT64_MAX, -EINVAL, 0 },
		{ "the smallest allowed is allowed", "10", 10, 20, 0, 10 },
		{ "below the smallest is out of range", "9", 10, 20, -ERANGE, 0 },
		{ "the largest allowed is allowed", "20", 10, 20, 0, 20 },
		{ "above the largest is out of range", "21", 10, 20, -ERANGE, 0 },
		{ "nothing is no number", "", 0, 9, -EINVAL, 0 },
		{ "a sign is refused", "-1", 0, 9, -EINVAL, 0 },
		{ "a plus is refused", "+1", 0, 9, -EINVAL, 0 },
		{ "a leading zero is refused", "01", 0, 9, -EINVAL, 0 },
		{ "two zeros are refused", "00", 0, 9, -EINVAL, 0 },
		{ "a blank before is refused", " 1", 0, 9, -EINVAL, 0 },
		{ "a blank behind is refused", "1 ", 0, 9, -EINVAL, 0 },
		{ "hexadecimal is refused", "0x1", 0, 9, -EINVAL, 0 },
		{ "a fraction is refused", "1.0", 0, 9, -EINVAL, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint64_t value = 77;
		int r = slice_to_u64(slice_of(row[i].text), row[i].min, row[i].max, &value);
		ROW(row[i].name, r == row[i].r);
		ROW(row[i].name, value == (r == 0 ? row[i].value : 77));
	}
}

static void
i64_rows(void)
{
	static const struct { const char *name, *text; int64_t min, max; int r; int64_t value; } row[] = {
		{ "the largest of 63 bits fits", "9223372036854775807", INT64_MIN, INT64_MAX, 0, INT64_MAX },
		{ "one more is out of range", "9223372036854775808", INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "the smallest fits", "-9223372036854775808", INT64_MIN, INT64_MAX, 0, INT64_MIN },
		{ "one less is out of range", "-9223372036854775809", INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "what wraps around to a small number is out of range", "18446744073709551617", INT64_MIN, INT64_MAX, -ERANGE, 0 },
		{ "a negative number is one", "-42", -100, 100, 0, -42 },
		{ "below the smallest allowed is out of range", "-42", -41, 100, -ERANGE, 0 },
		{ "minus zero is refused", "-0", -1, 1, -EINVAL, 0 },
		{ "a minus alone is refused", "-", -1, 1, -EINVAL, 0 },
		{ "two signs are refused", "--1", -1, 1, -EINVAL, 0 },
		{ "a leading zero behind the sign is refused", "-01", -1, 1, -EINVAL, 0 },
		{ "nothing is no number", "", -1, 1, -EINVAL, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		int64_t value = 77;
		int r = slice_to_i64(slice_of(row[i].text), row[i].min, row[i].max, &value);
		ROW(row[i].name, r == row[i].r);
		ROW(row[i].name, value == (r == 0 ? row[i].value : 77));
	}
}

static void
utf8_rows(void)
{
	static const struct { const char *name, *bytes; size_t len, n; } row[] = {
		{ "nothing is no character", "", 0, 0 },
		{ "NUL is one byte", "\0", 1, 1 },
		{ "ASCII is one byte", "a", 1, 1 },
		{ "the last of one byte", "\x7f", 1, 1 },
		{ "the first of two bytes", "\xc2\x80", 2, 2 },
		{ "the last of two bytes", "\xdf\xbf", 2, 2 },
		{ "the first of three bytes", "\xe0\xa0\x80", 3, 3 },
		{ "the last before the surrogates", "\xed\x9f\xbf", 3, 3 },
		{ "the first behind the surrogates", "\xee\x80\x80", 3, 3 },
		{ "the last of three bytes", "\xef\xbf\xbf", 3, 3 },
		{ "the first of four bytes", "\xf0\x90\x80\x80", 4, 4 },
		{ "the last of all", "\xf4\x8f\xbf\xbf", 4, 4 },
		{ "what is behind the character does not matter", "\xc3\xa9\xff", 3, 2 },
		{ "a continuation byte alone", "\x80", 1, 0 },
		{ "overlong '/' in two bytes", "\xc0\xaf", 2, 0 },
		{ "overlong DEL in two bytes", "\xc1\xbf", 2, 0 },
		{ "overlong in three bytes", "\xe0\x9f\xbf", 3, 0 },
		{ "overlong in four bytes", "\xf0\x8f\xbf\xbf", 4, 0 },
		{ "a high surrogate", "\xed\xa0\x80", 3, 0 },
		{ "a low surrogate", "\xed\xbf\xbf", 3, 0 },
		{ "above U+10FFFF", "\xf4\x90\x80\x80", 4, 0 },
		{ "the lead of five bytes", "\xf8\x88\x80\x80\x80", 5, 0 },
		{ "0xff", "\xff", 1, 0 },
		{ "two bytes cut", "\xc3", 1, 0 },
		{ "three bytes cut", "\xe2\x82", 2, 0 },
		{ "four bytes cut", "\xf0\x9f\x98", 3, 0 },
		{ "a bad second byte", "\xc3(", 2, 0 },
		{ "a bad third byte", "\xe2\x82(", 3, 0 },
		{ "a bad fourth byte", "\xf0\x9f\x98(", 4, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, slice_utf8(slice_from(row[i].bytes, row[i].len)) == row[i].n);
}

static void
slices(void)
{
	struct slice none = { NULL, 0 }, head, tail;

	ROW("two empty slices are equal", slice_eq(none, SLICE("")));
	ROW("a prefix is not equal", !slice_eq(SLICE("ab"), SLICE("abc")));
	ROW("equal bytes are equal", slice_eq(SLICE("abc"), slice_from("abcd", 3)));
	ROW("case matters", !slice_eq(SLICE("abc"), SLICE("abC")));
	ROW("nocase: case does not matter", slice_eq_nocase(SLICE("Content-TYPE"), SLICE("content-type")));
	ROW("nocase: '[' is not '{'", !slice_eq_nocase(SLICE("["), SLICE("{")));
	ROW("nocase: lengths matter", !slice_eq_nocase(SLICE("a"), SLICE("ab")));
	ROW("all starts with nothing", slice_starts(none, none) && slice_starts(SLICE("a"), none));
	ROW("nothing starts with something", !slice_starts(none, SLICE("a")));
	ROW("a start is one", slice_starts(SLICE("sha256=x"), SLICE("sha256=")));
	ROW("the rest behind all is empty", slice_after(SLICE("abc"), 3).len == 0);
	ROW("blanks go at both ends", slice_eq(slice_trim(SLICE(" \t a b\r\n")), SLICE("a b")));
	ROW("blanks alone leave nothing", slice_trim(SLICE(" \t\r\n ")).len == 0);
	ROW("a cut is at the first", slice_cut(SLICE("a=b=c"), '=', &head, &tail) &&
	    slice_eq(head, SLICE("a")) && slice_eq(tail, SLICE("b=c")));
	ROW("a cut at the end leaves nothing behind", slice_cut(SLICE("a="), '=', &head, &tail) &&
	    slice_eq(head, SLICE("a")) && tail.len == 0);
	ROW("no cut where there is none", !slice_cut(SLICE("abc"), '=', &head, &tail));
	ROW("no cut in nothing", !slice_cut(none, '=', &head, &tail));
	char *copy = slice_dup(slice_from("a\0b", 3));
	ROW("a copy keeps NUL bytes and ends with one", copy && memcmp(copy, "a\0b", 4) == 0);
	free(copy);
	copy = slice_dup(none);
	ROW("a copy of nothing is an empty text", copy && *copy == '\0');
	free(copy);
	ROW("text of NULL is empty", slice_of(NULL).len == 0);
}

static void
hex_rows(void)
{
	static const struct { const char *name, *text; int r; } row[] = {
		{ "four digits are two bytes", "00ff", 0 },
		{ "upper case is refused", "00FF", -EINVAL },
		{ "a digit short is refused", "00f", -EINVAL },
		{ "two digits more are refused", "00ff00", -EINVAL },
		{ "a letter that is no digit is refused", "00fg", -EINVAL },
		{ "a prefix is refused", "0xff", -EINVAL },
		{ "nothing is refused", "", -EINVAL },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		uint8_t out[2] = { 7, 7 };
		int r = hex_decode(slice_of(row[i].text), out, 2);
		ROW(row[i].name, r == row[i].r);
		ROW(row[i].name, r == 0 ? out[0] == 0 && out[1] == 255 : out[0] == 7 && out[1] == 7);
	}
	char text[7];
	hex_encode("\x01\xab\xff", 3, text);
	ROW("bytes become lower-case digits", strcmp(text, "01abff") == 0);
}

static void
growing(void)
{
	int *array = NULL;
	size_t cap = 0;
	bool grew = true, kept = true;

	for (size_t used = 0; used < 1000; used++) {
		grew = grew && array_grow((void **)&array, &cap, used, sizeof *array) == 0 && cap > used;
		array[used] = (int)used;
	}
	for (size_t i = 0; i < 1000; i++)
		kept = kept && array[i] == (int)i;
	ROW("there is always room for one more", grew);
	ROW("what was in it stays", kept);
	ROW("the capacity doubles", cap == 1024);
	cap = SIZE_MAX / 2 + 1;
	ROW("a size beyond memory is refused", array_grow((void **)&array, &cap, cap, sizeof *array) == -ENOMEM);
	free(array);
}

/* ---- files ---- */

static char dir[] = "/tmp/ponte-unit-base.XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static unsigned
count_entries(void)
{
	unsigned n = 0;
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void
files(void)
{
	char *text = NULL;
	size_t len = 0;
	struct stat st;

	ROW("a file is written", file_write(in_dir("f"), SLICE("hello\0!"), 0640) == 0);
	ROW("it has the mode that was asked for", stat(in_dir("f"), &st) == 0 && (st.st_mode & 07777) == 0640);
	ROW("it is read back", file_read(in_dir("f"), 100, &text, &len) == 0);
	ROW("with every byte and a NUL behind", len == 7 && memcmp(text, "hello\0!", 8) == 0);
	free_charp(&text);
	ROW("a file is replaced as a whole", file_write(in_dir("f"), SLICE("x"), 0600) == 0 &&
	    file_read(in_dir("f"), 1, &text, &len) == 0 && len == 1 && strcmp(text, "x") == 0);
	free_charp(&text);
	ROW("nothing is left beside it", count_entries() == 1);
	ROW("a new file does not replace", file_write_new(in_dir("f"), SLICE("y"), 0600) == -EEXIST);
	ROW("and leaves nothing behind", count_entries() == 1);
	ROW("a new file is written", file_write_new(in_dir("g"), SLICE("y"), 0400) == 0 && count_entries() == 2);
	ROW("a directory that is missing is an error", file_write(in_dir("no/f"), SLICE("x"), 0600) == -ENOENT);
	ROW("a file that is missing is an error", file_read(in_dir("no"), 9, &text, &len) == -ENOENT);
	ROW("a directory is no file", file_read(dir, 9, &text, &len) == -EISDIR);
	ROW("an empty file is read", file_write(in_dir("e"), SLICE(""), 0600) == 0 &&
	    file_read(in_dir("e"), 0, &text, &len) == 0 && len == 0 && *text == '\0');
	free_charp(&text);
}

static void
file_limits(void)
{
	char *text = NULL, big[10000];
	size_t len = 0;

	memset(big, 'b', sizeof big);
	ROW("a larger file is written", file_write(in_dir("big"), slice_from(big, sizeof big), 0600) == 0);
	ROW("exactly the limit is read", file_read(in_dir("big"), sizeof big, &text, &len) == 0 &&
	    len == sizeof big && memcmp(text, big, len) == 0);
	free_charp(&text);
	ROW("a byte more than the limit is refused", file_read(in_dir("big"), sizeof big - 1, &text, &len) == -EFBIG);
	ROW("a file without an end is refused at the limit", file_read("/dev/zero", 5000, &text, &len) == -EFBIG);
	ROW("nothing was given out", text == NULL);

	static const struct { const char *name; mode_t mode; int r; } row[] = {
		{ "the owner alone may read a private file", 0400, 0 },
		{ "the owner may write it", 0600, 0 },
		{ "its group may read it", 0640, 0 },
		{ "its group may not write it", 0660, -EPERM },
		{ "others may not read it", 0604, -EPERM },
		{ "others may not write it", 0602, -EPERM },
		{ "the usual mode is too wide", 0644, -EPERM },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		ROW(row[i].name, chmod(in_dir("big"), row[i].mode) == 0);
		int r = file_read_private(in_dir("big"), sizeof big, &text, &len);
		ROW(row[i].name, r == row[i].r && (r == 0) == (text != NULL));
		free_charp(&text);
	}
}

static void
promises(void)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		close(STDERR_FILENO);
		slice_after(SLICE("abc"), 4);
		_exit(0);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	ROW("a broken promise stops the process", WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "slices", slices },
		{ "unsigned numbers", u64_rows },
		{ "signed numbers", i64_rows },
		{ "UTF-8", utf8_rows },
		{ "hex", hex_rows },
		{ "growing", growing },
		{ "files", files },
		{ "limits of files", file_limits },
		{ "promises", promises },
	};
	if (!mkdtemp(dir))
		return 2;
	int status = unit_run("base", tests, ARRAY_LEN(tests), 0);
	static const char *made[] = { "f", "g", "e", "big" };
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		unlink(in_dir(made[i]));
	rmdir(dir);
	return status;
}
