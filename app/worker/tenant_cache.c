#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/worker/tenant_cache.h"
#include "lib/log.h"
#include "lib/protocol.h"
#include "lib/wire.h"

#define ENTRIES     64
#define TENANTS_MAX 1000                /* with one account number: more is nonsense */
#define RECORDS_MAX (16 * MIB)

struct tenant_cache {
	const struct secret_key *key;
	uint64_t                 generation, clock;
	uint64_t                 complained;    /* the generation whose bad secrets were logged */
	struct tenant_entry      entry[ENTRIES];
};

int
tenant_cache_new(const struct secret_key *key, struct tenant_cache **ret)
{
	struct tenant_cache *c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->key = key;
	c->generation = c->complained = UINT64_MAX;
	*ret = c;
	return 0;
}

static void
forget(struct buf *secret)
{
	if (secret->cap)
		crypt_wipe(secret->ptr, secret->cap);
	buf_free(secret);
}

static void
empty_entry(struct tenant_entry *e)
{
	for (size_t i = 0; i < e->candidates; i++) {
		forget(&e->candidate[i].secret);
		forget(&e->candidate[i].next_secret);
		forget(&e->candidate[i].proof);
	}
	free(e->candidate);
	arena_free(e->arena);
	*e = (struct tenant_entry){ 0 };
}

static void
empty_all(struct tenant_cache *c)
{
	for (size_t i = 0; i < ENTRIES; i++)
		empty_entry(&c->entry[i]);
}

void
tenant_cache_free(struct tenant_cache *c)
{
	if (!c)
		return;
	empty_all(c);
	free(c);
}

void
tenant_cache_generation(struct tenant_cache *c, uint64_t generation)
{
	if (c->generation != generation)
		empty_all(c);
	c->generation = generation;
}

/* ---- asking ---- */

static int
ask(struct tenant_ask how, struct slice name, int64_t account, struct wire_frame *ret)
{
	struct wire_writer w;

	*ret = (struct wire_frame){ 0 };
	buf_clear(how.frame);
	wire_begin(&w, how.frame, P_TENANT_FIND, net_caller_next(how.keeper));
	if (name.len)
		wire_put(&w, T_NAME, name);
	else
		wire_put_i64(&w, T_ACCOUNT, account);
	int r = wire_end(&w);
	if (r == 0)
		r = net_call(how.keeper, buf_view(how.frame), how.deadline_ms, ret);
	buf_clear(how.frame);
	if (r < 0)
		return r;
	if (ret->kind == P_TENANT_FOUND && wire_ok(ret->payload))
		return 0;
	log_event(LOG_ERROR, "keeper-refused", LOG_STR("question", "tenant"),
	    LOG_TEXT("reason", ret->kind == P_ERROR ? wire_text(ret->payload, T_REASON) : SLICE("no answer to it")));
	return -EPROTO;
}

/* ---- an entry from the answer ---- */

static int
decode_tenants(struct tenant_entry *e, struct slice payload)
{
	struct wire_reader fields = { payload, false };
	struct wire_field f;
	size_t n = 0, i = 0;

	while (wire_next(&fields, &f))
		n += f.tag == T_TENANT;
	if (n > TENANTS_MAX)
		return -EPROTO;
	e->tenant = arena_take(e->arena, (n ? n : 1) * sizeof *e->tenant);
	if (!e->tenant)
		return -ENOMEM;
	fields = (struct wire_reader){ payload, false };
	while (wire_next(&fields, &f)) {
		if (f.tag != T_TENANT)
			continue;
		/* The answer's bytes go with the next call. */
		struct slice record = arena_copy(e->arena, f.value);
		if (arena_overflowed(e->arena))
			return -ENOMEM;
		int r = tenant_decode(record, e->arena, &e->tenant[i]);
		if (r < 0)
			return r;
		i++;
	}
	e->tenants = n;
	return 0;
}

/* A secret that cannot be opened (sealed under another key) never fits; the
 * others of its tenant still do. */
