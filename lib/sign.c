#include <string.h>

#include "lib/buf.h"
#include "lib/crypt.h"
#include "lib/json.h"
#include "lib/sign.h"

#define PREFIX SLICE("sha256=")
/* Twelve digits reach the year 33658; nothing longer is a time of day. */
#define TIMESTAMP_MAX UINT64_C(999999999999)

int
sign_read(struct slice timestamp, struct slice signature, int64_t now_s, struct sign_headers *ret)
{
	struct sign_headers h = { .timestamp = timestamp };
	uint64_t sent_s;

	if (timestamp.len == 0 && signature.len == 0)
		return SIGN_E_MISSING;
	if (!slice_starts(signature, PREFIX) ||
	    hex_decode(slice_after(signature, PREFIX.len), h.mac, sizeof h.mac) < 0 ||
	    slice_to_u64(timestamp, 0, TIMESTAMP_MAX, &sent_s) < 0)
		return SIGN_E_FORM;
	/* No difference is taken: it could overflow. */
	if ((int64_t)sent_s < now_s - SIGN_WINDOW_S || (int64_t)sent_s > now_s + SIGN_WINDOW_S)
		return SIGN_E_WINDOW;
	*ret = h;
	return 0;
}

/* HMAC over timestamp + "." + body.  The timestamp is short: SIGN_HEAD holds
 * every one that sign_read() lets through. */
#define SIGN_HEAD 64

static void
make_mac(struct slice secret, struct slice timestamp, struct slice body, uint8_t ret[static CRYPT_SHA256])
{
	char head[SIGN_HEAD + 1];

	REQUIRE(timestamp.len <= SIGN_HEAD);
	if (timestamp.len)
		memcpy(head, timestamp.ptr, timestamp.len);
	head[timestamp.len] = '.';
	crypt_hmac(secret, slice_from(head, timestamp.len + 1), body, ret);
}

int
sign_check(const struct sign_headers *h, struct slice secret, struct slice body)
{
	uint8_t mac[CRYPT_SHA256];

	/* Anybody can sign with no secret at all. */
	if (secret.len == 0)
		return SIGN_E_MISMATCH;
	make_mac(secret, h->timestamp, body, mac);
	return crypt_equal(slice_from(mac, sizeof mac), slice_from(h->mac, sizeof h->mac)) ?
	    0 : SIGN_E_MISMATCH;
}

void
sign_make(struct slice secret, struct slice timestamp, struct slice body, char ret[static SIGN_TEXT])
{
	uint8_t mac[CRYPT_SHA256];

	make_mac(secret, timestamp, body, mac);
	memcpy(ret, PREFIX.ptr, PREFIX.len);
	hex_encode(mac, sizeof mac, ret + PREFIX.len);
}

int
sign_addon_check(struct slice signature, struct slice secret, struct slice body)
{
	CLEANUP(buf_free) struct buf canonical = { 0 };
	uint8_t given[CRYPT_SHA256], mac[CRYPT_SHA256];

	if (signature.len == 0)
		return SIGN_E_MISSING;
	if (hex_decode(signature, given, sizeof given) < 0)
		return SIGN_E_FORM;
	if (secret.len == 0)
		return SIGN_E_MISMATCH;
	int r = json_canonical(body, &canonical);
	if (r < 0)
		return r;
	crypt_hmac(secret, (struct slice){ NULL, 0 }, buf_view(&canonical), mac);
	return crypt_equal(slice_from(mac, sizeof mac), slice_from(given, sizeof given)) ? 0 : SIGN_E_MISMATCH;
}

const char *
sign_reason(int outcome)
{
	switch (outcome) {
	case 0:               return "valid";
	case SIGN_E_MISSING:  return "no signature";
	case SIGN_E_FORM:     return "signature or timestamp header malformed";
	case SIGN_E_WINDOW:   return "timestamp too far from this server's clock";
	case SIGN_E_MISMATCH: return "signature does not match";
	}
	return "signature could not be checked";
}
