"""Odoo's addons push rules; the hub reads them."""

import contextlib
import hashlib
import json
import os
import pathlib
import sqlite3
import time
import urllib.parse

import pytest

from conftest import wait_for

BASE = "/api/v1/business-rules"
FIELD_TOKEN = "account_7-3f9c21ab"


def rules(n=3, **more):
    return dict({"basic_info": {"company_name": "Padaria"},
                 "permanent_rules": [{"name": f"Regra {k}", "description": f"descrição {k}", "type": "product"} for k in range(n)],
                 "temporary_rules": [{"name": "Semana do pão", "description": "10% de desconto no pão francês", "type": "payment",
                                      "date_start": "2026-05-05 03:00:00", "date_end": False}]}, **more)


@pytest.fixture
def shop(make):
    i = make()
    i.tenant("account_7")
    (i.dir / "field.token").write_text(FIELD_TOKEN + "\n")
    os.chmod(i.dir / "field.token", 0o600)
    i.run("token", "new", "addon", "--tenant", "account_7", "--scope", "sync,read", "--token-file", i.dir / "field.token")
    return i


def bearer(token=FIELD_TOKEN):
    return {"Authorization": "Bearer " + token}


def push(i, body, path=BASE + "/sync?account_id=account_7", token=FIELD_TOKEN):
    return i.ask("POST", path, json.dumps(body), bearer(token))


def get(i, path, token=FIELD_TOKEN):
    return i.ask("GET", BASE + path, headers=bearer(token))


def test_a_push_is_seen_at_once_and_again_changes_nothing(shop):
    i = shop
    first = push(i, rules())
    assert first.status == 200, first
    assert list(first.json) == ["success", "data", "meta", "error"] and first.json["success"] is True
    data = first.json["data"]
    assert (data["permanent_rules"], data["temporary_rules"], data["vectorized_rules"], data["sync_status"]) == (3, 1, 4, "completed")
    assert "unchanged" not in data
    assert push(i, rules()).json["data"]["unchanged"] is True
    active = get(i, "/active").json["data"]
    assert [r["name"] for r in active] == ["Regra 0", "Regra 1", "Regra 2", "Semana do pão"]
    ids = {r["name"]: r["id"] for r in active}
    assert push(i, rules(2), "/webhook" + BASE + "/sync?account_id=account_7").json["data"]["vectorized_rules"] == 3
    left = {r["name"]: r["id"] for r in get(i, "/active").json["data"]}
    assert left == {n: ids[n] for n in ("Regra 0", "Regra 1", "Semana do pão")}
    push(i, rules(3))
    assert {r["name"]: r["id"] for r in get(i, "/active").json["data"]} == ids
    assert push(i, {"permanent_rules": [], "temporary_rules": []}).json["data"]["vectorized_rules"] == 0
    assert get(i, "/active").json["data"] == []


def test_searched_by_words(shop):
    i = shop
    push(i, rules(basic_info={}, permanent_rules=[
        {"name": "Horário", "description": "Abrimos às 8h", "type": "schedule"},
        {"name": "Entrega", "description": "Entregamos em até 2 dias úteis", "type": "delivery"}]))
    found = get(i, "/semantic-search?query=hor%C3%A1rios&limit=2&score_threshold=0.5").json
    assert [r["name"] for r in found["data"]] == ["Horário"] and found["data"][0]["similarity_score"] == 1.0
    assert (found["meta"]["query"], found["meta"]["limit"], found["meta"]["score_threshold"]) == ("horários", 2, 0.5)
    assert [r["name"] for r in get(i, "/semantic-search?query=ENTREGAS+dia&score_threshold=0.3").json["data"]] == ["Entrega"]
    assert get(i, "/semantic-search?query=foguete").json["data"] == []
    assert get(i, "/semantic-search?query=%22+OR+*+NEAR(").status == 200


def test_what_nobody_can_pull_is_not_queued(shop):
    i = shop
    push(i, rules())
    for body in ({}, {"basic_info": {"company_name": "Outra"}, "enabled_collections": []}):
        a = push(i, body)
        assert (a.status, a.json["code"]) == (503, "SERVICE_UNAVAILABLE_ERROR") and "no Odoo" in a.json["error"]["message"], a
    a = push(i, {"basic_info": {}}, BASE + "/sync-scheduling-rules")
    assert (a.status, a.json["code"]) == (422, "VALIDATION_ERROR") and "scheduling_rules" in a.json["error"]["message"], a
    assert len(get(i, "/active").json["data"]) == 4, "nothing of it is stored"
    assert get(i, "/processed/company-metadata").json["data"]["metadata"]["company_info"]["company_name"] == "Padaria"


