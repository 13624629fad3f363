"""What the operator types: help, exit codes (0 done, 1 could not, 2 wrong command
line), mistakes with their place, and that nothing is changed by asking."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from conftest import BUILD, PONTE, SLOW, message, wait_for
from peer import Peer
from tools import delivery

COMMANDS = ["up", "check", "routes", "send", "queue", "trace", "explain", "tenant", "token", "erase", "key"]
ROLES = ["worker", "keeper", "courier"]


def run(*args, **kw):
    env = {k: v for k, v in os.environ.items() if k != "PONTE_DIR"}
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=30 * SLOW, env=env, **kw)


def one_line(text):
    """One line that says what is wrong."""
    lines = text.splitlines()
    assert len(lines) == 1 and lines[0].startswith("ponte: "), text
    return lines[0]


# ---- help -----------------------------------------------------------------------

@pytest.mark.parametrize("args", [["--help"], ["help"], ["--version"], ["version"], ["help", "settings"], ["help", "tenants"]] +
                         [["help", c] for c in COMMANDS] + [[c, "--help"] for c in COMMANDS])
def test_help_is_on_standard_output_and_0(args):
    r = run(PONTE, *args)
    assert r.returncode == 0 and r.stdout.strip() and not r.stderr, r


@pytest.mark.parametrize("role", ROLES)
def test_the_roles_have_help_version_and_check_too(tmp_path, role):
    program = BUILD / f"app/{role}/ponte-{role}"
    for option, word in (("--help", "usage: ponte-" + role), ("--version", "ponte-" + role)):
        r = run(program, option)
        assert r.returncode == 0 and word in r.stdout, r
    assert run(program, "--nonsense").returncode == 2
    assert run(PONTE, "--dir", tmp_path, "key", "new").returncode == 0
    assert run(program, "--check", "--dir", tmp_path).returncode == 0           # an empty file works
    (tmp_path / "ponte.yaml").write_text("workers:\n  hooks: 900\n  apis: 1\nlimits: {body: 4x}\n")
    r = run(program, "--check", "--dir", tmp_path)
    assert r.returncode == 1
    assert [line.split(": ")[0].rsplit("/", 1)[1] for line in r.stderr.splitlines()][:3] == ["ponte.yaml:2:10", "ponte.yaml:3:3", "ponte.yaml:4:16"] or \
        [re.search(r"ponte\.yaml:\d+", line).group() for line in r.stderr.splitlines()][:3] == ["ponte.yaml:2", "ponte.yaml:3", "ponte.yaml:4"], r.stderr


@pytest.mark.parametrize("args", [[], ["nonsense"], ["--nonsense"], ["help", "nonsense"], ["--dir"], ["--dir", "a", "--config", "b", "check"],
                                  ["up"], ["up", "--dir", "x", "more"], ["routes", "more"], ["queue"], ["queue", "nonsense"],
                                  ["queue", "retry"], ["queue", "drop"], ["queue", "show"], ["queue", "retry", "x"], ["queue", "list", "--state", "x"],
                                  ["queue", "list", "--kind", "x"], ["queue", "list", "--limit", "x"], ["queue", "list", "--event", "x"],
                                  ["queue", "counts", "--state", "dead"], ["queue", "counts", "--kind", "hub"], ["queue", "counts", "7"], ["queue", "counts", "--limit", "5"],
                                  ["queue", "destinations", "--state", "dead"], ["queue", "destinations", "--older", "2h"], ["queue", "destinations", "--all"],
                                  ["tenant"], ["tenant", "nonsense"], ["tenant", "import"], ["tenant", "show"], ["tenant", "remove"],
                                  ["tenant", "show", "../x"], ["tenant", "list", "more"], ["key"], ["key", "new", "else"], ["key", "old"],
                                  ["tenant", "catchup"], ["trace"], ["trace", "x"], ["token"], ["token", "new", "x"], ["token", "new", "x", "--tenant", "y"],
                                  ["token", "revoke", "x"], ["erase"], ["erase", "--tenant", "x"], ["erase", "--tenant", "x", "--contact", "0"],
                                  ["queue", "hold"], ["queue", "release", "x"], ["queue", "list", "--older", "x"],
                                  ["explain"], ["explain", "--sender", "else", "-"], ["send", "--conversation", "0"], ["send", "more"], ["check", "--nonsense"]],
                         ids=lambda a: " ".join(a) or "nothing")
def test_a_wrong_command_line_is_2_and_says_where_to_look(args):
    r = run(PONTE, *args)
    assert r.returncode == 2, r
    assert ("try: ponte help" in r.stderr) or args == [] or "usage" in r.stderr, r.stderr


def test_an_instance_that_does_not_run_is_1_in_one_line(tmp_path):
    for args in (["queue", "list"], ["tenant", "list"], ["tenant", "show", "shop"], ["queue", "retry", "1"]):
        r = run(PONTE, "--dir", tmp_path, *args)
        assert r.returncode == 1 and "is it running?" in one_line(r.stderr), r
    r = run(PONTE, "--config", tmp_path / "none.yaml", "check")
    assert r.returncode == 1 and "none.yaml" in one_line(r.stderr), r


# ---- settings and keys ----------------------------------------------------------

def test_check_says_every_mistake_with_line_and_column(tmp_path):
    (tmp_path / "ponte.yaml").write_text(
        "workers:\n  hooks: 4x\n  hook: 3\nstore:\n  min_free: 010\nhub: {url: \"ftp://x/\"}\ndelivery:\n  allow_private: [nohost]\n"
        "log: {level: loud}\n")
    r = run(PONTE, "--dir", tmp_path, "check")
    places = [(int(a), int(b)) for a, b in re.findall(r"ponte\.yaml:(\d+):(\d+): ", r.stderr)]
    assert r.returncode == 1 and [p[0] for p in places] == [2, 3, 5, 6, 8, 9], r.stderr
    assert places[0] == (2, 10) and places[1] == (3, 3), places
    assert "6 mistakes" in r.stderr and "hooks" in r.stderr


@pytest.mark.parametrize("settings, said", [
    ("enrolment: {secret_file: %s/none}", "enrolment.secret_file %s/none: No such file or directory"),
    ("enrolment: {secret_file: %s/open}", "enrolment.secret_file %s/open can be read by others; set its mode to 0640"),
    ("enrolment: {secret_file: %s/empty}", "enrolment.secret_file %s/empty is empty"),
    ("hub: {url: \"http://127.0.0.1:1/\", token_file: %s/none}", "hub.token_file %s/none: No such file or directory"),
    ("delivery: {ca_file: %s/none}", "delivery.ca_file %s/none: No such file or directory"),
    ("delivery: {ca_file: %s/open}", "delivery.ca_file %s/open has no certificate in it"),
    ("store: {catalog: %s/none/c.db}", "store.catalog %s/none/c.db: there is no directory %s/none"),
    ("store: {path: %s/open/p.db}", "store.path %s/open/p.db: %s/open is not a directory"),
])
def test_every_check_names_a_file_that_no_role_could_use(tmp_path, settings, said):
    for name, text, mode in (("open", "a-good-secret\n", 0o644), ("empty", "", 0o600)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    assert run(PONTE, "--dir", tmp_path, "key", "new").returncode == 0
    (tmp_path / "ponte.yaml").write_text(settings.replace("%s", str(tmp_path)) + "\n")
    said = said.replace("%s", str(tmp_path))
    r = run(PONTE, "--dir", tmp_path, "check")
    assert r.returncode == 1 and f"wrong: {said}\n" in r.stdout and "ok: " not in r.stdout, r
    for role in ROLES:
        r = run(BUILD / f"app/{role}/ponte-{role}", "--check", "--dir", tmp_path)
        assert r.returncode == 1 and r.stderr == f"{tmp_path}/ponte.yaml: {said}\n", (role, r)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "keys", "open", "ponte.yaml"], "it only looks"


@pytest.mark.parametrize("role, settings, text, said", [
    ("worker", "enrolment: {secret_file: secret}", "\n", "enrolment.secret_file %s/secret"),
    ("courier", "hub: {url: \"http://127.0.0.1:1/\", token_file: secret}", "two words\n", "hub.token_file %s/secret"),
])
def test_what_is_in_a_secret_is_seen_by_check_and_by_who_uses_it(tmp_path, role, settings, text, said):
    (tmp_path / "secret").write_text(text)
    (tmp_path / "secret").chmod(0o600)
    assert run(PONTE, "--dir", tmp_path, "key", "new").returncode == 0
    (tmp_path / "ponte.yaml").write_text(settings + "\n")
    r = run(PONTE, "--dir", tmp_path, "check")
    assert r.returncode == 1 and "wrong: " + said.replace("%s", str(tmp_path)) in r.stdout, r
    for one in ROLES:
        r = run(BUILD / f"app/{one}/ponte-{one}", "--check", "--dir", tmp_path)
        assert (r.returncode, said.replace("%s", str(tmp_path)) in r.stderr) == ((1, True) if one == role else (0, False)), (one, r)


@pytest.mark.parametrize("role, key", [("worker", "intake.key"), ("courier", "outgoing.key")])
def test_a_roles_check_opens_its_key(tmp_path, role, key):
    assert run(PONTE, "--dir", tmp_path, "key", "new").returncode == 0
    (tmp_path / "keys" / key).chmod(0o444)
    r = run(BUILD / f"app/{role}/ponte-{role}", "--check", "--dir", tmp_path)
    assert r.returncode == 1 and r.stderr.startswith(f"cannot use {tmp_path}/keys/{key}: others may read it") and r.stderr.count("\n") == 1, r


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("role", ["worker", "courier", "keeper"])
def test_a_reload_is_not_refused_for_a_key_that_systemd_hands_over(role):
    """ExecReload runs as the role's user, which may not read the key: that is handed to the service alone."""
    where = pathlib.Path(tempfile.mkdtemp(prefix="ponte-"))
    try:
        where.chmod(0o755)
        assert run(PONTE, "--dir", where, "key", "new").returncode == 0
        (where / "keys").chmod(0o700)
        (where / "ponte.yaml").write_text("")
        (where / "ponte.yaml").chmod(0o644)
        program = shutil.copy(BUILD / f"app/{role}/ponte-{role}", where)
        r = subprocess.run([program, "--check", "--dir", where], capture_output=True, text=True, check=False,
                           user=65534, group=65534, extra_groups=[])
        assert r.returncode == 0 and not r.stderr, r
    finally:
        shutil.rmtree(where)


