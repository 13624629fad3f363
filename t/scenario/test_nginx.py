"""The door, seen from the workers: what a client can make them believe, who is
held up by whom, and the site for production.  Row H5; test_door.py has what
nginx refuses by itself."""

import os
import pathlib
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from conftest import TOP, dump, message, sign, wait_for
from peer import Peer
from tools import HOOKS, busy, detailed, raw, read_answer, refused, request, tls, workers

SMALL = "workers: {hooks: 2, api: 1}\n"


@pytest.fixture
def ponte(make):
    i = make(settings=SMALL)
    i.tenant()
    return i


def signed(ponte, body, more=(), without=()):
    """The headers of a good webhook, as pairs."""
    head = [("Content-Type", "application/json")] + list(sign(ponte.SECRET["bot"], body).items())
    return [h for h in head if h[0] not in without] + list(more)


# ---- H5: who may say what -------------------------------------------------------

def test_h5_a_proxy_header_makes_nobody_go_elsewhere(ponte):
    with Peer("hub") as proxy:
        a = ponte.send(message(), headers={"Proxy": proxy.url, "Http-Proxy": proxy.url, "Https-Proxy": proxy.url})
        assert a.status == 200
        wait_for(lambda: ponte.posted(), show=ponte.log_tail)
        assert proxy.connections == 0


def test_h5_underscore_twins_are_not_the_headers(ponte):
    body = dump(message())
    good = dict(signed(ponte, body))
    twins = [(k.replace("-", "_"), v) for k, v in good.items() if k.startswith("X-")]
    refused(raw(ponte, request("POST", HOOKS, [("Content-Type", "application/json")] + twins, body)), 401, "BAD_SIGNATURE")
    bad = [("X_Chatwoot_Signature", "sha256=" + "0" * 64), ("X_Chatwoot_Timestamp", "1"), ("Content_Type", "text/plain"), ("Content_Length", "1")]
    for head in (list(good.items()) + bad, bad + list(good.items())):
        a = raw(ponte, request("POST", HOOKS, head, body))
        assert a.status == 200, a


def test_h5_a_second_signature_never_helps(ponte):
    body = dump(message())
    wrong = ("X-Chatwoot-Signature", "sha256=" + "0" * 64)
    refused(raw(ponte, request("POST", HOOKS, [wrong] + signed(ponte, body), body)), 401, "BAD_SIGNATURE")
    a = raw(ponte, request("POST", HOOKS, signed(ponte, body, [wrong]), body))
    assert a.status in (200, 400, 401), a       # the first one counts, or neither does
    stale = ("X-Chatwoot-Timestamp", "1")
    refused(raw(ponte, request("POST", HOOKS, [stale] + signed(ponte, body), body)), 401, "BAD_SIGNATURE")


@pytest.mark.parametrize("name, lines", [
    ("twice the same", ["Content-Length: {n}", "Content-Length: {n}"]), ("two lengths", ["Content-Length: {n}", "Content-Length: 1"]),
    ("a list", ["Content-Length: {n}, {n}"]), ("negative", ["Content-Length: -1"]), ("with a sign", ["Content-Length: +{n}"]),
    ("hexadecimal", ["Content-Length: 0x10"]), ("huge", ["Content-Length: 99999999999999999999"]),
    ("a length and chunks", ["Content-Length: {n}", "Transfer-Encoding: chunked"]),
])
def test_h5_a_length_that_can_be_read_in_two_ways_is_400(ponte, name, lines):
    body = dump(message())
    head = b"".join(line.format(n=len(body)).encode() + b"\r\n" for line in lines)
    fields = b"".join(f"{k}: {v}\r\n".encode() for k, v in signed(ponte, body))
    a = raw(ponte, b"POST " + HOOKS.encode() + b" HTTP/1.1\r\nHost: x\r\n" + fields + head + b"\r\n" + body)
    refused(a, 400, "BAD_REQUEST")
    assert not ponte.hub.requests


def test_h5_an_address_cannot_be_named_by_the_client(ponte):
    ponte.tenant(sender_extra=', unsigned: {addresses: ["192.0.2.0/24"]}')
    body = dump(message())
    spoofs = [(n, "192.0.2.7") for n in ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "Remote-Addr",
                                         "REMOTE_ADDR", "X-Forwarded", "X-Originating-IP", "Client-IP", "HTTP_REMOTE_ADDR")]
    spoofs += [("Forwarded", "for=192.0.2.7"), ("Via", "192.0.2.7")]
    a = raw(ponte, request("POST", HOOKS, [("Content-Type", "application/json")] + spoofs, body))
    refused(a, 401, "BAD_SIGNATURE")
    assert all(e["remote"] == "127.0.0.1" for e in ponte.events("request", role="worker") if "remote" in e)


