"""How addons are let in: signed bodies, and the rows that a tenant opens without a token."""

import hashlib
import hmac
import json

import pytest

from test_rules import BASE, bearer, get, push, rules, shop  # noqa: F401

SECRET = "chave-de-exemplo-0001"
DOCUMENTS = {"account_id": "account_7", "business_rule_id": 1, "documents": [{"id": 42, "name": "Trocas", "content": "Trocas em até 7 dias."}]}


def configure(i, name="account_7", account=7, installation="main", **odoo):
    """The tenant again, with that Odoo half; secret: what its addons sign with."""
    if "secret" in odoo:
        (i.dir / "import").mkdir(exist_ok=True)
        (i.dir / "import" / "addon.secret").write_text(odoo.pop("secret") + "\n")
        odoo["secret_file"] = "addon.secret"
    i.tenant(name, account=account, installation=installation, extra="    odoo: " + json.dumps(odoo) + "\n")


def sign(body, secret=SECRET):
    """As the addons do: over the keys in order, and not over the bytes that are sent."""
    return hmac.new(secret.encode(), json.dumps(body, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def signed(i, body, signature, path=BASE + "/sync"):
    headers = dict(bearer(), **({"X-Webhook-Signature": signature} if signature is not None else {}))
    return i.ask("POST", path, json.dumps(body), headers)


def test_a_wrong_signature_is_refused_as_the_tenant_wants(shop):  # noqa: F811
    i, body = shop, rules(scheduling_rules=[], company_info={"company_name": "Padaria"})
    assert signed(i, body, "0" * 64).status == 200, "without a secret nobody looks"
    configure(i, secret=SECRET)
    for path in ("/sync", "/sync-scheduling-rules", "/sync-company-metadata"):
        for wrong in (None, "", "zz", sign(body)[:-1], sign(body).upper()[:-1] + "g", sign(body, "another"), sign(rules(4))):
            a = signed(i, body, wrong, BASE + path)
            assert (a.status, a.json["code"]) == (401, "BAD_SIGNATURE"), (path, wrong, a)
        assert signed(i, body, sign(body), BASE + path).status == 200
    assert signed(i, body, sign(body), "/webhook" + BASE + "/sync").status == 200
    assert i.ask("POST", BASE + "/sync", json.dumps(dict(reversed(body.items())), indent=1, ensure_ascii=False).encode(),
                 dict(bearer(), **{"X-Webhook-Signature": sign(body)})).status == 200, "the form does not count, the content does"
    a = i.ask("POST", BASE + "/sync", "{", dict(bearer(), **{"X-Webhook-Signature": sign(body)}))
    assert (a.status, a.json["code"]) == (400, "BAD_JSON")
    assert push(i, DOCUMENTS, BASE + "/sync-support-documents").status == 200, "documents are never signed"
    configure(i, secret=SECRET, signature="observe")
    assert signed(i, body, "0" * 64).status == 200 and signed(i, body, None).status == 200
    assert [e["why"] for e in i.events(event="signature-observed")] == ["signature does not match", "no signature"]
    configure(i, secret=SECRET, signature="off")
    assert signed(i, body, "0" * 64).status == 200 and len(i.events(event="signature-observed")) == 2
    assert SECRET not in i.log_tail(1000)


OPEN = (("documents", "/api/v1/business-rules/sync-support-documents", DOCUMENTS), ("documents", "/tools/sync_support_documents", DOCUMENTS),
        ("tools", "/tools/sync_product_to_vector_db", {"account_id": "account_7", "product_id": 5, "description": "Bolo"}),
        ("views", "/api/v1/business-rules/view-temporary-rules", None))


def anonymous(i, path, body, account="account_7", authorization=""):
    """Without a token, as those addons do: the header is there, and empty."""
    headers = {} if authorization is None else {"Authorization": authorization}
    if body is None:
        return i.ask("GET", path + (f"?account_id={account}" if account else ""), headers=headers)
    body = {k: v for k, v in body.items() if k != "account_id"}
    return i.ask("POST", path, json.dumps(dict(body, account_id=account) if account else body), headers)


@pytest.mark.parametrize("group,path,body", OPEN, ids=[p for _, p, _ in OPEN])
def test_a_tenant_opens_some_rows(shop, group, path, body):  # noqa: F811
    i = shop
    i.tenant("other", account=8, installation="eight")
    for account in ("account_7", "other", "nobody", "../x", "", None):
        assert anonymous(i, path, body, account).status == 401, account
    configure(i, open={group: ["127.0.0.0/8"]})
    assert anonymous(i, path, body).status == 200 and anonymous(i, path, body, authorization=None).status == 200
    assert anonymous(i, "/webhook" + path, body).status == 200
    for account in ("other", "nobody", "../x"):
        assert anonymous(i, path, body, account).status == 401, account
    a = anonymous(i, path, body, None)
    assert a.status == 400 and b"MISSING_ACCOUNT_ID" in a.body, a
    assert anonymous(i, path, body, authorization="Bearer account_7-00000000").status == 401, "a wrong token is not none"
    for _, elsewhere, what in OPEN:
        if not any(g == group and elsewhere == p for g, p, _ in OPEN):
            assert anonymous(i, elsewhere, what).status == 401, elsewhere
    assert anonymous(i, BASE + "/active", None).status == 401 and anonymous(i, BASE + "/sync", rules()).status == 401
    configure(i, open={group: ["192.0.2.7"]})
    assert anonymous(i, path, body).status == 401, "from another address"
    configure(i)
    assert anonymous(i, path, body).status == 401 and anonymous(i, path, body, None).status == 401
