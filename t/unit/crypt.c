#include <errno.h>
#include <string.h>

#include "lib/crypt.h"

#include "t/unit/unit.h"

static bool
is_hex(const uint8_t *bytes, const char *want)
{
	char text[2 * CRYPT_SHA256 + 1];
	hex_encode(bytes, CRYPT_SHA256, text);
	return strcmp(text, want) == 0;
}

static void
hashes(void)
{
	/* FIPS 180-2, appendix B, and the empty text. */
	static const struct { const char *name, *text, *want; } row[] = {
		{ "SHA-256 of nothing", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "SHA-256 of abc", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "SHA-256 of two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	uint8_t hash[CRYPT_SHA256];
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		crypt_sha256(slice_of(row[i].text), hash);
		ROW(row[i].name, is_hex(hash, row[i].want));
	}
	crypt_sha256((struct slice){ NULL, 0 }, hash);
	ROW("SHA-256 of a slice without memory", is_hex(hash, row[0].want));
}

static void
macs(void)
{
	/* RFC 4231; the text is split at different places. */
	char aa[131], dd[50], k20[20];
	uint8_t mac[CRYPT_SHA256];
	memset(aa, 0xaa, sizeof aa);
	memset(dd, 0xdd, sizeof dd);
	memset(k20, 0x0b, sizeof k20);
	struct slice none = { NULL, 0 };

	crypt_hmac(slice_from(k20, 20), SLICE("Hi "), SLICE("There"), mac);
	ROW("test case 1", is_hex(mac, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
	crypt_hmac(SLICE("Jefe"), SLICE("what do ya want for nothing?"), none, mac);
	ROW("test case 2, all of it head", is_hex(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
	crypt_hmac(SLICE("Jefe"), none, SLICE("what do ya want for nothing?"), mac);
	ROW("test case 2, all of it body", is_hex(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
	crypt_hmac(slice_from(aa, 20), slice_from(dd, 1), slice_from(dd, 49), mac);
	ROW("test case 3", is_hex(mac, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"));
	crypt_hmac(slice_from(aa, 131), SLICE("Test Using Larger Than Block-Size Key"), SLICE(" - Hash Key First"), mac);
	ROW("test case 6: a key longer than a block", is_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
	crypt_hmac(none, none, none, mac);
	ROW("no key and no text", is_hex(mac, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
}

static void
equality(void)
{
	struct slice none = { NULL, 0 };
	ROW("the same bytes are equal", crypt_equal(SLICE("secret"), slice_from("secret!", 6)));
	ROW("the last byte counts", !crypt_equal(SLICE("secret"), SLICE("secreT")));
	ROW("the first byte counts", !crypt_equal(SLICE("secret"), SLICE("Secret")));
	ROW("a prefix is not equal", !crypt_equal(SLICE("secre"), SLICE("secret")));
	ROW("nothing equals nothing", crypt_equal(none, SLICE("")));
	ROW("nothing equals nothing else", !crypt_equal(none, SLICE("s")));
}

static void
randomness(void)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 }, zero[32] = { 0 };
	crypt_random(a, sizeof a);
	crypt_random(b, sizeof b);
	ROW("random bytes are not the same twice", memcmp(a, b, sizeof a) != 0 && memcmp(a, zero, sizeof a) != 0);
	uint32_t ones = 0, zeros = 0;
	for (int i = 0; i < 100; i++) {
		uint32_t r = crypt_random32();
		ones |= r;
		zeros |= ~r;
	}
	ROW("every one of 32 bits is sometimes set and sometimes not", (ones & zeros) == UINT32_MAX);
	crypt_wipe(a, sizeof a);
	ROW("wiped bytes are zero", memcmp(a, zero, sizeof a) == 0);
	crypt_wipe(NULL, 0);
}

static const uint8_t key[CRYPT_KEY] = { 1, 2, 3 }, other_key[CRYPT_KEY] = { 1, 2, 4 };

static void
sealing(void)
{
	CLEANUP(buf_free) struct buf sealed = { 0 }, again = { 0 }, plain = { 0 };
	struct slice text = SLICE("whsec-0123456789"), where = SLICE("acme/sender/bot/secret");

	ROW("a text is sealed behind what is there", buf_append(&sealed, "XY", 2) == 0 &&
	    crypt_seal(key, where, text, &sealed) == 0);
	buf_consume(&sealed, 2);
	ROW("sealed: version, nonce, text, tag", sealed.len == 1 + 24 + text.len + 16 && buf_view(&sealed).ptr[0] == 1);
	ROW("the text is not to be seen", !memmem(buf_view(&sealed).ptr, sealed.len, "whsec", 5));
	ROW("sealed again it looks different", crypt_seal(key, where, text, &again) == 0 &&
	    !slice_eq(buf_view(&sealed), buf_view(&again)));
	ROW("it is opened, behind what is there", buf_append(&plain, "Z", 1) == 0 &&
	    crypt_open(key, where, buf_view(&sealed), &plain) == 0);
	ROW("and is the text", slice_eq(buf_view(&plain), SLICE("Zwhsec-0123456789")));
	ROW("another key does not open it", crypt_open(other_key, where, buf_view(&sealed), &plain) == -EBADMSG);
	ROW("another place does not open it",
	    crypt_open(key, SLICE("acme/sender/bot/secreT"), buf_view(&sealed), &plain) == -EBADMSG);
	ROW("no place does not open it", crypt_open(key, (struct slice){ NULL, 0 }, buf_view(&sealed), &plain) == -EBADMSG);

	unsigned opened = 0;
	for (size_t i = 0; i < sealed.len; i++) {
		sealed.ptr[sealed.at + i] ^= 0x10;
		opened += crypt_open(key, where, buf_view(&sealed), &plain) != -EBADMSG;
		sealed.ptr[sealed.at + i] ^= 0x10;
	}
	ROW("no byte of it can be changed", opened == 0);
	for (size_t n = 0; n < sealed.len; n++)
		opened += crypt_open(key, where, slice_from(buf_view(&sealed).ptr, n), &plain) != -EBADMSG;
	ROW("no byte of it can be cut off", opened == 0);
	ROW("what could not be opened left nothing behind", plain.len == 1 + text.len);
}

static void
sealing_nothing(void)
{
	CLEANUP(buf_free) struct buf sealed = { 0 }, plain = { 0 };
	struct slice none = { NULL, 0 };

	ROW("nothing is sealed, for no place", crypt_seal(key, none, none, &sealed) == 0 && sealed.len == 41);
	ROW("and opened", crypt_open(key, none, buf_view(&sealed), &plain) == 0 && plain.len == 0);
	ROW("nothing cannot be opened", crypt_open(key, none, none, &plain) == -EBADMSG);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "hashes", hashes },
		{ "message authentication codes", macs },
		{ "equality", equality },
		{ "randomness", randomness },
		{ "sealing", sealing },
		{ "sealing nothing", sealing_nothing },
	};
	if (crypt_init() < 0)
		return 2;
	return unit_run("crypt", tests, ARRAY_LEN(tests), 0);
}
