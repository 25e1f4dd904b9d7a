"""A new file is laid out as sops lays it out, by `stores` of `.sops.yaml`: a later `sops edit` changes little."""

import json
import re

import pytest
import yaml

from bridge_providers.sops import text_yaml

TREE = {"a": {"b": {"c": "x"}, "list": ["y", {"d": "z", "e": {"f": "g"}}, ["h", ["i"]]]}, "n": {}, "j": "k"}


def skeleton(text):
    """Keep of a file what is not encrypted, and the blank at each line's begin."""
    text = re.sub(r"ENC\[[^]]*\]|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]*Z", "", text)
    return re.sub(r"(?s)(-----BEGIN AGE ENCRYPTED FILE-----).*?(-----END)", r"\1\2", text).splitlines()


def configured(folder, stores):
    folder.write(".sops.yaml", json.dumps({"creation_rules": [{"age": folder.recipient}], "stores": stores}))


def made_by_both(folder, suffix, stores, content):
    """Return the files that sops and bridge make of the same values."""
    configured(folder, stores)
    text = (
        content
        if isinstance(content, bytes)
        else json.dumps(content)
        if suffix == "json"
        else yaml.safe_dump(content, sort_keys=False)
    )
    theirs = folder.write(f"theirs.{suffix}", text)
    done = folder.sops("encrypt", "--in-place", theirs.name)
    assert done.returncode == 0, done.stderr
    folder.store(f"ours.{suffix}", content if isinstance(content, bytes) else [content])
    return theirs.read_text(), (folder.path / f"ours.{suffix}").read_text()


@pytest.mark.parametrize("indent", [None, 0, 1, 2, 3, 6, 9, 12])
def test_yaml(sops, indent):
    theirs, ours = made_by_both(sops, "yaml", {} if indent is None else {"yaml": {"indent": indent}}, TREE)
    assert skeleton(ours) == skeleton(theirs)
    assert f"\n{' ' * (indent if indent in range(2, 10) else 2 if indent in {1, 12} else 4)}b:" in ours


@pytest.mark.parametrize("indent", [None, -1, 0, 1, 4])
def test_json(sops, indent):
    theirs, ours = made_by_both(sops, "json", {} if indent is None else {"json": {"indent": indent}}, TREE)
    assert skeleton(ours) == skeleton(theirs)


@pytest.mark.parametrize("indent", [None, -1, 0, 2])
def test_binary(sops, indent):
    theirs, ours = made_by_both(sops, "bin", {} if indent is None else {"json_binary": {"indent": indent}}, b"CANARY")
    assert skeleton(ours) == skeleton(theirs)


def test_what_is_added_to_a_file_is_indented_as_its_metadata_is(sops):
    configured(sops, {"yaml": {"indent": 2}})
    revision = sops.store("a.yaml", [TREE])
    new = {**TREE, "more": {"p": {"q": ["r", {"s": {"t": "u"}}]}}}
    sops.store("a.yaml", [new], revision)
    changed = (sops.path / "a.yaml").read_text()
    sops.store("b.yaml", [new])
    assert skeleton(changed) == skeleton((sops.path / "b.yaml").read_text())


@pytest.mark.parametrize(
    ("stores", "what"),
    [
        ("x", "its `stores` is not a mapping of mappings"),
        ({"yaml": 2}, "its `stores` is not a mapping of mappings"),
        ({"yaml": {"indent": -1}}, "`indent` of `stores` is not a number of columns for yaml"),
        ({"yaml": {"indent": "2"}}, "`indent` of `stores` is not a number of columns for yaml"),
        ({"yaml": {"indent": 101}}, "`indent` of `stores` is not a number of columns for yaml"),
    ],
)
def test_a_layout_that_is_none_is_refused(folder, stores, what):
    configured(folder, stores)
    assert folder.unwritable("a.yaml", [TREE]) == f"{folder.path}/.sops.yaml: {what}"


def test_what_is_said_of_other_stores_does_not_count(folder):
    configured(folder, {"json": {"indent": "x"}, "ini": {}, "dotenv": None, "yaml": None})
    folder.store("a.yaml", [TREE])
    assert f"\n{' ' * text_yaml.STEP}b:" in (folder.path / "a.yaml").read_text()
