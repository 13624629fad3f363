/* catalogue: a worker's own connection to the catalogue, opened when it is
 * first wanted. */
#ifndef PONTE_WORKER_CATALOGUE_H
#define PONTE_WORKER_CATALOGUE_H

#include "app/worker/request.h"
#include "lib/catalog.h"

/* NULL: the request is answered. */
struct catalog *catalogue_of(struct request *);
/* It could not be read; false, for a return. */
bool catalogue_failed(struct request *);

#endif
