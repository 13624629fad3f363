#include <errno.h>
#include <time.h>

#include "lib/http.h"

/* ---- names ---- */

static const struct slice method_names[] = {
	[HTTP_M_OTHER] = { "OTHER", 5 },
#define X(name) [HTTP_M_##name] = { #name, sizeof #name - 1 },
	HTTP_METHODS(X)
#undef X
};

enum http_method
http_method_of(struct slice s)
{
	/* Methods are case-sensitive (RFC 9110, 9.1). */
	for (size_t i = HTTP_M_OTHER + 1; i < ARRAY_LEN(method_names); i++)
		if (slice_eq(s, method_names[i]))
			return (enum http_method)i;
	return HTTP_M_OTHER;
}

const char *
http_method_name(enum http_method m)
{
	return (size_t)m < ARRAY_LEN(method_names) ? method_names[m].ptr : method_names[0].ptr;
}

const char *
http_phrase(enum http_status status)
{
	/* No default: the compiler names the case we forgot. */
	switch (status) {
#define X(code, name, phrase) case HTTP_##name: return phrase;
	HTTP_STATUSES(X)
#undef X
	}
	return "Unknown";
}

/* ---- header fields ---- */

bool
http_is_json(struct slice content_type)
{
	struct slice type = content_type, parameters;

	slice_cut(content_type, ';', &type, &parameters);
	type = slice_trim(type);
	return slice_trim(content_type).len == 0 || slice_eq_nocase(type, SLICE("application/json"));
}

struct slice
http_credential(struct slice authorization, struct slice scheme)
{
	struct slice s = slice_trim(authorization), none = { NULL, 0 };

	if (s.len <= scheme.len || !slice_eq_nocase((struct slice){ s.ptr, scheme.len }, scheme))
		return none;
	s = slice_after(s, scheme.len);
	return s.ptr[0] == ' ' ? slice_trim(s) : none;
}

/* Up to max digits at the front of *s, which is moved behind them; -1 when
 * there are fewer than min. */
static int
take_digits(struct slice *s, size_t min, size_t max)
{
	int n = 0;
	size_t i = 0;

	while (i < s->len && i < max && s->ptr[i] >= '0' && s->ptr[i] <= '9')
		n = n * 10 + (s->ptr[i++] - '0');
	*s = slice_after(*s, i);
	return i < min ? -1 : n;
}

static int
take_month(struct slice *s)
{
	static const char name[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (slice_starts(*s, slice_from(name + 3 * i, 3))) {
			*s = slice_after(*s, 3);
			return i;
		}
	}
	return -1;
}

/* Reads s by a pattern: D two digits of the day (or a blank and one), N the
 * name of the month, Y four digits, y two, h m s two each; every other
 * character is itself. */
static bool
read_date(struct slice s, const char *pattern, struct tm *ret)
{
	for (; *pattern; pattern++) {
		int *field = NULL, value = 0;
		switch (*pattern) {
		case 'D':
			field = &ret->tm_mday;
			value = slice_starts(s, SLICE(" ")) ? (s = slice_after(s, 1), take_digits(&s, 1, 1)) :
			    take_digits(&s, 2, 2);
			break;
		case 'N': field = &ret->tm_mon; value = take_month(&s); break;
		case 'Y': field = &ret->tm_year; value = take_digits(&s, 4, 4); break;
		case 'y': field = &ret->tm_year; value = take_digits(&s, 2, 2); break;
		case 'h': field = &ret->tm_hour; value = take_digits(&s, 2, 2); break;
		case 'm': field = &ret->tm_min; value = take_digits(&s, 2, 2); break;
		case 's': field = &ret->tm_sec; value = take_digits(&s, 2, 2); break;
		default:
			if (s.len == 0 || s.ptr[0] != *pattern)
				return false;
			s = slice_after(s, 1);
		}
		if (value < 0)
			return false;
		if (field)
			*field = value;
	}
	return s.len == 0;
}

/* The three forms of RFC 9110, 5.6.7; the name of the weekday is not looked
 * at.  Unix seconds, or -1. */
