#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/worker/api.h"
#include "app/worker/worker.h"
#include "lib/clock.h"
#include "lib/crypt.h"

#define SOUGHT_MAX 4096         /* bytes */
#define TAG_BYTES 12            /* of the SHA-256: nobody can make two that look alike by chance */

bool
api_refuse(struct request *r, enum request_refusal why, struct slice reason)
{
	answer_refuse(r, why, reason);
	return false;
}

bool
api_account(struct request *r)
{
	struct slice account;

	if (!api_query(r, "account_id", &account))
		return false;
	return account.len == 0 || slice_eq(account, r->tenant) ||
	    api_refuse(r, REQUEST_R_AUTHORIZATION_ERROR, SLICE("account_id is another than the token's"));
}

static bool
same_account(struct request *r, const struct json *body)
{
	const struct json *metadata;
	struct slice outer, inner = { NULL, 0 };

	bool texts = api_text(body, "account_id", &outer);
	if (json_get(body, "metadata", &metadata) == JSON_OBJECT)
		texts = api_text(metadata, "account_id", &inner) && texts;
	return (texts && (outer.len == 0 || slice_eq(outer, r->tenant)) && (inner.len == 0 || slice_eq(inner, r->tenant))) ||
	    api_refuse(r, REQUEST_R_AUTHORIZATION_ERROR, SLICE("account_id is another than the token's"));
}

bool
api_object(struct request *r, struct json **ret)
{
	struct json_fault fault;
	int e = json_check(r->body, &json_default_limits, &fault);

	if (e == 0)
		e = json_parse(r->body, ret);
	if (e < 0)
		return api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	if (e > 0)
		return api_refuse(r, e == JSON_E_SYNTAX ? REQUEST_R_BAD_JSON : REQUEST_R_BAD_SCHEMA,
		    arena_printf(r->arena, "byte %zu: %s", fault.offset, fault.what));
	return json_type_of(*ret) == JSON_OBJECT || api_refuse(r, REQUEST_R_BAD_SCHEMA, SLICE("the body is not an object"));
}

bool
api_body(struct request *r, struct json **ret)
{
	return api_object(r, ret) && same_account(r, *ret);
}

bool
api_body_optional(struct request *r, struct json **ret)
{
	if (slice_trim(r->body).len > 0)
		return api_body(r, ret);
	*ret = json_new_object();
	return *ret || api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
}

/* ---- the query ---- */

static int
digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool
decode(struct slice in, struct arena *a, struct slice *ret)
{
	char *out = arena_take(a, in.len + 1);
	size_t n = 0;

	if (!out)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		if (in.ptr[i] != '%') {
			out[n++] = in.ptr[i] == '+' ? ' ' : in.ptr[i];
			continue;
		}
		int high = in.len - i > 2 ? digit(in.ptr[i + 1]) : -1, low = in.len - i > 2 ? digit(in.ptr[i + 2]) : -1;
		if (high < 0 || low < 0 || high + low == 0)
			return false;
		out[n++] = (char)(high * 16 + low);
		i += 2;
	}
	*ret = slice_from(out, n);
	for (size_t at = 0, step; at < n; at += step)
		if ((step = slice_utf8(slice_after(*ret, at))) == 0)
			return false;
	return true;
}

bool
api_query(struct request *r, const char *name, struct slice *ret)
{
	struct slice rest = request_given(r, REQUEST_P_QUERY), wanted = slice_of(name);

	*ret = (struct slice){ NULL, 0 };
	while (rest.len > 0) {
		struct slice pair = rest, key = { NULL, 0 }, value = { NULL, 0 };
		if (!slice_cut(rest, '&', &pair, &rest))
			rest.len = 0;
		key = pair;
		if (!slice_cut(pair, '=', &key, &value))
			value.len = 0;
		if (!slice_eq(key, wanted))
			continue;
		return decode(value, r->arena, ret) ||
		    api_refuse(r, REQUEST_R_BAD_REQUEST, arena_printf(r->arena, "the query parameter %s cannot be decoded", name));
	}
	return true;
}

