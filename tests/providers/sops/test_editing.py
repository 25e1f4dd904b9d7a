"""What an edit of a file's text leaves alone, line by line, and which texts are refused."""

import json

import pytest

from tests.providers.sops.folder import opened, sealed

LAYOUT = (
    "the file is written in a way that cannot be changed in place (aliases, comments inside brackets, …)"  # and so on
)


@pytest.fixture
def desk(sops):
    """A folder whose files have nothing encrypted but their MAC, so that a test can lay them out as it likes."""
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient, "encrypted_regex": "^-$"}]}))
    return sops


def laid_out(desk, name, text, tree):
    """Make a file of this text: the MAC covers the values and their order, not the layout."""
    desk.store(name, tree)
    stored = (desk.path / name).read_text()
    if name.endswith(".yaml"):
        metadata = "sops:\n" + stored.partition("\nsops:\n")[2]
    else:
        metadata = '"sops"' + stored.rpartition('"sops"')[2].removesuffix("\n}\n")
    desk.write(name, text.replace("SOPS", metadata))
    assert desk.values(name) == [opened(sealed(one)) for one in tree]
    return (desk.path / name).read_text()


def edited(desk, name, text, old, new):
    """Return a text after a change, without the metadata."""
    before = laid_out(desk, name, text, [old])
    desk.store(name, [new], desk.read(name).revision)
    assert desk.values(name) == [opened(sealed(new))]
    after = (desk.path / name).read_text()
    printed = json.loads(desk.sops("decrypt", "--output-type", "json", name).stdout)
    assert printed == new
    marks = ('"lastmodified"', '"mac"') if name.endswith(".json") else ("lastmodified:", "mac:")
    metadata = before[before.rindex('"sops"' if name.endswith(".json") else "sops:\n") :].splitlines()
    assert all(line in after or line.strip().startswith(marks) for line in metadata)
    return after


