/* Business rules: pushed by the addons, read by the hub and by people. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/worker/api.h"
#include "app/worker/ask.h"
#include "app/worker/catalogue.h"
#include "app/worker/collections.h"
#include "app/worker/company.h"
#include "app/worker/routes.h"
#include "app/worker/shelf.h"
#include "lib/clock.h"

#define LIMIT     5             /* of a search that names none */
#define THRESHOLD 0.7

/* ---- pushed ---- */

static int
count_kind(struct request *r, unsigned kinds, int64_t *ret)
{
	struct catalog *c = catalogue_of(r, kinds);
	struct catalog_filter f = { .tenant = r->tenant, .kinds = kinds };

	return c ? catalog_count(c, &f, ret) : -ENOENT;
}

static void
answer_sync(struct request *r, unsigned kinds, bool same, const char *pull)
{
	char now[CLOCK_TEXT];
	int64_t n, all = 0;
	struct json *data = json_new_object();
	int e = data ? 0 : -ENOMEM;

	for (int k = 1; k < CATALOG_K_COUNT && e == 0; k++) {
		char key[40];
		if (!(kinds & CATALOG_BIT(k)))
			continue;
		if (count_kind(r, CATALOG_BIT(k), &n) < 0) {
			json_free(data);
			if (r->answer.status == 0)
				catalogue_failed(r);
			return;
		}
		snprintf(key, sizeof(key), "%s_rules", catalog_kind_text((enum catalog_kind)k));
		e = json_set_int(data, key, n);
		all += n;
	}
	clock_text(clock_wall_us(), now);
	now[19] = '\0';
	if (e == 0)
		e = json_set_int(data, "vectorized_rules", all);
	if (e == 0)
		e = json_set_text(data, "sync_status", slice_of(pull ? pull : "completed"));
	if (e == 0)
		e = json_set_text(data, "timestamp", slice_of(now));
	if (e == 0 && same)
		e = json_set_bool(data, "unchanged", true);
	if (e < 0) {
		json_free(data);
		data = NULL;
	}
	api_answer(r, data, NULL);
}

static bool
refuse_shelf(struct request *r, const struct shelf *s, int e)
{
	if (e == SHELF_E_WRONG)
		return api_refuse(r, REQUEST_R_BAD_SCHEMA, s->why.len ? s->why : SLICE("the rules cannot be read"));
	if (e != -ENOMEM)
		return catalogue_failed(r);
	return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
}

/* The lists of these kinds that the body has, each a whole shelf. */
static int
read_lists(struct shelf *s, const struct json *doc, unsigned kinds, struct catalog_shelf_push *ret, size_t *ret_n)
{
	static const struct { const char *key; enum catalog_kind kind; } lists[] = {
		{ "permanent_rules", CATALOG_K_PERMANENT }, { "temporary_rules", CATALOG_K_TEMPORARY },
		{ "scheduling_rules", CATALOG_K_SCHEDULING },
	};
	const struct json *list;
	int e = 0;

	for (size_t i = 0; i < ARRAY_LEN(lists) && e == 0; i++)
		if ((kinds & CATALOG_BIT(lists[i].kind)) && json_get(doc, lists[i].key, &list) != JSON_ABSENT)
			e = shelf_rules(s, list, lists[i].key, lists[i].kind, &ret[(*ret_n)++]);
	return e;
}

/* reads: the kinds of the route; kinds: those that its answer counts. */
static void
push_rules(struct request *r, unsigned reads, unsigned kinds, const char *what)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	CLEANUP(words_freep) struct words *words = NULL;
	struct catalog_shelf_push shelf[5];
	size_t lists = 0, more = 0, company = 0;
	struct catalog *c;
	bool same = false;

	if (!api_account(r) || !api_body(r, &doc) || !(c = catalogue_of(r, kinds)))
		return;
	int e = words_new(&words);
	struct shelf s = { .r = r, .words = words };
	if (e == 0)
		e = read_lists(&s, doc, reads, shelf, &lists);
	if (e == 0)
		e = collections_read(&s, doc, false, &shelf[lists], &more);
	if (e == 0 && (reads & CATALOG_BIT(CATALOG_K_PERMANENT)))
		e = company_basic(&s, c, doc, &shelf[lists + more], &company);
	more += company;
	if (e != 0) {
		refuse_shelf(r, &s, e);
		return;
	}
	/* No list: it asks for a pull, which brings no scheduling rules.  What is stored stays. */
	if (lists == 0 && !(reads & CATALOG_BIT(CATALOG_K_PERMANENT))) {
		api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("scheduling_rules is missing, and they come from pushes alone"));
		return;
	}
	if (lists == 0) {
		if (ask_pull(r) && (more == 0 || shelf_push(r, shelf, more, what, SLICE("asked for"), &same)))
			answer_sync(r, kinds, false, "queued");
		return;
	}
	struct slice result = arena_printf(r->arena, "%zu rules", shelf[0].items + (lists > 1 ? shelf[1].items : 0));
	if (shelf_push(r, shelf, lists + more, what, result, &same))
		answer_sync(r, kinds, same, NULL);
}

