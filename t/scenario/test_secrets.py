"""What must stand nowhere: secrets, tokens, texts, phone numbers.  And what a
log line is, whatever is sent.  Rows H10 and H11."""

import base64
import json
import os
import pathlib
import re
import resource
import signal
import socket
import threading

import pytest

from conftest import dump, message, sign, wait_for
from tools import HOOKS, alarms, busy, delivery, raw, request, workers

SMALL = "workers: {hooks: 3, api: 1}\n"

# Nowhere at all but sealed in the store, and in the files that the operator gave.
SECRETS = {
    "webhook secret": "CANARYwebhookSecret1", "next secret": "CANARYnextSecret2", "path secret": "CANARYpathSecret3",
    "basic secret": "CANARYbasicSecret4", "bot token": "CANARYbotToken5", "hub token": "CANARYhubToken6",
    "user token": "CANARYuserToken7",
}
BASIC = base64.b64encode(b"chat:" + SECRETS["basic secret"].encode()).decode()
# In the store, at the hub and at Chatwoot, and nowhere else.
TEXTS = {"text": "CANARYtext8", "reply": "CANARYreply9", "phone": "+12025550187", "name": "CANARYcustomer10",
         "pubsub": "CANARYpubsub", "mail": "canary11@example.com"}


def canary_message(**more):
    body = message(text=TEXTS["text"], **more)
    for who in (body["sender"], body["conversation"]["meta"]["sender"]):
        who.update(name=TEXTS["name"], phone_number=TEXTS["phone"], email=TEXTS["mail"])
    return body


def canary_tenant(ponte):
    """One sender of each proof."""
    d = ponte.dir / "import"
    d.mkdir(exist_ok=True)
    s = SECRETS
    for name, text in (("w", s["webhook secret"]), ("n", s["next secret"]), ("p", s["path secret"]), ("b", "chat:" + s["basic secret"]),
                       ("t", s["bot token"]), ("h", s["hub token"]), ("u", s["user token"])):
        (d / name).write_text(text + "\n")
        (d / name).chmod(0o600)
    (d / "shop.yaml").write_text(f"""tenants:
  - name: shop
    domain: retail
    hub: {{url: "{ponte.hub.url}/", token_file: h}}
    installations:
      - {{id: main, url: "{ponte.chatwoot.url}", bot_id: 4, bot_token_file: t, user_token_file: u, accounts: [{{id: 7}}]}}
    senders:
      - {{kind: bot, label: bot, installation: main, account: 7, secret_file: w, next_secret_file: n}}
      - {{kind: account, label: path, installation: main, account: 7, unsigned: {{path_secret_file: p}}}}
      - {{kind: inbox, label: basic, installation: main, account: 7, unsigned: {{basic_file: b}}}}
""")
    return ponte.run("tenant", "import", d / "shop.yaml")


class Heap:
    """All that was ever seen, by where it was seen."""

    def __init__(self):
        self.seen = {}

    def add(self, where, data):
        data = data if isinstance(data, bytes) else data.encode()
        self.seen[where] = self.seen.get(where, b"") + data + b"\n"

    def ran(self, where, r):
        self.add(f"ponte {where}, stdout", r.stdout)
        self.add(f"ponte {where}, stderr", r.stderr)
        return r

    def answer(self, where, a):
        self.add(f"answer to {where}", repr(sorted(a.headers.items())).encode() + a.body)
        return a

    def processes(self, when, ponte):
        todo = [ponte.process.pid] + [p for n in ("ponte-worker", "ponte-keeper", "ponte-courier", "nginx") for p in ponte.pids(n)]
        for pid in todo:
            for what in ("environ", "cmdline"):
                try:
                    self.add(f"/proc/{pid}/{what} {when}", pathlib.Path(f"/proc/{pid}/{what}").read_bytes())
                except OSError:
                    continue            # it has gone, or hides it from us: so much the better

    def find(self, canaries, but=()):
        return sorted({f"{name} in {where}" for where, data in self.seen.items() for name, text in canaries.items()
                       if text.encode() in data and not where.startswith(tuple(but))})


