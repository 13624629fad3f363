#include <endian.h>
#include <errno.h>
#include <string.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"

#define ROWS_MAX 1000
#define IDS_MAX  10000

/* ---- finding ---- */

/* 0, -ENOMEM or -EPROTO. */
static int
read_filter(struct keeper *k, struct slice in, struct store_filter *ret, struct uuid *ret_event)
{
	size_t n = 0;
	struct wire_field field;
	struct slice event;
	uint64_t state = wire_u64(in, T_STATE, 0), kind = wire_u64(in, T_KIND, 0), max = wire_u64(in, T_MAX, ROWS_MAX);
	for (struct wire_reader r = { .rest = in }; wire_next(&r, &field);)
		n += field.tag == T_DELIVERY && field.value.len == sizeof(uint64_t);
	if (n > IDS_MAX || state > DELIVERY_ERASED || kind > DELIVERY_K_LAST)
		return -EPROTO;
	int64_t *id = arena_take(k->scratch, (n + 1) * sizeof(*id));
	if (!id)
		return -ENOMEM;
	*ret = (struct store_filter){
		.tenant = wire_text(in, T_NAME), .state = (enum delivery_state)state, .kind = (enum delivery_kind)kind,
		.id = id, .after = wire_i64(in, T_AFTER, 0), .max = max && max < ROWS_MAX ? max : ROWS_MAX,
		.older_us = wire_i64(in, T_OLDER_US, 0), .newer_us = wire_i64(in, T_NEWER_US, 0),
	};
	for (struct wire_reader r = { .rest = in }; wire_next(&r, &field);)
		if (field.tag == T_DELIVERY && field.value.len == sizeof(uint64_t)) {
			uint64_t one;
			memcpy(&one, field.value.ptr, sizeof(one));
			id[ret->ids++] = (int64_t)le64toh(one);
		}
	if (wire_find(in, T_EVENT_ID, &event)) {
		if (event.len != sizeof(ret_event->byte))
			return -EPROTO;
		memcpy(ret_event->byte, event.ptr, event.len);
		ret->event = ret_event;
	}
	return 0;
}

static int
bad_filter(struct keeper *k, const struct wire_frame *f, int r)
{
	return r == -ENOMEM ? r : answer_error(k, f, E_BAD_REQUEST, "a filter that cannot be");
}

static void
put_row(void *context, const struct store_row *row)
{
	struct wire_writer *w = context;
	size_t mark = wire_open(w, T_ROW);
	wire_put_i64(w, T_DELIVERY, row->id);
	wire_put(w, T_NAME, row->tenant);
	wire_put_u64(w, T_KIND, row->kind);
	wire_put_u64(w, T_STATE, row->state);
	wire_put(w, T_EVENT_ID, slice_from(row->event.byte, sizeof(row->event.byte)));
	wire_put(w, T_REQUEST_ID, row->request_id);
	wire_put(w, T_INSTALLATION, row->installation);
	wire_put(w, T_SENDER, row->sender);
	wire_put_i64(w, T_N, row->n);
	wire_put_i64(w, T_ACCOUNT, row->account);
	wire_put_i64(w, T_CONVERSATION, row->conversation);
	wire_put_i64(w, T_INBOX, row->inbox);
	wire_put_i64(w, T_MESSAGE, row->message);
	wire_put_i64(w, T_DECISION, row->decision);
	wire_put_i64(w, T_ATTEMPT, row->attempt);
	wire_put_i64(w, T_CRASHES, row->crashes);
	wire_put_i64(w, T_STATUS, row->status);
	wire_put(w, T_REASON, row->reason);
	wire_put_i64(w, T_BATCH, row->batch);
	wire_put_u64(w, T_LATE, row->late);
	wire_put_u64(w, T_REPLAYED, row->replayed);
	wire_put_u64(w, T_LADDER, row->ladder);
	wire_put_i64(w, T_RECEIVED_US, row->received_us);
	wire_put_i64(w, T_CREATED_US, row->created_us);
	wire_put_i64(w, T_DUE_US, row->due_us);
	wire_put_i64(w, T_SETTLED_US, row->settled_us);
	wire_close(w, mark);
}

static int
end_progress(struct wire_writer *w, const struct store_progress *progress)
{
	if (progress->more) {
		wire_put_u64(w, T_MORE, 1);
		wire_put_i64(w, T_AFTER, progress->last);
	}
	return wire_end(w);
}

