"""Where requests may go: no private address unless the operator named it, no
redirect, no proxy of the environment, and no TLS peer that cannot prove who it
is.  Rows H8 and H9."""

import signal
import socket
import ssl
import subprocess

import pytest

from conftest import message, wait_for
from peer import Peer
from tools import alarms, delivery

SMALL = "workers: {hooks: 2, api: 1}\n"


def tried(ponte, tenant, dest="hub"):
    """The first attempt for this tenant at this destination that did not end well."""
    return wait_for(lambda: [e for e in ponte.events("delivery", tenant=tenant, dest=dest) if e["verdict"] != "done"],
                    20, f"an attempt of {tenant} at its {dest}", ponte.log_tail)[0]


def send_for(ponte, tenant, account):
    a = ponte.send(message(account=account, conversation=account), tenant=tenant)
    assert a.json["status"] == "accepted", a
    return a.json["event_id"]


# ---- H8: addresses --------------------------------------------------------------

def hosts(port):
    """Ways to write an address that is not for us, and one name."""
    return [f"127.0.0.1:{port}", f"localhost:{port}", f"127.1:{port}", f"2130706433:{port}", f"0x7f000001:{port}",
            f"0177.0.0.1:{port}", f"0.0.0.0:{port}", f"[::1]:{port}", f"[::]:{port}", f"[::ffff:127.0.0.1]:{port}",
            f"[::ffff:7f00:1]:{port}", f"[64:ff9b::7f00:1]:{port}", f"127.0.0.1.:{port}",
            "169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "100.100.100.200", "192.168.1.1:8080"]


@pytest.fixture
def forbidden():
    """A peer at IPv4 and IPv6 loopback with one port that nobody has allowed."""
    four = Peer("hub").start()
    six = None
    try:
        six = Peer("hub", host="::1", port=four.port).start()
    except OSError:
        pass                            # a machine without IPv6
    yield four.port, lambda: four.connections + (six.connections if six else 0)
    four.stop()
    if six:
        six.stop()


def test_h8_a_hub_at_a_private_address_is_never_asked(make, forbidden):
    ponte = make(settings=SMALL)
    ponte.tenant()
    port, connections = forbidden
    asked, at_import = {}, []
    for i, host in enumerate(hosts(port)):
        try:
            ponte.tenant(f"t{i}", account=100 + i, hub=f"http://{host}", installation=f"i{i}")
        except AssertionError as e:
            assert ".yaml:" in str(e), e        # refused as an URL, with its place
            at_import.append(host)
            continue
        asked[f"t{i}"] = host, send_for(ponte, f"t{i}", 100 + i)
    # whatever curl would take must reach the judgement of the address
    assert len(asked) >= 8, at_import
    for tenant, (host, event) in asked.items():
        e = tried(ponte, tenant)
        assert e["class"] in ("private address", "resolve", "bad url"), (host, e)
        if not host.startswith(("127.0.0.1.", "0177", "127.1", "[64:")):
            assert e["class"] == "private address" or "bad url" == e["class"], (host, e)
        row = delivery(ponte, event)
        assert row["state"] in ("pending", "claimed", "dead") and row["reason"], row
    assert connections() == 0, "somebody was called"
    # the two that the operator named are called all the same
    event = send_for(ponte, "shop", 7)
    wait_for(lambda: (delivery(ponte, event, "reply") or {}).get("state") == "done", show=ponte.log_tail)


def test_h8_a_chatwoot_at_a_private_address_is_never_asked(make, forbidden):
    ponte = make(settings=SMALL)
    port, connections = forbidden
    for i, host in enumerate((f"localhost:{port}", f"127.0.0.1:{port}", "169.254.169.254")):
        ponte.tenant(f"t{i}", account=100 + i, chatwoot=f"http://{host}", installation=f"i{i}")
        event = send_for(ponte, f"t{i}", 100 + i)
        e = tried(ponte, f"t{i}", "chatwoot")
        assert e["class"] == "private address", e
        assert delivery(ponte, event, "reply")["state"] == "pending"
    assert connections() == 0


def test_h8_a_named_host_and_port_is_allowed_and_no_other_port(make, forbidden):
    """allow_private is read again with the settings, and what waited goes on."""
    ponte = make(settings=SMALL)
    port, connections = forbidden
    ponte.tenant("t", account=100, hub=f"http://127.0.0.1:{port}")
    event = send_for(ponte, "t", 100)
    assert tried(ponte, "t")["class"] == "private address"
    assert connections() == 0
    ponte.allow.append(f"127.0.0.1:{port}")
    ponte.write_settings(SMALL)
    ponte.process.send_signal(signal.SIGHUP)
    wait_for(lambda: ponte.events("reloaded", role="courier"), show=ponte.log_tail)
    ponte.run("queue", "retry", delivery(ponte, event)["id"])         # lifts the stop
    wait_for(lambda: delivery(ponte, event)["state"] == "done", show=ponte.log_tail)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_h8_a_redirect_is_an_answer_and_not_followed(make, status):
    ponte = make(settings=SMALL)
    ponte.tenant()
    there = Peer("hub").start()
    ponte.allow.append(f"127.0.0.1:{there.port}")
    ponte.write_settings(SMALL)         # even an allowed place is not followed to
    ponte.process.send_signal(signal.SIGHUP)
    wait_for(lambda: ponte.events("reloaded", role="courier"), show=ponte.log_tail)
    location = {"Location": there.url + "/elsewhere"}
    ponte.hub.script = [{"status": status, "headers": location}]
    ponte.chatwoot.script = [{"status": status, "headers": location}]
    try:
        first = send_for(ponte, "shop", 7)
        wait_for(lambda: delivery(ponte, first)["state"] == "dead", show=ponte.log_tail)
        second = send_for(ponte, "shop", 7)
        wait_for(lambda: (delivery(ponte, second, "reply") or {}).get("state") == "dead", show=ponte.log_tail)
        assert there.connections == 0
    finally:
        there.stop()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://hub.example.com/", "gopher://hub.example.com/", "//hub.example.com/",
                                 "http://user:word@hub.example.com/", "http://user@hub.example.com/", "http://",
                                 "http://hub.example.com:0/", "http://hub.example.com:99999/", "javascript:alert(1)",
                                 "http://a\\\\@hub.example.com/", "hub.example.com"])
