"""A hub's answer in full: several messages, notes, labels, a handoff; long texts; and
that somebody writes while the hub thinks."""

import pytest

from conftest import message, wait_for
from talk import AGENT, CANNOT, Chat, done, ends, looks, manners, notices, settled

FULL = {"messages": [
            {"text": "one"},
            {"text": "Which?", "content_type": "input_select",
             "content_attributes": {"items": [{"title": "A", "value": "a"}], "ponte": "not ours"}},
            {"text": "for the agents", "private": True},
            {"text": "three", "delay": 1}],
        "note": "the customer wants A", "labels": ["vip", "ai"], "handoff": True}


def test_an_answer_in_full_arrives_in_order(ponte):
    """Messages and notes as the hub wrote them, its note, its labels beside those that are
    there, and at last the handoff."""
    ponte.chatwoot.conversation(501, labels=["old", "ai"])
    ponte.hub.script = [{"json": FULL}]
    event = ponte.send(message()).json["event_id"]
    rows = settled(ponte, event, 8)
    assert ends(rows) == [(kind, "done") for kind in ("hub", "reply", "reply", "note", "reply", "note", "labels", "handoff")]
    assert [r["n"] for r in rows] == list(range(8))
    assert [tuple(d) for d in done(ponte)] == [
        ("message", "one"), ("message", "Which?"), ("note", "for the agents"), ("message", "three"),
        ("note", "the customer wants A"), ("labels", ["old", "ai", "vip"]), ("status", "open")]
    posts = [r for r in ponte.chatwoot.requests if r["path"].endswith("/messages")]
    assert [r["json"]["content_attributes"]["ponte"] for r in posts] == [f"{event}.{n}" for n in range(1, 6)]
    assert posts[1]["json"]["content_type"] == "input_select"
    assert posts[1]["json"]["content_attributes"]["items"] == [{"title": "A", "value": "a"}]
    assert posts[3]["mono"] - posts[2]["mono"] >= 1, "the pause before it"
    assert all(r["headers"]["api_access_token"] == ponte.TOKEN for r in ponte.chatwoot.requests)
    assert ponte.chatwoot.conversation(501)["status"] == "open" and looks(ponte) == ["501/labels"]
    ponte.check_store()


def test_our_own_handoff_is_no_takeover_by_somebody(make):
    """Its echo tells the hub nothing; until it is handed back the conversation is a human's."""
    ponte = make()
    ponte.tenant(manners=manners("tell: [takeover, closed]"))
    chat = Chat(ponte)
    ponte.hub.script = [{"json": {"messages": [{"text": "A colleague takes this."}], "handoff": True}}]
    event = chat.customer("I want to speak to a human")
    settled(ponte, event, 3)
    wait_for(lambda: ponte.events("request", decision="stop_bot"), why="Chatwoot's own word of it", show=ponte.log_tail)
    assert chat.customer("Hello?") is None, "the bot is out of it"
    chat.turn("open", assignee=AGENT)
    chat.agent("I am here")
    chat.turn("pending", assignee=None)
    settled(ponte, chat.customer("And now?"), 2)
    assert notices(ponte) == [] and len(ponte.hub.requests) == 2
    assert chat.reads() == [("customer", "I want to speak to a human"), ("bot", "A colleague takes this."), ("customer", "Hello?"),
                            ("agent", "I am here"), ("customer", "And now?"), ("bot", "You said: And now?")]
    # the same by a human is told
    chat.turn("open", assignee=AGENT)
    wait_for(lambda: [n["event"] for n in notices(ponte)] == ["conversation.taken_over"], why="the notice", show=ponte.log_tail)
    assert not chat.refused


@pytest.mark.parametrize("bots_may, user_token, state, labels", [
    (("labels",), None, "done", ["old", "vip"]),
    ((), None, "dead", ["old"]),
    ((), Chat, "done", ["old", "vip"]),
], ids=["a bot that may", "a bot that may not", "with a user's token"])
def test_labels_that_are_there_survive(make, bots_may, user_token, state, labels):
    ponte = make()
    token = ponte.USER_TOKEN if user_token else None
    ponte.tenant(manners=manners(), user_token=token)
    ponte.chatwoot.user_token, ponte.chatwoot.bots_may = ponte.USER_TOKEN, set(bots_may)
    ponte.chatwoot.conversation(501, labels=["old"])
    ponte.hub.script = [{"json": {"content": "hi", "labels": ["vip"]}}, {"json": {"labels": ["vip"]}}]
    rows = settled(ponte, ponte.send(message()).json["event_id"], 3)
    assert ends(rows)[1:] == [("reply", "done"), ("labels", state)]
    assert ponte.chatwoot.conversation(501)["labels"] == labels
    # nothing is set when they are there already
    rows = settled(ponte, ponte.send(message()).json["event_id"], 2)
    assert ends(rows)[1:] == [("labels", state)]
    assert [d.what for d in done(ponte)].count("labels") == (1 if state == "done" else 0)
    assert [d.what for d in done(ponte)].count("message") == 1, "a token that may not set labels may post"


def units(text):
    return len(text.encode("utf-16-le")) // 2


