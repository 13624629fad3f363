/* xmlrpc_grammar: which element may stand where, and what a number is.  For
 * xmlrpc.c alone. */
#ifndef PONTE_XMLRPC_GRAMMAR_H
#define PONTE_XMLRPC_GRAMMAR_H

#include "lib/base.h"

#define GRAMMAR_DEPTH 64

enum element {
	EL_RESPONSE, EL_CALL, EL_METHOD, EL_PARAMS, EL_PARAM, EL_FAULT,
	EL_VALUE, EL_ARRAY, EL_DATA, EL_STRUCT, EL_MEMBER, EL_NAME,
	/* the types */
	EL_INT, EL_DOUBLE, EL_BOOLEAN, EL_STRING, EL_NIL, EL_OTHER_TEXT,
};

struct grammar_open {
	enum element what;
	bool filled;            /* it has had the child it may have once */
	bool named;             /* EL_MEMBER: its name came */
};

struct grammar {
	struct grammar_open open[GRAMMAR_DEPTH + 1];
	unsigned depth;
	bool     complete;      /* the root has ended */
	bool     method;        /* of a call: its name came */
};

int grammar_element(const char *name);          /* -1: XML-RPC has none of that name */
/* May it stand inside what is open now?  Notes that it does. */
bool grammar_fits(struct grammar *, enum element);
bool grammar_int(struct slice text, int64_t *ret);
bool grammar_double(struct slice text, double *ret);    /* the text has a NUL behind it */

#endif
