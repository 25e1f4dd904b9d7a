"""Files whose comments say what is encrypted: read by the form of their values, checked so, and never written."""

import json
import os
import subprocess
from typing import NamedTuple

import pytest

from bridge.provider import Document, ProviderError, Revision
from bridge_providers.sops import Sops
from tests.providers.sops.folder import opened, sealed
from tests.providers.sops.test_tampering import MISMATCH, MOVED, PLAIN

ENCRYPTED, UNENCRYPTED = "encrypted_comment_regex", "unencrypted_comment_regex"
WARNING = "its MAC covers only encrypted values"
rules = pytest.mark.parametrize("rule", [ENCRYPTED, UNENCRYPTED])
macs = pytest.mark.parametrize("mac", [{}, {"mac_only_encrypted": True}], ids=["whole MAC", "MAC of the encrypted"])

FILES = {
    "above": ("a.yaml", "# x\na: A\nb: B\n"),
    "beside": ("a.yaml", "a: A # x\nb: B\n"),
    "above, with an empty line between": ("a.yaml", "z: Z\n\n# x\n\na: A\nb: B\n"),
    "at the top of the file": ("a.yaml", "# x\n---\na: A\nb: ''\nc: ~\n---\n# x\n---\nd: D\n"),
    "above a mapping": ("a.yaml", "# x\nm:\n  a: A\n  b: 5\nc: true\n"),
    "in a list": ("a.yaml", "l:\n  - a: A\n    # x\n    b: B\n  # x\n  - c: 1.5\n"),
    "inside brackets": ("a.yaml", "l: [A,\n  # x\n  B,\n  C]\nc: C\n"),
    "in a text, where it is none": ("a.yaml", "a: |\n  # x\nb: B\n"),
    "at an anchor, which an alias repeats": ("a.yaml", "m: &m # x\n  # y\n  a: A\nn: *m\nc: C\n"),
    "a directive": ("a.yaml", "%YAML 1.1\n---\n# x\na: A\nb: B\n"),
    "another line break": ("a.yaml", "# x \x85\na: A\nb: B\n"),
    "dotenv": ("a.env", "# x\nA=A\nB=B # x\n\n# x\n\n# y\nC=C\n #x=D\n# x\n"),
    "ini": ("a.ini", "; x\nz = Z\n; x\n[s]\na = A\n# x\nb = B\nc = C ; x\nd = D\n[t] ; x\na = E\nb = `F` ; x\n"),
    "JSON, which has none": ("a.json", json.dumps({"# x": "A", "b": "B"})),
}


def texts(node):
    if isinstance(node, dict):
        return {key: texts(child) for key, child in node.items()}
    if isinstance(node, list):
        return [texts(child) for child in node]
    kind, value = node
    return {"null": None, "text": value.decode()}[kind] if kind in {"null", "text"} else json.loads(value)


@macs
@rules
@pytest.mark.parametrize("place", FILES)
def test_file_is_read_as_sops_reads_it(sops, place, rule, mac):
    name, text = FILES[place]
    sops.encrypt(name, text, **{rule: "x$"}, **mac)
    done = sops.sops("decrypt", "--output-type", "json", name)
    assert done.returncode == 0, done.stderr.decode()
    assert texts(sops.values(name)[0]) == json.loads(done.stdout)
    assert [WARNING in one.what for one in sops.read(name).warnings] == [True] * len(mac)


@macs
def test_every_document_of_file_is_read(sops, mac):
    sops.encrypt("a.yaml", "a: A\n# x\n---\n# x\nb: B\nc: C\n---\n# x\n---\nd: D\n", **{ENCRYPTED: "x"}, **mac)
    assert list(map(texts, sops.values("a.yaml"))) == [{"a": "A"}, {"b": "B", "c": "C"}, {}, {"d": "D"}]
    assert sops.value("a.yaml", "b")
    assert "ENC[" not in "".join(sops.line("a.yaml", key) for key in "acd")


class Edit(NamedTuple):
    """A change by hand, and how the file is refused then: where the MAC covers all values, and the encrypted alone."""

    old: str  # `{a}` is the encrypted value
    new: str
    whole: str | None = None
    alone: str | None = None


