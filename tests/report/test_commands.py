"""The commands that hints and reports name can be pasted, and go to where this run went."""

import ast
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.parser import parse
from bridge.report.own_flags import completed, with_flags
from bridge.report.record import Record

ROOT = Path(__file__).parents[2]
FOLDER = "l'équipe/config dir"
LINE = ["plan", "staging", "--config", FOLDER, "--kubeconfig", "my kube", "--context", 'the "one"']
PLACEHOLDERS = {
    "FILE": "some.file",
    "KIND/NAME": "Deployment/agent",
    "OVERLAY": "overlays/x",
    "NAME": "OPENAI_API_KEY",
    "REF": "vault:a/b",
}


@pytest.fixture
def given(request: pytest.FixtureRequest) -> Record:
    """Return the record of a command line: that of the test's parameter, else LINE."""
    args = parse(getattr(request, "param", LINE))
    record = Record(args.environment or "")
    record.args = args
    return record


def texts() -> Iterator[tuple[str, str]]:
    """Yield every text of the program but docstrings, with a word in place of each value."""
    for file in sorted((ROOT / "bridge").rglob("*.py")):
        tree = ast.parse(file.read_text())
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            place = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                yield place, "".join(one.value if isinstance(one, ast.Constant) else "staging" for one in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (inside | docs):
                yield place, node.value


@functools.cache
def hinted() -> list[tuple[str, str]]:
    """Return the commands of bridge in backticks."""
    found = [(place, one) for place, text in texts() for one in re.findall(r"`([^`]*\bbridge [a-z]+[^`]*)`", text)]
    # These two need arguments, so that without any they are names.
    return [(place, one) for place, one in found if one not in {"bridge init", "bridge import"}]


def words(text: str) -> list[str]:
    return [PLACEHOLDERS.get(one, one) for one in shlex.split(text)]


@pytest.mark.slow
def test_every_command_of_bridge_in_text_is_one_and_keeps_flags_of_this_run(given: Record) -> None:
    assert len(hinted()) > 15
    for place, text in hinted():
        whole = completed(given, f"`{text}`").strip("`")
        (last,) = [part for part in whole.split(" | ") if part.startswith("bridge ")]
        args = parse(words(last)[1:])
        if args.command in {"help", "completion"}:
            continue
        assert (args.config, args.environment) == (FOLDER, "staging"), place
        if args.command not in {"init", "exec", "scan", "diff", "offboard"}:
            assert (str(args.kubeconfig), args.context) == ("my kube", 'the "one"'), place


@pytest.mark.parametrize(
    ("given", "text", "shown"),
    [
        (["sync", "staging"], "run `bridge sync` first", "run `bridge sync staging` first"),
        (["sync", "staging"], "`kubectl apply` and `make`", "`kubectl apply` and `make`"),
        (["sync"], "run `bridge sync` first", "run `bridge sync` first"),
        (
            ["sync", "a", "--in-cluster"],
            "`bridge sync`, `bridge set a B`",
            "`bridge sync a --in-cluster`, `bridge set a B --in-cluster`",
        ),
        (["sync", "a", "--config", "b"], "`bridge sync a --config c`", "`bridge sync a --config c`"),
        (["sync", "a", "--context", "x y"], "`kubectl -n b get pods`", "`kubectl --context 'x y' -n b get pods`"),
        (["sync", "--all", "--config", "b"], "`bridge adopt one`", "`bridge adopt one --config b`"),
        (["check", "a", "--config", "b"], "`make | bridge check ENV`", "`make | bridge check a --config b`"),
        (["exec", "a", "--config", "b", "--", "x"], "`bridge exec a -- env x`", "`bridge exec a --config b -- env x`"),
    ],
    indirect=["given"],
)
def test_commands_are_completed(given: Record, text: str, shown: str) -> None:
    assert completed(given, text) == shown


def test_without_command_line_command_stays_as_it_is() -> None:
    assert with_flags(Record(), "bridge sync staging") == "bridge sync staging"


def test_hints_are_completed_as_text_and_as_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "l'équipe"
    folder.mkdir()
    arguments = ["status", "staging", "--config", str(folder), "--context", "a b"]
    command = shlex.join(["bridge", "init", "staging", "--from", ".", "--config", str(folder)])
    for log in ("text", "json"):
        assert main([*arguments, "--log-format", log, "--output", "json"]) == 2
        out, err = capfd.readouterr()
        assert f"`{command}`" in err.encode().decode("unicode_escape" if log == "json" else "utf-8")
        assert f"`{command}`" in out.encode().decode("unicode_escape")
