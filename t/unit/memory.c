/* R3: every allocation of a piece of work fails once, ours and those of json-c
 * and libyaml beneath: an error is returned, nothing is leaked, nothing half
 * done is handed out.  (lib/xmlrpc: t/unit/xmlrpc.c.) */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "lib/catalog_wire.h"
#include "lib/json.h"
#include "lib/legacy.h"
#include "lib/odoo/odoo.h"
#include "lib/value_json.h"

#include "t/unit/unit.h"

static volatile struct { long until, taken; bool failed; } memory;       /* until: the call that fails; 0: none */

#ifndef __SANITIZE_ADDRESS__
/* The program's own definitions stand before the C library's, for its libraries, too. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

static bool
fails(void)
{
	bool now = memory.until > 0 && --memory.until == 0;
	memory.failed |= now;
	if (now)
		errno = ENOMEM;
	return now;
}

void *
malloc(size_t n)
{
	void *p = fails() ? NULL : __libc_malloc(n);
	memory.taken += p != NULL;
	return p;
}

void *
calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __libc_calloc(n, size);
	memory.taken += p != NULL;
	return p;
}

void *
realloc(void *old, size_t n)
{
	void *p = fails() ? NULL : __libc_realloc(old, n);
	memory.taken += p && !old;
	return p;
}

void
free(void *p)
{
	memory.taken -= p != NULL;
	__libc_free(p);
}
#endif

/* ---- the pieces of work: 0 and what came out, or -ENOMEM and nothing ------- */

#define TEXT "{\"a\":[1,-2.50,true,null,\"Ol\\u00e1, um texto que n\\u00e3o cabe em pouco lugar\",{}],\"b\":{\"c\":\"d\",\"e\":[]}," \
	"\"zz\":9223372036854775807,\"f\":{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9,\"10\":10,\"11\":11,\"12\":12,\"13\":13,\"14\":14,\"15\":15,\"16\":16,\"17\":17,\"18\":18}}"

static int
check(struct buf *out)
{
	struct json_fault fault;
	(void)out;
	return json_check(SLICE(TEXT), &json_default_limits, &fault);
}

static int
there_and_back(struct buf *out)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	int r = json_parse(SLICE(TEXT), &doc);
	return r == 0 ? json_print(doc, out) : r;
}

static int
build(struct buf *out)
{
	CLEANUP(json_freep) struct json *o = json_new_object();
	struct json *list = o ? json_new_array() : NULL;
	char key[8];
	int r = list ? json_set(o, "list", list) : -ENOMEM;
	for (int i = 0; i < 40 && r == 0; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		r = json_set_int(o, key, i);
		if (r == 0)
			r = json_add_text(list, SLICE("um texto que é mais longo do que o que fica dentro"));
	}
	if (r == 0)
		r = json_add_int(list, 1);
	if (r == 0)
		r = json_set_text(o, "t", SLICE("x"));
	if (r == 0)
		r = json_set_bool(o, "b", true);
	if (r == 0)
		r = json_set_double(o, "d", 0.1);
	if (r == 0)
		r = json_set_null(o, "n");
	return r == 0 ? json_print(o, out) : r;
}

static int
copy(struct buf *out)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	CLEANUP(json_freep) struct json *other = NULL;
	int r = json_parse(SLICE(TEXT), &doc);
	if (r == 0)
		r = (other = json_copy(doc)) ? json_set_text(other, "a", SLICE("outro")) : -ENOMEM;
	return r == 0 ? json_print(other, out) : r;
}

static int
canonical(struct buf *out)
{
	return json_canonical(SLICE(TEXT), out);
}

static int
quote(struct buf *out)
{
	return json_quote(SLICE("\"x\"\n\xff ção, e ainda mais texto do que cabe no primeiro lugar que se toma, e mais"), out);
}

static int
value(struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(json_freep) struct json *doc = NULL;
	struct value *v;
	int r = arena_new(MIB, &a);
	if (r == 0)
		r = json_parse(SLICE(TEXT), &doc);
	if (r == 0)
		r = value_of_json(doc, a, &v);
	return r == 0 ? value_print_json(v, out) : r;
}

static int
asked(struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(json_freep) struct json *doc = NULL;
	const struct odoo_login login = { .db = SLICE("loja"), .login = SLICE("ponte"), .key = SLICE("chave"), .uid = 7 };
	struct value *args;
	int r = arena_new(MIB, &a);
	if (r == 0)
		r = json_parse(SLICE("[[[\"name\",\"ilike\",\"p\\u00e3o\"]],[\"name\",\"list_price\"]]"), &doc);
	if (r == 0)
		r = value_of_json(doc, a, &args);
	return r == 0 ? odoo_xmlrpc.execute(&login, SLICE("product.template"), SLICE("search_read"), args, NULL, a, out) : r;
}