def test_h5_no_parameter_of_the_workers_can_be_named_by_the_client(ponte):
    names = ["Script-Name", "Remote-User", "Request-Uri", "Request-Method", "Path-Info", "Query-String", "Document-Root", "Request-Id",
             "Content-Encoding-X", "Auth-Type", "Server-Name", "X-Accel-Redirect", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override"]
    values = "/livez"
    fields = [(n, values) for n in names] + [(n.replace("-", "_").upper(), values) for n in names]
    body = dump(message())
    a = raw(ponte, request("POST", HOOKS, signed(ponte, body, fields), body))
    assert a.status == 200 and a.json["status"] == "accepted", a
    refused(raw(ponte, request("POST", HOOKS, [("Content-Type", "application/json")] + fields, body)), 401, "BAD_SIGNATURE")
    detailed(raw(ponte, request("GET", "/nothing", fields)), 404, "NOT_FOUND_ERROR")
    mine = "0123456789abcdef0123456789abcdef"
    a = ponte.send(message(), headers={"X-Request-ID": mine, "Request-ID": mine})
    assert a.headers["X-Request-ID"] != mine and a.json["request_id"] == a.headers["X-Request-ID"]
    wait_for(lambda: ponte.events("request", client_request_id=mine, request_id=a.headers["X-Request-ID"]), why="both are logged")


# ---- refusals -------------------------------------------------------------------

WEBHOOK_PATHS = ["/", "/webhook", "/webhook/", "/webhook/webhook", HOOKS, HOOKS + "/CANARYsecret"]
OTHER_PATHS = ["/health", "/api/x", "/webhook/api/x", "/webhook/tools/x", "/nothing"]


def test_each_path_is_refused_in_its_own_shape(ponte):
    for path in WEBHOOK_PATHS:
        a = raw(ponte, request("POST", path + "?" + "x" * 9000))
        refused(a, 414, "BAD_REQUEST")
        assert a.headers["content-type"] == "application/json" and a.headers["x-request-id"] == a.json["request_id"], a
        assert float(a.headers["x-process-time"]) >= 0, a
    assert ponte.ask("GET", "/health").headers.get_all("X-Process-Time")[1:] == [], "said twice"
    for path in OTHER_PATHS:
        detailed(raw(ponte, request("POST", path + "?" + "x" * 9000)), 414, "BAD_REQUEST")


def test_a_worker_that_dies_over_a_request_is_500_and_never_502(ponte):
    keeper = ponte.pids("ponte-keeper")[0]
    os.kill(keeper, signal.SIGSTOP)
    answers = []
    try:
        t = threading.Thread(target=lambda: answers.append(ponte.send(message())))
        t.start()
        for pid in wait_for(lambda: busy(ponte, "hooks"), show=ponte.log_tail):
            os.kill(pid, signal.SIGKILL)
        t.join()
    finally:
        os.kill(keeper, signal.SIGCONT)
    refused(answers[0], 500, "TRY_AGAIN")
    gone = wait_for(lambda: [e for e in ponte.events("worker-gone") if e.get("request_id") == answers[0].json["request_id"]],
                    why="its obituary names the request", show=ponte.log_tail)
    assert gone[0]["route"] == "/webhook/chatwoot/{tenant}/{kind}" and gone[0]["body_digest"] and gone[0]["signal"] == "SIGKILL", gone


def test_a_worker_that_hangs_is_500_before_chatwoot_gives_up(make):
    ponte = make(settings="workers: {hooks: 1, api: 1}\n")
    ponte.tenant()
    pids = ponte.pids("ponte-worker")       # the master too: it would kill the worker that hangs
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        a = ponte.send(message())
        assert 3 < time.monotonic() - began < 5, "a sender waits five seconds, and then does not try again"
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    refused(a, 500, "TRY_AGAIN")


# ---- limits ---------------------------------------------------------------------

def pipeline(ponte, requests):
    """Many requests as fast as they go over one connection; [(status, code, Retry-After, is a webhook's shape)]."""
    with tls(ponte, 60) as s, s.makefile("rb") as f:
        s.sendall(b"".join(requests))
        answers = [read_answer(f) for _ in requests]
    return [(a.status, a.json.get("code"), a.headers.get("retry-after"), "status" in a.json) for a in answers]


@pytest.fixture
def limited(make):
    i = make(settings=SMALL, limits=True)
    i.tenant()
    return i


@pytest.mark.parametrize("path", ["/api/x", "/webhook/api/x", "/webhook/tools/x", "/nothing"])
def test_many_calls_of_the_api_are_429_with_a_hint(limited, path):
    seen = pipeline(limited, [request("GET", path)] * 150)
    few = [r for r in seen if r[0] != 429]
    many = [r for r in seen if r[0] == 429]
    assert len(seen) == 150 and 40 <= len(few) <= 80 and all(r[0] == 404 for r in few), (len(seen), few[-3:])
    assert all(r[1:] == ("RATE_LIMIT_ERROR", "1", False) for r in many), many[:3]
    assert limited.send(message()).status == 200        # webhooks have a measure of their own
    for path in ("/livez", "/health", "/readyz", "/webhook/health"):
        assert limited.ask("GET", path).status == 200, path


# ---- who waits for whom ---------------------------------------------------------

def test_stuck_api_workers_delay_no_webhook(ponte):
    stuck = workers(ponte, "api")
    assert len(stuck) == 1
    for pid in stuck:
        os.kill(pid, signal.SIGSTOP)
    waiting = []
    try:
        for path in ("/api/x", "/webhook/api/x", "/health", "/"):
            s = tls(ponte)
            s.sendall(request("GET", path))
            waiting.append(s)
        start = time.monotonic()
        for _ in range(10):
            assert ponte.send(message()).status == 200
        assert time.monotonic() - start < 5
    finally:
        for pid in stuck:
            os.kill(pid, signal.SIGCONT)
    for s, status in zip(waiting, (404, 404, 200, 200)):
        with s, s.makefile("rb") as f:
            assert read_answer(f).status == status


def test_stuck_webhook_workers_delay_no_call_of_the_api(ponte):
    stuck = workers(ponte, "hooks")
    for pid in stuck:
        os.kill(pid, signal.SIGSTOP)
    try:
        with tls(ponte) as s:
            body = dump(message())
            s.sendall(request("POST", HOOKS, signed(ponte, body), body))
            assert ponte.ask("GET", "/health").status == 200
            assert ponte.ask("GET", "/livez").status == 200
            for pid in stuck:
                os.kill(pid, signal.SIGCONT)
            with s.makefile("rb") as f:
                assert read_answer(f).status == 200
    finally:
        for pid in stuck:
            os.kill(pid, signal.SIGCONT)


# ---- the site for production ----------------------------------------------------

@pytest.fixture
def site(ponte, tmp_path):
    """nginx/ponte.conf as it is installed, but for ports and paths, in front of the same workers."""
    text = (TOP / "nginx/ponte.conf.in").read_text()
    for a, b in (("@nginxdir@", str(TOP / "nginx")), ("unix:/run/ponte", f"unix:{ponte.dir}/run"),
                 ("/etc/ponte/tls", f"{ponte.dir}/tls"), ("/var/log/nginx", str(tmp_path)), ("/var/lib/nginx/ponte", f"{tmp_path}/body"),
                 ("listen       [::]", "#"), ("listen       443", f"listen unix:{tmp_path}/tls.sock"),
                 ("listen       80", f"listen unix:{tmp_path}/plain.sock")):
        assert a in text, f"ponte.conf.in has no '{a}' any more"
        text = text.replace(a, b)
    (tmp_path / "site.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(
        f"{user} daemon off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ fastcgi_temp_path {tmp_path}/f; proxy_temp_path {tmp_path}/p; uwsgi_temp_path {tmp_path}/u; scgi_temp_path {tmp_path}/s;\n"
        f"include {tmp_path}/site.conf; }}\n")
    nginx = next(p for p in ("/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx") if pathlib.Path(p).exists())
    p = subprocess.Popen([nginx, "-p", str(tmp_path), "-c", "nginx.conf", "-e", "stderr"], stderr=subprocess.PIPE)

    def ask(which, data):
        def look():
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(str(tmp_path / which))
                return s
            except OSError:
                assert p.poll() is None, p.stderr.read().decode()
                return None
        s = wait_for(look, why="nginx listens")
        if which == "tls.sock":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            s = context.wrap_socket(s)
        with s, s.makefile("rb") as f:
            s.sendall(data)
            return read_answer(f)
    yield ask
    p.terminate()
    p.wait()


def test_the_site_for_production_serves_over_tls_and_refuses_plain_http(ponte, site):
    body = dump(message())
    a = site("tls.sock", request("POST", HOOKS, signed(ponte, body), body))
    assert a.status == 200 and a.json["status"] == "accepted", a
    for path in WEBHOOK_PATHS:
        a = site("plain.sock", request("POST", path, signed(ponte, body), body))
        refused(a, 403, "HTTPS_REQUIRED")
        assert "location" not in a.headers, a
    assert len(ponte.events("request", method="POST")) == 1, "a refused one reached a worker"
    for path in OTHER_PATHS:
        detailed(site("plain.sock", request("GET", path)), 403, "HTTPS_REQUIRED")
