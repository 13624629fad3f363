#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/ponte/scratch.h"

struct scratch_conversation {
	struct slice installation;
	int64_t      account, conversation;
	struct chatwoot_state state;
};

struct scratch_key {
	struct slice installation;
	char         text[CHATWOOT_KEY];
};

int
scratch_init(struct scratch *s, size_t bodies, struct arena *arena)
{
	*s = (struct scratch){ .room = bodies };
	s->conversation = arena_take(arena, bodies * sizeof(*s->conversation));
	s->key = arena_take(arena, bodies * sizeof(*s->key));
	return s->conversation && s->key ? 0 : -ENOMEM;
}

static struct scratch_conversation *
find(const struct scratch *s, struct slice installation, const struct chatwoot_facts *f)
{
	for (size_t i = 0; i < s->conversations; i++) {
		struct scratch_conversation *c = &s->conversation[i];

		if (slice_eq(c->installation, installation) && c->account == f->account
		    && c->conversation == f->conversation)
			return c;
	}
	return NULL;
}

void
scratch_find(const struct scratch *s, struct slice installation, const struct chatwoot_facts *f,
    struct chatwoot_state *ret)
{
	const struct scratch_conversation *c = find(s, installation, f);

	*ret = c ? c->state : (struct chatwoot_state){ 0 };
}

bool
scratch_seen(const struct scratch *s, struct slice installation, const char *key)
{
	for (size_t i = 0; key[0] && i < s->keys; i++)
		if (slice_eq(s->key[i].installation, installation) && strcmp(s->key[i].text, key) == 0)
			return true;
	return false;
}

void
scratch_keep(struct scratch *s, struct slice installation, const struct chatwoot_facts *f,
    const struct chatwoot_verdict *v, const char *key)
{
	if (v->state_changed) {
		struct scratch_conversation *c = find(s, installation, f);

		if (!c) {
			REQUIRE(s->conversations < s->room);
			c = &s->conversation[s->conversations++];
		}
		*c = (struct scratch_conversation){ installation, f->account, f->conversation, v->state };
	}
	if (key[0] && (chatwoot_forwards(v->decision) || chatwoot_notes(v->decision))) {
		REQUIRE(s->keys < s->room);
		struct scratch_key *k = &s->key[s->keys++];

		k->installation = installation;
		snprintf(k->text, sizeof(k->text), "%s", key);
	}
}
