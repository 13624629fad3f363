#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/xmlrpc.h"

#include "t/unit/unit.h"

/* ---- memory: every call of malloc() in lib/ and in libxml2 passes here ------ */

static struct { long until; size_t now, peak; bool failed; } memory;   /* until: the call that fails; 0: none */

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
void __real_free(void *);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
void __wrap_free(void *);
/* Of libxml2, whose headers only lib/xmlrpc.c includes. */
int xmlMemSetup(void (*)(void *), void *(*)(size_t), void *(*)(void *, size_t), char *(*)(const char *));
void xmlResetLastError(void);

static bool
fails(void)
{
	bool now = memory.until > 0 && --memory.until == 0;
	memory.failed |= now;
	return now;
}

static void *
counted(void *p)
{
	memory.now += p ? malloc_usable_size(p) : 0;
	memory.peak = memory.peak > memory.now ? memory.peak : memory.now;
	return p;
}

void *
__wrap_malloc(size_t n)
{
	return fails() ? NULL : counted(__real_malloc(n));
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : counted(__real_calloc(n, size));
}

void *
__wrap_realloc(void *p, size_t n)
{
	if (fails())
		return NULL;
	size_t had = p ? malloc_usable_size(p) : 0;
	void *q = __real_realloc(p, n);
	memory.now -= q ? had : 0;
	return counted(q);
}

void
__wrap_free(void *p)
{
	memory.now -= p ? malloc_usable_size(p) : 0;
	__real_free(p);
}

static char *
wrapped_strdup(const char *text)
{
	char *p = __wrap_malloc(strlen(text) + 1);
	return p ? memcpy(p, text, strlen(text) + 1) : NULL;
}

/* ---- reading ---------------------------------------------------------------- */

#define HEAD "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"
#define TAIL "\n</param>\n</params>\n</methodResponse>\n"

static const char row[] = HEAD
	"<value><array><data>\n<value><struct>\n<member>\n<name>id</name>\n<value><int>7</int></value>\n</member>\n"
	"<member>\n<name>nome \xc3\xa7</name>\n<value><string>S\xc3\xa3o &amp;\r\n&#13;\xf0\x9f\x99\x82 \xef\xbf\xbe\xef\xbc\xa1\xef\xbf\xbd\xef\xbf\xbf"
	"</string></value>\n</member>\n</struct></value>\n<value><struct>\n<member>\n<name>id</name>\n<value><int>8</int></value>\n</member>\n"
	"<member>\n<name>other</name>\n<value><boolean>0</boolean></value>\n</member>\n</struct></value>\n"
	"<value> </value>\n<value><double>-1e-07</double></value>\n</data></array></value>" TAIL;

/* In pieces of that many bytes. */
static int
read_pieces(struct slice document, size_t piece, const struct xmlrpc_limits *limits, struct arena *a, struct value **ret, size_t *ret_dropped)
{
	CLEANUP(xmlrpc_freep) struct xmlrpc_reader *r = NULL;
	struct xmlrpc_tree tree;
	struct xmlrpc_sink sink = xmlrpc_tree_sink(&tree, a);
	int e = xmlrpc_new(limits, &sink, &r);
	while (e == 0 && document.len > 0) {
		size_t n = document.len < piece ? document.len : piece;
		e = xmlrpc_feed(r, slice_from(document.ptr, n));
		document = slice_after(document, n);
	}
	if (e == 0)
		e = xmlrpc_end(r);
	if (e == 0)
		*ret = tree.root;
	*ret_dropped = r ? xmlrpc_dropped(r) : 0;
	return e;
}

static void
pieces(void)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct value *v = NULL, *whole = NULL;
	size_t dropped = 0;
	REQUIRE(arena_new(MIB, &a) == 0);
	REQUIRE(read_pieces(slice_of(row), sizeof(row), NULL, a, &whole, &dropped) == 0);
	const struct value *name = value_get(value_at(whole, 0), "nome \xc3\xa7");
	ROW("the text", name && slice_eq(name->text, SLICE("S\xc3\xa3o &\n\r\xf0\x9f\x99\x82 \xef\xbc\xa1\xef\xbf\xbd")));
	ROW("the second row has its own names", value_get(value_at(whole, 1), "other") && !value_get(value_at(whole, 1), "nome \xc3\xa7"));
	ROW("a blank", value_at(whole, 2) && slice_eq(value_at(whole, 2)->text, SLICE(" ")));
	ROW("four of them", value_count(whole) == 4 && !value_at(whole, 4));
	struct value *one = value_list(a), *two = value_list(a);
	value_add(one, value_int(a, 1)), value_add(two, value_int(a, 1)), value_add(two, value_int(a, 2));
	ROW("a shorter list is another", !value_equal(one, two) && !value_equal(two, one) && value_equal(two, two));
	for (size_t n = 1; n < 70; n++) {
		int e = read_pieces(slice_of(row), n, NULL, a, &v, &dropped);
		ROW("the same, in whatever pieces it comes", e == 0 && value_equal(v, whole) && dropped == 2);
	}
}

