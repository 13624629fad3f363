/* request: one request as a handler sees it.
 *
 * Every slice points into memory that libfcgi, the worker's body buffer or the
 * request's arena owns; all of it is gone when the answer has been written.
 * Only the parameters listed here are taken from the web server: whatever else
 * a client makes it send (HTTP_PROXY, REMOTE_USER, SCRIPT_NAME …) is not
 * looked at. */
#ifndef PONTE_WORKER_REQUEST_H
#define PONTE_WORKER_REQUEST_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/http.h"
#include "lib/json.h"
#include "lib/route.h"

#define REQUEST_PATH_MAX  2048

/* name, the FastCGI parameter, its longest value */
#define REQUEST_PARAMS(X) \
	X(METHOD,            "REQUEST_METHOD",            32) \
	X(URI,               "REQUEST_URI",               8192) \
	X(QUERY,             "QUERY_STRING",              8192) \
	X(CONTENT_TYPE,      "CONTENT_TYPE",              256) \
	X(CONTENT_LENGTH,    "CONTENT_LENGTH",            20) \
	X(ID,                "REQUEST_ID",                64) \
	X(REMOTE,            "REMOTE_ADDR",               64) \
	X(CLIENT_ID,         "HTTP_X_REQUEST_ID",         1024) \
	X(SIGNATURE,         "HTTP_X_CHATWOOT_SIGNATURE", 1024) \
	X(TIMESTAMP,         "HTTP_X_CHATWOOT_TIMESTAMP", 1024) \
	X(DELIVERY,          "HTTP_X_CHATWOOT_DELIVERY",  1024) \
	X(WEBHOOK_SIGNATURE, "HTTP_X_WEBHOOK_SIGNATURE",  1024) \
	X(AUTHORIZATION,     "HTTP_AUTHORIZATION",        8192) \
	X(IF_NONE_MATCH,     "HTTP_IF_NONE_MATCH",        1024) \
	X(CONTENT_ENCODING,  "HTTP_CONTENT_ENCODING",     256) \
	X(TRANSFER_ENCODING, "HTTP_TRANSFER_ENCODING",    256)
enum request_param {
#define X(name, text, longest) REQUEST_P_##name,
	REQUEST_PARAMS(X)
#undef X
	REQUEST_P_COUNT
};

/* Why a request is refused: the code of the answer, its status, and the
 * counter beside `refused` that moves with it. */
#define REQUEST_REFUSALS(X) \
	X(BAD_REQUEST,     BAD_REQUEST,            refused) \
	X(BAD_JSON,        BAD_REQUEST,            bad_json) \
	X(BAD_SIGNATURE,   UNAUTHORIZED,           bad_signature) \
	X(MISSING_ACCOUNT_ID, BAD_REQUEST,         bad_schema) \
	X(WRONG_ACCOUNT,   FORBIDDEN,              wrong_account) \
	X(UNKNOWN_TENANT,  NOT_FOUND,              unknown_tenant) \
	X(NOT_FOUND_ERROR, NOT_FOUND,              refused) \
	X(BAD_METHOD,      METHOD_NOT_ALLOWED,     refused) \
	X(TOO_LARGE,       CONTENT_TOO_LARGE,      too_large) \
	X(BAD_TYPE,        UNSUPPORTED_MEDIA_TYPE, refused) \
	X(BAD_SCHEMA,      UNPROCESSABLE_CONTENT,  bad_schema) \
	X(TRY_AGAIN,       INTERNAL_SERVER_ERROR,  try_again) \
	X(UNAUTHORIZED,    UNAUTHORIZED,           bad_token) \
	X(INVALID_TOKEN,   UNAUTHORIZED,           bad_token) \
	X(AUTHORIZATION_ERROR, FORBIDDEN,          bad_token) \
	X(VALIDATION_ERROR, UNPROCESSABLE_CONTENT, bad_schema) \
	X(DATABASE_ERROR,  INTERNAL_SERVER_ERROR,  try_again) \
	X(RATE_LIMIT_ERROR, TOO_MANY_REQUESTS,     bad_token) \
	X(ODOO_CONNECTION_ERROR, BAD_GATEWAY,      try_again) \
	X(ODOO_AUTHENTICATION_ERROR, BAD_GATEWAY,  try_again) \
	X(ODOO_OPERATION_ERROR, BAD_GATEWAY,       try_again) \
	X(DEADLINE,        GATEWAY_TIMEOUT,        try_again) \
	X(UNKNOWN_EVENT,   NOT_FOUND,              refused) \
	X(CONFLICT,        CONFLICT,               refused) \
	X(TOO_LATE,        GONE,                   refused) \
	X(SERVICE_UNAVAILABLE_ERROR, SERVICE_UNAVAILABLE, try_again) \
	X(NOT_IMPLEMENTED, NOT_IMPLEMENTED,        refused)
