#include <string.h>

#include "lib/protocol.h"
#include "t/unit/unit.h"

static void
each_role_says_its_own_and_no_more(void)
{
	/* clang-format off */
	static const struct { const char *name; unsigned roles; uint16_t kind; bool want; } rows[] = {
		{ "a worker stores",                            ROLE_WORKER,   P_PUT,           true },
		{ "a worker finds tenants",                     ROLE_WORKER,   P_TENANT_FIND,   true },
		{ "a worker may not claim deliveries",          ROLE_WORKER,   P_CLAIM,         false },
		{ "a worker may not settle them",               ROLE_WORKER,   P_SETTLE,        false },
		{ "a worker may not say hello as a courier",    ROLE_WORKER,   P_HELLO,         false },
		{ "a worker may not change tenants",            ROLE_WORKER,   P_TENANT_PUT,    false },
		{ "a worker may not list all tenants",          ROLE_WORKER,   P_TENANT_LIST,   false },
		{ "a worker may not look into the queue",       ROLE_WORKER,   P_QUEUE_LIST,    false },
		{ "a courier claims",                           ROLE_COURIER,  P_CLAIM,         true },
		{ "a courier begins",                           ROLE_COURIER,  P_BEGIN,         true },
		{ "a courier finds tenants",                    ROLE_COURIER,  P_TENANT_FIND,   true },
		{ "a courier puts what it fetched",              ROLE_COURIER,  P_PUT,           true },
		{ "a courier gives no answers of its own",      ROLE_COURIER,  P_ANSWER,        false },
		{ "a worker looks up tokens",                   ROLE_WORKER,   P_TOKEN_FIND,    true },
		{ "a worker may not make them",                 ROLE_WORKER,   P_TOKEN_NEW,     false },
		{ "a worker may not erase",                     ROLE_WORKER,   P_ERASE,         false },
		{ "a courier may not drop from the queue",      ROLE_COURIER,  P_QUEUE_DROP,    false },
		{ "an operator changes tenants",                ROLE_OPERATOR, P_TENANT_PUT,    true },
		{ "an operator removes tenants",                ROLE_OPERATOR, P_TENANT_REMOVE, true },
		{ "an operator has the books recounted",        ROLE_OPERATOR, P_CHECK,         true },
		{ "an operator may not store events",           ROLE_OPERATOR, P_PUT,           false },
		{ "an operator may not claim",                  ROLE_OPERATOR, P_CLAIM,         false },
		{ "under ponte up one user plays all",          ROLE_ALL,      P_CLAIM,         true },
		{ "and is still heard in requests only",        ROLE_ALL,      P_CLAIM_OK,      false },
		{ "an answer is no request",                    ROLE_ALL,      P_PUT_DONE,      false },
		{ "an error is no request",                     ROLE_ALL,      P_ERROR,         false },
		{ "the keeper's own wake is no request",        ROLE_ALL,      P_WAKE,          false },
		{ "what nobody defined is refused",             ROLE_ALL,      1001,            false },
		{ "kind 0 is refused",                          ROLE_ALL,      0,               false },
		{ "anybody with a role may probe",              ROLE_WORKER,   P_PROBE,         true },
		{ "a stranger may not even probe",              ROLE_NONE,     P_PROBE,         false },
		{ "a stranger stores nothing",                  ROLE_NONE,     P_PUT,           false },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ROW(rows[i].name, protocol_allowed(rows[i].roles, rows[i].kind) == rows[i].want);
}

static void
an_answer_is_its_request_and_one(void)
{
	/* clang-format off */
	static const struct { const char *name; int request, answer; } rows[] = {
		{ "probe",  P_PROBE,       P_PROBE_OK },
		{ "find",   P_TENANT_FIND, P_TENANT_FOUND },
		{ "put",    P_PUT,         P_PUT_DONE },
		{ "hello",  P_HELLO,       P_HELLO_OK },
		{ "claim",  P_CLAIM,       P_CLAIM_OK },
		{ "begin",  P_BEGIN,       P_BEGIN_OK },
		{ "settle", P_SETTLE,      P_SETTLE_OK },
		{ "destinations", P_DESTINATIONS, P_DESTINATIONS_OK },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		ROW(rows[i].name, rows[i].request % 2 == 1 && rows[i].answer == rows[i].request + 1);
}

static void
every_name_reads_back(void)
{
	unsigned kinds = 0, states = 0;

#define X(name, text) \
	kinds++; \
	ROW(text, strcmp(delivery_kind_text(DELIVERY_K_##name), text) == 0); \
	ROW(text, delivery_kind_of(SLICE(text)) == DELIVERY_K_##name);
	DELIVERY_KINDS(X)
#undef X
#define X(name, text) \
	states++; \
	ROW(text, strcmp(delivery_state_text(DELIVERY_##name), text) == 0); \
	ROW(text, delivery_state_of(SLICE(text)) == DELIVERY_##name);
	DELIVERY_STATES(X)
#undef X
	CU_ASSERT_EQUAL(kinds, 7);
	CU_ASSERT_EQUAL(states, 11);
}

static void
other_words_are_no_names(void)
{
	CU_ASSERT_STRING_EQUAL(delivery_kind_text(DELIVERY_K_NONE), "?");
	CU_ASSERT_STRING_EQUAL(delivery_kind_text((enum delivery_kind)99), "?");
	CU_ASSERT_STRING_EQUAL(delivery_state_text(DELIVERY_NONE), "?");
	CU_ASSERT_STRING_EQUAL(delivery_state_text((enum delivery_state)99), "?");
	CU_ASSERT_EQUAL(delivery_kind_of(SLICE("Hub")), 0);
	CU_ASSERT_EQUAL(delivery_kind_of(SLICE("")), 0);
	CU_ASSERT_EQUAL(delivery_kind_of(SLICE("?")), 0);
	CU_ASSERT_EQUAL(delivery_state_of(SLICE("pending ")), 0);
	CU_ASSERT_EQUAL(delivery_state_of(SLICE("dea")), 0);
}

static void
a_frame_has_a_most(void)
{
	static const struct { uint64_t body; size_t most; } row[] = {
		{ 1024, MIB + 3 * 1024 }, { 16 * MIB, 49 * MIB }, { 21 * MIB, 64 * MIB }, { 64 * MIB, WIRE_FRAME_MAX },
	};

	for (size_t i = 0; i < ARRAY_LEN(row); i++)
		CU_ASSERT_EQUAL(protocol_frame_max(row[i].body), row[i].most);
}

static void
an_error_says_which_and_why(void)
{
	CLEANUP(buf_free) struct buf out = { 0 };
	struct wire_frame f;

	CU_ASSERT_EQUAL_FATAL(protocol_error(&out, 9, 12, E_CONFLICT, "account 7 is shop's"), 0);
	CU_ASSERT_EQUAL_FATAL(wire_frame_read(buf_view(&out), &f), 0);
	CU_ASSERT_EQUAL(f.kind, P_ERROR);
	CU_ASSERT_EQUAL(f.request, 9);
	CU_ASSERT_EQUAL(wire_u64(f.payload, T_GENERATION, 0), 12);
	CU_ASSERT_EQUAL(wire_u64(f.payload, T_CODE, 0), E_CONFLICT);
	CU_ASSERT_TRUE(slice_eq(wire_text(f.payload, T_REASON), SLICE("account 7 is shop's")));
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "each role says its own and no more", each_role_says_its_own_and_no_more },
		{ "an answer is its request and one", an_answer_is_its_request_and_one },
		{ "every name reads back", every_name_reads_back },
		{ "other words are no names", other_words_are_no_names },
		{ "an error says which and why", an_error_says_which_and_why },
		{ "a frame has a most", a_frame_has_a_most },
	};
	return unit_run("protocol", tests, ARRAY_LEN(tests), 0);
}
