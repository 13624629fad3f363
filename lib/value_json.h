/* value_json: values as JSON, which is how they travel between our processes. */
#ifndef PONTE_VALUE_JSON_H
#define PONTE_VALUE_JSON_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/json.h"
#include "lib/value.h"

/* Texts are copied into the arena.  0, -ENOMEM, or -ERANGE: a number that fits
 * neither 64 bits nor a double. */
MUST_CHECK int value_of_json(const struct json *, struct arena *, struct value **ret);
/* Appends.  A double that is not finite becomes null; bytes that are no UTF-8
 * become U+FFFD.  0 or -ENOMEM. */
MUST_CHECK int value_print_json(const struct value *, struct buf *out);

#endif