static int64_t
read_http_date(struct slice s, int64_t now_s)
{
	struct slice day, rest;
	struct tm t = { 0 };

	if (slice_cut(s, ',', &day, &rest)) {
		if (read_date(rest, " D N Y h:m:s GMT", &t)) {
			t.tm_year -= 1900;
		} else if (read_date(rest, " D-N-y h:m:s GMT", &t)) {
			/* The last such year that is not more than 50 ahead. */
			int64_t year = 1970 + now_s / 31556952;
			int64_t meant = year / 100 * 100 + 100 + t.tm_year;
			while (meant > year + 50)
				meant -= 100;
			t.tm_year = (int)(meant - 1900);
		} else {
			return -1;
		}
	} else if (s.len > 3 && read_date(slice_after(s, 3), " N D h:m:s Y", &t)) {
		t.tm_year -= 1900;
	} else {
		return -1;
	}
	if (t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
		return -1;
	if (t.tm_sec == 60)
		t.tm_sec = 59;
	/* timegm() makes 31 June the first of July, and 0 June the last of May. */
	int month = t.tm_mon;
	int64_t when = timegm(&t);
	return t.tm_mon == month ? when : -1;
}

int64_t
http_retry_after_ms(struct slice value, int64_t now_s)
{
	/* Nobody waits longer; it keeps the product small. */
	const int64_t longest_s = INT64_C(10) * 365 * 86400;
	struct slice s = slice_trim(value);
	int64_t wait_s = 0;

	if (s.len == 0)
		return -1;
	if (s.ptr[0] >= '0' && s.ptr[0] <= '9') {
		for (size_t i = 0; i < s.len; i++) {
			if (s.ptr[i] < '0' || s.ptr[i] > '9')
				return -1;
			wait_s = wait_s * 10 + (s.ptr[i] - '0');
			if (wait_s > longest_s)
				wait_s = longest_s;
		}
	} else {
		int64_t when = read_http_date(s, now_s);
		if (when < 0)
			return -1;
		wait_s = when > now_s ? when - now_s : 0;
	}
	return (wait_s < longest_s ? wait_s : longest_s) * 1000;
}

/* ---- URLs ---- */

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
host_is_good(struct slice host, bool bracketed)
{
	bool colon = false;

	if (host.len == 0 || host.len > 253)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];
		bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
		colon |= c == ':';
		if (bracketed ? !hex && c != ':' && c != '.' : !is_alnum(c) && c != '-' && c != '.' && c != '_')
			return false;
	}
	return colon == bracketed;
}

/* "host", "host:port", "[v6]" or "[v6]:port". */
static int
split_authority(struct slice s, struct http_url *u)
{
	struct slice host = s, port = { NULL, 0 };
	bool bracketed = slice_starts(s, SLICE("["));

	if (bracketed) {
		if (!slice_cut(slice_after(s, 1), ']', &host, &port))
			return -EINVAL;
		if (port.len > 0 && port.ptr[0] != ':')
			return -EINVAL;
		s = port;
	}
	struct slice before = s;
	bool has_port = slice_cut(s, ':', &before, &port);
	if (!bracketed)
		host = before;
	if (!host_is_good(host, bracketed))
		return -EINVAL;
	u->host = host;

	uint64_t number = u->tls ? 443 : 80;
	if (has_port && slice_to_u64(port, 1, 65535, &number) < 0)
		return -EINVAL;
	u->port = (unsigned)number;
	return 0;
}

int
http_url_split(struct slice url, struct http_url *ret)
{
	struct http_url u = { 0 };
	struct slice scheme, rest;

	for (size_t i = 0; i < url.len; i++) {
		uint8_t c = (uint8_t)url.ptr[i];
		/* A '\' is a '/' to some readers, and an '@' opens user-info. */
		if (c <= 0x20 || c >= 0x7f || c == '#' || c == '\\')
			return -EINVAL;
	}
	if (!slice_cut(url, ':', &scheme, &rest) || !slice_starts(rest, SLICE("//")))
		return -EINVAL;
	u.tls = slice_eq_nocase(scheme, SLICE("https"));
	if (!u.tls && !slice_eq_nocase(scheme, SLICE("http")))
		return -EINVAL;

	rest = slice_after(rest, 2);
	size_t n = 0;
	while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?')
		n++;
	u.path = slice_after(rest, n);
	if (slice_starts(u.path, SLICE("?")))
		return -EINVAL;
	int r = split_authority((struct slice){ rest.ptr, n }, &u);
	if (r < 0)
		return r;
	*ret = u;
	return 0;
}
