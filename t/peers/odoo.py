#!/usr/bin/python3
"""An Odoo for the scenarios: the two services of /xmlrpc/2 with the manners of a
live one (16 and 19 were measured), over models that are dicts.

In a test:  odoo = OdooServer().start(); odoo.url; odoo.add("product.template", name="Pão", list_price=3.5)
A fault is HTTP 200, an empty field is `false`, every answer closes its
connection, texts of faults are the user's language.  `script` is a list of
steps; a call takes the first that fits it and uses up a turn:
  method, model     which calls it fits; none: every one
  times             turns: 1 unless told; 0: for ever
  delay             seconds before the first byte
  until             a threading.Event before it
  cut               True: closes without a byte; "after": having done it
  html              status: an HTML page with that status
  fault             (code, text)
  none              True: does it, and then cannot say so ("cannot marshal None")
  raw               bytes of the body, as they are
"""

import http.server
import re
import threading
import time
import xmlrpc.client

TRACE = 'Traceback (most recent call last):\n  File "/usr/lib/python3/dist-packages/odoo/http.py", line 1, in _call\n'


class Fault(Exception):
    def __init__(self, code, text):
        super().__init__(text)
        self.code, self.text = code, text


def missing(model, i, uid):
    return Fault(2, f"O registro não existe ou foi excluído.\n(Registro: {model}({i},), Usuário: {uid})\n(Record: {model}({i},), User: {uid})")


