/* Documents that a person uploads: a shelf of their own, which no sync of Odoo's
 * touches.  What can be read out of a file is its text, when it is one. */
#include <errno.h>

#include "app/worker/api.h"
#include "app/worker/catalogue.h"
#include "app/worker/documents.h"
#include "app/worker/routes.h"
#include "app/worker/shelf.h"
#include "lib/multipart.h"

#define NAME_MAX_BYTES        1000
#define DESCRIPTION_MAX_BYTES 10000

/* Text that is shown and searched: UTF-8 without a NUL.  A byte order mark is cut off. */
static bool
read_text(struct request *r, struct slice *ret)
{
	int e = multipart_field(request_given(r, REQUEST_P_CONTENT_TYPE), r->body, "file", ret);

	if (e == MULTIPART_E_NONE)
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("the form has no field 'file'"));
	if (e != 0)
		return api_refuse(r, REQUEST_R_BAD_REQUEST, SLICE("the form cannot be read (multipart/form-data, RFC 7578)"));
	if (slice_starts(*ret, SLICE("\xef\xbb\xbf")))
		*ret = slice_after(*ret, 3);
	for (size_t at = 0, n; at < ret->len; at += n)
		if ((n = slice_utf8(slice_after(*ret, at))) == 0 || ret->ptr[at] == '\0')
			return api_refuse(r, REQUEST_R_VALIDATION_ERROR, arena_printf(r->arena, "byte %zu of the file is no UTF-8 text", at));
	return slice_trim(*ret).len > 0 || api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("the file is empty"));
}

static bool
read_query(struct request *r, struct slice *ret_name, struct slice *ret_description)
{
	struct slice type;

	if (!api_query(r, "name", ret_name) || !api_query(r, "description", ret_description) || !api_query(r, "document_type", &type))
		return false;
	if (slice_trim(*ret_name).len == 0 || ret_name->len > NAME_MAX_BYTES || ret_description->len > DESCRIPTION_MAX_BYTES)
		return api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("name is wanted, of at most 1000 bytes; a description may have 10000"));
	if (slice_eq(type, SLICE("pdf")) || slice_eq(type, SLICE("docx")))
		return api_refuse(r, REQUEST_R_BAD_TYPE, arena_printf(r->arena, "the text of a " SLICE_FMT " cannot be read here: send it as txt",
		    SLICE_ARG(type)));
	return slice_eq(type, SLICE("txt")) || api_refuse(r, REQUEST_R_VALIDATION_ERROR, SLICE("document_type is wanted: txt (pdf and docx are not read yet)"));
}

static int
make_item(struct shelf *s, struct slice name, struct slice description, struct slice text, struct catalog_item *ret)
{
	CLEANUP(json_freep) struct json *said = json_new_object();
	CLEANUP(buf_free) struct buf data = { 0 };
	int e = said ? json_set_text(said, "description", description) : -ENOMEM;

	if (e == 0)
		e = json_print(said, &data);
	*ret = (struct catalog_item){ .kind = CATALOG_K_UPLOAD, .key = name, .name = name, .description = text, .type = SLICE("txt"),
		.data = arena_copy(s->r->arena, buf_view(&data)) };
	return e == 0 ? shelf_seal(s, ret) : e;
}

static void
answer_document(void *context, const struct catalog_item *item)
{
	api_answer(context, document_json(item, DOCUMENT_LISTED), NULL);
}

/* The same name again is another text of the same document. */
void
on_documents_upload(struct request *r)
{
	CLEANUP(words_freep) struct words *words = NULL;
	struct shelf s = { .r = r };
	struct catalog_item item;
	struct slice name, description, text;
	struct catalog *c;
	bool same;

	if (!api_account(r) || !read_query(r, &name, &description) || !read_text(r, &text))
		return;
	int e = words_new(&words);
	s.words = words;
	if (e == 0)
		e = make_item(&s, name, description, text, &item);
	const struct catalog_shelf_push push = { .kind = CATALOG_K_UPLOAD, .item = &item, .items = 1 };
	if (e != 0)
		api_refuse(r, REQUEST_R_SERVICE_UNAVAILABLE_ERROR, SLICE("out of memory: send it again"));
	else if (shelf_push(r, &push, 1, "upload", name, &same) && (c = catalogue_of(r, CATALOG_BIT(CATALOG_K_UPLOAD))))
		if (catalog_find(c, r->tenant, CATALOG_K_UPLOAD, name, answer_document, r) < 0 || r->answer.status == 0)
			catalogue_failed(r);
}
