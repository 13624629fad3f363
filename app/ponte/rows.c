#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/ponte/rows.h"

const char *
rows_time(int64_t us, char text[static CLOCK_TEXT])
{
	if (us <= 0)
		return "-";
	clock_text(us, text);
	return text;
}

void
rows_event(struct slice row, char text[static UUID_TEXT])
{
	struct uuid id = { { 0 } };
	struct slice bytes = wire_text(row, T_EVENT_ID);
	if (bytes.len == sizeof(id.byte))
		memcpy(id.byte, bytes.ptr, sizeof(id.byte));
	uuid_text(&id, text);
}

void
rows_mask(char *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)at[i];
		if (b < 0x20 || b == 0x7f)
			at[i] = '?';
		else if (b == 0xc2 && i + 1 < n && (unsigned char)at[i + 1] < 0xa0)
			at[i] = at[i + 1] = '?';        /* U+0080..9F: controls, too */
	}
}

struct slice
rows_plain(struct cli *cli, struct slice text)
{
	struct slice copy = arena_copy(cli->arena, text);
	rows_mask((char *)(uintptr_t)copy.ptr, copy.len);
	return copy;
}

const char *
rows_advice(struct slice why)
{
	static const struct { struct slice word; const char *advice; } words[] = {
		{ SLICE("private address"), " (its host:port must be named in delivery.allow_private)" },
		{ SLICE("resolve"), " (there is no address for the name in its URL)" },
		{ SLICE("connect"), " (nobody answers at its host and port)" },
		{ SLICE("tls"), " (its certificate is not good; see delivery.ca_file)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (why.len >= words[i].word.len && slice_eq(slice_after(why, why.len - words[i].word.len), words[i].word))
			return words[i].advice;
	return "";
}

const char *
rows_kind(struct slice row)
{
	return delivery_kind_text((enum delivery_kind)wire_u64(row, T_KIND, 0));
}

const char *
rows_state(struct slice row)
{
	return delivery_state_text((enum delivery_state)wire_u64(row, T_STATE, 0));
}

int
rows_time_read(const char *text, int64_t now_us, int64_t *ret_us)
{
	struct tm tm = { .tm_isdst = 0 };
	int64_t ms;
	if (settings_duration(slice_of(text), &ms) == 0) {
		*ret_us = now_us - ms * 1000;
		return *ret_us > 0 ? 0 : -EINVAL;
	}
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end || (strcmp(end, "Z") != 0 && *end))
		return -EINVAL;
	*ret_us = (int64_t)timegm(&tm) * US_PER_S;
	return *ret_us > 0 ? 0 : -EINVAL;
}

bool
rows_progress_wanted(void)
{
	return isatty(STDERR_FILENO) == 1;
}

void
rows_progress(const char *fmt, ...)
{
	va_list ap;
	if (!rows_progress_wanted())
		return;
	fputs("\r\x1b[K", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
}
