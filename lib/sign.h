/* sign: what requests are signed with.
 * Chatwoot's webhook signature:
 *   X-Chatwoot-Signature = "sha256=" + lower-case hex of
 *       HMAC-SHA256(secret, X-Chatwoot-Timestamp + "." + raw body)
 * (Chatwoot 4.11.2 for account webhooks, 4.13.0 for API inboxes and bots.) */
#ifndef PONTE_SIGN_H
#define PONTE_SIGN_H

#include "lib/base.h"

#define SIGN_WINDOW_S 300

enum sign_outcome {
	SIGN_E_MISSING = 1,     /* no signature and no timestamp header at all */
	SIGN_E_FORM,            /* a header is not of the form above; half a pair is that too */
	SIGN_E_WINDOW,          /* |now - timestamp| > SIGN_WINDOW_S */
	SIGN_E_MISMATCH,
};

/* What the two headers say; parsed once, checked against several secrets. */
struct sign_headers {
	struct slice timestamp;                     /* as sent: it is what was signed */
	uint8_t      mac[32];
};
/* Form and window.  now_s: Unix seconds.  0 or an outcome. */
MUST_CHECK int sign_read(struct slice timestamp, struct slice signature, int64_t now_s, struct sign_headers *ret);
/* 0 or SIGN_E_MISMATCH.  An empty secret never matches. */
MUST_CHECK int sign_check(const struct sign_headers *, struct slice secret, struct slice body);
/* The signature header's value for a body (ponte send): 71 characters and a NUL. */
#define SIGN_TEXT 72
void sign_make(struct slice secret, struct slice timestamp, struct slice body, char ret[static SIGN_TEXT]);
const char *sign_reason(int outcome);

/* The signature of the Odoo addons: X-Webhook-Signature is the lower-case hex of
 * HMAC-SHA256(secret, canonical form of the body), json_canonical(); no time is
 * in it.  The body has passed json_check().  0, SIGN_E_MISSING, SIGN_E_FORM,
 * SIGN_E_MISMATCH or -ENOMEM.  An empty secret never matches. */
MUST_CHECK int sign_addon_check(struct slice signature, struct slice secret, struct slice body);

#endif
