#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/settings.h"

#include "t/unit/unit.h"

struct pair { int64_t id; struct slice label; };

struct sample {
	struct slice note;
	bool         on, given;
	uint64_t     count, bytes;
	int64_t      id, wait;
	int          colour;
	struct slice title, name, path, socket, url;
	struct { uint64_t low; struct slice word; } inner;
	struct settings_list words, pairs;
	struct settings_place count_at;
};

static const char *
check_word(struct slice s)
{
	return s.ptr[0] == 'w' ? NULL : "does not begin with w";
}

/* clang-format off */
#define AT(member) .offset = offsetof(struct sample, member)
static const char *const colours[] = { "red", "green", "blue", NULL };
static const struct settings_option inner_rows[] = {
	{ .name = "low",  .type = SET_UINT, .offset = offsetof(struct sample, inner.low) - offsetof(struct sample, inner), .min = 0, .max = 9, .fallback = "3", .help = "a small number" },
	{ .name = "word", .type = SET_TEXT, .offset = offsetof(struct sample, inner.word) - offsetof(struct sample, inner), .min = 1, .max = 8, .required = true, .check = check_word, .help = "a word" },
	{ .name = NULL }
};
static const struct settings_option pair_rows[] = {
	{ .name = "id",    .type = SET_INT64, .offset = offsetof(struct pair, id), .min = 1, .max = INT64_MAX, .required = true, .help = "a number" },
	{ .name = "label", .type = SET_NAME,  .offset = offsetof(struct pair, label), .fallback = "none", .help = "a name" },
	{ .name = NULL }
};
static const struct settings_option table[] = {
	{ .name = "note",   .type = SET_TEXT,     AT(note), .min = 0, .fallback = "", .help = ".it may be empty" },
	{ .name = "on",     .type = SET_BOOL,     AT(on), .fallback = "true", .given_offset = offsetof(struct sample, given), .help = "a switch" },
	{ .name = "count",  .type = SET_UINT,     AT(count), .min = 1, .max = 64, .fallback = "16", .place_offset = offsetof(struct sample, count_at), .help = "how many" },
	{ .name = "bytes",  .type = SET_SIZE,     AT(bytes), .min = 512, .max = 1 << 30, .fallback = "64KiB", .help = "how much" },
	{ .name = "id",     .type = SET_INT64,    AT(id), .min = -5, .max = INT64_MAX, .fallback = "-1", .help = "which" },
	{ .name = "wait",   .type = SET_DURATION, AT(wait), .min = 0, .max = 86400000, .fallback = "2s", .help = "how long" },
	{ .name = "colour", .type = SET_CHOICE,   AT(colour), .choices = colours, .fallback = "green", .help = "what it looks like" },
	{ .name = "title",  .type = SET_TEXT,     AT(title), .min = 1, .max = 20, .help = "a text" },
	{ .name = "name",   .type = SET_NAME,     AT(name), .help = "a name" },
	{ .name = "path",   .type = SET_PATH,     AT(path), .fallback = "state/x", .help = "a file" },
	{ .name = "socket", .type = SET_PATH,     AT(socket), .max = SETTINGS_SOCKET_PATH, .fallback = "run/x.sock", .help = "a socket" },
	{ .name = "url",    .type = SET_URL,      AT(url), .help = "a place" },
	{ .name = "inner",  .type = SET_MAP,      AT(inner), .child = inner_rows, .help = "more of it" },
	{ .name = "words",  .type = SET_LIST_TEXT, AT(words), .max = 3, .check = check_word, .help = "words" },
	{ .name = "pairs",  .type = SET_LIST_MAP, AT(pairs), .max = 4, .child = pair_rows, .child_size = sizeof(struct pair), .help = "pairs" },
	{ .name = NULL }
};
/* clang-format on */

struct reading {
	struct arena *arena;
	struct sample got;
	struct settings_errors errors;
	int result;
};

