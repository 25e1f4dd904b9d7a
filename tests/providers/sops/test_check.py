"""What `bridge check` can tell without a key."""

import pytest

from bridge.provider import Checker, NotFound, NumberChecker, Provider, ProviderError
from bridge_providers.scaleway import Scaleway
from bridge_providers.sops import Sops
from bridge_providers.vault import Vault

INVALID = "it is not a valid Go regular expression, or it is too large"

PLAIN = "is not encrypted, but the file's rules say it should be"


def test_it_is_provider_that_checks():
    assert isinstance(Sops(), Provider)
    assert isinstance(Sops(), Checker)
    assert isinstance(Sops(), NumberChecker)
    assert not hasattr(Vault, "rewritten_numbers")  # they keep a number's text
    assert not hasattr(Scaleway, "rewritten_numbers")


def test_sound_file_has_no_problem_and_needs_no_key(sops):
    sops.encrypt("a.yaml", "a: CANARY\nb: ~\nc: ''\nd_unencrypted: 1\n")
    sops.environ = {}
    assert sops.problems("a.yaml") == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", "a: CANARY\n", "is not encrypted with sops (it has no `sops` metadata)"),
        ("a.yaml", "a: 'CANARY\n", "line 2 is not valid YAML"),
    ],
)
def test_file_that_cannot_be_read_is_one_problem(folder, name, content, message):
    folder.write("a.yaml", content)
    assert folder.problems(name) == [message]


def test_file_that_does_not_exist_is_reported_from_one_that_cannot_be_read(folder):
    with pytest.raises(NotFound) as caught:
        folder.problems("b.yaml")
    assert str(caught.value) == "no such file"


JOINED = "document 2 has sops metadata of its own: two encrypted files were joined"


def test_two_files_joined_are_found_without_key(sops):
    for name in ("a", "b"):
        sops.encrypt(f"{name}.yaml", f"{name}: CANARY\n")
    joined = b"---\n".join((sops.path / name).read_bytes() for name in ("a.yaml", "b.yaml"))
    sops.write("joined.yaml", joined)
    assert sops.problems("joined.yaml") == [JOINED]
    assert sops.refusal("joined.yaml") == JOINED  # and a run says the same, not that somebody tampered with it
    done = sops.sops("decrypt", "joined.yaml")
    assert done.returncode


def test_documents_of_one_file_are_not_two_files(sops):
    sops.encrypt("a.yaml", "a: CANARY-1\n---\nb: CANARY-2\n---\nsops_x: 1\n")
    assert sops.problems("a.yaml") == []
    sops.store("a.yaml", [{"a": "CANARY-3"}, {"b": "CANARY-2"}, {"sops_x": "1"}], sops.read("a.yaml").revision)
    assert sops.problems("a.yaml") == []


@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.env", "a.ini", "a.bin"])
def test_git_conflict_is_named_in_every_format(folder, name):
    folder.write(name, "A: CANARY\n<<<<<<< HEAD\nB: CANARY-ours\n=======\nB: CANARY-theirs\n>>>>>>> main\n")
    what = "line 2: an unresolved git conflict begins here"
    assert folder.problems(name) == [what]
    assert folder.refusal(name) == what
    with pytest.raises(ProviderError) as caught:
        folder.read(name)
    assert caught.value.problems[0].hint == (
        "take one side, `git checkout --ours FILE` or `git checkout --theirs FILE`, "
        "and set the other side's values again"
    )


def test_git_conflict_in_rules_is_named(sops):
    sops.encrypt("a.yaml", "a: CANARY\n")
    sops.write(".sops.yaml", "<<<<<<< HEAD\ncreation_rules: []\n=======\na: b\n>>>>>>> main\n")
    (told,) = sops.problems("a.yaml")
    assert told.endswith(".sops.yaml: line 1: an unresolved git conflict begins here")


def test_all_that_is_wrong_is_reported_at_once(sops):
    sops.encrypt("a.yaml", "a: CANARY-1\nb: CANARY-2\nc: {d: CANARY-3}\n---\ne: CANARY-4\n", mac_only_encrypted=True)
    sops.edit("a.yaml", sops.value("a.yaml", "a"), "CANARY-5")
    sops.edit("a.yaml", sops.value("a.yaml", "b"), sops.value("a.yaml", "b") + "x")
    sops.edit("a.yaml", sops.value("a.yaml", "d"), "5")
    sops.edit("a.yaml", sops.line("a.yaml", "mac"), "    unused: x")
    sops.edit("a.yaml", "    age:", "    ages:")
    assert sops.problems("a.yaml") == [
        "has no MAC (`mac` in its sops metadata), so it may have been changed",
        "it has no keys in its sops metadata, so nobody can decrypt it",
        "its MAC covers only encrypted values (`mac_only_encrypted`); the others can be changed unnoticed",
        f"key a (document 1) {PLAIN}",
        "key b (document 1) is damaged: it is not a valid encrypted value",
        f"key c.d (document 1) {PLAIN}",
    ]


def test_rule_that_cannot_be_followed(sops):
    sops.encrypt("a.yaml", "a: x\n", encrypted_regex="^a")
    sops.edit("a.yaml", "encrypted_regex: ^a", "encrypted_regex: a**")
    assert sops.problems("a.yaml") == [f"its `encrypted_regex` cannot be used: {INVALID}"]


def test_key_with_colon(sops):
    sops.encrypt("a.yaml", '"a:b": x\n')
    assert sops.problems("a.yaml") == [
        "key a:b contains a colon, so sops's encryption cannot tell it from a nested key"
    ]


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        ("a.yaml", "A: x\n---\nB: y\n", {"A", "B"}),
        ("a.json", '{"A": {"B": "x"}}', {"A"}),
        ("a.env", "A=x\n#c\nB=y\n", {"A", "B"}),
        ("a.yaml", "kind: Secret\nmetadata: {name: a}\nstringData: {A: x}\n", {"kind", "metadata", "stringData"}),
        ("a.bin", "A=x\n", None),
    ],
)
def test_names_at_top_of_file(sops, name, content, names):
    sops.encrypt(name, content)
    sops.environ = {}
    assert Sops().names(name, sops.context()) == names


def test_no_names_where_file_cannot_be_read(folder):
    assert Sops().names("a.yaml", folder.context()) is None
