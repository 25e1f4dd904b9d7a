"""A data key that is split over key groups, as the real sops splits it."""

import json
from itertools import combinations

import pytest
from pyrage import encrypt, x25519

from bridge.provider import Denied, ProviderError
from bridge_providers.sops import shamir

ARMOR_END = "-----END AGE ENCRYPTED FILE-----"
KEYS = [x25519.Identity.generate() for _ in range(4)]
NAMES = [str(key.to_public()) for key in KEYS]


def split(folder, threshold=2, groups=([0], [1], [2]), name="a.yaml"):
    rule = {"key_groups": [{"age": [NAMES[number] for number in group]} for group in groups]}
    return folder.encrypt(name, "a: CANARY\n", **rule, shamir_threshold=threshold)


def hold(folder, *numbers):
    folder.environ = {"SOPS_AGE_KEY": " ".join(str(KEYS[number]) for number in numbers)}


def shares(folder):
    """Return the shares of a file whose group N is for the key N."""
    from pyrage import decrypt  # noqa: PLC0415

    text = json.loads(folder.sops("decrypt", "--output-type", "json", "a.yaml").stdout)
    assert text
    return [decrypt(enc.encode(), [key]) for enc, key in zip(wrapped(folder), KEYS, strict=False)]


def wrapped(folder):
    import yaml  # noqa: PLC0415

    block = yaml.safe_load((folder.path / "a.yaml").read_text())["sops"]
    return [group["age"][0]["enc"] for group in block["key_groups"]]


def replace(folder, number, share):
    """Put another share into a group."""
    old = wrapped(folder)[number]
    new = encrypt(share, [KEYS[number].to_public()], armored=True).decode()
    text = (folder.path / "a.yaml").read_text()
    lines = text.splitlines()
    body = old.splitlines()
    first = next(
        index for index in range(len(lines)) if [line.strip() for line in lines[index : index + len(body)]] == body
    )
    indent = lines[first][: len(lines[first]) - len(lines[first].lstrip())]
    lines[first : first + len(body)] = [indent + line for line in new.splitlines()]
    folder.write("a.yaml", "\n".join(lines) + "\n")


@pytest.mark.parametrize("held", list(combinations(range(3), 2)))
def test_any_two_of_three_groups_are_enough(sops, held):
    split(sops)
    hold(sops, *held)
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]


def test_all_groups_are_wanted_where_file_names_no_threshold(sops):
    split(sops, threshold=0)
    hold(sops, 0, 1, 2)
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]
    hold(sops, 0, 2)
    assert sops.refusal("a.yaml", Denied).startswith("2 of its 3 key groups opened, and 3 are needed; no age key")


def test_five_groups_of_which_four_are_wanted(sops):
    split(sops, threshold=4, groups=([0], [1], [2], [3], [0]))
    hold(sops, 0, 2, 3)
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]
    hold(sops, 0, 2)
    assert sops.refusal("a.yaml", Denied).startswith("3 of its 5 key groups opened, and 4 are needed")


def test_any_key_of_group_opens_its_share(sops):
    split(sops, groups=([0, 1], [2, 3]))
    for held in ((0, 2), (0, 3), (1, 2), (1, 3)):
        hold(sops, *held)
        assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]
    hold(sops, 0, 1)
    assert sops.refusal("a.yaml", Denied) == (
        f"1 of its 2 key groups opened, and 2 are needed; no age key matched its recipients {NAMES[2]}, {NAMES[3]}"
    )


@pytest.mark.parametrize(("suffix", "content"), [("env", "a=CANARY\n"), ("json", '{"a": "CANARY"}')])
def test_groups_in_other_formats(sops, suffix, content):
    rule = {"key_groups": [{"age": [name]} for name in NAMES[:3]], "shamir_threshold": 2}
    sops.encrypt(f"a.{suffix}", content, **rule)
    hold(sops, 1, 2)
    assert sops.values(f"a.{suffix}") == [{"a": ("text", b"CANARY")}]


