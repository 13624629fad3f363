#include <arpa/inet.h>
#include <string.h>

#include "lib/address.h"

#define V4_BITS 96      /* what stands before an IPv4 address in its IPv6 form */

struct prefix {
	unsigned char byte[16];         /* IPv4 as ::ffff:a.b.c.d */
	unsigned      bits;             /* of these 128 */
};

/* Width of the address as it is written: 32, 128, or 0 when it is none. */
static unsigned
read_address(struct slice text, unsigned char ret_byte[static 16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	char name[INET6_ADDRSTRLEN];
	if (text.len == 0 || text.len >= sizeof name || memchr(text.ptr, '\0', text.len))
		return 0;
	memcpy(name, text.ptr, text.len);
	name[text.len] = '\0';
	if (inet_pton(AF_INET6, name, ret_byte) == 1)
		return 128;
	memcpy(ret_byte, mapped, sizeof mapped);
	return inet_pton(AF_INET, name, ret_byte + sizeof mapped) == 1 ? 32 : 0;
}

static bool
read_prefix(struct slice text, struct prefix *ret)
{
	struct slice name = text, length = { 0 };
	bool has_length = slice_cut(text, '/', &name, &length);
	unsigned width = read_address(name, ret->byte);
	uint64_t n = width;
	if (width == 0 || (has_length && slice_to_u64(length, 0, width, &n) != 0))
		return false;
	ret->bits = (unsigned)n + (width == 32 ? V4_BITS : 0);
	return true;
}

bool
address_ok(struct slice text)
{
	unsigned char byte[16];
	return read_address(text, byte) > 0;
}

bool
address_prefix_ok(struct slice text)
{
	struct prefix p;
	return read_prefix(text, &p);
}

bool
address_within(struct slice address, struct slice prefix)
{
	struct prefix p;
	unsigned char byte[16];
	if (read_address(address, byte) == 0 || !read_prefix(prefix, &p))
		return false;
	unsigned whole = p.bits / 8, rest = p.bits % 8;
	if (memcmp(byte, p.byte, whole) != 0)
		return false;
	return rest == 0 || ((byte[whole] ^ p.byte[whole]) >> (8 - rest)) == 0;
}
