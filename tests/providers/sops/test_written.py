"""Any tree that bridge writes, over any earlier one, reads back the same, for bridge and for the real sops."""

import json
from decimal import Decimal

import pytest
import yaml
from hypothesis import HealthCheck, example, given, reject, settings
from hypothesis import strategies as st

from bridge.provider import ProviderError
from tests.providers.sops.folder import Raw, opened, sealed
from tests.providers.sops.test_generated import as_text, bounded, integers, keys, line_keys, printed, texts, yaml_of

STAMPS = {"mac", "lastmodified"}
LAYOUT = "the file is written in a way that cannot be changed in place"

quick = settings(bounded, max_examples=60, suppress_health_check=list(HealthCheck))


def decimal(value):
    """Return a float as sops prints it; sops itself cannot keep a negative zero in clear."""
    text = format(Decimal(repr(value or 0.0)), "f")
    return Raw(text.rstrip("0").rstrip(".") if "." in text else text)


floats = st.floats(allow_nan=False, allow_infinity=False).map(decimal)
leaves = st.one_of(texts, integers, floats, st.booleans(), st.none())
names = keys.filter(lambda key: key != "sops")


def nodes(leaf):
    return st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
    )


def trees(leaf):
    branch = st.dictionaries(names, nodes(leaf), max_size=4)
    return st.builds(lambda sealed, clear: {"sealed": sealed, "all_unencrypted": clear, **sealed}, branch, branch)


@st.composite
def changed(draw, node, leaf):
    """Draw a tree that differs from another here and there."""
    if draw(st.integers(0, 7)) == 0:
        return draw(nodes(leaf))
    if isinstance(node, dict):
        return draw(changed_root(node, leaf))
    if isinstance(node, list):
        kept = [draw(changed(item, leaf)) for item in node if draw(st.integers(0, 3))]
        place = draw(st.integers(0, len(kept)))
        return kept[:place] + draw(st.lists(nodes(leaf), max_size=1)) + kept[place:]
    return node


@st.composite
def changed_root(draw, node, leaf):
    kept = {key: draw(changed(child, leaf)) for key, child in node.items() if draw(st.integers(0, 3))}
    return {**kept, **draw(st.dictionaries(names, nodes(leaf), max_size=2))}


def pairs(leaf):
    return trees(leaf).flatmap(lambda tree: st.tuples(st.just(tree), changed_root(tree, leaf)))


def rule(shared, **selector):
    shared.write(".sops.yaml", json.dumps({"creation_rules": [{"age": shared.recipient, **selector}]}))


def new_name(shared, suffix):
    """Return the name of a file that is not there."""
    path = shared.path / f"written.{suffix}"
    path.unlink(missing_ok=True)
    return path.name


def rewritten(shared, suffix, pair):
    """Make a file of one tree and change it to another; compare each with what sops and bridge read."""
    name = new_name(shared, suffix)
    revision = None
    for tree in pair:
        revision = shared.store(name, [tree], revision)
        (found,) = shared.values(name)
        assert found == opened(sealed(tree))
        done = shared.sops("decrypt", "--output-type", "json", name)
        if not done.stderr.startswith(b"yaml: "):
            assert done.returncode == 0, done.stderr.decode()
            assert printed(done.stdout) == as_text(found)


@settings(bounded, max_examples=25)
@given(pair=pairs(leaves))
@example(pair=({"a": {"b": "x"}}, {}))
@example(pair=({}, {"": ""}))
@example(pair=({"a": {"#": None}}, {"a": "#"}))
@example(pair=({"a": [{"b": 1, "c": 2, "d": 3}]}, {"a": [{"d": 3}]}))
@example(pair=({"a": [[["x"]], ["y"]]}, {"a": [["y"]]}))
def test_yaml(shared, pair):
    rule(shared)
    rewritten(shared, "yaml", pair)


@settings(bounded, max_examples=25)
@given(pair=pairs(leaves))
@example(pair=({}, {"a": 1}))
@example(pair=({"a": 1, "b": 2}, {"c": 3}))
def test_json(shared, pair):
    rule(shared)
    rewritten(shared, "json", pair)


