/* Any bytes: the checker must not read beyond them.  What it lets through
 * must be understood by all that stand behind it, and stay what it is: printed
 * and in the canonical form it passes again, and canonical twice is canonical
 * once. */
#include "lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct json_limits limits = { .depth = 64, .values = 5000, .keys = 200, .object = false };

static void
must_pass(struct slice text)
{
	struct json_fault fault;
	/* One letter may become twelve; the counts stay. */
	REQUIRE(json_check(text, &limits, &fault) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_free) struct buf printed = { 0 }, quoted = { 0 }, once = { 0 }, twice = { 0 };
	CLEANUP(json_freep) struct json *document = NULL;
	struct slice text = slice_from(data, size);
	struct json_fault fault = { 0, NULL };

	REQUIRE(json_quote(text, &quoted) == 0);
	must_pass(buf_view(&quoted));
	if (json_check(text, &limits, &fault) != 0) {
		REQUIRE(fault.what && fault.offset <= size);
		return 0;
	}
	REQUIRE(json_parse(text, &document) == 0 && json_print(document, &printed) == 0);
	must_pass(buf_view(&printed));
	REQUIRE(json_canonical(text, &once) == 0);
	must_pass(buf_view(&once));
	REQUIRE(json_canonical(buf_view(&printed), &twice) == 0);
	REQUIRE(slice_eq(buf_view(&once), buf_view(&twice)));
	return 0;
}
