#include "lib/chatwoot/chatwoot.h"

const char *
chatwoot_decision_text(enum chatwoot_decision d)
{
	switch (d) {
#define X(name, text) case CW_D_##name: return text;
	CHATWOOT_DECISIONS(X)
#undef X
	}
	return "?";
}

bool
chatwoot_forwards(enum chatwoot_decision d)
{
	return d == CW_D_FORWARD || d == CW_D_FORWARD_TRUNCATED || d == CW_D_FORWARD_SANITISED
	    || d == CW_D_FORWARD_FORM_ANSWER;
}

bool
chatwoot_notes(enum chatwoot_decision d)
{
	return d == CW_D_NOTE || d == CW_D_HUMAN_TOOK_OVER || d == CW_D_STOP_BOT
	    || d == CW_D_START_BOT || d == CW_D_CLOSE_SESSION;
}

const char *
chatwoot_status_word(enum chatwoot_decision d)
{
	if (chatwoot_forwards(d))
		return "accepted";
	if (chatwoot_notes(d))
		return "noted";
	if (d == CW_D_DUPLICATE)
		return "duplicate";
	return d == CW_D_IGNORE || d == CW_D_STALE ? "ignored" : "refused";
}

const char *
chatwoot_notice_text(enum chatwoot_notice n)
{
	switch (n) {
	case CW_N_NONE: return "";
#define X(name, text) case CW_N_##name: return text;
	CHATWOOT_NOTICES(X)
#undef X
	}
	return "";
}

static void
move_fence(struct chatwoot_state *st, enum chatwoot_decision why)
{
	st->fence++;
	st->fence_why = why;
}

static void
take_over(struct chatwoot_state *st)
{
	if (!st->human)
		move_fence(st, CW_D_HUMAN_TOOK_OVER);
	st->human = true;
}

static bool
newly_human(const struct chatwoot_facts *f, const struct chatwoot_state *st)
{
	return f->owner == CW_OWN_HUMAN && !(st->known && st->owner == CW_OWN_HUMAN);
}

/* Older than what we know?  Where either version is missing, arrival decides. */
static bool
is_older(const struct chatwoot_facts *f, const struct chatwoot_state *st)
{
	return st->known && f->updated_us != 0 && st->updated_us != 0
	    && f->updated_us < st->updated_us;
}

static void
record(const struct chatwoot_facts *f, struct chatwoot_state *st)
{
	st->known = true;
	st->status = f->status;
	st->owner = f->owner;
	st->owner_id = f->owner_id;
	if (f->can_reply || f->cannot_reply)
		st->no_reply = f->cannot_reply;
	if (f->updated_us != 0)
		st->updated_us = f->updated_us;
}

/* What the carried status does to the state: the table of docs/QUEUE.md, row
 * by row. */
static enum chatwoot_decision
status_row(const struct chatwoot_facts *f, enum chatwoot_mode mode, struct chatwoot_state *st)
{
	switch (f->status) {
	case CW_ST_RESOLVED:
		st->human = st->handed = false;
		move_fence(st, CW_D_CLOSE_SESSION);
		return CW_D_CLOSE_SESSION;
	case CW_ST_PENDING:
		st->human = st->handed = false;
		st->stopped = false;
		return CW_D_START_BOT;
	case CW_ST_OPEN:
		if (mode == CW_MODE_BOT)
			st->stopped = true;
		if (f->owner == CW_OWN_HUMAN) {
			take_over(st);
			return CW_D_HUMAN_TOOK_OVER;
		}
		if (mode != CW_MODE_BOT)
			return CW_D_NOTE;
		move_fence(st, CW_D_STOP_BOT);
		return CW_D_STOP_BOT;
	case CW_ST_SNOOZED:
	case CW_ST_UNKNOWN:
	case CW_ST_OTHER:
		break;
	}
	if (newly_human(f, st))
		take_over(st);
	return CW_D_NOTE;
}

/* Events that are not about the state carry it all the same, and another may
 * have been lost: take in what is newer. */
static void
refresh(const struct chatwoot_facts *f, enum chatwoot_mode mode, struct chatwoot_state *st)
{
	bool assigned = newly_human(f, st);

	if (is_older(f, st))
		return;
	if (!st->known)
		st->human = f->owner == CW_OWN_HUMAN;
	else if (st->status != f->status)
		(void)status_row(f, mode, st);
	if (st->known && assigned && f->status != CW_ST_RESOLVED)
		take_over(st);
	record(f, st);
}

