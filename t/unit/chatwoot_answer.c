#include <stdio.h>
#include <string.h>

#include "lib/chatwoot/answer.h"

#include "t/unit/unit.h"

/* ---- what a hub says ---- */

/* The parts as one line: "reply:text note:x labels:a,b handoff", each behind
 * its delay, "+" when more follows. */
static void
describe(const struct chatwoot_answer *a, char *text, size_t size)
{
	size_t n = 0;
	text[0] = '\0';
	if (a->failed)
		n += (size_t)snprintf(text, size, "failed:%.*s", SLICE_ARG(a->words));
	for (size_t i = 0; i < a->parts && n < size; i++) {
		const struct chatwoot_part *p = &a->part[i];
		n += (size_t)snprintf(text + n, size - n, "%s%s%s%.*s", i ? " " : "", delivery_kind_text(p->kind),
		    p->kind == DELIVERY_K_HANDOFF ? "" : ":", SLICE_ARG(p->text));
		for (size_t k = 0; k < p->labels && n < size; k++)
			n += (size_t)snprintf(text + n, size - n, "%s%.*s", k ? "," : "", SLICE_ARG(p->label[k]));
		if (p->content_type.len && n < size)
			n += (size_t)snprintf(text + n, size - n, "/%.*s%.*s", SLICE_ARG(p->content_type), SLICE_ARG(p->attributes));
		if (p->delay_ms && n < size)
			n += (size_t)snprintf(text + n, size - n, "@%lld", (long long)p->delay_ms);
		if (p->more && n < size)
			n += (size_t)snprintf(text + n, size - n, "+");
	}
}

static const struct chatwoot_question asked = {
	.event = { { 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab } },
	.tenant = { "shop", 4 }, .account = 7, .conversation = 501, .channel = CW_CH_WEB,
};

#define MINE "\"event_id\":\"abababab-abab-abab-abab-abababababab\",\"tenant\":\"shop\",\"account_id\":7,\"conversation_id\":501"

