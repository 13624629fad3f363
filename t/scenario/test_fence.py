"""A bot does not talk over a human, and not to another bot.  Row O6 in full: what
test_reply.py shows of one message, here for conversations that go on."""

import time

import pytest

from conftest import message, status_changed, wait_for
from talk import AGENT, Chat, asked, counts, done, ends, looks, manners, settled
from tools import alarms

def assigned(conversation):
    return dict(status_changed("pending", conversation=conversation, assignee="user", event="conversation_updated"),
                changed_attributes=[{"assignee_id": {"previous_value": None, "current_value": 12}}])


def test_o6_between_two_parts_of_an_answer(ponte):
    """What the customer has read stands; the rest is held back, and the operator sees why.
    Notes are for the agents, and arrive all the same."""
    turns = {1: (lambda: message(type="outgoing", sender="user", text="Posso ajudar?", conversation=1), "a human took over"),
             2: (lambda: assigned(2), "a human took over"),
             3: (lambda: status_changed("open", conversation=3), "the conversation left the bot"),
             4: (lambda: status_changed("resolved", conversation=4), "the conversation was closed"),
             5: (lambda: status_changed("snoozed", conversation=5), "the conversation is snoozed")}
    ponte.hub.script = [{"times": 0, "json": {"messages": [{"text": "one"}, {"text": "two", "delay": 3}], "note": "why", "handoff": True}}]
    events = {c: ponte.send(message(conversation=c, updated=time.time() - 5)).json["event_id"] for c in turns}
    ponte.chatwoot.wait_messages(5)
    for body, _ in turns.values():
        assert ponte.send(body()).json["status"] == "noted"
    for c, (_, why) in turns.items():
        rows = settled(ponte, events[c], 5)
        assert ends(rows) == [("hub", "done"), ("reply", "done"), ("reply", "suppressed"), ("note", "done"), ("handoff", "suppressed")]
        assert [tuple(d) for d in done(ponte, c)] == [("message", "one"), ("note", "why")]
        assert rows[2]["reason"] == rows[4]["reason"] == why
        assert f"reply {rows[2]['id']} is suppressed: {why}" in ponte.run("trace", events[c]).stdout
        assert why in ponte.run("queue", "show", rows[2]["id"]).stdout
    assert counts(ponte, "reply", "suppressed") == counts(ponte, "handoff", "suppressed") == len(turns)
    ponte.check_store()


def test_o6_the_customer_writes_again_and_is_answered(ponte):
    """Taken over and handed back while the hub thinks: the first answer is late, the second is not."""
    chat = Chat(ponte)
    ponte.hub.script = [{"hold": "thinking"}]
    first = chat.customer("one")
    ponte.hub.wait(lambda p: p.requests)
    second = chat.customer("two")
    chat.turn("open", assignee=AGENT)
    chat.agent("I am here")
    assert chat.customer("three") is None
    chat.turn("pending", assignee=None)
    fourth = chat.customer("four")
    ponte.hub.release("thinking")
    assert ends(settled(ponte, first, 2)) == [("hub", "done"), ("reply", "suppressed")]
    assert ends(settled(ponte, fourth, 2)) == [("hub", "done"), ("reply", "done")]
    assert ends(settled(ponte, second)) == [("hub", "done")]
    assert asked(ponte) == [["one"], ["two", "four"]]
    assert chat.reads()[-1] == ("bot", "You said: two / four") and len(ponte.posted()) == 1
    ponte.check_store()


# ---- the conversation is read first --------------------------------------------------

def looking(make, bots_may=("show",), **kw):
    ponte = make()
    ponte.chatwoot.user_token, ponte.chatwoot.bots_may = ponte.USER_TOKEN, set(bots_may)
    ponte.tenant(manners=manners("look_first: true"), **kw)
    return ponte


@pytest.mark.parametrize("change, why", [
    ({"status": "open", "assignee": AGENT}, "a human took over"),
    ({"assignee": AGENT}, "a human took over"),
    ({"status": "open"}, "the conversation left the bot"),
    ({"status": "resolved"}, "the conversation was closed"),
], ids=["taken by a human", "assigned", "opened", "closed"])
def test_o6_what_no_webhook_told_is_seen_before_posting(make, change, why):
    """And is known from then on: what the customer writes next is judged by it."""
    ponte = looking(make, user_token="TESTuserTokenPqr678")
    ponte.hub.script = [{"hold": "thinking", "json": {"content": "Hi.", "handoff": True}}]
    event = ponte.send(message(updated=time.time() - 5)).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    ponte.chatwoot.conversation(501, **change)
    ponte.hub.release("thinking")
    rows = settled(ponte, event, 3)
    assert ends(rows) == [("hub", "done"), ("reply", "suppressed"), ("handoff", "suppressed")]
    assert rows[1]["reason"] == why and not done(ponte) and looks(ponte) == ["501", "501"]
    assert {r["headers"]["api_access_token"] for r in ponte.chatwoot.requests} == {ponte.USER_TOKEN}
    after = ponte.send(message("more", updated=time.time() - 4))
    assert after.json["status"] == "ignored" and len(ponte.hub.requests) == 1, after


