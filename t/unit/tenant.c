#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/tenant.h"
#include "lib/wire.h"

#include "t/unit/unit.h"

/* A directory of secret files. */
struct place { char dir[64]; };

static const struct { const char *name, *text; } files[] = {
	{ "bot.secret", "s3cret\n" }, { "next.secret", "n3xt" }, { "crlf.secret", "windows\r\n" },
	{ "hub.token", "hub-token\n" }, { "bot.token", "bot-token\n" }, { "user.token", "user-token" },
	{ "empty", "" }, { "newline", "\n" }, { "lines", "one\ntwo\n" }, { "cr", "one\rtwo" },
	{ "basic", "user:pass word\n" }, { "nocolon", "userpass\n" }, { "nouser", ":pass\n" }, { "nopass", "user:\n" },
	{ "path", "012345-_.~AZ\n" }, { "shortpath", "0123456\n" }, { "badpath", "0123456789abcdef/x\n" },
};

static void
path_in(char path[static 128], const struct place *p, const char *name)
{
	snprintf(path, 128, "%s/%s", p->dir, name);
}

static struct place
place_new(void)
{
	struct place p = { "/tmp/ponte-tenant-XXXXXX" };
	char path[128];
	REQUIRE(mkdtemp(p.dir));
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		path_in(path, &p, files[i].name);
		REQUIRE(file_write(path, slice_of(files[i].text), 0600) == 0);
	}
	static char big[4098];
	memset(big, 'x', sizeof big);
	path_in(path, &p, "fits");
	REQUIRE(file_write(path, (struct slice){ big, 4096 }, 0600) == 0);
	path_in(path, &p, "big");
	REQUIRE(file_write(path, (struct slice){ big, 4097 }, 0600) == 0);
	path_in(path, &p, "nul");
	REQUIRE(file_write(path, (struct slice){ "a\0b", 3 }, 0600) == 0);
	return p;
}

static void
place_free(struct place *p)
{
	static const char *const more[] = { "fits", "big", "nul", "stdin" };
	char path[128];
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		path_in(path, p, files[i].name);
		unlink(path);
	}
	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		path_in(path, p, more[i]);
		unlink(path);
	}
	rmdir(p->dir);
}

static const struct secret_key intake = { .byte = { 1 } }, outgoing = { .byte = { 2 } };

struct importing {
	struct arena *arena;
	struct tenant *tenant;
	size_t count;
	struct settings_errors errors;
	int result;
};

static struct importing
import(const struct place *p, const char *text)
{
	struct importing im = { .result = -1 };
	REQUIRE(arena_new(8 * MIB, &im.arena) == 0);
	im.result = tenant_import(slice_of(text), p->dir, &intake, &outgoing, im.arena, &im.tenant, &im.count, &im.errors);
	return im;
}

static void
importing_free(struct importing *im)
{
	arena_free(im->arena);
}

static bool
opens(const struct secret_key *key, const char *tenant, const char *field, struct slice sealed, const char *plain)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	return secret_open(key, slice_of(tenant), field, sealed, &out) == 0 && slice_eq(buf_view(&out), slice_of(plain));
}

#define INSTALLATION "    installations: [{id: main, url: 'https://chat.example.com', accounts: [{id: 7}]}]\n"
#define SENDER "{kind: bot, label: bot, installation: main, account: 7, secret_file: bot.secret}"