static void
forms(void)
{
	/* clang-format off */
	static const struct { const char *name, *body, *want; } row[] = {
		{ "a text", "{\"content\":\"Oi\"}", "reply:Oi" },
		{ "the older form", "{\"response\":{\"content\":\"Oi\"}}", "reply:Oi" },
		{ "nothing", "{}", "" },
		{ "one message", "{\"messages\":[{\"text\":\"Oi\"}]}", "reply:Oi" },
		{ "several, in order", "{\"messages\":[{\"text\":\"a\"},{\"text\":\"b\"},{\"text\":\"c\"}]}", "reply:a+ reply:b+ reply:c" },
		{ "one that only agents see", "{\"messages\":[{\"text\":\"a\"},{\"text\":\"psst\",\"private\":true}]}", "reply:a note:psst" },
		{ "with pauses, in seconds", "{\"messages\":[{\"text\":\"a\"},{\"text\":\"b\",\"delay\":1.5},{\"text\":\"c\",\"delay\":2}]}",
		  "reply:a+ reply:b@1500+ reply:c@2000" },
		{ "a pause has an end", "{\"messages\":[{\"text\":\"a\",\"delay\":1500}]}", "reply:a@30000" },
		{ "a question with choices", "{\"messages\":[{\"text\":\"Which?\",\"content_type\":\"input_select\",\"content_attributes\":{\"items\":[]}}]}",
		  "reply:Which?/input_select{\"items\":[]}" },
		{ "text is text", "{\"messages\":[{\"text\":\"a\",\"content_type\":\"text\"}]}", "reply:a" },
		{ "a blank one is not posted", "{\"messages\":[{\"text\":\" \\n\"},{\"text\":\"b\"}]}", "reply:b" },
		{ "blanks around it are not", "{\"content\":\"  a\\n\"}", "reply:a" },
		{ "U+0000 is left out", "{\"content\":\"a\\u0000b\"}", "reply:ab" },
		{ "messages win over content", "{\"content\":\"x\",\"messages\":[{\"text\":\"a\"}]}", "reply:a" },
		{ "an empty list says nothing", "{\"content\":\"x\",\"messages\":[]}", "" },
		{ "all there is, in its order", "{\"handoff\":true,\"labels\":[\"vip\",\"new\"],\"note\":\"sum\",\"content\":\"Bye\"}",
		  "reply:Bye note:sum labels:vip,new handoff" },
		{ "a handoff alone", "{\"handoff\":true}", "handoff" },
		{ "no handoff", "{\"handoff\":false,\"note\":null,\"labels\":[]}", "" },
		{ "it names what was asked", "{" MINE ",\"content\":\"a\"}", "reply:a" },
		{ "as text, too", "{\"conversation_id\":\"501\",\"account_id\":\"7\",\"content\":\"a\"}", "reply:a" },
		{ "it gives up", "{\"status\":\"error\",\"error\":\"no crew\",\"content\":\"x\"}", "failed:no crew" },
		{ "with its message", "{\"status\":\"error\",\"message\":\"no crew\"}", "failed:no crew" },
		{ "another status is none of ours", "{\"status\":\"ok\",\"content\":\"x\"}", "reply:x" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(arena_freep) struct arena *a = NULL;
		CLEANUP(json_freep) struct json *doc = NULL;
		struct chatwoot_answer answer;
		const char *why = "";
		char said[500];
		CU_ASSERT_FATAL(arena_new(1 * MIB, &a) == 0 && json_parse(slice_of(row[i].body), &doc) == 0);
		ROW(row[i].name, chatwoot_answer_read(doc, &asked, a, &answer, &why) == 0);
		describe(&answer, said, sizeof(said));
		ROW(row[i].name, strcmp(said, row[i].want) == 0);
		if (strcmp(said, row[i].want) != 0)
			fprintf(stderr, "   %s\n", said);
	}
}

static void
refusals(void)
{
	/* clang-format off */
	static const struct { const char *name, *body, *why; } row[] = {
		{ "another conversation", "{\"conversation_id\":502,\"content\":\"a\"}", "another conversation" },
		{ "a conversation that is none", "{\"conversation_id\":[501],\"handoff\":true}", "another conversation" },
		{ "another event", "{\"event_id\":\"00000000-0000-7000-8000-000000000001\",\"content\":\"a\"}", "another event" },
		{ "another account", "{\"account_id\":8,\"content\":\"a\"}", "another account" },
		{ "another tenant", "{\"tenant\":\"other\",\"content\":\"a\"}", "another tenant" },
		{ "even when it gives up", "{\"tenant\":\"other\",\"status\":\"error\"}", "another tenant" },
		{ "messages that are no list", "{\"messages\":{}}", "messages are no array" },
		{ "a message that is no object", "{\"messages\":[\"a\"]}", "no object" },
		{ "a message without text", "{\"messages\":[{\"content\":\"a\"}]}", "no text" },
		{ "a text that is none", "{\"messages\":[{\"text\":7}]}", "text is no text" },
		{ "a pause that is none", "{\"messages\":[{\"text\":\"a\",\"delay\":\"2\"}]}", "delay" },
		{ "a pause before now", "{\"messages\":[{\"text\":\"a\",\"delay\":-1}]}", "delay" },
		{ "private that is neither", "{\"messages\":[{\"text\":\"a\",\"private\":1}]}", "private" },
		{ "a type that cannot be posted", "{\"messages\":[{\"text\":\"a\",\"content_type\":\"incoming_email\"}]}", "content_type" },
		{ "attributes that are none", "{\"messages\":[{\"text\":\"a\",\"content_attributes\":[]}]}", "content_attributes" },
		{ "content that is no text", "{\"content\":7}", "content is no text" },
		{ "a response that is no object", "{\"response\":7}", "response" },
		{ "a note that is no text", "{\"note\":{}}", "note" },
		{ "a handoff that is neither", "{\"handoff\":\"yes\"}", "handoff" },
		{ "labels that are no list", "{\"labels\":\"vip\"}", "labels" },
		{ "a label that is no text", "{\"labels\":[7]}", "label" },
		{ "an empty label", "{\"labels\":[\"\"]}", "label" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		CLEANUP(arena_freep) struct arena *a = NULL;
		CLEANUP(json_freep) struct json *doc = NULL;
		struct chatwoot_answer answer;
		const char *why = "";
		CU_ASSERT_FATAL(arena_new(1 * MIB, &a) == 0 && json_parse(slice_of(row[i].body), &doc) == 0);
		ROW(row[i].name, chatwoot_answer_read(doc, &asked, a, &answer, &why) == CW_A_REFUSED);
		ROW(row[i].name, strstr(why, row[i].why) != NULL);
	}
}

/* {"messages":[…n of them…],"handoff":true} */
static int
read_many(size_t n, const char *text, enum chatwoot_channel channel, struct arena *a, struct chatwoot_answer *ret)
{
	CLEANUP(buf_free) struct buf body = { 0 };
	CLEANUP(json_freep) struct json *doc = NULL;
	struct chatwoot_question q = asked;
	const char *why = "";
	int r = buf_append_slice(&body, SLICE("{\"messages\":["));
	for (size_t i = 0; r == 0 && i < n; i++)
		r = buf_printf(&body, "%s{\"text\":\"%s\"}", i ? "," : "", text);
	if (r == 0)
		r = buf_append_slice(&body, SLICE("],\"note\":\"n\",\"labels\":[\"l\"],\"handoff\":true}"));
	CU_ASSERT_FATAL(r == 0 && json_parse(buf_view(&body), &doc) == 0);
	q.channel = channel;
	return chatwoot_answer_read(doc, &q, a, ret, &why);
}

static void
limits(void)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct chatwoot_answer answer;
	static char text[200001];
	CU_ASSERT_FATAL(arena_new(64 * MIB, &a) == 0);
	ROW("twenty messages", read_many(20, "a", CW_CH_WEB, a, &answer) == 0 && answer.parts == 23 && !answer.cut);
	ROW("one more", read_many(21, "a", CW_CH_WEB, a, &answer) == CW_A_REFUSED);
	ROW("five hundred", read_many(500, "a", CW_CH_WEB, a, &answer) == CW_A_REFUSED);
	memset(text, 'x', 150000);
	ROW("150,000 characters on a page are one", read_many(1, text, CW_CH_WEB, a, &answer) == 0 && answer.parts == 4
	    && answer.part[0].text.len == 150000 && !answer.cut);
	ROW("on Instagram they are more than may be sent", read_many(1, text, CW_CH_INSTAGRAM, a, &answer) == 0 && answer.cut);
	ROW("what follows is kept all the same", answer.parts == CHATWOOT_PARTS_MAX
	    && answer.part[CHATWOOT_PARTS_MAX - 3].kind == DELIVERY_K_NOTE && answer.part[CHATWOOT_PARTS_MAX - 2].kind == DELIVERY_K_LABELS
	    && answer.part[CHATWOOT_PARTS_MAX - 1].kind == DELIVERY_K_HANDOFF);
	ROW("the customer sees it in whole parts", answer.part[0].text.len == 1000 && answer.part[0].more && !answer.part[CHATWOOT_PARTS_MAX - 4].more);
}

/* ---- long texts ---- */

static void
splitting(void)
{
	/* clang-format off */
	static const struct { const char *name, *text; size_t units; const char *first, *rest; } row[] = {
		{ "it fits", "abc", 3, "abc", "" },
		{ "at a paragraph", "One here. Two\n\nThree there. Four", 20, "One here. Two", "Three there. Four" },
		{ "else at a line", "One here. Two\nThree there. Four", 20, "One here. Two", "Three there. Four" },
		{ "else behind a sentence", "One here is long. Two more words", 22, "One here is long.", "Two more words" },
		{ "behind a question", "Is it so? Perhaps it is", 14, "Is it so?", "Perhaps it is" },
		{ "behind an ellipsis", "So it goes… and on and on", 16, "So it goes…", "and on and on" },
		{ "else between words", "aaa bbb ccc ddd", 10, "aaa bbb", "ccc ddd" },
		{ "else where it must", "abcdefghij", 4, "abcd", "efghij" },
		{ "not at a border too early to matter", "a bcdefghijklmnopqrstuv", 12, "a bcdefghijk", "lmnopqrstuv" },
		{ "a paragraph that comes too early gives way", "ab\n\ncdefgh ijklmn opqrst", 20, "ab\n\ncdefgh ijklmn", "opqrst" },
		{ "characters are whole", "ééééé", 3, "ééé", "éé" },
		{ "beyond the first plane they count twice", "😀😀😀", 5, "😀😀", "😀" },
		{ "and one always goes", "😀😀", 1, "😀", "😀" },
		{ "blanks at the border go", "aaa    bbb", 5, "aaa", "bbb" },
	};
	/* clang-format on */
	for (size_t i = 0; i < ARRAY_LEN(row); i++) {
		size_t next, n = chatwoot_text_split(slice_of(row[i].text), row[i].units, &next);
		struct slice first = slice_trim(slice_from(row[i].text, n));
		ROW(row[i].name, slice_eq(first, slice_of(row[i].first)));
		ROW(row[i].name, strcmp(row[i].text + next, row[i].rest) == 0);
	}
}

static void
channels(void)
{
	ROW("a page takes what Chatwoot takes", chatwoot_text_max(CW_CH_WEB) == 150000 && chatwoot_text_max(CW_CH_OTHER) == 150000);
	ROW("a telephone less", chatwoot_text_max(CW_CH_WHATSAPP) == 4096 && chatwoot_text_max(CW_CH_TELEGRAM) == 4096);
	ROW("and some little", chatwoot_text_max(CW_CH_INSTAGRAM) == 1000 && chatwoot_text_max(CW_CH_SMS) == 1600
	    && chatwoot_text_max(CW_CH_FACEBOOK) == 2000);
}

/* ---- parts in the store ---- */

static void
packing(void)
{
	static const struct chatwoot_part parts[] = {
		{ .text = { "Oi", 2 } },
		{ .text = { "a\0b", 3 }, .content_type = { "cards", 5 }, .attributes = { "{}", 2 }, .more = true },
		{ .label = { { "a", 1 }, { "b", 1 } }, .labels = 2 },
		{ .more = false },
	};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		CLEANUP(buf_free) struct buf out = { 0 };
		const struct chatwoot_part *p = &parts[i];
		struct chatwoot_part q;
		char name[32];
		snprintf(name, sizeof(name), "part %zu", i);
		ROW(name, chatwoot_part_pack(p, &out) == 0 && chatwoot_part_unpack(buf_view(&out), &q) == 0);
		ROW(name, slice_eq(p->text, q.text) && slice_eq(p->content_type, q.content_type) && slice_eq(p->attributes, q.attributes));
		ROW(name, p->labels == q.labels && p->more == q.more && (p->labels < 2 || slice_eq(q.label[1], SLICE("b"))));
		ROW("a cut one is none", chatwoot_part_unpack(slice_from(out.ptr, buf_view(&out).len - 1), &q) < 0);
	}
	struct chatwoot_part q;
	ROW("nothing is none", chatwoot_part_unpack(SLICE(""), &q) < 0);
}

static void
marks(void)
{
	static const char *const wrong[] = { "", ".1", "abababab-abab-abab-abab-abababababab", "abababab-abab-abab-abab-abababababab.0",
		"abababab-abab-abab-abab-abababababab.-1", "abababab-abab-abab-abab-abababababab.1x", "x.1",
		"abababab-abab-abab-abab-abababababab.99999999999999999999" };
	char text[CHATWOOT_MARK_TEXT];
	struct uuid event;
	int64_t n;
	chatwoot_mark_text(&asked.event, INT64_MAX, text);
	ROW("the longest", strcmp(text, "abababab-abab-abab-abab-abababababab.9223372036854775807") == 0);
	chatwoot_mark_read(slice_of(text), &event, &n);
	ROW("reads back", n == INT64_MAX && memcmp(&event, &asked.event, sizeof(event)) == 0);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		chatwoot_mark_read(slice_of(wrong[i]), &event, &n);
		ROW(wrong[i], n == 0);
	}
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "forms", forms },
		{ "refusals", refusals },
		{ "limits", limits },
		{ "splitting", splitting },
		{ "channels", channels },
		{ "packing", packing },
		{ "marks", marks },
	};
	return unit_run("chatwoot_answer", tests, ARRAY_LEN(tests), 0);
}
