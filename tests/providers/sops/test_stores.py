"""Files that the real sops wrote, read to the last byte."""

import json
import subprocess

import pytest

from bridge.provider import Kind, SecretValue
from bridge_providers.sops import regex

TEXTS = {
    "": b"",
    "é": b"NFC",
    "e\N{COMBINING ACUTE ACCENT}": b"NFD",
    "a.b": b"dotted",
    "\N{ROCKET}": "\N{ROCKET}".encode(),
    "k" * 300: b"long",
}


def test_yaml_file_keeps_order_kinds_and_nesting(sops):
    sops.encrypt(
        "a.yaml",
        "# comment\nb: text # inline\na: {p: 1, q: [2.5, true, null, '', [], {}, [[x], []]]}\n# last\nz: ~\ne: ''\n",
    )
    (document,) = sops.values("a.yaml")
    assert document == {
        "b": ("text", b"text"),
        "a": {
            "p": ("number", b"1"),
            "q": [
                ("number", b"2.5"),
                ("boolean", b"true"),
                ("null", b""),
                ("text", b""),
                [],
                {},
                [[("text", b"x")], []],
            ],
        },
        "z": ("null", b""),
        "e": ("text", b""),
    }
    assert list(document) == ["b", "a", "z", "e"]


def test_revision_is_time_of_last_change_and_file_s_digest(sops):
    sops.encrypt("a.yaml", "a: 1\n")
    digest = subprocess.run(["sha256sum", sops.path / "a.yaml"], capture_output=True, text=True, check=True).stdout[:8]
    modified = sops.line("a.yaml", "lastmodified").split('"')[1]
    revision = sops.read("a.yaml").revision
    assert revision.id == f"{modified}/{digest}"
    seconds = subprocess.run(["date", "-d", modified, "+%s"], capture_output=True, text=True, check=True).stdout
    assert revision.order == int(seconds) * 10**9


SCALARS = (
    "yes on 0777 0o17 1_000 12:30:45 2024-01-01 2006-01-02T15:04:05+07:06 = 1e400 18446744073709551616 1e21 1e-7 1.0 "
    ".inf .nan 9007199254740993 << 08 9223372036854775807 .5_0 '0777' True"
)
TAGGED = ["!!binary aGk=", "!!str 1", "!foo bar", "! 1"]
BLOCKS = ["|-\n  a\n  b", "|+\n  a\n\n", ">\n  a\n  b\n"]


@pytest.mark.parametrize("text", SCALARS.split() + TAGGED + BLOCKS)
def test_unencrypted_value_reads_as_encrypted_one(sops, text):
    sops.encrypt("a.yaml", f"a_unencrypted: {text}\nb: {text}\n")
    (document,) = sops.values("a.yaml")
    assert document["a_unencrypted"] == document["b"]


def test_negative_zero_in_clear_fails_for_sops_too(sops):
    sops.encrypt("a.yaml", "a_unencrypted: -0.0\n")
    assert sops.sops("decrypt", "a.yaml").returncode == 51
    assert sops.refusal("a.yaml") == (
        "its MAC does not match: a value was changed, moved, added or removed after encryption"
    )


def test_aliases_are_copies_and_merge_key_is_key(sops):
    sops.encrypt("a.yaml", "a: &x {p: 1}\nb: *x\nc: {<<: *x}\n")
    assert sops.values("a.yaml") == [
        {"a": {"p": ("number", b"1")}, "b": {"p": ("number", b"1")}, "c": {"<<": {"p": ("number", b"1")}}}
    ]


@pytest.mark.parametrize("suffix", ["yaml", "json", "env"])
def test_keys_are_raw_bytes(sops, suffix):
    tree = {key: value.decode() for key, value in TEXTS.items()}
    content = "".join(f"{key}={value}\n" for key, value in tree.items()) if suffix == "env" else json.dumps(tree)
    if suffix == "yaml":
        content = json.dumps(tree, ensure_ascii=False)
    sops.encrypt(f"a.{suffix}", content)
    assert sops.values(f"a.{suffix}") == [{key: ("text", value) for key, value in TEXTS.items()}]


