"""When it goes wrong: what is done for a customer whom the hub does not answer, a message
that is too old, a channel whose window is closed; and what the hub is told besides."""

import time

import pytest

from conftest import message, status_changed, wait_for
from talk import AGENT, CANNOT, Chat, asked, counts, done, ends, manners, notices, settled

SORRY = "Sorry, we answer you shortly."
LADDER = 'give_up: {message: "%s", note: true, label: "unanswered", handoff: true}' % SORRY


def test_a_hub_that_is_down_ends_in_the_ladder(make):
    """Message, note with the reason, label, handoff: in that order, and the books balance."""
    ponte = make(settings="delivery: {allow_private: {allow}, give_up: 1s}\n")
    ponte.tenant(manners=manners(LADDER))
    ponte.chatwoot.conversation(501, labels=["vip"])
    ponte.hub.stop()
    event = ponte.send(message()).json["event_id"]
    rows = settled(ponte, event, 5, 30)
    assert ends(rows) == [("hub", "dead"), ("reply", "done"), ("note", "done"), ("labels", "done"), ("handoff", "done")]
    assert [r["give_up"] for r in rows] == [0, 1, 1, 1, 1] and "gave up after" in rows[0]["reason"]
    said = [tuple(d) for d in done(ponte)]
    assert said[0] == ("message", SORRY) and said[1][0] == "note" and rows[0]["reason"] in said[1][1]
    assert said[2:] == [("labels", ["vip", "unanswered"]), ("status", "open")]
    assert "because there was no answer" in ponte.run("trace", event).stdout
    ponte.check_store()


def test_each_step_of_it_is_optional(make):
    """Asked for alone, or none at all; the defaults are a note and the handoff."""
    ponte = make()
    wanted = {'message: "%s", note: false, handoff: false' % SORRY: ["message"], "note: true, handoff: false": ["note"],
              'label: "unanswered", note: false, handoff: false': ["labels"], "note: false, handoff: true": ["status"],
              "note: false, handoff: false": [], 'message: "%s"' % SORRY: ["message", "note", "status"]}
    ponte.hub.script = [dict(CANNOT, times=0)]
    for i, (give_up, what) in enumerate(wanted.items()):
        ponte.tenant(manners=manners("give_up: {%s}" % give_up))
        rows = settled(ponte, ponte.send(message(conversation=600 + i)).json["event_id"], 1 + len(what))
        assert rows[0]["state"] == "dead" and {r["state"] for r in rows[1:]} <= {"done"}
        assert [d.what for d in done(ponte, 600 + i)] == what, give_up
    assert counts(ponte, "hub", "dead") == len(wanted)
    ponte.check_store()


def test_it_is_said_once_until_the_hub_answers_again(make):
    ponte = make()
    ponte.tenant(manners=manners('give_up: {message: "%s", note: true, handoff: false}' % SORRY))

    def ask(text, step, n):
        ponte.hub.script = [step]
        return settled(ponte, ponte.send(message(text)).json["event_id"], n)
    assert ends(ask("one", CANNOT, 3))[0] == ("hub", "dead")
    for text in ("two", "three"):
        assert ends(ask(text, CANNOT, 1)) == [("hub", "dead")]
    assert ends(ask("four", {}, 2)) == [("hub", "done"), ("reply", "done")]
    assert ends(ask("five", CANNOT, 3)) == [("hub", "dead"), ("reply", "done"), ("note", "done")]
    assert [d.what for d in done(ponte)] == ["message", "note", "message", "message", "note"]
    assert [d.value for d in done(ponte) if d.what == "message"] == [SORRY, "You said: four", SORRY]
    # another conversation has its own
    ponte.hub.script = [CANNOT]
    settled(ponte, ponte.send(message(conversation=502)).json["event_id"], 3)


