#include <string.h>

#include "lib/route.h"

/* The segment at the front of a path that begins with '/', which is cut off
 * with it. */
static struct slice
segment(struct slice *path)
{
	struct slice s = slice_after(*path, 1);
	const char *slash = s.len ? memchr(s.ptr, '/', s.len) : NULL;

	if (slash)
		s.len = (size_t)(slash - s.ptr);
	*path = slice_after(*path, 1 + s.len);
	return s;
}

static bool
is_param(struct slice s)
{
	return s.len > 2 && s.ptr[0] == '{' && s.ptr[s.len - 1] == '}';
}

/* Raw segments are compared, as they came: an encoded slash is two digits and
 * a percent sign here, and never ends a segment. */
static bool
path_matches(const char *pattern, struct slice path, struct route_match *ret)
{
	struct slice want = slice_of(pattern);

	ret->params = 0;
	while (want.len > 0 && path.len > 0) {
		if (path.ptr[0] != '/')
			return false;
		struct slice p = segment(&want), s = segment(&path);
		if (!is_param(p)) {
			if (!slice_eq(p, s))
				return false;
			continue;
		}
		if (s.len == 0)
			return false;
		REQUIRE(ret->params < ROUTE_PARAMS);
		ret->param[ret->params++] = s;
	}
	return want.len == 0 && path.len == 0;
}

int
route_find(const struct route *table, size_t rows, enum http_method method, struct slice path,
    struct route_match *ret, unsigned *ret_allow)
{
	struct route_match m = { 0 };
	unsigned allow = 0;
	enum http_method wanted = method == HTTP_M_HEAD ? HTTP_M_GET : method;

	for (size_t i = 0; i < rows; i++) {
		if (!path_matches(table[i].path, path, &m))
			continue;
		if (table[i].method == wanted) {
			m.row = i;
			*ret = m;
			return 0;
		}
		allow |= 1u << table[i].method;
		if (table[i].method == HTTP_M_GET)
			allow |= 1u << HTTP_M_HEAD;
	}
	if (!allow)
		return ROUTE_E_NO_PATH;
	*ret_allow = allow;
	return ROUTE_E_NO_METHOD;
}

static void
add(char *text, size_t cap, size_t *len, const char *word)
{
	size_t n = strlen(word);

	if (*len + n >= cap)
		return;
	memcpy(text + *len, word, n + 1);
	*len += n;
}

size_t
route_allow_text(unsigned allow, char *text, size_t cap)
{
	size_t len = 0;

	if (cap > 0)
		text[0] = '\0';
#define X(name) \
	if (allow & 1u << HTTP_M_##name) { \
		add(text, cap, &len, len ? ", " : ""); \
		add(text, cap, &len, #name); \
	}
	HTTP_METHODS(X)
#undef X
	return len;
}
