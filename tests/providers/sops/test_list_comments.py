"""Comments inside a YAML list, which sops encrypts as items of it: they are no values, and are not lost."""

import json

import pytest

from tests.providers.sops.matrix import RELEASES

CONTENT = "list:\n    # CANARY-0\n    - a # CANARY-1\n    # two\n    - {b: x}\n    # end\nother: y\n"
VALUES = {"list": [("text", b"a"), {"b": ("text", b"x")}], "other": ("text", b"y")}


@pytest.fixture(params=RELEASES)
def file(request, folder_of):
    folder = folder_of(request.param)
    folder.encrypt("a.yaml", CONTENT)
    assert (folder.path / "a.yaml").read_text().count("type:comment") == 4
    # The newest release counts them for the MAC when it reads, though not when it writes.
    assert folder.sops("decrypt", "a.yaml").returncode == (51 if request.param == "3.13.2" else 0)
    return folder


def test_they_are_read_over(file):
    assert file.values("a.yaml") == [VALUES]
    assert file.problems("a.yaml") == []


def test_change_leaves_them_where_they_are(file):
    before = (file.path / "a.yaml").read_text().splitlines()
    revision = file.read("a.yaml").revision
    file.store("a.yaml", [{"list": ["a", {"b": "new"}], "other": "z"}], revision)
    after = (file.path / "a.yaml").read_text().splitlines()
    changed = [old.split(":")[0].strip() for old, new in zip(before, after, strict=True) if old != new]
    assert sorted(changed) == ["- b", "lastmodified", "mac", "other"] or sorted(changed) == ["- b", "mac", "other"]
    assert file.values("a.yaml")[0]["list"] == [("text", b"a"), {"b": ("text", b"new")}]


def test_list_with_them_is_not_given_another_length(file):
    message = file.unwritable("a.yaml", [{"list": ["a"], "other": "y"}], file.read("a.yaml").revision)
    assert message == "bridge cannot make this change in the text of the file"


def test_they_are_read_over_in_json_too(sops):
    sops.write("a.yaml", CONTENT)
    done = sops.sops("encrypt", "--age", sops.recipient, "--output-type", "json", "a.yaml")
    assert done.returncode == 0, done.stderr
    sops.write("a.json", done.stdout)
    assert any("type:comment" in item for item in json.loads(done.stdout)["list"] if isinstance(item, str))
    assert sops.values("a.json") == [VALUES]


def test_one_that_is_damaged_is_refused(file):
    text = (file.path / "a.yaml").read_text()
    line = next(line for line in text.splitlines() if line.endswith("type:comment]"))
    file.edit("a.yaml", line, line.replace("data:", "data:A"))
    assert file.refusal("a.yaml").startswith("key list[0] is damaged")
