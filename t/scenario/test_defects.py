"""What the replaced server did wrong and no other scenario names (docs/DEFECTS.md)."""

import json
import os
import time

import pytest

from odoo import OdooServer
from test_addon_sync import TOKEN as ADDON_TOKEN
from test_addon_sync import credentials, logs_in, send, token
from test_products import connect, post
from test_rules import bearer, get, push, rules, shop  # noqa: F401


@pytest.mark.parametrize("path", ["/credentials/get", "/api/v1/credentials/get", "/api/v1/credentials", "/api/v1/credentials/account_7",
                                  "/webhook/api/v1/credentials/get", "/configs/account_7/default/credentials", "/odoo-webhook/", "/mapping/"])
def test_d28_no_path_gives_a_secret(shop, path):  # noqa: F811
    i = shop
    assert send(i, credentials(odoo_url="https://odoo.example.com", odoo_password="s3nha-exemplo")).status == 200
    for method in ("GET", "POST"):
        a = i.ask(method, path, "{}" if method == "POST" else None, bearer(ADDON_TOKEN))
        assert a.status == 404 and a.json["code"] == "NOT_FOUND_ERROR", a
        assert b"s3nha" not in a.body


def test_d42_a_temporary_rule_ends_by_the_clock(shop):  # noqa: F811
    """Not by a state that somebody stored once."""
    i = shop
    at = lambda s: time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + s))     # noqa: E731
    rows = [{"name": name, "description": "pão", "type": "payment", "date_start": start, "date_end": end}
            for name, start, end in (("agora", at(-60), at(3)), ("depois", at(3), False), ("sempre", False, False), ("nunca", at(-60), at(-30)))]
    assert push(i, rules(0, temporary_rules=rows)).json["data"]["temporary_rules"] == 4
    seen = lambda: {r["name"] for r in get(i, "/active").json["data"]}                     # noqa: E731
    found = lambda: {r["name"] for r in get(i, "/semantic-search?query=p%C3%A3o").json["data"]}     # noqa: E731
    assert seen() == found() == {"agora", "sempre"}
    time.sleep(4)
    assert seen() == found() == {"depois", "sempre"}


def test_d44_a_product_of_which_everything_is_false_is_listed(make):
    odoo = OdooServer().start()
    odoo.model("product.template", list_price="float", ai_price="float", categ_id="many2one", default_code="char", description="html",
               description_sale="text")
    odoo.add("product.template", name="Sem nada")
    odoo.add("product.template", name="Pão", list_price=0.8, default_code="P1", categ_id=(3, "Pães"))
    try:
        i = make(allow=[odoo.url.split("//")[1]])
        connect(i, odoo)
        i.token = i.addon_token("account_7")
        data = post(i, "/list").json["data"]
        assert sorted(p["name"] for p in data["products"]) == ["Pão", "Sem nada"], data
        empty = next(p for p in data["products"] if p["name"] == "Sem nada")
        assert not [k for k, v in empty.items() if v is False and k not in ("in_vector_db", "has_description", "synced")], empty
        assert post(i, "/1/sync").status == 200
        assert not [r for r in odoo.requests if r["method"] == "write"], "this Odoo has no field for the mark"
        odoo.model("product.template", semantic_description_verified="boolean")
        for row in odoo.models["product.template"].values():
            row["semantic_description_verified"] = False
        connect(i, odoo, key="odoo-key", timeout="60s")         # another record: the fields are asked for anew
        assert post(i, "/1/sync", {"skip_odoo_update": True}).status == 200
        assert odoo.models["product.template"][1]["semantic_description_verified"] is False
        assert post(i, "/1/sync").status == 200
        assert odoo.models["product.template"][1]["semantic_description_verified"] is True
    finally:
        odoo.stop()


def test_d52_an_odoo_url_needs_no_port(make):
    try:
        odoo = OdooServer(db="padaria", keys=("s3nha-exemplo",), host=f"127.52.{os.getpid() >> 8 & 255}.{os.getpid() & 255}", port=80).start()
    except PermissionError:
        pytest.skip("only root may listen on port 80")
    odoo.model("product.template")
    try:
        i = make(allow=[odoo.url.split("//")[1] + ":80"])
        i.tenant("account_7")
        token(i, "addon", "account_7", ADDON_TOKEN)
        for url in (odoo.url, odoo.url + "/"):
            n = len(odoo.requests)
            assert send(i, credentials(odoo_url=url, odoo_password="s3nha-exemplo")).status == 200
            assert logs_in(i) and len(odoo.requests) > n, url
        assert {r["headers"]["Host"] for r in odoo.requests} == {odoo.url.split("//")[1]}
    finally:
        odoo.stop()


