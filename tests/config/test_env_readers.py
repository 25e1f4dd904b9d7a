"""What kubectl and kustomize read in an env file, against the real ones, and where bridge reads another value."""

import base64
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.config.dotenv import load_env_file
from bridge.config.env_readers import ReaderDifference, literal_values
from bridge.errors import ConfigError

LEADS = ["", "", "", " ", "\t", "\u2028", "\xa0"]
PIECES = [
    "x",
    "y z",
    " ",
    " #",
    "#",
    " # c",
    '"',
    "'",
    "\\n",
    "\\",
    "${A}",
    "$B",
    "=",
    "\t",
    "\r",
    "\x1f",
    "\xa0",
    "é",
    ":",
]
LINES = st.tuples(st.sampled_from(LEADS), st.lists(st.sampled_from(PIECES), max_size=5))
ENDS = st.sampled_from(["\n", "\r\n"])
READERS = Callable[[str], "dict[str, str] | None"]


def text_of(lines: list[tuple[str, list[str]]], end: str) -> str:
    return end.join(f"{lead}V{number}={''.join(pieces)}" for number, (lead, pieces) in enumerate(lines))


@pytest.fixture(scope="module")
def kubectl(kubectl_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> READERS:
    """Read a text as `kubectl create secret --from-env-file` does; None if it refuses to."""
    file = tmp_path_factory.mktemp("kubectl") / "a.env"
    command = [kubectl_binary, "create", "secret", "generic", "x", f"--from-env-file={file}", "--dry-run=client"]

    def read(text: str) -> dict[str, str] | None:
        file.write_bytes(text.encode())
        done = subprocess.run([*command, "-o", "json"], env={}, capture_output=True, check=False)
        return None if done.returncode else decoded(json.loads(done.stdout))

    return read


@pytest.fixture(scope="module")
def kustomize(kustomize_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> READERS:
    """Read a text as a generator's `envs:` does; None if it refuses to."""
    folder = tmp_path_factory.mktemp("kustomize")
    (folder / "kustomization.yaml").write_text("secretGenerator: [{name: x, envs: [a.env]}]\n")

    def read(text: str) -> dict[str, str] | None:
        (folder / "a.env").write_bytes(text.encode())
        done = subprocess.run([kustomize_binary, "build", folder], env={}, capture_output=True, check=False)
        return None if done.returncode else decoded(yaml.safe_load(done.stdout))

    return read


def decoded(secret: dict) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in (secret.get("data") or {}).items()}


def expected(text: str) -> dict[str, str]:
    values = literal_values(text.removeprefix("\ufeff"))
    return {name: value for name, (value,) in values.items()}


@settings(max_examples=25)
@given(st.lists(LINES, min_size=10, max_size=30), ENDS)
def test_each_line_is_read_as_kubectl_and_kustomize_read_it(
    kubectl: READERS, kustomize: READERS, lines: list[tuple[str, list[str]]], end: str
) -> None:
    text = text_of(lines, end)
    assert kubectl(text) == kustomize(text) == expected(text)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffA=x\nB=y\n",
        "A=1\n\n# c\n  # d\nB=2",
        pytest.param(f"A=1\nB={'x' * (64 * 1024 - 3)}\nC=3\n", id="the longest line"),
        pytest.param(f"A=1\nB={'x' * (64 * 1024 - 2)}\nC=3\n", id="a line that is too long"),
        "A=x\rB=y\n",
        "A=x\r\r\n",
        "A=\n",
    ],
)
def test_marks_comments_long_lines_and_line_ends(kubectl: READERS, kustomize: READERS, text: str) -> None:
    assert kubectl(text) == kustomize(text) == expected(text)


@pytest.mark.parametrize("text", ["export A=x\n", "A =x\n", "'A'=x\n", "A=1\nA=1\n", 'A="x\ny"\n', "\x1fA=x\n"])
def test_kubectl_refuses_what_is_no_name(kubectl: READERS, text: str) -> None:
    assert kubectl(text) is None


def loaded(tmp_path: Path, text: str) -> tuple[dict[str, str], dict[str, ReaderDifference]]:
    path = tmp_path / "a.env"
    path.write_bytes(text.encode())
    found = load_env_file(path, "a.env")
    return {name: value.reveal().decode() for name, value in found.values.items()}, dict(found.differences)


@pytest.mark.slow
@settings(max_examples=400)
@given(st.lists(LINES, max_size=8), ENDS)
def test_variable_is_named_exactly_if_another_value_is_read(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, list[str]]], end: str
) -> None:
    text = text_of(lines, end)
    try:
        values, differences = loaded(tmp_path_factory.mktemp("env"), text)
    except ConfigError:
        return
    theirs = expected(text)
    assert differences.keys() == {name for name, value in values.items() if theirs.get(name) != value}
    for name, kind in differences.items():
        cut = theirs.get(name, "")
        if values[name] != cut and not re.match(r"\s*[\"']", cut) and re.search(r"\s#", cut.partition("\r")[0]):
            assert kind is ReaderDifference.COMMENT


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("A=x", None),
        ("A=", None),
        ("A=a#b", None),
        ("A=#b", None),
        ("A=${B}", None),
        ("A=a b\\n'c'", None),
        ("\ufeffA=x\r\n", None),
        ("  A=x", None),
        ("A=x\nA=x", None),
        ("A=correct horse # staple", ReaderDifference.COMMENT),
        ("A= # nothing", ReaderDifference.COMMENT),
        ("A=x # c\nA=x", ReaderDifference.COMMENT),
        ("A=x # 'c'", ReaderDifference.COMMENT),
        ("export A=x # c", ReaderDifference.COMMENT),
        ('A="x"', ReaderDifference.QUOTES),
        ("A=''", ReaderDifference.QUOTES),
        ('A="x" # c', ReaderDifference.QUOTES),
        ('A="a\\nb"', ReaderDifference.QUOTES),
        ('A= "x"', ReaderDifference.QUOTES),
        ("A=x\nA='x'", ReaderDifference.QUOTES),
        ('A="x\ny"', ReaderDifference.LINES),
        ("A='x\nA=y'", ReaderDifference.LINES),
        ("export A=x", ReaderDifference.NAME),
        ("A =x", ReaderDifference.NAME),
        ("'A'=x", ReaderDifference.NAME),
        ("A= x", ReaderDifference.BLANKS),
        ("A=x \r\n", ReaderDifference.BLANKS),
        ("A=\xa0x", ReaderDifference.BLANKS),
        ("A=x\rB=y", ReaderDifference.OTHER),
        ("\x1fA=x", ReaderDifference.OTHER),
        pytest.param(f"B={'x' * 70000}\nA=x", ReaderDifference.OTHER, id="after a line that is too long"),
    ],
)
def test_kind_of_difference(tmp_path: Path, text: str, kind: ReaderDifference | None) -> None:
    assert loaded(tmp_path, text)[1].get("A") is kind
