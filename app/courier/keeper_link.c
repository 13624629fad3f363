#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/courier/claims.h"
#include "app/courier/courier.h"
#include "app/courier/deliver.h"
#include "app/courier/silence.h"
#include "lib/crashpoint.h"
#include "lib/log.h"
#include "lib/net.h"

#define FIRST_PAUSE_MS 100
#define PAUSE_MAX_MS   2000
#define READ_LIMIT     (WIRE_FRAME_MAX + 1 * MIB)

void
keeper_link_init(struct keeper_link *l, const char *path)
{
	*l = (struct keeper_link){ .fd = -1 };
	snprintf(l->path, sizeof(l->path), "%s", path);
}

void
keeper_link_close(struct keeper_link *l)
{
	close_fd(&l->fd);
	buf_free(&l->in);
	buf_free(&l->out);
	l->greeted = false;
	l->hello = l->claim = 0;
}

static void
pause_after_failure(struct keeper_link *l, int64_t now_ms)
{
	int64_t pause = FIRST_PAUSE_MS << (l->failures < 5 ? l->failures : 5);
	l->failures++;
	l->next_try_ms = now_ms + (pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
}

static void
broken(struct courier *c, int error, int64_t now_ms)
{
	struct keeper_link *l = &c->link;
	if (!l->complained && !c->stopping)
		log_event(LOG_WARN, "keeper-lost", LOG_STR("path", l->path), LOG_STR("why", strerror(error)));
	l->complained = true;
	keeper_link_close(l);
	pause_after_failure(l, now_ms);
	claims_lost(c);
}

/* ---- questions ----------------------------------------------------------- */

static uint64_t
ask(struct keeper_link *l, struct wire_writer *w, uint16_t kind)
{
	l->last_request++;
	wire_begin(w, &l->out, kind, l->last_request);
	return l->last_request;
}

static uint64_t
asked(struct keeper_link *l, struct wire_writer *w)
{
	return wire_end(w) == 0 ? l->last_request : 0;
}

uint64_t
keeper_ask_tenant(struct courier *c, struct slice name)
{
	struct wire_writer w;
	if (!c->link.greeted)
		return 0;
	ask(&c->link, &w, P_TENANT_FIND);
	wire_put(&w, T_NAME, name);
	return asked(&c->link, &w);
}

uint64_t
keeper_ask_begin(struct courier *c, uint64_t delivery, const struct chatwoot_facts *shown)
{
	static const struct chatwoot_policy none;
	struct wire_writer w;
	if (!c->link.greeted)
		return 0;
	ask(&c->link, &w, P_BEGIN);
	wire_put_u64(&w, T_DELIVERY, delivery);
	if (shown) {
		size_t mark = wire_open(&w, T_FACTS);
		chatwoot_pack(shown, &none, &w);
		wire_close(&w, mark);
	}
	return asked(&c->link, &w);
}

uint64_t
keeper_ask_tenants(struct courier *c, struct slice after)
{
	struct wire_writer w;
	if (!c->link.greeted)
		return 0;
	ask(&c->link, &w, P_TENANT_LIST);
	if (after.len > 0)
		wire_put(&w, T_AFTER, after);
	return asked(&c->link, &w);
}

uint64_t
keeper_ask_catalog(struct courier *c, struct slice tenant, struct slice packed, int64_t age_ms)
{
	struct wire_writer w;
	if (!c->link.greeted)
		return 0;
	ask(&c->link, &w, P_CATALOG_PUT);
	wire_put(&w, T_NAME, tenant);
	wire_put(&w, T_LABEL, SLICE("pull"));
	wire_put(&w, T_BODY, packed);
	wire_put_i64(&w, T_AGE_MS, age_ms);
	return asked(&c->link, &w);
}

uint64_t
keeper_ask_heard(struct courier *c)
{
	struct wire_writer w;
	if (!c->link.greeted)
		return 0;
	ask(&c->link, &w, P_HEARD);
	return asked(&c->link, &w);
}

uint64_t
keeper_ask_caught_up(struct courier *c, struct slice tenant, struct slice installation, int64_t since_us, int64_t through_us)
{
	struct wire_writer w;
	if (!c->link.greeted)
		return 0;
	ask(&c->link, &w, P_CAUGHT_UP);
	wire_put(&w, T_NAME, tenant);
	wire_put(&w, T_INSTALLATION, installation);
	wire_put_i64(&w, T_CREATED_US, since_us);
	wire_put_i64(&w, T_RECEIVED_US, through_us);
	return asked(&c->link, &w);
}

uint64_t
keeper_ask_put(struct courier *c, const struct keeper_put *p)
{
	struct wire_writer w;
	char id[UUID_TEXT];
	if (!c->link.greeted)
		return 0;
	uuid_text(&p->event, id);
	ask(&c->link, &w, P_PUT);
	wire_put_u64(&w, T_GENERATION, c->link.generation);
	wire_put(&w, T_EVENT_ID, slice_from(p->event.byte, sizeof(p->event.byte)));
	wire_put(&w, T_REQUEST_ID, slice_of(id));
	wire_put(&w, T_NAME, p->tenant);
	wire_put(&w, T_INSTALLATION, p->installation);
	wire_put(&w, T_SENDER, p->sender);
	if (p->created_us)
		wire_put_i64(&w, T_CREATED_US, p->created_us);
	if (p->dry_run)
		wire_put_u64(&w, T_DRY_RUN, 1);
	size_t mark = wire_open(&w, T_FACTS);
	chatwoot_pack(p->facts, p->policy, &w);
	wire_close(&w, mark);
	wire_put(&w, T_BODY, p->body);
	return asked(&c->link, &w);
}

static void
put_busy(struct courier *c, struct wire_writer *w, int64_t now_ms)
{
	for (size_t i = 0; i < c->dests.n; i++) {
		const struct dest *d = c->dests.item[i];
		if (!dest_busy(&c->dests, d, now_ms))
			continue;
		size_t mark = wire_open(w, T_BUSY);
		wire_put(w, T_NAME, d->tenant);
		wire_put_u64(w, T_DEST, d->kind);
		wire_close(w, mark);
	}
}

void
keeper_ask_claim(struct courier *c, size_t max, int64_t now_ms)
{
	struct wire_writer w;
	if (!c->link.greeted || c->link.claim)
		return;
	ask(&c->link, &w, P_CLAIM);
	wire_put_u64(&w, T_MAX, max);
	put_busy(c, &w, now_ms);
	CRASH_POINT("courier-before-claim");
	c->link.claim = asked(&c->link, &w);
}

static int
put_part(struct wire_writer *w, const struct chatwoot_part *p)
{
	CLEANUP(buf_free) struct buf payload = { 0 };
	int r = chatwoot_part_pack(p, &payload);
	size_t mark = wire_open(w, T_NEXT);
	wire_put_u64(w, T_KIND, p->kind);
	wire_put_i64(w, T_DELAY_MS, p->delay_ms);
	wire_put(w, T_PAYLOAD, buf_view(&payload));
	wire_close(w, mark);
	return r;
}

uint64_t
keeper_ask_settle(struct courier *c, const struct settlement *s)
{
	struct wire_writer w;
	int r = 0;
	if (!c->link.greeted)
		return 0;
	ask(&c->link, &w, P_SETTLE);
	wire_put_u64(&w, T_DELIVERY, s->delivery);
	wire_put_u64(&w, T_VERDICT, s->verdict);
	if (s->delay_ms >= 0)
		wire_put_i64(&w, T_DELAY_MS, s->delay_ms);
	if (s->status > 0)
		wire_put_i64(&w, T_STATUS, s->status);
	if (s->reason.len > 0)
		wire_put(&w, T_REASON, s->reason);
	for (size_t i = 0; r == 0 && i < s->parts; i++)
		r = put_part(&w, &s->part[i]);
	/* Half an answer must not be settled: the frame is given up, and asked anew. */
	if (r < 0)
		w.failed = r;
	return asked(&c->link, &w);
}

static bool
say_hello(struct courier *c)
{
	struct wire_writer w;
	ask(&c->link, &w, P_HELLO);
	for (size_t i = 0; i < c->jobs.n; i++)
		wire_put_u64(&w, T_DELIVERY, c->jobs.item[i]->delivery.key);
	if (c->crashed) {
		wire_put_u64(&w, T_CRASHED, c->crashed);
		wire_put_u64(&w, T_CRASHES, c->crashes);
	}
	c->link.hello = asked(&c->link, &w);
	return c->link.hello != 0;
}

/* ---- answers ------------------------------------------------------------- */

static void
on_hello_ok(struct courier *c, struct slice payload, int64_t now_ms)
{
	struct keeper_link *l = &c->link;
	l->hello = 0;
	l->greeted = true;
	l->failures = 0;
	if (l->complained || !l->ever_greeted)
		log_event(LOG_NOTICE, "keeper-found", LOG_STR("path", l->path), LOG_INT("crashed", c->crashed));
	l->complained = false;
	l->ever_greeted = true;
	if (c->crashed) {
		CRASH_POINT("courier-told");
		/* Told, and on record: the slot is ours from here on. */
		c->crashed = 0;
		atomic_store(&c->board->courier.delivery, 0);
	}
	claims_greeted(c, payload, now_ms);
	silence_greeted(c, now_ms);
	calls_greeted(c);
	pull_greeted(c);
}

static void
on_claim_ok(struct courier *c, struct slice payload, int64_t now_ms)
{
	struct wire_field f;
	size_t n = 0;
	c->link.claim = 0;
	for (struct wire_reader r = { .rest = payload }; wire_next(&r, &f);) {
		if (f.tag != T_BATCH)
			continue;
		claims_arrived(c, f.value);
		n++;
	}
	claims_done(c, n, wire_i64(payload, T_DELAY_MS, -1), now_ms);
}

static void
on_refused_question(struct courier *c, const struct wire_frame *f, int64_t now_ms)
{
	log_event(LOG_ERROR, "keeper-refused", LOG_INT("code", wire_u64(f->payload, T_CODE, 0)),
	    LOG_TEXT("why", wire_text(f->payload, T_REASON)));
	if (c->link.hello && f->request == c->link.hello) {
		broken(c, EPROTO, now_ms);
	} else if (c->link.claim && f->request == c->link.claim) {
		c->link.claim = 0;
		claims_done(c, 0, 1000, now_ms);
	}
}

/* The tenants may have changed: what we know of them is worth nothing then. */
static void
note_generation(struct courier *c, struct slice payload)
{
	uint64_t g = wire_u64(payload, T_GENERATION, c->link.generation);
	if (g == c->link.generation)
		return;
	c->link.generation = g;
	where_forget(&c->where);
}

static void
on_frame(struct courier *c, const struct wire_frame *f, int64_t now_ms)
{
	struct keeper_link *l = &c->link;
	note_generation(c, f->payload);
	if (f->kind == P_WAKE)
		claims_soon(c, now_ms);
	else if (f->kind == P_HELLO_OK && l->hello && f->request == l->hello)
		on_hello_ok(c, f->payload, now_ms);
	else if (f->kind == P_CLAIM_OK && l->claim && f->request == l->claim)
		on_claim_ok(c, f->payload, now_ms);
	else if (!deliver_answered(c, f, now_ms) && !silence_answered(c, f, now_ms)
	    && !calls_answered(c, f, now_ms) && !pull_answered(c, f, now_ms) && f->kind == P_ERROR)
		on_refused_question(c, f, now_ms);
}

/* ---- the connection ------------------------------------------------------ */

void
keeper_link_tick(struct courier *c, int64_t now_ms)
{
	struct keeper_link *l = &c->link;
	if (l->fd >= 0 || now_ms < l->next_try_ms)
		return;
	int r = net_connect(l->path, true, &l->fd);
	if (r != 0)
		l->fd = -1;
	else if (!say_hello(c))
		r = -ENOMEM;
	if (r != 0)
		broken(c, -r, now_ms);
}

static int
read_frames(struct courier *c, int64_t now_ms)
{
	struct keeper_link *l = &c->link;
	for (;;) {
		ssize_t got = net_read(l->fd, &l->in, READ_LIMIT);
		if (got == -EAGAIN)
			return 0;
		if (got <= 0)
			return got == 0 ? -ECONNRESET : (int)got;

		struct wire_frame f;
		int r;
		while ((r = wire_frame_read(buf_view(&l->in), &f)) == 0) {
			on_frame(c, &f, now_ms);
			if (l->fd < 0)
				return 0;       /* what it said made us hang up */
			buf_consume(&l->in, WIRE_HEADER + f.payload.len);
			if (l->in.len == 0)
				buf_clear(&l->in);      /* gives a large batch's memory back */
		}
		if (r < 0)
			return r;
	}
}

void
keeper_link_io(struct courier *c, int64_t now_ms)
{
	struct keeper_link *l = &c->link;
	if (l->fd < 0)
		return;
	int r = read_frames(c, now_ms);
	if (r == 0 && l->fd >= 0 && l->out.len > 0) {
		r = net_write(l->fd, &l->out);
		if (r == -EAGAIN)
			r = 0;
	}
	if (r != 0)
		broken(c, -r, now_ms);
}

int64_t
keeper_link_wait_ms(const struct keeper_link *l, int64_t now_ms)
{
	if (l->fd >= 0)
		return -1;
	return l->next_try_ms > now_ms ? l->next_try_ms - now_ms : 0;
}

bool
keeper_link_wants_write(const struct keeper_link *l)
{
	return l->fd >= 0 && l->out.len > 0;
}
