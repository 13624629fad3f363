"""A hub that says 202 and answers later, at POST /api/v1/replies; and the tokens with
which it may."""

import hashlib
import json
import signal
import sqlite3
import time

import pytest

from conftest import message, wait_for
from talk import asked, counts, done, ends, manners, settled, waits
from tools import detailed

LATER = {"status": 202, "body": ""}


def token(ponte, name="hub", tenant="shop", *more):
    r = ponte.run("token", "new", name, "--tenant", tenant, "--scope", "reply", "--json", *more)
    return json.loads(r.stdout)["token"]


def reply(ponte, bearer, body):
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return ponte.ask("POST", "/api/v1/replies", body if isinstance(body, bytes) else json.dumps(body), headers)


def question(ponte, **kw):
    """A message that the hub will answer later; its event id."""
    ponte.hub.script = [LATER]
    event = ponte.send(message(**kw)).json["event_id"]
    waits(ponte, event)
    return event


# ---- the answer ------------------------------------------------------------------------

def test_an_answer_that_comes_later(ponte):
    """Taken once; what the customer writes meanwhile waits for it."""
    bearer = token(ponte)
    event = question(ponte, text="first")
    second = ponte.send(message("second")).json["event_id"]
    answer = {"event_id": event, "messages": [{"text": "one"}, {"text": "two"}], "note": "why"}
    a = reply(ponte, bearer, answer)
    assert a.status == 200 and (a.json["status"], a.json["event_id"], a.json["deliveries"]) == ("accepted", event, 3), a
    assert ends(settled(ponte, event, 4)) == [("hub", "done"), ("reply", "done"), ("reply", "done"), ("note", "done")]
    assert ends(settled(ponte, second, 2)) == [("hub", "done"), ("reply", "done")]
    assert asked(ponte) == [["first"], ["second"]], "asked again, or both at once"
    again = reply(ponte, bearer, answer)
    assert again.status == 200 and again.json["status"] == "duplicate", again
    detailed(reply(ponte, bearer, dict(answer, note="because")), 409, "CONFLICT")
    detailed(reply(ponte, bearer, dict(answer, event_id=second)), 409, "CONFLICT")      # which the hub answered at once
    assert sorted(d.value for d in done(ponte)) == ["You said: second", "one", "two", "why"]
    trace = ponte.run("trace", event).stdout
    assert "the hub will answer by itself" in trace and "the hub answered by itself" in trace, trace
    ponte.check_store()


@pytest.mark.parametrize("step", [LATER, {"status": 500}, {"cut": "after"}, {"json": {"content": "at once"}}],
                         ids=["202", "500", "cut", "an answer of its own"])
def test_an_answer_that_is_quicker_than_the_hubs_own_word(ponte, step):
    """It comes while the question is on its way still: it counts, whatever the hub says then."""
    bearer = token(ponte)
    ponte.hub.script = [dict(step, hold="thinking")]
    event = ponte.send(message()).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    assert reply(ponte, bearer, {"event_id": event, "content": "quick"}).json["status"] == "accepted"
    ponte.hub.release("thinking")
    own = ["at once"] if "json" in step else []
    rows = settled(ponte, event, 2 + len(own))
    assert ends(rows) == [("hub", "done")] + [("reply", "done")] * (1 + len(own))
    assert [d.value for d in done(ponte)] == own + ["quick"] and len(ponte.hub.requests) == 1
    ponte.check_store()


def test_an_answer_that_does_not_come(make):
    """Within reply_deadline, that is: dead, what the tenant wants done for the customer, and
    what comes then is too late."""
    ponte = make(settings="hub: {reply_deadline: 1s}\n")
    ponte.tenant(manners=manners('give_up: {message: "Sorry.", note: true, handoff: false}'))
    bearer = token(ponte)
    ponte.hub.script = [LATER]
    event = ponte.send(message()).json["event_id"]
    rows = settled(ponte, event, 3)
    assert ends(rows) == [("hub", "dead"), ("reply", "done"), ("note", "done")]
    assert "reply_deadline" in rows[0]["reason"] and [r["give_up"] for r in rows[1:]] == [1, 1]
    assert done(ponte)[0] == ("message", "Sorry.") and "reply_deadline" in done(ponte)[1].value
    detailed(reply(ponte, bearer, {"event_id": event, "content": "there you are"}), 410, "TOO_LATE")
    assert len(done(ponte)) == 2 and counts(ponte, "hub", "dead") == 1
    ponte.check_store()


def test_a_hub_that_cannot_says_so_later_too(make):
    ponte = make()
    ponte.tenant(manners=manners("give_up: {note: true, handoff: false}"))
    event = question(ponte)
    assert reply(ponte, token(ponte), {"event_id": event, "status": "error", "error": "no crew"}).status == 200
    rows = settled(ponte, event, 2)
    assert ends(rows) == [("hub", "dead"), ("note", "done")] and "no crew" in rows[0]["reason"] and "no crew" in done(ponte)[0].value


