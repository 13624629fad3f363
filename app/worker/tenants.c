/* The addons' credential and mapping syncs, which arrive among the Chatwoot
 * events: who may say so, what is said, and what the keeper made of it. */
#include <errno.h>
#include <string.h>

#include "app/worker/access.h"
#include "app/worker/api.h"
#include "app/worker/routes.h"
#include "app/worker/worker.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/log.h"
#include "lib/protocol.h"
#include "lib/sign.h"
#include "lib/tenant.h"
#include "lib/tenant_secret.h"
#include "lib/token.h"
#include "lib/uuid.h"

#define TOKEN_LABEL SLICE("odoo-addon")
#define TEXT_MAX    200
#define SEQUENCE    10          /* of a mapping that says none, as in the addon */

struct sync {
	struct request    *r;
	struct json       *doc;
	const struct json *inner;       /* "credentials" or "mapping" */
	bool               mapping, enrol, vouched;     /* by a signature, or as the first: the token may be new */
	struct slice       account, token;
	struct tenant      said;
	struct tenant_mapping row;
};

/* ---- what it says ---- */

static bool
wrong(struct sync *s, const char *field, const char *fault)
{
	return api_refuse(s->r, REQUEST_R_BAD_SCHEMA, arena_printf(s->r->arena, "%s %s", field, fault));
}

static bool
read_text(struct sync *s, const struct json *from, const char *field, size_t most, struct slice *ret)
{
	if (!api_text(from, field, ret))
		return wrong(s, field, "is not a string");
	for (size_t i = 0; i < ret->len; i++)
		if ((unsigned char)ret->ptr[i] < 0x20)
			return wrong(s, field, "has control characters");
	return ret->len <= most || wrong(s, field, "is too long");
}

static bool
read_head(struct sync *s)
{
	struct slice inner;

	if (!api_object(s->r, &s->doc) || !read_text(s, s->doc, "account_id", 64, &s->account) ||
	    !read_text(s, s->doc, "token", TOKEN_REFERENCE_MAX, &s->token))
		return false;
	if (!settings_name_ok(s->account))
		return wrong(s, "account_id", "is missing, or has other characters than A-Z a-z 0-9 _ . -");
	if (!token_is_reference(s->token))
		return wrong(s, "token", "is missing, or is none: 8 to 256 characters without blanks");
	if (json_get(s->doc, s->mapping ? "mapping" : "credentials", &s->inner) != JSON_OBJECT)
		return wrong(s, s->mapping ? "mapping" : "credentials", "is not an object");
	if (!read_text(s, s->inner, "token", TOKEN_REFERENCE_MAX, &inner))
		return false;
	if (inner.len > 0 && !crypt_equal(inner, s->token))
		return wrong(s, "credentials.token", "is another than token");
	s->r->tenant = arena_copy(s->r->arena, s->account);
	return true;
}

/* The key's text stays in the body, which is wiped in the end. */
static bool
read_credentials(struct sync *s, struct slice *ret_key)
{
	struct tenant_odoo *o = &s->said.odoo;
	struct http_url url;

	*o = (struct tenant_odoo){ .timeout_ms = TENANT_ODOO_TIMEOUT_MS, .pull_ms = TENANT_ODOO_PULL_MS };
	if (!read_text(s, s->inner, "domain", 64, &s->said.domain) || !read_text(s, s->inner, "odoo_url", 2000, &o->url) ||
	    !read_text(s, s->inner, "odoo_db", TEXT_MAX, &o->db) || !read_text(s, s->inner, "odoo_username", TEXT_MAX, &o->login) ||
	    !read_text(s, s->inner, "odoo_password", 4096, ret_key))
		return false;
	while (o->url.len > 0 && o->url.ptr[o->url.len - 1] == '/')
		o->url.len--;
	if (o->url.len > 0 && http_url_split(o->url, &url) != 0)
		return wrong(s, "odoo_url", "is no http:// or https:// URL");
	const char *why = ret_key->len > 0 ? tenant_secret_refuse(*ret_key) : NULL;
	o->given = o->url.len > 0 || o->db.len > 0 || o->login.len > 0 || ret_key->len > 0;
	return !why || wrong(s, "odoo_password", why);
}

/* *ret stays when it says nothing. */
static bool
read_number(struct sync *s, const char *field, int64_t least, bool wanted, int64_t *ret)
{
	const struct json *value;
	enum json_type type = json_get(s->inner, field, &value);

	if (api_empty(type, value))
		return !wanted || wrong(s, field, "is missing");
	return (json_int(value, ret) == 0 && *ret >= least) ||
	    wrong(s, field, least ? "is no number from 1 on" : "is no number from 0 on");
}

