"""Each named step at which a role may die (lib/crashpoint.h), killed there once:
those that every message passes under load, the others each in the story of one
conversation.  What was acknowledged is delivered or stands in a state that says
why, nothing is posted twice, the books balance.  Rows L1 (first half) and O4.

Needs a build with ./configure --enable-crash-points; PONTE_BUILD_CRASH says
where it is."""

import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import tempfile

import pytest

import conftest
from conftest import TOP, message, status_changed, wait_for
from stories import (UNDER_LOAD, House, Orders, answer_later, ended, listings, nothing_twice, posts, rows_of, say, states, tenants,
                     token_of)
from test_crash import Load, judge
from tools import alarms, delivery, refused

BUILD = os.environ.get("PONTE_BUILD_CRASH")
pytestmark = pytest.mark.skipif(not BUILD, reason="PONTE_BUILD_CRASH names no build with crash points")

POINTS = sorted({name for room in ("app", "lib") for path in (TOP / room).rglob("*.[ch]")
                 for name in re.findall(r'CRASH_POINT\("([^"]+)"\)', path.read_text())})
AT_FIRST = ["keeper-migrates", "keeper-migrated"]       # once in a store's life
AFTER_ANOTHER = ["courier-told"]                        # passed by who follows on one that died


@pytest.fixture
def crash(make, monkeypatch, tmp_path):
    """crash(point, pass, times): an instance whose roles die there, and how often they did."""
    monkeypatch.setattr(conftest, "PONTE", pathlib.Path(BUILD or ".").resolve() / "app/ponte/ponte")
    log = tmp_path / "crashes"

    def start(point, turn=1, times=1, more=(), **kw):
        env = {"PONTE_CRASH_AT": f"{point}:{turn}", "PONTE_CRASH_LOG": str(log), "PONTE_CRASH_TIMES": str(times), **dict(more)}
        return make(settings="workers: {hooks: 4, api: 2}\n", env=env, **kw), lambda: log.stat().st_size if log.exists() else 0
    return start


@contextlib.contextmanager
def a_house():
    usual = conftest.PONTE
    conftest.PONTE = pathlib.Path(BUILD or ".").resolve() / "app/ponte/ponte"
    root = pathlib.Path(tempfile.mkdtemp(prefix="ponte-"))
    h = House(root)
    try:
        yield h
    finally:
        h.ponte.close()
        conftest.PONTE = usual
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def fresh():
    """One that was not started yet."""
    with a_house() as h:
        yield h


@pytest.fixture(scope="module")
def house():
    """One for all stories; each has conversations of its own in it."""
    with a_house() as h:
        tenants(h.start().ponte)
        yield h


@pytest.fixture
def talk(house):
    """A number for a conversation that nobody had before, and the books afterwards."""
    talk.next += 1
    yield talk.next
    house.orders.disarm()
    nothing_twice(house.ponte)
    house.ponte.check_store()


talk.next = 100


def test_each_point_has_a_story():
    """All that the tree has, and none that it has no more."""
    assert POINTS == sorted([*UNDER_LOAD, *STORIES, *AT_FIRST, *AFTER_ANOTHER])


def test_l1_killed_at_each_step_of_a_message_once(fresh):
    """One after the other, while customers write.  PONTE_POINTS: these alone, to find out which it was."""
    h = fresh.start()
    h.ponte.tenant()
    load = Load(h.ponte)
    try:
        for point in os.environ.get("PONTE_POINTS", "").split() or UNDER_LOAD:
            h.arm(point)
            if point == "worker-start":     # passed once in a worker's life
                h.ponte.kill("ponte-worker", which=1)
            h.dead(point)
            before = len(load.acked)
            wait_for(lambda: len(load.acked) > before + 5, 30, f"load goes on after {point}", h.ponte.log_tail)
    finally:
        load.stop()
    judge(h.ponte, load)


@pytest.mark.parametrize("point", AT_FIRST)
def test_l1_killed_while_the_store_is_made(fresh, point):
    fresh.arm(point)
    fresh.start()
    fresh.dead(point)
    fresh.ponte.tenant()
    event = say(fresh.ponte, "Olá", 1)
    assert [r["state"] for r in ended(fresh.ponte, event, ("hub", "reply"))] == ["done", "done"]
    fresh.ponte.check_store()


