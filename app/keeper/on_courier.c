#include <endian.h>
#include <errno.h>
#include <string.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"

#define CLAIM_MAX   1024        /* batches in one answer */
#define HELD_MAX    65536       /* claims a courier may name */
#define NEXT_MAX    64          /* deliveries one answer may make */
#define REASON_MAX  500

/* Only the courier that said hello may move deliveries: an older one may still
 * be busy with what the newer one has been given. */
static int
not_the_courier(struct keeper *k, const struct wire_frame *f)
{
	return answer_error(k, f, E_NOT_ALLOWED, "another courier has said hello since, or none has; say hello first");
}

/* Times come as milliseconds from another process: what cannot be is no time. */
int64_t
ms_to_us(int64_t ms)
{
	return ms > 0 && ms < INT64_C(100) * 365 * 86400 * 1000 ? ms * 1000 : 0;
}

static struct slice
reason_of(const struct wire_frame *f)
{
	struct slice why = wire_text(f->payload, T_REASON);
	if (why.len > REASON_MAX)
		why.len = REASON_MAX;
	return why;
}

static size_t
count_tag(struct slice payload, uint16_t tag)
{
	struct wire_reader r = { .rest = payload };
	struct wire_field f;
	size_t n = 0;
	while (wire_next(&r, &f))
		n += f.tag == tag;
	return n;
}

static int64_t
value_i64(struct slice value)
{
	uint64_t n = 0;
	if (value.len == sizeof(n))
		memcpy(&n, value.ptr, sizeof(n));
	return (int64_t)le64toh(n);
}

/* ---- hello ---- */

static void
put_granted(void *context, int64_t key)
{
	wire_put_i64(context, T_DELIVERY, key);
}

static int64_t
first_after_start(const struct keeper *k)
{
	return k->start_wall_us + (int64_t)KEEPER_CLAIMS_MS * 1000;
}

int
on_hello(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	struct wire_writer w;
	size_t n = count_tag(f->payload, T_DELIVERY), i = 0;
	int64_t *held = n <= HELD_MAX ? arena_take(k->scratch, (n + 1) * sizeof(*held)) : NULL;
	if (!held)
		return answer_error(k, f, E_BAD_REQUEST, "a courier names too many claims");
	struct wire_field field;
	for (struct wire_reader r = { .rest = f->payload }; wire_next(&r, &field);)
		if (field.tag == T_DELIVERY)
			held[i++] = value_i64(field.value);
	struct store_hello hello = {
		.held = held, .helds = n, .crashed = wire_i64(f->payload, T_CRASHED, 0),
		.crashes = wire_i64(f->payload, T_CRASHES, 0), .now_us = k->now_us, .not_before_us = first_after_start(k),
	};
	answer_begin(k, &w, P_HELLO_OK, f->request);
	int r = store_hello(k->store, &hello, put_granted, &w);
	if (r < 0)
		return r;
	if (hello.crashed)
		log_event(LOG_WARN, "courier-crashed", LOG_INT("delivery", hello.crashed));
	struct peer *before = k->courier;
	k->courier = p;
	k->claims_open = k->release_due = k->woken = false;
	if (before && before != p)
		peer_hang_up(k, before, "another courier has said hello");
	log_event(LOG_INFO, "courier-hello", LOG_INT("holds", n));
	return wire_end(&w);
}

void
courier_release(struct keeper *k)
{
	size_t released = 0;
	k->release_due = false;
	int r = store_release(k->store, k->now_us, first_after_start(k), &released);
	if (r == -EIO)
		keeper_die(k, "releasing claims");
	if (r < 0)
		log_event(LOG_ERROR, "claims-kept", LOG_STR("why", store_error(k->store)),
		    LOG_STR("next", "they are released when a courier says hello"));
	else if (released)
		log_event(LOG_NOTICE, "claims-released", LOG_INT("lanes", released));
}

/* ---- claim ---- */

struct claiming {
	struct wire_writer w;
	size_t mark;
};

