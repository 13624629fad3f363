#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"

/* One write() of at most PIPE_BUF bytes: lines of several processes into one
 * pipe never mix. */
#define LINE_MAX_BYTES 4096

/* Set once by main(), read from everywhere: the one state this directory
 * keeps, so that a log call needs no handle. */
static const char *role = "ponte";
static enum log_level lowest = LOG_INFO;

void
log_setup(const char *name, enum log_level level)
{
	role = name;
	lowest = level;
}

static const char *
level_name(enum log_level level)
{
	switch (level) {
	case LOG_ALARM:  return "alarm";
	case LOG_ERROR:  return "error";
	case LOG_WARN:   return "warn";
	case LOG_NOTICE: return "notice";
	case LOG_INFO:   return "info";
	case LOG_FINE:   return "fine";
	}
	return "info";
}

/* A line being written.  What does not fit any more sets `full`, and the
 * field it belongs to is taken back as a whole. */
struct line {
	char  *ptr;
	size_t cap;
	size_t len;
	bool   full;
};

static void
put(struct line *l, const char *bytes, size_t n)
{
	if (l->full || n > l->cap - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->ptr + l->len, bytes, n);
	l->len += n;
}

static void
put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

static void
put_escape(struct line *l, unsigned code)
{
	char escape[8];
	int n = snprintf(escape, sizeof escape, "\\u%04x", code & 0xffff);
	put(l, escape, (size_t)n);
}

static unsigned
code_point(const uint8_t *p, size_t n)
{
	switch (n) {
	case 1:  return p[0];
	case 2:  return (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU);
	case 3:  return (p[0] & 0x0fU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);
	default: return 0x10000;        /* beyond what unprintable() asks about */
	}
}

/* What could move a terminal's cursor, break a line, or turn the order of
 * what is read: C0, DEL, C1, line and paragraph separators, bidi controls,
 * the byte order mark. */
static bool
unprintable(unsigned code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	    (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	    (code >= 0x2060 && code <= 0x2069) || code == 0xfeff;
}

/* A JSON string of at most LOG_VALUE_MAX bytes of text, and whole characters. */
static void
put_string(struct line *l, struct slice text)
{
	size_t shown = 0;

	put(l, "\"", 1);
	while (text.len > 0) {
		size_t n = slice_utf8(text);
		const uint8_t *p = (const uint8_t *)text.ptr;
		size_t step = n ? n : 1;
		if (shown + step > LOG_VALUE_MAX) {
			put_text(l, "…");
			break;
		}
		unsigned code = n ? code_point(p, n) : p[0];
		if (n == 0 || unprintable(code)) {
			put_escape(l, code);
		} else {
			if (code == '"' || code == '\\')
				put(l, "\\", 1);
			put(l, text.ptr, n);
		}
		shown += step;
		text = slice_after(text, step);
	}
	put(l, "\"", 1);
}

static void
put_number(struct line *l, int64_t number)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%lld", (long long)number);
	put(l, text, (size_t)n);
}

static void
put_field(struct line *l, const struct log_field *f)
{
	if (f->type == LOG_T_TEXT && f->text.len == 0)
		return;
	put(l, ",", 1);
	put_string(l, slice_of(f->key));
	put(l, ":", 1);
	switch (f->type) {
	case LOG_T_TEXT: put_string(l, f->text); break;
	case LOG_T_INT:  put_number(l, f->number); break;
	case LOG_T_BOOL: put_text(l, f->number ? "true" : "false"); break;
	case LOG_T_END:  break;
	}
}

size_t
log_format(char *line, size_t cap, enum log_level level, const char *event,
    const struct log_field *fields)
{
	static const char cut[] = ",\"cut\":true", end[] = "}\n";
	char ts[CLOCK_TEXT];

	REQUIRE(cap >= 512);
	/* Room for the end is set aside, so a line is always whole JSON. */
	struct line l = { line, cap - (sizeof cut - 1) - (sizeof end - 1), 0, false };

	clock_text(clock_wall_us(), ts);
	put(&l, "<", 1);
	put_number(&l, level);
	put_text(&l, ">{\"ts\":\"");
	put_text(&l, ts);
	put_text(&l, "\",\"level\":\"");
	put_text(&l, level_name(level));
	put_text(&l, "\"");
	const struct log_field head[] = {
		LOG_STR("role", role), LOG_INT("pid", getpid()), LOG_STR("event", event),
	};
	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		put_field(&l, &head[i]);

	bool left_out = false;
	for (const struct log_field *f = fields; f->type != LOG_T_END; f++) {
		size_t before = l.len;
		put_field(&l, f);
		if (l.full) {
			l.len = before;
			l.full = false;
			left_out = true;
		}
	}

	l.cap = cap;
	if (left_out)
		put_text(&l, cut);
	put_text(&l, end);
	return l.len;
}

void
log_fields(enum log_level level, const char *event, const struct log_field *fields)
{
	char line[LINE_MAX_BYTES];
	int saved = errno;

	if (level <= lowest) {
		size_t n = log_format(line, sizeof line, level, event, fields);
		/* Nobody is left to be told when this fails. */
		ssize_t written = write(STDERR_FILENO, line, n);
		(void)written;
	}
	errno = saved;
}
