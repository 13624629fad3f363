#!/usr/bin/env python3
"""rules_bench: what ten thousand rules cost, pushed by an addon and pulled from an Odoo,
beside the same work in Python; and what those feel who write and read meanwhile.

usage: rules_bench.py BUILD_DIR [--rules N] [--runs N] [--short] [--json FILE]

Python's side does what the addon's server must: parse the body (or read Odoo by
pages of 500 with xmlrpc.client), fold and stem nothing, and store rows and a
full-text index with sqlite3 in one transaction, flushed to disk.  Both pulls
ask one Odoo (t/peers/odoo.py) for the same pages.

R9: webhooks at a steady rate, at rest and while one sync of all rules falls into the run.
Reads: /active whole, one page of it, a search, with a sync twice a second."""

import argparse
import contextlib
import http.client
import json
import pathlib
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
import urllib.parse
import xmlrpc.client

from bench import SECRET, TOP, body, flush_ms, free_port, nginx_conf, wait_for

sys.path.insert(0, str(TOP / "t" / "peers"))
from odoo import OdooServer    # noqa: E402

BASE = "/api/v1/business-rules"
WORDS = "entrega prazo troca devolução desconto pão café frete horário pagamento parcelas garantia retirada loja pedido".split()


def rule(n, word):
    return {"name": f"Regra {n}", "type": "product",
            "description": f"{word}: {WORDS[n % 15]} de {WORDS[n // 15 % 15]} em até {n} dias, salvo {WORDS[n * 7 % 15]} e {WORDS[n * 11 % 15]}."}


