/* Company metadata: pushed by the addons, read by the hub. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/collections.h"
#include "app/worker/company.h"
#include "app/worker/routes.h"
#include "app/worker/shelf.h"
#include "lib/catalog_item.h"
#include "lib/clock.h"
#include "lib/log.h"

/* Keys of the two, by who said them. */
#define OWN   SLICE("company")
#define BASIC SLICE("basic")

struct building {
	const struct json *from;
	struct json       *to;
	int                failed;
	const char        *wrong;       /* the first field that is, "" for none */
};

static void
found_wrong(struct building *b, const char *key)
{
	if (!*b->wrong)
		b->wrong = key;
}

static const struct json *
part(struct building *b, const struct json *from, const char *key)
{
	const struct json *value;
	enum json_type type = json_get(from, key, &value);

	if (type != JSON_OBJECT && !api_empty(type, value))
		found_wrong(b, key);
	return type == JSON_OBJECT ? value : NULL;
}

static void
put_text(struct building *b, const struct json *from, const char *key, struct json *to, const char *as)
{
	struct slice text;

	if (!api_text(from, key, &text))
		found_wrong(b, key);
	if (b->failed == 0)
		b->failed = json_set_text(to, as, text);
}

static void
put_bool(struct building *b, const struct json *from, const char *key, struct json *to, const char *as)
{
	const struct json *value;
	enum json_type type = json_get(from, key, &value);

	if (type != JSON_BOOL && !api_empty(type, value))
		found_wrong(b, key);
	if (b->failed == 0)
		b->failed = json_set_bool(to, as, json_true(value));
}

/* Odoo's hours are numbers: 8.5 is half past eight.  Minutes are cut off. */
static void
put_hour(struct building *b, const struct json *from, const char *key, struct json *to, const char *as)
{
	const struct json *value;
	double hours = 0;
	char text[16];

	enum json_type type = json_get(from, key, &value);
	if ((json_number(value, &hours) != 0 && !api_empty(type, value)) || !(hours >= 0 && hours <= 24)) {
		found_wrong(b, key);
		hours = 0;
	}
	/* 8.1 is 8:06 and not 8:05: what binary loses is given back. */
	int minutes = (int)floor(hours * 60 + 1e-6);
	snprintf(text, sizeof(text), "%02d:%02d", minutes / 60, minutes % 60);
	if (b->failed == 0)
		b->failed = json_set_text(to, as, slice_of(text));
}

static struct json *
begin_part(struct building *b, struct json *in, const char *key)
{
	struct json *made = json_new_object();

	if (b->failed == 0)
		b->failed = made ? json_set(in, key, made) : -ENOMEM;
	else
		json_free(made);
	return b->failed == 0 ? made : NULL;
}

static void
put_company(struct building *b)
{
	static const char *const keys[] = { "company_name", "description", "company_values", "business_area", "business_area_other" };
	const struct json *from = part(b, b->from, "company_info");
	struct json *to = begin_part(b, b->to, "company_info");

	for (size_t i = 0; i < ARRAY_LEN(keys) && to; i++)
		put_text(b, from, keys[i], to, keys[i]);
}

static void
put_channels(struct building *b)
{
	static const struct { const char *name, *shown, *shown_newer, *url; } channels[] = {
		{ "website", "show_website", "mention_website_at_end", "website" },
		{ "facebook", "show_facebook", "mention_facebook_at_end", "facebook_url" },
		{ "instagram", "show_instagram", "mention_instagram_at_end", "instagram_url" },
	};
	const struct json *social = part(b, b->from, "social_media"), *company = part(b, b->from, "company_info"), *value;
	struct json *to = begin_part(b, b->to, "online_channels");

	for (size_t i = 0; i < ARRAY_LEN(channels) && to; i++) {
		struct json *one = begin_part(b, to, channels[i].name);
		if (!one)
			return;
		put_text(b, i == 0 ? company : social, channels[i].url, one, "url");
		bool newer = json_get(social, channels[i].shown_newer, &value) != JSON_ABSENT;
		put_bool(b, social, newer ? channels[i].shown_newer : channels[i].shown, one, "mention_at_end");
	}
}

static void
put_hours(struct building *b)
{
	static const char *const days[] = { "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday" };
	const struct json *hours = part(b, b->from, "business_hours"), *week = part(b, hours, "days"), *lunch = part(b, hours, "lunch_break"), *value;
	const struct json *saturday = part(b, week, "saturday_hours");
	struct json *to = begin_part(b, b->to, "business_hours"), *list = json_new_array();

	if (to && b->failed == 0)
		b->failed = list ? json_set(to, "days", list) : -ENOMEM;
	else
		json_free(list);
	for (size_t i = 0; i < ARRAY_LEN(days) && b->failed == 0; i++) {
		json_get(week, days[i], &value);
		if (json_true(value))
			b->failed = json_add_int(list, (int64_t)i);
	}
	if (b->failed)
		return;
	put_hour(b, hours, "start", to, "start_time");
	put_hour(b, hours, "end", to, "end_time");
	put_hour(b, saturday, "start", to, "saturday_start_time");
	put_hour(b, saturday, "end", to, "saturday_end_time");
	put_bool(b, lunch, "enabled", to, "has_lunch_break");
	put_hour(b, lunch, "start", to, "lunch_break_start");
	put_hour(b, lunch, "end", to, "lunch_break_end");
}