CANARY = "CANARY-1"
DAMAGED = "key b is damaged: it is not a valid encrypted value"
EDITS = {
    "a comment goes": Edit("# x\na:", "a:"),
    "a comment changes": Edit("# x\na:", "# y\na:"),
    "a comment is added": Edit("b: B", "# x\nb: B"),
    "an empty value takes the comment": Edit("# x\na:", "# x\nd: ''\na:"),
    "comments and empty lines are added": Edit("# x\na:", "\n# x\n# more\n\na:"),
    "an empty value gets a comment": Edit('c: ""\n', '# x\nc: ""\n'),
    "a plain value changes": Edit("b: B", "b: other", MISMATCH),
    "a plain value is added": Edit("b: B", "b: B\nd: planted", MISMATCH),
    "a plain value is added below a comment": Edit("# x\na:", "# x\nd: planted\na:", MISMATCH),
    "an encrypted value is replaced": Edit("{a}", "planted", MISMATCH, MISMATCH),
    "an encrypted value is replaced, its comment goes": Edit("# x\na: {a}", "a: planted", MISMATCH, MISMATCH),
    "an encrypted value is replaced by its plaintext": Edit("# x\na: {a}", f"a: {CANARY}", None, MISMATCH),
    "an encrypted value becomes empty": Edit("{a}", '""', MISMATCH, MISMATCH),
    "an encrypted value goes": Edit("# x\na: {a}\n", "", MISMATCH, MISMATCH),
    "an encrypted value moves": Edit("a: ENC", "d: ENC", f"key d {MOVED}", f"key d {MOVED}"),
    "an encrypted value is copied": Edit("b: B", "b: {a}", f"key b {MOVED}", f"key b {MOVED}"),
    "a text that looks encrypted is added": Edit("b: B", "b: ENC[x]", DAMAGED, DAMAGED),
}


@macs
@pytest.mark.parametrize("change", EDITS)
def test_file_that_was_changed(sops, change, mac):
    edit = EDITS[change]
    sops.encrypt("a.yaml", f"z: z\n# x\na: {CANARY}\nb: B\nc: ''\n", **{ENCRYPTED: "x"}, **mac)
    value = sops.value("a.yaml", "a")
    sops.edit("a.yaml", edit.old.replace("{a}", value), edit.new.replace("{a}", value))
    message = edit.alone if mac else edit.whole
    if message is None:
        assert sops.values("a.yaml")[0]["a"] == ("text", CANARY.encode())
    else:
        assert sops.refusal("a.yaml") == message


@macs
@rules
def test_file_that_sops_writes_and_cannot_read_back_is_read(sops, rule, mac):
    """sops moves a comment behind a dash to the line above, where it counts for the whole item."""
    sops.encrypt("a.yaml", "l:\n  - # x\n    a: CANARY\n    b: CANARY\n", **{rule: "x"}, **mac)
    assert sops.sops("decrypt", "a.yaml").returncode != 0
    assert list(map(texts, sops.values("a.yaml"))) == [{"l": [{"a": "CANARY", "b": "CANARY"}]}]


@pytest.mark.parametrize(
    ("name", "text", "comment"),
    [("a.env", "# x\nA=CANARY\nB=B\n", "# x\n"), ("a.ini", "; x\n[s]\na = CANARY\n", "; x\n")],
)
def test_comment_that_goes_from_another_store_changes_no_value(sops, name, text, comment):
    sops.encrypt(name, text, **{ENCRYPTED: "x"}, mac_only_encrypted=True)
    before = sops.values(name)
    sops.edit(name, comment, "")
    assert sops.sops("decrypt", name).returncode != 0
    assert sops.values(name) == before


def test_json_has_no_comment_that_could_allow_value_in_clear(sops):
    sops.encrypt("a.json", json.dumps({"a": "CANARY", "b": "CANARY"}), **{UNENCRYPTED: "x"}, mac_only_encrypted=True)
    sops.edit("a.json", '"a": ', '"c": "planted", "a": ')
    assert sops.refusal("a.json") == f"key c {PLAIN}"
    assert f"key c {PLAIN}" in sops.problems("a.json")