# ---- the stories: story(house, point, conversation) --------------------------------

def parts(h, point, c):
    """An answer of two messages, a note, a label and a handoff: each once, in that order."""
    h.arm(point)
    event = say(h.ponte, "PARTS", c, 8, "look")
    h.dead(point)
    rows = ended(h.ponte, event, ("hub", "reply", "note", "labels", "handoff"))
    assert all(r["state"] == "done" for r in rows) and len(rows) == 6, rows
    assert [text for _, text, _ in h.ponte.posted(c)] == ["part one", "part two", "for the agents"]
    there = h.ponte.chatwoot.conversation(c, 8)
    assert there["status"] == "open" and there["labels"] == ["vip"], there


def looked_up(h, point, c):
    """Chatwoot has it and the line was cut: it is found there, by whoever looks next."""
    h.ponte.chatwoot.add(posts(c, cut="after"))
    h.arm(point)
    event = say(h.ponte, "Olá", c, 8, "look")
    h.dead(point)
    rows = ended(h.ponte, event, ("hub", "reply"))
    assert [r["state"] for r in rows] == ["done", "done"], rows
    assert len(h.ponte.posted(c)) == 1 and listings(h.ponte, c) >= 1


def handoff_looked_up(h, point, c):
    h.ponte.chatwoot.add({"path": f"/conversations/{c}/toggle_status$", "cut": "after"})
    h.arm(point)
    event = say(h.ponte, "PARTS", c, 8, "look")
    h.dead(point)
    ended(h.ponte, event, ("hub", "handoff"))
    assert states(h.ponte, event)["handoff"] == ["done"]
    toggled = [r for r in h.ponte.chatwoot.requests if f"/conversations/{c}/toggle_status" in r["path"]]
    assert len(toggled) == 1, "handed over twice"


def echo_settles(h, point, c):
    """No user token: our own message, as Chatwoot tells it back, says that it is there."""
    h.ponte.chatwoot.add(posts(c, cut="after"))
    h.arm(point)
    event = say(h.ponte, "Olá", c, 9, "echo")
    h.dead(point)
    assert [r["state"] for r in ended(h.ponte, event, ("hub", "reply"))] == ["done", "done"]
    assert len(h.ponte.posted(c)) == 1


def nobody_knows(h, point, c):
    """No token, no echo: held, and said so."""
    h.ponte.chatwoot.add(posts(c, cut="after"))
    h.arm(point)
    event = say(h.ponte, "SILENT", c, 9, "echo")
    h.dead(point)
    ended(h.ponte, event, ("hub", "reply"))
    row = delivery(h.ponte, event, "reply")
    assert row["state"] == "unknown" and "on_unknown" in row["reason"], row
    assert len(h.ponte.posted(c)) == 1


def later(h, point, c):
    """202, then an answer that is said until it is taken: posted once."""
    event = say(h.ponte, "LATER", c)
    wait_for(lambda: delivery(h.ponte, event)["state"] == "waiting", show=h.ponte.log_tail)
    token = h.token = getattr(h, "token", None) or token_of(h.ponte, "shop")
    h.arm(point)

    def taken():
        a = answer_later(h.ponte, token, event, messages=[{"text": f"later {c}"}])
        assert a.status in (200, 500, 502, 503), a
        return a if a.status == 200 else None
    said = wait_for(taken, 30, "the answer is taken", h.ponte.log_tail).json
    h.dead(point)
    assert said["status"] in ("accepted", "duplicate"), said
    assert [r["state"] for r in ended(h.ponte, event, ("hub", "reply"))] == ["done", "done"]
    assert [text for _, text, _ in h.ponte.posted(c)] == [f"later {c}"]


def ladder(h, point, c):
    """The hub cannot: apology, note, label and handoff, each once."""
    h.arm(point)
    event = say(h.ponte, "FAIL", c, 8, "look")
    h.dead(point)
    ended(h.ponte, event, ("hub", "reply", "note", "labels", "handoff"))
    assert states(h.ponte, event) == {"hub": ["dead"], "reply": ["done"], "note": ["done"], "labels": ["done"], "handoff": ["done"]}
    assert [j["private"] for _, _, j in h.ponte.posted(c)] == [False, True]


