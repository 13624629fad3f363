"""An Odoo that behaves badly: nothing is taken away, barred or repeated for it."""

import concurrent.futures
import json
import threading
import time

import pytest

from conftest import wait_for
from odoo import Fault, OdooServer, TRACE
from test_products import TENANT, connect, post
from test_rules import BASE

RULES = 1203


def filled(name="Regra", n=RULES):
    server = OdooServer().start()
    server.model("business.rule.item", description="text", rule_type="selection", visible_in_ai="boolean")
    server.model("product.template", list_price="float", ai_price="float", categ_id="many2one")
    server.add("product.template", name="Pão", list_price=0.8, ai_price=0.7, categ_id=(3, "Pães"))
    for k in range(n):
        server.add("business.rule.item", name=f"{name} {k}", description=f"texto {k}", rule_type="product", visible_in_ai=True)
    return server


@pytest.fixture
def odoo():
    server = filled()
    yield server
    server.stop()


def shop(make, odoo, more=(), **kw):
    i = make(allow=[o.url.split("//")[1] for o in (odoo, *more)])
    connect(i, odoo, **kw)
    i.token = i.addon_token(TENANT)
    return i


def sync(i, status=0):
    r = i.run("tenant", "sync", TENANT, "--json", check=False)
    assert r.returncode == status, r
    return json.loads(r.stdout) if status == 0 else r.stderr


def names(i):
    return {r["name"] for r in i.ask("GET", BASE + "/active", headers={"Authorization": "Bearer " + i.token}).json["data"]}


def price(i):
    return post(i, "/update-prices", {"product_ids": [1], "adjustment": {"type": "fixed", "value": 1}}).json["data"]["results"][0]


# ---- pages --------------------------------------------------------------------------

def test_a_page_that_is_shorter_than_asked_is_not_the_last(make, odoo):
    i = shop(make, odoo)
    real = odoo.do_search
    odoo.do_search = lambda model, domain=(), offset=0, limit=None, *more: real(model, domain, offset, min(limit or 100, 100), *more)
    assert sync(i)["permanent"] == RULES and len(names(i)) == RULES


def reverse(rows):
    return rows[::-1]


def twice(rows):
    return rows + rows[-1:]


def ids_alone(rows):
    return [r if r["id"] % 2 else r["id"] for r in rows]


def nameless(rows):
    return [{k: v for k, v in r.items() if k != "name"} for r in rows]


@pytest.mark.parametrize("bad", [reverse, twice, ids_alone, nameless])
def test_a_page_that_is_not_what_was_asked_for_takes_nothing_away(make, odoo, bad):
    i = shop(make, odoo)
    sync(i)
    real = odoo.do_search_read
    odoo.do_search_read = lambda model, domain=(), **kw: bad(real(model, domain, **kw))
    assert "Odoo's page of records" in sync(i, 1)
    assert len(names(i)) == RULES


def test_a_name_that_may_not_be_read_takes_nothing_away(make, odoo):
    i = shop(make, odoo)
    sync(i)
    del odoo.fields["business.rule.item"]["name"]
    assert "Odoo's page of records" in sync(i, 1)
    odoo.fields["business.rule.item"] = {"id": "integer"}       # nor where nothing may be read
    assert "Odoo's page of records" in sync(i, 1)
    assert len(names(i)) == RULES
    assert all(r["kwargs"]["fields"] for r in odoo.requests if r["method"] == "search_read"), "none would be all"


def test_what_is_wrong_with_a_model_is_not_that_it_is_absent(make, odoo):
    i = shop(make, odoo)
    sync(i)
    odoo.script = [{"method": "fields_get", "model": "business.rule.item", "fault": (1, TRACE + "AttributeError: no\n"), "times": 0}]
    assert "AttributeError" in sync(i, 1)
    assert len(names(i)) == RULES
    absent = i.events(event="pull-model-absent")
    assert {e["model"] for e in absent} == {"business.temporary.rule", "business.support.document"}, absent


def test_records_without_end_end(make, odoo):
    i = shop(make, odoo)
    sync(i)
    odoo.do_search_read = lambda model, domain=(), limit=None, **kw: [{"id": domain[0][2] + 1 + k, "name": "n", "active": False}
                                                                      for k in range(20000)]
    assert "more than 500000 records of one kind" in sync(i, 1)
    assert len(names(i)) == RULES


# ---- while it is read ---------------------------------------------------------------

@pytest.fixture
def held(odoo):
    """The second page of rules is out, once, until told to go on."""
    here, go = threading.Event(), threading.Event()
    real = odoo.do_search_read

    def slow(model, domain=(), **kw):
        if model == "business.rule.item" and domain[0][2] == 500 and not here.is_set():
            here.set()
            assert go.wait(30)
        return real(model, domain, **kw)
    odoo.do_search_read = slow
    return here, go


def test_another_odoo_between_two_pages_is_read_from_its_begin(make, odoo, held):
    here, go = held
    other = filled("OUTRA")
    i = shop(make, odoo, more=[other])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pull = pool.submit(sync, i)
        assert here.wait(30)
        connect(i, other)
        go.set()
        assert pull.result()["permanent"] == RULES
    assert names(i) == {f"OUTRA {k}" for k in range(RULES)}
    other.stop()


