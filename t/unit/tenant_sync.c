/* What the addons say of their tenant: kept, merged, claimed, and what a message gets of it. */
#include <errno.h>

#include "lib/tenant.h"
#include "lib/tenant_sync.h"

#include "t/unit/unit.h"

#define S(text) { "" text, sizeof(text) - 1 }

static struct arena *
arena(void)
{
	struct arena *a;
	REQUIRE(arena_new(MIB, &a) == 0);
	return a;
}

static struct tenant_mapping
mapped(int64_t account, int64_t inbox, const char *domain)
{
	return (struct tenant_mapping){ .account = account, .inbox = inbox, .domain = slice_of(domain) };
}

static struct tenant_mapping
fallback(int64_t account, int64_t sequence, const char *domain)
{
	return (struct tenant_mapping){ .account = account, .sequence = sequence, .fallback = true, .domain = slice_of(domain) };
}

/* ---- the record ---- */

static void
record(void)
{
	CLEANUP(arena_freep) struct arena *a = arena();
	CLEANUP(buf_free) struct buf out = { 0 };
	struct tenant_mapping m[] = { mapped(7, 31, "bakery"), fallback(7, 20, "retail") };
	struct tenant t = { .name = SLICE("shop"), .mapping = m, .mappings = 2 }, back;

	m[0].special[0].number = SLICE("+55 11 9");
	m[0].special[0].crew = SLICE("admin");
	m[0].specials = 1;
	REQUIRE(tenant_encode(&t, &out) == 0 && tenant_decode(buf_view(&out), a, &back) == 0);
	ROW("all mappings", back.mappings == 2 && !back.odoo.given);
	ROW("of an inbox", back.mapping[0].account == 7 && back.mapping[0].inbox == 31 && !back.mapping[0].fallback &&
	    slice_eq(back.mapping[0].domain, SLICE("bakery")));
	ROW("its special numbers", back.mapping[0].specials == 1 && slice_eq(back.mapping[0].special[0].number, SLICE("+55 11 9")) &&
	    slice_eq(back.mapping[0].special[0].crew, SLICE("admin")));
	ROW("a fallback", back.mapping[1].inbox == 0 && back.mapping[1].fallback && back.mapping[1].sequence == 20 && back.mapping[1].specials == 0);

	m[1].account = 0;
	buf_clear(&out);
	REQUIRE(tenant_encode(&t, &out) == 0);
	ROW("one without an account is refused", tenant_decode(buf_view(&out), a, &back) == -EPROTO);
	buf_clear(&out);
	t.mappings = 0;
	t.odoo.given = true;
	REQUIRE(tenant_encode(&t, &out) == 0 && tenant_decode(buf_view(&out), a, &back) == 0);
	ROW("an Odoo of defaults was given all the same", back.odoo.given && back.mappings == 0);
}

/* ---- merging ---- */

