/* config: the settings of ponte.yaml, one table for all roles.  Every one has
 * a default; an empty file works. */
#ifndef PONTE_CONFIG_H
#define PONTE_CONFIG_H

#include "lib/settings.h"

struct config {
	struct { struct slice hooks, api, keeper, courier, scoreboard; } listen;   /* paths */
	struct {
		uint64_t hooks, api;            /* processes: 16, 8 */
		uint64_t max_requests;          /* before a worker is replaced, ± 20 %; 0 never; 100,000 */
		int64_t  deadline;              /* ms; the master kills a worker that is longer at one request; 15 s */
	} workers;
	struct {
		struct slice path;              /* ponte.db */
		struct slice catalog;           /* catalog.db */
		uint64_t     min_free;          /* bytes; below it intake is refused; 256 MiB */
		uint64_t     wal_limit;         /* bytes of WAL that start a checkpoint; 8 MiB */
		struct { int64_t bodies, noted, failed, keys; } retention;      /* ms: 30 d, 30 d, 90 d, 90 d */
	} store;
	struct { struct slice dir; } keys;
	struct {
		struct slice secret_file;       /* what signs a credential sync of an unknown tenant; empty: none */
		bool         open;              /* anybody may make a tenant */
	} enrolment;
	struct {
		struct slice url, token_file;   /* the default hub; a tenant's own wins; empty: none */
		int64_t connect, first_byte, total, debounce;   /* 5 s, 60 s, 60 s, 2 s */
		int64_t reply_deadline;         /* for an answer that comes later: 120 s */
		uint64_t answer_max;            /* bytes of an answer: 4 MiB */
	} hub;
	struct {
		int64_t connect, first_byte, total;             /* 5 s, 15 s, 30 s */
		int64_t echo_wait, lookup_wait; /* after a post of unknown outcome: 60 s, 10 s */
	} chatwoot;
	struct {
		int64_t after, pace;            /* silence after which it is looked; between two requests: 10 min, 250 ms */
	} catchup;
	struct {
		uint64_t concurrency;           /* requests in flight per destination: 8; over all: 64 */
		uint64_t total;                 /* 64 */
		int64_t  give_up, message_age;  /* 6 h, 2 h */
		int64_t  retry_after_cap;       /* 15 min */
		uint64_t breaker_failures;      /* in a row that open it: 5 */
		int64_t  breaker_wait;          /* first pause: 5 s, doubled up to 5 min */
		uint64_t reply_budget, replay_rate;     /* 20 answers in 10 min; 10 a second */
		int64_t  oldest_alarm;          /* age of the oldest that waits: 15 min */
		struct settings_list allow_private;             /* "host:port" texts */
		struct slice ca_file;           /* CA certificates beside the system's; empty: none */
	} delivery;
	struct {
		uint64_t body;                  /* of a webhook: 16 MiB */
		uint64_t unanswered;            /* bytes the keeper reads ahead: 64 MiB */
	} limits;
	struct { int level; } log;              /* choice: error, warn, notice, info, debug */
	struct { struct settings_list roles; } peers;   /* "worker=ponte-worker": user names per role; empty: own uid plays all */
	struct {
		struct slice host;              /* ponte up: address nginx listens at; 127.0.0.1 */
		struct settings_list trusted;   /* addresses without the webhook flood guard */
	} nginx;
};

/* The same rows twice: the defaults of the paths as on an installed machine,
 * and as under a DIR. */
extern const struct settings_option config_table[], config_dir_table[];

/* Where settings come from:
 *   dir given  (ponte … --dir DIR): DIR/ponte.yaml, missing file = empty, and
 *              every default path lies under DIR (run/, state/, keys/);
 *   file given (--config FILE): that file; defaults under /run/ponte,
 *              /var/lib/ponte, /etc/ponte;
 *   neither:   PONTE_DIR from the environment, else /etc/ponte/ponte.yaml.
 * 0, SETTINGS_E_WRONG (reterr holds the lines), or -errno (the file cannot be
 * read).  *ret_path: the file's name, for messages. */
struct config_source { const char *dir, *file; };
MUST_CHECK int config_load(struct config_source, struct arena *, struct config *ret,
    struct slice *ret_path, struct settings_errors *reterr);
/* The same into memory of its own.  Each mistake is handed to said(); so is a
 * file that cannot be read, as one at line 0.  0, -EINVAL (mistakes) or -errno. */
typedef void config_said(struct slice path, const struct settings_error *);
MUST_CHECK int config_open(struct config_source source, config_said *said, struct arena **ret_memory, struct config *ret);
/* The files that they name: what would keep a role from its work is one more
 * mistake.  Every role looks at all of them, so that a reload reaches all or
 * none; a secret is looked at from outside, and what this user may not see is
 * passed over.  0, SETTINGS_E_WRONG or -ENOMEM. */
MUST_CHECK int config_files(const struct config *, struct settings_errors *reterr);
/* config_open() and config_files(): before a reload. */
MUST_CHECK int config_open_all(struct config_source source, config_said *said, struct arena **ret_memory, struct config *ret);
/* log.level as enum log_level's number (syslog's). */
int config_log_level(const struct config *);

#endif
