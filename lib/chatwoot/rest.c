#include <errno.h>

#include "lib/chatwoot/parts.h"
#include "lib/chatwoot/reading.h"
#include "lib/chatwoot/rest.h"

/* An object that passed the strict check.  0, CW_E_JSON, CW_E_SCHEMA, -ENOMEM. */
static int
parse(struct slice body, struct json **ret)
{
	struct json_fault fault;
	int e = json_check(body, &json_default_limits, &fault);

	if (e != 0)
		return e < 0 ? e : e == JSON_E_SYNTAX ? CW_E_JSON : CW_E_SCHEMA;
	return json_parse(body, ret);
}

int
chatwoot_read_shown(struct slice body, const struct chatwoot_policy *policy, int64_t conversation,
    struct arena *arena, struct chatwoot_facts *ret, struct slice *reterr_why)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct chatwoot_facts facts = { .account = policy->account };
	int e = parse(body, &doc);

	if (e != 0)
		return e;
	struct reading r = { .arena = arena, .event = doc, .conversation = doc, .prefix = "", .policy = policy, .f = &facts };
	e = reading_conversation(&r);
	if (e == 0 && (facts.conversation != conversation || !chatwoot_is_number(doc, "account_id", policy->account))) {
		r.why = SLICE("it is another conversation than the one that was asked for");
		e = CW_E_ACCOUNT;
	}
	if (arena_overflowed(arena))
		return -ENOMEM;
	if (e > 0)
		*reterr_why = r.why;
	if (e == 0)
		*ret = facts;
	return e;
}

/* ---- labels ---- */

static bool
has_label(const struct chatwoot_part *p, struct slice label)
{
	for (size_t i = 0; i < p->labels; i++)
		if (slice_eq(p->label[i], label))
			return true;
	return false;
}

int
chatwoot_read_labels(struct slice body, struct arena *arena, struct chatwoot_part *ret)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	const struct json *list, *one;
	int e = parse(body, &doc);

	if (e != 0)
		return e;
	if (json_get(doc, "payload", &list) != JSON_ARRAY || json_length(list) > CHATWOOT_LABELS_MAX)
		return CW_E_SCHEMA;
	*ret = (struct chatwoot_part){ .kind = DELIVERY_K_LABELS };
	for (size_t i = 0; json_at(list, i, &one) != JSON_ABSENT; i++) {
		if (json_type_of(one) != JSON_STRING)
			return CW_E_SCHEMA;
		ret->label[ret->labels++] = arena_copy(arena, json_text(one));
	}
	return arena_overflowed(arena) ? -ENOMEM : 0;
}

int
chatwoot_add_labels(struct chatwoot_part *to, const struct chatwoot_part *more, struct arena *arena, bool *ret_all)
{
	*ret_all = true;
	for (size_t i = 0; i < more->labels; i++) {
		if (has_label(to, more->label[i]) || to->labels == CHATWOOT_LABELS_MAX)
			continue;
		to->label[to->labels++] = arena_copy(arena, more->label[i]);
		*ret_all = false;
	}
	return arena_overflowed(arena) ? -ENOMEM : 0;
}

/* ---- messages ---- */

int
chatwoot_find_marked(struct slice body, int64_t account, int64_t conversation, struct slice mark,
    struct chatwoot_listed *ret)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	const struct json *list, *one, *value;
	struct chatwoot_listed listed = { .found = false };
	int e = parse(body, &doc);

	if (e != 0)
		return e;
	if (json_get(doc, "payload", &list) != JSON_ARRAY)
		return CW_E_SCHEMA;
	for (size_t i = 0; json_at(list, i, &one) != JSON_ABSENT; i++) {
		int64_t id = 0;
		json_get(one, "id", &value);
		if (json_int(value, &id) != 0 || id <= 0)
			return CW_E_SCHEMA;
		if (!chatwoot_is_number(one, "conversation_id", conversation) || !chatwoot_is_number(one, "account_id", account))
			return CW_E_ACCOUNT;
		if (json_path(one, "content_attributes.ponte", &value) == JSON_STRING && slice_eq(json_text(value), mark))
			listed.found = true;
		if (id > listed.last)
			listed.last = id;
		listed.count++;
	}
	*ret = listed;
	return 0;
}
