/* crypt: the one owner of libsodium.  Everything secret is compared, hashed
 * and sealed here.  crypt_init() first, once per process. */
#ifndef PONTE_CRYPT_H
#define PONTE_CRYPT_H

#include "lib/base.h"
#include "lib/buf.h"

#define CRYPT_SHA256 32
#define CRYPT_KEY    32

MUST_CHECK int crypt_init(void);                    /* 0 or -EIO */
void crypt_random(void *ret, size_t len);
uint32_t crypt_random32(void);
void crypt_wipe(void *, size_t);

/* Constant time in the bytes; lengths may leak. */
bool crypt_equal(struct slice a, struct slice b);

void crypt_sha256(struct slice text, uint8_t ret[static CRYPT_SHA256]);
/* HMAC-SHA256 over head, then body (RFC 2104).  Any key length, also 0. */
void crypt_hmac(struct slice key, struct slice head, struct slice body, uint8_t ret[static CRYPT_SHA256]);

/* base64 of RFC 4648, of either alphabet, with or without padding; nothing else
 * in it.  Appends.  0, -EINVAL or -ENOMEM. */
MUST_CHECK int crypt_base64(struct slice text, struct buf *ret);

/* XChaCha20-Poly1305 with a random nonce; `where` is authenticated beside it
 * (tenant and field name), so ciphertext cannot be moved to another place.
 * 0 or -ENOMEM. */
MUST_CHECK int crypt_seal(const uint8_t key[static CRYPT_KEY], struct slice where, struct slice plain, struct buf *ret);
/* 0, -ENOMEM or -EBADMSG (another key, another place, or changed). */
MUST_CHECK int crypt_open(const uint8_t key[static CRYPT_KEY], struct slice where, struct slice sealed, struct buf *ret);

#endif
