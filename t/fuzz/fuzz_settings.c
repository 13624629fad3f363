/* Any bytes as ponte.yaml, as a file of tenants, and as the record that the
 * keeper keeps of one.  What is wrong must be said with a place inside the
 * text; what is read must be writable, and read again as the same. */
#include <string.h>

#include "lib/config.h"
#include "lib/crypt.h"
#include "lib/tenant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_errors(int result, const struct settings_errors *errors, struct slice text)
{
	size_t lines = 1;
	for (size_t i = 0; i < text.len; i++)
		lines += text.ptr[i] == '\n' || text.ptr[i] == '\r' ||
		    ((unsigned char)text.ptr[i] & 0xfe) == 0xa8 || (unsigned char)text.ptr[i] == 0x85;

	REQUIRE((result == SETTINGS_E_WRONG) == (errors->count > 0));
	for (size_t i = 0; i < errors->count && i < SETTINGS_ERRORS_MAX; i++) {
		const struct settings_error *e = &errors->item[i];
		REQUIRE(e->line <= lines + 1 && strlen(e->text) > 0 && strlen(e->text) < sizeof e->text);
		REQUIRE(i == 0 || errors->item[i - 1].line <= e->line);
	}
}

static void
record_round_trip(const struct tenant *t, struct arena *a)
{
	CLEANUP(buf_free) struct buf once = { 0 }, twice = { 0 };
	struct tenant again;
	REQUIRE(tenant_encode(t, &once) == 0);
	REQUIRE(tenant_decode(buf_view(&once), a, &again) == 0);
	REQUIRE(tenant_encode(&again, &twice) == 0);
	REQUIRE(slice_eq(buf_view(&once), buf_view(&twice)));
}

/* The table of tenants without its files: a fuzzer must not name files. */
static bool
names_files(struct slice text)
{
	return memmem(text.ptr, text.len, "_file", 5) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct secret_key key = { .byte = { 1 } };
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct slice text = slice_from(data, size);
	struct settings_errors errors = { 0 };
	struct config config = { 0 };
	struct tenant *tenants, one;
	size_t count;

	REQUIRE(crypt_init() == 0 && arena_new(16 * MIB, &a) == 0);
	int r = settings_read(text, "/base", config_table, &config, a, &errors);
	if (r >= 0)
		check_errors(r, &errors, text);
	arena_reset(a);
	if (size > 0 && !names_files(text)) {
		r = tenant_import(text, "/base", &key, &key, a, &tenants, &count, &errors);
		if (r >= 0)
			check_errors(r, &errors, text);
		for (size_t i = 0; r == 0 && i < count; i++)
			record_round_trip(&tenants[i], a);
	}
	arena_reset(a);
	if (tenant_decode(text, a, &one) == 0)
		record_round_trip(&one, a);
	return 0;
}
