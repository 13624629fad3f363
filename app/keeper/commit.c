/* The group commit.  Requests are handled as they come; the first that writes
 * opens a transaction.  At the end of the round the store is flushed once, and
 * only then does any answer leave.
 *
 * When the flush fails, nothing is answered and the process ends: the system
 * may have thrown the pages away that it could not write, and a second flush
 * would say that all is well.  Callers wait in the backlog of the socket for
 * the next keeper, and say it again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/keeper/keeper.h"
#include "lib/clock.h"
#include "lib/crashpoint.h"
#include "lib/log.h"

#define RETRY_CLAIM_MS 1000

/* clang-format off */
static const struct { uint16_t kind; handler *handle; } handlers[] = {
	{ P_PUT,           on_put },
	{ P_CLAIM,         on_claim },
	{ P_BEGIN,         on_begin },
	{ P_SETTLE,        on_settle },
	{ P_TENANT_FIND,   on_tenant_find },
	{ P_PROBE,         on_probe },
	{ P_TOKEN_FIND,    on_token_find },
	{ P_QUESTION,      on_question },
	{ P_ANSWER,        on_answer },
	{ P_CATALOG_PUT,   on_catalog_put },
	{ P_TENANT_SYNC,   on_tenant_sync },
	{ P_HELLO,         on_hello },
	{ P_HEARD,         on_heard },
	{ P_CAUGHT_UP,     on_caught_up },
	{ P_TENANT_PUT,    on_tenant_put },
	{ P_TENANT_LIST,   on_tenant_list },
	{ P_TENANT_REMOVE, on_tenant_remove },
	{ P_QUEUE_LIST,    on_queue_list },
	{ P_QUEUE_RETRY,   on_queue_retry },
	{ P_QUEUE_DROP,    on_queue_drop },
	{ P_QUEUE_HOLD,    on_queue_hold },
	{ P_QUEUE_RELEASE, on_queue_release },
	{ P_TRACE,         on_trace },
	{ P_BODY,          on_body },
	{ P_PERSON,        on_person },
	{ P_ERASE,         on_erase },
	{ P_TOKEN_NEW,     on_token_new },
	{ P_TOKEN_LIST,    on_token_list },
	{ P_TOKEN_REVOKE,  on_token_revoke },
	{ P_QUEUE_COUNTS,  on_queue_counts },
	{ P_CHECK,         on_check },
};
/* clang-format on */

/* ---- answers ---- */

void
answer_begin(struct keeper *k, struct wire_writer *w, uint16_t kind, uint64_t request)
{
	wire_begin(w, &k->batch.out, kind, request);
	wire_put_u64(w, T_GENERATION, store_generation(k->store));
}

int
answer_error(struct keeper *k, const struct wire_frame *f, enum protocol_error code, const char *text)
{
	return protocol_error(&k->batch.out, f->request, store_generation(k->store), code, text);
}

int
answer_refused(struct keeper *k, uint16_t kind, uint64_t request, const char *why)
{
	struct wire_writer w;
	switch (kind) {
	case P_PUT:
		answer_begin(k, &w, P_PUT_DONE, request);
		wire_put_u64(&w, T_RESULT, PUT_REFUSED);
		wire_put(&w, T_REASON, slice_of(why));
		return wire_end(&w);
	case P_ANSWER:
		answer_begin(k, &w, P_ANSWER_OK, request);
		wire_put_u64(&w, T_RESULT, ANSWER_REFUSED);
		wire_put(&w, T_REASON, slice_of(why));
		return wire_end(&w);
	case P_SETTLE:
		answer_begin(k, &w, P_SETTLE_OK, request);
		wire_put_u64(&w, T_RESULT, SETTLE_LATER);
		return wire_end(&w);
	case P_CLAIM:
		answer_begin(k, &w, P_CLAIM_OK, request);
		wire_put_i64(&w, T_DELAY_MS, RETRY_CLAIM_MS);
		return wire_end(&w);
	case P_PROBE:
		answer_begin(k, &w, P_PROBE_OK, request);
		wire_put_i64(&w, T_AGE_MS, k->now_ms - k->commit_ms);
		wire_put(&w, T_REASON, slice_of(why));
		wire_put_i64(&w, T_PID, getpid());
		wire_put_i64(&w, T_COUNT, store_pending(k->store));
		return wire_end(&w);
	default:
		return protocol_error(&k->batch.out, request, store_generation(k->store), E_STORE, why);
	}
}

/* Nothing that was handled in this batch is true any more. */
static void
refuse_batch(struct keeper *k, const char *why)
{
	buf_clear(&k->batch.out);
	for (size_t i = 0; i < k->batch.n; i++) {
		struct answer *a = &k->batch.answer[i];
		a->at = k->batch.out.len;
		if (a->peer && answer_refused(k, a->kind, a->request, why) < 0)
			peer_hang_up(k, a->peer, "no memory for the answer");
		a->len = k->batch.out.len - a->at;
	}
	k->wake = false;
}

void
keeper_die(struct keeper *k, const char *doing)
{
	log_event(LOG_ALARM, "store-lost", LOG_STR("doing", doing), LOG_TEXT("path", k->config.store.path),
	    LOG_STR("why", store_error(k->store)),
	    LOG_STR("next", "nothing was answered; look at the disk and the kernel's log"));
	_exit(1);
}

void
keeper_wake(struct keeper *k)
{
	k->wake = true;
}

