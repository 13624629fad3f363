#include "app/worker/proof.h"
#include "lib/crypt.h"
#include "lib/http.h"

int
proof_read(const struct request *r, struct slice path_secret, int64_t now_s, struct proof *ret)
{
	struct proof p = { .body = r->body, .path_secret = path_secret };

	p.basic = http_credential(request_given(r, REQUEST_P_AUTHORIZATION), SLICE("Basic"));
	p.remote = request_given(r, REQUEST_P_REMOTE);
	int outcome = sign_read(request_given(r, REQUEST_P_TIMESTAMP), request_given(r, REQUEST_P_SIGNATURE),
	    now_s, &p.sign);
	if (outcome != 0 && outcome != SIGN_E_MISSING)
		return outcome;
	p.is_signed = outcome == 0;
	*ret = p;
	return 0;
}

/* RFC 4648, with padding; empty when the arena is full. */
static struct slice
base64(struct slice s, struct arena *a)
{
	static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = (s.len + 2) / 3 * 4;
	char *text = arena_take(a, len + 1);

	if (!text)
		return (struct slice){ NULL, 0 };
	for (size_t in = 0, out = 0; in < s.len; in += 3, out += 4) {
		size_t left = s.len - in;
		uint32_t bits = (uint32_t)(unsigned char)s.ptr[in] << 16;
		if (left > 1)
			bits |= (uint32_t)(unsigned char)s.ptr[in + 1] << 8;
		if (left > 2)
			bits |= (uint32_t)(unsigned char)s.ptr[in + 2];
		text[out] = digit[bits >> 18];
		text[out + 1] = digit[bits >> 12 & 63];
		text[out + 2] = left > 1 ? digit[bits >> 6 & 63] : '=';
		text[out + 3] = left > 2 ? digit[bits & 63] : '=';
	}
	return slice_from(text, len);
}

bool
proof_fits(const struct proof *p, const struct tenant_candidate *c, struct arena *a)
{
	struct slice stored = buf_view(&c->proof);

	if (p->is_signed)
		return sign_check(&p->sign, buf_view(&c->secret), p->body) == 0 ||
		    sign_check(&p->sign, buf_view(&c->next_secret), p->body) == 0;
	/* No default: the compiler names the case we forgot. */
	switch (c->sender->unsigned_by) {
	case TENANT_PROOF_NONE:
		return false;
	case TENANT_PROOF_PATH:
		return stored.len > 0 && p->path_secret.len > 0 && crypt_equal(stored, p->path_secret);
	case TENANT_PROOF_BASIC:
		return stored.len > 0 && p->basic.len > 0 && crypt_equal(base64(stored, a), p->basic);
	case TENANT_PROOF_ADDRESSES:
		return p->remote.len > 0 && tenant_address_ok(c->sender, p->remote);
	}
	return false;
}
