#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/http.h"
#include "lib/settings_text.h"

#define TEXT_MAX 1024           /* of a SET_TEXT whose row does not say */
#define PATH_MAX_BYTES 4095
#define NAME_MAX_BYTES 64
#define DURATION_MAX (INT64_C(100) * 366 * 86400000) /* ms; a hundred years */

struct unit { const char *name; int64_t factor; };

/* Largest first: a value is shown in the largest unit that it is a multiple
 * of.  What stands behind the gap is read and never written. */
static const struct unit durations[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "min", 60000 }, { "s", 1000 }, { "ms", 1 },
	{ "m", 60000 },
};
static const struct unit sizes[] = {
	{ "TiB", (int64_t)1 << 40 }, { "GiB", (int64_t)1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "", 1 },
};

static int
wrong(struct settings_why *why, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int
wrong(struct settings_why *why, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	/* cppcheck-suppress ctuuninitvar ; it is written here */
	vsnprintf(why->text, sizeof why->text, fmt, ap);
	va_end(ap);
	return SETTINGS_E_WRONG;
}

struct settings_shown
settings_show(struct slice s)
{
	struct settings_shown shown;
	size_t at = 0, room = sizeof shown.text - sizeof "...";

	while (s.len > 0) {
		size_t n = slice_utf8(s);
		bool plain = n > 1 || (n == 1 && s.ptr[0] >= ' ' && s.ptr[0] != 0x7f);
		if (n == 0)
			n = 1;
		if (at + n > room) {
			memcpy(shown.text + at, "...", 3);
			at += 3;
			break;
		}
		if (plain)
			memcpy(shown.text + at, s.ptr, n);
		else
			memset(shown.text + at, '?', n);
		at += n;
		s = slice_after(s, n);
	}
	shown.text[at] = '\0';
	return shown;
}

/* ---- numbers with a unit ---- */

static int
read_unit(struct slice s, const struct unit *units, size_t n, int64_t *ret)
{
	size_t digits = 0;
	while (digits < s.len && s.ptr[digits] >= '0' && s.ptr[digits] <= '9')
		digits++;
	struct slice unit = slice_after(s, digits);
	uint64_t number;
	int r = slice_to_u64((struct slice){ s.ptr, digits }, 0, INT64_MAX, &number);
	if (r != 0)
		return r;

	if (unit.len == 0 && number == 0) {
		*ret = 0;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		if (!slice_eq(unit, slice_of(units[i].name)))
			continue;
		if ((int64_t)number > INT64_MAX / units[i].factor)
			return -ERANGE;
		*ret = (int64_t)number * units[i].factor;
		return 0;
	}
	return -EINVAL;
}

static struct settings_shown
show_unit(int64_t value, const struct unit *units, size_t n)
{
	struct settings_shown shown;
	size_t i = 0;
	if (value == 0) {
		snprintf(shown.text, sizeof shown.text, "0");
		return shown;
	}
	while (i + 1 < n && value % units[i].factor != 0)
		i++;
	snprintf(shown.text, sizeof shown.text, "%" PRId64 "%s", value / units[i].factor, units[i].name);
	return shown;
}

static struct settings_shown
show_number(const struct settings_option *o, int64_t value)
{
	switch (o->type) {
	case SET_DURATION:
		return show_unit(value, durations, ARRAY_LEN(durations) - 1);
	case SET_SIZE:
		return show_unit(value, sizes, ARRAY_LEN(sizes));
	case SET_BOOL: case SET_UINT: case SET_INT64: case SET_TEXT: case SET_NAME: case SET_CHOICE:
	case SET_PATH: case SET_URL: case SET_MAP: case SET_LIST_TEXT: case SET_LIST_MAP:
		break;
	}
	return show_unit(value, (const struct unit[]){ { "", 1 } }, 1);
}

/* "a number between 1 and 64" */
static void
range_text(const struct settings_option *o, const char *noun, char *ret, size_t size)
{
	struct settings_shown min = show_number(o, o->min), max = show_number(o, o->max);
	if (o->max == INT64_MAX)
		snprintf(ret, size, "%s of at least %s", noun, min.text);
	else
		snprintf(ret, size, "%s between %s and %s", noun, min.text, max.text);
}

static bool
leading_zero(struct slice s)
{
	return s.len > 1 && s.ptr[0] == '0' && s.ptr[1] >= '0' && s.ptr[1] <= '9';
}

static int
wrong_number(const struct settings_option *o, struct slice text, const char *noun, const char *hint,
    struct settings_why *why)
{
	char range[128];
	range_text(o, noun, range, sizeof range);
	if (leading_zero(text))
		hint = "; leave out the leading zero";
	return wrong(why, "%s is not %s%s", settings_show(text).text, range, hint);
}

static int
read_uint(const struct settings_option *o, struct slice text, void *member, struct settings_why *why)
{
	if (slice_to_u64(text, (uint64_t)o->min, (uint64_t)o->max, member) == 0)
		return 0;
	return wrong_number(o, text, "a number", "", why);
}

static int
read_int64(const struct settings_option *o, struct slice text, void *member, struct settings_why *why)
{
	if (slice_to_i64(text, o->min, o->max, member) == 0)
		return 0;
	return wrong_number(o, text, "a number", "", why);
}

static int
read_duration(const struct settings_option *o, struct slice text, int64_t *member,
    struct settings_why *why)
{
	int64_t value;
	int r = read_unit(text, durations, ARRAY_LEN(durations), &value);
	if (r == 0 && value >= o->min && value <= o->max) {
		*member = value;
		return 0;
	}
	return wrong_number(o, text, "a duration",
	    r == -EINVAL ? "; write it like 250ms, 2s, 5min, 6h or 30d" : "", why);
}

int
settings_duration(struct slice text, int64_t *ret_ms)
{
	int64_t value;
	if (text.len == 0 || read_unit(text, durations, ARRAY_LEN(durations), &value) != 0 || value > DURATION_MAX)
		return -EINVAL;
	*ret_ms = value;
	return 0;
}

static int
read_size(const struct settings_option *o, struct slice text, uint64_t *member,
    struct settings_why *why)
{
	int64_t value;
	int r = read_unit(text, sizes, ARRAY_LEN(sizes), &value);
	if (r == 0 && value >= o->min && value <= o->max) {
		*member = (uint64_t)value;
		return 0;
	}
	return wrong_number(o, text, "a size",
	    r == -EINVAL ? "; write it like 512, 64KiB, 16MiB or 1GiB" : "", why);
}

static int
read_bool(struct slice text, bool *member, struct settings_why *why)
{
	if (slice_eq(text, SLICE("true")))
		*member = true;
	else if (slice_eq(text, SLICE("false")))
		*member = false;
	else
		return wrong(why, "%s is neither true nor false", settings_show(text).text);
	return 0;
}

/* "error, warn or info" */
static void
choices_text(const char *const *choices, char *ret, size_t size)
{
	size_t at = 0;
	ret[0] = '\0';
	for (size_t i = 0; choices[i] && at < size; i++) {
		const char *between = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
		at += (size_t)snprintf(ret + at, size - at, "%s%s", between, choices[i]);
	}
}

static int
read_choice(const struct settings_option *o, struct slice text, int *member, struct settings_why *why)
{
	for (int i = 0; o->choices[i]; i++) {
		if (slice_eq(text, slice_of(o->choices[i]))) {
			*member = i;
			return 0;
		}
	}
	char all[96];
	choices_text(o->choices, all, sizeof all);
	return wrong(why, "%s is not one of %s", settings_show(text).text, all);
}

/* ---- texts ---- */

bool
settings_name_ok(struct slice s)
{
	if (s.len == 0 || s.len > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		        c == '_' || c == '.' || c == '-'))
			return false;
	}
	/* In the path of a URL these two would mean something else. */
	return !slice_eq(s, SLICE(".")) && !slice_eq(s, SLICE(".."));
}