enum request_refusal {
	REQUEST_R_NONE = 0,
#define X(name, status, counter) REQUEST_R_##name,
	REQUEST_REFUSALS(X)
#undef X
};

struct answer {
	enum http_status status;            /* 0: not answered yet */
	struct buf       text;              /* the JSON object, or the page; its memory is the worker's */
	bool             broken;            /* no memory for the text */
	bool             page;              /* HTML (page.h) */
	size_t           data_at;           /* where `data` begins in the text (api.c) */
	char             etag[40];          /* of `data` alone; empty: the answer is not to be kept */
	int64_t          synced_us;         /* when what was read was synced last; 0: not known, or never */
	char             allow[64];         /* 405: the methods that would do */
};

struct worker;

struct request {
	struct worker      *worker;
	struct arena       *arena;
	int64_t             began_us;       /* clock_mono_us() */

	enum http_method    method;
	struct slice        path;           /* raw, cut at '?' */
	struct slice        given[REQUEST_P_COUNT];
	const char         *fault;          /* the parameters cannot be: static text */
	struct slice        body;
	char                id[33];         /* ours: 32 hex digits */

	const struct route *route;          /* NULL: none matched */
	struct slice        param[ROUTE_PARAMS];    /* what the route's {names} matched */
	unsigned            params;

	struct answer       answer;
	char                retry_after[40];    /* the header of a 429 */
	bool                sync;               /* an addon's, at a webhook path: it is refused in the addons' shape */

	/* for the log line: what is known by then */
	enum request_refusal refusal;
	struct slice        reason, tenant, sender, event_id, decision, chatwoot_event;
};

static inline struct slice
request_given(const struct request *r, enum request_param which)
{
	return r->given[which];
}

/* A new request over memory that was used before: keeps arena and buffers. */
void request_reset(struct request *, int64_t now_us);
/* One parameter as the web server gave it.  An unknown name is ignored; an
 * overlong value, or a second value that differs, is remembered as a fault. */
void request_take(struct request *, struct slice name, struct slice value);
/* After the last parameter: method, path and id.  False: answered already. */
bool request_open(struct request *);
/* Finds the row: false when it answered 404 or 405. */
bool request_route(struct request *, const struct route *table, size_t rows);
/* 413 and 415, before a byte of the body is read.  False: answered.
 * *ret_length: bytes announced, SIZE_MAX when nothing was. */
bool request_admit(struct request *, size_t limit, size_t *ret_length);
/* The path as a log may show it: the row's pattern, or the first segments of a
 * path without a row (a secret may stand behind them). */
struct slice request_shown_path(const struct request *);
/* Is it one of the webhook paths, where 502, 503 and 504 are never sent? */
bool request_is_webhook(const struct request *);

/* ---- answers (answer.c) ----
 * begin, members, end; running out of memory is remembered and makes a 500. */
void answer_begin(struct request *, enum http_status);
void answer_text(struct request *, const char *key, struct slice value);
void answer_int(struct request *, const char *key, int64_t value);
void answer_null(struct request *, const char *key);
void answer_bool(struct request *, const char *key, bool value);
void answer_number(struct request *, const char *key, double value);
void answer_float(struct request *, const char *key, int64_t us);   /* seconds, six decimals */
void answer_json(struct request *, const char *key, const struct json *value);
void answer_open(struct request *, const char *key);    /* an object as a member, or (NULL) in an array … */
void answer_close(struct request *);                    /* … and its end */
void answer_array(struct request *, const char *key);   /* an array as a member … */
void answer_array_close(struct request *);              /* … and its end */
void answer_end(struct request *);
/* The whole answer of a refusal, in the shape of the path. */
void answer_refuse(struct request *, enum request_refusal, struct slice reason);
const char *answer_code(enum request_refusal);
/* The bytes that are sent: the text, or what stands for it when there was no memory. */
struct slice answer_body(const struct request *);
/* The head of the answer as FastCGI wants it, up to the empty line.  0 or -ENOMEM. */
MUST_CHECK int answer_head(const struct request *, int64_t now_mono_us, struct buf *out);

#endif
