"""R5: an Odoo that does not answer takes workers of the API, and nobody else's; and what may be asked of one at all."""

import concurrent.futures
import json
import shutil
import socket
import statistics
import struct
import tempfile
import threading
import time

import pytest

from conftest import SLOW, Instance, message, wait_for
from odoo import OdooServer

BASE = "/api/v1/products"
ENDS = {(504, "SERVICE_UNAVAILABLE_ERROR"), (502, "ODOO_CONNECTION_ERROR"), (503, "SERVICE_UNAVAILABLE_ERROR")}


@pytest.fixture
def odoos():
    pair = []
    for _ in range(2):
        o = OdooServer().start()
        o.model("product.template", list_price="float", categ_id="many2one")
        o.add("product.template", name="Pão", list_price=0.8, categ_id=(3, "Pães"))
        pair.append(o)
    yield pair
    for o in pair:
        o.stop()


def make_shop(make, odoos, settings):
    i = make(settings=settings, allow=[o.url.split("//")[1] for o in odoos])
    (i.dir / "import").mkdir(exist_ok=True)
    (i.dir / "import" / "odoo.key").write_text("odoo-key\n")
    i.bearer = {}
    for n, o, account in (("slow", odoos[0], 7), ("quick", odoos[1], 8)):
        i.tenant(n, account=account, installation=n, secrets={"bot": f"TESTbotSecretOf{n}"},
                 extra=f"    odoo: {{url: \"{o.url}\", db: shop, login: ponte, key_file: odoo.key, pull: 0}}\n")
        i.bearer[n] = {"Authorization": "Bearer " + i.addon_token(n)}
    return i


def test_two_tenants_of_one_database_take_turns(make, odoos):
    shared = odoos[0]
    i = make_shop(make, (shared, shared), "workers: {hooks: 1, api: 8}\n")
    assert listed(i, "slow") == listed(i, "quick") == (200, None)
    shared.script = [{"method": "search_count", "delay": 0.2, "times": 0}]
    shared.most_in_flight = 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda n: listed(i, ("slow", "quick")[n % 2]), range(4)))
    assert ends == [(200, None)] * 4
    assert shared.most_in_flight == 1


def listed(i, tenant, path=BASE + "/list"):
    a = i.ask("POST", path, "{}", i.bearer[tenant])
    return a.status, (a.json.get("code") or (a.json.get("error") or {}).get("code")) if a.status != 200 else None


class Customers:
    """Webhooks one behind the other; how long each took."""

    def __init__(self, i, connection):
        self.i, self.c, self.n = i, connection, 0

    def write(self, n):
        times = []
        for _ in range(n):
            self.n += 1
            body = message("oi", id=70000 + self.n, conversation=400 + self.n % 40)
            began = time.monotonic()
            a = self.i.send(body, tenant="slow", secret="TESTbotSecretOfslow", connection=self.c)
            times.append(time.monotonic() - began)
            assert a.status == 200, a
        return times


def test_workers_that_wait_for_an_odoo_delay_no_webhook(make, odoos):
    slow, quick = odoos
    i = make_shop(make, odoos, "workers: {hooks: 2, api: 4}\n")
    assert listed(i, "slow") == listed(i, "quick") == (200, None)
    customers = Customers(i, i.connect())
    customers.write(50)
    rest = customers.write(200)

    slow.script = [{"method": "search_count", "delay": 40, "times": 0}]
    workers = i.pids("ponte-worker")
    ends, over = [], threading.Event()

    def ask(n):
        while not over.is_set():
            path = ("/webhook" if n % 2 else "") + BASE + "/list"
            began = time.monotonic()
            ends.append((*listed(i, "slow", path), time.monotonic() - began))
            over.wait(0.3)              # nginx lets 20 a second in

    threads = [threading.Thread(target=ask, args=(n,), daemon=True) for n in range(6)]
    for t in threads:
        t.start()
    wait_for(lambda: slow.in_flight, why="a call that hangs")
    during, others = [], []
    began = time.monotonic()
    while time.monotonic() - began < 10 * SLOW:
        during += customers.write(20)
        t = time.monotonic()
        others.append((*listed(i, "quick"), time.monotonic() - t))
        time.sleep(0.1)
    over.set()
    for t in threads:
        t.join(40 * SLOW)

    # Webhooks: as before.  The median is what a machine full of tests can tell.
    assert statistics.median(during) < 3 * statistics.median(rest), (statistics.median(during), statistics.median(rest))
    assert max(during) < 1 * SLOW
    # Every call ended by itself, with a code, and not one worker had to be killed for it.
    assert {e[:2] for e in ends} <= ENDS, {e[:2] for e in ends}
    assert (504, "SERVICE_UNAVAILABLE_ERROR") in {e[:2] for e in ends}
    assert i.pids("ponte-worker") == workers and not i.events("worker-gone"), i.events("worker-gone")
    # The other tenant's Odoo was asked all the time.
    assert {o[:2] for o in others} == {(200, None)} and len(others) > 5, others
    # And the slow one is, as soon as it answers.
    slow.script = []
    wait_for(lambda: listed(i, "slow") == (200, None), 60, why="the slow one again", show=i.log_tail)


