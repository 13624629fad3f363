#include <errno.h>
#include <stdio.h>

#include "app/worker/access.h"
#include "app/worker/api.h"
#include "app/worker/tenant_cache.h"
#include "app/worker/worker.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/log.h"
#include "lib/protocol.h"
#include "lib/sign.h"
#include "lib/token.h"

/* ---- tokens ---- */

static int
find(struct worker *w, const uint8_t hash[static CRYPT_SHA256], struct slice from, struct wire_frame *ret)
{
	struct wire_writer out;

	buf_clear(&w->frame);
	wire_begin(&out, &w->frame, P_TOKEN_FIND, net_caller_next(&w->keeper));
	wire_put(&out, T_HASH, slice_from(hash, CRYPT_SHA256));
	if (from.len > 0)
		wire_put(&out, T_SENDER, from);
	int r = wire_end(&out);
	if (r == 0)
		r = worker_ask(w, WORKER_ASK_MS, P_TOKEN_FOUND, ret);
	if (r == 0)
		tenant_cache_generation(w->tenants, wire_u64(ret->payload, T_GENERATION, 0));
	return r;
}

bool
access_token(struct request *r, struct slice token, struct slice *ret_tenant, unsigned *ret_scopes)
{
	struct slice from = token_is_reference(token) ? request_given(r, REQUEST_P_REMOTE) : (struct slice){ NULL, 0 };
	uint8_t hash[CRYPT_SHA256];
	struct wire_frame f = { 0 };

	*ret_tenant = (struct slice){ NULL, 0 };
	*ret_scopes = 0;
	if (!token_ok(token))
		return true;
	crypt_sha256(token, hash);
	if (find(r->worker, hash, from, &f) < 0)
		return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("the keeper did not answer in time"));
	int64_t wait_ms = wire_i64(f.payload, T_DELAY_MS, 0);
	if (wait_ms > 0) {
		snprintf(r->retry_after, sizeof(r->retry_after), "Retry-After: %lld\r\n", (long long)((wait_ms + 999) / 1000));
		return api_refuse(r, REQUEST_R_RATE_LIMIT_ERROR, SLICE("too many tokens that are not valid came from this address"));
	}
	/* The store looked for the hash; that it is this one is seen here once
	 * more, in constant time. */
	if (!crypt_equal(wire_text(f.payload, T_HASH), slice_from(hash, sizeof hash)))
		return true;
	*ret_tenant = arena_copy(r->arena, wire_text(f.payload, T_NAME));
	*ret_scopes = (unsigned)wire_u64(f.payload, T_SCOPES, 0);
	r->sender = arena_copy(r->arena, wire_text(f.payload, T_LABEL));
	return true;
}

/* A row that a tenant may open: decided when its account_id is known. */
static bool
openable(const struct request *r)
{
	return r->route->flags & (ROUTE_BY_DOCUMENTS | ROUTE_BY_TOOLS | ROUTE_BY_VIEWS);
}

static bool admit_open(struct request *);

bool
access_admit(struct request *r)
{
	struct slice token = http_credential(request_given(r, REQUEST_P_AUTHORIZATION), SLICE("Bearer"));
	unsigned scopes;

	if (r->route->access != ROUTE_TOKEN)
		return true;
	if (token.len == 0 && openable(r))
		return r->route->body_max > 0 || admit_open(r);
	if (token.len == 0)
		return api_refuse(r, REQUEST_R_UNAUTHORIZED, SLICE("a Bearer token is wanted"));
	if (!access_token(r, token, &r->tenant, &scopes))
		return false;
	if (r->tenant.len == 0)
		return api_refuse(r, REQUEST_R_INVALID_TOKEN, SLICE("the token is not valid"));
	return (scopes & r->route->scope) || api_refuse(r, REQUEST_R_AUTHORIZATION_ERROR,
	    arena_printf(r->arena, "the token has no scope '%s'", token_scope_text((enum token_scope)r->route->scope)));
}

/* ---- tenants ---- */

static bool
silent(struct request *r)
{
	return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("the keeper did not answer in time"));
}

bool
access_tenant(struct request *r, struct slice name, const struct tenant **ret)
{
	struct worker *w = r->worker;
	struct tenant_ask how = { &w->keeper, &w->frame, clock_mono_ms() + WORKER_ASK_MS };
	const struct tenant_entry *entry;
	bool cached;

	*ret = NULL;
	if (!settings_name_ok(name))
		return true;
	int e = tenant_cache_find(w->tenants, how, name, 0, true, &entry, &cached);
	if (e < 0)
		return silent(r);
	*ret = e == 0 ? entry->tenant : NULL;
	return true;
}

