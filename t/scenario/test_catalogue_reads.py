"""What ponte knows of a tenant, as the hub and people read it, and the small
writes beside it: styles, uploads, the sync queue's paths, the tools."""

import base64
import hashlib
import html.parser
import json

from test_rules import BASE, bearer, get, push, rules, shop  # noqa: F401

DOC = {"id": 42, "name": "Trocas", "document_type": "support", "content": "Trocas em até 7 dias.", "active": True,
       "visible_in_ai": True, "create_date": "2026-05-02 12:10:00"}
SCHEDULE = {"rule_id": 5, "name": "Visita", "description": "Visita técnica", "service_type": "maintenance", "duration": 1.5}
EVIL = "</td><script>alert(1)</script><img src=x onerror='alert(2)'>&amp;\"\u0000\u001b[31m"
VIEWS = ("/view", "/view-temporary-rules", "/view-scheduling-rules", "/view-support-documents", "/view-company-metadata",
         "/view-support-document/42")


def documents(i, *docs, path=BASE + "/sync-support-documents", **more):
    return push(i, dict({"account_id": "account_7", "business_rule_id": 1, "documents": list(docs)}, **more), path)


class Page(html.parser.HTMLParser):
    """Which tags a page has, and its text."""

    def __init__(self, answer):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(answer.body.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


# ---- processed ----------------------------------------------------------------

def test_what_was_processed(shop):  # noqa: F811
    i = shop
    documents(i, DOC)
    one = get(i, "/processed/support-document/42").json["data"]
    updated = one["document"].pop("last_updated")
    assert one == {"found": True, "document": {
        "id": 42, "name": "Trocas", "document_type": "support", "original_content": DOC["content"], "original_text": DOC["content"],
        "processed_text": DOC["content"], "ai_processed": False, "has_structured_data": False, "structured_data": None}} and updated
    assert get(i, "/processed/support-document/43").json["data"] == {"found": False, "message": "there is no such document"}
    for wrong in ("x", "0", "042", "99999999999999999999"):
        assert get(i, "/processed/support-document/" + wrong).status == 422, wrong
    in_list = get(i, "/processed/support-documents").json["data"]["documents"][0]
    assert in_list == {"id": 42, "name": "Trocas", "document_type": "support", "description": DOC["content"],
                       "processed_text": DOC["content"], "ai_processed": False, "has_structured_data": False, "structured_data": None,
                       "last_updated": updated, "format": "legacy"}
    assert get(i, "/processed/scheduling-rules").json["data"] == {"found": True, "scheduling_rules": [], "total": 0}
    push(i, {"scheduling_rules": [SCHEDULE]}, BASE + "/sync-scheduling-rules")
    data = get(i, "/processed/scheduling-rules").json["data"]
    rule = data["scheduling_rules"][0]
    assert (data["total"], rule["name"], rule["is_temporary"], rule["rule_data"]["duration"], rule["processed_text"]) \
        == (1, "Visita", False, 1.5, "Visita técnica")
    assert set(rule) == {"id", "name", "description", "priority", "is_temporary", "start_date", "end_date", "rule_data",
                         "processed_text", "last_updated"}
    push(i, {"company_info": {"company_name": "Padaria"}}, BASE + "/sync-company-metadata")
    company = get(i, "/processed/company-metadata").json["data"]["metadata"]
    assert (company["original_text"], company["processed_text"], company["ai_processed"]) == (None, None, False)


# ---- views --------------------------------------------------------------------

def test_h13_views_show_text_and_nothing_else(shop):  # noqa: F811
    i = shop
    push(i, rules(1, permanent_rules=[{"name": EVIL, "description": EVIL, "type": EVIL}]))
    push(i, {"scheduling_rules": [dict(SCHEDULE, name=EVIL)]}, BASE + "/sync-scheduling-rules")
    push(i, {"company_info": {"company_name": EVIL}}, BASE + "/sync-company-metadata")
    documents(i, dict(DOC, name=EVIL, content=EVIL))
    shown = EVIL.replace("\0", "\ufffd").replace("\x1b", "\ufffd")
    for path in VIEWS:
        a = get(i, path + "?account_id=account_7")
        page = Page(a)
        assert a.status == 200 and a.headers["Content-Type"] == "text/html; charset=utf-8", a
        assert not page.tags & {"script", "img", "a", "form", "iframe", "link"} and page.attributes <= {"charset", "name", "content"}, a
        assert (shown in page.text) == (path != "/view-temporary-rules"), a.body.decode()
        policy = a.headers.get_all("Content-Security-Policy")
        style = a.body.decode().split("<style>")[1].split("</style>")[0]
        allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert len(policy) == 1 and policy[0].startswith("default-src 'none'; style-src 'sha256-%s'; " % allowed), policy
        assert "frame-ancestors 'none'" in policy[0] and a.headers.get_all("X-Frame-Options") == ["DENY"]
        assert (a.headers["X-Content-Type-Options"], a.headers["Cache-Control"]) == ("nosniff", "no-store") and a.headers["ETag"] is None
    assert "Semana do pão" in Page(get(i, "/view-temporary-rules")).text


def test_views_want_a_token(shop):  # noqa: F811
    i = shop
    push(i, rules())
    documents(i, DOC)
    for path in VIEWS:
        for headers, status in (({}, 401), ({"Authorization": ""}, 401), (bearer("account_7-00000000"), 401)):
            a = i.ask("GET", BASE + path + "?account_id=account_7", headers=headers)
            assert a.status == status and a.headers["Content-Type"].startswith("text/html"), a
            page = Page(a)
            assert "token" in page.text and a.headers["X-Request-ID"] in page.text and "Regra" not in page.text and "Trocas" not in page.text
            assert a.headers["WWW-Authenticate"].startswith("Bearer")
        assert get(i, path + "?account_id=account_8").status == 403
    assert get(i, "/view-support-document/43").status == 404 and get(i, "/view-support-document/x").status == 422
    assert push(i, {}, BASE + "/view").status == 405


# ---- styles -------------------------------------------------------------------

STYLE = "/customer-service/style"
FRIENDLY = {"greeting": {"enabled": True, "message": "Olá!"}, "farewell": {"enabled": False, "message": ""},
            "emojis": {"enabled": True, "frequency": "moderate"}, "tone": {"formal": 2, "friendly": 5, "technical": 1}}


def put(i, path, body):
    return i.ask("PUT", BASE + path, body if isinstance(body, bytes) else json.dumps(body), bearer())


def changed(part, **more):
    return dict(FRIENDLY, **{part: dict(FRIENDLY[part], **more)})


def test_a_style_is_set_and_its_greeting_alone(shop):  # noqa: F811
    i = shop
    assert get(i, STYLE + "?domain=retail").json["data"] == {}
    a = put(i, STYLE + "?domain=retail&account_id=account_7", FRIENDLY)
    assert a.status == 200 and a.json["success"] is True and a.json["data"]["message"], a
    assert get(i, STYLE + "?domain=retail").json["data"] == FRIENDLY and get(i, STYLE + "?domain=sa%C3%BAde").json["data"] == {}
    assert put(i, STYLE + "/greeting?domain=retail", {"enabled": False, "message": False}).status == 200
    assert get(i, STYLE + "?domain=retail").json["data"] == changed("greeting", enabled=False, message="")
    assert put(i, STYLE + "/greeting?domain=sa%C3%BAde", {"enabled": True, "message": "Bom dia"}).status == 200
    assert get(i, STYLE + "?domain=sa%C3%BAde").json["data"] == {"greeting": {"enabled": True, "message": "Bom dia"}}
    i.kill("ponte-keeper")
    assert get(i, STYLE + "?domain=retail").json["data"]["tone"] == FRIENDLY["tone"]
    assert i.ask("PUT", "/webhook" + BASE + STYLE + "?domain=retail", json.dumps(FRIENDLY)).status == 401
    assert put(i, STYLE + "?domain=retail&account_id=account_8", FRIENDLY).status == 403


def test_a_style_that_cannot_be_is_refused(shop):  # noqa: F811
    i = shop
    put(i, STYLE + "?domain=retail", FRIENDLY)
    for wrong, words in ((dict(FRIENDLY, tone={}), "tone.formal is missing"), (changed("tone", formal=0), "tone.formal"),
                         (changed("tone", friendly=6), "tone.friendly"), (changed("tone", technical=2.0), "tone.technical"),
                         (changed("tone", formal="3"), "tone.formal"), (changed("emojis", frequency="always"), "emojis.frequency"),
                         (changed("emojis", enabled=1), "emojis.enabled"), (changed("greeting", message=7), "greeting.message"),
                         (changed("farewell", message="x" * 4001), "farewell.message is longer"), (changed("greeting", mesage=""), "mesage is not known"),
                         (dict(FRIENDLY, humour={}), "humour is not known"), (dict(FRIENDLY, emojis=[]), "emojis is not an object"),
                         ({k: v for k, v in FRIENDLY.items() if k != "farewell"}, "farewell is missing")):
        a = put(i, STYLE + "?domain=retail", wrong)
        assert (a.status, a.json["code"]) == (422, "BAD_SCHEMA") and words in a.json["error"]["message"], a
    for wrong in ({"enabled": True}, {"message": "x"}, {"enabled": "yes", "message": "x"}, {"enabled": True, "message": "x", "z": 1}):
        assert put(i, STYLE + "/greeting?domain=retail", wrong).json["code"] == "BAD_SCHEMA", wrong
    assert put(i, STYLE + "?domain=retail", b"{").status == 400 and put(i, STYLE + "?domain=retail", b'{"a":1,"a":1}').status == 422
    ways = (lambda d: get(i, STYLE + d), lambda d: put(i, STYLE + d, FRIENDLY), lambda d: put(i, STYLE + "/greeting" + d, FRIENDLY["greeting"]))
    for n, domain in enumerate(("", "?domain=", "?domain=%20", "?domain=../../etc", "?domain=a%2Fb", "?domain=a%5Cb", "?domain=..",
                                "?domain=a%0Ab", "?domain=a%7F", "?domain=%C2%85", "?domain=" + "x" * 101)):
        a = ways[n % 3](domain)         # not all of them: an address may ask 20 times a second
        assert (a.status, a.json["code"]) == (422, "VALIDATION_ERROR"), (domain, a)
    assert get(i, STYLE + "?domain=%FF").status == 400 and put(i, STYLE + "?domain=" + "x" * 100, FRIENDLY).status == 200
    assert get(i, STYLE + "?domain=retail").json["data"] == FRIENDLY
    assert put(i, "/active", {}).headers["Allow"] == "GET, HEAD"


# ---- uploads ------------------------------------------------------------------

FORM = "multipart/form-data; boundary=b1"


def form(text, field="file"):
    head = f'--b1\r\nContent-Disposition: form-data; name="{field}"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    return head.encode() + text + b"\r\n--b1--\r\n"


def upload(i, text, query="name=Trocas&description=Como+trocar&document_type=txt", kind=FORM, token=None):
    headers = dict(bearer(token) if token else bearer(), **{"Content-Type": kind})
    return i.ask("POST", BASE + "/documents?" + query, form(text) if isinstance(text, bytes) else text, headers)


def test_a_text_file_is_uploaded(shop):  # noqa: F811
    i = shop
    a = upload(i, "Trocas em até 7 dias.".encode())
    assert a.status == 200 and a.json["data"]["name"] == "Trocas" and a.json["data"]["status"] == "uploaded", a
    number = a.json["data"]["id"]
    assert number < 0 and a.json["data"]["description"] == "Como trocar"
    assert upload(i, "Trocas em até 30 dias.".encode()).json["data"]["id"] == number, "the same name is the same document"
    one = get(i, f"/processed/support-document/{number}").json["data"]["document"]
    assert one["original_content"] == "Trocas em até 30 dias."
    push(i, {"documents": [{"id": 42, "name": "Entrega", "content": "x"}]}, BASE + "/sync-support-documents")
    assert push(i, {}, BASE + "/clear-support-documents").json["data"]["documents_removed"] == 1
    assert [d["id"] for d in get(i, "/documents").json["data"]["documents"]] == [number], "what a person sent is not Odoo's to clear"
    for text, query, code, status in ((b"x", "name=a&document_type=pdf", "BAD_TYPE", 415), (b"x", "name=a&document_type=exe", "VALIDATION_ERROR", 422),
                                      (b"x", "document_type=txt", "VALIDATION_ERROR", 422), (b"\xff", "name=a&document_type=txt", "VALIDATION_ERROR", 422),
                                      (b"a\0b", "name=a&document_type=txt", "VALIDATION_ERROR", 422), (b" \n", "name=a&document_type=txt", "VALIDATION_ERROR", 422)):
        a = upload(i, text, query)
        assert (a.status, a.json["code"]) == (status, code), (text, query, a)
    assert upload(i, form(b"x", "other").decode(), "name=a&document_type=txt").status == 422
    assert upload(i, form(b"x").decode()[:-10], "name=a&document_type=txt").json["code"] == "BAD_REQUEST"
    assert upload(i, "{}", kind="application/json").json["code"] == "BAD_TYPE"
    assert upload(i, b"x", "name=a&document_type=txt&account_id=account_8").status == 403
    assert len(get(i, "/documents").json["data"]["documents"]) == 1
