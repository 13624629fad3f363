#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/courier/barred.h"

struct barred_entry {
	enum barred_what what;
	char     tenant[65], installation[65];
	uint64_t mark;
};

void
barred_free(struct barred *b)
{
	free(b->item);
	*b = (struct barred){ .item = NULL };
}

static struct barred_entry *
find(const struct barred *b, enum barred_what what, struct slice tenant, struct slice installation)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->item[i].what == what && slice_eq(slice_of(b->item[i].tenant), tenant)
		    && slice_eq(slice_of(b->item[i].installation), installation))
			return &b->item[i];
	return NULL;
}

bool
barred_is(const struct barred *b, enum barred_what what, struct slice tenant, struct slice installation, uint64_t mark)
{
	const struct barred_entry *e = find(b, what, tenant, installation);
	return e && e->mark == mark;
}

bool
barred_add(struct barred *b, enum barred_what what, struct slice tenant, struct slice installation, uint64_t mark)
{
	struct barred_entry *e = find(b, what, tenant, installation);
	if (e && e->mark == mark)
		return false;
	if (!e && b->n == BARRED_KEPT)
		e = &b->item[b->next++ % BARRED_KEPT];
	if (!e) {
		if (array_grow((void **)&b->item, &b->cap, b->n, sizeof(*b->item)) < 0)
			return true;
		e = &b->item[b->n++];
	}
	*e = (struct barred_entry){ .what = what, .mark = mark };
	snprintf(e->tenant, sizeof(e->tenant), SLICE_FMT, SLICE_ARG(tenant));
	snprintf(e->installation, sizeof(e->installation), SLICE_FMT, SLICE_ARG(installation));
	return true;
}