static const char whole[] =
    "tenants:\n"
    "  - name: shop\n"
    "    domain: retail\n"
    "    hub: {url: 'http://127.0.0.1:9001/', token_file: hub.token}\n"
    "    odoo: {url: 'https://erp.example.com/', db: shop, login: ponte, key_file: user.token, next_key_file: bot.token,\n"
    "      pace: 1s, pull: 6h, secret_file: bot.secret, signature: observe, open: {documents: [192.0.2.0/24], views: ['::1', 10.0.0.1]}}\n"
    "    installations:\n"
    "      - {id: main, url: 'HTTPS://Chat.Example.com:443/api/v1/', bot_id: 4, bot_token_file: bot.token,\n"
    "         user_token_file: user.token, accounts: [{id: 7}, {id: 8, domain: legal}],\n"
    "         inboxes: [{id: 31, account: 7, channel: web, crew: sales}, {id: 32, account: 8}]}\n"
    "    senders:\n"
    "      - {kind: bot, label: bot, installation: main, account: 7, secret_file: bot.secret, next_secret_file: next.secret}\n"
    "      - {kind: account, label: old, installation: main, account: 8, unsigned: {path_secret_file: path}}\n"
    "      - {kind: inbox, label: api, installation: main, account: 7, inbox: 31, secret_file: crlf.secret,\n"
    "         unsigned: {basic_file: basic}}\n"
    "      - {kind: inbox, label: net, installation: main, account: 7, unsigned: {addresses: [192.0.2.0/24, '2001:db8::7']}}\n"
    "  - name: bare\n"
    "    answer_open: false\n"
    "    transcripts: true\n";

static void
check_whole(const struct tenant *t)
{
	const struct tenant_installation *in = t->installation;
	const struct tenant_sender *s = t->sender;

	ROW("its words", slice_eq(t->name, SLICE("shop")) && slice_eq(t->domain, SLICE("retail")) && t->answer_open && !t->transcripts);
	ROW("its hub", slice_eq(t->hub_url, SLICE("http://127.0.0.1:9001/")) && opens(&outgoing, "shop", "hub/token", t->hub_token, "hub-token"));
	const struct tenant_odoo *o = &t->odoo;
	ROW("its Odoo", slice_eq(o->url, SLICE("https://erp.example.com")) && slice_eq(o->db, SLICE("shop")) && slice_eq(o->login, SLICE("ponte"))
	    && slice_eq(o->lang, SLICE("pt_BR")) && o->pace_ms == 1000 && o->timeout_ms == 130000 && o->pull_ms == 6 * 3600000);
	ROW("both keys of it", opens(&outgoing, "shop", "odoo/key", o->key, "user-token") && opens(&outgoing, "shop", "odoo/next_key", o->next_key, "bot-token"));
	ROW("the addons' secret", opens(&intake, "shop", "odoo/secret", o->secret, "s3cret") && o->signature == TENANT_SIGNATURE_OBSERVE);
	ROW("what is open", tenant_open_to(&o->open[TENANT_OPEN_DOCUMENTS], SLICE("192.0.2.77")) && o->open[TENANT_OPEN_TOOLS].n == 0
	    && tenant_open_to(&o->open[TENANT_OPEN_VIEWS], SLICE("10.0.0.1")) && !tenant_open_to(&o->open[TENANT_OPEN_VIEWS], SLICE("192.0.2.77")));
	ROW("its installation", t->installations == 1 && slice_eq(in->id, SLICE("main")) && in->bot_id == 4);
	ROW("the URL is the plain one", slice_eq(in->url, SLICE("https://chat.example.com")));
	ROW("the bot's token", opens(&outgoing, "shop", "installation/main/bot_token", in->bot_token, "bot-token"));
	ROW("the user's token", opens(&outgoing, "shop", "installation/main/user_token", in->user_token, "user-token"));
	ROW("accounts", in->accounts == 2 && in->account[1].id == 8 && slice_eq(in->account[1].domain, SLICE("legal")) && in->account[0].domain.len == 0);
	ROW("inboxes", in->inboxes == 2 && in->inbox[0].id == 31 && in->inbox[0].account == 7 &&
	    slice_eq(in->inbox[0].channel, SLICE("web")) && slice_eq(in->inbox[0].crew, SLICE("sales")) && in->inbox[1].crew.len == 0);
	ROW("senders", t->senders == 4 && s[0].kind == TENANT_BOT && s[1].kind == TENANT_ACCOUNT && s[2].kind == TENANT_INBOX);
	ROW("a sender's place", slice_eq(s[2].label, SLICE("api")) && slice_eq(s[2].installation, SLICE("main")) && s[2].account == 7 && s[2].inbox == 31 && s[3].inbox == 0);
	ROW("its secret, without the newline", opens(&intake, "shop", "sender/bot/secret", s[0].secret, "s3cret"));
	ROW("its next secret", opens(&intake, "shop", "sender/bot/next_secret", s[0].next_secret, "n3xt"));
	ROW("a newline of another system", opens(&intake, "shop", "sender/api/secret", s[2].secret, "windows"));
	ROW("signed is the rule", s[0].unsigned_by == TENANT_PROOF_NONE && s[0].proof.len == 0);
	ROW("a secret in the path", s[1].unsigned_by == TENANT_PROOF_PATH && s[1].secret.len == 0 && opens(&intake, "shop", "sender/old/proof", s[1].proof, "012345-_.~AZ"));
	ROW("Basic", s[2].unsigned_by == TENANT_PROOF_BASIC && opens(&intake, "shop", "sender/api/proof", s[2].proof, "user:pass word"));
	ROW("addresses", s[3].unsigned_by == TENANT_PROOF_ADDRESSES && s[3].addresses == 2 && slice_eq(s[3].address[1], SLICE("2001:db8::7")));
	ROW("one key does not open what the other sealed", !opens(&outgoing, "shop", "sender/bot/secret", s[0].secret, "s3cret"));
	ROW("nor another place", !opens(&intake, "shop", "sender/api/secret", s[0].secret, "s3cret"));
	ROW("nor another tenant", !opens(&intake, "bare", "sender/bot/secret", s[0].secret, "s3cret"));
}

