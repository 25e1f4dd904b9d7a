"""Files that bridge makes or changes, read by the real sops."""

import base64
import difflib
import json
import re
import time

import pyrage
import pytest

from bridge.provider import Conflict, Denied, Document, ProviderError, Revision, Writer
from bridge_providers.sops import Sops, splice
from tests.providers.sops.folder import Raw, opened, sealed

TREE = {
    "text": "CANARY-1",
    "nested": {"list": [1, 2.5, True, None, "", {"deep": "CANARY-2", "none": []}, [["x"], []]], "empty": {}},
    "clear_unencrypted": {"yes": "yes", "port": 5432, "on": False, "nothing": None, "lines": "a\n b\n"},
    "multi": "line 1\nline 2\n",
    "é: ".strip(": "): "\N{ROCKET}\0\t\u2028",
}


@pytest.fixture
def desk(sops):
    """A folder whose `.sops.yaml` names its key."""
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient}]}))
    return sops


def changed_lines(before: str, after: str) -> list[str]:
    """Return the first word of each line that went or came."""
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[:2] in ("- ", "+ ")]
    return [line[:2] + line[2:].split("ENC[")[0].strip() for line in lines]


def test_session_is_writer(folder):
    assert isinstance(Sops().open(folder.context()), Writer)


def test_sops_reads_new_yaml_file(desk):
    revision = desk.store("a.yaml", [TREE])
    assert desk.read("a.yaml").revision == revision
    printed = desk.sops("decrypt", "--output-type", "json", "a.yaml").stdout
    assert json.loads(printed) == TREE
    assert list(json.loads(printed)) == list(TREE)


def test_sops_reads_new_json_file(desk):
    desk.store("a.json", [TREE])
    assert json.loads(desk.decrypted("a.json")) == TREE


def test_sops_reads_new_dotenv_file(desk):
    desk.store("a.env", [{"A": "a=b", "B": 'l1\nl2 "q"', "E": "", "c_unencrypted": "plain"}])
    assert desk.decrypted("a.env") == 'A=a=b\nB=l1\\nl2 "q"\nE=\nc_unencrypted=plain\n'


def test_sops_reads_all_documents_of_new_file(desk):
    desk.store("a.yaml", [{"a": "x"}, {}, {"b": "z"}])
    assert desk.decrypted("a.yaml") == "a: x\n---\n{}\n---\nb: z\n"


def test_only_changed_values_change_in_text(desk):
    desk.encrypt("a.yaml", "# about a\na: x # inline\nb:\n  c: [1, 2]\n\n  d: old\n# last\ne_unencrypted: 5\n")
    before = (desk.path / "a.yaml").read_text()
    comments = [line for line in desk.decrypted("a.yaml").splitlines() if "#" in line]
    new = {"a": "x", "b": {"c": [1, 3], "d": "new", "f": "added"}, "e_unencrypted": 6, "h": "added"}
    desk.store("a.yaml", [new], desk.read("a.yaml").revision)
    after = (desk.path / "a.yaml").read_text()
    stamp = [line for line in changed_lines(before, after) if "lastmodified" not in line]
    assert sorted(stamp) == sorted(
        [
            "- -",
            "+ -",
            "- d:",
            "+ d:",
            "+ f:",
            "- e_unencrypted: 5",
            "+ e_unencrypted: 6",
            "+ h:",
            "- mac:",
            "+ mac:",
        ]
    )
    assert json.loads(desk.sops("decrypt", "--output-type", "json", "a.yaml").stdout) == new
    assert [line for line in desk.decrypted("a.yaml").splitlines() if "#" in line] == comments


def test_another_revision_is_conflict(desk):
    first = desk.store("a.yaml", [{"a": "CANARY"}])
    second = desk.store("a.yaml", [{"a": "CANARY-2"}], first)
    assert (
        desk.unwritable("a.yaml", [{"a": "CANARY-3"}], first, Conflict) == "another client changed it in the meantime"
    )
    assert desk.unwritable("a.yaml", [{"a": "CANARY-3"}], None, Conflict) == "it already exists"
    assert desk.unwritable("b.yaml", [{"a": "CANARY-3"}], second, Conflict) == "it no longer exists"
    assert (
        desk.unwritable("a.yaml", [{"a": "CANARY-3"}], Revision("x"), Conflict)
        == "another client changed it in the meantime"
    )


