#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "app/worker/obituary.h"
#include "app/worker/routes.h"
#include "lib/clock.h"
#include "lib/log.h"

static const char *
how_it_ended(const struct pool_slot *slot, int status)
{
	if (slot->killed)
		return slot->killed;
	if (WIFSIGNALED(status))
		return "killed by a signal";
	switch (WEXITSTATUS(status)) {
	case WORKER_STOPPED:
		return slot->told ? "stopped as told" : "stopped by somebody else";
	case WORKER_RECYCLED:
		return "its share of requests is done";
	case WORKER_FAILED:
		return "failed; its own line says why";
	default:
		return "exit";
	}
}

/* The scoreboard is what the worker wrote last, so it is only believed as far
 * as it goes: a row that is none, an id without its end. */
static const char *
route_of(const struct scoreboard_slot *board)
{
	uint32_t row = atomic_load(&board->route);

	return row >= 1 && row <= routes_count ? routes[row - 1].path : "";
}

void
obituary(const struct pool_group *g, unsigned i, int status, int64_t lived_ms)
{
	const struct pool_slot *slot = &g->slot[i];
	const struct scoreboard_slot *board = &g->board[i];
	bool known = atomic_load(&board->pid) == slot->pid;
	bool busy = known && atomic_load(&board->state) == SB_BUSY;
	bool expected = !slot->killed && WIFEXITED(status) &&
	    (WEXITSTATUS(status) == WORKER_RECYCLED || (WEXITSTATUS(status) == WORKER_STOPPED && slot->told));
	char signal_name[32] = "", digest[17] = "", id[sizeof board->request_id] = "";

	if (WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));
		snprintf(signal_name, sizeof signal_name, "SIG%s", name ? name : "?");
	}
	if (busy && atomic_load(&board->body_digest) != 0)
		snprintf(digest, sizeof digest, "%016" PRIx64, (uint64_t)atomic_load(&board->body_digest));
	if (busy) {
		memcpy(id, board->request_id, sizeof id);
		id[sizeof id - 1] = '\0';
	}
	log_event(expected ? LOG_INFO : LOG_ERROR, "worker-gone",
	    LOG_STR("group", g->name), LOG_INT("slot", i), LOG_INT("worker_pid", slot->pid),
	    LOG_INT("lived_ms", lived_ms), LOG_STR("why", how_it_ended(slot, status)),
	    LOG_STR("signal", signal_name), LOG_INT("exit_code", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
	    LOG_STR("doing", busy ? "a request" : known ? "nothing" : "starting"),
	    LOG_STR("route", busy ? route_of(board) : ""), LOG_STR("body_digest", digest),
	    LOG_STR("request_id", id),
	    LOG_INT("busy_ms", busy ? (clock_mono_us() - atomic_load(&board->since_us)) / 1000 : 0));
}