def test_h8_urls_of_another_kind_are_refused_at_import(url):
    """With file, line and column; without an instance: --dry-run asks nobody."""
    import pathlib
    import tempfile
    from conftest import PONTE
    with tempfile.TemporaryDirectory() as d:
        for at in ("hub", "installation"):
            hub, chat = (url, "https://chat.example.com") if at == "hub" else ("https://hub.example.com", url)
            (pathlib.Path(d) / "s").write_text("TESTsecretAbcDef123\n")
            (pathlib.Path(d) / "s").chmod(0o600)
            text = ("tenants:\n  - name: shop\n    domain: retail\n"
                    f"    hub: {{url: \"{hub}\"}}\n    installations:\n"
                    f"      - {{id: main, url: \"{chat}\", bot_id: 4, accounts: [{{id: 7}}]}}\n"
                    "    senders:\n      - {kind: bot, label: bot, installation: main, account: 7, secret_file: s}\n")
            (pathlib.Path(d) / "t.yaml").write_text(text)
            r = subprocess.run([PONTE, "--dir", d, "tenant", "import", "--dry-run", f"{d}/t.yaml"],
                               capture_output=True, text=True)
            assert r.returncode == 1, (at, r)
            assert f"t.yaml:{4 if at == 'hub' else 6}:" in r.stderr and "url" in r.stderr, r.stderr


def test_h8_proxies_of_the_environment_are_ignored(make):
    proxy = Peer("hub").start()
    names = ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
    ponte = make(settings=SMALL, env=dict({n: proxy.url for n in names}, no_proxy="", NO_PROXY=""))
    ponte.tenant()
    try:
        event = send_for(ponte, "shop", 7)
        wait_for(lambda: (delivery(ponte, event, "reply") or {}).get("state") == "done", show=ponte.log_tail)
        ponte.run("send", "--conversation", 501)        # the operator's program too
        assert proxy.connections == 0
    finally:
        proxy.stop()


# ---- H9: TLS --------------------------------------------------------------------

class Authority:
    """A CA of our own, and certificates by it."""

    def __init__(self, d, name="ca"):
        self.d, self.name = d, name
        self.openssl("req", "-x509", *self.key(name), "-out", d / f"{name}.pem", "-days", "2", "-subj", f"/CN=Test {name}")
        self.pem = d / f"{name}.pem"

    def key(self, name):
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.d / f"{name}.key")

    @staticmethod
    def openssl(*args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)

    def leaf(self, name, san="IP:127.0.0.1,DNS:localhost", days=1):
        """(certificate, key), signed by us."""
        d = self.d
        (d / f"{name}.ext").write_text(f"subjectAltName={san}\n")
        self.openssl("req", *self.key(name), "-out", d / f"{name}.csr", "-subj", "/CN=127.0.0.1")
        self.openssl("x509", "-req", "-in", d / f"{name}.csr", "-CA", self.pem, "-CAkey", d / f"{self.name}.key",
                     "-CAcreateserial", "-days", days, "-extfile", d / f"{name}.ext", "-out", d / f"{name}.pem")
        return str(d / f"{name}.pem"), str(d / f"{name}.key")

    def alone(self, name):
        """One that signed itself."""
        self.openssl("req", "-x509", *self.key(name), "-out", self.d / f"{name}.pem", "-days", "1", "-subj", "/CN=127.0.0.1",
                     "-addext", "subjectAltName=IP:127.0.0.1")
        return str(self.d / f"{name}.pem"), str(self.d / f"{name}.key")


