"""The wall clock is set while ponte runs: waits do not see it, signatures do.  Row O5.
Needs libfaketime (Debian: faketime)."""

import pathlib
import time

import pytest

from conftest import message, wait_for
from stories import ended
from talk import asked, manners, settled
from tools import refused

LIBRARY = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)
pytestmark = pytest.mark.skipif(not LIBRARY, reason="no libfaketime: apt-get install faketime")

HOUR, DAY = 3600, 86400
JUMPS = [HOUR, -HOUR, DAY, -DAY]


class Clock:
    """The wall clock of all that `env` is given to; the monotonic one is left alone."""

    def __init__(self, directory):
        self.file, self.off = directory / "clock", 0
        self.env = {"LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                    "FAKETIME_NO_CACHE": "1"}
        self.jump(0)

    def jump(self, seconds):
        new, self.off = self.file.with_suffix(".new"), seconds
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.file)

    def now(self):
        return int(time.time()) + self.off


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


def send(ponte, clock, body):
    """Signed by a Chatwoot whose clock is right by ours."""
    a = ponte.send(body, timestamp=clock.now())
    assert a.status == 200, a
    return a.json["event_id"]


@pytest.mark.parametrize("jump", JUMPS)
def test_o5_the_clock_is_set_during_a_wait_and_inside_the_window(make, clock, jump):
    """Back-off, debounce and the wait for an echo last as long as they would have; nothing expires,
    comes in a burst or stands still.  What is signed is judged by the new time at once."""
    ponte = make(env=clock.env, settings="hub: {debounce: 1s}\n")
    ponte.tenant(manners=manners())
    ponte.hub.script = [{"contains": "again", "status": 503, "retry_after": 2}]
    ponte.chatwoot.script = [{"path": "/conversations/2/", "cut": "after"}]
    events = [send(ponte, clock, message("again", conversation=1)), send(ponte, clock, message("lost", conversation=2))]
    wait_for(lambda: ponte.chatwoot.requests, why="the post that is lost", show=ponte.log_tail)
    old = clock.now()
    events.append(send(ponte, clock, message("one", id=10, conversation=3)))
    began = time.monotonic()
    clock.jump(jump)
    a = ponte.send(message("stale", conversation=4), timestamp=old)
    refused(a, 401, a.json["code"])
    events.append(send(ponte, clock, message("two", id=11, conversation=3)))
    wait_for(lambda: asked(ponte, 3), 20, "the burst is over", ponte.log_tail)
    assert asked(ponte, 3) == [["one", "two"]] and time.monotonic() - began > 0.9, "the debounce"
    wait_for(lambda: len(asked(ponte, 1)) == 2, 20, "it is asked again", ponte.log_tail)
    first, second = (r["mono"] for r in ponte.hub.requests if r["json"]["conversation_id"] == 1)
    assert second - first > 1.9, "the wait was cut short"
    assert [r["state"] for r in ended(ponte, events[0], ("hub", "reply"))] == ["done", "done"]
    assert settled(ponte, events[1], 2)[1]["state"] == "unknown"
    assert [r["state"] for r in settled(ponte, events[3], 2)] == ["done", "done"]
    clock.jump(0)                       # and back
    event = send(ponte, clock, message("back", conversation=3))
    assert [r["state"] for r in settled(ponte, event, 2)] == ["done", "done"]
    assert len(ponte.hub.requests) == 5, "a burst"
    ponte.check_store()


@pytest.mark.parametrize("jump", [HOUR, -DAY])
def test_o5_the_keeper_starts_again_after_the_clock_was_set(make, clock, jump):
    """What waits in the store waits no longer than it was told to."""
    ponte = make(env=clock.env)
    ponte.tenant(manners=manners())
    ponte.hub.script = [{"status": 503, "retry_after": 3}]
    event = send(ponte, clock, message("again", id=1))
    wait_for(lambda: ponte.events("delivery", verdict="retry"), show=ponte.log_tail)
    clock.jump(jump)
    before = ponte.kill("ponte-keeper")
    wait_for(lambda: [p for p in ponte.pids("ponte-keeper") if p != before], why="another keeper", show=ponte.log_tail)
    assert [r["state"] for r in settled(ponte, event, 2, 30)] == ["done", "done"]
    event = send(ponte, clock, message("more", id=2))
    assert [r["state"] for r in settled(ponte, event, 2)] == ["done", "done"]
    assert asked(ponte) == [["again"], ["again"], ["more"]]
    ponte.check_store()
