#include <stdio.h>
#include <string.h>

#include "lib/odoo/odoo.h"
#include "lib/value_json.h"

#include "t/unit/unit.h"

static struct arena *a;
static char json[4096];

static const char *
as_json(const struct value *v)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	if (!v || value_print_json(v, &out) != 0)
		return "none";
	snprintf(json, sizeof(json), SLICE_FMT, SLICE_ARG(buf_view(&out)));
	return json;
}

static struct odoo_answer
answer(unsigned status, const char *type, const char *body)
{
	struct odoo_answer ret;
	REQUIRE(odoo_xmlrpc.read(status, slice_of(type), slice_of(body), a, &ret) == 0);
	return ret;
}

#define XML "text/xml; charset=utf-8"
#define HEAD "<?xml version='1.0'?>\n<methodResponse>\n"
#define OK_OF(v) HEAD "<params>\n<param>\n<value>" v "</value>\n</param>\n</params>\n</methodResponse>\n"
#define FAULT(code, text) HEAD "<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n<value>" code "</value>\n</member>\n<member>\n" \
	"<name>faultString</name>\n<value><string>" text "</string></value>\n</member>\n</struct></value>\n</fault>\n\n</methodResponse>\n"
#define TRACE "Traceback (most recent call last):\n  File &quot;/usr/lib/odoo/http.py&quot;, line 1\n"