def test_the_sync_of_scheduling_rules_touches_no_other(shop):
    i = shop
    push(i, rules())
    visit = {"name": "Visita", "description": "Visita técnica", "service_type": "maintenance"}
    a = push(i, {"permanent_rules": [], "temporary_rules": "none", "scheduling_rules": [visit]}, BASE + "/sync-scheduling-rules")
    assert (a.status, a.json["data"]["scheduling_rules"], a.json["data"]["vectorized_rules"]) == (200, 1, 1), a
    assert len(get(i, "/active").json["data"]) == 5
    assert push(i, {"permanent_rules": []}, BASE + "/sync-scheduling-rules").json["code"] == "VALIDATION_ERROR"
    push(i, dict(rules(1), scheduling_rules=[]))
    assert [r["kind"] for r in get(i, "/active").json["data"]] == ["permanent", "temporary"]


FREIGHT = {"permanent_rules": [{"name": "🚚Frete", "description": "Entrega grátis✨", "type": "delivery"}], "temporary_rules": []}


def asked(i, query):
    found = get(i, "/semantic-search?query=" + urllib.parse.quote(query)).json["data"]
    return [(r["name"], r["similarity_score"]) for r in found]


def test_a_sign_that_touches_a_word_hides_nothing(shop):
    i = shop
    push(i, FREIGHT)
    for query in ("frete", "grátis", "frete 😊", "frete😊", "✨grátis"):
        assert asked(i, query) == [("🚚Frete", 1)], query
    assert asked(i, "😊") == []


def test_what_was_indexed_otherwise_is_indexed_anew_by_the_next_push(shop):
    """As a ponte before this one left it: its hashes are of the item alone."""
    i = shop
    push(i, FREIGHT)
    i.stop()
    rule = [s.encode() for s in ("🚚Frete", "Entrega grátis✨", "delivery", "")]
    with contextlib.closing(sqlite3.connect(i.dir / "state/catalog.db")) as db:
        hashed = bytes(16) + b"".join(len(s).to_bytes(8, "little") + s for s in rule)
        hashed = hashlib.sha256(hashed).digest()
        db.execute("UPDATE item SET hash = ?", (hashed,))
        db.execute("UPDATE shelf SET hash = ? WHERE kind = 1", (hashlib.sha256("1:🚚Frete".encode() + hashed).digest(),))
        db.execute("UPDATE found SET stems = '🚚fret entreg gratis✨'")
        db.commit()
    i.start()
    assert asked(i, "frete") == []
    assert "unchanged" not in push(i, FREIGHT).json["data"]
    assert asked(i, "frete") == [("🚚Frete", 1)]
    assert push(i, FREIGHT).json["data"]["unchanged"] is True


def test_two_names_are_two_rules_though_a_nul_stands_in_them(shop):
    i = shop
    names = ["A\0x", "A\0y", "A"]
    push(i, {"permanent_rules": [{"name": n, "description": n, "type": "product"} for n in names], "temporary_rules": []})
    before = {r["name"]: r["id"] for r in get(i, "/active").json["data"]}
    assert sorted(before) == sorted(names)
    push(i, {"permanent_rules": [{"name": n, "description": "", "type": "product"} for n in reversed(names[1:])], "temporary_rules": []})
    assert {r["name"]: r["id"] for r in get(i, "/active").json["data"]} == {n: before[n] for n in names[1:]}


def test_active_says_what_holds_now(shop):
    i = shop
    at = {name: time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + s)) for name, s in (("ago", -3600), ("soon", 3600))}
    push(i, {"permanent_rules": [{"name": "always"}], "temporary_rules": [
        {"name": "now", "date_start": at["ago"], "date_end": at["soon"]}, {"name": "over", "date_end": at["ago"]},
        {"name": "not yet", "date_start": at["soon"]}]})
    listed = {r["name"]: r for r in get(i, "").json["data"]["rules"]}
    assert {n: r["active"] for n, r in listed.items()} == {"always": True, "now": True, "over": False, "not yet": False}
    for name in ("now", "over"):
        assert get(i, f"/{listed[name]['id']}").json["data"]["active"] == listed[name]["active"]
    assert [(r["name"], r["active"]) for r in get(i, "/active").json["data"]] == [("always", True), ("now", True)]


