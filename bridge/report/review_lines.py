"""The words for what `bridge diff` found, which text and Markdown share."""

from collections.abc import Iterator
from typing import Any, Final

from bridge.review.outline_change import UNREAD
from bridge.review.variable_change import NEW

LONGEST: Final = 120
"""How many characters of a text the forms for people show."""
MARKS: Final = {"added": "+", "changed": "~", "removed": "-", "unchanged": " "}
_PARTS: Final = ("values", "recipients", "settings")
HIDDEN: Final = "not shown"
COUNTED: Final = (("settings", "setting"), ("objects", "object"), ("variables", "variable"), ("documents", "document"))


def range_text(data: dict[str, Any]) -> str:
    """Describe what is compared."""
    before, after = data["before"], data["after"]
    there = "the working tree" if after["commit"] is None else _commit(after)
    return f"{_commit(before)} compared with {there}"


def _commit(side: dict[str, Any]) -> str:
    short = side["commit"][:10]
    return short if side["commit"].startswith(side["name"]) else f"{short} ({side['name']})"


def summary(data: dict[str, Any]) -> str:
    """Count what differs."""
    counts = [(data["summary"][name], word) for name, word in COUNTED]
    parts = [f"{count} {word}{'s' * (count != 1)}" for count, word in counts if count]
    if parts:
        return f"{', '.join(parts)} changed"
    return "nothing can be compared" if data["result"] == "incomplete" else "nothing changes"


def sides(entry: dict[str, Any]) -> str:
    """Describe the texts on both sides."""
    if not entry["shown"]:
        return HIDDEN
    texts = [repr(cut(entry[side])) for side in ("before", "after") if entry[side] is not None]
    return " -> ".join(texts)


def cut(text: str) -> str:
    """Shorten a text for people."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def key_reasons(key: dict[str, Any], kind: str) -> Iterator[str]:
    """Yield why the value of a key may be another one."""
    if key["text"] and key["what"] == "changed" and not key["shown"]:
        yield "another text (not shown)" if kind == "Secret" else "another value (not shown)"
    elif key["shown"]:
        yield sides(key)
    if key["variables"] and key["what"] == "changed":
        yield f"uses {', '.join(key['variables'])}"
    yield from (f"{source} gives another value" for source in key["sources"])


def value_text(value: dict[str, Any]) -> str:
    """Describe how a value is stored now."""
    if value["replayed_from"]:
        return replay_text(value)
    before, after = value["before"], value["after"]
    if value["what"] == "changed":
        if before == after:
            return NEW if after == "encrypted" else f"another value, {after}"
        return f"{after}, was {before}"
    return str(after or "")


def variable_reasons(variable: dict[str, Any]) -> Iterator[str]:
    """Yield why the value of a variable may be another one."""
    if variable["replayed_from"]:
        yield replay_text(variable)
    yield from (reason for reason in variable["reasons"] if not (variable["replayed_from"] and reason == NEW))


def replay_text(entry: dict[str, Any]) -> str:
    """Describe a ciphertext from an older version."""
    return f"an older ciphertext, from commit {entry['replayed_from'][:10]}: an old value is back"


def recipient_text(reader: dict[str, Any]) -> str:
    """Name a recipient."""
    group = f" (group {reader['group']})" if reader["group"] else ""
    return f"{reader['kind']} {reader['id']}{group}"


def document_title(document: dict[str, Any]) -> str:
    """Describe what happens to a document."""
    renamed = f", was {document['renamed_from']}" if document["renamed_from"] else ""
    path = f" ({document['path']})" if document["path"] else ""
    return f"{document['reference']}{path}{renamed}"


def notes_of(document: dict[str, Any]) -> Iterator[str]:
    """Yield what a reviewer should know about a document."""
    yield from document["notes"]
    parts = (*(document[name] for name in _PARTS), *(document["new_files"][name] for name in _PARTS[1:]))
    if document["what"] == "changed" and not any(parts) and UNREAD not in document["notes"]:
        yield "only its name, metadata or layout differ"


def rules_title(document: dict[str, Any]) -> str:
    """Name the rules for new files."""
    return f"for new files, by {document['new_files']['file']}"
