#include <errno.h>

#include "lib/catalog_wire.h"

enum tag {
	PACK_SHELF = 1, PACK_KIND, PACK_WHOLE, PACK_HASH, PACK_ITEM,
	PACK_KEY, PACK_ODOO_ID, PACK_NAME, PACK_DESCRIPTION, PACK_TYPE, PACK_PRIORITY, PACK_STARTS_US, PACK_ENDS_US,
	PACK_DATA, PACK_STEMS,
};

static void
pack_item(const struct catalog_item *i, struct wire_writer *w)
{
	size_t mark = wire_open(w, PACK_ITEM);
	wire_put(w, PACK_KEY, i->key);
	wire_put_i64(w, PACK_ODOO_ID, i->odoo_id);
	wire_put(w, PACK_NAME, i->name);
	wire_put(w, PACK_DESCRIPTION, i->description);
	wire_put(w, PACK_TYPE, i->type);
	wire_put_i64(w, PACK_PRIORITY, i->priority);
	wire_put_i64(w, PACK_STARTS_US, i->starts_us);
	wire_put_i64(w, PACK_ENDS_US, i->ends_us);
	wire_put(w, PACK_DATA, i->data);
	wire_put(w, PACK_STEMS, i->stems);
	wire_put(w, PACK_HASH, i->hash);
	wire_close(w, mark);
}

void
catalog_pack(const struct catalog_shelf_push *shelf, size_t shelves, struct wire_writer *w)
{
	for (size_t s = 0; s < shelves; s++) {
		size_t mark = wire_open(w, PACK_SHELF);
		wire_put_u64(w, PACK_KIND, shelf[s].kind);
		wire_put_u64(w, PACK_WHOLE, shelf[s].whole);
		wire_put(w, PACK_HASH, shelf[s].hash);
		for (size_t i = 0; i < shelf[s].items; i++)
			pack_item(&shelf[s].item[i], w);
		wire_close(w, mark);
	}
}

static size_t
count(struct slice fields, uint16_t tag)
{
	struct wire_field f;
	size_t n = 0;
	for (struct wire_reader r = { .rest = fields }; wire_next(&r, &f);)
		n += f.tag == tag;
	return n;
}

static struct catalog_item
unpack_item(struct slice g)
{
	return (struct catalog_item){
		.key = wire_text(g, PACK_KEY), .odoo_id = wire_i64(g, PACK_ODOO_ID, 0), .name = wire_text(g, PACK_NAME),
		.description = wire_text(g, PACK_DESCRIPTION), .type = wire_text(g, PACK_TYPE),
		.priority = wire_i64(g, PACK_PRIORITY, 0), .starts_us = wire_i64(g, PACK_STARTS_US, 0),
		.ends_us = wire_i64(g, PACK_ENDS_US, 0), .data = wire_text(g, PACK_DATA), .stems = wire_text(g, PACK_STEMS),
		.hash = wire_text(g, PACK_HASH),
	};
}

static int
unpack_shelf(struct slice g, struct arena *a, struct catalog_shelf_push *ret)
{
	struct wire_field f;
	uint64_t kind = wire_u64(g, PACK_KIND, 0);
	size_t n = count(g, PACK_ITEM);
	struct catalog_item *item = arena_take(a, (n ? n : 1) * sizeof(*item));
	if (!wire_ok(g) || kind == CATALOG_K_NONE || kind >= CATALOG_K_COUNT)
		return -EPROTO;
	if (!item)
		return -ENOMEM;
	*ret = (struct catalog_shelf_push){ .kind = (enum catalog_kind)kind, .whole = wire_u64(g, PACK_WHOLE, 0) != 0,
		.hash = wire_text(g, PACK_HASH), .item = item };
	for (struct wire_reader r = { .rest = g }; wire_next(&r, &f);) {
		if (f.tag != PACK_ITEM)
			continue;
		item[ret->items] = unpack_item(f.value);
		if (!wire_ok(f.value) || item[ret->items].key.len == 0)
			return -EPROTO;
		item[ret->items++].kind = ret->kind;
	}
	return 0;
}

int
catalog_unpack(struct slice fields, struct arena *a, struct catalog_shelf_push **ret, size_t *ret_shelves)
{
	struct wire_field f;
	size_t n = count(fields, PACK_SHELF), at = 0;
	struct catalog_shelf_push *shelf = arena_take(a, (n ? n : 1) * sizeof(*shelf));
	if (!shelf)
		return -ENOMEM;
	for (struct wire_reader r = { .rest = fields }; wire_next(&r, &f);) {
		int e = f.tag == PACK_SHELF ? unpack_shelf(f.value, a, &shelf[at++]) : 0;
		if (e < 0)
			return e;
	}
	*ret = shelf;
	*ret_shelves = n;
	return wire_ok(fields) && n > 0 ? 0 : -EPROTO;
}