STORES = [
    ("a.yaml", [{"a": "x", "b": "y"}], [{"a": "x", "b": "changed"}]),
    ("a.json", [{"a": "x", "b": "y"}], [{"a": "x", "b": "changed"}]),
    ("a.env", [{"a": "x", "b": "y"}], [{"a": "x", "b": "changed"}]),
]


@pytest.mark.parametrize(("name", "old", "new"), STORES)
def test_sops_goes_on_with_file_of_ours_and_bridge_with_one_of_theirs(desk, name, old, new):
    desk.store(name, old)
    assert desk.sops("set", name, '["b"]', '"by sops"').returncode == 0
    assert desk.values(name) == [{"a": ("text", b"x"), "b": ("text", b"by sops")}]
    desk.store(name, new, desk.read(name).revision)
    editor = desk.write("editor", '#!/bin/sh\nsed -i s/changed/edited/ "$1"\n')
    editor.chmod(0o755)
    desk.environ["EDITOR"] = str(editor)
    done = desk.sops("edit", name)
    assert done.returncode == 0, done.stderr
    assert desk.values(name) == [{"a": ("text", b"x"), "b": ("text", b"edited")}]


@pytest.mark.parametrize(("name", "old", "new"), STORES)
def test_value_that_did_not_change_keeps_its_bytes_and_new_one_has_its_own_nonce(desk, name, old, new):
    revision = desk.store(name, old)
    before = desk.value(name, "a"), desk.value(name, "b")
    revision = desk.store(name, new, revision)
    assert desk.value(name, "a") == before[0]
    desk.store(name, old, revision)
    assert desk.value(name, "b") != before[1]
    nonces = [re.search("iv:([^,]*)", text)[1] for text in (*before, desk.value(name, "b"))]
    assert len(set(nonces)) == 3
    assert {len(base64.b64decode(nonce)) for nonce in nonces} == {32}


def test_what_file_says_of_itself_stays(desk):
    """Whoever it is for, also by keys that bridge cannot use, and which release wrote it."""
    desk.encrypt("a.yaml", "a: x\n", encrypted_regex="^a$", mac_only_encrypted=True)
    pgp = '    pgp:\n        - created_at: "2026-01-01T00:00:00Z"\n          enc: unreadable\n          fp: FBC7\n'
    desk.edit("a.yaml", "    lastmodified:", pgp + "    lastmodified:")
    desk.edit("a.yaml", "version: 3.13.2", "version: 3.9.0")
    before = (desk.path / "a.yaml").read_text()
    desk.store("a.yaml", [{"a": "CANARY", "clear": "y"}], desk.read("a.yaml").revision)
    after = (desk.path / "a.yaml").read_text()
    assert {line.split(":")[0] for line in changed_lines(before, after)} <= {
        *("- a", "+ a", "+ clear", "- mac", "+ mac", "    mac", "- lastmodified", "+ lastmodified")
    }
    assert desk.decrypted("a.yaml") == 'a: CANARY\nclear: "y"\n'


def test_time_of_change_is_now_and_never_before_file_s(desk, monkeypatch):
    began = int(time.time())
    first = desk.store("a.yaml", [{"a": "1"}])
    assert began <= first.order // 10**9 <= time.time()
    monkeypatch.setattr(time, "time", lambda: began - 3600.5)
    second = desk.store("a.yaml", [{"a": "2"}], first)
    assert second.order == first.order
    assert second.id != first.id
    monkeypatch.setattr(time, "time", lambda: began + 3600.5)
    assert desk.store("a.yaml", [{"a": "3"}], second).order == (began + 3600) * 10**9
    assert desk.decrypted("a.yaml") == 'a: "3"\n'


def test_each_new_file_has_its_own_data_key(desk):
    desk.store("a.yaml", [{"a": "x"}])
    desk.store("b.yaml", [{"a": "x"}])
    desk.edit("b.yaml", desk.value("b.yaml", "a"), desk.value("a.yaml", "a"))
    assert desk.refusal("b.yaml") == "key a does not decrypt: it was changed or moved after encryption"


