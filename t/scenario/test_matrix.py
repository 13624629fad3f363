"""Who may what: each row of the route table, in each of its forms, with each
kind of token and account.  Row H12, decisions 4 and 7.

What is expected follows from the row alone, so a row that is added is judged
without a word here."""

import hashlib
import hmac
import itertools
import json
import shutil
import tempfile
from typing import NamedTuple

import pytest

from conftest import Instance, dump, message, sign
from odoo import OdooServer
from routes import ACCESS, ALIASED, PRINTED, TABLE, Asker, code_of, everything, forms, moved, named, rows, state

A, B = "acacia", "bambuzal"             # tenants; and the words that mark what is theirs
ACCOUNT = {A: 7, B: 8}
SECRET = {A: "TESTsecretOfAcacia01", B: "TESTsecretOfBambuzal02"}
SCOPES = ("sync", "read", "reply")
FIELD = {"sync", "read"}                # what a token of the field may do
REFERENCE = {A: f"{A}-3f9c21ab", B: f"{B}-77aa01cd"}


def other(tenant):
    return B if tenant == A else A


# ---- asking -------------------------------------------------------------------

def new_token(ponte, tenant, name, scopes, text=None):
    more = []
    if text:
        (ponte.dir / f"{name}.token").write_text(text + "\n")
        (ponte.dir / f"{name}.token").chmod(0o600)
        more = ["--token-file", ponte.dir / f"{name}.token"]
    said = ponte.run("token", "new", name, "--tenant", tenant, "--scope", ",".join(scopes), "--json", *more).stdout
    return "Bearer " + (text or json.loads(said)["token"])


def new_tokens(ponte):
    """By tenant and what it is called: "all", one scope, "field", "gone"."""
    made = {}
    for t in (A, B):
        made |= {(t, s): new_token(ponte, t, s, [s]) for s in SCOPES}
        made[t, "all"] = new_token(ponte, t, "all", SCOPES)
        made[t, "field"] = new_token(ponte, t, "field", sorted(FIELD), REFERENCE[t])
        made[t, "gone"] = new_token(ponte, t, "gone", SCOPES)
        ponte.run("token", "revoke", "gone", "--tenant", t)
    return made


@pytest.fixture(scope="module")
def two():
    """Two tenants with an Odoo each, and their tokens."""
    root = tempfile.mkdtemp(prefix="ponte-")
    odoos = {t: OdooServer(db=t, keys=(f"key-of-{t}",)).start() for t in (A, B)}
    i = Instance(root, "", allow=[o.url.split("//")[1] for o in odoos.values()])
    try:
        i.start()
        for t, o in odoos.items():
            o.model("product.template", list_price="float", ai_price="float", categ_id="many2one", default_code="char",
                    description="html", description_sale="text")
            (i.dir / "import").mkdir(exist_ok=True)
            (i.dir / "import" / f"{t}.key").write_text(f"key-of-{t}\n")
            i.tenant(t, account=ACCOUNT[t], installation=t, secrets={"bot": SECRET[t]},
                     extra=f"    odoo: {{url: \"{o.url}\", db: {t}, login: ponte, key_file: {t}.key, pull: 0}}\n")
        i.odoos, i.token, i.asker = odoos, new_tokens(i), Asker(i)
        yield i
    finally:
        i.close()
        for o in odoos.values():
            o.stop()
        shutil.rmtree(root, ignore_errors=True)


# ---- the cells ----------------------------------------------------------------

class Kind(NamedTuple):
    """What a request brings.  refused: the code, for all rows alike; else the scopes that it has."""
    name: str
    token: object                       # a text, None, or (tenant, name) of two.token
    account: object = None
    refused: str = ""
    scopes: frozenset = frozenset()
    guess: bool = False

    def foreign(self):
        return not self.refused and self.account not in (None, self.token[0])

    def expects(self, row):
        """The code of the refusal; "": it comes in."""
        return self.refused or ("AUTHORIZATION_ERROR" if self.foreign() or row["scope"] not in self.scopes else "")

    def __str__(self):
        return f"{self.name}, account {self.account}"