void
on_rules_sync(struct request *r)
{
	push_rules(r, CATALOG_RULES, CATALOG_BIT(CATALOG_K_PERMANENT) | CATALOG_BIT(CATALOG_K_TEMPORARY), "rules");
}

void
on_scheduling_sync(struct request *r)
{
	push_rules(r, CATALOG_BIT(CATALOG_K_SCHEDULING), CATALOG_BIT(CATALOG_K_SCHEDULING), "scheduling rules");
}

/* ---- read ---- */

/* NULL: an open time. */
static int
set_time(struct json *to, const char *key, int64_t us)
{
	char text[CLOCK_TEXT];

	if (us == 0)
		return json_set_null(to, key);
	clock_text(us, text);
	text[19] = '\0';
	return json_set_text(to, key, slice_of(text));
}

static int
set_data(struct json *to, const char *key, struct slice data)
{
	struct json *parsed = NULL;
	int e = data.len > 0 ? json_parse(data, &parsed) : 0;

	if (e < 0)
		return e;
	return json_set(to, key, data.len > 0 ? parsed : json_new_object());
}

struct rules {
	struct json *list;
	bool         score;
	int64_t      company;           /* the id of the one that counts */
	int64_t      now_us;
	int          failed;
};

static bool
holds(const struct catalog_item *item, int64_t now_us)
{
	return item->starts_us <= now_us && (item->ends_us == 0 || item->ends_us > now_us);
}

static void
add_rule(struct rules *to, const struct catalog_item *item, double score)
{
	struct json *rule = json_new_object();
	bool company = item->kind == CATALOG_K_METADATA;
	int e = rule ? json_set_int(rule, to->score ? "rule_id" : "id", company ? 0 : item->id) : -ENOMEM;

	if (e == 0)
		e = json_set_text(rule, "name", company ? SLICE("Company information") : item->name);
	if (e == 0)
		e = json_set_text(rule, "description", item->description);
	if (e == 0)
		e = json_set_text(rule, "type", company ? SLICE("company_metadata") : item->type);
	if (e == 0)
		e = json_set_int(rule, "priority", item->priority);
	if (e == 0)
		e = json_set_text(rule, "kind", slice_of(catalog_kind_text(item->kind)));
	if (e == 0)
		e = json_set_bool(rule, "is_temporary", item->kind == CATALOG_K_TEMPORARY);
	if (e == 0)
		e = set_data(rule, "rule_data", item->data);
	if (e == 0 && to->score)
		e = json_set_double(rule, "similarity_score", score);
	if (e == 0 && !to->score) {
		e = json_set_bool(rule, "active", holds(item, to->now_us));
		if (e == 0)
			e = set_time(rule, "start_date", item->starts_us);
		if (e == 0)
			e = set_time(rule, "end_date", item->ends_us);
		if (e == 0)
			e = set_time(rule, "created_at", item->created_us);
		if (e == 0)
			e = set_time(rule, "updated_at", item->updated_us);
		if (e == 0)
			e = item->odoo_id ? json_set_int(rule, "odoo_id", item->odoo_id) : json_set_null(rule, "odoo_id");
	}
	if (e == 0 && to->failed == 0) {
		to->failed = json_add(to->list, rule);
		return;
	}
	json_free(rule);
	to->failed = to->failed ? to->failed : e;
}

static void
each_rule(void *context, const struct catalog_item *item)
{
	add_rule(context, item, 0);
}

static void
each_found(void *context, const struct catalog_item *item, double score)
{
	const struct rules *to = context;

	if (item->kind != CATALOG_K_METADATA || item->id == to->company)
		add_rule(context, item, score);
}

static void
take_company(void *context, const struct catalog_item *item)
{
	*(int64_t *)context = item->id;
}

