"""A message that kills whoever handles it.  Row O4: what crashes the courier
three times is set aside, what crashes a worker is refused, the rest flows."""

import os

import pytest

from conftest import BUILD, message, wait_for
from test_hub import final

WORD = "POISONxyz"


def poisoned(make, program):
    return make(env={"LD_PRELOAD": str(BUILD / "t/faults/poison.so"), "PONTE_POISON": WORD, "PONTE_POISONED": program,
                     "ASAN_OPTIONS": "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")})


@pytest.mark.parametrize("where", ["build", "judge"])
def test_o4_what_crashes_the_courier_is_set_aside_after_three_times(make, where):
    ponte = poisoned(make, "ponte-courier")
    ponte.tenant()
    if where == "judge":
        ponte.hub.script = [{"contains": "evil", "json": {"content": WORD}, "times": 0}]
    good = [ponte.send(message(conversation=600 + i)).json["event_id"] for i in range(5)]
    bad = ponte.send(message("evil" if where == "judge" else WORD, conversation=700)).json["event_id"]
    good += [ponte.send(message(conversation=800 + i)).json["event_id"] for i in range(10)]
    row = final(ponte, bad, seconds=40)
    assert row["state"] == "dead" and row["crashes"] == 3 and "crashed" in row["reason"], row
    after = ponte.send(message(conversation=700)).json["event_id"]
    for event in good + [after]:
        row = final(ponte, event)
        assert row["state"] == "done" and row["crashes"] == 0, row
        # a reply that was on its way while the courier died is never guessed
        assert final(ponte, event, "reply")["state"] in ("done", "unknown")
    assert final(ponte, after, "reply")["state"] == "done"
    assert len(ponte.events("died", program="courier")) == 3
    asked = [r for r in ponte.hub.requests if r["headers"]["idempotency-key"] == bad]
    assert len(asked) == (3 if where == "judge" else 0)
    posted = [j["content_attributes"]["ponte"] for _, _, j in ponte.posted()]
    assert len(posted) == len(set(posted)), "a reply was posted twice"
    ponte.check_store()


def test_o4_what_crashes_a_worker_is_500_and_the_rest_flows(make):
    ponte = poisoned(make, "ponte-worker")
    ponte.tenant()
    for _ in range(3):
        a = ponte.send(message(WORD))
        assert a.status == 500 and a.json["code"] == "TRY_AGAIN", a
        gone = wait_for(lambda: ponte.events("worker-gone", request_id=a.json["request_id"]), show=ponte.log_tail)[0]
        assert gone["route"] == "/webhook/chatwoot/{tenant}/{kind}" and gone["body_digest"], gone
        event = ponte.send(message(conversation=502)).json["event_id"]
        assert final(ponte, event)["state"] == "done"
    assert len({e["body_digest"] for e in ponte.events("worker-gone") if e.get("body_digest")}) == 3
    ponte.check_store()
