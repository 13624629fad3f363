"""Bodies that are not what they say, and JSON that two parsers could read
differently, at every row of the API that reads one.  Rows H1 and H2, decisions
8 and 10: the exact code in the row's envelope, nothing stored, no worker lost."""

import gzip
import json
import shutil
import tempfile
import zlib

import pytest

from conftest import Instance, dump, wait_for
from routes import Asker, code_of, everything, fastcgi, forms, moved, named, rows, state
from tools import busy, detailed, raw, request, workers

TENANT, LIMIT = "acacia", 512 * 1024
SETTINGS = f"limits: {{body: {LIMIT // 1024}KiB}}\nworkers: {{hooks: 2, api: 2}}\n"
ROWS = [row for row in rows(group="api") if row["body"] != "none" and "form" not in row["flags"]]
FORMS = [row for row in rows(group="api") if "form" in row["flags"]]
QUERY = "domain=retail"
# Whose body may be left out, as some addons do.  Empty, it is an empty object there.
OPTIONAL = {"/api/v1/business-rules/clear-support-documents", "/api/v1/products/{product_id}/description",
            "/api/v1/products/{product_id}/sync"}
GOOD = dump(everything(lambda what: f"novo {what}"))


def most(row):
    return LIMIT if row["body"] == "limits.body" else {"1 MiB": 1 << 20}[row["body"]]


def quiet(ponte):
    """What was stored is told to the hub after the answer."""
    wait_for(lambda: (told := ponte.queue("--limit", "5000")) and all(r["state"] == "done" for r in told), why="the hub was told",
             show=ponte.log_tail)


@pytest.fixture(scope="module")
def shop():
    """A tenant that has rules and documents, told to its hub already; and a token for all."""
    root = tempfile.mkdtemp(prefix="ponte-")
    i = Instance(root, SETTINGS)
    try:
        i.start()
        i.tenant(TENANT)
        made = i.run("token", "new", "t", "--tenant", TENANT, "--scope", "sync,read,reply", "--json").stdout
        i.token, i.asker = "Bearer " + json.loads(made)["token"], Asker(i)
        for row in ROWS:
            if "clear" not in row["path"]:
                i.asker(forms(row)[0], i.token, None, dump(everything(lambda what: f"antes {what}")), {"document_id": 42}, QUERY)
        quiet(i)
        assert {name for _, name, _ in state(i)} >= {"item", "shelf", "history", "token", "tenant"}
        yield i
    finally:
        i.close()
        shutil.rmtree(root, ignore_errors=True)


# ---- the bodies ---------------------------------------------------------------

def nested(n, end=True):
    return b'{"x":' + b"[" * (n - 1) + (b"]" * (n - 1) + b"}" if end else b"")


def also(member):
    """The good body with one more member, which no row knows."""
    return GOOD[:-1] + b"," + member + b"}"


TEXT = GOOD.index(b'"novo') + 3         # within a string
NOT_JSON = {
    "cut by one": GOOD[:-1], "cut in a string": GOOD[:TEXT], "cut in a key": GOOD[:3], "cut in a word": b'{"a":tru',
    "a brace": b"{", "a word behind it": GOOD + b"x", "another behind it": GOOD + GOOD, "NUL behind it": GOOD + b"\0",
    "a comma behind it": GOOD + b",", "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16-le"), "gzip, unsaid": gzip.compress(GOOD),
    "NUL": b"\0", "NUL before it": b"\0" + GOOD, "NUL in a string": GOOD[:TEXT] + b"\0" + GOOD[TEXT:],
    "a control byte in a string": GOOD[:TEXT] + b"\n" + GOOD[TEXT:],
    "invalid UTF-8": GOOD[:TEXT] + b"\xff" + GOOD[TEXT:], "overlong UTF-8": GOOD[:TEXT] + b"\xc0\xaf" + GOOD[TEXT:],
    "a surrogate in UTF-8": GOOD[:TEXT] + b"\xed\xa0\x80" + GOOD[TEXT:], "invalid UTF-8 in a key": also(b'"\x80":1'),
    "half a character": also(b'"x":"\\ud800"'), "the other half": also(b'"x":"\\udc00"'),
    "halves the wrong way": also(b'"x":"\\udc00\\ud800"'),
    "half a character in a key": also(b'"\\ud800":1'), "no escape": also(b'"x":"\\x41"'), "no hex digits": also(b'"x":"\\u00g0"'),
    "NaN": also(b'"x":NaN'), "Infinity": also(b'"x":-Infinity'), "a leading zero": also(b'"x":01'), "a plus": also(b'"x":+1'),
    "no digits behind the point": also(b'"x":1.'), "no digits before it": also(b'"x":.5'), "no exponent": also(b'"x":1e'),
    "hexadecimal": also(b'"x":0x10'), "a lone minus": also(b'"x":-'), "single quotes": also(b"'x':1"), "no quotes": also(b"x:1"),
    "a comment": also(b'"x":1/**/'), "a comma too many": also(b'"x":1,'), "no colon": also(b'"x" 1'),
    "a form": b"permanent_rules=%5B%5D", "XML": b"<?xml version='1.0'?><rules/>",
    "invalid before it is twice": also(b'"x":"\xff","x":1'),
}
REFUSED = {
    "an array": b"[" + GOOD + b"]", "an empty array": b"[]", "a string": b'"permanent_rules"', "a number": b"42",
    "a huge number": b"9" * 5000, "true": b"true", "null": b"null", "a fraction": b"1.5e3",
    "twice the same key": also(b'"permanent_rules":[]'), "twice the same unknown key": also(b'"x":1,"x":1'),
    "twice within": also(b'"x":{"y":[{"z":1,"z":2}]}'), "twice after unescaping": also(b'"d\\u006fcuments":[]'),
    "NUL in a key": also(b'"x\\u0000y":1'), "NUL in the name of a key": also(b'"documents\\u0000":[]'),
    "depth 65": nested(65), "depth 65 of objects": b'{"x":' * 64 + b"{}" + b"}" * 64, "depth 100k": nested(100000),
    "depth 100k and cut": nested(100000, end=False), "20k keys": b"{" + b",".join(b'"k%d":1' % n for n in range(20000)) + b"}",
    "250k values": b'{"x":[' + b",".join([b"1"] * 250000) + b"]}", "twice, and cut": GOOD[:-1] + b',"x":1,"x":2',
}
EMPTY = {"empty": b"", "a blank": b" ", "blanks": b" \r\n\t "}


