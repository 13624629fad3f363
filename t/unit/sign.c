#include <stdlib.h>
#include <string.h>

#include "lib/crypt.h"
#include "lib/json.h"
#include "lib/sign.h"

#include "t/unit/fixture.h"
#include "t/unit/unit.h"

#define VECTORS "chatwoot/signatures.json"
#define ADDON   "odoo-addon/canonical.json"
#define NOW INT64_C(1767348005)
#define MAC "6b4a4b8b3c40f1e8f53a3d36682e5f99f7ad2ac1df1c93dfe336f329167641e7"

static void
forms(void)
{
	static const struct { const char *name, *timestamp, *signature; int64_t now; int r; } row[] = {
		{ "a signature of the form", "1767348005", "sha256=" MAC, NOW, 0 },
		{ "neither header", "", "", NOW, SIGN_E_MISSING },
		{ "a timestamp alone", "1767348005", "", NOW, SIGN_E_FORM },
		{ "a signature alone", "", "sha256=" MAC, NOW, SIGN_E_FORM },
		{ "the prefix in upper case", "1767348005", "SHA256=" MAC, NOW, SIGN_E_FORM },
		{ "the prefix alone", "1767348005", "sha256=", NOW, SIGN_E_FORM },
		{ "a blank behind", "1767348005", "sha256=" MAC " ", NOW, SIGN_E_FORM },
		{ "two signatures", "1767348005", "sha256=" MAC ",sha256=" MAC, NOW, SIGN_E_FORM },
		{ "zero is a timestamp", "0", "sha256=" MAC, 300, 0 },
		{ "a leading zero is none", "01767348005", "sha256=" MAC, NOW, SIGN_E_FORM },
		{ "a blank behind the timestamp", "1767348005 ", "sha256=" MAC, NOW, SIGN_E_FORM },
		{ "thirteen digits are milliseconds, not a timestamp", "1767348005000", "sha256=" MAC, NOW, SIGN_E_FORM },
		{ "twelve digits are too far away", "999999999999", "sha256=" MAC, NOW, SIGN_E_WINDOW },
		{ "the oldest that passes", "1767347705", "sha256=" MAC, NOW, 0 },
		{ "a second older", "1767347704", "sha256=" MAC, NOW, SIGN_E_WINDOW },
		{ "the farthest ahead that passes", "1767348305", "sha256=" MAC, NOW, 0 },
		{ "a second farther", "1767348306", "sha256=" MAC, NOW, SIGN_E_WINDOW },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct sign_headers h;
		ROW(row[i].name, sign_read(slice_of(row[i].timestamp), slice_of(row[i].signature), row[i].now, &h) == row[i].r);
	}
	for (int r = 0; r <= SIGN_E_MISMATCH; r++)
		for (int other = 0; other < r; other++)
			ROW("every outcome has words of its own", strcmp(sign_reason(r), sign_reason(other)) != 0);
}

static void
round_trip(void)
{
	char text[SIGN_TEXT];
	struct sign_headers h;
	struct slice none = { NULL, 0 };

	sign_make(SLICE("k"), SLICE("0"), none, text);
	ROW("the smallest case", strcmp(text, "sha256=" MAC) == 0);
	sign_make(SLICE("s3cret"), SLICE("1767348005"), SLICE("{\"a\":1}"), text);
	ROW("what was signed here is read", sign_read(SLICE("1767348005"), slice_of(text), NOW, &h) == 0);
	ROW("and matches", sign_check(&h, SLICE("s3cret"), SLICE("{\"a\":1}")) == 0);
	ROW("not with another secret", sign_check(&h, SLICE("s3creT"), SLICE("{\"a\":1}")) == SIGN_E_MISMATCH);
	ROW("not with another body", sign_check(&h, SLICE("s3cret"), SLICE("{\"a\":2}")) == SIGN_E_MISMATCH);
	ROW("one reading serves several secrets", sign_check(&h, SLICE("old"), SLICE("{\"a\":1}")) == SIGN_E_MISMATCH &&
	    sign_check(&h, SLICE("s3cret"), SLICE("{\"a\":1}")) == 0);
	sign_make(none, SLICE("1767348005"), SLICE("x"), text);
	ROW("no secret never matches, not even itself", sign_read(SLICE("1767348005"), slice_of(text), NOW, &h) == 0 &&
	    sign_check(&h, none, SLICE("x")) == SIGN_E_MISMATCH);
}

/* ---- the vectors ---- */

static struct slice
text_of(const struct json *row, const char *key)
{
	const struct json *value;
	json_get(row, key, &value);
	return json_text(value);
}

/* Headers, secret and body of one row; 0 or why not. */
static int
decide(const struct json *row, struct slice body)
{
	const struct json *value;
	struct sign_headers h;
	struct slice timestamp = text_of(row, "timestamp");
	int64_t now;

	/* Without a clock of its own, a row is about the bytes. */
	json_get(row, "now", &value);
	if (json_int(value, &now) < 0 && slice_to_i64(timestamp, 0, INT64_MAX, &now) < 0)
		now = NOW;
	int r = sign_read(timestamp, text_of(row, "signature"), now, &h);
	return r != 0 ? r : sign_check(&h, text_of(row, "secret"), body);
}

