import pytest

from bridge.errors import Problem
from bridge.report.record import Record
from bridge.report.talk import printable, say


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Secret/é key A", "Secret/é key A"),
        ("a\x1b[31m\nb", "a\\x1b[31m\\nb"),
        ("\x9b\u202e\ud800\x7f", "\\x9b\\u202e\\ud800\\x7f"),
    ],
)
def test_what_could_steer_terminal_is_escaped(text, shown):
    assert printable(text) == shown


ALSO = ["Secret/a key A", "Secret/b key A", "Secret/a key B", "env: Secret/a key A", "Secret/a"]


def test_one_cause_takes_one_line_for_each_object(capsys):
    say(Record(), "error", [Problem(where, "belongs to argocd", "do it") for where in ALSO])
    assert capsys.readouterr().err.splitlines() == [
        "bridge: error: Secret/a key A (also B): belongs to argocd",
        "bridge: error: Secret/b key A: belongs to argocd",
        "bridge: error: env: Secret/a key A: belongs to argocd",
        "bridge: error: Secret/a: belongs to argocd",
        "bridge: hint: do it",
    ]


def test_json_has_every_problem(capsys):
    record = Record()
    record.as_json = True
    say(record, "error", [Problem(where, "belongs to argocd") for where in ALSO])
    assert len(capsys.readouterr().err.splitlines()) == len(ALSO)


def test_kind_of_message_is_coloured_on_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    say(Record(), "error", [Problem("a", "b", "c")])
    assert capsys.readouterr().err == "bridge: \033[1;31merror:\033[0m a: b\nbridge: \033[1mhint:\033[0m c\n"