static bool
has_control(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
			return true;
	return false;
}

static int
copy(struct slice text, struct slice *ret, struct arena *a)
{
	struct slice s = arena_copy(a, text);
	if (text.len > 0 && s.len == 0)
		return -ENOMEM;
	*ret = s;
	return 0;
}

int
settings_item(const struct settings_option *o, struct slice text, struct slice *ret,
    struct arena *a, struct settings_why *why)
{
	if (text.len == 0)
		return wrong(why, "is empty");
	if (text.len > TEXT_MAX)
		return wrong(why, "is %zu bytes long, at most %d are allowed", text.len, TEXT_MAX);
	if (has_control(text))
		return wrong(why, "holds a control character");
	const char *fault = o->check ? o->check(text) : NULL;
	if (fault)
		return wrong(why, "%s %s", settings_show(text).text, fault);
	return copy(text, ret, a);
}

static int
read_text(const struct settings_option *o, struct slice text, struct slice *member,
    struct arena *a, struct settings_why *why)
{
	size_t max = o->max > 0 ? (size_t)o->max : TEXT_MAX;
	if (text.len == 0 && o->min != 0)
		return wrong(why, "is empty");
	if (text.len > max)
		return wrong(why, "is %zu bytes long, at most %zu are allowed", text.len, max);
	if (has_control(text))
		return wrong(why, "holds a control character");
	const char *fault = o->check && text.len > 0 ? o->check(text) : NULL;
	if (fault)
		return wrong(why, "%s %s", settings_show(text).text, fault);
	return copy(text, member, a);
}

static int
read_name(struct slice text, struct slice *member, struct arena *a, struct settings_why *why)
{
	if (!settings_name_ok(text))
		return wrong(why, "%s is not a name: 1 to %d letters, digits, '_', '.' or '-'",
		    settings_show(text).text, NAME_MAX_BYTES);
	return copy(text, member, a);
}

