/* tenant_odoo: the Odoo half of a tenant's record and of its file; of the file
 * its mappings, too. */
#ifndef PONTE_TENANT_ODOO_H
#define PONTE_TENANT_ODOO_H

#include "lib/arena.h"
#include "lib/settings.h"
#include "lib/tenant.h"
#include "lib/tenant_secret.h"
#include "lib/wire.h"

/* As it is written: tenants[].odoo. */
struct tenant_odoo_file {
	struct slice url, db, login, key, next_key, secret, lang;
	int64_t      pace, timeout, pull;
	int          signature;
	struct { struct settings_list list[TENANT_OPEN_COUNT]; } open;
	bool         given, named, signature_given;         /* the half itself; anything in it but that; that */
	struct settings_place url_at, db_at, login_at, key_at, next_key_at, secret_at, signature_at;
};
extern const struct settings_option tenant_odoo_table[];
/* tenants[].mappings[]. */
struct tenant_mapping_file {
	int64_t      account, inbox, sequence;
	struct slice domain;
	bool         fallback;
	struct settings_list specials;
};
extern const struct settings_option tenant_mapping_table[];
struct tenant_mapping tenant_mapping_make(const struct tenant_mapping_file *);

/* Seals and checks; mistakes go to the secrets' list.  0, -ENOMEM or -errno. */
MUST_CHECK int tenant_odoo_make(struct tenant_secrets *, struct slice tenant, const struct tenant_odoo_file *,
    const struct secret_key *intake, const struct secret_key *outgoing, struct tenant_odoo *ret);

void tenant_odoo_put(struct wire_writer *, const struct tenant_odoo *);
MUST_CHECK int tenant_odoo_read(struct slice group, struct arena *, struct tenant_odoo *ret);   /* 0, -EPROTO or -ENOMEM */

#endif
