#!/usr/bin/env python3
"""backlog: what a long queue costs, and how fast it goes.

usage: backlog.py BUILD_DIR [drain | start | idle | day]... [--events N] [--delay-ms N] [--concurrency N]
                  [--short] [--root DIR] [--json FILE]

    drain   S6: 100,000 queued events to a hub that takes 5 ms, beside what that
            hub can do at the allowed concurrency; again with 25 questions and 25
            notices of each of 2,000 conversations in turn, with 50 messages of
            each that travel together, and with an answer that is posted
    start   S9: from the start to the first request at the hub, 1,000,000 queued
    idle    from the webhook to the request at the hub, nothing queued, debounce 0
    day     L6: the hub is down while a day at 5 events a second comes in (432,000,
            as fast as they are taken); memory of each role on the way, the
            alarm, and, when the hub is back, order, pace and the intake's p99

Without a word: all four.  --short: a hundredth of it, to see that it works.
Every figure is printed with what it is held against."""

import argparse
import contextlib
import http.client
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

from bench import SECRET, TOP, body, flush_ms, free_port, nginx_conf, wait_for

sys.path.insert(0, str(TOP / "t" / "scenario"))

ROLES = ("ponte-keeper", "ponte-courier", "ponte-worker")


def closed():
    """conversation_status_changed of that conversation: to the hub it is a notice."""
    message = json.loads(body().replace("@MESSAGE@", "1").replace("@CONVERSATION@", "2"))
    event = dict(message["conversation"], event="conversation_status_changed", status="resolved", changed_attributes=None, id=3)
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).replace('"id":3', '"id":@CONVERSATION@')


