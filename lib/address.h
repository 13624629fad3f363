/* address: IPv4 and IPv6 addresses and prefixes as text. */
#ifndef PONTE_ADDRESS_H
#define PONTE_ADDRESS_H

#include "lib/base.h"

/* Is it "192.0.2.7" or "2001:db8::7"? */
bool address_ok(struct slice text);
/* Is it an address, or one with a prefix length: "192.0.2.0/24"? */
bool address_prefix_ok(struct slice text);
/* Does the address lie within the prefix?  ::ffff:192.0.2.7 is 192.0.2.7.
 * False when one of them is not well written. */
bool address_within(struct slice address, struct slice prefix);

#endif
