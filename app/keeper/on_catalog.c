/* The catalogue: what workers push is written in slices, one a round, so that
 * no webhook waits for ten thousand rules. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/keeper/keeper.h"
#include "lib/catalog.h"
#include "lib/catalog_wire.h"
#include "lib/log.h"
#include "lib/tenant.h"

#define JOBS_MAX   32                   /* pushes that wait; then: try again */
#define JOB_MEMORY (64 * MIB)

struct push_job {
	struct push_job *next;
	struct peer     *asker;         /* NULL: it hung up; the push goes on */
	uint64_t         request;
	struct buf       payload;       /* what everything else points into */
	struct arena    *memory;
	struct catalog_push *push;
};

static void
job_free(struct push_job *j)
{
	if (!j)
		return;
	catalog_push_free(j->push);
	arena_free(j->memory);
	buf_free(&j->payload);
	free(j);
}

static void
job_freep(struct push_job **j)
{
	job_free(*j);
}

static size_t
jobs(const struct keeper *k)
{
	size_t n = 0;
	for (const struct push_job *j = k->catalog.first; j; j = j->next)
		n++;
	return n;
}

static int
job_new(struct keeper *k, struct peer *p, const struct wire_frame *f, struct push_job **ret)
{
	CLEANUP(job_freep) struct push_job *j = calloc(1, sizeof(*j));
	struct catalog_shelf_push *shelf = NULL;
	size_t shelves = 0;
	if (!j || arena_new(JOB_MEMORY, &j->memory) != 0 || buf_append_slice(&j->payload, f->payload) < 0)
		return -ENOMEM;
	j->asker = p;
	j->request = f->request;
	struct slice payload = buf_view(&j->payload), tenant = wire_text(payload, T_NAME);
	int64_t age_ms = wire_i64(payload, T_AGE_MS, -1);
	int r = tenant.len == 0 || tenant.len > 64 ? -EPROTO : catalog_unpack(wire_text(payload, T_BODY), j->memory, &shelf, &shelves);
	if (r == 0)
		r = catalog_push_new(k->catalog.db, tenant, shelf, shelves,
		    age_ms < 0 ? 0 : k->now_us - age_ms * 1000, &j->push);
	if (r == 0) {
		*ret = j;
		j = NULL;
	}
	return r;
}

/* The answer comes when the shelves are flipped; until then this is none. */
int
on_catalog_put(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	struct push_job *j = NULL;
	struct tenant tenant;
	struct slice record;
	if (!k->catalog.db)
		return answer_error(k, f, E_STORE, "there is no catalogue; look at the keeper's log");
	if (jobs(k) >= JOBS_MAX)
		return answer_error(k, f, E_CONFLICT, "too many syncs wait already");
	if (disk_low(k))
		return answer_error(k, f, E_STORE, k->disk.text);
	int r = tenant_stored(k, wire_text(f->payload, T_NAME), &tenant, &record);
	if (r != 0)             /* a tenant of that name may come, and must not find this */
		return r < 0 ? r : answer_error(k, f, E_NOT_FOUND, "there is no such tenant");
	r = job_new(k, p, f, &j);
	if (r < 0 || !j)
		return answer_error(k, f, r == -EPROTO ? E_BAD_REQUEST : E_STORE, r == -EPROTO ? "a push that cannot be read" : "no memory for the push");
	struct push_job **at = &k->catalog.first;
	while (*at)
		at = &(*at)->next;
	*at = j;
	return 0;
}

void
catalog_forget_peer(struct keeper *k, const struct peer *p)
{
	for (struct push_job *j = k->catalog.first; j; j = j->next)
		if (j->asker == p)
			j->asker = NULL;
}

static void
answer_job(struct keeper *k, struct push_job *j, int result, const struct catalog_counts *counts)
{
	struct wire_writer w;
	struct peer *p = j->asker;
	int r;
	if (!p)
		return;
	if (result != 0) {
		r = protocol_error(&p->out, j->request, store_generation(k->store), result == CATALOG_E_NEWER ? E_NEWER : E_STORE,
		    result == CATALOG_E_NEWER ? "something was stored while it was read" : "the catalogue could not be written");
	} else {
		wire_begin(&w, &p->out, P_CATALOG_PUT_OK, j->request);
		wire_put_u64(&w, T_GENERATION, store_generation(k->store));
		wire_put_u64(&w, T_COUNT, counts->written);
		wire_put_u64(&w, T_N, counts->removed);
		wire_put_u64(&w, T_ALL, counts->unchanged);
		wire_put_u64(&w, T_RESULT, counts->same);
		r = wire_end(&w);
	}
	if (r < 0)
		peer_hang_up(k, p, "no memory for the answer");
	else
		peer_flush(k, p);
}

void
catalog_forget_tenant(struct keeper *k, struct slice tenant)
{
	const struct catalog_counts none = { 0 };
	if (!k->catalog.db)
		return;
	for (struct push_job **at = &k->catalog.first, *j; (j = *at);) {
		if (!slice_eq(wire_text(buf_view(&j->payload), T_NAME), tenant)) {
			at = &j->next;
			continue;
		}
		*at = j->next;
		answer_job(k, j, -ENOENT, &none);
		job_free(j);
	}
	if (catalog_forget(k->catalog.db, tenant) < 0)
		log_event(LOG_ERROR, "catalogue-failed", LOG_STR("why", catalog_error(k->catalog.db)), LOG_TEXT("tenant", tenant),
		    LOG_STR("next", "the tenant is gone; what was synced of it goes with the keeper's next start"));
	k->catalog.dirty = true;
}