class World:
    """One ponte, one hub that is a Chatwoot too, and nginx where it is wanted."""

    def __init__(self, build, root, args):
        self.build, self.root, self.args = build, root, args
        self.dir = root / "ponte"
        self.port, self.hub_port = free_port(), free_port()
        self.up = self.hub = self.nginx = None
        self.next_id = 1
        (root / "body.json").write_text(body())
        (root / "closed.json").write_text(closed())
        self.fresh()

    # ---- life ----

    def fresh(self):
        """A ponte that has seen nothing."""
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir()
        (self.dir / "s").write_text(SECRET)
        (self.dir / "t.yaml").write_text(
            f"tenants:\n  - name: shop\n    typing: false\n    look_first: false\n    tell: [closed]\n"
            f"    hub: {{url: \"http://127.0.0.1:{self.hub_port}/\"}}\n    installations:\n"
            f"      - {{id: main, url: \"http://127.0.0.1:{self.hub_port}\", bot_id: 4, bot_token_file: s, accounts: [{{id: 7}}]}}\n"
            "    senders:\n      - {kind: bot, label: bot, installation: main, account: 7, secret_file: s}\n")
        self.start()
        self.ponte("tenant", "import", self.dir / "t.yaml")

    def start(self, oldest_alarm="15min"):
        (self.dir / "ponte.yaml").write_text(
            "workers: {hooks: 8, api: 1}\nlog: {level: warn}\nhub: {debounce: 0}\nstore: {min_free: 1MiB}\n"
            f"delivery: {{concurrency: {self.args.concurrency}, message_age: 30d, give_up: 30d, reply_budget: 0,\n"
            f"  oldest_alarm: {oldest_alarm}, allow_private: [\"127.0.0.1:{self.hub_port}\"]}}\n")
        self.began = time.monotonic()
        self.log = open(self.root / "log", "a")
        self.up = subprocess.Popen([self.build / "app/ponte/ponte", "up", "--dir", self.dir], stdout=subprocess.PIPE,
                                   stderr=self.log)
        if not self.up.stdout.readline():
            raise SystemExit("bench: ponte does not start:\n" + (self.root / "log").read_text()[-2000:])

    def stop(self):
        for p in (self.up, self.nginx):
            if p and p.poll() is None:
                p.send_signal(signal.SIGTERM)
                p.wait(60)
        self.up = self.nginx = None

    def close(self):
        self.stop()
        self.hub_stop()

    def ponte(self, *args):
        return subprocess.run([self.build / "app/ponte/ponte", "--dir", self.dir, *map(str, args)], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def hub_start(self, answer="", log=None):
        argv = [self.build / "t/bench/hub", "--port", self.hub_port, "--delay-ms", self.args.delay_ms, "--answer", answer]
        self.hub = subprocess.Popen([str(a) for a in argv + (["--log", log] if log else [])], stdout=subprocess.PIPE)
        self.hub.stdout.readline()

    def hub_stop(self):
        if self.hub:
            self.hub.kill()
            self.hub.wait()
            self.hub = None

    def stats(self):
        c = http.client.HTTPConnection("127.0.0.1", self.hub_port, timeout=30)
        with contextlib.closing(c):
            c.request("GET", "/_stats")
            return json.loads(c.getresponse().read())

    def nginx_start(self):
        d = self.root / "nginx"
        d.mkdir(exist_ok=True)
        (d / "nginx.conf").write_text(nginx_conf(d, self.root, f"  upstream ponte_hooks {{ server unix:{self.dir}/run/hooks.sock; }}\n"
                                                 f"  upstream ponte_api {{ server unix:{self.dir}/run/api.sock; }}\n"
                                                 f"  server {{ listen 127.0.0.1:{self.port}; keepalive_requests 100000000; include {TOP}/nginx/ponte-fastcgi.conf; "
                                                 f"include {TOP}/nginx/ponte-locations.conf; }}\n"))
        self.nginx = subprocess.Popen(["/usr/sbin/nginx", "-p", d, "-c", d / "nginx.conf"], stderr=subprocess.DEVNULL)
        wait_for(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0)

    # ---- work ----

    def fill(self, events, conversations, age=0, notices=False):
        """ponte is stopped, the queue made, and nothing started."""
        self.stop()
        argv = [self.build / "t/bench/fill", "--store", self.dir / "state/ponte.db", "--tenant", "shop", "--body",
                self.root / "body.json", "--events", events, "--conversations", conversations, "--age", age, "--first-id", self.next_id]
        if notices:
            argv += ["--closed", self.root / "closed.json"]
        self.next_id += events
        return json.loads(subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True).stdout)

    def load(self, seconds=5, connections=8, conversations=1000, **more):
        argv = [self.build / "t/bench/load", "--port", self.port, "--path", "/webhook/chatwoot/shop/bot", "--body",
                self.root / "body.json", "--secret", SECRET, "--connections", connections, "--seconds", seconds,
                "--conversations", conversations, "--first-id", self.next_id]
        for name, value in more.items():
            argv += [f"--{name}", value]
        r = json.loads(subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True).stdout)
        self.next_id += 1_000_000
        return r

    def hub_limit(self, seconds=4):
        """How many a second the hub answers when as many ask as the courier may have on the way, each anew as
        soon as it is answered, with a question of the size of the courier's."""
        question = self.root / "question.json"
        event = body().replace("@MESSAGE@", "1").replace("@CONVERSATION@", "1")
        question.write_text(f'{{"messages":[],"message":{event},"raw":{event}}}')
        argv = [self.build / "t/bench/load", "--port", self.hub_port, "--path", "/", "--body", question, "--secret", SECRET,
                "--connections", self.args.concurrency, "--seconds", seconds]
        return json.loads(subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True).stdout)["rate"]

    def waiting(self):
        """Deliveries that wait or are on their way."""
        rows = map(json.loads, self.ponte("queue", "counts", "--json").splitlines())
        return sum(r["count"] for r in rows if r["state"] in ("pending", "claimed", "waiting"))

    def drained(self, seconds=3600):
        wait_for(lambda: time.sleep(0.2) or self.waiting() == 0, seconds)

    def balanced(self):
        said = self.ponte("check", "--store")
        if not said.startswith("ok"):
            raise SystemExit("bench: the books: " + said)

    def memory(self):
        """KiB resident of each role, all its processes together, files and shared memory not counted."""
        found = dict.fromkeys(ROLES, 0)
        for p in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if p.name.isdigit() and str(self.dir) in (p / "cmdline").read_text():
                    name = (p / "comm").read_text().strip()
                    status = dict(line.split(":", 1) for line in (p / "status").read_text().splitlines())
                    if name in found:
                        found[name] += int(status["RssAnon"].split()[0])
        return found


def sound(stats):
    """What the hub saw was in order, each conversation by itself."""
    if stats["disorder"] or stats["overlaps"]:
        raise SystemExit(f"bench: order was broken: {stats}")
    return stats


