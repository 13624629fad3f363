"""Nothing that was acknowledged is lost, whoever dies, and nothing is told twice.
Rows L1 (random kills; `make torture` for the long form), L5, O3, R4."""

import collections
import json
import os
import pathlib
import random
import select
import signal
import threading
import time

import conftest
from conftest import BUILD, PLAIN, SLOW, message, wait_for
from stories import UNDER_LOAD, Orders

CRASH_BUILD = os.environ.get("PONTE_BUILD_CRASH")   # there somebody can be killed at a named step, too
KILLS = int(os.environ.get("PONTE_KILLS", "25"))
SEED = os.environ.get("PONTE_SEED") or str(random.SystemRandom().randrange(10**6))
ROLES = ("ponte-worker", "ponte-keeper", "ponte-courier")
STEPS = [s for s in UNDER_LOAD if s != "worker-start"] + """
    worker-before-answer worker-after-answer keeper-answer-kept keeper-answer-settles keeper-unknown-waits keeper-gives-lookup
    keeper-releases courier-before-note courier-after-note courier-before-set-labels courier-after-set-labels
    courier-before-show courier-after-show courier-before-find courier-after-find
""".split()


class Load:
    """Customers who write on `n` connections until told to stop; what was acknowledged, with
    its event id.  words: what is said in their conversations; burst: at most so many
    in a row."""

    def __init__(self, ponte, n=4, conversations=12, words=("message",), pace=0.0, burst=1):
        self.ponte, self.words, self.pace, self.burst = ponte, words, pace, burst
        self.acked, self.refused, self.odd = {}, 0, []
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.next = {600 + i: 0 for i in range(conversations)}
        self.threads = [threading.Thread(target=self.run, args=(i, n), daemon=True) for i in range(n)]
        for t in self.threads:
            t.start()

    def run(self, i, n):
        mine = [c for c in self.next if c % n == i]
        while not self.stopping.is_set():
            conversation = random.choice(mine)
            for _ in range(random.randint(1, self.burst)):
                if not self.write(conversation):
                    return
            self.stopping.wait(self.pace)

    def write(self, conversation):
        """The next message, again until it is taken, as a sender that retries would; False when told to stop."""
        self.next[conversation] += 1
        id = conversation % 100 * 50000 + self.next[conversation]      # below those of what is posted
        body = message(f"{self.words[conversation % len(self.words)]} {id}", id=id, conversation=conversation)
        while True:
            try:
                a = self.ponte.send(body)
            except OSError:
                if self.stopping.wait(0.01):
                    return False
                continue
            if a.status == 200:
                with self.lock:
                    self.acked[id] = a.json["event_id"]
                return True
            if a.status != 500:
                self.odd.append(a)
            self.refused += 1
            if self.stopping.wait(0.05):
                return False

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(60)


class Later:
    """A hub that says 202 to LATER and answers each such question by itself, until it is heard."""

    def __init__(self, ponte, token):
        self.ponte, self.token, self.said, self.odd = ponte, token, {}, []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def questions(self):
        return {r["json"]["event_id"] for r in list(self.ponte.hub.requests) if r["status"] == 202}

    def run(self):
        while not self.over.is_set():
            for event in self.questions() - set(self.said):
                body = json.dumps({"event_id": event, "messages": [{"text": f"later {event}"}]}).encode()
                try:
                    a = self.ponte.ask("POST", "/api/v1/replies", body, {"Authorization": f"Bearer {self.token}"})
                except OSError:
                    continue
                if a.status == 200:
                    self.said[event] = a.json["status"]
                elif a.status not in (500, 502, 503):
                    self.odd.append(a)
            self.over.wait(0.05)

    def stop(self):
        self.over.set()
        self.thread.join(60)
        assert not self.odd, self.odd[:3]


def open_ones(ponte):
    return [r for s in ("pending", "claimed", "waiting") for r in ponte.queue("--state", s, "--limit", 3)]


def settled(ponte):
    """All deliveries are in a final state; the rows."""
    return None if open_ones(ponte) else ponte.queue("--limit", "10000000")


def at_the_hub(ponte):
    """Each conversation in order, each message under one idempotency key, each key with the same
    messages; {message: when the hub was first asked about it}."""
    last, key_of, members_of, turn = {}, {}, {}, {}
    for i, r in enumerate(list(ponte.hub.requests)):
        body, key = r["json"], r["headers"]["idempotency-key"]
        members = [m["id"] for m in body["messages"]]
        before = members_of.setdefault(key, members)
        assert before == members, f"{key} came with {before} and with {members}"
        if before is not members:
            continue                    # asked again
        for m in members:
            assert m not in key_of, f"message {m} travelled under {key_of[m]} and {key}"
            assert m > last.get(body["conversation_id"], 0), f"message {m} after {last[body['conversation_id']]}"
            key_of[m], last[body["conversation_id"]], turn[m] = key, m, i
    return turn


