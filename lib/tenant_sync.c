#include <errno.h>
#include <string.h>

#include "lib/http.h"
#include "lib/tenant_sync.h"

/* Inside a record's mapping group.  Stored: a number is never given a second meaning. */
enum tag { TAG_ACCOUNT = 1, TAG_INBOX, TAG_DOMAIN, TAG_FALLBACK, TAG_SEQUENCE, TAG_SPECIAL, TAG_NUMBER, TAG_CREW };

/* ---- as it is stored ---- */

void
tenant_mapping_put(struct wire_writer *w, const struct tenant_mapping *m)
{
	wire_put_i64(w, TAG_ACCOUNT, m->account);
	wire_put_i64(w, TAG_INBOX, m->inbox);
	wire_put(w, TAG_DOMAIN, m->domain);
	wire_put_u64(w, TAG_FALLBACK, m->fallback);
	wire_put_i64(w, TAG_SEQUENCE, m->sequence);
	for (size_t i = 0; i < m->specials; i++) {
		size_t mark = wire_open(w, TAG_SPECIAL);
		wire_put(w, TAG_NUMBER, m->special[i].number);
		wire_put(w, TAG_CREW, m->special[i].crew);
		wire_close(w, mark);
	}
}

int
tenant_mapping_read(struct slice g, struct tenant_mapping *ret)
{
	struct wire_field f;

	*ret = (struct tenant_mapping){
		.account = wire_i64(g, TAG_ACCOUNT, 0), .inbox = wire_i64(g, TAG_INBOX, 0), .domain = wire_text(g, TAG_DOMAIN),
		.fallback = wire_u64(g, TAG_FALLBACK, 0) != 0, .sequence = wire_i64(g, TAG_SEQUENCE, 0),
	};
	if (!wire_ok(g) || ret->account <= 0 || ret->inbox < 0)
		return -EPROTO;
	for (struct wire_reader r = { .rest = g }; wire_next(&r, &f);) {
		if (f.tag != TAG_SPECIAL)
			continue;
		if (ret->specials == TENANT_SPECIALS || !wire_ok(f.value))
			return -EPROTO;
		ret->special[ret->specials].number = wire_text(f.value, TAG_NUMBER);
		ret->special[ret->specials++].crew = wire_text(f.value, TAG_CREW);
	}
	return 0;
}

/* ---- merging ---- */

static void
take(struct slice *into, struct slice said)
{
	if (said.len > 0)
		*into = said;
}

static bool
same_server(struct slice one, struct slice other)
{
	struct http_url a, b;

	return http_url_split(one, &a) == 0 && http_url_split(other, &b) == 0 && a.tls == b.tls && a.port == b.port &&
	    slice_eq_nocase(a.host, b.host);
}

static const struct tenant_mapping *
mapping_of(const struct tenant *t, int64_t account, int64_t inbox)
{
	for (size_t i = 0; i < t->mappings; i++)
		if (t->mapping[i].account == account && t->mapping[i].inbox == inbox && !t->mapping[i].fallback)
			return &t->mapping[i];
	return NULL;
}

bool
tenant_mapping_stands(const struct tenant_mapping *all, size_t n, const struct tenant_mapping *m)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].account == m->account && all[i].inbox == m->inbox)
			return true;
	return false;
}

/* In an Odoo an account, or an inbox of it, has one mapping: what is said of it
 * now stands where the first was that is stored, and in the place of all. */
static int
merge_mappings(struct tenant *t, const struct tenant *said, struct arena *a)
{
	size_t room = t->mappings + said->mappings, n = 0;
	struct tenant_mapping *all = arena_take(a, (room ? room : 1) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < t->mappings; i++) {
		const struct tenant_mapping *m = &t->mapping[i];
		if (!tenant_mapping_stands(said->mapping, said->mappings, m))
			all[n++] = *m;
		else if (!tenant_mapping_stands(t->mapping, i, m))
			for (size_t k = 0; k < said->mappings; k++)
				if (tenant_mapping_stands(m, 1, &said->mapping[k]))
					all[n++] = said->mapping[k];
	}
	for (size_t i = 0; i < said->mappings; i++)
		if (!tenant_mapping_stands(t->mapping, t->mappings, &said->mapping[i]))
			all[n++] = said->mapping[i];
	if (n > TENANT_MAPPINGS)
		return TENANT_SYNC_E_FULL;
	t->mapping = all;
	t->mappings = n;
	return 0;
}

int
tenant_merge(struct tenant *t, const struct tenant *said, struct arena *a)
{
	struct tenant_odoo *o = &t->odoo;
	const struct tenant_odoo *s = &said->odoo;
	bool moves = s->url.len > 0 && !same_server(o->url, s->url);

	if (moves && o->key.len > 0 && s->key.len == 0)
		return TENANT_SYNC_E_KEY;
	int r = merge_mappings(t, said, a);
	if (r != 0)
		return r;
	take(&t->domain, said->domain);
	if (!s->given)
		return 0;
	if (!o->given) {        /* the rest of it as if a file had said nothing */
		*o = *s;
		return 0;
	}
	/* A key of its own for the next server would be the old server's. */
	if (moves)
		o->next_key = (struct slice){ NULL, 0 };
	take(&o->url, s->url);
	take(&o->db, s->db);
	take(&o->login, s->login);
	take(&o->key, s->key);
	return 0;
}

