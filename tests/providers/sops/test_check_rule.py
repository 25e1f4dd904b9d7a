"""What `bridge check` tells of a file beside the rule of `.sops.yaml`, without a key."""

import json

import pytest
from pyrage import x25519

from bridge_providers.sops import Sops

A, B, C = (str(x25519.Identity.generate().to_public()) for _ in range(3))


def rules(folder, *rules):
    folder.write(".sops.yaml", json.dumps({"creation_rules": list(rules)}))


def told(folder, name="a.yaml"):
    """Return what is told without a key, errors and warnings apart; nothing of a value."""
    folder.environ = {}
    found = list(Sops().check(name, folder.context()))
    assert "CANARY" not in repr(found)
    place = f"{folder.path}/.sops.yaml"
    texts = [(one.warning, str(one).replace(place, "RULES")) for one in found]
    return [text for warning, text in texts if not warning], [text for warning, text in texts if warning]


def test_file_that_is_as_its_rule_says(sops):
    sops.encrypt("a.yaml", "a: CANARY\n", age=f"{A},{B}")
    assert told(sops) == ([], [])


def test_recipient_that_is_missing_and_one_too_many(sops):
    sops.encrypt("a.yaml", "a: CANARY\n", age=f"{A},{B}")
    rules(sops, {"path_regex": "other", "age": A}, {"age": [A, f"{C} "]})
    errors, warnings = told(sops)
    assert errors == [
        f"is not encrypted to {C}, which RULES: rule 2 lists",
        f"is also encrypted to {B}, which RULES: rule 2 does not list",
    ]
    assert warnings == []


def test_key_groups_of_rule_count_as_sops_writes_them(sops):
    group = [{"age": [A]}, {"age": [B]}]
    sops.encrypt("a.yaml", "a: CANARY\n", key_groups=group)
    assert told(sops) == ([], [])
    rules(sops, {"key_groups": [*group, {"age": [C], "kms": [{"arn": "arn:aws:kms:eu:1:key/1"}]}], "age": "unused"})
    assert told(sops)[0] == [
        f"is not encrypted to {one}, which RULES: rule 1 lists" for one in ("a key of type kms", C)
    ]


def test_what_group_merges_counts_as_sops_writes_it(sops):
    groups = [{"merge": [{"age": [A], "merge": [{"age": [B, A]}]}, {"age": [B]}], "age": [A]}]
    sops.encrypt("a.yaml", "a: CANARY\n", key_groups=groups)
    assert told(sops) == ([], [])
    rules(sops, {"key_groups": [{"merge": [{"merge": [{"age": [C]}]}], "age": [A, B]}]})
    assert told(sops)[0] == [f"is not encrypted to {C}, which RULES: rule 1 lists"]


@pytest.mark.parametrize(
    ("given", "name"), [("azure_keyvault", "azure_kv"), ("hc_vault_transit_uri", "hc_vault"), ("pgp", "pgp")]
)
def test_keys_of_other_types_are_compared_by_their_type(sops, given, name):
    sops.encrypt("a.yaml", "a: CANARY\n", age=f"{A},{B}")
    rules(sops, {"age": [A, B], given: "x"})
    assert told(sops)[0] == [f"is not encrypted to a key of type {name}, which RULES: rule 1 lists"]


def test_what_stands_in_clear_although_rule_of_today_wants_it_encrypted(sops):
    text = "kind: Secret\ndata: {a: CANARY-1}\nb: CANARY-2\nc: [CANARY-3, 5]\nempty: ''\n"
    sops.encrypt("a.yaml", text, age=f"{A},{B}", encrypted_regex="^data$")
    assert told(sops) == ([], [])
    rules(sops, {"age": [A, B], "encrypted_regex": "^(data|b|c|empty)$"})
    wanted = [
        f"key {place} is in plaintext, but RULES: rule 1 says it should be encrypted" for place in ("b", "c[0]", "c[1]")
    ]
    assert told(sops) == (wanted, [])
    rules(sops, {"age": [A, B], "encrypted_regex": "^nothing$"})
    assert told(sops) == ([], [])


