"""What the scenarios about loss and order lean on: tenants with manners of their
own, a hub that does what the message says, a Chatwoot that tells of its own
messages, and the reckoning at the end."""

import collections
import json

from conftest import Instance, message, wait_for

# The steps that every message passes, each a crash point (lib/crashpoint.h).
UNDER_LOAD = """
    worker-start worker-before-accept worker-accepted worker-before-put worker-after-put worker-answered
    keeper-before-begin keeper-after-begin keeper-before-commit keeper-after-commit keeper-before-ack keeper-after-ack
    keeper-burst-ends keeper-begins
    courier-before-claim courier-after-claim courier-build courier-before-send courier-after-send courier-judge
    courier-before-ask courier-after-ask courier-begun courier-before-reply courier-after-reply
    courier-before-settle courier-after-settle
""".split()

FINAL = ("done", "dead", "unknown", "suppressed", "dropped", "expired", "erased")

# A word in a message says what the hub answers to it.
PARTS = {"messages": [{"text": "part one"}, {"text": "part two"}], "note": "for the agents", "labels": ["vip"], "handoff": True}
HUB = [{"contains": "PARTS", "json": PARTS, "times": 0}, {"contains": "LATER", "status": 202, "times": 0},
       {"contains": "FAIL", "status": 400, "times": 0}, {"contains": "conversation.closed", "status": 204, "times": 0}]

LOOKS = ("    look_first: true\n    typing: false\n    tell: [closed]\n"
         "    give_up: {message: \"We come back to you.\", note: true, label: late, handoff: true}\n")


def posts(conversation, **how):
    """A step for the POSTs of messages into one conversation."""
    return {"path": f"/conversations/{conversation}/messages$", "method": "POST", **how}


def listings(ponte, conversation):
    """How often the messages of the conversation were read."""
    return sum(r["method"] == "GET" and f"/conversations/{conversation}/messages" in r["path"] for r in ponte.chatwoot.requests)


def marks(ponte):
    """content_attributes.ponte of what stands at Chatwoot, with how often."""
    return collections.Counter(m["content_attributes"]["ponte"] for m in ponte.chatwoot.messages)


def nothing_twice(ponte):
    twice = [mark for mark, n in marks(ponte).items() if n > 1]
    assert not twice, f"posted twice: {twice[:5]}"


def rows_of(ponte, event):
    return ponte.queue("--event", event)


def states(ponte, event):
    """{kind: [state, …]} of the event's deliveries, in the order they were made."""
    found = {}
    for r in rows_of(ponte, event):
        found.setdefault(r["kind"], []).append(r["state"])
    return found


def ended(ponte, event, kinds=("hub",), seconds=30):
    """The event's deliveries, when all are final and these kinds are among them."""
    def look():
        try:
            rows = rows_of(ponte, event)
        except AssertionError:          # the keeper is away just now
            return None
        good = {r["kind"] for r in rows} >= set(kinds) and all(r["state"] in FINAL for r in rows)
        return rows if good else None
    return wait_for(look, seconds, f"{kinds} of {event} ended", lambda: ponte.log_tail(40))


def insist(ponte, body, **kw):
    """Sends until it is taken, as a bot's Chatwoot does after a 500."""
    def again():
        a = ponte.send(body, **kw)
        assert a.status in (200, 500), a
        return a if a.status == 200 else None
    return wait_for(again, 30, "the message is taken", lambda: ponte.log_tail(40))


def say(ponte, text, conversation, account=7, tenant="shop", **more):
    """A customer's message; its event id."""
    return insist(ponte, message(text, conversation=conversation, account=account, **more), tenant=tenant).json["event_id"]


def echoes(ponte, tenant_of, silent=("SILENT",)):
    """Chatwoot tells ponte of every message that is posted there, as it does to the bot:
    tenant_of: {account: tenant}.  Not of texts with these words."""
    def tell(what, conversation, posted):
        account = conversation["account_id"]
        if what == "message" and account in tenant_of and not any(w in (posted["content"] or "") for w in silent):
            body = message(posted["content"], id=posted["id"], conversation=conversation["id"], account=account, type="outgoing",
                           sender="bot", content_attributes=posted["content_attributes"], private=posted["private"])
            insist(ponte, body, tenant=tenant_of[account])
    ponte.chatwoot.on_change = tell


def token_of(ponte, tenant, name="hub"):
    return ponte.run("token", "new", name, "--tenant", tenant, "--scope", "reply").stdout.strip()


def answer_later(ponte, token, event, **body):
    """POST /api/v1/replies, once; the answer."""
    return ponte.ask("POST", "/api/v1/replies", json.dumps(dict(body, event_id=event)).encode(), {"Authorization": f"Bearer {token}"})


class Orders:
    """Where somebody is to die next (PONTE_CRASH_FILE)."""

    def __init__(self, directory):
        self.file = directory / "die-at"
        self.env = {"PONTE_CRASH_FILE": str(self.file)}

    def arm(self, point):
        new = self.file.with_suffix(".new")
        new.write_text(point)
        new.rename(self.file)

    def disarm(self):
        self.file.unlink(missing_ok=True)

    def open(self):
        return self.file.exists()


class House:
    """One instance, and one step after the other at which somebody dies in it."""

    def __init__(self, root, settings="workers: {hooks: 4, api: 2}\n", **kw):
        self.orders = Orders(root)
        self.ponte = Instance(root, settings, env=self.orders.env, **kw)

    def start(self):
        self.ponte.start()
        return self

    def arm(self, point):
        self.orders.arm(point)

    def dead(self, point, seconds=30):
        wait_for(lambda: not self.orders.open(), seconds, f"somebody dies at {point}", lambda: self.ponte.log_tail(40))


def tenants(ponte):
    """Those of the stories: who looks, who hears echoes, and one whose hub may be stopped."""
    ponte.chatwoot.user_token = ponte.USER_TOKEN
    ponte.hub.script = list(HUB)
    ponte.tenant("shop", account=7)
    ponte.tenant("look", account=8, installation="look", manners=LOOKS, user_token=ponte.USER_TOKEN)
    ponte.tenant("echo", account=9, installation="echo")
    ponte.tenant("aside", account=10, installation="aside")
    echoes(ponte, {9: "echo"})
    return ponte