def expected(row):
    """[(name, body, headers, status, code)]"""
    found = [(name, body, {}, 400, "BAD_JSON") for name, body in NOT_JSON.items()]
    found += [(name, body, {}, 422, "BAD_SCHEMA") for name, body in REFUSED.items()]
    if row["path"] not in OPTIONAL:
        found += [(name, body, {}, 400, "BAD_JSON") for name, body in EMPTY.items()]
    for coding, body in (("gzip", gzip.compress(GOOD)), ("gzip", GOOD), ("deflate", zlib.compress(GOOD)), ("br", GOOD),
                         ("identity, gzip", GOOD)):
        found.append((f"{coding} of {len(body)}", body, {"Content-Encoding": coding}, 415, "BAD_TYPE"))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx",
                 "text/json", "application/xml", "application/json, text/plain"):
        found.append((kind, GOOD, {"Content-Type": kind}, 415, "BAD_TYPE"))
    for kind in ("Application/JSON; charset=utf-8", ""):
        found.append((f"cut, as '{kind}'", GOOD[:-1], {"Content-Type": kind}, 400, "BAD_JSON"))
    found.append(("cut, as it is", GOOD[:-1], {"Content-Encoding": "identity"}, 400, "BAD_JSON"))
    too_large = b'{"x":"' + b"x" * (most(row) - 7) + b'"}'
    found.append(("one byte too large", too_large, {}, 413, "TOO_LARGE"))
    found.append(("much too large", too_large * 8, {}, 413, "TOO_LARGE"))
    found.append(("too large in chunks", iter([too_large[:70000], too_large[70000:]]), {}, 413, "TOO_LARGE"))
    found.append(("large and cut", too_large[:-2], {}, 400, "BAD_JSON"))
    found.append(("cut in chunks", iter([GOOD[:10], GOOD[10:-1]]), {}, 400, "BAD_JSON"))
    found.append(("twice in chunks", iter([GOOD[:-1], b',"x":1,"x":1}']), {}, 422, "BAD_SCHEMA"))
    return found


# ---- what is judged -----------------------------------------------------------

class Judge:
    """Collects what is wrong at one row; looks whether anything was stored or anybody died."""

    def __init__(self, ponte, row):
        self.ponte, self.row, self.wrong, self.cases = ponte, row, [], 0
        quiet(ponte)
        self.before, self.asked, self.pids = state(ponte), len(ponte.hub.requests), workers(ponte, "api")
        assert len(self.pids) == 2

    def answer(self, name, answer, status, code):
        """The answer, in the row's envelope."""
        self.cases += 1
        try:
            good = answer.status == status and code_of(self.row, answer) == code
        except (AssertionError, ValueError, KeyError) as e:
            self.wrong.append(f"{name}: not the envelope: {str(answer):.250} {e}")
        else:
            if not good:
                self.wrong.append(f"{name}: {str(answer):.150} instead of {status} {code}")
        self.stored(name)

    def stored(self, name):
        """Said once: what was stored is told to the hub, which moves more."""
        changed = moved(self.before, state(self.ponte)) if self.before else []
        if changed:
            self.wrong.append(f"{name}: STORED in {', '.join(changed)}")
            self.before = None

    def end(self, cases):
        assert self.cases == cases > 0
        wait_for(lambda: not busy(self.ponte, "api"), why="all workers are free")
        self.stored("in the end")
        assert len(self.ponte.hub.requests) == self.asked or self.wrong, "the hub was asked"
        assert workers(self.ponte, "api") == self.pids, "a worker was replaced"
        assert not self.wrong, f"{len(self.wrong)} of {cases}:\n" + "\n".join(self.wrong)


