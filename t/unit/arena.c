#include <errno.h>
#include <string.h>

#include "lib/arena.h"

#include "t/unit/unit.h"

static struct arena *
made(size_t limit)
{
	struct arena *a = NULL;
	ROW("an arena is made", arena_new(limit, &a) == 0);
	return a;
}

static bool
all_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void
taking(void)
{
	CLEANUP(arena_freep) struct arena *a = made(MIB);
	static const size_t size[] = { 1, 0, 15, 16, 17, 1000, 9000, 33000, 100, 200000, 3 };
	char *got[ARRAY_LEN(size)];
	bool aligned = true, zeroed = true, apart = true;

	for (size_t i = 0; i < ARRAY_LEN(size); i++) {
		got[i] = arena_take(a, size[i]);
		aligned = aligned && got[i] && (uintptr_t)got[i] % 16 == 0;
		zeroed = zeroed && all_zero(got[i], size[i]);
		memset(got[i], (int)i + 1, size[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(size); i++)
		for (size_t k = 0; k < size[i]; k++)
			apart = apart && got[i][k] == (char)(i + 1);
	ROW("what is taken is aligned to 16 bytes", aligned);
	ROW("what is taken is zeroed", zeroed);
	ROW("no two pieces overlap", apart);
	ROW("none of this was too much", !arena_overflowed(a));

	arena_reset(a);
	char *again = arena_take(a, 9000);
	ROW("memory that was used before is zeroed again", again && all_zero(again, 9000));
}

static void
limits(void)
{
	CLEANUP(arena_freep) struct arena *a = made(100000);

	ROW("all of the limit can be taken", arena_take(a, 50000) && arena_take(a, 50000));
	ROW("nothing was refused yet", !arena_overflowed(a));
	ROW("a byte more is refused", !arena_take(a, 1));
	ROW("and it is remembered", arena_overflowed(a));
	ROW("it stays remembered", !arena_take(a, 1) && arena_overflowed(a));
	arena_reset(a);
	ROW("a reset forgets it", !arena_overflowed(a));
	ROW("a reset gives all of it back", arena_take(a, 100000) != NULL);
	arena_reset(a);
	ROW("more than the limit at once is refused", !arena_take(a, 100001) && arena_overflowed(a));
	arena_reset(a);
	ROW("a size that would wrap around is refused", !arena_take(a, SIZE_MAX) && arena_overflowed(a));
	ROW("so is one that wraps when it is rounded up", !arena_take(a, SIZE_MAX - 7));
	ROW("what fits is still given after a refusal", arena_take(a, 10) != NULL);

	arena_reset(a);
	size_t n = 0;
	while (n < 10000 && arena_take(a, 16))
		n++;
	ROW("small pieces fill it to the limit over several chunks", n == 100000 / 16);
}

static void
copies(void)
{
	CLEANUP(arena_freep) struct arena *a = made(64 * KIB);
	struct slice s = arena_copy(a, SLICE("abc"));

	ROW("a copy has the same bytes and a NUL", slice_eq(s, SLICE("abc")) && s.ptr[3] == '\0');
	s = arena_copy(a, (struct slice){ NULL, 0 });
	ROW("a copy of nothing is an empty text", s.len == 0 && s.ptr && *s.ptr == '\0');
	s = arena_printf(a, "%s-%d", "order", 66);
	ROW("a text is put together", slice_eq(s, SLICE("order-66")) && s.ptr[8] == '\0');
	ROW("a slice becomes a C text", strcmp(arena_text(a, slice_from("abcd", 2)), "ab") == 0);
	ROW("a slice with a NUL is no C text", arena_text(a, slice_from("a\0b", 3)) == NULL);
	ROW("and that is no overflow", !arena_overflowed(a));
	s = arena_printf(a, "%*s", 70000, "x");
	ROW("a text that does not fit is empty", s.len == 0 && arena_overflowed(a));
	arena_reset(a);
	static const char large[70000];
	s = arena_copy(a, slice_from(large, sizeof large));
	ROW("a copy that does not fit is empty", s.len == 0 && arena_overflowed(a));
	ROW("a C text that does not fit is NULL", arena_text(a, slice_from(memset((char[65536]){ 0 }, 'x', 65536), 65536)) == NULL);
	arena_free(NULL);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "taking", taking },
		{ "limits", limits },
		{ "copies", copies },
	};
	return unit_run("arena", tests, ARRAY_LEN(tests), 0);
}