def test_one_that_is_stuck_is_killed_and_one_that_waits_is_not(make, odoos):
    """Both are longer at it than their deadline; one of them waits for an Odoo, which has a deadline of its own."""
    slow, _ = odoos
    i = make_shop(make, odoos, "workers: {hooks: 1, api: 3, deadline: 1s}\n")
    assert listed(i, "slow") == (200, None)
    slow.script = [{"method": "search_count", "delay": 4}]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        call = pool.submit(listed, i, "slow")
        wait_for(lambda: slow.in_flight, why="a call that hangs")
        with socket.socket(socket.AF_UNIX) as s:        # connects, and says nothing: whoever takes it is stuck
            s.connect(str(i.dir / "run/api.sock"))
            gone = wait_for(lambda: i.events("worker-gone"), why="the stuck one is killed", show=i.log_tail)
        assert not call.done(), "it was killed while the other waited"
        assert call.result() == (200, None), "4 s of Odoo are no worker that is stuck"
    assert [(e["group"], e["why"]) for e in gone] == [("api", "deadline")], gone
    assert i.events("worker-gone") == gone


def test_who_waited_once_has_no_more_time_afterwards(make, odoos):
    i = make_shop(make, odoos, "workers: {hooks: 1, api: 1, deadline: 1s}\n")
    assert listed(i, "slow") == (200, None)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(i.dir / "run/api.sock"))
        wait_for(lambda: i.events("worker-gone", why="deadline"), 10, why="the stuck one is killed", show=i.log_tail)


# ---- what may be asked ------------------------------------------------------

CALL, NAME, BODY, DELAY, KIND, RESULT, REASON = 75, 4, 12, 29, 33, 2, 3       # lib/protocol.h
NOT_ALLOWED = "Odoo is not asked for that by others than the courier"


def frame(kind, fields):
    body = b"".join(struct.pack("<HI", tag, len(v)) + v for tag, v in fields)
    return struct.pack("<IHHQ", len(body), 1, kind, 1) + body


def call(i, tenant, model, method, *args):
    """As a worker calls that is no longer ours."""
    asked = json.dumps({"model": model, "method": method, "args": list(args)}).encode()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20 * SLOW)
        s.connect(str(i.dir / "run/courier.sock"))
        s.sendall(frame(CALL, [(NAME, tenant.encode()), (KIND, struct.pack("<Q", 1)), (DELAY, struct.pack("<q", 10000)), (BODY, asked)]))
        said = b""
        while len(said) < 16 or len(said) < 16 + struct.unpack_from("<I", said)[0]:
            said += s.recv(65536) or pytest.fail(f"cut: {said}")
    found, at = {}, 16
    while at < len(said):
        tag, n = struct.unpack_from("<HI", said, at)
        found.setdefault(tag, said[at + 6:at + 6 + n])
        at += 6 + n
    return struct.unpack("<Q", found[RESULT])[0], found.get(REASON, b"").decode()


@pytest.mark.parametrize("model, method, args", [
    ("res.users", "read", [[1]]), ("res.partner", "search_read", [[]]), ("ir.model", "search_read", [[]]),
    ("product.template", "unlink", [[1]]), ("product.template", "create", [{"name": "x"}]), ("product.template", "copy", [1]),
    ("product.template", "write", [[1], {"name": "x"}]), ("product.template", "write", [[1], {"list_price": 1, "standard_price": 1}]),
    ("product.template", "write", [[1]]), ("product.template", "write", []),
    ("product.template", "rea", []), ("product.template", "", []), ("product.template", "read search_read", []),
    ("product.template ", "read", [[1]]), ("", "read", [[1]]), ("product.category", "write", [[1], {"list_price": 1}]),
])
def test_a_worker_cannot_have_the_whole_of_odoo(asked_shop, model, method, args):
    i, odoo = asked_shop
    assert call(i, "slow", model, method, *args)[1] == (NOT_ALLOWED if model and method else "a call of Odoo needs a model and a public method")
    assert {r["model"] for r in odoo.requests} <= {"", "product.template"} and not [r for r in odoo.requests if r["method"] == method and r["args"] == args]


def test_what_it_needs_it_has(asked_shop):
    i, odoo = asked_shop
    assert call(i, "slow", "product.template", "read", [1]) == (1, "")
    assert call(i, "slow", "product.template", "write", [1], {"list_price": 2.5}) == (1, "")
    assert odoo.models["product.template"][1]["list_price"] == 2.5


@pytest.fixture(scope="module")
def asked_shop():
    odoo = OdooServer().start()
    odoo.model("product.template", list_price="float", standard_price="float")
    odoo.add("product.template", name="Pão", list_price=0.8)
    directory = tempfile.mkdtemp(prefix="ponte-")
    i = Instance(directory, nginx=False, allow=[odoo.url.split("//")[1]]).start()
    (i.dir / "import").mkdir()
    (i.dir / "import" / "odoo.key").write_text("odoo-key\n")
    i.tenant("slow", extra=f"    odoo: {{url: \"{odoo.url}\", db: shop, login: ponte, key_file: odoo.key, pull: 0}}\n")
    yield i, odoo
    i.close()
    odoo.stop()
    shutil.rmtree(directory)
