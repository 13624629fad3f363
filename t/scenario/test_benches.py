"""The benches of the Odoo half in their short form: they run, and what they compare is not upside down.
Their marks are for a quiet machine: make xmlrpc, make rules-bench."""

import json
import subprocess
import sys

from conftest import BUILD, SLOW, TOP


def bench(name, tmp_path, *args):
    out = tmp_path / "out.json"
    r = subprocess.run([sys.executable, TOP / "t/bench" / name, BUILD, "--short", "--json", out, *args], capture_output=True, text=True, timeout=120 * SLOW)
    assert r.returncode == 0, r.stdout + r.stderr
    return json.loads(out.read_text())


def test_s7_reading_is_faster_than_python(tmp_path):
    rows = bench("xmlrpc_bench.py", tmp_path)["rows"]
    assert rows["python"]["seconds"] > 2 * rows["ponte"]["seconds"], rows


def test_r9_ten_times_fewer_rules_push_pull_and_load(tmp_path):
    out = bench("rules_bench.py", tmp_path)
    assert out["push"]["unchanged"] < out["push"]["all changed"], out["push"]
    # Its version, a login, what fields three models have, and pages until one is not full.
    assert out["pull"]["requests"] == 5 + 1000 // 500 + 1, out["pull"]
    assert all(r["not_2xx"] == 0 for r in out["webhooks"]["rest"] + out["webhooks"]["busy"]) and out["webhooks"]["syncs"] >= [1]
