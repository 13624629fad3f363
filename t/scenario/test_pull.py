"""A tenant's Odoo is read whole: by an operator, because an addon asks, and by itself."""

import concurrent.futures
import json
import threading

import pytest

from conftest import wait_for
from odoo import OdooServer
from test_products import TENANT, connect

BASE = "/api/v1/business-rules"


@pytest.fixture
def odoo():
    server = OdooServer().start()
    server.model("business.rule.item", description="text", rule_type="selection", visible_in_ai="boolean")
    server.model("business.temporary.rule", description="text", rule_type="selection", state="selection", date_start="datetime", date_end="datetime")
    server.model("business.support.document", content="html", document_type="selection")
    for n in range(1203):
        server.add("business.rule.item", name=f"Regra {n}", description=f"texto {n}", rule_type="product")
    server.add("business.rule.item", name="Escondida", visible_in_ai=False)
    server.add("business.rule.item", name="Arquivada", active=False)
    server.add("business.temporary.rule", name="Páscoa", description="fechado", state="active", date_start="2026-01-01 00:00:00")
    server.add("business.temporary.rule", name="Rascunho", state="draft")
    server.add("business.support.document", name="Trocas", content="em 7 dias", document_type="support")
    yield server
    server.stop()


@pytest.fixture
def shop(make, odoo):
    i = make(allow=[odoo.url.split("//")[1]])
    connect(i, odoo)
    i.token = i.addon_token(TENANT)
    return i


def sync(i, *args, check=True):
    r = i.run("tenant", "sync", TENANT, "--json", *args, check=check)
    return json.loads(r.stdout) if r.stdout else r


def get(i, path):
    return i.ask("GET", BASE + path, headers={"Authorization": "Bearer " + i.token}).json["data"]


def names(i):
    return {r["name"] for r in get(i, "/active")}


def test_all_is_read_in_pages_and_what_is_gone_is_gone(shop, odoo):
    before = sync(shop, "--dry-run")
    assert (before["permanent"], before["temporary"], before["documents"], before["written"]) == (1203, 1, 1, 0)
    assert names(shop) == set(), "a dry run kept something"
    first = sync(shop)
    assert (first["written"], first["done"]) == (1205, True)
    assert len(names(shop)) == 1204 and "Escondida" not in names(shop) and "Rascunho" not in names(shop)
    pages = [r for r in odoo.requests if r["method"] == "search_read" and r["model"] == "business.rule.item"]
    assert all("offset" not in p["kwargs"] and p["kwargs"]["order"] == "id" for p in pages)
    assert odoo.logins == 1 and odoo.most_in_flight == 1
    opened = shop.events(event="credentials-access", operation="read")
    assert [(e["tenant"], e["success"], e["what"]) for e in opened] == [(TENANT, "true", "odoo/key")]
    ids = {r["name"]: r["id"] for r in get(shop, "/active")}
    odoo.models["business.rule.item"].pop(7)
    odoo.models["business.rule.item"][8]["description"] = "outro"
    second = sync(shop)
    assert (second["written"], second["removed"], second["unchanged"]) == (1, 1, 1203), second
    assert {r["name"]: r["id"] for r in get(shop, "/active")} == {n: i for n, i in ids.items() if n != "Regra 6"}
    # what the addon pushes afterwards is the same rules, not others
    push = {"permanent_rules": [{"name": f"Regra {n}", "description": "outro" if n == 7 else f"texto {n}", "type": "product"}
                                for n in range(1203) if n != 6],
            "temporary_rules": [{"name": "Páscoa", "description": "fechado", "type": False, "date_start": "2026-01-01 00:00:00", "date_end": False}]}
    a = shop.ask("POST", BASE + "/sync", json.dumps(push), {"Authorization": "Bearer " + shop.token})
    assert a.json["data"]["vectorized_rules"] == 1203
    assert {r["name"]: r["id"] for r in get(shop, "/active")} == {n: i for n, i in ids.items() if n != "Regra 6"}


