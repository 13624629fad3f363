/* The Chatwoot intake: who sent it, may it, what does it say, keep it; only
 * then 2xx.  Nothing is answered that the keeper has not committed. */
#include <errno.h>
#include <string.h>

#include "app/worker/proof.h"
#include "app/worker/routes.h"
#include "app/worker/tenant_cache.h"
#include "app/worker/worker.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/clock.h"
#include "lib/crashpoint.h"
#include "lib/crypt.h"
#include "lib/protocol.h"
#include "lib/tenant_policy.h"
#include "lib/uuid.h"

#define CALL_MS  3000           /* for an answer of the keeper … */
#define SHORT_MS 1000           /* … when it did not answer the last time: others queue behind us */
#define WHOLE_MS 4000           /* for all of a request: Chatwoot gives up after 5 s */
#define TRIES    3              /* when tenants are changed while we judge */
#define ANY_KIND (-1)

struct intake {
	struct request *r;
	struct proof    proof;
	struct slice    name;           /* the tenant the path names; empty: */
	int64_t         account;        /* the account the body names (shared paths); else 0 */
	bool            peeked;         /* `place` is known */
	struct chatwoot_peek place;     /* of the body */
	int             kind;           /* enum tenant_kind, or ANY_KIND */
	struct uuid     event;          /* made once: a put that is repeated is the same event */
};

/* What came of judging under one set of tenants. */
struct judgement {
	enum request_refusal           refusal;     /* REQUEST_R_NONE: to be put */
	struct slice                   reason;
	const struct tenant_candidate *from;
	struct chatwoot_policy         policy;
	struct chatwoot_facts          facts;
};

static int64_t
deadline(const struct request *r)
{
	int64_t whole = r->began_us / 1000 + WHOLE_MS;
	int64_t part = clock_mono_ms() + (r->worker->keeper_silent ? SHORT_MS : CALL_MS);

	return part < whole ? part : whole;
}

static enum request_refusal
refusal_of(int outcome)
{
	switch (outcome) {
	case CW_E_JSON:    return REQUEST_R_BAD_JSON;
	case CW_E_SCHEMA:  return REQUEST_R_BAD_SCHEMA;
	case CW_E_ACCOUNT: return REQUEST_R_WRONG_ACCOUNT;
	}
	return REQUEST_R_TRY_AGAIN;             /* -errno: no memory */
}

/* ---- who sent it ---- */

static bool
covers(const struct tenant_candidate *c, int64_t account)
{
	return c->sender->account != 0 ? c->sender->account == account :
	    c->installation && tenant_account_find(c->installation, account) != NULL;
}

/* Account and inbox of the body; a sender may stand for one inbox alone. */
static bool
suits(const struct tenant_candidate *c, struct chatwoot_peek at)
{
	return covers(c, at.account) && (c->sender->inbox == 0 || at.inbox == 0 || c->sender->inbox == at.inbox);
}

static bool
eligible(const struct intake *in, const struct tenant_candidate *c)
{
	if (!c->installation)
		return false;
	return in->kind == ANY_KIND ? covers(c, in->account) : (int)c->sender->kind == in->kind;
}

/* Account and inbox in a body that is proved already; zeros where it names none. */
static struct chatwoot_peek
place_in_body(struct intake *in)
{
	struct slice why;

	if (!in->peeked && chatwoot_peek(in->r->body, in->r->arena, &in->place, &why) != 0)
		in->place = (struct chatwoot_peek){ .account = in->account };
	in->peeked = true;
	return in->place;
}

/* The sender whose proof fits.  Several may (one bot serves several accounts
 * under one secret): then account and inbox in the body decide. */
static const struct tenant_candidate *
choose(struct intake *in, const struct tenant_entry *tenants)
{
	const struct tenant_candidate *found = NULL;

	for (size_t i = 0; i < tenants->candidates; i++) {
		const struct tenant_candidate *c = &tenants->candidate[i];
		if (!eligible(in, c) || !proof_fits(&in->proof, c, in->r->arena))
			continue;
		if (!found || (!suits(found, place_in_body(in)) && suits(c, place_in_body(in))))
			found = c;
	}
	return found;
}

