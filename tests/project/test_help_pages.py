"""README.md and the help pages are held against the program, and against each other."""

import re
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bridge.config import environment_fields
from bridge.config.trust_file import KEYS, load_trust_file
from bridge.parser import build_parser, command_names, usage
from tests.pages import HELP, README, ROOT, Page, help_pages, page

PAGES = {"README.md": README} | {f"bridge/help/{one.name}.md": one for one in help_pages()}
TEXT = "\n".join(one.text for one in PAGES.values())
OTHER_PROGRAMS = {
    "--all-namespaces",
    "--ignore-not-found",
    "--type",
    "--server-side",
    "--no-deps",
    "--age",
    "--cascade",
    "--editable",
    "--password-stdin",
    "--raw",
    "--from-file",
    "--for",
    "--value-stdin",
    "--write",
    "--filename-override",
    "--input-type",
    "--output-type",
    "--cluster-name",
    "--name",
    "--namespace",
    "--region",
    "--role-arn",
    "--secret-string",
    "--service-account",
    "--silent",
    "--plain",
    "--password",
    "--out",
    "--no-newline",
    "--no-file",
    "--format",
    "--env",
}


def commands() -> dict[str, str]:
    return {name: usage(name) or "" for name in command_names()}


def commands_of_parser() -> dict[str, ArgumentParser]:
    return next(action for action in build_parser()._actions if action.dest == "command").choices


def test_help_text_is_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert page("everyday").block("help") == build_parser().format_help()


def test_example_is_demonstrations_own_file() -> None:
    assert page("environment-file").block("example") == (ROOT / "config" / "staging.yaml").read_text()


@pytest.mark.parametrize("flag", sorted(set(re.findall(r"`?(--[a-z][a-z0-9-]+)", TEXT))))
def test_every_flag_that_page_names_exists(flag: str) -> None:
    known = {
        word for text in [build_parser().format_help(), *commands().values()] for word in re.findall(r"--[\w-]+", text)
    }
    assert flag in known | OTHER_PROGRAMS


def shown_commands() -> Iterator[tuple[str, str, list[str]]]:
    """Yield the command and the flags that follow it, for each line with flags of bridge that a page shows."""
    for name, one in PAGES.items():
        code = "\n".join([*one.blocks(), *re.findall(r"`([^`\n]+)`", one.text)]).replace("\\\n", " ")
        for command, rest in re.findall(r"(?m)(?:^|[\s|(])bridge (?!help )([a-z]+)( [^|;&\n]*)", code):
            own = re.split(r" -- | # ", rest)[0]  # without what `exec` starts, and without a comment
            flags = re.findall(r"[\s\[](--[a-z][a-z0-9-]*)", own)
            if flags:
                yield name, command, flags


def test_each_flag_that_page_shows_is_one_of_its_command() -> None:
    commands = commands_of_parser()
    shown = list(shown_commands())
    assert len(shown) > 50
    known = {name: set(sub._option_string_actions) for name, sub in commands.items()}
    wrong = [(name, command, flags) for name, command, flags in shown if not set(flags) <= known.get(command, set())]
    assert wrong == []


def test_every_command_and_flag_of_program_has_help_text() -> None:
    for name, sub in commands_of_parser().items():
        for action in sub._actions:
            assert action.help, f"{name} {action.option_strings}"
        assert f"bridge {name}" in TEXT


def test_trust_file_is_one(tmp_path: Path) -> None:
    block = page("threat-model").block("trust")
    file = tmp_path / "trust.yaml"
    file.write_text(block)
    found = load_trust_file(file, "/home/me")
    assert all(found)
    assert set(yaml.safe_load(block)) == set(KEYS)


def test_every_key_of_environments_file_is_explained_and_no_other() -> None:
    told = {name for name in page("environment-file").names if "$" not in name}  # without the forms of placeholders
    assert told == set(environment_fields.KEYS)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make ([a-z ]+)`", TEXT))))
def test_every_make_target_exists(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for name in target.split():
        assert re.search(rf"^{name}:", makefile, re.MULTILINE)


@pytest.mark.parametrize("topic", sorted(set(re.findall(r"`bridge help ([\w-]+)`", TEXT))))
def test_every_topic_that_page_names_exists(topic: str) -> None:
    assert (HELP / f"{topic}.md").is_file()


def links() -> Iterator[tuple[str, str]]:
    for name, one in PAGES.items():
        for target in re.findall(r"\]\(([^()\s]+)\)", re.sub(r"(?ms)^```.*?^```$", "", one.text)):
            if not target.startswith("https://"):
                yield name, target


def anchors(one: Page) -> set[str]:
    """Return the anchors that a repository's page gives to headings."""
    code = re.sub(r"(?ms)^```.*?^```$", "", one.text)
    headings = re.findall(r"^#+ (.*)$", code, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("name", "target"), sorted(set(links())))
def test_every_link_leads_to_file_and_heading(name: str, target: str) -> None:
    file, _, anchor = target.partition("#")
    path = ((ROOT / name).parent / file if file else ROOT / name).resolve()
    assert path.exists()
    if anchor:
        assert anchor in anchors(PAGES[str(path.relative_to(ROOT))])


def test_limits_on_page_are_those_of_benchmark() -> None:
    limits = re.findall(r'"(\d\.\d(?:, \d+ MiB)?|\+\d+ ms)"', (ROOT / "tests" / "bench" / "rows.py").read_text())
    assert [row[2] for row in page("performance").section("What is compared").rows] == limits
