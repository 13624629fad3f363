#include <string.h>

#include "app/worker/page.h"

#define STYLE "body{font:16px/1.5 sans-serif;margin:2em auto;max-width:60em;padding:0 1em}" \
	"table{border-collapse:collapse;width:100%}" \
	"td,th{border:1px solid #bbb;padding:.3em .5em;text-align:left;vertical-align:top}" \
	"pre,td{white-space:pre-wrap;overflow-wrap:anywhere}"

static void
add(struct request *r, struct slice s)
{
	if (buf_append_slice(&r->answer.text, s) < 0)
		r->answer.broken = true;
}

void
page_markup(struct request *r, const char *literal)
{
	add(r, slice_of(literal));
}

/* What stands for a byte of text, or NULL: itself. */
static const char *
escaped(unsigned char c)
{
	switch (c) {
	case '&':  return "&amp;";
	case '<':  return "&lt;";
	case '>':  return "&gt;";
	case '"':  return "&quot;";
	case '\'': return "&#39;";
	case '\t':
	case '\n': return NULL;
	case '\r': return "";
	default:   return c < 0x20 || c == 0x7f ? "\xef\xbf\xbd" : NULL;
	}
}

void
page_text(struct request *r, struct slice text)
{
	size_t from = 0, step;

	for (size_t at = 0; at < text.len; at += step) {
		size_t n = slice_utf8(slice_after(text, at));
		const char *instead = n ? escaped((unsigned char)text.ptr[at]) : "\xef\xbf\xbd";
		step = n ? n : 1;
		if (!instead)
			continue;
		add(r, slice_from(text.ptr + from, at - from));
		add(r, slice_of(instead));
		from = at + step;
	}
	add(r, slice_after(text, from));
}

void
page_element(struct request *r, const char *tag, struct slice text)
{
	page_markup(r, "<");
	page_markup(r, tag);
	page_markup(r, ">");
	page_text(r, text);
	page_markup(r, "</");
	page_markup(r, tag);
	page_markup(r, ">");
}

void
page_begin(struct request *r, enum http_status status, struct slice title)
{
	answer_begin(r, status);
	r->answer.page = true;
	page_markup(r, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">");
	page_element(r, "title", title);
	page_markup(r, "<style>" STYLE "</style></head><body>\n");
	page_element(r, "h1", title);
}

void
page_end(struct request *r)
{
	page_markup(r, "\n</body></html>\n");
	if (r->answer.broken)                   /* serve.c has a fixed text for it */
		r->answer.status = HTTP_INTERNAL_SERVER_ERROR;
}

void
page_refusal(struct request *r, enum http_status status, struct slice code)
{
	page_begin(r, status, slice_of(http_phrase(status)));
	page_element(r, "p", r->reason);
	if (status == HTTP_UNAUTHORIZED)
		page_element(r, "p", SLICE("This page shows a tenant's data, so it wants a token of that tenant with the scope read, in the "
		    "header Authorization: Bearer. Nothing is shown without one."));
	page_markup(r, "<p>");
	page_text(r, code);
	page_text(r, SLICE(", request "));
	page_text(r, slice_of(r->id));
	page_markup(r, "</p>");
	page_end(r);
}
