#include <errno.h>
#include <string.h>

#include "lib/http.h"

#include "t/unit/unit.h"

static void
names(void)
{
	ROW("a method is known by its name", http_method_of(SLICE("POST")) == HTTP_M_POST);
	ROW("the last of them too", http_method_of(SLICE("OPTIONS")) == HTTP_M_OPTIONS);
	ROW("methods are case-sensitive", http_method_of(SLICE("post")) == HTTP_M_OTHER);
	ROW("half a method is another", http_method_of(SLICE("POS")) == HTTP_M_OTHER);
	ROW("no method is another", http_method_of((struct slice){ NULL, 0 }) == HTTP_M_OTHER);
	bool round = true;
	for (int m = HTTP_M_GET; m <= HTTP_M_OPTIONS; m++)
		round = round && http_method_of(slice_of(http_method_name((enum http_method)m))) == (enum http_method)m;
	ROW("every method's name leads back to it", round);
	ROW("what is no method has a name too", http_method_name((enum http_method)99) != NULL);
	ROW("a status has its phrase", strcmp(http_phrase(HTTP_CONTENT_TOO_LARGE), "Content Too Large") == 0);
	ROW("an unknown status has one too", strcmp(http_phrase((enum http_status)799), "Unknown") == 0);
}

static void
json_types(void)
{
	static const struct { const char *name, *type; bool json; } row[] = {
		{ "the type itself", "application/json", true },
		{ "parameters do not matter", "application/json; charset=utf-8", true },
		{ "nor blanks before them", "application/json ;charset=utf-8", true },
		{ "nor case", "Application/JSON", true },
		{ "a missing type passes", "", true },
		{ "a blank one too", "  ", true },
		{ "a form does not", "application/x-www-form-urlencoded", false },
		{ "text does not", "text/plain", false },
		{ "a longer name does not", "application/jsonp", false },
		{ "a suffix does not", "application/vnd.api+json", false },
		{ "a parameter alone does not", ";application/json", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, http_is_json(slice_of(row[i].type)) == row[i].json);
}

static void
retry_after(void)
{
	/* now: Sun, 06 Nov 1994 08:49:37 GMT */
	const int64_t now = 784111777;
	static const struct { const char *name, *value; int64_t ms; } row[] = {
		{ "seconds", "120", 120000 },
		{ "no seconds", "0", 0 },
		{ "blanks around", " 5 ", 5000 },
		{ "leading zeros are in the grammar", "007", 7000 },
		{ "very many seconds are ten years", "99999999999999999999999", INT64_C(315360000000) },
		{ "nothing", "", -1 },
		{ "a negative number", "-5", -1 },
		{ "a fraction", "1.5", -1 },
		{ "a unit", "5s", -1 },
		{ "a word", "soon", -1 },
		{ "a date", "Sun, 06 Nov 1994 08:50:37 GMT", 60000 },
		{ "the wrong weekday is forgiven", "Mon, 06 Nov 1994 08:50:37 GMT", 60000 },
		{ "the old form with two digits for the year", "Sunday, 06-Nov-94 08:50:37 GMT", 60000 },
		{ "two digits may mean the next century", "Saturday, 06-Nov-04 08:49:37 GMT", INT64_C(315360000000) },
		{ "the form of asctime()", "Sun Nov  6 08:50:37 1994", 60000 },
		{ "the form of asctime(), two digits", "Wed Nov 16 08:49:37 1994", 864000000 },
		{ "this moment", "Sun, 06 Nov 1994 08:49:37 GMT", 0 },
		{ "a past date", "Sat, 05 Nov 1994 08:49:37 GMT", 0 },
		{ "a leap second", "Sun, 06 Nov 1994 08:49:60 GMT", 22000 },
		{ "another zone", "Sun, 06 Nov 1994 08:50:37 CET", -1 },
		{ "no zone", "Sun, 06 Nov 1994 08:50:37", -1 },
		{ "one digit for the day", "Sun, 6 Nov 1994 08:50:37 GMT", -1 },
		{ "a month that does not exist", "Sun, 06 Nob 1994 08:50:37 GMT", -1 },
		{ "31 November", "Sun, 31 Nov 1994 08:50:37 GMT", -1 },
		{ "day 0", "Sun, 00 Nov 1994 08:50:37 GMT", -1 },
		{ "hour 24", "Sun, 06 Nov 1994 24:50:37 GMT", -1 },
		{ "minute 60", "Sun, 06 Nov 1994 08:60:37 GMT", -1 },
		{ "bytes behind it", "Sun, 06 Nov 1994 08:50:37 GMT!", -1 },
		{ "a comma alone", ",", -1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, http_retry_after_ms(slice_of(row[i].value), now) == row[i].ms);
}

static void
credentials(void)
{
	static const struct { const char *name, *field, *scheme, *want; } row[] = {
		{ "a token", "Bearer abc.def", "Bearer", "abc.def" },
		{ "the scheme in any case", "bEARER abc", "Bearer", "abc" },
		{ "more blanks", "  Bearer   abc  ", "Bearer", "abc" },
		{ "user and password", "Basic dXNlcjpwYXNz", "Basic", "dXNlcjpwYXNz" },
		{ "another scheme", "Basic dXNlcjpwYXNz", "Bearer", "" },
		{ "nothing behind the scheme", "Bearer ", "Bearer", "" },
		{ "the scheme alone", "Bearer", "Bearer", "" },
		{ "a longer scheme", "Bearerx abc", "Bearer", "" },
		{ "a token without a scheme", "abc", "Bearer", "" },
		{ "no header", "", "Bearer", "" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, slice_eq(http_credential(slice_of(row[i].field), slice_of(row[i].scheme)),
		    slice_of(row[i].want)));
}

static void
urls(void)
{
	static const struct { const char *name, *url; bool tls; const char *host; unsigned port; const char *path; } row[] = {
		{ "a host alone", "https://chat.example", true, "chat.example", 443, "" },
		{ "a root", "http://chat.example/", false, "chat.example", 80, "/" },
		{ "path and query", "https://h/api/v1?x=1&y=/2", true, "h", 443, "/api/v1?x=1&y=/2" },
		{ "a port", "http://127.0.0.1:8069/web", false, "127.0.0.1", 8069, "/web" },
		{ "the largest port", "http://h:65535", false, "h", 65535, "" },
		{ "a scheme in upper case", "HTTPS://H.Example/X", true, "H.Example", 443, "/X" },
		{ "IPv6", "http://[::1]/x", false, "::1", 80, "/x" },
		{ "IPv6 with a port", "https://[2001:db8::7]:8443", true, "2001:db8::7", 8443, "" },
		{ "IPv4 inside IPv6", "http://[::ffff:10.0.0.1]/", false, "::ffff:10.0.0.1", 80, "/" },
		{ "an '@' and a ':' in the path", "http://h/a@b:c", false, "h", 80, "/a@b:c" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct http_url u = { 0 };
		ROW(row[i].name, http_url_split(slice_of(row[i].url), &u) == 0);
		ROW(row[i].name, u.tls == row[i].tls && u.port == row[i].port &&
		    slice_eq(u.host, slice_of(row[i].host)) && slice_eq(u.path, slice_of(row[i].path)));
	}
}

static void
bad_urls(void)
{
	static const struct { const char *name, *url; } row[] = {
		{ "nothing", "" },
		{ "no scheme", "chat.example/x" },
		{ "another scheme", "ftp://chat.example/" },
		{ "a file", "file:///etc/passwd" },
		{ "one slash", "http:/chat.example" },
		{ "no host", "http://" },
		{ "no host before the path", "http:///x" },
		{ "no host before the port", "http://:80/" },
		{ "user-info", "http://user@chat.example/" },
		{ "user-info with a password", "http://user:pass@chat.example/" },
		{ "a fragment", "http://chat.example/#x" },
		{ "a blank", "http://chat.example/a b" },
		{ "a newline", "http://chat.example/\r\nX: y" },
		{ "a backslash", "http://good.example\\@evil.example/" },
		{ "a backslash in the path", "http://chat.example/a\\b" },
		{ "a byte above ASCII", "http://caf\xc3\xa9.example/" },
		{ "DEL", "http://chat.example/\x7f" },
		{ "a percent sign in the host", "http://chat%2eexample/" },
		{ "a query behind the host", "http://chat.example?x=1" },
		{ "port 0", "http://h:0/" },
		{ "a port above 65535", "http://h:65536/" },
		{ "an empty port", "http://h:/" },
		{ "a port with a leading zero", "http://h:080/" },
		{ "a port that is a word", "http://h:http/" },
		{ "two ports", "http://h:80:80/" },
		{ "an IPv6 address without brackets", "http://::1/" },
		{ "a bracket that is never closed", "http://[::1/" },
		{ "bytes behind the bracket", "http://[::1]x/" },
		{ "a name in brackets", "http://[chat]/" },
		{ "IPv4 in brackets", "http://[127.0.0.1]/" },
		{ "a zone", "http://[fe80::1%25eth0]/" },
		{ "empty brackets", "http://[]/" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct http_url u;
		ROW(row[i].name, http_url_split(slice_of(row[i].url), &u) == -EINVAL);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "names", names },
		{ "JSON types", json_types },
		{ "Retry-After", retry_after },
		{ "credentials", credentials },
		{ "URLs", urls },
		{ "bad URLs", bad_urls },
	};
	return unit_run("http", tests, ARRAY_LEN(tests), 0);
}
