"""Products: read from Odoo, described by the hub, found by their words, priced."""

import concurrent.futures
import contextlib
import json
import sqlite3
import threading
import xmlrpc.client

import pytest

from conftest import message, wait_for
from odoo import OdooServer

BASE = "/api/v1/products"
TENANT = "account_7"


@pytest.fixture
def odoo():
    server = OdooServer().start()
    server.model("product.template", list_price="float", ai_price="float", categ_id="many2one", default_code="char",
                 description="html", description_sale="text")
    server.add("product.template", name="Pão francês", list_price=0.8, ai_price=0.7, categ_id=(3, "Pães"), default_code="P1",
               description_sale="Crocante, do dia")
    server.add("product.template", name="Bolo de cenoura", list_price=25.0, ai_price=24.0, categ_id=(4, "Bolos"), default_code="B1")
    server.add("product.template", name="Pão de queijo", list_price=4.5, ai_price=4.5, categ_id=(3, "Pães"), default_code="P2")
    yield server
    server.stop()


def connect(i, odoo, name=TENANT, key="odoo-key", next_key=None, **more):
    """The tenant with that Odoo."""
    (i.dir / "import").mkdir(exist_ok=True)
    (i.dir / "import" / "odoo.key").write_text(key + "\n")
    two = ""
    if next_key:
        (i.dir / "import" / "next.key").write_text(next_key + "\n")
        two = ", next_key_file: next.key"
    i.tenant(name, extra=f"    odoo: {{url: \"{odoo.url}\", db: shop, login: ponte, key_file: odoo.key{two}, pull: 0"
             + "".join(f", {k}: {v}" for k, v in more.items()) + "}\n")


@pytest.fixture
def shop(make, odoo):
    i = make(allow=[odoo.url.split("//")[1]])
    connect(i, odoo)
    i.token = i.addon_token(TENANT)
    return i


def post(i, path, body=None, base=BASE):
    return i.ask("POST", base + path, json.dumps(body or {}), {"Authorization": "Bearer " + i.token})


def test_a_product_is_described_by_the_hub(shop, odoo):
    shop.hub.script = [{"json": {"description": "Um pão crocante.", "key_features": ["crocante"]}}]
    a = post(shop, "/1/description", {"options": {"tone": "casual"}})
    assert a.status == 200, a
    assert a.json["data"] == {"product_id": 1, "description": "Um pão crocante.", "key_features": ["crocante"], "use_cases": None}
    asked = shop.hub.requests[0]["json"]
    assert (asked["task"], asked["tenant"], asked["product"]["name"], asked["options"]) == (
        "product_description", TENANT, "Pão francês", {"tone": "casual"})
    assert post(shop, "/99/description").status == 404
    assert odoo.logins == 1, "a login for each call"


def test_the_addons_tools_answer_200_with_success(shop, odoo):
    shop.hub.script = [{"json": {"description": "Pão."}}, {"status": 500}]
    body = {"account_id": TENANT, "product_id": 1}
    a = post(shop, "/tools/generate_product_description", body, "")
    assert (a.status, a.json["success"], a.json["description"]) == (200, True, "Pão.")
    a = post(shop, "/webhook/tools/generate_product_description", dict(body, metadata={"name": "Torta"}), "")
    assert (a.status, a.json["success"]) == (200, False) and "500" in a.json["error"]
    assert shop.hub.requests[-1]["json"]["product"] == {"name": "Torta"}
    a = post(shop, "/tools/sync_product_to_vector_db", {"account_id": TENANT, "product_id": 9, "description": "Torta - Doces",
                                                        "is_minimal": True, "price": 9.5, "is_special_price": False}, "")
    assert (a.status, a.json["success"], a.json["vector_id"]) == (200, True, TENANT + "_9")
    found = post(shop, "/search", {"query": "tortas"}).json["data"]
    assert [(p["product_id"], p["price"]) for p in found["results"]] == [(9, 9.5)]
    assert post(shop, "/tools/sync_product_to_vector_db", dict(body, account_id="account_8"), "").status == 403
    assert post(shop, "/tools/sync_product_to_vector_db", {"account_id": TENANT, "product_id": False}, "").status == 422


