#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/courier.h"
#include "app/courier/pull_run.h"
#include "lib/catalog_item.h"
#include "lib/catalog_wire.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/odoo/odoo.h"

#define MEMORY_MAX (256 * MIB)
#define PAGE       500
#define ITEMS_MAX  20000        /* of one shelf, as of one push */
#define PAGE_MS    (150 * MS_PER_S)
#define SOME       20           /* records at a time, of so many bytes: what their words take blocks the loop */
#define SOME_BYTES (256 * KIB)
#define BESIDE     (16 * KIB)   /* in a frame, beside what is packed */
#define LOST_MAX   3
#define BEGUN_MAX  3
#define ROWS_MAX   500000       /* of one model, with those that are not shown */

/* Models of the addons, and the shelf each fills.  Fields that an Odoo does not
 * have are left out on the way (odoo.c): the generations of the addons differ. */
static const struct {
	const char *model, *fields, *type;
	enum catalog_kind kind;
	enum pull_count count;
} models[PULL_SHELVES] = {
	{ "business.rule.item", "\"name\",\"description\",\"rule_type\",\"active\",\"visible_in_ai\"", "rule_type", CATALOG_K_PERMANENT,
	    PULL_N_PERMANENT },
	{ "business.temporary.rule", "\"name\",\"description\",\"rule_type\",\"active\",\"visible_in_ai\",\"state\",\"date_start\",\"date_end\"",
	    "rule_type", CATALOG_K_TEMPORARY, PULL_N_TEMPORARY },
	{ "business.support.document", "\"name\",\"document_type\",\"content\",\"active\",\"visible_in_ai\"", "document_type",
	    CATALOG_K_DOCUMENT, PULL_N_DOCUMENTS },
};

int
pull_new(struct slice tenant, struct pull **ret)
{
	struct pull *u = calloc(1, sizeof(*u));
	if (!u || arena_new(MEMORY_MAX, &u->memory) != 0 || words_new(&u->words) != 0) {
		pull_free(u);
		return -ENOMEM;
	}
	snprintf(u->tenant, sizeof(u->tenant), SLICE_FMT, SLICE_ARG(tenant));
	u->page_max = PAGE;
	*ret = u;
	return 0;
}

void
pull_free(struct pull *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < PULL_SHELVES; i++)
		free(u->shelf[i].item);
	buf_free(&u->packed);
	arena_free(u->page);
	words_free(u->words);
	arena_free(u->memory);
	free(u);
}

bool
pull_ready(const struct pull *u)
{
	return u->phase == PULL_NEW || u->phase == PULL_TAKING || u->phase == PULL_READ || (u->phase == PULL_PUT && !u->question);
}

static void PRINTF_LIKE(2, 3)
fail(struct pull *u, const char *why, ...)
{
	va_list ap;
	va_start(ap, why);
	vsnprintf(u->why, sizeof(u->why), why, ap);
	va_end(ap);
	u->phase = PULL_OVER;
}

/* What is read belongs together: of one record of the tenant, and nothing was
 * pushed meanwhile.  Else it is read again, but not for ever. */
static void
begin_again(struct pull *u, const char *why)
{
	if (++u->begun == BEGUN_MAX) {
		fail(u, "%s, %d times", why, BEGUN_MAX);
		return;
	}
	for (size_t i = 0; i < PULL_SHELVES; i++) {
		u->shelf[i].n = 0;
		u->shelf[i].absent = false;
		u->count[models[i].count] = 0;
	}
	u->count[PULL_N_READ] = 0;
	arena_reset(u->memory);
	buf_clear(&u->packed);
	u->model = u->rows_all = 0;
	u->last_id = 0;
	u->mark = 0;
	u->phase = PULL_NEW;
}

/* ---- records as items ------------------------------------------------------------ */