def test_a_question_has_an_end(shop):
    i = shop
    push(i, rules())
    longest = "regra " + "x" * 4090
    for asked in (lambda q: get(i, "/semantic-search?score_threshold=0.5&query=" + urllib.parse.quote(q)),
                  lambda q: push(i, {"query": q, "score_threshold": 0.5}, "/api/v1/business_rules/search"),
                  lambda q: push(i, {"query": q}, "/api/v1/products/search")):
        assert asked(longest).status == 200
        a = asked(longest + "x")
        assert (a.status, a.json["code"]) == (422, "VALIDATION_ERROR") and "4096" in a.json["error"]["message"], a


def test_what_is_wrong_is_named_and_nothing_is_stored(shop):
    i = shop
    push(i, rules())
    for body, code, status, words in (
            (rules(permanent_rules=[{"name": False, "description": "x", "type": "y"}]), "BAD_SCHEMA", 422, "permanent_rules[0].name is missing"),
            (rules(permanent_rules="x"), "BAD_SCHEMA", 422, "permanent_rules is not an array"),
            (rules(temporary_rules=[{"name": "a", "date_start": "05/05/2026"}]), "BAD_SCHEMA", 422, "temporary_rules[0].date_start"),
            (rules(temporary_rules=[{"name": "a", "date_start": "2026-02-31 00:00:00"}]), "BAD_SCHEMA", 422, "date_start is no time"),
            (b"{", "BAD_JSON", 400, "byte 1"), (b'{"a":1,"a":2}', "BAD_SCHEMA", 422, "byte")):
        r = i.ask("POST", BASE + "/sync", body if isinstance(body, bytes) else json.dumps(body), bearer())
        assert (r.status, r.json["code"]) == (status, code), r
        assert words in r.json["error"]["message"] and r.json["error"] == r.json["detail"] and r.json["meta"]["request_id"]
    assert len(get(i, "/active").json["data"]) == 4


def test_who_may(shop):
    i = shop
    i.tenant("other", account=8, installation="eight")
    theirs = i.addon_token("other", "t")
    reply = json.loads(i.run("token", "new", "r", "--tenant", "other", "--scope", "reply", "--json").stdout)["token"]
    push(i, rules())
    assert i.ask("POST", BASE + "/sync?account_id=account_7", json.dumps(rules()), {"Authorization": ""}).status == 401
    assert push(i, rules(), token="account_7-00000000").status == 401
    assert push(i, rules(), token=theirs).json["code"] == "AUTHORIZATION_ERROR"
    assert push(i, rules(), BASE + "/sync", reply).status == 403
    assert get(i, "/active", theirs).json["data"] == []
    one = get(i, "/active").json["data"][0]["id"]
    assert get(i, f"/{one}").json["data"]["name"] == "Regra 0" and get(i, f"/{one}", theirs).status == 404
    assert get(i, "/seven").status == 422
    assert FIELD_TOKEN not in i.log_tail(1000)


def test_a_token_that_is_good_no_more_shuts_nobody_else_out(shop):
    """Several tenants behind one address: the queue of one is ten calls with it, all at once."""
    i = shop
    i.tenant("other", account=8, installation="eight")
    (i.dir / "other.token").write_text("other-99887766\n")
    os.chmod(i.dir / "other.token", 0o600)
    i.run("token", "new", "b", "--tenant", "other", "--scope", "sync,read", "--token-file", i.dir / "other.token")
    i.run("token", "revoke", "addon", "--tenant", "account_7")
    for _ in range(25):
        assert push(i, rules()).status == 401
    assert push(i, rules(), BASE + "/sync", token="other-99887766").status == 200
    # Nine others are still tried, and no more.
    answers = [push(i, rules(), token=f"account_7-{n:08x}").status for n in range(10)]
    assert answers == [401] * 9 + [429]