def go_through_everything(ponte, heap):
    """Every way in, out and wrong that there is."""
    paths = {k: f"/webhook/chatwoot/shop/{k}" for k in ("bot", "account", "inbox")}
    good = ponte.send(canary_message(), secret=SECRETS["webhook secret"])
    assert good.status == 200, good
    event = good.json["event_id"]
    ponte.hub.script = [{"json": {"content": TEXTS["reply"]}}]
    second = ponte.send(canary_message(conversation=502), secret=SECRETS["next secret"])
    wait_for(lambda: (delivery(ponte, second.json["event_id"], "reply") or {}).get("state") == "done", show=ponte.log_tail)

    bodies = dump(canary_message(conversation=503))
    key, basic = SECRETS["path secret"], {"Authorization": "Basic " + BASIC}
    for where, a in (
        ("a good path secret", ponte.ask("POST", f"{paths['account']}/{key}", bodies)),
        ("good basic", ponte.ask("POST", paths["inbox"], dump(canary_message()), basic)),
        ("a bad signature", ponte.send(bodies, secret="else")),
        ("bad JSON", ponte.send(bodies[:-9], secret=SECRETS["webhook secret"])),
        ("bad schema", ponte.send(dump({"event": "message_created", "content": TEXTS["text"]}), secret=SECRETS["webhook secret"])),
        ("another account", ponte.send(canary_message(account=99), secret=SECRETS["webhook secret"])),
        ("a secret in the wrong path", ponte.ask("POST", f"{paths['bot']}/{key}", bodies)),
        ("a secret too many", ponte.ask("POST", f"{paths['account']}/{key}/more", bodies)),
        ("a secret and another method", ponte.ask("GET", f"{paths['account']}/{key}")),
        ("a secret and a query", ponte.ask("POST", f"{paths['account']}/{key}?a={key}", bodies)),
        ("a secret in a query", ponte.ask("POST", f"{paths['account']}?secret={key}", bodies)),
        ("a secret, encoded", ponte.ask("POST", f"{paths['account']}/%43{key[1:]}", bodies)),
        ("a secret, doubled slash", ponte.ask("POST", f"/webhook//chatwoot/shop/account/{key}", bodies)),
        ("a secret, upper case path", ponte.ask("POST", f"/Webhook/Chatwoot/shop/account/{key}", bodies)),
        ("a secret of another type", ponte.ask("POST", f"{paths['account']}/{key}", bodies, {"Content-Type": "text/plain"})),
        ("basic at the wrong place", ponte.ask("POST", paths["bot"], bodies, basic)),
        ("basic at an unknown path", ponte.ask("GET", "/api/nothing", None, basic)),
        ("a secret and a length that is too much", raw(ponte, request("POST", f"{paths['account']}/{key}", [("Content-Length", 99999999)],
                                                                     length=False))),
        *((f"path {n} and a length that is too much", raw(ponte, request("POST", path, [("Content-Length", 99999999)], length=False)))
          for n, path in enumerate((f"/webhook//chatwoot/shop/account/{key}", f"/Webhook/Chatwoot/shop/account/{key}", f"//webhook/chatwoot/shop/account/{key}",
                       f"{paths['account']}/%43{key[1:]}", f"{paths['account']}//{key}", f"{paths['account']}/{key}/"))),
        ("a secret and a malformed request", raw(ponte, request("POST", f"{paths['account']}/{key}", [("Content-Length", "x")], length=False))),
        ("a secret over plain http", plain(ponte, f"{paths['account']}/{key}")),
        ("a body of 5 MiB", ponte.send(canary_message(filler="y" * (5 << 20)), secret=SECRETS["webhook secret"])),
    ):
        heap.answer(where, a)
    heap.processes("under way", ponte)
    return event


def plain(ponte, path):
    with socket.create_connection(("127.0.0.1", ponte.port), timeout=10) as s:
        return raw(ponte, request("POST", path), s)