/* ---- without a token ---- */

static unsigned
group_of(const struct request *r)
{
	return r->route->flags & ROUTE_BY_DOCUMENTS ? TENANT_OPEN_DOCUMENTS : r->route->flags & ROUTE_BY_TOOLS ? TENANT_OPEN_TOOLS :
	    TENANT_OPEN_VIEWS;
}

/* No account: is there a tenant that would be let in, had it been named? */
static bool
refuse_unnamed(struct request *r)
{
	struct worker *w = r->worker;
	struct wire_writer out;
	struct wire_frame f;

	buf_clear(&w->frame);
	wire_begin(&out, &w->frame, P_TENANT_FIND, net_caller_next(&w->keeper));
	int e = wire_end(&out);
	if (e < 0 || worker_ask(w, WORKER_ASK_MS, P_TENANT_FOUND, &f) < 0)
		return silent(r);
	return wire_u64(f.payload, T_RESULT, 0) & 1u << group_of(r) ?
	    api_refuse(r, REQUEST_R_MISSING_ACCOUNT_ID, SLICE("account_id is required")) :
	    api_refuse(r, REQUEST_R_UNAUTHORIZED, SLICE("a Bearer token is wanted"));
}

/* account_id of the query, or else of the body. */
static bool
named_account(struct request *r, struct slice *ret)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct json_fault fault;
	struct slice account;

	if (!api_query(r, "account_id", ret))
		return false;
	if (ret->len > 0 || r->body.len == 0 || json_check(r->body, &json_default_limits, &fault) != 0 || json_parse(r->body, &doc) != 0)
		return true;
	if (api_text(doc, "account_id", &account))
		*ret = arena_copy(r->arena, account);
	return true;
}

static bool
admit_open(struct request *r)
{
	const struct tenant *t;
	struct slice account;

	if (!named_account(r, &account))
		return false;
	if (account.len == 0)
		return refuse_unnamed(r);
	if (!access_tenant(r, account, &t))
		return false;
	if (!t || !tenant_open_to(&t->odoo.open[group_of(r)], request_given(r, REQUEST_P_REMOTE)))
		return api_refuse(r, REQUEST_R_UNAUTHORIZED, SLICE("a Bearer token is wanted"));
	r->tenant = account;
	r->sender = SLICE("without a token");
	return true;
}

/* ---- signatures ---- */

int
access_signature(const struct request *r, const struct tenant *t)
{
	struct buf secret = { 0 };
	int e = secret_open(r->worker->intake, t->name, "odoo/secret", t->odoo.secret, &secret);

	if (e == 0)
		e = sign_addon_check(request_given(r, REQUEST_P_WEBHOOK_SIGNATURE), buf_view(&secret), r->body);
	if (secret.cap > 0)
		crypt_wipe(secret.ptr, secret.cap);
	buf_free(&secret);
	return e;
}

/* The addons sign when the tenant has a secret: its mode says what a missing or
 * wrong signature means. */
static bool
admit_signed(struct request *r)
{
	struct json_fault fault;
	const struct tenant *t;

	if (!access_tenant(r, r->tenant, &t))
		return false;
	if (!t || t->odoo.secret.len == 0 || t->odoo.signature == TENANT_SIGNATURE_OFF)
		return true;
	/* What is no JSON is refused for that, by whoever reads it. */
	if (json_check(r->body, &json_default_limits, &fault) != 0)
		return true;
	int e = access_signature(r, t);
	if (e == 0)
		return true;
	if (e == -EBADMSG)
		log_event(LOG_ERROR, "secret-unreadable", LOG_TEXT("tenant", r->tenant), LOG_STR("field", "odoo/secret"));
	if (t->odoo.signature == TENANT_SIGNATURE_ENFORCE)
		return api_refuse(r, REQUEST_R_BAD_SIGNATURE, slice_of(sign_reason(e)));
	log_event(LOG_NOTICE, "signature-observed", LOG_TEXT("tenant", r->tenant), LOG_STR("request_id", r->id), LOG_STR("why", sign_reason(e)));
	return true;
}

bool
access_admit_body(struct request *r)
{
	if (r->route->access != ROUTE_TOKEN)
		return true;
	if (r->tenant.len == 0 && !admit_open(r))
		return false;
	return !(r->route->flags & ROUTE_ADDON) || admit_signed(r);
}
