"""`bridge help troubleshooting` and the program's messages: each message has a hint of its own or is on the page."""

import re
from functools import cache

import pytest

from tests.messages import Message, messages, strings
from tests.pages import page

WORDS = re.compile(r"[^\W\d_]{3}")
ROWS = page("troubleshooting").rows
TOLD = [pattern for row in ROWS for _, pattern in re.findall(r"(?<!`)(`{1,2})(?!`)(.+?)\1(?!`)", row[0])]
FRAMES = {
    "… (for …)",
    "… is not …",
    "key … ",
    "key … …",
    "key … contains …",
    "line … …",
    "line …: ",
    "line …: …",
    "line ……: ",
    "line ……: …",
}
"""Messages whose words are those of another message of the program, which is in the list itself."""


@cache
def said() -> list[Message]:
    """Return the program's messages; read late, as it takes seconds, and each process of a run imports this module."""
    return sorted(message for message in messages() if WORDS.search(message.text) and message.text not in FRAMES)


@cache
def words(pattern: str) -> re.Pattern[str]:
    """Return what finds the words of a pattern in a message, in their order."""
    parts = [part.strip() for part in pattern.split("…")]
    return re.compile(".*".join(map(re.escape, filter(None, parts))))


def test_every_message_without_hint_is_explained() -> None:
    bare = [message for message in said() if not message.has_hint]
    assert len(bare) > 300
    assert [message for message in bare if not any(words(pattern).search(message.text) for pattern in TOLD)] == []


def test_messages_that_page_explains_are_programs() -> None:
    """Some words are in a table of the code, from which a message is built: then one of its texts must have them."""
    texts = [*(message.text for message in said()), *strings()]
    assert [pattern for pattern in TOLD if not any(map(words(pattern).search, texts))] == []


def test_message_on_page_is_long_enough_to_be_found() -> None:
    assert [pattern for pattern in TOLD if max(map(len, pattern.split("…"))) < len("must be")] == []


def test_page_explains_message_once() -> None:
    assert len(set(TOLD)) == len(TOLD)


def test_every_row_says_cause_and_what_to_do() -> None:
    assert [row for row in ROWS if len(row) != len(("message", "cause", "cure")) or not all(row)] == []


@pytest.mark.parametrize(
    ("text", "has_hint"),
    [
        ("no environment given", True),  # a constant
        ("belongs to …", True),  # a variable
        ("is a … without a name", False),  # what a function returns
        ("has no name", False),  # through the parameter of a method
        ("its database (etcd) has no leader", False),  # in a table
        ('the API server forbids "…"…', False),  # one of the values that a function returns; some have no hint
    ],
)
def test_messages_are_found_however_they_reach_problem(text: str, has_hint: bool) -> None:
    assert {message.has_hint for message in said() if message.text == text} == {has_hint}