def at_chatwoot(ponte, turn, message_of):
    """Nothing twice, and each conversation's answers in the order of its questions and of their parts; their marks."""
    last, seen = {}, set()
    for m in list(ponte.chatwoot.messages):
        mark = m["content_attributes"]["ponte"]
        assert mark not in seen, f"posted twice: {mark}"
        seen.add(mark)
        event, _, n = mark.rpartition(".")
        here = (turn[message_of[event]], int(n))
        before = last.setdefault(m["conversation_id"], here)
        assert before <= here, f"in {m['conversation_id']} part {n} of {event} was posted too late"
        last[m["conversation_id"]] = here
    return seen


def story_of(ponte, rows):
    """What ponte says of these events, for whoever reads why a test failed."""
    said = [line for r in rows for line in ponte.run("trace", r["event_id"], check=False).stdout.splitlines()]
    return "\n".join(["TRACE " + line for line in said] + [ponte.log_tail()])


def judge(ponte, load):
    """The whole reckoning after a torture."""
    assert not load.odd, load.odd[:3]
    assert load.acked
    rows = wait_for(lambda: settled(ponte), 90, "everything delivered or explained", lambda: story_of(ponte, open_ones(ponte)))
    by_event = collections.defaultdict(list)
    for r in rows:
        by_event[r["event_id"]].append(r)
    for id, event in load.acked.items():
        hub = [r for r in by_event[event] if r["kind"] == "hub"]
        assert len(hub) == 1, f"message {id}, event {event}: {by_event[event]}"
        assert hub[0]["state"] == "done", story_of(ponte, hub)
    turn = at_the_hub(ponte)
    missing = set(load.acked) - set(turn)
    assert not missing, f"acknowledged, never at the hub: {sorted(missing)[:5]}"
    posted = at_chatwoot(ponte, turn, {event: id for id, event in load.acked.items()})
    for r in rows:
        if r["kind"] in ("reply", "note"):
            assert r["state"] in ("done", "unknown") and (r["state"] == "unknown" or f"{r['event_id']}.{r['n']}" in posted), r
    ponte.check_store()
    return rows


class Torture:
    """Somebody is killed, at any time or at a named step, again and again."""

    def __init__(self, ponte, orders, load):
        self.ponte, self.orders, self.load, self.dice = ponte, orders, load, random.Random(SEED)
        self.kills, self.at, self.began = 0, collections.Counter(), time.monotonic()
        print(f"\nPONTE_SEED={SEED}: {KILLS} kills", flush=True)

    def anywhere(self):
        role = self.dice.choice(ROLES)
        wait_for(lambda: self.ponte.pids(role), why=f"a {role} to kill", show=self.ponte.log_tail)
        try:
            os.kill(self.dice.choice(self.ponte.pids(role)), signal.SIGKILL)
        except (ProcessLookupError, IndexError):
            return                      # it was quicker
        self.died(role)

    def at_a_step(self):
        """Whoever comes by first; some are far apart."""
        step = self.dice.choice(STEPS)
        self.orders.arm(step)
        until = time.monotonic() + 2 * SLOW
        while self.orders.open():
            if time.monotonic() > until:
                self.orders.disarm()
                return
            time.sleep(0.01)
        self.died(step)

    def died(self, where):
        self.kills += 1
        self.at[where] += 1
        if self.kills % 50 == 0:
            print(f"{self.kills}/{KILLS} kills, {len(self.load.acked)} messages, {time.monotonic() - self.began:.0f} s", flush=True)

    def run(self):
        while self.kills < KILLS:
            if self.dice.random() < 0.2:            # the peers are not well either
                self.ponte.chatwoot.add({"method": "POST", "path": "/messages$", "cut": self.dice.choice(("after", "before", "middle"))})
            if CRASH_BUILD and self.dice.random() < 0.5:
                self.at_a_step()
            else:
                self.anywhere()
            time.sleep(1 if self.dice.random() < 0.1 else self.dice.uniform(0.01, 0.3))


# One answer comes later, another has several parts; some customers write in bursts.
TORTURED = [{"contains": "PARTS", "json": {"messages": [{"text": "one"}, {"text": "two"}], "note": "n", "labels": ["vip"]}, "times": 0},
            {"contains": "LATER", "status": 202, "times": 0}]