def kinds():
    def no(name, token, code, **more):
        return [Kind(name, token, account, code, **more) for account in (None, A)]

    def of(tenant, name, scopes, accounts):
        return [Kind(f"{tenant}'s {name}", (tenant, name), account, scopes=frozenset(scopes)) for account in accounts]

    found = no("none", None, "UNAUTHORIZED") + no("empty", "", "UNAUTHORIZED") + no("a blank", " ", "UNAUTHORIZED")
    found += no("Basic", "Basic YWNhY2lhOmFjYWNpYQ==", "UNAUTHORIZED") + no("no scheme", REFERENCE[A], "UNAUTHORIZED")
    found += no("Bearer alone", "Bearer", "UNAUTHORIZED") + no("Bearer and a blank", "Bearer  ", "UNAUTHORIZED")
    found += no("too short", "Bearer x", "INVALID_TOKEN") + no("two words", f"Bearer {REFERENCE[A]} x", "INVALID_TOKEN")
    found += no("cut", "Bearer ponte_" + "ab" * 31, "INVALID_TOKEN") + no("no hex", "Bearer ponte_" + "xy" * 32, "INVALID_TOKEN")
    found += no("unknown", "Bearer ponte_" + "ab" * 32, "INVALID_TOKEN") + no("revoked", (A, "gone"), "INVALID_TOKEN")
    found += no("unknown of the field", f"Bearer {A}-00000000", "INVALID_TOKEN", guess=True)
    for scope in SCOPES:
        found += of(A, scope, [scope], (None, A, B))
    found += of(A, "field", FIELD, (None, A, B)) + of(A, "all", SCOPES, (None, A, B, A.upper(), A + "x"))
    return found + of(B, "all", SCOPES, (A, B)) + of(B, "field", FIELD, (A, B))


KINDS = kinds()
HOME, FOREIGN = [k for k in KINDS if not k.foreign()], [k for k in KINDS if k.foreign()]
ROWS = rows(access="token")
GUARDED = [f for row in ROWS for f in forms(row)]
AWAY = (502, 503, 504)                  # Odoo, the hub: behind the door


def judge(form, kind, answer):
    """What is wrong with the answer; None: nothing."""
    wants, row, challenge = kind.expects(form.row), form.row, answer.headers["WWW-Authenticate"]
    if wants:
        status = 403 if wants == "AUTHORIZATION_ERROR" else 401
        if (answer.status, challenge) != (status, ACCESS[wants]):
            return f"{str(answer):.150} with {challenge!r} instead of {status} {wants}"
        if form.method == "HEAD":
            return f"HEAD with a body: {answer!r}" if answer.body else None
        return None if code_of(row, answer) == wants else f"{answer!r} instead of {wants}"
    if answer.status in (401, 403, 405, 429) or challenge or (answer.status >= 500 and answer.status not in AWAY):
        return f"{answer!r} instead of what the handler says"
    if answer.status == 404 and b'"Not Found"' in answer.body:
        return f"{answer!r}: there is no such path"
    return None


def test_the_table_is_covered():
    """By its own text: no row is missed, none is asked twice, and the aliases are there."""
    tokens = PRINTED.count('"access":"token"')
    assert len(TABLE) == PRINTED.count('"method":') and tokens == len(rows(access="token")) >= 20
    assert {r["access"] for r in TABLE} == {"token", "open", "signed"}, "a kind of access that is not judged here"
    assert {r["scope"] for r in rows(access="token")} <= set(SCOPES)
    gets = PRINTED.count('"method":"GET","path":"/api/') + PRINTED.count('"method":"GET","path":"/tools/')
    aliased = sum(r["path"].startswith(ALIASED) for r in rows(access="token"))
    assert len(set(map(str, GUARDED))) == len(GUARDED) == tokens + aliased + 2 * gets, "forms"
    assert len(set(KINDS)) == len(KINDS) >= 40