YAML = {
    "a value, with a comment behind it and odd blanks": (
        "# head\na:   x   # why\n\nb: 'y'\nSOPS",
        ({"a": "x", "b": "y"}, {"a": "new", "b": "y"}),
        "# head\na:   new   # why\n\nb: 'y'\n",
    ),
    "a value over several lines": (
        'a: |\n  one\n  two\n\n# next\nb: "x\n  y"\nc: >-\n  z\nSOPS',
        ({"a": "one\ntwo\n", "b": "x y", "c": "z"}, {"a": "p", "b": "q\n", "c": "r"}),
        'a: p\n\n# next\nb: "q\\n"\nc: r\n',
    ),
    "a null that becomes a value": (
        "a:\nb: # note\n-\n-\nSOPS",
        ({"a": None, "b": [None, None]}, {"a": "x", "b": ["z", "w"]}),
        "a: x\nb: # note\n- z\n- w\n",
    ),
    "a new key at the end of its mapping": (
        "a:\n  b: x\n\n  # about c\n  c: # empty\n# last\nd: y\nSOPS",
        ({"a": {"b": "x", "c": None}, "d": "y"}, {"a": {"b": "x", "c": None, "m": "1.5"}, "d": "y", "m": {"k": []}}),
        'a:\n  b: x\n\n  # about c\n  c: # empty\n  m: "1.5"\n# last\nd: y\nm:\n    k: []\n',
    ),
    "a new key behind a text that keeps its empty lines": (
        "a:\n  b: |+\n    x\n\nSOPS",
        ({"a": {"b": "x\n\n"}}, {"a": {"b": "x\n\n", "c": "z"}}),
        "a:\n  b: |+\n    x\n\n  c: z\n",
    ),
    "a removed key": (
        "a: x\n# about b\nb:\n  c: y\n  d: # z\n    e: z\nf: w\nSOPS",
        ({"a": "x", "b": {"c": "y", "d": {"e": "z"}}, "f": "w"}, {"a": "x", "f": "w"}),
        "a: x\n# about b\nf: w\n",
    ),
    "the last key of a mapping": (
        "a:\n  b: x\nc: y\nSOPS",
        ({"a": {"b": "x"}, "c": "y"}, {"a": {}, "c": "y"}),
        "a: {}\nc: y\n",
    ),
    "every key": ("a: x\nb: y\nSOPS", ({"a": "x", "b": "y"}, {"c": "z"}), "c: z\n"),
    "the first key of a list's item": (
        "a:\n- b: x\n  c: y\n- d: z\nSOPS",
        ({"a": [{"b": "x", "c": "y"}, {"d": "z"}]}, {"a": [{"c": "y"}, {"d": "z", "e": "w"}]}),
        "a:\n- c: y\n- d: z\n  e: w\n",
    ),
    "the first keys of a list's item, one with a sign that could be a comment's": (
        'a:\n- b: x\n  c: "#"\n  d: z\nSOPS',
        ({"a": [{"b": "x", "c": "#", "d": "z"}]}, {"a": [{"d": "z"}]}),
        "a:\n- d: z\n",
    ),
    "items of a list": (
        "a:\n  - one # 1\n  # 2\n  - two\n  -\n    k: three\n  - four\nb: x\nSOPS",
        ({"a": ["one", "two", {"k": "three"}, "four"], "b": "x"}, {"a": ["one", "two", "four"], "b": "x"}),
        "a:\n  - one # 1\n  # 2\n  - two\n  - four\nb: x\n",
    ),
    "new items of a list": (
        "a:\n- x\nb:\n  -   - y\nSOPS",
        ({"a": ["x"], "b": [["y"]]}, {"a": ["x", {"k": "v"}, ["p", "q"]], "b": [["y", "z"]]}),
        "a:\n- x\n- k: v\n- - p\n  - q\nb:\n  -   - y\n      - z\n",
    ),
    "a value that becomes a mapping, and one that was": (
        "a: x # c\nb:\n  c: y\nd: z\nSOPS",
        ({"a": "x", "b": {"c": "y"}, "d": "z"}, {"a": {"k": "v"}, "b": "w", "d": "z"}),
        "a:\n    k: v # c\nb: w\nd: z\n",
    ),
    "brackets": (
        "a: {b: x, c: [1, 2]}\nd: [{e: f}]\ng: {}\nSOPS",
        (
            {"a": {"b": "x", "c": [1, 2]}, "d": [{"e": "f"}], "g": {}},
            {"a": {"b": "x y", "c": [1, 3]}, "d": [{"e": "f", "h": 2}], "g": {"i": "j"}},
        ),
        'a: {b: "x y", c: [1, 3]}\nd: [{e: f, h: 2}]\ng:\n    i: j\n',
    ),
    "a key with its own question mark": (
        "? a\n: x\n? b\n:\n  c: y\nSOPS",
        ({"a": "x", "b": {"c": "y"}}, {"b": {"c": "z"}}),
        "? b\n:\n  c: z\n",
    ),
    "keys and values that YAML would take for something else": (
        "a: x\nSOPS",
        ({"a": "x"}, {"a": "x", "yes": "no", "1": "1", "~": "~", "": "", "- b": "# c", "d": ": ", "e": "2024-01-01"}),
        'a: x\n"yes": "no"\n"1": "1"\n"~": "~"\n"": ""\n"- b": "# c"\nd: ": "\ne: "2024-01-01"\n',
    ),
    "a new key beside one with the metadata's name": (
        "a:\n  sops: x\nSOPS",
        ({"a": {"sops": "x"}}, {"a": {"sops": "x", "b": "z"}}),
        "a:\n  sops: x\n  b: z\n",
    ),
    "metadata in the first place": (
        "SOPS# after\na: x\n",
        ({"a": "x"}, {"a": "x", "b": "z"}),
        None,
    ),
}


@pytest.mark.parametrize("case", YAML)
def test_yaml(desk, case):
    text, (old, new), expected = YAML[case]
    after = edited(desk, "a.yaml", text, old, new)
    if expected is None:
        assert after.endswith("# after\na: x\nb: z\n")
    else:
        assert after.partition("sops:\n")[0] == expected


def test_the_end_of_a_file_without_a_line_end(desk):
    text = laid_out(desk, "a.yaml", "SOPSa: x", [{"a": "x"}])
    assert text.endswith("a: x")
    desk.store("a.yaml", [{"a": "x", "b": {"c": "z"}}], desk.read("a.yaml").revision)
    assert (desk.path / "a.yaml").read_text().endswith("\na: x\nb:\n    c: z")


def test_byte_order_mark_and_carriage_returns_stay(desk):
    text = laid_out(desk, "a.yaml", "a: x\nb: y\nSOPS", [{"a": "x", "b": "y"}])
    desk.write("a.yaml", "\ufeff" + text.replace("\n", "\r\n"))
    desk.store("a.yaml", [{"a": "x", "b": "z", "c": "w"}], desk.read("a.yaml").revision)
    after = (desk.path / "a.yaml").read_bytes()
    assert after.startswith("\ufeffa: x\r\nb: z\r\nc: w\r\nsops:\r\n".encode())
    assert after.count(b"\n") == after.count(b"\r\n")


