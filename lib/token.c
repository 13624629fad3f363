#include <string.h>

#include "lib/token.h"

const char *
token_scope_text(enum token_scope scope)
{
	switch (scope) {
#define X(name, bit, text) case TOKEN_##name: return text;
	TOKEN_SCOPES(X)
#undef X
	}
	return "?";
}

uint64_t
token_scope_of(struct slice text)
{
#define X(name, bit, word) if (slice_eq(text, SLICE(word))) return TOKEN_##name;
	TOKEN_SCOPES(X)
#undef X
	return 0;
}

void
token_text(const uint8_t dice[static 32], char ret[static TOKEN_TEXT])
{
	memcpy(ret, TOKEN_PREFIX, sizeof(TOKEN_PREFIX));
	hex_encode(dice, 32, ret + sizeof(TOKEN_PREFIX) - 1);
}

bool
token_is_reference(struct slice text)
{
	if (text.len < TOKEN_REFERENCE_MIN || text.len > TOKEN_REFERENCE_MAX || slice_starts(text, SLICE(TOKEN_PREFIX)))
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f)
			return false;
	return true;
}

bool
token_ok(struct slice text)
{
	uint8_t bytes[32];
	if (!slice_starts(text, SLICE(TOKEN_PREFIX)))
		return token_is_reference(text);
	return slice_starts(text, SLICE(TOKEN_PREFIX)) && text.len == TOKEN_TEXT - 1
	    && hex_decode(slice_after(text, sizeof(TOKEN_PREFIX) - 1), bytes, sizeof(bytes)) == 0;
}
