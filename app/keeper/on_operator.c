#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/keeper/keeper.h"
#include "lib/log.h"
#include "lib/tenant.h"

#define LIST_BYTES     (8 * MIB)        /* of records in one answer */
#define LIST_MAX       200
#define ACCOUNTS_MAX   100000

int
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

int
tenant_keep(struct keeper *k, const struct tenant *t, const char *how, char reterr[static STORE_TEXT])
{
	CLEANUP(buf_free) struct buf record = { 0 };
	size_t n = 0, at = 0;
	for (size_t i = 0; i < t->installations; i++)
		n += t->installation[i].accounts;
	if (n > ACCOUNTS_MAX)
		return -E2BIG;
	struct store_account *account = arena_take(k->scratch, (n + 1) * sizeof(*account));
	if (!account)
		return -ENOMEM;
	for (size_t i = 0; i < t->installations; i++)
		for (size_t j = 0; j < t->installation[i].accounts; j++)
			account[at++] = (struct store_account){ t->installation[i].url, t->installation[i].account[j].id };
	int r = tenant_encode(t, &record);
	if (r == 0)
		r = store_tenant_put(k->store, t->name, buf_view(&record), account, n, reterr);
	if (r == 0)
		tenants_changed(k, t->name, how);
	return r;
}

struct stored { struct keeper *k; struct slice record; };

static void
take_stored(void *context, struct slice name, struct slice record)
{
	struct stored *s = context;
	(void)name;
	s->record = arena_copy(s->k->scratch, record);
}

int
tenant_stored(struct keeper *k, struct slice name, struct tenant *ret, struct slice *ret_record)
{
	struct store_tenants ask = { .name = name, .max = 1 };
	struct stored s = { .k = k };
	bool more;
	int r = store_tenants(k->store, &ask, take_stored, &s, &more);
	*ret_record = s.record;
	return r < 0 ? r : s.record.len == 0 ? STORE_E_NONE : tenant_decode(s.record, k->scratch, ret);
}

/* A word why what is sealed in the record is opened; none: it is not. */
static void
log_opened(struct slice tenant, struct slice why)
{
	if (settings_name_ok(why))
		log_event(LOG_NOTICE, "credentials-access", LOG_TEXT("tenant", tenant), LOG_TEXT("operation", why), LOG_STR("success", "true"));
}

/* What its addons said stays, where the operator names no mappings, and no Odoo. */
static void
keep_synced(struct tenant *t, const struct tenant *before)
{
	struct tenant_odoo *o = &t->odoo;
	const struct tenant_odoo *had = &before->odoo;

	if (!t->mapped) {
		t->mapping = before->mapping;
		t->mappings = before->mappings;
	}
	if (!o->given) {
		*o = *had;
	} else if (o->url.len == 0 && !o->emptied) {
		o->url = had->url;
		o->db = had->db;
		o->login = had->login;
		o->key = had->key;
		o->next_key = had->next_key;
	}
}

int
on_tenant_put(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	char why[STORE_TEXT];
	struct tenant t, before;
	struct slice record, wanted = wire_text(f->payload, T_BEFORE);
	struct wire_writer w;
	int r = tenant_decode(wire_text(f->payload, T_TENANT), k->scratch, &t);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || t.name.len == 0 || t.name.len > 64)
		return answer_error(k, f, E_BAD_REQUEST, "the tenant's record cannot be read");
	r = tenant_stored(k, t.name, &before, &record);
	if (r < 0 && r != -EPROTO)
		return r;
	bool fits = wanted.len == 0 || slice_eq(wanted, record);
	if (r == 0 && wanted.len == 0)
		keep_synced(&t, &before);
	t.mapped = t.odoo.emptied = false;
	log_opened(t.name, wire_text(f->payload, T_KIND));
	r = fits ? tenant_keep(k, &t, wanted.len ? "resealed" : "put", why) : 0;
	if (r == STORE_E_CONFLICT)
		return answer_error(k, f, E_CONFLICT, why);
	if (r == -E2BIG)
		return answer_error(k, f, E_BAD_REQUEST, "a tenant with too many accounts");
	if (r < 0)
		return r;
	answer_begin(k, &w, P_OK, f->request);
	wire_put_u64(&w, T_RESULT, fits ? SYNC_CHANGED : SYNC_UNCHANGED);
	return wire_end(&w);
}

