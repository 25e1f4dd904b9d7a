"""Files whose comments say what is encrypted: changed, made and checked by bridge, and read by the real sops."""

import json

import pytest

from bridge.provider import Document, Revision
from bridge_providers.sops import Sops
from bridge_providers.sops.selectors import STRAY
from tests.providers.sops.folder import opened, sealed
from tests.providers.sops.test_tampering import PLAIN

ENCRYPTED, UNENCRYPTED = "encrypted_comment_regex", "unencrypted_comment_regex"
MOVED = "the change would let the file's comments count for other values"
macs = pytest.mark.parametrize("mac", [{}, {"mac_only_encrypted": True}], ids=["whole MAC", "MAC of the encrypted"])

TEXTS = {
    "a.yaml": "top: T\n# x\nm:\n    a: A # y\n    b: B\n# y\nc: C\nd: D # x\ne: '' # x\n# x\n",
    "a.env": "top=T\n# x\na=A\n\n# y\nc=C\n# x\nd=D\n# x\n",
    "a.ini": "top = T\n; x\n[m]\na = A\nc = C\n; x\nd = D\ne = E\n",
}
TREES = {
    "a.yaml": {"top": "T", "m": {"a": "A", "b": "B"}, "c": "C", "d": "D", "e": ""},
    "a.env": {"top": "T", "a": "A", "c": "C", "d": "D"},
    "a.ini": {"DEFAULT": {"top": "T"}, "m": {"a": "A", "c": "C", "d": "D", "e": "E"}},
}
MATCHED = {"a.yaml": "ABD", "a.env": "AD", "a.ini": "AE"}


def changed(node):
    if isinstance(node, dict):
        return {key: changed(child) for key, child in node.items()}
    return f"new {node}"


def stored(folder, name):
    """Return the texts of a file that are in clear there."""
    text = (folder.path / name).read_text()
    return {letter for letter in "TABCDE" if f"new {letter}" in text}


def told(folder, name, tree):
    """Return the places that bridge says would stand in clear."""
    document = Document((sealed(tree),), Revision(""))
    return [place for _, place in Sops().open(folder.context()).in_clear(name, document)]


@macs
@pytest.mark.parametrize("rule", [ENCRYPTED, UNENCRYPTED])
@pytest.mark.parametrize("name", TEXTS)
def test_a_changed_value_stays_encrypted_or_in_clear_as_its_comments_say(sops, name, rule, mac):
    sops.encrypt(name, TEXTS[name], **{rule: "^ ?x$"}, **mac)
    new = changed(TREES[name])
    sops.store(name, [new], sops.read(name).revision)
    letters = {*"TABCDE"} & {text[-1] for text in json.dumps(TREES[name]).split('"') if text}
    matched = {*MATCHED[name]}
    assert stored(sops, name) == (letters - matched if rule == ENCRYPTED else matched)
    assert json.loads(sops.sops("decrypt", "--output-type", "json", name).stdout) == new
    assert sops.values(name) == [opened(sealed(new))]
    assert {place[-1].upper()[0] for place in told(sops, name, new)} - {"E"} == stored(sops, name) - {"E"}


@macs
@pytest.mark.parametrize("rule", [ENCRYPTED, UNENCRYPTED])
@pytest.mark.parametrize("name", ["a.yaml", "a.env"])
def test_a_new_key_has_no_comment_and_is_treated_so(sops, name, rule, mac):
    sops.encrypt(name, TEXTS[name], **{rule: "^ ?x$"}, **mac)
    new = {**TREES[name], "n": "new E"}
    assert (("n",) in told(sops, name, new)) is (rule == ENCRYPTED)
    sops.store(name, [new], sops.read(name).revision)
    assert stored(sops, name) == ({"E"} if rule == ENCRYPTED else set())
    assert json.loads(sops.sops("decrypt", "--output-type", "json", name).stdout) == new


def test_a_new_key_below_a_comment_is_treated_as_that_says(sops):
    sops.encrypt("a.yaml", TEXTS["a.yaml"], **{UNENCRYPTED: "^ ?x$"})
    new = {**TREES["a.yaml"], "m": {"a": "A", "b": "B", "n": "new E"}}
    assert ("m", "n") in told(sops, "a.yaml", new)
    sops.store("a.yaml", [new], sops.read("a.yaml").revision)
    assert stored(sops, "a.yaml") == {"E"}
    assert json.loads(sops.sops("decrypt", "--output-type", "json", "a.yaml").stdout) == new


