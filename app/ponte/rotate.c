/* ponte key rotate: another key, while everything goes on.  First the next key
 * stands beside the one in force, and both open; when every role has read it,
 * what is stored is sealed anew, and the former goes. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/ponte/ponte.h"
#include "app/ponte/rotate.h"
#include "lib/crypt.h"
#include "lib/scoreboard.h"
#include "lib/secret.h"
#include "lib/tenant.h"
#include "lib/tenant_reseal.h"

#define TRIES 5         /* of one tenant, when somebody else changes it at once */

struct rotation {
	struct cli              *cli;
	const struct rotate_key *key;
	struct secret_key        both;          /* the next one seals */
	bool                     dry_run, progress;
	bool                     told;          /* the keeper knows, and logs, that all are opened */
	size_t                   tenants;
	struct tenant_resealed   counts;
};

static void
forget(struct secret_key *k)
{
	crypt_wipe(k, sizeof(*k));
}

static int
load(struct cli *cli, const struct rotate_key *key, struct secret_key *ret)
{
	const char *dir = cli->config.keys.dir.ptr;
	int r = secret_key_load(dir, key->file, ret);

	if (r == 0)
		return EXIT_DONE;
	return cli_fail("cannot use %s/%s: %s", dir, key->file, r == -ENOENT ? "there is none; make it with: ponte key new" :
	    r == -EPERM ? "it can be read by others; set its mode to 0400" : r == -EINVAL ? "it is not a key file (64 hex digits)" : strerror(-r));
}

/* ---- the next key ---- */

static int
begin(struct rotation *t, const struct secret_key *now)
{
	CLEANUP(forget) struct secret_key two = *now;
	const char *dir = t->cli->config.keys.dir.ptr;

	if (t->dry_run) {
		printf("%s/%s would get a second key beside the one in force; nothing was written\n", dir, t->key->file);
		return EXIT_DONE;
	}
	crypt_random(two.next, sizeof(two.next));
	two.has_next = true;
	int r = secret_key_replace(dir, t->key->file, &two);
	if (r < 0)
		return cli_fail("cannot write %s/%s: %s", dir, t->key->file, strerror(-r));
	printf("%s/%s holds a second key now; keep a copy in a safe place\n"
	    "next: let the %s read it (systemctl restart %s; nothing is lost meanwhile), then again: ponte key rotate %s\n", dir,
	    t->key->file, t->key->readers, t->key->unit, t->key->word);
	return EXIT_DONE;
}

/* ---- have all read it? ---- */

static bool
behind(const struct scoreboard_slot *s, uint64_t mark)
{
	pid_t pid = (pid_t)atomic_load(&s->pid);

	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) && atomic_load(&s->key) != mark;
}

static int
ready(struct rotation *t)
{
	CLEANUP(forget) struct secret_key alone = t->both;
	const char *path = t->cli->config.listen.scoreboard.ptr;
	struct scoreboard *board;
	unsigned n = 0;

	alone.has_next = false;
	uint64_t mark = secret_key_mark(&alone);
	/* Without a scoreboard no role runs. */
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return EXIT_DONE;
	int r = scoreboard_open(path, &board);
	if (r < 0)
		return cli_fail("cannot look at the roles in %s: %s", path, strerror(-r));
	if (t->key->ring == TENANT_RING_OUTGOING)
		n = behind(&board->courier, mark);
	for (size_t i = 0; i < SCOREBOARD_HOOKS_MAX && t->key->ring == TENANT_RING_INTAKE; i++)
		n += behind(&board->hooks[i], mark);
	for (size_t i = 0; i < SCOREBOARD_API_MAX && t->key->ring == TENANT_RING_INTAKE; i++)
		n += behind(&board->api[i], mark);
	scoreboard_close(board);
	return n == 0 ? EXIT_DONE :
	    cli_fail("the %s %s not read the next key yet (%u process%s): systemctl restart %s, then again; nothing was changed",
	        t->key->readers, t->key->ring == TENANT_RING_OUTGOING ? "has" : "have", n, n == 1 ? "" : "es", t->key->unit);
}

/* ---- sealing anew ---- */

static int
ask(struct rotation *t, enum protocol_kind kind, struct slice name, struct slice after, struct wire_frame *ret)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;

	wire_begin(&w, &out, kind, net_caller_next(&t->cli->keeper));
	if (name.len)
		wire_put(&w, T_NAME, name);
	if (after.len)
		wire_put(&w, T_AFTER, after);
	if (kind == P_TENANT_LIST && !t->told)
		wire_put(&w, T_KIND, SLICE("rotate"));
	return wire_end(&w) == 0 ? cli_ask(t->cli, &out, ret) : cli_fail("out of memory");
}