def test_d52_an_odoo_url_is_kept_as_it_is(shop):  # noqa: F811
    i = shop
    for url in ("https://odoo.example.com", "http://odoo.example.com/", "https://odoo.example.com:8069"):
        assert send(i, credentials(odoo_url=url, odoo_password="s3nha-exemplo")).status == 200, url
        assert json.loads(i.run("tenant", "show", "account_7", "--json").stdout)["odoo"]["url"] == url.rstrip("/")


def test_an_odoo_that_answers_for_another_database_has_a_code(make):
    """Nothing of it is stored, and what was stored stays."""
    odoo = OdooServer(db="padaria").start()
    odoo.model("business.rule.item", description="text", rule_type="selection", visible_in_ai="boolean")
    odoo.add("business.rule.item", name="De outra loja")
    try:
        i = make(allow=[odoo.url.split("//")[1]])
        connect(i, odoo)                    # asks for the database "shop"
        i.token = i.addon_token("account_7")
        assert push(i, rules(2), token=i.token).status == 200
        a = post(i, "/list")
        assert (a.status, a.json["code"]) == (502, "ODOO_OPERATION_ERROR") and "database" in a.json["error"]["message"], a
        r = i.run("tenant", "sync", "account_7", check=False)
        assert r.returncode == 1 and "database" in r.stderr, r
        assert len(get(i, "/active", token=i.token).json["data"]) == 3
        # It is the other Odoo's address: the login there is good, the key is not ours.
        odoo.db, odoo.keys = "shop", {"another-key"}
        assert (post(i, "/list").json["code"]) == "ODOO_AUTHENTICATION_ERROR"
        assert i.run("tenant", "sync", "account_7", check=False).returncode == 1
        assert len(get(i, "/active", token=i.token).json["data"]) == 3
    finally:
        odoo.stop()


@pytest.mark.parametrize("field", ["description", "type", "date_start", "date_end"])
def test_false_for_a_text_is_an_empty_one(shop, field):  # noqa: F811
    i = shop
    row = {"name": "Regra", "description": "texto", "type": "product", "date_start": False, "date_end": False}
    assert push(i, rules(0, temporary_rules=[dict(row, **{field: False})])).json["data"]["vectorized_rules"] == 1
    assert len(get(i, "/active").json["data"]) == 1
    for wrong in (True, 7, [], {}):
        a = push(i, rules(0, temporary_rules=[dict(row, **{field: wrong})]))
        assert (a.status, a.json["code"]) == (422, "BAD_SCHEMA") and f"temporary_rules[0].{field}" in a.json["error"]["message"], a
    assert len(get(i, "/active").json["data"]) == 1


def test_h3_an_answer_of_fifty_megabytes_has_a_code_and_bounded_memory(make):
    odoo = OdooServer().start()
    odoo.model("product.template", list_price="float")
    try:
        i = make(allow=[odoo.url.split("//")[1]])
        connect(i, odoo)
        i.token = i.addon_token("account_7")
        assert post(i, "/list").status == 200
        head = b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><array><data>\n"
        rows = b"<value><struct><member><name>id</name><value><int>1</int></value></member></struct></value>\n" * (50 * 1024 * 1024 // 92)
        odoo.script = [{"method": "search_count", "raw": head + rows + b"</data></array></value>\n</param>\n</params>\n</methodResponse>\n"}]
        a = post(i, "/list")
        assert a.status == 502 and a.json["code"] in ("ODOO_OPERATION_ERROR", "ODOO_CONNECTION_ERROR"), a
        courier = i.pids("ponte-courier")[0]
        peak = int(next(line.split()[1] for line in open(f"/proc/{courier}/status") if line.startswith("VmHWM:")))
        assert peak < 160 * 1024, f"{peak} KiB"
        assert post(i, "/list").status == 200, "and the next one is as before"
    finally:
        odoo.stop()
