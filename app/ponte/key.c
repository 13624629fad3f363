#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/ponte/ponte.h"
#include "lib/secret.h"

static const struct key {
	const char *word, *file, *seals;
} keys[] = {
	{ "intake",   "intake.key",   "webhook secrets, for the workers" },
	{ "outgoing", "outgoing.key", "tokens of hubs and Chatwoots, for the courier" },
};

/* EXIT_DONE when the key was made; *ret_there when it had been there. */
static int
make(const char *dir, const struct key *k, bool *ret_there)
{
	int r = secret_key_new(dir, k->file);
	*ret_there = r == -EEXIST;
	if (r == -EEXIST)
		return EXIT_DONE;
	if (r < 0)
		return cli_fail("cannot make %s/%s: %s", dir, k->file, strerror(-r));
	printf("made %s/%s: %s; keep a copy in a safe place\n", dir, k->file, k->seals);
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
		if (word && strcmp(word, keys[i].word) != 0)
			continue;
		if (make(dir, &keys[i], &there) != EXIT_DONE)
			return EXIT_FAILED;
		if (there && word)
			return cli_fail("%s/%s is there already and is not overwritten: what it sealed "
			    "could never be opened again", dir, keys[i].file);
		if (there)
			printf("kept %s/%s: it is there already\n", dir, keys[i].file);
	}
	return EXIT_DONE;
}

int
cmd_key(struct cli *cli, int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "new") != 0)
		return cli_usage("key", "key wants 'new'");
	if (argc > 3)
		return cli_usage("key", "key new makes one key, or both");
	const char *word = argc == 3 ? argv[2] : NULL;
	if (word && strcmp(word, keys[0].word) != 0 && strcmp(word, keys[1].word) != 0)
		return cli_usage("key", "there is no key '%s', only intake and outgoing", word);
	return key_new(cli, word);
}
