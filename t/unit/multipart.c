#include <stdio.h>
#include <string.h>

#include "lib/multipart.h"

#include "t/unit/unit.h"

#define TYPE "multipart/form-data; boundary=b1"
#define BODY "--b1\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n" \
	"--b1\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; filename=\"a.txt\"; name=file\r\n\r\nline\r\n--b\r\nend\r\n--b1--\r\n"

static int
field(const char *type, const char *body, const char *name, struct slice *ret)
{
	*ret = (struct slice){ NULL, 0 };
	return multipart_field(slice_of(type), slice_of(body), name, ret);
}

static void
test_finds_a_field(void)
{
	struct slice s;

	ROW("line", field(TYPE, BODY, "note", &s) == 0);
	ROW("content", slice_eq(s, SLICE("hello")));
	ROW("line", field(TYPE, BODY, "file", &s) == 0);
	ROW("content", slice_eq(s, SLICE("line\r\n--b\r\nend")));
	ROW("line", field("Multipart/Form-Data; charset=x; Boundary=\"b1\"", "preamble\r\n" BODY, "file", &s) == 0);
	ROW("line", field(TYPE, "--b1  \r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--b1--", "file", &s) == 0);
	ROW("empty", s.len == 0);
}

static void
test_says_what_is_wrong(void)
{
	struct slice s;

	ROW("line", field(TYPE, BODY, "other", &s) == MULTIPART_E_NONE);
	ROW("line", field(TYPE, "--b1--", "file", &s) == MULTIPART_E_NONE);
	ROW("line", field(TYPE, "", "file", &s) == MULTIPART_E_SYNTAX);
	ROW("line", field(TYPE, "--b1x\r\n", "file", &s) == MULTIPART_E_SYNTAX);
	ROW("line", field("multipart/form-data; boundary=b2", BODY, "file", &s) == MULTIPART_E_SYNTAX);
	ROW("line", field("multipart/form-data", BODY, "file", &s) == MULTIPART_E_TYPE);
	ROW("line", field("multipart/form-data; boundary=", BODY, "file", &s) == MULTIPART_E_TYPE);
	ROW("line", field("multipart/mixed; boundary=b1", BODY, "file", &s) == MULTIPART_E_TYPE);
	ROW("line", field("multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901", BODY, "file", &s) == MULTIPART_E_TYPE);
}

/* Cut anywhere before its last delimiter, it is no form. */
static void
test_cut_anywhere(void)
{
	size_t whole = strlen(BODY) - strlen("\r\n--b1--\r\n") + strlen("\r\n--b1");
	char copy[sizeof(BODY)];
	struct slice s;

	for (size_t n = 0; n < whole; n++) {
		memcpy(copy, BODY, n);
		copy[n] = '\0';
		ROW("line", field(TYPE, copy, "file", &s) == MULTIPART_E_SYNTAX);
	}
}

static void
test_parts_are_counted(void)
{
	static char body[200 * 64];
	struct slice s;
	size_t n = 0;

	for (int i = 0; i < 101; i++)
		n += (size_t)snprintf(body + n, sizeof(body) - n, "%s--b1\r\nContent-Disposition: form-data; name=a%d\r\n\r\n", i ? "\r\n" : "", i);
	snprintf(body + n, sizeof(body) - n, "\r\n--b1--");
	ROW("line", field(TYPE, body, "a99", &s) == 0);
	ROW("line", field(TYPE, body, "a100", &s) == MULTIPART_E_NONE);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "finds a field", test_finds_a_field }, { "says what is wrong", test_says_what_is_wrong },
		{ "cut anywhere", test_cut_anywhere }, { "parts are counted", test_parts_are_counted },
	};
	return unit_run("multipart", tests, ARRAY_LEN(tests), 0);
}
