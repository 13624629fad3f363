/* uuid: version 7 (RFC 9562), the event id.  Time first, so ids made later
 * sort later; 74 bits are random. */
#ifndef PONTE_UUID_H
#define PONTE_UUID_H

#include "lib/base.h"

struct uuid { uint8_t byte[16]; };
#define UUID_TEXT 37                                /* with the NUL */

struct uuid uuid_make(int64_t wall_us);
void uuid_text(const struct uuid *, char ret[static UUID_TEXT]);
MUST_CHECK int uuid_parse(struct slice, struct uuid *ret);      /* 0 or -EINVAL */
bool uuid_is_zero(const struct uuid *);

#endif
