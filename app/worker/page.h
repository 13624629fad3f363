/* page: an answer that people read: HTML of text alone.
 *
 * What a page shows came from outside, so it is escaped wherever it stands, and
 * the page may load and do nothing: its policy allows our own style and not one
 * thing more.  Nothing of it is kept by a browser. */
#ifndef PONTE_WORKER_PAGE_H
#define PONTE_WORKER_PAGE_H

#include "app/worker/request.h"

#define PAGE_TYPE   "text/html; charset=utf-8"
/* The hash is that of the text of <style> (a test compares them). */
#define PAGE_POLICY "default-src 'none'; style-src 'sha256-YrB0mghj/0slLlJptCdxpKpkQSN/D4erLwKVhzhShjE='; base-uri 'none'; " \
	"form-action 'none'; frame-ancestors 'none'"

/* begin, pieces, end; running out of memory is remembered and makes a 500. */
void page_begin(struct request *, enum http_status, struct slice title);
void page_end(struct request *);
/* Text from anywhere, escaped.  Control characters but tab and line feed become U+FFFD. */
void page_text(struct request *, struct slice);
/* <tag>text</tag>; tag is a literal without attributes. */
void page_element(struct request *, const char *tag, struct slice text);
/* Markup of ours. */
void page_markup(struct request *, const char *literal);

/* The whole page of a refusal; r->reason says why. */
void page_refusal(struct request *, enum http_status, struct slice code);

#endif
