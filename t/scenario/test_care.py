"""What an operator does with the queue: looks, holds, lets go, tries again, drops, erases;
what is kept for how long; and a store of an older version."""

import json
import re
import shutil
import sqlite3
import time

import pytest

from conftest import TOP, message, wait_for
from talk import CANNOT, counts, ends, manners, settled
from tools import delivery

SMALL = "workers: {hooks: 2, api: 1}\n"


def said(r):
    """How many deliveries or events a command says it was about."""
    return sum(int(n) for n in re.findall(r"(\d+) (?:deliver|event)", r.stdout))


def states(ponte, *args):
    return sorted((r["state"], r["kind"]) for r in ponte.queue(*args))


# ---- steering ---------------------------------------------------------------------

def test_hold_release_and_drop_by_filter_and_the_dry_run_counts_the_same(make):
    ponte = make(settings=SMALL)
    ponte.tenant()
    ponte.tenant("other", account=8, installation="eight")
    ponte.hub.script = [{"hang": True, "times": 0}]
    first = ponte.send(message(conversation=600)).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    waiting = [ponte.send(message(conversation=600)).json["event_id"] for _ in range(3)]
    theirs = ponte.send(message(conversation=600, account=8), tenant="other").json["event_id"]

    before = ponte.queue()
    for verb in ("hold", "drop", "retry"):
        dry = ponte.run("queue", verb, "--all", "--tenant", "shop", "--state", "pending", "--dry-run")
        assert said(dry) == 3 and ponte.queue() == before, f"{verb} --dry-run: {dry.stdout}"
    assert said(ponte.run("queue", "hold", "--all", "--tenant", "shop", "--state", "pending")) == 3
    assert [delivery(ponte, e)["state"] for e in (first, *waiting, theirs)][:4] == ["claimed", "held", "held", "held"]
    assert delivery(ponte, theirs)["state"] in ("pending", "claimed"), "another tenant's was held"
    assert said(ponte.run("queue", "release", waiting[0])) == 1
    assert said(ponte.run("queue", "drop", "--all", "--tenant", "shop", "--state", "held", "--newer", "1h")) == 2
    assert said(ponte.run("queue", "drop", "--all", "--tenant", "shop", "--state", "pending", "--older", "1h")) == 0
    assert [delivery(ponte, e)["state"] for e in waiting] == ["pending", "dropped", "dropped"]
    ponte.check_store()


@pytest.mark.parametrize("args, says", [
    (["hold"], "--all"), (["drop", "--all", "--state", "nonsense"], "nonsense"), (["retry", "--all", "--kind", "nonsense"], "nonsense"),
    (["release", "abc"], "abc"), (["drop", "--all", "--older", "yesterday"], "yesterday"), (["hold", "999999"], "999999"),
])
def test_what_cannot_be_meant_is_named(ponte, args, says):
    r = ponte.run("queue", *args, check=False)
    assert r.returncode in (1, 2) and says in r.stderr, r


def test_a_replay_is_marked_and_paced(make):
    ponte = make(settings=SMALL + "delivery: {allow_private: {allow}, reply_budget: 0, replay_rate: 2}\n")
    ponte.tenant(manners=manners())
    ponte.hub.script = [dict(CANNOT, times=6)]
    events = [ponte.send(message(conversation=700 + i)).json["event_id"] for i in range(6)]
    for e in events:
        settled(ponte, e)
    asked = len(ponte.hub.requests)
    assert said(ponte.run("queue", "retry", "--all", "--state", "dead")) == 6
    ponte.hub.wait(lambda p: len(p.requests) == asked + 6, seconds=30)
    again = ponte.hub.requests[asked:]
    assert all(m["replayed"] is True for r in again for m in r["json"]["messages"])
    assert not [m for r in ponte.hub.requests[:asked] for m in r["json"]["messages"] if "replayed" in m]
    assert {r["headers"]["idempotency-key"] for r in again} == set(events), "a replay has another key"
    spread = again[-1]["mono"] - again[0]["mono"]
    assert spread > 1.5, f"six at two a second left within {spread:.1f} s"
    for e in events:
        assert ("hub", "done") in ends(settled(ponte, e, 2))
    ponte.check_store()


def test_the_life_of_a_message_is_told(make):
    ponte = make(settings=SMALL)
    ponte.tenant(manners=manners("debounce: 500ms"))
    ponte.hub.script = [{"status": 503}]
    first = ponte.send(message("um", conversation=710)).json["event_id"]
    last = ponte.send(message("dois", conversation=710)).json["event_id"]
    settled(ponte, last, 2)
    told = ponte.run("trace", last).stdout
    for word in ("received", "503", "reply", "done"):
        assert word in told, told
    assert first in ponte.run("trace", first).stdout
    rows = [json.loads(line) for line in ponte.run("trace", last, "--json").stdout.splitlines()]
    times = [r["at"] for r in rows if "at" in r]
    assert rows and times == sorted(times), rows
    assert "dois" not in told, "a message's text is not told"
    r = ponte.run("trace", "01900000-0000-7000-8000-000000000000", check=False)
    assert r.returncode == 1 and "no such event" in r.stderr
    assert ponte.run("trace", "nonsense", check=False).returncode == 2


