/* How a tenant's customer service talks, per domain: read by the hub, set by
 * whoever tends it.
 *
 * A domain is a key of the catalogue and nothing else; the system before made a
 * folder of it, so names that would lead somewhere are refused all the same.
 *
 * A key that is not known is refused and not dropped: a PUT replaces the whole
 * style, and a misspelt member that went unseen would be a setting lost.  No
 * client in the field sends these, so none is shut out by it. */
#include <errno.h>
#include <string.h>

#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/routes.h"
#include "app/worker/shelf.h"

#define DOMAIN_MAX  100
#define MESSAGE_MAX 4000        /* bytes */

/* ---- the domain ---- */

static bool
domain_ok(struct slice s)
{
	size_t n;

	if (slice_trim(s).len == 0 || s.len > DOMAIN_MAX || memmem(s.ptr, s.len, "..", 2) || slice_eq(s, SLICE(".")))
		return false;
	for (size_t at = 0; at < s.len; at += n) {
		unsigned char c = (unsigned char)s.ptr[at];
		n = slice_utf8(slice_after(s, at));
		/* The second half: U+0080 to U+009F. */
		if (n == 0 || c < 0x20 || c == 0x7f || c == '/' || c == '\\' || (c == 0xc2 && (unsigned char)s.ptr[at + 1] < 0xa0))
			return false;
	}
	return true;
}

static bool
read_domain(struct request *r, struct slice *ret)
{
	return api_account(r) && api_query(r, "domain", ret) && (domain_ok(*ret) ||
	    api_refuse(r, REQUEST_R_VALIDATION_ERROR,
	        SLICE("domain is wanted: at most 100 bytes, without slashes, '..' and control characters")));
}

/* ---- the body ---- */

struct check { struct request *r; const char *part; };

static bool
wrong(const struct check *c, const char *member, const char *fault)
{
	return api_refuse(c->r, REQUEST_R_BAD_SCHEMA, arena_printf(c->r->arena, "%s%s%s %s", c->part, *c->part && *member ? "." : "",
	    member, fault));
}

/* An object with these members, each of them, and no other. */
static bool
has_just(const struct check *c, const struct json *object, const char *const *member, size_t n)
{
	struct json_iter at = { 0 };
	const struct json *value;

	if (json_type_of(object) != JSON_OBJECT)
		return wrong(c, "", *c->part ? "is not an object" : "the body is not an object");
	for (size_t i = 0; i < n; i++)
		if (json_get(object, member[i], &value) == JSON_ABSENT)
			return wrong(c, member[i], "is missing");
	while (json_next(object, &at)) {
		bool known = false;
		for (size_t i = 0; i < n && !known; i++)
			known = strcmp(at.key, member[i]) == 0;
		if (!known)
			return wrong(c, at.key, "is not known here");
	}
	return true;
}

static bool
check_bool(const struct check *c, const struct json *object, const char *member)
{
	const struct json *value;

	return json_get(object, member, &value) == JSON_BOOL || wrong(c, member, "is not true or false");
}

static bool
check_words(struct request *r, const char *part, const struct json *words)
{
	static const char *const members[] = { "enabled", "message" };
	const struct check c = { r, part };
	struct slice text;

	if (!has_just(&c, words, members, ARRAY_LEN(members)) || !check_bool(&c, words, "enabled"))
		return false;
	if (!api_text(words, "message", &text))
		return wrong(&c, "message", "is not a string");
	return text.len <= MESSAGE_MAX || wrong(&c, "message", "is longer than 4000 bytes");
}

static bool
check_emojis(struct request *r, const struct json *emojis)
{
	static const char *const members[] = { "enabled", "frequency" }, *const often[] = { "none", "minimal", "moderate", "frequent" };
	const struct check c = { r, "emojis" };
	const struct json *value;

	if (!has_just(&c, emojis, members, ARRAY_LEN(members)) || !check_bool(&c, emojis, "enabled"))
		return false;
	json_get(emojis, "frequency", &value);
	for (size_t i = 0; i < ARRAY_LEN(often); i++)
		if (slice_eq(json_text(value), slice_of(often[i])))
			return true;
	return wrong(&c, "frequency", "is not none, minimal, moderate or frequent");
}

