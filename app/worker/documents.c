/* Support documents: pushed by the addons, which name some of them at a time. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/collections.h"
#include "app/worker/documents.h"
#include "app/worker/routes.h"
#include "app/worker/shelf.h"
#include "lib/clock.h"
#include "lib/odoo/odoo.h"

struct sync {
	struct request *r;
	struct shelf    shelf;
	const struct json *list;
	struct catalog_item *item;
	struct json    *synced;         /* the ids that are stored now, as texts */
	size_t          items;
};

static bool
off(const struct json *document, const char *key)
{
	const struct json *value;

	return json_get(document, key, &value) == JSON_BOOL && !json_true(value);
}

/* 0, SHELF_E_WRONG or -ENOMEM. */
static int
read_document(struct sync *s, const struct json *document, size_t i)
{
	const struct json *value;
	struct catalog_item *item = &s->item[s->items];
	struct slice created;
	int64_t id = 0;

	json_get(document, "id", &value);
	if (json_int(value, &id) != 0 || id <= 0)
		return shelf_wrong(&s->shelf, "documents", i, "id", "is not a positive whole number");
	*item = (struct catalog_item){ .kind = CATALOG_K_DOCUMENT, .odoo_id = id };
	if (!api_text(document, "name", &item->name) || slice_trim(item->name).len == 0)
		return shelf_wrong(&s->shelf, "documents", i, "name", "is missing or is not a string");
	if (!api_text(document, "content", &item->description))
		return shelf_wrong(&s->shelf, "documents", i, "content", "is not a string");
	if (!api_text(document, "document_type", &item->type))
		return shelf_wrong(&s->shelf, "documents", i, "document_type", "is not a string");
	if (!api_text(document, "create_date", &created) || (created.len > 0 && odoo_time(created, &item->starts_us) != 0))
		return shelf_wrong(&s->shelf, "documents", i, "create_date", "is no time like 2026-01-02 10:00:00");
	item->starts_us = 0;            /* when it was written does not hide it */
	item->key = arena_printf(s->r->arena, "%" PRId64, id);
	s->items++;
	/* Not to be seen: it is taken away, and is none of the synced ones. */
	return off(document, "active") || off(document, "visible_in_ai") ? 0 : shelf_seal(&s->shelf, item);
}

static int
by_id(const void *a, const void *b)
{
	const struct catalog_item *x = *(struct catalog_item *const *)a, *y = *(struct catalog_item *const *)b;

	return x->odoo_id != y->odoo_id ? (x->odoo_id > y->odoo_id) - (x->odoo_id < y->odoo_id) : (x > y) - (x < y);
}

/* An id that is named twice: the last one counts. */
static int
keep_last(struct sync *s)
{
	struct catalog_item **sorted = arena_take(s->r->arena, s->items * sizeof(*sorted));
	size_t kept = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < s->items; i++)
		sorted[i] = &s->item[i];
	qsort(sorted, s->items, sizeof(sorted[0]), by_id);
	for (size_t i = 1; i < s->items; i++)
		if (sorted[i - 1]->odoo_id == sorted[i]->odoo_id)
			sorted[i - 1]->kind = CATALOG_K_NONE;
	for (size_t i = 0; i < s->items; i++)
		if (s->item[i].kind != CATALOG_K_NONE)
			s->item[kept++] = s->item[i];
	s->items = kept;
	return 0;
}

static int
read_documents(struct sync *s)
{
	const struct json *one;
	size_t n = json_length(s->list);
	int e = 0;

	s->item = arena_take(s->r->arena, n * sizeof(*s->item));
	s->synced = json_new_array();
	if (!s->item || !s->synced)
		return -ENOMEM;
	for (size_t i = 0; i < n && e == 0; i++) {
		json_at(s->list, i, &one);
		e = read_document(s, one, i);
	}
	if (e == 0)
		e = keep_last(s);
	for (size_t i = 0; i < s->items && e == 0; i++)
		if (s->item[i].hash.len > 0)
			e = json_add_text(s->synced, s->item[i].key);
	return e;
}

