"""What several scenarios need besides the instance of conftest.py: raw
requests, who is in which group of workers, faults of the disk."""

import os
import pathlib
import socket
import ssl
import struct
import threading

from conftest import BUILD, SLOW, Answer, message, wait_for

HOOKS = "/webhook/chatwoot/shop/bot"


# ---- bytes over the wire ------------------------------------------------------

def tls(ponte, timeout=20):
    """A connection to the front door for requests that http.client would not send."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", ponte.port), timeout=timeout * SLOW))


def read_answer(f, head=False):
    """One HTTP answer from a file of the connection; None when it was closed."""
    line = f.readline(65536)
    if not line:
        return None
    status, headers = int(line.split()[1]), {}
    while True:
        field = f.readline(65536).decode("latin-1").rstrip("\r\n")
        if not field:
            break
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            size = int(f.readline(64).split(b";")[0], 16)
            body += f.read(size)
            f.readline(8)
            if size == 0:
                break
    elif "content-length" in headers:
        body = b"" if head else f.read(int(headers["content-length"]))
    else:
        body = b"" if head or status in (204, 304) else f.read()
    return Answer(status, headers, body)


def raw(ponte, data, connection=None):
    """Sends these bytes, gives the first answer."""
    sock = connection or tls(ponte)
    try:
        try:
            sock.sendall(data)
        except OSError:
            pass                        # refused while we were sending: the answer is there
        with sock.makefile("rb") as f:
            return read_answer(f)
    finally:
        if connection is None:
            sock.close()


def request(method, path, headers=(), body=b"", length=True):
    """The bytes of a request; headers: pairs, as they are."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"] + [f"{k}: {v}" for k, v in headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


# ---- the roles ------------------------------------------------------------------

def slots(ponte, group):
    """[(pid, busy)] of the workers of one group ("hooks", "api") that live, from the
    scoreboard (lib/scoreboard.h): keeper, courier, 64 of hooks, 64 of api."""
    board = (ponte.dir / "run/scoreboard").read_bytes()
    assert board[:8] == b"PONTESB1"
    size, found = struct.unpack_from("<I", board, 8)[0], []
    for i in range(64):
        pid, state = struct.unpack_from("<ii", board, 16 + (2 + i + (64 if group == "api" else 0)) * size)
        if pid:
            found.append((pid, state == 2))
    return found


def workers(ponte, group):
    return [pid for pid, _ in slots(ponte, group)]


def busy(ponte, group):
    return [pid for pid, busy in slots(ponte, group) if busy]


def alarms(ponte, **fields):
    return [e for e in ponte.events(**fields) if e.get("level") == "alarm"]


def delivery(ponte, event, kind="hub"):
    """That delivery of the event, or None."""
    rows = [r for r in ponte.queue("--event", event) if r["kind"] == kind]
    return rows[0] if rows else None


class Clients:
    """Signed messages on `n` kept connections until told to stop; everything
    that was not a 2xx, broken connections included, is in `bad`."""

    def __init__(self, ponte, n=4, kept=True):
        self.ponte, self.kept, self.good, self.bad = ponte, kept, 0, []
        self.acked = {}                 # message id: event id
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]
        for t in self.threads:
            t.start()

    def run(self, i):
        connection = self.ponte.connect() if self.kept else None
        while not self.stopping.is_set():
            body = message(conversation=900 + i)
            try:
                a = self.ponte.send(body, connection=connection)
            except Exception as e:      # any at all: it is what the test wants to see
                self.bad.append(repr(e))
                connection = self.ponte.connect() if self.kept and not self.stopping.is_set() else None
                continue
            with self.lock:
                if 200 <= a.status < 300:
                    self.good += 1
                    self.acked[body["id"]] = a.json["event_id"]
                else:
                    self.bad.append(repr(a))

    def more(self, n):
        """Waits for n good answers more."""
        seen = self.good
        wait_for(lambda: self.good >= seen + n, 30, f"{n} good answers more; bad: {self.bad[:3]}", self.ponte.log_tail)

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(30 * SLOW)
        return self


# ---- the disk -------------------------------------------------------------------

class Disk:
    """t/faults/fault.so under an instance: disk = Disk(tmp_path); make(env=disk.env)."""

    def __init__(self, directory):
        self.orders = pathlib.Path(directory) / "faults"
        self.env = {"LD_PRELOAD": str(BUILD / "t/faults/fault.so"), "PONTE_FAULTS": str(self.orders),
                    "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")}

    def order(self, **faults):
        """At once: a file is never seen half written."""
        new = self.orders.with_suffix(".new")
        new.write_text("".join(f"{k}={v}\n" for k, v in faults.items()))
        new.rename(self.orders)

    def flushes(self):
        """[(pid, "ok" or "failed", file name)] in order."""
        log = self.orders.with_name(self.orders.name + ".log")
        if not log.exists():
            return []
        return [(int(a), b, c) for a, b, c in (line.split() for line in log.read_text().splitlines())]


def refused(answer, status, code):
    """nginx's or a worker's refusal in the shape of the webhook paths."""
    assert answer.status == status, answer
    assert answer.json["status"] == "refused" and answer.json["code"] == code, answer
    assert answer.json["reason"] and answer.json["request_id"], answer


def detailed(answer, status, code):
    """The same in the shape of all other paths."""
    assert answer.status == status, answer
    assert answer.json["code"] == code and answer.json["detail"] and answer.json["request_id"], answer