def look(two, form, kind):
    """What is wrong in this cell, as a list of one line or none."""
    token = two.token[kind.token] if isinstance(kind.token, tuple) else kind.token
    fault = judge(form, kind, two.asker(form, token, kind.account, guess=kind.guess))
    return [f"{form}, {kind}: {fault}"] if fault else []


def judged(cells, wrong, wanted):
    assert cells == wanted and wanted > 0
    assert not wrong, f"{len(wrong)} of {cells}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("kind", HOME, ids=str)
def test_h12_each_row_with_each_token(two, kind):
    found = [look(two, form, kind) for form in GUARDED]
    judged(len(found), sum(found, []), len(GUARDED))


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_h12_each_row_with_the_account_of_another(two, row):
    """Decision 4: the token decides, and an account_id that is not its own is refused."""
    found = [look(two, form, kind) for form in forms(row) for kind in FOREIGN]
    judged(len(found), sum(found, []), len(forms(row)) * len(FOREIGN))


# ---- whose data it is ---------------------------------------------------------

IDS = {"document_id": 42, "product_id": 1, "rule_id": 1}
QUERY = "query=p%C3%A3o&score_threshold=0&limit=100&page_size=100&domain=retail&product_ids=1,2,3"


def mark(tenant, what):
    return f"pão {tenant}.{what}."


def speak(tenant, more=""):
    return lambda what: mark(tenant, what + more)


def texts_of(value):
    if isinstance(value, str):
        return [value]
    within = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return sum((texts_of(v) for v in within), [])


def labels(text, tenant):
    return {word.split(".")[1] for word in text.split() if word.startswith(tenant + ".")}


READS = [f for f in GUARDED if f.method == "GET" or (f.method != "HEAD" and f.row["scope"] == "read")]
WRITES = [f for f in GUARDED if f.method not in ("GET", "HEAD") and f.row["scope"] != "read"]


@pytest.fixture(scope="module")
def full(two):
    """Both tenants have something of everything."""
    for t in (A, B):
        for name in ("first", "second", "third"):
            two.odoos[t].add("product.template", name=mark(t, name), list_price=4.5, ai_price=4.0,
                             categ_id=(3, mark(t, name + "-category")), default_code=mark(t, name + "-code"),
                             description_sale=mark(t, name + "-sale"))
        for form in sorted(WRITES, key=lambda f: "clear" not in f.path):        # what takes away comes first
            two.asker(form, two.token[t, "all"], None, dump(everything(speak(t))), IDS, QUERY)
    two.rule_ids = {t: [r["id"] for r in rules_of(two, t)] for t in (A, B)}
    assert all(len(ids) >= 3 for ids in two.rule_ids.values()) and not set(two.rule_ids[A]) & set(two.rule_ids[B])
    return two


def rules_of(two, t):
    listing = next(f for f in READS if f.path.endswith("/business-rules"))
    return two.asker(listing, two.token[t, "all"], query=QUERY).json["data"]["rules"]


def read(two, form, reader, account, owner):
    """The answer to a reader who asks for the ids of the owner."""
    body, ids = dump({"query": "pão", "limit": 100}), two.rule_ids[owner] if "{rule_id}" in form.path else [1]
    return [two.asker(form, two.token[reader, "all"], account, body, dict(IDS, rule_id=id), QUERY) for id in ids]


def test_h12_nobody_reads_what_is_another_tenants(full):
    cells, seen, silent = 0, {A: set(), B: set()}, set()
    for form, reader, account, owner in itertools.product(READS, (A, B), (None, A, B, f"{A}&account_id={B}"), (A, B)):
        for answer in read(full, form, reader, account, owner):
            text = answer.body.decode()
            cells += 1
            assert other(reader) not in text.lower(), (str(form), reader, account, answer)
            seen[reader] |= labels(text, reader)
            if account is None and owner == reader and (answer.status != 200 or reader not in text):
                silent.add(f"{form}: {answer!r}")
    by_rule = sum("{rule_id}" in f.path for f in READS)
    rules = len(full.rule_ids[A]) + len(full.rule_ids[B])
    assert cells == (len(READS) - by_rule) * 2 * 4 * 2 + by_rule * 2 * 4 * rules
    # Each text was there to be seen, by its owner.
    wanted = labels(" ".join(texts_of(everything(speak(A)))), A) - {"late", "hello", "bye", "query"} | {"first", "second"}
    assert seen[A] >= wanted, wanted - seen[A]
    assert seen[B] == seen[A]
    assert len(silent) * 4 <= len(READS), silent