/* ---- one request ---- */

static int
dispatch(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (handlers[i].kind != f->kind)
			continue;
		if (!protocol_allowed(p->roles, f->kind)) {
			log_event(LOG_WARN, "not-allowed", LOG_INT("uid", p->uid), LOG_INT("kind", f->kind));
			return answer_error(k, f, E_NOT_ALLOWED,
			    "this user may not ask for that; see peers.roles in ponte.yaml");
		}
		if (!wire_ok(f->payload))
			return answer_error(k, f, E_BAD_REQUEST, "the request is cut off");
		return handlers[i].handle(k, p, f);
	}
	return answer_error(k, f, E_BAD_REQUEST, "the keeper does not know this kind of request");
}

static void
handle(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	struct answer *a = &k->batch.answer[k->batch.n];
	*a = (struct answer){ .peer = p, .at = k->batch.out.len, .kind = f->kind, .request = f->request };
	arena_reset(k->scratch);
	int r = dispatch(k, p, f);
	if (r == -EIO)
		keeper_die(k, "reading or writing");
	if (p->dead)
		return;                         /* the handler hung up on it */
	k->batch.n++;
	if (r == -ENOSPC) {
		/* Rolled back, with everything before it in this batch. */
		disk_full(k);
		refuse_batch(k, k->disk.text);
		return;
	}
	if (r < 0) {
		const char *why = r == -ENOMEM ? "out of memory" : store_error(k->store);
		log_event(LOG_ERROR, "request-failed", LOG_INT("kind", f->kind), LOG_STR("why", why));
		k->batch.out.len = a->at;       /* what was written of an answer */
		if (answer_refused(k, f->kind, f->request, why) < 0)
			peer_hang_up(k, p, "no memory for the answer");
	}
	a->len = k->batch.out.len - a->at;
}

bool
batch_full(const struct keeper *k)
{
	/* Claims with bodies in them: what has been built is sent before more is. */
	return k->batch.n >= KEEPER_BATCH_MAX || k->batch.out.len > 32 * MIB;
}

void
batch_take(struct keeper *k, struct peer *p)
{
	struct wire_frame f;
	while (!batch_full(k)) {
		int r = p->in.len ? wire_frame_read(buf_view(&p->in), &f) : WIRE_E_MORE;
		p->whole = r == 0;
		if (r < 0)
			peer_hang_up(k, p, "not a frame");
		if (r != 0)
			break;
		size_t len = WIRE_HEADER + f.payload.len;
		handle(k, p, &f);
		if (p->dead)
			return;
		buf_consume(&p->in, len);
		k->buffered -= len;
		p->whole = false;
	}
	if (p->in.len == 0)
		buf_clear(&p->in);
}

/* ---- the end of the batch ---- */

static void
send_answers(struct keeper *k)
{
	struct slice out = buf_view(&k->batch.out);
	CRASH_POINT("keeper-before-ack");
	for (size_t i = 0; i < k->batch.n; i++) {
		struct answer *a = &k->batch.answer[i];
		if (a->peer && buf_append(&a->peer->out, out.ptr + a->at, a->len) < 0)
			peer_hang_up(k, a->peer, "no memory for the answer");
	}
	/* The courier last: its answers are long, and it takes the processor as
	 * soon as it has one, while others wait for a word. */
	for (size_t i = 0; i < k->batch.n; i++)
		if (k->batch.answer[i].peer && k->batch.answer[i].peer != k->courier)
			peer_flush(k, k->batch.answer[i].peer);
	if (k->courier)
		peer_flush(k, k->courier);
	CRASH_POINT("keeper-after-ack");
	k->batch.n = 0;
	buf_empty(&k->batch.out, KEEPER_OUT_KEPT);
}

static void
send_wake(struct keeper *k)
{
	struct wire_writer w;
	bool wanted = k->wake;
	k->wake = false;
	if (!wanted || !k->courier || k->woken)
		return;
	wire_begin(&w, &k->courier->out, P_WAKE, 0);
	wire_put_u64(&w, T_GENERATION, store_generation(k->store));
	if (wire_end(&w) < 0)
		return;                         /* its clock finds what no wake announced */
	k->woken = true;
	peer_flush(k, k->courier);
}

/* Once a second while something is written. */
static int
keep_clock(struct keeper *k)
{
	if (!store_writing(k->store) || k->now_us - k->clock_us < US_PER_S)
		return 0;
	k->clock_us = k->now_us;
	return store_clock(k->store, k->now_us);
}

void
batch_end(struct keeper *k)
{
	bool wrote = store_writing(k->store);
	int64_t start_us = clock_mono_us();
	int r = keep_clock(k);
	if (r == 0)
		r = store_commit(k->store);
	if (r == -ENOSPC) {
		disk_full(k);
		refuse_batch(k, k->disk.text);
	} else if (r < 0) {
		keeper_die(k, "committing");
	} else if (wrote) {
		k->commit_ms = k->now_ms;
		k->flush_us = clock_mono_us() - start_us;
		k->company = k->batch.n >= k->company ? k->batch.n : k->company - 1;
		if (k->board)
			scoreboard_count(&k->board->keeper, commits);
	}
	send_answers(k);
	send_wake(k);
	if (k->shred)
		CRASH_POINT("keeper-before-shred");
	if (store_checkpoint(k->store, k->shred) < 0)
		keeper_die(k, "moving the log into the file");
	k->shred = false;
}
