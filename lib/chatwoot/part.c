/* A part as it lies in the store.  Links neither JSON nor crypto: the keeper
 * makes parts too. */
#include <errno.h>

#include "lib/chatwoot/answer.h"

/* Stored: a number once given keeps its meaning. */
enum part_tag { PART_TEXT = 1, PART_CONTENT_TYPE, PART_ATTRIBUTES, PART_LABEL, PART_MORE };

int
chatwoot_part_pack(const struct chatwoot_part *p, struct buf *out)
{
	struct wire_writer w;

	wire_bare(&w, out);
	wire_put(&w, PART_TEXT, p->text);
	if (p->content_type.len > 0)
		wire_put(&w, PART_CONTENT_TYPE, p->content_type);
	if (p->attributes.len > 0)
		wire_put(&w, PART_ATTRIBUTES, p->attributes);
	for (size_t i = 0; i < p->labels; i++)
		wire_put(&w, PART_LABEL, p->label[i]);
	wire_put_u64(&w, PART_MORE, p->more);
	return wire_bare_end(&w);
}

int
chatwoot_part_unpack(struct slice payload, struct chatwoot_part *ret)
{
	struct wire_field f;

	if (payload.len == 0 || !wire_ok(payload) || !wire_find(payload, PART_TEXT, &f.value))
		return -EPROTO;
	*ret = (struct chatwoot_part){
		.text = f.value,
		.content_type = wire_text(payload, PART_CONTENT_TYPE),
		.attributes = wire_text(payload, PART_ATTRIBUTES),
		.more = wire_u64(payload, PART_MORE, 0) != 0,
	};
	for (struct wire_reader r = { .rest = payload }; wire_next(&r, &f);)
		if (f.tag == PART_LABEL && ret->labels < CHATWOOT_LABELS_MAX)
			ret->label[ret->labels++] = f.value;
	return 0;
}