/* ---- may it, and what does it say ---- */

static void
refuse(struct judgement *j, enum request_refusal why, struct slice reason)
{
	j->refusal = why;
	j->reason = reason;
}

/* What tells a repeated event that carries no number of its own: the delivery
 * id, which means something within its sender alone. */
static void
set_delivery(const struct request *r, const struct tenant_sender *sender, struct chatwoot_facts *f)
{
	struct slice id = request_given(r, REQUEST_P_DELIVERY);
	struct slice both = arena_printf(r->arena, SLICE_FMT " " SLICE_FMT, SLICE_ARG(sender->label), SLICE_ARG(id));
	uint8_t hash[CRYPT_SHA256];

	if (id.len == 0 || both.len == 0)
		return;
	crypt_sha256(both, hash);
	hex_encode(hash, sizeof hash, f->delivery_hash);
}

static void
read_event(struct intake *in, struct judgement *j)
{
	const struct tenant_sender *sender = j->from->sender;
	struct slice why = { NULL, 0 };

	j->policy = tenant_policy(j->from->tenant, j->from->installation, sender);
	int outcome = chatwoot_read(in->r->body, &j->policy, in->r->arena, &j->facts, NULL, &why);
	if (outcome != 0) {
		refuse(j, refusal_of(outcome), why.len ? why : SLICE("no memory to read the event"));
		return;
	}
	/* A sender without an account of its own: any of its installation. */
	if (j->policy.account == 0 && !covers(j->from, j->facts.account)) {
		refuse(j, REQUEST_R_WRONG_ACCOUNT, SLICE("the account is none of this sender's installation"));
		return;
	}
	j->policy.account = j->facts.account;
	in->r->chatwoot_event = j->facts.event_name;
	set_delivery(in->r, sender, &j->facts);
	if (j->facts.sync && *j->facts.sync)
		refuse(j, REQUEST_R_NOT_IMPLEMENTED, SLICE("a sync of an addon does not come from a sender's path: /webhook is where it is taken"));
}

/* Installations, of any tenant, that have an account of that number. */
static size_t
homes(const struct tenant_entry *tenants, int64_t account)
{
	size_t n = 0;

	for (size_t t = 0; t < tenants->tenants; t++)
		for (size_t i = 0; i < tenants->tenant[t].installations; i++)
			n += tenant_account_find(&tenants->tenant[t].installation[i], account) != NULL;
	return n;
}

static void
judge(struct intake *in, const struct tenant_entry *tenants, struct judgement *j)
{
	*j = (struct judgement){ .refusal = REQUEST_R_NONE };
	if (!in->proof.is_signed && in->kind == ANY_KIND && homes(tenants, in->account) > 1) {
		refuse(j, REQUEST_R_UNKNOWN_TENANT,
		    SLICE("several Chatwoots have this account; only a signature or a sender's own path tells them apart"));
		return;
	}
	j->from = choose(in, tenants);
	if (j->from)
		read_event(in, j);
	else
		refuse(j, REQUEST_R_BAD_SIGNATURE, slice_of(sign_reason(in->proof.is_signed ? SIGN_E_MISMATCH :
		    SIGN_E_MISSING)));
}

static bool
rests_on_tenants(enum request_refusal why)
{
	return why == REQUEST_R_BAD_SIGNATURE || why == REQUEST_R_UNKNOWN_TENANT || why == REQUEST_R_WRONG_ACCOUNT;
}

/* Under the cached tenants first; a refusal that rests on them is judged again
 * under what the keeper says now.  0, TENANT_CACHE_E_NONE or -errno. */
static int
find_and_judge(struct intake *in, bool anew, const struct tenant_entry **ret, struct judgement *j)
{
	struct worker *w = in->r->worker;
	bool cached = true;

	while (cached) {
		struct tenant_ask how = { &w->keeper, &w->frame, deadline(in->r) };
		int r = tenant_cache_find(w->tenants, how, in->name, in->account, anew, ret, &cached);
		if (r < 0 || !cached)
			w->keeper_silent = r < 0;
		if (r != 0)
			return r;
		judge(in, *ret, j);
		if (!rests_on_tenants(j->refusal))
			return 0;
		anew = true;
	}
	return 0;
}