class Bench:
    def __init__(self, build, root, args):
        self.build, self.root, self.args, self.dir = build, root, args, root / "ponte"
        self.api, self.hooks, self.next_id, self.children = free_port(), free_port(), 1, []
        self.odoo = OdooServer()
        self.odoo.model("business.rule.item", description="text", rule_type="selection", visible_in_ai="boolean")
        for n in range(args.rules):
            r = rule(n, "puxada")
            self.odoo.add("business.rule.item", name=r["name"], description=r["description"], rule_type=r["type"], visible_in_ai=True)
        self.odoo.start()

    def ponte(self, *argv):
        return subprocess.run([str(self.build / "app/ponte/ponte"), "--dir", str(self.dir), *map(str, argv)], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def start(self):
        self.dir.mkdir()
        where = self.odoo.url.split("//")[1]
        (self.dir / "ponte.yaml").write_text(
            "workers: {hooks: 16, api: 8}\nlog: {level: warn}\nstore: {min_free: 1MiB}\n"
            f"delivery: {{concurrency: 1, allow_private: [\"{where}\"]}}\n")
        self.log = open(self.root / "log", "w")
        up = subprocess.Popen([str(self.build / "app/ponte/ponte"), "up", "--dir", str(self.dir)], stdout=subprocess.PIPE, stderr=self.log)
        self.children.append(up)
        self.up = up
        assert up.stdout.readline(), (self.root / "log").read_text()[-2000:]
        (self.root / "s").write_text(SECRET)
        (self.root / "k").write_text("odoo-key")
        (self.root / "t.yaml").write_text(
            "tenants:\n  - name: shop\n    hub: {url: \"http://192.0.2.1:9/\"}\n"
            f"    odoo: {{url: \"{self.odoo.url}\", db: shop, login: ponte, key_file: k, pull: 0}}\n    installations:\n"
            "      - {id: main, url: \"https://chat.example.com\", bot_id: 4, accounts: [{id: 7}]}\n    senders:\n"
            "      - {kind: bot, label: bot, installation: main, account: 7, secret_file: s}\n")
        self.ponte("tenant", "import", self.root / "t.yaml")
        self.token = json.loads(self.ponte("token", "new", "bench", "--tenant", "shop", "--scope", "sync,read", "--json"))["token"]
        (self.root / "body.json").write_text(body())
        d = self.root / "nginx"
        d.mkdir()
        (d / "nginx.conf").write_text(nginx_conf(
            d, self.root, f"  upstream ponte_hooks {{ server unix:{self.dir}/run/hooks.sock; }}\n"
            f"  upstream ponte_api {{ server unix:{self.dir}/run/api.sock; }}\n  keepalive_requests 1000000;\n"
            f"  server {{ listen 127.0.0.1:{self.hooks}; include {TOP}/nginx/ponte-fastcgi.conf; include {TOP}/nginx/ponte-locations.conf; }}\n"
            # The API without its limit of requests: what it costs is measured, not what is let in.
            f"  server {{ listen 127.0.0.1:{self.api}; client_max_body_size 16m; location / {{ include {TOP}/nginx/ponte-fastcgi.conf; "
            "fastcgi_pass ponte_api; } }\n"))
        self.children.append(subprocess.Popen(["/usr/sbin/nginx", "-p", d, "-c", d / "nginx.conf"], stderr=subprocess.DEVNULL))
        for port in (self.api, self.hooks):
            wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)

    def stop(self):
        for p in reversed(self.children):
            p.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.wait(10)
            p.kill()
        self.odoo.stop()

    def calm(self):
        """Until the keeper has cleaned up: it does so behind the answer."""
        keeper = next(p for p in self.processes() if p[1] == "ponte-keeper")[0]
        used = -1
        while used != (used := int(pathlib.Path(f"/proc/{keeper}/stat").read_text().rpartition(")")[2].split()[11])):
            time.sleep(1)

    # ---- what is measured ----

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.api, timeout=60)

    def ask(self, c, method, path, raw=None):
        """(seconds, answer as bytes)"""
        began = time.perf_counter()
        c.request(method, path, raw, {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        r = c.getresponse()
        said = r.read()
        took = time.perf_counter() - began
        if r.status != 200:
            raise SystemExit(f"rules_bench: {method} {path}: {r.status} {said[:300]}")
        return took, said

    def push(self, raw):
        took, said = self.ask(self.connect(), "POST", BASE + "/sync", raw)
        return took, json.loads(said)["data"]

    def load(self, seconds):
        argv = [self.build / "t/bench/load", "--port", self.hooks, "--path", "/webhook/chatwoot/shop/bot", "--body", self.root / "body.json",
                "--secret", SECRET, "--connections", 8, "--seconds", seconds, "--rate", 500, "--first-id", self.next_id]
        r = json.loads(subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True).stdout)
        self.next_id += 1_000_000
        if r["not_2xx"]:
            raise SystemExit(f"rules_bench: {r['not_2xx']} webhooks were not answered 2xx")
        return r

    def reads(self, seconds):
        """{what: [ms]}, in turn on one connection."""
        c, times, end, n = self.connect(), {}, time.monotonic() + seconds, 0
        while time.monotonic() < end:
            for what, path in (("/active, all", "/active"), ("one page", f"?page={1 + n % 50}&page_size=50"),
                               ("search", "/semantic-search?limit=5&query=" + urllib.parse.quote(WORDS[n % 15] + " " + WORDS[n % 4]))):
                times.setdefault(what, []).append(self.ask(c, "GET", BASE + path)[0] * 1000)
            n += 1
        return times

    def processes(self):
        """[(pid, program)] of everything below ponte up."""
        found, children = [], {}
        for p in pathlib.Path("/proc").iterdir():
            if p.name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    stat = (p / "stat").read_text()
                    children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append((int(p.name), stat[stat.index("(") + 1:stat.rindex(")")]))
        todo = [self.up.pid]
        while todo:
            for pid, name in children.get(todo.pop(), []):
                todo.append(pid)
                found.append((pid, name))
        return found

    def peak(self):
        """VmHWM in MB, the largest of each program."""
        found = {}
        for pid, name in self.processes():
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    found[name] = max(found.get(name, 0), int(line.split()[1]) / 1024)
        return found


# ---- the same in Python ---------------------------------------------------------

def fold(text):
    return "".join(c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))


