#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/catalog_item.h"
#include "lib/crypt.h"

static int
index_text(struct words *words, struct arena *a, struct slice name, struct slice more, struct slice *ret)
{
	CLEANUP(buf_free) struct buf stems = { 0 };
	int e = words_stems(words, name, &stems);

	if (e == 0)
		e = words_stems(words, more, &stems);
	*ret = arena_copy(a, buf_view(&stems));
	return e;
}

int
catalog_item_seal(struct words *words, struct arena *a, struct slice text, struct catalog_item *item)
{
	CLEANUP(buf_free) struct buf all = { 0 };
	uint8_t hash[CRYPT_SHA256];
	const uint8_t version = WORDS_VERSION;  /* stems are no part: they follow from the rest, and from this */
	const struct slice part[] = { item->name, item->description, item->type, item->data };
	int e = !words ? 0 : text.len ? index_text(words, a, text, (struct slice){ NULL, 0 }, &item->stems)
	    : index_text(words, a, item->name, item->description, &item->stems);

	if (e == 0)
		e = buf_append(&all, &version, sizeof(version));
	if (e == 0)
		e = buf_append(&all, &item->starts_us, sizeof(item->starts_us));
	if (e == 0)
		e = buf_append(&all, &item->ends_us, sizeof(item->ends_us));
	for (size_t i = 0; i < ARRAY_LEN(part) && e == 0; i++) {
		e = buf_append(&all, &part[i].len, sizeof(part[i].len));
		if (e == 0)
			e = buf_append_slice(&all, part[i]);
	}
	crypt_sha256(buf_view(&all), hash);
	item->hash = arena_copy(a, slice_from(hash, sizeof(hash)));
	return e < 0 ? e : arena_overflowed(a) ? -ENOMEM : 0;
}

/* ---- keys ---- */

struct name { struct slice name; size_t i; };

static int
by_name(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
	int c = n ? memcmp(x->name.ptr, y->name.ptr, n) : 0;

	if (c == 0)
		c = (x->name.len > y->name.len) - (x->name.len < y->name.len);
	return c ? c : (x->i > y->i) - (x->i < y->i);
}

/* Of bytes: a name may hold a NUL. */
static struct slice
key_of(struct arena *a, size_t nth, struct slice name)
{
	struct slice number = arena_printf(a, "%zu:", nth);
	char *key = arena_take(a, number.len + name.len + 1);

	if (!key || number.len == 0)
		return (struct slice){ NULL, 0 };
	memcpy(key, number.ptr, number.len);
	if (name.len > 0)
		memcpy(key + number.len, name.ptr, name.len);
	return slice_from(key, number.len + name.len);
}

int
catalog_items_key(struct arena *a, struct catalog_item *item, size_t n)
{
	struct name *names = arena_take(a, (n ? n : 1) * sizeof(*names));

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		names[i] = (struct name){ item[i].name, i };
	qsort(names, n, sizeof(names[0]), by_name);
	for (size_t i = 0, nth = 0; i < n; i++) {
		nth = i > 0 && slice_eq(names[i].name, names[i - 1].name) ? nth + 1 : 1;
		item[names[i].i].key = key_of(a, nth, names[i].name);
	}
	return arena_overflowed(a) ? -ENOMEM : 0;
}

int
catalog_shelf_seal(struct arena *a, struct catalog_shelf_push *push)
{
	CLEANUP(buf_free) struct buf all = { 0 };
	uint8_t hash[CRYPT_SHA256];
	int e = 0;

	for (size_t i = 0; i < push->items && e == 0; i++) {
		e = buf_append_slice(&all, push->item[i].key);
		if (e == 0)
			e = buf_append_slice(&all, push->item[i].hash);
	}
	crypt_sha256(buf_view(&all), hash);
	push->hash = arena_copy(a, slice_from(hash, sizeof(hash)));
	return e < 0 ? e : arena_overflowed(a) ? -ENOMEM : 0;
}
