"""The peer itself: a test that leans on it must be able to trust it."""

import http.client
import json
import socket
import ssl
import threading
import time

import pytest

from peer import Peer

POST = "/api/v1/accounts/7/conversations/501/messages"


@pytest.fixture
def peer():
    with Peer() as p:
        yield p
    p.wait(lambda p: p.in_flight == 0)


def ask(peer, method="POST", path="/", body=b"{}", headers=None, timeout=5):
    c = http.client.HTTPConnection(peer.host, peer.port, timeout=timeout)
    c.request(method, path, body, headers or {})
    r = c.getresponse()
    return r.status, r.headers, r.read()


def test_the_hub_repeats_what_was_said(peer):
    status, _, body = ask(peer, body=json.dumps({"messages": [{"text": "one"}, {"text": "two"}]}))
    assert (status, json.loads(body)) == (200, {"content": "You said: one / two"})
    assert [(r["method"], r["status"], r["json"]["messages"][0]["text"]) for r in peer.requests] == [("POST", 200, "one")]


def test_chatwoot_keeps_messages_by_conversation(peer):
    for text in "first", "second":
        assert ask(peer, path=POST, body=json.dumps({"content": text, "content_attributes": {"k": 1}}))[0] == 200
    listed = json.loads(ask(peer, "GET", POST, None)[2])["payload"]
    assert [(m["content"], m["content_attributes"]) for m in listed] == [("first", {"k": 1}), ("second", {"k": 1})]
    assert json.loads(ask(peer, "GET", POST.replace("501", "502"), None)[2])["payload"] == []


def test_a_wrong_token_is_401(peer):
    peer.token = "right"
    assert ask(peer, path=POST)[0] == 401
    assert ask(peer, path=POST, headers={"api_access_token": "right"})[0] == 200


def test_steps_are_used_up_in_order(peer):
    peer.script = [{"status": 503, "retry_after": 7}] * 2 + [{"status": 429, "path": "^/only"}]
    first = ask(peer)
    assert (first[0], first[1]["Retry-After"]) == (503, "7")
    assert [ask(peer)[0], ask(peer)[0], ask(peer, path="/only")[0], ask(peer, path="/only")[0]] == [503, 200, 429, 200]


def test_a_step_for_those_over_a_number(peer):
    peer.script = [{"over": 1, "status": 503, "times": 0}, {"contains": "first", "hold": "first"}]
    first = threading.Thread(target=ask, args=(peer,), kwargs={"body": b'{"content": "first"}'})
    first.start()
    peer.wait(lambda p: p.in_flight == 1)
    assert ask(peer)[0] == 503
    peer.release("first")
    first.join()
    peer.wait(lambda p: p.in_flight == 0)
    assert ask(peer)[0] == 200 and [r["status"] for r in peer.requests] == [200, 503, 200]


def test_a_failed_post_stores_nothing_unless_told(peer):
    peer.script = [{"status": 500}, {"status": 500, "effect": True}, {"cut": "after"}, {"cut": "before"}]
    assert ask(peer, path=POST)[0] == 500 and not peer.messages
    assert ask(peer, path=POST)[0] == 500 and len(peer.messages) == 1
    for stored in 2, 2:
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(peer, path=POST, body=b'{"content":"x"}')
        assert len(peer.messages) == stored


@pytest.mark.parametrize("cut", ["accept", "before", "after", "middle"])
@pytest.mark.parametrize("reset", [False, True])
def test_cuts_are_seen_as_such(peer, cut, reset):
    peer.script = [{"cut": cut, "reset": reset}]
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(peer)
    assert ask(peer)[0] == 200


def test_slow_answers_are_slow(peer):
    peer.script = [{"delay": 0.3}, {"drip": 0.02, "body": "x" * 10}]
    for least in 0.3, 0.15:
        began = time.monotonic()
        assert ask(peer)[0] == 200
        assert time.monotonic() - began >= least


def test_a_held_request_waits_for_its_release(peer):
    peer.script = [{"hold": "door"}]
    c = http.client.HTTPConnection(peer.host, peer.port, timeout=5)
    c.request("POST", "/", b"{}")
    peer.wait(lambda p: p.in_flight == 1)
    assert not peer.requests[0]["done"]
    peer.release("door")
    assert c.getresponse().status == 200


def test_a_hanging_request_ends_with_its_client(peer):
    peer.script = [{"hang": True}]
    with pytest.raises(OSError):
        ask(peer, timeout=0.2)
    peer.wait(lambda p: p.requests and p.requests[0]["done"])


def test_an_endless_answer_does_not_end(peer):
    peer.script = [{"endless": True, "drip": 0.01, "body": "{}"}]
    with socket.create_connection((peer.host, peer.port), 5) as s:
        s.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        got = b""
        while got.count(b" ") < 30:
            got += s.recv(4096)


def test_chunked_bodies_and_expect_are_understood(peer):
    with socket.create_connection((peer.host, peer.port), 5) as s:
        s.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 100")
        s.sendall(b"2\r\n{}\r\n0\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200")
    assert peer.requests[0]["body"] == b"{}"


def test_a_restarted_peer_listens_at_the_same_port(peer):
    port = peer.port
    peer.stop()
    with pytest.raises(OSError):
        ask(peer, timeout=1)
    peer.restart()
    assert (ask(peer)[0], peer.port) == (200, port)


def test_tls(tmp_path):
    import subprocess
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    with Peer(tls=(str(cert), str(key))) as p:
        c = http.client.HTTPSConnection(p.host, p.port, timeout=5, context=ssl.create_default_context(cafile=cert))
        c.request("POST", "/", b"{}")
        assert c.getresponse().status == 200
