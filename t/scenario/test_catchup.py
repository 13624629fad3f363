"""Switched off for an hour, and nothing is lost: what Chatwoot never sent is
fetched with the user token, through the same intake and rules."""

import json
import os
import signal
import time

from conftest import Instance, message, status_changed, wait_for

USER = Instance.USER_TOKEN
EARLY = 7 * 86400                       # seconds: how long ago is long enough


def shop(make, settings="", **more):
    i = make(settings, nginx=more.pop("nginx", True))
    i.chatwoot.user_token = USER
    i.tenant(user_token=USER, **more)
    return i


def catchup(i, *args, check=True):
    return i.run("tenant", "catchup", "shop", "--json", *args, check=check)


def counts(run):
    return json.loads(run.stdout)


def asked(i, conversation=None):
    """The message ids of each request to the hub, of one conversation or of all."""
    return [[m["id"] for m in r["json"]["messages"]] for r in i.hub.requests
            if conversation in (None, r["json"]["conversation_id"])]


def settled(i, n):
    wait_for(lambda: len(i.queue("--state", "done", "--kind", "hub")) >= n, why=f"{n} questions answered", show=i.log_tail)


def test_what_was_never_sent_is_fetched_once_and_in_order(make):
    i = shop(make)
    now = time.time()
    assert i.send(message("antes", id=100, conversation=1)).status == 200
    settled(i, 1)
    i.chatwoot.says(1, 90, "velha", at=now - EARLY)
    i.chatwoot.says(1, 100, "antes", at=now - 60)
    for n in range(3):
        i.chatwoot.says(1, 101 + n, f"perdida {n}", at=now - 30 + n)
    i.chatwoot.says(2, 200, "outra conversa", at=now - 20)
    i.chatwoot.says(3, 300, "antiga", at=now - EARLY)
    i.chatwoot.conversation(3)["last_activity_at"] = int(now - EARLY)

    dry = counts(catchup(i, "--since", "1h", "--dry-run"))
    assert (dry["accepted"], dry["duplicate"], dry["ignored"]) == (4, 1, 1), dry       # ignored: our own answer
    assert len(i.queue("--kind", "hub")) == 1
    done = counts(catchup(i, "--since", "1h"))
    assert (done["conversations"], done["accepted"], done["duplicate"], done["refused"]) == (2, 4, 1, 0), done
    settled(i, 5)
    assert sum(asked(i, 1), []) == [100, 101, 102, 103] and asked(i, 2) == [[200]] and asked(i, 3) == []
    recovered = [m.get("recovered", False) for r in i.hub.requests for m in r["json"]["messages"]]
    assert recovered == [False] + [True] * 4
    again = counts(catchup(i, "--since", "1h"))
    assert (again["accepted"], again["duplicate"]) == (0, 5), again
    tokens = {r["headers"].get("api-access-token") for r in i.chatwoot.requests if r["method"] == "GET"}
    assert tokens == {USER}
    i.check_store()


def test_a_long_conversation_and_many_of_them(make):
    i = shop(make, "catchup: {pace: 0s}\n")
    now = time.time()
    for n in range(130):                # six pages back, two forward
        i.chatwoot.says(1, 1000 + n, f"linha {n}", at=now - 500 + n)
    for c in range(2, 61):              # three pages of conversations
        i.chatwoot.says(c, 5000 + c, f"conversa {c}", at=now - 300 + c)
    done = counts(catchup(i, "--since", "1h"))
    assert (done["conversations"], done["accepted"], done["refused"]) == (60, 189, 0), done
    wait_for(lambda: len(sum(asked(i), [])) >= 189, 40, "all are asked", i.log_tail)
    assert sum(asked(i, 1), []) == list(range(1000, 1130))
    i.check_store()