def test_a_long_text_is_cut_where_a_reader_pauses(ponte):
    """WhatsApp takes 4,096 units of UTF-16: behind a paragraph, else a sentence, else a word."""
    sentence = "Ainda temos o modelo 42 em azul 😀. "
    first, second = sentence * 70, sentence * 150
    text = first.strip() + "\n\n" + second.strip() + "\n\n" + "x" * 9000
    assert units(first) < 4096 < units(first + sentence * 50) and units(second) > 4096
    ponte.hub.script = [{"json": {"content": text}, "times": 2}]
    whatsapp, web = message(conversation=1), message(conversation=2)
    whatsapp["conversation"]["channel"] = "Channel::Whatsapp"
    ponte.send(whatsapp)
    parts = [d.value for d in wait_for(lambda: len(done(ponte, 1)) >= 6 and done(ponte, 1), why="six parts", show=ponte.log_tail)]
    assert max(map(units, parts)) <= 4096 and "".join("".join(parts).split()) == "".join(text.split())
    assert parts[0] == first.strip(), "behind the paragraph"
    assert parts[1].endswith(".") and parts[2].startswith("Ainda"), "behind a sentence"
    assert parts[2].endswith(".") and [units(p) for p in parts[3:]] == [4096, 4096, 808]
    ponte.send(web)
    assert wait_for(lambda: done(ponte, 2), why="the web widget's") == [("message", text)]


# ---- somebody writes -----------------------------------------------------------------

def typing(ponte, conversation):
    return [d.value for d in done(ponte, conversation) if d.what == "typing"]


def test_typing_is_shown_while_the_hub_thinks_and_between_parts(make):
    ponte = make()
    ponte.tenant(manners=manners("typing: true"))
    ponte.hub.script = [{"hold": "thinking", "json": {"messages": [{"text": "one"}, {"text": "two", "delay": 1}, {"text": "note", "private": True}]}}]
    ponte.send(message())
    wait_for(lambda: done(ponte) == [("typing", "on")], why="on while it thinks", show=ponte.log_tail)
    ponte.hub.release("thinking")
    wait_for(lambda: len(done(ponte)) >= 6, why="off at the end", show=ponte.log_tail)
    said = [tuple(d) for d in done(ponte)]
    assert said[:3] == [("typing", "on"), ("message", "one"), ("typing", "on")]
    assert said[3] == ("message", "two") and sorted(said[4:]) == [("note", "note"), ("typing", "off")]
    assert {r["json"]["is_private"] for r in ponte.chatwoot.requests if r["path"].endswith("typing_status")} == {False}
    # who will say nothing does not go on writing
    for i, step in enumerate(({"status": 204}, {"json": {"note": "only a note"}}, CANNOT)):
        ponte.hub.script = [dict(step, hold=f"thinking {i}")]
        ponte.send(message(conversation=600 + i))
        wait_for(lambda: typing(ponte, 600 + i) == ["on"], why=f"on: {step}", show=ponte.log_tail)
        ponte.hub.release(f"thinking {i}")
        wait_for(lambda: typing(ponte, 600 + i) == ["on", "off"], why=f"off: {step}", show=ponte.log_tail)


@pytest.mark.parametrize("status", [401, 403])
def test_typing_that_is_not_allowed_is_left_alone(make, status):
    """Noted once, and no answer suffers; new credentials, and it is tried again."""
    ponte = make()
    ponte.tenant(manners=manners("typing: true"))
    ponte.chatwoot.script = [{"path": "toggle_typing_status", "status": status, "times": 0}]
    settled(ponte, ponte.send(message()).json["event_id"], 2)
    wait_for(lambda: ponte.events("typing-off", tenant="shop", installation="main"), why="a note of it", show=ponte.log_tail)
    tried = len(typing(ponte, None))
    for i in range(4):
        settled(ponte, ponte.send(message(conversation=600 + i)).json["event_id"], 2)
    assert len(typing(ponte, None)) <= tried + 1, "it goes on knocking"      # one may have been on its way
    assert len(ponte.events("typing-off")) == 1 and len(ponte.posted()) == 5
    ponte.chatwoot.clear()
    ponte.tenant(manners=manners("typing: true"))
    ponte.hub.script = [{"hold": "thinking"}]
    ponte.send(message(conversation=700))
    wait_for(lambda: typing(ponte, 700) == ["on"], why="it is tried again", show=ponte.log_tail)
    ponte.hub.release("thinking")
    wait_for(lambda: typing(ponte, 700)[-1:] == ["off"], why="off at the end", show=ponte.log_tail)


def test_typing_delays_and_fails_nothing(make):
    """A Chatwoot that never answers it: the reply is there all the same."""
    ponte = make()
    ponte.tenant(manners=manners("typing: true"))
    ponte.chatwoot.script = [{"path": "toggle_typing_status", "hang": True, "times": 0}]
    events = [ponte.send(message(conversation=600 + i)).json["event_id"] for i in range(12)]
    for event in events:
        assert ends(settled(ponte, event, 2)) == [("hub", "done"), ("reply", "done")]
    assert len(ponte.posted()) == 12
    ponte.check_store()
