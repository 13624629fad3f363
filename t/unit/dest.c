#include <string.h>

#include "app/courier/dest.h"
#include "app/courier/strikes.h"

#include "t/unit/unit.h"

#define DICE_LOW  0u
#define DICE_HIGH UINT32_MAX

static const struct breaker_rules rules = { .failures = 3, .first_wait_ms = 5000 };

/* One story, told line by line: what happens at that time, and what is then. */
enum act { GOES, GOOD, BAD, NOTHING, LOOK };
struct line {
	const char *name;
	int64_t     at_ms;
	enum act    act;
	enum breaker_change change;
	enum breaker_state  state;
	int64_t     wait_ms;
};

static void
tell(const struct line *line, size_t n, uint32_t dice)
{
	struct breaker b = { .state = BREAKER_CLOSED };
	for (size_t i = 0; i < n; i++) {
		enum breaker_change change = BREAKER_SAME;
		switch (line[i].act) {
		case GOES:    breaker_start(&b, line[i].at_ms); break;
		case GOOD:    change = breaker_end(&b, &rules, BREAKER_GOOD, line[i].at_ms, dice); break;
		case BAD:     change = breaker_end(&b, &rules, BREAKER_BAD, line[i].at_ms, dice); break;
		case NOTHING: change = breaker_end(&b, &rules, BREAKER_NOTHING, line[i].at_ms, dice); break;
		case LOOK:    break;
		}
		ROW(line[i].name, change == line[i].change);
		ROW(line[i].name, b.state == line[i].state);
		ROW(line[i].name, breaker_wait_ms(&b, line[i].at_ms) == line[i].wait_ms);
	}
}

static void
breaker_story(void)
{
	/* clang-format off */
	static const struct line story[] = {
		{ "it begins closed",                      0,      LOOK,    BREAKER_SAME,         BREAKER_CLOSED,    0 },
		{ "one failure does not open it",          10,     BAD,     BREAKER_SAME,         BREAKER_CLOSED,    0 },
		{ "nor two",                               20,     BAD,     BREAKER_SAME,         BREAKER_CLOSED,    0 },
		{ "a success begins the count again",      30,     GOOD,    BREAKER_SAME,         BREAKER_CLOSED,    0 },
		{ "one",                                   40,     BAD,     BREAKER_SAME,         BREAKER_CLOSED,    0 },
		{ "what was never made tells nothing",     45,     NOTHING, BREAKER_SAME,         BREAKER_CLOSED,    0 },
		{ "two",                                   50,     BAD,     BREAKER_SAME,         BREAKER_CLOSED,    0 },
		{ "three in a row open it",                100,    BAD,     BREAKER_OPENED,       BREAKER_OPEN,      5000 },
		{ "a straggler is not counted twice",      200,    BAD,     BREAKER_SAME,         BREAKER_OPEN,      4900 },
		{ "it stays open until its wait is over",  5099,   LOOK,    BREAKER_SAME,         BREAKER_OPEN,      1 },
		{ "nothing goes before",                   5099,   GOES,    BREAKER_SAME,         BREAKER_OPEN,      1 },
		{ "then one may try",                      5100,   LOOK,    BREAKER_SAME,         BREAKER_OPEN,      0 },
		{ "and no other while it tries",           5100,   GOES,    BREAKER_SAME,         BREAKER_HALF_OPEN, DEST_NEVER },
		{ "it failed: twice the wait",             6000,   BAD,     BREAKER_SAME,         BREAKER_OPEN,      10000 },
		{ "the next one tries",                    16000,  GOES,    BREAKER_SAME,         BREAKER_HALF_OPEN, DEST_NEVER },
		{ "one that was not made passes its turn", 16001,  NOTHING, BREAKER_SAME,         BREAKER_OPEN,      0 },
		{ "to another",                            16002,  GOES,    BREAKER_SAME,         BREAKER_HALF_OPEN, DEST_NEVER },
		{ "which goes well: closed",               17000,  GOOD,    BREAKER_CLOSED_AGAIN, BREAKER_CLOSED,    0 },
		{ "and the count begins at nought",        17001,  BAD,     BREAKER_SAME,         BREAKER_CLOSED,    0 },
		{ "two again",                             17002,  BAD,     BREAKER_SAME,         BREAKER_CLOSED,    0 },
		{ "open again, with the first wait",       17003,  BAD,     BREAKER_OPENED,       BREAKER_OPEN,      5000 },
		{ "a straggler that went well closes it",  17004,  GOOD,    BREAKER_CLOSED_AGAIN, BREAKER_CLOSED,    0 },
	};
	/* clang-format on */
	tell(story, ARRAY_LEN(story), DICE_LOW);
}

