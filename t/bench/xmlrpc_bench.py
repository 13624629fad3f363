#!/usr/bin/env python3
"""xmlrpc_bench: what reading and writing XML-RPC costs, beside Python's xmlrpc.client
(over expat) and libxmlrpc-c, in one run.

usage: xmlrpc_bench.py BUILD_DIR [--rows N] [--runs N] [--short] [--json FILE]

    rows    S7: an answer of Odoo to search_read, 20,000 partners (23 MB)
    texts   an answer with five binary fields (67 MB)
    encode  a call that carries a list of 10,000 records

Each way of reading runs in a process of its own, in turn, after one turn that
does not count; a ratio is that of the medians of time.  Memory is the peak
above what the process held before, the document being part of that.  `stream`
is how ponte reads an answer; `tree` keeps all of it, as the others do, and is
what S7 is held against.  Without libxmlrpc-core-c3-dev at build time its part
is not measured, and said to be."""

import argparse
import base64
import ctypes
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time
import xmlrpc.client

MUST = {"python": (5, 10), "libxmlrpc-c": (1.5, 3)}


def partner(rng, n):
    """A row as Odoo gives it: what is empty is false, a many2one a pair, a date a text."""
    word = lambda k: " ".join(rng.choice(WORDS) for _ in range(k))
    return {
        "id": n, "name": word(3), "email": f"{rng.choice(WORDS)}{n}@example.com", "phone": False, "street": word(4), "active": True,
        "country_id": [31, "Brasil"], "category_id": [rng.randrange(1, 90) for _ in range(3)], "credit_limit": round(rng.uniform(0, 1e5), 2), "comment": f"<p>{word(14)} &amp; {word(6)}</p>",
        "write_date": f"2026-01-02 {n % 24:02d}:{n % 60:02d}:00"}


WORDS = ("Loja São João ação Comércio de Móveis pão café Rua das Flores 42 entrega prazo cliente novo pedido março "
         "troca azul verde caixa peça").split()


def write(path, value):
    path.write_bytes(xmlrpc.client.dumps((value,), methodresponse=True).encode())
    return path


def make(root, rows):
    rng = random.Random(7)
    binary = lambda n: base64.b64encode(rng.randbytes(n)).decode()
    return {
        "rows": write(root / "rows.xml", [partner(rng, n) for n in range(rows)]),
        "texts": write(root / "texts.xml", [{"id": n, "datas": binary(10_050_000 * rows // 20_000)} for n in range(5)]),
        "encode": write(root / "encode.xml", [partner(rng, n) for n in range(rows // 2)])}


# ---- Python's way, in a process of its own -------------------------------------


def status(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key))


def count(v):
    if isinstance(v, (list, dict)):
        parts = [count(x) for x in (v if isinstance(v, list) else v.values())]
        return sum(p[0] for p in parts), sum(p[1] for p in parts)
    return 1, len(v.encode()) if isinstance(v, str) else 0


def by_python(what, path):
    document = pathlib.Path(path).read_bytes()
    value = xmlrpc.client.loads(document)[0] if what == "encode" else None
    ctypes.CDLL(None).malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    base, since = status("VmRSS"), time.perf_counter()
    if what == "encode":
        out = xmlrpc.client.dumps(value, "execute_kw", allow_none=True).encode()
    else:
        value = xmlrpc.client.loads(document)[0]
    seconds, kib = time.perf_counter() - since, status("VmHWM") - base
    values, size = (1, len(out)) if what == "encode" else count(value[0])
    print(json.dumps({"seconds": seconds, "kib": kib, "values": values, "bytes": size}))


# ---- the run -------------------------------------------------------------------


def ways(build, what):
    ours, other = build / "t/bench/xmlrpc_read", build / "t/bench/xmlrpc_other"
    python = [sys.executable, __file__, "--python"]
    if what == "encode":
        found = {"ponte": [ours, "encode"], "python": [*python, "encode"], "libxmlrpc-c": [other, "encode"]}
    else:
        found = {"ponte stream": [ours, "stream"], "ponte": [ours, "tree"], "python": [*python, "tree"],
                 "libxmlrpc-c": [other, "tree"]}
    return {name: argv for name, argv in found.items() if name != "libxmlrpc-c" or os.access(other, os.X_OK)}


def once(argv, path):
    return json.loads(subprocess.run([str(a) for a in (*argv, path)], check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(build, what, path, runs):
    results = {name: [] for name in ways(build, what)}
    for turn in range(runs + 1):
        for name, argv in ways(build, what).items():
            result = once(argv, path)
            if turn:
                results[name].append(result)
    if what != "encode":
        read = {name: (r[0]["values"], r[0]["bytes"]) for name, r in results.items()}
        if len(set(read.values())) != 1:
            sys.exit(f"bench: they did not read the same: {read}")
    return {name: {"seconds": statistics.median(x["seconds"] for x in r), "kib": statistics.median(x["kib"] for x in r),
                   "spread": [min(x["seconds"] for x in r), max(x["seconds"] for x in r)]} for name, r in results.items()}


def show(what, path, result):
    ours = result["ponte"]["seconds"]
    print(f"\n{what}: {path.stat().st_size / 1e6:.1f} MB{'':14}{'median s':>10}{'spread':>18}{'peak MiB':>10}{'ponte is':>12}")
    for name, r in result.items():
        times = f"{r['seconds'] / ours:8.1f} x" if not name.startswith("ponte") else ""
        held = ""
        if what == "rows" and name in MUST:
            must, stretch = MUST[name]
            held = f"   S7: must >= {must}, stretch >= {stretch}"
        print(f"    {name:26}{r['seconds']:10.3f}{r['spread'][0]:10.3f}-{r['spread'][1]:.3f}{r['kib'] / 1024:12.1f}{times:>12}{held}")
    if "libxmlrpc-c" not in result:
        print("    libxmlrpc-c               not measured: libxmlrpc-core-c3-dev was not there at build time")


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    p.add_argument("build", type=pathlib.Path)
    p.add_argument("--rows", type=int, default=20_000)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--short", action="store_true")
    p.add_argument("--json")
    args = p.parse_args()
    if args.short:
        args.rows, args.runs = 2000, 1
    out = {}
    with tempfile.TemporaryDirectory(prefix="ponte-bench-") as root:
        for what, path in make(pathlib.Path(root), args.rows).items():
            out[what] = measure(args.build.resolve(), what, path, args.runs)
            show(what, path, out[what])
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(out, indent=1))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--python"]:
        by_python(*sys.argv[2:])
    else:
        sys.exit(main())
