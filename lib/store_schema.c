/* The schema, as the steps that made it: text n takes a store of version n to
 * version n + 1.  A step that was released is never changed. */
#include "lib/store_db.h"

const char *const store_schema[] = {
	/* 0 -> 1 */
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO meta VALUES ('generation', 1), ('probe', 0);"

	/* record NULL: removed; the row stays for the names of what it left */
	"CREATE TABLE tenant ("
	" id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, record BLOB);"
	"CREATE TABLE tenant_account ("
	" url TEXT NOT NULL, account INTEGER NOT NULL, tenant INTEGER NOT NULL REFERENCES tenant,"
	" PRIMARY KEY (url, account)) WITHOUT ROWID;"
	"CREATE INDEX tenant_account_tenant ON tenant_account (tenant);"
	"CREATE INDEX tenant_account_account ON tenant_account (account);"

	"CREATE TABLE conversation ("
	" id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL REFERENCES tenant, installation TEXT NOT NULL,"
	" account INTEGER NOT NULL, display INTEGER NOT NULL,"
	" status INTEGER NOT NULL, owner INTEGER NOT NULL, owner_id INTEGER NOT NULL,"
	" updated_us INTEGER NOT NULL, human INTEGER NOT NULL, stopped INTEGER NOT NULL,"
	" fence INTEGER NOT NULL, fence_why INTEGER NOT NULL,"
	" seen INTEGER NOT NULL DEFAULT 0,"             /* highest order of any delivery */
	" UNIQUE (tenant, installation, account, display));"

	/* the body last: the other columns are read without it */
	"CREATE TABLE event ("
	" id INTEGER PRIMARY KEY, uuid BLOB NOT NULL UNIQUE,"
	" tenant INTEGER NOT NULL REFERENCES tenant, conversation INTEGER,"
	" installation TEXT NOT NULL, account INTEGER NOT NULL, display INTEGER NOT NULL,"
	" inbox INTEGER NOT NULL, message INTEGER NOT NULL, kind INTEGER NOT NULL,"
	" decision INTEGER NOT NULL, forwarded INTEGER NOT NULL, reason TEXT NOT NULL,"
	" mode INTEGER NOT NULL, fence INTEGER NOT NULL, received_us INTEGER NOT NULL,"
	" sender TEXT NOT NULL, request TEXT NOT NULL, facts BLOB NOT NULL, body BLOB NOT NULL);"

	/* ids ascend with time, so retention needs no index on made_us */
	"CREATE TABLE dedup ("
	" id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, uuid BLOB NOT NULL, made_us INTEGER NOT NULL);"

	"CREATE TABLE lane ("
	" id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, dest INTEGER NOT NULL,"
	" conversation INTEGER NOT NULL REFERENCES conversation,"
	" due_us INTEGER, claimed INTEGER NOT NULL DEFAULT 0,"
	" batch INTEGER NOT NULL DEFAULT 0, high INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX lane_due ON lane (tenant, dest, due_us) WHERE due_us IS NOT NULL AND claimed = 0;"
	"CREATE INDEX lane_claimed ON lane (id) WHERE claimed = 1;"

	/* since_us: what message_age counts from; made_us: what give_up counts from */
	"CREATE TABLE delivery ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, tenant INTEGER NOT NULL,"
	" kind INTEGER NOT NULL, state INTEGER NOT NULL,"
	" event INTEGER NOT NULL REFERENCES event, lane INTEGER NOT NULL REFERENCES lane,"
	" order_id INTEGER NOT NULL, n INTEGER NOT NULL,"
	" batch INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0,"
	" crashes INTEGER NOT NULL DEFAULT 0, late INTEGER NOT NULL DEFAULT 0, begun INTEGER NOT NULL DEFAULT 0,"
	" since_us INTEGER NOT NULL, made_us INTEGER NOT NULL, settled_us INTEGER,"
	" status INTEGER NOT NULL DEFAULT 0, reason TEXT, payload BLOB);"
	"CREATE INDEX delivery_event ON delivery (event);"
	"CREATE INDEX delivery_pending ON delivery (lane, order_id) WHERE state = 1;"
	"CREATE INDEX delivery_claimed ON delivery (lane, order_id) WHERE state = 2;"
	"CREATE INDEX delivery_trouble ON delivery (state, id) WHERE state > 5;"

	"CREATE TABLE stop ("
	" tenant INTEGER NOT NULL, dest INTEGER NOT NULL, until_us INTEGER NOT NULL, reason TEXT NOT NULL,"
	" PRIMARY KEY (tenant, dest)) WITHOUT ROWID;"

	"CREATE TABLE book ("
	" tenant INTEGER NOT NULL, book INTEGER NOT NULL, state INTEGER NOT NULL, count INTEGER NOT NULL,"
	" PRIMARY KEY (tenant, book, state)) WITHOUT ROWID;",

	/* 1 -> 2 */
	"ALTER TABLE tenant ADD COLUMN debounce_us INTEGER;"   /* NULL: the settings' */

	/* answers: since answers_us, for the reply budget; gave_up: the ladder was
	 * walked since the hub's last answer */
	"ALTER TABLE conversation ADD COLUMN handed INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE conversation ADD COLUMN no_reply INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE conversation ADD COLUMN answers INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE conversation ADD COLUMN answers_us INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE conversation ADD COLUMN gave_up INTEGER NOT NULL DEFAULT 0;"

	/* first_us: since when something waits in it (a burst does not wait for ever) */
	"ALTER TABLE lane ADD COLUMN first_us INTEGER NOT NULL DEFAULT 0;"

	/* delay_us: pause before it, counted from the end of the one before;
	 * lookups: how often it was looked for at its destination; ladder: made
	 * because the hub gave no answer */
	"ALTER TABLE delivery ADD COLUMN delay_us INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE delivery ADD COLUMN claimed_us INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE delivery ADD COLUMN lookups INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE delivery ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE delivery ADD COLUMN ladder INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX delivery_waiting ON delivery (lane, order_id) WHERE state = 3;"
	"CREATE INDEX delivery_held ON delivery (lane, order_id) WHERE state = 4;"
	/* oldest first: what is too old, and how old the oldest is */
	"CREATE INDEX delivery_age ON delivery (since_us) WHERE state = 1;"

	/* of a batch: under its key */
	"CREATE TABLE attempt ("
	" delivery INTEGER NOT NULL, settled_us INTEGER NOT NULL, claimed_us INTEGER NOT NULL,"
	" verdict INTEGER NOT NULL, status INTEGER NOT NULL, reason TEXT,"
	" PRIMARY KEY (delivery, settled_us)) WITHOUT ROWID;"

	/* answers that came by themselves; parts NULL: they are deliveries by now */
	"CREATE TABLE answer ("
	" event INTEGER PRIMARY KEY REFERENCES event, hash BLOB NOT NULL, made_us INTEGER NOT NULL, parts BLOB);"

	"CREATE TABLE token ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, hash BLOB NOT NULL UNIQUE, tenant INTEGER NOT NULL REFERENCES tenant,"
	" name TEXT NOT NULL, scopes INTEGER NOT NULL, made_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,"
	" used_us INTEGER NOT NULL DEFAULT 0, UNIQUE (tenant, name));"

	/* when an installation of a tenant was heard of last; owed_us: what it may have
	 * said since then was not fetched yet, 0: nothing */
	"CREATE TABLE heard ("
	" tenant INTEGER NOT NULL, installation TEXT NOT NULL, last_us INTEGER NOT NULL, owed_us INTEGER NOT NULL,"
	" PRIMARY KEY (tenant, installation)) WITHOUT ROWID;",
};

const int store_schema_version = (int)ARRAY_LEN(store_schema);
