#include <stdio.h>
#include <string.h>

#include "lib/chatwoot/chatwoot.h"
#include "t/unit/unit.h"

static const struct chatwoot_policy bot = { CW_MODE_BOT, 7, 4, true, false, 0, false, false, false };
static const struct chatwoot_policy account = { CW_MODE_ACCOUNT, 7, 4, true, false, 0, false, false, false };
static const struct chatwoot_policy inbox = { CW_MODE_INBOX, 7, 4, true, false, 0, false, false, false };
static const struct chatwoot_policy closed = { CW_MODE_ACCOUNT, 7, 4, false, false, 0, false, false, false };
static const struct chatwoot_policy spoken = { CW_MODE_BOT, 7, 4, true, true, 0, false, false, false };

/* Facts of common events; a row adds what it varies, and may say otherwise. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define EVENT(event_, status_, owner_, at_, ...) \
	{ .event = CW_EV_##event_, .account = 7, .conversation = 501, .status = CW_ST_##status_, \
	  .owner = CW_OWN_##owner_, .owner_id = CW_OWN_##owner_ == CW_OWN_HUMAN ? 12 : 0, .updated_us = (at_), \
	  ##__VA_ARGS__ }
#define IN(status_, owner_, at_, ...) \
	EVENT(MESSAGE_CREATED, status_, owner_, at_, .message = 1, .type = CW_TY_INCOMING, \
	    .sender = CW_SE_CONTACT, .has_text = true, ##__VA_ARGS__)
#define OUT(sender_, ...) \
	EVENT(MESSAGE_CREATED, PENDING, OUR_BOT, 100, .message = 1, .type = CW_TY_OUTGOING, \
	    .sender = CW_SE_##sender_, .has_text = true, ##__VA_ARGS__)
#define UPDATED(...) \
	EVENT(MESSAGE_UPDATED, PENDING, OUR_BOT, 100, .message = 1, ##__VA_ARGS__)
#define KNOWN(status_, owner_, at_, ...) \
	{ .known = true, .status = CW_ST_##status_, .owner = CW_OWN_##owner_, \
	  .owner_id = CW_OWN_##owner_ == CW_OWN_HUMAN ? 12 : 0, .updated_us = (at_), ##__VA_ARGS__ }

struct row {
	const char *name;
	const struct chatwoot_policy *policy;
	struct chatwoot_facts facts;
	struct chatwoot_state state;
	enum chatwoot_decision want;
	const char *after;      /* words of describe() that must stand in the new state; "same": it did not change */
};

static void
describe(const struct chatwoot_verdict *v, char *text, size_t size)
{
	static const char *const status[] = { "unknown", "open", "resolved", "pending", "snoozed", "other" };
	static const char *const owner[] = { "nobody", "our_bot", "other_bot", "human" };
	const struct chatwoot_state *s = &v->state;

	snprintf(text, size, "%s status=%s owner=%s owner_id=%lld at=%lld human=%d stopped=%d fence=%u why=%s",
	    v->state_changed ? "changed" : "same", status[s->status], owner[s->owner], (long long)s->owner_id, (long long)s->updated_us,
	    s->human, s->stopped, s->fence, s->fence ? chatwoot_decision_text((enum chatwoot_decision)s->fence_why) : "-");
}

static bool
holds_all(const char *text, const char *want)
{
	char word[64];
	int used;

	for (; sscanf(want, " %60s%n", word, &used) == 1; want += used) {
		const char *at = strstr(text, word);
		size_t n = strlen(word);

		if (!at || (at[n] != '\0' && at[n] != ' '))
			return false;
	}
	return true;
}

static void
run_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct chatwoot_verdict v;
		char text[200];

		chatwoot_decide(&rows[i].facts, &rows[i].state, rows[i].policy, false, &v);
		describe(&v, text, sizeof(text));
		ROW(rows[i].name, v.decision == rows[i].want);
		ROW(rows[i].name, v.reason != NULL && v.reason[0] != '\0');
		ROW(rows[i].name, holds_all(text, rows[i].after));
		if (v.decision != rows[i].want || !holds_all(text, rows[i].after))
			fprintf(stderr, "   %s (%s): %s\n", chatwoot_decision_text(v.decision), v.reason, text);
	}
}