/* Between TAIL and HEAD, as often as said; the outcome of reading it in pieces. */
static int
repeated(const char *before, const char *often, size_t times, const char *after, const struct xmlrpc_limits *limits)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_free) struct buf b = { 0 };
	struct value *v;
	size_t dropped;
	REQUIRE(arena_new(64 * MIB, &a) == 0);
	REQUIRE(buf_append_slice(&b, slice_of(before)) == 0);
	for (size_t i = 0; i < times; i++)
		REQUIRE(buf_append_slice(&b, slice_of(often)) == 0);
	REQUIRE(buf_append_slice(&b, slice_of(after)) == 0);
	return read_pieces(buf_view(&b), 5000, limits, a, &v, &dropped);
}

static void
limits(void)
{
	static const struct xmlrpc_limits few = { .depth = 64, .bytes = 40000, .text = 100, .values = 50 };
	static const struct xmlrpc_limits shallow = { .depth = 10, .bytes = MIB, .text = MIB, .values = 50 };
	/* clang-format off */
	static const struct { const char *name, *before, *often; size_t times; const char *after; const struct xmlrpc_limits *limits; int want; } r[] = {
		{ "values",            HEAD "<value><array><data>", "<value/>", 49, "</data></array></value>" TAIL, &few, 0 },
		{ "one more",          HEAD "<value><array><data>", "<value/>", 50, "</data></array></value>" TAIL, &few, XMLRPC_E_REFUSED },
		{ "text",              HEAD "<value>", "0123456789", 10, "</value>" TAIL, &few, 0 },
		{ "more text",         HEAD "<value>", "0123456789", 11, "</value>" TAIL, &few, XMLRPC_E_REFUSED },
		{ "more in pieces",    HEAD "<value><string>", "&amp;", 101, "</string></value>" TAIL, &few, XMLRPC_E_REFUSED },
		{ "bytes",             HEAD "<value>", "<?x?>", 8000, "</value>" TAIL, &few, XMLRPC_E_REFUSED },
		{ "depth",             HEAD, "<value><array><data>", 2, "<value></value></data></array></value></data></array></value>" TAIL, &shallow, 0 },
		{ "deeper",            HEAD, "<value><array><data>", 2, "<value><int>1</int></value></data></array></value></data></array></value>" TAIL, &shallow, XMLRPC_E_REFUSED },
		{ "a name",            HEAD "<value><struct><member><name>", "0123456789abcdef", 64, "</name><value/></member></struct></value>" TAIL, NULL, 0 },
		{ "a longer name",     HEAD "<value><struct><member><name>", "0123456789abcdef", 65, "</name><value/></member></struct></value>" TAIL, NULL, XMLRPC_E_REFUSED },
		{ "a long tag",        "<methodResponse", " ", 60000, ">" , NULL, XMLRPC_E_REFUSED },
		{ "attributes",        "<methodResponse ", "a='>' ", 60000, ">", NULL, XMLRPC_E_REFUSED },
		{ "a long comment",    HEAD "<!-- ", "x", 60000, "--><value/>" TAIL, NULL, XMLRPC_E_REFUSED },
		{ "a long CDATA",      HEAD "<value><![CDATA[", "x>", 60000, "]]></value>" TAIL, NULL, 0 },
		{ "a long text",       HEAD "<value>", "x> \n", 60000, "</value>" TAIL, NULL, 0 },
		{ "much between",      HEAD, " \n", 60000, "<value/>" TAIL, NULL, 0 },
		{ "one namespace",     "<methodResponse xmlns:ex='u:x'>", "", 0, "<params><param><value><ex:nil/></value></param></params></methodResponse>", NULL, 0 },
		{ "namespaces",        "<methodResponse", " xmlns:a='u:x' xmlns:b='u:x' xmlns:c='u:x' xmlns:d='u:x' xmlns:e='u:x'", 1,
		    "><params><param><value/></param></params></methodResponse>", NULL, XMLRPC_E_REFUSED },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(r); i++)
		ROW(r[i].name, repeated(r[i].before, r[i].often, r[i].times, r[i].after, r[i].limits) == r[i].want);
}

