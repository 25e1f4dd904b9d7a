"""Files whose comments say what is encrypted: read as the real sops reads them, whole and tampered with."""

import json
from typing import NamedTuple

import pytest

from bridge_providers.sops import stores
from bridge_providers.sops.selectors import STRAY
from tests.providers.sops.test_tampering import MISMATCH, MOVED, PLAIN

ENCRYPTED, UNENCRYPTED = "encrypted_comment_regex", "unencrypted_comment_regex"
rules = pytest.mark.parametrize("rule", [ENCRYPTED, UNENCRYPTED])
macs = pytest.mark.parametrize("mac", [{}, {"mac_only_encrypted": True}], ids=["whole MAC", "MAC of the encrypted"])


def chosen(sops, name):
    """Return the values that are encrypted in a file that sops has made, and read it as sops does."""
    done = sops.sops("decrypt", "--output-type", "json", name)
    assert done.returncode == 0, done.stderr.decode()
    (document, *_) = sops.values(name)
    expected = json.loads(done.stdout)
    assert texts(document) == expected
    stored = stores.load((sops.path / name).read_bytes(), stores.store_of(name)).documents[0]
    return {text for text, leaf in zip(flat(expected), flat(stored), strict=True) if leaf.reveal().startswith(b"ENC[")}


def texts(node):
    if isinstance(node, dict):
        return {key: texts(child) for key, child in node.items()}
    return [texts(child) for child in node] if isinstance(node, list) else node[1].decode()


def flat(node):
    if isinstance(node, (dict, list)):
        return [leaf for child in (node.values() if isinstance(node, dict) else node) for leaf in flat(child)]
    return [node]


YAML = {
    "above": ("# x\na: A\nb: B\n", "A"),
    "beside": ("a: A # x\nb: B\n", "A"),
    "above, with others between": ("# x\n# y\na: A\nb: B\n", "A"),
    "above, with an empty line between": ("z: Z\n\n# x\n\na: A\nb: B\n", "A"),
    "right below another value": ("z: Z\n# x\n\na: A\nb: B\n", "A"),
    "at the top of the file": ("# x\n\na: A\nb: B\n", "A"),
    "above the first document": ("# x\n---\na: A\nb: B\n", "A"),
    "beside the first document": ("--- # x\na: A\nb: B\n", "A"),
    "above a mapping": ("# x\nm:\n  a: A\n  b: B\nc: C\n", "AB"),
    "beside a mapping": ("m: # x\n  a: A\n  b: B\nc: C\n", "AB"),
    "inside a mapping": ("m:\n  # x\n  a: A\n  b: B\nc: C\n", "A"),
    "at the end of a mapping": ("m:\n  a: A\n  # x\nc: C\n", ""),
    "at the end of a mapping, further to the left": ("m:\n  a: A\n# x\nc: C\n", "C"),
    "at the end of a mapping, between two columns": ("m:\n    a: A\n  # x\nc: C\n", ""),
    "above a list": ("# x\nl:\n- A\n- B\nc: C\n", "AB"),
    "beside a list": ("l: # x\n- A\n- B\nc: C\n", "AB"),
    "above an item": ("l:\n  - A\n  # x\n  - B\n  - C\n", "B"),
    "beside an item": ("l:\n  - A\n  - B # x\n  - C\n", "B"),
    "above a mapping in a list": ("l:\n  # x\n  - a: A\n    b: B\n  - c: C\n", "AB"),
    "inside a mapping in a list": ("l:\n  - a: A\n    # x\n    b: B\n  - c: C\n", "B"),
    "at the end of a list": ("l:\n  - A\n  # x\nc: C\n", ""),
    "behind brackets": ("l: [A, B] # x\nc: C\n", "A"),
    "inside brackets": ("l: [A,\n  # x\n  B,\n  C]\nc: C\n", "B"),
    "behind braces": ("m: {a: A, b: B} # x\nc: C\n", "A"),
    "behind the mark of a text": ("a: | # x\n  A\nb: B\n", "A\n"),
    "below a text": ("a: |\n  Z\n# x\nb: B\n", "B"),
    "in a text, where it is none": ("a: |\n  # x\nb: B\n", ""),
    "in quotes, where it is none": ("a: 'A # x'\nb: B\n", ""),
    "without a blank before, where it is none": ("a: A#x\nb: B\n", ""),
    "at an anchor, which an alias repeats": ("m: &m # x\n  # y\n  a: A\nn: *m\nc: C\n", "A"),
    "inside an anchor": ("m: &m\n  # x\n  a: A\n  b: B\nn: *m\nc: C\n", "A"),
    "at the end of the file": ("a: A\n# x\n", ""),
}  # fmt: skip