static void
merging_an_odoo(void)
{
	/* clang-format off */
	static const struct {
		const char *name, *had, *said, *key; int want; const char *url, *has_key, *next;
	} row[] = {
		{ "the same server, no key",           "https://a.example",      "https://a.example",      "",    0,                 "https://a.example",      "old", "next" },
		{ "the same server by another path",   "https://a.example",      "https://A.example:443/x", "",   0,                 "https://A.example:443/x", "old", "next" },
		{ "no URL at all",                     "https://a.example",      "",                       "",    0,                 "https://a.example",      "old", "next" },
		{ "another host without a key",        "https://a.example",      "https://b.example",      "",    TENANT_SYNC_E_KEY, "https://a.example",      "old", "next" },
		{ "another port without a key",        "https://a.example",      "https://a.example:8443", "",    TENANT_SYNC_E_KEY, "https://a.example",      "old", "next" },
		{ "another scheme without a key",      "https://a.example:8069", "http://a.example:8069",  "",    TENANT_SYNC_E_KEY, "https://a.example:8069", "old", "next" },
		{ "another host with a key",           "https://a.example",      "https://b.example",      "new", 0,                 "https://b.example",      "new", "" },
		{ "a first server, the key was there", "",                       "https://b.example",      "",    TENANT_SYNC_E_KEY, "",                       "old", "next" },
		{ "a first server with a key",         "",                       "https://b.example",      "new", 0,                 "https://b.example",      "new", "" },
		{ "a new key for the same",            "https://a.example",      "",                       "new", 0,                 "https://a.example",      "new", "next" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(arena_freep) struct arena *a = arena();
		struct tenant t = { .domain = S("d"), .odoo = { .given = true, .url = slice_of(row[i].had), .db = S("db"), .login = S("me"),
		    .key = S("old"), .next_key = S("next"), .pace_ms = 5 } };
		struct tenant said = { .odoo = { .given = true, .url = slice_of(row[i].said), .key = slice_of(row[i].key), .pace_ms = 9 } };
		ROW(row[i].name, tenant_merge(&t, &said, a) == row[i].want);
		ROW(row[i].name, slice_eq(t.odoo.url, slice_of(row[i].url)));
		ROW(row[i].name, slice_eq(t.odoo.key, slice_of(row[i].has_key)) && slice_eq(t.odoo.next_key, slice_of(row[i].next)));
		ROW(row[i].name, slice_eq(t.odoo.db, SLICE("db")) && slice_eq(t.odoo.login, SLICE("me")) && slice_eq(t.domain, SLICE("d")));
		ROW(row[i].name, t.odoo.pace_ms == 5);
	}
	CLEANUP(arena_freep) struct arena *a = arena();
	struct tenant t = { 0 }, said = { .domain = S("new"), .odoo = { .given = true, .url = S("https://b.example"), .timeout_ms = 3 } };
	ROW("where there was no Odoo, the whole of it", tenant_merge(&t, &said, a) == 0 && t.odoo.given && t.odoo.timeout_ms == 3 && slice_eq(t.domain, SLICE("new")));
	said.odoo = (struct tenant_odoo){ .given = false, .url = S("https://c.example") };
	ROW("what was not given is not taken", tenant_merge(&t, &said, a) == 0 && slice_eq(t.odoo.url, SLICE("https://b.example")));
}

static void
merging_mappings(void)
{
	CLEANUP(arena_freep) struct arena *a = arena();
	struct tenant_mapping had[] = { mapped(7, 0, "one"), fallback(7, 5, "five") };
	struct tenant_mapping said[] = { mapped(7, 31, "inbox"), mapped(7, 0, "two"), fallback(7, 5, "cinco"), fallback(7, 6, "six"), mapped(8, 0, "eight") };
	struct tenant t = { .mapping = had, .mappings = 2 }, s = { .mapping = said, .mappings = 5 };
	static const char *const want[] = { "two", "cinco", "six", "inbox", "eight" };

	ROW("merged", tenant_merge(&t, &s, a) == 0 && t.mappings == ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want) && i < t.mappings; i++)
		ROW(want[i], slice_eq(t.mapping[i].domain, slice_of(want[i])));
	ROW("what was there is untouched where it stood", slice_eq(had[0].domain, SLICE("one")));

	struct tenant_mapping later = fallback(7, 20, "later");
	s = (struct tenant){ .mapping = &later, .mappings = 1 };
	ROW("a fallback stands for what was said of the account", tenant_merge(&t, &s, a) == 0 && t.mappings == 3 &&
	    t.mapping[0].fallback && t.mapping[0].sequence == 20 && slice_eq(t.mapping[1].domain, SLICE("inbox")));
	struct tenant_mapping plain = mapped(7, 0, "plain");
	s = (struct tenant){ .mapping = &plain, .mappings = 1 };
	ROW("and what is none for the fallback", tenant_merge(&t, &s, a) == 0 && t.mappings == 3 && !t.mapping[0].fallback);
	struct tenant_mapping boxes[] = { fallback(7, 5, "a"), fallback(7, 6, "b") };
	boxes[0].inbox = 41;
	boxes[1].inbox = 42;
	s = (struct tenant){ .mapping = boxes, .mappings = 2 };
	ROW("fallbacks of two inboxes are two", tenant_merge(&t, &s, a) == 0 && t.mappings == 5);

	static struct tenant_mapping many[TENANT_MAPPINGS];
	for (size_t i = 0; i < TENANT_MAPPINGS; i++)
		many[i] = mapped(7, (int64_t)i + 1, "d");
	CLEANUP(arena_freep) struct arena *big = NULL;
	REQUIRE(arena_new(4 * MIB, &big) == 0);
	struct tenant full = { .mapping = many, .mappings = TENANT_MAPPINGS };
	struct tenant_mapping more = mapped(7, 0, "x"), again = mapped(7, 1, "y");
	struct tenant one = { .domain = S("not taken"), .mapping = &more, .mappings = 1 };
	ROW("one too many", tenant_merge(&full, &one, big) == TENANT_SYNC_E_FULL && full.mappings == TENANT_MAPPINGS && full.domain.len == 0);
	one = (struct tenant){ .mapping = &again, .mappings = 1 };
	ROW("a known one has its place", tenant_merge(&full, &one, big) == 0 && slice_eq(full.mapping[0].domain, SLICE("y")));
}

