#include <errno.h>

#include "lib/tenant_reseal.h"

struct work {
	const struct secret_key *key;
	struct slice             tenant;
	struct arena            *arena;
	struct tenant_resealed  *counts;
	int                      failed;
};

static void
wipe(struct buf *b)
{
	if (b->cap > 0)
		crypt_wipe(b->ptr, b->cap);
	buf_free(b);
}

/* "sender/LABEL/secret"; without a label "hub/token". */
static void
one(struct work *w, const char *kind, struct slice label, const char *what, struct slice *sealed)
{
	CLEANUP(wipe) struct buf plain = { 0 };
	CLEANUP(buf_free) struct buf out = { 0 };
	struct secret_key alone = *w->key;
	struct slice field;

	if (sealed->len == 0 || w->failed)
		return;
	field = label.len ? arena_printf(w->arena, "%s/" SLICE_FMT "/%s", kind, SLICE_ARG(label), what) : arena_printf(w->arena, "%s/%s", kind, what);
	alone.has_next = false;
	int r = field.len ? secret_open(&alone, w->tenant, field.ptr, *sealed, &plain) : -ENOMEM;
	if (r == 0) {
		w->counts->there++;
	} else if (r == -EBADMSG && (r = secret_open(w->key, w->tenant, field.ptr, *sealed, &plain)) == 0) {
		r = secret_seal(w->key, w->tenant, field.ptr, buf_view(&plain), &out);
		*sealed = r == 0 ? arena_copy(w->arena, buf_view(&out)) : *sealed;
		w->counts->moved++;
	} else if (r == -EBADMSG) {
		w->counts->lost_field = w->counts->lost++ ? w->counts->lost_field : field;
		r = 0;
	}
	crypt_wipe(&alone, sizeof(alone));
	w->failed = r < 0 || sealed->len == 0 ? -ENOMEM : 0;
}

static void
intake(struct work *w, struct tenant *t)
{
	for (size_t i = 0; i < t->senders; i++) {
		struct tenant_sender *s = &t->sender[i];
		one(w, "sender", s->label, "secret", &s->secret);
		one(w, "sender", s->label, "next_secret", &s->next_secret);
		one(w, "sender", s->label, "proof", &s->proof);
	}
	one(w, "odoo", (struct slice){ NULL, 0 }, "secret", &t->odoo.secret);
}

static void
outgoing(struct work *w, struct tenant *t)
{
	const struct slice none = { NULL, 0 };

	one(w, "hub", none, "token", &t->hub_token);
	for (size_t i = 0; i < t->installations; i++) {
		struct tenant_installation *in = &t->installation[i];
		one(w, "installation", in->id, "bot_token", &in->bot_token);
		one(w, "installation", in->id, "user_token", &in->user_token);
	}
	one(w, "odoo", none, "key", &t->odoo.key);
	one(w, "odoo", none, "next_key", &t->odoo.next_key);
}

int
tenant_reseal(struct tenant *t, enum tenant_ring ring, const struct secret_key *key, struct arena *a, struct tenant_resealed *ret)
{
	struct work w = { .key = key, .tenant = t->name, .arena = a, .counts = ret };

	(ring == TENANT_RING_INTAKE ? intake : outgoing)(&w, t);
	return w.failed ? w.failed : arena_overflowed(a) ? -ENOMEM : 0;
}