/* clang-format off */
static const struct row incoming[] = {
	{ "pending and our bot's: answered in bot mode", &bot, IN(PENDING, OUR_BOT, 100), { 0 }, CW_D_FORWARD,
	  "changed status=pending owner=our_bot at=100 human=0 fence=0" },
	{ "pending and nobody's: answered in bot mode", &bot, IN(PENDING, NOBODY, 100), { 0 }, CW_D_FORWARD, "changed" },
	{ "pending: answered in account mode", &account, IN(PENDING, OUR_BOT, 100), { 0 }, CW_D_FORWARD, "changed" },
	{ "pending: answered in inbox mode", &inbox, IN(PENDING, NOBODY, 100), { 0 }, CW_D_FORWARD, "changed" },
	{ "pending is answered without answer_open", &closed, IN(PENDING, NOBODY, 100), { 0 }, CW_D_FORWARD, "changed" },
	{ "open and unassigned: not in bot mode", &bot, IN(OPEN, NOBODY, 100), { 0 }, CW_D_IGNORE, "same" },
	{ "open and unassigned: in account mode", &account, IN(OPEN, NOBODY, 100), { 0 }, CW_D_FORWARD, "changed status=open" },
	{ "open and unassigned: in inbox mode", &inbox, IN(OPEN, NOBODY, 100), { 0 }, CW_D_FORWARD, "changed status=open" },
	{ "open and unassigned: not without answer_open", &closed, IN(OPEN, NOBODY, 100), { 0 }, CW_D_IGNORE, "same" },
	{ "open and our bot's: in account mode", &account, IN(OPEN, OUR_BOT, 100), { 0 }, CW_D_FORWARD, "changed" },
	{ "open and our bot's: not in bot mode", &bot, IN(OPEN, OUR_BOT, 100), { 0 }, CW_D_IGNORE, "same" },
	{ "open and a human's: not", &account, IN(OPEN, HUMAN, 100), { 0 }, CW_D_IGNORE, "same" },
	{ "pending and a human's: not", &bot, IN(PENDING, HUMAN, 100), { 0 }, CW_D_IGNORE, "same" },
	{ "another bot's: not", &bot, IN(PENDING, OTHER_BOT, 100), { 0 }, CW_D_IGNORE, "same" },
	{ "resolved: not", &account, IN(RESOLVED, NOBODY, 100), { 0 }, CW_D_IGNORE, "same" },
	{ "snoozed: not", &account, IN(SNOOZED, NOBODY, 100), { 0 }, CW_D_IGNORE, "same" },
	{ "a status nobody knows: not", &account, IN(OTHER, NOBODY, 100), { 0 }, CW_D_IGNORE, "same" },
	{ "a private note", &bot, IN(PENDING, OUR_BOT, 100, .private_note = true), { 0 }, CW_D_IGNORE, "same" },
	{ "no sender", &bot, IN(PENDING, OUR_BOT, 100, .sender = CW_SE_NULL), { 0 }, CW_D_IGNORE, "same" },
	{ "a user as sender", &bot, IN(PENDING, OUR_BOT, 100, .sender = CW_SE_USER), { 0 }, CW_D_IGNORE, "same" },
	{ "a sender of an unknown kind", &bot, IN(PENDING, OUR_BOT, 100, .sender = CW_SE_OTHER), { 0 }, CW_D_IGNORE, "same" },
	{ "a blocked contact", &bot, IN(PENDING, OUR_BOT, 100, .blocked = true), { 0 }, CW_D_IGNORE, "same" },
	{ "an automatic mail", &bot, IN(PENDING, OUR_BOT, 100, .auto_reply = true), { 0 }, CW_D_IGNORE, "same" },
	{ "an empty text", &bot, IN(PENDING, OUR_BOT, 100, .has_text = false), { 0 }, CW_D_IGNORE, "same" },
	{ "an attachment alone", &bot, IN(PENDING, OUR_BOT, 100, .has_text = false, .has_attachments = true), { 0 }, CW_D_FORWARD, "changed" },
	{ "nothing the channel could show", &bot, IN(PENDING, OUR_BOT, 100, .has_text = false, .content_null = true), { 0 }, CW_D_FORWARD, "changed" },
	{ "a text that was cut", &bot, IN(PENDING, OUR_BOT, 100, .truncated = true, .sanitised = true), { 0 }, CW_D_FORWARD_TRUNCATED, "changed" },
	{ "a text with U+0000", &bot, IN(PENDING, OUR_BOT, 100, .sanitised = true), { 0 }, CW_D_FORWARD_SANITISED, "changed" },
	{ "a human took over before", &bot, IN(PENDING, OUR_BOT, 100), KNOWN(PENDING, OUR_BOT, 100, .human = true, .fence = 1),
	  CW_D_IGNORE, "same human=1" },
	{ "the stored state is newer: a human's", &account, IN(OPEN, NOBODY, 90), KNOWN(OPEN, HUMAN, 100), CW_D_IGNORE, "same" },
	{ "the stored state is newer: resolved", &account, IN(OPEN, NOBODY, 90), KNOWN(RESOLVED, NOBODY, 100), CW_D_IGNORE, "same status=resolved" },
	{ "the stored state is newer: pending", &bot, IN(OPEN, NOBODY, 90), KNOWN(PENDING, OUR_BOT, 100), CW_D_FORWARD, "same status=pending" },
	{ "a message starts a new session after the close", &bot, IN(PENDING, OUR_BOT, 110),
	  KNOWN(RESOLVED, HUMAN, 100, .human = true, .stopped = true, .fence = 3, .fence_why = CW_D_CLOSE_SESSION),
	  CW_D_FORWARD, "changed status=pending at=110 human=0 stopped=0 fence=3" },
	{ "a lost resolved is caught up, also by an ignored message", &account, IN(RESOLVED, NOBODY, 110),
	  KNOWN(OPEN, HUMAN, 100, .human = true, .fence = 1), CW_D_IGNORE,
	  "changed status=resolved human=0 fence=2 why=close_session" },
	{ "a lost open stops the bot", &bot, IN(OPEN, NOBODY, 110), KNOWN(PENDING, OUR_BOT, 100), CW_D_IGNORE,
	  "changed status=open stopped=1 fence=1 why=stop_bot" },
	{ "a lost open in account mode is but an open", &account, IN(OPEN, NOBODY, 110), KNOWN(PENDING, OUR_BOT, 100), CW_D_FORWARD,
	  "changed status=open stopped=0 fence=0" },
	{ "a lost assignment, with the status", &account, IN(OPEN, HUMAN, 110), KNOWN(PENDING, OUR_BOT, 100), CW_D_IGNORE,
	  "changed status=open owner=human human=1 fence=1 why=human_took_over" },
	{ "a lost assignment, the status as it was", &account, IN(OPEN, HUMAN, 110), KNOWN(OPEN, NOBODY, 100), CW_D_IGNORE,
	  "changed owner=human human=1 fence=1 why=human_took_over" },
	{ "without a version arrival decides", &bot, IN(PENDING, OUR_BOT, 0), KNOWN(OPEN, NOBODY, 100, .stopped = true), CW_D_FORWARD,
	  "changed status=pending at=100 stopped=0" },
	{ "the same version again changes nothing", &bot, IN(PENDING, OUR_BOT, 100), KNOWN(PENDING, OUR_BOT, 100), CW_D_FORWARD, "same" },
	{ "a takeover outlives pending that stays pending", &bot, IN(PENDING, OUR_BOT, 120),
	  KNOWN(PENDING, OUR_BOT, 100, .human = true, .fence = 1), CW_D_IGNORE, "changed human=1 at=120 fence=1" },
};

