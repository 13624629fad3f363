"""To the hub and back: what it is asked, what each of its answers means.
Rows L7, L8, O3's batching; the courier over a hub that is slow, refuses, cuts, lies."""

import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from conftest import message, wait_for
from test_rules import FIELD_TOKEN, push, rules

DEFAULTS = "delivery:\n  allow_private: {allow}\n"


def final(ponte, event, kind="hub", seconds=20):
    """The delivery of that kind of the event, once it is final."""
    def look():
        rows = [r for r in ponte.queue("--event", event) if r["kind"] == kind]
        return rows[0] if rows and rows[0]["state"] not in ("pending", "claimed", "waiting") else None
    return wait_for(look, seconds, f"a final {kind} delivery of {event}", lambda: ponte.log_tail(30))


def test_the_request_is_what_the_guide_says(ponte):
    a = ponte.send(message(id=4711, text="Olá", conversation=501))
    event = a.json["event_id"]
    r = ponte.hub.wait_requests(1)[0]
    h, body = r["headers"], r["json"]
    assert r["method"] == "POST" and r["path"] == "/"
    assert h["content-type"].startswith("application/json") and h["idempotency-key"] == event
    assert h["authorization"] == "Bearer " + ponte.HUB_TOKEN and h["x-request-id"] == a.headers["X-Request-ID"]
    assert re.fullmatch("00-" + event.replace("-", "") + "-[0-9a-f]{16}-01", h["traceparent"])
    assert list(body) == ["event_id", "tenant", "domain", "crew", "account_id", "inbox_id", "conversation_id", "channel",
                          "contact", "messages", "message", "raw"]
    assert (body["event_id"], body["tenant"], body["domain"], body["crew"], body["account_id"], body["inbox_id"],
            body["conversation_id"], body["channel"]) == (event, "shop", "retail", None, 7, 31, 501, "web")
    assert body["contact"] == {"id": 2001, "name": "Ana", "email": None, "phone_number": "+12025550143", "identifier": None}
    assert body["messages"] == [{"id": 4711, "text": "Olá", "content_type": "text", "attachments": [],
                                 "created_at": "2026-01-02T10:00:00.412Z"}]
    old = body["message"]
    assert (old["id"], old["content"], old["sender_id"], old["sender_type"], old["conversation_id"], old["channel_type"]) == \
        (4711, "Olá", "2001", "customer", "501", "web")
    assert "pubsub_token" not in r["body"].decode() and body["raw"]["id"] == 4711

    posted = ponte.chatwoot.wait_requests(1)[0]
    assert posted["path"] == "/api/v1/accounts/7/conversations/501/messages"
    assert posted["headers"]["api_access_token"] == posted["headers"]["api-access-token"] == ponte.TOKEN
    assert posted["json"]["content"] == "You said: Olá" and posted["json"]["message_type"] == "outgoing"
    assert posted["json"]["content_attributes"] == {"ponte": event + ".1"} and posted["json"]["private"] is False
    assert final(ponte, event, "reply")["state"] == "done"
    ponte.check_store()


@pytest.mark.parametrize("name, step, hub, reply", [
    ("the original's first form", {"json": {"response": {"content": "a"}}}, "done", "a"),
    ("the original's second form", {"json": {"content": "b", "routing": {}}}, "done", "b"),
    ("nothing to say", {"status": 204}, "done", None),
    ("an empty 200", {"body": ""}, "done", None),
    ("no known key", {"json": {"ok": True}}, "done", None),
    ("messages", {"json": {"messages": [{"text": "x"}]}}, "done", "x"),
    ("another conversation's answer", {"json": {"content": "x", "conversation_id": 502}}, "dead", None),
    ("an error with 200", {"json": {"status": "error", "error": "no crew"}}, "dead", None),
    ("a 4xx", {"status": 400}, "dead", None),
    ("a redirect is not followed", {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}, "dead", None),
    ("content of another type", {"json": {"content": {"a": 1}}}, "dead", None),
])
def test_what_each_answer_means(ponte, name, step, hub, reply):
    ponte.hub.script = [step]
    event = ponte.send(message()).json["event_id"]
    row = final(ponte, event)
    assert row["state"] == hub, row
    if hub == "dead":
        assert row["reason"], row
    if reply:
        ponte.chatwoot.wait_messages(1)
        assert ponte.posted()[0][1] == reply
    assert len(ponte.queue("--event", event)) == (2 if reply else 1)
    ponte.check_store()