# ---- erasing and forgetting ----------------------------------------------------------

def files_hold(ponte, text):
    return [p.name for p in (ponte.dir / "state").iterdir() if p.is_file() and text.encode() in p.read_bytes()]


def test_a_person_is_erased_from_every_file(make):
    ponte = make(settings=SMALL)
    ponte.tenant(manners=manners())
    ponte.tenant("other", account=8, installation="eight")
    ponte.hub.script = [{"json": {"content": "CANARYanswer"}}, {"json": {"content": "CANARYanswer"}}, dict(CANNOT, times=1)]
    done = ponte.send(message("CANARYtext one", conversation=720)).json["event_id"]
    settled(ponte, done, 2)
    dead = ponte.send(message("CANARYtext two", conversation=721)).json["event_id"]
    settled(ponte, dead, 2)
    ponte.hub.script = [dict(CANNOT, times=1), {"json": {"content": "ok"}}]
    settled(ponte, ponte.send(message("CANARYtext three", conversation=722)).json["event_id"])
    stays = ponte.send(message("STAYStext", conversation=723, account=8), tenant="other").json["event_id"]
    settled(ponte, stays, 2)
    assert files_hold(ponte, "CANARYtext") and files_hold(ponte, "CANARYanswer")

    before = ponte.queue()
    dry = ponte.run("erase", "--tenant", "shop", "--contact", "2001", "--dry-run")
    assert said(dry) == 3 and ponte.queue() == before and files_hold(ponte, "CANARYtext")
    assert said(ponte.run("erase", "--tenant", "shop", "--phone", "+12025550143")) == 3
    wait_for(lambda: not files_hold(ponte, "CANARYtext") and not files_hold(ponte, "CANARYanswer"), why="nothing can be read",
             show=lambda: str(files_hold(ponte, "CANARY")))
    assert files_hold(ponte, "STAYStext"), "another tenant's person of the same number was erased"
    assert ("hub", "done") in ends(settled(ponte, stays, 2))
    assert said(ponte.run("erase", "--tenant", "shop", "--contact", "2001")) == 0
    assert ponte.send(message("again", id=json.loads(ponte.hub.requests[0]["body"])["messages"][0]["id"], conversation=720)).json["status"] == "duplicate"
    ponte.check_store()
    for bad in (["--tenant", "shop"], ["--contact", "2001"], ["--tenant", "nobody", "--contact", "1"]):
        assert ponte.run("erase", *bad, check=False).returncode in (1, 2)


def test_an_installation_that_nobody_had_erases_nothing_and_says_so(make):
    ponte = make(settings=SMALL, nginx=True)
    ponte.tenant(manners=manners())
    settled(ponte, ponte.send(message("CANARYtext", conversation=720)).json["event_id"], 2)
    for words in (["--contact", "2001", "--installation", "typo"], ["--contact", "2001", "--installation", "typo", "--dry-run"]):
        r = ponte.run("erase", "--tenant", "shop", *words, check=False)
        assert r.returncode == 1 and "shop has no installation typo" in r.stderr and "0 events" not in r.stdout, r
    r = ponte.run("erase", "--tenant", "shop", "--phone", "+12025550143", "--installation", "main", check=False)
    assert r.returncode == 2 and "--installation goes with --contact" in r.stderr, r
    assert files_hold(ponte, "CANARYtext")
    # One that the tenant has no more may have left events, and they can be erased.
    ponte.tenant(manners=manners(), installation="newer")
    assert said(ponte.run("erase", "--tenant", "shop", "--contact", "2001", "--installation", "newer")) == 0
    assert said(ponte.run("erase", "--tenant", "shop", "--contact", "2001", "--installation", "main")) == 1
    wait_for(lambda: not files_hold(ponte, "CANARYtext"), why="nothing can be read")


