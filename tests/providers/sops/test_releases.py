"""Files of an older release of sops, and files for it: other metadata, other numbers in JSON, the same values."""

import json

import pytest

from bridge.provider import SecretValue
from tests.providers.sops.folder import Raw, opened, sealed

YAML = """\
# comment
a: &x {p: CANARY-1, q: [1, 2.5, true, null, '', [], {}]} # inline
b: *x
c_unencrypted: [0777, 0o17, 1_000, yes, 12:30:45, '2024-01-01']
text: |
  l1
  l2
big: 9223372036854775807
exact: 9007199254740993
small: 0.0000001
---
second: CANARY-2
"""


def test_yaml(old):
    path = old.encrypt("a.yaml", YAML)
    assert "kms: []" in path.read_text()  # releases before 3.10 wrote lists without content
    first, second = old.values("a.yaml")
    branch = {"p": ("text", b"CANARY-1")}
    branch["q"] = [("number", b"1"), ("number", b"2.5"), ("boolean", b"true"), ("null", b""), ("text", b""), [], {}]
    assert first.pop("c_unencrypted") == [
        *[("number", b"511"), ("number", b"15"), ("number", b"1000")],
        *[("text", b"yes"), ("text", b"12:30:45"), ("text", b"2024-01-01")],
    ]
    assert first == {
        "a": branch,
        "b": branch,
        "text": ("text", b"l1\nl2\n"),
        "big": ("number", b"9223372036854775807"),
        "exact": ("number", b"9007199254740993"),
        "small": ("number", b"0.0000001"),
    }
    assert second == {"second": ("text", b"CANARY-2")}


def test_json_whose_numbers_were_all_floats(old):
    old.encrypt("a.json", '{"a": 9007199254740993, "b": 1.5, "c": {"d": ["CANARY", 7]}, "e_unencrypted": 3}')
    assert old.values("a.json") == [
        {
            "a": ("number", b"9007199254740992"),  # as that release read it, and wrote it
            "b": ("number", b"1.5"),
            "c": {"d": [("text", b"CANARY"), ("number", b"7")]},
            "e_unencrypted": ("number", b"3"),
        }
    ]


def test_dotenv_ini_and_binary(old):
    old.encrypt("a.env", "# c\nA=CANARY-1\nB=l1\\nl2\nC_unencrypted=x\n")
    assert old.values("a.env") == [
        {"A": ("text", b"CANARY-1"), "B": ("text", b"l1\nl2"), "C_unencrypted": ("text", b"x")}
    ]
    old.encrypt("a.ini", "top = CANARY-2\n; c\n[s]\nk = `a # b`\nl_unencrypted = x\n")
    assert old.values("a.ini") == [
        {"DEFAULT": {"top": ("text", b"CANARY-2")}, "s": {"k": ("text", b"a # b"), "l_unencrypted": ("text", b"x")}}
    ]
    old.encrypt("a.bin", b"\0\xffCANARY-3")
    assert old.values("a.bin") == ("bytes", b"\0\xffCANARY-3")


@pytest.mark.parametrize(
    "rule",
    [
        {"encrypted_regex": "^(data|stringData)$"},
        {"unencrypted_regex": "^kind$"},
        {"encrypted_suffix": "WORD"},
        {"unencrypted_suffix": "_plain"},
    ],
)
def test_rules(old, rule):
    content = "kind: Secret\ndata: {PASSWORD: CANARY, n_plain: 5}\n"
    old.encrypt("a.yaml", content, **rule)
    expected = {"kind": ("text", b"Secret"), "data": {"PASSWORD": ("text", b"CANARY"), "n_plain": ("number", b"5")}}
    assert old.values("a.yaml") == [expected]


def test_a_binary_file_that_its_rule_left_in_clear_is_read(old):
    """Releases before 3.11 followed rules over names for binary files too, and could so leave them in clear."""
    path = old.encrypt("a.bin", b"CANARY", encrypted_regex="^-$")
    assert json.loads(path.read_text())["data"] == "CANARY"
    value = old.read("a.bin").content
    assert isinstance(value, SecretValue)
    assert value.reveal() == b"CANARY"


TREES = {
    "a.yaml": [{"a": {"b": ["x", Raw("5"), Raw("1.5"), True, None, ""]}, "c_unencrypted": "l1\nl2\n"}, {"d": "x"}],
    "a.json": [{"a": {"b": ["x", Raw("5"), True, None, ""]}, "c_unencrypted": "l1\nl2\n"}],
    "a.env": [{"A": "x=y", "B_unencrypted": "l1\nl2\n"}],
    "a.ini": [{"DEFAULT": {"a": "x"}, "s": {"b": "l1\nl2\n", "c_unencrypted": "a # b"}}],
}


@pytest.mark.parametrize("name", TREES)
def test_what_bridge_writes_anew_or_changes_is_read_by_that_release(old, name):
    old.write(".sops.yaml", json.dumps({"creation_rules": [{"age": old.recipient}]}))
    tree = TREES[name]
    revision = old.store(name, tree)
    assert "CANARY" not in old.decrypted(name)
    key = next(iter(tree[0]))
    there = tree[0][key]
    new = [{**tree[0], key: {**there, "z": "CANARY"} if isinstance(there, dict) else "CANARY"}, *tree[1:]]
    old.store(name, new, revision)
    assert "CANARY" in old.decrypted(name)


@pytest.mark.parametrize("name", TREES)
def test_a_file_of_that_release_is_changed_in_place(old, name):
    old.write(".sops.yaml", json.dumps({"creation_rules": [{"age": old.recipient}]}))
    old.store(name, TREES[name])
    plain = old.decrypted(name)
    old.encrypt(name, plain)
    revision = old.read(name).revision
    (key, there), *others = TREES[name][0].items()
    new = [{key: {**there, "z": "CANARY"} if isinstance(there, dict) else "CANARY", **dict(others)}, *TREES[name][1:]]
    old.store(name, new, revision)
    assert "CANARY" in old.decrypted(name)
    assert old.values(name) == [opened(sealed(one)) for one in new]
