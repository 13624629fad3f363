"""R9: ten thousand rules at once: nobody waits for them, and nobody ever sees half of them."""

import json
import statistics
import threading
import time

import pytest

from conftest import SLOW, message, wait_for
from test_rules import BASE, bearer, get, push, shop  # noqa: F401

N = 10000


def generation(word, n=N):
    """A body, as bytes: what is measured is not Python's json."""
    return json.dumps({"permanent_rules": [{"name": f"Regra {k}", "description": f"{word} texto {k}", "type": "product"} for k in range(n)],
                       "temporary_rules": []}).encode()


def send(i, raw):
    return i.ask("POST", BASE + "/sync", raw, bearer())


def seen(i):
    """(rules, the generations they are of) as /active shows them."""
    rows = get(i, "/active").json["data"]
    return len(rows), {r["description"].split()[0] for r in rows}


def webhooks(i, go_on, connection, first):
    times = []
    while go_on(len(times)):
        body = message("oi", id=first + len(times), conversation=1 + len(times) % 50)
        began = time.monotonic()
        a = i.send(body, tenant="account_7", connection=connection)
        times.append(time.monotonic() - began)
        assert a.status == 200, a
    return sorted(times)


def test_webhooks_do_not_wait_for_it(shop):  # noqa: F811
    i = shop
    bodies = [generation("um"), generation("dois")]
    c = i.connect()
    webhooks(i, lambda n: n < 50, c, 1000)
    rest = webhooks(i, lambda n: n < 400, c, 2000)
    answers = []

    def sync():
        for k in range(4):
            answers.append(send(i, bodies[k % 2]))

    t = threading.Thread(target=sync)
    t.start()
    during = webhooks(i, lambda _: t.is_alive(), c, 10000)
    t.join()
    assert [(a.status, a.json["data"]["vectorized_rules"], a.json["data"].get("unchanged")) for a in answers] == [(200, N, None)] * 4
    assert len(during) > 100, "nothing was measured"
    # Two cores do both: the middle tells, the worst is a limit (make rules-bench measures p99).
    assert statistics.median(during) < 3 * statistics.median(rest), (statistics.median(during), statistics.median(rest))
    assert during[int(len(during) * .99)] < 0.5 * SLOW, during[-10:]
    assert get(i, "?page=500&page_size=20").json["data"]["total_pages"] == 500


def test_whoever_reads_meanwhile_sees_one_generation(shop):  # noqa: F811
    i = shop
    bodies = {"um": generation("um"), "dois": generation("dois", 7000)}
    size = {"um": N, "dois": 7000}
    assert send(i, bodies["um"]).status == 200
    over, odd, looks = threading.Event(), [], []

    def look():
        while not over.is_set():
            n, words = seen(i)
            looks.append(tuple(words))
            if len(words) != 1 or size[next(iter(words))] != n:
                odd.append((n, words))
            over.wait(0.1)              # nginx lets 20 a second in

    t = threading.Thread(target=look)
    t.start()
    for k in range(4):
        assert send(i, bodies["um" if k % 2 else "dois"]).status == 200
    over.set()
    t.join()
    assert not odd, odd[:3]
    assert len(set(looks)) == 2, "both were seen"


@pytest.mark.parametrize("after", [0.05, 0.15, 0.3, 0.5])
def test_a_keeper_killed_in_the_middle_leaves_the_one_or_the_other(shop, after):  # noqa: F811
    i = shop
    assert send(i, generation("um")).status == 200
    ids = [r["id"] for r in get(i, "/active").json["data"]]
    answer = []
    t = threading.Thread(target=lambda: answer.append(send(i, generation("dois"))))
    t.start()
    time.sleep(after)
    i.kill("ponte-keeper")
    t.join()
    told = answer[0].status
    assert told in (200, 500, 503), answer
    n, words = wait_for(lambda: seen(i), show=i.log_tail)
    assert n == N and len(words) == 1, (n, words)
    assert told != 200 or words == {"dois"}, "it was acknowledged"
    # Again, as an addon does whose sync was refused; what is the same rule has the same id.
    wait_for(lambda: send(i, generation("dois")).status == 200, show=i.log_tail)
    assert seen(i) == (N, {"dois"})
    assert [r["id"] for r in get(i, "/active").json["data"]] == ids
    i.check_store()


def test_too_many_are_refused_and_change_nothing(shop):  # noqa: F811
    i = shop
    assert send(i, generation("um", 20000)).json["data"]["vectorized_rules"] == 20000
    a = send(i, generation("dois", 20001))
    assert (a.status, a.json["error"]["code"]) == (422, "BAD_SCHEMA") and "permanent_rules has more than 20000 rules" in a.json["error"]["message"], a
    assert seen(i) == (20000, {"um"})
    broken = json.loads(generation("dois"))
    broken["permanent_rules"][9999]["name"] = False
    a = send(i, json.dumps(broken))
    assert a.status == 422 and "permanent_rules[9999].name" in a.json["error"]["message"], a
    assert seen(i) == (20000, {"um"})
    # And what is empty on purpose is empty.
    assert push(i, {"permanent_rules": [], "temporary_rules": []}).json["data"]["vectorized_rules"] == 0
    assert seen(i) == (0, set())


def too_large(i):
    return push(i, {"documents": [{"id": 2, "name": "x", "content": "y" * (16 * 1024 * 1024), "document_type": "support"}]},
                BASE + "/sync-support-documents")


@pytest.mark.parametrize("mega", [5, 15])
def test_one_document_may_be_as_large_as_a_body(shop, mega):  # noqa: F811
    i = shop
    text = "".join(f"palavra{k} " for k in range(mega * 100000))[:mega * 1000000] + " abacaxi"
    a = push(i, {"documents": [{"id": 1, "name": "Manual", "content": text, "document_type": "support"}]}, BASE + "/sync-support-documents")
    assert a.status == 200 and a.json["synced_docs"] == ["1"], a
    assert get(i, "/processed/support-document/1").json["data"]["document"]["original_content"] == text
    assert too_large(i).status == 413
    assert get(i, "/documents").json["data"]["total"] == 1