static bool
read_specials(struct sync *s)
{
	const struct json *list, *one;
	enum json_type type = json_get(s->inner, "special_whatsapp_numbers", &list);

	if (api_empty(type, list))
		return true;
	if (type != JSON_ARRAY || json_length(list) > TENANT_SPECIALS)
		return wrong(s, "special_whatsapp_numbers", "is no array of at most 10");
	for (size_t i = 0; i < json_length(list); i++) {
		struct slice number, crew;
		if (json_at(list, i, &one) != JSON_OBJECT)
			return wrong(s, "special_whatsapp_numbers", "has something that is not an object");
		if (!read_text(s, one, "number", 40, &number) || !read_text(s, one, "crew", 64, &crew))
			return false;
		if (number.len == 0 || crew.len == 0)
			continue;       /* a line of the form that is not filled in */
		s->row.special[s->row.specials].number = number;
		s->row.special[s->row.specials++].crew = crew;
	}
	return true;
}

static bool
read_mapping(struct sync *s)
{
	const struct json *value;
	struct slice internal;

	s->row.sequence = SEQUENCE;
	if (!read_number(s, "chatwoot_account_id", 1, true, &s->row.account) || !read_number(s, "chatwoot_inbox_id", 1, false, &s->row.inbox) ||
	    !read_number(s, "sequence", 0, false, &s->row.sequence) || !read_text(s, s->inner, "domain", 64, &s->row.domain) ||
	    !read_text(s, s->inner, "internal_account_id", 64, &internal) || !read_specials(s))
		return false;
	if (internal.len > 0 && !slice_eq(internal, s->account))
		return api_refuse(s->r, REQUEST_R_AUTHORIZATION_ERROR, SLICE("internal_account_id is another than account_id"));
	enum json_type type = json_get(s->inner, "is_fallback", &value);
	if (type != JSON_BOOL && !api_empty(type, value))
		return wrong(s, "is_fallback", "is neither true nor false");
	s->row.fallback = json_true(value);
	s->said.mapping = &s->row;
	s->said.mappings = 1;
	return true;
}

/* ---- who may say so ---- */

static bool
may_enrol(struct sync *s)
{
	struct worker *w = s->r->worker;

	s->enrol = s->vouched = !s->mapping;
	if (s->enrol && w->config->enrolment.open)
		return true;
	if (s->enrol && w->enrolment.len > 0) {
		int e = sign_addon_check(request_given(s->r, REQUEST_P_WEBHOOK_SIGNATURE), w->enrolment, s->r->body);
		return e == 0 || api_refuse(s->r, REQUEST_R_BAD_SIGNATURE, slice_of(sign_reason(e)));
	}
	return api_refuse(s->r, REQUEST_R_AUTHORIZATION_ERROR,
	    SLICE("there is no tenant of this account_id; the operator makes it (ponte tenant import)"));
}

/* The tenant's own secret decides where it is enforced; else that, or the token. */
static bool
may(struct sync *s)
{
	struct slice owner;
	unsigned scopes;
	const struct tenant *t;

	if (!access_tenant(s->r, s->account, &t))
		return false;
	if (!t)
		return may_enrol(s);
	if (t->odoo.secret.len > 0 && t->odoo.signature != TENANT_SIGNATURE_OFF) {
		int e = access_signature(s->r, t);
		s->vouched = e == 0;
		if (s->vouched)
			return true;
		if (t->odoo.signature == TENANT_SIGNATURE_ENFORCE)
			return api_refuse(s->r, REQUEST_R_BAD_SIGNATURE, slice_of(sign_reason(e)));
	}
	if (!access_token(s->r, s->token, &owner, &scopes))
		return false;
	if (owner.len == 0)
		return api_refuse(s->r, REQUEST_R_INVALID_TOKEN, SLICE("the token is not the one that is stored"));
	return (slice_eq(owner, s->account) && (scopes & TOKEN_SYNC)) ||
	    api_refuse(s->r, REQUEST_R_AUTHORIZATION_ERROR, SLICE("the token is not for this account_id"));
}

/* ---- what comes of it ---- */

static void
wipe(struct buf *b)
{
	if (b->cap > 0)
		crypt_wipe(b->ptr, b->cap);
	buf_clear(b);
}

/* The courier alone can open it again. */
static bool
seal(struct sync *s, struct slice key)
{
	struct worker *w = s->r->worker;
	struct wire_writer out;
	struct wire_frame f = { 0 };

	if (key.len == 0)
		return true;
	buf_clear(&w->frame);
	wire_begin(&out, &w->frame, P_SEAL, net_caller_next(&w->courier));
	wire_put(&out, T_NAME, s->account);
	wire_put(&out, T_LABEL, SLICE("odoo/key"));
	wire_put(&out, T_PAYLOAD, key);
	int e = wire_end(&out);
	if (e == 0)
		e = net_call(&w->courier, buf_view(&w->frame), clock_mono_ms() + WORKER_ASK_MS, &f);
	wipe(&w->frame);
	if (e == 0 && f.kind == P_SEAL_OK)
		s->said.odoo.key = arena_copy(s->r->arena, wire_text(f.payload, T_PAYLOAD));
	return s->said.odoo.key.len > 0 || api_refuse(s->r, REQUEST_R_TRY_AGAIN, SLICE("the courier cannot seal the password now: send it again"));
}

