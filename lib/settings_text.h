/* settings_text: how one value of settings.h is written, and what helps to say
 * where a mistake is.  Between settings*.c only. */
#ifndef PONTE_SETTINGS_TEXT_H
#define PONTE_SETTINGS_TEXT_H

#include "lib/settings.h"

/* What is wrong with a value, as it reads behind the option's name. */
struct settings_why { char text[160]; };

/* Reads one scalar into target + option->offset.  0, SETTINGS_E_WRONG or
 * -ENOMEM.  Not for maps and lists. */
MUST_CHECK int settings_value(const struct settings_option *, struct slice text, const char *dir,
    void *target, struct arena *, struct settings_why *reterr);
/* One item of a SET_LIST_TEXT. */
MUST_CHECK int settings_item(const struct settings_option *, struct slice text,
    struct slice *ret, struct arena *, struct settings_why *reterr);

/* The name in the table that was probably meant; NULL: none is close. */
const char *settings_nearest(const struct settings_option *table, struct slice name);

/* Where that byte of the text stands. */
struct settings_place settings_place_of_byte(struct slice text, size_t offset);
/* Is there a tab in front of the first word of that line (from 0)? */
bool settings_tab_indents(struct slice text, size_t line);

/* "number 1..64", "duration 1s..10min", "error, warn or info". */
void settings_kind(const struct settings_option *, char *ret_text, size_t size);
/* A value for a message: cut, and without control characters. */
struct settings_shown { char text[48]; };
struct settings_shown settings_show(struct slice);

#endif
