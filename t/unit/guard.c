#include <string.h>

#include "app/worker/guard.h"
#include "lib/buf.h"
#include "t/unit/unit.h"

#define BEGIN_   "\1\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0"
#define END_     "\1\4\0\1\0\0\0\0"
#define BYTES(s) { "" s, sizeof(s) - 1 }

static const struct { const char *name; struct slice front; int want; } rows[] = {
	{ "nothing yet is not bad yet",               BYTES(""), GUARD_E_MORE },
	{ "a request without parameters is whole",    BYTES(BEGIN_ END_), 0 },
	{ "one parameter",                            BYTES(BEGIN_ "\1\4\0\1\0\4\0\0" "\1\1ab" END_), 0 },
	{ "padding is passed over",                   BYTES(BEGIN_ "\1\4\0\1\0\4\3\0" "\1\1ab" "xxx" END_), 0 },
	{ "a value in the next record",               BYTES(BEGIN_ "\1\4\0\1\0\3\0\0" "\1\1a" "\1\4\0\1\0\1\0\0" "b" END_), 0 },
	{ "a length cut between two records",         BYTES(BEGIN_ "\1\4\0\1\0\1\0\0" "\1" "\1\4\0\1\0\3\0\0" "\1ab" END_), 0 },
	{ "lengths of four bytes",                    BYTES(BEGIN_ "\1\4\0\1\0\12\0\0" "\200\0\0\1\200\0\0\1ab" END_), 0 },
	{ "an empty value",                           BYTES(BEGIN_ "\1\4\0\1\0\3\0\0" "\1\0a" END_), 0 },
	{ "a body behind the parameters is not looked at", BYTES(BEGIN_ END_ "garbage"), 0 },
	{ "the empty record is missing",              BYTES(BEGIN_ "\1\4\0\1\0\4\0\0" "\1\1ab"), GUARD_E_MORE },
	{ "half a header",                            BYTES(BEGIN_ "\1\4\0\1"), GUARD_E_MORE },
	{ "half a record",                            BYTES(BEGIN_ "\1\4\0\1\0\4\0\0" "\1\1"), GUARD_E_MORE },
	{ "another version",                          BYTES("\2\1\0\1\0\10\0\0" "\0\1\0\0\0\0\0\0"), GUARD_E_BAD },
	{ "request 0 is the connection's own",        BYTES("\1\1\0\0\0\10\0\0" "\0\1\0\0\0\0\0\0" END_), GUARD_E_BAD },
	{ "parameters before the beginning",          BYTES(END_), GUARD_E_BAD },
	{ "a beginning of another size",              BYTES("\1\1\0\1\0\1\0\0" "\0" END_), GUARD_E_BAD },
	{ "two beginnings",                           BYTES(BEGIN_ BEGIN_ END_), GUARD_E_BAD },
	{ "an abort in the middle",                   BYTES(BEGIN_ "\1\2\0\1\0\0\0\0"), GUARD_E_BAD },
	{ "an unknown type",                          BYTES(BEGIN_ "\1\143\0\1\0\0\0\0"), GUARD_E_BAD },
	{ "parameters of another request",            BYTES(BEGIN_ "\1\4\0\2\0\0\0\0"), GUARD_E_BAD },
	{ "a value that ends too early",              BYTES(BEGIN_ "\1\4\0\1\0\3\0\0" "\1\2a" END_), GUARD_E_BAD },
	{ "a length that ends too early",             BYTES(BEGIN_ "\1\4\0\1\0\2\0\0" "\200\0" END_), GUARD_E_BAD },
	{ "lengths near 2 GiB",                       BYTES(BEGIN_ "\1\4\0\1\0\12\0\0" "\377\377\377\377\377\377\377\377ab"), GUARD_E_BAD },
	{ "lengths whose sum passes 2 GiB",           BYTES(BEGIN_ "\1\4\0\1\0\12\0\0" "\300\0\0\0\300\0\0\0ab"), GUARD_E_BAD },
	{ "a name of 64 KiB and one",                 BYTES(BEGIN_ "\1\4\0\1\0\12\0\0" "\200\1\0\1\200\0\0\0ab"), GUARD_E_BAD },
};

static void
test_rows(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ROW(rows[i].name, guard_check(rows[i].front) == rows[i].want);
}

/* Whatever is fine as a whole was never bad on the way. */
static void
test_prefixes(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t n = 0; rows[i].want == 0 && n < rows[i].front.len; n++) {
			int r = guard_check(slice_from(rows[i].front.ptr, n));
			ROW(rows[i].name, r == GUARD_E_MORE || r == 0);
		}
}

static void
test_total(void)
{
	static const char head[] = "\1\4\0\1\100\0\0\0";        /* 16 KiB in a record */
	CLEANUP(buf_free) struct buf b = { 0 };
	static char nothing[16 * KIB];                          /* pairs of two empty texts */

	CU_ASSERT_EQUAL(buf_append(&b, BEGIN_, 16), 0);
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(buf_append(&b, head, 8) | buf_append(&b, nothing, sizeof nothing), 0);
	ROW("64 KiB of parameters may be", guard_check(buf_view(&b)) == GUARD_E_MORE);
	CU_ASSERT_EQUAL(buf_append(&b, "\1\4\0\1\0\2\0\0" "\0\0", 10), 0);
	ROW("more may not", guard_check(buf_view(&b)) == GUARD_E_BAD);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "rows", test_rows }, { "prefixes", test_prefixes }, { "total", test_total },
	};
	return unit_run("guard", tests, ARRAY_LEN(tests), 0);
}
