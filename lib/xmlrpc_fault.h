/* xmlrpc_fault: what is kept of a fault.  For xmlrpc.c alone. */
#ifndef PONTE_XMLRPC_FAULT_H
#define PONTE_XMLRPC_FAULT_H

#include "lib/buf.h"
#include "lib/xmlrpc.h"

#define FAULT_VALUES 16                 /* it is a code and a text */
#define FAULT_TEXT   (24 * KIB)
#define FAULT_MEMORY (512 * KIB)        /* more than these take */

/* Odoo's text may be a whole traceback, and that may hold the whole of an SQL
 * statement.  Of a text longer than FAULT_TEXT the beginning and the end are
 * kept, as one line where they meet. */
void fault_cut(struct buf *text);
void fault_read(const struct value *root, struct xmlrpc_fault *ret);

#endif