static void
good(void)
{
	CLEANUP(place_free) struct place p = place_new();
	CLEANUP(importing_free) struct importing im = import(&p, whole);
	for (size_t i = 0; im.result == SETTINGS_E_WRONG && i < im.errors.count; i++)
		fprintf(stderr, "  %u: %s\n", im.errors.item[i].line, im.errors.item[i].text);
	ROW("a whole file is imported", im.result == 0 && im.count == 2);
	if (im.result != 0)
		return;
	check_whole(&im.tenant[0]);
	const struct tenant *bare = &im.tenant[1];
	ROW("a tenant may be a name alone", slice_eq(bare->name, SLICE("bare")) && bare->installations == 0 && bare->senders == 0);
	ROW("its switches", !bare->answer_open && bare->transcripts && bare->hub_url.len == 0);
	CLEANUP(importing_free) struct importing longest = import(&p, "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: fits}\n");
	ROW("4096 bytes are a secret", longest.result == 0);
}

static void
urls(void)
{
	static const struct { const char *name, *url, *plain; } row[] = {
		{ "the plain one", "https://c.example", "https://c.example" },
		{ "a slash at the end", "https://c.example/", "https://c.example" },
		{ "many", "https://c.example///", "https://c.example" },
		{ "the API's path", "https://c.example/api/v1", "https://c.example" },
		{ "the API's path and a slash", "https://c.example/api/v1/", "https://c.example" },
		{ "below a path", "https://c.example/chat/api/v1/", "https://c.example/chat" },
		{ "another path stays", "https://c.example/Chat", "https://c.example/Chat" },
		{ "a port of its own stays", "http://c.example:3000/", "http://c.example:3000" },
		{ "the usual port goes", "http://c.example:80/", "http://c.example" },
		{ "IPv6 keeps its brackets", "http://[::1]:3000/", "http://[::1]:3000" },
		{ "capitals of the host go", "https://C.Example/", "https://c.example" },
	};
	CLEANUP(place_free) struct place p = place_new();
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		char text[400];
		snprintf(text, sizeof text, "tenants: [{name: a, installations: [{id: m, url: '%s', accounts: [{id: 1}]}]}]", row[i].url);
		CLEANUP(importing_free) struct importing im = import(&p, text);
		ROW(row[i].name, im.result == 0 && slice_eq(im.tenant[0].installation[0].url, slice_of(row[i].plain)));
	}
}

#define TENANT "tenants:\n  - name: shop\n" INSTALLATION "    senders:\n"

