"""What a SOPS file shows without a key, in files of three releases of the real sops, and the rules for new files."""

import json
from collections.abc import Callable

import pytest
from pyrage import x25519

from bridge.provider import Leaf, Outline, Outliner, ProviderError, Reader, Rules, SecretValue
from bridge_providers.sops import Sops
from tests.providers.sops.folder import Folder
from tests.providers.sops.test_lineage import KEYS

OTHER = str(x25519.Identity.generate().to_public())
CONTENTS = {
    "a.yaml": "a: CANARY-a\nb: {c: CANARY-c, d_unencrypted: CANARY-d}\ne: [CANARY, CANARY]\nf: {}\n---\na: CANARY\n",
    "a.json": '{"a": "CANARY-a", "b": {"c": "CANARY-c", "d_unencrypted": 5}, "e": ["CANARY-1"], "f": {}}\n',
    "a.env": "a=CANARY-a\nd_unencrypted=CANARY-d\n",
    "a.ini": "[b]\nc = CANARY-c\nd_unencrypted = CANARY-d\n",
    "a.bin": "CANARY-a",
}
PLACES = {
    "a.yaml": {(0, ("a",)), (0, ("b", "c")), (0, ("b", "d_unencrypted")), (0, ("e",)), (0, ("f",)), (1, ("a",))},
    "a.json": {(0, ("a",)), (0, ("b", "c")), (0, ("b", "d_unencrypted")), (0, ("e",)), (0, ("f",))},
    "a.env": {(0, ("a",)), (0, ("d_unencrypted",))},
    "a.ini": {(0, ("b", "c")), (0, ("b", "d_unencrypted"))},
    "a.bin": {(0, ())},
}


def outline_of(folder: Folder, name: str) -> Outline:
    provider = Sops()
    assert isinstance(provider, Outliner)
    context = folder.context()._replace(environ={})
    file = provider.file(name, context)
    assert file == folder.path / name
    shown = provider.outline(name, file.read_bytes())
    assert "CANARY" not in repr(shown)
    return shown


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("release", ["3.8.1", "3.11.0", "3.13.2"])
def test_outline_shows_places_and_ciphertexts_without_a_key(
    folder_of: Callable[[str], Folder], release: str, name: str
) -> None:
    folder = folder_of(release)
    folder.encrypt(name, CONTENTS[name], age=f"{folder.recipient},{OTHER}")
    shown = outline_of(folder, name)
    assert set(shown.leaves) == PLACES[name]
    text = (folder.path / name).read_bytes()
    for (_, keys), leaf in shown.leaves.items():
        is_clear = bool(keys) and keys[-1].endswith("_unencrypted")
        assert bool(leaf.clear) == is_clear
        assert bool(leaf.sealed) != (is_clear or keys == ("f",))
        assert all(sealed in text for sealed in leaf.sealed)
    assert [(one.kind, one.id, one.group) for one in shown.rules.readers] == [
        ("age", folder.recipient, 0),
        ("age", OTHER, 0),
    ]
    assert all(one.wrapped.startswith("-----BEGIN AGE") for one in shown.rules.readers)
    assert shown.rules.settings == {"unencrypted_suffix": "_unencrypted"}
    assert shown.revision == folder.read(name).revision
    assert shown.mac.startswith(b"ENC[")


def test_settings_of_a_file_are_those_that_are_not_the_default(sops: Folder) -> None:
    groups = [{"age": [sops.recipient]}, {"age": [OTHER]}, {"age": [OTHER]}]
    rule = {"encrypted_regex": "^a$", "mac_only_encrypted": True, "shamir_threshold": 2, "key_groups": groups}
    sops.encrypt("a.yaml", "a: CANARY-a\n", **rule)
    shown = outline_of(sops, "a.yaml").rules
    assert shown.settings == {"encrypted_regex": "^a$", "mac_only_encrypted": "true", "shamir_threshold": "2"}
    assert [(one.id, one.group) for one in shown.readers] == [(sops.recipient, 0), (OTHER, 1), (OTHER, 2)]
    shares = Sops().rules_for("a.yaml", (sops.path / ".sops.yaml").read_bytes())
    assert shares == Rules(tuple(one._replace(wrapped="") for one in shown.readers), shown.settings)


