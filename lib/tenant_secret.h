/* tenant_secret: secrets on their way from a file into a tenant's record. */
#ifndef PONTE_TENANT_SECRET_H
#define PONTE_TENANT_SECRET_H

#include "lib/arena.h"
#include "lib/secret.h"
#include "lib/settings.h"

/* NULL, or why that cannot be a secret, as it reads behind its name: empty,
 * longer than 4096 bytes, a line break or NUL in it, or published. */
const char *tenant_secret_refuse(struct slice);
/* Besides that: what HTTP Basic sends, and what stands in a URL. */
const char *tenant_secret_refuse_basic(struct slice);
const char *tenant_secret_refuse_path(struct slice);

/* One import. */
struct tenant_secrets {
	const char             *dir;            /* where relative names count from */
	struct arena           *arena;
	struct settings_errors *errors;
	bool                    stdin_used;     /* it can be read once */
};

struct tenant_secret {
	struct slice             file;          /* empty: none; "-": standard input */
	struct settings_place    at;            /* where the file is named */
	const struct secret_key *key;
	struct slice             tenant;
	const char              *field;         /* "sender/bot/secret" */
	const char            *(*refuse)(struct slice);         /* besides tenant_secret_refuse(); or NULL */
};

/* Reads the file, cuts one newline at its end, and seals the rest into the
 * arena; *ret stays as it is when no file is named.  What is wrong with it is
 * added to the mistakes.  0, -ENOMEM or -errno of sealing. */
MUST_CHECK int tenant_secret_seal(struct tenant_secrets *, const struct tenant_secret *, struct slice *ret);

#endif
