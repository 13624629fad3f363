#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "lib/reach.h"
#include "t/unit/unit.h"

/* Hosts as somebody might write them into a URL; read by the system, as
 * libcurl has them read. */
/* clang-format off */
static const struct { const char *host; bool want; } rows[] = {
	{ "8.8.8.8", true },              { "1.1.1.1", true },            { "93.184.216.34", true },
	{ "0.0.0.0", false },             { "0.1.2.3", false },           { "1.0.0.0", true },
	{ "9.255.255.255", true },        { "10.0.0.0", false },          { "10.255.255.255", false },
	{ "11.0.0.0", true },             { "100.63.255.255", true },     { "100.64.0.0", false },
	{ "100.100.100.200", false },     { "100.127.255.255", false },   { "100.128.0.0", true },
	{ "126.255.255.255", true },      { "127.0.0.1", false },         { "127.255.255.254", false },
	{ "128.0.0.0", true },            { "169.253.255.255", true },    { "169.254.0.0", false },
	{ "169.254.169.254", false },     { "169.254.255.255", false },   { "169.255.0.0", true },
	{ "172.15.255.255", true },       { "172.16.0.0", false },        { "172.31.255.255", false },
	{ "172.32.0.0", true },           { "192.0.0.8", false },         { "192.0.0.192", false },
	{ "192.0.1.0", true },            { "192.0.2.1", false },         { "192.0.3.0", true },
	{ "192.88.99.1", false },         { "192.167.255.255", true },    { "192.168.0.1", false },
	{ "192.168.255.255", false },     { "192.169.0.0", true },        { "198.17.255.255", true },
	{ "198.18.0.1", false },          { "198.19.255.255", false },    { "198.20.0.0", true },
	{ "198.51.100.7", false },        { "198.51.101.0", true },       { "203.0.113.9", false },
	{ "203.0.114.0", true },          { "223.255.255.255", true },    { "224.0.0.1", false },
	{ "239.255.255.255", false },     { "240.0.0.1", false },         { "255.255.255.255", false },
	/* other ways to write the same */
	{ "2130706433", false },          { "0x7f000001", false },        { "0x7f.1", false },
	{ "0177.0.0.1", false },          { "017700000001", false },      { "127.1", false },
	{ "0", false },                   { "2852039166", false },        { "0xA9FEA9FE", false },
	{ "0251.0376.0251.0376", false }, { "10.1", false },              { "134744072", true },
	/* IPv6 */
	{ "::", false },                  { "::1", false },               { "::2", false },
	{ "::8.8.8.8", false },           { "::ffff:127.0.0.1", false },  { "::ffff:7f00:1", false },
	{ "::ffff:169.254.169.254", false }, { "::ffff:8.8.8.8", true },  { "::ffff:0:8.8.8.8", false },
	{ "64:ff9b::10.0.0.1", false },   { "64:ff9b::8.8.8.8", true },   { "64:ff9b:1::8.8.8.8", false },
	{ "100::1", false },              { "2002:7f00:1::1", false },    { "2002:a9fe:a9fe::", false },
	{ "2002:c0a8:101::1", false },    { "2002:808:808::1", true },    { "2001::1", false },
	{ "2001:0:53aa:64c::1", false },  { "2001:10::1", false },        { "2001:1ff:ffff::1", false },
	{ "2001:200::1", true },          { "2001:db8::1", false },       { "2001:db9::1", true },
	{ "2001:4860:4860::8888", true }, { "2606:4700::1111", true },    { "2a00:1450:4001::1", true },
	{ "3ffe::1", false },             { "3fff::1", false },           { "3fff:fff::1", false },
	{ "3fff:1000::1", true },         { "4000::1", false },           { "1fff::1", false },
	{ "fc00::1", false },             { "fd12:3456:789a::1", false }, { "fdff::1", false },
	{ "fe80::1", false },             { "febf::1", false },           { "fec0::1", false },
	{ "ff02::1", false },             { "fd00:ec2::254", false },     { "5f00::1", false },
};
/* clang-format on */

static void
addresses_are_judged(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
		struct addrinfo *a = NULL;

		ROW(rows[i].host, getaddrinfo(rows[i].host, "80", &hints, &a) == 0);
		if (!a)
			continue;
		ROW(rows[i].host, reach_public(a->ai_addr) == rows[i].want);
		freeaddrinfo(a);
	}
}

static void
other_families_are_refused(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/docker.sock" };
	struct sockaddr_storage none = { .ss_family = AF_UNSPEC };

	CU_ASSERT_FALSE(reach_public((struct sockaddr *)&un));
	CU_ASSERT_FALSE(reach_public((struct sockaddr *)&none));
}

static void
the_operators_list_is_literal(void)
{
	/* clang-format off */
	static const struct { const char *name, *entry; int want; } add[] = {
		{ "a name and a port",          "Odoo.Lan:8069",     0 },
		{ "an address and a port",      "127.0.0.1:80",      0 },
		{ "IPv6 in brackets",           "[::1]:9001",        0 },
		{ "no port",                    "127.0.0.1",         -EINVAL },
		{ "IPv6 without a port",        "[::1]",             -EINVAL },
		{ "IPv6 without brackets",      "::1:80",            -EINVAL },
		{ "an empty port",              "localhost:",        -EINVAL },
		{ "port 0",                     "localhost:0",       -EINVAL },
		{ "a port too high",            "localhost:65536",   -EINVAL },
		{ "a URL",                      "http://localhost:80", -EINVAL },
		{ "a path behind it",           "localhost:80/x",    -EINVAL },
		{ "user-info before it",        "a@localhost:80",    -EINVAL },
		{ "a star",                     "*:80",              -EINVAL },
		{ "nothing",                    "",                  -EINVAL },
	};
	static const struct { const char *name, *host; unsigned port; bool want; } has[] = {
		{ "as named",                   "odoo.lan",  8069, true },
		{ "in other letters",           "ODOO.lan",  8069, true },
		{ "another port",               "odoo.lan",  8070, false },
		{ "another host",               "odoo.lan2", 8069, false },
		{ "a part of the name",         "odoo",      8069, false },
		{ "a dot behind it",            "odoo.lan.", 8069, false },
		{ "the address",                "127.0.0.1", 80,   true },
		{ "the address otherwise",      "2130706433", 80,  false },
		{ "its name",                   "localhost", 80,   false },
		{ "IPv6",                       "::1",       9001, true },
		{ "IPv6 otherwise written",     "0::1",      9001, false },
	};
	/* clang-format on */
	CLEANUP(reach_list_free) struct reach_list l = { 0 };

	CU_ASSERT_FALSE(reach_list_has(&l, SLICE("127.0.0.1"), 80));
	for (size_t i = 0; i < ARRAY_LEN(add); i++)
		ROW(add[i].name, reach_list_add(&l, slice_of(add[i].entry)) == add[i].want);
	for (size_t i = 0; i < ARRAY_LEN(has); i++)
		ROW(has[i].name, reach_list_has(&l, slice_of(has[i].host), has[i].port) == has[i].want);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "addresses are judged", addresses_are_judged },
		{ "other families are refused", other_families_are_refused },
		{ "the operator's list is literal", the_operators_list_is_literal },
	};
	return unit_run("reach", tests, ARRAY_LEN(tests), 0);
}
