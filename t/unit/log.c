#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

#include "t/unit/unit.h"

/* The line of one field of text, from the field's name on. */
static const char *
shown(struct slice value)
{
	static char line[4096];
	const struct log_field fields[] = { LOG_TEXT("v", value), { LOG_T_END, 0, { 0, 0 }, 0 } };
	size_t n = log_format(line, sizeof line - 1, LOG_INFO, "e", fields);
	line[n] = '\0';
	const char *from = strstr(line, ",\"v\":");
	return from ? from + 5 : "";
}

static void
lines(void)
{
	static const struct log_field fields[] = {
		{ LOG_T_TEXT, "to", { "hub", 3 }, 0 },
		{ LOG_T_INT, "attempt", { 0, 0 }, -3 },
		{ LOG_T_BOOL, "late", { 0, 0 }, 1 },
		{ LOG_T_BOOL, "stale", { 0, 0 }, 0 },
		{ LOG_T_TEXT, "empty", { 0, 0 }, 0 },
		{ LOG_T_INT, "least", { 0, 0 }, INT64_MIN },
		{ LOG_T_END, 0, { 0, 0 }, 0 },
	};
	char line[4096], want[512];
	log_setup("courier", LOG_INFO);
	size_t n = log_format(line, sizeof line - 1, LOG_WARN, "delivery", fields);
	line[n] = '\0';

	ROW("the priority stands before the object", strncmp(line, "<4>{\"ts\":\"20", 12) == 0);
	ROW("then the time to the millisecond", line[10] == '2' && line[33] == 'Z' && line[34] == '"');
	snprintf(want, sizeof want, ",\"level\":\"warn\",\"role\":\"courier\",\"pid\":%d,\"event\":\"delivery\","
	    "\"to\":\"hub\",\"attempt\":-3,\"late\":true,\"stale\":false,\"least\":-9223372036854775808}\n", (int)getpid());
	ROW("then who, what and the fields; an empty text is left out", strcmp(line + 35, want) == 0);

	static const struct { enum log_level level; const char *name, *start; } level[] = {
		{ LOG_ALARM, "alarm", "<1>" }, { LOG_ERROR, "error", "<3>" }, { LOG_WARN, "warn", "<4>" },
		{ LOG_NOTICE, "notice", "<5>" }, { LOG_INFO, "info", "<6>" }, { LOG_FINE, "fine", "<7>" },
	};
	for (size_t i = 0; i < ARRAY_LEN(level); i++) {
		n = log_format(line, sizeof line - 1, level[i].level, "e", fields);
		line[n] = '\0';
		snprintf(want, sizeof want, "\"level\":\"%s\"", level[i].name);
		ROW(level[i].name, strncmp(line, level[i].start, 3) == 0 && strstr(line, want));
	}
}

