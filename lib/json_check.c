#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "lib/json_scan.h"

const struct json_limits json_default_limits = {
	.depth = 64, .values = 200000, .keys = 2000, .object = true,
};

/* Which keys the open objects have so far, innermost last: the entries are a
 * stack, chained by hash.  An object's entries are popped when it closes, in
 * the reverse order, so every chain's head is then what it was before.  A
 * chain is newest first: a look-up ends at the first entry of an outer object.
 * The hash is keyed, so that nobody can choose keys that share a chain. */
#define HEADS 2048

struct key {
	uint64_t     hash;
	struct slice text;              /* what it means; of an escaped one, ptr is NULL … */
	size_t       decoded_at;        /* … and it stands here in `decoded` */
	uint32_t     next;              /* index + 1; 0 ends the chain */
};

struct object {
	size_t first;                   /* of its entries in keys */
	size_t decoded;                 /* length of `decoded` when it began */
};

struct checker {
	struct json_scan          scan;
	const struct json_limits *limits;
	size_t                    values;
	struct key               *keys;
	size_t                    keys_cap, keys_used;
	struct buf                decoded;
	uint64_t                  seed[2];
	struct object             open[JSON_DEPTH_MAX];
	uint32_t                  head[HEADS];
};

static int
refuse(struct checker *c, const struct json_token *t, const char *what)
{
	size_t at = (size_t)((const uint8_t *)t->text.ptr - c->scan.start);
	if (t->kind == JSON_TOKEN_KEY || t->kind == JSON_TOKEN_STRING)
		at--;                           /* the quote before it */
	c->scan.fault = (struct json_fault){ at, what };
	return JSON_E_REFUSED;
}

static uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t
hash_of(const struct checker *c, struct slice key)
{
	uint64_t h = c->seed[0] ^ key.len, w;

	while (key.len >= 8) {
		memcpy(&w, key.ptr, 8);
		h = fold(h ^ w, c->seed[1]);
		key = (struct slice){ key.ptr + 8, key.len - 8 };
	}
	w = 0;
	if (key.len)
		memcpy(&w, key.ptr, key.len);
	return fold(h ^ w, c->seed[1]);
}

static struct slice
key_text(const struct checker *c, const struct key *k)
{
	return k->text.ptr ? k->text :
	    (struct slice){ c->decoded.ptr + c->decoded.at + k->decoded_at, k->text.len };
}

static int
take_key(struct checker *c, const struct json_token *t)
{
	const struct object *o = &c->open[c->scan.depth - 1];
	struct key k = { .text = t->text };
	int r;

	if (c->keys_used - o->first >= c->limits->keys)
		return refuse(c, t, "too many keys in one object");
	if (t->escaped) {
		k.decoded_at = c->decoded.len;
		if ((r = json_scan_decode(t, &c->decoded)) < 0)
			return r;
		k.text = (struct slice){ NULL, c->decoded.len - k.decoded_at };
	}

	struct slice text = key_text(c, &k);
	k.hash = hash_of(c, text);
	uint32_t *head = &c->head[k.hash % HEADS];
	for (uint32_t i = *head; i > o->first; i = c->keys[i - 1].next)
		if (c->keys[i - 1].hash == k.hash && slice_eq(key_text(c, &c->keys[i - 1]), text))
			return refuse(c, t, "the same key twice in one object");

	if ((r = array_grow((void **)&c->keys, &c->keys_cap, c->keys_used, sizeof k)) < 0)
		return r;
	k.next = *head;
	c->keys[c->keys_used++] = k;
	*head = (uint32_t)c->keys_used;
	return 0;
}

static void
open_object(struct checker *c)
{
	c->open[c->scan.depth - 1] = (struct object){ c->keys_used, c->decoded.len };
}

static void
close_object(struct checker *c)
{
	const struct object *o = &c->open[c->scan.depth];       /* it is closed already */
	while (c->keys_used > o->first) {
		const struct key *k = &c->keys[--c->keys_used];
		c->head[k->hash % HEADS] = k->next;
	}
	c->decoded.len = o->decoded;
}

static int
take_value(struct checker *c, const struct json_token *t)
{
	if (c->values++ >= c->limits->values)
		return refuse(c, t, "too many values");
	if (c->values == 1 && c->limits->object && t->kind != JSON_TOKEN_OBJECT)
		return refuse(c, t, "the top level is no object");
	return 0;
}

static int
check(struct checker *c)
{
	struct json_token t = { 0 };

	for (;;) {
		int r = json_scan_next(&c->scan, &t);
		if (r != 0)
			return r;
		switch (t.kind) {
		case JSON_TOKEN_END:
			return 0;
		case JSON_TOKEN_OBJECT_END:
			close_object(c);
			break;
		case JSON_TOKEN_ARRAY_END:
			break;
		case JSON_TOKEN_KEY:
			r = take_key(c, &t);
			break;
		case JSON_TOKEN_OBJECT:
			open_object(c);
			r = take_value(c, &t);
			break;
		case JSON_TOKEN_ARRAY:
		case JSON_TOKEN_STRING:
		case JSON_TOKEN_NUMBER:
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
		case JSON_TOKEN_NULL:
			r = take_value(c, &t);
			break;
		}
		if (r != 0)
			return r;
	}
}

int
json_check(struct slice text, const struct json_limits *limits, struct json_fault *reterr)
{
	struct checker c;

	/* Not the whole struct: a thousand bytes of flags need no zeroes. */
	json_scan_start(&c.scan, text, limits->depth);
	c.limits = limits;
	c.values = 0;
	c.keys = NULL;
	c.keys_cap = c.keys_used = 0;
	c.decoded = (struct buf){ 0 };
	memset(c.head, 0, sizeof c.head);
	/* Sixteen random bytes that the kernel gives to every program it
	 * starts: no system call, and nothing to keep. */
	memcpy(c.seed, (const void *)getauxval(AT_RANDOM), sizeof c.seed);
	c.seed[1] |= 1;

	int r = check(&c);
	if (r != 0)
		*reterr = r < 0 ? (struct json_fault){ 0, "out of memory" } : c.scan.fault;
	free(c.keys);
	buf_free(&c.decoded);
	return r;
}
