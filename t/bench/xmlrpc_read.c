/* One reading or writing of an XML-RPC document by ponte's own library, for
 * xmlrpc_bench.py.
 *
 *   xmlrpc_read stream|tree|encode FILE
 *
 * stream: values are heard and forgotten; tree: the whole answer in an arena;
 * encode: what was read of FILE is written as the parameter of a call.  Says how
 * long it took, by how much the peak of memory rose over what was held before,
 * and what was read: scalar values and bytes of text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/xmlrpc.h"

#include "t/bench/xmlrpc_measure.h"

#define BLOCK (16 * KIB)                /* as libcurl hands out what came */

struct heard { unsigned long long values, bytes; };

static int
on_value(void *context, const struct value *v)
{
	struct heard *h = context;
	h->values++;
	h->bytes += v->type == VALUE_TEXT ? v->text.len : 0;
	return 0;
}

static int
on_begin(void *context, enum value_type type, struct slice name)
{
	(void)context, (void)type, (void)name;
	return 0;
}

static int
on_end(void *context)
{
	(void)context;
	return 0;
}

static int
on_piece(void *context, struct slice name, struct slice text)
{
	struct heard *h = context;
	(void)name;
	h->bytes += text.len;
	return 0;
}

static void
count(const struct value *v, struct heard *h)
{
	if (v->type != VALUE_LIST && v->type != VALUE_RECORD)
		(void)!on_value(h, v);
	else
		for (const struct value *m = v->in.first; m; m = m->next)
			count(m, h);
}

static int
stream(struct slice document, struct heard *h)
{
	CLEANUP(xmlrpc_freep) struct xmlrpc_reader *r = NULL;
	struct xmlrpc_sink sink = { .context = h, .value = on_value, .begin = on_begin, .end = on_end, .piece = on_piece };
	int e = xmlrpc_new(NULL, &sink, &r);
	while (e == 0 && document.len > 0) {
		size_t n = document.len < BLOCK ? document.len : BLOCK;
		e = xmlrpc_feed(r, slice_from(document.ptr, n));
		document = slice_after(document, n);
	}
	return e == 0 ? xmlrpc_end(r) : e;
}

static int
tree(struct slice document, struct arena *a, struct value **ret)
{
	struct xmlrpc_fault fault;
	const char *why = "";
	int e = xmlrpc_read(document, a, ret, &why, &fault);
	if (e != 0)
		fprintf(stderr, "xmlrpc_read: %d %s\n", e, why);
	return e;
}

int
main(int argc, char **argv)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_free) struct buf out = { 0 };
	struct heard h = { 0 };
	struct value *root = NULL;
	char *bytes;
	size_t len;
	if (argc != 3 || file_read(argv[2], 512 * MIB, &bytes, &len) != 0 || arena_new(2048 * MIB, &a) != 0)
		return 2;
	struct slice document = slice_from(bytes, len);
	int e;
	if (strcmp(argv[1], "encode") == 0) {
		if (tree(document, a, &root) != 0)
			return 1;
		struct measure m = measure_begin();
		e = xmlrpc_write_call(SLICE("execute_kw"), (const struct value *const[]){ root }, 1, &out);
		measure_end(&m);
		h.values = 1, h.bytes = out.len;
	} else {
		bool whole = strcmp(argv[1], "tree") == 0;
		struct measure m = measure_begin();
		e = whole ? tree(document, a, &root) : stream(document, &h);
		measure_end(&m);
		if (e == 0 && whole)
			count(root, &h);
	}
	if (e == 0)
		measure_counted(h.values, h.bytes);
	free(bytes);
	return e != 0;
}
