#include <inttypes.h>
#include <math.h>

#include "app/worker/page.h"
#include "app/worker/request.h"
#include "lib/clock.h"
#include "lib/json.h"

static const struct { enum http_status status; const char *code; } refusals[] = {
	[REQUEST_R_NONE] = { HTTP_INTERNAL_SERVER_ERROR, "" },
#define X(name, status, counter) [REQUEST_R_##name] = { HTTP_##status, #name },
	REQUEST_REFUSALS(X)
#undef X
};

void
answer_begin(struct request *r, enum http_status status)
{
	r->answer.status = status;
	r->answer.broken = r->answer.page = false;
	r->answer.etag[0] = '\0';
	buf_clear(&r->answer.text);
}

static void
member(struct request *r, const char *key)
{
	bool first = r->answer.text.len == 0;
	char before = first ? '\0' : buf_view(&r->answer.text).ptr[r->answer.text.len - 1];
	const char *comma = first ? "{" : before == '{' || before == '[' ? "" : ",";
	if ((key ? buf_printf(&r->answer.text, "%s\"%s\":", comma, key) : buf_append_slice(&r->answer.text, slice_of(comma))) < 0)
		r->answer.broken = true;
}

void
answer_text(struct request *r, const char *key, struct slice value)
{
	member(r, key);
	if (json_quote(value, &r->answer.text) < 0)
		r->answer.broken = true;
}

void
answer_int(struct request *r, const char *key, int64_t value)
{
	member(r, key);
	if (buf_printf(&r->answer.text, "%" PRId64, value) < 0)
		r->answer.broken = true;
}

void
answer_null(struct request *r, const char *key)
{
	member(r, key);
	if (buf_append_slice(&r->answer.text, SLICE("null")) < 0)
		r->answer.broken = true;
}

void
answer_bool(struct request *r, const char *key, bool value)
{
	member(r, key);
	if (buf_append_slice(&r->answer.text, value ? SLICE("true") : SLICE("false")) < 0)
		r->answer.broken = true;
}

void
answer_number(struct request *r, const char *key, double value)
{
	member(r, key);
	if (buf_printf(&r->answer.text, "%.15g", isfinite(value) ? value : 0) < 0)
		r->answer.broken = true;
}

void
answer_float(struct request *r, const char *key, int64_t us)
{
	member(r, key);
	if (buf_printf(&r->answer.text, "%" PRId64 ".%06" PRId64, us / 1000000, us % 1000000) < 0)
		r->answer.broken = true;
}

void
answer_json(struct request *r, const char *key, const struct json *value)
{
	member(r, key);
	if (json_print(value, &r->answer.text) < 0)
		r->answer.broken = true;
}

void
answer_open(struct request *r, const char *key)
{
	member(r, key);
	if (buf_append_slice(&r->answer.text, SLICE("{")) < 0)
		r->answer.broken = true;
}

void
answer_close(struct request *r)
{
	if (buf_append_slice(&r->answer.text, SLICE("}")) < 0)
		r->answer.broken = true;
}

void
answer_array(struct request *r, const char *key)
{
	member(r, key);
	if (buf_append_slice(&r->answer.text, SLICE("[")) < 0)
		r->answer.broken = true;
}

void
answer_array_close(struct request *r)
{
	if (buf_append_slice(&r->answer.text, SLICE("]")) < 0)
		r->answer.broken = true;
}

void
answer_end(struct request *r)
{
	if (buf_append_slice(&r->answer.text, r->answer.text.len ? SLICE("}") : SLICE("{}")) < 0)
		r->answer.broken = true;
	if (r->answer.broken)                   /* serve.c has a fixed text for it */
		r->answer.status = HTTP_INTERNAL_SERVER_ERROR;
}

/* What the clients of /api/v1 look for stands in two places: `error` where the
 * system before ponte refused at its door, `detail` where a route did. */
static void
refuse_in_envelope(struct request *r, struct slice code)
{
	static const char *const places[] = { "error", "detail" };

	answer_bool(r, "success", false);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		answer_open(r, places[i]);
		answer_text(r, "code", code);
		answer_text(r, "message", r->reason);
		answer_open(r, "details");
		answer_close(r);
		answer_close(r);
	}
	answer_open(r, "meta");
	answer_text(r, "request_id", slice_of(r->id));
	answer_close(r);
	answer_text(r, "code", code);
}

