/* What comes back: the hub's answer, and what Chatwoot lists.  Whatever is taken
 * of it is within the limits, and what is listed reads as an event. */
#include "lib/arena.h"
#include "lib/chatwoot/answer.h"
#include "lib/chatwoot/chatwoot.h"
#include "lib/chatwoot/recover.h"
#include "lib/chatwoot/rest.h"
#include "lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct chatwoot_policy policy = { .mode = CW_MODE_BOT, .account = 7 };

static void
answer(struct slice body, struct arena *a)
{
	static const struct chatwoot_question asked = { .tenant = { "shop", 4 }, .account = 7, .conversation = 501, .channel = CW_CH_INSTAGRAM };
	CLEANUP(json_freep) struct json *doc = NULL;
	struct chatwoot_answer got;
	struct json_fault fault;
	const char *why;

	if (json_check(body, &json_default_limits, &fault) != 0 || json_parse(body, &doc) != 0
	    || chatwoot_answer_read(doc, &asked, a, &got, &why) != 0)
		return;
	REQUIRE(got.parts <= CHATWOOT_PARTS_MAX);
	for (size_t i = 0; i < got.parts; i++) {
		CLEANUP(buf_free) struct buf packed = { 0 };
		struct chatwoot_part back;
		REQUIRE(got.part[i].delay_ms >= 0 && got.part[i].delay_ms <= 30000);
		if (chatwoot_part_pack(&got.part[i], &packed) == 0)
			REQUIRE(chatwoot_part_unpack(buf_view(&packed), &back) == 0 && slice_eq(back.text, got.part[i].text));
	}
}

static void
listed(struct slice body, struct arena *a)
{
	struct chatwoot_list list = { .doc = NULL };
	struct chatwoot_listed_talk talk = { .id = 0 };
	struct chatwoot_facts facts;
	struct slice why;

	if (chatwoot_list_conversations(body, &list) == 0 && chatwoot_listed_talk(&list, 0, 7, &talk) == 0) {
		CLEANUP(buf_free) struct buf event = { 0 };
		REQUIRE(chatwoot_recover_talk(&talk, &event) == 0);
		int r = chatwoot_read(buf_view(&event), &policy, a, &facts, NULL, &why);
		REQUIRE(r == CW_E_SCHEMA || (r == 0 && facts.account == 7 && facts.conversation == talk.id));
		arena_reset(a);
	}
	struct chatwoot_listed_message m;
	if (talk.conversation && chatwoot_list_messages(body, &list) == 0 && chatwoot_listed_message(&list, 0, 7, talk.id, &m) == 0) {
		CLEANUP(buf_free) struct buf event = { 0 };
		REQUIRE(chatwoot_recover_message(&list, 0, 7, &talk, &event) == 0);
		int r = chatwoot_read(buf_view(&event), &policy, a, &facts, NULL, &why);
		REQUIRE(r == CW_E_SCHEMA || (r == 0 && facts.message == m.id && facts.conversation == talk.id));
		arena_reset(a);
	}
	chatwoot_list_free(&list);
	chatwoot_listed_talk_free(&talk);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct arena *a;
	struct slice body = slice_from(data, size), why;
	struct chatwoot_facts facts;
	struct chatwoot_part labels;
	struct chatwoot_listed found;

	if (!a)
		REQUIRE(arena_new(64 * MIB, &a) == 0);
	answer(body, a);
	arena_reset(a);
	listed(body, a);
	if (chatwoot_read_shown(body, &policy, 501, a, &facts, &why) == 0)
		REQUIRE(facts.conversation == 501 && facts.account == 7);
	if (chatwoot_read_labels(body, a, &labels) == 0)
		REQUIRE(labels.labels <= CHATWOOT_LABELS_MAX);
	if (chatwoot_find_marked(body, 7, 501, SLICE("x"), &found) == 0 && found.found)
		REQUIRE(found.count > 0);
	arena_reset(a);
	return 0;
}