static bool
check_tone(struct request *r, const struct json *tone)
{
	static const char *const members[] = { "formal", "friendly", "technical" };
	const struct check c = { r, "tone" };
	const struct json *value;
	int64_t n;

	if (!has_just(&c, tone, members, ARRAY_LEN(members)))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		json_get(tone, members[i], &value);
		if (json_int(value, &n) != 0 || n < 1 || n > 5)
			return wrong(&c, members[i], "is not a whole number from 1 to 5");
	}
	return true;
}

static bool
check_style(struct request *r, const struct json *style)
{
	static const char *const members[] = { "greeting", "farewell", "emojis", "tone" };
	const struct check c = { r, "" };
	const struct json *greeting, *farewell, *emojis, *tone;

	if (!has_just(&c, style, members, ARRAY_LEN(members)))
		return false;
	json_get(style, "greeting", &greeting);
	json_get(style, "farewell", &farewell);
	json_get(style, "emojis", &emojis);
	json_get(style, "tone", &tone);
	return check_words(r, "greeting", greeting) && check_words(r, "farewell", farewell) && check_emojis(r, emojis) && check_tone(r, tone);
}

/* Odoo's `false` for an empty text is stored as one. */
static int
tidy_words(struct json *words)
{
	struct slice text;

	(void)api_text(words, "message", &text);
	return text.len == 0 ? json_set_text(words, "message", text) : 0;
}

/* The caller's to change: a copy of that part, tidied.  NULL: out of memory. */
static struct json *
tidied(const struct json *words)
{
	struct json *copy = json_copy(words);

	if (copy && tidy_words(copy) == 0)
		return copy;
	json_free(copy);
	return NULL;
}

static int
set_words(struct json *style, const char *part, const struct json *words)
{
	struct json *copy = tidied(words);

	return copy ? json_set(style, part, copy) : -ENOMEM;
}

/* ---- stored ---- */

static bool
store(struct request *r, struct slice domain, const struct json *style, const char *message)
{
	struct catalog_shelf_push push;
	struct shelf s = { .r = r };
	bool same;

	if (shelf_object(&s, CATALOG_K_STYLE, domain, style, (struct slice){ NULL, 0 }, &push) != 0)
		return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	if (!shelf_push(r, &push, 1, "customer service style", domain, &same))
		return false;
	api_open(r);
	answer_text(r, "message", slice_of(message));
	api_close(r);
	return true;
}

struct stored { struct json *style; int failed; };

static void
take(void *context, const struct catalog_item *item)
{
	struct stored *s = context;

	s->failed = json_parse(item->data, &s->style);
}

/* An empty object when there is none. */
static bool
find(struct request *r, struct slice domain, struct json **ret)
{
	struct catalog *c = catalogue_of(r, CATALOG_BIT(CATALOG_K_STYLE));
	struct stored s = { .style = NULL };

	if (!c)
		return false;
	if (catalog_find(c, r->tenant, CATALOG_K_STYLE, domain, take, &s) < 0 || s.failed)
		return catalogue_failed(r);
	*ret = s.style ? s.style : json_new_object();
	return *ret || api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: ask again"));
}

void
on_style(struct request *r)
{
	struct slice domain;
	struct json *style = NULL;

	if (read_domain(r, &domain) && find(r, domain, &style))
		api_answer(r, style, NULL);
}

void
on_style_put(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	const struct json *greeting, *farewell;
	struct slice domain;

	if (!read_domain(r, &domain) || !api_body(r, &doc) || !check_style(r, doc))
		return;
	json_get(doc, "greeting", &greeting);
	int e = set_words(doc, "greeting", greeting);
	json_get(doc, "farewell", &farewell);
	if (e == 0)
		e = set_words(doc, "farewell", farewell);
	if (e < 0)
		api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	else
		store(r, domain, doc, "the style is stored");
}

/* Two PUTs at once, one of the greeting: the style is as the later one read it. */
void
on_greeting_put(struct request *r)
{
	CLEANUP(json_freep) struct json *doc = NULL, *style = NULL;
	struct slice domain;

	if (!read_domain(r, &domain) || !api_body(r, &doc) || !check_words(r, "greeting", doc) || !find(r, domain, &style))
		return;
	if (set_words(style, "greeting", doc) < 0)
		api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	else
		store(r, domain, style, "the greeting is stored");
}
