/* Every URL that ponte answers.  Read this file first.
 *
 * Which socket a path comes in by is nginx's choice; `group` says which it
 * must be, and a rule test compares the two.  404, 405, 413 and 415 follow
 * from the rows; who may come in on a `signed` row is decided over the raw
 * bytes by its handler. */
#include <inttypes.h>

#include "app/worker/routes.h"
#include "lib/json.h"
#include "lib/token.h"

#define WHOLE SIZE_MAX          /* limits.body */
#define REPLY MIB

/* clang-format off */
const struct route routes[] = {
	/* method      path                                                             group        access        scope        shape           body   flags               handler                  help */
	{ HTTP_M_GET,  "/",                                                             ROUTE_API,   ROUTE_OPEN,   0,           ROUTE_DETAIL,   0,     0,                  on_root,                 "says that it is online, and its version" },
	{ HTTP_M_GET,  "/health",                                                       ROUTE_API,   ROUTE_OPEN,   0,           ROUTE_DETAIL,   0,     0,                  on_health,               "always 200: the program answers (checks nothing else)" },
	{ HTTP_M_GET,  "/livez",                                                        ROUTE_API,   ROUTE_OPEN,   0,           ROUTE_DETAIL,   0,     0,                  on_livez,                "200 while workers answer" },
	{ HTTP_M_GET,  "/readyz",                                                       ROUTE_API,   ROUTE_OPEN,   0,           ROUTE_DETAIL,   0,     0,                  on_readyz,               "200 when a webhook would be stored and delivered now, else 503 with the reasons" },
	{ HTTP_M_GET,  "/webhook/",                                                     ROUTE_API,   ROUTE_OPEN,   0,           ROUTE_WEBHOOK,  0,     0,                  on_webhook_root,         "as /, in the form of the replaced webhook server" },
	{ HTTP_M_GET,  "/webhook/health",                                               ROUTE_API,   ROUTE_OPEN,   0,           ROUTE_WEBHOOK,  0,     0,                  on_webhook_health,       "as /health, in the form of the replaced webhook server" },
	{ HTTP_M_POST, "/",                                                             ROUTE_HOOKS, ROUTE_SIGNED, 0,           ROUTE_WEBHOOK,  WHOLE, 0,                  on_chatwoot_shared,      "events of any sender; the account in the body names the candidates" },
	{ HTTP_M_POST, "/webhook",                                                      ROUTE_HOOKS, ROUTE_SIGNED, 0,           ROUTE_WEBHOOK,  WHOLE, 0,                  on_chatwoot_shared,      "the same" },
	{ HTTP_M_POST, "/webhook/",                                                     ROUTE_HOOKS, ROUTE_SIGNED, 0,           ROUTE_WEBHOOK,  WHOLE, 0,                  on_chatwoot_shared,      "the same" },
	{ HTTP_M_POST, "/webhook/webhook",                                              ROUTE_HOOKS, ROUTE_SIGNED, 0,           ROUTE_WEBHOOK,  WHOLE, 0,                  on_chatwoot_shared,      "the same" },
	{ HTTP_M_POST, "/webhook/chatwoot/{tenant}/{kind}",                             ROUTE_HOOKS, ROUTE_SIGNED, 0,           ROUTE_WEBHOOK,  WHOLE, 0,                  on_chatwoot_sender,      "events of one sender; kind: account, inbox or bot" },
	{ HTTP_M_POST, "/webhook/chatwoot/{tenant}/{kind}/{secret}",                    ROUTE_HOOKS, ROUTE_SIGNED, 0,           ROUTE_WEBHOOK,  WHOLE, 0,                  on_chatwoot_sender,      "the same, for a Chatwoot that cannot sign; the secret is in no log" },
	{ HTTP_M_POST, "/api/v1/replies",                                               ROUTE_API,   ROUTE_TOKEN,  TOKEN_REPLY, ROUTE_DETAIL,   REPLY, 0,                  on_replies,              "the answer of a hub that said 202" },
	{ HTTP_M_POST, "/api/v1/business-rules/sync",                                   ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, ROUTE_ADDON,        on_rules_sync,           "the tenant's permanent and temporary rules, all of them" },
	{ HTTP_M_POST, "/api/v1/business-rules/sync-scheduling-rules",                  ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, ROUTE_ADDON,        on_scheduling_sync,      "the tenant's scheduling rules, all of them" },
	{ HTTP_M_POST, "/api/v1/business-rules/sync-company-metadata",                  ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, ROUTE_ADDON,        on_company_sync,         "name, hours, channels and manners of the company" },
	{ HTTP_M_POST, "/api/v1/business-rules/sync-support-documents",                 ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, ROUTE_BY_DOCUMENTS, on_documents_sync,       "documents by id; those that are not named stay" },
	{ HTTP_M_POST, "/api/v1/business-rules/clear-support-documents",                ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, ROUTE_BY_DOCUMENTS, on_documents_clear,      "takes all documents away" },
	{ HTTP_M_GET,  "/api/v1/business-rules/documents",                              ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_documents_list,       "the support documents" },
	{ HTTP_M_POST, "/api/v1/business-rules/documents",                              ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, ROUTE_FORM,         on_documents_upload,     "stores a text file; name, description, document_type" },
	{ HTTP_M_GET,  "/api/v1/business-rules/processed/support-documents",            ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_documents_processed,  "the same with their texts" },
	{ HTTP_M_GET,  "/api/v1/business-rules/processed/support-document/{document_id}", ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_document_processed,   "one of them" },
	{ HTTP_M_GET,  "/api/v1/business-rules/processed/scheduling-rules",             ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_scheduling_processed, "the scheduling rules" },
	{ HTTP_M_GET,  "/api/v1/business-rules/processed/company-metadata",             ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_company_processed,    "what the company said of itself" },
	{ HTTP_M_GET,  "/api/v1/business-rules/processed/service-config",               ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_service_processed,    "the part of it that a conversation needs" },
	{ HTTP_M_GET,  "/api/v1/business-rules/customer-service/style",                 ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_style,                "how customer service talks; domain" },
	{ HTTP_M_PUT,  "/api/v1/business-rules/customer-service/style",                 ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_style_put,            "sets all of it; domain" },
	{ HTTP_M_PUT,  "/api/v1/business-rules/customer-service/style/greeting",        ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_greeting_put,         "sets the greeting alone; domain" },
	{ HTTP_M_POST, "/api/v1/products/search",                                       ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, WHOLE, 0,                  on_products_search,      "products by words; query, limit, filters" },
	{ HTTP_M_GET,  "/api/v1/products/sync-status",                                  ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_products_status,      "which products are synced; product_ids" },
	{ HTTP_M_POST, "/api/v1/products/list",                                         ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, WHOLE, 0,                  on_products_list,        "pages of Odoo's products; filter, limit, offset, order_by" },
	{ HTTP_M_POST, "/api/v1/products/sync-batch",                                   ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_products_sync,        "reads products from Odoo and stores their texts" },
	{ HTTP_M_POST, "/api/v1/products/update-prices",                                ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_products_prices,      "changes prices in Odoo, one by one" },
	{ HTTP_M_POST, "/api/v1/products/{product_id}/description",                     ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_product_description,  "asks the hub for a description" },
	{ HTTP_M_POST, "/api/v1/products/{product_id}/sync",                            ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_product_sync,         "stores the product's text" },
	{ HTTP_M_POST, "/tools/generate_product_description",                           ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_TOOL,     WHOLE, ROUTE_BY_TOOLS,     on_tool_description,     "the same for the addons' tools" },
	{ HTTP_M_POST, "/tools/sync_product_to_vector_db",                              ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_TOOL,     WHOLE, ROUTE_BY_TOOLS,     on_tool_product,         "stores the text that the addon sends" },
	{ HTTP_M_POST, "/tools/sync_support_documents",                                 ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_TOOL,     WHOLE, ROUTE_BY_DOCUMENTS, on_documents_sync,       "the same as sync-support-documents" },
	/* Odoo's sync queue: its own spelling of paths that are here, and the product's id in the body. */
	{ HTTP_M_POST, "/api/v1/business_rules",                                        ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_rules_sync,           "Odoo's queue: as business-rules/sync" },
	{ HTTP_M_POST, "/api/v1/business_rules/search",                                 ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, WHOLE, 0,                  on_rules_search_body,    "Odoo's queue: rules by words" },
	{ HTTP_M_POST, "/api/v1/semantic_product",                                      ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_product_sync,         "Odoo's queue: as products/{product_id}/sync" },
	{ HTTP_M_POST, "/api/v1/semantic_product/generate",                             ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_product_description,  "Odoo's queue: as products/{product_id}/description" },
	{ HTTP_M_POST, "/api/v1/semantic_product/search",                               ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, WHOLE, 0,                  on_products_search,      "Odoo's queue: as products/search" },
	{ HTTP_M_POST, "/api/v1/product_ai_mass_management",                            ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_products_sync,        "Odoo's queue: as products/sync-batch" },
	{ HTTP_M_POST, "/api/v1/product_ai_mass_management/generate",                   ROUTE_API,   ROUTE_TOKEN,  TOKEN_SYNC,  ROUTE_ENVELOPE, WHOLE, 0,                  on_product_description,  "Odoo's queue: as products/{product_id}/description" },
	{ HTTP_M_POST, "/api/v1/product_ai_mass_management/search",                     ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, WHOLE, 0,                  on_products_search,      "Odoo's queue: as products/search" },
	{ HTTP_M_GET,  "/api/v1/business-rules/active",                                 ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_rules_active,         "the rules that are valid now; rule_type" },
	{ HTTP_M_GET,  "/api/v1/business-rules/semantic-search",                        ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_rules_search,         "rules by words; query, limit, score_threshold" },
	{ HTTP_M_GET,  "/api/v1/business-rules",                                        ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_rules_list,           "all rules, in pages; page, page_size, active_only, rule_type" },
	/* Before {rule_id}, which would match their names: the first row that matches is it. */
	{ HTTP_M_GET,  "/api/v1/business-rules/view",                                   ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_PAGE,     0,     ROUTE_BY_VIEWS,     on_view_rules,           "a page of all rules" },
	{ HTTP_M_GET,  "/api/v1/business-rules/view-temporary-rules",                   ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_PAGE,     0,     ROUTE_BY_VIEWS,     on_view_temporary,       "a page of the temporary ones" },
	{ HTTP_M_GET,  "/api/v1/business-rules/view-scheduling-rules",                  ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_PAGE,     0,     ROUTE_BY_VIEWS,     on_view_scheduling,      "a page of the scheduling rules" },
	{ HTTP_M_GET,  "/api/v1/business-rules/view-support-documents",                 ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_PAGE,     0,     ROUTE_BY_VIEWS,     on_view_documents,       "a page of the support documents" },
	{ HTTP_M_GET,  "/api/v1/business-rules/view-support-document/{document_id}",    ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_PAGE,     0,     ROUTE_BY_VIEWS,     on_view_document,        "a page of one of them" },
	{ HTTP_M_GET,  "/api/v1/business-rules/view-company-metadata",                  ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_PAGE,     0,     ROUTE_BY_VIEWS,     on_view_company,         "a page of what the company said of itself" },
	{ HTTP_M_GET,  "/api/v1/business-rules/{rule_id}",                              ROUTE_API,   ROUTE_TOKEN,  TOKEN_READ,  ROUTE_ENVELOPE, 0,     0,                  on_rules_one,            "one rule" },
};
/* clang-format on */
const size_t routes_count = ARRAY_LEN(routes);