/* What the addon would not push is left out: archived, hidden, or a draft. */
static int
take_record(struct pull *u, const struct value *record, size_t *bytes)
{
	size_t i = u->model;
	bool document = models[i].kind == CATALOG_K_DOCUMENT;
	struct arena *a = u->memory;
	struct slice state = odoo_text(record, "state");
	int64_t id = odoo_id(record, "id");
	struct catalog_item item = {
		.kind = models[i].kind, .priority = 2, .odoo_id = id, .name = arena_copy(a, slice_trim(odoo_text(record, "name"))),
		.description = arena_copy(a, odoo_text(record, document ? "content" : "description")),
		.type = arena_copy(a, odoo_text(record, models[i].type)),
	};
	*bytes += item.name.len + item.description.len;
	/* Not in order, or not what was asked for: what is missing would be taken away. */
	if (record->type != VALUE_RECORD || id <= u->last_id || !value_get(record, "name"))
		return -EPROTO;
	u->count[PULL_N_READ]++;
	u->last_id = id;
	if (!odoo_bool(record, "active", true) || !odoo_bool(record, "visible_in_ai", true) || item.name.len == 0
	    || (state.len > 0 && !slice_eq(state, SLICE("active"))))
		return 0;
	/* A date that cannot be read is none: the rule is shown rather than lost. */
	(void)!odoo_time(odoo_text(record, "date_start"), &item.starts_us);
	(void)!odoo_time(odoo_text(record, "date_end"), &item.ends_us);
	if (document)
		item.key = arena_printf(a, "%" PRId64, id);
	int r = catalog_item_seal(u->words, a, (struct slice){ NULL, 0 }, &item);
	if (r == 0)
		r = array_grow((void **)&u->shelf[i].item, &u->shelf[i].cap, u->shelf[i].n, sizeof(item));
	if (r == 0)
		u->shelf[i].item[u->shelf[i].n++] = item;
	u->count[models[i].count] = u->shelf[i].n;
	return r;
}

static void
page_came(struct pull *u, struct call *call)
{
	const struct value *page = call->value;
	if (page->type != VALUE_LIST) {
		fail(u, "Odoo's page of records cannot be understood");
		return;
	}
	u->page = call->memory;
	call->memory = NULL;
	u->row = page->in.first;
	u->rows = value_count(page);
	u->rows_all += u->rows;
	u->phase = PULL_TAKING;
}

static void
next_model(struct pull *u)
{
	u->model++;
	u->last_id = 0;
	u->rows_all = 0;
}

/* A server may have a limit of its own below ours: only an empty page is the last. */
static void
page_taken(struct pull *u)
{
	arena_free(u->page);
	u->page = NULL;
	u->phase = PULL_READ;
	if (u->shelf[u->model].n > ITEMS_MAX)
		fail(u, "there are more than 20000 of one kind");
	else if (u->rows_all > ROWS_MAX)
		fail(u, "there are more than 500000 records of one kind, with those that are not shown");
	else if (u->rows == 0)
		next_model(u);
}

static void
take_some(struct pull *u)
{
	size_t bytes = 0;
	int r = 0;
	for (int n = 0; u->row && n < SOME && bytes < SOME_BYTES && r == 0; n++, u->row = u->row->next)
		r = take_record(u, u->row, &bytes);
	if (r < 0)
		fail(u, "%s", r == -EPROTO ? "Odoo's page of records is not in the order of their ids, or not of records with a name" : "out of memory");
	else if (!u->row)
		page_taken(u);
}

/* ---- asking ---------------------------------------------------------------------- */

static void
on_page(struct call *call)
{
	struct pull *u = call->context;
	u->count[PULL_N_REQUESTS] += call->tries;
	u->phase = PULL_READ;
	if (call->mark != 0 && u->mark != 0 && call->mark != u->mark) {
		begin_again(u, "the tenant's record was changed while its Odoo was read");
		return;
	}
	u->mark = call->mark;
	if (call->result == CALL_DONE) {
		page_came(u, call);
	} else if (call->absent) {
		log_event(LOG_NOTICE, "pull-model-absent", LOG_STR("tenant", u->tenant), LOG_STR("model", models[u->model].model),
		    LOG_STR("why", call->why));
		u->shelf[u->model].absent = true;
		next_model(u);
	} else if (call->too_large && u->page_max > 1) {
		u->page_max /= 2;
	} else {
		fail(u, "%s", call->why[0] ? call->why : "Odoo did not answer");
	}
}

