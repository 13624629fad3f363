/* chatwoot_event: bodies for the chatwoot tests, put together from the parts
 * that a row wants to vary. */
#ifndef PONTE_CHATWOOT_EVENT_H
#define PONTE_CHATWOOT_EVENT_H

#define CONTACT  "{\"id\":2001,\"name\":\"Rita\",\"email\":null}"
#define AGENT    "{\"id\":12,\"name\":\"Agente Um\",\"type\":\"user\"}"
#define OUR_BOT  "{\"id\":4,\"name\":\"Bot\",\"type\":\"agent_bot\"}"
#define THEIR_BOT "{\"id\":5,\"name\":\"Other\",\"type\":\"agent_bot\"}"

/* status and assignee are JSON; rest begins with a comma, or is empty. */
#define CONVERSATION_FIELDS(status, assignee, rest) \
	"\"id\":501,\"inbox_id\":31,\"channel\":\"Channel::WebWidget\",\"status\":" status \
	",\"meta\":{\"sender\":{\"id\":2001,\"name\":\"Rita\",\"type\":\"contact\"},\"assignee\":" assignee "}" rest
#define CONVERSATION(status, assignee, rest) "{" CONVERSATION_FIELDS(status, assignee, rest) "}"
#define PENDING CONVERSATION("\"pending\"", OUR_BOT, ",\"updated_at\":1767348000.418207")

#define MESSAGE(event, type, sender, rest, conversation) \
	"{\"event\":\"" event "\",\"account\":{\"id\":7},\"id\":90001,\"message_type\":" type \
	",\"sender\":" sender ",\"private\":false,\"created_at\":\"2026-01-02T10:00:00.412Z\"" rest \
	",\"conversation\":" conversation "}"
#define INCOMING(rest) MESSAGE("message_created", "\"incoming\"", CONTACT, rest, PENDING)
#define OUTGOING(sender, rest) MESSAGE("message_created", "\"outgoing\"", sender, rest, PENDING)
#define UPDATED(type, sender, rest) MESSAGE("message_updated", type, sender, rest, PENDING)

#define STATE(event, status, assignee, rest) \
	"{\"event\":\"" event "\",\"account\":{\"id\":7}," CONVERSATION_FIELDS(status, assignee, rest) "}"

#endif
