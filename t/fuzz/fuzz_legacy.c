/* Any bytes as each of the files of the system before, and as a stored password.
 * What is taken must be what a tenant may have, and can be written as one. */
#include <string.h>

#include "lib/crypt.h"
#include "lib/legacy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
remark(void *context, const char *file, struct settings_place at, const char *text)
{
	(void)context;
	REQUIRE(file && at.line < 1000000 && strlen(text) > 0 && strlen(text) < 300);
}

static void
can_be_kept(const struct legacy_tenant *t)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	const struct tenant said = {
		.name = t->account, .domain = t->domain, .mapping = t->mapping, .mappings = t->mappings,
		.odoo = { .given = t->url.len > 0, .url = t->url, .db = t->db, .login = t->login, .timeout_ms = 1000 },
	};

	REQUIRE(t->mappings <= TENANT_MAPPINGS && (t->token.len == 0 || t->token.len >= 8));
	for (size_t i = 0; i < t->mappings; i++)
		REQUIRE(t->mapping[i].account > 0 && t->mapping[i].inbox >= 0 && t->mapping[i].specials <= TENANT_SPECIALS);
	REQUIRE(tenant_encode(&said, &out) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fernet_key key = { .sign = { 1 }, .encrypt = { 2 } };
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_free) struct buf plain = { 0 }, room = { 0 };
	struct slice text = slice_from(data, size), token;
	struct settings_errors errors = { 0 };
	const struct settings_node *root = NULL;
	struct legacy_tenant t[2] = { { .account = SLICE("a7"), .domain = SLICE("retail") }, { .account = SLICE("a8") } };

	REQUIRE(crypt_init() == 0 && arena_new(64 * MIB, &a) == 0);
	struct legacy l = { .arena = a, .key = &key, .remark = remark };
	if (settings_load(text, a, &root, &errors) == 0) {
		REQUIRE(legacy_config(&l, "config.yaml", root, &t[0]) == 0);
		t[0].token = t[0].token.len ? t[0].token : SLICE("12345678");
		REQUIRE(legacy_credentials(&l, "credentials.yaml", root, &t[0]) == 0);
		REQUIRE(legacy_mapping(&l, "mapping.yaml", root, t, 2) == 0);
		can_be_kept(&t[0]);
		can_be_kept(&t[1]);
	}
	if (fernet_stored(text, &room, &token))
		REQUIRE(fernet_open(&key, token, &plain) > 0 && plain.len == 0);        /* nobody finds a MAC */
	return 0;
}