static void
bad(void)
{
	static const struct { const char *name, *text; unsigned line; const char *says; } row[] = {
		{ "an empty file", "", 0, "tenants: there is none in the file" },
		{ "no tenants", "tenants: []", 0, "tenants: there is none in the file" },
		{ "an Odoo without a key", "tenants: [{name: a, odoo: {url: 'https://o.example', db: d, login: l}}]", 1, "odoo: an url needs a db, a login and a key_file beside it" },
		{ "a db of no Odoo", "tenants:\n  - name: a\n    odoo:\n      db: d\n", 4, "odoo: db: there is no url that it belongs to" },
		{ "a login of no Odoo", "tenants:\n  - name: a\n    odoo:\n      lang: pt_BR\n      login: l\n", 5, "odoo: login: there is no url that it belongs to" },
		{ "a key of no Odoo", "tenants:\n  - name: a\n    odoo:\n      key_file: user.token\n", 4, "odoo: key_file: there is no url that it belongs to" },
		{ "signatures that are enforced with nothing", "tenants:\n  - name: a\n    odoo:\n      signature: enforce\n", 4, "odoo: signature: enforce needs a secret_file beside it" },
		{ "a page of Odoo", "tenants:\n  - name: a\n    odoo:\n      url: 'https://o.example/web/login'\n      db: d\n      login: l\n      key_file: user.token\n", 4, "odoo.url: is a page of Odoo: leave out /web and what follows" },
		{ "the first page of Odoo below a path", "tenants:\n  - name: a\n    odoo:\n      url: 'https://o.example/erp/web'\n      db: d\n      login: l\n      key_file: user.token\n", 4, "odoo.url: is a page of Odoo" },
		{ "a whole Odoo but for its url", "tenants:\n  - name: a\n    odoo: {db: d, login: l, key_file: user.token}\n", 3, "odoo: db: there is no url" },
		{ "an Odoo asked too often", "tenants: [{name: a, odoo: {url: 'https://o.example', db: d, login: l, key_file: user.token, pull: 10s}}]", 1, "odoo: pull: once a minute is the most, or 0" },
		{ "an open door to no address", "tenants: [{name: a, odoo: {open: {tools: [everybody]}}}]", 1, "tools[0]: everybody is not an address" },
		{ "a secret written into the file", TENANT "      - {kind: bot, label: b, installation: main, account: 7, secret: topsecret}\n", 5, "senders[0].secret: there is no such setting" },
		{ "two tenants of one name", "tenants:\n  - name: a\n  - name: b\n  - name: a\n", 4, "tenant a: stands here twice" },
		{ "two installations of one name", "tenants:\n  - name: a\n    installations:\n      - {id: m, url: 'http://x', accounts: [{id: 1}]}\n      - {id: m, url: 'http://y', accounts: [{id: 1}]}\n", 5, "installation m: the tenant has another" },
		{ "an installation without account", "tenants:\n  - name: a\n    installations:\n      - {id: m, url: 'http://x', accounts: []}\n", 4, "installation m: it needs one account" },
		{ "an installation that does not speak of accounts", "tenants:\n  - name: a\n    installations:\n      - {id: m, url: 'http://x'}\n", 4, "installations[0].accounts: is missing" },
		{ "an account twice", "tenants:\n  - name: a\n    installations:\n      - {id: m, url: 'http://x', accounts: [{id: 1}, {id: 1}]}\n", 4, "account 1: stands here twice" },
		{ "an account of two tenants", "tenants:\n  - name: a\n    installations: [{id: m, url: 'http://x/', accounts: [{id: 1}]}]\n  - name: b\n    installations: [{id: n, url: 'http://X:80/api/v1', accounts: [{id: 2}, {id: 1}]}]\n", 5, "tenant b: account 1 of http://x belongs to tenant a" },
		{ "an account of two installations that are one", "tenants:\n  - name: a\n    installations:\n      - {id: m, url: 'http://x', accounts: [{id: 1}]}\n      - {id: n, url: 'http://x/', accounts: [{id: 1}]}\n", 5, "account 1 of http://x belongs to tenant a" },
		{ "account 0", "tenants:\n  - name: a\n    installations: [{id: m, url: 'http://x', accounts: [{id: 0}]}]\n", 3, "accounts[0].id: 0 is not a number of at least 1" },
		{ "an inbox twice", "tenants:\n  - name: a\n    installations: [{id: m, url: 'http://x', accounts: [{id: 1}], inboxes: [{id: 3, account: 1}, {id: 3, account: 1}]}]\n", 3, "inbox 3: stands here twice" },
		{ "an inbox of no account", "tenants:\n  - name: a\n    installations: [{id: m, url: 'http://x', accounts: [{id: 1}], inboxes: [{id: 3, account: 2}]}]\n", 3, "inbox 3: installation m has no account 2" },
		{ "a URL with a question", "tenants:\n  - name: a\n    installations: [{id: m, url: 'http://x/?a', accounts: [{id: 1}]}]\n", 3, "must not have a '?'" },
		{ "two senders of one label", TENANT "      - " SENDER "\n      - " SENDER "\n", 6, "sender bot: the tenant has another of this label" },
		{ "a sender of no kind", TENANT "      - {kind: macro, label: b, installation: main, account: 7, secret_file: bot.secret}\n", 5, "macro is not one of account, inbox or bot" },
		{ "a sender of no installation", TENANT "      - {kind: bot, label: b, installation: other, account: 7, secret_file: bot.secret}\n", 5, "sender b: the tenant has no installation other" },
		{ "a sender of no account", TENANT "      - {kind: bot, label: b, installation: main, account: 8, secret_file: bot.secret}\n", 5, "sender b: installation main has no account 8" },
		{ "a bot with an inbox", TENANT "      - {kind: bot, label: b, installation: main, account: 7, inbox: 3, secret_file: bot.secret}\n", 5, "sender b: only a sender of kind inbox" },
		{ "a sender without proof", TENANT "      - {kind: bot, label: b, installation: main, account: 7}\n", 5, "sender b: it needs a secret_file" },
		{ "a next secret alone", TENANT "      - {kind: bot, label: b, installation: main, account: 7, next_secret_file: next.secret, unsigned: {addresses: [127.0.0.1]}}\n", 5, "next_secret_file: there is no secret_file" },
		{ "an unsigned that says nothing", TENANT "      - {kind: bot, label: b, installation: main, account: 7, secret_file: bot.secret, unsigned: {}}\n", 5, "unsigned: name one of" },
		{ "an unsigned with no addresses", TENANT "      - {kind: bot, label: b, installation: main, account: 7, unsigned: {addresses: []}}\n", 5, "unsigned: name one of" },
		{ "an unsigned that says two things", TENANT "      - {kind: bot, label: b, installation: main, account: 7, unsigned: {addresses: [127.0.0.1], basic_file: basic}}\n", 5, "unsigned: name one of" },
		{ "an address that is none", TENANT "      - {kind: bot, label: b, installation: main, account: 7, unsigned: {addresses: [example.com]}}\n", 5, "example.com is not an address like" },
		{ "a Basic credential without colon", TENANT "      - {kind: bot, label: b, installation: main, account: 7, unsigned: {basic_file: nocolon}}\n", 5, "nocolon: is not like user:password" },
		{ "a Basic credential without user", TENANT "      - {kind: bot, label: b, installation: main, account: 7, unsigned: {basic_file: nouser}}\n", 5, "nouser: is not like" },
		{ "a Basic credential without password", TENANT "      - {kind: bot, label: b, installation: main, account: 7, unsigned: {basic_file: nopass}}\n", 5, "nopass: is not like" },
		{ "a short secret in the path", TENANT "      - {kind: bot, label: b, installation: main, account: 7, unsigned: {path_secret_file: shortpath}}\n", 5, "shortpath: must have 8" },
		{ "a secret that cannot stand in a path", TENANT "      - {kind: bot, label: b, installation: main, account: 7, unsigned: {path_secret_file: badpath}}\n", 5, "badpath: stands in a URL" },
		{ "a token for no hub", "tenants:\n  - name: a\n    hub: {token_file: hub.token}\n", 3, "hub.url: is missing" },
		{ "a file that is not there", "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: nowhere}\n", 3, "nowhere: cannot be read: No such file" },
		{ "an empty secret", "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: empty}\n", 3, "empty: is empty" },
		{ "a secret that is a newline", "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: newline}\n", 3, "newline: is empty" },
		{ "a secret of two lines", "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: lines}\n", 3, "lines: holds a line break" },
		{ "a secret with a carriage return", "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: cr}\n", 3, "cr: holds a line break" },
		{ "a secret with a NUL", "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: nul}\n", 3, "nul: holds a line break or a NUL" },
		{ "a secret too long", "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: big}\n", 3, "big: is longer than 4096 bytes" },
	};
	CLEANUP(place_free) struct place p = place_new();
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(importing_free) struct importing im = import(&p, row[i].text);
		const struct settings_error *e = &im.errors.item[0];
		ROW(row[i].name, im.result == SETTINGS_E_WRONG && im.errors.count == 1);
		if (im.result != SETTINGS_E_WRONG || !strstr(e->text, row[i].says))
			fprintf(stderr, "  %zu mistakes, the first: %u:%u: %s\n", im.errors.count, e->line, e->column, e->text);
		ROW(row[i].name, strstr(e->text, row[i].says) && e->line == row[i].line);
		ROW(row[i].name, !strstr(e->text, "topsecret") && !strstr(e->text, "userpass"));
	}
	CLEANUP(importing_free) struct importing im = import(&p, TENANT "      - {kind: bot, label: b, installation: other, account: 7}\n"
	    "  - name: x\n    hub: {url: 'http://h/', token_file: empty}\n");
	ROW("mistakes of all kinds are said together", im.result == SETTINGS_E_WRONG && im.errors.count == 3);
}

