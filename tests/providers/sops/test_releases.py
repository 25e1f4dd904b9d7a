"""What differs from one release of sops to the next: other metadata, other numbers in JSON, the same values."""

import json

import pytest

from bridge.provider import ProviderError, SecretValue
from bridge_providers.sops import Sops, store_yaml
from tests.providers.sops import cases, record
from tests.providers.sops.cases import RULES, VALUES
from tests.providers.sops.folder import Raw, opened, sealed
from tests.providers.sops.matrix import RELEASES
from tests.providers.sops.test_written_by import agrees

COMMENTED = {("3.13.2", "odd.yaml"), ("3.13.2", "comments.json")}
"""What a release cannot read itself: it counts comments in lists for the MAC when it reads (test_list_comments.py)."""


@pytest.fixture(params=RELEASES)
def each(request, folder_of):
    return folder_of(request.param)


ALL = [
    pytest.param(release, case, id=f"{release}-{case.name}")
    for release in RELEASES
    for case in (*VALUES, *RULES)
    if record.parsed(release) >= case.since
]


@pytest.mark.parametrize(("release", "case"), ALL)
def test_what_release_writes_is_read_as_it_reads_it(folder_of, release, case):
    folder = folder_of(release)
    written = record.Release(folder.binary, folder.path).write(case, "age")
    if written is None:
        assert (release, case.name) == ("3.8.1", "times.yaml")  # no times before 3.10
    elif (release, case.name) in COMMENTED:
        assert written.plain is written.json is None
        folder.environ = record.environment(folder.path, "age")
        found = [opened(one) for one in folder.read(case.name).content]
        assert found == [opened(one) for one in store_yaml.documents(case.content)]
    else:
        agrees(folder, release, written, Sops())


def test_lists_of_keys_without_content_are_none(folder_of):
    for release, empty in {"3.8.1": True, "3.11.0": False}.items():
        folder = folder_of(release)
        path = folder.encrypt("a.yaml", "a: CANARY\n")
        assert ("kms: []" in path.read_text()) is empty
        assert folder.values("a.yaml") == [{"a": ("text", b"CANARY")}]


def test_whole_numbers_of_json_were_floats_until_newest(each, request):
    path = each.encrypt("a.json", '{"a": 9007199254740993, "b": 7, "e_unencrypted": 3}')
    newest = request.node.callspec.params["each"] == "3.13.2"
    assert ("type:int" in path.read_text()) is newest
    # As that release read it, and wrote it.
    exact = b"9007199254740993" if newest else b"9007199254740992"
    assert each.values("a.json") == [{"a": ("number", exact), "b": ("number", b"7"), "e_unencrypted": ("number", b"3")}]


def test_time_is_text_in_rfc_3339(folder_of):
    folder = folder_of("3.11.0")
    path = folder.encrypt("a.yaml", "a: 2024-01-01\nb: 2006-01-02T15:04:05+07:06\n")
    assert path.read_text().count("type:time") == 2
    assert folder.values("a.yaml") == [
        {"a": ("text", b"2024-01-01T00:00:00Z"), "b": ("text", b"2006-01-02T15:04:05+07:06")}
    ]


def test_binary_file_that_its_rule_left_in_clear_is_read(old):
    """Releases before 3.11 followed rules over names for binary files too, and could so leave them in clear."""
    path = old.encrypt("a.bin", b"CANARY", encrypted_regex="^-$")
    assert json.loads(path.read_text())["data"] == "CANARY"
    value = old.read("a.bin").content
    assert isinstance(value, SecretValue)
    assert value.reveal() == b"CANARY"


def test_key_groups_in_ini_file_of_release_that_damages_them_are_refused_with_reason(old):
    old.encrypt("a.ini", "[s]\na = CANARY\n", key_groups=[{"age": [old.recipient]}] * 2, shamir_threshold=2)
    assert old.sops("decrypt", "a.ini").returncode != 0
    with pytest.raises(ProviderError) as caught:
        old.read("a.ini")
    assert caught.value.problems[0].hint == ("create the file again; sops before 3.11 damages it in ini files")


def test_line_ends_in_metadata_of_ini_file_are_escaped(each):
    each.encrypt("a.ini", "[s]\na = CANARY\n")
    assert r"-----BEGIN AGE ENCRYPTED FILE-----\n" in each.line("a.ini", "age__list_0__map_enc")
    assert each.values("a.ini") == [{"s": {"a": ("text", b"CANARY")}}]


@pytest.mark.parametrize("release", ["3.11.0", "3.13.2"])
@pytest.mark.parametrize("suffix", ["yaml", "json", "env", "ini"])
def test_mac_over_encrypted_values_alone(folder_of, release, suffix):
    folder = folder_of(release)
    name = f"a.{suffix}"
    folder.encrypt(name, cases.SMALL[suffix], mac_only_encrypted=True)
    (warning,) = folder.read(name).warnings
    assert warning.what.startswith("its MAC covers only encrypted values")


TREES = {
    "a.yaml": [
        {"a": {"b": ["x", Raw("5"), Raw("1.5"), True, None, ""], "y": "x"}, "c_unencrypted": "l1\nl2\n"},
        {"d": "x"},
    ],
    "a.json": [{"a": {"b": ["x", Raw("5"), True, None, ""], "y": "x"}, "c_unencrypted": "l1\nl2\n"}],
    "a.env": [{"A": "x=y", "B_unencrypted": "l1\nl2\n"}],
}


@pytest.mark.parametrize("name", TREES)
def test_what_bridge_writes_anew_or_changes_is_read_by_that_release(each, name):
    each.write(".sops.yaml", json.dumps({"creation_rules": [{"age": each.recipient}]}))
    tree = TREES[name]
    revision = each.store(name, tree)
    assert "CANARY" not in each.decrypted(name)
    key = next(iter(tree[0]))
    there = tree[0][key]
    new = [{**tree[0], key: {**there, "z": "CANARY"} if isinstance(there, dict) else "CANARY"}, *tree[1:]]
    each.store(name, new, revision)
    assert "CANARY" in each.decrypted(name)


@pytest.mark.parametrize("name", TREES)
def test_file_of_that_release_is_changed_in_place(each, name):
    each.write(".sops.yaml", json.dumps({"creation_rules": [{"age": each.recipient}]}))
    each.store(name, TREES[name])
    plain = each.decrypted(name)
    each.encrypt(name, plain)
    revision = each.read(name).revision
    (key, there), *others = TREES[name][0].items()
    new = [{key: {**there, "z": "CANARY"} if isinstance(there, dict) else "CANARY", **dict(others)}, *TREES[name][1:]]
    each.store(name, new, revision)
    assert "CANARY" in each.decrypted(name)
    assert each.values(name) == [opened(sealed(one)) for one in new]
