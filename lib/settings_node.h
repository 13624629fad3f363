/* settings_node: a YAML text as a tree, with the place of everything in it.
 * What settings.h walks with its tables, and whoever reads a file that has no
 * table.  Anchors, aliases, tags, a second document, and what is nested deeper
 * than SETTINGS_DEPTH_MAX are mistakes. */
#ifndef PONTE_SETTINGS_NODE_H
#define PONTE_SETTINGS_NODE_H

#include "lib/settings.h"

enum settings_shape { SETTINGS_ONE, SETTINGS_LIST, SETTINGS_NAMED };

struct settings_node {
	enum settings_shape   shape;
	struct slice          text;             /* SETTINGS_ONE: without its quotes and escapes, with a NUL behind it */
	bool                  plain;            /* it stands without quotes */
	bool                  lines;            /* it goes over more than one line, or is written as a block */
	struct settings_place at;
	size_t                count;            /* SETTINGS_LIST, SETTINGS_NAMED: items, or pairs */
	const struct settings_node *first;      /* the first of them, in the file's order */
	const struct settings_node *next;       /* the one behind it */
	const struct settings_node *value;      /* of a pair; the node itself is its name */
};

/* *ret is in the arena; NULL: the file is empty.  0, SETTINGS_E_WRONG when there
 * is no tree, or -ENOMEM.  Mistakes are added also to a tree that can be walked:
 * a caller who adds its own sees errors->count at its end. */
MUST_CHECK int settings_load(struct slice text, struct arena *, const struct settings_node **ret, struct settings_errors *errors);

/* "hub:" with nothing behind it. */
bool settings_is_nothing(const struct settings_node *);
/* The value of that name, or NULL: there is none, or no map. */
const struct settings_node *settings_named(const struct settings_node *, const char *name);

#endif