static const struct row outgoing[] = {
	{ "a human answers", &account, OUT(USER), { 0 }, CW_D_HUMAN_TOOK_OVER, "changed human=1 fence=1 why=human_took_over" },
	{ "a human answers again: the fence stays", &account, OUT(USER), KNOWN(PENDING, OUR_BOT, 100, .human = true, .fence = 4),
	  CW_D_HUMAN_TOOK_OVER, "human=1 fence=4" },
	{ "a human answers on the phone", &bot, OUT(NULL, .external_echo = true), { 0 }, CW_D_HUMAN_TOOK_OVER, "changed human=1" },
	{ "a human answered before it was resolved, and that came first: the session is over", &account,
	  OUT(USER, .updated_us = 90), KNOWN(RESOLVED, NOBODY, 100, .fence = 1, .fence_why = CW_D_CLOSE_SESSION),
	  CW_D_HUMAN_TOOK_OVER, "same human=0 fence=1" },
	{ "a human's answer that carries the resolving with it", &account,
	  OUT(USER, .status = CW_ST_RESOLVED, .updated_us = 110), KNOWN(PENDING, OUR_BOT, 100),
	  CW_D_HUMAN_TOOK_OVER, "changed status=resolved human=0 fence=1 why=close_session" },
	{ "a human writes after it was resolved", &account,
	  OUT(USER, .status = CW_ST_RESOLVED, .updated_us = 110), KNOWN(RESOLVED, NOBODY, 100),
	  CW_D_HUMAN_TOOK_OVER, "changed status=resolved human=1" },
	{ "a human writes after it was resolved, without a version", &account,
	  OUT(USER, .status = CW_ST_RESOLVED, .updated_us = 0), KNOWN(RESOLVED, NOBODY, 100),
	  CW_D_HUMAN_TOOK_OVER, "changed human=1" },
	{ "a human's answer that comes late in a session that goes on", &bot,
	  OUT(USER, .updated_us = 90), KNOWN(PENDING, OUR_BOT, 100), CW_D_HUMAN_TOOK_OVER, "changed human=1 fence=1" },
	{ "a human's private note", &bot, OUT(USER, .private_note = true), { 0 }, CW_D_IGNORE, "same" },
	{ "our own reply", &bot, OUT(USER, .ours = true), { 0 }, CW_D_IGNORE, "same human=0" },
	{ "any bot's reply", &bot, OUT(BOT), { 0 }, CW_D_IGNORE, "same" },
	{ "a rule, though in a user's name", &bot, OUT(USER, .automation = true), { 0 }, CW_D_IGNORE, "same human=0" },
	{ "a rule with an echo", &bot, OUT(NULL, .automation = true, .external_echo = true), { 0 }, CW_D_IGNORE, "same" },
	{ "a greeting", &bot, OUT(NULL), { 0 }, CW_D_IGNORE, "same" },
	{ "a sender of an unknown kind", &bot, OUT(OTHER), { 0 }, CW_D_IGNORE, "same" },
	{ "a template", &bot, OUT(USER, .type = CW_TY_TEMPLATE), { 0 }, CW_D_IGNORE, "same" },
	{ "an activity", &bot, OUT(USER, .type = CW_TY_ACTIVITY), { 0 }, CW_D_IGNORE, "same" },
	{ "a type nobody knows", &bot, OUT(USER, .type = CW_TY_OTHER), { 0 }, CW_D_IGNORE, "same" },
	{ "an ignored echo of a known conversation brings its version", &bot, OUT(BOT), KNOWN(PENDING, OUR_BOT, 90), CW_D_IGNORE,
	  "changed at=100 status=pending fence=0" },
};