/* ---- faults ------------------------------------------------------------------ */

#define FAULT(code) "<methodResponse><fault><value><struct><member><name>faultCode</name><value>" code "</value></member>" \
	"<member><name>faultString</name><value><string>"
#define FAULT_END "</string></value></member></struct></value></fault></methodResponse>"

static void
faults(void)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_free) struct buf b = { 0 };
	struct xmlrpc_fault fault = { .code = 0 };
	struct value *v;
	const char *why = "";
	REQUIRE(arena_new(MIB, &a) == 0);
	ROW("a number", xmlrpc_read(SLICE(FAULT("<int>2</int>") "N\xc3\xa3o" FAULT_END), a, &v, &why, &fault) == XMLRPC_E_FAULT && fault.code == 2
	    && slice_eq(fault.text, SLICE("N\xc3\xa3o")) && fault.word.len == 0);
	ROW("a word", xmlrpc_read(SLICE(FAULT("<string>warning -- UserError\n\nx</string>") FAULT_END), a, &v, &why, &fault) == XMLRPC_E_FAULT
	    && fault.code == 0 && fault.text.len == 0 && slice_eq(fault.word, SLICE("warning -- UserError\n\nx")));

	/* A traceback whose last line holds a statement of a megabyte. */
	REQUIRE(buf_append_slice(&b, SLICE(FAULT("<int>1</int>") "Traceback (most recent call last):\npsycopg2.errors.X: ")) == 0);
	for (int i = 0; i < 350000; i++)
		REQUIRE(buf_append_slice(&b, SLICE("\xe2\x82\xac")) == 0);
	REQUIRE(buf_append_slice(&b, SLICE("could not serialize access\n" FAULT_END)) == 0);
	ROW("a long text is a fault all the same", xmlrpc_read(buf_view(&b), a, &v, &why, &fault) == XMLRPC_E_FAULT && fault.code == 1);
	ROW("it begins as it did", slice_starts(fault.text, SLICE("Traceback (most recent call last):\npsycopg2.errors.X: \xe2\x82\xac")));
	struct slice end = SLICE("\xe2\x82\xac""could not serialize access\n");
	ROW("and ends as it did", fault.text.len > end.len && fault.text.len < 32 * KIB
	    && slice_eq(slice_after(fault.text, fault.text.len - end.len), end));
	size_t n = 0, step = 1;
	while (n < fault.text.len && (step = slice_utf8(slice_after(fault.text, n))) > 0)
		n += step;
	ROW("no character is cut", step > 0);
	ROW("a fault of many values is none", repeated("<methodResponse><fault><value><array><data>", "<value/>", 40,
	    "</data></array></value></fault></methodResponse>", NULL) == XMLRPC_E_REFUSED);
}

/* ---- memory ------------------------------------------------------------------ */

/* Reads, and writes what it read.  Told apart from success: it must not be
 * called one when memory ran out and something is missing. */
static int
there_and_back(struct slice document, struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct xmlrpc_fault fault;
	struct value *v = NULL;
	const char *why;
	int e = arena_new(MIB, &a);
	if (e == 0)
		e = xmlrpc_read(document, a, &v, &why, &fault);
	return e == 0 ? xmlrpc_write_call(SLICE("m"), (const struct value *const[]){ v }, 1, out) : e;
}

/* R3: every allocation fails once, in ours and in the parser's.  The number of them. */
static long
each_fails(struct slice document, int want, struct slice want_out)
{
	long n = 0;
	int e;
	do {
		CLEANUP(buf_free) struct buf out = { 0 };
		xmlResetLastError();            /* what it remembers is no leak */
		size_t before = memory.now;
		memory.until = ++n;
		memory.failed = false;
		e = there_and_back(document, &out);
		memory.until = 0;
		/* The parser asks for some things it can do without. */
		ROW("an error, or nothing is missing", e == want ? slice_eq(buf_view(&out), want_out) : e != 0 && out.len == 0);
		ROW("an error of memory", e == want || e == -ENOMEM);
		buf_free(&out);
		xmlResetLastError();
		ROW("nothing is leaked", memory.now == before);
	} while (memory.failed);
	ROW("and with all of it", e == want);
	return n - 1;
}