def test_who_waits_a_minute_is_given_it(shop, odoo):
    """What the courier is given is what is left, and what the log says was left of it."""
    mass, single = {"account_id": TENANT, "product_id": 1, "metadata": {"name": "Torta"}}, {"account_id": TENANT, "product_id": 1}
    asks = [("/api/v1/semantic_product/generate", single, True), ("/api/v1/product_ai_mass_management/generate", single, True),
            ("/webhook/api/v1/semantic_product/generate", single, True), ("/tools/generate_product_description", mass, True),
            ("/tools/generate_product_description", single, False), (BASE + "/1/description", mass, False)]
    shop.hub.script = [{"json": {"description": "Pão."}} for _ in asks]
    for path, body, _ in asks:
        assert post(shop, path, body, "").status == 200, path
    calls = wait_for(lambda: len(shop.events("call", to="hub")) == len(asks) and shop.events("call", to="hub"), why="the log")
    assert [c["left_ms"] > 30000 for c in calls] == [a[2] for a in asks], calls
    assert all(c["left_ms"] < 60000 for c in calls), "nginx waits 60 s"


def test_a_tool_that_names_a_product_again_changes_only_what_it_says(shop, odoo):
    def tool(**said):
        a = post(shop, "/tools/sync_product_to_vector_db", dict({"account_id": TENANT, "product_id": 2}, **said), "")
        assert (a.status, a.json["success"]) == (200, True), a

    def found(query):
        results = post(shop, "/search", {"query": query, "filters": {"category_id": 4}}).json["data"]["results"]
        return [(p["name"], p["description"], p["price"], p["category_id"]) for p in results]

    assert post(shop, "/2/sync", {"skip_odoo_update": True, "description": "Bolo caseiro"}).status == 200
    tool(description="Massa fofa")
    assert found("bolo massa") == [("Bolo de cenoura", "Massa fofa", 25, 4)]
    tool(description=False)
    tool()
    assert found("bolo massa") == [("Bolo de cenoura", "Massa fofa", 25, 4)], "what is not said took something away"
    tool(description="Bolo de cenoura - Bolos", is_minimal=True, price=9.5, is_special_price=True)
    tool(description="Massa fofa", price=False)
    assert found("massa") == [("Bolo de cenoura", "Massa fofa", 9.5, 4)]
    tool(price=0)
    assert found("massa") == [("Bolo de cenoura", "Massa fofa", 0, 4)]


def test_synced_found_and_listed(shop, odoo):
    a = post(shop, "/sync-batch", {"product_ids": [1, 2, 77], "options": {"generate_descriptions": True}})
    assert (a.json["data"]["total"], a.json["data"]["successful"], a.json["data"]["failed"]) == (3, 2, 1), a
    assert post(shop, "/3/sync", {"skip_odoo_update": True, "description": "Quentinho da casa"}).json["data"]["vector_id"] == TENANT + "_3"
    results = post(shop, "/search", {"query": "dia crocantes", "filters": {"price_range": [0, 10]}}).json["data"]["results"]
    assert results[0]["product_id"] == 1 and results[0]["score"] == 1
    assert post(shop, "/search", {"query": "pão", "filters": {"category_id": 4}}).json["data"] == {"results": [], "total": 0}
    s = shop.ask("GET", BASE + "/sync-status?product_ids=1,2,5", headers={"Authorization": "Bearer " + shop.token}).json["data"]
    assert (s["total"], s["synced"], s["not_synced"]) == (3, 2, 1)
    a = post(shop, "/list", {"filter": {"search_term": "pão", "price_range": [1, 10]}, "order_by": "list_price", "order_dir": "desc"})
    assert [(p["product_id"], p["category_name"], p["sync_status"]) for p in a.json["data"]["products"]] == [(3, "Pães", "synced")]
    a = post(shop, "/list", {"limit": 2, "filter": {"sync_status": "synced"}}).json["data"]
    assert (a["total"], [p["product_id"] for p in a["products"]]) == (3, [2, 3])
    odoo.stop()
    assert post(shop, "/search", {"query": "crocante"}).status == 200, "what is known is at hand without Odoo"
    a = post(shop, "/list")
    assert (a.status, a.json["code"]) == (502, "ODOO_CONNECTION_ERROR")


