#!/usr/bin/env python3
"""What compilers and checkers find without running anything: gcc -fanalyzer,
clang's warnings, clang-tidy, cppcheck.   analyse.py TOP_SRCDIR

A suppression of one place stands beside it with its reason; those of a whole
check stand here with theirs."""

import concurrent.futures
import os
import pathlib
import subprocess
import sys

TOP = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
os.chdir(TOP)
PKG = subprocess.run(["pkg-config", "--cflags", "json-c", "libcurl", "sqlite3", "libsodium", "libcrypto", "yaml-0.1", "libsystemd", "libxml-2.0"],
                     capture_output=True, text=True, check=True).stdout.split()
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-I.", '-DPACKAGE_VERSION="0"', '-DPONTE_LIBEXECDIR="/"', '-DPONTE_DATADIR="/"',
         '-DPONTE_SYSCONFDIR="/"', '-DPONTE_TOP_SRCDIR="/"', *PKG]
SOURCES = sorted(str(p.relative_to(TOP)) for d in ("lib", "app") for p in (TOP / d).rglob("*.c"))

# gcc 12's analyzer does not know __attribute__((cleanup)) nor that -errno is
# negative: its leaks and unset values are none.  ASan, Valgrind and clang look
# for those.
GCC = ["gcc", *FLAGS, "-O1", "-Wall", "-Wextra", "-fanalyzer", "-Wno-analyzer-malloc-leak", "-Wno-analyzer-file-leak",
       "-Wno-analyzer-use-of-uninitialized-value", "-Wno-maybe-uninitialized", "-Wno-analyzer-possible-null-argument",
       "-c", "-o", "/dev/null"]
CLANG = ["clang", *FLAGS, "-Wall", "-Wextra", "-Wshadow", "-Wno-sign-compare", "-fsyntax-only"]
TIDY_CHECKS = ",".join([
    "-*", "bugprone-*", "clang-analyzer-*",
    # matters of style, settled otherwise in this tree
    "-bugprone-easily-swappable-parameters", "-bugprone-assignment-in-if-condition", "-bugprone-macro-parentheses",
    "-bugprone-narrowing-conversions", "-bugprone-implicit-widening-of-multiplication-result", "-bugprone-branch-clone",
    "-bugprone-reserved-identifier", "-bugprone-suspicious-string-compare", "-bugprone-sizeof-expression",
    # wants memcpy_s and friends, which glibc does not have
    "-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling",
    # `fd = -1` behind a hand-over, and CLEANUP(): clang 14 does not know the
    # attribute, so it sees leaks and stores that nobody reads
    "-clang-analyzer-unix.Malloc", "-clang-analyzer-deadcode.DeadStores",
    # takes a length that counts the NUL for one that does not
    "-bugprone-not-null-terminated-result",
    # false on va_start (clang 14)
    "-clang-analyzer-valist.Uninitialized",
])


def run(argv, source):
    r = subprocess.run(argv, capture_output=True, text=True, errors="replace")
    said = "\n".join(line for line in (r.stdout + r.stderr).splitlines()
                     if not line.endswith(("warnings generated.", "warning generated.")) and "Suppressed" not in line
                     and "Use -header-filter" not in line)
    return source, argv[0], said.strip() if (said.strip() and (r.returncode or "warning:" in said)) else ""


def main():
    jobs = []
    for s in SOURCES:
        jobs += [(GCC + [s], s), (CLANG + [s], s),
                 (["clang-tidy", "--quiet", f"--checks={TIDY_CHECKS}", "--warnings-as-errors=*", s, "--", *FLAGS], s)]
    jobs.append((["cppcheck", "-q", "--enable=warning,portability", "--std=c11", "--inline-suppr", "--error-exitcode=1",
                  "--suppress=missingIncludeSystem", "--suppress=unknownMacro",
                  # CLEANUP() again
                  "--suppress=memleak", "--suppress=memleakOnRealloc", "-I.", "-D_GNU_SOURCE", "-D__cppcheck__", "lib", "app"], "all"))
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for source, tool, said in pool.map(lambda j: run(*j), jobs):
            if said:
                failed += 1
                print(f"  failed: {tool} on {source}\n{said[:3000]}", flush=True)
            else:
                passed += 1
    print(f"rules/analyse: {passed} passed, {failed} failed, 0 skipped")
    return failed != 0


sys.exit(main())
