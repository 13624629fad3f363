"""The route table as the built worker prints it, how a row is asked in each of
its forms, and how a refusal looks in the row's shape."""

import html
import itertools
import json
import re
import socket
import sqlite3
import struct
import subprocess
from typing import NamedTuple

from conftest import BUILD, SLOW, Answer

PRINTED = subprocess.run([BUILD / "app/worker/ponte-worker", "--routes", "--json"], stdout=subprocess.PIPE, text=True,
                         check=True).stdout
TABLE = json.loads(PRINTED)
ALIASED = ("/api/", "/tools/")          # decision 7: these answer below /webhook, too
ACCESS = {"UNAUTHORIZED": "Bearer", "INVALID_TOKEN": 'Bearer error="invalid_token"',
          "AUTHORIZATION_ERROR": 'Bearer error="insufficient_scope"'}


class Form(NamedTuple):
    """One way to ask for a row: another method or another path than it has."""
    row: dict
    method: str
    path: str

    def fill(self, values):
        """The path with these in its {names}; a name that is not among them is 1."""
        return re.sub(r"{(\w+)}", lambda m: str(values.get(m[1], 1)), self.path)

    def __str__(self):
        return f"{self.method} {self.path}"


def named(row):
    return f"{row['method']} {row['path']}"


def rows(**fields):
    return [r for r in TABLE if all(r[k] == v for k, v in fields.items())]


def forms(row):
    """Every path of the row, and HEAD where there is GET."""
    paths = [row["path"]] + (["/webhook" + row["path"]] if row["path"].startswith(ALIASED) else [])
    methods = [row["method"]] + (["HEAD"] if row["method"] == "GET" else [])
    return [Form(row, method, path) for path in paths for method in methods]


# ---- asking -------------------------------------------------------------------

_addresses = (f"127.{a}.{b}.1" for a, b in itertools.product(range(1, 250), range(250)))


class Asker:
    """Connections from many addresses: none of them asks so often that nginx would slow it down,
    nor is one wrong ten times with a token of the field, after which it is listened to no more."""

    def __init__(self, ponte):
        self.ponte, self.connection, self.asked, self.guesses = ponte, None, 0, 0

    def __call__(self, form, token=None, account=None, body=b"{}", values=None, query="", guess=False, headers=None):
        """token: what stands in Authorization; None: no such header."""
        path = form.fill(values or {})
        query = "&".join(filter(None, [f"account_id={account}" if account is not None else "", query]))
        headers = dict(headers or {}, **({} if token is None else {"Authorization": token}))
        if "form" in form.row["flags"]:
            headers.setdefault("Content-Type", "multipart/form-data; boundary=x")
        return self.ponte.ask(form.method, path + ("?" + query if query else ""), None if form.method in ("GET", "HEAD") else body,
                              headers, self.connect(guess))

    def connect(self, guess):
        if self.connection is None or self.asked == 30 or self.guesses == 8:
            self.connection = self.ponte.connect()
            self.connection.source_address = (next(_addresses), 0)
            self.asked = self.guesses = 0
        self.asked += 1
        self.guesses += guess
        return self.connection


HOURS = {"start": 8, "end": 18, "days": {"monday": True}}


def everything(said):
    """One body for all rows: each reads of it what it knows.  said(what) is the text that stands there."""
    def rule(kind, **also):
        return dict({"name": said(kind), "description": said(kind + "-text"), "type": said(kind + "-type"), "rule_id": 5}, **also)

    return {"permanent_rules": [rule("permanent")], "temporary_rules": [rule("temporary")],
            "scheduling_rules": [rule("scheduling", service_type=said("service"), policies={"cancellation": said("policy")})],
            "company_info": {"company_name": said("company"), "website": said("website"), "description": said("about"),
                             "company_values": said("values"), "business_area": said("area"),
                             "business_area_other": said("other-area")},
            "customer_service": {"greeting_message": said("greeting"), "communication_style": said("style"),
                                 "emoji_usage": said("emoji")},
            "social_media": {"facebook_url": said("facebook"), "instagram_url": said("instagram")}, "business_hours": HOURS,
            "greeting": {"enabled": True, "message": said("hello")}, "farewell": {"enabled": True, "message": said("bye")},
            "emojis": {"enabled": True, "frequency": "minimal"}, "tone": {"formal": 3, "friendly": 3, "technical": 3},
            "documents": [{"id": 42, "name": said("document"), "content": said("content"), "document_type": said("document-type")}],
            "product_ids": [1, 2], "product_id": 3, "description": said("product"), "query": said("query"),
            "skip_odoo_update": True, "adjustment": {"type": "fixed", "value": 0.5, "field": "list_price"},
            "messages": [{"text": said("late")}], "event_id": "01a2169e-0000-7000-8000-000000000000"}


