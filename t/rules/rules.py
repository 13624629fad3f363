#!/usr/bin/env python3
"""The rules of the house, kept by a machine.

usage: rules.py TOP_SRCDIR [CC]

layers      lib/ never includes app/; a role never includes another role; a
            file of lib/ includes only ranks that are not above its own
owners      each third-party header is included by exactly one .c file
headers     every header compiles alone
banned      calls that nobody has to review because nobody may write them
lengths     files about 500 lines, functions about 60, unless the head says why
silence     lib/ does not log
"""

import os
import re
import subprocess
import sys

TOP = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")
CC = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("CC", "cc")

RANK = {
    0: "base",
    1: "arena buf clock backoff log crashpoint patience token value words",
    2: "http multipart json json_scan json_check crypt fernet uuid secret sign settings wire net daemon scoreboard address reach trust db xmlrpc value_json",
    3: "config protocol route tenant legacy chatwoot odoo store store_db catalog catalog_db client",
}
OWNER = {
    "fcgiapp.h": "app/worker/serve.c",
    "fcgi_config.h": "app/worker/serve.c",
    "curl/": "lib/client.c",
    "json-c/": "lib/json.c",
    "sqlite3.h": "lib/db.c",
    "sodium": "lib/crypt.c",
    "openssl/": "lib/fernet.c",
    "yaml.h": "lib/settings_node.c",
    "systemd/": "lib/daemon.c",
    "libxml/": "lib/xmlrpc.c",
    "libstemmer.h": "lib/words.c",
}
BANNED = {
    "strcpy strcat sprintf vsprintf gets": "the length is unknown: arena_printf(), buf_printf() or snprintf()",
    "strtok atoi atol atof": "mistakes go unseen: slice_to_u64() or strtoul() and look",
    "sleep usleep nanosleep": "wait for the event, with a deadline",
    "alloca setjmp longjmp": "CLEANUP() does not run, or the stack is at risk",
    "system popen": "no shell: fork and exec with an argument list",
}
FILE_MAX, FUNCTION_MAX = 520, 70

passed, failed = 0, 0


def check(ok, text):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("  failed:", text)


def sources(*dirs):
    for d in dirs:
        for where, folders, files in os.walk(os.path.join(TOP, d)):
            folders[:] = [f for f in folders if f not in ("__pycache__",)]
            for f in sorted(files):
                if f.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(where, f), TOP)


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def module(path):
    """The module a file of lib/ belongs to: lib/chatwoot/read.c is chatwoot,
    lib/store_put.c is store_…'s highest known prefix."""
    name = path.split("/")[1].removesuffix(".c").removesuffix(".h")
    while name and not any(name in r.split() for r in RANK.values()):
        name = name.rpartition("_")[0]
    return name


def rank(path):
    name = module(path)
    return next((r for r, names in RANK.items() if name in names.split()), None)


def layers():
    for path in sources("lib", "app"):
        mine = path.split("/")
        for inc in re.findall(r'^\s*#\s*include\s+"([^"]+)"', read(path), re.M):
            there = inc.split("/")
            check(os.path.exists(os.path.join(TOP, inc)) or there[0] not in ("lib", "app"),
                  f"{path}: {inc} does not exist under that name")
            if mine[0] == "lib":
                check(there[0] != "app", f"{path} includes {inc}: lib/ never includes app/")
                if there[0] == "lib":
                    check(rank(path) is not None, f"{path}: which rank? name it in RANK")
                    check((rank(inc) if rank(inc) is not None else 9) <= (rank(path) or 0)
                          or rank(path) is None,
                          f"{path} (rank {rank(path)}) includes {inc} (rank {rank(inc)})")
            elif there[0] == "app":
                check(there[1] == mine[1], f"{path} includes {inc}: a role never includes another")


def owners():
    for header, owner in OWNER.items():
        for path in sources("lib", "app"):
            for inc in re.findall(r"^\s*#\s*include\s+[<\"]([^>\"]+)[>\"]", read(path), re.M):
                if inc.startswith(header):
                    check(path == owner, f"{path} includes {inc}: only {owner} may")


def silence():
    for path in sources("lib"):
        if module(path) != "log":
            check("lib/log.h" not in read(path), f"{path}: lib/ is silent")


def headers():
    for path in sources("lib", "app"):
        if path.endswith(".h"):
            r = subprocess.run([CC, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror",
                                "-fsyntax-only", "-I", TOP, "-x", "c", "-include",
                                os.path.join(TOP, path), "/dev/null"], capture_output=True, text=True)
            check(r.returncode == 0, f"{path} does not compile alone: {r.stderr.strip()[:300]}")


def bare(text):
    """Without comments and string contents, lines kept."""
    text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    text = re.sub(r"//[^\n]*", "", text)
    return re.sub(r'"(?:[^"\\\n]|\\.)*"', '""', text)


def banned():
    for path in sources("lib", "app", "t"):
        text = bare(read(path))
        for names, why in BANNED.items():
            for name in names.split():
                at = re.search(r"(?<![\w.>])" + name + r"\s*\(", text)
                line = text[:at.start()].count("\n") + 1 if at else 0
                check(not at, f"{path}:{line}: {name}(): {why}")
        check(not re.search(r"\b(TODO|FIXME|XXX)\b", read(path)), f"{path}: a TODO without an owner")


def lengths():
    for path in sources("lib", "app"):
        text = read(path)
        lines = text.split("\n")
        why = "Long because" in text
        check(len(lines) <= FILE_MAX or why, f"{path}: {len(lines)} lines; split it, or say 'Long because …'")
        start = None
        for i, line in enumerate(lines):
            if line == "{":
                start = i
            elif line == "}" and start is not None:
                head = "\n".join(lines[max(0, start - 12):start])
                check(i - start <= FUNCTION_MAX or "Long because" in head,
                      f"{path}:{start}: a function of {i - start} lines; split it, or say 'Long because …'")
                start = None


for rule in (layers, owners, silence, headers, banned, lengths):
    rule()
print(f"rules/rules: {passed} passed, {failed} failed, 0 skipped")
sys.exit(failed != 0)
