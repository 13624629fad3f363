#include <errno.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "lib/xmlrpc.h"
#include "lib/xmlrpc_fault.h"
#include "lib/xmlrpc_grammar.h"
#include "lib/xmlrpc_guard.h"

#define CHUNK     (16 * KIB)
#define NAME_MAX_ 1024
#define NAMESPACES_MAX 4        /* declared in one tag: Apache's servers have one */

const struct xmlrpc_limits xmlrpc_default_limits = {
	.depth = GRAMMAR_DEPTH, .bytes = 256 * MIB, .text = 64 * MIB, .values = 20000000,
};

struct xmlrpc_reader {
	struct xmlrpc_limits limits;
	struct xmlrpc_sink   sink, outer;       /* outer: while a fault is read into our own tree */
	xmlParserCtxtPtr     xml;
	struct grammar g;
	struct buf  text;               /* of the value or name that is open */
	size_t      text_seen;          /* of that value: what went out in pieces too */
	struct buf  name;               /* of the member that is open */
	struct buf  method;
	size_t      bytes, values;
	size_t      given;              /* of the bytes, to the parser */
	struct guard guard;             /* in front of the parser */
	/* how it ends */
	int         outcome;
	const char *why;
	bool        is_fault;
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

/* What was collected is heard.  The memory stays, as large as the longest was. */
static void
forget_text(struct xmlrpc_reader *r)
{
	r->text.len = r->text.at = 0;
}

/* ---- elements ------------------------------------------------------------ */

/* Is the value that is open the member of a struct?  Then it has a name. */
static struct slice
name_here(const struct xmlrpc_reader *r)
{
	bool member = r->g.depth >= 2 && r->g.open[r->g.depth - 2].what == EL_MEMBER;
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
		if (r->g.open[0].what == EL_CALL)
			heard(r, r->sink.begin(r->sink.context, VALUE_LIST, (struct slice){ NULL, 0 }));
		break;
	case EL_VALUE:
		if (++r->values > (r->is_fault ? FAULT_VALUES : r->limits.values))
			stop(r, XMLRPC_E_REFUSED, "more values than the limit");
		forget_text(r);
		r->text_seen = 0;
		break;
	case EL_NAME:
		forget_text(r);
		break;
	case EL_ARRAY:
	case EL_STRUCT:
	case EL_INT: case EL_DOUBLE: case EL_BOOLEAN: case EL_STRING: case EL_NIL: case EL_OTHER_TEXT:
		/* Blanks before the type, and a text that is not blank: no value has both. */
		if (!blank(buf_view(&r->text))) {
			stop(r, XMLRPC_E_SCHEMA, "text beside a typed value");
			break;
		}
		forget_text(r);
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
	int what = grammar_element((const char *)local);
	if (r->outcome)
		return;
	if (attributes > 0 || namespaces > NAMESPACES_MAX || (namespaces > 0 && r->g.depth > 0 && what < EL_INT)) {
		stop(r, XMLRPC_E_REFUSED, "an attribute: XML-RPC has none");
		return;
	}
	if (r->g.depth >= r->limits.depth || r->g.depth >= GRAMMAR_DEPTH) {
		stop(r, XMLRPC_E_REFUSED, "nested deeper than the limit");
		return;
	}
	if (what < 0 || !grammar_fits(&r->g, (enum element)what)) {
		stop(r, XMLRPC_E_SCHEMA, what < 0 ? "an element that XML-RPC does not have" : "an element where XML-RPC has none of it");
		return;
	}
	r->g.open[r->g.depth++] = (struct grammar_open){ .what = (enum element)what };
	opened(r, (enum element)what);
	if (r->outcome == 0 && (what == EL_ARRAY || what == EL_STRUCT)) {
		/* The name is that of the value around it. */
		r->g.depth--;
		struct slice name = name_here(r);
		r->g.depth++;
		heard(r, r->sink.begin(r->sink.context, what == EL_ARRAY ? VALUE_LIST : VALUE_RECORD, name));
	}
}

/* ---- values -------------------------------------------------------------- */

static void
give(struct xmlrpc_reader *r, struct value *v)
{
	v->name = name_here(r);
	heard(r, r->sink.value(r->sink.context, v));
}

static int
end_with_nul(struct buf *b)
{
	int e = buf_append(b, "", 1);
	if (e == 0)
		b->len--;               /* it stays behind what is counted */
	return e;
}

static void
close_scalar(struct xmlrpc_reader *r, enum element what)
{
	struct value v = { .type = VALUE_TEXT };
	bool ok = true;
	if (what == EL_DOUBLE && end_with_nul(&r->text) < 0) {
		stop(r, -ENOMEM, "out of memory");
		return;
	}
	if (r->is_fault)
		fault_cut(&r->text);
	struct slice text = buf_view(&r->text);
	switch (what) {
	case EL_INT:
		v.type = VALUE_INT;
		ok = grammar_int(text, &v.number);
		break;
	case EL_DOUBLE:
		v.type = VALUE_DOUBLE;
		ok = grammar_double(text, &v.real);
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
	forget_text(r);
}

static void
close_name(struct xmlrpc_reader *r, struct buf *to)
{
	buf_clear(to);
	if (r->text.len == 0 && to == &r->method)
		stop(r, XMLRPC_E_SCHEMA, "a method without a name");
	else if (buf_append_slice(to, buf_view(&r->text)) < 0)
		stop(r, -ENOMEM, "out of memory");
	forget_text(r);
}

static void
on_end(void *context, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	struct xmlrpc_reader *r = context;
	(void)local, (void)prefix, (void)uri;
	if (r->outcome || r->g.depth == 0)
		return;
	struct grammar_open o = r->g.open[--r->g.depth];
	switch (o.what) {
	case EL_VALUE:
		/* Without a type it is a string. */
		if (!o.filled) {
			r->g.depth++;
			close_scalar(r, EL_STRING);
			r->g.depth--;
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
		r->g.method = true;
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
		r->g.complete = r->g.complete || o.what == EL_RESPONSE;
		break;
	case EL_CALL:
		if (r->method.len == 0)
			stop(r, XMLRPC_E_SCHEMA, "a call without a method");
		r->g.complete = true;
		break;
	case EL_PARAMS:
		if (r->g.open[0].what == EL_CALL)
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
	enum element in = r->g.depth > 0 ? r->g.open[r->g.depth - 1].what : EL_RESPONSE;
	bool open_value = in == EL_VALUE && !r->g.open[r->g.depth - 1].filled;
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
	if (r->is_fault)
		fault_cut(&r->text);
	if (buf_append_slice(&r->text, text) < 0) {
		stop(r, -ENOMEM, "out of memory");
		return;
	}
	/* Only where the type is said: of the others it is not known yet. */
	if (in == EL_STRING && r->sink.piece && r->text.len >= XMLRPC_PIECE) {
		r->g.depth--;
		heard(r, r->sink.piece(r->sink.context, name_here(r), buf_view(&r->text)));
		r->g.depth++;
		forget_text(r);
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
		xmlSetStructuredErrorFunc(NULL, on_complaint);          /* else what has no parser goes to stderr */
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

/* The parser says so in three ways; the third is when its input cannot grow. */
static bool
ran_out(const struct xmlrpc_reader *r, int e)
{
	return e == XML_ERR_NO_MEMORY || r->xml->errNo == XML_ERR_NO_MEMORY || e < 0;
}

/* The parser keeps a tag until all of it is there, and then looks at its
 * attributes in time that grows with their square, before we hear of the first.
 * What it keeps is therefore never much more than a chunk.  Text it does not
 * keep; a CDATA section it does, up to a limit of its own. */
static bool
keeps_too_much(const struct xmlrpc_reader *r)
{
	return r->given - (size_t)xmlByteConsumed(r->xml) > CHUNK && r->xml->instate != XML_PARSER_CDATA_SECTION;
}

static int
parse(struct xmlrpc_reader *r, struct slice bytes)
{
	while (bytes.len > 0 && r->outcome == 0) {
		size_t n = bytes.len < CHUNK ? bytes.len : CHUNK;
		int e = xmlParseChunk(r->xml, bytes.ptr, (int)n, 0);
		r->given += n;
		if (ran_out(r, e))
			stop(r, -ENOMEM, "out of memory");
		else if (r->outcome == 0 && !r->xml->wellFormed)
			stop(r, XMLRPC_E_FORM, "not well-formed XML");
		else if (r->outcome == 0 && keeps_too_much(r))
			stop(r, XMLRPC_E_REFUSED, "a tag or a comment longer than the limit");
		bytes = slice_after(bytes, n);
	}
	return r->outcome;
}

static int
pass(void *context, struct slice bytes)
{
	return parse(context, bytes);
}

int
xmlrpc_feed(struct xmlrpc_reader *r, struct slice bytes)
{
	if (r->outcome == 0 && bytes.len > r->limits.bytes - r->bytes)
		stop(r, XMLRPC_E_REFUSED, "more bytes than the limit");
	if (r->outcome)
		return r->outcome;
	r->bytes += bytes.len;
	if (!guard_begins(&r->guard, bytes))
		stop(r, XMLRPC_E_FORM, "it does not begin like XML in UTF-8");
	return r->outcome ? r->outcome : guard_filter(&r->guard, bytes, pass, r);
}

int
xmlrpc_end(struct xmlrpc_reader *r)
{
	if (r->outcome == 0)
		(void)!parse(r, guard_rest(&r->guard));
	if (r->outcome)
		return r->outcome;
	int e = xmlParseChunk(r->xml, "", 0, 1);
	if (ran_out(r, e))
		stop(r, -ENOMEM, "out of memory");
	if (r->outcome == 0 && (e != 0 || !r->xml->wellFormed || !r->g.complete))
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
	return r->guard.dropped;
}

struct slice
xmlrpc_method(const struct xmlrpc_reader *r)
{
	return buf_view(&r->method);
}

void
xmlrpc_fault(const struct xmlrpc_reader *r, struct xmlrpc_fault *ret)
{
	fault_read(r->tree.root, ret);
}
