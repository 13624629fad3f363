/* Long texts, cut where a reader would pause. */
#include <string.h>

#include "lib/chatwoot/answer.h"

size_t
chatwoot_text_max(enum chatwoot_channel channel)
{
	switch (channel) {
#define X(name, text, most) case CW_CH_##name: return most;
	CHATWOOT_CHANNELS(X)
#undef X
	case CW_CH_OTHER:
	case CW_CH_COUNT:
		break;
	}
	return 150000;                          /* what Chatwoot itself takes */
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Bytes of the first `units` UTF-16 units, whole characters. */
static size_t
bytes_of(struct slice text, size_t units)
{
	size_t at = 0;

	while (at < text.len) {
		size_t n = slice_utf8(slice_after(text, at));
		size_t cost = n == 4 ? 2 : 1;

		if (cost > units)
			return at;
		units -= cost;
		at += n ? n : 1;
	}
	return at;
}

/* Does a border of that rank end before byte `at`?  0 paragraph, 1 line,
 * 2 sentence, 3 word. */
static bool
border(struct slice text, size_t at, unsigned rank)
{
	char before = text.ptr[at - 1], here = text.ptr[at];

	switch (rank) {
	case 0:
		return here == '\n' && at + 1 < text.len && text.ptr[at + 1] == '\n';
	case 1:
		return here == '\n';
	case 2:
		return is_blank(here) && (before == '.' || before == '!' || before == '?' || before == ':'
		    || (at >= 3 && memcmp(text.ptr + at - 3, "…", 3) == 0));
	default:
		return is_blank(here);
	}
}

size_t
chatwoot_text_split(struct slice text, size_t units, size_t *ret_next)
{
	size_t most = bytes_of(text, units), cut = most;

	if (most == 0 && text.len > 0)
		most = cut = slice_utf8(text) ? slice_utf8(text) : 1;
	bool found = most == text.len;
	for (unsigned rank = 0; rank < 4 && !found; rank++)
		for (size_t at = most; at > most / 4 && !found; at--)
			if (border(text, at, rank)) {
				cut = at;
				found = true;
			}
	*ret_next = cut;
	while (*ret_next < text.len && is_blank(text.ptr[*ret_next]))
		++*ret_next;
	return cut;
}
