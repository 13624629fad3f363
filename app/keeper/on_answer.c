/* Answers that the hub gives by itself (POST /api/v1/replies): a token that may,
 * a question that waits. */
#include <errno.h>
#include <string.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"

#define HASH_BYTES 32
#define REASON_MAX 500

static void
put_token(void *context, const struct store_token *token)
{
	struct wire_writer *w = context;
	wire_put(w, T_HASH, token->hash);
	wire_put(w, T_NAME, token->tenant);
	wire_put(w, T_LABEL, token->name);
	wire_put_u64(w, T_SCOPES, token->scopes);
}

int
on_token_find(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	struct slice hash = wire_text(f->payload, T_HASH);
	if (hash.len != HASH_BYTES)
		return answer_error(k, f, E_BAD_REQUEST, "a token is found by its hash");
	/* Only of a token that could be guessed is an address told. */
	struct slice from = wire_text(f->payload, T_SENDER);
	int64_t wait_ms = from.len ? failures_wait_ms(&k->failures, from, k->now_ms) : 0;
	int r = 0;
	answer_begin(k, &w, P_TOKEN_FOUND, f->request);
	if (wait_ms > 0)
		wire_put_i64(&w, T_DELAY_MS, wait_ms);
	else
		r = store_token_find(k->store, hash, k->now_us, put_token, &w);
	if (r == STORE_E_NONE && from.len)
		failures_note(&k->failures, from, hash, k->now_ms);
	return r < 0 ? r : wire_end(&w);
}

/* 0, or -EPROTO. */
static int
read_event(const struct wire_frame *f, struct uuid *ret)
{
	struct slice id = wire_text(f->payload, T_EVENT_ID);
	if (id.len != sizeof(ret->byte) || wire_text(f->payload, T_NAME).len == 0)
		return -EPROTO;
	memcpy(ret->byte, id.ptr, id.len);
	return 0;
}

int
on_question(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	struct uuid event;
	struct store_question q;
	if (read_event(f, &event) < 0)
		return answer_error(k, f, E_BAD_REQUEST, "a question lacks its tenant or its event");
	int r = store_question(k->store, wire_text(f->payload, T_NAME), &event, &q);
	if (r < 0)
		return r;
	answer_begin(k, &w, P_QUESTION_OK, f->request);
	if (r == 0) {
		wire_put_i64(&w, T_ACCOUNT, q.account);
		wire_put_i64(&w, T_CONVERSATION, q.conversation);
		wire_put_u64(&w, T_CHANNEL, q.channel);
	}
	return wire_end(&w);
}

int
on_answer(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	struct store_next *next;
	enum answer_result result;
	bool due;
	struct store_answer a = {
		.tenant = wire_text(f->payload, T_NAME), .hash = wire_text(f->payload, T_HASH), .now_us = k->now_us,
		.dead = wire_u64(f->payload, T_VERDICT, SETTLE_DONE) == SETTLE_DEAD, .reason = wire_text(f->payload, T_REASON),
	};
	if (a.reason.len > REASON_MAX)
		a.reason.len = REASON_MAX;
	int r = read_event(f, &a.event);
	if (r == 0)
		r = read_next(k, f, &next, &a.nexts);
	if (r == -EPROTO || a.hash.len != HASH_BYTES)
		return answer_error(k, f, E_BAD_REQUEST, "an answer that lacks something, or asks for what there is not");
	if (r < 0)
		return r;
	if (disk_low(k))
		return answer_refused(k, P_ANSWER, f->request, k->disk.text);
	a.next = next;
	r = store_answer(k->store, &a, &result, &due);
	if (r < 0)
		return r;
	if (due)
		keeper_wake(k);
	answer_begin(k, &w, P_ANSWER_OK, f->request);
	wire_put_u64(&w, T_RESULT, result);
	return wire_end(&w);
}
