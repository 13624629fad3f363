/* The life of one event, told from its rows. */
#include <errno.h>

#include "lib/base.h"
#include "lib/store.h"
#include "lib/store_db.h"

#define DELIVERIES_MAX 400              /* of one event and the batch it travelled in */

typedef void each_step(void *, const struct store_trace *);

static int
tell_event(struct store *s, const struct uuid *event, each_step *each, void *context, int64_t *ret_id)
{
	DB_QUERY(q);
	struct chatwoot_facts facts = { .recovered = false };
	struct chatwoot_policy policy;
	int r = db_first(s, &q, "SELECT e.id, t.name, e.account, e.display, e.message, e.decision, e.reason, e.received_us,"
	    " e.sender, e.request, e.facts FROM event e JOIN tenant t ON t.id = e.tenant WHERE e.uuid = ?",
	    DB_B(slice_from(event->byte, sizeof(event->byte))));
	if (r != 0)
		return r;
	(void)!chatwoot_unpack(db_text(q, 10), &facts, &policy);
	*ret_id = db_int(q, 0);
	struct store_trace step = {
		.step = STORE_STEP_EVENT, .event = *event, .tenant = db_text(q, 1), .account = db_int(q, 2),
		.conversation = db_int(q, 3), .message = db_int(q, 4), .decision = db_int(q, 5), .reason = db_text(q, 6),
		.at_us = db_int(q, 7), .sender = db_text(q, 8), .request_id = db_text(q, 9), .recovered = facts.recovered,
	};
	each(context, &step);
	return 0;
}

/* Of the event itself, and, where it travelled with others, of the batch's key
 * and what its answer made. */
static int
find_deliveries(struct store *s, int64_t event, int64_t ret[static DELIVERIES_MAX], size_t *ret_n)
{
	DB_QUERY(q);
	int r = db_open(s, &q, "SELECT id FROM delivery WHERE event IN (SELECT ?1 UNION SELECT k.event FROM delivery d"
	    " JOIN delivery k ON k.id = d.batch WHERE d.event = ?1 AND d.kind = 1 AND d.batch <> 0) ORDER BY id", DB_I(event));
	size_t n = 0;
	while (r == 0 && n < DELIVERIES_MAX && (r = db_next(s, q)) == 0)
		ret[n++] = db_int(q, 0);
	*ret_n = n;
	return r < 0 ? r : 0;
}

static int
tell_attempts(struct store *s, int64_t delivery, each_step *each, void *context)
{
	DB_QUERY(q);
	int64_t n = 0;
	int r = db_open(s, &q, "SELECT claimed_us, settled_us, verdict, status, reason FROM attempt WHERE delivery = ?"
	    " ORDER BY settled_us", DB_I(delivery));
	while (r == 0 && (r = db_next(s, q)) == 0) {
		struct store_trace step = {
			.step = STORE_STEP_ATTEMPT, .delivery = delivery, .attempt = ++n, .at_us = db_int(q, 0),
			.until_us = db_int(q, 1), .verdict = (enum settle_verdict)db_int(q, 2), .status = db_int(q, 3),
			.reason = db_text(q, 4),
		};
		each(context, &step);
	}
	return r < 0 ? r : 0;
}

static int
tell_delivery(struct store *s, int64_t delivery, each_step *each, void *context)
{
	{
		DB_QUERY(q);
		int r = db_first(s, &q, "SELECT d.made_us, d.settled_us, d.kind, d.state, d.n, d.batch, d.attempt, d.status, d.reason,"
		    " d.late, d.replayed, d.ladder, e.uuid, e.message FROM delivery d JOIN event e ON e.id = d.event WHERE d.id = ?",
		    DB_I(delivery));
		if (r != 0)
			return r < 0 ? r : 0;
		struct store_trace step = {
			.step = STORE_STEP_DELIVERY, .delivery = delivery, .at_us = db_int(q, 0), .until_us = db_int(q, 1),
			.kind = (enum delivery_kind)db_int(q, 2), .state = (enum delivery_state)db_int(q, 3), .n = db_int(q, 4),
			.batch = db_int(q, 5), .attempt = db_int(q, 6), .status = db_int(q, 7), .reason = db_text(q, 8),
			.late = db_int(q, 9) != 0, .replayed = db_int(q, 10) != 0, .ladder = db_int(q, 11) != 0,
			.event = db_uuid(q, 12), .message = db_int(q, 13),
		};
		each(context, &step);
	}
	return tell_attempts(s, delivery, each, context);
}

int
store_trace(struct store *s, const struct uuid *event, each_step *each, void *context)
{
	int64_t id = 0, delivery[DELIVERIES_MAX];
	size_t n = 0;
	int r = tell_event(s, event, each, context, &id);
	if (r != 0)
		return r < 0 ? r : STORE_E_NONE;
	r = find_deliveries(s, id, delivery, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = tell_delivery(s, delivery[i], each, context);
	return r;
}

int
store_body(struct store *s, int64_t delivery, void (*give)(void *, const struct uuid *, struct slice, struct slice), void *context)
{
	DB_QUERY(q);
	int r = db_first(s, &q, "SELECT e.uuid, e.body, d.payload FROM delivery d JOIN event e ON e.id = d.event WHERE d.id = ?",
	    DB_I(delivery));
	if (r != 0)
		return r < 0 ? r : STORE_E_NONE;
	struct uuid event = db_uuid(q, 0);
	give(context, &event, db_text(q, 1), db_text(q, 2));
	return 0;
}
