"""Peers that answer nonsense: it is refused with a reason, counted, and nothing of it is
half done; the next good answer is taken as if nothing had been."""

import json

import pytest

from conftest import message
from talk import asked, counts, done, ends, looks, manners, settled, waits
from test_hub import final
from test_later import LATER, reply, token
from tools import alarms, detailed


def deep(n):
    return "[" * n + "]" * n


GOOD = [{"text": "good"}]
HUB = {
    "a list": ({"json": [1, 2]}, "no JSON object"),
    "a text": ({"json": "hello"}, "no JSON object"),
    "a number": ({"body": "42"}, "no JSON object"),
    "ten megabytes": ({"huge": 10 << 20}, "answer"),
    "five hundred messages": ({"json": {"messages": [{"text": f"m{i}"} for i in range(500)]}}, "more than 20 messages"),
    "messages that are none": ({"json": {"messages": {"text": "x"}}}, "no array"),
    "a bad one among good ones": ({"json": {"messages": GOOD + [{"text": 7}]}}, "no text"),
    "one without a text": ({"json": {"messages": GOOD + [{"private": True}]}}, "no text"),
    "a kind that cannot be posted": ({"json": {"messages": GOOD + [{"text": "x", "content_type": "input_csat"}]}}, "content_type"),
    "attributes that are none": ({"json": {"messages": GOOD + [{"text": "x", "content_attributes": [1]}]}}, "content_attributes"),
    "a pause that is none": ({"json": {"messages": GOOD + [{"text": "x", "delay": -1}]}}, "delay"),
    "a private that is none": ({"json": {"messages": GOOD + [{"text": "x", "private": "yes"}]}}, "private"),
    "a handoff that is none": ({"json": {"messages": GOOD, "handoff": "yes"}}, "handoff"),
    "a note that is none": ({"json": {"messages": GOOD, "note": ["x"]}}, "note"),
    "labels that are none": ({"json": {"messages": GOOD, "labels": ["ok", 7]}}, "label"),
    "too many labels": ({"json": {"messages": GOOD, "labels": [f"l{i}" for i in range(21)]}}, "labels"),
    "a handoff of another conversation": ({"json": {"handoff": True, "conversation_id": 502}}, "another conversation"),
    "a reply for another account": ({"json": {"messages": GOOD, "account_id": 8}}, "another account"),
    "a reply for another tenant": ({"json": {"messages": GOOD, "tenant": "other"}}, "another tenant"),
    "a reply to another event": ({"json": {"messages": GOOD, "event_id": "01a2169e-0000-7000-8000-000000000000"}}, "another event"),
}


def test_a_hub_that_answers_nonsense(ponte):
    """Each of them in one conversation: dead with the reason, nothing posted, the lane goes on."""
    ponte.chatwoot.conversation(502)
    for i, (name, (step, why)) in enumerate(HUB.items()):
        ponte.hub.script = [step]
        rows = settled(ponte, ponte.send(message(name)).json["event_id"])
        assert ends(rows) == [("hub", "dead")] and why in rows[0]["reason"], (name, rows)
        assert counts(ponte, "hub", "dead") == i + 1
    assert not ponte.chatwoot.requests and len(ponte.hub.requests) == len(HUB), "asked again"
    assert ends(settled(ponte, ponte.send(message("and now?")).json["event_id"], 2)) == [("hub", "done"), ("reply", "done")]
    assert ponte.chatwoot.conversation(502)["status"] == "pending" and [d.value for d in done(ponte)] == ["You said: and now?"]
    assert not alarms(ponte)
    ponte.check_store()


DOUBTFUL = {"deep": deep(100), "endlessly deep": "[" * 100000, "twice the same key": '{"content":"a","content":"b"}',
            "half a character": '{"content":"\\ud800"}', "no number": '{"content":NaN}'}


def test_what_two_parsers_could_read_differently_is_no_answer(ponte):
    """As what is no JSON: tried again, and good the second time."""
    ponte.hub.script = [{"contains": name, "body": body} for name, body in DOUBTFUL.items()]
    events = {name: ponte.send(message(name, conversation=600 + i)).json["event_id"] for i, name in enumerate(DOUBTFUL)}
    for i, (name, event) in enumerate(events.items()):
        assert ends(settled(ponte, event, 2)) == [("hub", "done"), ("reply", "done")], name
        assert asked(ponte, 600 + i) == [[name]] * 2 and "not JSON" in ponte.run("trace", event).stdout
    assert len(ponte.posted()) == len(events)


