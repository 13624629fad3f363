#include <errno.h>

#include "lib/protocol.h"

/* A file of its own for the names, so that keeper, courier and operator say
 * the same word for the same thing. */

const char *
delivery_kind_text(enum delivery_kind kind)
{
	switch (kind) {
	case DELIVERY_K_NONE: return "?";
#define X(name, text) case DELIVERY_K_##name: return text;
	DELIVERY_KINDS(X)
#undef X
	}
	return "?";
}

const char *
delivery_state_text(enum delivery_state state)
{
	switch (state) {
	case DELIVERY_NONE: return "?";
#define X(name, text) case DELIVERY_##name: return text;
	DELIVERY_STATES(X)
#undef X
	}
	return "?";
}

enum delivery_dest
delivery_dest_of(enum delivery_kind kind)
{
	switch (kind) {
	case DELIVERY_K_HUB:
	case DELIVERY_K_KNOWLEDGE:
	case DELIVERY_K_NOTICE:
		return DEST_HUB;
	case DELIVERY_K_NONE:
	case DELIVERY_K_REPLY:
	case DELIVERY_K_NOTE:
	case DELIVERY_K_HANDOFF:
	case DELIVERY_K_LABELS:
		break;
	}
	return DEST_CHATWOOT;
}

int
delivery_kind_of(struct slice text)
{
#define X(name, word) if (slice_eq(text, SLICE(word))) return DELIVERY_K_##name;
	DELIVERY_KINDS(X)
#undef X
	return DELIVERY_K_NONE;
}

int
delivery_state_of(struct slice text)
{
#define X(name, word) if (slice_eq(text, SLICE(word))) return DELIVERY_##name;
	DELIVERY_STATES(X)
#undef X
	return DELIVERY_NONE;
}

/* clang-format off */
static const struct { uint16_t kind; unsigned roles; } allowed[] = {
	{ P_PROBE,         ROLE_WORKER | ROLE_COURIER | ROLE_OPERATOR },
	{ P_TENANT_FIND,   ROLE_WORKER | ROLE_COURIER | ROLE_OPERATOR },
	{ P_PUT,           ROLE_WORKER | ROLE_COURIER },
	{ P_TOKEN_FIND,    ROLE_WORKER },
	{ P_QUESTION,      ROLE_WORKER },
	{ P_ANSWER,        ROLE_WORKER },
	{ P_CATALOG_PUT,   ROLE_WORKER | ROLE_COURIER },
	{ P_TENANT_SYNC,   ROLE_WORKER | ROLE_OPERATOR },
	{ P_HELLO,         ROLE_COURIER },
	{ P_CLAIM,         ROLE_COURIER },
	{ P_BEGIN,         ROLE_COURIER },
	{ P_SETTLE,        ROLE_COURIER },
	{ P_HEARD,         ROLE_COURIER },
	{ P_CAUGHT_UP,     ROLE_COURIER },
	{ P_TENANT_PUT,    ROLE_OPERATOR },
	{ P_TENANT_LIST,   ROLE_OPERATOR | ROLE_COURIER },
	{ P_TENANT_REMOVE, ROLE_OPERATOR },
	{ P_QUEUE_LIST,    ROLE_OPERATOR },
	{ P_QUEUE_RETRY,   ROLE_OPERATOR },
	{ P_QUEUE_DROP,    ROLE_OPERATOR },
	{ P_QUEUE_COUNTS,  ROLE_OPERATOR },
	{ P_QUEUE_HOLD,    ROLE_OPERATOR },
	{ P_QUEUE_RELEASE, ROLE_OPERATOR },
	{ P_TRACE,         ROLE_OPERATOR },
	{ P_BODY,          ROLE_OPERATOR },
	{ P_PERSON,        ROLE_OPERATOR },
	{ P_ERASE,         ROLE_OPERATOR },
	{ P_TOKEN_NEW,     ROLE_OPERATOR },
	{ P_TOKEN_LIST,    ROLE_OPERATOR },
	{ P_TOKEN_REVOKE,  ROLE_OPERATOR },
	{ P_CATCHUP,       ROLE_OPERATOR },
	{ P_DESTINATIONS,  ROLE_OPERATOR },
	{ P_CALL,          ROLE_WORKER | ROLE_OPERATOR },
	{ P_PULL,          ROLE_WORKER | ROLE_OPERATOR },
	{ P_SEAL,          ROLE_WORKER },
	{ P_CHECK,         ROLE_OPERATOR },
};
/* clang-format on */

size_t
protocol_frame_max(uint64_t body)
{
	uint64_t most = 3 * body + MIB;

	return most < WIRE_FRAME_MAX ? (size_t)most : WIRE_FRAME_MAX;
}

bool
protocol_allowed(unsigned roles, uint16_t kind)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		if (allowed[i].kind == kind)
			return (allowed[i].roles & roles) != 0;
	return false;
}

int
protocol_error(struct buf *out, uint64_t request, uint64_t generation, enum protocol_error code,
    const char *text)
{
	struct wire_writer w;

	wire_begin(&w, out, P_ERROR, request);
	wire_put_u64(&w, T_GENERATION, generation);
	wire_put_u64(&w, T_CODE, code);
	wire_put(&w, T_REASON, slice_of(text));
	return wire_end(&w);
}
