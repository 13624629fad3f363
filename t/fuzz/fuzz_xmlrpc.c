/* The first byte cuts the rest in two: an answer of Odoo as it comes.  What is
 * read of it can be written, and read again to the same values. */
#include "lib/xmlrpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
read_in_two(struct slice document, size_t cut, struct arena *a, struct xmlrpc_tree *tree)
{
	CLEANUP(xmlrpc_freep) struct xmlrpc_reader *r = NULL;
	static const struct xmlrpc_limits limits = { .depth = 64, .bytes = MIB, .text = 64 * KIB, .values = 10000 };
	struct xmlrpc_sink sink = xmlrpc_tree_sink(tree, a);
	struct xmlrpc_fault fault;

	REQUIRE(xmlrpc_new(&limits, &sink, &r) == 0);
	int e = xmlrpc_feed(r, slice_from(document.ptr, cut));
	if (e == 0)
		e = xmlrpc_feed(r, slice_after(document, cut));
	if (e == 0)
		e = xmlrpc_end(r);
	if (e == XMLRPC_E_FAULT)
		xmlrpc_fault(r, &fault);
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena *a;
	struct xmlrpc_tree tree;
	struct buf out = { 0 };

	if (!a)
		REQUIRE(arena_new(64 * MIB, &a) == 0);
	if (size == 0)
		return 0;
	struct slice document = slice_from(data + 1, size - 1);
	if (read_in_two(document, document.len ? data[0] % document.len : 0, a, &tree) == 0 && tree.root
	    && xmlrpc_write_call(SLICE("m"), (const struct value *const[]){ tree.root }, 1, &out) == 0) {
		struct value *back = NULL;
		struct xmlrpc_fault fault;
		const char *why;
		REQUIRE(xmlrpc_read(buf_view(&out), a, &back, &why, &fault) == 0);
		REQUIRE(value_equal(value_at(back, 0), tree.root) || value_count(tree.root) > 0);
	}
	buf_free(&out);
	arena_reset(a);
	return 0;
}
