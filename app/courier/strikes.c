#include <stdlib.h>

#include "app/courier/strikes.h"

struct strike {
	uint64_t delivery;
	unsigned count;
};

void
strikes_free(struct strikes *s)
{
	free(s->item);
	*s = (struct strikes){ .item = NULL };
}

static struct strike *
find(const struct strikes *s, uint64_t delivery)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->item[i].delivery == delivery)
			return &s->item[i];
	return NULL;
}

unsigned
strikes_of(const struct strikes *s, uint64_t delivery)
{
	const struct strike *found = find(s, delivery);
	return found ? found->count : 0;
}

void
strikes_add(struct strikes *s, uint64_t delivery)
{
	struct strike *found = find(s, delivery);
	if (found) {
		found->count++;
	} else if (s->n == STRIKES_KEPT) {
		s->item[s->next++ % STRIKES_KEPT] = (struct strike){ delivery, 1 };
	} else if (array_grow((void **)&s->item, &s->cap, s->n, sizeof(struct strike)) == 0) {
		s->item[s->n++] = (struct strike){ delivery, 1 };
	}
}

void
strikes_forget(struct strikes *s, uint64_t delivery)
{
	struct strike *found = find(s, delivery);
	if (found)
		*found = s->item[--s->n];
}