def test_each_class_is_kept_for_its_own_time(make):
    """What is older than its class is pruned when ponte starts; its key is kept, and the books balance."""
    ponte = make(settings=SMALL + "store: {retention: {bodies: 10d, noted: 20d, failed: 30d, keys: 40d}}\n")
    ponte.tenant(manners=manners())
    good = ponte.send(message(id=1, conversation=730)).json["event_id"]
    settled(ponte, good, 2)
    noted = ponte.send(message(id=2, conversation=731, type="outgoing", sender="user", status="open")).json["event_id"]
    ponte.hub.script = [dict(CANNOT, times=1)]
    failed = ponte.send(message(id=3, conversation=732)).json["event_id"]
    settled(ponte, failed)

    def age(days):
        ponte.stop()
        db = sqlite3.connect(ponte.dir / "state/ponte.db")
        us = days * 86400 * 1000000
        db.execute("UPDATE event SET received_us = received_us - ?", (us,))
        db.execute("UPDATE dedup SET made_us = made_us - ?", (us,))
        db.execute("UPDATE delivery SET since_us = since_us - ?, made_us = made_us - ?, settled_us = settled_us - ?", (us, us, us))
        db.commit()
        db.close()
        ponte.start()

    def there():
        return [ponte.run("trace", e, check=False).returncode == 0 for e in (good, noted, failed)]
    assert there() == [True] * 3
    for days, left in ((15, [False, True, True]), (10, [False, False, True]), (10, [False, False, False])):
        age(days)
        wait_for(lambda left=left: there() == left, 30, f"{left} after {days} days more", show=lambda: str(there()))
        ponte.check_store()
    assert ponte.send(message(id=1, conversation=730)).json["status"] == "duplicate", "the key went with the body"
    age(10)
    wait_for(lambda: ponte.send(message(id=3, conversation=732)).json["status"] == "accepted", 30, "the key goes in its own time")
    ponte.check_store()


# ---- older stores ---------------------------------------------------------------------

def schema_of_version_1():
    """The first step of lib/store_schema.c, which is never changed."""
    text = re.sub(r"/\*.*?\*/", "", (TOP / "lib/store_schema.c").read_text(), flags=re.S)
    step = text[text.index("store_schema[] = {"):].split("\",\n\n", 1)[0] + '"'
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', step))


def as_version_1(path):
    """The same rows in a store as version 1 made it."""
    old = path.with_suffix(".old")
    path.rename(old)
    new = sqlite3.connect(path)
    new.executescript(schema_of_version_1())
    new.execute("ATTACH ? AS was", (str(old),))
    for (table,) in new.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall():
        columns = ", ".join(row[1] for row in new.execute(f"PRAGMA main.table_info({table})"))
        new.execute(f"DELETE FROM main.{table}")
        new.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM was.{table}")
    (application,) = new.execute("PRAGMA was.application_id").fetchone()
    new.commit()
    new.execute("DETACH was")
    new.execute(f"PRAGMA application_id = {application}")
    new.execute("PRAGMA user_version = 1")
    new.commit()
    new.close()
    old.unlink()


def test_a_store_of_version_1_is_brought_forward_with_all_that_waits_in_it(make):
    ponte = make(settings=SMALL)
    ponte.tenant(manners=manners())
    answered = ponte.send(message(id=1, conversation=740)).json["event_id"]
    settled(ponte, answered, 2)
    ponte.hub.script = [dict(CANNOT, times=1)]
    dead = ponte.send(message(id=2, conversation=741)).json["event_id"]
    settled(ponte, dead)
    ponte.hub.script = [{"status": 503, "times": 0}]
    waiting = ponte.send(message("ainda", id=3, conversation=742)).json["event_id"]
    ponte.hub.wait(lambda p: len(p.requests) >= 3)
    ponte.stop()
    as_version_1(ponte.dir / "state/ponte.db")
    ponte.hub.script = []
    ponte.start()
    assert ends(settled(ponte, waiting, 2, 40)) == [("hub", "done"), ("reply", "done")]
    assert ends(settled(ponte, answered, 2)) == [("hub", "done"), ("reply", "done")] and ends(settled(ponte, dead)) == [("hub", "dead")]
    assert ponte.send(message(id=1, conversation=740)).json["status"] == "duplicate"
    assert counts(ponte, "hub", "done") == 2 and counts(ponte, "hub", "dead") == 1
    ponte.check_store()
    ponte.stop()
    db = sqlite3.connect(ponte.dir / "state/ponte.db")
    assert db.execute("PRAGMA user_version").fetchone()[0] > 1
    db.close()


def test_a_store_of_a_newer_version_is_left_alone(make):
    ponte = make(settings=SMALL)
    ponte.tenant()
    ponte.stop()
    path = ponte.dir / "state/ponte.db"
    shutil.copy(path, path.with_suffix(".kept"))
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    ponte.start(wait=False)
    said_so = wait_for(lambda: ponte.events("store-refused"), why="the keeper says so", show=ponte.log_tail)
    assert "99" in said_so[0]["why"] and str(path) in said_so[0]["why"], said_so[0]
    time.sleep(0.3)
    ponte.stop()
    assert path.read_bytes() == before
