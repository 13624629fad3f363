/* value: what a foreign system says, whatever it speaks: a tree of seven kinds
 * of value.  Everything of a tree lies in one arena. */
#ifndef PONTE_VALUE_H
#define PONTE_VALUE_H

#include "lib/arena.h"
#include "lib/base.h"

enum value_type { VALUE_NONE, VALUE_BOOL, VALUE_INT, VALUE_DOUBLE, VALUE_TEXT, VALUE_LIST, VALUE_RECORD };

struct value {
	enum value_type type;
	struct slice    name;           /* its key in a record; else empty */
	struct value   *next;           /* in its list or record */
	union {
		bool         truth;
		int64_t      number;
		double       real;
		struct slice text;      /* UTF-8 */
		struct { struct value *first, *last; } in;
	};
};

/* Each makes one in the arena; NULL when that is full.  A text is not copied. */
struct value *value_none(struct arena *);
struct value *value_bool(struct arena *, bool);
struct value *value_int(struct arena *, int64_t);
struct value *value_double(struct arena *, double);
struct value *value_text(struct arena *, struct slice);
struct value *value_list(struct arena *);
struct value *value_record(struct arena *);
/* Puts a value at the end of a list, or into a record under that name (a name
 * that is there already stays in front).  NULL for either is passed over: what
 * was built is looked at once, with arena_overflowed(). */
void value_add(struct value *list, struct value *item);
void value_set(struct value *record, struct slice name, struct value *member);

/* The member of that name, or NULL: none, or no record. */
const struct value *value_get(const struct value *record, const char *name);
/* Item i of a list, or NULL. */
const struct value *value_at(const struct value *list, size_t i);
size_t value_count(const struct value *);               /* of a list or record, which it walks; else 0 */
bool value_equal(const struct value *, const struct value *);   /* members in any order */

#endif
