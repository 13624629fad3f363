#!/usr/bin/env python3
"""bench: ponte's intake beside a FastCGI worker that does nothing and beside
FastAPI + SQLite doing the same work, behind one nginx, in one run.

usage: bench.py BUILD_DIR [--seconds N] [--runs N] [--connections N] [--short] [--json FILE]

Rows: S1 durable intake / no-op, S2 / FastAPI, S3 the same with flushes slowed
by 5 ms, S4 p99 against FastAPI's, S5 the worst acknowledgement of a run with
checkpoints and one keeper restart.  Ratios are taken run by run, in turn."""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
SECRET = "benchSecretAbc123"
WORKERS = 16


def body():
    """A web widget message of about 2.8 KB, as Chatwoot sends it."""
    sys.path.insert(0, str(TOP / "t" / "scenario"))
    contact = {"account": {"id": 7, "name": "Loja"}, "additional_attributes": {"created_at_ip": "198.51.100.23"},
               "avatar": "", "custom_attributes": {}, "email": None, "id": 2001, "identifier": None,
               "name": "patient-river-204", "phone_number": None, "thumbnail": "", "blocked": False}
    text = "Olá, vocês têm o modelo 42 em azul? Preciso dele até sexta-feira, se possível com entrega em casa."
    conversation = {
        "additional_attributes": {"browser": {"device_name": "Unknown", "browser_name": "Firefox", "platform_name": "Linux",
                                              "browser_version": "140.0", "platform_version": "Unknown"},
                                  "referer": "https://shop.example.com/p/42?a=1&b=2", "browser_language": "pt"},
        "can_reply": True, "channel": "Channel::WebWidget",
        "contact_inbox": {"id": 5001, "contact_id": 2001, "inbox_id": 31, "source_id": "5f0c1f6e-3f6e-4d9b-9a55-0d7c0a1b2c3d",
                          "created_at": "2026-01-02T09:59:00.101Z", "hmac_verified": False, "pubsub_token": "benchToken"},
        "id": "@CONVERSATION@", "inbox_id": 31,
        "messages": [{"id": "@MESSAGE@", "content": text, "account_id": 7, "inbox_id": 31, "conversation_id": "@CONVERSATION@",
                      "message_type": 0, "created_at": 1767348000, "updated_at": "2026-01-02T10:00:00.412Z", "private": False,
                      "status": "sent", "source_id": None, "content_type": "text", "content_attributes": {},
                      "sender_type": "Contact", "sender_id": 2001, "processed_message_content": text, "sentiment": {},
                      "sender": dict(contact, type="contact")}],
        "labels": [], "meta": {"sender": dict(contact, type="contact"),
                               "assignee": {"id": 4, "name": "Bot", "avatar_url": "", "type": "agent_bot"},
                               "assignee_type": "AgentBot", "team": None, "hmac_verified": False},
        "status": "pending", "custom_attributes": {}, "snoozed_until": None, "unread_count": 1, "first_reply_created_at": None,
        "priority": None, "waiting_since": 1767347940, "last_activity_at": 1767348000, "timestamp": 1767348000,
        "created_at": 1767347940, "updated_at": 1767348000.418207, "account": {"id": 7, "name": "Loja"}}
    event = {"account": {"id": 7, "name": "Loja"}, "additional_attributes": {}, "content_attributes": {}, "content_type": "text",
             "content": text, "conversation": conversation, "created_at": "2026-01-02T10:00:00.412Z", "id": "@MESSAGE@",
             "inbox": {"id": 31, "name": "Site"}, "message_type": "incoming", "private": False, "sender": contact,
             "source_id": None, "event": "message_created"}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).replace('"@', "@").replace('@"', "@")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise SystemExit("bench: waited in vain")
        time.sleep(0.02)


