#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "app/ponte/tenant.h"
#include "lib/json.h"

static const char *const kinds[] = { "account", "inbox", "bot" };               /* enum tenant_kind */
static const char *const proofs[] = { "none", "path secret", "basic", "addresses" };    /* enum tenant_proof */

static const char *
set_or_none(struct slice secret)
{
	return secret.len > 0 ? "set" : "none";
}

/* ---- for people ---- */

int
tenant_print_line(const struct tenant *t)
{
	printf("%-24.*s", (int)t->name.len, t->name.ptr);
	printf("  hub %s", t->hub_url.len > 0 ? "own" : "default");
	for (size_t i = 0; i < t->installations; i++) {
		const struct tenant_installation *in = &t->installation[i];
		printf("  " SLICE_FMT " " SLICE_FMT " accounts", SLICE_ARG(in->id), SLICE_ARG(in->url));
		for (size_t k = 0; k < in->accounts; k++)
			printf("%s%" PRId64, k == 0 ? " " : ",", in->account[k].id);
	}
	printf("  senders");
	for (size_t i = 0; i < t->senders; i++)
		printf("%s" SLICE_FMT "%s", i == 0 ? " " : ",", SLICE_ARG(t->sender[i].label),
		    t->sender[i].unsigned_by != TENANT_PROOF_NONE ? "(unsigned)" : "");
	printf("%s\n", t->senders == 0 ? " none" : "");
	return 0;
}

static void
print_text(int indent, const char *name, struct slice text)
{
	if (text.len > 0)
		printf("%*s%s: " SLICE_FMT "\n", indent, "", name, SLICE_ARG(text));
}

static void
print_installation(const struct tenant_installation *in)
{
	printf("  - id: " SLICE_FMT "\n    url: " SLICE_FMT "\n", SLICE_ARG(in->id), SLICE_ARG(in->url));
	if (in->bot_id > 0)
		printf("    bot_id: %" PRId64 "\n", in->bot_id);
	printf("    bot_token: %s\n    user_token: %s\n    accounts:\n", set_or_none(in->bot_token),
	    set_or_none(in->user_token));
	for (size_t i = 0; i < in->accounts; i++) {
		printf("      - id: %" PRId64 "\n", in->account[i].id);
		print_text(8, "domain", in->account[i].domain);
	}
	if (in->inboxes > 0)
		printf("    inboxes:\n");
	for (size_t i = 0; i < in->inboxes; i++) {
		printf("      - id: %" PRId64 "\n        account: %" PRId64 "\n", in->inbox[i].id,
		    in->inbox[i].account);
		print_text(8, "channel", in->inbox[i].channel);
		print_text(8, "crew", in->inbox[i].crew);
	}
}

static void
print_sender(const struct tenant_sender *s)
{
	printf("  - label: " SLICE_FMT "\n    kind: %s\n    installation: " SLICE_FMT "\n    account: %" PRId64 "\n",
	    SLICE_ARG(s->label), kinds[s->kind], SLICE_ARG(s->installation), s->account);
	if (s->inbox > 0)
		printf("    inbox: %" PRId64 "\n", s->inbox);
	printf("    secret: %s\n    next_secret: %s\n    unsigned: %s\n", set_or_none(s->secret),
	    set_or_none(s->next_secret), proofs[s->unsigned_by]);
	for (size_t i = 0; i < s->addresses; i++)
		printf("      - " SLICE_FMT "\n", SLICE_ARG(s->address[i]));
}

static void
print_manners(const struct tenant_manners *m)
{
	if (m->debounce_ms >= 0)
		printf("debounce: %" PRId64 "ms\n", m->debounce_ms);
	printf("typing: %s\nlook_first: %s\novertaken: %s\non_unknown: %s\ntell: [%s%s%s]\ngive_up:\n",
	    m->typing ? "true" : "false", m->look_first ? "true" : "false", m->merge_overtaken ? "merge" : "post",
	    m->repeat_unknown ? "repeat" : "hold", m->tell_closed ? " closed" : "", m->tell_takeover ? " takeover" : "",
	    m->tell_contact ? " contact" : "");
	print_text(2, "message", m->give_up.message);
	printf("  note: %s\n", m->give_up.note ? "true" : "false");
	print_text(2, "label", m->give_up.label);
	printf("  handoff: %s\n", m->give_up.handoff ? "true" : "false");
}