def old(peer):
    """Speaks nothing newer than TLS 1.1."""
    peer.context.set_ciphers("ALL:@SECLEVEL=0")
    peer.context.minimum_version = ssl.TLSVersion.TLSv1
    peer.context.maximum_version = ssl.TLSVersion.TLSv1_1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_h9_a_peer_that_cannot_prove_who_it_is_hears_nothing(make, tmp_path):
    ours, other = Authority(tmp_path), Authority(tmp_path, "other")
    cases = {
        "good": ours.leaf("good"), "expired": ours.leaf("expired", days=-1), "wronghost": ours.leaf("wrong", "DNS:else.example.com"),
        "selfsigned": ours.alone("self"), "strangerca": other.leaf("stranger"), "oldtls": ours.leaf("old"),
    }
    peers = {name: Peer("hub", tls=pair).start() for name, pair in cases.items()}
    old(peers["oldtls"])
    ponte = make(settings=SMALL, start=False)
    ponte.allow += [f"127.0.0.1:{p.port}" for p in peers.values()]
    ponte.write_settings(SMALL + f"delivery:\n  allow_private: {{allow}}\n  ca_file: {ours.pem}\n")
    ponte.start()
    try:
        for i, (name, p) in enumerate(peers.items()):
            ponte.tenant(name, account=100 + i, hub=f"https://127.0.0.1:{p.port}", installation=f"i{i}")
        events = {name: send_for(ponte, name, 100 + i) for i, name in enumerate(peers)}
        wait_for(lambda: (delivery(ponte, events["good"], "reply") or {}).get("state") == "done", show=ponte.log_tail)
        for name in peers:
            if name == "good":
                continue
            assert tried(ponte, name)["class"] == "tls", (name, tried(ponte, name))
            # a second try, and still one alarm
            wait_for(lambda: len(ponte.events("delivery", tenant=name)) >= 2, show=ponte.log_tail)
            assert len(alarms(ponte, tenant=name)) == 1, (name, alarms(ponte, tenant=name))
            assert not peers[name].requests, name
            assert delivery(ponte, events[name])["state"] in ("pending", "claimed")
        assert not alarms(ponte, tenant="good")
    finally:
        for p in peers.values():
            p.stop()


def test_h9_the_chatwoot_side_is_judged_alike(make, tmp_path):
    ours = Authority(tmp_path)
    chat = Peer("chatwoot", tls=ours.leaf("good")).start()
    ponte = make(settings=SMALL, start=False)
    ponte.allow.append(f"127.0.0.1:{chat.port}")
    ponte.write_settings(SMALL)         # no ca_file: the certificate is of somebody unknown
    ponte.start()
    try:
        ponte.tenant(chatwoot=chat.url)
        event = send_for(ponte, "shop", 7)
        assert tried(ponte, "shop", "chatwoot")["class"] == "tls"
        assert not chat.requests and len(alarms(ponte)) == 1
        assert delivery(ponte, event, "reply")["state"] in ("pending", "claimed")
        ponte.write_settings(SMALL + f"delivery:\n  allow_private: {{allow}}\n  ca_file: {ours.pem}\n")
        ponte.process.send_signal(signal.SIGHUP)
        wait_for(lambda: ponte.events("reloaded", role="courier"), show=ponte.log_tail)
        wait_for(lambda: delivery(ponte, event, "reply")["state"] == "done", 30, show=ponte.log_tail)
        assert len(chat.messages) == 1
    finally:
        chat.stop()


def test_h9_no_setting_turns_it_off(make):
    ponte = make(nginx=False, start=False)
    listed = ponte.run("help", "settings").stdout.lower()
    for word in ("insecure", "verif", "skip", "unsafe", "tls"):
        assert word not in listed, f"a setting speaks of '{word}'"
    for key in ("insecure", "verify", "tls_verify"):
        ponte.write_settings(f"delivery: {{{key}: false}}\n")
        r = ponte.run("check", check=False)
        assert r.returncode == 1 and "ponte.yaml:1:" in r.stderr and key in r.stderr, r


def test_h8_a_name_is_judged_by_what_it_resolves_to(make, forbidden):
    """The machine's own name, when it resolves to an address of its own."""
    ponte = make(settings=SMALL)
    port, connections = forbidden
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, port)
    except OSError:
        pytest.skip("the machine's name does not resolve")
    ponte.tenant("t", account=100, hub=f"http://{name}:{port}")
    send_for(ponte, "t", 100)
    assert tried(ponte, "t")["class"] == "private address"
    assert connections() == 0
