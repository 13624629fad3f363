/* api: what the handlers of /api/v1 have in common: the account, the envelope
 * {"success","data","meta","error"}, bodies, queries. */
#ifndef PONTE_WORKER_API_H
#define PONTE_WORKER_API_H

#include "app/worker/request.h"
#include "lib/json.h"

/* False: the request is answered. */
bool api_refuse(struct request *, enum request_refusal, struct slice reason);
/* ?account_id=, when it is given, is the tenant of the token. */
bool api_account(struct request *);
/* The body, checked and parsed; the caller's to free.  An account_id in it, or in
 * its metadata, is the tenant of the token. */
bool api_body(struct request *, struct json **ret);
/* The same where a body is optional: an empty one is an empty object. */
bool api_body_optional(struct request *, struct json **ret);
/* Any JSON object, whatever account it names. */
bool api_object(struct request *, struct json **ret);
/* A parameter of the query, decoded (RFC 3986, and '+' a blank); empty when it
 * is absent.  False: it cannot be decoded, and the request is answered. */
bool api_query(struct request *, const char *name, struct slice *ret);
bool api_query_int(struct request *, const char *name, int64_t least, int64_t most, int64_t fallback, int64_t *ret);

/* The same in pieces: 200 and the beginning of data, whose members follow; then
 * its end and the rest of the envelope. */
void api_open(struct request *);
void api_close(struct request *);
/* 200 with data, which is taken over (NULL: out of memory, 503).  meta's own
 * members first, when there are any. */
void api_answer(struct request *, struct json *data, struct json *meta);

/* A text as Odoo sends it: `false` and null are empty.  False: it is something
 * else. */
bool api_text(const struct json *object, const char *key, struct slice *ret);
/* May that be searched for: is there some of it, and not more than anybody asks?
 * False: the request is answered. */
bool api_sought(struct request *, struct slice text);
/* Is that one of Odoo's empty values: absent, null, or `false`? */
bool api_empty(enum json_type, const struct json *);

#endif
