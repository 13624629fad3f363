#include <errno.h>

#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/collections.h"

#define NAMES_MAX 50

/* The names of the addons, and where each stands: what a list of the rules says
 * of products is nothing. */
static const struct { const char *name; unsigned kinds; } collections[] = {
	{ "business_rules", CATALOG_BIT(CATALOG_K_PERMANENT) | CATALOG_BIT(CATALOG_K_TEMPORARY) },
	{ "scheduling_rules", CATALOG_BIT(CATALOG_K_SCHEDULING) },
	{ "support_documents", CATALOG_DOCUMENTS },
	{ "products_informations", CATALOG_BIT(CATALOG_K_PRODUCT) },
};
static const char *const keys[] = { "rules", "products" };      /* who said it: any push, that of the company's data */

static bool
has(const struct json *list, const char *name)
{
	const struct json *one;

	for (size_t i = 0; i < json_length(list); i++) {
		json_at(list, i, &one);
		if (slice_eq(json_text(one), slice_of(name)))
			return true;
	}
	return false;
}

static int
check(struct shelf *s, const struct json *list)
{
	const struct json *one;
	bool good = json_type_of(list) == JSON_ARRAY && json_length(list) <= NAMES_MAX;

	for (size_t i = 0; good && i < json_length(list); i++)
		good = json_at(list, i, &one) == JSON_STRING;
	if (!good)
		s->why = SLICE("enabled_collections is not an array of at most 50 names");
	return good ? 0 : SHELF_E_WRONG;
}

int
collections_read(struct shelf *s, const struct json *body, bool products, struct catalog_shelf_push *ret, size_t *ret_n)
{
	size_t n = products ? 2 : 1;
	const struct json *list;
	enum json_type type = json_get(body, "enabled_collections", &list);

	*ret_n = 0;
	if (api_empty(type, list))
		return 0;
	int e = check(s, list);
	if (e != 0)
		return e;
	struct catalog_item *item = arena_take(s->r->arena, n * sizeof(*item));
	if (!item)
		return -ENOMEM;
	for (size_t i = 0; i < n && e == 0; i++) {
		CLEANUP(buf_free) struct buf data = { 0 };
		e = json_print(list, &data);
		item[i] = (struct catalog_item){
			.kind = CATALOG_K_COLLECTIONS, .key = slice_of(keys[i]), .name = slice_of(keys[i]),
			.data = arena_copy(s->r->arena, buf_view(&data)),
		};
		if (e == 0)
			e = shelf_seal(s, &item[i]);
	}
	*ret = (struct catalog_shelf_push){ .kind = CATALOG_K_COLLECTIONS, .item = item, .items = n };
	*ret_n = 1;
	return e;
}

struct said { struct json *list; int failed; };

static void
take(void *context, const struct catalog_item *item)
{
	struct said *s = context;

	if (!s->list)
		s->failed = json_parse(item->data, &s->list);
}

bool
collections_mask(struct request *r, struct catalog *c, unsigned *kinds)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct said said = { .list = NULL };
		int e = catalog_find(c, r->tenant, CATALOG_K_COLLECTIONS, slice_of(keys[i]), take, &said);
		for (size_t k = 0; k < ARRAY_LEN(collections) && said.list; k++) {
			bool of_products = collections[k].kinds == CATALOG_BIT(CATALOG_K_PRODUCT);
			if (of_products == (i == 1) && !has(said.list, collections[k].name))
				*kinds &= ~collections[k].kinds;
		}
		json_free(said.list);
		if (e < 0 || said.failed)
			return catalogue_failed(r);
	}
	if (*kinds == 0)                /* to the catalogue 0 is all */
		*kinds = CATALOG_BIT(CATALOG_K_NONE);
	return true;
}
