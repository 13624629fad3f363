#include <errno.h>
#include <string.h>

#include "app/courier/destination.h"
#include "lib/json.h"

/* Long enough for any id a front end makes; what is longer is not an id. */
#define REQUEST_ID_MAX 128
#define PEER_WORDS     200

static int
member_read(struct slice group, struct delivery_member *ret)
{
	*ret = (struct delivery_member){
		.message = wire_i64(group, T_MESSAGE, 0),
		.late = wire_u64(group, T_LATE, 0) != 0,
		.replayed = wire_u64(group, T_REPLAYED, 0) != 0,
	};
	struct slice event = wire_text(group, T_EVENT_ID);
	if (!wire_ok(group) || !wire_find(group, T_FACTS, &ret->facts) || !wire_find(group, T_BODY, &ret->body) ||
	    event.len != sizeof(ret->event.byte))
		return -EPROTO;
	memcpy(ret->event.byte, event.ptr, event.len);
	return 0;
}

static int
members_read(struct slice group, struct arena *a, struct delivery *d)
{
	struct wire_field f;
	size_t n = 0;
	for (struct wire_reader r = { .rest = group }; wire_next(&r, &f);)
		n += f.tag == T_MEMBER;
	if (n == 0)
		return 0;
	d->member = arena_take(a, n * sizeof(*d->member));
	if (!d->member)
		return -ENOMEM;
	for (struct wire_reader r = { .rest = group }; wire_next(&r, &f);) {
		if (f.tag != T_MEMBER)
			continue;
		int bad = member_read(f.value, &d->member[d->members++]);
		if (bad)
			return bad;
	}
	return 0;
}

int
delivery_read(struct slice group, struct arena *a, struct delivery *ret)
{
	struct slice event = wire_text(group, T_EVENT_ID);
	struct delivery d = {
		.key = wire_u64(group, T_DELIVERY, 0),
		.dest = (enum delivery_dest)wire_u64(group, T_DEST, 0),
		.kind = (enum delivery_kind)wire_u64(group, T_KIND, 0),
		.request_id = wire_text(group, T_REQUEST_ID),
		.n = wire_u64(group, T_N, 0),
		.tenant = wire_text(group, T_NAME),
		.installation = wire_text(group, T_INSTALLATION),
		.account = wire_i64(group, T_ACCOUNT, 0),
		.conversation = wire_i64(group, T_CONVERSATION, 0),
		.inbox = wire_i64(group, T_INBOX, 0),
		.attempt = (unsigned)wire_u64(group, T_ATTEMPT, 1),
		.crashes = wire_u64(group, T_CRASHES, 0),
		.payload = wire_text(group, T_PAYLOAD),
		.message = wire_i64(group, T_MESSAGE, 0),
		.lookup = wire_u64(group, T_LOOKUP, 0) != 0,
		.notice = (enum chatwoot_notice)wire_u64(group, T_NOTICE, CW_N_NONE),
	};
	bool known = d.dest == DEST_HUB || d.dest == DEST_CHATWOOT;
	if (!wire_ok(group) || d.key == 0 || !known || d.tenant.len == 0 || event.len != sizeof(d.event.byte))
		return -EPROTO;
	memcpy(d.event.byte, event.ptr, event.len);
	int r = members_read(group, a, &d);
	if (r)
		return r;
	if (d.dest == DEST_HUB ? d.members == 0 : d.payload.len == 0)
		return -EPROTO;
	*ret = d;
	return 0;
}

int
request_header(struct request *q, struct arena *a, const char *name, struct slice value)
{
	if (value.len == 0)
		return 0;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.ptr[i];
		if (c < 0x20 || c == 0x7f)
			return -EINVAL;
	}
	REQUIRE(q->headers < REQUEST_HEADERS);
	struct slice line = arena_printf(a, "%s: %.*s", name, (int)value.len, value.ptr);
	if (line.len == 0)
		return -ENOMEM;
	q->header[q->headers++] = line;
	return 0;
}

int
request_common(struct request *q, struct arena *a, const struct errand *e)
{
	char trace[33], span[17];
	hex_encode(e->delivery->event.byte, sizeof(e->delivery->event.byte), trace);
	hex_encode(e->span, sizeof(e->span), span);
	struct slice parent = arena_printf(a, "00-%s-%s-01", trace, span);
	if (parent.len == 0)
		return -ENOMEM;

	/* The id came in with a request; one that cannot be a header is left out. */
	struct slice id = e->delivery->request_id;
	if (id.len > REQUEST_ID_MAX)
		id.len = 0;
	int r = request_header(q, a, "X-Request-ID", id);
	if (r == -ENOMEM)
		return r;
	if ((r = request_header(q, a, "Content-Type", SLICE("application/json"))) ||
	    (r = request_header(q, a, "Accept", SLICE("application/json"))))
		return r;
	return request_header(q, a, "traceparent", parent);
}

const char *
transfer_reason(enum client_error e)
{
	switch (e) {
#define X(name, text) case CLIENT_##name: return text;
	CLIENT_ERRORS(X)
#undef X
	}
	return "other";
}

struct slice
text_cut(struct slice text, size_t characters)
{
	size_t at = 0;
	while (characters-- > 0 && at < text.len) {
		size_t step = slice_utf8(slice_after(text, at));
		at += step ? step : 1;
	}
	return slice_from(text.ptr, at);
}

struct slice
peer_words(struct slice body, struct arena *a, const char *const keys[])
{
	const struct slice none = { 0, 0 };
	struct json_fault fault;
	if (json_check(body, &json_default_limits, &fault) != 0)
		return none;
	CLEANUP(json_freep) struct json *doc = NULL;
	if (json_parse(body, &doc) != 0)
		return none;
	for (; *keys; keys++) {
		const struct json *words;
		if (json_get(doc, *keys, &words) == JSON_STRING && json_text(words).len > 0)
			return arena_copy(a, text_cut(json_text(words), PEER_WORDS));
	}
	return none;
}
