/* Product endpoints that ask Odoo or the hub. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "app/worker/api.h"
#include "app/worker/products.h"
#include "app/worker/routes.h"
#include "lib/uuid.h"
#include "lib/clock.h"

#define ODOO_MS     10000       /* what Odoo may take of it when the hub is asked, too */

static bool
read_id(struct request *r, const struct json *doc, int64_t *ret)
{
	const struct json *id;

	if (r->params > 0)
		return slice_to_i64(r->param[0], 1, INT64_MAX, ret) == 0 ||
		    api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("the id of a product is a whole number"));
	json_get(doc, "product_id", &id);
	return (json_int(id, ret) == 0 && *ret > 0) ||
	    api_refuse(r, REQUEST_R_BAD_SCHEMA, SLICE("product_id must be a positive whole number"));
}

/* Of a product that the path names, or the body (Odoo's queue). */
static bool
read_product(struct request *r, struct json **ret, int64_t *ret_id)
{
	*ret_id = 0;
	return api_account(r) && (r->params > 0 ? api_body_optional(r, ret) : api_body(r, ret)) && read_id(r, *ret, ret_id);
}

/* How long who asks waits for all of it.  A job is Odoo's queue, by its own
 * spelling of the paths, and the mass addon, whose tool sends metadata. */
static int64_t
patience_ms(const struct request *r, const struct json *doc)
{
	const struct json *metadata;
	bool job = r->route->shape == ROUTE_TOOL ? json_get(doc, "metadata", &metadata) == JSON_OBJECT
	    : !slice_starts(slice_of(r->route->path), SLICE("/api/v1/products/"));

	return job ? PRODUCTS_LONG_MS : PRODUCTS_MS;
}

/* record NULL: it is gone. */
static void
fill_product(const struct json *record, int64_t id, struct product *p)
{
	struct slice category;

	p->id = id;
	p->gone = !record;
	p->name = odoo_record_text(record, "name");
	p->description = odoo_record_text(record, "description_sale");
	if (p->description.len == 0)
		p->description = odoo_record_text(record, "description");
	p->price = odoo_record_number(record, "list_price");
	p->category = odoo_record_ref(record, "categ_id", &category);
}

/* What is stored of it goes.  False: the request is answered. */
static bool
let_go(struct request *r, int64_t id)
{
	const struct product p = { .id = id, .gone = true };

	return products_store(r, &p, 1);
}

static void
refuse_unknown(struct request *r, int64_t id)
{
	if (let_go(r, id))
		api_refuse(r, REQUEST_R_NOT_FOUND_ERROR, SLICE("there is no such product"));
}

/* ---- descriptions -------------------------------------------------------- */

/* {"task":"product_description","tenant","product","options"} */
static bool
ask_description(struct request *r, const struct json *product, const struct json *options, int64_t patience, struct asked *ret)
{
	CLEANUP(json_freep) struct json *q = json_new_object();
	CLEANUP(buf_free) struct buf text = { 0 };
	int e = q ? json_set_text(q, "task", SLICE("product_description")) : -ENOMEM;

	if (e == 0)
		e = json_set_text(q, "tenant", r->tenant);
	if (e == 0)
		e = json_set(q, "product", json_ref(product));
	if (e == 0)
		e = json_set(q, "options", options ? json_ref(options) : json_new_object());
	if (e == 0)
		e = json_print(q, &text);
	if (e < 0) {
		*ret = (struct asked){ .kind = CALL_HUB, .result = CALL_BUSY, .why = SLICE("out of memory: send it again") };
		return false;
	}
	if (!ask(r, CALL_HUB, buf_view(&text), products_left_ms(r, patience), ret))
		return false;
	const struct json *description;
	if (json_get(ret->answer, "description", &description) == JSON_STRING && json_text(description).len > 0)
		return true;
	json_free(ret->answer);
	*ret = (struct asked){ .kind = CALL_HUB, .result = CALL_FAULT, .why = SLICE("the hub's answer has no description") };
	return false;
}

/* An array of texts, or null. */
static void
answer_texts(struct request *r, const char *key, const struct json *from)
{
	const struct json *list;

	if (json_get(from, key, &list) == JSON_ARRAY)
		answer_json(r, key, list);
	else
		answer_null(r, key);
}

