"""One tenant floods.  Row R8: the others are asked about as before, its own webhooks are all
kept and told in their turn, and its calls of the API are told to come later."""

import collections
import statistics
import threading
import time

from conftest import message
from talk import manners

FLOOD = 300


def told_after(ponte, body, tenant):
    """Seconds from the webhook to the request at the hub."""
    began = time.monotonic()
    answer = ponte.send(body, tenant=tenant)
    assert answer.status == 200, answer
    event = answer.json["event_id"]
    def look(peer):
        return [r for r in peer.requests if r["headers"].get("idempotency-key") == event]
    ponte.hub.wait(look, seconds=30)
    return look(ponte.hub)[0]["mono"] - began


def test_r8_a_tenant_that_floods_delays_no_other(make):
    ponte = make(settings="workers: {hooks: 8, api: 2}\n", limits=True)
    ponte.tenant(manners=manners())
    ponte.tenant("other", account=8, installation="eight", manners=manners())
    ponte.hub.script = [{"contains": '"tenant":"shop"', "delay": 0.2, "times": 0}]
    calm = [told_after(ponte, message(conversation=800 + n, account=8), "other") for n in range(15)]

    answers = []
    def flood(first):
        for n in range(first, FLOOD, 4):
            answers.append(ponte.send(message(conversation=1000 + n)).status)
    threads = [threading.Thread(target=flood, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    ponte.hub.wait(lambda p: len([r for r in p.requests if r["json"]["tenant"] == "shop"]) >= 8)
    beside = [told_after(ponte, message(conversation=900 + n, account=8), "other") for n in range(15)]
    at_work = len([r for r in ponte.hub.requests if r["json"]["tenant"] == "shop"])
    assert at_work < FLOOD, "the flood was over before anything was measured"
    for t in threads:
        t.join()

    before, during = statistics.median(calm), statistics.median(beside)
    assert during < 2 * before + 0.1, f"told after {before * 1000:.0f} ms, and {during * 1000:.0f} ms beside the flood"
    assert answers == [200] * FLOOD, collections.Counter(answers)
    ponte.hub.wait(lambda p: len({r["json"]["conversation_id"] for r in p.requests if r["json"]["tenant"] == "shop"}) == FLOOD, seconds=60)
    ponte.check_store()


def test_r8_the_api_says_come_later(make):
    ponte = make(limits=True)
    ponte.tenant(manners=manners())
    answers = [ponte.ask("POST", "/api/v1/replies", "{}", {"Authorization": "Bearer none"}) for _ in range(80)]
    late = [a for a in answers if a.status == 429]
    assert late and all(int(a.headers["Retry-After"]) >= 1 and a.json["code"] == "RATE_LIMIT_ERROR" for a in late), late[:1]
    assert ponte.send(message()).status == 200, "a webhook had to wait for the API"
