#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/courier.h"
#include "app/courier/job.h"
#include "lib/crypt.h"

/* Headers, reasons, a reply of REPLY_CHARACTERS, and what the readers of
 * lib/chatwoot take while a batch is built. */
#define JOB_MEMORY (16 * MIB)

static int
keep_texts(struct job *j)
{
	struct delivery *d = &j->delivery;
	d->tenant = arena_copy(j->kept, d->tenant);
	d->installation = arena_copy(j->kept, d->installation);
	d->request_id = arena_copy(j->kept, d->request_id);
	return arena_overflowed(j->kept) ? -ENOMEM : 0;
}

static void
job_dispose(struct job *j)
{
	if (!j)
		return;
	job_wipe_headers(j);
	buf_free(&j->record);
	buf_free(&j->request.body);
	arena_free(j->kept);
	free(j);
}

static void
job_disposep(struct job **p)
{
	job_dispose(*p);
}

int
job_new(struct courier *c, struct slice batch, struct job **ret)
{
	struct jobs *all = &c->jobs;
	CLEANUP(job_disposep) struct job *j = calloc(1, sizeof(*j));
	int r;
	if (!j)
		return -ENOMEM;
	if ((r = array_grow((void **)&all->item, &all->cap, all->n, sizeof(struct job *))) ||
	    (r = arena_new(JOB_MEMORY, &j->kept)) ||
	    (r = buf_append_slice(&j->record, batch)) ||
	    (r = delivery_read(buf_view(&j->record), j->kept, &j->delivery)) ||
	    (r = keep_texts(j)))
		return r;
	uuid_text(&j->delivery.event, j->event_id);
	j->dest = dests_get(&c->dests, j->delivery.tenant, j->delivery.dest);
	if (!j->dest)
		return -ENOMEM;
	j->dest->ready++;
	all->bytes += j->record.len;
	all->item[all->n++] = j;
	*ret = j;
	j = NULL;
	return 0;
}

void
job_free(struct courier *c, struct job *j)
{
	struct jobs *all = &c->jobs;
	REQUIRE(!j->dest);
	for (size_t i = 0; i < all->n; i++) {
		if (all->item[i] != j)
			continue;
		all->n--;
		memmove(&all->item[i], &all->item[i + 1], (all->n - i) * sizeof(struct job *));
		break;
	}
	if (j->later)
		all->later--;
	job_drop_record(c, j);
	job_drop_request(c, j);
	job_dispose(j);
}

struct job *
job_asking(struct courier *c, uint64_t question)
{
	for (size_t i = 0; i < c->jobs.n; i++)
		if (question != 0 && c->jobs.item[i]->question == question)
			return c->jobs.item[i];
	return NULL;
}

size_t
job_unsettled(const struct courier *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->jobs.n; i++)
		n += c->jobs.item[i]->state != JOB_SETTLE;
	return n;
}

size_t
job_sent(const struct courier *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->jobs.n; i++)
		n += c->jobs.item[i]->state == JOB_SENT;
	return n;
}

void
job_cancel(struct courier *c, struct job *j, bool *ret_sent)
{
	int r = client_cancel(c->client, j, ret_sent);
	for (size_t i = 0; r != 0 && i < OLD_CLIENTS; i++)
		if (c->old[i])
			r = client_cancel(c->old[i], j, ret_sent);
}

void
job_start(struct job *j, int64_t now_ms)
{
	REQUIRE(j->dest && !j->active);
	j->dest->ready--;
	dest_start(j->dest, now_ms);
	j->active = true;
	j->started_ms = now_ms;
}

enum breaker_change
job_leave(struct courier *c, struct job *j, enum breaker_signal signal, int64_t now_ms)
{
	struct dest *d = j->dest;
	if (!d)
		return BREAKER_SAME;
	j->dest = NULL;
	if (j->active)
		return dest_end(&c->dests, d, signal, j->delivery.key, now_ms, crypt_random32());
	d->ready--;
	return BREAKER_SAME;
}

void
job_drop_record(struct courier *c, struct job *j)
{
	c->jobs.bytes -= j->record.len;
	buf_free(&j->record);
	j->delivery.members = 0;
	j->delivery.payload = (struct slice){ 0, 0 };
}

void
job_wipe_headers(struct job *j)
{
	for (size_t i = 0; i < j->request.headers; i++)
		crypt_wipe((char *)j->request.header[i].ptr, j->request.header[i].len);
	j->request.headers = 0;
}

void
job_drop_request(struct courier *c, struct job *j)
{
	c->jobs.bytes -= j->request.body.len;
	buf_free(&j->request.body);
}

void
jobs_free(struct courier *c)
{
	for (size_t i = 0; i < c->jobs.n; i++)
		job_dispose(c->jobs.item[i]);
	free(c->jobs.item);
	c->jobs = (struct jobs){ .item = NULL };
}
