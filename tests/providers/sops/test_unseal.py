"""Data keys and single values of any version of a file, opened to compare them; and files before encryption."""

from collections.abc import Callable

import pytest

from bridge.provider import DataKey, KeyTracer, Leaf, Outline, ProviderError, Unsealer
from bridge_providers.sops import Sops
from tests.providers.sops.folder import Folder
from tests.providers.sops.test_outline import CONTENTS

PLAIN = {**CONTENTS, "a.bin": "CANARY-a"}


def opened(folder: Folder, name: str) -> tuple[DataKey, Outline]:
    content = (folder.path / name).read_bytes()
    session = Sops().open(folder.context())
    try:
        assert isinstance(session, Unsealer)
        key = session.data_key(name, content)
    finally:
        session.close()
    return key, Sops().outline(name, content)


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("release", ["3.8.1", "3.11.0", "3.13.2"])
def test_values_are_those_of_the_file_before_it_was_encrypted(
    folder_of: Callable[[str], Folder], release: str, name: str
) -> None:
    folder = folder_of(release)
    provider = Sops()
    assert isinstance(provider, KeyTracer)
    clear = provider.outline_in_clear(name, CONTENTS[name].encode())
    assert clear is not None
    assert clear.rules.readers == ()
    assert "CANARY" not in repr(clear)
    folder.encrypt(name, CONTENTS[name])
    key, outline = opened(folder, name)
    assert clear.leaves.keys() == outline.leaves.keys()
    for place, leaf in outline.leaves.items():
        values = key.unseal(place, leaf)
        assert "CANARY" not in repr(values) + repr(key)
        assert [one.reveal() for one in values] == [one.reveal() for one in clear.leaves[place].clear]
    assert provider.outline_in_clear(name, (folder.path / name).read_bytes()) is None


def test_data_keys_are_compared(sops: Folder) -> None:
    sops.encrypt("a.json", CONTENTS["a.json"])
    first, outline = opened(sops, "a.json")
    assert sops.sops("set", "a.json", '["a"]', '"CANARY-new"').returncode == 0
    second, _ = opened(sops, "a.json")
    assert sops.sops("rotate", "--in-place", "a.json").returncode == 0
    third, rotated = opened(sops, "a.json")
    assert first.same_as(second)
    assert not first.same_as(third)
    place = (0, ("a",))
    for key, leaf in ((third, outline.leaves[place]), (first, rotated.leaves[place])):
        with pytest.raises(ProviderError) as caught:
            key.unseal(place, leaf)
        assert "CANARY" not in repr(caught.value)


def test_value_opens_only_at_its_own_place(sops: Folder) -> None:
    sops.encrypt("a.json", CONTENTS["a.json"])
    key, outline = opened(sops, "a.json")
    with pytest.raises(ProviderError):
        key.unseal((0, ("b", "c")), outline.leaves[0, ("a",)])
    with pytest.raises(ProviderError):
        key.unseal((0, ("a",)), Leaf((b"ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]",)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", b"a: [\n"),
        ("a.yaml", b"<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> x\n"),
        ("a.yaml", b"sops: {age: x}\na: CANARY\n"),
        ("a.json", b"{"),
        ("a.env", b"a\n"),
        ("a.ini", b"[x\n"),
        ("a.bin", b'{"data": "x", "sops": 1}'),
    ],
)
def test_content_that_is_damaged_is_not_taken_for_plaintext(name: str, content: bytes) -> None:
    assert Sops().outline_in_clear(name, content) is None
