/* views: small pages of what the catalogue holds, for people. */
#ifndef PONTE_WORKER_VIEWS_H
#define PONTE_WORKER_VIEWS_H

#include "app/worker/request.h"

/* May this page be seen without a token?  True: r->tenant is set. */
bool views_open(struct request *);

#endif