struct listing {
	struct wire_writer w;
	struct slice why;
	size_t n, bytes;
	bool   cut;
};

static void
list_tenant(void *context, struct slice name, struct slice record)
{
	struct listing *l = context;
	l->cut = l->cut || (l->n > 0 && l->bytes + record.len > LIST_BYTES);
	if (l->cut)
		return;
	l->n++;
	l->bytes += record.len;
	wire_put(&l->w, T_TENANT, record);
	log_opened(name, l->why);
}

int
on_tenant_list(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct listing l = { .why = wire_text(f->payload, T_KIND) };
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
	bool force = wire_u64(f->payload, T_FORCE, 0) != 0, dry_run = wire_u64(f->payload, T_DRY_RUN, 0) != 0;
	int r = dry_run ? store_tenant_may_go(k->store, name, force, why) : store_tenant_remove(k->store, name, force, k->now_us, why);
	if (r < 0)
		return r;
	if (r != 0)
		return answer_error(k, f, r == STORE_E_NONE ? E_NOT_FOUND : E_CONFLICT, why);
	if (dry_run)
		return answer_ok(k, f);
	catalog_forget_tenant(k, name);
	tenants_changed(k, name, force ? "removed by force" : "removed");
	return answer_ok(k, f);
}

/* ---- tokens ---- */

static void
say_whose(void *context, const struct store_token *token)
{
	snprintf(context, STORE_TEXT, "that token is registered already, as " SLICE_FMT " of " SLICE_FMT "; see: ponte token list",
	    SLICE_ARG(token->name), SLICE_ARG(token->tenant));
}

int
on_token_new(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct store_token token = {
		.tenant = wire_text(f->payload, T_NAME), .name = wire_text(f->payload, T_LABEL),
		.hash = wire_text(f->payload, T_HASH), .scopes = wire_u64(f->payload, T_SCOPES, 0),
		.made_us = k->now_us, .expires_us = wire_i64(f->payload, T_DUE_US, 0),
	};
	if (token.hash.len != 32 || !settings_name_ok(token.name) || token.scopes == 0)
		return answer_error(k, f, E_BAD_REQUEST, "a token lacks its name, its hash or its scopes");
	/* At time 0 none has run out: such a one holds its hash, too. */
	char whose[STORE_TEXT];
	int r = store_token_find(k->store, token.hash, 0, say_whose, whose);
	if (r == 0)
		return answer_error(k, f, E_CONFLICT, whose);
	if (r == STORE_E_NONE)
		r = store_token_new(k->store, &token);
	if (r < 0)
		return r;
	if (r != 0)
		return answer_error(k, f, r == STORE_E_NONE ? E_NOT_FOUND : E_CONFLICT,
		    r == STORE_E_NONE ? "there is no such tenant" : "the tenant has a token of that name; revoke it first");
	log_event(LOG_NOTICE, "token-new", LOG_TEXT("tenant", token.tenant), LOG_TEXT("name", token.name));
	return answer_ok(k, f);
}

static void
put_token(void *context, const struct store_token *token)
{
	struct wire_writer *w = context;
	size_t mark = wire_open(w, T_ROW);
	wire_put(w, T_NAME, token->tenant);
	wire_put(w, T_LABEL, token->name);
	wire_put_u64(w, T_SCOPES, token->scopes);
	wire_put_i64(w, T_CREATED_US, token->made_us);
	wire_put_i64(w, T_DUE_US, token->expires_us);
	wire_put_i64(w, T_RECEIVED_US, token->used_us);
	wire_close(w, mark);
}

int
on_token_list(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct wire_writer w;
	answer_begin(k, &w, P_QUEUE_ROWS, f->request);
	int r = store_token_list(k->store, wire_text(f->payload, T_NAME), put_token, &w);
	return r < 0 ? r : wire_end(&w);
}

int
on_token_revoke(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	struct slice tenant = wire_text(f->payload, T_NAME), name = wire_text(f->payload, T_LABEL);
	int r = store_token_revoke(k->store, tenant, name);
	if (r < 0)
		return r;
	if (r != 0)
		return answer_error(k, f, E_NOT_FOUND, "there is no such token; see: ponte token list");
	log_event(LOG_NOTICE, "token-revoked", LOG_TEXT("tenant", tenant), LOG_TEXT("name", name));
	return answer_ok(k, f);
}
