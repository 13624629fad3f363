/* Product texts in the catalogue: what a search finds, and what is synced. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/collections.h"
#include "app/worker/products.h"
#include "app/worker/routes.h"
#include "app/worker/shelf.h"
#include "lib/clock.h"

#define ODOO_MS  10000          /* for all ids: what is synced is at hand without */
#define IDS_PAGE 10000

struct slice
product_vector_id(struct request *r, int64_t id)
{
	return arena_printf(r->arena, SLICE_FMT "_%" PRId64, SLICE_ARG(r->tenant), id);
}

static int
make_item(struct shelf *s, const struct product *p, struct catalog_item *ret)
{
	struct arena *a = s->r->arena;

	if (p->gone) {
		*ret = (struct catalog_item){ .kind = CATALOG_K_PRODUCT, .odoo_id = p->id, .key = arena_printf(a, "%" PRId64, p->id) };
		return 0;
	}
	*ret = (struct catalog_item){
		.kind = CATALOG_K_PRODUCT, .odoo_id = p->id, .key = arena_printf(a, "%" PRId64, p->id),
		.name = p->name, .description = p->description,
		.data = arena_printf(a, "{\"price\":%.2f,\"category_id\":%" PRId64 ",\"is_special_price\":%s}", isfinite(p->price) ? p->price : 0,
		    p->category, p->special ? "true" : "false"),
	};
	return shelf_seal(s, ret);
}

static void
take_there(void *context, const struct catalog_item *item)
{
	(void)item;
	*(bool *)context = true;
}

/* Has the shelf anything of it?  False: the request is answered. */
static bool
is_there(struct request *r, int64_t id, bool *ret)
{
	struct catalog *c = catalogue_of(r, CATALOG_BIT(CATALOG_K_PRODUCT));

	*ret = false;
	return c && (catalog_find(c, r->tenant, CATALOG_K_PRODUCT, arena_printf(r->arena, "%" PRId64, id), take_there, ret) == 0
	    || catalogue_failed(r));
}

bool
products_store(struct request *r, const struct product *p, size_t n)
{
	CLEANUP(words_freep) struct words *words = NULL;
	struct catalog_item *item = arena_take(r->arena, n * sizeof(*item));
	struct shelf s = { .r = r };
	size_t items = 0;
	bool same, there;
	int e = item ? words_new(&words) : -ENOMEM;

	s.words = words;
	for (size_t i = 0; i < n && e == 0; i++) {
		/* What was never there would leave its key behind. */
		if (p[i].gone && !is_there(r, p[i].id, &there))
			return false;
		if (!p[i].gone || there)
			e = make_item(&s, &p[i], &item[items++]);
	}
	if (e < 0 || arena_overflowed(r->arena))
		return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	const struct catalog_shelf_push push = { .kind = CATALOG_K_PRODUCT, .item = item, .items = items };
	return items == 0 || shelf_push(r, &push, 1, "products", arena_printf(r->arena, "%zu named", n), &same);
}

struct stored { struct request *r; struct product *p; int failed; };

static void
take_stored(void *context, const struct catalog_item *item)
{
	CLEANUP(json_freep) struct json *data = NULL;
	struct stored *s = context;
	struct product *p = s->p;
	const struct json *value;

	s->failed = json_parse(item->data, &data);
	p->name = arena_copy(s->r->arena, item->name);
	p->description = arena_copy(s->r->arena, item->description);
	p->price = odoo_record_number(data, "price");
	json_get(data, "category_id", &value);
	(void)!json_int(value, &p->category);
	json_get(data, "is_special_price", &value);
	p->special = json_true(value);
}

bool
product_stored(struct request *r, struct product *p)
{
	struct catalog *c = catalogue_of(r, CATALOG_BIT(CATALOG_K_PRODUCT));
	struct stored s = { .r = r, .p = p };

	if (!c)
		return false;
	return (catalog_find(c, r->tenant, CATALOG_K_PRODUCT, arena_printf(r->arena, "%" PRId64, p->id), take_stored, &s) == 0
	    && s.failed == 0) || catalogue_failed(r);
}

/* ---- search ---- */

struct search {
	struct request *r;
	int64_t limit, category;        /* 0: any */
	double  least, most;
	int64_t found;
	bool    failed;
};