def test_the_rows_are_covered():
    """What may be left out is asked of rows that are there."""
    assert len(ROWS) == sum(row["body"] != "none" and row["group"] == "api" for row in rows()) - len(FORMS) >= 10
    assert [named(row) for row in FORMS] == ["POST /api/v1/business-rules/documents"]       # test_catalogue_reads.py
    assert OPTIONAL <= {row["path"] for row in ROWS}
    assert json.loads(GOOD) and len(NOT_JSON) >= 40 and len(REFUSED) >= 20


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_h1_h2_bodies_that_are_refused(shop, row):
    judge, cases = Judge(shop, row), expected(row)
    for name, body, headers, status, code in cases:
        judge.answer(name, shop.asker(forms(row)[0], shop.token, body=body, headers=headers, query=QUERY), status, code)
    judge.end(len(cases))


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_h1_h2_the_alias_is_as_strict(shop, row):
    """The same under /webhook, where there is such a path."""
    some = ("cut by one", "twice the same key", "text/plain", "one byte too large")
    judge, cases = Judge(shop, row), [c for c in expected(row) if c[0] in some]
    for form in forms(row):
        for name, body, headers, status, code in cases:
            judge.answer(f"{form}: {name}", shop.asker(form, shop.token, body=body, headers=headers, query=QUERY), status, code)
    judge.end(len(some) * len(forms(row)))


# ---- lengths ------------------------------------------------------------------

def sent(shop, data, wait=True):
    """These bytes through nginx on a connection that ends with them; the answer."""
    connection = shop.asker.connect(False)
    connection.close()
    connection.connect()
    try:
        if wait:
            return raw(shop, data, connection.sock)
        connection.sock.sendall(data)
    finally:
        connection.close()


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_h1_lengths_that_are_not_the_bodys(shop, row):
    """nginx says it itself, or waits for the rest in vain; the worker sees nothing of it."""
    judge, form = Judge(shop, row), forms(row)[0]
    path, head = form.fill({}) + "?" + QUERY, [("Authorization", shop.token), ("Content-Type", "application/json"), ("Connection", "close")]

    def ask(*more, body=GOOD):
        return sent(shop, request(form.method, path, head + list(more), body, length=False))

    size = len(GOOD)
    malformed = [[("Content-Length", n)] for n in (f"-{size}", "9" * 30, "abc", "")]
    malformed += [[("Content-Length", size), ("Content-Length", size + 1)],
                  [("Content-Length", size), ("Transfer-Encoding", "chunked")], [("Transfer-Encoding", "chunked")]]
    refused = [(more, 400, "BAD_REQUEST") for more in malformed]
    refused += [([("Transfer-Encoding", "gzip")], 501, "NOT_IMPLEMENTED"), ([("Content-Length", 1 << 40)], 413, "TOO_LARGE")]
    for more, status, code in refused:
        detailed(ask(*more), status, code)
        judge.cases += 1
        judge.stored(more)
    read_from = len(shop.events("request"))
    for more, body in (("Content-Length", size + 5), GOOD), (("Transfer-Encoding", "chunked"), b"%x\r\n%b\r\n" % (size, GOOD)):
        sent(shop, request(form.method, path, head + [more], body, length=False), wait=False)       # and gone, before the end
        judge.cases += 1
    judge.answer("less than there is", ask(("Content-Length", size - 1)), 400, "BAD_JSON")
    assert {e["bytes"] for e in shop.events("request")[read_from:]} <= {size - 1}, "a worker was given what is not whole"
    judge.end(len(refused) + 3)


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_h1_a_worker_that_is_told_another_length(shop, row):
    """By whatever stands in nginx's place."""
    judge, form, n = Judge(shop, row), forms(row)[0], len(GOOD)
    head = {"Content-Type": "application/json", "Authorization": shop.token}
    wrong = [("one byte is missing", GOOD, n + 1), ("most of it is missing", GOOD, LIMIT), ("nothing came", b"", n),
             ("one byte more", GOOD, n - 1), ("much more", GOOD + b" " * LIMIT * 4, n), ("none was announced", GOOD, 0),
             ("no number", GOOD, "abc"), ("negative", GOOD, -n), ("blanks", GOOD, f" {n}"), ("beyond 63 bits", GOOD, 1 << 63)]
    cases = [(*w, 400, "BAD_REQUEST") for w in wrong]
    cases += [("announced too large", GOOD, most(row) + 1, 413, "TOO_LARGE"),
              ("too large, unannounced", b" " * (most(row) + 1), None, 413, "TOO_LARGE"),
              ("cut, unannounced", GOOD[:-1], None, 400, "BAD_JSON")]
    for name, body, length, status, code in cases:
        judge.answer(name, fastcgi(shop, form.method, form.fill({}) + "?" + QUERY, head, body, length), status, code)
    head["Transfer-Encoding"] = "gzip, chunked"
    judge.answer("another coding", fastcgi(shop, form.method, form.fill({}) + "?" + QUERY, head, GOOD, n), 415, "BAD_TYPE")
    judge.end(len(cases) + 1)


