#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/uuid.h"

#include "t/unit/unit.h"

static void
making(void)
{
	char text[UUID_TEXT], later[UUID_TEXT];
	bool version = true, different = true;
	struct uuid first = uuid_make(INT64_C(1767348005123456));
	uint8_t set[16] = { 0 }, clear[16] = { 0 };

	uuid_text(&first, text);
	ROW("the milliseconds come first", strncmp(text, "019b7e26-6903-", 14) == 0);
	for (int i = 0; i < 200; i++) {
		struct uuid id = uuid_make(INT64_C(1767348005123456));
		uuid_text(&id, text);
		version = version && text[14] == '7' && strchr("89ab", text[19]);
		different = different && memcmp(&id, &first, sizeof id) != 0;
		for (int k = 0; k < 16; k++) {
			set[k] |= id.byte[k];
			clear[k] |= (uint8_t)~id.byte[k];
		}
	}
	ROW("version and variant are RFC 9562's", version);
	ROW("ids of one moment differ", different);
	unsigned random_bits = 0;
	for (int k = 0; k < 16; k++)
		random_bits += (unsigned)__builtin_popcount(set[k] & clear[k]);
	ROW("74 bits are random", random_bits == 74);

	struct uuid a = uuid_make(INT64_C(1767348005123999)), b = uuid_make(INT64_C(1767348005124000));
	uuid_text(&a, text);
	uuid_text(&b, later);
	ROW("an id made later sorts later, as bytes and as text", memcmp(&a, &b, sizeof a) < 0 && strcmp(text, later) < 0);
	ROW("a clock before 1970 counts as 1970", uuid_make(-5).byte[0] == 0);
}

static void
parsing(void)
{
	static const struct { const char *name, *text; int r; } row[] = {
		{ "lower case is read", "019b7e31-6483-7abc-8def-0123456789ab", 0 },
		{ "upper case is read", "019B7E31-6483-7ABC-8DEF-0123456789AB", 0 },
		{ "nothing is refused", "", -EINVAL },
		{ "a digit short is refused", "019b7e31-6483-7abc-8def-0123456789a", -EINVAL },
		{ "a digit more is refused", "019b7e31-6483-7abc-8def-0123456789abc", -EINVAL },
		{ "braces are refused", "{19b7e31-6483-7abc-8def-0123456789a}", -EINVAL },
		{ "a hyphen elsewhere is refused", "019b7e3-16483-7abc-8def-0123456789ab", -EINVAL },
		{ "no hyphens are refused", "019b7e3164837abc8def0123456789ab0000", -EINVAL },
		{ "a letter that is no digit is refused", "019b7e31-6483-7abc-8def-0123456789ag", -EINVAL },
		{ "a colon, ten behind '0', is refused", "019b7e31-6483-7abc-8def-0123456789a:", -EINVAL },
	};
	static const uint8_t want[16] = { 0x01, 0x9b, 0x7e, 0x31, 0x64, 0x83, 0x7a, 0xbc,
		0x8d, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab };
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct uuid id = { { 0 } };
		ROW(row[i].name, uuid_parse(slice_of(row[i].text), &id) == row[i].r);
		ROW(row[i].name, row[i].r == 0 ? memcmp(id.byte, want, 16) == 0 : uuid_is_zero(&id));
	}
	struct uuid id = uuid_make(1), back;
	char text[UUID_TEXT];
	uuid_text(&id, text);
	ROW("what was written is read back", uuid_parse(slice_of(text), &back) == 0 && memcmp(&id, &back, sizeof id) == 0);
	ROW("an id is not zero", !uuid_is_zero(&id));
}

static void
clocks(void)
{
	static const struct { const char *name; int64_t us; const char *text; } row[] = {
		{ "the beginning", 0, "1970-01-01T00:00:00.000Z" },
		{ "milliseconds are cut, not rounded", INT64_C(1767348005123999), "2026-01-02T10:00:05.123Z" },
		{ "a leap day", INT64_C(1709164799999999), "2024-02-28T23:59:59.999Z" },
		{ "the last moment with four digits", INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z" },
		{ "what is beyond it stays there", INT64_MAX, "9999-12-31T23:59:59.999Z" },
		{ "before the beginning is the beginning", -1, "1970-01-01T00:00:00.000Z" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		char text[CLOCK_TEXT];
		clock_text(row[i].us, text);
		ROW(row[i].name, strcmp(text, row[i].text) == 0);
	}
	ROW("the wall clock is past 2025", clock_wall_us() > INT64_C(1735689600) * US_PER_S);
	int64_t before = clock_mono_us();
	ROW("the monotonic clock does not go back", clock_mono_us() >= before && clock_mono_ms() >= before / 1000);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "making", making },
		{ "parsing", parsing },
		{ "clocks", clocks },
	};
	if (crypt_init() < 0)
		return 2;
	return unit_run("uuid", tests, ARRAY_LEN(tests), 0);
}
