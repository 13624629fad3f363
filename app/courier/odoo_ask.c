#include <errno.h>

#include "app/courier/odoo_ask.h"
#include "lib/json.h"
#include "lib/odoo/odoo.h"
#include "lib/value_json.h"

/* What a worker may ask: products, and no more.  Who breaks into a worker must
 * not have the whole of Odoo.  An operator may ask for all that reads. */
static const struct { const char *model, *method[4]; } allowed[] = {
	{ "product.template", { "read", "search_read", "search_count", "write" } },
	{ "product.category", { "read", "search_read" } },
};

static const char *const written[] = { "list_price", "ai_price", "semantic_description_verified" };

/* write([ids], {values}) of fields that the endpoints write. */
static bool
may_write(const struct odoo_ask *q)
{
	const struct value *values = value_at(q->args, 1);
	bool good = values && values->type == VALUE_RECORD && value_count(q->args) == 2 && !q->kwargs;

	for (const struct value *v = good ? values->in.first : NULL; v && good; v = v->next) {
		good = false;
		for (size_t i = 0; i < ARRAY_LEN(written) && !good; i++)
			good = slice_eq(v->name, slice_of(written[i]));
	}
	return good;
}

static bool
may_ask(const struct odoo_ask *q)
{
	if (slice_eq(q->method, SLICE("write")) && !may_write(q))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		for (size_t k = 0; k < ARRAY_LEN(allowed[i].method); k++)
			if (allowed[i].method[k] && slice_eq(q->model, slice_of(allowed[i].model)) && slice_eq(q->method, slice_of(allowed[i].method[k])))
				return true;
	return false;
}

bool
odoo_ask_read(struct call *call)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	const struct json *model, *method, *args, *kwargs;
	struct arena *a = call->memory;
	struct odoo_ask *q = arena_take(a, sizeof(*q));
	int r = q ? json_parse(call->asked, &doc) : -ENOMEM;

	if (r == 0) {
		json_get(doc, "model", &model);
		json_get(doc, "method", &method);
		q->model = arena_copy(a, json_text(model));
		q->method = arena_copy(a, json_text(method));
		q->reads = odoo_only_reads(q->method);
		if (json_get(doc, "args", &args) == JSON_ARRAY)
			r = value_of_json(args, a, &q->args);
		else
			q->args = value_list(a);
		if (r == 0 && json_get(doc, "kwargs", &kwargs) == JSON_OBJECT)
			r = value_of_json(kwargs, a, &q->kwargs);
	}
	call->odoo = q;
	if (r < 0 || arena_overflowed(a))
		call_over(call, CALL_BUSY, "out of memory, or a number that Odoo cannot take");
	else if (q->model.len == 0 || q->method.len == 0 || q->method.ptr[0] == '_')
		call_over(call, CALL_NOT_ALLOWED, "a call of Odoo needs a model and a public method");
	else if (!call->done && !may_ask(q) && !(call->operator && q->reads))
		call_over(call, CALL_NOT_ALLOWED, call->operator ? "an operator asks Odoo for what reads, and for nothing that may write"
		    : "Odoo is not asked for that by others than the courier");
	return call->state != CALL_S_OVER;
}

void
odoo_ask_trim(const struct odoo_ask *q, const struct odoo_fields *known, struct arena *a)
{
	struct value *list = NULL, *kept;

	for (struct value *m = q->kwargs ? q->kwargs->in.first : NULL; m; m = m->next)
		if (slice_eq(m->name, SLICE("fields")) && m->type == VALUE_LIST)
			list = m;
	if (!list || !(kept = value_list(a)))
		return;
	for (struct value *v = list->in.first, *next; v; v = next) {
		next = v->next;
		v->next = NULL;
		if (v->type != VALUE_TEXT || odoo_field_type(known, v->text) != ODOO_T_NONE)
			value_add(kept, v);
	}
	/* None at all would be all that there are. */
	if (!kept->in.first)
		value_add(kept, value_text(a, SLICE("id")));
	list->in = kept->in;
}

bool
odoo_ask_wants_types(const struct odoo_ask *q)
{
	return slice_eq(q->method, SLICE("read")) || slice_eq(q->method, SLICE("search_read"));
}
