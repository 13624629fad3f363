#include "lib/patience.h"

void
patience_send(struct patience *p, int64_t now_ms)
{
	p->sending = true;
	p->moved = now_ms;
	p->uploaded = 0;
}

void
patience_sent(struct patience *p, uint64_t bytes, int64_t now_ms)
{
	if (bytes != p->uploaded)
		p->moved = now_ms;
	p->uploaded = bytes;
}

void
patience_came(struct patience *p, size_t bytes, int64_t now_ms)
{
	if (!p->answering)
		p->window = now_ms;
	p->answering = true;
	p->window_bytes += bytes;
}

static void
sooner(int64_t *next, int64_t when)
{
	if (when < *next)
		*next = when;
}

enum patience_over
patience_look(struct patience *p, int64_t now_ms, int64_t *next)
{
	if (p->total_ms > 0) {
		if (now_ms - p->started >= p->total_ms)
			return PATIENCE_TOTAL;
		sooner(next, p->started + p->total_ms);
	}
	if (p->sending && !p->answering && p->first_byte_ms > 0) {
		if (now_ms - p->moved >= p->first_byte_ms)
			return PATIENCE_FIRST;
		sooner(next, p->moved + p->first_byte_ms);
	}
	if (p->answering && p->low_speed_ms > 0) {
		if (now_ms - p->window >= p->low_speed_ms) {
			if (p->window_bytes < p->low_speed_bytes)
				return PATIENCE_SLOW;
			p->window = now_ms;
			p->window_bytes = 0;
		}
		sooner(next, p->window + p->low_speed_ms);
	}
	return PATIENCE_LEFT;
}
