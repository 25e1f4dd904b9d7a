import pytest

from bridge.report.talk import printable


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