def test_an_outage_is_made_up_for_without_being_asked(make):
    i = shop(make, "catchup: {after: 2s, pace: 10ms}\n")
    assert i.send(message("antes", id=100, conversation=1)).status == 200
    settled(i, 1)
    i.stop()
    now = time.time()
    i.chatwoot.says(1, 100, "antes", at=now - 5)
    i.chatwoot.says(1, 101, "quem está aí?", at=now)
    i.chatwoot.says(2, 201, "olá", at=now)
    time.sleep(2.1)
    i.start()
    settled(i, 3)
    assert sum(asked(i, 1), []) == [100, 101] and asked(i, 2) == [[201]]
    done = wait_for(lambda: i.events("catchup-done"), why="its end in the log", show=i.log_tail)[0]
    assert (done["accepted"], done["duplicate"]) == (2, 1), done
    assert len(i.posted(1)) == 2 and len(i.posted(2)) == 1


def test_an_event_that_ends_the_silence_does_not_hide_it(make):
    """The next webhook is there before anybody has looked: what lies before it is still fetched."""
    i = shop(make, "catchup: {after: 1s, pace: 10ms}\n")
    assert i.send(message("antes", id=100, conversation=1)).status == 200
    settled(i, 1)
    courier = i.kill("ponte-courier", signal.SIGSTOP)
    now = time.time()
    i.chatwoot.says(1, 101, "perdida", at=now)
    i.chatwoot.says(1, 102, "recebida", at=now + 1)
    time.sleep(1.2)
    assert i.send(message("recebida", id=102, conversation=1)).status == 200
    os.kill(courier, signal.SIGCONT)
    settled(i, 3)
    late = {m["id"]: m.get("recovered", False) for r in i.hub.requests for m in r["json"]["messages"]}
    assert late == {100: False, 102: False, 101: True}


def test_a_human_answered_meanwhile(make):
    i = shop(make)
    now = time.time()
    i.chatwoot.says(1, 101, "alguém?", at=now - 50)
    i.chatwoot.says(1, 102, "sim, aqui é a Rita", at=now - 40, who="user")
    i.chatwoot.says(2, 201, "sem resposta", at=now - 30)
    done = counts(catchup(i, "--since", "1h"))
    assert (done["accepted"], done["ignored"], done["noted"]) == (1, 1, 1), done
    settled(i, 1)
    assert asked(i, 1) == [] and asked(i, 2) == [[201]]
    assert i.send(message("e agora?", id=103, conversation=1)).json["reason"] == "a human owns the conversation"


def test_what_changed_meanwhile_is_known(make):
    """Closed and assigned while nobody told us."""
    i = shop(make, manners="    typing: false\n    look_first: false\n    give_up: {note: false, handoff: false}\n    tell: [closed]\n")
    for c in (1, 2):
        assert i.send(message("oi", id=100 + c, conversation=c)).status == 200
    settled(i, 2)
    i.chatwoot.conversation(1, status="resolved")
    i.chatwoot.conversation(2, status="open", assignee={"id": 12, "name": "Rita", "type": "user"})
    done = counts(catchup(i, "--since", "1h"))
    assert done["conversations"] == 2, done
    told = wait_for(lambda: [r["json"] for r in i.hub.requests if r["json"].get("event") == "conversation.closed"],
                    why="the hub hears of the end", show=i.log_tail)
    assert told[0]["conversation_id"] == 1
    i.send(message("ainda aí?", id=110, conversation=2, status="pending", updated=1.0))
    assert not [a for a in asked(i, 2) if 110 in a]


def test_chatwoot_in_trouble_is_asked_again(make):
    i = shop(make, "catchup: {pace: 0s}\n")
    now = time.time()
    i.chatwoot.says(1, 101, "oi", at=now - 50)
    i.chatwoot.add({"path": r"/conversations\?", "method": "GET", "status": 502}, {"path": r"/conversations\?", "cut": "middle", "method": "GET"},
                   {"path": r"/messages", "method": "GET", "status": 500}, {"path": r"/messages", "method": "GET", "status": 429, "retry_after": 2})
    assert counts(catchup(i, "--since", "1h"))["accepted"] == 1
    limited = [n for n, r in enumerate(i.chatwoot.requests) if r["status"] == 429][0]
    assert i.chatwoot.requests[limited + 1]["mono"] - i.chatwoot.requests[limited]["mono"] >= 2