def test_file_with_groups_is_changed_under_its_data_key(sops):
    split(sops)
    hold(sops, 0, 2)
    before = wrapped(sops)
    sops.store("a.yaml", [{"a": "CANARY-new"}], sops.read("a.yaml").revision)
    assert wrapped(sops) == before
    assert sops.decrypted("a.yaml") == "a: CANARY-new\n"


def test_damaged_share_is_reported_from_damaged_value(sops):
    split(sops, groups=([0], [1]))
    hold(sops, 0, 1)
    share = shares(sops)[1]
    replace(sops, 1, bytes([share[0] ^ 1]) + share[1:])
    message = sops.refusal("a.yaml")
    assert message.startswith("the shares of its key groups do not give its data key: one is damaged")
    for part in (share.hex(), repr(share)):
        assert part not in message


def test_share_that_stands_twice(sops):
    split(sops, groups=([0], [1]))
    hold(sops, 0, 1)
    replace(sops, 1, shares(sops)[0])
    assert sops.refusal("a.yaml") == "two of its key groups contain the same share of the data key"


def test_whole_data_key_in_place_of_share(sops):
    split(sops, groups=([0], [1]))
    hold(sops, 0, 1)
    replace(sops, 1, b"k" * 32)
    assert "its age key contains 32 bytes instead of 33" in sops.refusal("a.yaml")


def test_damaged_group_is_not_needed_where_others_are_enough(sops):
    split(sops)
    hold(sops, 0, 1, 2)
    replace(sops, 0, b"short")
    assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]


@pytest.mark.parametrize("threshold", ["1", "4", "255"])
def test_threshold_that_cannot_be(sops, threshold):
    split(sops)
    hold(sops, 0, 1, 2)
    sops.edit("a.yaml", "shamir_threshold: 2", f"shamir_threshold: {threshold}")
    assert sops.refusal("a.yaml") == f"its `shamir_threshold` is {threshold}, which is not possible with 3 key groups"
    sops.edit("a.yaml", f"shamir_threshold: {threshold}", "shamir_threshold: many")
    assert sops.refusal("a.yaml") == "its `shamir_threshold` is not a number of key groups"


def test_lower_threshold_gives_no_key(sops):
    split(sops, threshold=3)
    hold(sops, 0, 1, 2)
    sops.edit("a.yaml", "shamir_threshold: 3", "shamir_threshold: 2")
    assert sops.refusal("a.yaml").startswith("the shares of its key groups do not give its data key")


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ([b"x" * 33, b"y" * 32], "a share of its data key has the wrong size"),
        ([b"x" * 33, b"y" * 32 + b"\0"], "a share of its data key is damaged: its number is 0"),
    ],
)
def test_what_can_be_no_share(found, problem):
    with pytest.raises(ProviderError) as caught:
        shamir.join(found)
    assert str(caught.value) == problem


def test_field_is_that_of_aes():
    assert [shamir._times(*pair) for pair in ((0x57, 0x83), (0x53, 0xCA), (0, 7), (1, 200))] == [0xC1, 1, 0, 200]
    assert all(shamir._times(shamir._divided(7, number), number) == 7 for number in range(1, 256))


@pytest.mark.parametrize("suffix", ["yaml", "json", "env"])
@pytest.mark.parametrize("threshold", [0, 2])
def test_new_file_is_split_as_rule_says_and_sops_joins_it(sops, suffix, threshold):
    hold(sops, 0, 1, 2)
    rule = {"key_groups": [{"age": [name]} for name in NAMES[:3]], "shamir_threshold": threshold}
    sops.write(".sops.yaml", json.dumps({"creation_rules": [rule]}))
    sops.store(f"a.{suffix}", [{"a": "CANARY"}])
    hold(sops, *((0, 2) if threshold else (0, 1, 2)))
    assert "CANARY" in sops.decrypted(f"a.{suffix}")
    hold(sops, *((2,) if threshold else (0, 1)))
    assert sops.sops("decrypt", f"a.{suffix}").returncode != 0
