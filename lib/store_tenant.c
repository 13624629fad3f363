/* Tenants: a record the store does not look into, and the accounts that are
 * its own; (url, account) belongs to one tenant. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/base.h"
#include "lib/store.h"
#include "lib/store_db.h"
#include "lib/tenant.h"

int
tenant_id(struct store *s, struct slice name, int64_t *ret)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT id FROM tenant WHERE name = ? AND record IS NOT NULL", DB_T(name));
	if (r == 0)
		*ret = db_int(q, 0);
	return r;
}

int
tenant_look(struct store *s, struct slice name, int64_t *ret, int64_t *ret_debounce_us)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT id, coalesce(debounce_us, -1) FROM tenant WHERE name = ? AND record IS NOT NULL",
	    DB_T(name));
	if (r == 0) {
		*ret = db_int(q, 0);
		*ret_debounce_us = db_int(q, 1);
	}
	return r;
}

int
tenant_record(struct store *s, int64_t id, struct sqlite3_stmt **ret, struct slice *ret_record)
{
	int r = db_first(s, ret, "SELECT record FROM tenant WHERE id = ? AND record IS NOT NULL", DB_I(id));
	if (r == 0)
		*ret_record = db_text(*ret, 0);
	return r;
}

static int
next_generation(struct store *s)
{
	int r = db_run(s, "UPDATE meta SET value = value + 1 WHERE name = 'generation'");
	if (r == 0)
		s->generation++;
	return r;
}

/* Who owns one of these accounts beside `name`? */
static int
find_owner(struct store *s, struct slice name, const struct store_account *account, size_t n, char *reterr)
{
	for (size_t i = 0; i < n; i++) {
		DB_QUERY(q);
		int r = db_first(s, &q, "SELECT t.name FROM tenant_account a JOIN tenant t ON t.id = a.tenant"
		    " WHERE a.url = ? AND a.account = ? AND t.name <> ?",
		    DB_T(account[i].url), DB_I(account[i].account), DB_T(name));
		if (r < 0)
			return r;
		if (r == DB_END)
			continue;
		snprintf(reterr, STORE_TEXT, "account %" PRId64 " of %.*s belongs to tenant " SLICE_FMT,
		    account[i].account, (int)(account[i].url.len > 100 ? 100 : account[i].url.len), account[i].url.ptr,
		    SLICE_ARG(db_text(q, 0)));
		return STORE_E_CONFLICT;
	}
	return 0;
}

static int
write_tenant(struct store *s, struct slice name, struct slice record, const struct store_account *account, size_t n)
{
	int64_t id;
	struct tenant_manners manners;
	tenant_manners_read(record, &manners);
	int r = db_run(s, "INSERT INTO tenant (name, record, debounce_us) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
	    " SET record = excluded.record, debounce_us = excluded.debounce_us", DB_T(name), DB_B(record),
	    manners.debounce_ms < 0 ? DB_NULL : DB_I(manners.debounce_ms * 1000));
	if (r == 0)
		r = tenant_id(s, name, &id);
	if (r == 0)
		r = db_run(s, "DELETE FROM tenant_account WHERE tenant = ?", DB_I(id));
	for (size_t i = 0; r == 0 && i < n; i++)
		r = db_run(s, "INSERT INTO tenant_account (url, account, tenant) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		    DB_T(account[i].url), DB_I(account[i].account), DB_I(id));
	/* Its credentials may be what a stopped destination waits for. */
	if (r == 0)
		r = stop_lift(s, id, 0);
	return r == 0 ? next_generation(s) : r;
}

int
store_tenant_put(struct store *s, struct slice name, struct slice record,
    const struct store_account *account, size_t accounts, char reterr[static STORE_TEXT])
{
	int r = find_owner(s, name, account, accounts, reterr);
	if (r != 0)
		return r;
	r = db_enter(s);
	if (r < 0)
		return r;
	return db_leave(s, write_tenant(s, name, record, account, accounts));
}

/* ---- removing ---- */

static int
count_waiting(struct store *s, struct slice name, int64_t id, char *reterr)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT coalesce(sum(count), 0) FROM book"
	    " WHERE tenant = ? AND book <> 0 AND state IN (1, 2, 3, 4)", DB_I(id));
	if (r < 0)
		return r;
	int64_t waiting = db_int(q, 0);
	/* The open transaction has not written its counters yet. */
	for (size_t i = 0; i < s->books.len; i++) {
		const struct db_count *c = &s->books.at[i];
		if (c->tenant == id && c->book != BOOK_EVENT && c->state >= DELIVERY_PENDING && c->state <= DELIVERY_HELD)
			waiting += c->delta;
	}
	if (waiting == 0)
		return 0;
	snprintf(reterr, STORE_TEXT, "%" PRId64 " deliver%s of " SLICE_FMT " still wait%s; let %s end, or remove it with --force"
	    " to drop %s", waiting, waiting == 1 ? "y" : "ies", SLICE_ARG(name), waiting == 1 ? "s" : "", waiting == 1 ? "it" : "them", waiting == 1 ? "it" : "them");
	return STORE_E_CONFLICT;
}

