/* rotate: one of the two keys is changed while the roles go on. */
#ifndef PONTE_APP_ROTATE_H
#define PONTE_APP_ROTATE_H

#include "app/ponte/ponte.h"
#include "lib/tenant_reseal.h"

struct rotate_key {
	const char *word, *file;
	enum tenant_ring ring;
	const char *readers, *unit;     /* who opens with it, and their systemd unit */
};
/* The next step, as the key file says: a second key, or sealing anew and the end
 * of the first.  An exit status. */
int rotate_key(struct cli *, const struct rotate_key *, bool dry_run);

#endif
