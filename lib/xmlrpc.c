#include <errno.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "lib/xmlrpc.h"

#define CHUNK     (16 * KIB)
#define TAG_MAX   256           /* bytes between < and >: Odoo's are shorter than 20 */
#define NAME_MAX_ 1024
#define ELEMENTS  64
#define FAULT_MEMORY (64 * KIB)

const struct xmlrpc_limits xmlrpc_default_limits = {
	.depth = ELEMENTS, .bytes = 256 * MIB, .text = 64 * MIB, .values = 20000000,
};

enum element {
	EL_RESPONSE, EL_CALL, EL_METHOD, EL_PARAMS, EL_PARAM, EL_FAULT,
	EL_VALUE, EL_ARRAY, EL_DATA, EL_STRUCT, EL_MEMBER, EL_NAME,
	/* the types */
	EL_INT, EL_DOUBLE, EL_BOOLEAN, EL_STRING, EL_NIL, EL_OTHER_TEXT,
};

struct open {
	enum element what;
	bool filled;            /* it has had the child it may have once */
	bool named;             /* EL_MEMBER: its name came */
};

struct xmlrpc_reader {
	struct xmlrpc_limits limits;
	struct xmlrpc_sink   sink, outer;       /* outer: while a fault is read into our own tree */
	xmlParserCtxtPtr     xml;
	struct open open[ELEMENTS + 1];
	unsigned    depth;
	struct buf  text;               /* of the value or name that is open */
	size_t      text_seen;          /* of that value: what went out in pieces too */
	struct buf  name;               /* of the member that is open */
	struct buf  method;
	size_t      bytes, values, dropped;
	/* before the parser */
	unsigned char held[2];          /* EF, or EF BF, at the end of what came */
	unsigned    helds;
	size_t      tag;                /* bytes since a < that no > followed; 0: outside */
	bool        markup;             /* that was <! or <?, which may be longer */
	unsigned    begun;              /* bytes of the beginning looked at */
	/* how it ends */
	int         outcome;
	const char *why;
	bool        complete, is_fault;
	struct arena      *memory;      /* of the fault */
	struct xmlrpc_tree tree;
};

static void
stop(struct xmlrpc_reader *r, int outcome, const char *why)
{
	if (r->outcome == 0) {
		r->outcome = outcome;
		r->why = why;
	}
	xmlStopParser(r->xml);
}

/* ---- elements ------------------------------------------------------------ */

static const struct { const char *name; enum element what; } elements[] = {
	{ "value", EL_VALUE }, { "member", EL_MEMBER }, { "name", EL_NAME }, { "string", EL_STRING }, { "int", EL_INT },
	{ "i4", EL_INT }, { "double", EL_DOUBLE }, { "boolean", EL_BOOLEAN }, { "struct", EL_STRUCT }, { "array", EL_ARRAY },
	{ "data", EL_DATA }, { "nil", EL_NIL }, { "i8", EL_INT }, { "param", EL_PARAM }, { "params", EL_PARAMS },
	{ "methodResponse", EL_RESPONSE }, { "methodCall", EL_CALL }, { "methodName", EL_METHOD }, { "fault", EL_FAULT },
	{ "dateTime.iso8601", EL_OTHER_TEXT }, { "base64", EL_OTHER_TEXT }, { "i1", EL_INT }, { "i2", EL_INT },
	{ "biginteger", EL_INT },
};

static int
element_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(elements); i++)
		if (name[0] == elements[i].name[0] && strcmp(name, elements[i].name) == 0)
			return (int)elements[i].what;
	return -1;
}