def break_everything(ponte, heap):
    """Dead and lying peers, crashed roles."""
    ponte.hub.script = [{"status": 400, "json": {"error": "no", "message": TEXTS["text"] + TEXTS["phone"]}}, {"body": TEXTS["text"]},
                        {"cut": "middle", "json": {"content": TEXTS["reply"]}}]
    for i in range(3):
        ponte.send(canary_message(conversation=510 + i), secret=SECRETS["webhook secret"])
    ponte.hub.wait(lambda p: not p.script)
    ponte.chatwoot.script = [{"status": 401, "path": "messages$"}, {"status": 422, "path": "messages$", "json": {"error": TEXTS["text"]}}]
    for i in range(2):
        ponte.send(canary_message(conversation=520 + i), secret=SECRETS["webhook secret"])
    wait_for(lambda: alarms(ponte), show=ponte.log_tail)

    # a worker dies with a body in its hands, the keeper and the courier die too
    keeper = ponte.pids("ponte-keeper")[0]
    os.kill(keeper, signal.SIGSTOP)
    answers = []
    t = threading.Thread(target=lambda: answers.append(
        ponte.ask("POST", f"/webhook/chatwoot/shop/account/{SECRETS['path secret']}", dump(canary_message(conversation=530)))))
    t.start()
    wait_for(lambda: busy(ponte, "hooks"), why="a worker that waits for the keeper", show=ponte.log_tail)
    for pid in workers(ponte, "hooks"):
        os.kill(pid, signal.SIGSEGV)
    t.join()
    heap.answer("a crash", answers[0])
    assert answers[0].status == 500
    os.kill(keeper, signal.SIGCONT)
    for role in ("ponte-courier", "ponte-keeper"):
        pid = ponte.kill(role, signal.SIGSEGV)
        wait_for(lambda: ponte.pids(role) and pid not in ponte.pids(role), show=ponte.log_tail)
    heap.processes("after the crashes", ponte)
    ponte.chatwoot.stop()
    ponte.hub.stop()
    seen = len(ponte.events("delivery"))
    ponte.tenant_again()
    a = wait_for(lambda: (lambda a: a.status == 200 and a)(ponte.send(canary_message(conversation=540), secret=SECRETS["webhook secret"])),
                 show=ponte.log_tail)
    wait_for(lambda: [e for e in ponte.events("delivery")[seen:] if e["event_id"] == a.json["event_id"]], 20, "the dead hub is tried",
             ponte.log_tail)


def test_h10_canaries_are_nowhere(make):
    ponte = make(settings=SMALL, start=False)
    temp = ponte.dir / "temp"
    temp.mkdir()
    ponte.env["TMPDIR"] = str(temp)
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))      # a core would be written if they let it
    try:
        ponte.start()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    heap = Heap()
    heap.ran("tenant import", canary_tenant(ponte))
    ponte.tenant_again = lambda: canary_tenant(ponte)
    event = go_through_everything(ponte, heap)

    body = ponte.dir / "import" / "body.json"
    body.write_bytes(dump(canary_message()))
    for args in (("tenant", "show", "shop"), ("tenant", "show", "shop", "--json"), ("tenant", "list"), ("tenant", "list", "--json"),
                 ("queue", "list"), ("queue", "list", "--json"), ("queue", "show", "--event", event), ("queue", "show", "--event", event, "--json"),
                 ("check",), ("check", "--store"), ("routes",)):
        heap.ran(" ".join(args), ponte.run(*args))
    heap.ran("explain", ponte.run("explain", body, "--tenant", "shop", "--sender", "bot", "--json"))
    heap.ran("send", ponte.run("send", "--conversation", 560, "--sender", "bot", "--json", check=False))
    break_everything(ponte, heap)
    heap.ran("queue list at the end", ponte.run("queue", "list"))
    for (pid, name) in [(p, n) for n in ("ponte-worker", "ponte-keeper", "ponte-courier") for p in ponte.pids(n)]:
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"], (name, core)
    ponte.stop()

    heap.add("log", "\n".join(ponte.lines))
    for path in ponte.dir.rglob("*"):
        if path.is_file() and ponte.dir / "import" not in path.parents:
            heap.add(str(path.relative_to(ponte.dir)), path.read_bytes())
    assert any(w.startswith("log/nginx-access") for w in heap.seen), sorted(heap.seen)
    assert any(w.startswith("state/") and TEXTS["text"].encode() in d for w, d in heap.seen.items()), "the search would find nothing"

    found = heap.find(dict(SECRETS, basic=BASIC))
    assert not found, found
    # The operator may read a text where he asks for it: explain shows the message, and the queue
    # what a hub said when it refused.
    found = heap.find(TEXTS, but=("state/", "ponte explain, stdout", "ponte queue"))
    assert not found, found
    assert not heap.find({k: TEXTS[k] for k in ("name", "mail")}, but=("state/", "ponte explain, stdout"))
    assert not heap.find({"pubsub": TEXTS["pubsub"]}, but=("state/",)), "a visitor's credential was shown"
    assert not list(temp.iterdir()), "something was left in a temporary directory"
    assert not [p for p in ponte.dir.rglob("core*")], "a core was written"
    for r in ponte.hub.requests:
        assert TEXTS["pubsub"].encode() not in r["body"]


