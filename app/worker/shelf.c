#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/worker/api.h"
#include "app/worker/shelf.h"
#include "app/worker/worker.h"
#include "lib/catalog_wire.h"
#include "lib/clock.h"
#include "lib/crypt.h"
#include "lib/odoo/odoo.h"
#include "lib/protocol.h"

#define PUSH_MS   25000         /* the addons wait 30 s */
#define NAME_MAX_BYTES 1000

/* ---- items ---- */

int
shelf_wrong(struct shelf *s, const char *list, size_t i, const char *field, const char *fault)
{
	s->why = arena_printf(s->r->arena, "%s[%zu].%s %s", list, i, field, fault);
	return SHELF_E_WRONG;
}

static int
index_text(struct shelf *s, struct slice name, struct slice more, struct slice *ret)
{
	CLEANUP(buf_free) struct buf stems = { 0 };
	int e = words_stems(s->words, name, &stems);

	if (e == 0)
		e = words_stems(s->words, more, &stems);
	*ret = arena_copy(s->r->arena, buf_view(&stems));
	return e;
}

static int
seal(struct shelf *s, struct catalog_item *item)
{
	CLEANUP(buf_free) struct buf all = { 0 };
	uint8_t hash[CRYPT_SHA256];
	const struct slice part[] = { item->name, item->description, item->type, item->data };
	int e = buf_append(&all, &item->starts_us, sizeof(item->starts_us));

	if (e == 0)
		e = buf_append(&all, &item->ends_us, sizeof(item->ends_us));
	if (e == 0)
		e = buf_append(&all, &item->odoo_id, sizeof(item->odoo_id));
	for (size_t i = 0; i < ARRAY_LEN(part) && e == 0; i++) {
		e = buf_append(&all, &part[i].len, sizeof(part[i].len));
		if (e == 0)
			e = buf_append_slice(&all, part[i]);
	}
	crypt_sha256(buf_view(&all), hash);
	item->hash = arena_copy(s->r->arena, slice_from(hash, sizeof(hash)));
	return e;
}

int
shelf_seal(struct shelf *s, struct catalog_item *item)
{
	int e = index_text(s, item->name, item->description, &item->stems);

	return e == 0 ? seal(s, item) : e;
}

static int
date_of(struct shelf *s, const struct json *rule, const char *list, size_t i, const char *field, int64_t *ret_us)
{
	struct slice text;

	if (!api_text(rule, field, &text))
		return shelf_wrong(s, list, i, field, "is not a string");
	if (text.len > 0 && odoo_time(text, ret_us) != 0)
		return shelf_wrong(s, list, i, field, "is no time like 2026-01-02 10:00:00");
	return 0;
}

static int
read_rule(struct shelf *s, const struct json *rule, const char *list, size_t i, enum catalog_kind kind, struct catalog_item *ret)
{
	struct catalog_item item = { .kind = kind, .priority = 2 };
	CLEANUP(buf_free) struct buf data = { 0 };
	const struct json *value;
	int e;

	if (json_type_of(rule) != JSON_OBJECT)
		return shelf_wrong(s, list, i, "", "is not an object");
	if (!api_text(rule, "name", &item.name))
		return shelf_wrong(s, list, i, "name", "is not a string");
	if (slice_trim(item.name).len == 0)
		return shelf_wrong(s, list, i, "name", "is missing");
	if (item.name.len > NAME_MAX_BYTES)
		return shelf_wrong(s, list, i, "name", "is longer than 1000 bytes");
	if (!api_text(rule, "description", &item.description))
		return shelf_wrong(s, list, i, "description", "is not a string");
	if (!api_text(rule, kind == CATALOG_K_SCHEDULING ? "service_type" : "type", &item.type))
		return shelf_wrong(s, list, i, "type", "is not a string");
	e = date_of(s, rule, list, i, "date_start", &item.starts_us);
	if (e == 0)
		e = date_of(s, rule, list, i, "date_end", &item.ends_us);
	if (e == 0 && item.ends_us && item.ends_us < item.starts_us)
		e = shelf_wrong(s, list, i, "date_end", "is before date_start");
	if (e != 0)
		return e;
	if (json_get(rule, "rule_id", &value) == JSON_INT)
		(void)!json_int(value, &item.odoo_id);
	if (kind == CATALOG_K_SCHEDULING)
		e = json_print(rule, &data);
	item.data = arena_copy(s->r->arena, buf_view(&data));
	if (e == 0)
		e = shelf_seal(s, &item);
	*ret = item;
	return e;
}

struct name { struct slice name; size_t i; };

static int
by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
	int c = n ? memcmp(x->name.ptr, y->name.ptr, n) : 0;

	if (c == 0)
		c = (x->name.len > y->name.len) - (x->name.len < y->name.len);
	return c ? c : (x->i > y->i) - (x->i < y->i);
}