static const char *const opens[TENANT_OPEN_COUNT] = { "documents", "tools", "views" };
static const char *const signatures[] = { "enforce", "observe", "off" };

static void
print_odoo(const struct tenant_odoo *o)
{
	printf("odoo: " SLICE_FMT "\n", SLICE_ARG(o->url.len > 0 ? o->url : SLICE("none")));
	if (o->url.len > 0) {
		printf("  db: " SLICE_FMT "\n  login: " SLICE_FMT "\n  key: %s\n  next_key: %s\n", SLICE_ARG(o->db), SLICE_ARG(o->login),
		    set_or_none(o->key), set_or_none(o->next_key));
		print_text(2, "lang", o->lang);
		printf("  pace: %" PRId64 "ms\n  timeout: %" PRId64 "ms\n  pull: %" PRId64 "ms\n", o->pace_ms, o->timeout_ms, o->pull_ms);
	}
	printf("  secret: %s\n", set_or_none(o->secret));
	if (o->secret.len > 0)
		printf("  signature: %s\n", signatures[o->signature]);
	for (size_t i = 0; i < TENANT_OPEN_COUNT; i++)
		for (size_t k = 0; k < o->open[i].n; k++)
			printf("  open.%s: " SLICE_FMT "\n", opens[i], SLICE_ARG(o->open[i].address[k]));
}

static void
print_mapping(const struct tenant_mapping *m)
{
	printf("  - account: %" PRId64 "\n", m->account);
	if (m->inbox > 0)
		printf("    inbox: %" PRId64 "\n", m->inbox);
	print_text(4, "domain", m->domain);
	if (m->fallback)
		printf("    fallback: %" PRId64 "\n", m->sequence);
	for (size_t i = 0; i < m->specials; i++)
		printf("    crew of " SLICE_FMT ": " SLICE_FMT "\n", SLICE_ARG(m->special[i].number), SLICE_ARG(m->special[i].crew));
}

int
tenant_print_all(const struct tenant *t)
{
	print_text(0, "name", t->name);
	print_text(0, "domain", t->domain);
	printf("answer_open: %s\ntranscripts: %s\n", t->answer_open ? "true" : "false",
	    t->transcripts ? "true" : "false");
	print_manners(&t->manners);
	printf("hub: " SLICE_FMT "\n", SLICE_ARG(t->hub_url.len > 0 ? t->hub_url : SLICE("default")));
	if (t->hub_url.len > 0)
		printf("hub_token: %s\n", set_or_none(t->hub_token));
	print_odoo(&t->odoo);
	printf("installations:%s\n", t->installations == 0 ? " none" : "");
	for (size_t i = 0; i < t->installations; i++)
		print_installation(&t->installation[i]);
	printf("senders:%s\n", t->senders == 0 ? " none" : "");
	for (size_t i = 0; i < t->senders; i++)
		print_sender(&t->sender[i]);
	printf("mappings:%s\n", t->mappings == 0 ? " none" : "");
	for (size_t i = 0; i < t->mappings; i++)
		print_mapping(&t->mapping[i]);
	return 0;
}

/* ---- for programs ---- */

/* A new array or object under that name; NULL when out of memory. */
static struct json *
add_under(struct json *parent, const char *name, struct json *child)
{
	return child && json_set(parent, name, child) == 0 ? child : NULL;
}

static struct json *
add_object(struct json *array)
{
	struct json *object = json_new_object();
	return object && json_add(array, object) == 0 ? object : NULL;
}

static int
set_text_if(struct json *o, const char *name, struct slice text)
{
	return text.len > 0 ? json_set_text(o, name, text) : json_set_null(o, name);
}