struct outcome {
	enum chatwoot_decision decision;
	const char *reason;
};

static struct outcome
ignored(const char *reason)
{
	return (struct outcome){ CW_D_IGNORE, reason };
}

static struct outcome
state_outcome(enum chatwoot_decision d, const struct chatwoot_facts *f)
{
	if (d == CW_D_CLOSE_SESSION)
		return (struct outcome){ d, "close_session: the conversation was resolved" };
	if (d == CW_D_START_BOT)
		return (struct outcome){ d, "start_bot: the conversation is pending" };
	if (d == CW_D_STOP_BOT)
		return (struct outcome){ d,
		    "stop_bot: the conversation was opened, the bot is out of it" };
	if (d == CW_D_HUMAN_TOOK_OVER)
		return (struct outcome){ d, "human_took_over: a human is assigned" };
	if (f->status == CW_ST_OPEN)
		return (struct outcome){ CW_D_NOTE, "the conversation is open" };
	if (f->status == CW_ST_SNOOZED)
		return (struct outcome){ CW_D_NOTE, "the conversation is snoozed" };
	return (struct outcome){ CW_D_NOTE, "the conversation has a status we do not know" };
}

static struct outcome
decide_status(const struct chatwoot_facts *f, const struct chatwoot_policy *p,
    struct chatwoot_state *st)
{
	enum chatwoot_decision d = status_row(f, p->mode, st);

	record(f, st);
	return state_outcome(d, f);
}

static struct outcome
decide_updated(const struct chatwoot_facts *f, const struct chatwoot_policy *p,
    struct chatwoot_state *st)
{
	bool owner_moved = !st->known || st->owner != f->owner || st->owner_id != f->owner_id;

	if (newly_human(f, st)) {
		if (p->mode == CW_MODE_BOT && f->status == CW_ST_OPEN)
			st->stopped = true;
		take_over(st);
		record(f, st);
		return state_outcome(CW_D_HUMAN_TOOK_OVER, f);
	}
	if (st->known && st->status != f->status)
		return decide_status(f, p, st);
	record(f, st);
	if (f->noise)
		return ignored("only bookkeeping changed");
	if (f->changes_null && !owner_moved)
		return ignored("nothing that is kept here changed");
	return (struct outcome){ CW_D_NOTE, "the conversation changed" };
}

static struct outcome
decide_created(const struct chatwoot_facts *f, const struct chatwoot_policy *p,
    struct chatwoot_state *st)
{
	refresh(f, p->mode, st);
	return (struct outcome){ CW_D_NOTE, "a conversation began" };
}

/* Who answers here?  NULL: we do. */
static const char *
not_ours(const struct chatwoot_state *st, const struct chatwoot_policy *p)
{
	if (st->human || st->owner == CW_OWN_HUMAN)
		return "a human owns the conversation";
	if (st->owner == CW_OWN_OTHER_BOT)
		return "another bot owns the conversation";
	if (p->mode == CW_MODE_BOT && st->stopped && st->status != CW_ST_PENDING)
		return "the conversation left the bot";
	switch (st->status) {
	case CW_ST_PENDING:
		return NULL;
	case CW_ST_OPEN:
		if (p->mode == CW_MODE_BOT)
			return "the conversation is open: the bot is out of it";
		return p->answer_open ? NULL
		    : "open conversations are not answered (answer_open: false)";
	case CW_ST_RESOLVED:
		return "the conversation is resolved";
	case CW_ST_SNOOZED:
		return "the conversation is snoozed";
	case CW_ST_UNKNOWN:
	case CW_ST_OTHER:
		break;
	}
	return "the conversation has a status we do not know";
}

static struct outcome
forward(const struct chatwoot_facts *f)
{
	if (f->form_answer)
		return (struct outcome){ CW_D_FORWARD_FORM_ANSWER,
		    "customer filled in a form" };
	if (f->truncated)
		return (struct outcome){ CW_D_FORWARD_TRUNCATED,
		    "customer message, cut at 100,000 characters" };
	if (f->sanitised)
		return (struct outcome){ CW_D_FORWARD_SANITISED,
		    "customer message, U+0000 removed" };
	if (f->transcript)
		return (struct outcome){ CW_D_FORWARD, "transcription of a customer message" };
	if (!f->has_text && !f->has_attachments)
		return (struct outcome){ CW_D_FORWARD,
		    "customer message the channel could not show" };
	return (struct outcome){ CW_D_FORWARD, "customer message" };
}

