#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

#include "lib/crypt.h"
#include "lib/fernet.h"

enum { VERSION = 0x80, IV_AT = 9, TEXT_AT = IV_AT + 16, BLOCK = 16 };

static void
wipe(struct buf *b)
{
	if (b->cap > 0)
		crypt_wipe(b->ptr, b->cap);
	buf_free(b);
}

int
fernet_key_read(struct slice text, struct fernet_key *ret)
{
	CLEANUP(wipe) struct buf bytes = { 0 };
	int r = crypt_base64(slice_trim(text), &bytes);

	if (r == 0 && bytes.len != sizeof(ret->sign) + sizeof(ret->encrypt))
		r = -EINVAL;
	if (r < 0)
		return r;
	memcpy(ret->sign, bytes.ptr, sizeof(ret->sign));
	memcpy(ret->encrypt, bytes.ptr + sizeof(ret->sign), sizeof(ret->encrypt));
	return 0;
}

static bool
signed_by(const struct fernet_key *key, struct slice bytes)
{
	size_t n = bytes.len - CRYPT_SHA256;
	uint8_t mac[CRYPT_SHA256];

	crypt_hmac(slice_from(key->sign, sizeof(key->sign)), (struct slice){ NULL, 0 }, slice_from(bytes.ptr, n), mac);
	return crypt_equal(slice_from(mac, sizeof(mac)), slice_after(bytes, n));
}

static int
decrypt(const struct fernet_key *key, struct slice iv, struct slice text, struct buf *ret)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int r = c ? buf_reserve(ret, text.len + BLOCK) : -ENOMEM, n = 0, last = 0;

	if (r == 0 && (EVP_DecryptInit_ex(c, EVP_aes_128_cbc(), NULL, key->encrypt, (const unsigned char *)iv.ptr) != 1 ||
	    EVP_DecryptUpdate(c, (unsigned char *)ret->ptr, &n, (const unsigned char *)text.ptr, (int)text.len) != 1 ||
	    EVP_DecryptFinal_ex(c, (unsigned char *)ret->ptr + n, &last) != 1))
		r = FERNET_E_KEY;       /* under a good MAC: made by something else */
	EVP_CIPHER_CTX_free(c);
	ret->len = r == 0 ? (size_t)n + (size_t)last : 0;
	return r;
}

int
fernet_open(const struct fernet_key *key, struct slice token, struct buf *ret)
{
	CLEANUP(buf_free) struct buf bytes = { 0 };
	int r = crypt_base64(token, &bytes);

	if (r == -ENOMEM)
		return r;
	struct slice all = buf_view(&bytes);
	if (r != 0 || all.len < TEXT_AT + BLOCK + CRYPT_SHA256 || (all.len - TEXT_AT - CRYPT_SHA256) % BLOCK != 0 ||
	    (uint8_t)all.ptr[0] != VERSION)
		return FERNET_E_FORM;
	if (!signed_by(key, all))
		return FERNET_E_KEY;
	return decrypt(key, slice_from(all.ptr + IV_AT, BLOCK), slice_from(all.ptr + TEXT_AT, all.len - TEXT_AT - CRYPT_SHA256), ret);
}

bool
fernet_stored(struct slice text, struct buf *room, struct slice *ret_token)
{
	static const struct slice begins = { "gAAAA", 5 };      /* version 0x80, and a time before 2106 */

	if (slice_starts(text, begins)) {
		*ret_token = text;
		return true;
	}
	if (crypt_base64(text, room) != 0 || !slice_starts(buf_view(room), begins))
		return false;
	*ret_token = buf_view(room);
	return true;
}
