#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/worker/setup.h"
#include "lib/crypt.h"
#include "lib/tenant_secret.h"

#define SETTINGS_MEMORY (4 * MIB)
#define ENROLMENT_MAX   4097    /* the longest secret, and a newline */

static void
complain_settings(setup_complain *say, struct arena *a, struct slice path, int r, const struct settings_errors *wrong)
{
	if (r < 0) {
		struct slice line = arena_printf(a, "cannot read the settings %.*s: %s", SLICE_ARG(path), strerror(-r));
		say(line.len ? line.ptr : "cannot read the settings");
		return;
	}
	for (size_t i = 0; i < wrong->count && i < SETTINGS_ERRORS_MAX; i++) {
		struct slice line = arena_printf(a, "%.*s%s: %s", SLICE_ARG(path),
		    settings_at(&wrong->item[i]).text, wrong->item[i].text);
		say(line.len ? line.ptr : wrong->item[i].text);
	}
}

static int
load_key(struct setup *s, enum setup_why why_now, setup_complain *say)
{
	const char *dir = arena_text(s->arena, s->config.keys.dir);
	int r = dir ? secret_key_load(dir, "intake.key", &s->intake) : -ENOMEM;
	/* systemd hands the key to the service, and to no check beside it. */
	if (r == 0 || (r == -EACCES && why_now == SETUP_CHECK))
		return 0;

	const char *why = r == -ENOENT ? "there is none; make it with 'ponte key new'" :
	    r == -EPERM ? "others may read it; give it mode 0400" :
	    r == -EINVAL ? "it must hold 64 hex digits" : strerror(-r);
	struct slice line = arena_printf(s->arena, "cannot use %s/intake.key: %s", dir ? dir : "", why);
	say(line.len ? line.ptr : "cannot use intake.key");
	return r;
}

static int
load_enrolment(struct setup *s, setup_complain *say)
{
	const char *path = arena_text(s->arena, s->config.enrolment.secret_file), *why = NULL;
	char *text;
	size_t len;

	if (s->config.enrolment.secret_file.len == 0)
		return 0;
	int r = path ? file_read_private(path, ENROLMENT_MAX, &text, &len) : -ENOMEM;
	if (r == 0) {
		struct slice secret = slice_trim(slice_from(text, len));
		why = tenant_secret_refuse(secret);
		r = why ? -EINVAL : buf_append_slice(&s->enrolment, secret);
		crypt_wipe(text, len);
		free(text);
	}
	if (r == 0)
		return 0;
	struct slice line = arena_printf(s->arena, "cannot use enrolment.secret_file %s: %s%s", path ? path : "", why ? "it " : "", why ? why :
	    r == -EPERM ? "others may read it; give it mode 0640" : strerror(-r));
	say(line.len ? line.ptr : "cannot use enrolment.secret_file");
	return r;
}

int
setup_load(struct config_source source, enum setup_why why_now, setup_complain *say, struct setup **ret)
{
	struct setup *s = calloc(1, sizeof *s);
	if (!s || arena_new(SETTINGS_MEMORY, &s->arena) < 0) {
		free(s);
		say("no memory for the settings");
		return -ENOMEM;
	}

	struct settings_errors wrong = { 0 };
	struct slice path = { NULL, 0 };
	int r = config_load(source, s->arena, &s->config, &path, &wrong);
	if (r == 0 && why_now != SETUP_START)
		r = config_files(&s->config, &wrong);
	if (r != 0)
		complain_settings(say, s->arena, path, r, &wrong);
	if (r == 0)
		r = load_key(s, why_now, say);
	if (r == 0)
		r = load_enrolment(s, say);
	if (r != 0) {
		setup_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void
setup_free(struct setup *s)
{
	if (!s)
		return;
	crypt_wipe(&s->intake, sizeof s->intake);
	if (s->enrolment.cap > 0)
		crypt_wipe(s->enrolment.ptr, s->enrolment.cap);
	buf_free(&s->enrolment);
	arena_free(s->arena);
	free(s);
}
