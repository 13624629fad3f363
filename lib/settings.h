/* settings: YAML through libyaml's document API, and a table of options that
 * walks the nodes.  One table gives parser, all errors at once with line and
 * column, --help, the man page and tenant import; so they cannot disagree.
 *
 * Accepted: plain and quoted scalars on one line, block and flow maps and
 * lists; a map or list with nothing behind its name is an empty one.  Refused
 * with a place: unknown keys, repeated keys, anchors, aliases, tags, a second
 * document, a number with anything behind it ("4x"), octal-looking numbers
 * ("010"), values out of range, nesting deeper than SETTINGS_DEPTH_MAX, a text
 * longer than SETTINGS_TEXT_MAX.
 *
 * settings_node.c reads YAML; settings.c walks; settings_text.c knows how one value is
 * written; settings_mistake.c keeps the mistakes; settings_print.c prints the
 * table. */
#ifndef PONTE_SETTINGS_H
#define PONTE_SETTINGS_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/buf.h"

enum settings_type {
	SET_BOOL,           /* bool: true, false */
	SET_UINT,           /* uint64_t, min..max */
	SET_INT64,          /* int64_t, min..max (ids) */
	SET_DURATION,       /* int64_t milliseconds: 250ms, 2s, 5min (5m), 6h, 30d; 0 needs no unit; min..max in ms */
	SET_SIZE,           /* uint64_t bytes: 512, 64KiB, 16MiB, 1GiB */
	SET_TEXT,           /* struct slice; not empty unless min == 0; at most max bytes (0: 1024) */
	SET_NAME,           /* struct slice of [A-Za-z0-9_.-]{1,64}, but not "." or ".." */
	SET_CHOICE,         /* int: index into choices[] */
	SET_PATH,           /* struct slice; a relative one counts from the file's directory, made
	                     * absolute; then at most max bytes (0: 4095; SETTINGS_SOCKET_PATH for sockets) */
	SET_URL,            /* struct slice: http or https, no user-info (http_url_split) */
	SET_MAP,            /* a struct of its own at offset: child table */
	SET_LIST_TEXT,      /* struct settings_list of struct slice */
	SET_LIST_MAP,       /* struct settings_list of child structs */
};

struct settings_list {
	void  *items;       /* in the arena */
	size_t count;
};

struct settings_option {
	const char        *name;
	enum settings_type type;
	size_t             offset;          /* of the member in its struct */
	int64_t            min, max;        /* SET_LIST_*: max = most items (0: 10,000) */
	const char        *fallback;        /* as it would be written; NULL: member stays as it is */
	bool               required;
	const char *const *choices;         /* NULL-terminated */
	const struct settings_option *child;/* table of SET_MAP and SET_LIST_MAP, ended by name == NULL */
	size_t             child_size;      /* SET_LIST_MAP: bytes of one item */
	size_t             given_offset;    /* optional bool set when the key was present; 0: none (so never the first member) */
	size_t             place_offset;    /* optional struct settings_place, likewise: where the value stands */
	const char      *(*check)(struct slice);    /* optional, SET_TEXT, SET_URL and every item of SET_LIST_TEXT:
	                                     * NULL, or what is wrong as it reads behind the value:
	                                     * "is not like host:port" */
	const char        *help;            /* one line */
};

struct settings_place { unsigned line, column; };       /* from 1; zeros: not in the file */

struct settings_error {
	unsigned line, column;              /* from 1; 0: the file as a whole */
	char     text[200];                 /* "workers.hooks: 900 is not a number between 1 and 64" */
};
#define SETTINGS_ERRORS_MAX 20

/* ":LINE:COLUMN" behind the file's name; empty when it is the file as a whole. */
struct settings_at { char text[24]; };
struct settings_at settings_at(const struct settings_error *);

struct settings_errors {
	size_t count;                       /* more than the array holds: it was cut */
	struct settings_error item[SETTINGS_ERRORS_MAX];
};

enum settings_outcome { SETTINGS_E_WRONG = 1 };

#define SETTINGS_TEXT_MAX    (4 * MIB)
#define SETTINGS_DEPTH_MAX   16
#define SETTINGS_SOCKET_PATH 107    /* sun_path with its NUL is 108 */

/* Fills *target from text; what is not there gets its default.  `dir` is where
 * relative paths count from.  All strings are copied into the arena.  0,
 * SETTINGS_E_WRONG (errors say where, in the file's order; target must not be
 * used) or -ENOMEM. */
MUST_CHECK int settings_read(struct slice text, const char *dir, const struct settings_option *table,
    void *target, struct arena *, struct settings_errors *reterr);

/* One more mistake, for checks that go over more than one value. */
void settings_mistake(struct settings_errors *, struct settings_place, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* A path as SET_PATH makes it: absolute, counted from dir, without "//" and
 * "/./".  Empty when the arena is full or the working directory is gone. */
struct slice settings_path(struct arena *, const char *dir, struct slice path);
/* Is it a name as SET_NAME wants it? */
bool settings_name_ok(struct slice);
/* A duration as SET_DURATION reads it, at most a hundred years.  0 or -EINVAL. */
MUST_CHECK int settings_duration(struct slice text, int64_t *ret_ms);

/* "  workers.hooks   number 1..64, default 16   processes that answer webhooks" */
MUST_CHECK int settings_help(const struct settings_option *table, struct buf *out);
/* The table as a commented YAML file with its defaults. */
MUST_CHECK int settings_sample(const struct settings_option *table, struct buf *out);
/* The table as roff (.TP) for a man page. */
MUST_CHECK int settings_roff(const struct settings_option *table, struct buf *out);

#endif
