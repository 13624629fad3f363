"""A customer writes four short messages and wants one answer.  Row O7."""

import time

from conftest import message, wait_for
from talk import asked, done, ends, manners, settled
from test_hub import final


def test_o7_a_burst_is_one_request_in_order(make):
    """Whatever order and however often they come in; another conversation's are its own."""
    ponte = make()
    ponte.tenant(manners=manners("debounce: 2s"))
    first, second = {}, {}
    for i in (12, 10, 14, 11, 13):
        body = message(f"a{i}", id=i, conversation=1)
        first[i] = ponte.send(body).json["event_id"]
        assert ponte.send(body).json["status"] == "duplicate"
        second[i] = ponte.send(message(f"b{i}", id=100 + i, conversation=2)).json["event_id"]
    ponte.chatwoot.wait_messages(2)
    assert sorted(asked(ponte)) == [["a10", "a11", "a12", "a13", "a14"], ["b10", "b11", "b12", "b13", "b14"]]
    r = [r for r in ponte.hub.requests if r["json"]["conversation_id"] == 1][0]
    assert r["json"]["event_id"] == r["headers"]["idempotency-key"] == first[14], "named by its last message"
    assert not any("late" in m for m in r["json"]["messages"])
    # one answer, which belongs to the last; the others say with whom they went
    assert ends(settled(ponte, first[14], 2)) == [("hub", "done"), ("reply", "done")]
    batch = final(ponte, first[14])["id"]
    assert [settled(ponte, first[i])[0]["batch"] for i in (10, 11, 12, 13)] == [batch] * 4
    assert len(done(ponte)) == 2
    ponte.check_store()


def test_o7_a_burst_that_does_not_end_is_asked_about_all_the_same(make):
    """The longest wait is ten seconds, however long the customer goes on; a tenant without a
    debounce waits for nothing."""
    ponte = make(settings="hub: {debounce: 5s}\n")
    ponte.tenant(manners=manners())
    ponte.tenant("quick", 8, installation="quick", inboxes="[]", manners=manners("debounce: 0s"))
    sent, give_up = [], time.monotonic() + 60
    while not asked(ponte, 1):
        assert time.monotonic() < give_up, "it waits for the end of a burst that has none"
        text = f"m{len(sent):03}"
        ponte.send(message(text, conversation=1))
        sent.append(text)
        if len(sent) == 2:
            ponte.send(message("now", conversation=2, account=8), tenant="quick")
            ponte.hub.wait(lambda p: asked(ponte, 2))
            assert not asked(ponte, 1), "a debounce of 5 s was none"
        time.sleep(0.25)
    batch = asked(ponte, 1)[0]
    assert batch == sent[:len(batch)] and len(batch) > 2
    # the rest is the next burst: none lost, none twice
    wait_for(lambda: len(sum(asked(ponte, 1), [])) >= len(sent), 30, "the rest of it", ponte.log_tail)
    assert sum(asked(ponte, 1), []) == sent
    ponte.check_store()


def test_o7_a_burst_survives_the_keeper(make):
    """Killed in the middle of the window; what is written while the hub thinks is a burst again."""
    ponte = make()
    ponte.tenant(manners=manners("debounce: 3s"))
    ponte.hub.script = [{"hold": "thinking"}]
    for text in ("one", "two"):
        ponte.send(message(text))
    ponte.kill("ponte-keeper")
    ponte.send(message("three"))
    assert not asked(ponte), "the window was over before the keeper died"
    ponte.hub.wait(lambda p: p.requests, 20)
    for text in ("four", "five"):
        ponte.send(message(text))
    ponte.hub.release("thinking")
    ponte.chatwoot.wait_messages(2)
    assert asked(ponte) == [["one", "two", "three"], ["four", "five"]]
    assert [d.value for d in done(ponte)] == ["You said: one / two / three", "You said: four / five"]
    ponte.check_store()