def test_late_answers_that_are_nonsense(make):
    """Each is refused with its code; the event waits on, and the right answer is taken."""
    ponte = make()
    ponte.tenant()
    ponte.tenant("other", 8, installation="other", inboxes="[]")
    bearer, others = token(ponte), token(ponte, "hub", "other")
    ponte.hub.script = [LATER]
    event = ponte.send(message()).json["event_id"]
    waits(ponte, event)
    said = {"event_id": event}
    detailed(reply(ponte, bearer, b'{"event_id":'), 400, "BAD_JSON")
    detailed(reply(ponte, bearer, b"[]"), 422, "BAD_SCHEMA")
    detailed(reply(ponte, bearer, {"content": "hi"}), 422, "BAD_SCHEMA")
    detailed(reply(ponte, bearer, json.dumps(said)[:-1].encode() + b',"content":"a","content":"b"}'), 422, "BAD_SCHEMA")
    for name, (step, why) in HUB.items():
        if isinstance(step.get("json"), dict) and "event_id" not in step["json"]:
            a = reply(ponte, bearer, dict(step["json"], **said))
            detailed(a, 422, "BAD_SCHEMA")
            assert why in a.json["detail"], (name, a)
    assert reply(ponte, bearer, dict(said, content="x" * (1 << 20))).status == 413
    detailed(reply(ponte, others, dict(said, content="ours now")), 404, "UNKNOWN_EVENT")
    detailed(reply(ponte, others, dict(said, tenant="shop", content="ours now")), 404, "UNKNOWN_EVENT")
    assert [r["state"] for r in ponte.queue("--event", event)] == ["waiting"] and not ponte.chatwoot.requests
    assert reply(ponte, bearer, dict(said, tenant="shop", account_id=7, conversation_id=501, content="right")).json["status"] == "accepted"
    assert ends(settled(ponte, event, 2)) == [("hub", "done"), ("reply", "done")]
    assert [d.value for d in done(ponte)] == ["right"]
    ponte.check_store()


# ---- Chatwoot ------------------------------------------------------------------------------

def unsure(make, extra=""):
    ponte = make(settings="chatwoot: {lookup_wait: 100ms, echo_wait: 100ms}\n")
    ponte.tenant(manners=manners(extra), user_token=ponte.USER_TOKEN)
    return ponte


def doubt(ponte, lists, conversation=501):
    """A reply of which nobody knows whether it was posted, and what Chatwoot then lists."""
    ponte.chatwoot.script = [{"method": "POST", "path": "messages", "cut": "after"},
                             dict(lists, method="GET", path="messages", times=0)]
    event = ponte.send(message(conversation=conversation)).json["event_id"]
    return event, final(ponte, event, "reply")


def listed(**change):
    return dict({"id": 700001, "content": "You said: x", "message_type": 1, "conversation_id": 501, "content_attributes": {},
                 "created_at": 1767348000, "private": False}, **change)


@pytest.mark.parametrize("change", [{"conversation_id": 502}, {"account_id": 8}], ids=["another conversation", "another account"])
@pytest.mark.parametrize("on_unknown", ["hold", "repeat"])
def test_a_chatwoot_that_lists_what_is_not_asked_for(make, change, on_unknown):
    """It is no proof that the reply is there, nor that it is not."""
    ponte = unsure(make, f"on_unknown: {on_unknown}")
    event, row = doubt(ponte, {"json": {"payload": [listed(), listed(id=700002, **change)]}})
    assert looks(ponte)[0].startswith("501/messages?after=")
    alarm = alarms(ponte)
    assert len(alarm) == 1 and "another conversation or account" in alarm[0]["reason"], alarm
    assert "another conversation or account" in ponte.run("trace", event).stdout
    if on_unknown == "hold":
        assert row["state"] == "unknown" and len(ponte.posted()) == 1 and counts(ponte, "reply", "unknown") == 1
    else:
        assert row["state"] == "done" and len(ponte.posted()) == 2, "the tenant would rather have it twice"
    assert len(ponte.hub.requests) == 1
    ponte.check_store()


def test_a_chatwoot_that_lists_nonsense(make):
    ponte = unsure(make)
    for i, lists in enumerate(({"body": "<html>"}, {"json": {"payload": {}}}, {"json": {"payload": [{"id": "x"}]}}, {"huge": 2 << 20},
                               {"status": 404}, {"status": 401})):
        row = doubt(ponte, lists, 600 + i)[1]
        assert row["state"] == "unknown" and len(ponte.posted()) == i + 1, (lists, row)
    assert not alarms(ponte)
    ponte.check_store()


def test_a_chatwoot_that_shows_another_conversation(make):
    """What it says of that one does not count here, nor what cannot be read."""
    ponte = make()
    ponte.tenant(manners=manners("look_first: true"))
    for i, shown in enumerate(({"id": 999}, {"account_id": 8}, {"status": 7}, {"meta": []}, {"blob": "x" * (2 << 20)})):
        wrong = dict(ponte.chatwoot.conversation(600 + i), status="resolved", updated_at=4000000000)
        ponte.chatwoot.script = [{"method": "GET", "json": dict(wrong, **shown)}]
        assert ends(settled(ponte, ponte.send(message(conversation=600 + i)).json["event_id"], 2)) == [("hub", "done"), ("reply", "done")], i
        assert ponte.send(message("more", conversation=600 + i)).json["status"] == "accepted", i
        ponte.chatwoot.wait_messages(2 * i + 2)
    assert [d.value for d in done(ponte)][1::2] == ["You said: more"] * 5


def test_labels_that_cannot_be_read_are_not_overwritten(ponte):
    ponte.hub.script = [{"json": {"content": "hi", "labels": ["vip"], "handoff": True}, "times": 0}]
    for i, labels in enumerate(({"body": "<html>"}, {"json": {"payload": "vip"}}, {"json": {"payload": [7]}},
                                {"json": {"payload": [f"l{i}" for i in range(100)]}}, {"huge": 2 << 20})):
        ponte.chatwoot.script = [dict(labels, method="GET", path="labels")]
        rows = settled(ponte, ponte.send(message(conversation=600 + i)).json["event_id"], 4)
        assert ends(rows)[1:] == [("reply", "done"), ("labels", "dead"), ("handoff", "done")], i
    assert "labels" not in [d.what for d in done(ponte)]
    ponte.check_store()
