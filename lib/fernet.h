/* fernet: reads what the system before ponte sealed: Fernet tokens
 * (https://github.com/fernet/spec, version 0x80: AES-128-CBC, HMAC-SHA256).
 * Nothing is ever written so.  The one owner of OpenSSL. */
#ifndef PONTE_FERNET_H
#define PONTE_FERNET_H

#include "lib/base.h"
#include "lib/buf.h"

struct fernet_key { uint8_t sign[16], encrypt[16]; };

enum fernet_outcome {
	FERNET_E_FORM = 1,      /* that is no Fernet token */
	FERNET_E_KEY,           /* it was made with another key, or was changed */
};

/* 32 bytes as base64url, blanks around them allowed.  0 or -EINVAL. */
MUST_CHECK int fernet_key_read(struct slice text, struct fernet_key *ret);
/* The MAC is looked at before anything else; a token has no age here.  The
 * caller wipes *ret.  0, FERNET_E_* or -ENOMEM. */
MUST_CHECK int fernet_open(const struct fernet_key *, struct slice token, struct buf *ret);
/* A stored "ENC:" text: behind it a token, or a token in base64 once more.
 * False: it holds no token (it was never encrypted).  *ret_token has a buffer
 * of its own in `room`. */
bool fernet_stored(struct slice text, struct buf *room, struct slice *ret_token);

#endif
