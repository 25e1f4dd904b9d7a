"""The README is held against the program."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import yaml

from bridge.config.trust_file import KEYS, load_trust_file
from bridge.parser import build_parser
from tests.pages import README, ROOT


def commands() -> dict[str, str]:
    parser = build_parser()
    choices = next(action for action in parser._actions if action.dest == "command")
    return {name: sub.format_help() for name, sub in choices.choices.items()}


def test_the_help_text_is_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert README.block("help") == build_parser().format_help()


def test_the_example_is_the_demonstrations_own_file() -> None:
    assert README.block("example") == (ROOT / "config" / "staging.yaml").read_text()


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"`?(--[a-z][a-z-]+)", README.text))))
def test_every_flag_that_the_readme_names_exists(flag: str) -> None:
    other_programs = {
        "--server-side",
        "--no-deps",
        "--age",
        "--cascade",
        "--editable",
        "--password-stdin",
        "--from-file",
        "--for",
        "--value-stdin",
        "--filename-override",
        "--input-type",
        "--output-type",
    }
    known = {
        word for text in [build_parser().format_help(), *commands().values()] for word in re.findall(r"--[\w-]+", text)
    }
    assert flag in known | other_programs


def test_every_command_and_flag_of_the_program_has_a_help_text() -> None:
    parser = build_parser()
    choices = next(action for action in parser._actions if action.dest == "command")
    for name, sub in choices.choices.items():
        for action in sub._actions:
            assert action.help, f"{name} {action.option_strings}"
        assert name in README.text


def test_the_trust_file_is_one(tmp_path: Path) -> None:
    file = tmp_path / "trust.yaml"
    file.write_text(README.block("trust"))
    found = load_trust_file(file, "/home/me")
    assert all(found)
    assert set(yaml.safe_load(README.block("trust"))) == set(KEYS)


def test_every_key_of_the_environments_file_is_explained() -> None:
    from bridge.config import environment_fields  # noqa: PLC0415

    assert set(environment_fields.KEYS) <= set(README.names)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z ]+)`", README.text))))
def test_every_make_target_exists(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in target.split():
        assert re.search(rf"^{name}:", makefile, re.MULTILINE)


def test_every_exit_status_is_in_the_help_and_in_the_readme() -> None:
    with redirect_stdout(io.StringIO()):
        text = build_parser().format_help()
    for status in ("0", "1", "2", "3", "4", "5", "75", "130"):
        assert re.search(rf"^  {status} +\w", text, re.MULTILINE)
        assert any(re.match(rf"{status}\b", row[0]) for row in README.rows)
