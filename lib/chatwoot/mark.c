/* The mark that our messages carry, so that we know them again. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/chatwoot/answer.h"

void
chatwoot_mark_text(const struct uuid *event, int64_t n, char ret[static CHATWOOT_MARK_TEXT])
{
	uuid_text(event, ret);
	snprintf(ret + UUID_TEXT - 1, CHATWOOT_MARK_TEXT - UUID_TEXT + 1, ".%" PRId64, n);
}

void
chatwoot_mark_read(struct slice text, struct uuid *ret_event, int64_t *ret_n)
{
	struct slice id, number;

	*ret_n = 0;
	if (!slice_cut(text, '.', &id, &number) || uuid_parse(id, ret_event) != 0
	    || slice_to_i64(number, 1, INT64_MAX, ret_n) != 0)
		*ret_n = 0;
}