def test_object_in_storage_is_not_a_file(folder: Folder) -> None:
    assert Sops(s3="scaleway").file("s3://bucket/a.yaml", folder.context()) is None
    with pytest.raises(ProviderError, match="zero byte"):
        Sops().file("a\0.yaml", folder.context())


@pytest.mark.parametrize("content", [b"", b"a: CANARY\n", b"a: [CANARY\n", b"\xff\xfe", b"a: b\nsops: CANARY\n"])
def test_content_that_is_not_a_sops_file_is_refused_without_its_text(content: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        Sops().outline("a.yaml", content)
    assert "CANARY" not in str(caught.value)


def test_leaves_are_compared_as_they_are_stored() -> None:
    sealed, clear = Leaf((b"ENC[1]",)), Leaf((), (SecretValue(b"x"),))
    assert sealed.same_as(Leaf((b"ENC[1]",)))
    assert clear.same_as(Leaf((), (SecretValue(b"x"),)))
    others = [Leaf((b"ENC[2]",)), Leaf(), Leaf((b"ENC[1]",), clear.clear), Leaf((), (SecretValue(b"y"),)), clear]
    assert not any(sealed.same_as(one) for one in others)
    assert not any(clear.same_as(one) for one in [*others[:-1], Leaf((), (*clear.clear, *clear.clear))])


def test_first_matching_rule_is_the_one_that_counts(folder: Folder) -> None:
    rules = [
        {"path_regex": "^prod/", "age": f"age1a, {OTHER} comment", "encrypted_regex": "^x$"},
        {
            "path_regex": "^staging/",
            "pgp": "ab cd,ef",
            "kms": "arn:1,arn:2",
            "mac_only_encrypted": True,
        },
    ]
    content = json.dumps({"creation_rules": rules}).encode()
    provider = Sops()
    assert provider.rules_for("prod/a.yaml", content) == Rules(
        (Reader("age", "age1a"), Reader("age", f"{OTHER} comment")), {"encrypted_regex": "^x$"}
    )
    assert provider.rules_for("staging/a.yaml", content) == Rules(
        (Reader("kms", "arn:1"), Reader("kms", "arn:2"), Reader("pgp", "ABCD"), Reader("pgp", "EF")),
        {"unencrypted_suffix": "_unencrypted", "mac_only_encrypted": "true"},
    )
    assert provider.rules_for("other/a.yaml", content) is None


def test_every_kind_of_key_in_a_rule_is_named() -> None:
    group = {
        "age": ["age1xyz"],
        "pgp": ["85D77543"],
        "kms": [{"arn": "arn:aws:kms:eu:1:key/x", "role": "r", "context": {"a": "b"}}],
        "gcp_kms": [{"resource_id": "projects/p/cryptoKeys/k"}],
        "hckms": [{"key_id": "tr-west-1:uuid"}],
        "azure_keyvault": [{"vaultUrl": "https://v", "key": "n", "version": "1"}],
        "hc_vault": ["https://v/v1/transit/keys/k"],
    }
    shown = Sops().rules_for("a", json.dumps({"creation_rules": [{"key_groups": [group]}]}).encode())
    assert shown
    names = {one.kind: one.id for one in shown.readers}
    wanted = {kind: name for kind, (name, _) in KEYS.items()}
    assert names == wanted | {"pgp": "85D77543", "hc_vault": "https://v/v1/transit/keys/k"}


@pytest.mark.parametrize(
    "content", [b"a: [CANARY\n", b"creation_rules: CANARY\n", b'creation_rules: [{path_regex: "(CANARY"}]\n']
)
def test_rules_that_cannot_be_read_are_refused(content: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        Sops().rules_for("a.yaml", content)
    assert "CANARY" not in str(caught.value)
