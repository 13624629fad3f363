/* odoo: calls of Odoo's external API (14 to 21) and what their answers mean.
 * No socket, no clock: somebody else moves the bytes.
 *
 * A codec is one way to say the same: XML-RPC now, which Odoo keeps until 22;
 * JSON-2, which begins with 19, has its place beside it.
 *
 * Odoo has no empty value: a text, a date or a reference that is not set comes
 * as `false`.  odoo_give_types() makes of it what the field's type says. */
#ifndef PONTE_ODOO_ODOO_H
#define PONTE_ODOO_ODOO_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"
#include "lib/value.h"

/* ---- calls ---- */

struct odoo_login { struct slice db, login, key; int64_t uid; };        /* uid 0: not known */

enum odoo_service { ODOO_COMMON, ODOO_OBJECT };

/* X(name, text for people) */
#define ODOO_OUTCOMES(X) \
	X(OK, "done") \
	X(DENIED, "login or key are refused") \
	X(NOT_ALLOWED, "the user may not do that") \
	X(REFUSED, "a rule of Odoo's refuses it, or there is no such record") \
	X(MISTAKE, "Odoo does not understand it") \
	X(AGAIN, "Odoo is in trouble for the moment") \
	X(APPLIED, "done, but the answer to it cannot be told") \
	X(NO_DATABASE, "there is no such database") \
	X(NOT_ODOO, "what answers there is no Odoo") \
	X(UNREADABLE, "the answer cannot be read")
enum odoo_outcome {
#define X(name, text) ODOO_##name,
	ODOO_OUTCOMES(X)
#undef X
};
const char *odoo_outcome_text(enum odoo_outcome);

#define ODOO_WHY 300
struct odoo_answer {
	enum odoo_outcome outcome;
	struct value     *value;        /* ODOO_OK */
	char              why[ODOO_WHY];        /* else: what Odoo said, cut; for logs and operators */
	size_t            dropped;      /* characters that XML does not allow */
};

struct odoo_codec {
	const char *(*path)(enum odoo_service);         /* behind the URL */
	const char *content_type;
	/* Append the body of a request.  0, -ENOMEM or -EINVAL: something in it that
	 * cannot be said. */
	int (*version)(struct buf *out);
	int (*authenticate)(const struct odoo_login *, struct arena *, struct buf *out);
	/* args a list, kwargs a record or NULL */
	int (*execute)(const struct odoo_login *, struct slice model, struct slice method, const struct value *args,
	    const struct value *kwargs, struct arena *, struct buf *out);
	/* The answer to any of them; its value lies in the arena.  0 or -ENOMEM. */
	int (*read)(unsigned status, struct slice content_type, struct slice body, struct arena *, struct odoo_answer *ret);
};
extern const struct odoo_codec odoo_xmlrpc;

/* May the method be asked twice without harm? */
bool odoo_only_reads(struct slice method);

/* ---- versions ---- */

struct odoo_version { int major, minor; };      /* major 0: not known */
/* Of what version() answers.  0 or -EPROTO. */
MUST_CHECK int odoo_version_of(const struct value *, struct odoo_version *ret);
/* A sentence for the operator, or NULL: nothing to say. */
const char *odoo_version_remark(const struct odoo_version *);

/* ---- types ---- */

enum odoo_type { ODOO_T_NONE, ODOO_T_TEXT, ODOO_T_NUMBER, ODOO_T_BOOL, ODOO_T_ONE, ODOO_T_MANY, ODOO_T_OTHER };
struct odoo_fields;
/* Of what fields_get(attributes: [type]) answers.  0, -EPROTO or -ENOMEM. */
MUST_CHECK int odoo_fields_new(const struct value *, struct odoo_fields **ret);
void odoo_fields_free(struct odoo_fields *);            /* NULL is fine */
enum odoo_type odoo_field_type(const struct odoo_fields *, struct slice name);  /* ODOO_T_NONE: no such field */
/* In a record that was read: an empty text, NONE for a reference that is not set. */
void odoo_give_types(struct value *record, const struct odoo_fields *);

/* Members of a record, whatever they are; what is not there, or of another
 * kind, is empty. */
struct slice odoo_text(const struct value *record, const char *field);
int64_t odoo_id(const struct value *record, const char *field);         /* an integer, or the id of a reference */
double odoo_number(const struct value *record, const char *field);
bool odoo_bool(const struct value *record, const char *field, bool absent);
/* "YYYY-MM-DD HH:MM:SS" or "YYYY-MM-DD", UTC.  0 or -EINVAL. */
MUST_CHECK int odoo_time(struct slice, int64_t *ret_us);

#endif