@pytest.mark.parametrize("step", [{"status": s} for s in (408, 425, 429, 500, 502, 503)] +
                         [{"cut": "after"}, {"cut": "before"}, {"cut": "middle"}])
def test_trouble_is_tried_again_with_the_same_key(ponte, step):
    ponte.hub.script = [step]
    event = ponte.send(message()).json["event_id"]
    first, second = ponte.hub.wait_requests(2, 20)[:2]
    if first["body"]:
        assert first["body"] == second["body"]
    assert second["headers"]["idempotency-key"] == event
    assert final(ponte, event)["state"] == "done"
    ponte.chatwoot.wait_messages(1)
    assert len(ponte.posted()) == 1


def test_three_answers_that_are_not_json_are_enough(ponte):
    ponte.hub.script = [{"body": "<html>", "times": 0}]
    event = ponte.send(message()).json["event_id"]
    row = final(ponte, event, seconds=30)
    assert row["state"] == "dead" and len(ponte.hub.requests) == 3, row


def test_trouble_before_it_does_not_make_one_such_answer_final(ponte):
    ponte.hub.script = [{"status": 500}, {"status": 500}, {"status": 503}, {"body": "<html>"}, {"body": "<html>"}]
    event = ponte.send(message()).json["event_id"]
    assert final(ponte, event, seconds=60)["state"] == "done" and len(ponte.hub.requests) == 6


def test_a_refused_token_waits_and_alarms_once(ponte):
    ponte.hub.script = [{"status": 401, "times": 0}]
    events = [ponte.send(message(conversation=600 + i)).json["event_id"] for i in range(5)]
    wait_for(lambda: [e for e in ponte.events() if e.get("level") == "alarm"], show=ponte.log_tail)
    time.sleep(1)
    assert len([e for e in ponte.events() if e.get("level") == "alarm"]) == 1
    assert all(r["state"] in ("pending", "claimed") for r in ponte.queue()), ponte.queue()
    ponte.hub.clear()
    ponte.tenant()              # its credentials change: on it goes, at once
    for event in events:
        assert final(ponte, event)["state"] == "done"


def test_messages_that_wait_travel_together_in_order(ponte):
    ponte.hub.script = [{"hold": "first"}]
    ids = [ponte.send(message(id=i)).json["event_id"] for i in (10, 11)]
    ponte.hub.wait(lambda p: len(p.requests) == 1)
    waiting = [ponte.send(message(id=i)).json["event_id"] for i in (14, 13, 12)]
    ponte.hub.release("first")
    rs = ponte.hub.wait_requests(2)
    first, second = ([m["id"] for m in r["json"]["messages"]] for r in rs[:2])
    assert first[0] == 10 and second[-3:] == [12, 13, 14] and first + second == [10, 11, 12, 13, 14]
    assert rs[1]["headers"]["idempotency-key"] == rs[1]["json"]["event_id"]
    assert rs[1]["json"]["message"]["id"] == 14 and rs[1]["json"]["event_id"] == waiting[0]
    for event in waiting[1:]:
        wait_for(lambda: ponte.events("batched", event_id=event, into=waiting[0]), why="the log says where it went")
    late = ponte.send(message(id=9)).json["event_id"]
    third = ponte.hub.wait_requests(3)[2]
    assert third["json"]["messages"][0]["late"] is True and third["json"]["event_id"] == late
    assert final(ponte, ids[0])["state"] == "done"


def test_one_stuck_conversation_delays_no_other(ponte):
    ponte.hub.script = [{"contains": "stuck", "hold": "stuck"}]
    ponte.send(message(text="stuck", conversation=1))
    ponte.hub.wait(lambda p: p.requests)
    for i in range(20):
        ponte.send(message(conversation=100 + i))
    ponte.chatwoot.wait_messages(20)
    ponte.hub.release("stuck")
    ponte.chatwoot.wait_messages(21)


