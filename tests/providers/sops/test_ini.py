"""Ini files: what gopkg.in/ini.v1 makes of a text, and what bridge makes of it or refuses."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.provider import ProviderError
from bridge_providers.sops import store_ini
from tests.providers.sops.test_generated import bounded

CONTENT = """\
top = level
; c1
[a b]
x = 1
# c2
y = "quoted"   ; inline
z = `back # tick`
long = \"\"\"line1
line2\"\"\"
cont = foo \\
   bar
e =
[DEFAULT]
q: 5
[a.b]
k_unencrypted = clear # c
[a b]
again = x
"""
METADATA = "\n[sops]\nlastmodified = 2024-01-01T00:00:00Z\nmac = x\nversion = 3.13.2\nage__list_0__map_enc = x\n"


def test_file_is_sections_of_texts_and_default_is_what_stands_before_them(sops):
    sops.encrypt("a.ini", CONTENT)
    assert sops.values("a.ini") == [
        {
            "DEFAULT": {"top": ("text", b"level"), "q": ("text", b"5")},
            "a b": {
                "x": ("text", b"1"),
                "y": ("text", b"quoted"),
                "z": ("text", b"back # tick"),
                "long": ("text", b"line1\nline2"),
                "cont": ("text", b"foo bar"),
                "e": ("text", b""),
                "again": ("text", b"x"),
            },
            "a.b": {"k_unencrypted": ("text", b"clear")},
        }
    ]


def test_metadata_with_line_ends_as_two_releases_wrote_them(sops):
    path = sops.encrypt("a.ini", "[s]\nk = CANARY\n")
    line = sops.line("a.ini", "age__list_0__map_enc")
    name, _, value = line.partition(" = ")
    raw = value.replace("\\n", "\n")
    sops.edit("a.ini", line, f'{name} = """{raw}"""')
    assert sops.sops("decrypt", "a.ini").returncode == 0
    assert "\\n" not in path.read_text()
    assert sops.values("a.ini") == [{"s": {"k": ("text", b"CANARY")}}]


def test_values_need_not_be_text_and_file_may_have_bom_and_crlf(sops):
    path = sops.encrypt("a.ini", b"[s]\nk = \xff\nl = x\nm_unencrypted = \xe9\n")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert sops.sops("decrypt", "a.ini").returncode == 0
    assert sops.values("a.ini") == [
        {"s": {"k": ("bytes", b"\xff"), "l": ("text", b"x"), "m_unencrypted": ("bytes", b"\xe9")}}
    ]


def test_rules_see_section_s_name_too(sops):
    for rule in (
        {"encrypted_regex": "^DEFAULT$|^k$"},
        {"unencrypted_suffix": "FAULT"},
        {"unencrypted_comment_regex": "plain"},
    ):
        sops.encrypt("a.ini", "a = CANARY-1\n[s]\n# plain\nk = CANARY-2\nl = CANARY-3\n", **rule)
        assert sops.values("a.ini") == [
            {"DEFAULT": {"a": ("text", b"CANARY-1")}, "s": {"k": ("text", b"CANARY-2"), "l": ("text", b"CANARY-3")}}
        ]


pieces = st.sampled_from(
    [
        *["a", "b", "=", " = ", ":", "#", ";", "`", '"', "'", '"""', "\\", "\\\n", "\n", "\n", "\r\n", "[", "]", "-"],
        *[" ", "\t", "\x1c", "\x85", "\xa0", "é", "\u2028", "\nk = ", "\nk=`", '\nk = """', "\n- = x", "%(a)s"],
        *["[s]\n", "\n[t]\n", "\ufeff"],
    ]
)  # fmt: skip


def by_sops(shared, text, metadata):
    """Return the sections that sops finds in a text, or None where it refuses it."""
    shared.write("layout.ini", text + metadata)
    done = shared.sops("decrypt", "--ignore-mac", "--output-type", "json", "layout.ini")
    if done.returncode:
        return None
    pairs = json.loads(done.stdout, object_pairs_hook=list)
    return [(name, dict(section)) for name, section in pairs if section or name != "DEFAULT"]