/* ---- whose an account is ---- */

static void
claims(void)
{
	static struct tenant_account seven = { .id = 7 }, eight = { .id = 8 };
	static struct tenant_inbox box8 = { .id = 55, .account = 8 };
	static struct tenant_installation here7 = { .url = S("https://chat.example"), .account = &seven, .accounts = 1 };
	static struct tenant_installation here8 = { .url = S("https://chat.example"), .account = &eight, .accounts = 1, .inbox = &box8, .inboxes = 1 };
	static struct tenant_installation there8 = { .url = S("https://other.example"), .account = &eight, .accounts = 1, .inbox = &box8, .inboxes = 1 };
	struct tenant_mapping maps9 = mapped(9, 99, "nine");
	struct tenant me = { .installation = &here7, .installations = 1 }, none = { 0 };
	struct tenant here = { .installation = &here8, .installations = 1, .mapping = &maps9, .mappings = 1 };
	struct tenant there = { .installation = &there8, .installations = 1, .mapping = &maps9, .mappings = 1 };
	struct tenant mapper = { .mapping = &maps9, .mappings = 1 };
	static struct tenant_account nine = { .id = 9 };
	static struct tenant_inbox box7 = { .id = 99, .account = 7 };
	static struct tenant_installation here9 = { .url = S("https://chat.example"), .account = &nine, .accounts = 1 };
	static struct tenant_installation boxed7 = { .url = S("https://chat.example"), .account = &seven, .accounts = 1, .inbox = &box7, .inboxes = 1 };
	struct tenant mine9 = { .installation = &here9, .installations = 1 }, mine99 = { .installation = &boxed7, .installations = 1 };
	/* clang-format off */
	const struct { const char *name; const struct tenant *mine, *other; int64_t account, inbox; bool want; } row[] = {
		{ "my own account",                         &me,   &here,   7,  0, false },
		{ "another's of the same Chatwoot",         &me,   &here,   8,  0, true },
		{ "another's of another Chatwoot",          &me,   &there,  8,  0, false },
		{ "nobody's",                               &me,   &here,  10,  0, false },
		{ "one that another maps",                  &me,   &here,   9,  0, true },
		{ "one that another maps elsewhere",        &me,   &there,  9,  0, false },
		{ "another's inbox, said to be of mine",    &me,   &here,   7, 55, true },
		{ "the same number of another Chatwoot",    &me,   &there,  7, 55, false },
		{ "an inbox that another maps",             &me,   &here,   7, 99, true },
		{ "an inbox of mine that another maps",     &mine99, &here, 7, 99, false },
		{ "another inbox, though",                  &mine99, &here, 7, 55, true },
		{ "one that another maps in my account",    &mine9, &here,  9, 99, false },
		{ "one that another has, in my account",    &mine9, &here,  9, 55, true },
		{ "without a Chatwoot, what another has",   &none, &here,   8,  0, true },
		{ "without a Chatwoot, what another maps",  &none, &mapper, 9,  0, true },
		{ "what one without a Chatwoot maps",       &me,   &mapper, 9,  0, true },
		{ "without a Chatwoot, nobody's",           &none, &here,  10,  0, false },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, tenant_claimed(row[i].mine, row[i].other, row[i].account, row[i].inbox) == row[i].want);
}

