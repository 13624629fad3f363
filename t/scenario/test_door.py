"""nginx, the front door: what it refuses itself, what it lets through and what
it keeps from the workers.  Rows H1 and R6; the flood guard."""

import collections
import concurrent.futures
import json
import shutil
import socket
import ssl
import tempfile
import time

import pytest

from conftest import Instance, message

HOOKS, API = "/webhook/chatwoot/shop/bot", "/api/v1/business-rules"
SECURITY = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store"}


@pytest.fixture(scope="module")
def door():
    """One instance for all that only asks nginx; rates count as in production."""
    root = tempfile.mkdtemp(prefix="ponte-")
    i = Instance(root, "")
    try:
        i.start()
        i.tenant()
        yield i
    finally:
        i.close()
        shutil.rmtree(root, ignore_errors=True)


def raw(ponte, text, tls=True):
    """Bytes as they are; the answer's status, headers and body."""
    s = socket.create_connection(("127.0.0.1", ponte.port), 20)
    if tls:
        context = ssl.create_default_context(cafile=ponte.dir / "tls/cert.pem")
        s = context.wrap_socket(s, server_hostname="127.0.0.1")
    with s:
        s.sendall(text)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
    head, _, body = got.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/") else 0
    return status, dict(line.split(": ", 1) for line in lines[1:]), body


def request(method, path, headers=(), body=b""):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def shape_of(path, body, code):
    """Our own JSON, in the shape of the path."""
    said = json.loads(body)
    keys = ["detail", "code", "request_id"] if path.startswith("/api") else ["status", "code", "reason", "request_id"]
    assert list(said) == keys and said["code"] == code, said
    assert said.get("status", "refused") == "refused"
    return said


LARGE = f"Content-Length: {16 * 1024 * 1024 + 1}"
REFUSALS = [
    ("two lengths", request("POST", "{path}", ["Content-Length: 5", "Content-Length: 6"], b"abcde"), 400, "BAD_REQUEST"),
    ("a length and chunks", request("POST", "{path}", ["Content-Length: 5", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
     400, "BAD_REQUEST"),
    ("chunks that are none", request("POST", "{path}", ["Transfer-Encoding: chunked"], b"xyz\r\n"), 400, "BAD_REQUEST"),
    ("no host", b"POST {path} HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"),
    ("a transfer encoding that is not chunked", request("POST", "{path}", ["Transfer-Encoding: gzip"]), 501, "NOT_IMPLEMENTED"),
    ("a body that is announced too large", request("POST", "{path}", [LARGE]), 413, "TOO_LARGE"),
    ("an address that is too long", request("GET", "{path}?" + "a" * 9000), 414, "BAD_REQUEST"),
    ("header fields that are too large", request("GET", "{path}", ["X-A: " + "a" * 9000]), 431, "BAD_REQUEST"),
    ("a method that nginx does not know to serve", request("TRACE", "{path}"), 405, "BAD_METHOD"),
]


@pytest.mark.parametrize("path", [HOOKS, "/", API])
@pytest.mark.parametrize("name, text, status, code", REFUSALS, ids=[r[0] for r in REFUSALS])
def test_what_nginx_refuses_is_said_in_json(door, path, name, text, status, code):
    got, headers, body = raw(door, text.replace(b"{path}", path.encode()))
    assert got == status, body
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Request-ID"] == shape_of(path, body, code)["request_id"]
    assert {k: headers.get(k) for k in SECURITY} == SECURITY
    assert "nginx/" not in headers["Server"]


@pytest.mark.parametrize("path", [HOOKS, API])
def test_plain_http_is_refused_and_not_redirected(door, path):
    status, headers, body = raw(door, request("POST", path), tls=False)
    assert status == 403 and "Location" not in headers
    shape_of(path, body, "HTTPS_REQUIRED")


def test_16_mib_pass_and_one_byte_more_does_not(door):
    for length, status in (16 << 20, 401), ((16 << 20) + 1, 413):       # 401: unsigned; a worker says it
        pieces = [b"x" * 65536] * (length // 65536) + [b"x" * (length % 65536)]
        for body in b"".join(pieces), (p for p in pieces if p):         # the second goes in chunks
            a = door.ask("POST", HOOKS, body, {"Content-Type": "application/json"})
            assert a.status == status, a
    assert not list((door.dir / "nginx/client_body").iterdir()), "a body was left behind"


def test_dead_workers_are_500_on_webhook_paths_and_502_elsewhere(make):
    i = make()
    for name in "hooks", "api":
        (i.dir / f"run/{name}.sock").unlink()
    for path in HOOKS, "/webhook", "/webhook/", "/webhook/webhook", "/", HOOKS + "/TESTpathSecretXyz":
        a = i.ask("POST", path, b"{}")
        assert a.status == 500 and a.json["code"] == "TRY_AGAIN" and a.json["status"] == "refused", (path, a)
    for path in API, "/webhook" + API, "/webhook/tools/x", "/livez":
        a = i.ask("GET", path)
        assert a.status == 502 and a.json["code"] == "SERVICE_UNAVAILABLE_ERROR" and a.json["detail"], (path, a)
    for name in "nginx-access.log", "nginx-error.log":
        text = (i.dir / "log" / name).read_text()
        assert "TESTpathSecretXyz" not in text and (name != "nginx-access.log" or HOOKS + "/***" in text)


def test_the_flood_guard_is_wide_and_spares_the_named(make):
    i = make("nginx: {trusted: [127.0.0.2]}\n", limits=True)
    counts = {}
    for source in "127.0.0.1", "127.0.0.2":
        def ask(n, source=source):
            c = i.connect()
            c.source_address = (source, 0)
            seen = collections.Counter()
            for _ in range(n):
                a = i.ask("POST", HOOKS, b"{}", {"Content-Type": "application/json"}, connection=c)
                seen[a.status] += 1
                if a.status == 429:
                    shape_of(HOOKS, a.body, "RATE_LIMIT_ERROR")
                    assert a.headers["Retry-After"] == "1"
            return seen
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            counts[source] = sum(pool.map(ask, [500] * 8), collections.Counter())
        took = time.monotonic() - began
        if source == "127.0.0.1":
            passed = 4000 - counts[source][429]
            assert 2000 <= passed <= 2001 + 200 * (took + 1), (passed, took)
            if took < 8:
                assert counts[source][429], counts
    assert counts["127.0.0.2"][429] == 0
    assert i.ask("GET", "/livez").status == 200


def test_r6_workers_never_see_who_dawdles(make):
    i = make("workers: {hooks: 1, api: 1}\n")
    i.tenant()
    context = ssl.create_default_context(cafile=i.dir / "tls/cert.pem")
    begun = [b"", b"POST /webhook HT", request("POST", HOOKS), request("POST", HOOKS, ["Content-Length: 1000"], b"abc")[:-1]]
    slow = []
    for n in range(120):
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", i.port), 20), server_hostname="127.0.0.1")
        s.sendall(begun[n % 4] if n % 4 != 2 else b"")
        slow.append(s)
    before = len(i.events("request"))
    latencies = []
    for _ in range(20):
        began = time.monotonic()
        assert i.send(message()).status == 200
        latencies.append(time.monotonic() - began)
    assert max(latencies) < 1.0, latencies
    assert len(i.events("request")) - before <= 21
    slow[3].settimeout(30)
    assert slow[3].recv(100) == b""                 # nginx ends it, after 10 s of nothing
    for s in slow:
        s.close()
