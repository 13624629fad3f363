/* Answers that a hub gives by itself, after a 202 (docs/hub.md). */
#include <errno.h>
#include <string.h>

#include "app/worker/api.h"
#include "app/worker/routes.h"
#include "app/worker/worker.h"
#include "lib/chatwoot/answer.h"
#include "lib/crashpoint.h"
#include "lib/crypt.h"
#include "lib/protocol.h"

struct reply {
	struct request *r;
	struct json    *doc;
	struct uuid     event;
	struct chatwoot_question asked;
	struct chatwoot_answer   answer;
};

static bool
out_of_reach(struct request *r, int failed)
{
	return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, failed == -ENOMEM ? SLICE("out of memory: send it again") :
	    SLICE("the keeper did not answer in time: send it again"));
}

/* ---- what it says ---- */

static bool
read_event(struct reply *p)
{
	const struct json *value;

	if (json_get(p->doc, "event_id", &value) != JSON_STRING || uuid_parse(json_text(value), &p->event) != 0)
		return api_refuse(p->r, REQUEST_R_BAD_SCHEMA, SLICE("event_id is missing or is none"));
	p->r->event_id = arena_copy(p->r->arena, json_text(value));
	return true;
}

/* ---- what was asked ---- */

static bool
find_question(struct reply *p)
{
	struct worker *w = p->r->worker;
	struct wire_writer out;
	struct wire_frame f = { 0 };

	buf_clear(&w->frame);
	wire_begin(&out, &w->frame, P_QUESTION, net_caller_next(&w->keeper));
	wire_put(&out, T_NAME, p->r->tenant);
	wire_put(&out, T_EVENT_ID, slice_from(p->event.byte, sizeof p->event.byte));
	int e = wire_end(&out);
	if (e == 0)
		e = worker_ask(w, WORKER_ASK_MS, P_QUESTION_OK, &f);
	if (e < 0)
		return out_of_reach(p->r, e);
	int64_t conversation = wire_i64(f.payload, T_CONVERSATION, 0);
	uint64_t channel = wire_u64(f.payload, T_CHANNEL, CW_CH_OTHER);
	if (conversation == 0)
		return api_refuse(p->r, REQUEST_R_UNKNOWN_EVENT, SLICE("nothing was asked under this event_id"));
	p->asked = (struct chatwoot_question){
		.event = p->event, .tenant = p->r->tenant, .account = wire_i64(f.payload, T_ACCOUNT, 0), .conversation = conversation,
		.channel = channel < CW_CH_COUNT ? (enum chatwoot_channel)channel : CW_CH_OTHER,
	};
	return true;
}

static bool
read_answer(struct reply *p)
{
	const char *why = "";
	int e = chatwoot_answer_read(p->doc, &p->asked, p->r->arena, &p->answer, &why);

	if (e < 0)
		return out_of_reach(p->r, e);
	return e == 0 || api_refuse(p->r, REQUEST_R_BAD_SCHEMA, slice_of(why));
}

/* ---- what comes of it ---- */

static int
put_part(struct wire_writer *out, const struct chatwoot_part *part)
{
	CLEANUP(buf_free) struct buf payload = { 0 };
	int e = chatwoot_part_pack(part, &payload);
	size_t mark = wire_open(out, T_NEXT);

	wire_put_u64(out, T_KIND, part->kind);
	wire_put_i64(out, T_DELAY_MS, part->delay_ms);
	wire_put(out, T_PAYLOAD, buf_view(&payload));
	wire_close(out, mark);
	return e;
}

static int
send_answer(struct reply *p, struct wire_frame *ret)
{
	struct worker *w = p->r->worker;
	struct wire_writer out;
	uint8_t hash[CRYPT_SHA256];
	int e = 0;

	crypt_sha256(p->r->body, hash);
	buf_clear(&w->frame);
	wire_begin(&out, &w->frame, P_ANSWER, net_caller_next(&w->keeper));
	wire_put(&out, T_NAME, p->r->tenant);
	wire_put(&out, T_EVENT_ID, slice_from(p->event.byte, sizeof p->event.byte));
	wire_put(&out, T_HASH, slice_from(hash, sizeof hash));
	if (p->answer.failed) {
		wire_put_u64(&out, T_VERDICT, SETTLE_DEAD);
		wire_put(&out, T_REASON, p->answer.words.len ?
		    arena_printf(p->r->arena, "the hub answered status error: " SLICE_FMT, SLICE_ARG(p->answer.words)) :
		    SLICE("the hub answered status error"));
	}
	for (size_t i = 0; e == 0 && i < p->answer.parts; i++)
		e = put_part(&out, &p->answer.part[i]);
	int ended = wire_end(&out);
	if (e == 0)
		e = ended;
	CRASH_POINT("worker-before-answer");
	if (e == 0)
		e = worker_ask(w, WORKER_ASK_MS, P_ANSWER_OK, ret);
	CRASH_POINT("worker-after-answer");
	buf_clear(&w->frame);
	return e;
}

static void
answer_taken(struct reply *p, struct slice status)
{
	p->r->decision = status;
	answer_begin(p->r, HTTP_OK);
	answer_text(p->r, "status", status);
	answer_text(p->r, "event_id", p->r->event_id);
	answer_int(p->r, "deliveries", (int64_t)p->answer.parts);
	answer_bool(p->r, "cut", p->answer.cut);
	answer_text(p->r, "request_id", slice_of(p->r->id));
	answer_end(p->r);
}

static void
settle(struct reply *p)
{
	struct wire_frame f = { 0 };
	int e = send_answer(p, &f);

	if (e < 0) {
		out_of_reach(p->r, e);
		return;
	}
	struct slice why = arena_copy(p->r->arena, wire_text(f.payload, T_REASON));
	switch ((enum answer_result)wire_u64(f.payload, T_RESULT, 0)) {
	case ANSWER_TAKEN:
		answer_taken(p, SLICE("accepted"));
		return;
	case ANSWER_DUPLICATE:
		answer_taken(p, SLICE("duplicate"));
		return;
	case ANSWER_CONFLICT:
		api_refuse(p->r, REQUEST_R_CONFLICT, SLICE("this event has another answer already"));
		return;
	case ANSWER_UNKNOWN:
		api_refuse(p->r, REQUEST_R_UNKNOWN_EVENT, SLICE("nothing was asked under this event_id"));
		return;
	case ANSWER_LATE:
		api_refuse(p->r, REQUEST_R_TOO_LATE, SLICE("nobody waits for this answer any more"));
		return;
	case ANSWER_REFUSED:
		break;
	}
	api_refuse(p->r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, why.len ? why : SLICE("it cannot be stored now: send it again"));
}

void
on_replies(struct request *r)
{
	struct reply p = { .r = r };

	if (api_account(r) && api_object(r, &p.doc) && read_event(&p) && find_question(&p) && read_answer(&p))
		settle(&p);
	json_free(p.doc);
}