def test_check_says_that_anybody_may_make_a_tenant(tmp_path):
    assert run(PONTE, "--dir", tmp_path, "key", "new").returncode == 0
    (tmp_path / "ponte.yaml").write_text("enrolment: {open: true}\n")
    r = run(PONTE, "--dir", tmp_path, "check")
    assert r.returncode == 0 and "note:  enrolment.open: whoever reaches the API may make a tenant" in r.stdout, r


def test_a_worker_says_in_its_log_why_it_does_not_start(tmp_path):
    assert run(PONTE, "--dir", tmp_path, "key", "new").returncode == 0
    (tmp_path / "ponte.yaml").write_text("enrolment: {secret_file: none}\n")
    r = run(BUILD / "app/worker/ponte-worker", "--dir", tmp_path)
    last = json.loads(r.stderr.split(">", 1)[1])
    assert r.returncode == 1 and (last["event"], last["level"]) == ("cannot-start", "error"), r
    assert last["why"] == f"cannot use enrolment.secret_file {tmp_path}/none: No such file or directory", last


def test_key_new_makes_both_and_overwrites_none(tmp_path):
    (tmp_path / "ponte.yaml").write_text("")
    assert run(PONTE, "--dir", tmp_path, "check").returncode == 1
    r = run(PONTE, "--dir", tmp_path, "key", "new")
    assert r.returncode == 0 and r.stdout.count("made ") == 2, r
    kept = {p.name: p.read_bytes() for p in (tmp_path / "keys").iterdir()}
    assert set(kept) == {"intake.key", "outgoing.key"} and kept["intake.key"] != kept["outgoing.key"]
    assert all(p.stat().st_mode & 0o777 == 0o400 for p in (tmp_path / "keys").iterdir())
    for name in ("intake", "outgoing"):
        r = run(PONTE, "--dir", tmp_path, "key", "new", name)
        assert r.returncode == 1 and "not overwritten" in one_line(r.stderr), r
        assert kept[name + ".key"].decode().strip() not in r.stdout + r.stderr
    assert run(PONTE, "--dir", tmp_path, "key", "new").returncode == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "keys").iterdir()} == kept
    (tmp_path / "keys/intake.key").chmod(0o444)
    r = run(PONTE, "--dir", tmp_path, "check")
    assert r.returncode == 1 and "0400" in r.stdout + r.stderr, r