static int
open_secret(struct tenant_cache *c, const struct tenant_candidate *one, const char *what, struct slice sealed,
    struct arena *a, struct buf *ret)
{
	if (sealed.len == 0)
		return 0;
	struct slice field = arena_printf(a, "sender/%.*s/%s", SLICE_ARG(one->sender->label), what);
	if (field.len == 0)
		return -ENOMEM;
	int r = secret_open(c->key, one->tenant->name, field.ptr, sealed, ret);
	if (r == -ENOMEM)
		return r;
	if (r < 0 && c->complained != c->generation) {
		c->complained = c->generation;
		log_event(LOG_ERROR, "secret-sealed", LOG_TEXT("tenant", one->tenant->name),
		    LOG_TEXT("sender", one->sender->label), LOG_STR("which", what),
		    LOG_STR("help", "it was sealed under another intake.key: import the tenant again"));
	}
	return 0;
}

static int
list_candidates(struct tenant_cache *c, struct tenant_entry *e)
{
	size_t n = 0;

	for (size_t t = 0; t < e->tenants; t++)
		n += e->tenant[t].senders;
	e->candidate = calloc(n ? n : 1, sizeof *e->candidate);
	if (!e->candidate)
		return -ENOMEM;
	for (size_t t = 0; t < e->tenants; t++)
		for (size_t s = 0; s < e->tenant[t].senders; s++) {
			const struct tenant_sender *sender = &e->tenant[t].sender[s];
			struct tenant_candidate *one = &e->candidate[e->candidates++];
			one->tenant = &e->tenant[t];
			one->sender = sender;
			one->installation = tenant_installation_find(one->tenant, sender->installation);
			int r = open_secret(c, one, "secret", sender->secret, e->arena, &one->secret);
			if (r == 0)
				r = open_secret(c, one, "next_secret", sender->next_secret, e->arena, &one->next_secret);
			if (r == 0)
				r = open_secret(c, one, "proof", sender->proof, e->arena, &one->proof);
			if (r < 0)
				return r;
		}
	return 0;
}

static struct tenant_entry *
seat(struct tenant_cache *c)
{
	struct tenant_entry *oldest = &c->entry[0];

	for (size_t i = 1; i < ENTRIES; i++)
		if (c->entry[i].used < oldest->used)
			oldest = &c->entry[i];
	empty_entry(oldest);
	return oldest;
}

static struct tenant_entry *
lookup(struct tenant_cache *c, struct slice name, int64_t account)
{
	for (size_t i = 0; i < ENTRIES; i++) {
		struct tenant_entry *e = &c->entry[i];
		if (e->used && slice_eq(slice_of(e->name), name) && e->account == account)
			return e;
	}
	return NULL;
}

int
tenant_cache_find(struct tenant_cache *c, struct tenant_ask how, struct slice name, int64_t account,
    bool anew, const struct tenant_entry **ret, bool *ret_cached)
{
	REQUIRE(name.len < sizeof ((struct tenant_entry *)0)->name);
	if (name.len)
		account = 0;

	struct tenant_entry *e = lookup(c, name, account);
	if (e && !anew) {
		e->used = ++c->clock;
		*ret = e;
		*ret_cached = true;
		return 0;
	}

	struct wire_frame answer;
	int r = ask(how, name, account, &answer);
	if (r < 0)
		return r;
	if (e)
		empty_entry(e);
	tenant_cache_generation(c, wire_u64(answer.payload, T_GENERATION, 0));
	e = seat(c);
	r = arena_new(RECORDS_MAX, &e->arena);
	if (r == 0)
		r = decode_tenants(e, answer.payload);
	if (r == 0)
		r = list_candidates(c, e);
	if (r < 0 || e->tenants == 0) {
		empty_entry(e);
		return r < 0 ? r : TENANT_CACHE_E_NONE;
	}
	if (name.len)
		memcpy(e->name, name.ptr, name.len);
	e->account = account;
	e->generation = c->generation;
	e->used = ++c->clock;
	*ret = e;
	*ret_cached = false;
	return 0;
}