@pytest.mark.parametrize(
    ("name", "text", "new", "message"),
    [
        ("a.yaml", "# x\na: A\nb: CANARY\n", {"b": "CANARY"}, f"key b {STRAY}"),
        ("a.env", "# x\na=A\nb=CANARY\n", {"b": "CANARY"}, f"key b {STRAY}"),
        ("a.ini", "; x\n[m]\na = A\nb = CANARY\n", {"DEFAULT": {}, "m": {"b": "CANARY"}}, f"key m.b {STRAY}"),
        # sops lets the comment of a name count for the name behind it, which would be the new one.
        ("a.ini", "[m]\n; x\na = A\n", {"m": {"a": "A", "n": "CANARY"}}, f"key m.n {STRAY}"),
    ],
)
def test_no_value_becomes_readable_or_encrypted_by_a_comment_that_stays_or_goes(sops, name, text, new, message):
    sops.encrypt(name, text, **{UNENCRYPTED: "x"})
    revision = sops.read(name).revision
    found = sops.unwritable(name, [new], revision)
    assert found.startswith(f"{MOVED}: key ")
    if name != "a.ini":
        assert found == f"{MOVED}: {message}"


@pytest.mark.parametrize(
    ("new", "clear"), [(["new A", "B", "new C"], {"C"}), (["new A"], set()), (["A", "new B"], {"B"})]
)
def test_a_list_below_comments(sops, new, clear):
    sops.encrypt("a.yaml", "l:\n  # x\n  - A\n  - B\n", **{ENCRYPTED: "x"})
    sops.store("a.yaml", [{"l": new}], sops.read("a.yaml").revision)
    assert stored(sops, "a.yaml") == clear
    assert json.loads(sops.sops("decrypt", "--output-type", "json", "a.yaml").stdout) == {"l": new}


@macs
@pytest.mark.parametrize("rule", [ENCRYPTED, UNENCRYPTED])
@pytest.mark.parametrize("name", [*TEXTS, "a.json"])
def test_a_new_file_has_no_comments(sops, name, rule, mac):
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient, rule: "x", **mac}]}))
    new = {"DEFAULT": {"b": "b"}, "m": {"a": "new A"}} if name == "a.ini" else {"a": "new A"}
    assert bool(told(sops, name, new)) is (rule == ENCRYPTED)
    sops.store(name, [new])
    assert stored(sops, name) == ({"A"} if rule == ENCRYPTED else set())
    assert json.loads(sops.sops("decrypt", "--output-type", "json", name).stdout) == new
    assert sops.values(name) == [opened(sealed(new))]


@macs
def test_a_check_without_a_key_sees_what_the_comments_say(sops, mac):
    sops.encrypt("a.yaml", "# x\na: CANARY-1\nb: CANARY-2\nc: C # x\n", **{ENCRYPTED: "x"}, **mac)
    sops.environ = {}
    sound = sops.problems("a.yaml")
    assert len(sound) == len(mac)  # of which a check warns
    value = sops.value("a.yaml", "a")
    sops.edit("a.yaml", value, "CANARY-1")
    assert sops.problems("a.yaml") == [*sound, f"key a {PLAIN}"]
    sops.edit("a.yaml", "CANARY-1", value)
    sops.edit("a.yaml", "# x\na", "a")
    assert sops.problems("a.yaml") == [*sound, f"key a {STRAY}"]
    sops.edit("a.yaml", "b: CANARY-2", "b: CANARY-2 # x")
    assert sops.problems("a.yaml") == [*sound, f"key a {STRAY}", f"key b {PLAIN}"]


def test_a_check_holds_comments_against_the_rule_of_today(sops):
    sops.encrypt("a.yaml", "# x\na: CANARY-1\n# y\nb: CANARY-2\nc: CANARY-3\n", encrypted_regex="^$")
    rule = f"{sops.path}/.sops.yaml: rule 1"

    def today(**selector):
        sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient, **selector}]}))
        return sops.problems("a.yaml")

    assert today(**{ENCRYPTED: "x"}) == [f"key a is in clear, and {rule} wants it encrypted"]
    assert today(**{UNENCRYPTED: "[xy]"}) == [f"key c is in clear, and {rule} wants it encrypted"]
    sops.encrypt("a.yaml", "# x\na: CANARY-1\n", encrypted_regex=".")
    assert today(**{ENCRYPTED: "x"}) == []
    sops.encrypt("a.yaml", "# x\na_unencrypted: a\n# x\nb: CANARY\n")
    assert today(**{ENCRYPTED: "x"}) == [
        f"was not held against {rule}: that is over comments, and the file's are encrypted"
    ]
