#include <string.h>

#include "lib/xmlrpc_guard.h"

/* Only UTF-8 begins like this: an order mark or none, and then '<'. */
bool
guard_begins(struct guard *g, struct slice bytes)
{
	static const unsigned char mark[] = { 0xef, 0xbb, 0xbf };
	for (size_t i = 0; i < bytes.len && g->begun < 5; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];
		if (g->begun < 3 && c == mark[g->begun])
			g->begun++;
		else if ((g->begun == 0 || g->begun == 3) && c == '<')
			g->begun = 4;
		else if (g->begun == 4 && c != 0)
			g->begun = 5;
		else
			return false;
	}
	return true;
}

/* Of a U+FFFE or U+FFFF: how many of its three bytes stand at the front? */
static size_t
bytes_of_it(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	if (s.len < 1 || p[0] != 0xef)
		return 0;
	if (s.len < 2 || p[1] != 0xbf)
		return 1;
	return s.len > 2 && (p[2] == 0xbe || p[2] == 0xbf) ? 3 : 2;
}

/* What was held is the beginning of one: takes bytes until that is settled. */
static int
settle(struct guard *g, struct slice *bytes, int (*pass)(void *, struct slice), void *context)
{
	while (g->helds > 0 && bytes->len > 0) {
		g->held[g->helds] = bytes->ptr[0];
		if (bytes_of_it(slice_from(g->held, g->helds + 1)) <= g->helds) {
			struct slice innocent = guard_rest(g);
			return pass(context, innocent);
		}
		*bytes = slice_after(*bytes, 1);
		g->helds++;
		if (g->helds == 3) {
			g->dropped++;
			g->helds = 0;
		}
	}
	return 0;
}

int
guard_filter(struct guard *g, struct slice bytes, int (*pass)(void *, struct slice), void *context)
{
	int r = settle(g, &bytes, pass, context);
	size_t from = 0, at = 0;
	while (r == 0 && at < bytes.len) {
		const char *found = memchr(bytes.ptr + at, 0xef, bytes.len - at);
		if (!found)
			break;
		at = (size_t)(found - bytes.ptr);
		size_t n = bytes_of_it(slice_after(bytes, at));
		bool cut = n < 3 && at + n == bytes.len;
		if (n < 3 && !cut) {
			at += n;
			continue;
		}
		if (at > from)
			r = pass(context, slice_from(bytes.ptr + from, at - from));
		if (cut) {
			memcpy(g->held, bytes.ptr + at, n);
			g->helds = n;
		} else {
			g->dropped++;
		}
		from = at += n;
	}
	return r == 0 && bytes.len > from ? pass(context, slice_after(bytes, from)) : r;
}

struct slice
guard_rest(struct guard *g)
{
	struct slice rest = slice_from(g->held, g->helds);
	g->helds = 0;
	return rest;
}
