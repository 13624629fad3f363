"""A long queue costs nothing but disk, and goes as fast as the hub.  Rows L6, S6
and S9 in the short form of `make backlog`: a hundredth of the events."""

import json
import subprocess
import sys

from conftest import BUILD, TOP


def backlog(tmp_path, part, *more):
    ran = subprocess.run([sys.executable, TOP / "t/bench/backlog.py", BUILD, part, "--short", "--root", tmp_path,
                          "--json", tmp_path / "json", *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert ran.returncode == 0, ran.stdout      # it looks at the order and at the books itself
    return json.loads((tmp_path / "json").read_text())[part], ran.stdout


def test_l6_a_day_without_the_hub(tmp_path):
    r, said = backlog(tmp_path, "day")
    assert r["queued"] >= 4000, said
    for role, before in r["memory"][0].items():
        assert r["memory"][1][role] <= before * 1.25 + 1024, f"{role} grows with the queue:\n{said}"
    assert r["alarms"] == 1, said
    assert r["messages"] == r["asked"], "not each message was told once\n" + said
    assert r["most_in_flight"] <= 8, said


def test_s6_the_drain_keeps_pace_with_the_hub(tmp_path):
    shapes = ("each event a request of its own", "questions and notices in turn")
    shares = []
    for _ in range(3):                  # the hub and the drain are measured one after the other, and others work here too
        r, said = backlog(tmp_path, "drain")
        assert all(r[shape]["most_in_flight"] == 8 for shape in shapes), said
        shares.append(min(r[shape]["share"] for shape in shapes))
        if shares[-1] >= 0.6:           # 0.8 on a machine that does nothing else
            break
    assert max(shares) >= 0.6, said


def test_s9_the_first_delivery_does_not_wait_for_the_queue(tmp_path):
    few, _ = backlog(tmp_path, "start", "--events", "4000")
    many, said = backlog(tmp_path, "start", "--events", "40000")
    assert (few["queued"], many["queued"]) == (4000, 40000)
    assert min(many["ms"]) <= 3 * min(few["ms"]), f"{few['ms']} ms with 4000 queued\n{said}"