static enum request_refusal
refusal_of(uint64_t code)
{
	switch (code) {
	case E_CONFLICT:    return REQUEST_R_CONFLICT;
	case E_NOT_FOUND:   return REQUEST_R_AUTHORIZATION_ERROR;
	case E_BAD_REQUEST: return REQUEST_R_BAD_SCHEMA;
	}
	return REQUEST_R_TRY_AGAIN;
}

static bool
keep(struct sync *s, enum sync_result *ret)
{
	CLEANUP(buf_free) struct buf record = { 0 };
	struct worker *w = s->r->worker;
	struct wire_writer out;
	struct wire_frame f = { 0 };
	struct uuid event = uuid_make(clock_wall_us());
	uint8_t hash[CRYPT_SHA256];

	s->said.name = s->account;
	crypt_sha256(s->token, hash);
	int e = tenant_encode(&s->said, &record);
	buf_clear(&w->frame);
	wire_begin(&out, &w->frame, P_TENANT_SYNC, net_caller_next(&w->keeper));
	wire_put(&out, T_NAME, s->account);
	wire_put(&out, T_TENANT, buf_view(&record));
	if (s->vouched) {
		wire_put(&out, T_HASH, slice_from(hash, sizeof hash));
		wire_put(&out, T_LABEL, TOKEN_LABEL);
		wire_put_u64(&out, T_SCOPES, TOKEN_OF_REFERENCE);
	}
	wire_put(&out, T_EVENT_ID, slice_from(event.byte, sizeof event.byte));
	wire_put(&out, T_KIND, s->mapping ? SLICE("mapping") : SLICE("credentials"));
	wire_put_u64(&out, T_FORCE, s->enrol);
	if (s->enrol)
		wire_put(&out, T_BEFORE, (struct slice){ NULL, 0 });
	int ended = wire_end(&out);
	if (e == 0)
		e = ended;
	if (e == 0)
		e = net_call(&w->keeper, buf_view(&w->frame), clock_mono_ms() + WORKER_ASK_MS, &f);
	buf_clear(&w->frame);
	if (e == 0 && f.kind == P_TENANT_SYNC_OK) {
		*ret = (enum sync_result)wire_u64(f.payload, T_RESULT, SYNC_CHANGED);
		return true;
	}
	struct slice why = e == 0 ? arena_copy(s->r->arena, wire_text(f.payload, T_REASON)) : (struct slice){ NULL, 0 };
	return api_refuse(s->r, e == 0 && f.kind == P_ERROR ? refusal_of(wire_u64(f.payload, T_CODE, 0)) : REQUEST_R_TRY_AGAIN,
	    why.len ? why : SLICE("the keeper did not answer in time: send it again"));
}

static void
answer(struct sync *s, enum sync_result result)
{
	static const char *const words[] = { [SYNC_UNCHANGED] = "unchanged", [SYNC_CHANGED] = "stored", [SYNC_MADE] = "stored; the tenant is new" };
	const char *word = result <= SYNC_MADE && words[result] ? words[result] : "stored";
	struct request *r = s->r;
	struct slice place = arena_printf(r->arena, "tenant/" SLICE_FMT "/%s", SLICE_ARG(s->account), s->mapping ? "mapping" : "odoo");
	char now[CLOCK_TEXT];

	clock_text(clock_wall_us(), now);
	r->decision = slice_of(word);
	answer_begin(r, HTTP_OK);
	answer_bool(r, "success", true);
	answer_text(r, "message", arena_printf(r->arena, "%s %s", s->mapping ? "mapping" : "credentials", word));
	answer_text(r, "account_id", s->account);
	answer_text(r, s->mapping ? "mapping_path" : "config_path", place);
	if (!s->mapping)
		answer_text(r, "credentials_path", place);
	answer_text(r, "timestamp", slice_of(now));
	answer_text(r, "request_id", slice_of(r->id));
	answer_end(r);
}

static void
run(struct sync *s)
{
	struct slice key = { NULL, 0 };
	enum sync_result result = SYNC_CHANGED;

	bool done = read_head(s) && (s->mapping ? read_mapping(s) : read_credentials(s, &key)) && may(s) && seal(s, key) && keep(s, &result);
	if (done)
		answer(s, result);
	log_event(done ? LOG_NOTICE : LOG_WARN, "credentials-access", LOG_TEXT("tenant", s->account), LOG_STR("operation", s->mapping ? "mapping" : "write"),
	    LOG_STR("success", done ? "true" : "false"), LOG_TEXT("address", request_given(s->r, REQUEST_P_REMOTE)),
	    LOG_STR("request_id", s->r->id), LOG_TEXT("why", s->r->reason));
	/* Body and document are ours, and have the password in them. */
	if (key.len > 0) {
		crypt_wipe((char *)(uintptr_t)s->r->body.ptr, s->r->body.len);
		crypt_wipe((char *)(uintptr_t)key.ptr, key.len);
	}
	json_free(s->doc);
}

void
on_tenants_sync(struct request *r, const char *sync)
{
	struct sync s = { .r = r, .mapping = strcmp(sync, "mapping") == 0 };

	r->sync = true;
	run(&s);
}