/* May `what` stand inside what is open now?  Notes that it does. */
static bool
fits(struct xmlrpc_reader *r, enum element what)
{
	if (r->depth == 0)
		return !r->complete && (what == EL_RESPONSE || what == EL_CALL);
	struct open *in = &r->open[r->depth - 1];
	bool once = !in->filled;
	switch (in->what) {
	case EL_RESPONSE:
		in->filled = true;
		return once && (what == EL_PARAMS || what == EL_FAULT);
	case EL_CALL:
		if (what == EL_METHOD)
			return once && r->method.len == 0;
		in->filled = true;
		return once && what == EL_PARAMS && r->method.len > 0;
	case EL_PARAMS:
		/* A response has one, a call any number. */
		in->filled = r->open[0].what == EL_RESPONSE;
		return once && what == EL_PARAM;
	case EL_PARAM:
	case EL_FAULT:
		in->filled = true;
		return once && what == EL_VALUE;
	case EL_VALUE:
		in->filled = true;
		return once && (what == EL_ARRAY || what == EL_STRUCT || what >= EL_INT);
	case EL_ARRAY:
		in->filled = true;
		return once && what == EL_DATA;
	case EL_DATA:
		return what == EL_VALUE;
	case EL_STRUCT:
		return what == EL_MEMBER;
	case EL_MEMBER:
		if (what == EL_NAME) {
			once = !in->named;
			in->named = true;
			return once;
		}
		in->filled = true;
		return once && in->named && what == EL_VALUE;
	case EL_METHOD: case EL_NAME: case EL_INT: case EL_DOUBLE: case EL_BOOLEAN: case EL_STRING: case EL_NIL:
	case EL_OTHER_TEXT:
		break;
	}
	return false;
}

/* Is the value that is open the member of a struct?  Then it has a name. */
static struct slice
name_here(const struct xmlrpc_reader *r)
{
	bool member = r->depth >= 2 && r->open[r->depth - 2].what == EL_MEMBER;
	return member ? buf_view(&r->name) : (struct slice){ NULL, 0 };
}

static void
heard(struct xmlrpc_reader *r, int result)
{
	if (result != 0)
		stop(r, result, "it was not taken");
}

static bool
blank(struct slice text)
{
	return slice_trim(text).len == 0;
}

static void
open_fault(struct xmlrpc_reader *r)
{
	r->is_fault = true;
	if (arena_new(FAULT_MEMORY, &r->memory) != 0) {
		stop(r, -ENOMEM, "out of memory");
		return;
	}
	r->outer = r->sink;
	r->sink = xmlrpc_tree_sink(&r->tree, r->memory);
}

static void
opened(struct xmlrpc_reader *r, enum element what)
{
	switch (what) {
	case EL_FAULT:
		open_fault(r);
		break;
	case EL_PARAMS:
		if (r->open[0].what == EL_CALL)
			heard(r, r->sink.begin(r->sink.context, VALUE_LIST, (struct slice){ NULL, 0 }));
		break;
	case EL_VALUE:
		if (++r->values > r->limits.values)
			stop(r, XMLRPC_E_REFUSED, "more values than the limit");
		buf_clear(&r->text);
		r->text_seen = 0;
		break;
	case EL_NAME:
		buf_clear(&r->text);
		break;
	case EL_ARRAY:
	case EL_STRUCT:
	case EL_INT: case EL_DOUBLE: case EL_BOOLEAN: case EL_STRING: case EL_NIL: case EL_OTHER_TEXT:
		/* Blanks before the type, and a text that is not blank: no value has both. */
		if (!blank(buf_view(&r->text))) {
			stop(r, XMLRPC_E_SCHEMA, "text beside a typed value");
			break;
		}
		buf_clear(&r->text);
		break;
	case EL_RESPONSE: case EL_CALL: case EL_METHOD: case EL_PARAM: case EL_DATA: case EL_MEMBER:
		break;
	}
}