static void
without_memory(void)
{
	CLEANUP(buf_free) struct buf whole = { 0 };
	CLEANUP(buf_free) struct buf document = { 0 }, longer = { 0 };
	REQUIRE(buf_append_slice(&document, SLICE(HEAD "<value><array><data>")) == 0);
	for (int i = 0; i < 2000; i++)
		REQUIRE(buf_append_slice(&document, SLICE("<value><string>0123456789abcdef\n</string></value>")) == 0);
	REQUIRE(buf_append_slice(&document, SLICE("<value>")) == 0);
	for (int i = 0; i < 5000; i++)
		REQUIRE(buf_append_slice(&document, SLICE("0123456789abcdef\n")) == 0);
	REQUIRE(buf_append_slice(&document, SLICE("</value></data></array></value>" TAIL)) == 0);
	REQUIRE(there_and_back(buf_view(&document), &longer) == 0);
	each_fails(buf_view(&document), 0, buf_view(&longer));
	REQUIRE(there_and_back(slice_of(row), &whole) == 0);
	long row_asks = each_fails(slice_of(row), 0, buf_view(&whole));
	long fault_asks = each_fails(SLICE(FAULT("<int>3</int>") "Access Denied" FAULT_END), XMLRPC_E_FAULT, SLICE(""));
	ROW("there are some", row_asks > 20 && fault_asks > 20);
}

static int
take_value(void *context, const struct value *v)
{
	*(size_t *)context += v->type == VALUE_TEXT ? v->text.len : 0;
	return 0;
}

static int
take_piece(void *context, struct slice name, struct slice text)
{
	*(size_t *)context += text.len;
	return slice_eq(name, SLICE("datas")) ? 0 : -EINVAL;
}

static int
take_begin(void *context, enum value_type type, struct slice name)
{
	(void)context, (void)type, (void)name;
	return 0;
}

static int
take_end(void *context)
{
	(void)context;
	return 0;
}

/* The mark is 4 MB for an answer of 67 MB: what is held does not grow with it. */

/* That many texts of so many pieces of 16 KiB; 0 or what stopped it. */
static int
feed_texts(struct xmlrpc_reader *r, size_t texts, size_t pieces_each)
{
	static char piece[16 * 1024];
	memset(piece, 'Q', sizeof(piece));
	int e = xmlrpc_feed(r, SLICE(HEAD "<value><array><data>"));
	for (size_t i = 0; i < texts && e == 0; i++) {
		e = xmlrpc_feed(r, SLICE("<value><struct><member><name>datas</name><value><string>"));
		for (size_t k = 0; k < pieces_each && e == 0; k++)
			e = xmlrpc_feed(r, slice_from(piece, sizeof(piece)));
		if (e == 0)
			e = xmlrpc_feed(r, SLICE("</string></value></member></struct></value>"));
	}
	if (e == 0)
		e = xmlrpc_feed(r, SLICE("</data></array></value>" TAIL));
	return e == 0 ? xmlrpc_end(r) : e;
}

static void
bounded_memory(void)
{
	CLEANUP(xmlrpc_freep) struct xmlrpc_reader *r = NULL, *strict = NULL;
	static const struct xmlrpc_limits short_texts = { .depth = 64, .bytes = 64 * MIB, .text = MIB, .values = 50 };
	size_t got = 0, texts = 5, pieces_each = getenv("PONTE_VALGRIND") ? 80 : 820;
	struct xmlrpc_sink sink = { .context = &got, .value = take_value, .begin = take_begin, .end = take_end, .piece = take_piece };
	size_t before = memory.now;
	memory.peak = memory.now;
	REQUIRE(xmlrpc_new(NULL, &sink, &r) == 0);
	ROW("all of it comes", feed_texts(r, texts, pieces_each) == 0 && got == texts * pieces_each * 16 * KIB);
	ROW("with little memory", memory.peak - before < MIB);
	printf("unit/xmlrpc: %zu KiB at most for %zu KiB\n", (memory.peak - before) / KIB, got / KIB);
	REQUIRE(xmlrpc_new(&short_texts, &sink, &strict) == 0);
	ROW("a text is limited though its pieces are gone", feed_texts(strict, 1, 65) == XMLRPC_E_REFUSED);
}

