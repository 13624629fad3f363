/* What is asked of Chatwoot in a catch-up, and what its lists say. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/courier/catchup.h"
#include "app/courier/courier.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/http.h"

#define PAGE_MAX      (16 * MIB)        /* a page of a list, in bytes */
#define TALKS_AT_ONCE 25                /* on a page; a shorter one is the last */
#define BACK_AT_ONCE  20                /* likewise */
#define THROTTLED_MAX 30                /* 429 in a row */
#define THROTTLED_MS  (60 * MS_PER_S)

static int
get(struct courier *c, struct catchup *u, const struct tenant *t, struct slice tail)
{
	const struct tenant_installation *in = catchup_installation(u, t);
	struct request q = { .method = HTTP_M_GET };
	struct slice token = { NULL, 0 };
	int r = where_user_token(&c->key, t, in, u->scratch, &token);
	if (r == 0)
		r = chatwoot_token(&q, u->scratch, token);
	if (r == 0)
		r = request_header(&q, u->scratch, "Accept", SLICE("application/json"));
	q.url = arena_printf(u->scratch, SLICE_FMT "/api/v1/accounts/%lld/conversations" SLICE_FMT, SLICE_ARG(in->url),
	    (long long)u->account, SLICE_ARG(tail));
	if (r == 0 && q.url.len > 0) {
		const struct client_request request = {
			.method = HTTP_M_GET, .url = q.url, .header = q.header, .headers = q.headers,
			.connect_ms = c->config.chatwoot.connect, .first_byte_ms = c->config.chatwoot.first_byte,
			.total_ms = c->config.chatwoot.total, .answer_max = PAGE_MAX,
		};
		r = client_start(c->client, &request, u);
		u->in_flight = r == 0;
	}
	for (size_t i = 0; i < q.headers; i++)
		crypt_wipe((char *)(uintptr_t)q.header[i].ptr, q.header[i].len);
	if (token.len > 0)
		crypt_wipe((char *)(uintptr_t)token.ptr, token.len);
	arena_reset(u->scratch);
	return r;
}

void
catchup_ask(struct courier *c, struct catchup *u, const struct tenant *t, int64_t now_ms)
{
	char tail[120];
	switch (u->phase) {
	case AT_LIST:
		snprintf(tail, sizeof(tail), "?status=all&assignee_type=all&sort_by=last_activity_at_desc&page=%u", u->page);
		break;
	case AT_BACK:
		if (u->before)
			snprintf(tail, sizeof(tail), "/%lld/messages?before=%lld", (long long)u->talk.id, (long long)u->before);
		else
			snprintf(tail, sizeof(tail), "/%lld/messages", (long long)u->talk.id);
		break;
	default:
		snprintf(tail, sizeof(tail), "/%lld/messages?after=%lld", (long long)u->talk.id, (long long)u->after);
		break;
	}
	int r = get(c, u, t, slice_of(tail));
	if (r == -EBADMSG || r == -EINVAL)
		catchup_fail(u, "its user token cannot be opened, or cannot be a header");
	else if (r != 0)
		u->at_ms = now_ms + MS_PER_S;
}

/* ---- what Chatwoot lists ------------------------------------------------- */

static void
on_list(struct catchup *u, struct slice body)
{
	if (chatwoot_list_conversations(body, &u->talks) != 0) {
		catchup_fail(u, "Chatwoot's list of conversations cannot be read");
		return;
	}
	u->page++;
	u->talk_i = 0;
	u->phase = AT_TALK;
}

/* *ret_new: it was not seen before, and is now.  0 or -ENOMEM. */
static int
see(struct catchup *u, int64_t conversation, bool *ret_new)
{
	size_t from = 0, to = u->seen_n;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (u->seen[middle] < conversation)
			from = middle + 1;
		else
			to = middle;
	}
	*ret_new = from == u->seen_n || u->seen[from] != conversation;
	if (!*ret_new)
		return 0;
	int r = array_grow((void **)&u->seen, &u->seen_cap, u->seen_n, sizeof(u->seen[0]));
	if (r < 0)
		return r;
	memmove(&u->seen[from + 1], &u->seen[from], (u->seen_n - from) * sizeof(u->seen[0]));
	u->seen[from] = conversation;
	u->seen_n++;
	return 0;
}

void
catchup_next_talk(struct catchup *u)
{
	if (u->talk_i == u->talks.n) {
		if (u->talks.n < TALKS_AT_ONCE)
			catchup_end_pass(u);
		else
			u->phase = AT_LIST;
		return;
	}
	bool fresh = false;
	int r = chatwoot_listed_talk(&u->talks, u->talk_i++, u->account, &u->talk);
	if (r == 0 && u->talk.active_us >= u->bound_us)
		r = see(u, u->talk.id, &fresh);
	if (r < 0) {
		catchup_fail(u, "out of memory");
	} else if (r > 0) {
		catchup_refuse(u, 0, r);
	} else if (u->talk.active_us < u->bound_us) {
		catchup_end_pass(u);
	} else if (fresh) {
		u->count[CATCHUP_CONVERSATIONS]++;
		u->before = u->first = u->human = u->after = 0;
		u->phase = AT_BACK;
	}
}

