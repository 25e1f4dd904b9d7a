"""Changing a value in YAML that people wrote: what changes, what keeps its bytes, and what is refused."""

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.config.yaml_changes import Change, Insert, Put, Remove, contents
from bridge.config.yaml_editor import edited
from bridge.config.yaml_writer import scalar
from tests.init import layouts

TWO_LINES = "target: {kind: Secret}\npatch: |-\n  a\n\n  b"
ITEM = "- target: {kind: Secret}\n  patch: |-\n    a\n\n    b\n"
INDENTED = "  - target: {kind: Secret}\n    patch: |-\n      a\n\n      b\n"

EDITS = [
    # before, changes, after
    ("a:  'b'   # c\n", [Put((0, "a"), "new")], "a:  new   # c\n"),
    ("a:  'b'   # c\nd: e\n", [Put((0, "a"), "new", drops_comment=True)], "a:  new\nd: e\n"),
    ("a: |\n  b\n  c\n\nd: e\n", [Put((0, "a"), "new")], "a: new\n\nd: e\n"),
    ("a:\nb: c\n", [Put((0, "a"), "new")], "a: new\nb: c\n"),
    ("a: {b: [c,  d]}\n", [Put((0, "a", "b", 1), "new")], "a: {b: [c,  new]}\n"),
    ("a: b\n# end\n", [Put((0, "c"), "d"), Put((0, "e"), "f")], "a: b\n# end\nc: d\ne: f\n"),
    ("a: b\n", [Put((0, "c", "d", "e"), "f"), Put((0, "c", "g"), "h")], "a: b\nc:\n  d:\n    e: f\n  g: h\n"),
    ("a:  # c\nb: {}\n", [Put((0, "a", "d"), "e"), Put((0, "b", "d"), "e")], "a:  # c\n  d: e\nb: {d: e}\n"),
    ("a: null # c\nb: d\n", [Put((0, "a", "d"), "e")], "a: # c\n  d: e\nb: d\n"),
    (
        "a:\n    b: c   # d\n    # below\ne: f\n",
        [Put((0, "a", "g"), "h")],
        "a:\n    b: c   # d\n    g: h\n    # below\ne: f\n",
    ),
    ("a: b", [Put((0, "a"), "c")], "a: c"),
    ("a: b", [Put((0, "c", "d"), "e")], "a: b\nc:\n  d: e\n"),
    ("a: b\r\n", [Put((0, "c"), "d")], "a: b\r\nc: d\r\n"),
    ('{"a": 1}', [Put((0, "b", "c"), "d")], '{"a": 1, "b": {"c": "d"}}'),
    ("a: b\n---\n# two\nc: d\n...\n", [Put((0, "a"), "x"), Put((1, "c"), "y")], "a: x\n---\n# two\nc: y\n...\n"),
    ("a: b\n---\nc: d\n", [Put((0, "e"), "f")], "a: b\ne: f\n---\nc: d\n"),
    ("a: 'x\u2028y' # \u2028\nb: c\n", [Put((0, "b"), "d")], "a: 'x\u2028y' # \u2028\nb: d\n"),
    ("a: [b, c]\n", [Insert((0, "a"), 0, "x"), Insert((0, "a"), 2, "y")], "a: [x, b, c, y]\n"),
    ("a: [b]\n", [Insert((0, "a"), 1, "x"), Insert((0, "a"), 1, "y")], "a: [b, x, y]\n"),
    ("a: []\n", [Insert((0, "a"), 0, "x"), Insert((0, "a"), 0, "y")], "a: [x, y]\n"),
    ("a: b\n", [Insert((0, "c"), 0, "x"), Insert((0, "c"), 0, "y")], "a: b\nc:\n  - x\n  - y\n"),
    ("a: null\n", [Insert((0, "a"), 0, "x"), Insert((0, "a"), 0, "y")], "a:\n  - x\n  - y\n"),
    (
        "a:\n- b # c\n\n# end\n",
        [Insert((0, "a"), 1, "x"), Insert((0, "a"), 1, "y")],
        "a:\n- b # c\n- x\n- y\n\n# end\n",
    ),
    ("a:\n  # b\n  -\n    c: d\n", [Insert((0, "a"), 0, "x")], "a:\n  # b\n  - x\n  -\n    c: d\n"),
    ("a: [b] # c\n", [Insert((0, "a"), 1, TWO_LINES)], f"a: # c\n  - b\n{INDENTED}"),
    ("a: b\n", [Insert((0, "c"), 0, TWO_LINES)], f"a: b\nc:\n{INDENTED}"),
    ("a:\n- b\n", [Insert((0, "a"), 1, TWO_LINES)], f"a:\n- b\n{ITEM}"),
    ("a:\n- b # c\n# d\n- e\n", [Remove((0, "a", 0))], "a:\n# d\n- e\n"),
    ("a:\n- b\n- c\n", [Remove((0, "a", 0)), Remove((0, "a", 1)), Insert((0, "a"), 2, "d")], "a:\n- d\n"),
    ("a:\n- b\n- c\n- d\n", [Remove((0, "a", 1)), Insert((0, "a"), 1, "x")], "a:\n- b\n- x\n- d\n"),
    ("a: # b\n# c\n- d\n# e\nf: g\n", [Remove((0, "a"))], "# c\n# e\nf: g\n"),
    ("a: [b, c]\nd: e\n", [Remove((0, "a", 0))], "a:\n  - c\nd: e\n"),
    ("a: [b]\nd: e\n", [Remove((0, "a"))], "d: e\n"),
]


