#!/usr/bin/env python3
"""What is written down against what the programs say.  usage: documents.py BUILD_DIR

commands    each command of `ponte --help`, with its verbs and options, stands in
            man/ponte.1 and in the completion; and neither names one that there
            is not
guides      both languages show the same commands; each alarm stands in both
words       states and kinds of deliveries, as lib/protocol.h has them
settings    a setting that a document names is one; so is a tenant's manner
codes       a refusal that docs/hub.md names is one, and the channel limits are the code's
documents   links lead somewhere, a source that is named is there, Python to be
            copied compiles, all of it is installed
"""

import os
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
ANYWHERE = {"--dir", "--config", "--help", "--version"}
passed = failed = 0


def check(ok, text):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("  failed:", text)


def read(path):
    return (TOP / path).read_text(encoding="utf-8")


def ponte(*args):
    env = {k: v for k, v in os.environ.items() if k != "PONTE_DIR"}
    return subprocess.run([BUILD / "app/ponte/ponte", *args], capture_output=True, text=True, check=True, env=env).stdout


DOCUMENTS = ["README.md"] + sorted(str(p.relative_to(TOP)) for p in (TOP / "docs").rglob("*.md"))
COMMANDS = re.findall(r"^  ([a-z]+)  ", ponte("--help").split("help COMMAND")[0], re.M)


# ---- commands ----

def options(text):
    return set(re.findall(r"--[a-z][a-z-]*", text)) - ANYWHERE


def synopsis(command):
    """Without the example of a value in it, and without what usage begins with."""
    said = ponte("help", command).split("\n\n")[0]
    return said.split("FILE] ", 1)[1]


def verbs(command):
    """`queue list | show ID… | …`: the first word of each alternative."""
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)", " ", synopsis(command))
    parts = text.removeprefix(command).split("|")
    found = [re.match(r"\s*([a-z]+)\b", p) for p in parts]
    return {m.group(1) for m in found if m} if len(parts) > 1 else set()


def manual():
    """Command: the text of all its paragraphs."""
    bare = re.sub(r"\\f[BIRP]", "", read("man/ponte.1").replace("\\-", "-"))
    commands = bare[bare.index(".SH COMMANDS"):bare.index(".SH EXIT")]
    found = {}
    for paragraph in commands.split("\n.TP\n")[1:]:
        words = re.sub(r'^\.[A-Z]+ |"', "", paragraph).split()
        found[words[0]] = found.get(words[0], "") + re.sub(r'"|^\.[A-Z]+ ?', " ", paragraph, flags=re.M) + "\n"
    return found


def commands():
    said, completion = manual(), read("completion/ponte")
    check(set(said) == set(COMMANDS), f"man/ponte.1 speaks of {sorted(set(said) ^ set(COMMANDS))} and ponte does not, or the reverse")
    listed = re.search(r'commands="([^"]*)"', completion).group(1).split()
    check(set(listed) == {*COMMANDS, "help"}, f"the completion knows {listed}, ponte {COMMANDS}")
    # "\tqueue)" up to the next word at that depth
    branch = {m.group(1): m.group(2) for m in re.finditer(r"^\t([a-z]+)\)(.*?)(?=^\t(?:[a-z]+\)|esac))", completion, re.M | re.S)}
    filters = re.search(r'filters="([^"]*)"', completion).group(1)
    for command in COMMANDS:
        wanted = options(synopsis(command))
        text = said.get(command, "")
        offered = " ".join(re.findall(r'-W "([^"]*)"', branch.get(command, ""))).replace("$filters", filters)
        check(wanted == options(text), f"man/ponte.1, {command}: {sorted(wanted ^ options(text))}")
        # up is the one that has --dir of its own
        check(wanted <= options(offered), f"completion, {command}: {sorted(wanted - options(offered))}")
        for word in verbs(command):
            check(re.search(rf"\b{command} {word}\b", text), f"man/ponte.1 does not speak of {command} {word}")
            check(re.search(rf"\b{word}\b", offered), f"the completion does not offer {command} {word}")
    for path in DOCUMENTS + ["man/ponte.1", "man/ponte.yaml.5.in"]:
        text = read(path).replace("\\-", "-")
        for word in re.findall(r"(?:`|^ {4}|^\.B )ponte ([a-z]+)", text, re.M):
            check(word in {*COMMANDS, "help"}, f"{path}: there is no 'ponte {word}'")


# ---- words ----

def named(macro):
    text = read("lib/protocol.h")
    body = re.search(rf"#define {macro}\(X\)((?:[^\n]*\\\n)*[^\n]*)", text).group(1)
    return re.findall(r'X\(\w+, "([a-z]+)"\)', body)


def words():
    completion, man, queue = read("completion/ponte"), read("man/ponte.1"), read("docs/QUEUE.md")
    for option, macro, head in (("--state", "DELIVERY_STATES", "| state |"), ("--kind", "DELIVERY_KINDS", "| kind |")):
        all_ = named(macro)
        check(len(all_) > 5, f"{macro} could not be read")
        offered = re.search(rf'{option}\).*?-W "([^"]*)"', completion).group(1).split()
        check(sorted(offered) == sorted(all_), f"completion {option}: {sorted(set(offered) ^ set(all_))}")
        for word in all_:
            check(re.search(rf"\b{word}\b", man), f"man/ponte.1 does not name {word}")
        table = queue[queue.index(head):].split("\n\n")[0]
        for word in all_:
            check(re.search(rf"\b{word}\b", table) or f"`{word}`" in queue, f"docs/QUEUE.md does not tell what {word} is")


