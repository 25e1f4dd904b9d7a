"""Any tree, encrypted by the real sops, reads as `sops decrypt` prints it."""

import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st

from tests.providers.sops.folder import Raw

MAC_MISMATCH = 51  # sops's exit status

bounded = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters=":"), max_size=12),
    st.sampled_from(
        [
            "yes",
            "0777",
            "~",
            "null",
            "a.b",
            "é",
            "e\N{COMBINING ACUTE ACCENT}",
            "x_unencrypted",
            "2024-01-01",
            "\N{ROCKET}",
        ]
    ),
)
floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**63), 2**63 - 1)


WORDS = (
    "yes on No 0777 -0o17 0x_1F 0b11 1_000 08 1e3 1e400 1. +.5 .5_0 12:30:45 2024-1-1 = ~ NULL True 1e21 1e-7 "
    "2006-01-02T15:04:05.100+07:06 18446744073709551616 -9223372036854775809"
)
DATE = "20[0-9]{2}-[01]?[0-9]-[0-3]?[0-9]"
CLOCK = r"[0-2]?[0-9]:[0-5]?[0-9]:[0-5]?[0-9](\.[0-9]{1,10})?"
ZONE = "(Z|[-+][01][0-9]:[0-5][0-9])"
raws = st.one_of(
    st.sampled_from(WORDS.split()),
    st.sampled_from(["2024-01-01 1:2:3", "!!binary /w==", "!!str 1", "!!float 3", "! 7", "!x 5"]),
    st.from_regex(r"[-+]?[0-9][0-9_.eExob:-]{0,12}", fullmatch=True),
    st.from_regex(f"{DATE}([Tt ]{CLOCK}{ZONE}?)?", fullmatch=True),
).map(Raw)
leaves = st.one_of(texts, integers, floats, st.booleans(), st.none())


def trees(leaf):
    node = st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )
    branch = st.dictionaries(keys, node, max_size=4)
    return st.builds(lambda sealed, clear: {"sealed": sealed, "all_unencrypted": clear, **sealed}, branch, branch)


def yaml_of(node):
    """Write a tree in YAML's flow style, every text in double quotes."""
    if isinstance(node, dict):
        return "{" + ", ".join(f"{quoted(key)}: {yaml_of(child)}" for key, child in node.items()) + "}"
    if isinstance(node, list):
        return "[" + ", ".join(map(yaml_of, node)) + "]"
    if isinstance(node, str) and not isinstance(node, Raw):
        return quoted(node)
    return json.dumps(node) if not isinstance(node, Raw) else str(node)


def quoted(text):
    plain = (char if char.isalnum() and char.isascii() else f"\\U{ord(char):08x}" for char in text)
    return '"' + "".join(plain) + '"'


def printed(document):
    """Parse what sops prints, with the kinds and texts that bridge gives."""

    def leaf(node):
        if isinstance(node, dict):
            return {key: leaf(child) for key, child in node.items()}
        if isinstance(node, list):
            return [leaf(child) for child in node]
        if isinstance(node, Decimal):
            return "number", format(node, "f").encode()
        words = {None: ("null", b""), True: ("boolean", b"true"), False: ("boolean", b"false")}
        return ("text", node.encode()) if isinstance(node, str) else words[node]

    return leaf(json.loads(document, parse_int=Decimal, parse_float=Decimal))


def as_text(node):
    """Do to bytes that are no text what sops does when it prints JSON."""
    if isinstance(node, dict):
        return {key: as_text(child) for key, child in node.items()}
    if isinstance(node, list):
        return [as_text(child) for child in node]
    kind, value = node
    return ("text", value.decode("utf-8", "replace").encode()) if kind == "bytes" else node


def agree(folder, name):
    """Compare what bridge reads with what sops prints: equal, in the same order, or both find the MAC wrong."""
    done = folder.sops("decrypt", "--output-type", "json", name)
    if done.returncode == MAC_MISMATCH:
        # Floats that sops writes as another number's text: -0.0 becomes -0, the integer.
        assert folder.refusal(name).startswith("its MAC does not match")
        return
    if done.stderr.startswith(b"yaml: "):
        reject()  # sops's YAML writer has written what its reader cannot read: "\n0" in a list, for one
    assert done.returncode == 0, done.stderr.decode()
    (document,) = folder.values(name)
    expected = printed(done.stdout)
    assert as_text(document) == expected
    assert json.dumps(names(document)) == json.dumps(names(expected))


def names(node):
    """Keep the keys alone, in order."""
    if isinstance(node, dict):
        return [[key, names(child)] for key, child in node.items()]
    return [names(child) for child in node] if isinstance(node, list) else None


@bounded
@given(tree=trees(leaves | raws))
@example(tree={"a": -0.0, "b_unencrypted": -0.0})
@example(tree={"a": 5e-324, "b_unencrypted": 1.7976931348623157e308})
def test_yaml(shared, tree):
    shared.write("a.yaml", yaml_of(tree))
    shared.write(".sops.yaml", json.dumps({"creation_rules": [{"age": shared.recipient}]}))
    done = shared.sops("encrypt", "--in-place", "a.yaml")
    if done.returncode:
        # What sops cannot encrypt is a whole number between 2^63 and 2^64, or a tag that lies.
        assert b"uint64" in done.stderr or b"cannot decode" in done.stderr, done.stderr.decode()
        return
    agree(shared, "a.yaml")


@bounded
@given(tree=trees(leaves | st.integers()))
def test_json(shared, tree):
    shared.encrypt("a.json", json.dumps(tree))
    agree(shared, "a.json")


line_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=20)
line_keys = line_texts.filter(lambda key: not key.startswith(("#", "sops_")) and not set(key) & set("=:"))


@bounded
@given(tree=st.dictionaries(line_keys | st.sampled_from(["A_unencrypted", "B"]), line_texts, min_size=1))
def test_dotenv(shared, tree):
    shared.encrypt("a.env", "".join(f"{key}={value}\n" for key, value in tree.items()))
    agree(shared, "a.env")


@settings(bounded, max_examples=15)
@given(content=st.binary())
def test_binary(shared, content):
    shared.encrypt("a.bin", content)
    assert shared.values("a.bin") == ("bytes", content)


@settings(bounded, max_examples=20)
@given(
    tree=trees(texts),
    rule=st.sampled_from(["encrypted_regex", "unencrypted_regex"]),
    pattern=st.sampled_from(
        ["^.$", "[0-9]", r"\w+$", "(?i)[a-k]", r"\S\s", "^$", r"\bx", "[^[:alnum:]]", "^(yes|a.b)$", r"(?:.\W){1,2}"]
    ),
)
def test_regexes(shared, tree, rule, pattern):
    shared.encrypt("a.yaml", yaml_of(tree), **{rule: pattern})
    agree(shared, "a.yaml")


def test_difference_would_be_seen(shared):
    shared.encrypt("a.yaml", "a: 1\n")
    (document,) = shared.values("a.yaml")
    with pytest.raises(AssertionError):
        assert document == printed(b'{"a": 2}')
