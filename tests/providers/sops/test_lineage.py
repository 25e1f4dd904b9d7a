"""What proves that two versions of a file have one data key; every kind of key that a file can have."""

import json

import pytest

from bridge_providers.sops import metadata
from bridge_providers.sops.key_types import Stanza
from bridge_providers.sops.lineage import Removed, Step, Version, removed, version_of
from bridge_providers.sops.outline import outline

FINGERPRINT = "85D77543B3D624B63CEA9E6DBC17301B491B3F21"
KEYS = {
    "age": ("age1xyz", {"recipient": "age1xyz"}),
    "pgp": (FINGERPRINT, {"fp": FINGERPRINT.lower(), "created_at": "2026-01-01T00:00:00Z"}),
    "kms": ("arn:aws:kms:eu:1:key/x", {"arn": "arn:aws:kms:eu:1:key/x", "role": "r", "context": {"a": "b"}}),
    "gcp_kms": ("projects/p/cryptoKeys/k", {"resource_id": "projects/p/cryptoKeys/k"}),
    "hckms": ("tr-west-1:uuid", {"key_id": "tr-west-1:uuid"}),
    "azure_kv": ("https://v/n/1", {"vault_url": "https://v", "name": "n", "version": "1"}),
    "hc_vault": ("https://v/transit/k", {"vault_address": "https://v", "engine_path": "transit", "key_name": "k"}),
}
LEAF = "ENC[AES256_GCM,data:{},iv:YQ==,tag:YQ==,type:str]"


def stored(leaves, **block):
    content = {
        "sops": {"lastmodified": "2026-01-01T00:00:00Z", "mac": LEAF.format("bWFj"), "version": "3.13.2"} | block
    }
    return outline("a.json", json.dumps(leaves | content).encode())


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("grouped", [False, True])
def test_every_kind_of_key_is_named_and_has_its_wrapped_key(kind, grouped):
    name, fields = KEYS[kind]
    keys = {kind: [fields | {"enc": "first\n"}, fields | {"enc": "second"}]}
    block = {"key_groups": [keys, {"age": [{"recipient": "age1other", "enc": "third"}]}]} if grouped else keys
    version = version_of(stored({"a": LEAF.format("YQ==")}, **block))
    assert version.recipients == {name} | ({"age1other"} if grouped else set())
    assert version.wrapped == {"first", "second"} | ({"third"} if grouped else set())
    assert version.shared == grouped


def test_every_kind_that_file_can_have_is_tried_here():
    assert set(KEYS) == {*metadata.KEY_TYPES}


def test_comment_of_ssh_key_is_no_part_of_its_name():
    names = [{"recipient": f"ssh-ed25519 AAAA{comment}", "enc": "x"} for comment in ("", " a@b", " a@b c")]
    assert version_of(stored({}, age=names)).recipients == {"ssh-ed25519 AAAA"}


def test_only_values_of_sops_count():
    leaves = {"a": LEAF.format("YQ=="), "b": ["ENC[x]", LEAF.format("Yg=="), "", 5, None], "c": {"d": "CANARY"}}
    version = version_of(stored(leaves))
    assert (version.leaves, version.values) == ({LEAF.format(one).encode() for one in ("YQ==", "Yg==")}, 2)


def version(keys="", leaves="", mac="", **wrapped):
    """Each letter of `keys` is a recipient, wrapped as `wrapped` says, else as it is called."""
    stanzas = frozenset(Stanza(one, wrapped.get(one, f"{one}-first")) for one in keys)
    return Version(stanzas, frozenset({mac.encode()} if mac else ()), frozenset(one.encode() for one in leaves))


def who(today, steps, **versions):
    return removed("", [Step("", ("now",), None), *steps], {"": today, "now": today, **versions})


def test_chain_may_have_every_link_of_another_kind():
    versions = {
        "v1": version("ax", "12", "m1"),
        "v2": version("a", "12", "m1", a="second"),  # updatekeys
        "v3": version("a", "34", "m2", a="second"),  # every value
    }
    steps = [Step("now", ("v3",), "c3"), Step("v3", ("v2",), "c2"), Step("v2", ("v1",), "c1")]
    today = version("ab", "35", "m3", a="third", b="b")
    assert who(today, steps, **versions) == [Removed("x", "c1")]
    for cut in ("v3", "v2"):  # as rotated
        changed = versions | {cut: version("a", "67", "m4", a="fourth")}
        assert who(today, steps, **changed) == []


def test_versions_that_are_no_neighbours_need_all_their_keys_in_common():
    steps = [Step("now", ("v2",), "c2"), Step("v2", ("v1",), "c1")]
    versions = {"v1": version("ax", "12", "m1"), "v2": version("a", "78", "m7", a="rotated")}
    assert who(version("a", "19", "m1", a="new"), steps, **versions) == []
    assert who(version("ab", "99", "m9"), steps, **versions) == []
    versions["v1"] = version("a", "12", "m1")
    older = Step("v1", ("v0",), "c0")
    versions["v0"] = version("ax", "12", "m1", a="zero")
    assert who(version("a", "99", "m9"), [*steps, older], **versions) == [Removed("x", "c0")]


def test_merge_has_data_key_of_its_wrapped_keys():
    """Its values, and even its MAC, may be those of the other side."""
    other, mine = version("ax", "12", "m1"), version("a", "34", "m3", a="rotated")
    steps = [Step("now", ("other", "mine"), "c1")]
    for mixed in (version("a", "12", "m3", a="rotated"), version("a", "14", "m1", a="rotated")):
        assert who(mixed, steps, other=other, mine=mine) == []
    assert who(version("a", "14", "m5", a="new"), steps, other=other, mine=mine) == []
    assert who(version("a", "19", "m5", a="new"), steps, other=other, mine=mine) == [Removed("x", "c1")]
    assert who(version("a", "94", "m1", a="new"), steps, other=other, mine=mine) == [Removed("x", "c1")]


def test_removal_is_reported_by_commit_that_all_of_its_parents_differ_from():
    old, gone = version("ax", "12", "m1"), version("a", "12", "m1", a="second")
    steps = [Step("now", ("old", "gone"), "merge"), Step("gone", ("old",), "removal")]
    assert who(gone, steps, old=old, gone=gone) == [Removed("x", "removal")]
    old = version("ax", "12", "m1", a="second")
    assert who(gone, steps, old=old, gone=gone) == [Removed("x", "removal")]
    assert who(gone, steps[:1], old=old, gone=gone) == [Removed("x", "merge")]


def test_version_that_cannot_be_read_removes_nobody_if_another_does():
    old, gone = version("ax", "12", "m1"), version("a", "12", "m1")
    steps = [Step("now", ("old", "broken"), "c2"), Step("broken", ("old",), "c1")]
    assert who(gone, steps, old=old) == [Removed("x", "c2")]