def nginx_conf(d, root, servers):
    """The common part of nginx.conf, in directory d, around what is served."""
    temp = "".join(f"  {k}_temp_path {d}/{k};\n" for k in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (f"{'user root;' if os.geteuid() == 0 else ''}\nworker_processes 2; daemon off; pid {d}/pid;\n"
            f"error_log {root}/nginx.log warn;\n"
            f"events {{ worker_connections 4096; }}\nhttp {{\n{temp}\n"
            f"  geo $ponte_trusted {{ default 1; }}\n  include {TOP}/nginx/ponte-http.conf;\n  access_log off;\n"
            f"{servers}}}\n")


class Bench:
    def __init__(self, build, root, args):
        self.build, self.root, self.args = build, root, args
        self.ports = {name: free_port() for name in ("noop", "ponte", "fastapi")}
        self.uvicorn_port = free_port()
        self.children, self.next_id = [], 1
        (root / "body.json").write_text(body())
        self.faults = root / "faults"
        self.faults.write_text("")
        # Only the part with slow flushes runs on the slow disk: looking at its
        # orders costs something at each write.
        self.env = dict(os.environ)
        self.slow_env = dict(os.environ, PONTE_FAULTS=str(self.faults), LD_PRELOAD=str(build / "t/faults/fault.so"))

    def spawn(self, *argv, env=None, **kw):
        p = subprocess.Popen([str(a) for a in argv], env=env or os.environ, **kw)
        self.children.append(p)
        return p

    def start(self):
        log = open(self.root / "log", "w")
        noop = self.spawn(self.build / "t/bench/noop", self.root / "noop.sock", WORKERS, stdout=subprocess.PIPE)
        noop.stdout.readline()
        d = self.root / "ponte"
        d.mkdir()
        # A hub that nobody hears: what is measured is the intake, so deliveries wait.
        (d / "ponte.yaml").write_text(f"workers: {{hooks: {WORKERS}, api: 2}}\nlog: {{level: warn}}\n"
                                      "store: {min_free: 1MiB}\ndelivery: {concurrency: 1}\n")
        self.up = self.spawn(self.build / "app/ponte/ponte", "up", "--dir", d, env=self.env, stdout=subprocess.PIPE, stderr=log)
        assert self.up.stdout.readline(), (self.root / "log").read_text()[-2000:]
        (d / "s").write_text(SECRET)
        (d / "t.yaml").write_text(
            "tenants:\n  - name: shop\n    hub: {url: \"http://192.0.2.1:9/\"}\n    installations:\n"
            "      - {id: main, url: \"https://chat.example.com\", bot_id: 4, accounts: [{id: 7}]}\n    senders:\n"
            "      - {kind: bot, label: bot, installation: main, account: 7, secret_file: s}\n")
        subprocess.run([self.build / "app/ponte/ponte", "--dir", d, "tenant", "import", d / "t.yaml"], check=True,
                       stdout=subprocess.DEVNULL)
        self.spawn("/usr/bin/python3", "-m", "uvicorn", "--workers", "2", "--port", self.uvicorn_port, "--log-level", "error",
                   "--no-access-log", "fastapi_peer:app", cwd=TOP / "t/bench", stderr=log,
                   env=dict(self.env, BENCH_SECRET=SECRET, BENCH_DB=str(self.root / "fastapi.db")))
        self.nginx(d)
        for port in (*self.ports.values(), self.uvicorn_port):
            wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)

    def nginx(self, d):
        n = self.root / "nginx"
        n.mkdir()
        snippets = TOP / "nginx"
        (n / "nginx.conf").write_text(nginx_conf(
            n, self.root,
            f"  upstream ponte_hooks {{ server unix:{d}/run/hooks.sock; }}\n  upstream ponte_api {{ server unix:{d}/run/api.sock; }}\n"
            f"  upstream fastapi {{ server 127.0.0.1:{self.uvicorn_port}; keepalive 64; }}\n"
            f"  keepalive_requests 1000000;\n"
            f"  server {{ listen 127.0.0.1:{self.ports['ponte']}; include {snippets}/ponte-fastcgi.conf; include {snippets}/ponte-locations.conf; }}\n"
            f"  server {{ listen 127.0.0.1:{self.ports['noop']}; location / {{ include {snippets}/ponte-fastcgi.conf; "
            f"fastcgi_pass unix:{self.root}/noop.sock; }} }}\n"
            f"  server {{ listen 127.0.0.1:{self.ports['fastapi']}; location / {{ proxy_http_version 1.1; "
            f"proxy_set_header Connection \"\"; proxy_pass http://fastapi; }} }}\n"))
        self.spawn("/usr/sbin/nginx", "-p", n, "-c", n / "nginx.conf", stderr=subprocess.DEVNULL)

    def load(self, name, seconds=None, acked=None, lenient=False):
        argv = [self.build / "t/bench/load", "--port", self.ports[name], "--path", "/webhook/chatwoot/shop/bot", "--body",
                self.root / "body.json", "--secret", SECRET, "--connections", self.args.connections, "--seconds",
                seconds or self.args.seconds, "--first-id", self.next_id]
        if acked:
            argv += ["--acked", acked]
        r = json.loads(subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True).stdout)
        self.next_id += 10_000_000
        if r["not_2xx"] and not lenient:
            raise SystemExit(f"bench: {name}: {r['not_2xx']} of {r['requests']} answers were not 2xx; nothing is measured")
        return r

    def stop(self):
        for p in self.children:
            with contextlib.suppress(ProcessLookupError):
                p.send_signal(signal.SIGTERM)
        for p in self.children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.wait(10)
            p.kill()
        self.children = []

    def restart_slow(self):
        """The same on a disk whose flushes take 5 ms longer."""
        self.stop()
        for old in ("ponte", "nginx", "fastapi.db", "fastapi.db-wal", "fastapi.db-shm"):
            path = self.root / old
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self.env = self.slow_env
        self.faults.write_text("fsync_ms=5\n")
        self.start()

    def cpu(self):
        """CPU seconds so far of everything below us, by program."""
        tick, used, children = os.sysconf("SC_CLK_TCK"), {}, {}
        for p in pathlib.Path("/proc").iterdir():
            if p.name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    stat = (p / "stat").read_text()
                    name, rest = stat[stat.index("(") + 1:stat.rindex(")")], stat.rpartition(")")[2].split()
                    children.setdefault(int(rest[1]), []).append((int(p.name), name, (int(rest[11]) + int(rest[12])) / tick))
        todo = [os.getpid()]
        while todo:
            for pid, name, seconds in children.get(todo.pop(), []):
                todo.append(pid)
                used[name] = used.get(name, 0) + seconds
        return used


