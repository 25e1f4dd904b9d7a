"""A rule that encrypts some keys only must not put a value into the file in clear."""

import json

import pytest

from bridge.provider import ProviderError

MANIFEST = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"A": "CANARY-1"}}


@pytest.fixture
def desk(sops):
    rule = {"age": sops.recipient, "encrypted_regex": "^(data|stringData)$"}
    sops.write(".sops.yaml", json.dumps({"creation_rules": [rule]}))
    return sops


def test_a_value_that_the_rule_leaves_out_is_refused(desk):
    with pytest.raises(ProviderError, match="key A would stand in clear, because the file's rule does not encrypt it"):
        desk.store("a.yaml", [{"A": "CANARY-1"}])
    assert not (desk.path / "a.yaml").exists()


def test_a_manifest_stands_as_the_rule_wants_it(desk):
    desk.store("a.yaml", [MANIFEST])
    text = (desk.path / "a.yaml").read_text()
    assert "kind: Secret" in text
    assert "CANARY" not in text
    assert json.loads(desk.sops("decrypt", "--output-type", "json", "a.yaml").stdout) == MANIFEST


def test_what_is_in_clear_stays_there_and_is_not_changed(desk):
    desk.write("a.yaml", "note: CANARY-old\ndata: {A: a}\n")
    desk.sops("encrypt", "--in-place", "a.yaml")
    before = desk.read("a.yaml")
    desk.store("a.yaml", [{"note": "CANARY-old", "data": {"A": "b"}}], before.revision)
    after = (desk.path / "a.yaml").read_text()
    assert "note: CANARY-old" in after
    with pytest.raises(ProviderError, match="key note would stand in clear"):
        desk.store("a.yaml", [{"note": "CANARY-new", "data": {"A": "b"}}], desk.read("a.yaml").revision)
    assert (desk.path / "a.yaml").read_text() == after
