/* route: finds the row of a route table.  The table itself stands in
 * app/worker/routes.c; nothing here knows a URL. */
#ifndef PONTE_ROUTE_H
#define PONTE_ROUTE_H

#include "lib/base.h"
#include "lib/http.h"

#define ROUTE_PARAMS 4

enum route_group { ROUTE_HOOKS, ROUTE_API };        /* which socket, which workers */

/* Who may come in.  Decided before the handler, except where it says so. */
enum route_access {
	ROUTE_OPEN,         /* anybody */
	ROUTE_SIGNED,       /* the sender's proof, checked by the handler over the raw bytes */
	ROUTE_TOKEN,        /* a Bearer token with the row's scope; it names the tenant */
};

/* How errors look on this path. */
enum route_shape {
	ROUTE_WEBHOOK,      /* {"status":"refused","code","reason","request_id"} */
	ROUTE_DETAIL,       /* {"detail","code","request_id"} */
	ROUTE_ENVELOPE,     /* {"success":false,"error":{"code","message"},"detail":{likewise},"meta":{"request_id"},…} */
	ROUTE_TOOL,         /* {"success":false,"error":text,"code",…} */
	ROUTE_PAGE,         /* HTML, for people */
};

enum route_flag {
	ROUTE_FORM = 1,             /* the body is multipart/form-data, not JSON */
	ROUTE_ADDON = 2,            /* the addons sign the body, when they have a secret (X-Webhook-Signature) */
	ROUTE_BY_DOCUMENTS = 4,     /* a tenant may let it in without a token: odoo.open of its file */
	ROUTE_BY_TOOLS = 8,
	ROUTE_BY_VIEWS = 16,
};

struct request;
struct route {
	enum http_method  method;
	const char       *path;             /* "/a/{name}/b": a {name} is one segment, not empty */
	enum route_group  group;
	enum route_access access;
	unsigned          scope;            /* ROUTE_TOKEN: enum token_scope */
	enum route_shape  shape;
	size_t            body_max;         /* 0: no body is read; SIZE_MAX: limits.body */
	unsigned          flags;            /* enum route_flag */
	void            (*handler)(struct request *);
	const char       *help;             /* one line */
};

enum route_outcome {
	ROUTE_E_NO_PATH = 1,                /* 404 */
	ROUTE_E_NO_METHOD,                  /* 405; ret_allow has the methods that would do */
};

struct route_match {
	size_t       row;
	struct slice param[ROUTE_PARAMS];   /* what the {names} matched, in order */
	unsigned     params;
};

/* HEAD finds the GET row.  A path that matches in another method only is
 * ROUTE_E_NO_METHOD with *ret_allow a bit per enum http_method. */
MUST_CHECK int route_find(const struct route *table, size_t rows, enum http_method,
    struct slice path, struct route_match *ret, unsigned *ret_allow);
/* "GET, HEAD, POST" for an Allow header. */
size_t route_allow_text(unsigned allow, char *text, size_t cap);

#endif
