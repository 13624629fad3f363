#!/usr/bin/python3
"""The main job, shown: a signed webhook in, the hub's answer posted; rules in, and found.

usage: demo.py --build DIR [--once]

Starts `ponte up` with a real nginx in a fresh directory under DIR/demo, a demo
hub and a demo Chatwoot beside it, sends a signed sample message through nginx
and says what happens at each hop; then pushes rules as an Odoo addon does, at
the path that once was 404, and finds one by a word of it.  Stays up until
Ctrl-C; with --once it ends: 0 when the reply was posted and the rule found, 1
when not.
"""

import argparse
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "t" / "peers"))

from peer import Peer  # noqa: E402

TENANT, ACCOUNT, INBOX, CONVERSATION = "demo", 1, 11, 42
WAIT = 30.0


class Failed(Exception):
    """The demo cannot go on; its text says why."""


def say(text):
    print(text, flush=True)


class Demo:
    def __init__(self, build):
        self.ponte = build / "app/ponte/ponte"
        if not self.ponte.is_file():
            raise Failed(f"{self.ponte} is missing: build first")
        (build / "demo").mkdir(exist_ok=True)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="", dir=build / "demo"))
        self.log = open(self.dir / "ponte.log", "wb")
        self.secret, self.token = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        self.hub = Peer("hub", latency=0.05)
        self.chatwoot = Peer("chatwoot", token=self.token)
        self.up, self.bearer, self.told = None, None, threading.Event()
        self.began = time.monotonic()

    # ---- starting ----

    def start(self):
        self.hub.start()
        self.chatwoot.start()
        say(f"demo hub       {self.hub.url}/")
        say(f"demo Chatwoot  {self.chatwoot.url}/")
        allow = json.dumps([f"127.0.0.1:{p.port}" for p in (self.hub, self.chatwoot)])
        (self.dir / "ponte.yaml").write_text(
            "# The demo's hub and Chatwoot live on this machine, which ponte does not\n"
            "# call unless it is told to.\n"
            f"delivery:\n  allow_private: {allow}\n")
        argv = [str(self.ponte), "up", "--dir", str(self.dir), "--with-nginx", "--https-port", "0"]
        env = dict(os.environ, PONTE_NGINX_DIR=str(TOP / "nginx"))
        # A session of its own: Ctrl-C is ours, and we stop it in order.
        self.up = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=self.log, env=env, start_new_session=True)
        killer = threading.Timer(WAIT, self.up.kill)
        killer.start()
        line = self.up.stdout.readline()
        killer.cancel()
        if not line:
            raise Failed(f"ponte up did not get ready within {WAIT:.0f} s")
        self.https = json.loads(line)["https"]
        say(f"ponte          {self.https}/  (nginx, workers, keeper, courier; all files in {self.dir})")

    def tenant(self):
        where = self.dir / "tenant"
        where.mkdir()
        for name, value in ("bot.secret", self.secret), ("bot.token", self.token):
            (where / name).write_text(value + "\n")
            (where / name).chmod(0o600)
        (where / "tenants.yaml").write_text(
            "tenants:\n"
            f"  - name: {TENANT}\n"
            "    domain: retail\n"
            f"    hub: {{url: \"{self.hub.url}/\"}}\n"
            "    installations:\n"
            f"      - {{id: main, url: \"{self.chatwoot.url}\", bot_id: 3, bot_token_file: bot.token,\n"
            f"         accounts: [{{id: {ACCOUNT}}}], inboxes: [{{id: {INBOX}, account: {ACCOUNT}, channel: web}}]}}\n"
            "    senders:\n"
            f"      - {{kind: bot, label: bot, installation: main, account: {ACCOUNT}, secret_file: bot.secret}}\n")
        self.run("tenant", "import", where / "tenants.yaml")
        said = self.run("token", "new", "addon", "--tenant", TENANT, "--scope", "sync,read", "--json")
        self.bearer = json.loads(said)["token"]
        say(f"tenant         {TENANT}: account {ACCOUNT}, inbox {INBOX}, an agent bot with a secret, a token for Odoo's addon; imported")

    def run(self, *words):
        run = subprocess.run([str(self.ponte), "--dir", str(self.dir), *map(str, words)], capture_output=True, text=True, timeout=WAIT)
        if run.returncode != 0:
            raise Failed(f"ponte {words[0]} {words[1]}: " + (run.stderr or run.stdout).strip())
        return run.stdout

    # ---- the hops ----

    def hop(self, who, text):
        say(f"  {(time.monotonic() - self.began) * 1000:8.1f} ms  {who:<9} {text}")

    def watch(self):
        """Says what arrives at the hub and at Chatwoot, as it happens."""
        threading.Thread(target=self._follow, args=(self.hub, self.at_hub), daemon=True).start()
        threading.Thread(target=self._follow, args=(self.chatwoot, self.at_chatwoot), daemon=True).start()

    @staticmethod
    def _follow(peer, tell):
        seen = 0
        while not peer.stopping:
            with peer.changed:
                peer.changed.wait_for(lambda: peer.stopping or any(r["done"] for r in peer.requests[seen:seen + 1]), 1.0)
                fresh = [r for r in peer.requests[seen:seen + 1] if r["done"]]
            for request in fresh:
                tell(request)
                seen += 1

    def at_hub(self, request):
        asked = request["json"] or {}
        if asked.get("event") == "knowledge.changed":
            self.hop("hub", f"was told of changes: {', '.join(asked['changed'])}; answered {request['status']}")
            self.told.set()
            return
        texts = [m.get("text") for m in asked.get("messages", [])]
        self.hop("hub", f"was asked about conversation {asked.get('conversation_id')}: {texts}, "
                        f"key {request['headers'].get('idempotency-key')}; answered {request['status']}")

    def at_chatwoot(self, request):
        posted = (request["json"] or {}).get("content")
        self.hop("Chatwoot", f"{request['method']} {request['path']} -> {request['status']}")
        if request["status"] == 200 and posted is not None:
            self.hop("reply", f"posted: {posted!r}")

    def send(self):
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now))
        message = json.loads((TOP / "t/data/message_created.json").read_text(encoding="utf-8"))
        message.update(id=int(now * 1000), created_at=stamp)
        message["conversation"].update(updated_at=round(now, 6), timestamp=int(now), last_activity_at=int(now))
        message["conversation"]["messages"][0].update(id=message["id"], created_at=int(now), updated_at=stamp)
        body = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()
        timestamp = str(int(now))
        mac = hmac.new(self.secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Chatwoot-Timestamp": timestamp,
                   "X-Chatwoot-Signature": "sha256=" + mac}
        path = f"/webhook/chatwoot/{TENANT}/bot"
        connection = self.connect()
        say("")
        say(f"A customer writes: {message['content']!r}")
        self.began = time.monotonic()
        self.hop("Chatwoot", f"POST {path}, {len(body)} bytes, signed, over TLS")
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said = answer.read().decode("utf-8", "replace")
        connection.close()
        self.hop("ponte", f"answered {answer.status} {said}")
        if answer.status != 200 or json.loads(said).get("status") != "accepted":
            raise Failed("the webhook was not accepted")
        self.hop("keeper", "has the message on disk: from here on it is not lost, whatever is killed")
        try:
            self.chatwoot.wait_messages(1, WAIT)
            self.chatwoot.wait_requests(1, WAIT)
        except AssertionError as e:
            queue = subprocess.run([str(self.ponte), "--dir", str(self.dir), "queue", "list"],
                                   capture_output=True, text=True, timeout=WAIT)
            raise Failed(f"no reply was posted within {WAIT:.0f} s ({e})\n{queue.stdout}{queue.stderr}") from e

    def connect(self):
        host, _, port = self.https.removeprefix("https://").rpartition(":")
        connection = http.client.HTTPSConnection(
            host, int(port), timeout=WAIT, context=ssl.create_default_context(cafile=self.dir / "tls/cert.pem"))
        connection.connect()    # so that the times are ponte's and not TLS's
        return connection

    def ask(self, connection, method, path, body=None):
        """`data` of the answer."""
        raw = json.dumps(body).encode() if body else None
        self.hop("Odoo" if body else "hub", f"{method} {path}" + (f", {len(raw)} bytes" if raw else ""))
        connection.request(method, path, raw, {"Authorization": "Bearer " + self.bearer, "Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read().decode("utf-8", "replace")
        if answer.status != 200:
            raise Failed(f"{method} {path}: {answer.status} {said}")
        return json.loads(said)["data"]

    def rules(self):
        rules = [("Troca", "Trocamos qualquer peça em até 30 dias, com a nota fiscal.", "return"),
                 ("Entrega", "Entregamos na cidade no mesmo dia; o frete é grátis acima de R$ 200.", "delivery"),
                 ("Parcelamento", "Em até 6 vezes sem juros no cartão.", "payment")]
        body = {"basic_info": {"company_name": "Loja"}, "temporary_rules": [],
                "permanent_rules": [{"name": n, "description": d, "type": t} for n, d, t in rules]}
        connection = self.connect()
        say("")
        say("Odoo's addon pushes the shop's rules, to the path that was 404 once:")
        self.began = time.monotonic()
        data = self.ask(connection, "POST", "/webhook/api/v1/business-rules/sync", body)
        self.hop("ponte", f"has stored {data['vectorized_rules']} rules; {data['sync_status']}")
        if not self.told.wait(WAIT):
            raise Failed(f"the hub was not told of the rules within {WAIT:.0f} s")
        say("")
        say("The hub looks for what a customer asks:")
        self.began = time.monotonic()
        found = self.ask(connection, "GET", "/api/v1/business-rules/semantic-search?query=" + urllib.parse.quote("trocar pecas") + "&limit=1")
        connection.close()
        if [r["name"] for r in found] != ["Troca"]:
            raise Failed(f"the rule was not found: {found}")
        self.hop("ponte", f"found {found[0]['name']!r}, {found[0]['similarity_score']:.2f} of the words: {found[0]['description']!r}")

    # ---- the end ----

    def stay(self):
        say("")
        say("It stays up.  Send more, in another terminal, from this directory:")
        say("")
        say(f"    {self.ponte} --dir {self.dir} send --conversation {CONVERSATION} --text \"And in red?\"")
        say(f"    {self.ponte} --dir {self.dir} queue list")
        say(f"    curl --cacert {self.dir}/tls/cert.pem -H \"Authorization: Bearer {self.bearer}\" {self.https}/api/v1/business-rules/active")
        say("")
        say(f"What the roles log: {self.dir}/ponte.log.  Ctrl-C ends it.")
        self.began = time.monotonic()
        try:
            while self.up.poll() is None:
                time.sleep(0.2)
        except KeyboardInterrupt:
            say("")
            return
        raise Failed("ponte up ended by itself")

    def stop(self, keep):
        if self.up and self.up.poll() is None:
            self.up.send_signal(signal.SIGTERM)
            try:
                self.up.wait(WAIT)
            except subprocess.TimeoutExpired:
                self.up.kill()
        self.hub.stop()
        self.chatwoot.stop()
        self.log.close()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="Shows the main job.")
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build")
    parser.add_argument("--once", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    demo, failed = None, True
    try:
        demo = Demo(args.build.resolve())
        demo.start()
        demo.tenant()
        demo.watch()
        demo.send()
        time.sleep(0.2)         # the watcher's last line
        demo.rules()
        if not args.once:
            demo.stay()
        failed = False
    except Failed as e:
        print(f"demo: failed: {e}", file=sys.stderr)
        if demo:
            tail = (demo.dir / "ponte.log").read_text(errors="replace").splitlines()[-20:]
            print("the last lines of the log:", *tail, f"all files are in {demo.dir}", sep="\n  ", file=sys.stderr)
    except KeyboardInterrupt:
        say("")
    finally:
        if demo:
            demo.stop(keep=failed)
    if args.once and not failed:
        say("demo: the reply was posted, and the rule found")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