static void
ask_page(struct courier *c, struct pull *u, int64_t now_ms)
{
	CLEANUP(buf_free) struct buf q = { 0 };
	const struct tenant *t = where_tenant(&c->where, slice_of(u->tenant));
	struct slice lang = t ? t->odoo.lang : SLICE("");
	int r = buf_printf(&q, "{\"model\":\"%s\",\"method\":\"search_read\",\"args\":[[[\"id\",\">\",%" PRId64 "]]],\"kwargs\":{\"fields\":[%s],"
	    "\"limit\":%d,\"order\":\"id\",\"context\":{\"active_test\":false,\"bin_size\":true%s" SLICE_FMT "%s}}}", models[u->model].model,
	    u->last_id, models[u->model].fields, u->page_max, lang.len ? ",\"lang\":\"" : "", SLICE_ARG(lang), lang.len ? "\"" : "");
	if (u->phase == PULL_NEW) {
		u->began_ms = now_ms;
		odoo_learn_anew(c, slice_of(u->tenant));
	}
	if (r == 0)
		r = call_odoo(c, slice_of(u->tenant), buf_view(&q), now_ms + PAGE_MS, on_page, u, now_ms);
	if (r < 0)
		fail(u, "out of memory, or too many calls wait");
	else
		u->phase = PULL_READING;
}

/* ---- putting --------------------------------------------------------------------- */

/* What is too much for a frame is found here: the keeper would hang up on it. */
static void
pack(struct courier *c, struct pull *u)
{
	struct catalog_shelf_push push[PULL_SHELVES];
	size_t n = 0, most = protocol_frame_max(c->config.limits.body) - BESIDE;
	struct wire_writer w;
	int r = 0;
	for (size_t i = 0; i < PULL_SHELVES && r == 0; i++) {
		if (u->shelf[i].absent)
			continue;
		push[n] = (struct catalog_shelf_push){ .kind = models[i].kind, .whole = true, .item = u->shelf[i].item, .items = u->shelf[i].n };
		if (models[i].kind != CATALOG_K_DOCUMENT)
			r = catalog_items_key(u->memory, u->shelf[i].item, u->shelf[i].n);
		if (r == 0)
			r = catalog_shelf_seal(u->memory, &push[n++]);
	}
	wire_bare(&w, &u->packed);
	if (r == 0)
		catalog_pack(push, n, &w);
	if (r == 0)
		r = wire_bare_end(&w);
	if (n == 0)
		fail(u, "this Odoo has none of the models of the addons (business.rule.item, …)");
	else if (r == -EMSGSIZE || (r == 0 && u->packed.len > most))
		fail(u, "what it read is more than %zu bytes, with what it is found by: more than the keeper takes at once (limits.body)", most);
	else if (r < 0)
		fail(u, "out of memory");
	else
		u->phase = u->dry_run ? PULL_OVER : PULL_PUT;
}

static void
put(struct courier *c, struct pull *u, int64_t now_ms)
{
	u->question = keeper_ask_catalog(c, slice_of(u->tenant), buf_view(&u->packed), now_ms - u->began_ms);
	if (!u->question)
		fail(u, "out of memory");
}

void
pull_go(struct courier *c, struct pull *u, int64_t now_ms)
{
	if (!pull_ready(u))
		return;
	if (u->phase == PULL_TAKING)
		take_some(u);
	else if (u->phase == PULL_PUT)
		put(c, u, now_ms);
	else if (u->model == PULL_SHELVES)
		pack(c, u);
	else
		ask_page(c, u, now_ms);
}

void
pull_stored(struct pull *u, const struct wire_frame *f)
{
	struct slice why = wire_text(f->payload, T_REASON);
	u->question = 0;
	if (f->kind == P_ERROR && wire_u64(f->payload, T_CODE, 0) == E_NEWER) {
		begin_again(u, "something was stored of the tenant while its Odoo was read");
		return;
	}
	if (f->kind != P_CATALOG_PUT_OK) {
		fail(u, "the keeper: " SLICE_FMT, SLICE_ARG(why));
	} else {
		u->count[PULL_N_WRITTEN] = wire_u64(f->payload, T_COUNT, 0);
		u->count[PULL_N_REMOVED] = wire_u64(f->payload, T_N, 0);
		u->count[PULL_N_UNCHANGED] = wire_u64(f->payload, T_ALL, 0);
	}
	u->phase = PULL_OVER;
}

void
pull_lost(struct pull *u)
{
	bool asked = u->question != 0;
	u->question = 0;
	if (asked && ++u->lost == LOST_MAX)
		fail(u, "the keeper hung up %d times instead of an answer", LOST_MAX);
}