/* Odoo allows two rules of one name: the key is the name and which of them it is. */
static int
give_keys(struct shelf *s, struct catalog_item *item, size_t n)
{
	struct name *names = arena_take(s->r->arena, (n ? n : 1) * sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		names[i] = (struct name){ item[i].name, i };
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0, nth = 0; i < n; i++) {
		nth = i > 0 && slice_eq(names[i].name, names[i - 1].name) ? nth + 1 : 1;
		item[names[i].i].key = arena_printf(s->r->arena, "%zu:%.*s", nth, (int)names[i].name.len, names[i].name.ptr);
	}
	return arena_overflowed(s->r->arena) ? -ENOMEM : 0;
}

/* Of all items in their order. */
static int
seal_all(struct shelf *s, struct catalog_shelf_push *push)
{
	CLEANUP(buf_free) struct buf all = { 0 };
	uint8_t hash[CRYPT_SHA256];
	int e = 0;

	for (size_t i = 0; i < push->items && e == 0; i++) {
		e = buf_append_slice(&all, push->item[i].key);
		if (e == 0)
			e = buf_append_slice(&all, push->item[i].hash);
	}
	crypt_sha256(buf_view(&all), hash);
	push->hash = arena_copy(s->r->arena, slice_from(hash, sizeof(hash)));
	return e < 0 ? e : arena_overflowed(s->r->arena) ? -ENOMEM : 0;
}

int
shelf_rules(struct shelf *s, const struct json *list, const char *name, enum catalog_kind kind, struct catalog_shelf_push *ret)
{
	size_t n = json_length(list);
	struct catalog_item *item;
	const struct json *rule;
	int e = 0;

	if (json_type_of(list) != JSON_ARRAY || n > SHELF_ITEMS_MAX) {
		s->why = arena_printf(s->r->arena, json_type_of(list) != JSON_ARRAY ? "%s is not an array" : "%s has more than 20000 rules", name);
		return SHELF_E_WRONG;
	}
	item = arena_take(s->r->arena, (n ? n : 1) * sizeof(*item));
	if (!item)
		return -ENOMEM;
	for (size_t i = 0; i < n && e == 0; i++) {
		json_at(list, i, &rule);
		e = read_rule(s, rule, name, i, kind, &item[i]);
	}
	if (e == 0)
		e = give_keys(s, item, n);
	*ret = (struct catalog_shelf_push){ .kind = kind, .whole = true, .item = item, .items = n };
	return e == 0 ? seal_all(s, ret) : e;
}

int
shelf_object(struct shelf *s, enum catalog_kind kind, struct slice key, const struct json *object, struct slice text,
    struct catalog_shelf_push *ret)
{
	CLEANUP(buf_free) struct buf data = { 0 };
	struct catalog_item *item = arena_take(s->r->arena, sizeof(*item));
	int e = item ? json_print(object, &data) : -ENOMEM;

	if (e < 0)
		return e;
	*item = (struct catalog_item){ .kind = kind, .key = key, .name = key, .data = arena_copy(s->r->arena, buf_view(&data)) };
	if (text.len > 0)
		e = index_text(s, text, (struct slice){ NULL, 0 }, &item->stems);
	if (e == 0)
		e = seal(s, item);
	*ret = (struct catalog_shelf_push){ .kind = kind, .item = item, .items = 1 };
	return e < 0 ? e : arena_overflowed(s->r->arena) ? -ENOMEM : 0;
}

/* ---- pushing ---- */

bool
shelf_push(struct request *r, const struct catalog_shelf_push *shelf, size_t shelves, const char *what, struct slice result,
    bool *ret_same)
{
	CLEANUP(buf_free) struct buf packed = { 0 };
	struct worker *w = r->worker;
	struct wire_writer out;
	struct wire_frame f = { 0 };

	wire_bare(&out, &packed);
	catalog_pack(shelf, shelves, &out);
	int e = wire_bare_end(&out);
	if (e == 0) {
		buf_clear(&w->frame);
		wire_begin(&out, &w->frame, P_CATALOG_PUT, net_caller_next(&w->keeper));
		wire_put(&out, T_NAME, r->tenant);
		wire_put(&out, T_LABEL, slice_of(what));
		wire_put(&out, T_REASON, result);
		wire_put(&out, T_BODY, buf_view(&packed));
		e = wire_end(&out);
	}
	if (e == 0)
		e = worker_ask(w, PUSH_MS, P_CATALOG_PUT_OK, &f);
	buf_clear(&w->frame);
	if (e < 0)
		return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, e == -ETIMEDOUT ?
		    SLICE("the keeper did not answer in time: send it again") : SLICE("it cannot be stored now: send it again"));
	*ret_same = wire_u64(f.payload, T_RESULT, 0) != 0;
	return true;
}