static struct outcome
decide_incoming(const struct chatwoot_facts *f, const struct chatwoot_policy *p,
    const struct chatwoot_state *st)
{
	const char *why;

	if (f->private_note)
		return ignored("a private note");
	if (f->sender != CW_SE_CONTACT)
		return ignored("not written by a contact");
	if (f->blocked)
		return ignored("the contact is blocked");
	if (f->auto_reply)
		return ignored("an automatic mail");
	if (!f->has_text && !f->has_attachments && !f->content_null)
		return ignored("an empty message");
	if (f->answered)
		return ignored("a human has answered it since");
	why = not_ours(st, p);
	return why ? ignored(why) : forward(f);
}

/* Was the conversation resolved behind this message, or as soon?  Agents answer
 * and resolve in one go, and the two events come in any order: a takeover that
 * ended with its session must not reach into the next one. */
static bool
closed_since(const struct chatwoot_facts *f, const struct chatwoot_state *before,
    const struct chatwoot_state *now)
{
	bool was = before->known && before->status == CW_ST_RESOLVED;

	if (now->status != CW_ST_RESOLVED)
		return false;
	return !was || (f->updated_us != 0 && f->updated_us <= before->updated_us);
}

static struct outcome
decide_outgoing(const struct chatwoot_facts *f, const struct chatwoot_state *before,
    struct chatwoot_state *st)
{
	if (f->private_note)
		return ignored("not an incoming message: a private note");
	if (f->ours || f->sender == CW_SE_BOT)
		return ignored("not an incoming message: a bot wrote it");
	if (f->automation)
		return ignored("not an incoming message: a rule, campaign or template sent it");
	if (f->sender != CW_SE_USER && !f->external_echo)
		return ignored("not an incoming message: nobody we know wrote it");
	if (!closed_since(f, before, st))
		take_over(st);
	return (struct outcome){ CW_D_HUMAN_TOOK_OVER, f->sender == CW_SE_USER
	    ? "human_took_over: a human answered"
	    : "human_took_over: a human answered outside Chatwoot" };
}

static struct outcome
decide_message(const struct chatwoot_facts *f, const struct chatwoot_policy *p,
    struct chatwoot_state *st)
{
	const struct chatwoot_state before = *st;

	refresh(f, p->mode, st);
	switch (f->type) {
	case CW_TY_INCOMING:
		return decide_incoming(f, p, st);
	case CW_TY_OUTGOING:
		return decide_outgoing(f, &before, st);
	case CW_TY_TEMPLATE:
		return ignored("not an incoming message: Chatwoot's own text");
	case CW_TY_ACTIVITY:
		return ignored("not an incoming message: an activity");
	case CW_TY_OTHER:
		break;
	}
	return ignored("not an incoming message");
}

/* Nothing in an update says why it was sent; all but a few are receipts. */
static struct outcome
decide_message_updated(const struct chatwoot_facts *f, const struct chatwoot_policy *p,
    struct chatwoot_state *st)
{
	const char *why;

	refresh(f, p->mode, st);
	if (f->form_answer) {
		if (f->private_note)
			return ignored("a private note");
		if (f->auto_reply)
			return ignored("an automatic mail");
		why = not_ours(st, p);
		return why ? ignored(why) : forward(f);
	}
	if (f->transcript)
		return p->transcripts ? decide_incoming(f, p, st)
		    : ignored("transcriptions are not forwarded (transcripts: false)");
	if (f->external_error && f->ours)
		return (struct outcome){ CW_D_NOTE,
		    "the channel could not deliver our message" };
	return ignored("an update without an answer in it");
}

static struct outcome
decide_event(const struct chatwoot_facts *f, const struct chatwoot_policy *p,
    struct chatwoot_state *st)
{
	switch (f->event) {
	case CW_EV_OTHER:
		break;
	case CW_EV_MESSAGE_CREATED:
		return decide_message(f, p, st);
	case CW_EV_MESSAGE_UPDATED:
		return decide_message_updated(f, p, st);
	case CW_EV_CONVERSATION_CREATED:
		return decide_created(f, p, st);
	case CW_EV_CONVERSATION_UPDATED:
		return decide_updated(f, p, st);
	case CW_EV_STATUS_CHANGED:
	case CW_EV_OPENED:
	case CW_EV_RESOLVED:
		return decide_status(f, p, st);
	case CW_EV_CONTACT_UPDATED:
		if (p->tell_contact)
			return (struct outcome){ CW_D_NOTE, "a contact changed" };
		return ignored("changes of contacts are not told to the hub (tell)");
	}
	return ignored("not an event that is acted on");
}

