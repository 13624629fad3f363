"""What every scenario stands on: a real `ponte up` in a directory of its own,
real nginx in front, a scriptable hub and Chatwoot behind.  No fixed ports, no
sleeping and hoping: wait_for() waits for the event, with a deadline, and shows
what was said when it did not come."""

import hashlib
import hmac
import http.client
import itertools
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PONTE_BUILD", TOP / "build")).resolve()
sys.path.insert(0, str(TOP / "t" / "peers"))

from peer import Peer  # noqa: E402

PONTE = BUILD / "app/ponte/ponte"
SLOW = float(os.environ.get("PONTE_SLOW", "1"))     # sanitizers and Valgrind take longer


def wait_for(what, seconds=15, why="", show=None):
    """Calls what() until it is true; its value.  Fails with `why`."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            said = f"\n{show()}" if show else ""
            pytest.fail(f"waited {seconds * SLOW:.0f} s in vain: {why or what}{said}")
        time.sleep(0.01)


def sign(secret, body, timestamp=None):
    """The headers of a signed Chatwoot webhook."""
    stamp = str(int(time.time()) if timestamp is None else timestamp)
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Chatwoot-Timestamp": stamp, "X-Chatwoot-Signature": "sha256=" + mac,
            "X-Chatwoot-Delivery": f"00000000-0000-4000-8000-{next(_delivery):012d}"}


_delivery = itertools.count(1)
_ids = itertools.count(1000)


def message(text="Olá, vocês têm o modelo 42 em azul?", *, id=None, conversation=501, account=7, inbox=31,
            status="pending", assignee=None, type="incoming", sender="contact", updated=None, **more):
    """A message_created body in Chatwoot's flat form."""
    contact = {"id": 2001, "name": "Ana", "email": None, "identifier": None, "phone_number": "+12025550143",
               "thumbnail": "", "blocked": False, "additional_attributes": {}, "custom_attributes": {}}
    senders = {"contact": contact, "user": {"id": 12, "name": "Agente", "type": "user"},
               "bot": {"id": 4, "name": "Bot", "type": "agent_bot"}, None: None}
    owners = {None: None, "bot": {"id": 4, "name": "Bot", "type": "agent_bot"},
              "user": {"id": 12, "name": "Agente", "type": "user"}}
    body = {
        "account": {"id": account, "name": "Loja"}, "additional_attributes": {}, "content_attributes": {},
        "content_type": "text", "content": text,
        "conversation": {
            "additional_attributes": {}, "can_reply": True, "channel": "Channel::WebWidget",
            "contact_inbox": {"id": 1, "contact_id": 2001, "inbox_id": inbox, "source_id": "s",
                              "pubsub_token": "CANARYpubsub"},
            "id": conversation, "inbox_id": inbox, "messages": [], "labels": [],
            "meta": {"sender": dict(contact, type="contact"), "assignee": owners[assignee], "team": None},
            "status": status, "custom_attributes": {}, "unread_count": 1,
            "updated_at": updated if updated is not None else round(time.time(), 6),
            "account": {"id": account, "name": "Loja"}},
        "created_at": "2026-01-02T10:00:00.412Z", "id": next(_ids) if id is None else id,
        "inbox": {"id": inbox, "name": "Site"}, "message_type": type, "private": False,
        "sender": senders[sender], "source_id": None, "event": "message_created"}
    body.update(more)
    return body


def status_changed(status, *, conversation=501, account=7, assignee=None, updated=None, event="conversation_status_changed"):
    m = message(conversation=conversation, account=account, status=status, assignee=assignee, updated=updated)
    return dict(m["conversation"], event=event, changed_attributes=None)


def dump(body):
    return body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


# No typing, no look before a post, nothing done for a customer without an answer.
PLAIN = "    typing: false\n    look_first: false\n    give_up: {note: false, handoff: false}\n"
USUAL = ""                              # what a tenant gets that says nothing


