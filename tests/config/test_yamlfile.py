import os

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.config.problems import Findings
from bridge.config.textfile import LIMIT
from bridge.config.yamlfile import DEPTH, DIRECTIVES, load_yaml_documents, parse_yaml_documents
from bridge.errors import ConfigError
from tests.canary import CANARY, refusal

SCALARS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8) | st.sampled_from(
    ["1", "yes", "null", "=", "<<", "2024-01-01", "0x1f", "1:30", "~", "", " ", "- a", "#", "a: b", "\n", "a\nb\n"]
)
TREES = st.recursive(
    SCALARS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=12,
)


@pytest.fixture
def load(tmp_path):
    def load(content, **options):
        path = tmp_path / "f.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_yaml_documents(path, "f.yaml", **options)

    return load


def values(documents):
    return [document.content for document in documents]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(TREES, max_size=3), st.booleans(), st.sampled_from([None, '"', "'", "|"]))
def test_what_pyyaml_writes_is_read_back(load, trees, flow, style):
    text = yaml.safe_dump_all(trees, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    assert values(load(text)) == trees
    if style:  # every scalar is a text then
        forced = yaml.dump_all(trees, default_style=style, Dumper=yaml.SafeDumper, sort_keys=False)
        assert values(load(forced)) == list(yaml.safe_load_all(forced))


def test_documents_have_line_of_their_content(load):
    assert load("# c\na: 1\n---\n\nb: 2\n---\n---\n- x\n") == [(2, {"a": 1}), (5, {"b": 2}), (7, None), (8, ["x"])]


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n"])
def test_file_without_content_has_no_document(load, text):
    assert load(text) == []


def test_byte_order_mark_is_no_part_of_text(load):
    assert values(load(b"\xef\xbb\xbfa: 1")) == [{"a": 1}]


def test_alias_is_value_of_its_anchor(load):
    assert values(load("a: &x {p: 1}\nb: *x\nc: [&y t, *y]\n")) == [{"a": {"p": 1}, "b": {"p": 1}, "c": ["t", "t"]}]


def test_anchor_of_one_document_is_unknown_in_next(load):
    assert refusal(lambda: load("a: &x 1\n---\nb: *x\n")) == [("f.yaml line 3", "alias without an anchor before it")]


def test_aliases_cannot_multiply_what_is_held(load):
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert len(values(load("\n".join(lines)))[0]) == 30


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (f"a: {CANARY}\nb: [", 3, "not valid YAML"),
        (f"a: *{CANARY}", 1, "alias without an anchor before it"),
        (f"a: &{CANARY} [*{CANARY}]", 1, "alias without an anchor before it"),
        (f"a:\n  b: !{CANARY} 1", 2, "unsupported tag, or the value does not match its tag"),
        (f"a: !!int {CANARY}", 1, "unsupported tag, or the value does not match its tag"),
        (f"a: !!float {CANARY}", 1, "unsupported tag, or the value does not match its tag"),
        (f"a: !!bool {CANARY}", 1, "unsupported tag, or the value does not match its tag"),
        (f"a: !!timestamp {CANARY}", 1, "unsupported tag, or the value does not match its tag"),
        (f"a: !!binary {CANARY}x", 1, "unsupported tag, or the value does not match its tag"),
        ("a: !!int 0o8", 1, "unsupported tag, or the value does not match its tag"),
        (f"a: !!map {CANARY}", 1, "unsupported tag, or the value does not match its tag"),
        (f"a: !!set {{{CANARY}}}", 1, "unsupported tag"),
        (f"a: !!python/tuple [{CANARY}]", 1, "unsupported tag"),
        (f"a: 1\n{CANARY}: 2\n{CANARY}: 3", 3, "duplicate key in this mapping"),
        (f"a: 1\n? [{CANARY}]\n: 1", 2, "key is not a string"),
        ("1: 2", 1, "key is not a string"),
        ("null: 2", 1, "key is not a string"),
        (f"a: &a {{{CANARY}: 1}}\nb:\n  <<: *a", 3, "merge keys (<<) are not supported"),
        (f"a: {CANARY}\nb: é\nc: \x07{CANARY}", 3, "not valid YAML"),
        (f"%YAML 9.9\n---\n{CANARY}", 1, "not valid YAML"),
        (f'a: "{CANARY}\\ud800"', 1, "not valid YAML"),
        ("[" * 500, 1, "nested too deep"),
        ("- " * (DEPTH + 1), 1, "nested too deep"),
        ("{a: " * (DEPTH + 1), 1, "nested too deep"),
    ],
)
def test_what_is_wrong_is_reported_by_its_line_alone(load, text, line, what):
    assert refusal(lambda: load(text)) == [(f"f.yaml line {line}", what)]