def flush_ms(where):
    """What one flush costs on this disk: the median of 200."""
    path, times = where / "flush", []
    fd = os.open(path, os.O_CREAT | os.O_WRONLY)
    for _ in range(200):
        os.write(fd, b"x" * 4096)
        t = time.perf_counter()
        os.fdatasync(fd)
        times.append((time.perf_counter() - t) * 1000)
    os.close(fd)
    return statistics.median(times)


def median(rows, key):
    return statistics.median(r[key] for r in rows)


def worst_with_restart(bench):
    """S5: the longest acknowledgement of a run in which the keeper is restarted once."""
    result, acked = {}, bench.root / "acked"
    t = threading.Thread(target=lambda: result.update(bench.load("ponte", max(4, bench.args.seconds), acked, lenient=True)))
    t.start()
    time.sleep(max(4, bench.args.seconds) / 2)
    subprocess.run(["pkill", "-KILL", "-P", str(bench.up.pid), "-f", "ponte-keeper"], check=True)
    t.join()
    ids = [int(x) for x in acked.read_text().split()]
    import sqlite3
    db = sqlite3.connect(f"file:{bench.root}/ponte/state/ponte.db?mode=ro", uri=True)
    stored = {row[0] for row in db.execute("SELECT message FROM event")}
    result["lost"] = len(set(ids) - stored)
    return result


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("--seconds", type=int, default=8)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--connections", type=int, default=32)
    p.add_argument("--short", action="store_true")
    p.add_argument("--json")
    p.add_argument("--root", default="/dev/shm", help="where the stores lie; S1 wants a disk whose flush is below 0.1 ms")
    args = p.parse_args()
    if args.short:
        args.seconds, args.runs = 2, 1
    if subprocess.run(["/usr/bin/python3", "-c", "import fastapi, uvicorn"], capture_output=True).returncode:
        sys.exit("bench: the system beside it is missing: apt-get install python3-fastapi python3-uvicorn")
    root = pathlib.Path(tempfile.mkdtemp(prefix="ponte-bench-", dir=args.root))
    bench = Bench(args.build.resolve(), root, args)
    out = {}
    try:
        bench.start()
        for name in bench.ports:
            bench.load(name, 1)         # warm
        flush = flush_ms(root)
        rows = {name: [] for name in bench.ports}
        for i in range(args.runs):
            for name in bench.ports:
                before = bench.cpu()
                rows[name].append(bench.load(name))
                rows[name][-1]["cpu"] = {k: round(v - before.get(k, 0), 2) for k, v in bench.cpu().items() if v - before.get(k, 0) > 0.05}
                print(f"run {i + 1} {name:8} {json.dumps(rows[name][-1])}", flush=True)
        worst = worst_with_restart(bench)
        bench.restart_slow()
        slow = {name: [] for name in ("ponte", "fastapi")}
        for i in range(args.runs):
            for name in slow:
                slow[name].append(bench.load(name))
                print(f"run {i + 1} {name:8} flush +5 ms {json.dumps(slow[name][-1])}", flush=True)

        def ratio(a, b, key="rate"):
            return statistics.median(x[key] / max(y[key], 1e-9) for x, y in zip(a, b))

        spread = {n: (min(r["rate"] for r in rs), max(r["rate"] for r in rs)) for n, rs in rows.items()}
        out = {"S1": ratio(rows["ponte"], rows["noop"]), "S2": ratio(rows["ponte"], rows["fastapi"]),
               "S3": ratio(slow["ponte"], slow["fastapi"]), "S4": ratio(rows["ponte"], rows["fastapi"], "p99"),
               "S5_ms": max(worst["max"], max(r["max"] for r in rows["ponte"])), "lost": worst["lost"],
               "flush_ms": flush, "rates": {n: median(r, "rate") for n, r in rows.items()}, "spread": spread}
        print(f"\nflush here: {flush:.3f} ms; {args.connections} connections, {WORKERS} workers, "
              f"{args.runs} runs of {args.seconds} s; {os.cpu_count()} cores")
        print(f"{'':22}{'rate/s':>9}{'spread':>16}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}{'acked, lost':>13}")
        for n, rs in list(rows.items()) + [(f"{n}, flush +5 ms", r) for n, r in slow.items()]:
            lost = f"{worst['lost']}" if n == "ponte" else "-"
            print(f"{n:22}{median(rs, 'rate'):9.0f}{min(r['rate'] for r in rs):8.0f}-{max(r['rate'] for r in rs):<7.0f}"
                  f"{median(rs, 'p50'):9.2f}{median(rs, 'p99'):9.2f}{max(r['max'] for r in rs):9.1f}{lost:>13}")
        print(f"{'row':5}{'measure':44}{'here':>8}{'must':>8}{'stretch':>9}")
        for row, what, value, must, stretch in (
                ("S1", "durable intake / no-op", out["S1"], ">= 0.4", ">= 0.65"), ("S2", "durable intake / FastAPI", out["S2"], ">= 3", ">= 6"),
                ("S3", "the same, every flush 5 ms slower", out["S3"], ">= 12", ">= 25"), ("S4", "p99 / FastAPI's p99", out["S4"], "<= 0.2", "<= 0.1"),
                ("S5", "worst acknowledgement, keeper killed, ms", out["S5_ms"], "< 700", "< 300")):
            print(f"{row:5}{what:44}{value:8.2f}{must:>8}{stretch:>9}")
    finally:
        bench.stop()
        if args.json:
            pathlib.Path(args.json).write_text(json.dumps(out, indent=1))
        if out:
            shutil.rmtree(root, ignore_errors=True)
        else:
            print(f"bench: what was said is in {root}", file=sys.stderr)
    return 0 if out else 1


if __name__ == "__main__":
    sys.exit(main())