static void
on_start(void *context, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri, int namespaces,
    const xmlChar **namespace, int attributes, int defaulted, const xmlChar **attribute)
{
	struct xmlrpc_reader *r = context;
	(void)prefix, (void)uri, (void)namespace, (void)defaulted, (void)attribute;
	int what = element_of((const char *)local);
	if (r->outcome)
		return;
	if (attributes > 0 || (namespaces > 0 && r->depth > 0 && what < EL_INT)) {
		stop(r, XMLRPC_E_REFUSED, "an attribute: XML-RPC has none");
		return;
	}
	if (r->depth >= r->limits.depth || r->depth >= ELEMENTS) {
		stop(r, XMLRPC_E_REFUSED, "nested deeper than the limit");
		return;
	}
	if (what < 0 || !fits(r, (enum element)what)) {
		stop(r, XMLRPC_E_SCHEMA, what < 0 ? "an element that XML-RPC does not have" : "an element where XML-RPC has none of it");
		return;
	}
	r->open[r->depth++] = (struct open){ .what = (enum element)what };
	opened(r, (enum element)what);
	if (r->outcome == 0 && (what == EL_ARRAY || what == EL_STRUCT)) {
		/* The name is that of the value around it. */
		r->depth--;
		struct slice name = name_here(r);
		r->depth++;
		heard(r, r->sink.begin(r->sink.context, what == EL_ARRAY ? VALUE_LIST : VALUE_RECORD, name));
	}
}

/* ---- values -------------------------------------------------------------- */