@pytest.mark.parametrize("text", ["[" * 1_000_000, "{a: " * 1_000_000, "- " * 1_000_000])
def test_any_nesting_is_refused(load, text):
    # From libyaml 0.2.6 on the parser itself may be the one that refuses, and says so before we see the levels.
    (problem,) = refusal(lambda: load(text))
    assert problem in {("f.yaml line 1", "nested too deep"), ("f.yaml line 1", "not valid YAML")}


def test_nesting_up_to_bound_is_read(load):
    assert load("[" * DEPTH + "]" * DEPTH)


# Texts that would take long


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["-\n" * 1_000_000, "- {}\n" * 1_000_000, f"[{'1,' * 1_000_000}]", "---\n" * 1_000_000]
)
def test_more_nodes_than_bound_are_refused_by_their_number(load, text):
    ((where, what),) = refusal(lambda: load(text))
    assert (where.startswith("f.yaml line "), what) == (True, "more than 200,000 YAML nodes")


@pytest.mark.parametrize(("text", "count"), [("- a\n- {b: 1}\n", 11), ("", 2), ("---\n--- a\n", 8), ("[&a a, *a]", 8)])
def test_nodes_up_to_bound_are_read(text, count):
    findings = Findings("f.yaml")
    parse_yaml_documents(text, findings, events=count)
    assert not findings
    parse_yaml_documents(text, findings, events=count - 1)
    with pytest.raises(ConfigError, match=f"more than {count - 1} YAML nodes"):
        findings.fail()


def test_tag_directives_are_bounded_because_each_is_compared_with_all(load):
    lines = [f"%TAG !{number}! a\n" for number in range(DIRECTIVES + 1)]
    assert refusal(lambda: load("".join(lines) + f"--- {CANARY}")) == [("f.yaml", "has more than 100 %TAG directives")]
    assert values(load("".join(lines[1:]) + "--- a")) == ["a"]


@pytest.mark.parametrize("text", ["'1{}'", "!!str 1{}", "|\n  1{}", "1{}x", "1{}"])
def test_text_of_any_length_may_look_like_number(load, text):
    content = ":1" * 1_000_000
    (value,) = values(load(f"a: {text.format(content)}"))
    assert value["a"].strip("x\n") == f"1{content}"


def test_mistakes_that_leave_file_readable_are_reported_all_at_once(load):
    assert refusal(lambda: load("a: 1\na: 2\n1: 3\n---\nb: *x\n")) == [
        ("f.yaml line 2", "duplicate key in this mapping"),
        ("f.yaml line 3", "key is not a string"),
        ("f.yaml line 5", "alias without an anchor before it"),
    ]


@pytest.mark.parametrize("text", ["'1': x", "!!str 1: x", "'<<': x", "=: x"])
def test_keys_that_only_look_like_something_else_are_texts(load, text):
    ((key,),) = values(load(text))
    assert isinstance(key, str)


@pytest.mark.parametrize("text", ["=", "<<", "'1'", "!!str 1", "! x", "|\n 1", ">-\n yes"])
def test_values_that_only_look_like_something_else_are_texts(load, text):
    assert isinstance(values(load(f"a: {text}"))[0]["a"], str)


# Texts that PyYAML takes for dates, numbers, booleans or worse; kustomize writes some of them without quotes.
TEXTS = (
    *("0000-00-00", "2024-01-01", "2024-02-30", "1234-56-78", "2026-13-45T10:00:00Z", "2024-01-01 25:00:00"),
    *("12:30:45", "1:30", "190:20:30.15", "1_000", "0b_", "0b1", "0x_", "0o8", "08:00", "+.5_0", "-0o7", "1e", "."),
    *("yes", "No", "on", "OFF", "y", "=", "<<", "tRue", "nULL", "9" * 9000, "1e999", "0x", "-0x1f"),
)


@pytest.mark.parametrize("foreign", [False, True])
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
def test_plain_text_is_text(load, text, foreign):
    assert values(load(f"a: {text}\nb: [{text}]\n", foreign=foreign)) == [{"a": text, "b": [text]}]


