/* reach: which hosts our requests may go to: those of the public internet, and
 * the destinations that the operator names beside them. */
#ifndef PONTE_REACH_H
#define PONTE_REACH_H

#include <sys/socket.h>

#include "lib/base.h"

/* False for whatever is not a host of the public internet: loopback, private,
 * link-local (cloud metadata), carrier NAT, documentation, benchmark,
 * multicast, reserved and unspecified ranges of both families (the special
 * registries of RFC 6890), and every family but IPv4 and IPv6.  An IPv6
 * address that carries an IPv4 one (mapped, NAT64, 6to4) is judged by that;
 * Teredo and the rest of 2001::/23 is refused as a whole. */
bool reach_public(const struct sockaddr *);

/* Destinations "host:port" as a URL writes them: names are not resolved, so
 * "localhost" and "127.0.0.1" are two.  Letters' case does not matter; IPv6
 * stands in brackets.  A zeroed struct is empty. */
struct reach_list {
	struct reach_entry *entry;
	size_t              count, cap;
};
void reach_list_free(struct reach_list *);
/* 0, -ENOMEM or -EINVAL (not host:port). */
MUST_CHECK int reach_list_add(struct reach_list *, struct slice entry);
/* host as http_url_split() gives it: IPv6 without brackets. */
bool reach_list_has(const struct reach_list *, struct slice host, unsigned port);

#endif
