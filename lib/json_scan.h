/* json_scan: the tokens of a JSON text, in order, by the strict grammar of
 * RFC 8259.  The one place that knows this grammar: the checker, the canonical
 * form and the document model are loops over json_scan_next().  For these
 * alone; everybody else includes lib/json.h.
 *
 * No recursion and no memory of its own: what is open is a row of flags.
 * Tokens are views into the text. */
#ifndef PONTE_JSON_SCAN_H
#define PONTE_JSON_SCAN_H

#include "lib/json.h"

#define JSON_DEPTH_MAX 256      /* what a caller's limit may be at most */

enum json_token_kind {
	JSON_TOKEN_OBJECT,              /* { */
	JSON_TOKEN_OBJECT_END,          /* } */
	JSON_TOKEN_ARRAY,               /* [ */
	JSON_TOKEN_ARRAY_END,           /* ] */
	JSON_TOKEN_KEY,                 /* with its quotes taken off; the ':' is seen to */
	JSON_TOKEN_STRING,              /* likewise */
	JSON_TOKEN_NUMBER,              /* as written */
	JSON_TOKEN_TRUE,
	JSON_TOKEN_FALSE,
	JSON_TOKEN_NULL,
	JSON_TOKEN_END,                 /* of the text: one value was read, and nothing is behind it */
};

struct json_token {
	enum json_token_kind kind;
	struct slice         text;
	bool                 escaped;   /* KEY, STRING: there is a '\' in it */
	bool                 whole;     /* NUMBER: neither fraction nor exponent */
};

enum json_expect {
	JSON_EXPECT_VALUE,
	JSON_EXPECT_ELEMENT_OR_END,
	JSON_EXPECT_KEY,
	JSON_EXPECT_KEY_OR_END,
	JSON_EXPECT_COLON,
	JSON_EXPECT_MORE_OR_END,        /* behind a value */
};

struct json_scan {
	const uint8_t    *start, *at, *end;
	unsigned          depth;        /* open right now */
	unsigned          depth_limit;
	enum json_expect  expect;
	struct json_fault fault;
	bool              object[JSON_DEPTH_MAX];   /* else an array */
};

/* depth_limit: 1..JSON_DEPTH_MAX. */
void json_scan_start(struct json_scan *, struct slice text, unsigned depth_limit);
/* 0, JSON_E_SYNTAX or JSON_E_REFUSED (depth, NUL in a key); then the scan is over. */
MUST_CHECK int json_scan_next(struct json_scan *, struct json_token *ret);

/* Appends what the text of a KEY or STRING token means, as UTF-8.  0 or -ENOMEM. */
MUST_CHECK int json_scan_decode(const struct json_token *, struct buf *out);

/* Appends a number as it came, or as it was set.  0 or -ENOMEM. */
MUST_CHECK int json_put_number(const struct json *, struct buf *out);

#endif
