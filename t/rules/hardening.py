#!/usr/bin/env python3
"""Is each program built as it should be?  usage: hardening.py BUILD_DIR

PIE, full RELRO, no executable stack, stack protector, FORTIFY, no RPATH; and
what each role links: the worker no curl and no engine, the keeper no FastCGI
library, no JSON, no crypto, no curl, the courier no engine and no FastCGI."""

import os
import re
import subprocess
import sys

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
MUST_NOT_LINK = {
    "app/worker/ponte-worker": ("libcurl", "libxml2"),     # SQLite: the catalogue, which it cannot write
    "app/keeper/ponte-keeper": ("libfcgi", "libjson-c", "libcurl", "libsodium", "libssl", "libxml2"),
    "app/courier/ponte-courier": ("libfcgi", "libsqlite3"),
    "app/ponte/ponte": ("libfcgi", "libsqlite3"),
}
passed = failed = skipped = 0


def check(ok, text):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("  failed:", text)


def readelf(*args):
    return subprocess.run(["readelf", "-W", *args], capture_output=True, text=True, check=True).stdout


for program, libraries in MUST_NOT_LINK.items():
    path = os.path.join(BUILD, program)
    dynamic, headers, symbols = readelf("-d", path), readelf("-hl", path), readelf("--dyn-syms", path)
    needed = re.findall(r"NEEDED.*\[(.*?)\]", dynamic)
    check("DYN (Position-Independent Executable" in headers or "Type:                              DYN" in headers, f"{program} is no PIE")
    check("GNU_RELRO" in headers and re.search(r"BIND_NOW|FLAGS_1.*NOW", dynamic), f"{program} has no full RELRO")
    check(re.search(r"GNU_STACK.*RW ", headers), f"{program} has an executable stack")
    check("RPATH" not in dynamic and "RUNPATH" not in dynamic, f"{program} has an RPATH")
    for library in libraries:
        check(not any(n.startswith(library + ".") for n in needed), f"{program} links {library}: its role may not")
    if any("asan" in n or "ubsan" in n for n in needed) or "__asan_init" in symbols:
        skipped += 2
        continue
    check("__stack_chk_fail" in symbols, f"{program} has no stack protector")
    check(re.search(r"__\w+_chk", symbols.replace("__stack_chk_fail", "")), f"{program} is built without FORTIFY")

print(f"rules/hardening: {passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed != 0)