void
answer_refuse(struct request *r, enum request_refusal why, struct slice reason)
{
	struct slice code = slice_of(answer_code(why));

	/* No 503 at a webhook path. */
	if (r->sync && why == REQUEST_R_SERVICE_UNAVAILABLE_ERROR) {
		why = REQUEST_R_TRY_AGAIN;
		code = slice_of(answer_code(why));
	}
	/* An overflowed arena gives an empty text: the code still stands. */
	r->refusal = why;
	r->reason = reason.len ? reason : code;
	if (r->route && r->route->shape == ROUTE_PAGE) {
		page_refusal(r, refusals[why].status, code);
		return;
	}
	answer_begin(r, refusals[why].status);
	if (request_is_webhook(r) && !r->sync) {
		answer_text(r, "status", SLICE("refused"));
		answer_text(r, "code", code);
		answer_text(r, "reason", r->reason);
	} else if (!r->sync && r->route && r->route->shape == ROUTE_ENVELOPE) {
		refuse_in_envelope(r, code);
	} else if (r->sync || (r->route && r->route->shape == ROUTE_TOOL)) {
		answer_bool(r, "success", false);
		answer_text(r, "error", r->reason);
		answer_text(r, "code", code);
	} else {
		answer_text(r, "detail", r->reason);
		answer_text(r, "code", code);
	}
	answer_text(r, "request_id", slice_of(r->id));
	answer_end(r);
}

const char *
answer_code(enum request_refusal why)
{
	return why == REQUEST_R_DEADLINE ? "SERVICE_UNAVAILABLE_ERROR" : refusals[why].code;
}

/* ---- as it is sent ---- */

/* RFC 6750, section 3; and when to come back. */
static const char *
more_headers(const struct request *r)
{
	switch (r->refusal) {
	case REQUEST_R_UNAUTHORIZED:
		return "WWW-Authenticate: Bearer\r\n";
	case REQUEST_R_INVALID_TOKEN:
		return "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n";
	case REQUEST_R_AUTHORIZATION_ERROR:
		return "WWW-Authenticate: Bearer error=\"insufficient_scope\"\r\n";
	case REQUEST_R_SERVICE_UNAVAILABLE_ERROR:
		return "Retry-After: 1\r\n";
	case REQUEST_R_RATE_LIMIT_ERROR:
		return r->retry_after;
	default:
		return "";
	}
}

struct slice
answer_body(const struct request *r)
{
	return r->answer.broken ? SLICE("{\"status\":\"refused\",\"code\":\"TRY_AGAIN\",\"reason\":\"out of memory\"}") : buf_view(&r->answer.text);
}

/* RFC 9110, 8.8.3, and 9111, 5.1: may be kept by its reader alone, who asks each time. */
static int
head_of_kept(const struct request *r, struct buf *out)
{
	int64_t age_us = clock_wall_us() - r->answer.synced_us;
	int e = buf_printf(out, "Cache-Control: private, no-cache\r\nETag: W/\"%s\"\r\n", r->answer.etag);

	if (e == 0 && r->answer.synced_us > 0)
		e = buf_printf(out, "Age: %" PRId64 "\r\n", age_us > 0 ? age_us / US_PER_S : 0);
	return e;
}

int
answer_head(const struct request *r, int64_t now_us, struct buf *out)
{
	bool page = r->answer.page && !r->answer.broken, kept = r->answer.etag[0] != '\0' && !r->answer.broken;
	int64_t took = now_us - r->began_us;
	int e = buf_printf(out, "Status: %d %s\r\n", (int)r->answer.status, http_phrase(r->answer.status));

	if (e == 0 && r->answer.status != HTTP_NOT_MODIFIED)
		e = buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", page ? PAGE_TYPE : "application/json", answer_body(r).len);
	if (e == 0)
		e = kept ? head_of_kept(r, out) : buf_append_slice(out, SLICE("Cache-Control: no-store\r\n"));
	if (e == 0 && page)
		e = buf_append_slice(out, SLICE("Content-Security-Policy: " PAGE_POLICY "\r\n"));
	if (e == 0 && r->answer.allow[0])
		e = buf_printf(out, "Allow: %s\r\n", r->answer.allow);
	if (e == 0)
		e = buf_printf(out, "X-Request-ID: %s\r\nX-Process-Time: %" PRId64 ".%06" PRId64 "\r\n%s\r\n", r->id, took / US_PER_S,
		    took % US_PER_S, more_headers(r));
	return e;
}