struct slice
routes_alias(struct slice path)
{
	const struct slice aliases[] = { SLICE("/webhook/api/"), SLICE("/webhook/tools/") };

	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (slice_starts(path, aliases[i]))
			return slice_after(path, sizeof("/webhook") - 1);
	return path;
}

static const char *const group_names[] = { [ROUTE_HOOKS] = "hooks", [ROUTE_API] = "api" };
static const char *const access_names[] = { [ROUTE_OPEN] = "open", [ROUTE_SIGNED] = "signed", [ROUTE_TOKEN] = "token" };
static const char *const shape_names[] = { [ROUTE_WEBHOOK] = "webhook", [ROUTE_DETAIL] = "detail", [ROUTE_ENVELOPE] = "envelope",
	[ROUTE_TOOL] = "tool", [ROUTE_PAGE] = "page" };

static const char *
body_word(const struct route *row)
{
	return row->body_max == 0 ? "none" : row->body_max == WHOLE ? "limits.body" : "1 MiB";
}

static const char *
scope_word(const struct route *row)
{
	return row->access == ROUTE_TOKEN ? token_scope_text((enum token_scope)row->scope) : "";
}

/* In words, for JSON. */
static const char *
flags_text(const struct route *row)
{
	static const char *const texts[] = { "\"form\"", "\"addon\"", "\"by-documents\"", "\"by-tools\"", "\"by-views\"" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (row->flags == 1u << i)
			return texts[i];
	return "";
}

static int
print_row_json(const struct route *row, bool first, struct buf *out)
{
	int r = buf_printf(out, "%s{\"method\":\"%s\",\"path\":\"%s\",\"group\":\"%s\",\"access\":\"%s\","
	    "\"scope\":\"%s\",\"shape\":\"%s\",\"body\":\"%s\",\"flags\":[%s],\"help\":", first ? "" : ",\n ", http_method_name(row->method), row->path,
	    group_names[row->group], access_names[row->access], scope_word(row), shape_names[row->shape], body_word(row), flags_text(row));
	if (r == 0)
		r = json_quote(slice_of(row->help), out);
	return r < 0 ? r : buf_append_slice(out, SLICE("}"));
}

int
routes_print(bool as_json, struct buf *out)
{
	int r = as_json ? buf_append_slice(out, SLICE("[")) :
	    buf_printf(out, "%-6s %-45s %-6s %-7s %-6s %-12s %s\n", "METHOD", "PATH", "GROUP", "ACCESS", "SCOPE", "BODY", "");

	for (size_t i = 0; i < routes_count && r == 0; i++) {
		const struct route *row = &routes[i];
		r = as_json ? print_row_json(row, i == 0, out) :
		    buf_printf(out, "%-6s %-45s %-6s %-7s %-6s %-12s %s\n", http_method_name(row->method), row->path,
		        group_names[row->group], access_names[row->access], scope_word(row), body_word(row), row->help);
	}
	if (r == 0 && as_json)
		r = buf_append_slice(out, SLICE("]\n"));
	return r;
}
