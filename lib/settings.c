#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/settings_node.h"
#include "lib/settings_text.h"

#define ROWS_MAX 32             /* options in one table */
#define ITEMS_MAX 10000         /* in a list whose row does not say */

/* One reading: where we are is `path` ("tenants[0].senders[1]"). */
struct walk {
	const char             *dir;
	struct arena           *arena;
	struct settings_errors *errors;
	char                    path[160];
};

static int read_map(struct walk *, const struct settings_option *, const struct settings_node *, char *target);

/* ---- mistakes ---- */

/* "workers.hooks: " and the text, at the node (NULL: the file as a whole). */
static void mistake(struct walk *, const struct settings_node *, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void
mistake(struct walk *w, const struct settings_node *node, const char *fmt, ...)
{
	char text[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	settings_mistake(w->errors, node ? node->at : (struct settings_place){ 0, 0 },
	    "%s%s%s", w->path, w->path[0] ? ": " : "", text);
}

/* Goes one name or index deeper; path_back() with what it returned leaves. */
static size_t path_into(struct walk *, const char *fmt, ...) PRINTF_LIKE(2, 3);

static size_t
path_into(struct walk *w, const char *fmt, ...)
{
	size_t at = strlen(w->path);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(w->path + at, sizeof w->path - at, fmt, ap);
	va_end(ap);
	return at;
}

static size_t
path_name(struct walk *w, const char *name)
{
	return path_into(w, "%s%s", w->path[0] ? "." : "", name);
}

static void
path_back(struct walk *w, size_t at)
{
	w->path[at] = '\0';
}

/* ---- nodes ---- */

/* A scalar that may be a value.  Says what is wrong otherwise. */
static bool
is_value(struct walk *w, const struct settings_node *node)
{
	if (node->shape != SETTINGS_ONE) {
		mistake(w, node, "one value must stand here, not a %s",
		    node->shape == SETTINGS_NAMED ? "map" : "list");
		return false;
	}
	struct slice text = node->text;
	if (node->plain && (text.len == 0 || slice_eq(text, SLICE("~")) || slice_eq(text, SLICE("null")))) {
		mistake(w, node, "has no value; write one or leave the line out");
		return false;
	}
	if (node->lines) {
		mistake(w, node, "the value goes over more than one line; write it on one");
		return false;
	}
	return true;
}

/* ---- names ---- */

static int
option_find(const struct settings_option *table, struct slice name)
{
	for (int i = 0; table[i].name; i++)
		if (slice_eq(name, slice_of(table[i].name)))
			return i;
	return -1;
}

static void
add_name(char *names, size_t size, const char *between, const char *name)
{
	size_t at = strlen(names);
	snprintf(names + at, size - at, "%s%s", at > 0 ? between : "", name);
}

static void
unknown_name(struct walk *w, const struct settings_option *table, const struct settings_node *key)
{
	struct slice name = key->text;
	const char *near = settings_nearest(table, name);
	size_t at = path_name(w, settings_show(name).text);
	if (near) {
		mistake(w, key, "there is no such setting; did you mean %s?", near);
		path_back(w, at);
		return;
	}
	char names[120] = "";
	for (const struct settings_option *o = table; o->name; o++)
		if (o->type == SET_MAP && option_find(o->child, name) >= 0)
			add_name(names, sizeof names, " or ", o->name);
	if (names[0]) {
		mistake(w, key, "there is no such setting here; it belongs under %s", names);
		path_back(w, at);
		return;
	}
	for (const struct settings_option *o = table; o->name; o++)
		add_name(names, sizeof names, ", ", o->name);
	mistake(w, key, "there is no such setting here; known are %s", names);
	path_back(w, at);
}

/* Which node belongs to which row of the table. */
static void
match_names(struct walk *w, const struct settings_option *table, const struct settings_node *map,
    const struct settings_node *ret_value[static ROWS_MAX])
{
	const struct settings_node *first[ROWS_MAX] = { NULL };

	for (const struct settings_node *key = map->first; key; key = key->next) {
		if (key->shape != SETTINGS_ONE) {
			mistake(w, key, "a name must stand here");
			continue;
		}
		int i = option_find(table, key->text);
		if (i < 0) {
			unknown_name(w, table, key);
		} else if (first[i]) {
			size_t at = path_name(w, table[i].name);
			mistake(w, key, "stands here a second time; the first is on line %u",
			    first[i]->at.line);
			path_back(w, at);
		} else {
			first[i] = key;
			ret_value[i] = key->value;
		}
	}
}

/* ---- values ---- */

static int
read_scalar(struct walk *w, const struct settings_option *o, const struct settings_node *node, char *target)
{
	if (!is_value(w, node))
		return 0;
	struct settings_why why;
	int r = settings_value(o, node->text, w->dir, target, w->arena, &why);
	if (r == SETTINGS_E_WRONG) {
		mistake(w, node, "%s", why.text);
		return 0;
	}
	return r;
}

static int
read_text_item(struct walk *w, const struct settings_option *o, const struct settings_node *node,
    struct slice *ret)
{
	if (!is_value(w, node))
		return 0;
	struct settings_why why;
	int r = settings_item(o, node->text, ret, w->arena, &why);
	if (r == SETTINGS_E_WRONG) {
		mistake(w, node, "%s", why.text);
		return 0;
	}
	return r;
}

static int
read_list(struct walk *w, const struct settings_option *o, const struct settings_node *node, char *target)
{
	struct settings_list *list = (struct settings_list *)(target + o->offset);
	bool maps = o->type == SET_LIST_MAP;
	size_t size = maps ? o->child_size : sizeof(struct slice);
	size_t max = o->max > 0 ? (size_t)o->max : ITEMS_MAX;

	*list = (struct settings_list){ NULL, 0 };
	if (settings_is_nothing(node))
		return 0;
	if (node->shape != SETTINGS_LIST) {
		mistake(w, node, "a list must stand here: [one, two], or lines that begin with '- '");
		return 0;
	}
	size_t count = node->count;
	if (count > max) {
		mistake(w, node, "the list has %zu entries, at most %zu are allowed", count, max);
		return 0;
	}
	if (count == 0)
		return 0;
	char *items = arena_take(w->arena, count * size);
	if (!items)
		return -ENOMEM;

	const struct settings_node *item = node->first;
	for (size_t i = 0; i < count; i++, item = item->next) {
		size_t at = path_into(w, "[%zu]", i);
		int r = maps ? read_map(w, o->child, item, items + i * size)
		             : read_text_item(w, o, item, (struct slice *)(items + i * size));
		path_back(w, at);
		if (r != 0)
			return r;
	}
	*list = (struct settings_list){ items, count };
	return 0;
}

static int
read_default(struct walk *w, const struct settings_option *o, char *target)
{
	if (o->type == SET_MAP)
		return read_map(w, o->child, NULL, target + o->offset);
	if (!o->fallback)
		return 0;
	struct settings_why why;
	int r = settings_value(o, slice_of(o->fallback), w->dir, target, w->arena, &why);
	/* Only what depends on the directory may be wrong with a default. */
	REQUIRE(r != SETTINGS_E_WRONG || o->type == SET_PATH);
	if (r == SETTINGS_E_WRONG) {
		mistake(w, NULL, "%s", why.text);
		return 0;
	}
	return r;
}

static int
read_option(struct walk *w, const struct settings_option *o, const struct settings_node *node, char *target)
{
	if (o->given_offset)
		*(bool *)(target + o->given_offset) = true;
	if (o->place_offset)
		*(struct settings_place *)(target + o->place_offset) = node->at;

	switch (o->type) {
	case SET_MAP:
		return read_map(w, o->child, node, target + o->offset);
	case SET_LIST_TEXT: case SET_LIST_MAP:
		return read_list(w, o, node, target);
	case SET_BOOL: case SET_UINT: case SET_INT64: case SET_DURATION: case SET_SIZE: case SET_TEXT:
	case SET_NAME: case SET_CHOICE: case SET_PATH: case SET_URL:
		break;
	}
	return read_scalar(w, o, node, target);
}

/* node NULL: the map is not in the file, and everything in it gets its default. */
static int
read_map(struct walk *w, const struct settings_option *table, const struct settings_node *node, char *target)
{
	const struct settings_node *value[ROWS_MAX] = { NULL };
	size_t rows = 0;
	while (table[rows].name)
		rows++;
	REQUIRE(rows <= ROWS_MAX);

	if (node && node->shape == SETTINGS_NAMED) {
		match_names(w, table, node, value);
	} else if (node && !settings_is_nothing(node)) {
		mistake(w, node, "a map must stand here: lines of \"name: value\"");
		return 0;
	}
	for (size_t i = 0; i < rows; i++) {
		int r = 0;
		size_t at = path_name(w, table[i].name);
		if (value[i])
			r = read_option(w, &table[i], value[i], target);
		else if (node && table[i].required)
			mistake(w, node, "is missing");
		else
			r = read_default(w, &table[i], target);
		path_back(w, at);
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- the whole ---- */

/* A node, and its text, for every two bytes of the file at the very most. */
#define TREE_LIMIT(bytes) ((bytes) * 128 + 64 * KIB)

int
settings_read(struct slice text, const char *dir, const struct settings_option *table, void *target,
    struct arena *a, struct settings_errors *errors)
{
	struct walk w = { .dir = dir, .arena = a, .errors = errors };
	CLEANUP(arena_freep) struct arena *memory = NULL;
	const struct settings_node *root;

	errors->count = 0;
	int r = arena_new(TREE_LIMIT(text.len < SETTINGS_TEXT_MAX ? text.len : 0), &memory);
	if (r == 0)
		r = settings_load(text, memory, &root, errors);
	if (r == 0)
		r = read_map(&w, table, root, target);
	if (r != 0)
		return r;
	return errors->count > 0 ? SETTINGS_E_WRONG : 0;
}
