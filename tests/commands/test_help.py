"""`bridge help`: the pages that ship with the program, and how they are shown."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge import cli
from bridge.commands.help import TOPICS, as_text
from tests.pages import HELP, Page

LISTED = re.compile(r"^  ([a-z-]+)  +(.+)$", re.MULTILINE)


def shown(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["help", *arguments]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return out


def test_help_lists_every_page_with_its_summary(capfd: pytest.CaptureFixture[str]) -> None:
    listed = dict(LISTED.findall(shown(capfd)))
    assert tuple(listed) == TOPICS
    assert set(TOPICS) == {path.stem for path in HELP.iterdir()}
    for topic, summary in listed.items():
        title, blank, first, gap, *_ = (HELP / f"{topic}.md").read_text().splitlines()
        assert title.startswith("# ")
        assert (blank, first, gap) == ("", summary, "")
        assert summary.endswith(".")


def test_list_fits_terminal_of_100_columns(capfd: pytest.CaptureFixture[str]) -> None:
    assert max(map(len, shown(capfd).splitlines())) <= 100


@pytest.mark.parametrize("topic", TOPICS)
def test_help_shows_page_without_marks_and_relative_links(capfd: pytest.CaptureFixture[str], topic: str) -> None:
    text = shown(capfd, topic)
    assert text.startswith((HELP / f"{topic}.md").read_text().partition("\n")[0])
    assert "<!--" not in text
    assert not re.search(r"\]\(|\.md\b(?!`)", re.sub(r"(?ms)^```.*?^```$", "", text))


def test_help_names_command_for_link_to_page() -> None:
    page = (
        "See [the trust\nfile](threat-model.md#the-trust-file), [`bridge help vault`](vault.md) and [below](#below).\n"
    )
    assert as_text(page) == "See the trust\nfile (`bridge help threat-model`), `bridge help vault` and below.\n"
    assert as_text("From [age](https://age-encryption.org), [here](../../config/deploy).\n") == (
        "From age (https://age-encryption.org), here.\n"
    )


def test_help_leaves_blocks_of_code_unchanged() -> None:
    block = "<!-- sample -->\n```sh\n[a](b.md)\n```\n<!-- /sample -->\n"
    assert as_text(block) == "```sh\n[a](b.md)\n```\n"


def outside_code(text: str) -> list[str]:
    return re.sub(r"(?ms)^```.*?^```$", "", text).splitlines()


@pytest.mark.parametrize("topic", TOPICS)
def test_help_wraps_text_and_tables_and_loses_nothing(topic: str) -> None:
    page = (HELP / f"{topic}.md").read_text()
    wide, narrow = as_text(page), as_text(page, 60)
    cells = " ".join(cell.replace("\\|", "|") for row in Page(topic, wide).rows for cell in row)
    text = " ".join(line for line in outside_code(wide) if not line.startswith("|"))
    assert set(cells.split()) | set(text.split()) <= set(narrow.split())
    assert [line for line in outside_code(narrow) if len(line) > 60 and " " in line.strip("- ")[:60]] == []
    for kept in (r"(?ms)^```.*?^```$", r"(?m)^#.*$"):
        assert re.findall(kept, narrow) == re.findall(kept, wide)
    assert not any(line.startswith("|") for line in outside_code(narrow))


def test_wrapped_list_keeps_its_items_and_its_indentation() -> None:
    text = "- first item of\n  a list\n- second\n\n1. one two three\n"
    assert as_text(text, 12) == "- first item\n  of a list\n- second\n\n1. one two\n   three\n"


def test_help_of_command_is_its_usage(capfd: pytest.CaptureFixture[str]) -> None:
    text = shown(capfd, "restart")
    assert cli.main(["restart", "--help"]) == 0
    assert capfd.readouterr().out == text


@pytest.mark.parametrize(
    ("topic", "message", "hint"),
    [
        ("vualt", "no topic vualt", "did you mean vault?"),
        ("synk", "no topic synk", "did you mean sync?"),
        ("../../cli", "no topic '../../cli'", "list the topics with `bridge help`"),
        ("", "no topic ''", "list the topics with `bridge help`"),
    ],
)
def test_unknown_topic_suggests(capfd: pytest.CaptureFixture[str], topic: str, message: str, hint: str) -> None:
    assert cli.main(["help", topic]) == 2
    assert capfd.readouterr() == ("", f"bridge: error: help: {message}\nbridge: hint: {hint}\n")


class Terminal:
    """Runs `bridge help exit-codes` on a terminal of its own, and reads what appears on it."""

    def __init__(self, pager: str | None) -> None:
        environ = {"PATH": os.environ["PATH"], "COLUMNS": "50"} | ({} if pager is None else {"PAGER": pager})
        self.controller, terminal = pty.openpty()
        self.program = subprocess.Popen(
            [sys.executable, "-m", "bridge", "help", "exit-codes"],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environ,
            start_new_session=True,
        )
        os.close(terminal)

    def read(self, until: bytes = b"") -> str:
        """Read to the end, or until this text has appeared."""
        seen = b""
        while not (until and until in seen):
            try:
                seen += (part := os.read(self.controller, 4096))
            except OSError:  # Linux: nobody has the terminal open any longer
                break
            if not part:
                break
        return seen.decode().replace("\r\n", "\n")

    def status(self) -> int:
        os.close(self.controller)
        return self.program.wait(60)


PAGE = "# Exit codes"


def test_pager_shows_page_on_terminal(tmp_path: Path) -> None:
    pager = tmp_path / "my pager"
    pager.write_text('#!/bin/sh\necho "pager $1"\nexec cat\n')
    pager.chmod(0o755)
    terminal = Terminal(f"'{pager}' -R")
    assert terminal.read().startswith(f"pager -R\n{PAGE}\n")
    assert terminal.status() == 0


@pytest.mark.parametrize("pager", [None, "", " ", "no-such-program-at-all", "'unclosed"])
def test_page_is_shown_on_terminal_without_pager(pager: str | None) -> None:
    terminal = Terminal(pager)
    shown = terminal.read()
    assert shown.startswith(f"{PAGE}\n")
    assert max(map(len, outside_code(shown))) <= 50
    assert terminal.status() == 0


def test_pager_that_ends_early_is_no_error() -> None:
    terminal = Terminal("true")
    assert terminal.read() == ""
    assert terminal.status() == 0


def test_interrupt_is_left_to_pager(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\ntrap 'echo stayed; exit 0' INT\ncat >/dev/null\necho ready\nread line <&2\n")
    pager.chmod(0o755)
    terminal = Terminal(str(pager))
    assert "ready" in terminal.read(b"ready")
    os.killpg(terminal.program.pid, signal.SIGINT)
    assert "stayed" in terminal.read()
    assert terminal.status() == 0


def test_pager_is_not_used_if_stdout_is_not_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", "echo a pager")
    assert shown(capfd, "exit-codes").startswith(f"{PAGE}\n")
