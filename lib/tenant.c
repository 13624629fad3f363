#include <errno.h>
#include <string.h>

#include "lib/address.h"
#include "lib/http.h"
#include "lib/tenant.h"
#include "lib/tenant_odoo.h"
#include "lib/tenant_sync.h"
#include "lib/wire.h"

/* The record's tags.  Stored: a number is never given a second meaning. */
enum tag {
	TAG_NAME = 1, TAG_DOMAIN, TAG_ANSWER_OPEN, TAG_TRANSCRIPTS, TAG_HUB_URL, TAG_HUB_TOKEN,
	TAG_INSTALLATION = 10, TAG_ID, TAG_URL, TAG_BOT_ID, TAG_BOT_TOKEN, TAG_USER_TOKEN, TAG_ACCOUNT,
	TAG_INBOX, TAG_CHANNEL, TAG_CREW,
	TAG_SENDER = 30, TAG_KIND, TAG_LABEL, TAG_SECRET, TAG_NEXT_SECRET, TAG_UNSIGNED, TAG_PROOF,
	TAG_ADDRESS,
	TAG_MANNERS = 50, TAG_DEBOUNCE_MS, TAG_TYPING, TAG_LOOK_FIRST, TAG_MERGE, TAG_REPEAT, TAG_TELL,
	TAG_GIVE_UP_MESSAGE, TAG_GIVE_UP_NOTE, TAG_GIVE_UP_LABEL, TAG_GIVE_UP_HANDOFF,
	TAG_ODOO = 70, TAG_MAPPING, TAG_MAPPED,
};
enum { TELL_CLOSED = 1, TELL_TAKEOVER = 2, TELL_CONTACT = 4 };          /* bits of TAG_TELL */

#define RECORD_COUNT_MAX 10000          /* of anything in one group: as settings lists */

/* ---- writing ---- */

static void
put_text(struct wire_writer *w, uint16_t tag, struct slice text)
{
	if (text.len > 0)
		wire_put(w, tag, text);
}

static void
put_installation(struct wire_writer *w, const struct tenant_installation *in)
{
	size_t mark = wire_open(w, TAG_INSTALLATION);
	put_text(w, TAG_ID, in->id);
	put_text(w, TAG_URL, in->url);
	wire_put_i64(w, TAG_BOT_ID, in->bot_id);
	put_text(w, TAG_BOT_TOKEN, in->bot_token);
	put_text(w, TAG_USER_TOKEN, in->user_token);
	for (size_t i = 0; i < in->accounts; i++) {
		size_t inner = wire_open(w, TAG_ACCOUNT);
		wire_put_i64(w, TAG_ID, in->account[i].id);
		put_text(w, TAG_DOMAIN, in->account[i].domain);
		wire_close(w, inner);
	}
	for (size_t i = 0; i < in->inboxes; i++) {
		size_t inner = wire_open(w, TAG_INBOX);
		wire_put_i64(w, TAG_ID, in->inbox[i].id);
		wire_put_i64(w, TAG_ACCOUNT, in->inbox[i].account);
		put_text(w, TAG_CHANNEL, in->inbox[i].channel);
		put_text(w, TAG_CREW, in->inbox[i].crew);
		wire_close(w, inner);
	}
	wire_close(w, mark);
}

static void
put_sender(struct wire_writer *w, const struct tenant_sender *s)
{
	size_t mark = wire_open(w, TAG_SENDER);
	wire_put_u64(w, TAG_KIND, s->kind);
	put_text(w, TAG_LABEL, s->label);
	put_text(w, TAG_INSTALLATION, s->installation);
	wire_put_i64(w, TAG_ACCOUNT, s->account);
	wire_put_i64(w, TAG_INBOX, s->inbox);
	put_text(w, TAG_SECRET, s->secret);
	put_text(w, TAG_NEXT_SECRET, s->next_secret);
	wire_put_u64(w, TAG_UNSIGNED, s->unsigned_by);
	put_text(w, TAG_PROOF, s->proof);
	for (size_t i = 0; i < s->addresses; i++)
		put_text(w, TAG_ADDRESS, s->address[i]);
	wire_close(w, mark);
}