@macs
@rules
@pytest.mark.parametrize("place", YAML)
def test_yaml(sops, place, rule, mac):
    text, matched = YAML[place]
    sops.encrypt("a.yaml", text, **{rule: "^ x$"}, **mac)
    found = chosen(sops, "a.yaml")
    every = {*flat(json.loads(sops.sops("decrypt", "--output-type", "json", "a.yaml").stdout))}
    expected = {one for one in every if one and one in matched}
    assert found == (expected if rule == ENCRYPTED else every - expected)


@macs
@rules
def test_what_sops_itself_cannot_read_back_is_refused(sops, rule, mac):
    """It moves a comment behind a dash to the line above, where it counts for the whole item."""
    sops.encrypt("a.yaml", "l:\n  - # x\n    a: CANARY\n    b: CANARY\n", **{rule: "x"}, **mac)
    assert sops.sops("decrypt", "a.yaml").returncode != 0
    assert sops.refusal("a.yaml") == f"key l[0].b {PLAIN if rule == ENCRYPTED else STRAY}"


@macs
def test_yaml_of_several_documents(sops, mac):
    sops.encrypt("a.yaml", "a: A\n# x\n---\n# x\nb: B\nc: C\n---\n# x\n---\nd: D\n", **{ENCRYPTED: "x"}, **mac)
    done = sops.sops("decrypt", "a.yaml")
    assert done.returncode == 0, done.stderr.decode()
    assert list(map(texts, sops.values("a.yaml"))) == [{"a": "A"}, {"b": "B", "c": "C"}, {}, {"d": "D"}]
    assert sops.value("a.yaml", "b")
    assert "ENC[" not in "".join(sops.line("a.yaml", key) for key in "acd")


LINES = "# x\nA=A\nB=B # x\n\n# x\n\n# y\nC=C\n #x=D\nE=E\n# x\n"
SECTIONS = "; x\nz = Z\n; x\n[s]\n; y\na = A\n# x\nb = B\nc = C ; x\nd = D\n[t] ; x\na = E\nb = `F` ; x\nc = G\n"


@macs
@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.env", LINES, "AC"),
        # sops lets the comment of a name count for the next one of the section.
        ("a.ini", SECTIONS, "ACDE"),
        ("a.json", json.dumps({"# x": "A", "b": "B"}), ""),
    ],
)
def test_other_stores(sops, name, text, expected, mac):
    sops.encrypt(name, text, **{ENCRYPTED: "^ ?x$"}, **mac)
    assert chosen(sops, name) == {*expected}
    every = {*flat(json.loads(sops.sops("decrypt", "--output-type", "json", name).stdout))}
    sops.encrypt(name, text, **{UNENCRYPTED: "^ ?x$"}, **mac)
    assert chosen(sops, name) == every - {*expected}


def test_other_lines_of_an_ini_file_s_comment_keep_their_mark(sops):
    sops.encrypt("a.ini", "z = Z\n[s]\n; one\n; two\na = A\nb = B\n", **{ENCRYPTED: "(?s)^one.; two$"})
    assert chosen(sops, "a.ini") == {"B"}


def test_a_comment_above_the_metadata_counts_for_what_is_behind_them(sops):
    path = sops.encrypt("a.yaml", "z: z\n# x\na: A\nb: B\n", **{ENCRYPTED: "x"})
    body, _, block = path.read_text().partition("sops:\n")
    path.write_text(body.replace("# x\n", f"# x\nsops:\n{block}"))
    assert chosen(sops, "a.yaml") == {"A"}


def test_an_encrypted_comment_is_matched_as_it_stands_there(sops):
    """In the file, the second comment is a ciphertext."""
    sops.encrypt("a.yaml", "# x\n# y\na: A\n", **{ENCRYPTED: "[xy]$"})
    assert chosen(sops, "a.yaml") == {"A"}
    sops.edit("a.yaml", "# x", "# z")
    assert sops.sops("decrypt", "a.yaml").returncode != 0
    assert sops.refusal("a.yaml") == f"key a {STRAY}"


class Edit(NamedTuple):
    """A change by hand, and how the file is refused then: where the MAC covers all values, and the encrypted alone."""

    old: str
    new: str
    whole: str | None
    alone: str | None


