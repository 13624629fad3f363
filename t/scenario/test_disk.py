"""A disk that fails, tears, is interrupted or fills up (t/faults/fault.c).
Rows L3 and L4."""

import json

import pytest

from conftest import message, wait_for
from tools import Disk, alarms, delivery, refused

SMALL = "workers: {hooks: 4, api: 2}\n"


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path)


@pytest.fixture
def ponte(make, disk):
    i = make(settings=SMALL, env=disk.env)
    i.tenant()
    return i


def settled(ponte, event, kind="reply"):
    return wait_for(lambda: (delivery(ponte, event, kind) or {}).get("state") == "done", 30, f"{kind} of {event}",
                    ponte.log_tail)


def accepted(ponte, body):
    """Sends it until it is taken, as Chatwoot's bots do."""
    answers = []

    def look():
        answers.append(ponte.send(body))
        return answers[-1].status == 200 and answers[-1]
    return wait_for(look, 30, "the fault is gone and intake goes on", ponte.log_tail), answers[:-1]


# ---- L3: failures ---------------------------------------------------------------

@pytest.mark.parametrize("fault", ["fsync_eio", "write_eio"])
def test_l3_nothing_is_acknowledged_while_the_disk_fails(ponte, disk, fault):
    """Each keeper ends at its first failure, with one alarm; when the fault is gone the next one goes on."""
    before = ponte.send(message(id=1)).json["event_id"]
    settled(ponte, before)
    keeper = ponte.pids("ponte-keeper")[0]
    said = len(alarms(ponte))

    disk.order(**{fault: 1})
    body = message(id=2, conversation=502)
    refused(ponte.send(body), 500, "TRY_AGAIN")
    wait_for(lambda: keeper not in ponte.pids("ponte-keeper"), why="the keeper ends", show=ponte.log_tail)
    refused(ponte.send(message(id=3, conversation=503)), 500, "TRY_AGAIN")

    disk.orders.unlink()
    after, _ = accepted(ponte, body)
    settled(ponte, after.json["event_id"])
    told = [a["pid"] for a in alarms(ponte, role="keeper")[said:]]
    assert told and len(told) == len(set(told)), f"not one alarm for each keeper that ended: {told}"
    if fault == "fsync_eio":
        failed = [pid for pid, outcome, _ in disk.flushes() if outcome == "failed"]
        assert failed and len(failed) == len(set(failed)), f"a keeper flushed again after a failure: {failed}"
    assert len({r["json"]["messages"][0]["id"] for r in ponte.hub.requests}) == len(ponte.hub.requests), "told twice"
    ponte.check_store()


def test_l3_a_flush_that_failed_once_is_not_believed_the_second_time(ponte, disk):
    """The pages may be gone though the next flush says all is well: what a keeper lost is written again, into
    the file itself, by the next one before anybody hears 200."""
    disk.order(fsync_eio=2)             # the next one alone
    body = message(id=2)
    a, refusals = accepted(ponte, body)
    flushes = disk.flushes()
    at = next(i for i, f in enumerate(flushes) if f[1] == "failed")
    old = flushes[at][0]
    assert not [f for f in flushes[at + 1:] if f[0] == old], "the keeper flushed again after its failure"
    assert [f for f in flushes[at + 1:] if f[1:] == ("ok", "ponte.db")], \
        f"answered {a.json['status']} after {len(refusals)} refusals, and the store's file was not written: {flushes[at:]}"
    settled(ponte, a.json["event_id"])
    ponte.check_store()


@pytest.mark.parametrize("fault", ["short_write", "eintr"])
def test_l3_writes_that_are_cut_or_interrupted_go_on(ponte, disk, fault):
    keeper = ponte.pids("ponte-keeper")
    disk.order(**{fault: 1})
    events = [ponte.send(message(conversation=600 + i)) for i in range(10)]
    assert [a.status for a in events] == [200] * 10, events
    for a in events:
        settled(ponte, a.json["event_id"])
    assert ponte.pids("ponte-keeper") == keeper and not alarms(ponte)
    disk.orders.unlink()
    ponte.stop()                        # what was written is whole: the next one opens it
    ponte.start()
    assert {r["event_id"] for r in ponte.queue()} == {a.json["event_id"] for a in events}
    ponte.check_store()


# ---- L4: no room ----------------------------------------------------------------

def test_l4_below_min_free_intake_is_refused_while_settles_go_on(ponte, disk):
    ponte.hub.script = [{"hold": "thinking", "times": 2}]
    thinking = [ponte.send(message(conversation=600 + i)).json["event_id"] for i in range(2)]
    ponte.hub.wait(lambda p: len(p.requests) == 2)

    disk.order(free_bytes=1000000)
    body = message(conversation=700)
    wait_for(lambda: ponte.send(message(conversation=701)).status == 500, why="intake stops", show=ponte.log_tail)
    for _ in range(5):
        a = ponte.send(body)
        refused(a, 500, "TRY_AGAIN")
        assert "low disk" in a.json["reason"], a
    ponte.hub.release("thinking")
    for event in thinking:
        settled(ponte, event)
    assert len(ponte.posted()) >= 2

    assert len(alarms(ponte)) == 1, alarms(ponte)
    assert str(ponte.dir / "state") in str(alarms(ponte)[0]), "the alarm names the path"
    assert ponte.ask("GET", "/readyz").status == 503
    refused_now = len(alarms(ponte))
    disk.orders.unlink()
    a, _ = accepted(ponte, body)
    settled(ponte, a.json["event_id"])
    assert len(alarms(ponte)) == refused_now
    assert len([e for e in ponte.events() if "resumed" in e["event"]]) == 1
    ponte.check_store()


