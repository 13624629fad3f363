#!/usr/bin/python3
"""A scriptable peer: plays the AI hub and Chatwoot, for the demo and the scenarios.

As a program:  peer.py [--port N] [--host H] [--tls CERT KEY] [--log FILE] [--script FILE]
prints {"port": N, "url": "..."} when it listens and runs until SIGTERM or SIGINT.
In a test:     hub = Peer("hub").start(); hub.url; hub.script = [{"status": 503}]; hub.wait(...)

What it answers without a script
  Chatwoot, under .../api/v1/accounts/A/conversations:
  GET                       the conversations, those of late activity first, 25 a page
  GET  /C                   one of them; made, pending, when it is not there (unless `strict`)
  GET  /C/messages          ?after=ID: 100 behind it; ?before=ID, or neither: the last 20; a user's token
  POST /C/messages          stores the message, 200
  POST /C/toggle_status     {"status"}
  POST /C/toggle_typing_status
  GET, POST /C/labels       {"labels"} replaces
  POST anything else        hub: {"content": "You said: ..."}
  GET  /_log /_messages /_stats, POST /_script /_reset /_release/NAME    control, never logged

A script is a list of steps.  A request takes the first step that fits it and uses up a turn.
  path (regular expression), method, contains (text of the body), role ("hub", "chatwoot")
                which requests it fits; none of them: every one
  over          number: and only while more than so many are in flight, this one counted
  times         turns: 1 unless told; 0 = for ever
  status, headers, json or body (text)      the answer; what is missing is as without a script
  delay         seconds before the first byte
  drip          seconds between two bytes of the body
  hold          name: waits for release(name)
  hang          True: never answers and keeps the connection
  cut           "accept": at once; "before" the body is read; "after" having done what was asked;
                "middle" of the answer's body.  With reset: True it is a reset, no clean end
  endless       True: after the body come blanks, without an end
  huge          bytes of answer
  retry_after   value of that header
  effect        True or False: is the message stored, whatever is answered?  Unless told: yes
                with a 2xx and with a cut "after" or in the "middle"
"""

import argparse
import collections
import json
import os
import re
import select
import signal
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

CHATWOOT = re.compile(r"/api/v1/accounts/(\d+)/conversations(?:/(\d+)(?:/(messages|toggle_status|toggle_typing_status|labels))?)?$")
PHRASES = {200: "OK", 201: "Created", 204: "No Content", 302: "Found", 400: "Bad Request",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 422: "Unprocessable Entity",
           429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
           503: "Service Unavailable", 504: "Gateway Timeout"}
BODY_MAX = 64 << 20
SLOW = float(os.environ.get("PONTE_SLOW", "1"))     # sanitizers and Valgrind take longer


class Cut(Exception):
    """The connection ends here."""