def test_what_is_not_ours_is_refused_and_the_rest_goes_on(make):
    i = shop(make, "catchup: {pace: 0s}\n")
    now = time.time()
    i.chatwoot.says(1, 101, "de outra conversa", at=now - 50)
    i.chatwoot.history[-1]["conversation_id"] = 1
    i.chatwoot.says(2, 201, "boa", at=now - 40)
    i.chatwoot.says(3, 301, "de outra conta", at=now - 30)
    i.chatwoot.conversation(3)["account_id"] = 8
    wrong = {"payload": [{"id": 999, "content": "x", "conversation_id": 77, "message_type": 0, "created_at": int(now)}]}
    i.chatwoot.add({"path": r"/conversations/1/messages", "method": "GET", "json": wrong})
    done = counts(catchup(i, "--since", "1h"))
    assert (done["accepted"], done["refused"]) == (1, 2), done
    refused = i.events("catchup-refused")
    assert [r["code"] for r in refused] == ["WRONG_ACCOUNT"] * 2, refused
    settled(i, 1)
    assert asked(i) == [[201]]
    for body in ('{"data":[]}', "not json", '{"data":{"payload":[{"id":-1}]}}'):
        i.chatwoot.add({"path": r"/conversations\?", "method": "GET", "body": body})
        r = catchup(i, "--since", "1h", check=False)
        assert (r.returncode == 1 and "cannot be read" in r.stderr) or counts(r)["refused"] == 1, (body, r.stderr)


def test_what_cannot_be_is_said(make):
    i = make(nginx=False)
    i.chatwoot.user_token = USER
    i.tenant()
    r = catchup(i, "--since", "1h", check=False)
    assert r.returncode == 1 and "no user token" in r.stderr and counts(r)["done"] is False
    i.tenant(user_token="wrong")
    r = catchup(i, "--since", "1h", check=False)
    assert r.returncode == 1 and "may not list" in r.stderr
    i.tenant(user_token=USER)
    r = catchup(i, check=False)
    assert r.returncode == 1 and "was ever heard of" in r.stderr
    r = catchup(i, "--since", "200d", check=False)
    assert r.returncode == 1 and "store.retention.keys" in r.stderr
    for args, why in ((("--since", "yesterday"), "no time in the past"), (("--installation", "x"), "no such installation")):
        r = catchup(i, *args, check=False)
        assert r.returncode in (1, 2) and why in r.stderr, r.stderr
    r = i.run("tenant", "catchup", "nobody", "--since", "1h", check=False)
    assert r.returncode == 1 and "no such tenant" in r.stderr
    assert USER not in i.log_tail(1000)


def test_a_restart_in_the_middle_costs_nothing(make):
    i = shop(make, "catchup: {after: 1s, pace: 0s}\n")
    assert i.send(message("antes", id=10, conversation=1)).status == 200
    settled(i, 1)
    i.stop()
    now = time.time()
    for c in range(1, 31):
        i.chatwoot.says(c, 100 + c, f"conversa {c}", at=now)
    i.chatwoot.add({"path": r"/conversations/15/messages", "method": "GET", "hold": "half", "times": 1})
    time.sleep(1.2)
    i.start()
    wait_for(lambda: [r for r in i.chatwoot.requests if "/conversations/15/messages" in r["path"]], why="half of it", show=i.log_tail)
    i.kill("ponte-courier")
    i.chatwoot.release("half")
    settled(i, 31)
    wait_for(lambda: i.events("catchup-done"), why="its end", show=i.log_tail)
    assert sorted(sum(asked(i), [])) == [10] + list(range(101, 131))
    i.check_store()