static void
answers(void)
{
	/* clang-format off */
	static const struct { const char *name; unsigned status; const char *type, *body; enum odoo_outcome want; const char *why; } row[] = {
		{ "a value",             200, XML, OK_OF("<int>7</int>"), ODOO_OK, "" },
		{ "denied",              200, XML, FAULT("<int>3</int>", "Access Denied"), ODOO_DENIED, "Access Denied" },
		{ "a uid that is none",  200, XML, FAULT("<int>2</int>", "Registro não existe\n(Record: res.users(99,), User: 99)"), ODOO_DENIED, "" },
		{ "not allowed",         200, XML, FAULT("<int>4</int>", "Você não pode"), ODOO_NOT_ALLOWED, "Você não pode" },
		{ "a rule of Odoo's",    200, XML, FAULT("<int>2</int>", "O nome deve ser único"), ODOO_REFUSED, "O nome deve ser único" },
		{ "our mistake",         200, XML, FAULT("<int>1</int>", TRACE "ValueError: Invalid field &apos;x&apos;\n"), ODOO_MISTAKE, "ValueError: Invalid field 'x'" },
		{ "a caret at the end",  200, XML, FAULT("<int>1</int>", TRACE "psycopg2.errors.UndefinedColumn: no\n  ^\n"), ODOO_MISTAKE, "psycopg2.errors.UndefinedColumn: no" },
		{ "for the moment",      200, XML, FAULT("<int>1</int>", TRACE "psycopg2.errors.SerializationFailure: could not\n"), ODOO_AGAIN, "" },
		{ "no database",         200, XML, FAULT("<int>1</int>", TRACE "psycopg2.OperationalError: FATAL:  database &quot;x&quot; does not exist\n\n"), ODOO_NO_DATABASE, "" },
		{ "done, unspeakable",   200, XML, FAULT("<int>1</int>", TRACE "TypeError: cannot marshal None unless allow_none is enabled\n"), ODOO_APPLIED, "" },
		{ "done, too large",     200, XML, FAULT("<int>1</int>", TRACE "OverflowError: int exceeds XML-RPC limits\n"), ODOO_APPLIED, "" },
		{ "the old dialect",     200, XML, FAULT("<string>warning -- UserError\n\nno</string>", ""), ODOO_MISTAKE, "" },
		{ "a page",              200, "text/html", "<html><title>Odoo</title></html>", ODOO_NOT_ODOO, "" },
		{ "a message of lines",  200, XML, FAULT("<int>1</int>", TRACE "psycopg2.OperationalError: server closed the connection\n"
			"\tThis probably means the server terminated abnormally\n\tbefore or while processing the request.\n"), ODOO_AGAIN, "psycopg2.OperationalError" },
		{ "with its details",    200, XML, FAULT("<int>1</int>", TRACE "psycopg2.errors.DeadlockDetected: deadlock detected\n"
			"DETAIL:  Process 7 waits for ShareLock\nCONTEXT:  while updating tuple (0,1)\n\n"), ODOO_AGAIN, "psycopg2.errors.DeadlockDetected: deadlock detected" },
		{ "and a caret",         200, XML, FAULT("<int>1</int>", TRACE "psycopg2.errors.UndefinedColumn: column x does not exist\n"
			"LINE 1: SELECT x\n               ^\n"), ODOO_MISTAKE, "psycopg2.errors.UndefinedColumn: column x" },
		{ "a base further down", 200, XML, FAULT("<int>1</int>", TRACE "psycopg2.OperationalError: connection to server at &quot;db&quot; failed:\n"
			"FATAL:  database &quot;x&quot; does not exist\n"), ODOO_NO_DATABASE, "" },
		{ "another's record",    200, XML, FAULT("<int>2</int>", "Record does not exist\n(Record: res.users(41,), User: 7)"), ODOO_REFUSED, "" },
		{ "in another language", 200, XML, FAULT("<int>2</int>", "Registro não existe\n(Registro: res.users(99,), Usuário: 99)"), ODOO_DENIED, "" },
		{ "a gateway's own",     524, "text/html", "", ODOO_AGAIN, "HTTP status 524" },
		{ "a crash",             500, "text/html", "", ODOO_AGAIN, "HTTP status 500" },
		{ "a redirect",          301, "text/html", "", ODOO_NOT_ODOO, "HTTP status 301" },
		{ "another path",        404, "text/html", "<html/>", ODOO_NOT_ODOO, "" },
		{ "a proxy",             504, "text/html", "<html/>", ODOO_AGAIN, "504" },
		{ "cut off",             200, XML, HEAD "<params>\n<param>\n<value><array><data>", ODOO_UNREADABLE, "" },
		{ "nothing",             200, XML, "", ODOO_UNREADABLE, "" },
		{ "a DOCTYPE",           200, XML, "<?xml version='1.0'?><!DOCTYPE x><methodResponse/>", ODOO_UNREADABLE, "" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct odoo_answer got = answer(row[i].status, row[i].type, row[i].body);
		ROW(row[i].name, got.outcome == row[i].want && strstr(got.why, row[i].why) != NULL);
		ROW("no traceback, no line break", !strstr(got.why, "Traceback") && !strchr(got.why, '\n'));
	}
	struct odoo_answer got = answer(200, XML, OK_OF("<string>a\xef\xbf\xbe" "b</string>"));
	ROW("what XML does not allow is dropped and counted", got.dropped == 1 && strcmp(as_json(got.value), "\"ab\"") == 0);
	char text[700];
	memset(text, 'x', sizeof(text));
	memcpy(text + 297, "é", 2);
	text[sizeof(text) - 1] = '\0';
	char body[1400];
	snprintf(body, sizeof(body), FAULT("<int>2</int>", "%s"), text);
	got = answer(200, XML, body);
	ROW("a long text is cut between characters", strlen(got.why) == 299 && memcmp(got.why + 297, "é", 2) == 0);
}

/* Cut at every byte an answer is no answer. */
static void
cuts(void)
{
	static const char whole[] = OK_OF("<array><data>\n<value><struct>\n<member>\n<name>id</name>\n<value><int>7</int></value>\n</member>\n</struct></value>\n</data></array>");
	size_t end = strlen(whole) - 1;         /* the last line break is nothing */
	for (size_t n = 1; n < end; n++) {
		struct odoo_answer got;
		REQUIRE(odoo_xmlrpc.read(200, SLICE(XML), slice_from(whole, n), a, &got) == 0);
		CU_ASSERT(got.outcome == ODOO_UNREADABLE);
	}
	ROW("whole it is one", strcmp(as_json(answer(200, XML, whole).value), "[{\"id\":7}]") == 0);
}

static struct value *
value_of(const char *text)
{
	CLEANUP(json_freep) struct json *doc = NULL;
	struct value *v;
	REQUIRE(json_parse(slice_of(text), &doc) == 0);
	return value_of_json(doc, a, &v) == 0 ? v : NULL;
}

static void
questions(void)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	const struct odoo_login l = { .db = SLICE("shop"), .login = SLICE("ponte"), .key = SLICE("k<&"), .uid = 7 };
	const struct value *args = value_of("[[[\"id\",\">\",500]]]");
	ROW("it is written", odoo_xmlrpc.execute(&l, SLICE("res.partner"), SLICE("search_read"), args, NULL, a, &out) == 0);
	ROW("byte for byte", slice_eq(buf_view(&out), SLICE("<?xml version=\"1.0\"?>\n<methodCall><methodName>execute_kw</methodName><params>"
	    "<param><value><string>shop</string></value></param><param><value><int>7</int></value></param><param><value><string>k&lt;&amp;</string>"
	    "</value></param><param><value><string>res.partner</string></value></param><param><value><string>search_read</string></value></param>"
	    "<param><value><array><data><value><array><data><value><array><data><value><string>id</string></value><value><string>&gt;</string></value>"
	    "<value><int>500</int></value></data></array></value></data></array></value></data></array></value></param></params></methodCall>\n")));
	const struct odoo_login bad = { .db = SLICE("a\x01"), .login = SLICE("x"), .key = SLICE("x") };
	ROW("what XML cannot carry is refused", odoo_xmlrpc.authenticate(&bad, a, &out) == -EINVAL);
	ROW("reading may be asked twice", odoo_only_reads(SLICE("search_read")) && odoo_only_reads(SLICE("read")));
	ROW("writing may not", !odoo_only_reads(SLICE("write")) && !odoo_only_reads(SLICE("action_archive")) && !odoo_only_reads(SLICE("readx")));
}