static void
put_batch(void *context, const struct store_batch *b)
{
	struct claiming *c = context;
	struct wire_writer *w = &c->w;
	c->mark = wire_open(w, T_BATCH);
	wire_put_i64(w, T_DELIVERY, b->key);
	wire_put_u64(w, T_DEST, b->dest);
	wire_put_u64(w, T_KIND, b->kind);
	wire_put(w, T_EVENT_ID, slice_from(b->event.byte, sizeof(b->event.byte)));
	wire_put(w, T_REQUEST_ID, b->request_id);
	wire_put_i64(w, T_N, b->n);
	wire_put(w, T_NAME, b->tenant);
	wire_put(w, T_INSTALLATION, b->installation);
	wire_put_i64(w, T_ACCOUNT, b->account);
	wire_put_i64(w, T_CONVERSATION, b->conversation);
	wire_put_i64(w, T_INBOX, b->inbox);
	wire_put_i64(w, T_ATTEMPT, b->attempt);
	wire_put_i64(w, T_CRASHES, b->crashes);
	wire_put_i64(w, T_CREATED_US, b->created_us);
	if (b->dest == DEST_CHATWOOT) {
		wire_put(w, T_PAYLOAD, b->payload);
		wire_put_i64(w, T_MESSAGE, b->message);
		wire_put_u64(w, T_LOOKUP, b->lookup);
	} else if (b->notice != CW_N_NONE) {
		wire_put_u64(w, T_NOTICE, b->notice);
	}
}

static void
put_member(void *context, const struct store_member *m)
{
	struct wire_writer *w = &((struct claiming *)context)->w;
	size_t mark = wire_open(w, T_MEMBER);
	wire_put_i64(w, T_DELIVERY, m->delivery);
	wire_put(w, T_EVENT_ID, slice_from(m->event.byte, sizeof(m->event.byte)));
	wire_put_i64(w, T_MESSAGE, m->message);
	wire_put_u64(w, T_LATE, m->late);
	wire_put_u64(w, T_REPLAYED, m->replayed);
	wire_put_i64(w, T_DECISION, m->decision);
	wire_put_i64(w, T_RECEIVED_US, m->received_us);
	wire_put(w, T_FACTS, m->facts);
	wire_put(w, T_BODY, m->body);
	wire_close(w, mark);
}

static void
end_batch(void *context)
{
	struct claiming *c = context;
	wire_close(&c->w, c->mark);
}

static void
tell_exhausted(void *context, struct slice tenant, int64_t account, int64_t conversation)
{
	(void)context;
	log_event(LOG_ALARM, "reply-budget", LOG_TEXT("tenant", tenant), LOG_INT("account", account),
	    LOG_INT("conversation", conversation),
	    LOG_STR("why", "another machine writes there, it seems: not answered until 10 minutes after its first answer"));
}

/* 0 or -ENOMEM. */
static int
read_busy(struct keeper *k, const struct wire_frame *f, struct store_busy **ret, size_t *ret_n)
{
	size_t n = count_tag(f->payload, T_BUSY), i = 0;
	struct store_busy *busy = arena_take(k->scratch, (n + 1) * sizeof(*busy));
	struct wire_field field;
	if (!busy)
		return -ENOMEM;
	for (struct wire_reader r = { .rest = f->payload }; wire_next(&r, &field);)
		if (field.tag == T_BUSY)
			busy[i++] = (struct store_busy){ wire_text(field.value, T_NAME),
				(enum delivery_dest)wire_u64(field.value, T_DEST, 0) };
	*ret = busy;
	*ret_n = n;
	return 0;
}

int
on_claim(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	struct claiming c = { .mark = 0 };
	struct store_busy *busy;
	struct store_claimed claimed;
	uint64_t max = wire_u64(f->payload, T_MAX, 1);
	if (p != k->courier)
		return not_the_courier(k, f);
	struct store_claim ask = {
		.now_us = k->now_us, .max = max < CLAIM_MAX ? max : CLAIM_MAX,
	};
	int r = read_busy(k, f, &busy, &ask.busies);
	if (r < 0)
		return r;
	ask.busy = busy;
	const struct store_sink sink = { &c, put_batch, put_member, end_batch, tell_exhausted };
	answer_begin(k, &c.w, P_CLAIM_OK, f->request);
	r = store_claim(k->store, &ask, &sink, &claimed);
	if (r < 0)
		return r;
	k->woken = false;
	if (claimed.ended)
		log_event(LOG_WARN, "deliveries-ended", LOG_INT("count", claimed.ended),
		    LOG_STR("why", "too old, given up, or waited for in vain; see ponte queue list"));
	if (claimed.delay_us >= 0)
		wire_put_i64(&c.w, T_DELAY_MS, (claimed.delay_us + 999) / 1000);
	return wire_end(&c.w);
}

/* ---- begin, settle ---- */

