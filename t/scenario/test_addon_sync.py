"""The addons' own syncs: a tenant's Odoo and token, and which inbox is of which line of business."""

import collections
import concurrent.futures
import json

import pytest

from conftest import message, wait_for
from odoo import OdooServer
from test_addon_access import SECRET, configure, sign
from test_reload import reload
from test_rules import BASE, rules, shop  # noqa: F401

TOKEN = "account_7-3f9c21ab"


def credentials(account="account_7", token=TOKEN, **inner):
    return {"source": "credentials", "event": "credentials_sync", "account_id": account, "token": token,
            "credentials": dict({"domain": "restaurant", "name": "Padaria", "odoo_url": False, "odoo_db": "padaria",
                                 "odoo_username": "ponte", "odoo_password": "", "token": token}, **inner)}


def mapping(account="account_7", token=TOKEN, **inner):
    return {"source": "channel_mapping", "event": "mapping_sync", "account_id": account, "token": token,
            "mapping": dict({"chatwoot_account_id": 7, "chatwoot_inbox_id": None, "internal_account_id": account,
                             "domain": "bakery", "is_fallback": False, "sequence": 10, "special_whatsapp_numbers": []}, **inner)}


def send(i, body, secret=None, path="/webhook"):
    return i.ask("POST", path, json.dumps(body), {"X-Webhook-Signature": sign(body, secret)} if secret else {})


def refused(answer, status, code):
    said = answer.json
    assert (answer.status, said["code"], said["success"]) == (status, code, False), answer
    assert said["error"] and said["request_id"] == answer.headers["X-Request-ID"]


@pytest.fixture
def odoo():
    o = OdooServer(db="padaria", keys=("s3nha-exemplo",)).start()
    yield o
    o.stop()


@pytest.fixture
def field(make, odoo):
    """The shop, which may reach that Odoo."""
    odoo.model("product.template", list_price="float")
    i = make(allow=[odoo.url.split("//")[1]])
    i.tenant("account_7")
    token(i, "addon", "account_7", TOKEN)
    return i


def token(i, name, tenant, text, scope="sync,read"):
    (i.dir / "a.token").write_text(text + "\n")
    (i.dir / "a.token").chmod(0o600)
    i.run("token", "new", name, "--tenant", tenant, "--scope", scope, "--token-file", i.dir / "a.token")


def shown(i, name="account_7"):
    return json.loads(i.run("tenant", "show", name, "--json").stdout)


def logs_in(i):
    """Asked of the Odoo itself, with what is stored."""
    return "it has 0 products" in i.run("tenant", "ask", "account_7", check=False).stdout


def told(i, word):
    return [b for b in (json.loads(r["body"]) for r in i.hub.requests) if b.get("event") == "knowledge.changed" and word in b["changed"]]


def test_credentials_are_in_force_at_once(field, odoo):
    i = field
    a = send(i, credentials(odoo_url=odoo.url, odoo_password="s3nha-exemplo"))
    assert a.status == 200, a
    said = a.json
    assert said["success"] is True and said["account_id"] == "account_7" and said["config_path"] and said["credentials_path"]
    shown = json.loads(i.run("tenant", "show", "account_7", "--json").stdout)
    assert shown["odoo"]["url"] == odoo.url and shown["domain"] == "restaurant"
    assert logs_in(i), "with all of what was said"
    wait_for(lambda: told(i, "credentials"), why="the hub was told", show=i.log_tail)
    # Again: nothing is new, and nobody is told.
    n = len(told(i, "credentials"))
    assert send(i, credentials(odoo_url=odoo.url)).json["message"] == "credentials unchanged"
    # What is empty overwrites nothing.
    assert send(i, credentials(odoo_db="", odoo_username=False, domain="")).json["message"] == "credentials unchanged"
    assert len(told(i, "credentials")) == n and logs_in(i)
    assert "s3nha-exemplo" not in i.log_tail(2000) and TOKEN not in i.log_tail(2000)
    seen = i.events(event="credentials-access", operation="write")
    assert seen and {e["tenant"] for e in seen} == {"account_7"} and seen[0]["success"] == "true"
    for path in (i.dir / "state").glob("ponte.db*"):
        assert b"s3nha-exemplo" not in path.read_bytes()


