"""The story of one conversation, told act by act, and at the end what the customer has
read: what a person would expect who wrote to a shop in which a bot, an agent, and two
machines that fail now and then take turns."""

from conftest import wait_for
from talk import AGENT, Chat, asked, manners, notices, settled

ANSWERS = {
    "Good morning!": {"messages": [{"text": "Good morning, this is the shop's assistant."}, {"text": "What can I do for you?"}]},
    "in blue?": {"content": "Yes: model 42 in blue, size 38, is here.", "labels": ["shoes"]},
    "a discount?": {"content": "I am afraid not."},
    "opening hours": {"content": "We open at 9.", "note": "asked for the opening hours"},
    "on Sundays?": {"content": "On Sundays we are closed."},
    "still there?": {"content": "Here I am. Sorry that it took so long."},
    "an invoice": {"content": "Your invoice is in your mail."},
    "Good evening": {"content": "Good evening, nice to see you again."},
}


class Story:
    def __init__(self, ponte):
        self.ponte, self.read = ponte, []
        ponte.chatwoot.user_token = ponte.USER_TOKEN
        self.debounce("1s")
        ponte.hub.script = [{"contains": text, "json": answer, "times": 0} for text, answer in ANSWERS.items()]
        self.chat = Chat(ponte)

    def debounce(self, time):
        self.ponte.tenant(user_token=self.ponte.USER_TOKEN,
                          manners=manners(f"tell: [takeover, closed]\nlook_first: true\ndebounce: {time}"))

    def customer(self, text, taken=True):
        event = self.chat.customer(text)
        assert (event is not None) == taken, f"{text}: {event}"
        self.read.append(("customer", text))
        return event

    def agent(self, text):
        self.chat.agent(text)
        self.read.append(("agent", text))

    def bot(self, *texts):
        """Until the customer has read these, and nothing else."""
        self.read += [("bot", text) for text in texts]
        self.chat.shows(*self.read)


def morning(s):
    """The first message, and a burst that is answered once."""
    s.customer("Good morning!")
    s.bot("Good morning, this is the shop's assistant.", "What can I do for you?")
    s.debounce("3s")
    for text in ("I saw your model 42", "on the web", "Do you have it in blue?"):
        s.customer(text)
    s.bot("Yes: model 42 in blue, size 38, is here.")
    s.debounce("1s")
    assert asked(s.ponte)[-1] == ["I saw your model 42", "on the web", "Do you have it in blue?"]
    wait_for(lambda: s.ponte.chatwoot.conversation(501)["labels"] == ["shoes"], why="its label", show=s.ponte.log_tail)


def takeover(s):
    """An agent is quicker than the bot, which is silent from then on."""
    s.ponte.hub.script = [{"contains": "a discount?", "hold": "thinking", "json": ANSWERS["a discount?"]}] + s.ponte.hub.script
    event = s.customer("Do I get a discount?")
    s.ponte.hub.wait(lambda p: asked(s.ponte)[-1:] == [["Do I get a discount?"]])
    s.chat.turn("open", assignee=AGENT)
    s.agent("Yes: ten percent, because it is Monday.")
    s.ponte.hub.release("thinking")
    rows = settled(s.ponte, event, 2)
    assert (rows[1]["state"], rows[1]["reason"]) == ("suppressed", "a human took over")
    s.customer("Wonderful!", taken=False)
    s.agent("It waits for you here.")
    s.bot()
    wait_for(lambda: [n["event"] for n in notices(s.ponte)] == ["conversation.taken_over"], why="the hub is told", show=s.ponte.log_tail)


def handback(s):
    s.chat.turn("pending", assignee=None)
    s.customer("What are your opening hours?")
    s.bot("We open at 9.")
    wait_for(lambda: s.chat.notes() == ["asked for the opening hours"], why="a note for the agents", show=s.ponte.log_tail)


def hub_outage(s):
    """The answers are late, in order, and none is lost or doubled."""
    s.ponte.hub.stop()
    s.customer("And on Sundays?")
    wait_for(lambda: s.ponte.events("delivery", kind="hub", verdict="retry"), why="the hub is away", show=s.ponte.log_tail)
    s.customer("Are you still there?")
    s.ponte.hub.restart()
    s.bot("On Sundays we are closed.", "Here I am. Sorry that it took so long.")


def ponte_outage(s):
    """What Chatwoot says meanwhile is said to nobody and never again; it is fetched."""
    s.ponte.stop()
    s.customer("Can I get an invoice?", taken=False)
    s.customer("To my company, please: an invoice", taken=False)
    assert [m["content"] for m in s.chat.refused if m.get("message_type") == "incoming"] == [text for _, text in s.read[-2:]]
    s.ponte.start()
    s.ponte.run("tenant", "catchup", "shop", "--since", "1h")
    s.bot("Your invoice is in your mail.")


def evening(s):
    """An agent has the last word and closes it; a new message begins anew."""
    s.agent("Thank you, and see you soon!")
    s.chat.turn("resolved")
    wait_for(lambda: notices(s.ponte)[-1]["event"] == "conversation.closed", why="the hub is told", show=s.ponte.log_tail)
    s.chat.turn("pending")              # Chatwoot's own doing, when the customer writes again
    s.customer("Good evening, it is me")
    s.bot("Good evening, nice to see you again.")


def the_end(s):
    """No message without an end, each with its reason; nobody was told what was not so."""
    wait_for(lambda: {r["state"] for r in s.ponte.queue()} == {"done", "suppressed"}, why="all is over", show=s.ponte.log_tail)
    assert [(r["kind"], r["reason"]) for r in s.ponte.queue("--state", "suppressed")] == [("reply", "a human took over")]
    texts = sum(asked(s.ponte), [])
    customers = [text for who, text in s.read if who == "customer" and text != "Wonderful!"]
    assert list(dict.fromkeys(texts)) == customers, "the hub was asked in another order, or less, or more"
    assert [n["event"] for n in notices(s.ponte)] == ["conversation.taken_over"] * 2 + ["conversation.closed"]
    assert s.chat.reads() == s.read
    s.ponte.check_store()


def test_the_story_of_one_conversation(make):
    s = Story(make())
    for act in (morning, takeover, handback, hub_outage, ponte_outage, evening, the_end):
        act(s)
    assert s.chat.reads() == [
        ("customer", "Good morning!"),
        ("bot", "Good morning, this is the shop's assistant."), ("bot", "What can I do for you?"),
        ("customer", "I saw your model 42"), ("customer", "on the web"), ("customer", "Do you have it in blue?"),
        ("bot", "Yes: model 42 in blue, size 38, is here."),
        ("customer", "Do I get a discount?"),
        ("agent", "Yes: ten percent, because it is Monday."),
        ("customer", "Wonderful!"),
        ("agent", "It waits for you here."),
        ("customer", "What are your opening hours?"),
        ("bot", "We open at 9."),
        ("customer", "And on Sundays?"), ("customer", "Are you still there?"),
        ("bot", "On Sundays we are closed."), ("bot", "Here I am. Sorry that it took so long."),
        ("customer", "Can I get an invoice?"), ("customer", "To my company, please: an invoice"),
        ("bot", "Your invoice is in your mail."),
        ("agent", "Thank you, and see you soon!"),
        ("customer", "Good evening, it is me"),
        ("bot", "Good evening, nice to see you again."),
    ]
