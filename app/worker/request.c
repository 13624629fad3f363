#include <string.h>

#include "app/worker/request.h"
#include "lib/crypt.h"
#include "lib/multipart.h"

#define SHOWN_SEGMENTS 3

static const struct { struct slice name; size_t longest; } params[REQUEST_P_COUNT] = {
#define X(id, text, most) [REQUEST_P_##id] = { { text, sizeof text - 1 }, most },
	REQUEST_PARAMS(X)
#undef X
};

void
request_reset(struct request *r, int64_t now_us)
{
	struct worker *worker = r->worker;
	struct arena *arena = r->arena;
	struct buf text = r->answer.text;

	arena_reset(arena);
	buf_clear(&text);
	*r = (struct request){ .worker = worker, .arena = arena, .began_us = now_us };
	r->answer.text = text;
}

void
request_take(struct request *r, struct slice name, struct slice value)
{
	if (value.len == 0)                     /* nginx names what it does not have */
		return;
	for (size_t i = 0; i < REQUEST_P_COUNT; i++) {
		if (!slice_eq(params[i].name, name))
			continue;
		if (value.len > params[i].longest)
			r->fault = "a header is too long";
		else if (r->given[i].len && !slice_eq(r->given[i], value))
			r->fault = "a header stands there twice with different values";
		else
			r->given[i] = value;
		return;
	}
}

static bool
is_id(struct slice s)
{
	uint8_t bytes[16];

	return s.len == 32 && hex_decode(s, bytes, sizeof bytes) == 0;
}

/* Control bytes have no place in a path, neither raw nor as %XX.  0x80 and
 * above are left to the router, which knows no such path. */
static bool
path_is_clean(struct slice path)
{
	if (path.len == 0 || path.len > REQUEST_PATH_MAX || path.ptr[0] != '/')
		return false;
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = (unsigned char)path.ptr[i];
		if (c < 0x20 || c == 0x7f)
			return false;
		if (c != '%' || path.len - i < 3)
			continue;
		char high = path.ptr[i + 1], low = path.ptr[i + 2];
		if (high == '0' || high == '1' || (high == '7' && (low == 'f' || low == 'F')))
			return false;
	}
	return true;
}

bool
request_open(struct request *r)
{
	struct slice id = request_given(r, REQUEST_P_ID), query;

	if (is_id(id)) {
		memcpy(r->id, id.ptr, id.len);
	} else {
		uint8_t dice[16];
		crypt_random(dice, sizeof dice);
		hex_encode(dice, sizeof dice, r->id);
	}
	r->method = http_method_of(request_given(r, REQUEST_P_METHOD));
	r->path = request_given(r, REQUEST_P_URI);
	slice_cut(r->path, '?', &r->path, &query);

	if (r->fault) {
		answer_refuse(r, REQUEST_R_BAD_REQUEST, slice_of(r->fault));
		return false;
	}
	if (!path_is_clean(r->path)) {
		answer_refuse(r, REQUEST_R_NOT_FOUND_ERROR, SLICE("Not Found"));
		return false;
	}
	return true;
}

bool
request_route(struct request *r, const struct route *table, size_t rows)
{
	struct route_match found;
	unsigned allow = 0;
	int outcome = route_find(table, rows, r->method, r->path, &found, &allow);

	if (outcome == 0) {
		r->route = &table[found.row];
		r->params = found.params;
		memcpy(r->param, found.param, sizeof r->param);
		return true;
	}
	if (outcome == ROUTE_E_NO_METHOD) {
		route_allow_text(allow, r->answer.allow, sizeof r->answer.allow);
		answer_refuse(r, REQUEST_R_BAD_METHOD, SLICE("Method Not Allowed"));
	} else {
		answer_refuse(r, REQUEST_R_NOT_FOUND_ERROR, SLICE("Not Found"));
	}
	return false;
}

bool
request_admit(struct request *r, size_t limit, size_t *ret_length)
{
	struct slice length = request_given(r, REQUEST_P_CONTENT_LENGTH);
	struct slice coding = request_given(r, REQUEST_P_CONTENT_ENCODING);
	struct slice transfer = request_given(r, REQUEST_P_TRANSFER_ENCODING);
	uint64_t n = UINT64_MAX;

	if (length.len && slice_to_u64(length, 0, INT64_MAX, &n) != 0) {
		answer_refuse(r, REQUEST_R_BAD_REQUEST, SLICE("Content-Length is not a number"));
		return false;
	}
	if (length.len && n > limit) {
		answer_refuse(r, REQUEST_R_TOO_LARGE, arena_printf(r->arena, "a body may have %zu bytes here", limit));
		return false;
	}
	bool form = r->route && r->route->flags & ROUTE_FORM;
	if (form ? !multipart_is(request_given(r, REQUEST_P_CONTENT_TYPE)) : !http_is_json(request_given(r, REQUEST_P_CONTENT_TYPE))) {
		answer_refuse(r, REQUEST_R_BAD_TYPE, form ? SLICE("send multipart/form-data") : SLICE("send application/json"));
		return false;
	}
	/* nginx has undone "chunked"; any other coding would still be in the bytes. */
	if ((coding.len && !slice_eq_nocase(coding, SLICE("identity"))) ||
	    (transfer.len && !slice_eq_nocase(transfer, SLICE("identity")) &&
	    !slice_eq_nocase(transfer, SLICE("chunked")))) {
		answer_refuse(r, REQUEST_R_BAD_TYPE, SLICE("send the body without an encoding"));
		return false;
	}
	*ret_length = length.len ? (size_t)n : SIZE_MAX;
	return true;
}

struct slice
request_shown_path(const struct request *r)
{
	if (r->route)
		return slice_of(r->route->path);

	struct slice shown = r->path;
	unsigned segments = 0;
	for (size_t i = 0; i < shown.len; i++)
		if (shown.ptr[i] == '/' && segments++ == SHOWN_SEGMENTS)
			shown.len = i;
	return shown;
}

bool
request_is_webhook(const struct request *r)
{
	if (r->route)
		return r->route->shape == ROUTE_WEBHOOK;
	return slice_eq(r->path, SLICE("/webhook")) || slice_starts(r->path, SLICE("/webhook/"));
}
