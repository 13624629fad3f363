#include <errno.h>
#include <stdlib.h>

#include "app/courier/where.h"
#include "lib/crypt.h"

#define TENANT_MEMORY (16 * MIB)    /* of one decoded tenant, at most */
#define TENANTS_KEPT  1000          /* more are forgotten and asked for again */
#define TOKEN_MAX     4096

static void
wiped_free(struct buf *b)
{
	if (b->ptr)
		crypt_wipe(b->ptr, b->cap);
	buf_free(b);
}

void
where_forget(struct where *w)
{
	for (size_t i = 0; i < w->n; i++)
		arena_free(w->item[i].memory);
	w->n = 0;
}

void
where_free(struct where *w)
{
	where_forget(w);
	free(w->item);
	w->item = NULL;
	w->cap = 0;
	wiped_free(&w->hub_token);
}

static bool
printable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= 0x20 || text.ptr[i] == 0x7f)
			return false;
	return text.len > 0;
}

int
where_read_token(struct where *w, const struct config *config)
{
	CLEANUP(wiped_free) struct buf fresh = { 0 };
	if (config->hub.token_file.len > 0) {
		char *text;
		size_t len;
		int r = file_read_private(config->hub.token_file.ptr, TOKEN_MAX, &text, &len);
		if (r)
			return r;
		struct slice token = slice_trim(slice_from(text, len));
		r = printable(token) ? buf_append_slice(&fresh, token) : -EINVAL;
		crypt_wipe(text, len);
		free(text);
		if (r)
			return r;
	}
	struct buf old = w->hub_token;
	w->hub_token = fresh;
	fresh = old;
	return 0;
}

const struct tenant *
where_tenant(const struct where *w, struct slice name)
{
	for (size_t i = 0; i < w->n; i++)
		if (slice_eq(w->item[i].tenant.name, name))
			return &w->item[i].tenant;
	return NULL;
}

uint64_t
where_mark(const struct where *w, struct slice name)
{
	for (size_t i = 0; i < w->n; i++)
		if (slice_eq(w->item[i].tenant.name, name))
			return w->item[i].mark;
	return 0;
}

/* FNV-1a: only to see that something is another than before. */
static uint64_t
mark_of(struct slice record)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < record.len; i++)
		h = (h ^ (uint8_t)record.ptr[i]) * UINT64_C(0x100000001b3);
	return h ? h : 1;
}

int
where_learn(struct where *w, struct slice record)
{
	if (w->n >= TENANTS_KEPT)
		where_forget(w);
	int r = array_grow((void **)&w->item, &w->cap, w->n, sizeof(*w->item));
	if (r)
		return r;

	CLEANUP(arena_freep) struct arena *memory = NULL;
	struct where_tenant t;
	if ((r = arena_new(TENANT_MEMORY, &memory)))
		return r;
	struct slice copy = arena_copy(memory, record);
	if (copy.len != record.len)
		return -ENOMEM;
	if ((r = tenant_decode(copy, memory, &t.tenant)))
		return r;
	t.mark = mark_of(record);
	t.memory = memory;
	memory = NULL;
	for (size_t i = 0; i < w->n; i++) {
		if (!slice_eq(w->item[i].tenant.name, t.tenant.name))
			continue;
		arena_free(w->item[i].memory);
		w->item[i] = t;
		return 0;
	}
	w->item[w->n++] = t;
	return 0;
}

static int
open_token(const struct secret_key *key, const struct tenant *t, const char *field, struct slice sealed,
    struct arena *a, struct slice *ret)
{
	CLEANUP(wiped_free) struct buf plain = { 0 };
	*ret = (struct slice){ 0, 0 };
	if (sealed.len == 0)
		return 0;
	int r = secret_open(key, t->name, field, sealed, &plain);
	if (r)
		return r;
	*ret = arena_copy(a, buf_view(&plain));
	return ret->len == plain.len ? 0 : -ENOMEM;
}