static void
escapes(void)
{
	static const struct { const char *name, *bytes; size_t len; const char *want; } row[] = {
		{ "plain text", "a b/c", 5, "\"a b/c\"}\n" },
		{ "quotes and backslashes", "\"\\", 2, "\"\\\"\\\\\"}\n" },
		{ "a line break makes no second line", "a\r\nb", 4, "\"a\\u000d\\u000ab\"}\n" },
		{ "an escape sequence moves no cursor", "\x1b[2J", 4, "\"\\u001b[2J\"}\n" },
		{ "NUL does not end it", "a\0b", 3, "\"a\\u0000b\"}\n" },
		{ "DEL", "\x7f", 1, "\"\\u007f\"}\n" },
		{ "C1 controls", "\xc2\x9b" "2J", 4, "\"\\u009b2J\"}\n" },
		{ "a letter of two bytes", "\xc3\xa9", 2, "\"\xc3\xa9\"}\n" },
		{ "a character of four bytes", "\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"}\n" },
		{ "an invalid byte", "a\xff" "b", 3, "\"a\\u00ffb\"}\n" },
		{ "a character that is cut", "\xe2\x82", 2, "\"\\u00e2\\u0082\"}\n" },
		{ "overlong '\"'", "\xc0\xa2", 2, "\"\\u00c0\\u00a2\"}\n" },
		{ "a surrogate", "\xed\xa0\x80", 3, "\"\\u00ed\\u00a0\\u0080\"}\n" },
		{ "a line separator", "\xe2\x80\xa8", 3, "\"\\u2028\"}\n" },
		{ "text that turns the order of reading", "\xe2\x80\xae", 3, "\"\\u202e\"}\n" },
		{ "a zero-width space", "\xe2\x80\x8b", 3, "\"\\u200b\"}\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, strcmp(shown(slice_from(row[i].bytes, row[i].len)), row[i].want) == 0);

	bool raw = false;
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		for (const char *p = shown(slice_from(&byte, 1)); *p && *p != '\n'; p++)
			raw = raw || (uint8_t)*p < 0x20 || (uint8_t)*p >= 0x7f;
	}
	ROW("no single byte comes out raw but printable ASCII", !raw);
}

static void
cutting(void)
{
	char text[1000], want[1100];

	memset(text, 'x', sizeof text);
	snprintf(want, sizeof want, "\"%.*s\"}\n", LOG_VALUE_MAX, text);
	ROW("a value of the limit is whole", strcmp(shown(slice_from(text, LOG_VALUE_MAX)), want) == 0);
	snprintf(want, sizeof want, "\"%.*s…\"}\n", LOG_VALUE_MAX, text);
	ROW("a byte more is cut and marked", strcmp(shown(slice_from(text, LOG_VALUE_MAX + 1)), want) == 0);
	memcpy(text + LOG_VALUE_MAX - 1, "é", 2);
	snprintf(want, sizeof want, "\"%.*s…\"}\n", LOG_VALUE_MAX - 1, text);
	ROW("no character is cut in two", strcmp(shown(slice_from(text, 500)), want) == 0);
}

static void
long_lines(void)
{
	static char text[300], line[4096];
	struct log_field many[30];

	memset(text, '\x1b', sizeof text);
	for (size_t i = 0; i + 1 < ARRAY_LEN(many); i++)
		many[i] = i == 0 || i == 28 ? LOG_INT("n", i) : LOG_TEXT("t", slice_from(text, sizeof text));
	many[ARRAY_LEN(many) - 1] = (struct log_field){ LOG_T_END, 0, { 0, 0 }, 0 };
	size_t n = log_format(line, sizeof line - 1, LOG_INFO, "e", many);
	line[n] = '\0';
	ROW("a line has its limit", n < sizeof line);
	ROW("what does not fit is left out as a whole, and said", strstr(line, "…\",\"n\":28,\"cut\":true}\n"));
	ROW("what comes before it stays", strstr(line, "\"n\":0,\"t\":\"\\u001b"));
	bool whole = true;
	for (size_t cap = 512; cap < sizeof line; cap++) {
		n = log_format(line, cap, LOG_INFO, "e", many);
		whole = whole && n <= cap && line[n - 1] == '\n' && line[n - 2] == '}';
	}
	ROW("whatever the room, a line is whole", whole);
}

/* What log_event() wrote to standard error. */
static ssize_t
heard(enum log_level lowest, char *ret, size_t size)
{
	int ends[2], saved = dup(STDERR_FILENO);
	if (pipe(ends) < 0)
		return -1;
	dup2(ends[1], STDERR_FILENO);
	log_setup("worker", lowest);
	errno = 42;
	log_event(LOG_NOTICE, "first", LOG_STR("why", "because"), LOG_BOOL("ok", true));
	bool survived = errno == 42;
	log_event(LOG_FINE, "second");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[1]);
	ssize_t n = read(ends[0], ret, size - 1);
	close(ends[0]);
	ret[n > 0 ? n : 0] = '\0';
	ROW("errno survives", survived);
	return n;
}

static void
levels(void)
{
	char text[4096];

	ROW("a line is written", heard(LOG_INFO, text, sizeof text) > 0);
	ROW("with what was said", strstr(text, "\"event\":\"first\",\"why\":\"because\",\"ok\":true}\n"));
	ROW("what is less important than asked for is not", !strstr(text, "second"));
	ROW("unless it is asked for", heard(LOG_FINE, text, sizeof text) > 0 &&
	    strstr(text, "\"event\":\"second\"}\n"));
	ROW("nothing is written below the level", heard(LOG_WARN, text, sizeof text) == 0);

	int saved = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	errno = 42;
	log_event(LOG_ALARM, "unheard");
	bool survived = errno == 42;
	dup2(saved, STDERR_FILENO);
	close(saved);
	ROW("errno survives also when nobody listens", survived);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "lines", lines },
		{ "escapes", escapes },
		{ "cutting", cutting },
		{ "long lines", long_lines },
		{ "levels", levels },
	};
	return unit_run("log", tests, ARRAY_LEN(tests), 0);
}