# ---- S6 -------------------------------------------------------------------------

def drain(world):
    n, out = world.args.events, {}
    shapes = (("each event a request of its own", n, n, False, ""),
              ("questions and notices in turn", n, n // 50, True, ""),
              ("50 messages of each travel together", n, n // 50, False, ""),
              ("with an answer that is posted", n // 4, n // 4, False, '{"content":"Sim, temos."}'))
    for name, events, conversations, notices, answer in shapes:
        world.fresh()
        world.fill(events, conversations, 3600, notices)
        world.hub_start(answer)
        limit = world.hub_limit()
        world.hub_stop()
        world.hub_start(answer)
        world.start()
        world.drained()
        s = sound(world.stats())
        took = (s["last_us"] - s["first_us"]) / 1e6 + world.args.delay_ms / 1e3
        rate, merged = s["requests"] / took, conversations < events and not notices
        out[name] = {"limit": limit, "requests_per_s": rate, "messages_per_s": s["messages"] / took, "most_in_flight": s["most_in_flight"]}
        said = f"drain  {name:38} {s['requests']:7} requests, {s['messages']:7} messages in {took:6.1f} s: "
        if merged:
            said += f"{s['messages'] / took:.0f} messages/s"
        else:
            out[name]["share"] = rate / limit
            said += f"{rate:5.0f}/s, the hub's own limit {limit:.0f}/s: {rate / limit:.2f}"
        print(said + (" (S6: must be >= 0.80, stretch 0.95)" if not merged and not answer else ""), flush=True)
        world.balanced()
        world.hub_stop()
    return out


# ---- S9 -------------------------------------------------------------------------

def start(world):
    n = world.args.events
    made = world.fill(n, n // 20, 3600)
    print(f"start  {made['events']} events put in {made['seconds']:.0f} s; the store has "
          f"{(world.dir / 'state/ponte.db').stat().st_size / 2**20:.0f} MiB", flush=True)
    times = []
    for i in range(2 if world.args.short else 5):
        world.hub_start()
        world.start()
        wait_for(lambda: world.stats()["requests"] > 0, 120)
        times.append(world.stats()["first_us"] / 1e6 - world.began)
        world.stop()
        world.hub_stop()
        print(f"start  run {i + 1}: the first request at the hub after {times[-1] * 1000:.0f} ms", flush=True)
    print(f"start  to the first delivery, {n} queued: median {statistics.median(times) * 1000:.0f} ms, worst {max(times) * 1000:.0f} ms "
          "(S9: must be < 2000, stretch 300)")
    return {"queued": n, "ms": [t * 1000 for t in times]}


# ---- idle -----------------------------------------------------------------------

def idle(world):
    n, log = world.args.events, world.root / "hub.log"
    if world.up is None:
        world.start()
    world.drained()
    world.nginx_start()
    world.hub_start(log=log)
    r = world.load(seconds=n // 40 + 20, connections=1, conversations=n, requests=n, rate=50, sent=world.root / "sent")
    wait_for(lambda: world.stats()["messages"] >= n)
    sent = dict(map(int, line.split()) for line in (world.root / "sent").read_text().splitlines())
    came = dict(map(int, line.split()) for line in log.read_text().splitlines())
    ms = sorted((came[m] - sent[m]) / 1000 for m in sent if m in came)
    got = {"p50": ms[len(ms) // 2], "p99": ms[len(ms) * 99 // 100], "max": ms[-1], "answer_p50": r["p50"], "answer_p99": r["p99"]}
    print(f"idle   webhook to hub request, {len(ms)} of them, 50 a second, nothing queued, debounce 0: p50 {got['p50']:.2f} ms, "
          f"p99 {got['p99']:.2f} ms, worst {got['max']:.1f} ms (the webhook's own answer: p50 {r['p50']:.2f} ms, p99 {r['p99']:.2f} ms)",
          flush=True)
    world.stop()
    world.hub_stop()
    return got


# ---- L6 -------------------------------------------------------------------------

def day(world):
    n = world.args.events
    conversations, seen, span = max(1, n // 20), [], 3 if world.args.short else 10
    world.stop()
    world.start(oldest_alarm=f"{2 * span}s")
    world.nginx_start()
    world.hub_start()
    before = world.load(seconds=span, rate=100)
    world.drained()
    world.hub_stop()            # the day begins

    alarms = lambda: (world.root / "log").read_text().count('"event":"queue-old"')
    had = alarms()
    print(f"day    {'queued':>8} {'keeper':>9} {'courier':>9} {'workers':>9}  KiB of their own", flush=True)
    for part in range(8):
        if part:
            r = world.load(seconds=3600, connections=16, conversations=conversations, requests=n // 7)
            if r["not_2xx"] or r["lost_connections"]:
                raise SystemExit(f"bench: the intake refused: {r}")
        else:
            world.load(seconds=3600, conversations=conversations, requests=min(2000, n // 7))
        seen.append((world.waiting(), world.memory()))
        print("day    {:8} {:9} {:9} {:9}".format(seen[-1][0], *(seen[-1][1][r] for r in ROLES)), flush=True)
    wait_for(lambda: alarms() > had, 120)

    world.hub_start()
    during, stop = [], threading.Event()
    t = threading.Thread(target=lambda: [during.append(world.load(seconds=span, rate=100)) for _ in iter(stop.is_set, True)])
    began = time.monotonic()
    t.start()
    wait_for(lambda: time.sleep(0.5) or world.waiting() < 50, 7200)
    took = time.monotonic() - began
    stop.set()
    t.join()
    world.drained()
    s = sound(world.stats())
    after = world.memory()
    first, last = seen[3], seen[-1]     # the store's page cache, of a fixed size, is full by then
    out = {"queued": last[0], "memory": [first[1], last[1]], "after": after, "drain_s": took, "most_in_flight": s["most_in_flight"],
           "p99_before": before["p99"], "p99_during": [r["p99"] for r in during], "alarms": alarms() - had,
           "messages": s["messages"], "asked": min(2000, n // 7) + n // 7 * 7 + sum(r["requests"] for r in during)}
    print("day    {:8} {:9} {:9} {:9}  after the drain".format(0, *(after[r] for r in ROLES)))
    print(f"day    {last[0]} queued instead of {first[0]}: " + ", ".join(
        f"{r} {(last[1][r] - first[1][r]) / 1024:+.1f} MiB" for r in ROLES) + " (must be flat)")
    print(f"day    oldest-age alarm: {out['alarms']} (must be 1); drained in {took:.0f} s by {s['requests']} requests "
          f"({s['messages']} messages), at most {s['most_in_flight']} at a time (allowed: {world.args.concurrency}), each conversation in order")
    print(f"day    intake at 100/s: p99 {before['p99']:.2f} ms with an idle queue, {statistics.median(out['p99_during']):.2f} ms while draining "
          f"(runs of {span} s: {', '.join(format(x, '.2f') for x in out['p99_during'])})")
    world.balanced()
    world.stop()
    world.hub_stop()
    return out


PARTS = {"drain": drain, "start": start, "idle": idle, "day": day}


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("part", nargs="*", metavar="|".join(PARTS))
    p.add_argument("--events", type=int)
    p.add_argument("--delay-ms", type=int, default=5)
    p.add_argument("--concurrency", type=int, default=8)
    p.add_argument("--short", action="store_true")
    p.add_argument("--json")
    p.add_argument("--root", default="/dev/shm", help="where the store lies")
    args = p.parse_args()
    usual, out = {"drain": 100_000, "start": 1_000_000, "idle": 2000, "day": 432_000}, {}
    for name in args.part:
        if name not in PARTS:
            p.error(f"there is no part '{name}'")
    for name in args.part or PARTS:
        root = pathlib.Path(tempfile.mkdtemp(prefix="ponte-bench-", dir=args.root))
        part = argparse.Namespace(**dict(vars(args), events=args.events or usual[name] // (100 if args.short else 1)))
        world = World(args.build.resolve(), root, part)
        try:
            out[name] = PARTS[name](world)
        finally:
            world.close()
            if name in out:
                shutil.rmtree(root, ignore_errors=True)
            else:
                print(f"bench: what was said is in {root}", file=sys.stderr)
    out["flush_ms"] = flush_ms(pathlib.Path(args.root))
    print(f"flush here: {out['flush_ms']:.3f} ms; {os.cpu_count()} cores; concurrency {args.concurrency}, a hub of {args.delay_ms} ms")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(out, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
