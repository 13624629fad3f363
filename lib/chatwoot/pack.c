#include <errno.h>
#include <string.h>

#include "lib/chatwoot/chatwoot.h"

/* Tags go over the wire and into the store: a number once given keeps its
 * meaning. */
enum pack_tag {
	PACK_EVENT = 1, PACK_EVENT_NAME, PACK_FLAGS, PACK_FORM_HASH,
	PACK_ACCOUNT, PACK_INBOX, PACK_CONVERSATION, PACK_MESSAGE, PACK_CONTACT,
	PACK_STATUS, PACK_OWNER, PACK_OWNER_ID, PACK_UPDATED_US, PACK_TYPE, PACK_SENDER,
	PACK_DELIVERY_HASH, PACK_CHANNEL, PACK_ECHO, PACK_ECHO_N,
	PACK_MODE = 32, PACK_POLICY_ACCOUNT, PACK_BOT_ID, PACK_POLICY_FLAGS,
};

#define IDS(X) \
	X(PACK_ACCOUNT, account) X(PACK_INBOX, inbox) X(PACK_CONVERSATION, conversation) \
	X(PACK_MESSAGE, message) X(PACK_CONTACT, contact) X(PACK_OWNER_ID, owner_id) \
	X(PACK_UPDATED_US, updated_us) X(PACK_ECHO_N, echo_n)

#define ENUMS(X) \
	X(PACK_EVENT, event, CW_EV_CONTACT_UPDATED) X(PACK_STATUS, status, CW_ST_OTHER) \
	X(PACK_OWNER, owner, CW_OWN_HUMAN) X(PACK_TYPE, type, CW_TY_ACTIVITY) \
	X(PACK_SENDER, sender, CW_SE_OTHER)

/* Bit numbers, kept like the tags. */
#define FLAGS(X) \
	X(0, noise) X(1, changes_null) X(2, private_note) X(3, blocked) X(4, auto_reply) \
	X(5, external_error) X(6, has_text) X(7, content_null) X(8, has_attachments) X(9, truncated) \
	X(10, sanitised) X(11, ours) X(12, external_echo) X(13, automation) X(14, form_answer) \
	X(15, transcript) X(16, recovered) X(17, can_reply) X(18, cannot_reply) \
	X(19, answered)

void
chatwoot_pack(const struct chatwoot_facts *f, const struct chatwoot_policy *p,
    struct wire_writer *w)
{
	uint64_t flags = 0;

#define X(bit, field) flags |= (uint64_t)f->field << (bit);
	FLAGS(X)
#undef X
#define X(tag, field, last) wire_put_u64(w, tag, (uint64_t)f->field);
	ENUMS(X)
#undef X
#define X(tag, field) wire_put_i64(w, tag, f->field);
	IDS(X)
#undef X
	wire_put_u64(w, PACK_FLAGS, flags);
	wire_put(w, PACK_EVENT_NAME, f->event_name);
	if (f->form_hash[0])
		wire_put(w, PACK_FORM_HASH, slice_of(f->form_hash));
	if (f->delivery_hash[0])
		wire_put(w, PACK_DELIVERY_HASH, slice_of(f->delivery_hash));
	wire_put_u64(w, PACK_CHANNEL, (uint64_t)f->channel);
	if (f->echo_n)
		wire_put(w, PACK_ECHO, slice_from(f->echo.byte, sizeof(f->echo.byte)));
	wire_put_u64(w, PACK_MODE, (uint64_t)p->mode);
	wire_put_i64(w, PACK_POLICY_ACCOUNT, p->account);
	wire_put_i64(w, PACK_BOT_ID, p->bot_id);
	wire_put_u64(w, PACK_POLICY_FLAGS,
	    (uint64_t)p->answer_open | (uint64_t)p->transcripts << 1 | (uint64_t)p->tell_closed << 2
	    | (uint64_t)p->tell_takeover << 3 | (uint64_t)p->tell_contact << 4);
}

int
chatwoot_unpack(struct slice fields, struct chatwoot_facts *ret,
    struct chatwoot_policy *ret_policy)
{
	struct chatwoot_facts f = { 0 };
	struct chatwoot_policy p = { 0 };
	uint64_t number, flags = wire_u64(fields, PACK_FLAGS, 0);
	struct slice hash = wire_text(fields, PACK_FORM_HASH);
	struct slice delivery = wire_text(fields, PACK_DELIVERY_HASH);
	struct slice echo = wire_text(fields, PACK_ECHO);

	if (!wire_ok(fields) || hash.len >= sizeof(f.form_hash)
	    || delivery.len >= sizeof(f.delivery_hash))
		return -EPROTO;
#define X(bit, field) f.field = (flags >> (bit)) & 1;
	FLAGS(X)
#undef X
#define X(tag, member, last) \
	number = wire_u64(fields, tag, UINT64_MAX); \
	if (number > (uint64_t)(last)) \
		return -EPROTO; \
	f.member = number;
	ENUMS(X)
#undef X
#define X(tag, field) f.field = wire_i64(fields, tag, 0);
	IDS(X)
#undef X
	/* Facts that an older version packed have no channel. */
	number = wire_u64(fields, PACK_CHANNEL, CW_CH_OTHER);
	if (number >= CW_CH_COUNT || (f.echo_n != 0 && echo.len != sizeof(f.echo.byte)))
		return -EPROTO;
	f.channel = number;
	if (f.echo_n != 0)
		memcpy(f.echo.byte, echo.ptr, echo.len);
	f.event_name = wire_text(fields, PACK_EVENT_NAME);
	if (hash.len > 0)
		memcpy(f.form_hash, hash.ptr, hash.len);
	if (delivery.len > 0)
		memcpy(f.delivery_hash, delivery.ptr, delivery.len);
	number = wire_u64(fields, PACK_MODE, UINT64_MAX);
	if (number > CW_MODE_BOT)
		return -EPROTO;
	p.mode = number;
	p.account = wire_i64(fields, PACK_POLICY_ACCOUNT, 0);
	p.bot_id = wire_i64(fields, PACK_BOT_ID, 0);
	flags = wire_u64(fields, PACK_POLICY_FLAGS, 0);
	p.answer_open = flags & 1;
	p.transcripts = flags >> 1 & 1;
	p.tell_closed = flags >> 2 & 1;
	p.tell_takeover = flags >> 3 & 1;
	p.tell_contact = flags >> 4 & 1;
	*ret = f;
	*ret_policy = p;
	return 0;
}
