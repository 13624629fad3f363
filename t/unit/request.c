#include <string.h>

#include "app/worker/request.h"
#include "lib/crypt.h"
#include "t/unit/unit.h"

static void
on_nothing(struct request *r)
{
	(void)r;
}

static const struct route table[] = {
	{ HTTP_M_GET,  "/", ROUTE_API, ROUTE_OPEN, 0, ROUTE_DETAIL, 0, 0, on_nothing, "" },
	{ HTTP_M_POST, "/webhook", ROUTE_HOOKS, ROUTE_SIGNED, 0, ROUTE_WEBHOOK, SIZE_MAX, 0, on_nothing, "" },
	{ HTTP_M_POST, "/webhook/chatwoot/{tenant}/{kind}/{secret}", ROUTE_HOOKS, ROUTE_SIGNED, 0, ROUTE_WEBHOOK, SIZE_MAX,
	  0, on_nothing, "" },
};

#define ID "0123456789abcdef0123456789abcdef"

/* The parameters as "NAME=value" lines, what is answered (0: goes on to the
 * handler), the code, and whether in the shape of webhook paths. */
static const struct { const char *name, *lines; int status; const char *code; bool webhook; } rows[] = {
	{ "a plain GET", "REQUEST_METHOD=GET\nREQUEST_URI=/\n", 0, NULL, false },
	{ "HEAD finds the GET row", "REQUEST_METHOD=HEAD\nREQUEST_URI=/\n", 0, NULL, false },
	{ "the query is no part of the path", "REQUEST_METHOD=GET\nREQUEST_URI=/?a=/webhook\n", 0, NULL, false },
	{ "nothing at all", "", 404, "NOT_FOUND_ERROR", false },
	{ "no path", "REQUEST_METHOD=GET\n", 404, "NOT_FOUND_ERROR", false },
	{ "a path must begin with a slash", "REQUEST_METHOD=GET\nREQUEST_URI=http://x/\n", 404, "NOT_FOUND_ERROR", false },
	{ "a path without a row", "REQUEST_METHOD=GET\nREQUEST_URI=/nope\n", 404, "NOT_FOUND_ERROR", false },
	{ "a webhook path without a row", "REQUEST_METHOD=GET\nREQUEST_URI=/webhook/nope\n", 404, "NOT_FOUND_ERROR", true },
	{ "webhooks is no webhook path", "REQUEST_METHOD=GET\nREQUEST_URI=/webhooks\n", 404, "NOT_FOUND_ERROR", false },
	{ "an encoded line feed", "REQUEST_METHOD=GET\nREQUEST_URI=/webhook%0A\n", 404, "NOT_FOUND_ERROR", false },
	{ "an encoded delete", "REQUEST_METHOD=GET\nREQUEST_URI=/webhook/%7f\n", 404, "NOT_FOUND_ERROR", true },
	{ "another method", "REQUEST_METHOD=GET\nREQUEST_URI=/webhook\n", 405, "BAD_METHOD", true },
	{ "an unknown method", "REQUEST_METHOD=BREW\nREQUEST_URI=/\n", 405, "BAD_METHOD", false },
	{ "a POST that may be read", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nCONTENT_LENGTH=100\n", 0, NULL, true },
	{ "JSON with parameters", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nCONTENT_TYPE=application/json; charset=utf-8\n", 0, NULL, true },
	{ "a length too long", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nCONTENT_LENGTH=101\n", 413, "TOO_LARGE", true },
	{ "too long and not JSON: too long first", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nCONTENT_LENGTH=101\nCONTENT_TYPE=text/plain\n", 413, "TOO_LARGE", true },
	{ "a length that is no number", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nCONTENT_LENGTH=+1\n", 400, "BAD_REQUEST", true },
	{ "a length with something behind it", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nCONTENT_LENGTH=1, 1\n", 400, "BAD_REQUEST", true },
	{ "two lengths", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nCONTENT_LENGTH=1\nCONTENT_LENGTH=2\n", 400, "BAD_REQUEST", true },
	{ "the same length twice", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nCONTENT_LENGTH=1\nCONTENT_LENGTH=1\n", 0, NULL, true },
	{ "two signatures", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nHTTP_X_CHATWOOT_SIGNATURE=a\nHTTP_X_CHATWOOT_SIGNATURE=b\n", 400, "BAD_REQUEST", true },
	{ "text", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nCONTENT_TYPE=text/plain\n", 415, "BAD_TYPE", true },
	{ "packed", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nHTTP_CONTENT_ENCODING=gzip\n", 415, "BAD_TYPE", true },
	{ "packed on the way", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nHTTP_TRANSFER_ENCODING=gzip, chunked\n", 415, "BAD_TYPE", true },
	{ "identity is no encoding", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nHTTP_CONTENT_ENCODING=Identity\n", 0, NULL, true },
	{ "chunked is undone by nginx", "REQUEST_METHOD=POST\nREQUEST_URI=/webhook\nHTTP_TRANSFER_ENCODING=chunked\n", 0, NULL, true },
	{ "a method of 33 letters", "REQUEST_METHOD=GETGETGETGETGETGETGETGETGETGETGET\nREQUEST_URI=/\n", 400, "BAD_REQUEST", false },
};

static void
give(struct request *r, const char *lines)
{
	struct slice rest = slice_of(lines), line, name, value;

	request_reset(r, 0);
	while (slice_cut(rest, '\n', &line, &rest))
		if (slice_cut(line, '=', &name, &value))
			request_take(r, name, value);
}

static bool
text_has(const struct request *r, const char *word)
{
	struct slice text = buf_view(&r->answer.text);
	return text.len > 0 && memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

static void
test_rows(void)
{
	struct request r = { 0 };
	size_t length;

	CU_ASSERT_EQUAL(arena_new(MIB, &r.arena), 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		give(&r, rows[i].lines);
		bool go = request_open(&r) && request_route(&r, table, ARRAY_LEN(table)) &&
		    (r.route->body_max == 0 || request_admit(&r, 100, &length));
		ROW(rows[i].name, go == (rows[i].status == 0));
		ROW(rows[i].name, (int)r.answer.status == rows[i].status);
		ROW(rows[i].name, !rows[i].code || text_has(&r, rows[i].code));
		ROW(rows[i].name, go || text_has(&r, r.id));
		ROW(rows[i].name, go || text_has(&r, "\"status\":\"refused\"") == rows[i].webhook);
		ROW(rows[i].name, go || text_has(&r, "\"detail\":") != rows[i].webhook);
	}
	arena_free(r.arena);
	buf_free(&r.answer.text);
}

static void
test_ids(void)
{
	struct request r = { 0 };

	CU_ASSERT_EQUAL(arena_new(MIB, &r.arena), 0);
	give(&r, "REQUEST_METHOD=GET\nREQUEST_URI=/\nREQUEST_ID=" ID "\nHTTP_X_REQUEST_ID=mine\n");
	CU_ASSERT(request_open(&r));
	ROW("nginx's id is ours", strcmp(r.id, ID) == 0);
	ROW("a client's own is kept beside it", slice_eq(request_given(&r, REQUEST_P_CLIENT_ID), SLICE("mine")));
	static const char *const bad[] = {
		"REQUEST_ID=\n", "REQUEST_ID=0123\n", "REQUEST_ID=0123456789ABCDEF0123456789ABCDEF\n",
		"REQUEST_ID=" ID "0\n", "HTTP_X_REQUEST_ID=" ID "\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		give(&r, bad[i]);
		(void)!request_open(&r);
		ROW(bad[i], strlen(r.id) == 32 && strcmp(r.id, ID) != 0 && strspn(r.id, "0123456789abcdef") == 32);
	}
	arena_free(r.arena);
	buf_free(&r.answer.text);
}

static void
test_allow_list(void)
{
	static const char *const ignored[] = {
		"HTTP_PROXY=http://evil/\n", "REMOTE_USER=root\n", "SCRIPT_NAME=/webhook\n", "HTTP_X_FORWARDED_FOR=10.0.0.1\n",
		"HTTP_REQUEST_ID=" ID "\n", "HTTP_REMOTE_ADDR=10.0.0.1\n", "PATH_INFO=/webhook\n", "request_uri=/webhook\n",
	};
	struct request r = { 0 };

	CU_ASSERT_EQUAL(arena_new(MIB, &r.arena), 0);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++) {
		give(&r, ignored[i]);
		size_t given = 0;
		for (size_t p = 0; p < REQUEST_P_COUNT; p++)
			given += r.given[p].len;
		ROW(ignored[i], given == 0 && !r.fault);
	}
	arena_free(r.arena);
}

static void
test_shown_path(void)
{
	static const struct { const char *lines, *want; } paths[] = {
		{ "REQUEST_METHOD=POST\nREQUEST_URI=/webhook/chatwoot/shop/bot/SECRET\n", "/webhook/chatwoot/{tenant}/{kind}/{secret}" },
		{ "REQUEST_METHOD=POST\nREQUEST_URI=/webhook/chatwoot/shop/bot/SECRET/\n", "/webhook/chatwoot/shop" },
		{ "REQUEST_METHOD=GET\nREQUEST_URI=/webhook/chatwoot/shop/bot/SECRET\n", "/webhook/chatwoot/shop" },
		{ "REQUEST_METHOD=GET\nREQUEST_URI=/a/b\n", "/a/b" },
	};
	struct request r = { 0 };

	CU_ASSERT_EQUAL(arena_new(MIB, &r.arena), 0);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		give(&r, paths[i].lines);
		if (request_open(&r))
			(void)!request_route(&r, table, ARRAY_LEN(table));
		ROW(paths[i].lines, slice_eq(request_shown_path(&r), slice_of(paths[i].want)));
	}
	arena_free(r.arena);
	buf_free(&r.answer.text);
}

static void
test_long_path(void)
{
	struct request r = { 0 };
	static char uri[REQUEST_PATH_MAX + 2];

	CU_ASSERT_EQUAL(arena_new(MIB, &r.arena), 0);
	memset(uri, 'a', sizeof uri);
	uri[0] = '/';
	for (size_t extra = 0; extra < 2; extra++) {
		request_reset(&r, 0);
		request_take(&r, SLICE("REQUEST_URI"), slice_from(uri, REQUEST_PATH_MAX + extra));
		ROW("2048 bytes of path, and no more", request_open(&r) == (extra == 0));
	}
	arena_free(r.arena);
	buf_free(&r.answer.text);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "rows", test_rows }, { "ids", test_ids }, { "allow_list", test_allow_list },
		{ "shown_path", test_shown_path }, { "long_path", test_long_path },
	};
	if (crypt_init() != 0)
		return 2;
	return unit_run("request", tests, ARRAY_LEN(tests), 0);
}