@st.composite
def with_other_leaves(draw, node):
    """Draw a tree of the same shape, and say how many leaves differ."""
    if isinstance(node, dict):
        parts = {key: draw(with_other_leaves(child)) for key, child in node.items()}
        return {key: child for key, (child, _) in parts.items()}, sum(count for _, count in parts.values())
    if isinstance(node, list):
        items = [draw(with_other_leaves(item)) for item in node]
        return [item for item, _ in items], sum(count for _, count in items)
    return (f"{node}!", 1) if draw(st.booleans()) else (node, 0)


short = texts.filter(lambda text: not set(text) & set("\n\r\x85\u2028\u2029"))  # one line each, also in clear


@pytest.mark.parametrize("suffix", ["yaml", "json"])
@settings(bounded, max_examples=25)
@given(pair=trees(short).flatmap(lambda tree: st.tuples(st.just(tree), with_other_leaves(tree))))
def test_a_diff_has_the_changed_leaves_and_two_lines_of_metadata(shared, suffix, pair):
    old, (new, count) = pair
    content = yaml_of(old) if suffix == "yaml" else json.dumps(old)
    path = shared.encrypt(f"diff.{suffix}", content)
    before = path.read_text().split("\n")
    revision = shared.read(path.name).revision
    shared.store(path.name, [new], revision)
    # Line by line: among equal lines, difflib does not always find the shortest difference.
    gone = [line for line, now in zip(before, path.read_text().split("\n"), strict=True) if line != now]
    stamps = [line.split(":")[0].strip(' \t"') for line in gone if line.split(":")[0].strip(' \t"') in STAMPS]
    assert len(gone) == count + len(stamps)
    assert set(stamps) <= STAMPS
    assert ("mac" in stamps) is (count > 0)


line_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
flat = st.dictionaries(
    line_keys.filter(lambda key: not set(key) & set("\0\r")) | st.sampled_from(["A_unencrypted", "B", "C"]),
    line_texts.filter(lambda text: "\\n" not in text and not text.startswith("ENC[")),
    max_size=5,
)


@settings(bounded, max_examples=25)
@given(pair=st.tuples(flat, flat))
def test_dotenv(shared, pair):
    rule(shared)
    rewritten(shared, "env", pair)


@settings(bounded, max_examples=15)
@given(pair=st.tuples(st.binary(), st.binary()))
def test_binary(shared, pair):
    rule(shared)
    name, revision = new_name(shared, "bin"), None
    for content in pair:
        revision = shared.store(name, content, revision)
        assert shared.values(name) == ("bytes", content)
        assert shared.sops("decrypt", name).stdout == content


layouts = st.fixed_dictionaries(
    {
        "default_flow_style": st.sampled_from([True, False, None]),
        "default_style": st.sampled_from([None, None, "'", '"', "|", ">"]),
        "indent": st.integers(2, 8),
        "width": st.integers(10, 200),
        "allow_unicode": st.booleans(),
    }
)
plain = st.one_of(texts, st.integers(-99, 99), st.booleans(), st.none())


@quick
@given(pair=pairs(plain), layout=layouts, ends=st.sampled_from(["\n", "\r\n"]))
def test_yaml_in_anybody_s_layout(shared, pair, layout, ends):
    """The MAC covers values and their order alone, so the same values may be laid out anew around it."""
    old, new = pair
    rule(shared, encrypted_regex="^-$")
    name = new_name(shared, "yaml")
    shared.store(name, [{"body": old}])
    metadata = (shared.path / name).read_text().partition("\nsops:\n")[2]
    body = yaml.dump(old, sort_keys=False, **layout).removesuffix("\n").replace("\n", "\n  ")
    text = f"body:\n  {body}\nsops:\n{metadata}"
    shared.write(name, text.replace("\n", ends))
    try:
        assert shared.values(name) == [opened(sealed({"body": old}))]
    except (ProviderError, AssertionError):
        reject()  # PyYAML has written what its readers take for something else, such as a line end U+0085
    problem = ""
    try:
        shared.store(name, [{"body": new}], shared.read(name).revision)
    except ProviderError as error:
        problem = str(error)
    if problem:
        assert problem.startswith(LAYOUT)
        assert (shared.path / name).read_bytes() == text.replace("\n", ends).encode()
        assert layout["default_flow_style"] is not False or "&id" in text, text
    else:
        assert shared.values(name) == [opened(sealed({"body": new}))]
