#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/catchup.h"
#include "app/courier/courier.h"
#include "app/courier/silence.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/tenant_policy.h"

#define SCRATCH_MAX   (64 * MIB)        /* one message as an event, and its facts */
#define FORWARD_AT_ONCE 100             /* messages on a page; a shorter one is the last */
#define PASSES_MAX    10
#define BUSY_MS       (5 * MS_PER_S)    /* the keeper takes nothing: its disk is low */
#define OVERLAP_US    (300 * US_PER_S)  /* events are sent later than written, sometimes much */

#define LOG_RUN(u) LOG_STR("tenant", (u)->tenant), LOG_STR("installation", (u)->here), LOG_INT("account", (u)->account)

int
catchup_new(struct slice tenant, struct slice installation, struct catchup **ret)
{
	CLEANUP(catchup_freep) struct catchup *u = calloc(1, sizeof(*u));
	if (!u || arena_new(SCRATCH_MAX, &u->scratch) != 0)
		return -ENOMEM;
	u->cookie.type = COOKIE_CATCHUP;
	snprintf(u->tenant, sizeof(u->tenant), SLICE_FMT, SLICE_ARG(tenant));
	snprintf(u->installation, sizeof(u->installation), SLICE_FMT, SLICE_ARG(installation));
	*ret = u;
	u = NULL;
	return 0;
}

void
catchup_free(struct catchup *u)
{
	if (!u)
		return;
	chatwoot_list_free(&u->talks);
	chatwoot_list_free(&u->messages);
	chatwoot_listed_talk_free(&u->talk);
	free(u->seen);
	arena_free(u->scratch);
	free(u);
}

void
catchup_freep(struct catchup **u)
{
	catchup_free(*u);
}

void
catchup_fail(struct catchup *u, const char *why)
{
	if (!u->why[0])
		snprintf(u->why, sizeof(u->why), "%s", why);
	u->phase = AT_END;
}

bool
catchup_over(const struct catchup *u)
{
	return u->phase == AT_END && !u->in_flight && !u->question;
}

void
catchup_refuse(struct catchup *u, int64_t conversation, int outcome)
{
	u->count[CATCHUP_REFUSED]++;
	log_event(LOG_WARN, "catchup-refused", LOG_RUN(u), LOG_INT("conversation", conversation),
	    LOG_STR("code", outcome == CW_E_ACCOUNT ? "WRONG_ACCOUNT" : outcome == CW_E_JSON ? "BAD_JSON" : "BAD_SCHEMA"),
	    LOG_STR("why", outcome == CW_E_ACCOUNT ? "Chatwoot listed something of another account or conversation"
	    : "what Chatwoot listed cannot be read"));
}

/* ---- places ------------------------------------------------------------- */

const struct tenant_installation *
catchup_installation(const struct catchup *u, const struct tenant *t)
{
	return tenant_installation_find(t, slice_of(u->here));
}

/* False: there is none of that number. */
static bool
go_to_place(struct catchup *u, const struct tenant *t)
{
	size_t k = 0;
	for (size_t i = 0; i < t->installations; i++) {
		const struct tenant_installation *in = &t->installation[i];
		if (u->installation[0] && !slice_eq(in->id, slice_of(u->installation)))
			continue;
		for (size_t a = 0; a < in->accounts; a++) {
			if (k++ != u->place)
				continue;
			snprintf(u->here, sizeof(u->here), SLICE_FMT, SLICE_ARG(in->id));
			u->account = in->account[a].id;
			u->last_account = a + 1 == in->accounts;
			if (a == 0)
				u->begun_us = clock_wall_us();
			return true;
		}
	}
	return false;
}

static void
begin_pass(struct catchup *u, int64_t bound_us)
{
	u->pass++;
	u->page = 1;
	u->bound_us = bound_us;
	u->pass_us = clock_wall_us();
	u->phase = AT_LIST;
}

