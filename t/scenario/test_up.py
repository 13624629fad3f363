"""ponte up: it holds the sockets, brings back what dies, and goes when told."""

import os
import signal
import socket
import ssl
import stat
import subprocess
import threading

import pytest

from conftest import PONTE, SLOW, message, wait_for

ROLES = ("ponte-worker", "ponte-keeper", "ponte-courier", "nginx")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_everything_lies_in_its_directory_and_is_private(ponte):
    for name in ("run", "state", "keys", "tls", "nginx", "log", "keys/intake.key", "keys/outgoing.key",
                 "tls/key.pem", "run/https"):
        mode = stat.S_IMODE((ponte.dir / name).stat().st_mode)
        assert mode & 0o077 == 0, f"{name} has mode {mode:o}"
    assert ponte.ready == {"ready": True, "https": ponte.https, "dir": str(ponte.dir)}
    assert (ponte.dir / "run/https").read_text() == ponte.https + "\n"
    context = ssl.create_default_context(cafile=ponte.dir / "tls/cert.pem")
    for name in ("localhost", "127.0.0.1"):
        with context.wrap_socket(socket.create_connection(("127.0.0.1", ponte.port), 10),
                                 server_hostname=name):
            pass


def test_settings_are_written_when_there_are_none(make):
    i = make(start=False, nginx=False)
    i.dir = i.dir / "a/b"               # what leads there is made too
    i.start()
    assert stat.S_IMODE((i.dir / "ponte.yaml").stat().st_mode) == 0o600
    text = (i.dir / "ponte.yaml").read_text()
    assert "workers" in text and i.ready["https"] is None
    assert i.run("check", check=False).returncode == 0


@pytest.mark.parametrize("program", ROLES)
def test_what_dies_comes_back_and_no_request_is_lost(ponte, program):
    pid = ponte.pids(program)[0]
    os.kill(pid, signal.SIGKILL)
    assert wait_for(lambda: ponte.events("died", signal=9), show=ponte.log_tail)[0]["child"] == pid
    wait_for(lambda: [p for p in ponte.pids(program) if p != pid], show=ponte.log_tail)
    event = wait_for(lambda: ponte.send(message()).json.get("event_id"), show=ponte.log_tail)
    assert event
    ponte.chatwoot.wait_messages(1)


def test_a_killed_master_leaves_no_worker_behind(ponte):
    before = ponte.pids("ponte-worker")
    assert len(before) > 2
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: not any(alive(p) for p in before), show=ponte.log_tail)


def test_a_role_that_dies_young_is_not_started_in_a_loop(make):
    i = make(start=False, nginx=False)
    (i.dir / "state").mkdir()
    (i.dir / "state/ponte.db").write_text("this is no store, and the keeper must not touch it\n" * 100)
    i.start(wait=False)
    wait_for(lambda: len(i.events("died", program="keeper")) >= 4, 20, show=i.log_tail)
    waits = [e["again_in_ms"] for e in i.events("died", program="keeper")]
    assert waits[:4] == [200, 400, 800, 1600]
    assert i.stop() == 0


def test_killed_it_takes_its_roles_along(make):
    i = make()
    pids = [p for program in ROLES for p in i.pids(program)]
    i.process.kill()
    i.process.wait()
    wait_for(lambda: not any(alive(p) for p in pids), 30, "they outlive ponte up")


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_from_the_front_to_the_back(make, signo):
    i = make()
    pids = [p for program in ROLES for p in i.pids(program)]
    assert i.stop(signo) == 0
    assert [e["program"] for e in i.events("stopped", role="up")] == ["nginx", "worker", "courier", "keeper"]
    assert not any(alive(p) for p in pids)
    assert not (i.dir / "run/https").exists()
    i.start()
    i.tenant()
    assert i.send(message()).status == 200


def test_two_on_one_directory_are_one_too_many(ponte):
    r = subprocess.run([PONTE, "up", "--dir", ponte.dir], capture_output=True, text=True, timeout=10 * SLOW)
    assert r.returncode == 1 and "another 'ponte up'" in r.stderr
    assert ponte.send(message()).status == 200


def test_a_taken_port_is_said(ponte, make):
    other = make(start=False)
    r = subprocess.run([PONTE, "up", "--dir", other.dir, "--with-nginx", "--https-port", str(ponte.port)],
                       capture_output=True, text=True, timeout=10 * SLOW)
    assert r.returncode == 1 and f"port {ponte.port}: Address already in use" in r.stderr, r.stderr


