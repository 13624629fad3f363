/* secret: key files, and what is sealed under them.
 *
 * Two keys: intake.key (webhook secrets: workers) and outgoing.key (tokens for
 * hub and Chatwoot: courier).  A file holds 64 hex digits and a newline, mode
 * 0400 or 0600 (0440/0640 for a group); while a key is being changed, the next
 * one on a second line.  Looked for in $CREDENTIALS_DIRECTORY (systemd) first,
 * then in the settings' keys directory. */
#ifndef PONTE_SECRET_H
#define PONTE_SECRET_H

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/crypt.h"

/* byte seals; both open. */
struct secret_key { uint8_t byte[CRYPT_KEY], next[CRYPT_KEY]; bool has_next; };

/* name is "intake.key" or "outgoing.key".  0, -ENOENT, -EPERM (others may read
 * it), -EINVAL (not 64 hex digits, once or twice) or -errno. */
MUST_CHECK int secret_key_load(const char *dir, const char *name, struct secret_key *ret);
/* Makes a new key file, mode 0400.  -EEXIST when there is one. */
MUST_CHECK int secret_key_new(const char *dir, const char *name);

/* The key file anew, as it is given, with the owner and mode that it had. */
MUST_CHECK int secret_key_replace(const char *dir, const char *name, const struct secret_key *);
/* The one that seals from now on: next, where there is one. */
struct secret_key secret_key_newest(const struct secret_key *);
/* Tells keys apart without telling anything of them; never 0.  Of the newest. */
uint64_t secret_key_mark(const struct secret_key *);

/* Sealed for one tenant and one field ("sender/bot/secret"). */
MUST_CHECK int secret_seal(const struct secret_key *, struct slice tenant, const char *field, struct slice plain, struct buf *ret);
MUST_CHECK int secret_open(const struct secret_key *, struct slice tenant, const char *field, struct slice sealed, struct buf *ret);

/* After this the process leaves no core and cannot be read by ptrace of its
 * own user: RLIMIT_CORE 0 and PR_SET_DUMPABLE 0. */
void secret_process_harden(void);

#endif