KINDS = {
    "int": 5,
    "big": Raw("9223372036854775807"),
    "more": Raw("1000000000000000000000"),
    "frac": Raw("0.1"),
    "no": False,
}


@pytest.mark.parametrize("name", ["a.yaml", "a.json"])
@pytest.mark.parametrize("suffix", ["", "_unencrypted"])
def test_every_kind_is_kept_with_its_text(desk, name, suffix):
    tree = {key + suffix: value for key, value in {**KINDS, "none": None, "e": "", "t": "true"}.items()}
    if name == "a.yaml":
        tree |= {"bytes" + suffix: b"\xff\0"}
    desk.store(name, [tree])
    assert desk.values(name) == [opened(sealed(tree))]
    assert desk.sops("decrypt", name).returncode == 0
    types = re.findall("type:([a-z]+)]", (desk.path / name).read_text())
    expected = [] if suffix else ["int", "int", "float", "float", "bool", "str"]
    if name == "a.yaml" and not suffix:
        expected += ["str"]
    assert types == [*expected, "str"]  # the last is the MAC's


def test_bytes_that_are_text_are_written_as_one(desk):
    desk.store("a.yaml", [{"a": b"text", "b": b"", "c_unencrypted": b"text"}])
    assert desk.values("a.yaml") == [{"a": ("text", b"text"), "b": ("text", b""), "c_unencrypted": ("text", b"text")}]


NUMBER = "a number that sops would change"


@pytest.mark.parametrize(
    ("name", "tree", "problem"),
    [
        ("a.yaml", {"a": Raw("1.10")}, f"key a contains {NUMBER}"),
        ("a.yaml", {"a": {"b": [Raw("1e5")]}}, f"key a.b[0] contains {NUMBER}"),
        ("a.json", {"a_unencrypted": Raw("-0")}, f"key a_unencrypted contains {NUMBER}"),
        ("a.yaml", {"a_unencrypted": Raw("-0")}, f"key a_unencrypted contains {NUMBER}"),
        ("a.yaml", {"a_unencrypted": Raw("9223372036854775808")}, f"key a_unencrypted contains {NUMBER}"),
        ("a.json", {"a": b"\xff"}, "key a contains bytes that are not text, which JSON cannot contain"),
        ("a.json", {"a_unencrypted": b"\xff"}, "key a_unencrypted contains bytes that are not text"),
        ("a.env", {"A": 5}, "key A contains a number, and a dotenv file can only contain strings"),
        ("a.env", {"A": True}, "key A contains a boolean, and a dotenv file can only contain strings"),
        ("a.env", {"A": None}, "key A contains a null, and a dotenv file can only contain strings"),
        ("a.env", {"A": "CANARY\0"}, "key A contains a zero byte, which a dotenv file cannot contain"),
        ("a.env", {"A": "CANARY\\n"}, "key A contains the characters `\\n`, which mean a line break in a dotenv file"),
        ("a.env", {"A_unencrypted": "ENC[CANARY"}, "key A_unencrypted contains text that looks encrypted"),
        (
            "a.env",
            {"A": {"B": "CANARY"}},
            "the key A contains more than one value, and a dotenv file can only contain strings",
        ),
        ("a.env", {"A=B": "CANARY"}, "the key A=B cannot be a name in a dotenv file"),
        ("a.env", {"#A": "CANARY"}, "the key #A cannot be a name in a dotenv file"),
        ("a.env", {"sops_mac": "CANARY"}, "the key sops_mac cannot be a name in a dotenv file"),
        ("a.yaml", {"sops": "CANARY"}, "the key sops is reserved for the file's metadata"),
        ("a.yaml", {"a": {"b:c": "CANARY"}}, "key a.b:c contains a colon, so sops's encryption cannot tell it"),
    ],
)
def test_what_store_cannot_hold_is_refused(desk, name, tree, problem):
    assert desk.unwritable(name, [tree]).startswith(problem)
    if not isinstance(next(iter(tree.values())), dict):
        revision = desk.store(name, [{"z": "x"}])
        assert desk.unwritable(name, [{"z": "x", **tree}], revision).startswith(problem)