static void
at_place(struct courier *c, struct catchup *u, const struct tenant *t)
{
	if (!go_to_place(u, t)) {
		if (u->place == 0)
			catchup_fail(u, "no such installation, or none with an account");
		u->phase = AT_END;
		return;
	}
	int64_t since = u->since_us ? u->since_us : silence_since(&c->silences, u->tenant, u->here);
	if (since == 0) {
		catchup_fail(u, "nothing was ever heard of it: say since when");
		return;
	}
	if (catchup_installation(u, t)->user_token.len == 0) {
		catchup_fail(u, "it has no user token (user_token_file), and a bot may not list messages");
		return;
	}
	int64_t kept_us = u->begun_us - c->config.store.retention.keys * 1000;
	if (u->since_us && u->asker && since < kept_us) {
		catchup_fail(u, "what was taken then is not known any more (store.retention.keys), and would be taken twice");
		return;
	}
	u->told_us = since;
	u->from_us = u->since_us && u->asker ? since : since - OVERLAP_US;
	if (u->from_us < kept_us)
		u->from_us = kept_us;
	u->pass = 0;
	u->seen_n = 0;
	if (u->expected)
		log_event(LOG_NOTICE, "catchup-started", LOG_RUN(u), LOG_BOOL("dry_run", u->dry_run),
		    LOG_INT("seconds", (u->begun_us - since) / US_PER_S));
	u->started = true;
	begin_pass(u, u->from_us);
}

void
catchup_end_pass(struct catchup *u)
{
	/* What moved since this pass began: only when it was longer than a page. */
	if (u->page > 2 && u->pass < PASSES_MAX) {
		begin_pass(u, u->pass_us - US_PER_S);
		return;
	}
	u->phase = u->last_account && !u->dry_run ? AT_TOLD : AT_PLACE;
	if (u->phase == AT_PLACE)
		u->place++;
}

/* ---- telling the keeper -------------------------------------------------- */

/* Who would have sent it: the bot, else the account's webhook, else the inbox's. */
static const struct tenant_sender *
sender_for(const struct catchup *u, const struct tenant *t)
{
	const struct tenant_sender *best = NULL;
	for (size_t i = 0; i < t->senders; i++) {
		const struct tenant_sender *s = &t->sender[i];
		if (!slice_eq(s->installation, slice_of(u->here)) || (s->account != 0 && s->account != u->account)
		    || (s->inbox != 0 && s->inbox != u->talk.inbox))
			continue;
		if (!best || s->kind == TENANT_BOT || (s->kind == TENANT_ACCOUNT && best->kind == TENANT_INBOX))
			best = s;
	}
	return best;
}

/* On to what follows the put. */
static void
advance(struct catchup *u)
{
	u->put = (struct uuid){ { 0 } };
	if (u->phase == AT_MESSAGE)
		u->message_i++;
	else
		u->phase = u->first == 0 ? AT_TALK : u->messages.n > 0 ? AT_MESSAGE : AT_FORWARD;
}

static void
put(struct courier *c, struct catchup *u, const struct tenant *t, struct slice body, int64_t created_us, bool answered)
{
	const struct tenant_sender *sender = sender_for(u, t);
	struct chatwoot_facts facts;
	struct slice why = { NULL, 0 };
	if (!sender) {
		u->count[CATCHUP_IGNORED]++;
		advance(u);
		return;
	}
	struct chatwoot_policy policy = tenant_policy(t, catchup_installation(u, t), sender);
	policy.account = u->account;
	int r = body.len > c->config.limits.body ? CW_E_SCHEMA : chatwoot_read(body, &policy, u->scratch, &facts, NULL, &why);
	if (r != 0) {
		catchup_refuse(u, u->talk.id, r);
		advance(u);
		return;
	}
	facts.recovered = true;
	facts.answered = answered;
	if (uuid_is_zero(&u->put))
		u->put = uuid_make(clock_wall_us());
	u->question = keeper_ask_put(c, &(struct keeper_put){
		.event = u->put, .tenant = slice_of(u->tenant), .installation = slice_of(u->here), .sender = sender->label,
		.facts = &facts, .policy = &policy, .body = body, .created_us = created_us, .dry_run = u->dry_run,
	});
}

static void
at_state(struct courier *c, struct catchup *u, const struct tenant *t)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	if (chatwoot_recover_talk(&u->talk, &body) != 0)
		catchup_fail(u, "out of memory");
	else
		put(c, u, t, buf_view(&body), 0, false);
}

static void
at_message(struct courier *c, struct catchup *u, const struct tenant *t)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	struct chatwoot_listed_message m;
	if (u->message_i == u->messages.n) {
		u->phase = u->before && u->messages.n >= FORWARD_AT_ONCE ? AT_FORWARD : AT_TALK;
		return;
	}
	int r = chatwoot_listed_message(&u->messages, u->message_i, u->account, u->talk.id, &m);
	if (r == 0 && m.id < u->first) {
		u->message_i++;         /* older than what is wanted */
		return;
	}
	if (r == 0)
		r = chatwoot_recover_message(&u->messages, u->message_i, u->account, &u->talk, &body);
	if (r < 0) {
		catchup_fail(u, "out of memory");
		return;
	}
	put(c, u, t, buf_view(&body), m.created_us, m.customer && m.id < u->human);
}

