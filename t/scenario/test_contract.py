"""Each route that the addons and the hub call: a good request, in each form of its path, and the
answer in its shape with the members that clients read.  One row for each row of the route table:
a row that is added and not said here fails."""

import json
import re
import shutil
import tempfile

import pytest

from conftest import Instance
from odoo import OdooServer
from routes import TABLE, Asker, Form, named
from test_catalogue_reads import DOC, SCHEDULE
from test_products import TENANT, connect
from test_rules import rules

B, P = "/api/v1/business-rules", "/api/v1/products"
TEXT, INT, NUMBER, BOOL, NULL, OBJECT = str, int, (int, float), bool, type(None), dict
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?$")
DATE = re.compile(r"\d{4}-\d\d-\d\d$")


def some(*kinds):
    """One of these."""
    return kinds


MAYBE_TEXT, MAYBE_TIME = some(str, NULL), some(TIME, NULL)
HUB = {"description": "Um pão crocante.", "key_features": ["crocante"]}
RULE = {"id": INT, "name": TEXT, "description": TEXT, "type": TEXT, "priority": INT, "active": BOOL, "rule_data": OBJECT, "is_temporary": BOOL,
        "start_date": some(DATE, TIME, NULL), "end_date": some(DATE, TIME, NULL), "created_at": TIME, "updated_at": TIME}
SYNCED = {"permanent_rules": INT, "temporary_rules": INT, "vectorized_rules": INT, "sync_status": TEXT, "timestamp": TIME}
STYLE = {"greeting": {"enabled": True, "message": "Oi"}, "farewell": {"enabled": False, "message": ""},
         "emojis": {"enabled": True, "frequency": "moderate"}, "tone": {"formal": 2, "friendly": 5, "technical": 1}}
PART = {"company_name": TEXT, "description": TEXT, "company_values": TEXT, "business_area": TEXT, "business_area_other": TEXT}
COMPANY = {"company_info": PART, "online_channels": OBJECT, "business_hours": OBJECT, "customer_service": OBJECT, "promotions": OBJECT}
METADATA = {"company_info": {"company_name": "Padaria", "business_area": "retail"}, "customer_service": {"greeting_message": "Olá"}}
DOCUMENT = {"id": INT, "name": TEXT, "document_type": TEXT, "processed_text": TEXT, "ai_processed": BOOL, "has_structured_data": BOOL,
            "structured_data": NULL, "last_updated": TIME}
STORED = {"id": INT, "name": TEXT, "description": TEXT, "document_type": TEXT, "created_at": TIME, "updated_at": TIME, "status": TEXT}
FOUND_RULE = {"rule_id": INT, "name": TEXT, "description": TEXT, "type": TEXT, "priority": INT, "is_temporary": BOOL, "rule_data": OBJECT,
              "similarity_score": NUMBER}
DESCRIBED = {"product_id": INT, "description": TEXT, "key_features": some([TEXT], NULL), "use_cases": some([TEXT], NULL)}
ONE_SYNCED = {"product_id": INT, "vector_id": TEXT, "sync_status": TEXT, "timestamp": TIME}
MANY_SYNCED = {"total": INT, "successful": INT, "failed": INT, "job_id": TEXT,
               "results": [{"product_id": INT, "status": TEXT, "vector_id": MAYBE_TEXT, "error": MAYBE_TEXT}]}
FOUND_PRODUCTS = {"results": [{"product_id": INT, "name": TEXT, "description": TEXT, "score": NUMBER, "price": NUMBER, "category_id": some(INT, NULL)}],
                  "total": INT}
DOCUMENTS = {"account_id": TENANT, "business_rule_id": 1, "documents": [DOC]}
DOCUMENTS_SAID = {"success": BOOL, "synced_docs": [TEXT], "total": INT, "message": TEXT}
QUEUED = {"metadata": {"account_id": TENANT, "module": "x", "operation": "x"}}
FORM = b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nTrocas em 30 dias.\r\n--x--\r\n"

