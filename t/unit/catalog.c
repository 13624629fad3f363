#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/catalog.h"
#include "lib/catalog_wire.h"

#include "t/unit/unit.h"

#define T0 INT64_C(1767348000000000)

static char dir[64], path[96], why[CATALOG_TEXT];
static struct catalog *c, *reader;

static void
begin(void)
{
	snprintf(dir, sizeof(dir), "/tmp/catalog-XXXXXX");
	REQUIRE(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/catalog.db", dir);
	ROW("nothing to read yet", catalog_open_to_read(path, &reader, why) == -ENOENT);
	REQUIRE(catalog_open(path, 1 << 20, &c, why) == 0);
	REQUIRE(catalog_open_to_read(path, &reader, why) == 0);
}

static void
end(void)
{
	char command[100];
	catalog_close(reader);
	catalog_close(c);
	snprintf(command, sizeof(command), "%s/catalog.db", dir);
	static const char *const tails[] = { "", "-wal", "-shm", ".lock" };
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		snprintf(command, sizeof(command), "%s%s", path, tails[i]);
		unlink(command);
	}
	rmdir(dir);
}

static struct catalog_item
item(const char *name, const char *says, const char *hash)
{
	return (struct catalog_item){ .key = slice_of(name), .name = slice_of(name), .description = slice_of(says), .type = SLICE("product"),
		.priority = 2, .stems = slice_of(says), .hash = slice_of(hash) };
}

static bool
push(const char *tenant, struct catalog_shelf_push p, struct catalog_counts *ret)
{
	struct catalog_push *job;
	bool done = false;
	int r = catalog_push_new(c, slice_of(tenant), &p, 1, 0, &job);
	for (int i = 0; i < 10000 && r == 0 && !done; i++)
		r = catalog_push_step(job, T0, &done, ret);
	catalog_push_free(job);
	return r == 0 && done;
}

static char seen[4000];
static int64_t first_id;

static void
each(void *context, const struct catalog_item *i)
{
	(void)context;
	if (!seen[0])
		first_id = i->id;
	size_t n = strlen(seen);
	snprintf(seen + n, sizeof(seen) - n, "%s%.*s=%.*s", n ? " " : "", SLICE_ARG(i->name), SLICE_ARG(i->description));
}

static void
each_found(void *context, const struct catalog_item *i, double score)
{
	size_t n = strlen(seen);
	(void)context;
	snprintf(seen + n, sizeof(seen) - n, "%s%.*s:%.2f", n ? " " : "", SLICE_ARG(i->name), score);
}

static const char *
shown(const char *tenant, enum catalog_kind kind)
{
	struct catalog_filter f = { .tenant = slice_of(tenant), .kinds = CATALOG_BIT(kind) };
	seen[0] = '\0';
	return catalog_list(reader, &f, each, NULL) == 0 ? seen : "failed";
}

static bool
one(const char *tenant, const char *key)
{
	seen[0] = '\0';
	return catalog_find(reader, slice_of(tenant), CATALOG_K_PERMANENT, slice_of(key), each, NULL) == 0;
}

static void
shelves(void)
{
	struct catalog_counts n;
	begin();
	struct catalog_item two[] = { item("a", "um", "1"), item("b", "dois", "2") };
	struct catalog_shelf_push p = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = two, .items = 2, .hash = SLICE("set1") };
	ROW("a push", push("shop", p, &n) && n.written == 2 && n.removed == 0 && !n.same);
	ROW("is seen", strcmp(shown("shop", CATALOG_K_PERMANENT), "a=um b=dois") == 0);
	int64_t id = first_id;
	ROW("by its tenant alone", strcmp(shown("other", CATALOG_K_PERMANENT), "") == 0);
	ROW("found by its key", one("shop", "b") && strcmp(seen, "b=dois") == 0);
	ROW("which another tenant has not", one("other", "b") && !seen[0]);
	ROW("nor the shelf under another", one("shop", "B") && !seen[0]);
	ROW("on its shelf alone", strcmp(shown("shop", CATALOG_K_TEMPORARY), "") == 0);
	ROW("the same again", push("shop", p, &n) && n.written == 0 && n.same);
	two[0] = item("a", "UM", "1x");
	p.hash = SLICE("set2");
	ROW("one changed", push("shop", p, &n) && n.written == 1 && n.unchanged == 1 && n.removed == 0);
	ROW("is seen with its id", strcmp(shown("shop", CATALOG_K_PERMANENT), "a=UM b=dois") == 0 && first_id == id);
	p.items = 1;
	p.hash = SLICE("set3");
	ROW("still found by its key", one("shop", "b") && strcmp(seen, "b=dois") == 0);
	ROW("one gone", push("shop", p, &n) && n.removed == 1 && strcmp(shown("shop", CATALOG_K_PERMANENT), "a=UM") == 0);
	bool more = true;
	while (more)
		REQUIRE(catalog_clean(c, &more) == 0);
	ROW("nor found", one("shop", "b") && !seen[0]);
	ROW("and cleaned", strcmp(shown("shop", CATALOG_K_PERMANENT), "a=UM") == 0);
	struct catalog_item change[] = { item("c", "tres", "3"), item("a", "", "") };
	struct catalog_shelf_push part = { .kind = CATALOG_K_PERMANENT, .item = change, .items = 2 };
	ROW("a part of it", push("shop", part, &n) && n.written == 1 && n.removed == 1);
	ROW("leaves the rest", strcmp(shown("shop", CATALOG_K_PERMANENT), "c=tres") == 0);
	p.items = 2;
	p.hash = SLICE("set4");
	ROW("what came back has its id", push("shop", p, &n) && strcmp(shown("shop", CATALOG_K_PERMANENT), "a=UM b=dois") == 0 && first_id == id);
	p.items = 0;
	p.hash = SLICE("none");
	ROW("an empty push empties", push("shop", p, &n) && n.removed == 2 && strcmp(shown("shop", CATALOG_K_PERMANENT), "") == 0);
	end();
}

