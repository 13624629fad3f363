#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "lib/crypt.h"

/* Sealed bytes: version, nonce, ciphertext with its tag.  The version is
 * authenticated with them. */
#define VERSION   1
#define NONCE     crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG       crypto_aead_xchacha20poly1305_ietf_ABYTES

_Static_assert(CRYPT_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key size");
_Static_assert(CRYPT_SHA256 == crypto_hash_sha256_BYTES, "hash size");
_Static_assert(CRYPT_SHA256 == crypto_auth_hmacsha256_BYTES, "MAC size");

int
crypt_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

void
crypt_random(void *ret, size_t len)
{
	randombytes_buf(ret, len);
}

uint32_t
crypt_random32(void)
{
	return randombytes_random();
}

void
crypt_wipe(void *p, size_t len)
{
	if (len)
		sodium_memzero(p, len);
}

bool
crypt_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || sodium_memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* libsodium reads nothing of an empty input, but declares it nonnull in
 * places: an empty slice may have ptr == NULL. */
static const unsigned char *
bytes_of(struct slice s)
{
	return (const unsigned char *)(s.len ? s.ptr : "");
}

void
crypt_sha256(struct slice text, uint8_t ret[static CRYPT_SHA256])
{
	crypto_hash_sha256(ret, bytes_of(text), text.len);
}

void
crypt_hmac(struct slice key, struct slice head, struct slice body, uint8_t ret[static CRYPT_SHA256])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, bytes_of(key), key.len);
	crypto_auth_hmacsha256_update(&state, bytes_of(head), head.len);
	crypto_auth_hmacsha256_update(&state, bytes_of(body), body.len);
	crypto_auth_hmacsha256_final(&state, ret);
	sodium_memzero(&state, sizeof state);
}

int
crypt_base64(struct slice text, struct buf *ret)
{
	static const int variants[] = {
		sodium_base64_VARIANT_URLSAFE, sodium_base64_VARIANT_URLSAFE_NO_PADDING,
		sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING,
	};
	size_t n;
	int r = buf_reserve(ret, text.len / 4 * 3 + 3);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(variants); i++)
		if (sodium_base642bin((unsigned char *)ret->ptr + ret->at + ret->len, text.len / 4 * 3 + 3, text.ptr ? text.ptr : "", text.len,
		        NULL, &n, NULL, variants[i]) == 0) {
			ret->len += n;
			return 0;
		}
	return -EINVAL;
}

/* What is authenticated beside the ciphertext: the version, then the place. */
static int
make_context(struct slice where, struct buf *ret)
{
	const uint8_t version = VERSION;
	int r = buf_append(ret, &version, 1);
	return r < 0 ? r : buf_append_slice(ret, where);
}

int
crypt_seal(const uint8_t key[static CRYPT_KEY], struct slice where, struct slice plain, struct buf *ret)
{
	CLEANUP(buf_free) struct buf context = { 0 };
	uint8_t head[1 + NONCE] = { VERSION };
	int r;

	if ((r = make_context(where, &context)) < 0 ||
	    (r = buf_reserve(ret, sizeof head + plain.len + TAG)) < 0)
		return r;
	randombytes_buf(head + 1, NONCE);
	if ((r = buf_append(ret, head, sizeof head)) < 0)
		return r;

	unsigned long long n;
	crypto_aead_xchacha20poly1305_ietf_encrypt((unsigned char *)ret->ptr + ret->at + ret->len, &n,
	    bytes_of(plain), plain.len, bytes_of(buf_view(&context)), context.len, NULL, head + 1, key);
	ret->len += (size_t)n;
	return 0;
}

int
crypt_open(const uint8_t key[static CRYPT_KEY], struct slice where, struct slice sealed, struct buf *ret)
{
	CLEANUP(buf_free) struct buf context = { 0 };
	int r;

	if (sealed.len < 1 + NONCE + TAG || sealed.ptr[0] != VERSION)
		return -EBADMSG;
	struct slice nonce = { sealed.ptr + 1, NONCE };
	struct slice text = slice_after(sealed, 1 + NONCE);
	/* One byte more, so that there is memory also for an empty text. */
	if ((r = make_context(where, &context)) < 0 ||
	    (r = buf_reserve(ret, text.len - TAG + 1)) < 0)
		return r;

	unsigned long long n;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)ret->ptr + ret->at + ret->len, &n,
	    NULL, bytes_of(text), text.len, bytes_of(buf_view(&context)), context.len,
	    bytes_of(nonce), key) < 0)
		return -EBADMSG;
	ret->len += (size_t)n;
	return 0;
}
