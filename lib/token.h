/* token: Bearer tokens of ours.  256 random bits behind "ponte_", so that a
 * scanner of leaked secrets knows one when it sees it; what is stored is the
 * SHA-256 of the whole text. */
#ifndef PONTE_TOKEN_H
#define PONTE_TOKEN_H

#include "lib/base.h"

#define TOKEN_PREFIX "ponte_"
#define TOKEN_TEXT   (sizeof(TOKEN_PREFIX) + 64)        /* with the NUL */

/* What a token may do; bits.  Stored: a bit keeps its meaning. */
#define TOKEN_SCOPES(X) X(REPLY, 1, "reply") X(SYNC, 2, "sync") X(READ, 4, "read")
enum token_scope {
#define X(name, bit, text) TOKEN_##name = bit,
	TOKEN_SCOPES(X)
#undef X
};
const char *token_scope_text(enum token_scope);         /* "?" for none */
uint64_t token_scope_of(struct slice text);             /* 0: there is none */

/* A new one, from the caller's 32 random bytes. */
void token_text(const uint8_t dice[static 32], char ret[static TOKEN_TEXT]);
/* A token that is not of our making: the addons in the field make their own,
 * "account_7-3f9c21ab", with 32 random bits.  It may do TOKEN_OF_REFERENCE at
 * most. */
#define TOKEN_REFERENCE_MIN 8
#define TOKEN_REFERENCE_MAX 256
#define TOKEN_OF_REFERENCE  (TOKEN_SYNC | TOKEN_READ)
bool token_is_reference(struct slice);
/* Could it be one of either kind? */
bool token_ok(struct slice);

#endif