static void
breaker_waits(void)
{
	static const int64_t want[] = { 5000, 10000, 20000, 40000, 80000, 160000, 300000, 300000, 300000 };
	struct breaker b = { .state = BREAKER_CLOSED }, low;
	int64_t now = 0;
	for (int i = 0; i < 3; i++)
		breaker_end(&b, &rules, BREAKER_BAD, now, DICE_LOW);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		ROW("the wait doubles up to five minutes", breaker_wait_ms(&b, now) == want[i]);
		now += want[i];
		breaker_start(&b, now);
		low = b;
		breaker_end(&low, &rules, BREAKER_BAD, now, DICE_HIGH);
		breaker_end(&b, &rules, BREAKER_BAD, now, DICE_LOW);
		int64_t full = breaker_wait_ms(&b, now), cut = breaker_wait_ms(&low, now);
		ROW("the dice take a fifth of it at most", cut >= full * 4 / 5 && cut <= full * 4 / 5 + 1);
	}
}

static struct dests
some(unsigned per_dest, unsigned per_host)
{
	return (struct dests){ .rules = rules, .per_dest = per_dest, .per_host = per_host, .total = 3 };
}

static void
room(void)
{
	CLEANUP(dests_free) struct dests ds = some(2, 3);
	struct dest *a = dests_get(&ds, SLICE("a"), DEST_HUB), *b = dests_get(&ds, SLICE("b"), DEST_HUB);
	struct dest *chat = dests_get(&ds, SLICE("a"), DEST_CHATWOOT);

	ROW("the same name and kind is the same destination", dests_get(&ds, SLICE("a"), DEST_HUB) == a);
	ROW("another kind is another", chat != a);
	ROW("an idle one has all its room", dest_room(&ds, a, 0) == 2);
	dest_start(a, 0);
	ROW("a request takes room", dest_room(&ds, a, 0) == 1 && !dest_busy(&ds, a, 0));
	a->ready = 2;
	ROW("as many may wait as may be on the way", !dest_busy(&ds, a, 0));
	a->ready = 3;
	ROW("and no more", dest_busy(&ds, a, 0));
	a->breaker.failures = 1;
	a->ready = 1;
	ROW("after a failure only as many as there is room for", dest_busy(&ds, a, 0));
	a->breaker.failures = 0;
	a->ready = 0;
	a->window.width = 1;
	ROW("a narrow window is full sooner", dest_room(&ds, a, 0) == 0 && !dest_busy(&ds, a, 0));
	a->ready = 1;
	ROW("and fewer wait for it", dest_busy(&ds, a, 0));
	a->window.width = a->ready = 0;
	dest_start(a, 0);
	ROW("two of two are full", dest_room(&ds, a, 0) == 0);
	ROW("and no other feels it", dest_room(&ds, b, 0) == 2 && dest_room(&ds, chat, 0) == 2);

	memcpy(a->host, "h:80", 5);
	memcpy(b->host, "h:80", 5);
	memcpy(chat->host, "h:81", 5);
	ROW("unless they share a host: its cap is three", dest_room(&ds, b, 0) == 1);
	ROW("another port is another host", dest_room(&ds, chat, 0) == 2);
	ROW("one of three is left over all", dests_room(&ds) == 1);
	dest_start(chat, 0);
	ROW("and then none", dests_room(&ds) == 0);
	dest_end(&ds, chat, BREAKER_GOOD, 1, 0, 0);
	dest_end(&ds, a, BREAKER_GOOD, 2, 0, 0);
	ROW("an end gives room back, here and at the host", dest_room(&ds, a, 0) == 1 && dest_room(&ds, b, 0) == 2);
}

static void
pauses(void)
{
	CLEANUP(dests_free) struct dests ds = some(8, 8);
	struct dest *d = dests_get(&ds, SLICE("a"), DEST_HUB), *e = dests_get(&ds, SLICE("b"), DEST_HUB);

	ROW("nothing is paused, nothing to wake for", dests_next_ms(&ds, 0) == DEST_NEVER);
	dest_hold(d, 700, 1000);
	ROW("held", dest_paused_ms(d, 1000) == 700 && dest_room(&ds, d, 1000) == 0);
	ROW("the other is not", dest_room(&ds, e, 1000) == 8);
	dest_hold(d, 100, 1000);
	ROW("a shorter hold does not end a longer one", dest_paused_ms(d, 1000) == 700);
	dest_hold(e, 300, 1000);
	ROW("the earliest end is named", dests_next_ms(&ds, 1000) == 300);
	ROW("a hold ends", dest_paused_ms(d, 1700) == 0 && dest_room(&ds, d, 1700) == 8);

	for (int i = 0; i < 3; i++) {
		dest_start(d, 2000);
		dest_end(&ds, d, BREAKER_BAD, 10 + (uint64_t)i, 2000, DICE_LOW);
	}
	ROW("open: nothing is claimed", dest_busy(&ds, d, 2000));
	ROW("open: no room", dest_room(&ds, d, 2000) == 0 && dests_next_ms(&ds, 2000) == 5000);
	ROW("its wait over: room for the one that tries", dest_room(&ds, d, 7000) == 1);
	dest_start(d, 7000);
	ROW("and for no other", dest_room(&ds, d, 7000) == 0 && dest_paused_ms(d, 7000) == DEST_NEVER);
	ROW("no clock ends that", dests_next_ms(&ds, 7000) == DEST_NEVER);
	ROW("it went well", dest_end(&ds, d, BREAKER_GOOD, 20, 8000, 0) == BREAKER_CLOSED_AGAIN);
	ROW("it is opened slowly", dest_room(&ds, d, 8000) == 2 && dest_room(&ds, e, 8000) == 8);
}

