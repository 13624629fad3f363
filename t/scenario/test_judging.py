"""Who may say what, and what is done with it: senders of one inbox, unsigned
requests between several Chatwoots, the fixtures whose decision is a setting."""

import json
import os
import pathlib
import time

import pytest

from conftest import PONTE, dump, message, sign, status_changed
from test_hub import final
from test_intake import refused
from test_operator import run

FIXTURES = pathlib.Path(os.environ.get("PONTE_FIXTURES", "/nonexistent")) / "chatwoot"
SECOND = "TESTsecondInboxSecret01"


def two_inboxes(ponte):
    d = ponte.dir / "import"
    d.mkdir(exist_ok=True)
    (d / "first").write_text(ponte.SECRET["inbox"])
    (d / "second").write_text(SECOND)
    (d / "path").write_text("CANARYpath.01")
    (d / "two.yaml").write_text(f"""tenants:
  - name: shop
    hub: {{url: "{ponte.hub.url}/"}}
    installations:
      - {{id: main, url: "{ponte.chatwoot.url}", accounts: [{{id: 7}}]}}
    senders:
      - {{kind: inbox, label: first, installation: main, account: 7, inbox: 31, secret_file: first,
         unsigned: {{path_secret_file: path}}}}
      - {{kind: inbox, label: second, installation: main, account: 7, inbox: 32, secret_file: second}}
      - {{kind: account, label: twin-of-first, installation: main, account: 7, secret_file: first}}
""")
    ponte.run("tenant", "import", d / "two.yaml")


