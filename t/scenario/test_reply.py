"""The reply: posted once, into the right conversation, and not over a human.
Row O6 and the statuses of Chatwoot's message endpoint."""

import time
from datetime import datetime

import pytest

from conftest import message, status_changed, wait_for
from test_hub import final


@pytest.mark.parametrize("name, step, state", [
    ("402 is final", {"status": 402}, "dead"), ("403 is final", {"status": 403}, "dead"), ("404 is final", {"status": 404}, "dead"),
    ("a redirect is final", {"status": 302}, "dead"),
    ("500 may have been stored", {"status": 500}, "unknown"), ("502 likewise", {"status": 502}, "unknown"),
    ("cut after sending", {"cut": "after"}, "unknown"), ("cut in the answer", {"cut": "middle"}, "unknown"),
    ("reset after sending", {"cut": "after", "reset": True}, "unknown"),
])
def test_what_each_status_means(ponte, name, step, state):
    ponte.chatwoot.script = [step]
    event = ponte.send(message()).json["event_id"]
    row = final(ponte, event, "reply")
    assert row["state"] == state and row["reason"], row
    time.sleep(0.5)
    assert len(ponte.chatwoot.requests) == 1, "posted again"
    assert len(ponte.hub.requests) == 1, "a failing Chatwoot makes the hub think twice"
    ponte.check_store()


def test_timed_out_after_sending_is_unknown(make):
    ponte = make(settings="chatwoot: {first_byte: 1s, total: 2s}\n")
    ponte.tenant()
    ponte.chatwoot.script = [{"hang": True}]
    event = ponte.send(message()).json["event_id"]
    assert final(ponte, event, "reply")["state"] == "unknown"


def test_not_connected_is_tried_again(ponte):
    ponte.chatwoot.stop()
    event = ponte.send(message()).json["event_id"]
    wait_for(lambda: [e for e in ponte.events("delivery") if e.get("kind") == "reply"], show=ponte.log_tail)
    ponte.chatwoot.restart()
    assert final(ponte, event, "reply", 30)["state"] == "done"
    assert len(ponte.posted()) == 1


def test_422_other_is_tried_three_times(ponte):
    ponte.chatwoot.script = [{"status": 422, "json": {"error": "Something broke"}, "times": 0}]
    event = ponte.send(message()).json["event_id"]
    row = final(ponte, event, "reply", 40)
    assert row["state"] == "dead" and len(ponte.chatwoot.requests) == 3, row


def test_422_is_counted_alone(ponte):
    ponte.chatwoot.stop()
    event = ponte.send(message()).json["event_id"]
    wait_for(lambda: len([e for e in ponte.events("delivery", verdict="retry") if e.get("kind") == "reply"]) >= 3, 20,
             show=ponte.log_tail)
    ponte.chatwoot.script = [{"status": 422, "json": {"error": "Something broke"}, "times": 2}]
    ponte.chatwoot.restart()
    assert final(ponte, event, "reply", 60)["state"] == "done" and len(ponte.chatwoot.requests) == 3


def test_422_too_many_messages_waits_a_minute(ponte):
    ponte.chatwoot.script = [{"status": 422, "json": {"error": "Too many messages"}}]
    event = ponte.send(message()).json["event_id"]
    ponte.chatwoot.wait_requests(1)

    def waits():
        row = [r for r in ponte.queue("--event", event) if r["kind"] == "reply"][0]
        return row if row["state"] == "pending" else None
    row = wait_for(waits)
    due = datetime.fromisoformat(row["due_at"].replace("Z", "+00:00")).timestamp() - time.time()
    assert 50 < due <= 61, row


def test_401_stops_the_tenants_posting_until_its_credentials_change(ponte):
    ponte.chatwoot.token = "TESTnewToken"
    events = [ponte.send(message(conversation=600 + i)).json["event_id"] for i in range(6)]
    wait_for(lambda: [e for e in ponte.events() if e.get("level") == "alarm"], show=ponte.log_tail)
    ponte.hub.wait_requests(6)
    time.sleep(0.7)
    assert len([e for e in ponte.events() if e.get("level") == "alarm"]) == 1
    tries = len(ponte.chatwoot.requests)
    assert tries <= 6
    time.sleep(1.5)
    assert len(ponte.chatwoot.requests) == tries, "it goes on knocking"
    ponte.tenant(token="TESTnewToken")
    for event in events:
        assert final(ponte, event, "reply")["state"] == "done"
    assert len(ponte.chatwoot.messages) == 6


def test_queue_retry_lifts_the_stop_too(ponte):
    ponte.chatwoot.token = "TESTnewToken"
    event = ponte.send(message()).json["event_id"]
    wait_for(lambda: [e for e in ponte.events() if e.get("level") == "alarm"])
    ponte.chatwoot.token = None
    reply = [r for r in ponte.queue("--event", event) if r["kind"] == "reply"][0]
    ponte.run("queue", "retry", reply["id"])
    assert final(ponte, event, "reply")["state"] == "done"


# ---- O6: the fence ------------------------------------------------------------

@pytest.mark.parametrize("name, body", [
    ("a human answers", message(type="outgoing", sender="user", text="Posso ajudar?")),
    ("a human is assigned", dict(status_changed("pending", assignee="user", event="conversation_updated"),
                                 changed_attributes=[{"assignee_id": {"previous_value": None, "current_value": 12}}])),
    ("the conversation is opened", status_changed("open")),
    ("it is resolved", status_changed("resolved")),
    ("it is snoozed", status_changed("snoozed")),
])
def test_o6_a_reply_that_was_overtaken_is_suppressed(ponte, name, body):
    ponte.hub.script = [{"hold": "thinking"}]
    event = ponte.send(message(updated=time.time() - 5)).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    if "updated_at" in body:
        body = dict(body, updated_at=time.time())
    else:
        body["conversation"]["updated_at"] = time.time()
    assert ponte.send(body).json["status"] == "noted"
    ponte.hub.release("thinking")
    row = final(ponte, event, "reply")
    assert row["state"] == "suppressed" and row["reason"], row
    assert not ponte.chatwoot.messages
    ponte.check_store()


def test_o6_the_customer_writes_again_meanwhile(ponte):
    """Each message ends with an answer or a recorded reason."""
    ponte.hub.script = [{"hold": "thinking"}]
    t = time.time() - 10
    first = ponte.send(message(text="one", updated=t)).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    second = ponte.send(message(text="two", updated=t + 1)).json["event_id"]
    ponte.send(message(type="outgoing", sender="user", text="human here", updated=t + 2))
    third = ponte.send(message(text="three", updated=t + 3))
    assert third.json["status"] == "ignored" and third.json["reason"]
    ponte.hub.release("thinking")
    for event in (first, second):
        assert final(ponte, event, "reply")["state"] == "suppressed"
    # handed back: the next message is answered again
    ponte.send(status_changed("pending", updated=t + 4))
    fourth = ponte.send(message(text="four", updated=t + 5)).json["event_id"]
    assert final(ponte, fourth, "reply")["state"] == "done"
    assert [c for _, c, _ in ponte.posted()] == ["You said: four"]


def test_an_old_message_is_not_answered_any_more(make):
    ponte = make(settings="delivery:\n  allow_private: {allow}\n  message_age: 1s\n")
    ponte.tenant()
    ponte.hub.script = [{"status": 503, "retry_after": 2}]
    event = ponte.send(message()).json["event_id"]
    row = final(ponte, event, seconds=20)
    assert row["state"] in ("expired", "dead") and row["reason"], row
