#include <string.h>

#include "lib/route.h"
#include "t/unit/unit.h"

/* clang-format off */
static const struct route table[] = {
	{ .method = HTTP_M_GET,    .path = "/" },                                       /* 0 */
	{ .method = HTTP_M_GET,    .path = "/health" },                                 /* 1 */
	{ .method = HTTP_M_GET,    .path = "/webhook/" },                               /* 2 */
	{ .method = HTTP_M_POST,   .path = "/webhook" },                                /* 3 */
	{ .method = HTTP_M_POST,   .path = "/webhook/chatwoot/{tenant}/bot" },          /* 4 */
	{ .method = HTTP_M_POST,   .path = "/webhook/chatwoot/{tenant}/bot/{secret}" }, /* 5 */
	{ .method = HTTP_M_GET,    .path = "/api/{name}" },                             /* 6 */
	{ .method = HTTP_M_PUT,    .path = "/api/{name}" },                             /* 7 */
	{ .method = HTTP_M_DELETE, .path = "/api/special" },                            /* 8 */
};

#define NO_PATH   (-1)
#define NO_METHOD (-2)
static const struct {
	const char *name, *path;
	enum http_method method;
	int row;
	const char *rest;       /* the parameters, or what is allowed */
} rows[] = {
	{ "the root",                              "/",                             HTTP_M_GET,  0, "" },
	{ "a plain path",                          "/health",                       HTTP_M_GET,  1, "" },
	{ "HEAD finds the GET row",                "/health",                       HTTP_M_HEAD, 1, "" },
	{ "the wrong method is not 404",           "/health",                       HTTP_M_POST, NO_METHOD, "GET, HEAD" },
	{ "a method nobody knows",                 "/health",                       HTTP_M_OTHER, NO_METHOD, "GET, HEAD" },
	{ "no HEAD where there is no GET",         "/webhook",                      HTTP_M_HEAD, NO_METHOD, "POST" },
	{ "a slash at the end is another path",    "/health/",                      HTTP_M_GET,  NO_PATH, "" },
	{ "and the row that has one wants it",     "/webhook/",                     HTTP_M_GET,  2, "" },
	{ "without it the other row counts",       "/webhook",                      HTTP_M_POST, 3, "" },
	{ "the path with a slash has its methods", "/webhook/",                     HTTP_M_POST, NO_METHOD, "GET, HEAD" },
	{ "a parameter is one segment",            "/webhook/chatwoot/shop/bot",    HTTP_M_POST, 4, "shop|" },
	{ "two parameters in order",               "/webhook/chatwoot/shop/bot/s3", HTTP_M_POST, 5, "shop|s3|" },
	{ "an empty name is no name",              "/webhook/chatwoot//bot",        HTTP_M_POST, NO_PATH, "" },
	{ "an empty last name is no name",         "/webhook/chatwoot/shop/bot/",   HTTP_M_POST, NO_PATH, "" },
	{ "a name does not hold a slash",          "/webhook/chatwoot/a/b/bot",     HTTP_M_POST, NO_PATH, "" },
	{ "an encoded slash stays in its segment", "/webhook/chatwoot/a%2Fb/bot",   HTTP_M_POST, 4, "a%2Fb|" },
	{ "an encoded letter is not the letter",   "/h%65alth",                     HTTP_M_GET,  NO_PATH, "" },
	{ "dots are only letters",                 "/webhook/chatwoot/../bot",      HTTP_M_POST, 4, "..|" },
	{ "case matters",                          "/Health",                       HTTP_M_GET,  NO_PATH, "" },
	{ "a path may not go on",                  "/health/more",                  HTTP_M_GET,  NO_PATH, "" },
	{ "nor end early",                         "/webhook/chatwoot",             HTTP_M_POST, NO_PATH, "" },
	{ "a double slash is not one",             "//health",                      HTTP_M_GET,  NO_PATH, "" },
	{ "an empty path is no path",              "",                              HTTP_M_GET,  NO_PATH, "" },
	{ "a path begins with a slash",            "health",                        HTTP_M_GET,  NO_PATH, "" },
	{ "the method chooses between rows",       "/api/x",                        HTTP_M_PUT,  7, "x|" },
	{ "methods are gathered over all rows",    "/api/special",                  HTTP_M_POST, NO_METHOD, "GET, HEAD, PUT, DELETE" },
	{ "a literal row is found behind others",  "/api/special",                  HTTP_M_DELETE, 8, "" },
};
/* clang-format on */

static void
rows_are_found(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct route_match m = { .row = 99 };
		unsigned allow = 0;
		char text[200] = "";

		int r = route_find(table, ARRAY_LEN(table), rows[i].method, slice_of(rows[i].path), &m, &allow);
		if (rows[i].row >= 0) {
			ROW(rows[i].name, r == 0 && m.row == (size_t)rows[i].row);
			for (unsigned p = 0; p < m.params; p++)
				snprintf(text + strlen(text), sizeof text - strlen(text), SLICE_FMT "|",
				    SLICE_ARG(m.param[p]));
		} else if (rows[i].row == NO_METHOD) {
			ROW(rows[i].name, r == ROUTE_E_NO_METHOD);
			ROW(rows[i].name, route_allow_text(allow, text, sizeof text) == strlen(text));
		} else {
			ROW(rows[i].name, r == ROUTE_E_NO_PATH);
		}
		ROW(rows[i].name, strcmp(text, rows[i].rest) == 0);
	}
}

static void
a_small_place_for_allow_is_not_overrun(void)
{
	char text[10];

	memset(text, 'x', sizeof text);
	CU_ASSERT_EQUAL(route_allow_text(1u << HTTP_M_GET | 1u << HTTP_M_HEAD, text, 6), 5);
	CU_ASSERT_STRING_EQUAL(text, "GET, ");
	CU_ASSERT_EQUAL(text[6], 'x');
	CU_ASSERT_EQUAL(route_allow_text(1u << HTTP_M_GET, text, 0), 0);
	CU_ASSERT_EQUAL(route_allow_text(0, text, sizeof text), 0);
	CU_ASSERT_STRING_EQUAL(text, "");
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "rows are found", rows_are_found },
		{ "a small place for Allow is not overrun", a_small_place_for_allow_is_not_overrun },
	};
	return unit_run("route", tests, ARRAY_LEN(tests), 0);
}
