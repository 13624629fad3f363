#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/ponte/ponte.h"
#include "app/ponte/rotate.h"
#include "lib/secret.h"

static const struct key {
	struct rotate_key is;
	const char *seals;
} keys[] = {
	{ { "intake", "intake.key", TENANT_RING_INTAKE, "workers", "ponte-worker" }, "webhook secrets, for the workers" },
	{ { "outgoing", "outgoing.key", TENANT_RING_OUTGOING, "courier", "ponte-courier" },
	  "tokens of hubs and Chatwoots and keys of Odoos, for the courier" },
};

/* EXIT_DONE when the key was made; *ret_there when it had been there. */
static int
make(const char *dir, const struct key *k, bool *ret_there)
{
	int r = secret_key_new(dir, k->is.file);
	*ret_there = r == -EEXIST;
	if (r == -EEXIST)
		return EXIT_DONE;
	if (r < 0)
		return cli_fail("cannot make %s/%s: %s", dir, k->is.file, strerror(-r));
	printf("made %s/%s: %s; keep a copy in a safe place\n", dir, k->is.file, k->seals);
	return EXIT_DONE;
}

static int
key_new(struct cli *cli, const char *word)
{
	if (cli_config(cli) != EXIT_DONE)
		return EXIT_FAILED;
	const char *dir = cli->config.keys.dir.ptr;
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return cli_fail("cannot make the directory %s (keys.dir): %s", dir, strerror(errno));

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		bool there;
		if (word && strcmp(word, keys[i].is.word) != 0)
			continue;
		if (make(dir, &keys[i], &there) != EXIT_DONE)
			return EXIT_FAILED;
		if (there && word)
			return cli_fail("%s/%s is there already and is not overwritten: what it sealed "
			    "could never be opened again", dir, keys[i].is.file);
		if (there)
			printf("kept %s/%s: it is there already\n", dir, keys[i].is.file);
	}
	return EXIT_DONE;
}

static const struct key *
key_named(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(word, keys[i].is.word) == 0)
			return &keys[i];
	return NULL;
}

int
cmd_key(struct cli *cli, int argc, char **argv)
{
	bool rotate = argc > 1 && strcmp(argv[1], "rotate") == 0, dry_run = argc == 4 && strcmp(argv[3], "--dry-run") == 0;

	if (argc < 2 || (!rotate && strcmp(argv[1], "new") != 0))
		return cli_usage("key", "key wants 'new' or 'rotate'");
	if (rotate && argc < 3)
		return cli_usage("key", "key rotate wants intake or outgoing: one at a time");
	if (argc > 3 && !(rotate && dry_run))
		return cli_usage("key", rotate ? "key rotate takes one key and --dry-run" : "key new makes one key, or both");
	const struct key *k = argc >= 3 ? key_named(argv[2]) : NULL;
	if (argc >= 3 && !k)
		return cli_usage("key", "there is no key '%s', only intake and outgoing", argv[2]);
	return rotate ? rotate_key(cli, &k->is, dry_run) : key_new(cli, k ? k->is.word : NULL);
}
