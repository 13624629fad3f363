/* Prices: changed in Odoo, one product after the other. */
#include <math.h>

#include "app/worker/api.h"
#include "app/worker/products.h"
#include "app/worker/routes.h"

#define ODOO_MS 10000           /* what Odoo may take to read the old ones */

struct adjustment { bool percentage; double value; const char *field; };

static bool
read_adjustment(struct request *r, const struct json *doc, struct adjustment *ret)
{
	const struct json *a, *value;
	struct slice type, field;

	if (json_get(doc, "adjustment", &a) != JSON_OBJECT)
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("adjustment must be an object"));
	if (!api_text(a, "type", &type) || (!slice_eq(type, SLICE("percentage")) && !slice_eq(type, SLICE("fixed"))))
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("adjustment.type must be percentage or fixed"));
	json_get(a, "value", &value);
	if (json_number(value, &ret->value) != 0 || !isfinite(ret->value))
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("adjustment.value must be a number"));
	if (!api_text(a, "field", &field) || (field.len > 0 && !slice_eq(field, SLICE("ai_price")) && !slice_eq(field, SLICE("list_price"))))
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("adjustment.field must be ai_price or list_price"));
	ret->percentage = slice_eq(type, SLICE("percentage"));
	ret->field = slice_eq(field, SLICE("list_price")) ? "list_price" : "ai_price";
	return true;
}

static double
new_price(const struct adjustment *a, double old)
{
	double price = a->percentage ? old * (1 + a->value / 100) : old + a->value;

	return price < 0 ? 0 : floor(price * 100 + 0.5) / 100;
}

static void
answer_price(struct request *r, int64_t id, double old, double now, struct slice error)
{
	answer_open(r, NULL);
	answer_int(r, "product_id", id);
	answer_number(r, "old_price", old);
	if (error.len > 0) {
		answer_null(r, "new_price");
		answer_text(r, "error", error);
	} else {
		answer_number(r, "new_price", now);
		answer_null(r, "error");
	}
	answer_close(r);
}

/* An old price of the field; an Odoo without ai_price has list_price alone. */
static double
old_price(const struct json *record, const char *field)
{
	const struct json *value;

	return json_get(record, field, &value) == JSON_ABSENT ? odoo_record_number(record, "list_price") : odoo_record_number(record, field);
}

/* True: written. */
static bool
change_price(struct request *r, int64_t id, const struct json *record, const struct adjustment *a)
{
	struct asked written = { 0 };

	if (!record) {
		answer_price(r, id, 0, 0, SLICE("there is no such product"));
		return false;
	}
	double old = old_price(record, a->field), now = new_price(a, old);
	bool good = odoo_products_write(r, &id, 1, a->field, arena_printf(r->arena, "%.2f", now), products_left_ms(r, PRODUCTS_MS), &written);
	answer_price(r, id, old, now, good ? (struct slice){ NULL, 0 } : written.why.len ? written.why : SLICE("not written"));
	json_free(written.answer);
	return good;
}

void
on_products_prices(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct asked odoo = { 0 };
	struct adjustment a = { .value = 0 };
	struct products_named named = { 0 };
	int64_t good = 0;

	if (!api_account(r) || !api_body(r, &doc) || !products_named(r, doc, &named) || !read_adjustment(r, doc, &a))
		return;
	if (!odoo_products_read(r, named.id, named.n, ODOO_MS, &odoo)) {
		ask_refuse(r, &odoo);
		return;
	}
	api_open(r);
	answer_array(r, "results");
	for (size_t i = 0; named.id && i < named.n; i++)
		good += change_price(r, named.id[i], odoo_record_of(odoo.answer, named.id[i]), &a);
	answer_array_close(r);
	answer_int(r, "total", (int64_t)named.n);
	answer_int(r, "successful", good);
	answer_int(r, "failed", (int64_t)named.n - good);
	api_close(r);
	json_free(odoo.answer);
}
