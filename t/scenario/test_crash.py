"""Nothing that was acknowledged is lost, whoever dies, and nothing is told twice.
Rows L1 (random kills; `make torture` for the long form), L5, O3, O4, R4."""

import os
import random
import select
import signal
import threading
import time

from conftest import BUILD, SLOW, message, wait_for

KILLS = int(os.environ.get("PONTE_KILLS", "50"))
ROLES = ("ponte-worker", "ponte-keeper", "ponte-courier")


class Load:
    """Customers who write on `n` connections until told to stop; what was acknowledged, with its event id."""

    def __init__(self, ponte, n=4, conversations=12):
        self.ponte, self.acked, self.refused, self.odd = ponte, {}, 0, []
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.next = {600 + i: 0 for i in range(conversations)}
        self.threads = [threading.Thread(target=self.run, args=(i, n)) for i in range(n)]
        for t in self.threads:
            t.start()

    def run(self, i, n):
        mine = [c for c in self.next if c % n == i]
        while not self.stopping.is_set():
            conversation = random.choice(mine)
            self.next[conversation] += 1
            id = conversation * 1000000 + self.next[conversation]
            body = message(text=f"message {id}", id=id, conversation=conversation)
            for _ in range(200):        # as a sender that retries would: the same message again
                try:
                    a = self.ponte.send(body)
                except OSError:
                    continue
                if a.status == 200:
                    with self.lock:
                        self.acked[id] = a.json["event_id"]
                    break
                if a.status != 500:
                    self.odd.append(a)
                self.refused += 1
                if self.stopping.wait(0.05):
                    break

    def stop(self):
        self.stopping.set()
        for t in self.threads:
            t.join(60)


def settled(ponte):
    """All deliveries are in a final state; the rows."""
    rows = ponte.queue("--limit", "100000")
    return rows if all(r["state"] not in ("pending", "claimed", "waiting") for r in rows) else None


def judge(ponte, load):
    """The whole reckoning after a torture."""
    assert not load.odd, load.odd[:3]
    assert load.acked
    rows = wait_for(lambda: settled(ponte), 90, "everything delivered or explained", ponte.log_tail)
    by_event = {}
    for r in rows:
        by_event.setdefault(r["event_id"], []).append(r)
    for id, event in load.acked.items():
        hub = [r for r in by_event.get(event, []) if r["kind"] == "hub"]
        assert len(hub) == 1, f"message {id}, event {event}: {by_event.get(event)}"
        assert hub[0]["state"] == "done", hub
    # at the hub: each conversation in order, each message under one idempotency key
    seen, key_of = {}, {}
    for r in ponte.hub.requests:
        body = r["json"]
        for m in body["messages"]:
            last = seen.get(body["conversation_id"], 0)
            key = r["headers"]["idempotency-key"]
            first = key_of.setdefault(m["id"], key)
            assert first == key, f"message {m['id']} travelled under {first} and {key}"
            if m["id"] > last:
                seen[body["conversation_id"]] = m["id"]
            else:
                again = any(m["id"] == x["id"] and r["headers"]["idempotency-key"] == key for x in body["messages"])
                assert m.get("late") or again, f"message {m['id']} after {last}, not marked late"
    missing = set(load.acked) - set(key_of)
    assert not missing, f"acknowledged, never at the hub: {sorted(missing)[:5]}"
    # at Chatwoot: no reply twice
    posted = [j["content_attributes"]["ponte"] for _, _, j in ponte.posted()]
    twice = {p for p in posted if posted.count(p) > 1}
    assert not twice, f"posted twice: {sorted(twice)[:5]}"
    for r in rows:
        if r["kind"] == "reply" and r["state"] == "done":
            assert f"{r['event_id']}.{r['n']}" in posted, r
    ponte.check_store()


def test_l1_random_kills_under_load(make):
    ponte = make(settings="workers: {hooks: 4, api: 2}\n")
    ponte.tenant()
    load = Load(ponte)
    wait_for(lambda: len(load.acked) > 10)
    dice = random.Random(os.environ.get("PONTE_SEED", "1"))
    for _ in range(KILLS):
        role = dice.choice(ROLES)
        wait_for(lambda: ponte.pids(role), why=f"a {role} to kill", show=ponte.log_tail)
        pids = ponte.pids(role)
        # not the master of the workers each time: it is the first of many
        try:
            os.kill(dice.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            continue
        load.stopping.wait(dice.uniform(0.01, 0.3))
    before = len(load.acked)
    wait_for(lambda: len(load.acked) > before + 20, 60, "load goes on after the last kill", ponte.log_tail)
    load.stop()
    judge(ponte, load)


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