static int
read_url(const struct settings_option *o, struct slice text, struct slice *member, struct arena *a,
    struct settings_why *why)
{
	struct http_url url;
	/* The value is not repeated: somebody may have put a password into it. */
	if (text.len > TEXT_MAX || has_control(text) || http_url_split(text, &url) != 0)
		return wrong(why, "is not an http or https URL like https://host/path, "
		    "without user, password and '#'");
	const char *fault = o->check ? o->check(text) : NULL;
	if (fault)
		return wrong(why, "%s", fault);
	return copy(text, member, a);
}

/* Appends path to what stands in `out`, which is empty or begins with '/'. */
static size_t
path_append(char *out, size_t at, struct slice path)
{
	while (path.len > 0) {
		struct slice part = path, rest = { 0 };
		if (!slice_cut(path, '/', &part, &rest))
			rest = (struct slice){ 0 };
		if (part.len > 0 && !slice_eq(part, SLICE("."))) {
			out[at++] = '/';
			memcpy(out + at, part.ptr, part.len);
			at += part.len;
		}
		path = rest;
	}
	return at;
}

struct slice
settings_path(struct arena *a, const char *dir, struct slice path)
{
	char cwd[PATH_MAX_BYTES + 1] = "";
	struct slice base = slice_of(dir);
	bool absolute = path.len > 0 && path.ptr[0] == '/';

	if (absolute)
		base = (struct slice){ 0 };
	else if ((base.len == 0 || base.ptr[0] != '/') && !getcwd(cwd, sizeof cwd))
		return (struct slice){ 0 };
	char *out = arena_take(a, strlen(cwd) + base.len + path.len + 4);
	if (!out)
		return (struct slice){ 0 };
	size_t at = path_append(out, 0, slice_of(cwd));
	at = path_append(out, at, base);
	at = path_append(out, at, path);
	if (at == 0)
		out[at++] = '/';
	return (struct slice){ out, at };
}

static int
read_path(const struct settings_option *o, struct slice text, const char *dir, struct slice *member,
    struct arena *a, struct settings_why *why)
{
	if (text.len == 0)
		return wrong(why, "is empty; leave the line out instead");
	if (has_control(text))
		return wrong(why, "holds a control character");
	struct slice path = settings_path(a, dir, text);
	if (path.len == 0)
		return -ENOMEM;
	if (o->max == SETTINGS_SOCKET_PATH && path.len > SETTINGS_SOCKET_PATH)
		return wrong(why, "the path of a Unix socket may have %d bytes and this one has %zu; "
		    "choose a shorter directory", SETTINGS_SOCKET_PATH, path.len);
	size_t max = o->max > 0 ? (size_t)o->max : PATH_MAX_BYTES;
	if (path.len > max)
		return wrong(why, "the path has %zu bytes, at most %zu are allowed", path.len, max);
	*member = path;
	return 0;
}

int
settings_value(const struct settings_option *o, struct slice text, const char *dir, void *target,
    struct arena *a, struct settings_why *why)
{
	void *member = (char *)target + o->offset;

	switch (o->type) {
	case SET_BOOL:      return read_bool(text, member, why);
	case SET_UINT:      return read_uint(o, text, member, why);
	case SET_INT64:     return read_int64(o, text, member, why);
	case SET_DURATION:  return read_duration(o, text, member, why);
	case SET_SIZE:      return read_size(o, text, member, why);
	case SET_TEXT:      return read_text(o, text, member, a, why);
	case SET_NAME:      return read_name(text, member, a, why);
	case SET_CHOICE:    return read_choice(o, text, member, why);
	case SET_PATH:      return read_path(o, text, dir, member, a, why);
	case SET_URL:       return read_url(o, text, member, a, why);
	case SET_MAP: case SET_LIST_TEXT: case SET_LIST_MAP:
		break;
	}
	REQUIRE(!"a map or list has no value of one line");
	return -EINVAL;
}

void
settings_kind(const struct settings_option *o, char *ret, size_t size)
{
	const char *noun = "number";
	switch (o->type) {
	case SET_BOOL:      snprintf(ret, size, "true or false"); return;
	case SET_TEXT:      snprintf(ret, size, "text"); return;
	case SET_NAME:      snprintf(ret, size, "name"); return;
	case SET_PATH:      snprintf(ret, size, "path"); return;
	case SET_URL:       snprintf(ret, size, "URL"); return;
	case SET_MAP:       snprintf(ret, size, "map"); return;
	case SET_LIST_TEXT: snprintf(ret, size, "list of texts"); return;
	case SET_LIST_MAP:  snprintf(ret, size, "list"); return;
	case SET_CHOICE:    choices_text(o->choices, ret, size); return;
	case SET_DURATION:  noun = "duration"; break;
	case SET_SIZE:      noun = "size"; break;
	case SET_UINT: case SET_INT64: break;
	}
	struct settings_shown min = show_number(o, o->min), max = show_number(o, o->max);
	if (o->max == INT64_MAX)
		snprintf(ret, size, "%s from %s", noun, min.text);
	else
		snprintf(ret, size, "%s %s..%s", noun, min.text, max.text);
}