@pytest.mark.parametrize(
    "text", ["|\n  l1\n  l2\n", "|-\n  l1\n  l2\n", "|+\n  l1\n\n", "'trailing  '", '"cr\\r\\nlf"', '"\\uFEFFbom"']
)
def test_lines_and_blanks_survive(sops, text):
    sops.encrypt("a.yaml", f"a: {text}\n")
    plain = json.loads(sops.sops("decrypt", "--output-type", "json", "a.yaml").stdout)["a"]
    assert sops.values("a.yaml") == [{"a": ("text", plain.encode())}]


def test_file_with_bom_and_crlf_reads_alike(sops):
    sops.encrypt("a.yaml", "a: x\nb_unencrypted: y\n")
    text = (sops.path / "a.yaml").read_bytes()
    sops.write("a.yaml", b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    assert sops.values("a.yaml") == [{"a": ("text", b"x"), "b_unencrypted": ("text", b"y")}]


def test_text_that_is_no_unicode_is_bytes(sops):
    sops.encrypt("a.yaml", "a: !!binary //4A\nb_unencrypted: !!binary //4A\n")
    assert sops.values("a.yaml") == [{"a": ("bytes", b"\xff\xfe\0"), "b_unencrypted": ("bytes", b"\xff\xfe\0")}]


def test_all_yaml_documents_are_read_also_empty_one(sops):
    sops.encrypt("a.yaml", "a: 1\n---\n---\nb: 2\n")
    assert sops.values("a.yaml") == [{"a": ("number", b"1")}, {}, {"b": ("number", b"2")}]


def test_only_first_document_needs_metadata(sops):
    sops.encrypt("a.yaml", "a: 1\n---\nb: 2\n")
    text = (sops.path / "a.yaml").read_text()
    first, second = text.split("\n---\n")
    sops.write("a.yaml", first + "\n---\n" + second[: second.index("sops:")])
    assert sops.values("a.yaml") == [{"a": ("number", b"1")}, {"b": ("number", b"2")}]
    sops.write("a.yaml", first[: first.index("sops:")] + "---\n" + second)
    assert sops.refusal("a.yaml") == "is not encrypted with sops (it has no `sops` metadata)"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("9007199254740993", b"9007199254740993"),
        ("9223372036854775807", b"9223372036854775807"),
        ("9223372036854775808", b"9223372036854775808"),
        ("-9223372036854775808", b"-9223372036854775808"),
        ("1.0", b"1"),
        ("1e-7", b"0.0000001"),
        ("1E21", b"1000000000000000000000"),
        ("-0", b"0"),
        ("-0.0", b"-0"),
        ("0.1", b"0.1"),
    ],
)
def test_json_numbers_are_exact_within_64_bits_and_floats_beyond(sops, number, text):
    sops.encrypt("a.json", f'{{"a": {number}, "b": [true, null, ""]}}')
    (document,) = sops.values("a.json")
    assert document["b"] == [("boolean", b"true"), ("null", b""), ("text", b"")]
    plain = sops.sops("decrypt", "a.json").stdout.decode().split('"a": ')[1].split(",")[0]
    assert document["a"] == ("number", text) or float(plain) == float(document["a"][1])


def test_dotenv_follows_grammar_of_sops(sops):
    sops.encrypt("a.env", b'K=a=b\nQ="q"\nL=l1\\nl2\n#c\nexport X=1\n\nS =v\nR=r\r\nE=\nC_unencrypted=c\\nd\nB=\xff\n')
    assert sops.values("a.env") == [
        {
            "K": ("text", b"a=b"),
            "Q": ("text", b'"q"'),
            "L": ("text", b"l1\nl2"),
            "export X": ("text", b"1"),
            "S ": ("text", b"v"),
            "R": ("text", b"r\r"),
            "E": ("text", b""),
            "C_unencrypted": ("text", b"c\nd"),
            "B": ("bytes", b"\xff"),
        }
    ]


def test_carriage_return_behind_dotenv_value_is_editor_s(sops):
    sops.encrypt("a.env", "A=x\nB=y\n")
    sops.edit("a.env", "type:str]\n", "type:str]\r\n")
    assert sops.sops("decrypt", "a.env").returncode == 0
    assert sops.values("a.env") == [{"A": ("text", b"x"), "B": ("text", b"y")}]