static void
put_manners(struct wire_writer *w, const struct tenant_manners *m)
{
	size_t mark = wire_open(w, TAG_MANNERS);
	wire_put_i64(w, TAG_DEBOUNCE_MS, m->debounce_ms);
	wire_put_u64(w, TAG_TYPING, m->typing);
	wire_put_u64(w, TAG_LOOK_FIRST, m->look_first);
	wire_put_u64(w, TAG_MERGE, m->merge_overtaken);
	wire_put_u64(w, TAG_REPEAT, m->repeat_unknown);
	wire_put_u64(w, TAG_TELL, (m->tell_closed ? TELL_CLOSED : 0) | (m->tell_takeover ? TELL_TAKEOVER : 0) |
	    (m->tell_contact ? TELL_CONTACT : 0));
	put_text(w, TAG_GIVE_UP_MESSAGE, m->give_up.message);
	wire_put_u64(w, TAG_GIVE_UP_NOTE, m->give_up.note);
	put_text(w, TAG_GIVE_UP_LABEL, m->give_up.label);
	wire_put_u64(w, TAG_GIVE_UP_HANDOFF, m->give_up.handoff);
	wire_close(w, mark);
}

int
tenant_encode(const struct tenant *t, struct buf *out)
{
	struct wire_writer w;
	wire_bare(&w, out);
	put_text(&w, TAG_NAME, t->name);
	put_text(&w, TAG_DOMAIN, t->domain);
	wire_put_u64(&w, TAG_ANSWER_OPEN, t->answer_open);
	wire_put_u64(&w, TAG_TRANSCRIPTS, t->transcripts);
	put_manners(&w, &t->manners);
	put_text(&w, TAG_HUB_URL, t->hub_url);
	put_text(&w, TAG_HUB_TOKEN, t->hub_token);
	if (t->odoo.given) {
		size_t mark = wire_open(&w, TAG_ODOO);
		tenant_odoo_put(&w, &t->odoo);
		wire_close(&w, mark);
	}
	for (size_t i = 0; i < t->installations; i++)
		put_installation(&w, &t->installation[i]);
	for (size_t i = 0; i < t->senders; i++)
		put_sender(&w, &t->sender[i]);
	for (size_t i = 0; i < t->mappings; i++) {
		size_t mark = wire_open(&w, TAG_MAPPING);
		tenant_mapping_put(&w, &t->mapping[i]);
		wire_close(&w, mark);
	}
	if (t->mapped)
		wire_put_u64(&w, TAG_MAPPED, 1);
	return wire_bare_end(&w);
}

/* ---- reading ---- */

/* Makes room for every field of that tag: *ret items of `size` bytes, zeroed. */
static int
room_for(struct slice fields, uint16_t tag, size_t size, struct arena *a, void *ret, size_t *ret_count)
{
	struct wire_reader r = { .rest = fields };
	struct wire_field f;
	size_t n = 0;
	while (wire_next(&r, &f))
		n += f.tag == tag;
	if (r.broken || n > RECORD_COUNT_MAX)
		return -EPROTO;
	void *items = n > 0 ? arena_take(a, n * size) : NULL;
	if (n > 0 && !items)
		return -ENOMEM;
	memcpy(ret, &items, sizeof items);
	*ret_count = 0;         /* the caller counts as it fills */
	return 0;
}

static int
read_account(struct slice g, struct tenant_account *ret)
{
	if (!wire_ok(g))
		return -EPROTO;
	ret->id = wire_i64(g, TAG_ID, 0);
	ret->domain = wire_text(g, TAG_DOMAIN);
	return ret->id > 0 ? 0 : -EPROTO;
}

static int
read_inbox(struct slice g, struct tenant_inbox *ret)
{
	if (!wire_ok(g))
		return -EPROTO;
	ret->id = wire_i64(g, TAG_ID, 0);
	ret->account = wire_i64(g, TAG_ACCOUNT, 0);
	ret->channel = wire_text(g, TAG_CHANNEL);
	ret->crew = wire_text(g, TAG_CREW);
	return ret->id > 0 && ret->account > 0 ? 0 : -EPROTO;
}