/* Many slices, and a process that ends between two of them. */
static void
broken_off(void)
{
	static char name[1000][12];
	static struct catalog_item many[1000];
	struct catalog_counts n;
	struct catalog_push *job;
	bool done = false;
	int64_t count = -1;
	begin();
	for (int i = 0; i < 1000; i++) {
		snprintf(name[i], sizeof(name[i]), "n%04d", i);
		many[i] = item(name[i], "velho", "old");
	}
	struct catalog_shelf_push p = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = many, .items = 1000, .hash = SLICE("old") };
	ROW("a thousand", push("shop", p, &n) && n.written == 1000);
	for (int i = 0; i < 1000; i++)
		many[i] = item(name[i], "novo", "new");
	p.hash = SLICE("new");
	p.items = 900;
	for (int steps = 1; !done; steps += 3) {
		REQUIRE(catalog_push_new(c, SLICE("shop"), &p, 1, 0, &job) == 0);
		for (int i = 0; i < steps && !done; i++)
			REQUIRE(catalog_push_step(job, T0, &done, &n) == 0);
		if (done)
			break;
		struct catalog_filter f = { .tenant = SLICE("shop"), .kinds = CATALOG_RULES };
		ROW("nothing of it is seen", catalog_count(reader, &f, &count) == 0 && count == 1000);
		ROW("nothing of it is found", (seen[0] = '\0', catalog_search(reader, &f, SLICE("novo"), 0.5, each_found, NULL)) == 0 && !seen[0]);
		catalog_push_free(job);
		catalog_close(c);
		REQUIRE(catalog_open(path, 1 << 20, &c, why) == 0);
		ROW("nor after a restart", catalog_count(reader, &f, &count) == 0 && count == 1000);
		job = NULL;
	}
	struct catalog_filter f = { .tenant = SLICE("shop"), .kinds = CATALOG_RULES };
	catalog_push_free(job);
	ROW("at last it is whole", n.written == 900 && n.removed == 100);
	ROW("and seen", catalog_count(reader, &f, &count) == 0 && count == 900);
	end();
}

/* Of slices that are committed; and the same process goes on. */
static void
refused(void)
{
	static char name[2000][12];
	static struct catalog_item many[2000];
	struct catalog_counts n;
	struct catalog_push *job;
	bool done = false;
	struct catalog_item two[2] = { item("n0001", "velho", "old"), item("b", "dois", "2") };
	struct catalog_shelf_push p = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = two, .items = 2 };
	begin();
	ROW("two", push("shop", p, &n) && n.written == 2);
	for (int i = 0; i < 2000; i++) {
		snprintf(name[i], sizeof(name[i]), "n%04d", i);
		many[i] = item(name[i], "novo", "new");
	}
	struct catalog_shelf_push large = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = many, .items = 2000 };
	for (int steps = 10; steps < 80; steps += 35) {
		REQUIRE(catalog_push_new(c, SLICE("shop"), &large, 1, 0, &job) == 0);
		for (int i = 0; i < steps; i++)
			REQUIRE(catalog_push_step(job, T0, &done, &n) == 0 && !done);
		catalog_push_free(job);
		ROW("nothing of it is seen", strcmp(shown("shop", CATALOG_K_PERMANENT), "b=dois n0001=velho") == 0);
		ROW("the old one again", push("shop", p, &n) && n.written == 0 && n.unchanged == 2 && n.same);
		ROW("is seen alone", strcmp(shown("shop", CATALOG_K_PERMANENT), "b=dois n0001=velho") == 0);
	}
	end();
}

