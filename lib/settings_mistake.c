#include <stdarg.h>
#include <stdio.h>

#include "lib/settings_text.h"

#define NEAR_MAX 40             /* longest name that is compared letter by letter */

static bool
stands_behind(const struct settings_error *e, struct settings_place at)
{
	return e->line > at.line || (e->line == at.line && e->column > at.column);
}

void
settings_mistake(struct settings_errors *errors, struct settings_place at, const char *fmt, ...)
{
	if (errors->count >= SETTINGS_ERRORS_MAX) {
		errors->count++;
		return;
	}
	/* In the file's order, whatever order they are found in. */
	size_t k = errors->count++;
	for (; k > 0 && stands_behind(&errors->item[k - 1], at); k--)
		errors->item[k] = errors->item[k - 1];

	struct settings_error *e = &errors->item[k];
	e->line = at.line;
	e->column = at.column;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
}

struct settings_at
settings_at(const struct settings_error *e)
{
	struct settings_at at = { "" };

	if (e->line > 0)
		snprintf(at.text, sizeof at.text, ":%u:%u", e->line, e->column);
	return at;
}

/* Letters to change to make a name out of another; enough of it to tell a slip
 * of the finger.  9: too far, or too long to compare. */
static unsigned
distance(struct slice a, struct slice b)
{
	unsigned row[NEAR_MAX + 1];
	if (a.len > NEAR_MAX || b.len > NEAR_MAX)
		return 9;
	for (size_t k = 0; k <= b.len; k++)
		row[k] = (unsigned)k;
	for (size_t i = 1; i <= a.len; i++) {
		unsigned corner = row[0];
		row[0] = (unsigned)i;
		for (size_t k = 1; k <= b.len; k++) {
			unsigned best = corner + (a.ptr[i - 1] != b.ptr[k - 1]);
			corner = row[k];
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			row[k] = best;
		}
	}
	return row[b.len];
}

const char *
settings_nearest(const struct settings_option *table, struct slice name)
{
	const char *near = NULL;
	unsigned nearest = name.len > 3 ? 3 : 2;        /* of three letters one may be wrong */

	for (const struct settings_option *o = table; o->name; o++) {
		unsigned d = distance(name, slice_of(o->name));
		if (d < nearest) {
			nearest = d;
			near = o->name;
		}
	}
	return near;
}

struct settings_place
settings_place_of_byte(struct slice text, size_t offset)
{
	struct settings_place at = { 1, 1 };
	for (size_t i = 0; i < offset && i < text.len; i++) {
		if (text.ptr[i] == '\n')
			at = (struct settings_place){ at.line + 1, 1 };
		else if (((unsigned char)text.ptr[i] & 0xc0) != 0x80)
			at.column++;
	}
	return at;
}

bool
settings_tab_indents(struct slice text, size_t line)
{
	struct slice one = text, rest = text;
	for (size_t i = 0; i <= line; i++) {
		text = rest;
		if (!slice_cut(text, '\n', &one, &rest)) {
			one = text;
			rest = (struct slice){ 0 };
		}
	}
	for (size_t i = 0; i < one.len && (one.ptr[i] == ' ' || one.ptr[i] == '\t'); i++)
		if (one.ptr[i] == '\t')
			return true;
	return false;
}