/* ---- keep it ---- */

static int
put(struct intake *in, const struct tenant_entry *tenants, const struct judgement *j, struct wire_frame *ret)
{
	struct worker *w = in->r->worker;
	struct wire_writer out;

	REQUIRE(j->from);
	buf_clear(&w->frame);
	int r = buf_reserve(&w->frame, in->r->body.len + 4 * KIB);
	if (r < 0)
		return r;
	wire_begin(&out, &w->frame, P_PUT, net_caller_next(&w->keeper));
	wire_put_u64(&out, T_GENERATION, tenants->generation);
	wire_put(&out, T_EVENT_ID, slice_from(in->event.byte, sizeof in->event.byte));
	wire_put(&out, T_REQUEST_ID, slice_of(in->r->id));
	wire_put(&out, T_NAME, j->from->tenant->name);
	wire_put(&out, T_INSTALLATION, j->from->installation->id);
	wire_put(&out, T_SENDER, j->from->sender->label);
	size_t mark = wire_open(&out, T_FACTS);
	chatwoot_pack(&j->facts, &j->policy, &out);
	wire_close(&out, mark);
	wire_put(&out, T_BODY, in->r->body);
	r = wire_end(&out);
	if (r < 0)
		return r;
	CRASH_POINT("worker-before-put");
	r = net_call(&w->keeper, buf_view(&w->frame), deadline(in->r), ret);
	CRASH_POINT("worker-after-put");
	w->keeper_silent = r < 0;
	buf_clear(&w->frame);                   /* gives a large one back */
	return r;
}

static void
try_again(struct request *r, struct slice reason)
{
	answer_refuse(r, REQUEST_R_TRY_AGAIN, reason);
}

static struct slice
keeper_fault(int r)
{
	switch (r) {
	case -ENOMEM: return SLICE("no memory to ask the keeper");
	case -EPROTO: return SLICE("the keeper's answer cannot be used");
	}
	return SLICE("the keeper did not answer in time");
}

static void
count_decision(struct scoreboard_slot *slot, enum chatwoot_decision d)
{
	if (chatwoot_forwards(d))
		scoreboard_count(slot, accepted);
	else if (d == CW_D_DUPLICATE)
		scoreboard_count(slot, duplicate);
	else if (chatwoot_notes(d))
		scoreboard_count(slot, noted);
	else
		scoreboard_count(slot, ignored);
}

static void
answer_decided(struct request *r, struct slice payload)
{
	uint64_t number = wire_u64(payload, T_DECISION, UINT64_MAX);
	struct slice id = wire_text(payload, T_EVENT_ID);

	if (number >= CW_D_REJECT_JSON || (id.len != 0 && id.len != sizeof(struct uuid))) {
		try_again(r, keeper_fault(-EPROTO));
		return;
	}
	enum chatwoot_decision d = (enum chatwoot_decision)number;
	r->decision = slice_of(chatwoot_decision_text(d));
	r->reason = arena_copy(r->arena, wire_text(payload, T_REASON));
	answer_begin(r, HTTP_OK);
	answer_text(r, "status", slice_of(chatwoot_status_word(d)));
	if (id.len) {
		struct uuid event;
		char text[UUID_TEXT];
		memcpy(event.byte, id.ptr, sizeof event.byte);
		uuid_text(&event, text);
		r->event_id = arena_copy(r->arena, slice_of(text));
		answer_text(r, "event_id", slice_of(text));
	} else {
		answer_null(r, "event_id");
	}
	answer_text(r, "reason", r->reason);
	answer_text(r, "request_id", slice_of(r->id));
	answer_end(r);
	count_decision(r->worker->slot, d);
}

