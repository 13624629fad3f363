#include "lib/tenant_policy.h"

struct chatwoot_policy
tenant_policy(const struct tenant *t, const struct tenant_installation *in, const struct tenant_sender *sender)
{
	return (struct chatwoot_policy){
		.mode = (enum chatwoot_mode)sender->kind, .account = sender->account, .inbox = sender->inbox,
		.bot_id = in->bot_id, .answer_open = t->answer_open, .transcripts = t->transcripts,
		.tell_closed = t->manners.tell_closed, .tell_takeover = t->manners.tell_takeover,
		.tell_contact = t->manners.tell_contact,
	};
}