def test_routes_are_the_workers_own_table():
    listed = json.loads(run(PONTE, "routes", "--json").stdout)
    own = json.loads(run(BUILD / "app/worker/ponte-worker", "--routes", "--json").stdout)
    assert listed == own and len(listed) >= 12
    text = run(PONTE, "routes").stdout
    assert all(r["path"] in text and r["help"] in text for r in listed)
    assert {(r["method"], r["path"]) for r in listed} >= {("GET", "/livez"), ("GET", "/readyz"), ("POST", "/webhook"),
                                                         ("POST", "/webhook/chatwoot/{tenant}/{kind}/{secret}")}


# ---- ponte up -------------------------------------------------------------------

def test_up_without_nginx_serves_at_its_sockets(make):
    ponte = make(nginx=False)
    assert ponte.ready == {"ready": True, "https": None, "dir": str(ponte.dir)}
    assert not ponte.pids("nginx")
    ponte.tenant()
    assert json.loads(ponte.run("tenant", "list", "--json").stdout.splitlines()[0])["name"] == "shop"
    r = ponte.run("send", "--conversation", 501, check=False)
    assert r.returncode == 1 and "--with-nginx" in r.stderr, r


def test_a_directory_that_is_too_long_for_sockets_is_said(tmp_path):
    long = tmp_path / ("d" * 60) / ("e" * 60)
    long.mkdir(parents=True)
    r = run(PONTE, "up", "--dir", long)
    assert r.returncode == 1 and "too long" in r.stderr or "107" in r.stderr, r
    assert "--dir" in r.stderr or "ponte.yaml" in r.stderr, r.stderr
    assert not r.stdout


