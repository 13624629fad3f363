/* odoo_peer: what is known of each tenant's Odoo, and whose turn it is there. */
#ifndef PONTE_COURIER_ODOO_PEER_H
#define PONTE_COURIER_ODOO_PEER_H

#include "app/courier/odoo.h"

struct odoo_peer *odoo_peer_known(const struct odoos *, struct slice tenant);  /* NULL: none */
struct odoo_peer *odoo_peer_of(struct odoos *, const struct call *);           /* NULL: out of memory */
/* Another record: another Odoo, perhaps, and other keys.  Nothing happens while it
 * is busy: what the answer says is true of the old ones. */
void odoo_peer_renew(struct odoo_peer *, uint64_t mark, const struct tenant *);
/* A call to its place is under way, whoever asks: DEST_NEVER.  Else when the
 * pause after the last one ends. */
int64_t odoo_free_at_ms(const struct odoos *, const struct odoo_peer *);
/* A call of it has ended: all who wait look again. */
void odoo_peer_free(struct courier *, struct odoo_peer *, int64_t now_ms);

/* The types of a model's fields.  NULL: not known. */
const struct odoo_fields *odoo_peer_fields(const struct odoo_peer *, struct slice model);
void odoo_peer_learn(struct odoo_peer *, struct slice model, const struct value *types);

#endif