@pytest.mark.parametrize("how", ["the keeper is killed", "all of ponte starts again"])
def test_it_is_waited_for_over_a_restart(ponte, how):
    bearer = token(ponte)
    event = question(ponte)
    if how == "the keeper is killed":
        before = ponte.kill("ponte-keeper")
        wait_for(lambda: [p for p in ponte.pids("ponte-keeper") if p != before], why="another keeper", show=ponte.log_tail)
    else:
        ponte.stop(signal.SIGTERM)
        ponte.start()
    assert reply(ponte, bearer, {"event_id": event, "content": "late"}).json["status"] == "accepted"
    assert ends(settled(ponte, event, 2)) == [("hub", "done"), ("reply", "done")]
    assert len(ponte.hub.requests) == 1 and [d.value for d in done(ponte)] == ["late"]
    ponte.check_store()


# ---- who may ------------------------------------------------------------------------------

def test_who_may_answer(make):
    ponte = make()
    ponte.tenant()
    ponte.tenant("other", 8, installation="other", inboxes="[]")
    bearer, others = token(ponte), token(ponte, "hub", "other")
    brief = token(ponte, "brief", "shop", "--expires", "1s")
    event = question(ponte)
    answer = {"event_id": event, "content": "hi"}
    none = reply(ponte, None, answer)
    detailed(none, 401, "UNAUTHORIZED")
    for bad in ("x", "ponte_" + "0" * 64, bearer[:-1], bearer.upper(), bearer + "0"):
        detailed(reply(ponte, bad, answer), 401, "INVALID_TOKEN")
    time.sleep(1.1)                     # since it was made
    detailed(reply(ponte, brief, answer), 401, "INVALID_TOKEN")
    # of another tenant: as if there were no such event
    unknown = reply(ponte, others, dict(answer, event_id="01a2169e-0000-7000-8000-000000000000"))
    foreign = reply(ponte, others, answer)
    detailed(unknown, 404, "UNKNOWN_EVENT")
    assert {k: v for k, v in foreign.json.items() if k != "request_id"} == {k: v for k, v in unknown.json.items() if k != "request_id"}
    assert foreign.status == 404
    # revoked: at once
    ponte.run("token", "revoke", "hub", "--tenant", "other")
    detailed(reply(ponte, others, answer), 401, "INVALID_TOKEN")
    assert ponte.run("token", "revoke", "hub", "--tenant", "other", check=False).returncode == 1
    # and none of them did anything
    assert [r["state"] for r in ponte.queue("--event", event)] == ["waiting"] and not ponte.chatwoot.requests
    assert reply(ponte, bearer, answer).json["status"] == "accepted"
    assert ends(settled(ponte, event, 2)) == [("hub", "done"), ("reply", "done")]


def test_a_token_does_what_its_scopes_say(ponte):
    """There is one scope yet; a token from which it was taken may not answer."""
    bearer = token(ponte)
    event = question(ponte)
    for args in (["--scope", "everything"], []):
        r = ponte.run("token", "new", "other", "--tenant", "shop", *args, check=False)
        assert r.returncode == 2 and "scope" in r.stderr, r
    ponte.stop()
    with sqlite3.connect(ponte.dir / "state/ponte.db") as db:
        assert db.execute("UPDATE token SET scopes = 0").rowcount == 1
    db.close()
    ponte.start()
    detailed(reply(ponte, bearer, {"event_id": event, "content": "hi"}), 403, "AUTHORIZATION_ERROR")
    assert not ponte.chatwoot.requests and waits(ponte, event)


def test_a_token_is_shown_once_and_kept_as_its_hash(ponte):
    r = ponte.run("token", "new", "hub", "--tenant", "shop", "--scope", "reply", "--expires", "30d")
    bearer = r.stdout.strip()
    assert len(bearer) == len("ponte_") + 64 and "once" in r.stderr
    second = ponte.run("token", "new", "hub", "--tenant", "shop", "--scope", "reply", check=False)
    assert second.returncode == 1 and "of that name" in second.stderr and not second.stdout, second
    assert ponte.run("token", "new", "x", "--tenant", "nobody", "--scope", "reply", check=False).returncode == 1

    def listed():
        return json.loads(ponte.run("token", "list", "--json").stdout)
    row = listed()
    assert (row["tenant"], row["name"], row["scopes"], row["used_at"]) == ("shop", "hub", "reply", None)
    assert row["made_at"] < row["expires_at"]
    assert reply(ponte, bearer, {"event_id": "x"}).status == 422
    row = wait_for(lambda: listed()["used_at"] and listed(), why="its last use")
    assert row["made_at"] <= row["used_at"] < row["expires_at"]
    text = ponte.run("token", "list").stdout + ponte.run("token", "list", "--tenant", "shop").stdout
    assert text.count("shop") == 2 and "last used 2" in text and not ponte.run("token", "list", "--json", "--tenant", "other").stdout

    # at rest: the hash, and nowhere the token
    assert reply(ponte, bearer, {"event_id": question(ponte), "content": "hi"}).status == 200
    ponte.chatwoot.wait_messages(1)
    ponte.stop()
    secret, digest = bearer[len("ponte_"):], hashlib.sha256(bearer.encode()).digest()
    files = {p: p.read_bytes() for p in ponte.dir.rglob("*") if p.is_file()}
    assert any(digest in data for data in files.values()), "the hash is kept somewhere else"
    said = [str(p) for p, data in files.items() if secret.encode() in data or bytes.fromhex(secret) in data]
    assert not said and secret not in "\n".join(ponte.lines), said
