"""Which values a rule leaves in clear is told before a file is written, made or changed."""

import json

import pytest

from bridge.provider import Discloser, Document, ProviderError, Revision, SecretValue
from bridge_providers.sops import Sops
from tests.providers.sops.folder import sealed

MANIFEST = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"A": "CANARY-1"}}
TREE = {"A": "CANARY-1", "data": {"B": "CANARY-2"}, "c_unencrypted": ["CANARY-3", {"d": "x"}], "": {"e": "y"}}


@pytest.fixture
def rule(sops):
    def write(**more):
        sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient} | more]}))

    write()
    return write


def told(sops, *trees, path="a.yaml"):
    session = Sops().open(sops.context())
    assert isinstance(session, Discloser)
    return list(session.in_clear(path, Document(tuple(map(sealed, trees)), Revision(""))))


def test_new_file_follows_rule_for_new_files(sops, rule):
    assert told(sops, TREE) == [(0, ("c_unencrypted",)), (0, ("c_unencrypted", "d"))]
    rule(encrypted_regex="^(data|stringData)$")
    assert told(sops, MANIFEST, {"B": "b"}) == [
        (0, ("apiVersion",)),
        (0, ("kind",)),
        (0, ("metadata", "name")),
        (1, ("B",)),
    ]
    assert told(sops, TREE)[-1] == (0, ("", "e"))


def test_file_that_is_there_follows_its_own_rule(sops, rule):
    rule(encrypted_suffix="_secret")
    sops.store("a.yaml", [{"A": "CANARY-1", "b_secret": "CANARY-2"}])
    rule()
    assert told(sops, {"A": "a", "b_secret": "b", "new": "c"}) == [(0, ("A",)), (0, ("new",))]


def test_binary_file_shows_nothing(sops):
    content = Document(SecretValue(b"CANARY"), Revision(""))
    assert list(Sops().open(sops.context()).in_clear("a.bin", content)) == []


def test_file_that_no_rule_is_for(sops):
    with pytest.raises(ProviderError, match="cannot create the file: no"):
        told(sops, TREE)
