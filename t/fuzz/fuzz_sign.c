/* The first line is the timestamp, the second the signature, the rest the
 * body: what headers from outside may say.  Only what was signed may match,
 * and what was signed must. */
#include "lib/crypt.h"
#include "lib/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct slice secret = SLICE("whsec");
	struct slice rest = slice_from(data, size), timestamp = rest, signature = { NULL, 0 };
	struct sign_headers h;
	int64_t now = 0;
	char made[SIGN_TEXT];

	REQUIRE(crypt_init() == 0);
	if (slice_cut(rest, '\n', &timestamp, &rest) && !slice_cut(rest, '\n', &signature, &rest))
		rest.len = 0;
	if (slice_to_i64(timestamp, 0, INT64_MAX, &now) < 0)
		now = 0;

	if (sign_read(timestamp, signature, now, &h) == 0) {
		sign_make(secret, timestamp, rest, made);
		REQUIRE((sign_check(&h, secret, rest) == 0) == slice_eq(signature, slice_of(made)));
	}
	if (timestamp.len >= 1 && timestamp.len <= 12) {
		sign_make(secret, timestamp, rest, made);
		int r = sign_read(timestamp, slice_of(made), now, &h);
		REQUIRE(r == SIGN_E_FORM || (r == 0 && sign_check(&h, secret, rest) == 0));
	}
	return 0;
}