def test_the_operators_file_keeps_the_odoo_that_was_synced(field, odoo):
    i = field
    assert send(i, credentials(odoo_url=odoo.url, odoo_password="s3nha-exemplo")).status == 200
    synced = {k: shown(i)["odoo"][k] for k in ("url", "db", "login", "key")}
    assert synced["url"] == odoo.url and synced["key"] == "set" and logs_in(i)
    for more in ({"open": {"documents": ["127.0.0.1"]}, "secret": SECRET}, {"pull": "1d"}, {"signature": "observe"}, {"lang": "pt_BR"}):
        configure(i, **dict(more))
        now = shown(i)["odoo"]
        assert {k: now.get(k) for k in synced} == synced, more
        assert now["open"]["documents"] == (["127.0.0.1"] if "open" in more else []) and (now["secret"] == "set") == ("secret" in more)
        assert logs_in(i), more
    i.tenant("account_7")
    assert shown(i)["odoo"]["url"] == odoo.url and logs_in(i)
    # An odoo with nothing in it takes it away.
    configure(i)
    now = shown(i)["odoo"]
    assert (now["url"], now["db"], now["key"]) == (None, None, "none"), now
    assert not logs_in(i)


def test_a_stored_password_goes_to_no_other_server(shop, odoo):  # noqa: F811
    i = shop
    # Neither to the first one that is named after it,
    assert send(i, credentials(odoo_url=False, odoo_password="s3nha-exemplo")).status == 200
    refused(send(i, credentials(odoo_url="https://evil.example.com")), 422, "BAD_SCHEMA")
    assert (shown(i)["odoo"]["url"], shown(i)["odoo"]["key"]) == (None, "set")
    # nor to another than it was for.
    assert send(i, credentials(odoo_url=odoo.url, odoo_password="s3nha-exemplo")).status == 200
    for url in ("https://evil.example.com", odoo.url.replace("http:", "https:"), odoo.url[:-1] + ("1" if odoo.url[-1] != "1" else "2")):
        refused(send(i, credentials(odoo_url=url)), 422, "BAD_SCHEMA")
    assert send(i, credentials(odoo_url=odoo.url + "/")).json["message"] == "credentials unchanged"
    assert send(i, credentials(odoo_url="https://new.example.com", odoo_password="another-key")).json["message"] == "credentials stored"


def test_who_may(shop):  # noqa: F811
    i = shop
    i.tenant("other", account=8, installation="eight")
    token(i, "a", "other", "other-99887766")
    # Of rules, too, the token alone says whose they are: the query may be lost on the way.
    active = lambda t: [r["name"] for r in i.ask("GET", BASE + "/active", headers={"Authorization": "Bearer " + t}).json["data"]]     # noqa: E731
    a = i.ask("POST", BASE + "/sync", json.dumps(rules(1)), {"Authorization": "Bearer " + TOKEN})
    assert (a.status, a.json["data"]["vectorized_rules"]) == (200, 2), a
    assert len(active(TOKEN)) == 2 and active("other-99887766") == []
    for make in (credentials, mapping):
        refused(send(i, make(token="account_7-00000000")), 401, "INVALID_TOKEN")
        refused(send(i, make(token="other-99887766")), 403, "AUTHORIZATION_ERROR")
        refused(send(i, make(account="other")), 403, "AUTHORIZATION_ERROR")
        refused(send(i, make(account="nobody", token="nobody-12345678")), 403, "AUTHORIZATION_ERROR")
    configure(i, secret=SECRET)
    for make in (credentials, mapping):
        refused(send(i, make()), 401, "BAD_SIGNATURE")
        refused(send(i, make(), "another"), 401, "BAD_SIGNATURE")
        assert send(i, make(), SECRET).status == 200
    # Under the signature the token may change; the former is good no more, nor can it be another's.
    new = "account_7-11112222"
    for make in (credentials, mapping):
        a = send(i, make(token="other-99887766"), SECRET)
        refused(a, 409, "CONFLICT")
        assert a.json["error"] == "that token is another tenant's" and not [line for line in i.lines if "UNIQUE" in line]
    assert send(i, credentials(token=new), SECRET).status == 200
    ask = lambda t: i.ask("GET", BASE + "/active", headers={"Authorization": "Bearer " + t}).status     # noqa: E731
    assert ask(new) == 200
    assert send(i, credentials(token="account_7-33334444"), SECRET).status == 200
    assert (ask(new), ask("account_7-33334444")) == (401, 200)
    rows = {t["name"]: t for t in map(json.loads, i.run("token", "list", "--tenant", "account_7", "--json").stdout.splitlines())}
    assert sorted(rows["odoo-addon"]["scopes"].split(",")) == ["read", "sync"]