def test_pontedir_speaks_for_dir(make):
    ponte = make(nginx=False)
    r = subprocess.run([PONTE, "tenant", "list"], capture_output=True, text=True, env=dict(os.environ, PONTE_DIR=str(ponte.dir)))
    assert r.returncode == 0 and "no tenants" in r.stdout, r


# ---- tenants --------------------------------------------------------------------

def test_tenants_come_and_go(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    ponte.tenant("other", account=8, installation="second")
    assert {json.loads(line)["name"] for line in ponte.run("tenant", "list", "--json").stdout.splitlines()} == {"shop", "other"}
    shown = json.loads(ponte.run("tenant", "show", "shop", "--json").stdout)
    assert shown["name"] == "shop" and "TEST" not in json.dumps(shown)
    for args in (["tenant", "show", "nobody"], ["tenant", "remove", "nobody"]):
        r = ponte.run(*args, check=False)
        assert r.returncode == 1 and "nobody" in one_line(r.stderr), r
    ponte.hub.script = [{"hold": "thinking"}]
    ponte.send(message(account=8), tenant="other")
    ponte.hub.wait(lambda p: p.requests)
    r = ponte.run("tenant", "remove", "other", check=False)      # it has work that waits
    assert r.returncode == 1 and "1 delivery of other still waits; let it end" in one_line(r.stderr) and "--force" in r.stderr, r
    ponte.hub.release("thinking")
    wait_for(lambda: all(r["state"] == "done" for r in ponte.queue()), show=ponte.log_tail)
    assert "would remove other" in ponte.run("tenant", "remove", "other", "--dry-run").stdout
    assert ponte.send(message(account=8, conversation=502), tenant="other").status == 200, "a dry run removed it"
    wait_for(lambda: all(r["state"] == "done" for r in ponte.queue()), show=ponte.log_tail)
    ponte.run("tenant", "remove", "other")
    assert ponte.send(message(account=8), tenant="other").status == 404         # at once
    assert ponte.send(message()).status == 200
    ponte.check_store()


def test_a_tenant_that_is_imported_again_is_replaced_whole(make):
    second, third = Peer("hub").start(), Peer("chatwoot").start()
    ponte = make(settings="workers: {hooks: 2, api: 1}\n", allow=[f"127.0.0.1:{second.port}", f"127.0.0.1:{third.port}"])
    ponte.tenant(kinds=("bot", "inbox"), extra="    tell: [closed]\n", manners="", inboxes="[{id: 31, account: %d, channel: web, crew: desk}]")
    ponte.send(message())
    ponte.hub.wait(lambda p: p.requests)
    try:
        ponte.tenant(account=9, installation="new", hub=second.url, chatwoot=third.url, inboxes="[]", secrets={"bot": "TESTanotherSecret"})
        shown = json.dumps(json.loads(ponte.run("tenant", "show", "shop", "--json").stdout))
        for old in (ponte.hub.url, ponte.chatwoot.url, '"main"', '"kind": "inbox"', "desk", "closed", '"id": 7'):
            assert old not in shown, (old, shown)
        n = len(ponte.hub.requests)
        assert ponte.send(message()).status in (401, 403), "with the secret of before"
        assert ponte.send(message(account=9), secret="TESTanotherSecret").status == 200
        second.wait(lambda p: p.requests)
        assert len(ponte.hub.requests) == n
    finally:
        second.stop()
        third.stop()


@pytest.mark.parametrize("change, place, word", [
    (("kind: bot", "kind: robot"), 11, "robot"), (("domain: retail", "domains: retail"), 3, "domains"),
    (("account: 7, s", "account: 9, s"), 11, "9"), (("installation: main", "installation: else"), 11, "else"),
    (("secret_file: s", "secret_file: none"), 11, "none"), (("id: 7", "id: seven"), 8, "seven"), (("name: shop", "name: a/b"), 2, "a/b"),
    (("secret_file: s", "label: bot"), 11, "label"), (("bot_id: 4", "bot_id: 4x"), 7, "4x"),
    (("    senders:", "    senders: x\n    more:"), 10, "senders"), (("url: \"https://chat", "uri: \"https://chat"), 6, "ur"),
    ((", secret_file: s", ""), 11, "secret"),
])
def test_a_mistake_in_an_import_has_a_place_and_imports_nothing(tmp_path, change, place, word):
    (tmp_path / "s").write_text("TESTsecretAbcDef123\n")
    (tmp_path / "s").chmod(0o600)
    text = ("tenants:\n  - name: shop\n    domain: retail\n    hub: {url: \"https://hub.example.com\"}\n    installations:\n"
            "      - {id: main, url: \"https://chat.example.com\",\n         bot_id: 4,\n         accounts: [{id: 7}],\n         inboxes: []}\n"
            "    senders:\n      - {kind: bot, label: bot, installation: main, account: 7, secret_file: s}\n")
    (tmp_path / "t.yaml").write_text(text)
    r = run(PONTE, "--dir", tmp_path, "tenant", "import", "--dry-run", tmp_path / "t.yaml")
    assert r.returncode == 0 and "would import shop" in r.stdout, r
    assert change[0] in text
    (tmp_path / "t.yaml").write_text(text.replace(*change))
    r = run(PONTE, "--dir", tmp_path, "tenant", "import", "--dry-run", tmp_path / "t.yaml")
    assert r.returncode == 1 and word in r.stderr and "TESTsecret" not in r.stdout + r.stderr, r
    lines = [int(n) for n in re.findall(r"t\.yaml:(\d+):\d+: ", r.stderr)]
    assert lines and min(abs(n - place) for n in lines) <= 1, r.stderr
    assert "nothing was imported" in r.stderr


# ---- the queue ------------------------------------------------------------------

def test_the_queue_is_shown_filtered_retried_and_dropped(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    ponte.hub.script = [{"json": {"status": "error", "error": "no such crew"}}, {"status": 400}]
    dead = [ponte.send(message(conversation=600 + i)).json["event_id"] for i in range(2)]
    for event in dead:
        wait_for(lambda: delivery(ponte, event)["state"] == "dead", show=ponte.log_tail)
    good = ponte.send(message(conversation=700)).json["event_id"]
    wait_for(lambda: (delivery(ponte, good, "reply") or {}).get("state") == "done", show=ponte.log_tail)

    assert {r["event_id"] for r in ponte.queue("--state", "dead")} == set(dead)
    assert {r["kind"] for r in ponte.queue("--event", good)} == {"hub", "reply"}
    assert ponte.queue("--tenant", "nobody") == [] and len(ponte.queue("--kind", "reply")) == 1
    assert len(ponte.queue("--limit", 2)) == 2
    first, second = (delivery(ponte, event) for event in dead)
    text = ponte.run("queue", "show", first["id"]).stdout
    assert dead[0] in text and "no such crew" in text
    assert json.loads(ponte.run("queue", "show", first["id"], "--json").stdout)["reason"].endswith("no such crew")

    before = ponte.queue()
    r = ponte.run("queue", "drop", "--dry-run", "--all", "--state", "dead")
    assert "would have dropped 2" in r.stdout and ponte.queue() == before
    ponte.run("queue", "drop", first["id"])
    assert delivery(ponte, dead[0])["state"] == "dropped"
    ponte.run("queue", "retry", second["id"])
    wait_for(lambda: delivery(ponte, dead[1])["state"] == "done", show=ponte.log_tail)
    r = ponte.run("queue", "show", 999999, check=False)
    assert r.returncode == 1 and "no such delivery" in one_line(r.stderr), r
    assert delivery(ponte, good)["state"] == "done"     # what is done stays done
    ponte.run("queue", "drop", delivery(ponte, good)["id"], check=False)
    assert delivery(ponte, good)["state"] == "done"
    ponte.check_store()


def test_a_token_that_is_there_already_is_named(make):
    ponte = make(nginx=False)
    ponte.tenant()
    ponte.tenant("other", account=8, installation="eight")
    (ponte.dir / "t").write_text("account_7-3f9c21ab\n")
    (ponte.dir / "t").chmod(0o600)
    new = ["token", "new", "odoo", "--tenant", "shop", "--scope", "sync,read", "--token-file", ponte.dir / "t"]
    ponte.run(*new)
    assert ponte.run(*new, check=False).stderr == "ponte: that token is registered already, as odoo of shop; see: ponte token list\n"
    for name, tenant in (("again", "shop"), ("odoo", "other")):
        r = ponte.run("token", "new", name, "--tenant", tenant, *new[5:], check=False)
        assert r.returncode == 1 and r.stderr == "ponte: that token is registered already, as odoo of shop; see: ponte token list\n", r
    ponte.run("token", "revoke", "odoo", "--tenant", "shop")
    ponte.run(*new, "--expires", "1s")
    time.sleep(1.1)         # one that has run out is there still
    r = ponte.run("token", "new", "odoo", "--tenant", "other", *new[5:], check=False)
    assert "as odoo of shop" in r.stderr, r
    assert "account_7-3f9c21ab" not in ponte.log_tail(200)


def test_the_queue_shows_no_body(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    event = ponte.send(message(text="CANARYbody")).json["event_id"]
    wait_for(lambda: (delivery(ponte, event, "reply") or {}).get("state") == "done", show=ponte.log_tail)
    for args in (["list"], ["list", "--json"], ["show", delivery(ponte, event)["id"]], ["show", "--event", event, "--json"]):
        r = ponte.run("queue", *args)
        assert event in r.stdout and "CANARYbody" not in r.stdout and "+1202" not in r.stdout, r.stdout


# ---- explain, send --------------------------------------------------------------

def test_explain_reads_standard_input_and_stores_nothing(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    body = json.dumps(message(text="olá"))
    r = ponte.run("explain", "-", "--tenant", "shop", "--sender", "bot", "--json", input=body)
    said = json.loads(r.stdout)
    assert said["decision"] == "forward" and said["reason"] and said["message"]["text"] == "olá" and len(said["dedup"]) <= 1, said
    assert set(said) == {"decision", "reason", "dedup", "message"}
    assert ponte.queue() == [] and not ponte.hub.requests
    assert json.loads(ponte.run("explain", "-", "--tenant", "shop", "--sender", "bot", "--json", input=body[:-1]).stdout)["decision"] == "reject_json"
    r = ponte.run("explain", "-", "--tenant", "nobody", "--json", input=body, check=False)
    assert r.returncode == 1 and "nobody" in one_line(r.stderr), r
    r = ponte.run("explain", pathlib.Path("/nonexistent/x.json"), "--fixture-tenant", "--sender", "bot", check=False)
    assert r.returncode == 1 and "/nonexistent/x.json" in one_line(r.stderr), r


def test_explain_needs_no_instance_with_the_fixture_tenant():
    r = run(PONTE, "explain", "-", "--fixture-tenant", "--sender", "bot", "--json", input="{}")
    assert r.returncode == 0 and json.loads(r.stdout)["decision"] == "reject_schema", r


def test_send_follows_a_message_and_says_when_it_fails(make):
    ponte = make(settings="workers: {hooks: 2, api: 1}\n")
    ponte.tenant()
    r = ponte.run("send", "--conversation", 501, "--text", "olá")
    assert [line.split()[2] for line in r.stdout.splitlines()] == ["door", "hub", "reply"], r.stdout
    assert ponte.posted(501)[0][1] == "You said: olá"
    ponte.run("send")
    assert ponte.posted(2**31 - 1)[0][1] == "You said: Hello from ponte send"
    ponte.hub.script = [{"status": 400}]
    r = ponte.run("send", "--conversation", 502, "--json", check=False)
    assert r.returncode == 1 and [json.loads(line)["state"] for line in r.stdout.splitlines()] == ["accepted", "dead"], r
    r = ponte.run("send", "--conversation", 501, "--tenant", "nobody", check=False)
    assert r.returncode == 1 and "nobody" in one_line(r.stderr)


def test_a_recount_without_a_keeper_says_so_and_ends(make):
    ponte = make(start=False)
    r = ponte.run("check", "--store", check=False, timeout=20)
    assert r.returncode == 1 and "no answer from the keeper" in r.stderr, r