/* ---- where a message belongs ---- */

static void
places(void)
{
	static struct tenant_account account[] = { { .id = 7, .domain = S("account") }, { .id = 8 } };
	static struct tenant_inbox inbox[] = { { .id = 31, .account = 7, .crew = S("desk") } };
	static struct tenant_installation in = { .account = account, .accounts = 2, .inbox = inbox, .inboxes = 1 };
	struct tenant_mapping m[] = {
		fallback(8, 20, "late"), fallback(8, 5, "early"), mapped(7, 31, "inbox"), mapped(7, 32, ""), mapped(9, 0, "nine"), mapped(9, 40, ""),
	};
	m[4].special[0].number = SLICE("+55 (11) 9999-0000");
	m[4].special[0].crew = SLICE("admin");
	m[4].specials = 1;
	m[5].special[0].number = SLICE("551188887777");
	m[5].special[0].crew = SLICE("analytics");
	m[5].specials = 1;
	struct tenant t = { .domain = S("tenant"), .mapping = m, .mappings = ARRAY_LEN(m) };
	/* clang-format off */
	const struct { const char *name; int64_t account, inbox; const char *phone, *domain, *crew; } row[] = {
		{ "the mapping of its inbox",                7, 31, "",               "inbox",   "desk" },
		{ "one without a domain says nothing",       7, 32, "",               "account", "" },
		{ "the installation's account",              7, 33, "",               "account", "" },
		{ "the first fallback",                      8, 33, "",               "early",   "" },
		{ "the tenant",                             11,  0, "",               "tenant",  "" },
		{ "the mapping of its account",              9,  0, "",               "nine",    "" },
		{ "a special number, as digits",             9,  0, "5511 9999 0000", "nine",    "admin" },
		{ "of the account in every inbox",           9, 77, "+551199990000",  "nine",    "admin" },
		{ "of one inbox there",                      9, 40, "+551188887777",  "nine",    "analytics" },
		{ "and in no other",                         9, 41, "+551188887777",  "nine",    "" },
		{ "a number's beginning is another number",  9,  0, "551199990",      "nine",    "" },
		{ "and so is a longer one",                  9,  0, "5511999900001",  "nine",    "" },
		{ "of no other account",                     8,  0, "+551199990000",  "early",   "" },
		{ "no digits are no number",                 9,  0, "+",              "nine",    "" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct tenant_place p = tenant_place(&t, &in, row[i].account, row[i].inbox, slice_of(row[i].phone));
		ROW(row[i].name, slice_eq(p.domain, slice_of(row[i].domain)));
		ROW(row[i].name, slice_eq(p.crew, slice_of(row[i].crew)));
	}
	struct tenant_place p = tenant_place(&t, NULL, 7, 31, SLICE(""));
	ROW("no installation any more", slice_eq(p.domain, SLICE("inbox")) && p.crew.len == 0);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "the record", record }, { "merging an Odoo", merging_an_odoo }, { "merging mappings", merging_mappings },
		{ "claims", claims }, { "places", places },
	};
	return unit_run("tenant_sync", tests, ARRAY_LEN(tests), 0);
}
