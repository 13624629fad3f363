"""What a reader may keep (ETag, Age), and what of the catalogue the AI may use (enabled_collections)."""

import time

from test_catalogue_reads import DOC, SCHEDULE, documents
from test_products import TENANT, connect, odoo  # noqa: F401
from test_rules import BASE, bearer, get, push, rules, shop  # noqa: F401

READS = ("/active", "/semantic-search?query=regra", "", "/processed/scheduling-rules", "/processed/company-metadata",
         "/processed/service-config", "/processed/support-documents", "/documents", "/customer-service/style?domain=retail")
COMPANY = {"company_info": {"company_name": "Padaria"}, "customer_service": {}, "business_hours": {}, "social_media": {}}


def again(i, path, tag):
    return i.ask("GET", BASE + path, headers=dict(bearer(), **{"If-None-Match": tag}))


def fill(i):
    assert push(i, rules()).status == 200
    assert push(i, {"scheduling_rules": [SCHEDULE]}, BASE + "/sync-scheduling-rules").status == 200
    assert push(i, COMPANY, BASE + "/sync-company-metadata").status == 200
    assert documents(i, DOC).status == 200


# ---- kept ---------------------------------------------------------------------

def test_what_did_not_change_is_not_sent_again(shop):  # noqa: F811
    i = shop
    fill(i)
    for path in READS:
        a = get(i, path)
        tag = a.headers["ETag"]
        assert tag.startswith('W/"') and a.headers["Cache-Control"] == "private, no-cache", path
        b = again(i, path, tag)
        assert (b.status, b.body, b.headers["ETag"]) == (304, b"", tag), path
        assert b.headers["X-Request-ID"] and "Content-Type" not in b.headers
    a = get(i, "/active")
    tag = a.headers["ETag"]
    for said in (tag[2:], '"x", ' + tag, "*"):
        assert again(i, "/active", said).status == 304, said
    for other in ('W/"000000000000000000000000"', tag[:-2] + '"', '""', ",,", "W/"):
        b = again(i, "/active", other)
        assert (b.status, b.json["data"]) == (200, a.json["data"]), other
    push(i, rules())
    assert again(i, "/active", tag).status == 304, "the same rules once more"
    push(i, rules(7))
    changed = again(i, "/active", tag)
    assert changed.status == 200 and changed.headers["ETag"] != tag
    # Who may not read learns nothing; what is refused is not kept.
    assert i.ask("GET", BASE + "/active", headers={"If-None-Match": tag}).status == 401
    missing = again(i, "/999999", "*")
    assert (missing.status, missing.headers["Cache-Control"]) == (404, "no-store") and "ETag" not in missing.headers
    assert "ETag" not in push(i, rules()).headers, "a POST"


def test_a_head_is_that_of_the_get(shop):  # noqa: F811
    i = shop
    fill(i)
    for path in READS:
        a = get(i, path)
        b = i.ask("HEAD", BASE + path, headers=bearer())
        assert (b.status, b.body) == (200, b"") and b.headers.keys() == a.headers.keys(), path
        for name in ("ETag", "Cache-Control", "Content-Type", "Content-Length"):
            assert b.headers[name] == a.headers[name], (path, name)
        c = i.ask("HEAD", BASE + path, headers=dict(bearer(), **{"If-None-Match": a.headers["ETag"]}))
        assert (c.status, c.body) == (304, b""), path


def test_the_age_is_that_of_the_oldest(shop):  # noqa: F811
    i = shop
    assert "Age" not in get(i, "/active").headers, "never synced"
    push(i, {"scheduling_rules": [SCHEDULE]}, BASE + "/sync-scheduling-rules")
    time.sleep(2.1)
    push(i, rules())
    assert int(get(i, "/active").headers["Age"]) >= 2
    assert int(get(i, "/processed/scheduling-rules").headers["Age"]) >= 2
    # Nothing new, and yet it is fresh: somebody looked.
    push(i, {"scheduling_rules": [SCHEDULE]}, BASE + "/sync-scheduling-rules")
    push(i, rules())
    assert int(get(i, "/active").headers["Age"]) <= 1


# ---- enabled --------------------------------------------------------------------

def kinds(i):
    return sorted({r["kind"] for r in get(i, "/active").json["data"]})


def test_collections_are_honoured(shop):  # noqa: F811
    i = shop
    fill(i)
    everything = ["permanent", "scheduling", "temporary"]
    assert kinds(i) == everything
    answer = push(i, dict(rules(), enabled_collections=["scheduling_rules", "delivery_rules"]))
    assert answer.json["data"]["vectorized_rules"] == 4, "stored all the same"
    assert kinds(i) == ["scheduling"]
    assert {r["kind"] for r in get(i, "/semantic-search?query=regra+visita&score_threshold=0.1").json["data"]} == {"scheduling"}
    assert get(i, "/processed/support-documents").json["data"]["documents"] == []
    assert len(get(i, "/documents").json["data"]["documents"]) == 1, "the addon's own list"
    assert len(get(i, "").json["data"]) == 5, "and so are all rules"
    # A push that says nothing of them changes nothing of them.
    push(i, rules(9))
    assert kinds(i) == ["scheduling"]
    # None is none; and what the company's data says counts as well.
    push(i, dict(rules(), enabled_collections=[]))
    assert kinds(i) == []
    push(i, {"company_metadata": COMPANY, "enabled_collections": ["business_rules", "support_documents"]}, BASE + "/sync-company-metadata")
    assert kinds(i) == ["permanent", "temporary"]
    assert len(get(i, "/processed/support-documents").json["data"]["documents"]) == 1
    assert get(i, "/processed/company-metadata").json["data"]["found"] is True
    assert get(i, "/processed/scheduling-rules").json["data"]["total"] == 0
    # Another tenant's are its own.
    i.tenant("other", account=8, installation="eight")
    token = i.addon_token("other", "a")
    assert push(i, rules(), BASE + "/sync", token).status == 200
    assert {r["kind"] for r in get(i, "/active", token).json["data"]} == {"permanent", "temporary"}
    for wrong in ("business_rules", {}, [1], [None], ["x"] * 51, True):
        for path, body in (("/sync", rules()), ("/sync-company-metadata", dict(COMPANY))):
            a = push(i, dict(body, enabled_collections=wrong), BASE + path)
            assert (a.status, a.json["code"]) == (422, "BAD_SCHEMA"), (path, wrong, a)
    assert kinds(i) == ["permanent", "temporary"]


def test_products_are_the_companys_to_enable(make, odoo):  # noqa: F811
    i = make(allow=[odoo.url.split("//")[1]])
    connect(i, odoo)
    token = i.addon_token(TENANT, "a")
    assert push(i, {"skip_odoo_update": True}, "/api/v1/products/2/sync", token).status == 200

    def found():
        return push(i, {"query": "bolo"}, "/api/v1/products/search", token).json["data"]["total"]
    assert found() == 1
    push(i, dict(rules(), enabled_collections=[]), BASE + "/sync", token)
    assert found() == 1, "a list of rules knows nothing of products"
    push(i, dict(COMPANY, enabled_collections=["business_rules"]), BASE + "/sync-company-metadata", token)
    assert found() == 0
    push(i, dict(COMPANY, enabled_collections=["products_informations"]), BASE + "/sync-company-metadata", token)
    assert found() == 1