def test_a_reply_that_cannot_be_posted_is_told_too(make):
    """Of a message that Chatwoot refuses the agents learn; of what the ladder itself posts nothing more is made."""
    ponte = make()
    ponte.tenant(manners=manners('give_up: {message: "%s", note: true, handoff: false}' % SORRY))
    ponte.chatwoot.script = [{"path": "messages", "contains": '"private":false', "status": 403, "times": 0}]
    rows = settled(ponte, ponte.send(message()).json["event_id"], 4)
    assert ends(rows) == [("hub", "done"), ("reply", "dead"), ("reply", "dead"), ("note", "done")]
    assert rows[1]["reason"] in done(ponte)[-1].value


def test_the_ladder_does_not_climb_over_a_human(make):
    """Who took the conversation has it: no apology, no handoff; the note is for the human."""
    ponte = make()
    ponte.tenant(manners=manners(LADDER))
    chat = Chat(ponte)
    ponte.hub.script = [dict(CANNOT, hold="thinking")]
    event = chat.customer("Hello?")
    ponte.hub.wait(lambda p: p.requests)
    chat.turn("open", assignee=AGENT)
    chat.agent("I am here")
    ponte.hub.release("thinking")
    rows = settled(ponte, event, 5)
    assert ends(rows) == [("hub", "dead"), ("reply", "suppressed"), ("note", "done"), ("labels", "done"), ("handoff", "suppressed")]
    assert chat.reads() == [("customer", "Hello?"), ("agent", "I am here")] and len(chat.notes()) == 1


# ---- too old ---------------------------------------------------------------------------

def test_a_message_that_is_too_old_is_not_answered(make):
    """Neither the one that waited, nor the one whose answer took too long: a human sees to both."""
    ponte = make(settings="delivery: {allow_private: {allow}, message_age: 3s}\n")
    ponte.tenant(manners=manners("give_up: {note: true, handoff: true}"))
    ponte.hub.script = [{"hold": "thinking"}]
    first = ponte.send(message("one")).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    second = ponte.send(message("two")).json["event_id"]
    time.sleep(3.1)
    ponte.hub.release("thinking")
    waiting = settled(ponte, second)
    assert ends(waiting) == [("hub", "expired")] and "message_age" in waiting[0]["reason"]
    late = settled(ponte, first, 4)
    assert ends(late) == [("hub", "done"), ("reply", "expired"), ("note", "done"), ("handoff", "done")]
    assert [d.what for d in done(ponte)] == ["note", "status"] and asked(ponte) == [["one"]]
    # what is written now is answered
    ponte.send(status_changed("pending"))
    assert ends(settled(ponte, ponte.send(message("three")).json["event_id"], 2)) == [("hub", "done"), ("reply", "done")]
    ponte.check_store()


# ---- the channel's window ----------------------------------------------------------------

@pytest.mark.parametrize("seen", ["in the event", "when read"])
def test_a_closed_window_ends_in_a_note(make, seen):
    """can_reply false: Chatwoot would refuse the send, so the agents are given the text."""
    ponte = make()
    ponte.tenant(manners=manners("look_first: true"))
    ponte.hub.script = [{"json": {"messages": [{"text": "one"}, {"text": "two"}], "labels": ["late"]}}]
    body = message(updated=time.time() - 5)
    if seen == "in the event":
        body["conversation"]["can_reply"] = False
    ponte.chatwoot.conversation(501, can_reply=False)
    rows = settled(ponte, ponte.send(body).json["event_id"], 6)
    assert ends(rows) == [("hub", "done"), ("reply", "suppressed"), ("reply", "suppressed"), ("labels", "done"), ("note", "done"),
                          ("note", "done")]
    assert "can_reply" in rows[1]["reason"]
    notes = [d.value for d in done(ponte) if d.what == "note"]
    assert [n.splitlines()[-1] for n in notes] == ["one", "two"] and all("window is closed" in n for n in notes)
    assert not [d for d in done(ponte) if d.what == "message"]
    # the customer writes: it is open again
    ponte.chatwoot.conversation(501, can_reply=True)
    settled(ponte, ponte.send(message("Hi")).json["event_id"], 2)
    assert done(ponte)[-1] == ("message", "You said: Hi")


# ---- what the hub is told besides ---------------------------------------------------------

