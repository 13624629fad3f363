/* catalogue: a worker's own connection to the catalogue, opened when it is
 * first wanted. */
#ifndef PONTE_WORKER_CATALOGUE_H
#define PONTE_WORKER_CATALOGUE_H

#include "app/worker/request.h"
#include "lib/catalog.h"

/* To read these kinds of (bits): how old they are is said with the answer.
 * NULL: the request is answered. */
struct catalog *catalogue_of(struct request *, unsigned kinds);
/* It could not be read; false, for a return. */
bool catalogue_failed(struct request *);

#endif