def test_bad_settings_change_nothing(ponte):
    before = {p: ponte.pids(p)[0] for p in ROLES}
    (ponte.dir / "ponte.yaml").write_text("workers: {hooks: 4x}\n")
    ponte.process.send_signal(signal.SIGHUP)
    wait_for(lambda: any("ponte.yaml:1:18: workers.hooks" in line for line in ponte.lines), show=ponte.log_tail)
    assert not ponte.events("reloaded")
    assert {p: ponte.pids(p)[0] for p in ROLES} == before
    assert ponte.send(message()).status == 200


def test_a_reload_reaches_nginx_when_it_must(ponte):
    def certificate():
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(socket.create_connection(("127.0.0.1", ponte.port), 10)) as s:
            return s.getpeercert(True)

    kept, before = ponte.connect(), certificate()
    assert ponte.send(message(), connection=kept).status == 200
    ponte.process.send_signal(signal.SIGHUP)
    wait_for(lambda: ponte.events("reloaded", role="up"), show=ponte.log_tail)
    assert ponte.send(message(), connection=kept).status == 200, "nothing changed for nginx: the connection stays"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=localhost", "-keyout", ponte.dir / "tls/key.pem", "-out", ponte.dir / "tls/cert.pem"],
                   check=True, capture_output=True)
    ponte.write_settings("nginx: {trusted: [192.0.2.0/24]}\n")
    ponte.process.send_signal(signal.SIGHUP)
    wait_for(lambda: certificate() != before, show=ponte.log_tail)
    assert "192.0.2.0/24 1;" in (ponte.dir / "nginx/nginx.conf").read_text()
    assert ponte.ask("GET", "/health").status == 200


def test_ten_reloads_under_load_fail_no_request(ponte):
    stop, statuses = threading.Event(), []

    def load():
        connection = ponte.connect()
        while not stop.is_set():
            statuses.append(ponte.send(message(), connection=connection).status)

    senders = [threading.Thread(target=load) for _ in range(4)]
    for t in senders:
        t.start()
    try:
        for n in range(1, 11):
            ponte.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(ponte.events("reloaded", role="up")) >= n, show=ponte.log_tail)
            wait_for(lambda: len(ponte.events("reloaded", role="worker")) >= n, 30, show=ponte.log_tail)
    finally:
        stop.set()
        for t in senders:
            t.join()
    assert len(statuses) > 50 and set(statuses) == {200}, {s: statuses.count(s) for s in set(statuses)}


@pytest.mark.parametrize("args, why", [
    (["up"], "--dir"), (["up", "--dir", "DIR", "--https-port", "70000"], "not a port"),
    (["up", "--dir", "DIR", "--nonsense"], "takes no"), (["up", "--dir", "DIR", "more"], "takes no"),
])
def test_a_wrong_command_line_is_2(tmp_path, args, why):
    env = {k: v for k, v in os.environ.items() if k != "PONTE_DIR"}
    r = subprocess.run([PONTE, *[str(tmp_path / "x") if a == "DIR" else a for a in args]], capture_output=True, text=True,
                       env=env, timeout=10)
    assert r.returncode == 2 and why in r.stderr and not (tmp_path / "x").exists()


def test_nginx_inherits_a_socket_at_which_no_worker_can_sleep(ponte):
    """A worker of nginx that loses the race for a connection must not block in accept()."""
    import pathlib
    seen = 0
    for pid in ponte.pids("nginx"):
        for fd in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
            inode = os.readlink(f"/proc/{pid}/fd/{fd.name}")
            listening = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
                         if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" == inode]
            if listening and int(listening[0][1].split(":")[1], 16) == ponte.port:
                flags = int(fd.read_text().split("flags:")[1].split()[0], 8)
                assert flags & os.O_NONBLOCK, f"nginx {pid} holds a blocking socket"
                seen += 1
    assert seen >= 2


@pytest.mark.parametrize("role", ["keeper", "courier", "worker"])
def test_a_reload_that_meets_a_role_at_its_start_is_heard(make, role):
    ponte = make(nginx=False)
    for n in range(3):
        ponte.kill("ponte-" + role)
        wait_for(lambda: len([e for e in ponte.events("started", role="up") if e["program"] == role]) == n + 2, show=ponte.log_tail)
        ponte.process.send_signal(signal.SIGHUP)        # some milliseconds before it listens to signals
        wait_for(lambda: len(ponte.events("reloaded", role=role)) == n + 1, show=ponte.log_tail)
    assert not [e for e in ponte.events("died") if e["signal"] == signal.SIGHUP], ponte.log_tail()
