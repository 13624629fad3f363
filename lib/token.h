/* token: Bearer tokens of ours.  256 random bits behind "ponte_", so that a
 * scanner of leaked secrets knows one when it sees it; what is stored is the
 * SHA-256 of the whole text. */
#ifndef PONTE_TOKEN_H
#define PONTE_TOKEN_H

#include "lib/base.h"

#define TOKEN_PREFIX "ponte_"
#define TOKEN_TEXT   (sizeof(TOKEN_PREFIX) + 64)        /* with the NUL */

/* What a token may do; bits.  Stored: a bit keeps its meaning. */
#define TOKEN_SCOPES(X) X(REPLY, 1, "reply")
enum token_scope {
#define X(name, bit, text) TOKEN_##name = bit,
	TOKEN_SCOPES(X)
#undef X
};
const char *token_scope_text(enum token_scope);         /* "?" for none */
uint64_t token_scope_of(struct slice text);             /* 0: there is none */

/* A new one, from the caller's 32 random bytes. */
void token_text(const uint8_t dice[static 32], char ret[static TOKEN_TEXT]);
/* Could it be one of ours? */
bool token_ok(struct slice);

#endif