def view(two, t):
    """All that a tenant reads of its own, without what changes with each request."""
    found = {}
    for form in READS:
        for n, answer in enumerate(read(two, form, t, None, t)):
            if answer.headers["Content-Type"] == "application/json":
                found[str(form), n] = answer.status, {k: v for k, v in answer.json.items() if k not in ("meta", "request_id")}
            else:
                found[str(form), n] = answer.status, answer.body
    return found


def test_h12_nobody_writes_what_is_another_tenants(full):
    before, mine = view(full, A), view(full, B)
    odoo, cells = len(full.odoos[A].requests), 0
    bodies = [b"{}", dump(everything(speak(B, "-again"))), dump(dict(everything(speak(B, "-again")), account_id=A))]
    ids = [dict(IDS, rule_id=rule) for rule in full.rule_ids[A]]
    for form, account, body, values in itertools.product(WRITES, (None, A, f"{B}&account_id={A}"), bodies, ids):
        answer = full.asker(form, full.token[B, "all"], account, body, values, QUERY)
        cells += 1
        assert A not in answer.body.decode().lower(), (str(form), account, answer)
    assert cells == len(WRITES) * 3 * 3 * len(ids)
    assert len(full.odoos[A].requests) == odoo, "somebody else's Odoo was asked"
    assert view(full, A) == before
    assert view(full, B) != mine, "nothing was written at all"
    mixed = [r["body"] for r in full.hub.requests if A.encode() in r["body"] and B.encode() in r["body"]]
    assert full.hub.requests and not mixed


def test_d30_rules_of_one_name_are_many(full):
    """One name in two tenants, in each kind, and twice in one."""
    def speaks(t, kinds):
        return {kind: [dict(name="Entrega", description=f"{t} {kind} {n}", type="delivery") for n in (1, 2)] for kind in kinds}

    def sees(t):
        listing = next(f for f in READS if f.path.endswith("/business-rules"))
        found = full.asker(listing, full.token[t, "all"], query="page_size=100").json["data"]["rules"]
        return sorted(r["description"] for r in found), {r["id"] for r in found}

    def push(t, path, body):
        form = next(f for f in WRITES if f.path.endswith(path))
        return full.asker(form, full.token[t, "all"], body=dump(body)).status

    two_kinds, third = ("permanent_rules", "temporary_rules"), ("scheduling_rules",)
    for t in (A, B):
        assert push(t, "/business-rules/sync", speaks(t, two_kinds)) == 200
        assert push(t, "/sync-scheduling-rules", speaks(t, third)) == 200
    mine, ids = sees(A)
    assert mine == sorted(f"{A} {kind} {n}" for kind in two_kinds + third for n in (1, 2))
    assert len(ids) == 6 and not ids & sees(B)[1]
    assert push(B, "/business-rules/sync", dict(speaks(B, two_kinds[:1]), temporary_rules=[])) == 200
    assert sees(B)[0] == sorted(f"{B} {kind} {n}" for kind in ("permanent_rules", "scheduling_rules") for n in (1, 2))
    assert push(B, "/business-rules/sync", {kind: [] for kind in two_kinds}) == 200 and push(B, "/sync-scheduling-rules", {third[0]: []}) == 200
    assert sees(B)[0] == [] and sees(A) == (mine, ids)


# ---- rows that want no token --------------------------------------------------

@pytest.mark.parametrize("row", rows(access="open"), ids=named)
def test_h12_what_is_open_is_open_and_tells_of_nobody(full, row):
    tokens = [None, "", "Basic x", "Bearer ponte_" + "ab" * 32]
    tokens += [full.token[key] for key in ((A, "all"), (A, "reply"), (B, "field"))]
    for form, token, account in itertools.product(forms(row), tokens, (None, A, B)):
        answer = full.asker(form, token, account)
        assert answer.status == 200 and not answer.headers["WWW-Authenticate"], answer
        assert A not in answer.body.decode() and B not in answer.body.decode(), answer