def test_one_value_where_fields_are_wanted_and_several_documents_where_one_is_are_refused(desk):
    assert desk.unwritable("a.yaml", b"CANARY") == "a file with this suffix contains fields, not a single value"
    assert desk.unwritable("a.json", [{"a": "CANARY"}, {}]) == "only a YAML file can contain more than one document"
    assert desk.unwritable("a.yaml", []) == "there is no document to write"


@pytest.mark.slow
def test_file_that_would_be_too_large_to_read_is_not_written(desk):
    message = desk.unwritable("a.yaml", [{"a": "CANARY" * 1_500_000}])
    assert message in {"the file would be larger than 10 MiB", "the sops program printed more than 10240 KiB"}


def test_file_without_key_of_ours_or_changed_by_hand_is_not_written(desk):
    revision = desk.store("a.yaml", [{"a": "CANARY-1"}])
    key, desk.environ = desk.environ, {}
    assert desk.unwritable("a.yaml", [{"a": "CANARY-2"}], revision, Denied).startswith("no age key matched")
    desk.environ = key
    desk.edit("a.yaml", "a: ENC", "b: ENC")
    message = desk.unwritable("a.yaml", [{"a": "CANARY-2"}], revision)
    assert message == "key b does not decrypt: it was changed or moved after encryption"


def test_change_that_reads_back_differently_is_not_written(desk, monkeypatch):
    """The text is changed by hand, so to say: whatever comes of it must decrypt to what was meant."""
    desk.store("a.yaml", [{"a": "CANARY-1", "b": "CANARY-2"}])
    revision, spliced = desk.read("a.yaml").revision, splice.spliced

    def wrong(data, store, opened, rule, _content, stamp):
        return spliced(data, store, opened, rule, [sealed({"a": "CANARY-1", "b": "CANARY-other"})], stamp)

    monkeypatch.setattr(splice, "spliced", wrong)
    message = desk.unwritable("a.yaml", [{"a": "CANARY-1", "b": "CANARY-3"}], revision)
    assert message == "bridge cannot make this change in the text of the file"
    monkeypatch.undo()
    desk.store("a.yaml", [{"a": "CANARY-1", "b": "CANARY-3"}], revision)


def test_document_that_file_holds_already_is_not_written_again(desk):
    tree = {"a": "x", "b": {"c": 1, "d": [None, b"\xff"]}}
    revision = desk.store("a.yaml", [tree])
    before = desk.files()
    assert desk.store("a.yaml", [{"b": {"d": [None, b"\xff"], "c": 1}, "a": b"x"}], revision) == revision
    assert desk.files() == before


# Rehearsals


def rehearsed(desk, path, tree, expect=None):
    Sops().open(desk.context()).rehearse(path, Document((sealed(tree),), Revision("")), expect=expect)


def test_rehearsal_writes_nothing(desk):
    rehearsed(desk, "a.yaml", TREE)
    assert not (desk.path / "a.yaml").exists()
    revision = desk.store("a.yaml", [TREE])
    before = {path.name: path.read_bytes() for path in desk.path.iterdir() if path.is_file()}
    rehearsed(desk, "a.yaml", {**TREE, "A": "CANARY-new"}, revision)
    assert {path.name: path.read_bytes() for path in desk.path.iterdir() if path.is_file()} == before


def test_rehearsal_is_refused_as_write_would_be(desk):
    revision = desk.store("there.yaml", [TREE])
    stranger = pyrage.x25519.Identity.generate().to_public()
    cases = [("there.yaml", None, None), ("there.yaml", Revision("other"), None), ("gone.yaml", revision, None)]
    cases += [("new.yaml", None, {"creation_rules": [{"age": str(stranger)}]}), ("new.yaml", None, {})]
    for path, expect, rules in cases:
        if rules is not None:
            desk.write(".sops.yaml", json.dumps(rules))
        document = Document((sealed({"A": "CANARY"}),), Revision(""))
        told = []
        for name in ("write", "rehearse"):
            with pytest.raises(ProviderError) as caught:
                getattr(Sops().open(desk.context()), name)(path, document, expect=expect)
            told.append(caught.value.problems)
        assert told[0] == told[1]