/* A call is its method's name, and what is in the lists; there is no other form of any of them. */
static void
methods(void)
{
	/* clang-format off */
	static const struct { const char *name, *args, *written, *said, *got; bool twice; } row[] = {
		{ "search",      "[[[\"id\",\">\",5]]]",     "<int>5</int>",          "<array><data><value><int>7</int></value><value><int>9</int></value></data></array>", "[7,9]", true },
		{ "read",        "[[7],[\"name\"]]",        "<string>name</string>", "<array><data></data></array>",                                                       "[]",    true },
		{ "search_read", "[[],[\"name\"]]",         "<string>name</string>", "<array><data></data></array>",                                                       "[]",    true },
		{ "fields_get",  "[[],[\"type\"]]",         "<string>type</string>", "<struct></struct>",                                                                  "{}",    true },
		{ "create",      "[[{\"name\":\"x\"}]]",     "<name>name</name><value><string>x</string>", "<array><data><value><int>12</int></value></data></array>",      "[12]",  false },
		{ "write",       "[[7],{\"name\":\"y\"}]",   "<name>name</name><value><string>y</string>", "<boolean>1</boolean>",                                          "true",  false },
		{ "unlink",      "[[7]]",                   "<int>7</int>",          "<boolean>1</boolean>",                                                               "true",  false },
	};
	/* clang-format on */
	const struct odoo_login l = { .db = SLICE("shop"), .login = SLICE("ponte"), .key = SLICE("k"), .uid = 3 };
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(buf_free) struct buf out = { 0 };
		char body[600], method[60];
		snprintf(method, sizeof(method), "<string>%s</string>", row[i].name);
		ROW(row[i].name, odoo_xmlrpc.execute(&l, SLICE("res.partner"), slice_of(row[i].name), value_of(row[i].args), NULL, a, &out) == 0
		    && memmem(out.ptr, out.len, method, strlen(method)) && memmem(out.ptr, out.len, row[i].written, strlen(row[i].written)));
		snprintf(body, sizeof(body), OK_OF("%s"), row[i].said);
		struct odoo_answer got = answer(200, XML, body);
		ROW(row[i].name, got.outcome == ODOO_OK && strcmp(as_json(got.value), row[i].got) == 0);
		ROW(row[i].name, odoo_only_reads(slice_of(row[i].name)) == row[i].twice);
	}
}

