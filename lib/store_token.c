/* Bearer tokens: what is kept is their hash. */
#include <errno.h>

#include "lib/base.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define USED_EVERY_US INT64_C(60000000)

static void
token_read(struct sqlite3_stmt *q, struct store_token *ret)
{
	*ret = (struct store_token){
		.tenant = db_text(q, 0), .name = db_text(q, 1), .hash = db_text(q, 2), .scopes = (uint64_t)db_int(q, 3),
		.made_us = db_int(q, 4), .expires_us = db_int(q, 5), .used_us = db_int(q, 6),
	};
}

#define TOKEN_COLUMNS "t.name, k.name, k.hash, k.scopes, k.made_us, k.expires_us, k.used_us"

static int
insert(struct store *s, int64_t tenant, const struct store_token *k)
{
	return db_run(s, "INSERT INTO token (hash, tenant, name, scopes, made_us, expires_us) VALUES (?, ?, ?, ?, ?, ?)",
	    DB_B(k->hash), DB_I(tenant), DB_T(k->name), DB_I(k->scopes), DB_I(k->made_us), DB_I(k->expires_us));
}

int
store_token_new(struct store *s, const struct store_token *k)
{
	int64_t tenant;
	int r = tenant_id(s, k->tenant, &tenant);
	if (r != 0)
		return r < 0 ? r : STORE_E_NONE;
	{
		DB_QUERY(q);
		r = db_first(s, &q, "SELECT 1 FROM token WHERE tenant = ? AND name = ?", DB_I(tenant), DB_T(k->name));
		if (r != DB_END)
			return r < 0 ? r : STORE_E_CONFLICT;
	}
	r = db_enter(s);
	return r < 0 ? r : db_leave(s, insert(s, tenant, k));
}

/* Whose is it, and is it good for all that `k` is?  0, or DB_END: nobody's. */
static int
owner_of(struct store *s, const struct store_token *k, bool *ret_same, bool *ret_good)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT t.name = ?1, (k.scopes & ?2) = ?2 AND (k.expires_us = 0 OR k.expires_us > ?3)"
	    " FROM token k JOIN tenant t ON t.id = k.tenant WHERE k.hash = ?4", DB_T(k->tenant), DB_I(k->scopes), DB_I(k->made_us), DB_B(k->hash));

	*ret_same = r == 0 && db_int(q, 0) != 0;
	*ret_good = r == 0 && db_int(q, 1) != 0;
	return r;
}

int
store_token_taken(struct store *s, const struct store_token *k)
{
	bool same, good;
	int r = owner_of(s, k, &same, &good);

	return r < 0 ? r : r == 0 && !same ? STORE_E_CONFLICT : 0;
}

static int
replace(struct store *s, int64_t tenant, const struct store_token *k)
{
	int r = db_run(s, "DELETE FROM token WHERE tenant = ? AND (name = ? OR hash = ?)", DB_I(tenant), DB_T(k->name), DB_B(k->hash));

	return r == 0 ? insert(s, tenant, k) : r;
}

int
store_token_set(struct store *s, const struct store_token *k)
{
	int64_t tenant;
	bool same, good;
	int r = tenant_id(s, k->tenant, &tenant);

	if (r != 0)
		return r < 0 ? r : STORE_E_NONE;
	r = owner_of(s, k, &same, &good);
	if (r < 0 || (r == 0 && (!same || good)))
		return r < 0 ? r : same ? 0 : STORE_E_CONFLICT;
	r = db_enter(s);
	return r < 0 ? r : db_leave(s, replace(s, tenant, k));
}

int
store_token_list(struct store *s, struct slice tenant, void (*each)(void *, const struct store_token *), void *context)
{
	DB_QUERY(q);
	int r = db_open(s, &q, "SELECT " TOKEN_COLUMNS " FROM token k JOIN tenant t ON t.id = k.tenant"
	    " WHERE (?1 = '' OR t.name = ?1) ORDER BY t.name, k.name", DB_T(tenant));
	while (r == 0 && (r = db_next(s, q)) == 0) {
		struct store_token k;
		token_read(q, &k);
		each(context, &k);
	}
	return r < 0 ? r : 0;
}

int
store_token_revoke(struct store *s, struct slice tenant, struct slice name)
{
	int64_t id;
	{
		DB_QUERY(q);
		int r = db_first(s, &q, "SELECT k.id FROM token k JOIN tenant t ON t.id = k.tenant WHERE t.name = ? AND k.name = ?",
		    DB_T(tenant), DB_T(name));
		if (r != 0)
			return r < 0 ? r : STORE_E_NONE;
		id = db_int(q, 0);
	}
	int r = db_enter(s);
	return r < 0 ? r : db_leave(s, db_run(s, "DELETE FROM token WHERE id = ?", DB_I(id)));
}

int
store_token_find(struct store *s, struct slice hash, int64_t now_us, void (*give)(void *, const struct store_token *), void *context)
{
	int64_t id = 0;
	{
		DB_QUERY(q);
		struct store_token k;
		int r = db_first(s, &q, "SELECT " TOKEN_COLUMNS ", k.id FROM token k JOIN tenant t ON t.id = k.tenant"
		    " WHERE k.hash = ? AND t.record IS NOT NULL AND (k.expires_us = 0 OR k.expires_us > ?)", DB_B(hash), DB_I(now_us));
		if (r != 0)
			return r < 0 ? r : STORE_E_NONE;
		token_read(q, &k);
		give(context, &k);
		if (k.used_us <= now_us - USED_EVERY_US)
			id = db_int(q, 7);
	}
	if (id == 0)
		return 0;
	int r = db_enter(s);
	return r < 0 ? r : db_leave(s, db_run(s, "UPDATE token SET used_us = ? WHERE id = ?", DB_I(now_us), DB_I(id)));
}
