#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/worker/api.h"
#include "app/worker/shelf.h"
#include "app/worker/worker.h"
#include "lib/catalog_item.h"
#include "lib/catalog_wire.h"
#include "lib/clock.h"
#include "lib/odoo/odoo.h"
#include "lib/protocol.h"

#define PUSH_MS   25000         /* the addons wait 30 s */
#define PUSH_BESIDE (16 * KIB)  /* in a frame, beside what is pushed */
#define NAME_MAX_BYTES 1000

/* ---- items ---- */

int
shelf_wrong(struct shelf *s, const char *list, size_t i, const char *field, const char *fault)
{
	s->why = arena_printf(s->r->arena, "%s[%zu].%s %s", list, i, field, fault);
	return SHELF_E_WRONG;
}

int
shelf_seal(struct shelf *s, struct catalog_item *item)
{
	return catalog_item_seal(s->words, s->r->arena, (struct slice){ NULL, 0 }, item);
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
	enum json_type type = json_get(rule, "rule_id", &value);
	if (json_int(value, &item.odoo_id) != 0 && !api_empty(type, value))
		return shelf_wrong(s, list, i, "rule_id", "is no whole number of 64 bits");
	if (kind == CATALOG_K_SCHEDULING)
		e = json_print(rule, &data);
	item.data = arena_copy(s->r->arena, buf_view(&data));
	if (e == 0)
		e = shelf_seal(s, &item);
	*ret = item;
	return e;
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
		e = catalog_items_key(s->r->arena, item, n);
	*ret = (struct catalog_shelf_push){ .kind = kind, .whole = true, .item = item, .items = n };
	return e == 0 ? catalog_shelf_seal(s->r->arena, ret) : e;
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
	e = catalog_item_seal(s->words, s->r->arena, text, item);
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
	size_t most = protocol_frame_max(w->config->limits.body) - PUSH_BESIDE;
	if (e == -EMSGSIZE || packed.len > most)
		return api_refuse(r, REQUEST_R_TOO_LARGE, arena_printf(r->arena, "with what it is found by it is more than %zu bytes: "
		    "send it in parts, or less of it", most));
	if (e == 0) {
		buf_clear(&w->frame);
		wire_begin(&out, &w->frame, P_CATALOG_PUT, net_caller_next(&w->keeper));
		wire_put(&out, T_NAME, r->tenant);
		wire_put(&out, T_LABEL, slice_of(what));
		wire_put(&out, T_REASON, result);
		wire_put(&out, T_BODY, buf_view(&packed));
		e = wire_end(&out);
	}
	worker_waits(w, PUSH_MS);
	if (e == 0)
		e = worker_ask(w, PUSH_MS, P_CATALOG_PUT_OK, &f);
	buf_clear(&w->frame);
	if (e < 0)
		return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, e == -ETIMEDOUT ?
		    SLICE("the keeper did not answer in time: send it again") : SLICE("it cannot be stored now: send it again"));
	*ret_same = wire_u64(f.payload, T_RESULT, 0) != 0;
	return true;
}
