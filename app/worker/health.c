/* What monitors and the replaced system's clients ask. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "app/worker/routes.h"
#include "app/worker/worker.h"
#include "lib/clock.h"
#include "lib/protocol.h"

#define PROBE_MS   500
#define LOOK_MS   1000          /* what was found is good for so long */
#define FRESH_MS  5000          /* the keeper's last commit or probe */

/* "2026-01-02 10:00:05.123456" in local time, as the replaced system wrote it. */
static struct slice
python_time(struct arena *a)
{
	int64_t us = clock_wall_us();
	time_t s = (time_t)(us / US_PER_S);
	struct tm tm;
	char text[32] = "";

	if (!localtime_r(&s, &tm) || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		return (struct slice){ NULL, 0 };
	return arena_printf(a, "%s.%06d", text, (int)(us % US_PER_S));
}

void
on_root(struct request *r)
{
	answer_begin(r, HTTP_OK);
	answer_text(r, "status", SLICE("online"));
	answer_text(r, "message", SLICE("ponte"));
	answer_text(r, "version", SLICE(PACKAGE_VERSION));
	answer_text(r, "timestamp", python_time(r->arena));
	answer_end(r);
}

void
on_health(struct request *r)
{
	answer_begin(r, HTTP_OK);
	answer_text(r, "status", SLICE("ok"));
	answer_text(r, "version", SLICE(PACKAGE_VERSION));
	answer_float(r, "timestamp", clock_wall_us());
	answer_end(r);
}

void
on_webhook_root(struct request *r)
{
	answer_begin(r, HTTP_OK);
	answer_text(r, "status", SLICE("online"));
	answer_text(r, "message", SLICE("ponte"));
	answer_text(r, "timestamp", python_time(r->arena));
	answer_end(r);
}

void
on_webhook_health(struct request *r)
{
	answer_begin(r, HTTP_OK);
	answer_text(r, "status", SLICE("healthy"));
	answer_text(r, "timestamp", python_time(r->arena));
	answer_end(r);
}

void
on_livez(struct request *r)
{
	answer_begin(r, HTTP_OK);
	answer_text(r, "status", SLICE("alive"));
	answer_text(r, "version", SLICE(PACKAGE_VERSION));
	answer_end(r);
}

/* ---- readiness ---- */

static void
problem(struct worker *w, struct slice what)
{
	REQUIRE(w->ready.problems < ARRAY_LEN(w->ready.problem));
	w->ready.problem[w->ready.problems++] = what;
}

static int
probe(struct net_caller *who, struct buf *frame, struct wire_frame *ret)
{
	struct wire_writer w;

	buf_clear(frame);
	wire_begin(&w, frame, P_PROBE, net_caller_next(who));
	int r = wire_end(&w);
	if (r == 0)
		r = net_call(who, buf_view(frame), clock_mono_ms() + PROBE_MS, ret);
	return r == 0 && ret->kind != P_PROBE_OK ? -EPROTO : r;
}

static void
look_at_keeper(struct worker *w)
{
	struct wire_frame f = { 0 };

	w->ready.keeper_age_ms = w->ready.waiting = -1;
	if (probe(&w->keeper, &w->frame, &f) < 0) {
		problem(w, SLICE("the keeper does not answer"));
		return;
	}
	w->ready.keeper_age_ms = wire_i64(f.payload, T_AGE_MS, INT64_MAX);
	w->ready.waiting = wire_i64(f.payload, T_COUNT, -1);
	if (w->ready.keeper_age_ms >= FRESH_MS)
		problem(w, SLICE("the keeper has not committed for 5 s"));
	if (wire_text(f.payload, T_REASON).len)
		problem(w, SLICE("the keeper refuses intake: low disk or store trouble"));
}

static void
look_at_group(struct worker *w, const struct scoreboard_slot *slot, size_t n, const _Atomic uint32_t *troubled,
    struct slice dead, struct slice young)
{
	bool living = false;

	for (size_t i = 0; i < n && !living; i++)
		living = atomic_load(&slot[i].pid) != 0 && atomic_load(&slot[i].state) != SB_EMPTY;
	if (!living)
		problem(w, dead);
	else if (atomic_load(troubled))
		problem(w, young);
}

static void
look(struct worker *w)
{
	struct wire_frame f;

	w->ready.problems = 0;
	look_at_keeper(w);
	if (probe(&w->courier, &w->frame, &f) < 0)
		problem(w, SLICE("the courier does not answer"));
	look_at_group(w, w->board->hooks, SCOREBOARD_HOOKS_MAX, &w->board->hooks_troubled,
	    SLICE("no worker of the group hooks lives"), SLICE("workers of the group hooks die young"));
	look_at_group(w, w->board->api, SCOREBOARD_API_MAX, &w->board->api_troubled,
	    SLICE("no worker of the group api lives"), SLICE("workers of the group api die young"));
	w->ready.at_ms = clock_mono_ms();
}

void
on_readyz(struct request *r)
{
	struct worker *w = r->worker;
	struct slice all = { NULL, 0 };

	if (w->ready.at_ms == 0 || clock_mono_ms() - w->ready.at_ms >= LOOK_MS)
		look(w);
	for (size_t i = 0; i < w->ready.problems; i++)
		all = arena_printf(r->arena, "%.*s%s%.*s", SLICE_ARG(all), all.len ? "; " : "",
		    SLICE_ARG(w->ready.problem[i]));

	answer_begin(r, w->ready.problems ? HTTP_SERVICE_UNAVAILABLE : HTTP_OK);
	answer_text(r, "status", w->ready.problems ? SLICE("not ready") : SLICE("ready"));
	if (w->ready.problems) {
		r->reason = all;
		answer_text(r, "detail", all);
		answer_text(r, "code", SLICE("SERVICE_UNAVAILABLE_ERROR"));
	}
	if (w->ready.keeper_age_ms >= 0)
		answer_int(r, "keeper_age_ms", w->ready.keeper_age_ms);
	if (w->ready.waiting >= 0)
		answer_int(r, "waiting", w->ready.waiting);
	answer_text(r, "request_id", slice_of(r->id));
	answer_end(r);
}