static void
put_service(struct building *b)
{
	static const char *const keys[] = { "greeting_message", "communication_style", "emoji_usage" };
	const struct json *from = part(b, b->from, "customer_service");
	struct json *to = begin_part(b, b->to, "customer_service");

	for (size_t i = 0; i < ARRAY_LEN(keys) && to; i++)
		put_text(b, from, keys[i], to, keys[i]);
	to = begin_part(b, b->to, "promotions");
	if (to)
		put_bool(b, from, "inform_promotions_at_start", to, "inform_at_start");
}

/* What it is found by. */
static struct slice
words_of(struct request *r, const struct json *from)
{
	const struct json *company, *service;
	struct slice name, description, values, area, greeting;

	json_get(from, "company_info", &company);
	json_get(from, "customer_service", &service);
	(void)api_text(company, "company_name", &name);
	(void)api_text(company, "description", &description);
	(void)api_text(company, "company_values", &values);
	(void)api_text(company, "business_area", &area);
	(void)api_text(service, "greeting_message", &greeting);
	return arena_printf(r->arena, "%.*s %.*s %.*s %.*s %.*s empresa horário funcionamento", (int)name.len, name.ptr ? name.ptr : "",
	    (int)description.len, description.ptr ? description.ptr : "", (int)values.len, values.ptr ? values.ptr : "",
	    (int)area.len, area.ptr ? area.ptr : "", (int)greeting.len, greeting.ptr ? greeting.ptr : "");
}

/* As it is stored, from its sections as Odoo sends them.  0, SHELF_E_WRONG or -ENOMEM. */
static int
build(struct shelf *s, const struct json *from, struct json *to)
{
	struct building b = { .from = from, .to = to, .failed = to ? 0 : -ENOMEM, .wrong = "" };

	put_company(&b);
	put_channels(&b);
	put_hours(&b);
	put_service(&b);
	if (!*b.wrong)
		return b.failed;
	s->why = arena_printf(s->r->arena, "%s is of another type than Odoo sends, or no hour of a day", b.wrong);
	return SHELF_E_WRONG;
}

/* A newer addon wraps them.  A body without any is no company: it would wipe the
 * one that is stored. */
static int
find_sections(struct shelf *s, const struct json *doc, const struct json **ret)
{
	static const char *const sections[] = { "company_info", "customer_service", "business_hours", "social_media" };
	const struct json *wrapped, *one;
	enum json_type type = json_get(doc, "company_metadata", &wrapped);

	*ret = type == JSON_OBJECT ? wrapped : doc;
	s->why = SLICE("company_metadata is not an object");
	if (type != JSON_OBJECT && !api_empty(type, wrapped))
		return SHELF_E_WRONG;
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		type = json_get(*ret, sections[i], &one);
		if (!api_empty(type, one))
			return 0;
	}
	s->why = SLICE("there is none of company_info, customer_service, business_hours, social_media");
	return SHELF_E_WRONG;
}

void
on_company_sync(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL, *to = json_new_object();
	CLEANUP(words_freep) struct words *words = NULL;
	struct catalog_shelf_push push[2];
	struct catalog_item item[2] = { { .kind = CATALOG_K_METADATA }, { .kind = CATALOG_K_METADATA, .key = BASIC } };
	const struct json *from;
	size_t more = 0;
	bool same;

	if (!api_account(r) || !api_body(r, &doc))
		return;
	struct shelf s = { .r = r };
	int e = words_new(&words);
	s.words = words;
	if (e == 0)
		e = find_sections(&s, doc, &from);
	if (e == 0)
		e = build(&s, from, to);
	if (e == 0)
		e = shelf_object(&s, CATALOG_K_METADATA, OWN, to, words_of(r, from), &push[0]);
	if (e == 0)
		e = collections_read(&s, doc, true, &push[1], &more);
	if (e == SHELF_E_WRONG) {
		api_refuse(r, REQUEST_R_BAD_SCHEMA, s.why);
		return;
	}
	if (e != 0) {
		api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
		return;
	}
	/* What came with the rules before goes. */
	item[0] = push[0].item[0];
	push[0].item = item;
	push[0].items = ARRAY_LEN(item);
	if (shelf_push(r, push, 1 + more, "company metadata", (struct slice){ NULL, 0 }, &same))
		api_answer(r, json_ref(to), NULL);
}

/* ---- with the rules ---- */

static void
note(void *context, const struct catalog_item *item)
{
	(void)item;
	*(bool *)context = true;
}