@pytest.mark.parametrize("content", [b"\0\xff\xfe", b'{"a": 1, "sops": 2}', b"", b"ENC[x]", b"text\n"])
def test_binary_file_is_one_value_of_bytes(sops, content):
    sops.encrypt("a.bin", content)
    value = sops.read("a.bin").content
    assert isinstance(value, SecretValue)
    assert (value.kind, value.reveal()) == (Kind.BYTES, content)


@pytest.mark.parametrize(
    ("name", "store"),
    [
        ("a.yml", "yaml"),
        ("a.yaml", "yaml"),
        ("a.json", "json"),
        (".env", "dotenv"),
        ("a.YAML", "binary"),
        ("a.env.staging", "binary"),
    ],
)
def test_suffix_decides_as_it_does_for_sops(sops, name, store):
    content = {"yaml": "A: x", "json": '{"A": "x"}', "dotenv": "A=x\n", "binary": "A=x\n"}[store]
    sops.encrypt(name, content)
    expected = ("bytes", b"A=x\n") if store == "binary" else [{"A": ("text", b"x")}]
    assert sops.values(name) == expected


TREE = "data: {PASSWORD: CANARY-1, note: CANARY-2}\nkind: Secret\nlist: [{x_plain: CANARY-3}]\nsecret: CANARY-4\n"


@pytest.mark.parametrize(
    "rule",
    [
        {"encrypted_regex": "^(data|stringData)$"},
        {"encrypted_regex": "(?i)PASS|ecre"},
        {"encrypted_regex": r"^\w+t[^a-z]*$|PASS.+"},
        {"unencrypted_regex": "^(kind|metadata)$"},
        {"encrypted_suffix": "WORD"},
        {"unencrypted_suffix": "_plain"},
        {"encrypted_comment_regex": "sops:enc"},
        {"unencrypted_comment_regex": "sops:plain"},
        {"mac_only_encrypted": True},
        {"mac_only_encrypted": True, "encrypted_regex": "^data$"},
    ],
)
def test_every_rule_for_what_is_encrypted_is_followed(sops, rule):
    comments = "# sops:plain\nfirst: CANARY-5\n# sops:enc\nsecond: CANARY-6\n"
    sops.encrypt("a.yaml", TREE + comments, **rule)
    assert sops.values("a.yaml") == [
        {
            "data": {"PASSWORD": ("text", b"CANARY-1"), "note": ("text", b"CANARY-2")},
            "kind": ("text", b"Secret"),
            "list": [{"x_plain": ("text", b"CANARY-3")}],
            "secret": ("text", b"CANARY-4"),
            "first": ("text", b"CANARY-5"),
            "second": ("text", b"CANARY-6"),
        }
    ]


@pytest.mark.parametrize(
    "pattern",
    ["^k\\d$", "^a$", "\\bB", "x{2,3}", "[[:digit:]]", "(?i)É", r"\pL", r"\QB\E", "a\\s", "^.$", "[^a]", "\\x{e9}"],
)
def test_regex_selects_keys_that_it_selects_for_sops(sops, pattern):
    keys = ["k1", "k\N{ARABIC-INDIC DIGIT ONE}", "a\n", "a", "aB", "B", "xx", "x", "É", "é", "a\v", "a ", "\n"]
    sops.encrypt("a.json", json.dumps(dict.fromkeys(keys, "CANARY")), encrypted_regex=pattern)
    written = json.loads((sops.path / "a.json").read_text())
    matches = regex.compile_regex(pattern)
    assert [key for key in keys if matches(key)] == [key for key in keys if written[key] != "CANARY"]
    assert sops.values("a.json") == [dict.fromkeys(keys, ("text", b"CANARY"))]


def test_team_s_patch_file_encrypted_as_it_is(sops):
    sops.encrypt(
        "patch.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: agent-secrets}\nstringData: {OPENAI_API_KEY: CANARY}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: agent-config}\ndata: {LOG_LEVEL: debug}\n",
    )
    first, second = sops.values("patch.yaml")
    assert first["stringData"] == {"OPENAI_API_KEY": ("text", b"CANARY")}
    assert second["kind"] == ("text", b"ConfigMap")
