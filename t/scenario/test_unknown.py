"""Somebody did what we asked and the answer was lost: never done twice, and never
guessed.  Row L9, at Chatwoot and at the hub."""

import threading

import pytest

from conftest import message, wait_for
from stories import echoes, ended, posts, say
from talk import counts, looks, manners, settled
from tools import delivery

LOST = {"cut": "after"}                 # it was done
NEVER = {"cut": "before"}               # it was not
TIMES = "chatwoot: {first_byte: 1s, total: 2s, lookup_wait: 300ms, echo_wait: 1s}\n"


def replies(ponte, conversation=501):
    """Of each POST of a message the mark; None when it was cut before that was read."""
    return [r["json"] and r["json"]["content_attributes"]["ponte"] for r in ponte.chatwoot.requests
            if r["method"] == "POST" and r["path"].endswith(f"/{conversation}/messages")]


def there(ponte):
    return [m["content_attributes"]["ponte"] for m in ponte.chatwoot.messages]


def unsure(make, how="", token=True):
    ponte = make(settings=TIMES)
    ponte.chatwoot.user_token = ponte.USER_TOKEN
    ponte.tenant(manners=manners(how), user_token=ponte.USER_TOKEN if token else None)
    return ponte


# ---- Chatwoot, which compares nothing: who may look -------------------------------------

@pytest.mark.parametrize("step, stored", [
    (LOST, True), ({"cut": "middle"}, True), ({"status": 500, "effect": True}, True), ({"status": 502}, False),
    ({"cut": "after", "reset": True}, True), ({"hang": True}, False), (NEVER, False)],
    ids=["cut behind it", "cut in the answer", "500 and there", "502 and not there", "reset", "no answer", "cut before it"])
def test_l9_with_a_users_token_it_is_looked_up(make, step, stored):
    """There once, by one POST when it was there, by a second one under the same mark when not."""
    ponte = unsure(make)
    ponte.chatwoot.add(posts(501, **step))
    event = ponte.send(message()).json["event_id"]
    assert [r["state"] for r in ended(ponte, event, ("hub", "reply"))] == ["done", "done"]
    assert there(ponte) == [f"{event}.1"], "not there once"
    assert [r for r in looks(ponte) if "/messages?after=" in r], "nobody looked"
    assert len(replies(ponte)) == (1 if stored else 2)
    assert len(ponte.hub.requests) == 1
    ponte.check_store()


def test_l9_a_page_of_others_does_not_hide_it(make):
    """It is found behind a hundred that were written meanwhile."""
    ponte = unsure(make)
    ponte.chatwoot.add(posts(501, **LOST))
    body = message(id=1000)
    for i in range(120):
        ponte.chatwoot.says(501, 1001 + i, f"older {i}")
    event = ponte.send(body).json["event_id"]
    assert [r["state"] for r in ended(ponte, event, ("hub", "reply"))] == ["done", "done"]
    assert there(ponte) == replies(ponte) == [f"{event}.1"]


def test_l9_what_the_customer_writes_meanwhile_waits_for_it(make):
    """Two answers of one conversation do not overtake each other for that."""
    ponte = unsure(make)
    ponte.chatwoot.add(posts(501, status=502))
    first = ponte.send(message("one")).json["event_id"]
    ponte.chatwoot.wait_requests(1)
    second = ponte.send(message("two")).json["event_id"]
    for event in (first, second):
        assert [r["state"] for r in ended(ponte, event, ("hub", "reply"))] == ["done", "done"]
    assert [m["content"] for m in ponte.chatwoot.messages] == ["You said: one", "You said: two"]
    ponte.check_store()


# ---- who may not: our own echo ----------------------------------------------------------

def test_l9_without_one_its_echo_says_that_it_is_there(make):
    ponte = unsure(make, token=False)
    echoes(ponte, {7: "shop"})
    for i in range(4):
        ponte.chatwoot.add(posts(600 + i, **LOST))
        event = say(ponte, "Olá", 600 + i)
        row = settled(ponte, event, 2)[1]
        assert row["state"] == "done", row
        assert replies(ponte, 600 + i) == [f"{event}.1"] and not looks(ponte)
    assert counts(ponte, "reply", "unknown") == 0 and len(ponte.hub.requests) == 4
    ponte.check_store()