static void
on_decided(struct catchup *u, struct slice payload)
{
	uint64_t number = wire_u64(payload, T_DECISION, CW_D_IGNORE);
	enum chatwoot_decision d = (enum chatwoot_decision)number;
	enum catchup_count what = chatwoot_forwards(d) ? CATCHUP_ACCEPTED : d == CW_D_DUPLICATE ? CATCHUP_DUPLICATE
	    : chatwoot_notes(d) ? CATCHUP_NOTED : CATCHUP_IGNORED;
	/* The state of a conversation is no message, and mostly what we know. */
	if (u->phase == AT_MESSAGE) {
		u->count[CATCHUP_MESSAGES]++;
		u->count[what]++;
	}
	advance(u);
}

static void
on_tenant(struct courier *c, struct catchup *u, struct slice payload)
{
	struct wire_field field;
	int r = 0;
	for (struct wire_reader w = { .rest = payload }; r == 0 && wire_next(&w, &field);)
		if (field.tag == T_TENANT)
			r = where_learn(&c->where, field.value);
	if (r == 0 && !where_tenant(&c->where, slice_of(u->tenant)))
		catchup_fail(u, "there is no such tenant");
}

void
catchup_answered(struct courier *c, struct catchup *u, const struct wire_frame *f, int64_t now_ms)
{
	u->question = 0;
	if (u->phase == AT_END)
		return;
	if (f->kind == P_TENANT_FOUND) {
		on_tenant(c, u, f->payload);
	} else if (f->kind == P_OK && u->phase == AT_TOLD) {
		u->place++;
		u->phase = AT_PLACE;
	} else if (f->kind == P_ERROR) {
		log_event(LOG_ERROR, "keeper-refused", LOG_RUN(u), LOG_INT("code", wire_u64(f->payload, T_CODE, 0)),
		    LOG_TEXT("why", wire_text(f->payload, T_REASON)));
		u->at_ms = now_ms + MS_PER_S;
		if (++u->failures >= CATCHUP_FAILURES_MAX)
			catchup_fail(u, "the keeper refuses it");
	} else if (f->kind == P_PUT_DONE) {
		switch ((enum put_result)wire_u64(f->payload, T_RESULT, PUT_REFUSED)) {
		case PUT_DECIDED:
			u->failures = 0;
			on_decided(u, f->payload);
			break;
		case PUT_TENANTS_MOVED:
			break;          /* the new generation has emptied what we knew */
		case PUT_REFUSED:
			u->at_ms = now_ms + BUSY_MS;
			break;
		}
	}
}

/* ---- going on ------------------------------------------------------------ */

/* NULL: not just now. */
static const struct tenant *
tenant_now(struct courier *c, struct catchup *u)
{
	const struct tenant *t = where_tenant(&c->where, slice_of(u->tenant));
	uint64_t mark = where_mark(&c->where, slice_of(u->tenant));
	if (!t) {
		u->question = keeper_ask_tenant(c, slice_of(u->tenant));
		return NULL;
	}
	/* Another record: what was found under the old one may be gone. */
	if (u->mark != 0 && u->mark != mark) {
		u->place = 0;
		u->phase = AT_PLACE;
		u->put = (struct uuid){ { 0 } };
	}
	u->mark = mark;
	return t;
}

void
catchup_go(struct courier *c, struct catchup *u, int64_t now_ms)
{
	while (u->phase != AT_END && !u->in_flight && !u->question && now_ms >= u->at_ms) {
		const struct tenant *t = c->link.greeted && !c->client_stale ? tenant_now(c, u) : NULL;
		if (!t)
			return;
		switch (u->phase) {
		case AT_PLACE:   at_place(c, u, t);         break;
		case AT_LIST:
		case AT_BACK:
		case AT_FORWARD: catchup_ask(c, u, t, now_ms); break;
		case AT_TALK:    catchup_next_talk(u);       break;
		case AT_STATE:   at_state(c, u, t);         break;
		case AT_MESSAGE: at_message(c, u, t);       break;
		case AT_TOLD:
			u->question = keeper_ask_caught_up(c, slice_of(u->tenant), slice_of(u->here), u->told_us, u->begun_us);
			break;
		case AT_END:
			return;
		}
		arena_reset(u->scratch);
		/* No memory for the question. */
		if (!u->question && (u->phase == AT_TOLD || !uuid_is_zero(&u->put)))
			u->at_ms = now_ms + MS_PER_S;
	}
}