int
on_begin(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	struct wire_writer w;
	struct slice shown;
	struct chatwoot_facts facts;
	struct chatwoot_policy policy;
	const char *why = "";
	if (p != k->courier)
		return not_the_courier(k, f);
	struct store_begin ask = { .delivery = wire_i64(f->payload, T_DELIVERY, 0), .now_us = k->now_us };
	if (wire_find(f->payload, T_FACTS, &shown)) {
		if (chatwoot_unpack(shown, &facts, &policy) < 0)
			return answer_error(k, f, E_BAD_REQUEST, "the conversation as it was read cannot be read");
		ask.shown = &facts;
	}
	int r = store_begin(k->store, &ask, &why);
	if (r < 0)
		return r;
	answer_begin(k, &w, P_BEGIN_OK, f->request);
	wire_put_u64(&w, T_RESULT, r == 0 ? BEGIN_GO : r == STORE_E_SUPPRESSED ? BEGIN_SUPPRESSED : BEGIN_GONE);
	if (r == STORE_E_SUPPRESSED)
		wire_put(&w, T_REASON, slice_of(why));
	return wire_end(&w);
}

int
read_next(struct keeper *k, const struct wire_frame *f, struct store_next **ret, size_t *ret_n)
{
	size_t n = count_tag(f->payload, T_NEXT), i = 0;
	struct store_next *next = arena_take(k->scratch, (n + 1) * sizeof(*next));
	struct wire_field field;
	if (!next)
		return -ENOMEM;
	for (struct wire_reader r = { .rest = f->payload }; wire_next(&r, &field);) {
		if (field.tag != T_NEXT)
			continue;
		uint64_t kind = wire_u64(field.value, T_KIND, 0);
		if (kind > DELIVERY_K_LAST || kind == DELIVERY_K_NONE || delivery_dest_of((enum delivery_kind)kind) != DEST_CHATWOOT)
			return -EPROTO;
		next[i++] = (struct store_next){ (enum delivery_kind)kind, ms_to_us(wire_i64(field.value, T_DELAY_MS, 0)),
			wire_text(field.value, T_PAYLOAD) };
	}
	*ret = next;
	*ret_n = n;
	return n <= NEXT_MAX ? 0 : -EPROTO;
}

int
on_settle(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	struct wire_writer w;
	struct store_next *next;
	bool due = false;
	uint64_t verdict = wire_u64(f->payload, T_VERDICT, 0);
	int64_t delay = wire_i64(f->payload, T_DELAY_MS, -1);
	if (p != k->courier)
		return not_the_courier(k, f);
	struct store_settle how = {
		.delivery = wire_i64(f->payload, T_DELIVERY, 0), .now_us = k->now_us,
		.delay_us = delay < 0 ? -1 : ms_to_us(delay), .verdict = (enum settle_verdict)verdict,
		.status = wire_i64(f->payload, T_STATUS, 0), .reason = reason_of(f),
	};
	int r = read_next(k, f, &next, &how.nexts);
	if (r == -EPROTO || verdict < SETTLE_DONE || verdict > SETTLE_LAST)
		return answer_error(k, f, E_BAD_REQUEST, "a settle with a verdict or a delivery that there is not");
	if (r < 0)
		return r;
	how.next = next;
	r = store_settle(k->store, &how, &due);
	if (r < 0)
		return r;
	if (due)
		keeper_wake(k);
	answer_begin(k, &w, P_SETTLE_OK, f->request);
	wire_put_u64(&w, T_RESULT, r == 0 ? SETTLE_OK : SETTLE_GONE);
	return wire_end(&w);
}

/* ---- what never came ---- */

static void
put_heard(void *context, const struct store_heard *h)
{
	struct wire_writer *w = context;
	size_t mark = wire_open(w, T_ROW);
	wire_put(w, T_NAME, h->tenant);
	wire_put(w, T_INSTALLATION, h->installation);
	wire_put_i64(w, T_RECEIVED_US, h->last_us);
	if (h->owed_us)
		wire_put_i64(w, T_CREATED_US, h->owed_us);
	wire_close(w, mark);
}

int
on_heard(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	answer_begin(k, &w, P_HEARD_OK, f->request);
	int r = store_heard(k->store, put_heard, &w);
	return r < 0 ? r : wire_end(&w);
}

int
on_caught_up(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	struct store_caught_up c = {
		.tenant = wire_text(f->payload, T_NAME), .installation = wire_text(f->payload, T_INSTALLATION),
		.since_us = wire_i64(f->payload, T_CREATED_US, 0), .through_us = wire_i64(f->payload, T_RECEIVED_US, 0),
	};
	/* Our clock follows the monotonic one: the courier's is ahead of it when it was set. */
	if (c.through_us > k->now_us)
		c.through_us = k->now_us;
	if (c.since_us <= 0 || c.through_us <= 0 || c.installation.len > 64)
		return answer_error(k, f, E_BAD_REQUEST, "what was caught up with needs a beginning and an end");
	int r = store_caught_up(k->store, &c);
	if (r != 0)
		return r < 0 ? r : answer_error(k, f, E_NOT_FOUND, "there is no such tenant");
	answer_begin(k, &w, P_OK, f->request);
	return wire_end(&w);
}