/* ---- whose it is ---- */

static bool
has_account(const struct tenant *t, const struct tenant *same_chatwoot, int64_t account)
{
	for (size_t i = 0; i < t->installations; i++) {
		bool same = !same_chatwoot;
		for (size_t k = 0; same_chatwoot && k < same_chatwoot->installations; k++)
			same = same || slice_eq(same_chatwoot->installation[k].url, t->installation[i].url);
		if (same && tenant_account_find(&t->installation[i], account))
			return true;
	}
	return false;
}

static bool
maps(const struct tenant *t, int64_t account)
{
	for (size_t i = 0; i < t->mappings; i++)
		if (t->mapping[i].account == account)
			return true;
	return false;
}

static bool
shares_chatwoot(const struct tenant *one, const struct tenant *other)
{
	for (size_t i = 0; i < one->installations; i++)
		for (size_t k = 0; k < other->installations; k++)
			if (slice_eq(one->installation[i].url, other->installation[k].url))
				return true;
	return one->installations == 0 || other->installations == 0;
}

/* What it maps in an account that the operator gave to `mine` is none of its own. */
static bool
has_inbox(const struct tenant *t, const struct tenant *mine, int64_t inbox)
{
	for (size_t i = 0; i < t->installations; i++)
		for (size_t k = 0; k < t->installation[i].inboxes; k++)
			if (t->installation[i].inbox[k].id == inbox)
				return true;
	for (size_t i = 0; i < t->mappings; i++)
		if (t->mapping[i].inbox == inbox && !has_account(mine, NULL, t->mapping[i].account))
			return true;
	return false;
}

static bool
was_given(const struct tenant *t, int64_t account, int64_t inbox)
{
	for (size_t i = 0; i < t->installations; i++)
		if (tenant_inbox_find(&t->installation[i], account, inbox))
			return true;
	return false;
}

bool
tenant_claimed(const struct tenant *mine, const struct tenant *other, int64_t account, int64_t inbox)
{
	if (!shares_chatwoot(mine, other))
		return false;
	/* Numbers of inboxes are one row over all accounts of a Chatwoot. */
	if (inbox != 0 && !was_given(mine, account, inbox) && has_inbox(other, mine, inbox))
		return true;
	if (has_account(mine, NULL, account))
		return false;
	return has_account(other, mine->installations ? mine : NULL, account) || maps(other, account);
}

/* ---- where a message belongs ---- */

static bool
same_number(struct slice one, struct slice other)
{
	size_t i = 0, k = 0, digits = 0;

	for (;; i++, k++, digits++) {
		while (i < one.len && (one.ptr[i] < '0' || one.ptr[i] > '9'))
			i++;
		while (k < other.len && (other.ptr[k] < '0' || other.ptr[k] > '9'))
			k++;
		if (i == one.len || k == other.len)
			return i == one.len && k == other.len && digits > 0;
		if (one.ptr[i] != other.ptr[k])
			return false;
	}
}

static struct slice
special_crew(const struct tenant *t, int64_t account, int64_t inbox, struct slice phone)
{
	for (size_t i = 0; i < t->mappings; i++) {
		const struct tenant_mapping *m = &t->mapping[i];
		if (m->account != account || (m->inbox != 0 && m->inbox != inbox))
			continue;
		for (size_t k = 0; k < m->specials; k++)
			if (same_number(m->special[k].number, phone))
				return m->special[k].crew;
	}
	return (struct slice){ NULL, 0 };
}

static struct slice
fallback_domain(const struct tenant *t, int64_t account)
{
	const struct tenant_mapping *best = NULL;

	for (size_t i = 0; i < t->mappings; i++) {
		const struct tenant_mapping *m = &t->mapping[i];
		if (m->fallback && m->account == account && (!best || m->sequence < best->sequence))
			best = m;
	}
	return best ? best->domain : (struct slice){ NULL, 0 };
}

struct tenant_place
tenant_place(const struct tenant *t, const struct tenant_installation *in, int64_t account, int64_t inbox, struct slice phone)
{
	const struct tenant_mapping *of_inbox = inbox ? mapping_of(t, account, inbox) : NULL, *of_account = mapping_of(t, account, 0);
	const struct tenant_account *acc = in ? tenant_account_find(in, account) : NULL;
	const struct tenant_inbox *box = in ? tenant_inbox_find(in, account, inbox) : NULL;
	struct slice said[] = {
		of_inbox ? of_inbox->domain : (struct slice){ NULL, 0 }, of_account ? of_account->domain : (struct slice){ NULL, 0 },
		acc ? acc->domain : (struct slice){ NULL, 0 }, fallback_domain(t, account), t->domain,
	};
	struct tenant_place place = { .crew = special_crew(t, account, inbox, phone) };

	for (size_t i = 0; i < ARRAY_LEN(said) && place.domain.len == 0; i++)
		place.domain = said[i];
	if (place.crew.len == 0 && box)
		place.crew = box->crew;
	return place;
}