static bool
read_int(struct slice text, int64_t *ret)
{
	text = slice_trim(text);
	bool minus = text.len > 0 && text.ptr[0] == '-';
	if (text.len > 0 && (minus || text.ptr[0] == '+'))
		text = slice_after(text, 1);
	uint64_t n = 0, most = minus ? (uint64_t)INT64_MAX + 1 : INT64_MAX;
	for (size_t i = 0; i < text.len; i++) {
		unsigned digit = (unsigned char)text.ptr[i] - (unsigned)'0';
		if (digit > 9 || n > (most - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*ret = minus ? (int64_t)(0 - n) : (int64_t)n;
	return text.len > 0;
}

/* The text has a NUL behind it. */
static bool
read_double(struct slice text, double *ret)
{
	char *end;
	text = slice_trim(text);
	if (text.len == 0 || text.ptr[0] == ' ')
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (!strchr("0123456789+-.eEinfaINFAyYtTN", text.ptr[i]))
			return false;           /* no hexadecimal */
	*ret = strtod(text.ptr, &end);
	return end == text.ptr + text.len;
}

static void
give(struct xmlrpc_reader *r, struct value *v)
{
	v->name = name_here(r);
	heard(r, r->sink.value(r->sink.context, v));
}

static void
close_scalar(struct xmlrpc_reader *r, enum element what)
{
	struct value v = { .type = VALUE_TEXT };
	bool ok = true;
	if (buf_append(&r->text, "", 1) < 0) {
		stop(r, -ENOMEM, "out of memory");
		return;
	}
	r->text.len--;                  /* the NUL stays behind it */
	struct slice text = buf_view(&r->text);
	switch (what) {
	case EL_INT:
		v.type = VALUE_INT;
		ok = read_int(text, &v.number);
		break;
	case EL_DOUBLE:
		v.type = VALUE_DOUBLE;
		ok = read_double(text, &v.real);
		break;
	case EL_BOOLEAN:
		text = slice_trim(text);
		v.type = VALUE_BOOL;
		v.truth = slice_eq(text, SLICE("1"));
		ok = v.truth || slice_eq(text, SLICE("0"));
		break;
	case EL_NIL:
		v.type = VALUE_NONE;
		ok = blank(text);
		break;
	default:
		v.text = text;
		break;
	}
	if (!ok)
		stop(r, XMLRPC_E_SCHEMA, what == EL_INT ? "no whole number of 64 bits" : what == EL_DOUBLE ? "no number"
		    : what == EL_BOOLEAN ? "a boolean that is neither 0 nor 1" : "a nil with something in it");
	else
		give(r, &v);
	buf_clear(&r->text);
}

static void
close_name(struct xmlrpc_reader *r, struct buf *to)
{
	buf_clear(to);
	if (r->text.len == 0 && to == &r->method)
		stop(r, XMLRPC_E_SCHEMA, "a method without a name");
	else if (buf_append_slice(to, buf_view(&r->text)) < 0)
		stop(r, -ENOMEM, "out of memory");
	buf_clear(&r->text);
}

static void
on_end(void *context, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	struct xmlrpc_reader *r = context;
	(void)local, (void)prefix, (void)uri;
	if (r->outcome || r->depth == 0)
		return;
	struct open o = r->open[--r->depth];
	switch (o.what) {
	case EL_VALUE:
		/* Without a type it is a string. */
		if (!o.filled) {
			r->depth++;
			close_scalar(r, EL_STRING);
			r->depth--;
		}
		break;
	case EL_INT: case EL_DOUBLE: case EL_BOOLEAN: case EL_STRING: case EL_NIL: case EL_OTHER_TEXT:
		close_scalar(r, o.what);
		break;
	case EL_ARRAY:
	case EL_STRUCT:
		if (o.what == EL_ARRAY && !o.filled)
			stop(r, XMLRPC_E_SCHEMA, "an array without data");
		else
			heard(r, r->sink.end(r->sink.context));
		break;
	case EL_NAME:
		close_name(r, &r->name);
		break;
	case EL_METHOD:
		close_name(r, &r->method);
		break;
	case EL_MEMBER:
		if (!o.filled)
			stop(r, XMLRPC_E_SCHEMA, "a member without a value");
		break;
	case EL_PARAM:
	case EL_FAULT:
	case EL_RESPONSE:
		if (!o.filled)
			stop(r, XMLRPC_E_SCHEMA, "nothing where a value must be");
		r->complete = r->complete || o.what == EL_RESPONSE;
		break;
	case EL_CALL:
		if (r->method.len == 0)
			stop(r, XMLRPC_E_SCHEMA, "a call without a method");
		r->complete = true;
		break;
	case EL_PARAMS:
		if (r->open[0].what == EL_CALL)
			heard(r, r->sink.end(r->sink.context));
		else if (!o.filled)
			stop(r, XMLRPC_E_SCHEMA, "nothing where a value must be");
		break;
	case EL_DATA:
		break;
	}
}

static void
on_text(void *context, const xmlChar *bytes, int n)
{
	struct xmlrpc_reader *r = context;
	struct slice text = slice_from(bytes, (size_t)n);
	if (r->outcome)
		return;
	enum element in = r->depth > 0 ? r->open[r->depth - 1].what : EL_RESPONSE;
	bool open_value = in == EL_VALUE && !r->open[r->depth - 1].filled;
	bool collects = open_value || in >= EL_INT || in == EL_NAME || in == EL_METHOD;
	if (!collects) {
		if (!blank(text))
			stop(r, XMLRPC_E_SCHEMA, "text between elements");
		return;
	}
	size_t most = in == EL_NAME || in == EL_METHOD ? NAME_MAX_ : r->limits.text;
	r->text_seen += in == EL_NAME || in == EL_METHOD ? 0 : text.len;
	if (r->text.len + text.len > most || r->text_seen > r->limits.text) {
		stop(r, XMLRPC_E_REFUSED, "a text longer than the limit");
		return;
	}
	if (buf_append_slice(&r->text, text) < 0) {
		stop(r, -ENOMEM, "out of memory");
		return;
	}
	/* Only where the type is said: of the others it is not known yet. */
	if (in == EL_STRING && r->sink.piece && r->text.len >= XMLRPC_PIECE) {
		r->depth--;
		heard(r, r->sink.piece(r->sink.context, name_here(r), buf_view(&r->text)));
		r->depth++;
		buf_clear(&r->text);
	}
}

static void
on_doctype(void *context, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	(void)name, (void)external, (void)system;
	stop(context, XMLRPC_E_REFUSED, "a DOCTYPE: XML-RPC has none");
}

static xmlEntityPtr
on_entity(void *context, const xmlChar *name)
{
	(void)context;
	return xmlGetPredefinedEntity(name);
}

static void
on_complaint(void *context, xmlErrorPtr error)
{
	(void)context, (void)error;
}

/* Nothing is ever fetched, whatever a document names. */
static xmlParserInputPtr
no_entity(const char *url, const char *id, xmlParserCtxtPtr context)
{
	(void)url, (void)id, (void)context;
	return NULL;
}

/* ---- reading ------------------------------------------------------------- */

int
xmlrpc_new(const struct xmlrpc_limits *limits, const struct xmlrpc_sink *sink, struct xmlrpc_reader **ret)
{
	static bool prepared;
	if (!prepared) {
		xmlInitParser();
		xmlSetExternalEntityLoader(no_entity);
		prepared = true;
	}
	CLEANUP(xmlrpc_freep) struct xmlrpc_reader *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	xmlSAXHandler sax = {
		.initialized = XML_SAX2_MAGIC, .startElementNs = on_start, .endElementNs = on_end, .characters = on_text,
		.ignorableWhitespace = on_text, .cdataBlock = on_text, .internalSubset = on_doctype, .getEntity = on_entity,
		.serror = on_complaint,
	};
	r->limits = limits ? *limits : xmlrpc_default_limits;
	r->sink = *sink;
	r->why = "";
	r->xml = xmlCreatePushParserCtxt(&sax, r, NULL, 0, NULL);
	if (!r->xml || xmlCtxtUseOptions(r->xml, XML_PARSE_NONET | XML_PARSE_IGNORE_ENC) != 0)
		return -ENOMEM;
	*ret = r;
	r = NULL;
	return 0;
}

void
xmlrpc_free(struct xmlrpc_reader *r)
{
	if (!r)
		return;
	if (r->xml) {
		if (r->xml->myDoc)
			xmlFreeDoc(r->xml->myDoc);
		xmlFreeParserCtxt(r->xml);
	}
	buf_free(&r->text);
	buf_free(&r->name);
	buf_free(&r->method);
	arena_free(r->memory);
	free(r);
}

void
xmlrpc_freep(struct xmlrpc_reader **r)
{
	xmlrpc_free(*r);
}

static int
parse(struct xmlrpc_reader *r, struct slice bytes)
{
	while (bytes.len > 0 && r->outcome == 0) {
		size_t n = bytes.len < CHUNK ? bytes.len : CHUNK;
		int e = xmlParseChunk(r->xml, bytes.ptr, (int)n, 0);
		if (r->outcome == 0 && (e == XML_ERR_NO_MEMORY || r->xml->errNo == XML_ERR_NO_MEMORY))
			stop(r, -ENOMEM, "out of memory");
		else if (r->outcome == 0 && !r->xml->wellFormed)
			stop(r, XMLRPC_E_FORM, "not well-formed XML");
		bytes = slice_after(bytes, n);
	}
	return r->outcome;
}

/* Tags as long as nobody writes them cost the parser time that grows with the
 * square of their attributes. */
static void
guard_tags(struct xmlrpc_reader *r, struct slice bytes)
{
	size_t at = 0;
	while (at < bytes.len && r->outcome == 0) {
		const char *found;
		if (r->tag == 0) {
			found = memchr(bytes.ptr + at, '<', bytes.len - at);
			if (!found)
				return;
			at = (size_t)(found - bytes.ptr) + 1;
			r->tag = 1;
			r->markup = false;
			continue;
		}
		if (r->tag == 1)
			r->markup = bytes.ptr[at] == '!' || bytes.ptr[at] == '?';
		found = memchr(bytes.ptr + at, '>', bytes.len - at);
		r->tag += found ? (size_t)(found - bytes.ptr) - at : bytes.len - at;
		if (r->tag > TAG_MAX && !r->markup)
			stop(r, XMLRPC_E_REFUSED, "a tag longer than the limit");
		if (!found)
			return;
		at = (size_t)(found - bytes.ptr) + 1;
		r->tag = 0;
	}
}

/* Only UTF-8 begins like this: an order mark or none, and then '<'. */
static void
look_at_beginning(struct xmlrpc_reader *r, struct slice bytes)
{
	static const unsigned char mark[] = { 0xef, 0xbb, 0xbf };
	for (size_t i = 0; i < bytes.len && r->begun < 5 && r->outcome == 0; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i];
		if (r->begun < 3 && c == mark[r->begun]) {
			r->begun++;
		} else if ((r->begun == 0 || r->begun == 3) && c == '<') {
			r->begun = 4;
		} else if (r->begun == 4 && c != 0) {
			r->begun = 5;
		} else {
			stop(r, XMLRPC_E_FORM, "it does not begin like XML in UTF-8");
		}
	}
}

/* Passes on what lies between the characters that are dropped. */
static int
filtered(struct xmlrpc_reader *r, struct slice bytes)
{
	size_t from = 0, at = 0;
	while (at < bytes.len && r->outcome == 0) {
		unsigned char c = (unsigned char)bytes.ptr[at];
		if (r->helds == 0) {
			const char *found = memchr(bytes.ptr + at, 0xef, bytes.len - at);
			if (!found)
				break;
			at = (size_t)(found - bytes.ptr);
			if (at > from)
				(void)parse(r, slice_from(bytes.ptr + from, at - from));
			r->held[r->helds++] = 0xef;
			from = ++at;
		} else if (r->helds == 1 && c == 0xbf) {
			r->held[r->helds++] = c;
			from = ++at;
		} else if (r->helds == 2 && c >= 0xbe && c <= 0xbf) {
			r->dropped++;
			r->helds = 0;
			from = ++at;
		} else {
			(void)parse(r, slice_from(r->held, r->helds));
			r->helds = 0;
		}
	}
	if (r->outcome == 0 && bytes.len > from)
		(void)parse(r, slice_from(bytes.ptr + from, bytes.len - from));
	return r->outcome;
}

int
xmlrpc_feed(struct xmlrpc_reader *r, struct slice bytes)
{
	if (r->outcome == 0 && bytes.len > r->limits.bytes - r->bytes)
		stop(r, XMLRPC_E_REFUSED, "more bytes than the limit");
	if (r->outcome)
		return r->outcome;
	r->bytes += bytes.len;
	look_at_beginning(r, bytes);
	guard_tags(r, bytes);
	return r->outcome ? r->outcome : filtered(r, bytes);
}

int
xmlrpc_end(struct xmlrpc_reader *r)
{
	if (r->outcome == 0 && r->helds > 0) {
		(void)parse(r, slice_from(r->held, r->helds));
		r->helds = 0;
	}
	if (r->outcome)
		return r->outcome;
	int e = xmlParseChunk(r->xml, "", 0, 1);
	if (r->outcome == 0 && (e != 0 || !r->xml->wellFormed || !r->complete))
		stop(r, XMLRPC_E_FORM, r->bytes == 0 ? "nothing came" : "it is cut off, or not well-formed XML");
	if (r->outcome == 0 && r->is_fault)
		stop(r, XMLRPC_E_FAULT, "a fault");
	return r->outcome;
}

const char *
xmlrpc_why(const struct xmlrpc_reader *r)
{
	return r->why;
}

size_t
xmlrpc_dropped(const struct xmlrpc_reader *r)
{
	return r->dropped;
}

struct slice
xmlrpc_method(const struct xmlrpc_reader *r)
{
	return buf_view(&r->method);
}

void
xmlrpc_fault(const struct xmlrpc_reader *r, struct xmlrpc_fault *ret)
{
	const struct value *code = value_get(r->tree.root, "faultCode"), *text = value_get(r->tree.root, "faultString");
	*ret = (struct xmlrpc_fault){ .code = code && code->type == VALUE_INT ? code->number : 0 };
	if (code && code->type == VALUE_TEXT)
		ret->word = code->text;
	if (text && text->type == VALUE_TEXT)
		ret->text = text->text;
}
