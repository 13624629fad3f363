/* POST /products/list: pages of Odoo's products, and which of them are synced. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/products.h"
#include "app/worker/routes.h"
#include "lib/clock.h"

#define PATIENCE_MS 28000

struct synced { int64_t id, updated_us; };
struct listing {
	struct request *r;
	struct synced  *synced;         /* by id */
	size_t          n, cap;
	int             failed;
	struct buf      domain;
	size_t          terms;
	int64_t         limit, offset;
	const char     *order;
};

/* ---- what is synced ---- */

static void
each_product(void *context, const struct catalog_item *item)
{
	struct listing *l = context;

	if (l->failed == 0)
		l->failed = array_grow((void **)&l->synced, &l->cap, l->n, sizeof(*l->synced));
	if (l->failed == 0)
		l->synced[l->n++] = (struct synced){ item->odoo_id, item->updated_us };
}

static int
by_id(const void *a, const void *b)
{
	const struct synced *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static bool
read_synced(struct listing *l)
{
	struct catalog_filter f = { .tenant = l->r->tenant, .kinds = CATALOG_BIT(CATALOG_K_PRODUCT) };
	struct catalog *c = catalogue_of(l->r, f.kinds);

	if (!c)
		return false;
	if (catalog_list(c, &f, each_product, l) < 0 || l->failed)
		return catalogue_failed(l->r);
	if (l->n > 0)
		qsort(l->synced, l->n, sizeof(l->synced[0]), by_id);
	return true;
}

static const struct synced *
synced_of(const struct listing *l, int64_t id)
{
	struct synced key = { id, 0 };

	return l->n ? bsearch(&key, l->synced, l->n, sizeof(l->synced[0]), by_id) : NULL;
}

/* ---- the domain ---- */

/* A term of it, after a comma where one is wanted. */
static int
begin_term(struct listing *l)
{
	return buf_append_slice(&l->domain, l->terms++ ? SLICE(",") : SLICE("["));
}

static int
add_categories(struct listing *l, const struct json *list)
{
	int e = begin_term(l);

	if (e == 0)
		e = buf_append_slice(&l->domain, SLICE("[\"categ_id\",\"in\","));
	if (e == 0)
		e = json_print(list, &l->domain);
	return e < 0 ? e : buf_append_slice(&l->domain, SLICE("]"));
}

static int
add_price(struct listing *l, const char *comparison, const struct json *bound)
{
	int e = begin_term(l);

	if (e == 0)
		e = buf_printf(&l->domain, "[\"list_price\",\"%s\",", comparison);
	if (e == 0)
		e = json_print(bound, &l->domain);
	return e < 0 ? e : buf_append_slice(&l->domain, SLICE("]"));
}

static int
add_status(struct listing *l, bool synced)
{
	int e = begin_term(l);

	if (e == 0)
		e = buf_printf(&l->domain, "[\"id\",\"%s\",[", synced ? "in" : "not in");
	for (size_t i = 0; i < l->n && e == 0; i++)
		e = buf_printf(&l->domain, "%s%" PRId64, i ? "," : "", l->synced[i].id);
	return e < 0 ? e : buf_append_slice(&l->domain, SLICE("]]"));
}

static int
add_text(struct listing *l, struct slice text)
{
	int e = begin_term(l);

	if (e == 0)
		e = buf_append_slice(&l->domain, SLICE("\"|\",[\"name\",\"ilike\","));
	if (e == 0)
		e = json_quote(text, &l->domain);
	if (e == 0)
		e = buf_append_slice(&l->domain, SLICE("],[\"default_code\",\"ilike\","));
	if (e == 0)
		e = json_quote(text, &l->domain);
	return e < 0 ? e : buf_append_slice(&l->domain, SLICE("]"));
}

static bool
whole_numbers(const struct json *list)
{
	const struct json *one;
	int64_t n;

	for (size_t i = 0; i < json_length(list); i++) {
		json_at(list, i, &one);
		if (json_int(one, &n) != 0)
			return false;
	}
	return json_length(list) <= PRODUCTS_MAX;
}

static bool
wrong(struct listing *l, const char *what)
{
	return api_refuse(l->r, REQUEST_R_VALIDATION_ERROR, slice_of(what));
}

static bool
given(enum json_type type)
{
	return type != JSON_ABSENT && type != JSON_NULL;
}

/* False: the request is answered. */
static bool
read_filter(struct listing *l, const struct json *filter)
{
	const struct json *value, *bound;
	struct slice text;
	double number;
	int e = 0;
	enum json_type type = json_get(filter, "category_ids", &value);

	if (given(type) && (type != JSON_ARRAY || !whole_numbers(value)))
		return wrong(l, "filter.category_ids must be a list of whole numbers");
	if (type == JSON_ARRAY && json_length(value) > 0)
		e = add_categories(l, value);
	type = json_get(filter, "price_range", &value);
	if (given(type) && (type != JSON_ARRAY || json_length(value) != 2))
		return wrong(l, "filter.price_range must be two numbers");
	for (size_t i = 0; type == JSON_ARRAY && i < 2 && e == 0; i++) {
		json_at(value, i, &bound);
		if (json_number(bound, &number) != 0)
			return wrong(l, "filter.price_range must be two numbers");
		e = add_price(l, i == 0 ? ">=" : "<=", bound);
	}
	if (!api_text(filter, "sync_status", &text) || (text.len > 0 && !slice_eq(text, SLICE("synced")) && !slice_eq(text, SLICE("not_synced"))))
		return wrong(l, "filter.sync_status must be synced or not_synced");
	if (e == 0 && text.len > 0)
		e = add_status(l, slice_eq(text, SLICE("synced")));
	if (!api_text(filter, "search_term", &text) || text.len > 200)
		return wrong(l, "filter.search_term must be a string of at most 200 bytes");
	if (e == 0 && text.len > 0)
		e = add_text(l, text);
	return e == 0 || api_refuse(l->r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
}

/* The field, and which way; ties by id, so that pages do not overlap. */
static bool
read_order(struct listing *l, const struct json *doc)
{
	static const char *const fields[] = { "name", "default_code", "list_price", "ai_price", "create_date" };
	struct slice by, way;

	if (!api_text(doc, "order_by", &by) || !api_text(doc, "order_dir", &way))
		return wrong(l, "order_by and order_dir must be strings");
	bool down = slice_eq(way, SLICE("desc"));
	if (way.len > 0 && !down && !slice_eq(way, SLICE("asc")))
		return wrong(l, "order_dir must be asc or desc");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (slice_eq(by, slice_of(fields[i])) || (i == 0 && by.len == 0)) {
			struct slice order = arena_printf(l->r->arena, "%s %s, id", fields[i], down ? "desc" : "asc");
			l->order = order.len ? order.ptr : "id";
			return true;
		}
	return wrong(l, "order_by must be name, default_code, list_price, ai_price or create_date");
}

static bool
read_number(struct listing *l, const struct json *doc, const char *key, int64_t least, int64_t most, int64_t *ret)
{
	const struct json *value;

	return !given(json_get(doc, key, &value)) || (json_int(value, ret) == 0 && *ret >= least && *ret <= most)
	    || wrong(l, "limit must be from 1 to 1000, offset from 0");
}

/* ---- the answer ---- */

static void
answer_one(struct listing *l, const struct json *record)
{
	struct request *r = l->r;
	const struct json *value;
	struct slice category;
	char text[CLOCK_TEXT];
	int64_t id = 0;

	json_get(record, "id", &value);
	(void)!json_int(value, &id);
	int64_t categ = odoo_record_ref(record, "categ_id", &category);
	const struct synced *s = synced_of(l, id);
	answer_open(r, NULL);
	answer_int(r, "product_id", id);
	answer_text(r, "name", odoo_record_text(record, "name"));
	answer_text(r, "default_code", odoo_record_text(record, "default_code"));
	answer_number(r, "list_price", odoo_record_number(record, "list_price"));
	answer_number(r, "ai_price", odoo_record_number(record, "ai_price"));
	answer_int(r, "category_id", categ);
	answer_text(r, "category_name", category);
	answer_text(r, "sync_status", s ? SLICE("synced") : SLICE("not_synced"));
	if (s) {
		clock_text(s->updated_us, text);
		text[19] = '\0';
		answer_text(r, "last_sync", slice_of(text));
	} else {
		answer_null(r, "last_sync");
	}
	answer_close(r);
}

static void
answer_page(struct listing *l)
{
	struct request *r = l->r;
	struct asked count = { 0 }, page = { 0 };
	struct slice domain = buf_view(&l->domain);
	const struct json *one;
	int64_t total = 0;

	if (!odoo_products_count(r, domain, products_left_ms(r, PATIENCE_MS), &total, &count))
		ask_refuse(r, &count);
	else if (!odoo_products_find(r, domain, l->limit, l->offset, l->order, products_left_ms(r, PATIENCE_MS), &page))
		ask_refuse(r, &page);
	else {
		api_open(r);
		answer_int(r, "total", total);
		answer_int(r, "limit", l->limit);
		answer_int(r, "offset", l->offset);
		answer_array(r, "products");
		for (size_t i = 0; i < json_length(page.answer); i++) {
			json_at(page.answer, i, &one);
			answer_one(l, one);
		}
		answer_array_close(r);
		api_close(r);
	}
	json_free(count.answer);
	json_free(page.answer);
}

void
on_products_list(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct listing l = { .r = r, .limit = 50 };
	const struct json *filter;

	if (!api_account(r) || !api_body(r, &doc))
		return;
	enum json_type type = json_get(doc, "filter", &filter);
	bool good = (!given(type) || type == JSON_OBJECT || wrong(&l, "filter must be an object"))
	    && read_number(&l, doc, "limit", 1, 1000, &l.limit) && read_number(&l, doc, "offset", 0, INT64_C(1) << 31, &l.offset)
	    && read_order(&l, doc) && read_synced(&l) && read_filter(&l, filter);
	if (good && buf_append_slice(&l.domain, l.terms ? SLICE("]") : SLICE("[]")) < 0)
		good = api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	if (good)
		answer_page(&l);
	buf_free(&l.domain);
	free(l.synced);
}