def status(i, ids=""):
    a = i.ask("GET", BASE + "/sync-status" + ids, headers={"Authorization": "Bearer " + i.token})
    assert a.status == 200, a
    return a.json["data"]


def synced(i):
    return sorted(p["product_id"] for p in status(i, "?product_ids=1,2,3,4")["products"] if p["sync_status"] == "synced")


def test_what_odoo_has_no_more_is_gone_when_it_is_asked_for(shop, odoo):
    odoo.add("product.template", name="Sonho", list_price=6.0)
    assert post(shop, "/sync-batch", {"product_ids": [1, 2, 3, 4]}).json["data"]["successful"] == 4
    for n in (1, 2, 3):
        del odoo.models["product.template"][n]
    none = xmlrpc.client.dumps((False,), methodresponse=True).encode()
    odoo.script = [{"method": "read", "fault": (4, "Acesso negado")}, {"method": "read", "raw": b"<methodResponse/>"}, {"method": "read", "raw": none}]
    answers = [post(shop, path, {"product_ids": [1, 2]}) for path in ("/sync-batch", "/2/sync", "/sync-batch")]
    assert [(a.status, a.json["code"]) for a in answers] == [(502, "ODOO_OPERATION_ERROR")] * 3
    assert synced(shop) == [1, 2, 3, 4], "an error is no answer"
    a = post(shop, "/sync-batch", {"product_ids": [1, 4, 1, 77]}).json["data"]
    assert (a["successful"], a["failed"]) == (1, 3) and synced(shop) == [2, 3, 4], a
    assert post(shop, "/2/sync").status == 404
    assert synced(shop) == [3, 4]
    a = post(shop, "/tools/generate_product_description", {"account_id": TENANT, "product_id": 3}, "")
    assert (a.json["success"], a.json["error"]) == (False, "there is no such product")
    assert synced(shop) == [4]
    assert post(shop, "/search", {"query": "pão bolo queijo"}).json["data"]["total"] == 0
    del odoo.models["product.template"][4]
    assert post(shop, "/4/description").status == 404 and synced(shop) == []
    assert post(shop, "/99/description").status == post(shop, "/98/sync").status == 404
    with contextlib.closing(sqlite3.connect(shop.dir / "state/catalog.db")) as db:
        assert db.execute("SELECT count(*) FROM key").fetchone() == (4,), "what never was leaves nothing behind"


def test_the_status_of_all_products_counts_those_that_are_not_synced(shop, odoo):
    def told(a):
        return a["total"], a["synced"], a["not_synced"], [(p["product_id"], p["sync_status"]) for p in a["products"]]

    none = [(n, "not_synced") for n in (1, 2, 3)]
    assert told(status(shop)) == (3, 0, 3, none)
    assert post(shop, "/sync-batch", {"product_ids": [3, 1]}).status == 200
    assert told(status(shop)) == (3, 2, 1, [(3, "synced"), (1, "synced"), (2, "not_synced")]), "by name, and what is not there"
    del odoo.models["product.template"][3]
    assert told(status(shop)) == (3, 2, 1, [(3, "synced"), (1, "synced"), (2, "not_synced")]), "reading takes nothing away"
    many = 25000
    row = odoo.models["product.template"][1]
    odoo.models["product.template"].update({n: dict(row, id=n) for n in range(4, many + 4)})
    a = status(shop)
    assert told(a)[:3] == (many + 3, 2, many + 1) and "complete" not in a
    assert [p["product_id"] for p in a["products"][2:]] == [2, *range(4, many + 4)]
    asked = [r for r in odoo.requests if r["method"] == "search_read"][-3:]
    assert all(r["kwargs"]["fields"] == ["id"] for r in asked), asked
    assert told(status(shop, "?product_ids=2,2,1")) == (2, 1, 1, [(1, "synced"), (2, "not_synced")])
    odoo.script = [{"method": "search_read", "times": 2}, {"method": "search_read", "fault": (4, "Acesso negado")}]
    a = status(shop)
    assert told(a) == (2, 2, 0, [(3, "synced"), (1, "synced")]) and a["complete"] is False, "half of them are not all"
    assert "complete" not in status(shop, "?product_ids=1,2")