static void
each_found(void *context, const struct catalog_item *item, double score)
{
	struct search *s = context;
	struct request *r = s->r;
	CLEANUP(json_freep) struct json *data = NULL;

	if (s->found >= s->limit || json_parse(item->data, &data) != 0)
		return;
	const struct json *value;
	int64_t category = 0;
	double price = odoo_record_number(data, "price");
	json_get(data, "category_id", &value);
	(void)!json_int(value, &category);
	if ((s->category && s->category != category) || price < s->least || price > s->most)
		return;
	s->found++;
	answer_open(r, NULL);
	answer_int(r, "product_id", item->odoo_id);
	answer_text(r, "name", item->name);
	answer_text(r, "description", item->description);
	answer_number(r, "score", score);
	answer_number(r, "price", price);
	answer_int(r, "category_id", category);
	answer_close(r);
}

/* {"category_id", "price_range": [min, max]}.  False: the request is answered. */
static bool
read_filters(struct request *r, const struct json *doc, struct search *s)
{
	const struct json *filters, *value, *bound;

	s->least = -HUGE_VAL;
	s->most = HUGE_VAL;
	enum json_type type = json_get(doc, "filters", &filters);
	if (type != JSON_OBJECT)
		return type == JSON_ABSENT || type == JSON_NULL || api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("filters must be an object"));
	type = json_get(filters, "category_id", &value);
	if (type != JSON_ABSENT && type != JSON_NULL && json_int(value, &s->category) != 0)
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("filters.category_id must be a whole number"));
	type = json_get(filters, "price_range", &value);
	if (type == JSON_ABSENT || type == JSON_NULL)
		return true;
	json_at(value, 0, &bound);
	bool good = json_length(value) == 2 && json_number(bound, &s->least) == 0;
	json_at(value, 1, &bound);
	return (good && json_number(bound, &s->most) == 0)
	    || api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("filters.price_range must be two numbers"));
}

void
on_products_search(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	CLEANUP(words_freep) struct words *words = NULL;
	CLEANUP(buf_free) struct buf stems = { 0 };
	struct catalog_filter f = { .tenant = r->tenant, .kinds = CATALOG_BIT(CATALOG_K_PRODUCT) };
	struct search s = { .r = r, .limit = 10 };
	const struct json *value;
	struct slice query;
	struct catalog *c;

	if (!api_account(r) || !api_body(r, &doc) || !read_filters(r, doc, &s))
		return;
	if (!api_text(doc, "query", &query)) {
		api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("query must be a string"));
		return;
	}
	if (!api_sought(r, query))
		return;
	enum json_type type = json_get(doc, "limit", &value);
	if (type != JSON_ABSENT && type != JSON_NULL && (json_int(value, &s.limit) != 0 || s.limit < 1 || s.limit > 100)) {
		api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("limit must be a whole number from 1 to 100"));
		return;
	}
	if (!(c = catalogue_of(r, f.kinds)) || !collections_mask(r, c, &f.kinds))
		return;
	api_open(r);
	answer_array(r, "results");
	if (words_new(&words) < 0 || words_stems(words, query, &stems) < 0 || catalog_search(c, &f, buf_view(&stems), 0, each_found, &s) < 0) {
		catalogue_failed(r);
		return;
	}
	answer_array_close(r);
	answer_int(r, "total", s.found);
	api_close(r);
}

/* ---- what is synced ---- */

struct status {
	struct request *r;
	int64_t *id;                    /* that were asked for, in their order */
	bool    *seen;
	size_t   n, cap;
	bool     all;                   /* none was named */
	int64_t  synced, missing;
};

static void
one_status(struct status *s, int64_t id, int64_t updated_us)
{
	struct request *r = s->r;
	char text[CLOCK_TEXT];

	answer_open(r, NULL);
	answer_int(r, "product_id", id);
	answer_text(r, "sync_status", updated_us ? SLICE("synced") : SLICE("not_synced"));
	if (updated_us) {
		clock_text(updated_us, text);
		text[19] = '\0';
		answer_text(r, "last_sync", slice_of(text));
		answer_text(r, "vector_id", product_vector_id(r, id));
	} else {
		answer_null(r, "last_sync");
		answer_null(r, "vector_id");
	}
	answer_close(r);
}