def test_a_signed_sync_makes_its_token_good(shop):  # noqa: F811
    i = shop
    configure(i, secret=SECRET)
    ask = lambda t: i.ask("POST", BASE + "/sync", json.dumps(rules()), {"Authorization": "Bearer " + t, "X-Webhook-Signature": sign(rules())}).status     # noqa: E731
    token(i, "reader", "account_7", "account_7-44440000", "read")
    assert ask("account_7-44440000") == 403
    assert send(i, credentials(token="account_7-44440000"), SECRET).status == 200 and ask("account_7-44440000") == 200
    # The one that the operator registered is still good, as it is not of a sync.
    assert ask(TOKEN) == 200
    for name in ("addon", "odoo-addon"):
        i.run("token", "revoke", name, "--tenant", "account_7")
    assert (ask(TOKEN), ask("account_7-44440000")) == (401, 401)
    assert send(i, mapping(), SECRET).status == 200 and ask(TOKEN) == 200


def test_an_unsigned_sync_changes_no_token(shop):  # noqa: F811
    i = shop
    token(i, "narrow", "account_7", "account_7-55550000", "sync")
    assert send(i, credentials(token="account_7-55550000")).status == 200
    rows = {t["name"]: t["scopes"] for t in map(json.loads, i.run("token", "list", "--tenant", "account_7", "--json").stdout.splitlines())}
    assert rows["narrow"] == "sync" and "odoo-addon" not in rows


def test_what_cannot_be(shop):  # noqa: F811
    i, before = shop, json.loads(shop.run("tenant", "show", "account_7", "--json").stdout)
    for field, value in (("token", "another-token"), ("odoo_url", "ftp://x"), ("odoo_url", 5), ("odoo_db", ["x"]), ("odoo_password", {}),
                         ("odoo_password", "two\nlines"), ("domain", "x" * 65), ("domain", "a\nb"), ("odoo_username", "x" * 201)):
        body = credentials()
        body["credentials"][field] = value
        refused(send(i, body), 422, "BAD_SCHEMA")
    for field, value in (("chatwoot_account_id", "7"), ("chatwoot_account_id", None), ("chatwoot_account_id", -1), ("chatwoot_inbox_id", "None"),
                         ("sequence", "x"), ("sequence", -1), ("sequence", 1.5), ("chatwoot_inbox_id", 0), ("is_fallback", 1), ("domain", 5), ("special_whatsapp_numbers", {}),
                         ("special_whatsapp_numbers", [5]), ("special_whatsapp_numbers", [{"number": "1", "crew": "x"}] * 11)):
        refused(send(i, mapping(**{field: value})), 422, "BAD_SCHEMA")
    for account in ("../x", "", None, 7, "a/b", "x" * 65):
        refused(send(i, credentials(account=account)), 422, "BAD_SCHEMA")
    for body in ({"source": "credentials", "account_id": "account_7", "token": TOKEN}, dict(mapping(), mapping=[])):
        refused(send(i, body), 422, "BAD_SCHEMA")
    refused(send(i, mapping(internal_account_id="other")), 403, "AUTHORIZATION_ERROR")
    assert json.loads(i.run("tenant", "show", "account_7", "--json").stdout) == before