def notice(h, point, c):
    """The hub hears that a conversation was closed, under one key."""
    ended(h.ponte, say(h.ponte, "Olá", c, 8, "look"), ("hub", "reply"))
    h.arm(point)
    event = h.ponte.send(status_changed("resolved", conversation=c, account=8), tenant="look").json["event_id"]
    h.dead(point)
    assert [r["state"] for r in ended(h.ponte, event, ("notice",))] == ["done"]
    keys = {r["headers"]["idempotency-key"] for r in h.ponte.hub.requests
            if r["json"]["conversation_id"] == c and r["json"].get("event") == "conversation.closed"}
    assert len(keys) == 1, keys


def releases(h, point, c):
    """The courier is lost while the hub thinks, and the keeper while it takes the claim back."""
    h.ponte.hub.script = [{"contains": f"SLOW {c}", "hold": f"slow {c}"}] + h.ponte.hub.script
    event = say(h.ponte, f"SLOW {c}", c)
    h.ponte.hub.wait(lambda p: [r for r in p.requests if f"SLOW {c}".encode() in r["body"]])
    h.arm(point)
    h.ponte.kill("ponte-courier")
    h.dead(point)
    assert [r["state"] for r in ended(h.ponte, event, ("hub", "reply"))] == ["done", "done"]
    asked = [r for r in h.ponte.hub.requests if f"SLOW {c}".encode() in r["body"]]
    assert len(asked) == 2 and len({r["headers"]["idempotency-key"] for r in asked}) == 1
    assert len(h.ponte.posted(c)) == 1


def queue_changes(h, point, c):
    """retry, hold, release and drop: said again, each is as said once."""
    event = say(h.ponte, f"FAIL {c}", c, 10, "aside")
    ended(h.ponte, event)
    h.ponte.hub.script = [{"contains": f"FAIL {c}", "status": 503, "retry_after": 30, "times": 2}] + h.ponte.hub.script
    for verb, state in (("retry", "pending"), ("hold", "held"), ("release", "pending"), ("drop", "dropped")):
        h.arm(point)
        h.ponte.run("queue", verb, delivery(h.ponte, event)["id"], check=False)
        h.dead(point)
        h.ponte.run("queue", verb, delivery(h.ponte, event)["id"], check=False)
        wait_for(lambda: delivery(h.ponte, event)["state"] == state, why=f"{verb} makes it {state}", show=h.ponte.log_tail)
    h.ponte.hub.script = [s for s in h.ponte.hub.script if s.get("contains") != f"FAIL {c}"]


def erasing(h, point, c):
    """Said again, it is done: nothing of it is in any file of the store."""
    event = say(h.ponte, f"canary{c}text", c)
    ended(h.ponte, event, ("hub", "reply"))
    h.arm(point)
    h.ponte.run("erase", "--tenant", "shop", "--contact", 2001, check=False)
    h.dead(point)
    h.ponte.run("erase", "--tenant", "shop", "--contact", 2001)
    left = [f.name for f in (h.ponte.dir / "state").iterdir() if f"canary{c}text".encode() in f.read_bytes()]
    assert not left, left


def pruning(h, point, c):
    """What retention takes away when the keeper starts: once, with its counters."""
    event = say(h.ponte, "Olá", c)
    ended(h.ponte, event, ("hub", "reply"))
    h.ponte.stop()
    with sqlite3.connect(h.ponte.dir / "state/ponte.db") as db:
        db.execute("UPDATE event SET received_us = received_us - 1e6 * 86400 * 100")
    db.close()
    h.arm(point)
    h.ponte.start()
    h.dead(point)
    wait_for(lambda: not rows_of(h.ponte, event), 30, "retention removes it", h.ponte.log_tail)


