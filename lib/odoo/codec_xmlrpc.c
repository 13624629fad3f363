/* Odoo over XML-RPC: /xmlrpc/2. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/odoo/odoo.h"
#include "lib/xmlrpc.h"

static const char *
path(enum odoo_service service)
{
	return service == ODOO_COMMON ? "/xmlrpc/2/common" : "/xmlrpc/2/object";
}

static int
version(struct buf *out)
{
	return xmlrpc_write_call(SLICE("version"), NULL, 0, out);
}

static int
write(const char *method, const struct value *const *param, size_t n, struct arena *a, struct buf *out)
{
	return arena_overflowed(a) ? -ENOMEM : xmlrpc_write_call(slice_of(method), param, n, out);
}

static int
authenticate(const struct odoo_login *l, struct arena *a, struct buf *out)
{
	const struct value *const param[] = { value_text(a, l->db), value_text(a, l->login), value_text(a, l->key), value_record(a) };

	return write("authenticate", param, ARRAY_LEN(param), a, out);
}

static int
execute(const struct odoo_login *l, struct slice model, struct slice method, const struct value *args,
    const struct value *kwargs, struct arena *a, struct buf *out)
{
	const struct value *const param[] = {
		value_text(a, l->db), value_int(a, l->uid), value_text(a, l->key), value_text(a, model), value_text(a, method), args, kwargs,
	};

	return write("execute_kw", param, kwargs ? 7 : 6, a, out);
}

/* ---- faults ---------------------------------------------------------------- */

static bool
has(struct slice text, const char *word)
{
	return text.len > 0 && memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

static bool
has_letter(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((line.ptr[i] | 0x20) >= 'a' && (line.ptr[i] | 0x20) <= 'z')
			return true;
	return false;
}

/* What a traceback is of: the first line that is not indented behind its last
 * frame.  Lines of the message may follow.  Of another text the last line that
 * has a letter in it. */
static struct slice
exception(struct slice text, struct slice *ret_behind)
{
	struct slice rest = text, line, found = { NULL, 0 };
	bool frames = false;

	*ret_behind = (struct slice){ NULL, 0 };
	while (rest.len > 0) {
		line = rest;
		if (!slice_cut(rest, '\n', &line, &rest))
			rest.len = 0;
		if (slice_starts(line, SLICE("  File \""))) {
			frames = true;
			found.len = 0;
		} else if (has_letter(line) && (!frames || (found.len == 0 && line.ptr[0] != ' ' && line.ptr[0] != '\t'))) {
			found = line;
			*ret_behind = rest;
		}
	}
	return slice_trim(found);
}

/* Code 1 is everything that Odoo did not foresee.  The words are Python's and
 * PostgreSQL's own: they are not translated. */
static enum odoo_outcome
unforeseen(struct slice line, struct slice behind)
{
	static const char *const done[] = { "cannot marshal None", "int exceeds XML-RPC limits", "dictionary key must be string" };
	static const char *const again[] = { "SerializationFailure", "DeadlockDetected", "LockNotAvailable", "PoolError", "MemoryError",
		"OperationalError", "could not serialize access", "deadlock detected" };

	for (size_t i = 0; i < ARRAY_LEN(done); i++)
		if (has(line, done[i]))
			return ODOO_APPLIED;
	for (size_t i = 0; i < 2; i++) {
		struct slice text = i == 0 ? line : behind;
		if (has(text, "FATAL:") && has(text, "database \"") && has(text, "does not exist"))
			return ODOO_NO_DATABASE;
	}
	for (size_t i = 0; i < ARRAY_LEN(again); i++)
		if (has(line, again[i]))
			return ODOO_AGAIN;
	return ODOO_MISTAKE;
}

/* Cut where a character begins. */
static void
say(struct odoo_answer *ret, struct slice text)
{
	size_t n = 0, step;

	while (n < text.len && (step = slice_utf8(slice_after(text, n))) > 0 && n + step < sizeof(ret->why))
		n += step;
	memcpy(ret->why, text.ptr ? text.ptr : "", n);
	ret->why[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)ret->why[i] < 0x20)
			ret->why[i] = ' ';
}