def question(i, n, **more):
    from conftest import dump, sign as chatwoot_sign  # noqa: PLC0415
    body = dump(message(f"oi {n}", account=7, conversation=100 + n, id=1000 + n, **more))
    before = len(i.hub.requests)
    assert i.ask("POST", "/webhook/chatwoot/account_7/bot", body, chatwoot_sign(i.SECRET["bot"], body)).status == 200
    asked = lambda: [b for b in (json.loads(r["body"]) for r in i.hub.requests[before:]) if b.get("conversation_id") == 100 + n]  # noqa: E731
    return wait_for(asked, why="the hub is asked", show=i.log_tail)[0]


def test_a_mapping_is_what_the_hub_is_told(shop):  # noqa: F811
    i = shop
    asked = question(i, 1)
    assert (asked["domain"], asked["crew"]) == ("retail", None)
    assert send(i, mapping(chatwoot_inbox_id=41, domain="fallen", is_fallback=True, sequence=20)).status == 200
    assert send(i, mapping(chatwoot_inbox_id=42, domain="first", is_fallback=True, sequence=5)).status == 200
    assert question(i, 2)["domain"] == "first"
    phone = asked["contact"]["phone_number"]
    a = send(i, mapping(special_whatsapp_numbers=[{"number": False, "crew": "admin"}, {"number": phone.lstrip("+"), "crew": "analytics"}]))
    assert a.status == 200 and a.json["mapping_path"] and a.json["account_id"] == "account_7", a
    asked = question(i, 3)
    assert (asked["domain"], asked["crew"]) == ("bakery", "analytics")
    assert send(i, mapping(chatwoot_inbox_id=asked["inbox_id"], domain="sweets")).status == 200
    assert question(i, 4)["domain"] == "sweets"
    wait_for(lambda: told(i, "mapping"), why="the hub was told", show=i.log_tail)
    shown = json.loads(i.run("tenant", "show", "account_7", "--json").stdout)["mappings"]
    assert [(m["inbox"], m["domain"], m["fallback"], m["sequence"]) for m in shown] == [
        (41, "fallen", True, 20), (42, "first", True, 5), (None, "bakery", False, 10), (asked["inbox_id"], "sweets", False, 10)]
    assert shown[2]["specials"] == [{"number": phone.lstrip("+"), "crew": "analytics"}]
    assert f"crew of {phone.lstrip('+')}: analytics" in i.run("tenant", "show", "account_7").stdout
    # The operator's file says nothing of mappings, and takes none away.
    i.tenant("account_7", account=7)
    assert question(i, 5)["domain"] == "sweets"


def rows(i, name="account_7"):
    return [(m["inbox"], m["domain"], m["fallback"]) for m in shown(i, name)["mappings"]]


def test_a_mapping_that_is_said_anew_replaces_the_one_before(shop):  # noqa: F811
    i = shop
    inbox = question(i, 1)["inbox_id"]
    assert send(i, mapping(domain="old", is_fallback=True, sequence=5)).status == 200
    assert question(i, 2)["domain"] == "old"
    assert send(i, mapping(domain="new", is_fallback=True, sequence=20)).json["message"] == "mapping stored"
    assert question(i, 3)["domain"] == "new" and rows(i) == [(None, "new", True)]
    # A fallback decides no more where it was the rule before, and the other way round.
    assert send(i, mapping(chatwoot_inbox_id=inbox, domain="sweets", sequence=30)).status == 200
    assert question(i, 4)["domain"] == "sweets"
    assert send(i, mapping(chatwoot_inbox_id=inbox, domain="sweets", is_fallback=True, sequence=30)).status == 200
    assert question(i, 5)["domain"] == "new"
    assert send(i, mapping(domain="shop")).status == 200
    assert question(i, 6)["domain"] == "shop" and rows(i) == [(None, "shop", False), (inbox, "sweets", True)]
    # Nought is before one, and ten where none is said.
    assert send(i, mapping(chatwoot_inbox_id=41, domain="one", is_fallback=True, sequence=1)).status == 200
    assert send(i, mapping(chatwoot_inbox_id=42, domain="nought", is_fallback=True, sequence=0)).status == 200
    assert send(i, mapping(domain="ten", is_fallback=True, sequence=False)).status == 200
    assert question(i, 7)["domain"] == "nought"
    assert [m["sequence"] for m in shown(i)["mappings"]] == [10, 30, 1, 0]
    assert send(i, mapping(domain="shop")).status == 200
    # All of them again, as the addon sends them: nothing is new.
    for again in (mapping(domain="shop"), mapping(chatwoot_inbox_id=inbox, domain="sweets", is_fallback=True, sequence=30)):
        assert send(i, again).json["message"] == "mapping unchanged"