def test_neither_pattern_nor_comment_is_looked_at(sops):
    sops.encrypt("a.env", b"# x\nA=CANARY\n", **{ENCRYPTED: "x"})
    content = (sops.path / "a.env").read_bytes()
    (sops.path / "a.env").write_bytes(content.replace(b"# x", b"# x\xff").replace(b"regex=x", rb"regex=\C"))
    assert sops.values("a.env") == [{"A": ("text", b"CANARY")}]


# Writing

TEXTS = {
    "a.yaml": ("# x\na: A\nb: B\n", {"a": "A", "b": "CANARY"}),
    "a.env": ("# x\na=A\nb=B\n", {"a": "A", "b": "CANARY"}),
}


def refused(folder, name, tree, rule):
    """Return the hint with which all that writes refuses a file."""
    document = Document((sealed(tree),), Revision(""))
    session = Sops().open(folder.context())
    expect = session.read(name).revision if (folder.path / name).exists() else None
    before = folder.files()
    hints = set()
    for write in (
        lambda: list(session.in_clear(name, document)),
        lambda: session.rehearse(name, document, expect=expect),
        lambda: session.write(name, document, expect=expect),
    ):
        with pytest.raises(ProviderError) as caught:
            write()
        (problem,) = caught.value.problems
        assert problem.what == f"bridge does not write files whose comments say what is encrypted (`{rule}`)"
        hints.add(problem.hint)
    assert folder.files() == before
    (hint,) = hints
    return hint


def pasted(folder, command, **more):
    """Run a hint's command in a shell, from another folder, with the real sops on the path."""
    (programs := folder.path.with_name(f"{folder.path.name}-bin")).mkdir(exist_ok=True)
    (programs / "sops").symlink_to(folder.binary)
    environ = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", **folder.environ, **more.pop("environ", {})}
    done = subprocess.run(["sh", "-c", command], cwd="/", env=environ, capture_output=True, check=False, **more)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("release", ["3.11.0", "3.13.2"])
@rules
@pytest.mark.parametrize("name", TEXTS)
def test_change_is_refused_and_hint_makes_it(folder_of, release, name, rule):
    folder = folder_of(release)
    text, tree = TEXTS[name]
    folder.encrypt(name, text, **{rule: "x"})
    hint = refused(folder, name, tree, rule)
    edit, by_script = hint.split("`")[1:4:2]
    assert edit == f"sops edit {folder.path / name}"
    assert hint.endswith("(sops 3.11 or newer)")
    pasted(folder, by_script.replace("KEY", "b"), input=b'"CANARY"')
    assert folder.values(name) == [opened(sealed(tree))]
    assert ("ENC[" in folder.line(name, "b")) is (rule == UNENCRYPTED)


@pytest.mark.parametrize("release", ["3.11.0", "3.13.2"])
@pytest.mark.parametrize("name", TEXTS)
def test_new_file_is_refused_and_hint_makes_it(folder_of, release, name):
    folder = folder_of(release)
    text, tree = TEXTS[name]
    editor = folder.program("editor", f"#!/bin/sh\nprintf %s '{text.replace('B', 'CANARY')}' > \"$1\"\n")
    folder.path = folder.path / "it's a folder"
    rule = {"age": folder.recipient, ENCRYPTED: "x", "path_regex": f"^{name}$"}
    folder.write(".sops.yaml", json.dumps({"creation_rules": [rule]}))
    pasted(folder, refused(folder, name, tree, ENCRYPTED), environ={"EDITOR": str(editor)})
    assert folder.values(name) == [opened(sealed(tree))]
    assert ("ENC[" in folder.line(name, "a"), "ENC[" in folder.line(name, "b")) == (True, False)


def test_what_file_holds_already_needs_no_write(sops):
    sops.encrypt("a.yaml", "# x\na: A\n", **{ENCRYPTED: "x"})
    revision = sops.read("a.yaml").revision
    assert sops.store("a.yaml", [{"a": "A"}], revision) == revision


