/* odoo: the Odoos that calls go to.  One call at a time to each database, whose
 * tenant it may be, with the tenant's pause between two; the uid is asked for
 * once and kept, the types of a model's fields likewise, until a pull begins or
 * Odoo does not understand a read; a key that is refused is not tried again and
 * again, the one that is to follow it is tried once. */
#ifndef PONTE_COURIER_ODOO_H
#define PONTE_COURIER_ODOO_H

#include "app/courier/calls.h"
#include "app/courier/dest.h"
#include "lib/crypt.h"
#include "lib/odoo/odoo.h"
#include "lib/tenant.h"

#define ODOO_MODELS 32          /* whose fields are remembered, of one Odoo */

struct odoo_model { char name[80]; struct odoo_fields *fields; };
/* Of URL and database: tenants may share one. */
struct odoo_place { uint8_t hash[2 * CRYPT_SHA256]; };
struct odoo_peer {
	char     tenant[65];
	uint64_t mark;                  /* of the tenant's record; while it is busy, of the one that was sent with */
	struct odoo_place place;
	bool     known;                 /* its version was asked for */
	int64_t  uid;                   /* 0: not known */
	unsigned key;                   /* 0: key, 1: next_key */
	unsigned refused;               /* bits: keys that were */
	int64_t  refused_until_ms;      /* both: not asked before */
	bool     busy;
	int64_t  pace_ms, next_ms;      /* the pause between two, and when it ends */
	struct breaker    breaker;
	struct odoo_model model[ODOO_MODELS];
	size_t   models;
	bool     models_old;            /* asked for again by the next that wants them */
};
struct odoos { struct odoo_peer **item; size_t n, cap; };
void odoos_free(struct odoos *);
struct odoo_place odoo_place(const struct tenant_odoo *);
bool odoo_place_same(const struct odoo_place *, const struct odoo_place *);

/* The call's turn: sends it, or says when to come again (at_ms), or ends it. */
void odoo_go(struct courier *, struct call *, const struct tenant *, int64_t now_ms);
/* The tenant's fields may be others than before. */
void odoo_learn_anew(struct courier *, struct slice tenant);
/* What came back: it is over, or it has another turn. */
void odoo_came(struct courier *, struct call *, const struct client_result *, int64_t now_ms);

#endif
