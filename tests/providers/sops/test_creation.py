"""For whom a new file is encrypted, and which of its values: as the real sops chooses by the same `.sops.yaml`."""

import json
import re

import pytest
import yaml
from pyrage import x25519

from bridge.provider import Denied
from bridge_providers.sops import creation

OTHER = str(x25519.Identity.generate().to_public())
THIRD = str(x25519.Identity.generate().to_public())
TREE = {"data": {"PASSWORD": "x", "note": "y"}, "secret_plain": "z", "list": [{"key_enc": "v"}]}
EXAMPLE = "add to .sops.yaml: creation_rules: [{path_regex: '…', age: age1…}]"


def chosen(path):
    """Return all that a rule decides of a file: recipients, metadata and which values are encrypted."""
    tree = yaml.safe_load(path.read_text())
    block = tree.pop("sops")
    looks = json.loads(re.sub(r'"ENC\[[^"]*"', '"ENC"', json.dumps(tree)))
    kept = {name: value for name, value in block.items() if name not in {"age", "lastmodified", "mac"}}
    return [key["recipient"] for key in block["age"]], kept, looks


@pytest.mark.parametrize(
    "rules",
    [
        [{"age": "ME"}],
        [{"age": f"{OTHER},ME, {THIRD}"}],
        [{"age": [OTHER, "ME"]}],
        [{"age": [f"{OTHER},ME"]}],
        [{"age": f"ME,{OTHER},ME"}],
        [{"age": f"{OTHER},\n  ME"}],
        [{"path_regex": "no match", "age": OTHER}, {"path_regex": r"^sub/a\.yaml$", "age": "ME"}],
        [{"path_regex": r"\.yaml$", "age": "ME"}, {"age": OTHER}],
        [{"path_regex": "(?i)SUB/", "age": "ME"}],
        [{"path_regex": "", "age": "ME"}],
        [{"age": "ME", "unencrypted_suffix": "_plain"}],
        [{"age": "ME", "encrypted_suffix": "_enc"}],
        [{"age": "ME", "encrypted_regex": "^(data|stringData)$"}],
        [{"age": "ME", "unencrypted_regex": "(?i)^DATA$"}],
        [{"age": "ME", "encrypted_regex": "^data$", "mac_only_encrypted": True}],
        [{"age": "ME", "mac_only_encrypted": False, "kms": "", "pgp": None}],
    ],
)
def test_rule_is_followed_as_sops_follows_it(sops, rules):
    text = yaml.safe_dump({"creation_rules": rules}).replace("ME", sops.recipient)
    sops.write(".sops.yaml", text)
    sops.write("sub/theirs/sub/a.yaml", yaml.safe_dump(TREE, sort_keys=False))
    (sops.path / "sub/theirs/.sops.yaml").write_text(text)
    there = sops.path / "sub/theirs/sub/a.yaml"
    done = sops.sops("--config", str(sops.path / "sub/theirs/.sops.yaml"), "encrypt", "--in-place", str(there))
    assert done.returncode == 0, done.stderr.decode()
    sops.store("sub/a.yaml", [TREE])
    assert chosen(sops.path / "sub/a.yaml") == chosen(there)
    assert yaml.safe_load(sops.decrypted("sub/a.yaml")) == TREE


@pytest.mark.parametrize(
    "groups",
    [
        [{"merge": [{"age": [OTHER]}, {"age": [THIRD, OTHER]}], "age": ["ME", THIRD]}],
        [{"merge": [{"merge": [{"age": [OTHER]}], "age": [THIRD]}, {"age": ["ME"]}]}],
        [{"merge": [], "age": ["ME", OTHER, "ME"]}],
        [{"age": ["ME"]}, {"merge": [{"age": ["ME"]}, {"age": [OTHER]}]}],
        [{"age": [f"ME,{OTHER}"], "unknown": "x"}],
    ],
)
def test_what_groups_merge_is_put_together_as_sops_does(sops, groups):
    rule = json.loads(json.dumps({"key_groups": groups}).replace("ME", sops.recipient))
    sops.encrypt("theirs.yaml", "a: CANARY\n", **rule)
    sops.store("ours.yaml", [{"a": "CANARY"}])
    theirs, ours = (yaml.safe_load((sops.path / f"{name}.yaml").read_text())["sops"] for name in ("theirs", "ours"))

    def recipients(block):
        return [[key["recipient"] for key in one["age"]] for one in block.get("key_groups", [block])]

    assert recipients(ours) == recipients(theirs)
    assert ours.get("shamir_threshold") == theirs.get("shamir_threshold")