static void
check_vector(const struct json *row)
{
	struct slice file = text_of(row, "file"), why = text_of(row, "why"), body = text_of(row, "body_utf8");
	const struct json *valid;
	char name[300], path[300];
	CLEANUP(free_charp) char *text = NULL;
	size_t len;

	snprintf(name, sizeof name, SLICE_FMT ": " SLICE_FMT, SLICE_ARG(file), SLICE_ARG(why));
	if (file.len > 0) {
		snprintf(path, sizeof path, "chatwoot/" SLICE_FMT, SLICE_ARG(file));
		text = fixture_read(path, &len);
		ROW(name, text != NULL);
		body = slice_from(text, text ? len : 0);
	}
	ROW(name, json_get(row, "valid", &valid) == JSON_BOOL);
	ROW(name, (decide(row, body) == 0) == json_true(valid));
}

static void
vectors(void)
{
	if (!fixture_there(VECTORS))
		return;
	size_t len, rows = 0;
	struct json_fault fault;
	CLEANUP(free_charp) char *text = fixture_read(VECTORS, &len);
	CLEANUP(json_freep) struct json *all = NULL;
	ROW("the vectors are JSON", text && json_check(slice_from(text, len), &json_default_limits, &fault) == 0 &&
	    json_parse(slice_from(text, len), &all) == 0);

	static const char *lists[] = { "valid", "invalid", "clock", "primitive" };
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct json *list, *row;
		ROW(lists[i], json_get(all, lists[i], &list) == JSON_ARRAY && json_length(list) > 3);
		for (size_t k = 0; json_at(list, k, &row) == JSON_OBJECT; k++, rows++)
			check_vector(row);
	}
	const struct json *upper;
	ROW("the row in upper case", json_get(all, "upper_case", &upper) == JSON_OBJECT);
	check_vector(upper);
	ROW("all of them were there", rows > 90);
}

static void
addon_forms(void)
{
	static const char body[] = "{\"b\":2,\"a\":1}";
	static const char mac[] = "b97ac4352b97081cd9af1e72bf2c64b29aa010f493dbc51b782f5e8a1536ecec";
	static const struct { const char *name, *signature, *secret; int r; } row[] = {
		{ "no signature", "", "s", SIGN_E_MISSING },
		{ "a prefix is none of the addons'", "sha256=b97ac4352b97081cd9af1e72bf2c64b29aa010f493dbc51b782f5e8a1536ecec", "s", SIGN_E_FORM },
		{ "a digit short", "b97ac4352b97081cd9af1e72bf2c64b29aa010f493dbc51b782f5e8a1536ece", "s", SIGN_E_FORM },
		{ "another body's", mac, "chave-de-exemplo-0001", SIGN_E_MISMATCH },
		{ "no secret", mac, "", SIGN_E_MISMATCH },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		ROW(row[i].name, sign_addon_check(slice_of(row[i].signature), slice_of(row[i].secret), slice_of(body)) == row[i].r);

	/* Whatever the order and the blanks of what is sent, it is the canonical form that is signed. */
	uint8_t hash[CRYPT_SHA256];
	char text[2 * CRYPT_SHA256 + 1];
	crypt_hmac(SLICE("s"), (struct slice){ NULL, 0 }, SLICE("{\"a\": 1, \"b\": 2}"), hash);
	hex_encode(hash, sizeof hash, text);
	ROW("the order is not signed", sign_addon_check(slice_of(text), SLICE("s"), slice_of(body)) == 0);
	ROW("the values are", sign_addon_check(slice_of(text), SLICE("s"), SLICE("{\"b\":2,\"a\":2}")) == SIGN_E_MISMATCH);
}

static void
addon_vectors(void)
{
	if (!fixture_there(ADDON))
		return;
	size_t len, i = 0;
	struct json_fault fault;
	CLEANUP(free_charp) char *text = fixture_read(ADDON, &len);
	CLEANUP(json_freep) struct json *all = NULL;
	const struct json *list = NULL, *row, *value;
	ROW("the vectors are JSON", text && json_check(slice_from(text, len), &json_default_limits, &fault) == 0 &&
	    json_parse(slice_from(text, len), &all) == 0 && json_get(all, "vectors", &list) == JSON_ARRAY);

	for (; json_at(list, i, &row) == JSON_OBJECT; i++) {
		char name[40], other[200];
		struct slice signature = text_of(row, "signature");
		if (json_get(row, "refused", &value) == JSON_STRING)
			continue;               /* by json_check(), t/unit/json.c */
		snprintf(name, sizeof name, "vector %zu", i);
		ROW(name, sign_addon_check(signature, text_of(all, "key"), text_of(row, "body")) == 0);
		ROW(name, sign_addon_check(signature, SLICE("another"), text_of(row, "body")) == SIGN_E_MISMATCH);
		snprintf(other, sizeof other, SLICE_FMT, SLICE_ARG(signature));
		other[0] = other[0] == '0' ? '1' : '0';
		ROW(name, sign_addon_check(slice_of(other), text_of(all, "key"), text_of(row, "body")) == SIGN_E_MISMATCH);
	}
	ROW("all of them were there", i > 5);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "forms", forms },
		{ "round trip", round_trip },
		{ "vectors", vectors },
		{ "forms of the addons", addon_forms },
		{ "vectors of the addons", addon_vectors },
	};
	if (crypt_init() < 0)
		return 2;
	return unit_run("sign", tests, ARRAY_LEN(tests), fixture_there(VECTORS) && fixture_there(ADDON) ? 0 : 1);
}