static struct reading
read_text(struct slice text, const char *dir)
{
	struct reading r = { .result = -1 };
	if (arena_new(8 * MIB, &r.arena) == 0)
		r.result = settings_read(text, dir, table, &r.got, r.arena, &r.errors);
	return r;
}

static void
reading_free(struct reading *r)
{
	arena_free(r->arena);
}

/* ---- what is accepted ---- */

static void
defaults(void)
{
	static const struct { const char *name, *text; } row[] = {
		{ "an empty file", "" },
		{ "a comment alone", "# nothing\n" },
		{ "a document that begins and has nothing", "---\n" },
		{ "an empty map", "{}\n" },
		{ "a byte order mark", "\xef\xbb\xbf" },
		{ "line ends of another system", "---\r\n...\r\n" },
		{ "lists with nothing behind the name", "words:\npairs:\n" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(reading_free) struct reading r = read_text(slice_of(row[i].text), "/base");
		const struct sample *s = &r.got;
		ROW(row[i].name, r.result == 0);
		ROW(row[i].name, s->on && s->count == 16 && s->bytes == 65536 && s->id == -1 && s->wait == 2000);
		ROW(row[i].name, s->colour == 1 && s->inner.low == 3 && s->inner.word.len == 0);
		ROW(row[i].name, slice_eq(s->path, SLICE("/base/state/x")));
		ROW(row[i].name, slice_eq(s->socket, SLICE("/base/run/x.sock")));
		ROW(row[i].name, s->title.len == 0 && s->url.len == 0 && s->words.count == 0 && s->pairs.count == 0);
	}
	CLEANUP(reading_free) struct reading r = read_text(SLICE("words: []\n"), "/base");
	ROW("what is not there was not given", !r.got.given && r.got.count_at.line == 0);
}

static void
values(void)
{
	static const char text[] =
	    "note: \"\"\n"
	    "on: false\n"
	    "count: 7            # seven\n"
	    "bytes: 3MiB\n"
	    "id: -5\n"
	    "wait: \"90s\"\n"
	    "colour: blue\n"
	    "title: 'it''s 010: x'\n"
	    "name: a.B_c-9\n"
	    "url: https://[::1]:8443/a?b=c\n"
	    "inner: {low: 0, word: w}\n"
	    "words: [wa, \"wb\"]\n"
	    "pairs:\n"
	    "  - id: 9223372036854775807\n"
	    "    label: x\n"
	    "  - {id: 1}\n";
	CLEANUP(reading_free) struct reading r = read_text(slice_of(text), "/base");
	const struct sample *s = &r.got;
	const struct slice *word = s->words.items;
	const struct pair *pair = s->pairs.items;

	ROW("a file with everything is read", r.result == 0 && r.errors.count == 0);
	ROW("an empty text", s->note.len == 0);
	ROW("a switch", !s->on && s->given);
	ROW("a number, and where it stands", s->count == 7 && s->count_at.line == 3 && s->count_at.column == 8);
	ROW("a size", s->bytes == 3 * MIB);
	ROW("a number below zero", s->id == -5);
	ROW("a duration in quotes", s->wait == 90000);
	ROW("a choice", s->colour == 2);
	ROW("a text in quotes", slice_eq(s->title, SLICE("it's 010: x")));
	ROW("its end has a NUL behind it", s->title.ptr && s->title.ptr[s->title.len] == '\0');
	ROW("a name", slice_eq(s->name, SLICE("a.B_c-9")));
	ROW("a URL", slice_eq(s->url, SLICE("https://[::1]:8443/a?b=c")));
	ROW("a map in a map", s->inner.low == 0 && slice_eq(s->inner.word, SLICE("w")));
	ROW("a list of texts", s->words.count == 2 && slice_eq(word[1], SLICE("wb")));
	ROW("a list of maps", s->pairs.count == 2 && pair[0].id == INT64_MAX && pair[1].id == 1);
	ROW("with defaults of its own", s->pairs.count == 2 && slice_eq(pair[1].label, SLICE("none")));
}

static void
units(void)
{
	static const struct { const char *name, *text; int64_t wait; } wait[] = {
		{ "milliseconds", "wait: 250ms", 250 }, { "seconds", "wait: 2s", 2000 },
		{ "minutes", "wait: 5min", 300000 }, { "minutes, short", "wait: 5m", 300000 },
		{ "hours", "wait: 6h", 21600000 }, { "days", "wait: 1d", 86400000 },
		{ "zero needs no unit", "wait: 0", 0 }, { "and may have one", "wait: 0s", 0 },
	};
	static const struct { const char *name, *text; uint64_t bytes; } size[] = {
		{ "bytes", "bytes: 512", 512 }, { "KiB", "bytes: 64KiB", 65536 },
		{ "MiB", "bytes: 16MiB", 16 << 20 }, { "GiB", "bytes: 1GiB", 1 << 30 },
	};
	for (size_t i = 0; i < ARRAY_LEN(wait); i++) {
		CLEANUP(reading_free) struct reading r = read_text(slice_of(wait[i].text), "/");
		ROW(wait[i].name, r.result == 0 && r.got.wait == wait[i].wait);
	}
	for (size_t i = 0; i < ARRAY_LEN(size); i++) {
		CLEANUP(reading_free) struct reading r = read_text(slice_of(size[i].text), "/");
		ROW(size[i].name, r.result == 0 && r.got.bytes == size[i].bytes);
	}
}

static void
paths(void)
{
	char cwd[4096] = "", want[8192];
	REQUIRE(getcwd(cwd, sizeof cwd));
	static const struct { const char *name, *dir, *text, *path; } row[] = {
		{ "a relative path counts from the directory", "/etc/x", "path: a/b", "/etc/x/a/b" },
		{ "an absolute one stays", "/etc/x", "path: /a/b", "/a/b" },
		{ "two slashes are one", "/etc//x/", "path: a//b", "/etc/x/a/b" },
		{ "a dot is nothing", "/etc/./x", "path: ./a/./b/.", "/etc/x/a/b" },
		{ "two dots stay: links may be in the way", "/etc/x", "path: ../a", "/etc/x/../a" },
		{ "the root", "/etc/x", "path: /", "/" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(reading_free) struct reading r = read_text(slice_of(row[i].text), row[i].dir);
		ROW(row[i].name, r.result == 0 && slice_eq(r.got.path, slice_of(row[i].path)));
		ROW(row[i].name, r.got.path.ptr && r.got.path.ptr[r.got.path.len] == '\0');
	}
	snprintf(want, sizeof want, "%s/d/a", cwd);
	CLEANUP(reading_free) struct reading r = read_text(SLICE("path: a"), "./d");
	ROW("a relative directory counts from the working directory", r.result == 0 && slice_eq(r.got.path, slice_of(want)));
}

/* ---- what is refused ---- */

static void
mistakes(void)
{
	static const struct { const char *name, *text; unsigned line, column; const char *says; } row[] = {
		{ "an unknown name", "\nzebra: 1", 2, 1, "zebra: there is no such setting here; known are note, on, count" },
		{ "a name that is nearly right", "cuont: 1", 1, 1, "cuont: there is no such setting; did you mean count?" },
		{ "a short name must be nearer", "xy: 1", 1, 1, "no such setting here" },
		{ "a name from another map", "low: 1", 1, 1, "low: there is no such setting here; it belongs under inner" },
		{ "an unknown name further in", "inner:\n  word: w\n  lo: 1", 3, 3, "inner.lo: there is no such setting; did you mean low?" },
		{ "a name in another case", "Count: 1", 1, 1, "did you mean count?" },
		{ "a repeated name", "count: 1\non: true\ncount: 1", 3, 1, "count: stands here a second time; the first is on line 1" },
		{ "a repeated name in a flow map", "inner: {word: w, low: 1, low: 1}", 1, 26, "inner.low: stands here a second time" },
		{ "a list as a name", "[a]: 1", 1, 1, "a name must stand here" },
		{ "a number with a letter", "count: 4x", 1, 8, "count: 4x is not a number between 1 and 64" },
		{ "a number that could be octal", "count: 010", 1, 8, "010 is not a number between 1 and 64; leave out the leading zero" },
		{ "a hexadecimal number", "count: 0x10", 1, 8, "0x10 is not a number" },
		{ "a number with a point", "count: 4.0", 1, 8, "4.0 is not a number" },
		{ "a number with a plus", "count: +4", 1, 8, "+4 is not a number" },
		{ "a number with an underline", "count: 1_0", 1, 8, "1_0 is not a number" },
		{ "a number too big", "count: 900", 1, 8, "count: 900 is not a number between 1 and 64" },
		{ "a number too small", "count: 0", 1, 8, "count: 0 is not a number between 1 and 64" },
		{ "a number below zero", "count: -1", 1, 8, "-1 is not a number" },
		{ "a number beyond 64 bits", "id: 9223372036854775808", 1, 5, "is not a number of at least -5" },
		{ "no value", "count:", 1, 7, "count: has no value" },
		{ "null", "count: null", 1, 8, "count: has no value" },
		{ "a tilde", "title: ~", 1, 8, "title: has no value" },
		{ "a duration without unit", "wait: 15", 1, 7, "15 is not a duration between 0 and 1d; write it like 250ms" },
		{ "a duration of another unit", "wait: 5y", 1, 7, "5y is not a duration" },
		{ "a duration with a blank", "wait: 5 s", 1, 7, "5 s is not a duration" },
		{ "a duration too long", "wait: 25h", 1, 7, "25h is not a duration between 0 and 1d" },
		{ "a duration too long by one", "wait: 86400001ms", 1, 7, "is not a duration between 0 and 1d" },
		{ "a duration that would turn round to 0", "wait: 18014398509481984d", 1, 7, "is not a duration" },
		{ "a duration beyond 64 bits", "wait: 99999999999999999d", 1, 7, "is not a duration" },
		{ "a duration with a leading zero", "wait: 05s", 1, 7, "leave out the leading zero" },
		{ "a size of another unit", "bytes: 16MB", 1, 8, "16MB is not a size between 512 and 1GiB; write it like" },
		{ "a size too small", "bytes: 511", 1, 8, "511 is not a size between 512 and 1GiB" },
		{ "a switch of YAML 1.1", "on: yes", 1, 5, "on: yes is neither true nor false" },
		{ "a switch in capitals", "on: True", 1, 5, "True is neither" },
		{ "no such choice", "colour: pink", 1, 9, "pink is not one of red, green or blue" },
		{ "an empty text", "title: ''", 1, 8, "title: is empty" },
		{ "a long text", "title: aaaaaaaaaaaaaaaaaaaaa", 1, 8, "is 21 bytes long, at most 20 are allowed" },
		{ "a control character in a text", "title: \"a\\tb\"", 1, 8, "holds a control character" },
		{ "a NUL in a text", "title: \"a\\0b\"", 1, 8, "holds a control character" },
		{ "a NUL in a path", "path: \"a\\0b\"", 1, 7, "holds a control character" },
		{ "a text its check refuses", "inner: {word: x}", 1, 15, "inner.word: x does not begin with w" },
		{ "a name with a slash", "name: a/b", 1, 7, "a/b is not a name" },
		{ "a name of one dot", "name: '.'", 1, 7, ". is not a name" },
		{ "a name of two dots", "name: ..", 1, 7, ".. is not a name" },
		{ "a name of 65 letters", "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 1, 7, "... is not a name" },
		{ "an empty path", "path: ''", 1, 7, "path: is empty" },
		{ "a URL of another kind", "url: ftp://x/", 1, 6, "url: is not an http or https URL" },
		{ "a URL with a password, which is not repeated", "url: http://u:pw@x/", 1, 6, "url: is not an http or https URL like https://host/path" },
		{ "a map for a value", "count: {a: 1}", 1, 8, "count: one value must stand here, not a map" },
		{ "a list for a value", "count:\n  - 1", 2, 3, "count: one value must stand here, not a list" },
		{ "a value for a map", "inner: 4", 1, 8, "inner: a map must stand here" },
		{ "a list for a map", "inner: [4]", 1, 8, "inner: a map must stand here" },
		{ "a value for the file", "hello", 1, 1, "a map must stand here" },
		{ "a list for the file", "- a", 1, 1, "a map must stand here" },
		{ "a value for a list", "words: wa", 1, 8, "words: a list must stand here" },
		{ "a map for a list", "pairs: {id: 1}", 1, 8, "pairs: a list must stand here" },
		{ "a map in a list of texts", "words: [{a: 1}]", 1, 9, "words[0]: one value must stand here" },
		{ "nothing in a list of texts", "words:\n  -\n", 2, 4, "words[0]: has no value" },
		{ "an empty text in a list", "words: [wa, \"\"]", 1, 13, "words[1]: is empty" },
		{ "an item its check refuses", "words: [wa, b]", 1, 13, "words[1]: b does not begin with w" },
		{ "too many in a list", "words: [w, w, w, w]", 1, 8, "words: the list has 4 entries, at most 3 are allowed" },
		{ "a missing name in a list of maps", "pairs:\n  - label: x", 2, 5, "pairs[0].id: is missing" },
		{ "a missing name in a map that is there", "inner:\n  low: 1", 2, 3, "inner.word: is missing" },
		{ "a map that is there with nothing in it", "inner:", 1, 7, "inner.word: is missing" },
		{ "a mistake deep in a list", "pairs:\n  - id: 1\n  - id: 1\n    label: a b", 4, 12, "pairs[1].label: a b is not a name" },
		{ "an anchor", "title: &a x", 1, 8, "&a: anchors are not allowed" },
		{ "an anchor on a map", "inner: &a\n  word: w", 1, 8, "&a: anchors are not allowed" },
		{ "an anchor on a list", "words: &a [w]", 1, 8, "&a: anchors are not allowed" },
		{ "an alias without anchor", "title: *a", 1, 8, "*a: aliases are not allowed" },
		{ "a merge", "<<: {count: 1}", 1, 1, "<<: there is no such setting" },
		{ "a tag", "count: !!int 4", 1, 8, "tag:yaml.org,2002:int: tags are not allowed" },
		{ "a tag of one's own", "count: !x 4", 1, 8, "!x: tags are not allowed" },
		{ "a tag that says nothing", "count: ! 4", 1, 8, "!: tags are not allowed" },
		{ "a second document", "count: 1\n---\ncount: 2", 2, 1, "a second document begins here" },
		{ "a second document behind an end", "count: 1\n...\n---\n", 3, 1, "a second document begins here" },
		{ "a tab that indents", "inner:\n\tlow: 1", 2, 1, "a tab stands where the line is indented" },
		{ "a tab that indents among blanks", "inner:\n  word: w\n \tlow: 1", 3, 0, "a tab stands where the line is indented" },
		{ "a block text", "title: |\n  a\n", 1, 8, "title: the value goes over more than one line" },
		{ "a folded text", "title: >\n  a\n", 1, 8, "goes over more than one line" },
		{ "a plain text over two lines", "title: a\n  b", 1, 8, "goes over more than one line" },
		{ "a quoted text over two lines", "title: \"a\n  b\"", 1, 8, "goes over more than one line" },
		{ "a list that does not end", "words: [w, w", 0, 0, "not YAML: " },
		{ "a quote that does not end", "title: \"w", 0, 0, "not YAML: " },
		{ "a line that is indented wrongly", "inner:\n  low: 1\n word: w", 3, 2, "not YAML: " },
		{ "bytes that are no UTF-8", "count: 1\ntitle: \xff", 2, 8, "not a text in UTF-8" },
		{ "a control character", "title: a\001b", 1, 9, "not a text in UTF-8" },
		{ "YAML of a version that is not known", "%YAML 3.0\n---\n", 1, 1, "not YAML: " },
		{ "nested too deep", "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", 1, 17, "nested deeper than 16 levels" },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(reading_free) struct reading r = read_text(slice_of(row[i].text), "/base");
		const struct settings_error *e = &r.errors.item[0];
		ROW(row[i].name, r.result == SETTINGS_E_WRONG && r.errors.count == 1);
		if (r.result != SETTINGS_E_WRONG || !strstr(e->text, row[i].says))
			fprintf(stderr, "  %u:%u: %s\n", e->line, e->column, e->text);
		ROW(row[i].name, strstr(e->text, row[i].says));
		ROW(row[i].name, row[i].line == 0 || e->line == row[i].line);
		ROW(row[i].name, row[i].column == 0 || e->column == row[i].column);
		ROW(row[i].name, !strstr(e->text, "pw"));
	}
}

static void
many_mistakes(void)
{
	{
		CLEANUP(reading_free) struct reading r = read_text(
		    SLICE("words: [x]\ncount: 0\ntitle: &a x\ninner:\n  low: 10\nzebra: 1\n"), "/base");
		ROW("every mistake is said", r.result == SETTINGS_E_WRONG && r.errors.count == 6);
		for (size_t i = 1; i < 6; i++)
			ROW("in the file's order", r.errors.item[i - 1].line <= r.errors.item[i].line);
	}
	struct buf text = { 0 };
	for (int i = 0; i < 50; i++)
		REQUIRE(buf_printf(&text, "zebra%d: 1\n", i) == 0);
	{
		CLEANUP(reading_free) struct reading r = read_text(buf_view(&text), "/base");
		ROW("more than there is room for are counted", r.result == SETTINGS_E_WRONG && r.errors.count == 50);
		ROW("and the first are kept", r.errors.item[SETTINGS_ERRORS_MAX - 1].line == SETTINGS_ERRORS_MAX);
	}
	buf_free(&text);
}

static void
bombs(void)
{
	static const char laughs[] =
	    "pairs: &a [{id: 1}, {id: 1}]\n"
	    "words: [*a, *a, *a]\n";
	CLEANUP(reading_free) struct reading r = read_text(slice_of(laughs), "/base");
	ROW("aliases are never followed", r.result == SETTINGS_E_WRONG && r.errors.count == 4);

	size_t len = SETTINGS_TEXT_MAX + 1;
	char *big = malloc(len);
	REQUIRE(big);
	memset(big, '[', len);
	CLEANUP(reading_free) struct reading deep = read_text((struct slice){ big, 100000 }, "/base");
	ROW("a hundred thousand brackets are one mistake", deep.result == SETTINGS_E_WRONG && deep.errors.count == 1);
	CLEANUP(reading_free) struct reading huge = read_text((struct slice){ big, len }, "/base");
	ROW("a huge file is not read", huge.result == SETTINGS_E_WRONG && strstr(huge.errors.item[0].text, "at most"));
	ROW("it is the file that is wrong", huge.errors.item[0].line == 0);
	free(big);
}

static void
sockets(void)
{
	char dir[120], text[400];
	/* "/" + name + "/run/x.sock" is 107 bytes with a name of 95. */
	snprintf(dir, sizeof dir, "/%0*d", 95, 0);
	CLEANUP(reading_free) struct reading fits = read_text(SLICE(""), dir);
	ROW("107 bytes are a socket's path", fits.result == 0 && fits.got.socket.len == 107);
	snprintf(dir, sizeof dir, "/%0*d", 96, 0);
	CLEANUP(reading_free) struct reading over = read_text(SLICE(""), dir);
	ROW("108 are a mistake, also of a default", over.result == SETTINGS_E_WRONG && over.errors.count == 1);
	ROW("it says whose", strstr(over.errors.item[0].text, "socket: the path of a Unix socket may have 107 bytes and this one has 108"));
	ROW("and has no line", over.errors.item[0].line == 0);
	snprintf(text, sizeof text, "path: /%0*d\nsocket: /%0*d\n", 150, 0, 120, 0);
	CLEANUP(reading_free) struct reading given = read_text(slice_of(text), "/");
	ROW("of a given one it has", given.result == SETTINGS_E_WRONG && given.errors.count == 1 && given.errors.item[0].line == 2);
}

static void
no_memory(void)
{
	struct arena *a;
	struct sample s = { 0 };
	struct settings_errors errors;
	REQUIRE(arena_new(64, &a) == 0);
	ROW("a full arena is no mistake of the file",
	    settings_read(SLICE("pairs: [{id: 1}, {id: 1}, {id: 1}, {id: 1}]"), "/base", table, &s, a, &errors) < 0);
	arena_free(a);
}

/* ---- what is printed ---- */

static bool
holds(const struct buf *b, const char *text)
{
	return b->len > 0 && memmem(b->ptr + b->at, b->len, text, strlen(text)) != NULL;
}

static void
printed(void)
{
	CLEANUP(buf_free) struct buf help = { 0 }, sample = { 0 }, roff = { 0 };
	ROW("help is made", settings_help(table, &help) == 0);
	ROW("a number with its range", holds(&help, "  count           number 1..64, default 16"));
	ROW("a size in its unit", holds(&help, "size 512..1GiB, default 64KiB"));
	ROW("a number without end", holds(&help, "number from -5, default -1"));
	ROW("choices", holds(&help, "red, green or blue, default green"));
	ROW("a map's rows by their whole name", holds(&help, "  inner.low "));
	ROW("a list's rows too", holds(&help, "  pairs[].label "));
	ROW("what must be there", holds(&help, "number from 1, required"));
	ROW("what has no default", holds(&help, "URL, default none"));

	ROW("roff is made", settings_roff(table, &roff) == 0);
	ROW("an option is a paragraph", holds(&roff, ".TP\n.B inner.low\nnumber 0..9, default 3.\n"));
	ROW("a minus is not a hyphen", holds(&roff, "default \\-1"));
	ROW("no line of help is a command", holds(&roff, "\n\\&.it may be empty"));

	ROW("a sample is made", settings_sample(table, &sample) == 0);
	ROW("it holds the default", holds(&sample, "#count: 16\n"));
	CLEANUP(reading_free) struct reading r = read_text(SLICE(""), "/base");
	/* inner has a row that must be there, so the sample alone is wrong in
	 * that; nothing else may be. */
	CLEANUP(reading_free) struct reading s = read_text(buf_view(&sample), "/base");
	ROW("it is YAML", s.result == SETTINGS_E_WRONG && s.errors.count == 1 && strstr(s.errors.item[0].text, "inner.word: is missing"));
	ROW("the same defaults come of it", s.got.count == r.got.count && s.got.wait == r.got.wait);
}

static void
places(void)
{
	ROW("a mistake in a line", strcmp(settings_at(&(struct settings_error){ .line = 12, .column = 3 }).text, ":12:3") == 0);
	ROW("a mistake of the file as a whole", settings_at(&(struct settings_error){ .line = 0 }).text[0] == '\0');
	ROW("the largest place fits", strcmp(settings_at(&(struct settings_error){ .line = 4294967295u, .column = 4294967295u }).text,
	    ":4294967295:4294967295") == 0);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "defaults", defaults }, { "values", values }, { "units", units }, { "paths", paths },
		{ "mistakes", mistakes }, { "many mistakes", many_mistakes }, { "bombs", bombs },
		{ "sockets", sockets }, { "no memory", no_memory }, { "printed", printed },
		{ "places", places },
	};
	return unit_run("settings", tests, ARRAY_LEN(tests), 0);
}