static struct json *
finish(struct rules *rules)
{
	if (rules->failed == 0)
		return rules->list;
	json_free(rules->list);
	return NULL;
}

void
on_rules_active(struct request *r)
{
	struct catalog_filter f = { .tenant = r->tenant, .kinds = CATALOG_RULES, .now_us = clock_wall_us() };
	struct rules rules = { .now_us = f.now_us };
	struct catalog *c;

	if (!api_account(r) || !api_query(r, "rule_type", &f.type) || !(c = catalogue_of(r, f.kinds)) || !collections_mask(r, c, &f.kinds))
		return;
	rules.list = json_new_array();
	if (!rules.list || catalog_list(c, &f, each_rule, &rules) < 0) {
		json_free(rules.list);
		catalogue_failed(r);
		return;
	}
	api_answer(r, finish(&rules), NULL);
}

static struct json *
search_meta(struct slice query, int64_t limit, double threshold)
{
	struct json *meta = json_new_object();

	if (meta && json_set_text(meta, "query", query) == 0 && json_set_int(meta, "limit", limit) == 0
	    && json_set_double(meta, "score_threshold", threshold) == 0)
		return meta;
	json_free(meta);
	return NULL;
}

static bool
read_threshold(struct request *r, double *ret)
{
	struct slice text;
	char copy[16], *end;

	*ret = THRESHOLD;
	if (!api_query(r, "score_threshold", &text))
		return false;
	if (text.len == 0)
		return true;
	if (text.len < sizeof(copy)) {
		memcpy(copy, text.ptr, text.len);
		copy[text.len] = '\0';
		*ret = strtod(copy, &end);
		if (*end == '\0' && *ret >= 0 && *ret <= 1)
			return true;
	}
	return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("score_threshold must be a number from 0 to 1"));
}

static void
search(struct request *r, struct slice query, int64_t limit, double threshold)
{
	struct catalog_filter f = { .tenant = r->tenant, .kinds = CATALOG_RULES | CATALOG_BIT(CATALOG_K_METADATA), .now_us = clock_wall_us(),
		.limit = limit };
	CLEANUP(words_freep) struct words *words = NULL;
	CLEANUP(buf_free) struct buf stems = { 0 };
	struct rules rules = { .score = true };
	struct catalog *c;

	if (!api_sought(r, query) || !(c = catalogue_of(r, f.kinds)) || !collections_mask(r, c, &f.kinds))
		return;
	rules.list = json_new_array();
	if (!rules.list || words_new(&words) < 0 || words_stems(words, query, &stems) < 0
	    || company_find(c, r->tenant, take_company, &rules.company) < 0
	    || catalog_search(c, &f, buf_view(&stems), threshold, each_found, &rules) < 0) {
		json_free(rules.list);
		catalogue_failed(r);
		return;
	}
	api_answer(r, finish(&rules), search_meta(query, f.limit, threshold));
}

void
on_rules_search(struct request *r)
{
	struct slice query;
	double threshold;
	int64_t limit;

	if (api_account(r) && api_query(r, "query", &query) && api_query_int(r, "limit", 1, 100, LIMIT, &limit) && read_threshold(r, &threshold))
		search(r, query, limit, threshold);
}

/* The same, as Odoo's queue asks it: in the body. */
void
on_rules_search_body(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	const struct json *value;
	struct slice query;
	double threshold = THRESHOLD;
	int64_t limit = LIMIT;

	if (!api_account(r) || !api_body(r, &doc))
		return;
	bool good = api_text(doc, "query", &query);
	if (json_get(doc, "limit", &value) != JSON_ABSENT)
		good = good && json_int(value, &limit) == 0 && limit >= 1 && limit <= 100;
	if (json_get(doc, "score_threshold", &value) != JSON_ABSENT)
		good = good && json_number(value, &threshold) == 0 && threshold >= 0 && threshold <= 1;
	if (good)
		search(r, query, limit, threshold);
	else
		api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("query must be a string, limit a whole number from 1 to 100, score_threshold from 0 to 1"));
}

