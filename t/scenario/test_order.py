"""A conversation is asked about in its order, each message once, whoever dies and
whatever is tried again.  Rows O2, O3 and O7, where somebody crashes; without
that test_bursts.py and test_hub.py have them."""

import collections
import os
import signal
import time

import pytest

from conftest import message, wait_for
from stories import insist
from talk import asked, done, ends, manners, settled
from test_crash import at_the_hub, open_ones, settled as all_settled

ROLES = ("ponte-courier", "ponte-keeper", "ponte-worker", "nginx")


def unplug(ponte):
    """All at once, and nobody has time for a last word."""
    os.kill(ponte.process.pid, signal.SIGSTOP)
    pids = [pid for program in ROLES for pid in ponte.pids(program)]
    for signo in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, signo)
    ponte.process.kill()
    ponte.process.wait(10)
    ponte.stop()


def crash(ponte, who):
    if who == "all":
        unplug(ponte)
        ponte.start()
    else:
        for role in who.split("+"):
            ponte.kill(f"ponte-{role}")


# ---- O7 --------------------------------------------------------------------------------

@pytest.mark.parametrize("who", ["courier", "keeper+courier", "all"])
def test_o7_a_crash_inside_the_window(make, who):
    """Still one question, oldest first, and not before the window is over."""
    ponte = make()
    ponte.tenant(manners=manners("debounce: 3s"))
    for i in (12, 10):
        insist(ponte, message(f"m{i}", id=i))
    crash(ponte, who)
    assert not asked(ponte), "the window was over before anybody died"
    last = insist(ponte, message("m11", id=11)).json["event_id"]
    written = time.monotonic()
    ponte.chatwoot.wait_messages(1)
    assert asked(ponte) == [["m10", "m11", "m12"]]
    assert ponte.hub.requests[0]["mono"] - written > 2.5, "the window was cut short"
    assert ends(settled(ponte, last)) == [("hub", "done")]
    assert [d.value for d in done(ponte)] == ["You said: m10 / m11 / m12"]
    ponte.check_store()


# ---- O2 --------------------------------------------------------------------------------

@pytest.mark.parametrize("who", ["courier", "all"])
def test_o2_what_was_asked_keeps_its_members_over_a_crash(make, who):
    """The hub thinks about 11 when 10 and 12 come, and then all is lost but the store: 11 is asked
    again alone under its key, 10 goes next and is marked, 12 is not."""
    ponte = make()
    ponte.tenant(manners=manners())
    ponte.hub.script = [{"hold": "thinking"}]
    first = insist(ponte, message("m11", id=11)).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    for i in (12, 10):
        insist(ponte, message(f"m{i}", id=i))
    crash(ponte, who)
    ponte.hub.release("thinking")
    ponte.chatwoot.wait_messages(2, 40)
    requests = [(r["headers"]["idempotency-key"], [(m["id"], m.get("late", False)) for m in r["json"]["messages"]]) for r in ponte.hub.requests]
    assert requests[:2] == [(first, [(11, False)])] * 2, requests
    assert [m for _, members in requests[2:] for m in members] == [(10, True), (12, False)], requests
    assert [m["content"] for m in ponte.chatwoot.messages][0] == "You said: m11"
    ponte.check_store()


@pytest.mark.parametrize("debounce", ["0s", "300ms"])
def test_o2_the_next_message_does_not_overtake_one_that_waits_to_be_tried_again(make, debounce):
    """The hub refuses the first; the courier dies while it waits for its turn."""
    ponte = make()
    ponte.tenant(manners=manners(f"debounce: {debounce}"))
    ponte.hub.script = [{"status": 503, "retry_after": 2}]
    insist(ponte, message("one", id=1))
    ponte.hub.wait(lambda p: p.requests)
    insist(ponte, message("two", id=2))
    ponte.kill("ponte-courier")
    insist(ponte, message("three", id=3))
    wait_for(lambda: len(sum(asked(ponte), [])) >= 4, 30, "all of it", ponte.log_tail)
    assert asked(ponte) == [["one"], ["one"], ["two", "three"]]
    ponte.check_store()


# ---- O3 --------------------------------------------------------------------------------

def test_o3_bursts_keep_their_order_over_refusals_crashes_and_replays(make):
    """Six conversations that are written to in bursts; one is stuck and delays no other."""
    ponte = make(settings="delivery: {allow_private: {allow}, reply_budget: 0, breaker_failures: 100}\n")
    ponte.tenant(manners=manners("debounce: 100ms"))
    ponte.hub.script = [{"contains": "stuck", "hold": "stuck", "times": 0}, {"status": 503}, {"cut": "after"}, {"status": 503}]
    insist(ponte, message("stuck", id=1, conversation=1))
    ponte.hub.wait(lambda p: p.requests)
    events, n = {}, collections.Counter()
    for turn, who in enumerate(("courier", None, "keeper", "courier", None, "worker")):
        for conversation in (2, 3, 4, 5, 6):
            for _ in range(3):
                n[conversation] += 1
                id = conversation * 1000 + n[conversation]
                events[id] = insist(ponte, message(f"m{id}", id=id, conversation=conversation)).json["event_id"]
            if who and conversation == 4:
                crash(ponte, who)
        ponte.hub.add({"status": 503} if turn % 2 else {"cut": "middle"})
        time.sleep(0.2)

    wait_for(lambda: {r["conversation"] for r in open_ones(ponte)} == {1}, 60, "the others are through", ponte.log_tail)
    assert asked(ponte, 1)[0] == ["stuck"] and not ponte.posted(1), "it was stuck"
    ponte.hub.release("stuck")
    wait_for(lambda: all_settled(ponte), 30, "all", ponte.log_tail)
    turns = at_the_hub(ponte)
    assert set(turns) == {1, *events}
    requests = {r["headers"]["idempotency-key"] for r in ponte.hub.requests}
    assert len(requests) < len(events), "no burst was one question"
    # what the hub refused, asked again by hand when newer ones are through: marked, and under its own key
    ponte.hub.script = [{"status": 400}]
    refused = insist(ponte, message("refused", id=2901, conversation=2)).json["event_id"]
    settled(ponte, refused)
    settled(ponte, insist(ponte, message("newer", id=2902, conversation=2)).json["event_id"], 2)
    ponte.run("queue", "retry", ponte.queue("--event", refused)[0]["id"])
    settled(ponte, refused, 2)
    replay = [r for r in ponte.hub.requests if r["headers"]["idempotency-key"] == refused]
    assert [[(m["id"], m.get("replayed", False)) for m in r["json"]["messages"]] for r in replay] == [[(2901, False)], [(2901, True)]]
    ponte.check_store()