def test_a_further_document_follows_the_others(desk):
    text = laid_out(desk, "a.yaml", "a: x # c\nSOPS", [{"a": "x"}])
    desk.store("a.yaml", [{"a": "x"}, {"b": "y"}], desk.read("a.yaml").revision)
    assert (desk.path / "a.yaml").read_text().startswith(text[: text.index("    lastmodified")])
    assert desk.decrypted("a.yaml").endswith('\n---\nb: "y"\n')
    desk.store("a.yaml", [{"a": "x"}, {"b": "z"}], desk.read("a.yaml").revision)
    assert desk.decrypted("a.yaml").endswith("\n---\nb: z\n")
    blocks = (desk.path / "a.yaml").read_text().split("sops:\n")
    assert blocks[1].partition("\n---")[0] == blocks[2].rstrip()


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("a: &x {b: c}\nd: *x\nSOPS", {"a": {"b": "c"}, "d": {"b": "c"}}, {"a": {"b": "c"}, "d": {"b": "CANARY"}}),
        ("a: &x c\nd: *x\nSOPS", {"a": "c", "d": "c"}, {"a": "CANARY", "d": "c"}),
        ("a: [b, # c\n  d]\nSOPS", {"a": ["b", "d"]}, {"a": ["CANARY"]}),
        ("a: {b: c,\n  d: e}\nSOPS", {"a": {"b": "c", "d": "e"}}, {"a": {"b": "CANARY"}}),
        ("a: # c\n  b: x\nSOPS", {"a": {"b": "x"}}, {"a": "CANARY"}),
        ("a:\n  b: x # c\n  d: y\nSOPS", {"a": {"b": "x", "d": "y"}}, {"a": ["CANARY"]}),
        ("a: | # c\n  x\nSOPS", {"a": "x\n"}, {"a": "CANARY"}),
        ("a:\n- b: x\n  # c\n  d: y\nSOPS", {"a": [{"b": "x", "d": "y"}]}, {"a": [{"d": "y"}]}),
    ],
)
def test_what_would_lose_a_comment_or_change_an_alias_is_refused(desk, text, old, new):
    laid_out(desk, "a.yaml", text, [old])
    assert desk.unwritable("a.yaml", [new], desk.read("a.yaml").revision) == LAYOUT


def test_an_anchor_that_is_not_touched_does_no_harm(desk):
    text = "a: &x {b: c}\nd: *x\ne: f\nSOPS"
    old = {"a": {"b": "c"}, "d": {"b": "c"}, "e": "f"}
    assert edited(desk, "a.yaml", text, old, {**old, "e": "g"}).startswith("a: &x {b: c}\nd: *x\ne: g\nsops:")


def test_utf_16_is_refused(desk):
    text = laid_out(desk, "a.yaml", "a: x\nSOPS", [{"a": "x"}])
    desk.write("a.yaml", text.encode("utf-16"))
    assert desk.unwritable("a.yaml", [{"a": "CANARY"}], desk.read("a.yaml").revision) == LAYOUT


def test_fewer_documents_are_refused(desk):
    revision = desk.store("a.yaml", [{"a": "x"}, {"b": "y"}])
    message = desk.unwritable("a.yaml", [{"a": "CANARY"}], revision)
    assert message == "the file has 2 documents, and this version takes none away to leave 1"


JSON = {
    "a value among odd blanks": (
        '{ "a" :1.0,\n   "b":  "x" , "c": [1e3, true],\n SOPS }',
        ({"a": 1, "b": "x", "c": [1000, True]}, {"a": 1, "b": "y\n", "c": [1000, False]}),
        '{ "a" :1.0,\n   "b":  "y\\n" , "c": [1e3, false],\n ',
    ),
    "new keys": (
        '{\n  "a": {\n    "b": "x"\n  },\n  "c": {},\n  SOPS\n}\n',
        ({"a": {"b": "x"}, "c": {}}, {"a": {"b": "x", "d": ["y", {}]}, "c": {"k": None}}),
        '{\n  "a": {\n    "b": "x",\n    "d": [\n      "y",\n      {}\n    ]\n  },\n  "c": {\n    "k": null\n  },\n  ',
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
}


@pytest.mark.parametrize("case", JSON)
def test_json(desk, case):
    text, (old, new), expected = JSON[case]
    after = edited(desk, "a.json", text, old, new)
    assert expected is None or after.rpartition('"sops"')[0] == expected


def test_dotenv_keeps_comments_blank_lines_and_order(desk):
    revision = desk.store("a.env", [{"A": "1", "B": "2", "C": "3"}])
    text = (desk.path / "a.env").read_text().replace("B=", "# about B\n\nB=", 1)
    desk.write("a.env", text)
    revision = desk.read("a.env").revision
    desk.store("a.env", [{"D": "new", "C": "4", "A": "1"}], revision)
    after = (desk.path / "a.env").read_text()
    assert after.startswith("A=1\n# about B\n\nC=4\nD=new\nsops_age__list_0__map_enc=")
    assert desk.decrypted("a.env") == "A=1\n# about B\nC=4\nD=new\n"
