/* Fernet: the specification's own vector, and what is none, was changed, or is another's. */
#include <errno.h>

#include "lib/crypt.h"
#include "lib/fernet.h"

#include "t/unit/unit.h"

/* https://github.com/fernet/spec, generate.json: "hello" at 499162800, IV 0..15.
 * The other tokens have the same key, time and IV, and were made with openssl enc. */
#define KEY   "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
#define HELLO "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="
#define TWICE "Z0FBQUFBQWR3SjZ3QUFFQ0F3UUZCZ2NJQ1FvTERBME9EeTAyMWNwR1ZXS1pfZUV3Q0dNNEJMTEZfNUNWOWRPUG1yaHVWVVBnSm9id096N0pjYm1yUjY0alZtcFU0SXdxREE9PQ=="

static struct fernet_key
key(const char *text)
{
	struct fernet_key k;
	REQUIRE(fernet_key_read(slice_of(text), &k) == 0);
	return k;
}

static void
keys(void)
{
	static const struct { const char *text; int r; } row[] = {
		{ KEY, 0 },
		{ " \t" KEY "\n", 0 },
		{ "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4", 0 },
		{ "cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4=", 0 },
		{ "", -EINVAL },
		{ "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4Q==", -EINVAL },          /* 31 bytes */
		{ "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4AAA==", -EINVAL },      /* 34 */
		{ "730ff4c7af3d46923e8ed451ee813c87f790b0a226bc96a92de49b5e9c05e1ee", -EINVAL },
		{ "not a key at all", -EINVAL },
	};
	struct fernet_key k;

	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].text, fernet_key_read(slice_of(row[i].text), &k) == row[i].r);
	k = key(KEY);
	ROW("the first half signs", k.sign[0] == 0x73 && k.sign[15] == 0x87);
	ROW("the second half decrypts", k.encrypt[0] == 0xf7 && k.encrypt[15] == 0xee);
}

static void
tokens(void)
{
	static const struct { const char *name, *token; int r; const char *plain; } row[] = {
		{ "the specification's", HELLO, 0, "hello" },
		{ "nothing", "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0OD3HkMATM5lFqGaerZ-fWPAkyKTyMbYmiNsw2aOq718ErZlYQbIORRvp9giNbObzxmg==", 0, "" },
		{ "three blocks", "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0OD1kwt0Oh5cpbFtB8z4SAL0wpBq7LqRiuO8JgJVDj9ogIdeNgdIZv3dZeeItlK_iWevChvQsUV3QREYZ9TjemS70CxfJ-a03FE-8i0SPUtMT1",
		  0, "s3nha-exemplo çãé, mais de um bloco" },
		{ "one bit of the MAC", "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLE_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==", FERNET_E_KEY, "" },
		{ "one bit of the IV", "gAAAAAAdwJ6wAQECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==", FERNET_E_KEY, "" },
		{ "a good MAC over padding that is none",
		  "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0OD2F9vXhtlSApygZSE6tCiEr9O1HNXyJ6R2JN-YOFda154vQK8EU_SjbCdv3dSKrwzw==", FERNET_E_KEY, "" },
		{ "another version", "gQAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLKY7covSkDHw9ma-418Z5yfJ0bAi-R_TUVpW6VSXlO8JA==", FERNET_E_FORM, "" },
		{ "cut to no whole block", "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4Iwq", FERNET_E_FORM, "" },
		{ "cut to less than the least", "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BA==", FERNET_E_FORM, "" },
		{ "nothing at all", "", FERNET_E_FORM, "" },
		{ "no base64", "%%%%", FERNET_E_FORM, "" },
		{ "in base64 once more", TWICE, FERNET_E_FORM, "" },
	};
	struct fernet_key mine = key(KEY), other = key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(buf_free) struct buf out = { 0 };
		ROW(row[i].name, fernet_open(&mine, slice_of(row[i].token), &out) == row[i].r);
		ROW(row[i].name, slice_eq(buf_view(&out), slice_of(row[i].plain)));
		buf_clear(&out);
		ROW(row[i].name, fernet_open(&other, slice_of(row[i].token), &out) == (row[i].r == 0 ? FERNET_E_KEY : row[i].r));
		ROW(row[i].name, out.len == 0);
	}
}

static void
stored(void)
{
	static const struct { const char *text, *token; } row[] = {
		{ HELLO, HELLO },
		{ TWICE, HELLO },
		{ "s3nha-exemplo", NULL },
		{ "czNuaGEtZXhlbXBsbw==", NULL },       /* base64, of no token */
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(buf_free) struct buf room = { 0 };
		struct slice token = { NULL, 0 };
		ROW(row[i].text, fernet_stored(slice_of(row[i].text), &room, &token) == (row[i].token != NULL));
		ROW(row[i].text, !row[i].token || slice_eq(token, slice_of(row[i].token)));
	}
}

int
main(void)
{
	static const struct unit_test tests[] = { { "keys", keys }, { "tokens", tokens }, { "stored", stored } };
	return unit_run("fernet", tests, ARRAY_LEN(tests), 0);
}
