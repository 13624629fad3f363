#!/usr/bin/env python3
"""The systemd units: systemd takes them, they are shut tight, and they keep to
what is known of systemd 252.   usage: units.py [BUILD_DIR]

Row H14: exposure 1.2 at most (redis-server's mark)."""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]
UNITS = TOP / "systemd"
EXPOSURE = 1.2
passed = failed = skipped = 0


def check(ok, text):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("  failed:", text)


def settings(path):
    """{key: [values]}; sections do not matter here."""
    found = {}
    for line in path.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def traps():
    run = [p for p in UNITS.glob("*.in")]
    check(len(run) == 3, "there are three services")
    for path in run:
        unit, name = settings(path), path.name.split(".")[0]
        check(unit.get("Type") == ["notify"] and "WatchdogSec" in unit, f"{name}: readiness and watchdog")
        check("RuntimeDirectory" not in unit, f"{name}: a shared RuntimeDirectory goes with the first that stops")
        check(("StateDirectory" in unit) == (name == "ponte-keeper"), f"{name}: the state belongs to the keeper alone")
        check(("PrivateUsers" in unit) == (name == "ponte-worker"), f"{name}: PrivateUsers hides a caller's uid")
        check(("PrivateNetwork" in unit) == (name != "ponte-courier"), f"{name}: the courier alone has the network")
        check(unit.get("PartOf") == ["ponte.target"], f"{name}: stopping the target stops it")
        check(len(unit["ExecReload"]) == 2 and "--check" in unit["ExecReload"][0] and "HUP" in unit["ExecReload"][1],
              f"{name}: a reload checks the settings first")
        check(name == "ponte-worker" or unit.get("ReloadPropagatedFrom") == ["ponte-worker.service"], f"{name}: reload reaches it")
        keys = {"ponte-worker": ["intake.key"], "ponte-courier": ["outgoing.key"], "ponte-keeper": []}[name]
        check([c.split(":")[0] for c in unit.get("LoadCredential", [])] == keys, f"{name}: its keys are {keys}")
    for name in "hooks", "api", "keeper", "courier":
        unit = settings(UNITS / f"ponte-{name}.socket")
        check(unit.get("FileDescriptorName") == [name], f"{name}: its descriptor is called so")
        check(unit.get("ListenStream") == [f"/run/ponte/{name}.sock"], f"{name}: where it listens")
        check(unit.get("Backlog") == ["4096"] and unit.get("SocketMode") == ["0660"], f"{name}: backlog and mode")


def systemd():
    global skipped
    if not shutil.which("systemd-analyze"):
        skipped += 4
        return
    with tempfile.TemporaryDirectory(prefix="ponte-units-") as d:
        d = pathlib.Path(d)
        for path in UNITS.glob("ponte*"):
            if path.suffix == ".yaml":
                continue
            text = path.read_text().replace("@pkglibexecdir@", str(d)).replace("@sysconfdir@", "/etc")
            check(not re.search(r"@\w+@", text), f"{path.name}: something is not filled in")
            (d / path.name.removesuffix(".in")).write_text(text)
        for role in "worker", "keeper", "courier":
            (d / f"ponte-{role}").write_text("#!/bin/sh\n")
            (d / f"ponte-{role}").chmod(0o755)
        units = sorted(str(p) for p in d.glob("ponte*.*"))
        r = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
        check(r.returncode == 0 and not r.stderr.strip(), "systemd-analyze verify: " + r.stderr.strip())
        for service in sorted(d.glob("*.service")):
            r = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", str(service)],
                               capture_output=True, text=True)
            found = re.search(r"exposure level for \S+: ([\d.]+)", r.stdout)
            check(found and float(found.group(1)) <= EXPOSURE,
                  f"{service.name}: exposure {found.group(1) if found else r.stderr.strip()}, {EXPOSURE} at most")


def users():
    """The roles' users can be made.  Nothing is: --dry-run."""
    global skipped
    if not shutil.which("systemd-sysusers"):
        skipped += 1
        return
    with tempfile.TemporaryDirectory(prefix="ponte-users-") as d:
        r = subprocess.run(["systemd-sysusers", "--dry-run", f"--root={d}", UNITS / "sysusers.d/ponte.conf"],
                           capture_output=True, text=True)
    said = r.stdout + r.stderr
    made = [role for role in ("worker", "keeper", "courier") if f"Creating user 'ponte-{role}'" in said]
    check(r.returncode == 0 and len(made) == 3, "systemd-sysusers: " + said.strip())


traps()
systemd()
users()
print(f"rules/units: {passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed != 0)