@pytest.mark.parametrize(
    "edit",
    [
        Edit("# x\na:", "a:", f"key a {STRAY}", f"key a {STRAY}"),
        Edit("# x\na:", "# y\na:", f"key a {STRAY}", f"key a {STRAY}"),
        Edit("b: B", "# x\nb: B", f"key b {PLAIN}", f"key b {PLAIN}"),
        Edit('c: ""\n', '# x\nc: ""\n', None, None),
        Edit("b: B", "b: other", MISMATCH, None),
        Edit("b: B", "b: B\nd: planted", MISMATCH, None),
        Edit("# x\na:", "# x\nd: planted\na:", f"key d {PLAIN}", f"key d {PLAIN}"),
        Edit("# x\na:", "# x\nd: ''\na:", f"key a {STRAY}", f"key a {STRAY}"),
        Edit("a: ENC", "d: ENC", f"key d {MOVED}", f"key d {MOVED}"),
        Edit("# x\na:", "\n# x\n# more\n\na:", None, None),
    ],
)
@macs
def test_tampering(sops, edit, mac):
    sops.encrypt("a.yaml", "z: z\n# x\na: A\nb: B\nc: ''\n", **{ENCRYPTED: "x"}, **mac)
    sops.edit("a.yaml", edit.old, edit.new)
    message = edit.alone if mac else edit.whole
    taken = sops.sops("decrypt", "a.yaml").returncode == 0
    assert taken is (message is None)
    if message is None:
        assert sops.values("a.yaml")[0]["a"] == ("text", b"A")
    else:
        assert sops.refusal("a.yaml") == message


def test_a_comment_that_is_added_or_goes_in_other_stores(sops):
    for name, text, comment in (
        ("a.env", "# x\nA=CANARY\nB=B\n", "# x\n"),
        ("a.ini", "; x\n[s]\na = CANARY\n", "; x\n"),
    ):
        sops.encrypt(name, text, **{ENCRYPTED: "x"}, mac_only_encrypted=True)
        sops.edit(name, comment, "")
        assert sops.sops("decrypt", name).returncode != 0
        assert sops.refusal(name).endswith(STRAY)
    sops.encrypt("a.json", json.dumps({"a": "CANARY"}), **{UNENCRYPTED: "x"}, mac_only_encrypted=True)
    sops.edit("a.json", sops.value("a.json", "a"), "planted")
    assert sops.refusal("a.json") == f"key a {PLAIN}"


def test_a_planted_ciphertext_is_refused_although_sops_takes_it(sops):
    sops.encrypt("a.yaml", "# x\na: CANARY\nb: B\n", **{ENCRYPTED: "x"}, mac_only_encrypted=True)
    sops.edit("a.yaml", "b: B", f"b: {sops.value('a.yaml', 'a')}")
    assert sops.sops("decrypt", "a.yaml").returncode == 0
    assert sops.refusal("a.yaml") == f"key b {STRAY}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("%YAML 1.1\n---\n", "it has a directive (`%`)"),
        ("\n" * 501, "it has hundreds of blanks in a row"),
        ("# \x85", "it has a line break other than LF and CRLF, or a mark of byte order within"),
    ],
)
def test_what_cannot_be_followed_is_refused_where_comments_count_and_there_alone(sops, text, reason):
    for rule in ({ENCRYPTED: "x"}, {"encrypted_regex": "a"}):
        path = sops.encrypt("a.yaml", "# x\na: CANARY\n", **rule)
        path.write_text(text + path.read_text())
        if ENCRYPTED in rule:
            assert sops.refusal("a.yaml") == (
                f"its comments, which say what is encrypted, cannot be followed: {reason}"
            )
        else:
            assert sops.values("a.yaml") == [{"a": ("text", b"CANARY")}]


def test_a_comment_that_is_no_text_is_refused_where_comments_count(sops):
    sops.encrypt("a.env", b"# x\nA=CANARY\n", **{ENCRYPTED: "x"})
    (sops.path / "a.env").write_bytes((sops.path / "a.env").read_bytes().replace(b"# x", b"# x\xff"))
    assert sops.refusal("a.env") == "a comment at key A is not valid UTF-8"


def test_a_pattern_that_cannot_be_followed(sops):
    sops.encrypt("a.yaml", "# x é\na: CANARY\n", **{ENCRYPTED: r"x\B|x"})
    assert sops.refusal("a.yaml").startswith(f"its `{ENCRYPTED}` cannot be followed: ")
