#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/courier.h"
#include "app/courier/odoo.h"
#include "app/courier/odoo_peer.h"
#include "lib/http.h"

static void
forget_models(struct odoo_peer *p)
{
	for (size_t i = 0; i < p->models; i++)
		odoo_fields_free(p->model[i].fields);
	p->models = 0;
	p->models_old = false;
}

void
odoos_free(struct odoos *all)
{
	for (size_t i = 0; i < all->n; i++) {
		forget_models(all->item[i]);
		free(all->item[i]);
	}
	free(all->item);
	*all = (struct odoos){ .item = NULL };
}

/* Host and scheme in whatever case, the usual port named or not: one server. */
struct odoo_place
odoo_place(const struct tenant_odoo *o)
{
	struct odoo_place place = { { 0 } };
	struct http_url u;
	char server[300], *at = server;

	crypt_sha256(o->url, place.hash);
	if (http_url_split(o->url, &u) == 0 && u.host.len + u.path.len < sizeof(server) - 20) {
		at += snprintf(at, 20, "%d %u ", u.tls, u.port);
		for (size_t i = 0; i < u.host.len; i++)
			*at++ = (char)tolower((unsigned char)u.host.ptr[i]);
		memcpy(at, u.path.len > 0 ? u.path.ptr : "", u.path.len);
		crypt_sha256(slice_from(server, (size_t)(at - server) + u.path.len), place.hash);
	}
	crypt_sha256(o->db, place.hash + CRYPT_SHA256);
	return place;
}

bool
odoo_place_same(const struct odoo_place *a, const struct odoo_place *b)
{
	return memcmp(a->hash, b->hash, sizeof(a->hash)) == 0;
}

struct odoo_peer *
odoo_peer_known(const struct odoos *all, struct slice tenant)
{
	for (size_t i = 0; i < all->n; i++)
		if (slice_eq(slice_of(all->item[i]->tenant), tenant))
			return all->item[i];
	return NULL;
}

struct odoo_peer *
odoo_peer_of(struct odoos *all, const struct call *call)
{
	struct odoo_peer *p = odoo_peer_known(all, slice_of(call->tenant));

	if (!p) {
		if (array_grow((void **)&all->item, &all->cap, all->n, sizeof(*all->item)) < 0 || !(p = calloc(1, sizeof(*p))))
			return NULL;
		memcpy(p->tenant, call->tenant, sizeof(p->tenant));
		all->item[all->n++] = p;
	}
	return p;
}

void
odoo_learn_anew(struct courier *c, struct slice tenant)
{
	struct odoo_peer *p = odoo_peer_known(&c->odoos, tenant);

	if (p)
		p->models_old = true;
}

void
odoo_peer_renew(struct odoo_peer *p, uint64_t mark, const struct tenant *t)
{
	if (p->busy)
		return;
	if (p->mark == mark) {
		if (p->models_old)
			forget_models(p);
		return;
	}
	forget_models(p);
	p->mark = mark;
	p->known = false;
	p->uid = 0;
	p->key = p->refused = 0;
	p->refused_until_ms = 0;
	p->breaker = (struct breaker){ .failures = 0 };
	p->pace_ms = t->odoo.pace_ms;
	p->place = odoo_place(&t->odoo);
}

const struct odoo_fields *
odoo_peer_fields(const struct odoo_peer *p, struct slice model)
{
	for (size_t i = 0; i < p->models; i++)
		if (slice_eq(model, slice_of(p->model[i].name)))
			return p->model[i].fields;
	return NULL;
}

int64_t
odoo_free_at_ms(const struct odoos *all, const struct odoo_peer *p)
{
	int64_t at = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct odoo_peer *q = all->item[i];
		if (!odoo_place_same(&q->place, &p->place))
			continue;
		if (q->busy)
			return DEST_NEVER;
		if (q->next_ms > at)
			at = q->next_ms;
	}
	return at;
}

void
odoo_peer_learn(struct odoo_peer *p, struct slice model, const struct value *types)
{
	struct odoo_fields *fields;

	if (model.len >= sizeof(p->model[0].name) || odoo_fields_new(types, &fields) != 0)
		return;
	if (p->models == ODOO_MODELS)
		forget_models(p);
	struct odoo_model *m = &p->model[p->models++];
	snprintf(m->name, sizeof(m->name), SLICE_FMT, SLICE_ARG(model));
	m->fields = fields;
}

void
odoo_peer_free(struct courier *c, struct odoo_peer *p, int64_t now_ms)
{
	p->busy = false;
	p->next_ms = now_ms + p->pace_ms;
	/* All who wait look again: whoever shares the place, and its record may have changed. */
	for (struct call *other = c->calls.first; other; other = other->next)
		if (other->state == CALL_S_TURN && other->at_ms == DEST_NEVER)
			other->at_ms = now_ms;
}