def test_what_a_sync_stored_is_marked_in_odoo(shop, odoo):
    def verified():
        return sorted(n for n, row in odoo.models["product.template"].items() if row["semantic_description_verified"])

    odoo.model("product.template", semantic_description_verified="boolean")
    for row in odoo.models["product.template"].values():
        row["semantic_description_verified"] = False
    for said in ({"options": {"skip_odoo_update": True}}, {"options": {"skip_odoo_update": True, "generate_descriptions": True}}):
        assert post(shop, "/sync-batch", dict(said, product_ids=[1, 2])).json["data"]["successful"] == 2
    assert post(shop, "/1/sync", {"skip_odoo_update": True}).status == 200
    assert post(shop, "/sync-batch", {"product_ids": [77]}).json["data"]["failed"] == 1
    assert [r for r in odoo.requests if r["method"] == "write"] == []
    a = post(shop, "/sync-batch", {"product_ids": [1, 77, 3]}).json["data"]
    assert (a["successful"], [r["error"] for r in a["results"]]) == (2, [None, "there is no such product", None])
    assert verified() == [1, 3] and [r["args"][0] for r in odoo.requests if r["method"] == "write"] == [[1, 3]]
    assert post(shop, "/2/sync").status == 200 and verified() == [1, 2, 3]
    odoo.script = [{"method": "write", "fault": (4, "Acesso negado")}]
    a = post(shop, "/sync-batch", {"product_ids": [1, 77]}).json["data"]
    assert [(r["status"], r["vector_id"]) for r in a["results"]] == [("completed", TENANT + "_1"), ("failed", None)], a
    assert "Acesso negado" in a["results"][0]["error"] and a["results"][1]["error"] == "there is no such product"


def test_prices(shop, odoo):
    a = post(shop, "/update-prices", {"product_ids": [1, 2, 50], "adjustment": {"type": "percentage", "value": -10, "field": "list_price"}})
    assert [(r["old_price"], r["new_price"], r["error"]) for r in a.json["data"]["results"]] == [
        (0.8, 0.72, None), (25, 22.5, None), (0, None, "there is no such product")], a
    assert odoo.models["product.template"][2]["list_price"] == 22.5 and odoo.models["product.template"][2]["ai_price"] == 24.0
    odoo.script = [{"method": "write", "none": True}, {"method": "write", "cut": "after"}]
    a = post(shop, "/update-prices", {"product_ids": [1, 2], "adjustment": {"type": "fixed", "value": -30}}).json["data"]
    assert (a["successful"], a["failed"]) == (1, 1), a
    assert a["results"][0]["new_price"] == 0 and "perhaps it is done" in a["results"][1]["error"]
    assert len([r for r in odoo.requests if r["method"] == "write"]) == 4, "a write was made twice"
    for bad in ({"type": "other", "value": 1}, {"type": "fixed", "value": "1"}, {"type": "fixed", "value": 1, "field": "cost"}, None):
        assert post(shop, "/update-prices", {"product_ids": [1], "adjustment": bad}).status == 422
    assert post(shop, "/update-prices", {"product_ids": [], "adjustment": {"type": "fixed", "value": 1}}).status == 422


def test_a_write_is_done_when_odoo_says_true(shop, odoo):
    odoo.model("product.template", semantic_description_verified="boolean")
    for row in odoo.models["product.template"].values():
        row["semantic_description_verified"] = False
    def says(*values):
        return [{"method": "write", "raw": xmlrpc.client.dumps((v,), methodresponse=True).encode()} for v in values]

    odoo.script = says(False, 1)
    price = {"product_ids": [1, 2, 3], "adjustment": {"type": "fixed", "value": 1}}
    a = post(shop, "/update-prices", price).json["data"]
    assert [(r["new_price"], bool(r["error"])) for r in a["results"]] == [(None, True), (None, True), (5.5, False)], a
    assert (a["successful"], a["failed"]) == (1, 2)
    odoo.script = says(False, False)
    a = post(shop, "/1/sync")
    assert (a.status, a.json["code"]) == (502, "ODOO_OPERATION_ERROR"), a
    assert "not marked" in post(shop, "/sync-batch", {"product_ids": [1]}).json["data"]["results"][0]["error"]
    odoo.script = [{"method": "write", "none": True, "times": 2}]
    assert post(shop, "/1/sync").status == 200, "it is done, and Odoo cannot say so"
    assert post(shop, "/sync-batch", {"product_ids": [1]}).json["data"]["results"][0]["error"] is None


