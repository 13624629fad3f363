/* json: one strict checker over the raw bytes (RFC 8259), and behind it a
 * document model (json-c) that sees only what passed.
 *
 * json-c alone collapses duplicate keys, cuts keys at NUL, turns lone
 * surrogates into U+FFFD, clamps big integers and takes NaN; so nothing from
 * outside reaches json_parse() before json_check() said 0.
 *
 * `struct json` is never complete: a value of the document.  A JSON null is a
 * NULL pointer, so look at the type that the call returns, not at the pointer. */
#ifndef PONTE_JSON_H
#define PONTE_JSON_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"

struct json_limits {
	unsigned depth;         /* of nesting; 64 */
	size_t   values;        /* in the whole text; 200,000 */
	size_t   keys;          /* in one object; 2,000 */
	bool     object;        /* the top level must be an object */
};
extern const struct json_limits json_default_limits;  /* the numbers above, object = true */

enum json_outcome {
	JSON_E_SYNTAX = 1,      /* not JSON: grammar, UTF-8, lone surrogate, cut, empty, trailing bytes */
	JSON_E_REFUSED,         /* well-formed up to here but refused: duplicate key (any depth, after
	                         * unescaping), NUL in a key, depth, counts, top level no object */
};
struct json_fault {
	size_t      offset;     /* byte where it was seen */
	const char *what;       /* static text, for the error answer */
};

/* 0, JSON_E_SYNTAX, JSON_E_REFUSED (the first fault in byte order decides) or
 * -ENOMEM. */
MUST_CHECK int json_check(struct slice text, const struct json_limits *, struct json_fault *reterr);

struct json;

enum json_type { JSON_ABSENT, JSON_NULL, JSON_BOOL, JSON_INT, JSON_DOUBLE, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Of text that passed json_check().  The result is owned by the caller;
 * values got from it live as long as it does.  0 or -ENOMEM. */
MUST_CHECK int json_parse(struct slice text, struct json **ret);
void json_free(struct json *);                      /* NULL is fine */
void json_freep(struct json **);                    /* for CLEANUP() */

/* The member of that name.  JSON_ABSENT when there is none or obj is no
 * object.  *ret is set to NULL for absent and null. */
enum json_type json_get(const struct json *obj, const char *key, const struct json **ret);
/* Follows "a.b.c" of object keys. */
enum json_type json_path(const struct json *obj, const char *dotted, const struct json **ret);
enum json_type json_type_of(const struct json *);   /* NULL: JSON_NULL */

/* The value of that kind of token; 0, -EINVAL (another kind: 1.0 and 1e3 are
 * no integers) or -ERANGE (does not fit 64 bits; 1e999 does not either). */
MUST_CHECK int json_int(const struct json *, int64_t *ret);
MUST_CHECK int json_number(const struct json *, double *ret);   /* int or double */
bool json_true(const struct json *);                /* JSON_BOOL and true */
struct slice json_text(const struct json *);        /* bytes of a string; else empty */
size_t json_length(const struct json *);            /* of an array or object; else 0 */
/* Element of an array.  JSON_ABSENT beyond its end. */
enum json_type json_at(const struct json *array, size_t i, const struct json **ret);
/* Member i of an object in its own order: for (it = {0}; json_next(obj, &it);) */
struct json_iter { void *at; const char *key; const struct json *value; bool started; };
bool json_next(const struct json *obj, struct json_iter *);

/* Building.  A NULL from a constructor is out of memory.  json_set and
 * json_add take ownership of value (NULL means JSON null) also when they fail
 * (-ENOMEM).  The typed forms are for the common cases; in a text, bytes that
 * are no UTF-8 become U+FFFD. */
struct json *json_new_object(void);
struct json *json_new_array(void);
MUST_CHECK int json_set(struct json *obj, const char *key, struct json *value);
MUST_CHECK int json_set_text(struct json *obj, const char *key, struct slice text);
MUST_CHECK int json_set_int(struct json *obj, const char *key, int64_t value);
MUST_CHECK int json_set_bool(struct json *obj, const char *key, bool value);
MUST_CHECK int json_set_double(struct json *obj, const char *key, double value);
MUST_CHECK int json_set_null(struct json *obj, const char *key);
MUST_CHECK int json_add(struct json *array, struct json *value);
MUST_CHECK int json_add_text(struct json *array, struct slice text);
MUST_CHECK int json_add_int(struct json *array, int64_t value);
/* A second owner of the same value: put a part of one document into another. */
struct json *json_ref(const struct json *value);
void json_remove(struct json *obj, const char *key);
/* A value deep enough to be changed without the original noticing; NULL: out of memory. */
struct json *json_copy(const struct json *value);

/* Compact, UTF-8, '/' not escaped, numbers as they came.  0 or -ENOMEM. */
MUST_CHECK int json_print(const struct json *, struct buf *out);
/* Appends text as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
MUST_CHECK int json_quote(struct slice text, struct buf *out);

/* The canonical form that the Odoo addons sign: keys sorted by code point at
 * every depth, separators ", " and ": ", ASCII only, number tokens copied.
 * Of text that passed json_check().  0 or -ENOMEM. */
MUST_CHECK int json_canonical(struct slice text, struct buf *out);

#endif
