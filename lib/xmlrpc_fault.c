#include <string.h>

#include "lib/xmlrpc_fault.h"

#define KEPT (8 * KIB)                  /* of each end */

static bool
is_inside(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;       /* of a character of UTF-8 */
}

void
fault_cut(struct buf *text)
{
	static const char between[] = " ... ";
	if (text->len <= FAULT_TEXT)
		return;
	char *p = text->ptr + text->at;
	size_t head = KEPT, tail = text->len - KEPT, n = sizeof(between) - 1;
	while (head > 0 && is_inside(p[head]))
		head--;
	while (tail < text->len && is_inside(p[tail]))
		tail++;
	memcpy(p + head, between, n);
	memmove(p + head + n, p + tail, text->len - tail);
	text->len = head + n + text->len - tail;
}

void
fault_read(const struct value *root, struct xmlrpc_fault *ret)
{
	const struct value *code = value_get(root, "faultCode"), *text = value_get(root, "faultString");
	*ret = (struct xmlrpc_fault){ .code = code && code->type == VALUE_INT ? code->number : 0 };
	if (code && code->type == VALUE_TEXT)
		ret->word = code->text;
	if (text && text->type == VALUE_TEXT)
		ret->text = text->text;
}
