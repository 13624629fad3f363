/* What is asked of Odoo about products: model product.template. */
#include <inttypes.h>
#include <stdio.h>

#include "app/worker/products.h"
#include "lib/clock.h"

/* Some are of the addons' own: the courier leaves out what this Odoo has not. */
#define FIELDS "[\"name\",\"default_code\",\"list_price\",\"ai_price\",\"categ_id\",\"description\",\"description_sale\"," \
	"\"semantic_description\",\"semantic_description_verified\"]"

int64_t
products_left_ms(const struct request *r, int64_t patience_ms)
{
	int64_t left = patience_ms - (clock_mono_us() - r->began_us) / 1000;

	return left > 0 ? left : 0;
}

static bool
ask_odoo(struct request *r, int64_t ms, struct asked *ret, struct buf *question, int made)
{
	if (made < 0) {
		*ret = (struct asked){ .kind = CALL_ODOO, .result = CALL_BUSY, .why = SLICE("out of memory: send it again") };
		return false;
	}
	return ask(r, CALL_ODOO, buf_view(question), ms, ret);
}

/* It came, and is not what was asked for; false, for a return. */
static bool
answer_wrong(struct asked *ret, struct slice why)
{
	json_free(ret->answer);
	*ret = (struct asked){ .kind = CALL_ODOO, .result = CALL_FAULT, .why = why };
	return false;
}

static int
put_ids(struct buf *out, const int64_t *id, size_t n)
{
	int e = buf_append_slice(out, SLICE("["));

	for (size_t i = 0; i < n && e == 0; i++)
		e = buf_printf(out, "%s%" PRId64, i ? "," : "", id[i]);
	return e < 0 ? e : buf_append_slice(out, SLICE("]"));
}

bool
odoo_products_read(struct request *r, const int64_t *id, size_t n, int64_t ms, struct asked *ret)
{
	CLEANUP(buf_free) struct buf q = { 0 };
	int e = buf_append_slice(&q, SLICE("{\"model\":\"product.template\",\"method\":\"read\",\"args\":["));

	if (e == 0)
		e = put_ids(&q, id, n);
	if (e == 0)
		e = buf_append_slice(&q, SLICE("],\"kwargs\":{\"fields\":" FIELDS "}}"));
	if (!ask_odoo(r, ms, ret, &q, e))
		return false;
	return json_type_of(ret->answer) == JSON_ARRAY || answer_wrong(ret, SLICE("Odoo answers in something else than records"));
}

bool
odoo_products_write(struct request *r, const int64_t *id, size_t n, const char *field, struct slice json_value, int64_t ms,
    struct asked *ret)
{
	CLEANUP(buf_free) struct buf q = { 0 };
	int e = buf_append_slice(&q, SLICE("{\"model\":\"product.template\",\"method\":\"write\",\"args\":["));

	if (e == 0)
		e = put_ids(&q, id, n);
	if (e == 0)
		e = buf_printf(&q, ",{\"%s\":" SLICE_FMT "}]}", field, SLICE_ARG(json_value));
	if (!ask_odoo(r, ms, ret, &q, e))
		return ret->result == CALL_APPLIED;
	return json_true(ret->answer) || answer_wrong(ret, SLICE("Odoo did not say that it is written"));
}

bool
odoo_products_after(struct request *r, int64_t id, int64_t limit, int64_t ms, struct asked *ret)
{
	CLEANUP(buf_free) struct buf q = { 0 };
	int e = buf_printf(&q, "{\"model\":\"product.template\",\"method\":\"search_read\",\"args\":[[[\"id\",\">\",%" PRId64 "]]],"
	    "\"kwargs\":{\"fields\":[\"id\"],\"limit\":%" PRId64 ",\"order\":\"id\"}}", id, limit);

	return ask_odoo(r, ms, ret, &q, e);
}

bool
odoo_products_find(struct request *r, struct slice domain, int64_t limit, int64_t offset, const char *order, int64_t ms,
    struct asked *ret)
{
	CLEANUP(buf_free) struct buf q = { 0 };
	int e = buf_printf(&q, "{\"model\":\"product.template\",\"method\":\"search_read\",\"args\":[" SLICE_FMT "],\"kwargs\":{\"fields\":"
	    FIELDS ",\"limit\":%" PRId64 ",\"offset\":%" PRId64 ",\"order\":\"%s\"}}", SLICE_ARG(domain), limit, offset, order);

	return ask_odoo(r, ms, ret, &q, e);
}

bool
odoo_products_count(struct request *r, struct slice domain, int64_t ms, int64_t *ret_n, struct asked *ret)
{
	CLEANUP(buf_free) struct buf q = { 0 };
	int e = buf_printf(&q, "{\"model\":\"product.template\",\"method\":\"search_count\",\"args\":[" SLICE_FMT "]}", SLICE_ARG(domain));

	if (!ask_odoo(r, ms, ret, &q, e))
		return false;
	return json_int(ret->answer, ret_n) == 0 || answer_wrong(ret, SLICE("Odoo counts in something else than numbers"));
}

struct slice
odoo_record_text(const struct json *record, const char *field)
{
	const struct json *value;

	return json_get(record, field, &value) == JSON_STRING ? json_text(value) : (struct slice){ NULL, 0 };
}

double
odoo_record_number(const struct json *record, const char *field)
{
	const struct json *value;
	double number = 0;

	json_get(record, field, &value);
	return json_number(value, &number) == 0 ? number : 0;
}

int64_t
odoo_record_ref(const struct json *record, const char *field, struct slice *ret_name)
{
	const struct json *pair, *value;
	int64_t id = 0;

	*ret_name = (struct slice){ NULL, 0 };
	if (json_get(record, field, &pair) != JSON_ARRAY)
		return 0;
	json_at(pair, 0, &value);
	if (json_int(value, &id) != 0)
		return 0;
	if (json_at(pair, 1, &value) == JSON_STRING)
		*ret_name = json_text(value);
	return id;
}

const struct json *
odoo_record_of(const struct json *list, int64_t id)
{
	const struct json *one, *value;
	int64_t found;

	for (size_t i = 0; i < json_length(list); i++) {
		json_at(list, i, &one);
		json_get(one, "id", &value);
		if (json_int(value, &found) == 0 && found == id)
			return one;
	}
	return NULL;
}