def test_nearest_configuration_counts(sops):
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": OTHER}]}))
    sops.write("deep/.sops.yaml", json.dumps({"creation_rules": [{"age": f"{sops.recipient},{THIRD}"}]}))
    sops.write("deep/er/x", "")
    sops.store("deep/er/a.yaml", [TREE])
    assert chosen(sops.path / "deep/er/a.yaml")[0] == [sops.recipient, THIRD]


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([{"path_regex": "^b", "age": "ME"}], "no rule of HERE matches a.yaml"),
        ([], "HERE has no list `creation_rules`"),
        ("x", "HERE has no list `creation_rules`"),
        ([{}], "HERE: rule 1 lists no recipient"),
        ([{"age": ""}], "HERE: rule 1 lists no recipient"),
        ([{"key_groups": [{"merge": [5]}]}], "HERE: rule 1 has an invalid key group, or an invalid `merge` in one"),
        ([{"key_groups": [{"<<": {}, "age": ["ME"]}]}], "HERE: rule 1 has a merge key (`<<`) in a key group"),
        ([{"age": "ME", "gcp_kms": "FB"}], "HERE: rule 1 lists gcp_kms: bridge creates no file for such keys"),
        ([{"key_groups": [{"hc_vault": ["x"]}]}], "HERE: rule 1 lists hc_vault: bridge creates no file for such keys"),
        (
            [{"kms": "arn:x", "azure_keyvault": "y"}],
            "HERE: rule 1 lists azure_kv, kms: bridge creates no file for such keys",
        ),
        (
            [{"age": "ME", "encrypted_regex": "a", "unencrypted_suffix": "b"}],
            "HERE: rule 1 has more than one rule for what is encrypted: unencrypted_suffix, encrypted_regex",
        ),
        ([{"age": 5}], "HERE: rule 1: its `age` must be a string or a list of strings"),
        ([{"age": "ME", "path_regex": "(?P<x>a)(?=b)"}], "HERE: rule 1: its `path_regex` cannot be used: "),
        ([{"age": "ME", "<<": {}}], "HERE: rule 1 has a merge key (`<<`), which bridge does not support"),
        ([{"age": "ME,ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINoXmCFV"}], "sops cannot encrypt the file by HERE: rule 1"),
        ([{"age": "ME", "mac_only_encrypted": "perhaps"}], "sops cannot encrypt the file by HERE: rule 1"),
        (
            [{"age": "ME", "kms": "", "stray": "x", "shamir_threshold": "x"}],
            "sops cannot encrypt the file by HERE: rule 1",
        ),
    ],
)
def test_rule_that_cannot_be_followed_is_refused(folder, rules, problem):
    text = json.dumps({"creation_rules": rules}).replace("ME", folder.recipient)
    path = folder.write(".sops.yaml", text)
    assert folder.unwritable("a.yaml", [{"a": "CANARY"}]).startswith(problem.replace("HERE", str(path)))


def test_configuration_that_is_no_yaml_is_named(folder):
    path = folder.write(".sops.yaml", "creation_rules: [\n")
    assert folder.unwritable("a.yaml", [{"a": "CANARY"}]) == f"{path}: line 2 is not valid YAML"


def test_without_configuration_refusal_says_what_to_write(folder, monkeypatch):
    monkeypatch.setattr(creation, "_MAX_DEPTH", 1)  # whatever stands above the tests' folder
    message = folder.unwritable("a.yaml", [{"a": "CANARY"}])
    assert message == "cannot create the file: no .sops.yaml in its folder or above lists its recipients"


def test_what_we_could_not_read_back_is_not_written(folder):
    folder.write(".sops.yaml", json.dumps({"creation_rules": [{"age": OTHER}]}))
    message = folder.unwritable("a.yaml", [{"a": "CANARY"}], kind=Denied)
    assert message == f"no age key matched its recipients {OTHER}"