def python_store(path, rows):
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.executescript("CREATE TABLE IF NOT EXISTS rule (id INTEGER PRIMARY KEY, tenant TEXT, name TEXT, description TEXT, type TEXT);"
                     "CREATE VIRTUAL TABLE IF NOT EXISTS found USING fts5(words);")
    with db:
        db.execute("DELETE FROM rule")
        db.execute("DELETE FROM found")
        for r in rows:
            row = db.execute("INSERT INTO rule (tenant, name, description, type) VALUES ('shop', ?, ?, ?)", (r["name"], r["description"], r["type"])).lastrowid
            db.execute("INSERT INTO found (rowid, words) VALUES (?, ?)", (row, fold(r["name"] + " " + r["description"])))
    n = db.execute("SELECT count(*) FROM rule").fetchone()[0]
    db.close()
    return n


def python_push(root, raw):
    began = time.perf_counter()
    n = python_store(root / "python.db", json.loads(raw)["permanent_rules"])
    return time.perf_counter() - began, n


def python_pull(root, url):
    """(seconds, requests): by keyset pages, as ponte."""
    began, requests, rows, last = time.perf_counter(), 1, [], 0
    uid = xmlrpc.client.ServerProxy(url + "/xmlrpc/2/common").authenticate("shop", "ponte", "odoo-key", {})
    models = xmlrpc.client.ServerProxy(url + "/xmlrpc/2/object")
    while True:
        page = models.execute_kw("shop", uid, "odoo-key", "business.rule.item", "search_read", [[["id", ">", last]]],
                                 {"fields": ["name", "description", "rule_type", "visible_in_ai", "active", "write_date"], "limit": 500, "order": "id"})
        requests += 1
        rows += [{"name": r["name"], "description": r["description"], "type": r["rule_type"]} for r in page]
        if len(page) < 500:
            break
        last = page[-1]["id"]
    python_store(root / "python.db", rows)
    return time.perf_counter() - began, requests


# ---- the run --------------------------------------------------------------------

def during_syncs(bench, bodies, seconds, work):
    """What work() returns while a sync changes every rule each time that 0.6 of those seconds are over; how many ran."""
    over, ran = threading.Event(), []

    def sync():
        while not over.wait(seconds * 0.6):
            ran.append(bench.push(bodies[len(ran) % 2])[0])

    t = threading.Thread(target=sync)
    t.start()
    try:
        return work(), ran
    finally:
        over.set()
        t.join()


def quantile(times, q):
    return sorted(times)[min(len(times) - 1, int(len(times) * q))]


