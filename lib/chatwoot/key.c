/* What makes an event the same as one that was taken in before. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/chatwoot/chatwoot.h"
#include "lib/clock.h"

static const char *
status_text(enum chatwoot_status status)
{
	switch (status) {
	case CW_ST_OPEN:     return "open";
	case CW_ST_RESOLVED: return "resolved";
	case CW_ST_PENDING:  return "pending";
	case CW_ST_SNOOZED:  return "snoozed";
	case CW_ST_UNKNOWN:
	case CW_ST_OTHER:    break;
	}
	return "other";
}

/* The version of a conversation, as Chatwoot prints it: seconds and six
 * digits.  Without one there is no key. */
static void
version_key(const struct chatwoot_facts *f, const char *kind, const char *what,
    char ret[static CHATWOOT_KEY])
{
	if (f->updated_us != 0)
		snprintf(ret, CHATWOOT_KEY,
		    "%s:%" PRId64 ":%" PRId64 ":%s%" PRId64 ".%06" PRId64, kind,
		    f->account, f->conversation, what, f->updated_us / US_PER_S,
		    f->updated_us % US_PER_S);
}

static void
own_key(const struct chatwoot_facts *f, char ret[static CHATWOOT_KEY])
{
	char status[16];

	ret[0] = '\0';
	switch (f->event) {
	case CW_EV_OTHER:
	case CW_EV_CONTACT_UPDATED:
		return;
	case CW_EV_MESSAGE_CREATED:
		snprintf(ret, CHATWOOT_KEY, "m:%" PRId64, f->message);
		return;
	case CW_EV_MESSAGE_UPDATED:
		if (f->form_answer)
			snprintf(ret, CHATWOOT_KEY, "f:%" PRId64 ":%s", f->message,
			    f->form_hash);
		else if (f->transcript)
			snprintf(ret, CHATWOOT_KEY, "t:%" PRId64, f->message);
		return;
	case CW_EV_CONVERSATION_CREATED:
		snprintf(ret, CHATWOOT_KEY, "c:%" PRId64 ":%" PRId64 ":created", f->account,
		    f->conversation);
		return;
	case CW_EV_CONVERSATION_UPDATED:
		version_key(f, "c", "", ret);
		return;
	case CW_EV_STATUS_CHANGED:
	case CW_EV_OPENED:
	case CW_EV_RESOLVED:
		snprintf(status, sizeof(status), "%s:", status_text(f->status));
		version_key(f, "s", status, ret);
		return;
	}
}

void
chatwoot_key(const struct chatwoot_facts *f, char ret[static CHATWOOT_KEY])
{
	own_key(f, ret);
	if (!ret[0] && f->event != CW_EV_OTHER && f->delivery_hash[0])
		snprintf(ret, CHATWOOT_KEY, "d:%s", f->delivery_hash);
}