/* At the very last step: the file may not grow. */
static void
refused_at_the_flip(void)
{
	struct catalog_item two[2] = { item("a", "um", "1"), item("b", "dois", "2") }, other[2] = { item("x", "nao", "9"), item("b", "dois", "2") };
	struct catalog_shelf_push p = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = two, .items = 2 };
	struct catalog_shelf_push q = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = other, .items = 2 };
	struct rlimit before, none = { .rlim_cur = 0 };
	struct catalog_counts n;
	struct catalog_push *job;
	bool done = false;
	int r = 0, steps = 0;
	begin();
	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
	none.rlim_max = before.rlim_max;
	ROW("two", push("shop", p, &n));
	REQUIRE(catalog_push_new(c, SLICE("shop"), &q, 1, 0, &job) == 0);
	/* A look, a write, a sweep, a look: the flip is next. */
	for (; steps < 4; steps++)
		REQUIRE(catalog_push_step(job, T0, &done, &n) == 0 && !done);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
	r = catalog_push_step(job, T0, &done, &n);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
	catalog_push_free(job);
	ROW("it is refused", r < 0 && !done && strcmp(shown("shop", CATALOG_K_PERMANENT), "a=um b=dois") == 0);
	ROW("the old one again", push("shop", p, &n) && n.written == 0 && n.same);
	ROW("is seen alone", strcmp(shown("shop", CATALOG_K_PERMANENT), "a=um b=dois") == 0);
	two[0] = item("a", "UM", "1x");
	ROW("and a new one, too", push("shop", p, &n) && strcmp(shown("shop", CATALOG_K_PERMANENT), "a=UM b=dois") == 0);
	end();
}

/* Read while somebody pushed. */
static void
overtaken(void)
{
	struct catalog_item old[1] = { item("a", "velho", "1") }, new[1] = { item("a", "novo", "2") };
	struct catalog_shelf_push p = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = new, .items = 1 };
	struct catalog_push *job;
	struct catalog_counts n;
	bool done = false;
	begin();
	ROW("pushed", push("shop", p, &n) && n.written == 1);
	p.item = old;
	REQUIRE(catalog_push_new(c, SLICE("shop"), &p, 1, T0 - 1, &job) == 0);
	ROW("what was read before is not written", catalog_push_step(job, T0 + 1, &done, &n) == CATALOG_E_NEWER && !done);
	catalog_push_free(job);
	ROW("and not seen", strcmp(shown("shop", CATALOG_K_PERMANENT), "a=novo") == 0);
	REQUIRE(catalog_push_new(c, SLICE("shop"), &p, 1, T0 + 1, &job) == 0);
	for (int i = 0; i < 10 && !done; i++)
		REQUIRE(catalog_push_step(job, T0 + 2, &done, &n) == 0);
	catalog_push_free(job);
	ROW("what was read after it is", done && strcmp(shown("shop", CATALOG_K_PERMANENT), "a=velho") == 0);
	end();
}

static char tenants[200];

static void
each_tenant(void *context, struct slice tenant)
{
	(void)context;
	snprintf(tenants + strlen(tenants), sizeof(tenants) - strlen(tenants), SLICE_FMT " ", SLICE_ARG(tenant));
}

static const char *
whose(void)
{
	tenants[0] = '\0';
	return catalog_tenants(reader, each_tenant, NULL) == 0 ? tenants : "failed";
}

