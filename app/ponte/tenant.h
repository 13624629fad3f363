/* tenant: how a tenant is shown.  A secret is "set" or "none", never more. */
#ifndef PONTE_APP_PONTE_TENANT_H
#define PONTE_APP_PONTE_TENANT_H

#include "app/ponte/ponte.h"
#include "lib/tenant.h"

/* Each writes to standard output; 0 or -ENOMEM. */
typedef int tenant_print(const struct tenant *);

int tenant_print_line(const struct tenant *);   /* one line, for a list */
int tenant_print_all(const struct tenant *);    /* everything, in the form of the import file */
int tenant_print_json(const struct tenant *);   /* everything, one JSON object on one line */

/* As the keeper has it, in the arena.  *ret_found false: there is none. */
MUST_CHECK int tenant_find(struct cli *, struct slice name, struct tenant *ret, bool *ret_found);

/* `ponte tenant catchup …`, argv[0] being "catchup". */
int tenant_catchup(struct cli *, int argc, char **argv);
/* `ponte tenant sync …`, argv[0] being "sync". */
int tenant_sync(struct cli *, int argc, char **argv);
/* `ponte tenant ask …`, argv[0] being "ask". */
int tenant_ask(struct cli *, int argc, char **argv);
/* `ponte tenant import-legacy …`, argv[0] being "import-legacy". */
int tenant_import_legacy(struct cli *, int argc, char **argv);

#endif