class Instance:
    """One ponte in one directory."""

    SECRET = {"bot": "TESTbotSecretAbc123", "account": "TESTaccountSecretDef456", "inbox": "TESTinboxSecretGhi789"}
    TOKEN = "TESTbotTokenJkl012"
    USER_TOKEN = "TESTuserTokenPqr678"
    HUB_TOKEN = "TESThubTokenMno345"

    def __init__(self, root, settings="", nginx=True, env=None, limits=False, allow=()):
        self.dir = pathlib.Path(root)
        self.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.settings, self.nginx, self.limits = settings, nginx, limits
        self.env = dict(os.environ, **(env or {}))
        self.env.setdefault("PONTE_NGINX_DIR", str(TOP / "nginx"))
        self.process, self.lines, self.https = None, [], None
        self.hub, self.chatwoot = Peer("hub"), Peer("chatwoot")
        self.hub.start()
        self.chatwoot.start()
        self.allow = [f"127.0.0.1:{self.hub.port}", f"127.0.0.1:{self.chatwoot.port}", *allow]
        self.write_settings(settings)

    # ---- life ----

    def write_settings(self, text):
        """`text` is YAML in which {allow} stands for the peers' addresses.  What would
        only make tests wait is short unless the text says otherwise."""
        for name, key, short in (("hub", "debounce", "debounce: 0"), ("chatwoot", "echo_wait", "echo_wait: 1s, lookup_wait: 300ms")):
            if f"{name}:" not in text:
                text += f"\n{name}: {{{short}}}\n"
            elif key not in text:
                text = re.sub(rf"^{name}: {{", f"{name}: {{{short}, ", text, flags=re.M)
        if "delivery:" not in text:
            text += "\ndelivery:\n  allow_private: {allow}\n  reply_budget: 0\n"
        (self.dir / "ponte.yaml").write_text(text.replace("{allow}", json.dumps(self.allow)))

    def start(self, wait=True):
        argv = [str(PONTE), "up", "--dir", str(self.dir), "--https-port", "0"]
        if self.nginx:
            argv.append("--with-nginx")
        if self.limits:
            argv.append("--limits")
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if wait:
            assert select.select([self.process.stdout], [], [], 60 * SLOW)[0], "ponte up is not ready:\n" + self.log_tail()
            line = self.process.stdout.readline()
            assert line, "ponte up ended before it was ready:\n" + self.log_tail()
            self.ready = json.loads(line)
            if self.nginx:
                self.https = self.ready["https"]
                self.port = int(self.https.rsplit(":", 1)[1])
        return self

    def _read_log(self):
        for line in self.process.stderr:
            self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))

    def stop(self, signo=signal.SIGTERM):
        status = None
        if self.process and self.process.poll() is None:
            self.process.send_signal(signo)
            try:
                status = self.process.wait(30 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError("ponte up does not stop:\n" + self.log_tail())
        if self.process:
            self._reader.join(5)
        return status

    def close(self):
        try:
            self.stop()
        finally:
            self.hub.stop()
            self.chatwoot.stop()

    # ---- looking ----

    def events(self, event=None, **fields):
        """The log lines, parsed, that have these fields."""
        found = []
        for line in list(self.lines):
            try:
                row = json.loads(line[line.index("{"):])
            except ValueError:
                continue                # nginx has its own way, and so have programs that cannot start
            if (event is None or row.get("event") == event) and all(row.get(k) == v for k, v in fields.items()):
                found.append(row)
        return found

    def log_tail(self, n=60):
        return "\n".join(self.lines[-n:])

    def pids(self, program):
        """Of our own children (and theirs) that run this program: 'ponte-worker', 'nginx', …"""
        children = {}
        for p in pathlib.Path("/proc").iterdir():
            if p.name.isdigit():
                try:
                    stat = (p / "stat").read_text()
                    children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(
                        (int(p.name), stat[stat.index("(") + 1:stat.rindex(")")]))
                except (OSError, ValueError):
                    continue
        found, todo = [], [self.process.pid]
        while todo:
            for pid, name in children.get(todo.pop(), []):
                todo.append(pid)
                if name == program[:15]:
                    found.append(pid)
        return sorted(found)

    def kill(self, program, signo=signal.SIGKILL, which=0):
        pid = wait_for(lambda: self.pids(program)[which:], why=f"a {program} to signal", show=self.log_tail)[0]
        os.kill(pid, signo)
        return pid

    def run(self, *args, check=True, input=None, timeout=60):
        r = subprocess.run([str(PONTE), "--dir", str(self.dir), *map(str, args)], capture_output=True, text=True,
                           input=input, env=self.env, timeout=timeout * SLOW)
        if check:
            assert r.returncode == 0, f"ponte {args}: {r.returncode}\n{r.stdout}{r.stderr}\n{self.log_tail(20)}"
        return r

    def queue(self, *args):
        """`ponte queue list --json`: the rows."""
        return [json.loads(line) for line in self.run("queue", "list", "--json", *args).stdout.splitlines()]

    def check_store(self):
        """Both books balance."""
        r = self.run("check", "--store", check=False)
        assert r.returncode == 0, r.stdout + r.stderr
        return r

    # ---- tenants ----

    def addon_token(self, tenant, name="addon"):
        """A new one that may sync and read."""
        return json.loads(self.run("token", "new", name, "--tenant", tenant, "--scope", "sync,read", "--json").stdout)["token"]

    def tenant(self, name="shop", account=7, kinds=("bot",), hub=None, chatwoot=None, installation="main",
               secrets=None, extra="", sender_extra="", inboxes="[{id: 31, account: %d, channel: web}]", token=None,
               manners=PLAIN, user_token=None):
        """Imports a tenant whose hub and Chatwoot are our peers.  manners: lines of its own for
        how it treats conversations; plain unless told, so that a test sees the requests it is about."""
        d = self.dir / "import"
        d.mkdir(exist_ok=True)
        secrets = secrets or self.SECRET
        (d / f"{name}.token").write_text((token or self.TOKEN) + "\n")
        (d / f"{name}.hub").write_text(self.HUB_TOKEN + "\n")
        if user_token:
            (d / f"{name}.user").write_text(user_token + "\n")
        user = f"user_token_file: {name}.user, " if user_token else ""
        rows = []
        for kind in kinds:
            (d / f"{name}.{kind}.secret").write_text(secrets[kind] + "\n")
            rows.append(f"      - {{kind: {kind}, label: {kind}, installation: {installation}, account: {account}, "
                        f"secret_file: {name}.{kind}.secret{sender_extra}}}\n")
        text = ("tenants:\n"
                f"  - name: {name}\n    domain: retail\n{extra}{manners}"
                f"    hub: {{url: \"{hub or self.hub.url}/\", token_file: {name}.hub}}\n"
                "    installations:\n"
                f"      - {{id: {installation}, url: \"{chatwoot or self.chatwoot.url}\", bot_id: 4, "
                f"bot_token_file: {name}.token, {user}accounts: [{{id: {account}}}], "
                f"inboxes: {inboxes % account if '%d' in inboxes else inboxes}}}\n"
                "    senders:\n" + "".join(rows))
        (d / f"{name}.yaml").write_text(text)
        self.run("tenant", "import", d / f"{name}.yaml")

    # ---- asking ----

    def connect(self, timeout=30):
        tls = ssl.create_default_context(cafile=self.dir / "tls/cert.pem")
        tls.check_hostname = False
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout * SLOW, context=tls)

    def ask(self, method, path, body=None, headers=None, connection=None):
        c = connection or self.connect()
        headers = dict(headers or {})
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        c.request(method, path, body, headers)
        r = c.getresponse()
        answer = Answer(r.status, r.headers, r.read())
        if connection is None:
            c.close()
        return answer

    def send(self, body, kind="bot", tenant="shop", path=None, secret=None, headers=None, connection=None, timestamp=None):
        """A signed webhook through nginx."""
        raw = dump(body)
        signed = sign(secret or self.SECRET[kind], raw, timestamp)
        return self.ask("POST", path or f"/webhook/chatwoot/{tenant}/{kind}", raw, dict(signed, **(headers or {})),
                        connection)

    def posted(self, conversation=None):
        """What arrived at Chatwoot as messages: [(conversation, content)]."""
        rows = []
        for r in self.chatwoot.requests:
            parts = r["path"].split("/")
            if r["method"] == "POST" and parts[-1] == "messages":
                rows.append((int(parts[-2]), r["json"].get("content"), r["json"]))
        return [r for r in rows if conversation is None or r[0] == conversation]


