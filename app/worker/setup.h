/* setup: the settings and the key, read together, so that a reload takes both
 * or neither. */
#ifndef PONTE_WORKER_SETUP_H
#define PONTE_WORKER_SETUP_H

#include "app/worker/worker.h"

/* Where complaints go: lines for a terminal, or the log. */
typedef void setup_complain(const char *text);

/* But for a start, also what other roles open of the files that the settings
 * name; a check beside the service may be without its key.
 * 0, SETTINGS_E_WRONG or -errno; what is wrong was said by then. */
enum setup_why { SETUP_START, SETUP_RELOAD, SETUP_CHECK };
MUST_CHECK int setup_load(struct config_source, enum setup_why, setup_complain *, struct setup **ret);
void setup_free(struct setup *);

#endif