def test_one_call_at_a_time_and_keys_that_change(make, odoo):
    i = make(settings="workers: {hooks: 2, api: 5}\n", allow=[odoo.url.split("//")[1]])
    connect(i, odoo, key="old-key", next_key="odoo-key")
    i.token = i.addon_token(TENANT)
    odoo.script = [{"method": "search_read", "delay": 0.2, "times": 0}]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post(i, "/list").status, range(4)))
    assert answers == [200] * 4 and odoo.most_in_flight == 1
    assert odoo.logins == 2, "the key that is to follow was tried once, and kept"
    odoo.keys = {"third"}
    for _ in range(5):
        a = post(i, "/list")
        assert (a.status, a.json["code"]) == (502, "ODOO_AUTHENTICATION_ERROR")
    assert odoo.logins <= 5, "refused keys in a loop"
    assert len(i.events("odoo-key-refused")) == 1
    connect(i, odoo, key="third")
    assert post(i, "/list").status == 200
    log = i.log_tail(1000)
    assert not [k for k in ("old-key", "odoo-key\"", "third") if k in log]


class Held:
    """A call of that method is under way, and stays so until the end of the block."""

    def __init__(self, i, odoo, method, path="/list", body=None):
        self.i, self.odoo, self.method, self.path, self.body = i, odoo, method, path, body

    def __enter__(self):
        self.go, before = threading.Event(), len(self.odoo.requests)
        self.odoo.script = [{"method": self.method, "until": self.go}]
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.answer = self.pool.submit(post, self.i, self.path, self.body)
        wait_for(lambda: [r for r in self.odoo.requests[before:] if r["method"] == self.method], why="the call", show=self.i.log_tail)
        return self

    def __exit__(self, *_):
        self.go.set()
        self.answer = self.answer.result()
        self.pool.shutdown()


@pytest.mark.parametrize("method", ["version", "authenticate", "fields_get", "read", "write"])
def test_a_call_is_not_lost_because_another_tenant_changes(shop, odoo, method):
    price = {"product_ids": [1], "adjustment": {"type": "fixed", "value": 5, "field": "list_price"}}
    with Held(shop, odoo, method, "/update-prices", price) as held:
        shop.tenant("other", account=9, installation="two")
        assert "no Odoo" in shop.run("tenant", "ask", "other", check=False).stderr       # so the courier knows
    a = held.answer
    assert (a.status, a.json["data"]["results"][0]["new_price"], a.json["data"]["successful"]) == (200, 5.8, 1), a
    assert odoo.models["product.template"][1]["list_price"] == 5.8
    assert len([r for r in odoo.requests if r["method"] == "write"]) == 1
    assert odoo.logins == 1, "what was answered is learned"


def change_meanwhile(i, odoo, **more):
    """The tenant is imported anew, and the courier has its new record."""
    before = len(i.hub.requests)
    connect(i, odoo, **more)
    i.send(message(), tenant=TENANT)
    wait_for(lambda: len(i.hub.requests) > before, why="a delivery of the tenant's", show=i.log_tail)


def test_the_refusal_of_an_old_key_is_nothing_against_the_new_one(make, odoo):
    i = make(allow=[odoo.url.split("//")[1]])
    connect(i, odoo, key="wrong")
    i.token = i.addon_token(TENANT)
    with Held(i, odoo, "authenticate") as held:
        change_meanwhile(i, odoo)
    assert held.answer.status == 200, held.answer
    assert post(i, "/list").status == 200
    assert not i.events("odoo-key-refused") and odoo.logins == 2


def test_the_login_of_an_old_odoo_is_none_of_the_new_one(make, odoo):
    new = OdooServer().start()
    new.uid = 9
    new.model("product.template", list_price="float", categ_id="many2one")
    new.add("product.template", name="Sonho", list_price=6.0)
    i = make(allow=[odoo.url.split("//")[1], new.url.split("//")[1]])
    connect(i, odoo)
    i.token = i.addon_token(TENANT)
    with Held(i, odoo, "authenticate") as held:
        change_meanwhile(i, new)
    assert [p["name"] for p in held.answer.json["data"]["products"]] == ["Sonho"], held.answer
    assert not i.events("odoo-key-refused") and new.logins == 1
    # What was read of the old one is answered by the old one.
    with Held(i, new, "search_read") as held:
        change_meanwhile(i, odoo)
    assert [p["name"] for p in held.answer.json["data"]["products"]] == ["Sonho"], held.answer
    assert [p["name"] for p in post(i, "/list", {"limit": 1}).json["data"]["products"]] != ["Sonho"]
    new.stop()


