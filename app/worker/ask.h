/* ask: a question to the tenant's Odoo or hub.  The courier puts it, who has
 * the keys; we wait, at most until the deadline. */
#ifndef PONTE_WORKER_ASK_H
#define PONTE_WORKER_ASK_H

#include "app/worker/request.h"
#include "lib/json.h"
#include "lib/protocol.h"

struct asked {
	enum call_kind   kind;
	enum call_result result;
	struct slice     why;           /* in the request's arena */
	struct json     *answer;        /* the caller's to free; NULL unless CALL_DONE */
};
/* question: JSON.  False: it is not DONE, and `why` says why. */
bool ask(struct request *, enum call_kind, struct slice question, int64_t ms, struct asked *ret);
/* Has the tenant's Odoo read, soon.  False: the request is answered. */
bool ask_pull(struct request *);
/* Answers the request with what went wrong; false, for a return. */
bool ask_refuse(struct request *, const struct asked *);

#endif
