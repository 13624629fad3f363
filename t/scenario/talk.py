"""What the scenarios of a conversation share: the conversation as it stands at
our Chatwoot, what was asked and done about it, and what became of an event."""

import collections
import http.client
import itertools
import json

from conftest import message, status_changed, wait_for

# How a tenant's hub fails at once, and what is never said to a customer.
CANNOT = {"json": {"status": "error", "error": "the crew is asleep"}}
AGENT = {"id": 12, "name": "Agente", "type": "user"}
OVER = ("done", "dead", "unknown", "suppressed", "dropped", "expired", "erased")

Done = collections.namedtuple("Done", "what value")     # at Chatwoot: ("message", "Olá"), ("labels", ["vip"]) …
_messages = itertools.count(1000)


def manners(text=""):
    """A tenant that posts and does nothing else, but for these lines."""
    usual = {"typing": "typing: false", "look_first": "look_first: false", "give_up": "give_up: {note: false, handoff: false}"}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines += [line for key, line in usual.items() if not any(given.startswith(key + ":") for given in lines)]
    return "".join(f"    {line}\n" for line in lines)


# ---- what was asked, what was done ---------------------------------------------

def asked(ponte, conversation=None):
    """Of each question to the hub the texts, in order of arrival."""
    return [[m["text"] for m in r["json"]["messages"]] for r in ponte.hub.requests
            if r["json"] and "messages" in r["json"] and conversation in (None, r["json"]["conversation_id"])]


def notices(ponte):
    """What the hub was told without being asked."""
    return [r["json"] for r in ponte.hub.requests if r["json"] and "event" in r["json"]]


def done(ponte, conversation=None):
    """What was done at Chatwoot, in order: everything that was posted there."""
    found = []
    for r in ponte.chatwoot.requests:
        parts = r["path"].split("/")
        if r["method"] != "POST" or conversation not in (None, int(parts[-2])):
            continue
        body = r["json"]
        if parts[-1] == "messages":
            found.append(Done("note" if body["private"] else "message", body["content"]))
        elif parts[-1] == "labels":
            found.append(Done("labels", body["labels"]))
        elif parts[-1] == "toggle_status":
            found.append(Done("status", body["status"]))
        else:
            found.append(Done("typing", body["typing_status"]))
    return found


def looks(ponte):
    """What was read from Chatwoot: the paths, from the conversation's number on."""
    return [r["path"].split("/conversations/")[1] for r in ponte.chatwoot.requests if r["method"] == "GET"]


# ---- what became of it -------------------------------------------------------------

def settled(ponte, event, n=1, seconds=20):
    """The event's deliveries, in the order in which they were made, once there are n
    and each has come to its end."""
    def look():
        rows = sorted(ponte.queue("--event", event), key=lambda r: r["id"])
        return rows if len(rows) >= n and all(r["state"] in OVER for r in rows) else None
    rows = wait_for(look, seconds, f"{n} deliveries of {event} that are over", lambda: ponte.run("trace", event).stdout)
    assert len(rows) == n, rows
    return rows


def ends(rows):
    return [(r["kind"], r["state"]) for r in rows]


def waits(ponte, event):
    """Until the question is answered with 202 and waits for its answer."""
    return wait_for(lambda: [r for r in ponte.queue("--event", event) if r["state"] == "waiting"], why="a question that waits",
                    show=ponte.log_tail)


def counts(ponte, book, state, tenant="shop"):
    rows = [json.loads(line) for line in ponte.run("queue", "counts", "--json").stdout.splitlines()]
    return sum(r["count"] for r in rows if (r["tenant"], r["book"], r["state"]) == (tenant, book, state))


# ---- a conversation at Chatwoot ------------------------------------------------------

class Chat:
    """One conversation, of which ponte is told as by a real Chatwoot: each change is a
    webhook, sent once and never again, whether ponte takes it or not."""

    def __init__(self, ponte, conversation=501):
        self.ponte, self.id, self.peer = ponte, conversation, ponte.chatwoot
        self.refused = []               # webhooks that ponte did not take
        self.peer.conversation(conversation)
        self.peer.on_change = self.changed

    def send(self, body):
        try:
            answer = self.ponte.send(body)
        except (OSError, http.client.HTTPException):
            answer = None
        if answer is None or answer.status >= 300:
            self.refused.append(body)
            return None
        return answer

    def webhook(self, m, sender):
        c = self.peer.conversation(self.id)
        return message(m["content"], id=m["id"], conversation=self.id, status=c["status"], sender=sender,
                       assignee=c["meta"]["assignee"] and c["meta"]["assignee"]["type"], updated=c["updated_at"],
                       type="incoming" if sender == "contact" else "outgoing", private=m["private"],
                       content_attributes=m["content_attributes"])

    def changed(self, what, conversation, m):
        """Something was done through Chatwoot's API: by ponte, then."""
        if conversation["id"] != self.id:
            return
        if what == "message":
            self.send(self.webhook(m, "bot"))
        elif what == "status":
            self.send(status_changed(conversation["status"], conversation=self.id, updated=conversation["updated_at"]))

    def number(self):
        return max([m["id"] for m in self.peer.history] + [next(_messages)]) + 1

    def customer(self, text):
        """Its event id, or None when ponte took no event of it."""
        answer = self.send(self.webhook(self.peer.says(self.id, self.number(), text), "contact"))
        return answer.json.get("event_id") if answer else None

    def agent(self, text):
        self.send(self.webhook(self.peer.says(self.id, self.number(), text, who="user"), "user"))

    def turn(self, status, **change):
        """An agent changes the conversation."""
        c = self.peer.conversation(self.id, status=status, **change)
        owner = c["meta"]["assignee"] and c["meta"]["assignee"]["type"]
        return self.send(status_changed(status, conversation=self.id, assignee=owner, updated=c["updated_at"]))

    def reads(self):
        """The conversation as the customer reads it: [(who, text)]."""
        who = {"contact": "customer", "user": "agent", "agent_bot": "bot"}
        return [(who[m["sender"]["type"]], m["content"]) for m in list(self.peer.history)
                if m["conversation_id"] == self.id and not m["private"]]

    def notes(self):
        return [m["content"] for m in list(self.peer.history) if m["conversation_id"] == self.id and m["private"]]

    def shows(self, *said, seconds=20):
        """Waits until the conversation reads so, and does not read otherwise."""
        want = list(said)
        wait_for(lambda: len(self.reads()) >= len(want), seconds, f"{len(want)} messages",
                 lambda: f"{self.reads()}\n{self.ponte.log_tail(40)}")
        assert self.reads() == want
