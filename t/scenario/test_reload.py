"""Settings that change, workers that are replaced, instances that stop and
start again: no request pays for it.  Row R1's short form; test_up.py has the
reloads under load."""

import os
import signal
import socket
import time

import pytest

from conftest import message, wait_for
from test_crash import Load, judge
from tools import HOOKS, Clients, delivery, refused, workers


def reload(ponte):
    """SIGHUP, until all roles have it."""
    seen = {role: len(ponte.events("reloaded", role=role)) for role in ("up", "worker", "keeper", "courier")}
    ponte.process.send_signal(signal.SIGHUP)
    for role, n in seen.items():
        wait_for(lambda: len(ponte.events("reloaded", role=role)) > n, why=f"{role} reloads", show=ponte.log_tail)


def test_good_values_arrive(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    assert len(workers(ponte, "hooks")) == 2
    big = message(filler="x" * 5000)
    ponte.write_settings("workers: {hooks: 5, api: 2}\nlimits: {body: 4KiB}\n")
    reload(ponte)
    assert (len(workers(ponte, "hooks")), len(workers(ponte, "api"))) == (5, 2)
    refused(ponte.send(big), 413, "TOO_LARGE")
    ponte.write_settings("workers: {hooks: 1, api: 1}\n")
    reload(ponte)
    assert (len(workers(ponte, "hooks")), len(workers(ponte, "api"))) == (1, 1)
    assert ponte.send(big).status == 200


def test_a_bad_file_is_refused_with_its_place_and_the_good_one_stays(make):
    """Each kind of mistake, and what was in force goes on under load."""
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    before = ponte.pids("ponte-worker")
    load = Clients(ponte, 2)
    try:
        for text, place in (("workers: {hooks: 900}\n", ":1:18:"), ("a: [\n", ":2:1:"), ("limits:\n  body: lots\n", ":2:9:"),
                            ("nonsense: 1\n", ":1:1:"), ("workers: {hooks: 1}\nworkers: {api: 1}\n", ":2:1:")):
            refusals = len(ponte.events("reload-refused"))
            (ponte.dir / "ponte.yaml").write_text(text)
            ponte.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(ponte.events("reload-refused")) > refusals, show=ponte.log_tail)
            assert any("ponte.yaml" + place in line for line in ponte.lines), (text, ponte.log_tail(5))
        load.more(10)
    finally:
        load.stop()
    assert not load.bad, load.bad[:3]
    assert ponte.pids("ponte-worker") == before and not ponte.events("reloaded")


def test_a_reload_with_a_file_that_cannot_be_used_reaches_no_role(make):
    """The settings are well formed; what they name is not there, or others may read it."""
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    (ponte.dir / "open").write_text("a-good-secret\n")
    (ponte.dir / "open").chmod(0o644)
    for text, word in (("enrolment: {secret_file: none}\n", "enrolment.secret_file"), ("enrolment: {secret_file: open}\n", "enrolment.secret_file"),
                       ("delivery: {ca_file: none.pem}\n", "delivery.ca_file"), ("keys: {dir: none}\n", "none/intake.key")):
        refusals = len(ponte.events("reload-refused"))
        (ponte.dir / "ponte.yaml").write_text(text + "log: {level: debug}\n")
        ponte.process.send_signal(signal.SIGHUP)
        refused = wait_for(lambda: ponte.events("reload-refused")[refusals:], show=ponte.log_tail)
        assert word in refused[0]["why"], refused
    assert ponte.send(message()).status == 200
    assert not ponte.events("reloaded") and not ponte.events("reloading") and {e["role"] for e in ponte.events("reload-refused")} == {"up"}
    # Each role by itself refuses the same.
    (ponte.dir / "ponte.yaml").write_text("delivery: {ca_file: none.pem}\n")
    for role, event in (("worker", "reload-refused"), ("courier", "settings-wrong"), ("keeper", "settings-wrong")):
        os.kill(ponte.pids("ponte-" + role)[0], signal.SIGHUP)
        said = wait_for(lambda: ponte.events(event, role=role), why=role, show=ponte.log_tail)
        assert "delivery.ca_file" in said[0]["mistake"], said
    assert not ponte.events("reloaded")