def test_a_token_cannot_be_found_by_trying(shop):
    i = shop
    for n in range(10):
        assert push(i, rules(), token=f"account_7-{n:08x}").status == 401
    a = push(i, rules(), token="account_7-0000000a")
    assert (a.status, a.json["error"]["code"]) == (429, "RATE_LIMIT_ERROR")
    assert 1 <= int(a.headers["Retry-After"]) <= 60
    assert push(i, rules(), token=FIELD_TOKEN).status == 429, "a good guess is not told"
    ours = json.loads(i.run("token", "new", "ours", "--tenant", "account_7", "--scope", "sync", "--json").stdout)["token"]
    assert push(i, rules(), token=ours).status == 200, "a token that cannot be guessed is heard"


@pytest.mark.parametrize("case", ["default", "with the tenant exception for support documents"])
def test_the_fixture_of_the_field(shop, case):
    fixtures = pathlib.Path(os.environ.get("PONTE_FIXTURES", "")) / "odoo-addon"
    if not (fixtures / "requests.json").exists():
        pytest.skip("no fixtures")
    rows = json.loads((fixtures / "requests.json").read_text())
    odoo = {"secret_file": "addon.secret", "open": {"documents": ["127.0.0.1"]} if case != "default" else {}}
    (shop.dir / "import").mkdir(exist_ok=True)
    (shop.dir / "import" / "addon.secret").write_text(rows[0]["secret"] + "\n")
    shop.tenant("account_7", extra="    odoo: " + json.dumps(odoo) + "\n")
    for row in rows:
        r = shop.ask(row["method"], row["path"], (fixtures / row["file"]).read_bytes(), row["headers"])
        assert r.status == row["expect"].get(case, row["expect"]["default"]), (row["file"], r)


def test_a_restart_loses_nothing(shop):
    i = shop
    push(i, rules())
    ids = [r["id"] for r in get(i, "/active").json["data"]]
    i.kill("ponte-keeper")
    assert [r["id"] for r in get(i, "/active").json["data"]] == ids
    wait_for(lambda: push(i, rules(5)).status == 200, why="a push after the restart", show=i.log_tail)
    assert len(get(i, "/active").json["data"]) == 6


def test_the_company_of_itself(shop):
    i = shop
    sent = {"company_info": {"company_name": "Padaria São João", "website": "https://padaria.example", "description": False,
                             "company_values": False, "business_area": "restaurant", "business_area_other": False},
            "customer_service": {"greeting_message": "Oi!", "communication_style": "friendly", "emoji_usage": "none",
                                 "inform_promotions_at_start": True},
            "business_hours": {"start": 6.5, "end": 20.0, "lunch_break": {"enabled": False, "start": 0.0, "end": 0.0},
                               "days": {"monday": True, "tuesday": True, "wednesday": True, "thursday": True, "friday": True,
                                        "saturday": True, "sunday": False, "saturday_hours": {"start": 7.0, "end": 13.1}}},
            "social_media": {"show_website": True, "show_instagram": False, "show_facebook": False, "instagram_url": False,
                             "facebook_url": False}}
    data = push(i, sent, BASE + "/sync-company-metadata").json["data"]
    assert data == {
        "company_info": {"company_name": "Padaria São João", "description": "", "company_values": "", "business_area": "restaurant",
                         "business_area_other": ""},
        "online_channels": {"website": {"url": "https://padaria.example", "mention_at_end": True},
                            "facebook": {"url": "", "mention_at_end": False}, "instagram": {"url": "", "mention_at_end": False}},
        "business_hours": {"days": [0, 1, 2, 3, 4, 5], "start_time": "06:30", "end_time": "20:00", "saturday_start_time": "07:00",
                           "saturday_end_time": "13:06", "has_lunch_break": False, "lunch_break_start": "00:00", "lunch_break_end": "00:00"},
        "customer_service": {"greeting_message": "Oi!", "communication_style": "friendly", "emoji_usage": "none"},
        "promotions": {"inform_at_start": True}}
    stored = get(i, "/processed/company-metadata").json["data"]
    assert stored["found"] is True and {k: stored["metadata"][k] for k in data} == data
    assert set(get(i, "/processed/service-config").json["data"]["service_config"]) == {"customer_service", "business_hours",
                                                                                       "online_channels", "last_updated"}
    found = get(i, "/semantic-search?query=padaria").json["data"][0]
    assert (found["rule_id"], found["type"], found["rule_data"]["business_hours"]["start_time"]) == (0, "company_metadata", "06:30")
    for wrong in ({"company_info": {"company_name": 7}}, {"business_hours": {"start": 25}}):
        assert push(i, wrong, BASE + "/sync-company-metadata").json["code"] == "BAD_SCHEMA"
    assert get(i, "/processed/company-metadata").json["data"]["metadata"]["company_info"] == data["company_info"]