int
where_hub(const struct where *w, const struct config *config, const struct secret_key *key,
    const struct tenant *t, struct arena *a, struct where_target *ret, const char **reterr_why)
{
	if (t->hub_url.len > 0) {
		/* The default hub's token is never shown to a tenant's own hub. */
		ret->url = t->hub_url;
		int r = open_token(key, t, "hub/token", t->hub_token, a, &ret->token);
		if (r != -EBADMSG)
			return r;
		*reterr_why = "the hub's token can not be opened with outgoing.key";
		return WHERE_E_WAIT;
	}
	if (config->hub.url.len > 0) {
		ret->url = config->hub.url;
		ret->token = arena_copy(a, buf_view(&w->hub_token));
		return ret->token.len == w->hub_token.len ? 0 : -ENOMEM;
	}
	*reterr_why = "no hub is configured for this tenant";
	return WHERE_E_WAIT;
}

/* "installation/ID/bot_token" */
static int
open_of(const struct secret_key *key, const struct tenant *t, const struct tenant_installation *in, const char *name,
    struct slice sealed, struct arena *a, struct slice *ret)
{
	struct slice field = arena_printf(a, "installation/%.*s/%s", (int)in->id.len, in->id.ptr, name);
	return field.len == 0 ? -ENOMEM : open_token(key, t, field.ptr, sealed, a, ret);
}

static int
to_installation(const struct secret_key *key, const struct tenant *t, const struct delivery *d, struct arena *a,
    struct where_target *ret, const char **reterr_why)
{
	const struct tenant_installation *in = tenant_installation_find(t, d->installation);
	if (!in || !tenant_account_find(in, d->account)) {
		*reterr_why = in ? "the account is not configured any more" : "the installation is not configured any more";
		return WHERE_E_GONE;
	}
	if (in->bot_token.len == 0) {
		*reterr_why = "no bot token";
		return WHERE_E_STOP;
	}
	ret->url = in->url;
	ret->bot_id = in->bot_id;
	int r = open_of(key, t, in, "bot_token", in->bot_token, a, &ret->token);
	if (r == 0)
		r = open_of(key, t, in, "user_token", in->user_token, a, &ret->user_token);
	if (r != -EBADMSG)
		return r;
	*reterr_why = "a token of Chatwoot's can not be opened with outgoing.key";
	return WHERE_E_WAIT;
}

int
where_installation(const struct secret_key *key, const struct tenant *t, const struct delivery *d, struct arena *a,
    struct slice *ret_url, struct slice *ret_token)
{
	const struct tenant_installation *in = tenant_installation_find(t, d->installation);
	if (!in || !tenant_account_find(in, d->account))
		return WHERE_E_GONE;
	*ret_url = in->url;
	int r = open_of(key, t, in, "bot_token", in->bot_token, a, ret_token);
	return r == -EBADMSG ? WHERE_E_GONE : r;
}

int
where_user_token(const struct secret_key *key, const struct tenant *t, const struct tenant_installation *in,
    struct arena *a, struct slice *ret)
{
	return open_of(key, t, in, "user_token", in->user_token, a, ret);
}

int
where_odoo_key(const struct secret_key *key, const struct tenant *t, bool next, struct arena *a, struct slice *ret)
{
	return next ? open_token(key, t, "odoo/next_key", t->odoo.next_key, a, ret) : open_token(key, t, "odoo/key", t->odoo.key, a, ret);
}

int
where_to(const struct where *w, const struct config *config, const struct secret_key *key,
    const struct tenant *t, const struct delivery *d, struct arena *a, struct where_target *ret, const char **reterr_why)
{
	*ret = (struct where_target){ .bot_id = 0 };
	switch (d->dest) {
	case DEST_HUB:
		return where_hub(w, config, key, t, a, ret, reterr_why);
	case DEST_CHATWOOT:
		return to_installation(key, t, d, a, ret, reterr_why);
	}
	*reterr_why = "no such destination";
	return WHERE_E_GONE;
}

void
where_wipe(struct where_target *target)
{
	if (target->token.len > 0)
		crypt_wipe((char *)(uintptr_t)target->token.ptr, target->token.len);
	if (target->user_token.len > 0)
		crypt_wipe((char *)(uintptr_t)target->user_token.ptr, target->user_token.len);
}
