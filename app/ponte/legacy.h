/* legacy: ponte tenant import-legacy, the tree of files of the system before,
 * each account a tenant.  What is left out is said, with its place; what a
 * tenant has already is newer than the tree, and stays.  legacy.c reads the
 * tree, legacy_put.c puts it beside what is there. */
#ifndef PONTE_APP_PONTE_LEGACY_H
#define PONTE_APP_PONTE_LEGACY_H

#include "app/ponte/ponte.h"
#include "lib/legacy.h"

#define TENANTS_MAX 1000

struct legacy_import {
	struct cli          *cli;
	const char          *dir;
	bool                 dry_run, force, json;
	struct legacy        l;
	struct fernet_key    key;
	struct legacy_tenant tenant[TENANTS_MAX];
	size_t               tenants, remarks;
};

/* One line on standard error; context is the import. */
void legacy_remark(void *context, const char *file, struct settings_place at, const char *text);
/* EXIT_DONE, or EXIT_FAILED where one of them could not be put. */
int legacy_put_all(struct legacy_import *);

#endif