static void
alarms_and_memory(void)
{
	CLEANUP(dests_free) struct dests ds = some(8, 8);
	struct dest *d = dests_get(&ds, SLICE("a"), DEST_HUB);
	ROW("the first alarm is given", dest_alarm(d, "no token", 7));
	ROW("the same one again is not", !dest_alarm(d, "no token", 7));
	ROW("nor while the tenant is not known", !dest_alarm(d, "no token", 0));
	ROW("under another record of the tenant it is", dest_alarm(d, "no token", 8) && !dest_alarm(d, "no token", 8));
	ROW("another one is", dest_alarm(d, "no hub", 8));
	dests_tidy(&ds, 0);
	ROW("one with an alarm is remembered", ds.n == 1);
	dest_well(d);
	ROW("a new episode, a new alarm", dest_alarm(d, "no hub", 8));
	dest_well(d);
	dest_hold(d, 50, 0);
	dests_tidy(&ds, 49);
	ROW("one that is held is remembered", ds.n == 1);
	dest_start(d, 50);
	dests_tidy(&ds, 50);
	ROW("one at work is remembered", ds.n == 1);
	dest_end(&ds, d, BREAKER_BAD, 1, 50, 0);
	dests_tidy(&ds, 50);
	ROW("one that failed is remembered", ds.n == 1);
	dest_start(d, 51);
	dest_end(&ds, d, BREAKER_GOOD, 2, 51, 0);
	dests_tidy(&ds, 51);
	ROW("one with a narrow window is remembered", ds.n == 1 && d->window.width == 7);
	dests_tidy(&ds, 50 + WINDOW_KEPT_MS - 1);
	ROW("for five minutes", ds.n == 1);
	dests_tidy(&ds, 50 + WINDOW_KEPT_MS);
	ROW("one of which nothing need be known is not", ds.n == 0);
}

/* A story of the window alone: how often something ends so, and how wide it is then. */
struct act_of { const char *name; unsigned times; enum breaker_signal signal; bool same; unsigned width; enum window_news news; };

static void
window_story(void)
{
	/* clang-format off */
	static const struct act_of story[] = {
		{ "it begins at the ceiling",                     0,  BREAKER_GOOD,    false, 8, WINDOW_NO_NEWS },
		{ "and grows no further",                         50, BREAKER_GOOD,    false, 8, WINDOW_NO_NEWS },
		{ "trouble takes one",                            1,  BREAKER_BAD,     false, 7, WINDOW_NO_NEWS },
		{ "the same delivery again takes nothing more",   9,  BREAKER_BAD,     true,  7, WINDOW_NO_NEWS },
		{ "what was never made tells nothing",            9,  BREAKER_NOTHING, false, 7, WINDOW_NO_NEWS },
		{ "six answers are no window of them",            6,  BREAKER_GOOD,    false, 7, WINDOW_NO_NEWS },
		{ "another delivery takes one more",              1,  BREAKER_BAD,     false, 6, WINDOW_NO_NEWS },
		{ "and answers count from there: five of six",    5,  BREAKER_GOOD,    false, 6, WINDOW_NO_NEWS },
		{ "the sixth makes it one wider",                 1,  BREAKER_GOOD,    false, 7, WINDOW_NO_NEWS },
		{ "two less and nothing is told yet",             2,  BREAKER_BAD,     false, 5, WINDOW_NO_NEWS },
		{ "half of the ceiling is told",                  1,  BREAKER_BAD,     false, 4, WINDOW_NARROW },
		{ "once",                                         2,  BREAKER_BAD,     false, 2, WINDOW_NO_NEWS },
		{ "it comes down to one",                         1,  BREAKER_BAD,     false, 1, WINDOW_NO_NEWS },
		{ "and never below",                              50, BREAKER_BAD,     false, 1, WINDOW_NO_NEWS },
		{ "one answer makes it two",                      1,  BREAKER_GOOD,    false, 2, WINDOW_NO_NEWS },
		{ "two more three, and so on: 20 for two to seven", 20, BREAKER_GOOD,  false, 7, WINDOW_NO_NEWS },
		{ "six of the last seven change nothing",         6,  BREAKER_GOOD,    false, 7, WINDOW_NO_NEWS },
		{ "back at the ceiling is told",                  1,  BREAKER_GOOD,    false, 8, WINDOW_WIDE_AGAIN },
		{ "once",                                         1,  BREAKER_GOOD,    false, 8, WINDOW_NO_NEWS },
	};
	/* clang-format on */
	struct window w = { .width = 0 };
	uint64_t delivery = 1;
	for (size_t i = 0; i < ARRAY_LEN(story); i++) {
		for (unsigned n = 0; n < story[i].times; n++)
			window_end(&w, 8, story[i].signal, story[i].same ? delivery : ++delivery, 0);
		ROW(story[i].name, window_width(&w, 8) == story[i].width);
		ROW(story[i].name, window_news(&w, 8) == story[i].news);
	}
}

