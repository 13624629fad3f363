/* xmlrpc_guard: what stands between the bytes of a peer and the parser.  For
 * xmlrpc.c alone. */
#ifndef PONTE_XMLRPC_GUARD_H
#define PONTE_XMLRPC_GUARD_H

#include "lib/base.h"

struct guard {
	unsigned char held[2];          /* EF, or EF BF, at the end of what came */
	unsigned helds;
	size_t   tag;                   /* bytes since a < that no > followed; 0: outside */
	bool     markup;                /* that was <! or <?, which may be longer */
	unsigned begun;                 /* bytes of the beginning looked at */
	size_t   dropped;
};

/* Does it begin like XML in UTF-8, and is no tag longer than anybody writes
 * one?  0, XMLRPC_E_FORM or XMLRPC_E_REFUSED with a static *reterr_why. */
MUST_CHECK int guard_look(struct guard *, struct slice bytes, const char **reterr_why);
/* Passes on all but U+FFFE and U+FFFF, which XML forbids.  0 or what pass() said. */
MUST_CHECK int guard_filter(struct guard *, struct slice bytes, int (*pass)(void *, struct slice), void *context);
/* What is still held when all has come. */
struct slice guard_rest(struct guard *);

#endif