static int
packed(struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_free) struct buf fields = { 0 };
	struct catalog_item item[3] = { { .key = SLICE("a"), .name = SLICE("a") }, { .key = SLICE("b") }, { .key = SLICE("c"), .stems = SLICE("c") } };
	const struct catalog_shelf_push push = { .kind = CATALOG_K_DOCUMENT, .item = item, .items = 3 };
	struct catalog_shelf_push *back;
	struct wire_writer w;
	size_t shelves = 0;
	wire_bare(&w, &fields);
	catalog_pack(&push, 1, &w);
	int r = wire_bare_end(&w);
	if (r == 0)
		r = arena_new(MIB, &a);
	if (r == 0)
		r = catalog_unpack(buf_view(&fields), a, &back, &shelves);
	return r == 0 ? buf_printf(out, "%zu %zu", shelves, back[0].items) : r;
}

static void
no_remark(void *context, const char *file, struct settings_place at, const char *text)
{
	(void)context, (void)file, (void)at, (void)text;
}

/* A YAML file as a tree, and the system before out of it. */
static int
legacy(struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct settings_errors errors = { 0 };
	const struct settings_node *root;
	struct legacy_tenant t = { .account = SLICE("a7") };
	int r = arena_new(8 * MIB, &a);
	if (r == 0)
		r = settings_load(SLICE("account_id: a7\nintegrations:\n  mcp:\n    config: {url: \"http://odoo\", db: loja, credential_ref: abcdefgh}\n"
		    "accounts: {'3': {account_id: a7, domain: retail}}\n"), a, &root, &errors);
	struct legacy l = { .arena = a, .remark = no_remark };
	if (r == 0)
		r = legacy_config(&l, "config.yaml", root, &t);
	if (r == 0)
		r = legacy_mapping(&l, "mapping.yaml", root, &t, 1);
	return r == 0 ? buf_printf(out, SLICE_FMT " " SLICE_FMT " %zu", SLICE_ARG(t.url), SLICE_ARG(t.db), t.mappings) : r;
}

/* ---- and each without memory -------------------------------------------------- */

/* The libraries beneath are not without faults of their own: json-c (0.16)
 * forgets a key when its object cannot grow, libyaml (0.2.5) an event when its
 * stack cannot.  Of such pieces of work so many blocks may be lost. */
static void
each_fails(const char *name, int (*work)(struct buf *), long forgets)
{
	CLEANUP(buf_free) struct buf whole = { 0 };
	long n = 0;
	REQUIRE(work(&whole) == 0);     /* also: what a library keeps for ever is there now */
	do {
		CLEANUP(buf_free) struct buf out = { 0 };
		long before = memory.taken;
		memory.failed = false;
		memory.until = ++n;
		int r = work(&out);
		memory.until = 0;
		/* A library may do without what it asked for. */
		ROW(name, r == -ENOMEM || (r == 0 && slice_eq(buf_view(&out), buf_view(&whole))));
		buf_free(&out);
		ROW(name, memory.taken >= before && memory.taken <= before + forgets);
	} while (memory.failed && n < 100000);
	ROW(name, n > 1 && !memory.failed);
}

static void
without_memory(void)
{
	static const struct { const char *name; int (*work)(struct buf *); long forgets; } row[] = {
		{ "check", check, 0 }, { "there and back", there_and_back, 1 }, { "build", build, 1 }, { "copy", copy, 1 },
		{ "canonical", canonical, 0 }, { "quote", quote, 0 }, { "value", value, 1 }, { "asked", asked, 0 },
		{ "packed", packed, 0 }, { "legacy", legacy, 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		each_fails(row[i].name, row[i].work, row[i].forgets);
}

int
main(void)
{
	static const struct unit_test tests[] = { { "without memory", without_memory } };
	long before = memory.taken;
	void *volatile p = malloc(1);
	bool ours = memory.taken == before + 1;
	free(p);
	if (ours)
		return unit_run("memory", tests, ARRAY_LEN(tests), 0);
	printf("unit/memory: 0 passed, 0 failed, 1 skipped\n");         /* Valgrind or a sanitizer has the allocator */
	return 0;
}