void
on_product_description(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct asked odoo = { 0 }, hub = { 0 };
	const struct json *options, *record, *text;
	int64_t id;

	if (!read_product(r, &doc, &id))
		return;
	json_get(doc, "options", &options);
	if (!odoo_products_read(r, &id, 1, ODOO_MS, &odoo))
		ask_refuse(r, &odoo);
	else if (!(record = odoo_record_of(odoo.answer, id)))
		refuse_unknown(r, id);
	else if (!ask_description(r, record, options, patience_ms(r, doc), &hub))
		ask_refuse(r, &hub);
	else {
		json_get(hub.answer, "description", &text);
		api_open(r);
		answer_int(r, "product_id", id);
		answer_text(r, "description", json_text(text));
		answer_texts(r, "key_features", hub.answer);
		answer_texts(r, "use_cases", hub.answer);
		api_close(r);
	}
	json_free(odoo.answer);
	json_free(hub.answer);
}

/* ---- the addons' tools: flat answers, 200 also when it failed -------------- */

static void
answer_tool(struct request *r, bool success, const char *key, struct slice value)
{
	answer_begin(r, HTTP_OK);
	answer_bool(r, "success", success);
	answer_text(r, success ? key : "error", value);
	answer_text(r, "request_id", slice_of(r->id));
	answer_end(r);
}

void
on_tool_description(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct asked odoo = { 0 }, hub = { 0 };
	const struct json *product, *text;
	int64_t id;

	if (!read_product(r, &doc, &id))
		return;
	bool known = json_get(doc, "metadata", &product) == JSON_OBJECT;
	if (!known && odoo_products_read(r, &id, 1, ODOO_MS, &odoo))
		known = (product = odoo_record_of(odoo.answer, id)) != NULL;
	if (!known && odoo.result != CALL_DONE)
		answer_tool(r, false, NULL, odoo.why);
	else if (!known) {
		if (let_go(r, id))
			answer_tool(r, false, NULL, SLICE("there is no such product"));
	} else if (!ask_description(r, product, NULL, patience_ms(r, doc), &hub))
		answer_tool(r, false, NULL, hub.why);
	else {
		json_get(hub.answer, "description", &text);
		answer_tool(r, true, "description", json_text(text));
	}
	json_free(odoo.answer);
	json_free(hub.answer);
}

/* What the body says; the rest of p stays.  False: the request is answered. */
static bool
say_product(struct request *r, const struct json *doc, struct product *p)
{
	struct slice description;
	const struct json *value;
	double price = 0;

	if (!api_text(doc, "description", &description))
		return api_refuse(r, REQUEST_R_BAD_SCHEMA, SLICE("description is not a string"));
	p->description = description.len > 0 ? description : p->description;
	enum json_type type = json_get(doc, "price", &value);
	if (!api_empty(type, value) && (json_number(value, &price) != 0 || !isfinite(price)))
		return api_refuse(r, REQUEST_R_BAD_SCHEMA, SLICE("price is not a number"));
	p->price = api_empty(type, value) ? p->price : price;
	if (json_get(doc, "is_special_price", &value) == JSON_BOOL)
		p->special = json_true(value);
	return true;
}

/* The addons say a part of a product: what they leave out is as it was.  Two at
 * once of one product: it is as the later one read it. */
void
on_tool_product(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct product p = { 0 };

	if (!read_product(r, &doc, &p.id) || !product_stored(r, &p) || !say_product(r, doc, &p))
		return;
	if (p.name.len == 0)
		p.name = arena_printf(r->arena, "%" PRId64, p.id);
	if (products_store(r, &p, 1))
		answer_tool(r, true, "vector_id", product_vector_id(r, p.id));
}

/* ---- sync ------------------------------------------------------------------ */

static bool
wants_no_update(const struct json *doc)
{
	const struct json *value;

	json_get(doc, "skip_odoo_update", &value);
	return json_true(value);
}

/* Marks them in Odoo as synced, unless options say not to.  False: not done, and ret says why. */
static bool
mark(struct request *r, const struct json *options, const struct json *records, const struct product *p, size_t n,
    int64_t patience, struct asked *ret)
{
	const struct json *record, *value;
	int64_t *id = arena_take(r->arena, n * sizeof(*id));
	size_t ids = 0;

	/* Without the addon's own module Odoo has no such field. */
	json_at(records, 0, &record);
	if (json_get(record, "semantic_description_verified", &value) == JSON_ABSENT || wants_no_update(options))
		return true;
	for (size_t i = 0; i < n && id; i++)
		if (!p[i].gone)
			id[ids++] = p[i].id;
	*ret = (struct asked){ .kind = CALL_ODOO, .result = CALL_BUSY, .why = SLICE("out of memory: send it again") };
	return id && odoo_products_write(r, id, ids, "semantic_description_verified", SLICE("true"), products_left_ms(r, patience), ret);
}