void
on_rules_list(struct request *r)
{
	struct catalog_filter f = { .tenant = r->tenant, .kinds = CATALOG_RULES };
	struct rules rules = { .now_us = clock_wall_us() };
	struct slice active;
	int64_t page, size, total = 0;
	struct catalog *c;

	if (!api_account(r) || !api_query_int(r, "page", 1, 1000000, 1, &page) || !api_query_int(r, "page_size", 1, 1000, 20, &size)
	    || !api_query(r, "active_only", &active) || !api_query(r, "rule_type", &f.type) || !(c = catalogue_of(r, f.kinds)))
		return;
	f.now_us = slice_eq_nocase(active, SLICE("true")) || slice_eq(active, SLICE("1")) ? rules.now_us : 0;
	f.limit = size;
	f.offset = (page - 1) * size;
	struct json *data = json_new_object();
	rules.list = json_new_array();
	if (!data || !rules.list || catalog_list(c, &f, each_rule, &rules) < 0 || catalog_count(c, &f, &total) < 0) {
		json_free(data);
		json_free(rules.list);
		catalogue_failed(r);
		return;
	}
	struct json *list = finish(&rules);
	int e = list ? json_set(data, "rules", list) : -ENOMEM;
	if (e == 0)
		e = json_set_int(data, "total", total);
	if (e == 0)
		e = json_set_int(data, "page", page);
	if (e == 0)
		e = json_set_int(data, "page_size", size);
	if (e == 0)
		e = json_set_int(data, "total_pages", (total + size - 1) / size);
	if (e < 0) {
		json_free(data);
		data = NULL;
	}
	api_answer(r, data, NULL);
}

/* The text of a rule is kept as it came. */
static void
each_scheduling(void *context, const struct catalog_item *item)
{
	struct rules *to = context;
	struct json *rule = to->failed ? NULL : json_new_object();
	int e = to->failed ? to->failed : rule ? json_set_int(rule, "id", item->id) : -ENOMEM;

	if (e == 0)
		e = json_set_text(rule, "name", item->name);
	if (e == 0)
		e = json_set_text(rule, "description", item->description);
	if (e == 0)
		e = json_set_int(rule, "priority", item->priority);
	if (e == 0)
		e = json_set_bool(rule, "is_temporary", false);
	if (e == 0)
		e = set_time(rule, "start_date", item->starts_us);
	if (e == 0)
		e = set_time(rule, "end_date", item->ends_us);
	if (e == 0)
		e = set_data(rule, "rule_data", item->data);
	if (e == 0)
		e = json_set_text(rule, "processed_text", item->description);
	if (e == 0)
		e = set_time(rule, "last_updated", item->updated_us);
	if (e == 0)
		e = json_add(to->list, rule);
	else
		json_free(rule);
	to->failed = e;
}

void
on_scheduling_processed(struct request *r)
{
	struct catalog_filter f = { .tenant = r->tenant, .kinds = CATALOG_BIT(CATALOG_K_SCHEDULING) };
	struct rules rules = { .list = NULL };
	struct catalog *c;

	if (!api_account(r) || !(c = catalogue_of(r, f.kinds)) || !collections_mask(r, c, &f.kinds))
		return;
	struct json *data = json_new_object();
	rules.list = json_new_array();
	if (!data || !rules.list || catalog_list(c, &f, each_scheduling, &rules) < 0 || rules.failed) {
		json_free(data);
		json_free(rules.list);
		catalogue_failed(r);
		return;
	}
	int64_t n = (int64_t)json_length(rules.list);
	int e = json_set_bool(data, "found", true);
	if (e == 0)
		e = json_set(data, "scheduling_rules", rules.list);
	else
		json_free(rules.list);
	if (e == 0)
		e = json_set_int(data, "total", n);
	if (e < 0) {
		json_free(data);
		data = NULL;
	}
	api_answer(r, data, NULL);
}

void
on_rules_one(struct request *r)
{
	struct catalog_filter f = { .tenant = r->tenant, .kinds = CATALOG_RULES };
	struct rules rules = { .now_us = clock_wall_us() };
	const struct json *one;
	struct catalog *c;

	if (!api_account(r))
		return;
	if (slice_to_i64(r->param[0], 1, INT64_MAX, &f.id) != 0) {
		api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("the id of a rule is a whole number"));
		return;
	}
	if (!(c = catalogue_of(r, f.kinds)))
		return;
	rules.list = json_new_array();
	if (!rules.list || catalog_list(c, &f, each_rule, &rules) < 0 || rules.failed) {
		json_free(rules.list);
		catalogue_failed(r);
		return;
	}
	if (json_at(rules.list, 0, &one) == JSON_OBJECT)
		api_answer(r, json_ref(one), NULL);
	else
		api_refuse(r, REQUEST_R_NOT_FOUND_ERROR, SLICE("there is no such rule"));
	json_free(rules.list);
}