static int
by_id(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
each_status(void *context, const struct catalog_item *item)
{
	struct status *s = context;
	const int64_t *wanted = s->n ? bsearch(&item->odoo_id, s->id, s->n, sizeof(s->id[0]), by_id) : NULL;

	if (wanted)
		s->seen[wanted - s->id] = true;
	else if (!s->all)
		return;
	s->synced++;
	one_status(s, item->odoo_id, item->updated_us);
}

static int
add_id(struct status *s, int64_t id)
{
	int e = array_grow((void **)&s->id, &s->cap, s->n, sizeof(s->id[0]));

	if (e == 0)
		s->id[s->n++] = id;
	return e;
}

/* "1,2,3" */
static bool
read_ids(struct status *s, struct slice text)
{
	struct slice rest = text, one;
	size_t kept = 0;
	int64_t id;

	while (rest.len > 0) {
		one = rest;
		if (!slice_cut(rest, ',', &one, &rest))
			rest.len = 0;
		if (s->n == PRODUCTS_MAX || slice_to_i64(slice_trim(one), 1, INT64_MAX, &id) != 0)
			return api_refuse(s->r, REQUEST_R_VALIDATION_ERROR, SLICE("product_ids must be at most 1000 whole numbers, a comma between two"));
		if (add_id(s, id) < 0)
			return api_refuse(s->r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	}
	if (s->n > 0)
		qsort(s->id, s->n, sizeof(s->id[0]), by_id);
	for (size_t i = 0; i < s->n; i++)
		if (i == 0 || s->id[i] != s->id[i - 1])
			s->id[kept++] = s->id[i];
	s->n = kept;
	return true;
}

static bool
ask_page(struct status *s, bool *ret_more)
{
	const struct json *one, *value;
	struct asked page = { 0 };
	int64_t last = s->n ? s->id[s->n - 1] : 0, id = 0;

	if (!odoo_products_after(s->r, last, IDS_PAGE, products_left_ms(s->r, ODOO_MS), &page))
		return false;
	size_t n = json_length(page.answer);
	bool good = true;
	for (size_t i = 0; i < n && good; i++, last = id) {
		json_at(page.answer, i, &one);
		json_get(one, "id", &value);
		good = json_int(value, &id) == 0 && id > last && add_id(s, id) == 0;
	}
	json_free(page.answer);
	*ret_more = n >= IDS_PAGE;
	return good;
}

/* What there is, Odoo alone knows.  False: not all of it could be asked for, and what
 * is synced must do. */
static bool
ask_ids(struct status *s)
{
	bool good = true;

	for (bool more = true; more && good;)
		good = ask_page(s, &more);
	if (!good)
		s->n = 0;
	return good;
}

static void
answer_status(struct status *s, struct catalog *c, bool complete)
{
	struct catalog_filter f = { .tenant = s->r->tenant, .kinds = CATALOG_BIT(CATALOG_K_PRODUCT) };
	struct request *r = s->r;

	api_open(r);
	answer_array(r, "products");
	if (catalog_list(c, &f, each_status, s) < 0) {
		catalogue_failed(r);
		return;
	}
	for (size_t i = 0; i < s->n; i++)
		if (!s->seen[i]) {
			one_status(s, s->id[i], 0);
			s->missing++;
		}
	answer_array_close(r);
	answer_int(r, "total", s->synced + s->missing);
	answer_int(r, "synced", s->synced);
	answer_int(r, "not_synced", s->missing);
	if (!complete)
		answer_bool(r, "complete", false);
	api_close(r);
}

void
on_products_status(struct request *r)
{
	struct status s = { .r = r };
	struct slice ids;
	struct catalog *c;

	if (!api_account(r) || !api_query(r, "product_ids", &ids))
		return;
	s.all = ids.len == 0;
	if (read_ids(&s, ids)) {
		bool complete = !s.all || ask_ids(&s);
		s.seen = calloc(s.n ? s.n : 1, sizeof(*s.seen));
		if (!s.seen)
			api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
		else if ((c = catalogue_of(r, CATALOG_BIT(CATALOG_K_PRODUCT))))
			answer_status(&s, c, complete);
	}
	free(s.id);
	free(s.seen);
}
