/* poison: a program that dies of certain bytes (LD_PRELOAD).  Wherever json-c
 * is to hold a text with the word PONTE_POISON in it, the program of the name
 * PONTE_POISONED is killed. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct json_object *json_object_new_string_len(const char *text, int len);

struct json_object *
json_object_new_string_len(const char *text, int len)
{
	struct json_object *(*real)(const char *, int) =
	    (struct json_object *(*)(const char *, int))dlsym(RTLD_NEXT, "json_object_new_string_len");
	const char *word = getenv("PONTE_POISON"), *program = getenv("PONTE_POISONED");

	if (word && program && len > 0 && strcmp(program, program_invocation_short_name) == 0 &&
	    memmem(text, (size_t)len, word, strlen(word)))
		raise(SIGKILL);
	return real(text, len);
}
