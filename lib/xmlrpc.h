/* xmlrpc: the wire of XML-RPC (xmlrpc.com/spec.md), as Odoo 14 to 21 speaks it.
 *
 * Reading is a stream: bytes go in as they come, values come out as they are
 * closed, and memory is bounded by the longest name and piece of text, not by
 * the answer.  Nothing is known until xmlrpc_end() said 0, so what came out is
 * kept aside until then.
 *
 * Read are: int i1 i2 i4 i8 biginteger double boolean (0 and 1) string nil
 * dateTime.iso8601 and base64 (both as their text), Apache's ex: forms, values
 * without a type, struct and array.  Refused are a DOCTYPE, attributes, other
 * encodings than UTF-8, and what is over a limit.  U+FFFE and U+FFFF, which
 * Odoo lets through though XML forbids them, are dropped and counted.
 *
 * What is heard of a call is the list of its parameters.
 *
 * Written are int (i8 beyond 32 bits), double, boolean, string, nil, struct,
 * array; Odoo takes dates and binary data as strings. */
#ifndef PONTE_XMLRPC_H
#define PONTE_XMLRPC_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/value.h"

enum xmlrpc_outcome {
	XMLRPC_E_FORM = 1,      /* not well-formed, cut off, or no XML at all */
	XMLRPC_E_SCHEMA,        /* XML, but no XML-RPC; a number that is none, or does not fit 64 bits */
	XMLRPC_E_REFUSED,       /* a DOCTYPE, an attribute, another encoding, a limit */
	XMLRPC_E_FAULT,         /* of xmlrpc_end() alone: the answer is a fault */
};

struct xmlrpc_limits {
	unsigned depth;         /* of elements; 64 */
	size_t   bytes;         /* of the document; 256 MiB */
	size_t   text;          /* of one value; 64 MiB */
	size_t   values;        /* 20,000,000 */
};
extern const struct xmlrpc_limits xmlrpc_default_limits;        /* the numbers above */

/* What a stream is heard by.  Names and texts are valid during the call.  A
 * result that is not 0 stops the reading and is what xmlrpc_feed() returns. */
struct xmlrpc_sink {
	void *context;
	int (*value)(void *context, const struct value *);      /* no list and no record */
	int (*begin)(void *context, enum value_type, struct slice name);    /* of a list or record */
	int (*end)(void *context);
	/* A long text comes in pieces, the last of them as value(); NULL: never. */
	int (*piece)(void *context, struct slice name, struct slice text);
};
#define XMLRPC_PIECE (64 * KIB)

/* Builds a tree in an arena. */
struct xmlrpc_tree {
	struct arena *arena;
	struct value *root;             /* after the end; NULL before the first value */
	struct value *open[64];         /* from the root to where we are */
	const struct value *like[64];   /* the next member of the record before that one: rows are alike */
	size_t        depth;
};
struct xmlrpc_sink xmlrpc_tree_sink(struct xmlrpc_tree *, struct arena *);     /* also begins it anew */

struct xmlrpc_reader;
/* limits NULL: the default ones.  0 or -ENOMEM. */
MUST_CHECK int xmlrpc_new(const struct xmlrpc_limits *, const struct xmlrpc_sink *, struct xmlrpc_reader **ret);
void xmlrpc_free(struct xmlrpc_reader *);               /* NULL is fine */
void xmlrpc_freep(struct xmlrpc_reader **);             /* for CLEANUP() */
/* 0, an outcome, -ENOMEM, or what the sink returned; after that it takes no more. */
MUST_CHECK int xmlrpc_feed(struct xmlrpc_reader *, struct slice bytes);
/* That was all.  As xmlrpc_feed(), or XMLRPC_E_FAULT. */
MUST_CHECK int xmlrpc_end(struct xmlrpc_reader *);
const char *xmlrpc_why(const struct xmlrpc_reader *);   /* one sentence of ours, after an outcome */
size_t xmlrpc_dropped(const struct xmlrpc_reader *);    /* U+FFFE and U+FFFF */

/* After XMLRPC_E_FAULT; views live as long as the reader.  Servers write the
 * code as a number or as a text: code is 0 then and word says it.  Of a text
 * beyond 24 KiB the middle is missing. */
struct xmlrpc_fault { int64_t code; struct slice word, text; };
void xmlrpc_fault(const struct xmlrpc_reader *, struct xmlrpc_fault *ret);
/* Of a methodCall; empty of a response. */
struct slice xmlrpc_method(const struct xmlrpc_reader *);

/* A whole answer at once, into the arena.  As xmlrpc_end(); reterr_why (static)
 * on an outcome, ret_fault (in the arena) on XMLRPC_E_FAULT. */
MUST_CHECK int xmlrpc_read(struct slice document, struct arena *, struct value **ret, const char **reterr_why,
    struct xmlrpc_fault *ret_fault);

/* Appends a methodCall, or nothing.  0, -ENOMEM, or -EINVAL: a text that is no UTF-8 or has a
 * character that XML cannot carry, a number that is not finite, too deep. */
MUST_CHECK int xmlrpc_write_call(struct slice method, const struct value *const *param, size_t params, struct buf *out);

#endif