/* The number that ends at the last digit of the text. */
static struct slice
last_number(struct slice text)
{
	size_t end = text.len, from;

	while (end > 0 && (text.ptr[end - 1] < '0' || text.ptr[end - 1] > '9'))
		end--;
	for (from = end; from > 0 && text.ptr[from - 1] >= '0' && text.ptr[from - 1] <= '9';)
		from--;
	return slice_from(text.ptr + from, end - from);
}

/* A uid that is none: "(Record: res.users(99,), User: 99)".  The words are the
 * user's language; who asked comes last. */
static bool
nobody(struct slice text)
{
	const char *at = text.len > 0 ? memmem(text.ptr, text.len, "res.users(", 10) : NULL;

	if (!at)
		return false;
	struct slice behind = slice_after(text, (size_t)(at - text.ptr) + 10), record = behind;
	return slice_cut(behind, ',', &record, &behind) && record.len > 0 && slice_eq(record, last_number(behind));
}

static void
judge_fault(const struct xmlrpc_fault *f, struct odoo_answer *ret)
{
	struct slice behind = { NULL, 0 }, line = f->code == 1 ? exception(f->text, &behind) : f->text;

	switch (f->code) {
	case 1:
		ret->outcome = unforeseen(line, behind);
		break;
	case 2:
		ret->outcome = nobody(line) ? ODOO_DENIED : ODOO_REFUSED;
		break;
	case 3:
		ret->outcome = ODOO_DENIED;
		break;
	case 4:
		ret->outcome = ODOO_NOT_ALLOWED;
		break;
	default:
		ret->outcome = ODOO_MISTAKE;
		line = f->text.len ? f->text : f->word;
	}
	say(ret, line);
}

static int
read(unsigned status, struct slice content_type, struct slice body, struct arena *a, struct odoo_answer *ret)
{
	CLEANUP(xmlrpc_freep) struct xmlrpc_reader *reader = NULL;
	struct xmlrpc_tree tree;
	struct xmlrpc_fault fault;

	*ret = (struct odoo_answer){ .outcome = ODOO_OK };
	/* Odoo's own faults come with 200. */
	if (status >= 500 || status == 429) {
		ret->outcome = ODOO_AGAIN;
		snprintf(ret->why, sizeof(ret->why), "HTTP status %u: it is in trouble, or a proxy in front of it", status);
		return 0;
	}
	if (status != 200 || (!has(content_type, "xml") && !slice_starts(slice_trim(body), SLICE("<?xml")))) {
		ret->outcome = ODOO_NOT_ODOO;
		snprintf(ret->why, sizeof(ret->why), "HTTP status %u and %.60s instead of XML: is the URL right?", status,
		    content_type.len ? "another kind of document" : "no document");
		return 0;
	}
	struct xmlrpc_sink sink = xmlrpc_tree_sink(&tree, a);
	int r = xmlrpc_new(NULL, &sink, &reader);
	if (r == 0)
		r = xmlrpc_feed(reader, body);
	if (r == 0)
		r = xmlrpc_end(reader);
	if (r < 0)
		return r;
	ret->dropped = xmlrpc_dropped(reader);
	ret->value = tree.root ? tree.root : value_none(a);
	if (!ret->value)
		return -ENOMEM;
	if (r == XMLRPC_E_FAULT) {
		xmlrpc_fault(reader, &fault);
		judge_fault(&fault, ret);
	} else if (r != 0) {
		ret->outcome = ODOO_UNREADABLE;
		say(ret, slice_of(xmlrpc_why(reader)));
	}
	return 0;
}

const struct odoo_codec odoo_xmlrpc = {
	.path = path, .content_type = "text/xml", .version = version, .authenticate = authenticate, .execute = execute, .read = read,
};