@pytest.mark.parametrize(("before", "changes", "after"), EDITS)
def test_change_is_made_and_every_other_byte_stays(before: str, changes: list[Change], after: str) -> None:
    assert edited(before, changes) == after


@pytest.mark.parametrize(
    ("before", "change"),
    [
        ("a: &x b\nc: *x\n", Put((0, "c"), "d")),  # the anchor's place, where `a` would change
        ("a: &x {b: c}\nd: *x\n", Put((0, "d", "b"), "e")),
        ("a: |  # c\n  b\n", Put((0, "a"), "new")),  # the comment would be lost
        ("a:\n  b: c\n", Put((0, "a"), "new")),
        ("a: b\n", Put((0, "a", "c"), "new")),
        ("a: b\n...\n", Put((0, "c"), "d")),  # behind the end there would be another document
        ("a: [b, # c\n  d]\n", Remove((0, "a", 0))),
        ("a: [b, # c\n  d]\n", Remove((0, "a"))),
        ("{a: [b, c]}\n", Remove((0, "a", 0))),
        ("a:\n- - b\n  - c\n", Remove((0, "a", 0, 0))),
        ("a: [b]\n", Remove((0, "a", 5))),
        ("a: b\n", Remove((0, "c"))),
        ("a: b\n", Insert((0, "a"), 0, "c")),
        ("a: [\n", Put((0, "a"), "b")),
    ],
)
def test_what_cannot_be_changed_alone_is_refused(before: str, change: Change) -> None:
    assert edited(before, [change]) is None


LAYOUTS = sorted(
    {text for files in layouts.LAYOUTS.values() for name, text in files.items() if name.endswith("kustomization.yaml")}
    | {layouts.HEAD, layouts.COMPONENT, layouts.BASE["base/kustomization.yaml"]}
)


@pytest.mark.parametrize("text", LAYOUTS)
def test_layout_of_public_repository_gets_patch_and_keeps_its_lines(text: str) -> None:
    (content,) = contents(text, foreign=True)
    changed = edited(text, [Insert((0, "patches"), len(content.get("patches") or []), TWO_LINES)], foreign=True)
    assert changed is not None
    lost = [line for line in difflib.ndiff(text.splitlines(), changed.splitlines()) if line.startswith("- ")]
    assert all(line.startswith("- patches:") for line in lost)  # a list in brackets


_texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)


@settings(max_examples=300, deadline=None)
@given(key=_texts, value=_texts, into=st.sampled_from(["a: b # c\n", "{a: b} # c\n", "d: {}\n# c\n", "d:\n"]))
def test_any_text_is_written_as_itself(key: str, value: str, into: str) -> None:
    changed = edited(into, [Put((0, "d", key), scalar(value))])
    assert changed is not None
    (before,), (after,) = contents(into), contents(changed)
    assert after == {**before, "d": {key: value}}
    assert changed.count("# c") >= into.count("# c")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ("a:b/c", "a:b/c"),
        ("a, b", '"a, b"'),
        ("1e3", '"1e3"'),
        ("2026-01-01", '"2026-01-01"'),
        ("é\n", '"é\\n"'),
    ],
)
def test_scalar_is_plain_only_where_it_stays_text(text: str, written: str) -> None:
    assert scalar(text) == written