def test_the_operator_takes_a_mapping_away(shop):  # noqa: F811
    i = shop
    inbox = question(i, 1)["inbox_id"]
    special = [{"number": "5511900000001", "crew": "admin"}]
    assert send(i, mapping(domain="shop", special_whatsapp_numbers=special)).status == 200
    assert send(i, mapping(chatwoot_inbox_id=inbox, domain="sweets")).status == 200
    i.tenant("account_7", extra="    mappings: [{account: 7, domain: shop, specials: [{number: '5511900000001', crew: admin}]}]\n")
    assert question(i, 2)["domain"] == "shop" and rows(i) == [(None, "shop", False)]
    assert shown(i)["mappings"][0]["specials"] == special and shown(i)["mappings"][0]["sequence"] == 10
    i.tenant("account_7")
    assert question(i, 3)["domain"] == "shop", "a file that says nothing of mappings takes none away"
    i.tenant("account_7", extra="    mappings: []\n")
    assert question(i, 4)["domain"] == "retail" and rows(i) == []
    assert send(i, mapping(domain="shop")).status == 200
    assert question(i, 5)["domain"] == "shop"


def test_what_is_another_tenants_stays_so(shop):  # noqa: F811
    i = shop
    i.tenant("other", account=8, installation="eight", inboxes="[{id: 55, account: 8, channel: web}]")
    token(i, "b", "other", "other-99887766")
    for inbox, domain, more in ((None, "theirs", {}), (55, "box", {}), (56, "last", {"is_fallback": True})):
        said = mapping("other", "other-99887766", chatwoot_account_id=8, chatwoot_inbox_id=inbox, domain=domain, **more)
        assert send(i, said).status == 200
    theirs = shown(i, "other")
    assert rows(i, "other") == [(None, "theirs", False), (55, "box", False), (56, "last", True)]
    refused(send(i, mapping(chatwoot_account_id=8)), 409, "CONFLICT")
    refused(send(i, mapping(chatwoot_inbox_id=55)), 409, "CONFLICT")
    assert send(i, mapping(chatwoot_account_id=9)).status == 200, "nobody's"
    assert send(i, mapping()).status == 200 and len(rows(i)) == 2
    assert shown(i, "other") == theirs, "what one says moves nothing of another"
    i.tenant("third", account=10, installation="elsewhere", chatwoot="http://127.0.0.1:9", inboxes="[{id: 77, account: 10, channel: web}]")
    assert send(i, mapping(chatwoot_account_id=10, chatwoot_inbox_id=77)).status == 200, "of another Chatwoot"


def test_what_the_operator_gives_to_a_tenant_is_its_own(shop):  # noqa: F811
    i = shop
    for account, inbox in ((7, 55), (10, 66), (10, None)):
        assert send(i, mapping(chatwoot_account_id=account, chatwoot_inbox_id=inbox)).status == 200, "nobody's"
    i.tenant("other", account=9, installation="nine", inboxes="[{id: 55, account: 9, channel: web}]")
    i.tenant("third", account=10, installation="ten", inboxes="[]")
    token(i, "b", "other", "other-99887766")
    token(i, "c", "third", "third-99887766")
    other = dict(account="other", token="other-99887766", internal_account_id="other")
    third = dict(account="third", token="third-99887766", internal_account_id="third")
    assert send(i, mapping(chatwoot_account_id=9, chatwoot_inbox_id=55, **other)).status == 200, "its inbox"
    for inbox in (66, None):
        assert send(i, mapping(chatwoot_account_id=10, chatwoot_inbox_id=inbox, **third)).status == 200, "its account"
    # And the other one's no more.
    refused(send(i, mapping(chatwoot_inbox_id=55, domain="again")), 409, "CONFLICT")
    refused(send(i, mapping(chatwoot_account_id=10, domain="again")), 409, "CONFLICT")
    refused(send(i, mapping(chatwoot_account_id=9, chatwoot_inbox_id=77, **third)), 409, "CONFLICT")