@pytest.mark.parametrize("text", [text for text in TEXTS if text != "<<"], ids=lambda text: text[:20])
def test_plain_key_is_text(load, text):
    assert values(load(f"? {text}\n: 1\n")) == [{text: 1}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("~", None), ("", None), ("Null", None), ("true", True), ("FALSE", False)),
        *(("0", 0), ("-12", -12), ("+7", 7), ("010", 10), ("08", 8), ("0o17", 15), ("0x1F", 31)),
        *((".5", 0.5), ("1.", 1.0), ("-1.5e3", -1500.0), ("1e3", 1000.0), (".inf", float("inf"))),
        *(("-.Inf", float("-inf")), ("!!float 1", 1.0), ("!!int 0x1f", 31), ("!!bool true", True)),
    ],
)
def test_null_booleans_and_numbers(load, text, value):
    for foreign in (False, True):
        (found,) = values(load(f"a: {text}\n", foreign=foreign))
        assert found == {"a": value}
        assert type(found["a"]) is type(value)


def test_foreign_file_is_read_as_kustomize_reads_it(load):
    text = """
x: &x {p: 1, q: 2}
y: {<<: *x, q: 3}
z: {q: 3, <<: [{q: 4, r: 5}, *x]}
1: a
on: b
null: c
? &k 2.0
: d
e: *k
f: !reference [a, b]
g: !Ref {a: b}
h: !vault text
i: !!binary aGk=
j: !!set {a}
k: !!timestamp 2024-02-30
l: !!binary /w==
"""
    assert values(load(text, foreign=True)) == [
        {
            "x": {"p": 1, "q": 2},
            "y": {"p": 1, "q": 3},
            "z": {"q": 3, "r": 5, "p": 1},
            "1": "a",
            "on": "b",
            "null": "c",
            "2.0": "d",
            "e": 2.0,
            "f": ["a", "b"],
            "g": {"a": "b"},
            "h": "text",
            "i": "hi",
            "j": {"a": None},
            "k": "2024-02-30",
            "l": b"\xff",
        }
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (f"a:\n  <<: {CANARY}\n", 3, "merge key (<<) with a value that is not a mapping"),
        (f"a: 1\na: {CANARY}\n", 2, "duplicate key in this mapping"),
        (f"? [{CANARY}]\n: 1\n", 1, "key is not a string"),
        (f"a: !!int {CANARY}\n", 1, "unsupported tag, or the value does not match its tag"),
        (f"a: !!binary {CANARY}x\n", 1, "unsupported tag, or the value does not match its tag"),
    ],
)
def test_what_kustomize_refuses_is_wrong_in_foreign_file_too(load, text, line, what):
    assert refusal(lambda: load(text, foreign=True)) == [(f"f.yaml line {line}", what)]


def test_merge_keys_cannot_multiply_what_is_held(load):
    keys = ", ".join(f"k{number}: 1" for number in range(1000))
    text = f"a: &a {{{keys}}}\n" + "".join(f"b{number}: {{<<: *a}}\n" for number in range(200))
    assert refusal(lambda: load(text, foreign=True)) == [("f.yaml line 102", "merge keys (<<) copy too many keys")]


def test_text_that_is_not_utf8_is_reported_by_its_line(load):
    assert refusal(lambda: load(f"a: 1\nb: {CANARY}".encode() + b"\xff")) == [("f.yaml line 2", "not valid UTF-8")]


def test_file_that_is_missing(tmp_path):
    assert refusal(lambda: load_yaml_documents(tmp_path / "x", "x")) == [("x", "no such file")]


def test_folder_and_pipe_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(lambda: load_yaml_documents(tmp_path, "x")) == [("x", "cannot be read: is a directory")]
    assert refusal(lambda: load_yaml_documents(tmp_path / "pipe", "x")) == [("x", "not a regular file")]


def test_file_below_something_that_is_no_folder(tmp_path):
    (tmp_path / "f").touch()
    assert refusal(lambda: load_yaml_documents(tmp_path / "f" / "x", "x")) == [("x", "cannot be read: not a directory")]


def test_file_over_limit_is_not_read(tmp_path):
    with (tmp_path / "big").open("wb") as file:
        file.truncate(LIMIT + 1)
    assert refusal(lambda: load_yaml_documents(tmp_path / "big", "x")) == [("x", "larger than 16 MiB")]
