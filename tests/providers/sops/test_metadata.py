"""The `sops` block by itself: its keys, its rule, its booleans, and what they mean."""

from typing import Any

import pytest

from bridge.provider import Kind, ProviderError, Reader, SecretValue
from bridge_providers.sops import mac, metadata
from bridge_providers.sops.key_types import AgeKey, KmsKey, PgpKey, TransitKey

TRANSIT = {"vault_address": "https://vault", "engine_path": "transit", "key_name": "voice", "enc": "T "}
KEYS: dict[str, Any] = {
    "age": [{"recipient": "age1x", "enc": "A"}, {"recipient": "ssh-ed25519 AAAA ann@example.com", "enc": "B"}],
    "pgp": [{"fp": "abcd 1234", "enc": "P"}],
    "kms": [{"arn": "arn:1", "role": "r", "aws_profile": "p", "context": {"App": "voice"}, "enc": "K"}],
    "hc_vault": [TRANSIT],
    "azure_kv": [{"vault_url": "https://kv", "name": "n", "version": "7", "enc": "Z"}],
}
READERS = [
    Reader("kms", "arn:1", 0, "K"),
    Reader("azure_kv", "https://kv/n/7", 0, "Z"),
    Reader("hc_vault", "https://vault/transit/voice", 0, "T"),
    Reader("age", "age1x", 0, "A"),
    Reader("age", "ssh-ed25519 AAAA", 0, "B"),
    Reader("pgp", "ABCD1234", 0, "P"),
]


def tree(node: Any) -> Any:
    """Wrap texts as a store does; a leaf stays as it is."""
    if isinstance(node, dict):
        return {key: tree(child) for key, child in node.items()}
    if isinstance(node, list):
        return [tree(child) for child in node]
    return node if isinstance(node, SecretValue) else SecretValue.of(node)


def block(**changes: Any) -> Any:
    return tree({"lastmodified": "2026-11-25T10:00:00Z", "mac": "ENC[x]", "version": "3.13.2"} | changes)


def test_readers_are_all_keys_in_the_order_in_which_sops_tries_them() -> None:
    assert list(metadata.readers(block(**KEYS))) == READERS


def test_readers_of_groups_are_numbered_and_count_only_without_keys_at_the_top() -> None:
    groups = [{"age": [{"recipient": "age1a", "enc": "A"}]}, {"pgp": [{"fp": "ab", "enc": "P"}]}]
    assert list(metadata.readers(block(key_groups=groups))) == [
        Reader("age", "age1a", 0, "A"),
        Reader("pgp", "AB", 1, "P"),
    ]
    assert list(metadata.readers(block(key_groups=groups, **KEYS))) == READERS
    assert list(metadata.readers(block())) == []


def test_keys_are_read_with_all_their_fields() -> None:
    (group,) = metadata.read(block(**KEYS)).groups
    assert group.age == (AgeKey("age1x", "A"), AgeKey("ssh-ed25519 AAAA ann@example.com", "B"))
    assert group.pgp == (PgpKey("abcd 1234", "P"),)
    assert group.kms == (KmsKey("arn:1", "r", "p", (("App", "voice"),), "K"),)
    assert group.hc_vault == (TransitKey("https://vault", "transit", "voice", "T "),)
    assert group.others == ("azure_kv",)


@pytest.mark.parametrize(
    ("version", "is_old"),
    [("0.9", True), ("1.14", True), ("2.0.10", True), ("3.0.0", False), ("30", False), ("", False)],
)
def test_file_before_3_is_old(version: str, is_old: bool) -> None:
    assert metadata.read(block(version=version)).is_old is is_old


@pytest.mark.parametrize("rule", metadata.RULES)
def test_rule_is_the_one_that_is_given(rule: str) -> None:
    read = metadata.read(block(**{rule: "x"}))
    assert (read.rule, read.pattern) == (rule, "x")
    default = metadata.read(block(**{rule: ""}))
    assert (default.rule, default.pattern) == ("unencrypted_suffix", "_unencrypted")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *((text, True) for text in ("1", "t", "T", "TRUE", "true", "True")),
        *((text, False) for text in ("", "0", "f", "F", "FALSE", "false", "False")),
        *((text, None) for text in ("yes", "tRUE", "2", " ")),
    ],
)
def test_boolean_is_what_go_reads_as_one(text: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(ProviderError, match=r"^its `mac_only_encrypted` is not true or false$"):
            metadata.read(block(mac_only_encrypted=text))
        return
    read = metadata.read(block(mac_only_encrypted=text))
    assert read.mac_only_encrypted is expected
    assert [problem.where for problem in mac.warnings(read)] == [""] * expected


@pytest.mark.parametrize(("text", "threshold"), [("", 0), ("0", 0), ("2", 2), ("999", 999)])
def test_threshold_is_a_number_of_groups(text: str, threshold: int) -> None:
    assert metadata.read(block(shamir_threshold=text)).threshold == threshold


@pytest.mark.parametrize("text", ["-1", "1.0", "1000", "\u0662", "x"])
def test_threshold_that_is_no_number_of_groups_is_refused(text: str) -> None:
    with pytest.raises(ProviderError, match=r"^its `shamir_threshold` is not a number of key groups$"):
        metadata.read(block(shamir_threshold=text))


def test_names_in_any_case_count_and_nulls_do_not() -> None:
    assert metadata.read(block(Unencrypted_Suffix="_x")).pattern == "_x"
    assert metadata.read(block(encrypted_regex=SecretValue(b"", Kind.NULL))).rule == "unencrypted_suffix"
    with pytest.raises(ProviderError, match=r"^duplicate `mac_only_encrypted` \(the names differ only in case\)$"):
        metadata.read(block(MAC_only_encrypted="true", Mac_Only_Encrypted="true"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mac": {"x": "y"}}, "its `mac` is not a string"),
        ({"mac": SecretValue(b"\xff", Kind.BYTES)}, "its `mac` is not a string"),
        ({"age": "age1x"}, "its `age` is not a list of keys"),
        ({"age": ["age1x"]}, "its `age` is not a list of keys"),
        ({"kms": [{"context": "x"}]}, "the `context` of a kms key is not a mapping"),
        ({"lastmodified": "yesterday"}, "its `lastmodified` is not a time"),
        ({"lastmodified": ""}, "its `lastmodified` is not a time"),
    ],
)
def test_block_that_sops_cannot_read_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ProviderError) as caught:
        metadata.read(block(**changes))
    assert str(caught.value) == message


def test_single_key_counts_as_a_list_and_an_empty_mapping_as_none() -> None:
    assert list(metadata.readers(block(age={"recipient": "age1x", "enc": "A"}))) == [Reader("age", "age1x", 0, "A")]
    assert list(metadata.readers(block(age={}))) == []
