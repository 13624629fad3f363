#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/http.h"
#include "lib/reach.h"

/* clang-format off */
static const struct { uint32_t net; unsigned bits; } special4[] = {
	{ 0x00000000,  8 },     /* 0.0.0.0/8: this network; Linux takes 0.0.0.0 for loopback */
	{ 0x0a000000,  8 },     /* 10.0.0.0/8: private */
	{ 0x64400000, 10 },     /* 100.64.0.0/10: carrier NAT; also some clouds' metadata */
	{ 0x7f000000,  8 },     /* 127.0.0.0/8: loopback */
	{ 0xa9fe0000, 16 },     /* 169.254.0.0/16: link-local; metadata */
	{ 0xac100000, 12 },     /* 172.16.0.0/12: private */
	{ 0xc0000000, 24 },     /* 192.0.0.0/24: protocol assignments */
	{ 0xc0000200, 24 },     /* 192.0.2.0/24: documentation */
	{ 0xc0586300, 24 },     /* 192.88.99.0/24: 6to4 relays, given up */
	{ 0xc0a80000, 16 },     /* 192.168.0.0/16: private */
	{ 0xc6120000, 15 },     /* 198.18.0.0/15: benchmarks */
	{ 0xc6336400, 24 },     /* 198.51.100.0/24: documentation */
	{ 0xcb007100, 24 },     /* 203.0.113.0/24: documentation */
	{ 0xe0000000,  4 },     /* 224.0.0.0/4: multicast */
	{ 0xf0000000,  4 },     /* 240.0.0.0/4: reserved, and broadcast */
};

/* Of 2000::/3, the only part handed out; everything outside it is refused. */
static const struct { uint8_t net[6]; unsigned bits; } special6[] = {
	{ { 0x20, 0x01 },             23 },     /* 2001::/23: Teredo, ORCHID, benchmarks */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },     /* 2001:db8::/32: documentation */
	{ { 0x3f, 0xfe },             16 },     /* 3ffe::/16: the 6bone, given back */
	{ { 0x3f, 0xff },             20 },     /* 3fff::/20: documentation */
};
/* clang-format on */

static bool
public4(uint32_t a)
{
	for (size_t i = 0; i < ARRAY_LEN(special4); i++) {
		uint32_t mask = ~(UINT32_MAX >> special4[i].bits);
		if ((a & mask) == special4[i].net)
			return false;
	}
	return true;
}

/* The IPv4 address that stands at the byte `at` of an IPv6 one. */
static uint32_t
inner(const uint8_t *a, size_t at)
{
	return (uint32_t)a[at] << 24 | (uint32_t)a[at + 1] << 16 | (uint32_t)a[at + 2] << 8 | a[at + 3];
}

static bool
starts(const uint8_t *a, const uint8_t *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, net, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ net[whole]) >> (8 - rest) == 0;
}

static bool
public6(const uint8_t *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };

	if (starts(a, mapped, 96) || starts(a, nat64, 96))
		return public4(inner(a, 12));
	if (a[0] == 0x20 && a[1] == 0x02)       /* 2002::/16, 6to4 */
		return public4(inner(a, 2));
	/* ::, ::1, IPv4-compatible, local NAT64, fc00::/7, fe80::/10, ff00::/8. */
	if (a[0] >> 5 != 1)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(special6); i++)
		if (starts(a, special6[i].net, special6[i].bits))
			return false;
	return true;
}

bool
reach_public(const struct sockaddr *sa)
{
	/* Copied: the caller's memory may be aligned for a sockaddr alone. */
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof in);
		return public4(ntohl(in.sin_addr.s_addr));
	}
	if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, sa, sizeof in6);
		return public6(in6.sin6_addr.s6_addr);
	}
	return false;
}

/* ---- what the operator names ---- */

struct reach_entry {
	char    *host;
	unsigned port;
};

void
reach_list_free(struct reach_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->entry[i].host);
	free(l->entry);
	*l = (struct reach_list){ 0 };
}

int
reach_list_add(struct reach_list *l, struct slice entry)
{
	CLEANUP(buf_free) struct buf url = { 0 };
	struct http_url u = { 0 };

	/* The port must be said: there is no scheme to guess it from. */
	const char *colon = entry.len ? memrchr(entry.ptr, ':', entry.len) : NULL;
	const char *bracket = entry.len ? memrchr(entry.ptr, ']', entry.len) : NULL;
	if (!colon || (bracket && colon < bracket) || colon == entry.ptr + entry.len - 1)
		return -EINVAL;

	/* Read as the authority of a URL, so both sides mean the same. */
	int r = buf_append_slice(&url, SLICE("http://"));
	if (r == 0)
		r = buf_append_slice(&url, entry);
	if (r == 0)
		r = http_url_split(buf_view(&url), &u);
	if (r == 0 && u.path.len > 0)
		r = -EINVAL;
	if (r == 0)
		r = array_grow((void **)&l->entry, &l->cap, l->count, sizeof *l->entry);
	if (r < 0)
		return r;
	struct reach_entry e = { .host = slice_dup(u.host), .port = u.port };
	if (!e.host)
		return -ENOMEM;
	l->entry[l->count++] = e;
	return 0;
}

bool
reach_list_has(const struct reach_list *l, struct slice host, unsigned port)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->entry[i].port == port && slice_eq_nocase(slice_of(l->entry[i].host), host))
			return true;
	return false;
}
