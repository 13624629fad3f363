"""The Odoo of the scenarios answers Python's own client as a live one does."""

import http.client
import xmlrpc.client

import pytest

from odoo import OdooServer


@pytest.fixture
def odoo():
    server = OdooServer().start()
    yield server
    server.stop()


def call(odoo, model, method, *args, key="odoo-key", uid=7, db="shop", **kwargs):
    return xmlrpc.client.ServerProxy(odoo.url + "/xmlrpc/2/object").execute_kw(db, uid, key, model, method, list(args), kwargs)


def test_logins(odoo):
    common = xmlrpc.client.ServerProxy(odoo.url + "/xmlrpc/2/common")
    assert common.authenticate("shop", "ponte", "odoo-key", {}) == 7
    assert common.authenticate("shop", "ponte", "wrong", {}) is False
    assert common.version()["server_version_info"][0] == 16
    with pytest.raises(xmlrpc.client.Fault, match="does not exist") as f:
        common.authenticate("none", "ponte", "odoo-key", {})
    assert f.value.faultCode == 1


def test_records(odoo):
    odoo.model("product.template", list_price="float", categ_id="many2one")
    for n in range(5):
        odoo.add("product.template", name=f"P{n}", list_price=n * 1.5, categ_id=(1, "Pães") if n % 2 else False)
    rows = call(odoo, "product.template", "search_read", [["list_price", ">", 1.5]], fields=["name", "categ_id"], order="id desc", limit=2)
    assert rows == [{"id": 5, "name": "P4", "categ_id": False}, {"id": 4, "name": "P3", "categ_id": [1, "Pães"]}]
    assert call(odoo, "product.template", "search_count", ["|", ["name", "ilike", "p0"], ["categ_id", "in", [1]]]) == 3
    assert call(odoo, "product.template", "write", [1], {"list_price": 9.0}) is True
    assert call(odoo, "product.template", "read", [1, 99], fields=["list_price"]) == [{"id": 1, "list_price": 9.0}]


@pytest.mark.parametrize("what, code", [({"key": "bad"}, 3), ({"uid": 99}, 2), ({"db": "none"}, 1)])
def test_refusals_are_faults_with_200(odoo, what, code):
    odoo.model("res.partner")
    with pytest.raises(xmlrpc.client.Fault) as f:
        call(odoo, "res.partner", "read", [1], **what)
    assert f.value.faultCode == code


def test_scripts(odoo):
    odoo.add("res.partner", name="Rita")
    odoo.script = [{"cut": True, "times": 2}, {"html": 200}, {"none": True, "method": "write"}]
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        call(odoo, "res.partner", "read", [1])
    with pytest.raises(Exception):
        call(odoo, "res.partner", "read", [1])
    with pytest.raises(xmlrpc.client.Fault, match="cannot marshal None"):
        call(odoo, "res.partner", "write", [1], {"name": "Ana"})
    assert call(odoo, "res.partner", "read", [1], fields=["name"]) == [{"id": 1, "name": "Ana"}]
    assert "odoo-key" not in str(odoo.requests)
