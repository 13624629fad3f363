#include <stdio.h>
#include <string.h>

#include "lib/settings_text.h"

#define NAME_ROOM 96            /* "tenants[].installations[].inboxes[].account" */
#define KIND_ROOM 160

/* One row as help and manual show it. */
struct row {
	char name[NAME_ROOM];
	char kind[KIND_ROOM];
	const struct settings_option *option;
};
/* Called for every row that a value can be written to, in the table's order. */
typedef int (*row_fn)(void *arg, const struct row *);

static bool
is_list(const struct settings_option *o)
{
	return o->type == SET_LIST_TEXT || o->type == SET_LIST_MAP;
}

static void
describe(const struct settings_option *o, char *ret, size_t size)
{
	settings_kind(o, ret, size);
	size_t at = strlen(ret);
	if (o->required)
		snprintf(ret + at, size - at, ", required");
	else if (o->fallback)
		snprintf(ret + at, size - at, ", default %s", o->fallback);
	else if (is_list(o))
		snprintf(ret + at, size - at, ", default empty");
	else
		snprintf(ret + at, size - at, ", default none");
}

static int
each_row(const struct settings_option *table, const char *prefix, row_fn fn, void *arg)
{
	for (const struct settings_option *o = table; o->name; o++) {
		struct row row = { .option = o };
		snprintf(row.name, sizeof row.name, "%s%s%s", prefix, prefix[0] ? "." : "", o->name);
		int r = 0;
		if (o->type != SET_MAP) {
			describe(o, row.kind, sizeof row.kind);
			r = fn(arg, &row);
		}
		if (r == 0 && o->child) {
			if (o->type == SET_LIST_MAP)
				snprintf(row.name + strlen(row.name), sizeof row.name - strlen(row.name), "[]");
			r = each_row(o->child, row.name, fn, arg);
		}
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- help ---- */

struct columns {
	struct buf *out;        /* NULL: only measuring */
	int name, kind;
};

static int
help_row(void *arg, const struct row *row)
{
	struct columns *c = arg;
	if (c->out)
		return buf_printf(c->out, "  %-*s   %-*s   %s\n", c->name, row->name, c->kind, row->kind,
		    row->option->help);
	if ((int)strlen(row->name) > c->name)
		c->name = (int)strlen(row->name);
	if ((int)strlen(row->kind) > c->kind)
		c->kind = (int)strlen(row->kind);
	return 0;
}

int
settings_help(const struct settings_option *table, struct buf *out)
{
	struct columns c = { 0 };
	int r = each_row(table, "", help_row, &c);
	if (r != 0)
		return r;
	c.out = out;
	return each_row(table, "", help_row, &c);
}

/* ---- manual ---- */

static int
roff_text(struct buf *out, const char *text)
{
	/* A '.' or '\'' that begins a line would be a command: \& stands before. */
	int r = text[0] == '.' || text[0] == '\'' ? buf_append_slice(out, SLICE("\\&")) : 0;
	for (const char *p = text; r == 0 && *p; p++) {
		if (*p == '-')
			r = buf_append_slice(out, SLICE("\\-"));
		else if (*p == '\\')
			r = buf_append_slice(out, SLICE("\\e"));
		else
			r = buf_append(out, p, 1);
	}
	return r;
}

static int
roff_row(void *arg, const struct row *row)
{
	struct buf *out = arg;
	const char *const piece[] = { ".TP\n.B ", row->name, "\n", row->kind, ".\n", row->option->help, ".\n" };
	int r = 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(piece); i++)
		r = i % 2 == 0 ? buf_append_slice(out, slice_of(piece[i])) : roff_text(out, piece[i]);
	return r;
}

int
settings_roff(const struct settings_option *table, struct buf *out)
{
	return each_row(table, "", roff_row, out);
}

/* ---- sample ---- */

static int
sample_table(const struct settings_option *table, int indent, struct buf *out)
{
	int r = 0;
	for (const struct settings_option *o = table; r == 0 && o->name; o++) {
		char kind[KIND_ROOM];
		const char *value = o->fallback ? o->fallback : is_list(o) ? "[]" : "";
		describe(o, kind, sizeof kind);
		if (o->type == SET_MAP)
			r = buf_printf(out, "\n%*s# %s\n%*s%s:\n", indent, "", o->help, indent, "", o->name);
		else
			r = buf_printf(out, "%*s# %s (%s)\n%*s#%s:%s%s\n", indent, "", o->help, kind, indent, "",
			    o->name, value[0] ? " " : "", value);
		if (r == 0 && o->type == SET_MAP)
			r = sample_table(o->child, indent + 2, out);
	}
	return r;
}

int
settings_sample(const struct settings_option *table, struct buf *out)
{
	int r = buf_append_slice(out, SLICE("# Every setting with its default.  "
	    "To change one, take the '#' before its name away.\n"));
	return r == 0 ? sample_table(table, 0, out) : r;
}
