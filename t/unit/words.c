#include <string.h>

#include "lib/words.h"

#include "t/unit/unit.h"

static void
stems(void)
{
	/* clang-format off */
	static const struct { const char *name, *text, *want; } row[] = {
		{ "nothing",            "", "" },
		{ "blanks and signs",   " -- \t«»!?… ", "" },
		{ "accents and case",   "HORÁRIO horário Horarios", "horari horari horari" },
		{ "decomposed accents", "hora\xcc\x81rio", "horari" },
		{ "plural and verb",    "Entregas entregamos", "entreg entreg" },
		{ "numbers stay",       "Pix 24h R$ 10,50", "pix 24h r 10 50" },
		{ "other letters",      "naïve Straße Œuvre", "naiv strass oeuvr" },
		{ "another script",     "日本語 и рыба", "日本語 и рыба" },
		{ "quotes are no letters", "\"OR\" NEAR(a*)", "or near a" },
		{ "a sign that touches", "🔥Frete★ pão☕queijo Sim→não", "fret pao queij sim nao" },
		{ "signs alone",        "🔥 ★★★ ⚠\xef\xb8\x8f 🇧🇷 \xf3\xa0\x81\xbf", "" },
		{ "signs that cannot be seen", "sol\xe2\x80\x8dmar sol\xef\xb8\x8fmar", "sol mar sol mar" },
		{ "full width",         "ＰＩＸ！ｂ２", "pix b2" },
		{ "no UTF-8",           "a\xff""b\xc3", "a b" },
	};
	/* clang-format on */
	struct words *w;
	REQUIRE(words_new(&w) == 0);
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct buf out = { 0 };
		ROW(row[i].name, words_stems(w, slice_of(row[i].text), &out) == 0 && slice_eq(buf_view(&out), slice_of(row[i].want)));
		buf_free(&out);
	}
	char longest[300];
	memset(longest, 'z', sizeof(longest));
	struct buf out = { 0 };
	ROW("of a word 64 bytes count", words_stems(w, slice_from(longest, sizeof(longest)), &out) == 0 && out.len == 64);
	ROW("a blank between two texts", words_stems(w, SLICE("sol"), &out) == 0 && out.len == 68);
	buf_free(&out);
	words_free(w);
}

int
main(void)
{
	static const struct unit_test tests[] = { { "stems", stems } };
	return unit_run("words", tests, ARRAY_LEN(tests), 0);
}