static void
forgotten(void)
{
	struct catalog_item a[2] = { item("a", "um", "1"), item("b", "dois", "2") };
	struct catalog_shelf_push p = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = a, .items = 2, .hash = SLICE("h") };
	struct catalog_news news;
	struct catalog_counts n;
	bool more = true;
	begin();
	ROW("one's", push("shop", p, &n) && catalog_note(c, SLICE("shop"), SLICE("rules"), SLICE("2 rules"), T0) == 0);
	ROW("another's", push("other", p, &n) && catalog_news(c, &news) == 0 && catalog_told(c, &news) == 0);
	ROW("and", catalog_news(c, &news) == 0 && catalog_told(c, &news) == 0 && strcmp(whose(), "other shop ") == 0);
	ROW("one is gone", catalog_forget(c, SLICE("shop")) == 0 && strcmp(whose(), "other ") == 0);
	ROW("at once", strcmp(shown("shop", CATALOG_K_PERMANENT), "") == 0);
	ROW("which is no news to a hub", catalog_news(c, &news) == 0 && news.kinds == 0);
	ROW("the same name again has nothing", push("shop", p, &n) && n.written == 2 && !n.same);
	ROW("and has its own", strcmp(shown("shop", CATALOG_K_PERMANENT), "a=um b=dois") == 0);
	for (int i = 0; i < 10 && more; i++)
		REQUIRE(catalog_clean(c, &more) == 0);
	ROW("also when the rest is deleted", !more && strcmp(shown("shop", CATALOG_K_PERMANENT), "a=um b=dois") == 0);
	ROW("another's is there", strcmp(shown("other", CATALOG_K_PERMANENT), "a=um b=dois") == 0);
	end();
}

/* While another tenant's push is in hand, and one of its own waits. */
static void
forgotten_meanwhile(void)
{
	static char name[2000][12];
	static struct catalog_item many[2000];
	struct catalog_item a[1] = { item("a", "um", "1") };
	struct catalog_shelf_push p = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = a, .items = 1 };
	struct catalog_shelf_push large = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = many, .items = 2000 };
	struct catalog_filter f = { .tenant = SLICE("other"), .kinds = CATALOG_RULES };
	struct catalog_push *job, *waiting;
	struct catalog_counts n;
	int64_t count = -1;
	for (int i = 0; i < 2000; i++) {
		snprintf(name[i], sizeof(name[i]), "n%04d", i);
		many[i] = item(name[i], "novo", "new");
	}
	for (int steps = 1; steps < 80; steps += 7) {
		bool done = false;
		begin();
		ROW("one's", push("shop", p, &n));
		REQUIRE(catalog_push_new(c, SLICE("other"), &large, 1, 0, &job) == 0 && catalog_push_new(c, SLICE("shop"), &p, 1, 0, &waiting) == 0);
		for (int i = 0; i < steps; i++)
			REQUIRE(catalog_push_step(job, T0, &done, &n) == 0 && !done);
		catalog_push_free(waiting);
		ROW("it is gone", catalog_forget(c, SLICE("shop")) == 0 && strcmp(shown("shop", CATALOG_K_PERMANENT), "") == 0);
		for (int i = 0; i < 10000 && !done; i++)
			REQUIRE(catalog_push_step(job, T0, &done, &n) == 0);
		catalog_push_free(job);
		ROW("the other's is whole", done && catalog_count(reader, &f, &count) == 0 && count == 2000);
		end();
	}
}

/* One after the other, while what the first left is being deleted. */
static void
forgotten_in_a_row(void)
{
	static char name[2000][12];
	static struct catalog_item many[2000];
	struct catalog_shelf_push p = { .kind = CATALOG_K_PERMANENT, .whole = true, .item = many, .items = 2000 };
	struct catalog_counts n;
	bool more = true;
	int slices = 0;
	for (int i = 0; i < 2000; i++) {
		snprintf(name[i], sizeof(name[i]), "n%04d", i);
		many[i] = item(name[i], "novo", "new");
	}
	begin();
	ROW("theirs", push("shop", p, &n));
	p.items = 2;
	ROW("two of another", push("other", p, &n) && catalog_forget(c, SLICE("shop")) == 0);
	for (int i = 0; i < 5; i++)
		REQUIRE(catalog_clean(c, &more) == 0 && more);
	ROW("the other, too", catalog_forget(c, SLICE("other")) == 0 && strcmp(whose(), "") == 0);
	for (; more && slices < 1000; slices++)
		REQUIRE(catalog_clean(c, &more) == 0);
	ROW("in slices, its keys too", !more && slices > 2 * 2000 / 25 - 10);
	end();
}

/* What is long is not written a hundred at a time: a webhook would wait for it. */
static void
long_texts(void)
{
	static char text[100 * 1024];
	static char name[20][12];
	static struct catalog_item many[20];
	struct catalog_counts n;
	struct catalog_push *job;
	bool done = false;
	int steps = 0;
	begin();
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 20; i++) {
		snprintf(name[i], sizeof(name[i]), "n%04d", i);
		many[i] = item(name[i], text, "h");
		many[i].stems = SLICE("x");
	}
	struct catalog_shelf_push p = { .kind = CATALOG_K_DOCUMENT, .item = many, .items = 20 };
	REQUIRE(catalog_push_new(c, SLICE("shop"), &p, 1, 0, &job) == 0);
	for (; !done && steps < 100; steps++)
		REQUIRE(catalog_push_step(job, T0, &done, &n) == 0);
	catalog_push_free(job);
	ROW("one at a time", n.written == 20 && steps >= 20 && steps < 30);
	end();
}

