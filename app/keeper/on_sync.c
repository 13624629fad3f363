/* The addons' own syncs: a tenant's Odoo, its token, its mapping.  Who says so
 * has been proved to the worker; what it says cannot reach beyond its tenant. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/keeper/keeper.h"
#include "lib/tenant.h"
#include "lib/tenant_sync.h"
#include "lib/token.h"
#include "lib/uuid.h"

#define HASH_BYTES 32

struct rivals {
	struct keeper       *k;
	const struct tenant *mine, *said;
	bool                 found;
	int                  failed;
	char                 why[STORE_TEXT];
};

static void
look_at_rival(void *context, struct slice name, struct slice record)
{
	struct rivals *r = context;
	struct tenant other;

	if (r->found || r->failed || slice_eq(name, r->mine->name))
		return;
	r->failed = tenant_decode(record, r->k->scratch, &other);
	if (r->failed == -EPROTO)
		r->failed = 0;          /* of a version to come: it claims nothing that is understood */
	else if (r->failed == 0)
		for (size_t i = 0; i < r->said->mappings && !r->found; i++) {
			const struct tenant_mapping *m = &r->said->mapping[i];
			r->found = tenant_claimed(r->mine, &other, m->account, m->inbox);
			snprintf(r->why, sizeof(r->why), m->inbox ? "account %" PRId64 " or its inbox %" PRId64 " is another tenant's" :
			    "account %" PRId64 " is another tenant's", m->account, m->inbox);
		}
}

/* 0, STORE_E_CONFLICT or -errno. */
static int
check_rivals(struct keeper *k, const struct tenant *mine, const struct tenant *said, char reterr[static STORE_TEXT])
{
	struct rivals rivals = { .k = k, .mine = mine, .said = said };
	struct store_tenants all = { .max = 0 };
	bool more;
	int r = said->mappings ? store_tenants(k->store, &all, look_at_rival, &rivals, &more) : 0;

	if (r == 0)
		r = rivals.failed;
	if (r < 0 || !rivals.found)
		return r;
	snprintf(reterr, STORE_TEXT, "%s", rivals.why);
	return STORE_E_CONFLICT;
}

static bool
changed(const struct tenant *t, struct slice before)
{
	CLEANUP(buf_free) struct buf now = { 0 };
	return tenant_encode(t, &now) < 0 || !slice_eq(buf_view(&now), before);
}

static int
tell_hub(struct keeper *k, struct slice tenant, const struct uuid *event, struct slice what)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	int r = buf_printf(&body, "{\"changed\":[\"" SLICE_FMT "\"]}", SLICE_ARG(what));

	if (r == 0)
		r = store_knowledge(k->store, tenant, event, buf_view(&body), k->now_us);
	return r < 0 ? r : 0;
}

/* The tenant as it is, or a new one.  0, STORE_E_NONE or -errno. */
static int
find_or_make(struct keeper *k, const struct wire_frame *f, struct tenant *ret, struct slice *ret_record)
{
	int r = tenant_stored(k, wire_text(f->payload, T_NAME), ret, ret_record);

	if (r != STORE_E_NONE || !wire_u64(f->payload, T_FORCE, 0))
		return r;
	*ret = (struct tenant){ .name = wire_text(f->payload, T_NAME), .answer_open = true };
	tenant_manners_read((struct slice){ NULL, 0 }, &ret->manners);
	return settings_name_ok(ret->name) ? 0 : -EPROTO;
}

int
on_tenant_sync(struct keeper *k, struct peer *p, const struct wire_frame *f)
{
	(void)p;
	char why[STORE_TEXT] = "";
	struct wire_writer w;
	struct tenant t, said;
	struct uuid event;
	struct slice record, had, word = wire_text(f->payload, T_KIND), id = wire_text(f->payload, T_EVENT_ID);
	struct store_token token = {
		.tenant = wire_text(f->payload, T_NAME), .name = wire_text(f->payload, T_LABEL), .hash = wire_text(f->payload, T_HASH),
		.scopes = wire_u64(f->payload, T_SCOPES, 0) & TOKEN_OF_REFERENCE, .made_us = k->now_us,
	};

	if (disk_low(k))
		return answer_error(k, f, E_STORE, k->disk.text);
	if (tenant_decode(wire_text(f->payload, T_TENANT), k->scratch, &said) < 0 || (token.hash.len != 0 && token.hash.len != HASH_BYTES) ||
	    id.len != sizeof(event.byte) || !settings_name_ok(word))
		return answer_error(k, f, E_BAD_REQUEST, "a sync that cannot be read");
	memcpy(event.byte, id.ptr, sizeof(event.byte));
	int r = find_or_make(k, f, &t, &record);
	if (r == STORE_E_NONE || r == -EPROTO)
		return answer_error(k, f, r == -EPROTO ? E_BAD_REQUEST : E_NOT_FOUND, "there is no such tenant");
	/* Who may make a tenant may change none that another made meanwhile. */
	if (r == 0 && record.len > 0 && wire_find(f->payload, T_BEFORE, &had) && had.len == 0)
		return answer_error(k, f, E_STORE, "somebody has made that tenant meanwhile");
	if (r == 0)
		r = check_rivals(k, &t, &said, why);
	if (r == 0 && token.hash.len)
		r = store_token_taken(k->store, &token);
	if (r == STORE_E_CONFLICT)
		return answer_error(k, f, E_CONFLICT, *why ? why : "that token is another tenant's");
	if (r == 0)
		r = tenant_merge(&t, &said, k->scratch);
	if (r == TENANT_SYNC_E_KEY || r == TENANT_SYNC_E_FULL)
		return answer_error(k, f, E_BAD_REQUEST, r == TENANT_SYNC_E_FULL ? "a tenant has 1000 mappings at most" :
		    "another Odoo server is named without its password: the stored one is not sent there");
	bool moved = r == 0 && changed(&t, record);
	if (moved)
		r = tenant_keep(k, &t, "sync", why);
	if (r == 0 && token.hash.len)
		r = store_token_set(k->store, &token);
	if (r == 0 && moved)
		r = tell_hub(k, t.name, &event, word);
	if (r != 0)
		return r < 0 ? r : answer_error(k, f, E_STORE, "the tenant could not be stored");
	answer_begin(k, &w, P_TENANT_SYNC_OK, f->request);
	wire_put_u64(&w, T_RESULT, record.len == 0 ? SYNC_MADE : moved ? SYNC_CHANGED : SYNC_UNCHANGED);
	return wire_end(&w);
}
