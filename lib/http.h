/* http: names and small grammars of HTTP (RFC 9110), no sockets. */
#ifndef PONTE_HTTP_H
#define PONTE_HTTP_H

#include "lib/base.h"

#define HTTP_METHODS(X) X(GET) X(HEAD) X(POST) X(PUT) X(PATCH) X(DELETE) X(OPTIONS)
enum http_method {
	HTTP_M_OTHER = 0,
#define X(name) HTTP_M_##name,
	HTTP_METHODS(X)
#undef X
};
enum http_method http_method_of(struct slice);
const char *http_method_name(enum http_method);

#define HTTP_STATUSES(X) \
	X(200, OK, "OK") \
	X(202, ACCEPTED, "Accepted") \
	X(204, NO_CONTENT, "No Content") \
	X(304, NOT_MODIFIED, "Not Modified") \
	X(400, BAD_REQUEST, "Bad Request") \
	X(401, UNAUTHORIZED, "Unauthorized") \
	X(403, FORBIDDEN, "Forbidden") \
	X(404, NOT_FOUND, "Not Found") \
	X(405, METHOD_NOT_ALLOWED, "Method Not Allowed") \
	X(408, REQUEST_TIMEOUT, "Request Timeout") \
	X(409, CONFLICT, "Conflict") \
	X(410, GONE, "Gone") \
	X(411, LENGTH_REQUIRED, "Length Required") \
	X(413, CONTENT_TOO_LARGE, "Content Too Large") \
	X(415, UNSUPPORTED_MEDIA_TYPE, "Unsupported Media Type") \
	X(422, UNPROCESSABLE_CONTENT, "Unprocessable Content") \
	X(429, TOO_MANY_REQUESTS, "Too Many Requests") \
	X(500, INTERNAL_SERVER_ERROR, "Internal Server Error") \
	X(501, NOT_IMPLEMENTED, "Not Implemented") \
	X(502, BAD_GATEWAY, "Bad Gateway") \
	X(503, SERVICE_UNAVAILABLE, "Service Unavailable") \
	X(504, GATEWAY_TIMEOUT, "Gateway Timeout")
enum http_status {
#define X(code, name, phrase) HTTP_##name = code,
	HTTP_STATUSES(X)
#undef X
};
const char *http_phrase(enum http_status);          /* never NULL */

/* True for a missing (empty) type and for application/json with any
 * parameters; the type itself without regard to case. */
bool http_is_json(struct slice content_type);

/* Retry-After in both forms (RFC 9110 10.2.3): delay-seconds, or an HTTP-date
 * of which `now_s` (Unix seconds) is subtracted; a past date is 0.
 * Milliseconds, or -1 when there is none or it cannot be read. */
int64_t http_retry_after_ms(struct slice value, int64_t now_s);

/* "Basic dXNlcjpwYXNz" or "Bearer x": the credential behind the scheme, empty
 * when the scheme is another or nothing follows it. */
struct slice http_credential(struct slice authorization, struct slice scheme);

/* An absolute http or https URL, split without copying.  -EINVAL for other
 * schemes, user-info, a fragment, an empty host, blanks or control characters,
 * a bad port.  path begins with '/' or is empty; IPv6 hosts without brackets. */
struct http_url {
	bool         tls;
	struct slice host;
	unsigned     port;                          /* default filled in */
	struct slice path;                          /* with query */
};
MUST_CHECK int http_url_split(struct slice url, struct http_url *ret);

#endif
