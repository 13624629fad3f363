"""Another key under load: everything goes on, and the former opens nothing any more."""

import json
import stat

import pytest

from conftest import message, wait_for
from odoo import OdooServer
from test_addon_access import SECRET, configure, sign
from test_crash import Load, judge
from test_products import TENANT, connect
from test_reload import reload
from test_rules import BASE, FIELD_TOKEN, rules


def rotate(i, key, *args, check=True):
    return i.run("key", "rotate", key, *args, check=check)


def lines(i, key):
    return (i.dir / "keys" / f"{key}.key").read_text().split()


def restart_role(i, role):
    """As systemctl restart does: the socket stays."""
    old = i.pids(role)
    i.kill(role)
    wait_for(lambda: i.pids(role) and not set(i.pids(role)) & set(old), why=f"{role} is back", show=i.log_tail)


def test_both_keys_are_changed_under_load(make):
    i = make(settings="workers: {hooks: 3, api: 2}\n")
    i.tenant()
    i.tenant("account_7", account=70, installation="seventy", secrets={"bot": "TESTbotOfSeventy"})
    configure(i, secret=SECRET, account=70, installation="seventy")
    (i.dir / "field.token").write_text(FIELD_TOKEN + "\n")
    (i.dir / "field.token").chmod(0o600)
    i.run("token", "new", "addon", "--tenant", "account_7", "--scope", "sync,read", "--token-file", i.dir / "field.token")
    load = Load(i, 2)
    wait_for(lambda: len(load.acked) > 20, 30, show=i.log_tail)
    for key, role in (("intake", "ponte-worker"), ("outgoing", "ponte-courier")):
        former = lines(i, key)
        assert "nothing was written" in rotate(i, key, "--dry-run").stdout and lines(i, key) == former
        said = rotate(i, key).stdout
        assert f"systemctl restart {role}" in said and former[0] not in said
        assert lines(i, key)[0] == former[0] and len(lines(i, key)) == 2
        path = i.dir / "keys" / f"{key}.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        # Nobody has read it yet.
        early = rotate(i, key, check=False)
        assert early.returncode == 1 and (" have not" if key == "intake" else " has not") + " read the next key yet" in early.stderr and len(lines(i, key)) == 2
        restart_role(i, role)
        n = len(load.acked)
        wait_for(lambda: len(load.acked) > n + 20, 30, show=i.log_tail)
        opened = lambda: [e["tenant"] for e in i.events("credentials-access", operation="rotate")]     # noqa: E731
        before = len(opened())
        assert "would be sealed anew" in rotate(i, key, "--dry-run").stdout and len(lines(i, key)) == 2
        wait_for(lambda: sorted(opened()[before:]) == ["account_7", "shop"], why="a line for each tenant", show=i.log_tail)
        done = rotate(i, key).stdout
        wait_for(lambda: len(opened()) >= before + 4, why="a line for each tenant", show=i.log_tail)
        assert sorted(opened()[before + 2:]) == ["account_7", "shop"]
        assert " secrets of 2 tenants are sealed under the new key" in done, done
        assert len(lines(i, key)) == 1 and lines(i, key) != former
        n = len(load.acked)
        wait_for(lambda: len(load.acked) > n + 20, 30, show=i.log_tail)
        # And with the new one alone.
        restart_role(i, role)
        n = len(load.acked)
        wait_for(lambda: len(load.acked) > n + 20, 30, show=i.log_tail)
        assert not i.events("secret-sealed") and not i.events("secret-unreadable")
    load.stop()
    judge(i, load)
    body = rules()
    headers = {"Authorization": "Bearer " + FIELD_TOKEN, "X-Webhook-Signature": sign(body)}
    assert i.ask("POST", BASE + "/sync", json.dumps(body), headers).status == 200, "the addon's secret"


def test_what_no_key_opens_keeps_the_former_key(make):
    i = make(settings="workers: {hooks: 2, api: 1}\n")
    i.tenant()
    stranger = i.dir / "keys" / "outgoing.key"
    kept = stranger.read_text()
    stranger.chmod(0o600)
    stranger.write_text("11" * 32 + "\n")           # the tenant's tokens are of another key
    rotate(i, "outgoing")
    restart_role(i, "ponte-courier")
    r = rotate(i, "outgoing", check=False)
    assert r.returncode == 1 and "cannot be opened" in r.stderr and "shop: " in r.stderr, r.stderr
    assert lines(i, "outgoing")[0] == "11" * 32 and len(lines(i, "outgoing")) == 2
    i.tenant()                                      # as the line says
    assert "sealed under the new key" in rotate(i, "outgoing").stdout
    assert i.send(message()).status == 200
    assert kept not in i.log_tail(5000)


@pytest.mark.parametrize("words", [["rotate"], ["rotate", "both"], ["rotate", "intake", "--force"], ["turn"], ["new", "intake", "x"]])
def test_how_it_is_asked(make, words):
    i = make()
    r = i.run("key", *words, check=False)
    assert r.returncode == 2 and "try: ponte help key" in r.stderr


def test_a_password_that_is_synced_meanwhile_is_under_the_next_key(make):
    odoo = OdooServer(db="shop", keys=("odoo-key", "another-key")).start()
    try:
        i = make(allow=[odoo.url.split("//")[1]])
        connect(i, odoo)
        (i.dir / "field.token").write_text(FIELD_TOKEN + "\n")
        (i.dir / "field.token").chmod(0o600)
        i.run("token", "new", "addon", "--tenant", TENANT, "--scope", "sync,read", "--token-file", i.dir / "field.token")
        rotate(i, "outgoing")
        restart_role(i, "ponte-courier")
        body = {"source": "credentials", "event": "credentials_sync", "account_id": TENANT, "token": FIELD_TOKEN,
                "credentials": {"odoo_url": odoo.url, "odoo_password": "another-key", "token": FIELD_TOKEN}}
        wait_for(lambda: i.ask("POST", "/webhook", json.dumps(body)).status == 200, show=i.log_tail)
        assert rotate(i, "outgoing", "--dry-run").stdout.startswith("2 secrets of 1 tenants would be sealed anew (1 are)")
        rotate(i, "outgoing")
        restart_role(i, "ponte-courier")
        reload(i)
        ask = lambda: i.ask("POST", "/api/v1/products/1/description", "{}", {"Authorization": "Bearer " + FIELD_TOKEN})     # noqa: E731
        assert wait_for(lambda: ask().json["error"]["code"] not in ("SERVICE_UNAVAILABLE_ERROR",), show=i.log_tail)
        assert ask().json["error"]["code"] != "ODOO_AUTHENTICATION_ERROR"
    finally:
        odoo.stop()
