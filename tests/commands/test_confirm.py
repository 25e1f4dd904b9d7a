import io

import pytest

from bridge.commands.prompts import confirm
from bridge.errors import Refusal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_who_said_yes_before_is_not_asked(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(""))
    confirm("Write 3 keys?", yes=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("answer", ["y\n", "YES\n", " yes \n"])
def test_question_is_asked_on_stderr(
    answer: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    confirm("Write 3 keys?", yes=False)
    assert capfd.readouterr() == ("", "Write 3 keys? [y/N] ")


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "yesterday\n"])
def test_anything_else_is_refusal(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    with pytest.raises(Refusal, match="not confirmed; nothing was done"):
        confirm("Write 3 keys?", yes=False)


def test_without_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(Refusal, match="stdin is not a terminal, so bridge cannot ask"):
        confirm("Write 3 keys?", yes=False)
    assert capfd.readouterr() == ("", "")
