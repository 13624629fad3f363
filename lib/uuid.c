#include <errno.h>
#include <string.h>

#include "lib/crypt.h"
#include "lib/uuid.h"

struct uuid
uuid_make(int64_t wall_us)
{
	struct uuid id;
	uint64_t ms = wall_us > 0 ? (uint64_t)wall_us / 1000 : 0;

	crypt_random(id.byte, sizeof id.byte);
	for (int i = 0; i < 6; i++)
		id.byte[i] = (uint8_t)(ms >> (40 - 8 * i));
	id.byte[6] = (uint8_t)(0x70 | (id.byte[6] & 0x0f));     /* version 7 */
	id.byte[8] = (uint8_t)(0x80 | (id.byte[8] & 0x3f));     /* the RFC's variant */
	return id;
}

/* How many bytes stand before each hyphen. */
static const size_t group[] = { 4, 2, 2, 2, 6 };

void
uuid_text(const struct uuid *id, char ret[static UUID_TEXT])
{
	const uint8_t *from = id->byte;

	for (size_t i = 0; i < ARRAY_LEN(group); i++) {
		hex_encode(from, group[i], ret);
		from += group[i];
		ret += 2 * group[i];
		*ret++ = i + 1 < ARRAY_LEN(group) ? '-' : '\0';
	}
}

int
uuid_parse(struct slice s, struct uuid *ret)
{
	char digits[2 * sizeof ret->byte];
	size_t at = 0, n = 0;

	if (s.len != UUID_TEXT - 1)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(group); i++) {
		if (i > 0 && s.ptr[at++] != '-')
			return -EINVAL;
		for (size_t k = 0; k < 2 * group[i]; k++) {
			char c = s.ptr[at++];
			/* RFC 9562, 4: written in lower case, read in both. */
			digits[n++] = c >= 'A' && c <= 'F' ? (char)(c + ('a' - 'A')) : c;
		}
	}
	return hex_decode(slice_from(digits, n), ret->byte, sizeof ret->byte);
}

bool
uuid_is_zero(const struct uuid *id)
{
	static const struct uuid zero;
	return memcmp(id, &zero, sizeof zero) == 0;
}
