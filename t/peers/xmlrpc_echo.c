/* Documents on standard input, each behind its length in a line: what is read of
 * one is written as a call of `echo`, behind its length; what is refused, as
 * "- OUTCOME why".  A fault is "! CODE text". */
#include <stdio.h>
#include <stdlib.h>

#include "lib/xmlrpc.h"

static int
answer(struct slice document, struct arena *a)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct xmlrpc_fault fault = { .code = 0 };
	struct value *root = NULL;
	const char *why = "";
	int r = xmlrpc_read(document, a, &root, &why, &fault);
	if (r == XMLRPC_E_FAULT) {
		printf("! %lld " SLICE_FMT "\n", (long long)fault.code, SLICE_ARG(fault.text));
		return 0;
	}
	if (r == 0)
		r = xmlrpc_write_call(SLICE("echo"), (const struct value *const[]){ root }, 1, &out);
	if (r != 0) {
		printf("- %d %s\n", r, why);
		return 0;
	}
	printf("%zu\n", out.len);
	return fwrite(buf_view(&out).ptr, 1, out.len, stdout) == out.len ? 0 : 1;
}

int
main(void)
{
	struct arena *a = NULL;
	char line[32];
	if (arena_new(256 * MIB, &a) != 0)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		size_t n = (size_t)strtoul(line, NULL, 10);
		char *document = malloc(n + 1);
		if (!document || fread(document, 1, n, stdin) != n || answer(slice_from(document, n), a) != 0)
			return 1;
		free(document);
		arena_reset(a);
		fflush(stdout);
	}
	arena_free(a);
	return 0;
}
