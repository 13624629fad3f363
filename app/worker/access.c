#include <errno.h>
#include <stdio.h>

#include "app/worker/access.h"
#include "app/worker/views.h"
#include "app/worker/worker.h"
#include "lib/crypt.h"
#include "lib/protocol.h"
#include "lib/token.h"

static int
find(struct worker *w, const uint8_t hash[static CRYPT_SHA256], struct slice from, struct wire_frame *ret)
{
	struct wire_writer out;

	buf_clear(&w->frame);
	wire_begin(&out, &w->frame, P_TOKEN_FIND, net_caller_next(&w->keeper));
	wire_put(&out, T_HASH, slice_from(hash, CRYPT_SHA256));
	if (from.len > 0)
		wire_put(&out, T_SENDER, from);
	int r = wire_end(&out);
	return r < 0 ? r : worker_ask(w, WORKER_ASK_MS, P_TOKEN_FOUND, ret);
}

static bool
refuse(struct request *r, enum request_refusal why, struct slice reason)
{
	answer_refuse(r, why, reason);
	return false;
}

bool
access_admit(struct request *r)
{
	struct slice token = http_credential(request_given(r, REQUEST_P_AUTHORIZATION), SLICE("Bearer"));
	uint8_t hash[CRYPT_SHA256];
	struct wire_frame f;

	if (r->route->access != ROUTE_TOKEN)
		return true;
	if (token.len == 0 && r->route->shape == ROUTE_PAGE && views_open(r))
		return true;
	if (token.len == 0)
		return refuse(r, REQUEST_R_UNAUTHORIZED, SLICE("a Bearer token is wanted"));
	if (!token_ok(token))
		return refuse(r, REQUEST_R_INVALID_TOKEN, SLICE("the token is not valid"));
	crypt_sha256(token, hash);
	struct slice from = token_is_reference(token) ? request_given(r, REQUEST_P_REMOTE) : (struct slice){ NULL, 0 };
	if (find(r->worker, hash, from, &f) < 0)
		return refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("the keeper did not answer in time"));
	int64_t wait_ms = wire_i64(f.payload, T_DELAY_MS, 0);
	if (wait_ms > 0) {
		snprintf(r->retry_after, sizeof(r->retry_after), "Retry-After: %lld\r\n", (long long)((wait_ms + 999) / 1000));
		return refuse(r, REQUEST_R_RATE_LIMIT_ERROR, SLICE("too many tokens that are not valid came from this address"));
	}
	/* The store looked for the hash; that it is this one is seen here once
	 * more, in constant time. */
	if (!crypt_equal(wire_text(f.payload, T_HASH), slice_from(hash, sizeof hash)))
		return refuse(r, REQUEST_R_INVALID_TOKEN, SLICE("the token is not valid"));
	r->tenant = arena_copy(r->arena, wire_text(f.payload, T_NAME));
	r->sender = arena_copy(r->arena, wire_text(f.payload, T_LABEL));
	if (!(wire_u64(f.payload, T_SCOPES, 0) & r->route->scope))
		return refuse(r, REQUEST_R_AUTHORIZATION_ERROR,
		    arena_printf(r->arena, "the token has no scope '%s'", token_scope_text((enum token_scope)r->route->scope)));
	return true;
}
