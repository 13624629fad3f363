/* log: one JSON object per event, one line each, on standard error, with the
 * priority prefix that journald understands ("<6>{...}").
 *
 * lib/ is silent: only app/ includes this file.  Never give it a body, a
 * token, a secret, a phone number or a customer's text.  What came from
 * outside (paths, peers' messages) goes through LOG_TEXT: invalid bytes and
 * control characters are escaped, and a value longer than LOG_VALUE_MAX bytes
 * is cut and marked "…". */
#ifndef PONTE_LOG_H
#define PONTE_LOG_H

#include "lib/base.h"

#define LOG_VALUE_MAX 256

enum log_level {            /* syslog's numbers */
	LOG_ALARM = 1,      /* somebody must act: sent once per episode */
	LOG_ERROR = 3,
	LOG_WARN = 4,
	LOG_NOTICE = 5,
	LOG_INFO = 6,
	LOG_FINE = 7,
};

enum log_type { LOG_T_TEXT, LOG_T_INT, LOG_T_BOOL, LOG_T_END };
struct log_field {
	enum log_type type;
	const char   *key;
	struct slice  text;
	int64_t       number;
};

#define LOG_TEXT(key, slice)   ((struct log_field){ LOG_T_TEXT, key, (slice), 0 })
#define LOG_STR(key, str)      ((struct log_field){ LOG_T_TEXT, key, slice_of(str), 0 })
#define LOG_INT(key, value)    ((struct log_field){ LOG_T_INT, key, { 0, 0 }, (int64_t)(value) })
#define LOG_BOOL(key, value)   ((struct log_field){ LOG_T_BOOL, key, { 0, 0 }, (value) })

/* Who is speaking ("worker", "keeper", …) and the lowest level written; once,
 * at start.  Logs about LOG_INFO and more important by default. */
void log_setup(const char *role, enum log_level lowest);

/* log_event(LOG_WARN, "delivery", LOG_INT("attempt", 3), LOG_STR("verdict", "retry"));
 * writes {"ts":"…","level":"warn","role":"courier","pid":…,"event":"delivery","attempt":3,…}.
 * Text fields that are empty are left out.  errno survives. */
#ifdef __cppcheck__                             /* which does not know __VA_OPT__ */
#define log_event(level, event, ...) ((void)(level), (void)(event))
#else
#define log_event(level, event, ...) \
	log_fields(level, event, (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(,) { LOG_T_END, 0, { 0, 0 }, 0 } })
#endif
void log_fields(enum log_level level, const char *event, const struct log_field *fields);

/* The line that log_fields would write, for tests: at most cap bytes. */
size_t log_format(char *line, size_t cap, enum log_level level, const char *event,
    const struct log_field *fields);

#endif