# ---- settings ----

def settings():
    known = {line.split()[0] for line in ponte("help", "settings").splitlines()}
    maps = {name.split(".")[0] for name in known}
    for path in DOCUMENTS:
        for name in re.findall(r"`([a-z]+(?:\.[a-z_]+)+)`", read(path)):
            if name.split(".")[0] in maps and not name.endswith((".md", ".py", ".token")):
                check(name in known or any(k.startswith(name + ".") for k in known), f"{path}: there is no setting {name}")
    tenant = {line.split()[0].removeprefix("tenants[].").split(".")[0].removesuffix("[]") for line in ponte("help", "tenants").splitlines()}
    table = read("docs/CONVERSATION.md").split("| name |")[1].split("\n\n")[0]
    for name in re.findall(r"^\| `([a-z_]+)` \|", table, re.M):
        check(name in tenant, f"docs/CONVERSATION.md: a tenant has no {name}")
    manners = tenant - {"tenants", "name", "domain", "hub", "odoo", "mappings", "installations", "senders"}
    for name in manners:
        check(f"| `{name}` |" in table, f"docs/CONVERSATION.md does not tell what a tenant's {name} is")


# ---- codes and limits ----

def codes():
    hub = read("docs/hub.md")
    refusals = set(re.findall(r"^\tX\((\w+),", read("app/worker/request.h"), re.M))
    refusals |= set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", read("nginx/ponte-http.conf")))
    for code in re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", hub):
        check(code in refusals, f"docs/hub.md: there is no refusal {code}")
    table = hub[hub.index("| channel in Chatwoot"):].split("\n\n")[0]
    most = re.findall(r'X\(\w+, "\w+", (\d+)\)', read("lib/chatwoot/chatwoot.h"))
    check(len(most) > 8, "the channels could not be read")
    check({f"{int(n):,}" for n in most} == set(re.findall(r"\d+,\d{3}", table)), "docs/hub.md: the table of channel limits")


# ---- guides ----

# Words that each guide has in its own language.
SAME = (("loja", "shop"), ("meu-hub", "my-hub"), ("corpo.json", "body.json"))


def commands_shown(path):
    text = re.sub(r"^```.*?^```", "", read(path), flags=re.M | re.S)
    lines = re.findall(r"^    (\S.*)$", text, re.M) + re.findall(r"`((?:sudo )?(?:ponte|systemctl|journalctl) [^`]+)`", text)
    bare = {re.sub(r"\s+#.*", "", line) for line in lines}
    for here, there in SAME:
        bare = {line.replace(here, there) for line in bare}
    return bare


def guides():
    english, portuguese = "docs/OPERATION.md", "docs/pt-BR/OPERACAO.md"
    for line in sorted(commands_shown(english) ^ commands_shown(portuguese)):
        check(False, f"{english} and {portuguese}: one of them alone has: {line}")
    sources = "".join(p.read_text() for d in ("app", "lib") for p in (TOP / d).rglob("*.c"))
    alarms = set(re.findall(r'LOG_ALARM, "([a-z-]+)"', sources))
    check(len(alarms) > 5, "the alarms could not be read")
    for path in (english, portuguese):
        for event in alarms:
            check(f"| `{event}` |" in read(path), f"{path}: the alarm {event} is not explained")


# ---- documents ----

def slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def documents():
    makefile = read("Makefile.am")
    sources = {p.name for d in ("app", "lib") for p in (TOP / d).rglob("*.[ch]")}
    for name in re.findall(r"\b\w+\.[ch]\b", "".join(map(read, DOCUMENTS))):
        check(name in sources, f"a document speaks of {name}: there is no such source")
    for path in DOCUMENTS:
        text = read(path)
        check(path in makefile, f"Makefile.am does not install {path}")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, anchor = target.partition("#")
            if "://" in target:
                continue
            there = (TOP / path).parent / name if name else TOP / path
            check(there.exists(), f"{path}: {target} leads nowhere")
            if anchor and there.exists():
                heads = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.M)
                check(anchor in map(slug, heads), f"{path}: {target}: there is no such heading")
        for n, block in enumerate(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)):
            try:
                compile(block, f"{path}, block {n + 1}", "exec")
                check(True, "")
            except SyntaxError as e:
                check(False, f"{path}: Python block {n + 1}: {e}")


def defects():
    """Each of them once, in order, and each test that is named is there."""
    rows = re.findall(r"^\| (D-\d+) \| .+ \| (.+) \|$", read("docs/DEFECTS.md"), re.M)
    check([r[0] for r in rows] == [f"D-{n:02}" for n in range(1, 57)], "docs/DEFECTS.md: not D-01 to D-56, each once")
    for name, shown in rows:
        tests = re.findall(r"`(test_\w+\.py)::(test_\w+)`", shown)
        check(tests or "not ours: " in shown or "lib/" in shown or "t/rules/" in shown, f"{name} is shown by nothing")
        for file, test in tests:
            path = TOP / "t/scenario" / file
            check(path.exists() and f"\ndef {test}(" in path.read_text(), f"{name}: there is no {file}::{test}")


for rule in (commands, guides, words, settings, codes, documents, defects):
    rule()
print(f"rules/documents: {passed} passed, {failed} failed, 0 skipped")
sys.exit(failed != 0)
