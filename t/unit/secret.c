#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/secret.h"

#include "t/unit/unit.h"

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char dir[] = "/tmp/ponte-unit-secret.XXXXXX";

static const char *
in_dir(const char *name)
{
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void
making(void)
{
	struct secret_key a, b, zero = { .has_next = false };
	struct stat st;

	ROW("a key is made", secret_key_new(dir, "intake.key") == 0);
	ROW("its owner alone may read it, nobody may write it",
	    stat(in_dir("intake.key"), &st) == 0 && (st.st_mode & 07777) == 0400);
	ROW("its file holds 64 digits and a newline", st.st_size == 65);
	ROW("it is not made twice", secret_key_new(dir, "intake.key") == -EEXIST);
	ROW("it is loaded", secret_key_load(dir, "intake.key", &a) == 0 && memcmp(&a, &zero, sizeof a) != 0);
	ROW("another is made", secret_key_new(dir, "outgoing.key") == 0 && secret_key_load(dir, "outgoing.key", &b) == 0);
	ROW("and differs", memcmp(&a, &b, sizeof a) != 0);
	ROW("no directory, no key", secret_key_new(in_dir("no"), "intake.key") == -ENOENT);
}

static void
loading(void)
{
	static const struct { const char *name, *text; unsigned mode; int r; } row[] = {
		{ "digits and a newline are a key", DIGITS "\n", 0400, 0 },
		{ "digits alone are a key", DIGITS, 0600, 0 },
		{ "a group may read it", DIGITS "\n", 0440, 0 },
		{ "a group may read what its owner may write", DIGITS "\n", 0640, 0 },
		{ "others may not read it", DIGITS "\n", 0644, -EPERM },
		{ "nor a group write it", DIGITS "\n", 0660, -EPERM },
		{ "a digit short is refused", "0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0400, -EINVAL },
		{ "a digit more is refused", "0" DIGITS, 0400, -EINVAL },
		{ "much more is refused", DIGITS DIGITS, 0400, -EINVAL },
		{ "the next key on a second line", DIGITS "\n" DIGITS "\n", 0400, 0 },
		{ "and no newline", DIGITS "\n" DIGITS, 0400, 0 },
		{ "a second line that is no key", DIGITS "\n" "xx112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0400, -EINVAL },
		{ "a second line that is short", DIGITS "\n" "00\n", 0400, -EINVAL },
		{ "three keys", DIGITS "\n" DIGITS "\n" DIGITS "\n", 0400, -EINVAL },
		{ "an empty file is refused", "", 0400, -EINVAL },
		{ "upper case is refused", "AA112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n", 0400, -EINVAL },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct secret_key key = { .has_next = false };
		ROW(row[i].name, file_write(in_dir("k"), slice_of(row[i].text), row[i].mode) == 0);
		ROW(row[i].name, secret_key_load(dir, "k", &key) == row[i].r);
		ROW(row[i].name, key.byte[1] == (row[i].r == 0 ? 0x11 : 0));
	}
	struct secret_key key;
	ROW("a missing key is said to be missing", secret_key_load(dir, "no.key", &key) == -ENOENT);
	ROW("so is one of no directory", secret_key_load(NULL, "k", &key) == -ENOENT);
}

static void
changing(void)
{
	static const struct slice tenant = { "shop", 4 };
	CLEANUP(buf_free) struct buf old = { 0 }, fresh = { 0 }, plain = { 0 };
	struct secret_key one, two, newest, back, other = { .byte = { 9 } };
	struct stat st;

	REQUIRE(file_write(in_dir("c.key"), SLICE(DIGITS "\n"), 0440) == 0);
	REQUIRE(secret_key_load(dir, "c.key", &one) == 0);
	two = one;
	memset(two.next, 0x77, sizeof two.next);
	two.has_next = true;
	REQUIRE(secret_key_replace(dir, "c.key", &two) == 0);
	ROW("written and read", secret_key_load(dir, "c.key", &back) == 0 && memcmp(&back, &two, sizeof back) == 0);
	ROW("its mode is kept", stat(in_dir("c.key"), &st) == 0 && (st.st_mode & 07777) == 0440);
	newest = secret_key_newest(&two);
	ROW("the next one seals, the former opens", memcmp(newest.byte, two.next, CRYPT_KEY) == 0 && memcmp(newest.next, two.byte, CRYPT_KEY) == 0);
	back = secret_key_newest(&one);
	ROW("alone it is the newest", memcmp(&back, &one, sizeof back) == 0);
	ROW("a mark of the newest", secret_key_mark(&two) != secret_key_mark(&one) && secret_key_mark(&two) != 0);
	newest.has_next = false;
	ROW("which is that of the key alone later", secret_key_mark(&newest) == secret_key_mark(&two));

	REQUIRE(secret_seal(&two, tenant, "f", SLICE("words"), &old) == 0 && secret_seal(&newest, tenant, "f", SLICE("words"), &fresh) == 0);
	ROW("until then the first seals", secret_open(&one, tenant, "f", buf_view(&old), &plain) == 0);
	buf_clear(&plain);
	ROW("both open", secret_open(&two, tenant, "f", buf_view(&fresh), &plain) == 0 && slice_eq(buf_view(&plain), SLICE("words")));
	buf_clear(&plain);
	ROW("the old one alone does not open the new", secret_open(&one, tenant, "f", buf_view(&fresh), &plain) == -EBADMSG);
	ROW("nor the new one the old", secret_open(&newest, tenant, "f", buf_view(&old), &plain) == -EBADMSG);
	ROW("nor another any", secret_open(&other, tenant, "f", buf_view(&old), &plain) == -EBADMSG);
	ROW("what is missing is not replaced", secret_key_replace(dir, "no.key", &one) == -ENOENT);
	unlink(in_dir("c.key"));
}

static void
credentials(void)
{
	struct secret_key key, from_dir;

	ROW("a key of the keys directory", secret_key_load(dir, "intake.key", &from_dir) == 0);
	ROW("a credentials directory", mkdir(in_dir("credentials"), 0700) == 0 &&
	    setenv("CREDENTIALS_DIRECTORY", in_dir("credentials"), 1) == 0);
	ROW("what is not among the credentials comes from the keys directory",
	    secret_key_load(dir, "intake.key", &key) == 0 && memcmp(&key, &from_dir, sizeof key) == 0);
	ROW("a credential", file_write(in_dir("credentials/intake.key"), SLICE(DIGITS "\n"), 0400) == 0);
	ROW("comes first", secret_key_load(dir, "intake.key", &key) == 0 && key.byte[1] == 0x11);
	ROW("also without a keys directory", secret_key_load(NULL, "intake.key", &key) == 0);
	ROW("a bad credential", file_write(in_dir("credentials/intake.key"), SLICE("x"), 0400) == 0);
	ROW("is an error, not passed over", secret_key_load(dir, "intake.key", &key) == -EINVAL);
	ROW("without the variable all is as before", unsetenv("CREDENTIALS_DIRECTORY") == 0 &&
	    secret_key_load(dir, "intake.key", &key) == 0);
}

static void
sealing(void)
{
	CLEANUP(buf_free) struct buf sealed = { 0 }, plain = { 0 };
	struct secret_key key = { .byte = { 9 } }, other = { .byte = { 8 } };
	struct slice acme = SLICE("acme"), text = SLICE("token-1");

	ROW("a token is sealed", secret_seal(&key, acme, "bot/token", text, &sealed) == 0);
	ROW("and opened", secret_open(&key, acme, "bot/token", buf_view(&sealed), &plain) == 0 &&
	    slice_eq(buf_view(&plain), text));
	ROW("not for another tenant", secret_open(&key, SLICE("acm"), "bot/token", buf_view(&sealed), &plain) == -EBADMSG);
	ROW("not as another field", secret_open(&key, acme, "bot/toke", buf_view(&sealed), &plain) == -EBADMSG);
	ROW("not with a byte moved from tenant to field",
	    secret_open(&key, SLICE("cme"), "bot/tokena", buf_view(&sealed), &plain) == -EBADMSG);
	ROW("not with another key", secret_open(&other, acme, "bot/token", buf_view(&sealed), &plain) == -EBADMSG);
}

static void
hardening(void)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit core = { 1, 1 };
		secret_process_harden();
		getrlimit(RLIMIT_CORE, &core);
		_exit(core.rlim_cur == 0 && core.rlim_max == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 7 : 1);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	ROW("a hardened process leaves no core and cannot be traced", WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "making keys", making },
		{ "loading keys", loading },
		{ "changing a key", changing },
		{ "credentials", credentials },
		{ "sealing", sealing },
		{ "hardening", hardening },
	};
	if (crypt_init() < 0 || !mkdtemp(dir))
		return 2;
	unsetenv("CREDENTIALS_DIRECTORY");
	int status = unit_run("secret", tests, ARRAY_LEN(tests), 0);
	static const char *made[] = { "intake.key", "outgoing.key", "k", "credentials/intake.key" };
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		unlink(in_dir(made[i]));
	rmdir(in_dir("credentials"));
	rmdir(dir);
	return status;
}