def by_bridge(text):
    """Return the same of bridge."""
    try:
        stored = store_ini.load((text + METADATA).encode())
    except ProviderError:
        return None
    return [
        (name, {key: leaf.reveal().decode() for key, leaf in section.items()})
        for document in stored.documents
        for name, section in document.items()
        if section or name != "DEFAULT"
    ]


@pytest.fixture(scope="module")
def metadata(shared):
    """The metadata of a file in which nothing is encrypted."""
    shared.encrypt("empty.ini", "", encrypted_regex="^-$")
    return "\n[sops]\n" + (shared.path / "empty.ini").read_text().partition("[sops]\n")[2]


@settings(bounded, max_examples=150)
@given(text=st.lists(pieces, max_size=30).map("".join))
@example(text='k = """a\n"b"""\n')
@example(text='k = """a""""\n')
@example(text='k = `a` ; it\'s `b`\nl = "a" "\n')
@example(text='k = "a\\\n  b" # c\\\n\n')
@example(text='"""é=\n"""a""" = x\n"a b":x\n`a=b` = y\n')
@example(text="[a] ; x]\n[ b ]\nk = 'x'\nl = ''\nm = '\n")
@example(text="k = a\\\n\nl = b\\")
def test_any_text_reads_as_sops_reads_it_or_is_refused(shared, metadata, text):
    ours = by_bridge(text)
    assert ours is None or ours == by_sops(shared, text, metadata)


def test_plain_texts_are_not_refused(shared, metadata):
    for text in ("", "a=b", "[s]\na: b\n\n[s]\n`b c` = `d`\n", CONTENT.replace("again", "once")):
        assert by_bridge(text) == by_sops(shared, text, metadata) is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k = x\nk = CANARY\n", "line 2: duplicate name in a section"),
        ("[s]\nk = x\n[t]\n[s]\nk = CANARY\n", "line 5: duplicate name in a section"),
        ("[sops]\nmac = CANARY\n", "line 4: duplicate section sops"),
        ("CANARY\n", "line 1 has no name before a `=`"),
        ("= CANARY\n", "line 1 has no name before a `=`"),
        ("`CANARY\n", "line 1 has no name before a `=`"),
        ('"" = CANARY\n', "line 1 has no name before a `=`"),
        ("- = CANARY\n", "line 1 has the name `-`, which sops would lose"),
        ("k = `CANARY` CANARY\n", "line 1 has text after its end, which sops would drop"),
        ("k = `\nCANARY` # \\\n", "line 2 has text after its end, which sops would drop"),
        ("[s] CANARY\n", "line 1 has text after its end, which sops would drop"),
        ("`k` CANARY = x\n", "line 1 has no name before a `=`"),
        ("[]\n", "line 1 is not a section name in brackets"),
        ("[CANARY\n", "line 1 is not a section name in brackets"),
        ("k = `CANARY\n", "line 1 begins a quoted value that does not end"),
        (b"\xff = CANARY\n", "line 1: a name is not valid UTF-8"),
        (b"[\xff]\nk = CANARY\n", "line 1: a name is not valid UTF-8"),
        (b"[\xff]\n", "line 1: a name is not valid UTF-8"),
    ],
)
def test_what_would_be_lost_or_read_otherwise_is_refused_by_line(folder, text, message):
    content = text if isinstance(text, bytes) else text.encode()
    folder.write("a.ini", content + METADATA.encode())
    assert folder.refusal("a.ini") == message


def test_metadata_that_does_not_fit_together(folder):
    folder.write("a.ini", "[s]\nk = x\n" + METADATA.replace("list_0", "list_1"))
    assert folder.refusal("a.ini") == "its names in `[sops]` are inconsistent"
    folder.write("a.ini", "[s]\nk = x\n")
    assert folder.refusal("a.ini") == "is not encrypted with sops (it has no `sops` metadata)"
