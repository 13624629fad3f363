/* The same as xmlrpc_read.c by libxmlrpc-c (Debian: libxmlrpc-core-c3-dev), with
 * nothing of ponte in it.
 *
 *   xmlrpc_other tree|encode FILE */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xmlrpc-c/base.h>

#include "t/bench/xmlrpc_measure.h"

struct heard { unsigned long long values, bytes; };

static void
count(xmlrpc_env *env, xmlrpc_value *v, struct heard *h)
{
	xmlrpc_value *in = NULL, *key = NULL;
	xmlrpc_type type = xmlrpc_value_type(v);
	const char *text;
	size_t n;
	if (type == XMLRPC_TYPE_ARRAY) {
		for (int i = 0; i < xmlrpc_array_size(env, v); i++, xmlrpc_DECREF(in)) {
			xmlrpc_array_read_item(env, v, (unsigned)i, &in);
			count(env, in, h);
		}
	} else if (type == XMLRPC_TYPE_STRUCT) {
		for (int i = 0; i < xmlrpc_struct_size(env, v); i++, xmlrpc_DECREF(key), xmlrpc_DECREF(in)) {
			xmlrpc_struct_read_member(env, v, (unsigned)i, &key, &in);
			count(env, in, h);
		}
	} else {
		h->values++;
		if (type == XMLRPC_TYPE_STRING) {
			xmlrpc_read_string_lp(env, v, &n, &text);
			h->bytes += n;
			free((void *)(uintptr_t)text);
		}
	}
}

static int
report(const char *what, const xmlrpc_env *env)
{
	fprintf(stderr, "xmlrpc_other: %s: %s\n", what, env->fault_string);
	return 1;
}

int
main(int argc, char **argv)
{
	struct stat st;
	FILE *f = argc == 3 ? fopen(argv[2], "r") : NULL;
	if (!f || fstat(fileno(f), &st) != 0)
		return 2;
	size_t len = (size_t)st.st_size;
	char *bytes = malloc(len + 1);
	if (!bytes || fread(bytes, 1, len, f) != len)
		return 2;
	xmlrpc_env env;
	xmlrpc_value *root = NULL;
	const char *fault = NULL;
	int code;
	struct heard h = { 0, 0 };
	bool encode = strcmp(argv[1], "encode") == 0;
	xmlrpc_env_init(&env);
	xmlrpc_limit_set(XMLRPC_XML_SIZE_LIMIT_ID, 512u << 20);

	struct measure m = measure_begin();
	xmlrpc_parse_response2(&env, bytes, len, &root, &code, &fault);
	if (!encode)
		measure_end(&m);
	if (env.fault_occurred || !root)
		return report("cannot read", &env);
	if (encode) {
		xmlrpc_value *params = xmlrpc_array_new(&env);
		xmlrpc_array_append_item(&env, params, root);
		m = measure_begin();
		xmlrpc_mem_block *out = XMLRPC_MEMBLOCK_NEW(char, &env, 0);
		xmlrpc_serialize_call(&env, out, "execute_kw", params);
		measure_end(&m);
		h.values = 1, h.bytes = XMLRPC_MEMBLOCK_SIZE(char, out);
	} else {
		count(&env, root, &h);
	}
	if (env.fault_occurred)
		return report("cannot write", &env);
	measure_counted(h.values, h.bytes);
	return 0;
}