CONTACT = {"event": "contact_updated", "id": 2001, "name": "Ana", "email": "ana@example.com", "phone_number": "+12025550143",
           "identifier": None, "account": {"id": 7, "name": "Loja"}, "additional_attributes": {}, "custom_attributes": {},
           "changed_attributes": [{"email": {"previous_value": None, "current_value": "ana@example.com"}}]}


def everything(ponte, kind="account"):
    """A takeover, a close and a changed contact; the hub's requests behind them."""
    settled(ponte, ponte.send(message("Hi", updated=time.time() - 9), kind=kind).json["event_id"], 2)
    for body in (message(type="outgoing", sender="user", text="Here I am"), message(type="outgoing", sender="user", text="Again"),
                 status_changed("resolved"), CONTACT):
        assert ponte.send(body, kind=kind).status == 200
    settled(ponte, ponte.send(message("Bye", conversation=502), kind=kind).json["event_id"], 2)


def test_the_hub_is_told_what_it_wants_to_hear(make):
    ponte = make()
    ponte.tenant(kinds=("account",), manners=manners("tell: [closed, takeover, contact]"))
    everything(ponte)
    told = wait_for(lambda: len(notices(ponte)) >= 3 and notices(ponte), why="three notices", show=ponte.log_tail)
    by_name = {n["event"]: n for n in told}
    assert len(told) == 3 and set(by_name) == {"conversation.taken_over", "conversation.closed", "contact.updated"}
    taken = by_name["conversation.taken_over"]
    assert (taken["tenant"], taken["domain"], taken["account_id"], taken["conversation_id"]) == ("shop", "retail", 7, 501)
    assert taken["contact"]["id"] == 2001 and taken["raw"]["content"] == "Here I am" and "messages" not in taken
    assert [n["event"] for n in told if n["conversation_id"] == 501] == ["conversation.taken_over", "conversation.closed"]
    contact = by_name["contact.updated"]
    assert contact["contact"]["email"] == "ana@example.com" and contact["conversation_id"] is None
    keys = [r["headers"]["idempotency-key"] for r in ponte.hub.requests if "event" in r["json"]]
    assert keys == [n["event_id"] for n in told] and "pubsub_token" not in str(told)
    # what the hub says to it is not for the customer
    assert [d.value for d in done(ponte)] == ["You said: Hi", "You said: Bye"]
    ponte.check_store()


@pytest.mark.parametrize("tell, names", [("closed", ["conversation.closed"]), ("takeover", ["conversation.taken_over"]),
                                         ("contact", ["contact.updated"]), ("", [])], ids=["closed", "takeover", "contact", "nothing"])
def test_and_of_nothing_else(make, tell, names):
    ponte = make()
    ponte.tenant(kinds=("account",), manners=manners(f"tell: [{tell}]"))
    everything(ponte)
    wait_for(lambda: len(notices(ponte)) == len(names), why="its notices", show=ponte.log_tail)
    wait_for(lambda: not ponte.queue("--state", "pending") and not ponte.queue("--state", "claimed"), why="all is done")
    assert [n["event"] for n in notices(ponte)] == names and len(ponte.hub.requests) == 2 + len(names)


def test_a_notice_waits_for_the_hub_and_bothers_nobody(make):
    """Tried again like a question; what comes of it is no matter for customer or agents."""
    ponte = make()
    ponte.tenant(manners=manners("tell: [closed]\n" + LADDER))
    ponte.hub.script = [{"contains": "conversation.closed", "status": 500}]
    settled(ponte, ponte.send(message("Hi", updated=time.time() - 9)).json["event_id"], 2)
    event = ponte.send(status_changed("resolved")).json["event_id"]
    assert ends(settled(ponte, event)) == [("notice", "done")] and len(notices(ponte)) == 2
    ponte.hub.script = [{"contains": "conversation.closed", "status": 400}]
    ponte.send(status_changed("pending"))
    settled(ponte, ponte.send(message("Hi")).json["event_id"], 2)
    event = ponte.send(status_changed("resolved")).json["event_id"]
    assert ends(settled(ponte, event)) == [("notice", "dead")]
    assert [d.what for d in done(ponte)] == ["message", "message"]
    ponte.check_store()