static int
read_installation(struct slice g, struct arena *a, struct tenant_installation *ret)
{
	int r = room_for(g, TAG_ACCOUNT, sizeof *ret->account, a, &ret->account, &ret->accounts);
	if (r == 0)
		r = room_for(g, TAG_INBOX, sizeof *ret->inbox, a, &ret->inbox, &ret->inboxes);

	struct wire_reader reader = { .rest = g };
	struct wire_field f;
	while (r == 0 && wire_next(&reader, &f)) {
		if (f.tag == TAG_ACCOUNT)
			r = read_account(f.value, &ret->account[ret->accounts++]);
		else if (f.tag == TAG_INBOX)
			r = read_inbox(f.value, &ret->inbox[ret->inboxes++]);
	}
	if (r != 0)
		return r;
	ret->id = wire_text(g, TAG_ID);
	ret->url = wire_text(g, TAG_URL);
	ret->bot_id = wire_i64(g, TAG_BOT_ID, 0);
	ret->bot_token = wire_text(g, TAG_BOT_TOKEN);
	ret->user_token = wire_text(g, TAG_USER_TOKEN);
	struct http_url url;
	return settings_name_ok(ret->id) && ret->bot_id >= 0 && http_url_split(ret->url, &url) == 0
	    ? 0 : -EPROTO;
}

static int
read_sender(struct slice g, struct arena *a, struct tenant_sender *ret)
{
	int r = room_for(g, TAG_ADDRESS, sizeof *ret->address, a, &ret->address, &ret->addresses);
	if (r != 0)
		return r;
	struct wire_reader reader = { .rest = g };
	struct wire_field f;
	while (wire_next(&reader, &f))
		if (f.tag == TAG_ADDRESS)
			ret->address[ret->addresses++] = f.value;

	uint64_t kind = wire_u64(g, TAG_KIND, TENANT_BOT + 1);
	uint64_t proof = wire_u64(g, TAG_UNSIGNED, TENANT_PROOF_NONE);
	if (kind > TENANT_BOT || proof > TENANT_PROOF_ADDRESSES)
		return -EPROTO;
	ret->kind = (enum tenant_kind)kind;
	ret->unsigned_by = (enum tenant_proof)proof;
	ret->label = wire_text(g, TAG_LABEL);
	ret->installation = wire_text(g, TAG_INSTALLATION);
	ret->account = wire_i64(g, TAG_ACCOUNT, 0);
	ret->inbox = wire_i64(g, TAG_INBOX, 0);
	ret->secret = wire_text(g, TAG_SECRET);
	ret->next_secret = wire_text(g, TAG_NEXT_SECRET);
	ret->proof = wire_text(g, TAG_PROOF);
	return settings_name_ok(ret->label) && settings_name_ok(ret->installation) &&
	    ret->account > 0 && ret->inbox >= 0 ? 0 : -EPROTO;
}

/* Senders name installations that are there. */
static bool
belongs_together(const struct tenant *t)
{
	for (size_t i = 0; i < t->senders; i++) {
		const struct tenant_installation *in =
		    tenant_installation_find(t, t->sender[i].installation);
		if (!in || !tenant_account_find(in, t->sender[i].account))
			return false;
	}
	return true;
}

void
tenant_manners_read(struct slice record, struct tenant_manners *ret)
{
	struct slice g = wire_text(record, TAG_MANNERS);
	uint64_t tell = wire_u64(g, TAG_TELL, 0);
	int64_t debounce = wire_i64(g, TAG_DEBOUNCE_MS, -1);

	*ret = (struct tenant_manners){
		.debounce_ms = debounce > TENANT_DEBOUNCE_MAX_MS ? TENANT_DEBOUNCE_MAX_MS : debounce < 0 ? -1 : debounce,
		.typing = wire_u64(g, TAG_TYPING, 1) != 0,
		.look_first = wire_u64(g, TAG_LOOK_FIRST, 1) != 0,
		.merge_overtaken = wire_u64(g, TAG_MERGE, 0) != 0,
		.repeat_unknown = wire_u64(g, TAG_REPEAT, 0) != 0,
		.tell_closed = tell & TELL_CLOSED, .tell_takeover = tell & TELL_TAKEOVER,
		.tell_contact = tell & TELL_CONTACT,
		.give_up = {
			.message = wire_text(g, TAG_GIVE_UP_MESSAGE), .note = wire_u64(g, TAG_GIVE_UP_NOTE, 1) != 0,
			.label = wire_text(g, TAG_GIVE_UP_LABEL), .handoff = wire_u64(g, TAG_GIVE_UP_HANDOFF, 1) != 0,
		},
	};
}