/* ---- writing ------------------------------------------------------------------ */

static void
writing(void)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_free) struct buf out = { 0 };
	REQUIRE(arena_new(MIB, &a) == 0);
	/* clang-format off */
	const struct { const char *name; struct value *value; const char *want; } r[] = {
		{ "int",        value_int(a, INT32_MAX),                   "<int>2147483647</int>" },
		{ "low int",    value_int(a, INT32_MIN),                   "<int>-2147483648</int>" },
		{ "i8",         value_int(a, (int64_t)INT32_MAX + 1),      "<i8>2147483648</i8>" },
		{ "low i8",     value_int(a, INT64_MIN),                   "<i8>-9223372036854775808</i8>" },
		{ "boolean",    value_bool(a, true),                       "<boolean>1</boolean>" },
		{ "nil",        value_none(a),                             "<nil/>" },
		{ "double",     value_double(a, 0.1),                      "<double>0.1</double>" },
		{ "escapes",    value_text(a, SLICE("a<&>\"'\r\n\t\x7f]]>")),  "<string>a&lt;&amp;&gt;\"'&#13;\n\t\x7f]]&gt;</string>" },
		{ "text",       value_text(a, SLICE("\xc2\x85\xe2\x80\xa8\xf0\x9f\x99\x82\xef\xbf\xbd")), "<string>\xc2\x85\xe2\x80\xa8\xf0\x9f\x99\x82\xef\xbf\xbd</string>" },
		{ "empty list", value_list(a),                             "<array><data></data></array>" },
		{ "nan",        value_double(a, NAN),                      NULL },
		{ "infinite",   value_double(a, INFINITY),                 NULL },
		{ "a NUL",      value_text(a, slice_from("a\0b", 3)),      NULL },
		{ "control",    value_text(a, SLICE("a\x1f")),             NULL },
		{ "U+FFFE",     value_text(a, SLICE("a\xef\xbf\xbe")),     NULL },
		{ "U+FFFF",     value_text(a, SLICE("\xef\xbf\xbf")),      NULL },
		{ "surrogate",  value_text(a, SLICE("\xed\xa0\x80")),      NULL },
		{ "overlong",   value_text(a, SLICE("\xc0\x80")),          NULL },
		{ "cut",        value_text(a, SLICE("abc\xc3")),           NULL },
		{ "Latin-1",    value_text(a, SLICE("\xe9t\xe9")),         NULL },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(r); i++) {
		REQUIRE(buf_append_slice(&out, SLICE("before")) == 0);
		int e = xmlrpc_write_call(SLICE("m"), (const struct value *const[]){ value_int(a, 1), r[i].value }, 2, &out);
		struct slice want = !r[i].want ? SLICE("before") : arena_printf(a, "before<?xml version=\"1.0\"?>\n<methodCall><methodName>m</methodName>"
		    "<params><param><value><int>1</int></value></param><param><value>%s</value></param></params></methodCall>\n", r[i].want);
		ROW(r[i].name, e == (r[i].want ? 0 : -EINVAL) && slice_eq(buf_view(&out), want));
		out.len = 0;
	}
	struct value *deep = value_int(a, 1), *list;
	for (int depth = 1; depth <= 20; depth++) {
		int e = xmlrpc_write_call(SLICE("m"), (const struct value *const[]){ deep }, 1, &out);
		ROW("twenty deep", e == 0);
		value_add(list = value_list(a), deep);
		deep = list;
	}
	ROW("and no deeper", xmlrpc_write_call(SLICE("m"), (const struct value *const[]){ deep }, 1, &out) == -EINVAL);
	ROW("an arena that was full", xmlrpc_write_call(SLICE("m"), (const struct value *const[]){ NULL }, 1, &out) == -ENOMEM);
}

int
main(void)
{
	if (xmlMemSetup(__wrap_free, __wrap_malloc, __wrap_realloc, wrapped_strdup) != 0)
		return 2;
	static const struct unit_test tests[] = {
		{ "pieces", pieces }, { "limits", limits }, { "faults", faults }, { "without memory", without_memory },
		{ "bounded memory", bounded_memory }, { "writing", writing },
	};
	return unit_run("xmlrpc", tests, ARRAY_LEN(tests), 0);
}
