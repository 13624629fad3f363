/* legacy: the files of the system that ponte replaces, one tenant in a
 * directory (DIR/domains/DOMAIN/ACCOUNT), and one mapping for all of them.
 * Written by PyYAML, edited by people: what is not understood is remarked on,
 * with its place, and left out.  Nothing here touches a file. */
#ifndef PONTE_LEGACY_H
#define PONTE_LEGACY_H

#include "lib/arena.h"
#include "lib/fernet.h"
#include "lib/settings_node.h"
#include "lib/tenant.h"

/* Everything is in the arena.  The caller wipes `password` and `token`. */
struct legacy_tenant {
	struct slice account, domain;           /* the directory's names */
	struct slice url, db, login, token;     /* empty: not there */
	struct slice password;                  /* opened */
	struct tenant_mapping *mapping; size_t mappings;
};

struct legacy {
	struct arena            *arena;
	const struct fernet_key *key;           /* NULL: none was given */
	/* What was left out, and why; `file` as it was given below. */
	void (*remark)(void *context, const char *file, struct settings_place, const char *text);
	void *context;
};

/* config.yaml.  0 or -ENOMEM. */
MUST_CHECK int legacy_config(struct legacy *, const char *file, const struct settings_node *, struct legacy_tenant *);
/* credentials.yaml, behind config.yaml: which credential is Odoo's stands there. */
MUST_CHECK int legacy_credentials(struct legacy *, const char *file, const struct settings_node *, struct legacy_tenant *);
/* chatwoot_mapping.yaml, or .json, which is YAML as well: an account of Chatwoot
 * goes to the tenant that it names; one that names none, or none that is here,
 * is not taken.  Call it once. */
MUST_CHECK int legacy_mapping(struct legacy *, const char *file, const struct settings_node *, struct legacy_tenant *, size_t tenants);

#endif
