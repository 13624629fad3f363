#include "lib/patience.h"
#include "t/unit/unit.h"

static void
limits_pass_at_their_moment(void)
{
	struct patience p = { .first_byte_ms = 100, .total_ms = 1000, .low_speed_ms = 50,
		.low_speed_bytes = 10, .started = 5000 };
	int64_t next = INT64_MAX;

	ROW("before the request leaves only the total counts",
	    patience_look(&p, 5900, &next) == PATIENCE_LEFT && next == 6000);
	patience_send(&p, 5100);
	next = INT64_MAX;
	ROW("then the first byte's", patience_look(&p, 5199, &next) == PATIENCE_LEFT && next == 5200);
	ROW("to the millisecond", patience_look(&p, 5200, &next) == PATIENCE_FIRST);
	patience_sent(&p, 4096, 5190);
	next = INT64_MAX;
	ROW("a body that moves is not silence", patience_look(&p, 5250, &next) == PATIENCE_LEFT && next == 5290);
	patience_sent(&p, 4096, 5280);
	ROW("one that stands is", patience_look(&p, 5290, &next) == PATIENCE_FIRST);

	patience_came(&p, 3, 5280);
	next = INT64_MAX;
	ROW("low speed counts from the first byte", patience_look(&p, 5329, &next) == PATIENCE_LEFT && next == 5330);
	patience_came(&p, 7, 5329);
	next = INT64_MAX;
	ROW("enough bytes begin another span", patience_look(&p, 5330, &next) == PATIENCE_LEFT && next == 5380);
	patience_came(&p, 9, 5379);
	ROW("one byte too few is too slow", patience_look(&p, 5380, &next) == PATIENCE_SLOW);
	ROW("the total comes before all", patience_look(&p, 6000, &next) == PATIENCE_TOTAL);
}

static void
no_limit_is_no_limit(void)
{
	struct patience p = { .started = 1 };
	int64_t next = INT64_MAX;

	CU_ASSERT_EQUAL(patience_look(&p, INT64_MAX / 2, &next), PATIENCE_LEFT);
	patience_send(&p, 2);
	CU_ASSERT_EQUAL(patience_look(&p, INT64_MAX / 2, &next), PATIENCE_LEFT);
	patience_came(&p, 1, 3);
	CU_ASSERT_EQUAL(patience_look(&p, INT64_MAX / 2, &next), PATIENCE_LEFT);
	CU_ASSERT_EQUAL(next, INT64_MAX);
}

static void
a_request_sent_again_waits_again(void)
{
	struct patience p = { .first_byte_ms = 100 };
	int64_t next = INT64_MAX;

	patience_send(&p, 1000);
	patience_sent(&p, 10, 1010);
	patience_send(&p, 1090);
	patience_sent(&p, 0, 1095);
	CU_ASSERT_EQUAL(patience_look(&p, 1189, &next), PATIENCE_LEFT);
	CU_ASSERT_EQUAL(next, 1190);
	CU_ASSERT_EQUAL(patience_look(&p, 1190, &next), PATIENCE_FIRST);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "limits pass at their moment", limits_pass_at_their_moment },
		{ "no limit is no limit", no_limit_is_no_limit },
		{ "a request sent again waits again", a_request_sent_again_waits_again },
	};
	return unit_run("patience", tests, ARRAY_LEN(tests), 0);
}