def test_encrypted_value_that_someone_put_back_in_clear(sops):
    sops.encrypt("a.yaml", "a: CANARY-1\nb: CANARY-2\n", age=f"{A},{B}")
    sops.edit("a.yaml", sops.value("a.yaml", "b"), "CANARY-2")
    rules(sops, {"age": [A, B], "unencrypted_regex": "^a$"})
    assert told(sops) == (["key b is not encrypted, but the file's rules say it should be"], [])


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"path_regex": "other"}, "no rule of RULES matches a.yaml"),
        ({"age": 5}, "RULES: rule 1: its `age` must be a string or a list of strings"),
        ({"key_groups": [{"merge": "x"}]}, "RULES: rule 1 has an invalid key group, or an invalid `merge` in one"),
        ({"key_groups": [{"merge": ["x"]}]}, "RULES: rule 1 has an invalid key group, or an invalid `merge` in one"),
        ({"key_groups": "x"}, "RULES: rule 1 has an invalid key group, or an invalid `merge` in one"),
    ],
)
def test_rule_that_does_not_tell_is_warning(sops, rule, message):
    sops.encrypt("a.yaml", "a: CANARY\n", age=f"{A},{B}")
    rules(sops, rule)
    assert told(sops) == ([], [f"was not compared with .sops.yaml: {message}"])


def test_without_configuration_nothing_is_compared(sops):
    sops.encrypt("a.yaml", "a: CANARY\n", age=f"{A},{B}")
    (sops.path / ".sops.yaml").unlink()
    assert told(sops) == ([], [])


def test_single_age_key(sops):
    sops.encrypt("a.yaml", "a: CANARY\n", age=A)
    assert told(sops) == ([], ["only one age key decrypts this; if it is lost, so are the values"])


LEAF = "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]"


def by_hand(folder, recipients, version="3.13.2"):
    """Write a file whose keys nobody has to be able to use."""
    keys = [{"recipient": one, "enc": "x"} for one in recipients]
    block = {"age": keys, "lastmodified": "2026-01-01T00:00:00Z", "mac": LEAF}
    folder.write("a.yaml", json.dumps({"a": LEAF, "sops": block | ({"version": version} if version else {})}))


@pytest.mark.parametrize("others", [[A], ["ssh-ed25519 AAAA comment"]])
def test_post_quantum_recipients_beside_others(folder, others):
    by_hand(folder, ["age1pq1xyz", *others])
    assert told(folder) == (
        [],
        [f"its post-quantum recipients do not help as long as {others[0][:12]}… can decrypt the file too"],
    )


@pytest.mark.parametrize("recipients", [["age1pq1x", "age1pq1y"], [A, B]])
def test_recipients_of_one_strength(folder, recipients):
    by_hand(folder, recipients)
    assert told(folder) == ([], [])


def test_ssh_key_is_same_with_another_comment(folder):
    by_hand(folder, ["ssh-ed25519 AAAA one", A])
    rules(folder, {"age": ["ssh-ed25519 AAAA two", A]})
    assert told(folder) == ([], [])


@pytest.mark.parametrize(
    ("version", "messages", "about"),
    [
        ("3.7.0", [], "sops 3.7.0"),
        ("3.13.2-rc.1", [], "sops 3.13.2-rc.1"),
        ("3.6.1", ["it was written by sops 3.6.1, which is older than 3.7"], "sops 3.6.1"),
        ("4.0.0", ["it was written by sops 4.0.0, which this version of bridge does not know"], "sops 4.0.0"),
        ("", ["it does not say which sops wrote it"], "an unknown sops"),
        ("CANARY", ["it does not say which sops wrote it"], "an unknown sops"),
    ],
)
def test_which_sops_wrote_it(folder, version, messages, about):
    by_hand(folder, [A, B], version)
    assert told(folder) == ([], messages)
    assert Sops().describe("a.yaml", folder.context()) == f"written by {about}, for 2 keys"
