/* Not json-c's printer: when memory runs out that one leaves out what did not
 * fit, and says nothing. */
#include <errno.h>
#include <string.h>

#include "lib/json_scan.h"

/* What may stand in a string as it is. */
static size_t
unescaped(struct slice text)
{
	size_t n = 0;

	while (n < text.len) {
		size_t len = slice_utf8(slice_after(text, n));
		uint8_t c = (uint8_t)text.ptr[n];
		if (len == 0 || c < 0x20 || c == '"' || c == '\\')
			break;
		n += len;
	}
	return n;
}

int
json_quote(struct slice text, struct buf *out)
{
	int r = buf_append(out, "\"", 1);

	while (r == 0 && text.len > 0) {
		size_t n = unescaped(text);
		r = buf_append(out, text.ptr, n);
		text = slice_after(text, n);
		if (r < 0 || text.len == 0)
			break;
		uint8_t c = (uint8_t)text.ptr[0];
		if (c == '"' || c == '\\')
			r = buf_printf(out, "\\%c", c);
		else if (strchr("\b\f\n\r\t", c) && c)
			r = buf_printf(out, "\\%c", "btn?fr"[c - '\b']);
		else if (c < 0x20)
			r = buf_printf(out, "\\u%04x", c);
		else
			r = buf_append(out, "\xef\xbf\xbd", 3);
		text = slice_after(text, 1);
	}
	return r < 0 ? r : buf_append(out, "\"", 1);
}

static int print(const struct json *, struct buf *out);

static int
print_array(const struct json *j, struct buf *out)
{
	const struct json *item;
	int r = buf_append(out, "[", 1);

	for (size_t i = 0, n = json_length(j); i < n && r == 0; i++) {
		json_at(j, i, &item);
		if (i > 0)
			r = buf_append(out, ",", 1);
		if (r == 0)
			r = print(item, out);
	}
	return r < 0 ? r : buf_append(out, "]", 1);
}

static int
print_object(const struct json *j, struct buf *out)
{
	struct json_iter it = { 0 };
	int r = buf_append(out, "{", 1);

	for (bool more = false; r == 0 && json_next(j, &it); more = true) {
		if (more)
			r = buf_append(out, ",", 1);
		if (r == 0)
			r = json_quote(slice_of(it.key), out);
		if (r == 0)
			r = buf_append(out, ":", 1);
		if (r == 0)
			r = print(it.value, out);
	}
	return r < 0 ? r : buf_append(out, "}", 1);
}

/* As deep as it was built or read: JSON_DEPTH_MAX. */
static int
print(const struct json *j, struct buf *out)
{
	switch (json_type_of(j)) {
	case JSON_ABSENT:
	case JSON_NULL:   return buf_append(out, "null", 4);
	case JSON_BOOL:   return json_true(j) ? buf_append(out, "true", 4) : buf_append(out, "false", 5);
	case JSON_INT:
	case JSON_DOUBLE: return json_put_number(j, out);
	case JSON_STRING: return json_quote(json_text(j), out);
	case JSON_ARRAY:  return print_array(j, out);
	case JSON_OBJECT: return print_object(j, out);
	}
	return -EINVAL;
}

int
json_print(const struct json *j, struct buf *out)
{
	return print(j, out);
}