@pytest.mark.parametrize("step, status, code", [
    ({"fault": (4, "Acesso negado"), "times": 0}, 502, "ODOO_OPERATION_ERROR"),
    ({"html": 200, "times": 0}, 502, "ODOO_CONNECTION_ERROR"),
    ({"raw": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><methodResponse/>", "times": 0}, 502, "ODOO_OPERATION_ERROR"),
])
def test_an_odoo_in_trouble_has_a_code(shop, odoo, step, status, code):
    odoo.script = [dict(step, method="search_count")]
    a = post(shop, "/list")
    assert (a.status, a.json["code"]) == (status, code), a
    assert a.json["success"] is False and a.json["detail"]["message"]
    odoo.script = []


def test_no_hub_and_no_odoo_are_said(make):
    i = make()
    i.tenant(TENANT)
    i.token = i.addon_token(TENANT)
    a = post(i, "/list")
    assert (a.status, a.json["code"]) == (503, "SERVICE_UNAVAILABLE_ERROR") and "no Odoo" in a.json["detail"]["message"]
    tool = {"account_id": TENANT, "product_id": 9, "description": "Torta"}
    assert post(i, "/tools/sync_product_to_vector_db", tool, "").status == 200
    a = status(i)
    assert (a["synced"], a["not_synced"], a["complete"]) == (1, 0, False), "what is synced is known without"


# ---- Odoo's sync queue --------------------------------------------------------

def queued(i, module, operation="sync", **body):
    """As the cron of Odoo's queue sends a job: no account in the query."""
    path = f"/api/v1/{module}" + ("" if operation == "sync" else "/" + operation)
    return post(i, "", dict(body, metadata={"account_id": TENANT, "module": module, "operation": operation}), base=path)


def test_the_queue_of_odoo_is_served(shop):
    i = shop
    i.hub.script = [{"json": {"description": "Um pão crocante."}}, {"json": {"description": "Um bolo."}}]
    a = queued(i, "semantic_product", "generate", product_id=1)
    assert a.status == 200 and a.json["data"]["product_id"] == 1 and a.json["data"]["description"] == "Um pão crocante.", a
    assert queued(i, "product_ai_mass_management", "generate", product_id=2).json["data"]["description"] == "Um bolo."
    rules = [{"name": "Horário", "description": "Abrimos às 8h", "type": "schedule"}]
    assert queued(i, "business_rules", permanent_rules=rules, temporary_rules=[]).json["data"]["vectorized_rules"] == 1
    found = queued(i, "business_rules", "search", query="horários", limit=3, score_threshold=0.5).json
    assert [r["name"] for r in found["data"]] == ["Horário"] and found["meta"]["limit"] == 3
    assert queued(i, "semantic_product", product_id=1, skip_odoo_update=True).json["data"]["vector_id"] == "account_7_1"
    assert queued(i, "product_ai_mass_management", product_ids=[2, 3]).json["data"]["successful"] == 2
    for module in ("semantic_product", "product_ai_mass_management"):
        assert [p["product_id"] for p in queued(i, module, "search", query="bolos").json["data"]["results"]] == [2]
    wrong = queued(i, "semantic_product", product_id="1")
    assert (wrong.status, wrong.json["code"]) == (422, "BAD_SCHEMA")
    theirs = dict({"product_ids": [2]}, metadata={"account_id": "account_8"})
    assert post(i, "", theirs, base="/api/v1/product_ai_mass_management").json["code"] == "AUTHORIZATION_ERROR"
    for body in ({"query": 7}, {"query": "x", "limit": 0}, {"query": "x", "limit": "5"}, {"query": "x", "score_threshold": 2}, {"query": " "}):
        assert queued(i, "business_rules", "search", **body).json["code"] == "VALIDATION_ERROR", body
    assert queued(i, "custom", "custom").status == 404
