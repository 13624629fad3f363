"""The tree of files of the system before becomes tenants: what it says, once, and not more."""

import base64
import hashlib
import hmac
import json
import os
import struct
import subprocess

import pytest

from odoo import OdooServer
from test_addon_sync import credentials, mapping, send
from test_rules import BASE, rules

PASSWORD = "s3nha-exemplo"
TOKEN = "account_7-3f9c21ab"
KEY = base64.urlsafe_b64encode(bytes(range(1, 33))).decode()


def fernet(text, key=KEY):
    """As the system before wrote it, by openssl."""
    raw = base64.urlsafe_b64decode(key)
    iv = os.urandom(16)
    sealed = subprocess.run(["openssl", "enc", "-aes-128-cbc", "-K", raw[16:].hex(), "-iv", iv.hex()], input=text.encode(),
                            capture_output=True, check=True).stdout
    token = b"\x80" + struct.pack(">Q", 1746450000) + iv + sealed
    token += hmac.new(raw[:16], token, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(token)


def account(root, name, domain="retail", url="https://odoo.example.com", token=TOKEN, password=PASSWORD, more=""):
    d = root / "domains" / domain / name
    d.mkdir(parents=True)
    (d / "config.yaml").write_text(
        f"account_id: {name}\nname: \"Padaria S\\xE3o Jo\\xE3o\"\ndescription: ''\nintegrations:\n  mcp:\n    config:\n      credential_ref: {token}\n"
        f"      db: padaria\n      url: {url}\n      username: ponte\n    type: odoo-mcp\n  qdrant:\n    collection: business_rules_{name}\n"
        f"  redis:\n    prefix: {name}\n{more}")
    (d / "credentials.yaml").write_text(f"account_id: {name}\ncredentials:\n  {token}: {password}\n  fb_token_{name}: EAAB-other\n")
    return d


@pytest.fixture
def odoo():
    o = OdooServer(db="padaria", keys=(PASSWORD,)).start()
    o.model("product.template", list_price="float")
    o.add("product.template", name="Pão francês", list_price=0.8)
    yield o
    o.stop()


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "fernet.key"
    path.write_text(KEY + "\n")
    path.chmod(0o600)
    return path


def bring(i, root, *args, check=True):
    return i.run("tenant", "import-legacy", root, *args, check=check)


def shown(i, name):
    r = i.run("tenant", "show", name, "--json", check=False)
    return json.loads(r.stdout) if r.returncode == 0 else None


def test_a_tree_becomes_tenants(make, odoo, key, tmp_path):
    i = make(allow=[odoo.url.split("//")[1]])
    root = tmp_path / "config"
    account(root, "account_7", url=odoo.url + "/", password="ENC:" + base64.urlsafe_b64encode(fernet(PASSWORD)).decode())
    account(root, "account_8", "bakery", token="account_8-00c0ffee", password="ENC:another-secret",
            more="company_metadata:\n  name: Padaria\n")
    (root / "webhook_config.yaml").write_text("default_domain: retail\n")
    (root / "chatwoot_mapping.yaml").write_text(
        "accounts:\n  '7': {account_id: account_7, domain: retail}\n  '8': {account_id: account_8}\n  '9': retail\n"
        "inboxes:\n  '31': {account_id: account_7, domain: bakery}\n")

    r = bring(i, root, "--fernet-key", key, "--dry-run")
    assert "would import account_7: domain retail, Odoo " + odoo.url + " with its password, its token, 2 mappings" in r.stdout, r.stdout
    assert "2 tenants, 4 remarks; nothing was written" in r.stdout
    for line in ("credentials.yaml:3:23: it is marked as encrypted and is not", "config.yaml:17:3: company_metadata is not taken",
                 "chatwoot_mapping.yaml:4:3: 9 is not taken", "webhook_config.yaml: it is not read"):
        assert line in r.stderr, r.stderr
    assert shown(i, "account_7") is None

    r = bring(i, root, "--fernet-key", key)
    assert "imported account_8: domain bakery, Odoo https://odoo.example.com with its password, its token, 1 mapping\n" in r.stdout
    t = shown(i, "account_7")
    assert (t["domain"], t["odoo"]["url"], t["odoo"]["db"], t["odoo"]["login"]) == ("retail", odoo.url, "padaria", "ponte"), t
    # The addon's token opens, and the password is the right one.
    bearer = {"Authorization": "Bearer " + TOKEN}
    a = i.ask("POST", BASE + "/sync", json.dumps(rules()), bearer)
    assert a.status == 200, a
    a = i.ask("POST", "/api/v1/products/1/description", "{}", bearer)
    assert a.json["error"]["code"] != "ODOO_AUTHENTICATION_ERROR" and odoo.logins == 1, a
    # It opens nothing of the other.
    assert i.ask("GET", BASE + "/active?account_id=account_8", headers=bearer).status == 403

    # Once more changes nothing, and what a newer file says stays.
    before = shown(i, "account_7")
    bring(i, root, "--fernet-key", key)
    assert shown(i, "account_7") == before
    i.tenant("account_7")
    assert shown(i, "account_7")["odoo"]["url"] == odoo.url
    # The addon goes on as it did.
    assert send(i, credentials(odoo_url=odoo.url, odoo_db="padaria", domain="")).json["message"] == "credentials unchanged"

    log = i.log_tail(5000) + r.stdout + r.stderr
    files = [p for p in (i.dir / "state").rglob("*") if p.is_file()]
    for secret in (PASSWORD, "another-secret", TOKEN, "account_8-00c0ffee", KEY, "EAAB-other"):
        assert secret not in log
        assert not [p for p in files if secret.encode() in p.read_bytes()], secret


def test_a_key_that_does_not_fit(make, key, tmp_path):
    i = make(nginx=False)
    root = tmp_path / "config"
    account(root, "account_7", password="ENC:" + base64.urlsafe_b64encode(fernet(PASSWORD)).decode())
    r = bring(i, root, "--dry-run")
    assert "give the key (CREDENTIAL_ENCRYPTION_KEY) with --fernet-key FILE" in r.stderr and " without a password" in r.stdout
    key.write_text(base64.urlsafe_b64encode(bytes(32)).decode())
    r = bring(i, root, "--fernet-key", key)
    assert "encrypted with another key, or was changed" in r.stderr and " without a password" in r.stdout
    # Without its password the tenant is there, and the right key completes it.
    assert shown(i, "account_7")["odoo"]["url"] == "https://odoo.example.com"
    key.write_text(KEY)
    assert "filled in account_7: its password; stays: " in bring(i, root, "--fernet-key", key).stdout

    key.chmod(0o644)
    r = bring(i, root, "--fernet-key", key, check=False)
    assert r.returncode == 1 and "its mode to 0400" in r.stderr
    key.chmod(0o600)
    key.write_text("no key")
    r = bring(i, root, "--fernet-key", key, check=False)
    assert r.returncode == 1 and "is no Fernet key" in r.stderr and "no key\n" not in r.stderr


def test_what_is_no_tree_writes_nothing(make, tmp_path):
    i = make(nginx=False)
    root = tmp_path / "config"
    r = bring(i, root, check=False)
    assert r.returncode == 1 and "there is no domain in" in r.stderr
    account(root, "account_7")
    account(root, "account_7", "bakery")
    r = bring(i, root, check=False)
    assert r.returncode == 1 and "account_7 is of domain retail and of bakery, too" in r.stderr and shown(i, "account_7") is None
    for words in ([], [root, root], [root, "--fast"], ["--fernet-key"]):
        r = i.run("tenant", "import-legacy", *words, check=False)
        assert r.returncode == 2 and "try: ponte help tenant" in r.stderr, words


def test_names_and_files_that_cannot_be(make, tmp_path):
    i = make(nginx=False)
    root = tmp_path / "config"
    outside = account(tmp_path / "elsewhere", "account_1")
    account(root, "account_7")
    (root / "domains/retail/account_6").symlink_to(outside)
    account(root, "conta com espaço", token="account_5-aaaaaaaa")
    (root / "domains/retail/account_5").mkdir()
    broken = account(root, "account_4", token="account_4-bbbbbbbb")
    (broken / "config.yaml").write_text("account_id: [\n")
    large = account(root, "account_3", token="account_3-cccccccc")
    (large / "credentials.yaml").write_text("# " + "x" * (4 * 1024 * 1024))
    deep = account(root, "account_2", token="account_2-dddddddd")
    (deep / "credentials.yaml").write_text("credentials: " + "[" * 5000)
    r = bring(i, root, "--json", check=False)
    assert r.returncode == 0, r.stderr
    assert [json.loads(line)["tenant"] for line in r.stdout.splitlines()] == ["account_2", "account_3", "account_7"]
    linked = account(root, "account_8", token="account_8-eeeeeeee")
    (tmp_path / "other.yaml").write_text((linked / "credentials.yaml").read_text())
    (linked / "credentials.yaml").unlink()
    (linked / "credentials.yaml").symlink_to(tmp_path / "other.yaml")
    r = bring(i, root, "--json", check=False)
    assert [json.loads(line)["tenant"] for line in r.stdout.splitlines()] == ["account_2", "account_3", "account_7", "account_8"]
    assert json.loads(r.stdout.splitlines()[3])["password"] is False
    for line in ("account_6: it is left out: a symbolic link is not followed", "account_8/credentials.yaml: it is left out: a symbolic link is not followed",
                 "conta com espaço: it is left out", "account_5/config.yaml: it is not there", "account_4/config.yaml:", "larger than 4 MiB"):
        assert line in r.stderr, r.stderr
    assert shown(i, "account_6") is None and shown(i, "account_1") is None


def test_what_is_another_tenants_stays_so(make, tmp_path):
    i = make(nginx=False)
    root = tmp_path / "config"
    i.tenant("shop")                     # has account 7 of Chatwoot
    account(root, "account_8", token="account_8-00c0ffee")
    (root / "chatwoot_mapping.json").write_text(json.dumps({"accounts": {"7": {"account_id": "account_8"}}}))
    account(root, "account_9", token="account_9-00c0ffee")
    r = bring(i, root, check=False)
    assert r.returncode == 1 and "account_8 was not imported" in r.stderr and "shop" not in r.stdout, r.stderr
    assert "imported account_9" in r.stdout and shown(i, "account_8") is None
    # Nor its token.
    root2 = tmp_path / "config2"
    account(root2, "account_10", token="account_9-00c0ffee")
    r = bring(i, root2, check=False)
    assert r.returncode == 1 and "that token is another tenant's" in r.stderr
    assert "UNIQUE" not in r.stderr and not [line for line in i.lines if "UNIQUE" in line]
    assert shown(i, "account_10") is None


def test_check_names_what_an_addon_will_not_find(make, tmp_path):
    i = make(nginx=False)
    root = tmp_path / "config"
    account(root, "account_7", token="account_7-3f9c21ab", password="''")
    bring(i, root)
    said = i.run("check", check=False).stdout
    assert "note:  tenant account_7: support documents come without a token" in said and "open: {documents: [ADDRESS]}" in said
    assert "note:  tenant account_7: there is no key for its Odoo" in said and "wrong: tenant account_7 has no hub" in said
    assert said.index("support documents") < said.index("no key for its Odoo")
    (i.dir / "import").mkdir(exist_ok=True)
    (i.dir / "import" / "odoo.key").write_text("odoo-key\n")
    i.tenant("account_7", extra="    odoo: {url: \"https://odoo.example.com\", db: a, login: b, key_file: odoo.key, open: {documents: [127.0.0.1]}}\n")
    assert "account_7" not in i.run("check").stdout


def mapped(i, name="account_7"):
    return {(m["account"], m["inbox"] or 0): m["domain"] for m in shown(i, name)["mappings"]}


def test_a_second_import_fills_what_is_empty_and_undoes_nothing_newer(make, tmp_path):
    i = make()
    root = tmp_path / "config"
    account(root, "account_7")
    (root / "chatwoot_mapping.yaml").write_text("accounts:\n  '7': {account_id: account_7, domain: retail}\n")
    assert "imported account_7: " in bring(i, root).stdout
    # Since then: its addon has another server, token and mapping.
    newer = "account_7-11111111"
    a = send(i, credentials(token=newer, odoo_url="https://new.example.com", odoo_db="nova", odoo_password="another-key"), TOKEN)
    assert a.status == 401, a
    i.run("token", "revoke", "odoo-addon", "--tenant", "account_7")
    tokens = tmp_path / "addon.token"
    tokens.write_text(newer)
    tokens.chmod(0o600)
    i.run("token", "new", "odoo-addon", "--tenant", "account_7", "--scope", "sync,read", "--token-file", tokens)
    a = send(i, credentials(token=newer, odoo_url="https://new.example.com", odoo_db="nova", odoo_password="another-key"))
    assert a.status == 200, a
    assert send(i, mapping(token=newer)).status == 200
    before = shown(i, "account_7")
    assert before["odoo"]["url"] == "https://new.example.com" and mapped(i) == {(7, 0): "bakery"}

    # What came into the tree in the meantime is filled in, and nothing else.
    (root / "chatwoot_mapping.yaml").write_text("accounts:\n  '7': {account_id: account_7, domain: retail}\n"
                                               "inboxes:\n  '31': {account_id: account_7, domain: toys}\n")
    for words in (["--dry-run"], []):
        said = bring(i, root, *words).stdout
        assert ("would fill in" if words else "filled in") + " account_7: 1 mapping; stays: domain restaurant, " \
            "Odoo https://new.example.com, its password, its token, 1 mapping\n" in said, said
        assert mapped(i) == ({(7, 0): "bakery"} if words else {(7, 0): "bakery", (7, 31): "toys"})
    now = shown(i, "account_7")
    assert dict(now, mappings=0) == dict(before, mappings=0)
    for token, status in ((newer, 200), (TOKEN, 401)):
        assert i.ask("GET", BASE + "/active", headers={"Authorization": "Bearer " + token}).status == status
    said = bring(i, root).stdout
    assert "nothing to fill in account_7; stays: domain restaurant, Odoo https://new.example.com, its password, its token, 2 mappings\n" in said, said
    said = json.loads(bring(i, root, "--json").stdout)
    assert (said["found"], said["imported"], said["stays"]) == (True, False, ["domain", "odoo", "password", "token", "mappings"]), said

    # A token that was revoked does not come back by itself.
    i.run("token", "revoke", "odoo-addon", "--tenant", "account_7")
    r = bring(i, root)
    assert "account_7: the addon's token is left out: it may have been revoked; ponte token new odoo-addon" in r.stderr, r.stderr
    assert i.ask("GET", BASE + "/active", headers={"Authorization": "Bearer " + TOKEN}).status == 401
    assert i.run("token", "list", "--tenant", "account_7", "--json").stdout == ""

    # Who says so gets the tree's.
    assert "imported account_7: domain retail, Odoo https://odoo.example.com with its password, its token, 2 mappings\n" in bring(i, root, "--force").stdout
    now = shown(i, "account_7")
    assert (now["domain"], now["odoo"]["url"], now["odoo"]["db"]) == ("retail", "https://odoo.example.com", "padaria")
    assert mapped(i) == {(7, 0): "retail", (7, 31): "toys"}
    assert i.ask("GET", BASE + "/active", headers={"Authorization": "Bearer " + TOKEN}).status == 200


def test_an_import_fills_what_the_operators_file_left_open(make, tmp_path):
    i = make()
    root = tmp_path / "config"
    account(root, "account_7")
    i.tenant("account_7", extra="    odoo: {lang: pt_BR, open: {documents: [127.0.0.1]}}\n")
    said = bring(i, root).stdout
    assert "filled in account_7: Odoo https://odoo.example.com, its password, its token; stays: domain retail\n" in said, said
    odoo = shown(i, "account_7")["odoo"]
    assert (odoo["url"], odoo["db"], odoo["login"], odoo["key"]) == ("https://odoo.example.com", "padaria", "ponte", "set"), odoo
    assert odoo["open"]["documents"] == ["127.0.0.1"] and odoo["lang"] == "pt_BR"
    assert "  lang: pt_BR\n" in i.run("tenant", "show", "account_7").stdout
    assert i.ask("GET", BASE + "/active", headers={"Authorization": "Bearer " + TOKEN}).status == 200


def test_a_mapping_that_cannot_be_read_stops_it_before_an_older_one_counts(make, tmp_path):
    i = make(nginx=False)
    root = tmp_path / "config"
    account(root, "account_7")
    (root / "chatwoot_mapping.yaml").write_text("accounts:\n  '7': {account_id: account_7, domain: old}\n")
    for text, place in (("{\"accounts\": {", ".json:2:1: not YAML"), ("# " + "x" * (4 * 1024 * 1024), ".json: it is larger than 4 MiB")):
        (root / "chatwoot_mapping.json").write_text(text)
        r = bring(i, root, check=False)
        assert r.returncode == 1 and "chatwoot_mapping" + place in r.stderr and shown(i, "account_7") is None, r
        assert "chatwoot_mapping.json is there and cannot be read: mend it or move it away; nothing was imported" in r.stderr
    (root / "chatwoot_mapping.json").unlink()
    bring(i, root)
    assert mapped(i) == {(7, 0): "old"}


def test_one_token_of_two_accounts_is_neithers_and_what_was_not_put_is_not_counted(make, tmp_path):
    i = make(nginx=False)
    i.tenant("shop")                     # has account 7 of Chatwoot
    root = tmp_path / "config"
    account(root, "account_8")
    account(root, "account_9")
    account(root, "account_10", token="account_10-aaaaaaaa")
    (root / "chatwoot_mapping.json").write_text(json.dumps({"accounts": {"7": {"account_id": "account_10"}}}))
    for words in (["--dry-run"], []):
        r = bring(i, root, *words, check=False)
        for name in ("account_8", "account_9"):
            assert f"{name}/config.yaml: its token is left out: it is that of account_{17 - int(name[-1])}, too" in r.stderr, r.stderr
            assert f"import{'' if words else 'ed'} {name}: domain retail, Odoo https://odoo.example.com with its password, no token" in r.stdout, r.stdout
    assert r.returncode == 1 and "account_10 was not imported" in r.stderr
    assert "2 tenants, 1 not imported, 2 remarks; " in r.stdout, r.stdout
    assert TOKEN not in r.stdout + r.stderr
