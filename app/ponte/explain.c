#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/ponte/ponte.h"
#include "app/ponte/scratch.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/json.h"
#include "lib/sign.h"
#include "lib/tenant.h"
#include "lib/tenant_policy.h"

#define BODY_MAX   (16 * MIB)           /* the door's own limit */
#define SECRET_MAX (4 * KIB)
#define READ_STEP  (64 * KIB)

/* One file of the command line and who is said to have sent it. */
struct step { const char *path, *sender; };

struct options {
	struct step *step;
	size_t       steps;
	const char  *tenant;                /* NULL: the tenant of the fixtures */
	const char  *timestamp, *signature, *secret_file, *now;
	bool         json;
};

struct outcome {
	enum chatwoot_decision decision;
	struct slice           reason;      /* static, or in the arena */
	struct slice           dedup;       /* empty: none */
	struct json           *message;     /* NULL: nothing goes to the hub */
};

static const char *const sender_words[] = { "account", "inbox", "bot", "none" };

/* ---- the command line ---- */

/* "--name value" and "--name=value".  True when argv[*i] is that option; then
 * *ret is its value, or NULL when it has none. */
static bool
takes_value(char **argv, int argc, int *i, const char *name, const char **ret)
{
	size_t n = strlen(name);

	if (strncmp(argv[*i], name, n) != 0 || (argv[*i][n] != '\0' && argv[*i][n] != '='))
		return false;
	if (argv[*i][n] == '=')
		*ret = argv[*i] + n + 1;
	else
		*ret = *i + 1 < argc ? argv[++*i] : NULL;
	return true;
}

static bool
is_sender(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(sender_words); i++)
		if (strcmp(word, sender_words[i]) == 0)
			return true;
	return false;
}

static int
check_options(const struct options *o, bool fixture)
{
	if (o->steps == 0)
		return cli_usage("explain", "explain needs a FILE ('-' is standard input)");
	if (o->tenant && fixture)
		return cli_usage("explain", "--tenant and --fixture-tenant exclude each other");
	if ((o->timestamp || o->signature) && !o->secret_file)
		return cli_usage("explain",
		    "--timestamp and --signature are checked against --secret-file");
	if (o->secret_file && !o->timestamp && !o->signature)
		return cli_usage("explain",
		    "--secret-file goes with --timestamp and --signature");
	return EXIT_DONE;
}

static int
read_options(struct cli *cli, int argc, char **argv, struct options *ret)
{
	struct options o = { .json = cli->json };
	struct { const char *name, **value; } valued[] = {
		{ "--tenant", &o.tenant }, { "--secret-file", &o.secret_file },
		{ "--timestamp", &o.timestamp }, { "--signature", &o.signature },
		{ "--now", &o.now },
	};
	const char *sender = NULL, *behind = NULL, *value;
	bool fixture = false, only_files = false;

	o.step = arena_take(cli->arena, (size_t)argc * sizeof(*o.step));
	if (!o.step)
		return cli_fail("out of memory");
	for (int i = 1; i < argc; i++) {
		size_t v = 0;

		if (only_files || argv[i][0] != '-' || strcmp(argv[i], "-") == 0) {
			o.step[o.steps++] = (struct step){ argv[i], sender };
			behind = NULL;
			continue;
		}
		while (v < ARRAY_LEN(valued)
		    && !takes_value(argv, argc, &i, valued[v].name, &value))
			v++;
		if (v < ARRAY_LEN(valued)) {
			if (!value)
				return cli_usage("explain", "%s needs a value", valued[v].name);
			*valued[v].value = value;
		} else if (takes_value(argv, argc, &i, "--sender", &value)) {
			if (!value || !is_sender(value))
				return cli_usage("explain",
				    "--sender is account, inbox, bot or none");
			sender = behind = value;
		} else if (strcmp(argv[i], "--fixture-tenant") == 0) {
			fixture = true;
		} else if (strcmp(argv[i], "--json") == 0) {
			o.json = true;
		} else if (strcmp(argv[i], "--") == 0) {
			only_files = true;
		} else {
			return cli_usage("explain", "explain takes no '%s'", argv[i]);
		}
	}
	/* One behind the last file would hold for nothing: it is meant for those
	 * that have none. */
	for (size_t i = 0; behind && i < o.steps; i++)
		if (!o.step[i].sender)
			o.step[i].sender = behind;
	*ret = o;
	return check_options(&o, fixture);
}

/* ---- the tenant ---- */

