#include <errno.h>

#include <yaml.h>

#include "lib/settings_node.h"
#include "lib/settings_text.h"

static struct settings_place
place_of(yaml_mark_t mark)
{
	return (struct settings_place){ (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

/* ---- events ---- */

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
	case YAML_NO_ERROR:             /* the loader's way to say the same */
	case YAML_MEMORY_ERROR:
		return -ENOMEM;
	case YAML_READER_ERROR:
		settings_mistake(errors, settings_place_of_byte(text, p->problem_offset),
		    "this is not a text in UTF-8: %s", problem);
		return 0;
	case YAML_SCANNER_ERROR: case YAML_PARSER_ERROR: case YAML_COMPOSER_ERROR:
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

/* ---- the tree ---- */

struct growing { yaml_document_t *doc; struct arena *arena; };

static const struct settings_node *grow(struct growing *, int id, struct settings_node *into);

/* Items, or pairs by their names.  NULL: no memory. */
static const struct settings_node *
grow_all(struct growing *g, const yaml_node_t *from, struct settings_node *into)
{
	bool pairs = from->type == YAML_MAPPING_NODE;
	into->shape = pairs ? SETTINGS_NAMED : SETTINGS_LIST;
	into->count = pairs ? (size_t)(from->data.mapping.pairs.top - from->data.mapping.pairs.start)
	                    : (size_t)(from->data.sequence.items.top - from->data.sequence.items.start);
	struct settings_node *all = into->count ? arena_take(g->arena, into->count * sizeof(*all)) : NULL;
	if (into->count && !all)
		return NULL;
	into->first = all;
	for (size_t i = 0; i < into->count; i++) {
		if (!grow(g, pairs ? from->data.mapping.pairs.start[i].key : from->data.sequence.items.start[i], &all[i]))
			return NULL;
		if (i > 0)
			all[i - 1].next = &all[i];
		if (!pairs)
			continue;
		struct settings_node *value = arena_take(g->arena, sizeof(*value));
		if (!value || !grow(g, from->data.mapping.pairs.start[i].value, value))
			return NULL;
		all[i].value = value;
	}
	return into;
}

/* NULL: no memory.  No deeper than survey() has seen. */
static const struct settings_node *
grow(struct growing *g, int id, struct settings_node *into)
{
	const yaml_node_t *from = yaml_document_get_node(g->doc, id);

	into->at = place_of(from->start_mark);
	if (from->type != YAML_SCALAR_NODE)
		return grow_all(g, from, into);
	into->text = arena_copy(g->arena, slice_from(from->data.scalar.value, from->data.scalar.length));
	into->plain = from->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	into->lines = from->start_mark.line != from->end_mark.line || from->data.scalar.style == YAML_LITERAL_SCALAR_STYLE ||
	    from->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
	return into->text.len == from->data.scalar.length ? into : NULL;
}

int
settings_load(struct slice text, struct arena *a, const struct settings_node **ret, struct settings_errors *errors)
{
	struct survey found = { 0 };

	*ret = NULL;
	if (text.len > SETTINGS_TEXT_MAX) {
		settings_mistake(errors, (struct settings_place){ 0, 0 },
		    "the file has %zu bytes, at most %zu are allowed", text.len, SETTINGS_TEXT_MAX);
		return SETTINGS_E_WRONG;
	}
	int r = survey(text, &found, errors);
	if (r != 0 || found.unfit)
		return r != 0 ? r : SETTINGS_E_WRONG;

	CLEANUP(yaml_parser_delete) yaml_parser_t parser;
	r = parser_start(&parser, text);
	if (r != 0)
		return r;
	CLEANUP(yaml_document_delete) yaml_document_t doc;
	if (!yaml_parser_load(&parser, &doc)) {         /* one anchor named twice */
		r = syntax_mistake(&parser, text, errors);
		return r != 0 ? r : SETTINGS_E_WRONG;
	}
	if (!yaml_document_get_root_node(&doc))
		return 0;
	struct settings_node *root = arena_take(a, sizeof(*root));
	*ret = root ? grow(&(struct growing){ &doc, a }, 1, root) : NULL;
	return *ret ? 0 : -ENOMEM;
}

bool
settings_is_nothing(const struct settings_node *node)
{
	return node->shape == SETTINGS_ONE && node->text.len == 0 && node->plain;
}

const struct settings_node *
settings_named(const struct settings_node *node, const char *name)
{
	if (!node || node->shape != SETTINGS_NAMED)
		return NULL;
	for (const struct settings_node *pair = node->first; pair; pair = pair->next)
		if (pair->shape == SETTINGS_ONE && slice_eq(pair->text, slice_of(name)))
			return pair->value;
	return NULL;
}
