/* products: what the files of the product endpoints share. */
#ifndef PONTE_WORKER_PRODUCTS_H
#define PONTE_WORKER_PRODUCTS_H

#include "app/worker/ask.h"
#include "app/worker/request.h"
#include "lib/buf.h"
#include "lib/catalog.h"
#include "lib/json.h"

#define PRODUCTS_MAX 1000       /* named in one request */
#define PRODUCTS_MS  28000      /* the addons wait 30 s … */
#define PRODUCTS_LONG_MS 58000  /* … and 60 s where a job asks; so does nginx */

/* product_ids of the body, in the request's arena.  False: the request is answered. */
struct products_named { int64_t *id; size_t n; };
bool products_named(struct request *, const struct json *doc, struct products_named *ret);

/* ---- Odoo (product_odoo.c) ---- */

/* The reading methods give a list of records in ret->answer. */
bool odoo_products_read(struct request *, const int64_t *id, size_t n, int64_t ms, struct asked *ret);
/* The same value into a field of all of them.  True: it is done. */
bool odoo_products_write(struct request *, const int64_t *id, size_t n, const char *field, struct slice json_value, int64_t ms,
    struct asked *ret);
/* The ids behind that one, the next `limit` in their order. */
bool odoo_products_after(struct request *, int64_t id, int64_t limit, int64_t ms, struct asked *ret);
/* domain: JSON. */
bool odoo_products_find(struct request *, struct slice domain, int64_t limit, int64_t offset, const char *order, int64_t ms,
    struct asked *ret);
bool odoo_products_count(struct request *, struct slice domain, int64_t ms, int64_t *ret_n, struct asked *ret);

/* The record of that id in a list.  NULL: Odoo named none. */
const struct json *odoo_record_of(const struct json *list, int64_t id);
/* Members of a record; Odoo's `false` is empty, or 0. */
struct slice odoo_record_text(const struct json *record, const char *field);
double odoo_record_number(const struct json *record, const char *field);
/* A many2one: [id, name] or false. */
int64_t odoo_record_ref(const struct json *record, const char *field, struct slice *ret_name);

/* Milliseconds of the client's patience that are left; 0: none. */
int64_t products_left_ms(const struct request *, int64_t patience_ms);

/* ---- the shelf (product_shelf.c) ---- */

struct product {
	int64_t      id, category;
	struct slice name, description;
	double       price;
	bool         special;           /* of the price */
	bool         gone;              /* Odoo has none of that id: nor has the shelf from here on */
};
/* p->id as it is stored now, into p; one that is not leaves p alone.  False: the
 * request is answered. */
bool product_stored(struct request *, struct product *p);
/* Stores them, and takes away those that are gone, in one push.  False: the request is answered. */
bool products_store(struct request *, const struct product *, size_t n);
/* "{account}_{product}" as the addons know it. */
struct slice product_vector_id(struct request *, int64_t id);

#endif
