/* odoo_ask: what somebody asks an Odoo, read from the frame's JSON, and whether
 * it may be asked.  Knows no Odoo and sends nothing. */
#ifndef PONTE_COURIER_ODOO_ASK_H
#define PONTE_COURIER_ODOO_ASK_H

#include "app/courier/calls.h"
#include "lib/odoo/odoo.h"

enum odoo_step { STEP_VERSION, STEP_LOGIN, STEP_TYPES, STEP_EXECUTE };
struct odoo_ask {
	struct slice  model, method;
	struct value *args, *kwargs;            /* kwargs NULL: none */
	bool          reads;
	bool          logged_in;                /* for this very call */
	enum odoo_step step;
	bool          anew;                     /* the types were asked for again */
};

/* Reads call->asked, {"model", "method", "args", "kwargs"}, into call->odoo,
 * which lives in call->memory.  False: the call is over, with the reason. */
bool odoo_ask_read(struct call *);
/* Are the types of the model's fields needed, to tell an empty text from false? */
bool odoo_ask_wants_types(const struct odoo_ask *);
/* Fields that this Odoo does not have are left out of kwargs.fields: which
 * there are depends on the generation of the addons. */
void odoo_ask_trim(const struct odoo_ask *, const struct odoo_fields *, struct arena *);

#endif
