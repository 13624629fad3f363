"""Each named step at which a role may die (lib/crashpoint.h), killed there once
under load and judged like the random kills.  Rows L1 (first half) and O4.

Needs a build with ./configure --enable-crash-points; PONTE_BUILD_CRASH says
where it is."""

import os
import pathlib
import re

import pytest

import conftest
from conftest import TOP, message, wait_for
from test_crash import Load, judge
from tools import alarms, delivery, refused

BUILD = os.environ.get("PONTE_BUILD_CRASH")
pytestmark = pytest.mark.skipif(not BUILD, reason="PONTE_BUILD_CRASH names no build with crash points")

POINTS = sorted({name for room in ("app", "lib") for path in (TOP / room).rglob("*.c")
                 for name in re.findall(r'CRASH_POINT\("([a-z-]+)"\)', path.read_text())})


@pytest.fixture
def crash(make, monkeypatch, tmp_path):
    """crash(point, pass, times): an instance whose roles die there, and how often they did."""
    monkeypatch.setattr(conftest, "PONTE", pathlib.Path(BUILD or ".").resolve() / "app/ponte/ponte")
    log = tmp_path / "crashes"

    def start(point, turn=1, times=1, **kw):
        env = {"PONTE_CRASH_AT": f"{point}:{turn}", "PONTE_CRASH_LOG": str(log), "PONTE_CRASH_TIMES": str(times)}
        return make(settings="workers: {hooks: 4, api: 2}\n", env=env, **kw), lambda: log.stat().st_size if log.exists() else 0
    return start


def test_the_points_are_those_of_every_step():
    steps = {"worker": {"accepted", "before-put", "after-put"}, "keeper": {"after-begin", "before-commit", "after-commit", "before-ack"},
             "courier": {"after-claim", "build", "before-send", "after-send", "judge", "before-settle", "after-settle"}}
    for role, names in steps.items():
        assert {f"{role}-{n}" for n in names} <= set(POINTS), POINTS


@pytest.mark.parametrize("point", POINTS)
def test_l1_killed_at_each_step_once(crash, point):
    # worker-start is passed once in a worker's life, before there is any load
    ponte, crashes = crash(point, 1 if point == "worker-start" else 8)
    ponte.tenant()
    load = Load(ponte)
    try:
        wait_for(lambda: crashes() == 1, 30, f"a role dies at {point}", ponte.log_tail)
        before = len(load.acked)
        wait_for(lambda: len(load.acked) > before + 10, 30, "load goes on after it", ponte.log_tail)
    finally:
        load.stop()
    judge(ponte, load)
    assert crashes() == 1


@pytest.mark.parametrize("point", ["courier-build", "courier-judge"])
def test_o4_what_crashes_the_courier_three_times_is_put_aside_and_the_rest_flows(crash, point):
    ponte, crashes = crash(point, times=3)
    ponte.tenant()
    poison = ponte.send(message(conversation=666)).json["event_id"]
    wait_for(lambda: delivery(ponte, poison)["state"] == "dead", 40, "the third crash is the last", ponte.log_tail)
    assert crashes() == 3
    row = delivery(ponte, poison)
    assert row["reason"].startswith("crashed the courier"), row
    rest = [ponte.send(message(conversation=c)).json["event_id"] for c in (666, 667, 668)]
    for event in rest:
        wait_for(lambda: (delivery(ponte, event, "reply") or {}).get("state") == "done", 20, show=ponte.log_tail)
        assert not delivery(ponte, event)["crashes"]
    assert len(ponte.hub.requests) - len(rest) == (0 if point == "courier-build" else 3)
    ponte.check_store()


def test_o4_others_are_not_charged_for_the_crashes_of_one(crash):
    """Ten wait; the courier dies three times while it has one of them in hand: nobody else is put aside."""
    ponte, crashes = crash("courier-build", times=2)
    ponte.tenant()
    events = [ponte.send(message(conversation=700 + i)).json["event_id"] for i in range(10)]
    for event in events:
        wait_for(lambda: (delivery(ponte, event, "reply") or {}).get("state") == "done", 40, show=ponte.log_tail)
    assert crashes() == 2
    charged = [r["crashes"] for r in ponte.queue() if r["crashes"]]
    assert sum(charged) == 2, charged
    ponte.check_store()


def test_o4_a_body_that_crashes_a_worker_is_500_and_the_obituary_names_it(crash):
    ponte, crashes = crash("worker-before-put")
    ponte.tenant()
    body = message(conversation=501)
    a = ponte.send(body)
    refused(a, 500, "TRY_AGAIN")
    assert crashes() == 1
    gone = wait_for(lambda: [e for e in ponte.events("worker-gone") if e.get("request_id") == a.json["request_id"]], show=ponte.log_tail)[0]
    assert gone["signal"] == "SIGKILL" and gone["body_digest"] and gone["route"].startswith("/webhook/chatwoot/"), gone
    again = ponte.send(body)            # as a bot's Chatwoot would
    assert again.json["status"] == "accepted"
    wait_for(lambda: ponte.posted(501), show=ponte.log_tail)
    assert len(alarms(ponte)) <= 1
    ponte.check_store()