static void
standard_input(void)
{
	CLEANUP(place_free) struct place p = place_new();
	char path[128];
	path_in(path, &p, "stdin");
	REQUIRE(file_write(path, SLICE("from-stdin\n"), 0600) == 0);
	int fd = open(path, O_RDONLY), kept = dup(STDIN_FILENO);
	REQUIRE(fd >= 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO);

	CLEANUP(importing_free) struct importing once = import(&p, "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: '-'}\n");
	ROW("a secret comes from standard input", once.result == 0 && opens(&outgoing, "a", "hub/token", once.tenant[0].hub_token, "from-stdin"));
	lseek(STDIN_FILENO, 0, SEEK_SET);
	CLEANUP(importing_free) struct importing twice = import(&p,
	    "tenants:\n  - name: a\n    hub: {url: 'http://h/', token_file: '-'}\n  - name: b\n    hub: {url: 'http://h/', token_file: '-'}\n");
	ROW("but not two", twice.result == SETTINGS_E_WRONG && twice.errors.count == 1 && twice.errors.item[0].line == 5);
	ROW("it says so", strstr(twice.errors.item[0].text, "for one secret only"));
	if (kept >= 0) {
		dup2(kept, STDIN_FILENO);
		close(kept);
	}
	close(fd);
}

/* ---- the record ---- */