class OdooServer:
    """requests: dicts {service, method, model, args, kwargs, time, headers} without the key."""

    TYPES = {bool: "boolean", int: "integer", float: "float", str: "char", list: "many2many", tuple: "many2one"}

    def __init__(self, db="shop", login="ponte", keys=("odoo-key",), version=16, host="127.0.0.1", port=0):
        self.db, self.login, self.keys, self.version = db, login, set(keys), version
        self.uid, self.requests, self.script, self.logins = 7, [], [], 0
        self.models, self.fields, self.ids = {}, {}, {}
        self.in_flight = self.most_in_flight = 0
        self.lock, self.work = threading.Lock(), threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_POST(self):
                outer.serve(self)

            def do_GET(self):
                outer.page(self, 405)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer((host, port), Handler)
        self.http.daemon_threads = True
        self.url = f"http://{host}" + ("" if port == 80 else f":{self.http.server_address[1]}")

    def start(self):
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    # ---- what it holds ----

    def model(self, name, **types):
        self.models.setdefault(name, {})
        self.fields.setdefault(name, {"id": "integer", "name": "char", "active": "boolean", "write_date": "datetime", "create_date": "datetime"})
        self.fields[name].update(types)

    def add(self, model, **values):
        self.model(model)
        i = values.pop("id", None) or self.ids.get(model, 0) + 1
        self.ids[model] = max(i, self.ids.get(model, 0))
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        for key, value in values.items():
            self.fields[model].setdefault(key, self.TYPES.get(type(value), "char"))
        row = dict({f: False if t != "boolean" else True for f, t in self.fields[model].items()}, **values)
        row.update(id=i, create_date=now, write_date=now)
        self.models[model][i] = row
        return i

    # ---- HTTP ----

    def page(self, h, status, body=b"<html><title>Odoo</title></html>", kind="text/html"):
        h.send_response(status)
        h.send_header("Content-Type", kind)
        h.send_header("Content-Length", str(len(body)))
        h.send_header("Connection", "close")
        h.end_headers()
        h.wfile.write(body)

    def take(self, method, model):
        with self.lock:
            for step in self.script:
                if step.get("method", method) != method or step.get("model", model) != model:
                    continue
                if step.get("times", 1):
                    step["times"] = step.get("times", 1) - 1
                    if step["times"] == 0:
                        self.script.remove(step)
                return step
        return {}

    def serve(self, h):
        body = h.rfile.read(int(h.headers.get("Content-Length", 0)))
        with self.lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            page = self.answer(h, body)
        finally:
            with self.lock:         # who has its answer may ask again at once
                self.in_flight -= 1
        if page:
            self.page(h, *page)
        h.close_connection = True

    def answer(self, h, body):
        """(status, body, kind), or None: not a byte."""
        if h.path not in ("/xmlrpc/2/common", "/xmlrpc/2/object"):
            return 404,
        params, method = xmlrpc.client.loads(body, use_builtin_types=True)
        service = h.path.rsplit("/", 1)[1]
        model, name = (params[3], params[4]) if method == "execute_kw" else ("", method)
        with self.lock:
            self.requests.append({"service": service, "method": name, "model": model, "time": time.monotonic(),
                                  "args": params[5] if method == "execute_kw" else None,
                                  "kwargs": params[6] if len(params) > 6 else {}, "headers": dict(h.headers)})
        step = self.take(name, model)
        time.sleep(step.get("delay", 0))
        if "until" in step:
            step["until"].wait(60)
        if step.get("cut") is True:
            return None
        if "html" in step:
            return step["html"],
        if "raw" in step:
            return 200, step["raw"], "text/xml; charset=utf-8"
        try:
            if "fault" in step:
                raise Fault(*step["fault"])
            with self.work:
                result = self.call(service, method, params)
            if step.get("none"):
                raise Fault(1, TRACE + "TypeError: cannot marshal None unless allow_none is enabled\n")
            out = xmlrpc.client.dumps((result,), methodresponse=True, allow_none=False)
        except Fault as f:
            out = xmlrpc.client.dumps(xmlrpc.client.Fault(f.code, f.text))
        if step.get("cut") == "after":
            return None
        if self.version >= 19:
            out = out.replace("\n</methodResponse>", "\n\n</methodResponse>")
        return 200, out.encode(), "text/xml; charset=utf-8"

    # ---- the services ----

    def call(self, service, method, params):
        if service == "common" and method == "version":
            return {"server_version": f"{self.version}.0", "server_version_info": [self.version, 0, 0, "final", 0, ""],
                    "server_serie": f"{self.version}.0", "protocol_version": 1}
        if service == "common" and method == "authenticate":
            db, login, key, _ = params
            self.check_db(db)
            self.logins += 1
            return self.uid if login == self.login and key in self.keys else False
        if service != "object" or method != "execute_kw":
            raise Fault(1, TRACE + f"AttributeError: {method}\n")
        db, uid, key, model, name, args = params[:6]
        kwargs = params[6] if len(params) > 6 else {}
        self.check_db(db)
        if uid != self.uid:
            raise missing("res.users", uid, uid)
        if key not in self.keys:
            raise Fault(3, "Access Denied")
        if name.startswith("_"):
            raise Fault(4, f"Métodos privados (como {name}) não podem ser chamados remotamente.")
        if model not in self.models:
            raise Fault(2, f"O objeto {model} não existe")
        if not hasattr(self, "do_" + name):
            raise Fault(1, TRACE + f"AttributeError: type object '{model}' has no attribute '{name}'\n")
        return getattr(self, "do_" + name)(model, *args, **kwargs)

    def check_db(self, db):
        if db != self.db:
            raise Fault(1, TRACE + f'psycopg2.OperationalError: connection to server failed: FATAL:  database "{db}" does not exist\n\n')

    def do_fields_get(self, model, allfields=None, attributes=None):
        return {f: {"type": t} for f, t in self.fields[model].items()}

    def do_search(self, model, domain=(), offset=0, limit=None, order="id", context=None):
        rows = [r for r in self.models[model].values() if self.matches(model, r, list(domain))]
        if (context or {}).get("active_test", True):
            rows = [r for r in rows if r.get("active") is not False]
        for part in reversed((order or "id").split(",")):
            field, _, way = part.strip().partition(" ")
            if field not in self.fields[model]:
                raise Fault(1, TRACE + f"ValueError: Invalid field {model}.{field} in order\n")
            rows.sort(key=lambda r, f=field: (r[f] is False, r[f] if r[f] is not False else 0), reverse=way.strip() == "desc")
        return [r["id"] for r in rows][offset:offset + limit if limit else None]

    def do_search_count(self, model, domain=(), context=None):
        return len(self.do_search(model, domain, context=context))

    def do_read(self, model, ids, fields=None, load=None, context=None):
        fields = fields or list(self.fields[model])
        for f in fields:
            if f not in self.fields[model]:
                raise Fault(1, TRACE + f"ValueError: Invalid field '{f}' on model '{model}'\n")
        rows = (self.models[model].get(i) for i in ([ids] if isinstance(ids, int) else ids))
        return [dict({"id": r["id"]}, **{f: self.say(r[f]) for f in fields}) for r in rows if r]

    @staticmethod
    def say(value):
        return list(value) if isinstance(value, tuple) else value

    def do_search_read(self, model, domain=(), fields=None, offset=0, limit=None, order="id", context=None):
        return self.do_read(model, self.do_search(model, domain, offset, limit, order, context), fields)

    def do_write(self, model, ids, values, context=None):
        for i in ids:
            if i not in self.models[model]:
                raise missing(model, i, self.uid)
        for f in values:
            if f not in self.fields[model]:
                raise Fault(1, TRACE + f"ValueError: Invalid field '{f}' on model '{model}'\n")
        for i in ids:
            self.models[model][i].update(values, write_date=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()))
        return True

    def do_create(self, model, values, context=None):
        return [self.add(model, **v) for v in values] if isinstance(values, list) else self.add(model, **values)

    def do_unlink(self, model, ids, context=None):
        for i in ids:
            if self.models[model].pop(i, None) is None:
                raise missing(model, i, self.uid)
        return True

    # ---- domains: polish notation, "&" understood ----

    def matches(self, model, row, domain):
        rest = list(domain)

        def one():
            term = rest.pop(0)
            if term == "!":
                return not one()
            if term in ("|", "&"):
                a, b = one(), one()
                return (a or b) if term == "|" else (a and b)
            field, op, value = term
            if field not in self.fields[model]:
                raise Fault(1, TRACE + f"ValueError: Invalid field {model}.{field} in leaf {term!r}\n")
            have = row[field]
            have = have[0] if isinstance(have, tuple) else have
            if op in ("ilike", "like"):
                text, have = str(value), str(have or "")
                return re.search(re.escape(text), have, re.I if op == "ilike" else 0) is not None
            if op in ("in", "not in"):
                return (have in value) == (op == "in")
            return {"=": have == value, "!=": have != value, ">": have is not False and have > value,
                    ">=": have is not False and have >= value, "<": have is not False and have < value,
                    "<=": have is not False and have <= value}[op]

        result = True
        while rest:
            result = one() and result
        return result