@pytest.mark.parametrize("on_unknown, state", [("hold", "unknown"), ("repeat", "done")])
@pytest.mark.parametrize("stored", [True, False], ids=["it is there", "it is not"])
def test_l9_without_an_echo_the_tenant_decides(make, on_unknown, state, stored):
    """hold: never twice, shown, and the operator's to settle.  repeat: once more, with the same mark."""
    ponte = unsure(make, f"on_unknown: {on_unknown}", token=False)
    ponte.chatwoot.add(posts(501, status=500, effect=stored))
    event = ponte.send(message()).json["event_id"]
    row = settled(ponte, event, 2)[1]
    assert row["state"] == state, row
    marks = [f"{event}.1"]
    assert replies(ponte) == (marks if on_unknown == "hold" else marks * 2)
    assert there(ponte) == (marks if stored else []) + (marks if on_unknown == "repeat" else [])
    ponte.check_store()
    if on_unknown == "hold":
        assert "on_unknown" in row["reason"] and counts(ponte, "reply", "unknown") == 1
        # nobody else in the conversation waits for it
        assert [r["state"] for r in settled(ponte, ponte.send(message("more")).json["event_id"], 2)] == ["done", "done"]
        ponte.run("queue", "retry", row["id"])
        wait_for(lambda: delivery(ponte, event, "reply")["state"] == "done", 20, show=ponte.log_tail)
        assert replies(ponte).count(f"{event}.1") == 2
        ponte.check_store()


def test_l9_an_echo_that_comes_late_settles_what_was_given_up(make):
    ponte = unsure(make, token=False)
    held, let = [], threading.Event()

    def tell(what, conversation, posted):
        held.append(posted)
        let.wait(30)
        ponte.send(message(posted["content"], id=posted["id"], type="outgoing", sender="bot",
                           content_attributes=posted["content_attributes"]))
    ponte.chatwoot.on_change = tell
    ponte.chatwoot.add(posts(501, **LOST))
    event = ponte.send(message()).json["event_id"]
    assert settled(ponte, event, 2)[1]["state"] == "unknown" and len(held) == 1
    let.set()
    wait_for(lambda: delivery(ponte, event, "reply")["state"] == "done", 20, "the echo settles it", ponte.log_tail)
    assert counts(ponte, "reply", "unknown") == 0 and len(replies(ponte)) == 1
    ponte.check_store()


def test_l9_of_an_answer_in_parts_the_next_waits_and_none_is_doubled(make):
    """Each second POST is lost."""
    ponte = unsure(make, token=False)
    echoes(ponte, {7: "shop"})
    ponte.hub.script = [{"json": {"messages": [{"text": t} for t in ("one", "two", "three")], "note": "four"}}]
    ponte.chatwoot.add({"contains": "two", "method": "POST", **LOST}, {"contains": "four", "method": "POST", **LOST})
    event = say(ponte, "Olá", 501)
    assert [r["state"] for r in settled(ponte, event, 5)] == ["done"] * 5
    assert [m["content"] for m in ponte.chatwoot.messages] == ["one", "two", "three", "four"]
    assert replies(ponte) == [f"{event}.{n}" for n in range(1, 5)]
    ponte.check_store()


# ---- the hub, which has the key ---------------------------------------------------------

def effects(ponte):
    """What a hub did that remembers its keys (docs/hub.md): each key once."""
    return list(dict.fromkeys(r["headers"]["idempotency-key"] for r in ponte.hub.requests))


@pytest.mark.parametrize("step", [LOST, {"cut": "middle"}, {"hang": True}], ids=["cut behind it", "cut in the answer", "no answer"])
def test_l9_a_hub_whose_answer_was_lost_is_asked_under_the_same_key(make, step):
    """One effect, the same bytes of messages, one answer; whoever writes meanwhile is the next question."""
    ponte = make(settings="hub: {first_byte: 1s, total: 2s}\n")
    ponte.tenant()
    ponte.hub.script = [dict(step, times=2)]
    first = ponte.send(message("one")).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    second = ponte.send(message("two")).json["event_id"]
    for event in (first, second):
        assert [r["state"] for r in settled(ponte, event, 2, 40)] == ["done", "done"]
    asked = [(r["headers"]["idempotency-key"], [m["text"] for m in r["json"]["messages"]]) for r in ponte.hub.requests]
    assert asked == [(first, ["one"])] * 3 + [(second, ["two"])]
    assert effects(ponte) == [first, second]
    assert [m["content"] for m in ponte.chatwoot.messages] == ["You said: one", "You said: two"]
    ponte.check_store()


def test_l9_the_courier_dies_between_the_hubs_answer_and_its_word_of_it(make):
    """The answer is on its way when the courier is killed: asked again under the same key, posted once."""
    ponte = make()
    ponte.tenant()
    ponte.hub.script = [{"hold": "thinking"}]
    event = ponte.send(message("one")).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    ponte.kill("ponte-courier")
    ponte.hub.release("thinking")
    assert [r["state"] for r in settled(ponte, event, 2, 40)] == ["done", "done"]
    assert effects(ponte) == [event] and len(ponte.hub.requests) == 2
    assert there(ponte) == [f"{event}.1"]
    ponte.check_store()
