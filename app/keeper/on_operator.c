#include <endian.h>
#include <errno.h>
#include <string.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"
#include "lib/tenant.h"

#define LIST_BYTES     (8 * MIB)        /* of records in one answer */
#define LIST_MAX       200
#define ROWS_MAX       1000
#define ACCOUNTS_MAX   100000
#define IDS_MAX        10000

static int
answer_ok(struct keeper *k, const struct wire_frame *f)
{
	struct wire_writer w;
	answer_begin(k, &w, P_OK, f->request);
	return wire_end(&w);
}

/* ---- tenants ---- */

static void
tenants_changed(struct keeper *k, struct slice name, const char *how)
{
	log_event(LOG_NOTICE, "tenant-changed", LOG_TEXT("tenant", name), LOG_STR("how", how),
	    LOG_INT("generation", store_generation(k->store)));
	k->woken = false;                       /* whatever it was told before, this is news */
	keeper_wake(k);
}

static int
put_tenant(struct keeper *k, const struct wire_frame *f, const struct tenant *t, struct slice record)
{
	char why[STORE_TEXT];
	size_t n = 0, at = 0;
	for (size_t i = 0; i < t->installations; i++)
		n += t->installation[i].accounts;
	struct store_account *account = n <= ACCOUNTS_MAX ? arena_take(k->scratch, (n + 1) * sizeof(*account)) : NULL;
	if (!account)
		return answer_error(k, f, E_BAD_REQUEST, "a tenant with too many accounts");
	for (size_t i = 0; i < t->installations; i++)
		for (size_t j = 0; j < t->installation[i].accounts; j++)
			account[at++] = (struct store_account){ t->installation[i].url, t->installation[i].account[j].id };
	int r = store_tenant_put(k->store, t->name, record, account, n, why);
	if (r < 0)
		return r;
	if (r == STORE_E_CONFLICT)
		return answer_error(k, f, E_CONFLICT, why);
	tenants_changed(k, t->name, "put");
	return answer_ok(k, f);
}

int
on_tenant_put(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct tenant t;
	struct slice record = wire_text(f->payload, T_TENANT);
	int r = tenant_decode(record, k->scratch, &t);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || t.name.len == 0 || t.name.len > 64)
		return answer_error(k, f, E_BAD_REQUEST, "the tenant's record cannot be read");
	return put_tenant(k, f, &t, record);
}

struct listing {
	struct wire_writer w;
	size_t n, bytes;
	bool   cut;
};

static void
list_tenant(void *context, struct slice name, struct slice record)
{
	struct listing *l = context;
	(void)name;
	l->cut = l->cut || (l->n > 0 && l->bytes + record.len > LIST_BYTES);
	if (l->cut)
		return;
	l->n++;
	l->bytes += record.len;
	wire_put(&l->w, T_TENANT, record);
}

int
on_tenant_list(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct listing l = { .n = 0 };
	bool more;
	struct store_tenants ask = { .after = wire_text(f->payload, T_AFTER), .max = LIST_MAX };
	answer_begin(k, &l.w, P_TENANT_FOUND, f->request);
	int r = store_tenants(k->store, &ask, list_tenant, &l, &more);
	if (r < 0)
		return r;
	if (more || l.cut)
		wire_put_u64(&l.w, T_MORE, 1);
	return wire_end(&l.w);
}

int
on_tenant_remove(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	char why[STORE_TEXT];
	struct slice name = wire_text(f->payload, T_NAME);
	bool force = wire_u64(f->payload, T_FORCE, 0) != 0;
	int r = store_tenant_remove(k->store, name, force, k->now_us, why);
	if (r < 0)
		return r;
	if (r != 0)
		return answer_error(k, f, r == STORE_E_NONE ? E_NOT_FOUND : E_CONFLICT, why);
	tenants_changed(k, name, force ? "removed by force" : "removed");
	return answer_ok(k, f);
}

/* ---- queue ---- */

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
	if (n > IDS_MAX || state > DELIVERY_ERASED || kind > DELIVERY_K_KNOWLEDGE)
		return -EPROTO;
	int64_t *id = arena_take(k->scratch, (n + 1) * sizeof(*id));
	if (!id)
		return -ENOMEM;
	*ret = (struct store_filter){
		.tenant = wire_text(in, T_NAME), .state = (enum delivery_state)state, .kind = (enum delivery_kind)kind,
		.id = id, .after = wire_i64(in, T_AFTER, 0), .max = max && max < ROWS_MAX ? max : ROWS_MAX,
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
change(struct keeper *k, const struct wire_frame *f, bool drop)
{
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
	r = drop ? store_drop(k->store, &filter, dry_run, k->now_us, &progress)
	    : store_retry(k->store, &filter, k->now_us, &progress);
	if (r < 0)
		return r;
	if (progress.count && !dry_run) {
		log_event(LOG_NOTICE, drop ? "queue-drop" : "queue-retry", LOG_INT("count", progress.count),
		    LOG_TEXT("tenant", filter.tenant));
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
	return change(k, f, false);
}

int
on_queue_drop(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	return change(k, f, true);
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