static const struct row updates[] = {
	{ "a form answer on our own message", &bot, UPDATED(.type = CW_TY_OUTGOING, .sender = CW_SE_BOT, .form_answer = true), { 0 },
	  CW_D_FORWARD_FORM_ANSWER, "changed" },
	{ "a form answer that was cut is a form answer", &bot,
	  UPDATED(.type = CW_TY_OUTGOING, .form_answer = true, .truncated = true, .sanitised = true), { 0 }, CW_D_FORWARD_FORM_ANSWER, "changed" },
	{ "a form answer where a human took over", &bot, UPDATED(.type = CW_TY_OUTGOING, .form_answer = true),
	  KNOWN(PENDING, OUR_BOT, 100, .human = true), CW_D_IGNORE, "same" },
	{ "a form answer in a private note", &bot, UPDATED(.form_answer = true, .private_note = true), { 0 }, CW_D_IGNORE, "same" },
	{ "a form answer in a resolved conversation", &account,
	  EVENT(MESSAGE_UPDATED, RESOLVED, NOBODY, 100, .message = 1, .form_answer = true), { 0 }, CW_D_IGNORE, "same" },
	{ "a transcription, not wanted", &bot, UPDATED(.type = CW_TY_INCOMING, .sender = CW_SE_CONTACT, .transcript = true, .has_text = true),
	  { 0 }, CW_D_IGNORE, "same" },
	{ "a transcription, wanted", &spoken, UPDATED(.type = CW_TY_INCOMING, .sender = CW_SE_CONTACT, .transcript = true, .has_text = true),
	  { 0 }, CW_D_FORWARD, "changed" },
	{ "a transcription of a blocked contact", &spoken,
	  UPDATED(.type = CW_TY_INCOMING, .sender = CW_SE_CONTACT, .transcript = true, .has_text = true, .blocked = true), { 0 }, CW_D_IGNORE, "same" },
	{ "the channel refused our message", &bot, UPDATED(.type = CW_TY_OUTGOING, .external_error = true, .ours = true), { 0 }, CW_D_NOTE, "changed" },
	{ "the channel refused a human's message", &bot, UPDATED(.type = CW_TY_OUTGOING, .external_error = true), { 0 }, CW_D_IGNORE, "same" },
	{ "a receipt", &bot, UPDATED(.type = CW_TY_INCOMING, .sender = CW_SE_CONTACT, .has_text = true), { 0 }, CW_D_IGNORE, "same" },
	{ "an update of a human's message takes nothing over", &bot, UPDATED(.type = CW_TY_OUTGOING, .sender = CW_SE_USER), { 0 }, CW_D_IGNORE, "same" },
};

static const struct row states[] = {
	{ "resolved closes", &account, EVENT(STATUS_CHANGED, RESOLVED, HUMAN, 100), KNOWN(OPEN, HUMAN, 90, .human = true, .fence = 1),
	  CW_D_CLOSE_SESSION, "changed status=resolved human=0 fence=2 why=close_session" },
	{ "resolved, never seen before", &bot, EVENT(RESOLVED, RESOLVED, OUR_BOT, 100), { 0 }, CW_D_CLOSE_SESSION, "changed fence=1" },
	{ "pending starts the bot", &bot, EVENT(STATUS_CHANGED, PENDING, OUR_BOT, 100),
	  KNOWN(OPEN, HUMAN, 90, .human = true, .stopped = true, .fence = 2, .fence_why = CW_D_STOP_BOT),
	  CW_D_START_BOT, "changed status=pending owner=our_bot human=0 stopped=0 fence=2 why=stop_bot" },
	{ "open and a human's", &account, EVENT(STATUS_CHANGED, OPEN, HUMAN, 100), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_HUMAN_TOOK_OVER, "changed status=open owner=human human=1 stopped=0 fence=1 why=human_took_over" },
	{ "open and a human's in bot mode", &bot, EVENT(OPENED, OPEN, HUMAN, 100), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_HUMAN_TOOK_OVER, "changed human=1 stopped=1 fence=1 why=human_took_over" },
	{ "open in bot mode", &bot, EVENT(OPENED, OPEN, OUR_BOT, 100), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_STOP_BOT, "changed status=open human=0 stopped=1 fence=1 why=stop_bot" },
	{ "open in account mode", &account, EVENT(STATUS_CHANGED, OPEN, NOBODY, 100), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_NOTE, "changed status=open stopped=0 fence=0" },
	{ "open in inbox mode", &inbox, EVENT(STATUS_CHANGED, OPEN, NOBODY, 100), { 0 }, CW_D_NOTE, "changed status=open fence=0" },
	{ "snoozed is noted", &bot, EVENT(STATUS_CHANGED, SNOOZED, OUR_BOT, 100), KNOWN(PENDING, OUR_BOT, 90), CW_D_NOTE, "changed status=snoozed fence=0" },
	{ "snoozed by a human who took it", &bot, EVENT(STATUS_CHANGED, SNOOZED, HUMAN, 100), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_NOTE, "changed status=snoozed human=1 fence=1 why=human_took_over" },
	{ "a status nobody knows is noted", &bot, EVENT(STATUS_CHANGED, OTHER, OUR_BOT, 100), KNOWN(PENDING, OUR_BOT, 90), CW_D_NOTE, "changed status=other" },
	{ "older than what is known", &bot, EVENT(STATUS_CHANGED, OPEN, NOBODY, 99), KNOWN(PENDING, OUR_BOT, 100), CW_D_STALE, "same status=pending" },
	{ "as old as what is known", &bot, EVENT(STATUS_CHANGED, OPEN, NOBODY, 100), KNOWN(PENDING, OUR_BOT, 100), CW_D_STOP_BOT, "changed" },
	{ "no version is never stale", &bot, EVENT(STATUS_CHANGED, OPEN, NOBODY, 0), KNOWN(PENDING, OUR_BOT, 100), CW_D_STOP_BOT, "changed at=100" },
	{ "nothing is older than no version", &bot, EVENT(STATUS_CHANGED, OPEN, NOBODY, 5), KNOWN(PENDING, OUR_BOT, 0), CW_D_STOP_BOT, "changed at=5" },
	{ "an older opened twin is stale too", &bot, EVENT(OPENED, OPEN, NOBODY, 99), KNOWN(PENDING, OUR_BOT, 100), CW_D_STALE, "same" },
	{ "an older update is stale too", &bot, EVENT(CONVERSATION_UPDATED, OPEN, HUMAN, 99), KNOWN(PENDING, OUR_BOT, 100), CW_D_STALE, "same" },
};