def test_l7_a_slow_hub_is_bounded_and_others_go_on(make):
    """Answers a moment before the time is over; one byte a second; never closes."""
    settings = "hub: {first_byte: 2s, total: 3s}\n" + DEFAULTS + "  concurrency: 4\n"
    ponte = make(settings=settings)
    from peer import Peer
    slow = Peer("hub").start()
    ponte.allow.append(f"127.0.0.1:{slow.port}")
    ponte.write_settings(settings)
    ponte.process.send_signal(signal.SIGHUP)
    ponte.tenant()
    ponte.tenant("slow", account=8, hub=slow.url, installation="slow")
    slow.script = [{"delay": 1.5, "times": 2}, {"drip": 1.0, "times": 2}, {"endless": True, "times": 2}, {"hang": True, "times": 0}]
    try:
        for i in range(12):
            ponte.send(message(account=8, conversation=800 + i), tenant="slow")
        slow.wait(lambda p: len(p.requests) >= 4)
        assert slow.most_in_flight <= 4
        t = time.monotonic()
        for i in range(10):
            ponte.send(message(conversation=900 + i))
        ponte.chatwoot.wait(lambda p: sum(m["account_id"] == 7 for m in p.messages) == 10)
        assert time.monotonic() - t < 10
        wait_for(lambda: [e for e in ponte.events("delivery") if "timeout" in str(e)], 20, show=ponte.log_tail)
    finally:
        slow.stop()


def test_reloads_wait_for_no_hub_that_thinks(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    ponte.hub.script = [{"contains": "slow", "hold": "slow", "times": 3}]
    slow = []
    for i in range(3):
        slow.append(ponte.send(message("slow", conversation=600 + i)).json["event_id"])
        ponte.hub.wait(lambda p: len(p.requests) == 2 * i + 1)
        ponte.allow.append(f"192.0.2.{i + 1}:80")
        ponte.write_settings("workers: {hooks: 2, api: 1}\n")
        ponte.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(ponte.events("reloaded", role="courier")) == i + 1, show=ponte.log_tail)
        assert final(ponte, ponte.send(message(conversation=700 + i)).json["event_id"], seconds=5)["state"] == "done"
    ponte.hub.release("slow")
    for event in slow:
        assert final(ponte, event)["state"] == "done" and final(ponte, event, "reply")["state"] == "done"
    assert len(ponte.hub.requests) == 6, "one was asked about twice"


def test_l8_a_flapping_hub(make):
    """Half 5xx, resets, 429 with Retry-After in seconds, as a date, absurd: honoured, capped, nothing discarded."""
    ponte = make(settings=DEFAULTS + "  breaker_failures: 1000\n  retry_after_cap: 3s\n")
    ponte.tenant()
    for name, step, least in (("seconds", {"status": 429, "retry_after": 2}, 1.9), ("a date", {"status": 503}, 1.0),
                              ("absurd", {"status": 429, "retry_after": 99999999999}, 2.9), ("garbage", {"status": 503, "retry_after": "soon"}, 0)):
        ponte.hub.reset()
        if name == "a date":
            step["retry_after"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3))
        ponte.hub.script = [step]
        event = ponte.send(message(conversation=501)).json["event_id"]
        a, b = ponte.hub.wait_requests(2, 20)[:2]
        waited = b["mono"] - a["mono"]
        assert least <= waited < 8, (name, waited)
        assert final(ponte, event)["state"] == "done"
    ponte.hub.reset()
    ponte.hub.script = [{"status": 500}, {"cut": "after", "reset": True}, {}] * 10
    events = [ponte.send(message(conversation=700 + i)).json["event_id"] for i in range(15)]
    for event in events:
        assert final(ponte, event, seconds=40)["state"] == "done"
    # each failure costs one attempt more: 20 failures for 15 messages
    assert len(ponte.hub.requests) <= 1.2 * 35, len(ponte.hub.requests)
    ponte.check_store()


def test_l8_the_breaker_delays_and_never_discards(make):
    ponte = make(settings=DEFAULTS + "  breaker_failures: 3\n  breaker_wait: 1s\n")
    ponte.tenant()
    ponte.hub.script = [{"status": 500, "times": 0}]
    events = [ponte.send(message(conversation=700 + i)).json["event_id"] for i in range(30)]
    wait_for(lambda: [e for e in ponte.events() if "breaker" in e.get("event", "")], show=ponte.log_tail)
    time.sleep(1)
    seen = len(ponte.hub.requests)
    assert seen < 30, f"{seen} requests at a hub that fails"
    ponte.hub.clear()
    for event in events:
        assert final(ponte, event, seconds=40)["state"] == "done"
    ponte.check_store()


