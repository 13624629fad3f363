"""The door: what is accepted, what is refused and with which words.
Rows O1, O2, H1, H2, H6 over real nginx, and decisions 7, 9, 10, 15."""

import json
import os
import pathlib
import sqlite3
import threading
import time

import pytest

from conftest import dump, message, sign, status_changed, wait_for

FIXTURES = pathlib.Path(os.environ.get("PONTE_FIXTURES", "/nonexistent")) / "chatwoot"


def refused(answer, status, code):
    assert answer.status == status, answer
    assert answer.json["status"] == "refused" and answer.json["code"] == code, answer
    assert answer.json["reason"] and answer.json["request_id"], answer
    assert answer.headers["X-Request-ID"] == answer.json["request_id"]


def test_a_signed_message_is_accepted_and_named(ponte):
    a = ponte.send(message())
    assert a.status == 200 and a.json["status"] == "accepted", a
    assert len(a.json["event_id"]) == 36 and a.json["event_id"][14] == "7"
    assert len(a.headers["X-Request-ID"]) == 32 and float(a.headers["X-Process-Time"]) >= 0
    assert set(a.json) == {"status", "event_id", "reason", "request_id"}


def test_o1_the_same_event_five_times_at_once_is_one(ponte):
    body = message()
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(ponte.send(body))) for _ in range(5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [a.status for a in answers] == [200] * 5, answers
    assert sorted(a.json["status"] for a in answers) == ["accepted"] + ["duplicate"] * 4
    assert len({a.json["event_id"] for a in answers}) == 1
    wait_for(lambda: ponte.posted(), why="the one reply", show=ponte.log_tail)
    assert len(ponte.hub.requests) == 1
    ponte.check_store()


def test_o2_the_later_state_wins_whatever_comes_first(ponte):
    t = time.time()
    assert ponte.send(status_changed("resolved", updated=t + 10)).json["status"] == "noted"
    late = ponte.send(status_changed("pending", updated=t))
    assert late.json == dict(late.json, status="ignored", event_id=None), late
    # a message from before the closing is not answered any more
    assert ponte.send(message(updated=t + 5)).json["status"] == "ignored"
    # a new one after it opens a new session
    assert ponte.send(message(updated=t + 20)).json["status"] == "accepted"


@pytest.mark.parametrize("path", ["/", "/webhook", "/webhook/", "/webhook/webhook"])
def test_the_shared_paths_find_tenant_and_sender_by_the_secret(ponte, path):
    assert ponte.send(message(), path=path).json["status"] == "accepted"
    refused(ponte.send(message(), path=path, secret="another"), 401, "BAD_SIGNATURE")
    refused(ponte.send(message(account=99), path=path), 404, "UNKNOWN_TENANT")


def test_two_tenants_with_one_account_number_are_told_apart_by_the_secret(ponte):
    other = {"bot": "TESTotherShopsBotSecret"}
    ponte.tenant("other", account=7, secrets=other, installation="second", chatwoot="https://second.example.com")
    assert ponte.send(message(id=1), path="/webhook").json["status"] == "accepted"
    assert ponte.send(message(id=1), path="/webhook", secret=other["bot"]).json["status"] == "accepted"
    rows = ponte.queue()
    assert sorted({r["tenant"] for r in rows}) == ["other", "shop"]
    refused(ponte.send(message(), tenant="shop", secret=other["bot"]), 401, "BAD_SIGNATURE")
    refused(ponte.ask("POST", "/webhook", dump(message())), 404, "UNKNOWN_TENANT")


def test_an_account_belongs_to_one_tenant(ponte):
    with pytest.raises(AssertionError, match="shop"):
        ponte.tenant("thief", account=7)


@pytest.mark.parametrize("method, path, status, allow", [
    ("GET", "/webhook", 405, "POST"), ("PUT", "/webhook/chatwoot/shop/bot", 405, "POST"),
    ("DELETE", "/webhook/", 405, "GET, HEAD, POST"),
])
def test_another_method_is_405_and_says_which_would_do(ponte, method, path, status, allow):
    a = ponte.ask(method, path)
    refused(a, 405, "BAD_METHOD")
    assert sorted(a.headers["Allow"].split(", ")) == sorted(allow.split(", "))


def test_unknown_paths_and_senders(ponte):
    a = ponte.ask("GET", "/nothing/here")
    assert a.status == 404 and a.json["code"] == "NOT_FOUND_ERROR" and a.json["detail"], a
    refused(ponte.send(message(), tenant="nobody"), 404, "UNKNOWN_TENANT")
    refused(ponte.send(message(), path="/webhook/chatwoot/shop/else"), 404, "NOT_FOUND_ERROR")
    refused(ponte.send(message(), kind="account"), 401, "BAD_SIGNATURE")


def test_h1_bodies_that_are_not_what_they_say(ponte):
    raw = dump(message())
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        refused(ponte.send(raw, headers={"Content-Type": kind}), 415, "BAD_TYPE")
    refused(ponte.send(raw, headers={"Content-Encoding": "gzip"}), 415, "BAD_TYPE")
    assert ponte.send(message(), headers={"Content-Type": "Application/JSON; charset=utf-8"}).status == 200
    refused(ponte.send(raw + b"x"), 400, "BAD_JSON")
    refused(ponte.send(raw[:-1]), 400, "BAD_JSON")
    refused(ponte.send(b""), 400, "BAD_JSON")
    refused(ponte.send(b"\xef\xbb\xbf" + raw), 400, "BAD_JSON")

    c = ponte.connect()         # chunked: nginx gives the workers a whole body
    whole = dump(message())
    c.request("POST", "/webhook/chatwoot/shop/bot", iter([whole[:100], whole[100:]]),
              dict(sign(ponte.SECRET["bot"], whole), **{"Content-Type": "application/json"}), encode_chunked=True)
    assert c.getresponse().status == 200

    big = message(text="x" * (16 * 1024 * 1024))
    refused(ponte.send(big), 413, "TOO_LARGE")
    almost = message(text="x", filler="y" * (16 * 1024 * 1024 - 4000))
    a = ponte.send(almost)
    assert a.status == 200 and a.json["status"] == "accepted", a


H2 = [
    ("depth 100k", b'{"event":' + b"[" * 100000 + b"]" * 100000 + b"}", 422, "BAD_SCHEMA"),
    ("a million keys", b"{" + b",".join(b'"k%d":1' % i for i in range(300000)) + b"}", 422, "BAD_SCHEMA"),
    ("duplicate keys", b'{"event":"message_created","event":"x"}', 422, "BAD_SCHEMA"),
    ("duplicate after unescaping", b'{"event":"x","\\u0065vent":"x"}', 422, "BAD_SCHEMA"),
    ("huge exponent is no id", dump(message()).replace(b'"id":501', b'"id":501e999999', 1), 422, "BAD_SCHEMA"),
    ("NUL in a key", b'{"event":"x","a\\u0000b":1}', 422, "BAD_SCHEMA"),
    ("lone surrogate", b'{"event":"\\ud800"}', 400, "BAD_JSON"),
    ("invalid UTF-8", b'{"event":"\xff"}', 400, "BAD_JSON"),
    ("raw control character", b'{"event":"a\nb"}', 400, "BAD_JSON"),
    ("NaN", b'{"event":"x","a":NaN}', 400, "BAD_JSON"),
    ("an array", b"[1]", 422, "BAD_SCHEMA"),
    ("no event", b"{}", 422, "BAD_SCHEMA"),
    ("empty event", b'{"event":""}', 422, "BAD_SCHEMA"),
    ("a wrapped message", json.dumps({"event": "message_created", "account": {"id": 7}, "conversation": {"id": 1, "status": "open"},
                                      "message": {"id": 1, "content": "x"}}).encode(), 422, "BAD_SCHEMA"),
]


@pytest.mark.parametrize("name, body, status, code", H2, ids=[row[0] for row in H2])
def test_h2_json_that_two_parsers_could_read_differently(ponte, name, body, status, code):
    refused(ponte.send(body), status, code)


def test_the_original_bytes_are_kept(ponte):
    body = dump(message(text="<b>&\u2028</b>")).replace(b"<", b"\\u003c")
    event = ponte.send(body).json["event_id"]
    db = sqlite3.connect(f"file:{ponte.dir}/state/ponte.db?mode=ro", uri=True)
    assert [row[0] for row in db.execute("SELECT body FROM event")] == [body] and event


def test_an_account_of_somebody_else_is_403(ponte):
    refused(ponte.send(message(account=8)), 403, "WRONG_ACCOUNT")


def test_h6_signatures_and_the_window(ponte):
    now = int(time.time())
    body = message()
    assert ponte.send(message(), timestamp=now - 290).status == 200
    assert ponte.send(message(), timestamp=now + 290).status == 200
    for stamp in (now - 310, now + 310, 0, -1):
        refused(ponte.send(body, timestamp=stamp), 401, "BAD_SIGNATURE")
    raw = dump(body)
    good = sign(ponte.SECRET["bot"], raw)
    for change in ({"X-Chatwoot-Signature": ""}, {"X-Chatwoot-Signature": good["X-Chatwoot-Signature"].upper()},
                   {"X-Chatwoot-Signature": good["X-Chatwoot-Signature"][7:]},
                   {"X-Chatwoot-Timestamp": " " + good["X-Chatwoot-Timestamp"] + ".0"},
                   {"X-Chatwoot-Timestamp": ""}):
        refused(ponte.ask("POST", "/webhook/chatwoot/shop/bot", raw, dict(good, **change)), 401, "BAD_SIGNATURE")
    refused(ponte.ask("POST", "/webhook/chatwoot/shop/bot", raw), 401, "BAD_SIGNATURE")
    assert ponte.send(body).status == 200       # and it still stands


def test_h6_no_refusal_while_a_secret_is_rotated_under_load(ponte):
    """Chatwoot signs with the old secret, then with the new one; both are good in the overlap."""
    d = ponte.dir / "import"
    (d / "next.secret").write_text("TESTnextSecret999\n")
    stop, bad, good = threading.Event(), [], [0]
    use = ["TESTbotSecretAbc123"]

    def load():
        while not stop.is_set():
            a = ponte.send(message(), secret=use[0])
            if a.status == 200:
                good[0] += 1
            else:
                bad.append(a)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for t in threads:
        t.start()
    wait_for(lambda: good[0] > 20)
    ponte.tenant(sender_extra=", next_secret_file: next.secret")
    use[0] = "TESTnextSecret999"
    seen = good[0]
    wait_for(lambda: good[0] > seen + 20)
    stop.set()
    for t in threads:
        t.join()
    assert not bad, bad[:3]
    ponte.tenant(secrets={"bot": "TESTnextSecret999"})       # the overlap is over, at once
    refused(ponte.send(message()), 401, "BAD_SIGNATURE")
    assert ponte.send(message(), secret="TESTnextSecret999").status == 200


def test_unsigned_only_where_the_sender_says_so(ponte):
    d = ponte.dir / "import"
    (d / "path.secret").write_text("CANARYpathSecret77\n")
    (d / "basic.secret").write_text("chat:CANARYbasicSecret88\n")
    raw = dump(message())
    bare = "/webhook/chatwoot/shop/bot"
    ponte.tenant(sender_extra=", unsigned: {path_secret_file: path.secret}")
    refused(ponte.ask("POST", bare, raw), 401, "BAD_SIGNATURE")
    refused(ponte.ask("POST", bare + "/wrong", raw), 401, "BAD_SIGNATURE")
    assert ponte.ask("POST", bare + "/CANARYpathSecret77", raw).json["status"] == "accepted"
    # signed as well: then the signature must hold
    refused(ponte.send(raw, path=bare + "/CANARYpathSecret77", secret="wrong"), 401, "BAD_SIGNATURE")

    import base64
    ponte.tenant(sender_extra=", unsigned: {basic_file: basic.secret}")
    raw = dump(message())
    ok = {"Authorization": "Basic " + base64.b64encode(b"chat:CANARYbasicSecret88").decode()}
    no = {"Authorization": "Basic " + base64.b64encode(b"chat:else").decode()}
    refused(ponte.ask("POST", bare, raw, no), 401, "BAD_SIGNATURE")
    assert ponte.ask("POST", bare, raw, ok).json["status"] == "accepted"

    ponte.tenant(sender_extra=', unsigned: {addresses: ["192.0.2.0/24"]}')
    refused(ponte.ask("POST", bare, dump(message()), {"X-Forwarded-For": "192.0.2.7"}), 401, "BAD_SIGNATURE")
    ponte.tenant(sender_extra=', unsigned: {addresses: ["127.0.0.0/8"]}')
    assert ponte.ask("POST", bare, dump(message())).json["status"] == "accepted"
    assert "CANARY" not in ponte.log_tail(10000)


def test_a_sync_that_says_nothing_is_never_2xx(ponte):
    for body in ({"source": "credentials", "event": "credentials_sync", "account_id": "account_1"}, {"event": "credentials_sync"},
                 {"source": "channel_mapping", "event": "mapping_sync"}, {"event": "mapping_sync", "account": {"id": 7}}):
        for path in ("/webhook", "/", "/webhook/webhook"):
            a = ponte.ask("POST", path, dump(body))
            assert (a.status, a.json["code"], a.json["success"]) == (422, "BAD_SCHEMA", False), a
        # A sender's own path is Chatwoot's alone.
        refused(ponte.send(body), 501, "NOT_IMPLEMENTED")


def test_health_says_what_the_old_servers_said(ponte):
    root = ponte.ask("GET", "/").json
    assert root["status"] == "online" and root["version"] and root["timestamp"] and root["message"]
    health = ponte.ask("GET", "/health").json
    assert health["status"] == "ok" and isinstance(health["timestamp"], float)
    assert ponte.ask("GET", "/webhook/").status == 200
    assert ponte.ask("GET", "/webhook/health").status == 200
    assert ponte.ask("HEAD", "/health").body == b""
    assert ponte.ask("GET", "/livez").status == 200
    assert ponte.ask("GET", "/readyz").status == 200


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no fixtures")
def test_every_fixture_over_the_real_door(make):
    """All bodies of the fixtures, signed afresh, over nginx: the status that the manifest's decision implies."""
    rows = json.loads((FIXTURES / "MANIFEST.json").read_text())
    status = {"reject_json": 400, "reject_schema": 422, "reject_unsigned": 401, "reject_account": 403}
    ponte = make()
    ponte.tenant(kinds=("bot", "account", "inbox"), inboxes="[]")
    bad = []
    for row in rows:
        raw = (FIXTURES / row["file"]).read_bytes()
        if row["sender"] == "none":
            a = ponte.ask("POST", "/webhook/chatwoot/shop/account", raw)
            want = 401
        else:
            a = ponte.send(raw, kind=row["sender"])
            want = status.get(row["decision"], 200)
        if a.status != want:
            bad.append((row["file"], row["decision"], a))
    assert not bad, bad
    ponte.check_store()