/* One installation, account 7, agent bot 4, a sender of each kind: the tenant
 * that the fixtures are written for. */
static int
fixture_tenant(struct arena *arena, struct tenant *ret)
{
	struct tenant_installation *installation = arena_take(arena, sizeof(*installation));
	struct tenant_sender *sender = arena_take(arena, 3 * sizeof(*sender));

	if (!installation || !sender)
		return cli_fail("out of memory");
	*installation = (struct tenant_installation){ .id = SLICE("fixtures"), .bot_id = 4 };
	for (size_t i = 0; i < 3; i++)
		sender[i] = (struct tenant_sender){
			.kind = (enum tenant_kind)i, .label = slice_of(sender_words[i]),
			.installation = installation->id, .account = 7,
		};
	*ret = (struct tenant){
		.name = SLICE("fixtures"), .answer_open = true,
		.installation = installation, .installations = 1,
		.sender = sender, .senders = 3,
	};
	return EXIT_DONE;
}

static int
ask_tenant(struct cli *cli, const char *name, struct tenant *ret)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_writer w;
	struct wire_frame answer;
	struct slice record;
	int r = cli_keeper(cli);

	if (r != EXIT_DONE)
		return r;
	wire_begin(&w, &out, P_TENANT_FIND, net_caller_next(&cli->keeper));
	wire_put(&w, T_NAME, slice_of(name));
	if (wire_end(&w) != 0)
		return cli_fail("out of memory");
	r = cli_ask(cli, &out, &answer);
	if (r != EXIT_DONE)
		return r;
	if (!wire_find(answer.payload, T_TENANT, &record))
		return cli_fail("there is no tenant '%s'; 'ponte tenant list' names them",
		    name);
	r = tenant_decode(record, cli->arena, ret);
	return r == 0 ? EXIT_DONE
	    : cli_fail("the record of tenant '%s': %s", name, strerror(-r));
}

/* How well does a sender stand for that word?  0: not at all.  "none" is one
 * that may go unsigned, and account webhooks did so longest.  As at the door,
 * account and inbox of the body tell several of one kind apart. */
static unsigned
fitness(const struct tenant_sender *s, const char *word, struct chatwoot_peek at)
{
	bool none = word && strcmp(word, "none") == 0;
	bool place = at.account == 0 || (s->account == at.account
	    && (s->inbox == 0 || at.inbox == 0 || s->inbox == at.inbox));

	if (none ? s->unsigned_by == TENANT_PROOF_NONE : word && strcmp(word, sender_words[s->kind]) != 0)
		return 0;
	return (place ? 10 : 1) + (none ? TENANT_BOT - s->kind : 0);
}

/* The best sender, of equals the first; without a word of any kind.  NULL:
 * none is of that kind, or none may go unsigned. */
static const struct tenant_sender *
find_sender(const struct tenant *t, const char *word, struct chatwoot_peek at)
{
	const struct tenant_sender *best = NULL;

	for (size_t i = 0; i < t->senders; i++) {
		const struct tenant_sender *s = &t->sender[i];

		if (fitness(s, word, at) > (best ? fitness(best, word, at) : 0))
			best = s;
	}
	return best;
}

static struct chatwoot_policy
policy_of(const struct tenant *t, const struct tenant_sender *s)
{
	static const struct tenant_installation none;
	const struct tenant_installation *at = tenant_installation_find(t, s->installation);

	return tenant_policy(t, at ? at : &none, s);
}

/* ---- files ---- */

