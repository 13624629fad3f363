/* When an installation of a tenant was heard of last, and since when it may have
 * said what never came. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define HEARD_EVERY_US 1000000

static int
load(struct store *s, struct db_heard *h)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT last_us, owed_us FROM heard WHERE tenant = ? AND installation = ?",
	    DB_I(h->tenant), DB_T(slice_of(h->installation)));
	if (r == 0) {
		h->last_us = h->written_us = db_int(q, 0);
		h->owed_us = db_int(q, 1);
	}
	return r < 0 ? r : 0;
}

/* *ret NULL: never heard of, or no memory to remember it. */
static int
find(struct store *s, int64_t tenant, struct slice installation, struct db_heard **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < s->heards && !*ret; i++)
		if (s->heard[i].tenant == tenant && slice_eq(slice_of(s->heard[i].installation), installation))
			*ret = &s->heard[i];
	if (*ret || array_grow((void **)&s->heard, &s->heard_cap, s->heards, sizeof(s->heard[0])) < 0)
		return 0;
	struct db_heard fresh = { .tenant = tenant, .first = true };
	snprintf(fresh.installation, sizeof(fresh.installation), SLICE_FMT, SLICE_ARG(installation));
	int r = load(s, &fresh);
	if (r == 0) {
		*ret = &s->heard[s->heards++];
		**ret = fresh;
	}
	return r;
}

/* Written with the transaction that something better makes; what a crash loses
 * of `last` costs a longer look back.  A silence is written at once, before the
 * event that ended it is acknowledged. */
int
heard_note(struct store *s, int64_t tenant, struct slice installation, int64_t now_us)
{
	struct db_heard *h;
	int r = find(s, tenant, installation, &h);
	if (r < 0 || !h)
		return r;
	int64_t silence = s->rules.silence_us;
	if (h->first && silence > STORE_DOWNTIME_US)
		silence = STORE_DOWNTIME_US;
	if (h->last_us > 0 && h->owed_us == 0 && silence > 0 && now_us - h->last_us >= silence) {
		h->owed_us = h->last_us;
		h->written_us = 0;
	}
	h->first = false;
	h->last_us = now_us;
	return 0;
}

static int
write(struct store *s, struct db_heard *h)
{
	int r = db_run(s, "INSERT INTO heard (tenant, installation, last_us, owed_us) VALUES (?, ?, ?, ?)"
	    " ON CONFLICT DO UPDATE SET last_us = excluded.last_us, owed_us = excluded.owed_us",
	    DB_I(h->tenant), DB_T(slice_of(h->installation)), DB_I(h->last_us), DB_I(h->owed_us));
	if (r == 0)
		h->written_us = h->last_us;
	return r;
}

int
heard_flush(struct store *s)
{
	int r = 0;
	for (size_t i = 0; i < s->heards && r == 0; i++)
		if (s->heard[i].last_us - s->heard[i].written_us >= HEARD_EVERY_US)
			r = write(s, &s->heard[i]);
	return r;
}

int
store_heard(struct store *s, void (*each)(void *, const struct store_heard *), void *context)
{
	DB_QUERY(q);
	int r = db_open(s, &q, "SELECT t.id, t.name, h.installation, h.last_us, h.owed_us FROM heard h"
	    " JOIN tenant t ON t.id = h.tenant WHERE t.record IS NOT NULL");
	while (r == 0 && (r = db_next(s, q)) == 0) {
		struct store_heard row = { .tenant = db_text(q, 1), .installation = db_text(q, 2), .last_us = db_int(q, 3),
			.owed_us = db_int(q, 4) };
		for (size_t i = 0; i < s->heards; i++) {
			const struct db_heard *h = &s->heard[i];
			if (h->tenant != db_int(q, 0) || !slice_eq(slice_of(h->installation), row.installation))
				continue;
			row.last_us = h->last_us;
			row.owed_us = h->owed_us;
		}
		each(context, &row);
	}
	return r < 0 ? r : 0;
}

int
store_caught_up(struct store *s, const struct store_caught_up *c)
{
	int64_t tenant;
	struct db_heard *h;
	int r = tenant_id(s, c->tenant, &tenant);
	if (r != 0)
		return r < 0 ? r : STORE_E_NONE;
	if ((r = find(s, tenant, c->installation, &h)) < 0 || !h)
		return r;
	/* Of what lay before `since` nothing is known. */
	if (c->since_us > (h->owed_us ? h->owed_us : h->last_us))
		return 0;
	h->owed_us = 0;
	if (c->through_us > h->last_us)
		h->last_us = c->through_us;
	r = db_enter(s);
	return r < 0 ? r : db_leave(s, write(s, h));
}