static int
remove_tenant(struct store *s, struct slice name, int64_t id, bool force, int64_t now_us)
{
	/* Claimed ones are left to the courier, which will find no tenant. */
	struct store_filter f = { .tenant = name, .max = 1000 };
	struct store_progress p = { .more = force };
	int r = 0;
	for (; r == 0 && p.more; f.after = p.last)
		r = drop_some(s, &f, now_us, &p);
	if (r == 0)
		r = db_run(s, "DELETE FROM token WHERE tenant = ?", DB_I(id));
	if (r == 0)
		r = db_run(s, "DELETE FROM tenant_account WHERE tenant = ?", DB_I(id));
	if (r == 0)
		r = db_run(s, "UPDATE tenant SET record = NULL WHERE id = ?", DB_I(id));
	if (r == 0)
		r = stop_lift(s, id, 0);
	return r == 0 ? next_generation(s) : r;
}

static int
may_go(struct store *s, struct slice name, bool force, int64_t *ret_id, char *reterr)
{
	int r = tenant_id(s, name, ret_id);
	if (r < 0)
		return r;
	if (r == DB_END) {
		snprintf(reterr, STORE_TEXT, "there is no tenant " SLICE_FMT, SLICE_ARG(name));
		return STORE_E_NONE;
	}
	return force ? 0 : count_waiting(s, name, *ret_id, reterr);
}

int
store_tenant_may_go(struct store *s, struct slice name, bool force, char reterr[static STORE_TEXT])
{
	int64_t id = 0;
	return may_go(s, name, force, &id, reterr);
}

int
store_tenant_remove(struct store *s, struct slice name, bool force, int64_t now_us, char reterr[static STORE_TEXT])
{
	int64_t id = 0;
	int r = may_go(s, name, force, &id, reterr);
	if (r == 0)
		r = db_enter(s);
	return r != 0 ? r : db_leave(s, remove_tenant(s, name, id, force, now_us));
}

/* ---- finding ---- */

static int
give(struct store *s, struct sqlite3_stmt *q, size_t max, void (*each)(void *, struct slice, struct slice),
    void *context, bool *ret_more)
{
	int r;
	size_t given = 0;
	*ret_more = false;
	while ((r = db_next(s, q)) == 0) {
		if (max && given == max) {
			*ret_more = true;
			return 0;
		}
		each(context, db_text(q, 0), db_text(q, 1));
		given++;
	}
	return r < 0 ? r : 0;
}

int
store_tenants(struct store *s, const struct store_tenants *ask,
    void (*each)(void *, struct slice name, struct slice record), void *context, bool *ret_more)
{
	DB_QUERY(q);
	int r;
	if (ask->name.len)
		r = db_open(s, &q, "SELECT name, record FROM tenant WHERE name = ? AND record IS NOT NULL", DB_T(ask->name));
	else if (ask->account)
		r = db_open(s, &q, "SELECT name, record FROM tenant WHERE record IS NOT NULL AND id IN"
		    " (SELECT tenant FROM tenant_account WHERE account = ?) ORDER BY name", DB_I(ask->account));
	else
		r = db_open(s, &q, "SELECT name, record FROM tenant WHERE record IS NOT NULL AND name > ? ORDER BY name",
		    DB_T(ask->after));
	return r < 0 ? r : give(s, q, ask->max, each, context, ret_more);
}
