"""What Python's xmlrpc.client writes we read, and it reads what we write: over
random values, and over what Odoo's marshaller makes of its own."""

import os
import pathlib
import random
import subprocess
import xmlrpc.client

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PONTE_BUILD", TOP / "build")).resolve()
SEED = int(os.environ.get("PONTE_SEED", "20260102"))


class Echo:
    def __init__(self):
        self.process = subprocess.Popen([BUILD / "t/peers/xmlrpc_echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, document):
        data = document if isinstance(document, bytes) else document.encode()
        self.process.stdin.write(b"%d\n" % len(data) + data)
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode()
        if line[0] in "-!":
            return line.rstrip("\n")
        (value,), method = xmlrpc.client.loads(self.process.stdout.read(int(line)))
        assert method == "echo"
        return value

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0


@pytest.fixture(scope="module")
def echo():
    e = Echo()
    yield e
    e.close()


ALPHABET = "abc ÁÇãé<>&'\"\t\n\r]]>日本🙂\u0085\u2028\u007f\ufffd"


def text(rng):
    return "".join(rng.choice(ALPHABET) for _ in range(rng.choice((0, 1, 3, 20, 200))))


def value(rng, depth=0):
    kind = rng.randrange(8 if depth < 6 else 6)
    if kind == 0:
        return rng.random() < 0.5
    if kind == 1:
        return rng.choice((0, 1, -1, 2**31 - 1, -2**31, rng.randrange(-2**31, 2**31)))
    if kind == 2:
        return rng.choice((0.0, -23.5505199, 1e-07, 0.1, 1e300, 5e-324, rng.uniform(-1e9, 1e9), rng.random()))
    if kind in (3, 4):
        return text(rng)
    if kind == 5:
        return None
    if kind == 6:
        return [value(rng, depth + 1) for _ in range(rng.randrange(5))]
    return {text(rng): value(rng, depth + 1) for _ in range(rng.randrange(5))}


def as_parsed(v):
    """A parser makes LF of a bare CR and of CR LF (XML 1.0, 2.11); Python writes them bare."""
    if isinstance(v, str):
        return v.replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(v, list):
        return [as_parsed(x) for x in v]
    if isinstance(v, dict):
        return {as_parsed(k): as_parsed(x) for k, x in v.items()}
    return v


def typed(v):
    """True is 1 in Python, and on the wire it is not."""
    if isinstance(v, list):
        return [typed(x) for x in v]
    if isinstance(v, dict):
        return {k: typed(x) for k, x in v.items()}
    return type(v).__name__, v


def test_random_values_there_and_back(echo):
    rng = random.Random(SEED)
    for n in range(2000):
        v = value(rng)
        document = xmlrpc.client.dumps((v,), methodresponse=True, allow_none=True)
        assert typed(echo(document)) == typed(as_parsed(v)), (SEED, n, document)
    assert typed(echo(xmlrpc.client.dumps((v, 1, "x"), "m", allow_none=True))) == typed([as_parsed(v), 1, "x"])


def test_documents_cut_anywhere_are_refused(echo):
    document = xmlrpc.client.dumps(({"id": 7, "name": "São João", "tags": [1, 2.5, False]},), methodresponse=True).encode()
    for n in range(len(document.rstrip())):
        assert echo(document[:n])[0] == "-", document[:n]


def test_any_byte_changed_is_read_or_refused(echo):
    rng = random.Random(SEED)
    document = xmlrpc.client.dumps(({"id": 7, "name": "São João", "tags": [1, 2.5, False]},), methodresponse=True).encode()
    answered = 0
    for _ in range(3000):
        bad = bytearray(document)
        for _ in range(rng.choice((1, 1, 2, 5))):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        said = echo(bytes(bad))
        answered += isinstance(said, str)
    assert answered > 1000
    assert echo(document) == {"id": 7, "name": "São João", "tags": [1, 2.5, False]}


ROWS = [
    ("<value>untyped</value>", "untyped"), ("<value> </value>", " "), ("<value></value>", ""), ("<value/>", ""),
    ("<value><string/></value>", ""), ("<value>\n<int> 7 </int>\n</value>", 7), ("<value><i4>-7</i4></value>", -7),
    ("<value><i8>9223372036854775807</i8></value>", 2**63 - 1), ("<value><i8>-9223372036854775808</i8></value>", -2**63),
    ("<value><i1>1</i1></value>", 1), ("<value><i2>2</i2></value>", 2), ("<value><biginteger>5</biginteger></value>", 5),
    ("<value><double>1e-07</double></value>", 1e-07), ("<value><double>-3</double></value>", -3.0),
    ("<value><nil/></value>", None), ("<value><boolean>1</boolean></value>", True),
    ('<value><ex:nil xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions"/></value>', None),
    ("<value><ex:i8>6</ex:i8></value>", 6),
    ("<value><dateTime.iso8601>20260102T10:00:00</dateTime.iso8601></value>", "20260102T10:00:00"),
    ("<value><base64>b2k=</base64></value>", "b2k="), ("<value><![CDATA[<b>]]></value>", "<b>"),
    ("<value><string>a<!-- no -->b</string></value>", "ab"), ("<value><string>&#13;&#10;</string></value>", "\r\n"),
    ("<value><string>&#x1F642;&amp;lt;</string></value>", "🙂&lt;"), ("<value><array><data/></array></value>", []),
    ("<value><struct/></value>", {}), ("<value><struct><member><name></name><value>x</value></member></struct></value>", {"": "x"}),
]
REFUSED = [
    "<value><int></int></value>", "<value><int>1.0</int></value>", "<value><int>9223372036854775808</int></value>",
    "<value><int>1 2</int></value>", "<value><int>0x10</int></value>", "<value><double>0x1p3</double></value>", "<value><double></double></value>",
    "<value><boolean>true</boolean></value>", "<value><boolean>2</boolean></value>", "<value><nil>x</nil></value>",
    "<value><int>1</int><int>2</int></value>", "<value>x<int>1</int></value>", "<value><song/></value>", "<value><value/></value>",
    "<value><array/></value>", "<value><array><data/><data/></array></value>", "<value><struct><member><name>a</name></member></struct></value>",
    "<value><struct><member><value>1</value></member></struct></value>", "<value><struct><name>a</name></struct></value>",
    "<value><struct><member><name>a</name><name>b</name><value/></member></struct></value>",
    '<value type="int">1</value>', "<value><string>&unknown;</string></value>", "", "<value>1</value><value>2</value>",
    "<value><string>" + "<b>" * 100 + "</string></value>",
]


def response(inside):
    return "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n" + inside + "\n</param>\n</params>\n</methodResponse>\n"


@pytest.mark.parametrize("inside,want", ROWS, ids=[str(n) for n in range(len(ROWS))])
def test_what_is_read(echo, inside, want):
    assert typed(echo(response(inside))) == typed(want)


@pytest.mark.parametrize("inside", REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_what_is_refused(echo, inside):
    said = echo(response(inside))
    assert isinstance(said, str) and said[0] == "-", said


def test_hostile_documents(echo):
    """H3: each stops at once, and nothing is fetched or expanded."""
    laughs = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 10}">' for n in range(9)) + "]>"
    good = response("<value>x</value>").split("\n", 1)[1]
    for name, document in {
        "an external entity": '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]>' + response("<value>&x;</value>").split("\n", 1)[1],
        "an external DTD": '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">' + good, "a billion laughs": laughs + good,
        "an empty DOCTYPE": "<!DOCTYPE methodResponse>" + good,
        "a million levels": "<methodResponse><params><param>" + "<value><array><data>" * 300000,
        "many attributes": "<methodResponse " + " ".join(f'a{n}="1"' for n in range(50000)) + "/>",
        "HTML": "<html><head><title>502</title></head><body>Bad Gateway</body></html>", "HTML without a root": "<h1>x</h1><p>y</p>",
        "text": "Internal Server Error", "nothing": "", "blanks": " \n", "JSON": '{"error":1}',
        "UTF-16": response("<value>x</value>").encode("utf-16"), "UTF-16 without a mark": good.encode("utf-16-le"),
        "a second root": good + good, "text behind the root": good + "x", "text between": good.replace("<params>", "x<params>"),
        "a NUL": good.replace("x<", "\0<"), "a control character": good.replace("x<", "\1<"),
        "a surrogate": good.encode().replace(b"x<", b"\xed\xa0\x80<"), "no UTF-8": good.encode().replace(b"x<", b"\xe9<"),
    }.items():
        said = echo(document)
        assert isinstance(said, str) and said[0] == "-", (name, said)
    assert echo('<?xml version="1.0" encoding="iso-8859-1"?>' + good.replace("x<", "é<")) == "é"
    assert echo("\ufeff" + good) == "x"


def test_faults(echo):
    assert echo(xmlrpc.client.dumps(xmlrpc.client.Fault(3, "Access Denied"))) == "! 3 Access Denied"
    word = "<methodResponse><fault><value><struct><member><name>faultCode</name><value><string>AccessDenied</string></value></member>" \
           "<member><name>faultString</name><value><string></string></value></member></struct></value></fault></methodResponse>"
    assert echo(word) == "! 0 "
    assert echo("<methodResponse><fault/></methodResponse>")[0] == "-"


def test_what_odoo_lets_through_is_dropped(echo):
    for body in (b"a\xef\xbf\xbeb", b"\xef\xbf\xbfab", b"ab\xef\xbf\xbe", b"a\xef\xbf\xbe\xef\xbf\xbfb"):
        assert echo(response("<value><string>@</string></value>").encode().replace(b"@", body)) == "ab"
    assert echo(response("<value><string>\ufffd\uff5e</string></value>")) == "\ufffd\uff5e"


def test_what_cannot_be_carried_is_not_written(echo):
    """Read from a character reference or not at all, and refused before it is sent."""
    assert echo(response("<value><string>&#1;</string></value>"))[0] == "-"
    assert echo(response("<value><double>nan</double></value>")) == "- -22 "
    deep = response("<value><array><data>" * 19 + "</data></array></value>" * 19)
    assert echo(deep) is not None and echo(deep)[0] != "-"
