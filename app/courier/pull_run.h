/* pull_run: one pull (pull.h), from its first page to the keeper's answer. */
#ifndef PONTE_COURIER_PULL_RUN_H
#define PONTE_COURIER_PULL_RUN_H

#include "app/courier/pull.h"
#include "lib/words.h"

#define PULL_SHELVES 3

enum pull_phase { PULL_NEW, PULL_READING, PULL_TAKING, PULL_READ, PULL_PUT, PULL_OVER };
struct pull {
	struct pull    *next;
	enum pull_phase phase;
	bool            ended;          /* and the log knows it */
	char            tenant[65];
	struct odoo_place place;        /* none: not known when it began to wait */
	uint64_t        asker;          /* 0: nobody waits */
	int64_t         asked_ms;
	bool            dry_run;
	uint64_t        question;
	unsigned        lost;           /* questions that had no answer */
	unsigned        begun;          /* how often it began: what was read was of before, perhaps */
	int64_t         began_ms;
	uint64_t        mark;           /* of the tenant's record that it reads with; 0: nothing came yet */
	int             page_max;       /* records of a page */
	size_t          model;          /* the one that is read */
	int64_t         last_id;
	struct arena   *page;           /* TAKING: the memory of what came */
	const struct value *row;        /* the next of it; NULL: all are taken */
	size_t          rows, rows_all; /* of the page, of the model */
	struct arena   *memory;
	struct words   *words;
	struct { struct catalog_item *item; size_t n, cap; bool absent; } shelf[PULL_SHELVES];
	struct buf      packed;         /* all shelves, for the keeper */
	uint64_t        count[PULL_N];
	char            why[CALL_WHY];
};

MUST_CHECK int pull_new(struct slice tenant, struct pull **ret);        /* 0 or -ENOMEM */
void pull_free(struct pull *);
void pull_go(struct courier *, struct pull *, int64_t now_ms);
bool pull_ready(const struct pull *);           /* would pull_go() do something? */
void pull_stored(struct pull *, const struct wire_frame *);     /* the keeper's answer */
void pull_lost(struct pull *);                  /* its connection broke: asked again, but not for ever */

#endif
