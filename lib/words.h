/* words: text as a search sees it: words without case and accents, each cut to
 * its Portuguese stem (libstemmer).  The same for what is stored and for what
 * is asked, so every engine of search agrees. */
#ifndef PONTE_WORDS_H
#define PONTE_WORDS_H

#include "lib/base.h"
#include "lib/buf.h"

/* Raised whenever a text gets other stems than before: it is part of the hash of
 * an item, so that the next push indexes it anew, though nothing else changed. */
#define WORDS_VERSION 2

struct words;
MUST_CHECK int words_new(struct words **ret);           /* 0 or -ENOMEM */
void words_free(struct words *);                        /* NULL is fine */
void words_freep(struct words **);                      /* for CLEANUP() */

/* Appends the stems of the text in their order, a blank between two.  Of a word
 * 64 bytes count.  0 or -ENOMEM. */
MUST_CHECK int words_stems(struct words *, struct slice text, struct buf *out);

#endif