static bool
is_state_event(enum chatwoot_event event)
{
	return event == CW_EV_CONVERSATION_UPDATED || event == CW_EV_STATUS_CHANGED
	    || event == CW_EV_OPENED || event == CW_EV_RESOLVED;
}

bool
chatwoot_state_equal(const struct chatwoot_state *a, const struct chatwoot_state *b)
{
	return a->known == b->known && a->status == b->status && a->owner == b->owner
	    && a->owner_id == b->owner_id && a->updated_us == b->updated_us
	    && a->human == b->human && a->stopped == b->stopped && a->handed == b->handed
	    && a->no_reply == b->no_reply && a->fence == b->fence && a->fence_why == b->fence_why;
}

/* What is there to tell the hub?  A fence that moved, whatever event brought
 * it: another may have been lost, or come later and change nothing any more.
 * What we did ourselves the hub asked for. */
static enum chatwoot_notice
notice_of(const struct chatwoot_facts *f, const struct chatwoot_state *before,
    const struct chatwoot_state *now, const struct chatwoot_policy *p)
{
	if (f->event == CW_EV_CONTACT_UPDATED)
		return p->tell_contact ? CW_N_CONTACT : CW_N_NONE;
	if (before->fence == now->fence)
		return CW_N_NONE;
	if (now->fence_why == CW_D_CLOSE_SESSION)
		return p->tell_closed ? CW_N_CLOSED : CW_N_NONE;
	return p->tell_takeover && !now->handed ? CW_N_TAKEN_OVER : CW_N_NONE;
}

void
chatwoot_decide(const struct chatwoot_facts *f, const struct chatwoot_state *st,
    const struct chatwoot_policy *p, bool duplicate, struct chatwoot_verdict *ret)
{
	struct outcome o;

	*ret = (struct chatwoot_verdict){ .state = *st };
	if (duplicate)
		o = (struct outcome){ CW_D_DUPLICATE, "already taken in" };
	else if (is_state_event(f->event) && is_older(f, st))
		o = (struct outcome){ CW_D_STALE, "older than the state that is known" };
	else
		o = decide_event(f, p, &ret->state);
	ret->decision = o.decision;
	ret->reason = o.reason;

	/* Who is ignored leaves nothing behind, so a stranger's noise makes no rows. */
	if (o.decision == CW_D_IGNORE && !st->known)
		ret->state = *st;
	ret->state_changed = !chatwoot_state_equal(st, &ret->state);
	ret->notice = notice_of(f, st, &ret->state, p);
	if (ret->notice != CW_N_NONE && o.decision == CW_D_IGNORE)
		ret->decision = (enum chatwoot_decision)ret->state.fence_why;
}

void
chatwoot_observe(const struct chatwoot_facts *f, enum chatwoot_mode mode, struct chatwoot_state *st)
{
	refresh(f, mode, st);
}

void
chatwoot_hand_over(struct chatwoot_state *st)
{
	take_over(st);
	st->handed = true;
}

const char *
chatwoot_fence(const struct chatwoot_state *st, uint32_t fence, const struct chatwoot_policy *p)
{
	if (st->fence != fence) {
		switch (st->fence_why) {
		case CW_D_HUMAN_TOOK_OVER: return "a human took over";
		case CW_D_STOP_BOT:        return "the conversation left the bot";
		case CW_D_CLOSE_SESSION:   return "the conversation was closed";
		}
		return "the conversation moved on";
	}
	if (st->human || st->owner == CW_OWN_HUMAN)
		return "a human took over";
	switch (st->status) {
	case CW_ST_RESOLVED:
		return "the conversation is resolved";
	case CW_ST_SNOOZED:
		return "the conversation is snoozed";
	case CW_ST_OTHER:
		return "the conversation has a status we do not know";
	case CW_ST_OPEN:
		if (p->mode == CW_MODE_BOT)
			return "the conversation is open: the bot is out of it";
		if (!p->answer_open)
			return "open conversations are not answered (answer_open: false)";
		break;
	case CW_ST_PENDING:
	case CW_ST_UNKNOWN:
		break;
	}
	return NULL;
}