bool
api_query_int(struct request *r, const char *name, int64_t least, int64_t most, int64_t fallback, int64_t *ret)
{
	struct slice text;

	*ret = fallback;
	if (!api_query(r, name, &text))
		return false;
	return text.len == 0 || slice_to_i64(text, least, most, ret) == 0 ||
	    api_refuse(r, REQUEST_R_VALIDATION_ERROR, arena_printf(r->arena, "%s must be a whole number from %lld to %lld", name,
	        (long long)least, (long long)most));
}

/* ---- answers ---- */

static void
begin(struct request *r)
{
	answer_begin(r, HTTP_OK);
	answer_bool(r, "success", true);
	r->answer.data_at = r->answer.text.len;
}

/* `data` is whole: what was read has a tag of its own, whatever the rest says. */
static void
tag(struct request *r)
{
	uint8_t hash[CRYPT_SHA256];

	if ((r->method != HTTP_M_GET && r->method != HTTP_M_HEAD) || r->answer.broken)
		return;
	crypt_sha256(slice_after(buf_view(&r->answer.text), r->answer.data_at), hash);
	for (size_t i = 0; i < TAG_BYTES; i++)
		snprintf(r->answer.etag + 2 * i, 3, "%02x", hash[i]);
}

/* RFC 9110, 13.1.2: compared weakly. */
static bool
has_it(const struct request *r)
{
	struct slice rest = request_given(r, REQUEST_P_IF_NONE_MATCH), one;

	if (!r->answer.etag[0] || rest.len == 0)
		return false;
	while (rest.len > 0) {
		one = rest;
		if (!slice_cut(rest, ',', &one, &rest))
			rest.len = 0;
		one = slice_trim(one);
		if (slice_eq(one, SLICE("*")))
			return true;
		if (one.len > 2 && one.ptr[0] == 'W' && one.ptr[1] == '/')
			one = slice_after(one, 2);
		if (one.len == 2 + 2 * TAG_BYTES && one.ptr[0] == '"' && memcmp(one.ptr + 1, r->answer.etag, 2 * TAG_BYTES) == 0)
			return true;
	}
	return false;
}

static void
end(struct request *r)
{
	answer_null(r, "error");
	answer_end(r);
	if (has_it(r) && !r->answer.broken) {
		r->answer.status = HTTP_NOT_MODIFIED;
		buf_clear(&r->answer.text);
	}
}

void
api_open(struct request *r)
{
	begin(r);
	answer_open(r, "data");
}

void
api_close(struct request *r)
{
	answer_close(r);
	tag(r);
	answer_open(r, "meta");
	answer_text(r, "request_id", slice_of(r->id));
	answer_float(r, "timestamp", clock_wall_us());
	answer_close(r);
	end(r);
}

void
api_answer(struct request *r, struct json *data, struct json *meta)
{
	CLEANUP(json_freep) struct json *owned = data, *other = meta;
	int64_t now = clock_wall_us();

	begin(r);
	answer_json(r, "data", data);
	tag(r);
	answer_open(r, "meta");
	answer_text(r, "request_id", slice_of(r->id));
	if (other) {
		struct json_iter at = { 0 };
		while (json_next(other, &at))
			answer_json(r, at.key, at.value);
	}
	answer_float(r, "timestamp", now);
	answer_close(r);
	end(r);
	if (!owned)
		api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
}

bool
api_text(const struct json *object, const char *key, struct slice *ret)
{
	const struct json *value;
	enum json_type type = json_get(object, key, &value);

	*ret = (struct slice){ NULL, 0 };
	if (type == JSON_STRING)
		*ret = json_text(value);
	return type == JSON_STRING || api_empty(type, value);
}

bool
api_sought(struct request *r, struct slice text)
{
	if (text.len > SOUGHT_MAX)
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("query is longer than 4096 bytes"));
	return slice_trim(text).len > 0 || api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("query is missing"));
}

bool
api_empty(enum json_type type, const struct json *value)
{
	return type == JSON_ABSENT || type == JSON_NULL || (type == JSON_BOOL && !json_true(value));
}