static void
round_trip(void)
{
	CLEANUP(place_free) struct place p = place_new();
	CLEANUP(importing_free) struct importing im = import(&p, whole);
	CLEANUP(buf_free) struct buf record = { 0 }, again = { 0 }, bare = { 0 };
	struct arena *a;
	struct tenant t;
	if (im.result != 0) {
		ROW("a whole file is imported", false);
		return;
	}
	REQUIRE(arena_new(8 * MIB, &a) == 0);
	ROW("a tenant is written", tenant_encode(&im.tenant[0], &record) == 0);
	ROW("and read", tenant_decode(buf_view(&record), a, &t) == 0);
	ROW("the reading does not need the record", tenant_encode(&t, &again) == 0 && slice_eq(buf_view(&record), buf_view(&again)));
	memset(record.ptr + record.at, 'x', record.len);
	check_whole(&t);
	ROW("a name alone is written and read", tenant_encode(&im.tenant[1], &bare) == 0 && tenant_decode(buf_view(&bare), a, &t) == 0);
	ROW("and is the same", slice_eq(t.name, SLICE("bare")) && !t.answer_open && t.transcripts && t.senders == 0);
	arena_free(a);
}

static void
broken_records(void)
{
	CLEANUP(place_free) struct place p = place_new();
	CLEANUP(importing_free) struct importing im = import(&p, whole);
	CLEANUP(buf_free) struct buf record = { 0 };
	struct arena *a;
	struct tenant t;
	REQUIRE(im.result == 0 && tenant_encode(&im.tenant[0], &record) == 0);
	REQUIRE(arena_new(8 * MIB, &a) == 0);

	/* A cut between two fields is a shorter record; everywhere else it is none. */
	size_t read = 0;
	for (size_t n = 0; n < record.len; n++) {
		arena_reset(a);
		char *cut = malloc(n + 1);      /* so that a sanitizer sees a step too far */
		REQUIRE(cut);
		memcpy(cut, record.ptr + record.at, n);
		int r = tenant_decode((struct slice){ cut, n }, a, &t);
		read += r == 0;
		if (r != 0 && r != -EPROTO)
			ROW("a cut record is refused as such", r == -EPROTO);
		free(cut);
	}
	ROW("only a record cut between fields is one", read > 0 && read < 16);

	for (size_t n = 0; n < record.len; n++) {
		arena_reset(a);
		record.ptr[record.at + n] ^= 0x5a;
		int r = tenant_decode(buf_view(&record), a, &t);
		if (r != 0 && r != -EPROTO && r != -ENOMEM)
			ROW("a changed record is read or refused", false);
		record.ptr[record.at + n] ^= 0x5a;
	}
	arena_free(a);
}