# In this order, so that what is read was written: (contract, method, path, body or None, query, data).
ROWS = [
    ("B2", "POST", B + "/sync-company-metadata", METADATA, "", COMPANY),
    ("B1", "POST", B + "/sync", rules(), "", SYNCED),
    ("B5", "POST", B + "/sync-scheduling-rules", {"scheduling_rules": [SCHEDULE]}, "",
     {"scheduling_rules": INT, "vectorized_rules": INT, "sync_status": TEXT, "timestamp": TIME}),
    ("B3", "POST", B + "/sync-support-documents", DOCUMENTS, "", DOCUMENTS_SAID),
    ("B9", "POST", B + "/documents", FORM, "name=Trocas&description=x&document_type=txt", STORED),
    ("B8", "GET", B + "/documents", None, "", {"documents": [STORED], "total": INT}),
    ("B11", "PUT", B + "/customer-service/style", STYLE, "domain=retail", {"message": TEXT}),
    ("B12", "PUT", B + "/customer-service/style/greeting", STYLE["greeting"], "domain=retail", {"message": TEXT}),
    ("B10", "GET", B + "/customer-service/style", None, "domain=retail", {k: OBJECT for k in STYLE}),
    ("B6", "GET", B + "/semantic-search", None, "query=p%C3%A3o&score_threshold=0.5", [FOUND_RULE]),
    ("B7", "GET", B + "/active", None, "", [RULE]),
    ("B14", "GET", B, None, "page=1&page_size=2", {"rules": [RULE], "total": INT, "page": INT, "page_size": INT, "total_pages": INT}),
    ("B18", "GET", B + "/{rule_id}", None, "", RULE),
    ("B19", "GET", B + "/processed/support-document/{document_id}", None, "",
     {"found": BOOL, "document": dict(DOCUMENT, original_content=TEXT, original_text=TEXT)}),
    ("B20", "GET", B + "/processed/support-documents", None, "",
     {"found": BOOL, "documents": [dict(DOCUMENT, description=TEXT, format=TEXT)], "total": INT}),
    ("B21", "GET", B + "/processed/company-metadata", None, "",
     {"found": BOOL, "metadata": dict(COMPANY, original_text=MAYBE_TEXT, processed_text=MAYBE_TEXT, ai_processed=BOOL, last_updated=TIME)}),
    ("B22", "GET", B + "/processed/service-config", None, "",
     {"found": BOOL, "service_config": {"customer_service": OBJECT, "business_hours": OBJECT, "online_channels": OBJECT, "last_updated": TIME}}),
    ("B23", "GET", B + "/processed/scheduling-rules", None, "",
     {"found": BOOL, "total": INT, "scheduling_rules": [{
         "id": INT, "name": TEXT, "description": TEXT, "priority": INT, "is_temporary": BOOL, "start_date": some(DATE, TIME, NULL),
         "end_date": some(DATE, TIME, NULL), "rule_data": OBJECT, "processed_text": TEXT, "last_updated": TIME}]}),
    *(("B24", "GET", B + view, None, "", "page") for view in (
        "/view", "/view-temporary-rules", "/view-scheduling-rules", "/view-support-documents", "/view-company-metadata",
        "/view-support-document/{document_id}")),
    ("P1", "POST", P + "/{product_id}/description", {"options": {"tone": "casual"}}, "", DESCRIBED),
    ("P2", "POST", P + "/{product_id}/sync", {"description": "Quente"}, "", ONE_SYNCED),
    ("P4", "POST", P + "/sync-batch", {"product_ids": [1, 2, 99]}, "", MANY_SYNCED),
    ("P3", "POST", P + "/search", {"query": "pão", "limit": 10}, "", FOUND_PRODUCTS),
    ("P5", "POST", P + "/update-prices", {"product_ids": [1, 99], "adjustment": {"type": "percentage", "value": 10}}, "",
     {"total": INT, "successful": INT, "failed": INT,
      "results": [{"product_id": INT, "old_price": NUMBER, "new_price": some(INT, float, NULL), "error": MAYBE_TEXT}]}),
    ("P6", "GET", P + "/sync-status", None, "product_ids=1,2,5",
     {"total": INT, "synced": INT, "not_synced": INT,
      "products": [{"product_id": INT, "sync_status": TEXT, "last_sync": MAYBE_TIME, "vector_id": MAYBE_TEXT}]}),
    ("P7", "POST", P + "/list", {"limit": 5}, "",
     {"total": INT, "limit": INT, "offset": INT, "products": [{
         "product_id": INT, "name": TEXT, "default_code": MAYBE_TEXT, "list_price": NUMBER, "ai_price": some(INT, float, NULL),
         "category_id": some(INT, NULL), "category_name": MAYBE_TEXT, "sync_status": TEXT, "last_sync": MAYBE_TIME}]}),
    ("T1", "POST", "/tools/generate_product_description", {"account_id": TENANT, "product_id": 1}, "", {"description": TEXT}),
    ("T2", "POST", "/tools/sync_product_to_vector_db", {"account_id": TENANT, "product_id": 2, "description": "Bolo - Doces"}, "", {"vector_id": TEXT}),
    ("T3", "POST", "/tools/sync_support_documents", DOCUMENTS, "", {"synced_docs": [TEXT]}),
    ("queue", "POST", "/api/v1/business_rules", dict(rules(), **QUEUED), "", SYNCED),
    ("queue", "POST", "/api/v1/business_rules/search", dict(QUEUED, query="pão", score_threshold=0.5), "", [FOUND_RULE]),
    ("queue", "POST", "/api/v1/semantic_product", dict(QUEUED, product_id=1), "", ONE_SYNCED),
    ("queue", "POST", "/api/v1/semantic_product/generate", dict(QUEUED, product_id=1), "", DESCRIBED),
    ("queue", "POST", "/api/v1/semantic_product/search", dict(QUEUED, query="pão"), "", FOUND_PRODUCTS),
    ("queue", "POST", "/api/v1/product_ai_mass_management", dict(QUEUED, product_ids=[1, 2]), "", MANY_SYNCED),
    ("queue", "POST", "/api/v1/product_ai_mass_management/generate", dict(QUEUED, product_id=1), "", DESCRIBED),
    ("queue", "POST", "/api/v1/product_ai_mass_management/search", dict(QUEUED, query="pão"), "", FOUND_PRODUCTS),
    ("B4", "POST", B + "/clear-support-documents", {}, "", {"documents_removed": INT, "message": TEXT, "success": BOOL}),
]