WEEK = {"monday": True, "tuesday": True, "wednesday": True, "thursday": True, "friday": True, "saturday": True, "sunday": False}
BASIC = {"company_name": "Padaria São João", "website": "https://padaria.example", "description": "Pães e bolos", "company_values": False,
         "business_area": "restaurant", "greeting_message": "Oi! Como posso ajudar?", "communication_style": "friendly",
         "emoji_usage": "moderate", "business_hours": {
             "start": 6.5, "end": 20.0, "lunch_break": {"enabled": False, "start": 0.0, "end": 0.0},
             "days": dict(WEEK, saturday_hours={"start": 7.0, "end": 13.0})}}


def company(i):
    return get(i, "/processed/company-metadata").json["data"]


def companies_found(i):
    found = get(i, "/semantic-search?query=padaria&score_threshold=0.1").json["data"]
    return [r["rule_data"]["company_info"]["company_name"] for r in found if r["type"] == "company_metadata"]


def test_the_company_comes_with_the_rules_until_it_has_a_sync_of_its_own(shop):
    i = shop
    body = rules(basic_info=BASIC)
    assert push(i, body).json["data"]["vectorized_rules"] == 4
    i.hub.wait(lambda p: len(p.requests) == 1)
    assert sorted(i.hub.requests[0]["json"]["changed"]) == ["metadata", "permanent", "temporary"]
    data = company(i)["metadata"]
    assert data["company_info"] == {"company_name": "Padaria São João", "description": "Pães e bolos", "company_values": "",
                                    "business_area": "restaurant", "business_area_other": ""}
    assert data["online_channels"] == {"website": {"url": "https://padaria.example", "mention_at_end": False},
                                       "facebook": {"url": "", "mention_at_end": False}, "instagram": {"url": "", "mention_at_end": False}}
    assert data["business_hours"] == {"days": [0, 1, 2, 3, 4, 5], "start_time": "06:30", "end_time": "20:00",
                                      "saturday_start_time": "07:00", "saturday_end_time": "13:00", "has_lunch_break": False,
                                      "lunch_break_start": "00:00", "lunch_break_end": "00:00"}
    assert data["customer_service"] == {"greeting_message": "Oi! Como posso ajudar?", "communication_style": "friendly",
                                        "emoji_usage": "moderate"}
    assert data["promotions"] == {"inform_at_start": False} and companies_found(i) == ["Padaria São João"]
    assert push(i, body).json["data"]["unchanged"] is True
    push(i, rules(2, basic_info=BASIC))
    i.hub.wait(lambda p: len(p.requests) == 2)
    assert i.hub.requests[1]["json"]["changed"] == ["permanent"]
    for nothing in ({}, {"company_name": False}, False, None):
        push(i, rules(basic_info=nothing))
    assert company(i)["metadata"] == data, "what says nothing took something away"

    push(i, {"company_info": {"company_name": "Padaria Nova"}}, BASE + "/sync-company-metadata")
    push(i, rules(basic_info=BASIC))
    assert company(i)["metadata"]["company_info"]["company_name"] == "Padaria Nova" and companies_found(i) == ["Padaria Nova"]
    assert b"Padaria Nova" in get(i, "/view-company-metadata").body


def test_a_company_that_cannot_be_is_left_out_and_the_rules_are_stored(shop):
    i = shop
    for n, wrong in enumerate( (dict(BASIC, company_name=7), dict(BASIC, greeting_message=[]), dict(BASIC, business_hours="always"),
                  dict(BASIC, business_hours={"start": 25}))):
        a = push(i, rules(n + 1, basic_info=wrong))
        assert a.status == 200 and len(get(i, "/active").json["data"]) == n + 2, a
        assert i.events(event="company-left-out")[-1]["request_id"] == a.json["meta"]["request_id"]
    assert company(i)["found"] is False and len(i.events(event="company-left-out")) == 4
    # Where it has a sync of its own nobody looks at it.
    push(i, {"company_info": {"company_name": "Padaria"}}, BASE + "/sync-company-metadata")
    assert push(i, rules(basic_info=dict(BASIC, company_name=7))).status == 200
    assert len(i.events(event="company-left-out")) == 4


