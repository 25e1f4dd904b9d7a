"""What a change of a file's text leaves alone, byte by byte, which changes are refused, and any change read by sops."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.provider import ProviderError
from bridge_providers.sops.splice import TextEntry, TextPart, Unplaceable, line_after
from tests.providers.sops.folder import opened, sealed
from tests.providers.sops.test_generated import as_text, bounded, keys, line_keys, printed, texts, yaml_of

LAYOUT = "bridge cannot make this change in the text of the file"


@pytest.fixture
def desk(sops):
    """A folder whose files have nothing encrypted but their MAC, so that a test can lay them out as it likes."""
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient, "encrypted_regex": "^-$"}]}))
    return sops


def laid_out(desk, name, text, tree):
    """Make a file of this text: the MAC covers the values and their order, not the layout."""
    desk.store(name, [tree])
    stored = (desk.path / name).read_text()
    if name.endswith(".yaml"):
        metadata = "sops:\n" + stored.partition("sops:\n")[2]
    else:
        metadata = '"sops"' + stored.rpartition('"sops"')[2].removesuffix("\n}\n")
    desk.write(name, text.replace("SOPS", metadata))
    assert desk.values(name) == [opened(sealed(tree))]
    return (desk.path / name).read_text()


def edited(desk, name, text, old, new):
    """Return a text after a change, without the metadata."""
    before = laid_out(desk, name, text, old)
    desk.store(name, [new], desk.read(name).revision)
    assert desk.values(name) == [opened(sealed(new))]
    after = (desk.path / name).read_text()
    assert json.loads(desk.sops("decrypt", "--output-type", "json", name).stdout) == new
    marks = ('"lastmodified"', '"mac"') if name.endswith(".json") else ("lastmodified:", "mac:")
    metadata = before[before.rindex('"sops"' if name.endswith(".json") else "sops:\n") :].splitlines()
    assert all(line in after or line.strip().startswith(marks) for line in metadata)
    return after


YAML = {
    "a value, with a comment behind it and odd blanks": (
        "# head\na:   x   # why\n\nb: 'y'\nSOPS",
        ({"a": "x", "b": "y"}, {"a": "new", "b": "y"}),
        "# head\na:   \"new\"   # why\n\nb: 'y'\n",
    ),
    "a null that becomes a value": (
        "a:\nb: # note\n-\n-\nSOPS",
        ({"a": None, "b": [None, None]}, {"a": "x", "b": ["z", "w"]}),
        'a: "x"\nb: # note\n- "z"\n- "w"\n',
    ),
    "new keys, each next to a sibling on one line": (
        "a:\n  b: x\n\n  # about c\n  c: # empty\n# last\nd: y\nSOPS",
        ({"a": {"b": "x", "c": None}, "d": "y"}, {"a": {"b": "x", "c": None, "m": "1.5"}, "d": "y", "m": "n"}),
        'a:\n  b: x\n\n  # about c\n  c: # empty\n  m: "1.5"\n# last\nd: y\nm: "n"\n',
    ),
    "a new key where all others are mappings": (
        "a:\n  b: x\nSOPS",
        ({"a": {"b": "x"}}, {"a": {"b": "x"}, "c": "y"}),
        'a:\n  b: x\nc: "y"\n',
    ),
    "a new key in an item of a list": (
        "a:\n- b: x\nSOPS",
        ({"a": [{"b": "x"}]}, {"a": [{"b": "x", "c": "y"}]}),
        'a:\n- b: x\n  c: "y"\n',
    ),
    "a new key behind a text of several lines": (
        "a:\n  c: z\n  b: |+\n    x\n\nSOPS",
        ({"a": {"c": "z", "b": "x\n\n"}}, {"a": {"c": "z", "d": "w", "b": "x\n\n"}}),
        'a:\n  c: z\n  d: "w"\n  b: |+\n    x\n\n',
    ),
    "a removed key": (
        "a: x\n# about b\nb: y\nf: w\nSOPS",
        ({"a": "x", "b": "y", "f": "w"}, {"a": "x", "f": "w"}),
        "a: x\n# about b\nf: w\n",
    ),
    "keys that YAML would take for something else": (
        "a: x\nSOPS",
        ({"a": "x"}, {"a": "x", "yes": "no", "1": "1", "~": "~", "": "", "- b": "# c", "d": ": ", "sops_x": "y"}),
        'a: x\n"yes": "no"\n"1": "1"\n"~": "~"\n"": ""\n"- b": "# c"\nd: ": "\nsops_x: "y"\n',
    ),
    "a new key beside one with the metadata's name": (
        "a:\n  sops: x\nSOPS",
        ({"a": {"sops": "x"}}, {"a": {"sops": "x", "b": "z"}}),
        'a:\n  sops: x\n  b: "z"\n',
    ),
    "an anchor that is not touched": (
        "a: &x {b: c}\nd: *x\ne: f\nSOPS",
        ({"a": {"b": "c"}, "d": {"b": "c"}, "e": "f"}, {"a": {"b": "c"}, "d": {"b": "c"}, "e": "g"}),
        'a: &x {b: c}\nd: *x\ne: "g"\n',
    ),
}


@pytest.mark.parametrize("case", YAML)
def test_yaml_changes_only_what_differs(desk, case):
    text, (old, new), expected = YAML[case]
    assert edited(desk, "a.yaml", text, old, new).partition("sops:\n    ")[0] == expected


def test_yaml_metadata_in_first_place_stays_there(desk):
    after = edited(desk, "a.yaml", "SOPS# after\na: x\n", {"a": "x"}, {"a": "x", "b": "z"})
    assert after.endswith('# after\na: x\nb: "z"\n')


def test_yaml_file_without_values_gets_first(desk):
    assert edited(desk, "a.yaml", "SOPS", {}, {"b": "z"}).startswith('b: "z"\nsops:\n')


def test_yaml_file_without_line_end_gets_none(desk):
    laid_out(desk, "a.yaml", "SOPSa: x", {"a": "x"})
    desk.store("a.yaml", [{"a": "x", "b": "z"}], desk.read("a.yaml").revision)
    assert (desk.path / "a.yaml").read_text().endswith('\na: x\nb: "z"')


def test_yaml_byte_order_mark_and_carriage_returns_stay(desk):
    text = laid_out(desk, "a.yaml", "a: x\nb: y\nSOPS", {"a": "x", "b": "y"})
    desk.write("a.yaml", "\ufeff" + text.replace("\n", "\r\n"))
    desk.store("a.yaml", [{"a": "x", "b": "z", "c": "w"}], desk.read("a.yaml").revision)
    after = (desk.path / "a.yaml").read_bytes()
    assert after.startswith('\ufeffa: x\r\nb: "z"\r\nc: "w"\r\nsops:\r\n'.encode())
    assert after.count(b"\n") == after.count(b"\r\n")


def test_yaml_documents_keep_their_copies_of_metadata(sops):
    sops.encrypt("a.yaml", "a: x\n---\nb: y\nc: z\n")
    sops.store("a.yaml", [{"a": "x"}, {"b": "new", "c": "z", "d": "w"}], sops.read("a.yaml").revision)
    assert sops.decrypted("a.yaml") == "a: x\n---\nb: new\nc: z\nd: w\n"
    blocks = (sops.path / "a.yaml").read_text().split("sops:\n")
    assert blocks[1].partition("\n---")[0] == blocks[2].rstrip()


def test_yaml_comments_in_list_stay(middle):
    middle.encrypt("a.yaml", "a:\n    - x\n    # about y\n    - y\n")
    middle.store("a.yaml", [{"a": ["x", "z"]}], middle.read("a.yaml").revision)
    assert middle.decrypted("a.yaml") == "a:\n    - x\n    # about y\n    - z\n"


@pytest.fixture
def middle(folder_of):
    """A release that takes a comment inside a list."""
    return folder_of("3.11.0")


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("a: &x c\nd: *x\nSOPS", {"a": "c", "d": "c"}, {"a": "CANARY", "d": "c"}),
        ("a: &x {b: c}\nd: *x\nSOPS", {"a": {"b": "c"}, "d": {"b": "c"}}, {"a": {"b": "c"}, "d": {"b": "CANARY"}}),
        ("a: {b: c}\nSOPS", {"a": {"b": "c"}}, {"a": {"b": "CANARY"}}),
        ("a: {b: c}\nSOPS", {"a": {"b": "c"}}, {"a": {"b": "c", "d": "CANARY"}}),
        ("a: {}\nSOPS", {"a": {}}, {"a": {"d": "CANARY"}}),
        ("a: |\n  x\nSOPS", {"a": "x\n"}, {"a": "CANARY"}),
        ("a: |\n  x\nb: y\nSOPS", {"a": "x\n", "b": "y"}, {"b": "y"}),
        ("a: x\nSOPS", {"a": "x"}, {"a": "x", "b": {"c": "CANARY"}}),
        ("a: x\nSOPS", {"a": "x"}, {"a": ["CANARY"]}),
        ("a:\n- x\nSOPS", {"a": ["x"]}, {"a": ["x", "CANARY"]}),
        ("a:\n  b: x\nc: y\nSOPS", {"a": {"b": "x"}, "c": "y"}, {"a": {}, "c": "CANARY"}),
        ("a:\n  b: x\nc: y\nSOPS", {"a": {"b": "x"}, "c": "y"}, {"c": "CANARY"}),
        ("a:\n- b: x\n  d: y\nSOPS", {"a": [{"b": "x", "d": "y"}]}, {"a": [{"d": "CANARY"}]}),
    ],
)
def test_yaml_what_layout_does_not_allow_is_refused(desk, text, old, new):
    laid_out(desk, "a.yaml", text, old)
    revision = desk.read("a.yaml").revision
    assert desk.unwritable("a.yaml", [new], revision) == LAYOUT
    with pytest.raises(ProviderError) as caught:
        desk.store("a.yaml", [new], revision)
    assert caught.value.problems[0].hint == f"sops edit {desk.path / 'a.yaml'}"


def test_yaml_another_number_of_documents_is_refused(desk):
    revision = desk.store("a.yaml", [{"a": "x"}, {"b": "y"}])
    for new in ([{"a": "CANARY"}], [{"a": "x"}, {"b": "y"}, {"c": "CANARY"}]):
        assert desk.unwritable("a.yaml", new, revision) == LAYOUT


def test_utf_16_is_refused(desk):
    text = laid_out(desk, "a.yaml", "a: x\nSOPS", {"a": "x"})
    desk.write("a.yaml", text.encode("utf-16"))
    assert desk.unwritable("a.yaml", [{"a": "CANARY"}], desk.read("a.yaml").revision) == LAYOUT


JSON = {
    "a value among odd blanks": (
        '{ "a" :1.0,\n   "b":  "x" , "c": [1e3, true],\n SOPS }',
        ({"a": 1, "b": "x", "c": [1000, True]}, {"a": 1, "b": "y\n", "c": [1000, False]}),
        '{ "a" :1.0,\n   "b":  "y\\n" , "c": [1e3, false],\n ',
    ),
    "new keys": (
        '{\n  "a": {\n    "b": "x"\n  },\n  "c": {},\n  SOPS\n}\n',
        ({"a": {"b": "x"}, "c": {}}, {"a": {"b": "x", "d": "y"}, "c": {}, "e": None}),
        '{\n  "a": {\n    "b": "x",\n    "d": "y"\n  },\n  "c": {},\n  "e": null,\n  ',
    ),
    "a new key beside one with the metadata's name": (
        '{"a": {"sops": 1}, SOPS}',
        ({"a": {"sops": 1}}, {"a": {"sops": 1, "b": 2}}),
        '{"a": {"sops": 1, "b": 2}, ',
    ),
    "removed keys": (
        '{"a": 1, "b": 2, "c": {"d": 3, "e": 4}, SOPS}',
        ({"a": 1, "b": 2, "c": {"d": 3, "e": 4}}, {"c": {"d": 3}}),
        '{"c": {"d": 3}, ',
    ),
    "every key": ('{"a": 1,\n SOPS}', ({"a": 1}, {"b": 2, "c": 3}), None),
    "the first key": ("{SOPS}", ({}, {"a": 1}), '{"a": 1, '),
}


@pytest.mark.parametrize("case", JSON)
def test_json_changes_only_what_differs(desk, case):
    text, (old, new), expected = JSON[case]
    after = edited(desk, "a.json", text, old, new)
    assert expected is None or after.rpartition('"sops"')[0] == expected


@pytest.mark.parametrize(
    ("old", "new"), [({"a": {}}, {"a": {"b": "CANARY"}}), ({"a": {"b": "x"}}, {"a": {}}), ({"a": []}, {"a": ["x"]})]
)
def test_json_what_has_no_sibling_is_refused(desk, old, new):
    revision = desk.store("a.json", [old])
    assert desk.unwritable("a.json", [new], revision) == LAYOUT


def test_dotenv_keeps_comments_blank_lines_and_order(desk):
    desk.store("a.env", [{"A": "1", "B": "2", "C": "3"}])
    desk.write("a.env", (desk.path / "a.env").read_text().replace("B=", "# about B\n\nB=", 1))
    desk.store("a.env", [{"D": "new", "C": "4", "A": "1"}], desk.read("a.env").revision)
    after = (desk.path / "a.env").read_text()
    assert after.startswith("A=1\n# about B\n\nC=4\nD=new\nsops_age__list_0__map_enc=")
    assert desk.decrypted("a.env") == "A=1\n# about B\nC=4\nD=new\n"


def test_dotenv_carriage_returns_after_encrypted_values_stay(sops):
    sops.encrypt("a.env", "A=1\nB=2\n")
    sops.edit("a.env", "]\n", "]\r\n", count=2)
    sops.store("a.env", [{"A": "3", "B": "2"}], sops.read("a.env").revision)
    after = (sops.path / "a.env").read_bytes()
    assert after.count(b"]\r\n") == 2
    assert sops.values("a.env") == [{"A": ("text", b"3"), "B": ("text", b"2")}]


@pytest.mark.parametrize(("name", "content"), [("a.ini", "[s]\nk = x\n"), ("a.bin", "x")])
def test_other_formats_are_read_only(sops, name, content):
    sops.encrypt(name, content)
    new = b"CANARY" if name == "a.bin" else [{"s": {"k": "CANARY"}}]
    what = f"bridge reads {'binary' if name == 'a.bin' else 'ini'} files, but does not write them"
    assert sops.unwritable(name, new, sops.read(name).revision) == what
    assert sops.unwritable(f"new{name[1:]}", new) == what


@pytest.mark.parametrize("rule", ["encrypted_comment_regex", "unencrypted_comment_regex"])
def test_rule_over_comments_is_refused(sops, rule):
    sops.encrypt("a.yaml", "# hide\na: CANARY-1\n", **{rule: "hide"})
    what = f"bridge does not write files whose comments say what is encrypted (`{rule}`)"
    assert sops.unwritable("a.yaml", [{"a": "CANARY-2"}], sops.read("a.yaml").revision) == what
    assert sops.unwritable("new.yaml", [{"a": "CANARY-2"}]) == what


# Any file, and any change that needs no new mapping, list or document


def grown(strategy):
    """Draw a tree, and what may become of it: other leaves, new ones next to others, and some that go."""
    return strategy.flatmap(lambda tree: st.tuples(st.just(tree), changed(tree)))


@st.composite
def changed(draw, node):
    if isinstance(node, dict):
        kept = {key: draw(changed(child)) for key, child in node.items()}
        names = draw(st.lists(keys.filter(lambda key: key != "sops"), max_size=2))
        return kept | {name: draw(texts) for name in names if name not in kept and has_leaf(node)}
    if isinstance(node, list):
        return [draw(changed(item)) for item in node]
    return draw(texts) if draw(st.booleans()) else node


def has_leaf(node):
    return any(not isinstance(child, (dict, list)) for child in node.values())


def trees(leaf):
    node = st.recursive(
        leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )
    # A leaf at the top, where sops does not end a YAML file's last text in the metadata.
    return st.dictionaries(keys.filter(lambda key: key != "sops"), node, max_size=4).map(
        lambda tree: {"top": "x"} | tree
    )


single_lines = texts.filter(lambda text: not set(text) & set("\n\r\x85\u2028\u2029"))
leaves = st.one_of(single_lines, st.integers(-99, 99), st.booleans(), st.none())


def spliced(folder, name, content, pair):
    """Change a file of the real sops; every line stays that holds no change, and sops reads the same as bridge."""
    old, new = pair
    folder.encrypt(name, content)
    before = (folder.path / name).read_text().split("\n")
    document = folder.read(name)
    assert [opened(one) for one in document.content] == [opened(sealed(old))]
    folder.store(name, [new], document.revision)
    (found,) = folder.values(name)
    assert found == opened(sealed(new))
    done = folder.sops("decrypt", "--output-type", "json", name)
    if not done.stderr.startswith(b"yaml: "):  # sops's YAML writer writes some texts that its reader does not take
        assert done.returncode == 0, done.stderr.decode()
        assert printed(done.stdout) == as_text(found)
    after = (folder.path / name).read_text().split("\n")
    if old.keys() == new.keys() and count(old) == count(new):
        differ = [line for line, now in zip(before, after, strict=True) if line != now]
        assert len(differ) <= changes(old, new) + 2 * (old != new)


def count(node):
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return 1 + sum(map(count, children))


def changes(old, new):
    if isinstance(old, dict):
        return sum(changes(old[key], new[key]) for key in old if key in new)
    if isinstance(old, list):
        return sum(map(changes, old, new))
    return int(old != new or type(old) is not type(new))


@settings(bounded, max_examples=30)
@given(pair=grown(trees(leaves)))
@example(pair=({"top": "x", "a": {"b": 1}}, {"top": "x", "a": {"b": "", "c": "d"}, "e": ""}))
def test_any_change_of_yaml_file_is_read_by_sops(shared, pair):
    spliced(shared, "splice.yaml", yaml_of(pair[0]), pair)


@settings(bounded, max_examples=30)
@given(pair=grown(trees(leaves)))
def test_any_change_of_json_file_is_read_by_sops(shared, pair):
    spliced(shared, "splice.json", json.dumps(pair[0]), pair)


lines = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0"), max_size=20)
flat = st.dictionaries(
    line_keys.filter(lambda key: not set(key) & set("\0\r")) | st.sampled_from(["A_unencrypted", "B", "C"]),
    lines.filter(lambda text: "\\n" not in text and not text.startswith("ENC[")),
    min_size=1,
    max_size=5,
)


@settings(bounded, max_examples=30)
@given(pair=st.tuples(flat, flat))
def test_any_change_of_dotenv_file_is_read_by_sops(shared, pair):
    spliced(shared, "splice.env", "".join(f"{key}={value}\n" for key, value in pair[0].items()), pair)


@pytest.mark.parametrize("release", ["3.8.1", "3.11.0", "3.13.2"])
@pytest.mark.parametrize(
    ("name", "path"), [("a.yaml", ("b", "c")), ("a.json", ("b", "c")), ("a.env", ("b",)), ("a.yaml", ("new",))]
)
def test_splice_is_what_sops_set_does(folder_of, release, name, path):
    folder = folder_of(release)
    tree = {"a": "x", "b": "y"} if name == "a.env" else {"a": "x", "b": {"c": "y", "d": "z"}}
    text = "".join(f"{key}={value}\n" for key, value in tree.items()) if name == "a.env" else json.dumps(tree)
    for one in (name, f"theirs-{name}"):
        folder.encrypt(one, text)
    new = json.loads(json.dumps(tree))
    (new if len(path) == 1 else new[path[0]])[path[-1]] = "changed"
    folder.store(name, [new], folder.read(name).revision)
    words = ("set", f"theirs-{name}", f'{"".join(json.dumps([key]) for key in path)} "changed"')
    if release != "3.8.1":
        words = ("set", f"theirs-{name}", "".join(json.dumps([key]) for key in path), '"changed"')
    else:
        words = ("set", words[2], words[1])
    done = folder.sops(*words)
    assert done.returncode == 0, done.stderr
    ours, theirs = (folder.sops("decrypt", "--output-type", "json", one).stdout for one in (name, f"theirs-{name}"))
    assert json.loads(ours) == json.loads(theirs) == new


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_first_value_of_a_file_is_a_line_before_its_metadata(newline):
    text = f"sops:{newline}  x: y{newline}"
    metadata = TextEntry(0, TextPart(5, len(text)))
    assert line_after(text, [], metadata, "a: b") == (0, 0, f"a: b{newline}")
    with pytest.raises(Unplaceable):
        line_after(text, [], None, "a: b")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("m:\n  a: b\n", "  c: d\n"),
        ("m:\r\n  a: b\r\n", "  c: d\r\n"),
        ("m:\n  a: b", "\n  c: d"),
    ],
)
def test_further_value_is_a_line_after_its_sibling(text, line):
    start = text.index("a:")
    sibling = TextEntry(start, TextPart(start + 3, start + 4))
    assert line_after(text, [sibling], None, "c: d") == (len(text), len(text), line)
