"""Versions of a file that are read by their skeleton give exactly what parsing each of them gives."""

import json

import pytest

from bridge.provider import Outline, ProviderError
from bridge_providers.sops import outline as outlines
from bridge_providers.sops import skeleton
from tests.providers.sops.folder import Folder
from tests.providers.sops.test_outline import CONTENTS


@pytest.fixture(autouse=True)
def fresh() -> None:
    skeleton._known.clear()
    skeleton._leaves.clear()


def outline(name: str, content: bytes) -> Outline:
    """Return the outline of a file after another with its skeleton was read, and compare it with a parsed one."""
    shown = outlines.outline(name, content)
    parsed = outlines._outline(outlines.stores.store_of(name), content)
    assert shown.leaves.keys() == parsed.leaves.keys()
    assert all(leaf.same_as(parsed.leaves[place]) for place, leaf in shown.leaves.items())
    assert shown[1:] == parsed[1:]
    return shown


@pytest.mark.parametrize("name", CONTENTS)
def test_second_version_is_not_parsed_and_reads_the_same(sops: Folder, name: str) -> None:
    path = sops.encrypt(name, CONTENTS[name])
    first = outline(name, path.read_bytes())
    key = ["DATA"] if name.endswith(".bin") else ["b", "c"] if name.endswith(".ini") else ["a"]
    if name.endswith(".bin"):
        text = path.read_bytes()
        old = sops.value(name, "data")
        path.write_bytes(text.replace(old.encode(), old.replace("data:", "data:AAAA").encode()))
    else:
        place = "".join(f'["{part}"]' for part in key)
        assert sops.sops("set", name, place, json.dumps("CANARY-new")).returncode == 0
    content = path.read_bytes()
    second = outline(name, content)
    assert not all(leaf.same_as(second.leaves[place]) for place, leaf in first.leaves.items())

    def refuse(*_: object) -> Outline:
        raise AssertionError

    if content.count(b"lastmodified") > 1:
        return  # each of several documents has a time
    assert skeleton.outline(outlines.stores.store_of(name), content, refuse).leaves.keys() == second.leaves.keys()


TOKEN = "ENC[AES256_GCM,data:{},iv:YQ==,tag:YQ==,type:str]"


def file(modified: str = "2026-01-01T00:00:00Z", mac: str = "bWFj", **values: object) -> bytes:
    block = {"age": [{"recipient": "age1x", "enc": "x"}], "lastmodified": modified, "mac": TOKEN.format(mac)}
    return json.dumps({**values, "sops": block | {"version": "3.13.2"}}).encode()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (file(a=TOKEN.format("MQ==")), file("2026-02-02T00:00:00Z", a=TOKEN.format("Mg=="))),
        (file(a=f"x {TOKEN.format('MQ==')}"), file(a=f"x {TOKEN.format('Mg==')}")),  # in clear
        (file(a="lastmodified 2026-01-01T00:00:00Z"), file(a="lastmodified 2026-01-02T00:00:00Z")),
        (file(lastmodified="2026-01-01T00:00:00Z"), file(lastmodified="2026-01-02T00:00:00Z")),
        (file(a=TOKEN.format("MQ=="), b=TOKEN.format("MQ==")), file(a=TOKEN.format("MQ=="), b=TOKEN.format("Mg=="))),
        (file(a=[TOKEN.format("MQ=="), TOKEN.format("Mg==")]), file(a=[TOKEN.format("Mg=="), TOKEN.format("MQ==")])),
        (file(a=TOKEN.format("MQ==")), file(a=TOKEN.format("MQ==").replace("str", "int"))),
        (file("2026-01-01T00:00:00+01:00", a=TOKEN.format("MQ==")), file(a=TOKEN.format("Mg=="))),
        (file(a=5), file(a=6)),
        (file(a=TOKEN.format("MQ=="), mac="bWFj"), file(a=TOKEN.format("bWFj"), mac="MQ==")),
    ],
)
def test_versions_that_differ_in_more_than_it_seems(first: bytes, second: bytes) -> None:
    for content in (first, second, first):
        outline("a.json", content)


@pytest.mark.parametrize("modified", ["", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z", "T", "x"])
def test_time_that_is_none_is_refused_as_ever(modified: str) -> None:
    outline("a.json", file(a=TOKEN.format("MQ==")))
    with pytest.raises(ProviderError):
        outlines.outline("a.json", file(modified, a=TOKEN.format("MQ==")))
