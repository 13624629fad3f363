/* trust: whose signature on a server's certificate we believe. */
#ifndef PONTE_TRUST_H
#define PONTE_TRUST_H

#include "lib/base.h"

/* The system's CA certificates and those in `extra` (PEM; NULL or "": none) in
 * one nameless file, to be opened as "/proc/self/fd/N".  The environment has
 * no say.  0, -ENOMEM, -EINVAL (no certificate in extra) or -errno. */
MUST_CHECK int trust_gather(const char *extra, int *ret_fd);

#endif
