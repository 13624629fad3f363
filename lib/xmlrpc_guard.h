/* xmlrpc_guard: what stands between the bytes of a peer and the parser.  For
 * xmlrpc.c alone. */
#ifndef PONTE_XMLRPC_GUARD_H
#define PONTE_XMLRPC_GUARD_H

#include "lib/base.h"

struct guard {
	char     held[3];               /* EF, or EF BF, at the end of what came */
	size_t   helds;
	unsigned begun;                 /* bytes of the beginning looked at */
	size_t   dropped;
};

/* Does it begin like XML in UTF-8? */
bool guard_begins(struct guard *, struct slice bytes);
/* Passes on all but U+FFFE and U+FFFF, which XML forbids.  0 or what pass() said. */
MUST_CHECK int guard_filter(struct guard *, struct slice bytes, int (*pass)(void *, struct slice), void *context);
/* What is still held when all has come. */
struct slice guard_rest(struct guard *);

#endif