static void
refused_records(void)
{
	struct tenant_account account = { 7, { 0 } }, zero = { 0, { 0 } };
	struct tenant_inbox inbox = { 3, 7, { 0 }, { 0 } }, stray = { 3, 0, { 0 }, { 0 } };
	struct tenant_installation in = { .id = SLICE("main"), .url = SLICE("http://x"), .account = &account, .accounts = 1, .inbox = &inbox, .inboxes = 1 };
	struct tenant_sender s = { .kind = TENANT_BOT, .label = SLICE("bot"), .installation = SLICE("main"), .account = 7 };
	const struct tenant good_one = { .name = SLICE("shop"), .installation = &in, .installations = 1, .sender = &s, .senders = 1 };
	struct row { const char *name; struct tenant t; struct tenant_installation in; struct tenant_sender s; int result; };
	struct row row[12];
	size_t n = 0;
#define NEXT(title, outcome) (row[n] = (struct row){ title, good_one, in, s, outcome }, &row[n++])
	NEXT("a record as it should be", 0);
	NEXT("no name", -EPROTO)->t.name = (struct slice){ 0 };
	NEXT("a name that is none", -EPROTO)->t.name = SLICE("a/b");
	NEXT("an installation without name", -EPROTO)->in.id = (struct slice){ 0 };
	NEXT("an installation without URL", -EPROTO)->in.url = SLICE("ftp://x");
	NEXT("an account 0", -EPROTO)->in.account = &zero;
	NEXT("an inbox of account 0", -EPROTO)->in.inbox = &stray;
	NEXT("a sender of a kind that is none", -EPROTO)->s.kind = (enum tenant_kind)3;
	NEXT("a sender with a proof that is none", -EPROTO)->s.unsigned_by = (enum tenant_proof)4;
	NEXT("a sender of no installation", -EPROTO)->s.installation = SLICE("other");
	NEXT("a sender of no account", -EPROTO)->s.account = 8;
	NEXT("a sender of an inbox below zero", -EPROTO)->s.inbox = -1;
	REQUIRE(n == ARRAY_LEN(row));
	for (size_t i = 0; i < n; i++) {
		CLEANUP(buf_free) struct buf record = { 0 };
		struct arena *a;
		struct tenant t;
		row[i].t.installation = &row[i].in;
		row[i].t.sender = &row[i].s;
		REQUIRE(arena_new(MIB, &a) == 0 && tenant_encode(&row[i].t, &record) == 0);
		ROW(row[i].name, tenant_decode(buf_view(&record), a, &t) == row[i].result);
		arena_free(a);
	}
	struct arena *a;
	struct tenant t;
	REQUIRE(arena_new(MIB, &a) == 0);
	ROW("nothing is no record", tenant_decode((struct slice){ 0 }, a, &t) == -EPROTO);
	arena_free(a);
}

