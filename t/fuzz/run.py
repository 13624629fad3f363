#!/usr/bin/env python3
"""Runs each fuzzer for some seconds on its corpus.   run.py SECONDS CORPUS_TOP PROGRAM...

CORPUS_TOP/corpus/<name>/ holds seeds and everything that ever broke it; new
inputs go to a temporary directory.  A crash is printed with its input."""

import os
import pathlib
import subprocess
import sys
import tempfile

seconds, top, programs = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
passed = failed = 0
for program in programs:
    name = os.path.basename(program)
    with tempfile.TemporaryDirectory() as fresh:
        seeds = top / "corpus" / name
        argv = [os.path.abspath(program), f"-max_total_time={seconds}", "-max_len=65536", "-timeout=10", "-rss_limit_mb=2048",
                "-print_final_stats=1", fresh] + ([str(seeds.resolve())] if seeds.is_dir() else [])
        r = subprocess.run(argv, capture_output=True, text=True, errors="replace", cwd=fresh)
        runs = [line.split()[-1] for line in r.stderr.splitlines() if "number_of_executed_units" in line]
        print(f"  {name}: {runs[0] if runs else '?'} runs, {'clean' if r.returncode == 0 else 'BROKEN'}", flush=True)
        if r.returncode == 0:
            passed += 1
        else:
            failed += 1
            print(r.stderr[-6000:])
            for crash in pathlib.Path(fresh).glob("*-*"):
                if crash.name.startswith(("crash-", "oom-", "timeout-", "leak-")):
                    print(f"  input {crash.name}: {crash.read_bytes()[:400]!r}")
print(f"fuzz: {passed} passed, {failed} failed, 0 skipped")
sys.exit(failed != 0)
