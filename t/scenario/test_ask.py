"""An operator asks a tenant's Odoo or hub one question: does it work, and what does it say?"""

import json

import pytest

from odoo import OdooServer
from test_products import TENANT, connect


@pytest.fixture
def odoo():
    server = OdooServer().start()
    server.model("product.template", list_price="float")
    server.model("res.partner", email="char")
    for n in range(3):
        server.add("product.template", name=f"Pão {n}", list_price=n)
    server.add("res.partner", name="Ana\x9b31m", email="ana@example.org")
    yield server
    server.stop()


@pytest.fixture
def shop(make, odoo):
    i = make(allow=[odoo.url.split("//")[1]])
    connect(i, odoo)
    return i


def ask(i, *args, status=0, name=TENANT):
    r = i.run("tenant", "ask", name, *args, check=False)
    assert r.returncode == status, r
    return r.stdout if status == 0 else r.stderr


def test_does_this_odoo_answer_and_take_the_key(shop, odoo):
    assert "it has 3 products" in ask(shop)
    said = json.loads(ask(shop, "--json"))
    assert (said["tenant"], said["answer"]) == (TENANT, 3) and said["ms"] >= 0
    connect(shop, odoo, key="an old one")
    why = ask(shop, status=1)
    assert why == f"ponte: {TENANT}: Odoo refuses login and key\n" and "an old one" not in shop.log_tail(500)
    connect(shop, odoo)
    assert "3 products" in ask(shop), "a tenant that is imported anew is asked anew"


def test_an_answer_is_printed_whole_and_is_json(shop, odoo):
    for n in range(40):
        odoo.add("res.partner", name="é" * 3000 + str(n), email="")
    found = json.loads(ask(shop, "res.partner", "search_read", "[[]]", '{"fields": ["name"]}'))
    assert len(found) == 41 and found[-1]["name"] == "é" * 3000 + "39"
    assert len(json.loads(ask(shop, "res.partner", "search_read", "[[]]", '{"fields": ["name"]}', "--json"))["answer"]) == 41
    shop.hub.script = [{"body": '{\n\t"ok": "sim",\r\n "n": [1,\n 2]\n}', "times": 0}]
    assert json.loads(ask(shop, "--hub", "{}")) == {"ok": "sim", "n": [1, 2]}


def test_it_asks_for_all_that_reads_and_nothing_that_writes(shop, odoo):
    found = json.loads(ask(shop, "res.partner", "search_read", '[[["email","=","ana@example.org"]]]', '{"fields": ["name", "email"]}'))
    assert [(r["name"], r["email"]) for r in found] == [("Ana??31m", "ana@example.org")], "what came from outside steers no terminal"
    before = len(odoo.requests)
    for method in ("write", "unlink", "create", "action_archive"):
        assert "nothing that may write" in ask(shop, "res.partner", method, "[[1], {}]", status=1)
    assert "a public method" in ask(shop, "res.partner", "_search", status=1)
    assert len(odoo.requests) == before, "Odoo was asked"
    assert "no.model" in ask(shop, "no.model", "search_count", "[[]]", status=1)


def test_the_hub_is_asked_with_its_token(shop):
    shop.hub.script = [{"json": {"ok": "sim"}}, {"status": 500}]
    assert json.loads(ask(shop, "--hub", '{"task": "ping"}')) == {"ok": "sim"}
    assert shop.hub.requests[-1]["json"] == {"task": "ping"}
    assert "the hub answered 500" in ask(shop, "--hub", '{"task": "ping"}', status=1)


@pytest.mark.parametrize("args, says", [
    (["res.partner"], "MODEL METHOD"),
    (["res.partner", "search_count", "[[]"], "byte 3"),
    (["res.partner", "search_count", "{}"], "no JSON array"),
    (["res.partner", "search_count", "[[]]", "[]"], "no JSON object"),
    (["--hub"], "--hub BODY"), (["--hub", "[]"], "no JSON object"),
    (["--timeout", "151s"], "150s"), (["--timeout", "soon"], "150s"), (["--dry-run"], "--dry-run"),
    (["a", "b", "[]", "{}", "more"], "MODEL METHOD"),
])
def test_a_question_that_is_none_is_not_asked(shop, odoo, args, says):
    said = ask(shop, *args, status=2)
    assert says in said and "ponte help tenant" in said, said
    assert not odoo.requests


def test_who_has_no_odoo_and_who_is_not_there(make):
    i = make()
    i.tenant(TENANT)
    assert "has no Odoo" in ask(i, status=1)
    assert "no such tenant" in ask(i, name="nobody", status=1)


def test_a_slow_odoo_is_waited_for_as_long_as_told(shop, odoo):
    odoo.script = [{"delay": 3}]
    assert "in time" in ask(shop, "--timeout", "500ms", status=1)