static int
set_id_if(struct json *o, const char *name, int64_t id)
{
	return id > 0 ? json_set_int(o, name, id) : json_set_null(o, name);
}

static int
set_secret(struct json *o, const char *name, struct slice secret)
{
	return json_set_text(o, name, slice_of(set_or_none(secret)));
}

static int
fill_installation(const struct tenant_installation *in, struct json *o)
{
	if (json_set_text(o, "id", in->id) != 0 || json_set_text(o, "url", in->url) != 0 ||
	    set_id_if(o, "bot_id", in->bot_id) != 0 || set_secret(o, "bot_token", in->bot_token) != 0 ||
	    set_secret(o, "user_token", in->user_token) != 0)
		return -ENOMEM;
	struct json *accounts = add_under(o, "accounts", json_new_array());
	struct json *inboxes = add_under(o, "inboxes", json_new_array());
	if (!accounts || !inboxes)
		return -ENOMEM;
	for (size_t i = 0; i < in->accounts; i++) {
		struct json *a = add_object(accounts);
		if (!a || json_set_int(a, "id", in->account[i].id) != 0 ||
		    set_text_if(a, "domain", in->account[i].domain) != 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < in->inboxes; i++) {
		struct json *b = add_object(inboxes);
		if (!b || json_set_int(b, "id", in->inbox[i].id) != 0 ||
		    json_set_int(b, "account", in->inbox[i].account) != 0 ||
		    set_text_if(b, "channel", in->inbox[i].channel) != 0 ||
		    set_text_if(b, "crew", in->inbox[i].crew) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int
fill_sender(const struct tenant_sender *s, struct json *o)
{
	if (json_set_text(o, "label", s->label) != 0 ||
	    json_set_text(o, "kind", slice_of(kinds[s->kind])) != 0 ||
	    json_set_text(o, "installation", s->installation) != 0 ||
	    json_set_int(o, "account", s->account) != 0 || set_id_if(o, "inbox", s->inbox) != 0 ||
	    set_secret(o, "secret", s->secret) != 0 || set_secret(o, "next_secret", s->next_secret) != 0 ||
	    json_set_text(o, "unsigned", slice_of(proofs[s->unsigned_by])) != 0)
		return -ENOMEM;
	struct json *addresses = add_under(o, "addresses", json_new_array());
	if (!addresses)
		return -ENOMEM;
	for (size_t i = 0; i < s->addresses; i++)
		if (json_add_text(addresses, s->address[i]) != 0)
			return -ENOMEM;
	return 0;
}

static int
fill_mapping(const struct tenant_mapping *m, struct json *o)
{
	if (json_set_int(o, "account", m->account) != 0 || set_id_if(o, "inbox", m->inbox) != 0 ||
	    set_text_if(o, "domain", m->domain) != 0 || json_set_bool(o, "fallback", m->fallback) != 0 ||
	    json_set_int(o, "sequence", m->sequence) != 0)
		return -ENOMEM;
	struct json *specials = add_under(o, "specials", json_new_array());
	for (size_t i = 0; i < m->specials && specials; i++) {
		struct json *one = add_object(specials);
		if (!one || json_set_text(one, "number", m->special[i].number) != 0 || json_set_text(one, "crew", m->special[i].crew) != 0)
			return -ENOMEM;
	}
	return specials ? 0 : -ENOMEM;
}

static int
fill_manners(const struct tenant_manners *m, struct json *o)
{
	const struct { const char *name; bool on; } tells[] = {
		{ "closed", m->tell_closed }, { "takeover", m->tell_takeover }, { "contact", m->tell_contact },
	};
	if ((m->debounce_ms >= 0 ? json_set_int(o, "debounce_ms", m->debounce_ms) : json_set_null(o, "debounce_ms")) != 0 ||
	    json_set_bool(o, "typing", m->typing) != 0 || json_set_bool(o, "look_first", m->look_first) != 0 ||
	    json_set_text(o, "overtaken", m->merge_overtaken ? SLICE("merge") : SLICE("post")) != 0 ||
	    json_set_text(o, "on_unknown", m->repeat_unknown ? SLICE("repeat") : SLICE("hold")) != 0)
		return -ENOMEM;
	struct json *tell = add_under(o, "tell", json_new_array());
	struct json *give_up = add_under(o, "give_up", json_new_object());
	if (!tell || !give_up)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_LEN(tells); i++)
		if (tells[i].on && json_add_text(tell, slice_of(tells[i].name)) != 0)
			return -ENOMEM;
	return set_text_if(give_up, "message", m->give_up.message) != 0 ||
	    json_set_bool(give_up, "note", m->give_up.note) != 0 ||
	    set_text_if(give_up, "label", m->give_up.label) != 0 ||
	    json_set_bool(give_up, "handoff", m->give_up.handoff) != 0 ? -ENOMEM : 0;
}

static int
fill_odoo(const struct tenant_odoo *o, struct json *to)
{
	if (set_text_if(to, "url", o->url) != 0 || set_text_if(to, "db", o->db) != 0 || set_text_if(to, "login", o->login) != 0 ||
	    set_text_if(to, "lang", o->lang) != 0 ||
	    set_secret(to, "key", o->key) != 0 || set_secret(to, "next_key", o->next_key) != 0 || set_secret(to, "secret", o->secret) != 0 ||
	    json_set_text(to, "signature", slice_of(signatures[o->signature])) != 0 || json_set_int(to, "pace_ms", o->pace_ms) != 0 ||
	    json_set_int(to, "timeout_ms", o->timeout_ms) != 0 || json_set_int(to, "pull_ms", o->pull_ms) != 0)
		return -ENOMEM;
	struct json *open = add_under(to, "open", json_new_object());
	for (size_t i = 0; i < TENANT_OPEN_COUNT && open; i++) {
		struct json *list = add_under(open, opens[i], json_new_array());
		for (size_t k = 0; k < o->open[i].n; k++)
			if (!list || json_add_text(list, o->open[i].address[k]) != 0)
				return -ENOMEM;
	}
	return open ? 0 : -ENOMEM;
}

static int
fill_tenant(const struct tenant *t, struct json *o)
{
	if (json_set_text(o, "name", t->name) != 0 || set_text_if(o, "domain", t->domain) != 0 ||
	    json_set_bool(o, "answer_open", t->answer_open) != 0 ||
	    json_set_bool(o, "transcripts", t->transcripts) != 0 || fill_manners(&t->manners, o) != 0)
		return -ENOMEM;
	struct json *hub = add_under(o, "hub", json_new_object());
	struct json *installations = add_under(o, "installations", json_new_array());
	struct json *senders = add_under(o, "senders", json_new_array());
	struct json *odoo = add_under(o, "odoo", json_new_object());
	if (!hub || !installations || !senders || !odoo || fill_odoo(&t->odoo, odoo) != 0 || set_text_if(hub, "url", t->hub_url) != 0 ||
	    set_secret(hub, "token", t->hub_token) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < t->installations; i++) {
		struct json *in = add_object(installations);
		if (!in || fill_installation(&t->installation[i], in) != 0)
			return -ENOMEM;
	}
	for (size_t i = 0; i < t->senders; i++) {
		struct json *s = add_object(senders);
		if (!s || fill_sender(&t->sender[i], s) != 0)
			return -ENOMEM;
	}
	struct json *mappings = add_under(o, "mappings", json_new_array());
	for (size_t i = 0; i < t->mappings && mappings; i++) {
		struct json *m = add_object(mappings);
		if (!m || fill_mapping(&t->mapping[i], m) != 0)
			return -ENOMEM;
	}
	return mappings ? 0 : -ENOMEM;
}

int
tenant_print_json(const struct tenant *t)
{
	CLEANUP(json_freep) struct json *o = json_new_object();
	CLEANUP(buf_free) struct buf out = { 0 };

	if (!o || fill_tenant(t, o) != 0 || json_print(o, &out) != 0)
		return -ENOMEM;
	fwrite(buf_view(&out).ptr, 1, buf_view(&out).len, stdout);
	putchar('\n');
	return 0;
}