struct unknown { struct keeper *k; struct arena *names; struct slice name[64]; size_t n; };

static void
note_unknown(void *context, struct slice tenant)
{
	struct unknown *u = context;
	struct tenant stored;
	struct slice record;
	if (u->n < ARRAY_LEN(u->name) && tenant_stored(u->k, tenant, &stored, &record) == STORE_E_NONE)
		u->name[u->n++] = arena_copy(u->names, tenant);
}

void
catalog_forget_unknown(struct keeper *k)
{
	struct unknown u = { .k = k, .names = k->scratch };
	if (!k->catalog.db)
		return;
	if (catalog_tenants(k->catalog.db, note_unknown, &u) < 0)
		log_event(LOG_ERROR, "catalogue-failed", LOG_STR("why", catalog_error(k->catalog.db)));
	for (size_t i = 0; i < u.n; i++)
		catalog_forget_tenant(k, u.name[i]);
	k->catalog.dirty = true;        /* what a start finds half deleted */
}

/* A line of history, when there was something to write. */
static int
remember(struct keeper *k, struct push_job *j)
{
	struct slice payload = buf_view(&j->payload), what = wire_text(payload, T_LABEL);
	return what.len == 0 ? 0 : catalog_note(k->catalog.db, wire_text(payload, T_NAME), what, wire_text(payload, T_REASON), k->now_us);
}

/* An id in the form of a UUIDv7 (RFC 9562): of the same change it is the same,
 * so that the hub sees when it is told twice. */
static struct uuid
event_of(const struct catalog_news *news)
{
	struct uuid id;
	uint64_t h = UINT64_C(0xcbf29ce484222325), ms = (uint64_t)(news->synced_us / 1000);
	for (size_t i = 0; i < strlen(news->tenant); i++)
		h = (h ^ (uint8_t)news->tenant[i]) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < CATALOG_K_COUNT; i++)
		h = (h ^ (uint64_t)news->gen[i]) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < 6; i++)
		id.byte[i] = (uint8_t)(ms >> (40 - 8 * i));
	for (size_t i = 6; i < 16; i++)
		id.byte[i] = (uint8_t)(h >> (8 * (i % 8)));
	id.byte[6] = (uint8_t)(0x70 | (id.byte[6] & 0x0f));
	id.byte[8] = (uint8_t)(0x80 | (id.byte[8] & 0x3f));
	return id;
}

/* Of one tenant.  Made before it is said to be told: after a crash in between
 * the hub hears it twice. */
static int
tell(struct keeper *k)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	struct catalog_news news;
	int r = catalog_news(k->catalog.db, &news);
	if (r < 0)
		return r;
	k->catalog.news = news.kinds != 0;
	if (!news.kinds)
		return 0;
	struct uuid event = event_of(&news);
	r = buf_append_slice(&body, SLICE("{\"changed\":["));
	for (int i = 1, n = 0; i < CATALOG_K_COUNT && r == 0; i++)
		if (news.kinds & CATALOG_BIT(i))
			r = buf_printf(&body, "%s\"%s\"", n++ ? "," : "", catalog_kind_text((enum catalog_kind)i));
	if (r == 0)
		r = buf_append_slice(&body, SLICE("]}"));
	if (r == 0)
		r = store_knowledge(k->store, slice_of(news.tenant), &event, buf_view(&body), k->now_us);
	if (r < 0)
		return r;
	/* Nothing else is open: batch_end() was before. */
	r = store_commit(k->store);
	if (r == -ENOSPC) {
		disk_full(k);           /* told with the next change, or after the next start */
		k->catalog.news = false;
		return 0;
	}
	if (r < 0)
		return r;
	keeper_wake(k);
	return catalog_told(k->catalog.db, &news);
}

bool
catalog_busy(const struct keeper *k)
{
	return k->catalog.first || k->catalog.dirty || k->catalog.news;
}

void
catalog_slice(struct keeper *k)
{
	struct push_job *j = k->catalog.first;
	struct catalog_counts counts = { 0 };
	bool done = false;
	int r = 0;
	if (!catalog_busy(k))
		return;
	if (j) {
		r = catalog_push_step(j->push, k->now_us, &done, &counts);
		if (r == 0 && done)
			r = remember(k, j);
	} else if (k->catalog.news) {
		r = tell(k);
	} else {
		r = catalog_clean(k->catalog.db, &k->catalog.dirty);
		if (r == 0 && !k->catalog.dirty)
			r = catalog_checkpoint(k->catalog.db);
	}
	if (r == -EIO)
		keeper_die(k, "writing the catalogue");
	if (r < 0) {
		log_event(LOG_ERROR, "catalogue-failed", LOG_STR("why", catalog_error(k->catalog.db)));
		k->catalog.dirty = k->catalog.news = false;
	}
	if (!j || (r == 0 && !done))
		return;
	k->catalog.first = j->next;
	k->catalog.news = true;
	k->catalog.dirty = k->catalog.dirty || counts.written + counts.removed > 0;
	answer_job(k, j, r, &counts);
	job_free(j);
}

void
catalog_stop(struct keeper *k)
{
	while (k->catalog.first) {
		struct push_job *j = k->catalog.first;
		k->catalog.first = j->next;
		job_free(j);
	}
	catalog_close(k->catalog.db);
	k->catalog.db = NULL;
}
