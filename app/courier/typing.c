#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/barred.h"
#include "app/courier/courier.h"
#include "app/courier/job.h"
#include "app/courier/typing.h"
#include "lib/crypt.h"
#include "lib/log.h"

#define TYPING_MS     5000
#define TYPING_MEMORY (64 * KIB)
#define ANSWER_MAX    (64 * KIB)

struct typing_call {
	struct cookie cookie;           /* first: see job.h */
	struct typing_call *next;
	struct arena *memory;
	struct slice  tenant, installation;
	uint64_t      mark;
};

static void
call_free(struct typing_call *t)
{
	if (!t)
		return;
	arena_free(t->memory);
	free(t);
}

static void
call_freep(struct typing_call **t)
{
	call_free(*t);
}

void
typings_free(struct typings *all)
{
	while (all->first) {
		struct typing_call *t = all->first;
		all->first = t->next;
		call_free(t);
	}
	all->n = 0;
}

static int
call_new(const struct delivery *d, uint64_t mark, struct typing_call **ret)
{
	CLEANUP(call_freep) struct typing_call *t = calloc(1, sizeof(*t));
	if (!t || arena_new(TYPING_MEMORY, &t->memory) != 0)
		return -ENOMEM;
	t->cookie.type = COOKIE_TYPING;
	t->tenant = arena_copy(t->memory, d->tenant);
	t->installation = arena_copy(t->memory, d->installation);
	t->mark = mark;
	*ret = t;
	t = NULL;
	return 0;
}

static int
start(struct courier *c, struct typing_call *t, const struct delivery *d, struct slice url, struct slice token, bool on)
{
	const struct errand e = { .delivery = d, .url = url };
	struct request q = { .method = HTTP_M_POST };
	int r = chatwoot_url(&e, t->memory, SLICE("/toggle_typing_status"), &q.url);
	if (r == 0)
		r = request_header(&q, t->memory, "Content-Type", SLICE("application/json"));
	if (r == 0)
		r = chatwoot_token(&q, t->memory, token);
	if (r != 0)
		return r;
	struct client_request request = {
		.method = HTTP_M_POST, .url = q.url, .header = q.header, .headers = q.headers,
		.body = on ? SLICE("{\"typing_status\":\"on\",\"is_private\":false}") : SLICE("{\"typing_status\":\"off\",\"is_private\":false}"),
		.connect_ms = TYPING_MS, .first_byte_ms = TYPING_MS, .total_ms = TYPING_MS, .answer_max = ANSWER_MAX, .once = true,
	};
	r = client_start(c->client, &request, t);
	for (size_t i = 0; i < q.headers; i++)
		crypt_wipe((char *)(uintptr_t)q.header[i].ptr, q.header[i].len);
	return r;
}

static void
toggle(struct courier *c, const struct delivery *d, bool on)
{
	const struct tenant *tenant = where_tenant(&c->where, d->tenant);
	uint64_t mark = where_mark(&c->where, d->tenant);
	CLEANUP(call_freep) struct typing_call *t = NULL;
	struct slice url, token = { NULL, 0 };
	/* Not known just now, not wanted, not allowed, or too many already. */
	if (!tenant || !tenant->manners.typing || c->stopping || c->client_stale || c->typings.n >= TYPING_MAX
	    || barred_is(&c->barred, BARRED_TYPING, d->tenant, d->installation, mark) || call_new(d, mark, &t) != 0)
		return;
	if (where_installation(&c->key, tenant, d, t->memory, &url, &token) == 0 && token.len > 0
	    && start(c, t, d, url, token, on) == 0) {
		t->next = c->typings.first;
		c->typings.first = t;
		c->typings.n++;
		t = NULL;
	}
	if (token.len > 0)
		crypt_wipe((char *)(uintptr_t)token.ptr, token.len);
}

void
typing_before(struct courier *c, const struct job *j)
{
	if (j->delivery.kind == DELIVERY_K_HUB)
		toggle(c, &j->delivery, true);
}

static bool
customer_gets(const struct judgement *g)
{
	for (size_t i = 0; i < g->parts; i++)
		if (g->part[i].kind == DELIVERY_K_REPLY)
			return true;
	return false;
}

void
typing_after(struct courier *c, const struct job *j, const struct judgement *g)
{
	bool over = g->verdict == SETTLE_DONE || g->verdict == SETTLE_DEAD || g->verdict == SETTLE_SUPPRESSED;
	if (!over)
		return;                 /* somebody writes still, or nobody ever did */
	if (j->delivery.kind == DELIVERY_K_HUB && !customer_gets(g))
		toggle(c, &j->delivery, false);
	else if (j->delivery.kind == DELIVERY_K_REPLY)
		toggle(c, &j->delivery, j->more && g->verdict == SETTLE_DONE);
}

void
typing_finished(struct courier *c, const struct client_result *res)
{
	struct typing_call *t = res->cookie;
	struct typing_call **at = &c->typings.first;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	c->typings.n--;
	if ((res->status == 401 || res->status == 403)
	    && barred_add(&c->barred, BARRED_TYPING, t->tenant, t->installation, t->mark))
		log_event(LOG_NOTICE, "typing-off", LOG_TEXT("tenant", t->tenant), LOG_TEXT("installation", t->installation),
		    LOG_INT("status", res->status), LOG_STR("why", "the bot token may not show that somebody writes; Chatwoot allows it since 2026"));
	call_free(t);
}
