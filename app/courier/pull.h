/* pull: a tenant's rules and documents are read from its Odoo, all of them, and
 * become the catalogue's content.  By itself as often as odoo.pull says, when
 * an addon asks for it, and when an operator does.
 *
 *   READ   a page of a model, by ids (keyset); then the next page, the next model.
 *          What came is taken a few records at a time: the loop has other work
 *   PUT    all shelves at once to the keeper, which flips them together
 *
 * What cannot be read whole changes nothing.  Since all is read, what is gone
 * in Odoo is gone here, whatever deleted it; what did not change is not written
 * (the keeper compares hashes).  A model that this Odoo does not have leaves its
 * shelf as it is.
 *
 * Which tenants there are is asked for after every greeting and whenever they
 * change, page by page.  Of those that are due a few wait at a time, the one
 * that is longest due first; the others stay due.  Some are read side by side,
 * each from an Odoo of its own: one that hangs does not hold up the others. */
#ifndef PONTE_COURIER_PULL_H
#define PONTE_COURIER_PULL_H

#include "app/courier/calls.h"
#include "app/courier/odoo.h"
#include "lib/buf.h"
#include "lib/catalog.h"

struct courier;
struct wire_frame;

#define PULL_COUNTS(X) X(REQUESTS, "requests") X(READ, "read") X(PERMANENT, "permanent") X(TEMPORARY, "temporary") \
	X(DOCUMENTS, "documents") X(WRITTEN, "written") X(REMOVED, "removed") X(UNCHANGED, "unchanged")
enum pull_count {
#define X(name, text) PULL_N_##name,
	PULL_COUNTS(X)
#undef X
	PULL_N
};

struct pull;
/* When a tenant is pulled next. */
struct pull_due {
	char              tenant[65];
	int64_t           every_ms, at_ms;
	uint64_t          listing;      /* that named it last */
	struct odoo_place place;
};
struct pulls {
	struct pull     *first;         /* the first ones run, the others wait */
	struct pull_due *due;
	size_t           dues, cap;
	uint64_t         question;      /* which tenants there are */
	char             after[65];     /* the last that was named */
	uint64_t         listing;       /* counts them */
	int64_t          list_ms;       /* not asked before */
	uint64_t         generation;    /* of what is known of that */
	bool             known;
};
void pulls_free(struct pulls *);

/* P_PULL: begins one, or says how it goes.  0 or -ENOMEM. */
MUST_CHECK int pull_asked(struct courier *, bool operator, const struct wire_frame *, struct buf *out, int64_t now_ms);
void pull_tick(struct courier *, int64_t now_ms);
int64_t pull_wait_ms(const struct courier *, int64_t now_ms);   /* -1: nothing waits */
bool pull_answered(struct courier *, const struct wire_frame *, int64_t now_ms);       /* false: none of its questions */
void pull_greeted(struct courier *);

#endif