/* Where it settles when a share of the requests ends in trouble. */
static void
window_settles(void)
{
	static const struct { unsigned bad_of_100, least, most; } rows[] = {
		{ 1, 8, 8 }, { 10, 6, 8 }, { 25, 2, 4 }, { 50, 1, 2 }, { 90, 1, 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct window w = { .width = 0 };
		uint32_t dice = 1;
		uint64_t sum = 0;
		for (unsigned n = 0; n < 20000; n++) {
			dice = dice * 1664525 + 1013904223;
			window_end(&w, 8, dice / (UINT32_MAX / 100 + 1) < rows[i].bad_of_100 ? BREAKER_BAD : BREAKER_GOOD, n + 1, 0);
			sum += window_width(&w, 8);
		}
		unsigned mean = (unsigned)((sum + 10000) / 20000);
		ROW("it settles where trouble and answers balance", mean >= rows[i].least && mean <= rows[i].most);
	}
}

static void
window_and_ceiling(void)
{
	struct window w = { .width = 0 };
	ROW("another ceiling, another width", window_width(&w, 8) == 8 && window_width(&w, 20) == 20);
	window_end(&w, 20, BREAKER_BAD, 1, 0);
	ROW("one below it", window_width(&w, 20) == 19);
	ROW("a lower ceiling holds at once", window_width(&w, 4) == 4 && window_news(&w, 4) == WINDOW_NO_NEWS);
	window_end(&w, 4, BREAKER_BAD, 2, 0);
	ROW("and counts from there", window_width(&w, 4) == 3);
	window_least(&w, 4, 0);
	ROW("an open breaker leaves one", window_width(&w, 4) == 1 && window_news(&w, 4) == WINDOW_NARROW);
	ROW("a ceiling of one is no news", window_width(&w, 1) == 1 && window_news(&w, 1) == WINDOW_WIDE_AGAIN);
	w = (struct window){ .width = 0 };
	window_least(&w, 1, 0);
	window_end(&w, 1, BREAKER_BAD, 3, 0);
	ROW("nor can it be narrow", window_width(&w, 1) == 1 && window_news(&w, 1) == WINDOW_NO_NEWS);
}

static void
counted_answers(void)
{
	struct strikes s = { .item = NULL };
	ROW("nothing is held against a new one", strikes_of(&s, 7) == 0);
	strikes_add(&s, 7);
	strikes_add(&s, 9);
	strikes_add(&s, 7);
	ROW("each has its own count", strikes_of(&s, 7) == 2 && strikes_of(&s, 9) == 1 && strikes_of(&s, 8) == 0);
	strikes_forget(&s, 7);
	strikes_forget(&s, 8);
	ROW("what is over is forgotten, and nothing else", strikes_of(&s, 7) == 0 && strikes_of(&s, 9) == 1);
	for (uint64_t i = 1; i <= STRIKES_KEPT; i++)
		strikes_add(&s, 1000 + i);
	ROW("beyond the limit an old one makes room", s.n == STRIKES_KEPT && strikes_of(&s, 9) == 0);
	ROW("and the newest is known", strikes_of(&s, 1000 + STRIKES_KEPT) == 1);
	strikes_free(&s);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		{ "the breaker's story", breaker_story },
		{ "the breaker's waits", breaker_waits },
		{ "the window's story", window_story },
		{ "where the window settles", window_settles },
		{ "the window and its ceiling", window_and_ceiling },
		{ "room", room },
		{ "pauses", pauses },
		{ "alarms and memory", alarms_and_memory },
		{ "answers held against a delivery", counted_answers },
	};
	return unit_run("dest", tests, ARRAY_LEN(tests), 0);
}