void
on_product_sync(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct asked odoo = { 0 }, written = { 0 };
	const struct json *record;
	struct product p = { 0 };
	struct slice text;
	char now[CLOCK_TEXT];
	int64_t id;

	if (!read_product(r, &doc, &id))
		return;
	if (!api_text(doc, "description", &text)) {
		api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("description must be a string"));
		return;
	}
	if (!odoo_products_read(r, &id, 1, ODOO_MS, &odoo)) {
		ask_refuse(r, &odoo);
		return;
	}
	record = odoo_record_of(odoo.answer, id);
	if (!record) {
		refuse_unknown(r, id);
		json_free(odoo.answer);
		return;
	}
	fill_product(record, id, &p);
	p.description = text.len > 0 ? text : p.description;
	bool stored = products_store(r, &p, 1);
	if (stored && !mark(r, doc, odoo.answer, &p, 1, patience_ms(r, doc), &written))
		stored = ask_refuse(r, &written);
	if (stored) {
		clock_text(clock_wall_us(), now);
		now[19] = '\0';
		api_open(r);
		answer_int(r, "product_id", id);
		answer_text(r, "vector_id", product_vector_id(r, id));
		answer_text(r, "sync_status", SLICE("completed"));
		answer_text(r, "timestamp", slice_of(now));
		api_close(r);
	}
	json_free(odoo.answer);
	json_free(written.answer);
}

/* unmarked: of those that are stored; empty when there is nothing to say. */
static void
answer_batch(struct request *r, const struct product *p, size_t n, struct slice unmarked)
{
	struct uuid job = uuid_make(clock_wall_us());
	char text[UUID_TEXT];
	int64_t good = 0;

	uuid_text(&job, text);
	api_open(r);
	answer_array(r, "results");
	for (size_t i = 0; i < n; i++) {
		good += !p[i].gone;
		answer_open(r, NULL);
		answer_int(r, "product_id", p[i].id);
		answer_text(r, "status", p[i].gone ? SLICE("failed") : SLICE("completed"));
		if (p[i].gone) {
			answer_null(r, "vector_id");
			answer_text(r, "error", SLICE("there is no such product"));
		} else {
			answer_text(r, "vector_id", product_vector_id(r, p[i].id));
			if (unmarked.len > 0)
				answer_text(r, "error", unmarked);
			else
				answer_null(r, "error");
		}
		answer_close(r);
	}
	answer_array_close(r);
	answer_int(r, "total", (int64_t)n);
	answer_int(r, "successful", good);
	answer_int(r, "failed", (int64_t)n - good);
	answer_text(r, "job_id", slice_of(text));
	api_close(r);
}

bool
products_named(struct request *r, const struct json *doc, struct products_named *ret)
{
	const struct json *list, *one;

	json_get(doc, "product_ids", &list);
	ret->n = json_length(list);
	if (json_type_of(list) != JSON_ARRAY || ret->n == 0 || ret->n > PRODUCTS_MAX)
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("product_ids must be a list of 1 to 1000 whole numbers"));
	ret->id = arena_take(r->arena, ret->n * sizeof(*ret->id));
	if (!ret->id)
		return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	for (size_t i = 0; i < ret->n; i++) {
		json_at(list, i, &one);
		if (json_int(one, &ret->id[i]) != 0 || ret->id[i] <= 0)
			return api_refuse(r, REQUEST_R_VALIDATION_ERROR, arena_printf(r->arena, "product_ids[%zu] is no positive whole number", i));
	}
	return true;
}

void
on_products_sync(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct asked odoo = { 0 }, written = { 0 };
	struct slice unmarked = { NULL, 0 };
	const struct json *options;
	struct products_named named = { 0 };

	if (!api_account(r) || !api_body(r, &doc) || !products_named(r, doc, &named))
		return;
	if (!odoo_products_read(r, named.id, named.n, patience_ms(r, doc), &odoo)) {
		ask_refuse(r, &odoo);
		return;
	}
	struct product *p = arena_take(r->arena, named.n * sizeof(*p));
	for (size_t i = 0; named.id && i < named.n && p; i++)
		fill_product(odoo_record_of(odoo.answer, named.id[i]), named.id[i], &p[i]);
	if (!p)
		api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	else if (products_store(r, p, named.n)) {
		json_get(doc, "options", &options);
		if (!mark(r, options, odoo.answer, p, named.n, patience_ms(r, doc), &written))
			unmarked = arena_printf(r->arena, "stored, but not marked in Odoo: " SLICE_FMT, SLICE_ARG(written.why));
		answer_batch(r, p, named.n, unmarked);
	}
	json_free(odoo.answer);
	json_free(written.answer);
}
