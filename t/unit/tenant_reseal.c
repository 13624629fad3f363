/* Everything sealed of a tenant, under the next key; what no key opens is named and left. */
#include "lib/tenant_reseal.h"

#include "t/unit/unit.h"

static const struct secret_key old = { .byte = { 1 } }, both = { .byte = { 2 }, .next = { 1 }, .has_next = true },
    fresh = { .byte = { 2 } }, other = { .byte = { 3 } };

struct place { enum tenant_ring ring; const char *field; struct slice *at; };

static struct slice
sealed(struct arena *a, const struct secret_key *key, const char *field)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	REQUIRE(secret_seal(key, SLICE("shop"), field, slice_of(field), &out) == 0);
	return arena_copy(a, buf_view(&out));
}

static bool
opens(const struct secret_key *key, const struct place *p)
{
	CLEANUP(buf_free) struct buf plain = { 0 };
	return secret_open(key, SLICE("shop"), p->field, *p->at, &plain) == 0 && slice_eq(buf_view(&plain), slice_of(p->field));
}

static void
resealing(void)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	REQUIRE(arena_new(MIB, &a) == 0);
	struct tenant_installation in[2] = { { .id = SLICE("main") }, { .id = SLICE("two") } };
	struct tenant_sender s[2] = { { .label = SLICE("bot") }, { .label = SLICE("hook") } };
	struct tenant t = { .name = SLICE("shop"), .installation = in, .installations = 2, .sender = s, .senders = 2 };
	const struct place places[] = {
		{ TENANT_RING_INTAKE, "sender/bot/secret", &s[0].secret }, { TENANT_RING_INTAKE, "sender/bot/next_secret", &s[0].next_secret },
		{ TENANT_RING_INTAKE, "sender/hook/proof", &s[1].proof }, { TENANT_RING_INTAKE, "odoo/secret", &t.odoo.secret },
		{ TENANT_RING_OUTGOING, "hub/token", &t.hub_token }, { TENANT_RING_OUTGOING, "installation/main/bot_token", &in[0].bot_token },
		{ TENANT_RING_OUTGOING, "installation/two/user_token", &in[1].user_token }, { TENANT_RING_OUTGOING, "odoo/key", &t.odoo.key },
		{ TENANT_RING_OUTGOING, "odoo/next_key", &t.odoo.next_key },
	};
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		*places[i].at = sealed(a, &old, places[i].field);

	struct tenant_resealed n = { 0 };
	ROW("the intake's", tenant_reseal(&t, TENANT_RING_INTAKE, &both, a, &n) == 0 && n.moved == 4 && n.there == 0 && n.lost == 0);
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		ROW(places[i].field, opens(places[i].ring == TENANT_RING_INTAKE ? &fresh : &old, &places[i]));
	ROW("the outgoing ones", tenant_reseal(&t, TENANT_RING_OUTGOING, &both, a, &n) == 0 && n.moved == 9 && n.lost == 0);
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		ROW(places[i].field, opens(&fresh, &places[i]) && !opens(&old, &places[i]));

	n = (struct tenant_resealed){ 0 };
	struct slice before = t.odoo.key;
	ROW("once more nothing moves", tenant_reseal(&t, TENANT_RING_OUTGOING, &both, a, &n) == 0 && n.moved == 0 && n.there == 5);
	ROW("not even its bytes", slice_eq(t.odoo.key, before));

	t.hub_token = sealed(a, &other, "hub/token");
	in[0].bot_token = sealed(a, &old, "installation/two/bot_token");
	before = in[0].bot_token;
	n = (struct tenant_resealed){ 0 };
	ROW("what cannot be opened is counted", tenant_reseal(&t, TENANT_RING_OUTGOING, &both, a, &n) == 0 && n.lost == 2 && n.there == 3);
	ROW("the first of it is named", slice_eq(n.lost_field, SLICE("hub/token")));
	ROW("and left as it is", slice_eq(in[0].bot_token, before));
}

int
main(void)
{
	static const struct unit_test tests[] = { { "resealing", resealing } };
	REQUIRE(crypt_init() == 0);
	return unit_run("tenant_reseal", tests, ARRAY_LEN(tests), 0);
}