def test_of_two_companies_the_one_of_its_own_sync_is_shown(shop):
    """Two syncs at once may leave both."""
    def key(was, then):
        i.stop()
        with contextlib.closing(sqlite3.connect(i.dir / "state/catalog.db")) as db:
            db.execute("DELETE FROM key WHERE key = ?", (then,))        # of what was taken away
            assert db.execute("UPDATE key SET key = ? WHERE key = ?", (then, was)).rowcount == 1
            db.commit()
        i.start()

    i = shop
    push(i, rules(basic_info=BASIC))
    key("basic", "out of reach")
    push(i, {"company_info": {"company_name": "Padaria Nova"}}, BASE + "/sync-company-metadata")
    key("out of reach", "basic")
    assert company(i)["metadata"]["company_info"]["company_name"] == "Padaria Nova" and companies_found(i) == ["Padaria Nova"]
    page = get(i, "/view-company-metadata").body.decode()
    assert "Padaria Nova" in page and "São João" not in page


def test_a_sync_that_says_nothing_of_the_company_wipes_nothing(shop):
    i = shop
    push(i, {"company_info": {"company_name": "Padaria"}}, BASE + "/sync-company-metadata")
    for nothing in ({}, {"company_info": False, "business_hours": None}, {"company_metadata": {}}, {"enabled_collections": []},
                    {"account_id": "account_7", "company": {"company_name": "x"}}):
        a = push(i, nothing, BASE + "/sync-company-metadata")
        assert (a.status, a.json["code"]) == (422, "BAD_SCHEMA") and "company_info" in a.json["error"]["message"], a
    assert company(i)["metadata"]["company_info"]["company_name"] == "Padaria"
    for part in ("company_info", "customer_service", "business_hours", "social_media"):
        assert push(i, {part: {}}, BASE + "/sync-company-metadata").status == 200, part


def test_documents_merge_by_id(shop):
    i = shop
    doc = {"id": 42, "name": "Trocas", "document_type": "support", "content": "Trocas em até 7 dias.", "active": True,
           "visible_in_ai": True, "create_date": "2026-05-02 12:10:00"}

    def sync(*docs, **more):
        return push(i, dict({"account_id": "account_7", "business_rule_id": 1, "documents": list(docs)}, **more),
                    BASE + "/sync-support-documents?account_id=account_7")

    r = sync(doc, dict(doc, id=43, name="Antigo", active=False)).json
    assert (r["success"], r["synced_docs"], r["total"], r["message"]) == (True, ["42"], 1, "1 document") and r["data"]["synced_docs"] == ["42"]
    tool = push(i, {"account_id": "account_7", "business_rule_id": 1, "documents": [dict(doc, id=44, name="Entrega", content="Entregamos amanhã")]},
                "/tools/sync_support_documents").json
    assert (tool["success"], tool["synced_docs"]) == (True, ["44"])
    tool = push(i, {"documents": []}, "/webhook/tools/sync_support_documents").json
    assert tool["success"] is False and "documents list is required" in tool["error"]
    assert [d["id"] for d in get(i, "/documents").json["data"]["documents"]] == [44, 42]
    sync(dict(doc, visible_in_ai=False))
    assert [d["name"] for d in get(i, "/processed/support-documents").json["data"]["documents"]] == ["Entrega"]
    a = sync()
    assert (a.status, a.json["detail"]) == (422, {"code": "VALIDATION_ERROR", "message": a.json["error"]["message"], "details": {}}), a
    assert sync(dict(doc, id="x")).json["error"]["message"] == "documents[0].id is not a positive whole number"
    assert sync(doc, account_id="account_8").status == 403
    assert push(i, {}, BASE + "/clear-support-documents").json["data"]["documents_removed"] == 1
    assert get(i, "/documents").json["data"] == {"documents": [], "total": 0}