/* The envelope, and beside it what the addon looks for. */
static void
answer_synced(struct sync *s)
{
	struct request *r = s->r;
	int64_t n = (int64_t)json_length(s->synced);
	struct slice message = arena_printf(r->arena, "%" PRId64 " document%s", n, n == 1 ? "" : "s");

	answer_begin(r, HTTP_OK);
	answer_bool(r, "success", true);
	answer_open(r, "data");
	answer_bool(r, "success", true);
	answer_json(r, "synced_docs", s->synced);
	answer_int(r, "total", n);
	answer_text(r, "message", message);
	answer_close(r);
	answer_open(r, "meta");
	answer_text(r, "request_id", slice_of(r->id));
	answer_float(r, "timestamp", clock_wall_us());
	answer_close(r);
	answer_null(r, "error");
	answer_json(r, "synced_docs", s->synced);
	answer_int(r, "total", n);
	answer_text(r, "message", message);
	answer_end(r);
}

static void
sync_documents(struct request *r, const struct json *doc)
{
	CLEANUP(words_freep) struct words *words = NULL;
	struct sync s = { .r = r, .shelf = { .r = r } };
	bool same;

	json_get(doc, "documents", &s.list);
	if (json_type_of(s.list) != JSON_ARRAY || json_length(s.list) == 0 || json_length(s.list) > SHELF_ITEMS_MAX) {
		api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("documents list is required, of at most 20000"));
		return;
	}
	int e = words_new(&words);
	s.shelf.words = words;
	if (e == 0)
		e = read_documents(&s);
	struct catalog_shelf_push push = { .kind = CATALOG_K_DOCUMENT, .item = s.item, .items = s.items };
	if (e == SHELF_E_WRONG)
		api_refuse(r, REQUEST_R_BAD_SCHEMA, s.shelf.why);
	else if (e < 0)
		api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	else if (shelf_push(r, &push, 1, "support documents", arena_printf(r->arena, "%zu named", s.items), &same))
		answer_synced(&s);
	json_free(s.synced);
}

void
on_documents_sync(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;

	if (api_account(r) && api_body(r, &doc))
		sync_documents(r, doc);
}

static const struct catalog_item gone = { .kind = CATALOG_K_DOCUMENT };

void
on_documents_clear(struct request *r)
{
	const struct catalog_shelf_push push = { .kind = CATALOG_K_DOCUMENT, .whole = true, .item = &gone, .items = 0 };
	struct catalog_filter f = { .tenant = r->tenant, .kinds = CATALOG_BIT(CATALOG_K_DOCUMENT) };
	CLEANUP(json_freep) struct json *doc = NULL;
	struct catalog *c;
	int64_t n = 0;
	bool same;

	if (!api_account(r) || !api_body_optional(r, &doc) || !(c = catalogue_of(r, f.kinds)))
		return;
	if (catalog_count(c, &f, &n) < 0) {
		catalogue_failed(r);
		return;
	}
	if (!shelf_push(r, &push, 1, "support documents cleared", (struct slice){ NULL, 0 }, &same))
		return;
	struct json *data = json_new_object();
	if (data && (json_set_int(data, "documents_removed", n) != 0 || json_set_text(data, "message", SLICE("cleared")) != 0
	    || json_set_bool(data, "success", true) != 0)) {
		json_free(data);
		data = NULL;
	}
	api_answer(r, data, NULL);
}

/* ---- read ---- */

int64_t
document_id(const struct catalog_item *item)
{
	return item->odoo_id ? item->odoo_id : -item->id;
}

static int
set_time(struct json *to, const char *key, int64_t us)
{
	char text[CLOCK_TEXT];

	clock_text(us, text);
	text[19] = '\0';
	return json_set_text(to, key, slice_of(text));
}

/* What was said of it beside its text: uploads have that, Odoo's have not. */
static int
set_description(struct json *to, const struct catalog_item *item, struct slice otherwise)
{
	CLEANUP(json_freep) struct json *data = NULL;
	struct slice text = otherwise;
	const struct json *said;
	int e = item->data.len > 0 ? json_parse(item->data, &data) : 0;

	if (e == 0 && json_get(data, "description", &said) == JSON_STRING)
		text = json_text(said);
	return e == 0 ? json_set_text(to, "description", text) : e;
}

static int
set_listed(struct json *d, const struct catalog_item *item)
{
	int e = set_description(d, item, item->name);

	if (e == 0)
		e = json_set_text(d, "document_type", item->type);
	if (e == 0)
		e = set_time(d, "created_at", item->created_us);
	if (e == 0)
		e = set_time(d, "updated_at", item->updated_us);
	return e == 0 ? json_set_text(d, "status", item->odoo_id ? SLICE("synced") : SLICE("uploaded")) : e;
}