static const char *
found(const char *stems, double least, int64_t now_us)
{
	struct catalog_filter f = { .tenant = SLICE("shop"), .kinds = CATALOG_RULES, .now_us = now_us, .limit = 3 };
	seen[0] = '\0';
	return catalog_search(reader, &f, slice_of(stems), least, each_found, NULL) == 0 ? seen : "failed";
}

static void
searching(void)
{
	struct catalog_counts n;
	begin();
	struct catalog_item rules[] = {
		item("hours", "horari abr loj", "1"), item("delivery", "entreg loj praz", "2"), item("gone", "entreg gratis", "3"),
	};
	rules[2].ends_us = T0 - 1;
	struct catalog_shelf_push p = { .kind = CATALOG_K_TEMPORARY, .whole = true, .item = rules, .items = 3 };
	ROW("stored", push("shop", p, &n));
	ROW("theirs", push("other", p, &n));
	ROW("one word", strcmp(found("horari", 0.7, T0), "hours:1.00") == 0);
	ROW("the share of the words", strcmp(found("horari praz entreg", 0.3, T0), "delivery:0.67 hours:0.33") == 0);
	ROW("below the threshold", strcmp(found("horari praz entreg", 0.7, T0), "") == 0);
	ROW("a word twice counts once", strcmp(found("horari horari", 0.7, T0), "hours:1.00") == 0);
	ROW("what is over is not found", strcmp(found("gratis", 0.1, T0), "") == 0);
	ROW("unless all are wanted", strcmp(found("gratis", 0.1, 0), "gone:1.00") == 0);
	ROW("no words", strcmp(found("", 0, T0), "") == 0);
	char many[1000] = "horari";
	for (int i = 1; i < 64; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), " w%d", i);
	ROW("the share of 64 words", strcmp(found(many, 0.01, T0), "hours:0.02") == 0);
	snprintf(many + strlen(many), sizeof(many) - strlen(many), " w64 horari entreg");
	ROW("what comes behind 64 words is not looked for", strcmp(found(many, 0.01, T0), "hours:0.02") == 0);
	ROW("signs of a query language", strcmp(found("\" OR NEAR( *", 0, T0), "") == 0);
	end();
}

static void
on_the_wire(void)
{
	struct catalog_item two[] = { item("a", "um", "1"), item("b", "dois", "2") };
	two[0].odoo_id = 7;
	two[0].starts_us = T0;
	two[0].data = SLICE("{}");
	struct catalog_shelf_push p[] = { { .kind = CATALOG_K_DOCUMENT, .item = two, .items = 2, .hash = SLICE("h") },
		{ .kind = CATALOG_K_STYLE, .whole = true, .item = two, .items = 0 } }, *back;
	struct arena *a = NULL;
	struct buf out = { 0 };
	struct wire_writer w;
	size_t n;
	REQUIRE(arena_new(MIB, &a) == 0);
	wire_bare(&w, &out);
	catalog_pack(p, 2, &w);
	REQUIRE(wire_bare_end(&w) == 0);
	ROW("there and back", catalog_unpack(buf_view(&out), a, &back, &n) == 0 && n == 2 && back[0].items == 2 && !back[0].whole && back[1].whole);
	ROW("an item", back[0].item[0].odoo_id == 7 && back[0].item[0].starts_us == T0 && slice_eq(back[0].item[1].description, SLICE("dois"))
	    && slice_eq(back[0].hash, SLICE("h")) && back[0].item[1].kind == CATALOG_K_DOCUMENT);
	for (size_t cut = 0; cut < out.len; cut++)
		ROW("cut off", catalog_unpack(slice_from(buf_view(&out).ptr, cut), a, &back, &n) != 0 || n < 2);
	buf_free(&out);
	arena_free(a);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "shelves", shelves }, { "broken off", broken_off }, { "refused", refused }, { "refused at the flip", refused_at_the_flip }, { "overtaken", overtaken }, { "forgotten", forgotten }, { "forgotten meanwhile", forgotten_meanwhile }, { "forgotten in a row", forgotten_in_a_row }, { "long texts", long_texts }, { "searching", searching }, { "on the wire", on_the_wire },
	};
	return unit_run("catalog", tests, ARRAY_LEN(tests), 0);
}