def test_a_sender_of_one_inbox_speaks_for_that_inbox_alone(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    two_inboxes(ponte)
    assert ponte.send(message(inbox=31), kind="inbox").status == 200
    assert ponte.send(message(inbox=32), kind="inbox", secret=SECOND).status == 200
    refused(ponte.send(message(inbox=32), kind="inbox"), 403, "WRONG_ACCOUNT")
    refused(ponte.send(message(inbox=31), kind="inbox", secret=SECOND), 403, "WRONG_ACCOUNT")
    refused(ponte.send(status_changed("resolved"), kind="inbox", secret=SECOND), 403, "WRONG_ACCOUNT")
    path = "/webhook/chatwoot/shop/inbox/CANARYpath.01"
    assert ponte.ask("POST", path, dump(message(inbox=31))).status == 200
    refused(ponte.ask("POST", path, dump(message(inbox=32))), 403, "WRONG_ACCOUNT")
    # on the shared path a sender under the same secret that may say it is found
    refused(ponte.send(message(inbox=31), path="/webhook", secret=SECOND), 403, "WRONG_ACCOUNT")
    assert ponte.send(message(inbox=33), path="/webhook", kind="inbox").status == 200
    # and explain says what the door does
    for inbox, decision in ((31, "forward"), (32, "forward"), (33, "reject_account")):
        r = ponte.run("explain", "--tenant", "shop", "--sender", "inbox", "-", "--json",
                      input=json.dumps(message(inbox=inbox)))
        assert json.loads(r.stdout)["decision"] == decision, (inbox, r)


def test_unsigned_between_two_chatwoots_with_one_account_number_is_404(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant(sender_extra=', unsigned: {addresses: ["127.0.0.0/8"]}')
    assert ponte.ask("POST", "/webhook", dump(message())).json["status"] == "accepted"
    ponte.tenant("other", chatwoot="http://192.0.2.1", secrets={"bot": "TESTotherSecret00001"})
    refused(ponte.ask("POST", "/webhook", dump(message())), 404, "UNKNOWN_TENANT")
    assert ponte.ask("POST", "/webhook/chatwoot/shop/bot", dump(message())).json["status"] == "accepted"
    assert ponte.send(message(), path="/webhook").json["status"] == "accepted"


def test_a_sync_is_never_2xx_however_well_signed(ponte):
    for body in ({"source": "credentials", "event": "credentials_sync"}, {"event": "mapping_sync", "account": {"id": 7}}):
        refused(ponte.send(body), 501, "NOT_IMPLEMENTED")


def test_o1_an_event_without_a_version_is_known_by_its_delivery_id(ponte):
    body = status_changed("resolved")
    del body["updated_at"]
    raw = dump(body)
    headers = sign(ponte.SECRET["bot"], raw)
    first, *others = [ponte.ask("POST", "/webhook/chatwoot/shop/bot", raw, headers).json for _ in range(3)]
    assert first["status"] == "noted"
    assert [(o["status"], o["event_id"]) for o in others] == [("duplicate", first["event_id"])] * 2
    assert ponte.send(body).json["status"] == "noted"          # another delivery is another event


@pytest.mark.parametrize("name, settings, kind, body", [
    ("it goes back to pending with a human on it", "", "bot", status_changed("pending", assignee="user")),
    ("it is opened where open ones are not answered", "    answer_open: false\n", "account", status_changed("open")),
])
def test_o6_the_reply_is_suppressed(make, name, settings, kind, body):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant(kinds=(kind,), extra=settings)
    ponte.hub.script = [{"hold": "thinking"}]
    event = ponte.send(message(updated=time.time() - 5), kind=kind).json["event_id"]
    ponte.hub.wait(lambda p: p.requests)
    assert ponte.send(dict(body, updated_at=time.time()), kind=kind).json["status"] == "noted"
    ponte.hub.release("thinking")
    row = final(ponte, event, "reply")
    assert row["state"] == "suppressed" and row["reason"], row
    assert not ponte.chatwoot.messages


def test_explain_takes_the_sender_before_or_behind_the_file(tmp_path):
    """In bot mode an open conversation is not answered, in account mode it is."""
    body = tmp_path / "body"
    body.write_bytes(dump(message(status="open")))

    def decision(*args):
        r = run(PONTE, "explain", "--json", *args)
        return json.loads(r.stdout)["decision"]

    assert decision(body) == decision("--sender", "account", body) == "forward"
    assert decision("--sender", "bot", body) == decision(body, "--sender", "bot") == "ignore"
    assert decision("--sender", "bot", body, "--sender", "account", body) == "forward"
    assert decision("--sender", "account", body, "--sender", "bot") == "forward"


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no fixtures")
def test_the_fixtures_of_a_setting_with_the_other_setting(make):
    """Their second run; the first, with the defaults, is t/rules/fixtures.py."""
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    rows = {row["file"]: row for row in json.loads((FIXTURES / "MANIFEST.json").read_text())}
    kinds = ("bot", "account", "inbox")

    def explain(file):
        r = ponte.run("explain", "--tenant", "shop", "--sender", rows[file]["sender"], FIXTURES / file, "--json")
        answer = json.loads(r.stdout)
        return answer["decision"], answer["dedup"], answer["message"] and answer["message"]["text"]

    ponte.tenant(kinds=kinds, inboxes="[]", extra="    answer_open: false\n    transcripts: true\n",
                 sender_extra=', unsigned: {addresses: ["192.0.2.0/24"]}')
    assert explain("message_created.incoming.conversation_open_unassigned.json") == ("ignore", ["m:90021"], None)
    assert explain("message_updated.audio_transcribed.json") == \
        ("forward", ["t:90006"], "bom dia queria saber do meu pedido")
    ponte.tenant(kinds=kinds, inboxes="[]", sender_extra=', unsigned: {addresses: ["192.0.2.0/24"]}')
    assert explain("version.2_x.message_created.json")[:2] == ("forward", ["m:90061"])
    assert explain("version.1_x.message_created.json") == ("reject_schema", [], None)
    # nothing else moves with the exception
    for row in rows.values():
        if not row["given"] and row["sender"] != "none" and not row["decision"].endswith("policy"):
            assert explain(row["file"])[0] == row["decision"], row