def test_l4_on_a_full_disk_nothing_dies_and_nothing_is_lost(ponte, disk):
    ponte.hub.script = [{"hold": "thinking", "times": 2}]
    thinking = [ponte.send(message(conversation=600 + i)).json["event_id"] for i in range(2)]
    ponte.hub.wait(lambda p: len(p.requests) == 2)
    alive = ponte.pids("ponte-keeper"), ponte.pids("ponte-courier"), ponte.pids("ponte-worker")

    disk.order(write_enospc=1)
    body = message(id=50, conversation=700)
    for _ in range(3):
        refused(ponte.send(body), 500, "TRY_AGAIN")
    ponte.hub.release("thinking")       # the courier has two answers that cannot be kept now
    wait_for(lambda: ponte.events("settle-later"), why="the courier keeps its results", show=ponte.log_tail)
    refused(ponte.send(body), 500, "TRY_AGAIN")
    assert len(ponte.hub.requests) == 2, "it claimed more"
    assert not ponte.posted()
    assert len(alarms(ponte)) == 1 and str(ponte.dir / "state") in str(alarms(ponte)[0]), alarms(ponte)

    disk.orders.unlink()
    for event in thinking:
        settled(ponte, event)
    a, _ = accepted(ponte, body)
    settled(ponte, a.json["event_id"])
    assert len(ponte.hub.requests) == 3, "the hub thought twice"
    assert len(ponte.posted()) == 3
    assert (ponte.pids("ponte-keeper"), ponte.pids("ponte-courier"), ponte.pids("ponte-worker")) == alive
    ponte.check_store()


def test_l4_a_disk_that_fills_while_messages_come(ponte, disk):
    """Full, not full, full again under load: each 200 is kept, each refusal is 500."""
    acked, odd = [], []
    for turn in range(4):
        if turn % 2:
            disk.order(write_enospc=1)
        for i in range(8):
            body = message(conversation=800 + i)
            a = ponte.send(body)
            if a.status == 200:
                acked.append(a.json["event_id"])
            elif a.status != 500 or a.json["code"] != "TRY_AGAIN":
                odd.append(a)
        if turn % 2:
            disk.orders.unlink()
            accepted(ponte, message(conversation=801))
    assert not odd and len(acked) >= 8, (odd, len(acked))
    for event in acked:
        settled(ponte, event)
    assert len(ponte.pids("ponte-keeper")) == 1
    ponte.check_store()


@pytest.mark.parametrize("name, errno", [("no inode is left", 28), ("the directory became read-only", 30)])
def test_l4_where_no_new_file_can_be_made_work_goes_on(ponte, disk, name, errno):
    """Nothing new is made while the keeper runs; killed, it is back when a file can be made again, and nothing is lost."""
    first = ponte.send(message(conversation=900)).json["event_id"]
    disk.order(creat_errno=errno)
    second = ponte.send(message(conversation=901)).json["event_id"]
    for event in (first, second):
        settled(ponte, event)
    ponte.kill("ponte-keeper")
    (ponte.dir / "state" / "ponte.db-shm").unlink()     # so that the next keeper has to make one
    wait_for(lambda: [e for e in ponte.events(role="keeper") if e["level"] == "error"], why="the keeper says what is wrong",
             show=ponte.log_tail)
    disk.orders.unlink()
    a, before = accepted(ponte, message(conversation=902))
    assert all(b.status == 500 and b.json["code"] == "TRY_AGAIN" for b in before), before
    settled(ponte, a.json["event_id"])
    assert {r["event_id"] for r in ponte.queue()} == {first, second, a.json["event_id"]}
    ponte.check_store()


def test_l4_a_store_that_cannot_be_opened_for_lack_of_room_is_opened_later(make, disk):
    """Started on a full disk: it waits, says so, and serves when there is room."""
    ponte = make(settings=SMALL, env=disk.env, start=False)
    disk.order(write_enospc=1)
    ponte.start(wait=False)
    wait_for(lambda: [e for e in ponte.events() if e["level"] in ("error", "alarm")], show=ponte.log_tail)
    assert ponte.process.poll() is None
    disk.orders.unlink()
    ready = json.loads(ponte.process.stdout.readline())
    ponte.port = int(ready["https"].rsplit(":", 1)[1])
    ponte.tenant()
    assert ponte.send(message()).status == 200
