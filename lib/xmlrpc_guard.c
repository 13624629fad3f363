#include <string.h>

#include "lib/xmlrpc.h"
#include "lib/xmlrpc_guard.h"

#define TAG_MAX 256             /* bytes between < and >: Odoo's are shorter than 20 */

/* Tags as long as nobody writes them cost the parser time that grows with the
 * square of their attributes. */
static bool
tags_fit(struct guard *g, struct slice bytes)
{
	size_t at = 0;
	while (at < bytes.len) {
		const char *found;
		if (g->tag == 0) {
			found = memchr(bytes.ptr + at, '<', bytes.len - at);
			if (!found)
				return true;
			at = (size_t)(found - bytes.ptr) + 1;
			g->tag = 1;
			g->markup = false;
			continue;
		}
		if (g->tag == 1)
			g->markup = bytes.ptr[at] == '!' || bytes.ptr[at] == '?';
		found = memchr(bytes.ptr + at, '>', bytes.len - at);
		g->tag += found ? (size_t)(found - bytes.ptr) - at : bytes.len - at;
		if (g->tag > TAG_MAX && !g->markup)
			return false;
		if (!found)
			return true;
		at = (size_t)(found - bytes.ptr) + 1;
		g->tag = 0;
	}
	return true;
}

/* Only UTF-8 begins like this: an order mark or none, and then '<'. */
static bool
begins_well(struct guard *g, struct slice bytes)
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

int
guard_look(struct guard *g, struct slice bytes, const char **reterr_why)
{
	if (!begins_well(g, bytes)) {
		*reterr_why = "it does not begin like XML in UTF-8";
		return XMLRPC_E_FORM;
	}
	if (!tags_fit(g, bytes)) {
		*reterr_why = "a tag longer than the limit";
		return XMLRPC_E_REFUSED;
	}
	return 0;
}

int
guard_filter(struct guard *g, struct slice bytes, int (*pass)(void *, struct slice), void *context)
{
	size_t from = 0, at = 0;
	int r = 0;
	while (at < bytes.len && r == 0) {
		unsigned char c = (unsigned char)bytes.ptr[at];
		if (g->helds == 0) {
			const char *found = memchr(bytes.ptr + at, 0xef, bytes.len - at);
			if (!found)
				break;
			at = (size_t)(found - bytes.ptr);
			if (at > from)
				r = pass(context, slice_from(bytes.ptr + from, at - from));
			g->held[g->helds++] = 0xef;
			from = ++at;
		} else if (g->helds == 1 && c == 0xbf) {
			g->held[g->helds++] = c;
			from = ++at;
		} else if (g->helds == 2 && c >= 0xbe && c <= 0xbf) {
			g->dropped++;
			g->helds = 0;
			from = ++at;
		} else {
			r = pass(context, slice_from(g->held, g->helds));
			g->helds = 0;
		}
	}
	return r == 0 && bytes.len > from ? pass(context, slice_from(bytes.ptr + from, bytes.len - from)) : r;
}

struct slice
guard_rest(struct guard *g)
{
	struct slice rest = slice_from(g->held, g->helds);
	g->helds = 0;
	return rest;
}