static void
types(void)
{
	struct odoo_fields *f;
	REQUIRE(odoo_fields_new(value_of("{\"name\":{\"type\":\"char\"},\"active\":{\"type\":\"boolean\"},\"partner\":{\"type\":\"many2one\"},"
	    "\"tags\":{\"type\":\"many2many\"},\"price\":{\"type\":\"float\"},\"odd\":{\"type\":\"of tomorrow\"}}"), &f) == 0);
	struct value *r = value_of("{\"name\":false,\"active\":false,\"partner\":false,\"tags\":[],\"price\":0.5,\"odd\":false}");
	odoo_give_types(r, f);
	ROW("false is what its field says", strcmp(as_json(r), "{\"name\":\"\",\"active\":false,\"partner\":null,\"tags\":[],\"price\":0.5,\"odd\":false}") == 0);
	ROW("a field that is not there", odoo_field_type(f, SLICE("ai_price")) == ODOO_T_NONE && odoo_field_type(f, SLICE("odd")) == ODOO_T_OTHER);
	odoo_fields_free(f);
	ROW("no fields at all", odoo_fields_new(value_of("[]"), &f) == -EPROTO);
	r = value_of("{\"id\":9,\"partner\":[3,\"Ana\"],\"n\":2,\"x\":1.5,\"t\":\"a\",\"on\":true}");
	ROW("members", odoo_id(r, "id") == 9 && odoo_id(r, "partner") == 3 && odoo_number(r, "n") > 1.9 && odoo_number(r, "x") < 1.6
	    && slice_eq(odoo_text(r, "t"), SLICE("a")) && odoo_text(r, "n").len == 0 && odoo_bool(r, "on", false) && odoo_bool(r, "none", true));
	int64_t us;
	ROW("a time", odoo_time(SLICE("2026-01-02 10:00:00"), &us) == 0 && us == INT64_C(1767348000000000));
	ROW("a date", odoo_time(SLICE("2026-01-02"), &us) == 0 && us == INT64_C(1767312000000000));
	ROW("no such day", odoo_time(SLICE("2026-02-31"), &us) == -EINVAL && odoo_time(SLICE("2026-01-02T10:00:00"), &us) == -EINVAL);
}

static void
versions(void)
{
	static const struct { const char *name, *said; int r, major; bool remark; } row[] = {
		{ "16", "{\"server_version_info\":[16,0,0,\"final\",0,\"\"]}", 0, 16, false },
		{ "19", "{\"server_version_info\":[19,0,0,\"final\",0,\"\"]}", 0, 19, true },
		{ "the cloud", "{\"server_version_info\":[\"saas~18\",2,0,\"final\",0,\"\"]}", 0, 18, false },
		{ "old", "{\"server_version_info\":[12,0]}", 0, 12, true },
		{ "nothing", "{}", -EPROTO, 0, false },
		{ "nonsense", "{\"server_version_info\":[\"x\"]}", -EPROTO, 0, false },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct odoo_version v;
		ROW(row[i].name, odoo_version_of(value_of(row[i].said), &v) == row[i].r && v.major == row[i].major && (odoo_version_remark(&v) != NULL) == row[i].remark);
	}
}

static void
values(void)
{
	static const char *const same[] = { "null", "true", "-9223372036854775808", "1.5", "\"é\\n\\\"\"", "[]", "{}",
		"{\"a\":[1,[2,{\"b\":null}],\"\"],\"c\":false}" };
	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		ROW("there and back", strcmp(as_json(value_of(same[i])), same[i]) == 0);
	ROW("a number that fits nowhere", !value_of("1e999"));
	ROW("what is not finite", strcmp(as_json(value_double(a, __builtin_inf())), "null") == 0);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "answers", answers }, { "cuts", cuts }, { "questions", questions }, { "methods", methods }, { "types", types }, { "versions", versions },
		{ "values", values },
	};
	REQUIRE(arena_new(64 * MIB, &a) == 0);
	int r = unit_run("odoo", tests, ARRAY_LEN(tests), 0);
	arena_free(a);
	return r;
}
