#!/usr/bin/env python3
"""nginx against the route table, and what it may hand on.  usage: nginx.py BUILD_DIR

groups      the map in nginx/ponte-http.conf sends each row of the table to the
            group that the row names, and anything else to `api`; no line of the
            map and no location is for a path that the table does not have
shapes      a webhook path is refused in the webhook shape, and no 502, 503 or
            504 leaves it
parameters  what the workers read is what ponte-fastcgi.conf hands on
site        nginx takes ponte.conf as it is installed
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
SAMPLE = {"tenant": "shop", "kind": "bot", "secret": "s3cret"}
passed = failed = skipped = 0


def check(ok, text):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("  failed:", text)


def conf(name):
    """Without comments."""
    return re.sub(r"(?m)^\s*#.*$", "", (TOP / "nginx" / name).read_text(encoding="utf-8"))


def table():
    said = subprocess.run([BUILD / "app/worker/ponte-worker", "--routes", "--json"], capture_output=True, text=True, check=True)
    return json.loads(said.stdout)


def path_of(row):
    return re.sub(r"\{(\w+)\}", lambda m: SAMPLE.get(m.group(1), "x"), row["path"])


# ---- groups ----

def group_map():
    body = re.search(r'map "\$request_method:\$uri" \$ponte_group \{(.*?)\n\}', conf("ponte-http.conf"), re.S).group(1)
    rows, default = [], None
    for key, value in re.findall(r'^\s*("[^"]*"|\S+)\s+(\w+);', body, re.M):
        key = key.strip('"')
        if key == "default":
            default = value
        else:
            check(key.startswith("~^"), f"{key}: a map compares plain strings without case: use ~^…$")
            rows.append((re.compile(key[1:]), value))
    return lambda method, path: next((v for r, v in rows if r.search(f"{method}:{path}")), default)


def groups(rows):
    group = group_map()
    for row in rows:
        check(group(row["method"], path_of(row)) == "ponte_" + row["group"],
              f"{row['method']} {row['path']}: the table says {row['group']}, nginx {group(row['method'], path_of(row))}")
    for method, path in [("GET", "/webhook"), ("POST", "/api/v1/x"), ("POST", "/webhook/api/v1/x"), ("POST", "/webhook/tools/x"),
                         ("POST", "/webhookx"), ("POST", "/Webhook"), ("POST", "//webhook"), ("PUT", "/"),
                         ("POST", "/webhook/health"), ("POST", "/webhook/chatwoot")]:
        check(group(method, path) == "ponte_api", f"{method} {path} goes to {group(method, path)}")


# ---- shapes ----

def locations():
    """As nginx looks: exact, then regular expressions in their order, then the longest prefix."""
    found = re.findall(r"^location (?:(=|~)\s+)?(\S+)\s+\{([^\n]*\}$|.*?^\})", conf("ponte-locations.conf"), re.M | re.S)
    exact, regex, prefix = {}, [], {}
    for kind, name, body in found:
        if kind == "=":
            exact[name] = body
        elif kind == "~":
            regex.append((re.compile(name), body))
        else:
            prefix[name] = body

    def find(path):
        if path in exact:
            return exact[path]
        for r, body in regex:
            if r.search(path):
                return body
        return prefix[max((p for p in prefix if path.startswith(p)), key=len)]
    return find


def shapes(rows):
    find = locations()
    for row in rows:
        path, body = path_of(row), find(path_of(row))
        check("fastcgi_pass" in body, f"{path}: no worker is asked")
        webhook = bool(re.search(r"error_page\s+500 502 503 504 507\s+=500\s+/.ponte-refused/hooks;", body))
        early = len(re.findall(r"error_page\s+[^;]*/.ponte-refused/hooks;", body)) == 2
        if row["shape"] == "webhook":
            check(webhook and early, f"{path}: a webhook path that is not refused like one")
        elif path != "/":
            check(not webhook, f"{path}: refused like a webhook path")
        if "{secret}" in row["path"]:
            check("error_log" in body and "/dev/null emerg" in body, f"{row['path']}: the error log would quote the secret")


# ---- nothing beside the table ----

BESIDE = {"/", "/.ponte-refused/early", "/.ponte-refused/hooks", "^/webhook/(?:api|tools)/"}     # the API comes there


def nothing_beside(rows):
    asked = [f"{row['method']}:{path_of(row)}" for row in rows]
    body = re.search(r'map "\$request_method:\$uri" \$ponte_group \{(.*?)\n\}', conf("ponte-http.conf"), re.S).group(1)
    for key in re.findall(r'"~([^"]*)"', body):
        check(any(re.search(key, a) for a in asked), f"the map sends {key} somewhere, and the table has no such path")
    paths = [path_of(row) + tail for row in rows for tail in ("", "/")]
    for kind, name in re.findall(r"(?m)^location (?:(=|~)\s+)?(\S+)(?: \S+)?\s+\{", conf("ponte-locations.conf")):
        known = any(re.search(name, p) for p in paths) if kind == "~" else name in paths
        check(known or name in BESIDE, f"location {name}: the table has no such path")


# ---- parameters ----

def parameters():
    text = conf("ponte-fastcgi.conf")
    given = set(re.findall(r"fastcgi_param\s+(\w+)", text))
    reads = re.search(r"#define REQUEST_PARAMS\(X\)(.*?)[^\\]\n", (TOP / "app/worker/request.h").read_text(), re.S).group(1)
    wanted = set(re.findall(r'"([A-Z_]+)"', reads))
    check(bool(re.search(r"fastcgi_pass_request_headers\s+off;", text)), "client headers are handed on unasked")
    check(wanted <= given, f"workers read what nginx does not hand on: {sorted(wanted - given)}")
    check(given <= wanted, f"nginx hands on what no worker reads: {sorted(given - wanted)}")
    check("fastcgi_keep_conn" in text and re.search(r"fastcgi_keep_conn\s+off;", text), "fastcgi_keep_conn is not off")


# ---- the site ----

def site():
    global skipped
    if not NGINX or not shutil.which("openssl"):
        skipped += 1
        return
    with tempfile.TemporaryDirectory(prefix="ponte-site-") as d:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=localhost", "-keyout", f"{d}/key.pem", "-out", f"{d}/cert.pem"], check=True, capture_output=True)
        text = (TOP / "nginx/ponte.conf.in").read_text().replace("@nginxdir@", str(TOP / "nginx"))
        text = text.replace("/etc/ponte/tls", d).replace("/var/log/nginx", d).replace("/var/lib/nginx/ponte", f"{d}/body")
        # A test binds: at free ports, so that it hurts nobody.
        text = re.sub(r"listen(\s+)(?:\[::\]:)?(443|80)\b", lambda m: f"listen{m.group(1)}unix:{d}/{m.group(2)}-{m.start()}.sock", text)
        check(not re.search(r"@\w+@", text), "ponte.conf.in: something is not filled in")
        (pathlib.Path(d) / "site.conf").write_text(text)
        (pathlib.Path(d) / "nginx.conf").write_text(f"pid {d}/pid; error_log stderr; events {{}}\nhttp {{ include {d}/site.conf; }}\n")
        r = subprocess.run([NGINX, "-t", "-p", d, "-c", f"{d}/nginx.conf", "-e", "stderr"], capture_output=True, text=True)
        check(r.returncode == 0 and "[warn]" not in r.stderr.replace("the \"user\" directive", ""), "nginx -t: " + r.stderr.strip())


ROWS = table()
groups(ROWS)
shapes(ROWS)
nothing_beside(ROWS)
parameters()
site()
print(f"rules/nginx: {passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed != 0)
