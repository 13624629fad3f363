/* A stream of values, as a tree. */
#include <errno.h>
#include <string.h>

#include "lib/xmlrpc.h"

/* Rows that are alike share the bytes of their names. */
static struct slice
name_of(struct xmlrpc_tree *t, struct slice name)
{
	const struct value **like = &t->like[t->depth - 1];
	if (*like && slice_eq((*like)->name, name)) {
		struct slice same = (*like)->name;
		*like = (*like)->next;
		return same;
	}
	return arena_copy(t->arena, name);
}

static int
put(struct xmlrpc_tree *t, struct value *v, struct slice name)
{
	if (!v)
		return -ENOMEM;
	struct value *in = t->depth > 0 ? t->open[t->depth - 1] : NULL;
	if (!in && t->root)
		return -EINVAL;
	if (!in) {
		t->root = v;
		return 0;
	}
	if (in->type != VALUE_RECORD) {
		value_add(in, v);
		return 0;
	}
	struct slice ours = name_of(t, name);
	if (ours.len != name.len)
		return -ENOMEM;
	value_set(in, ours, v);
	return 0;
}

/* A text lies behind its value, and a NUL behind the text. */
static int
on_value(void *context, const struct value *heard)
{
	struct xmlrpc_tree *t = context;
	size_t text = heard->type == VALUE_TEXT ? heard->text.len : 0;
	struct value *v = arena_take(t->arena, sizeof(*v) + (text ? text + 1 : 0));
	if (!v)
		return -ENOMEM;
	*v = *heard;
	v->next = NULL;
	if (text > 0)
		v->text.ptr = memcpy(v + 1, heard->text.ptr, text);
	return put(t, v, heard->name);
}

static int
on_begin(void *context, enum value_type type, struct slice name)
{
	struct xmlrpc_tree *t = context;
	struct value *v = type == VALUE_LIST ? value_list(t->arena) : value_record(t->arena);
	if (t->depth == ARRAY_LEN(t->open))
		return -EINVAL;
	const struct value *before = t->depth > 0 ? t->open[t->depth - 1]->in.last : NULL;
	int r = put(t, v, name);
	if (r == 0) {
		t->like[t->depth] = before && before->type == VALUE_RECORD ? before->in.first : NULL;
		t->open[t->depth++] = v;
	}
	return r;
}

static int
on_end(void *context)
{
	struct xmlrpc_tree *t = context;
	t->depth--;
	return 0;
}

struct xmlrpc_sink
xmlrpc_tree_sink(struct xmlrpc_tree *t, struct arena *a)
{
	*t = (struct xmlrpc_tree){ .arena = a };
	return (struct xmlrpc_sink){ .context = t, .value = on_value, .begin = on_begin, .end = on_end };
}

int
xmlrpc_read(struct slice document, struct arena *a, struct value **ret, const char **reterr_why, struct xmlrpc_fault *ret_fault)
{
	CLEANUP(xmlrpc_freep) struct xmlrpc_reader *reader = NULL;
	struct xmlrpc_tree tree;
	struct xmlrpc_sink sink = xmlrpc_tree_sink(&tree, a);
	int r = xmlrpc_new(NULL, &sink, &reader);
	if (r == 0)
		r = xmlrpc_feed(reader, document);
	if (r == 0)
		r = xmlrpc_end(reader);
	if (r > 0)
		*reterr_why = xmlrpc_why(reader);
	if (r == XMLRPC_E_FAULT) {
		xmlrpc_fault(reader, ret_fault);
		ret_fault->word = arena_copy(a, ret_fault->word);
		ret_fault->text = arena_copy(a, ret_fault->text);
	}
	if (r == 0)
		*ret = tree.root;
	return r;
}