/* From the page that was just read; 0, or why it is refused. */
static int
look_back(struct catchup *u, int64_t *ret_lowest, bool *ret_reached)
{
	*ret_lowest = 0;
	*ret_reached = u->messages.n < BACK_AT_ONCE;
	for (size_t i = 0; i < u->messages.n; i++) {
		struct chatwoot_listed_message m;
		int r = chatwoot_listed_message(&u->messages, i, u->account, u->talk.id, &m);
		if (r != 0)
			return r;
		if (m.human && m.id > u->human)
			u->human = m.id;
		if (*ret_lowest == 0 || m.id < *ret_lowest)
			*ret_lowest = m.id;
		if (m.created_us < u->from_us)
			*ret_reached = true;
		else if (u->first == 0 || m.id < u->first)
			u->first = m.id;
	}
	return u->before && *ret_lowest >= u->before ? CW_E_SCHEMA : 0;
}

static void
on_back(struct catchup *u, struct slice body)
{
	int64_t lowest;
	bool reached;
	int r = chatwoot_list_messages(body, &u->messages);
	if (r == 0)
		r = look_back(u, &lowest, &reached);
	if (r != 0) {
		catchup_refuse(u, u->talk.id, r);
		u->phase = AT_TALK;
		return;
	}
	/* When the first page reaches far enough, all that is wanted is on it. */
	if (u->before || !reached)
		chatwoot_list_free(&u->messages);
	if (!reached) {
		u->before = lowest;
		return;
	}
	u->message_i = 0;
	u->after = u->first - 1;
	u->phase = AT_STATE;
}

static void
on_forward(struct catchup *u, struct slice body)
{
	int64_t highest = u->after;
	int r = chatwoot_list_messages(body, &u->messages);
	for (size_t i = 0; r == 0 && i < u->messages.n; i++) {
		struct chatwoot_listed_message m;
		r = chatwoot_listed_message(&u->messages, i, u->account, u->talk.id, &m);
		if (r == 0 && m.id <= u->after)
			r = CW_E_SCHEMA;
		if (r == 0 && m.id > highest)
			highest = m.id;
	}
	if (r != 0)
		catchup_refuse(u, u->talk.id, r);
	u->phase = r != 0 || u->messages.n == 0 ? AT_TALK : AT_MESSAGE;
	u->after = highest;
	u->message_i = 0;
}

static void
on_page(struct catchup *u, struct slice body)
{
	u->failures = u->throttled = 0;
	if (u->phase == AT_LIST)
		on_list(u, body);
	else if (u->phase == AT_BACK)
		on_back(u, body);
	else if (u->phase == AT_FORWARD)
		on_forward(u, body);
}

static void
try_again(struct courier *c, struct catchup *u, const struct client_result *res, int64_t now_ms)
{
	int64_t asked = http_retry_after_ms(res->retry_after, clock_wall_us() / US_PER_S);
	if (res->error == CLIENT_OK && res->status == 429) {
		int64_t wait = asked >= 0 ? asked : THROTTLED_MS;
		if (wait > c->config.delivery.retry_after_cap)
			wait = c->config.delivery.retry_after_cap;
		if (wait < MS_PER_S)
			wait = MS_PER_S;
		u->at_ms = now_ms + wait;
		if (++u->throttled > THROTTLED_MAX)
			catchup_fail(u, "Chatwoot limits our rate");
		return;
	}
	u->at_ms = now_ms + (MS_PER_S << u->failures);
	if (++u->failures < CATCHUP_FAILURES_MAX)
		return;
	char why[100];
	if (res->error != CLIENT_OK)
		snprintf(why, sizeof(why), "Chatwoot cannot be asked: %s", client_error_text(res->error));
	else
		snprintf(why, sizeof(why), "Chatwoot answers with status %u", res->status);
	catchup_fail(u, why);
}

void
catchup_finished(struct courier *c, struct catchup *u, const struct client_result *res, int64_t now_ms)
{
	u->in_flight = false;
	u->at_ms = now_ms + c->config.catchup.pace;
	if (u->phase == AT_END)
		return;
	if (res->error == CLIENT_OK && res->status == 200)
		on_page(u, res->body);
	else if (res->error == CLIENT_OK && res->status == 404 && u->phase != AT_LIST)
		u->phase = AT_TALK;             /* deleted meanwhile */
	else if (res->error == CLIENT_E_TOO_LARGE && u->phase != AT_LIST) {
		catchup_refuse(u, u->talk.id, CW_E_SCHEMA);
		u->phase = AT_TALK;
	} else if (res->error == CLIENT_OK && (res->status == 401 || res->status == 403))
		catchup_fail(u, "its user token may not list conversations or messages");
	else if (res->error == CLIENT_OK && res->status != 429 && res->status < 500) {
		char why[60];
		snprintf(why, sizeof(why), "Chatwoot answers with status %u", res->status);
		catchup_fail(u, why);
	} else
		try_again(c, u, res, now_ms);
}
