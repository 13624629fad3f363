/* parts: what the readers and message.c both know of an event's inside.  For
 * these alone; everybody else includes lib/chatwoot/chatwoot.h. */
#ifndef PONTE_CHATWOOT_PARTS_H
#define PONTE_CHATWOOT_PARTS_H

#include "lib/base.h"
#include "lib/buf.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/json.h"

#define CHATWOOT_TEXT_MAX 100000        /* code points of text that the hub gets */

/* The conversation of a message event is a member; a conversation event is
 * one itself. */
const struct json *chatwoot_conversation(const struct json *event);

/* A contact has no type in most versions, and "contact" in some. */
bool chatwoot_is_contact(const struct json *person);

/* The transcription of an attachment; empty when it is no audio or has none. */
struct slice chatwoot_transcription(const struct json *attachment);

/* What the customer filled in: submitted_values as a list with something in
 * it, else submitted_email; NULL: neither (the CSAT object is no answer). */
const struct json *chatwoot_form_answer(const struct json *event);

/* Appends the text the hub gets; event, form_answer and transcript of the
 * facts must be set.  0 or -ENOMEM. */
struct chatwoot_marks { bool truncated, sanitised; };
MUST_CHECK int chatwoot_text(const struct json *event, const struct chatwoot_facts *,
    struct buf *out, struct chatwoot_marks *ret);

/* Absent, or this number: as a number or in a text. */
bool chatwoot_is_number(const struct json *from, const char *key, int64_t want);

#endif