def text_json(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


class Peer:
    """kind: "hub" or "chatwoot"; None: told by the path of each request.

    requests is a list of dicts in order of arrival: n, connection, time, mono, done (time of the
    answer, None before), role, method, path, headers (names in lower case, the first of each),
    header_list (all, as they came), body (bytes), json (None when it is not JSON), status."""

    def __init__(self, kind=None, host="127.0.0.1", port=0, tls=None, log=None, script=None, token=None,
                 latency=0.0):
        self.kind, self.host, self.port, self.tls, self.token = kind, host, port, tls, token
        self.latency = latency
        self.log = open(log, "a", buffering=1, encoding="utf-8") if log else None
        self.changed = threading.Condition()
        self.script = list(script or [])
        self.requests = []
        self.messages = []              # those posted here: dicts as Chatwoot answers them
        self.history = []               # all of them, the customers' too
        self.conversations = {}         # (account, id): dict as Chatwoot answers it
        self.strict = False             # 404 for a conversation that nobody made
        self.user_token = None          # may list messages; None: every token may
        self.bots_may = {"show", "labels", "typing"}    # what came to bots late (2026)
        self.on_change = None           # called with (what, conversation, message) behind each change here
        self.connections = 0
        self.in_flight, self.most_in_flight = 0, 0
        self.released, self.epoch = set(), 0
        self.stopping = False
        self.open = set()
        self.listener = None

    # ---- life ----

    def start(self):
        self.listener = socket.create_server((self.host, self.port), backlog=512,
                                             family=socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.context = None
        if self.tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*self.tls)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self):
        self.stopping = True
        if self.listener:
            # close() alone leaves accept() asleep, and the port taken.
            try:
                self.listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.listener.close()
        with self.changed:
            for sock in list(self.open):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.changed.notify_all()

    def restart(self):
        """Listens again at the same port."""
        self.stopping = False
        return self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, *why):
        self.stop()

    @property
    def url(self):
        host = "[%s]" % self.host if ":" in self.host else self.host
        return "%s://%s:%d" % ("https" if self.tls else "http", host, self.port)

    # ---- for tests ----

    def add(self, *steps):
        """Adds steps behind those that are left."""
        with self.changed:
            self.script = self.script + list(steps)

    def clear(self):
        """Forgets the script and lets everybody go who is held or hangs."""
        with self.changed:
            self.script = []
            self.epoch += 1
            self.changed.notify_all()

    def reset(self):
        """As new, but for the connections."""
        self.clear()
        with self.changed:
            self.requests, self.messages, self.most_in_flight = [], [], self.in_flight
            self.history, self.conversations = [], {}
            self.released = set()

    def release(self, name):
        with self.changed:
            self.released.add(name)
            self.changed.notify_all()

    def wait(self, true_when, seconds=10.0):
        """Waits until true_when(self) and returns its value; AssertionError with the log when
        the time is over."""
        seconds *= SLOW
        until = time.monotonic() + seconds
        with self.changed:
            while True:
                value = true_when(self)
                if value:
                    return value
                left = until - time.monotonic()
                if left <= 0:
                    seen = ["%(method)s %(path)s -> %(status)s" % r for r in self.requests[-20:]]
                    raise AssertionError("peer: not within %s s; %d requests, the last: %s"
                                         % (seconds, len(self.requests), seen))
                self.changed.wait(left)

    def wait_requests(self, count, seconds=10.0, role=None):
        """The first `count` answered requests (of that role)."""
        def enough(peer):
            found = [r for r in peer.requests if r["done"] and role in (None, r["role"])]
            return found if len(found) >= count else None
        return self.wait(enough, seconds)

    def wait_messages(self, count, seconds=10.0):
        """The messages posted, when there are `count`."""
        return self.wait(lambda p: list(p.messages) if len(p.messages) >= count else None, seconds)

    # ---- connections ----

    def _accept(self):
        while not self.stopping:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(sock,), daemon=True).start()

    def _connection(self, sock):
        with self.changed:
            self.connections += 1
            number = self.connections
            self.open.add(sock)
        plain = sock
        try:
            with self.changed:
                step = self._take(None)
            if step:
                raise Cut(step)
            if self.context:
                sock.settimeout(30)
                sock = self.context.wrap_socket(sock, server_side=True)
                sock.settimeout(None)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = sock.makefile("rb")
            while not self.stopping and self._one(sock, reader, number):
                pass
        except Cut as cut:
            if cut.args and cut.args[0].get("reset"):
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except (OSError, ValueError):
            pass
        finally:
            with self.changed:
                self.open.discard(plain)
            if sock is plain or not isinstance(sock, ssl.SSLSocket):
                plain.close()
            else:
                sock.close()

    def _one(self, sock, reader, number):
        """One request and its answer.  False: the connection ends."""
        line = reader.readline(65536).decode("latin-1").split()
        if len(line) != 3:
            return False
        method, path, version = line
        headers = []
        while True:
            field = reader.readline(65536).decode("latin-1").rstrip("\r\n")
            if not field:
                break
            name, _, value = field.partition(":")
            headers.append([name, value.strip()])
        if path.startswith("/_"):
            return self._control(sock, reader, method, path, headers)
        request = self._request(number, method, path, headers)
        with self.changed:
            step = self._take(request, headers_only=True)
        if step:
            self._arrived(request)
            self._finish(request, "cut")
            raise Cut(step)
        request["body"] = self._body(sock, reader, request["headers"])
        request["json"] = text_json(request["body"])
        with self.changed:
            self._arrived(request)
            step = self._take(request) or {}
        try:
            self._answer(sock, request, step)
        except (Cut, OSError):
            self._finish(request, request["status"] or "cut")
            raise
        self._finish(request, request["status"])
        return version == "HTTP/1.1" and request["headers"].get("connection", "").lower() != "close" \
            and not step.get("endless")

    def _request(self, number, method, path, headers):
        first = {}
        for name, value in headers:
            first.setdefault(name.lower(), value)
        return {"n": 0, "connection": number, "time": time.time(), "mono": time.monotonic(), "done": None,
                "role": self.kind or ("chatwoot" if "/api/v1/" in path else "hub"), "method": method,
                "path": path, "headers": first, "header_list": headers, "body": b"", "json": None,
                "status": None}

    def _arrived(self, request):
        with self.changed:
            request["n"] = len(self.requests) + 1
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.changed.notify_all()

    def _finish(self, request, status):
        with self.changed:
            request["status"], request["done"] = status, time.time()
            self.in_flight -= 1
            if self.log:
                self.log.write(json.dumps(self._record(request)) + "\n")
            self.changed.notify_all()

    @staticmethod
    def _record(request):
        return dict(request, body=request["body"].decode("utf-8", "replace"))

    @staticmethod
    def _body(sock, reader, headers):
        if headers.get("expect", "").lower() == "100-continue":
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while True:
                size = int(reader.readline(64).split(b";")[0], 16)
                body += reader.read(size)
                reader.readline(8)
                if size == 0 or len(body) > BODY_MAX:
                    return body
        want = int(headers.get("content-length", "0"))
        if want > BODY_MAX:
            raise ValueError("too large")
        body = reader.read(want)
        if len(body) != want:
            raise ValueError("cut body")
        return body

    # ---- the script ----

    def _take(self, request, headers_only=False):
        """The step for this request (None: a new connection), one turn of it used up.  Cuts are
        looked for early, but never before a step that stands in front of them."""
        for i, step in enumerate(self.script):
            stage = {"accept": 0, "before": 1}.get(step.get("cut"), 2)
            now = 0 if request is None else 1 if headers_only else 2
            if stage < now or not self._fits(step, request, now):
                continue
            if stage > now:
                return None
            times = step.get("times", 1)
            if times == 1:
                self.script = self.script[:i] + self.script[i + 1:]
            elif times > 1:
                self.script = self.script[:i] + [dict(step, times=times - 1)] + self.script[i + 1:]
            return step
        return None

    def _fits(self, step, request, now):
        if now == 0:
            return not {"path", "method", "role", "contains", "over"} & set(step)
        return (re.search(step.get("path", ""), request["path"])
                and step.get("method") in (None, request["method"])
                and step.get("role") in (None, request["role"])
                and (now == 1 or step.get("contains", "").encode() in request["body"])
                and self.in_flight > step.get("over", 0) - (now == 1))

    def _hold(self, sock, step):
        """Until the step lets the answer go; Cut when it never does or nobody waits for it."""
        until = time.monotonic() + step.get("delay", 0) + self.latency
        name, epoch = step.get("hold"), self.epoch
        with self.changed:
            while True:
                if self.stopping or (step.get("hang") and self.epoch != epoch):
                    raise Cut(step)
                left = until - time.monotonic()
                held = step.get("hang") or (name and name not in self.released)
                if self.epoch != epoch or not (held or left > 0):
                    return
                self.changed.wait(0.1 if held else min(left, 0.1))
                if self._gone(sock):
                    raise Cut(step)

    @staticmethod
    def _gone(sock):
        if isinstance(sock, ssl.SSLSocket) or not select.select([sock], [], [], 0)[0]:
            return False
        try:
            return sock.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    # ---- answers ----

    def _answer(self, sock, request, step):
        self._hold(sock, step)
        status = step.get("status", 200)
        if step.get("effect", 200 <= status < 300):
            usual = self._hub(request) if request["role"] == "hub" else self._chatwoot(request)
        else:
            usual = status, {"error": "as the script says"}
        if "status" not in step:
            status = usual[0]
        elif not 200 <= status < 300 or status == 204:
            usual = status, None if status == 204 else {"error": "as the script says"}
        request["status"] = status
        if step.get("cut") == "after":
            raise Cut(step)
        if "body" in step:
            body = step["body"].encode()
        elif "huge" in step:
            body = b'{"content":"' + b"x" * step["huge"] + b'"}'
        else:
            value = step["json"] if "json" in step else usual[1]
            body = b"" if value is None else json.dumps(value, ensure_ascii=False).encode()
        self._send(sock, step, status, body)

    def _send(self, sock, step, status, body):
        headers = collections.OrderedDict({"Content-Type": "application/json"})
        if "retry_after" in step:
            headers["Retry-After"] = str(step["retry_after"])
        headers.update(step.get("headers", {}))
        if step.get("endless"):
            headers["Connection"] = "close"
        elif status != 204:
            headers["Content-Length"] = str(len(body))
        head = "HTTP/1.1 %d %s\r\n" % (status, PHRASES.get(status, "Whatever"))
        head += "".join("%s: %s\r\n" % pair for pair in headers.items()) + "\r\n"
        sock.sendall(head.encode("latin-1"))
        if step.get("cut") == "middle":
            sock.sendall(body[:len(body) // 2])
            raise Cut(step)
        if "drip" in step or step.get("endless"):
            self._drip(sock, body, step)
        else:
            sock.sendall(body)

    def _drip(self, sock, body, step):
        for i in range(len(body)):
            sock.sendall(body[i:i + 1])
            with self.changed:
                self.changed.wait_for(lambda: self.stopping, step.get("drip", 0))
            if self.stopping:
                return
        while step.get("endless") and not self.stopping:
            sock.sendall(b" ")
            with self.changed:
                self.changed.wait_for(lambda: self.stopping, step.get("drip", 1.0))

    @staticmethod
    def _hub(request):
        asked = request["json"]
        if not isinstance(asked, dict):
            return 400, {"error": "not a JSON object"}
        said = [m.get("text") or "" for m in asked.get("messages", []) if isinstance(m, dict)]
        return 200, {"content": "You said: " + " / ".join(said)}

    # ---- Chatwoot ----

    def conversation(self, id, account=7, **change):
        """The conversation, made when it is not there; changed as told."""
        with self.changed:
            c = self.conversations.setdefault((account, id), {
                "id": id, "account_id": account, "inbox_id": 31, "status": "pending", "can_reply": True, "labels": [],
                "meta": {"sender": {"id": 2001, "name": "Ana", "type": "contact", "phone_number": "+12025550143", "email": None,
                                    "identifier": None}, "channel": "Channel::WebWidget", "assignee": None},
                "additional_attributes": {}, "custom_attributes": {}, "messages": [], "created_at": int(time.time()),
                "updated_at": round(time.time(), 6), "last_activity_at": int(time.time())})
            if change:
                if "assignee" in change:
                    c["meta"]["assignee"] = change.pop("assignee")
                c.update({"updated_at": round(time.time(), 6)}, **change)
            return c

    def says(self, conversation, id, text, account=7, who="contact", at=None, **more):
        """A message that Chatwoot has and nobody was told of."""
        senders = {"contact": self.conversation(conversation, account)["meta"]["sender"],
                   "user": {"id": 12, "name": "Agente", "type": "user"}}
        message = {"id": id, "content": text, "account_id": account, "inbox_id": 31, "conversation_id": conversation,
                   "message_type": 0 if who == "contact" else 1, "content_type": "text", "status": "sent",
                   "content_attributes": {}, "created_at": int(at or time.time()), "private": False, "source_id": None,
                   "sender": senders[who], **more}
        with self.changed:
            self.history.append(message)
            self.conversation(conversation, account)["last_activity_at"] = message["created_at"]
        return message

    def _told(self, what, conversation, message=None):
        if self.on_change:
            threading.Thread(target=self.on_change, args=(what, conversation, message), daemon=True).start()

    def _chatwoot(self, request):
        path, _, query = request["path"].partition("?")
        found = CHATWOOT.search(path)
        if not found:
            return 404, {"error": "Resource could not be found"}
        given = {request["headers"].get("api_access_token"), request["headers"].get("api-access-token")}
        human = self.user_token is None or self.user_token in given
        if self.token and self.token not in given and not (self.user_token and human):
            return 401, {"error": "Invalid Access Token"}
        account, what = int(found.group(1)), found.group(3)
        asked = {k: v[0] for k, v in urllib.parse.parse_qs(query).items()}
        may = {None: "show", "labels": "labels", "toggle_typing_status": "typing"}.get(what)
        bot_only = self.user_token is not None and not human
        if (may and bot_only and may not in self.bots_may) or (bot_only and request["method"] == "GET"
                                                               and (what == "messages" or not found.group(2))):
            return 401, {"error": "Access to this endpoint is not authorized for bots"}
        if not found.group(2):
            return 200, {"data": {"meta": {}, "payload": self._page(account, int(asked.get("page", 1)))}}
        id = int(found.group(2))
        if self.strict and (account, id) not in self.conversations:
            return 404, {"error": "Resource could not be found"}
        c = self.conversation(id, account)
        if request["method"] == "GET":
            if what == "messages":
                return 200, {"meta": {}, "payload": self._list(account, id, asked)}
            return 200, {"payload": c["labels"]} if what == "labels" else c
        posted = request["json"]
        if not isinstance(posted, dict):
            return 422, {"error": "not a JSON object"}
        if what == "messages":
            return 200, self._post(account, id, c, posted)
        if what == "labels":
            self.conversation(id, account, labels=posted["labels"])
            self._told("labels", c)
            return 200, {"payload": c["labels"]}
        if what == "toggle_status":
            self.conversation(id, account, status=posted["status"])
            self._told("status", c)
            return 200, {"meta": {}, "payload": {"success": True, "conversation_id": id, "current_status": c["status"]}}
        return 200, None

    def _page(self, account, page):
        with self.changed:
            mine = [c for (a, _), c in self.conversations.items() if a == account]
        mine.sort(key=lambda c: -c["last_activity_at"])
        return mine[(page - 1) * 25:page * 25]

    def _list(self, account, conversation, asked):
        with self.changed:
            mine = sorted((m for m in self.history if (m["account_id"], m["conversation_id"]) == (account, conversation)),
                          key=lambda m: m["id"])
        if "after" in asked:
            return [m for m in mine if m["id"] > int(asked["after"])][:100]
        return [m for m in mine if "before" not in asked or m["id"] < int(asked["before"])][-20:]

    def _post(self, account, id, conversation, posted):
        with self.changed:
            newest = max([700000 + len(self.messages)] + [m["id"] for m in self.history])
            message = {"id": newest + 1, "content": posted.get("content"), "inbox_id": 31,
                       "conversation_id": id, "account_id": account,
                       "message_type": 1, "content_type": posted.get("content_type", "text"),
                       "status": "sent", "content_attributes": posted.get("content_attributes", {}),
                       "created_at": int(time.time()), "private": bool(posted.get("private", False)),
                       "source_id": None, "sender": {"id": 4, "name": "Bot", "type": "agent_bot"}}
            self.messages.append(message)
            self.history.append(message)
            conversation["last_activity_at"] = message["created_at"]
            self.changed.notify_all()
        self._told("message", conversation, message)
        return message

    # ---- control ----

    def _control(self, sock, reader, method, path, headers):
        body = self._body(sock, reader, {k.lower(): v for k, v in headers})
        status, value = 200, {}
        with self.changed:
            if path == "/_log":
                value = [self._record(r) for r in self.requests]
            elif path == "/_messages":
                value = list(self.messages)
            elif path == "/_stats":
                value = {"requests": len(self.requests), "messages": len(self.messages),
                         "connections": self.connections, "in_flight": self.in_flight,
                         "most_in_flight": self.most_in_flight}
        if path == "/_script" and method == "POST":
            self.add(*json.loads(body))
        elif path == "/_reset" and method == "POST":
            self.reset()
        elif path.startswith("/_release/") and method == "POST":
            self.release(path[len("/_release/"):])
        elif path not in ("/_log", "/_messages", "/_stats"):
            status, value = 404, {"error": "no such control"}
        self._send(sock, {}, status, json.dumps(value).encode())
        return True


def main():
    parser = argparse.ArgumentParser(description="Plays the AI hub and Chatwoot.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    parser.add_argument("--log", help="file that gets a JSON line per request")
    parser.add_argument("--script", help="JSON file with a list of steps")
    parser.add_argument("--token", help="what Chatwoot's api_access_token must be")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before every answer")
    args = parser.parse_args()
    steps = []
    if args.script:
        with open(args.script, encoding="utf-8") as f:
            steps = json.load(f)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    peer = Peer(None, args.host, args.port, args.tls, args.log, steps, args.token, args.latency).start()
    print(json.dumps({"port": peer.port, "url": peer.url}), flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    peer.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
