"""The messages that `bridge help troubleshooting` explains are those that the program prints."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import ROOT, page

MESSAGES = [row[0].strip("`") for row in page("troubleshooting").rows]


def strings(path: Path) -> Iterator[str]:
    """Yield the texts of a module, without those of placeholders."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@functools.cache
def texts() -> list[str]:
    """Return the texts of the program; not when the tests are collected, which each of their processes does."""
    return [text for name in ("bridge", "providers") for path in (ROOT / name).rglob("*.py") for text in strings(path)]


@pytest.mark.parametrize("message", MESSAGES)
def test_message_that_page_explains_is_one_of_programs(message: str) -> None:
    parts = [part.strip(" ,;:'\"") for part in message.split("…")]
    assert max(map(len, parts)) > 8
    for part in parts:
        assert any(part in text for text in texts()), part


def test_page_explains_message_once() -> None:
    assert len(MESSAGES) > 20
    assert len(set(MESSAGES)) == len(MESSAGES)