static const struct row conversation_updates[] = {
	{ "a human is assigned, whatever the status", &bot, EVENT(CONVERSATION_UPDATED, PENDING, HUMAN, 100), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_HUMAN_TOOK_OVER, "changed owner=human human=1 fence=1 why=human_took_over" },
	{ "a human is assigned, though bookkeeping is all that is named", &bot, EVENT(CONVERSATION_UPDATED, PENDING, HUMAN, 100, .noise = true),
	  KNOWN(PENDING, OUR_BOT, 90), CW_D_HUMAN_TOOK_OVER, "changed" },
	{ "a human's conversation, never seen before", &account, EVENT(CONVERSATION_UPDATED, OPEN, HUMAN, 100), { 0 },
	  CW_D_HUMAN_TOOK_OVER, "changed human=1" },
	{ "a human is assigned who answered before: the fence stays", &account, EVENT(CONVERSATION_UPDATED, OPEN, HUMAN, 100),
	  KNOWN(OPEN, NOBODY, 90, .human = true, .fence = 1), CW_D_HUMAN_TOOK_OVER, "changed owner=human fence=1" },
	{ "a human is assigned an open one in bot mode", &bot, EVENT(CONVERSATION_UPDATED, OPEN, HUMAN, 100), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_HUMAN_TOOK_OVER, "changed status=open stopped=1" },
	{ "a human is assigned an open one in account mode", &account, EVENT(CONVERSATION_UPDATED, OPEN, HUMAN, 100), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_HUMAN_TOOK_OVER, "changed status=open stopped=0" },
	{ "a human is assigned a pending one in bot mode", &bot, EVENT(CONVERSATION_UPDATED, PENDING, HUMAN, 100), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_HUMAN_TOOK_OVER, "changed status=pending stopped=0" },
	{ "one human hands it to another", &account, EVENT(CONVERSATION_UPDATED, OPEN, HUMAN, 100, .changes_null = true),
	  { .known = true, .status = CW_ST_OPEN, .owner = CW_OWN_HUMAN, .owner_id = 13, .updated_us = 90 }, CW_D_NOTE, "changed owner_id=12" },
	{ "a human was assigned before", &account, EVENT(CONVERSATION_UPDATED, OPEN, HUMAN, 100), KNOWN(OPEN, HUMAN, 90, .human = true, .fence = 1),
	  CW_D_NOTE, "changed at=100 fence=1" },
	{ "another status is that status's row", &account, EVENT(CONVERSATION_UPDATED, RESOLVED, NOBODY, 100), KNOWN(OPEN, NOBODY, 90),
	  CW_D_CLOSE_SESSION, "changed fence=1 why=close_session" },
	{ "another status in bot mode", &bot, EVENT(CONVERSATION_UPDATED, OPEN, NOBODY, 100, .noise = true), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_STOP_BOT, "changed stopped=1" },
	{ "back to pending", &bot, EVENT(CONVERSATION_UPDATED, PENDING, OUR_BOT, 100), KNOWN(OPEN, NOBODY, 90, .stopped = true),
	  CW_D_START_BOT, "changed stopped=0" },
	{ "bookkeeping", &bot, EVENT(CONVERSATION_UPDATED, PENDING, OUR_BOT, 100, .noise = true), KNOWN(PENDING, OUR_BOT, 90),
	  CW_D_IGNORE, "changed at=100 fence=0" },
	{ "bookkeeping of a conversation never seen makes no row", &bot, EVENT(CONVERSATION_UPDATED, PENDING, OUR_BOT, 100, .noise = true), { 0 },
	  CW_D_IGNORE, "same" },
	{ "labels", &bot, EVENT(CONVERSATION_UPDATED, PENDING, OUR_BOT, 100), { 0 }, CW_D_NOTE, "changed" },
	{ "changes unsaid and nothing differs", &bot, EVENT(CONVERSATION_UPDATED, PENDING, OUR_BOT, 100, .changes_null = true),
	  KNOWN(PENDING, OUR_BOT, 90), CW_D_IGNORE, "changed at=100" },
	{ "changes unsaid and the owner differs", &bot, EVENT(CONVERSATION_UPDATED, PENDING, NOBODY, 100, .changes_null = true),
	  KNOWN(PENDING, OUR_BOT, 90), CW_D_NOTE, "changed owner=nobody" },
	{ "changes unsaid, never seen before", &bot, EVENT(CONVERSATION_UPDATED, PENDING, NOBODY, 100, .changes_null = true), { 0 },
	  CW_D_NOTE, "changed" },
	{ "the same status from a conversation never seen is no change", &account, EVENT(CONVERSATION_UPDATED, RESOLVED, NOBODY, 100), { 0 },
	  CW_D_NOTE, "changed status=resolved fence=0" },
	{ "a conversation begins", &account, EVENT(CONVERSATION_CREATED, OPEN, NOBODY, 100), { 0 }, CW_D_NOTE, "changed status=open fence=0" },
	{ "a human begins a conversation", &account, EVENT(CONVERSATION_CREATED, OPEN, HUMAN, 100), { 0 }, CW_D_NOTE, "changed human=1" },
	{ "its beginning comes late", &account, EVENT(CONVERSATION_CREATED, OPEN, NOBODY, 90), KNOWN(RESOLVED, HUMAN, 100, .fence = 1),
	  CW_D_NOTE, "same" },
	{ "an event that is none of ours", &account, EVENT(OTHER, UNKNOWN, NOBODY, 0), KNOWN(OPEN, NOBODY, 100), CW_D_IGNORE, "same" },
};
/* clang-format on */