def test_h10_files_of_an_instance_are_for_its_user_alone(make):
    ponte = make(settings=SMALL)
    ponte.tenant()
    ponte.send(message())
    for path in ponte.dir.rglob("*"):
        if path.is_symlink() or ponte.dir / "import" in path.parents or path.name in ("import", "ponte.yaml"):
            continue
        mode = path.stat().st_mode & 0o777
        top = path.relative_to(ponte.dir).parts[0]
        if path.parent == ponte.dir and path.is_dir():
            assert mode == 0o700, (path, oct(mode))
        elif path.name.startswith("catalog.db") and not path.name.endswith(".lock"):
            assert mode == 0o640, (path, oct(mode))     # workers read it, as the group; no secret is in it
        elif top in ("keys", "state"):
            assert mode & 0o077 == 0, (path, oct(mode))
        else:
            assert mode & 0o007 == 0 or (ponte.dir / top).stat().st_mode & 0o077 == 0, (path, oct(mode))


# ---- H11: log lines ---------------------------------------------------------------

CONTROL = "".join(map(chr, [*range(1, 9), 11, 12, *range(14, 32), 127]))
EVIL = 'a"b\\c' + "\x1b[31mred\x1b[0m" + CONTROL + "\u2028\u202e\u009b31m"
FAKE = '"}\n<1>{"ts":"x","level":"alarm","role":"keeper","event":"forged"}\n'


def evil_names():
    """(name of the case, event name as it stands in a body)"""
    return [("escapes", EVIL + FAKE), ("a forged line", FAKE), ("a megabyte", "x" * (1 << 20)), ("a megabyte of escapes", "\x1b" * (1 << 18))]


def evil_headers():
    values = [b'"quote\\', b"\x1b[31mred", b"\xff\xfe not UTF-8", b"\xe2\x80\xae turned", b"a\tb", b"x" * 7000, b'"}<1>{"level":"alarm"}',
              b"%0d%0aX-Evil:%201", b"\xc2\x9b31m"]
    for name in ("X-Request-ID", "X-Chatwoot-Delivery", "User-Agent", "X-Webhook-Signature", "Authorization", "Content-Type", "Referer",
                 "X-Chatwoot-Timestamp", "X-Chatwoot-Signature"):
        for value in values:
            yield name.encode(), value


def evil_paths():
    for tenant in (b"%0d%0a%3C1%3E%7B", b"%1b[31m", b"a%22b", b"x" * 3000, b"%00", b"..%2f..", b"\xff\xfe", b"caf\xc3\xa9", b"a%e2%80%aeb", b"{}\"'<>"):
        yield b"/webhook/chatwoot/" + tenant + b"/bot"
        yield b"/" + tenant
        yield b"/api/" + tenant + b"?q=" + tenant