@pytest.mark.parametrize("step", [{"cut": True, "times": 0}, {"fault": (4, "Acesso negado"), "times": 0}, {"html": 200, "times": 0},
                                  {"raw": b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n"}])
def test_what_cannot_be_read_whole_changes_nothing(shop, odoo, step):
    sync(shop)
    before = names(shop)
    odoo.models["business.rule.item"].clear()
    odoo.script = [dict(step, model="business.temporary.rule", method="search_read")]
    r = shop.run("tenant", "sync", TENANT, check=False)
    assert r.returncode == 1 and TENANT in r.stderr, r
    assert names(shop) == before
    assert shop.events("pull-failed")
    odoo.script = []                    # the breaker may be open: it is tried again by itself
    after = wait_for(lambda: (lambda r: r["done"] and r)(sync(shop, check=False)), why="a pull that is whole")
    assert after["removed"] == 1203


def test_an_odoo_with_another_database_changes_nothing(shop, odoo):
    sync(shop)
    before = names(shop)
    odoo.db = "other"
    odoo.models["business.rule.item"].clear()
    r = shop.run("tenant", "sync", TENANT, check=False)
    assert r.returncode == 1 and "there is no such database" in r.stderr and "Traceback" not in r.stderr, r
    assert names(shop) == before
    a = shop.ask("POST", "/api/v1/products/list", "{}", {"Authorization": "Bearer " + shop.token})
    assert (a.status, a.json["code"]) == (502, "ODOO_OPERATION_ERROR") and b"Traceback" not in a.body, a.body
    assert names(shop) == before


def test_an_addon_that_sends_no_rules_asks_for_a_pull(shop, odoo):
    a = shop.ask("POST", BASE + "/sync", json.dumps({"basic_info": {"company_name": "Padaria"}}), {"Authorization": "Bearer " + shop.token})
    assert (a.status, a.json["data"]["sync_status"], a.json["data"]["vectorized_rules"]) == (200, "queued", 0)
    wait_for(lambda: len(names(shop)) == 1204, why="the pull", show=shop.log_tail)
    news = shop.hub.wait(lambda p: len(p.requests) == 2 and [sorted(r["json"]["changed"]) for r in p.requests])
    assert news == [["metadata"], ["document", "permanent", "temporary"]]


@pytest.mark.parametrize("step", [{"fault": (1, "no"), "times": 0}, {"raw": b"<?xml version='1.0'?>\n<methodResponse><params><param><value>x</value></param></params></methodResponse>"}])
def test_an_odoo_that_does_not_say_its_version_is_read(shop, odoo, step):
    odoo.script = [dict(step, method="version")]
    assert sync(shop)["done"] and len(names(shop)) == 1204
    assert [e["version"] for e in shop.events("odoo-found")] == ["unknown"]
    assert len([r for r in odoo.requests if r["method"] == "version"]) == 1
    odoo.script = []
    assert sync(shop)["done"] and len(shop.events("odoo-found")) == 1, "asked once"


def test_models_that_are_not_there_leave_their_shelves(make):
    odoo = OdooServer(version=19).start()
    odoo.model("business.support.document", content="html")
    odoo.add("business.support.document", name="Garantia", content="um ano")
    i = make(allow=[odoo.url.split("//")[1]])
    connect(i, odoo)
    i.token = i.addon_token(TENANT)
    i.ask("POST", BASE + "/sync", json.dumps({"permanent_rules": [{"name": "Fica", "description": "x", "type": "product"}], "temporary_rules": []}),
          {"Authorization": "Bearer " + i.token})
    assert sync(i)["documents"] == 1 and names(i) == {"Fica"}
    found, = i.events("odoo-found")
    assert found["version"] == "19.0" and "Odoo 22" in found["remark"] and found["url"] == odoo.url
    odoo.models.clear()
    i.ask("POST", BASE + "/sync", "{}", {"Authorization": "Bearer " + i.token})
    odoo.stop()


def test_more_than_the_keeper_takes_at_once_is_said_and_changes_nothing(make):
    odoo = OdooServer().start()
    odoo.model("business.support.document", content="html")
    kept = odoo.add("business.support.document", name="Garantia", content="um ano")
    i = make(allow=[odoo.url.split("//")[1]], settings="limits: {body: 64KiB}\n")
    connect(i, odoo)
    assert sync(i)["documents"] == 1
    large = [odoo.add("business.support.document", name=f"D{n}", content=" ".join(f"palavra{k}x{n}" for k in range(20000)))
             for n in range(5)]
    for dry in ((), ("--dry-run",)):
        r = i.run("tenant", "sync", TENANT, *dry, check=False)
        assert r.returncode == 1 and "what it read is more than 1228800 bytes" in r.stderr and "limits.body" in r.stderr, r
    assert not i.events("keeper-lost") and not i.events("peer-closed")
    for n in large:
        odoo.models["business.support.document"].pop(n)
    odoo.models["business.support.document"][kept]["content"] = "dois anos"
    after = sync(i)
    assert (after["written"], after["removed"]) == (1, 0), after
    odoo.stop()


def test_fields_come_and_go_with_the_generations_of_the_addons(make):
    odoo = OdooServer().start()
    odoo.model("business.rule.item", description="text", rule_type="selection", visible_in_ai="boolean")
    odoo.model("product.template", list_price="float", ai_price="float", categ_id="many2one")
    odoo.add("business.rule.item", name="Horário", description="das 8 às 18", rule_type="schedule")
    odoo.add("business.rule.item", name="Margem", description="40%", rule_type="product")
    odoo.add("product.template", name="Pão", list_price=0.8, ai_price=0.7)
    i = make(allow=[odoo.url.split("//")[1]])
    connect(i, odoo)
    i.token = i.addon_token(TENANT)
    rules = odoo.models["business.rule.item"]

    def products():
        return i.ask("POST", "/api/v1/products/list", "{}", {"Authorization": "Bearer " + i.token})

    assert sync(i)["permanent"] == 2 and products().status == 200
    # an addon goes, and its fields with it
    for model, field in (("business.rule.item", "visible_in_ai"), ("product.template", "ai_price")):
        del odoo.fields[model][field]
        for row in odoo.models[model].values():
            del row[field]
    assert products().status == 200, "its types were not asked for again"
    assert sync(i)["permanent"] == 2
    # and comes again
    odoo.fields["business.rule.item"]["visible_in_ai"] = "boolean"
    rules[1]["visible_in_ai"], rules[2]["visible_in_ai"] = True, False
    assert sync(i)["removed"] == 1 and names(i) == {"Horário"}
    # even between two pages' worth of questions
    go = threading.Event()
    odoo.script = [{"model": "business.rule.item", "method": "search_read", "until": go}]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        before = len(odoo.requests)
        pull = pool.submit(sync, i)
        wait_for(lambda: any(r["method"] == "search_read" for r in odoo.requests[before:]), why="a page that is asked for")
        del odoo.fields["business.rule.item"]["visible_in_ai"]
        go.set()
        assert pull.result()["permanent"] == 2
    # what Odoo does not understand is asked twice, and not again
    odoo.script = [{"model": "product.template", "method": "search_read", "fault": (1, "ValueError: no"), "times": 0}]
    before = len(odoo.requests)
    a = products()
    assert (a.status, a.json["code"]) == (502, "ODOO_OPERATION_ERROR")
    assert [r["method"] for r in odoo.requests[before:]].count("search_read") == 2
    odoo.stop()


def test_what_cannot_be_reached_is_said_with_the_setting_that_lets_it(make):
    i = make()
    (i.dir / "import").mkdir(exist_ok=True)
    (i.dir / "import" / "k").write_text("a-key\n")
    odoo = "    odoo: {url: \"http://%s\", db: a, login: b, key_file: k, pull: 0}\n"
    i.tenant("shop", extra=odoo % "10.1.2.3:8069")
    i.tenant("name", account=8, installation="eight", hub="http://[::1]:9", extra=odoo % "nowhere.invalid")
    r = i.run("tenant", "ask", "name", "--hub", "{}", check=False)
    assert r.returncode == 1 and "the hub: private address (its host:port must be named in delivery.allow_private)" in r.stderr, r
    r = i.run("tenant", "sync", "shop", check=False)
    assert r.returncode == 1 and r.stderr.strip().endswith("private address (its host:port must be named in delivery.allow_private)"), r
    r = i.run("tenant", "sync", "name", check=False)
    assert r.returncode == 1 and r.stderr.strip() == "ponte: name: resolve (there is no address for the name in its URL)", r
    said = i.run("check", check=False).stdout
    assert "note:  tenant shop: its Odoo http://10.1.2.3:8069 is at a private address; delivery.allow_private must name 10.1.2.3:8069" in said, said
    assert "note:  tenant name: its hub http://[::1]:9/ is at a private address; delivery.allow_private must name [::1]:9" in said, said
    assert said.count("private address") == 2, "the peers' own are allowed, and a name is not judged"


def test_an_odoo_that_hangs_holds_up_no_other(make):
    odoos = []
    for n in range(2):
        odoo = OdooServer().start()
        odoo.model("business.rule.item", description="text", rule_type="selection")
        odoo.add("business.rule.item", name=f"Regra {n}", rule_type="product")
        odoos.append(odoo)
    i = make(allow=[o.url.split("//")[1] for o in odoos])
    connect(i, odoos[0])
    i.tenant("other", account=9, installation="two",
             extra=f"    odoo: {{url: \"{odoos[1].url}\", db: shop, login: ponte, key_file: odoo.key, pull: 0}}\n")
    go = threading.Event()
    odoos[0].script = [{"method": "search_read", "until": go}]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        slow = pool.submit(sync, i)
        wait_for(lambda: any(r["method"] == "search_read" for r in odoos[0].requests), why="a page that hangs")
        quick = i.run("tenant", "sync", "other", "--json", check=False)
        hangs = not slow.done()
        go.set()
        assert quick.returncode == 0 and json.loads(quick.stdout)["permanent"] == 1, quick
        assert hangs and slow.result()["permanent"] == 1
    for odoo in odoos:
        odoo.stop()