def test_an_unknown_tenant_needs_the_enrolment_secret(shop):  # noqa: F811
    i = shop
    (i.dir / "enrolment.secret").write_text("TESTenrolment-secret\n")
    (i.dir / "enrolment.secret").chmod(0o600)
    settings = (i.dir / "ponte.yaml").read_text()
    (i.dir / "ponte.yaml").write_text(settings + "\nenrolment: {secret_file: enrolment.secret}\n")
    reload(i)
    body = credentials(account="account_9", token="account_9-aabbccdd")
    wait_for(lambda: send(i, body).json["code"] == "BAD_SIGNATURE", why="the reload", show=i.log_tail)
    refused(send(i, body, "another"), 401, "BAD_SIGNATURE")
    refused(send(i, mapping(account="account_9", token="account_9-aabbccdd"), "TESTenrolment-secret"), 403, "AUTHORIZATION_ERROR")
    a = send(i, body, "TESTenrolment-secret")
    assert a.status == 200 and a.json["message"] == "credentials stored; the tenant is new", a
    headers = {"Authorization": "Bearer account_9-aabbccdd"}
    assert i.ask("POST", BASE + "/sync?account_id=account_9", json.dumps(rules()), headers).status == 200
    assert len(i.ask("GET", BASE + "/active", headers=headers).json["data"]) == 4
    a = send(i, credentials(account="account_10", token="account_9-aabbccdd"), "TESTenrolment-secret")
    refused(a, 409, "CONFLICT")
    assert a.json["error"] == "that token is another tenant's" and i.run("tenant", "show", "account_10", check=False).returncode == 1
    # It is for the unknown alone: it opens no tenant that is there.
    refused(send(i, credentials(token="account_7-55556666"), "TESTenrolment-secret"), 401, "INVALID_TOKEN")
    # An account that another tenant maps is not for the taking.
    assert send(i, mapping()).status == 200
    refused(send(i, mapping(account="account_9", token="account_9-aabbccdd")), 409, "CONFLICT")
    assert "TESTenrolment-secret" not in i.log_tail(2000)


def test_a_file_without_an_odoo_keeps_the_addons_and_an_empty_one_takes_it_away(shop, odoo):  # noqa: F811
    i = shop
    assert send(i, credentials(odoo_url=odoo.url, odoo_password="s3nha-exemplo")).status == 200
    assert send(i, mapping()).status == 200
    shown = lambda: json.loads(i.run("tenant", "show", "account_7", "--json").stdout)      # noqa: E731
    i.tenant("account_7")
    assert (shown()["odoo"]["url"], len(shown()["mappings"])) == (odoo.url, 1)
    i.tenant("account_7", extra="    odoo: {}\n")
    assert (shown()["odoo"].get("url"), len(shown()["mappings"])) == (None, 1)


def test_of_two_who_enrol_one_tenant_at_once_one_makes_it(make):
    i = make(settings="workers: {hooks: 8, api: 1}\nenrolment: {open: true}\n")
    made = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for n in range(20):
            name = f"account_{20 + n}"
            bodies = [credentials(account=name, token=f"{name}-{k:08x}", domain=f"d{k}") for k in range(8)]
            answers = list(pool.map(lambda body: send(i, body), bodies))
            good = [k for k, a in enumerate(answers) if a.status == 200]
            assert len(good) == 1, (name, answers)
            assert shown(i, name)["domain"] == f"d{good[0]}", "another changed what it made"
            made.update(a.status for a in answers)
    assert made[200] == 20 and set(made) <= {200, 401, 429, 500}, made