/* False: the tenants moved under us; judge again. */
static bool
put_and_answer(struct intake *in, const struct tenant_entry *tenants, const struct judgement *j)
{
	struct request *r = in->r;
	struct wire_frame answer;
	int failed = put(in, tenants, j, &answer);

	if (failed < 0) {
		try_again(r, keeper_fault(failed));
		return true;
	}
	/* Before the cache may be emptied: nothing of `tenants` is used after it. */
	tenant_cache_generation(r->worker->tenants, wire_u64(answer.payload, T_GENERATION, 0));
	struct slice why = arena_copy(r->arena, wire_text(answer.payload, T_REASON));
	if (answer.kind == P_PUT_DONE)
		switch (wire_u64(answer.payload, T_RESULT, 0)) {
		case PUT_DECIDED:
			answer_decided(r, answer.payload);
			return true;
		case PUT_TENANTS_MOVED:
			return false;
		}
	try_again(r, why.len ? why : SLICE("the keeper refused it"));
	return true;
}

static void
take_in(struct intake *in)
{
	struct request *r = in->r;

	in->event = uuid_make(clock_wall_us());
	for (unsigned i = 0; i < TRIES; i++) {
		const struct tenant_entry *tenants;
		struct judgement j = { 0 };
		int found = find_and_judge(in, i > 0, &tenants, &j);
		if (found == TENANT_CACHE_E_NONE) {
			answer_refuse(r, REQUEST_R_UNKNOWN_TENANT, in->name.len ? SLICE("no tenant of that name") :
			    SLICE("the account belongs to no tenant here"));
			return;
		}
		if (found < 0) {
			try_again(r, keeper_fault(found));
			return;
		}
		if (j.from) {
			r->tenant = arena_copy(r->arena, j.from->tenant->name);
			r->sender = arena_copy(r->arena, j.from->sender->label);
		}
		if (j.refusal != REQUEST_R_NONE) {
			answer_refuse(r, j.refusal, j.reason);
			return;
		}
		if (put_and_answer(in, tenants, &j))
			return;
	}
	try_again(r, SLICE("the tenants are being changed"));
}

/* ---- the two ways in ---- */

static bool
read_proof(struct intake *in, struct slice path_secret)
{
	int outcome = proof_read(in->r, path_secret, clock_wall_us() / US_PER_S, &in->proof);

	if (outcome != 0)
		answer_refuse(in->r, REQUEST_R_BAD_SIGNATURE, slice_of(sign_reason(outcome)));
	return outcome == 0;
}

static bool
is_name(struct slice s)
{
	if (s.len == 0 || s.len > 64)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '_' || c == '.' || c == '-'))
			return false;
	}
	return true;
}

static int
kind_of(struct slice s)
{
	return slice_eq(s, SLICE("account")) ? TENANT_ACCOUNT : slice_eq(s, SLICE("inbox")) ? TENANT_INBOX :
	    slice_eq(s, SLICE("bot")) ? TENANT_BOT : ANY_KIND;
}

void
on_chatwoot_sender(struct request *r)
{
	struct intake in = { .r = r, .name = r->param[0], .kind = kind_of(r->param[1]) };

	if (!is_name(in.name)) {
		answer_refuse(r, REQUEST_R_UNKNOWN_TENANT, SLICE("no tenant has such a name"));
		return;
	}
	r->tenant = arena_copy(r->arena, in.name);
	if (in.kind == ANY_KIND) {
		answer_refuse(r, REQUEST_R_NOT_FOUND_ERROR, SLICE("the path ends in account, inbox or bot"));
		return;
	}
	if (read_proof(&in, r->params > 2 ? r->param[2] : (struct slice){ NULL, 0 }))
		take_in(&in);
}

void
on_chatwoot_shared(struct request *r)
{
	struct intake in = { .r = r, .kind = ANY_KIND };
	struct chatwoot_peek peek = { 0 };
	struct slice why = { NULL, 0 };
	int outcome = chatwoot_peek(r->body, r->arena, &peek, &why);

	if (outcome != 0) {
		answer_refuse(r, refusal_of(outcome), why.len ? why : SLICE("no memory to read the event"));
		return;
	}
	if (peek.sync && *peek.sync) {
		on_tenants_sync(r, peek.sync);
		return;
	}
	if (peek.account == 0) {
		answer_refuse(r, REQUEST_R_BAD_SCHEMA, SLICE("the event names no account"));
		return;
	}
	in.account = peek.account;
	in.place = peek;
	in.peeked = true;
	if (read_proof(&in, (struct slice){ NULL, 0 }))
		take_in(&in);
}