@pytest.fixture
def make(request):
    """make(settings=…, nginx=…): a started instance; all are closed at the end."""
    made, roots = [], []

    def _make(settings="", start=True, **kw):
        root = tempfile.mkdtemp(prefix="ponte-")
        roots.append(root)
        i = Instance(root, settings, **kw)
        made.append(i)
        return i.start() if start else i

    yield _make
    failed = getattr(request.node, "rep_call", None) is not None and request.node.rep_call.failed
    for i in made:
        try:
            i.close()
        finally:
            if failed:
                print(f"---- log of {i.dir} ----\n{i.log_tail(150)}")
    for root in roots:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def ponte(make):
    """The usual one: nginx, tenant `shop` with a bot sender."""
    i = make()
    i.tenant()
    return i


# What runs again under ASan and UBSan: one scenario per row, and no more, for
# time's sake (t/run, stage sanitizers).
SANITIZED = """
    test_l1_random_kills_under_load
    test_l3_nothing_is_acknowledged_while_the_disk_fails[fsync_eio]
    test_l4_below_min_free_intake_is_refused_while_settles_go_on
    test_l5_the_keeper_dies_while_32_workers_wait
    test_l7_a_slow_hub_is_bounded_and_others_go_on
    test_l8_a_flapping_hub
    test_o1_the_same_event_five_times_at_once_is_one
    test_o3_order_holds_over_a_restart_of_the_courier
    test_o4_what_crashes_the_courier_is_set_aside_after_three_times[build]
    test_o6_the_customer_writes_again_meanwhile
    test_o6_between_two_parts_of_an_answer
    test_o7_a_burst_is_one_request_in_order
    test_an_answer_in_full_arrives_in_order
    test_an_answer_that_comes_later
    test_a_hub_that_is_down_ends_in_the_ladder
    test_a_hub_that_answers_nonsense
    test_r4_a_worker_that_dies_at_start_is_throttled
    test_h1_bodies_that_are_not_what_they_say
    test_h2_json_that_two_parsers_could_read_differently[duplicate keys]
    test_h5_an_address_cannot_be_named_by_the_client
    test_h6_signatures_and_the_window
    test_h8_a_hub_at_a_private_address_is_never_asked
    test_h9_the_chatwoot_side_is_judged_alike
    test_h10_canaries_are_nowhere
    test_h11_one_event_is_one_line_whatever_was_sent
    test_ten_reloads_under_load_fail_no_request
    test_every_fixture_over_the_real_door
    test_the_request_is_what_the_guide_says
    test_send_shows_each_hop
"""


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitizers: runs again in a build with ASan and UBSan")


def pytest_collection_modifyitems(items):
    wanted = {line.strip() for line in SANITIZED.strip().splitlines()}
    for item in items:
        if item.name in wanted:
            item.add_marker("sanitizers")


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, "rep_" + outcome.get_result().when, outcome.get_result())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