/* Its texts are flat: each section takes its own of them. */
static int
sections_of(const struct json *basic, struct json *to)
{
	const struct json *hours;
	int e = to ? json_set(to, "company_info", json_ref(basic)) : -ENOMEM;

	json_get(basic, "business_hours", &hours);
	if (e == 0)
		e = json_set(to, "customer_service", json_ref(basic));
	return e == 0 ? json_set(to, "business_hours", hours ? json_ref(hours) : NULL) : e;
}

int
company_basic(struct shelf *s, struct catalog *c, const struct json *body, struct catalog_shelf_push *ret, size_t *ret_n)
{
	CLEANUP(json_freep) struct json *from = json_new_object(), *to = json_new_object();
	const struct json *basic;
	struct slice name;
	bool own = false;

	*ret_n = 0;
	json_get(body, "basic_info", &basic);
	if (api_text(basic, "company_name", &name) && name.len == 0)
		return 0;
	int e = catalog_find(c, s->r->tenant, CATALOG_K_METADATA, OWN, note, &own);
	if (e != 0 || own)
		return e;
	e = sections_of(basic, from);
	if (e == 0)
		e = build(s, from, to);
	/* The rules beside it are good, and an addon goes on with them, too. */
	if (e == SHELF_E_WRONG) {
		log_event(LOG_NOTICE, "company-left-out", LOG_TEXT("tenant", s->r->tenant), LOG_STR("request_id", s->r->id), LOG_TEXT("why", s->why));
		return 0;
	}
	if (e < 0)
		return e;
	e = shelf_object(s, CATALOG_K_METADATA, BASIC, to, words_of(s->r, from), ret);
	if (e == 0)
		e = catalog_shelf_seal(s->r->arena, ret);
	*ret_n = e == 0;
	return e;
}

/* ---- read ---- */

struct first { void (*each)(void *, const struct catalog_item *); void *context; bool seen; };

static void
take_first(void *context, const struct catalog_item *item)
{
	struct first *f = context;

	f->seen = true;
	f->each(f->context, item);
}

int
company_find(struct catalog *c, struct slice tenant, void (*each)(void *, const struct catalog_item *), void *context)
{
	struct first f = { each, context, false };
	int e = catalog_find(c, tenant, CATALOG_K_METADATA, OWN, take_first, &f);

	return e == 0 && !f.seen ? catalog_find(c, tenant, CATALOG_K_METADATA, BASIC, take_first, &f) : e;
}

struct found { struct json *data; int64_t updated_us; int failed; };

static void
take(void *context, const struct catalog_item *item)
{
	struct found *f = context;

	f->failed = json_parse(item->data, &f->data);
	f->updated_us = item->updated_us;
}

static bool
find(struct request *r, struct found *ret)
{
	struct catalog *c = catalogue_of(r, CATALOG_BIT(CATALOG_K_METADATA));

	*ret = (struct found){ .data = NULL };
	if (!c)
		return false;
	return (company_find(c, r->tenant, take, ret) == 0 && ret->failed == 0) || catalogue_failed(r);
}

static void
answer_found(struct request *r, const char *name, const char *const *keys, size_t n, bool texts)
{
	struct json *data = json_new_object(), *inner = json_new_object();
	const struct json *value;
	struct found f;
	char text[CLOCK_TEXT];
	int e = data && inner ? 0 : -ENOMEM;

	if (!find(r, &f)) {
		json_free(data);
		json_free(inner);
		return;
	}
	if (e == 0)
		e = json_set_bool(data, "found", f.data != NULL);
	if (e == 0 && !f.data)
		e = json_set_text(data, "message", SLICE("no company metadata was synced yet"));
	for (size_t i = 0; i < n && e == 0 && f.data; i++)
		if (json_get(f.data, keys[i], &value) == JSON_OBJECT)
			e = json_set(inner, keys[i], json_ref(value));
	/* What an AI made of it in the system before; nothing does here. */
	if (e == 0 && f.data && texts)
		e = json_set_null(inner, "original_text");
	if (e == 0 && f.data && texts)
		e = json_set_null(inner, "processed_text");
	if (e == 0 && f.data && texts)
		e = json_set_bool(inner, "ai_processed", false);
	clock_text(f.updated_us, text);
	text[19] = '\0';
	if (e == 0 && f.data)
		e = json_set_text(inner, "last_updated", slice_of(text));
	if (e == 0 && f.data) {
		e = json_set(data, name, inner);
		inner = NULL;
	}
	json_free(inner);
	json_free(f.data);
	if (e < 0) {
		json_free(data);
		data = NULL;
	}
	api_answer(r, data, NULL);
}

void
on_company_processed(struct request *r)
{
	static const char *const keys[] = { "company_info", "business_hours", "online_channels", "customer_service", "promotions" };

	if (api_account(r))
		answer_found(r, "metadata", keys, ARRAY_LEN(keys), true);
}

void
on_service_processed(struct request *r)
{
	static const char *const keys[] = { "customer_service", "business_hours", "online_channels" };

	if (api_account(r))
		answer_found(r, "service_config", keys, ARRAY_LEN(keys), false);
}