@macs
def test_file_without_comments_is_written_by_its_rule(sops, mac):
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient, UNENCRYPTED: "x", **mac}]}))
    sops.store("a.json", [{"a": "CANARY", "b": "B"}], sops.store("a.json", [{"a": "A"}]))
    assert "CANARY" in sops.decrypted("a.json")
    assert "CANARY" not in (sops.path / "a.json").read_text()


def test_json_in_which_rule_encrypts_nothing_shows_all_values(sops):
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient, ENCRYPTED: "x"}]}))
    session = Sops().open(sops.context())
    assert list(session.in_clear("a.json", Document((sealed({"a": "A"}),), Revision("")))) == [(0, ("a",))]
    sops.store("a.json", [{"a": "A"}])
    assert sops.decrypted("a.json") == '{\n\t"a": "A"\n}\n'
    sops.unwritable("b.json", [{"a": "ENC[x]"}])  # encrypted, it would be a ciphertext to sops


# Checking


def over(names, rule):
    return f"in plaintext: {names}; {rule} is over comments, which bridge does not read"


@macs
def test_check_names_what_is_in_clear(sops, mac):
    sops.encrypt("a.yaml", "# x\na: CANARY-1\nb: CANARY-2\nm: {c: 5, d: '', e: ~}\n", **{ENCRYPTED: "x"}, **mac)
    sops.environ = {}

    def told():
        warnings = [one for one in Sops().check("a.yaml", sops.context()) if one.warning]
        assert len([one for one in warnings if WARNING in one.what]) == len(mac)
        return [one for one in sops.problems("a.yaml") if WARNING not in one]

    assert told() == [over("b, m.c", f"its `{ENCRYPTED}`")]
    value = sops.value("a.yaml", "a")
    sops.edit("a.yaml", value, "CANARY-1")
    assert told() == [over("a, b, m.c", f"its `{ENCRYPTED}`")]
    sops.edit("a.yaml", "CANARY-1", "ENC[x]")
    assert told() == [
        "key a is damaged: it is not a valid encrypted value",
        over("b, m.c", f"its `{ENCRYPTED}`"),
    ]


def test_check_of_file_that_has_nothing_in_clear_is_silent(sops):
    sops.encrypt("a.yaml", "a: CANARY-1\nb: [CANARY-2]\n", **{UNENCRYPTED: "x"})
    assert sops.problems("a.yaml") == []


def test_check_names_twenty_values_and_counts_others(sops):
    sops.encrypt("a.yaml", "".join(f"k{number}: v\n" for number in range(23)), **{ENCRYPTED: "x"})
    names = ", ".join(f"k{number}" for number in range(20))
    assert sops.problems("a.yaml") == [over(f"{names} and 3 more", f"its `{ENCRYPTED}`")]


def test_check_against_rule_of_today(sops):
    rule = f"{sops.path}/.sops.yaml: rule 1"

    def today(**selector):
        sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient, **selector}]}))
        return sops.problems("a.yaml")

    sops.encrypt("a.yaml", "# x\na: CANARY-1\nb_unencrypted: b\nc: CANARY-3\n")
    assert today(**{ENCRYPTED: "x"}) == [over("b_unencrypted", f"the `{ENCRYPTED}` of {rule}")]
    assert today(**{UNENCRYPTED: "x"}) == [over("b_unencrypted", f"the `{UNENCRYPTED}` of {rule}")]
    sops.encrypt("a.yaml", "a: CANARY-1\n")
    assert today(**{ENCRYPTED: "x"}) == []
    sops.encrypt("a.yaml", "# x\na: CANARY-1\nb: CANARY-2\nc: CANARY-3\n", **{ENCRYPTED: "x"})
    own = over("b, c", f"its `{ENCRYPTED}`")
    assert today(**{ENCRYPTED: "y"}) == [own]
    assert today(encrypted_regex="^[ab]$") == [own, f"key b is in plaintext, but {rule} says it should be encrypted"]