STORIES = {
    "courier-before-show": parts, "courier-after-show": parts, "courier-before-labels": parts, "courier-after-labels": parts,
    "courier-before-set-labels": parts, "courier-after-set-labels": parts, "courier-before-note": parts, "courier-after-note": parts,
    "courier-before-handoff": parts, "courier-after-handoff": parts,
    "keeper-unknown-waits": looked_up, "keeper-gives-lookup": looked_up, "courier-before-find": looked_up, "courier-after-find": looked_up,
    "courier-before-find-shown": handoff_looked_up, "courier-after-find-shown": handoff_looked_up,
    "keeper-echo": echo_settles, "keeper-unknown-ends": nobody_knows,
    "worker-before-answer": later, "keeper-answer-kept": later, "keeper-answer-settles": later, "worker-after-answer": later,
    "keeper-ladder": ladder, "courier-before-notice": notice, "courier-after-notice": notice, "keeper-releases": releases,
    "keeper-queue-changes": queue_changes, "keeper-erases": erasing, "keeper-before-shred": erasing, "keeper-prunes": pruning,
}


@pytest.mark.parametrize("point", STORIES)
def test_l1_killed_at_each_step_of_a_story_once(house, talk, point):
    STORIES[point](house, point, talk)


# ---- O4: what kills again and again --------------------------------------------------

@pytest.mark.parametrize("point", ["courier-build", "courier-judge"])
def test_o4_what_crashes_the_courier_three_times_is_put_aside_and_the_rest_flows(crash, point):
    ponte, crashes = crash(point, times=3)
    ponte.tenant()
    poison = ponte.send(message(conversation=666)).json["event_id"]
    wait_for(lambda: delivery(ponte, poison)["state"] == "dead", 40, "the third crash is the last", ponte.log_tail)
    assert crashes() == 3
    row = delivery(ponte, poison)
    assert row["reason"].startswith("crashed the courier"), row
    rest = [ponte.send(message(conversation=c)).json["event_id"] for c in (666, 667, 668)]
    for event in rest:
        wait_for(lambda: (delivery(ponte, event, "reply") or {}).get("state") == "done", 20, show=ponte.log_tail)
        assert not delivery(ponte, event)["crashes"]
    assert len(ponte.hub.requests) - len(rest) == (0 if point == "courier-build" else 3)
    ponte.check_store()


def test_o4_others_are_not_charged_for_the_crashes_of_one(crash):
    """Ten wait; the courier dies three times while it has one of them in hand: nobody else is put aside."""
    ponte, crashes = crash("courier-build", times=2)
    ponte.tenant()
    events = [ponte.send(message(conversation=700 + i)).json["event_id"] for i in range(10)]
    for event in events:
        wait_for(lambda: (delivery(ponte, event, "reply") or {}).get("state") == "done", 40, show=ponte.log_tail)
    assert crashes() == 2
    charged = [r["crashes"] for r in ponte.queue() if r["crashes"]]
    assert sum(charged) == 2, charged
    ponte.check_store()


def test_o4_a_crash_that_is_told_again_is_one_crash(crash, tmp_path):
    """The courier that says what its predecessor died at dies of something else, again and again."""
    orders = Orders(tmp_path)
    ponte, crashes = crash("courier-told", times=3, more=orders.env)
    ponte.tenant()
    orders.arm("courier-build")
    event = ponte.send(message(conversation=666)).json["event_id"]
    wait_for(lambda: (delivery(ponte, event, "reply") or {}).get("state") == "done", 40, show=ponte.log_tail)
    assert crashes() == 3 and not orders.open()
    assert delivery(ponte, event)["crashes"] == 1
    ponte.check_store()


def test_o4_a_body_that_crashes_a_worker_is_500_and_the_obituary_names_it(crash):
    ponte, crashes = crash("worker-before-put")
    ponte.tenant()
    body = message(conversation=501)
    a = ponte.send(body)
    refused(a, 500, "TRY_AGAIN")
    assert crashes() == 1
    gone = wait_for(lambda: [e for e in ponte.events("worker-gone") if e.get("request_id") == a.json["request_id"]], show=ponte.log_tail)[0]
    assert gone["signal"] == "SIGKILL" and gone["body_digest"] and gone["route"].startswith("/webhook/chatwoot/"), gone
    again = ponte.send(body)            # as a bot's Chatwoot would
    assert again.json["status"] == "accepted"
    wait_for(lambda: ponte.posted(501), show=ponte.log_tail)
    assert len(alarms(ponte)) <= 1
    ponte.check_store()