int
on_queue_list(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	struct store_filter filter;
	struct store_progress progress;
	struct uuid event;
	int r = read_filter(k, f->payload, &filter, &event);
	if (r < 0)
		return bad_filter(k, f, r);
	answer_begin(k, &w, P_QUEUE_ROWS, f->request);
	r = store_list(k->store, &filter, put_row, &w, &progress);
	return r < 0 ? r : end_progress(&w, &progress);
}

static int
change(struct keeper *k, const struct wire_frame *f, enum store_change how)
{
	static const char *const said[] = {
		[STORE_RETRY] = "queue-retry", [STORE_HOLD] = "queue-hold", [STORE_LET_GO] = "queue-release", [STORE_DROP] = "queue-drop",
	};
	struct wire_writer w;
	struct store_filter filter;
	struct store_progress progress;
	struct uuid event;
	bool dry_run = wire_u64(f->payload, T_DRY_RUN, 0) != 0;
	int r = read_filter(k, f->payload, &filter, &event);
	if (r < 0)
		return bad_filter(k, f, r);
	if (filter.ids == 0 && wire_u64(f->payload, T_ALL, 0) == 0)
		return answer_error(k, f, E_BAD_REQUEST, "name deliveries, or say --all");
	r = store_change(k->store, how, &filter, dry_run, k->now_us, &progress);
	if (r < 0)
		return r;
	if (progress.count && !dry_run) {
		log_event(LOG_NOTICE, said[how], LOG_INT("count", progress.count), LOG_TEXT("tenant", filter.tenant));
		keeper_wake(k);
	}
	answer_begin(k, &w, P_OK, f->request);
	wire_put_i64(&w, T_COUNT, progress.count);
	return end_progress(&w, &progress);
}

int
on_queue_retry(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	return change(k, f, STORE_RETRY);
}

int
on_queue_hold(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	return change(k, f, STORE_HOLD);
}

int
on_queue_release(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	return change(k, f, STORE_LET_GO);
}

int
on_queue_drop(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	return change(k, f, STORE_DROP);
}

/* ---- one event ---- */

static void
put_step(void *context, const struct store_trace *step)
{
	struct wire_writer *w = context;
	size_t mark = wire_open(w, T_ROW);
	wire_put_u64(w, T_RESULT, step->step);
	wire_put_i64(w, T_RECEIVED_US, step->at_us);
	wire_put_i64(w, T_SETTLED_US, step->until_us);
	wire_put_i64(w, T_DELIVERY, step->delivery);
	wire_put_i64(w, T_BATCH, step->batch);
	wire_put_i64(w, T_N, step->n);
	wire_put_i64(w, T_ATTEMPT, step->attempt);
	wire_put_u64(w, T_KIND, step->kind);
	wire_put_u64(w, T_STATE, step->state);
	wire_put_u64(w, T_VERDICT, step->verdict);
	wire_put_i64(w, T_STATUS, step->status);
	wire_put_i64(w, T_DECISION, step->decision);
	wire_put_i64(w, T_MESSAGE, step->message);
	wire_put_i64(w, T_CONVERSATION, step->conversation);
	wire_put_i64(w, T_ACCOUNT, step->account);
	wire_put(w, T_EVENT_ID, slice_from(step->event.byte, sizeof(step->event.byte)));
	wire_put(w, T_NAME, step->tenant);
	wire_put(w, T_REASON, step->reason);
	wire_put(w, T_REQUEST_ID, step->request_id);
	wire_put(w, T_SENDER, step->sender);
	wire_put_u64(w, T_LATE, step->late);
	wire_put_u64(w, T_REPLAYED, step->replayed);
	wire_put_u64(w, T_LADDER, step->ladder);
	wire_put_u64(w, T_MORE, step->recovered);
	wire_close(w, mark);
}

int
on_trace(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	struct uuid event;
	struct slice id = wire_text(f->payload, T_EVENT_ID);
	if (id.len != sizeof(event.byte))
		return answer_error(k, f, E_BAD_REQUEST, "a trace wants an event id");
	memcpy(event.byte, id.ptr, id.len);
	size_t at = k->batch.out.len;
	answer_begin(k, &w, P_TRACE_OK, f->request);
	int r = store_trace(k->store, &event, put_step, &w);
	if (r < 0)
		return r;
	if (r == 0)
		return wire_end(&w);
	k->batch.out.len = at;
	return answer_error(k, f, E_NOT_FOUND, "there is no such event; it was never kept, or retention has removed it");
}

