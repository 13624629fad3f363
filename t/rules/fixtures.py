#!/usr/bin/env python3
"""Every fixture row and every signature vector, through `ponte explain`.

usage: fixtures.py PONTE        (the built program)

PONTE_FIXTURES names the directory of the fixtures.  Each row is decided alone:
the files of its `given` list go first, each under its own sender.  Prints one
line per row that is not decided as it should be, and ends with

    rules/fixtures: N passed, M failed, K skipped
"""
import json
import os
import subprocess
import sys
import tempfile

# What the fixtures hold when they are there, so that a run without them says
# how much it left out.
KNOWN_ROWS = 65
KNOWN_VECTORS = 96

# Rows whose decision is a setting: what the default does.
DEFAULTS = {
    "message_created.incoming.conversation_open_unassigned.json": "forward",
    "message_updated.audio_transcribed.json": "ignore",
    "version.2_x.message_created.json": "reject_unsigned",
    "version.1_x.message_created.json": "reject_unsigned",
}
POLICY_WORDS = ("policy", "version_policy")


class Tally:
    def __init__(self):
        self.passed = self.failed = 0

    def row(self, name, faults):
        if faults:
            self.failed += 1
            print(f"  row failed: {name}: {'; '.join(faults)}")
        else:
            self.passed += 1


def explain(ponte, args):
    """The answer of `ponte explain`, or a text that says why there is none."""
    run = subprocess.run([ponte, "explain", "--fixture-tenant", "--json", *args],
                         capture_output=True, timeout=60)
    if run.returncode != 0:
        return f"exit {run.returncode}: {run.stderr.decode(errors='replace').strip()[:200]}"
    lines = run.stdout.decode().splitlines()
    if len(lines) != 1:
        return f"{len(lines)} lines of output instead of one"
    answer = json.loads(lines[0])
    if list(answer) != ["decision", "reason", "dedup", "message"]:
        return f"keys {list(answer)}"
    return answer


def expected(row):
    if row["decision"] in POLICY_WORDS:
        return DEFAULTS.get(row["file"], "(a policy row this test does not know)")
    return row["decision"]


def judge_row(row, answer):
    if isinstance(answer, str):
        return [answer]
    faults = []
    want = expected(row)
    if answer["decision"] != want:
        faults.append(f"{answer['decision']} instead of {want} ({answer['reason']})")
    if not answer["reason"]:
        faults.append("no reason given")
    rejected = want.startswith("reject_")
    keys = [] if rejected or not row["dedupe_key"] else [row["dedupe_key"]]
    if answer["dedup"] != keys:
        faults.append(f"dedup {answer['dedup']} instead of {keys}")
    if (answer["message"] is not None) != want.startswith("forward"):
        faults.append("message " + ("missing" if answer["message"] is None else "given"))
    return faults


def check_rows(ponte, fixtures, tally):
    with open(os.path.join(fixtures, "MANIFEST.json"), encoding="utf-8") as f:
        rows = json.load(f)
    senders = {row["file"]: row["sender"] for row in rows}
    for row in rows:
        args = []
        for name in [*row["given"], row["file"]]:
            args += ["--sender", senders[name], os.path.join(fixtures, name)]
        tally.row(row["file"], judge_row(row, explain(ponte, args)))


def vectors(fixtures):
    with open(os.path.join(fixtures, "signatures.json"), encoding="utf-8") as f:
        groups = json.load(f)
    for kind in ("valid", "invalid", "clock", "upper_case", "primitive"):
        group = groups[kind]
        for vector in group if isinstance(group, list) else [group]:
            yield kind, vector


def judge_vector(vector, answer):
    if isinstance(answer, str):
        return [answer]
    if (answer["decision"] != "reject_unsigned") == vector["valid"]:
        return []
    return [f"{answer['decision']} ({answer['reason']}), valid is {vector['valid']}"]


def check_vectors(ponte, fixtures, tally):
    with tempfile.TemporaryDirectory() as scratch:
        secret = os.path.join(scratch, "secret")
        made = os.path.join(scratch, "body")
        for n, (kind, vector) in enumerate(vectors(fixtures)):
            with open(secret, "w", encoding="utf-8") as f:
                f.write(vector["secret"])
            if vector["file"] is None:
                body = made
                with open(made, "w", encoding="utf-8", newline="") as f:
                    f.write(vector["body_utf8"])
            else:
                body = os.path.join(fixtures, vector["file"])
            # "--name=value": a value may begin with '-', or be empty
            args = [f"--timestamp={vector['timestamp']}", f"--signature={vector['signature']}",
                    f"--secret-file={secret}", "--sender", vector.get("sender", "account"), body]
            if "now" in vector:
                args.insert(0, f"--now={vector['now']}")
            name = f"{kind} vector {n}: {vector.get('why', vector['file'])}"
            tally.row(name, judge_vector(vector, explain(ponte, args)))


def main():
    if len(sys.argv) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    top = os.environ.get("PONTE_FIXTURES", "")
    fixtures = os.path.join(top, "chatwoot")
    if not top or not os.path.isfile(os.path.join(fixtures, "MANIFEST.json")):
        print(f"rules/fixtures: 0 passed, 0 failed, {KNOWN_ROWS + KNOWN_VECTORS} skipped")
        return 0
    tally = Tally()
    check_rows(sys.argv[1], fixtures, tally)
    check_vectors(sys.argv[1], fixtures, tally)
    print(f"rules/fixtures: {tally.passed} passed, {tally.failed} failed, 0 skipped")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