def test_l1_random_kills_under_load(make, monkeypatch, tmp_path):
    """Bursts, answers in parts, later answers, look-ups of posts whose answer was lost: whoever dies."""
    if CRASH_BUILD:
        monkeypatch.setattr(conftest, "PONTE", pathlib.Path(CRASH_BUILD).resolve() / "app/ponte/ponte")
    orders = Orders(tmp_path)
    ponte = make(settings="workers: {hooks: 4, api: 2}\n", env=orders.env)
    ponte.chatwoot.user_token = ponte.USER_TOKEN
    ponte.tenant(user_token=ponte.USER_TOKEN, manners="    debounce: 100ms\n" + PLAIN.replace("look_first: false", "look_first: true"))
    ponte.hub.script = list(TORTURED)
    later = Later(ponte, ponte.run("token", "new", "hub", "--tenant", "shop", "--scope", "reply").stdout.strip())
    load = Load(ponte, words=("plain", "PARTS", "LATER"), pace=0.3, burst=3)
    try:
        wait_for(lambda: len(load.acked) > 10)
        torture = Torture(ponte, orders, load)
        torture.run()
        before = len(load.acked)
        wait_for(lambda: len(load.acked) > before + 20, 60, "load goes on after the last kill", ponte.log_tail)
    finally:
        load.stop()
    ponte.chatwoot.clear()
    rows = judge(ponte, load)
    later.stop()
    found = collections.Counter((r["kind"], r["state"]) for r in rows)
    print(f"{torture.kills} kills, {len(load.acked)} messages, {load.refused} times asked to come again")
    print(", ".join(f"{' '.join(k)} {n}" for k, n in sorted(found.items())))
    print(", ".join(f"{k} {n}" for k, n in sorted(torture.at.items())))
    assert found["reply", "done"] and found["note", "done"] and found["labels", "done"], found
    assert later.said, "nothing was answered later"
    assert [r for r in ponte.hub.requests if len(r["json"]["messages"]) > 1], "no burst was one request"
    assert KILLS < 100 or [r for r in ponte.chatwoot.requests if r["method"] == "GET" and "after=" in r["path"]], "nothing was looked up"


def test_l5_the_keeper_dies_while_32_workers_wait(make):
    ponte = make(settings="workers: {hooks: 32, api: 2}\n")
    ponte.tenant()
    answers, lock = [], threading.Lock()
    go = threading.Barrier(33)

    def one(i):
        body = message(id=5000 + i, conversation=700 + i)
        go.wait()
        t = time.monotonic()
        a = ponte.send(body)
        with lock:
            answers.append((a, time.monotonic() - t, body))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(32)]
    for t in threads:
        t.start()
    pid = ponte.pids("ponte-keeper")[0]
    os.kill(pid, signal.SIGSTOP)        # they all wait now
    go.wait()
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    for t in threads:
        t.join()
    assert len(answers) == 32
    assert all(t < 5 * SLOW for _, t, _ in answers), max(t for _, t, _ in answers)
    assert all(a.status in (200, 500) for a, _, _ in answers), answers
    assert sum(a.status == 200 for a, _, _ in answers) > 0
    for a, _, body in answers:          # a retry of each: no duplicate is made
        again = ponte.send(body)
        assert again.status == 200
        assert again.json["status"] == ("duplicate" if a.status == 200 else again.json["status"])
    wait_for(lambda: len({r["json"]["conversation_id"] for r in ponte.hub.requests}) == 32, 30, show=ponte.log_tail)
    messages = [m["id"] for r in ponte.hub.requests for m in r["json"]["messages"]]
    assert len(messages) == len(set(messages)) == 32
    ponte.check_store()


def test_o3_order_holds_over_a_restart_of_the_courier(make):
    ponte = make()
    ponte.tenant()
    ponte.hub.script = [{"status": 503}] * 3
    for i in range(30):
        assert ponte.send(message(id=100 + i, conversation=501)).status == 200
        if i % 10 == 5:
            ponte.kill("ponte-courier")
    wait_for(lambda: settled(ponte), 60, show=ponte.log_tail)
    ids, per_key = [], {}
    for r in ponte.hub.requests:
        members = [m["id"] for m in r["json"]["messages"]]
        key = r["headers"]["idempotency-key"]
        assert per_key.setdefault(key, members) == members, "a batch changed its members"
        if members not in ids:
            ids.append(members)
    flat = [i for members in ids for i in members]
    assert flat == sorted(flat) and len(flat) == 30
    ponte.check_store()


def test_r4_a_worker_that_dies_at_start_is_throttled(make):
    """The master stays, waits longer each time, says so once; readiness is false; stopping works."""
    ponte = make(env={"LD_PRELOAD": str(BUILD / "t/faults/dies.so")}, start=False, settings="workers: {hooks: 4, api: 2}\n")
    ponte.start(wait=False)
    wait_for(lambda: len(ponte.events("worker-gone")) >= 6, show=ponte.log_tail)
    start = time.monotonic()
    wait_for(lambda: time.monotonic() - start > 4)
    deaths = ponte.events("worker-gone")
    assert len(deaths) < 6 * 6, f"{len(deaths)} deaths in 4 s is a spin"
    # where sanitizers watch, they turn the fault into an abort
    assert all(d["signal"] in ("SIGSEGV", "SIGABRT") for d in deaths), deaths[0]
    alarms = [e for e in ponte.events() if e.get("level") == "alarm"]
    assert len(alarms) == 1, alarms
    assert not select.select([ponte.process.stdout], [], [], 0)[0], "said to be ready with no worker alive"
    assert ponte.stop() == 0 or ponte.process.returncode == 0
