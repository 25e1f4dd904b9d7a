import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.dotenv import MOST_BLANKS, MOST_LINES, load_env_file
from bridge.errors import ConfigError
from tests.canary import CANARY, refusal

LINES = st.lists(
    st.sampled_from(
        [
            "A=1",
            "B = x y ",
            "export C=3",
            "D='it is'",
            'E="a\\nb"',
            'F="two',
            'lines"',
            "G='x",
            "y'",
            "H=a#b",
            "I=a # c",
            "J=",
            "K",
            "# c",
            "",
            "  ",
            "L=${A}",
            "M='${A:-x}'",
            'N="$A"',
            "O=a=b",
            "'P'=q",
            "Q: 1",
            "=",
            "R-S=1",
            "A=2",
        ]
    ),
    max_size=8,
)


@pytest.fixture
def load(tmp_path):
    def load(content):
        path = tmp_path / "f"
        path.write_bytes(content.encode())
        return {name: value.reveal().decode() for name, value in load_env_file(path, ".env.k8s.staging").values.items()}

    return load


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=x", "x"),
        ("export A=x", "x"),
        ("  A = x  ", "x"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A=''", ""),
        ("A=a b", "a b"),
        ("A=a # comment", "a"),
        ("A=a#b", "a#b"),
        ("A='a # b'", "a # b"),
        ('A="a\\tb\\"c\\n"', 'a\tb"c\n'),
        (r"A='a\nb\'c'", r"a\nb'c"),
        (r"A=a\nb", r"a\nb"),
        ("A='two\nlines'", "two\nlines"),
        ('A="two\r\nlines"\r\n', "two\nlines"),
        ("A=x\r\n", "x"),
        ("A=a=b==", "a=b=="),
        ('A={"a": "b"}', '{"a": "b"}'),
        ("A=pa$$w0rd$1", "pa$$w0rd$1"),
        ("A=${B:-x}", "${B:-x}"),
        ("A='${B}'", "${B}"),
        ('A="$B"', "$B"),
        ("A=é", "é"),
        ("\ufeffA=x", "x"),
    ],
)
def test_value_is_read_as_python_dotenv_does_and_never_expanded(load, line, value):
    assert load(line) == {"A": value}


@given(LINES, st.sampled_from(["\n", "\r\n"]))
def test_file_is_refused_or_read_as_python_dotenv_reads_it(tmp_path_factory, lines, end):
    path = tmp_path_factory.mktemp("env") / "f"
    path.write_bytes(end.join(lines).encode())
    expected = dotenv_values(path, interpolate=False)
    try:
        values = load_env_file(path, "f").values
    except ConfigError:
        return
    assert {name: value.reveal().decode() for name, value in values.items()} == expected


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n  # comments\n"])
def test_file_without_variables_is_empty(load, text):
    assert load(text) == {}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (f'A=1\nB="{CANARY}\nC=2', 2, "cannot be parsed"),
        (f"A=1\n\n# c\n\nB='{CANARY}' {CANARY}\n", 5, "cannot be parsed"),
        (f"A='a\nb'\n{CANARY.replace('-', '_')}\n", 3, "has no value"),
        ("A=1\nexport B\n", 2, "has no value"),
        (f"A=-----BEGIN-----\n{CANARY}+/x\n", 2, "does not start with a variable name"),
        (f"A=1\n{CANARY}==\n", 2, "does not start with a variable name"),
        (f"A=1\nB: {CANARY}\n", 2, "cannot be parsed"),
        (f"A=1\n\n1B={CANARY}\n", 3, "does not start with a variable name"),
        (f"A=1\nB=2\r\n\r\nA={CANARY}\r\n", 4, "sets a variable to a different value than line 1"),
    ],
)
def test_line_that_is_wrong_is_reported_by_its_number_alone(load, text, line, what):
    assert refusal(lambda: load(text)) == [(f".env.k8s.staging line {line}", what)]


def test_all_wrong_lines_are_reported_at_once(load):
    assert refusal(lambda: load(f"A={CANARY}\nB\nC D\nA=2\nA={CANARY}\nA=3\n")) == [
        (".env.k8s.staging line 2", "has no value"),
        (".env.k8s.staging line 3", "cannot be parsed"),
        (".env.k8s.staging line 4", "sets a variable to a different value than line 1"),
        (".env.k8s.staging line 6", "sets a variable to a different value than line 1"),
    ]


def test_variable_set_again_to_same_value_is_no_mistake(load):
    assert load("A=1\nB=2\nexport A='1'\n") == {"A": "1", "B": "2"}


def test_text_that_is_not_utf8_is_reported_by_its_line(tmp_path):
    (tmp_path / "f").write_bytes(f"A=1\nB={CANARY}".encode() + b"\xe9\n")
    assert refusal(lambda: load_env_file(tmp_path / "f", "f")) == [("f line 2", "not valid UTF-8")]


def test_file_that_is_missing_is_left_to_caller(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_env_file(tmp_path / "f", "f")


def test_values_cannot_be_printed(tmp_path):
    (tmp_path / "f").write_text(f"A={CANARY}")
    assert CANARY not in repr(load_env_file(tmp_path / "f", "f"))


def test_logged_or_printed_word_is_not_made_of_wrong_line(load, caplog, capsys):
    refusal(lambda: load(f"B='{CANARY}\n"))
    assert caplog.text + "".join(capsys.readouterr()) == ""


@pytest.mark.parametrize("line", ["A=1\n", "A\n", "# c\n", "?\r", "\n"])
def test_file_of_million_lines_is_refused_before_it_is_parsed(load, line, monkeypatch):
    monkeypatch.setattr("bridge.config.dotenv._parser", lambda: pytest.fail("it is parsed"))
    what = "larger than 1 MiB" if len(line) > 1 else f"more than {MOST_LINES:,} lines"
    assert refusal(lambda: load(line * 1_000_000)) == [(".env.k8s.staging", what)]


def test_blanks_that_would_take_square_of_their_number_are_refused(load):
    text = f"A=1\nB={CANARY}{' ' * 500_000}x\n"
    assert refusal(lambda: load(text)) == [(".env.k8s.staging line 2", "more than 256 blanks in a row")]


def test_file_at_bounds_is_read(load):
    blanks = " " * MOST_BLANKS
    assert load(f"A=1{blanks}2\n" + "\n" * (MOST_LINES - 1)) == {"A": f"1{blanks}2"}
