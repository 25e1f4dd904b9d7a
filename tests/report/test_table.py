"""Tables as they are, and on a terminal that is too narrow for them."""

import io
import os

import pytest

from bridge.commands.prompts import ask
from bridge.report.style import table

ROWS = [
    ("VALUE", "VARIABLE", "PLACE", "STATE"),
    ("Secret/agent-secrets key OPENAI_API_KEY", "OPENAI_API_KEY", "sops:staging.sops.yaml#OPENAI_API_KEY", "new"),
    ("ConfigMap/shared-config key DOMAIN", "-", "staging.public.yaml", "same"),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("columns")
def test_table_is_as_wide_as_it_is_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert [line.split("  ")[0] for line in table(ROWS).splitlines()] == [row[0] for row in ROWS]
    assert max(map(len, table(ROWS).splitlines())) > 80


@pytest.mark.usefixtures("columns")
def test_table_fits_terminal_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    assert table(ROWS).splitlines() == [
        "VALUE                                    VARIABLE        STATE",
        "Secret/agent-secrets key OPENAI_API_KEY  OPENAI_API_KEY  new",
        "    PLACE: sops:staging.sops.yaml#OPENAI_API_KEY",
        "ConfigMap/shared-config key DOMAIN       -               same",
        "    PLACE: staging.public.yaml",
    ]
    monkeypatch.setenv("COLUMNS", "30")
    narrow = table(ROWS)
    assert all(" ".join(cell.split()) in " ".join(narrow.split()) for row in ROWS[1:] for cell in row)
    monkeypatch.setenv("COLUMNS", "200")
    assert len(table(ROWS).splitlines()) == 3


@pytest.mark.usefixtures("columns")
def test_question_is_folded_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    question = f"Bind staging to this namespace: write `cluster.namespace_uid: {'1f78cee0' * 4}` into staging.yaml?"
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert ask(question)
    lines = shown.getvalue().split("\n")
    assert (len(lines), max(map(len, lines)) <= 80) == (2, True)
    assert " ".join(lines) == f"{question} [y/N] "
    assert os.linesep not in lines