def test_l8_a_hub_that_can_do_two_at_a_time_is_asked_that_much(make):
    """It refuses whoever comes over that: the courier finds out how many may come, and again when it can do more."""
    ponte = make(settings=DEFAULTS + "  breaker_failures: 1000\n")
    ponte.tenant()
    ponte.hub.script = [{"contains": "wrong", "status": 400, "times": 0}]
    assert "each may have 8 requests" in ponte.run("queue", "destinations").stdout
    for event in [ponte.send(message("wrong", conversation=500 + i)).json["event_id"] for i in range(12)]:
        assert final(ponte, event)["state"] == "dead"
    assert not ponte.events("concurrency-down"), "what the hub says about one message is no trouble of the hub"

    ponte.hub.reset()
    ponte.hub.script = [{"status": 429, "retry_after": 2}, {"over": 2, "status": 503, "times": 0}, {"delay": 0.1, "times": 0}]
    for i in range(60):
        ponte.send(message(conversation=600 + i))
    down = wait_for(lambda: ponte.events("concurrency-down"), show=ponte.log_tail)
    shown = [json.loads(line) for line in ponte.run("queue", "destinations", "--json").stdout.splitlines()]
    hub = [d for d in shown if (d["tenant"], d["dest"]) == ("shop", "hub")][0]
    assert hub["window"] <= 4 and hub["limit"] == 8 and hub["in_flight"] <= 4, hub
    ponte.chatwoot.wait_messages(60, 40)
    down = ponte.events("concurrency-down")
    assert len(down) == 1 and down[0]["tenant"] == "shop" and down[0]["dest"] == "hub" and down[0]["window"] <= 4
    refused = sum(r["status"] == 503 for r in ponte.hub.requests)
    assert refused <= 60, f"{refused} requests were too many for it"

    ponte.hub.reset()
    ponte.hub.script = [{"delay": 0.1, "times": 0}]
    for i in range(60):
        ponte.send(message(conversation=700 + i))
    ponte.chatwoot.wait_messages(120, 40)
    up = wait_for(lambda: ponte.events("concurrency-restored"), show=ponte.log_tail)
    assert len(up) == 1 and up[0]["window"] == up[0]["limit"] == 8 and ponte.hub.most_in_flight > 4
    ponte.check_store()


def test_a_huge_answer_is_refused_with_bounded_memory(make):
    ponte = make(settings=DEFAULTS + "hub: {answer_max: 64KiB}\n")
    ponte.tenant()
    ponte.hub.script = [{"huge": 50_000_000, "times": 0}]
    event = ponte.send(message()).json["event_id"]
    row = final(ponte, event, seconds=30)
    assert row["state"] == "dead" and "large" in row["reason"], row


def test_send_shows_each_hop(ponte):
    r = ponte.run("send", "--conversation", 501, "--json")
    hops = [json.loads(line) for line in r.stdout.splitlines()]
    assert [h["hop"] for h in hops] == ["door", "hub", "reply"] and [h["state"] for h in hops] == ["accepted", "done", "done"]
    assert len(ponte.posted()) == 1


GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/hub.md"
HUBS = [text for text in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.S) if "BaseHTTPRequestHandler" in text]


@pytest.mark.parametrize("number", range(2))
def test_the_guides_own_hubs_live_with_all_that_comes_to_their_url(make, tmp_path, number):
    """Literally, but for the port: one sync of rules, one task, one question."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    assert len(HUBS) == 2 and HUBS[number].count("9001") == 1
    (tmp_path / "hub.py").write_text(HUBS[number].replace("9001", str(port)))
    hub = subprocess.Popen([sys.executable, tmp_path / "hub.py"], stderr=subprocess.PIPE, text=True)
    try:
        ponte = make(allow=[f"127.0.0.1:{port}"])
        ponte.tenant("account_7", hub=f"http://127.0.0.1:{port}")
        (ponte.dir / "field.token").write_text(FIELD_TOKEN)
        (ponte.dir / "field.token").chmod(0o600)
        ponte.run("token", "new", "addon", "--tenant", "account_7", "--scope", "sync,read", "--token-file", ponte.dir / "field.token")
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, why="the hub listens")
        assert push(ponte, rules()).status == 200
        told = wait_for(lambda: [d for d in ponte.queue() if d["kind"] == "knowledge" and d["state"] != "claimed"], show=ponte.log_tail)
        assert told[0]["state"] == "done", (told, ponte.log_tail(5))
        r = ponte.run("tenant", "ask", "account_7", "--hub", json.dumps({"task": "unheard_of", "tenant": "account_7", "product": {}}), check=False)
        assert r.returncode == 1 and "404" in r.stderr, r
        ponte.send(message(text="Olá"), tenant="account_7")
        assert ponte.chatwoot.wait_requests(1)[0]["json"]["content"] == "You wrote: Olá"
    finally:
        hub.terminate()
        said = hub.communicate()[1]
    assert "Traceback" not in said, said