def test_a_document_twice_in_one_push_is_one(shop):
    def doc(id, content, **more):
        return dict({"id": id, "name": f"Documento {id}", "document_type": "support", "content": content}, **more)

    i = shop
    a = push(i, {"business_rule_id": 1, "documents": [
        doc(42, "first"), doc(43, "hidden first", active=False), doc(44, "hidden last"), doc(42, "second"), doc(43, "shown"),
        doc(44, "x", visible_in_ai=False), doc(42, "third")]}, BASE + "/sync-support-documents").json
    assert (a["synced_docs"], a["total"], a["message"]) == (["43", "42"], 2, "2 documents") and a["data"]["total"] == 2
    stored = get(i, "/processed/support-documents").json["data"]["documents"]
    assert {d["id"]: d["processed_text"] for d in stored} == {42: "third", 43: "shown"}


def test_the_hub_hears_of_what_changed_and_of_nothing_else(shop):
    i = shop
    push(i, rules())
    i.hub.wait(lambda p: len(p.requests) == 1)
    told = i.hub.requests[0]["json"]
    assert (told["event"], told["tenant"], sorted(told["changed"])) == (
        "knowledge.changed", "account_7", ["metadata", "permanent", "temporary"])
    assert told["event_id"] == i.hub.requests[0]["headers"]["idempotency-key"]
    push(i, rules())                                    # the same: no news
    push(i, rules(2))
    i.hub.wait(lambda p: len(p.requests) == 2)
    assert i.hub.requests[1]["json"]["changed"] == ["permanent"]
    wait_for(lambda: all(r["state"] == "done" for r in i.queue()), why="told", show=i.log_tail)
    i.stop()
    i.start()
    assert get(i, "/active").status == 200
    assert [r["kind"] for r in i.queue()] == ["knowledge"] * 2 and len(i.hub.requests) == 2
    i.check_store()


def stored(i, *tables):
    with contextlib.closing(sqlite3.connect(i.dir / "state/catalog.db", timeout=10)) as db:
        return [db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables]


def test_a_tenant_that_is_removed_leaves_nothing_to_the_next_of_its_name(shop):
    i = shop
    push(i, rules(60))
    i.ask("POST", BASE + "/sync-support-documents", json.dumps({"account_id": "account_7", "business_rule_id": 1, "documents": [
        {"id": 1, "name": "Margens", "content": "40%", "document_type": "support"}]}), bearer())
    i.run("tenant", "remove", "account_7", "--force")
    i.tenant("account_7")
    i.run("token", "new", "addon", "--tenant", "account_7", "--scope", "sync,read", "--token-file", i.dir / "field.token")
    for path in ("/active", "", "/documents", "/processed/support-documents", "/semantic-search?query=regra&score_threshold=0"):
        data = get(i, path).json["data"]
        assert data == [] or data["total"] == 0, (path, data)
    wait_for(lambda: stored(i, "item", "key", "shelf", "history") == [0, 0, 0, 0], show=i.log_tail)


def test_what_a_keeper_that_died_left_of_a_removed_tenant_goes_at_the_next_start(shop):
    i = shop
    push(i, rules(30))
    with contextlib.closing(sqlite3.connect(i.dir / "state/catalog.db", timeout=10)) as db, db:
        db.execute("UPDATE shelf SET tenant = 'account_99'")
    i.kill("ponte-keeper")
    wait_for(lambda: stored(i, "item", "key", "shelf") == [0, 0, 0], show=i.log_tail)
    assert push(i, rules(2)).json["data"]["vectorized_rules"] == 3


def test_the_hub_hears_of_what_changed_and_of_nothing_else(shop):
    i = shop
    document = {"account_id": "account_7", "business_rule_id": 1, "documents": [
        {"id": 1, "name": "Trocas", "content": "em 7 dias", "document_type": "support"}]}
    for n in range(3):
        push(i, rules(3, enabled_collections=["business_rules", "support_documents"]))
        i.ask("POST", BASE + "/sync-support-documents", json.dumps(document), bearer())
    push(i, rules(4))
    told = wait_for(lambda: (said := [r["json"]["changed"] for r in i.hub.requests]) and "permanent" in said[-1] and len(said) > 2 and said,
                    show=i.log_tail)
    assert sorted(k for t in told for k in t) == ["collections", "document", "metadata", "permanent", "permanent", "temporary"], told
