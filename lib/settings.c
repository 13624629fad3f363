#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "lib/settings_text.h"

#define ROWS_MAX 32             /* options in one table */
#define ITEMS_MAX 10000         /* in a list whose row does not say */

/* One reading: where we are is `path` ("tenants[0].senders[1]"). */
struct walk {
	yaml_document_t        *doc;
	const char             *dir;
	struct arena           *arena;
	struct settings_errors *errors;
	char                    path[160];
};

static int read_map(struct walk *, const struct settings_option *, const yaml_node_t *, char *target);

/* ---- mistakes ---- */

static struct settings_place
place_of(yaml_mark_t mark)
{
	return (struct settings_place){ (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

/* "workers.hooks: " and the text, at the node (NULL: the file as a whole). */
static void mistake(struct walk *, const yaml_node_t *, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void
mistake(struct walk *w, const yaml_node_t *node, const char *fmt, ...)
{
	char text[200];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	settings_mistake(w->errors, node ? place_of(node->start_mark) : (struct settings_place){ 0, 0 },
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

static struct slice
scalar(const yaml_node_t *node)
{
	return slice_from(node->data.scalar.value, node->data.scalar.length);
}

/* "hub:" with nothing behind it. */
static bool
is_nothing(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
	    node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* A scalar that may be a value.  Says what is wrong otherwise. */
static bool
is_value(struct walk *w, const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE) {
		mistake(w, node, "one value must stand here, not a %s",
		    node->type == YAML_MAPPING_NODE ? "map" : "list");
		return false;
	}
	bool plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct slice text = scalar(node);
	if (plain && (text.len == 0 || slice_eq(text, SLICE("~")) || slice_eq(text, SLICE("null")))) {
		mistake(w, node, "has no value; write one or leave the line out");
		return false;
	}
	if (node->start_mark.line != node->end_mark.line ||
	    node->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
	    node->data.scalar.style == YAML_FOLDED_SCALAR_STYLE) {
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
unknown_name(struct walk *w, const struct settings_option *table, const yaml_node_t *key)
{
	struct slice name = scalar(key);
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
match_names(struct walk *w, const struct settings_option *table, const yaml_node_t *map,
    const yaml_node_t *ret_value[static ROWS_MAX])
{
	const yaml_node_t *first[ROWS_MAX] = { NULL };

	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(w->doc, p->key);
		if (key->type != YAML_SCALAR_NODE) {
			mistake(w, key, "a name must stand here");
			continue;
		}
		int i = option_find(table, scalar(key));
		if (i < 0) {
			unknown_name(w, table, key);
		} else if (first[i]) {
			size_t at = path_name(w, table[i].name);
			mistake(w, key, "stands here a second time; the first is on line %u",
			    place_of(first[i]->start_mark).line);
			path_back(w, at);
		} else {
			first[i] = key;
			ret_value[i] = yaml_document_get_node(w->doc, p->value);
		}
	}
}

/* ---- values ---- */

static int
read_scalar(struct walk *w, const struct settings_option *o, const yaml_node_t *node, char *target)
{
	if (!is_value(w, node))
		return 0;
	struct settings_why why;
	int r = settings_value(o, scalar(node), w->dir, target, w->arena, &why);
	if (r == SETTINGS_E_WRONG) {
		mistake(w, node, "%s", why.text);
		return 0;
	}
	return r;
}

static int
read_text_item(struct walk *w, const struct settings_option *o, const yaml_node_t *node,
    struct slice *ret)
{
	if (!is_value(w, node))
		return 0;
	struct settings_why why;
	int r = settings_item(o, scalar(node), ret, w->arena, &why);
	if (r == SETTINGS_E_WRONG) {
		mistake(w, node, "%s", why.text);
		return 0;
	}
	return r;
}

static int
read_list(struct walk *w, const struct settings_option *o, const yaml_node_t *node, char *target)
{
	struct settings_list *list = (struct settings_list *)(target + o->offset);
	bool maps = o->type == SET_LIST_MAP;
	size_t size = maps ? o->child_size : sizeof(struct slice);
	size_t max = o->max > 0 ? (size_t)o->max : ITEMS_MAX;

	*list = (struct settings_list){ NULL, 0 };
	if (is_nothing(node))
		return 0;
	if (node->type != YAML_SEQUENCE_NODE) {
		mistake(w, node, "a list must stand here: [one, two], or lines that begin with '- '");
		return 0;
	}
	const yaml_node_item_t *start = node->data.sequence.items.start;
	size_t count = (size_t)(node->data.sequence.items.top - start);
	if (count > max) {
		mistake(w, node, "the list has %zu entries, at most %zu are allowed", count, max);
		return 0;
	}
	if (count == 0)
		return 0;
	char *items = arena_take(w->arena, count * size);
	if (!items)
		return -ENOMEM;

	for (size_t i = 0; i < count; i++) {
		const yaml_node_t *item = yaml_document_get_node(w->doc, start[i]);
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
read_option(struct walk *w, const struct settings_option *o, const yaml_node_t *node, char *target)
{
	if (o->given_offset)
		*(bool *)(target + o->given_offset) = true;
	if (o->place_offset)
		*(struct settings_place *)(target + o->place_offset) = place_of(node->start_mark);

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
read_map(struct walk *w, const struct settings_option *table, const yaml_node_t *node, char *target)
{
	const yaml_node_t *value[ROWS_MAX] = { NULL };
	size_t rows = 0;
	while (table[rows].name)
		rows++;
	REQUIRE(rows <= ROWS_MAX);

	if (node && node->type == YAML_MAPPING_NODE) {
		match_names(w, table, node, value);
	} else if (node && !is_nothing(node)) {
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

/* ---- YAML ---- */

static int
parser_start(yaml_parser_t *p, struct slice text)
{
	if (!yaml_parser_initialize(p))
		return -ENOMEM;
	/* UTF-8 whatever a byte order mark says. */
	yaml_parser_set_encoding(p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(p, (const unsigned char *)(text.len ? text.ptr : ""), text.len);
	return 0;
}

/* What libyaml could not read, in words.  0 or -ENOMEM. */
static int
syntax_mistake(const yaml_parser_t *p, struct slice text, struct settings_errors *errors)
{
	const char *problem = p->problem ? p->problem : "it cannot be read";
	switch (p->error) {
	case YAML_MEMORY_ERROR:
		return -ENOMEM;
	case YAML_READER_ERROR:
		settings_mistake(errors, settings_place_of_byte(text, p->problem_offset),
		    "this is not a text in UTF-8: %s", problem);
		return 0;
	case YAML_NO_ERROR: case YAML_SCANNER_ERROR: case YAML_PARSER_ERROR: case YAML_COMPOSER_ERROR:
	case YAML_WRITER_ERROR: case YAML_EMITTER_ERROR:
		break;
	}
	struct settings_place at = place_of(p->problem_mark);
	if (settings_tab_indents(text, p->problem_mark.line))
		settings_mistake(errors, at, "a tab stands where the line is indented; use blanks");
	else if (p->context && p->context_mark.line != p->problem_mark.line)
		settings_mistake(errors, at, "not YAML: %s, %s that begins on line %u", problem, p->context,
		    place_of(p->context_mark).line);
	else
		settings_mistake(errors, at, "not YAML: %s%s%s", problem, p->context ? ", " : "",
		    p->context ? p->context : "");
	return 0;
}

/* The document API hides anchors, aliases and tags: they are looked for in one
 * pass over the events, before a document is made. */
struct survey {
	unsigned depth, documents;
	bool     done;
	bool     unfit;         /* there is no document that the table could be held against */
};

static void
survey_properties(const yaml_char_t *anchor, const yaml_char_t *tag, yaml_mark_t mark,
    struct settings_errors *errors)
{
	if (anchor)
		settings_mistake(errors, place_of(mark), "&%s: anchors are not allowed",
		    settings_show(slice_of((const char *)anchor)).text);
	if (tag)
		settings_mistake(errors, place_of(mark), "%s: tags are not allowed",
		    settings_show(slice_of((const char *)tag)).text);
}

static void
survey_open(struct survey *s, yaml_mark_t mark, struct settings_errors *errors)
{
	if (++s->depth <= SETTINGS_DEPTH_MAX)
		return;
	settings_mistake(errors, place_of(mark), "nested deeper than %d levels", SETTINGS_DEPTH_MAX);
	s->unfit = s->done = true;
}

static void
survey_event(struct survey *s, const yaml_event_t *e, struct settings_errors *errors)
{
	yaml_mark_t mark = e->start_mark;
	switch (e->type) {
	case YAML_NO_EVENT: case YAML_STREAM_START_EVENT: case YAML_DOCUMENT_END_EVENT:
		break;
	case YAML_STREAM_END_EVENT:
		s->done = true;
		break;
	case YAML_DOCUMENT_START_EVENT:
		if (++s->documents < 2)
			break;
		settings_mistake(errors, place_of(mark), "a second document begins here; a file holds one");
		s->done = true;
		break;
	case YAML_ALIAS_EVENT:
		settings_mistake(errors, place_of(mark), "*%s: aliases are not allowed",
		    settings_show(slice_of((const char *)e->data.alias.anchor)).text);
		/* Followed, a few lines could stand for millions of values. */
		s->unfit = true;
		break;
	case YAML_SCALAR_EVENT:
		survey_properties(e->data.scalar.anchor, e->data.scalar.tag, mark, errors);
		break;
	case YAML_SEQUENCE_START_EVENT:
		survey_properties(e->data.sequence_start.anchor, e->data.sequence_start.tag, mark, errors);
		survey_open(s, mark, errors);
		break;
	case YAML_MAPPING_START_EVENT:
		survey_properties(e->data.mapping_start.anchor, e->data.mapping_start.tag, mark, errors);
		survey_open(s, mark, errors);
		break;
	case YAML_SEQUENCE_END_EVENT: case YAML_MAPPING_END_EVENT:
		s->depth--;
		break;
	}
}

static int
survey(struct slice text, struct survey *ret, struct settings_errors *errors)
{
	CLEANUP(yaml_parser_delete) yaml_parser_t parser;
	int r = parser_start(&parser, text);
	if (r != 0)
		return r;

	while (!ret->done) {
		CLEANUP(yaml_event_delete) yaml_event_t event;
		if (!yaml_parser_parse(&parser, &event)) {
			ret->unfit = true;
			return syntax_mistake(&parser, text, errors);
		}
		survey_event(ret, &event, errors);
	}
	return 0;
}

static int
read_document(struct slice text, const struct settings_option *table, void *target, struct walk *w)
{
	CLEANUP(yaml_parser_delete) yaml_parser_t parser;
	int r = parser_start(&parser, text);
	if (r != 0)
		return r;
	CLEANUP(yaml_document_delete) yaml_document_t doc;
	if (!yaml_parser_load(&parser, &doc))
		return syntax_mistake(&parser, text, w->errors);        /* one anchor named twice */
	w->doc = &doc;
	r = read_map(w, table, yaml_document_get_root_node(&doc), target);
	w->doc = NULL;
	return r;
}

int
settings_read(struct slice text, const char *dir, const struct settings_option *table, void *target,
    struct arena *a, struct settings_errors *errors)
{
	struct walk w = { .dir = dir, .arena = a, .errors = errors };
	struct survey found = { 0 };

	errors->count = 0;
	if (text.len > SETTINGS_TEXT_MAX) {
		settings_mistake(errors, (struct settings_place){ 0, 0 },
		    "the file has %zu bytes, at most %zu are allowed", text.len, SETTINGS_TEXT_MAX);
		return SETTINGS_E_WRONG;
	}
	int r = survey(text, &found, errors);
	if (r == 0 && !found.unfit)
		r = read_document(text, table, target, &w);
	if (r != 0)
		return r;
	return errors->count > 0 ? SETTINGS_E_WRONG : 0;
}