def test_a_push_while_it_is_read_is_the_truth(make, odoo, held):
    here, go = held
    i = shop(make, odoo)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pull = pool.submit(sync, i)
        assert here.wait(30)
        for k in list(odoo.models["business.rule.item"]):
            if k > 1:
                del odoo.models["business.rule.item"][k]
        odoo.models["business.rule.item"][1]["name"] = "Nova"
        a = i.ask("POST", BASE + "/sync", json.dumps({"permanent_rules": [{"name": "Nova", "description": "20", "type": "product"}],
                                                      "temporary_rules": []}), {"Authorization": "Bearer " + i.token})
        assert a.status == 200, a
        go.set()
        assert pull.result()["permanent"] == 1, "it was not read again"
    assert names(i) == {"Nova"}


# ---- keys ---------------------------------------------------------------------------

def test_keys_that_log_in_and_may_do_nothing_are_tried_once_each(make, odoo):
    odoo.keys = ("odoo-key", "another")
    i = shop(make, odoo, next_key="another")
    odoo.script = [{"method": "search_count", "fault": (3, "Access Denied"), "times": 0}]
    a = post(i, "/list")
    assert (a.status, a.json["code"]) == (502, "ODOO_AUTHENTICATION_ERROR")
    assert odoo.logins == 2 and len(i.events(event="odoo-key-refused")) == 1
    odoo.script = []
    assert post(i, "/list").status == 502 and odoo.logins == 2, "a refused key is not tried again"


@pytest.mark.parametrize("fault", [(3, "Access Denied"), None])
def test_a_uid_of_before_is_no_refused_key(make, odoo, fault):
    i = shop(make, odoo)
    assert post(i, "/list").status == 200
    odoo.uid = 9                        # a database that was restored
    if fault:
        real = odoo.call

        def call(service, method, params):
            if method == "execute_kw" and params[1] != odoo.uid:
                raise Fault(*fault)
            return real(service, method, params)
        odoo.call = call
    assert post(i, "/list").status == 200
    assert odoo.logins == 2 and not i.events(event="odoo-key-refused")


def test_a_key_that_a_fault_repeats_is_not_shown(make, odoo):
    odoo.keys = ("TESTsecretKey0123",)
    i = shop(make, odoo, key="TESTsecretKey0123")
    for text in ("execute_kw('shop', 7, 'TESTsecretKey0123') got", "x" * 265 + "TESTsecretKey0123", "x" * 272 + "TESTsecretKey0123"):
        odoo.script = [{"method": "search_count", "fault": (1, TRACE + "TypeError: " + text)}]
        a = post(i, "/list")
        assert a.status == 502 and "TypeError" in a.json["error"]["message"], a
        assert b"TESTs" not in a.body and "TESTs" not in i.log_tail(2000), a


def test_a_key_of_asterisks_holds_nobody_up(make, odoo):
    odoo.keys = ("****",)
    i = shop(make, odoo, key="****")
    odoo.script = [{"method": "search_count", "fault": (1, TRACE + "TypeError: f() got **** and ******* too many")}]
    assert post(i, "/list").status == 502
    assert post(i, "/list").status == 200


# ---- what became of it --------------------------------------------------------------

@pytest.mark.parametrize("how", [(524, b"<html>", "text/html"), (500, b"", "text/html"), (200, b"<html>", "text/html"),
                                 (200, b"<?xml version='1.0'?><methodResponse><params><para", "text/xml")])
def test_a_write_without_a_good_answer_is_perhaps_done(make, odoo, how):
    i = shop(make, odoo)
    post(i, "/list")
    real = odoo.answer

    def answer(h, body):
        page = real(h, body)
        return how if b"<string>write</string>" in body else page
    odoo.answer = answer
    said = price(i)
    assert said["new_price"] is None and "perhaps it is done" in said["error"], said
    assert [r["method"] for r in odoo.requests].count("write") == 1


def test_an_odoo_is_tried_again_when_it_is_well_whoever_else_changes(make, odoo):
    i = shop(make, odoo)
    assert post(i, "/list").status == 200
    odoo.script = [{"html": 500, "times": 0}]

    def listed():
        time.sleep(0.5)                 # or nginx would find it too much
        return post(i, "/list")

    wait_for(lambda: "lately" in json.dumps(listed().json), 60, "the pause", i.log_tail)
    go = threading.Event()
    odoo.script = [{"until": go}]
    before = len(odoo.requests)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        trial = pool.submit(wait_for, lambda: "lately" not in json.dumps(listed().json), 60, "the trial")
        wait_for(lambda: len(odoo.requests) > before, 60, "a request that tries it", i.log_tail)
        i.tenant("another", account=99, installation="b")
        go.set()
        trial.result()
    wait_for(lambda: listed().status == 200, 60, "all is well", i.log_tail)


def test_what_no_other_try_would_change_is_tried_once(make, odoo):
    i = make()                          # its address is not allowed
    connect(i, odoo)
    for _ in range(2):
        r = i.run("tenant", "ask", TENANT, check=False)
        assert r.returncode == 1 and "private address" in r.stderr, r
    ends = i.events(event="call")
    assert [e["tries"] for e in ends] == [1, 1], ends