/* ---- finding ---- */

static void
finding(void)
{
	CLEANUP(place_free) struct place p = place_new();
	CLEANUP(importing_free) struct importing im = import(&p, whole);
	REQUIRE(im.result == 0);
	const struct tenant *t = &im.tenant[0];
	const struct tenant_installation *in = tenant_installation_find(t, SLICE("main"));
	ROW("an installation by its name", in == &t->installation[0] && !tenant_installation_find(t, SLICE("mai")));
	ROW("a sender by its label", tenant_sender_find(t, SLICE("api")) == &t->sender[2] && !tenant_sender_find(t, SLICE("")));
	ROW("an account", tenant_account_find(in, 8) == &in->account[1] && !tenant_account_find(in, 9));
	ROW("an inbox", tenant_inbox_find(in, 7, 31) == &in->inbox[0]);
	ROW("an inbox of another account", !tenant_inbox_find(in, 8, 31));
	ROW("an inbox of any account", tenant_inbox_find(in, 0, 32) == &in->inbox[1] && !tenant_inbox_find(in, 0, 33));
}

static void
addresses(void)
{
	static const struct { const char *name, *listed, *address; bool ok; } row[] = {
		{ "the address itself", "192.0.2.7", "192.0.2.7", true },
		{ "another", "192.0.2.7", "192.0.2.8", false },
		{ "within a prefix", "192.0.2.0/24", "192.0.2.255", true },
		{ "beyond it", "192.0.2.0/24", "192.0.3.0", false },
		{ "a prefix inside a byte", "192.0.2.128/25", "192.0.2.129", true },
		{ "beyond that", "192.0.2.128/25", "192.0.2.127", false },
		{ "bits behind the prefix do not matter", "192.0.2.77/24", "192.0.2.1", true },
		{ "all of IPv4", "0.0.0.0/0", "203.0.113.9", true },
		{ "is not all of IPv6", "0.0.0.0/0", "2001:db8::1", false },
		{ "IPv6 itself", "2001:db8::7", "2001:DB8:0::7", true },
		{ "within a prefix of IPv6", "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "beyond it", "2001:db8::/33", "2001:db8:8000::1", false },
		{ "IPv4 as IPv6 is IPv4", "192.0.2.0/24", "::ffff:192.0.2.7", true },
		{ "no address", "192.0.2.0/24", "", false },
		{ "a name", "192.0.2.0/24", "localhost", false },
		{ "an address with a blank", "192.0.2.7", "192.0.2.7 ", false },
		{ "a short form of old", "10.0.0.1", "10.1", false },
		{ "a prefix too long", "192.0.2.7/33", "192.0.2.7", false },
		{ "a prefix that is no number", "192.0.2.7/x", "192.0.2.7", false },
		{ "a prefix that is empty", "192.0.2.7/", "192.0.2.7", false },
	};
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		struct slice list[] = { SLICE("198.51.100.1"), slice_of(row[i].listed) };
		struct tenant_sender s = { .address = list, .addresses = 2 };
		ROW(row[i].name, tenant_address_ok(&s, slice_of(row[i].address)) == row[i].ok);
	}
	struct tenant_sender nobody = { 0 };
	ROW("an empty list lets nobody in", !tenant_address_ok(&nobody, SLICE("192.0.2.7")));
	struct slice one = SLICE("192.0.2.7");
	struct tenant_sender s = { .address = &one, .addresses = 1 };
	ROW("a NUL does not end an address", !tenant_address_ok(&s, SLICE("192.0.2.7\0x")));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "good", good }, { "urls", urls }, { "bad", bad }, { "standard input", standard_input },
		{ "round trip", round_trip }, { "broken records", broken_records }, { "refused records", refused_records },
		{ "finding", finding }, { "addresses", addresses },
	};
	REQUIRE(crypt_init() == 0);
	return unit_run("tenant", tests, ARRAY_LEN(tests), 0);
}
