/* reading: what read.c, read_message.c and rest.c share while they turn JSON of
 * Chatwoot's into facts.  For these alone.  Every call returns 0, CW_E_SCHEMA
 * with the reason in `why`, or -ENOMEM. */
#ifndef PONTE_CHATWOOT_READING_H
#define PONTE_CHATWOOT_READING_H

#include "lib/arena.h"
#include "lib/base.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/json.h"

#define NOT_AN_ID     "is not a positive whole number"
#define NOT_A_TEXT    "is not a string"
#define NOT_A_BOOL    "is not true or false"
#define NOT_A_LIST    "is not an array"
#define NOT_AN_OBJECT "is not an object"
#define MISSING       "is missing"

struct reading {
	struct arena *arena;
	const struct json *event;
	const struct json *conversation;    /* the event itself when it is one */
	const char *prefix;                 /* "conversation." or "": before its fields' names */
	const struct chatwoot_policy *policy;
	struct chatwoot_facts *f;
	struct slice why;
};

int reading_refuse(struct reading *, const char *prefix, const char *field, const char *fault);
/* Absent and null leave *ret alone. */
MUST_CHECK int reading_id(struct reading *, const struct json *from, const char *path,
    const char *prefix, int64_t *ret);
/* An object, or absent or null: then *ret is NULL. */
MUST_CHECK int reading_object(struct reading *, const struct json *from, const char *path,
    const char *prefix, const struct json **ret);
/* The message's own part of the facts. */
MUST_CHECK int reading_message(struct reading *);
/* changed_attributes of a conversation event. */
MUST_CHECK int reading_changes(struct reading *);
/* The conversation's part of them. */
MUST_CHECK int reading_conversation(struct reading *);

#endif