/* All of standard input, at most BODY_MAX. */
static int
read_stdin(struct buf *out)
{
	for (;;) {
		char step[READ_STEP];
		ssize_t n = read(STDIN_FILENO, step, sizeof(step));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? negative_errno() : 0;
		if (out->len + (size_t)n > BODY_MAX)
			return -EFBIG;
		int r = buf_append(out, step, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int
read_body(const char *path, struct buf *out)
{
	CLEANUP(free_charp) char *text = NULL;
	size_t len = 0;
	int r;

	if (strcmp(path, "-") == 0) {
		r = read_stdin(out);
	} else {
		r = file_read(path, BODY_MAX, &text, &len);
		if (r == 0)
			r = buf_append(out, text, len);
	}
	if (r == -EFBIG)
		return cli_fail("%s: larger than %zu MiB: the door answers 413", path,
		    BODY_MAX / MIB);
	return r == 0 ? EXIT_DONE : cli_fail("%s: %s", path, strerror(-r));
}

/* *ret_fault: why the signature does not hold; empty when it does.  An editor
 * leaves a newline behind a secret; one is not part of it. */
static int
check_signature(const struct options *o, struct slice body, struct slice *ret_fault)
{
	CLEANUP(free_charp) char *secret = NULL;
	struct slice timestamp = slice_of(o->timestamp), signature = slice_of(o->signature);
	struct sign_headers headers;
	size_t len = 0;
	int64_t now = 0;
	int r = file_read(o->secret_file, SECRET_MAX, &secret, &len);

	if (r < 0)
		return cli_fail("%s: %s", o->secret_file, strerror(-r));
	if (o->now && slice_to_i64(slice_of(o->now), 0, INT64_MAX, &now) != 0)
		return cli_usage("explain", "--now is a number of seconds since 1970");
	if (!o->now && slice_to_i64(timestamp, 0, INT64_MAX, &now) != 0)
		now = 0;        /* no number: sign_read() says so */
	if (len > 0 && secret[len - 1] == '\n')
		len--;
	r = sign_read(timestamp, signature, now, &headers);
	if (r == 0)
		r = sign_check(&headers, slice_from(secret, len), body);
	*ret_fault = r != 0 ? slice_of(sign_reason(r)) : SLICE("");
	return EXIT_DONE;
}

/* ---- deciding ---- */

static enum chatwoot_decision
rejection(int refusal)
{
	switch (refusal) {
	case CW_E_JSON:    return CW_D_REJECT_JSON;
	case CW_E_ACCOUNT: return CW_D_REJECT_ACCOUNT;
	}
	return CW_D_REJECT_SCHEMA;
}

/* The key as a rule, not as a hash: that is what a reader can compare. */
static struct slice
shown_key(struct arena *arena, const struct json *event, const struct chatwoot_facts *f,
    const char *key)
{
	const struct json *values;

	if (!f->form_answer)
		return arena_copy(arena, slice_of(key));
	return arena_printf(arena, "f:%lld:sha256(%s)", (long long)f->message,
	    json_path(event, "content_attributes.submitted_values", &values) == JSON_ARRAY
	    && json_length(values) > 0 ? "submitted_values" : "submitted_email");
}

static int
decide(struct cli *cli, struct scratch *m, const struct tenant *t,
    const struct tenant_sender *s, struct slice body, struct outcome *ret)
{
	CLEANUP(json_freep) struct json *event = NULL;
	struct chatwoot_policy policy = policy_of(t, s);
	struct chatwoot_state state;
	struct chatwoot_verdict verdict;
	struct chatwoot_facts facts;
	struct slice why;
	char key[CHATWOOT_KEY];
	int r = chatwoot_read(body, &policy, cli->arena, &facts, &event, &why);

	if (r < 0)
		return cli_fail("%s", strerror(-r));
	if (r > 0) {
		*ret = (struct outcome){ .decision = rejection(r), .reason = why };
		return EXIT_DONE;
	}
	chatwoot_key(&facts, key);
	scratch_find(m, s->installation, &facts, &state);
	chatwoot_decide(&facts, &state, &policy, scratch_seen(m, s->installation, key), &verdict);
	scratch_keep(m, s->installation, &facts, &verdict, key);
	*ret = (struct outcome){
		.decision = verdict.decision, .reason = slice_of(verdict.reason),
		.dedup = shown_key(cli->arena, event, &facts, key),
	};
	if (chatwoot_forwards(verdict.decision)
	    && chatwoot_entry(event, &facts, (struct chatwoot_entry_marks){ .late = false }, &ret->message) != 0)
		return cli_fail("out of memory");
	return EXIT_DONE;
}

static int
explain_step(struct cli *cli, const struct options *o, size_t i, const struct tenant *t,
    struct scratch *m, struct outcome *ret)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	const char *word = o->step[i].sender;
	const struct tenant_sender *s;
	struct chatwoot_peek at = { 0 };
	struct slice fault = { 0 }, why;
	int r = read_body(o->step[i].path, &body);

	if (r == EXIT_DONE && i + 1 == o->steps && (o->timestamp || o->signature))
		r = check_signature(o, buf_view(&body), &fault);
	if (r != EXIT_DONE)
		return r;
	if (fault.len > 0) {
		*ret = (struct outcome){ .decision = CW_D_REJECT_UNSIGNED, .reason = fault };
		return EXIT_DONE;
	}
	/* What cannot be read is refused by decide(), whoever sent it. */
	if (chatwoot_peek(buf_view(&body), cli->arena, &at, &why) < 0)
		return cli_fail("out of memory");
	s = find_sender(t, word, at);
	if (s)
		return decide(cli, m, t, s, buf_view(&body), ret);
	if (!word || strcmp(word, "none") != 0)
		return cli_fail("tenant '" SLICE_FMT "' has no sender%s%s", SLICE_ARG(t->name),
		    word ? " of kind " : "", word ? word : "");
	*ret = (struct outcome){
		.decision = CW_D_REJECT_UNSIGNED,
		.reason = SLICE("no signature, and the tenant has no sender that may do without"),
	};
	return EXIT_DONE;
}

/* ---- the answer ---- */

/* Outside text on a terminal: what ends a line for some readers, or turns its
 * direction, is written as an escape.  It stands in JSON strings only. */
static int
append_printable(struct buf *out, struct slice text)
{
	while (text.len > 0) {
		const unsigned char *c = (const unsigned char *)text.ptr;
		size_t n = slice_utf8(text);
		unsigned code = n == 1 ? c[0] : n == 2 ? (c[0] & 0x1fu) << 6 | (c[1] & 0x3fu)
		    : n == 3 ? (c[0] & 0x0fu) << 12 | (c[1] & 0x3fu) << 6 | (c[2] & 0x3fu) : 0;
		bool hidden = (code >= 0x7f && code <= 0x9f) || code == 0x61c
		    || code == 0x200e || code == 0x200f
		    || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);

		n = n == 0 ? 1 : n;
		int r = hidden ? buf_printf(out, "\\u%04x", code)
		    : buf_append(out, text.ptr, n);
		if (r < 0)
			return r;
		text = slice_after(text, n);
	}
	return 0;
}

static int
as_json(const struct outcome *x, struct buf *out)
{
	CLEANUP(json_freep) struct json *line = json_new_object();
	struct json *keys;
	int r;

	if (!line)
		return -ENOMEM;
	r = json_set_text(line, "decision", slice_of(chatwoot_decision_text(x->decision)));
	if (r == 0)
		r = json_set_text(line, "reason", x->reason);
	keys = json_new_array();
	if (!keys)
		return -ENOMEM;
	if (r == 0 && x->dedup.len > 0)
		r = json_add_text(keys, x->dedup);
	int set = json_set(line, "dedup", keys);        /* takes the array in any case */
	if (r == 0)
		r = set;
	if (r == 0)
		r = json_set(line, "message", json_ref(x->message));
	return r == 0 ? json_print(line, out) : r;
}

static int
as_text(const struct outcome *x, struct buf *out)
{
	int r = buf_printf(out,
	    "decision  %s\nreason    " SLICE_FMT "\ndedup     " SLICE_FMT "\nmessage   ",
	    chatwoot_decision_text(x->decision), SLICE_ARG(x->reason),
	    SLICE_ARG(x->dedup.len ? x->dedup : SLICE("-")));

	if (r < 0)
		return r;
	return x->message ? json_print(x->message, out) : buf_append_slice(out, SLICE("-"));
}

int
cmd_explain(struct cli *cli, int argc, char **argv)
{
	struct options o = { 0 };
	struct tenant tenant = { 0 };
	struct scratch scratch = { 0 };
	struct outcome last = { 0 };
	int r = read_options(cli, argc, argv, &o);

	if (r == EXIT_DONE)
		r = o.tenant ? ask_tenant(cli, o.tenant, &tenant)
		    : fixture_tenant(cli->arena, &tenant);
	if (r != EXIT_DONE)
		return r;
	if (scratch_init(&scratch, o.steps, cli->arena) != 0)
		return cli_fail("out of memory");
	for (size_t i = 0; r == EXIT_DONE && i < o.steps; i++) {
		json_free(last.message);
		last = (struct outcome){ 0 };
		r = explain_step(cli, &o, i, &tenant, &scratch, &last);
	}
	if (r == EXIT_DONE) {
		CLEANUP(buf_free) struct buf made = { 0 }, out = { 0 };

		if ((o.json ? as_json(&last, &made) : as_text(&last, &made)) != 0
		    || append_printable(&out, buf_view(&made)) != 0
		    || buf_append_slice(&out, SLICE("\n")) != 0)
			r = cli_fail("out of memory");
		else
			fwrite(buf_view(&out).ptr, 1, buf_view(&out).len, stdout);
	}
	json_free(last.message);
	return r;
}