def test_sigterm_under_load_and_a_start_on_the_same_directory_lose_nothing(make):
    ponte = make(settings="workers: {hooks: 4, api: 2}\n")
    ponte.tenant()
    ponte.hub.latency = 0.02            # so that there is always something under way
    load = Load(ponte)
    wait_for(lambda: len(load.acked) > 60, 30, show=ponte.log_tail)
    assert ponte.stop(signal.SIGTERM) == 0, ponte.log_tail()
    load.stop()
    assert not ponte.events("killed"), ponte.events("killed")
    ponte.hub.latency = 0
    ponte.start()
    judge(ponte, load)


def test_a_restart_keeps_tenants_conversations_and_duplicates(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    body, human = message(id=1, conversation=501), message(type="outgoing", sender="user", text="eu ajudo", conversation=502)
    event = ponte.send(body).json["event_id"]
    assert ponte.send(human).json["status"] == "noted"
    wait_for(lambda: (delivery(ponte, event, "reply") or {}).get("state") == "done", show=ponte.log_tail)
    assert ponte.stop() == 0
    ponte.start()
    again = ponte.send(body)
    assert again.json["status"] == "duplicate" and again.json["event_id"] == event, again
    assert ponte.send(message(conversation=502)).json["status"] == "ignored"        # a human has it still
    assert len(ponte.queue()) == 2
    ponte.check_store()


def test_workers_are_replaced_after_their_share_and_no_request_fails(make):
    ponte = make(settings="workers: {hooks: 2, api: 1, max_requests: 20}\n")
    ponte.tenant()
    load = Clients(ponte, 4)
    try:
        load.more(300)
    finally:
        load.stop()
    assert not load.bad, load.bad[:3]
    recycled = [e for e in ponte.events("worker-gone") if "share" in e["why"]]
    assert len(recycled) >= 300 // 24 - 2, len(recycled)
    assert all(e["level"] == "info" for e in recycled), "nothing to be alarmed at"
    shares = [e["lived_ms"] for e in recycled]
    assert len(set(shares)) > 1


def test_a_request_over_the_deadline_is_ended_from_outside(make):
    """The keeper stands still; the worker would wait three seconds, its master lets it one."""
    ponte = make(settings="workers: {hooks: 2, api: 1, deadline: 1s}\n")
    ponte.tenant()
    assert ponte.send(message()).status == 200
    keeper = ponte.pids("ponte-keeper")[0]
    os.kill(keeper, signal.SIGSTOP)
    try:
        start = time.monotonic()
        a = ponte.send(message())
        took = time.monotonic() - start
    finally:
        os.kill(keeper, signal.SIGCONT)
    refused(a, 500, "TRY_AGAIN")
    assert 0.9 < took < 2.7, took
    gone = wait_for(lambda: [e for e in ponte.events("worker-gone") if e.get("request_id") == a.json["request_id"]], show=ponte.log_tail)[0]
    assert gone["why"] == "deadline" and gone["route"] == HOOKS.replace("shop", "{tenant}").replace("bot", "{kind}"), gone
    assert gone["busy_ms"] >= 1000 and gone["body_digest"] and gone["level"] == "error", gone
    wait_for(lambda: len(workers(ponte, "hooks")) == 2)
    # with a deadline as short as that a busy machine may miss it once more
    wait_for(lambda: ponte.send(message()).status == 200, show=ponte.log_tail)


@pytest.mark.parametrize("group", ["hooks", "api"])
def test_a_peer_that_connects_and_says_nothing_meets_the_deadline_too(make, group):
    ponte = make(settings="workers: {hooks: 1, api: 1, deadline: 1s}\n")
    ponte.tenant()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(ponte.dir / f"run/{group}.sock"))
        wait_for(lambda: [e for e in ponte.events("worker-gone", group=group) if e["why"] == "deadline"], show=ponte.log_tail)
    assert ponte.send(message()).status == 200 and ponte.ask("GET", "/health").status == 200