/* The reason is all that an answer, a log line and `ponte explain` say. */
static void
test_reasons(void)
{
	static const struct {
		const struct chatwoot_policy *policy;
		struct chatwoot_facts facts;
		struct chatwoot_state state;
		const char *want;
	} rows[] = {
		{ &bot, IN(PENDING, OUR_BOT, 100), { 0 }, "customer message" },
		{ &bot, IN(PENDING, OUR_BOT, 100, .has_text = false, .has_attachments = true), { 0 }, "customer message" },
		{ &bot, IN(PENDING, OUR_BOT, 100, .has_text = false, .content_null = true), { 0 },
		  "customer message the channel could not show" },
		{ &bot, IN(PENDING, HUMAN, 100), { 0 }, "a human owns the conversation" },
		{ &bot, IN(OPEN, NOBODY, 100), KNOWN(OPEN, NOBODY, 100, .stopped = true), "the conversation left the bot" },
		{ &bot, IN(OPEN, NOBODY, 100), { 0 }, "the conversation is open: the bot is out of it" },
		{ &account, IN(RESOLVED, NOBODY, 100), KNOWN(RESOLVED, NOBODY, 100, .stopped = true), "the conversation is resolved" },
		{ &closed, IN(OPEN, NOBODY, 100), { 0 }, "open conversations are not answered (answer_open: false)" },
		{ &account, EVENT(STATUS_CHANGED, OPEN, NOBODY, 100), { 0 }, "the conversation is open" },
		{ &account, EVENT(STATUS_CHANGED, SNOOZED, NOBODY, 100), { 0 }, "the conversation is snoozed" },
		{ &account, EVENT(STATUS_CHANGED, OTHER, NOBODY, 100), { 0 }, "the conversation has a status we do not know" },
		{ &bot, OUT(USER), { 0 }, "human_took_over: a human answered" },
		{ &bot, OUT(NULL, .external_echo = true), { 0 }, "human_took_over: a human answered outside Chatwoot" },
		{ &bot, UPDATED(.type = CW_TY_INCOMING, .transcript = true), { 0 },
		  "transcriptions are not forwarded (transcripts: false)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct chatwoot_verdict v;

		chatwoot_decide(&rows[i].facts, &rows[i].state, rows[i].policy, false, &v);
		ROW(rows[i].want, strcmp(v.reason, rows[i].want) == 0);
	}
}

#define RUN(table) \
	static void \
	test_##table(void) \
	{ \
		run_rows(table, ARRAY_LEN(table)); \
	}
RUN(incoming)
RUN(outgoing)
RUN(updates)
RUN(states)
RUN(conversation_updates)

static void
test_duplicate(void)
{
	static const struct {
		const char *name;
		struct chatwoot_facts facts;
		struct chatwoot_state state;
	} rows[] = {
		{ "a message twice", IN(RESOLVED, HUMAN, 110), KNOWN(PENDING, OUR_BOT, 100) },
		{ "a duplicate is no stale", EVENT(STATUS_CHANGED, OPEN, HUMAN, 90), KNOWN(PENDING, OUR_BOT, 100) },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct chatwoot_verdict v;

		chatwoot_decide(&rows[i].facts, &rows[i].state, &bot, true, &v);
		ROW(rows[i].name, v.decision == CW_D_DUPLICATE);
		ROW(rows[i].name, !v.state_changed);
	}
}

static void
test_keys(void)
{
	static const struct {
		const char *name;
		struct chatwoot_facts facts;
		const char *want;
	} rows[] = {
		{ "a message", IN(OPEN, NOBODY, 5, .message = INT64_MAX), "m:9223372036854775807" },
		{ "a form answer", UPDATED(.form_answer = true, .form_hash = "ab"), "f:1:ab" },
		{ "a transcription", UPDATED(.transcript = true), "t:1" },
		{ "another update", UPDATED(.external_error = true), "" },
		{ "a beginning, with or without version", EVENT(CONVERSATION_CREATED, OPEN, NOBODY, 0), "c:7:501:created" },
		{ "an update", EVENT(CONVERSATION_UPDATED, OPEN, NOBODY, 1767348005000007), "c:7:501:1767348005.000007" },
		{ "an update without version", EVENT(CONVERSATION_UPDATED, OPEN, NOBODY, 0), "" },
		{ "a status", EVENT(STATUS_CHANGED, OPEN, NOBODY, 1767348031418207), "s:7:501:open:1767348031.418207" },
		{ "its twin", EVENT(OPENED, OPEN, NOBODY, 1767348031418207), "s:7:501:open:1767348031.418207" },
		{ "resolved", EVENT(RESOLVED, RESOLVED, NOBODY, 1000000), "s:7:501:resolved:1.000000" },
		{ "pending", EVENT(STATUS_CHANGED, PENDING, NOBODY, 1), "s:7:501:pending:0.000001" },
		{ "snoozed", EVENT(STATUS_CHANGED, SNOOZED, NOBODY, 1), "s:7:501:snoozed:0.000001" },
		{ "a status without version", EVENT(STATUS_CHANGED, OPEN, NOBODY, 0), "" },
		{ "none of ours", EVENT(OTHER, UNKNOWN, NOBODY, 0), "" },
		{ "a status without version, with a delivery id", EVENT(STATUS_CHANGED, OPEN, NOBODY, 0, .delivery_hash = "ab"), "d:ab" },
		{ "an update without an answer, with a delivery id", UPDATED(.external_error = true, .delivery_hash = "ab"), "d:ab" },
		{ "a version stands before the delivery id", EVENT(STATUS_CHANGED, OPEN, NOBODY, 1, .delivery_hash = "ab"), "s:7:501:open:0.000001" },
		{ "a message's id stands before the delivery id", IN(OPEN, NOBODY, 0, .delivery_hash = "ab"), "m:1" },
		{ "none of ours, with a delivery id", EVENT(OTHER, UNKNOWN, NOBODY, 0, .delivery_hash = "ab"), "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char key[CHATWOOT_KEY];

		chatwoot_key(&rows[i].facts, key);
		ROW(rows[i].name, strcmp(key, rows[i].want) == 0);
	}
}

static void
test_fence(void)
{
	static const struct {
		const char *name;
		struct chatwoot_state state;
		uint32_t fence;
		const struct chatwoot_policy *policy;
		const char *want;       /* NULL: may be posted */
	} rows[] = {
		{ "as it was", KNOWN(PENDING, OUR_BOT, 1, .fence = 2), 2, &bot, NULL },
		{ "open in account mode", KNOWN(OPEN, NOBODY, 1), 0, &account, NULL },
		{ "open in inbox mode", KNOWN(OPEN, NOBODY, 1), 0, &inbox, NULL },
		{ "open in bot mode", KNOWN(OPEN, NOBODY, 1), 0, &bot, "open" },
		{ "a takeover since", KNOWN(PENDING, OUR_BOT, 1, .fence = 3, .fence_why = CW_D_HUMAN_TOOK_OVER), 2, &bot, "human took over" },
		{ "a stop since", KNOWN(PENDING, OUR_BOT, 1, .fence = 3, .fence_why = CW_D_STOP_BOT), 2, &bot, "left the bot" },
		{ "a close since", KNOWN(PENDING, OUR_BOT, 1, .fence = 3, .fence_why = CW_D_CLOSE_SESSION), 2, &bot, "was closed" },
		{ "a human", KNOWN(PENDING, OUR_BOT, 1, .human = true), 0, &account, "human took over" },
		{ "a human who was there when it went back to pending", KNOWN(PENDING, HUMAN, 1), 0, &bot, "human took over" },
		{ "open without answer_open", KNOWN(OPEN, NOBODY, 1), 0, &closed, "answer_open" },
		{ "pending without answer_open", KNOWN(PENDING, NOBODY, 1), 0, &closed, NULL },
		{ "resolved", KNOWN(RESOLVED, NOBODY, 1), 0, &account, "resolved" },
		{ "snoozed", KNOWN(SNOOZED, NOBODY, 1), 0, &account, "snoozed" },
		{ "a status nobody knows", KNOWN(OTHER, NOBODY, 1), 0, &account, "status" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = chatwoot_fence(&rows[i].state, rows[i].fence, rows[i].policy);

		ROW(rows[i].name, rows[i].want ? why && strstr(why, rows[i].want) : why == NULL);
	}
}

/* One conversation from its first message to the next session, in bot mode. */
static void
test_a_conversation(void)
{
	static const struct {
		const char *name;
		struct chatwoot_facts facts;
		enum chatwoot_decision want;
		uint32_t fence;
		bool human;
	} steps[] = {
		{ "the customer writes", IN(PENDING, OUR_BOT, 100), CW_D_FORWARD, 0, false },
		{ "our reply comes back", OUT(BOT, .updated_us = 110), CW_D_IGNORE, 0, false },
		{ "its bookkeeping", EVENT(CONVERSATION_UPDATED, PENDING, OUR_BOT, 111, .noise = true), CW_D_IGNORE, 0, false },
		{ "a human answers while it is pending", OUT(USER, .updated_us = 120), CW_D_HUMAN_TOOK_OVER, 1, true },
		{ "the customer answers the human", IN(PENDING, OUR_BOT, 130), CW_D_IGNORE, 1, true },
		{ "the human takes it", EVENT(CONVERSATION_UPDATED, OPEN, HUMAN, 140), CW_D_HUMAN_TOOK_OVER, 1, true },
		{ "and it is opened", EVENT(STATUS_CHANGED, OPEN, HUMAN, 140), CW_D_HUMAN_TOOK_OVER, 1, true },
		{ "a pending of before comes late", EVENT(STATUS_CHANGED, PENDING, OUR_BOT, 115), CW_D_STALE, 1, true },
		{ "the human resolves it", EVENT(STATUS_CHANGED, RESOLVED, HUMAN, 150), CW_D_CLOSE_SESSION, 2, false },
		{ "the customer comes back", IN(PENDING, OUR_BOT, 160), CW_D_FORWARD, 2, false },
		{ "the hub hands over", EVENT(STATUS_CHANGED, OPEN, NOBODY, 170), CW_D_STOP_BOT, 3, false },
		{ "the customer writes to nobody", IN(OPEN, NOBODY, 180), CW_D_IGNORE, 3, false },
		{ "an agent gives it back", EVENT(STATUS_CHANGED, PENDING, OUR_BOT, 190), CW_D_START_BOT, 3, false },
		{ "the customer writes to the bot", IN(PENDING, OUR_BOT, 200), CW_D_FORWARD, 3, false },
	};
	struct chatwoot_state state = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct chatwoot_verdict v;

		chatwoot_decide(&steps[i].facts, &state, &bot, false, &v);
		if (v.state_changed)
			state = v.state;
		ROW(steps[i].name, v.decision == steps[i].want);
		ROW(steps[i].name, state.fence == steps[i].fence && state.human == steps[i].human);
	}
}

static void
test_words(void)
{
	static const struct {
		enum chatwoot_decision decision;
		const char *text, *word;
		bool forwards, notes;
	} rows[] = {
		{ CW_D_FORWARD, "forward", "accepted", true, false },
		{ CW_D_FORWARD_TRUNCATED, "forward_truncated", "accepted", true, false },
		{ CW_D_FORWARD_SANITISED, "forward_sanitised", "accepted", true, false },
		{ CW_D_FORWARD_FORM_ANSWER, "forward_form_answer", "accepted", true, false },
		{ CW_D_IGNORE, "ignore", "ignored", false, false },
		{ CW_D_NOTE, "note", "noted", false, true },
		{ CW_D_DUPLICATE, "duplicate", "duplicate", false, false },
		{ CW_D_STALE, "stale", "ignored", false, false },
		{ CW_D_HUMAN_TOOK_OVER, "human_took_over", "noted", false, true },
		{ CW_D_STOP_BOT, "stop_bot", "noted", false, true },
		{ CW_D_START_BOT, "start_bot", "noted", false, true },
		{ CW_D_CLOSE_SESSION, "close_session", "noted", false, true },
		{ CW_D_REJECT_JSON, "reject_json", "refused", false, false },
		{ CW_D_REJECT_SCHEMA, "reject_schema", "refused", false, false },
		{ CW_D_REJECT_UNSIGNED, "reject_unsigned", "refused", false, false },
		{ CW_D_REJECT_ACCOUNT, "reject_account", "refused", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum chatwoot_decision d = rows[i].decision;

		ROW(rows[i].text, strcmp(chatwoot_decision_text(d), rows[i].text) == 0);
		ROW(rows[i].text, strcmp(chatwoot_status_word(d), rows[i].word) == 0);
		ROW(rows[i].text, chatwoot_forwards(d) == rows[i].forwards && chatwoot_notes(d) == rows[i].notes);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "incoming messages", test_incoming },
		{ "outgoing messages", test_outgoing },
		{ "updates of messages", test_updates },
		{ "states", test_states },
		{ "updates of conversations", test_conversation_updates },
		{ "reasons", test_reasons },
		{ "duplicates", test_duplicate },
		{ "keys", test_keys },
		{ "the fence", test_fence },
		{ "a conversation from end to end", test_a_conversation },
		{ "words", test_words },
	};

	return unit_run("chatwoot_decide", tests, ARRAY_LEN(tests), 0);
}
