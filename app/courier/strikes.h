/* strikes: answers that were held against a delivery.  Some answers may pass
 * by themselves and may not (no JSON, 422): a few of them are enough, however
 * often the delivery was tried for other reasons.  How many, the destination
 * says.  Only in memory: a new courier begins to count anew. */
#ifndef PONTE_COURIER_STRIKES_H
#define PONTE_COURIER_STRIKES_H

#include "lib/base.h"

#define STRIKES_KEPT 8192       /* deliveries; beyond that the count of another is forgotten */

struct strikes {
	struct strike *item;
	size_t         n, cap, next;
};

void strikes_free(struct strikes *);
unsigned strikes_of(const struct strikes *, uint64_t delivery);
/* Out of memory it is not counted: one try more. */
void strikes_add(struct strikes *, uint64_t delivery);
void strikes_forget(struct strikes *, uint64_t delivery);

#endif