def measure(bench, args):
    n, root = args.rules, bench.root
    bodies = [json.dumps({"permanent_rules": [rule(k, word) for k in range(n)], "temporary_rules": []}).encode() for word in ("uma", "outra")]
    little = json.loads(bodies[0])
    for k in range(0, n, 100):
        little["permanent_rules"][k]["description"] += " Novo."
    little = json.dumps(little).encode()
    out = {"body_kb": len(bodies[0]) // 1024, "flush_ms": flush_ms(root), "push": {}, "pull": {}}
    rows = {name: [] for name in ("new", "all changed", "1% changed", "unchanged", "python")}
    for run in range(args.runs):
        for name, raw in (("all changed" if run else "new", bodies[0]), ("1% changed", little), ("unchanged", little), ("all changed", bodies[1])):
            took, data = bench.push(raw)
            assert data["vectorized_rules"] == n and data.get("unchanged", False) == (name == "unchanged"), (name, data)
            rows[name].append(took)
        took, stored = python_push(root, bodies[run % 2])
        assert stored == n
        rows["python"].append(took)
    out["push"] = {k: statistics.median(v) for k, v in rows.items()}
    pulls = {"ponte": [], "python": []}
    for run in range(args.runs):
        bench.push(bodies[run % 2])         # so that every rule is another
        before = len(bench.odoo.requests)
        began = time.perf_counter()
        said = json.loads(bench.ponte("tenant", "sync", "shop", "--json"))
        pulls["ponte"].append(time.perf_counter() - began)
        assert said["done"] and said["permanent"] == n and said["written"] == n, said
        out["pull"]["requests"] = len(bench.odoo.requests) - before
        took, out["pull"]["python_requests"] = python_pull(root, bench.odoo.url)
        pulls["python"].append(took)
    out["pull"].update({k: statistics.median(v) for k, v in pulls.items()})

    seconds = args.seconds
    bench.load(2)
    rest, busy, hooks = [], [], []
    for _ in range(args.runs):
        bench.calm()
        rest.append(bench.load(seconds))
        r, ran = during_syncs(bench, bodies, seconds, lambda: bench.load(seconds))
        busy.append(r)
        hooks.append(len(ran))
    out["webhooks"] = {"rest": rest, "busy": busy, "syncs": hooks,
                       "R9": statistics.median(b["p99"] / r["p99"] for b, r in zip(busy, rest))}
    bench.calm()
    calm = bench.reads(seconds)
    stirred, ran = during_syncs(bench, bodies, 1, lambda: bench.reads(seconds))
    out["reads"] = {what: {"rest": [quantile(calm[what], q) for q in (.5, .99)], "syncs": [quantile(stirred[what], q) for q in (.5, .99)],
                           "n": [len(calm[what]), len(stirred[what])]} for what in calm}
    out["peak_mb"] = bench.peak()
    return out


def show(out, args):
    print(f"\n{args.rules} rules, a body of {out['body_kb']} KB; medians of {args.runs} runs; a flush here: {out['flush_ms']:.2f} ms")
    python = out["push"]["python"]
    print(f"{'push':28}{'seconds':>9}{'Python takes':>14}")
    for name in ("new", "all changed", "1% changed", "unchanged"):
        print(f"{name:28}{out['push'][name]:9.3f}{python / out['push'][name]:13.1f}x")
    print(f"{'Python, all of it':28}{python:9.3f}")
    p = out["pull"]
    print(f"{'pull, all changed':28}{p['ponte']:9.3f}{p['python'] / p['ponte']:13.1f}x   {p['requests']} requests of Odoo, Python {p['python_requests']}")
    w = out["webhooks"]
    print(f"webhooks, 500/s: p50 {statistics.median(r['p50'] for r in w['rest']):.2f} ms, p99 {statistics.median(r['p99'] for r in w['rest']):.2f} ms at rest; "
          f"p50 {statistics.median(r['p50'] for r in w['busy']):.2f} ms, p99 {statistics.median(r['p99'] for r in w['busy']):.2f} ms while {sum(w['syncs'])} syncs ran")
    print(f"{'reads, ms':28}{'p50':>9}{'p99':>9}{'p50, syncs':>12}{'p99, syncs':>12}")
    for what, r in out["reads"].items():
        print(f"{what:28}{r['rest'][0]:9.2f}{r['rest'][1]:9.2f}{r['syncs'][0]:12.2f}{r['syncs'][1]:12.2f}")
    print("peak memory, MB: " + ", ".join(f"{k} {v:.0f}" for k, v in sorted(out["peak_mb"].items())))
    print(f"{'row':5}{'measure':44}{'here':>8}{'must':>8}")
    print(f"{'R9':5}{'webhook p99 during syncs / at rest':44}{w['R9']:8.2f}{'< 2':>8}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("--rules", type=int, default=10000)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--seconds", type=int, default=10, help="of each part with load")
    p.add_argument("--short", action="store_true", help="does it run at all")
    p.add_argument("--json", metavar="FILE")
    args = p.parse_args()
    if args.short:
        args.rules, args.runs, args.seconds = 1000, 1, 2
    root = pathlib.Path(tempfile.mkdtemp(prefix="ponte-rules-"))
    bench, out = Bench(args.build.resolve(), root, args), None
    try:
        bench.start()
        out = measure(bench, args)
        show(out, args)
    finally:
        bench.stop()
        if out and args.json:
            pathlib.Path(args.json).write_text(json.dumps(out, indent=1))
        if out:
            shutil.rmtree(root, ignore_errors=True)
        else:
            print(f"rules_bench: what was said is in {root}", file=sys.stderr)
    return 0 if out else 1


if __name__ == "__main__":
    sys.exit(main())