/* The text is kept as it came: nothing rewrites it, and nothing is read out of it. */
static int
set_texts(struct json *d, const struct catalog_item *item, bool alone)
{
	int e = json_set_text(d, "document_type", item->type);

	if (e == 0)
		e = alone ? json_set_text(d, "original_content", item->description) : set_description(d, item, item->description);
	if (e == 0 && alone)
		e = json_set_text(d, "original_text", item->description);
	if (e == 0)
		e = json_set_text(d, "processed_text", item->description);
	if (e == 0)
		e = json_set_bool(d, "ai_processed", false);
	if (e == 0)
		e = json_set_bool(d, "has_structured_data", false);
	if (e == 0)
		e = json_set_null(d, "structured_data");
	if (e == 0)
		e = set_time(d, "last_updated", item->updated_us);
	return e == 0 && !alone ? json_set_text(d, "format", SLICE("legacy")) : e;
}

struct json *
document_json(const struct catalog_item *item, enum document_form form)
{
	struct json *d = json_new_object();
	int e = d ? json_set_int(d, "id", document_id(item)) : -ENOMEM;

	if (e == 0)
		e = json_set_text(d, "name", item->name);
	if (e == 0)
		e = form == DOCUMENT_LISTED ? set_listed(d, item) : set_texts(d, item, form == DOCUMENT_WHOLE);
	if (e == 0)
		return d;
	json_free(d);
	return NULL;
}

bool
document_find(struct request *r, struct slice text, void (*each)(void *, const struct catalog_item *), void *context)
{
	struct catalog_filter f = { .tenant = r->tenant, .kinds = CATALOG_BIT(CATALOG_K_UPLOAD) };
	struct catalog *c;
	int64_t id;

	if (slice_to_i64(text, -INT64_MAX, INT64_MAX, &id) != 0 || id == 0)
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("the id of a document is a whole number, and not 0"));
	if (!(c = catalogue_of(r, CATALOG_DOCUMENTS)))
		return false;
	f.id = -id;
	int e = id > 0 ? catalog_find(c, r->tenant, CATALOG_K_DOCUMENT, text, each, context) : catalog_list(c, &f, each, context);
	return e == 0 || catalogue_failed(r);
}

struct documents { struct json *list; enum document_form form; int failed; };

static void
each_document(void *context, const struct catalog_item *item)
{
	struct documents *to = context;
	struct json *d = to->failed ? NULL : document_json(item, to->form);

	if (to->failed == 0)
		to->failed = d ? json_add(to->list, d) : -ENOMEM;
}

static void
list_documents(struct request *r, enum document_form form)
{
	struct catalog_filter f = { .tenant = r->tenant, .kinds = CATALOG_DOCUMENTS };
	struct documents all = { .form = form };
	struct catalog *c;

	if (!api_account(r) || !(c = catalogue_of(r, f.kinds)))
		return;
	if (form == DOCUMENT_PROCESSED && !collections_mask(r, c, &f.kinds))
		return;
	struct json *data = json_new_object();
	all.list = json_new_array();
	if (!data || !all.list || catalog_list(c, &f, each_document, &all) < 0 || all.failed) {
		json_free(data);
		json_free(all.list);
		catalogue_failed(r);
		return;
	}
	int64_t n = (int64_t)json_length(all.list);
	int e = form == DOCUMENT_LISTED ? 0 : json_set_bool(data, "found", true);
	if (e == 0)
		e = json_set(data, "documents", all.list);
	else
		json_free(all.list);
	if (e == 0)
		e = json_set_int(data, "total", n);
	if (e < 0) {
		json_free(data);
		data = NULL;
	}
	api_answer(r, data, NULL);
}

void
on_documents_list(struct request *r)
{
	list_documents(r, DOCUMENT_LISTED);
}

void
on_documents_processed(struct request *r)
{
	list_documents(r, DOCUMENT_PROCESSED);
}

struct one { struct json *document; bool found; };

static void
take_one(void *context, const struct catalog_item *item)
{
	struct one *one = context;

	one->found = true;
	one->document = document_json(item, DOCUMENT_WHOLE);
}

void
on_document_processed(struct request *r)
{
	struct one one = { .found = false };

	if (!api_account(r) || !document_find(r, r->param[0], take_one, &one))
		return;
	struct json *data = json_new_object();
	int e = data && (one.document || !one.found) ? json_set_bool(data, "found", one.found) : -ENOMEM;
	if (e == 0) {
		e = one.found ? json_set(data, "document", one.document) : json_set_text(data, "message", SLICE("there is no such document"));
		one.document = NULL;
	}
	json_free(one.document);
	if (e < 0) {
		json_free(data);
		data = NULL;
	}
	api_answer(r, data, NULL);
}
