/* multipart: one field of a form that carries a file (multipart/form-data,
 * RFC 7578; the framing is RFC 2046's). */
#ifndef PONTE_MULTIPART_H
#define PONTE_MULTIPART_H

#include "lib/base.h"

enum multipart_outcome {
	MULTIPART_E_TYPE = 1,       /* the Content-Type is another, or names no boundary */
	MULTIPART_E_SYNTAX,         /* the body does not hold to it, or is cut */
	MULTIPART_E_NONE,           /* there is no field of that name */
};

bool multipart_is(struct slice content_type);
/* The bytes of the first field of that name, as a view into the body.  At most
 * 100 parts are looked at. */
MUST_CHECK int multipart_field(struct slice content_type, struct slice body, const char *name, struct slice *ret);

#endif