def test_what_is_read_and_allows_it_is_answered(make):
    """By the bot's own token, where Chatwoot lets bots read."""
    ponte = looking(make)
    event = ponte.send(message()).json["event_id"]
    assert ends(settled(ponte, event, 2)) == [("hub", "done"), ("reply", "done")]
    assert looks(ponte) == ["501"] and len(done(ponte)) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_may_not_read_is_no_reason_not_to_post(make, status):
    """Noted once and not tried again, until the credentials change."""
    ponte = looking(make, bots_may=())
    ponte.chatwoot.script = [{"method": "GET", "status": status, "times": 0}]
    for i in range(3):
        event = ponte.send(message(conversation=600 + i)).json["event_id"]
        assert ends(settled(ponte, event, 2)) == [("hub", "done"), ("reply", "done")]
    assert looks(ponte) == ["600"] and len(ponte.posted()) == 3
    assert [(e["tenant"], e["installation"]) for e in ponte.events("look-off")] == [("shop", "main")]
    assert not alarms(ponte)
    ponte.chatwoot.clear()
    ponte.chatwoot.bots_may = {"show"}
    ponte.tenant(manners=manners("look_first: true"))
    settled(ponte, ponte.send(message(conversation=700)).json["event_id"], 2)
    assert looks(ponte) == ["600", "700"]


def test_a_chatwoot_that_fails_to_show_it_is_asked_again(make):
    """Nothing is posted before, and nothing twice."""
    ponte = looking(make)
    ponte.chatwoot.script = [{"method": "GET", "status": 502}, {"method": "GET", "cut": "middle"}]
    event = ponte.send(message()).json["event_id"]
    assert ends(settled(ponte, event, 2, 40)) == [("hub", "done"), ("reply", "done")]
    assert looks(ponte) == ["501"] * 3 and len(ponte.posted()) == 1


# ---- overtaken ------------------------------------------------------------------------

def test_an_answer_that_was_overtaken_is_posted(ponte):
    ponte.hub.script = [{"hold": "thinking"}]
    ponte.send(message("one"))
    ponte.hub.wait(lambda p: p.requests)
    ponte.send(message("two"))
    ponte.hub.release("thinking")
    ponte.chatwoot.wait_messages(2)
    assert [d.value for d in done(ponte)] == ["You said: one", "You said: two"]


def test_or_merged_into_the_next_where_the_tenant_wants_that(make):
    """Asked once more with all of them; a customer who never stops is answered nevertheless."""
    ponte = make()
    ponte.tenant(manners=manners("overtaken: merge"))
    ponte.hub.script = [{"hold": f"thinking {i}"} for i in range(5)]
    texts = ["m0"]
    first = ponte.send(message("m0")).json["event_id"]
    for i in range(4):
        ponte.hub.wait(lambda p: len(p.requests) == i + 1)
        texts.append(f"m{i + 1}")
        last = ponte.send(message(texts[-1])).json["event_id"]
        ponte.hub.release(f"thinking {i}")
    ponte.hub.wait(lambda p: len(p.requests) == 5)
    ponte.hub.release("thinking 4")
    ponte.chatwoot.wait_messages(2)
    assert asked(ponte) == [texts[:1], texts[:2], texts[:3], texts[:4], texts[4:]]
    assert [d.value for d in done(ponte)] == ["You said: m0 / m1 / m2 / m3", "You said: m4"]
    keys = [r["headers"]["idempotency-key"] for r in ponte.hub.requests]
    assert len(set(keys)) == 5, "other messages under the same key"
    assert ends(settled(ponte, first)) == [("hub", "done")] and ends(settled(ponte, last, 2)) == [("hub", "done"), ("reply", "done")]
    ponte.check_store()


# ---- another machine --------------------------------------------------------------------

def test_two_bots_that_answer_each_other_stop(make):
    """After as many answers as the budget has; told to the agents and the operator, once."""
    ponte = make(settings="delivery: {allow_private: {allow}, reply_budget: 4}\n")
    ponte.tenant(manners=manners("give_up: {note: true, handoff: false}"))
    events = []

    def other(what, conversation, m):
        if what == "message" and not m["private"]:
            events.append(ponte.send(message("I am a bot, too", conversation=conversation["id"])).json["event_id"])
    ponte.chatwoot.on_change = other
    events.append(ponte.send(message("Hi")).json["event_id"])
    wait_for(lambda: len(events) == 5, why="they talk", show=ponte.log_tail)
    rows = settled(ponte, events[4], 2)
    assert ends(rows) == [("hub", "suppressed"), ("note", "done")] and "reply budget" in rows[0]["reason"]
    assert len(ponte.hub.requests) == 4 and len(events) == 5
    assert [d.what for d in done(ponte)] == ["message"] * 4 + ["note"] and "reply budget" in done(ponte)[-1].value
    # its next tries are silence
    for _ in range(3):
        assert ends(settled(ponte, ponte.send(message("Still there?")).json["event_id"])) == [("hub", "suppressed")]
    alarm = wait_for(lambda: alarms(ponte), why="an alarm", show=ponte.log_tail)
    assert [(a["event"], a["tenant"], a["conversation"]) for a in alarm] == [("reply-budget", "shop", 501)]
    # others are none of its business
    ponte.chatwoot.on_change = None
    settled(ponte, ponte.send(message("Hello", conversation=502)).json["event_id"], 2)
    assert len(ponte.posted(502)) == 1
    ponte.check_store()