# ---- refusals -----------------------------------------------------------------

def code_of(row, answer):
    """The code of a refusal, whose shape is judged on the way."""
    fields, shape = {k.lower(): v for k, v in answer.headers.items()}, row["shape"]
    id = fields["x-request-id"]
    if shape == "page":
        text = html.unescape(answer.body.decode())
        assert fields["content-type"].startswith("text/html"), answer
        found = re.search(r"<p>([A-Z_]+), request ([0-9a-f]{32})</p>", text)
        assert found and found[2] == id, answer
        return found[1]
    said = answer.json
    assert said["request_id"] == id, (answer, id)
    if shape == "envelope":
        assert said["success"] is False and said["error"] == said["detail"], answer
        assert said["error"]["code"] == said["code"] and said["error"]["message"] and said["meta"]["request_id"] == id, answer
    elif shape == "tool":
        assert said["success"] is False and said["error"], answer
    elif shape == "webhook":
        assert said["status"] == "refused" and said["reason"], answer
    else:
        assert shape == "detail" and said["detail"], answer
    return said["code"]


# ---- without nginx ------------------------------------------------------------

def _record(kind, content=b""):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def _pairs(params):
    return b"".join(struct.pack(">II", len(k) | 1 << 31, len(v) | 1 << 31) + k + v
                    for k, v in ((k.encode(), v.encode("latin-1")) for k, v in params.items()))


def fastcgi(ponte, method, path, headers, body, length):
    """The answer of an api worker to a request that nginx would not pass on: `length` is
    what is announced, None for nothing."""
    uri, _, query = path.partition("?")
    params = {"REQUEST_METHOD": method, "REQUEST_URI": path, "QUERY_STRING": query, "REMOTE_ADDR": "127.0.0.1"}
    params |= {"CONTENT_TYPE" if k == "Content-Type" else "HTTP_" + k.upper().replace("-", "_"): v for k, v in headers.items()}
    if length is not None:
        params["CONTENT_LENGTH"] = str(length)
    stdin = b"".join(_record(5, body[i:i + 32768]) for i in range(0, len(body), 32768))
    said = b""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20 * SLOW)
        s.connect(str(ponte.dir / "run/api.sock"))
        s.sendall(_record(1, struct.pack(">HB5x", 1, 0)) + _record(4, _pairs(params)) + _record(4) + stdin + _record(5))
        with s.makefile("rb") as f:
            while head := f.read(8):
                kind, _, n, padding = struct.unpack(">xBHHBx", head)
                content = f.read(n + padding)[:n]
                said += content if kind == 6 else b""
    head, _, text = said.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n"))
    return Answer(int(fields["Status"].split()[0]), fields, text)


# ---- what is stored -----------------------------------------------------------

VOLATILE = {("meta", "probe"), ("token", "used_us"), ("heard", "last_us")}


def _dump(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'found_%' ORDER BY name")
        for name, in names.fetchall():
            cursor = db.execute(f'SELECT * FROM "{name}"')      # the names are the schema's own
            columns = [c[0] for c in cursor.description]
            for row in cursor:
                if (name, row[0]) not in VOLATILE:
                    yield path.name, name, tuple(v for c, v in zip(columns, row) if (name, c) not in VOLATILE)


def state(ponte):
    """All rows of the store and of the catalogue, but for what moves by itself."""
    files = sorted((ponte.dir / "state").glob("*.db"))
    assert len(files) >= 2, files
    return [row for path in files for row in _dump(path)]


def moved(before, after):
    """Which tables have rows that the other has not."""
    return sorted({f"{file}: {table}" for file, table, _ in set(before) ^ set(after)})