bool
tenant_user_token_set(struct slice record, struct slice installation)
{
	struct wire_reader r = { .rest = record };
	struct wire_field f;
	while (wire_next(&r, &f))
		if (f.tag == TAG_INSTALLATION && slice_eq(wire_text(f.value, TAG_ID), installation))
			return wire_text(f.value, TAG_USER_TOKEN).len > 0;
	return false;
}

int
tenant_decode(struct slice record, struct arena *a, struct tenant *ret)
{
	struct tenant t = { 0 };
	bool given = false;
	struct slice g = arena_copy(a, record);
	if (record.len > 0 && g.len == 0)
		return -ENOMEM;

	int r = room_for(g, TAG_INSTALLATION, sizeof *t.installation, a, &t.installation, &t.installations);
	if (r == 0)
		r = room_for(g, TAG_SENDER, sizeof *t.sender, a, &t.sender, &t.senders);
	if (r == 0)
		r = room_for(g, TAG_MAPPING, sizeof *t.mapping, a, &t.mapping, &t.mappings);

	struct wire_reader reader = { .rest = g };
	struct wire_field f;
	while (r == 0 && wire_next(&reader, &f)) {
		if (f.tag == TAG_INSTALLATION)
			r = read_installation(f.value, a, &t.installation[t.installations++]);
		else if (f.tag == TAG_SENDER)
			r = read_sender(f.value, a, &t.sender[t.senders++]);
		else if (f.tag == TAG_MAPPING)
			r = tenant_mapping_read(f.value, &t.mapping[t.mappings++]);
		else if (f.tag == TAG_ODOO)
			given = true;
	}
	if (r == 0)
		r = tenant_odoo_read(wire_text(g, TAG_ODOO), a, &t.odoo);
	if (r != 0)
		return r;
	t.odoo.given = given;
	t.mapped = wire_u64(g, TAG_MAPPED, 0) != 0;
	t.name = wire_text(g, TAG_NAME);
	t.domain = wire_text(g, TAG_DOMAIN);
	t.answer_open = wire_u64(g, TAG_ANSWER_OPEN, 1) != 0;
	t.transcripts = wire_u64(g, TAG_TRANSCRIPTS, 0) != 0;
	tenant_manners_read(g, &t.manners);
	t.hub_url = wire_text(g, TAG_HUB_URL);
	t.hub_token = wire_text(g, TAG_HUB_TOKEN);
	if (!settings_name_ok(t.name) || !belongs_together(&t))
		return -EPROTO;
	*ret = t;
	return 0;
}

/* ---- finding ---- */

const struct tenant_sender *
tenant_sender_find(const struct tenant *t, struct slice label)
{
	for (size_t i = 0; i < t->senders; i++)
		if (slice_eq(t->sender[i].label, label))
			return &t->sender[i];
	return NULL;
}

const struct tenant_installation *
tenant_installation_find(const struct tenant *t, struct slice id)
{
	for (size_t i = 0; i < t->installations; i++)
		if (slice_eq(t->installation[i].id, id))
			return &t->installation[i];
	return NULL;
}

const struct tenant_account *
tenant_account_find(const struct tenant_installation *in, int64_t account)
{
	for (size_t i = 0; i < in->accounts; i++)
		if (in->account[i].id == account)
			return &in->account[i];
	return NULL;
}

const struct tenant_inbox *
tenant_inbox_find(const struct tenant_installation *in, int64_t account, int64_t inbox)
{
	for (size_t i = 0; i < in->inboxes; i++)
		if (in->inbox[i].id == inbox && (account == 0 || in->inbox[i].account == account))
			return &in->inbox[i];
	return NULL;
}

bool
tenant_open_to(const struct tenant_open *o, struct slice address)
{
	for (size_t i = 0; i < o->n; i++)
		if (address_within(address, o->address[i]))
			return true;
	return false;
}

bool
tenant_address_ok(const struct tenant_sender *s, struct slice address)
{
	for (size_t i = 0; i < s->addresses; i++)
		if (address_within(address, s->address[i]))
			return true;
	return false;
}