static void
put_body(void *context, const struct uuid *event, struct slice body, struct slice payload)
{
	struct wire_writer *w = context;
	wire_put(w, T_EVENT_ID, slice_from(event->byte, sizeof(event->byte)));
	wire_put(w, T_BODY, body);
	wire_put(w, T_PAYLOAD, payload);
}

int
on_body(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	struct wire_writer w;
	int64_t delivery = wire_i64(f->payload, T_DELIVERY, 0);
	size_t at = k->batch.out.len;
	answer_begin(k, &w, P_BODY_OK, f->request);
	int r = store_body(k->store, delivery, put_body, &w);
	if (r < 0)
		return r;
	if (r == 0) {
		log_event(LOG_NOTICE, "body-read", LOG_INT("delivery", delivery), LOG_INT("uid", p->uid));
		return wire_end(&w);
	}
	k->batch.out.len = at;
	return answer_error(k, f, E_NOT_FOUND, "there is no such delivery");
}

/* ---- persons ---- */

static void
put_person(void *context, struct slice installation, int64_t contact, struct slice body)
{
	struct wire_writer *w = context;
	size_t mark = wire_open(w, T_ROW);
	wire_put(w, T_INSTALLATION, installation);
	wire_put_i64(w, T_MESSAGE, contact);
	wire_put(w, T_BODY, body);
	wire_close(w, mark);
}

/* Nobody of whom it holds nothing: "0 events" of a name that was mistyped would
 * read as if it were done. */
static const char no_tenant[] = "there is no tenant of that name, and never was";

int
on_person(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	struct store_progress progress;
	struct slice bytes = wire_text(f->payload, T_PAYLOAD);
	if (bytes.len < 4)
		return answer_error(k, f, E_BAD_REQUEST, "a person is looked for by 4 bytes at least");
	size_t at = k->batch.out.len;
	answer_begin(k, &w, P_QUEUE_ROWS, f->request);
	int r = store_persons(k->store, wire_text(f->payload, T_NAME), bytes, wire_i64(f->payload, T_AFTER, 0), put_person, &w, &progress);
	if (r == STORE_E_NONE) {
		k->batch.out.len = at;
		return answer_error(k, f, E_NOT_FOUND, no_tenant);
	}
	return r < 0 ? r : end_progress(&w, &progress);
}

int
on_erase(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	struct store_progress progress;
	size_t busy;
	struct store_erase ask = {
		.tenant = wire_text(f->payload, T_NAME), .installation = wire_text(f->payload, T_INSTALLATION),
		.contact = wire_i64(f->payload, T_MESSAGE, 0), .after = wire_i64(f->payload, T_AFTER, 0), .now_us = k->now_us,
		.dry_run = wire_u64(f->payload, T_DRY_RUN, 0) != 0,
	};
	if (ask.tenant.len == 0 || ask.contact <= 0)
		return answer_error(k, f, E_BAD_REQUEST, "to erase wants a tenant and a contact");
	int r = store_erase(k->store, &ask, &busy, &progress);
	if (r == STORE_E_NONE)
		return answer_error(k, f, E_NOT_FOUND, no_tenant);
	if (r < 0)
		return r;
	if (progress.count && !ask.dry_run) {
		log_event(LOG_NOTICE, "erased", LOG_TEXT("tenant", ask.tenant), LOG_INT("contact", ask.contact),
		    LOG_INT("events", progress.count));
		k->shred = true;
		keeper_wake(k);
	}
	answer_begin(k, &w, P_OK, f->request);
	wire_put_i64(&w, T_COUNT, progress.count);
	wire_put_u64(&w, T_BUSY, busy);
	return end_progress(&w, &progress);
}

/* ---- books ---- */

void
put_count(struct wire_writer *w, const struct store_count *c)
{
	size_t mark = wire_open(w, T_ROW);
	wire_put(w, T_NAME, c->tenant);
	wire_put(w, T_BOOK, slice_of(c->book));
	wire_put(w, T_STATE, slice_of(c->state));
	wire_put_i64(w, T_COUNT, c->count);
	if (c->recount >= 0)
		wire_put_i64(w, T_RECOUNT, c->recount);
	wire_close(w, mark);
}

static void
put_one_count(void *context, const struct store_count *c)
{
	put_count(context, c);
}

int
on_queue_counts(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	answer_begin(k, &w, P_QUEUE_ROWS, f->request);
	int r = store_counts(k->store, put_one_count, &w);
	return r < 0 ? r : wire_end(&w);
}
