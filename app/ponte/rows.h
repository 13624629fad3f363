/* rows: how what the keeper tells is printed. */
#ifndef PONTE_APP_PONTE_ROWS_H
#define PONTE_APP_PONTE_ROWS_H

#include "app/ponte/ponte.h"
#include "lib/clock.h"
#include "lib/uuid.h"

/* "-" when there is none. */
const char *rows_time(int64_t us, char text[static CLOCK_TEXT]);
/* T_EVENT_ID of a row. */
void rows_event(struct slice row, char text[static UUID_TEXT]);
/* What came from outside must not steer the terminal; in place, and of a short text a copy. */
void rows_mask(char *, size_t);
struct slice rows_plain(struct cli *, struct slice text);
/* What a failure's word at the end of `why` asks of the operator, in brackets; "" for others. */
const char *rows_advice(struct slice why);
const char *rows_kind(struct slice row);
const char *rows_state(struct slice row);

/* A time on a command line: "2026-01-02T10:00:00Z", or how long ago: "90s",
 * "2h", "30d".  0 or -EINVAL. */
MUST_CHECK int rows_time_read(const char *text, int64_t now_us, int64_t *ret_us);

/* Is the operator at a terminal, so that progress may be shown on one line? */
bool rows_progress_wanted(void);
/* "\r" and the text, on standard error; empty: the line is cleared. */
void rows_progress(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
