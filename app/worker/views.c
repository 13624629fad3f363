/* The pages that the buttons of the addons open: read, never changed. */
#include <inttypes.h>
#include <stdio.h>

#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/company.h"
#include "app/worker/documents.h"
#include "app/worker/page.h"
#include "app/worker/routes.h"
#include "lib/clock.h"

#define SHOWN_MAX 1000          /* rows of a page */

static void
begin(struct request *r, const char *title)
{
	page_begin(r, HTTP_OK, slice_of(title));
	page_element(r, "p", r->tenant);
}

static void
cell_time(struct request *r, int64_t us)
{
	char text[CLOCK_TEXT] = "";

	if (us != 0)
		clock_text(us, text);
	text[us != 0 ? 16 : 0] = '\0';
	page_element(r, "td", slice_of(text));
}

/* How many there are, when the page does not show them all. */
static void
end_table(struct request *r, int64_t all)
{
	page_markup(r, "</table>");
	if (all == 0)
		page_element(r, "p", SLICE("There is nothing here yet."));
	else if (all > SHOWN_MAX)
		page_element(r, "p", arena_printf(r->arena, "These are the first %d of %" PRId64 ".", SHOWN_MAX, all));
	page_end(r);
}

static void
head_row(struct request *r, const char *const *column, size_t n)
{
	page_markup(r, "<table><tr>");
	for (size_t i = 0; i < n; i++)
		page_element(r, "th", slice_of(column[i]));
	page_markup(r, "</tr>\n");
}

static void
show_table(struct request *r, unsigned kinds, const char *title, const char *const *column, size_t columns,
    void (*each)(void *, const struct catalog_item *))
{
	struct catalog_filter f = { .tenant = r->tenant, .kinds = kinds, .limit = SHOWN_MAX };
	struct catalog *c;
	int64_t all = 0;

	if (!api_account(r) || !(c = catalogue_of(r, f.kinds)))
		return;
	begin(r, title);
	head_row(r, column, columns);
	if (catalog_count(c, &f, &all) < 0 || catalog_list(c, &f, each, r) < 0)
		catalogue_failed(r);
	else
		end_table(r, all);
}

/* ---- rules ---- */

static const char *
state_of(const struct catalog_item *item, int64_t now_us)
{
	if (item->ends_us != 0 && item->ends_us <= now_us)
		return "over";
	return item->starts_us > now_us ? "not yet" : "valid";
}

static void
each_rule(void *context, const struct catalog_item *item)
{
	struct request *r = context;

	page_markup(r, "<tr>");
	page_element(r, "td", arena_printf(r->arena, "%" PRId64, item->id));
	page_element(r, "td", slice_of(catalog_kind_text(item->kind)));
	page_element(r, "td", item->name);
	page_element(r, "td", item->description);
	page_element(r, "td", item->type);
	cell_time(r, item->starts_us);
	cell_time(r, item->ends_us);
	page_element(r, "td", slice_of(state_of(item, clock_wall_us())));
	page_markup(r, "</tr>\n");
}

static void
show_rules(struct request *r, unsigned kinds, const char *title)
{
	static const char *const column[] = { "id", "kind", "name", "text", "type", "from (UTC)", "until (UTC)", "now" };

	show_table(r, kinds, title, column, ARRAY_LEN(column), each_rule);
}

void
on_view_rules(struct request *r)
{
	show_rules(r, CATALOG_RULES, "Rules");
}

void
on_view_temporary(struct request *r)
{
	show_rules(r, CATALOG_BIT(CATALOG_K_TEMPORARY), "Temporary rules");
}

void
on_view_scheduling(struct request *r)
{
	show_rules(r, CATALOG_BIT(CATALOG_K_SCHEDULING), "Scheduling rules");
}

/* ---- documents ---- */

static void
each_document(void *context, const struct catalog_item *item)
{
	struct request *r = context;

	page_markup(r, "<tr>");
	page_element(r, "td", arena_printf(r->arena, "%" PRId64, document_id(item)));
	page_element(r, "td", item->name);
	page_element(r, "td", item->type);
	page_element(r, "td", arena_printf(r->arena, "%zu", item->description.len));
	cell_time(r, item->updated_us);
	page_markup(r, "</tr>\n");
}

void
on_view_documents(struct request *r)
{
	static const char *const column[] = { "id", "name", "type", "bytes", "changed (UTC)" };

	show_table(r, CATALOG_DOCUMENTS, "Support documents", column, ARRAY_LEN(column), each_document);
}

static void
one_document(void *context, const struct catalog_item *item)
{
	struct request *r = context;

	begin(r, "Support document");
	page_element(r, "h2", item->name);
	page_element(r, "p", item->type);
	page_element(r, "pre", item->description);
	page_end(r);
}

void
on_view_document(struct request *r)
{
	if (api_account(r) && document_find(r, r->param[0], one_document, r) && r->answer.status == 0)
		api_refuse(r, REQUEST_R_NOT_FOUND_ERROR, SLICE("there is no such document"));
}

/* ---- the company ---- */

/* Objects as lists of names and values; json_check() has bounded their depth. */
static void
show_value(struct request *r, const struct json *value)
{
	CLEANUP(buf_free) struct buf text = { 0 };
	struct json_iter at = { 0 };

	switch (json_type_of(value)) {
	case JSON_OBJECT:
		page_markup(r, "<dl>");
		while (json_next(value, &at)) {
			page_element(r, "dt", slice_of(at.key));
			page_markup(r, "<dd>");
			show_value(r, at.value);
			page_markup(r, "</dd>\n");
		}
		page_markup(r, "</dl>");
		return;
	case JSON_STRING:
		page_text(r, json_text(value));
		return;
	case JSON_ABSENT:
	case JSON_NULL:
	case JSON_BOOL:
	case JSON_INT:
	case JSON_DOUBLE:
	case JSON_ARRAY:
		break;
	}
	if (json_print(value, &text) < 0)
		r->answer.broken = true;
	page_text(r, buf_view(&text));
}

static void
each_company(void *context, const struct catalog_item *item)
{
	CLEANUP(json_freep) struct json *data = NULL;
	struct request *r = context;

	begin(r, "Company");
	if (json_parse(item->data, &data) < 0)
		r->answer.broken = true;
	show_value(r, data);
	page_end(r);
}

void
on_view_company(struct request *r)
{
	struct catalog *c;

	if (!api_account(r) || !(c = catalogue_of(r, CATALOG_BIT(CATALOG_K_METADATA))))
		return;
	if (company_find(c, r->tenant, each_company, r) < 0)
		catalogue_failed(r);
	else if (r->answer.status == 0)
		api_refuse(r, REQUEST_R_NOT_FOUND_ERROR, SLICE("no company metadata was synced yet"));
}