# ---- values -------------------------------------------------------------------

BEYOND = ["1" + "0" * 30, "-1" + "0" * 30, "18446744073709551617", "9223372036854775808"]
NONE = ['"1"', '[1]', '{"x":1}', "true"]
WHOLE = [*BEYOND, "1e3", "1.0", "1e999", *NONE]
REAL = ["1e999", "-1e999", "1" + "0" * 400, *NONE]
NO_TEXT = ["1", '["x"]', '{"x":1}', "true"]
NO_LIST = ['"x"', "1", '{"x":1}', "true"]
NO_OBJECT = ['"x"', "1", '[{"x":1}]', "true"]
RULES, PRODUCTS = "/api/v1/business-rules", "/api/v1/products"
PLACES = {                              # what a row reads: its place in the body, and what cannot stand there
    RULES + "/sync": [("permanent_rules", NO_LIST), ("permanent_rules.0", NO_OBJECT), ("permanent_rules.0.name", NO_TEXT),
                      ("temporary_rules", NO_LIST), ("temporary_rules.0.date_start", NO_TEXT)],
    RULES + "/sync-scheduling-rules": [("scheduling_rules.0", NO_OBJECT), ("scheduling_rules.0.rule_id", WHOLE)],
    RULES + "/sync-company-metadata": [("business_hours.start", REAL + BEYOND), ("business_hours.end", REAL),
                                       ("business_hours", NO_OBJECT), ("business_hours.days", NO_OBJECT),
                                       ("company_info", NO_OBJECT), ("company_info.company_name", NO_TEXT),
                                       ("customer_service", NO_OBJECT), ("social_media", NO_OBJECT)],
    RULES + "/sync-support-documents": [("documents.0.id", WHOLE), ("documents.0", NO_OBJECT), ("documents", NO_LIST)],
    PRODUCTS + "/search": [("limit", WHOLE), ("query", NO_TEXT), ("filters", NO_OBJECT), ("filters.category_id", WHOLE),
                           ("filters.price_range.0", REAL), ("filters.price_range.1", REAL)],
    PRODUCTS + "/list": [("limit", WHOLE), ("offset", WHOLE), ("filter", NO_OBJECT), ("filter.category_ids.0", WHOLE),
                         ("filter.price_range.1", REAL)],
    PRODUCTS + "/sync-batch": [("product_ids.1", WHOLE)],
    PRODUCTS + "/update-prices": [("product_ids.1", WHOLE), ("adjustment", NO_OBJECT), ("adjustment.value", REAL)],
    "/tools/generate_product_description": [("product_id", WHOLE)],
    "/tools/sync_product_to_vector_db": [("product_id", WHOLE), ("price", REAL)],
}


def with_value(place, token):
    """The good body with that token at that place."""
    body = dict(json.loads(GOOD), filters={"category_id": 1, "price_range": [0, 1]}, limit=1, offset=0, price=1.5,
                filter={"category_ids": [1], "price_range": [0, 1]})
    body["temporary_rules"][0]["date_start"] = "2026-05-05 03:00:00"
    *way, last = [int(p) if p.isdigit() else p for p in place.split(".")]
    at = body
    for step in way:
        at = at[step]
    assert last in at or isinstance(last, int)
    at[last] = "@"
    return dump(body).replace(b'"@"', token.encode())


@pytest.mark.parametrize("path, place, tokens", [pytest.param(path, *where, id=f"{path} {where[0]}")
                                                 for path, places in PLACES.items() for where in places])
def test_h2_values_that_do_not_fit(shop, path, place, tokens):
    """Numbers beyond their range and what is of another type: refused where it is read, never
    clamped, cut or taken for none."""
    [row] = rows(path=path, method="POST")
    judge = Judge(shop, row)
    for token in tokens:
        answer = shop.asker(forms(row)[0], shop.token, body=with_value(place, token))
        code = "VALIDATION_ERROR" if b"VALIDATION_ERROR" in answer.body else "BAD_SCHEMA"
        judge.answer(token[:24], answer, 422, code)
    judge.end(len(tokens))
