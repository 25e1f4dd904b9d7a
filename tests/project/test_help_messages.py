"""`bridge help troubleshooting` and the program's messages: each message has a hint of its own or is on the page."""

import re

import pytest

from tests.messages import messages, strings
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
MESSAGES = sorted(message for message in messages() if WORDS.search(message.text) and message.text not in FRAMES)


def is_of(pattern: str, message: str) -> bool:
    """Whether the words of a pattern are in a message, in their order."""
    parts = [part.strip() for part in pattern.split("…")]
    return re.search(".*".join(map(re.escape, filter(None, parts))), message) is not None


def test_every_message_without_hint_is_explained() -> None:
    bare = [message for message in MESSAGES if not message.has_hint]
    assert len(bare) > 300
    assert [message for message in bare if not any(is_of(pattern, message.text) for pattern in TOLD)] == []


@pytest.mark.parametrize("pattern", TOLD)
def test_message_that_page_explains_is_one_of_programs(pattern: str) -> None:
    """Some words are in a table of the code, from which a message is built: then one of its texts must have them."""
    assert any(is_of(pattern, message.text) for message in MESSAGES) or any(is_of(pattern, text) for text in strings())


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
    assert {message.has_hint for message in MESSAGES if message.text == text} == {has_hint}