def fits(value, shape, where="data"):
    """What does not fit, as a list of sentences.  A list has at least one element: an empty one would show nothing."""
    if isinstance(shape, tuple) and shape not in (NUMBER,):
        wrong = [fits(value, s, where) for s in shape]
        return [] if any(not w for w in wrong) else wrong[0]
    if isinstance(shape, re.Pattern):
        return [] if isinstance(value, str) and shape.match(value) else [f"{where}: {value!r} is no time"]
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [f"{where}: {value!r} is no list with something in it"]
        return [w for n, v in enumerate(value) for w in fits(v, shape[0], f"{where}[{n}]")]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        missing = [f"{where}.{k} is missing" for k in shape if k not in value]
        return missing + [w for k in shape if k in value for w in fits(value[k], shape[k], f"{where}.{k}")]
    if shape is OBJECT or shape is TEXT or shape is NULL:
        return [] if isinstance(value, shape) else [f"{where}: {value!r} is no {shape.__name__}"]
    if isinstance(value, bool) != (shape is BOOL) or not isinstance(value, shape):
        return [f"{where}: {value!r} is no {shape}"]
    return []


def ask(i, method, path, body, query, prefix=""):
    row = next(r for r in TABLE if (r["method"], r["path"]) == (method, path))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return i.asker(Form(row, method, prefix + path), "Bearer " + i.token, None, raw, i.ids, query)


@pytest.fixture(scope="module")
def shop():
    odoo = OdooServer().start()
    odoo.model("product.template", list_price="float", ai_price="float", categ_id="many2one", default_code="char", description="html",
               description_sale="text")
    odoo.add("product.template", name="Pão francês", list_price=0.8, ai_price=0.7, categ_id=(3, "Pães"), default_code="P1", description_sale="Pão do dia")
    odoo.add("product.template", name="Bolo", list_price=25.0, ai_price=24.0)
    i = Instance(tempfile.mkdtemp(prefix="ponte-"), allow=[odoo.url.split("//")[1]]).start()
    try:
        connect(i, odoo)
        i.token = i.addon_token(TENANT)
        i.asker = Asker(i)
        i.hub.script = [{"json": HUB}] * 500      # the hub is told of what changed, too
        i.ids = {"document_id": 42, "product_id": 1, "rule_id": None}
        for r in ROWS:                          # so that each row can be asked alone
            if r[1] != "GET" and r[0] != "B4":
                assert ask(i, *r[1:5]).status == 200, r
        yield i
    finally:
        i.close()
        odoo.stop()
        shutil.rmtree(i.dir, ignore_errors=True)


def test_the_table_is_covered():
    wanted = {named(r) for r in TABLE if r["access"] == "token" and r["path"] != "/api/v1/replies"}      # that one: test_later.py
    assert wanted == {f"{r[1]} {r[2]}" for r in ROWS} and len(ROWS) == len(wanted)


@pytest.mark.parametrize("prefix", ["", "/webhook"])
@pytest.mark.parametrize("contract, method, path, body, query, data", ROWS, ids=[f"{r[0]} {r[1]} {r[2]}" for r in ROWS])
def test_a_good_request_is_answered_as_clients_read_it(shop, contract, method, path, body, query, data, prefix):
    i, row = shop, next(r for r in TABLE if (r["method"], r["path"]) == (method, path))
    if i.ids["rule_id"] is None and "{rule_id}" in path:
        i.ids["rule_id"] = i.ask("GET", B + "/active", headers={"Authorization": "Bearer " + i.token}).json["data"][0]["id"]
    a = ask(i, method, path, body, query, prefix)
    assert a.status == 200, a
    assert re.fullmatch(r"[0-9a-f]{32}", a.headers["X-Request-ID"]) and float(a.headers["X-Process-Time"]) >= 0
    if row["shape"] == "page":
        assert a.headers["Content-Type"].startswith("text/html") and b"<table" in a.body or b"<h1" in a.body, a
        return
    said = a.json
    if row["shape"] == "tool":
        assert said["success"] is True, a
        assert not fits(said, data, "answer"), fits(said, data, "answer")
        return
    assert list(said)[:4] == ["success", "data", "meta", "error"] and said["success"] is True and said["error"] is None, a
    assert said["meta"]["request_id"] == a.headers["X-Request-ID"] and isinstance(said["meta"]["timestamp"], float)
    assert not fits(said["data"], data), fits(said["data"], data)
    if contract == "B3":
        assert not fits(said, {"synced_docs": [TEXT], "total": INT, "message": TEXT}, "answer"), a
    if contract == "B6":
        assert said["meta"]["query"] == "pão" and said["meta"]["limit"] == 5 and said["meta"]["score_threshold"] == 0.5, a
