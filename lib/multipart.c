#include <string.h>

#include "lib/multipart.h"

#define PARTS_MAX    100
#define BOUNDARY_MAX 70         /* RFC 2046 5.1.1 */

/* The value of `name="…"` or `name=…` among the parameters of a header's value. */
static bool
parameter(struct slice value, const char *name, struct slice *ret)
{
	struct slice rest = value, one, key;

	if (!slice_cut(rest, ';', &one, &rest))
		return false;
	while (rest.len > 0) {
		one = rest;
		if (!slice_cut(rest, ';', &one, &rest))
			rest.len = 0;
		if (!slice_cut(one, '=', &key, ret) || !slice_eq_nocase(slice_trim(key), slice_of(name)))
			continue;
		*ret = slice_trim(*ret);
		if (ret->len >= 2 && ret->ptr[0] == '"' && ret->ptr[ret->len - 1] == '"')
			*ret = slice_from(ret->ptr + 1, ret->len - 2);
		return true;
	}
	return false;
}

bool
multipart_is(struct slice content_type)
{
	struct slice type = content_type, parameters;

	slice_cut(content_type, ';', &type, &parameters);
	return slice_eq_nocase(slice_trim(type), SLICE("multipart/form-data"));
}

/* The lines of a part's head: has it that name? */
static bool
is_named(struct slice head, const char *name)
{
	struct slice rest = head, line, key, value;

	while (rest.len > 0) {
		line = rest;
		if (!slice_cut(rest, '\n', &line, &rest))
			rest.len = 0;
		if (slice_cut(line, ':', &key, &value) && slice_eq_nocase(slice_trim(key), SLICE("Content-Disposition")) &&
		    parameter(slice_trim(value), "name", &value))
			return slice_eq(value, slice_of(name));
	}
	return false;
}

/* Cuts at the first occurrence. */
static bool
cut_at(struct slice s, struct slice what, struct slice *ret_before, struct slice *ret_after)
{
	const char *at = s.len >= what.len ? memmem(s.ptr, s.len, what.ptr, what.len) : NULL;

	if (!at)
		return false;
	*ret_before = slice_from(s.ptr, (size_t)(at - s.ptr));
	*ret_after = slice_after(s, ret_before->len + what.len);
	return true;
}

/* Behind a delimiter: blanks and the end of the line. */
static bool
end_line(struct slice *rest)
{
	while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t'))
		*rest = slice_after(*rest, 1);
	if (!slice_starts(*rest, SLICE("\r\n")))
		return false;
	*rest = slice_after(*rest, 2);
	return true;
}

int
multipart_field(struct slice content_type, struct slice body, const char *name, struct slice *ret)
{
	char line[BOUNDARY_MAX + 4] = "\r\n--";
	struct slice boundary, head, content, before, rest;

	if (!multipart_is(content_type) || !parameter(content_type, "boundary", &boundary) || boundary.len == 0
	    || boundary.len > BOUNDARY_MAX)
		return MULTIPART_E_TYPE;
	memcpy(line + 4, boundary.ptr, boundary.len);
	struct slice delimiter = slice_from(line, boundary.len + 4);
	/* The first needs no line before it. */
	if (slice_starts(body, slice_after(delimiter, 2)))
		rest = slice_after(body, delimiter.len - 2);
	else if (!cut_at(body, delimiter, &before, &rest))
		return MULTIPART_E_SYNTAX;
	for (size_t parts = 0; parts < PARTS_MAX && !slice_starts(rest, SLICE("--")); parts++) {
		if (!end_line(&rest) || !cut_at(rest, SLICE("\r\n\r\n"), &head, &rest) || !cut_at(rest, delimiter, &content, &rest))
			return MULTIPART_E_SYNTAX;
		if (is_named(head, name)) {
			*ret = content;
			return 0;
		}
	}
	return MULTIPART_E_NONE;
}