def judge_line(line):
    """One log line of a role: <priority>{one JSON object}, printable, its values cut."""
    assert line[0] == "<" and line[2] == ">" and line[1].isdigit(), line[:200]
    row = json.loads(line[3:])
    assert not [c for c in line if ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 or c in "\u2028\u2029\u202e\ufffd"], repr(line[:300])
    for key, value in row.items():
        if isinstance(value, str):
            assert len(value.encode("utf-8", "surrogatepass")) <= 256 + 4, (key, len(value))
    assert row["event"] != "forged" and len(line) < 16384
    return row


def test_h11_one_event_is_one_line_whatever_was_sent(make):
    ponte = make(settings=SMALL)
    ponte.tenant()
    body = dump(message())
    for name, value in evil_headers():
        head = {b"Content-Type": b"application/json"}
        head.update({k.encode(): v.encode() for k, v in sign(ponte.SECRET["bot"], body).items()})
        head[name] = value
        lines = b"".join(k + b": " + v + b"\r\n" for k, v in head.items())
        a = raw(ponte, b"POST " + HOOKS.encode() + b" HTTP/1.1\r\nHost: x\r\n" + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert a and a.status < 500, (name, value, a)
        for key, said in a.headers.items():
            assert b"\x1b" not in said.encode("latin-1") and key != "x-evil", (name, value, a.headers)
    for path in evil_paths():
        a = raw(ponte, b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        assert a and 400 <= a.status < 500, (path, a)
        json.loads(a.body)
    for name, event in evil_names():
        a = ponte.send(dict(message(), event=event))
        assert a.status in (200, 422), (name, a)
        assert b"\x1b" not in a.body and b"\n" not in a.body.strip(), (name, a)
        a = ponte.send(dict(message(text=event), id=None), path="/webhook")
        assert a.status == 422, a
    raw(ponte, request("GET", "/" + "x" * 40000))
    raw(ponte, b"GET / HTTP/1.1\r\nHost: x\r\nX-Request-ID: " + b"y" * (1 << 20) + b"\r\n\r\n")
    # the other side: what a hub says of itself
    ponte.hub.script = [{"status": 400, "json": {"error": EVIL + FAKE}}, {"status": 400, "json": {"message": "x" * (1 << 20)}}]
    for i in range(2):
        event = ponte.send(message(conversation=600 + i)).json["event_id"]
        wait_for(lambda: delivery(ponte, event)["state"] == "dead", show=ponte.log_tail)
    for args in (("queue", "list"), ("queue", "show", "--event", event), ("queue", "list", "--json")):
        out = ponte.run(*args).stdout
        assert not [c for c in out if (ord(c) < 0x20 and c != "\n") or 0x7f <= ord(c) < 0xa0 or c in "\u2028\u202e"], (args, repr(out[-600:]))
        assert not [line for line in out.splitlines() if line.startswith("<1>")], args
    assert ponte.stop() == 0

    ours = [line for line in ponte.lines if not re.fullmatch(r"[0-9/]+ [0-9:]+ \[notice\] \S+: using inherited sockets from .*", line)]
    assert len([judge_line(line) for line in ours]) > 60
    for line in (ponte.dir / "log/nginx-access.log").read_bytes().splitlines():
        row = json.loads(line)
        assert row["event"] == "request" and b"\x1b" not in line and len(line) < 2048, line[:300]


@pytest.mark.parametrize("line", ['{"event":"x"}', '<6>{"event":"x"', '<6>{"event":"a\u001bb"}', '<6>{"event":"' + "x" * 300 + '"}',
                                  '<6>{"event":"forged"}', '<1>{"event":"\u202e"}'])
def test_h11_the_judge_would_see_it(line):
    with pytest.raises((AssertionError, ValueError, IndexError)):
        judge_line(line)