/* *ret_again: it is another by now. */
static int
put(struct rotation *t, const struct tenant *tenant, struct slice before, bool *ret_again)
{
	CLEANUP(buf_free) struct buf record = { 0 };
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame answer;
	struct wire_writer w;

	if (tenant_encode(tenant, &record) != 0)
		return cli_fail("out of memory");
	wire_begin(&w, &out, P_TENANT_PUT, net_caller_next(&t->cli->keeper));
	wire_put(&w, T_TENANT, buf_view(&record));
	wire_put(&w, T_BEFORE, before);
	if (t->told)            /* one that came since */
		wire_put(&w, T_KIND, SLICE("rotate"));
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	if (cli_ask(t->cli, &out, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	*ret_again = wire_u64(answer.payload, T_RESULT, 0) == SYNC_UNCHANGED;
	return EXIT_DONE;
}

/* One tenant, from the record as it was read; read again while somebody changes it. */
static int
reseal(struct rotation *t, struct slice record)
{
	struct tenant tenant;
	bool again = true;

	for (int try = 0; again && try < TRIES; try++) {
		struct tenant_resealed counts = { 0 };
		if (tenant_decode(record, t->cli->arena, &tenant) < 0)
			return cli_fail("the record of a tenant cannot be read; the former key is kept");
		if (tenant_reseal(&tenant, t->key->ring, &t->both, t->cli->arena, &counts) < 0)
			return cli_fail("out of memory");
		again = false;
		if (counts.lost && !t->counts.lost)
			t->counts.lost_field = arena_printf(t->cli->arena, SLICE_FMT ": " SLICE_FMT, SLICE_ARG(tenant.name), SLICE_ARG(counts.lost_field));
		if (counts.moved && !t->dry_run && put(t, &tenant, record, &again) != EXIT_DONE)
			return EXIT_FAILED;
		if (!again) {
			t->counts.moved += counts.moved;
			t->counts.there += counts.there;
			t->counts.lost += counts.lost;
			break;
		}
		struct wire_frame answer = { 0 };
		if (ask(t, P_TENANT_FIND, tenant.name, (struct slice){ NULL, 0 }, &answer) != EXIT_DONE)
			return EXIT_FAILED;
		record = arena_copy(t->cli->arena, wire_text(answer.payload, T_TENANT));
		if (record.len == 0)
			return EXIT_DONE;       /* removed meanwhile */
	}
	return again ? cli_fail("a tenant is changed all the time by somebody else; again later") : EXIT_DONE;
}

static int
page(struct rotation *t, struct slice after, struct slice *ret_last, bool *ret_more)
{
	struct wire_frame answer = { 0 };
	struct wire_field field;
	size_t n = 0, at = 0;

	if (ask(t, P_TENANT_LIST, (struct slice){ NULL, 0 }, after, &answer) != EXIT_DONE)
		return EXIT_FAILED;
	for (struct wire_reader r = { .rest = answer.payload }; wire_next(&r, &field);)
		n += field.tag == T_TENANT;
	struct slice *record = arena_take(t->cli->arena, (n + 1) * sizeof(*record));
	if (!record)
		return cli_fail("out of memory");
	for (struct wire_reader r = { .rest = answer.payload }; wire_next(&r, &field);)
		if (field.tag == T_TENANT && (record[at++] = arena_copy(t->cli->arena, field.value)).len == 0)
			return cli_fail("out of memory");
	*ret_more = wire_u64(answer.payload, T_MORE, 0) != 0 && n > 0;
	for (size_t i = 0; i < n; i++) {
		struct tenant tenant;
		if (reseal(t, record[i]) != EXIT_DONE)
			return EXIT_FAILED;
		if (i + 1 == n && tenant_decode(record[i], t->cli->arena, &tenant) == 0)
			*ret_last = tenant.name;
		t->tenants++;
		if (t->progress)
			fprintf(stderr, "\r%zu tenants", t->tenants);
	}
	return EXIT_DONE;
}

static int
all(struct rotation *t)
{
	struct slice last = { NULL, 0 };
	bool more = true;
	int e = EXIT_DONE;

	t->tenants = 0;
	t->counts = (struct tenant_resealed){ 0 };
	while (more && e == EXIT_DONE)
		e = page(t, last, &last, &more);
	if (t->progress)
		fputc('\n', stderr);
	return e;
}

static int
finish(struct rotation *t)
{
	const char *dir = t->cli->config.keys.dir.ptr;
	size_t moved;

	if (!t->dry_run && ready(t) != EXIT_DONE)
		return EXIT_FAILED;
	if (cli_keeper(t->cli) != EXIT_DONE || all(t) != EXIT_DONE)
		return EXIT_FAILED;
	if (t->dry_run) {
		printf("%zu secrets of %zu tenants would be sealed anew (%zu are), %zu cannot be opened; nothing was written\n",
		    t->counts.moved, t->tenants, t->counts.there, t->counts.lost);
		return EXIT_DONE;
	}
	if (t->counts.lost)
		return cli_fail("%zu secrets were sealed anew, but %zu cannot be opened (the first: " SLICE_FMT
		    "): import these tenants again, then this; the former key is kept", t->counts.moved, t->counts.lost,
		    SLICE_ARG(t->counts.lost_field));
	moved = t->counts.moved;
	CLEANUP(forget) struct secret_key newest = t->both;
	newest.has_next = false;
	t->told = true;
	int r = secret_key_replace(dir, t->key->file, &newest);
	if (r < 0)
		return cli_fail("cannot write %s/%s: %s", dir, t->key->file, strerror(-r));
	/* Once more: what was imported while we went through them. */
	if (all(t) != EXIT_DONE)
		return EXIT_FAILED;
	printf("%zu secrets of %zu tenants are sealed under the new key, and %s/%s holds it alone\n"
	    "a backup of the store from before needs the former key: keep it as long as such a backup\n", moved + t->counts.moved,
	    t->tenants, dir, t->key->file);
	return EXIT_DONE;
}

int
rotate_key(struct cli *cli, const struct rotate_key *key, bool dry_run)
{
	CLEANUP(forget) struct secret_key now = { .has_next = false };
	struct rotation t = { .cli = cli, .key = key, .dry_run = dry_run, .progress = isatty(STDERR_FILENO) };

	if (cli_config(cli) != EXIT_DONE || load(cli, key, &now) != EXIT_DONE)
		return EXIT_FAILED;
	if (!now.has_next)
		return begin(&t, &now);
	t.both = secret_key_newest(&now);
	int e = finish(&t);
	forget(&t.both);
	return e;
}
