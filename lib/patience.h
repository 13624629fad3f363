/* patience: how long to wait for a peer that was asked something.  Pure: the
 * clock is the caller's (clock_mono_ms()). */
#ifndef PONTE_PATIENCE_H
#define PONTE_PATIENCE_H

#include "lib/base.h"

enum patience_over { PATIENCE_LEFT = 0, PATIENCE_FIRST, PATIENCE_TOTAL, PATIENCE_SLOW };

struct patience {
	/* Milliseconds; 0: no limit of that kind. */
	int64_t  first_byte_ms;         /* from the last byte that went out to the first that came in */
	int64_t  total_ms;              /* from the start */
	int64_t  low_speed_ms;          /* after the first byte: fewer than low_speed_bytes in that time */
	size_t   low_speed_bytes;

	int64_t  started;
	/* Kept by the calls below; zeroed at first. */
	bool     sending, answering;
	int64_t  moved, window;
	uint64_t uploaded;
	size_t   window_bytes;
};

/* The request begins to leave (again, after a broken connection). */
void patience_send(struct patience *, int64_t now_ms);
/* So much of it has left in all: a long body that moves is not silence. */
void patience_sent(struct patience *, uint64_t bytes, int64_t now_ms);
/* So many more bytes of the answer came. */
void patience_came(struct patience *, size_t bytes, int64_t now_ms);
/* Is a limit passed?  *next comes down to the moment to look again, if that
 * is sooner. */
enum patience_over patience_look(struct patience *, int64_t now_ms, int64_t *next);

#endif