def webhook(two, form, owner, body, signed_by=None, token=None):
    """A message at that tenant's path."""
    values = {"tenant": owner, "kind": "bot", "secret": "TESTnoSecretOfAnybody"}
    return two.asker(form, token, body=body, values=values, headers=sign(SECRET[signed_by], body) if signed_by else {})


def events_of(two, tenant):
    return {r["event_id"] for r in two.queue("--kind", "hub", "--tenant", tenant, "--limit", "1000")}


@pytest.mark.parametrize("row", rows(access="signed"), ids=named)
def test_h12_what_is_signed_wants_the_signature_of_its_tenant(full, row):
    """No token stands in for it, and it needs none."""
    for form, owner in itertools.product(forms(row), (A, B)):
        there, elsewhere = (message(mark(t, "message"), account=ACCOUNT[t], conversation=600) for t in (owner, other(owner)))
        before = {t: events_of(full, t) for t in (A, B)}
        tokens = [None, "", *(full.token[key] for key in itertools.product((A, B), ("all", "field")))]
        refused = [webhook(full, form, owner, dump(there), None, token) for token in tokens]
        refused += [webhook(full, form, owner, dump(there), other(owner), token) for token in tokens]
        for answer in refused:
            assert answer.status == 401 and code_of(row, answer) == "BAD_SIGNATURE", (owner, answer)
        crossed = webhook(full, form, owner, dump(elsewhere), owner)
        assert crossed.status in (401, 403, 404) and code_of(row, crossed), crossed
        assert {t: events_of(full, t) for t in (A, B)} == before
        good = webhook(full, form, owner, dump(there), owner)
        assert good.status == 200 and good.json["status"] == "accepted", good
        assert events_of(full, other(owner)) == before[other(owner)] and good.json["event_id"] in events_of(full, owner)
        assert not [a for a in (*refused, crossed, good) if other(owner) in a.body.decode()]


SYNCS = [{"source": "credentials", "event": "credentials_sync", "account_id": B, "token": token,
          "credentials": {"domain": "retail", "name": "x", "odoo_url": "http://127.0.0.1:1", "odoo_db": A, "odoo_username": A,
                          "odoo_password": "x", "token": token}} for token in (REFERENCE[A], f"{B}-00000000")]
SYNCS += [{"source": "channel_mapping", "event": "mapping_sync", "account_id": account, "token": REFERENCE[A],
           "mapping": {"chatwoot_account_id": ACCOUNT[B], "chatwoot_inbox_id": 31, "internal_account_id": account,
                       "domain": "retail", "is_fallback": False, "sequence": 10, "special_whatsapp_numbers": []}}
          for account in (A, B)]


def tenants(two):
    return [row for row in state(two) if row[1] in ("tenant", "tenant_account", "token")]


@pytest.mark.parametrize("row", rows(access="signed"), ids=named)
def test_h12_a_sync_for_another_tenant_is_refused(full, row):
    """Decision 6: A signs, with all the signatures that it can make, what would change B."""
    before = tenants(full)
    for form, body, token in itertools.product(forms(row), SYNCS, (None, full.token[A, "all"])):
        raw, canonical = dump(body), json.dumps(body, sort_keys=True).encode()
        mac = hmac.new(SECRET[A].encode(), canonical, hashlib.sha256).hexdigest()
        headers = sign(SECRET[A], raw) | {"X-Webhook-Signature": mac}
        answer = full.asker(form, token, body=raw, values={"tenant": B, "kind": "bot", "secret": SECRET[A]}, headers=headers)
        assert answer.status in (401, 403, 409, 422, 501), answer
        if "success" in answer.json:            # said by the sync, in the addons' shape
            assert answer.json["success"] is False and answer.json["code"] and answer.json["error"], answer
        else:
            assert code_of(row, answer), answer
        assert not moved(before, tenants(full))
