#include <errno.h>

#include "lib/http.h"
#include "lib/tenant_odoo.h"

/* Inside the record's Odoo group.  Stored: a number is never given a second meaning. */
enum tag {
	TAG_URL = 1, TAG_DB, TAG_LOGIN, TAG_KEY, TAG_NEXT_KEY, TAG_PACE_MS, TAG_TIMEOUT_MS, TAG_PULL_MS, TAG_LANG,
	TAG_SECRET, TAG_SIGNATURE, TAG_EMPTIED,
	TAG_OPEN_DOCUMENTS = 20, TAG_OPEN_TOOLS, TAG_OPEN_VIEWS,
};
#define ADDRESSES 1000

static void
put_text(struct wire_writer *w, uint16_t tag, struct slice text)
{
	if (text.len > 0)
		wire_put(w, tag, text);
}

void
tenant_odoo_put(struct wire_writer *w, const struct tenant_odoo *o)
{
	put_text(w, TAG_URL, o->url);
	put_text(w, TAG_DB, o->db);
	put_text(w, TAG_LOGIN, o->login);
	put_text(w, TAG_KEY, o->key);
	put_text(w, TAG_NEXT_KEY, o->next_key);
	put_text(w, TAG_LANG, o->lang);
	put_text(w, TAG_SECRET, o->secret);
	wire_put_i64(w, TAG_PACE_MS, o->pace_ms);
	wire_put_i64(w, TAG_TIMEOUT_MS, o->timeout_ms);
	wire_put_i64(w, TAG_PULL_MS, o->pull_ms);
	wire_put_u64(w, TAG_SIGNATURE, o->signature);
	if (o->emptied)
		wire_put_u64(w, TAG_EMPTIED, 1);
	for (size_t i = 0; i < TENANT_OPEN_COUNT; i++)
		for (size_t k = 0; k < o->open[i].n; k++)
			put_text(w, (uint16_t)(TAG_OPEN_DOCUMENTS + i), o->open[i].address[k]);
}

static int
read_open(struct slice g, struct arena *a, struct tenant_open *ret, uint16_t tag)
{
	struct wire_field f;
	size_t n = 0;

	for (struct wire_reader r = { .rest = g }; wire_next(&r, &f);)
		n += f.tag == tag;
	if (n > ADDRESSES)
		return -EPROTO;
	ret->address = n ? arena_take(a, n * sizeof(*ret->address)) : NULL;
	if (n && !ret->address)
		return -ENOMEM;
	for (struct wire_reader r = { .rest = g }; n > 0 && wire_next(&r, &f);)
		if (f.tag == tag)
			ret->address[ret->n++] = f.value;
	return 0;
}

int
tenant_odoo_read(struct slice g, struct arena *a, struct tenant_odoo *ret)
{
	struct http_url url;
	uint64_t signature = wire_u64(g, TAG_SIGNATURE, TENANT_SIGNATURE_ENFORCE);

	*ret = (struct tenant_odoo){
		.url = wire_text(g, TAG_URL), .db = wire_text(g, TAG_DB), .login = wire_text(g, TAG_LOGIN), .key = wire_text(g, TAG_KEY),
		.next_key = wire_text(g, TAG_NEXT_KEY), .lang = wire_text(g, TAG_LANG), .secret = wire_text(g, TAG_SECRET),
		.pace_ms = wire_i64(g, TAG_PACE_MS, 0), .timeout_ms = wire_i64(g, TAG_TIMEOUT_MS, TENANT_ODOO_TIMEOUT_MS),
		.pull_ms = wire_i64(g, TAG_PULL_MS, 0), .emptied = wire_u64(g, TAG_EMPTIED, 0) != 0,
	};
	if (!wire_ok(g) || signature > TENANT_SIGNATURE_OFF || (ret->url.len > 0 && http_url_split(ret->url, &url) != 0))
		return -EPROTO;
	ret->signature = (enum tenant_signature)signature;
	int r = 0;
	for (size_t i = 0; i < TENANT_OPEN_COUNT && r == 0; i++)
		r = read_open(g, a, &ret->open[i], (uint16_t)(TAG_OPEN_DOCUMENTS + i));
	return r;
}
