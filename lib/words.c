#include <errno.h>
#include <libstemmer.h>
#include <stdlib.h>
#include <string.h>

#include "lib/words.h"

#define WORD_MAX 64             /* bytes of a word that count */

/* U+00C0 to U+017F without case and accents; empty: no letter. */
static const char folded[192][3] = {
	"a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i",
	"d", "n", "o", "o", "o", "o", "o", "", "o", "u", "u", "u", "u", "y", "th", "ss",
	"a", "a", "a", "a", "a", "a", "ae", "c", "e", "e", "e", "e", "i", "i", "i", "i",
	"d", "n", "o", "o", "o", "o", "o", "", "o", "u", "u", "u", "u", "y", "th", "y",
	"a", "a", "a", "a", "a", "a", "c", "c", "c", "c", "c", "c", "c", "c", "d", "d",
	"d", "d", "e", "e", "e", "e", "e", "e", "e", "e", "e", "e", "g", "g", "g", "g",
	"g", "g", "g", "g", "h", "h", "h", "h", "i", "i", "i", "i", "i", "i", "i", "i",
	"i", "i", "ij", "ij", "j", "j", "k", "k", "k", "l", "l", "l", "l", "l", "l", "l",
	"l", "l", "l", "n", "n", "n", "n", "n", "n", "n", "n", "n", "o", "o", "o", "o",
	"o", "o", "oe", "oe", "r", "r", "r", "r", "r", "r", "s", "s", "s", "s", "s", "s",
	"s", "s", "t", "t", "t", "t", "t", "t", "u", "u", "u", "u", "u", "u", "u", "u",
	"u", "u", "u", "u", "w", "w", "y", "y", "y", "z", "z", "z", "z", "z", "z", "s",
};

struct words {
	struct sb_stemmer *stemmer;
};

int
words_new(struct words **ret)
{
	struct words *w = calloc(1, sizeof(*w));
	if (w)
		w->stemmer = sb_stemmer_new("portuguese", "UTF_8");
	if (!w || !w->stemmer) {
		free(w);
		return -ENOMEM;
	}
	*ret = w;
	return 0;
}

void
words_free(struct words *w)
{
	if (!w)
		return;
	sb_stemmer_delete(w->stemmer);
	free(w);
}

void
words_freep(struct words **w)
{
	words_free(*w);
}

static uint32_t
code_point(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;
	switch (n) {
	case 1:  return u[0];
	case 2:  return (uint32_t)(u[0] & 0x1f) << 6 | (u[1] & 0x3f);
	case 3:  return (uint32_t)(u[0] & 0x0f) << 12 | (uint32_t)(u[1] & 0x3f) << 6 | (u[2] & 0x3f);
	default: return (uint32_t)(u[0] & 0x07) << 18 | (uint32_t)(u[1] & 0x3f) << 12 | (uint32_t)(u[2] & 0x3f) << 6 | (u[3] & 0x3f);
	}
}

static int
fold_ascii(uint32_t c, char ret[static 5])
{
	bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');

	ret[0] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	return letter ? 1 : -1;
}

/* Signs, blanks and what joins or dresses them are no part of a word.  The index
 * (unicode61) thinks so, too: it would find a word that is not among the stems. */
static bool
is_sign(uint32_t c)
{
	static const struct { uint32_t first, last; } signs[] = {
		{ 0x80, 0xbf },         /* Latin-1 */
		{ 0x2000, 0x2bff },     /* punctuation, arrows, mathematics, pictures */
		{ 0x3000, 0x303f },     /* CJK punctuation */
		{ 0xfe00, 0xfe6f }, { 0xfeff, 0xfeff },
		{ 0x1f000, 0x1fbff },   /* emojis */
		{ 0xe0000, 0xe0fff },   /* tags of emojis */
	};

	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (c >= signs[i].first && c <= signs[i].last)
			return true;
	return false;
}

/* What a character is in a word: its letters, nothing (a combining accent), or
 * -1: it ends the word. */
static int
fold(const char *p, size_t n, char ret[static 5])
{
	uint32_t c = code_point(p, n);
	if (c < 0x80)
		return fold_ascii(c, ret);
	if (c >= 0xff01 && c <= 0xff5e)         /* full width */
		return fold_ascii(c - 0xff01 + '!', ret);
	if (c >= 0xc0 && c < 0x180) {
		size_t len = strlen(folded[c - 0xc0]);
		memcpy(ret, folded[c - 0xc0], len);
		return len > 0 ? (int)len : -1;
	}
	if (c >= 0x300 && c <= 0x36f)
		return 0;
	if (is_sign(c))
		return -1;
	memcpy(ret, p, n);              /* another script: as it is */
	return (int)n;
}

static int
stem(struct words *w, const char *word, size_t len, struct buf *out)
{
	const sb_symbol *s = sb_stemmer_stem(w->stemmer, (const sb_symbol *)word, (int)len);
	if (!s)
		return -ENOMEM;
	int r = out->len > 0 ? buf_append(out, " ", 1) : 0;
	return r == 0 ? buf_append(out, s, (size_t)sb_stemmer_length(w->stemmer)) : r;
}

int
words_stems(struct words *w, struct slice text, struct buf *out)
{
	char word[WORD_MAX + 8];
	size_t len = 0;
	int r = 0;
	for (size_t at = 0, n; at <= text.len && r == 0; at += n) {
		char letters[5];
		n = at < text.len ? slice_utf8(slice_after(text, at)) : 0;
		int k = n > 0 ? fold(text.ptr + at, n, letters) : -1;
		if (n == 0)
			n = 1;          /* the end, or what is no UTF-8 */
		if (k < 0) {
			if (len > 0)
				r = stem(w, word, len, out);
			len = 0;
		} else if (len + (size_t)k <= WORD_MAX) {
			memcpy(word + len, letters, (size_t)k);
			len += (size_t)k;
		}
	}
	return r;
}
