#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/dest.h"

int64_t
breaker_wait_ms(const struct breaker *b, int64_t now_ms)
{
	switch (b->state) {
	case BREAKER_CLOSED:
		return 0;
	case BREAKER_HALF_OPEN:
		return DEST_NEVER;
	case BREAKER_OPEN:
		return b->until_ms > now_ms ? b->until_ms - now_ms : 0;
	}
	return 0;
}

void
breaker_start(struct breaker *b, int64_t now_ms)
{
	if (b->state == BREAKER_OPEN && b->until_ms <= now_ms)
		b->state = BREAKER_HALF_OPEN;
}

/* Between four fifths of the wait and all of it: destinations that fell
 * together do not come back together. */
static void
breaker_open(struct breaker *b, int64_t wait_ms, int64_t now_ms, uint32_t dice)
{
	b->state = BREAKER_OPEN;
	b->wait_ms = wait_ms < BREAKER_WAIT_MAX_MS ? wait_ms : BREAKER_WAIT_MAX_MS;
	b->until_ms = now_ms + b->wait_ms - (int64_t)((uint64_t)(b->wait_ms / 5) * dice >> 32);
}

enum breaker_change
breaker_end(struct breaker *b, const struct breaker_rules *rules, enum breaker_signal signal,
    int64_t now_ms, uint32_t dice)
{
	bool was_closed = b->state == BREAKER_CLOSED;
	switch (signal) {
	case BREAKER_GOOD:
		*b = (struct breaker){ .state = BREAKER_CLOSED };
		return was_closed ? BREAKER_SAME : BREAKER_CLOSED_AGAIN;
	case BREAKER_BAD:
		if (b->state == BREAKER_HALF_OPEN) {
			breaker_open(b, b->wait_ms * 2, now_ms, dice);
		} else if (was_closed && ++b->failures >= rules->failures) {
			breaker_open(b, rules->first_wait_ms, now_ms, dice);
			return BREAKER_OPENED;
		}
		return BREAKER_SAME;    /* open: a straggler of before, counted already */
	case BREAKER_NOTHING:
		if (b->state == BREAKER_HALF_OPEN)
			b->state = BREAKER_OPEN;        /* its wait is over: the next one's turn */
		return BREAKER_SAME;
	}
	return BREAKER_SAME;
}

/* ---- the window ---- */

unsigned
window_width(const struct window *w, unsigned ceiling)
{
	return w->width > 0 && w->width < ceiling ? w->width : ceiling;
}

static void
narrow(struct window *w, unsigned width, int64_t now_ms)
{
	w->width = width > 1 ? width : 1;
	w->good = 0;
	w->trouble_ms = now_ms;
}

void
window_end(struct window *w, unsigned ceiling, enum breaker_signal signal, uint64_t delivery, int64_t now_ms)
{
	unsigned width = window_width(w, ceiling);
	switch (signal) {
	case BREAKER_GOOD:
		if (++w->good < width)
			return;
		w->width = width + 1 < ceiling ? width + 1 : 0;
		w->good = 0;
		return;
	case BREAKER_BAD:
		if (delivery != w->by)
			narrow(w, width - 1, now_ms);
		w->by = delivery;
		return;
	case BREAKER_NOTHING:
		return;
	}
}

void
window_least(struct window *w, unsigned ceiling, int64_t now_ms)
{
	if (ceiling > 1)
		narrow(w, 1, now_ms);
}

enum window_news
window_news(struct window *w, unsigned ceiling)
{
	unsigned width = window_width(w, ceiling);
	if (w->told ? width < ceiling : width > ceiling / 2 || width == ceiling)
		return WINDOW_NO_NEWS;
	w->told = !w->told;
	return w->told ? WINDOW_NARROW : WINDOW_WIDE_AGAIN;
}

/* ---- destinations ---- */

static void
dest_free(struct dest *d)
{
	if (!d)
		return;
	free((char *)d->tenant.ptr);
	free(d);
}

void
dests_free(struct dests *ds)
{
	for (size_t i = 0; i < ds->n; i++)
		dest_free(ds->item[i]);
	free(ds->item);
	ds->item = NULL;
	ds->n = ds->cap = 0;
}

static struct dest *
dest_new(struct slice tenant, enum delivery_dest kind)
{
	struct dest *d = calloc(1, sizeof(*d));
	char *name = slice_dup(tenant);
	if (!d || !name) {
		free(d);
		free(name);
		return NULL;
	}
	d->tenant = slice_from(name, tenant.len);
	d->kind = kind;
	return d;
}

struct dest *
dests_get(struct dests *ds, struct slice tenant, enum delivery_dest kind)
{
	for (size_t i = 0; i < ds->n; i++)
		if (ds->item[i]->kind == kind && slice_eq(ds->item[i]->tenant, tenant))
			return ds->item[i];

	if (array_grow((void **)&ds->item, &ds->cap, ds->n, sizeof(struct dest *)) != 0)
		return NULL;
	struct dest *d = dest_new(tenant, kind);
	if (d)
		ds->item[ds->n++] = d;
	return d;
}

static bool
forgettable(const struct dest *d, int64_t now_ms)
{
	return d->active == 0 && d->ready == 0 && d->breaker.state == BREAKER_CLOSED &&
	    d->breaker.failures == 0 && d->hold_until_ms <= now_ms && !d->alarmed &&
	    (d->window.width == 0 || now_ms - d->window.trouble_ms >= WINDOW_KEPT_MS);
}

void
dests_tidy(struct dests *ds, int64_t now_ms)
{
	size_t kept = 0;
	for (size_t i = 0; i < ds->n; i++) {
		if (forgettable(ds->item[i], now_ms))
			dest_free(ds->item[i]);
		else
			ds->item[kept++] = ds->item[i];
	}
	ds->n = kept;
}

static unsigned
left(unsigned limit, unsigned used)
{
	return used < limit ? limit - used : 0;
}

/* Of the host that this destination was last seen at. */
static unsigned
host_room(const struct dests *ds, const struct dest *d)
{
	unsigned used = 0;
	if (!d->host[0])
		return ds->per_host;
	for (size_t i = 0; i < ds->n; i++)
		if (strcmp(ds->item[i]->host, d->host) == 0)
			used += ds->item[i]->active;
	return left(ds->per_host, used);
}

int64_t
dest_paused_ms(const struct dest *d, int64_t now_ms)
{
	int64_t wait = breaker_wait_ms(&d->breaker, now_ms);
	int64_t hold = d->hold_until_ms > now_ms ? d->hold_until_ms - now_ms : 0;
	return wait > hold ? wait : hold;
}

unsigned
dest_room(const struct dests *ds, const struct dest *d, int64_t now_ms)
{
	if (dest_paused_ms(d, now_ms) > 0)
		return 0;
	unsigned room = left(window_width(&d->window, ds->per_dest), d->active);
	unsigned host = host_room(ds, d);
	room = room < host ? room : host;
	/* Open, and its wait over: the next request is the one that tries. */
	return d->breaker.state == BREAKER_OPEN && room > 1 ? 1 : room;
}

bool
dest_busy(const struct dests *ds, const struct dest *d, int64_t now_ms)
{
	unsigned room = dest_room(ds, d, now_ms);
	/* While all is well, as much again may wait here as may be on the way:
	 * what ends is followed at once, without asking the keeper first. */
	bool well = d->breaker.state == BREAKER_CLOSED && d->breaker.failures == 0 &&
	    dest_paused_ms(d, now_ms) == 0;
	return d->ready >= (well ? room + window_width(&d->window, ds->per_dest) : room);
}

unsigned
dests_room(const struct dests *ds)
{
	unsigned used = 0;
	for (size_t i = 0; i < ds->n; i++)
		used += ds->item[i]->active;
	return left(ds->total, used);
}

int64_t
dests_next_ms(const struct dests *ds, int64_t now_ms)
{
	int64_t next = DEST_NEVER;
	for (size_t i = 0; i < ds->n; i++) {
		int64_t wait = dest_paused_ms(ds->item[i], now_ms);
		if (wait > 0 && wait < next)
			next = wait;
	}
	return next;
}

void
dest_start(struct dest *d, int64_t now_ms)
{
	d->active++;
	breaker_start(&d->breaker, now_ms);
}

enum breaker_change
dest_end(struct dests *ds, struct dest *d, enum breaker_signal signal, uint64_t delivery, int64_t now_ms, uint32_t dice)
{
	REQUIRE(d->active > 0);
	d->active--;
	enum breaker_change change = breaker_end(&d->breaker, &ds->rules, signal, now_ms, dice);
	window_end(&d->window, ds->per_dest, signal, delivery, now_ms);
	if (change == BREAKER_OPENED)
		window_least(&d->window, ds->per_dest, now_ms);
	return change;
}

void
dest_hold(struct dest *d, int64_t for_ms, int64_t now_ms)
{
	if (now_ms + for_ms > d->hold_until_ms)
		d->hold_until_ms = now_ms + for_ms;
}

bool
dest_alarm(struct dest *d, const char *about, uint64_t mark)
{
	bool other = mark != 0 && mark != d->alarmed_under;
	if (d->alarmed && strcmp(d->alarmed, about) == 0 && !other)
		return false;
	d->alarmed = about;
	d->alarmed_under = mark;
	return true;
}

void
dest_well(struct dest *d)
{
	d->alarmed = NULL;
}
